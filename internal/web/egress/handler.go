package egress

import (
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Handlers answers the addresses of the egress ledger.
type Handlers struct {
	ledger       Ledger
	installation bool
}

// New returns the handlers.
func New(ledger Ledger) *Handlers { return &Handlers{ledger: ledger} }

// NewInstallation returns the handlers of the operator console: the ledger of
// what belongs to no organization.
func NewInstallation(ledger Ledger) *Handlers { return &Handlers{ledger: ledger, installation: true} }

type view struct {
	Path      string // address without filters
	Whole     bool   // of the whole organization
	Console   bool   // of the installation, for operators
	Admin     bool
	Params    url.Values
	Purposes  []ui.Choice
	Hosts     []ui.Choice
	Rows      []row
	Pager     ui.PagerView
	Integrity ui.IntegrityView
	Now       time.Time
}

// filtered reports whether anything narrows the list.
func (v view) filtered() bool { return len(v.chips()) > 0 }

type chip struct{ Label, Remove string }

var filterLabels = []struct{ name, label string }{
	{"scan", "One scan"}, {"purpose", "Purpose: "}, {"host", "Host: "}, {"status", "Answer: "}, {"since", "From "}, {"until", "Until "},
}

func (v view) chips() []chip {
	var list []chip
	for _, f := range filterLabels {
		value := v.Params.Get(f.name)
		if value == "" {
			continue
		}
		label := f.label
		switch f.name {
		case "scan":
		case "purpose":
			label += purpose(value)
		default:
			label += ui.Clean(value)
		}
		list = append(list, chip{label, ui.Address(v.Path, ui.Without(ui.Without(v.Params, "page", ""), f.name, ""))})
	}
	return list
}

func (v view) export(kind string) string {
	return ui.Address(v.Path+kind, ui.Without(v.Params, "page", ""))
}

type row struct {
	ID       string
	At       time.Time
	Purpose  string
	Method   string
	Host     string
	Address  string
	Route    string
	Status   int
	Error    string
	Phase    ledger.Phase
	Count    int
	Sent     int64
	Received int64
	Took     time.Duration
	Seq      int64
	Payload  *ledger.PayloadRef
	Exchange string
	KeyID    string
}

func rowOf(r store.LedgerRow) row {
	return row{
		ID: r.ID, At: r.At, Purpose: purpose(string(r.Purpose)), Method: ui.Clean(r.Method), Host: ui.Clean(r.Host), Address: ui.Clean(r.Address), Route: ui.Clean(r.Route),
		Status: r.Status, Error: ui.Clean(r.Error), Phase: r.Phase, Count: max(1, r.Count), Sent: r.RequestSize, Received: r.ResponseSize, Took: r.Duration,
		Seq: r.Seq, Payload: r.PayloadRef, Exchange: ui.Clean(r.Exchange), KeyID: ui.Clean(r.KeyID),
	}
}

var statuses = []ui.Choice{{Value: store.StatusAnswered, Label: "Answered"}, {Value: store.StatusRefused, Label: "Refused (4xx, 5xx)"}, {Value: store.StatusFailed, Label: "No answer"}}

// path is the address of the list: of a connection or of the organization.
func path(q *page.Request) string {
	if q.Conn.ID == "" {
		return "/egress"
	}
	return q.Base() + "/egress"
}

// query reads the filters of an address.
func query(q *page.Request) (Query, url.Values, error) {
	params := url.Values{}
	for _, k := range []string{"scan", "purpose", "host", "status", "since", "until", "page"} {
		if v := q.R.URL.Query().Get(k); v != "" {
			params.Set(k, v)
		}
	}
	since, until, err := Days(params)
	return Query{
		Connection: q.Conn.ID, Scan: store.ScanID(params.Get("scan")), Purpose: ledger.Purpose(params.Get("purpose")), Host: params.Get("host"),
		Status: params.Get("status"), Since: since, Until: until, Limit: ui.PerPage, Offset: ui.Offset(params),
	}, params, err
}

// Days reads the filters since and until, whole days in UTC; until includes its
// day.
func Days(params url.Values) (since, until time.Time, err error) {
	day := func(name string) time.Time {
		text := params.Get(name)
		if text == "" {
			return time.Time{}
		}
		t, failed := time.Parse(time.DateOnly, text)
		if failed != nil || t.Year() < 1970 || t.Year() > 9998 {
			err = errs.Wrap(failed, errs.Invalid, "bad_day", "That is no day.", "Write it as 2026-03-31.")
		}
		return t
	}
	since, until = day("since"), day("until")
	if err == nil && !until.IsZero() {
		until = until.AddDate(0, 0, 1)
	}
	return since, until, err
}

// List shows what left, the newest first.
func (h *Handlers) List(q *page.Request) error {
	ask, params, err := query(q)
	if err != nil {
		return err
	}
	v := view{Path: path(q), Whole: q.Conn.ID == "", Console: h.installation, Admin: q.Viewer.May(store.RoleAdmin), Params: params, Now: q.Now}
	rows, total, err := h.ledger.Ledger(q.Context(), q.Org(), ask)
	if err != nil {
		return err
	}
	hosts, err := h.ledger.LedgerHosts(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return err
	}
	if v.Integrity, err = h.ledger.Integrity(q.Context(), q.Org(), ledger.ChainLedger); err != nil {
		return err
	}
	v.Integrity.Now = q.Now
	for _, host := range hosts {
		v.Hosts = append(v.Hosts, ui.Choice{Value: host, Label: ui.Clean(host)})
	}
	for _, p := range ledger.Purposes() {
		v.Purposes = append(v.Purposes, ui.Choice{Value: string(p), Label: purpose(string(p))})
	}
	for _, r := range rows {
		v.Rows = append(v.Rows, rowOf(r))
	}
	v.Pager = ui.Pages(v.Path, params, len(v.Rows), total, "row", "rows")
	return q.Page(http.StatusOK, "Egress", "egress", listPage(v), page.Wide())
}

type detailView struct {
	Row     row
	Back    string
	Action  string // where the payload is asked for
	May     bool   // the viewer is its author or an admin
	Author  bool
	Payload *payloadView
	Now     time.Time
}

type payloadView struct {
	Text   string
	Media  string
	Size   int64
	Binary bool // shown as its printable characters alone
}

// Show shows one row.
func (h *Handlers) Show(q *page.Request) error { return h.detail(q, nil) }

// Payload shows one row with exactly what was sent. It is a form of its own,
// because an admin's look is written to the audit log.
func (h *Handlers) Payload(q *page.Request) error {
	p, err := h.ledger.Payload(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("row"), q.Addr().String())
	if err != nil {
		return err
	}
	text := string(p.Content)
	return h.detail(q, &payloadView{Text: ui.CleanLines(text), Media: ui.Clean(p.Media), Size: int64(len(p.Content)), Binary: !utf8.ValidString(text)})
}

func (h *Handlers) detail(q *page.Request, payload *payloadView) error {
	id := q.R.PathValue("row")
	r, err := h.ledger.LedgerRow(q.Context(), q.Org(), q.Conn.ID, id)
	if err != nil {
		return err
	}
	v := detailView{Row: rowOf(r), Back: path(q), Action: path(q) + "/" + url.PathEscape(r.ID) + "/payload", Payload: payload, Now: q.Now}
	if r.PayloadRef != nil {
		v.Author = r.PayloadRef.Author != "" && r.PayloadRef.Author == string(q.Viewer.User)
		v.May = v.Author || q.Viewer.May(store.RoleAdmin)
	}
	return q.Page(http.StatusOK, "Exchange", "egress", detailPage(v))
}

// CSV exports what the filters show, for a spreadsheet.
func (h *Handlers) CSV(q *page.Request) error {
	rows, err := h.exported(q)
	if err != nil {
		return err
	}
	head := []string{
		"at", "seq", "purpose", "phase", "connection", "scan", "method", "host", "address", "route", "status", "error", "count", "request_bytes", "response_bytes", "duration_ms", "exchange", "id", "key_id",
	}
	return CSV(q, "metalens-egress.csv", head, rows, func(r store.LedgerRow) []string {
		return []string{
			r.At.UTC().Format(time.RFC3339Nano), strconv.FormatInt(r.Seq, 10), string(r.Purpose), string(r.Phase), string(r.ConnectionID), string(r.ScanID),
			report.SpreadsheetCell(r.Method), report.SpreadsheetCell(r.Host), report.SpreadsheetCell(r.Address), report.SpreadsheetCell(r.Route), strconv.Itoa(r.Status),
			report.SpreadsheetCell(r.Error), strconv.Itoa(r.Count), strconv.FormatInt(r.RequestSize, 10), strconv.FormatInt(r.ResponseSize, 10),
			strconv.FormatInt(r.Duration.Milliseconds(), 10), report.SpreadsheetCell(r.Exchange), r.ID, report.SpreadsheetCell(r.KeyID),
		}
	})
}

// exportedRow is one line of the JSONL export.
type exportedRow struct {
	At           time.Time          `json:"at"`
	Seq          int64              `json:"seq"`
	ID           string             `json:"id"`
	Purpose      ledger.Purpose     `json:"purpose"`
	Phase        ledger.Phase       `json:"phase,omitempty"`
	Exchange     string             `json:"exchange,omitempty"`
	Connection   store.ConnectionID `json:"connection,omitempty"`
	Scan         store.ScanID       `json:"scan,omitempty"`
	Method       string             `json:"method,omitempty"`
	Host         string             `json:"host,omitempty"`
	Address      string             `json:"address,omitempty"`
	Route        string             `json:"route,omitempty"`
	Status       int                `json:"status,omitempty"`
	Error        string             `json:"error,omitempty"`
	KeyID        string             `json:"key_id,omitempty"`
	Count        int                `json:"count"`
	RequestSize  int64              `json:"request_bytes"`
	ResponseSize int64              `json:"response_bytes"`
	Milliseconds int64              `json:"duration_ms"`
}

// JSONL exports what the filters show, one JSON object per line.
func (h *Handlers) JSONL(q *page.Request) error {
	rows, err := h.exported(q)
	if err != nil {
		return err
	}
	return JSONL(q, "metalens-egress.jsonl", rows, func(r store.LedgerRow) exportedRow {
		return exportedRow{
			At: r.At, Seq: r.Seq, ID: r.ID, Purpose: r.Purpose, Phase: r.Phase, Exchange: r.Exchange, Connection: r.ConnectionID, Scan: r.ScanID,
			Method: r.Method, Host: r.Host, Address: r.Address, Route: r.Route, Status: r.Status, Error: r.Error, KeyID: r.KeyID, Count: r.Count,
			RequestSize: r.RequestSize, ResponseSize: r.ResponseSize, Milliseconds: r.Duration.Milliseconds(),
		}
	})
}

func (h *Handlers) exported(q *page.Request) ([]store.LedgerRow, error) {
	ask, _, err := query(q)
	if err != nil {
		return nil, err
	}
	ask.Limit, ask.Offset = ExportRows, 0
	rows, total, err := h.ledger.Ledger(q.Context(), q.Org(), ask)
	if err != nil {
		return nil, err
	}
	return rows, Whole(len(rows), total)
}

func purpose(code string) string {
	switch ledger.Purpose(code) {
	case ledger.PurposeMetabase:
		return "Metabase"
	case ledger.PurposeModel:
		return "Model provider"
	case ledger.PurposeOIDC:
		return "Single sign-on"
	case ledger.PurposeKMS:
		return "Key service"
	case ledger.PurposeACME:
		return "Certificate authority"
	case ledger.PurposeStream:
		return "Log collector"
	}
	return ui.Capital(ui.Clean(code))
}
