package sqllens

// attach makes the subqueries of expressions the query of a statement that is
// none itself: IF EXISTS (SELECT …), SET x = (SELECT …). What the expressions
// name beside them are variables.
func (p *parser) attach(st *Statement, list ...*Expr) {
	var found *Expr
	end := 0
	for _, e := range list {
		walkExpr(e, func(x *Expr) {
			if (x.Kind == ExprQuery || x.Kind == ExprExists) && x.Span.Start >= end { // else the query of an EXISTS just found
				found, end = p.and(found, x), x.Span.End
			}
		})
	}
	if found == nil {
		return
	}
	if st.Query != nil {
		if s, ok := st.Query.Body.(*Select); ok && len(s.Items) == 0 {
			s.Where = p.and(s.Where, found)
			s.Span = s.Span.join(found.Span)
			st.Query.Span = s.Span
			return
		}
	}
	st.Query = &Query{Body: &Select{Where: found, Span: found.Span}, Span: found.Span}
}

// loose says whether a statement is read for the queries that stand in it.
func (p *parser) loose(t *token) bool {
	return t.isWord("set", "declare", "return", "call", "execute", "exec", "print") || t.isText("let") || t.isText("export") || t.isText("assert") || t.isText("raise") || t.isText("until")
}

// skipLoose passes a statement and keeps the queries in parentheses and behind
// AS.
func (p *parser) skipLoose(st *Statement) {
	for !p.eof() && !p.isOp(";") {
		t := p.cur()
		switch {
		case t.isOp("(") && p.startsQueryAt(1):
			p.attach(st, p.primary())
		case t.isOp("("):
			p.skipBalanced()
		case t.isWord("as") && p.startsQueryAt(1) && st.Query == nil:
			p.next()
			st.Query = p.query()
		case p.t.semicolonless && p.startsStatement():
			return
		default:
			p.next()
		}
	}
}

// grant passes GRANT, DENY and REVOKE, whose rights are named like statements.
func (p *parser) grant() {
	p.next()
	for !p.eof() && !p.isOp(";") && !p.is("to", "from") && !p.cur().isText("to") {
		if p.isOp("(") {
			p.skipBalanced()
			continue
		}
		p.next()
	}
	p.skipStatement()
}

// cursorWord says whether a statement about a cursor begins here, in a dialect
// where nothing need end the one before it.
func (p *parser) cursorWord(t *token) bool {
	if !p.t.semicolonless {
		return false
	}
	n := p.peek(1)
	switch t.word {
	case "fetch":
		return p.peek(2).isWord("from") || n.isWord("from") || p.peek(3).isWord("from") && n.kind == tokWord
	case "open", "close":
		return n.kind == tokWord && !reserved[n.word] && !n.isWord("on", "where", "order", "group")
	case "deallocate":
		return n.kind == tokWord
	}
	return false
}

// definitionAhead says whether ALTER VIEW has a query, rather than a change of
// its properties.
func (p *parser) definitionAhead() bool {
	for i := p.pos; i < p.stmtEnd && p.lookahead > 0; i++ {
		p.lookahead--
		t := &p.toks[i]
		if t.isWord("as") && i+1 < len(p.toks) {
			if n := &p.toks[i+1]; n.isOp("(") || n.isWord("select", "with", "from", "values", "table") || n.kind == tokTag {
				return true
			}
		}
	}
	return false
}

// block reads the words that open, part and close a block of a script in a
// dialect that ends statements with semicolons. The statements in it are read
// as statements of the text. It reports false where there is none.
func (p *parser) block(st *Statement) bool {
	if p.t.semicolonless {
		return false
	}
	t, n := p.cur(), p.peek(1)
	switch {
	case t.isWord("begin"):
		if n.kind == tokEOF || n.isOp(";") || n.isWord("transaction", "work", "immediate", "exclusive", "read") || n.isText("transaction") || n.isText("work") || n.isText("tran") || n.isText("deferred") || n.isText("isolation") || n.isText("immediate") || n.isText("exclusive") {
			return false
		}
		p.next()
	case t.isWord("else"):
		p.next()
	case t.isWord("if"), t.isText("elseif"), t.isText("elsif"):
		if !p.wordAhead("then") {
			return false
		}
		p.next()
		p.attach(st, p.expr())
		p.accept("then")
	case t.isWord("while"):
		if !p.wordAhead("do") && !p.wordAhead("loop") {
			return false
		}
		p.next()
		p.attach(st, p.expr())
		if !p.accept("do") {
			p.accept("loop")
		}
	case t.isWord("for") && p.peek(2).isWord("in"):
		p.next()
		p.next()
		p.next()
		if p.isOp("(") && p.startsQueryAt(1) {
			p.attach(st, p.primary())
		}
		for !p.eof() && !p.isOp(";") && !p.accept("do") && !p.accept("loop") {
			p.next()
		}
	case t.isWord("loop") || t.isWord("repeat") && !n.isOp("("):
		p.next()
	case t.isText("exception") && n.isWord("when"):
		for !p.eof() && !p.isOp(";") && !p.accept("then") {
			p.next()
		}
	case t.isWord("end"):
		p.next()
		if n.isWord("if", "while", "loop", "for", "repeat", "case") {
			p.next()
		}
		return true // a label may follow
	default:
		return false
	}
	p.opens = true
	return true
}

// wordAhead looks for a word before the statement ends.
func (p *parser) wordAhead(word string) bool {
	for i := p.pos; i < p.stmtEnd && p.lookahead > 0; i++ {
		p.lookahead--
		if p.toks[i].isWord(word) {
			return true
		}
	}
	return false
}
