package sqllens

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// expr resolves an expression: it records the use of every physical column and
// answers with the sources of the value.
func (r *resolver) expr(e *Expr, sc *scope, use Use) sourceSet {
	if e == nil {
		return nil
	}
	r.depth++
	defer func() { r.depth-- }()
	r.steps++
	if r.depth > maxDepth*4 || r.steps > maxSteps {
		return nil
	}
	if r.listed != nil && r.listed.first && r.inside == 0 && r.listed.groups(r, e) {
		r.inside++
		defer func() { r.inside-- }()
	}
	switch e.Kind {
	case ExprColumn:
		return r.column(e, sc, use)
	case ExprLiteral, ExprParam, ExprTag:
		return nil
	case ExprStar:
		if e.Args != nil {
			return r.expr(e.Args[0], sc, use)
		}
		if len(e.Name) == 0 && e.Star.Pattern == "" { // count(*)
			return nil
		}
		rel := r.star(e, sc)
		var out sourceSet
		for _, c := range rel.columns {
			out = out.add(c.sources...)
		}
		return out
	case ExprQuery:
		rel := r.results[e.Query]
		if rel == nil || r.reuse == 0 {
			rel = r.query(e.Query, sc, sc.ctes)
			r.result(e.Query, rel)
		}
		var out sourceSet
		for _, c := range rel.columns {
			out = out.add(c.sources...)
		}
		return out
	case ExprField:
		out := r.expr(e.Args[0], sc, use)
		if c := fieldOf(r.t.names, r.structFields(e.Args[0], sc), e.Name[0]); c != nil {
			return c.sources
		}
		return out
	case ExprExists:
		if r.reuse > 0 {
			return nil
		}
		r.query(e.Query, sc, sc.ctes)
		return nil
	case ExprLambda:
		inner := *sc
		inner.lambdas = append(append([]Ident(nil), sc.lambdas...), e.Params...)
		var out sourceSet
		for _, a := range e.Args {
			out = out.add(r.expr(a, &inner, use)...)
		}
		return out
	case ExprFunc:
		return r.call(e, sc, use)
	case ExprStruct:
		var out sourceSet
		for i, a := range e.Args {
			out = out.add(r.expr(a, sc, use)...)
			if r.on() && a.Kind == ExprColumn && a.Alias == nil && i >= len(e.Params) && (len(r.hit.merged) > 1 || r.hit.alias != nil) {
				r.ed.insert(a.Span.End, " AS "+r.ed.name(a.Name[len(a.Name)-1]))
			}
		}
		return out
	case ExprCase:
		var out sourceSet
		for _, a := range e.Args {
			out = out.add(r.expr(a, sc, use)...)
		}
		return out.add(r.expr(e.Else, sc, use)...)
	}
	// Long chains of one operator are walked without recursion.
	if e.Kind == ExprOp && len(e.Args) == 2 {
		var right []*Expr
		node := e
		for node.Kind == ExprOp && len(node.Args) == 2 {
			right = append(right, node.Args[1])
			node = node.Args[0]
		}
		out := append(sourceSet(nil), r.expr(node, sc, use)...)
		for i := len(right) - 1; i >= 0; i-- {
			out = out.add(r.expr(right[i], sc, use)...)
		}
		return out
	}
	var out sourceSet
	for _, a := range e.Args {
		out = out.add(r.expr(a, sc, use)...)
	}
	return out.add(r.expr(e.Else, sc, use)...)
}

// result keeps what a scalar subquery yields.
func (r *resolver) result(q *Query, rel *relation) {
	if r.results == nil {
		r.results = map[*Query]*relation{}
	}
	r.results[q] = rel
}

// dateParts are words that stand as arguments of date functions without being
// columns: DATEDIFF(day, a, b), DATE_TRUNC(x, MONTH).
var dateParts = wordSet(`year yyyy yy quarter qq q month mm m dayofyear dy y day dd d week wk ww weekday dw hour hh minute mi n second ss s
	millisecond ms microsecond mcs nanosecond ns isoweek isowk isoww isoyear tzoffset dayofweek epoch decade century millennium
	years months days weeks hours minutes seconds quarters microseconds milliseconds sql_tsi_day sql_tsi_month sql_tsi_year sql_tsi_hour
	week_monday sunday monday tuesday wednesday thursday friday saturday epoch_second timezone_hour timezone_minute`)

