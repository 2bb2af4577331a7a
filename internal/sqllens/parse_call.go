package sqllens

import "strings"

// primaryWord reads an expression that begins with an unquoted word.
func (p *parser) primaryWord() *Expr {
	t := p.cur()
	n := p.peek(1)
	switch t.word {
	case "null":
		p.next()
		return &Expr{Kind: ExprLiteral, Op: "null", Text: "null", Span: t.span()}
	case "true", "false":
		if !n.isOp("(") && (!n.isOp(".") || !n.glued) {
			p.next()
			return &Expr{Kind: ExprLiteral, Op: "bool", Text: t.word, Span: t.span()}
		}
	case "case":
		if !n.isOp(".") {
			return p.caseExpr()
		}
	case "cast", "try_cast", "safe_cast":
		if n.isOp("(") {
			return p.castCall()
		}
	case "convert", "try_convert":
		if n.isOp("(") {
			return p.convertCall()
		}
	case "extract":
		if n.isOp("(") {
			return p.extractCall()
		}
	case "exists":
		if n.isOp("(") && p.startsQueryAt(2) {
			p.next()
			arg := p.paren()
			return &Expr{Kind: ExprExists, Query: arg.Query, Args: exprArgs(arg), Span: t.span().join(arg.Span)}
		}
	case "interval":
		if e := p.interval(); e != nil {
			return e
		}
	case "array":
		if n.isOp("[") {
			p.next()
			e := p.arrayLiteral()
			e.Span.Start = t.start
			return e
		}
		if n.isOp("<") {
			p.next()
			names := p.typeFields()
			if p.isOp("[") {
				e := p.arrayLiteral()
				e.Span.Start, e.Params = t.start, names
				return e
			}
			if p.isOp("(") {
				e := p.paren()
				e.Span.Start = t.start
				return e
			}
			return &Expr{Kind: ExprArray, Span: t.span()}
		}
	case "struct", "map", "row":
		if n.isOp("<") && t.word == "struct" {
			p.next()
			names := p.typeFields()
			if p.isOp("(") {
				e := p.callArgs(&Expr{Kind: ExprStruct, Span: t.span()})
				e.Params = names
				return e
			}
			return &Expr{Kind: ExprStruct, Span: t.span()}
		}
		if n.isOp("(") && t.word != "map" {
			p.next()
			e := p.callArgs(&Expr{Kind: ExprStruct, Span: t.span()})
			if p.is("over") { // a function of that name
				e.Kind, e.Name = ExprFunc, []Ident{p.ident(t)}
				return p.callTail(e)
			}
			return e
		}
		if (n.isOp("{") || n.isOp("[")) && t.word == "map" {
			p.next()
			if p.isOp("{") {
				e := p.braces()
				e.Span.Start = t.start
				return e
			}
			e := p.arrayLiteral()
			e.Span.Start = t.start
			return e
		}
	case "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user", "session_user":
		if !n.isOp(".") || !n.glued {
			p.next()
			e := &Expr{Kind: ExprFunc, Name: []Ident{{Text: t.text, Span: t.span()}}, Span: t.span()}
			if p.isOp("(") && !p.peek(1).isOp("+") {
				p.callArgs(e)
			}
			return e
		}
	case "substring", "trim", "position", "overlay":
		if n.isOp("(") {
			return p.keywordArgs()
		}
	case "if":
		if n.isOp("(") {
			return p.nameOrCall()
		}
	case "columns":
		if n.isOp("(") && p.d == DuckDB {
			p.next()
			open := p.next()
			e := &Expr{Kind: ExprStar, Star: &Star{}, Span: t.span().join(open.span())}
			if p.acceptOp("*") {
				p.starTail(e)
			} else {
				e.Star.Pattern = p.src[p.cur().start:p.cur().end]
				arg := p.expr()
				if arg.Kind == ExprLambda {
					e.Star.Pattern = "lambda"
				}
			}
			e.Span.End = p.cur().end
			p.expectClose(")")
			return e
		}
	case "any", "all", "some":
		if n.isOp("(") {
			p.next()
			e := p.paren()
			e.Span.Start = t.start
			if e.Kind == ExprQuery || p.d != ClickHouse && p.d != DuckDB && p.d != BigQuery && p.d != Snowflake {
				return e
			}
			return p.callTail(&Expr{Kind: ExprFunc, Name: []Ident{p.ident(t)}, Args: exprArgs(e), Span: e.Span})
		}
	case "next", "":
		if t.isText("match") && n.isOp("(") && p.d == TSQL { // of a graph: a pattern over the tables of FROM
			p.next()
			p.skipBalanced()
			return &Expr{Kind: ExprFunc, Name: []Ident{p.ident(t)}, Call: &Call{}, Span: Span{t.start, p.toks[p.pos-1].end}}
		}
		if t.isText("approximate") && p.d == Redshift && n.kind == tokWord && p.peek(2).isOp("(") {
			p.next()
			return p.primary()
		}
		if t.isText("transform") && n.isOp("(") && (p.d == Spark || p.d == Databricks) {
			return p.hiveTransform()
		}
		if (n.isWord("value") || n.isText("value")) && (t.word != "" || t.isText("previous")) && p.peek(2).isWord("for") { // NEXT VALUE FOR seq
			p.next()
			p.next()
			p.accept("for")
			p.path()
			return p.callTail(&Expr{Kind: ExprFunc, Name: []Ident{{Text: "next_value"}}, Span: Span{t.start, p.toks[p.pos-1].end}})
		}
	case "default":
		if !n.isOp(".") && !n.isOp("(") {
			p.next()
			return &Expr{Kind: ExprLiteral, Op: "default", Text: "default", Span: t.span()}
		}
	case "values":
		if n.isOp("(") { // MySQL: VALUES(col) in ON DUPLICATE KEY
			return p.nameOrCall()
		}
	case "explain":
		if p.startsQuery() {
			q := p.query()
			return &Expr{Kind: ExprQuery, Query: q, Span: q.Span}
		}
	case "select", "with":
		if t.word == "with" && n.isOp("(") && p.d == BigQuery {
			return p.withExpression()
		}
		// a subquery without parentheses, as in ARRAY(SELECT …) or IF EXISTS SELECT
		q := p.query()
		return &Expr{Kind: ExprQuery, Query: q, Span: q.Span}
	case "left", "right", "replace", "insert", "truncate", "mod", "row_number", "char", "first", "last", "grouping":
		if n.isOp("(") || n.isOp(".") {
			return p.nameOrCall()
		}
	}
	if n.kind == tokString && n.quote == '"' && p.t.doubleQuoteText && (literalTypes[t.word] || p.d == BigQuery && t.word == "" && p.typeLiteral(t)) {
		p.next()
		end := p.next()
		return &Expr{Kind: ExprLiteral, Op: "typed", Text: p.src[t.start:end.end], Span: t.span().join(end.span())}
	}
	if (p.d == Postgres || p.d == Redshift || p.d == DuckDB) && n.kind == tokString && n.quote == '\'' && !n.glued && !reserved[t.word] && !t.isWord("escape", "comment", "separator", "default", "format", "interval") { // every type may be written before a string
		p.next()
		end := p.next()
		return &Expr{Kind: ExprLiteral, Op: "typed", Text: p.src[t.start:end.end], Span: t.span().join(end.span())}
	}
	if literalTypes[t.word] && n.kind == tokString && n.quote == '\'' || t.word == "" && n.kind == tokString && n.quote == '\'' && p.typeLiteral(t) {
		p.next()
		end := p.next()
		return &Expr{Kind: ExprLiteral, Op: "typed", Text: p.src[t.start:end.end], Span: t.span().join(end.span())}
	}
	if (t.word == "timestamp" || t.word == "time") && n.isWord("with") || n.isText("without") && (t.word == "timestamp" || t.word == "time") {
		typ := p.typeName()
		if p.cur().kind == tokString {
			end := p.next()
			return &Expr{Kind: ExprLiteral, Op: "typed", Text: p.src[t.start:end.end], Span: typ.Span.join(end.span())}
		}
	}
	if p.isName(t) || t.isWord("by", "into", "like", "and", "or", "in", "not") && n.isOp("(") && (p.d == ClickHouse || !t.isWord("and", "or", "in", "not")) || p.d == ClickHouse && t.isWord("like") && p.afterValue(n) {
		return p.nameOrCall()
	}
	p.problem("syntax", "expected an expression before "+p.describe(), t.span())
	return &Expr{Kind: ExprUnknown, Span: Span{t.start, t.start}}
}

