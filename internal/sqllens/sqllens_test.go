package sqllens_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/sqllens"
)

func shop(d sqllens.Dialect) *sqllens.Schema {
	table := func(schema, name string, columns ...string) sqllens.SchemaTable {
		return sqllens.SchemaTable{TableRef: sqllens.TableRef{Schema: schema, Name: name}, Columns: columns}
	}
	return sqllens.NewSchema(d, []sqllens.SchemaTable{
		table("public", "orders", "id", "user_id", "total", "status", "created_at"),
		table("public", "users", "id", "email", "country"),
		table("audit", "orders", "id", "actor"),
	}, "", "public")
}

// outputs prints the last statement's outputs as "name<table.column,…".
func outputs(lineage []*sqllens.Lineage) []string {
	if len(lineage) == 0 {
		return nil
	}
	var out []string
	for _, o := range lineage[len(lineage)-1].Outputs {
		var sources []string
		for _, s := range o.Sources {
			name := "?"
			if s.Table != nil {
				name = s.Table.Schema + "." + s.Table.Name
			}
			sources = append(sources, name+"."+s.Column)
		}
		slices.Sort(sources)
		out = append(out, o.Name+"<"+strings.Join(sources, ","))
	}
	return out
}

func tables(lineage []*sqllens.Lineage) []string {
	var out []string
	for _, l := range lineage {
		for _, t := range l.Tables {
			name := t.Table.Schema + "." + t.Table.Name
			if t.Write {
				name += " write"
			}
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

func TestLineage(t *testing.T) {
	cases := []struct {
		name    string
		dialect sqllens.Dialect
		sql     string
		tables  []string
		outputs []string
	}{
		{
			name: "aliases, join, expression", sql: `SELECT o.total * 2 AS double, u.email FROM orders o JOIN users u ON u.id = o.user_id WHERE o.status = 'x'`,
			tables: []string{"public.orders", "public.users"}, outputs: []string{"double<public.orders.total", "email<public.users.email"},
		},
		{
			name: "CTE hides a table of its name", sql: `WITH users AS (SELECT id FROM orders) SELECT id FROM users`,
			tables: []string{"public.orders"}, outputs: []string{"id<public.orders.id"},
		},
		{
			name: "star with EXCEPT", dialect: sqllens.BigQuery, sql: "SELECT * EXCEPT (status, created_at) FROM orders",
			tables: []string{"public.orders"}, outputs: []string{"id<public.orders.id", "user_id<public.orders.user_id", "total<public.orders.total"},
		},
		{
			name: "union merges by place", sql: `SELECT id AS a FROM orders UNION ALL SELECT email FROM users`,
			tables: []string{"public.orders", "public.users"}, outputs: []string{"a<public.orders.id,public.users.email"},
		},
		{
			name: "USING shows the column once", sql: `SELECT * FROM orders JOIN audit.orders a USING (id)`,
			tables:  []string{"public.orders", "audit.orders"},
			outputs: []string{"id<audit.orders.id,public.orders.id", "user_id<public.orders.user_id", "total<public.orders.total", "status<public.orders.status", "created_at<public.orders.created_at", "actor<audit.orders.actor"},
		},
		{
			name: "recursive CTE", sql: `WITH RECURSIVE t(n, e) AS (SELECT id, email FROM users UNION ALL SELECT n + 1, e FROM t WHERE n < 9) SELECT n, e FROM t`,
			tables: []string{"public.users"}, outputs: []string{"n<public.users.id", "e<public.users.email"},
		},
		{
			name: "correlated scalar subquery", sql: `SELECT u.id, (SELECT max(total) FROM orders o WHERE o.user_id = u.id) AS top FROM users u`,
			tables: []string{"public.orders", "public.users"}, outputs: []string{"id<public.users.id", "top<public.orders.total"},
		},
		{
			name: "window clause reaches the value", sql: `SELECT row_number() OVER (PARTITION BY country ORDER BY email) AS n FROM users`,
			tables: []string{"public.users"}, outputs: []string{"n<public.users.country,public.users.email"},
		},
		{
			name: "alias used in the same list", dialect: sqllens.Snowflake, sql: `SELECT total * 2 AS d, d + 1 AS e FROM orders`,
			tables: []string{"public.orders"}, outputs: []string{"d<public.orders.total", "e<public.orders.total"},
		},
		{
			name: "insert", sql: `INSERT INTO audit.orders (id, actor) SELECT id, email FROM users`,
			tables: []string{"audit.orders write", "public.users"}, outputs: []string{"id<public.users.id", "actor<public.users.email"},
		},
		{
			name: "temporary table of the same text", dialect: sqllens.TSQL, sql: `SELECT id, total INTO #t FROM orders; SELECT total FROM #t`,
			tables: []string{"public.#t write", "public.orders"}, outputs: []string{"total<public.orders.total"},
		},
		{
			name: "missing comma and a dangling AND keep the rest", sql: `SELECT id FROM orders o JOIN users u ON u.id = o.user_id AND WHERE o.total >`,
			tables: []string{"public.orders", "public.users"}, outputs: []string{"id<public.orders.id,public.users.id"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := c.dialect
			if d == "" {
				d = sqllens.Postgres
			}
			got := sqllens.Resolve(sqllens.Parse(c.sql, d, true), shop(d), nil)
			if diff := cmp.Diff(c.tables, tables(got)); diff != "" {
				t.Errorf("tables (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.outputs, outputs(got)); diff != "" {
				t.Errorf("outputs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTemplates(t *testing.T) {
	const sql = "SELECT id FROM {{#12-recent}} r\n-- [[and {{commented}}]]\nWHERE {{created}} [[AND status = {{status}}]] AND name LIKE '%{{part}}%' AND {{snippet: paid only}}"
	for _, optional := range []bool{true, false} {
		tree := sqllens.Parse(sql, sqllens.Postgres, optional)
		if tree.Recovered {
			t.Errorf("optional=%v: %v", optional, tree.Problems)
		}
		var got []string
		for _, tag := range tree.Tags {
			text := string(tag.Kind) + ":" + tag.Name
			if tag.Optional {
				text += " optional"
			}
			if tag.InString {
				text += " in string"
			}
			if sql[tag.Span.Start:tag.Span.Start+2] != "{{" || sql[tag.Span.End-2:tag.Span.End] != "}}" {
				t.Errorf("span of %s is off", tag.Name)
			}
			got = append(got, text)
		}
		want := []string{"card:#12-recent", "variable:created", "variable:status optional", "variable:part in string", "snippet:paid only"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("optional=%v (-want +got):\n%s", optional, diff)
		}
	}
}

func TestIdentifiersHoldNoLiterals(t *testing.T) {
	const sql = `SELECT o."Total Amount", 'secret@example.com', 4111 FROM shop.orders o /* Smith */ WHERE {{region}} = "paid" -- Jones`
	got := sqllens.Identifiers(sql, sqllens.MySQL)
	if want := []string{"o", "shop", "orders", "region"}; !slices.Equal(got, want) {
		t.Errorf("MySQL: %q", got)
	}
	got = sqllens.Identifiers(sql, sqllens.Postgres)
	if want := []string{"o", "Total Amount", "shop", "orders", "region", "paid"}; !slices.Equal(got, want) {
		t.Errorf("PostgreSQL: %q", got)
	}
}

func TestTooLargeIsSaid(t *testing.T) {
	tree := sqllens.Parse("SELECT '"+strings.Repeat("x", sqllens.MaxSize)+"'", sqllens.Postgres, true)
	if !tree.Recovered || tree.Problems[0].Code != "too_large" {
		t.Errorf("%v", tree.Problems)
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("SELECT a, b FROM t JOIN u USING (id) WHERE {{x}} [[AND c = {{y}}]]", uint8(0))
	f.Add("WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n+1 FROM t) SELECT * FROM t", uint8(1))
	f.Add("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = s.b", uint8(8))
	f.Add("FROM t |> WHERE a > 1 |> AGGREGATE count(*) AS n GROUP BY b", uint8(3))
	dialects := sqllens.Dialects()
	f.Fuzz(func(t *testing.T, sql string, pick uint8) {
		if len(sql) > 4096 {
			return
		}
		d := dialects[int(pick)%len(dialects)]
		for _, optional := range []bool{true, false} {
			tree := sqllens.Parse(sql, d, optional)
			sqllens.Resolve(tree, shop(d), nil)
			for _, tag := range tree.Tags {
				if tag.Span.Start < 0 || tag.Span.End > len(sql) || tag.Span.Start >= tag.Span.End {
					t.Fatalf("span %v of a tag lies outside %d bytes", tag.Span, len(sql))
				}
			}
		}
	})
}
