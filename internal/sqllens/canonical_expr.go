package sqllens

import (
	"regexp"
	"slices"
	"strings"
)

// exprs lists expressions as pieces.
func (p *printer) exprs(list ...*Expr) []piece {
	var parts []piece
	for _, e := range list {
		if e == nil || e.Span.Start >= e.Span.End {
			continue
		}
		parts = append(parts, piece{span: e.Span, write: func(env *names) string { return p.expr(e, env) }})
	}
	return parts
}

// parts are the pieces of an expression.
func (p *printer) parts(e *Expr) []piece {
	parts := p.exprs(e.Args...)
	parts = append(parts, p.exprs(e.Else)...)
	if e.Query != nil {
		parts = append(parts, p.queryPiece(e.Query))
	}
	if e.Star != nil {
		parts = append(parts, p.items(e.Star.Replace)...)
	}
	if c := e.Call; c != nil {
		parts = append(parts, p.exprs(c.OrderBy...)...)
		parts = append(parts, p.exprs(c.WithinGroup...)...)
		parts = append(parts, p.exprs(c.Filter)...)
		parts = append(parts, p.window(c.Over)...)
	}
	return slices.DeleteFunc(parts, func(part piece) bool { // options that stand behind the call
		return part.span.Start >= e.Span.End
	})
}

func (p *printer) window(w *Window) []piece {
	if w == nil {
		return nil
	}
	parts := p.exprs(w.PartitionBy...)
	parts = append(parts, p.exprs(w.OrderBy...)...)
	return append(parts, p.exprs(w.Frame...)...)
}

// expr writes an expression. Operators come in parentheses of their own, so
// that those of the text do not matter.
func (p *printer) expr(e *Expr, env *names) string {
	if p.failed {
		return ""
	}
	i, j := p.first(e.Span.Start), p.first(e.Span.End)
	for e.Kind != ExprList && e.Kind != ExprQuery && e.Kind != ExprUnknown && p.closes(i, j) && !p.ownParens(e, i) {
		i, j = i+1, j-1
	}
	switch e.Kind {
	case ExprUnknown:
		p.failed = true
		return ""
	case ExprColumn:
		span := e.Name[0].Span.join(e.Name[len(e.Name)-1].Span)
		if span == (Span{}) || p.first(span.Start) == i && p.first(span.End) == j {
			return p.column(e, env)
		}
		if p.first(span.Start) >= i && p.first(span.End) <= j { // words around the name: ANY (a)
			return p.words(i, j, []piece{{span: span, write: func(env *names) string { return p.column(e, env) }}}, env)
		}
		return p.column(e, env)
	case ExprLiteral:
		if p.shape && e.Op != "null" && e.Op != "default" {
			return "?"
		}
	case ExprOp:
		return p.operator(e, i, j, env)
	case ExprCast:
		if text, ok := p.cast(e, i, j, env); ok {
			return text
		}
	case ExprStar:
		return p.star(e, i, j, env)
	case ExprQuery:
		for p.closes(i, j) && e.Query != nil && p.first(e.Query.Span.Start) > i {
			i, j = i+1, j-1
		}
		return "( " + p.words(i, j, p.parts(e), env) + " )"
	}
	return p.words(i, j, p.parts(e), env)
}

// ownParens says whether the parenthesis at word i belongs to a part of the
// expression rather than to all of it.
func (p *printer) ownParens(e *Expr, i int) bool {
	at := p.toks[i].start
	for _, a := range e.Args {
		if a != nil && a.Span.Start <= at && a.Span.Start < a.Span.End {
			return true
		}
	}
	return false
}

// column writes a column with the place of its table for a qualifier.
func (p *printer) column(e *Expr, env *names) string {
	path := e.Name
	for n := min(len(path)-1, 3); n >= 1; n-- {
		find := env.qualified
		if n == 1 {
			find = func(path []Ident) (string, bool) { return env.alias(path[0]) }
		}
		name, ok := find(path[:n])
		if !ok {
			continue
		}
		rest := p.path(path[n:])
		if name == "" { // the only table: the qualifier says nothing, unless an alias has the name
			for _, o := range env.outputs {
				if strings.EqualFold(o.Text, path[n].Text) {
					return "t0." + rest
				}
			}
			return rest
		}
		return name + "." + rest
	}
	return p.path(path)
}

