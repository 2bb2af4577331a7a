package catalog

import (
	"slices"
	"strconv"
	"strings"
)

// Index answers look-ups on a snapshot. Build it once; it is read-only after.
type Index struct {
	snapshot    *Snapshot
	questions   map[string]*Question
	dashboards  map[string]*Dashboard
	collections map[string]*Collection
	databases   map[string]*Database
	tables      map[string]*Table
	columns     map[string]*Column
	tableByNum  map[int64]*Table
	columnByNum map[int64]*Column
	snippets    map[string]*Snippet
	segments    map[string]*Segment
	measures    map[string]*Measure
	people      map[string]*Person
	others      map[Ref]Asset
	entity      map[string]Asset
}

// NewIndex builds the index of a snapshot.
func NewIndex(s *Snapshot) *Index {
	x := &Index{
		snapshot:    s,
		questions:   make(map[string]*Question, len(s.Questions)),
		dashboards:  make(map[string]*Dashboard, len(s.Dashboards)),
		collections: make(map[string]*Collection, len(s.Collections)),
		databases:   make(map[string]*Database, len(s.Databases)),
		tables:      make(map[string]*Table, len(s.Tables)),
		columns:     map[string]*Column{},
		tableByNum:  make(map[int64]*Table, len(s.Tables)),
		columnByNum: map[int64]*Column{},
		snippets:    map[string]*Snippet{},
		segments:    map[string]*Segment{},
		measures:    map[string]*Measure{},
		people:      map[string]*Person{},
		others:      map[Ref]Asset{},
		entity:      map[string]Asset{},
	}
	for a := range s.All() {
		if e := a.Entity(); e != "" {
			x.entity[e] = a
		}
		switch a := a.(type) {
		case *Question:
			x.questions[a.ID] = a
		case *Dashboard:
			x.dashboards[a.ID] = a
		case *Collection:
			x.collections[a.ID] = a
		case *Database:
			x.databases[a.ID] = a
		case *Table:
			x.tables[a.ID] = a
			if a.MetabaseID != 0 {
				x.tableByNum[a.MetabaseID] = a
			}
			for _, c := range a.Columns {
				x.columns[c.ID] = c
				if c.MetabaseID != 0 {
					x.columnByNum[c.MetabaseID] = c
				}
			}
		case *Snippet:
			x.snippets[a.ID] = a
		case *Segment:
			x.segments[a.ID] = a
		case *Measure:
			x.measures[a.ID] = a
		case *Person:
			x.people[a.ID] = a
		default:
			x.others[a.Ref()] = a
		}
	}
	return x
}

// Snapshot returns the indexed snapshot.
func (x *Index) Snapshot() *Snapshot { return x.snapshot }

// Question finds a question, model or metric by id; nil when absent.
func (x *Index) Question(id string) *Question { return x.questions[id] }

// Dashboard finds a dashboard; nil when absent.
func (x *Index) Dashboard(id string) *Dashboard { return x.dashboards[id] }

// Collection finds a collection; nil when absent.
func (x *Index) Collection(id string) *Collection { return x.collections[id] }

// Database finds a database; nil when absent.
func (x *Index) Database(id string) *Database { return x.databases[id] }

// Table finds a table by natural id; nil when absent.
func (x *Index) Table(id string) *Table { return x.tables[id] }

// Column finds a column by natural id; nil when absent.
func (x *Index) Column(id string) *Column { return x.columns[id] }

// TableByNumber finds a table by Metabase's number; nil when absent.
func (x *Index) TableByNumber(n int64) *Table { return x.tableByNum[n] }

// ColumnByNumber finds a column by Metabase's field number; nil when absent.
func (x *Index) ColumnByNumber(n int64) *Column { return x.columnByNum[n] }

// Snippet finds a snippet by id; nil when absent.
func (x *Index) Snippet(id string) *Snippet { return x.snippets[id] }

// SnippetByName finds a live snippet by its exact name; nil when absent.
func (x *Index) SnippetByName(name string) *Snippet {
	for _, s := range x.snapshot.Snippets {
		if s.Name == name && !s.Archived {
			return s
		}
	}
	return nil
}