// afterValue says whether an expression may end before a token.
func (p *parser) afterValue(t *token) bool {
	return t.kind == tokEOF || t.isOp(",") || t.isOp(")") || t.isOp(";") || t.isWord("from", "as")
}

// typeLiteral says whether a word before a string names a type.
func (p *parser) typeLiteral(t *token) bool {
	switch strings.ToLower(t.text) {
	case "timestamptz", "timetz", "numeric", "decimal", "bignumeric", "bigdecimal", "uuid", "inet", "cidr", "point", "box", "circle",
		"lseg", "path", "polygon", "jsonb", "bytea", "bytes", "bit", "varbit", "macaddr", "money", "float", "float8", "int", "integer",
		"bigint", "smallint", "double", "real", "text", "varchar", "char", "bool", "boolean", "hllsketch", "ipaddress", "range", "regclass", "xml", "timestamp_ntz", "timestamp_ltz":
		return true
	}
	return false
}

func exprArgs(e *Expr) []*Expr {
	if e.Kind == ExprList {
		return e.Args
	}
	return []*Expr{e}
}

// nameOrCall reads a column path, a star with qualifier, or a function call.
func (p *parser) nameOrCall() *Expr {
	first := p.cur()
	names := p.path()
	if names == nil {
		p.next()
		names = []Ident{p.ident(first)}
	}
	span := names[0].Span.join(names[len(names)-1].Span)
	e := p.node(Expr{Kind: ExprColumn, Name: names, Span: span})
	switch {
	case p.isOp("(") && (!p.peek(1).isOp("+") || !p.peek(2).isOp(")")):
		e.Kind = ExprFunc
		return p.callTail(p.callArgs(e))
	case p.isOp(".") && p.peek(1).isOp("*"):
		p.next()
		end := p.next()
		e.Kind, e.Star = ExprStar, &Star{}
		e.Span = span.join(end.span())
		p.starTail(e)
	case p.isOp("!") && p.cur().glued && p.peek(1).glued && p.peek(1).kind == tokWord && p.d == Snowflake: // object!method
		p.next()
		e.Name = append(e.Name, p.path()...)
		if p.isOp("(") {
			e.Kind = ExprFunc
			return p.callTail(p.callArgs(e))
		}
	case p.isOp("@") && p.d == Oracle && p.cur().glued: // name@link
		p.next()
		p.path()
		if p.isOp("(") {
			e.Kind = ExprFunc
			return p.callTail(p.callArgs(e))
		}
	}
	return e
}

