package sqllens

// tableTail reads samples, versions, hints, alias and pivots behind a table.
func (p *parser) tableTail(table *Table) {
	aliased := table.Alias != nil
	p.hint()
	for !p.eof() && p.pos < p.stmtEnd {
		t := p.cur()
		switch {
		case t.isWord("for") && (p.peek(1).isText("system_time") || p.peek(1).isWord("system", "version") || p.peek(1).isText("version") || p.peek(1).isText("portion") || p.peek(1).isWord("timestamp") || p.peek(1).isText("system_version") || p.peek(1).isWord("versions")):
			p.next()
			p.next()
			p.version()
		case t.isWord("versions") || (t.isText("version") || t.isWord("timestamp") || t.isText("system_version")) && p.peek(1).isWord("as") && (p.peek(2).isWord("of") || p.peek(2).isText("of")):
			p.next()
			p.version()
		case t.isWord("as") && (p.peek(1).isWord("of") || p.peek(1).isText("of")) && (p.d == Oracle || p.peek(2).isWord("timestamp") || p.peek(2).isText("scn")):
			p.version()
		case (t.isWord("at") || t.isText("before") || t.isText("changes") || t.isText("end")) && p.peek(1).isOp("(") && (p.d == Snowflake || p.d == DuckDB && t.isWord("at")):
			p.next()
			p.skipBalanced()
		case (t.isWord("partition") || t.isText("subpartition")) && p.peek(1).isOp("("), t.isWord("partition") && p.peek(1).isWord("for") && p.peek(2).isOp("("):
			p.next()
			p.accept("for")
			p.skipBalanced()
		case t.isWord("tablesample", "sample") && (t.isWord("tablesample") || p.peek(1).isOp("(") || p.peek(1).kind == tokNumber || p.peek(1).isWord("bernoulli", "system", "row") || p.peek(1).isText("block")):
			p.next()
			p.accept("bernoulli", "system", "row")
			p.acceptText("block")
			p.acceptText("reservoir")
			p.acceptText("poisson")
			if p.isOp("(") {
				p.skipBalanced()
			} else if p.percentLimit() {
				p.skipParens()
			} else {
				p.exprPrec(precOther)
				p.accept("percent", "rows")
				if p.acceptOp("%") {
					p.skipParens()
				}
			}
			if p.cur().isText("repeatable") || p.cur().isText("seed") {
				p.next()
				p.skipBalanced()
			}
			if p.accept("offset") {
				p.exprPrec(precOther)
			}
		case t.isWord("final") && (p.d == ClickHouse || p.d == Generic):
			p.next()
		case aliased && t.isWord("at") && p.d == Redshift && p.isName(p.peek(1)) && !p.peek(1).isWord("time"): // c.list AS value AT index
			p.next()
			at := p.ident(p.next())
			table.Offset = &at
		case t.isWord("with") && p.peek(1).isWord("ordinality"):
			p.next()
			p.next()
			table.Ordinality = true
		case t.isWord("with") && p.peek(1).isWord("offset"):
			p.next()
			off := p.ident(p.next())
			if p.accept("as") || p.isName(p.cur()) && !reservedTableAlias[p.cur().word] && !p.is("offset") {
				off = p.ident(p.next())
			}
			table.Offset = &off
		case t.isWord("with") && p.peek(1).isOp("(") && table.Kind == TableFunc && p.d == TSQL && !aliased: // OPENJSON(…) WITH (columns)
			p.next()
			table.Columns = append(table.Columns, p.identList()...)
		case t.isWord("with") && p.peek(1).isOp("("):
			p.next()
			p.skipBalanced()
		case t.isWord("with") && p.d == TSQL && table.Kind == TableFunc && !aliased && p.isName(p.peek(1)) && !p.peek(2).isWord("as") && !p.peek(2).isOp("("): // OPENXML(…) WITH t
			p.next()
			p.path()
		case t.isWord("on") && p.d == ClickHouse && p.peek(1).isWord("cluster") && p.peek(2).kind != tokOp:
			p.next()
			p.next()
			p.next()
		case t.isOp("(") && p.tableHint():
			p.skipBalanced()
		case t.isWord("use", "force", "ignore") && p.peek(1).isWord("index", "key"):
			p.next()
			p.next()
			if p.accept("for") {
				p.accept("join", "order", "group")
				p.accept("by")
			}
			p.skipBalanced()
		case (t.isText("indexed") && p.peek(1).isWord("by")):
			p.next()
			p.next()
			p.path()
		case t.isWord("not") && p.peek(1).isText("indexed"):
			p.next()
			p.next()
		case t.isWord("pivot", "unpivot") && p.pivotHere(), t.isWord("match_recognize") && p.peek(1).isOp("("):
			table.Span.End = max(table.Span.End, p.toks[p.pos-1].end)
			old := *table
			*table = *p.pivot(&old)
			aliased = table.Alias != nil
		case !aliased && t.isWord("as") && p.peek(1).isOp("("): // function AS (a int, b text)
			p.next()
			table.AliasCols = p.identList()
			aliased = true
		case !aliased && t.isWord("as"):
			p.next()
			n := p.cur()
			if n.kind != tokWord && n.kind != tokQuoted && n.kind != tokString && n.kind != tokTag {
				p.problem("syntax", "expected a name behind AS before "+p.describe(), n.span())
				return
			}
			alias := p.ident(p.next())
			table.Alias = &alias
			aliased = true
			if p.isOp("(") && !p.tableHint() {
				table.AliasCols = p.identList()
			}
		case !aliased && (t.kind == tokQuoted || t.kind == tokString && t.quote != '$' && (t.quote == '"' || p.d == MySQL || p.d == Snowflake || p.d == Generic) || t.kind == tokWord && (!reservedTableAlias[t.word] || p.softAlias(t)) && !p.statementWord(t) && !p.notTableAlias(t)):
			alias := p.ident(p.next())
			table.Alias = &alias
			aliased = true
			if p.isOp("(") && !p.tableHint() {
				table.AliasCols = p.identList()
			}
		default:
			return
		}
	}
}

