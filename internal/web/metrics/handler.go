package metrics

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/web/assist"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// patience is how long a reader waits for the first comparison of a scan before
// the page says that it is under way.
const patience = 3 * time.Second

// Handlers answers the addresses of metrics.
type Handlers struct{ service Service }

// New returns the handlers.
func New(service Service) *Handlers { return &Handlers{service: service} }

// The tabs. The first that has rows is shown where the address names none.
const (
	tabNames    = "names"
	tabSynonyms = "definitions"
	tabAll      = "all"
)

type choice struct{ Value, Label string }

var sorts = []choice{{"", "Views"}, {"definitions", "Definitions"}, {"dashboards", "Dashboards"}, {"name", "Name"}}

const maxText = 200

type listView struct {
	Base  string
	Path  string
	Tab   string
	Tabs  []tab
	Text  string
	Sort  string
	Asset asset // only what this defines; zero = all
	query url.Values
	Rows  []row
	Pager ui.PagerView
	Any   bool
}

type tab struct {
	Key, Label, Href string
	Count            int
	Current          bool
}

// row is a figure with what the page shows of its definitions.
type row struct {
	*figure
	Href    string
	Columns []column
	More    int // definitions beyond those shown
	Names   []naming
}

// column is one definition of a name.
type column struct {
	similar.Definition
	First     bool // the one to go by
	Tables    string
	Uses      []use
	MoreUses  int
	Shown     []asset
	MoreShown int
}

type use struct {
	asset
	Column string // of the result
	Called string // where the asset calls it otherwise than the row
}

type asset struct {
	Ref   catalog.Ref
	Name  string
	Known bool
}

// naming is one name of a definition and who uses it.
type naming struct {
	Name      string
	Uses      []use
	More      int
	Shown     []asset
	MoreShown int
	on        []catalog.Ref // dashboards, each once
}

// Limits of what a list shows of one figure; its own page shows everything.
const (
	fewColumns = 3
	fewUses    = 3
	allUses    = 500
)

// List shows the figures that the address asks for.
func (h *Handlers) List(q *page.Request) error {
	ctx, cancel, tired := q.Patience(patience)
	defer cancel()
	content, err := h.service.Metrics(ctx, q.Org(), q.Conn.ID)
	if tired(err) {
		return q.Page(http.StatusAccepted, "Metrics", "metrics", waitingPage(q.R.URL.RequestURI()), page.Refresh(3))
	}
	if errs.KindOf(err) == errs.NotFound {
		return q.Page(http.StatusOK, "Metrics", "metrics", unscannedPage(q.Base()))
	}
	if err != nil {
		return err
	}
	view := listOf(q.Base(), content, q.R.URL.Query())
	if target, ok := q.Fragment(); ok && target == "results" {
		q.W.Header().Set("HX-Push-Url", ui.Address(view.Path, view.query))
		return q.Render(http.StatusOK, resultsPart(view))
	}
	return q.Page(http.StatusOK, "Metrics", "metrics", listPage(view))
}

// Show shows one figure whole.
func (h *Handlers) Show(q *page.Request) error {
	content, err := h.service.Metrics(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return err
	}
	f := content.at[q.R.PathValue("id")]
	if f == nil {
		return errs.New(errs.NotFound, "no_metric", "The last scan has no such figure.", "Its name or its definition may have changed since. All figures are listed under Metrics.")
	}
	view := detailView{Base: q.Base(), Path: q.Base() + "/metrics", row: content.row(q.Base(), f, len(f.Definitions), allUses)}
	if q.Chat() && f.Kind != similar.OneDefinition && len(f.Definitions) > 1 {
		view.Ask = []ui.AskLink{{Label: "Which definition should we use?", Href: assist.Path(q.Base(), agent.Metrics, agent.MetricSubject(f.ID))}}
	}
	return q.Page(http.StatusOK, ui.Clip(ui.Name(f.Name), 60)+", metric", "metrics", detailPage(view))
}

type detailView struct {
	row
	Base string
	Path string
	Ask  []ui.AskLink
}

func listOf(base string, content *Content, raw url.Values) listView {
	v := listView{Base: base, Path: base + "/metrics", query: url.Values{}, Any: len(content.figures)+len(content.names)+len(content.synonym) > 0}
	set := func(key, value string) {
		if value != "" {
			v.query.Set(key, value)
		}
	}
	v.Text = ui.Clip(strings.TrimSpace(raw.Get("q")), maxText)
	set("q", v.Text)
	if s := raw.Get("sort"); slices.ContainsFunc(sorts, func(c choice) bool { return c.Value == s }) {
		v.Sort = s
		set("sort", s)
	}
	if p := raw.Get("page"); len(p) < 8 {
		set("page", p)
	}
	if r, ok := catalog.ParseRef(raw.Get("asset")); ok && len(r.ID) < maxText {
		v.Asset = content.asset(r)
		set("asset", raw.Get("asset"))
	}
	chosen := map[string][]*figure{}
	for _, key := range []string{tabNames, tabSynonyms, tabAll} {
		chosen[key] = content.choose(key, v.Text, v.Sort, v.Asset.Ref)
	}
	switch t := raw.Get("tab"); {
	case t == tabNames, t == tabSynonyms, t == tabAll:
		v.Tab = t
		set("tab", t)
	case len(chosen[tabNames]) > 0:
		v.Tab = tabNames
	case len(chosen[tabSynonyms]) > 0:
		v.Tab = tabSynonyms
	case v.Text != "" && len(chosen[tabAll]) == 0 && len(content.names) > 0:
		v.Tab = tabNames
	default:
		v.Tab = tabAll
	}
	for _, t := range []choice{{tabNames, "One name, several definitions"}, {tabSynonyms, "One definition, several names"}, {tabAll, "All"}} {
		v.Tabs = append(v.Tabs, tab{t.Value, t.Label, ui.Address(v.Path, ui.With(v.query, "tab", t.Value)), len(chosen[t.Value]), v.Tab == t.Value})
	}
	list := chosen[v.Tab]
	offset := min(ui.Offset(v.query), len(list))
	for _, f := range list[offset:min(len(list), offset+ui.PerPage)] {
		v.Rows = append(v.Rows, content.row(base, f, fewColumns, fewUses))
	}
	v.Pager = ui.Pages(v.Path, v.query, len(v.Rows), len(list), "metric", "metrics")
	return v
}

