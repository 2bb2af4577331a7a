package mask_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/sqllens"
)

// secretColumns calls the columns secret_… sensitive.
func secretColumns(c mask.Column) mask.Verdict {
	return mask.Verdict{Sensitive: strings.HasPrefix(strings.ToLower(c.Name), "secret_")}
}

// author writes random queries into which canaries are planted: in literals of
// every kind, in comments, and as the names of sensitive columns and of what
// derives from them.
type author struct {
	t        *rapid.T
	d        sqllens.Dialect
	canaries []string
	n        int
}

func (a *author) canary() string {
	a.n++
	c := fmt.Sprintf("kanari%04dx", a.n)
	a.canaries = append(a.canaries, c)
	return c
}

func (a *author) number() string {
	a.n++
	c := fmt.Sprintf("%d", 860_000+a.n)
	a.canaries = append(a.canaries, c)
	return c
}

func (a *author) pick(list ...func() string) string {
	return list[rapid.IntRange(0, len(list)-1).Draw(a.t, "pick")]()
}

func (a *author) quoted(name string) string {
	switch a.d {
	case sqllens.MySQL, sqllens.MariaDB, sqllens.BigQuery, sqllens.Spark, sqllens.Databricks:
		return "`" + name + "`"
	case sqllens.TSQL:
		return "[" + name + "]"
	default:
		return `"` + name + `"`
	}
}

func (a *author) secret() string {
	name := "secret_" + a.canary()
	if rapid.Bool().Draw(a.t, "quoted") {
		return a.quoted(name)
	}
	if rapid.Bool().Draw(a.t, "upper") {
		return strings.ToUpper(name)
	}
	return name
}

func (a *author) literal() string {
	list := []func() string{
		func() string { return "'" + a.canary() + "'" },
		func() string { return "'" + a.canary() + " it''s " + a.canary() + "'" },
		func() string { return "'ü " + a.canary() + "\t%_'" },
		a.number,
		func() string { return a.number() + ".25" },
		func() string { return "DATE '2024-01-" + a.canary() + "'" },
		func() string { return `'{"k": "` + a.canary() + `"}'` },
		func() string { return "'" + a.canary() + "@example.com'" },
	}
	switch a.d {
	case sqllens.Postgres, sqllens.Redshift:
		list = append(list,
			func() string { return "E'" + a.canary() + `\n'` },
			func() string { return "$q$" + a.canary() + "$q$" },
			func() string { tag := a.canary(); return "$" + tag + "$" + a.canary() + "$" + tag + "$" },
			func() string { return "ARRAY['" + a.canary() + "', '" + a.canary() + "']" },
			func() string { return "'" + a.canary() + "'::text" })
	case sqllens.MySQL, sqllens.BigQuery, sqllens.Spark:
		list = append(list, func() string { return `"` + a.canary() + `"` }, func() string { return `'\'` + a.canary() + `'` })
	case sqllens.TSQL:
		list = append(list, func() string { return "N'" + a.canary() + "'" })
	}
	return a.pick(list...)
}

func (a *author) comment() string {
	return a.pick(
		func() string { return "" }, func() string { return "" },
		func() string { return " /* " + a.canary() + " */ " },
		func() string { return " -- " + a.canary() + "\n" },
		func() string { return "/*+ " + a.canary() + " */" },
	)
}

func (a *author) value(depth int) string {
	if depth > 2 {
		return a.literal()
	}
	return a.pick(
		a.literal,
		func() string { return "u." + a.secret() },
		func() string { return "u.plain" },
		func() string { return "lower(" + a.value(depth+1) + ")" },
		func() string { return "coalesce(" + a.value(depth+1) + ", " + a.value(depth+1) + ")" },
		func() string {
			return "CASE WHEN " + a.condition(depth+1) + " THEN " + a.value(depth+1) + " ELSE " + a.value(depth+1) + " END"
		},
		func() string { return "(SELECT max(" + a.value(depth+1) + ") FROM users u)" },
	)
}

func (a *author) condition(depth int) string {
	if depth > 3 {
		return "u.plain = " + a.literal()
	}
	return a.pick(
		func() string { return a.value(depth+1) + " = " + a.comment() + a.literal() },
		func() string { return a.value(depth+1) + " IN (" + a.literal() + ", " + a.literal() + ")" },
		func() string { return "u.plain LIKE '%" + a.canary() + "_" + a.canary() + "%'" },
		func() string { return "u.n BETWEEN " + a.number() + " AND " + a.number() },
		func() string { return a.condition(depth+1) + " AND " + a.condition(depth+1) },
		func() string { return "u.plain = {{tag}}" },
		func() string { return "NOT EXISTS (SELECT 1 FROM users u WHERE " + a.condition(depth+1) + ")" },
	)
}

