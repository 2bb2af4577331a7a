// Package browse is the catalog's pages: search, the tree by collection and by
// database, and the page of one asset.
package browse

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

// View is the last succeeded scan of a connection, ready to look things up.
type View struct {
	Scan  store.Scan
	Index *catalog.Index
	Graph *lineage.Graph    // never nil
	Texts *sqllineage.Texts // never nil
	// Part is set where the reader sees a part of the scan only; nil = all of it.
	Part *Part
}

// Part is how far a reader sees. Index and Graph hold nothing beyond it.
type Part struct {
	// Key names the part: readers who see the same share it.
	Key string
	// HiddenSources and HiddenUsers count what the reader may not see beside an
	// asset, or beside a column what uses it.
	HiddenSources map[catalog.Ref]int
	HiddenUsers   map[catalog.Ref]int
	// Counted says that the reader may be told the counts; else only that there
	// is something.
	Counted bool
	// Show returns a version of an asset without what it says of hidden ones; nil
	// for a hidden asset.
	Show func(catalog.Asset) catalog.Asset
	// Sees reports whether the part holds an asset or a column.
	Sees func(catalog.Ref) bool
	// Findings remembers which findings the part shows; nil remembers nothing.
	Findings *Verdicts
}

// Verdicts remembers by fingerprint whether a part shows a finding: to find that
// out it has to be read. The zero value is ready; it is safe for concurrent use.
type Verdicts struct {
	mu   sync.RWMutex
	said map[string]bool
}

// Keep remembers a verdict.
func (v *Verdicts) Keep(fingerprint string, visible bool) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.said == nil {
		v.said = map[string]bool{}
	}
	v.said[fingerprint] = visible
}

// Of is the verdict on a finding, where there is one.
func (v *Verdicts) Of(fingerprint string) (visible, known bool) {
	if v == nil {
		return false, false
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	visible, known = v.said[fingerprint]
	return visible, known
}

// Key names what the view shows: two views of one key hold the same. Whatever is
// kept for a view is kept by it, so that no reader is given what another one sees.
func (v *View) Key() string {
	if v.Part == nil {
		return string(v.Scan.ID)
	}
	return string(v.Scan.ID) + "/" + v.Part.Key
}

// MoreSources reports whether an asset uses something that the reader may not see.
func (v *View) MoreSources(r catalog.Ref) bool { return v.Part != nil && v.Part.HiddenSources[r] > 0 }

// MoreUsers reports whether something that the reader may not see uses an asset.
func (v *View) MoreUsers(r catalog.Ref) bool { return v.Part != nil && v.Part.HiddenUsers[r] > 0 }

// Beyond is what lies beside an asset that a reader may not see.
type Beyond struct {
	Sources, Users int
	// Counted says that the numbers may be told; else they say yes or no.
	Counted bool
}

// Beyond tells what a reader may not see beside an asset, of a column what uses it.
func (v *View) Beyond(r catalog.Ref) Beyond {
	if v.Part == nil {
		return Beyond{}
	}
	return Beyond{Sources: v.Part.HiddenSources[r], Users: v.Part.HiddenUsers[r], Counted: v.Part.Counted}
}

// Items says n of what the reader may not see: "3 items", or "something" where the
// number is not told.
func (b Beyond) Items(n int) string {
	if !b.Counted {
		return "something"
	}
	return ui.Count(n, "item", "items")
}

// Name names an asset or a column; ok is false when the scan does not know it.
func (v *View) Name(r catalog.Ref) (name string, ok bool) { return nameOf(v.Index, r) }

// Path says where an asset lies: its collection, or database and schema.
func (v *View) Path(a catalog.Asset) string { return pathOf(v.Index, a) }

// ImpactPath returns the path of what breaks when an asset changes, below a
// connection's base.
func ImpactPath(base string, r catalog.Ref) string {
	return ui.Address(base+"/impact", url.Values{"ref": {r.String()}})
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
