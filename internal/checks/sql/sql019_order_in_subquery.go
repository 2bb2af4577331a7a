package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL019 finds orders inside subqueries.
func SQL019() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL019",
			Slug:   "order-in-subquery",
			Title:  "An order inside a subquery",
			Family: check.SQLQuality,
			Why: "A table has no order, and neither has a subquery: the database sorts for nothing, or drops the order silently. What " +
				"looks sorted today may not be after an upgrade.\n\nAn order that a LIMIT, an aggregate that collects values, or a row " +
				"number uses is not reported.",
			Bad:         `questions: [{id: 1, sql: "select status, count(*) from (select status from orders order by created_at) x group by status"}]`,
			Good:        `questions: [{id: 1, sql: "select status, count(*) from orders group by status order by status"}]`,
			Remediation: "Sort in the outermost query.",
			Severity:    finding.Info,
			Confidence:  finding.Possible,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.OrderInSubquery, func(n int, _ string) string {
			return "Sorts inside a subquery" + times(n) + ", where the order is lost."
		}),
	}
}
