package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL007 finds ids of records that are written into filters.
func SQL007() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL007",
			Slug:   "hard-coded-id",
			Title:  "A record picked out by its id",
			Family: check.SQLQuality,
			Why: "A filter on a customer's or user's number is a decision that is written down nowhere else: test accounts to leave " +
				"out, the one big client. Nobody remembers what the number means, and each copy of the query has another " +
				"list.\n\nSmall numbers and columns that name a kind or status are choices among a few and not reported.",
			Bad:         `questions: [{id: 1, sql: "select sum(total) from orders where user_id not in (1042, 99817, 99818)"}]`,
			Good:        `questions: [{id: 1, sql: "select sum(total) from orders o join users u on u.id = o.user_id where not u.is_test"}]`,
			Remediation: "Give the records a mark in the data, or keep the list in one snippet or model.",
			Severity:    finding.Info,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.HardCodedID, func(n int, names string) string {
			return "Picks out records by ids that are written into the SQL" + times(n) + ": " + names + "."
		}),
	}
}
