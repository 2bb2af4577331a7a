package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL023 finds divisions of whole numbers.
func SQL023() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL023",
			Slug:   "integer-division",
			Title:  "A ratio of whole numbers",
			Family: check.SQLQuality,
			Why: "PostgreSQL, Redshift, SQL Server, SQLite, Trino and Athena drop what is behind the point when both sides are whole " +
				"numbers: 7 of 10 is 0, and a rate is 0 or 1.\n\nCounts, sums of ones, and columns that the scan knows to be whole " +
				"numbers are judged. Where the result is multiplied by a whole number first it is possible only.",
			Bad:         `questions: [{id: 1, sql: "select count(*) / count(distinct status) from orders"}]`,
			Good:        `questions: [{id: 1, sql: "select count(*) * 1.0 / count(distinct status) from orders"}]`,
			Remediation: "Multiply by 1.0 or cast one side first.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.IntegerDivision, func(n int, _ string) string {
			return "Divides whole numbers" + times(n) + " and loses what is behind the point."
		}),
	}
}
