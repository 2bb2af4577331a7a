package audit

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/egress"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/settings"
	"github.com/metalens/metalens/internal/web/ui"
)

// Handlers answers the addresses of the audit log.
type Handlers struct {
	log          Log
	installation bool
}

// New returns the handlers.
func New(log Log) *Handlers { return &Handlers{log: log} }

// NewInstallation returns the handlers of the operator console: the log of what
// operators did and of what belongs to no organization.
func NewInstallation(log Log) *Handlers { return &Handlers{log: log, installation: true} }

const path = "/audit"

// systemActor stands for what no person did, in the filter.
const systemActor = "system"

type view struct {
	Params    url.Values
	People    []ui.Choice
	Actions   []ui.Choice
	Rows      []row
	Pager     ui.PagerView
	Integrity ui.IntegrityView
	Console   bool // of the installation, for operators
	Now       time.Time
}

type row struct {
	At      time.Time
	Actor   string
	Action  string
	Meaning string
	Target  string
	Object  string // the target in words
	Source  string
	Detail  string
}

type chip struct{ Label, Remove string }

func (v view) chips() []chip {
	var list []chip
	add := func(name, label string, choices []ui.Choice) {
		value := v.Params.Get(name)
		if value == "" {
			return
		}
		shown := ui.Clean(value)
		for _, c := range choices {
			if c.Value == value {
				shown = c.Label
			}
		}
		list = append(list, chip{label + shown, ui.Address(path, ui.Without(ui.Without(v.Params, "page", ""), name, ""))})
	}
	add("actor", "By ", v.People)
	add("action", "Action: ", v.Actions)
	add("object", "Object: ", nil)
	add("since", "From ", nil)
	add("until", "Until ", nil)
	return list
}

func (v view) export(kind string) string {
	return ui.Address(path+kind, ui.Without(v.Params, "page", ""))
}

func query(q *page.Request) (Query, url.Values, error) {
	params := url.Values{}
	for _, k := range []string{"actor", "action", "object", "since", "until", "page"} {
		if v := strings.TrimSpace(q.R.URL.Query().Get(k)); v != "" {
			params.Set(k, v)
		}
	}
	since, until, err := egress.Days(params)
	ask := Query{
		Actor: store.UserID(params.Get("actor")), Action: params.Get("action"), Object: params.Get("object"), Since: since, Until: until,
		Limit: ui.PerPage, Offset: ui.Offset(params),
	}
	if ask.Actor == systemActor {
		ask.Actor, ask.System = "", true
	}
	return ask, params, err
}

// List shows who did what, the newest first.
func (h *Handlers) List(q *page.Request) error {
	ask, params, err := query(q)
	if err != nil {
		return err
	}
	v := view{Params: params, Console: h.installation, Now: q.Now}
	people, err := h.log.AuditPeople(q.Context(), q.Org())
	if err != nil {
		return err
	}
	rows, total, err := h.log.AuditLog(q.Context(), q.Org(), ask)
	if err != nil {
		return err
	}
	if v.Integrity, err = h.log.Integrity(q.Context(), q.Org(), ledger.ChainAudit); err != nil {
		return err
	}
	v.Integrity.Now = q.Now
	names := map[store.UserID]string{}
	for _, p := range people {
		names[p.ID] = ui.Name(p.Name)
		v.People = append(v.People, ui.Choice{Value: string(p.ID), Label: names[p.ID]})
	}
	v.People = append(v.People, ui.Choice{Value: systemActor, Label: "MetaLens itself"})
	meanings := map[string]string{}
	for _, e := range ledger.AuditEvents() {
		meanings[e.Action] = e.Meaning
		v.Actions = append(v.Actions, ui.Choice{Value: e.Action, Label: words(e.Action)})
	}
	for _, r := range rows {
		shown := row{
			At: r.At, Actor: names[r.Actor], Action: words(r.Action), Meaning: meanings[r.Action], Target: ui.Clean(r.Target), Object: object(r.Target, names),
			Source: ui.Clean(r.Source), Detail: ui.Clip(ui.Clean(r.Detail), 300),
		}
		switch {
		case r.Actor == "":
			shown.Actor = "MetaLens"
		case shown.Actor == "":
			shown.Actor = h.former() + ui.Clip(ui.Clean(string(r.Actor)), 8)
		}
		v.Rows = append(v.Rows, shown)
	}
	v.Pager = ui.Pages(path, params, len(v.Rows), total, "row", "rows")
	if h.installation {
		return q.Page(http.StatusOK, "Audit", "log", consolePage(v), page.Wide())
	}
	return settings.Page(q, http.StatusOK, "audit", "Audit log", listPage(v), page.Wide())
}

