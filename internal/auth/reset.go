package auth

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// ResetPassword replaces the password of an account without asking for the
// present one and ends all its logins. It is for whoever operates the
// installation, not for pages. Invalid input answers [FieldErrors] with the key
// password.
func (s *Service) ResetPassword(ctx context.Context, id store.UserID, password secret.Value) error {
	user, err := s.users.User(ctx, id)
	if err != nil {
		return fmt.Errorf("find account: %w", err)
	}
	if msg := CheckPassword(password, user.Email, user.Name); msg != "" {
		return FieldErrors{"password": msg}
	}
	if user.PasswordHash, err = s.hasher.hash(ctx, password); err != nil {
		return err
	}
	if err := s.users.UpdateUser(ctx, user); err != nil {
		return fmt.Errorf("store password: %w", err)
	}
	if _, err := s.store.EndSessions(ctx, user.ID, ""); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	s.record(ctx, Identity{User: user.ID}, "password_reset", netip.Addr{})
	return nil
}
