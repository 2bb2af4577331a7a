package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL021 finds reads that ignore locks.
func SQL021() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL021",
			Slug:   "dirty-read",
			Title:  "A read that ignores locks",
			Family: check.SQLQuality,
			Why: "NOLOCK reads rows while others change them: rows are missing, counted twice, or were never committed. The figure is " +
				"wrong now and then, and nobody can reproduce it.",
			Bad: `databases: [{id: 1, engine: sqlserver}]
questions: [{id: 1, sql: "select count(*) from orders with (nolock)"}]`,
			Good: `databases: [{id: 1, engine: sqlserver}]
questions: [{id: 1, sql: "select count(*) from orders"}]`,
			Remediation: "Leave the hint out; where reports block writers, let the database read committed snapshots.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.DirtyRead, func(n int, _ string) string { return "Reads rows that are being changed" + times(n) + " (NOLOCK)." }),
	}
}
