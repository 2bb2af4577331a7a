package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL020 finds columns beside aggregates that no group fixes.
func SQL020() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL020",
			Slug:   "ungrouped-column",
			Title:  "A column beside an aggregate that no group fixes",
			Family: check.SQLQuality,
			Why: "MySQL, MariaDB and SQLite answer with the value of some row, which changes from run to run. Databases with the strict " +
				"mode refuse the query.\n\nA column that follows from a key in the group is not reported.",
			Bad: `databases: [{id: 1, engine: mysql}]
questions: [{id: 1, sql: "select status, total, count(*) from orders group by status"}]`,
			Good: `databases: [{id: 1, engine: mysql}]
questions: [{id: 1, sql: "select status, max(total), count(*) from orders group by status"}]`,
			Remediation: "Add the column to GROUP BY, or say which value is wanted with MIN, MAX or ANY_VALUE.",
			Severity:    finding.Medium,
			Confidence:  finding.Possible,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.UngroupedColumn, func(n int, _ string) string {
			return "Shows " + check.Count(n, "column", "columns") + " beside an aggregate that no group fixes: any row's value may appear."
		}),
	}
}
