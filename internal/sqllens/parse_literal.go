package sqllens

func (p *parser) param(t *token) *Expr {
	e := &Expr{Kind: ExprParam, Span: t.span()}
	switch n := p.cur(); {
	case n.isOp("{") || n.isOp("("):
		p.skipBalanced()
		if p.cur().kind == tokWord && p.cur().glued && t.text == "%" {
			p.next()
		}
	case n.glued && (n.kind == tokWord || n.kind == tokNumber || n.kind == tokQuoted):
		p.next()
		for p.isOp(".") && p.cur().glued && p.peek(1).kind == tokWord {
			p.next()
			p.next()
		}
	case n.kind == tokTag && n.glued, n.kind == tokString && n.glued && t.text == ":": // psql: :'name'
		p.next()
	}
	e.Span.End = p.toks[p.pos-1].end
	e.Text = p.src[e.Span.Start:e.Span.End]
	return e
}

func (p *parser) paren() *Expr {
	open := p.next()
	if p.isOp(")") {
		end := p.next()
		return &Expr{Kind: ExprList, Span: open.span().join(end.span())}
	}
	if p.startsQuery() {
		q := p.query()
		end := p.cur()
		p.expectOp(")")
		return &Expr{Kind: ExprQuery, Query: q, Span: open.span().join(end.span())}
	}
	first := p.listItem()
	if first.Kind == ExprQuery && (p.is("union", "intersect", "except", "minus") || p.is("order") && p.peek(1).isWord("by") || p.is("limit")) {
		q := p.queryFrom(first.Query)
		end := p.cur()
		p.expectOp(")")
		return &Expr{Kind: ExprQuery, Query: q, Span: open.span().join(end.span())}
	}
	if !p.isOp(",") {
		end := p.cur()
		p.expectClose(")")
		first.Span = open.span().join(end.span())
		return first
	}
	list := &Expr{Kind: ExprList, Args: []*Expr{first}, Span: open.span()}
	for p.acceptOp(",") {
		if p.isOp(")") {
			break
		}
		list.Args = append(list.Args, p.listItem())
	}
	list.Span.End = p.cur().end
	p.expectClose(")")
	return list
}

func (p *parser) listItem() *Expr {
	e := p.expr()
	if p.accept("as") { // (expr AS alias): ClickHouse, struct rows
		alias := p.ident(p.next())
		e.Alias = &alias
	}
	return e
}

func (p *parser) expectClose(op string) {
	if p.acceptOp(op) {
		return
	}
	p.problem("syntax", "expected "+op+" before "+p.describe(), p.cur().span())
	for !p.eof() && !p.isOp(")") && !p.isOp("]") && !p.isOp("}") && !p.isOp(";") {
		if p.isOp("(") || p.isOp("[") || p.isOp("{") {
			p.skipBalanced()
			continue
		}
		p.next()
	}
	p.acceptOp(op)
}

func (p *parser) arrayLiteral() *Expr {
	open := p.next()
	e := &Expr{Kind: ExprArray, Span: open.span()}
	for !p.eof() && !p.isOp("]") {
		before := p.pos
		item := p.listItem()
		e.Args = append(e.Args, item)
		if p.accept("for") { // DuckDB list comprehension: [f(x) for x in list if cond]
			var params []Ident
			for p.cur().kind == tokWord && !p.is("in") || p.isOp(",") {
				if p.isOp(",") {
					p.next()
					continue
				}
				params = append(params, p.ident(p.next()))
			}
			p.accept("in")
			source := p.expr()
			lambda := &Expr{Kind: ExprLambda, Params: params, Args: []*Expr{item}, Span: item.Span}
			if p.accept("if") {
				lambda.Args = append(lambda.Args, p.expr())
			}
			e.Args = []*Expr{source, lambda}
			break
		}
		if !p.acceptOp(",") || p.pos == before {
			break
		}
	}
	e.Span.End = p.cur().end
	p.expectClose("]")
	return e
}

