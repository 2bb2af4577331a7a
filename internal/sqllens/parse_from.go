package sqllens

import "strings"

// fromList reads a comma list of table expressions with their joins.
func (p *parser) fromList() []*Table {
	var list []*Table
	for !p.eof() && p.pos < p.stmtEnd {
		before := p.pos
		t := p.joins(p.tableFactor())
		list = append(list, t)
		if p.pos == before {
			p.skipToClause(true)
		}
		if p.acceptOp(",") {
			if p.is("where", "group", "order", "limit") || p.isOp(")") { // trailing comma
				break
			}
			continue
		}
		if p.cur().kind == tokTag && p.peek(1).isWord("join", "left", "inner", "on", "where", "group", "order") {
			if tag := p.next().tag; tag.Kind == TagSnippet { // {{joins}} or {{condition}} as text
				p.fromTag = tag
			}
			list[len(list)-1] = p.joins(list[len(list)-1])
			if p.acceptOp(",") {
				continue
			}
		}
		if t := p.cur(); !p.clauseEnds(t) && !t.isWord("on", "using", "pivot", "unpivot", "lateral", "settings", "prewhere") && t.kind != tokTag && !t.isWord("select", "model", "qualify", "window") {
			p.problem("syntax", "unexpected "+p.describe()+" behind FROM", t.span())
			p.skipToClause(true)
			if p.acceptOp(",") {
				continue
			}
		}
		break
	}
	return list
}

// joinKind reads the words of a join and answers its kind; ok is false when no
// join stands here, and nothing is consumed then.
func (p *parser) joinKind() (kind string, natural, ok bool) {
	save := p.pos
	kind = "inner"
	for {
		t := p.cur()
		switch t.word {
		case "natural":
			natural = true
		case "":
			if !t.isText("paste") && !t.isText("directed") || !p.peek(1).isWord("join") {
				if p.joinHint(t) && p.pos > save {
					break
				}
				p.pos = save
				return "", false, false
			}
		case "inner", "global", "positional", "local":
			if p.peek(1).isText("directed") {
				p.next()
			}
		case "left", "right", "full", "cross", "semi", "anti", "asof":
			if t.word == "semi" || t.word == "anti" || t.word == "asof" {
				if kind != "left" && kind != "right" || t.word != "asof" {
					kind = t.word
				}
			} else {
				kind = t.word
			}
			if p.peek(1).isText("directed") {
				p.next()
			}
		case "outer":
			if p.peek(1).isText("directed") {
				p.next()
			}
			if p.peek(1).isWord("apply") {
				p.next()
				p.next()
				return "apply", false, true
			}
		case "any", "all":
			if !p.peek(1).isWord("join", "left", "right", "inner", "full", "outer") {
				p.pos = save
				return "", false, false
			}
		case "straight_join":
			p.next()
			return "inner", false, true
		case "array":
			if p.peek(1).isWord("join") {
				p.next()
				p.next()
				return "array", false, true
			}
			p.pos = save
			return "", false, false
		case "join":
			p.next()
			p.hint()
			if p.d == DuckDB && p.is("by") && p.peek(1).isOp("(") {
				p.next()
				p.skipBalanced()
			}
			if !p.acceptText("hash") {
				p.acceptText("each")
			}
			return kind, natural, true
		case "apply":
			if p.pos > save {
				p.next()
				return "apply", false, true
			}
			p.pos = save
			return "", false, false
		default:
			if p.joinHint(t) && p.pos > save {
				break
			}
			p.pos = save
			return "", false, false
		}
		p.next()
	}
}

// joinHint says whether a word between a join's kind and JOIN tells how to join.
func (p *parser) joinHint(t *token) bool {
	return (t.isText("loop") || t.isText("hash") || t.isText("merge") || t.isText("remote") || t.isText("shuffle") || t.isText("broadcast")) && p.peek(1).isWord("join")
}

