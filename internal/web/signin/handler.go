// Package signin is the pages of single sign-on: the way to the identity
// provider and back, and the settings page about it.
package signin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/sso"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/settings"
	"github.com/metalens/metalens/internal/web/ui"
)

// The addresses.
const (
	StartPath    = "/login/sso"
	CallbackPath = "/login/sso/callback"
	LogoutPath   = "/login/sso/logout"
	SettingsPath = "/settings/sign-in"
)

// maxPending is how many logins a browser may have on their way: several tabs.
const maxPending = 4

// Service is what the pages need of single sign-on.
type Service interface {
	Enabled() bool
	Name() string
	// Redirect is the absolute address of the callback.
	Redirect() string
	Settings() config.OIDC
	Begin(ctx context.Context, next string, fresh bool) (sso.Pending, string, error)
	Match(list []sso.Pending, state string) (sso.Pending, bool)
	Finish(ctx context.Context, p sso.Pending, query url.Values) (sso.Claims, error)
	SignIn(ctx context.Context, c sso.Claims, addr netip.Addr) (auth.Identity, error)
	Owns(ctx context.Context, user store.UserID, c sso.Claims) (bool, error)
	EndSession(ctx context.Context, back string) (address string, ok bool, err error)
	Discover(ctx context.Context) error
	Tied(ctx context.Context, user store.UserID) (bool, error)
	CheckPassword(ctx context.Context, user store.UserID) error
	Required(ctx context.Context, org store.OrgID) (bool, error)
	SetRequired(ctx context.Context, org store.OrgID, required bool, addr netip.Addr) error
}

// Handlers answers the addresses of single sign-on.
type Handlers struct {
	auth *auth.Service
	sso  Service
}

// New returns the handlers.
func New(accounts *auth.Service, service Service) *Handlers { return &Handlers{accounts, service} }

// Start sends the browser to the identity provider. Somebody who is logged in
// goes there to prove it again, with again=1.
func (h *Handlers) Start(q *page.Request) error {
	if !h.sso.Enabled() {
		return page.NotFound()
	}
	query := q.R.URL.Query()
	next, again := page.Local(query.Get("next"), "/"), query.Get("again") == "1"
	// The callback has one address, and the browser's session must be there.
	if home, err := url.Parse(h.sso.Redirect()); err == nil && home.Host != q.R.Host && query.Get("moved") == "" {
		home.Path, home.RawQuery = StartPath, url.Values{"next": {next}, "moved": {"1"}}.Encode()
		return q.Redirect(home.String())
	}
	needs, err := h.auth.NeedsSetup(q.Context())
	if err != nil {
		return err
	}
	if needs {
		return q.Redirect("/setup")
	}
	if !q.Viewer.IsZero() && !again {
		return q.Redirect(next)
	}
	if err := h.auth.BeginSignOn(q.Context(), q.Addr()); err != nil {
		return h.problem(q, err)
	}
	pending, address, err := h.sso.Begin(q.Context(), next, again && !q.Viewer.IsZero())
	if err != nil {
		return h.problem(q, err)
	}
	list := append(h.pending(q), pending)
	if err := h.keep(q, list[max(0, len(list)-maxPending):]); err != nil {
		return err
	}
	return q.Redirect(address)
}

func (h *Handlers) pending(q *page.Request) []sso.Pending {
	var list []sso.Pending
	if text := h.auth.TakeSignOn(q.Context()); text != "" && json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	return list
}

func (h *Handlers) keep(q *page.Request, list []sso.Pending) error {
	if len(list) == 0 {
		return nil
	}
	text, err := json.Marshal(list)
	if err == nil {
		h.auth.KeepSignOn(q.Context(), string(text))
	}
	return err
}

// Callback is where the identity provider sends the browser back.
func (h *Handlers) Callback(q *page.Request) error {
	if !h.sso.Enabled() {
		return page.NotFound()
	}
	list := h.pending(q)
	query := q.R.URL.Query()
	pending, ok := h.sso.Match(list, query.Get("state"))
	// Whatever comes of it, this login is used up; those of other tabs are not.
	rest := slices.DeleteFunc(list, func(p sso.Pending) bool { return p.State == query.Get("state") })
	if err := h.keep(q, rest); err != nil {
		return err
	}
	if !ok {
		return h.problem(q, errs.New(errs.Unauthorized, "sso_state", "This login was not begun in this browser, was finished already or took too long.", "Start it again."))
	}
	claims, err := h.sso.Finish(q.Context(), pending, query)
	if err != nil {
		return h.problem(q, err)
	}
	if err := h.auth.SignOnDone(q.Context(), q.Addr()); err != nil {
		return err
	}
	if pending.Fresh {
		return h.prove(q, pending, claims)
	}
	id, err := h.sso.SignIn(q.Context(), claims, q.Addr())
	if err != nil {
		return h.problem(q, err)
	}
	begin := h.auth.Begin
	if claims.SecondFactor {
		begin = h.auth.BeginStrong
	}
	if _, err := begin(q.W, q.R, id, q.Addr()); err != nil {
		return err
	}
	return q.Redirect(page.Local(pending.Next, "/")) // by way of the second factor, where one is missing
}

