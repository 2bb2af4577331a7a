package use

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// USE002 finds questions that were used once and are not any more.
func USE002() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "USE002",
			Slug:   "stale-question",
			Title:  "A question not used for a long time",
			Family: check.Usage,
			Why: "A question that has not run for half a year has mostly been replaced, and nobody notices when its figures go wrong. " +
				"It still turns up in searches and still has to be mended whenever a table changes.\n\nOnly the last use counts: a question that " +
				"ran yesterday and 200 days ago is in use. What keeps a never-used question in use counts here too.",
			Bad: `# ran last a year ago
questions:
  - {id: 1, name: Old funnel, created: 900d, used: 365d}`,
			Good: `# ran last week
questions:
  - {id: 1, name: Old funnel, created: 900d, used: 7d}`,
			Remediation: "Ask its author or its last readers, then archive it. Archived content can be restored.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Judges:      []catalog.Kind{catalog.KindQuestion},
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
				switch {
				case v.Unknown != "":
					undecided.Add(q, v.Unknown)
					continue
				case v.Idle && !v.Never:
					p.Report(q, check.Diagnostic{Message: idleText(p, q, v, "used"), Evidence: evidence(p, q, v)})
				}
				undecided.Decided()
			}
			undecided.Report()
			return nil
		},
	}
}
