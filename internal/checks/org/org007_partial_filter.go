package org

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// ORG007 finds filters that reach a few cards only.
func ORG007() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "ORG007",
			Slug:   "partial-filter",
			Title:  "A dashboard filter that reaches only some of the cards",
			Family: check.Organisation,
			Why: "Readers set a filter and take the whole dashboard for filtered. Where it reaches a minority of the cards, figures that do not " +
				"belong together stand side by side.",
			Bad: `questions: [{id: 1}, {id: 2}, {id: 3}, {id: 5}]
dashboards: [{id: 4, cards: [{question: 1, maps: [{param: p1, target: [dimension, [field, 74, null]]}]}, 2, 3, 5], parameters: [{id: p1, name: Month, type: date/month-year}]}]`,
			Good: `questions: [{id: 1}, {id: 2}]
dashboards: [{id: 4, cards: [{question: 1, maps: [{param: p1, target: [dimension, [field, 74, null]]}]}, {question: 2, maps: [{param: p1, target: [dimension, [field, 74, null]]}]}], parameters: [{id: p1, name: Month, type: date/month-year}]}]`,
			Remediation: "Connect the other cards, place the filter on the cards it is meant for, or say in a heading what it does not reach.",
			Severity:    finding.Info,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindDashboard},
			Params: []check.Param{
				{Name: "percent", Title: "Share of the cards, in per cent, that a filter should reach", Type: check.IntParam, Default: "50", Min: 1, Max: 100},
				{Name: "cards", Title: "Question cards from which on a dashboard is judged", Type: check.IntParam, Default: "4", Min: 2, Max: 1000},
			},
		},
		Run: func(p *check.Pass) error {
			for d := range p.Dashboards() {
				if d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
					continue
				}
				all := questionCards(d)
				if all < p.Int("cards") {
					continue
				}
				reached, inline := map[string]int{}, map[string]bool{}
				for _, c := range d.Cards {
					for _, id := range c.InlineParameters {
						inline[id] = true // it stands on its card: nobody expects more
					}
					once := map[string]bool{}
					for _, m := range c.Mappings {
						if c.QuestionID != "" && !once[m.ParameterID] {
							once[m.ParameterID] = true
							reached[m.ParameterID]++
						}
					}
				}
				for _, x := range d.Parameters {
					n := reached[x.ID]
					if n == 0 || inline[x.ID] || n*100 >= all*p.Int("percent") {
						continue
					}
					p.Report(d, check.Diagnostic{
						Message:  fmt.Sprintf("Filter \"%s\" reaches %d of %d cards.", check.Clean(x.Name), n, all),
						Evidence: finding.Evidence{Numbers: map[string]float64{"cards_reached": float64(n), "cards": float64(all)}},
						Key:      []string{x.ID},
					})
				}
			}
			return nil
		},
	}
}
