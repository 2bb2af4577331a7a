package sqllens

import "strings"

func (p *parser) condition() *Expr {
	for p.is("and", "or") { // WHERE [[…]] AND x with the block left out
		p.next()
	}
	e := p.expr()
	for {
		switch {
		case p.cur().kind == tokTag: // WHERE a = 1 {{more}}
			t := p.next()
			e = p.binary("and", e, &Expr{Kind: ExprTag, Tag: t.tag, Span: t.span()})
			for {
				next, ok := p.infix(e, precAssign)
				if !ok {
					break
				}
				e = next
			}
			continue
		case p.cur().opt && p.startsExpr(p.cur()) && !reserved[p.cur().word]: // [[x = {{x}}]] without AND
			e = p.binary("and", e, p.expr())
			continue
		}
		break
	}
	if t := p.cur(); !p.clauseEnds(t) {
		p.problem("syntax", "unexpected "+p.describe(), t.span())
		p.skipToClause(false)
	}
	return e
}

func (p *parser) clauseEnds(t *token) bool {
	return t.kind == tokEOF || t.isOp(")") || t.isOp(";") || t.isOp("|>") || t.isOp("}") || t.isOp(",") || t.isOp("]") || reserved[t.word] || p.pos >= p.stmtEnd ||
		t.isWord("format", "settings", "sample", "returning", "lock", "go", "then", "loop", "do", "procedure", "with", "fetch", "for", "model", "output", "siblings", "into", "insert", "update", "delete", "when") ||
		t.isText("output") || t.isText("settings") || t.isWord("comment") && p.d == ClickHouse || t.isText("distributed") || t.isText("before") || t.isWord("array") && p.d == ClickHouse && p.peek(1).isWord("join") || t.isOp("@") && p.d == BigQuery || t.isText("assert_rows_modified") || t.isWord("positional", "asof", "semi", "anti") && p.peek(1).isWord("join", "left") || t.isText("log") && p.peek(1).isText("errors") || p.t.semicolonless && t.kind == tokWord
}

func (p *parser) into(s *Select) {
	p.acceptText("strict")
	switch {
	case p.is("outfile") || p.cur().isText("outfile") || p.cur().isText("dumpfile"):
		p.next()
		p.next()
		s.Into = &Table{Kind: TableFile, Text: "outfile"}
		for p.cur().isText("fields") || p.cur().isText("lines") || p.cur().isText("columns") || p.cur().isText("terminated") || p.is("by") || p.cur().isText("enclosed") || p.cur().isText("escaped") || p.cur().isText("optionally") || p.cur().isText("starting") || p.cur().isText("character") || p.is("set") || p.toks[p.pos-1].isWord("set") || p.cur().kind == tokString {
			p.next()
		}
	default:
		p.accept("temp", "temporary")
		p.acceptText("unlogged")
		p.accept("table")
		if p.isOp("@") || p.isOp(":") || strings.HasPrefix(p.cur().text, "@") || p.d == Oracle || p.d == MySQL || p.d == MariaDB { // variables, never tables
			for !p.eof() && !p.is("from") && !p.isOp(";") && !p.isOp(")") {
				p.next()
			}
			s.Into = &Table{Kind: TableFile, Text: "variable"}
			return
		}
		start := p.cur()
		if names := p.path(); names != nil {
			s.Into = &Table{Kind: TableName, Name: names, Span: start.span().join(names[len(names)-1].Span)}
			if p.d == TSQL && p.accept("on") { // a file group
				p.next()
			}
		}
		for p.acceptOp(",") { // INTO a, b (procedural)
			p.path()
		}
	}
}

func (p *parser) groupBy(s *Select) {
	p.accept("distinct")
	if p.is("all") && !p.peek(1).isOp("(") {
		p.next()
		s.GroupAll = true
		if t := p.cur(); p.clauseEnds(t) && (p.d != TSQL || t.kind != tokWord && t.kind != tokQuoted || reserved[t.word] || p.startsStatement()) {
			return
		}
	}
	for {
		before := p.pos
		switch {
		case p.seq("grouping", "sets") && p.peek(2).isOp("("), p.is("rollup", "cube") && p.peek(1).isOp("("):
			if p.is("grouping") {
				p.next()
			}
			p.next()
			e := p.paren()
			s.GroupBy = append(s.GroupBy, flattenLists(e)...)
		case p.isOp("(") && p.peek(1).isOp(")"):
			p.next()
			p.next()
		default:
			s.GroupBy = append(s.GroupBy, flattenLists(p.expr())...)
			if p.accept("as") {
				p.next()
			}
		}
		p.accept("asc", "desc")
		if p.is("with") && (p.peek(1).isWord("rollup", "cube") || p.peek(1).isText("totals")) {
			p.next()
			p.next()
		}
		if p.seq("grouping", "sets") { // Hive: GROUP BY a, b GROUPING SETS (…)
			p.next()
			p.next()
			p.skipBalanced()
		}
		if p.pos == before || !p.acceptOp(",") || p.trailing() {
			return
		}
	}
}

func flattenLists(e *Expr) []*Expr {
	if e.Kind != ExprList {
		return []*Expr{e}
	}
	var out []*Expr
	for _, a := range e.Args {
		out = append(out, flattenLists(a)...)
	}
	return out
}

