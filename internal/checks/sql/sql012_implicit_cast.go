package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL012 finds comparisons of different types.
func SQL012() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL012",
			Slug:   "implicit-cast",
			Title:  "A comparison of two types",
			Family: check.SQLQuality,
			Why: "Comparing a text with a number makes the database convert every row, so that no index is used, or fail at the first " +
				"text that is no number. PostgreSQL refuses it outright.\n\nJudged where the scan knows the column's type. A quoted " +
				"number beside a number column is fine everywhere and not reported.",
			Bad: `tables: [{id: 1/public/orders, number: 7, columns: [{name: id, type: Integer}, {name: zip, type: Text}, {name: total, type: Decimal}]}]
questions: [{id: 1, sql: "select count(*) from orders where zip = 10115"}]`,
			Good: `tables: [{id: 1/public/orders, number: 7, columns: [{name: id, type: Integer}, {name: zip, type: Text}, {name: total, type: Decimal}]}]
questions: [{id: 1, sql: "select count(*) from orders where zip = '10115'"}]`,
			Remediation: "Write the literal in the column's type, or cast the side that is cheap to cast.",
			Severity:    finding.Low,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: runTyped(sqllint.ImplicitCast, func(n int, names string) string {
			return "Compares values of different types" + times(n) + ": " + bare(names) + "."
		}),
	}
}
