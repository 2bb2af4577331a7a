package similar

import (
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
	"github.com/metalens/metalens/internal/sqllens"
)

// sqlReader turns one SELECT into a reading. ok goes false at the first thing
// that is not simple, and then there is no reading.
type sqlReader struct {
	finder    *finder
	question  *catalog.Question
	relations []relation
	aliases   map[string]*sqllens.Expr // names of the select list
	out       *reading
	dialect   sqllens.Dialect
	snippets  int // nested snippets being read
	ok        bool
}

// relation is a table or question in FROM.
type relation struct {
	alias string // lower case
	path  string // lower case, as written
	table *catalog.Table
	term  term
}

// longestSimple is how many bytes of SQL a simple query has at most.
const longestSimple = 6000

func (f *finder) readingOfSQL(q *catalog.Question, tree *sqllens.Tree) *reading {
	if len(q.Query.SQL) > longestSimple || tree.Recovered || len(tree.Statements) != 1 {
		return nil
	}
	st := tree.Statements[0]
	if st.Kind != sqllens.StatementSelect || st.Query == nil || st.DML != nil {
		return nil
	}
	query := st.Query
	for {
		inner, nested := query.Body.(*sqllens.Query)
		if !nested || len(query.With)+len(query.OrderBy)+len(query.Limit)+len(query.Pipes) > 0 {
			break
		}
		query = inner
	}
	s, isSelect := query.Body.(*sqllens.Select)
	if !isSelect || len(query.With)+len(query.Pipes) > 0 || query.Locks || query.Into != nil {
		return nil
	}
	r := &sqlReader{finder: f, question: q, out: &reading{database: q.Query.DatabaseID}, ok: true, aliases: map[string]*sqllens.Expr{}, dialect: tree.Dialect}
	r.out.limited = len(query.Limit) > 0
	r.read(s)
	if !r.ok || len(r.out.tables) == 0 || len(r.out.outputs) == 0 {
		return nil
	}
	r.out.tidy()
	return r.out
}

func (r *sqlReader) fail() term {
	r.ok = false
	return term{}
}

func (r *sqlReader) read(s *sqllens.Select) {
	if len(s.DistinctOn) > 0 || s.AsStruct || s.Into != nil || s.Prewhere != nil || s.GroupAll || s.Having != nil || s.Qualify != nil ||
		s.StartWith != nil || s.ConnectBy != nil || len(s.Windows) > 0 || len(s.From) != 1 {
		r.ok = false
		return
	}
	r.out.distinct = s.Distinct
	r.out.limited = r.out.limited || s.Top != nil
	r.from(s.From[0])
	if !r.ok {
		return
	}
	for _, item := range s.Items {
		if item.Expr != nil && item.Alias != nil {
			r.aliases[strings.ToLower(item.Alias.Text)] = item.Expr
		}
	}
	if s.Where != nil {
		r.out.where(r.expr(s.Where))
	}
	for _, item := range s.Items {
		if !r.ok || item.Expr == nil {
			r.ok = false
			return
		}
		if item.Expr.Kind == sqllens.ExprStar {
			if modified(item.Expr.Star) || len(item.Expr.Args) > 0 || len(r.relations) > 1 {
				r.ok = false
				return
			}
			r.out.outputs = append(r.out.outputs, output{term: term{key: "*", text: "*"}})
			continue
		}
		o := output{term: r.expr(item.Expr)}
		if item.Alias != nil {
			o.name = item.Alias.Text
		}
		r.out.outputs = append(r.out.outputs, o)
	}
	for _, g := range s.GroupBy {
		r.out.groups = append(r.out.groups, r.group(g, s))
	}
}

// modified reports whether a star stands for less or other than all columns.
func modified(s *sqllens.Star) bool {
	return s != nil && (len(s.Except)+len(s.Replace)+len(s.Rename) > 0 || s.Pattern != "")
}

