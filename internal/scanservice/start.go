package scanservice

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/store"
)

// The kinds of jobs this service does.
const (
	JobScan jobs.Kind = "scan"
	JobTick jobs.Kind = "schedule_tick"
)

// Handlers do the service's jobs in a runner.
func (s *Service) Handlers() []jobs.Handler {
	return []jobs.Handler{
		{
			Kind: JobScan, Timeout: s.config.Timeout + time.Minute,
			Run: func(ctx context.Context, job jobs.Job) error { return s.Run(ctx, job.Args.Org, job.Args.Scan) },
		},
		{
			Kind: JobTick, Timeout: time.Minute, MaxAttempts: 1,
			Run: func(ctx context.Context, _ jobs.Job) error {
				_, err := s.Tick(ctx)
				return err
			},
		},
	}
}

// Periodic are the jobs that a runner enqueues again and again.
func (s *Service) Periodic() []jobs.Periodic {
	return []jobs.Periodic{{Kind: JobTick, Every: time.Minute, RunOnStart: true}}
}

// Start queues a scan and returns it. When one is queued or running already,
// that one is returned with started false.
func (s *Service) Start(ctx context.Context, org store.OrgID, r Request) (scan store.Scan, started bool, err error) {
	if err := access.Require(ctx, access.Editor); err != nil {
		return store.Scan{}, false, err
	}
	if s.config.Queue == nil {
		return store.Scan{}, false, errs.New(errs.Internal, "no_queue", "Scans cannot be queued here.", "Run metalens scan instead.")
	}
	now := s.config.Now().UTC()
	err = s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.AbandonStale(ctx, now.Add(-staleAfter)); err != nil {
			return err
		}
		var err error
		scan, started, err = s.insert(ctx, tx, r, now)
		if err != nil || !started {
			return err
		}
		_, fresh, err := s.config.Queue.Enqueue(ctx, tx, JobScan, jobs.Args{Org: org, Connection: r.Connection, Scan: scan.ID})
		if err == nil && !fresh {
			err = errs.New(errs.Conflict, "scan_ending", "The scan before is just ending.", "Try again in a moment.")
		}
		return err
	})
	if err != nil {
		return store.Scan{}, false, fmt.Errorf("start scan of connection %s: %w", r.Connection, err)
	}
	return scan, started, nil
}

// insert adds a queued scan, unless one is under way.
func (s *Service) insert(ctx context.Context, tx *store.Tx, r Request, now time.Time) (store.Scan, bool, error) {
	if _, err := tx.Connection(ctx, r.Connection); err != nil {
		return store.Scan{}, false, err
	}
	active, err := tx.ActiveScan(ctx, r.Connection)
	switch {
	case err == nil:
		return active, false, nil
	case errs.KindOf(err) != errs.NotFound:
		return store.Scan{}, false, err
	}
	added, err := tx.InsertScan(ctx, store.Scan{
		ConnectionID: r.Connection, State: store.ScanQueued, Trigger: cmp.Or(r.Trigger, TriggerManual), RequestedBy: r.RequestedBy, QueuedAt: now,
	})
	if err != nil {
		return added, false, err
	}
	return added, true, tx.Audit(ctx, store.AuditRow{
		Actor: r.RequestedBy, Action: "scan_started", Target: "scan:" + string(added.ID), Detail: fmt.Sprintf(`{"connection":%q,"trigger":%q}`, r.Connection, added.Trigger),
	})
}

// Cancel stops a queued or running scan within seconds, wherever it runs. A
// finished one is left alone.
func (s *Service) Cancel(ctx context.Context, org store.OrgID, id store.ScanID) error {
	if err := access.Require(ctx, access.Editor); err != nil {
		return err
	}
	err := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		found, err := tx.Scan(ctx, id)
		if err != nil {
			return err
		}
		if Finished(found) {
			return nil
		}
		if err := tx.Audit(ctx, store.AuditRow{
			Actor: store.UserID(access.From(ctx).User), Action: "scan_cancelled", Target: "scan:" + string(id), Detail: fmt.Sprintf(`{"connection":%q}`, found.ConnectionID),
		}); err != nil {
			return err
		}
		if found.State == store.ScanQueued {
			return tx.FinishScan(ctx, id, store.ScanCancelled, errCancelRequested.Code, errCancelRequested.Public)
		}
		return tx.RequestScanCancel(ctx, id)
	})
	if err != nil {
		return fmt.Errorf("cancel scan %s: %w", id, err)
	}
	if r := s.running(id); r != nil {
		r.cancel(errCancelRequested)
	}
	return nil
}

