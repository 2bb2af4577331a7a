package browse

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// item is one line of a listing.
type item struct {
	Ref         catalog.Ref
	Name        string
	Description string
	Verified    bool
	Official    bool
	Exposed     bool // a public link exists
	Inactive    bool
	Views       *int64
	Used        *time.Time
	Count       int    // sub-items of a collection, columns of a table
	Extra       string // "12 columns"
}

type listView struct {
	Base      string
	By        string // collections, databases
	Tree      []node
	Title     string
	Kind      catalog.Kind
	Path      []crumb
	External  string
	Text      string // description of the place
	Items     []item
	Pager     ui.PagerView
	Now       time.Time
	Query     string
	Hits      []hit
	Kinds     []kindChoice
	Searching bool
	CollHref  string
	DataHref  string
	Clear     string
	Ask       []ui.AskLink
}

type crumb struct{ Title, Href string }

type kindChoice struct {
	Kind    catalog.Kind
	Href    string
	Current bool
}

type hit struct {
	Ref   catalog.Ref
	Name  string
	Path  string
	Parts []part
	InSQL bool
	Views *int64
}

type part struct {
	Text string
	Mark bool
}

const maxSearch = 200

// List shows a place of the catalog, or what a search found.
func (h *Handlers) List(q *page.Request) error {
	view, err := h.library.View(q.Context(), q.Org(), q.Conn.ID)
	if errs.KindOf(err) == errs.NotFound {
		return q.Page(http.StatusOK, "Catalog", "catalog", unscannedPage(q.Base()))
	}
	if err != nil {
		return err
	}
	params := q.R.URL.Query()
	text := ui.Clip(strings.TrimSpace(params.Get("q")), maxSearch)
	if text != "" {
		return h.search(q, text)
	}
	x := view.Index
	at := readPlace(params.Get("in"))
	by := params.Get("by")
	if at.kind == "database" || at.kind == "schema" {
		by = "databases"
	}
	if at.kind == "collection" || by != "databases" {
		by = "collections"
	}
	if at.kind == "" && by == "collections" {
		at = place{"collection", catalog.RootCollectionID}
	}
	path := q.Base() + "/catalog"
	href := func(p place) string { return ui.Address(path, url.Values{"in": {p.String()}}) }
	v := listView{
		Base: q.Base(), By: by, Now: q.Now,
		CollHref: path, DataHref: ui.Address(path, url.Values{"by": {"databases"}}),
	}
	if q.Chat() {
		v.Ask = []ui.AskLink{{Label: "Write SQL", Href: q.Base() + "/write"}}
	}
	var items []item
	var ok bool
	switch by {
	case "databases":
		v.Tree = databaseTree(x, href, at)
		items, ok = v.databases(view, at, href)
	default:
		v.Tree = collectionTree(x, href, at)
		items, ok = v.collection(view, at.id, href)
	}
	if !ok {
		return page.NotFound()
	}
	offset := min(ui.Offset(params), len(items))
	v.Items = items[offset:min(len(items), offset+ui.PerPage)]
	v.Pager = ui.Pages(path, params, len(v.Items), len(items), "item", "items")
	return q.Page(http.StatusOK, "Catalog", "catalog", listPage(v), page.Wide())
}