// group reads a GROUP BY entry: an expression, a name or a place of the list.
func (r *sqlReader) group(g *sqllens.Expr, s *sqllens.Select) term {
	if g.Kind == sqllens.ExprLiteral && g.Op == "number" {
		n, err := strconv.Atoi(g.Text)
		if err != nil || n < 1 || n > len(s.Items) || s.Items[n-1].Expr == nil {
			return r.fail()
		}
		return r.expr(s.Items[n-1].Expr)
	}
	if g.Kind == sqllens.ExprColumn && len(g.Name) == 1 {
		if named := r.aliases[strings.ToLower(g.Name[0].Text)]; named != nil && !r.hasColumn(g.Name[0].Text) {
			return r.expr(named)
		}
	}
	if g.Kind == sqllens.ExprFunc || g.Kind == sqllens.ExprColumn || g.Kind == sqllens.ExprCast || g.Kind == sqllens.ExprOp || g.Kind == sqllens.ExprCase {
		return r.expr(g)
	}
	return r.fail()
}

// from reads a FROM item.
func (r *sqlReader) from(t *sqllens.Table) {
	if t == nil || t.Lateral || len(t.AliasCols) > 0 || t.Ordinality || t.Offset != nil {
		r.ok = false
		return
	}
	rel := relation{}
	switch t.Kind {
	case sqllens.TableJoin:
		r.join(t)
		return
	case sqllens.TableName:
		if len(t.Name) == 0 || len(t.Name) > 3 {
			r.ok = false
			return
		}
		parts := make([]string, 0, len(t.Name))
		for _, n := range t.Name {
			parts = append(parts, n.Text)
		}
		rel.path = strings.ToLower(strings.Join(parts, "."))
		rel.alias = strings.ToLower(parts[len(parts)-1])
		rel.table = r.finder.tableOf(r.question.Query.DatabaseID, parts)
		if rel.table != nil {
			rel.term = tableTerm(rel.table)
		} else {
			rel.term = term{key: "?" + rel.path, text: parts[len(parts)-1]}
		}
	case sqllens.TableTag:
		if t.Tag == nil || t.Tag.Kind != sqllens.TagCard || t.Tag.CardID == "" {
			r.ok = false
			return
		}
		rel.term = term{key: "card:" + t.Tag.CardID, text: "question " + t.Tag.CardID}
	default:
		r.ok = false
		return
	}
	if t.Alias != nil {
		rel.alias, rel.path = strings.ToLower(t.Alias.Text), ""
	}
	for _, have := range r.relations {
		if have.term.key == rel.term.key || have.alias == rel.alias { // a table joined to itself
			r.ok = false
			return
		}
	}
	r.relations = append(r.relations, rel)
	r.out.tables = append(r.out.tables, rel.term)
}

func (r *sqlReader) join(t *sqllens.Table) {
	kind := t.Join
	if kind == "" {
		kind = "inner"
	}
	if t.Natural || kind != "inner" && kind != "left" && kind != "cross" || t.Right == nil || t.Right.Kind == sqllens.TableJoin || t.Left == nil {
		r.ok = false
		return
	}
	r.from(t.Left)
	r.from(t.Right)
	if !r.ok {
		return
	}
	right := r.relations[len(r.relations)-1]
	var on term
	switch {
	case t.On != nil:
		on = r.expr(t.On)
	case len(t.Using) > 0:
		var list []term
		for _, u := range t.Using {
			left, ok := r.leftOf(u.Text)
			if !ok {
				r.ok = false
				return
			}
			list = append(list, comparison("=", left, r.columnOf(&right, u.Text)))
		}
		on = logical("and", list)
	case kind == "cross":
		on = term{key: "true", text: "true"}
	default:
		r.ok = false
		return
	}
	r.out.joins = append(r.out.joins, term{
		key: kind + "(" + right.term.key + "," + on.key + ")", text: kind + " join " + right.term.text + " on " + on.text, param: on.param,
		lookup: byItsKey(right.table, right.term, on),
	})
	if first := r.relations[0]; kind == "inner" && len(r.relations) == 2 {
		r.out.joins[len(r.out.joins)-1].looksUp = byItsKey(first.table, first.term, on)
	}
}

// leftOf finds a USING column among the relations before the last.
func (r *sqlReader) leftOf(name string) (term, bool) {
	for i := range len(r.relations) - 1 {
		rel := &r.relations[i]
		if rel.table == nil && len(r.relations) == 2 || rel.table != nil && columnNamed(rel.table, name) != nil {
			return r.columnOf(rel, name), true
		}
	}
	return term{}, false
}

