package sqllens

import (
	"strconv"
	"strings"
)

// Mutant is a text with one thing changed. Same says whether it still means the
// same.
type Mutant struct {
	Rule string
	Text string
	Same bool
}

// Mutants changes a text in every way that is known to change its meaning, or
// known not to, each at up to limit places.
func Mutants(sql string, d Dialect, limit int) []Mutant {
	tree := Parse(sql, d, true)
	if tree.Recovered || len(tree.Blocks) > 0 {
		return nil
	}
	m := &mutator{sql: sql, limit: limit, count: map[string]int{}, d: d, aliases: map[string][]Span{}, tables: map[int]bool{}, ctes: map[string]bool{}}
	for i := range tree.toks {
		m.word(tree.toks, i)
	}
	for _, st := range tree.Statements {
		if st.Query != nil {
			m.query(st.Query)
		}
	}
	for name, defined := range m.aliases {
		m.rename(tree.toks, name, defined)
	}
	return m.out
}

type mutator struct {
	sql     string
	d       Dialect
	limit   int
	count   map[string]int
	out     []Mutant
	aliases map[string][]Span // where a name is given to a table or query
	tables  map[int]bool      // where the names of tables begin
	ctes    map[string]bool
}

// rename gives a table or common table expression another name everywhere,
// where all mentions of the name can be told.
func (m *mutator) rename(toks []token, name string, defined []Span) {
	if len(defined) != 1 || keywords[name] != "" {
		return
	}
	var b strings.Builder
	at := 0
	for i := range toks {
		t := &toks[i]
		if t.kind != tokWord && t.kind != tokQuoted || !strings.EqualFold(strings.Trim(t.text, "\"`[]"), name) {
			continue
		}
		if i > 0 && toks[i-1].isOp(".") {
			continue
		}
		if t.start != defined[0].Start && !toks[i+1].isOp(".") && (!m.tables[t.start] || !m.ctes[name]) {
			return // a column, a row, or the name of a table
		}
		b.WriteString(m.sql[at:t.start])
		b.WriteString("renamed_it")
		at = t.end
	}
	b.WriteString(m.sql[at:])
	m.out = append(m.out, Mutant{"rename", b.String(), true})
}

func (m *mutator) define(id Ident) {
	if id.Span != (Span{}) && id.Quote == 0 {
		name := strings.ToLower(id.Text)
		m.aliases[name] = append(m.aliases[name], id.Span)
	}
}

func (m *mutator) replace(rule string, same bool, s Span, text string) {
	if m.count[rule]++; m.count[rule] > m.limit {
		return
	}
	m.out = append(m.out, Mutant{rule, m.sql[:s.Start] + text + m.sql[s.End:], same})
}

// swapped are words that mean something else when they change places.
var swapped = map[string]string{
	"and": "or", "or": "and", "left": "right", "right": "left", "full": "left", "desc": "asc", "min": "max", "max": "min", "sum": "avg", "avg": "sum",
	"intersect": "except", "except": "intersect", "rows": "range", "preceding": "following", "any": "all", "exists": "not exists",
	"lower": "upper", "upper": "lower", "rollup": "cube",
}

var turnedOperators = map[string]string{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "=": "<>", "<>": "=", "!=": "=", "+": "-", "-": "+", "/": "*", "||": "+"}

func (m *mutator) word(toks []token, i int) {
	t := &toks[i]
	prev := &token{}
	if i > 0 {
		prev = &toks[i-1]
	}
	next := &token{}
	if i+1 < len(toks) {
		next = &toks[i+1]
	}
	switch t.kind {
	case tokNumber:
		if n, err := strconv.Atoi(t.text); err == nil && n < 1<<30 {
			m.replace("number", false, t.span(), strconv.Itoa(n+1))
		}
	case tokString:
		if n := len(t.text); n > 2 && t.text[0] == '\'' && !strings.HasPrefix(t.text, "'''") {
			m.replace("text", false, t.span(), t.text[:n-1]+"_'")
		}
	case tokOp:
		if to := turnedOperators[t.text]; to != "" && prev.kind != tokOp {
			m.replace("operator "+t.text, false, t.span(), to)
		}
	case tokWord:
		low := strings.ToLower(t.text)
		switch {
		case next.isOp(".") || prev.isOp(".") || prev.isWord("as"):
		case low == "not":
			m.replace("drop not", false, t.span(), "")
		case low == "null" && prev.isWord("is"):
			m.replace("is null", false, t.span(), "not null")
		case low == "all" && prev.isWord("union"):
			m.replace("union all", false, t.span(), "")
		case low == "distinct" && prev.isWord("select", "("):
			m.replace("drop distinct", false, t.span(), "")
		case low == "select" && !next.isWord("distinct", "all", "top", "as") && !next.isOp("*"):
			m.replace("add distinct", false, t.span(), t.text+" distinct")
		case low == "count" && next.isOp("(") && i+2 < len(toks) && !toks[i+2].isOp("*") && !toks[i+2].isWord("distinct"):
			m.replace("count distinct", false, Span{next.start, next.end}, "( distinct ")
		case swapped[low] != "" && (low != "left" && low != "right" && low != "full" || next.isWord("join", "outer")):
			m.replace("word "+low, false, t.span(), swapped[low])
		}
		if low == "join" && !prev.isWord("left", "right", "full", "cross", "outer", "inner", "natural", "semi", "anti", "array", "asof", "straight_join", "any", "all", "global") {
			m.replace("add inner", true, t.span(), "inner join")
			m.replace("left join", false, t.span(), "left join")
		}
		if low == "join" && prev.isWord("left", "right", "full") {
			m.replace("add outer", true, t.span(), "outer join")
		}
		if next.kind != tokEOF {
			m.replace("comment", true, Span{t.end, t.end}, " /* and or */ ")
		}
	}
}

