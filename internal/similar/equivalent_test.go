package similar_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/similar"
)

// shop is a snapshot with three tables. Their numbers are 1 to 3, their
// columns' 11, 12, … in the order below.
func shop(questions ...*catalog.Question) *catalog.Snapshot {
	s := snapshot(questions...)
	for n, t := range []struct{ name, columns string }{
		{"orders", "id:k customer_id:11 status:text total:num refund:num is_test:bool created_at:time"},
		{"customers", "id:k name:text country:text"},
		{"invoices", "id:k amount:num issued_at:time"},
	} {
		id := catalog.TableID("1", "public", t.name)
		table := &catalog.Table{Common: catalog.Common{ID: id, Name: t.name}, DatabaseID: "1", Schema: "public", MetabaseID: int64(n + 1)}
		for c, spec := range strings.Fields(t.columns) {
			name, kind, _ := strings.Cut(spec, ":")
			column := &catalog.Column{ID: catalog.ColumnID(id, name), Name: name, MetabaseID: int64(10*(n+1) + c + 1), PrimaryKey: kind == "k"}
			switch kind {
			case "time":
				column.BaseType = "type/DateTime"
			case "11":
				column.FKTargetID = catalog.ColumnID(catalog.TableID("1", "public", "customers"), "id")
			}
			table.Columns = append(table.Columns, column)
		}
		s.Add(table)
	}
	return s
}

// builder is a legacy query-builder question on orders or another table.
func builder(id, inner string) *catalog.Question {
	q := sql(id, "")
	q.Query = catalog.Query{
		Language: catalog.LanguageMBQL, DatabaseID: "1", Dialect: "mbql4",
		MBQL: json.RawMessage(`{"database":1,"type":"query","query":` + inner + `}`),
	}
	return q
}

// kinds lists the clusters as texts: "equivalent 1+2".
func kinds(clusters []similar.Cluster) []string {
	out := []string{}
	for _, c := range clusters {
		var ids []string
		for _, m := range c.Members {
			ids = append(ids, m.ID)
		}
		out = append(out, string(c.Kind)+" "+strings.Join(ids, "+"))
	}
	return out
}

