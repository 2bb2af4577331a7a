package setup

import (
	"errors"
	"net/http"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/connections"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/scans"
)

// Handlers answers the addresses of the first run.
type Handlers struct {
	auth   *auth.Service
	conns  *connections.Handlers
	create connections.Service
	scans  scans.Service
	sample Sample
}

// New returns the handlers; sample may be nil.
func New(accounts *auth.Service, pages *connections.Handlers, service connections.Service, scanning scans.Service, sample Sample) *Handlers {
	return &Handlers{auth: accounts, conns: pages, create: service, scans: scanning, sample: sample}
}

// Home sends everybody to where he should go on: the first run, or the overview.
func (h *Handlers) Home(q *page.Request) error {
	needs, err := h.auth.NeedsSetup(q.Context())
	if err != nil {
		return err
	}
	if needs {
		return q.Redirect("/setup")
	}
	if q.Viewer.IsZero() {
		return q.Redirect(q.Onward("/"))
	}
	conn, ok, err := q.LastConnection()
	if err != nil {
		return err
	}
	switch {
	case ok:
		return q.Redirect("/c/" + string(conn.ID))
	case q.Viewer.May(store.RoleAdmin):
		return q.Redirect("/setup/connection")
	}
	return q.Redirect("/connections")
}

// Owner shows the first step.
func (h *Handlers) Owner(q *page.Request) error {
	if done, err := h.past(q); done || err != nil {
		return err
	}
	return q.Bare(http.StatusOK, "Set up", ownerPage(ownerView{Token: q.R.URL.Query().Get("token")}))
}

// past sends callers on when an owner exists.
func (h *Handlers) past(q *page.Request) (bool, error) {
	needs, err := h.auth.NeedsSetup(q.Context())
	if err != nil || needs {
		return false, err
	}
	return true, q.Redirect("/")
}

// CreateOwner makes the owner account and logs it in.
func (h *Handlers) CreateOwner(q *page.Request) error {
	if done, err := h.past(q); done || err != nil {
		return err
	}
	view := ownerView{
		Organization: q.R.PostFormValue("organization"), Name: q.R.PostFormValue("name"),
		Email: q.R.PostFormValue("email"), Token: q.R.PostFormValue("token"),
	}
	id, err := h.auth.CreateOwner(q.Context(), auth.NewOwner{
		Organization: view.Organization, Name: view.Name, Email: view.Email, Token: view.Token,
		Password: secret.New(q.R.PostFormValue("password")), Address: q.Addr(),
	})
	var fields auth.FieldErrors
	switch {
	case errors.As(err, &fields):
		view.Errors = fields
		return q.Bare(http.StatusUnprocessableEntity, "Set up", ownerPage(view))
	case errs.KindOf(err) == errs.Conflict:
		return q.Redirect("/login")
	case err != nil:
		return err
	}
	if _, err := h.auth.Begin(q.W, q.R, id, q.Addr()); err != nil {
		return err
	}
	return q.Redirect("/setup/connection") // by way of the second factor
}

// Connection shows the second step.
func (h *Handlers) Connection(q *page.Request) error {
	return q.Bare(http.StatusOK, "Connect a Metabase", connectionPage(connections.Blank(true), h.sample != nil))
}

// CreateConnection stores the first connection and starts its scan.
func (h *Handlers) CreateConnection(q *page.Request) error {
	conn, view, err := h.conns.Save(q)
	if err != nil {
		return err
	}
	if view != nil {
		view.Setup = true
		return q.Bare(http.StatusUnprocessableEntity, "Connect a Metabase", connectionPage(*view, h.sample != nil))
	}
	return h.firstScan(q, conn.ID)
}

// UseSample connects the sample company and starts its scan.
func (h *Handlers) UseSample(q *page.Request) error {
	if h.sample == nil {
		return page.NotFound()
	}
	draft, err := h.sample.SampleConnection(q.Context(), q.Org())
	if err != nil {
		return err
	}
	existing, err := h.create.Connections(q.Context(), q.Org())
	if err != nil {
		return err
	}
	for _, c := range existing {
		if c.URL == draft.URL {
			return h.firstScan(q, c.ID)
		}
	}
	conn, err := h.create.CreateConnection(q.Context(), q.Org(), q.Viewer.User, draft)
	if err != nil {
		return err
	}
	return h.firstScan(q, conn.ID)
}

func (h *Handlers) firstScan(q *page.Request, conn store.ConnectionID) error {
	scan, err := h.scans.StartScan(q.Context(), q.Org(), conn, q.Viewer.User)
	if err != nil {
		return err
	}
	return q.Redirect("/setup/scan/" + string(conn) + "/" + string(scan.ID))
}

// Scan shows the third step: the first scan, live.
func (h *Handlers) Scan(q *page.Request) error {
	scan, err := h.scans.Scan(q.Context(), q.Org(), store.ScanID(q.R.PathValue("scan")))
	if err != nil {
		return err
	}
	if scan.ConnectionID != q.Conn.ID {
		return page.NotFound()
	}
	view := scans.ProgressOf(scan, q.Now)
	var options []page.Option
	if view.Live {
		options = append(options, page.Refresh(3))
	}
	return q.Bare(http.StatusOK, "First scan", scanPage(scanView{
		Progress: view, Base: q.Base(), Scan: string(scan.ID), Connection: q.Conn.Name,
		Events: q.Base() + "/scans/" + string(scan.ID) + "/events",
	}), options...)
}
