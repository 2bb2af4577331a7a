package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL016 finds conditions in HAVING that belong into WHERE.
func SQL016() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL016",
			Slug:   "having-without-aggregate",
			Title:  "HAVING that WHERE would answer",
			Family: check.SQLQuality,
			Why: "HAVING looks at groups after they were computed. A condition on a plain column leaves rows out just as well before, " +
				"and then there is less to group.",
			Bad:         `questions: [{id: 1, sql: "select status, count(*) from orders group by status having status <> 'test'"}]`,
			Good:        `questions: [{id: 1, sql: "select status, count(*) from orders where status <> 'test' group by status"}]`,
			Remediation: "Move the condition to WHERE.",
			Severity:    finding.Info,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.HavingNoAggr, func(n int, _ string) string {
			return "Leaves groups out by a plain column" + times(n) + ": HAVING without an aggregate."
		}),
	}
}
