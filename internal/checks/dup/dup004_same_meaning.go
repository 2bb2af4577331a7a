package dup

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
)

// DUP004 finds questions whose queries mean the same.
func DUP004() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DUP004",
			Slug:   "same-meaning",
			Title:  "A question that asks the same as another in other words",
			Family: check.Duplication,
			Why: "The same question was written twice: with other aliases, conditions in another order, or once in SQL and once in the query " +
				"builder. Whoever mends one does not find the other, because no search for its text does.\n\nTwo queries mean the same when their " +
				"canonical forms are equal: names by the database's rule of case, aliases of tables, order of conditions, redundant parentheses and " +
				"spelling of literals do not matter; of the query builder's the order of the rows does not either, unless they are limited. A simple " +
				"SQL query and a simple query of the builder are compared by what they read, keep, group and compute. Names of columns count within a " +
				"language. Queries with the same text are left to DUP001.",
			Bad: `questions:
  - {id: 1, name: Paid orders, sql: "select id, total from orders where status = 'paid' and total > 5"}
  - {id: 2, name: Orders (paid), sql: "SELECT o.id, o.total FROM orders AS o WHERE 5 < o.total AND o.status = 'paid'"}`,
			Good: `questions:
  - {id: 1, name: Paid orders, sql: "select id, total from orders where status = 'paid' and total > 5"}
  - {id: 2, name: Large orders, sql: "select id, total from orders where status = 'paid' and total > 500"}`,
			Remediation: "Point what uses this question to the recommended one, then archive this one.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric},
		},
		Run: func(p *check.Pass) error {
			unread(p)
			all := byID(p)
			for _, c := range clusters(p, similar.Equivalent, false) {
				keep := p.Index.Question(c.Keep.ID)
				for _, ref := range others(all, c) {
					q := p.Index.Question(ref.ID)
					if q == nil || keep == nil {
						continue
					}
					d := check.Diagnostic{
						Message:  fmt.Sprintf("Asks the same as %s in other words. That one is the one to keep: %s.", p.Name(c.Keep), c.Reason),
						Evidence: finding.Evidence{Numbers: map[string]float64{"copies": float64(len(c.Members))}, Related: append([]catalog.Ref(nil), c.Members...)},
					}
					if (len(q.Query.MBQL) > 0) != (len(keep.Query.MBQL) > 0) {
						d.Message = fmt.Sprintf("Asks the same as %s, %s. That one is the one to keep: %s.", p.Name(c.Keep), languages(q), c.Reason)
					}
					if q.DashboardID != "" {
						d.Severity = finding.Low // it cannot be found outside its dashboard
					}
					p.Report(q, d)
				}
			}
			return nil
		},
	}
}

func languages(q *catalog.Question) string {
	if len(q.Query.MBQL) > 0 {
		return "here in the query builder and there in SQL"
	}
	return "here in SQL and there in the query builder"
}
