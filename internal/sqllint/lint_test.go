package sqllint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqllint"
)

// shop is what the scan knows in the cases: orders(id, user_id, status, total,
// note, paid_on, created_at), users(id, code, zip, deleted_at), events(…).
func shop() []*catalog.Table {
	yes, no := true, false
	table := func(name string, columns ...*catalog.Column) *catalog.Table {
		t := &catalog.Table{Common: catalog.Common{ID: catalog.TableID("1", "public", name), Name: name}, DatabaseID: "1", Schema: "public"}
		for _, c := range columns {
			c.ID = catalog.ColumnID(t.ID, c.Name)
			t.Columns = append(t.Columns, c)
		}
		return t
	}
	column := func(name, base string) *catalog.Column { return &catalog.Column{Name: name, BaseType: base} }
	orders := table("orders",
		&catalog.Column{Name: "id", BaseType: "type/Integer", PrimaryKey: true, Nullable: &no},
		&catalog.Column{Name: "user_id", BaseType: "type/Integer", Nullable: &yes},
		column("status", "type/Text"), column("total", "type/Integer"), &catalog.Column{Name: "note", BaseType: "type/Text", Nullable: &yes},
		column("paid_on", "type/Date"), &catalog.Column{Name: "created_at", BaseType: "type/DateTimeWithTZ", Indexed: &yes})
	users := table("users",
		&catalog.Column{Name: "id", BaseType: "type/Integer", PrimaryKey: true, Nullable: &no},
		column("code", "type/Text"), &catalog.Column{Name: "zip", BaseType: "type/Text", Indexed: &yes}, column("deleted_at", "type/DateTime"))
	events := table("page_views", column("id", "type/Integer"), column("user_id", "type/Integer"), column("at", "type/DateTime"))
	daily := table("daily", column("id", "type/Integer"), &catalog.Column{Name: "day", BaseType: "type/Date", Partitioned: &yes})
	daily.RequireFilter = true
	var wide []*catalog.Column
	for i := range 30 {
		wide = append(wide, column(fmt.Sprintf("c%d", i), "type/Text"))
	}
	return []*catalog.Table{orders, users, events, daily, table("wide", wide...)}
}

func lint(t *testing.T, d sqllens.Dialect, sql string) sqllint.Result {
	t.Helper()
	var tables []sqllens.SchemaTable
	known := map[sqllens.TableRef]*catalog.Table{}
	for _, x := range shop() {
		st := sqllens.SchemaTable{TableRef: sqllens.TableRef{Schema: x.Schema, Name: x.Name}}
		for _, c := range x.Columns {
			st.Columns = append(st.Columns, c.Name)
		}
		known[st.TableRef] = x
		tables = append(tables, st)
	}
	tree := sqllens.Parse(sql, d, true)
	created := shop()[0].Columns[6]
	return sqllint.Lint(sqllint.Input{
		SQL: sql, Tree: tree, Lineage: sqllens.Resolve(tree, sqllens.NewSchema(d, tables, "", "public"), nil),
		Tags:  map[string]sqllint.Tag{"created": {Type: "dimension", Column: created}, "seen": {Type: "dimension", Column: &catalog.Column{Name: "at"}}, "other": {Type: "dimension", Column: &catalog.Column{Name: "user_id"}}, "until": {Type: "date"}, "n": {Type: "number"}, "code": {Type: "text"}},
		Table: func(r sqllens.TableRef) *catalog.Table { r.Catalog = ""; return known[r] },
	})
}

// marked takes the marks «…» out of a text and answers with what they enclose.
func marked(text string) (sql string, spans []sqllens.Span) {
	for {
		before, rest, ok := strings.Cut(text, "«")
		sql += before
		if !ok {
			return sql, spans
		}
		inside, after, _ := strings.Cut(rest, "»")
		spans = append(spans, sqllens.Span{Start: len(sql), End: len(sql) + len(inside)})
		sql += inside
		text = after
	}
}

