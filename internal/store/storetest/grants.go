package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// testGrants checks what members see of connections.
func testGrants(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	user := w.member("viewer@example.com")
	var before, after store.Grant
	var okBefore, okAfter bool
	var modes []store.GrantMode
	var list []store.MemberGrant
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		if before, okBefore, err = tx.Grant(ctx, w.Conn, user); err != nil {
			return err
		}
		mode, err := tx.GrantDefault(ctx, w.Conn)
		if err != nil {
			return err
		}
		modes = append(modes, mode)
		if err := tx.SetGrantDefault(ctx, w.Conn, store.GrantNone); err != nil {
			return err
		}
		if mode, err = tx.GrantDefault(ctx, w.Conn); err != nil {
			return err
		}
		modes = append(modes, mode)
		if err := tx.SetGrant(ctx, w.Conn, user, store.Grant{Mode: store.GrantNone}); err != nil {
			return err
		}
		if err := tx.SetGrant(ctx, w.Conn, user, store.Grant{Mode: store.GrantCollections, Collections: []string{"7", "3", "7"}}); err != nil {
			return err
		}
		if after, okAfter, err = tx.Grant(ctx, w.Conn, user); err != nil {
			return err
		}
		list, err = tx.Grants(ctx, w.Conn)
		return err
	})
	want := store.Grant{Mode: store.GrantCollections, Collections: []string{"3", "7"}}
	if okBefore || !okAfter || cmp.Diff(before, store.Grant{}) != "" || cmp.Diff(after, want) != "" {
		t.Errorf("before %v %v, after %v %v", before, okBefore, after, okAfter)
	}
	if d := cmp.Diff(modes, []store.GrantMode{store.GrantAll, store.GrantNone}); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(list, []store.MemberGrant{{User: user, Grant: want}}); d != "" {
		t.Error(d)
	}
	for what, err := range map[string]error{
		"somebody who is no member": w.Store.InOrg(t.Context(), w.Org, func(ctx context.Context, tx *store.Tx) error {
			return tx.SetGrant(ctx, w.Conn, "nobody", store.Grant{Mode: store.GrantAll})
		}),
		"an unknown connection": w.Store.InOrg(t.Context(), w.Org, func(ctx context.Context, tx *store.Tx) error {
			return tx.SetGrant(ctx, "nothing", user, store.Grant{Mode: store.GrantAll})
		}),
		"default of an unknown connection": w.Store.InOrg(t.Context(), w.Org, func(ctx context.Context, tx *store.Tx) error {
			return tx.SetGrantDefault(ctx, "nothing", store.GrantAll)
		}),
	} {
		if errs.KindOf(err) != errs.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := w.Store.InOrg(t.Context(), w.Org, func(ctx context.Context, tx *store.Tx) error {
		return tx.SetGrantDefault(ctx, w.Conn, store.GrantCollections)
	}); errs.KindOf(err) != errs.Invalid {
		t.Errorf("a default of collections: %v", err)
	}
	// A membership takes its grants with it.
	w.System(func(ctx context.Context, tx *store.SystemTx) error { return tx.RemoveMembership(ctx, w.Org, user) })
	w.View(func(ctx context.Context, tx *store.Tx) (err error) {
		list, err = tx.Grants(ctx, w.Conn)
		return err
	})
	if len(list) != 0 {
		t.Errorf("left after the membership: %v", list)
	}
}

// member makes a viewer of the world's organization.
func (w *World) member(email string) (id store.UserID) {
	w.T.Helper()
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.InsertUser(ctx, store.User{Email: email, Name: email})
		if err != nil {
			return err
		}
		id = u.ID
		return tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: u.ID, Role: store.RoleViewer})
	})
	return id
}
