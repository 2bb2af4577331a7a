package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL015 finds DISTINCT over joins whose tables are not shown.
func SQL015() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL015",
			Slug:   "distinct-over-join",
			Title:  "DISTINCT that repairs a join",
			Family: check.SQLQuality,
			Why: "The joined table adds nothing to the answer but repeats its rows, and DISTINCT takes the repetitions away again. The " +
				"database does the work twice, and a sum added later counts the repetitions.\n\nReported where nothing of the joined " +
				"table is shown.",
			Bad:         `questions: [{id: 1, sql: "select distinct u.name from users u join orders o on o.user_id = u.id where o.total > 100"}]`,
			Good:        `questions: [{id: 1, sql: "select u.name from users u where exists (select 1 from orders o where o.user_id = u.id and o.total > 100)"}]`,
			Remediation: "Ask with EXISTS, or leave the join out.",
			Severity:    finding.Low,
			Confidence:  finding.Possible,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.DistinctOverJoin, func(_ int, names string) string {
			return "Joins " + names + ", shows nothing of it, and takes the repeated rows away with DISTINCT."
		}),
	}
}