// callArgs reads ( … ) behind a function's name.
func (p *parser) callArgs(e *Expr) *Expr {
	p.next()
	call := &Call{}
	e.Call = call
	if p.accept("distinct") {
		call.Distinct = true
		if p.is("on") && p.peek(1).isOp("(") {
			p.next()
			p.skipBalanced()
		}
	} else if p.is("all") && !p.peek(1).isOp(")") && !p.peek(1).isOp(",") && p.peek(1).kind != tokOp {
		p.next()
	}
	for !p.eof() && !p.isOp(")") {
		before := p.pos
		if p.is("default") && len(e.Args) > 0 && !p.toks[p.pos-1].isOp(",") && !p.peek(1).isWord("on") { // JSON_VALUE(… DEFAULT 1 ON EMPTY)
			p.next()
			e.Args = append(e.Args, p.expr())
			continue
		}
		if !p.callOption(e) {
			e.Args = append(e.Args, p.argument())
		}
		if p.acceptOp(",") {
			continue
		}
		if p.isOp(")") {
			break
		}
		if p.pos == before || !p.isCallOption() {
			p.expectClose(")")
			e.Span.End = p.toks[max(p.pos-1, 0)].end
			return e
		}
	}
	e.Span.End = p.cur().end
	p.expectOp(")")
	return e
}

