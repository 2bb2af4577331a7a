package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL003 finds join conditions that do not join.
func SQL003() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL003",
			Slug:   "join-without-key",
			Title:  "A join whose condition does not join",
			Family: check.SQLQuality,
			Why: "A condition that is always true, names one side only, or compares a column with itself lets every row meet every row, " +
				"as if there were none. The query runs, and its sums are wrong.\n\nJoins to a single row, to a list of dates or to a " +
				"function need no key and are not reported.",
			Bad:         `questions: [{id: 1, sql: "select sum(o.total) from orders o join users u on u.id = u.id"}]`,
			Good:        `questions: [{id: 1, sql: "select sum(o.total) from orders o join users u on u.id = o.user_id"}]`,
			Remediation: "Compare the key of one table with the reference in the other.",
			Severity:    finding.High,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Default:     true,
			Judges:      kinds(),
		},
		Run: run(sqllint.JoinWithoutKey, func(n int, names string) string {
			return "The condition of a join does not tie its tables together" + times(n) + ": it " + bare(names) + "."
		}),
	}
}
