package lineageview

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/ui"
)

// graphView is a neighbourhood ready to draw; it is the answer to the drawing's
// request, so every text in it is clean.
type graphView struct {
	Nodes []nodeView `json:"nodes"`
	Edges []edgeView `json:"edges"`
	Folds []foldView `json:"folds"`
	Links []linkView `json:"links,omitempty"`
	// Note says how much is shown, in words.
	Note    string `json:"note"`
	Columns bool   `json:"columns"`
	// Up and Down are the steps that the address asks for.
	Up   int `json:"up"`
	Down int `json:"down"`
}

type nodeView struct {
	Ref   catalog.Ref `json:"-"`
	ID    string      `json:"id"`
	Key   string      `json:"key"` // stays the same when more is shown
	Kind  string      `json:"kind"`
	Word  string      `json:"word"` // the kind in words
	Name  string      `json:"name"`
	Path  string      `json:"path,omitempty"`
	Note  string      `json:"note,omitempty"` // in the trash, gone, not in the last scan
	Views string      `json:"views,omitempty"`
	Gaps  int         `json:"gaps,omitempty"` // unresolved parts
	Step  int         `json:"step"`
	Root  bool        `json:"root,omitempty"`
	Page  string      `json:"page"`  // the asset's page
	Here  string      `json:"here"`  // lineage that starts at it
	Break string      `json:"break"` // what breaks when it changes
	// Neighbours in all, not shown ones, and the address that shows more of them.
	Sources   int        `json:"sources"`
	Users     int        `json:"users"`
	MoreUp    int        `json:"moreUp,omitempty"`
	MoreDown  int        `json:"moreDown,omitempty"`
	OpenUp    string     `json:"openUp,omitempty"`
	OpenDown  string     `json:"openDown,omitempty"`
	CloseUp   string     `json:"closeUp,omitempty"`
	CloseDown string     `json:"closeDown,omitempty"`
	Cells     []cellView `json:"cells,omitempty"`
	MoreCells int        `json:"moreCells,omitempty"`

	parent    catalog.Ref
	direction lineage.Direction
	rank      int64
}

type cellView struct {
	Name string `json:"name"`
	Use  bool   `json:"use,omitempty"` // read without being passed on
	Mark bool   `json:"mark,omitempty"`
	Href string `json:"href,omitempty"` // lineage of the column
	From string `json:"from,omitempty"` // the physical columns behind it
}

type edgeView struct {
	From string   `json:"from"`
	To   string   `json:"to"`
	Ways []string `json:"ways"`
	Sure bool     `json:"sure"`
	Loop bool     `json:"loop,omitempty"` // part of a cycle
	How  string   `json:"how,omitempty"`  // how sure, where it is not certain
	from catalog.Ref
	to   catalog.Ref
}

type foldView struct {
	ID    string `json:"id"`
	At    string `json:"at"`
	Up    bool   `json:"up"`
	Text  string `json:"text"`
	Open  string `json:"open,omitempty"` // shows some of them; empty where none may be seen
	Count int    `json:"count"`          // of what may be seen
}

// beyond reports whether a fold stands only for what the reader may not see.
func (f foldView) beyond() bool { return f.Open == "" }

// linkView leads from a cell to another: node and row of each.
type linkView struct {
	From [2]int `json:"from"`
	To   [2]int `json:"to"`
	Way  string `json:"way"`
	Sure bool   `json:"sure"`
}

// subject is what the page is about.
type subject struct {
	ref   catalog.Ref
	asset catalog.Asset // of a column its table
	name  string
}

func (s subject) isColumn() bool { return s.ref.Kind == catalog.KindColumn }

