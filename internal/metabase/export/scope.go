package export

import (
	"fmt"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
)

// leaveOut adds the root collection and drops excluded and personal
// collections with everything in them.
func (c *collector) leaveOut() {
	s := c.snapshot
	s.Collections = append(s.Collections, &catalog.Collection{Common: catalog.Common{ID: catalog.RootCollectionID, Name: "Our analytics"}})
	parent := make(map[string]string, len(s.Collections))
	owner := map[string]string{}
	for _, a := range s.Collections {
		parent[a.ID] = a.ParentID
		if a.PersonalOwnerID != "" {
			owner[a.ID] = a.PersonalOwnerID
		}
	}
	personal, excluded := map[string]bool{}, map[string]bool{}
	for _, a := range s.Collections {
		seen := map[string]bool{}
		for id := a.ID; id != "" && !seen[id]; id = parent[id] {
			seen[id] = true
			if o := owner[id]; o != "" {
				a.PersonalOwnerID = o
				if !c.options.IncludePersonal {
					personal[a.ID] = true
				}
			}
			if slices.Contains(c.options.Exclude, id) {
				excluded[a.ID] = true
			}
		}
	}
	for _, id := range c.options.Exclude { // of content whose collection has no file
		excluded[id] = true
	}
	if slices.Contains(c.options.Exclude, catalog.RootCollectionID) {
		delete(excluded, catalog.RootCollectionID) // the folder itself stays, its content goes
	}
	out := func(id string) bool {
		return personal[id] || excluded[id] || id == catalog.RootCollectionID && slices.Contains(c.options.Exclude, id)
	}
	count := func(set map[string]bool) int {
		n := 0
		for _, a := range s.Collections {
			if set[a.ID] {
				n++
			}
		}
		return n
	}
	if n := count(excluded); n > 0 {
		c.gap("excluded collections", fmt.Sprintf("%d collections are excluded", n), true)
	}
	if n := count(personal); n > 0 {
		c.gap("personal collections", fmt.Sprintf("%d personal collections are left out", n), true)
	}
	s.Collections = slices.DeleteFunc(s.Collections, func(a *catalog.Collection) bool {
		return a.ID != catalog.RootCollectionID && (personal[a.ID] || excluded[a.ID])
	})
	s.Questions = slices.DeleteFunc(s.Questions, func(a *catalog.Question) bool { return out(a.CollectionID) })
	s.Dashboards = slices.DeleteFunc(s.Dashboards, func(a *catalog.Dashboard) bool { return out(a.CollectionID) })
	s.Documents = slices.DeleteFunc(s.Documents, func(a *catalog.Document) bool { return out(a.CollectionID) })
	s.Snippets = slices.DeleteFunc(s.Snippets, func(a *catalog.Snippet) bool { return out(a.CollectionID) })
	s.Transforms = slices.DeleteFunc(s.Transforms, func(a *catalog.Transform) bool { return out(a.CollectionID) })
}
