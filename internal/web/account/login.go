// Package account is the login and the pages of a person's own account: name,
// address, password, second factors, recovery codes, sessions.
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
	auth   *auth.Service
	forgot bool   // there are pages for a forgotten password
	signOn SignOn // nil: no single sign-on
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
	next := nextOf(q)
	if !q.Login.IsZero() {
		return q.Redirect(q.Onward(next))
	}
	return h.login(q, http.StatusOK, loginView{Next: next})
}

func (h *Handlers) login(q *page.Request, status int, view loginView) error {
	view.Passkeys, view.Forgot = h.auth.PasskeysWork(q.R), h.forgot
	view.Provider, view.LoggedOut = h.provider(), q.R.URL.Query().Get("out") == "1"
	return q.Bare(status, "Log in", loginPage(view))
}

// nextOf is where a form leads to when it is done, always on this server.
func nextOf(q *page.Request) string { return page.Local(q.R.FormValue("next"), "/") }

// Login checks the form and begins a session.
func (h *Handlers) Login(q *page.Request) error {
	view := loginView{Email: q.R.PostFormValue("email"), Next: nextOf(q)}
	id, err := h.auth.CheckLogin(q.Context(), auth.Login{
		Email:    view.Email,
		Password: secret.New(q.R.PostFormValue("password")),
		Device:   h.auth.DeviceOf(q.R),
		Address:  q.Addr(),
	})
	if err == nil {
		err = h.allowed(q.Context(), id.User)
	}
	if err == nil {
		_, err = h.auth.Begin(q.W, q.R, id, q.Addr())
	}
	return h.next(q, view.Next, err, func(status int, problem string) error {
		view.Problem = problem
		return h.login(q, status, view)
	})
}

// BeginPasskeyLogin answers the browser's options of a login by passkey alone.
func (h *Handlers) BeginPasskeyLogin(q *page.Request) error {
	options, err := h.auth.StartPasskeyLogin(q.R, q.Addr())
	return writeOptions(q, options, err)
}

// PasskeyLogin logs in by a passkey.
func (h *Handlers) PasskeyLogin(q *page.Request) error {
	view := loginView{Next: nextOf(q)}
	_, err := h.auth.LoginByPasskey(q.W, q.R, []byte(q.R.PostFormValue("credential")), q.Addr())
	if err == nil {
		err = h.allowPasskey(q.Context(), q.Addr())
	}
	return h.next(q, view.Next, err, func(status int, problem string) error {
		view.Problem = problem
		return h.login(q, status, view)
	})
}

