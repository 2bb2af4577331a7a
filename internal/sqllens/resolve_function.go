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
		var nested *relation
		for _, a := range f.Args {
			if a.Kind == ExprQuery {
				nested = r.query(a.Query, sc, sc.ctes)
				for _, c := range nested.columns {
					sources = sources.add(c.sources...)
				}
				continue
			}
			if a.Kind == ExprOp && a.Op == "=" && len(a.Args) == 2 && a.Args[0].Kind == ExprColumn && a.Args[1].Kind == ExprLiteral {
				continue // an option: read_csv('f', header = true)
			}
			sources = sources.add(r.expr(a, sc, UseValue)...)
		}
		if f.Call != nil && nested == nil {
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
		rel.alias = f.Name[len(f.Name)-1]
		switch name {
		case "flatten": // Snowflake
			for _, n := range []string{"SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS"} {
				rel.columns = append(rel.columns, outputColumn{name: Ident{Text: n}, sources: sources})
			}
			return rel
		case "generate_series", "generate_date_array", "generate_array", "generate_timestamp_array", "range", "numbers", "sequence":
			rel.columns = append(rel.columns, outputColumn{name: rel.alias, sources: sources})
			rel.blind = len(t.AliasCols) == 0
		case "json_each", "jsonb_each", "json_each_text", "jsonb_each_text", "json_tree", "each":
			for _, n := range []string{"key", "value"} {
				rel.columns = append(rel.columns, outputColumn{name: Ident{Text: n}, sources: sources})
			}
			rel.blind = true
			return rel
		case "json_array_elements", "jsonb_array_elements", "json_array_elements_text", "jsonb_array_elements_text":
			if r.d == Postgres || r.d == Redshift {
				rel.columns = append(rel.columns, outputColumn{name: Ident{Text: "value"}, sources: sources})
				return rel
			}
		case "crosstab", "crosstabn", "dblink":
			for _, a := range f.Args {
				sources = sources.add(r.quotedQuery(a)...)
			}
		case "openjson":
			if len(t.Columns) == 0 {
				for _, n := range []string{"key", "value", "type"} {
					rel.columns = append(rel.columns, outputColumn{name: Ident{Text: n}, sources: sources})
				}
				return rel
			}
		case "string_split":
			rel.columns = append(rel.columns, outputColumn{name: Ident{Text: "value"}, sources: sources})
			return rel
		case "table":
			if nested != nil {
				rel.columns, rel.open, rel.blind = visible(nested), nested.open, nested.blind
				return rel
			}
		}
	} else {
		sources = r.expr(f, sc, UseValue)
	}
	for _, c := range t.Columns {
		rel.columns = append(rel.columns, outputColumn{name: c, sources: sources})
	}
	if len(rel.columns) == 0 {
		alias := rel.alias
		if t.Alias != nil {
			alias = *t.Alias
		}
		if n := len(t.AliasCols); n > 0 {
			for range n {
				rel.columns = append(rel.columns, outputColumn{name: alias, sources: sources})
			}
		} else {
			rel.columns = []outputColumn{{name: alias, sources: sources}}
			rel.blind = true
		}
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
	for range max(len(t.AliasCols)-1, 0) {
		rel.columns = append(rel.columns, outputColumn{name: alias, sources: sources})
	}
	rel.blind = len(t.AliasCols) == 0
	return rel
}

// pivot resolves PIVOT, UNPIVOT and MATCH_RECOGNIZE.
func (r *resolver) pivot(t *Table, sc *scope) *relation {
	inner := &scope{parent: sc.parent, ctes: sc.ctes}
	r.table(t.Left, inner)
	if t.Left != nil && t.Left.Kind == TableFile && t.Left.Text == "|>" {
		inner.relations = append(inner.relations[:0], sc.relations...)
	}
	base := r.star(&Expr{Kind: ExprStar, Star: &Star{}, Span: t.Span}, inner)
	ed := r.ed // names inside stand for themselves
	defer func() { r.ed = ed }()
	pv := t.Pivot
	if pv != nil && pv.Unpivot {
		r.ed = nil
	}
	if pv == nil {
		return base
	}
	rel := &relation{open: base.open, blind: base.blind}
	if len(inner.relations) > 0 {
		rel.alias, rel.path = inner.relations[0].alias, inner.relations[0].path
	}
	switch {
	case pv.Match:
		for _, e := range pv.Partition {
			rel.columns = append(rel.columns, outputColumn{name: r.exprName(e, 0), sources: r.expr(e, inner, UseGroup)})
		}
		for _, e := range pv.Order {
			r.orderExpr(e, inner)
		}
		r.quiet++
		for _, m := range pv.Measures {
			rel.columns = append(rel.columns, outputColumn{name: r.itemName(m, 0), sources: r.looseSources(m.Expr, inner)})
		}
		r.quiet--
		rel.blind = true
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
		for _, c := range base.columns {
			if c.star || !gone(c.name) {
				rel.columns = append(rel.columns, c)
			}
		}
		if pv.NameColumn != nil {
			rel.columns = append(rel.columns, outputColumn{name: *pv.NameColumn})
		}
		for i, v := range pv.Values {
			var sources sourceSet
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
		if c.star || !gone {
			rel.columns = append(rel.columns, c)
		}
	}
	for _, in := range pv.In {
		for _, a := range pv.Aggregates {
			name := pivotName(in, a, len(pv.Aggregates) > 1)
			rel.columns = append(rel.columns, outputColumn{name: name, sources: values})
		}
	}
	return rel
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

// pivotName builds the name of a pivoted column: the IN entry's alias or value,
// with the aggregate's alias when there are several or it has one.
func pivotName(in, agg SelectItem, several bool) Ident {
	name := Ident{Quote: '"'}
	switch {
	case in.Alias != nil:
		name = *in.Alias
	case in.Expr.Kind == ExprLiteral:
		name.Text = strings.Trim(in.Expr.Text, `'"`)
	case in.Expr.Kind == ExprColumn:
		name = in.Expr.Name[len(in.Expr.Name)-1]
	}
	if agg.Alias != nil {
		name.Text += "_" + agg.Alias.Text
	} else if several && agg.Expr.Kind == ExprFunc {
		name.Text += "_" + agg.Expr.Name[len(agg.Expr.Name)-1].Text
	}
	return name
}

// looseSources resolves what it can of an expression whose qualifiers are
// pattern variables.
func (r *resolver) looseSources(e *Expr, sc *scope) sourceSet {
	var out sourceSet
	walkExpr(e, func(x *Expr) {
		if x.Kind == ExprColumn {
			last := x.Name[len(x.Name)-1:]
			out = out.add(r.expr(&Expr{Kind: ExprColumn, Name: last, Span: x.Span}, sc, UseValue)...)
		}
	})
	return out
}
