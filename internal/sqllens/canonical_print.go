package sqllens

import (
	"slices"
	"strings"
)

func (p *printer) statement(st *Statement) string {
	var parts []piece
	env := (*names)(nil).child()
	if st.Query != nil {
		parts = append(parts, p.queryPiece(st.Query))
	}
	if st.DML != nil {
		parts, env = p.dml(st.DML, env)
	}
	return p.span(st.Span, parts, env)
}

// dml lists the parts of a data-changing statement.
func (p *printer) dml(d *DML, env *names) ([]piece, *names) {
	parts := p.with(d.With, true, env)
	if d.Target != nil && d.Verb != "create" {
		env.add(d.Target)
	}
	for _, t := range d.From {
		env.add(t)
	}
	parts = append(parts, p.tables(d.From)...)
	if d.Query != nil {
		parts = append(parts, p.queryPiece(d.Query))
	}
	parts = append(parts, p.exprs(d.Where, d.On)...)
	for _, a := range d.Set {
		parts = append(parts, p.exprs(a.Value)...)
	}
	for _, a := range d.Actions {
		parts = append(parts, p.exprs(a.Cond)...)
		parts = append(parts, p.exprs(a.Values...)...)
		for _, s := range a.Set {
			parts = append(parts, p.exprs(s.Value)...)
		}
	}
	parts = append(parts, p.items(d.Returning)...)
	for _, o := range d.Others {
		if o.Query != nil {
			parts = append(parts, p.queryPiece(o.Query))
		}
	}
	if d.Target != nil && d.Target.Kind == TableName && d.Verb != "create" && d.Verb != "insert" {
		parts = append(parts, p.tables([]*Table{d.Target})...)
	}
	return parts, env
}

// with names the common table expressions and lists them.
func (p *printer) with(list []*CTE, recursive bool, env *names) []piece {
	var parts []piece
	for i, c := range list {
		name := env.place("c", i)
		visible := &names{parent: env.parent, depth: env.depth, ctes: env.ctes[:len(env.ctes):len(env.ctes)], relations: env.relations}
		env.ctes = append(env.ctes, cteName{c.Name, name})
		if c.Expr != nil {
			parts = append(parts, p.exprs(c.Expr)...)
			continue
		}
		parts = append(parts, piece{span: c.Span, write: func(outer *names) string {
			inner := outer
			if c.Query == nil || setOpOf(c.Query) == nil || !recursive && !selfReference(c) {
				inner = visible // not recursive: the name means an earlier table
			}
			sub := []piece{{span: c.Name.Span, write: func(*names) string { return name }}}
			if c.Query != nil {
				sub = append(sub, p.queryPiece(c.Query))
			}
			return p.span(c.Span, sub, inner)
		}})
	}
	return parts
}

func (p *printer) queryPiece(q *Query) piece {
	return piece{span: q.Span, write: func(env *names) string { return p.query(q, env) }}
}

func (p *printer) query(q *Query, outer *names) string {
	env := outer.child()
	parts := p.with(q.With, q.Recursive, env)
	parts = append(parts, p.body(q.Body, env)...)
	// ORDER BY and LIMIT see the relations of the one SELECT.
	tail := p.exprs(append(slices.Clone(q.OrderBy), q.Limit...)...)
	if s, ok := q.Body.(*Select); ok {
		inner := p.scope(s, env)
		for i, part := range tail {
			tail[i].write = func(*names) string { return part.write(inner) }
		}
	}
	parts = append(parts, tail...)
	for _, step := range q.Pipes {
		parts = append(parts, p.items(step.Items)...)
		parts = append(parts, p.items(step.GroupBy)...)
		parts = append(parts, p.exprs(step.Exprs...)...)
		for _, b := range step.Queries {
			parts = append(parts, p.body(b, env)...)
		}
		if step.Table != nil || step.Alias != nil { // aliases of pipes are not followed
			p.failed = true
		}
	}
	return p.span(q.Span, parts, env)
}

// body lists the parts of a query's body; operands of set operations stand
// beside each other.
func (p *printer) body(b Body, env *names) []piece {
	switch b := b.(type) {
	case *Select:
		return []piece{{span: b.Span, write: func(env *names) string { return p.selectText(b, env) }}}
	case *SetOp:
		var parts []piece
		var node Body = b
		for {
			set, ok := node.(*SetOp)
			if !ok {
				return append(parts, p.body(node, env)...)
			}
			parts = append(parts, p.body(set.Right, env)...)
			node = set.Left
		}
	case *Query:
		return []piece{p.queryPiece(b)}
	case *Values:
		var parts []piece
		for _, row := range b.Rows {
			parts = append(parts, p.exprs(row...)...)
		}
		return parts
	case *Table:
		env.add(b)
		return p.tables([]*Table{b})
	case *DML:
		parts, inner := p.dml(b, env.child())
		for i, part := range parts {
			parts[i].write = func(*names) string { return part.write(inner) }
		}
		return parts
	}
	return nil
}

