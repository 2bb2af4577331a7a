package access_test

import (
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
