package impact

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/impact/dbt"
	"github.com/metalens/metalens/internal/impact/ddl"
	"github.com/metalens/metalens/internal/sqllens"
)

// OfManifests answers for what a change of a dbt project takes away. A model's
// new columns are read from its code; where the code does not tell, its
// documentation does, and what neither tells is skipped with the reason.
func OfManifests(ctx context.Context, in Input, before, after *dbt.Manifest, database string) ([]Impact, []Skipped, error) {
	w, err := newWorld(in.Index, database)
	if err != nil {
		return nil, nil, err
	}
	m := &manifests{world: w, dialect: sqllens.Generic}
	if d, ok := sqllens.DialectOfEngine(cmp.Or(after.Adapter, before.Adapter)); ok {
		m.dialect = d
	}
	for _, c := range dbt.Compare(before, after) {
		m.change(c)
	}
	m.effects = slices.CompactFunc(m.effects, func(a, b dbtEffect) bool { return a.root == b.root && a.change == b.change })
	var out []Impact
	for _, e := range m.effects {
		result, err := Of(ctx, in, Request{Roots: []catalog.Ref{e.root}, Change: e.change})
		if err != nil {
			return nil, nil, err
		}
		out = append(out, Impact{Title: e.title, Action: e.action, To: e.to, Result: result})
	}
	return out, w.skipped, nil
}

type manifests struct {
	*world
	dialect sqllens.Dialect
	effects []dbtEffect
}

type dbtEffect struct {
	root      catalog.Ref
	change    Change
	action    string
	title, to string
}

func (m *manifests) skipNode(c dbt.Change, code, reason string) {
	s := Skipped{Text: c.Node.Type + " " + c.Node.Name, Code: code, Reason: reason}
	if c.Column != "" {
		s.Text += ", column " + c.Column
	}
	if !slices.Contains(m.skipped, s) {
		m.skipped = append(m.skipped, s)
	}
}

// table finds the scanned table of a node.
func (m *manifests) table(c dbt.Change) *catalog.Table {
	n := c.Node
	found := m.find(ddl.Name{Catalog: n.Database, Schema: n.Schema, Table: n.Relation})
	switch {
	case len(found) == 1 && found[0].origin != nil:
		return found[0].origin
	case len(found) == 0:
		if c.Action != dbt.Rewritten {
			m.skipNode(c, "unknown_object", "this scan knows no table "+n.FullName())
		}
	default:
		m.skipNode(c, "ambiguous", "several databases have a table "+n.Schema+"."+n.Relation+"; --database tells them apart")
	}
	return nil
}

func (m *manifests) change(c dbt.Change) {
	t := m.table(c)
	if t == nil {
		return
	}
	name := title(m.index, t.Ref())
	switch c.Action {
	case dbt.Removed:
		if c.Node.Type == "source" {
			m.skipNode(c, "no_effect", "the source is no longer declared; whether "+name+" goes, dbt does not say")
			return
		}
		m.effects = append(m.effects, dbtEffect{t.Ref(), Drop, "model_removed", fmt.Sprintf("Remove %s %s (table %s)", c.Node.Type, c.Node.Name, name), ""})
	case dbt.Renamed:
		m.effects = append(m.effects, dbtEffect{t.Ref(), Rename, "relation_moved", fmt.Sprintf("Rename the table of %s %s from %s to %s", c.Node.Type, c.Node.Name, name, c.To), c.To})
	case dbt.ColumnType:
		if column := columnOf(t, c.Column); column != nil {
			m.effects = append(m.effects, dbtEffect{column.Ref(), Type, "column_type", "Change the type of " + title(m.index, column.Ref()) + " to " + c.To, c.To})
		}
	case dbt.ColumnRemoved:
		if c.Node.Type != "model" || !c.Unsure {
			m.removed(t, c.Column)
		} else if _, known := m.code(c.New); !known {
			m.documented(t, c)
		}
	case dbt.Rewritten:
		m.rewritten(t, c)
	}
}

func columnOf(t *catalog.Table, name string) *catalog.Column {
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, name) && !c.Inactive {
			return c
		}
	}
	return nil
}

func (m *manifests) removed(t *catalog.Table, name string) {
	if c := columnOf(t, name); c != nil {
		m.effects = append(m.effects, dbtEffect{c.Ref(), Drop, "column_removed", "Remove column " + title(m.index, c.Ref()), ""})
	}
}

// code reads the columns that a model's code answers with.
func (m *manifests) code(n *dbt.Node) ([]ddl.Column, bool) {
	if n == nil || n.Code == "" {
		return nil, false
	}
	return m.outputs(n.Code, m.dialect)
}

// rewritten compares what the code answered and answers with.
func (m *manifests) rewritten(t *catalog.Table, c dbt.Change) {
	now, known := m.code(c.New)
	if !known {
		before, ok := m.code(c.Node)
		if ok || len(before) > 0 {
			m.skipNode(c, "not_understood", "its code changed, and which columns it answers with now cannot be told from the code")
		}
		return
	}
	before, knownBefore := m.code(c.Node)
	has := func(list []ddl.Column, name string) bool {
		return slices.ContainsFunc(list, func(o ddl.Column) bool { return strings.EqualFold(o.Name, name) })
	}
	for _, column := range t.Columns {
		if column.Inactive || has(now, column.Name) || knownBefore && !has(before, column.Name) {
			continue
		}
		m.removed(t, column.Name)
	}
}

// documented judges a column that is no longer documented, where the code does
// not tell its columns.
func (m *manifests) documented(t *catalog.Table, c dbt.Change) {
	column := columnOf(t, c.Column)
	if column == nil {
		return
	}
	names := map[string]bool{strings.ToLower(c.Column): true}
	j := &judge{}
	old, now := j.sql(c.Node.Code, m.dialect, names), j.sql(c.New.Code, m.dialect, names)
	switch {
	case now.named || c.Node.Code == c.New.Code:
		m.skipNode(c, "no_effect", "it is no longer documented, but the code still names it or did not change")
	case old.named:
		m.removed(t, c.Column)
	default:
		m.skipNode(c, "not_understood", "it is no longer documented, and the code takes all columns of another model: whether it goes cannot be told")
	}
}
