package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL022 finds reads that merge versions of rows.
func SQL022() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL022",
			Slug:   "final-on-read",
			Title:  "A read that merges the whole table (FINAL)",
			Family: check.SQLQuality,
			Why:    "FINAL makes ClickHouse merge versions of rows while it reads, at every run. On a large table it is many times slower.",
			Bad: `databases: [{id: 1, engine: clickhouse}]
questions: [{id: 1, sql: "select count() from orders final"}]`,
			Good: `databases: [{id: 1, engine: clickhouse}]
questions: [{id: 1, sql: "select count() from orders where is_current"}]`,
			Remediation: "Aggregate with argMax, or read a table whose versions were merged beforehand.",
			Severity:    finding.Info,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.Final, func(_ int, names string) string {
			return "Merges versions of rows of " + names + " at every run (FINAL)."
		}),
	}
}