// Tick queues the scans that are due and returns how many. A scan that is due
// in its connection's quiet hours waits until they end. The server calls it
// every minute.
func (s *Service) Tick(ctx context.Context) (int, error) {
	if err := access.RequireSystem(ctx); err != nil {
		return 0, err
	}
	now := s.config.Now().UTC()
	var due []store.DueSchedule
	err := s.config.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		if _, err = tx.AbandonStale(ctx, now.Add(-staleAfter)); err != nil {
			return err
		}
		due, err = tx.DueSchedules(ctx, now)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find due schedules: %w", err)
	}
	queued := 0
	for _, d := range due {
		started, err := s.startDue(ctx, d, now)
		if err != nil {
			if ctx.Err() != nil {
				return queued, fmt.Errorf("start due scans: %w", err)
			}
			s.config.Logger.WarnContext(ctx, "due scan not queued", "connection_id", string(d.ConnectionID), "error", err)
			continue
		}
		if started {
			queued++
		}
	}
	return queued, nil
}

// startDue queues one due scan and moves its schedule on.
func (s *Service) startDue(ctx context.Context, d store.DueSchedule, now time.Time) (bool, error) {
	c, err := s.config.Connections.Connection(ctx, d.OrgID, d.ConnectionID)
	if err != nil {
		return false, err
	}
	quiet, err := connection.ParseQuietHours(c.Options.QuietHours)
	if err != nil {
		return false, err
	}
	if until := quiet.Until(now); until.After(now) {
		return false, s.schedule(ctx, d, until)
	}
	next, err := connection.NextRun(c, now)
	if err != nil {
		return false, err
	}
	_, started, err := s.Start(ctx, d.OrgID, Request{Connection: d.ConnectionID, Trigger: TriggerSchedule})
	if err != nil && errs.KindOf(err) != errs.Conflict {
		return false, err
	}
	return started, s.schedule(ctx, d, next)
}

func (s *Service) schedule(ctx context.Context, d store.DueSchedule, next time.Time) error {
	return s.config.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return tx.SetNextRun(ctx, d.OrgID, d.ConnectionID, next)
	})
}

// retryLater moves the schedule of a connection forward after a scheduled scan
// failed for a passing reason.
func (s *Service) retryLater(ctx context.Context, org store.OrgID, failed store.Scan, cause error) {
	kind := errs.KindOf(cause)
	if failed.Trigger != TriggerSchedule || (kind != errs.Unavailable && kind != errs.Limited) {
		return
	}
	at := s.config.Now().UTC().Add(retryAfter)
	var next time.Time
	err := s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		c, err := tx.Connection(ctx, failed.ConnectionID)
		if err != nil {
			return err
		}
		recent, err := tx.Scans(ctx, failed.ConnectionID, retryLimit, time.Time{})
		if err != nil {
			return err
		}
		inRow := 0
		for _, r := range recent {
			if r.State != store.ScanFailed || r.Trigger != TriggerSchedule {
				break
			}
			inRow++
		}
		if inRow < retryLimit && c.Schedule != "" && (c.NextRunAt.IsZero() || c.NextRunAt.After(at)) {
			quiet, err := connection.ParseQuietHours(c.Options.QuietHours)
			if err != nil {
				return err
			}
			next = quiet.Until(at)
		}
		return nil
	})
	if err == nil && !next.IsZero() {
		err = s.schedule(ctx, store.DueSchedule{OrgID: org, ConnectionID: failed.ConnectionID}, next)
	}
	if err != nil {
		s.config.Logger.WarnContext(ctx, "retry of a scheduled scan not planned", "scan_id", string(failed.ID), "error", err)
	}
}
