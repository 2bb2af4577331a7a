package grants

import (
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/store"
)

// Part is the part of a scan that a grant lets a member see.
type Part struct {
	Index *catalog.Index
	Graph *lineage.Graph
	// HiddenSources and HiddenUsers count, for visible assets, the assets outside
	// the part that they use or are used by themselves; a column has the users of
	// its own. How many is all they say.
	HiddenSources map[catalog.Ref]int
	HiddenUsers   map[catalog.Ref]int

	filter *filter
}

// Sees reports whether the part holds an asset or a column.
func (p *Part) Sees(r catalog.Ref) bool { return p.filter.sees(r) }

// Show returns a copy of an asset, or of an earlier version of it, without
// references to what the part does not hold; nil when it does not hold the asset
// itself.
func (p *Part) Show(a catalog.Asset) catalog.Asset {
	if a == nil || !p.filter.sees(a.Ref()) {
		return nil
	}
	return p.filter.copy(a)
}

// Uncount leaves of the counts only that there is something.
func (p *Part) Uncount() {
	for _, counts := range []map[catalog.Ref]int{p.HiddenSources, p.HiddenUsers} {
		for r := range counts {
			counts[r] = 1
		}
	}
}

// filter decides what is visible: content by its collection, and what content
// rests on by use.
type filter struct {
	full        *catalog.Index
	graph       *lineage.Graph
	collections map[string]bool // granted ones with everything below
	seen        map[catalog.Ref]bool
}

// Filter cuts the part out of a scan that a grant lets see. Content counts by its
// collection; databases, tables, columns, snippets, segments and measures are
// visible where visible content uses them itself. What hidden content between
// them uses stays hidden. Neither index nor graph is changed.
func Filter(full *catalog.Index, graph *lineage.Graph, grant store.Grant) *Part {
	f := &filter{full: full, graph: graph, collections: Reach(full, grant), seen: map[catalog.Ref]bool{}}
	f.content()
	f.support()
	f.people()
	p := &Part{HiddenSources: map[catalog.Ref]int{}, HiddenUsers: map[catalog.Ref]int{}, filter: f}
	p.Graph = f.edges(p)
	p.Index = catalog.NewIndex(f.snapshot())
	return p
}

// Reach lists the collections that a grant opens: the named ones with everything
// below them. The root stands for itself alone. A grant of everything opens every
// collection.
func Reach(x *catalog.Index, grant store.Grant) map[string]bool {
	open := map[string]bool{}
	switch grant.Mode {
	case store.GrantAll:
		open[catalog.RootCollectionID] = true
		for _, c := range x.Snapshot().Collections {
			open[c.ID] = true
		}
	case store.GrantCollections:
		named := map[string]bool{}
		for _, id := range grant.Collections {
			named[id] = true
		}
		open[catalog.RootCollectionID] = named[catalog.RootCollectionID]
		for _, c := range x.Snapshot().Collections {
			if within(x, c.ID, named) {
				open[c.ID] = true
			}
		}
	}
	return open
}

// within reports whether a collection or one above it is named; the root above
// does not count.
func within(x *catalog.Index, id string, named map[string]bool) bool {
	if id == catalog.RootCollectionID {
		return named[id]
	}
	passed := map[string]bool{}
	for id != "" && id != catalog.RootCollectionID && !passed[id] {
		if named[id] {
			return true
		}
		passed[id] = true
		c := x.Collection(id)
		if c == nil {
			return false
		}
		id = c.ParentID
	}
	return false
}

// Home is the collection that an asset is found in: a question inside a dashboard
// or a document where that is. ok is false for what lives in no collection, and
// for content whose place the scan could not read.
func Home(x *catalog.Index, a catalog.Asset) (id string, ok bool) {
	switch a := a.(type) {
	case *catalog.Question:
		switch {
		case a.Unreadable:
			return "", false
		case a.DashboardID != "":
			if d := x.Dashboard(a.DashboardID); d != nil {
				id = d.CollectionID
			}
		case a.DocumentID != "":
			if d, known := x.Asset(catalog.Ref{Kind: catalog.KindDocument, ID: a.DocumentID}).(*catalog.Document); known {
				id = d.CollectionID
			}
		default:
			id = a.CollectionID
		}
	case *catalog.Dashboard:
		id = a.CollectionID
	case *catalog.Document:
		id = a.CollectionID
	case *catalog.Collection:
		id = a.ID
	}
	return id, id != ""
}

func (f *filter) sees(r catalog.Ref) bool {
	if r.Kind.IsCard() {
		q := f.full.Question(r.ID)
		return q != nil && f.seen[q.Ref()]
	}
	return f.seen[r]
}

func (f *filter) card(id string) bool {
	return id != "" && f.sees(catalog.Ref{Kind: catalog.KindQuestion, ID: id})
}

// content marks what lies in open collections, and what belongs to it.
func (f *filter) content() {
	s := f.full.Snapshot()
	mark := func(a catalog.Asset) {
		if home, ok := Home(f.full, a); ok && f.collections[home] {
			f.seen[a.Ref()] = true
		}
	}
	for _, q := range s.Questions {
		mark(q)
	}
	for _, d := range s.Dashboards {
		mark(d)
	}
	for _, d := range s.Documents {
		mark(d)
	}
	for _, c := range s.Collections {
		mark(c)
	}
	for _, x := range s.Subscriptions {
		if x.DashboardID != "" && f.seen[catalog.Ref{Kind: catalog.KindDashboard, ID: x.DashboardID}] {
			f.seen[x.Ref()] = true
		}
	}
	for _, x := range s.Alerts {
		f.seen[x.Ref()] = f.card(x.QuestionID)
	}
	for _, x := range s.Actions {
		f.seen[x.Ref()] = f.card(x.ModelID)
	}
}

