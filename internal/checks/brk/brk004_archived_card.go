package brk

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// BRK004 finds dashboards with cards whose question is archived.
func BRK004() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK004",
			Slug:   "archived-question-on-dashboard",
			Title:  "A dashboard card whose question is archived",
			Family: check.Broken,
			Why: "Metabase hides such a card: the dashboard has a hole that nobody explains, and the card comes back unasked when the question is " +
				"restored. Metabase's own answers leave these cards out, so the check sees them in exports and in series.",
			Bad: `questions: [{id: 1}, {id: 2, name: Old funnel, archived: true}]
dashboards: [{id: 3, name: Growth, cards: [1, 2]}]`,
			Good: `questions: [{id: 1}, {id: 2, name: Funnel}]
dashboards: [{id: 3, name: Growth, cards: [1, 2]}]`,
			Remediation: "Take the card off the dashboard, or restore the question.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Personal:    true,
			Judges:      []catalog.Kind{catalog.KindDashboard},
			Needs:       []catalog.Kind{catalog.KindQuestion},
		},
		Run: func(p *check.Pass) error {
			for d := range p.Dashboards() {
				if d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
					continue
				}
				for _, c := range d.Cards {
					for _, id := range append([]string{c.QuestionID}, c.SeriesIDs...) {
						q := p.Index.Question(id)
						if q == nil || !q.Archived {
							continue
						}
						p.Report(d, check.Diagnostic{
							Message:  fmt.Sprintf("Has a card for %s, which is archived.", p.Name(q.Ref())),
							Evidence: finding.Evidence{Related: []catalog.Ref{q.Ref()}},
							Key:      []string{p.Key(q.Ref())},
						})
					}
				}
			}
			return nil
		},
	}
}