// next goes on after a proof, by way of what is left of the login; a refused
// proof shows its form again.
func (h *Handlers) next(q *page.Request, next string, err error, again func(status int, problem string) error) error {
	if err == nil {
		if q.Login, err = h.auth.Pending(q.Context()); err != nil {
			return err
		}
		return q.Redirect(q.Onward(next))
	}
	status := http.StatusUnprocessableEntity
	switch errs.KindOf(err) {
	case errs.Unauthorized, errs.Forbidden, errs.Invalid:
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
	return again(status, text+" "+hint)
}

func writeOptions(q *page.Request, options []byte, err error) error {
	if err != nil {
		return err
	}
	q.W.Header().Set("Content-Type", "application/json")
	q.W.WriteHeader(http.StatusOK)
	_, _ = q.W.Write(options) // the reader may have gone; nobody is left to tell
	return nil
}

// FactorForm asks for the second factor.
func (h *Handlers) FactorForm(q *page.Request) error { return h.factor(q, http.StatusOK, "") }

func (h *Handlers) factor(q *page.Request, status int, problem string) error {
	next := nextOf(q)
	if q.Login.Stage != auth.Half {
		return q.Redirect(q.Onward(next))
	}
	f := q.Login.Factors
	return q.Bare(status, "Second factor", factorPage(factorView{
		Email: q.Login.Email, Next: next, Problem: problem, App: f.TOTP > 0,
		Passkeys: f.Passkeys > 0 && h.auth.PasskeysWork(q.R), Elsewhere: f.Passkeys > 0 && !h.auth.PasskeysWork(q.R), Codes: f.Codes > 0,
	}))
}

// Factor completes a login by a code.
func (h *Handlers) Factor(q *page.Request) error {
	if q.Login.Stage != auth.Half {
		return q.Redirect(q.Onward(nextOf(q)))
	}
	before := q.Login.Factors.Codes
	id, err := h.auth.CheckCode(q.W, q.R, q.Login, q.R.PostFormValue("code"), q.Addr())
	if err == nil && id.Factors.Codes < before {
		q.Flash(ui.Flash{Text: "You used a recovery code. " + ui.Count(id.Factors.Codes, "is", "are") + " left. If your device is lost, remove it under Account and add another."})
	}
	return h.next(q, nextOf(q), err, func(status int, problem string) error { return h.factor(q, status, problem) })
}

// BeginProof answers the browser's options of a proof by passkey.
func (h *Handlers) BeginProof(q *page.Request) error {
	options, err := h.auth.StartProof(q.R, q.Login)
	return writeOptions(q, options, err)
}

// PasskeyFactor completes a login by a passkey.
func (h *Handlers) PasskeyFactor(q *page.Request) error {
	if q.Login.Stage != auth.Half {
		return q.Redirect(q.Onward(nextOf(q)))
	}
	_, err := h.auth.FinishProof(q.W, q.R, q.Login, []byte(q.R.PostFormValue("credential")), q.Addr())
	return h.next(q, nextOf(q), err, func(status int, problem string) error { return h.factor(q, status, problem) })
}

// Logout ends the session.
func (h *Handlers) Logout(q *page.Request) error {
	if err := h.auth.End(q.Context(), q.Addr()); err != nil {
		return err
	}
	// Pages are never stored; what a script may have kept goes, too. Cookies stay:
	// the throttle knows this browser by one.
	q.W.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	if h.signOn != nil {
		return q.Redirect("/login?out=1") // the login there goes on, and can be ended, too
	}
	return q.Redirect("/login")
}

// ConfirmForm asks who sits here, before something dangerous.
func (h *Handlers) ConfirmForm(q *page.Request) error { return h.confirm(q, http.StatusOK, "") }

func (h *Handlers) confirm(q *page.Request, status int, problem string) error {
	password, err := h.auth.HasPassword(q.Context(), q.Login)
	if err != nil {
		return err
	}
	provider, err := h.confirmer(q.Context(), q.Login.User)
	if err != nil {
		return err
	}
	f := q.Login.Factors
	return q.Bare(status, "Confirm that it is you", confirmPage(factorView{
		Email: q.Login.Email, Next: nextOf(q), Problem: problem, App: f.TOTP > 0, Password: password,
		Passkeys: f.Passkeys > 0 && h.auth.PasskeysWork(q.R), Provider: provider,
	}))
}

// Confirm takes a code or the password.
func (h *Handlers) Confirm(q *page.Request) error {
	var err error
	if code := q.R.PostFormValue("code"); code != "" {
		_, err = h.auth.CheckCode(q.W, q.R, q.Login, code, q.Addr())
	} else {
		_, err = h.auth.CheckPassword(q.W, q.R, q.Login, secret.New(q.R.PostFormValue("password")), q.Addr())
	}
	return h.next(q, nextOf(q), err, func(status int, problem string) error { return h.confirm(q, status, problem) })
}

// PasskeyConfirm takes a passkey.
func (h *Handlers) PasskeyConfirm(q *page.Request) error {
	_, err := h.auth.FinishProof(q.W, q.R, q.Login, []byte(q.R.PostFormValue("credential")), q.Addr())
	return h.next(q, nextOf(q), err, func(status int, problem string) error { return h.confirm(q, status, problem) })
}
