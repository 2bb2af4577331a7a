package sqllens

import "strings"

func (p *parser) dml() *DML {
	t := p.next()
	d := &DML{Verb: t.word}
	if !p.enter() {
		p.skipToClose()
		p.leave()
		return d
	}
	defer p.leave()
	switch {
	case t.isWord("insert", "replace") || t.isText("upsert"):
		d.Verb = "insert"
		p.insert(d)
	case t.isWord("update"):
		p.update(d)
	case t.isWord("delete"):
		p.deleteStatement(d)
	case t.isWord("merge"):
		p.merge(d)
	}
	return d
}

func (p *parser) insert(d *DML) {
	p.accept("or")
	p.acceptText("abort")
	p.accept("rollback", "replace", "ignore")
	multi := p.accept("all", "first") // INSERT ALL INTO … INTO … SELECT
	p.acceptText("fail")
	p.acceptText("low_priority")
	p.acceptText("delayed")
	p.accept("high_priority", "ignore")
	p.top()
	if p.accept("overwrite") { // Snowflake: INSERT OVERWRITE ALL
		multi = p.accept("all", "first") || multi
	}
	p.acceptText("local")
	if p.acceptText("directory") {
		if p.cur().kind == tokString {
			p.next()
		}
		d.Target = &Table{Kind: TableFile, Text: "directory"}
		for !p.eof() && !p.isOp(";") && !p.startsQuery() { // USING format OPTIONS (…), STORED AS, ROW FORMAT
			if p.isOp("(") && !p.startsQueryAt(1) {
				p.skipBalanced()
				continue
			}
			if p.isOp("(") {
				break
			}
			p.next()
		}
	} else {
		p.accept("into")
		p.accept("overwrite")
		p.accept("table")
		if p.accept("function") {
			p.primary()
			d.Target = &Table{Kind: TableFile, Text: "function"}
			if p.acceptSeq("partition", "by") {
				p.exprList()
			}
		} else if p.isOp("(") && p.startsQueryAt(1) {
			d.Target = p.tableFactor()
		} else if p.isOp("@") || strings.HasPrefix(p.cur().text, "@") && p.cur().kind == tokWord {
			p.next()
			d.Target = &Table{Kind: TableFile, Text: "variable"}
		} else {
			d.Target = p.nameOnly()
			if p.isOp("@") && p.d == Oracle { // table@link
				p.next()
				p.path()
			}
		}
		if p.accept("as") || p.isName(p.cur()) && !p.valueList() && !p.is("values", "select", "with", "partition", "default", "set", "table", "format", "exec", "execute", "overriding", "if", "replace", "output", "settings", "from", "by") && !p.cur().isText("overriding") && !p.cur().isText("output") && p.cur().kind != tokTag && !p.cur().isText("rows") {
			alias := p.ident(p.next())
			d.Target.Alias = &alias
		}
	}
	d.ByName = p.byName() || d.ByName
	if p.is("partition") && p.peek(1).isOp("(") {
		p.next()
		p.skipBalanced()
		if p.accept("if") {
			p.accept("not")
			p.accept("exists")
		}
	}
	if p.isOp("(") && !p.queryInParens() {
		d.Columns = p.identList()
	}
	d.ByName = p.byName() || d.ByName
	if p.is("partition") && p.peek(1).isOp("(") {
		p.next()
		p.skipBalanced()
	}
	if p.acceptText("overriding") {
		p.next()
		p.accept("value")
		p.acceptText("value")
	}
	if p.cur().isText("output") {
		p.output(d)
	}
	if p.is("with") && p.peek(1).isText("label") { // Doris, StarRocks
		p.next()
		p.next()
		p.next()
		if p.isOp("(") && !p.queryInParens() {
			d.Columns = p.identList()
		}
	}
	if p.is("replace") && p.peek(1).isWord("using") { // Databricks
		p.next()
		p.next()
		p.skipParens()
	}
	if p.is("with") && p.peek(1).isOp("(") {
		p.next()
		p.skipBalanced()
		if p.isOp("(") && !p.queryInParens() {
			d.Columns = p.identList()
		}
		if p.cur().isText("output") {
			p.output(d)
		}
	}
	if p.accept("settings") {
		for !p.eof() && !p.startsQuery() && !p.isOp(";") && !p.is("values", "format") {
			p.next()
		}
	}
	if p.is("replace") && p.peek(1).isWord("where") {
		p.next()
		p.next()
		d.Where = p.condition()
	}
	if p.valueList() {
		p.cur().word = "values"
	}
	switch {
	case p.is("default") && p.peek(1).isWord("values"):
		p.next()
		p.next()
	case multi && p.is("values"):
		p.multiInsert(d)
	case p.startsQuery() || p.isOp("(") || p.is("values") || p.cur().kind == tokTag:
		d.Query = p.query()
	case p.is("table", "from"):
		d.Query = p.query()
	case p.accept("set"):
		d.Set = p.assignments()
		d.Given = len(d.Set)
	case p.is("exec", "execute", "call"):
		p.skipStatement()
	case p.is("format"):
		p.skipStatement()
	default:
		if p.is("when") || p.is("into") { // Oracle: INSERT ALL INTO … INTO … SELECT
			p.multiInsert(d)
		}
	}
	if p.is("into") || p.is("when") {
		p.multiInsert(d)
	}
	p.dmlTail(d)
}

