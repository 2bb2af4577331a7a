package sqllens

import "strings"

// statements reads the whole text.
func (p *parser) statements() []*Statement {
	var list []*Statement
	for !p.eof() {
		if p.acceptOp(";") || p.acceptText("go") || p.is("go") && p.next() != nil {
			continue
		}
		before := p.pos
		if p.pos >= p.stmtEnd { // else the semicolon found before is still ahead
			p.stmtEnd = p.statementEnd()
		}
		st := p.statement()
		if st != nil {
			st.Span.End = p.toks[max(p.pos-1, before)].end
			list = append(list, st)
		}
		if p.eof() || p.isOp(";") {
			continue
		}
		if p.pos == before {
			p.next()
		}
		if p.opens || p.t.semicolonless && p.startsStatement() {
			p.opens = false
			continue
		}
		if !p.isOp(";") && !p.eof() {
			if st != nil && st.Kind != StatementOther {
				p.problem("syntax", "unexpected "+p.describe(), p.cur().span())
			}
			p.skipStatement()
		}
	}
	return list
}

// statementEnd finds the token index of the semicolon that ends the current
// statement, or the end.
func (p *parser) statementEnd() int {
	for i := p.pos; i < len(p.toks); i++ {
		if p.toks[i].kind == tokEOF || p.toks[i].isOp(";") {
			return i
		}
	}
	return len(p.toks) - 1
}

// skipStatement passes everything up to the next semicolon, or in SQL Server
// up to the next word that begins a statement.
func (p *parser) skipStatement() {
	for !p.eof() && !p.isOp(";") {
		if p.isOp("(") {
			p.skipBalanced()
			continue
		}
		if p.t.semicolonless && p.startsStatement() {
			return
		}
		p.next()
	}
}

// startsStatement reports whether a statement that we read begins here.
func (p *parser) startsStatement() bool {
	t := p.cur()
	switch t.word {
	case "select", "insert", "merge", "declare", "exec", "execute", "go", "print", "truncate", "begin", "end", "else", "while", "return", "drop", "create", "alter":
		return true
	case "open", "close", "fetch", "deallocate":
		return p.cursorWord(t)
	case "":
		return t.kind == tokWord && p.peek(1).isOp(":") // a label
	case "with":
		return p.isName(p.peek(1)) && (p.peek(2).isWord("as") && p.peek(3).isOp("(") || p.peek(2).isOp("(") && (p.cteColumnsAt(2) || p.peek(1).isText("xmlnamespaces") || p.peek(1).isText("change_tracking_context")))
	case "update", "delete", "use", "if":
		return (!p.peek(1).isOp("(") || t.isWord("if")) && !p.peek(1).isText("population") && !p.toks[max(p.pos-1, 0)].isWord("on")
	case "set":
		return p.peek(1).isOp("@") || strings.HasPrefix(p.peek(1).text, "@") || p.peek(1).kind == tokWord && p.d == TSQL
	}
	return false
}

