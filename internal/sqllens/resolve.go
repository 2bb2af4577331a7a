package sqllens

import (
	"slices"
	"strconv"
	"strings"
)

// resolver turns a parsed statement into lineage.
type resolver struct {
	d       Dialect
	t       *traits
	schema  *Schema
	out     *Lineage
	created map[string]*relation // temporary tables made earlier in the same text
	quiet   int                  // > 0: names are looked up without recording uses (second passes)
	muted   int                  // > 0: names that mean nothing are not reported
	depth   int
	steps   int
	search  int                  // counts relations that names were looked up in
	src     string               // the text, for names made of it
	quoted  int                  // counts queries read out of literals
	unnamed int                  // counts BigQuery's f0_, f1_
	joining int                  // > 0: on the right side of a join
	tags    map[string]*relation // outputs of template tags that stand for tables, by tag name
	results map[*Query]*relation // what scalar subqueries yield, for the fields of structs
	reuse   int                  // > 0: results answer instead of resolving a subquery again
	usings  int                  // counts USING clauses
	renames *renames             // names of a column list that the next SELECT's items get in the qualified form
	merged  int                  // counts columns merged by them
	ed      *editor              // collects the qualified form; nil when nobody asks
	current *Select              // the SELECT whose items are being resolved
	hit     hit                  // what the last name meant
	listed  *listed              // the select list, in the clauses behind it
	inside  int                  // > 0: in the arguments of an aggregate
	writing bool                 // the statement changes data
	withTag bool                 // a tag of the text may hold WITH entries
	chained bool                 // the next table is an operand of PIVOT or UNPIVOT
}

// maxSteps bounds the work on one statement against hostile text.
const maxSteps = 1_000_000

// maxSearch bounds how many relations one statement looks its names up in, all
// names together: hundreds of tables and thousands of names stay below it.
const maxSearch = 10_000_000

// maxUses bounds the mentions of columns that one statement reports.
const maxUses = 100_000

// TagRelation says what a template tag that stands for a table yields.
type TagRelation struct {
	Table   TableRef // how sources name it
	Columns []string // nil = not known
}

// Resolve finds the lineage of every statement of a tree. A nil schema leaves
// columns of stars and unqualified names of joins unresolved. tags says what
// card references and table tags stand for, by tag name.
func Resolve(tree *Tree, schema *Schema, tags map[string]TagRelation) []*Lineage {
	list, _ := resolve(tree, schema, tags, false)
	return list
}

// resolve also writes the qualified form, where that is asked for and possible.
func resolve(tree *Tree, schema *Schema, tags map[string]TagRelation, qualify bool) ([]*Lineage, string) {
	r := &resolver{src: tree.src, d: tree.Dialect, t: tree.Dialect.traits(), schema: schema, withTag: tree.withTag, created: map[string]*relation{}, tags: map[string]*relation{}}
	if qualify && !tree.Recovered && len(tree.src) <= maxQualified {
		r.ed = &editor{src: tree.src, d: tree.Dialect, positions: map[*Expr]Ident{}}
	}
	for name, tag := range tags {
		ref := tag.Table
		rel := &relation{table: &ref}
		for _, c := range tag.Columns {
			rel.columns = append(rel.columns, outputColumn{name: Ident{Text: c, Quote: 's'}, sources: sourceSet{{&ref, c}}})
		}
		if tag.Columns == nil {
			rel.open = []*TableRef{&ref}
			rel.columns = []outputColumn{{star: true, sources: sourceSet{{&ref, "*"}}}}
		}
		r.tags[name] = rel
	}
	list := make([]*Lineage, len(tree.Statements))
	for i, st := range tree.Statements {
		r.out = &Lineage{}
		r.steps, r.search, r.usings, r.merged = 0, 0, 0, 0
		r.results = nil
		r.statement(st)
		r.out.sort()
		list[i] = r.out
	}
	if r.ed == nil {
		return list, ""
	}
	text, ok := r.ed.qualified()
	if !ok {
		return list, ""
	}
	return list, text
}

func (r *resolver) statement(st *Statement) {
	r.writing = st.DML != nil
	switch {
	case st.DML != nil:
		r.dml(st.DML, nil, true)
	case st.Query != nil:
		rel := r.query(st.Query, nil, nil)
		r.outputs(rel, nil, nil)
	}
	for _, n := range st.Names {
		if n.Kind != TableName {
			continue
		}
		switch st.Verb {
		case "describe", "desc", "explain", "summarize":
			r.tableUse(n, false)
		case "truncate", "alter":
			r.tableUse(n, true)
		case "drop":
			delete(r.created, tableKey(n.Name))
		}

	}
}

