package brk

import (
	"fmt"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// BRK018 finds models in use whose columns are gone from the database.
func BRK018() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK018",
			Slug:   "model-lost-columns",
			Title:  "A model in use that promises columns which are gone",
			Family: check.Broken,
			Why: "A model keeps the list of its columns, and people build on that list. When a column leaves the database, a model that asks for all " +
				"columns goes on working without it; what was built on the column does not.\n\nReported where live content uses the model, with how much that is; BRK012 says so of each query.",
			Bad: `tables: [{id: 1/public/orders, number: 7, columns: [{name: id, number: 71}, {name: region, number: 72, inactive: true}]}]
questions:
  - {id: 1, name: Orders, type: model, table: 7, columns: [1/public/orders/id, 1/public/orders/region]}
  - {id: 2, source: 1}`,
			Good: `tables: [{id: 1/public/orders, number: 7, columns: [{name: id, number: 71}, {name: region, number: 72}]}]
questions:
  - {id: 1, name: Orders, type: model, table: 7, columns: [1/public/orders/id, 1/public/orders/region]}
  - {id: 2, source: 1}`,
			Remediation: "Open the model and save its columns again; then mend what was built on the lost ones.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Personal:    true,
			Judges:      []catalog.Kind{catalog.KindModel},
			Needs:       []catalog.Kind{catalog.KindTable},
		},
		Run: func(p *check.Pass) error {
			for q := range p.Questions() {
				if q.Type != catalog.KindModel {
					continue
				}
				if q.Unreadable {
					p.NotEvaluated(q.Ref(), "Its query could not be read.")
					continue
				}
				lostColumns(p, q)
			}
			return nil
		},
	}
}

func lostColumns(p *check.Pass, q *catalog.Question) {
	var names []string
	var lost []catalog.Ref
	for _, c := range q.ResultColumns {
		column := p.Index.Column(c.ColumnID)
		if c.ColumnID == "" || column == nil || !column.Inactive {
			continue
		}
		if t := p.Index.Table(catalog.TableOfColumn(c.ColumnID)); t == nil || t.Inactive {
			continue // BRK010
		}
		if len(names) < 3 {
			names = append(names, `"`+check.Clean(column.Name)+`"`)
		}
		lost = append(lost, column.Ref())
	}
	users := p.Users(q.Ref())
	if len(lost) == 0 || len(users) == 0 {
		return
	}
	if len(lost) > len(names) {
		names = append(names, fmt.Sprintf("%d more", len(lost)-len(names)))
	}
	slices.SortFunc(lost, catalog.Ref.Compare)
	p.Report(q, check.Diagnostic{
		Message: fmt.Sprintf("Promises %s, which left the database, and %s on it.", check.Join(names), check.Count(len(users), "asset builds", "assets build")),
		Evidence: finding.Evidence{
			Numbers: map[string]float64{"lost_columns": float64(len(lost)), "users": float64(len(users))},
			Related: lost,
		},
	})
}
