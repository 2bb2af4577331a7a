package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL009 finds UNION where UNION ALL is meant.
func SQL009() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL009",
			Slug:   "union-without-all",
			Title:  "UNION where UNION ALL is meant",
			Family: check.SQLQuality,
			Why: "UNION compares all rows to drop repeated ones. Between parts that each carry a label of their own no row repeats, so " +
				"the work is for nothing. Between single figures it is worse: two equal figures become one, and a row is " +
				"missing.\n\nOther unions may well mean to drop repetitions and are not reported.",
			Bad:         `questions: [{id: 1, sql: "select count(*) from orders union select count(*) from users"}]`,
			Good:        `questions: [{id: 1, sql: "select count(*) from orders union all select count(*) from users"}]`,
			Remediation: "Write UNION ALL.",
			Severity:    finding.Low,
			Confidence:  finding.Possible,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.UnionNoAll, func(n int, names string) string {
			if names == `"disjoint"` {
				return "UNION compares rows of parts that have none in common" + times(n) + "."
			}
			return "UNION between single figures drops one of them when they are equal."
		}),
	}
}
