package connection

import (
	"context"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

func notReady() error { return errs.New(errs.Internal, "not_ready", "This part is not built yet.", "") }

// List returns the connections of an organization by name.
func (s *Service) List(ctx context.Context, org store.OrgID) ([]store.Connection, error) {
	return nil, notReady()
}

// Connection returns one connection.
func (s *Service) Connection(ctx context.Context, org store.OrgID, id store.ConnectionID) (store.Connection, error) {
	return store.Connection{}, notReady()
}

// Find returns the connection of that name, else of that id; NotFound lists
// the names there are.
func (s *Service) Find(ctx context.Context, org store.OrgID, nameOrID string) (store.Connection, error) {
	return store.Connection{}, notReady()
}

// Ensure returns the connection that reads that address, and creates it when
// there is none; the credential replaces the stored one when it differs.
func (s *Service) Ensure(ctx context.Context, org store.OrgID, by Actor, d Draft) (store.Connection, error) {
	return store.Connection{}, notReady()
}

// Create validates and stores a connection with its credential.
func (s *Service) Create(ctx context.Context, org store.OrgID, by Actor, d Draft) (store.Connection, error) {
	return store.Connection{}, notReady()
}

// Update changes a connection; an empty credential keeps the stored one,
// unless the address moved to another host: then it has to be entered again.
func (s *Service) Update(ctx context.Context, org store.OrgID, by Actor, id store.ConnectionID, d Draft) (store.Connection, error) {
	return store.Connection{}, notReady()
}

// ReplaceCredential stores another credential.
func (s *Service) ReplaceCredential(ctx context.Context, org store.OrgID, by Actor, id store.ConnectionID, auth store.AuthKind, credential secret.Value) error {
	return notReady()
}

// Delete removes a connection with its credential and everything read from it.
func (s *Service) Delete(ctx context.Context, org store.OrgID, by Actor, id store.ConnectionID) error {
	return notReady()
}

// TestDraft tries a connection before it is stored.
func (s *Service) TestDraft(ctx context.Context, d Draft) (TestReport, error) {
	return TestReport{}, notReady()
}

// Test tries a stored connection.
func (s *Service) Test(ctx context.Context, org store.OrgID, id store.ConnectionID) (TestReport, error) {
	return TestReport{}, notReady()
}

// Credential hands the stored credential to whoever opens a reader.
func (s *Service) Credential(ctx context.Context, org store.OrgID, id store.ConnectionID) (secret.Value, error) {
	return secret.Value{}, notReady()
}
