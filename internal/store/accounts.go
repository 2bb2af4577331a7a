package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

func emailChangeID(token string) string {
	sum := sha256.Sum256([]byte("email change\x00" + token))
	return hex.EncodeToString(sum[:])
}

// SetEmailChange keeps the address that a user wants to log in with until the
// token comes back; an earlier wish is forgotten.
func (tx *SystemTx) SetEmailChange(ctx context.Context, user UserID, email, token string, expires time.Time) error {
	id := emailChangeID(token)
	if _, err := tx.exec(ctx, `INSERT INTO email_changes (user_id, id, body, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET id = excluded.id, body = excluded.body, expires_at = excluded.expires_at`,
		string(user), id, tx.store.master.Seal([]byte(foldEmail(email)), "email_changes", id), micros(expires)); err != nil {
		return fmt.Errorf("keep a change of address: %w", err)
	}
	return nil
}

// TakeEmailChange returns the address that the user asked for under a token, and
// forgets the wish; errs.NotFound for an unknown or expired token, and for
// somebody else's.
func (tx *SystemTx) TakeEmailChange(ctx context.Context, user UserID, token string, now time.Time) (string, error) {
	id := emailChangeID(token)
	var sealed []byte
	if err := tx.scanOne(ctx, "change of address", `SELECT body FROM email_changes WHERE id = $1 AND user_id = $2 AND expires_at > $3`,
		[]any{id, string(user), micros(now)}, &sealed); err != nil {
		return "", err
	}
	email, err := tx.store.master.Open(sealed, "email_changes", id)
	if err != nil {
		return "", fmt.Errorf("open a change of address: %w", err)
	}
	return string(email), tx.one(ctx, "change of address", `DELETE FROM email_changes WHERE id = $1`, id)
}

// PendingEmail returns the address that a user wants to log in with and has not
// confirmed yet; "" when there is none.
func (tx *SystemTx) PendingEmail(ctx context.Context, user UserID, now time.Time) (string, error) {
	var id string
	var sealed []byte
	err := tx.sql.QueryRowContext(ctx, `SELECT id, body FROM email_changes WHERE user_id = $1 AND expires_at > $2`, string(user), micros(now)).Scan(&id, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read a change of address: %w", tx.store.translate(err))
	}
	email, err := tx.store.master.Open(sealed, "email_changes", id)
	if err != nil {
		return "", fmt.Errorf("open a change of address: %w", err)
	}
	return string(email), nil
}
