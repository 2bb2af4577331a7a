package lineage

import (
	"cmp"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// Direction is which way a walk leaves an asset.
type Direction string

// The directions.
const (
	ToSources Direction = "up"   // to what an asset is made from
	ToUsers   Direction = "down" // to what is made from an asset
)

// MaxNeighbors is how many assets and folds a neighbourhood shows at most.
const MaxNeighbors = 300

// Around says which part of a graph to show.
type Around struct {
	Root catalog.Ref
	// Up and Down are how many steps to follow to sources and to users.
	Up, Down int
	// Opened are assets whose neighbours a reader asked for, in the order asked.
	Opened []Opened
	// Limit bounds assets and folds together; 0 or more than [MaxNeighbors]
	// means that.
	Limit int
	// Rank orders the neighbours of one asset, the highest first; those that do
	// not fit are folded. nil orders by reference.
	Rank func(catalog.Ref) int64
}

// Opened asks for up to Count neighbours of an asset.
type Opened struct {
	At        catalog.Ref
	Direction Direction
	Count     int
}

// Neighborhood is the part of a graph around an asset that a page can show.
type Neighborhood struct {
	Nodes []Neighbor // the root first, then by distance
	Edges []Edge     // between Nodes, all of them unless EdgesCut
	Folds []Fold     // neighbours of followed assets that are not among Nodes
	// Upstream and Downstream count what the root depends on and what depends on
	// it, shown or not.
	Upstream, Downstream int
	Related              int  // the same together, each asset once
	Full                 bool // the limit kept neighbours out
	EdgesCut             bool // there are more edges than a page can draw
}

// Neighbor is one asset of a neighbourhood.
type Neighbor struct {
	Ref  catalog.Ref
	Step int // steps from the root, negative towards sources
	// Parent is the asset that led here and Direction the way taken; zero for
	// the root.
	Parent    catalog.Ref
	Direction Direction
	// Sources and Users count direct neighbours, those not shown included.
	Sources, Users             int
	HiddenSources, HiddenUsers int
}

// Fold stands for neighbours of one asset that are not shown.
type Fold struct {
	At        catalog.Ref
	Direction Direction
	Kinds     []KindCount // the most frequent first
	Count     int
}

// KindCount counts assets of one kind.
type KindCount struct {
	Kind  catalog.Kind
	Count int
}

// fans is how many neighbours of one asset are shown by themselves, by its
// distance from the root.
var fans = [...]int{10, 4, 3, 2} //nolint:gochecknoglobals // a constant table

// maxSteps bounds Up and Down.
const maxSteps = 8

// maxDrawn bounds the edges of a neighbourhood.
const maxDrawn = 4000

// Neighborhood picks what to show around an asset: the nearest first, of each
// asset's neighbours the most important ones, at most the limit in all. A
// column stands for its table, of whose users only those are followed that the
// column reaches. The root is listed even when the graph does not know it.
func (g *Graph) Neighborhood(ask Around) *Neighborhood {
	n := &neighborhood{g: g, ask: ask, limit: ask.Limit, at: map[catalog.Ref]int{}}
	if n.limit <= 0 || n.limit > MaxNeighbors {
		n.limit = MaxNeighbors
	}
	root := ask.Root
	down := g.Downstream(root, 0)
	if root.Kind == catalog.KindColumn {
		n.within = map[catalog.Ref]bool{}
		for _, s := range down {
			n.within[s.Asset] = true
		}
		root = catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(root.ID)}
	}
	up := g.Upstream(root, 0)
	n.out.Upstream, n.out.Downstream, n.out.Related = len(up), len(down), together(up, down)
	n.add(Neighbor{Ref: root})
	n.spread(0)
	for _, o := range ask.Opened {
		if i, ok := n.at[o.At]; ok && o.Count > 0 {
			n.follow(i, o.Direction, o.Count)
		}
	}
	n.finish()
	return &n.out
}

