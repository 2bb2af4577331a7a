package sqllint

import (
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
)

// grouping runs the rules over DISTINCT, GROUP BY and HAVING.
func (s *scope) grouping() {
	s.distinct()
	s.having()
	s.ungrouped()
}

// distinct finds DISTINCT over joins whose tables the answer shows nothing of.
func (s *scope) distinct() {
	if !s.sel.Distinct || len(s.sel.DistinctOn) > 0 || len(s.sel.GroupBy) > 0 || len(s.items) < 2 || s.at.exists {
		return
	}
	shown := make([]bool, len(s.items))
	for _, i := range s.sel.Items {
		doubt := contains(i.Expr, func(x *sqllens.Expr) bool {
			switch {
			case x.Kind == sqllens.ExprStar, x.Query != nil, x.Kind == sqllens.ExprTag, x.Kind == sqllens.ExprUnknown:
				return true
			case x.Kind == sqllens.ExprColumn:
				o := s.owner(x)
				if o >= 0 {
					shown[o] = true
				}
				return o < 0
			}
			return x.Kind == sqllens.ExprFunc && (window(x) || aggregateName(funcName(x)))
		})
		if doubt {
			return
		}
	}
	for k, it := range s.items {
		if k == 0 || shown[k] || !it.physical() || it.join != "left" || it.free {
			continue
		}
		if s.named(k, it) {
			continue
		}
		s.l.remark(DistinctOverJoin, it.node.Span, finding.Likely, s.itemName(k))
		return
	}
	for k, it := range s.items {
		if shown[k] || !it.physical() || it.free || it.join != "inner" || k == 0 {
			continue
		}
		if bridge(s, k) {
			continue
		}
		s.l.remark(DistinctOverJoin, it.node.Span, finding.Possible, s.itemName(k))
		return
	}
}

// named reports whether anything but an item's own join names it.
func (s *scope) named(k int, it *item) bool {
	test := func(x *sqllens.Expr) bool {
		return x.Kind == sqllens.ExprColumn && (s.owner(x) == k || s.owner(x) < 0) || x.Query != nil
	}
	for _, e := range []*sqllens.Expr{s.sel.Where, s.sel.Having, s.sel.Qualify} {
		if e != nil && contains(e, test) {
			return true
		}
	}
	for _, j := range s.joins {
		if j.node.On != nil && j.node.On != it.on && contains(j.node.On, test) {
			return true
		}
	}
	return len(it.node.Using) > 0
}

// bridge reports whether other joins go through an item, so that it cannot be
// turned into EXISTS alone.
func bridge(s *scope, k int) bool {
	for _, j := range s.joins {
		if len(j.right) == 1 && j.right[0] == k || j.node.On == nil {
			continue
		}
		if contains(j.node.On, func(x *sqllens.Expr) bool { return x.Kind == sqllens.ExprColumn && s.owner(x) == k }) {
			return true
		}
	}
	return false
}

// having finds conditions in HAVING that WHERE would answer sooner.
func (s *scope) having() {
	if s.sel.Having == nil || len(s.sel.GroupBy) == 0 && !s.sel.GroupAll {
		return
	}
	for _, c := range conjuncts(s.sel.Having) {
		if opaque(c) || hasQuery(c) || !hasColumn(c) || contains(c, func(x *sqllens.Expr) bool { return x.Kind == sqllens.ExprTag || x.Kind == sqllens.ExprParam }) && s.l.optional(c.Span) {
			continue
		}
		if yes, maybe := aggregated(c); yes || maybe || contains(c, window) {
			continue
		}
		if contains(c, func(x *sqllens.Expr) bool { return x.Kind == sqllens.ExprColumn && !s.plainKey(x) }) {
			continue
		}
		s.l.remark(HavingNoAggr, c.Span, finding.Certain, "")
	}
}

