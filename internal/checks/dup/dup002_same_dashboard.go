package dup

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
)

// DUP002 finds dashboards that show the same questions.
func DUP002() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DUP002",
			Slug:   "same-dashboard",
			Title:  "A dashboard with the same questions as another",
			Family: check.Duplication,
			Why: "A copied dashboard starts equal and drifts: one gets the new filter, the other the new question. Readers hold two links " +
				"and do not know which is current.\n\nDashboards are the same when they show the same set of at least three questions; " +
				"questions with the same query count as one, so that copies with copied questions are found too.",
			Bad: `questions: [{id: 1}, {id: 2}, {id: 3}]
dashboards:
  - {id: 4, name: Sales, cards: [1, 2, 3]}
  - {id: 5, name: Sales for the board, cards: [3, 1, 2]}`,
			Good: `questions: [{id: 1}, {id: 2}, {id: 3}, {id: 6}]
dashboards:
  - {id: 4, name: Sales, cards: [1, 2, 3]}
  - {id: 5, name: Sales for the board, cards: [3, 1, 6]}`,
			Remediation: "Agree on one, move subscriptions and links to it, and archive the other. Where only the filter's setting differs, one dashboard with a filter does for both.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Default:     true,
			Judges:      []catalog.Kind{catalog.KindDashboard},
		},
		Run: func(p *check.Pass) error {
			for d := range p.Dashboards() {
				if d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
				}
			}
			for _, c := range p.Clusters {
				if c.Kind != similar.Exact || c.Keep.Kind != catalog.KindDashboard {
					continue
				}
				for _, ref := range c.Members {
					d := p.Index.Dashboard(ref.ID)
					if ref == c.Keep || d == nil {
						continue
					}
					p.Report(d, check.Diagnostic{
						Message:  fmt.Sprintf("Shows the same questions as %s. That one is the one to keep: %s.", p.Name(c.Keep), c.Reason),
						Evidence: finding.Evidence{Numbers: map[string]float64{"copies": float64(len(c.Members))}, Related: append([]catalog.Ref(nil), c.Members...)},
					})
				}
			}
			return nil
		},
	}
}
