package sqllens

import "strings"

// duckQuery reports whether a query begins here that only DuckDB has: PIVOT t
// ON …, UNPIVOT t ON …, and in parentheses DESCRIBE and SUMMARIZE.
func (p *parser) duckQuery(n int) bool {
	t, next := p.peek(n), p.peek(n+1)
	named := next.kind == tokWord && !hardWords[next.word] || next.kind == tokQuoted || next.kind == tokString
	switch strings.ToLower(t.text) {
	case "pivot", "unpivot", "pivot_wider", "pivot_longer":
		return named || next.isOp("(")
	case "describe", "summarize", "show":
		return named || next.isWord("select", "with", "from")
	}
	return false
}

// duckBody reads what duckQuery found.
// https://duckdb.org/docs/stable/sql/statements/pivot
func (p *parser) duckBody() Body {
	start := p.next()
	p.made = true
	s := &Select{Span: start.span(), Items: []SelectItem{{Expr: &Expr{Kind: ExprStar, Star: &Star{}, Span: start.span()}}}}
	switch strings.ToLower(start.text) {
	case "describe", "summarize", "show":
		inner := &Table{Span: p.cur().span()}
		if p.startsQuery() {
			inner.Kind, inner.Query = TableQuery, p.query()
			inner.Span.End = p.toks[p.pos-1].end
		} else {
			inner = p.nameOnly()
		}
		inner.Alias = &Ident{Text: "described", Span: inner.Span}
		s.From = []*Table{inner}
		s.Items = describedColumns(inner, start.isText("summarize"))
	default:
		pv := &Pivot{Unpivot: start.isWord("unpivot") || start.isText("pivot_longer")}
		left := p.tableFactor()
		p.pivotStatement(pv)
		s.From = []*Table{{Kind: TablePivot, Left: left, Pivot: pv, Span: left.Span.join(p.toks[p.pos-1].span())}}
	}
	s.Span.End = p.toks[p.pos-1].end
	return s
}

// describedColumns are the columns of DESCRIBE and SUMMARIZE. Those of the
// second hold values of the whole table.
func describedColumns(t *Table, summary bool) []SelectItem {
	names := []string{"column_name", "column_type", "null", "key", "default", "extra"}
	if summary {
		names = []string{"column_name", "column_type", "min", "max", "approx_unique", "avg", "std", "q25", "q50", "q75", "count", "null_percentage"}
	}
	var items []SelectItem
	for i, name := range names {
		e := &Expr{Kind: ExprLiteral, Op: "string", Span: t.Span}
		if summary && i > 1 {
			star := &Expr{Kind: ExprStar, Name: []Ident{*t.Alias}, Star: &Star{}, Span: t.Span}
			e = &Expr{Kind: ExprArray, Args: []*Expr{star}, Span: t.Span}
		}
		items = append(items, SelectItem{Expr: e, Alias: &Ident{Text: name, Span: t.Span}, Span: t.Span})
	}
	return items
}

// pivotStatement reads ON, USING, GROUP BY and INTO of the statement forms.
func (p *parser) pivotStatement(pv *Pivot) {
	for !p.eof() {
		switch {
		case p.accept("on"):
			for {
				before := p.pos
				p.pivotOn(pv)
				if p.pos == before || !p.acceptOp(",") || p.trailing() || p.is("into") {
					break
				}
			}
		case p.is("using") && !p.peek(1).isWord("sample"):
			p.next()
			for {
				before := p.pos
				pv.Aggregates = append(pv.Aggregates, p.selectItem())
				if p.pos == before || !p.acceptOp(",") || p.is("group") || p.trailing() {
					break
				}
			}
		case p.is("group") && p.peek(1).isWord("by"):
			p.next()
			p.next()
			pv.GroupBy = p.exprList()
		case p.is("into"):
			p.next()
			p.accept("name")
			if p.isName(p.cur()) {
				name := p.ident(p.next())
				pv.NameColumn = &name
			}
			p.acceptText("value")
			for p.isName(p.cur()) {
				pv.Values = append(pv.Values, p.ident(p.next()))
				if !p.acceptOp(",") {
					break
				}
			}
		default:
			return
		}
	}
}

func (p *parser) pivotOn(pv *Pivot) {
	e := p.exprPrec(precOther)
	if p.accept("as") {
		p.next()
	}
	var names []Ident
	walkExpr(e, func(x *Expr) {
		if x.Kind == ExprStar && pv.Unpivot {
			pv.Other = append(pv.Other, x)
		}
		if x.Kind == ExprColumn {
			names = append(names, x.Name[len(x.Name)-1])
		}
	})
	if pv.Unpivot {
		pv.Sources = append(pv.Sources, names)
	} else {
		pv.For = append(pv.For, names...)
	}
	if !p.is("in") {
		pv.InQuery = &Query{Body: &Select{}} // every value there is
		return
	}
	p.next()
	if !p.acceptOp("(") { // an enum
		p.path()
		pv.InQuery = &Query{Body: &Select{}}
		return
	}
	pv.Lists = append(pv.Lists, len(pv.In))
	for !p.eof() && !p.isOp(")") {
		before := p.pos
		pv.In = append(pv.In, p.selectItem())
		if p.pos == before || !p.acceptOp(",") {
			break
		}
	}
	p.expectClose(")")
}