var dateFunctions = wordSet(`datediff dateadd datepart datename date_trunc datetrunc date_part datetime_trunc timestamp_trunc time_trunc date_diff datetime_diff
	timestamp_diff time_diff date_add date_sub datediff_big timestampadd timestampdiff last_day trunc extract date_bucket timediff datetime_add
	timestamp_add timestamp_sub datetime_sub time_add time_sub next_day previous_day months_between time_slice generate_date_array generate_timestamp_array date_bin toStartOfInterval add_months`)

func (r *resolver) call(e *Expr, sc *scope, use Use) sourceSet {
	var out sourceSet
	name := ""
	if len(e.Name) > 0 {
		name = strings.ToLower(e.Name[len(e.Name)-1].Text)
	}
	if r.listed != nil && e.aggregate() {
		r.inside++
		defer func() { r.inside-- }()
	}
	for i, a := range e.Args {
		if a.Kind == ExprColumn && len(a.Name) == 1 && a.Name[0].Quote == 0 && dateFunctions[name] && dateParts[strings.ToLower(a.Name[0].Text)] {
			continue
		}
		if a.Kind == ExprFunc && len(a.Name) == 1 && dateFunctions[name] && i > 0 && strings.EqualFold(a.Name[0].Text, "week") && len(a.Args) == 1 { // WEEK(MONDAY)
			continue
		}
		out = out.add(r.expr(a, sc, use)...)
	}
	// a.method(…) on a column: the qualifier is a value
	if len(e.Name) >= 2 && r.methodTarget(e) {
		target := &Expr{Kind: ExprColumn, Name: e.Name[:len(e.Name)-1], Span: e.Span}
		out = out.add(r.expr(target, sc, use)...)
	}
	c := e.Call
	if c == nil {
		return out
	}
	for _, o := range c.OrderBy {
		out = out.add(r.expr(o, sc, use)...)
	}
	for _, o := range c.WithinGroup {
		out = out.add(r.expr(o, sc, use)...)
	}
	out = out.add(r.expr(c.Filter, sc, use)...)
	if c.Over != nil {
		out = out.add(r.window(c.Over, sc, use, map[string]bool{})...)
	}
	if c.OverName != nil {
		out = out.add(r.namedWindow(*c.OverName, sc, use, map[string]bool{})...)
	}
	return out
}

// methodTarget tells col.nodes('…') of SQL Server from schema.function(…).
func (r *resolver) methodTarget(e *Expr) bool {
	if r.d != TSQL && r.d != Oracle {
		return false
	}
	switch strings.ToLower(e.Name[len(e.Name)-1].Text) {
	case "value", "nodes", "query", "exist", "modify", "getclobval", "getstringval", "extract", "tostring", "stdistance", "starea", "stastext":
		return true
	}
	return false
}

func (r *resolver) window(w *Window, sc *scope, use Use, seen map[string]bool) sourceSet {
	if w == nil {
		return nil
	}
	var out sourceSet
	if w.Base != nil {
		out = out.add(r.namedWindow(*w.Base, sc, use, seen)...)
	}
	for _, list := range [][]*Expr{w.PartitionBy, w.OrderBy, w.Frame} {
		for _, e := range list {
			out = out.add(r.expr(e, sc, use)...)
		}
	}
	return out
}

func (r *resolver) namedWindow(name Ident, sc *scope, use Use, seen map[string]bool) sourceSet {
	key := strings.ToLower(name.Text)
	if seen[key] {
		return nil
	}
	seen[key] = true
	ed := r.ed // a named window is written once, where it is defined
	r.ed = nil
	defer func() { r.ed = ed }()
	for _, w := range sc.windows {
		if strings.EqualFold(w.Name.Text, name.Text) {
			return r.window(w.Spec, sc, use, seen)
		}
	}
	return nil
}

// column resolves a.b.c.
func (r *resolver) column(e *Expr, sc *scope, use Use) sourceSet {
	if len(e.Name) == 1 {
		for i := len(sc.lambdas) - 1; i >= 0; i-- {
			if strings.EqualFold(sc.lambdas[i].Text, e.Name[0].Text) {
				return nil
			}
		}
	} else {
		for _, l := range sc.lambdas {
			if strings.EqualFold(l.Text, e.Name[0].Text) {
				return nil
			}
		}
	}
	r.hit = hit{}
	sources, _, ok := r.lookup(e, sc)
	if r.on() {
		r.rewrite(e, sc)
	}
	if !ok {
		return nil
	}
	span := e.Span
	if first := e.Name[0].Span; first != (Span{}) { // without the parentheses around the name
		span = first.join(e.Name[len(e.Name)-1].Span)
	}
	for _, s := range sources {
		r.use(s, use, span)
	}
	return sources
}

