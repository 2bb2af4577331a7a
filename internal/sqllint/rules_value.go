package sqllint

import (
	"strings"

	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
)

// values runs the rules over what is computed.
func (s *scope) values() {
	for _, e := range s.expressions() {
		s.value(e, nil)
	}
}

// value walks an expression with the CASEs around it.
func (s *scope) value(e *sqllens.Expr, guards []*sqllens.Expr) {
	if e == nil {
		return
	}
	switch {
	case e.Kind == sqllens.ExprCase, e.Kind == sqllens.ExprFunc && (funcName(e) == "if" || funcName(e) == "iif" || funcName(e) == "decode" || funcName(e) == "iff" || funcName(e) == "multiif"):
		guards = append(guards[:len(guards):len(guards)], e)
	case e.Kind == sqllens.ExprFunc && (strings.HasPrefix(funcName(e), "safe") || strings.HasPrefix(funcName(e), "try")):
		return
	case isOp(e, "/", "%") && len(e.Args) == 2:
		s.division(e, guards)
	case isOp(e, "||") && (s.l.d == sqllens.MySQL || s.l.d == sqllens.MariaDB):
		if joined(e) {
			s.l.remark(PipesAsOr, e.Span, finding.Likely, "")
		}
		return
	case e.Kind == sqllens.ExprFunc && funcName(e) == "count":
		s.count(e)
	}
	parts(e, func(a *sqllens.Expr) { s.value(a, guards) })
}

// joined reports whether a chain of || joins texts, not conditions: one of its
// parts is a text.
func joined(e *sqllens.Expr) bool {
	for isOp(e, "||") && len(e.Args) == 2 {
		if _, text := stringOf(e.Args[1]); text {
			return true
		}
		e = e.Args[0]
	}
	_, text := stringOf(e)
	return text
}

// raises reports whether a division by zero ends a query with an error.
func raises(d sqllens.Dialect) bool {
	switch d {
	case sqllens.Postgres, sqllens.Redshift, sqllens.BigQuery, sqllens.Snowflake, sqllens.TSQL, sqllens.Oracle, sqllens.Trino, sqllens.Athena, sqllens.Databricks:
		return true
	}
	return false
}

// maxLooked bounds, in one text, the search for conditions that speak about a
// divisor or a counted column: each reads all conditions around it.
const maxLooked = 100_000

// look counts such a search; false when it was too many.
func (s *scope) look() bool {
	s.l.looked += 1 + (s.sel.Span.End-s.sel.Span.Start)/100
	return s.l.looked <= maxLooked
}

func (s *scope) division(e *sqllens.Expr, guards []*sqllens.Expr) {
	s.integers(e)
	by := e.Args[1]
	if !raises(s.l.d) || hasQuery(by) || opaque(by) {
		return
	}
	risky := s.mayBeZero(by)
	if risky == nil || !s.look() || s.guarded(by, guards) {
		return
	}
	confidence := finding.Possible
	if yes, _ := aggregated(risky); yes {
		confidence = finding.Likely // sums and counts of nothing are common
	}
	s.l.remark(DivisionByZero, by.Span, confidence, "")
}

