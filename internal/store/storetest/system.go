package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/store"
)

func testOrganizations(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ctx := context.Background()
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Organizations(ctx)
		if err != nil {
			return err
		}
		wantEqual(t, []store.Organization{{ID: w.Org, Name: "Acme", CreatedAt: w.Clock.Now()}}, list)
		if err := tx.RenameOrganization(ctx, w.Org, "Acme Ltd"); err != nil {
			return err
		}
		o, err := tx.Organization(ctx, w.Org)
		wantEqual(t, "Acme Ltd", o.Name)
		_, missing := tx.Organization(ctx, "nobody")
		wantKind(t, missing, errs.NotFound, "")
		return err
	})
	err := w.Store.InOrg(ctx, "nobody", func(context.Context, *store.Tx) error { return nil })
	wantKind(t, err, errs.NotFound, "no_organization")

	err = w.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		_, err := tx.InsertOrganization(ctx, store.Organization{Name: "Second"})
		return err
	})
	if w.Store.Engine() == store.EngineSQLite {
		wantKind(t, err, errs.Conflict, "one_organization")
	} else if err != nil {
		t.Error(err)
	}

	// Another master key opens nothing.
	other, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, t.Name(), store.Config{Keys: other, Now: w.Clock.Now})
	err = s.ViewOrg(ctx, w.Org, func(context.Context, *store.Tx) error { return nil })
	wantKind(t, err, errs.Invalid, "wrong_master_key")

	// A rotated master key opens what the old one sealed.
	rotated, err := w.Keys.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, t.Name(), store.Config{Keys: rotated, Now: w.Clock.Now})
	if err := s.ViewOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Connection(ctx, w.Conn)
		return err
	}); err != nil {
		t.Errorf("after rotation: %v", err)
	}

	if _, _, err := w.Store.EraseOrganization(ctx, w.Org, store.Erasure{}); err != nil {
		t.Fatal(err)
	}
	err = w.Store.ViewOrg(ctx, w.Org, func(context.Context, *store.Tx) error { return nil })
	wantKind(t, err, errs.NotFound, "no_organization")
}

// someHash stands for the hash of a password.
const someHash = "$argon2id$x"

func testUsers(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	var gone store.UserID
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.InsertUser(ctx, store.User{Email: " Ada@Example.COM ", Name: "Ada", PasswordHash: someHash})
		if err != nil {
			return err
		}
		got, err := tx.UserByEmail(ctx, "ADA@example.com")
		if err != nil {
			return err
		}
		wantEqual(t, store.User{ID: u.ID, Email: "ada@example.com", Name: "Ada", PasswordHash: someHash, CreatedAt: w.Clock.Now()}, got)
		got.Name, got.LastLoginAt = "Ada L.", w.Clock.Now().Add(time.Minute)
		if err := tx.UpdateUser(ctx, got); err != nil {
			return err
		}
		again, err := tx.User(ctx, u.ID)
		if err != nil {
			return err
		}
		wantEqual(t, got, again)
		_, err = tx.UserByEmail(ctx, "nobody@example.com")
		wantKind(t, err, errs.NotFound, "")
		wantKind(t, tx.UpdateUser(ctx, store.User{ID: "nobody"}), errs.NotFound, "")
		if err := tx.ChangeUser(ctx, u.ID, func(u *store.User) error { u.Name += "!"; return nil }); err != nil {
			return err
		}
		if has, err := tx.HasUsers(ctx); err != nil || !has {
			t.Errorf("has users: %t, %v", has, err)
		}
		refused := errs.New(errs.Conflict, "refused", "No.", "")
		wantKind(t, tx.ChangeUser(ctx, u.ID, func(u *store.User) error { u.Name = ""; return refused }), errs.Conflict, "refused")
		wantKind(t, tx.ChangeUser(ctx, "nobody", func(*store.User) error { return nil }), errs.NotFound, "")
		if again, err = tx.User(ctx, u.ID); err != nil {
			return err
		}
		got.Name = "Ada L.!"
		wantEqual(t, got, again)

		if err := tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: u.ID, Role: store.RoleViewer}); err != nil {
			return err
		}
		if err := tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: u.ID, Role: store.RoleOwner}); err != nil {
			return err
		}
		want := store.Membership{OrgID: w.Org, UserID: u.ID, Role: store.RoleOwner}
		m, err := tx.Membership(ctx, w.Org, u.ID)
		if err != nil {
			return err
		}
		wantEqual(t, want, m)
		members, err := tx.Members(ctx, w.Org)
		if err != nil {
			return err
		}
		wantEqual(t, []store.Membership{want}, members)
		of, err := tx.MembershipsOf(ctx, u.ID)
		if err != nil {
			return err
		}
		wantEqual(t, []store.Membership{want}, of)
		if err := tx.RemoveMembership(ctx, w.Org, u.ID); err != nil {
			return err
		}
		_, err = tx.Membership(ctx, w.Org, u.ID)
		wantKind(t, err, errs.NotFound, "")
		gone = u.ID
		return nil
	})
	if _, _, err := w.Store.EraseAccount(context.Background(), gone, store.Erasure{}); err != nil {
		t.Fatal(err)
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Users(ctx)
		wantEqual(t, []store.User{}, list)
		return err
	})
	err := w.Store.InSystem(context.Background(), func(ctx context.Context, tx *store.SystemTx) error {
		if _, err := tx.InsertUser(ctx, store.User{Email: "a@b"}); err != nil {
			t.Fatal(err)
		}
		_, err := tx.InsertUser(ctx, store.User{Email: "A@B"})
		return err
	})
	wantKind(t, err, errs.Conflict, "already_exists")
}

