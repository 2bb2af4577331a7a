package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

const scanColumns = `id, connection_id, seq, state, cause, requested_by, queued_at, started_at, finished_at, heartbeat_at,
	cancel_requested, error_code, error_text, progress, summary`

// codeAbandoned is the error code of a scan whose process went away.
const codeAbandoned = "abandoned"

const textAbandoned = "The process that ran this scan ended before the scan did. Start it again; it goes on with the steps that were finished."

func (tx *Tx) scanScan(row interface{ Scan(...any) error }) (Scan, error) {
	var s Scan
	var queued, started, finished, heartbeat, cancel int64
	var errorText, progress, summary []byte
	if err := row.Scan(&s.ID, &s.ConnectionID, &s.Seq, &s.State, &s.Trigger, &s.RequestedBy, &queued, &started, &finished, &heartbeat,
		&cancel, &s.ErrorCode, &errorText, &progress, &summary); err != nil {
		return Scan{}, err
	}
	s.QueuedAt, s.StartedAt, s.FinishedAt, s.HeartbeatAt = fromMicros(queued), fromMicros(started), fromMicros(finished), fromMicros(heartbeat)
	s.CancelRequested = cancel != 0
	if s.ErrorCode == codeAbandoned {
		s.ErrorText = textAbandoned
	}
	return s, errors.Join(
		tx.openJSON("scans.error_text", string(s.ID), errorText, &s.ErrorText),
		tx.openJSON("scans.progress", string(s.ID), progress, &s.Progress),
		tx.openJSON("scans.summary", string(s.ID), summary, &s.Summary))
}

