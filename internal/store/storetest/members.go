package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// another returns a second organization, or the one there is on the embedded
// database.
func (w *World) another(name string) store.OrgID {
	if w.Store.Engine() == store.EngineSQLite {
		return w.Org
	}
	return w.NewOrg(name)
}

// testInvitations checks who is asked to join, and by which token.
func testInvitations(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	other := w.another("B")
	var first, second store.Invitation
	w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
		if first, err = tx.PutInvitation(ctx, store.Invitation{OrgID: w.Org, Email: " Ada@Example.com", Role: store.RoleEditor, ExpiresAt: w.Clock.Now().Add(time.Hour)}, []byte("one")); err != nil {
			return err
		}
		second, err = tx.PutInvitation(ctx, store.Invitation{OrgID: other, Email: "bob@example.com", Role: store.RoleViewer, ExpiresAt: w.Clock.Now().Add(time.Hour)}, []byte("two"))
		return err
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		got, err := tx.InvitationByToken(ctx, []byte("one"))
		if err != nil {
			return err
		}
		wantEqual(t, first, got)
		if got.Email != "ada@example.com" || got.CreatedAt.IsZero() {
			t.Errorf("invitation: %+v", got)
		}
		list, err := tx.Invitations(ctx, w.Org)
		if err != nil {
			return err
		}
		want := []store.Invitation{first}
		if other == w.Org { // the newest first
			want = []store.Invitation{second, first}
			if second.ID > first.ID && second.CreatedAt.Equal(first.CreatedAt) {
				want = []store.Invitation{first, second}
			}
		}
		wantEqual(t, want, list)
		_, err = tx.InvitationByToken(ctx, []byte("three"))
		wantKind(t, err, errs.NotFound, "not_found")
		// The same invitation under a new token: the earlier one is void.
		if _, err := tx.PutInvitation(ctx, first, []byte("three")); err != nil {
			return err
		}
		_, err = tx.InvitationByToken(ctx, []byte("one"))
		wantKind(t, err, errs.NotFound, "not_found")
		// Another organization's is out of reach.
		if other != w.Org {
			wantKind(t, tx.DeleteInvitation(ctx, w.Org, second.ID), errs.NotFound, "not_found")
		}
		return tx.DeleteInvitation(ctx, w.Org, first.ID)
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		for days, want := range map[int]int{0: 0, 29: 0} {
			if n, err := tx.DeleteExpiredLinks(ctx, w.Clock.Now().AddDate(0, 0, days)); err != nil || n != want {
				t.Errorf("after %d days %d were forgotten, %v", days, n, err)
			}
		}
		if n, err := tx.DeleteExpiredLinks(ctx, w.Clock.Now().AddDate(0, 0, 32)); err != nil || n != 1 {
			t.Errorf("%d expired invitations were forgotten, %v", n, err)
		}
		return nil
	})
}

// testPasswordResets checks the tokens of forgotten passwords.
func testPasswordResets(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	now := w.Clock.Now()
	var ada, bob store.User
	w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
		if ada, err = tx.InsertUser(ctx, store.User{Email: "ada@example.com", Name: "Ada"}); err != nil {
			return err
		}
		if bob, err = tx.InsertUser(ctx, store.User{Email: "bob@example.com", Name: "Bob"}); err != nil {
			return err
		}
		for _, token := range []string{"a1", "a2"} { // the newest alone is good
			if err := tx.PutPasswordReset(ctx, ada.ID, []byte(token), now.Add(time.Hour)); err != nil {
				return err
			}
		}
		return tx.PutPasswordReset(ctx, bob.ID, []byte("b"), now.Add(time.Minute))
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		user, err := tx.PasswordReset(ctx, []byte("a2"), now)
		if err != nil || user != ada.ID {
			t.Errorf("a2 is %s's: %v", user, err)
		}
		_, err = tx.PasswordReset(ctx, []byte("a1"), now)
		wantKind(t, err, errs.NotFound, "not_found")
		_, err = tx.PasswordReset(ctx, []byte("b"), now.Add(time.Minute))
		wantKind(t, err, errs.NotFound, "not_found")
		if n, err := tx.DeleteExpiredLinks(ctx, now.Add(time.Minute)); err != nil || n != 1 {
			t.Errorf("%d were forgotten, %v", n, err)
		}
		for _, want := range []bool{true, false} { // once
			if there, err := tx.DeletePasswordReset(ctx, ada.ID); err != nil || there != want {
				t.Errorf("void: %t, %v", there, err)
			}
		}
		return nil
	})
}

// testMemberList checks the list of members and the organizations of a user.
func testMemberList(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	other := w.another("A first one")
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		for _, name := range []string{"zoe", "Ada"} {
			u, err := tx.InsertUser(ctx, store.User{Email: name + "@example.com", Name: name, LastLoginAt: w.Clock.Now()})
			if err != nil {
				return err
			}
			if err := tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: u.ID, Role: store.RoleEditor}); err != nil {
				return err
			}
			if name == "zoe" && other != w.Org {
				if err := tx.SetMembership(ctx, store.Membership{OrgID: other, UserID: u.ID, Role: store.RoleOwner}); err != nil {
					return err
				}
			}
		}
		if err := tx.LockMembers(ctx, w.Org); err != nil {
			return err
		}
		list, err := tx.MemberList(ctx, w.Org)
		if err != nil {
			return err
		}
		if len(list) != 2 || list[0].Name != "Ada" || list[1].Email != "zoe@example.com" || list[1].Role != store.RoleEditor || !list[1].LastLoginAt.Equal(w.Clock.Now()) {
			t.Errorf("members: %+v", list)
		}
		orgs, err := tx.OrganizationsOf(ctx, list[1].User)
		if err != nil {
			return err
		}
		if want := map[bool]int{true: 2, false: 1}[other != w.Org]; len(orgs) != want {
			t.Errorf("organizations: %+v", orgs)
		}
		return nil
	})
}
