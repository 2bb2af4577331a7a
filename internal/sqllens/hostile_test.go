package sqllens_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/sqllens"
)

// hostile are texts that make careless parsers recurse or repeat, n times over.
var hostile = map[string]func(n int) string{
	"parentheses":       func(n int) string { return "SELECT " + deep("(", n) + "1" + deep(")", n) },
	"open parentheses":  func(n int) string { return "SELECT " + deep("(", 2*n) },
	"subqueries":        func(n int) string { return deep("SELECT * FROM (", n/8) + "SELECT 1" + deep(")", n/8) },
	"scalar subqueries": func(n int) string { return deep("SELECT (", n/8) + "SELECT 1" + deep(")", n/8) },
	"struct subqueries": func(n int) string { return deep("SELECT STRUCT((", n/8) + "SELECT 1" + deep("))", n/8) },
	"structs":           func(n int) string { return "SELECT " + deep("STRUCT(", n/8) + "a" + deep(")", n/8) + " FROM t" },
	"struct stars":      func(n int) string { return "SELECT " + deep("IF(a,", n/8) + "t" + deep(", t)", n/8) + ".* FROM t" },
	"case":              func(n int) string { return "SELECT " + deep("CASE WHEN ", n/8) },
	"not":               func(n int) string { return "SELECT " + deep("NOT ", n/2) + "1" },
	"minus":             func(n int) string { return "SELECT " + deep("- ", n/2) + "1" },
	"and":               func(n int) string { return "SELECT 1 FROM t WHERE a" + deep(" AND a", n/4) },
	"different and":     func(n int) string { return "SELECT 1 FROM t WHERE a" + deep(" AND a = 1", n/8) },
	"plus":              func(n int) string { return "SELECT a" + deep(" + a", n/4) + " FROM t" },
	"union":             func(n int) string { return "SELECT 1" + deep(" UNION ALL SELECT 1", n/16) },
	"union of tables":   func(n int) string { return "SELECT a FROM t" + deep(" UNION ALL SELECT a FROM u", n/16) },
	"joins":             func(n int) string { return "SELECT * FROM t" + deep(" JOIN t ON true", n/16) },
	"joins without on":  func(n int) string { return "SELECT * FROM t" + deep(" JOIN t", n/8) },
	"using":             func(n int) string { return "SELECT * FROM t" + deep(" JOIN t USING (id)", n/16) },
	"known tables":      func(n int) string { return "SELECT * FROM orders" + deep(", orders", n/8) },
	"known using":       func(n int) string { return "SELECT * FROM orders" + deep(" JOIN orders USING (id)", n/16) },
	"columns of tables": func(n int) string {
		return "SELECT 1 FROM t WHERE " + deep("x.a = 1 OR ", n/16) + "1" + deep(", t", n/8)
	},
	"aliases":           func(n int) string { return "SELECT a AS b" + deep(", b AS b", n/8) + " FROM t" },
	"commas":            func(n int) string { return "SELECT 1" + deep(",", 2*n) },
	"stars":             func(n int) string { return "SELECT *" + deep(",*", n/2) + " FROM orders" },
	"brackets":          func(n int) string { return "SELECT a" + deep("[", n) },
	"optional blocks":   func(n int) string { return "SELECT 1 WHERE " + deep("[[", n/2) + "{{x}}" + deep("]]", n/2) },
	"optional openings": func(n int) string { return "SELECT 1 WHERE " + deep("[[ {{x}} ", n/8) },
	"many blocks":       func(n int) string { return "SELECT 1 FROM t WHERE true" + deep(" [[AND a = {{x}}]]", n/16) },
	"tags":              func(n int) string { return "SELECT 1 FROM t WHERE true" + deep(" AND {{x}}", n/8) },
	"different tags":    func(n int) string { return "SELECT 1 " + numbered("{{x", "}} ", n/16) },
	"open tags":         func(n int) string { return "SELECT " + deep("{{", n) },
	"jinja":             func(n int) string { return "SELECT " + deep("{%", n) },
	"jinja comments":    func(n int) string { return "SELECT " + deep("{#", n) },
	"placeholders":      func(n int) string { return "SELECT " + deep("<%", n) },
	"sede placeholders": func(n int) string { return "SELECT " + deep("##a", n) },
	"comments":          func(n int) string { return "SELECT " + deep("/*", n) },
	"dollar quotes":     func(n int) string { return "SELECT " + deep("$a$ $b$ ", n/8) },
	"different dollars": func(n int) string { return "SELECT " + numbered("$a", "$ ", n/16) },
	"replace":           func(int) string { return "SELECT * REPLACE(a" },
	"with":              func(n int) string { return deep("WITH a AS (", n/8) },
	"tables of with": func(n int) string {
		return "WITH " + numbered("c", " AS (SELECT 1 AS a), ", n/32) + "z AS (SELECT 1) SELECT * FROM z"
	},
	"chain of with": func(n int) string {
		return "WITH a AS (SELECT * FROM orders)" + deep(", a AS (SELECT * FROM a)", n/32) + " SELECT * FROM a"
	},
	"growing with": func(n int) string {
		return "WITH a AS (SELECT * FROM orders)" + deep(", a AS (SELECT * FROM a, a AS b)", n/32) + " SELECT * FROM a"
	},
	"strings":       func(n int) string { return "SELECT " + deep("'", n+1) },
	"dots":          func(n int) string { return "SELECT a" + deep(".", n) },
	"path":          func(n int) string { return "SELECT a" + deep(".a", n/2) + " FROM t" },
	"between":       func(n int) string { return "SELECT 1 WHERE a " + deep("BETWEEN 1 AND ", n/16) },
	"semicolons":    func(n int) string { return deep("SELECT a FROM t;", n/16) },
	"create tables": func(n int) string { return numbered("CREATE TABLE t", " AS SELECT 1 AS a;", n/32) },
	"in":            func(n int) string { return "SELECT 1 FROM t WHERE a IN (1" + deep(",1", n/2) + ")" },
	"values":        func(n int) string { return "SELECT * FROM (VALUES (1)" + deep(",(1)", n/4) + ") x" },
	"crosstab":      func(n int) string { return "SELECT * FROM " + deep("crosstab($$SELECT a FROM t$$), ", n/32) + "t" },
	"windows": func(n int) string {
		return "SELECT 1 FROM t WINDOW " + numbered("w", " AS (PARTITION BY a), ", n/32) + "z AS (z)"
	},
	"pipes":      func(n int) string { return "FROM orders" + deep(" |> EXTEND 1 AS a", n/16) },
	"lambdas":    func(n int) string { return "SELECT f(" + deep("x -> ", n/4) + "1)" },
	"types":      func(n int) string { return "SELECT CAST(a AS " + deep("ARRAY<", n/8) },
	"dashes":     func(n int) string { return "SELECT * FROM a" + deep("-a", n/2) },
	"group by":   func(n int) string { return "SELECT 1 FROM t GROUP BY a" + deep(", a", n/4) },
	"order by":   func(n int) string { return "SELECT a AS b FROM t ORDER BY b" + deep(", b", n/4) },
	"json":       func(n int) string { return `[{"$match": {"a": 1}}` + deep(`,{"a":1}`, n/8) + "]" },
	"binary":     func(n int) string { return "SELECT " + deep("\x00\xff\xfe\x80 ", n/5) + "FROM t" },
	"procedural": func(n int) string { return deep("BEGIN IF a THEN ", n/16) },
	"empty":      func(int) string { return "" },
	"blocks":     func(n int) string { return deep("BEGIN ", n/8) },
	"conditions": func(n int) string { return deep("IF (SELECT 1) THEN ", n/16) + deep("END IF; ", n/16) },
	"loops":      func(n int) string { return deep("WHILE a DO ", n/16) },
	"labels":     func(n int) string { return deep("a: ", n/4) },
	"declare": func(n int) string {
		return "DECLARE @a int = (SELECT a FROM t)" + deep(", @a int = (SELECT a FROM t)", n/32)
	},
	"pivot":      func(n int) string { return "FROM " + deep("(PIVOT ", n/8) + "t ON a" + deep(")", n/8) },
	"unpivot on": func(n int) string { return "UNPIVOT t ON a" + deep(", a", n/4) },
	"explain":    func(n int) string { return "SELECT * FROM " + deep("(EXPLAIN ", n/16) + "SELECT 1" + deep(")", n/16) },
	"settings":   func(n int) string { return "EXPLAIN a = 1" + deep(", a = 1", n/8) + " SELECT 1" },
	"with values": func(n int) string {
		return "SELECT " + deep("WITH(a AS ", n/16) + "1" + deep(", a)", n/16)
	},
	"functions":    func(n int) string { return deep("WITH FUNCTION f() RETURNS int RETURN 1 ", n/32) + "SELECT 1" },
	"alter view":   func(n int) string { return deep("ALTER VIEW v ", n/16) },
	"sign soup":    func(n int) string { return "SELECT a " + deep("<->%#@!~", n/8) + " b" },
	"loose signs":  func(n int) string { return "SELECT a" + deep(" <#> a", n/8) },
	"hints":        func(n int) string { return "SELECT * FROM t " + deep("@{a=1} ", n/8) },
	"type strings": func(n int) string { return "SELECT " + deep("int 'a' ", n/8) },
	"output":       func(n int) string { return "DELETE t " + deep("OUTPUT deleted.a INTO u ", n/32) },
	"aliased joins": func(n int) string {
		return "SELECT * FROM " + deep("(", n/16) + "t" + deep(" JOIN t USING (a)) AS x", n/16)
	},
	"cells":       func(n int) string { return deep("SELECT 1\n-- COMMAND ----------\n", n/32) },
	"ternary":     func(n int) string { return "SELECT " + deep("a ? b : ", n/8) + "c" },
	"tuple parts": func(n int) string { return "SELECT a" + deep(".1", n/2) },
	"grants":      func(n int) string { return deep("GRANT SELECT ON t TO u ", n/32) },
}

