package doc

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// DOC002 finds content whose author has left and nobody has taken over.
func DOC002() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DOC002",
			Slug:   "owner-deactivated",
			Title:  "Content whose owner has left",
			Family: check.Stewardship,
			Why: "When the author's account is deactivated, nobody feels responsible for the figure, and nobody is told when it breaks. " +
				"Content that somebody active edited last is taken to have found a new owner.",
			Bad: `people: [{id: 9, name: Ann, active: false}]
dashboards: [{id: 1, name: Board pack, creator: 9}]`,
			Good: `people: [{id: 9, name: Ann, active: true}]
dashboards: [{id: 1, name: Board pack, creator: 9}]`,
			Remediation: "Find somebody who knows the content and let them own it; archive what nobody wants.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard},
			Needs:       []catalog.Kind{catalog.KindPerson},
			Facts:       []check.Fact{check.FactCreators},
		},
		Run: func(p *check.Pass) error {
			undecided := p.Undecided()
			for a := range p.Subjects() {
				creator, editor := minders(a)
				if creator == "" {
					continue // DOC003
				}
				switch accountOf(p, creator) {
				case unknown:
					undecided.Add(a, "Whether its owner's account is active was not readable.")
					continue
				case gone:
					if editor == "" || editor == creator || accountOf(p, editor) != active {
						p.Report(a, check.Diagnostic{
							Message:  fmt.Sprintf("Its owner %s has no active account any more.", p.Name(catalog.Ref{Kind: catalog.KindPerson, ID: creator})),
							Evidence: finding.Evidence{Related: []catalog.Ref{{Kind: catalog.KindPerson, ID: creator}}},
						})
					}
				case active:
				}
				undecided.Decided()
			}
			undecided.Report()
			return nil
		},
	}
}