// together counts the assets of two walks, each once: in a circle both meet the
// same.
func together(a, b []Step) int {
	seen := make(map[catalog.Ref]struct{}, len(a)+len(b))
	for _, s := range a {
		seen[s.Asset] = struct{}{}
	}
	for _, s := range b {
		seen[s.Asset] = struct{}{}
	}
	return len(seen)
}

type neighborhood struct {
	g      *Graph
	ask    Around
	limit  int
	within map[catalog.Ref]bool // users that count; nil = all
	at     map[catalog.Ref]int
	folded int // followed assets that keep a place for a fold
	open   []Opened
	out    Neighborhood
}

func (n *neighborhood) add(x Neighbor) {
	n.at[x.Ref] = len(n.out.Nodes)
	n.out.Nodes = append(n.out.Nodes, x)
}

// spread follows the steps that the question asks for, level by level.
func (n *neighborhood) spread(from int) {
	for i := from; i < len(n.out.Nodes); i++ {
		x := n.out.Nodes[i]
		distance := max(x.Step, -x.Step)
		fan := fans[min(distance, len(fans)-1)]
		if x.Step <= 0 && distance < min(n.ask.Up, maxSteps) {
			n.follow(i, ToSources, fan)
		}
		if x.Step >= 0 && distance < min(n.ask.Down, maxSteps) {
			n.follow(i, ToUsers, fan)
		}
	}
}

// follow adds up to count neighbours of a node that are not shown yet.
func (n *neighborhood) follow(i int, d Direction, count int) {
	from := n.out.Nodes[i]
	n.open = append(n.open, Opened{At: from.Ref, Direction: d})
	var fresh []catalog.Ref
	for _, r := range n.neighbors(from.Ref, d) {
		if _, shown := n.at[r]; !shown {
			fresh = append(fresh, r)
		}
	}
	if n.ask.Rank != nil {
		slices.SortStableFunc(fresh, func(x, y catalog.Ref) int { return cmp.Compare(n.ask.Rank(y), n.ask.Rank(x)) })
	}
	take := min(count, len(fresh))
	if len(fresh) == take+1 { // a fold of one takes as much room as the one
		take++
	}
	room := n.limit - len(n.out.Nodes) - n.folded
	if take < len(fresh) || take > room {
		n.out.Full = n.out.Full || take > room-1
		take = max(0, min(take, room-1))
		if room > 0 {
			n.folded++
		}
	}
	step := 1
	if d == ToSources {
		step = -1
	}
	for _, r := range fresh[:take] {
		n.add(Neighbor{Ref: r, Step: from.Step + step, Parent: from.Ref, Direction: d})
	}
}

// neighbors lists the distinct assets one step away, in order.
func (n *neighborhood) neighbors(r catalog.Ref, d Direction) []catalog.Ref {
	var out []catalog.Ref
	if d == ToSources {
		for _, e := range n.g.Sources(r) {
			out = append(out, e.From)
		}
	} else {
		for _, e := range n.g.Users(r) {
			if n.within == nil || n.within[e.To] {
				out = append(out, e.To)
			}
		}
	}
	slices.SortFunc(out, catalog.Ref.Compare)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(o catalog.Ref) bool { return o == r })
}