func (p *printer) star(e *Expr, i, j int, env *names) string {
	parts := p.parts(e)
	if len(e.Name) > 0 {
		span := e.Name[0].Span.join(e.Name[len(e.Name)-1].Span)
		name, ok := env.alias(e.Name[0])
		if len(e.Name) > 1 {
			table, found := env.qualified(e.Name)
			switch {
			case found:
				name = table
			case ok && name != "": // the fields of a column
				name += "." + p.path(e.Name[1:])
			case ok:
				name, ok = p.path(e.Name[1:]), false
			default:
				name = p.path(e.Name)
			}
		} else if !ok {
			name = p.path(e.Name)
		}
		if end := p.first(span.End); ok && name == "" && end < j && p.toks[end].isOp(".") { // the only table
			span.End = p.toks[end].end
		}
		parts = append(parts, piece{span: span, write: func(*names) string { return name }})
	}
	return strings.TrimSpace(p.words(i, j, parts, env))
}

// cast writes x::type and CAST(x AS type) the same way.
func (p *printer) cast(e *Expr, i, j int, env *names) (string, bool) {
	if len(e.Args) != 1 || e.Op == "" {
		return "", false
	}
	arg := e.Args[0]
	at, end := p.first(arg.Span.Start), p.first(arg.Span.End)
	switch {
	case at == i && end < j && p.toks[end].isOp("::"):
		return "cast ( " + p.expr(arg, env) + " as " + p.words(end+1, j, nil, env) + " )", true
	case at == i+2 && p.toks[i].isWord("cast") && end+1 < j && p.toks[end].isWord("as") && p.toks[j-1].isOp(")"):
		return "cast ( " + p.expr(arg, env) + " as " + p.words(end+1, j-1, nil, env) + " )", true
	}
	return "", false
}

// maxSorted bounds the chains whose operands are put in order one by one.
const maxSorted = 64

// operator writes an operator over its operands in normal order.
func (p *printer) operator(e *Expr, i, j int, env *names) string {
	if e.Op == "and" || e.Op == "or" {
		if text, ok := p.logical(e, env); ok {
			return text
		}
	}
	if len(e.Args) != 2 {
		return p.prefixed(e, i, j, env)
	}
	// A chain of left operands is written from the inside out.
	chain := []*Expr{e}
	node := e.Args[0]
	for node.Kind == ExprOp && len(node.Args) == 2 && node.Op != "and" && node.Op != "or" {
		chain = append(chain, node)
		node = node.Args[0]
	}
	text := p.expr(node, env)
	var b strings.Builder
	if len(chain) > maxSorted {
		b.WriteString(strings.Repeat("( ", len(chain)))
		b.WriteString(text)
	}
	for n := len(chain) - 1; n >= 0; n-- {
		op, ok := p.infix(chain[n], env)
		if !ok {
			if len(chain) > maxSorted {
				p.failed = true
				return ""
			}
			text = p.generic(chain[n], env)
			continue
		}
		right := p.right(chain[n], env)
		if len(chain) > maxSorted {
			b.WriteString(" " + op + " " + right + " )")
			continue
		}
		p.spend(len(text))
		text = p.binary(op, text, right, chain[n])
	}
	if len(chain) > maxSorted {
		return b.String()
	}
	return text
}

// infix is the text between two operands. ok is false when words stand before
// or behind them.
func (p *printer) infix(e *Expr, env *names) (op string, ok bool) {
	i, j := p.first(e.Span.Start), p.first(e.Span.End)
	for p.closes(i, j) && !p.ownParens(e, i) {
		i, j = i+1, j-1
	}
	left, right := e.Args[0].Span, e.Args[1].Span
	if p.first(left.Start) != i || p.first(right.End) != j || left.End > right.Start {
		return "", false
	}
	return p.words(p.first(left.End), p.first(right.Start), nil, env), true
}

// right writes a right operand; the items of an IN list are sorted.
func (p *printer) right(e *Expr, env *names) string {
	arg := e.Args[1]
	if arg.Kind != ExprList || !strings.HasSuffix(e.Op, "in") {
		return p.expr(arg, env)
	}
	var items []string
	for _, a := range arg.Args {
		items = append(items, p.optional(p.first(a.Span.Start), p.first(a.Span.End), func() string { return p.expr(a, env) }))
	}
	next := 0
	for i, end := p.first(arg.Span.Start), p.first(arg.Span.End); i < end; i++ { // words that the list does not hold
		t := &p.toks[i]
		for next < len(arg.Args) && arg.Args[next].Span.End <= t.start {
			next++
		}
		inside := next < len(arg.Args) && arg.Args[next].Span.Start <= t.start
		if !inside && !t.isOp("(") && !t.isOp(")") && !t.isOp(",") {
			p.failed = true
		}
	}
	slices.Sort(items)
	return "( " + strings.Join(slices.Compact(items), " , ") + " )"
}

