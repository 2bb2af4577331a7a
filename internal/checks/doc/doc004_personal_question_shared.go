package doc

import (
	"fmt"
	"maps"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// DOC004 finds shared dashboards that rest on somebody's personal questions.
func DOC004() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DOC004",
			Slug:   "personal-question-on-shared-dashboard",
			Title:  "A shared dashboard that shows a question from a personal collection",
			Family: check.Stewardship,
			Why: "A question in a personal collection is its owner's to change or throw away, and only the owner and admins may open it. " +
				"On a shared dashboard everyone else sees an error in its place, or loses it on the day the owner tidies up.",
			Bad: `collections: [{id: 5, name: Ann's Personal Collection, personal: 9}]
questions: [{id: 1, name: My churn, in: 5}]
dashboards: [{id: 2, name: Board pack, cards: [1]}]`,
			Good: `collections: [{id: 5, name: Ann's Personal Collection, personal: 9}, {id: 6, name: Board}]
questions: [{id: 1, name: My churn, in: 6}]
dashboards: [{id: 2, name: Board pack, cards: [1]}]`,
			Remediation: "Move the question to the dashboard's collection, or save it inside the dashboard.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Judges:      []catalog.Kind{catalog.KindDashboard},
			Needs:       []catalog.Kind{catalog.KindQuestion, catalog.KindCollection},
		},
		Run: func(p *check.Pass) error {
			for d := range p.Dashboards() {
				if d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
					continue
				}
				personal := map[string]finding.Confidence{}
				for _, c := range d.Cards {
					for _, id := range append([]string{c.QuestionID}, c.SeriesIDs...) {
						q := p.Index.Question(id)
						switch {
						case q == nil || q.Archived:
						case p.Personal(q) || p.LeftOut(q) == "personal":
							personal[id] = finding.Certain
						case p.LeftOut(q) == "either":
							personal[id] = finding.Possible
						}
					}
				}
				for _, id := range slices.SortedFunc(maps.Keys(personal), catalog.CompareID) {
					ref := p.Index.Question(id).Ref()
					message := fmt.Sprintf("Shows %s, which is in a personal collection.", p.Name(ref))
					if personal[id] == finding.Possible {
						message = fmt.Sprintf("Shows %s, which is in a personal collection or in one that the scan was told to leave out.", p.Name(ref))
					}
					p.Report(d, check.Diagnostic{
						Message:    message,
						Evidence:   finding.Evidence{Related: []catalog.Ref{ref}},
						Key:        []string{p.Key(ref)},
						Confidence: personal[id],
					})
				}
			}
			return nil
		},
	}
}