// finish counts what is hidden, folds it, and lists the edges.
func (n *neighborhood) finish() {
	hidden := func(r catalog.Ref, d Direction) (all int, kinds []KindCount, count int) {
		list := n.neighbors(r, d)
		for _, o := range list {
			if _, shown := n.at[o]; shown {
				continue
			}
			count++
			i := slices.IndexFunc(kinds, func(k KindCount) bool { return k.Kind == o.Kind })
			if i < 0 {
				i = len(kinds)
				kinds = append(kinds, KindCount{Kind: o.Kind})
			}
			kinds[i].Count++
		}
		slices.SortStableFunc(kinds, func(x, y KindCount) int {
			return cmp.Or(y.Count-x.Count, cmp.Compare(x.Kind, y.Kind))
		})
		return len(list), kinds, count
	}
	for i := range n.out.Nodes {
		x := &n.out.Nodes[i]
		for _, d := range []Direction{ToSources, ToUsers} {
			all, kinds, count := hidden(x.Ref, d)
			if d == ToSources {
				x.Sources, x.HiddenSources = all, count
			} else {
				x.Users, x.HiddenUsers = all, count
			}
			followed := slices.Contains(n.open, Opened{At: x.Ref, Direction: d})
			if count > 0 && followed && len(n.out.Nodes)+len(n.out.Folds) < n.limit {
				n.out.Folds = append(n.out.Folds, Fold{At: x.Ref, Direction: d, Kinds: kinds, Count: count})
			}
		}
		for _, e := range n.g.Sources(x.Ref) {
			if _, shown := n.at[e.From]; !shown {
				continue
			}
			if len(n.out.Edges) == maxDrawn {
				n.out.EdgesCut = true
				break
			}
			n.out.Edges = append(n.out.Edges, e)
		}
	}
}

// Cell is one column of an asset in a neighbourhood: a physical column of a
// table, an output of a question, or a use that yields no output.
type Cell struct {
	Asset catalog.Ref
	// Column is set for the columns of a table.
	Column catalog.Ref
	// Output is the name of a question's column.
	Output string
	// Use is set where the asset reads columns without passing them on.
	Use Via
	// Sources are the physical columns behind the cell, in order.
	Sources []catalog.Ref
}

// CellLink leads from one cell to another, by their positions.
type CellLink struct {
	From, To   int
	Via        Via
	Confidence finding.Confidence
}

// CellView is the column level of a neighbourhood.
type CellView struct {
	Cells  []Cell // by asset in the order of the nodes
	Links  []CellLink
	Hidden map[catalog.Ref]int // cells of an asset that are not listed
}

// The bounds of one view.
const (
	maxFocus     = 60 // physical columns that are followed
	maxCells     = 12 // of one asset
	maxRootCells = 40 // of the root
	maxLinks     = 1500
)

// Cells adds the column level to a neighbourhood. Followed are the root's own
// columns: the column that was asked for, a table's columns, the columns behind
// a question's result; where the root has none, those that the shown assets
// read most.
func (g *Graph) Cells(n *Neighborhood, root catalog.Ref) *CellView {
	v := &CellView{Hidden: map[catalog.Ref]int{}}
	uses := map[catalog.Ref][]ColumnEdge{} // of each node
	for _, x := range n.Nodes {
		uses[x.Ref] = g.ColumnSources(x.Ref)
	}
	focus := focusOf(n, root, uses)
	carriers := map[carrier][]int{} // cells that pass a physical column on
	places := map[cellPlace]int{}
	for i, x := range n.Nodes {
		from := len(v.Cells)
		v.Cells = append(v.Cells, cellsOf(x.Ref, focus, uses[x.Ref])...)
		limit := maxCells
		if i == 0 {
			limit = maxRootCells
		}
		if extra := len(v.Cells) - from - limit; extra > 0 {
			v.Hidden[x.Ref] = extra
			v.Cells = v.Cells[:from+limit]
		}
		for k := from; k < len(v.Cells); k++ {
			c := &v.Cells[k]
			places[cellPlace{c.Asset, c.Output, c.Use}] = k
			if c.Use != "" {
				continue // a filter passes nothing on
			}
			for _, source := range c.Sources {
				carriers[carrier{c.Asset, source}] = append(carriers[carrier{c.Asset, source}], k)
			}
		}
	}
	v.link(n, uses, carriers, places)
	return v
}

type carrier struct{ asset, column catalog.Ref }

type cellPlace struct {
	asset  catalog.Ref
	output string
	use    Via
}

