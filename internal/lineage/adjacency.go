package lineage

import (
	"cmp"
	"iter"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// adjacency is the compact form of a graph: assets are numbers, edges are
// parallel arrays in the order of the graph, and each asset has lists of the
// positions of its edges.
type adjacency struct {
	number map[catalog.Ref]int32
	refs   []catalog.Ref
	names  []string // of output columns; the first is the empty one
	ways   []Via

	edges links
	uses  links   // at column level
	into  []int32 // of uses: the output column's place in names

	out, in     lists // positions in edges
	columns     lists // positions in uses, by the column
	columnsInto lists // positions in uses, by the user
	opaque      []bool
}

// links are edges between numbered assets.
type links struct {
	from, to []int32
	how      []uint8 // place in ways, and in the lowest two bits the confidence
}

// maxWays is how many ways fit beside the confidence.
const maxWays = 64

// lists are many short lists in one array.
type lists struct {
	start []int32
	items []int32
}

func (l *lists) of(n int32) []int32 {
	if int(n)+1 >= len(l.start) {
		return nil
	}
	return l.items[l.start[n]:l.start[n+1]]
}

// collect builds the lists of n owners; owner says whose item each is.
func collect(n int, owner []int32) lists {
	l := lists{start: make([]int32, n+1), items: make([]int32, len(owner))}
	for _, o := range owner {
		l.start[o+1]++
	}
	for i := range n {
		l.start[i+1] += l.start[i]
	}
	at := slices.Clone(l.start)
	for i, o := range owner {
		l.items[at[o]] = int32(i)
		at[o]++
	}
	return l
}

// shaper makes the compact form, edge by edge in order.
type shaper struct {
	a      *adjacency
	byName map[string]int32
	last   catalog.Ref // of the edges before; most come in runs
	lastAt int32
}

func newShaper(edges, uses int) *shaper {
	a := &adjacency{
		number: make(map[catalog.Ref]int32, edges/2), names: []string{""},
		edges: links{make([]int32, 0, edges), make([]int32, 0, edges), make([]uint8, 0, edges)},
		uses:  links{make([]int32, 0, uses), make([]int32, 0, uses), make([]uint8, 0, uses)},
		into:  make([]int32, 0, uses),
	}
	return &shaper{a: a, byName: map[string]int32{"": 0}, lastAt: -1}
}

func (s *shaper) ref(r catalog.Ref) int32 {
	n, ok := s.a.number[r]
	if !ok {
		n = int32(len(s.a.refs))
		s.a.number[r] = n
		s.a.refs = append(s.a.refs, r)
	}
	return n
}

// owner is ref for the downstream end.
func (s *shaper) owner(r catalog.Ref) int32 {
	if s.lastAt < 0 || r != s.last {
		s.last, s.lastAt = r, s.ref(r)
	}
	return s.lastAt
}

// how packs the way and the confidence; ok is false when there are too many
// ways.
func (s *shaper) how(v Via, c finding.Confidence) (how uint8, ok bool) {
	i := slices.Index(s.a.ways, v)
	if i < 0 {
		if len(s.a.ways) == maxWays {
			return 0, false
		}
		i = len(s.a.ways)
		s.a.ways = append(s.a.ways, v)
	}
	return uint8(i<<2 | rank(c)), true
}

func (s *shaper) edge(from, to int32, how uint8) {
	e := &s.a.edges
	e.from, e.to, e.how = append(e.from, from), append(e.to, to), append(e.how, how)
}

func (s *shaper) use(from, to, name int32, how uint8) {
	u := &s.a.uses
	u.from, u.to, u.how = append(u.from, from), append(u.to, to), append(u.how, how)
	s.a.into = append(s.a.into, name)
}

func (s *shaper) name(text string) int32 {
	n, ok := s.byName[text]
	if !ok {
		n = int32(len(s.a.names))
		s.byName[text] = n
		s.a.names = append(s.a.names, text)
	}
	return n
}

// sort brings the edges into the order of a graph and drops repetitions: of the
// same use stated twice, the surer statement stays.
func (s *shaper) sort() {
	a := s.a
	byRef := make([]int32, len(a.refs)) // numbers in the order of references
	for i := range byRef {
		byRef[i] = int32(i)
	}
	slices.SortFunc(byRef, func(x, y int32) int { return a.refs[x].Compare(a.refs[y]) })
	order := make([]int32, len(a.refs))
	for place, n := range byRef {
		order[n] = int32(place)
	}
	less := func(l *links, x, y int32) int {
		return cmp.Or(cmp.Compare(order[l.from[x]], order[l.from[y]]), cmp.Compare(a.ways[l.how[x]>>2], a.ways[l.how[y]>>2]))
	}
	kept := arrange(&a.edges, byRef, func(x, y int32) int { return less(&a.edges, x, y) })
	a.edges = a.edges.pick(kept)
	kept = arrange(&a.uses, byRef, func(x, y int32) int {
		return cmp.Or(less(&a.uses, x, y), cmp.Compare(a.names[a.into[x]], a.names[a.into[y]]))
	})
	a.uses, a.into = a.uses.pick(kept), pick(a.into, kept)
}

// arrange lists the positions of links in the order of their downstream ends,
// and of each end's in the order of compare, without those that compare as
// equal to a surer one. Most of it is sorting the few links of one asset.
func arrange(l *links, byRef []int32, compare func(x, y int32) int) []int32 {
	lists := collect(len(byRef), l.to)
	kept := make([]int32, 0, len(l.to))
	for _, n := range byRef {
		positions := lists.of(n)
		slices.SortFunc(positions, func(x, y int32) int {
			return cmp.Or(compare(x, y), cmp.Compare(l.how[x]&3, l.how[y]&3))
		})
		for i, p := range positions {
			if i == 0 || compare(positions[i-1], p) != 0 {
				kept = append(kept, p)
			}
		}
	}
	return kept
}

func (l *links) pick(positions []int32) links {
	return links{pick(l.from, positions), pick(l.to, positions), pick(l.how, positions)}
}

func pick[T any](from []T, positions []int32) []T {
	out := make([]T, len(positions))
	for i, p := range positions {
		out[i] = from[p]
	}
	return out
}

func (s *shaper) finish(unresolved []Unresolved) *adjacency {
	a := s.a
	n := len(a.refs)
	a.out, a.in = collect(n, a.edges.from), collect(n, a.edges.to)
	a.columns, a.columnsInto = collect(n, a.uses.from), collect(n, a.uses.to)
	a.opaque = make([]bool, n)
	for i := range unresolved {
		if k, ok := a.number[unresolved[i].Asset]; ok {
			a.opaque[k] = true
		}
	}
	return a
}

// adjacency returns the compact form, made at the first call.
func (g *Graph) adjacency() *adjacency {
	g.once.Do(func() {
		if g.index != nil { // unpacked
			return
		}
		s := newShaper(len(g.Edges), len(g.ColumnEdges))
		for i := range g.Edges {
			e := &g.Edges[i]
			how, _ := s.how(e.Via, e.Confidence)
			s.edge(s.ref(e.From), s.owner(e.To), how)
		}
		for i := range g.ColumnEdges {
			e := &g.ColumnEdges[i]
			how, _ := s.how(e.Via, e.Confidence)
			s.use(s.ref(e.From), s.owner(e.To), s.name(e.ToColumn), how)
		}
		g.index = s.finish(g.Unresolved)
	})
	return g.index
}

// confidenceOf is what rank numbered.
func confidenceOf(how uint8) finding.Confidence {
	switch how & 3 {
	case 0:
		return finding.Certain
	case 1:
		return finding.Likely
	}
	return finding.Possible
}

// edge writes out an edge.
func (a *adjacency) edge(p int32) Edge {
	how := a.edges.how[p]
	return Edge{From: a.refs[a.edges.from[p]], To: a.refs[a.edges.to[p]], Via: a.ways[how>>2], Confidence: confidenceOf(how)}
}

func (a *adjacency) columnEdge(p int32) ColumnEdge {
	how := a.uses.how[p]
	return ColumnEdge{
		From: a.refs[a.uses.from[p]], To: a.refs[a.uses.to[p]], ToColumn: a.names[a.into[p]],
		Via: a.ways[how>>2], Confidence: confidenceOf(how),
	}
}

func (a *adjacency) listed(r catalog.Ref, from *lists) []Edge {
	n, ok := a.number[r]
	if !ok {
		return nil
	}
	positions := from.of(n)
	out := make([]Edge, len(positions))
	for i, p := range positions {
		out[i] = a.edge(p)
	}
	return out
}

func (a *adjacency) listedColumns(r catalog.Ref, from *lists) []ColumnEdge {
	n, ok := a.number[r]
	if !ok {
		return nil
	}
	positions := from.of(n)
	if len(positions) == 0 {
		return nil
	}
	out := make([]ColumnEdge, len(positions))
	for i, p := range positions {
		out[i] = a.columnEdge(p)
	}
	return out
}

// ends lists the other ends of an asset's edges.
func (a *adjacency) ends(l *lists, n int32, end []int32) []int32 {
	positions := l.of(n)
	out := make([]int32, len(positions))
	for i, p := range positions {
		out[i] = end[p]
	}
	return out
}

// AllEdges yields the edges in their order.
func (g *Graph) AllEdges() iter.Seq[Edge] {
	a := g.adjacency()
	return func(yield func(Edge) bool) {
		for p := range a.edges.to {
			if !yield(a.edge(int32(p))) {
				return
			}
		}
	}
}

// AllColumnEdges yields the edges at column level in their order.
func (g *Graph) AllColumnEdges() iter.Seq[ColumnEdge] {
	a := g.adjacency()
	return func(yield func(ColumnEdge) bool) {
		for p := range a.uses.to {
			if !yield(a.columnEdge(int32(p))) {
				return
			}
		}
	}
}

// Compact returns the graph without the fields that [Build] alone fills.
func (g *Graph) Compact() *Graph {
	return &Graph{Unresolved: g.Unresolved, Navigation: g.Navigation, index: g.adjacency()}
}

// Bytes estimates the memory that the graph takes.
func (g *Graph) Bytes() int64 {
	a := g.adjacency()
	n := int64(len(g.Edges))*96 + int64(len(g.ColumnEdges))*112 + int64(len(g.Unresolved))*160 + int64(len(g.Navigation))*64
	n += int64(len(a.refs)) * (2*32 + 4 + 24 + 4*8) // number and refs with their texts, lists
	n += int64(len(a.names)) * 64
	return n + int64(len(a.edges.to))*(9+8) + int64(len(a.uses.to))*(13+8)
}
