package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

// Organizations lists all organizations, oldest first.
func (tx *SystemTx) Organizations(ctx context.Context) ([]Organization, error) {
	var list []Organization
	err := tx.rows(ctx, `SELECT id, name, created_at FROM organizations ORDER BY created_at, id`, nil, func(r *sql.Rows) error {
		o, err := scanOrganization(r)
		list = append(list, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list organizations: %w", err)
	}
	return list, nil
}

// Organization reads one organization.
func (tx *SystemTx) Organization(ctx context.Context, id OrgID) (Organization, error) {
	o, err := scanOrganization(tx.sql.QueryRowContext(ctx, `SELECT id, name, created_at FROM organizations WHERE id = $1`, id))
	return o, tx.missing("organization", err)
}

func scanOrganization(row interface{ Scan(...any) error }) (Organization, error) {
	var o Organization
	var created int64
	err := row.Scan(&o.ID, &o.Name, &created)
	o.CreatedAt = fromMicros(created)
	return o, err
}

// InsertOrganization stores a new organization with a new data key. The
// embedded database holds exactly one: a second is errs.Conflict.
func (tx *SystemTx) InsertOrganization(ctx context.Context, o Organization) (Organization, error) {
	if o.ID == "" {
		id, err := newID()
		if err != nil {
			return Organization{}, err
		}
		o.ID = OrgID(id)
	}
	o.CreatedAt = fromMicros(micros(tx.store.now()))
	_, wrapped, err := tx.store.master.NewDataKey(string(o.ID))
	if err != nil {
		return Organization{}, err
	}
	if wrapped, err = tx.store.erasure.seal(o.ID, wrapped); err != nil {
		return Organization{}, err
	}
	if tx.store.engine == EngineSQLite {
		var n int
		if err := tx.scanOne(ctx, "organization", `SELECT count(*) FROM organizations`, nil, &n); err != nil {
			return Organization{}, err
		}
		if n > 0 {
			return Organization{}, errs.New(errs.Conflict, "one_organization", "The embedded database holds exactly one organization.",
				"Use PostgreSQL (METALENS_DATABASE_URL) for several.")
		}
	}
	if _, err := tx.exec(ctx, `INSERT INTO organizations (id, name, data_key, created_at) VALUES ($1, $2, $3, $4)`,
		o.ID, o.Name, wrapped, micros(o.CreatedAt)); err != nil {
		return Organization{}, fmt.Errorf("insert an organization: %w", err)
	}
	return o, nil
}

// RenameOrganization changes the name.
func (tx *SystemTx) RenameOrganization(ctx context.Context, id OrgID, name string) error {
	return tx.one(ctx, "organization", `UPDATE organizations SET name = $2 WHERE id = $1`, id, name)
}

func (c *core) missing(what string, err error) error {
	if err == nil {
		return nil
	}
	if err := c.store.translate(err); errs.KindOf(err) == errs.NotFound {
		return notFound(what)
	}
	return fmt.Errorf("read %s: %w", what, err)
}

const userColumns = `id, email, name, password_hash, created_at, last_login_at`

func scanUser(row interface{ Scan(...any) error }) (User, error) {
	var u User
	var created, login int64
	err := row.Scan(&u.ID, &u.Email, &u.Name, &u.PasswordHash, &created, &login)
	u.CreatedAt, u.LastLoginAt = fromMicros(created), fromMicros(login)
	return u, err
}

func foldEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// Users lists all users by e-mail address. Operators are no users: see
// [SystemTx.Operators].
func (tx *SystemTx) Users(ctx context.Context) ([]User, error) {
	var list []User
	err := tx.rows(ctx, `SELECT `+userColumns+` FROM users WHERE operator = 0 ORDER BY email`, nil, func(r *sql.Rows) error {
		u, err := scanUser(r)
		list = append(list, u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return list, nil
}

// HasUsers reports whether there is any user; operators are none.
func (tx *SystemTx) HasUsers(ctx context.Context) (bool, error) {
	var n int
	err := tx.scanOne(ctx, "users", `SELECT count(*) FROM (SELECT 1 FROM users WHERE operator = 0 LIMIT 1) AS one`, nil, &n)
	return n > 0, err
}

// User reads one user.
func (tx *SystemTx) User(ctx context.Context, id UserID) (User, error) {
	u, err := scanUser(tx.sql.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE id = $1 AND operator = 0`, id))
	return u, tx.missing("user", err)
}

// UserByEmail reads one user by address, whatever its case.
func (tx *SystemTx) UserByEmail(ctx context.Context, email string) (User, error) {
	u, err := scanUser(tx.sql.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE email = $1 AND operator = 0`, foldEmail(email)))
	return u, tx.missing("user", err)
}

// InsertUser stores a new user. An address that is taken is errs.Conflict.
func (tx *SystemTx) InsertUser(ctx context.Context, u User) (User, error) {
	if u.ID == "" {
		id, err := newID()
		if err != nil {
			return User{}, err
		}
		u.ID = UserID(id)
	}
	u.Email = foldEmail(u.Email)
	u.CreatedAt = fromMicros(micros(tx.store.now()))
	if _, err := tx.exec(ctx, `INSERT INTO users (id, email, name, password_hash, created_at, last_login_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		u.ID, u.Email, u.Name, u.PasswordHash, micros(u.CreatedAt), micros(u.LastLoginAt)); err != nil {
		return User{}, fmt.Errorf("insert a user: %w", err)
	}
	return u, nil
}

// ChangeUser changes an account, an operator's too, as it is now: nobody else
// changes it until the transaction ends. What change answers ends it without a
// change.
func (tx *SystemTx) ChangeUser(ctx context.Context, id UserID, change func(*User) error) error {
	if err := tx.one(ctx, "user", `UPDATE users SET email = email WHERE id = $1`, id); err != nil { // takes the row's lock
		return err
	}
	u, err := scanUser(tx.sql.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE id = $1`, id))
	if err != nil {
		return tx.missing("user", err)
	}
	was := u
	if err := change(&u); err != nil {
		return err
	}
	if u == was {
		return nil
	}
	return tx.UpdateUser(ctx, u)
}

// UpdateUser replaces address, name, password hash and time of last login. Who
// read the account in another transaction uses [SystemTx.ChangeUser] instead.
func (tx *SystemTx) UpdateUser(ctx context.Context, u User) error {
	return tx.one(ctx, "user", `UPDATE users SET email = $2, name = $3, password_hash = $4, last_login_at = $5 WHERE id = $1`,
		u.ID, foldEmail(u.Email), u.Name, u.PasswordHash, micros(u.LastLoginAt))
}

// DeleteUser deletes a user with memberships and sessions, and leaves no record
// of it: for an account that was never anybody's. A person's account goes by
// [Store.EraseAccount].
func (tx *SystemTx) DeleteUser(ctx context.Context, id UserID) error {
	return tx.one(ctx, "user", `DELETE FROM users WHERE id = $1`, id)
}

// Membership reads what a user is in an organization.
func (tx *SystemTx) Membership(ctx context.Context, org OrgID, user UserID) (Membership, error) {
	m := Membership{OrgID: org, UserID: user}
	err := tx.scanOne(ctx, "membership", `SELECT role FROM memberships WHERE org_id = $1 AND user_id = $2`, []any{org, user}, &m.Role)
	return m, err
}

// Members lists the members of an organization.
func (tx *SystemTx) Members(ctx context.Context, org OrgID) ([]Membership, error) {
	return tx.memberships(ctx, `org_id = $1`, string(org))
}

// MembershipsOf lists the organizations of a user.
func (tx *SystemTx) MembershipsOf(ctx context.Context, user UserID) ([]Membership, error) {
	return tx.memberships(ctx, `user_id = $1`, string(user))
}

func (tx *SystemTx) memberships(ctx context.Context, where, arg string) ([]Membership, error) {
	var list []Membership
	err := tx.rows(ctx, `SELECT org_id, user_id, role FROM memberships WHERE `+where+` ORDER BY org_id, user_id`, []any{arg}, func(r *sql.Rows) error {
		var m Membership
		err := r.Scan(&m.OrgID, &m.UserID, &m.Role)
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list memberships: %w", err)
	}
	return list, nil
}

// SetMembership makes a user a member, or changes the role. Access tokens made
// under a higher role are revoked.
func (tx *SystemTx) SetMembership(ctx context.Context, m Membership) error {
	if _, err := tx.exec(ctx, `INSERT INTO memberships (org_id, user_id, role) VALUES ($1, $2, $3)
		ON CONFLICT (org_id, user_id) DO UPDATE SET role = excluded.role`, m.OrgID, m.UserID, m.Role); err != nil {
		return fmt.Errorf("set a membership: %w", err)
	}
	if _, err := tx.DeleteAccessTokensAbove(ctx, m.OrgID, m.UserID, m.Role); err != nil {
		return fmt.Errorf("revoke tokens: %w", err)
	}
	return nil
}

// RemoveMembership ends a membership.
func (tx *SystemTx) RemoveMembership(ctx context.Context, org OrgID, user UserID) error {
	return tx.one(ctx, "membership", `DELETE FROM memberships WHERE org_id = $1 AND user_id = $2`, org, user)
}

// DueSchedules lists the connections whose next scheduled scan is due, the
// longest waiting first.
func (tx *SystemTx) DueSchedules(ctx context.Context, now time.Time) ([]DueSchedule, error) {
	var list []DueSchedule
	err := tx.rows(ctx, `SELECT org_id, id, schedule, next_run_at FROM connections WHERE next_run_at > 0 AND next_run_at <= $1 AND schedule <> ''
		ORDER BY next_run_at, id`, []any{micros(now)}, func(r *sql.Rows) error {
		var d DueSchedule
		var next int64
		err := r.Scan(&d.OrgID, &d.ConnectionID, &d.Schedule, &next)
		d.NextRunAt = fromMicros(next)
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list due schedules: %w", err)
	}
	return list, nil
}

// SetNextRun says when a connection's next scheduled scan is due.
func (tx *SystemTx) SetNextRun(ctx context.Context, org OrgID, conn ConnectionID, next time.Time) error {
	return tx.one(ctx, "connection", `UPDATE connections SET next_run_at = $3 WHERE org_id = $1 AND id = $2`, org, conn, micros(next))
}
