package mask

import (
	"slices"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/sqllens"
)

// TestMaskEdges holds what is easily forgotten: fields of structs, quotes that
// are never closed, and words that are names in one place and syntax in another.
func TestMaskEdges(t *testing.T) {
	sensitive := func(c Column) Verdict {
		return Verdict{Sensitive: slices.Contains([]string{"email", "by"}, strings.ToLower(c.Name))}
	}
	for _, c := range []struct {
		sql     string
		gone    string
		columns []string
	}{
		{"select user_info.email from t", "email", []string{"email"}},
		{"select t.user_info.email, x from t", "email", []string{"email"}},
		{"select email from users group by 1", "email", []string{"email"}},
		{`select "x from t where name = 'bob'`, "bob", nil},
		{"select `email and more", "more", nil},
	} {
		m := NewMap()
		out := SQL(SQLInput{Dialect: sqllens.BigQuery, SQL: c.sql, Sensitive: sensitive}, m)
		if strings.Contains(out.Masked, c.gone) {
			t.Errorf("%s: %s is left: %s", c.sql, c.gone, out.Masked)
		}
		if back := m.Unmask(out.Masked); back != c.sql {
			t.Errorf("%s: comes back as %s", c.sql, back)
		}
		var names []string
		for _, column := range out.MaskedColumns {
			names = append(names, column[strings.LastIndexByte(column, '.')+1:])
		}
		if c.columns != nil && !slices.Equal(slices.Compact(names), c.columns) {
			t.Errorf("%s: reports %v, want %v", c.sql, out.MaskedColumns, c.columns)
		}
	}
}
