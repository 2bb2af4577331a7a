package auth_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/webtest"
)

// meanwhile lets another process act between the moment when an account is read
// and the moment when it is written.
type meanwhile struct {
	*webtest.Users
	act func()
}

func (m *meanwhile) User(ctx context.Context, id store.UserID) (store.User, error) {
	u, err := m.Users.User(ctx, id)
	m.now()
	return u, err
}

func (m *meanwhile) UserByEmail(ctx context.Context, email string) (store.User, error) {
	u, err := m.Users.UserByEmail(ctx, email)
	m.now()
	return u, err
}

func (m *meanwhile) now() {
	if act := m.act; act != nil {
		m.act = nil
		act()
	}
}

// over makes the service anew, with accounts that change meanwhile.
func (f *fixture) over(t *testing.T, params auth.HashParams) *meanwhile {
	t.Helper()
	m := &meanwhile{Users: f.users}
	s, err := auth.New(auth.Config{
		Users: m, Sessions: f.sessions, Factors: f.users, Counters: f.users, MFAOptional: true, Audit: f, Idle: time.Hour, Lifetime: 24 * time.Hour,
		Hash: params, Now: func() time.Time { return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Service = s
	return m
}

// TestAResetStays replaces a password while other requests of the account are on
// their way: none of them brings the old one back.
func TestAResetStays(t *testing.T) {
	const fresh = "a brisk green lantern"
	cheap := auth.HashParams{MemoryKiB: 64, Time: 1, Threads: 1}
	dearer := auth.HashParams{MemoryKiB: 64, Time: 2, Threads: 1} // stored hashes are due to be made anew
	for name, c := range map[string]struct {
		params auth.HashParams
		run    func(f *fixture, w http.ResponseWriter, r *http.Request, id auth.Identity) error
	}{
		"checking a login": {dearer, func(f *fixture, _ http.ResponseWriter, r *http.Request, id auth.Identity) error {
			_, err := f.CheckLogin(r.Context(), auth.Login{Email: id.Email, Password: secret.New(webtest.OwnerPassword), Address: home})
			return err
		}},
		"beginning a session": {cheap, func(f *fixture, w http.ResponseWriter, r *http.Request, id auth.Identity) error {
			_, err := f.Begin(w, r, id, home)
			return err
		}},
		"a name": {cheap, func(f *fixture, _ http.ResponseWriter, r *http.Request, id auth.Identity) error {
			return f.Rename(r.Context(), id, "Ada L.", home)
		}},
		"an address": {cheap, func(f *fixture, _ http.ResponseWriter, r *http.Request, id auth.Identity) error {
			_, err := f.ChangeEmail(r.Context(), id, auth.EmailChange{Email: "ada2@example.com", Current: secret.New(webtest.OwnerPassword), Address: home})
			return err
		}},
		"another password": {cheap, func(f *fixture, _ http.ResponseWriter, r *http.Request, id auth.Identity) error {
			err := f.ChangePassword(r.Context(), id, auth.PasswordChange{Current: secret.New(webtest.OwnerPassword), New: secret.New("another long passphrase 7"), Address: home})
			var fields auth.FieldErrors
			if !errors.As(err, &fields) || fields["current"] == "" {
				return errors.Join(errors.New("a password that is not present any more was taken"), err)
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			id := f.owner(t)
			m := f.over(t, c.params)
			d := newDesk(t, f)
			m.act = func() {
				if err := f.ResetPassword(t.Context(), id.User, secret.New(fresh)); err != nil {
					t.Error(err)
				}
			}
			d.do(func(w http.ResponseWriter, r *http.Request) {
				if err := c.run(f, w, r, id); err != nil {
					t.Error(err)
				}
			})
			if m.act != nil { // what only writes has no such moment
				m.now()
			}
			user, err := f.users.User(t.Context(), id.User)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.try(t, user.Email, webtest.OwnerPassword, "", home); errs.KindOf(err) != errs.Unauthorized {
				t.Errorf("the old password is back: %v", err)
			}
			if err := f.try(t, user.Email, fresh, "", home); err != nil {
				t.Errorf("the new password: %v", err)
			}
		})
	}
}

// TestLoginTellsNothingOfMemberships answers a wrong password alike, whether the
// account still belongs to an organization or not.
func TestLoginTellsNothingOfMemberships(t *testing.T) {
	f := setup(t)
	id := f.owner(t)
	f.users.Quit(id.Org, id.User)
	unknown := f.try(t, "nobody@example.com", "not the password", "", other)
	wrong := f.try(t, id.Email, "not the password", "", home)
	if errs.KindOf(wrong) != errs.Unauthorized || wrong.Error() != unknown.Error() {
		t.Errorf("a wrong password: %v", wrong)
	}
	if last := f.events[len(f.events)-1]; last.What != "login_failed" || last.User != id.User {
		t.Errorf("recorded: %+v", last)
	}
	if err := f.try(t, id.Email, webtest.OwnerPassword, "", home); errs.CodeOf(err) != "no_membership" {
		t.Errorf("the right password: %v", err)
	}
}

// TestARemovedFactorProvesNothing raises somebody who removed his only factor:
// what he once proved by it is no second factor of an admin.
func TestARemovedFactorProvesNothing(t *testing.T) {
	f := strict(t)
	id := f.owner(t)
	f.users.SetRole(id.User, store.RoleViewer)
	d := newDesk(t, f)
	d.password()
	d.addApp()
	d.keepCodes()
	list, err := f.FactorList(t.Context(), id)
	if err != nil || len(list) != 1 {
		t.Fatalf("factors %v, %v", list, err)
	}
	d.do(func(_ http.ResponseWriter, r *http.Request) {
		if _, _, err := f.RemoveFactor(r, d.pending(r), list[0].ID, home); err != nil {
			t.Error(err)
		}
	})
	if who := d.who(); who.Stage != auth.Complete || who.Strong {
		t.Errorf("a viewer without a factor: stage %d, strong %t", who.Stage, who.Strong)
	}
	f.users.SetRole(id.User, store.RoleAdmin)
	if who := d.who(); who.Stage != auth.Enrolling {
		t.Errorf("an admin without a factor: stage %d", who.Stage)
	}
}
