package sqllens

// model reads Oracle's MODEL clause.
// https://docs.oracle.com/en/database/oracle/oracle-database/19/dwhsg/sql-modeling-data-warehouses.html
func (p *parser) model(s *Select) {
	p.next()
	p.made = true
	m := &Model{}
	for !p.eof() && p.pos < p.stmtEnd && !p.isOp(")") && !p.is("order", "union", "minus", "intersect", "except", "fetch", "offset") {
		switch t := p.cur(); {
		case (t.isWord("partition") || t.isText("dimension")) && p.peek(1).isWord("by") && p.peek(2).isOp("("):
			p.next()
			p.next()
			p.modelColumns(m)
		case t.isText("measures") && p.peek(1).isOp("("):
			p.next()
			p.modelColumns(m)
		case t.isText("main"), t.isText("reference"): // names a part; the columns of a reference stay inside
			p.next()
			p.next()
			if t.isText("reference") && p.accept("on") && p.isOp("(") {
				p.skipBalanced()
				for p.cur().isText("dimension") || p.cur().isText("measures") || p.is("by") || p.isOp("(") {
					if p.isOp("(") {
						p.skipBalanced()
						continue
					}
					p.next()
				}
			}
		case t.isOp("(") && len(m.Columns) > 0 && !p.toks[p.pos-1].isText("iterate") && !p.toks[p.pos-1].isText("until"):
			p.modelRules(m)
		case t.isOp("("):
			p.skipBalanced()
		default:
			p.next()
		}
	}
	if len(m.Columns) > 0 {
		s.Model = m
	}
}

func (p *parser) modelColumns(m *Model) {
	p.next()
	for !p.eof() && !p.isOp(")") {
		before := p.pos
		m.Columns = append(m.Columns, p.selectItem())
		if p.pos == before || !p.acceptOp(",") {
			break
		}
	}
	p.skipToClose()
	p.expectClose(")")
}

// modelRules notes which measures each rule sets and reads.
func (p *parser) modelRules(m *Model) {
	depth := 0
	var rule []Ident
	for !p.eof() {
		t := p.next()
		switch {
		case t.isOp("(") || t.isOp("["):
			depth++
		case t.isOp(")") || t.isOp("]"):
			depth--
		case t.isOp(",") && depth == 1:
			m.Rules = append(m.Rules, rule)
			rule = nil
		case (t.kind == tokWord || t.kind == tokQuoted) && p.isOp("["):
			rule = append(rule, p.ident(t))
		}
		if depth == 0 {
			break
		}
	}
	m.Rules = append(m.Rules, rule)
}
