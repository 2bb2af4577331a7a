package sqllens

import (
	"slices"
	"strings"
)

// table resolves a FROM item into the scope.
func (r *resolver) table(t *Table, sc *scope) {
	r.depth++
	defer func() { r.depth-- }()
	r.steps++
	if t == nil || r.depth > maxDepth*3 || r.steps > maxSteps {
		return
	}
	switch t.Kind {
	case TableJoin:
		r.join(t, sc)
		return
	case TableName:
		rel := r.namedTable(t, sc)
		if r.on() {
			r.ed.tableName(t, rel)
		}
		sc.relations = append(sc.relations, rel)
		return
	}
	var rel *relation
	switch t.Kind {
	case TableQuery:
		joining := r.joining
		r.joining = 0
		parent := sc.parent
		if t.Lateral {
			parent = sc
		}
		r.rename(t.Query, t.AliasCols)
		inner := r.query(t.Query, parent, sc.ctes)
		r.joining = joining
		if r.renames != nil && r.on() && t.Alias != nil {
			r.ed.dropList(t.Alias.Span.End, t.AliasCols)
		}
		r.renames = nil
		rel = &relation{columns: visible(inner), open: inner.open, blind: inner.blind}
	case TableFunc:
		rel = r.tableFunction(t, sc)
	case TableTag:
		rel = &relation{blind: true}
		if known := r.tags[t.Tag.Name]; known != nil {
			rel = &relation{columns: append([]outputColumn(nil), known.columns...), open: known.open, table: known.table}
		}
	case TablePivot:
		rel = r.pivot(t, sc)
	default:
		rel = &relation{blind: true}
	}
	if t.Alias != nil {
		rel.alias = *t.Alias
		rel.path = nil
	}
	if r.on() && (t.Kind == TableQuery || t.Kind == TableFunc && !rel.asValue || t.Kind == TableFunc && r.d != BigQuery && !t.Lateral) {
		r.ed.tableName(t, rel)
	}
	if t.Ordinality {
		rel.columns = append(rel.columns, outputColumn{name: Ident{Text: "ordinality"}})
	}
	if len(t.AliasCols) > 0 {
		named := renamed(rel, t.AliasCols)
		named.alias, named.path, named.asValue, named.given = rel.alias, rel.path, rel.asValue, rel.given
		if t.Kind == TableFunc {
			named.blind = false
		}
		rel = named
	}
	if t.Offset != nil {
		rel.columns = append(rel.columns, outputColumn{name: *t.Offset})
	}
	rel.lateral = t.Lateral
	if t.Kind == TableFunc && t.Lateral && t.Alias == nil {
		rel.alias = Ident{} // the columns of a lateral view without a name
	}
	sc.relations = append(sc.relations, rel)
}

// namedTable resolves a name to a CTE, a temporary table of the same text, or
// a physical table.
func (r *resolver) namedTable(t *Table, sc *scope) *relation {
	last := t.Name[len(t.Name)-1]
	rel := &relation{alias: last, path: t.Name}
	done := func() *relation {
		if t.Alias != nil {
			rel.alias, rel.path = *t.Alias, nil
		}
		if len(t.AliasCols) > 0 {
			named := renamed(rel, t.AliasCols)
			named.alias, named.path, named.table = rel.alias, rel.path, rel.table
			return named
		}
		return rel
	}
	if len(t.Name) == 1 {
		if c := sc.ctes.find(r.cteRule(), last); c != nil {
			rel.columns, rel.open, rel.blind = visible(c.rel), c.rel.open, c.rel.blind
			return done()
		}
	}
	if made := r.created[tableKey(t.Name)]; made != nil {
		rel.columns, rel.open, rel.blind = visible(made), made.open, made.blind
		if made.table != nil {
			rel.table = r.tableUse(t, false)
		}
		return done()
	}
	// BigQuery, Spark, …: FROM t, t.items reads an array column of an earlier item
	if len(t.Name) >= 2 && r.t.structAccess && len(sc.relations) > 0 {
		if col, fields, ok := r.arrayColumn(t.Name, sc); ok {
			rel.path = nil
			rel.asValue = true
			for _, s := range col {
				r.use(s, UseValue, t.Span)
			}
			if fields != nil {
				rel.columns = append([]outputColumn(nil), fields...)
				return done()
			}
			rel.columns = []outputColumn{{name: rel.alias, sources: col}}
			rel.blind = true
			out := done()
			out.columns[0].name = out.alias
			return out
		}
	}
	ref := r.tableUse(t, false)
	if ref == nil {
		return done()
	}
	rel.table = ref
	entry, ambiguous := r.schema.find(t.Name)
	if entry == nil || ambiguous || len(entry.table.Columns) == 0 {
		rel.open = []*TableRef{ref}
		rel.columns = []outputColumn{{star: true, sources: sourceSet{{ref, "*"}}}}
		return done()
	}
	rel.columns = make([]outputColumn, len(entry.table.Columns))
	for i, c := range entry.table.Columns {
		rel.columns[i] = outputColumn{name: Ident{Text: c, Quote: 's'}, sources: sourceSet{{ref, c}}, physical: true}
	}
	return done()
}

