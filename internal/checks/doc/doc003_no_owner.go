package doc

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// DOC003 finds content without any owner.
func DOC003() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DOC003",
			Slug:   "no-owner",
			Title:  "Content without an owner",
			Family: check.Stewardship,
			Why:    "Content that names neither an author nor a last editor came from an import or a script. Nobody can be asked about it.",
			Bad: `questions:
  - {id: 1, name: Imported report}
  - {id: 2, name: Known, creator: 9}
people: [{id: 9, name: Ann, active: true}]`,
			Good: `questions:
  - {id: 1, name: Imported report, creator: 9}
people: [{id: 9, name: Ann, active: true}]`,
			Remediation: "Let somebody open and save it: the last editor counts as its owner.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard},
			Facts:       []check.Fact{check.FactCreators},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				if creator, editor := minders(a); creator == "" && editor == "" {
					p.Report(a, check.Diagnostic{Message: "Names neither an author nor a last editor."})
				}
			}
			return nil
		},
	}
}
