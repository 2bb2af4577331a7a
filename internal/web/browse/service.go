// Package browse is the catalog's pages: search, the tree by collection and by
// database, and the page of one asset.
package browse

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/store"
)

// Graph answers who uses what, one step away.
type Graph interface {
	// Sources lists the edges that end at an asset: what it is made from.
	Sources(r catalog.Ref) []lineage.Edge
	// Users lists the edges that start at an asset: what is made from it.
	Users(r catalog.Ref) []lineage.Edge
}

// View is the last succeeded scan of a connection, ready to look things up.
type View struct {
	Scan  store.Scan
	Index *catalog.Index
	Graph Graph // never nil
}

// Library keeps the views.
type Library interface {
	// View answers errs.NotFound when no scan of the connection has succeeded.
	View(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*View, error)
}

// Version is one state of an asset's definition.
type Version struct {
	Asset   catalog.Asset // nil when the asset was gone
	FromSeq int64         // first scan that saw it
	ToSeq   int64         // last scan that saw it; 0 = still so
	SeenAt  time.Time     // when the first of them finished
}

// UsagePoint is the usage of an asset at one scan.
type UsagePoint struct {
	At         time.Time
	Views      *int64
	LastUsedAt *time.Time
}

// History is the past of one asset.
type History interface {
	// Versions lists the states of an asset, the newest first.
	Versions(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) ([]Version, error)
	// UsageSeries lists the usage of an asset, the oldest first.
	UsageSeries(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) ([]UsagePoint, error)
}

// SearchQuery is a full-text search in one connection.
type SearchQuery struct {
	Text   string
	Kinds  []catalog.Kind // empty = all
	Limit  int
	Offset int
}

// Search finds assets by name, description and SQL identifier.
type Search interface {
	// Search returns one page, the best first, and how many there are in all.
	Search(ctx context.Context, org store.OrgID, conn store.ConnectionID, q SearchQuery) ([]store.SearchHit, int, error)
}