func deep(s string, n int) string { return strings.Repeat(s, n) }

func numbered(before, after string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(before)
		for k := i; k > 0; k /= 26 {
			b.WriteByte(byte('a' + k%26))
		}
		b.WriteString(after)
	}
	return b.String()
}

// cpu is the time that the process worked so far; the clock on the wall would
// measure the machine's other work.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestHostileTextIsLinear inspects and canonicalizes hostile texts of a size
// and of eight times that: the time must grow about as much, not 64-fold.
func TestHostileTextIsLinear(t *testing.T) {
	small, big := 2_000, 16_000
	if testing.Short() {
		small, big = 1_000, 8_000
	}
	work := func(text string, d sqllens.Dialect) time.Duration {
		in := sqllens.InspectRequest{Dialect: string(d), SQL: text, Schema: &sqllens.InspectSchema{Tables: []sqllens.InspectTable{
			{Name: "orders", Columns: []sqllens.InspectColumn{{Name: "id"}, {Name: "total"}, {Name: "status"}}},
		}}}
		begin := cpu(t)
		sqllens.Inspect(in)
		sqllens.Canonicalize(text, d)
		return cpu(t) - begin
	}
	only := os.Getenv("METALENS_HOSTILE") // one pattern
	for name, text := range hostile {
		if only != "" && only != name {
			continue
		}
		for _, d := range []sqllens.Dialect{sqllens.Postgres, sqllens.TSQL, sqllens.BigQuery, sqllens.ClickHouse, sqllens.DuckDB, sqllens.Trino} {
			a, b := work(text(small), d), work(text(big), d)
			for range 6 { // the shortest time is the one without the machine's pauses
				if !tooSlow(a, b) {
					break
				}
				a, b = min(a, work(text(small), d)), min(b, work(text(big), d))
			}
			if tooSlow(a, b) {
				t.Errorf("%s in %s: %v for %d, %v for %d", name, d, a, small, b, big)
			}
		}
	}
}