// cteRule is how CTE names compare: like table names, except that nobody
// relies on case there.
func (r *resolver) cteRule() caseRule {
	if r.t.names == sensitive {
		return sensitive
	}
	return insensitive
}

// arrayColumn finds alias.column[.field…] among earlier FROM items.
func (r *resolver) arrayColumn(path []Ident, sc *scope) (sourceSet, []outputColumn, bool) {
	for _, rel := range sc.relations {
		if !matchName(r.t.names, path[0], rel.alias) {
			continue
		}
		if entry, _ := r.schema.find(path); entry != nil {
			return nil, nil, false
		}
		if col, n := rel.find(r.t.names, path[1]); n > 0 {
			sources, fields := r.descend(col, path[2:])
			return sources, fields, true
		}
		if len(rel.open) > 0 {
			return sourceSet{{rel.open[0], path[1].Text}}, nil, true
		}
		return nil, nil, rel.blind
	}
	return nil, nil, false
}

func (r *resolver) join(t *Table, sc *scope) {
	// Left-deep chains of joins are walked without recursion.
	var chain []*Table
	node := t
	for node.Kind == TableJoin && node.Alias == nil {
		chain = append(chain, node)
		node = node.Left
	}
	start := len(sc.relations)
	defer func() {
		for _, rel := range sc.relations[start:] {
			rel.item = start
		}
	}()
	r.table(node, sc)
	for i := len(chain) - 1; i >= 0; i-- {
		j := chain[i]
		if j.Right == nil {
			continue
		}
		right := len(sc.relations)
		r.joining++
		if j.Join == "apply" || j.Join == "lateral" || j.Join == "array" {
			lat := *j.Right
			lat.Lateral = true
			r.table(&lat, sc)
		} else {
			r.table(j.Right, sc)
		}
		r.joining--
		for _, rel := range sc.relations[right:] {
			rel.outer = j.Join == "full" || j.Join == "right"
		}
		if j.Natural {
			r.mergeNatural(j, sc, start, right)
		}
		var conditions []string
		for _, id := range j.Using {
			if j.Join == "semi" || j.Join == "anti" {
				conditions = append(conditions, r.semiUsing(sc, start, right, id)...)
				continue
			}
			conditions = append(conditions, r.mergeUsing(sc, start, right, id)...)
		}
		if r.on() && len(conditions) > 0 {
			r.ed.using(j.Using, conditions)
		}
		r.usings += len(j.Using) + 1
		if j.On != nil {
			r.expr(j.On, sc, UseJoin)
		}
		if j.Join == "semi" || j.Join == "anti" {
			for _, rel := range sc.relations[right:] { // reachable in ON only
				rel.columns, rel.open, rel.blind = nil, nil, false
			}
		}
	}
}

// semiUsing records the columns of USING in a semi or anti join, which yields
// nothing of its right side.
func (r *resolver) semiUsing(sc *scope, start, right int, id Ident) []string {
	var names []string
	for _, side := range [][]*relation{sc.relations[start:right], sc.relations[right:]} {
		for _, rel := range side {
			sources := openSources(rel, id)
			if c, n := rel.find(r.t.names, id); n > 0 {
				sources = c.sources
			} else if len(rel.open) == 0 {
				continue
			}
			for _, s := range sources {
				r.use(s, UseJoin, id.Span)
			}
			if r.on() {
				names = append(names, r.ed.qualifier(rel)+r.ed.name(id))
			}
			break
		}
	}
	if len(names) != 2 {
		return nil
	}
	return []string{names[0] + " = " + names[1]}
}

