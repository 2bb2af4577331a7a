package sqllint_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/sqllens"
)

// TestHostileTexts: texts that make a careless rule look at the same thing again
// and again end soon. Bound is many times what they take.
func TestHostileTexts(t *testing.T) {
	const bound = 20 * time.Second
	// chain is n common table expressions, each made of many of the one before.
	chain := func(n int, first string, next func(before string) string) string {
		var b strings.Builder
		b.WriteString("WITH c0 AS (" + first + ")")
		for i := range n {
			fmt.Fprintf(&b, ", c%d AS (%s)", i+1, next(fmt.Sprintf("c%d", i)))
		}
		return b.String()
	}
	many := func(n int, each func(i int) string, between string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = each(i)
		}
		return strings.Join(parts, between)
	}
	texts := map[string]string{
		"stars over stars": chain(12, "SELECT id FROM orders", func(before string) string {
			return "SELECT * FROM " + many(40, func(i int) string { return fmt.Sprintf("%s x%d", before, i) }, ", ")
		}) + " SELECT * FROM c12",
		"unions of unions": chain(40, "SELECT 1 UNION ALL SELECT 2", func(before string) string {
			return "SELECT * FROM " + before + " UNION ALL SELECT * FROM " + before
		}) + " SELECT * FROM orders, c40",
		"aggregates of unions": chain(40, "SELECT sum(id) FROM orders", func(before string) string {
			return "SELECT 1 FROM " + before + " UNION ALL SELECT 2 FROM " + before
		}) + " SELECT * FROM orders, c40",
		"counts":    "SELECT " + many(6000, func(int) string { return "count(user_id)" }, ", ") + " FROM orders WHERE " + many(6000, func(i int) string { return fmt.Sprintf("total > %d", i) }, " AND "),
		"divisions": "SELECT " + many(6000, func(int) string { return "total / total" }, ", ") + " FROM orders WHERE " + many(6000, func(i int) string { return fmt.Sprintf("id > %d", i) }, " AND "),
		"having":    "SELECT " + many(4000, func(i int) string { return fmt.Sprintf("total AS a%d", i) }, ", ") + " FROM orders GROUP BY " + many(4000, func(i int) string { return fmt.Sprintf("a%d", i) }, ", ") + " HAVING " + many(4000, func(i int) string { return fmt.Sprintf("a%d = 1", i) }, " AND "),
		"blocks":    "SELECT 1 FROM orders WHERE true " + many(8000, func(int) string { return "[[AND id = {{n}}]]" }, " "),
		"subqueries": "SELECT " + many(3000, func(i int) string {
			return fmt.Sprintf("(SELECT max(id) FROM users WHERE id = orders.user_id AND zip = '%d' AND code IS NOT NULL AND deleted_at IS NULL) AS s%d", i, i)
		}, ", ") + " FROM orders",
		"tables": "SELECT * FROM " + many(5000, func(i int) string { return fmt.Sprintf("orders o%d", i) }, ", "),
		"joins": "SELECT DISTINCT o0.id FROM orders o0 " + many(59, func(i int) string {
			return fmt.Sprintf("LEFT JOIN users u%d ON u%d.id = o0.user_id AND %s", i, i, many(40, func(k int) string { return fmt.Sprintf("u%d.zip <> '%d'", i, k) }, " AND "))
		}, " "),
	}
	for name, text := range texts {
		for _, d := range []sqllens.Dialect{sqllens.Postgres, sqllens.MySQL} {
			began := time.Now()
			lint(t, d, text)
			took := time.Since(began)
			t.Logf("%s in %s: %v for %d bytes", name, d, took.Round(time.Millisecond), len(text))
			if took > bound {
				t.Errorf("%s in %s: %v", name, d, took)
			}
		}
	}
}
