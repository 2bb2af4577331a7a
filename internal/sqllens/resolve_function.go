package sqllens

import (
	"slices"
	"strings"
)

// tableFunction resolves UNNEST, FLATTEN, JSON_TABLE, generate_series and any
// other function in FROM: its columns come from its arguments.
func (r *resolver) tableFunction(t *Table, sc *scope) *relation {
	rel := &relation{asValue: true}
	f := t.Func
	var sources sourceSet
	if f.Kind == ExprFunc {
		rel.alias = f.Name[len(f.Name)-1]
		if f.calls("table") && len(f.Args) == 1 && f.Args[0].Kind == ExprFunc && len(f.Args[0].Name) > 0 { // TABLE(f(…))
			f = f.Args[0]
		}
		var tables []*relation
		sources, tables = r.functionArgs(t, f, sc)
		if f.Call != nil && len(tables) == 0 {
			for _, e := range f.Call.OrderBy {
				r.expr(e, sc, UseOrder)
			}
		}
		name := strings.ToLower(f.Name[len(f.Name)-1].Text)
		if name == "unnest" && len(f.Args) > 0 {
			return r.unnest(t, sc, sources)
		}
		if name == "arrayjoin" && len(t.AliasCols) > 0 {
			for i, a := range f.Args {
				if i < len(t.AliasCols) {
					r.quiet++
					rel.columns = append(rel.columns, outputColumn{name: t.AliasCols[i], sources: r.expr(a, sc, UseValue)})
					r.quiet--
				}
			}
			return rel
		}
		switch name {
		case "generate_series", "generate_date_array", "generate_array", "generate_timestamp_array", "range":
			if r.d.functionColumns(name) == nil {
				rel.columns = append(rel.columns, outputColumn{name: rel.alias, sources: sources})
				rel.blind = len(t.AliasCols) == 0
			}
			rel.listed = (r.d == ClickHouse || r.d == DuckDB) && t.Alias != nil && name == "generate_series"
		case "crosstab", "crosstabn", "dblink":
			for _, a := range f.Args {
				sources = sources.add(r.quotedQuery(a)...)
			}
		}
		if columns := r.handsOn(f, name, tables); columns != nil {
			rel.columns, rel.open, rel.blind = columns, tables[0].open, tables[0].blind
			return rel
		}
		names := t.Columns
		if len(names) == 0 {
			names = r.declaredColumns(f, name)
		}
		for _, c := range names {
			rel.columns = append(rel.columns, outputColumn{name: c, sources: sources})
		}
		if len(names) == 0 {
			for _, n := range r.d.functionColumns(name) {
				id := Ident{Text: n}
				switch {
				case n == "" && t.Alias != nil:
					id = *t.Alias
				case n == "":
					id = f.Name[len(f.Name)-1]
				}
				rel.columns = append(rel.columns, outputColumn{name: id, sources: sources})
			}
		}
	} else {
		sources = r.expr(f, sc, UseValue)
		for _, c := range t.Columns {
			rel.columns = append(rel.columns, outputColumn{name: c, sources: sources})
		}
	}
	if len(rel.columns) > 0 {
		return rel
	}
	alias := rel.alias
	if t.Alias != nil {
		alias = *t.Alias
	}
	for range t.valueColumns() {
		rel.columns = append(rel.columns, outputColumn{name: alias, sources: sources})
	}
	if len(t.AliasCols) == 0 { // a function's columns are not known, any other value is one
		rel.columns = []outputColumn{{name: alias, star: f.Kind == ExprFunc, sources: sources}}
		rel.blind = true
	}
	return rel
}

// maxQuoted bounds the queries that are read out of string literals.
const maxQuoted = 16 << 10

// quotedQuery resolves a query that a function takes as text, such as
// crosstab($$SELECT …$$), and answers with its sources.
func (r *resolver) quotedQuery(e *Expr) sourceSet {
	if e.Kind != ExprLiteral || e.Op != "string" || len(e.Text) > maxQuoted || e.Span.End > 1<<16 || r.quoted > 8 {
		return nil
	}
	fence := 1
	if e.Text[0] == '$' {
		fence = strings.IndexByte(e.Text[1:], '$') + 2
	} else if e.Text[0] != '\'' || strings.Contains(e.Text[1:len(e.Text)-1], "''") {
		return nil
	}
	if len(e.Text) < 2*fence {
		return nil
	}
	r.quoted++
	inner := Parse(strings.Repeat(" ", e.Span.Start+fence)+e.Text[fence:len(e.Text)-fence], r.d, true)
	var out sourceSet
	for _, st := range inner.Statements {
		if inner.Recovered || st.Kind != StatementSelect {
			return nil
		}
		for _, c := range r.query(st.Query, nil, nil).columns {
			out = out.add(c.sources...)
		}
	}
	return out
}

