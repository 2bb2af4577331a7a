// Package account is the pages of a person's own account: login, logout,
// password, sessions.
package account

import (
	"errors"
	"net/http"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Handlers answers the account's addresses.
type Handlers struct {
	auth *auth.Service
}

// New returns the handlers.
func New(service *auth.Service) *Handlers { return &Handlers{auth: service} }

// LoginForm shows the login.
func (h *Handlers) LoginForm(q *page.Request) error {
	needs, err := h.auth.NeedsSetup(q.Context())
	if err != nil {
		return err
	}
	if needs {
		return q.Redirect("/setup")
	}
	next := page.Local(q.R.URL.Query().Get("next"), "/")
	if !q.Viewer.IsZero() {
		return q.Redirect(next)
	}
	return q.Bare(http.StatusOK, "Log in", loginPage(loginView{Next: next}))
}

// Login checks the form and begins a session.
func (h *Handlers) Login(q *page.Request) error {
	view := loginView{Email: q.R.PostFormValue("email"), Next: page.Local(q.R.PostFormValue("next"), "/")}
	id, err := h.auth.CheckLogin(q.Context(), auth.Login{
		Email:    view.Email,
		Password: secret.New(q.R.PostFormValue("password")),
		Device:   h.auth.DeviceOf(q.R),
		Address:  q.Addr(),
	})
	if err != nil {
		return h.refuse(q, view, err)
	}
	if err := h.auth.Begin(q.W, q.R, id, q.Addr()); err != nil {
		return err
	}
	return q.Redirect(view.Next)
}

func (h *Handlers) refuse(q *page.Request, view loginView, err error) error {
	status := http.StatusUnprocessableEntity
	switch errs.KindOf(err) {
	case errs.Unauthorized, errs.Forbidden:
	case errs.Limited:
		status = http.StatusTooManyRequests
		var throttled *auth.ThrottledError
		if !errors.As(err, &throttled) {
			return err
		}
		q.RetryAfter(throttled.RetryAfter)
	default:
		return err
	}
	text, hint := errs.PublicText(err)
	view.Problem = text + " " + hint
	return q.Bare(status, "Log in", loginPage(view))
}

// Logout ends the session.
func (h *Handlers) Logout(q *page.Request) error {
	if err := h.auth.End(q.Context(), q.Addr()); err != nil {
		return err
	}
	return q.Redirect("/login")
}

// Show shows the account.
func (h *Handlers) Show(q *page.Request) error { return h.show(q, http.StatusOK, nil) }

func (h *Handlers) show(q *page.Request, status int, fields auth.FieldErrors) error {
	sessions, err := h.auth.Sessions(q.Context(), q.Viewer)
	if err != nil {
		return err
	}
	view := accountView{Name: q.Viewer.Name, Email: q.Viewer.Email, Role: string(q.Viewer.Role), Errors: fields, Now: q.Now}
	for _, s := range sessions {
		view.Sessions = append(view.Sessions, sessionRow{
			ID: s.ID, Browser: browserName(s.Agent), Agent: ui.Clean(s.Agent), Address: s.Address,
			Since: s.CreatedAt, Current: s.Current,
		})
	}
	return q.Page(status, "Account", "account", accountPage(view))
}

// ChangePassword replaces the password and ends all other sessions.
func (h *Handlers) ChangePassword(q *page.Request) error {
	err := h.auth.ChangePassword(q.Context(), q.Viewer, auth.PasswordChange{
		Current: secret.New(q.R.PostFormValue("current")),
		New:     secret.New(q.R.PostFormValue("password")),
		Address: q.Addr(),
	})
	var fields auth.FieldErrors
	if errors.As(err, &fields) {
		return h.show(q, http.StatusUnprocessableEntity, fields)
	}
	if err != nil {
		return err
	}
	ended, err := h.auth.RevokeOthers(q.Context(), q.Viewer, q.Addr())
	if err != nil {
		return err
	}
	if err := h.auth.Rotate(q.R, q.Viewer, q.Addr()); err != nil {
		return err
	}
	text := "Password changed."
	if ended > 0 {
		text += " " + ui.Count(ended, "other session was", "other sessions were") + " ended."
	}
	q.Flash(ui.Flash{Text: text})
	return q.Redirect("/account")
}

// Revoke ends one session.
func (h *Handlers) Revoke(q *page.Request) error {
	if err := h.auth.Revoke(q.Context(), q.Viewer, q.R.PathValue("session"), q.Addr()); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "Session ended."})
	return q.Redirect("/account")
}

// RevokeOthers ends every session but this one.
func (h *Handlers) RevokeOthers(q *page.Request) error {
	n, err := h.auth.RevokeOthers(q.Context(), q.Viewer, q.Addr())
	if err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: ui.Count(n, "other session", "other sessions") + " ended."})
	return q.Redirect("/account")
}
