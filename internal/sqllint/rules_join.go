package sqllint

import (
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
)

// groups is a union-find over FROM items.
type groups []int

func newGroups(n int) groups {
	g := make(groups, n)
	for i := range g {
		g[i] = i
	}
	return g
}

func (g groups) find(i int) int {
	for g[i] != i {
		i = g[i]
	}
	return i
}

func (g groups) union(i, j int) { g[g.find(i)] = g.find(j) }

// links is what the conditions of a SELECT say about its items.
type links struct {
	groups
	doubt bool // a condition may link what it is not seen to link
	fixed []bool
}

// cross finds items that no condition ties to the others.
func (s *scope) cross() {
	if len(s.items) < 2 {
		return
	}
	k := s.link()
	s.joinKeys(k)
	if k.doubt {
		return
	}
	var loose []int
	for i := range s.items {
		if !s.harmless(i, k) {
			loose = append(loose, i)
		}
	}
	if len(loose) < 2 {
		return
	}
	first := loose[0]
	for _, i := range loose[1:] {
		if k.find(i) == k.find(first) {
			continue
		}
		it := s.items[i]
		if it.on != nil {
			continue // joinKeys speaks about it
		}
		confidence := finding.Likely
		if it.explicit || !it.physical() || !s.items[first].physical() {
			confidence = finding.Possible // said in so many words, or of unknown size
		}
		s.l.remark(CartesianJoin, it.node.Span, confidence, s.itemName(i))
		k.union(i, first)
	}
}

// itemName is what to call an item.
func (s *scope) itemName(i int) string {
	it := s.items[i]
	if it.ref != nil {
		return it.ref.Name
	}
	return it.alias
}

// harmless reports whether crossing with an item cannot multiply rows by
// accident.
func (s *scope) harmless(i int, k links) bool {
	it := s.items[i]
	switch {
	case it.free || k.fixed[i]:
		return true
	case it.node.Kind == sqllens.TableTag || it.query == nil && it.ref == nil:
		return true // its rows are not known
	case it.query != nil:
		return s.l.single(it.query, s.at.ctes, 0) || calendar.MatchString(it.alias)
	}
	return calendar.MatchString(it.ref.Name)
}

// link ties items together by the conditions that name several of them.
func (s *scope) link() links {
	k := links{groups: newGroups(len(s.items)), fixed: make([]bool, len(s.items))}
	for _, j := range s.joins {
		if len(j.left) == 0 || len(j.right) == 0 {
			continue
		}
		if len(j.node.Using) > 0 || j.node.Natural {
			for _, r := range j.right {
				k.union(r, j.right[0])
			}
			for _, l := range j.left {
				k.union(l, j.right[0])
			}
		}
		for _, c := range conjuncts(j.node.On) {
			s.tie(c, &k)
		}
	}
	for _, where := range []*sqllens.Expr{s.sel.Where, s.sel.Prewhere, s.sel.Qualify, s.sel.ConnectBy, s.sel.StartWith} {
		for _, c := range conjuncts(where) {
			s.tie(c, &k)
		}
	}
	return k
}

// tie joins the items that one condition names.
func (s *scope) tie(c *sqllens.Expr, k *links) {
	var named []int
	unknown := 0
	walk(c, func(x *sqllens.Expr) bool {
		switch {
		case x.Kind == sqllens.ExprColumn:
			if i := s.owner(x); i >= 0 {
				named = append(named, i)
			} else if len(x.Name) == 1 || s.at.around == nil {
				unknown++
			}
		case x.Kind == sqllens.ExprUnknown, x.Kind == sqllens.ExprTag && (x.Tag == nil || x.Tag.Kind == sqllens.TagSnippet):
			k.doubt = true
		case x.Query != nil:
			s.mentions(x.Query, func(i int) { named = append(named, i) }, 0)
		}
		return true
	})
	for _, i := range named[min(1, len(named)):] {
		k.union(i, named[0])
	}
	if unknown > 1 || unknown == 1 && len(named) > 0 {
		k.doubt = true
	}
	if isOp(c, "=") && len(named) == 1 && unknown == 0 && !hasQuery(c) {
		for side := range 2 {
			if c.Args[side].Kind == sqllens.ExprColumn && !hasColumn(c.Args[1-side]) && s.rowKey(c.Args[side]) {
				k.fixed[named[0]] = true // one row by its key
			}
		}
	}
}

// rowKey reports whether a column picks out one row of its table.
func (s *scope) rowKey(e *sqllens.Expr) bool {
	if c := s.column(e); c != nil && c.PrimaryKey {
		return true
	}
	return strings.EqualFold(e.Name[len(e.Name)-1].Text, "id")
}

