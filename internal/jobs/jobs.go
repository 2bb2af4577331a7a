// Package jobs runs durable work: scans, schedules, retention. A job is
// enqueued in the caller's own transaction, is unique per kind, organization
// and connection while it waits or runs, is retried by the class of its error,
// moves to another runner when its own goes silent, and can be cancelled from
// any process.
//
// River does the work on both engines (docs/adr/0004-jobs-on-river.md). Job
// rows hold ids and error codes, never names or texts.
package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Kind names a kind of job: scan, prune, schedule_tick. Two characters at
// least.
type Kind string

// Args say what a job works on. They hold ids only.
type Args struct {
	Org        store.OrgID        `json:"org"`
	Connection store.ConnectionID `json:"connection,omitempty"`
	Scan       store.ScanID       `json:"scan,omitempty"`
	// Item tells jobs of one kind and organization apart that are about neither.
	Item string `json:"item,omitempty"`
	// Sealed is content that only this job has, encrypted, as text; a [Handler.Private]
	// job loses it when it ends.
	Sealed string `json:"sealed,omitempty"`
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
	// tries again soon (for at most an hour), everything else backs off.
	Run func(ctx context.Context, job Job) error
	// Cancelled is polled while Run works; true cancels its context. Nil polls
	// the cancel request of Args.Scan, where there is one.
	Cancelled func(ctx context.Context, args Args) (bool, error)
	// Private wipes Args.Sealed from the queue as soon as a job has ended, however
	// it ended.
	Private bool
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
	Concurrency int              // jobs at once; 0 = 2
	Poll        time.Duration    // how often to look for work; 0 = 1 s
	CancelPoll  time.Duration    // how often to look for a cancel request; 0 = 1 s
	Heartbeat   time.Duration    // how often to say that this runner is alive; 0 = 10 s
	Silence     time.Duration    // after which a runner has lost its jobs; 0 = 6 heartbeats
	Now         func() time.Time // nil = time.Now
	Logger      *slog.Logger     // nil = silent
}

func (c *Config) withDefaults() (Config, error) {
	d := *c
	if d.Store == nil || len(d.Handlers) == 0 {
		return d, errs.New(errs.Internal, "jobs_config", "The job runner was set up without a store or without handlers.", "")
	}
	kinds := map[Kind]bool{}
	for _, h := range d.Handlers {
		if kinds[h.Kind] {
			return d, errs.New(errs.Internal, "jobs_config", "The job runner was given two handlers of one kind.", "")
		}
		kinds[h.Kind] = true
		if h.Run == nil || len(h.Kind) < 2 {
			return d, errs.New(errs.Internal, "jobs_config", "The job runner was given a handler without a kind or a function.", "")
		}
	}
	if d.Concurrency <= 0 {
		d.Concurrency = 2
	}
	if d.Poll <= 0 {
		d.Poll = time.Second
	}
	if d.CancelPoll <= 0 {
		d.CancelPoll = time.Second
	}
	if d.Heartbeat <= 0 {
		d.Heartbeat = 10 * time.Second
	}
	if d.Silence <= 0 {
		d.Silence = 6 * d.Heartbeat
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d, nil
}

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
	LastError   string // class and code of the last failure: "unavailable/unreachable"
}

const (
	defaultTimeout  = time.Hour
	defaultAttempts = 5
)