// byName reads BY NAME and BY POSITION of DuckDB, and says whether it was BY NAME.
func (p *parser) byName() bool {
	if p.acceptSeq("by", "name") {
		return true
	}
	p.acceptSeq("by", "position")
	return false
}

// valueList tells MySQL's VALUE (…) for VALUES (…) from an alias.
func (p *parser) valueList() bool {
	return p.cur().isText("value") && p.peek(1).isOp("(")
}

// bitAssign reads &= and |=.
func (p *parser) bitAssign() bool {
	if (p.isOp("&") || p.isOp("|")) && p.peek(1).isOp("=") && p.peek(1).glued {
		p.next()
		p.next()
		return true
	}
	return false
}

// top reads TOP (n) [PERCENT] of SQL Server.
func (p *parser) top() {
	if p.accept("top") {
		p.primary()
		p.accept("percent")
	}
}

func (p *parser) multiInsert(d *DML) {
	d.Multi = true
	into := d
	for !p.eof() && !p.isOp(";") && (p.is("values") || !p.startsQuery()) {
		switch {
		case p.accept("when"):
			d.Where = p.and(d.Where, p.condition())
			p.accept("then")
		case p.accept("else"):
		case p.accept("into"):
			into = &DML{Verb: "insert", Target: p.nameOnly()}
			if p.isOp("(") {
				into.Columns = p.identList()
			}
			if d.Target == nil || d.Target.Kind == TableName && len(d.Target.Name) == 0 {
				d.Target, d.Columns, into = into.Target, into.Columns, d // behind WHEN … THEN
				break
			}
			d.Others = append(d.Others, into)
		case p.is("values"):
			p.next()
			into.Values = p.row()
		default:
			p.next()
		}
	}
	if p.startsQuery() {
		q := p.query()
		if d.Query == nil || len(d.Others) > 0 {
			d.Query = q
		}
	}
}

// row reads the values of one row; nil stands for DEFAULT.
func (p *parser) row() []*Expr {
	if !p.acceptOp("(") {
		return nil
	}
	var list []*Expr
	for !p.eof() && !p.isOp(")") {
		before := p.pos
		if p.is("default") && (p.peek(1).isOp(",") || p.peek(1).isOp(")")) {
			p.next()
			list = append(list, nil)
		} else {
			list = append(list, p.condition())
		}
		if !p.acceptOp(",") && p.pos == before {
			break
		}
	}
	p.expectClose(")")
	return list
}

func (p *parser) output(d *DML) {
	for p.cur().isText("output") {
		p.outputOnce(d)
	}
}

func (p *parser) outputOnce(d *DML) {
	p.next()
	d.Returning = append(d.Returning, p.selectItems()...)
	if !p.accept("into") {
		return
	}
	other := &DML{Verb: "insert"}
	if p.isOp("@") || strings.HasPrefix(p.cur().text, "@") {
		p.next()
	} else {
		other.Target = p.nameOnly()
	}
	if p.isOp("(") {
		other.Columns = p.identList()
	}
	if other.Target != nil && other.Target.Kind == TableName {
		d.Others = append(d.Others, other)
	}
}