// collection lists what a collection holds: collections first, then dashboards,
// then questions, the most viewed first.
func (v *listView) collection(view *View, id string, href func(place) string) ([]item, bool) {
	x := view.Index
	c := x.Collection(id)
	if c == nil && id != catalog.RootCollectionID {
		return nil, false
	}
	v.Kind, v.Title = catalog.KindCollection, rootName
	if c != nil && id != catalog.RootCollectionID {
		v.Title, v.Text = c.Name, c.Description
		v.Path = crumbs(x, c.ParentID, href)
	}
	v.External = x.URL(catalog.Ref{Kind: catalog.KindCollection, ID: id})
	usage := view.Index.Snapshot().Usage
	var items []item
	for _, sub := range children(x)[id] {
		items = append(items, item{Ref: sub.Ref(), Name: sub.Name, Description: sub.Description, Official: sub.Official})
	}
	add := func(a catalog.Asset, description string, verified, public bool) {
		u := usage[a.Ref()]
		items = append(items, item{Ref: a.Ref(), Name: a.Title(), Description: description, Verified: verified, Exposed: public, Views: u.Views, Used: u.LastUsedAt})
	}
	for _, d := range x.Snapshot().Dashboards {
		if here(d.CollectionID, id) && !d.Archived {
			add(d, d.Description, d.Verified, d.Public)
		}
	}
	for _, q := range x.Snapshot().Questions {
		if here(q.CollectionID, id) && !q.Archived && q.DashboardID == "" {
			add(q, q.Description, q.Verified, q.Public)
		}
	}
	for _, t := range x.Snapshot().Transforms {
		if t.CollectionID != "" && here(t.CollectionID, id) && !t.Archived {
			add(t, t.Description, false, false)
		}
	}
	for _, d := range x.Snapshot().Documents {
		if d.CollectionID != "" && here(d.CollectionID, id) && !d.Archived {
			add(d, d.Description, false, false)
		}
	}
	slices.SortStableFunc(items, func(a, b item) int {
		return cmp.Or(order(a.Ref.Kind)-order(b.Ref.Kind), cmp.Compare(views(b.Views), views(a.Views)), compareNames(a.Name, b.Name), a.Ref.Compare(b.Ref))
	})
	return items, true
}

func here(collection, id string) bool {
	if collection == "" {
		collection = catalog.RootCollectionID
	}
	return collection == id
}

func views(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}

var kindOrder = []catalog.Kind{
	catalog.KindCollection, catalog.KindDatabase, catalog.KindTable, catalog.KindDashboard, catalog.KindModel, catalog.KindMetric, catalog.KindQuestion,
}

// order is where a kind stands in a listing; kinds that are not named come last.
func order(k catalog.Kind) int {
	if i := slices.Index(kindOrder, k); i >= 0 {
		return i
	}
	return len(kindOrder)
}

// databases lists databases, the schemas of one, or the tables of a schema.
func (v *listView) databases(view *View, at place, href func(place) string) ([]item, bool) {
	x := view.Index
	switch at.kind {
	case "database":
		d := x.Database(at.id)
		if d == nil {
			return nil, false
		}
		v.Kind, v.Title, v.Text = catalog.KindDatabase, d.Name, d.Description
		v.External = x.URL(d.Ref())
		v.Path = []crumb{{"Databases", v.DataHref}}
		return v.tables(view, func(t *catalog.Table) bool { return t.DatabaseID == d.ID }), true
	case "schema":
		databaseID, schema, _, _, ok := catalog.SplitID(at.id)
		d := x.Database(databaseID)
		if !ok || d == nil {
			return nil, false
		}
		v.Kind, v.Title = catalog.KindTable, schemaTitle(schema)
		v.Path = []crumb{{"Databases", v.DataHref}, {d.Name, href(place{"database", d.ID})}}
		return v.tables(view, func(t *catalog.Table) bool { return t.DatabaseID == d.ID && t.Schema == schema }), true
	}
	v.Kind, v.Title = catalog.KindDatabase, "Databases"
	count := map[string]int{}
	for _, t := range x.Snapshot().Tables {
		count[t.DatabaseID]++
	}
	var items []item
	for _, d := range x.Snapshot().Databases {
		items = append(items, item{Ref: d.Ref(), Name: d.Name, Description: d.Description, Extra: ui.Clean(d.Engine) + ", " + ui.Count(count[d.ID], "table", "tables")})
	}
	slices.SortStableFunc(items, func(a, b item) int { return compareNames(a.Name, b.Name) })
	return items, true
}

