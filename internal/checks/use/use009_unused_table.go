package use

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// USE009 finds tables no live content reads.
func USE009() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "USE009",
			Slug:   "unused-table",
			Title:  "A table that no content reads",
			Family: check.Usage,
			Why: "Every listed table is one more that people look through to find the right one, and that Metabase syncs each night. Raw and temporary " +
				"tables are best hidden.\n\nA query that was not read, or whose SQL was not understood, may read any table of its database: then the " +
				"answer is possible only. Hidden tables are not judged.",
			Bad: `tables: [{id: 1/public/orders, number: 7}, {id: 1/public/tmp_orders_2021, number: 8}]
questions: [{id: 1, table: 7}]`,
			Good: `tables: [{id: 1/public/orders, number: 7}, {id: 1/public/users, number: 8}]
questions: [{id: 1, table: 7}, {id: 2, table: 8}]`,
			Remediation: "Hide the table in the table metadata if nobody is meant to use it.",
			Severity:    finding.Info,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindTable},
			Needs:       []catalog.Kind{catalog.KindQuestion},
		},
		Run: func(p *check.Pass) error {
			blind := blindDatabases(p)
			why, complete := p.Complete(catalog.KindQuestion)
			for a := range p.Subjects() {
				t, ok := a.(*catalog.Table)
				if !ok || t.Inactive || t.Visibility != "" || len(p.Users(t.Ref())) > 0 || usedByColumn(p, t) {
					continue
				}
				d := check.Diagnostic{Message: "No question, model or other content reads it."}
				reason := blind[t.DatabaseID]
				if !complete {
					reason = why
				}
				if reason != "" {
					d.Confidence = finding.Possible
					d.Evidence.Texts = map[string]string{"uncertain_because": reason}
				}
				p.Report(t, d)
			}
			return nil
		},
	}
}

// usedByColumn reports whether live content names a column of a table: a field
// filter, or a join that the query builder makes by itself.
func usedByColumn(p *check.Pass, t *catalog.Table) bool {
	for _, c := range t.Columns {
		for _, e := range p.Graph.ColumnUsers(c.Ref()) {
			if user := p.Index.Asset(e.To); user != nil && !p.Archived(user) {
				return true
			}
		}
	}
	return false
}

// blindDatabases says of which databases some live query is not understood, and
// so may read any table.
func blindDatabases(p *check.Pass) map[string]string {
	out := map[string]string{}
	for _, q := range p.Snapshot.Questions {
		if p.Archived(q) {
			continue
		}
		database := q.Query.DatabaseID
		if database == "" {
			database = q.DatabaseID
		}
		if q.Unreadable {
			out[database] = "a query of its database was not read"
			continue
		}
		for _, u := range p.Unresolved(q.Ref()) {
			switch u.Reason {
			case "sql_not_analysed", "not_analysed", "not_sql", "not_parsed", "not_readable":
				out[database] = "a query of its database was not understood"
			}
		}
	}
	return out
}
