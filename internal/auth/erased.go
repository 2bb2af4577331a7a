package auth

import "context"

// Forget ends the caller's session after what it belonged to was deleted. Nobody
// is left to write it to an audit log for.
func (s *Service) Forget(ctx context.Context) error { return s.destroy(ctx) }

// ReopenSetup lets the setup token claim the first run again, after the last
// account was deleted, and returns it.
func (s *Service) ReopenSetup() string {
	s.setup.used.Store(false)
	return s.setup.text
}