// build draws the neighbourhood that a state asks for.
func build(view *browse.View, base string, s state) (graphView, *lineage.Neighborhood) {
	usage := view.Index.Snapshot().Usage
	users := func(r catalog.Ref) int64 {
		if u := usage[r]; u.Views != nil {
			return *u.Views
		}
		return -1
	}
	n := view.Graph.Neighborhood(lineage.Around{Root: s.root, Up: s.up, Down: s.down, Opened: s.opened, Rank: users})
	g := graphView{Nodes: []nodeView{}, Edges: []edgeView{}, Folds: []foldView{}, Columns: s.columns, Up: s.up, Down: s.down}
	at := map[catalog.Ref]int{}
	for i, x := range n.Nodes {
		at[x.Ref] = i
		node := nodeOf(view, base, x)
		node.ID, node.Root, node.rank = "n"+strconv.Itoa(i), i == 0, users(x.Ref)
		for _, d := range []lineage.Direction{lineage.ToSources, lineage.ToUsers} {
			hidden, open, shut := x.HiddenSources, &node.OpenUp, &node.CloseUp
			if d == lineage.ToUsers {
				hidden, open, shut = x.HiddenUsers, &node.OpenDown, &node.CloseDown
			}
			if hidden > 0 {
				*open = s.open(x.Ref, d).address(base)
			}
			if before, ok := s.closed(x.Ref, d); ok {
				*shut = before.address(base)
			}
		}
		g.Nodes = append(g.Nodes, node)
	}
	g.edges(n, at)
	for i, f := range n.Folds {
		where := at[f.At]
		open := g.Nodes[where].OpenDown
		if f.Direction == lineage.ToSources {
			open = g.Nodes[where].OpenUp
		}
		g.Folds = append(g.Folds, foldView{
			ID: "f" + strconv.Itoa(i), At: g.Nodes[where].ID, Up: f.Direction == lineage.ToSources, Text: foldText(f), Open: open, Count: f.Count,
		})
	}
	for _, x := range n.Nodes {
		g.beyond(view, x, at, s.root)
	}
	if s.columns {
		g.cells(view, base, n, at, s.root)
	}
	g.Note = noteOf(n)
	if slices.ContainsFunc(g.Folds, foldView.beyond) && n.Related == 0 {
		g.Note = "Nothing that you may see is related to it."
	}
	return g, n
}

// beyond adds one fold beside an asset for all that its reader may not see there:
// how much, where that may be told, and never what. Of a column's table it is what
// uses the column.
func (g *graphView) beyond(view *browse.View, x lineage.Neighbor, at map[catalog.Ref]int, root catalog.Ref) {
	more := view.Beyond(x.Ref)
	if x.Step == 0 && root.Kind == catalog.KindColumn {
		more.Users = view.Beyond(root).Users
	}
	node := &g.Nodes[at[x.Ref]]
	for _, up := range []bool{true, false} {
		n := more.Sources
		if !up {
			n = more.Users
		}
		if n == 0 || up && x.Step > 0 || !up && x.Step < 0 {
			continue
		}
		text := more.Items(n) + " you may not see"
		if i := slices.IndexFunc(g.Folds, func(f foldView) bool { return f.At == node.ID && f.Up == up }); i >= 0 {
			g.Folds[i].Text += " and " + text
			continue
		}
		g.Folds = append(g.Folds, foldView{ID: "f" + strconv.Itoa(len(g.Folds)), At: node.ID, Up: up, Text: ui.Capital(text)})
	}
}

func nodeOf(view *browse.View, base string, x lineage.Neighbor) nodeView {
	u := view.Index.Snapshot().Usage[x.Ref]
	node := nodeView{
		Ref: x.Ref, Key: ui.Clip(x.Ref.String(), 400), Kind: string(x.Ref.Kind), Word: ui.KindName(x.Ref.Kind), Step: x.Step, Sources: x.Sources, Users: x.Users,
		MoreUp: x.HiddenSources, MoreDown: x.HiddenUsers, parent: x.Parent, direction: x.Direction,
		Page: ui.AssetPath(base, x.Ref), Here: ui.LineagePath(base, x.Ref), Break: browse.ImpactPath(base, x.Ref),
		Gaps: len(view.Graph.Gaps(x.Ref)),
	}
	if u.Views != nil {
		node.Views = ui.Number(*u.Views)
	}
	name, known := view.Name(x.Ref)
	node.Name = ui.Clip(ui.Name(name), 120)
	if !known {
		node.Name = node.Word + " " + ui.Clip(ui.Clean(x.Ref.ID), 40)
		node.Note = "not in the last scan"
	}
	if a := view.Index.Asset(x.Ref); a != nil {
		node.Path = ui.Clip(ui.Clean(view.Path(a)), 120)
		if a.IsArchived() {
			node.Note = "in the trash"
		}
		if t, ok := a.(*catalog.Table); ok && t.Inactive {
			node.Note = "gone from the database"
		}
	}
	return node
}