func (p *parser) statement() *Statement {
	t := p.cur()
	st := &Statement{Kind: StatementOther, Verb: t.word, Span: t.span()}
	if st.Verb == "" {
		st.Verb = strings.ToLower(t.text)
	}
	switch {
	case t.isOp("("), p.startsQuery() && !t.isWord("with", "from", "describe", "show") && !t.isText("summarize"), t.isText("sel"):
		st.Kind, st.Verb = StatementSelect, "select"
		st.Query = p.query()
	case t.isWord("from") && p.startsQuery():
		st.Verb = "select"
		p.hiveFrom(st)
	case t.kind == tokTag:
		p.next()
		if p.eof() || p.isOp(";") { // the whole text is one reference
			st.Kind = StatementSelect
			p.pos--
			st.Query = &Query{Body: p.tableFactor(), Span: t.span()}
			return st
		}
		p.withTag = true
		return p.statement()
	case t.isWord("with"):
		p.withStatement(st)
	case t.isWord("replace") && p.peek(1).isWord("table", "view") && (p.peek(2).kind == tokWord || p.peek(2).kind == tokQuoted) && p.d != MySQL && p.d != MariaDB && p.d != SQLite: // Spark
		p.create(st)
		st.Verb = "create"
	case t.isWord("insert", "replace") && !p.peek(1).isOp("("), t.isText("upsert"):
		st.Kind, st.Verb = StatementInsert, "insert"
		st.DML = p.dml()
	case t.isWord("update") && !p.peek(1).isText("statistics"):
		st.Kind = StatementUpdate
		st.DML = p.dml()
	case t.isWord("delete"):
		st.Kind = StatementDelete
		st.DML = p.dml()
	case t.isWord("merge"):
		st.Kind = StatementMerge
		st.DML = p.dml()
	case t.isWord("create"), t.isWord("alter") && (p.peek(1).isWord("view", "materialized") || p.peek(1).isText("algorithm") || p.peek(1).isText("definer") || p.peek(1).isText("sql")) && p.definitionAhead():
		p.create(st)
	case t.isWord("explain", "describe", "desc"):
		p.explain(st)
	case t.isWord("drop", "truncate", "alter", "refresh", "analyze", "optimize", "lock", "reindex", "vacuum", "comment", "rename", "exchange"):
		p.otherStatement(st)
	case t.isWord("begin", "end", "if", "while", "else") && p.t.semicolonless:
		p.next()
		if t.isWord("begin", "end") && (p.cur().isText("try") || p.cur().isText("catch")) {
			p.next()
		}
		if t.isWord("if", "while") {
			p.attach(st, p.condition())
		}
	case t.isWord("return") && p.t.semicolonless && (p.startsQueryAt(1) || p.peek(1).isOp("(")):
		p.next()
		if p.isOp("(") && p.peek(1).isOp(")") {
			p.skipBalanced()
			break
		}
		p.attach(st, p.primary())
	case t.isWord("declare") && p.t.semicolonless:
		p.declare(st)
	case t.isWord("grant", "revoke") || t.isText("deny"):
		p.grant()
	case p.t.semicolonless && t.kind == tokWord && p.peek(1).isOp(":"): // a label
		p.next()
		p.next()
		p.opens = true
	case p.block(st):
	case p.loose(t):
		p.next()
		p.skipLoose(st)
	case t.isWord("copy"):
		p.copy(st)
	case t.isText("summarize"):
		p.next()
		if p.startsQuery() {
			st.Query = p.query()
		} else {
			st.Names = append(st.Names, p.tableFactor())
		}
	default:
		if p.pos == 0 && p.stray(t) {
			p.problem("syntax", "no statement begins with "+p.describe(), t.span())
		}
		p.next()
		p.skipStatement()
	}
	return st
}

// withStatement reads WITH … SELECT and WITH … INSERT/UPDATE/DELETE/MERGE.
func (p *parser) withStatement(st *Statement) {
	save := p.pos
	holder := &Query{}
	before := len(p.problems)
	p.withList(holder)
	if p.is("insert", "update", "delete", "merge", "replace") && !p.peek(1).isOp("(") {
		st.Verb = p.cur().word
		switch st.Verb {
		case "insert", "replace":
			st.Kind, st.Verb = StatementInsert, "insert"
		case "update":
			st.Kind = StatementUpdate
		case "delete":
			st.Kind = StatementDelete
		case "merge":
			st.Kind = StatementMerge
		}
		st.DML = p.dml()
		st.DML.With = append(holder.With, st.DML.With...)
		return
	}
	if p.is("create") { // WITH … CREATE TABLE … AS
		p.create(st)
		if st.DML != nil {
			st.DML.With = append(holder.With, st.DML.With...)
		}
		return
	}
	p.pos = save
	p.problems = p.problems[:before]
	st.Kind, st.Verb = StatementSelect, "select"
	st.Query = p.query()
}

// hiveFrom reads FROM t INSERT … SELECT …, or a query that begins with FROM.
func (p *parser) hiveFrom(st *Statement) {
	for i := p.pos; i < p.stmtEnd; i++ {
		if p.toks[i].isWord("insert") {
			p.next()
			from := p.fromList()
			st.Kind, st.Verb = StatementInsert, "insert"
			for p.is("insert") {
				d := p.dml()
				if d.Query != nil {
					if s, ok := d.Query.Body.(*Select); ok && len(s.From) == 0 {
						s.From = from
					}
				}
				if st.DML == nil {
					st.DML = d
				} else {
					st.DML.Others = append(st.DML.Others, d)
				}
			}
			return
		}
	}
	st.Kind = StatementSelect
	st.Query = p.query()
}

