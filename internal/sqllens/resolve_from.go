package sqllens

import (
	"strconv"
	"strings"
)

// table resolves a FROM item into the scope.
func (r *resolver) table(t *Table, sc *scope) {
	r.depth++
	defer func() { r.depth-- }()
	r.steps++
	chained := r.chained
	r.chained = false
	if t == nil || r.depth > maxDepth*3 || r.steps > maxSteps {
		return
	}
	switch t.Kind {
	case TableJoin:
		if t.Alias == nil {
			r.join(t, sc)
			return
		}
	case TableName:
		rel := r.namedTable(t, sc)
		if r.on() {
			r.ed.tableName(t, rel, sc.relations)
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
		if r.renames != nil && !r.renames.kept && r.on() && t.Alias != nil {
			r.ed.dropList(t.Alias.Span.End, t.AliasCols)
		}
		r.renames = nil
		rel = &relation{columns: visible(inner), open: inner.open, blind: inner.blind}
		r.valuesFunction(t, rel)
	case TableFunc:
		rel = r.tableFunction(t, sc)
	case TableTag:
		if known := r.tags[t.Tag.Name]; known != nil {
			rel = &relation{columns: append([]outputColumn(nil), known.columns...), open: known.open, table: known.table}
		} else {
			rel = r.template(r.text(t.Tag.Span), t.Tag.Span)
		}
	case TablePivot:
		rel = r.pivot(t, sc)
	case TableJoin:
		rel = r.aliasedJoin(t, sc)
	default:
		rel = &relation{blind: true, columns: []outputColumn{{star: true}}}
	}
	if t.Alias != nil {
		rel.alias = *t.Alias
		rel.path = nil
	}
	if r.on() && !chained && t.Kind == TablePivot && t.Alias == nil && t.Pivot != nil && !t.Pivot.Match && t.Span.End > t.Span.Start {
		name := r.ed.name(rel.alias)
		if !t.Pivot.Unpivot || rel.alias.Text == "" {
			name = "_" + strconv.Itoa(r.ed.tables)
			r.ed.tables++
			rel.given = name
		}
		r.ed.insert(t.Span.End, r.ed.as()+name)
	}
	if r.on() && (t.Kind == TableQuery || t.Kind == TableFunc && !rel.asValue || t.Kind == TableFunc && r.d != BigQuery && !t.Lateral) {
		r.ed.tableName(t, rel, nil)
	}
	if r.on() && len(t.AliasCols) == 0 {
		r.ed.columnList(t, rel)
	}
	if t.Ordinality {
		rel.columns = append(rel.columns, outputColumn{name: Ident{Text: "ordinality"}})
	}
	if len(t.AliasCols) > 0 {
		named := renamed(rel, t.AliasCols)
		named.alias, named.path, named.asValue, named.given, named.pivoted = rel.alias, rel.path, rel.asValue, rel.given, rel.pivoted
		if t.Kind == TableFunc {
			named.blind = false
		}
		rel = named
	}
	if t.Offset != nil {
		rel.columns = append(rel.columns, outputColumn{name: *t.Offset})
		if r.on() {
			r.ed.offset(*t.Offset)
		}
	}
	rel.lateral = t.Lateral
	if r.on() && t.Kind == TableFunc && t.Lateral && t.Alias == nil && len(t.AliasCols) > 0 {
		r.ed.lateralView(t, rel)
	}
	if t.Kind == TableFunc && t.Lateral && t.Alias == nil {
		rel.alias = Ident{} // the columns of a lateral view without a name
	}
	sc.relations = append(sc.relations, rel)
}

// template is what a tag stands for that nothing is known of. It is reported:
// which columns there are, and whose, only the values of the tags tell.
func (r *resolver) template(text string, at Span) *relation {
	r.unresolved("template_tag", text, at)
	return &relation{blind: true, template: true, columns: []outputColumn{{star: true}}}
}

// templated says whether a name holds a template tag: events_{{year}}.
func templated(id Ident) bool { return strings.Contains(id.Text, "{{") }

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
	if templated(last) || r.withTag && len(t.Name) == 1 && r.schema.knowsTables() && !r.schema.has(t.Name) {
		tag := r.template(pathText(t.Name), t.Span)
		rel.blind, rel.template, rel.columns = true, true, tag.columns
		return done()
	}
	if r.withTag && len(t.Name) == 1 && !r.schema.knowsTables() {
		r.unresolved("template_tag", last.Text, t.Span)
	}
	ref := r.tableUse(t, false)
	if ref == nil { // DUAL
		if r.d == Oracle || r.d == Generic {
			rel.columns = []outputColumn{{name: Ident{Text: "DUMMY"}}}
		}
		return done()
	}
	rel.table = ref
	entry, ambiguous := r.schema.find(untemplated(t.Name))
	if entry == nil || ambiguous || len(entry.table.Columns) == 0 {
		rel.open = []*TableRef{ref}
		rel.columns = []outputColumn{{star: true, sources: sourceSet{{ref, "*"}}}}
		return done()
	}
	rel.columns = make([]outputColumn, len(entry.table.Columns))
	for i, c := range entry.table.Columns {
		rel.columns[i] = outputColumn{name: Ident{Text: c, Quote: 's'}, sources: sourceSet{{ref, c}}, physical: true}
		if entry.structs != nil {
			rel.columns[i].fields = columnsOf(entry.structs[c], rel.columns[i].sources)
		}
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
		if j.Join == "array" {
			r.arrayJoin(j.Right, sc, right)
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
			conditions = append(conditions, r.mergeUsing(sc, start, right, id, j)...)
		}
		if r.on() && len(conditions) > 0 {
			r.ed.using(j.Right.Span.End, j.Using, conditions)
		}
		r.usings += len(j.Using) + 1
		if j.On != nil {
			r.expr(j.On, sc, UseJoin)
		}
		if j.Join == "semi" || j.Join == "anti" {
			for _, rel := range sc.relations[right:] { // reachable in ON only
				rel.columns, rel.open, rel.blind, rel.semi = nil, nil, false, true
			}
		}
	}
}

// aliasedJoin resolves (a JOIN b) AS c: only c is seen outside.
func (r *resolver) aliasedJoin(t *Table, sc *scope) *relation {
	inner, bare := &scope{parent: sc.parent, ctes: sc.ctes}, *t
	bare.Alias = nil
	ed := r.ed
	r.ed = nil // columns outside go by c: the text stays as it is
	r.join(&bare, inner)
	r.quiet++
	rel := r.star(&Expr{Kind: ExprStar, Star: &Star{}, Span: t.Span}, inner)
	r.quiet--
	r.ed = ed
	return rel
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
