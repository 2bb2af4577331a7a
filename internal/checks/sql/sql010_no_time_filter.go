package sql

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllint"
)

// SQL010 finds growing tables that are read whole.
func SQL010() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SQL010",
			Slug:   "no-time-filter",
			Title:  "A growing table read from its first day",
			Family: check.SQLQuality,
			Why: "Tables of events and logs grow every day, and so does the time of each question that reads them whole. In a warehouse " +
				"that charges by what it reads, so does the bill.\n\nMetabase does not tell how many rows a table has. Judged are " +
				"tables with a known partition column, and tables that are called like a log (events, page_views, logs, clicks) and " +
				"have a time column. A field filter on the time counts, also an optional one.",
			Bad: `tables: [{id: 1/public/page_views, number: 9, columns: [{name: id, type: Integer}, {name: user_id, type: Integer}, {name: at, type: DateTime, number: 91}]}]
questions: [{id: 1, sql: "select count(*) from page_views"}]`,
			Good: `tables: [{id: 1/public/page_views, number: 9, columns: [{name: id, type: Integer}, {name: user_id, type: Integer}, {name: at, type: DateTime, number: 91}]}]
questions: [{id: 1, sql: "select count(*) from page_views where at > now() - interval '90 days'"}]`,
			Remediation: "Filter by time, or build a model of daily figures.",
			Severity:    finding.Medium,
			Confidence:  finding.Possible,
			Since:       "0.1",
			Judges:      kinds(),
		},
		Run: runTyped(sqllint.NoTimeFilter, func(_ int, names string) string {
			return "Reads " + names + " from its first day: no condition on its time."
		}),
	}
}