func (p *parser) explain(st *Statement) {
	p.next()
	if p.isOp("(") && !p.startsQueryAt(1) {
		p.skipBalanced()
	}
	for p.accept("analyze", "verbose", "extended", "format", "table", "schema", "database", "json") || p.acceptText("query") || p.acceptText("plan") || p.acceptText("extended") || p.acceptText("formatted") || p.acceptText("cost") || p.acceptText("codegen") || p.acceptText("logical") || p.acceptText("estimate") || p.acceptText("pipeline") || p.acceptText("syntax") || p.acceptText("ast") {
		if p.acceptOp("=") {
			p.next()
		}
	}
	if p.d == ClickHouse { // EXPLAIN PLAN indexes = 1, actions = 1 SELECT …
		p.explainSettings()
	}
	p.acceptText("explore")
	if p.accept("for") || p.is("function", "procedure", "database", "schema") && p.isName(p.peek(1)) {
		p.skipStatement()
		return
	}
	if p.startsQuery() || p.isOp("(") {
		st.Query = p.query()
		return
	}
	if p.is("insert", "update", "delete", "merge", "replace") {
		st.DML = p.dml()
		return
	}
	if p.is("create") {
		p.create(st)
		st.Kind = StatementOther
		return
	}
	if p.is("declare") { // EXPLAIN DECLARE c CURSOR FOR SELECT …
		for !p.eof() && !p.isOp(";") && !p.accept("for") {
			p.next()
		}
		if p.startsQuery() {
			st.Query = p.query()
		}
		return
	}
	if p.is("format") && p.peek(1).isOp("(") || p.isName(p.cur()) && p.peek(1).isOp("(") { // DESC f(…)
		p.primary()
		p.skipStatement()
		return
	}
	if p.isName(p.cur()) {
		st.Names = append(st.Names, p.nameOnly())
	}
	p.skipStatement()
}

// nameOnly reads a table's name without alias.
func (p *parser) nameOnly() *Table {
	for p.d == TSQL && (p.isOp(".") || p.isOp("..") || p.isOp("...")) { // ..table
		p.next()
	}
	start := p.cur()
	names := p.tablePath()
	if names == nil {
		if start.kind != tokString && (start.kind != tokWord || reserved[start.word]) {
			return &Table{Kind: TableFile, Span: start.span()}
		}
		names = p.anyPath()
	}
	return &Table{Kind: TableName, Name: names, Span: start.span().join(names[len(names)-1].Span)}
}

// otherStatement collects the tables that a statement we do not analyse names.
func (p *parser) otherStatement(st *Statement) {
	p.next()
	for p.accept("temporary", "temp", "materialized", "global") || p.acceptText("local") || p.acceptText("external") || p.acceptText("concurrently") {
		continue
	}
	isTable := p.accept("table", "view") || st.Verb == "truncate" || st.Verb == "refresh" || st.Verb == "analyze" || st.Verb == "optimize" || st.Verb == "vacuum"
	if p.accept("on") { // COMMENT ON TABLE
		isTable = p.accept("table", "view")
	}
	p.acceptSeq("if", "exists")
	if p.accept("if") {
		p.accept("not")
		p.accept("exists")
	}
	p.accept("only", "table")
	if isTable && p.isName(p.cur()) {
		for {
			st.Names = append(st.Names, p.nameOnly())
			if st.Verb == "rename" && p.acceptText("to") {
				continue
			}
			if !p.acceptOp(",") {
				break
			}
		}
		if st.Verb == "alter" {
			switch {
			case p.is("rename") && (p.peek(1).isText("to") || p.peek(1).isWord("to")):
				p.next()
				p.next()
				st.Names = append(st.Names, p.nameOnly())
			case (p.is("exchange") || p.cur().isText("swap")):
				p.next()
				for !p.eof() && !p.isOp(";") && !p.is("with", "table") {
					p.next()
				}
				p.accept("with")
				p.accept("table")
				if p.isName(p.cur()) {
					st.Names = append(st.Names, p.nameOnly())
				}
			}
		}
	}
	p.skipStatement()
}

// copy reads COPY t FROM …, COPY t TO …, COPY (query) TO … and COPY INTO t
// FROM …: files and stages are no tables.
func (p *parser) copy(st *Statement) {
	p.next()
	into := p.accept("into")
	switch {
	case p.isOp("(") && p.startsQueryAt(1):
		st.Query = p.query()
	case p.isName(p.cur()) && !p.is("into"):
		target := p.nameOnly()
		if p.isOp("(") {
			p.skipBalanced()
		}
		if p.is("from") {
			p.next()
			st.DML = &DML{Verb: "insert", Target: target}
			if p.isOp("(") && p.startsQueryAt(1) {
				st.DML.Query = p.query()
			}
		} else if !into {
			st.Verb = "describe" // read only
			st.Names = append(st.Names, target)
		}
	case into: // COPY INTO @stage FROM t
		p.tableFactor()
		if p.accept("from") {
			if p.isOp("(") && p.startsQueryAt(1) {
				st.Query = p.query()
			} else if p.isName(p.cur()) {
				st.Verb = "describe"
				st.Names = append(st.Names, p.nameOnly())
			}
		}
	}
	p.skipStatement()
}