// mayBeZero finds the part of a divisor that can make it zero: a column, an
// aggregate, a difference. Other functions get the benefit of the doubt.
func (s *scope) mayBeZero(e *sqllens.Expr) *sqllens.Expr {
	switch {
	case e.Kind == sqllens.ExprCast && len(e.Args) == 1:
		return s.mayBeZero(e.Args[0])
	case isOp(e, "*") && len(e.Args) == 2:
		if r := s.mayBeZero(e.Args[0]); r != nil {
			return r
		}
		return s.mayBeZero(e.Args[1])
	case isOp(e, "-") && len(e.Args) == 2 && hasColumn(e):
		return e
	case isOp(e, "+") && len(e.Args) == 2 && hasColumn(e):
		if isNumber(e.Args[0]) || isNumber(e.Args[1]) {
			return nil // something + 1
		}
		return e
	case isOp(e, "/") && len(e.Args) == 2:
		return s.mayBeZero(e.Args[0])
	case e.Kind == sqllens.ExprColumn:
		return e
	case e.Kind == sqllens.ExprFunc:
		switch funcName(e) {
		case "count":
			star := len(e.Args) == 0 || e.Args[0].Kind == sqllens.ExprStar || e.Args[0].Kind == sqllens.ExprLiteral
			if star && (window(e) || len(s.sel.GroupBy) > 0 || s.sel.GroupAll) && (e.Call == nil || e.Call.Filter == nil) {
				return nil // every group has a row
			}
			if !star && (len(s.sel.GroupBy) > 0 || s.sel.GroupAll) && (e.Call == nil || e.Call.Filter == nil) && s.neverNull(e.Args[0]) {
				return nil // and every row a key
			}
			return e
		case "sum", "avg", "min", "max", "countif", "count_if", "sumif":
			if !hasColumn(e) && funcName(e) == "sum" && (len(s.sel.GroupBy) > 0 || window(e)) {
				return nil // sum(1)
			}
			return e
		case "round", "abs", "coalesce", "ifnull", "nvl", "isnull", "float", "float64", "to_number", "tofloat64":
			if len(e.Args) > 1 && (funcName(e) != "round") && isNumber(e.Args[len(e.Args)-1]) && e.Args[len(e.Args)-1].Text == "0" {
				return e // coalesce(x, 0)
			}
			if len(e.Args) > 0 {
				return s.mayBeZero(e.Args[0])
			}
		}
	}
	return nil
}

// neverNull reports whether a column is the key of a table that no outer join
// leaves empty.
func (s *scope) neverNull(e *sqllens.Expr) bool {
	if e.Kind != sqllens.ExprColumn {
		return false
	}
	if c := s.column(e); c != nil && !c.PrimaryKey && c.Nullable != nil {
		return !*c.Nullable
	} else if name := e.Name[len(e.Name)-1].Text; (c == nil || !c.PrimaryKey) && !strings.EqualFold(name, "id") {
		return false
	}
	if i := s.owner(e); i >= 0 {
		return !s.items[i].outer
	}
	for _, it := range s.items {
		if it.outer {
			return false
		}
	}
	return true
}

// guarded reports whether something speaks of the divisor before it is used:
// NULLIF, a CASE around it, a condition on it.
func (s *scope) guarded(by *sqllens.Expr, guards []*sqllens.Expr) bool {
	if contains(by, func(x *sqllens.Expr) bool {
		return x.Kind == sqllens.ExprCase || funcName(x) == "nullif" || funcName(x) == "greatest" || funcName(x) == "if" || funcName(x) == "iif" || funcName(x) == "decode" || funcName(x) == "nullifzero"
	}) {
		return true
	}
	named := map[string]bool{}
	walk(by, func(x *sqllens.Expr) bool {
		if x.Kind == sqllens.ExprColumn {
			named[strings.ToLower(x.Name[len(x.Name)-1].Text)] = true
		}
		return true
	})
	counting := len(named) == 0
	speaks := func(e *sqllens.Expr) bool {
		return contains(e, func(x *sqllens.Expr) bool {
			return x.Kind == sqllens.ExprColumn && named[strings.ToLower(x.Name[len(x.Name)-1].Text)] || counting && funcName(x) == "count"
		})
	}
	for _, g := range guards {
		switch {
		case g.Kind == sqllens.ExprCase:
			from := 0
			if g.Op == "operand" {
				if speaks(g.Args[0]) {
					return true
				}
				from = 1
			}
			for i := from; i < len(g.Args); i += 2 {
				if speaks(g.Args[i]) {
					return true
				}
			}
		case len(g.Args) > 0 && speaks(g.Args[0]):
			return true
		}
	}
	for _, list := range [][]*sqllens.Expr{conjuncts(s.sel.Where), conjuncts(s.sel.Having)} {
		for _, c := range list {
			if (isComparison(c) || isOp(c, "between", "in", "or")) && speaks(c) {
				return true
			}
		}
	}
	for _, j := range s.joins {
		for _, c := range conjuncts(j.node.On) {
			if isOp(c, "<>", ">", "<", ">=") && speaks(c) && !(hasColumn(c.Args[0]) && hasColumn(c.Args[1])) {
				return true
			}
		}
	}
	return false
}

