// Package scans is the pages about scans: the list, one scan with its live
// progress, start and cancel.
package scans

import (
	"context"

	"github.com/metalens/metalens/internal/store"
)

// Service is what the pages need of scans.
type Service interface {
	// Scans lists the scans of a connection, the newest first; before is the id
	// of the last one seen, empty for the first page.
	Scans(ctx context.Context, org store.OrgID, conn store.ConnectionID, limit int, before store.ScanID) ([]store.Scan, error)
	// Scan answers errs.NotFound for a scan of another organization too.
	Scan(ctx context.Context, org store.OrgID, id store.ScanID) (store.Scan, error)
	// StartScan enqueues a scan; when one is queued or running already, that one
	// is returned.
	StartScan(ctx context.Context, org store.OrgID, conn store.ConnectionID, by store.UserID) (store.Scan, error)
	// CancelScan asks a scan to stop; a finished one is left alone.
	CancelScan(ctx context.Context, org store.OrgID, id store.ScanID) error
	// WatchScan sends the scan at once and after each change until it has
	// finished or ctx ends, then closes the channel. A slow reader misses steps
	// in between, never the last state.
	WatchScan(ctx context.Context, org store.OrgID, id store.ScanID) (<-chan store.Scan, error)
}

// History says what a scan changed.
type History interface {
	// Changes lists the assets that moved between two succeeded scans.
	Changes(ctx context.Context, org store.OrgID, conn store.ConnectionID, fromSeq, toSeq int64) ([]store.Change, error)
}
