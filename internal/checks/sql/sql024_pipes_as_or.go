package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL024 finds || in databases that read it as OR.
func SQL024() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL024",
			Slug:   "pipes-as-or",
			Title:  "Texts joined with double pipes in MySQL, where they mean OR",
			Family: check.SQLQuality,
			Why:    "Unless the server runs in a mode of its own, MySQL and MariaDB read || as OR: instead of a joined text the column shows 0 or 1.",
			Bad: `databases: [{id: 1, engine: mysql}]
questions: [{id: 1, sql: "select first_name || ' ' || last_name from users"}]`,
			Good: `databases: [{id: 1, engine: mysql}]
questions: [{id: 1, sql: "select concat(first_name, ' ', last_name) from users"}]`,
			Remediation: "Use CONCAT.",
			Severity:    finding.High,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: run(sqllint.PipesAsOr, func(n int, _ string) string {
			return "Joins texts with ||" + times(n) + ", which means OR in this database."
		}),
	}
}
