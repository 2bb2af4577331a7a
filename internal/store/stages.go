package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// stageLife is how long a finished step of an unfinished scan is worth keeping:
// after it the Metabase has moved on too far to mix old and new.
const stageLife = time.Hour

// Staged steps belong to the connection, not to the scan: a new scan goes on
// where a killed one stopped.

// StageOpen drops the staged steps that are older than an hour or were saved
// under another stamp (a hash of the key's identity and the server's version),
// sets the stamp for the steps to come, and returns the names of those left.
func (tx *Tx) StageOpen(ctx context.Context, scan ScanID, stamp string, now time.Time) (steps []string, err error) {
	conn, err := tx.connectionOf(ctx, scan)
	if err != nil {
		return nil, err
	}
	if _, err := tx.exec(ctx, `DELETE FROM stages WHERE org_id = $1 AND connection_id = $2 AND (stamp <> $3 OR saved_at < $4)`,
		tx.org, conn, stamp, micros(now.Add(-stageLife))); err != nil {
		return nil, fmt.Errorf("drop old stages: %w", err)
	}
	if _, err := tx.exec(ctx, `INSERT INTO stage_stamps (org_id, connection_id, stamp) VALUES ($1, $2, $3)
		ON CONFLICT (org_id, connection_id) DO UPDATE SET stamp = excluded.stamp`, tx.org, conn, stamp); err != nil {
		return nil, fmt.Errorf("stamp the stages: %w", err)
	}
	err = tx.rows(ctx, `SELECT step FROM stages WHERE org_id = $1 AND connection_id = $2 ORDER BY step`, []any{tx.org, conn}, func(r *sql.Rows) error {
		var step string
		err := r.Scan(&step)
		steps = append(steps, step)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the stages: %w", err)
	}
	return steps, nil
}

// StageSave keeps what a finished step read, sealed.
func (tx *Tx) StageSave(ctx context.Context, scan ScanID, step string, data []byte) error {
	conn, err := tx.connectionOf(ctx, scan)
	if err != nil {
		return err
	}
	sealed := tx.key.Seal(tx.store.codec.Compress(nil, data), "stages", string(conn)+"/"+step)
	_, err = tx.exec(ctx, `INSERT INTO stages (org_id, connection_id, step, stamp, saved_at, body)
		VALUES ($1, $2, $3, coalesce((SELECT stamp FROM stage_stamps WHERE org_id = $1 AND connection_id = $2), ''), $4, $5)
		ON CONFLICT (org_id, connection_id, step) DO UPDATE SET stamp = excluded.stamp, saved_at = excluded.saved_at, body = excluded.body`,
		tx.org, conn, step, micros(tx.store.now()), sealed)
	if err != nil {
		return fmt.Errorf("stage step %s: %w", step, err)
	}
	return nil
}

// StageLoad returns what a step saved; ok is false when there is nothing.
func (tx *Tx) StageLoad(ctx context.Context, scan ScanID, step string) (data []byte, ok bool, err error) {
	conn, err := tx.connectionOf(ctx, scan)
	if err != nil {
		return nil, false, err
	}
	var sealed []byte
	err = tx.sql.QueryRowContext(ctx, `SELECT body FROM stages WHERE org_id = $1 AND connection_id = $2 AND step = $3`, tx.org, conn, step).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("load stage %s: %w", step, tx.store.translate(err))
	}
	small, err := tx.key.Open(sealed, "stages", string(conn)+"/"+step)
	if err == nil {
		data, err = tx.store.codec.Expand(nil, small)
	}
	if err != nil {
		return nil, false, fmt.Errorf("open stage %s: %w", step, err)
	}
	return data, true, nil
}

// StageDrop forgets all staged steps of the scan's connection.
func (tx *Tx) StageDrop(ctx context.Context, scan ScanID) error {
	conn, err := tx.connectionOf(ctx, scan)
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `DELETE FROM stages WHERE org_id = $1 AND connection_id = $2`, tx.org, conn); err != nil {
		return fmt.Errorf("drop the stages: %w", err)
	}
	return nil
}

func (tx *Tx) connectionOf(ctx context.Context, scan ScanID) (ConnectionID, error) {
	var conn ConnectionID
	err := tx.scanOne(ctx, "scan", `SELECT connection_id FROM scans WHERE org_id = $1 AND id = $2`, []any{tx.org, scan}, &conn)
	return conn, err
}
