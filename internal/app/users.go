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
func (u users) HasUsers(ctx context.Context) (bool, error) {
	has := false
	err := u.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Users(ctx)
		has = len(list) > 0
		return err
	})
	return has, err
}

// CreateOwner implements [auth.Users]. An organization without members, such as
// the one that scans from the command line belong to, becomes the owner's.
func (u users) CreateOwner(ctx context.Context, org store.Organization, user store.User) error {
	return u.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Users(ctx)
		if err != nil {
			return err
		}
		if len(list) > 0 {
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

// UpdateUser implements [auth.Users].
func (u users) UpdateUser(ctx context.Context, user store.User) error {
	return u.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return tx.UpdateUser(ctx, user) })
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

// DropEmailChange implements [auth.EmailChanges].
func (u users) DropEmailChange(ctx context.Context, user store.UserID) error {
	return u.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return tx.DropEmailChange(ctx, user) })
}

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
	return a.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		// What happens to an account concerns every organization it belongs to. The
		// owner of the first run belongs to the one that scans made before, whatever
		// id the account service had in mind.
		orgs := []store.OrgID{row.OrgID}
		if row.OrgID != "" && row.Actor != "" {
			members, err := tx.MembershipsOf(ctx, row.Actor)
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
			if _, err := tx.DeletePasswordReset(ctx, row.Actor); err != nil {
				return err
			}
		}
		return notices{a.outbox}.send(ctx, tx, orgs[0], row.Actor, e.What, e.Detail)
	})
}
