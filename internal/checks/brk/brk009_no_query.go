package brk

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// BRK009 finds questions without a query that could run.
func BRK009() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK009",
			Slug:   "no-query",
			Title:  "A question whose query is empty or unreadable",
			Family: check.Broken,
			Why: "The question exists and asks nothing: its definition is empty, or is neither SQL nor a query that Metabase's query builder could have " +
				"written. It fails for everybody who opens it. Such rows are left by failed migrations and imports.",
			Bad:         `questions: [{id: 1, name: Leftover, empty: true}]`,
			Good:        `questions: [{id: 1, name: Leftover, sql: "select 1"}]`,
			Remediation: "Rebuild it from an older revision in its history, or archive it.",
			Severity:    finding.High,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
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
					if a.SourceType != "query" {
						continue
					}
					query = a.Query
				}
				switch {
				case query.Language == catalog.LanguageNone && len(query.MBQL) == 0, query.Language == catalog.LanguageSQL && blank(query):
					p.Report(a, check.Diagnostic{Message: "Has no query."})
				default:
					for _, u := range p.Unresolved(a.Ref()) {
						switch {
						case hasReason(u, "no_query"):
							p.Report(a, check.Diagnostic{Message: "Has no query."})
						case hasReason(u, "not_parsed"):
							p.Report(a, check.Diagnostic{
								Message:    "Its query has parts that make no sense: " + check.Clean(u.Detail) + ".",
								Confidence: finding.Possible, Severity: finding.Medium,
								Key: []string{"not_parsed"},
							})
						}
					}
				}
			}
			return nil
		},
	}
}

// blank reports whether there is nothing but white space to run.
func blank(q catalog.Query) bool {
	for _, r := range q.SQL {
		if r != ' ' && r != '\n' && r != '\t' && r != '\r' && r != ';' {
			return false
		}
	}
	return len(q.MBQL) == 0
}