func TestEquivalentQuestions(t *testing.T) {
	const paid = `"source-table":1,"filter":["=",["field",13,null],"paid"]`
	tests := []struct {
		name string
		a, b *catalog.Question
		want string
	}{
		{"case and aliases", sql("1", "SELECT o.total FROM orders o WHERE o.id > 3 AND o.status = 'x'"), sql("2", "select total from orders where status = 'x' and 3 < id"), "equivalent"},
		{"another filter", sql("1", "select total from orders where id > 3"), sql("2", "select total from orders where id > 4"), ""},
		{"not understood differs by its case", sql("1", "select from where ((("), sql("2", "SELECT from where ((("), ""},
		{"builder without order", builder("1", `{`+paid+`,"aggregation":[["count"]],"order-by":[["asc",["field",13,null]]]}`), builder("2", `{`+paid+`,"aggregation":[["count"]]}`), "equivalent"},
		{"builder with limit keeps its order", builder("1", `{`+paid+`,"limit":5,"order-by":[["asc",["field",13,null]]]}`), builder("2", `{`+paid+`,"limit":5}`), ""},
		{"two languages, a sum", builder("1", `{`+paid+`,"aggregation":[["sum",["field",14,null]]]}`), sql("2", "select sum(total) as revenue from public.orders where status = 'paid'"), "equivalent"},
		{
			"two languages, by month",
			builder("1", `{"source-table":1,"aggregation":[["count"]],"breakout":[["field",17,{"temporal-unit":"month"}]]}`),
			sql("2", "select date_trunc('month', created_at) as month, count(*) from orders group by 1 order by 1"), "equivalent",
		},
		{
			"two languages, weeks begin on other days",
			builder("1", `{"source-table":1,"aggregation":[["count"]],"breakout":[["field",17,{"temporal-unit":"week"}]]}`),
			sql("2", "select date_trunc('week', created_at) as week, count(*) from orders group by 1"), "",
		},
		{
			"two languages, a foreign key",
			builder("1", `{"source-table":1,"aggregation":[["sum",["field",14,null]]],"breakout":[["field",23,{"source-field":12}]]}`),
			sql("2", "select c.country, sum(o.total) from orders o left join customers c on c.id = o.customer_id group by c.country"), "equivalent",
		},
		{
			"two languages, another join",
			builder("1", `{"source-table":1,"aggregation":[["sum",["field",14,null]]],"breakout":[["field",23,{"source-field":12}]]}`),
			sql("2", "select c.country, sum(o.total) from orders o join customers c on c.id = o.customer_id group by c.country"), "",
		},
		{"two languages, several values", builder("1", `{"source-table":1,"filter":["=",["field",13,null],"b","a"],"aggregation":[["count"]]}`), sql("2", "select count(*) from orders where status in ('a','b')"), "equivalent"},
		{"two languages, a reader's filter", builder("1", `{"source-table":1,"aggregation":[["count"]]}`), sql("2", "select count(*) from orders [[where status = {{s}}]]"), ""},
		{"two languages, all rows", builder("1", `{"source-table":1}`), sql("2", "select * from orders"), "equivalent"},
		{"two languages, some rows", builder("1", `{"source-table":1}`), sql("2", "select * from orders limit 10"), ""},
		{"one language keeps its column names", sql("1", "select sum(total) as a from orders"), sql("2", "select sum(total) as b from orders"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := shop(tt.a, tt.b)
			var want []string
			if tt.want != "" {
				want = []string{tt.want + " 1+2"}
			}
			if diff := cmp.Diff(append([]string{}, want...), kinds(find(t, s))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// long is a query with a number of conditions.
func long(conditions int, more string) string {
	var b strings.Builder
	b.WriteString("select o.status, sum(o.total) as revenue, count(distinct o.customer_id) as buyers from orders o where o.is_test = false")
	for i := range conditions {
		fmt.Fprintf(&b, " and o.id <> %d", 1000+i*7)
	}
	b.WriteString(more + " group by o.status")
	return b.String()
}

func TestClustersNest(t *testing.T) {
	got := find(t, shop(
		sql("1", long(12, "")), sql("2", long(12, "")+" -- copy"), // exact
		sql("3", strings.ToUpper(long(12, ""))),           // equivalent
		sql("4", long(12, " and o.refund is null")),       // near
		sql("5", "select * from orders where refund > 1"), // alone
		sql("6", "select * from orders where refund > 2"), // short, so near nothing
	))
	if diff := cmp.Diff([]string{"exact 1+2", "equivalent 1+2+3", "near 1+2+3+4"}, kinds(got)); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff([]string{got[0].ID}, got[1].Contains); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{got[1].ID}, got[2].Contains); diff != "" {
		t.Error(diff)
	}
	if s := got[2].Score; s < 0.8 || s >= 1 {
		t.Errorf("near score %v", s)
	}
	if got[0].Keep != got[1].Keep || got[1].Keep != got[2].Keep {
		t.Errorf("nested clusters keep different members: %v, %v, %v", got[0].Keep, got[1].Keep, got[2].Keep)
	}
	if c := similar.ByMember(got)[catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}]; c.Kind != similar.Exact {
		t.Errorf("the strictest cluster of 1 is %s", c.Kind)
	}
}

func TestNearDashboards(t *testing.T) {
	s := shop()
	board := func(id string, cards ...string) {
		d := &catalog.Dashboard{Common: catalog.Common{ID: id, Name: "d" + id}, CollectionID: "root"}
		for _, c := range cards {
			d.Cards = append(d.Cards, catalog.Dashcard{QuestionID: c})
		}
		s.Add(d)
	}
	for i := range 8 {
		s.Add(sql(fmt.Sprint(i+1), fmt.Sprintf("select %d", i)))
	}
	s.Add(sql("9", "SELECT 0")) // the first one's meaning
	board("1", "1", "2", "3", "4", "5")
	board("2", "1", "2", "3", "4") // four of five
	board("3", "6", "7", "8", "1")
	board("4", "9", "2", "3", "4", "5") // equivalent to 1
	board("5", "7", "8")
	if diff := cmp.Diff([]string{"equivalent 1+4", "near 1+2+4", "equivalent 1+9"}, kinds(find(t, s))); diff != "" {
		t.Error(diff)
	}
}
