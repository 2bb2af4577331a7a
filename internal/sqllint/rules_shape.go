package sqllint

import (
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
)

// wide is from how many columns on a star is too much.
const wide = 12

// star finds SELECT * over a table that is wide or not known, where its columns
// become the answer.
func (s *scope) star() {
	if !s.at.top {
		return
	}
	for _, i := range s.sel.Items {
		if e := i.Expr; e.Kind != sqllens.ExprStar || len(e.Args) > 0 || e.Star != nil && (len(e.Star.Except)+len(e.Star.Replace)+len(e.Star.Rename) > 0 || e.Star.Pattern != "") {
			continue // a star with exceptions is a choice
		}
		for k, it := range s.items {
			if len(i.Expr.Name) > 0 && s.byAlias[strings.ToLower(i.Expr.Name[len(i.Expr.Name)-1].Text)] != k {
				continue
			}
			if ref := s.l.starSource(it, s.at.ctes, 0); ref != "" {
				s.l.remark(SelectStar, i.Expr.Span, finding.Certain, ref)
				break
			}
		}
	}
}

// starSource names the wide or unknown table whose columns a star over an item
// takes, "" when its columns are listed somewhere.
func (l *linter) starSource(it *item, ctes *cte, depth int) string {
	if it.physical() {
		if it.table != nil && !it.table.ColumnsUnread && len(it.table.Columns) > 0 && len(it.table.Columns) < wide {
			return ""
		}
		return it.ref.Name
	}
	return l.starOf(it.query, ctes, depth)
}

func (l *linter) starOf(q *sqllens.Query, ctes *cte, depth int) string {
	if q == nil || depth > 10 || !l.pass() {
		return ""
	}
	for _, c := range q.With {
		ctes = &cte{next: ctes, name: strings.ToLower(c.Name.Text), query: c.Query, loops: q.Recursive}
	}
	sel, ok := q.Body.(*sqllens.Select)
	if !ok || len(sel.Items) != 1 || sel.Items[0].Expr.Kind != sqllens.ExprStar {
		return ""
	}
	inner := l.newScope(sel, &place{ctes: ctes})
	for _, it := range inner.items {
		if c := ctes.find(it.alias); it.cte && c != nil && c.query == q {
			continue
		}
		if ref := l.starSource(it, ctes, depth+1); ref != "" {
			return ref
		}
	}
	return ""
}

// capRows is from which number of rows on a LIMIT is a safety net rather than a
// choice of rows.
const capRows = 1000

// tail finds LIMIT without ORDER BY.
func (l *linter) tail(q *sqllens.Query, at *place) {
	sel, _ := q.Body.(*sqllens.Select)
	var limit *sqllens.Expr
	if len(q.Limit) > 0 {
		limit = q.Limit[0]
	}
	if sel != nil && sel.Top != nil {
		limit = sel.Top
	}
	if limit == nil || len(q.OrderBy) > 0 || at.exists || len(q.Pipes) > 0 {
		return
	}
	n, err := strconv.Atoi(strings.Trim(limit.Text, "()"))
	if limit.Kind == sqllens.ExprLiteral && (err != nil || n == 0 || n >= capRows) || limit.Kind != sqllens.ExprLiteral {
		return
	}
	for _, e := range q.Limit { // LIMIT … BY, percent and the like are not plain
		if e.Kind != sqllens.ExprLiteral {
			return
		}
	}
	if after := strings.ToLower(l.text(sqllens.Span{Start: limit.Span.End, End: min(limit.Span.End+12, len(l.in.SQL))})); strings.HasPrefix(strings.TrimSpace(after), "percent") || strings.HasPrefix(strings.TrimSpace(after), "by ") {
		return
	}
	switch body := q.Body.(type) {
	case *sqllens.Select:
		if len(body.From) == 0 || len(body.DistinctOn) > 0 || l.singleSelect(body, at.ctes, 0) && !body.Distinct && len(body.GroupBy) == 0 {
			return
		}
		if len(body.From) == 1 && l.sorted(body.From[0], at.ctes) {
			return
		}
	case *sqllens.Query:
		if len(body.OrderBy) > 0 {
			return
		}
	case *sqllens.SetOp:
	default:
		return
	}
	confidence := finding.Likely
	if n == 1 {
		confidence = finding.Possible // often the only row there is
	}
	l.remark(LimitNoOrder, limit.Span, confidence, "")
}

// sorted reports whether a FROM item is a query with an order of its own.
func (l *linter) sorted(t *sqllens.Table, ctes *cte) bool {
	switch t.Kind {
	case sqllens.TableQuery:
		return t.Query != nil && len(t.Query.OrderBy) > 0
	case sqllens.TableName:
		if c := ctes.find(strings.ToLower(t.Name[len(t.Name)-1].Text)); c != nil && len(t.Name) == 1 {
			return c.loops || c.query == nil || len(c.query.OrderBy) > 0
		}
	case sqllens.TableFunc, sqllens.TableTag:
		return true // may well be
	}
	return false
}

