package dup

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
)

// DUP001 finds questions with the same query.
func DUP001() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DUP001",
			Slug:   "same-query",
			Title:  "A question with the same query as another",
			Family: check.Duplication,
			Why: "Two questions with one query are changed apart: a filter is mended in one, the other goes on showing the old figure, and " +
				"meetings are spent on the difference.\n\nQueries are the same when they read the same database with the same SQL apart from " +
				"white space and comments, or with the same query-builder query, in whichever form Metabase stores it. How the result is drawn " +
				"does not matter. One member of each group is recommended to be kept; the others are reported.",
			Bad: `questions:
  - {id: 1, name: Revenue, sql: "select sum(total) from orders"}
  - {id: 2, name: Revenue (Ann), sql: "select sum(total)  from orders -- mine"}`,
			Good: `questions:
  - {id: 1, name: Revenue, sql: "select sum(total) from orders"}
  - {id: 2, name: Revenue of paid orders, sql: "select sum(total) from orders where status = 'paid'"}`,
			Remediation: "Point what uses this question to the recommended one, then archive this one.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric},
		},
		Run: func(p *check.Pass) error {
			for q := range p.Questions() {
				if q.Unreadable {
					p.NotEvaluated(q.Ref(), "Its query could not be read.")
				}
			}
			for _, c := range p.Clusters {
				if c.Kind != similar.Exact || c.Keep.Kind == catalog.KindDashboard {
					continue
				}
				keep := p.Index.Question(c.Keep.ID)
				for _, ref := range c.Members {
					q := p.Index.Question(ref.ID)
					if ref == c.Keep || q == nil || keep == nil {
						continue
					}
					d := check.Diagnostic{
						Message:  fmt.Sprintf("Has the same query as %s. That one is the one to keep: %s.", p.Name(c.Keep), c.Reason),
						Evidence: finding.Evidence{Numbers: map[string]float64{"copies": float64(len(c.Members))}, Related: append([]catalog.Ref(nil), c.Members...)},
					}
					if q.Display != keep.Display {
						d.Evidence.Texts = map[string]string{"drawn_as": check.Clean(q.Display), "kept_drawn_as": check.Clean(keep.Display)}
						d.Message = fmt.Sprintf("Has the same query as %s, drawn in another way. That one is the one to keep: %s.", p.Name(c.Keep), c.Reason)
						d.Severity = finding.Low
					}
					if q.DashboardID != "" {
						d.Severity = finding.Low // it cannot be found outside its dashboard
					}
					p.Report(q, d)
				}
			}
			return nil
		},
	}
}