// link leads from each cell to those made from it, along the edges between
// their assets.
func (v *CellView) link(n *Neighborhood, uses map[catalog.Ref][]ColumnEdge, carriers map[carrier][]int, places map[cellPlace]int) {
	type pair struct{ from, to catalog.Ref }
	direct := map[pair]bool{}
	for _, e := range n.Edges {
		direct[pair{e.From, e.To}] = true
	}
	done, drawn := map[pair]bool{}, map[[2]int]bool{}
	for _, e := range n.Edges {
		p := pair{e.From, e.To}
		if done[p] || e.From == e.To {
			continue
		}
		done[p] = true
		for _, u := range uses[e.To] {
			from := carriers[carrier{e.From, u.From}]
			if len(from) == 0 {
				continue
			}
			place := cellPlace{asset: e.To, output: u.ToColumn}
			if u.ToColumn == "" {
				place.use = u.Via
			}
			to, ok := places[place]
			if !ok {
				continue
			}
			confidence := u.Confidence
			table := catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(u.From.ID)}
			if e.From != table && confidence == finding.Certain && direct[pair{table, e.To}] {
				confidence = finding.Likely // the value may have come from the table itself
			}
			for _, k := range from {
				if drawn[[2]int{k, to}] {
					continue
				}
				if len(v.Links) == maxLinks {
					return
				}
				drawn[[2]int{k, to}] = true
				v.Links = append(v.Links, CellLink{From: k, To: to, Via: u.Via, Confidence: confidence})
			}
		}
	}
}

// focusOf picks the physical columns to follow.
func focusOf(n *Neighborhood, root catalog.Ref, uses map[catalog.Ref][]ColumnEdge) map[catalog.Ref]bool {
	out := map[catalog.Ref]bool{}
	if root.Kind == catalog.KindColumn {
		out[root] = true
		return out
	}
	count := map[catalog.Ref]int{}
	own := uses[root]
	for _, e := range own {
		count[e.From]++
	}
	if len(own) == 0 {
		for _, x := range n.Nodes {
			for _, e := range uses[x.Ref] {
				if root.Kind != catalog.KindTable || catalog.TableOfColumn(e.From.ID) == root.ID {
					count[e.From]++
				}
			}
		}
	}
	list := make([]catalog.Ref, 0, len(count))
	for c := range count {
		list = append(list, c)
	}
	slices.SortFunc(list, func(x, y catalog.Ref) int { return cmp.Or(count[y]-count[x], x.Compare(y)) })
	for _, c := range list[:min(len(list), maxFocus)] {
		out[c] = true
	}
	return out
}

// cellsOf lists the cells of one asset that a followed column reaches.
func cellsOf(r catalog.Ref, focus map[catalog.Ref]bool, uses []ColumnEdge) []Cell {
	var out []Cell
	if r.Kind == catalog.KindTable {
		for c := range focus {
			if catalog.TableOfColumn(c.ID) == r.ID {
				out = append(out, Cell{Asset: r, Column: c, Sources: []catalog.Ref{c}})
			}
		}
		slices.SortFunc(out, func(x, y Cell) int { return x.Column.Compare(y.Column) })
		return out
	}
	at := map[cellPlace]int{}
	for _, e := range uses {
		if !focus[e.From] {
			continue
		}
		cell := Cell{Asset: r, Output: e.ToColumn}
		if e.ToColumn == "" {
			cell.Use = e.Via
		}
		key := cellPlace{r, cell.Output, cell.Use}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, cell)
		}
		if !slices.Contains(out[i].Sources, e.From) {
			out[i].Sources = append(out[i].Sources, e.From)
		}
	}
	slices.SortStableFunc(out, func(x, y Cell) int { return cmp.Compare(x.Use, y.Use) }) // outputs first
	return out
}

// Gaps lists what could not be resolved in one asset.
func (g *Graph) Gaps(r catalog.Ref) []Unresolved {
	start, _ := slices.BinarySearchFunc(g.Unresolved, r, func(u Unresolved, r catalog.Ref) int { return u.Asset.Compare(r) })
	end := start
	for end < len(g.Unresolved) && g.Unresolved[end].Asset == r {
		end++
	}
	return g.Unresolved[start:end:end]
}
