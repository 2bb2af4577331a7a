package dup

import (
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
)

// DUP006 finds dashboards that show nearly the same questions.
func DUP006() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DUP006",
			Slug:   "nearly-same-dashboard",
			Title:  "A dashboard with nearly the same questions as another",
			Family: check.Duplication,
			Why: "A dashboard was copied to add a tile or leave one out, and now two of them are kept up. Readers take the one they know and miss what " +
				"the other shows.\n\nDashboards are nearly the same when at least 80 % of the questions that either shows are on both; questions whose " +
				"queries mean the same count as one.",
			Bad: `questions: [{id: 1}, {id: 2}, {id: 3}, {id: 4}, {id: 5}]
dashboards:
  - {id: 8, name: Sales, cards: [1, 2, 3, 4, 5]}
  - {id: 9, name: Sales north, cards: [1, 2, 3, 4]}`,
			Good: `questions: [{id: 1}, {id: 2}, {id: 3}, {id: 4}, {id: 5}, {id: 6}]
dashboards:
  - {id: 8, name: Sales, cards: [1, 2, 3, 4, 5]}
  - {id: 9, name: Stock, cards: [1, 6]}`,
			Remediation: "Put what differs on a tab of one dashboard, move subscriptions and links to it, and archive the other.",
			Severity:    finding.Low,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindDashboard},
		},
		Run: func(p *check.Pass) error {
			for d := range p.Dashboards() {
				if d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
				}
			}
			all, comparer := byID(p), similar.NewComparer(p.Index)
			for _, kind := range []similar.Kind{similar.Equivalent, similar.Near} {
				for _, c := range clusters(p, kind, true) {
					for _, ref := range others(all, c) {
						d := p.Index.Dashboard(ref.ID)
						if d == nil {
							continue
						}
						e := finding.Evidence{Numbers: map[string]float64{"alike": c.Score, "copies": float64(len(c.Members))}, Related: append([]catalog.Ref(nil), c.Members...)}
						what := "Shows nearly the same questions as"
						if kind == similar.Equivalent {
							what = "Shows questions that ask the same as those of"
						}
						message := fmt.Sprintf("%s %s, which is the one to keep: %s.", what, p.Name(c.Keep), c.Reason)
						if kind == similar.Near {
							if words := differences(comparer.Compare(p.Context(), c.Keep, ref).Words, 5); len(words) > 0 {
								message += " This one " + sentence(words[0])
								e.Texts = map[string]string{"differences": strings.Join(words, "; ")}
							}
						}
						p.Report(d, check.Diagnostic{Message: message, Evidence: e})
					}
				}
			}
			return nil
		},
	}
}
