package account

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Show shows the account.
func (h *Handlers) Show(q *page.Request) error { return h.show(q, http.StatusOK, accountView{}) }

// show completes a view by what the account is.
func (h *Handlers) show(q *page.Request, status int, view accountView) error {
	sessions, err := h.auth.Sessions(q.Context(), q.Viewer)
	if err != nil {
		return err
	}
	factors, err := h.auth.FactorList(q.Context(), q.Viewer)
	if err != nil {
		return err
	}
	if view.PendingEmail, err = h.auth.PendingEmail(q.Context(), q.Viewer); err != nil {
		return err
	}
	if view.HasPassword, err = h.auth.HasPassword(q.Context(), q.Viewer); err != nil {
		return err
	}
	view.Email, view.Role, view.Now = q.Viewer.Email, string(q.Viewer.Role), q.Now
	if view.Name == "" {
		view.Name = q.Viewer.Name
	}
	if view.NewEmail == "" {
		view.NewEmail = q.Viewer.Email
	}
	view.NeedsFactor, view.Codes, view.Kept = q.Viewer.NeedsFactor, q.Viewer.Factors.Codes, q.Viewer.Factors.Kept
	for _, s := range sessions {
		view.Sessions = append(view.Sessions, sessionRow{
			ID: s.ID, Browser: browserName(s.Agent), Agent: ui.Clean(s.Agent), Address: s.Address,
			Since: s.CreatedAt, Seen: s.SeenAt, Current: s.Current,
		})
	}
	for _, f := range factors {
		view.Factors = append(view.Factors, factorRow{ID: f.ID, Name: ui.Clean(f.Name), Passkey: f.Kind == store.FactorPasskey, Since: f.CreatedAt, Used: f.UsedAt})
	}
	return q.Page(status, "Account", "account", accountPage(view))
}

// Rename changes the name.
func (h *Handlers) Rename(q *page.Request) error {
	name := q.R.PostFormValue("name")
	err := h.auth.Rename(q.Context(), q.Viewer, name, q.Addr())
	var fields auth.FieldErrors
	if errors.As(err, &fields) {
		return h.show(q, http.StatusUnprocessableEntity, accountView{Errors: fields})
	}
	if err != nil {
		return err
	}
	return h.done(q, "Your name was changed.")
}

// ChangeEmail changes the address, or asks for it by letter.
func (h *Handlers) ChangeEmail(q *page.Request) error {
	email := q.R.PostFormValue("email")
	mailed, err := h.auth.ChangeEmail(q.Context(), q.Viewer, auth.EmailChange{
		Email: email, Current: secret.New(q.R.PostFormValue("current_email")), Address: q.Addr(),
		Link: func(token string) string {
			return h.auth.PublicAddress(q.R) + "/account/email/" + url.PathEscape(token)
		},
	})
	var fields auth.FieldErrors
	if errors.As(err, &fields) {
		return h.show(q, http.StatusUnprocessableEntity, accountView{NewEmail: email, Errors: auth.FieldErrors{"email": fields["email"], "current_email": fields["current"]}})
	}
	if err != nil {
		return err
	}
	if mailed {
		return h.done(q, "A letter is on its way to the new address. The address changes when you open its link in this browser.")
	}
	return h.done(q, "You log in with "+email+" from now on.")
}

// EmailForm shows what the link of a letter leads to.
func (h *Handlers) EmailForm(q *page.Request) error {
	email, err := h.auth.PendingEmail(q.Context(), q.Viewer)
	if err != nil {
		return err
	}
	return q.Page(http.StatusOK, "Confirm your address", "account", emailPage(emailView{Email: email, Token: q.R.PathValue("token")}))
}

// ConfirmEmail changes the address that a letter confirmed.
func (h *Handlers) ConfirmEmail(q *page.Request) error {
	err := h.auth.ConfirmEmail(q.Context(), q.Viewer, q.R.PathValue("token"), q.Addr())
	var fields auth.FieldErrors
	if errors.As(err, &fields) {
		return h.show(q, http.StatusUnprocessableEntity, accountView{Errors: fields})
	}
	if err != nil {
		return err
	}
	return h.done(q, "Your address was changed. You log in with it from now on.")
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
		return h.show(q, http.StatusUnprocessableEntity, accountView{Errors: fields})
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
	return h.done(q, "Password changed."+endedText(ended))
}

func endedText(n int) string {
	if n == 0 {
		return ""
	}
	return " " + ui.Count(n, "other session was", "other sessions were") + " ended."
}

func (h *Handlers) done(q *page.Request, text string) error {
	q.Flash(ui.Flash{Text: text})
	return q.Redirect("/account")
}

// Revoke ends one session.
func (h *Handlers) Revoke(q *page.Request) error {
	if err := h.auth.Revoke(q.Context(), q.Viewer, q.R.PathValue("session"), q.Addr()); err != nil {
		return err
	}
	return h.done(q, "Session ended.")
}

// RevokeOthers ends every session but this one.
func (h *Handlers) RevokeOthers(q *page.Request) error {
	n, err := h.auth.RevokeOthers(q.Context(), q.Viewer, q.Addr())
	if err != nil {
		return err
	}
	return h.done(q, ui.Count(n, "other session", "other sessions")+" ended.")
}
