package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL011 finds divisions that nothing guards against zero.
func SQL011() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL011",
			Slug:   "unguarded-division",
			Title:  "A division that may be by zero",
			Family: check.SQLQuality,
			Why: "One day without orders, one new region without customers, and the whole question fails with an error instead of " +
				"leaving one cell empty.\n\nJudged for databases that answer with an error (PostgreSQL, Redshift, BigQuery, Snowflake, " +
				"SQL Server, Oracle, Trino, Athena, Databricks). Counts of a group's own rows, constants, and divisors that NULLIF, " +
				"CASE or a condition speaks of are not reported.",
			Bad:         `questions: [{id: 1, sql: "select sum(total) / count(distinct status) from orders"}]`,
			Good:        `questions: [{id: 1, sql: "select sum(total) / nullif(count(distinct status), 0) from orders"}]`,
			Remediation: "Divide by NULLIF(…, 0), or with the safe division of the database.",
			Severity:    finding.Low,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.DivisionByZero, func(n int, _ string) string { return "Divides by what may be zero" + times(n) + "." }),
	}
}
