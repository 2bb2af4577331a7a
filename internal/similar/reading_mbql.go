package similar

import (
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
)

// mbqlReader turns a query-builder query of one step into a reading. ok goes
// false at the first thing that is not simple.
type mbqlReader struct {
	finder      *finder
	stage       *mbql.Stage
	source      relation
	joined      map[string]*relation // by alias
	implicit    map[string]bool      // foreign keys that were followed
	out         *reading
	depth       int
	ok          bool
	expressions map[string]*mbql.Expr
}

func (f *finder) readingOfMBQL(q *mbql.Query) *reading {
	if len(q.Diagnostics) > 0 || len(q.Stages) != 1 {
		return nil
	}
	s := q.Stages[0]
	if s.Native != nil {
		return nil
	}
	r := &mbqlReader{
		finder: f, stage: s, ok: true, joined: map[string]*relation{}, implicit: map[string]bool{}, expressions: map[string]*mbql.Expr{},
		out: &reading{limited: s.Limit > 0 || s.HasPage},
	}
	r.out.database = f.databaseID(q.Database)
	r.read()
	if !r.ok || len(r.out.outputs) == 0 {
		return nil
	}
	r.out.tidy()
	return r.out
}

func (r *mbqlReader) fail() term {
	r.ok = false
	return term{}
}

func (r *mbqlReader) read() {
	s := r.stage
	source, ok := r.sourceOf(s)
	if !ok {
		r.ok = false
		return
	}
	r.source = source
	r.out.tables = append(r.out.tables, source.term)
	for _, x := range s.Expressions {
		r.expressions[x.Name] = x.Expr
	}
	for _, j := range s.Joins {
		r.join(j)
	}
	for _, e := range s.Filters {
		r.out.where(r.expr(e))
	}
	for _, e := range s.Breakouts {
		t := r.expr(e)
		r.out.groups = append(r.out.groups, t)
		r.out.outputs = append(r.out.outputs, output{term: t})
	}
	for _, e := range s.Aggregations {
		o := output{name: e.Title, term: r.expr(e)}
		if o.name == "" {
			o.name = e.Column
		}
		r.out.outputs = append(r.out.outputs, o)
	}
	switch {
	case len(s.Breakouts)+len(s.Aggregations) > 0:
	case s.HasFields:
		for _, e := range s.Fields {
			r.out.outputs = append(r.out.outputs, output{term: r.expr(e)})
		}
	case len(s.Expressions) > 0:
		r.ok = false // all columns and the custom ones
	default:
		r.out.outputs = append(r.out.outputs, output{term: term{key: "*", text: "*"}})
	}
}

// sourceOf names what a first stage reads.
func (r *mbqlReader) sourceOf(s *mbql.Stage) (relation, bool) {
	switch {
	case s.SourceCard != "":
		return relation{term: term{key: "card:" + s.SourceCard, text: "question " + s.SourceCard}}, true
	case !s.SourceTable.IsZero():
		if t := r.finder.tableByID(s.SourceTable); t != nil {
			return relation{table: t, term: tableTerm(t)}, true
		}
	}
	return relation{}, false
}

func (r *mbqlReader) join(j *mbql.Join) {
	if len(j.Stages) != 1 {
		r.ok = false
		return
	}
	inner := *j.Stages[0]
	rel, ok := r.sourceOf(&inner)
	inner.SourceTable, inner.SourceCard = mbql.TableID{}, ""
	if !ok || len(inner.Filters)+len(inner.Joins)+len(inner.Aggregations)+len(inner.Breakouts)+len(inner.Expressions) > 0 || inner.Limit > 0 {
		r.ok = false
		return
	}
	kind := map[string]string{"left-join": "left", "inner-join": "inner", "": "left"}[j.Strategy]
	if kind == "" || rel.term.key == r.source.term.key {
		r.ok = false
		return
	}
	for _, have := range r.out.tables {
		if have.key == rel.term.key { // the same table twice
			r.ok = false
			return
		}
	}
	r.joined[j.Alias] = &rel
	r.out.tables = append(r.out.tables, rel.term)
	var list []term
	for _, c := range j.Conditions {
		list = append(list, r.expr(c))
	}
	if len(list) == 0 {
		r.ok = false
		return
	}
	on := logical("and", list)
	r.out.joins = append(r.out.joins, term{
		key: kind + "(" + rel.term.key + "," + on.key + ")", text: kind + " join " + rel.term.text + " on " + on.text, lookup: byItsKey(rel.table, rel.term, on),
	})
}

func (r *mbqlReader) all(list []*mbql.Expr) []term {
	out := make([]term, 0, len(list))
	for _, e := range list {
		out = append(out, r.expr(e))
	}
	return out
}