// lookup finds what a column path means. ok is false when it means nothing
// that has sources; what is unresolved was reported.
func (r *resolver) lookup(e *Expr, sc *scope) (sourceSet, []outputColumn, bool) {
	path := e.Name
	if r.exhausted(sc, e.Span) {
		return nil, nil, false
	}
	// qualifier.column[.field…]: longest qualifier first
	for n := min(len(path)-1, 3); n >= 1; n-- {
		rel := r.qualified(path[:n], sc)
		if rel == nil {
			continue
		}
		r.hit.written, r.hit.parts = rel, n
		if r.on() && n+1 == len(path) {
			r.labelled(rel, path[n])
		}
		return r.columnOf(rel, path[n:], e)
	}
	if len(path) == 2 && r.rowName(path[0]) {
		return nil, nil, false
	}
	if c := sc.ctes.find(r.cteRule(), path[0]); c != nil && c.scalar != nil {
		inner := *sc
		inner.ctes = c.parent
		return r.expr(c.scalar, &inner, UseValue), r.structFields(c.scalar, &inner), true
	}
	// column, or column.field
	for s := sc; s != nil && (len(path) == 1 || !r.d.plainColumns()); s = s.parent {
		sources, fields, found, stop := r.unqualified(path, s, e)
		if found {
			return sources, fields, true
		}
		if stop {
			return sources, nil, sources != nil
		}
	}
	if len(path) == 1 {
		if r.niladic(path[0]) {
			return nil, nil, false
		}
		// the name of a relation as a whole row
		for s := sc; s != nil; s = s.parent {
			for _, rel := range s.relations {
				if rel.alias.Text != "" && matchName(r.t.names, path[0], rel.alias) {
					return rel.sources(), rowFields(rel), true
				}
			}
		}
		if sources, ok := r.laterAlias(path[0], sc); ok {
			return sources, nil, true
		}
		if r.hasBlind(sc) {
			r.hit.rel = onlyRelation(sc)
			return nil, nil, false
		}
		if r.tablePseudo(path[0]) {
			return nil, nil, false
		}
		r.unresolved("unknown_column", path[0].Text, e.Span)
		return sourceSet{{nil, path[0].Text}}, nil, true
	}
	if r.hasBlind(sc) && len(path) > 1 && r.t.structAccess {
		return nil, nil, false
	}
	switch strings.ToLower(path[0].Text) {
	case "excluded", "inserted", "deleted", "new", "old", "values":
		return nil, nil, false
	}
	if strings.EqualFold(path[len(path)-1].Text, "nextval") || strings.EqualFold(path[len(path)-1].Text, "currval") {
		return nil, nil, false
	}
	r.unresolved("unknown_alias", pathText(path), e.Span)
	return sourceSet{{nil, path[len(path)-1].Text}}, nil, true
}

// rowName says whether a qualifier is a row that a writing statement names by
// itself: the one an INSERT proposes, or those before and after the change.
func (r *resolver) rowName(id Ident) bool {
	switch strings.ToLower(id.Text) {
	case "excluded":
		return r.writing && (r.d == Postgres || r.d == SQLite || r.d == DuckDB || r.d == Generic)
	case "inserted", "deleted":
		return r.writing && r.d == TSQL
	}
	return false
}

// labelled notes the name that the qualified form gives to a column without one.
func (r *resolver) labelled(rel *relation, id Ident) {
	if c, n := rel.find(r.t.names, id); n == 1 {
		if label := c.forms().label; label != nil {
			r.hit.rel, r.hit.column = rel, label
		}
	}
}

// rowFields are the columns of a relation used as one value.
func rowFields(rel *relation) []outputColumn {
	if rel.blind || len(rel.open) > 0 || known(rel.columns) == nil {
		return nil
	}
	out := make([]outputColumn, len(rel.columns))
	for i, c := range rel.columns { // without what USING did to them
		out[i] = outputColumn{name: c.name, sources: c.sources, fields: c.fields}
		if own := c.forms().own; own != nil {
			out[i].sources = own
		}
	}
	return out
}

func (r *resolver) hasBlind(sc *scope) bool {
	for s := sc; s != nil; s = s.parent {
		for _, rel := range s.relations {
			if rel.blind {
				return true
			}
		}
	}
	return false
}

