package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL017 finds times compared with a day as their end.
func SQL017() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL017",
			Slug:   "day-as-end-of-time",
			Title:  "A time compared with a day as its end",
			Family: check.SQLQuality,
			Why: "A day without a time is its midnight. Everything that happened later on the last day is left out, so the newest day " +
				"always looks weak.\n\nJudged by the column's type where the scan knows it, by its name (…_at, …_time, timestamp) " +
				"otherwise. Variables of the type date count like dates.",
			Bad: `tables: [{id: 1/public/orders, number: 7, columns: [{name: created_at, type: DateTime}, {name: paid_on, type: Date}]}]
questions: [{id: 1, sql: "select sum(1) from orders where created_at between {{from}} and {{to}}", tags: [{name: from, type: date}, {name: to, type: date}]}]`,
			Good: `tables: [{id: 1/public/orders, number: 7, columns: [{name: created_at, type: DateTime}, {name: paid_on, type: Date}]}]
questions: [{id: 1, sql: "select sum(1) from orders where created_at >= {{from}} and created_at < {{to}}::date + 1", tags: [{name: from, type: date}, {name: to, type: date}]}]`,
			Remediation: "Compare with less than the day after, or use a field filter, which does so by itself.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.BetweenDates, func(n int, names string) string {
			return "Compares " + names + " with a day as its end" + times(n) + ": what happened later on that day is left out."
		}),
	}
}