// unnest resolves UNNEST(array, …): the fields of array elements where they are
// known, otherwise one column per array.
func (r *resolver) unnest(t *Table, sc *scope, sources sourceSet) *relation {
	f := t.Func
	rel := &relation{asValue: true, alias: f.Name[len(f.Name)-1]}
	if r.d == BigQuery {
		rel.alias = Ident{} // the element has no name of its own
	}
	alias := rel.alias
	if t.Alias != nil {
		alias = *t.Alias
	}
	if len(f.Args) > 1 {
		for _, a := range f.Args {
			r.quiet++
			r.reuse++
			rel.columns = append(rel.columns, outputColumn{name: f.Name[len(f.Name)-1], sources: r.expr(a, sc, UseValue)})
			r.reuse--
			r.quiet--
		}
		return rel
	}
	if fields := r.structFields(f.Args[0], sc); fields != nil {
		rel.columns = append([]outputColumn(nil), fields...)
		return rel
	}
	rel.columns = []outputColumn{{name: alias, sources: sources}}
	if r.d == BigQuery && alias.Text != "" && scalarElements(f.Args[0]) {
		return rel
	}
	for range max(t.valueColumns()-1, 0) {
		rel.columns = append(rel.columns, outputColumn{name: alias, sources: sources})
	}
	rel.blind = len(t.AliasCols) == 0
	rel.unnamed = t.Alias == nil
	return rel
}

// valueColumns counts the names of a column list that stand for values of the
// function itself, rather than the place of a row.
func (t *Table) valueColumns() int {
	if t.Ordinality {
		return max(len(t.AliasCols)-1, 0)
	}
	return len(t.AliasCols)
}

// scalarElements says whether the elements of an array are known to be no
// structs.
func scalarElements(e *Expr) bool {
	switch e.Kind {
	case ExprArray:
		return len(e.Args) > 0 && len(e.Params) == 0 && !slices.ContainsFunc(e.Args, func(a *Expr) bool { return a.Kind != ExprLiteral && a.Kind != ExprOp })
	case ExprFunc:
		switch strings.ToLower(e.Name[len(e.Name)-1].Text) {
		case "generate_array", "generate_date_array", "generate_timestamp_array", "split", "regexp_extract_all", "json_value_array", "json_extract_string_array", "to_code_points":
			return true
		}
	}
	return false
}

// arrayJoin lets the columns of ClickHouse's ARRAY JOIN keep the table that the
// arrays stand in, where they have no name of their own.
func (r *resolver) arrayJoin(t *Table, sc *scope, right int) {
	if t.Func == nil || right+1 != len(sc.relations) {
		return
	}
	rel := sc.relations[right]
	for i, a := range t.Func.Args {
		if i >= len(rel.columns) || a.Kind != ExprColumn || a.Name[len(a.Name)-1].Text != rel.columns[i].name.Text {
			continue
		}
		r.hit = hit{}
		r.quiet++
		r.muted++
		r.lookup(a, &scope{parent: sc.parent, relations: sc.relations[:right], ctes: sc.ctes})
		r.muted--
		r.quiet--
		owner := r.hit.rel
		if owner == nil {
			owner = r.hit.written
		}
		switch {
		case owner == nil:
		case len(owner.open) == 0:
			rel.columns[i].hidden = true // the element takes the array's place
		default:
			rel.columns[i].form = &columnForm{owner: owner}
		}
	}
}