// tooSlow says whether eight times the text took much more than eight times the
// time. Linear work takes 8 times, quadratic work 64 times as long; the garbage
// collector and the race detector lie between.
func tooSlow(small, big time.Duration) bool {
	return big > 32*max(small, 2*time.Millisecond)
}

func FuzzCanonicalize(f *testing.F) {
	f.Add("SELECT a, b FROM t JOIN u USING (id) WHERE {{x}} [[AND c = {{y}}]]", uint8(0))
	f.Add("SELECT ((a)) FROM (SELECT 1 AS a UNION ALL SELECT 2) x WHERE a IN (2, 1) AND NOT b IS NULL", uint8(1))
	f.Add("WITH c AS (SELECT 1 AS n) SELECT n::int, cast(n AS text) FROM c GROUP BY 1, 2 ORDER BY n DESC", uint8(2))
	dialects := sqllens.Dialects()
	f.Fuzz(func(t *testing.T, sql string, pick uint8) {
		if len(sql) > 4096 {
			return
		}
		d := dialects[int(pick)%len(dialects)]
		a, b := sqllens.Canonicalize(sql, d), sqllens.Canonicalize(sql, d)
		if a.Text != b.Text || a.Fingerprints != b.Fingerprints {
			t.Fatalf("two answers for one text:\n%s\n%s", a.Text, b.Text)
		}
		if sqllens.Recovered(sql, d) && a.Fingerprints.Equivalent != a.Fingerprints.Exact {
			t.Fatal("text that was not understood is compared by meaning")
		}
	})
}

