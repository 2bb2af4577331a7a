package connections

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/scans"
	"github.com/metalens/metalens/internal/web/ui"
)

// Handlers answers the addresses of connections.
type Handlers struct {
	service Service
	scans   scans.Service
	// Egress are the addresses that others see MetaLens come from, for people
	// who keep a firewall; empty where they are not fixed.
	Egress []netip.Addr
}

// egress is a sentence part: "203.0.113.7 or 2001:db8::7".
func (h *Handlers) egress() string {
	texts := make([]string, len(h.Egress))
	for i, a := range h.Egress {
		texts[i] = a.String()
	}
	return strings.Join(texts, " or ")
}

// New returns the handlers.
func New(service Service, scanning scans.Service) *Handlers {
	return &Handlers{service: service, scans: scanning}
}

// List shows every connection with its last scan.
func (h *Handlers) List(q *page.Request) error {
	conns, err := h.service.Connections(q.Context(), q.Org())
	if err != nil {
		return err
	}
	view := listView{Admin: q.Viewer.May(store.RoleAdmin), Now: q.Now, Egress: h.egress()}
	for _, c := range conns {
		row := listRow{ID: string(c.ID), Name: c.Name, URL: c.URL, Schedule: scheduleWords(c.Schedule), Next: c.NextRunAt}
		last, err := h.scans.Scans(q.Context(), q.Org(), c.ID, 1, "")
		if err != nil {
			return err
		}
		if len(last) > 0 {
			row.Scan = &last[0]
		}
		row.Exceptions = exceptions(c.Options)
		view.Rows = append(view.Rows, row)
	}
	return q.Page(http.StatusOK, "Connections", "connections", listPage(view))
}

// Create shows the form of a new connection.
func (h *Handlers) Create(q *page.Request) error {
	view := Blank(false)
	view.Egress = h.egress()
	return q.Page(http.StatusOK, "Add a connection", "connections", createPage(view))
}

// Insert tests and stores a new connection, and starts its first scan.
func (h *Handlers) Insert(q *page.Request) error {
	conn, view, err := h.Save(q)
	if err != nil {
		return err
	}
	if view != nil {
		return q.Page(http.StatusUnprocessableEntity, "Add a connection", "connections", createPage(*view))
	}
	scan, err := h.scans.StartScan(q.Context(), q.Org(), conn.ID, q.Viewer.User)
	if err != nil {
		return err
	}
	return q.Redirect("/c/" + string(conn.ID) + "/scans/" + string(scan.ID))
}

// Save reads, tests and stores a new connection. A view is returned when the
// form has to be shown again.
func (h *Handlers) Save(q *page.Request) (store.Connection, *FormView, error) {
	if err := q.R.ParseForm(); err != nil {
		return store.Connection{}, nil, badForm(err)
	}
	view, draft := readForm(q.R, nil)
	if len(view.Errors) > 0 {
		return store.Connection{}, &view, nil
	}
	report, err := h.service.TestConnection(q.Context(), q.Org(), draft)
	if err != nil {
		if place(&view, err) {
			return store.Connection{}, &view, nil
		}
		return store.Connection{}, nil, err
	}
	if !report.OK() {
		view.Report = &report
		view.Problem = "The connection was not saved, because a scan could not run."
		return store.Connection{}, &view, nil
	}
	conn, err := h.service.CreateConnection(q.Context(), q.Org(), q.Viewer.User, draft)
	if err != nil {
		if place(&view, err) {
			return store.Connection{}, &view, nil
		}
		return store.Connection{}, nil, err
	}
	return conn, nil, nil
}

// Test tries what the form says, without storing anything.
func (h *Handlers) Test(q *page.Request) error {
	if err := q.R.ParseForm(); err != nil {
		return badForm(err)
	}
	stored, err := h.stored(q, store.ConnectionID(q.R.PostFormValue("id")))
	if err != nil {
		return err
	}
	view, draft := readForm(q.R, stored)
	if len(view.Errors) == 0 {
		report, err := h.service.TestConnection(q.Context(), q.Org(), draft)
		switch {
		case err == nil:
			view.Report = &report
		case !place(&view, err):
			return err
		}
	}
	if _, ok := q.Fragment(); ok {
		return q.Render(http.StatusOK, testResult(view))
	}
	status := http.StatusOK
	if len(view.Errors) > 0 {
		status = http.StatusUnprocessableEntity
	}
	switch {
	case stored != nil:
		return q.Page(status, view.Name, "connections", editPage(view))
	case view.Setup:
		return q.Bare(status, "Connect a Metabase", SetupForm(view))
	}
	return q.Page(status, "Add a connection", "connections", createPage(view))
}

