package sso_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/sso"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

const issuer = "https://id.example.com"

var home = netip.MustParseAddr("192.0.2.7")

type world struct {
	*storetest.World
	t *testing.T
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, World: storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir = t.TempDir()
		s, err := store.Open(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})}
}

func (w *world) service(change ...func(*config.OIDC)) *sso.Service {
	w.t.Helper()
	o := settings(issuer)
	for _, c := range change {
		c(&o)
	}
	p, _ := open(w.t, o)
	s, err := sso.New(sso.Config{Provider: p, OIDC: o, Store: w.Store, Now: w.Clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) member(email string, role store.Role) store.UserID {
	w.t.Helper()
	var id store.UserID
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.InsertUser(ctx, store.User{Email: email, Name: "Somebody", PasswordHash: "x"})
		id = u.ID
		if err != nil || role == "" {
			return err
		}
		return tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: id, Role: role})
	})
	return id
}

func (w *world) invite(email string, role store.Role, life time.Duration) {
	w.t.Helper()
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		_, err := tx.PutInvitation(ctx, store.Invitation{OrgID: w.Org, Email: email, Role: role, ExpiresAt: w.Clock.Now().Add(life)}, []byte(email))
		return err
	})
}

func (w *world) audited() []string {
	w.t.Helper()
	var actions []string
	w.View(func(ctx context.Context, tx *store.Tx) error {
		rows, _, err := tx.AuditLog(ctx, store.AuditQuery{})
		for _, r := range slices.Backward(rows) {
			actions = append(actions, r.Action)
		}
		return err
	})
	return actions
}

func ada(subject string) sso.Claims {
	return sso.Claims{Issuer: issuer, Subject: subject, Email: "ada@example.com", EmailVerified: true, Name: "Ada"}
}

func domains(d ...string) func(*config.OIDC) { return func(o *config.OIDC) { o.AllowedDomains = d } }

func TestFirstLoginTiesAMember(t *testing.T) {
	w := newWorld(t)
	user := w.member("ada@example.com", store.RoleEditor)
	s := w.service()
	id, err := s.SignIn(t.Context(), ada("s-1"), home)
	if err != nil || id.User != user || id.Role != store.RoleEditor || id.Org != w.Org {
		t.Fatalf("%+v, %v", id, err)
	}
	// From now on the subject counts: the address may change, and need not be
	// verified any more.
	moved := ada("s-1")
	moved.Email, moved.EmailVerified = "ada.l@example.com", false
	if id, err := s.SignIn(t.Context(), moved, home); err != nil || id.User != user || id.Email != "ada@example.com" {
		t.Errorf("after a change of address: %+v, %v", id, err)
	}
	// The address was given to somebody else there: he is not Ada.
	if id, err := s.SignIn(t.Context(), ada("s-2"), home); errs.CodeOf(err) != "sso_other_person" {
		t.Errorf("another person with the address: %+v, %v", id, err)
	}
	if got := w.audited(); !slices.Equal(got, []string{"sso_linked"}) {
		t.Errorf("audited: %v", got)
	}
	if same, err := s.Owns(t.Context(), user, ada("s-1")); !same || err != nil {
		t.Error("the login is not the member's", err)
	}
	if same, err := s.Owns(t.Context(), user, ada("s-2")); same || err != nil {
		t.Error("another's login is the member's", err)
	}
}

func TestWhoMayNotComeIn(t *testing.T) {
	w := newWorld(t)
	w.member("ada@example.com", store.RoleOwner)
	w.invite("ina@example.com", store.RoleViewer, -time.Minute)
	s := w.service(domains("corp.example"))
	for name, c := range map[string]struct {
		change func(*sso.Claims)
		code   string
	}{
		"address not verified":      {func(c *sso.Claims) { c.EmailVerified = false }, "sso_unverified"},
		"no address":                {func(c *sso.Claims) { c.Email = "" }, "sso_no_email"},
		"no usable address":         {func(c *sso.Claims) { c.Email = "Ada <ada@example.com>" }, "sso_no_email"},
		"nobody knows him":          {func(c *sso.Claims) { c.Email = "eve@example.com" }, "sso_no_account"},
		"an invitation out of date": {func(c *sso.Claims) { c.Email = "ina@example.com" }, "sso_no_account"},
		"a domain that ends alike":  {func(c *sso.Claims) { c.Email = "eve@evilcorp.example" }, "sso_no_account"},
		"a domain below":            {func(c *sso.Claims) { c.Email = "eve@a.corp.example" }, "sso_no_account"},
		"two at signs":              {func(c *sso.Claims) { c.Email = `"eve@evil.example"@corp.example.evil.example` }, "sso_no_account"},
	} {
		claims := ada("s-1")
		c.change(&claims)
		if id, err := s.SignIn(t.Context(), claims, home); errs.CodeOf(err) != c.code && errs.KindOf(err) != errs.Forbidden {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		users, err := tx.Users(ctx)
		if len(users) != 1 {
			t.Errorf("%d accounts were left behind", len(users)-1)
		}
		return err
	})
	if got := w.audited(); len(got) != 0 {
		t.Errorf("audited: %v", got)
	}
}