// isCallOption reports whether an option of an aggregate or table function
// stands here.
func (p *parser) isCallOption() bool {
	t := p.cur()
	if t.isWord("group") && p.d == BigQuery || t.isWord("settings") && p.d == ClickHouse {
		return true
	}
	if t.isWord("order", "limit", "separator", "ignore", "respect", "having", "using", "within", "partition", "on", "columns", "returning", "format", "from", "for", "default", "with", "cluster", "distribute", "sort", "options", "as", "model", "where", "by", "null", "true", "false", "dimension", "exclude", "include", "range") {
		return true
	}
	return t.isText("passing") || t.isText("null") || t.isText("absent") || t.isText("error") || t.isText("wrapper") || t.isText("keep") || t.isText("omit") || t.isText("without") || t.isText("strict") || t.isText("lax") || t.isText("entityescaping") || t.isText("noentityescaping") || t.isText("indent") || t.isText("version") || t.isText("placing") || t.isText("filter") || t.isText("unconditional") || t.isText("conditional") || t.isText("aggregate") || t.kind == tokString || t.kind == tokTag || t.isText("value") || t.isText("copartition") || t.isText("prune") || t.isText("style") || t.isText("collate")
}

// callOption reads one option inside a call's parentheses. It reports false
// when an ordinary argument stands here.
func (p *parser) callOption(e *Expr) bool {
	t := p.cur()
	switch t.word {
	case "order":
		if p.peek(1).isWord("by") {
			p.next()
			p.next()
			e.Call.OrderBy = p.orderItems()
			return true
		}
		if p.peek(1).isOp("(") && len(e.Args) > 0 && p.d == TSQL { // OPENROWSET(BULK …, ORDER (a ASC) UNIQUE)
			p.next()
			p.skipBalanced()
			p.accept("unique")
			return true
		}
	case "partition":
		if p.peek(1).isWord("by") {
			p.next()
			p.next()
			e.Args = append(e.Args, p.exprList()...)
			return true
		}
	case "cluster", "distribute", "sort":
		if p.peek(1).isWord("by") {
			p.next()
			p.next()
			p.orderItems()
			return true
		}
	case "limit":
		if len(e.Args) > 0 {
			p.next()
			p.expr()
			return true
		}
	case "separator":
		if len(e.Args) > 0 && !p.afterValue(p.peek(1)) {
			p.next()
			p.expr()
			return true
		}
	case "ignore", "respect":
		if p.peek(1).isWord("nulls") {
			p.next()
			p.next()
			e.Call.IgnoreNulls = true
			return true
		}
	case "having":
		if len(e.Args) > 0 {
			p.next()
			p.acceptText("max")
			p.acceptText("min")
			e.Args = append(e.Args, p.expr())
			return true
		}
	case "using":
		if len(e.Args) > 0 {
			p.next()
			if p.isOp("*") {
				p.next()
			} else {
				e.Args = append(e.Args, p.exprList()...)
			}
			return true
		}
	case "on":
		if len(e.Args) > 0 { // ON OVERFLOW, ON ERROR, ON NULL
			p.next()
			for !p.eof() && !p.isOp(")") && !p.isOp(",") && !p.is("within") {
				if p.isOp("(") {
					p.skipBalanced()
					continue
				}
				p.next()
			}
			return true
		}
	case "table":
		if n := p.peek(1); n.kind == tokWord || n.kind == tokQuoted {
			p.next()
			e.Args = append(e.Args, &Expr{Kind: ExprQuery, Query: &Query{Body: p.tableFactor(), Span: t.span()}, Span: t.span()})
			return true
		}
	case "group":
		if len(e.Args) > 0 && p.peek(1).isWord("by") && p.d == BigQuery { // sum(avg(a) GROUP BY b)
			p.next()
			p.next()
			e.Args = append(e.Args, p.exprList()...)
			return true
		}
	case "settings":
		if len(e.Args) > 0 && p.d == ClickHouse {
			for !p.eof() && !p.isOp(")") {
				if p.isOp("(") {
					p.skipBalanced()
					continue
				}
				p.next()
			}
			return true
		}
	case "returning", "format", "default", "null", "with", "from", "for", "as", "true", "false", "where", "by", "range":
		if len(e.Args) == 0 || t.isWord("null", "default", "true", "false") && !p.peek(1).isWord("on") || t.isWord("format", "range") && p.peek(1).isOp("(") || p.toks[p.pos-1].isOp(",") {
			return false
		}
		p.next()
		switch {
		case t.word == "as" || t.word == "returning" || t.word == "format":
			p.typeName()
			if t.word == "format" && p.acceptText("encoding") {
				p.next()
			}
		case p.isOp(")") || p.isOp(","):
		case p.isOp("("):
			p.skipBalanced()
		case p.is("on"):
		case t.word == "with" || t.word == "null":
			p.next()
		default:
			e.Args = append(e.Args, p.expr())
		}
		return true
	case "columns":
		if len(e.Args) > 0 && p.peek(1).isOp("(") {
			p.next()
			p.skipBalanced()
			return true
		}
	case "model":
		if p.peek(1).kind == tokQuoted || p.peek(1).kind == tokWord {
			p.next()
			p.path()
			e.Args = append(e.Args, &Expr{Kind: ExprLiteral, Op: "string", Span: t.span()})
			return true
		}
	}
	if t.kind == tokWord && len(e.Args) > 0 && t.word == "" {
		if t.isText("passing") || t.isText("placing") || t.isText("omit") || t.isText("absent") || t.isText("error") || t.isText("wrapper") || t.isText("without") || t.isText("keep") || t.isText("version") || t.isText("indent") {
			p.next()
			for p.acceptText("by") || p.acceptText("value") || p.accept("by", "on", "null", "array", "unique", "true", "false") || p.acceptText("wrapper") || p.acceptText("keys") || p.acceptText("quotes") || p.acceptText("no") || p.accept("no") || p.acceptText("ref") || p.acceptText("size") {
				continue
			}
			if !p.isOp(")") && !p.isOp(",") && !p.isCallOption() {
				e.Args = append(e.Args, p.argument())
			}
			return true
		}
	}
	return false
}