func (r *sqlReader) hasColumn(name string) bool {
	for i := range r.relations {
		if t := r.relations[i].table; t != nil && columnNamed(t, name) != nil {
			return true
		}
	}
	return false
}

func columnNamed(t *catalog.Table, name string) *catalog.Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

func (r *sqlReader) columnOf(rel *relation, name string) term {
	if rel.table != nil {
		if c := columnNamed(rel.table, name); c != nil {
			return columnTerm(rel.table, c)
		}
	}
	return term{key: "[" + rel.term.key + "/" + strings.ToLower(name) + "]", text: rel.term.text + "." + name}
}

// column resolves a name; what may belong to two relations is not simple.
func (r *sqlReader) column(e *sqllens.Expr) term {
	name := e.Name[len(e.Name)-1].Text
	if len(e.Name) > 1 {
		parts := make([]string, 0, len(e.Name)-1)
		for _, n := range e.Name[:len(e.Name)-1] {
			parts = append(parts, strings.ToLower(n.Text))
		}
		qualifier := strings.Join(parts, ".")
		for i := range r.relations {
			if rel := &r.relations[i]; rel.alias == qualifier || rel.path != "" && rel.path == qualifier {
				return r.columnOf(rel, name)
			}
		}
		return r.fail()
	}
	if len(r.relations) == 1 {
		return r.columnOf(&r.relations[0], name)
	}
	var found *relation
	for i := range r.relations {
		rel := &r.relations[i]
		if rel.table == nil || rel.table.ColumnsUnread {
			return r.fail()
		}
		if columnNamed(rel.table, name) != nil {
			if found != nil {
				return r.fail()
			}
			found = rel
		}
	}
	if found == nil {
		return r.fail()
	}
	return r.columnOf(found, name)
}

func (r *sqlReader) all(list []*sqllens.Expr) []term {
	out := make([]term, 0, len(list))
	for _, e := range list {
		out = append(out, r.expr(e))
	}
	return out
}

func (r *sqlReader) expr(e *sqllens.Expr) term {
	if !r.ok || e == nil {
		return r.fail()
	}
	switch e.Kind {
	case sqllens.ExprColumn:
		return r.column(e)
	case sqllens.ExprLiteral:
		return r.literal(e)
	case sqllens.ExprTag:
		if e.Tag == nil || e.Tag.Kind == sqllens.TagCard || e.Tag.Kind == sqllens.TagTable {
			return r.fail()
		}
		if e.Tag.Kind == sqllens.TagSnippet {
			return r.snippet(e.Tag.Name)
		}
		return term{key: "{{" + e.Tag.Name + "}}" + r.dimension(e.Tag.Name), text: "{{" + e.Tag.Name + "}}", param: true}
	case sqllens.ExprFunc:
		return r.function(e)
	case sqllens.ExprOp:
		return r.operator(e)
	case sqllens.ExprCase:
		return r.caseOf(e)
	case sqllens.ExprCast:
		if len(e.Args) != 1 {
			return r.fail()
		}
		arg, kind := r.expr(e.Args[0]), strings.ToLower(e.Op)
		if kind == "date" {
			return bucket("day", arg)
		}
		out := call("cast", arg, wordLiteral(kind))
		out.text = "cast(" + arg.text + " as " + kind + ")"
		out.literal = arg.literal
		out.temporal = out.temporal || strings.HasPrefix(kind, "timestamp") || kind == "datetime"
		return out
	case sqllens.ExprInterval:
		return term{key: "interval(" + e.Op + "," + joinKeys(r.all(e.Args)) + ")", text: strings.TrimSpace("interval " + join(r.all(e.Args), " ") + " " + e.Op), literal: true, temporal: true}
	case sqllens.ExprList:
		if len(e.Args) == 1 {
			return r.expr(e.Args[0])
		}
	}
	return r.fail()
}

