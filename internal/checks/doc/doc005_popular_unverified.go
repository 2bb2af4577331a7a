package doc

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// DOC005 finds popular content that nobody verified, where people verify.
func DOC005() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DOC005",
			Slug:   "popular-unverified",
			Title:  "Popular content that nobody verified",
			Family: check.Stewardship,
			Why: "Where some content carries the verified mark, people read its absence as a warning. What many read should be looked at first.\n\n" +
				"The check stays silent as long as nothing at all is verified.",
			Bad: `questions:
  - {id: 1, name: Revenue, used: 1d, views: 900, verified: true}
  - {id: 2, name: Orders, used: 1d, views: 800}`,
			Good: `questions:
  - {id: 1, name: Revenue, used: 1d, views: 900, verified: true}
  - {id: 2, name: Orders, used: 1d, views: 800, verified: true}`,
			Remediation: "Review and verify it, or point its readers to what is verified.",
			Severity:    finding.Info,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard},
			Facts:       []check.Fact{check.FactQuestionUse},
			Params: []check.Param{
				{Name: "views", Title: "Views that make content popular", Type: check.IntParam, Default: "250", Min: 1, Max: 1000000},
			},
		},
		Run: func(p *check.Pass) error {
			habit := map[bool]bool{} // cards, dashboards: is anything verified?
			for a := range p.Subjects() {
				if verified(a) {
					habit[a.Ref().Kind.IsCard()] = true
				}
			}
			for a := range p.Subjects() {
				u := p.Use(a)
				if verified(a) || !habit[a.Ref().Kind.IsCard()] || !u.Counted || u.Views < int64(p.Int("views")) {
					continue
				}
				p.Report(a, check.Diagnostic{
					Message:  fmt.Sprintf("Was viewed %s times and is not verified, while other content is.", check.Number(u.Views)),
					Evidence: finding.Evidence{Numbers: map[string]float64{"views": float64(u.Views)}},
				})
			}
			return nil
		},
	}
}

func verified(a catalog.Asset) bool {
	switch a := a.(type) {
	case *catalog.Question:
		return a.Verified
	case *catalog.Dashboard:
		return a.Verified
	}
	return false
}
