package brk

import (
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// BRK008 finds SQL that names a snippet nobody knows.
func BRK008() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:          "BRK008",
			Slug:        "unknown-snippet",
			Title:       "SQL that contains an unknown snippet",
			Family:      check.Broken,
			Why:         "Metabase puts a snippet's text in its place before it sends the SQL. Where there is no snippet of that name, the query fails.",
			Bad:         `questions: [{id: 1, sql: "select * from users where {{snippet: not test}}", tags: [{name: "snippet: not test", type: snippet, snippet: not test}]}]`,
			Good:        "snippets: [{id: 4, name: not test, sql: \"email not like '%@test'\"}]\nquestions: [{id: 1, sql: \"select * from users where {{snippet: not test}}\", tags: [{name: \"snippet: not test\", type: snippet, snippet: not test}]}]",
			Remediation: "Write the snippet again under that name, or replace the tag by its text.",
			Severity:    finding.High,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Personal:    true,
			Judges:      append(queryKinds(), catalog.KindSnippet),
			Needs:       []catalog.Kind{catalog.KindSnippet},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				for _, u := range p.Unresolved(a.Ref()) {
					if !hasReason(u, "missing_snippet") {
						continue
					}
					name := strings.TrimPrefix(u.Detail, "snippet ")
					d := check.Diagnostic{
						Message:  fmt.Sprintf("Contains the snippet \"%s\", which does not exist.", check.Clean(name)),
						Evidence: finding.Evidence{Spans: spans(u)},
						Key:      []string{name},
					}
					if !u.Target.IsZero() {
						d.Evidence.Related = []catalog.Ref{u.Target}
					}
					unsure(p, catalog.KindSnippet, &d)
					p.Report(a, d)
				}
			}
			return nil
		},
	}
}
