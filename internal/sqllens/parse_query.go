package sqllens

import "strings"

// startsQuery reports whether a query begins at the current token.
func (p *parser) startsQuery() bool { return p.startsQueryAt(0) }

func (p *parser) startsQueryAt(n int) bool {
	t := p.peek(n)
	switch t.word {
	case "select":
		return true
	case "with":
		next := p.peek(n + 1)
		return next.kind == tokWord && !next.isWord("time", "ordinality", "offset", "ties", "rollup", "cube") || next.kind == tokQuoted || next.kind == tokTag || p.d == ClickHouse
	case "values":
		return p.peek(n+1).isOp("(") || p.peek(n+1).isWord("row")
	case "pivot", "unpivot", "describe", "show", "summarize":
		return p.d == DuckDB && p.duckQuery(n)
	case "explain":
		return p.d == ClickHouse && n == 0 && p.pos > 0 && p.toks[p.pos-1].isOp("(") && p.peek(1).kind == tokWord && !p.peek(1).isWord("as", "in", "like", "ilike", "from", "is", "and", "or", "not", "between", "order", "limit")
	case "from": // DuckDB, BigQuery pipes, Hive multi-insert
		k := p.peek(n + 1)
		return (k.kind == tokWord && !hardWords[k.word] || k.kind == tokQuoted || k.kind == tokString || k.isOp("(") || k.kind == tokTag) && (p.d == DuckDB || p.d == BigQuery || p.d == Spark || p.d == Databricks || p.d == Generic)
	case "table":
		k := p.peek(n + 1)
		return (k.kind == tokWord && !k.isWord("if") && !hardWords[k.word] || k.kind == tokQuoted) && !p.peek(n+2).isOp("(") && (p.d != ClickHouse || !p.peek(n+2).isOp("."))
	}
	if t.kind == tokWord && p.d == DuckDB && (t.isText("summarize") || t.isText("pivot_wider") || t.isText("pivot_longer")) {
		return p.duckQuery(n)
	}
	return false
}

// query reads [WITH …] body tail.
func (p *parser) query() *Query {
	q := &Query{Span: p.cur().span()}
	if !p.enter() {
		p.skipToClose()
		p.leave()
		q.Body = &Select{}
		return q
	}
	defer p.leave()
	if p.is("with") {
		p.withList(q)
	}
	q.Body = p.setOps(p.bodyPrimary(), 0)
	p.queryTail(q)
	q.Span.End = p.toks[max(p.pos-1, 0)].end
	return q
}

// queryFrom continues a query whose first operand was read in parentheses.
func (p *parser) queryFrom(first *Query) *Query {
	q := &Query{Span: first.Span}
	q.Body = p.setOps(first, 0)
	p.queryTail(q)
	q.Span.End = p.toks[max(p.pos-1, 0)].end
	return q
}

// skipToClose passes tokens up to the closing parenthesis of this level.
func (p *parser) skipToClose() {
	for !p.eof() && !p.isOp(")") && !p.isOp(";") {
		if p.isOp("(") {
			p.skipBalanced()
			continue
		}
		p.next()
	}
}

func (p *parser) withList(q *Query) {
	p.next()
	if p.is("function") && p.peek(2).isOp("(") {
		p.inlineFunctions()
		if !p.accept("with") {
			return
		}
	}
	q.Recursive = p.accept("recursive")
	for {
		before := p.pos
		if p.d == TSQL && (p.cur().isText("xmlnamespaces") || p.cur().isText("change_tracking_context")) && p.peek(1).isOp("(") {
			p.next()
			p.skipBalanced()
			if p.acceptOp(",") {
				continue
			}
			break
		}
		cte := p.cte()
		if cte != nil {
			q.With = append(q.With, cte)
		}
		if p.pos == before {
			break
		}
		if p.acceptOp(",") {
			if p.is("select", "insert", "update", "delete", "merge") && !p.peek(1).isWord("as") { // trailing comma
				break
			}
			p.accept("with") // seen in hand-written SQL
			continue
		}
		if p.cur().kind == tokTag && !p.startsQuery() {
			p.next()
			p.withTag = true
			p.acceptOp(",")
			if p.is("select") {
				break
			}
			continue
		}
		if p.isName(p.cur()) && (p.peek(1).isWord("as") && p.peek(2).isOp("(")) {
			p.problem("syntax", "missing comma between WITH entries", p.cur().span())
			continue
		}
		break
	}
}