// union finds UNION between parts that can have no row in common, or that have
// one row each which must not be lost.
func (l *linter) union(b *sqllens.SetOp, at *place) {
	if b.Op != "union" || b.All || b.ByName || at.exists {
		return
	}
	left, right := rightmost(b.Left), leftmost(b.Right)
	if left == nil || right == nil {
		return
	}
	span := l.operator(b)
	for i := range min(len(left.Items), len(right.Items)) {
		x, y := left.Items[i].Expr, right.Items[i].Expr
		if x.Kind == sqllens.ExprLiteral && y.Kind == sqllens.ExprLiteral && x.Op == y.Op && x.Text != y.Text && !isNull(x) {
			if len(left.From) == 0 && len(right.From) == 0 || oneRow(left) && oneRow(right) {
				return // a few rows: nothing is lost and nothing won
			}
			l.remark(UnionNoAll, span, finding.Possible, "disjoint")
			return
		}
	}
	if oneRow(left) && oneRow(right) && len(left.From) > 0 && len(right.From) > 0 {
		l.remark(UnionNoAll, span, finding.Likely, "one_row")
	}
}

// operator is the place of the word UNION.
func (l *linter) operator(b *sqllens.SetOp) sqllens.Span {
	if text := l.text(b.Span); len(text) >= 5 && strings.EqualFold(text[:5], "union") {
		return sqllens.Span{Start: b.Span.Start, End: b.Span.Start + 5}
	}
	return b.Span
}

func rightmost(b sqllens.Body) *sqllens.Select {
	switch b := b.(type) {
	case *sqllens.Select:
		return b
	case *sqllens.SetOp:
		return rightmost(b.Right)
	case *sqllens.Query:
		return rightmost(b.Body)
	}
	return nil
}

func leftmost(b sqllens.Body) *sqllens.Select {
	switch b := b.(type) {
	case *sqllens.Select:
		return b
	case *sqllens.SetOp:
		return leftmost(b.Left)
	case *sqllens.Query:
		return leftmost(b.Body)
	}
	return nil
}

// oneRow reports whether a SELECT aggregates everything into one row.
func oneRow(s *sqllens.Select) bool {
	if len(s.GroupBy) > 0 || s.GroupAll || len(s.Items) == 0 {
		return false
	}
	some := false
	for _, i := range s.Items {
		yes, _ := aggregated(i.Expr)
		if !yes && hasColumn(i.Expr) {
			return false
		}
		some = some || yes
	}
	return some
}

// orderInside finds an ORDER BY in a query that others select from.
func (l *linter) orderInside(q *sqllens.Query, around sqllens.Body) {
	if len(q.OrderBy) == 0 || len(q.Limit) > 0 || len(q.Pipes) > 0 {
		return
	}
	sel, ok := q.Body.(*sqllens.Select)
	if !ok || sel.Top != nil || len(sel.DistinctOn) > 0 {
		return
	}
	outer, ok := around.(*sqllens.Select)
	if !ok || outer == nil {
		return
	}
	if l.keepsOrder(outer) || l.keepsOrder(sel) {
		return
	}
	// Where the outer query sorts or groups for itself the order is surely lost.
	confidence := finding.Possible
	if len(outer.GroupBy) > 0 || outer.Distinct || oneRow(outer) || len(outer.From) > 1 || len(outer.From) == 1 && outer.From[0].Kind == sqllens.TableJoin {
		confidence = finding.Likely
	}
	l.remark(OrderInSubquery, spanOf(q.OrderBy), confidence, "")
}

func spanOf(list []*sqllens.Expr) sqllens.Span {
	return sqllens.Span{Start: list[0].Span.Start, End: list[len(list)-1].Span.End}
}

// keepsOrder reports whether a SELECT does something that the order of its
// input decides: collects values, numbers rows, keeps the first.
func (l *linter) keepsOrder(sel *sqllens.Select) bool {
	test := func(x *sqllens.Expr) bool {
		switch x.Kind {
		case sqllens.ExprFunc:
			name := funcName(x)
			if window(x) && (name == "row_number" || name == "rank" || name == "lag" || name == "lead" || name == "sum") {
				over := x.Call.Over
				return over == nil || len(over.OrderBy) == 0
			}
			for _, part := range []string{"agg", "concat", "collect", "array", "first", "last", "any", "group", "json", "list", "runningaccumulate", "runningdifference", "neighbor"} {
				if strings.Contains(name, part) {
					return true
				}
			}
		case sqllens.ExprColumn:
			return strings.EqualFold(x.Name[len(x.Name)-1].Text, "rownum")
		case sqllens.ExprParam:
			return true // user variables
		case sqllens.ExprOp:
			return x.Op == ":="
		}
		return false
	}
	for _, i := range sel.Items {
		if contains(i.Expr, test) {
			return true
		}
	}
	return sel.Where != nil && contains(sel.Where, test)
}

