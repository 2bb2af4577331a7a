package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL006 finds dates that are written into filters.
func SQL006() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL006",
			Slug:   "hard-coded-date",
			Title:  "A date written into a filter",
			Family: check.SQLQuality,
			Why: "A question with a fixed end answers about the past for ever while its title says \"current\"; people copy it to move " +
				"the date, and soon there is one for each year. A fixed start alone is often meant and therefore possible " +
				"only.\n\nDates that stand for the beginning or end of time, dates in CASE and in computations are not reported.",
			Bad:         `questions: [{id: 1, sql: "select sum(total) from orders where created_at between '2024-01-01' and '2024-12-31'"}]`,
			Good:        `questions: [{id: 1, sql: "select sum(total) from orders where {{created}}", tags: [{name: created, type: dimension, dimension: [field, 74, null]}]}]`,
			Remediation: "Use a date filter or a relative date.",
			Severity:    finding.Low,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.HardCodedDate, func(n int, names string) string {
			if names == `"start"` {
				return "Begins at a date that is written into the SQL" + times(n) + "."
			}
			return "Filters by a date that is written into the SQL" + times(n) + "."
		}),
	}
}
