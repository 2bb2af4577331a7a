package sqllens

// explainSettings reads what may stand between ClickHouse's EXPLAIN and the
// query: its kind, and settings with commas between them.
// https://clickhouse.com/docs/sql-reference/statements/explain
func (p *parser) explainSettings() {
	for {
		for p.acceptText("query") || p.acceptText("tree") || p.acceptText("plan") || p.acceptText("pipeline") || p.acceptText("estimate") || p.acceptText("syntax") || p.acceptText("ast") {
			continue
		}
		for p.cur().kind == tokWord && !p.startsQuery() && (p.peek(1).isOp("=") || p.peek(1).kind == tokWord && p.peek(2).isOp("=")) {
			p.next()
			if !p.isOp("=") {
				continue
			}
			p.next()
			p.primary()
			p.acceptOp(",")
		}
		if !p.cur().isText("query") && !p.cur().isText("tree") {
			return
		}
	}
}

// explainQuery reads ClickHouse's EXPLAIN where a query is due. It yields a
// description of the query and none of its values.
func (p *parser) explainQuery() Body {
	start := p.next()
	p.made = true
	p.explainSettings()
	s := &Select{Span: start.span()}
	s.Items = []SelectItem{{Expr: &Expr{Kind: ExprLiteral, Op: "string", Span: start.span()}, Alias: &Ident{Text: "explain", Span: start.span()}, Span: start.span()}}
	if p.startsQuery() || p.isOp("(") {
		q := p.query()
		s.Where = &Expr{Kind: ExprExists, Query: q, Span: q.Span}
	}
	s.Span.End = p.toks[p.pos-1].end
	return s
}

// withExpression reads BigQuery's WITH(a AS 1, b AS a + 1, a * b), which is the
// last expression with names for the others.
// https://cloud.google.com/bigquery/docs/reference/standard-sql/operators#with_expression
func (p *parser) withExpression() *Expr {
	start := p.next()
	p.next()
	p.made = true
	q := &Query{Span: start.span()}
	var last *Expr
	for !p.eof() && !p.isOp(")") {
		before := p.pos
		if p.isName(p.cur()) && p.peek(1).isWord("as") {
			c := &CTE{Name: p.ident(p.next())}
			p.next()
			c.Expr = p.expr()
			c.Span = c.Name.Span.join(c.Expr.Span)
			q.With = append(q.With, c)
		} else {
			last = p.expr()
		}
		if p.pos == before || !p.acceptOp(",") {
			break
		}
	}
	s := &Select{Span: start.span()}
	if last != nil {
		s.Items = []SelectItem{{Expr: last, Span: last.Span}}
		s.Span = last.Span
	}
	q.Body, q.Span.End = s, p.cur().end
	p.expectClose(")")
	return &Expr{Kind: ExprQuery, Query: q, Span: q.Span}
}

// hint passes @{key=value} of GoogleSQL.
func (p *parser) hint() {
	for p.d == BigQuery && p.isOp("@") && p.peek(1).isOp("{") {
		p.next()
		p.skipBalanced()
	}
}