func (m *mutator) query(q *Query) {
	for _, c := range q.With {
		m.define(c.Name)
		m.ctes[strings.ToLower(c.Name.Text)] = true
		if c.Query != nil {
			m.query(c.Query)
		}
	}
	m.body(q.Body)
	m.exprs(q.OrderBy...)
}

func (m *mutator) body(b Body) {
	switch b := b.(type) {
	case *Select:
		for _, item := range b.Items {
			if item.Expr.Kind == ExprColumn && item.Alias == nil {
				m.replace("column", false, item.Expr.Name[len(item.Expr.Name)-1].Span, "zzz")
			}
			if item.Alias != nil && item.Alias.Span != (Span{}) {
				m.replace("output name", false, item.Alias.Span, "zzz")
			}
			m.exprs(item.Expr)
		}
		for _, t := range b.From {
			m.table(t)
		}
		if len(b.Items) > 1 && b.Items[0].Expr.Kind != ExprStar && m.text(b.Items[0].Span) != m.text(b.Items[1].Span) {
			a, c := b.Items[0].Span, b.Items[1].Span
			m.replace("order of outputs", false, a.join(c), m.text(c)+" , "+m.text(a))
		}
		if b.Where != nil {
			m.replace("parentheses", true, b.Where.Span, "("+m.text(b.Where.Span)+")")
			m.replace("drop condition", false, b.Where.Span, "1 = 1")
		}
		m.exprs(b.Where, b.Having, b.Qualify)
	case *SetOp:
		m.body(b.Left)
		m.body(b.Right)
	case *Query:
		m.query(b)
	}
}

func (m *mutator) text(s Span) string { return m.sql[s.Start:s.End] }

func (m *mutator) table(t *Table) {
	if t.Alias != nil {
		m.define(*t.Alias)
	}
	switch t.Kind {
	case TableJoin:
		m.table(t.Left)
		if t.Right != nil {
			m.table(t.Right)
		}
		m.exprs(t.On)
	case TableName:
		last := t.Name[len(t.Name)-1]
		if len(t.Name) == 1 {
			m.tables[last.Span.Start] = true
		}
		if last.Quote == 0 && t.Alias != nil {
			m.replace("table", false, last.Span, last.Text+"zz")
		}
	case TableQuery:
		m.query(t.Query)
	}
}

func (m *mutator) exprs(list ...*Expr) {
	for _, e := range list {
		walkExpr(e, m.expr)
	}
}

func (m *mutator) expr(e *Expr) {
	if e.Query != nil {
		m.query(e.Query)
	}
	if e.Span.End > e.Span.Start && (e.Kind == ExprOp && len(e.Args) == 2 && (e.Op == "=" || e.Op == "+" || e.Op == "*" || e.Op == "and" || e.Op == "or") || e.Kind == ExprColumn) && !strings.HasSuffix(strings.ToLower(strings.TrimSpace(m.sql[:e.Span.Start])), "all") {
		m.replace("parentheses around "+e.Op, true, e.Span, "( "+m.text(e.Span)+" )")
	}
	if len(e.Args) == 2 && e.Kind == ExprOp {
		a, b := e.Args[0].Span, e.Args[1].Span
		if a.End > b.Start || a == b || m.text(a) == m.text(b) {
			return
		}
		between := m.sql[a.End:b.Start]
		turned := "(" + m.text(b) + ")" + between + "(" + m.text(a) + ")"
		whole := Span{a.Start, b.End}
		switch e.Op {
		case "and", "or", "*", "=":
			if e.Op != "=" || e.Args[1].Kind != ExprFunc && m.d != TSQL {
				m.replace("turn "+e.Op, true, whole, turned)
			}
		case "-", "/", "||", "like", "%", "<", "<=", ">", ">=":
			m.replace("turn "+e.Op, false, whole, turned)
		}
	}
	if e.Kind == ExprFunc && len(e.Args) >= 2 && e.Args[0].Kind == ExprColumn && e.Args[1].Kind != ExprColumn {
		a, b := e.Args[0].Span, e.Args[1].Span
		if a.End <= b.Start {
			m.replace("turn arguments", false, Span{a.Start, b.End}, m.text(b)+m.sql[a.End:b.Start]+m.text(a))
		}
	}
}
