package sqllens

// windowSpec reads ( [name] [PARTITION BY …] [ORDER BY …] [frame] ).
func (p *parser) windowSpec() *Window {
	w := &Window{}
	p.expectOp("(")
	if p.isName(p.cur()) && !p.is("partition", "order", "rows", "range", "groups") && !(p.cur().kind == tokTag) {
		name := p.ident(p.next())
		w.Base = &name
	}
	if p.acceptSeq("partition", "by") || p.acceptSeq("distribute", "by") || p.acceptSeq("cluster", "by") {
		w.PartitionBy = p.exprList()
	}
	if p.acceptSeq("order", "by") || p.acceptSeq("sort", "by") {
		w.OrderBy = p.orderItems()
	}
	if p.is("rows", "range", "groups") {
		start := p.cur().start
		for !p.eof() && !p.isOp(")") {
			if p.is("rows", "range", "groups", "between", "and", "unbounded", "preceding", "following", "current", "row", "exclude", "no", "others", "group", "ties") {
				p.next()
				continue
			}
			before := p.pos
			w.Frame = append(w.Frame, p.exprPrec(precCompare+1))
			if p.pos == before {
				break
			}
		}
		w.FrameText = p.src[start:p.cur().start]
	}
	if p.cur().kind == tokTag {
		p.next()
	}
	p.expectClose(")")
	return w
}

func (p *parser) caseExpr() *Expr {
	start := p.next()
	e := &Expr{Kind: ExprCase, Span: start.span()}
	if !p.is("when") {
		e.Op = "operand"
		e.Args = append(e.Args, p.expr())
	}
	for p.accept("when") {
		e.Args = append(e.Args, p.expr())
		for p.acceptOp(",") {
			e.Args = append(e.Args, p.expr())
		}
		if !p.accept("then") {
			p.problem("syntax", "WHEN without THEN before "+p.describe(), p.cur().span())
			if !p.is("when", "else", "end") {
				p.skipCase()
			}
			continue
		}
		e.Args = append(e.Args, p.expr())
		if !p.is("when", "else", "end") {
			if p.cur().kind == tokTag {
				e.Args = append(e.Args, p.primary())
				continue
			}
			p.problem("syntax", "unexpected "+p.describe()+" in CASE", p.cur().span())
			p.skipCase()
		}
	}
	if p.accept("else") {
		e.Else = p.expr()
	}
	if !p.is("end") && !p.eof() {
		p.problem("syntax", "CASE without END before "+p.describe(), p.cur().span())
		p.skipCase()
	}
	e.Span.End = p.cur().end
	if p.accept("end") {
		if p.is("case") {
			p.next()
		}
	}
	return e
}

// skipCase passes what it does not know up to the next WHEN, ELSE or END of
// the same CASE.
func (p *parser) skipCase() {
	depth := 0
	for !p.eof() {
		switch t := p.cur(); {
		case t.isOp("("):
			p.skipBalanced()
			continue
		case t.isOp(")") || t.isOp(";"):
			return
		case t.isWord("case"):
			depth++
		case t.isWord("end"):
			if depth == 0 {
				return
			}
			depth--
		case depth == 0 && (t.isWord("when", "else") || clauseWords[t.word]):
			return
		}
		p.next()
	}
}
