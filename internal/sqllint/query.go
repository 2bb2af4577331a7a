package sqllint

import (
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// deepest bounds the nesting of queries that is looked at.
const deepest = 60

// mostItems is beyond how many FROM items a SELECT is left alone: rules compare
// each with all.
const mostItems = 60

// mostPassed bounds the queries that rules pass through, in one text, to learn
// what a name in FROM stands for: names may lead to one query in exponentially
// many ways.
const mostPassed = 1_000

// pass counts a query that is passed through; false when it was too many.
func (l *linter) pass() bool {
	l.passed++
	return l.passed <= mostPassed
}

// query looks at a query and the queries in it.
func (l *linter) query(q *sqllens.Query, at *place, ctes *cte) {
	if q == nil || q.Body == nil || l.depth > deepest {
		return
	}
	l.depth++
	defer func() { l.depth-- }()
	for _, c := range q.With {
		name := strings.ToLower(c.Name.Text)
		next := &cte{next: ctes, name: name, query: c.Query, loops: q.Recursive}
		if q.Recursive {
			ctes = next
		}
		if c.Query != nil {
			l.orderInside(c.Query, q.Body)
			l.query(c.Query, &place{}, ctes)
			l.subquery(c.Query, c.Name.Text)
		}
		ctes = next
	}
	at.ctes = ctes
	l.tail(q, at)
	l.body(q.Body, at, ctes)
	for _, e := range append(append([]*sqllens.Expr{}, q.OrderBy...), q.Limit...) {
		l.inner(e, &scope{l: l, at: at})
	}
}

func (l *linter) body(b sqllens.Body, at *place, ctes *cte) {
	switch b := b.(type) {
	case *sqllens.Select:
		l.selectBody(b, at)
	case *sqllens.Query:
		inner := *at
		l.query(b, &inner, ctes)
	case *sqllens.SetOp:
		l.union(b, at)
		arm := *at
		l.body(b.Left, &arm, ctes)
		l.body(b.Right, &arm, ctes)
	}
}

// selectBody runs the rules over one SELECT.
func (l *linter) selectBody(sel *sqllens.Select, at *place) {
	s := l.newScope(sel, at)
	for _, it := range s.items {
		l.fromItem(s, it)
	}
	if len(s.items) <= mostItems {
		s.star()
		s.cross()
		s.conditions()
		s.grouping()
		s.values()
	}
	for _, e := range s.expressions() {
		l.inner(e, s)
	}
}

// fromItem looks into what stands in FROM.
func (l *linter) fromItem(s *scope, it *item) {
	l.hints(it)
	if it.node.Kind == sqllens.TableQuery && it.node.Query != nil {
		l.orderInside(it.node.Query, s.sel)
		inner := &place{}
		if it.node.Lateral || it.join == "apply" {
			inner.around = s
		}
		l.query(it.node.Query, inner, s.at.ctes)
		if inner.around == nil {
			l.subquery(it.node.Query, "")
		}
	}
	if it.node.Kind == sqllens.TableFunc && it.node.Func != nil {
		l.inner(it.node.Func, s)
	}
	if it.node.Kind == sqllens.TablePivot && it.node.Left != nil && it.node.Left.Kind == sqllens.TableQuery {
		l.query(it.node.Left.Query, &place{}, s.at.ctes)
	}
}

// expressions lists the expressions of a SELECT.
func (s *scope) expressions() []*sqllens.Expr {
	var out []*sqllens.Expr
	for _, i := range s.sel.Items {
		out = append(out, i.Expr)
	}
	for _, j := range s.joins {
		out = append(out, j.node.On)
	}
	out = append(out, s.sel.Where, s.sel.Prewhere, s.sel.Having, s.sel.Qualify)
	out = append(out, s.sel.GroupBy...)
	kept := out[:0]
	for _, e := range out {
		if e != nil {
			kept = append(kept, e)
		}
	}
	return kept
}

// inner looks at the queries inside an expression.
func (l *linter) inner(e *sqllens.Expr, s *scope) {
	walk(e, func(x *sqllens.Expr) bool {
		if x.Query == nil {
			return true
		}
		l.query(x.Query, &place{around: s, exists: x.Kind == sqllens.ExprExists}, s.at.ctes)
		return x.Kind != sqllens.ExprExists // whose argument is the same query again
	})
}