func (v *listView) tables(view *View, match func(*catalog.Table) bool) []item {
	var items []item
	for _, t := range view.Index.Snapshot().Tables {
		if match(t) {
			users := len(distinct(view.Graph.Users(t.Ref()), true))
			extra := ui.Count(len(t.Columns), "column", "columns") + ", used " + ui.Count(users, "time", "times")
			if users == 0 {
				extra = ui.Count(len(t.Columns), "column", "columns") + ", not used"
			}
			items = append(items, item{Ref: t.Ref(), Name: t.Name, Description: t.Description, Inactive: t.Inactive, Extra: extra, Count: users})
		}
	}
	slices.SortStableFunc(items, func(a, b item) int { return compareNames(a.Name, b.Name) })
	return items
}

// crumbs is the way from the top down to a collection.
func crumbs(x *catalog.Index, id string, href func(place) string) []crumb {
	var list []crumb
	for seen := map[string]bool{}; id != "" && !seen[id]; {
		seen[id] = true
		c := x.Collection(id)
		if id == catalog.RootCollectionID || c == nil {
			break
		}
		list = append(list, crumb{c.Name, href(place{"collection", c.ID})})
		id = c.ParentID
	}
	list = append(list, crumb{rootName, href(place{"collection", catalog.RootCollectionID})})
	slices.Reverse(list)
	return list
}

var searchKinds = []catalog.Kind{
	catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard, catalog.KindTable, catalog.KindColumn, catalog.KindCollection, catalog.KindSnippet,
}

func (h *Handlers) search(q *page.Request, text string) error {
	params := q.R.URL.Query()
	path := q.Base() + "/catalog"
	query := url.Values{"q": {text}}
	ask := SearchQuery{Text: text, Limit: ui.PerPage, Offset: ui.Offset(params)}
	kind := catalog.Kind(params.Get("kind"))
	if slices.Contains(searchKinds, kind) {
		ask.Kinds = []catalog.Kind{kind}
		query.Set("kind", string(kind))
	}
	hits, total, err := h.finder.Search(q.Context(), q.Org(), q.Conn.ID, ask)
	if err != nil {
		return err
	}
	v := listView{Base: q.Base(), Searching: true, Query: text, Now: q.Now, Title: "Search", Clear: path}
	v.Kinds = append(v.Kinds, kindChoice{"", ui.Address(path, ui.With(query, "kind", "")), len(ask.Kinds) == 0})
	for _, k := range searchKinds {
		v.Kinds = append(v.Kinds, kindChoice{k, ui.Address(path, ui.With(query, "kind", string(k))), kind == k})
	}
	for _, found := range hits {
		v.Hits = append(v.Hits, hit{Ref: found.Asset, Name: found.Name, Path: found.Path, InSQL: found.InSQL, Views: found.Views, Parts: parts(found)})
	}
	if page := params.Get("page"); page != "" {
		query.Set("page", page)
	}
	v.Pager = ui.Pages(path, query, len(v.Hits), total, "result", "results")
	return q.Page(http.StatusOK, "Search: "+ui.Clip(ui.Clean(text), 60), "catalog", listPage(v), page.Searched(text), page.Wide())
}

// parts cuts the marked text of a hit; nothing when it only repeats the name.
func parts(h store.SearchHit) []part {
	plain := strings.NewReplacer("\x02", "", "\x03", "").Replace(h.Snippet)
	if strings.TrimSpace(plain) == "" || plain == h.Name || plain == h.Path {
		return nil
	}
	var list []part
	rest := h.Snippet
	for rest != "" {
		before, after, found := strings.Cut(rest, "\x02")
		if before != "" {
			list = append(list, part{ui.Clean(before), false})
		}
		if !found {
			break
		}
		var mark string
		mark, rest, _ = strings.Cut(after, "\x03")
		if mark != "" {
			list = append(list, part{ui.Clean(mark), true})
		}
	}
	return list
}