// outputs records what the outermost query yields. target names the written
// table, names its columns where they are given.
func (r *resolver) outputs(rel *relation, target *TableRef, names []Ident) {
	i := 0
	for _, c := range rel.columns {
		if c.hidden || c.made && starred(c.sources, rel.columns) {
			continue
		}
		o := Output{Name: c.name.Text, Sources: c.sources, Star: c.star}
		if c.star {
			o.Name = "*"
		}
		if target != nil {
			column := o.Name
			if i < len(names) {
				column = names[i].Text
				o.Name = column
			}
			o.Target = &Source{Table: target, Column: column}
		}
		r.out.Outputs = append(r.out.Outputs, o)
		i++
	}
	if rel.blind && len(rel.columns) == 0 {
		r.out.Outputs = append(r.out.Outputs, Output{Name: "*", Star: true})
	}
}

// starred says whether the stars of tables among columns stand for sources too.
func starred(sources sourceSet, columns []outputColumn) bool {
	for _, s := range sources {
		if !slices.ContainsFunc(columns, func(c outputColumn) bool {
			return c.star && !c.made && slices.ContainsFunc(c.sources, func(o Source) bool { return o.Column == "*" && sameTable(o.Table, s.Table) })
		}) {
			return false
		}
	}
	return slices.ContainsFunc(columns, func(c outputColumn) bool { return c.star && !c.made })
}

func (r *resolver) unresolved(reason, detail string, span Span) {
	if r.quiet == 0 && r.muted == 0 && len(r.out.Unresolved) < 200 {
		r.out.Unresolved = append(r.out.Unresolved, Unresolved{reason, detail, span})
	}
}

func (r *resolver) use(s Source, use Use, span Span) {
	r.steps++
	if r.quiet == 0 && len(r.out.Columns) < maxUses && use != "" && s.Column != "*" {
		r.out.Columns = append(r.out.Columns, ColumnUse{s.Table, s.Column, use, span})
	}
}

// exhausted counts the search for one more name. Beyond the bound it reports
// once that the statement is too large to be resolved wholly.
func (r *resolver) exhausted(sc *scope, at Span) bool {
	before := r.search
	for s := sc; s != nil; s = s.parent {
		r.search += len(s.relations) + len(s.aliases)
	}
	if r.search <= maxSearch {
		return false
	}
	if before <= maxSearch {
		r.out.Unresolved = append(r.out.Unresolved, Unresolved{Reason: "too_complex", Detail: "too many tables and names", Span: at})
	}
	return true
}

// query resolves a query and answers with what it yields.
func (r *resolver) query(q *Query, parent *scope, ctes *cteScope) *relation {
	r.depth++
	list, inside := r.listed, r.inside
	r.listed, r.inside = nil, 0
	defer func() {
		r.depth--
		r.listed, r.inside = list, inside
	}()
	r.steps++
	if q == nil || q.Body == nil || r.depth > maxDepth*2 || r.steps > maxSteps {
		return &relation{blind: true}
	}
	for _, c := range q.With {
		ctes = r.cte(c, q.Recursive, parent, ctes)
	}
	rel, inner := r.head(q, parent, ctes)
	if len(q.OrderBy) > 0 || len(q.Limit) > 0 {
		sc := inner
		if sc == nil {
			sc = &scope{parent: parent, ctes: ctes}
		}
		order := &scope{parent: sc.parent, relations: sc.relations, ctes: ctes, aliases: rel.columns, listed: rel.columns, windows: sc.windows}
		for _, e := range q.OrderBy {
			r.orderExpr(e, order, UseOrder)
		}
		for _, e := range q.Limit {
			r.expr(e, &scope{parent: parent, ctes: ctes}, UseOrder)
		}
	}
	for _, p := range q.Pipes {
		if r.steps += 8 * len(rel.columns); r.steps > maxSteps {
			return &relation{blind: true}
		}
		rel = r.pipe(p, rel, parent, ctes)
	}
	if q.Into != nil && q.Into.Kind == TableName {
		r.tableUse(q.Into, true)
	}
	return rel
}