// Edit shows the form of a stored connection.
func (h *Handlers) Edit(q *page.Request) error {
	view := viewOf(q.Conn)
	view.Egress = h.egress()
	return q.Page(http.StatusOK, ui.Name(q.Conn.Name), "connections", editPage(view))
}

// Update stores a changed form.
func (h *Handlers) Update(q *page.Request) error {
	if err := q.R.ParseForm(); err != nil {
		return badForm(err)
	}
	view, draft := readForm(q.R, &q.Conn)
	if len(view.Errors) == 0 {
		err := h.service.UpdateConnection(q.Context(), q.Org(), q.Viewer.User, draft)
		if err == nil {
			text := "Saved. Changes count from the next scan on."
			if !draft.Key.IsZero() {
				text = "Saved, with the new key."
			}
			q.Flash(ui.Flash{Text: text})
			return q.Redirect("/connections/" + string(q.Conn.ID))
		}
		if !place(&view, err) {
			return err
		}
	}
	return q.Page(http.StatusUnprocessableEntity, ui.Name(q.Conn.Name), "connections", editPage(view))
}

// ConfirmDelete asks for the name before anything is deleted.
func (h *Handlers) ConfirmDelete(q *page.Request) error {
	return q.Page(http.StatusOK, "Delete "+ui.Name(q.Conn.Name), "connections", deletePage(deleteView{ID: string(q.Conn.ID), Name: q.Conn.Name}))
}

// Delete removes a connection once its name was typed.
func (h *Handlers) Delete(q *page.Request) error {
	if q.R.PostFormValue("confirm") != ui.Name(q.Conn.Name) {
		view := deleteView{ID: string(q.Conn.ID), Name: q.Conn.Name, Problem: "Type the name exactly as it stands above."}
		return q.Page(http.StatusUnprocessableEntity, "Delete "+ui.Name(q.Conn.Name), "connections", deletePage(view))
	}
	if err := h.service.DeleteConnection(q.Context(), q.Org(), q.Viewer.User, q.Conn.ID); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "Deleted " + ui.Name(q.Conn.Name) + " with its key and everything that was read from it."})
	return q.Redirect("/connections")
}

func (h *Handlers) stored(q *page.Request, id store.ConnectionID) (*store.Connection, error) {
	if id == "" {
		return nil, nil //nolint:nilnil // no id, no stored connection
	}
	c, err := h.service.Connection(q.Context(), q.Org(), id)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// fieldOf says which field an error of the service is about.
var fieldOf = map[string]string{
	"bad_schedule": "schedule", "bad_quiet_hours": "quiet_hours", "bad_concurrency": "concurrency",
	"bad_url": "url", "bad_name": "name", "name_taken": "name",
	"bad_credential": "key", "credential_needed": "key", "no_credential": "key", "masked_credential": "key", "bad_auth": "key",
	"bad_certificate": "ca", "bad_proxy": "proxy", "bad_header": "headers", "too_many_collections": "excluded",
}

// place puts an error that the person can mend where he can see it.
func place(v *FormView, err error) bool {
	kind := errs.KindOf(err)
	if kind != errs.Invalid && kind != errs.Conflict && kind != errs.Unavailable {
		return false
	}
	text, hint := errs.PublicText(err)
	field := fieldOf[errs.CodeOf(err)]
	if field == "" {
		v.Problem, v.Hint = text, hint
		return true
	}
	v.Errors[field] = text + " " + hint
	return true
}

func badForm(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return errs.Wrap(err, errs.Invalid, "bad_form", "The form could not be read.", "Go back, reload the page and try again.")
}
