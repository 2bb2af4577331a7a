package lineage

import (
	"slices"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
)

// Graph is the lineage of one snapshot. It must not be changed once built and
// is safe for concurrent use then.
//
// Edges and ColumnEdges are filled by [Build] alone. A graph that was read back
// with [Unpack] holds them in a compact form only: AllEdges, AllColumnEdges and
// the other methods work on both.
type Graph struct {
	Edges       []Edge       // sorted by downstream end, upstream end, via
	ColumnEdges []ColumnEdge // sorted likewise
	Unresolved  []Unresolved // sorted by asset
	Navigation  []Navigation // click targets and links: no data flows along them

	once  sync.Once
	index *adjacency
}

// Navigation is a way a reader can click from one asset to another.
type Navigation struct {
	From catalog.Ref `json:"from"` // where the click happens
	To   catalog.Ref `json:"to"`
}

// Step is an asset at a distance from the start of a walk.
type Step struct {
	Asset    catalog.Ref
	Distance int
}

// Users lists the edges out of an asset: its direct users.
func (g *Graph) Users(r catalog.Ref) []Edge {
	a := g.adjacency()
	return a.listed(r, &a.out)
}

// Sources lists the edges into an asset: what it uses directly.
func (g *Graph) Sources(r catalog.Ref) []Edge {
	a := g.adjacency()
	return a.listed(r, &a.in)
}

// ColumnUsers lists the column edges out of a column.
func (g *Graph) ColumnUsers(column catalog.Ref) []ColumnEdge {
	a := g.adjacency()
	return a.listedColumns(column, &a.columns)
}

// ColumnSources lists the column edges into an asset.
func (g *Graph) ColumnSources(r catalog.Ref) []ColumnEdge {
	a := g.adjacency()
	return a.listedColumns(r, &a.columnsInto)
}

// Upstream lists everything the asset depends on, nearest first, assets of the
// same distance in order; maxDepth 0 means no limit. The asset itself is not
// listed, not even when it depends on itself.
func (g *Graph) Upstream(r catalog.Ref, maxDepth int) []Step {
	a := g.adjacency()
	return g.walk(r, maxDepth, func(n int32, _ int) []int32 {
		return a.ends(&a.in, n, a.edges.from)
	})
}

// Downstream lists everything that depends on the asset, nearest first, assets
// of the same distance in order; maxDepth 0 means no limit.
//
// From a column the walk is exact where lineage is: a question further down is
// listed when it uses the column itself, or when part of what it uses is
// unresolved, so that nobody can tell.
func (g *Graph) Downstream(r catalog.Ref, maxDepth int) []Step {
	a := g.adjacency()
	if r.Kind != catalog.KindColumn {
		return g.walk(r, maxDepth, func(n int32, _ int) []int32 {
			return a.ends(&a.out, n, a.edges.to)
		})
	}
	n, ok := a.number[r]
	if !ok {
		return nil
	}
	users := map[int32]bool{}
	for _, p := range a.columns.of(n) {
		users[a.uses.to[p]] = true
	}
	first := g.firstUsers(r, users)
	return g.walk(r, maxDepth, func(n int32, depth int) []int32 {
		if depth == 0 {
			return first
		}
		var next []int32
		for _, p := range a.out.of(n) {
			to := a.edges.to[p]
			if users[to] || a.opaque[to] || !readsColumns(a.refs[to].Kind) {
				next = append(next, to)
			}
		}
		return next
	})
}

// firstUsers picks the users of a column that read it themselves, not through
// another user.
func (g *Graph) firstUsers(column catalog.Ref, users map[int32]bool) []int32 {
	a := g.adjacency()
	table := catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(column.ID)}
	var first, later []int32
	for n := range users {
		sources := a.ends(&a.in, n, a.edges.from)
		direct := slices.ContainsFunc(sources, func(m int32) bool { return a.refs[m] == table })
		if direct || !slices.ContainsFunc(sources, func(m int32) bool { return m != n && users[m] }) {
			first = append(first, n)
		} else {
			later = append(later, n)
		}
	}
	reached := map[int32]bool{}
	reach := func(n int32) {
		for work := []int32{n}; len(work) > 0; {
			n, work = work[len(work)-1], work[:len(work)-1]
			if reached[n] {
				continue
			}
			reached[n] = true
			for _, p := range a.out.of(n) {
				if to := a.edges.to[p]; users[to] {
					work = append(work, to)
				}
			}
		}
	}
	for _, n := range first {
		reach(n)
	}
	slices.SortFunc(later, func(x, y int32) int { return a.refs[x].Compare(a.refs[y]) })
	for _, n := range later { // in a cycle nobody is first
		if !reached[n] {
			first = append(first, n)
			reach(n)
		}
	}
	return first
}

