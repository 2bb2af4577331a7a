// Package scan reads a Metabase into a snapshot: which steps, in which order,
// what may be taken over from the scan before, how far it is, and how it goes on
// after it was interrupted.
//
// What could not be read becomes a gap of the snapshot. A scan fails only when
// there is no Metabase at the address, it refuses the credential, or nothing at
// all can be listed. It writes nothing but its staging, and it never reads a
// dashboard in detail twice.
package scan

import (
	"context"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Options shape a scan. The zero value reads everything with safe defaults.
type Options struct {
	// Previous is the last snapshot of the same connection, with its Marks; nil
	// on the first scan. It is not changed.
	Previous *catalog.Snapshot
	// OwnReads counts our own dashboard reads, which Metabase counts as views.
	// Nil when nothing is remembered (stateless runs).
	OwnReads OwnReads
	// Staging keeps finished steps so that an interrupted scan goes on. Nil
	// switches resuming off.
	Staging Staging
	// Fingerprint names what a staged step depends on beside Metabase itself
	// (credential, reader configuration). Staging of another fingerprint is
	// discarded.
	Fingerprint string
	// Progress is called when the progress moved, from one goroutine at a time.
	Progress func(store.ScanProgress)

	ExcludedCollections []string // ids; everything below is left out too
	IncludePersonal     bool     // read personal collections too
	NoDashboardDetail   bool     // read no dashboard in detail, so that no view is counted
	RefreshSchema       bool     // read every schema again, however recent
	Concurrency         int      // 0 = 3
	QueryTimeBudget     int      // detail reads for average query times; 0 = 5, negative = none
	SplitQuestions      int      // read questions per database above this many; 0 = 5000

	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil = silent
}

// Staging keeps the encoded results of finished steps. Save replaces.
type Staging interface {
	Load(ctx context.Context, step string) ([]byte, bool, error)
	Save(ctx context.Context, step string, data []byte) error
	Drop(ctx context.Context) error // forgets every step
}

// OwnReads counts our own dashboard reads over all scans of a connection.
type OwnReads interface {
	Counts(ctx context.Context) (map[string]int64, error) // dashboard id → reads
	Add(ctx context.Context, dashboardID string) error    // before a read is sent
}

// Read takes a snapshot. Only these errors end it: the address answers nothing
// or is no Metabase, the credential is refused, nothing can be listed, staging
// cannot be written, or ctx ended.
func Read(ctx context.Context, source Source, options Options) (*catalog.Snapshot, error) {
	return nil, errs.New(errs.Internal, "not_ready", "Scanning is not built yet.", "")
}
