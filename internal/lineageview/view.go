// Package lineageview opens the lineage of a stored scan without its content:
// the graph and a light head of every asset, as they were written when the scan
// was committed. It is what impact, lineage pages and tools read; who needs
// queries, result columns or layouts loads the whole snapshot or single assets
// from the store.
//
//	loader := lineageview.New(lineageview.Config{Store: s, SQL: analyzer})
//	view, err := loader.Latest(ctx, org, connection)
//	users := view.Graph.Downstream(ref, 0)
//	name := view.Index.Asset(users[0].Asset).Title()
//
// A view is shared by all its readers and must not be changed. Scans that were
// stored before lineage was, work too: their graph is built from the whole
// snapshot on first use.
package lineageview

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/store"
)

// View is the lineage of one scan.
//
// The assets of Index are heads (see [Head]): who they are, where they live,
// how much they are used; not what they say. Its snapshot has the scan's
// instance, times, gaps and usage, and no permissions.
type View struct {
	Scan  store.Scan
	Index *catalog.Index
	// Graph answers through its methods. Its fields Edges and ColumnEdges are
	// empty: range over [lineage.Graph.AllEdges] and AllColumnEdges instead.
	Graph *lineage.Graph
}
