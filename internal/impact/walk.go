package impact

import (
	"cmp"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// use is one way in which an asset reads a root column itself.
type use struct {
	column     string
	output     string // column of the asset's result that carries the value
	via        lineage.Via
	confidence finding.Confidence
}

// arrow leads from one asset of the walk to another.
type arrow struct {
	from, to   catalog.Ref
	via        lineage.Via
	confidence finding.Confidence
}

// node is an asset that the walk reached.
type node struct {
	ref      catalog.Ref
	distance int // 0 for roots
	in       []arrow
	uses     []use
	opaque   bool // part of what it reads is not known, and it was reached for that reason
	hidden   bool // reached by its text alone: lineage could not read it
}

// walk collects everything downstream of the roots. From a column it is exact
// where lineage is: an asset further down is reached when it uses the column
// itself, or when part of what it uses is unresolved.
type walk struct {
	in      Input
	nodes   map[catalog.Ref]*node
	arrows  map[arrow]bool
	out     map[catalog.Ref][]arrow
	opaque  map[catalog.Ref]bool
	columns map[string]bool // columns followed so far
}

func newWalk(in Input) *walk {
	w := &walk{
		in: in, nodes: map[catalog.Ref]*node{}, arrows: map[arrow]bool{}, out: map[catalog.Ref][]arrow{},
		opaque: make(map[catalog.Ref]bool, len(in.Unresolved)), columns: map[string]bool{},
	}
	for i := range in.Unresolved {
		w.opaque[in.Unresolved[i].Asset] = true
	}
	return w
}

// root starts a walk.
func (w *walk) root(r catalog.Ref) {
	w.node(r)
	if r.Kind == catalog.KindColumn {
		w.column(r.ID, r)
		return
	}
	w.everything(r)
	if r.Kind == catalog.KindTable {
		w.filtersOf(r)
	}
}

func (w *walk) node(r catalog.Ref) *node {
	n := w.nodes[r]
	if n == nil {
		n = &node{ref: r}
		w.nodes[r] = n
	}
	return n
}

func (w *walk) connect(a arrow) {
	if a.from == a.to || w.arrows[a] {
		return
	}
	w.arrows[a] = true
	w.out[a.from] = append(w.out[a.from], a)
	n := w.node(a.to)
	n.in = append(n.in, a)
}

// everything follows all users of an asset.
func (w *walk) everything(r catalog.Ref) {
	seen := map[catalog.Ref]bool{r: true}
	for work := []catalog.Ref{r}; len(work) > 0; {
		from := work[len(work)-1]
		work = work[:len(work)-1]
		for _, e := range w.in.Graph.Users(from) {
			w.connect(arrow{e.From, e.To, e.Via, e.Confidence})
			if !seen[e.To] {
				seen[e.To] = true
				work = append(work, e.To)
			}
		}
	}
}

// filtersOf adds what reads a table's columns without reading the table:
// dashboards whose filters work on it.
func (w *walk) filtersOf(table catalog.Ref) {
	t := w.in.Index.Table(table.ID)
	if t == nil {
		return
	}
	for _, c := range t.Columns {
		for _, e := range w.in.Graph.ColumnUsers(c.Ref()) {
			reached := w.nodes[e.To] != nil
			n := w.node(e.To)
			n.uses = append(n.uses, use{c.ID, e.ToColumn, e.Via, e.Confidence})
			if !reached {
				w.connect(arrow{table, e.To, e.Via, e.Confidence})
				w.everything(e.To)
			}
		}
	}
}

// column follows the users of one column; from is the root, or the table that a
// transform wrote the column into.
func (w *walk) column(id string, from catalog.Ref) {
	if w.columns[id] {
		return
	}
	w.columns[id] = true
	users := map[catalog.Ref][]use{}
	for _, e := range w.in.Graph.ColumnUsers(catalog.Ref{Kind: catalog.KindColumn, ID: id}) {
		users[e.To] = append(users[e.To], use{id, e.ToColumn, e.Via, e.Confidence})
	}
	if len(users) == 0 {
		return
	}
	for r, list := range users {
		n := w.node(r)
		n.uses = append(n.uses, list...)
	}
	first := w.firstUsers(id, users)
	seen := map[catalog.Ref]bool{}
	for _, r := range first {
		seen[r] = true
		for _, u := range users[r] {
			w.connect(arrow{from, r, u.via, u.confidence})
		}
	}
	for work := first; len(work) > 0; {
		at := work[len(work)-1]
		work = work[:len(work)-1]
		if at.Kind == catalog.KindTable {
			continue // written by a transform: only the columns it fills go on
		}
		for _, e := range w.in.Graph.Users(at) {
			// A segment's or metric's definition becomes part of whoever uses it.
			uses := users[e.To] != nil || e.Via == lineage.ViaSegment || e.Via == lineage.ViaMetric
			if !uses && !w.opaque[e.To] && readsColumns(e.To.Kind) {
				continue
			}
			w.connect(arrow{e.From, e.To, e.Via, e.Confidence})
			if !uses && readsColumns(e.To.Kind) {
				w.node(e.To).opaque = true
			}
			if e.To.Kind == catalog.KindTable {
				w.filled(at, e.To)
			}
			if !seen[e.To] {
				seen[e.To] = true
				work = append(work, e.To)
			}
		}
	}
}

// filled goes on from the columns that a transform fills with a root's values.
func (w *walk) filled(transform, table catalog.Ref) {
	t := w.in.Index.Table(table.ID)
	if t == nil {
		return
	}
	for _, u := range slices.Clone(w.node(transform).uses) {
		if u.output == "" {
			continue
		}
		for _, c := range t.Columns {
			if strings.EqualFold(c.Name, u.output) {
				w.column(c.ID, table)
			}
		}
	}
}

// firstUsers picks the users that read a column themselves, not through another
// user, in order.
func (w *walk) firstUsers(id string, users map[catalog.Ref][]use) []catalog.Ref {
	table := catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(id)}
	all := make([]catalog.Ref, 0, len(users))
	for r := range users {
		all = append(all, r)
	}
	slices.SortFunc(all, catalog.Ref.Compare)
	var first, later []catalog.Ref
	for _, r := range all {
		direct, through := false, false
		for _, e := range w.in.Graph.Sources(r) {
			direct = direct || e.From == table
			through = through || e.From != r && users[e.From] != nil
		}
		if direct || !through {
			first = append(first, r)
		} else {
			later = append(later, r)
		}
	}
	reached := map[catalog.Ref]bool{}
	reach := func(r catalog.Ref) {
		for work := []catalog.Ref{r}; len(work) > 0; {
			r, work = work[len(work)-1], work[:len(work)-1]
			if reached[r] {
				continue
			}
			reached[r] = true
			for _, e := range w.in.Graph.Users(r) {
				if users[e.To] != nil {
					work = append(work, e.To)
				}
			}
		}
	}
	for _, r := range first {
		reach(r)
	}
	for _, r := range later { // in a cycle nobody is first
		if !reached[r] {
			first = append(first, r)
			reach(r)
		}
	}
	return first
}

