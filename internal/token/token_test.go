package token_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
	"github.com/metalens/metalens/internal/token"
)

var home = netip.MustParseAddr("192.0.2.7")

// world is an organization with members and the service over it.
type world struct {
	*storetest.World
	tokens *token.Service
	dir    string
	strong map[store.UserID]bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), strong: map[store.UserID]bool{}}
	w.World = storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir = w.dir
		s, err := store.Open(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
	var err error
	w.tokens, err = token.New(token.Config{
		Store: w.Store, Now: w.Clock.Now,
		SecondFactor: func(_ context.Context, user store.UserID) (bool, error) { return w.strong[user], nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// member makes a member who has a second factor.
func (w *world) member(name string, role store.Role) auth.Identity {
	w.T.Helper()
	id := auth.Identity{Org: w.Org, Role: role, Name: name, Email: name + "@example.com"}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.InsertUser(ctx, store.User{Email: id.Email, Name: name})
		if err != nil {
			return err
		}
		id.User = u.ID
		return tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: u.ID, Role: role})
	})
	w.strong[id.User] = true
	return id
}

func as(id auth.Identity) context.Context { return access.With(context.Background(), id.Actor()) }

func (w *world) make(id auth.Identity, scopes ...string) token.Made {
	w.T.Helper()
	made, err := w.tokens.Create(as(id), id, token.Draft{Name: "nightly", Scopes: scopes, Address: home})
	if err != nil {
		w.T.Fatal(err)
	}
	return made
}

func (w *world) check(text secret.Value) (token.Holder, error) {
	return w.tokens.Check(context.Background(), text, home)
}

func (w *world) refused(what string, text secret.Value, code string) {
	w.T.Helper()
	if _, err := w.check(text); errs.CodeOf(err) != code {
		w.T.Errorf("%s: %v, want code %s", what, err, code)
	}
}

