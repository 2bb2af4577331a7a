package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/riverqueue/river/rivertype"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Cancel ends a job that waits, and asks a running one to end. One that has
// ended already is errs.Conflict, an unknown one errs.NotFound.
func (q *Queue) Cancel(ctx context.Context, id int64) error {
	return q.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		before, err := q.client.JobGetTx(ctx, tx.SQL(), id)
		if err != nil {
			return missing(err)
		}
		if before.FinalizedAt != nil {
			return errs.New(errs.Conflict, "job_ended", "This job has ended already.", "")
		}
		if _, err := q.client.JobCancelTx(ctx, tx.SQL(), id); err != nil {
			return fmt.Errorf("cancel job %d: %w", id, err)
		}
		return nil
	})
}

// Retry lets a job that failed or was cancelled run again, now. One that runs,
// waits or has succeeded is errs.Conflict.
func (q *Queue) Retry(ctx context.Context, id int64) error {
	return q.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		before, err := q.client.JobGetTx(ctx, tx.SQL(), id)
		if err != nil {
			return missing(err)
		}
		switch before.State {
		case rivertype.JobStateDiscarded, rivertype.JobStateCancelled, rivertype.JobStateRetryable, rivertype.JobStateScheduled:
		default:
			return errs.New(errs.Conflict, "job_not_failed", "Only a job that failed or waits for another attempt can be run again.", "")
		}
		if _, err := q.client.JobRetryTx(ctx, tx.SQL(), id); err != nil {
			return fmt.Errorf("retry job %d: %w", id, err)
		}
		return nil
	})
}

func missing(err error) error {
	if errors.Is(err, rivertype.ErrNotFound) {
		return errs.Wrap(err, errs.NotFound, "no_job", "There is no such job.", "It may have been cleaned up since; reload the list.")
	}
	return fmt.Errorf("read a job: %w", err)
}
