package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL014 finds outer joins that WHERE turns into inner ones.
func SQL014() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL014",
			Slug:   "outer-join-undone",
			Title:  "A LEFT JOIN that WHERE turns into an inner one",
			Family: check.SQLQuality,
			Why: "The left join keeps rows without a partner; a condition in WHERE on the partner's columns drops them again. Customers " +
				"without orders are missing from a list that was meant to show them.\n\nConditions that people may choose (in [[ ]]), " +
				"that allow null, or that stand in the join itself are not reported.",
			Bad:         `questions: [{id: 1, sql: "select u.name, count(o.id) from users u left join orders o on o.user_id = u.id where o.status = 'paid' group by u.name"}]`,
			Good:        `questions: [{id: 1, sql: "select u.name, count(o.id) from users u left join orders o on o.user_id = u.id and o.status = 'paid' group by u.name"}]`,
			Remediation: "Move the condition into the join, or write JOIN where rows without a partner are not wanted.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.OuterJoinUndone, func(n int, names string) string {
			return "Keeps rows without a partner in " + names + " and drops them again in WHERE" + times(n) + "."
		}),
	}
}
