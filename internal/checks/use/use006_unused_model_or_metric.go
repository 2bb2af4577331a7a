package use

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// USE006 finds models and metrics nothing builds on and nobody opens.
func USE006() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "USE006",
			Slug:   "unused-model-or-metric",
			Title:  "A model or metric that nothing builds on",
			Family: check.Usage,
			Why: "Models and metrics are meant to be built on: they come first in the data picker, and people take them for the blessed " +
				"definition. One that nothing uses and nobody opens misleads those who look for a starting point.",
			Bad: `# nothing builds on it, opened last a year ago
questions:
  - {id: 1, name: Customers (old), type: model, used: 365d}`,
			Good: `questions:
  - {id: 1, name: Customers, type: model, used: 365d}
  - {id: 2, source: 1, used: 1d}`,
			Remediation: "Archive it, or turn it back into a question.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindModel, catalog.KindMetric},
			Facts:       []check.Fact{check.FactQuestionUse},
			Params: []check.Param{
				{Name: "days", Title: "Days without use", Type: check.IntParam, Default: "180", Min: 7, Max: 3650},
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
				if !v.Idle {
					continue
				}
				d := check.Diagnostic{Evidence: evidence(p, q, v)}
				if v.Never {
					d.Confidence = finding.Likely
					d.Message = fmt.Sprintf("Nothing builds on this %s. %s", q.Ref().Kind, neverText(v, "used"))
				} else {
					d.Message = fmt.Sprintf("Nothing builds on this %s. %s", q.Ref().Kind, idleText(p, q, v, "used"))
				}
				p.Report(q, d)
			}
			undecided.Report()
			return nil
		},
	}
}
