package access_test

import (
	"slices"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
)

func TestRequire(t *testing.T) {
	roles := []access.Role{access.Viewer, access.Editor, access.Admin, access.Owner}
	for has, role := range roles {
		ctx := access.With(t.Context(), access.Actor{Kind: access.Person, User: "u", Org: "a", Role: role})
		for needs, asked := range roles {
			err := access.Require(ctx, asked)
			if (err == nil) != (has >= needs) || err != nil && errs.KindOf(err) != errs.Forbidden {
				t.Errorf("a %s asking for %s: %v", role, asked, err)
			}
		}
	}
	if access.Require(access.AsSystem(t.Context()), access.Owner) != nil {
		t.Error("the system is refused")
	}
	for name, a := range map[string]access.Actor{
		"nobody": {}, "no role": {Kind: access.Person, Org: "a"}, "unknown role": {Kind: access.Token, Org: "a", Role: "root"},
	} {
		if access.Require(access.With(t.Context(), a), access.Viewer) == nil {
			t.Errorf("%s may read", name)
		}
	}
	if access.Require(t.Context(), access.Viewer) == nil {
		t.Error("a context without an actor may read")
	}
}

func TestEnter(t *testing.T) {
	member := access.With(t.Context(), access.Actor{Kind: access.Person, User: "u", Org: "a", Role: access.Owner})
	if err := access.Enter(member, "a"); err != nil {
		t.Error(err)
	}
	if err := access.Enter(member, "b"); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another organization: %v", err)
	}
	if access.Enter(access.AsSystem(member), "b") != nil || access.Enter(t.Context(), "b") != nil {
		t.Error("the system is refused")
	}
}

func TestTokenReachesOnlyItsScopes(t *testing.T) {
	for _, c := range []struct {
		role   access.Role
		scopes []string
		may    []access.Role
	}{
		{access.Owner, nil, nil},
		{access.Owner, []string{access.ScopeRead}, []access.Role{access.Viewer}},
		{access.Owner, []string{access.ScopeScan}, []access.Role{access.Viewer, access.Editor}},
		{access.Owner, []string{access.ScopeAdminRead}, []access.Role{access.Viewer, access.Admin}},
		{access.Viewer, []string{access.ScopeRead, access.ScopeScan, access.ScopeAdminRead}, []access.Role{access.Viewer}},
	} {
		a := access.Actor{Kind: access.Token, User: "u", Org: "a", Role: c.role, Scopes: c.scopes}
		for _, role := range []access.Role{access.Viewer, access.Editor, access.Admin, access.Owner} {
			if got := a.May(role); got != slices.Contains(c.may, role) {
				t.Errorf("a token of a %s with %v, asking for %s: %t", c.role, c.scopes, role, got)
			}
		}
	}
	person := access.Actor{Kind: access.Person, Role: access.Viewer}
	if !person.Has(access.ScopeScan) || (access.Actor{}).Has(access.ScopeRead) {
		t.Error("scopes narrow tokens only, and nobody has none")
	}
}
