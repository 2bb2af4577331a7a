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
}

// maxSteps bounds the work on one statement against hostile text.
const maxSteps = 1_000_000

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
	r := &resolver{src: tree.src, d: tree.Dialect, t: tree.Dialect.traits(), schema: schema, created: map[string]*relation{}, tags: map[string]*relation{}}
	if qualify && !tree.Recovered && len(tree.src) <= maxQualified {
		r.ed = &editor{src: tree.src, d: tree.Dialect}
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
		r.steps, r.usings, r.merged = 0, 0, 0
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
		if c.hidden {
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

// query resolves a query and answers with what it yields.
func (r *resolver) query(q *Query, parent *scope, ctes *cteScope) *relation {
	r.depth++
	defer func() { r.depth-- }()
	r.steps++
	if q == nil || q.Body == nil || r.depth > maxDepth*2 || r.steps > maxSteps {
		return &relation{blind: true}
	}
	for _, c := range q.With {
		ctes = r.cte(c, q.Recursive, parent, ctes)
	}
	rel, inner := r.body(q.Body, parent, ctes)
	if len(q.OrderBy) > 0 || len(q.Limit) > 0 {
		sc := inner
		if sc == nil {
			sc = &scope{parent: parent, ctes: ctes}
		}
		order := &scope{parent: sc.parent, relations: sc.relations, ctes: ctes, aliases: rel.columns, listed: rel.columns, windows: sc.windows}
		for _, e := range q.OrderBy {
			r.orderExpr(e, order)
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

// orderExpr resolves an ORDER BY item: aliases and ordinals come first.
func (r *resolver) orderExpr(e *Expr, sc *scope) {
	if e.Kind == ExprOp && e.Op == "desc" {
		e = e.Args[0]
	}
	if e.Kind == ExprLiteral && e.Op == "number" {
		if n, err := strconv.Atoi(e.Text); err == nil && n > 0 && n <= len(sc.listed) && r.on() && !sc.listed[n-1].star {
			name := sc.listed[n-1].name
			if sc.listed[n-1].label != nil {
				name = *sc.listed[n-1].label
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
			if !c.star && (matchName(r.t.names, e.Name[0], c.name) || c.label != nil && matchName(r.t.names, e.Name[0], *c.label)) {
				for _, s := range sc.aliases[i].sources {
					r.use(s, UseOrder, e.Span)
				}
				return
			}
		}
	}
	r.expr(e, sc, UseOrder)
}

// cte resolves one WITH entry and answers with the extended chain.
func (r *resolver) cte(c *CTE, recursive bool, parent *scope, ctes *cteScope) *cteScope {
	if c.Expr != nil { // ClickHouse: WITH expression AS name
		// It means the columns of where it is used; here only its tables count.
		r.muted++
		r.expr(c.Expr, &scope{parent: parent, ctes: ctes}, "")
		r.muted--
		return &cteScope{parent: ctes, name: c.Name, scalar: c.Expr, rel: &relation{blind: true}}
	}
	if c.Query == nil {
		return &cteScope{parent: ctes, name: c.Name, rel: &relation{blind: true}}
	}
	if (recursive || selfReference(c)) && setOpOf(c.Query) != nil {
		return r.recursiveCTE(c, parent, ctes)
	}
	r.rename(c.Query, c.Columns)
	rel := r.query(c.Query, parent, ctes)
	r.renames = nil
	if r.on() && len(c.Columns) > 0 && !recursive {
		r.ed.dropList(c.Name.Span.End, c.Columns)
	}
	rel = renamed(rel, c.Columns)
	return &cteScope{parent: ctes, name: c.Name, rel: rel}
}

func setOpOf(q *Query) *SetOp {
	s, _ := q.Body.(*SetOp)
	return s
}

// selfReference looks for the CTE's own name among its tables, for dialects
// that need no RECURSIVE.
func selfReference(c *CTE) bool {
	set := setOpOf(c.Query)
	if set == nil {
		return false
	}
	found := false
	var tables func(list []*Table)
	tables = func(list []*Table) {
		for _, t := range list {
			if t == nil || found {
				continue
			}
			if t.Kind == TableName && len(t.Name) == 1 && strings.EqualFold(t.Name[0].Text, c.Name.Text) {
				found = true
			}
			if t.Kind == TableJoin {
				tables([]*Table{t.Left, t.Right})
			}
		}
	}
	var walk func(b Body)
	walk = func(b Body) {
		switch b := b.(type) {
		case *SetOp:
			for {
				walk(b.Right)
				next, ok := b.Left.(*SetOp)
				if !ok {
					break
				}
				b = next
			}
			walk(b.Left)
		case *Query:
			walk(b.Body)
		case *Select:
			tables(b.From)
		}
	}
	walk(c.Query.Body)
	return found
}

// recursiveCTE iterates until the sources of the columns settle.
func (r *resolver) recursiveCTE(c *CTE, parent *scope, ctes *cteScope) *cteScope {
	self := &cteScope{parent: ctes, name: c.Name, rel: &relation{blind: true}}
	set := setOpOf(c.Query)
	for _, inner := range c.Query.With {
		self.parent = r.cte(inner, c.Query.Recursive, parent, self.parent)
	}
	r.quiet++
	anchor, _ := r.body(leftmost(set), parent, self)
	self.rel = renamed(anchor, c.Columns)
	for range 8 {
		rel, _ := r.body(c.Query.Body, parent, self)
		rel = renamed(rel, c.Columns)
		if sameSources(rel, self.rel) {
			break
		}
		self.rel = rel
	}
	r.quiet--
	q := *c.Query
	q.With = nil
	rel := r.query(&q, parent, self)
	self.rel = renamed(rel, c.Columns)
	return self
}

func leftmost(set *SetOp) Body {
	for {
		next, ok := set.Left.(*SetOp)
		if !ok {
			return set.Left
		}
		set = next
	}
}

func sameSources(a, b *relation) bool {
	if len(a.columns) != len(b.columns) {
		return false
	}
	for i := range a.columns {
		if len(a.columns[i].sources) != len(b.columns[i].sources) {
			return false
		}
	}
	return true
}

// renamed gives a relation's columns the names of a column list.
func renamed(rel *relation, names []Ident) *relation {
	if len(names) == 0 {
		return rel
	}
	out := *rel
	out.columns = make([]outputColumn, 0, len(rel.columns))
	i := 0
	for _, c := range rel.columns {
		if c.hidden {
			continue
		}
		if i < len(names) {
			if c.star { // the star's columns get the remaining names
				for ; i < len(names); i++ {
					out.columns = append(out.columns, outputColumn{name: names[i], sources: c.sources})
				}
				out.open = nil
				continue
			}
			c.name = names[i]
		}
		i++
		out.columns = append(out.columns, c)
	}
	for ; i < len(names); i++ {
		out.columns = append(out.columns, outputColumn{name: names[i]})
	}
	return &out
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

// setOp merges operands by position, or by name.
func (r *resolver) setOp(set *SetOp, parent *scope, ctes *cteScope) *relation {
	var operands []Body // left-deep chains are walked without recursion
	var steps []*SetOp
	node := set
	for {
		operands = append(operands, node.Right)
		steps = append(steps, node)
		left, ok := node.Left.(*SetOp)
		if !ok {
			operands = append(operands, node.Left)
			break
		}
		node = left
	}
	rel, _ := r.body(operands[len(operands)-1], parent, ctes)
	for i := len(operands) - 2; i >= 0; i-- {
		right, _ := r.body(operands[i], parent, ctes)
		if steps[i].ByName {
			rel = r.byName(steps[i], rel, right)
		} else {
			rel = r.unionByPlace(rel, right)
		}
	}
	return rel
}

func visible(rel *relation) []outputColumn {
	out := make([]outputColumn, 0, len(rel.columns))
	for _, c := range rel.columns {
		if !c.hidden {
			out = append(out, c)
		}
	}
	return out
}

func (r *resolver) unionByPlace(left, right *relation) *relation {
	a, b := visible(left), visible(right)
	out := &relation{columns: make([]outputColumn, len(a)), open: append(append([]*TableRef(nil), left.open...), right.open...), blind: left.blind || right.blind}
	starA := firstStar(a)
	for i := range a {
		out.columns[i] = outputColumn{name: a[i].name, star: a[i].star, sources: a[i].sources, fields: a[i].fields}
	}
	for i := range b {
		switch {
		case b[i].star && i < len(a):
			// an unknown number of columns meets the rest of the left side
			for j := i; j < len(a); j++ {
				out.columns[j].sources = out.columns[j].sources.add(b[i].sources...)
			}
		case starA >= 0 && i >= starA:
			out.columns[starA].sources = append(sourceSet(nil), out.columns[starA].sources...).add(b[i].sources...)
		case i < len(a):
			out.columns[i].sources = append(sourceSet(nil), out.columns[i].sources...).add(b[i].sources...)
		}
	}
	if len(a) == 0 {
		out.columns = b
	}
	return out
}

func firstStar(cols []outputColumn) int {
	for i := range cols {
		if cols[i].star {
			return i
		}
	}
	return -1
}

// byName merges operands by the names of their columns: those of both sides,
// of the left one or of either, as the operation's side says.
func (r *resolver) byName(set *SetOp, left, right *relation) *relation {
	out := r.unionByName(left, right)
	side := set.Side
	if len(set.On) == 0 && (side == "" || side == "full") || firstStar(out.columns) >= 0 {
		return out
	}
	has := func(list []outputColumn, id Ident) bool {
		return slices.ContainsFunc(list, func(c outputColumn) bool { return matchName(r.t.names, id, c.name) })
	}
	var columns []outputColumn
	take := func(c outputColumn) {
		switch {
		case side == "inner" && len(set.On) == 0 && !has(right.columns, c.name):
		case side == "left" && !has(left.columns, c.name):
		case side == "inner" && !has(left.columns, c.name):
		default:
			columns = append(columns, c)
		}
	}
	if len(set.On) == 0 {
		for _, c := range out.columns {
			take(c)
		}
	} else {
		for _, id := range set.On {
			if i := slices.IndexFunc(out.columns, func(c outputColumn) bool { return matchName(r.t.names, id, c.name) }); i >= 0 {
				take(out.columns[i])
			}
		}
	}
	out.columns = columns
	return out
}

func (r *resolver) unionByName(left, right *relation) *relation {
	out := &relation{columns: visible(left), open: append(append([]*TableRef(nil), left.open...), right.open...), blind: left.blind || right.blind}
	for _, c := range visible(right) {
		merged := false
		for i := range out.columns {
			if !c.star && !out.columns[i].star && matchName(r.t.names, c.name, out.columns[i].name) {
				out.columns[i].sources = append(sourceSet(nil), out.columns[i].sources...).add(c.sources...)
				merged = true
			}
		}
		if !merged {
			out.columns = append(out.columns, c)
		}
	}
	return out
}

func (r *resolver) values(v *Values, parent *scope, ctes *cteScope) *relation {
	rel := &relation{}
	sc := &scope{parent: parent, ctes: ctes}
	for n, row := range v.Rows {
		for i, e := range row {
			sources := r.expr(e, sc, UseValue)
			if i >= len(rel.columns) {
				if n > 0 {
					continue
				}
				rel.columns = append(rel.columns, outputColumn{name: Ident{Text: r.valuesName(i)}})
			}
			rel.columns[i].sources = rel.columns[i].sources.add(sources...)
		}
	}
	return rel
}

// valuesName is the name a dialect gives to a column of a bare VALUES list.
func (r *resolver) valuesName(i int) string {
	switch r.d {
	case DuckDB:
		return "col" + strconv.Itoa(i)
	case Spark, Databricks:
		return "col" + strconv.Itoa(i+1)
	case Trino, Athena:
		return "_col" + strconv.Itoa(i)
	case MySQL, MariaDB:
		return "column_" + strconv.Itoa(i)
	case Snowflake:
		return "COLUMN" + strconv.Itoa(i+1)
	}
	return "column" + strconv.Itoa(i+1)
}

// renames hands the names of a column list on to the items of a SELECT.
type renames struct {
	body  *Select
	names []Ident
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
			r.renames = &renames{b, names}
		}
		return
	}
}

// renaming is the name that a column list gives to an item, or nil.
func (r *resolver) renaming(place int, item SelectItem) *Ident {
	if r.renames == nil || r.current != r.renames.body || place >= len(r.renames.names) || item.Expr.Kind == ExprStar {
		return nil
	}
	return &r.renames.names[place]
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
	for _, t := range s.From {
		r.table(t, sc)
	}
	rel := &relation{}
	r.unnamed = 0
	outer := r.current
	r.current = s
	defer func() { r.current = outer }()
	var aliases []outputColumn
	for _, item := range s.Items {
		var cols []outputColumn
		switch {
		case item.Expr.Kind == ExprStar:
			star := r.itemStar(item.Expr, sc)
			cols = star.columns
			rel.open = append(rel.open, star.open...)
			rel.blind = rel.blind || star.blind
			if item.Alias != nil && len(cols) == 1 {
				cols[0].name = *item.Alias
			}
		default:
			itemScope := *sc
			itemScope.aliases = aliases
			sources := r.expr(item.Expr, &itemScope, UseValue)
			cols = []outputColumn{{name: r.itemName(item, len(rel.columns)), sources: sources, fields: r.structFields(item.Expr, &itemScope)}}
			if item.Expr.Kind == ExprTag && item.Alias == nil {
				rel.blind = true // {{snippet: columns}} may stand for any columns
			}
		}
		if r.on() && !s.AsStruct {
			r.ed.item(item, cols, len(rel.columns), r.renaming(len(rel.columns), item))
		}
		for i := range cols {
			c := cols[i]
			cols[i].via, cols[i].before, cols[i].replaced, cols[i].merged = nil, nil, nil, nil
			if item.Alias != nil || r.t.aliasFirst {
				c.expr = item.Expr
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
	for _, e := range s.DistinctOn {
		r.expr(e, withAliases, UseGroup)
	}
	if s.Top != nil {
		r.expr(s.Top, after, "")
	}
	for _, e := range []*Expr{s.Where, s.Prewhere, s.StartWith, s.ConnectBy} {
		if e != nil {
			r.expr(e, where, UseFilter)
		}
	}
	for _, e := range s.GroupBy {
		if e.Kind == ExprLiteral {
			if item := ordinal(e, s.Items); item != nil && r.on() && item.Expr.Kind != ExprLiteral && item.Expr.Kind != ExprStar && item.Expr.Kind != ExprQuery {
				r.ed.edits = append(r.ed.edits, edit{span: e.Span, expr: item.Expr.Span})
			}
			continue
		}
		r.expr(e, withAliases, UseGroup)
	}
	if s.Having != nil {
		r.expr(s.Having, withAliases, UseFilter)
	}
	if s.Qualify != nil {
		r.expr(s.Qualify, withAliases, UseFilter)
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
	entry, ambiguous := r.schema.find(t.Name)
	system, pseudo := systemTable(t.Name)
	if entry == nil && pseudo { // FROM DUAL
		return nil
	}
	var ref TableRef
	known := entry != nil && !ambiguous
	if entry != nil {
		ref = entry.table.TableRef
		full := r.schema.complete(t.Name)
		if ref.Catalog == "" && (ref.Schema == "" || !r.d.databaseIsSchema()) {
			ref.Catalog = full.Catalog
		}
		if ref.Schema == "" && ref.Catalog != full.Catalog && !r.d.databaseIsSchema() {
			ref.Schema = full.Schema
		}
	} else {
		ref = r.schema.complete(t.Name)
	}
	if ambiguous {
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

func pathText(path []Ident) string {
	parts := make([]string, len(path))
	for i, id := range path {
		parts[i] = id.Text
	}
	return strings.Join(parts, ".")
}