// snippet reads a snippet that is a condition as that condition.
func (r *sqlReader) snippet(name string) term {
	unread := term{key: "{{snippet:" + name + "}}", text: "snippet " + name}
	s := r.finder.index.SnippetByName(name)
	if s == nil || r.snippets > 3 {
		return unread
	}
	tree := sqllens.Parse("select 1 where "+s.SQL, r.dialect, true)
	if tree.Recovered || len(tree.Statements) != 1 || tree.Statements[0].Query == nil {
		return unread
	}
	sel, ok := tree.Statements[0].Query.Body.(*sqllens.Select)
	if !ok || sel.Where == nil || len(sel.GroupBy) > 0 {
		return unread
	}
	inner := *r
	inner.snippets++
	if t := inner.expr(sel.Where); inner.ok {
		return t
	}
	return unread
}

// dimension says which column a field filter points at.
func (r *sqlReader) dimension(tag string) string {
	for _, t := range r.question.Query.Tags {
		if t.Name == tag && len(t.Dimension) > 0 {
			if e := mbql.ParseExpr(t.Dimension); e != nil && e.Field != nil {
				return strconv.FormatInt(e.Field.ID.Number, 10) + "/" + e.Field.ID.Name + "/" + e.Field.Name
			}
		}
	}
	return ""
}

func joinKeys(list []term) string {
	keys := make([]string, 0, len(list))
	for _, t := range list {
		keys = append(keys, t.key)
	}
	return strings.Join(keys, ",")
}

func (r *sqlReader) literal(e *sqllens.Expr) term {
	switch e.Op {
	case "number":
		return numberLiteral(e.Text)
	case "string":
		text := e.Text
		if len(text) >= 2 && (text[0] == '\'' || text[0] == '"') && text[len(text)-1] == text[0] {
			q := text[:1]
			return stringLiteral(strings.ReplaceAll(text[1:len(text)-1], q+q, q))
		}
		return term{key: text, text: text, literal: true}
	case "null", "bool":
		return wordLiteral(e.Text)
	}
	return term{key: strings.ToLower(e.Text), text: e.Text, literal: true, temporal: true}
}

// clock lists the functions without arguments that tell the time.
var clock = []string{"now", "current_date", "current_timestamp", "getdate", "sysdate", "today", "current_datetime", "localtimestamp"}

func (r *sqlReader) function(e *sqllens.Expr) term {
	c := e.Call
	if len(e.Name) != 1 || c != nil && (c.Over != nil || c.OverName != nil || len(c.WithinGroup) > 0 || len(c.OrderBy) > 0 || c.IgnoreNulls || c.Table) {
		return r.fail()
	}
	name := strings.ToLower(e.Name[0].Text)
	if c != nil && c.Distinct && name != "count" {
		return r.fail()
	}
	var out term
	switch name {
	case "count":
		switch {
		case len(e.Args) == 0, len(e.Args) == 1 && (e.Args[0].Kind == sqllens.ExprStar || e.Args[0].Kind == sqllens.ExprLiteral && e.Args[0].Op == "number"):
			out = aggregation("count")
		case len(e.Args) != 1:
			return r.fail()
		case c != nil && c.Distinct:
			out = r.over("distinct", e.Args[0])
		default:
			out = r.over("count", e.Args[0])
		}
	case "sum", "avg", "min", "max", "median":
		if len(e.Args) != 1 {
			return r.fail()
		}
		out = r.over(name, e.Args[0])
	case "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp", "any_value", "array_agg", "string_agg", "group_concat",
		"listagg", "json_agg", "percentile_cont", "approx_count_distinct", "uniq", "uniqexact", "countif", "sumif", "avgif", "approx_percentile", "quantile":
		out = aggregation(name, r.all(e.Args)...)
	case "date_trunc", "timestamp_trunc", "datetime_trunc":
		return r.truncated(e)
	case "date":
		if len(e.Args) == 1 {
			return bucket("day", r.expr(e.Args[0]))
		}
		fallthrough
	default:
		out = call(name, r.all(e.Args)...)
		if slices.Contains(clock, name) {
			out.temporal, out.literal = true, true
		}
	}
	if c != nil && c.Filter != nil {
		if !out.aggregate {
			return r.fail()
		}
		out = conditional(out, r.expr(c.Filter))
	}
	return out
}

