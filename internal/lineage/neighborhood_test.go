package lineage_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// ref reads "q1" (question), "t1" (table 1/s/t1), "d1", "m1" (model), "c:t1.a".
func ref(text string) catalog.Ref {
	if name, ok := strings.CutPrefix(text, "c:"); ok {
		table, column, _ := strings.Cut(name, ".")
		return catalog.Ref{Kind: catalog.KindColumn, ID: catalog.ColumnID(catalog.TableID("1", "s", table), column)}
	}
	switch text[0] {
	case 't':
		return catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableID("1", "s", text)}
	case 'd':
		return catalog.Ref{Kind: catalog.KindDashboard, ID: text[1:]}
	case 'm':
		return catalog.Ref{Kind: catalog.KindModel, ID: text[1:]}
	}
	return catalog.Ref{Kind: catalog.KindQuestion, ID: text[1:]}
}

// graph reads "t1>q1" edges and "t1.a>q1.out" or "t1.a>q1" column edges.
func graph(edges ...string) *lineage.Graph {
	g := &lineage.Graph{}
	for _, e := range edges {
		from, to, _ := strings.Cut(e, ">")
		if strings.Contains(from, ".") {
			to, output, _ := strings.Cut(to, ".")
			via := lineage.ViaQuery
			if output == "" {
				via = lineage.ViaFilter
			}
			g.ColumnEdges = append(g.ColumnEdges, lineage.ColumnEdge{From: ref("c:" + from), To: ref(to), ToColumn: output, Via: via, Confidence: finding.Certain})
			continue
		}
		g.Edges = append(g.Edges, lineage.Edge{From: ref(from), To: ref(to), Via: lineage.ViaQuery, Confidence: finding.Certain})
	}
	slices.SortFunc(g.Edges, func(x, y lineage.Edge) int { return cmp.Or(x.To.Compare(y.To), x.From.Compare(y.From)) })
	slices.SortFunc(g.ColumnEdges, func(x, y lineage.ColumnEdge) int { return cmp.Or(x.To.Compare(y.To), x.From.Compare(y.From)) })
	return g
}

func name(r catalog.Ref) string {
	if r.Kind == catalog.KindTable {
		return r.ID[strings.LastIndexByte(r.ID, '/')+1:]
	}
	return string(r.Kind[0]) + r.ID
}

// drawn writes a neighbourhood: "name step(hidden sources/hidden users)".
func drawn(n *lineage.Neighborhood) (nodes, folds []string) {
	for _, x := range n.Nodes {
		s := fmt.Sprintf("%s %+d", name(x.Ref), x.Step)
		if x.HiddenSources+x.HiddenUsers > 0 {
			s += fmt.Sprintf(" %d/%d", x.HiddenSources, x.HiddenUsers)
		}
		nodes = append(nodes, s)
	}
	for _, f := range n.Folds {
		s := fmt.Sprintf("%s %s +%d:", name(f.At), f.Direction, f.Count)
		for _, k := range f.Kinds {
			s += fmt.Sprintf(" %d %s", k.Count, k.Kind)
		}
		folds = append(folds, s)
	}
	return nodes, folds
}

func fan(from string, kind string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s>%s%d", from, kind, 100+i))
	}
	return out
}

func TestNeighborhood(t *testing.T) {
	chain := []string{"t1>q1", "q1>q2", "q2>q3", "q3>d1"}
	cases := []struct {
		name         string
		edges        []string
		ask          lineage.Around
		nodes, folds []string
		full         bool
	}{
		{"two steps", chain, lineage.Around{Root: ref("q2"), Up: 2, Down: 1}, []string{"q2 +0", "q1 -1", "q3 +1 0/1", "t1 -2"}, nil, false},
		{"nothing followed", chain, lineage.Around{Root: ref("q2")}, []string{"q2 +0 1/1"}, nil, false},
		{"unknown root", chain, lineage.Around{Root: ref("q9"), Up: 2, Down: 2}, []string{"q9 +0"}, nil, false},
		{
			"a circle and itself",
			[]string{"q1>q2", "q2>q1", "q1>q1"},
			lineage.Around{Root: ref("q1"), Up: 3, Down: 3},
			[]string{"q1 +0", "q2 -1"},
			nil, false,
		},
		{
			"a fan folds by kind", slices.Concat(fan("t1", "q", 12), fan("t1", "d", 3)),
			lineage.Around{Root: ref("t1"), Down: 1},
			[]string{"t1 +0 0/5", "d100 +1", "d101 +1", "d102 +1", "q100 +1", "q101 +1", "q102 +1", "q103 +1", "q104 +1", "q105 +1", "q106 +1"},
			[]string{"t1 down +5: 5 question"},
			false,
		},
		{"one is not folded", fan("t1", "q", 11), lineage.Around{Root: ref("t1"), Down: 1}, append([]string{"t1 +0"}, steps("q", 11)...), nil, false},
		{
			"opened", slices.Concat([]string{"t1>q1", "t2>q1"}, fan("t2", "q", 4)),
			lineage.Around{Root: ref("t1"), Down: 1, Opened: []lineage.Opened{{ref("q1"), lineage.ToSources, 5}, {ref("t2"), lineage.ToUsers, 2}, {ref("t9"), lineage.ToUsers, 5}}},
			[]string{"t1 +0", "q1 +1", "t2 +0 0/2", "q100 +1", "q101 +1"},
			[]string{"t2 down +2: 2 question"},
			false,
		},
		{
			"limit", fan("t1", "q", 30),
			lineage.Around{Root: ref("t1"), Down: 1, Limit: 5},
			[]string{"t1 +0 0/27", "q100 +1", "q101 +1", "q102 +1"},
			[]string{"t1 down +27: 27 question"},
			true,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := graph(c.edges...).Neighborhood(c.ask)
			nodes, folds := drawn(n)
			if diff := gocmp.Diff(c.nodes, nodes); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(c.folds, folds); diff != "" {
				t.Errorf("folds (-want +got):\n%s", diff)
			}
			if n.Full != c.full {
				t.Errorf("full %v", n.Full)
			}
		})
	}
}