// head resolves a query's body. The columns of a table that pipes lead from are
// used where a step names them, unless all of them come out at the end.
func (r *resolver) head(q *Query, parent *scope, ctes *cteScope) (*relation, *scope) {
	t, bare := q.Body.(*Table)
	if !bare || !slices.ContainsFunc(q.Pipes, func(p *Pipe) bool { return p.Op == "select" || p.Op == "aggregate" }) {
		return r.body(q.Body, parent, ctes)
	}
	sc := &scope{parent: parent, ctes: ctes}
	r.table(t, sc)
	r.quiet++
	rel := r.star(&Expr{Kind: ExprStar, Star: &Star{}, Span: t.Span}, sc)
	r.quiet--
	return rel, sc
}

// orderExpr resolves an item of ORDER BY or DISTINCT ON: aliases and ordinals
// come first.
func (r *resolver) orderExpr(e *Expr, sc *scope, use Use) {
	if e.Kind == ExprOp && e.Op == "desc" {
		e = e.Args[0]
	}
	if e.Kind == ExprLiteral && e.Op == "number" {
		if n, err := strconv.Atoi(e.Text); err == nil && n > 0 && n <= len(sc.listed) && r.on() && !sc.listed[n-1].star {
			name := sc.listed[n-1].name
			if label := sc.listed[n-1].forms().label; label != nil {
				name = *label
			}
			if name.Text != "" {
				r.ed.replace(e.Span, r.ed.name(name))
			}
		}
		return
	}
	if e.Kind == ExprColumn && len(e.Name) == 1 {
		for i := range sc.aliases {
			c := &sc.aliases[i]
			if c.starred && r.on() && len(sc.relations) > 0 {
				continue // the same column, and one that can be qualified
			}
			label := c.forms().label
			if !c.star && (matchName(r.t.names, e.Name[0], c.name) || label != nil && matchName(r.t.names, e.Name[0], *label)) {
				for _, s := range sc.aliases[i].sources {
					r.use(s, use, e.Span)
				}
				return
			}
		}
	}
	r.expr(e, sc, use)
}

// body resolves one operand. The scope is that of a SELECT, for ORDER BY.
func (r *resolver) body(b Body, parent *scope, ctes *cteScope) (*relation, *scope) {
	switch b := b.(type) {
	case *Select:
		return r.selectBody(b, parent, ctes)
	case *SetOp:
		return r.setOp(b, parent, ctes), nil
	case *Values:
		return r.values(b, parent, ctes), nil
	case *Query:
		return r.query(b, parent, ctes), nil
	case *Table:
		sc := &scope{parent: parent, ctes: ctes}
		r.table(b, sc)
		rel := r.star(&Expr{Kind: ExprStar, Star: &Star{}, Span: b.Span}, sc)
		return rel, sc
	case *DML:
		return r.dml(b, ctes, false), nil
	}
	return &relation{blind: true}, nil
}

// renames hands the names of a column list on to the items of a SELECT.
type renames struct {
	body  *Select
	names []Ident
	kept  bool // the list stays: an item stands for columns that are not known
}

// rename notes the names that a column list gives to a query's outputs.
func (r *resolver) rename(q *Query, names []Ident) {
	r.renames = nil
	if !r.on() || len(names) == 0 || q == nil {
		return
	}
	body := q.Body
	for {
		switch b := body.(type) {
		case *SetOp:
			body = b.Left
			continue
		case *Query:
			body = b.Body
			continue
		case *Select:
			r.renames = &renames{body: b, names: names}
		}
		return
	}
}

// renaming are the names that a column list gives to the columns of an item.
func (r *resolver) renaming(place int, cols []outputColumn) []Ident {
	if r.renames == nil || r.current != r.renames.body {
		return nil
	}
	list := r.renames
	for i := range cols {
		list.kept = list.kept || !cols[i].written()
	}
	if list.kept || place >= len(list.names) {
		return nil
	}
	return list.names[place:min(place+len(cols), len(list.names))]
}

// written says whether the qualified form can name a column.
func (c *outputColumn) written() bool {
	form := c.forms()
	return !c.star && (c.via == nil || !c.via.blind) && form.replaced == nil && len(form.merged) < 2
}