func (r *mbqlReader) expr(e *mbql.Expr) term {
	r.depth++
	defer func() { r.depth-- }()
	if !r.ok || e == nil || r.depth > 64 {
		return r.fail()
	}
	switch e.Kind {
	case mbql.FieldExpr:
		return r.field(e.Field)
	case mbql.ExpressionExpr:
		if x := r.expressions[e.Name]; x != nil {
			t := r.expr(x)
			if e.Field != nil && e.Field.TemporalUnit != "" {
				return unitOf(e.Field.TemporalUnit, t)
			}
			return t
		}
	case mbql.AggregationExpr:
		if e.Index >= 0 && e.Index < len(r.stage.Aggregations) {
			return r.expr(r.stage.Aggregations[e.Index])
		}
	case mbql.SegmentExpr:
		return r.segment(e.Name)
	case mbql.MetricExpr, mbql.MeasureExpr:
		return r.entity(e)
	case mbql.LiteralExpr:
		switch e.Literal.Type {
		case mbql.NumberLiteral:
			return numberLiteral(e.Literal.Text)
		case mbql.StringLiteral, mbql.DateLiteral:
			return stringLiteral(e.Literal.Text)
		}
		word := e.Literal.Text
		if e.Literal.Type == mbql.NullLiteral {
			word = "null"
		}
		return wordLiteral(word)
	case mbql.ClauseExpr:
		return r.clause(e)
	}
	return r.fail()
}

// entity reads a saved metric or measure by its definition.
func (r *mbqlReader) entity(e *mbql.Expr) term {
	kind := "metric"
	if e.Kind == mbql.MeasureExpr {
		kind = "measure"
	}
	t := term{key: kind + ":" + e.Name, text: kind + " " + e.Name, aggregate: true}
	a := r.finder.index.Asset(catalog.Ref{Kind: catalog.KindMetric, ID: e.Name})
	if e.Kind == mbql.MeasureExpr {
		a = r.finder.index.Asset(catalog.Ref{Kind: catalog.KindMeasure, ID: e.Name})
	}
	if a != nil {
		t.text = kind + " " + a.Title()
	}
	return t
}

// segment reads a saved filter by its definition, so that it equals the same
// condition written out.
func (r *mbqlReader) segment(id string) term {
	s := r.finder.index.Segment(id)
	if s == nil {
		return term{key: "segment:" + id, text: "segment " + id}
	}
	q, err := mbql.Parse(s.Definition)
	if err != nil || len(q.Stages) != 1 || len(q.Stages[0].Filters) == 0 || len(q.Stages[0].Joins) > 0 {
		return term{key: "segment:" + id, text: "segment " + s.Title()}
	}
	var list []term
	for _, f := range q.Stages[0].Filters {
		t := r.expr(f)
		t.saved = true
		for i := range t.conjuncts {
			t.conjuncts[i].saved = true
		}
		list = append(list, t)
	}
	return logical("and", list)
}

func (r *mbqlReader) field(f *mbql.Field) term {
	if f == nil || f.Binning != "" {
		return r.fail()
	}
	t := r.columnOf(f)
	if f.TemporalUnit != "" && f.TemporalUnit != "default" {
		return unitOf(f.TemporalUnit, t)
	}
	return t
}

// unitOf rounds a time down as the query builder does: its weeks are its own.
func unitOf(unit string, t term) term {
	out := call(unit, t)
	out.temporal = true
	return out
}

func (r *mbqlReader) columnOf(f *mbql.Field) term {
	rel := &r.source
	if f.JoinAlias != "" {
		if rel = r.joined[f.JoinAlias]; rel == nil {
			return r.fail()
		}
	}
	if f.ID.IsZero() {
		switch {
		case f.Name == "":
			return r.fail()
		case rel.table != nil:
			if c := columnNamed(rel.table, f.Name); c != nil {
				return columnTerm(rel.table, c)
			}
		}
		return term{key: "[" + rel.term.key + "/" + strings.ToLower(f.Name) + "]", text: rel.term.text + "." + f.Name, temporal: strings.Contains(f.BaseType, "Date")}
	}
	c := r.finder.columnByID(f.ID)
	if c == nil {
		return r.fail()
	}
	table := r.finder.index.Table(catalog.TableOfColumn(c.ID))
	if table == nil {
		return r.fail()
	}
	t := columnTerm(table, c)
	switch {
	case !f.Source.IsZero():
		r.follow(f, table)
	case rel.table == nil: // a column of a saved question, by the id of what it comes from
		t.key = "[" + rel.term.key + "/" + strings.ToLower(c.Name) + "]"
		t.text = rel.term.text + "." + c.Name
	case rel.table != table:
		return r.fail()
	}
	return t
}

