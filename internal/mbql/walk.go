package mbql

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// walker collects references while it computes the columns of each stage.
type walker struct {
	resolver Resolver
	refs     *References
	entities []entityKey
}

type entityKey struct {
	kind ExprKind
	id   string
}

// scope is what the references of one stage can mean.
type scope struct {
	source      []Column // of the table, card or stage before
	table       TableID  // set when the stage reads a table
	card        string
	joins       []joined
	expressions []Column
	stage       *Stage
	aggregates  []Column
}

type joined struct {
	alias   string
	columns []Column
	table   TableID // set when the join reads a table and nothing else
}

func (w *walker) stages(list []*Stage, join bool) []Column {
	var columns []Column
	for i, s := range list {
		columns = w.stage(s, columns, i == 0, join)
	}
	return columns
}

func (w *walker) stage(s *Stage, before []Column, first, join bool) []Column {
	sc := &scope{source: before, stage: s}
	if first || s.Native != nil {
		w.sourceOf(s, sc, join)
	}
	for _, j := range s.Joins {
		w.join(j, sc)
	}
	for _, x := range s.Expressions {
		c := w.value(x.Expr, sc)
		w.use(&c, UseValue)
		c.Name, c.original, c.alias = x.Name, x.Name, ""
		sc.expressions = append(sc.expressions, c)
	}
	for _, f := range s.Filters {
		c := w.value(f, sc)
		w.use(&c, UseFilter)
	}
	var out []Column
	switch {
	case len(s.Aggregations)+len(s.Breakouts) > 0:
		out = w.summary(s, sc)
	case s.HasFields:
		out = w.chosen(s, sc)
	default:
		out = w.everything(s, sc)
	}
	for _, o := range s.OrderBy {
		c := w.value(o.Expr, sc)
		w.use(&c, UseOrder)
	}
	return out
}

// sourceOf reads the columns of a first stage.
func (w *walker) sourceOf(s *Stage, sc *scope, join bool) {
	switch {
	case s.Native != nil:
		w.refs.Natives = append(w.refs.Natives, s.Native)
		sc.source = []Column{{Star: true, Partial: true}}
	case s.SourceCard != "":
		w.refs.Cards = append(w.refs.Cards, CardUse{s.SourceCard, join})
		sc.card = s.SourceCard
		sc.source = w.cardColumns(s.SourceCard)
	case !s.SourceTable.IsZero():
		id, known := w.table(s.SourceTable)
		w.refs.Tables = append(w.refs.Tables, TableUse{Table: id, Join: join})
		sc.table = id
		if !known {
			w.gap(Unresolved{Reason: "unknown_table", Detail: describeTable(id), Table: id})
		}
		if w.resolver != nil {
			if columns, ok := w.resolver.TableColumns(id); ok {
				sc.source = columns
				return
			}
		}
		sc.source = []Column{{Star: true, Partial: true}}
	}
}

func (w *walker) cardColumns(card string) []Column {
	if w.resolver != nil {
		if columns, ok := w.resolver.CardColumns(card); ok {
			return columns
		}
	}
	return []Column{{Star: true, Partial: true}}
}

func (w *walker) table(id TableID) (TableID, bool) {
	if w.resolver == nil {
		return id, true
	}
	found, ok := w.resolver.Table(id)
	if !ok {
		return id, false
	}
	return found, true
}

func (w *walker) join(j *Join, sc *scope) {
	entry := joined{alias: j.Alias, columns: w.stages(j.Stages, true)}
	if len(j.Stages) == 1 && !j.Stages[0].SourceTable.IsZero() {
		entry.table, _ = w.table(j.Stages[0].SourceTable)
	}
	sc.joins = append(sc.joins, entry)
	for _, c := range j.Conditions {
		v := w.value(c, sc)
		w.use(&v, UseJoin)
	}
	for _, f := range j.Fields {
		v := w.value(f, sc)
		w.use(&v, UseValue)
	}
}

