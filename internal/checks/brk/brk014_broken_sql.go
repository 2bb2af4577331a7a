package brk

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqllint"
)

// BRK014 finds SQL that looks broken in its dialect.
func BRK014() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK014",
			Slug:   "broken-sql",
			Title:  "SQL that looks broken",
			Family: check.Broken,
			Why: "A missing operator, a quote that nothing closes, a parenthesis too many: the database answers with an error, and whoever opens " +
				"the question sees it before you do.\n\nMetaLens reads SQL of many dialects tolerantly and is no validator. It says that a text looks " +
				"broken where it cannot be read on, in the dialects whose reading was compared with much SQL that people wrote (PostgreSQL, BigQuery, " +
				"SQL Server, Oracle, DuckDB). In other dialects, and around template tags, it answers \"not evaluated\". Template code in {% %}, which " +
				"Metabase does not know, is reported everywhere.",
			Bad:         `questions: [{id: 1, sql: "select status count(*) total from (select 1 from orders"}]`,
			Good:        `questions: [{id: 1, sql: "select status, count(*) as total from orders group by status"}]`,
			Remediation: "Run the question and mend what the database complains about, or archive it.",
			Severity:    finding.Medium,
			Confidence:  finding.Possible,
			Since:       "0.1",
			Personal:    true,
			Judges:      sqlKinds(),
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				if q, ok := a.(*catalog.Question); ok && q.Unreadable {
					p.NotEvaluated(q.Ref(), "Its query could not be read.")
					continue
				}
				r := p.SQL(a.Ref())
				if r == nil || r.Skipped == "" {
					continue
				}
				brokenSQL(p, a, r)
			}
			return nil
		},
	}
}

func brokenSQL(p *check.Pass, a catalog.Asset, r *sqllint.Result) {
	query, _ := check.SQLOf(a)
	if r.Skipped != "not_parsed" {
		p.NotEvaluated(a.Ref(), "Its SQL was not read.")
		return
	}
	var spans []sqllens.Span
	jinja, unsure := false, false
	for _, m := range r.Remarks {
		if m.Rule != sqllint.BrokenText {
			continue
		}
		switch m.Detail {
		case "jinja":
			jinja = true
		case "syntax", "unterminated":
			if m.Span.End <= m.Span.Start { // the end of the text
				m.Span.Start = max(0, m.Span.End-1)
			}
			spans = append(spans, m.Span)
		default:
			unsure = true
		}
	}
	if jinja {
		p.Report(a, check.Diagnostic{Message: "Contains template code in {% %}, which Metabase does not know.", Confidence: finding.Likely, Key: []string{"jinja"}})
		return
	}
	dialect, _ := p.Dialect(query.DatabaseID)
	switch {
	case unsure || len(spans) == 0:
		p.NotEvaluated(a.Ref(), "Its SQL was not understood to its end, around a template tag or because it is nested too deeply.")
	case !compared(dialect):
		p.NotEvaluated(a.Ref(), "Its SQL was not understood to its end, and no strict grammar of its dialect says whether that is its fault.")
	default:
		p.Report(a, check.Diagnostic{
			Message:  fmt.Sprintf("Its SQL looks broken in %s.", check.Count(len(spans), "place", "places")),
			Evidence: finding.Evidence{Spans: check.Places(spans...)},
		})
	}
}

// compared lists the dialects whose reading was compared with much real SQL
// (docs/accuracy.md).
func compared(d sqllens.Dialect) bool {
	switch d {
	case sqllens.Postgres, sqllens.BigQuery, sqllens.TSQL, sqllens.Oracle, sqllens.DuckDB:
		return true
	}
	return false
}

// sqlKinds are the kinds that may have SQL of their own.
func sqlKinds() []catalog.Kind {
	return []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindTransform}
}
