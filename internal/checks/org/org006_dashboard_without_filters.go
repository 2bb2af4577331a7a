package org

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// ORG006 finds large dashboards that cannot be narrowed.
func ORG006() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "ORG006",
			Slug:   "dashboard-without-filters",
			Title:  "A large dashboard without a filter",
			Family: check.Organisation,
			Why: "A dashboard that cannot be narrowed to a region or a month gets copied for each of them. One filter often replaces a " +
				"collection of copies.",
			Bad: `params: {cards: 2}
questions: [{id: 1}, {id: 2}]
dashboards: [{id: 4, cards: [1, 2]}]`,
			Good: `params: {cards: 2}
questions: [{id: 1}, {id: 2}]
dashboards: [{id: 4, cards: [1, {question: 2, maps: [{param: p1, target: [dimension, [field, 74, null]]}]}], parameters: [{id: p1, name: Month, type: date/month-year}]}]`,
			Remediation: "Add a date filter and connect it to all cards.",
			Severity:    finding.Info,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindDashboard},
			Params: []check.Param{
				{Name: "cards", Title: "Question cards from which on a filter is expected", Type: check.IntParam, Default: "12", Min: 1, Max: 1000},
			},
		},
		Run: func(p *check.Pass) error {
			for d := range p.Dashboards() {
				if d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
					continue
				}
				if n := questionCards(d); n >= p.Int("cards") && len(d.Parameters) == 0 {
					p.Report(d, check.Diagnostic{
						Message:  fmt.Sprintf("Shows %d questions and has no filter.", n),
						Evidence: finding.Evidence{Numbers: map[string]float64{"cards": float64(n)}},
					})
				}
			}
			return nil
		},
	}
}

func questionCards(d *catalog.Dashboard) int {
	n := 0
	for _, c := range d.Cards {
		if c.QuestionID != "" {
			n++
		}
	}
	return n
}