// Segment finds a segment; nil when absent.
func (x *Index) Segment(id string) *Segment { return x.segments[id] }

// Measure finds a measure or legacy metric; nil when absent.
func (x *Index) Measure(id string) *Measure { return x.measures[id] }

// Person finds a person; nil when absent.
func (x *Index) Person(id string) *Person { return x.people[id] }

// ByEntity finds an asset by its entity id; nil when absent.
func (x *Index) ByEntity(entityID string) Asset { return x.entity[entityID] }

// Asset finds any asset but columns; nil when absent. A reference of kind
// question, model or metric finds the card of that id whatever its type.
func (x *Index) Asset(r Ref) Asset {
	switch r.Kind {
	case KindQuestion, KindModel, KindMetric:
		if a := x.questions[r.ID]; a != nil {
			return a
		}
	case KindDashboard:
		if a := x.dashboards[r.ID]; a != nil {
			return a
		}
	case KindCollection:
		if a := x.collections[r.ID]; a != nil {
			return a
		}
	case KindDatabase:
		if a := x.databases[r.ID]; a != nil {
			return a
		}
	case KindTable:
		if a := x.tables[r.ID]; a != nil {
			return a
		}
	case KindSnippet:
		if a := x.snippets[r.ID]; a != nil {
			return a
		}
	case KindSegment:
		if a := x.segments[r.ID]; a != nil {
			return a
		}
	case KindMeasure:
		if a := x.measures[r.ID]; a != nil {
			return a
		}
	case KindPerson:
		if a := x.people[r.ID]; a != nil {
			return a
		}
	default:
		if a := x.others[r]; a != nil {
			return a
		}
	}
	return nil
}

// CollectionPath returns the names from the top collection down to the given
// one, joined by " / ". The root is "Our analytics". Cycles and missing parents
// end the path.
func (x *Index) CollectionPath(id string) string {
	if id == "" {
		return ""
	}
	var names []string
	seen := map[string]bool{}
	for id != "" && !seen[id] {
		seen[id] = true
		c := x.collections[id]
		if c == nil {
			if id == RootCollectionID && len(names) == 0 {
				names = append(names, "Our analytics")
			}
			break
		}
		if id == RootCollectionID && len(names) > 0 {
			break
		}
		names = append(names, c.Name)
		id = c.ParentID
	}
	slices.Reverse(names)
	return strings.Join(names, " / ")
}

// Personal reports whether a collection is somebody's personal one or below it.
func (x *Index) Personal(collectionID string) bool {
	seen := map[string]bool{}
	for id := collectionID; id != "" && !seen[id]; {
		seen[id] = true
		c := x.collections[id]
		if c == nil {
			return false
		}
		if c.PersonalOwnerID != "" {
			return true
		}
		id = c.ParentID
	}
	return false
}

// URL returns the address of an asset in Metabase's own interface, or "" where
// it has none or the snapshot came from an export.
func (x *Index) URL(r Ref) string {
	base := strings.TrimRight(x.snapshot.Instance.URL, "/")
	if base == "" || strings.HasPrefix(base, "export:") {
		return ""
	}
	switch r.Kind {
	case KindQuestion:
		return base + "/question/" + r.ID
	case KindModel:
		return base + "/model/" + r.ID
	case KindMetric:
		return base + "/metric/" + r.ID
	case KindDashboard:
		return base + "/dashboard/" + r.ID
	case KindCollection:
		return base + "/collection/" + r.ID
	case KindDatabase:
		return base + "/browse/databases/" + r.ID
	case KindTable, KindColumn:
		id := r.ID
		if r.Kind == KindColumn {
			id = TableOfColumn(id)
		}
		if t := x.tables[id]; t != nil && t.MetabaseID != 0 {
			return base + "/question#?db=" + t.DatabaseID + "&table=" + strconv.FormatInt(t.MetabaseID, 10)
		}
	case KindSubscription, KindAlert:
		return ""
	}
	return ""
}
