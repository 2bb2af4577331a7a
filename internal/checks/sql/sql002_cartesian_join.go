package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL002 finds tables that no condition ties to the others.
func SQL002() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL002",
			Slug:   "cartesian-join",
			Title:  "Tables joined with no condition between them",
			Family: check.SQLQuality,
			Why: "Without a condition every row of one table meets every row of the other: sums are multiplied, and the database works " +
				"on millions of rows that nobody wants. It happens when a table is added to FROM and its condition forgotten.\n\nLists " +
				"of dates, functions, single rows, arrays and subqueries with distinct values are meant to be crossed and not " +
				"reported; a CROSS JOIN that says so is possible at most. A condition in a snippet that the scan does not know leaves " +
				"the question alone.",
			Bad:         `questions: [{id: 1, sql: "select sum(o.total) from orders o, users u where o.status = 'paid'"}]`,
			Good:        `questions: [{id: 1, sql: "select sum(o.total) from orders o, users u where u.id = o.user_id and o.status = 'paid'"}]`,
			Remediation: "Add the condition that ties the tables together, or say CROSS JOIN where every combination is meant.",
			Severity:    finding.High,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Default:     true,
			Judges:      kinds(),
		},
		Run: run(sqllint.CartesianJoin, func(_ int, names string) string {
			return "Combines every row with every row of " + names + ": no condition ties it to the other tables."
		}),
	}
}
