package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL005 finds filters on functions of columns.
func SQL005() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL005",
			Slug:   "function-on-filtered-column",
			Title:  "A filter on a function of a column",
			Family: check.SQLQuality,
			Why: "An index on the column is of no use once a function stands around it: the database reads the whole table to answer " +
				"for one day. A range says the same and uses the index.\n\nJudged for databases that search by indexes (PostgreSQL, " +
				"MySQL, SQL Server, Oracle, SQLite, Redshift). Where the scan knows that the column has no index, nothing is said; " +
				"where it knows of one it is likely, otherwise possible.",
			Bad:         `questions: [{id: 1, sql: "select count(*) from orders where date(created_at) = current_date"}]`,
			Good:        `questions: [{id: 1, sql: "select count(*) from orders where created_at >= current_date and created_at < current_date + 1"}]`,
			Remediation: "Compare the column itself with the beginning and the end of what is wanted.",
			Severity:    finding.Low,
			Confidence:  finding.Possible,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.FunctionOnColumn, func(n int, names string) string {
			return "Filters by a function of a column" + times(n) + ", which keeps an index from being used: " + names + "."
		}),
	}
}