func TestTokenStandsForItsMember(t *testing.T) {
	w := newWorld(t)
	ada := w.member("ada", store.RoleEditor)
	made := w.make(ada, access.ScopeScan, access.ScopeRead)
	if !regexp.MustCompile(`^` + token.Pattern + `$`).MatchString(made.Text.Expose()) {
		t.Error("the token does not look like one")
	}
	h, err := w.check(made.Text)
	if err != nil {
		t.Fatal(err)
	}
	actor := h.Actor()
	if actor.Kind != access.Token || actor.Org != string(w.Org) || actor.User != string(ada.User) || actor.Role != store.RoleEditor ||
		strings.Join(actor.Scopes, " ") != "read scan" {
		t.Errorf("the token stands for %+v", actor)
	}
	if got := made.ExpiresAt.Sub(made.CreatedAt); got != token.DefaultDays*24*time.Hour {
		t.Errorf("it lives %s", got)
	}
	// Nothing that would let somebody use it is on disk or in the audit log.
	hidden := strings.Split(made.Text.Expose(), "_")[2]
	err = filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if strings.Contains(string(raw), hidden) || strings.Contains(string(raw), "nightly") {
			t.Errorf("%s holds the secret or the name of the token", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.View(func(ctx context.Context, tx *store.Tx) error {
		rows, _, err := tx.AuditLog(ctx, store.AuditQuery{Action: "token_created"})
		if len(rows) != 1 || rows[0].Actor != ada.User || rows[0].Target != "token:"+made.ID || rows[0].Source != "192.0.2.7" || strings.Contains(rows[0].Detail, hidden) {
			t.Errorf("audited: %+v", rows)
		}
		return err
	})
}

func TestLastUseIsKeptToTheHour(t *testing.T) {
	w := newWorld(t)
	ada := w.member("ada", store.RoleViewer)
	made := w.make(ada, access.ScopeRead)
	used := func() time.Time {
		list, err := w.tokens.List(as(ada), ada)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return list[0].LastUsedAt
	}
	if !used().IsZero() {
		t.Error("a new token was used")
	}
	for _, step := range []time.Duration{25 * time.Minute, 10 * time.Minute, time.Hour} {
		w.Clock.Add(step)
		if _, err := w.check(made.Text); err != nil {
			t.Fatal(err)
		}
		if got, want := used(), w.Clock.Now().Truncate(time.Hour); !got.Equal(want) {
			t.Errorf("used %s, want %s", got, want)
		}
	}
}

func TestWhatIsNoToken(t *testing.T) {
	w := newWorld(t)
	ada := w.member("ada", store.RoleViewer)
	good := w.make(ada, access.ScopeRead).Text.Expose()
	other := w.make(ada, access.ScopeRead).Text.Expose()
	g, o := strings.Split(good, "_"), strings.Split(other, "_")
	for name, text := range map[string]string{
		"nothing": "", "a word": "secret", "only the prefix": "mlp_", "cut": good[:len(good)-1], "longer": good + "0", "upper case": strings.ToUpper(good),
		"wrong checksum": strings.Join([]string{g[0], g[1], g[2], "00000000"}, "_"), "another's secret": strings.Join([]string{g[0], g[1], o[2], g[3]}, "_"),
		"line feed": good + "\n", "space": " " + good, "a megabyte": strings.Repeat("m", 1<<20), "NUL": good[:20] + "\x00" + good[21:],
	} {
		if _, err := w.check(secret.New(text)); errs.KindOf(err) != errs.Unauthorized && errs.KindOf(err) != errs.Limited {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokenOutOfDateOrRevoked(t *testing.T) {
	w := newWorld(t)
	ada := w.member("ada", store.RoleViewer)
	made, err := w.tokens.Create(as(ada), ada, token.Draft{Name: "week", Scopes: []string{access.ScopeRead}, Days: 7})
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Add(7*24*time.Hour - time.Second)
	if _, err := w.check(made.Text); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	w.Clock.Add(time.Second)
	w.refused("at its end", made.Text, "token_expired")

	second := w.make(ada, access.ScopeRead)
	if err := w.tokens.Revoke(as(ada), ada, second.ID, home); err != nil {
		t.Fatal(err)
	}
	w.refused("revoked", second.Text, "bad_token")
	if err := w.tokens.Revoke(as(ada), ada, second.ID, home); errs.CodeOf(err) != "no_token" {
		t.Errorf("revoked twice: %v", err)
	}
}

func TestTokenNeverExceedsItsMember(t *testing.T) {
	w := newWorld(t)
	role := func(id auth.Identity, r store.Role) {
		w.System(func(ctx context.Context, tx *store.SystemTx) error {
			return tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: id.User, Role: r})
		})
	}
	ada := w.member("ada", store.RoleAdmin)
	made := w.make(ada, access.ScopeRead, access.ScopeAdminRead)
	role(ada, store.RoleViewer)
	w.refused("after the role fell", made.Text, "bad_token")
	role(ada, store.RoleAdmin)
	w.refused("after the role came back", made.Text, "bad_token")

	ben := w.member("ben", store.RoleViewer)
	made = w.make(ben, access.ScopeRead)
	role(ben, store.RoleAdmin)
	h, err := w.check(made.Text)
	if err != nil {
		t.Fatal(err)
	}
	if h.Actor().May(access.Admin) || h.Actor().May(access.Editor) {
		t.Error("a token grew with its member's role")
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error { return tx.RemoveMembership(ctx, w.Org, ben.User) })
	w.refused("after the member left", made.Text, "bad_token")

	cleo := w.member("cleo", store.RoleOwner)
	made = w.make(cleo, access.ScopeRead)
	w.System(func(ctx context.Context, tx *store.SystemTx) error { return tx.DeleteUser(ctx, cleo.User) })
	w.refused("after the account went", made.Text, "bad_token")
}

func TestAdminScopeNeedsSecondFactor(t *testing.T) {
	w := newWorld(t)
	ada := w.member("ada", store.RoleAdmin)
	made := w.make(ada, access.ScopeRead, access.ScopeAdminRead)
	if h, err := w.check(made.Text); err != nil || h.Weak || !h.Actor().May(access.Admin) {
		t.Errorf("with a second factor: %+v, %v", h, err)
	}
	w.strong[ada.User] = false
	h, err := w.check(made.Text)
	if err != nil || !h.Weak || h.Actor().May(access.Admin) || !h.Actor().May(access.Viewer) {
		t.Errorf("without one: %+v, %v", h, err)
	}
	var fields auth.FieldErrors
	if _, err := w.tokens.Create(as(ada), ada, token.Draft{Name: "x", Scopes: []string{access.ScopeAdminRead}}); !errors.As(err, &fields) || fields["scopes"] == "" {
		t.Errorf("made without a second factor: %v", err)
	}
}

func TestDraftsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	viewer := w.member("vi", store.RoleViewer)
	for name, c := range map[string]struct {
		draft token.Draft
		field string
	}{
		"no name":         {token.Draft{Scopes: []string{access.ScopeRead}}, "name"},
		"long name":       {token.Draft{Name: strings.Repeat("x", 101), Scopes: []string{access.ScopeRead}}, "name"},
		"no scope":        {token.Draft{Name: "x"}, "scopes"},
		"unknown scope":   {token.Draft{Name: "x", Scopes: []string{"read", "root"}}, "scopes"},
		"beyond the role": {token.Draft{Name: "x", Scopes: []string{access.ScopeScan}}, "scopes"},
		"admin's":         {token.Draft{Name: "x", Scopes: []string{access.ScopeAdminRead}}, "scopes"},
		"for ever":        {token.Draft{Name: "x", Scopes: []string{access.ScopeRead}, Days: 366}, "days"},
		"negative":        {token.Draft{Name: "x", Scopes: []string{access.ScopeRead}, Days: -1}, "days"},
	} {
		var fields auth.FieldErrors
		if _, err := w.tokens.Create(as(viewer), viewer, c.draft); !errors.As(err, &fields) || fields[c.field] == "" || len(fields) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 30 {
		w.make(viewer, access.ScopeRead)
	}
	if _, err := w.tokens.Create(as(viewer), viewer, token.Draft{Name: "x", Scopes: []string{access.ScopeRead}}); errs.CodeOf(err) != "too_many_tokens" {
		t.Errorf("one too many: %v", err)
	}
}

func TestWhoSeesAndRevokes(t *testing.T) {
	w := newWorld(t)
	ada, ben, cleo := w.member("ada", store.RoleAdmin), w.member("ben", store.RoleEditor), w.member("cleo", store.RoleViewer)
	bens := w.make(ben, access.ScopeRead)
	w.make(ada, access.ScopeRead)
	if list, err := w.tokens.List(as(cleo), cleo); err != nil || len(list) != 0 {
		t.Errorf("a viewer sees %v, %v", list, err)
	}
	list, err := w.tokens.List(as(ada), ada)
	if err != nil || len(list) != 2 || !list[0].Mine || list[1].Mine || list[1].Email != "ben@example.com" {
		t.Errorf("an admin sees %+v, %v", list, err)
	}
	if err := w.tokens.Revoke(as(cleo), cleo, bens.ID, home); errs.KindOf(err) != errs.NotFound {
		t.Errorf("a viewer revokes another's: %v", err)
	}
	// A token cannot make or revoke tokens, and nobody acts for somebody else.
	h, err := w.check(bens.Text)
	if err != nil {
		t.Fatal(err)
	}
	byToken := access.With(t.Context(), h.Actor())
	if _, err := w.tokens.Create(byToken, ben, token.Draft{Name: "x", Scopes: []string{access.ScopeRead}}); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("a token made a token: %v", err)
	}
	if err := w.tokens.Revoke(byToken, ben, bens.ID, home); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("a token revoked a token: %v", err)
	}
	if _, err := w.tokens.List(as(cleo), ben); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("somebody else's list: %v", err)
	}
	if _, err := w.tokens.ListOf(as(ada), w.Org, ""); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("the command's list by a person: %v", err)
	}
	if err := w.tokens.Revoke(as(ada), ada, bens.ID, home); err != nil {
		t.Errorf("an admin revokes: %v", err)
	}
	w.refused("revoked by an admin", bens.Text, "bad_token")
	system := access.AsSystem(t.Context())
	all, err := w.tokens.ListOf(system, w.Org, "")
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	if err := w.tokens.RevokeAs(system, w.Org, all[0].ID); err != nil {
		t.Error(err)
	}
}