// smallest is how long a subquery must be to be worth a model, in bytes.
const smallest = 120

// maxSubqueries bounds the subqueries that are kept of one text.
const maxSubqueries = 40

// subquery notes a query that stands for itself.
func (l *linter) subquery(q *sqllens.Query, name string) {
	if len(l.out.Subqueries) >= maxSubqueries || q.Span.End-q.Span.Start < smallest {
		return
	}
	for _, t := range l.in.Tree.Tags {
		if q.Span.Start <= t.Span.Start && t.Span.End <= q.Span.End && t.Kind != sqllens.TagCard {
			return
		}
	}
	for _, b := range l.in.Tree.Blocks {
		if b.Start < q.Span.End && q.Span.Start < b.End {
			return
		}
	}
	tables, closed := l.reads(q)
	if !closed || len(tables) == 0 {
		return
	}
	slices.Sort(tables)
	l.out.Subqueries = append(l.out.Subqueries, Subquery{Span: q.Span, Tables: strings.Join(slices.Compact(tables), ","), Name: name})
}

// reads lists the physical tables of a query. closed is false when it names a
// common table expression that it does not bring along.
func (l *linter) reads(q *sqllens.Query) (tables []string, closed bool) {
	own := map[string]bool{}
	closed = true
	var body func(b sqllens.Body)
	var query func(q *sqllens.Query)
	var table func(t *sqllens.Table)
	expr := func(e *sqllens.Expr) {
		walk(e, func(x *sqllens.Expr) bool {
			if x.Query != nil {
				query(x.Query)
			}
			return true
		})
	}
	table = func(t *sqllens.Table) {
		if t == nil {
			return
		}
		switch t.Kind {
		case sqllens.TableJoin:
			table(t.Left)
			table(t.Right)
			expr(t.On)
		case sqllens.TableQuery:
			query(t.Query)
		case sqllens.TablePivot:
			table(t.Left)
		case sqllens.TableName:
			if own[strings.ToLower(t.Name[0].Text)] && len(t.Name) == 1 {
				return
			}
			use, ok := l.tables[t.Name[0].Span.Start]
			if !ok {
				closed = false
				return
			}
			tables = append(tables, strings.ToLower(use.Table.Schema+"."+use.Table.Name))
		case sqllens.TableFile:
			closed = false
		case sqllens.TableTag, sqllens.TableFunc:
		}
	}
	query = func(q *sqllens.Query) {
		if q == nil {
			return
		}
		for _, c := range q.With {
			own[strings.ToLower(c.Name.Text)] = true
			query(c.Query)
		}
		body(q.Body)
	}
	body = func(b sqllens.Body) {
		switch b := b.(type) {
		case *sqllens.Select:
			for _, t := range b.From {
				table(t)
			}
			for _, i := range b.Items {
				expr(i.Expr)
			}
			for _, e := range []*sqllens.Expr{b.Where, b.Having, b.Qualify} {
				if e != nil {
					expr(e)
				}
			}
		case *sqllens.Query:
			query(b)
		case *sqllens.SetOp:
			body(b.Left)
			body(b.Right)
		case *sqllens.Table:
			table(b)
		}
	}
	query(q)
	return tables, closed
}

// hints finds dirty reads and merges on reading.
func (l *linter) hints(it *item) {
	if it.node.Kind != sqllens.TableName || len(it.node.Name) == 0 {
		return
	}
	from := it.node.Name[len(it.node.Name)-1].Span.End
	tail := l.text(sqllens.Span{Start: from, End: it.node.Span.End})
	if tail == "" || len(tail) > 400 {
		return
	}
	lower := strings.ToLower(tail)
	at := func(word string) (sqllens.Span, bool) {
		for i := 0; ; {
			k := strings.Index(lower[i:], word)
			if k < 0 {
				return sqllens.Span{}, false
			}
			k += i
			end := k + len(word)
			if (k == 0 || !wordByte(lower[k-1])) && (end == len(lower) || !wordByte(lower[end])) {
				return sqllens.Span{Start: from + k, End: from + end}, true
			}
			i = end
		}
	}
	switch l.d {
	case sqllens.TSQL:
		for _, word := range []string{"nolock", "readuncommitted"} {
			if span, ok := at(word); ok && strings.Contains(lower, "(") {
				l.remark(DirtyRead, span, finding.Certain, "")
			}
		}
	case sqllens.ClickHouse:
		if span, ok := at("final"); ok && (it.node.Alias == nil || !strings.EqualFold(it.node.Alias.Text, "final")) {
			l.remark(Final, span, finding.Certain, it.node.Name[len(it.node.Name)-1].Text)
		}
	}
}

func wordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}
