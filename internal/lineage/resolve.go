package lineage

import (
	"slices"
	"strconv"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/mbql"
)

// The builder is the resolver of MBQL: it knows tables and fields from the
// schema, and the columns of a card from the card's own query. Canonical ids
// are catalog ids, kept in Name.

func tableKey(id string) mbql.TableID { return mbql.TableID{Name: id} }
func fieldKey(id string) mbql.FieldID { return mbql.FieldID{Name: id} }

// databaseID accepts an id or, from exports, a name.
func (b *builder) databaseID(name string) string {
	if b.index.Database(name) == nil {
		if id, ok := b.databases[name]; ok {
			return id
		}
	}
	return name
}

func (b *builder) findTable(t mbql.TableID) *catalog.Table {
	switch {
	case t.Number != 0:
		return b.index.TableByNumber(t.Number)
	case t.Database == "" && t.Schema == "": // canonical
		return b.index.Table(t.Name)
	}
	return b.index.Table(catalog.TableID(b.databaseID(t.Database), t.Schema, t.Name))
}

func (b *builder) findColumn(f mbql.FieldID) *catalog.Column {
	switch {
	case f.Number != 0:
		return b.index.ColumnByNumber(f.Number)
	case f.Table.IsZero(): // canonical
		return b.index.Column(f.Name)
	}
	id := catalog.TableID(b.databaseID(f.Table.Database), f.Table.Schema, f.Table.Name)
	return b.index.Column(catalog.ColumnID(id, f.Name))
}

// Table implements [mbql.Resolver].
func (b *builder) Table(t mbql.TableID) (mbql.TableID, bool) {
	found := b.findTable(t)
	if found == nil {
		return t, false
	}
	return tableKey(found.ID), true
}

// Field implements [mbql.Resolver].
func (b *builder) Field(f mbql.FieldID) (mbql.FieldInfo, bool) {
	c := b.findColumn(f)
	if c == nil {
		return mbql.FieldInfo{}, false
	}
	return mbql.FieldInfo{ID: fieldKey(c.ID), Table: tableKey(catalog.TableOfColumn(c.ID)), Name: c.Name}, true
}

// TableColumns implements [mbql.Resolver].
func (b *builder) TableColumns(t mbql.TableID) ([]mbql.Column, bool) {
	table := b.findTable(t)
	if table == nil || table.ColumnsUnread || len(table.Columns) == 0 {
		return nil, false
	}
	if known, ok := b.columns[table.ID]; ok {
		return known, true
	}
	out := make([]mbql.Column, 0, len(table.Columns))
	for _, c := range table.Columns {
		if c.Inactive || c.Visibility == "retired" || c.Visibility == "sensitive" {
			continue
		}
		out = append(out, mbql.Column{Name: c.Name, Sources: []mbql.FieldID{fieldKey(c.ID)}})
	}
	b.columns[table.ID] = out
	return out, true
}

// CardColumns implements [mbql.Resolver].
func (b *builder) CardColumns(id string) ([]mbql.Column, bool) {
	c := b.card(id)
	if c == nil || c.open {
		return nil, false
	}
	return c.columns, true
}

// Aggregate implements [mbql.Resolver].
func (b *builder) Aggregate(kind mbql.ExprKind, id string) (mbql.Column, bool) {
	if kind == mbql.MetricExpr {
		if q := b.index.Question(id); q != nil && q.Type == catalog.KindMetric {
			if c := b.card(id); c != nil && len(c.own) > 0 {
				last := c.own[len(c.own)-1] // a metric may group by time before it aggregates
				return mbql.Column{Name: last.Name, Sources: last.Sources, Partial: last.Partial}, true
			}
			return mbql.Column{}, false
		}
	}
	if known, ok := b.measures[id]; ok {
		if known == nil {
			return mbql.Column{}, false
		}
		return *known, true
	}
	m := b.index.Measure(id)
	if m == nil {
		return mbql.Column{}, false
	}
	b.measures[id] = nil // guards against a cycle
	q, err := mbql.Parse(m.Definition)
	if err != nil {
		return mbql.Column{}, false
	}
	outputs := q.Outputs(b)
	if len(outputs) == 0 {
		return mbql.Column{}, false
	}
	last := outputs[len(outputs)-1]
	b.measures[id] = &mbql.Column{Name: last.Name, Sources: last.Sources, Partial: last.Partial}
	return *b.measures[id], true
}

// card is what is known about a question's result.
type card struct {
	question *catalog.Question
	reading  *reading      // what its query reads
	own      []mbql.Column // columns as its query computes them
	columns  []mbql.Column // the same as seen by those who build on it
	open     bool          // there are columns that nobody knows
	busy     bool
}

// maxChain caps how many questions deep a question may be built on others.
const maxChain = 100

// card analyses a question once. It is nil for a missing question, and a card
// with open columns inside a cycle.
func (b *builder) card(id string) *card {
	if c, ok := b.cards[id]; ok {
		if c != nil && c.busy {
			return nil
		}
		return c
	}
	q := b.index.Question(id)
	if q == nil || b.depth >= maxChain {
		return nil
	}
	c := &card{question: q, busy: true}
	b.cards[id] = c
	b.depth++
	r := b.read(q.Ref(), &q.Query)
	b.depth--
	c.reading = r
	c.own = reconcile(r.outputs, q.ResultColumns)
	if slices.ContainsFunc(r.outputs, func(o mbql.Column) bool { return o.Star }) {
		for _, o := range c.own { // known from what Metabase recorded only
			for _, s := range o.Sources {
				r.columns = append(r.columns, columnUse{s.Name, mbql.UseValue, finding.Likely})
			}
		}
	}
	r.outputs = c.own
	c.open = len(c.own) == 0 || slices.ContainsFunc(c.own, func(o mbql.Column) bool { return o.Star })
	c.columns = make([]mbql.Column, len(c.own))
	for i, o := range c.own {
		o.Cards = []mbql.CardCell{{Card: id, Column: o.Name}}
		c.columns[i] = o
	}
	c.busy = false
	return c
}

// reconcile confirms computed columns with those that Metabase recorded when
// the question last ran. The query is the truth about sources, the recording
// about names, and about everything where the query cannot be read.
func reconcile(computed []mbql.Column, recorded []catalog.ResultColumn) []mbql.Column {
	known := !slices.ContainsFunc(computed, func(c mbql.Column) bool { return c.Star }) && len(computed) > 0
	if known && len(recorded) == 0 {
		return computed
	}
	byName := make(map[string]int, len(computed))
	for i, c := range computed {
		if !c.Star {
			byName[c.Name] = i
		}
	}
	var out []mbql.Column
	if known {
		out = slices.Clone(computed)
	}
	for _, r := range recorded {
		i, ok := byName[r.Name]
		switch {
		case ok && known:
		case ok:
			out = append(out, computed[i])
		case r.ColumnID != "":
			out = append(out, mbql.Column{Name: r.Name, Sources: []mbql.FieldID{fieldKey(r.ColumnID)}})
		case !known:
			out = append(out, mbql.Column{Name: r.Name, Partial: true})
		}
	}
	if len(out) == 0 {
		return computed
	}
	return out
}

func databaseOf(number string) string {
	if n, err := strconv.Atoi(number); err == nil && n < 0 {
		return "" // the virtual database of saved questions
	}
	return number
}
