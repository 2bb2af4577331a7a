package egress

import (
	"net/http"
	"net/url"
	"time"

	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Handlers answers the address of the egress ledger.
type Handlers struct{ ledger Ledger }

// New returns the handlers.
func New(ledger Ledger) *Handlers { return &Handlers{ledger: ledger} }

type view struct {
	Base  string
	Scan  string
	All   string // address without the filter
	Rows  []row
	Pager ui.PagerView
	Now   time.Time
}

type row struct {
	At       time.Time
	Purpose  string
	Method   string
	Host     string
	Address  string
	Route    string
	Status   int
	Error    string
	Count    int
	Sent     int64
	Received int64
	Took     time.Duration
}

// List shows what left, the newest first.
func (h *Handlers) List(q *page.Request) error {
	params := url.Values{}
	for _, k := range []string{"scan", "page"} {
		if v := q.R.URL.Query().Get(k); v != "" {
			params.Set(k, v)
		}
	}
	path := q.Base() + "/egress"
	v := view{Base: q.Base(), Scan: params.Get("scan"), All: path, Now: q.Now}
	rows, total, err := h.ledger.Ledger(q.Context(), q.Org(), Query{
		Connection: q.Conn.ID, Scan: store.ScanID(v.Scan), Limit: ui.PerPage, Offset: ui.Offset(params),
	})
	if err != nil {
		return err
	}
	for _, r := range rows {
		v.Rows = append(v.Rows, row{
			At: r.At, Purpose: purpose(string(r.Purpose)), Method: ui.Clean(r.Method), Host: ui.Clean(r.Host), Address: ui.Clean(r.Address), Route: ui.Clean(r.Route),
			Status: r.Status, Error: ui.Clean(r.Error), Count: max(1, r.Count), Sent: r.RequestSize, Received: r.ResponseSize, Took: r.Duration,
		})
	}
	v.Pager = ui.Pages(path, params, len(v.Rows), total, "row", "rows")
	return q.Page(http.StatusOK, "Egress", "egress", listPage(v), page.Wide())
}

func purpose(code string) string {
	switch code {
	case "metabase":
		return "Metabase"
	case "model":
		return "Model provider"
	case "oidc":
		return "Single sign-on"
	}
	return ui.Capital(ui.Clean(code))
}