// argument reads one function argument: name => value, lambda, alias, query.
func (p *parser) argument() *Expr {
	t := p.cur()
	if (t.kind == tokWord || t.kind == tokQuoted) && (p.peek(1).isOp("=>") || p.peek(1).isOp(":=") && p.d != MySQL && p.d != MariaDB) {
		name := p.ident(p.next())
		p.next()
		value := p.argument()
		return &Expr{Kind: ExprNamed, Alias: &name, Args: []*Expr{value}, Span: name.Span.join(value.Span)}
	}
	if t.isText("key") && len(t.text) == 3 && p.d == Oracle && p.isName(p.peek(1)) { // JSON_OBJECTAGG(KEY a VALUE b)
		p.next()
		return p.argument()
	}
	if p.d == TSQL {
		if t.isWord("language") && (p.peek(1).kind == tokNumber || p.peek(1).kind == tokString) { // CONTAINS(…, LANGUAGE 1033)
			p.next()
			return p.argument()
		}
	}
	if t.isText("variadic") && p.startsExpr(p.peek(1)) && !p.peek(1).isOp("(") { // PostgreSQL: f(VARIADIC array)
		p.next()
		return p.argument()
	}
	if t.isText("lambda") && (p.peek(1).kind == tokWord || p.peek(1).isOp("(")) && p.d == DuckDB { // lambda x: expr
		p.next()
		var params []Ident
		for !p.eof() && !p.isOp(":") && !p.isOp(")") {
			if n := p.next(); n.kind == tokWord {
				params = append(params, p.ident(n))
			}
		}
		p.acceptOp(":")
		body := p.expr()
		return &Expr{Kind: ExprLambda, Params: params, Args: []*Expr{body}, Span: t.span().join(body.Span)}
	}
	if p.isOp("(") && p.d == Snowflake {
		if e := p.typedLambda(); e != nil {
			return e
		}
	}
	var e *Expr
	if p.startsQuery() && !p.isOp("(") {
		q := p.query()
		e = &Expr{Kind: ExprQuery, Query: q, Span: q.Span}
	} else {
		e = p.expr()
	}
	switch {
	case p.is("as") && !p.peek(1).isOp("("):
		p.next()
		if p.cur().kind == tokWord || p.cur().kind == tokQuoted || p.cur().kind == tokString {
			alias := p.ident(p.cur())
			p.typeName() // an alias, or a type as in CAST-like functions
			e.Alias = &alias
		}
	case p.cur().kind == tokWord && !reserved[p.cur().word] && !p.isCallOption() && p.peek(1).isOp("->"):
		// typed lambda parameter: x INT -> …
		p.next()
		if p.isOp("->") && e.Kind == ExprColumn {
			p.next()
			body := p.expr()
			return &Expr{Kind: ExprLambda, Params: lambdaParams(e), Args: []*Expr{body}, Span: e.Span.join(body.Span)}
		}
	case p.is("asc", "desc"):
		p.next()
		if p.accept("nulls") {
			p.next()
		}
	case p.isOp(":") && !p.peek(1).glued && (p.d == DuckDB): // JSON_OBJECT('a': 1)
		p.next()
		v := p.expr()
		e = &Expr{Kind: ExprList, Args: []*Expr{e, v}, Span: e.Span.join(v.Span)}
	case p.isOp(":") || p.cur().isText("value") && !p.peek(1).isOp(")") && !p.peek(1).isOp(","):
		p.next()
		v := p.expr()
		e = &Expr{Kind: ExprList, Args: []*Expr{e, v}, Span: e.Span.join(v.Span)}
	case p.cur().kind == tokString && e.Kind == ExprLiteral:
		p.next()
	case p.cur().kind == tokTag: // f(a {{snippet}})
		tag := p.primary()
		e = &Expr{Kind: ExprList, Args: []*Expr{e, tag}, Span: e.Span.join(tag.Span)}
	case p.isName(p.cur()) && !p.isCallOption() && !reservedAlias[p.cur().word] && (p.peek(1).isOp(",") || p.peek(1).isOp(")")):
		alias := p.ident(p.next()) // STRUCT(a b), XMLFOREST(a b)
		e.Alias = &alias
	}
	return e
}

