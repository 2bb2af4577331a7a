// Package grants is the pages on which admins say what members see of each
// connection: who sees what, the default for later members, and the choice of
// collections with a preview.
package grants

import (
	"context"

	"github.com/metalens/metalens/internal/grants"
	"github.com/metalens/metalens/internal/store"
)

// Service is what the pages need of grants. Each method asks for the role admin.
type Service interface {
	// Sheet lists the members with what they see of a connection.
	Sheet(ctx context.Context, org store.OrgID, conn store.ConnectionID) (grants.Sheet, error)
	// Set says what a member sees; errs.NotFound for somebody who is no member.
	Set(ctx context.Context, org store.OrgID, conn store.ConnectionID, user store.UserID, g store.Grant) error
	// SetDefault says what members see who join later.
	SetDefault(ctx context.Context, org store.OrgID, conn store.ConnectionID, mode store.GrantMode) error
	// Counts reports whether members who see a part are told how many items beside
	// it are hidden, and SetCounts says so, for the whole organization.
	Counts(ctx context.Context, org store.OrgID) (bool, error)
	SetCounts(ctx context.Context, org store.OrgID, shown bool) error
}

// Connections lists what there is to grant.
type Connections interface {
	Connections(ctx context.Context, org store.OrgID) ([]store.Connection, error)
}