func (p *parser) cte() *CTE {
	t := p.cur()
	if n := p.peek(1); t.kind == tokTag && !n.isWord("as") && !(n.glued && (n.kind != tokOp || n.isOp("("))) { // {{snippet: ctes}}
		p.next()
		p.withTag = true
		return nil
	}
	if p.d == ClickHouse && !((t.kind == tokWord || t.kind == tokQuoted) && (p.peek(1).isWord("as") && p.peek(2).isOp("(") && p.startsQueryAt(3) || p.peek(1).isOp("(") && p.cteColumns())) {
		if t.isWord("select") {
			return nil
		}
		// WITH expression AS name
		e := p.expr()
		c := &CTE{Expr: e, Span: e.Span}
		if p.accept("as") {
			c.Name = p.ident(p.next())
		}
		return c
	}
	if !p.isName(t) && t.kind != tokTag && !(t.kind == tokWord && p.peek(1).isWord("as")) && t.kind != tokString {
		p.problem("syntax", "expected a name in WITH before "+p.describe(), t.span())
		return nil
	}
	names := p.path()
	if names == nil {
		names = []Ident{p.ident(p.next())}
	}
	c := &CTE{Name: names[len(names)-1], Span: t.span()}
	if p.isOp("(") && !p.startsQueryAt(1) { // Spark leaves AS out: WITH t (SELECT …)
		c.Columns = p.identList()
	}
	if p.accept("using") { // DuckDB: USING KEY (…)
		p.accept("key")
		p.skipBalanced()
	}
	p.accept("as")
	p.accept("not")
	p.accept("materialized")
	if p.cur().kind == tokTag { // WITH c AS {{#12}}: Metabase puts the parentheses
		begin := p.cur().start
		c.Query = &Query{Body: p.tableFactor()}
		c.Query.Span = Span{begin, p.toks[p.pos-1].end}
		c.Span.End = c.Query.Span.End
		return c
	}
	if !p.acceptOp("(") {
		p.problem("syntax", "expected ( behind WITH "+c.Name.Text, p.cur().span())
		return c
	}
	switch {
	case p.startsQuery() || p.isOp("("):
		c.Query = p.query()
	case p.is("insert", "update", "delete", "merge"):
		begin := p.cur().start
		dml := p.dml()
		c.Query = &Query{Body: dml, Span: Span{begin, p.toks[p.pos-1].end}}
	case p.cur().kind == tokTag:
		begin := p.cur().start
		c.Query = &Query{Body: p.tableFactor()}
		c.Query.Span = Span{begin, p.toks[p.pos-1].end}
	default:
		p.problem("syntax", "expected a query in WITH "+c.Name.Text, p.cur().span())
	}
	p.expectClose(")")
	c.Span.End = p.toks[p.pos-1].end
	if p.cur().isText("search") || p.cur().isText("cycle") {
		p.marks(c)
	}
	return c
}

// cteColumns looks ahead from a "(" for ") AS (".
func (p *parser) cteColumns() bool { return p.cteColumnsAt(1) }

func (p *parser) cteColumnsAt(n int) bool {
	for i := n + 1; i < n+200; i++ {
		t := p.peek(i)
		if t.kind == tokEOF || t.isOp("(") {
			return false
		}
		if t.isOp(")") {
			return p.peek(i+1).isWord("as") && p.peek(i+2).isOp("(")
		}
	}
	return false
}