// truncates reports whether dividing whole numbers drops the remainder.
func truncates(d sqllens.Dialect) bool {
	switch d {
	case sqllens.Postgres, sqllens.Redshift, sqllens.TSQL, sqllens.SQLite, sqllens.Trino, sqllens.Athena:
		return true
	}
	return false
}

// integers finds ratios of whole numbers, which lose what is behind the point.
func (s *scope) integers(e *sqllens.Expr) {
	if e.Op != "/" || !truncates(s.l.d) {
		return
	}
	x, y := e.Args[0], e.Args[1]
	if !s.whole(x) || !s.whole(y) {
		return
	}
	if x.Kind == sqllens.ExprLiteral || y.Kind == sqllens.ExprLiteral && !contains(x, func(x *sqllens.Expr) bool { return funcName(x) == "count" }) {
		return // minutes from seconds: whole numbers are often meant
	}
	confidence := finding.Likely
	if y.Kind == sqllens.ExprLiteral || isOp(x, "*") {
		confidence = finding.Possible // whole per cents may be meant
	}
	s.l.remark(IntegerDivision, e.Span, confidence, "")
}

// whole reports whether an expression surely is a whole number.
func (s *scope) whole(e *sqllens.Expr) bool {
	switch {
	case e.Kind == sqllens.ExprLiteral && e.Op == "number":
		return strings.Trim(e.Text, "0123456789") == ""
	case isOp(e, "*", "+", "-") && len(e.Args) == 2:
		return s.whole(e.Args[0]) && s.whole(e.Args[1])
	case e.Kind == sqllens.ExprCast:
		t := strings.ToLower(e.Op)
		return t == "int" || t == "integer" || t == "bigint"
	case e.Kind == sqllens.ExprColumn:
		c := s.column(e)
		return c != nil && (c.BaseType == "type/Integer" || c.BaseType == "type/BigInteger")
	case e.Kind == sqllens.ExprFunc:
		switch funcName(e) {
		case "count":
			return true
		case "sum":
			// PostgreSQL: sum of integers is bigint, of bigints numeric.
			if len(e.Args) != 1 {
				return false
			}
			a := e.Args[0]
			if a.Kind == sqllens.ExprCase {
				return s.wholeCase(a)
			}
			return isPlainInt(a)
		case "nullif":
			return len(e.Args) == 2 && s.whole(e.Args[0])
		case "coalesce", "ifnull", "isnull":
			for _, a := range e.Args {
				if !s.whole(a) {
					return false
				}
			}
			return len(e.Args) > 0
		}
	}
	return false
}

func isPlainInt(e *sqllens.Expr) bool {
	return e.Kind == sqllens.ExprLiteral && e.Op == "number" && strings.Trim(e.Text, "0123456789") == ""
}

// wholeCase reports whether every branch of a CASE is a plain whole number.
func (s *scope) wholeCase(e *sqllens.Expr) bool {
	from := 1
	if e.Op == "operand" {
		from = 2
	}
	if len(e.Args) <= from {
		return false
	}
	for i := from; i < len(e.Args); i += 2 {
		if !isPlainInt(e.Args[i]) && !isNull(e.Args[i]) {
			return false
		}
	}
	return e.Else == nil || isPlainInt(e.Else) || isNull(e.Else)
}

// count finds COUNT of a column that may be null and is no outer join's.
func (s *scope) count(e *sqllens.Expr) {
	if len(e.Args) != 1 || e.Args[0].Kind != sqllens.ExprColumn || e.Call != nil && (e.Call.Distinct || e.Call.Filter != nil) {
		return
	}
	if text := strings.ToLower(s.l.text(sqllens.Span{Start: e.Span.Start, End: e.Args[0].Span.Start})); strings.Contains(text, "distinct") {
		return
	}
	c := s.column(e.Args[0])
	if c == nil || c.Nullable == nil || !*c.Nullable || c.PrimaryKey {
		return
	}
	if i := s.owner(e.Args[0]); i < 0 || s.items[i].outer || !s.look() {
		return
	}
	for _, cond := range conjuncts(s.sel.Where) {
		if contains(cond, func(x *sqllens.Expr) bool { return x.Kind == sqllens.ExprColumn && s.column(x) == c }) {
			return // the filter speaks about it
		}
	}
	s.l.remark(CountNullable, e.Span, finding.Possible, columnText(e.Args[0]))
}