// qualified finds the relation a qualifier names, in this scope or an outer one.
func (r *resolver) qualified(path []Ident, sc *scope) *relation {
	rule := r.t.names
	if rule != sensitive {
		rule = insensitive // nobody tells two aliases apart by case
	}
	for s := sc; s != nil; s = s.parent {
		if len(path) == 1 {
			for i := len(s.relations) - 1; i >= 0; i-- {
				rel := s.relations[i]
				if rel.alias.Text != "" && matchName(rule, path[0], rel.alias) {
					return rel
				}
			}
			continue
		}
		for _, rel := range s.relations {
			if rel.path == nil && rel.table == nil {
				continue
			}
			if r.tellsSchema(rel, path) {
				return rel
			}
			if rel.path != nil && suffixMatches(rule, path, rel.path) {
				return rel
			}
			if rel.path != nil && rel.table != nil && rel.matches(rule, path) {
				return rel
			}
		}
	}
	return nil
}

// tellsSchema takes schema.table in front of a column for a table that FROM
// names alone when nothing else says its schema.
func (r *resolver) tellsSchema(rel *relation, path []Ident) bool {
	if len(path) != 2 || len(rel.path) != 1 || rel.table == nil || rel.table.Schema != "" || rel.table.Catalog != "" || !matchName(insensitive, path[1], rel.path[0]) {
		return false
	}
	for i := range r.out.Tables {
		if t := &r.out.Tables[i]; t.Span.Start == rel.path[0].Span.Start && t.Table == *rel.table {
			t.Table.Schema = path[0].Text
		}
	}
	rel.table.Schema = path[0].Text
	return true
}

// matches compares a qualifier with the completed name of a table that stands
// under its own name.
func (rel *relation) matches(rule caseRule, path []Ident) bool {
	var full []Ident
	for _, part := range []string{rel.table.Catalog, rel.table.Schema, rel.table.Name} {
		if part != "" {
			full = append(full, Ident{Text: part, Quote: 's'})
		}
	}
	return suffixMatches(rule, path, full)
}

func suffixMatches(rule caseRule, path, full []Ident) bool {
	if len(path) > len(full) {
		return false
	}
	for i := range path {
		if !matchName(rule, path[i], full[len(full)-len(path)+i]) {
			return false
		}
	}
	return true
}

// columnOf finds a column of one relation.
func (r *resolver) columnOf(rel *relation, path []Ident, e *Expr) (sourceSet, []outputColumn, bool) {
	id := path[0]
	if c, n := rel.find(r.t.names, id); n > 0 {
		sources, fields := r.descend(c, path[1:])
		if own := c.forms().own; own != nil && len(path) == 1 {
			sources = own
		}
		return sources, fields, true
	}
	if i := r.place(id); i > 0 && i <= len(rel.columns) && !rel.columns[i-1].star { // $1
		if !rel.pivoted && !r.twice(rel, rel.columns[i-1].name) {
			r.hit = hit{rel: rel, column: &rel.columns[i-1].name, number: true}
		}
		return rel.columns[i-1].sources, rel.columns[i-1].fields, true
	}
	open := rel.open
	if len(open) > 1 {
		open = distinctTables(open)
	}
	if made := rel.made(); made != nil {
		return r.madeColumn(made, id, len(open) > 0, e), nil, true
	}
	switch len(open) {
	case 1:
		return sourceSet{{open[0], id.Text}}, nil, true
	case 0:
	default:
		r.unresolved("ambiguous_column", id.Text, e.Span)
		return sourceSet{{nil, id.Text}}, nil, true
	}
	if rel.blind || r.pseudoColumn(id) {
		if rel.asValue && len(rel.columns) > 0 { // a field of an unnested element
			return rel.columns[0].sources, nil, true
		}
		return nil, nil, false
	}
	if len(rel.columns) > 0 && rel.asValue {
		return rel.columns[0].sources, nil, true
	}
	r.unresolved("unknown_column", pathText(e.Name), e.Span)
	if rel.table != nil {
		return sourceSet{{rel.table, id.Text}}, nil, true
	}
	return nil, nil, false
}

