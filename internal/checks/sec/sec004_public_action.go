package sec

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// SEC004 finds write buttons that strangers can press.
func SEC004() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SEC004",
			Slug:   "public-action",
			Title:  "A public form that writes to the database",
			Family: check.Security,
			Why: "An action with a public link lets everybody who has the link write to the database, without an account and without a trace of " +
				"who it was.",
			Bad: `questions: [{id: 1, type: model}]
actions: [{id: 2, name: Add complaint, model: 1, type: query, public: true}]`,
			Good: `questions: [{id: 1, type: model}]
actions: [{id: 2, name: Add complaint, model: 1, type: query}]`,
			Remediation: "Remove the public link; give the form to people with accounts.",
			Severity:    finding.High,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Personal:    true,
			Judges:      []catalog.Kind{catalog.KindAction},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				if action, ok := a.(*catalog.Action); ok && action.Public {
					p.Report(a, check.Diagnostic{Message: "Can be run by everybody who has its public link."})
				}
			}
			return nil
		},
	}
}