// TestRules: the marks are the places that the rule must name, and no others.
func TestRules(t *testing.T) {
	const pg, my, ts = sqllens.Postgres, sqllens.MySQL, sqllens.TSQL
	for _, tt := range []struct {
		rule sqllint.Rule
		d    sqllens.Dialect
		sql  string
	}{
		{sqllint.SelectStar, pg, "select «*» from wide"},
		{sqllint.SelectStar, pg, "select «w.*», o.id from wide w join orders o on o.id = w.c1"},
		{sqllint.SelectStar, pg, "select w.c1, o.* from wide w join orders o on o.id = w.c1"},
		{sqllint.SelectStar, pg, "select «*» from nowhere"},
		{sqllint.SelectStar, pg, "with x as (select * from wide) select «*» from x"},
		{sqllint.SelectStar, pg, "with x as (select c1, c2 from wide) select * from x"},
		{sqllint.SelectStar, pg, "select * from (select c1, count(*) from wide group by 1) x"},
		{sqllint.SelectStar, pg, "select count(*) from wide"},
		{sqllint.SelectStar, pg, "select c1 from wide where exists (select * from wide)"},
		{sqllint.SelectStar, pg, "select * from {{#12-model}}"},
		{sqllint.SelectStar, sqllens.BigQuery, "select * except (c1) from wide"},

		{sqllint.CartesianJoin, pg, "select 1 from orders o, «users u» where o.total > 3"},
		{sqllint.CartesianJoin, pg, "select 1 from orders o, users u where o.user_id = u.id"},
		{sqllint.CartesianJoin, pg, "select 1 from orders o, users u, «page_views v» where o.user_id = u.id and v.at > now()"},
		{sqllint.CartesianJoin, pg, "select 1 from orders o cross join «users u»"},
		{sqllint.CartesianJoin, pg, "select 1 from orders o cross join generate_series(1, 3) g"},
		{sqllint.CartesianJoin, pg, "select 1 from orders o, unnest(array[1]) u"},
		{sqllint.CartesianJoin, pg, "select 1 from orders o, lateral (select 1 from users u where u.id = o.user_id) x"},
		{sqllint.CartesianJoin, pg, "with t as (select max(total) m from orders) select 1 from orders, t"},
		{sqllint.CartesianJoin, pg, "with t as (select code from users) select 1 from orders, «t»"},
		{sqllint.CartesianJoin, pg, "select 1 from orders, (values (1), (2)) v(x)"},
		{sqllint.CartesianJoin, pg, "select 1 from orders cross join calendar"},
		{sqllint.CartesianJoin, pg, "select 1 from orders o, users u where u.id = 5"},
		{sqllint.CartesianJoin, pg, "select 1 from orders o join users u using (id)"},
		{sqllint.CartesianJoin, pg, "select 1 from orders o, users u where {{snippet: link}}"},
		{sqllint.CartesianJoin, pg, "select 1 from orders o, users u where exists (select 1 from page_views v where v.id = o.id and v.user_id = u.id)"},
		{sqllint.CartesianJoin, sqllens.BigQuery, "select 1 from orders o, o.items i"},
		{sqllint.CartesianJoin, my, "select 1 from orders o join «users u»"},
		{sqllint.CartesianJoin, pg, "select 1 from log m, people p, «people d» where m.id_results = p.id and barcode is not null group by d.x, y, z"},
		{sqllint.CartesianJoin, sqllens.DuckDB, "select 1 from orders positional join users"},
		{sqllint.CartesianJoin, sqllens.ClickHouse, "select 1 from (select 1 from orders) a paste join (select 1 from users) b"},

		{sqllint.JoinWithoutKey, pg, "select 1 from orders o join users u on «1 = 1»"},
		{sqllint.JoinWithoutKey, pg, "select 1 from orders o join users u on «u.code = 'x'»"},
		{sqllint.JoinWithoutKey, pg, "select 1 from orders o join users u on «u.id = u.id» where o.user_id = u.id"},
		{sqllint.JoinWithoutKey, pg, "select 1 from orders o join users u on u.code = 'x' where o.user_id = u.id"},
		{sqllint.JoinWithoutKey, pg, "select 1 from orders o left join lateral (select 1) x on true"},
		{sqllint.JoinWithoutKey, pg, "with t as (select max(total) m from orders) select 1 from orders join t on true"},
		{sqllint.JoinWithoutKey, pg, "select 1 from orders o join users u on o.user_id = u.id and u.code = 'x'"},

		{sqllint.NotInNull, pg, "select 1 from users where «id not in (select user_id from orders)»"},
		{sqllint.NotInNull, pg, "select 1 from users where id not in (select user_id from orders where user_id is not null)"},
		{sqllint.NotInNull, pg, "select 1 from users where id not in (select id from orders)"},
		{sqllint.NotInNull, pg, "select 1 from users where «id not in (1, null)»"},
		{sqllint.NotInNull, pg, "select 1 from users where id not in (1, 2)"},
		{sqllint.NotInNull, pg, "select 1 from users where id not in (select user_id from orders where user_id > 5)"},

		{sqllint.FunctionOnColumn, pg, "select 1 from orders where «date(created_at)» = '2024-01-05'"},
		{sqllint.FunctionOnColumn, pg, "select 1 from orders where «created_at::date» = current_date"},
		{sqllint.FunctionOnColumn, pg, "select 1 from orders where created_at >= date_trunc('month', now())"},
		{sqllint.FunctionOnColumn, pg, "select 1 from users where «lower(zip)» = 'x'"},
		{sqllint.FunctionOnColumn, pg, "select 1 from users where lower(code) = 'x'"},
		{sqllint.FunctionOnColumn, pg, "select date(created_at) from orders"},
		{sqllint.FunctionOnColumn, ts, "select 1 from orders where cast(created_at as date) = '2024-01-05'"},
		{sqllint.FunctionOnColumn, ts, "select 1 from orders where «year(created_at)» = 2024"},
		{sqllint.FunctionOnColumn, sqllens.BigQuery, "select 1 from orders where date(created_at) = '2024-01-05'"},
		{sqllint.FunctionOnColumn, pg, "select 1 from (select created_at from orders) o where date(created_at) = '2024-01-05'"},
		{sqllint.FunctionOnColumn, pg, "select 1 from orders where {{created}}"},

		{sqllint.HardCodedDate, pg, "select 1 from orders where created_at < «'2024-01-05'»"},
		{sqllint.HardCodedDate, pg, "select 1 from orders where created_at between '2024-01-05' and «'2024-02-05'»"},
		{sqllint.HardCodedDate, pg, "select 1 from orders where created_at >= «date '2024-01-05'»"},
		{sqllint.HardCodedDate, pg, "select 1 from orders where created_at > '1970-01-01' and created_at < '9999-12-31'"},
		{sqllint.HardCodedDate, pg, "select case when created_at < '2024-01-05' then 1 end from orders"},
		{sqllint.HardCodedDate, pg, "select 1 from orders where created_at < {{until}}"},
		{sqllint.HardCodedDate, sqllens.Oracle, "select 1 from orders where created_at < «to_date('2024-01-05', 'YYYY-MM-DD')»"},

		{sqllint.HardCodedID, pg, "select 1 from orders where user_id = «48213»"},
		{sqllint.HardCodedID, pg, "select 1 from orders where user_id not in «(3, 48213)»"},
		{sqllint.HardCodedID, pg, "select 1 from orders where id = «'6f9619ff-8b86-d011-b42d-00cf4fc964ff'»"},
		{sqllint.HardCodedID, pg, "select 1 from orders where status_id = 48213 or user_id = 3"},
		{sqllint.HardCodedID, pg, "select 1 from orders where user_id = {{n}} and total = 48213"},

		{sqllint.LimitNoOrder, pg, "select id from orders limit «10»"},
		{sqllint.LimitNoOrder, pg, "select id from orders order by id limit 10"},
		{sqllint.LimitNoOrder, pg, "select count(*) from orders limit 10"},
		{sqllint.LimitNoOrder, pg, "select 1 from users u where exists (select 1 from orders o where o.user_id = u.id limit 1)"},
		{sqllint.LimitNoOrder, pg, "select id from orders limit 100000"},
		{sqllint.LimitNoOrder, pg, "select * from (select id from orders order by total) x limit 10"},
		{sqllint.LimitNoOrder, pg, "select id from orders limit {{n}}"},
		{sqllint.LimitNoOrder, ts, "select top «10» id from orders"},
		{sqllint.LimitNoOrder, ts, "select top 10 id from orders order by id"},
		{sqllint.LimitNoOrder, ts, "select top 100 percent id from orders"},

		{sqllint.UnionNoAll, pg, "select 'a', id from orders «union» select 'b', id from users"},
		{sqllint.UnionNoAll, pg, "select count(*) from orders «union» select count(*) from users"},
		{sqllint.UnionNoAll, pg, "select 'a', id from orders union all select 'b', id from users"},
		{sqllint.UnionNoAll, pg, "select id from orders union select id from users"},
		{sqllint.UnionNoAll, pg, "select 'a' union select 'b'"},

		{sqllint.NoTimeFilter, pg, "select count(*) from «page_views»"},
		{sqllint.NoTimeFilter, pg, "select count(*) from page_views where at > now() - interval '1 day'"},
		{sqllint.NoTimeFilter, pg, "select count(*) from page_views where {{seen}}"},
		{sqllint.NoTimeFilter, pg, "select count(*) from page_views where 1 = 1 [[and {{seen}}]]"},
		{sqllint.NoTimeFilter, pg, "select count(*) from «page_views» where {{other}}"},
		{sqllint.NoTimeFilter, pg, "select count(*) from orders"},
		{sqllint.NoTimeFilter, pg, "select count(*) from page_views where user_id = 3"},
		{sqllint.NoTimeFilter, sqllens.BigQuery, "select count(*) from «daily» where id = 3"},
		{sqllint.NoTimeFilter, sqllens.BigQuery, "select count(*) from daily where day = current_date"},

		{sqllint.DivisionByZero, pg, "select total / «count(user_id)» from orders group by total"},
		{sqllint.DivisionByZero, pg, "select sum(total) / «sum(id)» from orders"},
		{sqllint.DivisionByZero, pg, "select sum(total) / nullif(sum(id), 0) from orders"},
		{sqllint.DivisionByZero, pg, "select case when sum(id) > 0 then sum(total) / sum(id) end from orders"},
		{sqllint.DivisionByZero, pg, "select status, sum(total) / count(*) from orders group by status"},
		{sqllint.DivisionByZero, pg, "select status, sum(total) / count(id) from orders group by status"},
		{sqllint.DivisionByZero, pg, "select total / 100.0 from orders"},
		{sqllint.DivisionByZero, pg, "select 1.0 / total from orders where total > 0"},
		{sqllint.DivisionByZero, my, "select sum(total) / sum(id) from orders"},
		{sqllint.DivisionByZero, sqllens.BigQuery, "select safe_divide(sum(total), sum(id)) from orders"},

		{sqllint.ImplicitCast, pg, "select 1 from users where «zip = 12345»"},
		{sqllint.ImplicitCast, pg, "select 1 from orders where «total = 'many'»"},
		{sqllint.ImplicitCast, pg, "select 1 from orders o join users u on «o.user_id = u.code»"},
		{sqllint.ImplicitCast, pg, "select 1 from orders where total = '5' and status = 'paid'"},
		{sqllint.ImplicitCast, pg, "select 1 from users where zip::int = 12345 and unknown = 4"},

		{sqllint.EqualsNull, pg, "select 1 from orders where «note = null» or total > 3"},
		{sqllint.EqualsNull, pg, "select case when «note <> null» then 1 end from orders"},
		{sqllint.EqualsNull, pg, "select 1 from orders where note is null"},
		{sqllint.EqualsNull, ts, "select note = null from orders"},

		{sqllint.OuterJoinUndone, pg, "select 1 from orders o left join users u on u.id = o.user_id where «u.code = 'x'»"},
		{sqllint.OuterJoinUndone, pg, "select 1 from orders o left join users u on u.id = o.user_id and u.code = 'x'"},
		{sqllint.OuterJoinUndone, pg, "select 1 from orders o left join users u on u.id = o.user_id where u.id is null"},
		{sqllint.OuterJoinUndone, pg, "select 1 from orders o left join users u on u.id = o.user_id where u.code = 'x' or u.id is null"},
		{sqllint.OuterJoinUndone, pg, "select 1 from orders o left join users u on u.id = o.user_id where coalesce(u.code, '') = 'x'"},
		{sqllint.OuterJoinUndone, pg, "select 1 from orders o left join users u on u.id = o.user_id where true [[and u.code = {{code}}]]"},
		{sqllint.OuterJoinUndone, pg, "select 1 from users u right join orders o on u.id = o.user_id where «u.code like 'x%'»"},
		{sqllint.OuterJoinUndone, pg, "select 1 from orders o left join users u on u.id = o.user_id where o.total > 3"},

		{sqllint.DistinctOverJoin, pg, "select distinct u.code from users u join «orders o» on o.user_id = u.id where o.total > 5"},
		{sqllint.DistinctOverJoin, pg, "select distinct u.code, o.status from users u join orders o on o.user_id = u.id"},
		{sqllint.DistinctOverJoin, pg, "select distinct u.code from users u left join «orders o» on o.user_id = u.id"},
		{sqllint.DistinctOverJoin, pg, "select distinct code from users"},
		{sqllint.DistinctOverJoin, pg, "select distinct v.at from users u join orders o on o.user_id = u.id join page_views v on v.id = o.id"},

		{sqllint.HavingNoAggr, pg, "select status, count(*) from orders group by status having «status = 'paid'»"},
		{sqllint.HavingNoAggr, pg, "select status, count(*) as n from orders group by status having count(*) > 3"},
		{sqllint.HavingNoAggr, my, "select status, count(*) as n from orders group by status having n > 3"},
		{sqllint.HavingNoAggr, my, "select status, my_udaf(total) as n from orders group by status having my_udaf(total) > 3"},

		{sqllint.BetweenDates, pg, "select 1 from orders where «created_at between '2024-01-01' and '2024-01-31'»"},
		{sqllint.BetweenDates, pg, "select 1 from orders where paid_on between '2024-01-01' and '2024-01-31'"},
		{sqllint.BetweenDates, pg, "select 1 from orders where «created_at <= {{until}}»"},
		{sqllint.BetweenDates, pg, "select 1 from orders where created_at::date <= {{until}}"},
		{sqllint.BetweenDates, pg, "select 1 from orders where created_at between '2024-01-01' and '2024-01-31 23:59:59'"},
		{sqllint.BetweenDates, pg, "select 1 from orders where created_at >= '2024-01-01' and created_at < '2024-02-01'"},

		{sqllint.CountNullable, pg, "select «count(note)» from orders"},
		{sqllint.CountNullable, pg, "select count(*), count(id), count(distinct note) from orders"},
		{sqllint.CountNullable, pg, "select count(o.note) from users u left join orders o on o.user_id = u.id"},
		{sqllint.CountNullable, pg, "select count(note) from orders where note is not null"},

		{sqllint.OrderInSubquery, pg, "select count(*) from (select id from orders order by «total») x"},
		{sqllint.OrderInSubquery, pg, "with x as (select id from orders order by «total») select id from x order by id"},
		{sqllint.OrderInSubquery, pg, "select id from (select id from orders order by total limit 5) x"},
		{sqllint.OrderInSubquery, pg, "select array_agg(id) from (select id from orders order by total) x"},
		{sqllint.OrderInSubquery, sqllens.Oracle, "select id from (select id from orders order by total) where rownum < 5"},
		{sqllint.OrderInSubquery, pg, "select id from (select distinct on (status) id from orders order by status, total) x"},

		{sqllint.UngroupedColumn, my, "select «status», count(*) from orders"},
		{sqllint.UngroupedColumn, my, "select status, «note», count(*) from orders group by status"},
		{sqllint.UngroupedColumn, my, "select status, any_value(note), count(*) from orders group by 1"},
		{sqllint.UngroupedColumn, my, "select id, status, count(*) from orders group by id"},
		{sqllint.UngroupedColumn, my, "select upper(status) s, count(*) from orders group by s"},
		{sqllint.UngroupedColumn, pg, "select status, count(*) from orders"},

		{sqllint.DirtyRead, ts, "select 1 from orders o with («nolock») join users u (nolock_not) on u.id = o.user_id"},
		{sqllint.DirtyRead, ts, "select nolock from orders"},
		{sqllint.Final, sqllens.ClickHouse, "select count() from orders «final»"},
		{sqllint.Final, sqllens.ClickHouse, "select count() from orders as final_orders"},

		{sqllint.IntegerDivision, pg, "select «count(*) / count(distinct user_id)» from orders"},
		{sqllint.IntegerDivision, pg, "select count(*) * 1.0 / count(distinct user_id) from orders"},
		{sqllint.IntegerDivision, pg, "select «total / user_id» from orders"},
		{sqllint.IntegerDivision, pg, "select total / 60 from orders"},
		{sqllint.IntegerDivision, my, "select count(*) / count(distinct user_id) from orders"},

		{sqllint.QuotedTag, pg, "select 1 from orders where status = '«{{code}}»' -- '{{code}}'"},
		{sqllint.QuotedTag, pg, "select 1 from orders where {{created}} and total = '{{n}}'"},

		{sqllint.PipesAsOr, my, "select «status || '-' || note» from orders"},
		{sqllint.PipesAsOr, my, "select 1 from orders where total > 3 || status = 'paid'"},
		{sqllint.PipesAsOr, pg, "select status || '-' || note from orders"},
	} {
		t.Run(string(tt.rule)+" "+tt.sql, func(t *testing.T) {
			sql, want := marked(tt.sql)
			r := lint(t, tt.d, sql)
			if r.Skipped != "" {
				t.Fatalf("skipped: %s", r.Skipped)
			}
			var got []sqllens.Span
			for _, m := range r.Remarks {
				if m.Rule == tt.rule {
					got = append(got, m.Span)
				}
			}
			if diff := cmp.Diff(texts(sql, want), texts(sql, got)); diff != "" {
				t.Errorf("places (-want +got):\n%s", diff)
			}
		})
	}
}