// keyName reports whether a column is a key by its name.
func keyName(name string) bool {
	n := strings.ToLower(name)
	return n == "id" || n == "name" || n == "key" || n == "code" || strings.HasSuffix(n, "_id") || strings.HasSuffix(n, "_key") || strings.HasSuffix(name, "Id")
}

// mentions finds the items that a query inside a condition names.
func (s *scope) mentions(q *sqllens.Query, see func(int), depth int) {
	if q == nil || depth > 5 {
		return
	}
	expr := func(e *sqllens.Expr) {
		walk(e, func(x *sqllens.Expr) bool {
			if x.Kind == sqllens.ExprColumn && len(x.Name) > 1 {
				if i, ok := s.byAlias[strings.ToLower(x.Name[0].Text)]; ok {
					see(i)
				}
			}
			s.mentions(x.Query, see, depth+1)
			return true
		})
	}
	switch b := q.Body.(type) {
	case *sqllens.Select:
		for _, i := range b.Items {
			expr(i.Expr)
		}
		expr(b.Where)
		expr(b.Having)
		for _, t := range b.From {
			for t != nil && t.Kind == sqllens.TableJoin {
				expr(t.On)
				t = t.Left
			}
		}
	case *sqllens.Query:
		s.mentions(b, see, depth+1)
	}
}

// joinKeys finds conditions of joins that do not join.
func (s *scope) joinKeys(k links) {
	for _, j := range s.joins {
		if j.node.On == nil || len(j.left) == 0 || len(j.right) != 1 {
			continue
		}
		right := j.right[0]
		for _, c := range conjuncts(j.node.On) {
			if isComparison(c) && c.Args[0].Kind == sqllens.ExprColumn && c.Args[1].Kind == sqllens.ExprColumn && same(c.Args[0], c.Args[1]) && len(c.Args[0].Name) > 1 {
				s.l.remark(JoinWithoutKey, c.Span, finding.Certain, "compares "+columnText(c.Args[0])+" with itself")
			}
		}
		if k.doubt || opaque(j.node.On) || contains(j.node.On, func(x *sqllens.Expr) bool { return x.Kind == sqllens.ExprTag || x.Kind == sqllens.ExprParam }) {
			continue
		}
		if s.harmless(right, k) || !slices.ContainsFunc(j.left, func(i int) bool { return !s.harmless(i, k) }) {
			continue
		}
		if slices.ContainsFunc(j.left, func(i int) bool { return k.find(i) == k.find(right) }) {
			continue
		}
		confidence := finding.Likely
		if !s.items[right].physical() {
			confidence = finding.Possible
		}
		detail := "names only one side"
		if !hasColumn(j.node.On) {
			detail = "is always true"
		}
		s.l.remark(JoinWithoutKey, j.node.On.Span, confidence, detail)
	}
}

// same compares two columns as they are written.
func same(a, b *sqllens.Expr) bool { return strings.EqualFold(columnText(a), columnText(b)) }

func columnText(e *sqllens.Expr) string {
	var parts []string
	for _, n := range e.Name {
		parts = append(parts, n.Text)
	}
	return strings.Join(parts, ".")
}

// outer finds outer joins that a condition in WHERE turns into inner ones.
func (s *scope) outer(c *sqllens.Expr) {
	var column *sqllens.Expr
	confidence := finding.Likely
	switch {
	case isComparison(c):
		for _, side := range []int{0, 1} {
			if e := bare(c.Args[side]); e.Kind == sqllens.ExprColumn && s.isNullable(e) {
				column = e
				break
			}
		}
	case isOp(c, "in", "not in", "between", "not between", "like", "ilike", "not like"):
		if e := bare(c.Args[0]); e.Kind == sqllens.ExprColumn {
			column = e
		}
	case isOp(c, "is not") && len(c.Args) == 2 && isNull(c.Args[1]) && c.Args[0].Kind == sqllens.ExprColumn:
		column, confidence = c.Args[0], finding.Possible // an inner join spelt another way
	}
	if column == nil || !s.isNullable(column) || s.l.optional(c.Span) {
		return
	}
	i := s.owner(column)
	if slices.ContainsFunc(c.Args[1:], func(a *sqllens.Expr) bool { return contains(a, isNull) }) && confidence == finding.Likely {
		return
	}
	s.l.remark(OuterJoinUndone, c.Span, confidence, s.itemName(i))
}

func (s *scope) isNullable(column *sqllens.Expr) bool {
	i := s.owner(column)
	return i >= 0 && s.items[i].nullable && !s.items[i].free
}

// bare takes a cast away.
func bare(e *sqllens.Expr) *sqllens.Expr {
	for e.Kind == sqllens.ExprCast && len(e.Args) == 1 {
		e = e.Args[0]
	}
	return e
}