func (p *parser) queryTail(q *Query) {
	for !p.eof() && p.pos < p.stmtEnd {
		t := p.cur()
		switch {
		case t.isWord("order"):
			p.next()
			p.accept("siblings")
			if !p.accept("by") {
				p.problem("syntax", "ORDER without BY", t.span())
			}
			q.OrderBy = append(q.OrderBy, p.orderItems()...)
		case t.isWord("limit"):
			p.next()
			if p.accept("all") {
				continue
			}
			if p.percentLimit() {
				continue
			}
			q.Limit = append(q.Limit, p.expr())
			if p.accept("by") {
				p.exprList()
			}
			if p.acceptOp(",") {
				q.Limit = append(q.Limit, p.expr())
			}
			if p.accept("percent") || p.acceptOp("%") {
				continue
			}
			if p.accept("by") { // ClickHouse: LIMIT n BY columns
				p.exprList()
			}
			if p.seq("with", "ties") {
				p.next()
				p.next()
			}
		case t.isWord("offset"):
			p.next()
			q.Limit = append(q.Limit, p.expr())
			p.accept("row", "rows")
			if p.d == ClickHouse && p.accept("by") { // LIMIT n OFFSET m BY columns
				p.exprList()
			}
		case t.isWord("fetch") && p.peek(2).isWord("from"): // of a cursor: the next statement
			return
		case t.isWord("fetch"):
			p.next()
			p.accept("first", "next")
			if !p.is("row", "rows") {
				q.Limit = append(q.Limit, p.expr())
			}
			p.accept("percent")
			p.accept("row", "rows")
			if !p.accept("only") && p.acceptSeq("with", "ties") {
				continue
			}
		case t.isWord("for") && (p.peek(1).isWord("update", "share", "no", "key", "read") || p.peek(1).isText("read") || p.peek(1).isText("fetch")):
			q.Locks = true
			p.next()
			for !p.eof() && !p.isOp(")") && !p.isOp(";") && !p.is("order", "limit", "union", "for") {
				p.next()
			}
		case t.isWord("for") && (p.peek(1).isWord("xml", "json") || p.peek(1).isText("browse")):
			p.next()
			for !p.eof() && !p.isOp(")") && !p.isOp(";") && !p.is("option") {
				if p.isOp("(") {
					p.skipBalanced()
					continue
				}
				p.next()
			}
		case t.isWord("lock"):
			q.Locks = true
			for !p.eof() && !p.isOp(")") && !p.isOp(";") {
				p.next()
			}
		case t.isText("distributed") && (p.d == Postgres || p.d == Generic): // Greenplum: CREATE TABLE … AS … DISTRIBUTED BY (…)
			p.next()
			p.next()
			p.skipParens()
		case t.isText("assert_rows_modified"):
			p.next()
			p.primary()
		case t.isText("log") && p.peek(1).isText("errors"): // Oracle: INSERT … SELECT … LOG ERRORS INTO t
			return
		case t.isWord("option") && p.peek(1).isOp("("):
			p.next()
			p.skipBalanced()
		case t.isWord("settings"):
			p.next()
			for !p.eof() && !p.isOp(")") && !p.isOp(";") && !p.is("format", "union", "into") {
				p.next()
			}
		case t.isWord("comment") && p.peek(1).kind == tokString && p.d == ClickHouse:
			p.next()
			p.next()
		case t.isWord("format") && (p.peek(1).kind == tokWord):
			p.next()
			p.next()
		case t.isWord("with") && (p.peek(1).isText("ur") || p.peek(1).isText("cs") || p.peek(1).isText("rs") || p.peek(1).isText("rr") || p.peek(1).isText("check") || p.peek(1).isWord("check") || p.peek(1).isWord("no") || p.peek(1).isText("data") || p.peek(1).isText("read")):
			p.next()
			for !p.eof() && !p.isOp(")") && !p.isOp(";") {
				p.next()
			}
		case t.isWord("cluster", "distribute", "sort") && p.peek(1).isWord("by"):
			p.next()
			p.next()
			q.OrderBy = append(q.OrderBy, p.orderItems()...)
		case t.isWord("into") && (p.peek(1).isText("outfile") || p.peek(1).isText("dumpfile") || p.peek(1).isOp("@") || strings.HasPrefix(p.peek(1).text, "@")):
			p.next()
			holder := &Select{}
			p.into(holder)
			q.Into = holder.Into
			if q.Into == nil {
				q.Into = &Table{Kind: TableFile, Text: "variable"}
			}
		case t.isWord("using") && p.peek(1).isWord("sample"), t.isWord("tablesample"):
			p.next()
			p.accept("sample")
			for !p.eof() && !p.isOp(")") && !p.isOp(";") && !clauseWords[p.cur().word] {
				if p.isOp("(") {
					p.skipBalanced()
					continue
				}
				p.next()
			}
		case t.isWord("union", "intersect", "except", "minus"):
			body := p.setOps(&Query{Body: q.Body, OrderBy: q.OrderBy, Limit: q.Limit, Span: q.Span}, 0)
			if _, same := body.(*Query); same {
				return
			}
			q.Body, q.OrderBy, q.Limit = body, nil, nil
		case t.isOp("|>"):
			p.next()
			q.Pipes = append(q.Pipes, p.pipe())
		case t.kind == tokTag:
			p.next()
			for p.is("and", "or") {
				p.next()
				p.expr()
			}
		case t.isWord("where", "having", "group") && p.toks[max(p.pos-1, 0)].opt:
			// a clause behind an optional block that ended the query before it
			if s, ok := q.Body.(*Select); ok {
				p.selectClauses(s)
				if p.cur() == t {
					return
				}
				continue
			}
			return
		default:
			return
		}
	}
}

// percentLimit reads LIMIT 10% of DuckDB, where the sign is no operator.
func (p *parser) percentLimit() bool {
	if p.d != DuckDB || p.cur().kind != tokNumber || !p.peek(1).isOp("%") || p.peek(2).kind == tokNumber || p.peek(2).isOp("(") {
		return false
	}
	p.next()
	p.next()
	return true
}
