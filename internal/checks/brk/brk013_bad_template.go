package brk

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// BRK013 finds SQL whose template tags Metabase cannot read.
func BRK013() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK013",
			Slug:   "bad-template",
			Title:  "SQL whose template tags do not close or say nothing",
			Family: check.Broken,
			Why: "Metabase reads {{variables}} and [[optional parts]] before the database sees the SQL. A tag that is not closed, an empty one, or an " +
				"optional part without a variable makes it refuse the query, whatever the rest says.",
			Bad:         `questions: [{id: 1, sql: "select * from orders [[where status = 'paid']]"}]`,
			Good:        `questions: [{id: 1, sql: "select * from orders [[where status = {{status}}]]", tags: [{name: status, type: text}]}]`,
			Remediation: "Close the tag, or take the brackets away.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Personal:    true,
			Judges:      queryKinds(),
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				var query catalog.Query
				switch a := a.(type) {
				case *catalog.Question:
					if a.Unreadable {
						p.NotEvaluated(a.Ref(), "Its query could not be read.")
						continue
					}
					query = a.Query
				case *catalog.Transform:
					query = a.Query
				}
				if query.Language != catalog.LanguageSQL {
					continue
				}
				byCode := map[string]*check.Diagnostic{}
				var order []string
				for _, problem := range lineage.ParseTemplate(query.SQL).Problems {
					d := byCode[problem.Code]
					if d == nil {
						d = &check.Diagnostic{Message: problemText(problem.Code), Key: []string{problem.Code}}
						byCode[problem.Code] = d
						order = append(order, problem.Code)
					}
					d.Evidence.Spans = append(d.Evidence.Spans, problem.Span)
				}
				for _, code := range order {
					p.Report(a, *byCode[code])
				}
			}
			return nil
		},
	}
}

func problemText(code string) string {
	switch code {
	case "unclosed_tag":
		return "A {{ in its SQL is never closed."
	case "unclosed_optional":
		return "A [[ in its SQL is never closed."
	case "empty_tag":
		return "A {{ }} in its SQL names no variable."
	case "optional_without_tag":
		return "An optional part [[ ]] of its SQL contains no variable."
	}
	return "Its SQL has a template tag that cannot be read."
}
