package scanservice

import (
	"maps"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/store"
)

// maxIdentifiers limits what one asset adds to the search index.
const maxIdentifiers = 500

// SearchDocs describes every asset for full-text search: names, paths,
// descriptions and the identifiers of queries, never their literals.
func SearchDocs(x *catalog.Index, g *lineage.Graph, identifiers func(engine, sql string) []string) []store.SearchDoc {
	s := x.Snapshot()
	var docs []store.SearchDoc
	for a := range s.All() {
		d := store.SearchDoc{Asset: a.Ref(), Name: a.Title(), Path: x.CollectionPath(a.InCollection())}
		names := map[string]bool{}
		if u, ok := s.Usage[a.Ref()]; ok {
			d.Views = u.Views
		}
		switch a := a.(type) {
		case *catalog.Question:
			d.Description = a.Description
			sqlNames(names, engineOf(x, a.Query.DatabaseID), a.Query.SQL, identifiers)
			usedNames(names, x, g, a.Ref())
			for _, c := range a.ResultColumns {
				names[c.Name] = true
			}
			d.Trust = trust(x, a.Description, a.CollectionID, a.Verified)
		case *catalog.Dashboard:
			d.Description = a.Description
			d.Trust = trust(x, a.Description, a.CollectionID, a.Verified)
		case *catalog.Table:
			d.Description = a.Description
			d.Path = tablePath(x, a)
			for _, c := range a.Columns {
				names[c.Name] = true
			}
		case *catalog.Snippet:
			d.Description = a.Description
			sqlNames(names, "", a.SQL, identifiers)
		case *catalog.Transform:
			d.Description = a.Description
			sqlNames(names, engineOf(x, a.Query.DatabaseID), a.Query.SQL, identifiers)
			names[a.TargetTable] = true
		case *catalog.Action:
			d.Description = a.Description
			sqlNames(names, engineOf(x, a.DatabaseID), a.SQL, identifiers)
		case *catalog.Collection:
			d.Description = a.Description
		case *catalog.Database:
			d.Description = a.Description
		case *catalog.Segment:
			d.Description = a.Description
		case *catalog.Measure:
			d.Description = a.Description
		case *catalog.Document:
			d.Description = a.Description
		}
		delete(names, "")
		d.Identifiers = slices.Sorted(maps.Keys(names))
		d.Identifiers = d.Identifiers[:min(len(d.Identifiers), maxIdentifiers)]
		docs = append(docs, d)
	}
	return docs
}

func sqlNames(names map[string]bool, engine, sql string, identifiers func(engine, sql string) []string) {
	if sql == "" || identifiers == nil {
		return
	}
	for _, name := range identifiers(engine, sql) {
		names[name] = true
	}
}

// usedNames adds the tables a question reads.
func usedNames(names map[string]bool, x *catalog.Index, g *lineage.Graph, ref catalog.Ref) {
	for _, e := range g.Sources(ref) {
		if t := x.Table(e.From.ID); t != nil && e.From.Kind == catalog.KindTable {
			names[t.Name] = true
		}
	}
}

func tablePath(x *catalog.Index, t *catalog.Table) string {
	path := t.DatabaseID
	if d := x.Database(t.DatabaseID); d != nil {
		path = d.Name
	}
	if t.Schema != "" {
		path += " / " + t.Schema
	}
	return path
}

// trust ranks how much an asset may be relied on, as store.SearchDoc says.
func trust(x *catalog.Index, description, collection string, verified bool) int {
	if verified {
		return 3
	}
	if c := x.Collection(collection); c != nil && c.Official {
		return 2
	}
	if description != "" {
		return 1
	}
	return 0
}

// engineOf is Metabase's name of a database's engine, empty when not known.
func engineOf(x *catalog.Index, databaseID string) string {
	if d := x.Database(databaseID); d != nil {
		return d.Engine
	}
	return ""
}