func (a *author) query() string {
	alias := a.canary()
	var b strings.Builder
	if rapid.Bool().Draw(a.t, "cte") {
		inner := a.canary()
		secret := a.secret()
		fmt.Fprintf(&b, "WITH c AS (SELECT u.%s AS %s, u.plain FROM users u WHERE %s)%s", secret, inner, a.condition(0), a.comment())
		fmt.Fprintf(&b, "SELECT x.%s AS %s, x.plain FROM c x ORDER BY %s", inner, alias, alias)
		return b.String()
	}
	fmt.Fprintf(&b, "SELECT %s u.%s AS %s, %s AS %s", a.comment(), a.secret(), alias, a.value(0), "plainly")
	fmt.Fprintf(&b, " FROM users u %s WHERE %s", a.comment(), a.condition(0))
	if rapid.Bool().Draw(a.t, "group") {
		fmt.Fprintf(&b, " GROUP BY 1, 2 ORDER BY 1, %s", alias)
	}
	if a.d != sqllens.TSQL && a.d != sqllens.Oracle && rapid.Bool().Draw(a.t, "limit") {
		b.WriteString(" LIMIT 10")
	}
	return b.String() + a.comment()
}

// TestMaskedSQLHoldsNoCanary writes random queries in every dialect: the masked
// text parses, comes back byte for byte, and holds nothing that was planted.
func TestMaskedSQLHoldsNoCanary(t *testing.T) {
	queries, canaries := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(sqllens.Dialects()).Draw(t, "dialect")
		a := &author{t: t, d: d}
		sql := a.query()
		strict := rapid.Bool().Draw(t, "strict")
		m := mask.NewMap()
		out := mask.SQL(mask.SQLInput{Dialect: d, SQL: sql, Sensitive: secretColumns, Names: strict}, m)
		if got := m.Unmask(out.Masked); got != sql {
			t.Fatalf("%s: comes back as\n%s\nfrom\n%s", d, got, out.Masked)
		}
		lower := strings.ToLower(out.Masked)
		for _, c := range a.canaries {
			if strings.Contains(lower, c) {
				t.Fatalf("%s strict=%v: %s is left in\n%s\nof\n%s", d, strict, c, out.Masked, sql)
			}
		}
		if parses(sql, d) && (!parses(out.Masked, d) || out.Fallback) {
			t.Fatalf("%s: does not parse:\n%s\nof\n%s", d, out.Masked, sql)
		}
		queries++
		canaries += len(a.canaries)
	})
	t.Logf("%d queries, %d planted texts", queries, canaries)
}

// TestMapSurvivesJSON takes a map through its JSON form: old placeholders turn
// back, and new ones do not meet them.
func TestMapSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(sqllens.Dialects()).Draw(t, "dialect")
		first, second := (&author{t: t, d: d}).query(), (&author{t: t, d: d, n: 500}).query()
		m := mask.NewMap()
		a := mask.SQL(mask.SQLInput{Dialect: d, SQL: first, Sensitive: secretColumns}, m)
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again := mask.NewMap()
		if err := json.Unmarshal(data, again); err != nil {
			t.Fatal(err)
		}
		b := mask.SQL(mask.SQLInput{Dialect: d, SQL: second, Sensitive: secretColumns}, again)
		if again.Unmask(a.Masked) != first || again.Unmask(b.Masked) != second {
			t.Fatalf("a map taken up again gives\n%s\n%s", again.Unmask(a.Masked), again.Unmask(b.Masked))
		}
		if c := mask.SQL(mask.SQLInput{Dialect: d, SQL: first, Sensitive: secretColumns}, again); c.Masked != a.Masked {
			t.Fatalf("the same text has other placeholders:\n%s\n%s", a.Masked, c.Masked)
		}
	})
}

// FuzzPlaceholders masks any text in any dialect: it comes back byte for byte, also
// through the JSON form of the map, and parses when it did before.
func FuzzPlaceholders(f *testing.F) {
	for _, seed := range []string{
		"SELECT a, 'x' FROM t WHERE b = 5 -- c", "select ml_column_1, '<email1>', 77000001 <email1> {{x}} [[and y = {{#12-z}}]]",
		"/*!50000 select */ `a`.b, x'0f', b'01', 1e5, .5, $q$ z $q$", `{"a": "b"}`, "'", "\"", "[[", "{{", "{% x %}", "\x00é\xff", "select 1..2, 0x, 77000001.0.5",
	} {
		f.Add(seed, uint8(0), false)
		f.Add(seed, uint8(1), true)
	}
	f.Fuzz(func(t *testing.T, sql string, dialect uint8, strict bool) {
		d := sqllens.Dialects()[int(dialect)%len(sqllens.Dialects())]
		m := mask.NewMap()
		out := mask.SQL(mask.SQLInput{Dialect: d, SQL: sql, Sensitive: third, Names: strict}, m)
		if m.Unmask(out.Masked) != sql {
			t.Fatalf("%q comes back as %q from %q", sql, m.Unmask(out.Masked), out.Masked)
		}
		if parses(sql, d) && !parses(out.Masked, d) {
			t.Fatalf("%s: %q does not parse: %q", d, sql, out.Masked)
		}
		if !utf8.ValidString(sql) {
			return
		}
		again, err := mask.MapOf(m.Entries())
		if err != nil {
			t.Fatal(err)
		}
		if again.Unmask(out.Masked) != sql {
			t.Fatalf("the listed map gives %q", again.Unmask(out.Masked))
		}
		mask.Detect(sql)
		c := mask.NewConversation(mask.Options{Strict: strict})
		if got := c.Unmask(c.Free(sql).String()); got != sql {
			t.Fatalf("free text %q comes back as %q", sql, got)
		}
	})
}