// prove takes the provider's word that the person who is logged in is there.
func (h *Handlers) prove(q *page.Request, pending sso.Pending, c sso.Claims) error {
	if q.Viewer.IsZero() {
		return q.Redirect("/login")
	}
	same, err := h.sso.Owns(q.Context(), q.Viewer.User, c)
	if err != nil {
		return err
	}
	if !same {
		return h.problem(q, errs.New(errs.Forbidden, "sso_other_person", "You logged in at "+h.sso.Name()+" as somebody else than here.", "Log in there with the account that you use here."))
	}
	// Without a time nobody knows whether the person was asked at all.
	if c.AuthenticatedAt.Before(pending.At.Add(-time.Minute)) {
		return h.problem(q, errs.New(errs.Forbidden, "sso_not_asked", h.sso.Name()+" did not ask you again.", "Confirm with your password, a code or a passkey instead."))
	}
	if err := h.auth.ProveElsewhere(q.W, q.R, q.Viewer, q.Addr(), c.SecondFactor); err != nil {
		return err
	}
	return q.Redirect(page.Local(pending.Next, "/"))
}

// Logout sends the browser on to the provider's own logout.
func (h *Handlers) Logout(q *page.Request) error {
	if !h.sso.Enabled() {
		return page.NotFound()
	}
	if !q.Viewer.IsZero() { // a link from elsewhere must not log anybody out
		return q.Redirect("/account")
	}
	back := "/login"
	if home, err := url.Parse(h.sso.Redirect()); err == nil {
		home.Path, home.RawQuery = back, ""
		back = home.String()
	}
	address, ok, err := h.sso.EndSession(q.Context(), back)
	if err != nil {
		return h.problem(q, err)
	}
	if !ok {
		return q.Redirect("/login")
	}
	return q.Redirect(address)
}

// problem shows what went wrong with a login, and how to go on. Nothing of what
// the provider sent is repeated.
func (h *Handlers) problem(q *page.Request, err error) error {
	status := errs.HTTPStatus(err)
	if status == http.StatusInternalServerError || errs.KindOf(err) == errs.Canceled {
		return err
	}
	var throttled *auth.ThrottledError
	if errors.As(err, &throttled) {
		q.RetryAfter(throttled.RetryAfter)
	}
	text, hint := errs.PublicText(err)
	return q.Bare(status, "Log in", problemPage(problemView{Name: h.sso.Name(), Text: text, Hint: hint, Code: errs.CodeOf(err), RequestID: page.RequestID(q.Context())}))
}

// Settings shows how single sign-on is set up.
func (h *Handlers) Settings(q *page.Request) error {
	v := settingsView{Enabled: h.sso.Enabled(), Owner: q.Viewer.May(store.RoleOwner)}
	if v.Enabled {
		v.OIDC, v.Redirect = h.sso.Settings(), h.sso.Redirect()
		var err error
		if v.Required, err = h.sso.Required(q.Context(), q.Org()); err != nil {
			return err
		}
		ctx, cancel, tired := q.Patience(3 * time.Second)
		defer cancel()
		if err := h.sso.Discover(ctx); err != nil {
			v.Problem, _ = errs.PublicText(err)
			if tired(err) {
				v.Problem = h.sso.Name() + " is slow to answer."
			}
		}
	}
	return settings.Page(q, http.StatusOK, "sign-in", "Sign-in", settingsPage(v))
}

// SetRequired says whether members must use single sign-on.
func (h *Handlers) SetRequired(q *page.Request) error {
	required := q.R.PostFormValue("required") == "yes"
	if err := h.sso.SetRequired(q.Context(), q.Org(), required, q.Addr()); err != nil {
		return err
	}
	text := "Members may log in by password again."
	if required {
		text = "Members log in by single sign-on from now on. Owners keep their password."
	}
	q.Flash(ui.Flash{Text: text})
	return q.Redirect(SettingsPath)
}
