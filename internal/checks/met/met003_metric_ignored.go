package met

import (
	"fmt"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
)

// MET003 finds questions that compute by hand what a metric defines.
func MET003() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "MET003",
			Slug:   "metric-ignored",
			Title:  "A question that computes by hand what a metric defines",
			Family: check.Metrics,
			Why: "Somebody defined the figure once, as a metric or measure, so that everybody gets the same. A question that spells it out keeps today's " +
				"definition when the metric's changes, and shows another number from then on.\n\nA question is reported when it aggregates the same " +
				"over the same tables with the same fixed conditions and does not use the metric; the period, readers' filters and grouping do not " +
				"matter. Counts of all rows of a table are left out. Native SQL is left out, because it cannot use a metric.",
			Bad: `questions:
  - {id: 1, type: metric, name: Revenue, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[sum, [field, 73, null]]]}}}
  - {id: 2, name: Sales by status, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[sum, [field, 73, null]]], breakout: [[field, 72, null]]}}}`,
			Good: `questions:
  - {id: 1, type: metric, name: Revenue, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[sum, [field, 73, null]]]}}}
  - {id: 2, name: Sales by status, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[metric, 1]], breakout: [[field, 72, null]]}}}`,
			Remediation: "Use the metric in the question.",
			Severity:    finding.Low,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel},
			Needs:       []catalog.Kind{catalog.KindMetric},
		},
		Run: func(p *check.Pass) error {
			unread(p)
			subjects := judged(p)
			done := map[string]bool{}
			for _, m := range p.Metrics {
				for _, d := range m.Definitions {
					i := slices.IndexFunc(d.Uses, func(u similar.MetricUse) bool {
						return u.Asset.Kind == catalog.KindMetric || u.Asset.Kind == catalog.KindMeasure
					})
					if i < 0 || d.Trivial() {
						continue
					}
					metric := d.Uses[i].Asset
					for _, ref := range d.ComputedBy {
						q, ok := subjects[ref].(*catalog.Question)
						if !ok || len(q.Query.MBQL) == 0 || done[d.ID+ref.String()] || uses(p, ref, metric) {
							continue
						}
						done[d.ID+ref.String()] = true
						diagnostic := check.Diagnostic{
							Message:  fmt.Sprintf("Computes by hand what the %s %s defines.", metric.Kind, p.Name(metric)),
							Key:      []string{d.ID},
							Evidence: finding.Evidence{Texts: map[string]string{"definition": check.Clean(d.Text)}, Related: []catalog.Ref{metric}},
						}
						p.Report(q, diagnostic)
					}
				}
			}
			return nil
		},
	}
}

// uses reports whether a question is built on a metric.
func uses(p *check.Pass, question, metric catalog.Ref) bool {
	for _, e := range p.Graph.Sources(question) {
		if e.From == metric {
			return true
		}
	}
	return false
}