func TestInvitationIsAcceptedBySignOn(t *testing.T) {
	w := newWorld(t)
	w.invite("ada@example.com", store.RoleAdmin, time.Hour)
	s := w.service()
	id, err := s.SignIn(t.Context(), ada("s-1"), home)
	if err != nil || id.Role != store.RoleAdmin || id.Name != "Ada" {
		t.Fatalf("%+v, %v", id, err)
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		open, err := tx.Invitations(ctx, w.Org)
		if len(open) != 0 {
			t.Error("the invitation is still good")
		}
		user, userErr := tx.User(ctx, id.User)
		if user.PasswordHash != "" {
			t.Error("the account has a password")
		}
		if err == nil {
			err = userErr
		}
		return err
	})
	// An account without a membership takes up an invitation, too.
	ben := w.member("ben@example.com", "")
	claims := ada("s-3")
	claims.Email = "ben@example.com"
	if _, err := s.SignIn(t.Context(), claims, home); errs.CodeOf(err) != "sso_no_account" {
		t.Errorf("an account without membership: %v", err)
	}
	w.invite("ben@example.com", store.RoleViewer, time.Hour)
	if id, err := s.SignIn(t.Context(), claims, home); err != nil || id.User != ben || id.Role != store.RoleViewer {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestDomainProvisionsAndGroupsGiveRoles(t *testing.T) {
	w := newWorld(t)
	s := w.service(domains("example.com"), func(o *config.OIDC) {
		o.GroupsClaim = "groups"
		o.RoleMap = []config.RoleRule{{Group: "analysts", Role: "editor"}, {Group: "data", Role: "admin"}}
	})
	claims := ada("s-1")
	login := func(want store.Role, has bool, groups ...string) {
		t.Helper()
		claims.Groups, claims.HasGroups = groups, has
		id, err := s.SignIn(t.Context(), claims, home)
		if err != nil || id.Role != want {
			t.Errorf("groups %v (%t): %+v, %v", groups, has, id, err)
		}
	}
	login(store.RoleEditor, true, "analysts", "others")
	login(store.RoleAdmin, true, "analysts", "data")
	login(store.RoleAdmin, false)          // the provider says nothing: nothing changes
	login(store.RoleViewer, true)          // in no group any more
	login(store.RoleViewer, true, "owner") // a group is no role
	if got := w.audited(); !slices.Equal(got, []string{"member_provisioned", "sso_linked", "role_changed", "role_changed"}) {
		t.Errorf("audited: %v", got)
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.UserByEmail(ctx, "ada@example.com")
		if err != nil {
			return err
		}
		return tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: u.ID, Role: store.RoleOwner})
	})
	login(store.RoleOwner, true, "analysts") // owners are unmade by owners
}

func TestMemberWhoLeftStaysOut(t *testing.T) {
	w := newWorld(t)
	user := w.member("ada@example.com", store.RoleViewer)
	s := w.service()
	if _, err := s.SignIn(t.Context(), ada("s-1"), home); err != nil {
		t.Fatal(err)
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error { return tx.RemoveMembership(ctx, w.Org, user) })
	if _, err := s.SignIn(t.Context(), ada("s-1"), home); errs.CodeOf(err) != "no_membership" {
		t.Errorf("a member who left: %v", err)
	}
}

func TestRequiredSignOnLeavesOwnersTheirPassword(t *testing.T) {
	w := newWorld(t)
	owner, viewer := w.member("o@example.com", store.RoleOwner), w.member("v@example.com", store.RoleViewer)
	s := w.service()
	as := func(user store.UserID, role store.Role) context.Context {
		return access.With(t.Context(), auth.Identity{User: user, Org: w.Org, Role: role}.Actor())
	}
	check := func(user store.UserID, code string) {
		t.Helper()
		if err := s.CheckPassword(t.Context(), user); errs.CodeOf(err) != code {
			t.Errorf("password of %s: %v, want %q", user, err, code)
		}
	}
	check(viewer, "")
	if err := s.SetRequired(as(viewer, store.RoleAdmin), w.Org, true, home); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("an admin asks for it: %v", err)
	}
	if err := s.SetRequired(as(owner, store.RoleOwner), w.Org, true, home); err != nil {
		t.Fatal(err)
	}
	check(viewer, "sso_required")
	check(owner, "")
	if required, err := s.Required(as(viewer, store.RoleViewer), w.Org); !required || err != nil {
		t.Error(required, err)
	}
	// Without a provider nobody is locked out.
	off, err := sso.New(sso.Config{Store: w.Store, Now: w.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := off.CheckPassword(t.Context(), viewer); err != nil || off.Enabled() {
		t.Errorf("without a provider: %v", err)
	}
	if err := off.SetRequired(as(owner, store.RoleOwner), w.Org, true, home); errs.CodeOf(err) != "sso_off" {
		t.Errorf("asked for without a provider: %v", err)
	}
	if err := s.SetRequired(as(owner, store.RoleOwner), w.Org, false, home); err != nil {
		t.Fatal(err)
	}
	check(viewer, "")
	if got := w.audited(); !slices.Equal(got, []string{"sso_required", "sso_optional"}) {
		t.Errorf("audited: %v", got)
	}
}