// joins extends a table expression by the joins behind it.
func (p *parser) joins(left *Table) *Table {
	for !p.eof() && p.pos < p.stmtEnd {
		if p.is("lateral") && p.peek(1).isWord("view") {
			left = p.lateralView(left)
			continue
		}
		if p.is("pivot", "unpivot") && p.pivotHere() || p.is("match_recognize") {
			left = p.pivot(left)
			continue
		}
		kind, natural, ok := p.joinKind()
		if !ok {
			return left
		}
		if kind == "array" {
			// ClickHouse: ARRAY JOIN expr AS name, …
			j := &Table{Kind: TableJoin, Join: "array", Left: left, Span: left.Span}
			f := &Table{Kind: TableFunc, Lateral: true, Func: &Expr{Kind: ExprFunc, Name: []Ident{{Text: "arrayJoin"}}, Call: &Call{}}}
			for {
				before := p.pos
				item := p.selectItem()
				if item.Alias == nil && item.Expr.Kind == ExprColumn {
					item.Alias = &item.Expr.Name[len(item.Expr.Name)-1]
				}
				f.Func.Args = append(f.Func.Args, item.Expr)
				if item.Alias != nil {
					f.AliasCols = append(f.AliasCols, *item.Alias)
				}
				if p.pos == before || !p.acceptOp(",") {
					break
				}
			}
			j.Right = f
			j.Span.End = max(j.Span.End, p.toks[p.pos-1].end)
			left = j
			continue
		}
		if p.depth++; p.depth > maxDepth {
			p.depth--
			p.problem("too_deep", "nested too deeply", p.cur().span())
			p.skipToClause(true)
			return left
		}
		j := &Table{Kind: TableJoin, Join: kind, Natural: natural, Left: left, Span: left.Span}
		j.Right = p.tableFactor()
		for p.is("lateral") && p.peek(1).isWord("view") {
			j.Right = p.lateralView(j.Right)
		}
		for p.is("pivot", "unpivot") && p.pivotHere() {
			j.Right = p.pivot(j.Right)
		}
		// a JOIN b JOIN c ON … ON …: the second join belongs to the right side
		if kind != "cross" && kind != "apply" && !natural && p.nestedJoin() {
			j.Right = p.joins(j.Right)
		}
		p.depth--
		switch {
		case p.is("on"):
			p.next()
			j.On = p.condition()
		case p.is("using") && (p.peek(1).isOp("(") || p.d == ClickHouse):
			p.next()
			if p.isOp("(") {
				j.Using = p.identList()
			} else {
				for {
					names := p.path()
					if len(names) == 0 {
						break
					}
					j.Using = append(j.Using, names[len(names)-1])
					if !p.acceptOp(",") {
						break
					}
				}
			}
			if p.accept("as") { // PostgreSQL: USING (…) AS alias
				p.next()
			}
		}
		if p.cur().isText("match_condition") && p.peek(1).isOp("(") {
			p.next()
			j.On = p.and(j.On, p.paren())
			if p.accept("on") {
				j.On = p.and(j.On, p.condition())
			} else if p.accept("using") {
				j.Using = p.identList()
			}
		}
		j.Span = j.Span.join(j.Right.Span)
		j.Span.End = max(j.Span.End, p.toks[p.pos-1].end)
		left = j
	}
	return left
}

// nestedJoin looks whether a join without condition is followed by another
// join and, later at this level, by two conditions in a row.
func (p *parser) nestedJoin() bool {
	save := p.pos
	_, _, ok := p.joinKind()
	p.pos = save
	if !ok {
		return false
	}
	depth, joins, ons := 0, 1, 0
	for i := p.pos; i < len(p.toks) && p.lookahead > 0; i++ {
		p.lookahead--
		t := &p.toks[i]
		switch {
		case t.isOp("(") || t.isOp("["):
			depth++
		case t.isOp(")") || t.isOp("]"):
			depth--
			if depth < 0 {
				return ons >= joins
			}
		case depth > 0:
		case t.isOp(";") || t.isOp(",") && ons == 0 || t.isWord("where", "group", "order", "union", "having", "limit", "select", "qualify", "set", "when"):
			return ons >= joins && joins > 1
		case t.isWord("cross", "natural"):
		case t.isWord("join"):
			if i > p.pos && !p.toks[i-1].isWord("cross", "natural") {
				joins++
			} else if i == p.pos {
				joins++
			}
		case t.isWord("on", "using"):
			ons++
			if ons >= joins {
				return joins > 1
			}
		}
	}
	return ons >= joins && joins > 1
}

// pivotHere tells the clause from an alias of that name.
// lateralView reads Hive's LATERAL VIEW [OUTER] f(x) [t] [AS a, b].
func (p *parser) lateralView(left *Table) *Table {
	start := p.next()
	p.next()
	p.accept("outer")
	f := &Table{Kind: TableFunc, Lateral: true, Span: start.span()}
	e := p.primary()
	f.Func = e
	if p.isName(p.cur()) && !p.is("as") && !reservedTableAlias[p.cur().word] {
		alias := p.ident(p.next())
		f.Alias = &alias
	}
	if p.accept("as") || p.isName(p.cur()) && !reservedTableAlias[p.cur().word] && f.Alias != nil {
		if p.isOp("(") {
			f.AliasCols = p.identList()
		} else {
			for {
				f.AliasCols = append(f.AliasCols, p.ident(p.next()))
				if !(p.isOp(",") && (p.peek(1).kind == tokWord || p.peek(1).kind == tokQuoted) && !p.peek(2).isOp(".")) {
					break
				}
				p.next()
			}
		}
	}
	f.Span.End = p.toks[p.pos-1].end
	return &Table{Kind: TableJoin, Join: "lateral", Left: left, Right: f, Span: left.Span.join(f.Span)}
}

