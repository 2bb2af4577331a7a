// Package lineageview is the Lineage page: what an asset is made from and what
// is made from it, as a graph that grows step by step and as a list that needs
// no script.
//
// Both show the same neighbourhood, and the address holds all of its state.
package lineageview

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Handlers answers the addresses of the Lineage page.
type Handlers struct {
	library browse.Library
	finder  browse.Search
}

// New returns the handlers.
func New(library browse.Library, finder browse.Search) *Handlers {
	return &Handlers{library: library, finder: finder}
}

// choice is an asset to start from.
type choice struct {
	Ref   catalog.Ref
	Name  string
	Path  string
	Extra string
	Href  string
}

type startView struct {
	Base    string
	Query   string
	Hits    []choice
	More    bool // there are more hits than listed
	Tables  []choice
	Content []choice
}

const (
	maxQuery    = 200
	suggestions = 8
	maxHits     = 30
)

// Start offers assets to begin with: those most used, or what a search finds.
func (h *Handlers) Start(q *page.Request) error {
	view, err := h.library.View(q.Context(), q.Org(), q.Conn.ID)
	if errs.KindOf(err) == errs.NotFound {
		return q.Page(http.StatusOK, "Lineage", "lineage", unscannedPage(q.Base()))
	}
	if err != nil {
		return err
	}
	v := startView{Base: q.Base(), Query: ui.Clip(strings.TrimSpace(q.R.URL.Query().Get("q")), maxQuery)}
	if v.Query == "" {
		v.Tables, v.Content = mostRead(view, q.Base()), mostViewed(view, q.Base())
		return q.Page(http.StatusOK, "Lineage", "lineage", startPage(v))
	}
	hits, total, err := h.finder.Search(q.Context(), q.Org(), q.Conn.ID, browse.SearchQuery{Text: v.Query, Limit: maxHits})
	if err != nil {
		return err
	}
	for _, hit := range hits {
		if !ui.HasLineage(hit.Asset.Kind) {
			continue
		}
		v.Hits = append(v.Hits, choice{Ref: hit.Asset, Name: hit.Name, Path: hit.Path, Href: ui.LineagePath(q.Base(), hit.Asset)})
	}
	v.More = total > len(hits)
	return q.Page(http.StatusOK, "Lineage: "+ui.Clip(ui.Clean(v.Query), 60), "lineage", startPage(v))
}

// ranked keeps the highest few of many, in order; of equals the first by
// reference.
type ranked []counted

type counted struct {
	ref   catalog.Ref
	count int64
}

func (r *ranked) add(c counted) {
	if c.count <= 0 || len(*r) == suggestions && c.count < (*r)[suggestions-1].count {
		return
	}
	i, _ := slices.BinarySearchFunc(*r, c, func(x, y counted) int {
		return cmp.Or(cmp.Compare(y.count, x.count), x.ref.Compare(y.ref))
	})
	*r = slices.Insert(*r, i, c)
	*r = (*r)[:min(len(*r), suggestions)]
}

func (r ranked) choices(view *browse.View, base string, words func(int64) string) []choice {
	out := make([]choice, 0, len(r))
	for _, c := range r {
		if a := view.Index.Asset(c.ref); a != nil {
			out = append(out, choice{Ref: c.ref, Name: a.Title(), Path: view.Path(a), Extra: words(c.count), Href: ui.LineagePath(base, c.ref)})
		}
	}
	return out
}

// mostRead lists the tables with the most direct users.
func mostRead(view *browse.View, base string) []choice {
	users := make(map[catalog.Ref]int64, len(view.Index.Snapshot().Tables))
	var last lineage.Edge
	for e := range view.Graph.AllEdges() {
		if e.From.Kind == catalog.KindTable && (e.From != last.From || e.To != last.To) { // sorted by both ends
			users[e.From]++
		}
		last = e
	}
	var best ranked
	for r, n := range users {
		best.add(counted{r, n})
	}
	return best.choices(view, base, func(n int64) string { return ui.Count(n, "direct user", "direct users") })
}

// mostViewed lists the content that people open most.
func mostViewed(view *browse.View, base string) []choice {
	usage := view.Index.Snapshot().Usage
	var best ranked
	add := func(a catalog.Asset) {
		if u := usage[a.Ref()]; u.Views != nil && !a.IsArchived() {
			best.add(counted{a.Ref(), *u.Views})
		}
	}
	for _, d := range view.Index.Snapshot().Dashboards {
		add(d)
	}
	for _, q := range view.Index.Snapshot().Questions {
		add(q)
	}
	return best.choices(view, base, func(n int64) string { return ui.Count(n, "view", "views") })
}

type gapView struct {
	Reason string
	Detail string
	Line   int // of the SQL; 0 = none
	Count  int
}