// ordinal is the item that a number in GROUP BY means, or nil.
func ordinal(e *Expr, items []SelectItem) *SelectItem {
	n, err := strconv.Atoi(e.Text)
	if err != nil || n < 1 || n > len(items) {
		return nil
	}
	for i := range n {
		if items[i].Expr.Kind == ExprStar {
			return nil
		}
	}
	return &items[n-1]
}

func (r *resolver) selectBody(s *Select, parent *scope, ctes *cteScope) (*relation, *scope) {
	sc := &scope{parent: parent, ctes: ctes, windows: s.Windows}
	if r.d == Snowflake {
		sc.later = s.Items
	}
	for _, t := range s.From {
		r.table(t, sc)
	}
	if s.FromTag != nil {
		tag := r.template(r.text(s.FromTag.Span), s.FromTag.Span)
		tag.columns = nil // as likely it only filters
		sc.relations = append(sc.relations, tag)
	}
	sc.later = nil
	read := sc.relations // what WHERE sees
	if s.Model != nil {
		sc.relations = []*relation{r.model(s.Model, sc)}
	}
	rel := &relation{columns: make([]outputColumn, 0, len(s.Items))}
	r.unnamed = 0
	itemScope := *sc
	outer := r.current
	r.current = s
	defer func() { r.current = outer }()
	var aliases []outputColumn
	var list *listed // of the clauses behind the list, where there are any
	if len(s.GroupBy) > 0 || s.Having != nil || s.Qualify != nil {
		list = &listed{items: s.Items}
	}
	for _, item := range s.Items {
		var one [1]outputColumn
		cols := one[:]
		switch item.Expr.Kind {
		case ExprStar:
			star := r.itemStar(item.Expr, sc)
			cols = star.columns
			rel.open = append(rel.open, star.open...)
			rel.blind = rel.blind || star.blind
			if item.Alias != nil && len(cols) == 1 {
				cols[0].name = *item.Alias
			}
		default:
			itemScope.aliases = aliases
			sources := r.expr(item.Expr, &itemScope, UseValue)
			one[0] = outputColumn{name: r.itemName(item, len(rel.columns)), sources: sources, fields: r.structFields(item.Expr, &itemScope)}
			if item.Expr.Kind == ExprTag && item.Alias == nil {
				rel.blind = true // {{snippet: columns}} may stand for any columns
				if tag := item.Expr.Tag; tag.Kind == TagSnippet {
					r.template(r.text(tag.Span), tag.Span)
					one[0].star = true
				}
			}
			for _, id := range item.More {
				cols = append(cols, outputColumn{name: id, sources: sources})
			}
		}
		if r.on() && len(s.GroupBy) > 0 {
			list.forms = r.ed.starForms(list.forms, item, cols)
		}
		if r.on() && !s.AsStruct {
			r.ed.item(item, cols, len(rel.columns), r.renaming(len(rel.columns), cols))
		}
		for i := range cols {
			c := cols[i]
			form := c.forms()
			cols[i].starred = item.Expr.Kind == ExprStar && c.via != nil && form.replaced == nil && form.before == nil
			cols[i].via = nil
			if cols[i].form != nil {
				cols[i].form = &columnForm{label: cols[i].form.label}
			}
			if item.Alias != nil || r.t.aliasFirst {
				c.expr = item.Expr
				if aliases == nil {
					aliases = make([]outputColumn, 0, len(s.Items))
				}
				aliases = append(aliases, c)
			}
		}
		rel.columns = append(rel.columns, cols...)
	}
	// Clauses after the list: columns first, then aliases.
	after := &scope{parent: parent, relations: sc.relations, ctes: ctes, windows: s.Windows}
	withAliases := &scope{parent: parent, relations: sc.relations, ctes: ctes, windows: s.Windows, aliases: aliases}
	where := after
	if r.t.lateralAlias || r.d == Generic { // where nothing else has the name
		where = withAliases
	}
	if s.Model != nil {
		where = &scope{parent: parent, relations: read, ctes: ctes}
	}
	if len(s.DistinctOn) > 0 {
		order := &scope{parent: parent, relations: sc.relations, ctes: ctes, windows: s.Windows, aliases: rel.columns, listed: rel.columns}
		for _, e := range s.DistinctOn {
			r.orderExpr(e, order, UseGroup)
		}
	}
	if s.Top != nil {
		r.expr(s.Top, after, "")
	}
	for _, e := range []*Expr{s.Where, s.Prewhere, s.StartWith, s.ConnectBy} {
		if e != nil {
			r.expr(e, where, UseFilter)
		}
	}
	if list != nil {
		list.outputs = rel.columns
		r.groupBy(s, list, withAliases)
		if (s.Having != nil || s.Qualify != nil) && r.d.aliasedHaving() {
			list.readKeys(s)
		}
		r.behind(s.Having, list, withAliases, r.d.aliasedHaving())
		r.behind(s.Qualify, list, withAliases, len(s.GroupBy) > 0 || s.GroupAll)
	}
	for _, w := range s.Windows {
		r.window(w.Spec, withAliases, "", map[string]bool{})
	}
	if s.Into != nil && s.Into.Kind == TableName {
		r.tableUse(s.Into, true)
		r.remember(s.Into.Name, rel)
	}
	return rel, sc
}