// pivot resolves PIVOT, UNPIVOT and MATCH_RECOGNIZE.
func (r *resolver) pivot(t *Table, sc *scope) *relation {
	inner := &scope{parent: sc.parent, ctes: sc.ctes}
	r.chained = true
	r.table(t.Left, inner)
	if t.Left != nil && t.Left.Kind == TableFile && t.Left.Text == "|>" {
		inner.relations = append(inner.relations[:0], sc.relations...)
	}
	r.chained = false
	if t.Pivot != nil && t.Pivot.Match {
		r.quiet++
	}
	base := r.star(&Expr{Kind: ExprStar, Star: &Star{}, Span: t.Span}, inner)
	if t.Pivot != nil && t.Pivot.Match {
		r.quiet--
	}
	ed := r.ed // names inside stand for themselves
	defer func() { r.ed = ed }()
	pv := t.Pivot
	if pv != nil && (pv.Unpivot || r.d == DuckDB || t.Left != nil && t.Left.Kind == TablePivot && t.Left.Alias == nil) {
		r.ed = nil
	}
	if pv == nil {
		return base
	}
	rel := &relation{open: base.open, blind: base.blind, pivoted: true}
	if len(pv.GroupBy) > 0 { // nothing else is left
		rel.open, rel.blind = nil, false
	}
	if len(inner.relations) > 0 {
		rel.alias, rel.path = inner.relations[0].alias, inner.relations[0].path
	}
	switch {
	case pv.Match:
		r.match(pv, rel, base, inner)
		return rel
	case pv.Unpivot:
		gone := func(name Ident) bool {
			for _, list := range pv.Sources {
				for _, id := range list {
					if matchName(r.t.names, id, name) {
						return true
					}
				}
			}
			return false
		}
		var taken sourceSet // by COLUMNS(…)
		var others []outputColumn
		for _, e := range pv.Other {
			walkExpr(e, func(x *Expr) {
				if x.Kind == ExprStar && x.Star != nil {
					others = append(others, r.star(x, inner).columns...)
				}
			})
		}
		for _, c := range others {
			taken = taken.add(c.sources...)
		}
		for _, c := range base.columns {
			other := slices.ContainsFunc(others, func(o outputColumn) bool { return !c.star && matchName(r.t.names, o.name, c.name) })
			if c.star || !other && !gone(c.name) {
				rel.columns = append(rel.columns, c)
			}
		}
		if pv.NameColumn != nil {
			rel.columns = append(rel.columns, outputColumn{name: *pv.NameColumn})
		}
		for i, v := range pv.Values {
			sources := taken
			for _, list := range pv.Sources {
				if i < len(list) {
					sources = sources.add(r.expr(&Expr{Kind: ExprColumn, Name: list[i : i+1], Span: list[i].Span}, inner, UseValue)...)
				}
			}
			rel.columns = append(rel.columns, outputColumn{name: v, sources: sources})
		}
		return rel
	}
	var values sourceSet
	for _, a := range pv.Aggregates {
		values = values.add(r.expr(a.Expr, inner, UseValue)...)
	}
	for i := range pv.For {
		r.expr(&Expr{Kind: ExprColumn, Name: pv.For[i : i+1], Span: pv.For[i].Span}, inner, UseGroup)
	}
	if pv.InQuery != nil {
		r.query(pv.InQuery, inner, sc.ctes)
		rel.blind = true
	}
	used := pv.usedNames()
	for _, c := range base.columns { // what neither FOR nor an aggregate names is grouped by
		gone := slices.ContainsFunc(used, func(id Ident) bool { return matchName(r.t.names, id, c.name) })
		if (c.star || !gone) && len(pv.GroupBy) == 0 {
			rel.columns = append(rel.columns, c)
		}
	}
	for _, e := range pv.GroupBy { // DuckDB: nothing else is grouped by
		rel.columns = append(rel.columns, outputColumn{name: r.exprName(e, 0), sources: r.expr(e, inner, UseGroup)})
	}
	if pv.InQuery != nil { // the data names the columns
		rel.columns = append(rel.columns, outputColumn{star: true, made: true, sources: values})
		return rel
	}
	for _, name := range pv.names(r.d) {
		if len(pv.Aggregates) == 0 { // DuckDB counts the rows then
			rel.columns = append(rel.columns, outputColumn{name: name})
		}
		for _, a := range pv.Aggregates {
			rel.columns = append(rel.columns, outputColumn{name: pivotName(r.d, name, a, len(pv.Aggregates) > 1), sources: values})
		}
	}
	return rel
}