// unqualified finds a bare column in one scope. stop says that the search ends
// here although nothing certain was found.
func (r *resolver) unqualified(path []Ident, s *scope, e *Expr) (sources sourceSet, fields []outputColumn, found, stop bool) {
	id := path[0]
	take := func(c *outputColumn) (sourceSet, []outputColumn, bool, bool) {
		if r.hit.rel == nil {
			r.hit.alias = c.expr
		}
		sources, fields := r.descend(c, path[1:])
		return sources, fields, true, true
	}
	if r.listed != nil && r.inside == 0 && len(path) == 1 {
		if c := r.listed.alias(r.t.names, s.aliases, id); c != nil {
			return take(c)
		}
	}
	if r.t.aliasFirst {
		if c := aliasOf(r.t.names, s.aliases, id); c != nil {
			return take(c)
		}
	}
	var hits []*outputColumn
	var owner *relation
	for _, rel := range s.relations {
		if c, n := rel.find(r.t.names, id); n > 0 && !c.hidden {
			hits = append(hits, c)
			owner = rel
		}
	}
	if len(hits) == 1 {
		form := hits[0].forms()
		if form.owner != nil {
			owner = form.owner
		}
		r.hit = hit{rel: owner, merged: form.merged}
		if form.label != nil && len(path) == 1 && r.on() {
			r.hit.column = form.label
		}
		return take(hits[0])
	}
	if len(hits) > 1 {
		if c := aliasOf(r.t.names, s.aliases, id); c != nil {
			return take(c)
		}
		r.unresolved("ambiguous_column", id.Text, e.Span)
		var all sourceSet
		for _, h := range hits {
			all = all.add(h.sources...)
		}
		return all, nil, true, true
	}
	if c := aliasOf(r.t.names, s.aliases, id); c != nil && (r.t.lateralAlias || s.openCount() != 1 || len(s.relations) == 0) {
		return take(c)
	}
	if i := r.place(id); i > 0 {
		for _, rel := range s.relations {
			if i <= len(rel.columns) {
				if rel.columns[i-1].star {
					break
				}
				if !rel.pivoted && !r.twice(rel, rel.columns[i-1].name) {
					r.hit = hit{rel: rel, column: &rel.columns[i-1].name, number: true}
				}
				return take(&rel.columns[i-1])
			}
			i -= len(rel.columns)
		}
	}
	if r.niladic(id) && e.Name[0].Quote == 0 {
		return nil, nil, false, true
	}
	if rel := s.element(r.d, id); rel != nil {
		sources, fields := r.descend(&outputColumn{sources: rel.sources(), fields: rowFields(rel)}, path[1:])
		return sources, fields, true, true
	}
	var open []*TableRef
	for _, rel := range s.relations {
		open = append(open, rel.open...)
	}
	open = distinctTables(open)
	if len(open) > 0 && r.tablePseudo(id) {
		return nil, nil, true, true
	}
	for _, rel := range s.relations {
		if made := rel.made(); made != nil {
			if c := aliasOf(r.t.names, s.aliases, id); c != nil {
				return take(c)
			}
			r.hit.rel = rel
			return r.madeColumn(made, id, len(open) > 0, e), nil, true, true
		}
	}
	switch len(open) {
	case 0:
		if c := aliasOf(r.t.names, s.aliases, id); c != nil {
			return take(c)
		}
		if r.d == Generic && len(s.relations) == 1 && s.relations[0].nameless() {
			r.hit.rel = s.relations[0]
			return r.hit.rel.columns[0].sources, nil, true, true
		}
		if r.fieldOfElement(s, id) {
			return s.relations[0].columns[0].sources, nil, true, true
		}
		return nil, nil, false, false
	case 1:
		if c := aliasOf(r.t.names, s.aliases, id); c != nil && s.knownOnlyAsAlias() {
			return take(c)
		}
		for _, rel := range s.relations {
			if rel.template { // either may have it
				r.unresolved("ambiguous_column", id.Text, e.Span)
				return sourceSet{{nil, id.Text}}, nil, true, true
			}
			if len(rel.open) > 0 {
				r.hit.rel = rel
			}
		}
		return sourceSet{{open[0], id.Text}}, nil, true, true
	}
	// a column of an outer scope that is known for certain beats a guess
	for p := s.parent; p != nil; p = p.parent {
		for _, rel := range p.relations {
			if c, n := rel.find(r.t.names, id); n == 1 && !c.star {
				r.hit.rel = rel
				return take(c)
			}
		}
	}
	for _, rel := range s.relations {
		if rel.alias.Text != "" && matchName(r.t.names, id, rel.alias) {
			return nil, nil, false, false // whole row
		}
	}
	r.unresolved("ambiguous_column", id.Text, e.Span)
	return sourceSet{{nil, id.Text}}, nil, true, true
}

