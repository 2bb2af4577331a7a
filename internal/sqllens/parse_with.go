package sqllens

// inlineFunctions passes Trino's WITH FUNCTION f(…) RETURNS … and stops behind
// the last body. Statements in a body end with semicolons of their own.
// https://trino.io/docs/current/udf/function.html
func (p *parser) inlineFunctions() {
	for p.is("function") && p.peek(2).isOp("(") {
		p.next()
		p.next()
		for !p.eof() && !p.is("return", "begin") {
			if p.isOp("(") {
				p.skipBalanced()
				continue
			}
			p.next()
		}
		if p.accept("return") {
			p.expr()
		} else {
			p.skipBlock()
		}
		if p.pos >= p.stmtEnd {
			p.stmtEnd = p.statementEnd()
		}
		if p.isOp(",") || p.is("with") && p.peek(1).isWord("function") {
			p.next()
		}
	}
}

// marks reads SEARCH … SET column and CYCLE … SET column … USING column behind a
// WITH entry.
func (p *parser) marks(c *CTE) {
	for !p.eof() && !p.isOp(",") && !p.is("select", "insert", "update", "delete", "with") && !p.isOp(")") {
		adds := p.is("set", "using")
		p.next()
		if adds && p.isName(p.cur()) {
			c.Marks = append(c.Marks, p.ident(p.cur()))
		}
		if p.isOp(",") && p.peek(1).kind == tokWord && (p.peek(2).isWord("set") || p.peek(2).isOp(",")) {
			p.next()
		}
	}
}

// skipBlock passes BEGIN … END with everything nested in it.
func (p *parser) skipBlock() {
	depth := 0
	for !p.eof() {
		t, n := p.cur(), p.peek(1)
		switch {
		case t.isWord("begin", "case"), t.isWord("if") && !n.isOp("("), t.isWord("while", "loop", "repeat") && !n.isOp("("):
			depth++
		case t.isWord("if") && p.toks[max(p.pos-1, 0)].isOp(";"), t.isWord("if") && p.toks[max(p.pos-1, 0)].isWord("then", "else", "do", "begin"): // IF (…) THEN
			depth++
		case t.isWord("end"):
			depth--
			if n.isWord("if", "case", "while", "loop", "repeat") {
				p.next()
			}
		}
		p.next()
		if depth <= 0 {
			return
		}
	}
}

// excludeItems reads Redshift's EXCLUDE behind a whole select list.
func (p *parser) excludeItems(items []SelectItem) []SelectItem {
	p.next()
	var names []Ident
	if p.isOp("(") {
		names = p.identList()
	} else {
		for {
			path := p.path()
			if len(path) == 0 {
				break
			}
			names = append(names, path[len(path)-1])
			if !p.acceptOp(",") {
				break
			}
		}
	}
	kept := items[:0]
	for _, item := range items {
		if item.Expr.Kind == ExprStar && item.Expr.Star != nil {
			item.Expr.Star.Except = append(item.Expr.Star.Except, names...)
		} else if item.named(names) {
			continue
		}
		kept = append(kept, item)
	}
	return kept
}

// named says whether an item has one of the names.
func (i SelectItem) named(names []Ident) bool {
	var own Ident
	switch {
	case i.Alias != nil:
		own = *i.Alias
	case i.Expr.Kind == ExprColumn:
		own = i.Expr.Name[len(i.Expr.Name)-1]
	default:
		return false
	}
	for _, n := range names {
		if matchName(insensitive, n, own) {
			return true
		}
	}
	return false
}
