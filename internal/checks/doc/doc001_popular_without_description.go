package doc

import (
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// DOC001 finds popular content that nobody described.
func DOC001() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DOC001",
			Slug:   "popular-without-description",
			Title:  "Popular content without a description",
			Family: check.Stewardship,
			Why: "What many people read is quoted, built upon and asked about. Two sentences that say what is counted and what is left out " +
				"save each reader the question, and keep assistants from guessing.",
			Bad: `questions:
  - {id: 1, name: Active users, used: 1d, views: 2300}`,
			Good: `questions:
  - {id: 1, name: Active users, used: 1d, views: 2300, description: People who logged in during the last 30 days. Staff are left out.}`,
			Remediation: "Write what it counts, what it leaves out, and whom to ask.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard},
			Facts:       []check.Fact{check.FactQuestionUse},
			Params: []check.Param{
				{Name: "views", Title: "Views that make content popular", Type: check.IntParam, Default: "100", Min: 1, Max: 1000000},
			},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				u := p.Use(a)
				if !u.Counted || u.Views < int64(p.Int("views")) || strings.TrimSpace(description(a)) != "" {
					continue
				}
				p.Report(a, check.Diagnostic{
					Message:  fmt.Sprintf("Was viewed %s times and has no description.", check.Number(u.Views)),
					Evidence: finding.Evidence{Numbers: map[string]float64{"views": float64(u.Views)}},
				})
			}
			return nil
		},
	}
}

func description(a catalog.Asset) string {
	switch a := a.(type) {
	case *catalog.Question:
		return a.Description
	case *catalog.Dashboard:
		return a.Description
	}
	return ""
}
