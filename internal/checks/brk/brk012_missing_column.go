package brk

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// BRK012 finds queries over columns that are gone.
func BRK012() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK012",
			Slug:   "missing-column",
			Title:  "A query over a column that is not in the database any more",
			Family: check.Broken,
			Why: "A renamed or dropped column breaks every query that names it, mostly unnoticed until somebody needs the figure. " +
				"Queries that ask for all columns go on working and are not reported.",
			Bad: `tables: [{id: 1/public/orders, number: 7, columns: [{name: id, number: 71}, {name: state, number: 72, inactive: true}]}]
questions: [{id: 1, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[count]], breakout: [[field, 72, null]]}}}]`,
			Good: `tables: [{id: 1/public/orders, number: 7, columns: [{name: id, number: 71}, {name: state, number: 72}]}]
questions: [{id: 1, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[count]], breakout: [[field, 72, null]]}}}]`,
			Remediation: "Choose the column that replaced it, or archive the question.",
			Severity:    finding.High,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Personal:    true,
			Judges:      append(queryKinds(), catalog.KindSegment, catalog.KindMeasure),
			Needs:       []catalog.Kind{catalog.KindTable},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				if q, ok := a.(*catalog.Question); ok && q.Unreadable {
					p.NotEvaluated(q.Ref(), "Its query could not be read.")
					continue
				}
				missingColumns(p, a)
			}
			return nil
		},
	}
}

func missingColumns(p *check.Pass, a catalog.Asset) {
	for _, ref := range p.Columns(a.Ref()) {
		c := p.Index.Column(ref.ID)
		if c == nil || !c.Inactive {
			continue
		}
		if t := p.Index.Table(catalog.TableOfColumn(ref.ID)); t == nil || t.Inactive {
			continue // BRK010
		}
		p.Report(a, check.Diagnostic{
			Message:  fmt.Sprintf("Uses column \"%s\" of %s, which is not in the database any more.", check.Clean(c.Name), tableName(p, catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(ref.ID)})),
			Evidence: finding.Evidence{Related: []catalog.Ref{ref}, Spans: p.Mentions(a.Ref(), ref)},
			Key:      []string{ref.ID},
		})
	}
	for _, u := range p.Unresolved(a.Ref()) {
		switch {
		case hasReason(u, "schema_unread"):
			p.NotEvaluated(a.Ref(), "The columns of its database were not read.")
		case hasReason(u, "sql_not_analysed", "not_sql"):
			p.NotEvaluated(a.Ref(), unanalysed(u))
		case hasReason(u, "unknown_column"):
			d := check.Diagnostic{
				Message:    "Uses a column that does not exist: " + check.Clean(u.Detail) + ".",
				Evidence:   finding.Evidence{Spans: spans(u)},
				Key:        []string{u.Target.ID, u.Detail},
				Confidence: finding.Likely,
			}
			if !u.Target.IsZero() {
				d.Confidence = finding.Certain // named by number or path, not by a result's column name
			}
			unsure(p, catalog.KindTable, &d)
			p.Report(a, d)
		}
	}
}
