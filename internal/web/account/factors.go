package account

import (
	"errors"
	"net/http"
	"strings"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"

	"github.com/a-h/templ"
)

// frame answers with a page with navigation to a member, and without to somebody
// who has to add a second factor first.
func frame(q *page.Request, status int, title string, body templ.Component) error {
	if q.Login.Stage == auth.Complete {
		return q.Page(status, title, "account", body)
	}
	return q.Bare(status, title, body)
}

// nextAccount is where the factor pages lead to.
func nextAccount(q *page.Request) string {
	fallback := "/account"
	if q.Login.Stage != auth.Complete {
		fallback = "/"
	}
	return page.Local(q.R.FormValue("next"), fallback)
}

// AddForm shows how to add a second factor.
func (h *Handlers) AddForm(q *page.Request) error { return h.add(q, http.StatusOK, nil, "") }

func (h *Handlers) add(q *page.Request, status int, fields auth.FieldErrors, problem string) error {
	if q.Login.Stage == auth.Enrolling && q.Login.Factors.Any() {
		return q.Redirect(q.Onward(nextAccount(q))) // the recovery codes are what is missing
	}
	app, err := h.auth.StartApp(q.Context(), q.Login)
	if err != nil {
		return err
	}
	next := nextAccount(q)
	return frame(q, status, "Add a second factor", addPage(addView{
		App: app, Next: next, Errors: fields, Problem: problem, Passkeys: h.auth.PasskeysWork(q.R),
		Must: q.Login.Stage == auth.Enrolling, Role: string(q.Login.Role), Setup: strings.HasPrefix(next, "/setup"), First: !q.Login.Factors.Any(),
	}))
}

// AddApp adds an authenticator app.
func (h *Handlers) AddApp(q *page.Request) error {
	id, err := h.auth.AddApp(q.W, q.R, q.Login, q.R.PostFormValue("name"), q.R.PostFormValue("code"), q.Addr())
	var fields auth.FieldErrors
	if errors.As(err, &fields) {
		return h.add(q, http.StatusUnprocessableEntity, fields, "")
	}
	return h.added(q, id, err)
}

// BeginPasskey answers the browser's options of a new passkey.
func (h *Handlers) BeginPasskey(q *page.Request) error {
	options, err := h.auth.StartPasskey(q.R, q.Login)
	return writeOptions(q, options, err)
}

// AddPasskey adds a passkey.
func (h *Handlers) AddPasskey(q *page.Request) error {
	id, err := h.auth.AddPasskey(q.W, q.R, q.Login, q.R.PostFormValue("name"), []byte(q.R.PostFormValue("credential")), q.Addr())
	return h.added(q, id, err)
}

// added goes on to the recovery codes where there are new ones.
func (h *Handlers) added(q *page.Request, id auth.Identity, err error) error {
	if err != nil {
		return h.next(q, "", err, func(status int, problem string) error { return h.add(q, status, nil, problem) })
	}
	next := nextAccount(q)
	q.Login = id
	if len(h.auth.ShownCodes(q.Context())) > 0 {
		return q.Redirect(withNext("/account/recovery-codes", next))
	}
	q.Flash(ui.Flash{Text: "The second factor was added. It is asked for at your next login."})
	return q.Redirect(q.Onward(next))
}

// RenameFactor gives a factor another name.
func (h *Handlers) RenameFactor(q *page.Request) error {
	if err := h.auth.RenameFactor(q.Context(), q.Viewer, q.R.PathValue("factor"), q.R.PostFormValue("name"), q.Addr()); err != nil {
		return err
	}
	return h.done(q, "Renamed.")
}

// RemoveForm asks whether a factor shall go.
func (h *Handlers) RemoveForm(q *page.Request) error {
	list, err := h.auth.FactorList(q.Context(), q.Viewer)
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.ID == q.R.PathValue("factor") {
			return q.Page(http.StatusOK, "Remove a second factor", "account", removePage(removeView{
				ID: f.ID, Name: ui.Clean(f.Name), Passkey: f.Kind == store.FactorPasskey, Last: len(list) == 1, Needs: q.Viewer.NeedsFactor,
			}))
		}
	}
	return page.NotFound()
}

// RemoveFactor removes a factor.
func (h *Handlers) RemoveFactor(q *page.Request) error {
	f, ended, err := h.auth.RemoveFactor(q.R, q.Viewer, q.R.PathValue("factor"), q.Addr())
	if err != nil {
		return err
	}
	return h.done(q, "“"+ui.Clean(f.Name)+"” was removed."+endedText(ended))
}

// Codes shows recovery codes that are to be put away, or offers new ones.
func (h *Handlers) Codes(q *page.Request) error { return h.codes(q, http.StatusOK, "") }

func (h *Handlers) codes(q *page.Request, status int, problem string) error {
	if !q.Login.Factors.Any() {
		return q.Redirect(withNext("/account/factors/add", nextAccount(q)))
	}
	next := nextAccount(q)
	return frame(q, status, "Recovery codes", codesPage(codesView{
		Codes: h.auth.ShownCodes(q.Context()), Next: next, Problem: problem, Left: q.Login.Factors.Codes, Kept: q.Login.Factors.Kept,
		Must: q.Login.Stage == auth.Enrolling, Setup: strings.HasPrefix(next, "/setup"), Email: q.Login.Email,
	}))
}

// NewCodes replaces the recovery codes.
func (h *Handlers) NewCodes(q *page.Request) error {
	if err := h.auth.NewCodes(q.Context(), q.Login, q.Addr()); err != nil {
		return err
	}
	return q.Redirect(withNext("/account/recovery-codes", nextAccount(q)))
}

// KeepCodes goes on once the codes have been put away.
func (h *Handlers) KeepCodes(q *page.Request) error {
	if q.R.PostFormValue("kept") != "yes" {
		return h.codes(q, http.StatusUnprocessableEntity, "Keep the codes first, then tick the box.")
	}
	err := h.auth.KeepCodes(q.R, q.Login, q.Addr())
	if errs.KindOf(err) == errs.Conflict {
		return q.Redirect(withNext("/account/recovery-codes", nextAccount(q)))
	}
	next := nextAccount(q)
	if err == nil {
		q.Flash(ui.Flash{Text: "Your account is protected by a second factor."})
	}
	return h.next(q, next, err, func(status int, problem string) error { return h.codes(q, status, problem) })
}