func (p *parser) dmlTail(d *DML) {
	for !p.eof() && p.pos < p.stmtEnd {
		switch {
		case p.is("on") && p.peek(1).isWord("conflict"):
			p.next()
			p.next()
			if p.isOp("(") {
				p.skipBalanced()
			}
			if p.accept("where") {
				p.condition()
			}
			if p.accept("on") {
				p.accept("constraint")
				p.next()
			}
			p.accept("do")
			if p.accept("nothing") {
				continue
			}
			if p.accept("update") && p.accept("set") {
				d.Set = append(d.Set, p.assignments()...)
				if p.accept("where") {
					d.Where = p.and(d.Where, p.condition())
				}
			}
		case p.is("option") && p.peek(1).isOp("("):
			p.next()
			p.skipBalanced()
		case p.is("on") && p.peek(1).isText("duplicate"):
			p.next()
			p.next()
			p.accept("key")
			p.accept("update")
			d.Set = append(d.Set, p.assignments()...)
		case p.is("as") && p.isName(p.peek(1)): // MySQL row alias
			p.next()
			p.next()
			if p.isOp("(") {
				p.skipBalanced()
			}
		case p.is("returning"):
			p.next()
			d.Returning = append(d.Returning, p.selectItems()...)
			if p.accept("into") {
				for !p.eof() && !p.isOp(";") && !p.isOp(")") {
					p.next()
				}
			}
		case p.cur().isText("log") && p.peek(1).isText("errors"):
			p.skipStatement()
			return
		default:
			return
		}
	}
}

func (p *parser) assignments() []Assignment {
	var list []Assignment
	for !p.eof() {
		before := p.pos
		a := Assignment{}
		if p.isOp("(") {
			a.Columns = p.identList()
		} else if p.isOp("@") || p.isOp(":") {
			p.next()
			p.param(&p.toks[p.pos-1])
		} else if names := p.path(); names != nil {
			a.Columns = names
			for p.isOp("[") {
				p.skipBalanced()
			}
		} else if p.cur().kind == tokString {
			a.Columns = []Ident{p.ident(p.next())}
		} else if p.isOp("*") { // MERGE … UPDATE SET * [EXCEPT (…)]
			p.next()
			return list
		}
		if p.acceptOp("=") || p.acceptOp(":=") || p.acceptOp("+=") || p.acceptOp("-=") || p.acceptOp("*=") || p.acceptOp("/=") || p.acceptOp("||=") || p.acceptOp("%=") || p.acceptOp("^=") || p.bitAssign() {
			if p.accept("default") {
				a.Value = &Expr{Kind: ExprLiteral, Op: "default"}
			} else {
				a.Value = p.expr()
			}
		}
		list = append(list, a)
		if p.pos == before || !p.acceptOp(",") {
			return list
		}
	}
	return list
}

func (p *parser) update(d *DML) {
	p.accept("or")
	p.accept("ignore", "replace", "rollback")
	if p.toks[p.pos-1].isWord("or") {
		p.next() // abort, fail
	}
	p.acceptText("low_priority")
	p.accept("ignore")
	p.top()
	d.Target = p.joins(p.tableFactor())
	for p.acceptOp(",") {
		d.From = append(d.From, p.joins(p.tableFactor()))
	}
	if !p.accept("set") {
		p.problem("syntax", "UPDATE without SET", p.cur().span())
	}
	d.Set = p.assignments()
	if p.cur().isText("output") {
		p.output(d)
	}
	if p.accept("from") {
		d.From = append(d.From, p.fromList()...)
	}
	if p.accept("where") {
		if p.is("current") && p.peek(1).isWord("of") { // of a cursor
			p.skipStatement()
			return
		}
		d.Where = p.condition()
	}
	p.dmlEnd(d)
}