// setOps reads UNION, INTERSECT, EXCEPT behind a body. INTERSECT binds more
// tightly.
func (p *parser) setOps(left Body, minPrec int) Body {
	for {
		t := p.cur()
		prec, op, side := 0, t.word, ""
		switch t.word {
		case "union":
			prec = 1
		case "except", "minus":
			prec, op = 1, "except"
			if t.word == "minus" && !(p.peek(1).isWord("select", "all", "distinct", "with") || p.peek(1).isOp("(")) {
				return left
			}
		case "intersect":
			prec = 2
		case "full", "left", "inner", "outer": // BigQuery: FULL OUTER UNION …
			if p.setOpAhead() {
				side = t.word
				if side == "outer" {
					side = "full"
				}
				for !p.is("union", "intersect", "except") {
					p.next()
				}
				prec, op = 1, p.cur().word
				if op == "intersect" {
					prec = 2
				}
			}
		}
		if prec == 0 || prec < minPrec {
			return left
		}
		if p.depth++; p.depth > maxDepth*6 { // long chains are loops, not recursion; a bound against hostile text
			p.depth--
			p.problem("too_deep", "too many set operations", t.span())
			p.skipToClose()
			return left
		}
		p.depth--
		p.next()
		set := &SetOp{Op: op, Side: side, Left: left, Span: t.span()}
		set.All = p.accept("all")
		p.accept("distinct")
		p.acceptText("distinctrow")
		p.acceptText("strict")
		if p.acceptSeq("by", "name") {
			set.ByName = true
			if p.accept("on") {
				set.On = p.identList()
			}
		}
		if p.accept("corresponding") {
			set.ByName = true
			if set.Side == "" {
				set.Side = "inner"
			}
			if p.accept("by") {
				set.On = p.identList()
			}
		}
		set.Right = p.setOps(p.bodyPrimary(), prec+1)
		left = set
	}
}

// setOpAhead tells BigQuery's FULL OUTER UNION from a join.
func (p *parser) setOpAhead() bool {
	for n := range 3 {
		switch t := p.peek(n); {
		case t.isWord("union", "intersect", "except"):
			return true
		case !t.isWord("full", "left", "inner", "outer"):
			return false
		}
	}
	return false
}

// bodyPrimary reads one operand of a set operation.
func (p *parser) bodyPrimary() Body {
	t := p.cur()
	switch {
	case t.isOp("("):
		p.next()
		q := p.query()
		p.expectClose(")")
		if p.d == BigQuery && p.is("as") && p.isName(p.peek(1)) && (p.peek(2).kind == tokEOF || p.peek(2).isOp("|>") || p.peek(2).isOp(";") || p.peek(2).isOp(")") || p.peek(2).isWord("union", "intersect", "except", "limit", "order")) {
			p.next()
			p.next()
		}
		return q
	case t.isWord("select"):
		return p.selectBody(nil)
	case t.isWord("values"):
		return p.aliasedValues(p.valuesBody())
	case t.isWord("with"):
		return p.query()
	case t.isWord("table") && (p.peek(1).kind == tokWord || p.peek(1).kind == tokQuoted):
		p.next()
		return p.tableFactor()
	case t.isWord("from"):
		return p.fromFirst()
	case t.kind == tokTag:
		return p.tableFactor()
	case t.isWord("insert", "update", "delete", "merge"):
		return p.dml()
	case t.isText("sel"): // Teradata
		t.word = "select"
		return p.selectBody(nil)
	case p.d == DuckDB && p.duckQuery(0):
		return p.duckBody()
	case t.isWord("explain") && p.d == ClickHouse:
		return p.explainQuery()
	}
	p.problem("syntax", "expected a query before "+p.describe(), t.span())
	return &Select{Span: Span{t.start, t.start}}
}

