package dbt

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Action is what happened to a relation or column.
type Action string

// The actions.
const (
	Removed       Action = "model_removed"   // its relation is no longer written
	Renamed       Action = "relation_moved"  // another database, schema or name
	ColumnRemoved Action = "column_removed"  //
	ColumnType    Action = "column_type"     // To is the new type
	Rewritten     Action = "model_rewritten" // its code changed and what it answers with cannot be told from names alone
)

// Change is one difference.
type Change struct {
	Action Action
	Node   *Node // as it was
	New    *Node // as it is; nil when removed
	Column string
	To     string
	// Unsure is set for a removed column that only the documentation tells of.
	Unsure bool
}

// Compare lists what the new manifest takes away from the users of the old
// one's relations, in order of the nodes' ids.
func Compare(before, after *Manifest) []Change {
	var out []Change
	for _, id := range slices.Sorted(maps.Keys(before.Nodes)) {
		old, now := before.Nodes[id], after.Nodes[id]
		if old.ephemeral() {
			continue // it has no relation that anything could read
		}
		if now == nil || now.ephemeral() {
			out = append(out, Change{Action: Removed, Node: old})
			continue
		}
		if !same(old.Relation, now.Relation) || !same(old.Schema, now.Schema) || !same(old.Database, now.Database) {
			out = append(out, Change{Action: Renamed, Node: old, New: now, To: now.FullName()})
		}
		out = append(out, columns(old, now)...)
	}
	return out
}

func same(a, b string) bool { return strings.EqualFold(a, b) }

func (n *Node) ephemeral() bool { return n.Materialized == "ephemeral" }

// FullName is the relation with its database and schema.
func (n *Node) FullName() string {
	var parts []string
	for _, p := range []string{n.Database, n.Schema, n.Relation} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ".")
}

func (n *Node) column(name string) *Column {
	for i := range n.Columns {
		if same(n.Columns[i].Name, name) {
			return &n.Columns[i]
		}
	}
	return nil
}

func columns(old, now *Node) []Change {
	var out []Change
	rewritten := old.Checksum != now.Checksum || old.Code != now.Code
	if rewritten && old.Type == "model" {
		out = append(out, Change{Action: Rewritten, Node: old, New: now})
	}
	for _, c := range old.Columns {
		n := now.column(c.Name)
		switch {
		case n == nil:
			out = append(out, Change{Action: ColumnRemoved, Node: old, New: now, Column: c.Name, Unsure: !now.Enforced && old.Type == "model"})
		case c.Type != "" && n.Type != "" && !same(c.Type, n.Type):
			out = append(out, Change{Action: ColumnType, Node: old, New: now, Column: c.Name, To: n.Type})
		}
	}
	return out
}

func sortColumns(list []Column) {
	slices.SortFunc(list, func(a, b Column) int { return cmp.Compare(a.Name, b.Name) })
}
