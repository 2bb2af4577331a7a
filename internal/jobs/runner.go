package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Runner works on jobs in this process.
type Runner struct {
	cfg    Config
	id     string
	client *river.Client[*sql.Tx]
	done   func() error // closes the runner's own connection

	stopBeat context.CancelFunc
	beating  sync.WaitGroup
}

// New checks the configuration and returns a runner that is not started. Stop
// must be called even if Start is not.
func New(cfg Config) (*Runner, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	db, done, err := cfg.Store.JobDB()
	if err != nil {
		return nil, fmt.Errorf("open the job queue: %w", err)
	}
	r := &Runner{cfg: cfg, id: uuid.NewString(), done: done, stopBeat: func() {}}
	workers := river.NewWorkers()
	longest := time.Duration(0)
	for _, h := range cfg.Handlers {
		if h.Timeout <= 0 {
			h.Timeout = defaultTimeout
		}
		longest = max(longest, h.Timeout)
		river.AddWorkerArgs(workers, riverArgs{kind: h.Kind}, &worker{runner: r, handler: h})
	}
	r.client, err = river.NewClient(driver(cfg.Store, db), &river.Config{
		ID:                   r.id,
		Logger:               slog.New(quiet{cfg.Logger.Handler()}),
		Workers:              workers,
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: cfg.Concurrency}},
		FetchPollInterval:    cfg.Poll,
		FetchCooldown:        min(cfg.Poll, 100*time.Millisecond),
		JobTimeout:           longest,
		RescueStuckJobsAfter: 2*longest + time.Hour, // ours is faster: see rescue
		RetryPolicy:          backOff{cfg.Now},
		PeriodicJobs:         periodic(cfg),
		ReindexerSchedule:    never{}, // needs to own the tables
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up the job runner: %w", err), done())
	}
	return r, nil
}

func periodic(cfg Config) []*river.PeriodicJob {
	attempts := map[Kind]int{}
	for _, h := range cfg.Handlers {
		attempts[h.Kind] = h.MaxAttempts
	}
	list := make([]*river.PeriodicJob, len(cfg.Periodic))
	for i, p := range cfg.Periodic {
		list[i] = river.NewPeriodicJob(river.PeriodicInterval(p.Every), func() (river.JobArgs, *river.InsertOpts) {
			return newArgs(p.Kind, p.Args, attempts[p.Kind]), nil
		}, &river.PeriodicJobOpts{RunOnStart: p.RunOnStart})
	}
	return list
}

// Start begins to work and returns. It may be called once. ctx must live as
// long as the runner; end it with Stop.
func (r *Runner) Start(ctx context.Context) error {
	if err := r.beat(ctx); err != nil {
		return fmt.Errorf("start the job runner: %w", err)
	}
	if err := r.client.Start(ctx); err != nil {
		return fmt.Errorf("start the job runner: %w", err)
	}
	beatCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.stopBeat = cancel
	r.beating.Go(func() {
		tick := time.NewTicker(r.cfg.Heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-beatCtx.Done():
				return
			case <-tick.C:
			}
			if err := r.beat(beatCtx); err != nil && beatCtx.Err() == nil {
				r.cfg.Logger.WarnContext(beatCtx, "the job runner's heartbeat failed", "error", err)
			}
		}
	})
	return nil
}

// stopLimit is how long cancelled jobs have to let go.
const stopLimit = 15 * time.Second

// Stop takes no more jobs and waits for the running ones; when ctx ends first,
// they are cancelled, and tried again by whoever starts next.
func (r *Runner) Stop(ctx context.Context) error {
	err := r.client.Stop(ctx)
	if err != nil {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		err = r.client.StopAndCancel(hard)
	}
	r.stopBeat()
	r.beating.Wait()
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	err = errors.Join(err, r.cfg.Store.InSystem(leaving, func(ctx context.Context, tx *store.SystemTx) error {
		return tx.LeaveRunner(ctx, r.id)
	}), r.done())
	if err != nil {
		return fmt.Errorf("stop the job runner: %w", err)
	}
	return nil
}

// beat says that this runner is alive and takes the jobs of the silent ones
// back into the queue.
func (r *Runner) beat(ctx context.Context) error {
	return r.cfg.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		now := r.cfg.Now()
		if err := tx.BeatRunner(ctx, r.id, now, now.Add(-r.cfg.Silence)); err != nil {
			return err
		}
		alive, err := tx.Runners(ctx)
		if err != nil {
			return err
		}
		if err := r.rescue(ctx, tx, alive); err != nil {
			return err
		}
		return r.wipeEnded(ctx, tx)
	})
}

