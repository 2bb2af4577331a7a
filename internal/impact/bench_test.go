package impact_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/impact"
)

// BenchmarkHub asks for the column and the table that every one of 10,000
// questions reads, the worst that an instance can have.
func BenchmarkHub(b *testing.B) {
	s := &catalog.Snapshot{
		Databases: []*catalog.Database{{Common: common("1", "Warehouse", ""), Engine: "postgres"}},
		Tables:    []*catalog.Table{table(orders, "orders", 1, "id", "total", "status", "customer_id")},
	}
	filler := strings.Repeat("  and coalesce(o.status, 'none') <> 'nothing at all'\n", 50)
	for i := range 10_000 {
		s.Add(native(fmt.Sprint(i+1), fmt.Sprint("Question ", i), "select o.id, sum(o.total) from orders o where o.customer_id > 3\n"+filler+"group by 1"))
		if i%10 == 0 {
			s.Add(&catalog.Dashboard{Common: common(fmt.Sprint(i+1), fmt.Sprint("Dashboard ", i), "1"), Cards: []catalog.Dashcard{{ID: fmt.Sprint(i), QuestionID: fmt.Sprint(i + 1)}}})
		}
	}
	in := benchInput(s)
	for _, root := range []catalog.Ref{column(orders, "total"), {Kind: catalog.KindTable, ID: orders}} {
		b.Run(string(root.Kind), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := impact.Of(context.Background(), in, impact.Request{Roots: []catalog.Ref{root}})
				if err != nil || len(r.Affected) != 11_000 {
					b.Fatal(err, len(r.Affected))
				}
			}
		})
	}
}
