// Package overview is the first page of a connection: how healthy it is, whether
// that gets better, what changed, and what to do first.
package overview

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
)

// HealthPoint is the health at one scan.
type HealthPoint struct {
	At     time.Time
	Scan   store.ScanID
	Health finding.Health
}

// Service is what the page needs beyond findings and scans.
type Service interface {
	// LatestScan returns the last succeeded scan; errs.NotFound when there is none.
	LatestScan(ctx context.Context, org store.OrgID, conn store.ConnectionID) (store.Scan, error)
	// Whole reports whether the reader sees everything that was read; a reader of
	// a part is shown no figures over the whole.
	Whole(ctx context.Context, org store.OrgID, conn store.ConnectionID) (bool, error)
	// HealthSeries lists the health since a time, the oldest first.
	HealthSeries(ctx context.Context, org store.OrgID, conn store.ConnectionID, since time.Time) ([]HealthPoint, error)
}
