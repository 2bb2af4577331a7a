package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL008 finds limits without an order.
func SQL008() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL008",
			Slug:   "limit-without-order",
			Title:  "LIMIT without an order",
			Family: check.SQLQuality,
			Why: "Without ORDER BY the database may return any rows: the same question shows other figures tomorrow, or after an " +
				"upgrade, and nobody changed it.\n\nA limit of a thousand rows or more is a safety net and not reported, nor one in " +
				"EXISTS, over a single row, or over an ordered subquery.",
			Bad:         `questions: [{id: 1, sql: "select status, count(*) from orders group by status limit 5"}]`,
			Good:        `questions: [{id: 1, sql: "select status, count(*) from orders group by status order by 2 desc limit 5"}]`,
			Remediation: "Say which rows come first with ORDER BY.",
			Severity:    finding.Low,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.LimitNoOrder, func(n int, _ string) string {
			return "Takes some rows without saying which" + times(n) + ": LIMIT without ORDER BY."
		}),
	}
}
