// Package jobs runs durable work: scans, schedules, retention. A job is
// enqueued in the caller's own transaction, is unique per connection and kind,
// is retried by the class of its error, and can be cancelled from any process.
//
// River does the work on both engines (docs/adr/0004-jobs-on-river.md).
package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Kind names a kind of job: scan, prune, schedule_tick.
type Kind string

// Args say what a job works on. They hold ids only.
type Args struct {
	Org        store.OrgID        `json:"org"`
	Connection store.ConnectionID `json:"connection,omitempty"`
	Scan       store.ScanID       `json:"scan,omitempty"`
}

// Job is one attempt at a job.
type Job struct {
	ID      int64
	Kind    Kind
	Args    Args
	Attempt int // from 1
}

// Handler does the jobs of one kind.
type Handler struct {
	Kind        Kind
	Timeout     time.Duration // of one attempt; 0 = one hour
	MaxAttempts int           // 0 = 5
	// Run does the work. The class of its error decides what follows: invalid,
	// unauthorized, forbidden, not found and cancelled end the job, conflict
	// tries again soon, everything else backs off.
	Run func(ctx context.Context, job Job) error
	// Cancelled is polled while Run works; true cancels its context. Optional.
	Cancelled func(ctx context.Context, args Args) (bool, error)
}

// Periodic enqueues a job again and again, once over all processes.
type Periodic struct {
	Kind       Kind
	Args       Args
	Every      time.Duration
	RunOnStart bool
}

// Config sets up a runner.
type Config struct {
	Store       *store.Store
	Handlers    []Handler
	Periodic    []Periodic
	Concurrency int           // jobs at once; 0 = 2
	Poll        time.Duration // how often to look for work; 0 = 1 s
	CancelPoll  time.Duration // how often to look for a cancel request; 0 = 1 s
	Now         func() time.Time
	Logger      *slog.Logger
}

// Runner works on jobs in this process.
type Runner struct{}

// State is where a job stands.
type State string

// The states of a job.
const (
	StateWaiting   State = "waiting" // to be run, now or later
	StateRunning   State = "running"
	StateRetrying  State = "retrying" // failed, will be tried again
	StateDone      State = "done"
	StateCancelled State = "cancelled"
	StateFailed    State = "failed" // gave up
)

// Info is a job as a list shows it.
type Info struct {
	ID          int64
	Kind        Kind
	Args        Args
	State       State
	Attempt     int
	MaxAttempts int
	CreatedAt   time.Time
	ScheduledAt time.Time
	FinishedAt  time.Time
	LastError   string // public text
}

// Queue enqueues and lists jobs. It needs no runner in this process.
type Queue struct{}

// NewQueue returns the queue of a store.
func NewQueue(s *store.Store) (*Queue, error) { return nil, notBuilt() }

// Enqueue adds a job in the caller's transaction: it exists when the
// transaction commits. fresh is false when an equal job (kind, organization,
// connection) is already waiting or running; its id is returned then.
func (q *Queue) Enqueue(ctx context.Context, tx *store.Tx, kind Kind, args Args) (id int64, fresh bool, err error) {
	return 0, false, notBuilt()
}

// List returns the newest jobs of an organization.
func (q *Queue) List(ctx context.Context, org store.OrgID, limit int) ([]Info, error) {
	return nil, notBuilt()
}

// New checks the configuration and returns a runner that is not started.
func New(cfg Config) (*Runner, error) { return nil, notBuilt() }

// Start begins to work and returns. It may be called once.
func (r *Runner) Start(ctx context.Context) error { return notBuilt() }

// Stop takes no more jobs and waits for the running ones; when ctx ends first,
// they are cancelled, and tried again by whoever starts next.
func (r *Runner) Stop(ctx context.Context) error { return notBuilt() }

func notBuilt() error { return errs.New(errs.Internal, "not_built", "Jobs are not built yet.", "") }
