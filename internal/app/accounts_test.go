package app

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// accountsOf opens a new store with an organization and its owner.
func accountsOf(t *testing.T) (ctx context.Context, s *store.Store, service *auth.Service, owner auth.Identity) {
	t.Helper()
	ctx = access.AsSystem(t.Context())
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(ctx, store.Config{Dir: t.TempDir(), Keys: set}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	service, err = auth.New(auth.Config{
		Users: users{s}, Sessions: sessions{s.Sessions(), s}, Factors: factors{s}, Counters: counters{s}, Audit: auditor{store: s},
		Hash: auth.HashParams{MemoryKiB: 64, Time: 1, Threads: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	owner, err = service.CreateOwner(ctx, auth.NewOwner{Name: "Ada", Email: "ada@example.com", Password: secret.New("a long enough passphrase 9"), Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	return ctx, s, service, owner
}

// TestOperatorsDeedsAreInTheOrganizationsLog resets an account as the command
// does: its organization reads that it happened, and not that the person did it.
func TestOperatorsDeedsAreInTheOrganizationsLog(t *testing.T) {
	ctx, s, service, owner := accountsOf(t)
	if err := service.ResetPassword(ctx, owner.User, secret.New("a brisk green lantern")); err != nil {
		t.Fatal(err)
	}
	if _, err := service.RemoveFactors(ctx, owner.User); err != nil {
		t.Fatal(err)
	}
	err := s.ViewOrg(ctx, owner.Org, func(ctx context.Context, tx *store.Tx) error {
		rows, _, err := tx.AuditLog(ctx, store.AuditQuery{Limit: 100})
		if err != nil {
			return err
		}
		for _, action := range []string{"password_reset", "factors_removed"} {
			at := slices.IndexFunc(rows, func(r store.AuditRow) bool { return r.Action == action })
			if at < 0 {
				t.Errorf("the organization's log has no row %s", action)
			} else if r := rows[at]; r.Actor != "" || r.Source != commandLine || r.Target != "user:"+string(owner.User) {
				t.Errorf("%s: %+v", action, r)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestResetByLetterForgetsBrowsers takes from whoever knew the old password what
// his browser was remembered for.
func TestResetByLetterForgetsBrowsers(t *testing.T) {
	ctx, s, _, owner := accountsOf(t)
	now := time.Now()
	r := resets{store: s, now: time.Now}
	token, hash := auth.NewResetToken()
	err := s.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.RememberDevice(ctx, owner.User, owner.Email, "the thief's browser", now); err != nil {
			return err
		}
		return tx.PutPasswordReset(ctx, owner.User, hash, now.Add(time.Hour))
	})
	if err != nil || token == "" {
		t.Fatal(err)
	}
	if err := r.UseReset(ctx, hash, "another hash", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	err = s.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		known, err := tx.KnowsDevice(ctx, owner.Email, "the thief's browser", now.Add(-time.Hour))
		if known {
			t.Error("the browser is still known")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHostsOnThePageHideLogins names where things go without who logs in there.
func TestHostsOnThePageHideLogins(t *testing.T) {
	for text, want := range map[string]string{
		"http://user:pass@proxy.example:3128": "proxy.example:3128", "user:p%ss@proxy.example:3128": "proxy.example:3128",
		"tls://logs.example:6514": "logs.example:6514", "unix:/dev/log": "unix:/dev/log", "": "",
	} {
		if got := hostOf(text); got != want {
			t.Errorf("%s is shown as %s", text, got)
		}
	}
}
