package sqllint

import (
	"regexp"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/sqllens"
)

// place is where a query stands.
type place struct {
	top    bool   // its rows are the answer
	exists bool   // only whether it has rows counts
	ctes   *cte   // names in reach
	around *scope // the SELECT that it stands in, for correlated names
}

// cte is one common table expression in reach.
type cte struct {
	next  *cte
	name  string // lower case
	query *sqllens.Query
	loops bool // recursive
}

func (c *cte) find(name string) *cte {
	for ; c != nil; c = c.next {
		if c.name == name {
			return c
		}
	}
	return nil
}

// item is one entry of a FROM clause.
type item struct {
	alias    string // lower case
	node     *sqllens.Table
	ref      *sqllens.TableRef // of a physical table
	table    *catalog.Table    // where the scan knows it
	query    *sqllens.Query    // of a derived table or common table expression
	cte      bool
	free     bool // a function, a lateral part, an array: not a table that could multiply by accident
	outer    bool // an outer join may leave it empty
	nullable bool // … a left or right one
	explicit bool // written as CROSS JOIN
	on       *sqllens.Expr
	join     string
}

func (i *item) physical() bool { return i.ref != nil }

// join is one JOIN with the items on its sides.
type join struct {
	node        *sqllens.Table
	left, right []int
}

// scope is one SELECT with what its names mean.
type scope struct {
	l       *linter
	sel     *sqllens.Select
	at      *place
	items   []*item
	byAlias map[string]int
	joins   []join
	derived bool // some item is not a physical table
}

// newScope lists the FROM items of a SELECT.
func (l *linter) newScope(sel *sqllens.Select, at *place) *scope {
	s := &scope{l: l, sel: sel, at: at, byAlias: map[string]int{}}
	for _, t := range sel.From {
		s.add(t)
	}
	for i, it := range s.items {
		if !it.physical() {
			s.derived = true
		}
		if _, taken := s.byAlias[it.alias]; it.alias != "" && !taken {
			s.byAlias[it.alias] = i
		}
	}
	return s
}

// add flattens a table expression and answers with the items it holds.
func (s *scope) add(t *sqllens.Table) []int {
	if t == nil {
		return nil
	}
	if t.Kind == sqllens.TableJoin {
		left, right := s.add(t.Left), s.add(t.Right)
		for _, i := range right {
			it := s.items[i]
			if len(right) == 1 {
				it.on, it.join = t.On, t.Join
			}
			it.explicit = it.explicit || t.Join == "cross"
			it.free = it.free || t.Join == "array" || t.Join == "lateral" || t.Join == "apply" || s.l.byPlace(t)
			it.nullable = it.nullable || t.Join == "left"
			it.outer = it.outer || t.Join == "left" || t.Join == "full" || t.Join == "apply"
		}
		if t.Join == "right" || t.Join == "full" {
			for _, i := range left {
				s.items[i].nullable = s.items[i].nullable || t.Join == "right"
				s.items[i].outer = true
			}
		}
		s.joins = append(s.joins, join{t, left, right})
		if t.Alias != nil { // (a JOIN b) AS c
			for _, i := range append(left, right...) {
				s.items[i].alias = ""
			}
		}
		return append(left, right...)
	}
	it := &item{node: t, free: t.Lateral || t.Kind == sqllens.TableFunc || t.Kind == sqllens.TableFile}
	if t.Alias != nil {
		it.alias = strings.ToLower(t.Alias.Text)
	}
	switch t.Kind {
	case sqllens.TableName:
		s.name(it)
	case sqllens.TableQuery:
		it.query = t.Query
	case sqllens.TablePivot:
		it.free = true
	}
	s.items = append(s.items, it)
	return []int{len(s.items) - 1}
}

// byPlace reports whether a join pairs rows by their place: DuckDB's POSITIONAL
// JOIN, ClickHouse's PASTE JOIN.
func (l *linter) byPlace(t *sqllens.Table) bool {
	if t.On != nil || l.d != sqllens.DuckDB && l.d != sqllens.ClickHouse || t.Left == nil || t.Right == nil {
		return false
	}
	words := strings.ToLower(l.text(sqllens.Span{Start: t.Left.Span.End, End: t.Right.Span.Start}))
	return strings.Contains(words, "positional") || strings.Contains(words, "paste") || strings.Contains(strings.ToLower(l.text(t.Left.Span)), " paste")
}

// name finds out what a name in FROM stands for.
func (s *scope) name(it *item) {
	path := it.node.Name
	last := strings.ToLower(path[len(path)-1].Text)
	if it.alias == "" {
		it.alias = last
	}
	if len(path) > 1 { // t.items beside t: an array of the row
		first := strings.ToLower(path[0].Text)
		for _, other := range s.items {
			if other.alias == first {
				it.free = true
				return
			}
		}
	}
	if len(path) == 1 {
		if c := s.at.ctes.find(last); c != nil {
			it.query, it.cte = c.query, true
			it.free = c.loops || c.query == nil
			return
		}
	}
	use, ok := s.l.tables[path[0].Span.Start]
	if !ok {
		use, ok = s.l.tables[it.node.Span.Start]
	}
	if !ok {
		it.free = true // dual, a temporary table, a name nobody knows
		return
	}
	ref := use.Table
	it.ref = &ref
	if s.l.in.Table != nil {
		it.table = s.l.in.Table(ref)
	}
	if it.table == nil || it.table.ColumnsUnread || len(it.table.Columns) == 0 {
		s.l.out.Untyped = true
	}
}

