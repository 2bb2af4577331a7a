package use

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// USE008 finds segments and measures no live query uses.
func USE008() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "USE008",
			Slug:   "unused-segment-or-measure",
			Title:  "A segment or measure that no query uses",
			Family: check.Usage,
			Why: "Segments and measures are the shared vocabulary of a table. Each unused one is another word that people have to rule out " +
				"before they choose.",
			Bad: `segments:
  - {id: 1, name: Paying customers, table: 1/public/orders, definition: {source-table: 7, filter: ["=", [field, 72, null], paid]}}`,
			Good: `segments:
  - {id: 1, name: Paying customers, table: 1/public/orders, definition: {source-table: 7, filter: ["=", [field, 72, null], paid]}}
questions:
  - {id: 2, mbql: {database: 1, type: query, query: {source-table: 7, filter: [segment, 1]}}}`,
			Remediation: "Archive it, or tell people that it exists.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindSegment, catalog.KindMeasure},
			Needs:       []catalog.Kind{catalog.KindQuestion},
		},
		Run: func(p *check.Pass) error { return unusedPart(p, "No query uses it.") },
	}
}
