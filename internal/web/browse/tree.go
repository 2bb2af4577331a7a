package browse

import (
	"cmp"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/web/ui"
)

const rootName = "Our analytics"

// node is one line of the tree.
type node struct {
	Kind     catalog.Kind
	Title    string
	Href     string
	Current  bool
	Open     bool
	Leaf     bool
	Count    int // tables of a schema; 0 = not shown
	Children []node
}

// place is what the tree points at.
type place struct {
	kind string // collection, database, schema
	id   string
}

func readPlace(text string) place {
	kind, id, _ := strings.Cut(text, ":")
	switch kind {
	case "collection", "database", "schema":
		return place{kind, id}
	}
	return place{}
}

func (p place) String() string { return p.kind + ":" + p.id }

// compareNames orders names as people do: case does not count.
func compareNames(a, b string) int {
	return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
}

// shown reports whether a collection belongs into the tree of content.
func shown(c *catalog.Collection) bool {
	return c.Namespace == "" && !c.Archived && c.Type != "trash" && c.ID != catalog.RootCollectionID
}

func children(x *catalog.Index) map[string][]*catalog.Collection {
	byParent := map[string][]*catalog.Collection{}
	for _, c := range x.Snapshot().Collections {
		if !shown(c) {
			continue
		}
		parent := c.ParentID
		if parent == "" || (parent != catalog.RootCollectionID && x.Collection(parent) == nil) {
			parent = catalog.RootCollectionID
		}
		byParent[parent] = append(byParent[parent], c)
	}
	for _, list := range byParent {
		slices.SortFunc(list, func(a, b *catalog.Collection) int {
			if a.Official != b.Official {
				if a.Official {
					return -1
				}
				return 1
			}
			return cmp.Or(compareNames(a.Name, b.Name), catalog.CompareID(a.ID, b.ID))
		})
	}
	return byParent
}

// collectionTree is the tree of collections, open along the way to the current one.
func collectionTree(x *catalog.Index, href func(place) string, at place) []node {
	byParent := children(x)
	way := map[string]bool{}
	if at.kind == "collection" {
		for id := at.id; id != "" && !way[id]; {
			way[id] = true
			c := x.Collection(id)
			if c == nil {
				break
			}
			id = c.ParentID
		}
	}
	var build func(parent string, depth int) []node
	build = func(parent string, depth int) []node {
		var list []node
		for _, c := range byParent[parent] {
			n := node{
				Kind: catalog.KindCollection, Title: c.Name, Href: href(place{"collection", c.ID}),
				Current: at == place{"collection", c.ID}, Leaf: len(byParent[c.ID]) == 0,
			}
			if way[c.ID] && depth < 40 {
				n.Open = !n.Leaf
				n.Children = build(c.ID, depth+1)
			}
			list = append(list, n)
		}
		return list
	}
	root := node{
		Kind: catalog.KindCollection, Title: rootName, Href: href(place{"collection", catalog.RootCollectionID}),
		Current: at == place{"collection", catalog.RootCollectionID}, Open: true, Children: build(catalog.RootCollectionID, 0),
	}
	return []node{root}
}

// schemaID names a schema of a database in addresses.
func schemaID(databaseID, schema string) string { return catalog.TableID(databaseID, schema, "") }

// databaseTree is the tree of databases and their schemas.
func databaseTree(x *catalog.Index, href func(place) string, at place) []node {
	schemas := map[string]map[string]int{}
	for _, t := range x.Snapshot().Tables {
		if schemas[t.DatabaseID] == nil {
			schemas[t.DatabaseID] = map[string]int{}
		}
		schemas[t.DatabaseID][t.Schema]++
	}
	var list []node
	for _, d := range x.Snapshot().Databases {
		n := node{Kind: catalog.KindDatabase, Title: d.Name, Href: href(place{"database", d.ID}), Current: at == place{"database", d.ID}}
		inside := false
		names := make([]string, 0, len(schemas[d.ID]))
		for name := range schemas[d.ID] {
			names = append(names, name)
		}
		slices.SortFunc(names, compareNames)
		for _, name := range names {
			p := place{"schema", schemaID(d.ID, name)}
			child := node{Kind: catalog.KindTable, Title: schemaTitle(name), Href: href(p), Current: at == p, Leaf: true, Count: schemas[d.ID][name]}
			inside = inside || child.Current
			n.Children = append(n.Children, child)
		}
		n.Leaf = len(n.Children) == 0
		n.Open = n.Current || inside || len(x.Snapshot().Databases) <= 3
		if !n.Open {
			n.Children = nil
		}
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b node) int { return compareNames(a.Title, b.Title) })
	return list
}

func schemaTitle(name string) string {
	if name == "" {
		return "No schema"
	}
	return ui.Name(name)
}
