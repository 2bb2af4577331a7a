package org

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// ORG005 finds dashboards with too many cards on one tab.
func ORG005() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "ORG005",
			Slug:   "crowded-dashboard",
			Title:  "A dashboard with too many cards",
			Family: check.Organisation,
			Why: "Each card is a query that runs when the dashboard opens, and one more thing to look past. Cards on other tabs do not count: " +
				"they run when their tab is opened.",
			Bad: `params: {cards: 2}
questions: [{id: 1}, {id: 2}, {id: 3}]
dashboards: [{id: 4, cards: [1, 2, 3]}]`,
			Good: `params: {cards: 2}
questions: [{id: 1}, {id: 2}]
dashboards: [{id: 4, cards: [1, 2]}]`,
			Remediation: "Put what is looked at together on a tab of its own, and drop what nobody mentions.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindDashboard},
			Params: []check.Param{
				{Name: "cards", Title: "Question cards that one tab may hold", Type: check.IntParam, Default: "30", Min: 1, Max: 1000},
			},
		},
		Run: func(p *check.Pass) error {
			for d := range p.Dashboards() {
				if d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
					continue
				}
				fullest := 0
				perTab := map[string]int{}
				for _, c := range d.Cards {
					if c.QuestionID != "" {
						perTab[c.TabID]++
						fullest = max(fullest, perTab[c.TabID])
					}
				}
				if fullest > p.Int("cards") {
					where := "at once"
					if len(d.Tabs) > 1 {
						where = "on one tab"
					}
					p.Report(d, check.Diagnostic{
						Message:  fmt.Sprintf("Shows %d questions %s.", fullest, where),
						Evidence: finding.Evidence{Numbers: map[string]float64{"cards": float64(fullest), "tabs": float64(len(d.Tabs))}},
					})
				}
			}
			return nil
		},
	}
}
