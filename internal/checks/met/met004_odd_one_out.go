package met

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
)

// MET004 finds figures that do not fit in with those beside them.
func MET004() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "MET004",
			Slug:   "odd-one-out",
			Title:  "A figure without a filter, or in another time zone, than those beside it",
			Family: check.Metrics,
			Why: "Three tiles leave test orders out and the fourth was forgotten: rates and totals on one dashboard do not add up. The same goes for days " +
				"that begin at other hours, when one query turns times into another zone.\n\nA question is reported when, on one dashboard, at least " +
				"three figures over the same table, and three in four of them, have a condition that keeps rows out (test accounts, refunds, deleted or " +
				"internal rows) and it says nothing about that column; or when at least three use one time zone and it names another. Queries that are not " +
				"simple are left out.",
			Bad: `questions:
  - {id: 1, sql: "select sum(total) from orders where is_test = false"}
  - {id: 2, sql: "select count(*) from orders where is_test = false"}
  - {id: 3, sql: "select avg(total) from orders where is_test = false"}
  - {id: 4, name: Buyers, sql: "select count(distinct status) from orders"}
dashboards: [{id: 9, name: Sales, cards: [1, 2, 3, 4]}]`,
			Good: `questions:
  - {id: 1, sql: "select sum(total) from orders where is_test = false"}
  - {id: 2, sql: "select count(*) from orders where is_test = false"}
  - {id: 3, sql: "select avg(total) from orders where is_test = false"}
  - {id: 4, name: Buyers, sql: "select count(distinct status) from orders where is_test = false"}
dashboards: [{id: 9, name: Sales, cards: [1, 2, 3, 4]}]`,
			Remediation: "Add the filter or use the others' time zone; where the difference is meant, say it in the title.",
			Severity:    finding.Medium,
			Confidence:  finding.Possible,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric},
			Needs:       []catalog.Kind{catalog.KindDashboard},
		},
		Run: func(p *check.Pass) error {
			unread(p)
			subjects := judged(p)
			for _, o := range similar.Odds(p.Index) {
				a := subjects[o.Question]
				if a == nil {
					continue
				}
				d := check.Diagnostic{Key: []string{o.ID, p.Key(o.Dashboard)}, Evidence: finding.Evidence{
					Numbers: map[string]float64{"with": float64(len(o.Siblings)), "of": float64(o.Of)}, Related: []catalog.Ref{o.Dashboard},
				}}
				for _, id := range o.Siblings {
					if q := p.Index.Question(id); q != nil {
						d.Evidence.Related = append(d.Evidence.Related, q.Ref())
					}
				}
				if o.Lacks != "" {
					lacks := check.Clean(o.Lacks)
					d.Message = fmt.Sprintf("On %s, %d of %d figures over the same table have the filter %s. This one does not.", p.Name(o.Dashboard), len(o.Siblings), o.Of, lacks)
					d.Evidence.Texts = map[string]string{"filter": lacks}
				} else {
					d.Message = fmt.Sprintf("On %s, %d of %d figures over the same table use the time zone %s. This one uses %s.", p.Name(o.Dashboard), len(o.Siblings), o.Of,
						check.Clean(o.Others), check.Clean(o.Zone))
					d.Evidence.Texts = map[string]string{"here": check.Clean(o.Zone), "there": check.Clean(o.Others)}
				}
				p.Report(a, d)
			}
			return nil
		},
	}
}
