package sqllens

import "strings"

func (p *parser) interval() *Expr {
	start := p.cur()
	n := p.peek(1)
	if n.isOp(".") || n.isOp(",") || n.isOp(")") || n.isOp("=") || n.kind == tokEOF || n.isWord("as", "from", "and", "or", "is", "in", "asc", "desc", "rows", "range", "groups", "order", "where", "group", "limit", "then", "when", "else", "end") {
		return nil
	}
	if n.kind == tokOp && n.text != "(" && n.text != "-" && n.text != "+" && n.text != ":" && n.text != "?" && n.text != "@" && n.text != "$" {
		return nil
	}
	p.next()
	e := &Expr{Kind: ExprInterval, Span: start.span()}
	e.Args = append(e.Args, p.exprPrec(precAdd+1))
	for p.unitWord(p.cur()) {
		if e.Op != "" {
			e.Op += " "
		}
		t := p.next()
		e.Op += strings.ToLower(t.text)
		e.Span.End = t.end
		if p.isOp("(") && p.peek(1).kind == tokNumber {
			p.skipBalanced()
		}
		if (p.is("to") || p.cur().isText("to")) && p.unitWord(p.peek(1)) {
			p.next()
			e.Op += " to"
			continue
		}
		if p.cur().kind == tokNumber || p.cur().kind == tokString && p.d != Postgres { // Spark: INTERVAL 1 DAY 2 HOURS
			if p.unitWord(p.peek(1)) {
				p.next()
				continue
			}
		}
		break
	}
	e.Span = e.Span.join(e.Args[0].Span)
	return e
}

func (p *parser) unitWord(t *token) bool {
	if t.kind != tokWord {
		return false
	}
	s := strings.TrimSuffix(strings.ToLower(t.text), "s")
	switch s {
	case "year", "quarter", "month", "week", "isoweek", "isoyear", "day", "dayofweek", "dayofyear", "hour", "minute", "second", "millisecond", "microsecond", "nanosecond",
		"year_month", "day_hour", "day_minute", "day_second", "hour_minute", "hour_second", "minute_second", "day_microsecond", "decade", "century", "epoch", "century_", "millennium":
		return true
	}
	return false
}

func (p *parser) typeName() Ident {
	start := p.cur()
	begin := p.pos
	switch {
	case p.cur().kind == tokString:
		p.next()
	case p.cur().kind == tokTag:
		p.next()
	default:
		if p.acceptText("setof") {
			break
		}
		if p.path() == nil && p.cur().kind == tokWord {
			p.next()
		}
	}
	for {
		t := p.cur()
		switch {
		case t.isOp("("):
			if p.pos == begin {
				break
			}
			p.skipBalanced()
			continue
		case t.isOp("<") && p.pos > begin && (t.glued || p.toks[p.pos-1].isWord("array", "struct", "map")):
			p.skipAngles()
			continue
		case t.isOp("[") && (p.peek(1).isOp("]") || p.peek(1).kind == tokNumber && p.peek(2).isOp("]")):
			p.skipBalanced()
			continue
		case t.isWord("array") && p.pos > begin:
			p.next()
			continue
		case t.kind == tokWord && p.typeTail(t, &p.toks[p.pos-1]):
			p.next()
			continue
		case t.isWord("with") && p.peek(1).isWord("time") && p.peek(2).isWord("zone"), t.isText("without") && p.peek(1).isWord("time"):
			p.next()
			p.next()
			p.accept("zone")
			continue
		case t.isWord("with") && p.peek(1).isText("local") && p.peek(2).isWord("time"):
			p.pos += 4
			continue
		case t.isOp(".") && t.glued && p.peek(1).kind == tokWord:
			p.next()
			p.next()
			continue
		case t.isOp("%") && t.glued && (p.peek(1).isText("type") || p.peek(1).isText("rowtype")):
			p.next()
			p.next()
			continue
		case t.isText("character") && p.peek(1).isWord("set"):
			p.next()
			p.next()
			p.next()
			continue
		case t.isWord("collate") && p.pos > begin && (p.d == Spark || p.d == Databricks):
			p.next()
			p.next()
			continue
		case t.isWord("to") || t.isText("to"):
			if p.pos > begin && (p.unitWord(&p.toks[p.pos-1]) || p.toks[p.pos-1].isOp(")") && p.unitWord(p.peek(1))) {
				p.next()
				p.next()
				continue
			}
		}
		break
	}
	end := p.toks[max(p.pos-1, begin)]
	return Ident{Text: p.src[start.start:max(end.end, start.start)], Span: Span{start.start, max(end.end, start.start)}}
}

func (p *parser) typeTail(t, before *token) bool {
	switch strings.ToLower(t.text) {
	case "precision":
		return before.isText("double")
	case "varying":
		return true
	case "unsigned", "signed", "zerofill":
		return true
	case "integer", "int":
		return before.isText("unsigned") || before.isText("signed")
	case "char", "character", "nchar":
		return before.isText("national")
	case "year", "month", "day", "hour", "minute", "second":
		return before.isWord("interval")
	case "byte":
		return false
	case "object":
		return before.isText("large")
	}
	return false
}

func (p *parser) exprList() []*Expr {
	var list []*Expr
	for {
		before := p.pos
		list = append(list, p.expr())
		if p.pos == before || !p.acceptOp(",") {
			return list
		}
	}
}

func (p *parser) orderItems() []*Expr {
	var list []*Expr
	for {
		before := p.pos
		if p.is("all") && (p.peek(1).kind == tokEOF || p.peek(1).isOp(")") || p.peek(1).isWord("asc", "desc", "limit", "nulls")) {
			p.next()
		} else {
			list = append(list, p.expr())
		}
		if p.accept("as") {
			p.next()
		}
		if p.is("using") && !p.peek(1).isWord("sample") {
			p.next()
			p.next()
			p.skipParens()
		}
		if n := len(list); n > 0 && p.is("desc") {
			list[n-1] = &Expr{Kind: ExprOp, Op: "desc", Args: []*Expr{list[n-1]}, Span: list[n-1].Span}
		}
		p.accept("asc", "desc")
		if p.accept("nulls") {
			p.accept("first", "last")
		}
		if p.accept("collate") {
			p.next()
		}
		if p.is("with") && p.peek(1).isText("fill") {
			p.next()
			p.next()
			for p.accept("from") || p.accept("to") || p.acceptText("to") || p.acceptText("step") || p.acceptText("staleness") {
				p.expr()
			}
		}
		if p.acceptText("interpolate") && p.isOp("(") {
			p.skipBalanced()
		}
		if p.pos == before || !p.acceptOp(",") || p.trailing() {
			return list
		}
	}
}

// trailing says whether the comma just taken was the last of its list, which
// DuckDB and BigQuery allow.
func (p *parser) trailing() bool {
	t := p.cur()
	return t.kind == tokEOF || t.isOp(")") || t.isOp(";") || t.isOp("|>") || t.isWord("having", "order", "limit", "qualify", "window", "union", "using", "into")
}
