package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL018 finds counts of columns that may be null.
func SQL018() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL018",
			Slug:   "count-of-nullable",
			Title:  "COUNT of a column that may be null",
			Family: check.SQLQuality,
			Why: "COUNT(column) leaves out rows where the column is null. Often the rows were meant, and the figure is too low without " +
				"anybody noticing.\n\nJudged where the scan knows that the column may be null. A count over an outer join, or beside a " +
				"condition on the column, is meant that way.",
			Bad: `tables: [{id: 1/public/orders, number: 7, columns: [{name: id, key: true, nullable: false}, {name: coupon, nullable: true}]}]
questions: [{id: 1, sql: "select count(coupon) from orders"}]`,
			Good: `tables: [{id: 1/public/orders, number: 7, columns: [{name: id, key: true, nullable: false}, {name: coupon, nullable: true}]}]
questions: [{id: 1, sql: "select count(*) from orders"}]`,
			Remediation: "Write COUNT(*) where rows are meant; otherwise say so in a comment.",
			Severity:    finding.Low,
			Confidence:  finding.Possible,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: runTyped(sqllint.CountNullable, func(n int, names string) string {
			return "Counts only rows where " + names + " is not null" + times(n) + "."
		}),
	}
}
