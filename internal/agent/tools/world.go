package tools

import (
	"context"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/store"
)

// World is the last succeeded scan of a connection as one reader sees it: Index
// and Graph hold nothing beyond that.
type World struct {
	Org        store.OrgID
	Connection store.ConnectionID
	Scan       store.Scan
	Index      *catalog.Index
	Graph      *lineage.Graph
	// Whole says that the reader sees the connection in full: figures about all of
	// it may be told.
	Whole bool
	// Sees reports whether the reader may know of an asset or a column.
	Sees func(catalog.Ref) bool
	// Path says where an asset lies: its collection, or database and schema.
	Path func(catalog.Asset) string
	// MoreSources and MoreUsers report whether an asset uses, or is used by,
	// something that the reader may not see.
	MoreSources, MoreUsers func(catalog.Ref) bool
}

// Usage returns what is known of an asset's use; nil when nothing is.
func (w *World) Usage(r catalog.Ref) *catalog.Usage {
	if u, ok := w.Index.Snapshot().Usage[r]; ok {
		return &u
	}
	return nil
}

// views is 0 when not known.
func (w *World) views(r catalog.Ref) int64 {
	if u := w.Usage(r); u != nil && u.Views != nil {
		return *u.Views
	}
	return 0
}

// SearchQuery is a full-text search.
type SearchQuery struct {
	Text   string
	Kinds  []catalog.Kind
	Limit  int
	Offset int
}

// Backend is the local services that tools ask. Every method asks for the role
// and the grants of the context's actor itself.
type Backend interface {
	// World answers errs.NotFound when no scan of the connection has succeeded.
	World(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*World, error)
	Search(ctx context.Context, org store.OrgID, conn store.ConnectionID, q SearchQuery) ([]store.SearchHit, int, error)
	// Findings takes the connection from the query and overrules its Visible.
	Findings(ctx context.Context, org store.OrgID, q store.FindingQuery) ([]store.FindingRecord, int, error)
	Finding(ctx context.Context, org store.OrgID, conn store.ConnectionID, fingerprint string) (store.FindingRecord, error)
	// Similar compares the content of the last scan, once per scan.
	Similar(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*similar.Result, error)
	// Changes lists what moved between the last two scans and is visible.
	Changes(ctx context.Context, org store.OrgID, conn store.ConnectionID) ([]store.Change, error)
	// Check returns what a check is about; ok is false for an unknown id.
	Check(id string) (meta check.Meta, ok bool)
}

// NewConversation starts or goes on with a conversation about a world: m is its
// map so far, nil for a new one.
func NewConversation(w *World, c *mask.Classifier, m *mask.Map, strict bool) *mask.Conversation {
	schemas := map[string]*sqllens.Schema{}
	var mu sync.Mutex
	return mask.NewConversation(mask.Options{
		Classifier: c, Map: m, Strict: strict,
		Library: mask.Library{
			Index: w.Index,
			Schema: func(databaseID string) *sqllens.Schema {
				mu.Lock()
				defer mu.Unlock()
				s, ok := schemas[databaseID]
				if !ok {
					s = SchemaOf(w.Index, databaseID)
					schemas[databaseID] = s
				}
				return s
			},
			Origins: func(question catalog.Ref, column string) []string {
				var ids []string
				for _, e := range w.Graph.ColumnSources(question) {
					if e.ToColumn == column && e.From.Kind == catalog.KindColumn {
						ids = append(ids, e.From.ID)
					}
				}
				return ids
			},
		},
	})
}
