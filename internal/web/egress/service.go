// Package egress is the page of the egress ledger: who was asked, for what, how
// often, and how many bytes.
package egress

import (
	"context"

	"github.com/metalens/metalens/internal/store"
)

// Query selects ledger rows.
type Query struct {
	Connection store.ConnectionID // empty = all
	Scan       store.ScanID       // empty = all
	Limit      int
	Offset     int
}

// Ledger is what the page needs of the egress ledger.
type Ledger interface {
	// Ledger returns one page, the newest first, and how many rows there are in all.
	Ledger(ctx context.Context, org store.OrgID, q Query) ([]store.LedgerRow, int, error)
}