// names are the values that a pivot makes columns of. Several FOR yield every
// combination.
func (pv *Pivot) names(d Dialect) []Ident {
	var out []Ident
	lists := pv.Lists
	if len(lists) == 0 {
		lists = []int{0}
	}
	for i, start := range lists {
		end := len(pv.In)
		if i+1 < len(lists) {
			end = lists[i+1]
		}
		list := pv.In[min(start, end):end]
		if i == 0 {
			for _, in := range list {
				out = append(out, entryName(d, in))
			}
			continue
		}
		if len(out)*len(list) > maxColumns {
			return out
		}
		next := make([]Ident, 0, len(out)*len(list))
		for _, left := range out {
			for _, in := range list {
				next = append(next, Ident{Text: left.Text + "_" + entryName(d, in).Text, Quote: left.Quote})
			}
		}
		out = next
	}
	return out
}

// usedNames are the columns that FOR and the aggregates name.
func (pv *Pivot) usedNames() []Ident {
	names := append([]Ident(nil), pv.For...)
	for _, a := range pv.Aggregates {
		walkExpr(a.Expr, func(e *Expr) {
			if e.Kind == ExprColumn {
				names = append(names, e.Name[len(e.Name)-1])
			}
		})
	}
	return names
}

// entryName is the name that an entry of IN gives to its columns. Snowflake and
// Oracle leave the quotes of a text in it.
func entryName(d Dialect, in SelectItem) Ident {
	name := Ident{Quote: '"'}
	switch {
	case in.Alias != nil:
		name = *in.Alias
	case in.Expr.Kind == ExprLiteral && in.Expr.Op == "string" && (d == Snowflake || d == Oracle):
		name.Text = in.Expr.Text
	case in.Expr.Kind == ExprLiteral:
		name.Text = strings.Trim(in.Expr.Text, `'"`)
	case in.Expr.Kind == ExprColumn:
		name = in.Expr.Name[len(in.Expr.Name)-1]
	}
	return name
}

// pivotName builds the name of a pivoted column: the IN entry's alias or value,
// with the aggregate's alias when there are several or it has one. BigQuery puts
// that in front.
func pivotName(d Dialect, name Ident, agg SelectItem, several bool) Ident {
	if agg.Alias != nil && d == BigQuery {
		name.Text = agg.Alias.Text + "_" + name.Text
	} else if agg.Alias != nil {
		name.Text += "_" + agg.Alias.Text
	} else if several && agg.Expr.Kind == ExprFunc {
		name.Text += "_" + agg.Expr.Name[len(agg.Expr.Name)-1].Text
	}
	return name
}

// match resolves MATCH_RECOGNIZE: what it partitions by, what it orders by where
// all rows stay, its measures, and then the other columns.
func (r *resolver) match(pv *Pivot, rel, base *relation, inner *scope) {
	for _, e := range pv.Partition {
		rel.columns = append(rel.columns, outputColumn{name: r.exprName(e, 0), sources: r.expr(e, inner, UseGroup)})
	}
	for _, e := range pv.Order {
		r.orderExpr(e, inner, UseOrder)
		if e.Kind == ExprOp && e.Op == "desc" {
			e = e.Args[0]
		}
		if pv.AllRows && e.Kind == ExprColumn {
			r.quiet++
			rel.columns = append(rel.columns, outputColumn{name: e.Name[len(e.Name)-1], sources: r.expr(e, inner, UseOrder)})
			r.quiet--
		}
	}
	for _, m := range pv.Measures {
		rel.columns = append(rel.columns, outputColumn{name: r.itemName(m, 0), sources: r.looseSources(m.Expr, inner, UseValue)})
	}
	for _, e := range pv.Other {
		r.looseSources(e, inner, UseFilter)
	}
	if !pv.AllRows {
		rel.open = nil
	}
	rel.blind = !pv.AllRows && len(pv.Measures) == 0
	for _, c := range base.columns {
		if _, n := rel.find(r.t.names, c.name); pv.AllRows && (c.star || n == 0) {
			rel.columns = append(rel.columns, c)
		}
	}
}

// looseSources resolves what it can of an expression whose qualifiers are
// pattern variables.
func (r *resolver) looseSources(e *Expr, sc *scope, use Use) sourceSet {
	var out sourceSet
	walkExpr(e, func(x *Expr) {
		if x.Kind == ExprColumn {
			last := x.Name[len(x.Name)-1:]
			out = out.add(r.expr(&Expr{Kind: ExprColumn, Name: last, Span: x.Span}, sc, use)...)
		}
	})
	return out
}