// callTail reads WITHIN GROUP, FILTER, OVER, KEEP and second argument lists.
func (p *parser) callTail(e *Expr) *Expr {
	if e.Kind != ExprFunc {
		return e
	}
	if e.Call == nil {
		e.Call = &Call{}
	}
	begin := p.pos
	for {
		if p.pos > begin {
			e.Span.End = max(e.Span.End, p.toks[p.pos-1].end)
		}
		t := p.cur()
		switch {
		case t.isOp("(") && t.glued && p.d == ClickHouse && !p.startsQueryAt(1): // quantile(0.5)(x)
			p.callArgs(e)
		case t.isWord("within") && p.peek(1).isWord("group"):
			p.next()
			p.next()
			if p.acceptOp("(") {
				p.acceptSeq("order", "by")
				e.Call.WithinGroup = p.orderItems()
				p.expectClose(")")
			}
		case t.isWord("filter") && p.peek(1).isOp("("):
			p.next()
			p.next()
			p.accept("where")
			e.Call.Filter = p.expr()
			e.Span.End = p.cur().end
			p.expectClose(")")
		case t.isWord("ignore", "respect") && p.peek(1).isWord("nulls"):
			p.next()
			p.next()
			e.Call.IgnoreNulls = true
		case t.isWord("from") && p.peek(1).isWord("first", "last") && p.peek(2).isWord("over", "ignore", "respect"):
			p.next()
			p.next()
		case t.isText("keep") && p.peek(1).isOp("("):
			p.next()
			p.next()
			for !p.eof() && !p.isOp(")") && !p.is("order") {
				p.next()
			}
			if p.acceptSeq("order", "by") {
				e.Call.WithinGroup = p.orderItems()
			}
			p.expectClose(")")
		case t.isWord("over"):
			n := p.peek(1)
			if n.isOp("(") {
				p.next()
				e.Call.Over = p.windowSpec()
				e.Span.End = p.toks[p.pos-1].end
			} else if n.kind == tokWord || n.kind == tokQuoted {
				p.next()
				name := p.ident(p.next())
				e.Call.OverName = &name
				e.Span.End = name.Span.End
			} else {
				return e
			}
		default:
			return e
		}
	}
}

func (p *parser) castCall() *Expr {
	start := p.next()
	p.next()
	arg := p.argumentNoAlias()
	e := &Expr{Kind: ExprCast, Args: []*Expr{arg}, Span: start.span()}
	if p.accept("as") || p.acceptOp(",") { // ClickHouse: CAST(x, 'Type')
		typ := p.typeName()
		e.Op = typ.Text
	}
	if p.accept("format") || p.is("at") {
		p.expr()
	}
	for !p.eof() && !p.isOp(")") && (p.accept("default", "on", "null", "at", "time", "zone", "rename", "multiset") || p.isCallOption() && p.next() != nil || p.cur().isText("fields") && p.next() != nil || p.acceptText("add")) {
		if p.cur().kind == tokString || p.cur().kind == tokNumber {
			p.next()
		}
		if p.acceptText("conversion") || p.acceptText("error") {
			continue
		}
		if p.acceptOp(",") {
			p.next()
		}
	}
	e.Span.End = p.cur().end
	p.expectClose(")")
	return e
}