func (p *parser) braces() *Expr {
	open := p.next()
	e := &Expr{Kind: ExprStruct, Span: open.span()}
	if p.cur().kind == tokWord && (p.cur().isText("d") || p.cur().isText("t") || p.cur().isText("ts") || p.cur().isText("fn") || p.cur().isText("guid")) && !p.peek(1).isOp(":") {
		p.next()
		e.Args = append(e.Args, p.expr())
		e.Span.End = p.cur().end
		p.expectClose("}")
		return e
	}
	if p.d == ClickHouse && p.cur().kind == tokWord && p.peek(1).isOp(":") {
		for !p.eof() && !p.isOp("}") {
			p.next()
		}
		e.Kind = ExprParam
		e.Span.End = p.cur().end
		p.expectClose("}")
		return e
	}
	for !p.eof() && !p.isOp("}") {
		before := p.pos
		if n := p.peek(1); n.isOp(":") || n.isOp("=") && p.cur().kind == tokString {
			key := p.ident(p.next())
			p.next()
			v := p.expr()
			v.Alias = &key
			e.Args = append(e.Args, v)
		} else {
			e.Args = append(e.Args, p.expr())
			if p.acceptOp(":") {
				e.Args = append(e.Args, p.expr())
			}
		}
		if !p.acceptOp(",") || p.pos == before {
			break
		}
	}
	e.Span.End = p.cur().end
	p.expectClose("}")
	return e
}

func (p *parser) starTail(e *Expr) {
	defer func() { e.Span.End = max(e.Span.End, p.toks[p.pos-1].end) }()
	for {
		switch {
		case p.is("except") && p.peek(1).isText("strict") && p.d == ClickHouse:
			p.next()
			p.next()
			if p.isOp("(") {
				e.Star.Except = append(e.Star.Except, p.identList()...)
			} else if names := p.path(); len(names) > 0 {
				e.Star.Except = append(e.Star.Except, names[len(names)-1])
			}
		case p.is("except", "exclude") && (p.peek(1).isOp("(") && !p.startsQueryAt(2) || p.is("exclude") || p.is("except") && p.d == ClickHouse && p.isName(p.peek(1)) && !p.peek(1).isWord("select", "all", "distinct")):
			p.next()
			if p.isOp("(") {
				e.Star.Except = append(e.Star.Except, p.identList()...)
			} else if names := p.path(); len(names) > 0 {
				e.Star.Except = append(e.Star.Except, names[len(names)-1])
			}
		case p.is("replace") && (p.peek(1).isOp("(") || p.d == ClickHouse || p.d == DuckDB):
			p.next()
			paren := p.acceptOp("(")
			for !p.eof() && !p.isOp(")") {
				before := p.pos
				item := p.selectItem()
				e.Star.Replace = append(e.Star.Replace, item)
				if !paren || !p.acceptOp(",") || p.pos == before {
					break
				}
			}
			if paren {
				p.expectClose(")")
			}
		case p.is("rename"):
			p.next()
			paren := p.acceptOp("(")
			for !p.eof() && !p.isOp(")") {
				from := p.path()
				p.accept("as")
				to := p.path()
				if len(from) == 0 || len(to) == 0 {
					break
				}
				e.Star.Rename = append(e.Star.Rename, Rename{from[len(from)-1], to[len(to)-1]})
				if !paren || !p.acceptOp(",") {
					break
				}
			}
			if paren {
				p.expectClose(")")
			}
		case p.is("ilike", "like") && p.peek(1).kind == tokString:
			e.Star.Like = p.next().word
			e.Star.Pattern = p.src[p.cur().start:p.cur().end]
			p.next()
		case p.is("apply") && p.d == ClickHouse && (p.peek(1).isOp("(") || p.peek(1).kind == tokWord):
			p.next()
			if p.isOp("(") {
				p.skipBalanced()
			} else {
				p.next()
			}
		default:
			return
		}
	}
}
