package jobs

import (
	"context"
	"fmt"

	"github.com/riverqueue/river/rivertype"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Count is how many jobs of a kind are in a state.
type Count struct {
	Kind  Kind
	State State
	Count int
}

// Counts says how many jobs of all organizations there are by kind and state,
// ordered by both. The database counts them: no job is read.
func (q *Queue) Counts(ctx context.Context) ([]Count, error) {
	last := `COALESCE(json_extract(errors, '$[#-1].error'), '')`
	if q.store.Engine() == store.EnginePostgres {
		last = `COALESCE(errors[array_length(errors, 1)]->>'error', '')`
	}
	// The same distinctions as in infoOf: a job that gave up for good is cancelled
	// in the queue's words, and failed in ours.
	query := `SELECT kind, CASE state
			WHEN '` + string(rivertype.JobStateRunning) + `' THEN '` + string(StateRunning) + `'
			WHEN '` + string(rivertype.JobStateRetryable) + `' THEN '` + string(StateRetrying) + `'
			WHEN '` + string(rivertype.JobStateCompleted) + `' THEN '` + string(StateDone) + `'
			WHEN '` + string(rivertype.JobStateDiscarded) + `' THEN '` + string(StateFailed) + `'
			WHEN '` + string(rivertype.JobStateCancelled) + `' THEN CASE
				WHEN ` + last + ` = '' OR ` + last + ` LIKE '` + cancelPrefix + string(errs.Canceled) + `%' OR ` + last + ` LIKE '` + string(errs.Canceled) + `%'
				THEN '` + string(StateCancelled) + `' ELSE '` + string(StateFailed) + `' END
			ELSE '` + string(StateWaiting) + `' END AS stands, count(*)
		FROM river_job GROUP BY kind, stands ORDER BY kind, stands`
	var list []Count
	err := q.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		rows, err := tx.SQL().QueryContext(ctx, query)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var c Count
			if err := rows.Scan(&c.Kind, &c.State, &c.Count); err != nil {
				return err
			}
			list = append(list, c)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("count jobs: %w", err)
	}
	return list, nil
}
