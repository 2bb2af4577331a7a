package metabasetest

import "slices"

// grants caches what a caller may see during one exchange.
type grants struct {
	tables map[int]bool
}

func (x *exchange) groups() []int {
	return append([]int{GroupAllUsers}, x.who.GroupIDs...)
}

// collectionAccess is "", "read" or "write".
func (x *exchange) collectionAccess(id int) string {
	if x.who.Admin {
		return "write"
	}
	if id != RootCollection {
		c := x.w.Collection(id)
		switch {
		case c == nil:
			return ""
		case c.Type == "trash":
			return "read"
		}
		if owner := x.w.owner(id); owner != 0 {
			if owner == x.who.PersonID {
				return "write"
			}
			return ""
		}
		if c.Namespace == "snippets" {
			return "read"
		}
	}
	access := ""
	for _, g := range x.groups() {
		switch x.w.CollectionAccess[g][id] {
		case "write":
			return "write"
		case "read":
			access = "read"
		}
	}
	return access
}

func (x *exchange) canRead(collection int) bool { return x.collectionAccess(collection) != "" }

func (x *exchange) canWrite(collection int) bool { return x.collectionAccess(collection) == "write" }

// home is the collection that decides who may see a card: its own, or that of
// the dashboard it lives in.
func (x *exchange) home(c *Card) int {
	if c.DashboardID != 0 {
		if d := x.w.Dashboard(c.DashboardID); d != nil {
			return d.CollectionID
		}
	}
	return c.CollectionID
}

func (x *exchange) canReadCard(c *Card) bool { return x.canRead(x.home(c)) }

// exists reports whether this version can hold the card at all.
func (x *exchange) exists(c *Card) bool {
	if c.Type == CardMetric && !x.v.metricCards() {
		return false
	}
	if c.DocumentID != 0 && !x.v.from(58) {
		return false
	}
	if !x.v.from(59) && c.Query.IsNative() {
		return !slices.ContainsFunc(c.Query.Stages[0].Tags, func(t Tag) bool { return t.Type == "table" })
	}
	return true
}

func (x *exchange) canReadTable(t *Table) bool {
	if x.who.Admin {
		return true
	}
	if can, known := x.grants.tables[t.ID]; known {
		return can
	}
	can := false
	groups := x.groups()
	for _, g := range x.w.DataAccess {
		if g.DatabaseID != t.DatabaseID || g.ViewData == "blocked" || !slices.Contains(groups, g.GroupID) {
			continue
		}
		if (g.Schema == "" || g.Schema == t.Schema) && (g.TableID == 0 || g.TableID == t.ID) {
			can = true
			break
		}
	}
	if x.grants.tables == nil {
		x.grants.tables = map[int]bool{}
	}
	x.grants.tables[t.ID] = can
	return can
}

func (x *exchange) canReadDatabase(id int) bool {
	if x.who.Admin {
		return true
	}
	groups := x.groups()
	return slices.ContainsFunc(x.w.DataAccess, func(g DataGrant) bool {
		return g.DatabaseID == id && g.ViewData != "blocked" && slices.Contains(groups, g.GroupID)
	})
}

// writesSQL reports whether the caller may write native queries on a database.
func (x *exchange) writesSQL(database int) bool {
	if x.who.Admin {
		return true
	}
	groups := x.groups()
	return slices.ContainsFunc(x.w.DataAccess, func(g DataGrant) bool {
		return (database == 0 || g.DatabaseID == database) && g.CreateQueries == "query-builder-and-native" &&
			g.ViewData != "blocked" && slices.Contains(groups, g.GroupID)
	})
}
