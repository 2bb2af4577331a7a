package brk

import (
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/mbql"
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
				case nothing(query):
					p.Report(a, check.Diagnostic{Message: "Has no query."})
				case len(p.Graph.Sources(a.Ref())) == 0 && senseless(p, a):
					p.Report(a, check.Diagnostic{Message: "Nothing in its query makes sense.", Confidence: finding.Possible, Key: []string{"senseless"}})
				}
			}
			return nil
		},
	}
}

// nothing reports whether there is no text and no query-builder step.
func nothing(q catalog.Query) bool {
	if q.Language == catalog.LanguageSQL && len(q.MBQL) == 0 {
		return strings.Trim(q.SQL, " \t\r\n;") == ""
	}
	if q.Language != catalog.LanguageMBQL {
		return q.Language == catalog.LanguageNone && len(q.MBQL) == 0
	}
	parsed, err := mbql.Parse(q.MBQL)
	if err != nil {
		return false
	}
	for _, s := range parsed.Stages {
		if s.Native != nil || s.SourceCard != "" || !s.SourceTable.IsZero() {
			return false
		}
	}
	return true
}

// senseless reports whether a query could not be read at all. Single operators
// that are not known, as new Metabase versions bring them, do not count.
func senseless(p *check.Pass, a catalog.Asset) bool {
	return slices.ContainsFunc(p.Unresolved(a.Ref()), func(u lineage.Unresolved) bool { return u.Reason == "not_parsed" })
}
