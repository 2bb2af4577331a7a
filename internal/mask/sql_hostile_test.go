package mask_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/sqllens"
)

// TestMaskHostileSQL masks texts that are written to take long: each comes back,
// in time. With METALENS_ACCURACY they have nearly a megabyte.
func TestMaskHostileSQL(t *testing.T) {
	size := 200_000
	switch {
	case os.Getenv("METALENS_ACCURACY") != "":
		size = sqllens.MaxSize - 100
	case raceEnabled:
		size = 20_000
	}
	fill := func(head, part string) string { return head + strings.Repeat(part, (size-len(head))/len(part)) }
	for name, sql := range map[string]string{
		"columns":           fill("SELECT a", ", email"),
		"aliases":           fill("SELECT 1", ", email AS b"),
		"strings":           fill("SELECT 'x'", ", 'y'"),
		"sum":               fill("SELECT 1", "+1"),
		"parentheses":       fill("SELECT ", "("),
		"comments":          fill("SELECT 1", "/* x */"),
		"quotes":            fill("SELECT ", "'"),
		"looks masked":      fill("SELECT a ", "<email1> "),
		"numbers masked":    fill("SELECT a ", ", 77000001"),
		"names masked":      fill("SELECT a ", ", ml_column_1"),
		"tags":              fill("SELECT a ", ", {{email}}"),
		"open tags":         fill("SELECT a ", "{{ [[ "),
		"subqueries":        fill("SELECT ", "(SELECT email FROM ("),
		"unions":            fill("SELECT email FROM t", " UNION SELECT email FROM t"),
		"like":              "SELECT a FROM t WHERE a LIKE '" + strings.Repeat("x%", size/3) + "'",
		"one word":          strings.Repeat("x", size),
		"digits":            strings.Repeat("4", size),
		"nul":               strings.Repeat("\x00", size),
		"addresses":         fill("", "a@b.example "),
		"cards":             fill("", "4111 1111 1111 1111 "),
		"optional blocks":   fill("SELECT 1 ", "[[AND {{x}} = 'a']] "),
		"template code":     fill("SELECT 1 ", "{% if x %}"),
		"document in text":  "SELECT '" + strings.Repeat("{", size/2) + "'",
		"dotted":            fill("SELECT a", ".email"),
		"different strings": different(size),
	} {
		for _, strict := range []bool{false, true} {
			start := time.Now()
			m := mask.NewMap()
			out := mask.SQL(mask.SQLInput{Dialect: sqllens.Postgres, SQL: sql, Sensitive: third, Names: strict}, m)
			if m.Unmask(out.Masked) != sql {
				t.Errorf("%s: does not come back", name)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("%s: took %s", name, took)
			} else if testing.Verbose() {
				t.Logf("%s strict=%v: %s, whole=%v", name, strict, took.Round(10*time.Millisecond), strings.HasPrefix(out.Masked, "<sql"))
			}
		}
	}
}

// different is a list of texts that are all different.
func different(size int) string {
	var b strings.Builder
	b.WriteString("SELECT 1")
	for i := 0; b.Len() < size; i++ {
		b.WriteString(", 'v" + strings.Repeat("z", i%7) + time.Duration(i).String() + "'")
	}
	return b.String()
}
