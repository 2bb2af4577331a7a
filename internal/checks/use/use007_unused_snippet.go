package use

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// USE007 finds snippets no live SQL contains.
func USE007() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "USE007",
			Slug:   "unused-snippet",
			Title:  "A snippet that no query contains",
			Family: check.Usage,
			Why: "Snippets carry agreed filters and joins. Unused ones are offered to everybody who writes SQL, and what they say is mostly " +
				"out of date.",
			Bad: `snippets: [{id: 1, name: not test, sql: "email not like '%@test'"}]`,
			Good: `snippets: [{id: 1, name: not test, sql: "email not like '%@test'"}]
questions:
  - id: 2
    sql: "select * from users where {{snippet: not test}}"
    tags: [{name: "snippet: not test", type: snippet, snippet: not test, snippet_id: 1}]`,
			Remediation: "Archive it.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindSnippet},
			Needs:       []catalog.Kind{catalog.KindQuestion},
		},
		Run: func(p *check.Pass) error { return unusedPart(p, "No query contains this snippet.") },
	}
}

// unusedPart reports subjects that nothing live uses. Where questions may exist
// that the key did not see, the claim is only possible.
func unusedPart(p *check.Pass, message string) error {
	why, complete := p.Complete(catalog.KindQuestion)
	for a := range p.Subjects() {
		if len(p.Users(a.Ref())) > 0 {
			continue
		}
		d := check.Diagnostic{Message: message}
		if archived := len(p.Graph.Users(a.Ref())); archived > 0 {
			d.Evidence.Numbers = map[string]float64{"archived_users": float64(archived)}
		}
		if !complete {
			d.Confidence = finding.Possible
			d.Evidence.Texts = map[string]string{"uncertain_because": why}
		}
		p.Report(a, d)
	}
	return nil
}