// InsertScan stores a new scan, queued or running, and returns it with its id
// (made here when empty) and times. While another scan of the connection is
// queued or running it fails with errs.Conflict, code scan_running.
func (tx *Tx) InsertScan(ctx context.Context, s Scan) (Scan, error) {
	if s.ID == "" {
		id, err := newID()
		if err != nil {
			return Scan{}, err
		}
		s.ID = ScanID(id)
	}
	if s.State == "" {
		s.State = ScanQueued
	}
	now := micros(tx.store.now())
	if s.QueuedAt.IsZero() {
		s.QueuedAt = fromMicros(now)
	}
	if s.State == ScanRunning {
		if s.StartedAt.IsZero() {
			s.StartedAt = fromMicros(now)
		}
		s.HeartbeatAt = fromMicros(now)
	}
	progress, err := tx.sealJSON("scans.progress", string(s.ID), s.Progress)
	if err != nil {
		return Scan{}, err
	}
	_, err = tx.exec(ctx, `INSERT INTO scans (org_id, id, connection_id, state, cause, requested_by, queued_at, started_at, heartbeat_at, progress)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		tx.org, s.ID, s.ConnectionID, s.State, s.Trigger, s.RequestedBy, micros(s.QueuedAt), micros(s.StartedAt), micros(s.HeartbeatAt), progress)
	if errs.KindOf(err) == errs.Conflict {
		return Scan{}, errs.Wrap(err, errs.Conflict, "scan_running", "This connection is being scanned already.",
			"Wait until that scan has finished, or cancel it.")
	}
	if err != nil {
		return Scan{}, fmt.Errorf("insert a scan: %w", err)
	}
	return s, nil
}

// Scan reads one scan.
func (tx *Tx) Scan(ctx context.Context, id ScanID) (Scan, error) {
	return tx.scanWhere(ctx, `id = $2`, id)
}

func (tx *Tx) scanWhere(ctx context.Context, where string, args ...any) (Scan, error) {
	s, err := tx.scanScan(tx.sql.QueryRowContext(ctx, `SELECT `+scanColumns+` FROM scans WHERE org_id = $1 AND `+where, append([]any{tx.org}, args...)...))
	if errors.Is(err, sql.ErrNoRows) {
		return Scan{}, notFound("scan")
	}
	if err != nil {
		return Scan{}, fmt.Errorf("read a scan: %w", tx.store.translate(err))
	}
	return s, nil
}

// Scans lists the scans of a connection, newest first, those queued before a
// time (zero = now and later too). conn may be empty for all connections.
func (tx *Tx) Scans(ctx context.Context, conn ConnectionID, limit int, before time.Time) ([]Scan, error) {
	until := int64(math.MaxInt64)
	if !before.IsZero() {
		until = micros(before)
	}
	if limit <= 0 {
		limit = 50
	}
	var list []Scan
	err := tx.rows(ctx, `SELECT `+scanColumns+` FROM scans WHERE org_id = $1 AND ($2 = '' OR connection_id = $2) AND queued_at < $3
		ORDER BY queued_at DESC, id DESC LIMIT $4`, []any{tx.org, string(conn), until, limit}, func(r *sql.Rows) error {
		s, err := tx.scanScan(r)
		list = append(list, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list scans: %w", err)
	}
	return list, nil
}

// LatestScan is the last succeeded scan of a connection; errs.NotFound without
// one.
func (tx *Tx) LatestScan(ctx context.Context, conn ConnectionID) (Scan, error) {
	return tx.scanWhere(ctx, `connection_id = $2 AND state = 'succeeded' AND seq > 0 ORDER BY seq DESC LIMIT 1`, conn)
}

// ActiveScan is the queued or running scan of a connection; errs.NotFound
// without one.
func (tx *Tx) ActiveScan(ctx context.Context, conn ConnectionID) (Scan, error) {
	return tx.scanWhere(ctx, `connection_id = $2 AND state IN ('queued', 'running')`, conn)
}

// StartScan marks a queued scan as running. A running one is taken over, which
// is what a retried job does. Anything else is errs.Conflict.
func (tx *Tx) StartScan(ctx context.Context, id ScanID, now time.Time) error {
	n, err := tx.exec(ctx, `UPDATE scans SET state = 'running', heartbeat_at = $3, started_at = CASE WHEN started_at = 0 THEN $3 ELSE started_at END
		WHERE org_id = $1 AND id = $2 AND state IN ('queued', 'running')`, tx.org, id, micros(now))
	if err != nil {
		return fmt.Errorf("start a scan: %w", err)
	}
	if n == 0 {
		return tx.finished(ctx, id)
	}
	return nil
}

// finished explains why a scan could not be moved on.
func (tx *Tx) finished(ctx context.Context, id ScanID) error {
	if _, err := tx.Scan(ctx, id); err != nil {
		return err
	}
	return errs.New(errs.Conflict, "scan_finished", "This scan has ended already.", "Start a new one.")
}

// UpdateScanProgress stores what a running scan shows, counts as its heartbeat,
// and tells whether somebody asked to cancel it. A scan that was ended by
// somebody else is errs.Conflict: stop working on it.
func (tx *Tx) UpdateScanProgress(ctx context.Context, id ScanID, p ScanProgress, now time.Time) (cancelRequested bool, err error) {
	sealed, err := tx.sealJSON("scans.progress", string(id), p)
	if err != nil {
		return false, err
	}
	var cancel int64
	err = tx.sql.QueryRowContext(ctx, `UPDATE scans SET progress = $3, heartbeat_at = $4 WHERE org_id = $1 AND id = $2 AND state IN ('queued', 'running')
		RETURNING cancel_requested`, tx.org, id, sealed, micros(now)).Scan(&cancel)
	if errors.Is(err, sql.ErrNoRows) {
		return false, tx.finished(ctx, id)
	}
	if err != nil {
		return false, fmt.Errorf("update a scan's progress: %w", tx.store.translate(err))
	}
	return cancel != 0, nil
}

// CancelRequested tells whether somebody asked to cancel a scan that is still
// queued or running.
func (tx *Tx) CancelRequested(ctx context.Context, id ScanID) (bool, error) {
	var cancel int64
	err := tx.scanOne(ctx, "scan", `SELECT CASE WHEN state IN ('queued', 'running') THEN cancel_requested ELSE 0 END FROM scans
		WHERE org_id = $1 AND id = $2`, []any{tx.org, id}, &cancel)
	return cancel != 0, err
}

// SetScanSummary stores the facts that lists show.
func (tx *Tx) SetScanSummary(ctx context.Context, id ScanID, s ScanSummary) error {
	sealed, err := tx.sealJSON("scans.summary", string(id), s)
	if err != nil {
		return err
	}
	return tx.one(ctx, "scan", `UPDATE scans SET summary = $3 WHERE org_id = $1 AND id = $2`, tx.org, id, sealed)
}

// RequestScanCancel asks whoever runs the scan to stop; a scan that is still
// queued is cancelled at once. Ended scans stay as they are.
func (tx *Tx) RequestScanCancel(ctx context.Context, id ScanID) error {
	return tx.one(ctx, "scan", `UPDATE scans SET cancel_requested = 1,
			finished_at = CASE WHEN state = 'queued' THEN $3 ELSE finished_at END,
			state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END
		WHERE org_id = $1 AND id = $2`, tx.org, id, micros(tx.store.now()))
}

// FinishScan ends a queued or running scan. text is the public text with its
// hint. A scan that has ended already is errs.Conflict.
func (tx *Tx) FinishScan(ctx context.Context, id ScanID, state ScanState, code, text string) error {
	var sealed any
	if text != "" {
		b, err := tx.sealJSON("scans.error_text", string(id), text)
		if err != nil {
			return err
		}
		sealed = b
	}
	n, err := tx.exec(ctx, `UPDATE scans SET state = $3, finished_at = $4, error_code = $5, error_text = $6
		WHERE org_id = $1 AND id = $2 AND state IN ('queued', 'running') AND ($3 <> 'succeeded' OR seq > 0)`,
		tx.org, id, string(state), micros(tx.store.now()), code, sealed)
	if err != nil {
		return fmt.Errorf("finish a scan: %w", err)
	}
	if n == 0 {
		return tx.finished(ctx, id)
	}
	return nil
}

// AbandonStale fails the running scans whose last heartbeat is older, so that
// their connections can be scanned again. Staged steps stay for the next scan.
func (tx *Tx) AbandonStale(ctx context.Context, olderThan time.Time) (int, error) {
	return abandon(ctx, &tx.core, `org_id = $3 AND `, olderThan, string(tx.org))
}

// AbandonStale does the same in all organizations.
func (tx *SystemTx) AbandonStale(ctx context.Context, olderThan time.Time) (int, error) {
	return abandon(ctx, &tx.core, ``, olderThan)
}

func abandon(ctx context.Context, c *core, where string, olderThan time.Time, more ...any) (int, error) {
	args := append([]any{micros(c.store.now()), micros(olderThan)}, more...)
	n, err := c.exec(ctx, `UPDATE scans SET state = 'failed', finished_at = $1, error_code = '`+codeAbandoned+`'
		WHERE `+where+`state = 'running' AND heartbeat_at < $2`, args...)
	if err != nil {
		return 0, fmt.Errorf("abandon stale scans: %w", err)
	}
	return int(n), nil
}

// HealthSeries lists the health of the succeeded scans since a time, oldest
// first.
func (tx *Tx) HealthSeries(ctx context.Context, conn ConnectionID, since time.Time) ([]HealthPoint, error) {
	var list []HealthPoint
	err := tx.rows(ctx, `SELECT `+scanColumns+` FROM scans WHERE org_id = $1 AND connection_id = $2 AND state = 'succeeded' AND finished_at >= $3
		ORDER BY seq`, []any{tx.org, conn, micros(since)}, func(r *sql.Rows) error {
		s, err := tx.scanScan(r)
		list = append(list, HealthPoint{ScanID: s.ID, Seq: s.Seq, At: s.FinishedAt, Health: s.Summary.Health})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the health series: %w", err)
	}
	return list, nil
}