// made is the column that stands for those that a PIVOT makes of the data, or
// nil.
func (rel *relation) made() *outputColumn {
	for i := range rel.columns {
		if rel.columns[i].made {
			return &rel.columns[i]
		}
	}
	return nil
}

// madeColumn are the sources of a column that a PIVOT makes of the data. Where a
// table with unknown columns may have it instead, the name is reported, unless
// it is one that values have rather than columns: "2020", "'paid'".
func (r *resolver) madeColumn(made *outputColumn, id Ident, open bool, e *Expr) sourceSet {
	if !open || id.Quote != 0 && !nameLike(id.Text) {
		return made.sources
	}
	r.unresolved("ambiguous_column", id.Text, e.Span)
	return append(sourceSet(nil), made.sources...).add(Source{nil, id.Text})
}

// nameLike says whether a text begins as the names of columns do.
func nameLike(text string) bool {
	c, _ := utf8.DecodeRuneInString(text)
	return c == '_' || unicode.IsLetter(c)
}

// element finds the relation of unnested elements that a name stands for:
// the range variables of BigQuery and Redshift are values, and known to be there.
func (s *scope) element(d Dialect, id Ident) *relation {
	if d != BigQuery && d != Redshift || s.openCount() == 0 {
		return nil
	}
	for _, rel := range s.relations {
		if rel.asValue && rel.alias.Text != "" && strings.EqualFold(rel.alias.Text, id.Text) {
			return rel
		}
	}
	return nil
}

// sources are those of all columns, each as it is under the relation's name.
func (r *relation) sources() sourceSet {
	var out sourceSet
	for i := range r.columns {
		if r.columns[i].added {
			continue
		}
		if own := r.columns[i].forms().own; own != nil {
			out = out.add(own...)
			continue
		}
		out = out.add(r.columns[i].sources...)
	}
	return out
}

// nameless says whether a relation is an unnested array without names for
// itself and its column, so that any name may be meant for it.
func (r *relation) nameless() bool {
	return r.unnamed && r.blind && len(r.columns) == 1
}

// twice says whether a relation has two columns of a name.
func (r *resolver) twice(rel *relation, id Ident) bool {
	_, n := rel.find(r.t.names, id)
	return n > 1
}

// place is the number of Snowflake's positional columns, $1; 0 for any other
// name.
func (r *resolver) place(id Ident) int {
	if r.d != Snowflake || id.Quote != 0 || len(id.Text) < 2 || id.Text[0] != '$' {
		return 0
	}
	n, err := strconv.Atoi(id.Text[1:])
	if err != nil {
		return 0
	}
	return n
}

func (s *scope) openCount() int {
	n := 0
	for _, rel := range s.relations {
		n += len(rel.open)
	}
	return n
}

// knownOnlyAsAlias says that the scope's open relations come from derived
// tables rather than tables, where an alias is the better guess.
func (s *scope) knownOnlyAsAlias() bool {
	for _, rel := range s.relations {
		if rel.table != nil {
			return false
		}
	}
	return true
}

func distinctTables(list []*TableRef) []*TableRef {
	var out []*TableRef
next:
	for _, t := range list {
		for _, have := range out {
			if sameTable(have, t) {
				continue next
			}
		}
		out = append(out, t)
	}
	return out
}

func aliasOf(rule caseRule, aliases []outputColumn, id Ident) *outputColumn {
	for i := len(aliases) - 1; i >= 0; i-- {
		if !aliases[i].star && aliases[i].name.Text != "" && matchName(rule, id, aliases[i].name) {
			return &aliases[i]
		}
	}
	return nil
}

// niladic are functions that dialects call without parentheses, and values that
// look like columns.
var niladic = wordSet(`current_date current_time current_timestamp localtime localtimestamp current_user session_user user
	sysdate systimestamp getdate uid rownum level connect_by_isleaf connect_by_iscycle utc_date utc_time utc_timestamp current_catalog
	current_schema current_role system_user sysdatetime now today current_datetime current_database dual_dummy systimestamp dbtimezone sessiontimezone sqlcode sqlerrm row_number_ ora_rowscn`)

func (r *resolver) niladic(id Ident) bool {
	low := strings.ToLower(id.Text)
	if id.Quote != 0 || !niladic[low] {
		return strings.HasPrefix(id.Text, "@") || id.Quote == 0 && len(id.Text) > 1 && id.Text[0] == '$'
	}
	switch low {
	case "user", "uid", "level", "now", "today":
		return r.d == Oracle || low == "user" && (r.d == Postgres || r.d == Redshift || r.d == TSQL)
	}
	return true
}