// fromFirst reads FROM t [WHERE …] [SELECT …] of DuckDB, and the head of a
// BigQuery pipe query.
func (p *parser) fromFirst() Body {
	start := p.next()
	from := p.fromList()
	if p.is("select") {
		return p.selectBody(from)
	}
	s := &Select{From: from, Span: start.span()}
	s.Items = []SelectItem{{Expr: &Expr{Kind: ExprStar, Star: &Star{}, Span: start.span()}}}
	p.selectClauses(s)
	if p.is("select") {
		s2 := p.selectBody(from)
		if sel, ok := s2.(*Select); ok {
			sel.Where, sel.GroupBy, sel.Having = orExpr(sel.Where, s.Where), append(sel.GroupBy, s.GroupBy...), orExpr(sel.Having, s.Having)
		}
		return s2
	}
	return s
}

func orExpr(a, b *Expr) *Expr {
	if a != nil {
		return a
	}
	return b
}

func (p *parser) valuesBody() *Values {
	start := p.next()
	v := &Values{Span: start.span()}
	scalars := !p.isOp("(") && !p.is("row")
	for {
		p.accept("row")
		if !p.isOp("(") {
			if p.isOp(",") || p.eof() || !scalars {
				break
			}
			v.Rows = append(v.Rows, []*Expr{p.expr()}) // Spark, Trino: VALUES 1, 2
			if p.isOp(",") && p.startsExpr(p.peek(1)) && !p.peek(1).isWord("values") {
				p.next()
				continue
			}
			break
		}
		p.next()
		var row []*Expr
		for !p.eof() && !p.isOp(")") {
			before := p.pos
			row = append(row, p.expr())
			if p.accept("as") {
				p.next()
			}
			if p.pos == before || !p.acceptOp(",") {
				break
			}
		}
		p.expectClose(")")
		v.Rows = append(v.Rows, row)
		if !p.acceptOp(",") && !(p.d == ClickHouse && p.isOp("(")) {
			break
		}
	}
	v.Span.End = p.toks[p.pos-1].end
	return v
}

// aliasedValues reads what Spark and Snowflake allow behind VALUES (…) where it
// is a query: AS t(a, b).
func (p *parser) aliasedValues(v *Values) Body {
	if p.d != Spark && p.d != Databricks && p.d != Snowflake {
		return v
	}
	if !p.is("as") && !(p.isOp("(") && p.isName(p.peek(1))) && (!p.isName(p.cur()) || reservedTableAlias[p.cur().word]) {
		return v
	}
	p.made = true
	table := &Table{Kind: TableQuery, Query: &Query{Body: v, Span: v.Span}, Span: v.Span}
	if p.isOp("(") {
		table.AliasCols = p.identList()
	}
	p.tableTail(table)
	table.Span.End = p.toks[p.pos-1].end
	return table
}

func (p *parser) selectBody(from []*Table) Body {
	start := p.next()
	s := &Select{From: from, Span: start.span()}
	for {
		switch {
		case p.is("distinct"):
			p.next()
			s.Distinct = true
			if p.is("on") && p.peek(1).isOp("(") {
				p.next()
				p.next()
				s.DistinctOn = p.exprList()
				p.expectClose(")")
			}
			continue
		case p.is("all") && !p.peek(1).isOp(",") && !p.peek(1).isOp("(") && !p.peek(1).isOp("."):
			p.next()
			continue
		case p.is("top") && (p.peek(1).kind == tokNumber || p.peek(1).isOp("(") || p.peek(1).isOp("@") || p.peek(1).kind == tokTag || p.peek(1).kind == tokWord && strings.HasPrefix(p.peek(1).text, "@") || p.peek(1).isOp("?") || p.peek(1).isOp("$")):
			p.next()
			s.Top = p.primary()
			p.accept("percent")
			if p.is("with") && p.peek(1).isWord("ties") {
				p.next()
				p.next()
			}
			continue
		case p.is("with") && p.peek(1).kind == tokWord && (p.peek(1).isText("differential_privacy") || p.peek(1).isText("anonymization") || p.peek(1).isText("aggregation_threshold")):
			p.next()
			p.next()
			if p.acceptText("options") || p.accept("options") {
				p.skipParens()
			}
			continue
		case p.is("as") && (p.peek(1).isWord("struct") || p.peek(1).isText("value")):
			p.next()
			s.AsStruct = p.next().isWord("struct")
			continue
		case p.cur().isText("distinctrow") && p.d != Oracle && !p.peek(1).isOp(",") && !p.peek(1).isWord("from"):
			p.next()
			s.Distinct = true
			continue
		case p.is("straight_join", "high_priority", "sql_no_cache", "sql_calc_found_rows", "sql_small_result", "sql_big_result"):
			p.next()
			continue
		case p.cur().isText("sql_cache") || p.cur().isText("low_priority") || p.cur().isText("sql_buffer_result") || p.cur().isText("stream") && !p.peek(1).isOp(",") && p.peek(1).kind != tokOp || p.cur().isText("unique") && p.d == Oracle:
			p.next()
			continue
		}
		break
	}
	if !p.is("from", "into", "where") {
		s.Items = p.selectItems()
	}
	p.selectClauses(s)
	s.Span.End = p.toks[max(p.pos-1, 0)].end
	return s
}