// readsColumns reports whether assets of a kind have column lineage of their
// own; the others depend on whatever they show.
func readsColumns(k catalog.Kind) bool {
	return k.IsCard() || k == catalog.KindSegment || k == catalog.KindMeasure
}

// walk goes breadth first, each level in the order of references.
func (g *Graph) walk(r catalog.Ref, maxDepth int, next func(n int32, depth int) []int32) []Step {
	a := g.adjacency()
	start, ok := a.number[r]
	if !ok {
		return nil
	}
	seen := make([]bool, len(a.refs))
	seen[start] = true
	var out []Step
	level := []int32{start}
	for depth := 0; len(level) > 0 && (maxDepth <= 0 || depth < maxDepth); depth++ {
		var following []int32
		for _, n := range level {
			for _, m := range next(n, depth) {
				if !seen[m] {
					seen[m] = true
					following = append(following, m)
				}
			}
		}
		slices.SortFunc(following, func(x, y int32) int { return a.refs[x].Compare(a.refs[y]) })
		for _, n := range following {
			out = append(out, Step{a.refs[n], depth + 1})
		}
		level = following
	}
	return out
}

// Paths lists up to limit shortest ways from an upstream to a downstream asset,
// both ends included, in order. From a column the first step is a column edge.
func (g *Graph) Paths(from, to catalog.Ref, limit int) [][]catalog.Ref {
	a := g.adjacency()
	start, ok := a.number[from]
	goal, ok2 := a.number[to]
	if !ok || !ok2 || limit <= 0 || start == goal {
		return nil
	}
	steps := func(n int32) []int32 {
		list := a.ends(&a.out, n, a.edges.to)
		for _, p := range a.columns.of(n) {
			list = append(list, a.uses.to[p])
		}
		slices.SortFunc(list, func(x, y int32) int { return a.refs[x].Compare(a.refs[y]) })
		return slices.Compact(list)
	}
	// Distances to the goal, backwards, so that only useful branches are tried.
	distance := map[int32]int{goal: 0}
	level := []int32{goal}
	firstSteps := steps(start)
	for depth := 1; len(level) > 0; depth++ {
		if _, reached := distance[start]; reached {
			break
		}
		var before []int32
		for _, n := range level {
			sources := a.ends(&a.in, n, a.edges.from)
			if slices.Contains(firstSteps, n) {
				sources = append(sources, start)
			}
			for _, m := range sources {
				if _, seen := distance[m]; !seen {
					distance[m] = depth
					before = append(before, m)
				}
			}
		}
		level = before
	}
	if _, reached := distance[start]; !reached {
		return nil
	}
	var out [][]catalog.Ref
	var follow func(n int32, path []catalog.Ref)
	follow = func(n int32, path []catalog.Ref) {
		path = append(path, a.refs[n])
		if n == goal {
			out = append(out, slices.Clone(path))
			return
		}
		for _, m := range steps(n) {
			if d, ok := distance[m]; ok && d == distance[n]-1 && len(out) < limit {
				follow(m, path)
			}
		}
	}
	follow(start, nil)
	return out
}

// Cycles lists the groups of assets that depend on themselves, each sorted, the
// groups in order of their first member.
func (g *Graph) Cycles() [][]catalog.Ref {
	a := g.adjacency()
	n := len(a.refs)
	order, low := make([]int32, n), make([]int32, n)
	onStack := make([]bool, n)
	var stack []int32
	var counter int32
	var out [][]catalog.Ref
	type frame struct {
		node int32
		next int
	}
	for root := range int32(n) {
		if order[root] != 0 {
			continue
		}
		work := []frame{{node: root}}
		for len(work) > 0 {
			f := &work[len(work)-1]
			v := f.node
			if f.next == 0 {
				counter++
				order[v], low[v] = counter, counter
				stack = append(stack, v)
				onStack[v] = true
			}
			edges := a.out.of(v)
			descended := false
			for f.next < len(edges) {
				w := a.edges.to[edges[f.next]]
				f.next++
				if order[w] == 0 {
					work = append(work, frame{node: w})
					descended = true
					break
				}
				if onStack[w] {
					low[v] = min(low[v], order[w])
				}
			}
			if descended {
				continue
			}
			work = work[:len(work)-1]
			if len(work) > 0 {
				p := work[len(work)-1].node
				low[p] = min(low[p], low[v])
			}
			if low[v] != order[v] {
				continue
			}
			var group []catalog.Ref
			for {
				w := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				onStack[w] = false
				group = append(group, a.refs[w])
				if w == v {
					break
				}
			}
			if len(group) > 1 || slices.ContainsFunc(edges, func(p int32) bool { return a.edges.to[p] == a.edges.from[p] }) {
				slices.SortFunc(group, catalog.Ref.Compare)
				out = append(out, group)
			}
		}
	}
	slices.SortFunc(out, func(x, y []catalog.Ref) int { return x[0].Compare(y[0]) })
	return out
}