// edges merges the ways between two assets into one edge.
func (g *graphView) edges(n *lineage.Neighborhood, at map[catalog.Ref]int) {
	type pair struct{ from, to catalog.Ref }
	index := map[pair]int{}
	for _, e := range n.Edges {
		p := pair{e.From, e.To}
		i, ok := index[p]
		if !ok {
			i = len(g.Edges)
			index[p] = i
			g.Edges = append(g.Edges, edgeView{From: g.Nodes[at[e.From]].ID, To: g.Nodes[at[e.To]].ID, Sure: true, from: e.From, to: e.To})
		}
		edge := &g.Edges[i]
		if way := ui.ViaName(string(e.Via)); !slices.Contains(edge.Ways, way) {
			edge.Ways = append(edge.Ways, way)
		}
		if e.Confidence != finding.Certain {
			edge.Sure, edge.How = false, string(e.Confidence)
		}
	}
	for i := range g.Edges {
		e := &g.Edges[i]
		_, back := index[pair{e.to, e.from}]
		e.Loop = back
	}
}

func (g *graphView) cells(view *browse.View, base string, n *lineage.Neighborhood, at map[catalog.Ref]int, root catalog.Ref) {
	cells := view.Graph.Cells(n, root)
	row := make([][2]int, len(cells.Cells))
	for i, c := range cells.Cells {
		where := at[c.Asset]
		node := &g.Nodes[where]
		row[i] = [2]int{where, len(node.Cells)}
		cell := cellView{Name: ui.Clip(ui.Name(c.Output), 80), Mark: root.Kind == catalog.KindColumn && c.Column == root}
		switch {
		case !c.Column.IsZero():
			name := c.Column.ID
			if column := view.Index.Column(c.Column.ID); column != nil {
				name = column.Name
			}
			cell.Name, cell.Href = ui.Clip(ui.Name(name), 80), ui.LineagePath(base, c.Column)+"?mode="+modeColumns
		case c.Use != "":
			cell.Use = true
			cell.Name = useText(c.Use, len(c.Sources))
		}
		if c.Column.IsZero() {
			var from []string
			for _, s := range c.Sources[:min(len(c.Sources), 6)] {
				name, _ := view.Name(s)
				from = append(from, ui.Clip(ui.Name(name), 80))
			}
			cell.From = strings.Join(from, ", ")
		}
		node.Cells = append(node.Cells, cell)
	}
	for r, hidden := range cells.Hidden {
		g.Nodes[at[r]].MoreCells = hidden
	}
	for _, l := range cells.Links {
		g.Links = append(g.Links, linkView{From: row[l.From], To: row[l.To], Way: ui.ViaName(string(l.Via)), Sure: l.Confidence == finding.Certain})
	}
}

func useText(via lineage.Via, n int) string {
	columns := ui.Count(n, "column", "columns")
	switch via {
	case lineage.ViaFilter:
		return "filters by " + columns
	case lineage.ViaJoin:
		return "joins on " + columns
	}
	return "reads " + columns + ", shows none"
}

func foldText(f lineage.Fold) string {
	var parts []string
	for i, k := range f.Kinds {
		if i == 2 && len(f.Kinds) > 3 {
			rest := 0
			for _, o := range f.Kinds[i:] {
				rest += o.Count
			}
			parts = append(parts, ui.Count(rest, "other", "others"))
			break
		}
		parts = append(parts, ui.KindCount(k.Count, k.Kind))
	}
	return "+" + strings.Join(parts, ", ")
}