func (p *parser) selectItems() []SelectItem {
	var items []SelectItem
	for !p.eof() && p.pos < p.stmtEnd {
		if p.is("from") || p.isOp(")") || p.isOp(";") || len(items) > 0 && p.is("union", "intersect") { // trailing comma
			break
		}
		items = append(items, p.selectItem())
		if p.acceptOp(",") {
			continue
		}
		if p.d == Redshift && p.is("exclude") {
			items = p.excludeItems(items)
			break
		}
		if p.cur().kind == tokTag && !p.peek(1).isOp(")") { // SELECT a {{snippet: more}} FROM
			tag := p.primary()
			items = append(items, SelectItem{Expr: tag, Span: tag.Span})
			p.acceptOp(",")
			continue
		}
		if p.selectEnds() {
			break
		}
		at := p.cur()
		if p.startsExpr(at) && !reserved[at.word] || at.kind == tokOp {
			p.problem("syntax", "unexpected "+p.describe()+" in the select list", at.span())
			p.skipToClause(true)
			if p.acceptOp(",") {
				continue
			}
		}
		break
	}
	return items
}

// selectEnds says whether a select list may end at the current token.
func (p *parser) selectEnds() bool {
	t := p.cur()
	return t.kind == tokEOF || t.isOp(")") || t.isOp(";") || t.isOp("|>") || t.isOp("}") || t.word != "" && reserved[t.word] || p.pos >= p.stmtEnd ||
		t.isWord("insert") && p.peek(1).isWord("into", "overwrite") || p.notAlias(t) ||
		t.isWord("qualify", "window", "prewhere", "format", "settings", "distribute", "cluster", "sort", "go", "do", "array", "sample", "lock", "procedure", "returning", "then") || p.t.semicolonless && t.kind == tokWord
}

func (p *parser) selectItem() SelectItem {
	t := p.cur()
	// SQL Server: alias = expression
	if (t.kind == tokWord || t.kind == tokQuoted || t.kind == tokString) && p.peek(1).isOp("=") && (p.d == TSQL) && !strings.HasPrefix(t.text, "@") {
		alias := p.ident(p.next())
		p.next()
		e := p.expr()
		return SelectItem{Expr: e, Alias: &alias, Span: t.span().join(e.Span)}
	}
	// DuckDB: alias: expression
	if (t.kind == tokWord || t.kind == tokQuoted) && p.peek(1).isOp(":") && p.d == DuckDB {
		alias := p.ident(p.next())
		p.next()
		e := p.expr()
		return SelectItem{Expr: e, Alias: &alias, Span: t.span().join(e.Span)}
	}
	e := p.expr()
	item := SelectItem{Expr: e, Span: e.Span}
	if e.Alias != nil {
		item.Alias = e.Alias
	}
	p.more = nil
	item.Alias = orIdent(item.Alias, p.alias())
	if item.Alias != nil {
		item.Span = item.Span.join(item.Alias.Span)
	}
	item.More, p.more = p.more, nil
	return item
}