// declare reads DECLARE @a int = …, @t TABLE (…) of SQL Server.
func (p *parser) declare(st *Statement) {
	p.next()
	for !p.eof() && !p.isOp(";") {
		if p.isOp("(") {
			if p.startsQueryAt(1) {
				p.attach(st, p.primary())
				continue
			}
			p.skipBalanced()
			continue
		}
		if p.startsStatement() && !p.is("as") {
			return
		}
		p.next()
	}
}

// create reads CREATE TABLE/VIEW [AS query] and passes anything else.
func (p *parser) create(st *Statement) {
	st.Verb = p.next().word
	if p.acceptSeq("or", "replace") || p.acceptSeq("or", "alter") || p.accept("or") {
		p.acceptText("refresh")
	}
	kind, temp := "", false
	for i := 0; i < 12; i++ {
		t := p.cur()
		switch {
		case t.isWord("table") && kind == "":
			kind = "table"
			p.next()
			if p.peek(0).isOp("(") {
				kind = "other"
			}
		case t.isWord("view"):
			kind = "view"
			p.next()
		case kind != "" && (p.peek(1).isOp(".") || p.peek(1).isOp("(") || p.peek(1).isWord("as") && p.startsQueryAt(2)): // the object's name
			i = 99
		case t.isWord("function", "procedure", "trigger", "schema", "database", "index", "language") || t.isText("proc"):
			if t.isWord("schema") && kind != "" {
				break
			}
			kind = "other"
			if t.isWord("function") && p.d == BigQuery || t.isWord("table") {
				p.next()
			}
			i = 99
		case t.isWord("temp", "temporary") || t.isText("volatile"):
			temp = true
			p.next()
		case t.isWord("global", "materialized", "recursive") || t.isText("unlogged") || t.isText("transient") || t.isText("external") || t.isText("local") ||
			t.isText("secure") || t.isText("force") || t.isText("noforce") || t.isText("editionable") || t.isText("multiset") || t.isText("dynamic") || t.isText("live") || t.isText("streaming") || t.isText("snapshot") || t.isText("private") || t.isText("hybrid") || t.isText("iceberg") || t.isText("window") || t.isWord("window") || t.isText("algorithm") || t.isText("nonclustered") || t.isText("columnar"):
			p.next()
			if t.isText("algorithm") {
				p.acceptOp("=")
				p.next()
			}
		case t.isWord("if"):
			p.next()
			p.accept("not")
			p.accept("exists")
		case t.isText("definer") || t.isText("sql"):
			for !p.eof() && !p.is("view", "table", "function", "procedure", "trigger") && !p.isOp(";") {
				p.next()
			}
		default:
			i = 99
		}
	}
	if p.acceptSeq("if", "not") {
		p.accept("exists")
	}
	switch kind {
	case "table", "view":
	default:
		if p.is("model") && p.d == BigQuery {
			p.skipLoose(st)
			return
		}
		p.createBody()
		return
	}
	target := p.nameOnly()
	st.Kind = StatementCreateTable
	if kind == "view" {
		st.Kind = StatementCreateView
	}
	dml := &DML{Verb: "create", Target: target, Temporary: temp}
	st.DML = dml
	if p.accept("on") || p.acceptText("to") && p.d == ClickHouse {
		p.path()
	}
	if p.is("like") || p.acceptText("clone") || p.acceptText("copy") || p.is("copy") {
		p.accept("like", "copy")
		if p.isName(p.cur()) {
			dml.From = append(dml.From, p.nameOnly())
		}
		if p.d != BigQuery { // there AS may follow
			p.skipStatement()
			return
		}
	}
	if p.isOp("(") && !p.startsQueryAt(1) {
		if p.peek(1).isWord("like") {
			p.next()
			p.next()
			dml.From = append(dml.From, p.nameOnly())
			p.skipToClose()
			p.expectClose(")")
		} else {
			dml.Columns = p.columnDefs()
		}
	}
	// options until AS or a query
	for !p.eof() && !p.isOp(";") && p.pos < p.stmtEnd {
		t := p.cur()
		switch {
		case t.isWord("as") && (p.startsQueryAt(1) || p.peek(1).isOp("(") || p.peek(1).kind == tokTag || p.peek(1).isWord("table", "from")):
			p.next()
			if p.isOp("(") && !p.queryInParens() {
				p.skipBalanced()
				continue
			}
			dml.Query = p.query()
			for p.accept("with") {
				p.accept("no")
				p.acceptText("data")
				p.accept("check")
				p.accept("option")
			}
			if !p.eof() && !p.isOp(";") && !p.startsStatement() {
				p.skipStatement()
			}
			return
		case t.isWord("as") && p.peek(1).isWord("insert", "update", "delete"):
			p.skipStatement()
			return
		case p.startsQuery() && t.isWord("select") && !p.t.semicolonless || t.isWord("with") && p.isName(p.peek(1)) && p.peek(2).isWord("as") && p.peek(3).isOp("("):
			dml.Query = p.query()
			return
		case t.isWord("like") || t.isText("clone"):
			p.next()
			if p.isName(p.cur()) && len(dml.From) == 0 {
				dml.From = append(dml.From, p.nameOnly())
			}
		case t.isOp("(") && p.startsQueryAt(1) && dml.Query == nil:
			dml.Query = p.query()
			return
		case t.isOp("("):
			p.skipBalanced()
		case p.t.semicolonless && p.startsStatement() && !t.isWord("with", "set"):
			return
		default:
			p.next()
		}
	}
}

