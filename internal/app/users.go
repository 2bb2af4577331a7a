package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/store"
)

// users gives the account service what it needs of the store.
type users struct{ store *store.Store }

// HasUsers implements [auth.Users].
func (u users) HasUsers(ctx context.Context) (has bool, err error) {
	err = u.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		has, err = tx.HasUsers(ctx)
		return err
	})
	return has, err
}

// CreateOwner implements [auth.Users]. An organization without members, such as
// the one that scans from the command line belong to, becomes the owner's.
func (u users) CreateOwner(ctx context.Context, org store.Organization, user store.User) error {
	return u.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		has, err := tx.HasUsers(ctx)
		if err != nil {
			return err
		}
		if has {
			return errs.New(errs.Conflict, "already_set_up", "This MetaLens has an owner already.", "Log in, or ask the owner for an account.")
		}
		orgs, err := tx.Organizations(ctx)
		if err != nil {
			return err
		}
		if len(orgs) > 0 {
			org.ID = orgs[0].ID
			err = tx.RenameOrganization(ctx, org.ID, org.Name)
		} else {
			org, err = tx.InsertOrganization(ctx, org)
		}
		if err != nil {
			return err
		}
		made, err := tx.InsertUser(ctx, user)
		if err != nil {
			return err
		}
		return tx.SetMembership(ctx, store.Membership{OrgID: org.ID, UserID: made.ID, Role: store.RoleOwner})
	})
}

// User implements [auth.Users].
func (u users) User(ctx context.Context, id store.UserID) (user store.User, err error) {
	err = u.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		user, err = tx.User(ctx, id)
		return err
	})
	return user, err
}

// UserByEmail implements [auth.Users].
func (u users) UserByEmail(ctx context.Context, email string) (user store.User, err error) {
	err = u.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		user, err = tx.UserByEmail(ctx, email)
		return err
	})
	return user, err
}

// ChangeUser implements [auth.Users].
func (u users) ChangeUser(ctx context.Context, id store.UserID, change func(*store.User) error) error {
	return u.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return tx.ChangeUser(ctx, id, change) })
}

// Memberships implements [auth.Users].
func (u users) Memberships(ctx context.Context, id store.UserID) (list []store.Membership, err error) {
	err = u.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err = tx.MembershipsOf(ctx, id)
		return err
	})
	return list, err
}

// SetEmailChange implements [auth.EmailChanges].
func (u users) SetEmailChange(ctx context.Context, user store.UserID, email, token string, expires time.Time) error {
	return u.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return tx.SetEmailChange(ctx, user, email, token, expires)
	})
}

// TakeEmailChange implements [auth.EmailChanges].
func (u users) TakeEmailChange(ctx context.Context, user store.UserID, token string, now time.Time) (email string, err error) {
	err = u.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		email, err = tx.TakeEmailChange(ctx, user, token, now)
		return err
	})
	return email, err
}

// PendingEmail implements [auth.EmailChanges].
func (u users) PendingEmail(ctx context.Context, user store.UserID, now time.Time) (email string, err error) {
	err = u.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		email, err = tx.PendingEmail(ctx, user, now)
		return err
	})
	return email, err
}

// commandLine is where deeds of the operator on the machine come from, in the
// audit log.
const commandLine = "command line"

// auditor writes account events to the audit log.
type auditor struct {
	store  *store.Store
	outbox *mail.Outbox // nil: no notices
}

// Audit implements [auth.Auditor].
func (a auditor) Audit(ctx context.Context, e auth.Event) error {
	row := store.AuditRow{At: e.At, OrgID: e.Org, Actor: e.User, Action: e.What, Source: e.Address}
	if len(e.Detail) > 0 {
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			return fmt.Errorf("write an audit row: %w", err)
		}
		row.Detail = string(detail)
	}
	if e.User != "" {
		row.Target = "user:" + string(e.User)
	}
	if e.Operator {
		row.Actor, row.Source = "", commandLine
	}
	return a.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		// What happens to an account concerns every organization it belongs to. The
		// owner of the first run belongs to the one that scans made before, whatever
		// id the account service had in mind. An operator's account belongs to none.
		orgs := []store.OrgID{row.OrgID}
		if e.User != "" {
			members, err := tx.MembershipsOf(ctx, e.User)
			if err != nil {
				return fmt.Errorf("find memberships: %w", err)
			}
			for i, m := range members {
				if i == 0 {
					orgs = orgs[:0]
				}
				orgs = append(orgs, m.OrgID)
			}
		}
		for _, org := range orgs {
			row.OrgID = org
			if err := tx.Audit(ctx, row); err != nil {
				return err
			}
		}
		if passwordVoids(e.What) {
			if _, err := tx.DeletePasswordReset(ctx, e.User); err != nil {
				return err
			}
		}
		return notices{a.outbox}.send(ctx, tx, orgs[0], e.User, e.What, e.Detail)
	})
}
