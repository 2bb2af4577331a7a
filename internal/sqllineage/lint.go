package sqllineage

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqllint"
)

// Lint looks at a native query for what is likely wrong in it. Spans are places
// of the text as it is stored: what stands in a snippet has the place of its
// tag. Skipped is "not_sql" for another language, "too_long" beyond
// [MaxReferenceText], "cancelled" when the context has ended.
func (a *Analyzer) Lint(ctx context.Context, in lineage.SQLInput) sqllint.Result {
	if out, done := unlinted(ctx, in); done {
		return out
	}
	s := a.schema(in.Schema)
	if !s.sql {
		return sqllint.Result{Skipped: "not_sql"}
	}
	return readAll(s, s.index, in).lint(s.table)
}

// unlinted answers for text that is not looked at.
func unlinted(ctx context.Context, in lineage.SQLInput) (out sqllint.Result, done bool) {
	switch {
	case in.Schema == nil:
		out.Skipped = "not_sql"
	case ctx.Err() != nil:
		out.Skipped = "cancelled"
	case len(in.SQL) > MaxReferenceText:
		out.Skipped = "too_long"
	}
	return out, out.Skipped != ""
}

// lint looks at a text; table finds the tables of its schema.
func (t *text) lint(table func(sqllens.TableRef) *catalog.Table) sqllint.Result {
	tags := make(map[string]sqllint.Tag, len(t.in.Tags))
	for _, tag := range t.in.Tags {
		tags[tag.Name] = sqllint.Tag{Type: tag.Type, Column: t.schema.column(tag.ColumnID)}
	}
	out := sqllint.Lint(sqllint.Input{SQL: t.sql, Tree: t.tree, Lineage: t.resolved, Tags: tags, Table: table})
	if len(t.pieces) == 0 {
		return out
	}
	for i := range out.Remarks {
		span := t.original(out.Remarks[i].Span)
		out.Remarks[i].Span = sqllens.Span{Start: span.Start, End: span.End}
	}
	own := out.Subqueries[:0]
	for _, q := range out.Subqueries {
		if span, ok := t.own(q.Span); ok {
			q.Span = sqllens.Span{Start: span.Start, End: span.End}
			own = append(own, q)
		}
	}
	out.Subqueries = own
	return out
}

// column finds a column of the schema by its id; nil when absent.
func (s *schema) column(id string) *catalog.Column {
	if id == "" {
		return nil
	}
	if t := s.byID[catalog.TableOfColumn(id)]; t != nil {
		for _, c := range t.Columns {
			if c.ID == id {
				return c
			}
		}
	}
	return nil
}
