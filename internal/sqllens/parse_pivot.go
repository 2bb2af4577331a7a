package sqllens

func (p *parser) pivotHere() bool {
	n := p.peek(1)
	return n.isOp("(") || n.isWord("include", "exclude") || n.isText("xml") || n.isWord("xml")
}

// pivot reads PIVOT (…), UNPIVOT (…) and MATCH_RECOGNIZE (…).
func (p *parser) pivot(left *Table) *Table {
	start := p.next()
	pv := &Pivot{Unpivot: start.isWord("unpivot"), Match: start.isWord("match_recognize")}
	table := &Table{Kind: TablePivot, Left: left, Pivot: pv, Span: left.Span}
	p.accept("xml")
	if p.accept("include", "exclude") {
		p.accept("nulls")
	}
	if !p.expectOp("(") {
		return table
	}
	switch {
	case pv.Match:
		p.matchRecognize(pv)
	case pv.Unpivot:
		p.unpivotBody(pv)
	default:
		p.pivotBody(pv)
	}
	table.Span.End = p.cur().end
	p.expectClose(")")
	if p.is("as") || p.cur().kind == tokQuoted || p.cur().kind == tokWord && !reservedTableAlias[p.cur().word] && !p.notTableAlias(p.cur()) {
		p.accept("as")
		alias := p.ident(p.next())
		table.Alias = &alias
		if p.isOp("(") {
			table.AliasCols = p.identList()
		}
	}
	table.Span.End = max(table.Span.End, p.toks[p.pos-1].end)
	return table
}

func (p *parser) pivotBody(pv *Pivot) {
	for !p.eof() && !p.is("for") && !p.isOp(")") {
		before := p.pos
		pv.Aggregates = append(pv.Aggregates, p.selectItem())
		if p.pos == before || !p.acceptOp(",") {
			break
		}
	}
	for p.accept("for") || len(pv.For) > 0 && p.isName(p.cur()) && p.peek(1).isWord("in") {
		p.pivotFor(pv)
		if p.is("in") && p.isName(p.peek(1)) { // DuckDB: IN an_enum
			p.next()
			p.path()
			pv.InQuery = &Query{Body: &Select{}}
		}
		if p.accept("in") && p.acceptOp("(") {
			switch {
			case p.startsQuery():
				pv.InQuery = p.query()
			case p.is("any") && (p.peek(1).isOp(")") || p.peek(1).isWord("order")):
				for !p.eof() && !p.isOp(")") {
					p.next()
				}
				pv.InQuery = &Query{Body: &Select{}}
			default:
				pv.Lists = append(pv.Lists, len(pv.In))
				for !p.eof() && !p.isOp(")") {
					before := p.pos
					pv.In = append(pv.In, p.selectItem())
					if p.pos == before || !p.acceptOp(",") {
						break
					}
				}
				if p.accept("default") {
					p.skipToClose()
				}
			}
			p.expectClose(")")
		}
		if p.cur().isText("default") || p.is("default") {
			p.skipToClose()
		}
	}
	if p.acceptSeq("group", "by") {
		pv.GroupBy = p.exprList()
	}
}

// pivotFor reads the column, columns or expression that a pivot spreads.
func (p *parser) pivotFor(pv *Pivot) {
	if p.isOp("(") && !p.startsQueryAt(1) && p.isName(p.peek(1)) && (p.peek(2).isOp(",") || p.peek(2).isOp(")")) {
		pv.For = append(pv.For, p.identList()...)
		return
	}
	e := p.exprPrec(precOther)
	if e.Kind == ExprColumn {
		pv.For = append(pv.For, e.Name[len(e.Name)-1])
		if p.acceptOp(",") { // Spark: FOR a, b IN
			p.pivotFor(pv)
		}
		return
	}
	walkExpr(e, func(x *Expr) {
		if x.Kind == ExprColumn {
			pv.For = append(pv.For, x.Name[len(x.Name)-1])
		}
	})
}

func (p *parser) unpivotBody(pv *Pivot) {
	if p.accept("include", "exclude") {
		p.accept("nulls")
	}
	if p.isOp("(") {
		pv.Values = p.identList()
	} else if names := p.path(); len(names) > 0 {
		pv.Values = names[len(names)-1:]
		for p.acceptOp(",") { // Oracle
			if more := p.path(); len(more) > 0 {
				pv.Values = append(pv.Values, more[len(more)-1])
			}
		}
	}
	if p.accept("for") {
		if names := p.path(); len(names) > 0 {
			pv.NameColumn = &names[len(names)-1]
			for p.acceptOp(",") {
				p.path()
			}
		}
	}
	if p.accept("in") && p.acceptOp("(") {
		for !p.eof() && !p.isOp(")") {
			before := p.pos
			var source []Ident
			if p.is("columns") && p.peek(1).isOp("(") { // DuckDB: IN (COLUMNS(…)), whichever those are
				pv.Other = append(pv.Other, p.expr())
			} else if p.isOp("(") {
				source = p.identList()
			} else if names := p.path(); len(names) > 0 {
				source = names[len(names)-1:]
			} else if p.cur().kind == tokString || p.isOp("*") {
				p.next()
			}
			pv.Sources = append(pv.Sources, source)
			if p.accept("as") {
				p.expr()
			} else if p.cur().kind == tokString || p.cur().kind == tokWord && !p.isOp(",") {
				p.next()
			}
			if p.pos == before || !p.acceptOp(",") {
				break
			}
		}
		p.expectClose(")")
	}
}

func (p *parser) matchRecognize(pv *Pivot) {
	for !p.eof() && !p.isOp(")") {
		switch {
		case p.acceptSeq("partition", "by"):
			pv.Partition = p.exprList()
		case p.acceptSeq("order", "by"):
			pv.Order = p.orderItems()
		case p.accept("measures"):
			for {
				before := p.pos
				if !p.accept("final") {
					p.acceptText("running")
				}
				pv.Measures = append(pv.Measures, p.selectItem())
				if p.pos == before || !p.acceptOp(",") {
					break
				}
			}
		case p.acceptSeq("all", "rows"):
			pv.AllRows = true
		case p.acceptText("pattern"):
			p.skipBalanced()
		case p.acceptText("define"):
			for {
				p.next()
				p.accept("as")
				before := p.pos
				pv.Other = append(pv.Other, p.expr())
				if p.pos == before || !p.acceptOp(",") {
					break
				}
			}
		default:
			p.next()
		}
	}
}