func texts(sql string, spans []sqllens.Span) []string {
	var out []string
	for _, s := range spans {
		out = append(out, fmt.Sprintf("%d %s", s.Start, sql[s.Start:s.End]))
	}
	return out
}

// TestBrokenText: of what is broken only the break is remarked.
func TestBrokenText(t *testing.T) {
	for _, sql := range []string{"", "select (((", "{\"find\": 1}", "select 1 from a join on = = null where"} {
		r := lint(t, sqllens.Postgres, sql)
		if broken := sql != ""; (r.Skipped != "") != broken || (len(r.Remarks) > 0) != broken {
			t.Errorf("%q: skipped %q, %v", sql, r.Skipped, r.Remarks)
		}
		for i, m := range r.Remarks {
			if m.Rule != sqllint.BrokenText || i > 0 && m.Span == r.Remarks[i-1].Span {
				t.Errorf("%q: %v", sql, m)
			}
		}
	}
	deep := strings.Repeat("select * from (", 5000) + "select 1" + strings.Repeat(") x", 5000)
	lint(t, sqllens.Postgres, deep)
	many := "select 1 from orders where " + strings.Repeat("note = null or ", 50_000) + "true"
	if r := lint(t, sqllens.Postgres, many); len(r.Remarks) > 20 {
		t.Errorf("%d remarks", len(r.Remarks))
	}
}