func (p *parser) argumentNoAlias() *Expr {
	if p.startsQuery() && !p.isOp("(") {
		q := p.query()
		return &Expr{Kind: ExprQuery, Query: q, Span: q.Span}
	}
	if p.acceptText("multiset") {
		return p.expr()
	}
	return p.expr()
}

// convertCall reads CONVERT(type, expr [, style]) of SQL Server and
// CONVERT(expr, type) or CONVERT(expr USING charset) of MySQL.
func (p *parser) convertCall() *Expr {
	start := p.next()
	p.next()
	e := &Expr{Kind: ExprCast, Span: start.span()}
	if p.d == TSQL || p.cur().isText("varchar") || p.cur().isText("nvarchar") || p.is("date", "datetime", "time") && p.peek(1).isOp(",") || p.cur().isText("int") {
		typ := p.typeName()
		e.Op = typ.Text
		p.acceptOp(",")
		e.Args = append(e.Args, p.expr())
	} else {
		e.Args = append(e.Args, p.expr())
		if p.accept("using") {
			p.path()
		} else if p.acceptOp(",") {
			typ := p.typeName()
			e.Op = typ.Text
		}
	}
	for p.acceptOp(",") {
		p.expr()
	}
	e.Span.End = p.cur().end
	p.expectClose(")")
	return e
}

func (p *parser) extractCall() *Expr {
	name := p.next()
	e := &Expr{Kind: ExprFunc, Name: []Ident{p.ident(name)}, Call: &Call{}, Span: name.span()}
	p.next()
	if p.peek(1).isWord("from") || p.peek(1).isOp("(") && p.cur().kind == tokWord { // EXTRACT(unit FROM x), EXTRACT(WEEK(MONDAY) FROM x)
		e.Op = strings.ToLower(p.cur().text)
		p.next()
		if p.isOp("(") {
			p.skipBalanced()
		}
		if p.accept("from") {
			if p.is("timestamp", "date", "interval") && p.peek(1).kind != tokString && p.startsExpr(p.peek(1)) && !p.peek(1).isOp("(") {
				p.next()
			}
			e.Args = append(e.Args, p.expr())
		}
	} else {
		e.Args = append(e.Args, p.argument())
		if p.accept("from") {
			e.Args = append(e.Args, p.expr())
		}
	}
	for p.acceptOp(",") {
		e.Args = append(e.Args, p.argument())
	}
	e.Span.End = p.cur().end
	p.expectClose(")")
	return e
}

// keywordArgs reads SUBSTRING(a FROM b FOR c), TRIM(BOTH x FROM y),
// POSITION(a IN b), OVERLAY(a PLACING b FROM c FOR d).
func (p *parser) keywordArgs() *Expr {
	name := p.next()
	e := &Expr{Kind: ExprFunc, Name: []Ident{p.ident(name)}, Call: &Call{}, Span: name.span()}
	p.next()
	p.accept("leading", "trailing", "both")
	p.accept("distinct")
	for !p.eof() && !p.isOp(")") {
		before := p.pos
		switch {
		case p.accept("from", "for", "in", "similar", "escape"), p.acceptText("placing"), p.acceptText("using"), p.acceptOp(","):
			continue
		}
		e.Args = append(e.Args, p.exprPrec(precCompare+1))
		if p.pos == before {
			break
		}
		if !p.isOp(")") && !p.isOp(",") && !p.is("from", "for", "in", "similar", "escape") && !p.cur().isText("placing") && !p.cur().isText("using") {
			// an operator that binds more loosely: read it as a general expression
			for {
				next, ok := p.infix(e.Args[len(e.Args)-1], precAssign)
				if !ok {
					break
				}
				e.Args[len(e.Args)-1] = next
			}
			if p.accept("as") {
				p.next()
			}
			break
		}
	}
	e.Span.End = p.cur().end
	p.expectClose(")")
	return p.callTail(e)
}

// interval reads INTERVAL '1' DAY, INTERVAL '1 day', INTERVAL 5 DAY,
// INTERVAL x MONTH, INTERVAL (expr) DAY. It answers nil where the word is a name.
// typeName reads a type: words, arguments, generics, array marks.
// typeTail says whether a word continues a type's name.
// orderItems reads the list behind ORDER BY.
