package sec

import (
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// SEC001 finds public links that nobody inside remembers.
func SEC001() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SEC001",
			Slug:   "public-and-unused",
			Title:  "A public link to content nobody uses any more",
			Family: check.Security,
			Why: "Whoever has the link sees the data, without an account and for ever. When nobody inside looks at the content any more, nobody " +
				"notices what it shows either.\n\nWhether strangers still follow the link cannot be seen, so ask before you remove it.",
			Bad:         `questions: [{id: 1, name: Partner figures, public: true, used: 365d, created: 700d}]`,
			Good:        `questions: [{id: 1, name: Partner figures, public: true, used: 2d, created: 700d}]`,
			Remediation: "Remove the public link, or find out who needs it and write that in the description.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Default:     true,
			Personal:    true,
			Judges:      exposable(),
			Facts:       []check.Fact{check.FactQuestionUse},
			Params: []check.Param{
				{Name: "days", Title: "Days without use", Type: check.IntParam, Default: "90", Min: 7, Max: 3650},
			},
		},
		Run: func(p *check.Pass) error {
			undecided := p.Undecided()
			for a := range p.Subjects() {
				if !exposure(a).Public {
					continue
				}
				v := p.Judge(a, p.Days("days"))
				if v.Unknown != "" {
					undecided.Add(a, v.Unknown)
					continue
				}
				undecided.Decided()
				if !v.Idle {
					continue
				}
				text := "was last used on " + v.Since.UTC().Format(time.DateOnly)
				if v.Never {
					text = "has not been used since " + v.Since.UTC().Format(time.DateOnly) + " at the latest"
				}
				p.Report(a, check.Diagnostic{
					Message: fmt.Sprintf("Has a public link and %s, %s ago.", text, check.Count(v.Days, "day", "days")),
					Evidence: finding.Evidence{
						Numbers: map[string]float64{"days_idle": float64(v.Days), "views": float64(v.Views)},
						Texts:   map[string]string{"since": v.Since.UTC().Format(time.DateOnly)},
					},
				})
			}
			undecided.Report()
			return nil
		},
	}
}

func exposable() []catalog.Kind {
	return []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard}
}

func exposure(a catalog.Asset) catalog.Exposure {
	switch a := a.(type) {
	case *catalog.Question:
		return a.Exposure
	case *catalog.Dashboard:
		return a.Exposure
	}
	return catalog.Exposure{}
}
