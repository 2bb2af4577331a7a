package met

import (
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
)

// MET002 finds figures that go by several names.
func MET002() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "MET002",
			Slug:   "one-definition-several-names",
			Title:  "A figure that goes by another name elsewhere",
			Family: check.Metrics,
			Why: "\"Sales\" here and \"Revenue\" there are one sum. Readers compare them, find them equal and look for the reason, or take them for two " +
				"figures and add them up.\n\nFigures are those of metrics, of questions that show a single figure, and of column names that at least " +
				"three questions use. They are the same when they aggregate the same over the same tables with the same conditions, period included. " +
				"Counts of all rows of a table are left out, and so are queries that are not simple. The most frequent name stays; what uses another is reported.",
			Bad: `questions:
  - {id: 1, name: Revenue, sql: "select sum(total) from orders where status = 'paid'"}
  - {id: 2, name: Sales income, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[sum, [field, 73, null]]], filter: ["=", [field, 72, null], paid]}}}`,
			Good: `questions:
  - {id: 1, name: Revenue, sql: "select sum(total) from orders where status = 'paid'"}
  - {id: 2, name: Revenue (total), mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[sum, [field, 73, null]]], filter: ["=", [field, 72, null], paid]}}}`,
			Remediation: "Agree on one name and use it everywhere, best as a metric.",
			Severity:    finding.Low,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindMeasure},
		},
		Run: func(p *check.Pass) error {
			unread(p)
			subjects := judged(p)
			for _, c := range p.Conflicts {
				if c.Kind != similar.OneDefinition {
					continue
				}
				d := c.Definitions[0]
				var names []string
				for _, n := range d.Names {
					names = append(names, quoted(n))
				}
				usual := slices.IndexFunc(d.Uses, func(u similar.MetricUse) bool { return strings.TrimSpace(u.Name) == c.Name })
				for _, u := range d.Uses {
					a := subjects[u.Asset]
					if a == nil || strings.TrimSpace(u.Name) == c.Name || usual >= 0 && u.Asset == d.Uses[usual].Asset {
						continue
					}
					p.Report(a, check.Diagnostic{
						Message: fmt.Sprintf("Calls %s what is called %s elsewhere.", quoted(u.Name), quoted(c.Name)),
						Key:     []string{c.ID, u.Column},
						Evidence: finding.Evidence{
							Numbers: map[string]float64{"names": float64(len(names))},
							Texts:   map[string]string{"definition": check.Clean(d.Text), "names": strings.Join(names, ", ")}, Related: related(c.Definitions, mostRelated),
						},
					})
				}
			}
			return nil
		},
	}
}
