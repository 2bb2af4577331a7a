package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL013 finds comparisons with NULL.
func SQL013() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:          "SQL013",
			Slug:        "equals-null",
			Title:       "A comparison with NULL",
			Family:      check.SQLQuality,
			Why:         "Nothing equals NULL, not even NULL: the condition is never true, and the rows that were meant are missing from the answer.",
			Bad:         `questions: [{id: 1, sql: "select count(*) from orders where status = null"}]`,
			Good:        `questions: [{id: 1, sql: "select count(*) from orders where status is null"}]`,
			Remediation: "Write IS NULL or IS NOT NULL.",
			Severity:    finding.High,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Judges:      kinds(),
		},
		Run: run(sqllint.EqualsNull, func(n int, _ string) string { return "Compares with NULL" + times(n) + ", which is never true." }),
	}
}
