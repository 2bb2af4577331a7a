package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL004 finds NOT IN over values that may be null.
func SQL004() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL004",
			Slug:   "not-in-null",
			Title:  "NOT IN over values that may be null",
			Family: check.SQLQuality,
			Why: "If one value of the list is null, NOT IN is true for no row at all: the question answers with nothing, and nothing " +
				"says why. One new row in another table is enough.\n\nColumns that the scan knows to be keys or never null, and " +
				"subqueries that leave nulls out, are not reported. Where the scan knows nothing of the column it is possible only.",
			Bad:         `questions: [{id: 1, sql: "select count(*) from users where id not in (select user_id from orders)"}]`,
			Good:        `questions: [{id: 1, sql: "select count(*) from users where id not in (select user_id from orders where user_id is not null)"}]`,
			Remediation: "Use NOT EXISTS, or add IS NOT NULL to the subquery.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.NotInNull, func(n int, names string) string {
			if names == `"null"` {
				return "NOT IN over a list with NULL in it is never true."
			}
			return "NOT IN over " + names + times(n) + " is true for no row once one value is null."
		}),
	}
}