func TestSubqueries(t *testing.T) {
	sql := "with paid as (select user_id, sum(total) as revenue, count(*) as orders, max(created_at) as last_order from orders where status = 'paid' and total > 0 group by user_id) " +
		"select * from paid p join (select id, code, count(*) over (partition by code) as same_code from users u where u.deleted_at is null and u.code like 'A%' and u.zip <> '') u on u.id = p.user_id"
	r := lint(t, sqllens.Postgres, sql)
	var got []string
	for _, q := range r.Subqueries {
		got = append(got, q.Name+" "+q.Tables)
	}
	if diff := cmp.Diff([]string{"paid public.orders", " public.users"}, got); diff != "" {
		t.Error(diff)
	}
	for _, tagged := range []string{strings.Replace(sql, "total > 0", "total > {{n}}", 1), strings.Replace(sql, "total > 0", "user_id in (select x from other)", 1)} {
		if r := lint(t, sqllens.Postgres, tagged); strings.Contains(tagged, "{{n}}") && len(r.Subqueries) != 1 {
			t.Errorf("%d subqueries of %s", len(r.Subqueries), tagged)
		}
	}
}

func TestConfidence(t *testing.T) {
	for sql, want := range map[string]finding.Confidence{
		"select 1 from orders where note = null":                                              finding.Certain,
		"select 1 from orders o, users u":                                                     finding.Likely,
		"select 1 from orders o cross join users u":                                           finding.Possible,
		"select 1 from orders o left join users u on u.id = o.user_id where u.id is not null": finding.Possible,
	} {
		r := lint(t, sqllens.Postgres, sql)
		if len(r.Remarks) != 1 || r.Remarks[0].Confidence != want {
			t.Errorf("%s: %+v", sql, r.Remarks)
		}
	}
}
