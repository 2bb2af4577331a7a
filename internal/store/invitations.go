package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Invitation asks somebody to join an organization.
type Invitation struct {
	ID        string
	OrgID     OrgID
	Email     string // lower case
	Role      Role
	InvitedBy UserID
	CreatedAt time.Time
	ExpiresAt time.Time
}

// invitationBody is the sealed part of an invitation.
type invitationBody struct {
	Email string `json:"email"`
}

// PutInvitation stores an invitation with the hash of its token. One with the
// same id is replaced: its earlier token is good for nothing then.
func (tx *SystemTx) PutInvitation(ctx context.Context, i Invitation, tokenHash []byte) (Invitation, error) {
	if i.ID == "" {
		id, err := newID()
		if err != nil {
			return Invitation{}, err
		}
		i.ID = id
	}
	i.Email = foldEmail(i.Email)
	i.CreatedAt = fromMicros(micros(tx.store.now()))
	within, err := tx.within(ctx, i.OrgID)
	if err != nil {
		return Invitation{}, err
	}
	body, err := within.sealJSON("invitations", i.ID, invitationBody{Email: i.Email})
	if err != nil {
		return Invitation{}, err
	}
	if _, err := tx.exec(ctx, `INSERT INTO invitations (org_id, id, token_hash, role, invited_by, created_at, expires_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (org_id, id) DO UPDATE SET token_hash = excluded.token_hash, role = excluded.role, invited_by = excluded.invited_by,
			created_at = excluded.created_at, expires_at = excluded.expires_at, body = excluded.body`,
		i.OrgID, i.ID, tokenHash, i.Role, i.InvitedBy, micros(i.CreatedAt), micros(i.ExpiresAt), body); err != nil {
		return Invitation{}, fmt.Errorf("store an invitation: %w", err)
	}
	return i, nil
}

const invitationColumns = `org_id, id, role, invited_by, created_at, expires_at, body`

func scanInvitation(row interface{ Scan(...any) error }) (Invitation, []byte, error) {
	var i Invitation
	var created, expires int64
	var body []byte
	err := row.Scan(&i.OrgID, &i.ID, &i.Role, &i.InvitedBy, &created, &expires, &body)
	i.CreatedAt, i.ExpiresAt = fromMicros(created), fromMicros(expires)
	return i, body, err
}

func (tx *SystemTx) openInvitation(ctx context.Context, i *Invitation, body []byte) error {
	within, err := tx.within(ctx, i.OrgID)
	if err != nil {
		return err
	}
	var b invitationBody
	if err := within.openJSON("invitations", i.ID, body, &b); err != nil {
		return err
	}
	i.Email = b.Email
	return nil
}

// InvitationByToken finds an invitation by the hash of its token, expired or
// not; errs.NotFound when there is none.
func (tx *SystemTx) InvitationByToken(ctx context.Context, tokenHash []byte) (Invitation, error) {
	i, body, err := scanInvitation(tx.sql.QueryRowContext(ctx, `SELECT `+invitationColumns+` FROM invitations WHERE token_hash = $1`, tokenHash))
	if err != nil {
		return Invitation{}, tx.missing("invitation", err)
	}
	return i, tx.openInvitation(ctx, &i, body)
}

// Invitations lists the open and expired invitations of an organization, the
// newest first.
func (tx *SystemTx) Invitations(ctx context.Context, org OrgID) ([]Invitation, error) {
	var list []Invitation
	var bodies [][]byte
	err := tx.rows(ctx, `SELECT `+invitationColumns+` FROM invitations WHERE org_id = $1 ORDER BY created_at DESC, id`, []any{org}, func(r *sql.Rows) error {
		i, body, err := scanInvitation(r)
		list, bodies = append(list, i), append(bodies, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	for n := range list {
		if err := tx.openInvitation(ctx, &list[n], bodies[n]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// DeleteInvitation forgets an invitation; errs.NotFound when there is none.
func (tx *SystemTx) DeleteInvitation(ctx context.Context, org OrgID, id string) error {
	return tx.one(ctx, "invitation", `DELETE FROM invitations WHERE org_id = $1 AND id = $2`, org, id)
}