// over reads an aggregate of one argument; a CASE without another branch makes
// it conditional.
func (r *sqlReader) over(name string, arg *sqllens.Expr) term {
	if arg.Kind == sqllens.ExprCase && arg.Op == "" && len(arg.Args) == 2 && (arg.Else == nil || zero(arg.Else) && name == "sum" || null(arg.Else)) {
		condition, value := arg.Args[0], arg.Args[1]
		one := value.Kind == sqllens.ExprLiteral && value.Op == "number" && value.Text == "1"
		switch {
		case name == "sum" && one, name == "count" && value.Kind == sqllens.ExprLiteral && value.Op != "null":
			return conditional(aggregation("count"), r.expr(condition))
		case name != "count" || value.Kind != sqllens.ExprLiteral:
			return conditional(aggregation(name, r.expr(value)), r.expr(condition))
		}
	}
	return aggregation(name, r.expr(arg))
}

func zero(e *sqllens.Expr) bool {
	return e.Kind == sqllens.ExprLiteral && e.Op == "number" && strings.Trim(e.Text, "0.") == ""
}
func null(e *sqllens.Expr) bool { return e.Kind == sqllens.ExprLiteral && e.Op == "null" }

// truncated reads date_trunc('month', x) and DATE_TRUNC(x, MONTH).
func (r *sqlReader) truncated(e *sqllens.Expr) term {
	if len(e.Args) != 2 {
		return call("date_trunc", r.all(e.Args)...)
	}
	unit, value := e.Args[0], e.Args[1]
	if unit.Kind != sqllens.ExprLiteral {
		unit, value = value, unit
	}
	word := ""
	switch unit.Kind {
	case sqllens.ExprLiteral:
		word = strings.Trim(unit.Text, `'"`)
	case sqllens.ExprColumn:
		word = unit.Name[0].Text
	}
	if word == "" {
		return r.fail()
	}
	return bucket(strings.ToLower(word), r.expr(value))
}

// bucket rounds a time down. Weeks differ between languages in their first day.
func bucket(unit string, t term) term {
	if unit == "week" {
		unit = "week of the database"
	}
	out := call(unit, t)
	out.temporal = true
	return out
}

func (r *sqlReader) operator(e *sqllens.Expr) term {
	op, negated := strings.CutPrefix(e.Op, "not ")
	switch {
	case (e.Op == "and" || e.Op == "or") && len(e.Args) == 2:
		var list []term
		for at := e; ; at = at.Args[0] { // chains are long on the left
			list = append(list, r.expr(at.Args[1]))
			if left := at.Args[0]; left.Kind != sqllens.ExprOp || left.Op != e.Op || len(left.Args) != 2 {
				list = append(list, r.expr(left))
				break
			}
		}
		return logical(e.Op, list)
	case e.Op == "not" && len(e.Args) == 1:
		return not(r.expr(e.Args[0]))
	case len(e.Args) == 1:
		return call(e.Op, r.expr(e.Args[0]))
	case op == "between" && len(e.Args) == 3:
		a := r.all(e.Args)
		out := call(e.Op, a...)
		out.text = a[0].text + " " + e.Op + " " + a[1].text + " and " + a[2].text
		return out
	case len(e.Args) != 2:
		return r.fail()
	case op == "in":
		if e.Args[1].Kind != sqllens.ExprList {
			return r.fail()
		}
		return among(negated, r.expr(e.Args[0]), r.all(e.Args[1].Args))
	}
	a, b := r.expr(e.Args[0]), r.expr(e.Args[1])
	switch e.Op {
	case "=", "<>", "<", "<=", ">", ">=":
		return comparison(e.Op, a, b)
	case "!=":
		return comparison("<>", a, b)
	case "+", "-", "*", "/":
		return arithmetic(e.Op, a, b)
	case "is", "is not":
		if b.key == "#null" {
			return isNull(e.Op == "is not", a)
		}
	}
	out := call(e.Op, a, b)
	out.text = a.text + " " + e.Op + " " + b.text
	return out
}

func (r *sqlReader) caseOf(e *sqllens.Expr) term {
	args := r.all(e.Args)
	if e.Else != nil {
		args = append(args, r.expr(e.Else))
	}
	name := "case"
	if e.Op == "operand" {
		name = "case of"
	}
	if e.Else != nil {
		name += " else"
	}
	out := call(name, args...)
	out.text = "case(" + join(args, ", ") + ")"
	return out
}
