package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL001 finds stars over wide or unknown tables that become the answer.
func SQL001() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL001",
			Slug:   "select-star",
			Title:  "A model or question that asks for all columns of a wide table",
			Family: check.SQLQuality,
			Why: "SELECT * carries every column to Metabase, also those nobody looks at: it is slower, it costs more in warehouses that " +
				"charge by column, it puts columns that were added for another purpose, personal data among them, before everybody, " +
				"and the order of the columns changes with the table.\n\nA star over a narrow table, over a subquery with listed " +
				"columns, over another question, or with exceptions is not reported.",
			Bad: `tables: [{id: 1/public/wide, number: 9, columns: [{name: c0}, {name: c1}, {name: c2}, {name: c3}, {name: c4}, {name: c5}, {name: c6}, {name: c7}, {name: c8}, {name: c9}, {name: c10}, {name: c11}, {name: c12}, {name: c13}]}]
questions: [{id: 1, sql: "select * from wide"}]`,
			Good: `tables: [{id: 1/public/wide, number: 9, columns: [{name: c0}, {name: c1}, {name: c2}, {name: c3}, {name: c4}, {name: c5}, {name: c6}, {name: c7}, {name: c8}, {name: c9}, {name: c10}, {name: c11}, {name: c12}, {name: c13}]}]
questions: [{id: 1, sql: "select c1, c2 from wide"}]`,
			Remediation: "List the columns that are needed.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.SelectStar, func(_ int, names string) string { return "Asks for all columns of " + names + "." }),
	}
}