// rests reports whether assets of a kind are visible by use.
func rests(k catalog.Kind) bool {
	switch k {
	case catalog.KindTable, catalog.KindColumn, catalog.KindDatabase, catalog.KindSnippet, catalog.KindSegment, catalog.KindMeasure:
		return true
	}
	return false
}

// support marks what visible content uses itself, and what that rests on.
func (f *filter) support() {
	var work []catalog.Ref
	for r, seen := range f.seen {
		if seen {
			work = append(work, r)
		}
	}
	see := func(r catalog.Ref) {
		if !f.seen[r] {
			f.seen[r] = true
			work = append(work, r)
		}
	}
	var columns []catalog.Ref
	for len(work) > 0 {
		r := work[len(work)-1]
		work = work[:len(work)-1]
		if r.Kind == catalog.KindTable || r.Kind == catalog.KindColumn || r.Kind == catalog.KindDatabase {
			if r.Kind == catalog.KindTable {
				if t := f.full.Table(r.ID); t != nil {
					see(catalog.Ref{Kind: catalog.KindDatabase, ID: t.DatabaseID})
				}
			}
			continue
		}
		if q := f.full.Question(r.ID); q != nil && r.Kind.IsCard() && q.DatabaseID != "" {
			see(catalog.Ref{Kind: catalog.KindDatabase, ID: q.DatabaseID})
		}
		for _, e := range f.graph.Sources(r) {
			if rests(e.From.Kind) {
				see(e.From)
			}
		}
		for _, e := range f.graph.ColumnSources(r) {
			columns = append(columns, e.From)
		}
	}
	// A column counts where its table does: one that only hidden content reads
	// may reach visible content through it.
	for _, c := range columns {
		if f.seen[catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(c.ID)}] {
			f.seen[c] = true
		}
	}
}

// people marks who made or keeps what is visible.
func (f *filter) people() {
	see := func(ids ...string) {
		for _, id := range ids {
			if f.full.Person(id) != nil {
				f.seen[catalog.Ref{Kind: catalog.KindPerson, ID: id}] = true
			}
		}
	}
	for a := range f.full.Snapshot().All() {
		if !f.seen[a.Ref()] {
			continue
		}
		switch a := a.(type) {
		case *catalog.Question:
			see(a.CreatorID, a.LastEditorID)
		case *catalog.Dashboard:
			see(a.CreatorID, a.LastEditorID)
		case *catalog.Document:
			see(a.CreatorID)
		case *catalog.Table:
			see(a.OwnerID)
		case *catalog.Collection:
			see(a.PersonalOwnerID)
		}
	}
}

// edges keeps what runs between visible assets and notes where more begins.
func (f *filter) edges(p *Part) *lineage.Graph {
	g := &lineage.Graph{}
	var last lineage.Edge // edges are sorted by their ends: several ways between two assets count once
	for e := range f.graph.AllEdges() {
		from, to := f.sees(e.From), f.sees(e.To)
		again := e.From == last.From && e.To == last.To
		last = e
		switch {
		case from && to:
			g.Edges = append(g.Edges, e)
		case again:
		case from:
			p.HiddenUsers[e.From]++
		case to:
			p.HiddenSources[e.To]++
		}
	}
	var before lineage.ColumnEdge
	for e := range f.graph.AllColumnEdges() {
		from, to := f.sees(e.From), f.sees(e.To)
		again := e.From == before.From && e.To == before.To
		before = e
		switch {
		case from && to:
			g.ColumnEdges = append(g.ColumnEdges, e)
		case from && !again:
			p.HiddenUsers[e.From]++
		}
	}
	for _, u := range f.graph.Unresolved {
		if !f.sees(u.Asset) {
			continue
		}
		if p.HiddenSources[u.Asset] > 0 { // its words may be those of what is hidden
			u.Detail, u.Target = "", catalog.Ref{}
		}
		g.Unresolved = append(g.Unresolved, u)
	}
	for _, n := range f.graph.Navigation {
		if f.sees(n.From) && f.sees(n.To) {
			g.Navigation = append(g.Navigation, n)
		}
	}
	return g.Compact()
}

// snapshot copies what is visible.
func (f *filter) snapshot() *catalog.Snapshot {
	full := f.full.Snapshot()
	s := &catalog.Snapshot{
		Instance: full.Instance, StartedAt: full.StartedAt, FinishedAt: full.FinishedAt, Usage: map[catalog.Ref]catalog.Usage{},
	}
	s.Instance.Reader.GroupIDs, s.Instance.Reader.PersonID = nil, ""
	s.Gaps = append(s.Gaps, catalog.Gap{What: "a part of this Metabase", Reason: "there is more than you may see"})
	for _, g := range full.Gaps {
		if g.Whole && g.Kind != "" { // a gap's words may name what is hidden
			s.Gaps = append(s.Gaps, catalog.Gap{What: "every " + string(g.Kind), Kind: g.Kind, Reason: "it could not be read", Whole: true, Expected: g.Expected})
		}
	}
	for a := range full.All() {
		r := a.Ref()
		if !f.seen[r] {
			continue
		}
		s.Add(f.copy(a))
		if u, ok := full.Usage[r]; ok {
			u.DashboardCount = nil // counts hidden ones too
			s.Usage[r] = u
		}
	}
	s.Sort()
	return s
}

// keep returns the ids of cards that are visible.
func (f *filter) keep(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !f.card(id) })
}

func (f *filter) refs(list []catalog.Ref) []catalog.Ref {
	return slices.DeleteFunc(slices.Clone(list), func(r catalog.Ref) bool { return !f.sees(r) })
}