// follow adds the join that a foreign key stands for.
func (r *mbqlReader) follow(f *mbql.Field, table *catalog.Table) {
	key := r.finder.columnByID(f.Source)
	if key == nil || f.SourceJoinAlias != "" {
		r.ok = false
		return
	}
	target, own := r.finder.index.Column(key.FKTargetID), r.finder.index.Table(catalog.TableOfColumn(key.ID))
	if target == nil || own == nil || own != r.source.table || catalog.TableOfColumn(target.ID) != table.ID {
		r.ok = false
		return
	}
	if r.implicit[key.ID] {
		return
	}
	r.implicit[key.ID] = true
	for _, have := range r.out.tables {
		if have.key == table.ID { // over another key, or a stated join
			r.ok = false
			return
		}
	}
	right := tableTerm(table)
	on := comparison("=", columnTerm(own, key), columnTerm(table, target))
	r.out.tables = append(r.out.tables, right)
	r.out.joins = append(r.out.joins, term{
		key: "left(" + right.key + "," + on.key + ")", text: "left join " + right.text + " on " + on.text, lookup: right.key,
	})
}

func (r *mbqlReader) clause(e *mbql.Expr) term {
	args := r.all(e.Args)
	if !r.ok {
		return term{}
	}
	options := ""
	for _, o := range e.Options {
		options += " " + o.Name + "=" + o.Value
	}
	two := len(args) == 2 && options == ""
	switch e.Op {
	case "and", "or":
		return logical(e.Op, args)
	case "not":
		if len(args) == 1 {
			return not(args[0])
		}
	case "=", "in", "!=", "not-in":
		if len(args) >= 2 && options == "" {
			negated := e.Op == "!=" || e.Op == "not-in"
			if two && args[1].key == "#null" {
				return isNull(negated, args[0])
			}
			return among(negated, args[0], args[1:])
		}
	case "<", "<=", ">", ">=":
		if two {
			return comparison(e.Op, args[0], args[1])
		}
	case "is-null", "not-null":
		if len(args) == 1 {
			return isNull(e.Op == "not-null", args[0])
		}
	case "between":
		if len(args) == 3 {
			out := call("between", args...)
			out.text = args[0].text + " between " + args[1].text + " and " + args[2].text
			return out
		}
	case "+", "*", "-", "/":
		if len(args) >= 2 {
			out := args[0]
			for _, a := range args[1:] {
				out = arithmetic(e.Op, out, a)
			}
			return out
		}
	case "count":
		if len(args) <= 1 {
			return aggregation("count", args...)
		}
	case "sum", "avg", "min", "max", "distinct", "median", "stddev", "var", "percentile", "cum-sum", "cum-count":
		return aggregation(e.Op, args...)
	case "count-where":
		if len(args) == 1 {
			return conditional(aggregation("count"), args[0])
		}
	case "sum-where", "distinct-where":
		if len(args) == 2 {
			return conditional(aggregation(strings.TrimSuffix(e.Op, "-where"), args[0]), args[1])
		}
	case "share":
		if len(args) == 1 {
			out := aggregation("share", args[0])
			out.text = "share where " + args[0].text
			return out
		}
	case "time-interval", "relative-time-interval", "during":
		out := call(e.Op+options, args...)
		out.temporal = true
		return out
	case "offset":
		return r.fail()
	}
	return call(e.Op+options, args...)
}

// databaseID accepts an id or, from exports, a name.
func (f *finder) databaseID(name string) string {
	if f.index.Database(name) != nil {
		return name
	}
	if id, ok := f.databases[name]; ok {
		return id
	}
	return name
}

func (f *finder) tableByID(t mbql.TableID) *catalog.Table {
	if t.Number != 0 {
		return f.index.TableByNumber(t.Number)
	}
	return f.index.Table(catalog.TableID(f.databaseID(t.Database), t.Schema, t.Name))
}

func (f *finder) columnByID(id mbql.FieldID) *catalog.Column {
	if id.Number != 0 {
		return f.index.ColumnByNumber(id.Number)
	}
	table := catalog.TableID(f.databaseID(id.Table.Database), id.Table.Schema, id.Table.Name)
	return f.index.Column(catalog.ColumnID(table, id.Name))
}

// tableOf finds the scanned table that a name in SQL means: the one of that
// schema, or the only one of that name, or the one in the usual schema.
func (f *finder) tableOf(database string, parts []string) *catalog.Table {
	name := strings.ToLower(parts[len(parts)-1])
	var found *catalog.Table
	several := false
	for _, t := range f.tables[database+"\x00"+name] {
		if len(parts) > 1 {
			if strings.EqualFold(t.Schema, parts[len(parts)-2]) {
				return t
			}
			continue
		}
		if usual(t.Schema) {
			return t
		}
		several = several || found != nil
		found = t
	}
	if several {
		return nil
	}
	return found
}

func usual(schema string) bool {
	switch strings.ToLower(schema) {
	case "public", "dbo", "main", "default", "":
		return true
	}
	return false
}

// prepare indexes what names in queries mean.
func (f *finder) prepare() {
	s := f.index.Snapshot()
	f.databases, f.tables = map[string]string{}, map[string][]*catalog.Table{}
	for _, d := range s.Databases {
		f.databases[d.Name] = d.ID
	}
	for _, t := range s.Tables {
		if !t.Inactive {
			key := t.DatabaseID + "\x00" + strings.ToLower(t.Name)
			f.tables[key] = append(f.tables[key], t)
		}
	}
}