func TestFailuresAreCountedByNetworkAndLockNobodyOut(t *testing.T) {
	w := newWorld(t)
	good := w.make(w.member("ada", store.RoleViewer), access.ScopeRead).Text
	flood := func(text string) (limited int) {
		for i := range 100 {
			addr := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 8: byte(i), 15: 1}) // one /64
			_, err := w.tokens.Check(t.Context(), secret.New(text), addr)
			var wait *auth.ThrottledError
			if errors.As(err, &wait) && wait.RetryAfter > 0 {
				limited++
			} else if errs.KindOf(err) != errs.Unauthorized {
				t.Fatal(err)
			}
		}
		return limited
	}
	if n := flood("mlp_wrong"); n != 70 {
		t.Errorf("%d of 100 were limited", n)
	}
	if _, err := w.tokens.Check(t.Context(), good, netip.MustParseAddr("2001:db8::9")); err != nil {
		t.Errorf("a good token from the same network: %v", err)
	}
	if _, err := w.check(secret.New("mlp_wrong")); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("another network: %v", err)
	}
	w.Clock.Add(10 * time.Minute)
	if n := flood("mlp_wrong"); n != 70 {
		t.Errorf("after the window %d were limited", n)
	}
}

func TestAnotherOrganizationsTokensAreOutOfSight(t *testing.T) {
	w := newWorld(t)
	ada := w.member("ada", store.RoleOwner)
	made := w.make(ada, access.ScopeRead)
	stranger := auth.Identity{User: "u2", Org: "another", Role: store.RoleOwner}
	if err := w.tokens.Revoke(as(stranger), stranger, made.ID, home); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another organization's owner revokes: %v", err)
	}
	if list, err := w.tokens.List(as(stranger), stranger); err != nil || len(list) != 0 {
		t.Errorf("another organization's owner sees %v, %v", list, err)
	}
	if _, err := w.check(made.Text); err != nil {
		t.Error(err)
	}
}
