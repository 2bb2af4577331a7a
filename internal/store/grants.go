package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/metalens/metalens/internal/errs"
)

// GrantMode says how much of a connection a member sees.
type GrantMode string

// The modes of grants.
const (
	GrantAll         GrantMode = "all"
	GrantNone        GrantMode = "none"
	GrantCollections GrantMode = "collections" // the named ones with everything below them
)

// Grant is what a member sees of a connection. Owners and admins see everything,
// whatever a grant says.
type Grant struct {
	Mode GrantMode `json:"mode"`
	// Collections are ids in Metabase, sorted, with mode collections only. The
	// root's id stands for what lies directly in it.
	Collections []string `json:"collections,omitempty"`
}

// MemberGrant is one member's grant.
type MemberGrant struct {
	User UserID
	Grant
}

func grantRow(conn ConnectionID, user UserID) string { return string(conn) + "/" + string(user) }

// Grants lists the grants of a connection that were set, by user id.
func (tx *Tx) Grants(ctx context.Context, conn ConnectionID) ([]MemberGrant, error) {
	var list []MemberGrant
	err := tx.rows(ctx, `SELECT user_id, body FROM grants WHERE org_id = $1 AND connection_id = $2 ORDER BY user_id`, []any{tx.org, conn}, func(r *sql.Rows) error {
		var g MemberGrant
		var body []byte
		if err := r.Scan(&g.User, &body); err != nil {
			return err
		}
		err := tx.openJSON("grants", grantRow(conn, g.User), body, &g.Grant)
		list = append(list, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	return list, nil
}

// Grant reads the grant of one member; ok is false when none was set, so that
// the connection's default holds.
func (tx *Tx) Grant(ctx context.Context, conn ConnectionID, user UserID) (g Grant, ok bool, err error) {
	var body []byte
	err = tx.scanOne(ctx, "grant", `SELECT body FROM grants WHERE org_id = $1 AND connection_id = $2 AND user_id = $3`, []any{tx.org, conn, user}, &body)
	if errs.KindOf(err) == errs.NotFound {
		return Grant{}, false, nil
	}
	if err != nil {
		return Grant{}, false, err
	}
	return g, true, tx.openJSON("grants", grantRow(conn, user), body, &g)
}

// SetGrant says what a member sees of a connection. A user who is no member, and
// a connection that does not exist, are errs.NotFound.
func (tx *Tx) SetGrant(ctx context.Context, conn ConnectionID, user UserID, g Grant) error {
	if g.Mode != GrantCollections {
		g.Collections = nil
	}
	g.Collections = slices.Compact(slices.Sorted(slices.Values(g.Collections)))
	body, err := tx.sealJSON("grants", grantRow(conn, user), g)
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `INSERT INTO grants (org_id, connection_id, user_id, body, updated_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (org_id, connection_id, user_id) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at`,
		tx.org, conn, user, body, micros(tx.store.now())); err != nil {
		return fmt.Errorf("set a grant: %w", err)
	}
	return nil
}

// GrantDefault is what members see of a connection for whom no grant was set:
// everything or nothing. It is everything until an admin says otherwise.
func (tx *Tx) GrantDefault(ctx context.Context, conn ConnectionID) (GrantMode, error) {
	var mode GrantMode
	err := tx.scanOne(ctx, "connection", `SELECT grant_default FROM connections WHERE org_id = $1 AND id = $2`, []any{tx.org, conn}, &mode)
	return mode, err
}

// SetGrantDefault says what members without a grant see of a connection.
func (tx *Tx) SetGrantDefault(ctx context.Context, conn ConnectionID, mode GrantMode) error {
	if mode != GrantAll && mode != GrantNone {
		return errs.New(errs.Invalid, "unknown_default", "The default is either everything or nothing.", "")
	}
	return tx.one(ctx, "connection", `UPDATE connections SET grant_default = $3 WHERE org_id = $1 AND id = $2`, tx.org, conn, string(mode))
}
