package account

import (
	"context"
	"errors"
	"net/http"
	"net/netip"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Forgotten is what the pages for a forgotten password need.
type Forgotten interface {
	Configured() bool
	Ask(ctx context.Context, email string, addr netip.Addr) error
	Open(ctx context.Context, token string) (email string, err error)
	Choose(ctx context.Context, token string, password secret.Value, addr netip.Addr) error
}

// ResetHandlers answers the addresses of a forgotten password.
type ResetHandlers struct{ forgotten Forgotten }

// NewResets returns the handlers.
func NewResets(f Forgotten) *ResetHandlers { return &ResetHandlers{f} }

// WithForgotten makes the login page point at the pages of [ResetHandlers].
func (h *Handlers) WithForgotten() *Handlers {
	h.forgot = true
	return h
}

type forgotView struct {
	Mails   bool
	Asked   bool
	Problem string
}

type resetView struct {
	Token, Email string
	Errors       auth.FieldErrors
}

// ForgotForm asks for the address.
func (h *ResetHandlers) ForgotForm(q *page.Request) error {
	return q.Bare(http.StatusOK, "Forgotten password", forgotPage(forgotView{Mails: h.forgotten.Configured()}))
}

// Forgot takes the address and says the same, whoever it belongs to.
func (h *ResetHandlers) Forgot(q *page.Request) error {
	v := forgotView{Mails: h.forgotten.Configured()}
	if !v.Mails {
		return h.ForgotForm(q)
	}
	err := h.forgotten.Ask(q.Context(), q.R.PostFormValue("email"), q.Addr())
	var throttled *auth.ThrottledError
	switch {
	case err == nil:
		v.Asked = true
		return q.Bare(http.StatusOK, "Forgotten password", forgotPage(v))
	case errors.As(err, &throttled):
		q.RetryAfter(throttled.RetryAfter)
		v.Problem = "Too many letters were asked for from your network. Try again later."
		return q.Bare(http.StatusTooManyRequests, "Forgotten password", forgotPage(v))
	}
	return err
}

// ResetForm asks for the new password.
func (h *ResetHandlers) ResetForm(q *page.Request) error { return h.show(q, http.StatusOK, nil) }

func (h *ResetHandlers) show(q *page.Request, status int, fields auth.FieldErrors) error {
	token := q.R.PathValue("token")
	email, err := h.forgotten.Open(q.Context(), token)
	if err != nil {
		return err
	}
	q.W.Header().Set("Referrer-Policy", "no-referrer") // the address is a secret
	return q.Bare(status, "New password", resetPage(resetView{Token: token, Email: email, Errors: fields}))
}

// Reset takes the new password.
func (h *ResetHandlers) Reset(q *page.Request) error {
	err := h.forgotten.Choose(q.Context(), q.R.PathValue("token"), secret.New(q.R.PostFormValue("password")), q.Addr())
	var fields auth.FieldErrors
	switch {
	case errors.As(err, &fields):
		return h.show(q, http.StatusUnprocessableEntity, fields)
	case errs.KindOf(err) != "":
		return err
	}
	q.Flash(ui.Flash{Text: "Your password is changed and all your sessions have ended. Log in with the new one."})
	return q.Redirect("/login")
}
