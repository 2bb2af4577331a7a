package compare

import (
	"encoding/json"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
)

// canonical writes a query of the query builder with names in place of numbers,
// in a form in which equal meaning is equal text.
func (p *portable) canonical(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	q, err := mbql.Parse(raw)
	if err != nil {
		return ""
	}
	q.Database = p.database(q.Database)
	p.stages(q.Stages)
	return mbql.Canonical(q, mbql.Strict)
}

func (p *portable) stages(list []*mbql.Stage) {
	for _, s := range list {
		p.tableRef(&s.SourceTable)
		if s.SourceCard != "" {
			s.SourceCard = p.question(s.SourceCard)
		}
		if s.Native != nil && s.Native.SQL {
			s.Native.Text = p.sql(s.Native.Text)
		}
		for _, e := range s.Expressions {
			p.expr(e.Expr)
		}
		for _, list := range [][]*mbql.Expr{s.Filters, s.Aggregations, s.Breakouts, s.Fields} {
			p.exprs(list)
		}
		for _, o := range s.OrderBy {
			p.expr(o.Expr)
		}
		for _, j := range s.Joins {
			p.stages(j.Stages)
			p.exprs(j.Conditions)
			p.exprs(j.Fields)
		}
	}
}

func (p *portable) exprs(list []*mbql.Expr) {
	for _, e := range list {
		p.expr(e)
	}
}

func (p *portable) expr(e *mbql.Expr) {
	if e == nil {
		return
	}
	switch e.Kind {
	case mbql.FieldExpr:
		if e.Field != nil {
			p.fieldRef(&e.Field.ID)
			p.fieldRef(&e.Field.Source)
		}
	case mbql.SegmentExpr:
		e.Name = p.entity(catalog.KindSegment, e.Name)
	case mbql.MeasureExpr:
		e.Name = p.entity(catalog.KindMeasure, e.Name)
	case mbql.MetricExpr:
		e.Name = p.question(e.Name)
	default:
	}
	p.exprs(e.Args)
}

func (p *portable) entity(kind catalog.Kind, id string) string {
	if a := p.index.Asset(catalog.Ref{Kind: kind, ID: id}); a != nil && a.Entity() != "" {
		return a.Entity()
	}
	return id
}

func (p *portable) tableRef(t *mbql.TableID) {
	if t.Number == 0 {
		t.Database = p.database(t.Database)
		return
	}
	if found := p.index.TableByNumber(t.Number); found != nil {
		*t = mbql.TableID{Database: p.database(found.DatabaseID), Schema: found.Schema, Name: found.Name}
	}
}

func (p *portable) fieldRef(f *mbql.FieldID) {
	if f.IsZero() {
		return
	}
	if f.Number == 0 {
		p.tableRef(&f.Table)
		return
	}
	c := p.index.ColumnByNumber(f.Number)
	if c == nil {
		return
	}
	database, schema, table, column, ok := catalog.SplitID(c.ID)
	if ok {
		*f = mbql.FieldID{Table: mbql.TableID{Database: p.database(database), Schema: schema, Name: table}, Name: column}
	}
}