// summary is the output of a stage that groups or aggregates.
func (w *walker) summary(s *Stage, sc *scope) []Column {
	out := make([]Column, 0, len(s.Breakouts)+len(s.Aggregations))
	for _, b := range s.Breakouts {
		c := w.value(b, sc)
		w.use(&c, UseGroup)
		w.use(&c, UseValue)
		out = append(out, c)
	}
	for _, a := range s.Aggregations {
		c := w.value(a, sc)
		w.use(&c, UseValue)
		c.Name = w.aggregationName(a, &c, sc)
		c.original, c.alias = c.Name, ""
		sc.aggregates = append(sc.aggregates, c)
		out = append(out, c)
	}
	return unique(out)
}

// chosen is the output of a stage that lists its columns.
func (w *walker) chosen(s *Stage, sc *scope) []Column {
	out := make([]Column, 0, len(s.Fields))
	for _, f := range s.Fields {
		c := w.value(f, sc)
		w.use(&c, UseValue)
		out = append(out, c)
	}
	return unique(w.joinColumns(s, sc, out))
}

// everything is the output of a stage that lists nothing.
func (w *walker) everything(s *Stage, sc *scope) []Column {
	if len(s.Joins) == 0 && len(sc.expressions) == 0 {
		return sc.source
	}
	out := slices.Clone(sc.source)
	out = append(out, sc.expressions...)
	return unique(w.joinColumns(s, sc, out))
}