func testSessions(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	sessions := w.Store.Sessions()
	expiry := w.Clock.Now().Add(time.Hour)
	if _, found, err := sessions.Find("token"); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	for _, content := range []string{"one", "two"} {
		if err := sessions.Commit("token", []byte(content), expiry); err != nil {
			t.Fatal(err)
		}
		b, found, err := sessions.Find("token")
		if err != nil || !found || string(b) != content {
			t.Fatalf("got %q, %v, %v", b, found, err)
		}
	}
	var user store.User
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		var err error
		if user, err = tx.InsertUser(ctx, store.User{Email: "a@b"}); err != nil {
			return err
		}
		return tx.BindSession(ctx, "token", user.ID, "Firefox", "192.0.2.7")
	})
	w.Clock.Add(time.Minute)
	if err := sessions.Commit("second", []byte("x"), expiry); err != nil {
		t.Fatal(err)
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.BindSession(ctx, "second", user.ID, "", ""); err != nil {
			return err
		}
		list, err := tx.UserSessions(ctx, user.ID, "token")
		if err != nil {
			return err
		}
		if len(list) != 2 || list[0].Current || !list[1].Current || list[1].Agent != "Firefox" || list[1].Address != "192.0.2.7" {
			t.Errorf("got %+v", list)
		}
		wantKind(t, tx.DeleteSession(ctx, "somebody else", list[0].ID), errs.NotFound, "")
		n, err := tx.DeleteUserSessions(ctx, user.ID, "token")
		wantEqual(t, 1, n)
		return err
	})
	if _, found, err := sessions.Find("second"); found || err != nil {
		t.Errorf("an ended session was found: %v", err)
	}
	w.Clock.Add(2 * time.Hour)
	if _, found, err := sessions.Find("token"); found || err != nil {
		t.Errorf("an expired session was found: %v", err)
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		n, err := tx.DeleteExpiredSessions(ctx, w.Clock.Now())
		wantEqual(t, 1, n)
		return err
	})
	if err := sessions.Delete("token"); err != nil {
		t.Errorf("deleting a session twice: %v", err)
	}
	// A session that is ended while a request holds it does not come back with
	// the end of that request.
	ctx := store.TrackSession(context.Background())
	if err := sessions.CommitCtx(ctx, "held", []byte("content"), w.Clock.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, ended := range []bool{false, true} {
		if _, found, err := sessions.FindCtx(ctx, "held"); !found || err != nil {
			t.Fatalf("found %v, %v", found, err)
		}
		if ended {
			if err := sessions.Delete("held"); err != nil {
				t.Fatal(err)
			}
		}
		if err := sessions.CommitCtx(ctx, "held", []byte("changed"), w.Clock.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if b, found, err := sessions.Find("held"); err != nil || found == ended || !ended && string(b) != "changed" {
			t.Errorf("ended %v: found %v, %q, %v", ended, found, b, err)
		}
	}
}

func testSchedules(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	now := w.Clock.Now()
	w.In(func(ctx context.Context, tx *store.Tx) error {
		c, err := tx.Connection(ctx, w.Conn)
		if err != nil {
			return err
		}
		c.Schedule, c.NextRunAt = "daily 03:00", now.Add(time.Hour)
		return tx.UpdateConnection(ctx, c)
	})
	due := func(at time.Time) (list []store.DueSchedule) {
		w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
			list, err = tx.DueSchedules(ctx, at)
			return err
		})
		return list
	}
	wantEqual(t, []store.DueSchedule{}, due(now))
	wantEqual(t, []store.DueSchedule{{OrgID: w.Org, ConnectionID: w.Conn, Schedule: "daily 03:00", NextRunAt: now.Add(time.Hour)}}, due(now.Add(time.Hour)))
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		wantKind(t, tx.SetNextRun(ctx, w.Org, "other", now), errs.NotFound, "")
		return tx.SetNextRun(ctx, w.Org, w.Conn, now.Add(25*time.Hour))
	})
	wantEqual(t, []store.DueSchedule{}, due(now.Add(time.Hour)))
}

