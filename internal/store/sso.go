package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// SSOIdentity ties an account at an identity provider to a user.
type SSOIdentity struct {
	Issuer      string
	Subject     string
	UserID      UserID
	Email       string // as the provider stated it when it was tied
	LinkedAt    time.Time
	LastLoginAt time.Time
}

// ssoBody is the sealed part of a row.
type ssoBody struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	Email   string `json:"email,omitempty"`
}

func ssoID(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return hex.EncodeToString(sum[:])
}

// SSOIdentity finds whom an account at an identity provider belongs to.
func (tx *SystemTx) SSOIdentity(ctx context.Context, issuer, subject string) (SSOIdentity, error) {
	list, err := tx.ssoIdentities(ctx, `id = $1`, ssoID(issuer, subject))
	if err == nil && len(list) == 0 {
		err = notFound("identity")
	}
	if err != nil {
		return SSOIdentity{}, err
	}
	return list[0], nil
}

// SSOIdentitiesOf lists the accounts at identity providers that a user has.
func (tx *SystemTx) SSOIdentitiesOf(ctx context.Context, user UserID) ([]SSOIdentity, error) {
	return tx.ssoIdentities(ctx, `user_id = $1`, string(user))
}

func (tx *SystemTx) ssoIdentities(ctx context.Context, where, arg string) ([]SSOIdentity, error) {
	var list []SSOIdentity
	err := tx.rows(ctx, `SELECT id, user_id, body, linked_at, last_login_at FROM sso_identities WHERE `+where+` ORDER BY linked_at, id`, []any{arg}, func(r *sql.Rows) error {
		var i SSOIdentity
		var id string
		var sealed []byte
		var linked, login int64
		if err := r.Scan(&id, &i.UserID, &sealed, &linked, &login); err != nil {
			return err
		}
		b, err := tx.store.master.Open(sealed, "sso_identities", id)
		if err != nil {
			return fmt.Errorf("open an identity: %w", err)
		}
		var body ssoBody
		if err := json.Unmarshal(b, &body); err != nil {
			return fmt.Errorf("read an identity: %w", err)
		}
		i.Issuer, i.Subject, i.Email = body.Issuer, body.Subject, body.Email
		i.LinkedAt, i.LastLoginAt = fromMicros(linked), fromMicros(login)
		list = append(list, i)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list identities: %w", err)
	}
	return list, nil
}

// InsertSSOIdentity ties an account at an identity provider to a user; one that
// is tied already is errs.Conflict.
func (tx *SystemTx) InsertSSOIdentity(ctx context.Context, i SSOIdentity) error {
	id := ssoID(i.Issuer, i.Subject)
	b, err := json.Marshal(ssoBody{Issuer: i.Issuer, Subject: i.Subject, Email: i.Email})
	if err != nil {
		return fmt.Errorf("write an identity: %w", err)
	}
	if _, err := tx.exec(ctx, `INSERT INTO sso_identities (id, user_id, body, linked_at, last_login_at) VALUES ($1, $2, $3, $4, $5)`,
		id, i.UserID, tx.store.master.Seal(b, "sso_identities", id), micros(i.LinkedAt), micros(i.LastLoginAt)); err != nil {
		return fmt.Errorf("insert an identity: %w", err)
	}
	return nil
}

// TouchSSOIdentity notes a login.
func (tx *SystemTx) TouchSSOIdentity(ctx context.Context, issuer, subject string, at time.Time) error {
	return tx.one(ctx, "identity", `UPDATE sso_identities SET last_login_at = $2 WHERE id = $1`, ssoID(issuer, subject), micros(at))
}

// DeleteSSOIdentities unties every account at identity providers from a user and
// says how many.
func (tx *SystemTx) DeleteSSOIdentities(ctx context.Context, user UserID) (int, error) {
	n, err := tx.exec(ctx, `DELETE FROM sso_identities WHERE user_id = $1`, user)
	return int(n), err
}
