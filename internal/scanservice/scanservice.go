// Package scanservice runs scans for the command line and the server alike:
// queued or at once, with live progress, cancellation, resume, analysis and one
// atomic commit, so that half a scan is never visible.
package scanservice

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/analysis"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/scan"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Enqueuer adds jobs in the caller's transaction; *jobs.Queue does.
type Enqueuer interface {
	Enqueue(ctx context.Context, tx *store.Tx, kind jobs.Kind, args jobs.Args) (id int64, fresh bool, err error)
}

// Source is a reader that the service opened and will close.
type Source interface {
	scan.Source
	Close()
}

// Config are the service's dependencies. Store, Connections and Queue may be
// nil where only Stateless and Export without a connection are called.
type Config struct {
	Store       *store.Store
	Connections *connection.Service
	Queue       Enqueuer          // nil: scans run directly only
	Opener      connection.Opener // opens readers

	// Open replaces the opener, for tests.
	Open func(c store.Connection, secrets connection.Credentials, recorder ledger.Recorder) (Source, error)
	// Analyze turns a snapshot into findings; nil = analysis.Run.
	Analyze func(ctx context.Context, s *catalog.Snapshot, o analysis.Options) (*analysis.Result, error)
	// ReadExport reads a serialization folder; nil: Export fails.
	ReadExport func(ctx context.Context, dir string) (*catalog.Snapshot, error)
	// SQL analyses native queries; nil: they stay unread.
	SQL lineage.SQLAnalyzer
	// Identifiers lists the names in a SQL text, never its literals, for
	// searching; nil: SQL is not searchable. engine is Metabase's name of the
	// database's engine, empty when not known.
	Identifiers func(engine, sql string) []string

	Poll    time.Duration    // how often progress is stored and a cancel request looked for; 0 = 1 s
	Timeout time.Duration    // of a whole scan; 0 = 2 h
	Now     func() time.Time // nil = time.Now
	Logger  *slog.Logger     // nil = silent
}

const (
	defaultPoll    = time.Second
	defaultTimeout = 2 * time.Hour
	// staleAfter is how long a running scan may be silent before it is taken
	// for dead.
	staleAfter = 2 * time.Minute
	// aliveFor is how long after its last sign of life nobody else takes a
	// running scan up. Heartbeats come every second.
	aliveFor = 15 * time.Second
	// retryAfter is when a scheduled scan that failed is tried again, at most
	// retryLimit times in a row.
	retryAfter = 30 * time.Minute
	retryLimit = 3
)

// Service runs scans. It is safe for concurrent use.
type Service struct {
	config Config

	mu   sync.Mutex
	live map[store.ScanID]*reporter // scans that run in this process
}

// New returns a service.
func New(config Config) (*Service, error) {
	if config.Store != nil && config.Connections == nil {
		return nil, errors.New("scanservice: a store without connections")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Analyze == nil {
		config.Analyze = analysis.Run
	}
	if config.Poll <= 0 {
		config.Poll = defaultPoll
	}
	if config.Timeout <= 0 {
		config.Timeout = defaultTimeout
	}
	if config.Open == nil {
		opener := config.Opener
		config.Open = func(c store.Connection, secrets connection.Credentials, recorder ledger.Recorder) (Source, error) {
			return opener.Open(c, secrets, recorder)
		}
	}
	return &Service{config: config, live: map[store.ScanID]*reporter{}}, nil
}

// The triggers of a scan.
const (
	TriggerManual   = "manual"
	TriggerSchedule = "schedule"
	TriggerCLI      = "cli"
)

// Request asks for a scan of a stored connection.
type Request struct {
	Connection  store.ConnectionID
	Trigger     string       // empty = manual
	RequestedBy store.UserID // empty for schedule and CLI

	// The following serve direct runs; a queued scan follows its connection.

	RefreshSchema     bool     // read every schema again
	Exclude           []string // collections to leave out beside the connection's own
	NoDashboardDetail bool     // read no dashboard in detail this time
	// Checks replaces the connection's check settings, where it is not nil.
	Checks *Checks
}

// Checks choose checks and their parameters.
type Checks struct {
	Parameters map[string]string
	Enabled    []string
	Disabled   []string
}

// Outcome is everything a report needs of a finished scan.
type Outcome struct {
	Scan     store.Scan // zero for stateless runs
	Snapshot *catalog.Snapshot
	Analysis *analysis.Result
	// Changes since the scan before; empty on the first.
	Changes []store.Change
	// New are the fingerprints that the scan before did not report; nil when
	// there was none before.
	New map[string]bool
	// Ignored are the fingerprints that people set aside.
	Ignored map[string]bool
}

// Target is a Metabase that is read without a stored connection.
type Target struct {
	URL           string
	Auth          store.AuthKind
	Credential    secret.Value
	MaskKey       secret.Value // of keyed hashes, with Options.MaskLiterals
	Options       store.ConnectionOptions
	RefreshSchema bool
}
