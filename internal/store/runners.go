package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// SQL returns the underlying transaction, for the job queue alone.
func (tx *SystemTx) SQL() *sql.Tx { return tx.sql }

// BeatRunner says that a job runner is alive, and forgets those that have been
// silent since before a time.
func (tx *SystemTx) BeatRunner(ctx context.Context, id string, now, silentSince time.Time) error {
	if _, err := tx.exec(ctx, `INSERT INTO job_runners (id, beat_at) VALUES ($1, $2)
		ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at`, id, micros(now)); err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	if _, err := tx.exec(ctx, `DELETE FROM job_runners WHERE beat_at < $1`, micros(silentSince)); err != nil {
		return fmt.Errorf("forget silent runners: %w", err)
	}
	return nil
}

// LeaveRunner forgets a runner that stopped in order.
func (tx *SystemTx) LeaveRunner(ctx context.Context, id string) error {
	_, err := tx.exec(ctx, `DELETE FROM job_runners WHERE id = $1`, id)
	return err
}

// Runners lists the runners that are alive.
func (tx *SystemTx) Runners(ctx context.Context) (map[string]bool, error) {
	alive := map[string]bool{}
	err := tx.rows(ctx, `SELECT id FROM job_runners`, nil, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		alive[id] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the runners: %w", err)
	}
	return alive, nil
}
