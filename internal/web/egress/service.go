// Package egress is the pages of the egress ledger: who was asked, for what, how
// often, how many bytes, and, for those who may, exactly what was sent.
package egress

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

// Query selects ledger rows.
type Query struct {
	Connection store.ConnectionID // empty = all
	Scan       store.ScanID       // empty = all
	Purpose    ledger.Purpose     // empty = all
	Host       string             // empty = all
	Status     string             // see [store.LedgerQuery]
	Since      time.Time
	Until      time.Time
	Limit      int
	Offset     int
}

// Ledger is what the pages need of the egress ledger. An empty connection means
// the whole organization, which is for admins.
type Ledger interface {
	// Ledger returns one page, the newest first, and how many rows there are in all.
	Ledger(ctx context.Context, org store.OrgID, q Query) ([]store.LedgerRow, int, error)
	// LedgerRow returns one row; errs.NotFound for one of another connection.
	LedgerRow(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) (store.LedgerRow, error)
	// Payload returns what was sent, to its author, or to an admin with a row in
	// the audit log. It is errs.NotFound when it was not kept or is gone.
	Payload(ctx context.Context, org store.OrgID, conn store.ConnectionID, id, source string) (ledger.Payload, error)
	// LedgerHosts lists the hosts that were asked lately.
	LedgerHosts(ctx context.Context, org store.OrgID, conn store.ConnectionID) ([]string, error)
	// Integrity says when the chain of a log was verified and anchored.
	Integrity(ctx context.Context, org store.OrgID, chain ledger.Chain) (ui.IntegrityView, error)
}