// mergeUsing joins the two columns of a USING entry: the left one stands for
// both, the right one needs its qualifier.
func (r *resolver) mergeUsing(sc *scope, start, right int, id Ident) []string {
	var left *outputColumn
	var owner *relation
	for _, rel := range sc.relations[start:right] {
		if c, n := rel.find(r.t.names, id); n > 0 && !c.hidden {
			left, owner = c, rel
			break
		}
	}
	if left == nil { // an open relation may have it
		for _, rel := range sc.relations[start:right] {
			if len(rel.open) > 0 {
				rel.columns = append([]outputColumn{{name: id, sources: openSources(rel, id), added: true}}, rel.columns...)
				left, owner = &rel.columns[0], rel
				break
			}
		}
	}
	if left == nil {
		r.unresolved("unknown_column", id.Text, id.Span)
		return nil
	}
	for _, s := range left.sources {
		r.use(s, UseJoin, id.Span)
	}
	for _, rel := range sc.relations[right:] {
		c, n := rel.find(r.t.names, id)
		if n == 0 {
			if len(rel.open) == 0 {
				continue
			}
			rel.columns = append(rel.columns, outputColumn{name: id, sources: openSources(rel, id), added: true})
			c = &rel.columns[len(rel.columns)-1]
		}
		for _, s := range c.sources {
			r.use(s, UseJoin, id.Span)
		}
		c.hidden = true
		left.using = r.usingRank()
		left.sources = append(sourceSet(nil), left.sources...).add(c.sources...)
		if !r.on() {
			return nil
		}
		if left.merged == nil {
			left.merged = []string{r.ed.qualifier(owner) + r.ed.name(id)}
		}
		mine := r.ed.qualifier(rel) + r.ed.name(id)
		value := left.merged[0]
		if len(left.merged) > 1 && sc.relations[len(sc.relations)-1].outer {
			value = "COALESCE(" + strings.Join(left.merged, ", ") + ")"
		}
		left.merged = append(left.merged[:len(left.merged):len(left.merged)], mine)
		return []string{value + " = " + mine}
	}
	return nil
}

// usingRank orders merged columns for a star: a later join's columns come
// first, within a join the listed order holds.
func (r *resolver) usingRank() int {
	r.merged++
	return (r.usings+1)<<20 - r.merged
}

func openSources(rel *relation, id Ident) sourceSet {
	if len(rel.open) == 1 {
		return sourceSet{{rel.open[0], id.Text}}
	}
	return sourceSet{{nil, id.Text}}
}