// queryInParens looks through opening parentheses for a query.
func (p *parser) queryInParens() bool {
	for i := 0; i < 50; i++ {
		if !p.peek(i).isOp("(") {
			return p.startsQueryAt(i)
		}
	}
	return false
}

// createBody passes a function, procedure or another object; a function's body
// that is one query is not the statement's query.
func (p *parser) createBody() {
	if p.t.semicolonless { // the statements of the body follow as statements of the text
		for !p.eof() && !p.is("go") && !p.cur().isText("go") && !p.isOp(";") {
			if p.isOp("(") {
				p.skipBalanced()
				continue
			}
			if p.is("return") && (p.peek(1).isOp("(") || p.startsQueryAt(1)) { // RETURNS TABLE RETURN (…)
				return
			}
			t := p.next()
			if t.isWord("as") && !p.is("go") && p.pos >= 2 {
				before := &p.toks[p.pos-2]
				if !strings.HasPrefix(before.text, "@") && !before.isWord("exec", "execute") {
					return
				}
			}
		}
		return
	}
	depth := 0
	for !p.eof() {
		t := p.cur()
		switch {
		case t.isWord("begin") && !p.peek(1).isWord("transaction") && !p.peek(1).isOp(";"):
			depth++
		case t.isWord("case"):
			depth++
		case t.isWord("end") && depth > 0:
			depth--
			if p.peek(1).isWord("if", "loop", "while", "case", "for") || p.peek(1).isText("repeat") {
				p.next()
			}
		case t.isOp(";") && depth == 0:
			return
		}
		p.next()
	}
}

// columnDefs reads the column names of a CREATE TABLE's definition list.
func (p *parser) columnDefs() []Ident {
	p.next()
	var cols []Ident
	for !p.eof() && !p.isOp(")") {
		t := p.cur()
		constraint := t.isWord("constraint", "primary", "foreign", "unique", "check", "key", "index", "partition", "exclude") || t.isText("fulltext") || t.isText("spatial") || t.isText("period") || t.isText("projection")
		if (t.kind == tokWord || t.kind == tokQuoted || t.kind == tokString) && !constraint {
			cols = append(cols, p.ident(p.next()))
		}
		for !p.eof() && !p.isOp(",") && !p.isOp(")") {
			switch {
			case p.isOp("("), p.isOp("["):
				p.skipBalanced()
			case p.isOp("<") && (p.cur().glued || !constraint && p.toks[p.pos-1].isWord("array", "struct", "map")):
				p.skipAngles()
			default:
				p.next()
			}
		}
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectClose(")")
	return cols
}

// dml reads INSERT, UPDATE, DELETE and MERGE.
// multiInsert reads the further targets of INSERT ALL / FIRST.
// output reads SQL Server's OUTPUT clause.
// dmlTail reads ON CONFLICT, ON DUPLICATE KEY, RETURNING.
// pipe reads one |> step.