// scope is the environment inside a SELECT.
func (p *printer) scope(s *Select, outer *names) *names {
	env := outer.child()
	env.depth = outer.depth
	for _, t := range s.From {
		env.add(t)
	}
	env.single = len(env.relations) == 1 && !outer.outside()
	for _, item := range s.Items {
		if item.Alias != nil {
			env.outputs = append(env.outputs, *item.Alias)
		}
	}
	return env
}

func (p *printer) selectText(s *Select, outer *names) string {
	env := p.scope(s, outer)
	parts := p.items(s.Items)
	parts = append(parts, p.tables(s.From)...)
	parts = append(parts, p.exprs(s.DistinctOn...)...)
	parts = append(parts, p.exprs(s.Top, s.Prewhere, s.Having, s.Qualify, s.StartWith, s.ConnectBy)...)
	parts = append(parts, p.exprs(s.Where)...)
	parts = append(parts, p.groupBy(s)...)
	for _, w := range s.Windows {
		parts = append(parts, p.window(w.Spec)...)
	}
	return p.span(s.Span, parts, env)
}

// groupBy sorts plain GROUP BY lists, whose order means nothing.
func (p *printer) groupBy(s *Select) []piece {
	if len(s.GroupBy) < 2 {
		return p.exprs(s.GroupBy...)
	}
	whole := Span{s.GroupBy[0].Span.Start, s.GroupBy[len(s.GroupBy)-1].Span.End}
	i, j := p.first(whole.Start), p.first(whole.End)
	depth := 0
	plain := true
	for n := i; n < j; n++ {
		switch t := &p.toks[n]; {
		case t.isOp("("):
			depth++
		case t.isOp(")"):
			depth--
		case t.isWord("rollup", "cube", "grouping", "with") || t.opt:
			plain = false
		}
	}
	if j < len(p.toks) && p.toks[j].isWord("with", "grouping") || i < 2 || !p.toks[i-1].isWord("by") || !p.toks[i-2].isWord("group") || depth != 0 { // SORT BY has an order
		plain = false
	}
	if !plain {
		return p.exprs(s.GroupBy...)
	}
	return []piece{{span: whole, write: func(env *names) string {
		var keys []string
		next := i
		for _, e := range s.GroupBy {
			at, end := p.first(e.Span.Start), p.first(e.Span.End)
			if at != next && (at != next+1 || !p.toks[next].isOp(",")) {
				p.failed = true
			}
			keys = append(keys, p.expr(e, env))
			next = end
		}
		slices.Sort(keys)
		return strings.Join(slices.Compact(keys), " , ")
	}}}
}

func (p *printer) items(list []SelectItem) []piece {
	var parts []piece
	for _, item := range list {
		if item.Expr == nil {
			continue
		}
		span := item.Expr.Span
		if item.Alias != nil && item.Alias.Span != (Span{}) {
			span = span.join(item.Alias.Span)
		}
		parts = append(parts, piece{span: span, write: func(env *names) string { return p.item(item, span, env) }})
	}
	return parts
}

// item writes an expression with the name it gives to its column, if that is
// not the column's own.
func (p *printer) item(item SelectItem, span Span, env *names) string {
	plain := *env
	plain.outputs = nil // a list's columns come before its aliases
	text := p.expr(item.Expr, &plain)
	if item.Expr.Kind == ExprStar {
		return p.span(span, p.exprs(item.Expr), env)
	}
	if item.Alias == nil {
		return text
	}
	// Words between expression and alias other than AS would be lost.
	for i, end := p.first(span.Start), p.first(span.End); i < end; i++ {
		t := &p.toks[i]
		inExpr := t.start >= item.Expr.Span.Start && t.end <= item.Expr.Span.End
		inAlias := t.start >= item.Alias.Span.Start && t.end <= item.Alias.Span.End
		if !inExpr && !inAlias && !t.isWord("as") && !t.isOp("=") && !t.isOp(":") {
			p.failed = true
		}
	}
	alias := p.ident(*item.Alias)
	if item.Expr.Kind == ExprColumn && p.ident(item.Expr.Name[len(item.Expr.Name)-1]) == alias {
		return text
	}
	return text + " as " + alias
}

func (p *printer) tables(list []*Table) []piece {
	var parts []piece
	for i, t := range list {
		if t == nil {
			continue
		}
		parts = append(parts, piece{span: t.Span, from: true, write: func(env *names) string {
			text := p.table(t, env)
			if t.Kind == TableJoin && i > 0 {
				text = "( " + text + " )"
			}
			return text
		}})
	}
	return parts
}