// tableFactor reads one table expression without joins.
func (p *parser) tableFactor() *Table {
	t := p.cur()
	if !p.enter() {
		p.skipToClause(true)
		p.leave()
		return &Table{Kind: TableFile, Span: t.span()}
	}
	defer p.leave()
	table := &Table{Span: t.span()}
	if p.is("lateral") && !p.peek(1).isWord("view") {
		p.next()
		table.Lateral = true
		t = p.cur()
	}
	if p.is("only") && p.isName(p.peek(1)) {
		p.next()
		t = p.cur()
	}
	if p.d == DuckDB && p.isName(t) && p.peek(1).isOp(":") { // alias: table
		alias := p.ident(p.next())
		p.next()
		inner := p.tableFactor()
		inner.Alias = &alias
		inner.Span = inner.Span.join(t.span())
		return inner
	}
	for p.d == TSQL && (p.isOp(".") || p.isOp("..") || p.isOp("...") || p.isOp("::")) { // ..table, ::function()
		p.next()
		t = p.cur()
	}
	switch {
	case t.isOp("("):
		p.parenTable(table)
	case p.d == TSQL && t.isText("changetable") && p.peek(1).isOp("(") && p.isName(p.peek(3)): // CHANGETABLE(CHANGES t, …) has the columns of t
		p.next()
		p.next()
		p.next()
		table.Name = p.nameOnly().Name
		p.skipToClose()
		p.expectClose(")")
		p.made = true
	case p.d == TSQL && t.kind == tokWord && strings.HasPrefix(t.text, "@") && !p.peek(1).isOp("."): // a table variable
		p.next()
		table.Kind, table.Text = TableFile, "variable"
	case t.kind == tokTag && !(p.peek(1).glued && (p.peek(1).isOp(".") || p.peek(1).kind == tokWord)):
		p.next()
		table.Kind, table.Tag = TableTag, t.tag
	case t.isWord("unnest", "flatten") && p.peek(1).isOp("("):
		p.tableFunc(table)
	case t.isWord("unpivot") && p.d == Redshift && p.isName(p.peek(1)): // of an object: UNPIVOT c.object AS value AT key
		p.next()
		arg := p.postfix(p.primary())
		table.Kind, table.Lateral = TableFunc, true
		table.Func = &Expr{Kind: ExprFunc, Name: []Ident{{Text: "unpivot", Span: t.span()}}, Args: []*Expr{arg}, Call: &Call{Table: true}, Span: t.span().join(arg.Span)}
	case t.isWord("rows") && p.peek(1).isWord("from"):
		p.next()
		p.next()
		p.next()
		table.Kind = TableFunc
		f := &Expr{Kind: ExprFunc, Name: []Ident{{Text: "rows from"}}, Call: &Call{Table: true}}
		for !p.eof() && !p.isOp(")") {
			f.Args = append(f.Args, p.argument())
			if p.accept("as") && p.isOp("(") {
				table.Columns = append(table.Columns, p.identList()...)
			}
			if !p.acceptOp(",") {
				break
			}
		}
		p.expectClose(")")
		table.Func = f
	case t.isWord("table") && p.peek(1).isOp("("):
		p.next()
		p.next()
		if p.startsQuery() {
			table.Kind, table.Query = TableQuery, p.query()
		} else {
			table.Kind = TableFunc
			table.Func = &Expr{Kind: ExprFunc, Name: []Ident{{Text: "table"}}, Args: []*Expr{p.argument()}, Call: &Call{Table: true}, Span: t.span()}
			for p.acceptOp(",") {
				table.Func.Args = append(table.Func.Args, p.argument())
			}
		}
		p.expectClose(")")
	case t.isWord("values"):
		table.Kind = TableQuery
		table.Query = &Query{Body: p.valuesBody(), Span: t.span()}
	case t.kind == tokString:
		p.next()
		table.Kind, table.Text = TableFile, p.ident(t).Text
		if t.quote == '"' && (p.isOp(".") && p.cur().glued) || (t.quote == '"' && p.d != DuckDB) || p.d == SQLite {
			p.pos--
			table.Kind, table.Text = TableName, ""
			table.Name = p.anyPath()
		}
	case t.isOp("@") || t.isOp("$") || t.isOp(":") || t.isOp("?") || t.isOp("#") || t.isOp("&") || t.isOp("%"):
		p.next()
		e := p.param(t)
		if p.isOp("~") && p.cur().glued { // @~ is the user's stage
			p.next()
		}
		for p.isOp("/") && p.cur().glued || p.isOp(".") && p.cur().glued || p.isOp("%") && p.cur().glued { // @stage/path/file.csv
			p.next()
			if p.cur().glued && !p.isOp("(") && !p.isOp(",") && !p.isOp(")") {
				p.next()
			}
		}
		table.Kind, table.Text = TableFile, e.Text
		if p.isOp("(") {
			p.skipBalanced()
		}
	case t.isOp("[") || t.isOp("{"):
		table.Kind = TableFunc
		table.Func = p.primary()
	case p.isName(t) || t.kind == tokWord && p.peek(1).isOp(".") || t.kind == tokTag || t.isWord("left", "right", "replace", "exists", "values", "any") && p.peek(1).isOp("("):
		table.Name = p.tablePath()
		if table.Name == nil {
			p.next()
			table.Name = []Ident{p.ident(t)}
		}
		if p.isOp("*") && p.cur().glued && p.d == BigQuery { // events_* without backticks
			table.Name[len(table.Name)-1].Text += "*"
			p.next()
		}
		if p.isOp("@") && p.cur().glued && p.d == Oracle { // table@link
			p.next()
			p.path()
		}
		if p.isOp("@") && p.cur().glued && (p.d == Spark || p.d == Databricks) { // table@v123
			p.next()
			p.next()
		}
		if p.isOp("*") && p.d == Postgres { // table *
			p.next()
		}
		if p.isOp(".") && p.peek(1).isOp("*") && (p.d == MySQL || p.d == MariaDB) { // DELETE t.* FROM t
			p.next()
			p.next()
		}
		if p.isOp("(") && p.d == ClickHouse && len(table.Name) > 1 { // a view with parameters: functions have no schema
			p.skipBalanced()
		}
		if p.isOp("(") && !p.tableHint() {
			table.Kind = TableFunc
			call := &Expr{Kind: ExprFunc, Name: table.Name, Span: table.Name[0].Span.join(table.Name[len(table.Name)-1].Span)}
			if name := strings.ToLower(table.Name[len(table.Name)-1].Text); name == "json_table" || name == "xmltable" {
				table.Func = call
				p.columnsCall(table)
			} else {
				table.Func = p.callTail(p.callArgs(call))
			}
			table.Func.Call.Table = true
			for p.isOp(".") && p.peek(1).kind == tokWord { // x.nodes('…').value(…)
				table.Func = p.postfix(table.Func)
			}
			if p.d == DuckDB || p.d == TSQL {
				nameArguments(table.Func)
			}
			table.Name = nil
		} else if p.isOp("->") || p.isOp("[") && p.cur().glued {
			p.problem("syntax", "unexpected "+p.describe()+" behind a table", p.cur().span())
		}
	default:
		p.problem("syntax", "expected a table before "+p.describe(), t.span())
		table.Kind = TableFile
		return table
	}
	p.tableTail(table)
	table.Span.End = max(table.Span.End, p.toks[max(p.pos-1, 0)].end)
	return table
}