// object is what something was done to in words: people by name, the rest by
// kind and the start of its id, since the whole id is in the link.
func object(target string, names map[store.UserID]string) string {
	kind, id, found := strings.Cut(ui.Clean(target), ":")
	switch name := names[store.UserID(id)]; {
	case !found:
		return ui.Clip(kind, maxObject)
	case kind == "user" && name != "":
		return name
	case len(id) == len("01a2020b-b1aa-7d1d-aa57-f5df1425a8de"):
		return kind + " …" + id[len(id)-shortID:]
	}
	return ui.Clip(kind+": "+id, maxObject)
}

const (
	maxObject = 60 // runes of an object in the table
	shortID   = 8  // of an id; its end tells ids of one minute apart
)

// former names somebody whose account is not among those that are shown.
func (h *Handlers) former() string {
	if h.installation {
		return "account "
	}
	return "former member "
}

func words(action string) string { return ui.Capital(strings.ReplaceAll(ui.Clean(action), "_", " ")) }

func (h *Handlers) exported(q *page.Request) ([]store.AuditRow, error) {
	ask, _, err := query(q)
	if err != nil {
		return nil, err
	}
	ask.Limit, ask.Offset = egress.ExportRows, 0
	rows, total, err := h.log.AuditLog(q.Context(), q.Org(), ask)
	if err != nil {
		return nil, err
	}
	return rows, egress.Whole(len(rows), total)
}

// CSV exports what the filters show, for a spreadsheet.
func (h *Handlers) CSV(q *page.Request) error {
	rows, err := h.exported(q)
	if err != nil {
		return err
	}
	return egress.CSV(q, "metalens-audit.csv", []string{"at", "seq", "actor", "action", "target", "source", "detail", "id"}, rows, func(r store.AuditRow) []string {
		return []string{
			r.At.UTC().Format(time.RFC3339Nano), strconv.FormatInt(r.Seq, 10), report.SpreadsheetCell(string(r.Actor)), report.SpreadsheetCell(r.Action),
			report.SpreadsheetCell(r.Target), report.SpreadsheetCell(r.Source), report.SpreadsheetCell(r.Detail), r.ID,
		}
	})
}

type exportedRow struct {
	At     time.Time       `json:"at"`
	Seq    int64           `json:"seq"`
	ID     string          `json:"id"`
	Actor  store.UserID    `json:"actor,omitempty"`
	Action string          `json:"action"`
	Target string          `json:"target,omitempty"`
	Source string          `json:"source,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

// JSONL exports what the filters show, one JSON object per line.
func (h *Handlers) JSONL(q *page.Request) error {
	rows, err := h.exported(q)
	if err != nil {
		return err
	}
	return egress.JSONL(q, "metalens-audit.jsonl", rows, func(r store.AuditRow) exportedRow {
		line := exportedRow{At: r.At, Seq: r.Seq, ID: r.ID, Actor: r.Actor, Action: r.Action, Target: r.Target, Source: r.Source}
		if json.Valid([]byte(r.Detail)) {
			line.Detail = json.RawMessage(r.Detail)
		}
		return line
	})
}