// table writes a FROM item with the name of its place instead of its alias.
func (p *printer) table(t *Table, env *names) string {
	var parts []piece
	add := func(s Span, text string) {
		if s != (Span{}) {
			parts = append(parts, piece{span: s, write: func(*names) string { return text }})
		}
	}
	name := env.of(t)
	if t.Alias != nil {
		alias := ""
		if !env.single && name != "" {
			alias = "as " + name
		}
		add(t.Alias.Span, alias)
	}
	switch t.Kind {
	case TableJoin:
		parts = append(parts, p.joinParts(t)...)
	case TableName:
		if len(t.Name) == 0 {
			break
		}
		span := t.Name[0].Span.join(t.Name[len(t.Name)-1].Span)
		text := p.path(t.Name)
		if c, ok := env.cte(t.Name[0]); ok && len(t.Name) == 1 {
			text = c
		}
		if t.Alias == nil && !env.single && name != "" {
			text += " as " + name
		}
		add(span, text)
	case TableQuery:
		if t.Query != nil {
			inner := env.detached()
			if t.Lateral {
				inner = env
			}
			part := p.queryPiece(t.Query)
			query := part.write
			part.write = func(*names) string { return query(inner) }
			parts = append(parts, part)
		}
	case TableFunc:
		parts = append(parts, p.exprs(t.Func)...)
	case TablePivot:
		parts = append(parts, p.pivot(t)...)
	}
	return p.trimmed(t.Span, parts, env, t.Kind == TableJoin)
}

// joinParts are the operands and conditions of a chain of joins, side by side.
func (p *printer) joinParts(t *Table) []piece {
	var parts []piece
	node := t
	for node.Kind == TableJoin && node.Alias == nil {
		if node.Right != nil && node.Join != "array" {
			operand := node.Right
			if node.Join == "apply" || node.Join == "lateral" { // it sees what stands before it
				lateral := *operand
				lateral.Lateral = true
				operand = &lateral
			}
			right := p.tables([]*Table{operand})
			right[0].from = false
			parts = append(parts, right...)
		} else if node.Right != nil && node.Right.Func != nil {
			parts = append(parts, p.exprs(node.Right.Func.Args...)...)
		}
		parts = append(parts, p.exprs(node.On)...)
		if node.Left == nil {
			return parts
		}
		if node.Left.Kind == TableJoin && p.parenthesized(node.Left.Span) {
			break
		}
		node = node.Left
		if node.Kind != TableJoin || node.Alias != nil {
			left := p.tables([]*Table{node})
			left[0].from = false
			return append(parts, left...)
		}
	}
	if node.Left != nil {
		left := p.tables([]*Table{node.Left})
		left[0].from = false
		parts = append(parts, left...)
	}
	return parts
}

// parenthesized says whether a stretch begins and ends with one pair.
func (p *printer) parenthesized(s Span) bool {
	i, j := p.first(s.Start), p.first(s.End)
	return p.closes(i, j)
}

// closes says whether the word at i opens a parenthesis that the word before j
// closes.
func (p *printer) closes(i, j int) bool {
	if j-i < 2 || !p.toks[i].isOp("(") || !p.toks[j-1].isOp(")") {
		return false
	}
	depth := 0
	for n := i; n < j; n++ {
		switch {
		case p.toks[n].isOp("("):
			depth++
		case p.toks[n].isOp(")"):
			depth--
			if depth == 0 {
				return n == j-1
			}
		}
	}
	return false
}

// trimmed writes a stretch without the parentheses around all of it. Joins in
// parentheses keep one pair, for they may group differently.
func (p *printer) trimmed(s Span, parts []piece, env *names, keep bool) string {
	i, j := p.first(s.Start), p.first(s.End)
	wrapped := false
	for p.closes(i, j) && !slices.ContainsFunc(parts, func(part piece) bool { return part.span.Start <= p.toks[i].start }) {
		i, j = i+1, j-1
		wrapped = true
	}
	text := p.words(i, j, parts, env)
	if wrapped && keep {
		return "( " + text + " )"
	}
	return text
}

func (p *printer) pivot(t *Table) []piece {
	var parts []piece
	if t.Left != nil && t.Left.Span.Start < t.Left.Span.End && t.Left.Kind != TableFile {
		parts = p.tables([]*Table{t.Left})
	}
	pv := t.Pivot
	if pv == nil {
		return parts
	}
	parts = append(parts, p.items(pv.Aggregates)...)
	parts = append(parts, p.items(pv.In)...)
	parts = append(parts, p.exprs(pv.GroupBy...)...)
	if pv.InQuery != nil && pv.InQuery.Span != (Span{}) {
		parts = append(parts, p.queryPiece(pv.InQuery))
	}
	return parts
}

func (p *printer) path(path []Ident) string {
	var b strings.Builder
	for i, id := range path {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(p.ident(id))
	}
	return b.String()
}