func noteOf(n *lineage.Neighborhood) string {
	shown := len(n.Nodes) - 1
	all := n.Related
	text := "Shows " + ui.Number(min(shown, all)) + " of " + ui.Count(all, "related asset", "related assets") + ": " +
		ui.Number(n.Upstream) + " it is made from, " + ui.Number(n.Downstream) + " made from it."
	if shown > all { // opened sideways
		text = "Shows " + ui.Count(shown, "asset", "assets") + " around it: " + ui.Number(n.Upstream) + " it is made from, " + ui.Number(n.Downstream) + " made from it, and others opened."
	}
	if all == 0 {
		text = "Nothing that was read is related to it."
	}
	if n.Full {
		text += " At most " + ui.Number(lineage.MaxNeighbors) + " are drawn at once: start from one of them to see more."
	}
	return text
}

// item is one line of the list.
type item struct {
	Node   nodeView
	Ways   []string // how it is connected with the line above
	How    string   // how sure, where it is not certain
	Again  bool     // stands elsewhere in the list with what follows
	Anchor string
	Ups    []item
	Downs  []item
	FoldUp *foldView
	FoldDn *foldView
}

// tree arranges a neighbourhood as nested lines below the root: each asset with
// what follows it where the shortest way leads, and as a mere mention elsewhere.
func tree(g graphView) item {
	t := trees{g: g, at: map[string]int{}, byRef: map[catalog.Ref]int{}, edge: map[[2]string]*edgeView{}, kids: map[catalog.Ref][]int{}}
	for i := range g.Nodes {
		t.at[g.Nodes[i].ID] = i
		t.byRef[g.Nodes[i].Ref] = i
		if i > 0 {
			t.kids[g.Nodes[i].parent] = append(t.kids[g.Nodes[i].parent], i)
		}
	}
	for i := range g.Edges {
		t.edge[[2]string{g.Edges[i].From, g.Edges[i].To}] = &g.Edges[i]
	}
	return t.item(0, nil)
}

type trees struct {
	g     graphView
	at    map[string]int
	byRef map[catalog.Ref]int
	edge  map[[2]string]*edgeView
	kids  map[catalog.Ref][]int
}

func (t *trees) item(i int, via *edgeView) item {
	node := t.g.Nodes[i]
	it := item{Node: node, Anchor: "l-" + node.ID}
	if via != nil {
		it.Ways, it.How = via.Ways, via.How
	}
	for _, k := range t.kids[node.Ref] {
		child := t.g.Nodes[k]
		if child.direction == lineage.ToSources {
			it.Ups = append(it.Ups, t.item(k, t.edge[[2]string{child.ID, node.ID}]))
		} else {
			it.Downs = append(it.Downs, t.item(k, t.edge[[2]string{node.ID, child.ID}]))
		}
	}
	// Mentions: neighbours that another line leads to.
	for _, e := range t.g.Edges {
		switch {
		case e.From == e.To:
		case e.From == node.ID && node.Step >= 0:
			if other := t.at[e.To]; t.g.Nodes[other].parent != node.Ref && t.g.Nodes[i].parent != e.to {
				it.Downs = append(it.Downs, t.mention(other, &e))
			}
		case e.To == node.ID && node.Step <= 0:
			if other := t.at[e.From]; t.g.Nodes[other].parent != node.Ref && t.g.Nodes[i].parent != e.from {
				it.Ups = append(it.Ups, t.mention(other, &e))
			}
		}
	}
	for j := range t.g.Folds {
		f := &t.g.Folds[j]
		if f.At != node.ID {
			continue
		}
		if f.Up {
			it.FoldUp = f
		} else {
			it.FoldDn = f
		}
	}
	sortItems(it.Ups)
	sortItems(it.Downs)
	return it
}

func (t *trees) mention(i int, e *edgeView) item {
	return item{Node: t.g.Nodes[i], Ways: e.Ways, How: e.How, Again: true, Anchor: "l-" + t.g.Nodes[i].ID}
}

func sortItems(list []item) {
	slices.SortStableFunc(list, func(x, y item) int {
		return cmp.Or(cmp.Compare(y.Node.rank, x.Node.rank), x.Node.Ref.Compare(y.Node.Ref))
	})
}
