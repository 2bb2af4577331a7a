package dup

import (
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
)

// mostCompared bounds the pairs whose differences are put into words; the page
// on duplicates shows the others.
const mostCompared = 1000

// DUP005 finds questions whose queries are nearly the same.
func DUP005() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DUP005",
			Slug:   "nearly-same-query",
			Title:  "A question with nearly the same query as another",
			Family: check.Duplication,
			Why: "A long query was copied and a condition, a column or a constant was changed. Often one question with a filter does for all; where " +
				"it does not, readers should know what the difference is, and a correction must reach every copy.\n\nTwo queries are nearly the same " +
				"when at least 80 % of the three-word runs of their canonical forms are shared. Every member is that near to the centre of its group, so " +
				"that a group does not run on along a chain of likenesses. Queries of fewer than twenty words are left out, because most of them is alike by " +
				"chance, and so are copies that are known to read other tables.",
			Bad: `questions:
  - {id: 1, name: Shipped by month, sql: "select date_trunc('month', o.created_at) as month, o.region, o.channel, sum(o.total) as revenue, sum(o.tax) as tax, count(*) as orders, count(distinct o.customer_id) as buyers from orders o where o.status = 'shipped' and o.is_test = false and o.total > 0 and o.region is not null group by 1, 2, 3 order by 1"}
  - {id: 2, name: Returned by month, sql: "select date_trunc('month', o.created_at) as month, o.region, o.channel, sum(o.total) as revenue, sum(o.tax) as tax, count(*) as orders, count(distinct o.customer_id) as buyers from orders o where o.status = 'returned' and o.is_test = false and o.total > 0 and o.region is not null group by 1, 2, 3 order by 1"}`,
			Good: `questions:
  - {id: 1, name: Orders by month, sql: "select date_trunc('month', o.created_at) as month, o.region, o.channel, sum(o.total) as revenue, sum(o.tax) as tax, count(*) as orders, count(distinct o.customer_id) as buyers from orders o where o.status = {{status}} and o.is_test = false and o.total > 0 and o.region is not null group by 1, 2, 3 order by 1"}`,
			Remediation: "Make one question with a filter of what differs, or say in the names what is different.",
			Severity:    finding.Low,
			Confidence:  finding.Possible,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric},
		},
		Run: runNearlySame,
	}
}

func runNearlySame(p *check.Pass) error {
	unread(p)
	all := byID(p)
	comparer := similar.NewComparer(p.Index)
	compared := 0
	for _, c := range clusters(p, similar.Near, false) {
		for _, ref := range others(all, c) {
			q := p.Index.Question(ref.ID)
			if q == nil || apart(p, ref, c.Keep) {
				continue
			}
			d := check.Diagnostic{
				Message:  fmt.Sprintf("Has nearly the same query as %s, which is the one to keep: %s.", p.Name(c.Keep), c.Reason),
				Evidence: finding.Evidence{Numbers: map[string]float64{"alike": c.Score, "copies": float64(len(c.Members))}, Related: append([]catalog.Ref(nil), c.Members...)},
			}
			if compared++; compared <= mostCompared {
				if words := differences(comparer.Compare(p.Context(), c.Keep, ref).Words, 5); len(words) > 0 {
					d.Message = fmt.Sprintf("Has nearly the same query as %s, which is the one to keep: %s. This one %s", p.Name(c.Keep), c.Reason, sentence(words[0]))
					d.Evidence.Texts = map[string]string{"differences": strings.Join(words, "; ")}
				}
			}
			p.Report(q, d)
		}
	}
	return nil
}
