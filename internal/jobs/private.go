package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Transaction is a transaction of the store, an organization's or the system's.
type Transaction interface{ SQL() *sql.Tx }

// EnqueuePrivate adds a job with sealed content in the caller's transaction. It
// may belong to no organization, and outlive the one it belongs to. args.Item
// must be new.
func (q *Queue) EnqueuePrivate(ctx context.Context, tx Transaction, kind Kind, args Args, attempts int) error {
	if args.Item == "" || args.Sealed == "" {
		return errs.New(errs.Internal, "private_job", "A private job was enqueued without a name or without content.", "")
	}
	_, fresh, err := q.insert(ctx, tx, newArgs(kind, args, attempts))
	if err == nil && !fresh {
		return errs.New(errs.Internal, "private_job", "A private job was enqueued under a name that is taken.", "")
	}
	return err
}

// final reports whether a job ends with this outcome of an attempt.
func final(outcome error, row *rivertype.JobRow) bool {
	var snoozed *rivertype.JobSnoozeError
	var cancelled *rivertype.JobCancelError
	switch {
	case outcome == nil, errors.As(outcome, &cancelled):
		return true
	case errors.As(outcome, &snoozed):
		return false
	}
	return row.Attempt >= row.MaxAttempts
}

// wipe takes the content out of a job that is about to end. Should that fail,
// the next heartbeat does it.
func (r *Runner) wipe(ctx context.Context, id int64, args Args) {
	err := r.cfg.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return wipe(ctx, tx, id, args) })
	if err != nil {
		r.cfg.Logger.WarnContext(ctx, "could not wipe a job's content yet", "job", id, "error", err)
	}
}

func wipe(ctx context.Context, tx *store.SystemTx, id int64, args Args) error {
	args.Sealed = ""
	b, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("write the arguments of job %d: %w", id, err)
	}
	if _, err := tx.SQL().ExecContext(ctx, `UPDATE river_job SET args = $2 WHERE id = $1`, id, b); err != nil {
		return fmt.Errorf("wipe job %d: %w", id, err)
	}
	return nil
}

// wipeEnded takes the content out of private jobs that ended unseen.
func (r *Runner) wipeEnded(ctx context.Context, tx *store.SystemTx) error {
	for _, h := range r.cfg.Handlers {
		if !h.Private {
			continue
		}
		list, err := r.client.JobListTx(ctx, tx.SQL(), river.NewJobListParams().Kinds(string(h.Kind)).
			States(rivertype.JobStateCompleted, rivertype.JobStateCancelled, rivertype.JobStateDiscarded).
			OrderBy(river.JobListOrderByID, river.SortOrderDesc).First(listScan))
		if err != nil {
			return fmt.Errorf("look for ended jobs: %w", err)
		}
		for _, job := range list.Jobs {
			info, err := infoOf(job)
			if err != nil {
				return err
			}
			if info.Args.Sealed == "" {
				continue
			}
			if err := wipe(ctx, tx, job.ID, info.Args); err != nil {
				return err
			}
		}
	}
	return nil
}
