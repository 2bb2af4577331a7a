package oracle

import (
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// Ours is what our engine says about a text.
type Ours struct {
	Recovered bool
	Problem   string
	Tables    []string
}

// Inspect reads a text with our engine, as `sql inspect` does.
func Inspect(dialect, sql string) Ours {
	a := sqllens.Inspect(sqllens.InspectRequest{Dialect: dialect, SQL: sql})
	out := Ours{Recovered: a.Recovered}
	if len(a.Errors) > 0 {
		out.Problem = a.Errors[0].Message
		if at := a.Errors[0].Span; at != nil {
			out.Problem += " at " + sql[max(0, at.Start-40):min(len(sql), at.End+20)]
		}
	}
	d, _ := sqllens.ParseDialect(dialect)
	parsed := sqllens.Parse(sql, d, true).Statements
	for i, s := range a.Statements {
		if i >= len(parsed) || !query(parsed[i]) {
			continue
		}
		for _, t := range s.Tables {
			out.Tables = append(out.Tables, tableName(t.TableRef))
		}
	}
	slices.Sort(out.Tables)
	out.Tables = slices.Compact(out.Tables)
	return out
}

// query says whether a statement is of the kind whose tables are compared.
func query(st *sqllens.Statement) bool {
	switch st.Kind {
	case sqllens.StatementCreateTable:
		return st.DML != nil && st.DML.Query != nil
	case sqllens.StatementOther:
		return len(st.Names) == 0 && st.Verb != "copy"
	}
	return true
}

func tableName(t sqllens.TableRef) string {
	var parts []string
	for _, p := range []string{t.Catalog, t.Schema, t.Name} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.ToLower(strings.Join(parts, "."))
}