// nameArguments tells f(option = value) of table functions from comparisons.
func nameArguments(f *Expr) {
	for i, a := range f.Args {
		if a.Kind == ExprOp && a.Op == "=" && len(a.Args) == 2 && a.Args[0].Kind == ExprColumn && len(a.Args[0].Name) == 1 {
			name := a.Args[0].Name[0]
			f.Args[i] = &Expr{Kind: ExprNamed, Alias: &name, Args: a.Args[1:], Span: a.Span}
		}
	}
}

// anyPath reads a dotted path whose parts may be double-quoted strings.
func (p *parser) anyPath() []Ident {
	names := []Ident{p.ident(p.next())}
	for p.isOp(".") && (p.peek(1).kind == tokWord || p.peek(1).kind == tokQuoted || p.peek(1).kind == tokString) {
		p.next()
		names = append(names, p.ident(p.next()))
	}
	return names
}

// tableHint tells t (NOLOCK) of old SQL Server from a table function.
func (p *parser) tableHint() bool {
	n := p.peek(1)
	return p.d == TSQL && (n.isText("nolock") || n.isText("rowlock") || n.isText("updlock") || n.isText("readpast") || n.isText("tablock") || n.isText("readuncommitted")) && p.peek(2).isOp(")")
}

// tableFunc reads UNNEST(…), FLATTEN(…).
func (p *parser) tableFunc(table *Table) {
	name := p.next()
	call := &Expr{Kind: ExprFunc, Name: []Ident{p.ident(name)}, Span: name.span()}
	table.Kind = TableFunc
	table.Func = p.callArgs(call)
	table.Func.Call.Table = true
	for p.isOp(".") && p.peek(1).kind == tokWord {
		table.Func = p.postfix(table.Func)
	}
}

