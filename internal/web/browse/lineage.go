package browse

import (
	"cmp"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/web/ui"
)

// branch is one line of the compact lineage with what follows it.
type branch struct {
	Ref    catalog.Ref
	Name   string
	Known  bool
	Fallen bool
	Ways   []string
	Doubt  finding.Confidence
	Next   []branch
	More   int // neighbours that are not listed
}

// compact is the lineage of an asset two steps each way.
type compact struct {
	Ups, Downs           []branch
	MoreUp, MoreDown     int
	Upstream, Downstream int
	Gaps                 int
	Graph                string // address of the graph
}

// maxCompact bounds the lines of the compact lineage.
const maxCompact = 60

func compactOf(view *View, base string, r catalog.Ref) compact {
	usage := view.Index.Snapshot().Usage
	rank := func(r catalog.Ref) int64 { return views(usage[r].Views) }
	n := view.Graph.Neighborhood(lineage.Around{Root: r, Up: 2, Down: 2, Limit: maxCompact, Rank: rank})
	c := compact{Upstream: n.Upstream, Downstream: n.Downstream, Gaps: len(view.Graph.Gaps(r)), Graph: ui.LineagePath(base, r)}
	ways := map[[2]catalog.Ref]*branch{}
	for _, e := range n.Edges {
		key := [2]catalog.Ref{e.From, e.To}
		b := ways[key]
		if b == nil {
			b = &branch{}
			ways[key] = b
		}
		if way := ui.ViaName(string(e.Via)); !slices.Contains(b.Ways, way) {
			b.Ways = append(b.Ways, way)
		}
		if e.Confidence != finding.Certain {
			b.Doubt = e.Confidence
		}
	}
	var below func(parent catalog.Ref, d lineage.Direction) []branch
	below = func(parent catalog.Ref, d lineage.Direction) []branch {
		var list []branch
		for _, x := range n.Nodes {
			if x.Parent != parent || x.Direction != d {
				continue
			}
			key := [2]catalog.Ref{parent, x.Ref}
			b := branch{Ref: x.Ref, More: x.HiddenUsers}
			if d == lineage.ToSources {
				key, b.More = [2]catalog.Ref{x.Ref, parent}, x.HiddenSources
			}
			if w := ways[key]; w != nil {
				b.Ways, b.Doubt = w.Ways, w.Doubt
			}
			b.Name, b.Known = view.Name(x.Ref)
			if a := view.Index.Asset(x.Ref); a != nil {
				b.Fallen = a.IsArchived()
			}
			b.Next = below(x.Ref, d)
			list = append(list, b)
		}
		slices.SortStableFunc(list, func(x, y branch) int {
			return cmp.Or(cmp.Compare(rank(y.Ref), rank(x.Ref)), x.Ref.Compare(y.Ref))
		})
		return list
	}
	c.Ups, c.Downs = below(r, lineage.ToSources), below(r, lineage.ToUsers)
	c.MoreUp, c.MoreDown = n.Nodes[0].HiddenSources, n.Nodes[0].HiddenUsers
	return c
}
