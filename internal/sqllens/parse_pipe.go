package sqllens

import "strings"

func (p *parser) pipe() *Pipe {
	t := p.next()
	op := strings.ToLower(t.text)
	pp := &Pipe{Op: op}
	switch op {
	case "select", "extend":
		p.accept("distinct", "all")
		pp.Items = p.selectItems()
	case "set":
		for {
			names := p.path()
			if len(names) == 0 || !p.acceptOp("=") {
				break
			}
			e := p.expr()
			pp.Items = append(pp.Items, SelectItem{Expr: e, Alias: &names[len(names)-1], Span: e.Span})
			if !p.acceptOp(",") {
				break
			}
		}
	case "drop":
		for {
			names := p.path()
			if len(names) == 0 {
				break
			}
			pp.Names = append(pp.Names, names[0])
			if !p.acceptOp(",") {
				break
			}
		}
	case "rename":
		for {
			from := p.path()
			p.accept("as")
			to := p.path()
			if len(from) == 0 || len(to) == 0 {
				break
			}
			pp.Names = append(pp.Names, from[0], to[0])
			if !p.acceptOp(",") {
				break
			}
		}
	case "where":
		pp.Exprs = append(pp.Exprs, p.condition())
	case "aggregate":
		if !p.is("group") {
			pp.Items = p.selectItems()
			for p.accept("asc", "desc") || p.accept("nulls", "first", "last") || p.acceptOp(",") {
				if !p.selectEnds() && !p.is("asc", "desc", "nulls", "first", "last") && !p.isOp(",") {
					pp.Items = append(pp.Items, p.selectItems()...)
				}
			}
		}
		if p.accept("group") {
			p.accept("and")
			p.accept("order")
			p.accept("by")
			for {
				before := p.pos
				pp.GroupBy = append(pp.GroupBy, p.selectItem())
				p.accept("asc", "desc")
				if p.accept("nulls") {
					p.accept("first", "last")
				}
				if p.pos == before || !p.acceptOp(",") {
					break
				}
			}
		}
	case "as":
		alias := p.ident(p.next())
		pp.Alias = &alias
	case "order":
		p.accept("by")
		pp.Exprs = p.orderItems()
	case "limit":
		pp.Exprs = append(pp.Exprs, p.expr())
		if p.accept("offset") {
			pp.Exprs = append(pp.Exprs, p.expr())
		}
	case "join", "left", "right", "full", "inner", "cross":
		p.pos--
		if p.setOpAhead() { // LEFT OUTER UNION …
			for p.is("left", "full", "inner", "outer") {
				p.next()
			}
			return p.pipe()
		}
		pp.Op = "join"
		left := &Table{Kind: TableFile, Text: "|>"}
		pp.Table = p.joins(left)
	case "distinct":
		pp.Op = "limit" // of the rows, not the columns
	case "union", "intersect", "except":
		pp.Op = op
		p.accept("all", "distinct")
		p.acceptSeq("by", "name")
		for {
			pp.Queries = append(pp.Queries, p.bodyPrimary())
			if !p.acceptOp(",") {
				break
			}
		}
	case "pivot", "unpivot":
		p.pos--
		pp.Table = p.pivot(&Table{Kind: TableFile, Text: "|>"})
	case "call", "tablesample", "window":
		for !p.eof() && !p.isOp("|>") && !p.isOp(";") && !p.isOp(")") {
			if p.isOp("(") {
				p.skipBalanced()
				continue
			}
			p.next()
		}
	default:
		p.problem("syntax", "unknown pipe step "+op, t.span())
		for !p.eof() && !p.isOp("|>") && !p.isOp(";") && !p.isOp(")") {
			p.next()
		}
	}
	return pp
}
