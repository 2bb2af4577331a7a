package similar_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/similar"
)

func called(name string, q *catalog.Question) *catalog.Question {
	q.Name = name
	return q
}

func metric(name string, q *catalog.Question) *catalog.Question {
	q.Name, q.Type = name, catalog.KindMetric
	return q
}

// conflictTexts writes conflicts as lines.
func conflictTexts(t *testing.T, s *catalog.Snapshot) []string {
	t.Helper()
	index := catalog.NewIndex(s)
	out := []string{}
	for _, c := range similar.Conflicts(similar.Metrics(t.Context(), index, lineage.Build(t.Context(), index))) {
		out = append(out, string(c.Kind)+": "+c.Name)
		for i, d := range c.Definitions {
			var ids []string
			for _, u := range d.Uses {
				ids = append(ids, u.Asset.ID)
			}
			line := "  " + strings.Join(slices.Compact(ids), "+") + ": " + d.Text
			if c.Kind == similar.OneDefinition {
				line += " | " + strings.Join(d.Names, ", ")
			}
			out = append(out, line)
			if i > 0 {
				for _, w := range d.Words {
					out = append(out, "    "+w)
				}
			}
		}
	}
	return out
}

func TestConflicts(t *testing.T) {
	const total = `{"source-table":1,"aggregation":[["sum",["field",14,null]]]}`
	const paid = `{"source-table":1,"filter":["=",["field",13,null],"paid"],"aggregation":[["sum",["field",14,null]]]}`
	tests := []struct {
		name      string
		questions []*catalog.Question
		want      []string
	}{
		{
			"a metric and a question of one name",
			[]*catalog.Question{called("Total revenue", builder("1", total)), metric("Revenue", builder("2", paid))},
			[]string{"one_name_many_definitions: Revenue", "  2: sum(orders.total) where orders.status = 'paid'", "  1: sum(orders.total)", "    leaves out the filter orders.status = 'paid'"},
		},
		{
			"columns of SQL",
			[]*catalog.Question{
				sql("1", "select status, sum(total) as revenue from orders group by 1"),
				sql("2", "select customer_id, sum(total) - sum(refund) as revenue from orders group by 1"),
			},
			[]string{
				"one_name_many_definitions: revenue", "  1: sum(orders.total)", "  2: sum(orders.total) - sum(orders.refund)",
				"    computes sum(orders.total) - sum(orders.refund) instead of sum(orders.total)",
			},
		},
		{
			"the period, a reader's filter, looks and grouping are no definition",
			[]*catalog.Question{
				sql("1", "select status, sum(total) as revenue from orders where created_at > '2024-01-01' group by 1"),
				sql("2", "select round(sum(o.total), 2) as Revenue from orders o [[where o.status = {{s}}]]"),
				sql("3", "select c.country, coalesce(sum(o.total), 0) as revenue from orders o left join customers c on c.id = o.customer_id group by 1"),
			},
			[]string{},
		},
		{
			"a join that may repeat rows is one",
			[]*catalog.Question{
				sql("1", "select sum(total) as revenue from orders"),
				sql("2", "select sum(o.total) as revenue from orders o left join invoices i on i.amount = o.total"),
			},
			[]string{
				"one_name_many_definitions: revenue", "  1: sum(orders.total)", "  2: sum(orders.total) with invoices", "    also reads invoices",
			},
		},
		{
			"columns over unrelated tables",
			[]*catalog.Question{sql("1", "select sum(total) as turnover from orders"), sql("2", "select sum(amount) as turnover from invoices")},
			[]string{},
		},
		{
			"figures over unrelated tables",
			[]*catalog.Question{called("Turnover", sql("1", "select sum(total) from orders")), called("Turnover", sql("2", "select sum(amount) from invoices"))},
			[]string{
				"one_name_many_definitions: Turnover", "  1: sum(orders.total)", "  2: sum(invoices.amount)",
				"    computes sum(invoices.amount) instead of sum(orders.total)", "    reads invoices instead of orders",
			},
		},
		{
			"counts are no metric names",
			[]*catalog.Question{
				sql("1", "select count(*) as count from orders where status = 'a'"), sql("2", "select count(*) as count from orders"),
				sql("3", "select count(*) as n, max(total) as top from orders"), sql("4", "select count(*) as n, max(refund) as top from orders"),
			},
			[]string{},
		},
		{
			"conditions written in other ways",
			[]*catalog.Question{
				called("Paid", sql("1", "select count(*) filter (where status = 'paid') from orders")),
				called("Paid", sql("2", "select sum(case when status = 'paid' then 1 else 0 end) from orders")),
				called("Paid", builder("3", `{"source-table":1,"aggregation":[["count-where",["=",["field",13,null],"paid"]]]}`)),
			},
			[]string{},
		},
		{
			"a slice is no other definition, for a column",
			[]*catalog.Question{
				sql("1", "select status, sum(total) as revenue from orders group by 1"),
				sql("2", "select customer_id, sum(total) as revenue from orders where status = 'paid' group by 1"),
				sql("3", "select customer_id, sum(total) as revenue from orders where is_test = false group by 1"),
				sql("4", "select o.status, sum(o.total) as revenue from orders o join customers c on c.id = o.customer_id where c.country = 'FR' group by 1"),
			},
			[]string{
				"one_name_many_definitions: revenue", "  1: sum(orders.total)", "  3: sum(orders.total) where orders.is_test = false",
				"    adds the filter orders.is_test = false",
			},
		},
		{
			"a guard against zero, a lookup from the other side",
			[]*catalog.Question{
				sql("1", "select sum(total) / count(distinct customer_id) as basket from orders"),
				sql("2", "select c.country, sum(o.total) / nullif(count(distinct o.customer_id), 0) as basket from customers c join orders o on o.customer_id = c.id group by 1"),
			},
			[]string{},
		},
		{
			"one definition, several names",
			[]*catalog.Question{called("Revenue", builder("1", paid)), called("Sales income", sql("2", "select sum(total) from orders where status = 'paid'"))},
			[]string{"one_definition_many_names: Revenue", "  1+2: sum(orders.total) where orders.status = 'paid' | Revenue, Sales income"},
		},
		{
			"another period is another figure",
			[]*catalog.Question{
				called("Revenue 2024", sql("1", "select sum(total) from orders where created_at >= '2024-01-01'")),
				called("Revenue 2025", sql("2", "select sum(total) from orders where created_at >= '2025-01-01'")),
			},
			[]string{},
		},
		{
			"a table's rows may be called anything",
			[]*catalog.Question{called("Orders", builder("1", `{"source-table":1,"aggregation":[["count"]]}`)), called("Purchases", sql("2", "select count(*) from orders"))},
			[]string{},
		},
		{
			"a name that the aggregation was given",
			[]*catalog.Question{
				builder("1", `{"source-table":1,"aggregation":[["aggregation-options",["sum",["field",14,null]],{"display-name":"Net sales"}]],"breakout":[["field",13,null]]}`),
				builder("2", `{"source-table":1,"aggregation":[["aggregation-options",["sum",["field",15,null]],{"display-name":"net sale"}]],"breakout":[["field",13,null]]}`),
			},
			[]string{
				"one_name_many_definitions: Net sales", "  1: sum(orders.total)", "  2: sum(orders.refund)", "    computes sum(orders.refund) instead of sum(orders.total)",
			},
		},
		{
			"what is not simple is left out",
			[]*catalog.Question{
				sql("1", "with x as (select * from orders) select sum(total) as revenue from x"),
				sql("2", "select sum(total) over () as revenue from orders"),
				sql("3", "select sum(total) as revenue from orders"),
			},
			[]string{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, conflictTexts(t, shop(tt.questions...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMeasuresAreMetrics(t *testing.T) {
	s := shop(called("Revenue", sql("1", "select sum(total) from orders")))
	s.Add(&catalog.Measure{
		Common: catalog.Common{ID: "7", Name: "Revenue"}, TableID: catalog.TableID("1", "public", "orders"), Legacy: true,
		Definition: json.RawMessage(`{"source-table":1,"aggregation":[["sum",["field",14,null]]],"filter":["=",["field",16,null],false]}`),
	})
	want := []string{"one_name_many_definitions: Revenue", "  7: sum(orders.total) where orders.is_test = false", "  1: sum(orders.total)", "    leaves out the filter orders.is_test = false"}
	if diff := cmp.Diff(want, conflictTexts(t, s)); diff != "" {
		t.Error(diff)
	}
}

// compareText writes a comparison for reading.
func compareText(c similar.Comparison) string {
	marks := map[similar.Op]string{similar.Same: "  ", similar.Changed: "~ ", similar.Added: "+ ", similar.Removed: "- "}
	var b strings.Builder
	for _, r := range c.Rows {
		b.WriteString(marks[r.Op] + r.LeftText)
		if r.Op != similar.Same {
			b.WriteString(" | " + r.RightText)
		}
		b.WriteString("\n")
	}
	for _, w := range c.Words {
		b.WriteString("* " + w + "\n")
	}
	return b.String()
}

func TestCompare(t *testing.T) {
	tests := []struct {
		name string
		a, b *catalog.Question
		want string
	}{
		{
			"simple SQL", sql("1", "select status, sum(total) from orders where is_test = false group by 1"),
			sql("2", "select status, sum(total), count(*) from orders where is_test = false and status <> 'x' group by 1"),
			`  select status,
  sum(total)
+  | count(*)
  from orders
+  | where status <> 'x'
  where is_test = false
  group by 1
* adds the filter orders.status <> 'x'
* adds the column count(*)
`,
		},
		{
			"SQL with steps", sql("1", "with a as (select customer_id, sum(total) t from orders where status = 'paid' group by 1) select c.country, avg(a.t) from a join customers c on c.id = a.customer_id group by 1 order by 2 limit 10"),
			sql("2", "with a as (select customer_id, sum(total) t from orders where status in ('paid', 'sent') group by 1) select c.country, avg(a.t) from a join customers c on c.id = a.customer_id where c.country is not null group by 1 order by 2 desc limit 20"),
			`  with c1_1 (
    select customer_id,
    sum(total) as t
    from orders
~   where status = 'paid' |   where status in ('paid', 'sent')
    group by 1
  select customers.country,
  avg(c1_1.t)
  from c1_1
  join customers on (c1_1.customer_id = customers.id)
+  | where not (customers.country is null)
  group by 1
~ order by 2 | order by (2) desc
~ limit 10 | limit 20
* has the filter status in ('paid', 'sent') instead of status = 'paid'
* adds the filter not (customers.country is null)
* has the order by (2) desc instead of 2
* has the limit 20 instead of 10
`,
		},
		{
			"two languages", builder("1", `{"source-table":1,"filter":["=",["field",13,null],"paid"],"aggregation":[["sum",["field",14,null]]]}`),
			sql("2", "select status, sum(total) from orders where status = 'paid' and not is_test group by status"),
			`  from orders
+  | where orders.is_test = false
  where orders.status = 'paid'
  show sum(orders.total)
+  | by orders.status
* adds the filter orders.is_test = false
* adds the grouping by orders.status
`,
		},
		{
			"steps of the query builder", builder("1", `{"source-query":{"source-table":1,"aggregation":[["sum",["field",14,null]]],"breakout":[["field",12,null]]},"aggregation":[["avg",["field","sum",{"base-type":"type/Float"}]]]}`),
			builder("2", `{"source-query":{"source-table":1,"filter":["=",["field",13,null],"paid"],"aggregation":[["sum",["field",14,null]]],"breakout":[["field",12,null]]},"aggregation":[["avg",["field","sum",{"base-type":"type/Float"}]]]}`),
			`  (database 1)
  (stage
    (table orders)
+  |   (filter
+  |     (= orders.status 'paid)
    (aggregation
      (sum orders.total)
    (breakout
      orders.customer_id
  (stage
    (aggregation
      (avg (column sum))
* adds the filter (= orders.status 'paid)
`,
		},
		{"the same", sql("1", "select 1"), sql("2", "select  1"), "  select 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := similar.Compare(t.Context(), catalog.NewIndex(shop(tt.a, tt.b)), tt.a.Ref(), tt.b.Ref())
			if diff := cmp.Diff(tt.want, compareText(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