func (p *parser) deleteStatement(d *DML) {
	p.acceptText("low_priority")
	p.acceptText("quick")
	p.accept("ignore")
	if p.cur().isText("history") && p.peek(1).isWord("from") { // MariaDB
		p.next()
	}
	p.top()
	if !p.accept("from") {
		// DELETE t FROM … (SQL Server, MySQL), or DELETE t WHERE
		if p.isName(p.cur()) {
			d.Target = p.tableFactor()
			for p.acceptOp(",") {
				if t := p.tableFactor(); t != nil {
					d.Deleted = append(d.Deleted, t)
				}
			}
			if p.cur().isText("output") {
				p.output(d)
			}
			if p.accept("from") {
				d.From = p.fromList()
			}
		}
	} else {
		list := p.fromList()
		if len(list) > 0 {
			d.Target, d.From = list[0], list[1:]
		}
		if p.cur().isText("output") {
			p.output(d)
		}
		if p.accept("from") {
			d.From = append(d.From, p.fromList()...)
		}
	}
	if p.acceptText("before") {
		p.acceptText("system_time")
		if p.acceptText("transaction") || p.accept("timestamp") {
			p.primary()
		} else {
			p.expr()
		}
	}
	if p.accept("using") {
		d.From = append(d.From, p.fromList()...)
	}
	if p.cur().isText("output") {
		p.output(d)
	}
	if p.accept("where") {
		if p.is("current") {
			p.skipStatement()
			return
		}
		d.Where = p.condition()
	}
	p.dmlEnd(d)
}

func (p *parser) dmlEnd(d *DML) {
	if p.is("order") {
		p.next()
		p.accept("by")
		p.orderItems()
	}
	if p.accept("limit") {
		p.expr()
		if p.acceptOp(",") || p.accept("offset") {
			p.expr()
		}
	}
	if p.is("option") {
		p.next()
		p.skipBalanced()
	}
	p.dmlTail(d)
}

// exceptColumns reads EXCEPT (a, t.b) behind the star of a MERGE action.
func (p *parser) exceptColumns() []Ident {
	if !p.accept("except") || !p.acceptOp("(") {
		return nil
	}
	var list []Ident
	for {
		if names := p.path(); len(names) > 0 {
			list = append(list, names[len(names)-1])
		}
		if !p.acceptOp(",") {
			break
		}
	}
	p.skipToClose()
	p.expectClose(")")
	return list
}

func (p *parser) merge(d *DML) {
	p.top()
	p.acceptSeq("with", "schema")
	p.acceptText("evolution")
	p.accept("into")
	d.Target = p.tableFactor()
	if p.accept("using") {
		source := p.tableFactor()
		if !(p.is("using") && p.peek(1).isOp("(")) {
			source = p.joins(source)
		}
		d.From = []*Table{source}
	}
	if p.accept("on") {
		d.On = p.condition()
	} else if p.is("using") && p.peek(1).isOp("(") { // DuckDB: MERGE … USING source USING (id)
		p.next()
		p.identList()
	}
	if p.acceptText("remove") { // Redshift
		p.next()
	}
	for p.accept("when") {
		var a MergeAction
		p.accept("not")
		p.accept("matched")
		if p.accept("by") {
			p.next()
		}
		if p.accept("and") {
			a.Cond = p.condition()
		}
		p.accept("then")
		switch {
		case p.accept("update"):
			set := p.accept("set")
			p.accept("all") // ALL BY NAME
			p.byName()
			a.Star = p.isOp("*") || !set
			if set || a.Star && p.isOp("*") {
				a.Set = p.assignments()
			}
			if a.Star && p.is("except") {
				a.Except = p.exceptColumns()
			}
			if p.accept("where") {
				a.Cond = p.and(a.Cond, p.condition())
			}
			if p.accept("delete") && p.accept("where") {
				p.condition()
			}
		case p.accept("insert"):
			if p.acceptOp("*") {
				a.Star = true
				a.Except = p.exceptColumns()
			} else if p.accept("all") || p.is("by") {
				p.byName()
				a.Star = true
			} else if p.is("row") || p.cur().isText("row") {
				p.next()
				a.Star = true
			} else {
				if p.isOp("(") {
					a.Columns = p.identList()
				}
				if p.accept("values") {
					if p.isOp("(") {
						a.Values = exprArgs(p.paren())
					}
				} else if p.accept("row") || p.acceptText("row") {
					a.Star = true
				} else if p.accept("default") {
					p.accept("values")
				}
			}
			if p.accept("where") {
				a.Cond = p.and(a.Cond, p.condition())
			}
		case p.accept("delete"):
		case p.accept("do"):
			p.accept("nothing")
		default:
			p.problem("syntax", "unknown MERGE action "+p.describe(), p.cur().span())
			for !p.eof() && !p.is("when") && !p.isOp(";") {
				p.next()
			}
		}
		d.Actions = append(d.Actions, a)
	}
	if p.cur().isText("output") {
		p.output(d)
	}
	p.dmlEnd(d)
}