func orIdent(a, b *Ident) *Ident {
	if b != nil {
		return b
	}
	return a
}

// alias reads [AS] name behind an expression.
func (p *parser) alias() *Ident {
	if p.accept("as") {
		t := p.cur()
		switch t.kind {
		case tokWord, tokQuoted, tokString:
			p.next()
			id := p.ident(t)
			for p.cur().kind == tokTag && p.cur().glued {
				id.Span.End = p.next().end
				id.Text = p.src[id.Span.Start:id.Span.End]
			}
			return &id
		case tokTag:
			p.next()
			id := Ident{Text: t.text, Span: t.span()}
			for (p.cur().kind == tokWord || p.cur().kind == tokTag) && p.cur().glued {
				id.Span.End = p.next().end
				id.Text = p.src[id.Span.Start:id.Span.End]
			}
			return &id
		case tokOp:
			if t.text == "(" { // lateral view style list: AS (a, b)
				list := p.identList()
				if len(list) > 0 {
					p.more = list[1:]
					return &list[0]
				}
			}
			if t.text == "@" || t.text == ":" {
				p.next()
				p.next()
				return nil
			}
		case tokNumber: // AS 2020 (MySQL, BigQuery reject; seen in the wild)
			p.next()
			id := Ident{Text: t.text, Span: t.span()}
			return &id
		}
		p.problem("syntax", "expected a name behind AS before "+p.describe(), t.span())
		return nil
	}
	t := p.cur()
	if p.notAlias(t) {
		return nil
	}
	switch {
	case t.isText("uescape") && p.peek(1).kind == tokString: // U&'…' UESCAPE '!'
		p.next()
		p.next()
		return p.alias()
	case t.kind == tokQuoted,
		t.kind == tokString && (t.quote == '\'' || t.quote == '"'),
		t.kind == tokWord && (!reservedAlias[t.word] || p.softAlias(t)) && !p.statementWord(t):
		p.next()
		id := p.ident(t)
		return &id
	}
	return nil
}

// notAlias keeps words that begin a clause here from becoming an alias.
func (p *parser) notAlias(t *token) bool {
	n := p.peek(1)
	switch {
	case t.isWord("insert") && n.isWord("into", "overwrite"): // FROM t INSERT … SELECT … INSERT …
		return true
	case t.isWord("values") && n.isOp("("), t.isWord("default") && n.isWord("values"): // OUTPUT inserted.a VALUES (…)
		return true
	case p.d == TSQL && n.isOp(":"), p.d == Redshift && t.isWord("exclude"), t.isText("bulk") && n.isText("collect"):
		return true
	case t.isText("distributed") && (n.isText("randomly") || n.isText("replicated") || n.isWord("by")):
		return true
	}
	if p.d != ClickHouse {
		return false
	}
	return t.isWord("format") && n.kind == tokWord || t.isWord("settings") && n.kind == tokWord && p.peek(2).isOp("=") || t.isWord("comment") && n.kind == tokString
}

// softAlias tells a word that only some dialects reserve from a clause of that
// name: at the end of a query or list it is an alias.
func (p *parser) softAlias(t *token) bool {
	return t.isWord("apply", "prewhere", "outer", "connect", "start", "minus", "escape", "at", "over", "pivot", "unpivot", "window", "qualify") && p.afterValue(p.peek(1)) && p.d != ClickHouse && p.d != TSQL && p.d != Oracle
}

// statementWord says whether a bare word begins the next statement in a dialect
// that needs no semicolons.
func (p *parser) statementWord(t *token) bool {
	if !p.t.semicolonless {
		return false
	}
	return t.isWord("go", "declare", "insert", "update", "delete", "drop", "create", "alter", "exec", "execute", "if", "else", "begin", "end", "print", "while", "return", "merge", "truncate", "set", "use", "deallocate") ||
		p.cursorWord(t)
}

