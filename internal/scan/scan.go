// Package scan reads a Metabase into a snapshot: which steps, in which order,
// what may be taken over from the scan before, how far it is, and how it goes on
// after it was interrupted.
//
// What could not be read becomes a gap of the snapshot. A scan fails only when
// there is no Metabase at the address, it refuses the credential, or what
// everything else hangs on cannot be listed. It writes nothing but its staging,
// and it never reads a dashboard in detail twice.
package scan

import (
	"context"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/store"
)

// Options shape a scan. The zero value reads everything with safe defaults.
type Options struct {
	// Previous is the last snapshot of the same connection, with its Marks; nil
	// on the first scan. It is not changed; [Slim] gives all that is needed of it.
	Previous *catalog.Snapshot
	// OwnReads counts our own dashboard reads, which Metabase counts as views.
	// Nil when nothing is remembered (stateless runs).
	OwnReads OwnReads
	// Staging keeps finished steps so that an interrupted scan goes on. Nil
	// switches resuming off.
	Staging Staging
	// Fingerprint names what a staged step depends on beside Metabase itself
	// and the options here: the credential and the reader's configuration.
	// Staging of another fingerprint is discarded.
	Fingerprint string
	// Progress is called when the progress moved, from one goroutine at a time.
	Progress func(store.ScanProgress)

	ExcludedCollections []string // ids; everything below is left out too
	IncludePersonal     bool     // read personal collections too
	NoDashboardDetail   bool     // read no dashboard in detail, so that no view is counted
	RefreshSchema       bool     // read every schema again, however recent
	Concurrency         int      // requests at once; 0 = 3
	QueryTimeBudget     int      // most viewed questions whose average query time is read; 0 = 20, negative = none
	SplitQuestions      int      // read questions per database above this many; 0 = 10000, negative = never

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
	Add(ctx context.Context, dashboardID string) error    // called before a read is sent
}

const (
	defaultConcurrency = 3
	defaultQueryTimes  = 20
	defaultSplit       = 10000

	// stagingLife is how long an interrupted scan may go on: lists read longer
	// ago no longer fit those still to be read.
	stagingLife = time.Hour
	// schemaLife is how long a schema is taken over.
	schemaLife = 7 * 24 * time.Hour
	// queryTimeLife is how long an average query time is taken over.
	queryTimeLife = 7 * 24 * time.Hour
	// referenceLife is how long what was found out about dangling references
	// counts.
	referenceLife = 7 * 24 * time.Hour
	// cancelGrace is how long a dashboard read that is already sent may finish
	// after a scan was cancelled: it counts as a view, so its answer is kept.
	cancelGrace = 3 * time.Second
	// brokenAfter is how many dashboards in a row may fail before the server
	// is taken for down.
	brokenAfter = 6
	// closureBudget limits detail reads of content that only references name.
	closureBudget = 20000
	// lostTables and lostQuestions limit single reads of what content uses and
	// no list names.
	lostTables    = 20
	baseless      = 50 // questions without a database, which a split list misses
	lostQuestions = 200
)

func (o Options) withDefaults() Options {
	if o.Concurrency <= 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.QueryTimeBudget == 0 {
		o.QueryTimeBudget = defaultQueryTimes
	}
	if o.SplitQuestions == 0 {
		o.SplitQuestions = defaultSplit
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Read takes a snapshot. Only these errors end it: the address answers nothing
// or is no Metabase, the credential is refused, a list that everything hangs on
// cannot be read, staging cannot be written, or ctx ended. After an error the
// staging still holds the finished steps; after success it is the caller's to
// drop, once the snapshot is safe.
func Read(ctx context.Context, source Source, options Options) (*catalog.Snapshot, error) {
	r := newRun(source, options.withDefaults())
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if err := r.all(ctx); err != nil {
		return nil, err
	}
	return r.assemble(), nil
}
