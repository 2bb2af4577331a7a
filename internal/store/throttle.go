package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ThrottleLimit is how often something may be tried under a key within a window
// that begins with the first try.
type ThrottleLimit struct {
	Key    string // an account, an address; only a keyed hash of it is stored
	Max    int
	Window time.Duration
}

// maxThrottles bounds the table of counters under a flood of invented keys.
const maxThrottles = 20_000

func (tx *SystemTx) throttleID(key string) string { return tx.hidden("login throttle", key) }

// ThrottledUntil returns the end of the longest window of those limits that are
// used up; zero when one more try is allowed.
func (tx *SystemTx) ThrottledUntil(ctx context.Context, limits []ThrottleLimit, now time.Time) (time.Time, error) {
	var until int64
	for _, l := range limits {
		var failures int
		var end int64
		err := tx.sql.QueryRowContext(ctx, `SELECT failures, locked_until FROM login_throttle WHERE id = $1`, tx.throttleID(l.Key)).Scan(&failures, &end)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("read a counter: %w", tx.store.translate(err))
		}
		if failures >= l.Max && end > micros(now) {
			until = max(until, end)
		}
	}
	return fromMicros(until), nil
}

// CountTry counts a try under each key. Where a limit is used up already,
// nothing is counted and the end of its window returned. Tries are counted
// before they are judged, so that many at once cannot slip through; a good one
// is taken back by [SystemTx.SettleTry].
func (tx *SystemTx) CountTry(ctx context.Context, limits []ThrottleLimit, now time.Time) (until time.Time, err error) {
	for _, l := range limits {
		// The rows are locked first, in the order of the limits.
		if _, err := tx.exec(ctx, `INSERT INTO login_throttle (id, failures, last_at, locked_until) VALUES ($1, 0, $2, $3)
			ON CONFLICT (id) DO UPDATE SET last_at = excluded.last_at,
				failures = CASE WHEN login_throttle.locked_until <= $2 THEN 0 ELSE login_throttle.failures END,
				locked_until = CASE WHEN login_throttle.locked_until <= $2 THEN excluded.locked_until ELSE login_throttle.locked_until END`,
			tx.throttleID(l.Key), micros(now), micros(now.Add(l.Window))); err != nil {
			return time.Time{}, fmt.Errorf("count a try: %w", err)
		}
	}
	if until, err = tx.ThrottledUntil(ctx, limits, now); err != nil || !until.IsZero() {
		return until, err
	}
	for _, l := range limits {
		if _, err := tx.exec(ctx, `UPDATE login_throttle SET failures = failures + 1 WHERE id = $1`, tx.throttleID(l.Key)); err != nil {
			return time.Time{}, fmt.Errorf("count a try: %w", err)
		}
	}
	return time.Time{}, nil
}

// SettleTry takes a good try back: the counters of forget start anew, those of
// refund lose one.
func (tx *SystemTx) SettleTry(ctx context.Context, forget, refund []string) error {
	for _, key := range forget {
		if _, err := tx.exec(ctx, `DELETE FROM login_throttle WHERE id = $1`, tx.throttleID(key)); err != nil {
			return fmt.Errorf("forget a counter: %w", err)
		}
	}
	for _, key := range refund {
		if _, err := tx.exec(ctx, `UPDATE login_throttle SET failures = failures - 1 WHERE id = $1 AND failures > 0`, tx.throttleID(key)); err != nil {
			return fmt.Errorf("take a try back: %w", err)
		}
	}
	return nil
}

// PruneThrottles forgets counters whose window has ended. Where more than the
// table may hold are left, those with the fewest failures go first: a flood of
// invented keys does not wash away the counter of an account under attack.
func (tx *SystemTx) PruneThrottles(ctx context.Context, now time.Time) (int, error) {
	n, err := tx.exec(ctx, `DELETE FROM login_throttle WHERE locked_until <= $1`, micros(now))
	if err != nil {
		return 0, fmt.Errorf("forget old counters: %w", err)
	}
	var left int64
	if err := tx.scanOne(ctx, "counters", `SELECT count(*) FROM login_throttle`, nil, &left); err != nil {
		return int(n), err
	}
	if left <= maxThrottles {
		return int(n), nil
	}
	more, err := tx.exec(ctx, `DELETE FROM login_throttle WHERE id IN (SELECT id FROM login_throttle ORDER BY failures, last_at, id LIMIT $1)`, left-maxThrottles*9/10)
	if err != nil {
		return int(n), fmt.Errorf("forget counters: %w", err)
	}
	return int(n + more), nil
}

// DeviceLife is how long a browser is remembered after its last login.
const DeviceLife = 365 * 24 * time.Hour

// maxDevices bounds how many browsers an account remembers.
const maxDevices = 32

func (tx *SystemTx) deviceID(email, device string) string {
	return tx.hidden("known device", foldEmail(email)+"\x00"+device)
}

// KnowsDevice reports whether a browser logged in to an account after a time.
func (tx *SystemTx) KnowsDevice(ctx context.Context, email, device string, since time.Time) (bool, error) {
	var n int
	err := tx.scanOne(ctx, "device", `SELECT count(*) FROM known_devices WHERE id = $1 AND seen_at >= $2`, []any{tx.deviceID(email, device), micros(since)}, &n)
	return n > 0, err
}

// RememberDevice notes that a browser logged in to an account. The oldest of too
// many is forgotten.
func (tx *SystemTx) RememberDevice(ctx context.Context, user UserID, email, device string, at time.Time) error {
	if _, err := tx.exec(ctx, `INSERT INTO known_devices (id, user_id, seen_at) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`, tx.deviceID(email, device), string(user), micros(at)); err != nil {
		return fmt.Errorf("remember a device: %w", err)
	}
	if _, err := tx.exec(ctx, `DELETE FROM known_devices WHERE user_id = $1 AND id NOT IN
		(SELECT id FROM known_devices WHERE user_id = $1 ORDER BY seen_at DESC, id LIMIT $2)`, string(user), maxDevices); err != nil {
		return fmt.Errorf("forget old devices: %w", err)
	}
	return nil
}

// ForgetDevices forgets every browser that logged in to an account.
func (tx *SystemTx) ForgetDevices(ctx context.Context, user UserID) error {
	_, err := tx.exec(ctx, `DELETE FROM known_devices WHERE user_id = $1`, string(user))
	return err
}