func (w *walker) joinColumns(s *Stage, sc *scope, out []Column) []Column {
	for i, j := range s.Joins {
		switch {
		case j.AllFields:
			for _, c := range sc.joins[i].columns {
				c.alias, c.original = j.Alias, c.Name
				out = append(out, c)
			}
		case len(j.Fields) > 0:
			for _, f := range j.Fields {
				c := w.value(f, sc)
				if !slices.ContainsFunc(out, func(o Column) bool { return o.same(&c) }) {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// same reports whether two columns are one: a join lists columns that the
// fields of the stage may list too.
func (c *Column) same(o *Column) bool {
	return c.alias == o.alias && c.original == o.original && c.original != "" && slices.Equal(c.Sources, o.Sources)
}

// unique gives repeated names their suffix, as Metabase does.
func unique(columns []Column) []Column {
	taken := make(map[string]int, len(columns))
	for i := range columns {
		c := &columns[i]
		if c.original == "" {
			c.original = c.Name
		}
		n := taken[c.Name]
		taken[c.Name] = n + 1
		if n == 0 || c.Name == "" {
			continue
		}
		base := c.Name
		for n++; ; n++ {
			name := base + "_" + strconv.Itoa(n)
			if taken[name] == 0 {
				c.Name = name
				taken[name] = 1
				taken[base] = n
				break
			}
		}
	}
	return columns
}

// value finds what an expression is made from and collects the entities in it.
func (w *walker) value(e *Expr, sc *scope) Column {
	if e == nil {
		return Column{}
	}
	switch e.Kind {
	case FieldExpr:
		return w.field(e.Field, sc)
	case ExpressionExpr:
		for _, x := range sc.expressions {
			if x.Name == e.Name {
				return x
			}
		}
		for _, c := range sc.source { // a custom column of the stage before
			if c.Name == e.Name {
				return c
			}
		}
		if !sc.open() {
			w.gap(Unresolved{Reason: "unknown_expression", Detail: e.Name})
		}
		return Column{Name: e.Name, Partial: true}
	case AggregationExpr:
		if e.Index >= 0 && e.Index < len(sc.aggregates) {
			return sc.aggregates[e.Index]
		}
		w.gap(Unresolved{Reason: "unknown_aggregation", Detail: "an aggregation that does not exist"})
		return Column{Partial: true}
	case SegmentExpr:
		w.entities = append(w.entities, entityKey{SegmentExpr, e.Name})
		return Column{}
	case MetricExpr, MeasureExpr:
		w.entities = append(w.entities, entityKey{e.Kind, e.Name})
		if w.resolver != nil {
			if c, ok := w.resolver.Aggregate(e.Kind, e.Name); ok {
				return c
			}
		}
		return Column{Partial: true}
	}
	var out Column
	for _, a := range e.Args {
		c := w.value(a, sc)
		out.merge(&c)
	}
	return out
}

// merge adds the sources of another column.
func (c *Column) merge(o *Column) {
	for _, s := range o.Sources {
		if !slices.Contains(c.Sources, s) {
			c.Sources = append(c.Sources[:len(c.Sources):len(c.Sources)], s)
		}
	}
	for _, s := range o.Cards {
		if !slices.Contains(c.Cards, s) {
			c.Cards = append(c.Cards[:len(c.Cards):len(c.Cards)], s)
		}
	}
	c.Partial = c.Partial || o.Partial
}

// open reports whether the scope has columns that nobody knows.
func (sc *scope) open() bool {
	isStar := func(c Column) bool { return c.Star }
	if slices.ContainsFunc(sc.source, isStar) {
		return true
	}
	return slices.ContainsFunc(sc.joins, func(j joined) bool { return slices.ContainsFunc(j.columns, isStar) })
}

func (w *walker) use(c *Column, use Use) {
	for _, s := range c.Sources {
		w.refs.Columns = append(w.refs.Columns, ColumnUse{Field: s, Use: use})
	}
	for _, s := range c.Cards {
		w.refs.CardColumns = append(w.refs.CardColumns, CardColumnUse{CardCell: s, Use: use})
	}
}

// implicit records the use of columns that are only there because everything
// was asked for.
func (w *walker) implicit(c *Column) {
	for _, s := range c.Sources {
		w.refs.Columns = append(w.refs.Columns, ColumnUse{Field: s, Use: UseValue, Implicit: true})
	}
	for _, s := range c.Cards {
		w.refs.CardColumns = append(w.refs.CardColumns, CardColumnUse{CardCell: s, Use: UseValue, Implicit: true})
	}
}

func (w *walker) gap(u Unresolved) {
	if w.resolver != nil {
		w.refs.Unresolved = append(w.refs.Unresolved, u)
	}
}

// finish sorts the references and keeps each once. What is stated somewhere is
// not implicit.
func (w *walker) finish() {
	r := w.refs
	slices.SortFunc(r.Tables, func(a, b TableUse) int {
		return cmp.Or(a.Table.compare(b.Table), compareBool(a.Join, b.Join), compareBool(a.Implicit, b.Implicit))
	})
	r.Tables = slices.Compact(r.Tables)
	slices.SortFunc(r.Columns, func(a, b ColumnUse) int {
		if c := a.Field.compare(b.Field); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Use, b.Use), compareBool(a.Implicit, b.Implicit))
	})
	r.Columns = slices.CompactFunc(r.Columns, func(a, b ColumnUse) bool { return a.Field == b.Field && a.Use == b.Use })
	slices.SortFunc(r.Cards, func(a, b CardUse) int {
		return cmp.Or(compareID(a.Card, b.Card), compareBool(a.Join, b.Join))
	})
	r.Cards = slices.Compact(r.Cards)
	slices.SortFunc(r.CardColumns, func(a, b CardColumnUse) int {
		return cmp.Or(compareID(a.Card, b.Card), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Use, b.Use), compareBool(a.Implicit, b.Implicit))
	})
	r.CardColumns = slices.CompactFunc(r.CardColumns, func(a, b CardColumnUse) bool { return a.CardCell == b.CardCell && a.Use == b.Use })
	slices.SortFunc(w.entities, func(a, b entityKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), compareID(a.id, b.id))
	})
	for _, k := range slices.Compact(w.entities) {
		switch k.kind {
		case MetricExpr:
			r.Metrics = append(r.Metrics, k.id)
		case SegmentExpr:
			r.Segments = append(r.Segments, k.id)
		default:
			r.Measures = append(r.Measures, k.id)
		}
	}
	slices.SortFunc(r.Unresolved, func(a, b Unresolved) int {
		return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Detail, b.Detail), a.Table.compare(b.Table), a.Field.compare(b.Field))
	})
	r.Unresolved = slices.Compact(r.Unresolved)
}

func (t TableID) compare(o TableID) int {
	if t == o {
		return 0
	}
	return cmp.Or(cmp.Compare(t.Number, o.Number), cmp.Compare(t.Database, o.Database), cmp.Compare(t.Schema, o.Schema), cmp.Compare(t.Name, o.Name))
}

func (f FieldID) compare(o FieldID) int {
	if f.Number != o.Number {
		return cmp.Compare(f.Number, o.Number)
	}
	if c := f.Table.compare(o.Table); c != 0 {
		return c
	}
	return strings.Compare(f.Name, o.Name)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// compareID orders numbers by value.
func compareID(a, b string) int {
	if isDigits(a) && isDigits(b) && len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
