package sqllens

// typedLambda reads Snowflake's (i INT, v VARIANT) -> expression. It answers
// nil where none stands.
func (p *parser) typedLambda() *Expr {
	end := 1
	for ; end < 40; end++ {
		if t := p.peek(end); t.isOp(")") {
			break
		} else if t.kind != tokWord && !t.isOp(",") {
			return nil
		}
	}
	if !p.peek(end+1).isOp("->") || p.peek(2).kind != tokWord { // untyped ones are read as rows
		return nil
	}
	start := p.next()
	var params []Ident
	for !p.eof() && !p.isOp(")") {
		params = append(params, p.ident(p.next()))
		for !p.eof() && !p.isOp(",") && !p.isOp(")") {
			p.next()
		}
		p.acceptOp(",")
	}
	p.next()
	p.next()
	body := p.expr()
	return &Expr{Kind: ExprLambda, Params: params, Args: []*Expr{body}, Span: start.span().join(body.Span)}
}

// hiveTransform reads TRANSFORM (a, b) … USING 'script' [AS (c, d)], whose
// output comes from a program.
func (p *parser) hiveTransform() *Expr {
	name := p.next()
	e := p.callArgs(&Expr{Kind: ExprFunc, Name: []Ident{p.ident(name)}, Span: name.span()})
	for !p.eof() && !p.isOp(")") && !p.isOp(";") && !p.is("from", "where", "as") {
		if p.is("row") || p.is("using") || p.isName(p.cur()) || p.cur().kind == tokString || p.cur().kind == tokWord {
			p.next()
			if p.isOp("(") {
				p.skipBalanced()
			}
			if p.isOp("=") || p.isOp(",") && p.cur().kind == tokString {
				p.next()
			}
			continue
		}
		break
	}
	e.Span.End = p.toks[p.pos-1].end
	return e
}