func (r *resolver) mergeNatural(j *Table, sc *scope, start, right int) {
	var shared []Ident
	for _, rel := range sc.relations[start:right] {
		for _, c := range rel.columns {
			if c.star || c.hidden {
				continue
			}
			for _, other := range sc.relations[right:] {
				if d, n := other.find(r.t.names, c.name); n > 0 && !d.hidden {
					shared = append(shared, Ident{Text: c.name.Text, Quote: c.name.Quote, Span: rel.alias.Span})
				}
			}
		}
	}
	var conditions []string
	for _, id := range shared {
		conditions = append(conditions, r.mergeUsing(sc, start, right, id)...)
	}
	if r.on() && len(conditions) > 0 {
		r.ed.natural(j, conditions)
	}
}

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
				sources = sources.add(r.quotedQuery(a, sc)...)
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
func (r *resolver) quotedQuery(e *Expr, sc *scope) sourceSet {
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
	var used sourceSet
	var values sourceSet
	for _, a := range pv.Aggregates {
		values = values.add(r.expr(a.Expr, inner, UseValue)...)
	}
	used = used.add(values...)
	for i := range pv.For {
		used = used.add(r.expr(&Expr{Kind: ExprColumn, Name: pv.For[i : i+1], Span: pv.For[i].Span}, inner, UseGroup)...)
	}
	if pv.InQuery != nil {
		r.query(pv.InQuery, inner, sc.ctes)
		rel.blind = true
	}
	for _, c := range base.columns {
		if c.star || !containsAny(used, c.sources) {
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

func containsAny(set, of sourceSet) bool {
	for _, s := range of {
		for _, u := range set {
			if u.Column == s.Column && sameTable(u.Table, s.Table) {
				return true
			}
		}
	}
	return false
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

// walkExpr visits an expression and its parts, subqueries left out.
func walkExpr(e *Expr, visit func(*Expr)) {
	if e == nil {
		return
	}
	visit(e)
	for _, a := range e.Args {
		walkExpr(a, visit)
	}
	walkExpr(e.Else, visit)
	if e.Call != nil {
		for _, a := range e.Call.OrderBy {
			walkExpr(a, visit)
		}
		for _, a := range e.Call.WithinGroup {
			walkExpr(a, visit)
		}
		walkExpr(e.Call.Filter, visit)
		if w := e.Call.Over; w != nil {
			for _, a := range w.PartitionBy {
				walkExpr(a, visit)
			}
			for _, a := range w.OrderBy {
				walkExpr(a, visit)
			}
		}
	}
}

// maxColumns bounds what a star stands for: tables that are joined with
// themselves again and again double it each time.
const maxColumns = 5_000

// star expands * or t.* over the scope.
func (r *resolver) star(e *Expr, sc *scope) *relation {
	out := &relation{}
	relations := sc.relations
	if len(e.Name) > 0 {
		rel := r.qualified(e.Name, sc)
		if rel == nil {
			rel = r.hiddenName(e, sc)
		}
		if rel == nil {
			return r.structStar(e, &Expr{Kind: ExprColumn, Name: e.Name, Span: e.Span}, sc)
		}
		relations = []*relation{rel}
	}
	if len(relations) == 0 && len(e.Name) == 0 {
		out.blind = true
		return out
	}
	for _, rel := range relations {
		out.open = append(out.open, rel.open...)
		out.blind = out.blind || rel.blind
	}
	for _, c := range starOrder(relations, len(e.Name) > 0) {
		if r.steps += 4; len(out.columns) >= maxColumns || r.steps > maxSteps {
			out.blind = true
			r.unresolved("too_many_columns", "*", e.Span)
			break
		}
		{
			if r.excepted(e.Star, c) {
				continue
			}
			c.hidden = false
			replaced := false
			for _, item := range e.Star.Replace {
				if item.Alias != nil && matchName(r.t.names, *item.Alias, c.name) && !c.star {
					c = outputColumn{name: c.name, via: c.via, replaced: item.Expr, sources: r.expr(item.Expr, sc, UseValue), fields: r.structFields(item.Expr, sc)}
					replaced = true
				}
			}
			for _, rn := range e.Star.Rename {
				if matchName(r.t.names, rn.From, c.name) {
					own := c.name
					c.before, c.name = &own, rn.To
				}
			}
			if !replaced && !c.star {
				for _, s := range c.sources {
					r.use(s, UseValue, e.Span)
				}
			}
			out.columns = append(out.columns, c)
		}
	}
	if len(e.Star.Replace) > 0 && len(out.open) > 0 { // the replaced columns are among the unknown ones
		for _, item := range e.Star.Replace {
			if item.Alias != nil {
				known := false
				for _, c := range out.columns {
					known = known || !c.star && matchName(r.t.names, *item.Alias, c.name)
				}
				if !known {
					out.columns = append(out.columns, outputColumn{name: *item.Alias, sources: r.expr(item.Expr, sc, UseValue), fields: r.structFields(item.Expr, sc)})
				}
			}
		}
	}
	if e.Star.Pattern != "" {
		out.blind = true
	}
	return out
}

// itemStar expands a star of a select list, that of an expression included.
func (r *resolver) itemStar(e *Expr, sc *scope) *relation {
	if e.Args != nil {
		return r.structStar(e, e.Args[0], sc)
	}
	return r.star(e, sc)
}

// starOrder lists the columns a star stands for. Within a FROM item the columns
// that USING merged come first, those of the last join before the others.
func starOrder(relations []*relation, qualified bool) []outputColumn {
	var out []outputColumn
	for i := 0; i < len(relations); {
		end := i + 1
		for end < len(relations) && !qualified && relations[end].item == relations[i].item {
			end++
		}
		var merged, rest []outputColumn
		for _, rel := range relations[i:end] {
			for _, c := range rel.columns {
				c.via = rel
				switch {
				case c.added || c.hidden && !qualified:
				case c.using > 0 && !qualified:
					merged = append(merged, c)
				default:
					rest = append(rest, c)
				}
			}
		}
		slices.SortStableFunc(merged, func(a, b outputColumn) int { return b.using - a.using })
		out = append(append(out, merged...), rest...)
		i = end
	}
	return out
}

// hiddenName finds the relation whose table a qualifier names although an alias
// hides that name. Databases refuse it; the reader's intent is clear, and the
// answer says that the name was not in scope.
func (r *resolver) hiddenName(e *Expr, sc *scope) *relation {
	var found *relation
	for _, rel := range sc.relations {
		if rel.table == nil || rel.path != nil || len(e.Name) != 1 || !matchName(insensitive, e.Name[0], Ident{Text: rel.table.Name}) {
			continue
		}
		if found != nil {
			return nil
		}
		found = rel
	}
	if found != nil {
		r.unresolved("unknown_alias", pathText(e.Name), e.Span)
	}
	return found
}

func (r *resolver) excepted(s *Star, c outputColumn) bool {
	if c.star {
		return false
	}
	for _, id := range s.Except {
		if matchName(r.t.names, id, c.name) {
			return true
		}
	}
	return false
}
