package prm

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// PRM002 finds databases everyone may query in SQL.
func PRM002() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "PRM002",
			Slug:   "everyone-may-write-sql",
			Title:  "A database that everyone may query in SQL",
			Family: check.Permissions,
			Why: "SQL reaches every table that Metabase's own account reaches, whatever is hidden in the data model, and each saved query is one more " +
				"that breaks with the schema.",
			Bad: `groups: [{id: 1, name: All Users, magic: all-internal-users}]
access: {data: [{group_id: "1", database_id: "1", view_data: unrestricted, create_queries: query-builder-and-native}]}`,
			Good: `groups: [{id: 1, name: All Users, magic: all-internal-users}]
access: {data: [{group_id: "1", database_id: "1", view_data: unrestricted, create_queries: query-builder}]}`,
			Remediation: "Let all users use the query builder, and give SQL to the group that needs it.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindDatabase},
			Needs:       []catalog.Kind{catalog.KindGroup},
			Facts:       []check.Fact{check.FactDataAccess},
		},
		Run: func(p *check.Pass) error {
			everyone := everyoneGroup(p)
			if everyone == nil {
				p.NotEvaluated(catalog.Ref{}, "The group of all users was not among the groups.")
				return nil
			}
			for a := range p.Subjects() {
				d, ok := a.(*catalog.Database)
				if !ok || d.Sample {
					continue
				}
				for _, g := range p.Snapshot.Access.Data {
					if g.GroupID == everyone.ID && g.DatabaseID == d.ID && g.CreateQueries == "query-builder-and-native" {
						p.Report(d, check.Diagnostic{
							Message:  "Everyone with an account may write SQL on it.",
							Evidence: finding.Evidence{Related: []catalog.Ref{everyone.Ref()}, Numbers: map[string]float64{"people": float64(everyone.Members)}},
						})
						break
					}
				}
			}
			return nil
		},
	}
}
