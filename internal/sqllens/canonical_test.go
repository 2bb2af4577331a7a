package sqllens_test

import (
	"os"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/sqllens"
)

func TestCanonicalEquivalence(t *testing.T) {
	const p, m, b = sqllens.Postgres, sqllens.MySQL, sqllens.BigQuery
	cases := []struct {
		name    string
		dialect sqllens.Dialect
		a, b    string
		want    string // exact, equivalent, shape, different
	}{
		{"white space and comments", p, "SELECT a FROM t -- x\n", "select a /* y */ from t", "equivalent"},
		{"only white space and comments", p, "SELECT a FROM t -- x\n", "SELECT  a /* y */ FROM t", "exact"},
		{"case of names", p, "select A from T", "SELECT a FROM t", "equivalent"},
		{"quoted names keep their case", p, `select "A" from t`, "select a from t", "different"},
		{"quotes that say nothing", p, `select "a" from t`, "select a from t", "equivalent"},
		{"table aliases", p, "select o.a, u.b from orders o join users u on u.id = o.user_id", "select x.a, y.b from orders as x inner join users as y on x.user_id = y.id", "equivalent"},
		{"aliases swapped between tables", p, "select a.x from t a join u b on a.id = b.id", "select a.x from u a join t b on a.id = b.id", "different"},
		{"table name as qualifier", p, "select orders.a from orders, users where users.id = orders.id", "select o.a from orders o cross join users u where o.id = u.id", "equivalent"},
		{"qualifier of the only table", p, "select o.a from orders o where o.b = 1", "select a from orders where b = 1", "equivalent"},
		{"qualifier that an alias would hide", p, "select b as a from t where t.a = 1 order by t.a", "select b as a from t order by a", "different"},
		{"common table expression names", p, "with x as (select a from t) select a from x", "with y as (select a from t) select a from y", "equivalent"},
		{"order of conditions", p, "select a from t where a = 1 and b = 2 and (c = 3 or d = 4)", "select a from t where (d = 4 or c = 3) and b = 2 and 1 = a", "equivalent"},
		{"nested conditions", p, "select a from t where a = 1 and (b = 2 and c = 3)", "select a from t where (a = 1 and b = 2) and c = 3", "equivalent"},
		{"and is not or", p, "select a from t where a = 1 and b = 2", "select a from t where a = 1 or b = 2", "different"},
		{"binding of and and or", p, "select a from t where (a = 1 or b = 2) and c = 3", "select a from t where a = 1 or b = 2 and c = 3", "different"},
		{"turned comparison", p, "select a from t where a > b", "select a from t where b < a", "equivalent"},
		{"strict comparison", p, "select a from t where a > b", "select a from t where a >= b", "different"},
		{"subtraction", p, "select a - b from t", "select b - a from t", "different"},
		{"addition", p, "select a + b from t", "select b + a from t", "equivalent"},
		{"joined text of SQL Server", sqllens.TSQL, "select a + b from t", "select b + a from t", "different"},
		{"lists of IN", p, "select a from t where a in (3, 1, 2)", "select a from t where a in (1, 2, 3)", "equivalent"},
		{"in and not in", p, "select a from t where a in (1)", "select a from t where a not in (1)", "different"},
		{"not in", p, "select a from t where a not in (1, 2)", "select a from t where not (a in (2, 1))", "equivalent"},
		{"is not null", p, "select a from t where a is not null", "select a from t where not a is null", "equivalent"},
		{"not between", p, "select a from t where a not between 1 and 2", "select a from t where not (a between 1 and 2)", "equivalent"},
		{"unequal", p, "select a from t where a != 1", "select a from t where a <> 1", "equivalent"},
		{"any and all", p, "select a from t where a = any (select b from u)", "select a from t where a = all (select b from u)", "different"},
		{"redundant parentheses", p, "select ((a)) from t where ((a = 1))", "select a from t where a = 1", "equivalent"},
		{"needed parentheses", p, "select (a + b) * c from t", "select a + b * c from t", "different"},
		{"casts", p, "select a::int from t", "select cast(a as INT) from t", "equivalent"},
		{"group by order", p, "select a, b from t group by a, b", "select a, b from t group by b, a", "equivalent"},
		{"rollup order", p, "select a, b from t group by rollup (a, b)", "select a, b from t group by rollup (b, a)", "different"},
		{"order by order", p, "select a, b from t order by a, b", "select a, b from t order by b, a", "different"},
		{"ascending is the default", p, "select a from t order by a asc", "select a from t order by a", "equivalent"},
		{"descending", p, "select a from t order by a desc", "select a from t order by a", "different"},
		{"join kinds", p, "select 1 from a left join b on a.i = b.i", "select 1 from a join b on a.i = b.i", "different"},
		{"outer is noise", p, "select 1 from a left outer join b on a.i = b.i", "select 1 from a left join b on a.i = b.i", "equivalent"},
		{"join order of outer joins", p, "select 1 from a left join b on a.i = b.i", "select 1 from b left join a on a.i = b.i", "different"},
		{"grouping of joins", p, "select 1 from a left join (b join c on b.i = c.i) on a.i = b.i", "select 1 from a left join b on a.i = b.i join c on b.i = c.i", "different"},
		{"union all", p, "select a from t union all select a from u", "select a from t union select a from u", "different"},
		{"literals", p, "select a from t where a = 1", "select a from t where a = 2", "shape"},
		{"spelling of literals", p, "select a from t where a = .5 and b = TRUE", "select a from t where b = true and a = 0.5", "equivalent"},
		{"quotes of MySQL", m, `select a from t where a = "x"`, "select a from t where a = 'x'", "equivalent"},
		{"text is no name", p, `select "x" from t`, "select 'x' from t", "different"},
		{"card reference slugs", p, "select a from {{#12-orders}} o", "select a from {{#12}} o", "equivalent"},
		{"another card", p, "select a from {{#12-orders}} o", "select a from {{#13-orders}} o", "different"},
		{"tag names", p, "select a from t where b = {{ x }}", "select a from t where b = {{x}}", "equivalent"},
		{"optional is not required", p, "select a from t where true [[and b = {{x}}]]", "select a from t where true and b = {{x}}", "different"},
		{"one block is not two", p, "select a from t where true [[and b = {{x}} and c = {{y}}]]", "select a from t where true [[and b = {{x}}]] [[and c = {{y}}]]", "different"},
		{"order of blocks", p, "select a from t where true [[and b = {{x}}]] [[and c = {{y}}]]", "select a from t where true [[and c = {{y}}]] [[and b = {{x}}]]", "equivalent"},
		{"output names", p, "select a as x from t", "select a as y from t", "different"},
		{"an alias that says nothing", p, "select a as a from t", "select a from t", "equivalent"},
		{"correlation", p, "select (select max(x) from u where u.i = t.i) from t", "select (select max(x) from u where u.i = u.i) from t", "different"},
		{"columns", p, "select a from t", "select b from t", "different"},
		{"tables", p, "select a from t", "select a from u", "different"},
		{"distinct", p, "select distinct a from t", "select a from t", "different"},
		{"limits", p, "select a from t limit 5", "select a from t limit 6", "shape"},
		{"window frames", p, "select sum(a) over (order by b rows 1 preceding) from t", "select sum(a) over (order by b range 1 preceding) from t", "different"},
		{"filter of an aggregate", p, "select count(*) filter (where a = 1) from t", "select count(*) from t", "different"},
		{"struct order", b, "select struct(a, b) from t", "select struct(b, a) from t", "different"},
		{"broken text is compared word by word", p, "select a from t where a = and b", "select a from t where b = and a", "different"},
		{"broken text still has its case", p, "select a from where (", "SELECT a from where (", "different"},
		{"recursive names", p, "with recursive r as (select 1 as n union all select n + 1 from r) select n from r", "with recursive q as (select 1 as n union all select n + 1 from q) select n from q", "equivalent"},
		{"a name shadowed by its own definition", p, "with t as (select a from t) select a from t", "with u as (select a from t) select a from u", "equivalent"},
		{"updates", p, "update t set a = 1 where b = 2 and c = 3", "UPDATE t SET a = 1 WHERE c = 3 AND b = 2", "equivalent"},
		{"update values", p, "update t set a = b", "update t set b = a", "different"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x, y := sqllens.Canonicalize(c.a, c.dialect), sqllens.Canonicalize(c.b, c.dialect)
			got := "different"
			switch {
			case x.Fingerprints.Exact == y.Fingerprints.Exact:
				got = "exact"
			case x.Fingerprints.Equivalent == y.Fingerprints.Equivalent:
				got = "equivalent"
			case x.Fingerprints.Shape == y.Fingerprints.Shape:
				got = "shape"
			}
			if got != c.want {
				t.Errorf("%s, want %s\n a: %s\n b: %s", got, c.want, x.Text, y.Text)
			}
		})
	}
}

// TestCanonicalPairs reads testdata/canonical.tsv: pairs of texts of which one
// detail differs.
func TestCanonicalPairs(t *testing.T) {
	data, err := os.ReadFile("testdata/canonical.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		d, ok := sqllens.ParseDialect(row[1])
		if len(row) != 4 || !ok {
			t.Fatalf("no case: %q", line)
		}
		a, b := sqllens.Canonicalize(row[2], d), sqllens.Canonicalize(row[3], d)
		same := a.Fingerprints.Equivalent == b.Fingerprints.Equivalent
		if want := row[0] == "equivalent"; same != want {
			t.Errorf("%s: %q and %q: same %v, want %v\n a: %s\n b: %s", d, row[2], row[3], same, want, a.Text, b.Text)
		}
	}
}