// selectClauses reads the clauses of a SELECT in whatever order they stand.
func (p *parser) selectClauses(s *Select) {
	for !p.eof() && p.pos < p.stmtEnd {
		t := p.cur()
		switch t.word {
		case "into":
			p.next()
			p.into(s)
			continue
		case "from":
			p.next()
			outer := p.fromTag
			p.fromTag = nil
			s.From = append(s.From, p.fromList()...)
			s.FromTag, p.fromTag = p.fromTag, outer
			continue
		case "prewhere":
			p.next()
			s.Prewhere = p.condition()
			continue
		case "where":
			p.next()
			s.Where = p.and(s.Where, p.condition())
			continue
		case "start":
			if p.peek(1).isWord("with") {
				p.next()
				p.next()
				s.StartWith = p.condition()
				continue
			}
		case "connect":
			if p.peek(1).isWord("by") {
				p.next()
				p.next()
				p.accept("nocycle")
				s.ConnectBy = p.condition()
				continue
			}
		case "group":
			if p.peek(1).isWord("by") {
				p.next()
				p.next()
				p.groupBy(s)
				continue
			}
		case "having":
			p.next()
			s.Having = p.condition()
			continue
		case "qualify":
			p.next()
			s.Qualify = p.condition()
			continue
		case "window":
			if p.peek(2).isWord("as") {
				p.next()
				for {
					name := p.ident(p.next())
					p.accept("as")
					if p.isOp("(") {
						s.Windows = append(s.Windows, NamedWindow{name, p.windowSpec()})
					} else if p.isName(p.cur()) { // BigQuery: WINDOW a AS b
						base := p.ident(p.next())
						s.Windows = append(s.Windows, NamedWindow{name, &Window{Base: &base}})
					}
					if !p.acceptOp(",") {
						break
					}
				}
				continue
			}
		case "sample":
			p.next()
			p.expr()
			if p.accept("offset") {
				p.expr()
			}
			continue
		case "cluster", "distribute", "sort":
			if p.peek(1).isWord("by") {
				p.next()
				p.next()
				s.GroupBy = append(s.GroupBy, p.orderItems()...)
				continue
			}
		case "lateral":
			if p.peek(1).isWord("view") && len(s.From) > 0 {
				s.From[len(s.From)-1] = p.lateralView(s.From[len(s.From)-1])
				continue
			}
		case "with":
			if p.peek(1).isWord("rollup", "cube") || p.peek(1).isText("totals") {
				p.next()
				p.next()
				continue
			}
		case "model":
			if p.d == Oracle {
				p.model(s)
				continue
			}
		}
		if t.kind == tokTag {
			p.fragmentTag(s)
			continue
		}
		if t.isText("bulk") && p.peek(1).isText("collect") { // Oracle: BULK COLLECT INTO
			p.next()
			p.next()
			continue
		}
		return
	}
}

// fragmentTag takes a tag that stands where a clause could: {{filters}} behind
// FROM or WHERE, as templates write it.
func (p *parser) fragmentTag(s *Select) {
	t := p.next()
	if s.Where == nil && t.tag.Kind == TagSnippet && len(s.From) > 0 && len(s.GroupBy) == 0 {
		s.FromTag = t.tag
	}
	e := &Expr{Kind: ExprTag, Tag: t.tag, Span: t.span()}
	s.Where = p.and(s.Where, e)
	if p.is("and", "or") {
		p.next()
		s.Where = p.and(s.Where, p.condition())
	}
}

func (p *parser) and(a, b *Expr) *Expr {
	if a == nil {
		return b
	}
	return p.binary("and", a, b)
}

// condition reads a boolean expression; what stands in optional blocks may
// leave AND or OR dangling at either end.
// clauseEnds says whether a clause may end at a token.
// queryTail reads what may stand behind a whole query.
