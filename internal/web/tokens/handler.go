// Package tokens is the page of personal access tokens: list, make, revoke.
//
// The text of a token is in one answer only: the one that made it.
package tokens

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/token"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/settings"
	"github.com/metalens/metalens/internal/web/ui"
)

// Path is where the page is.
const Path = "/settings/tokens"

// Service is what the page needs of tokens.
type Service interface {
	// Create makes a token; invalid input answers [auth.FieldErrors].
	Create(ctx context.Context, who auth.Identity, d token.Draft) (token.Made, error)
	// List lists the viewer's tokens, and for admins everybody's.
	List(ctx context.Context, who auth.Identity) ([]token.Listed, error)
	// Revoke ends a token; errs.NotFound for one the viewer may not see.
	Revoke(ctx context.Context, who auth.Identity, id string, addr netip.Addr) error
}

// Handlers answers the addresses of the page.
type Handlers struct{ service Service }

// New returns the handlers.
func New(service Service) *Handlers { return &Handlers{service} }

// List shows the tokens.
func (h *Handlers) List(q *page.Request) error { return h.show(q, http.StatusOK, nil) }

// New shows the form.
func (h *Handlers) New(q *page.Request) error {
	return form(q, http.StatusOK, formView{Days: token.DefaultDays, chosen: []string{access.ScopeRead}})
}

// Create makes a token and shows it, once.
func (h *Handlers) Create(q *page.Request) error {
	if err := q.R.ParseForm(); err != nil {
		return err
	}
	days, err := strconv.Atoi(q.R.PostFormValue("days"))
	if err != nil {
		days = -1
	}
	v := formView{Name: q.R.PostFormValue("name"), Days: days, chosen: q.R.Form["scope"]}
	made, err := h.service.Create(q.Context(), q.Viewer, token.Draft{Name: v.Name, Scopes: v.chosen, Days: days, Address: q.Addr()})
	if errors.As(err, &v.Errors) {
		return form(q, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return h.show(q, http.StatusCreated, &made)
}

// Revoke ends a token.
func (h *Handlers) Revoke(q *page.Request) error {
	if err := h.service.Revoke(q.Context(), q.Viewer, q.R.PathValue("token"), q.Addr()); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "Token revoked. What used it is refused from now on."})
	return q.Redirect(Path)
}

func (h *Handlers) show(q *page.Request, status int, made *token.Made) error {
	list, err := h.service.List(q.Context(), q.Viewer)
	if err != nil {
		return err
	}
	v := listView{Made: made, Now: q.Now}
	for _, t := range list {
		if t.Mine {
			v.Mine = append(v.Mine, t)
		} else {
			v.Others = append(v.Others, t)
		}
	}
	return settings.Page(q, status, "tokens", "Access tokens", listPage(v))
}

func form(q *page.Request, status int, v formView) error {
	for _, s := range token.Scopes() {
		v.Scopes = append(v.Scopes, scopeChoice{Scope: s, Allowed: q.Viewer.May(s.Role), Chosen: slices.Contains(v.chosen, s.Name)})
	}
	return settings.Page(q, status, "tokens", "New access token", formPage(v))
}