type pageView struct {
	Base    string
	Ref     catalog.Ref
	Name    string
	Kind    catalog.Kind
	Path    string
	Page    string // of the asset
	Break   string
	Table   string // lineage of a column's table
	State   state
	Graph   graphView
	Data    string // address of the drawing's data
	Tree    item
	Gaps    []gapView
	GapsAll int
	SQL     string // address of the asset's SQL; empty without gaps in it
	Alone   bool
}

// Show shows the lineage of one asset.
func (h *Handlers) Show(q *page.Request) error {
	view, s, sub, err := h.subject(q)
	if err != nil || sub.asset == nil {
		return err
	}
	g, n := build(view, q.Base(), s)
	v := pageView{
		Base: q.Base(), Ref: sub.ref, Name: sub.name, Kind: sub.ref.Kind, Path: view.Path(sub.asset), Page: ui.AssetPath(q.Base(), sub.ref),
		Break: browse.ImpactPath(q.Base(), sub.ref), State: s, Graph: g, Tree: tree(g), Alone: n.Upstream+n.Downstream+len(g.Folds) == 0,
		Data: ui.Address(ui.LineagePath(q.Base(), sub.ref)+"/graph", s.query()),
	}
	if sub.isColumn() {
		v.Table = ui.LineagePath(q.Base(), sub.asset.Ref())
	} else {
		v.gaps(view.Graph.Gaps(sub.ref), browse.SQLOf(sub.asset))
	}
	return q.Page(http.StatusOK, "Lineage of "+ui.Clip(ui.Name(sub.name), 70), "lineage", lineagePage(v), page.Wide(), page.Script("lineage.js"))
}

// Graph answers the drawing of the page with its data.
func (h *Handlers) Graph(q *page.Request) error {
	view, s, sub, err := h.subject(q)
	if err != nil || sub.asset == nil {
		return err
	}
	g, _ := build(view, q.Base(), s)
	data, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("lineage graph: %w", err)
	}
	q.W.Header().Set("Content-Type", "application/json")
	_, _ = q.W.Write(data) // the reader may have gone; nobody is left to tell
	return nil
}

// subject finds what the address names. Without an error and without an asset
// the request was answered with a redirection.
func (h *Handlers) subject(q *page.Request) (*browse.View, state, subject, error) {
	view, err := h.library.View(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return nil, state{}, subject{}, err
	}
	r := catalog.Ref{Kind: catalog.Kind(ui.UnescapeID(q.R.PathValue("kind"))), ID: ui.UnescapeID(q.R.PathValue("id"))}
	sub := subject{ref: r}
	look := r
	if r.Kind == catalog.KindColumn {
		if view.Index.Column(r.ID) == nil {
			return nil, state{}, sub, missing(r.Kind)
		}
		look = catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(r.ID)}
	}
	a := view.Index.Asset(look)
	if a == nil || !ui.HasLineage(r.Kind) {
		return nil, state{}, sub, missing(r.Kind)
	}
	if r.Kind != catalog.KindColumn && a.Ref() != r { // a question that is a model now
		return nil, state{}, sub, q.Redirect(ui.Address(ui.LineagePath(q.Base(), a.Ref()), q.R.URL.Query()))
	}
	sub.asset = a
	sub.name, _ = view.Name(r)
	return view, readState(r, q.R.URL.Query()), sub, nil
}

func missing(k catalog.Kind) error {
	return errs.New(errs.NotFound, "no_asset", "The last scan has no such "+strings.ToLower(ui.KindName(catalog.Kind(ui.Clip(ui.Clean(string(k)), 30))))+" with lineage.",
		"It may have been deleted in Metabase, or the key may no longer see it. Search for it, or start from the catalog.")
}

// maxGaps bounds the listed unresolved parts.
const maxGaps = 20

func (v *pageView) gaps(list []lineage.Unresolved, sql string) {
	v.GapsAll = len(list)
	for _, u := range list {
		g := gapView{Reason: ui.ReasonName(u.Reason), Detail: ui.Clip(ui.Clean(u.Detail), 120), Line: lineOf(sql, u.Span), Count: 1}
		if i := slices.IndexFunc(v.Gaps, func(o gapView) bool { return o.Reason == g.Reason && o.Detail == g.Detail }); i >= 0 {
			v.Gaps[i].Count++
			continue
		}
		if len(v.Gaps) < maxGaps {
			v.Gaps = append(v.Gaps, g)
		}
	}
	if sql != "" && len(list) > 0 {
		v.SQL = v.Page + "?" + url.Values{"tab": {"sql"}}.Encode()
	}
}

// lineOf is the line of a text at which a span begins; 0 when it has none.
func lineOf(sql string, span *finding.Span) int {
	if span == nil || span.Start < 0 || span.Start > len(sql) || sql == "" {
		return 0
	}
	return 1 + strings.Count(sql[:span.Start], "\n")
}