func FuzzInspect(f *testing.F) {
	f.Add("SELECT *, s.* FROM (SELECT STRUCT(a AS b) AS s FROM orders) NATURAL JOIN orders o", uint8(3))
	f.Add("SELECT * REPLACE (id + 1 AS id) FROM orders JOIN orders b USING (id) GROUP BY 1 ORDER BY 2", uint8(7))
	f.Add("FROM orders |> EXTEND 1 AS a |> JOIN orders USING (id) |> PIVOT (sum(a) FOR b IN (1))", uint8(3))
	for pick, sql := range []string{ // one for each dialect, in their order
		"SELECT a <<->> b, int4 '1', x COLLATE \"C\" FROM (orders o JOIN t USING (id)) AS j WHERE a IS NFC NORMALIZED [[AND {{f}}]]",
		"REPLACE INTO t VALUE (1), (2); DELETE t.* FROM t JOIN orders USING (id); SELECT a SOUNDS LIKE b INTO OUTFILE 'f' LINES STARTING BY 'x'",
		"SET @a = (SELECT id FROM orders); DELETE HISTORY FROM t BEFORE SYSTEM_TIME '2020-01-01'",
		"BEGIN IF EXISTS(SELECT 1 FROM orders) THEN SELECT WITH(a AS 1, a + id) FROM t @{h=1}; END IF; END; EXPORT DATA OPTIONS(x=1) AS SELECT 1",
		"SELECT filter(a, (i INT, j VARIANT) -> i > 1), IDENTIFIER('f')(1) FROM @~/a/b.csv; INSERT ALL INTO t VALUES (a) SELECT id AS a FROM orders",
		"SELECT *, a AS b EXCLUDE (id) FROM orders o, o.list AS v AT i, UNPIVOT o.obj AS x AT y",
		"SELECT a.:Int64, t.1.2, x ? y ? 1 : 2 : 3 FROM (EXPLAIN indexes = 1 SELECT * FROM orders) PASTE JOIN t ARRAY JOIN u LIMIT 1 OFFSET 2 BY id",
		"WITH p AS (PIVOT orders ON a IN (1, 2) USING sum(id) AS s GROUP BY a,) FROM x: p SELECT 5!, *COLUMNS('a') LIMIT 10%",
		"DECLARE @a int = (SELECT 1); IF EXISTS (SELECT id FROM orders) SELECT * FROM @t ELSE DELETE t OUTPUT deleted.a INTO u; label: OPEN c",
		"WITH FUNCTION f(x int) RETURNS int BEGIN IF x > 1 THEN RETURN 1; END IF; RETURN 2; END SELECT f(id) FROM orders, (VALUES 1, 2) v(a)",
		"SELECT json_query(a FORMAT JSON ENCODING UTF8, 'lax $') FROM orders",
		"SELECT TRANSFORM(id) USING 'cat' AS (a INT) FROM ${db}.orders@v1\n-- COMMAND ----------\nVALUES (1) AS t(a)",
		"MERGE INTO t USING orders ON a = b WHEN MATCHED THEN UPDATE SET * EXCEPT (c); SELECT a?::INT",
		"SELECT (a - b) DAY(9) TO SECOND BULK COLLECT INTO x FROM orders WHERE 1 < = 2 LOG ERRORS INTO e",
		"SELECT 'a'.'b' FROM 'orders' AS 'a'; UPDATE OR FAIL t SET a = 1 /* open",
		"VALUES (1), (2); WITH a (SELECT 1) SELECT * FROM a, {{#12-x}} WHERE [[{{x}} AND]] true",
	} {
		f.Add(sql, uint8(pick))
	}
	dialects := sqllens.Dialects()
	schema := &sqllens.InspectSchema{Tables: []sqllens.InspectTable{{Name: "orders", Columns: []sqllens.InspectColumn{{Name: "id"}, {Name: "a"}}}}}
	f.Fuzz(func(t *testing.T, sql string, pick uint8) {
		if len(sql) > 4096 {
			return
		}
		d := dialects[int(pick)%len(dialects)]
		begin := cpu(t)
		defer func() {
			if used := cpu(t) - begin; used > 2*time.Second {
				t.Fatalf("%v for %d bytes", used, len(sql))
			}
		}()
		a := sqllens.Inspect(sqllens.InspectRequest{Dialect: string(d), SQL: sql, Schema: schema})
		inside := func(s [2]int) {
			if s[0] < 0 || s[1] > len(sql) || s[0] > s[1] {
				t.Fatalf("span %v outside of %d bytes", s, len(sql))
			}
		}
		for _, st := range a.Statements {
			inside(st.Span)
			for _, x := range st.Tables {
				inside(x.Span)
			}
			for _, x := range st.Columns {
				inside(x.Span)
			}
		}
	})
}