// owner finds the FROM item that a column belongs to, -1 when it cannot be told
// or belongs to a query around this one.
func (s *scope) owner(e *sqllens.Expr) int {
	if e.Kind != sqllens.ExprColumn || len(e.Name) == 0 {
		return -1
	}
	if len(e.Name) > 1 {
		if i, ok := s.byAlias[strings.ToLower(e.Name[0].Text)]; ok {
			return i
		}
		if n := len(e.Name); n > 2 {
			if i, ok := s.byAlias[strings.ToLower(e.Name[n-2].Text)]; ok {
				return i
			}
		}
		// Otherwise the first part is a column of its own, holding fields, or an
		// alias of a query around this one.
	} else if len(s.items) == 1 && s.at.around == nil {
		return 0
	}
	sources := s.l.uses[e.Span]
	if len(sources) != 1 || sources[0].Table == nil || s.derived {
		return -1
	}
	found := -1
	for i, it := range s.items {
		if it.ref != nil && *it.ref == *sources[0].Table {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// column finds what the scan knows of a column, nil when nothing.
func (s *scope) column(e *sqllens.Expr) *catalog.Column {
	i := s.owner(e)
	if i < 0 || s.items[i].table == nil || s.items[i].table.ColumnsUnread {
		return nil
	}
	name := e.Name[len(e.Name)-1].Text
	for _, c := range s.items[i].table.Columns {
		if c.ParentID == "" && !c.Inactive && strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// calendar names tables that exist to be crossed with: lists of dates, numbers
// and settings.
var calendar = regexp.MustCompile(`(?i)(^|_)(calendar|date|dates|day|days|week|weeks|month|months|year|years|quarters?|hours?|series|numbers?|nums?|tally|spine|periods?|params?|parameters?|constants?|config|settings?|bounds?|variables?|vars?|ranges?|intervals?|buckets?|bins?|dual|dummy|today|const)(_|$)`)

// single reports whether a query yields one row, or a short list that is meant
// to be crossed with: values, a series, a list of distinct values.
func (l *linter) single(q *sqllens.Query, ctes *cte, depth int) bool {
	if q == nil || depth > 20 || !l.pass() {
		return true // not known: no claim
	}
	if q.Recursive {
		return true
	}
	for _, c := range q.With {
		ctes = &cte{next: ctes, name: strings.ToLower(c.Name.Text), query: c.Query}
	}
	for _, e := range q.Limit {
		if e.Kind == sqllens.ExprLiteral && e.Text == "1" {
			return true
		}
	}
	if len(q.Pipes) > 0 {
		return true
	}
	return l.singleBody(q.Body, ctes, depth)
}

func (l *linter) singleBody(b sqllens.Body, ctes *cte, depth int) bool {
	switch b := b.(type) {
	case *sqllens.Values:
		return true
	case *sqllens.Query:
		return l.single(b, ctes, depth+1)
	case *sqllens.SetOp:
		return l.singleBody(b.Left, ctes, depth+1) && l.singleBody(b.Right, ctes, depth+1)
	case *sqllens.Select:
		return l.singleSelect(b, ctes, depth)
	}
	return false
}

func (l *linter) singleSelect(b *sqllens.Select, ctes *cte, depth int) bool {
	if len(b.From) == 0 || b.Distinct {
		return true
	}
	if b.Top != nil && b.Top.Text == "1" {
		return true
	}
	some := false
	for _, item := range b.Items {
		yes, _ := aggregated(item.Expr)
		some = some || yes
		if item.Expr.Kind == sqllens.ExprFunc && (funcName(item.Expr) == "unnest" || funcName(item.Expr) == "generate_series" || funcName(item.Expr) == "explode") {
			return true
		}
	}
	if len(b.GroupBy) == 0 && !b.GroupAll {
		if some {
			return true
		}
	} else if !some {
		return true // a list of distinct values
	}
	if len(b.From) != 1 {
		return false
	}
	t := b.From[0]
	switch t.Kind {
	case sqllens.TableFunc:
		return true
	case sqllens.TableQuery:
		return l.single(t.Query, ctes, depth+1)
	case sqllens.TableName:
		name := strings.ToLower(t.Name[len(t.Name)-1].Text)
		if c := ctes.find(name); c != nil && len(t.Name) == 1 {
			return c.loops || l.single(c.query, c.next, depth+1)
		}
		return calendar.MatchString(name)
	}
	return false
}