// columnsCall reads JSON_TABLE(expr, path COLUMNS (…)) and XMLTABLE(…).
func (p *parser) columnsCall(table *Table) {
	p.next()
	call := &Call{Table: true}
	table.Func.Call = call
	for !p.eof() && !p.isOp(")") {
		before := p.pos
		switch {
		case p.is("columns"):
			p.next()
			paren := p.acceptOp("(")
			table.Columns = p.nestedColumns(!paren)
			if paren {
				p.expectClose(")")
			}
		case p.acceptText("passing"), p.accept("by"), p.acceptText("value"), p.acceptText("ref"), p.acceptOp(","):
			continue
		case p.accept("default", "null", "on", "as", "path") || p.acceptText("error") || p.acceptText("empty") || p.acceptText("returning") || p.acceptText("sequence"):
			continue
		default:
			table.Func.Args = append(table.Func.Args, p.argument())
		}
		if p.pos == before {
			p.next()
		}
	}
	p.expectClose(")")
}

// nestedColumns reads the column definitions of a COLUMNS clause, nested ones
// included.
func (p *parser) nestedColumns(open bool) []Ident {
	var cols []Ident
	for !p.eof() && !p.isOp(")") {
		if p.cur().isText("nested") {
			p.next()
			p.accept("path")
			if p.cur().kind == tokString {
				p.next()
			}
			if p.accept("columns") && p.acceptOp("(") {
				cols = append(cols, p.nestedColumns(false)...)
				p.expectClose(")")
			}
		} else {
			cols = append(cols, p.ident(p.next()))
			for !p.eof() && !p.isOp(",") && !p.isOp(")") {
				if p.isOp("(") {
					p.skipBalanced()
					continue
				}
				p.next()
			}
		}
		if !p.acceptOp(",") {
			break
		}
		if open && p.isOp(")") {
			break
		}
	}
	return cols
}

// parenTable reads ( query ) or ( table with joins ).
func (p *parser) parenTable(table *Table) {
	if !p.enter() {
		p.skipBalanced()
		p.leave()
		table.Kind = TableFile
		return
	}
	defer p.leave()
	p.next()
	if p.startsQuery() {
		table.Kind, table.Query = TableQuery, p.query()
		p.expectClose(")")
		return
	}
	if p.isOp("(") {
		// ((SELECT …) UNION (SELECT …)), ((a JOIN b) JOIN c) or ((SELECT …) a JOIN b)
		inner := &Table{Span: p.cur().span()}
		p.parenTable(inner)
		if inner.Kind == TableQuery && (p.is("union", "intersect", "except", "minus", "order", "limit", "offset", "fetch") || p.setOpAhead() || p.isOp(")")) {
			table.Kind = TableQuery
			if p.isOp(")") {
				table.Query = inner.Query
			} else {
				table.Query = p.queryFrom(inner.Query)
			}
			p.expectClose(")")
			return
		}
		inner.Span.End = max(inner.Span.End, p.toks[p.pos-1].end)
		p.tableTail(inner)
		inner.Span.End = max(inner.Span.End, p.toks[p.pos-1].end)
		*table = *p.commaJoins(p.joins(inner))
		p.expectClose(")")
		return
	}
	if p.is("insert", "update", "delete", "merge") {
		table.Kind, table.Query = TableQuery, &Query{Body: p.dml()}
		p.expectClose(")")
		return
	}
	inner := p.commaJoins(p.joins(p.tableFactor()))
	*table = *inner
	p.expectClose(")")
}

// commaJoins reads ", b" inside a parenthesised table list as cross joins.
func (p *parser) commaJoins(left *Table) *Table {
	for p.acceptOp(",") {
		right := p.joins(p.tableFactor())
		left = &Table{Kind: TableJoin, Join: "cross", Left: left, Right: right, Span: left.Span.join(right.Span)}
	}
	return left
}