// remember keeps what a statement wrote into a temporary table, so that later
// statements of the text resolve through it.
func (r *resolver) remember(name []Ident, rel *relation) {
	if strings.HasPrefix(name[len(name)-1].Text, "#") {
		r.created[tableKey(name)] = &relation{columns: rel.columns, open: rel.open, blind: rel.blind}
	}
}

// rememberTable keeps the columns of a table that the text itself creates.
// A temporary one is read through; a lasting one is a table like any other
// whose columns are now known.
func (r *resolver) rememberTable(name []Ident, ref *TableRef, rel *relation, temporary bool) {
	if ref == nil || temporary || strings.HasPrefix(name[len(name)-1].Text, "#") {
		r.created[tableKey(name)] = &relation{columns: rel.columns, open: rel.open, blind: rel.blind}
		return
	}
	if rel.blind || len(rel.open) > 0 || known(visible(rel)) == nil {
		return
	}
	table := &relation{table: ref}
	for _, c := range visible(rel) {
		table.columns = append(table.columns, outputColumn{name: c.name, sources: sourceSet{{ref, c.name.Text}}, physical: true})
	}
	r.created[tableKey(name)] = table
}

// tableKey finds a table created in the same text again.
func tableKey(name []Ident) string { return strings.ToLower(pathText(name)) }

// tableUse records a mention of a physical table and answers with its reference.
func (r *resolver) tableUse(t *Table, write bool) *TableRef {
	if t.Kind != TableName || len(t.Name) == 0 {
		return nil
	}
	path := t.Name
	if slices.ContainsFunc(path, templated) {
		if path = untemplated(path); path == nil {
			return nil
		}
	}
	entry, ambiguous := r.schema.find(path)
	system, pseudo := r.d.systemTable(path)
	if entry == nil && pseudo { // FROM DUAL
		return nil
	}
	var ref TableRef
	known := entry != nil && !ambiguous
	if entry != nil {
		ref = entry.table.TableRef
		full := r.schema.complete(path)
		if ref.Catalog == "" && (ref.Schema == "" || !r.d.databaseIsSchema()) {
			ref.Catalog = full.Catalog
		}
		if ref.Schema == "" && ref.Catalog != full.Catalog && !r.d.databaseIsSchema() {
			ref.Schema = full.Schema
		}
	} else {
		ref = r.schema.complete(path)
	}
	if len(path) < len(t.Name) && (entry == nil || ambiguous) {
		r.unresolved("template_tag", pathText(t.Name), t.Span)
	} else if ambiguous {
		r.unresolved("ambiguous_table", pathText(t.Name), t.Span)
	} else if entry == nil && r.schema.knowsTables() && !write && !system && r.created[tableKey(t.Name)] == nil {
		r.unresolved("unknown_table", pathText(t.Name), t.Span)
	}
	if r.quiet == 0 {
		span := t.Name[0].Span.join(t.Name[len(t.Name)-1].Span)
		r.out.Tables = append(r.out.Tables, TableUse{Table: ref, Write: write, Known: known, Join: r.joining > 0, Span: span})
	}
	return &ref
}

// untemplated is a table's name without the qualifiers that tags stand in, nil
// when the name itself holds one.
func untemplated(path []Ident) []Ident {
	for i := len(path) - 1; i >= 0; i-- {
		if templated(path[i]) {
			path = path[i+1:]
			break
		}
	}
	if len(path) == 0 {
		return nil
	}
	return path
}

func pathText(path []Ident) string {
	parts := make([]string, len(path))
	for i, id := range path {
		parts[i] = id.Text
	}
	return strings.Join(parts, ".")
}