// readsColumns reports whether assets of a kind have column lineage of their
// own; the others depend on whatever they show.
func readsColumns(k catalog.Kind) bool {
	return k.IsCard() || k == catalog.KindSegment || k == catalog.KindMeasure
}

// measure sets every node's distance from the nearest root and drops nodes that
// no way leads to.
func (w *walk) measure(roots []catalog.Ref) {
	distance := map[catalog.Ref]int{}
	var level []catalog.Ref
	for _, r := range roots {
		if _, seen := distance[r]; !seen && w.nodes[r] != nil {
			distance[r] = 0
			level = append(level, r)
		}
	}
	for depth := 1; len(level) > 0; depth++ {
		var next []catalog.Ref
		for _, r := range level {
			for _, a := range w.out[r] {
				if _, seen := distance[a.to]; !seen {
					distance[a.to] = depth
					next = append(next, a.to)
				}
			}
		}
		level = next
	}
	for r, n := range w.nodes {
		d, ok := distance[r]
		if !ok {
			delete(w.nodes, r)
			continue
		}
		n.distance = d
	}
	for _, n := range w.nodes {
		n.in = slices.DeleteFunc(n.in, func(a arrow) bool { return w.nodes[a.from] == nil })
		slices.SortFunc(n.in, func(a, b arrow) int {
			return cmp.Or(w.nodes[a.from].distance-w.nodes[b.from].distance, viaRank(a.via)-viaRank(b.via), a.from.Compare(b.from),
				b.confidence.Rank()-a.confidence.Rank())
		})
	}
}

// viaRank orders ways of use by how much they say.
func viaRank(v lineage.Via) int {
	order := []lineage.Via{
		lineage.ViaQuery, lineage.ViaSourceCard, lineage.ViaModel, lineage.ViaCardReference, lineage.ViaMetric, lineage.ViaSegment,
		lineage.ViaSnippet, lineage.ViaJoin, lineage.ViaTransform, lineage.ViaAction, lineage.ViaDashcard, lineage.ViaSeries,
		lineage.ViaFilter, lineage.ViaParameterSource, lineage.ViaSubscription, lineage.ViaAlert,
	}
	if i := slices.Index(order, v); i >= 0 {
		return i
	}
	return len(order)
}

// paths lists up to limit shortest ways from a root to a node, both ends
// included, in order.
func (w *walk) paths(to catalog.Ref, limit int) [][]catalog.Ref {
	var out [][]catalog.Ref
	var back func(n *node, tail []catalog.Ref)
	back = func(n *node, tail []catalog.Ref) {
		tail = append([]catalog.Ref{n.ref}, tail...)
		if n.distance == 0 {
			out = append(out, tail)
			return
		}
		var done []catalog.Ref
		for _, a := range n.in {
			from := w.nodes[a.from]
			if from.distance != n.distance-1 || slices.Contains(done, a.from) || len(out) >= limit {
				continue
			}
			done = append(done, a.from)
			back(from, tail)
		}
	}
	if n := w.nodes[to]; n != nil && n.distance > 0 {
		back(n, nil)
	}
	slices.SortFunc(out, func(a, b []catalog.Ref) int { return slices.CompareFunc(a, b, catalog.Ref.Compare) })
	return out
}
