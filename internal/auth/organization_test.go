package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/webtest"
)

// TestSwitchOrganization enters another organization of one's own, and no other.
func TestSwitchOrganization(t *testing.T) {
	f := setup(t)
	id := f.owner(t)
	f.users.Join(store.Membership{OrgID: "second", UserID: id.User, Role: store.RoleViewer})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /in", func(w http.ResponseWriter, r *http.Request) {
		if _, err := f.Begin(w, r, id, home); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /switch/{org}", func(w http.ResponseWriter, r *http.Request) {
		who, err := f.Current(r.Context())
		if err == nil {
			err = f.SwitchOrganization(r, who, store.OrgID(r.PathValue("org")), home)
		}
		_, _ = fmt.Fprint(w, errs.KindOf(err))
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		who, err := f.Current(r.Context())
		if err != nil {
			t.Error(err)
		}
		_, _ = fmt.Fprintf(w, "%s %s", who.Org, who.Role)
	})
	server := httptest.NewServer(f.Load(mux, nil))
	t.Cleanup(server.Close)
	c := client(t)
	ask := func(method, path, want string) {
		t.Helper()
		if got := call(t, c, method, server.URL+path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	call(t, c, http.MethodPost, server.URL+"/in")
	first := string(id.Org) + " owner"
	ask(http.MethodGet, "/", first)
	ask(http.MethodPost, "/switch/third", string(errs.NotFound))
	ask(http.MethodGet, "/", first)
	before := token(c, server)
	ask(http.MethodPost, "/switch/second", "")
	if token(c, server) == before {
		t.Error("the session kept its token over a change of rights")
	}
	ask(http.MethodGet, "/", "second viewer")
	f.users.SetRole(id.User, store.RoleEditor)
	ask(http.MethodGet, "/", "second editor")
	f.users.Quit("second", id.User)
	ask(http.MethodGet, "/", string(id.Org)+" editor")
}

// TestProveTellsNothing takes a password for a proof, under the throttle of
// logins, and answers an unknown address as a wrong password.
func TestProveTellsNothing(t *testing.T) {
	f := setup(t)
	id := f.owner(t)
	prove := func(email, password string) (store.UserID, error) {
		return f.Prove(t.Context(), auth.Proof{Email: email, Password: secret.New(password), Address: other})
	}
	if user, err := prove(id.Email, webtest.OwnerPassword); err != nil || user != id.User {
		t.Errorf("the right password proves %q, %v", user, err)
	}
	_, wrong := prove(id.Email, "not the password")
	_, unknown := prove("nobody@example.com", "not the password")
	if errs.KindOf(wrong) != errs.Unauthorized || unknown == nil || wrong.Error() != unknown.Error() {
		t.Errorf("wrong: %v, unknown: %v", wrong, unknown)
	}
	for range 12 {
		_, wrong = prove(id.Email, "not the password")
	}
	if errs.KindOf(wrong) != errs.Limited {
		t.Errorf("guessing goes on: %v", wrong)
	}
}
