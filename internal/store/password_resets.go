package store

import (
	"context"
	"fmt"
	"time"
)

// PutPasswordReset stores the hash of a token that lets a user choose a new
// password, in the place of an earlier one.
func (tx *SystemTx) PutPasswordReset(ctx context.Context, user UserID, tokenHash []byte, expires time.Time) error {
	if _, err := tx.exec(ctx, `INSERT INTO password_resets (user_id, token_hash, created_at, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, created_at = excluded.created_at, expires_at = excluded.expires_at`,
		user, tokenHash, micros(tx.store.now()), micros(expires)); err != nil {
		return fmt.Errorf("store a password reset: %w", err)
	}
	return nil
}

// PasswordReset finds whose token this is; errs.NotFound for an unknown or
// expired one.
func (tx *SystemTx) PasswordReset(ctx context.Context, tokenHash []byte, now time.Time) (UserID, error) {
	var user UserID
	err := tx.scanOne(ctx, "password reset", `SELECT user_id FROM password_resets WHERE token_hash = $1 AND expires_at > $2`, []any{tokenHash, micros(now)}, &user)
	return user, err
}

// DeletePasswordReset voids the token of a user, if there is one, and says
// whether there was.
func (tx *SystemTx) DeletePasswordReset(ctx context.Context, user UserID) (bool, error) {
	n, err := tx.exec(ctx, `DELETE FROM password_resets WHERE user_id = $1`, user)
	if err != nil {
		return false, fmt.Errorf("void a password reset: %w", err)
	}
	return n > 0, nil
}

// DeleteExpiredLinks forgets password resets, wishes for another address,
// invitations and browsers that are worth nothing any more, and says how many.
func (tx *SystemTx) DeleteExpiredLinks(ctx context.Context, now time.Time) (int, error) {
	resets, err := tx.exec(ctx, `DELETE FROM password_resets WHERE expires_at <= $1`, micros(now))
	if err != nil {
		return 0, fmt.Errorf("forget expired links: %w", err)
	}
	// Expired invitations stay for a while, so that an admin sees and resends them.
	invitations, err := tx.exec(ctx, `DELETE FROM invitations WHERE expires_at <= $1`, micros(now.Add(-invitationShown)))
	if err != nil {
		return 0, fmt.Errorf("forget expired links: %w", err)
	}
	changes, err := tx.exec(ctx, `DELETE FROM email_changes WHERE expires_at <= $1`, micros(now))
	if err != nil {
		return 0, fmt.Errorf("forget expired links: %w", err)
	}
	devices, err := tx.exec(ctx, `DELETE FROM known_devices WHERE seen_at < $1`, micros(now.Add(-DeviceLife)))
	if err != nil {
		return 0, fmt.Errorf("forget old devices: %w", err)
	}
	return int(resets + invitations + changes + devices), nil
}

// invitationShown is how long an expired invitation stays in the list.
const invitationShown = 30 * 24 * time.Hour
