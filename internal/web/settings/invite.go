package settings

import (
	"errors"
	"net/http"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/members"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

type inviteView struct {
	Token        string
	Organization string
	Email        string
	Role         string
	ExpiresAt    time.Time
	Now          time.Time
	Viewer       string // address of who is logged in; empty: nobody
	Name         string
	Errors       auth.FieldErrors
	Problem      string
	Has          bool // the form for an account that exists is open
}

func (v inviteView) mine() bool { return v.Viewer == v.Email }

// Invitation shows what a link offers.
func (h *Handlers) Invitation(q *page.Request) error {
	return h.invitation(q, http.StatusOK, inviteView{})
}

func (h *Handlers) invitation(q *page.Request, status int, v inviteView) error {
	token := q.R.PathValue("token")
	offer, err := h.members.Open(q.Context(), token)
	if err != nil {
		return err
	}
	v.Token, v.Organization, v.Email, v.Role, v.ExpiresAt = token, offer.Organization, offer.Email, string(offer.Role), offer.ExpiresAt
	v.Now, v.Viewer = q.Now, q.Viewer.Email
	q.W.Header().Set("Referrer-Policy", "no-referrer") // the address is a secret
	return q.Bare(status, "Invitation", invitePage(v))
}

// Accept lets the logged-in invited person join.
func (h *Handlers) Accept(q *page.Request) error {
	org, err := h.members.Accept(q.Context(), q.R.PathValue("token"))
	if err != nil {
		return err
	}
	if err := h.auth.SwitchOrganization(q.R, q.Viewer, org, q.Addr()); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "Welcome. You are a member now."})
	return q.Redirect("/")
}

// Join lets an invited person with an account join, by its password.
func (h *Handlers) Join(q *page.Request) error {
	token := q.R.PathValue("token")
	offer, err := h.members.Open(q.Context(), token)
	if err != nil {
		return err
	}
	user, err := h.auth.Prove(q.Context(), auth.Proof{
		Email: offer.Email, Password: secret.New(q.R.PostFormValue("password")), Device: h.auth.DeviceOf(q.R), Address: q.Addr(),
	})
	switch errs.KindOf(err) {
	case "":
	case errs.Unauthorized:
		return h.invitation(q, http.StatusUnprocessableEntity, inviteView{Has: true, Errors: auth.FieldErrors{"password": "This is not the password of the account with this address."}})
	case errs.Limited:
		var throttled *auth.ThrottledError
		if errors.As(err, &throttled) {
			q.RetryAfter(throttled.RetryAfter)
		}
		text, hint := errs.PublicText(err)
		return h.invitation(q, http.StatusTooManyRequests, inviteView{Has: true, Problem: text + " " + hint})
	default:
		return err
	}
	if _, err := h.members.JoinAs(q.Context(), token, user); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "You are a member now. Log in to begin."})
	return q.Redirect("/login")
}

// Register makes an account for the invited person.
func (h *Handlers) Register(q *page.Request) error {
	token := q.R.PathValue("token")
	v := inviteView{Name: q.R.PostFormValue("name"), Errors: auth.FieldErrors{}}
	_, _, err := h.members.Register(q.Context(), token, members.NewAccount{Name: v.Name, Password: secret.New(q.R.PostFormValue("password"))})
	var fields auth.FieldErrors
	switch {
	case err == nil:
		q.Flash(ui.Flash{Text: "Your account is made. Log in to begin."})
		return q.Redirect("/login")
	case errors.As(err, &fields):
		v.Errors = fields
		return h.invitation(q, http.StatusUnprocessableEntity, v)
	case errs.CodeOf(err) == "bad_name":
		v.Errors["name"], _ = errs.PublicText(err)
		return h.invitation(q, http.StatusUnprocessableEntity, v)
	case errs.CodeOf(err) == "has_account":
		text, hint := errs.PublicText(err)
		v.Problem, v.Has = text+" "+hint, true
		return h.invitation(q, http.StatusConflict, v)
	}
	return err
}

type createView struct {
	Name    string
	Problem string
}

// NewOrganization shows the form of a further organization.
func (h *Handlers) NewOrganization(q *page.Request) error {
	return Page(q, http.StatusOK, "general", "New organization", createPage(createView{}))
}

// CreateOrganization makes a further organization and enters it.
func (h *Handlers) CreateOrganization(q *page.Request) error {
	v := createView{Name: q.R.PostFormValue("name")}
	org, err := h.members.Create(q.Context(), v.Name)
	if errs.KindOf(err) == errs.Invalid {
		v.Problem, _ = errs.PublicText(err)
		return Page(q, http.StatusUnprocessableEntity, "general", "New organization", createPage(v))
	}
	if err != nil {
		return err
	}
	if err := h.auth.SwitchOrganization(q.R, q.Viewer, org, q.Addr()); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "The organization is made. Connect its first Metabase."})
	return q.Redirect("/")
}

// Switch makes another of the viewer's organizations the current one.
func (h *Handlers) Switch(q *page.Request) error {
	if err := h.auth.SwitchOrganization(q.R, q.Viewer, store.OrgID(q.R.PostFormValue("organization")), q.Addr()); err != nil {
		return err
	}
	return q.Redirect("/")
}