func steps(kind string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s%d +1", kind, 100+i))
	}
	return out
}

// TestNeighborhoodStaysSmall opens everything there is in a wide graph.
func TestNeighborhoodStaysSmall(t *testing.T) {
	var edges []string
	for i := range 40 {
		edges = append(edges, fan(fmt.Sprintf("t%d", i), fmt.Sprintf("q%d", i), 60)...)
		edges = append(edges, fmt.Sprintf("t%d>q1", i))
	}
	var opened []lineage.Opened
	for i := range 40 {
		opened = append(opened, lineage.Opened{At: ref(fmt.Sprintf("t%d", i)), Direction: lineage.ToUsers, Count: lineage.MaxNeighbors})
	}
	n := graph(edges...).Neighborhood(lineage.Around{Root: ref("q1"), Up: 8, Down: 8, Opened: opened, Limit: 5000})
	if all := len(n.Nodes) + len(n.Folds); all > lineage.MaxNeighbors || all < lineage.MaxNeighbors/2 {
		t.Errorf("%d assets and folds", all)
	}
	if !n.Full {
		t.Error("does not say that the limit was reached")
	}
}

func TestRankChoosesWhatIsShown(t *testing.T) {
	rank := func(r catalog.Ref) int64 { return int64(len(r.ID)*1000) + int64(r.ID[len(r.ID)-1]) }
	n := graph(fan("t1", "q", 30)...).Neighborhood(lineage.Around{Root: ref("t1"), Down: 1, Rank: rank})
	for _, x := range n.Nodes[1:4] {
		if !strings.HasSuffix(x.Ref.ID, "9") {
			t.Errorf("%s stands before those with the highest rank", x.Ref)
		}
	}
}

// TestColumnRoot follows only those users of the table that read the column.
func TestColumnRoot(t *testing.T) {
	g := graph("t1>q1", "t1>q2", "q1>d1", "q2>d2", "t1.a>q1.x", "t1.b>q2.y")
	n := g.Neighborhood(lineage.Around{Root: ref("c:t1.a"), Up: 1, Down: 2})
	nodes, _ := drawn(n)
	if diff := gocmp.Diff([]string{"t1 +0", "q1 +1", "d1 +2"}, nodes); diff != "" {
		t.Error(diff)
	}
	if n.Downstream != 2 {
		t.Errorf("%d downstream", n.Downstream)
	}
}

// cells writes the column level: cells as "asset.name", links as "a -> b".
func cells(v *lineage.CellView) (list, links []string) {
	text := func(c lineage.Cell) string {
		switch {
		case !c.Column.IsZero():
			return name(c.Asset) + "." + c.Column.ID[strings.LastIndexByte(c.Column.ID, '/')+1:]
		case c.Use != "":
			return name(c.Asset) + " " + string(c.Use)
		}
		return name(c.Asset) + "." + c.Output
	}
	for _, c := range v.Cells {
		list = append(list, text(c))
	}
	for _, l := range v.Links {
		s := text(v.Cells[l.From]) + " -> " + text(v.Cells[l.To])
		if l.Confidence != finding.Certain {
			s += " " + string(l.Confidence)
		}
		links = append(links, s)
	}
	return list, links
}

func TestCells(t *testing.T) {
	g := graph(
		"t1>q1", "t1>q3", "q1>q2", "q1>q3", "q2>d1",
		"t1.a>q1.x", "t1.b>q1", "t1.a>q2.sum", "t1.a>q3.z", "t1.c>q3.w",
	)
	for _, c := range []struct {
		root        string
		list, links []string
	}{
		{
			"c:t1.a",
			[]string{"t1.a", "q1.x", "q3.z", "q2.sum"},
			[]string{"t1.a -> q1.x", "t1.a -> q3.z", "q1.x -> q3.z likely", "q1.x -> q2.sum"},
		},
		{
			"t1",
			[]string{"t1.a", "t1.b", "t1.c", "q1.x", "q1 filter", "q3.z", "q3.w", "q2.sum"},
			[]string{"t1.a -> q1.x", "t1.b -> q1 filter", "t1.a -> q3.z", "t1.c -> q3.w", "q1.x -> q3.z likely", "q1.x -> q2.sum"},
		},
		{"q2", []string{"q2.sum", "q1.x", "t1.a"}, []string{"q1.x -> q2.sum", "t1.a -> q1.x"}},
	} {
		n := g.Neighborhood(lineage.Around{Root: ref(c.root), Up: 3, Down: 3})
		list, links := cells(g.Cells(n, ref(c.root)))
		slices.Sort(links)
		slices.Sort(c.links)
		if diff := gocmp.Diff(c.list, list); diff != "" {
			t.Errorf("%s: cells (-want +got):\n%s", c.root, diff)
		}
		if diff := gocmp.Diff(c.links, links); diff != "" {
			t.Errorf("%s: links (-want +got):\n%s", c.root, diff)
		}
	}
}

func TestGaps(t *testing.T) {
	g := graph()
	for _, q := range []string{"q1", "q2", "q2", "q3"} {
		g.Unresolved = append(g.Unresolved, lineage.Unresolved{Asset: ref(q), Reason: "unknown_table"})
	}
	for q, want := range map[string]int{"q1": 1, "q2": 2, "q3": 1, "q4": 0} {
		if got := len(g.Gaps(ref(q))); got != want {
			t.Errorf("%s: %d gaps, want %d", q, got, want)
		}
	}
}
