package scans

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Handlers answers the addresses of scans.
type Handlers struct {
	service Service
	history History
}

// New returns the handlers.
func New(service Service, history History) *Handlers {
	return &Handlers{service: service, history: history}
}

// List shows the scans of a connection.
func (h *Handlers) List(q *page.Request) error {
	before := store.ScanID(q.R.URL.Query().Get("before"))
	list, err := h.service.Scans(q.Context(), q.Org(), q.Conn.ID, ui.PerPage+1, before)
	if err != nil {
		return err
	}
	view := listView{Base: q.Base(), May: q.Viewer.May(store.RoleEditor), Now: q.Now, Later: before != ""}
	if len(list) > ui.PerPage {
		list = list[:ui.PerPage]
		view.Older = q.Base() + "/scans?before=" + string(list[len(list)-1].ID)
	}
	for _, s := range list {
		view.Rows = append(view.Rows, rowOf(s, q.Now))
	}
	return q.Page(http.StatusOK, "Scans", "scans", listPage(view))
}

// Start enqueues a scan and shows it.
func (h *Handlers) Start(q *page.Request) error {
	scan, err := h.service.StartScan(q.Context(), q.Org(), q.Conn.ID, q.Viewer.User)
	if err != nil {
		return err
	}
	return q.Redirect(q.Base() + "/scans/" + string(scan.ID))
}

// Cancel asks a scan to stop.
func (h *Handlers) Cancel(q *page.Request) error {
	scan, err := h.scan(q)
	if err != nil {
		return err
	}
	if err := h.service.CancelScan(q.Context(), q.Org(), scan.ID); err != nil && errs.KindOf(err) != errs.Conflict {
		return err
	}
	q.Flash(ui.Flash{Text: "The scan is being stopped. What the last scan found stays as it is."})
	return q.Redirect(q.Base() + "/scans/" + string(scan.ID))
}

// scan loads the scan of the address and checks that it is the connection's.
func (h *Handlers) scan(q *page.Request) (store.Scan, error) {
	scan, err := h.service.Scan(q.Context(), q.Org(), store.ScanID(q.R.PathValue("scan")))
	if err != nil {
		return scan, err
	}
	if scan.ConnectionID != q.Conn.ID {
		return scan, page.NotFound()
	}
	return scan, nil
}

// maxChanges is how many changes a page lists.
const maxChanges = 200

// Show shows one scan.
func (h *Handlers) Show(q *page.Request) error {
	scan, err := h.scan(q)
	if err != nil {
		return err
	}
	view := detailView{Base: q.Base(), ID: string(scan.ID), May: q.Viewer.May(store.RoleEditor), Now: q.Now, Row: rowOf(scan, q.Now), Scan: scan, Progress: ProgressOf(scan, q.Now)}
	for route, n := range scan.Summary.Requests.ByRoute {
		view.Routes = append(view.Routes, routeRow{route, n})
	}
	slices.SortFunc(view.Routes, func(a, b routeRow) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Route, b.Route)
	})
	if scan.Seq > 1 {
		changes, err := h.history.Changes(q.Context(), q.Org(), q.Conn.ID, scan.Seq-1, scan.Seq)
		if err != nil {
			return err
		}
		view.ChangesTotal = len(changes)
		view.Changes = changes[:min(len(changes), maxChanges)]
	}
	var options []page.Option
	if view.Progress.Live {
		options = append(options, page.Refresh(3))
	}
	return q.Page(http.StatusOK, "Scan of "+ui.Day(scan.QueuedAt), "scans", detailPage(view), options...)
}

// Events streams a scan's progress as server-sent events: "progress" carries the
// HTML of the live part, "done" the last state.
func (h *Handlers) Events(q *page.Request) error {
	scan, err := h.scan(q)
	if err != nil {
		return err
	}
	updates, err := h.service.WatchScan(q.Context(), q.Org(), scan.ID)
	if err != nil {
		return err
	}
	stream := q.Stream()
	ticker := time.NewTicker(page.StreamBeat)
	defer ticker.Stop()
	measured := newMeter()
	for {
		select {
		case <-q.Context().Done():
			return nil
		case <-page.Stopping(q.Context()):
			return nil
		case <-ticker.C:
			if !stream.Beat() {
				return nil
			}
		case s, ok := <-updates:
			if !ok {
				return nil
			}
			p := progressOf(s, q.Clock(), measured)
			event := "progress"
			if !p.Live {
				event = "done"
			}
			if !stream.Event(event, progressPart(p)) {
				return nil
			}
			if !p.Live {
				return nil
			}
		}
	}
}
