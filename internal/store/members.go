package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Member is a member of an organization with what the list of members shows.
type Member struct {
	User        UserID
	Name        string
	Email       string
	Role        Role
	LastLoginAt time.Time
}

// MemberList lists the members of an organization by name.
func (tx *SystemTx) MemberList(ctx context.Context, org OrgID) ([]Member, error) {
	var list []Member
	err := tx.rows(ctx, `SELECT u.id, u.name, u.email, m.role, u.last_login_at FROM memberships m JOIN users u ON u.id = m.user_id
		WHERE m.org_id = $1 ORDER BY lower(u.name), u.email`, []any{org}, func(r *sql.Rows) error {
		var m Member
		var login int64
		err := r.Scan(&m.User, &m.Name, &m.Email, &m.Role, &login)
		m.LastLoginAt = fromMicros(login)
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	return list, nil
}

// LockMembers lets one transaction at a time change who belongs to an
// organization, so that two owners cannot leave at once.
func (tx *SystemTx) LockMembers(ctx context.Context, org OrgID) error {
	if tx.store.engine == EngineSQLite {
		return nil // writers wait for each other anyway
	}
	return tx.scanOne(ctx, "organization", `SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE`, []any{org}, new(int))
}

// OrganizationsOf lists the organizations of a user by name.
func (tx *SystemTx) OrganizationsOf(ctx context.Context, user UserID) ([]Organization, error) {
	var list []Organization
	err := tx.rows(ctx, `SELECT o.id, o.name, o.created_at FROM memberships m JOIN organizations o ON o.id = m.org_id
		WHERE m.user_id = $1 ORDER BY lower(o.name), o.id`, []any{user}, func(r *sql.Rows) error {
		o, err := scanOrganization(r)
		list = append(list, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list a user's organizations: %w", err)
	}
	return list, nil
}