func (r *Runner) rescue(ctx context.Context, tx *store.SystemTx, alive map[string]bool) error {
	running, err := r.client.JobListTx(ctx, tx.SQL(), river.NewJobListParams().States(rivertype.JobStateRunning).First(listScan))
	if err != nil {
		return fmt.Errorf("look for lost jobs: %w", err)
	}
	for _, job := range running.Jobs {
		if n := len(job.AttemptedBy); n == 0 || alive[job.AttemptedBy[n-1]] {
			continue
		}
		query := `UPDATE river_job SET state = 'available' WHERE id = $1 AND state = 'running' AND attempt = $2`
		if job.Attempt >= job.MaxAttempts {
			query = `UPDATE river_job SET state = 'discarded', finalized_at = CURRENT_TIMESTAMP WHERE id = $1 AND state = 'running' AND attempt = $2`
		}
		if _, err := tx.SQL().ExecContext(ctx, query, job.ID, job.Attempt); err != nil {
			return fmt.Errorf("take back a lost job: %w", err)
		}
		r.cfg.Logger.WarnContext(ctx, "took back the job of a runner that went silent", "job", job.ID, "kind", job.Kind)
	}
	return nil
}

// worker does the jobs of one kind.
type worker struct {
	river.WorkerDefaults[riverArgs]
	runner  *Runner
	handler Handler
}

// Timeout implements [river.Worker].
func (w *worker) Timeout(*river.Job[riverArgs]) time.Duration { return w.handler.Timeout }

// errCancelled is the cause of a context that somebody's request cancelled.
var errCancelled = errs.New(errs.Canceled, "cancelled", "The job was cancelled.", "")

// Work implements [river.Worker].
func (w *worker) Work(ctx context.Context, job *river.Job[riverArgs]) error {
	started := w.runner.cfg.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { w.watch(ctx, job.Args.args(), cancel) })
	err := w.run(ctx, Job{ID: job.ID, Kind: w.handler.Kind, Args: job.Args.args(), Attempt: job.Attempt})
	cause := context.Cause(ctx) // before our own cancel below
	cancel(nil)
	watch.Wait()
	w.runner.cfg.Logger.InfoContext(ctx, "job finished", "job", job.ID, "kind", job.Kind, "attempt", job.Attempt,
		"duration", w.runner.cfg.Now().Sub(started), "outcome", outcome(err))
	out := verdict(err, cause, w.runner.cfg.Now().Sub(job.CreatedAt))
	if w.handler.Private && final(out, job.JobRow) {
		w.runner.wipe(context.WithoutCancel(ctx), job.ID, job.Args.args())
	}
	return out
}

// run turns a panic into an error, so that its text stays out of the queue.
func (w *worker) run(ctx context.Context, job Job) (err error) {
	defer func() {
		if v := recover(); v != nil {
			w.runner.cfg.Logger.ErrorContext(ctx, "job panicked", "job", job.ID, "kind", job.Kind, "panic", v, "trace", string(debug.Stack()))
			err = errs.New(errs.Internal, "panic", "The job ended by a defect of MetaLens.", "The log has the detail.")
		}
	}()
	return w.handler.Run(access.AsSystem(ctx), job)
}

func outcome(err error) string {
	if err == nil {
		return "done"
	}
	return class(err)
}

// watch cancels the job's context when somebody asks for it.
func (w *worker) watch(ctx context.Context, args Args, cancel context.CancelCauseFunc) {
	cancelled := w.handler.Cancelled
	if cancelled == nil {
		if args.Scan == "" {
			return
		}
		cancelled = w.runner.scanCancelled
	}
	tick := time.NewTicker(w.runner.cfg.CancelPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		yes, err := cancelled(ctx, args)
		if err != nil && ctx.Err() == nil {
			w.runner.cfg.Logger.WarnContext(ctx, "could not look for a cancel request", "error", err)
		}
		if yes {
			cancel(errCancelled)
			return
		}
	}
}

func (r *Runner) scanCancelled(ctx context.Context, args Args) (yes bool, err error) {
	err = r.cfg.Store.ViewOrg(ctx, args.Org, func(ctx context.Context, tx *store.Tx) error {
		yes, err = tx.CancelRequested(ctx, args.Scan)
		return err
	})
	if errs.KindOf(err) == errs.NotFound {
		return true, nil // the scan is gone: so is the reason to go on
	}
	return yes, err
}
