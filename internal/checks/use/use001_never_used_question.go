package use

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// USE001 finds questions that never ran.
func USE001() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "USE001",
			Slug:   "never-used-question",
			Title:  "A question that nobody has ever used",
			Family: check.Usage,
			Why: "Questions that were saved and never opened crowd search results and collections. Whoever looks for a figure finds " +
				"them beside the right one and cannot tell which to trust.\n\nA question counts as used when it ran, when a dashboard, " +
				"question, document, action or transform builds on it, when an alert on it reaches somebody, or when it has a public link or is embedded, " +
				"because such visits cannot be seen. Questions with a yearly or quarterly rhythm in their name or collection get more time.",
			Bad: `# saved a year ago, never run, nothing builds on it
questions:
  - {id: 1, name: Refunds by region, created: 365d, used: never}`,
			Good: `# the same question, on a dashboard
questions:
  - {id: 1, name: Refunds by region, created: 365d, used: never}
dashboards:
  - {id: 2, name: Refunds, cards: [1]}`,
			Remediation: "Ask its author, then archive it. Archived content can be restored.",
			Severity:    finding.Low,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Default:     true,
			Judges:      []catalog.Kind{catalog.KindQuestion},
			Facts:       []check.Fact{check.FactQuestionUse},
			Params: []check.Param{
				{Name: "days", Title: "Days a question may wait for its first use", Type: check.IntParam, Default: "90", Min: 1, Max: 3650},
			},
		},
		Run: func(p *check.Pass) error {
			undecided := p.Undecided()
			for q := range p.Questions() {
				if inUse(p, q) {
					continue
				}
				v := p.Judge(q, p.Days("days"))
				if v.Unknown != "" {
					undecided.Add(q, v.Unknown)
					continue
				}
				undecided.Decided()
				if v.Idle && v.Never {
					p.Report(q, check.Diagnostic{Message: neverText(v, "used"), Evidence: evidence(p, q, v)})
				}
			}
			undecided.Report()
			return nil
		},
	}
}
