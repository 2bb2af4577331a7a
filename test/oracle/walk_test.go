package oracle_test

import (
	"strings"
	"testing"

	"github.com/metalens/metalens/test/oracle"
)

// TestTables looks at what the walks over the foreign trees call a table, so
// that agreement means something.
func TestTables(t *testing.T) {
	common := []struct{ sql, want string }{
		{"SELECT a FROM t JOIN s.u ON t.x = u.x", "s.u t"},
		{"WITH c AS (SELECT 1 AS a FROM t) SELECT a FROM c", "t"},
		{"WITH c AS (SELECT a FROM t), d AS (SELECT a FROM c) SELECT a FROM d, s.c", "s.c t"},
		{"SELECT a FROM (SELECT a FROM t UNION ALL SELECT a FROM u) x WHERE EXISTS (SELECT 1 FROM v)", "t u v"},
		{"INSERT INTO t (a) SELECT a FROM u", "t u"},
		{"DELETE FROM t WHERE a IN (SELECT a FROM u)", "t u"},
		{"CREATE VIEW v AS SELECT a FROM t", "t v"},
	}
	own := map[string][]struct{ sql, want string }{
		"postgres": {
			{"SELECT a FROM t FOR UPDATE OF t", "t"},
			{"WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c) SELECT n FROM c", ""},
			{"SELECT x FROM t AS c, c.list AS x, f(1)", "t"},
			{"ALTER TABLE t ADD a int", ""},
			{"MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", "t u"},
		},
		"mysql": {
			{"DELETE x FROM t x JOIN u ON x.a = u.a", "t u"},
			{"SET @a = (SELECT max(a) FROM t)", "t"},
			{"SELECT 1 FROM DUAL", ""},
		},
		"sqlite":   {{"SELECT a FROM json_each('[]'), t", "t"}, {"UPDATE t SET a = (SELECT b FROM u)", "t u"}},
		"duckdb":   {{"FROM t SELECT a", "t"}, {"SELECT * FROM 'x.csv'", ""}, {"PIVOT t ON a USING sum(b)", "t"}},
		"bigquery": {{"SELECT x FROM p.d.t AS t, t.list AS x", "p.d.t"}, {"SELECT x FROM d.t, UNNEST([1]) AS x", "d.t"}, {"SELECT a FROM `p-1.d.t`", "p-1.d.t"}},
		"clickhouse": {
			{"SELECT a FROM t ARRAY JOIN list", "t"},
			{"WITH (SELECT 1) AS one SELECT a + one FROM t", "t"},
			{"SELECT * FROM numbers(3), db.t", "db.t"},
		},
		"tsql": {
			{"UPDATE x SET a = 1 FROM t x", "t"},
			{"IF EXISTS (SELECT 1 FROM t) SELECT a FROM u", "t u"},
			{"SELECT a FROM @v; SELECT a INTO #n FROM srv.db.dbo.t", "#n db.dbo.t"},
		},
	}
	for _, g := range oracle.Grammars() {
		cases := common
		if g.Dialect == "clickhouse" { // its DELETE has no alias, the rest is the same
			cases = common[:5]
		}
		for _, c := range append(cases[:len(cases):len(cases)], own[g.Dialect]...) {
			v := g.Read(c.sql)
			if !v.Accepted {
				t.Errorf("%s refuses %s: %s", g.Dialect, c.sql, v.Error)
			}
			if got := strings.Join(v.Tables, " "); got != c.want {
				t.Errorf("%s: %s has the tables %q, want %q", g.Dialect, c.sql, got, c.want)
			}
		}
	}
}

// TestFill checks how templates are filled before a grammar sees them.
func TestFill(t *testing.T) {
	for _, c := range []struct{ sql, kept, left string }{
		{"SELECT 1", "SELECT 1", "SELECT 1"},
		{"SELECT a FROM t WHERE {{f}}", "SELECT a FROM t WHERE 1 = 1", ""},
		{"SELECT a FROM t WHERE a = {{v}}", "SELECT a FROM t WHERE a = 1", ""},
		{"SELECT a FROM t WHERE a = '{{v}}'", "SELECT a FROM t WHERE a = 'x'", ""},
		{"SELECT a FROM t WHERE true [[AND {{f}}]]", "SELECT a FROM t WHERE true  AND 1 = 1 ", "SELECT a FROM t WHERE true  "},
		{"SELECT a FROM {{#12-x}} AS c", "SELECT a FROM (SELECT 1 AS a) AS c", ""},
		{"SELECT a FROM sales_{{year}}", "SELECT a FROM sales_x", ""},
		{"SELECT a -- {{c}} [[x]]\nFROM t", "SELECT a \nFROM t", ""},
		{"SELECT '[[', b[1] FROM t WHERE {{f}} AND x", "SELECT '[[', b[1] FROM t WHERE 1 = 1 AND x", ""},
	} {
		if got := oracle.Fill(c.sql, true); got != c.kept {
			t.Errorf("%s with its blocks is %q, want %q", c.sql, got, c.kept)
		}
		if got := oracle.Fill(c.sql, false); c.left != "" && got != c.left {
			t.Errorf("%s without its blocks is %q, want %q", c.sql, got, c.left)
		}
	}
}
