package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// AccessToken is a personal access token as it is kept: the secret part only as
// a hash.
type AccessToken struct {
	ID         string
	OrgID      OrgID
	UserID     UserID
	Hash       []byte // of the secret part
	Name       string
	Scopes     []string
	Rank       int // of the member's role when it was made
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time // to the hour; zero = never
}

// tokenBody is the sealed part of a token's row.
type tokenBody struct {
	Name string `json:"name"`
}

const tokenColumns = `id, org_id, user_id, hash, scopes, role_rank, body, created_at, expires_at, last_used_at` //nolint:gosec // G101: names of columns

// InsertAccessToken stores a token of a member. A user who is no member of the
// organization is errs.NotFound.
func (tx *SystemTx) InsertAccessToken(ctx context.Context, t AccessToken) error {
	within, err := tx.within(ctx, t.OrgID)
	if err != nil {
		return err
	}
	body, err := within.sealJSON("access_tokens", t.ID, tokenBody{Name: t.Name})
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `INSERT INTO access_tokens (`+tokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		t.ID, t.OrgID, t.UserID, t.Hash, strings.Join(t.Scopes, " "), t.Rank, body, micros(t.CreatedAt), micros(t.ExpiresAt), micros(t.LastUsedAt)); err != nil {
		return fmt.Errorf("insert a token: %w", err)
	}
	return nil
}

// AccessToken reads one token by the id that is part of it, expired ones too.
func (tx *SystemTx) AccessToken(ctx context.Context, id string) (AccessToken, error) {
	list, err := tx.accessTokens(ctx, `id = $1`, id)
	if err == nil && len(list) == 0 {
		err = notFound("token")
	}
	if err != nil {
		return AccessToken{}, err
	}
	return list[0], nil
}

// AccessTokens lists the tokens of an organization, of one member where user is
// not empty; the newest first.
func (tx *SystemTx) AccessTokens(ctx context.Context, org OrgID, user UserID) ([]AccessToken, error) {
	return tx.accessTokens(ctx, `org_id = $1 AND ($2 = '' OR user_id = $2)`, string(org), string(user))
}

func (tx *SystemTx) accessTokens(ctx context.Context, where string, args ...any) ([]AccessToken, error) {
	var list []AccessToken
	var bodies [][]byte
	err := tx.rows(ctx, `SELECT `+tokenColumns+` FROM access_tokens WHERE `+where+` ORDER BY created_at DESC, id`, args, func(r *sql.Rows) error {
		var t AccessToken
		var scopes string
		var body []byte
		var created, expires, used int64
		if err := r.Scan(&t.ID, &t.OrgID, &t.UserID, &t.Hash, &scopes, &t.Rank, &body, &created, &expires, &used); err != nil {
			return err
		}
		t.Scopes = strings.Fields(scopes)
		t.CreatedAt, t.ExpiresAt, t.LastUsedAt = fromMicros(created), fromMicros(expires), fromMicros(used)
		list, bodies = append(list, t), append(bodies, body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	for i := range list { // names are sealed by the organization's key, which is read in this transaction
		within, err := tx.within(ctx, list[i].OrgID)
		if err != nil {
			return nil, err
		}
		var b tokenBody
		if err := within.openJSON("access_tokens", list[i].ID, bodies[i], &b); err != nil {
			return nil, err
		}
		list[i].Name = b.Name
	}
	return list, nil
}

// TouchAccessToken notes that a token was used.
func (tx *SystemTx) TouchAccessToken(ctx context.Context, id string, at time.Time) error {
	return tx.one(ctx, "token", `UPDATE access_tokens SET last_used_at = $2 WHERE id = $1`, id, micros(at))
}

// DeleteAccessToken revokes a token of an organization.
func (tx *SystemTx) DeleteAccessToken(ctx context.Context, org OrgID, id string) error {
	return tx.one(ctx, "token", `DELETE FROM access_tokens WHERE org_id = $1 AND id = $2`, org, id)
}

// DeleteAccessTokensAbove revokes the tokens that a member made while his role
// ranked higher than now, and says how many.
func (tx *SystemTx) DeleteAccessTokensAbove(ctx context.Context, org OrgID, user UserID, role Role) (int, error) {
	n, err := tx.exec(ctx, `DELETE FROM access_tokens WHERE org_id = $1 AND user_id = $2 AND role_rank > $3`, org, user, role.Rank())
	return int(n), err
}

// DeleteUserAccessTokens revokes every token of a user and says how many.
func (tx *SystemTx) DeleteUserAccessTokens(ctx context.Context, user UserID) (int, error) {
	n, err := tx.exec(ctx, `DELETE FROM access_tokens WHERE user_id = $1`, user)
	return int(n), err
}

// DeleteExpiredAccessTokens forgets tokens that expired before a time.
func (tx *SystemTx) DeleteExpiredAccessTokens(ctx context.Context, before time.Time) (int, error) {
	n, err := tx.exec(ctx, `DELETE FROM access_tokens WHERE expires_at <= $1`, micros(before))
	return int(n), err
}