func (c *Content) row(base string, f *figure, columns, uses int) row {
	r := row{figure: f, Href: base + "/metrics/" + url.PathEscape(f.ID)}
	if f.Kind == similar.OneDefinition {
		if len(f.Definitions) > 0 {
			r.Names, r.More = c.namings(f.Definitions[0], columns, uses)
		}
		return r
	}
	for i, d := range f.Definitions[:min(columns, len(f.Definitions))] {
		r.Columns = append(r.Columns, c.column(d, i == 0 && len(f.Definitions) > 1, f.Name, uses))
	}
	r.More = len(f.Definitions) - len(r.Columns)
	return r
}

func (c *Content) column(d similar.Definition, first bool, name string, uses int) column {
	col := column{Definition: d, First: first, Tables: c.tables(d.Sources)}
	shown := map[catalog.Ref]bool{}
	var dashboards []catalog.Ref
	for i, u := range d.Uses {
		if i < uses {
			one := use{asset: c.asset(u.Asset)}
			if !strings.EqualFold(u.Column, name) {
				one.Column = u.Column
			}
			if !strings.EqualFold(u.Name, name) && !strings.EqualFold(u.Name, one.Name) {
				one.Called = u.Name
			}
			col.Uses = append(col.Uses, one)
		}
		for _, r := range u.ShownOn {
			if !shown[r] {
				shown[r] = true
				dashboards = append(dashboards, r)
			}
		}
	}
	col.MoreUses = len(d.Uses) - len(col.Uses)
	col.Shown = c.dashboards(dashboards, uses)
	col.MoreShown = len(dashboards) - len(col.Shown)
	return col
}

// dashboards names the most viewed of some dashboards.
func (c *Content) dashboards(refs []catalog.Ref, most int) []asset {
	slices.SortFunc(refs, func(a, b catalog.Ref) int {
		return cmp.Or(cmp.Compare(c.views(b), c.views(a)), a.Compare(b))
	})
	var out []asset
	for _, r := range refs[:min(most, len(refs))] {
		out = append(out, c.asset(r))
	}
	return out
}

// namings groups the places of a definition by what they call it.
func (c *Content) namings(d similar.Definition, names, uses int) (list []naming, more int) {
	at := map[string]int{}
	for _, name := range d.Names {
		at[strings.ToLower(name)] = len(list)
		list = append(list, naming{Name: name})
	}
	for _, u := range d.Uses {
		i, ok := at[strings.ToLower(u.Name)]
		if !ok {
			i = len(list)
			at[strings.ToLower(u.Name)] = i
			list = append(list, naming{Name: u.Name})
		}
		if len(list[i].Uses) < uses {
			list[i].Uses = append(list[i].Uses, use{asset: c.asset(u.Asset), Column: u.Column})
		} else {
			list[i].More++
		}
		list[i].on = append(list[i].on, u.ShownOn...)
	}
	for i := range list {
		slices.SortFunc(list[i].on, catalog.Ref.Compare)
		list[i].on = slices.Compact(list[i].on)
		list[i].Shown = c.dashboards(list[i].on, uses)
		list[i].MoreShown = len(list[i].on) - len(list[i].Shown)
	}
	if names == len(d.Names) || uses == allUses {
		return list, 0
	}
	shown := list[:min(len(list), 2*names)]
	return shown, len(list) - len(shown)
}

// tables names the tables that a definition reads; the ids of those the scan
// knows become names.
func (c *Content) tables(sources []string) string {
	names := make([]string, 0, len(sources))
	for _, s := range sources {
		if t := c.view.Index.Table(s); t != nil {
			s = t.FullName()
		}
		names = append(names, s)
	}
	return strings.Join(names, ", ")
}

func (c *Content) views(r catalog.Ref) int64 {
	if v := c.view.Index.Snapshot().Usage[r].Views; v != nil {
		return *v
	}
	return -1
}

func (c *Content) asset(r catalog.Ref) asset {
	if a := c.view.Index.Asset(r); a != nil {
		return asset{a.Ref(), a.Title(), true}
	}
	return asset{r, r.String(), false}
}