func (p *parser) skipParens() {
	if p.isOp("(") {
		p.skipBalanced()
	}
}

// notTableAlias keeps a few soft words from becoming an alias.
func (p *parser) notTableAlias(t *token) bool {
	n := p.peek(1)
	switch {
	case t.isWord("comment") && n.kind == tokString && p.d == ClickHouse, t.isText("log") && n.isText("errors"):
		return true
	case t.isText("distributed") && (n.isText("randomly") || n.isText("replicated") || n.isWord("by")), t.isText("directed") && n.isWord("join"):
		return true
	case t.isText("outfile"), t.isText("match_condition") && n.isOp("("), t.isText("indexed") && n.isWord("by"), t.isText("output") && p.d == TSQL:
		return true
	case t.isWord("any", "all") && n.isWord("join", "left", "inner"):
		return true
	case t.isWord("lock") && n.isWord("in"), t.isWord("format", "settings") && p.d == ClickHouse, t.isWord("sort", "cluster", "distribute") && n.isWord("by"):
		return true
	case t.isWord("window") && p.peek(2).isWord("as"), t.isWord("limit", "offset"):
		return true
	case t.isText("before") && n.isText("system_time"), t.isText("loop") && n.isWord("join"), t.isText("hash") && n.isWord("join"), t.isText("paste") && n.isWord("join"):
		return true
	case t.isText("changes") && n.isOp("("), t.isText("before") && n.isOp("("):
		return p.d == Snowflake
	}
	return false
}

// version reads AS OF expr, BETWEEN x AND y, FROM x TO y, ALL.
func (p *parser) version() {
	if p.toks[p.pos-1].isText("portion") { // FOR PORTION OF name FROM … TO …
		if p.accept("of") || p.acceptText("of") {
			p.next()
		}
	}
	p.accept("timestamp")
	p.acceptText("time")
	p.accept("time")
	if p.accept("all") {
		return
	}
	if p.accept("as") {
		p.accept("of")
		p.acceptText("of")
		p.acceptText("scn")
		if p.is("timestamp") && p.peek(1).kind != tokString {
			p.next()
		}
		p.exprPrec(precOther)
		return
	}
	if p.acceptText("contained") {
		p.accept("in")
		p.skipParens()
		return
	}
	if p.accept("between", "from") {
		if p.is("timestamp") && p.peek(1).kind != tokString {
			p.next()
		}
		p.exprPrec(precOther)
		if p.accept("and") || p.accept("to") || p.acceptText("to") {
			p.exprPrec(precOther)
		}
	}
}