func testAudit(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.Audit(ctx, store.AuditRow{Actor: "u1", Action: "scan_started", Target: "scan:1", Source: "192.0.2.1", Detail: `{"a":1}`}); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditRow{At: w.Clock.Now().Add(time.Minute), Action: "other"})
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.Audit(ctx, store.AuditRow{OrgID: w.Org, At: w.Clock.Now().Add(2 * time.Minute), Actor: "u1", Action: "login"}); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditRow{Action: "login_failed", Source: "192.0.2.9"})
	})
	w.View(func(ctx context.Context, tx *store.Tx) error {
		rows, total, err := tx.AuditLog(ctx, store.AuditQuery{Limit: 2})
		if err != nil {
			return err
		}
		if total != 3 || len(rows) != 2 || rows[0].Action != "login" || rows[1].Action != "other" {
			t.Errorf("got %d of %d: %+v", len(rows), total, rows)
		}
		rows, total, err = tx.AuditLog(ctx, store.AuditQuery{Actor: "u1", Action: "scan_started"})
		if err != nil {
			return err
		}
		if total != 1 || len(rows) != 1 {
			t.Fatalf("got %d of %d", len(rows), total)
		}
		rows[0].ID, rows[0].Seq = "", 0
		wantEqual(t, store.AuditRow{At: w.Clock.Now(), OrgID: w.Org, Actor: "u1", Action: "scan_started", Target: "scan:1", Source: "192.0.2.1", Detail: `{"a":1}`}, rows[0])
		return nil
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		rows, total, err := tx.AuditLog(ctx, store.AuditQuery{})
		if total != 1 || len(rows) != 1 || rows[0].Source != "192.0.2.9" {
			t.Errorf("got %d: %+v", total, rows)
		}
		return err
	})
}

func testTransactions(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ctx := context.Background()
	failure := errors.New("no")
	err := w.Store.InOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.SetSetting(ctx, "k", "v"); err != nil {
			t.Fatal(err)
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	w.View(func(ctx context.Context, tx *store.Tx) error {
		_, ok, err := tx.Setting(ctx, "k")
		if ok {
			t.Error("a failed transaction left something behind")
		}
		return err
	})
	err = w.Store.ViewOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error { return tx.SetSetting(ctx, "k", "v") })
	if err == nil {
		t.Error("a view could write")
	}
	err = w.Store.InOrg(ctx, w.Org, func(ctx context.Context, _ *store.Tx) error {
		return w.Store.ViewOrg(ctx, w.Org, func(context.Context, *store.Tx) error { return nil })
	})
	wantKind(t, err, errs.Internal, "nested_transaction")

	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic was swallowed")
			}
		}()
		_ = w.Store.InOrg(ctx, w.Org, func(context.Context, *store.Tx) error { panic("x") })
	}()
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.SetSetting(ctx, "k", "v") }) // the panic released its connection

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	err = w.Store.InOrg(cancelled, w.Org, func(context.Context, *store.Tx) error { return nil })
	wantKind(t, err, errs.Canceled, "")
}