// binary writes one operator.
func (p *printer) binary(op, left, right string, e *Expr) string {
	switch op {
	case "=", "<>", "*", "<=>", "xor", "&", "|":
		if left > right {
			left, right = right, left
		}
	case "+":
		if p.tree.Dialect != TSQL && p.tree.Dialect != Generic && left > right { // + joins strings in SQL Server
			left, right = right, left
		}
	case ">":
		op, left, right = "<", right, left
	case ">=":
		op, left, right = "<=", right, left
	}
	if positive, ok := strings.CutPrefix(op, "not "); ok {
		return "( not ( " + left + " " + positive + " " + right + " ) )"
	}
	if op == "is not" && e.Args[1].Kind == ExprLiteral {
		return "( not ( " + left + " is " + right + " ) )"
	}
	return "( " + left + " " + op + " " + right + " )"
}

// generic writes an operator word by word.
func (p *printer) generic(e *Expr, env *names) string {
	i, j := p.first(e.Span.Start), p.first(e.Span.End)
	for p.closes(i, j) && !p.ownParens(e, i) {
		i, j = i+1, j-1
	}
	return "( " + p.words(i, j, p.parts(e), env) + " )"
}

// prefixed writes NOT x, -x, x BETWEEN a AND b and other forms.
func (p *printer) prefixed(e *Expr, i, j int, env *names) string {
	if strings.HasPrefix(e.Op, "not ") && len(e.Args) == 3 {
		list := p.list(i, j, p.parts(e), env)
		if at := slices.Index(list, "not"); at == 1 {
			return "( not ( " + strings.Join(slices.Delete(list, 1, 2), " ") + " ) )"
		}
	}
	return "( " + p.words(i, j, p.parts(e), env) + " )"
}

// logical writes AND and OR over all their operands, sorted. ok is false when
// an operand follows without the word between.
func (p *printer) logical(e *Expr, env *names) (string, bool) {
	var operands []*Expr
	if !p.operands(e, e.Op, &operands) {
		return "", false
	}
	groups := map[int][]string{} // by optional block
	for _, o := range operands {
		i, j := p.first(o.Span.Start), p.first(o.Span.End)
		block := p.blockOf(i)
		if block != p.blockOf(max(j-1, i)) {
			p.failed = true
		}
		outer := p.block
		p.block = block
		groups[block] = append(groups[block], p.expr(o, env))
		p.block = outer
	}
	var all []string
	for block, list := range groups {
		slices.Sort(list)
		list = distinct(list)
		if block == p.block {
			all = append(all, list...)
			continue
		}
		all = append(all, "[["+strings.Join(list, " "+e.Op+" ")+"]]")
	}
	slices.Sort(all)
	all = distinct(all)
	if len(all) == 1 {
		return all[0], true
	}
	return "( " + strings.Join(all, " "+e.Op+" ") + " )", true
}

// distinct keeps one of equal operands, of a sorted list. Those that roll dice
// stay.
func distinct(list []string) []string {
	out := list[:0]
	for i := 0; i < len(list); {
		end := i + 1
		for end < len(list) && list[end] == list[i] {
			end++
		}
		if end-i > 1 && volatile.MatchString(list[i]) {
			out = append(out, list[i:end]...)
		} else {
			out = append(out, list[i])
		}
		i = end
	}
	return out
}

var volatile = regexp.MustCompile(`(?i)\b(rand\w*|random\w*|newid|newsequentialid|\w*uuid\w*|nextval|clock_timestamp|setseed|seq[48])\b`)

// operands flattens a tree of one operator. The left side is walked without
// recursion: chains are long there.
func (p *printer) operands(e *Expr, op string, out *[]*Expr) bool {
	var rights []*Expr
	for e.Kind == ExprOp && e.Op == op && len(e.Args) == 2 {
		if !p.joinedBy(e, op) {
			return false
		}
		rights = append(rights, e.Args[1])
		e = e.Args[0]
	}
	*out = append(*out, e)
	for i := len(rights) - 1; i >= 0; i-- {
		if rights[i].Kind == ExprOp && rights[i].Op == op {
			if !p.operands(rights[i], op, out) {
				return false
			}
			continue
		}
		*out = append(*out, rights[i])
	}
	return true
}

// joinedBy says whether exactly the operator stands between two operands.
func (p *printer) joinedBy(e *Expr, op string) bool {
	i, j := p.first(e.Args[0].Span.End), p.first(e.Args[1].Span.Start)
	return j == i+1 && p.toks[i].isWord(op)
}
