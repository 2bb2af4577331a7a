package org

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
)

// shelf is what lies directly in a collection.
type shelf struct {
	items       []catalog.Ref // live content, without what lives inside dashboards
	collections []catalog.Ref // live sub-collections
}

// shelves sorts all live content by its collection.
func shelves(p *check.Pass) map[string]*shelf {
	out := map[string]*shelf{}
	at := func(id string) *shelf {
		if out[id] == nil {
			out[id] = &shelf{}
		}
		return out[id]
	}
	for a := range p.Snapshot.All() {
		if a.IsArchived() || a.InCollection() == "" {
			continue
		}
		switch a := a.(type) {
		case *catalog.Question:
			if a.DashboardID == "" && a.DocumentID == "" {
				at(a.CollectionID).items = append(at(a.CollectionID).items, a.Ref())
			}
		case *catalog.Collection:
			at(a.ParentID).collections = append(at(a.ParentID).collections, a.Ref())
		case *catalog.Dashboard, *catalog.Document, *catalog.Snippet, *catalog.Transform:
			at(a.InCollection()).items = append(at(a.InCollection()).items, a.Ref())
		}
	}
	return out
}

// plain reports whether a collection is an ordinary folder for questions and
// dashboards: not the root, not one that Metabase keeps for itself.
func plain(c *catalog.Collection) bool {
	return c.ID != catalog.RootCollectionID && c.Namespace == "" && c.Type == ""
}