// plainKey reports whether a column in HAVING is one of the keys rather than
// the name of something computed.
func (s *scope) plainKey(x *sqllens.Expr) bool {
	if len(x.Name) == 1 {
		for _, i := range s.sel.Items {
			if i.Alias != nil && strings.EqualFold(i.Alias.Text, x.Name[0].Text) {
				return i.Expr.Kind == sqllens.ExprColumn
			}
		}
	}
	return slices.ContainsFunc(s.sel.GroupBy, func(g *sqllens.Expr) bool { return g.Kind == sqllens.ExprColumn && sameColumn(g, x) })
}

// sameColumn compares two columns as they are written, with or without their
// table.
func sameColumn(a, b *sqllens.Expr) bool {
	if !strings.EqualFold(a.Name[len(a.Name)-1].Text, b.Name[len(b.Name)-1].Text) {
		return false
	}
	return len(a.Name) == 1 || len(b.Name) == 1 || strings.EqualFold(a.Name[len(a.Name)-2].Text, b.Name[len(b.Name)-2].Text)
}

// ungrouped finds columns beside aggregates that no group fixes, in databases
// that answer with any row's value.
func (s *scope) ungrouped() {
	if s.l.d != sqllens.MySQL && s.l.d != sqllens.MariaDB && s.l.d != sqllens.SQLite || s.sel.GroupAll || len(s.sel.GroupBy) > mostItems {
		return
	}
	some, extreme := false, false
	for _, i := range s.sel.Items {
		yes, maybe := aggregated(i.Expr)
		if !yes && maybe || i.Expr.Kind == sqllens.ExprStar || opaque(i.Expr) {
			return
		}
		some = some || yes
		extreme = extreme || contains(i.Expr, func(x *sqllens.Expr) bool { return funcName(x) == "min" || funcName(x) == "max" })
	}
	if s.l.d == sqllens.SQLite && extreme {
		return // documented: the row of the extreme value
	}
	if !some && len(s.sel.GroupBy) == 0 || s.sel.Distinct && !some {
		return
	}
	for _, g := range s.sel.GroupBy {
		if g.Kind == sqllens.ExprTag || opaque(g) {
			return
		}
	}
	if s.keyed() {
		return
	}
	for n, i := range s.sel.Items {
		if yes, _ := aggregated(i.Expr); yes || !hasColumn(i.Expr) || contains(i.Expr, window) || hasQuery(i.Expr) {
			continue
		}
		if s.fixedBy(i, n+1) {
			continue
		}
		confidence := finding.Possible
		if len(s.sel.GroupBy) == 0 {
			confidence = finding.Likely
		}
		s.l.remark(UngroupedColumn, i.Expr.Span, confidence, "")
	}
}

// keyed reports whether a group holds the key of a table, which fixes its other
// columns.
func (s *scope) keyed() bool {
	for _, g := range s.sel.GroupBy {
		if g.Kind != sqllens.ExprColumn {
			continue
		}
		if c := s.column(g); c != nil && c.PrimaryKey {
			return true
		}
		if keyName(g.Name[len(g.Name)-1].Text) {
			return true
		}
	}
	return false
}

// fixedBy reports whether the groups fix a select item.
func (s *scope) fixedBy(item sqllens.SelectItem, n int) bool {
	written := squeeze(s.l.text(item.Expr.Span))
	for _, g := range s.sel.GroupBy {
		switch {
		case g.Kind == sqllens.ExprLiteral && g.Text == strconv.Itoa(n):
			return true
		case item.Alias != nil && g.Kind == sqllens.ExprColumn && len(g.Name) == 1 && strings.EqualFold(g.Name[0].Text, item.Alias.Text):
			return true
		case squeeze(s.l.text(g.Span)) == written:
			return true
		}
	}
	free := contains(item.Expr, func(x *sqllens.Expr) bool {
		return x.Kind == sqllens.ExprColumn && !slices.ContainsFunc(s.sel.GroupBy, func(g *sqllens.Expr) bool {
			return g.Kind == sqllens.ExprColumn && sameColumn(g, x)
		})
	})
	return !free
}

// squeeze takes case and white space out of a text.
func squeeze(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), "")) }
