package sqllineage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/sqllineage"
)

// texts returns a finder over the little shop and its questions.
func texts(engine string, questions ...*catalog.Question) *sqllineage.Texts {
	s := &catalog.Snapshot{
		Databases: []*catalog.Database{{Common: catalog.Common{ID: "1", Name: "shop"}, Engine: engine}},
		Tables: []*catalog.Table{
			table("public", "orders", "id", "user_id", "total", "status"),
			table("public", "users", "id", "email"),
		},
		Questions: questions,
		Snippets: []*catalog.Snippet{
			{Common: catalog.Common{ID: "1", Name: "paid"}, SQL: "status = 'paid' AND {{snippet: mine}}"},
			{Common: catalog.Common{ID: "2", Name: "mine"}, SQL: "user_id = 1"},
		},
	}
	for i, c := range s.Tables[0].Columns {
		c.MetabaseID = int64(100 + i)
	}
	s.Sort()
	return sqllineage.NewTexts(catalog.NewIndex(s))
}

// shown writes references as "text → targets" lines.
func shown(sql string, list []sqllineage.Reference) []string {
	var out []string
	end := 0
	for _, r := range list {
		line := fmt.Sprintf("%s %s", r.Kind, sql[r.Span.Start:r.Span.End])
		for _, t := range r.Targets {
			line += " → " + t.String()
		}
		for _, extra := range []string{r.Column, r.Type, r.Reason} {
			if extra != "" {
				line += " (" + extra + ")"
			}
		}
		if r.Span.Start < end {
			line += " OVERLAPS"
		}
		end = r.Span.End
		out = append(out, line)
	}
	return out
}

func TestReferences(t *testing.T) {
	dimension := func(name string, field int) catalog.TemplateTag {
		return catalog.TemplateTag{Name: name, Type: "dimension", Dimension: []byte(fmt.Sprintf(`["field", %d, null]`, field))}
	}
	cases := []struct {
		name, engine, sql string
		tags              []catalog.TemplateTag
		want              []string
		skipped           string
	}{
		{
			name: "names, an alias, a star and a missing table", engine: "postgres",
			sql: "SELECT o.total, u.*, x FROM orders o JOIN public.users u ON u.id = o.user_id JOIN gone ON true",
			want: []string{
				"column o.total → column:1/public/orders/total", "column u.* → column:1/public/users/id → column:1/public/users/email",
				"table orders → table:1/public/orders",
				"table public.users → table:1/public/users",
				"column u.id → column:1/public/users/id", "column o.user_id → column:1/public/orders/user_id",
				"unknown gone (unknown_table)",
			},
		},
		{
			name: "through a common table expression", engine: "postgres",
			sql: "WITH paid AS (SELECT total AS amount FROM orders) SELECT p.amount FROM paid p",
			want: []string{
				"column total → column:1/public/orders/total", "table orders → table:1/public/orders", "column p.amount → column:1/public/orders/total",
			},
		},
		{
			name: "an unknown column", engine: "postgres",
			sql:  "SELECT nothing FROM users",
			want: []string{"unknown nothing (unknown_column)", "table users → table:1/public/users"},
		},
		{
			name: "tags: question, snippet, field filter, variable, optional block", engine: "postgres",
			sql:  "SELECT s.amount FROM {{#8-sales}} s JOIN orders ON {{snippet: paid}} AND {{when}} [[AND total > {{least}}]] -- {{least}} users",
			tags: []catalog.TemplateTag{{Name: "#8-sales", Type: "card", QuestionID: "8"}, {Name: "snippet: paid", Type: "snippet", Snippet: "paid"}, dimension("when", 103), {Name: "least", Type: "number"}},
			want: []string{
				"column s.amount → question:8 (amount)", "tag {{#8-sales}} → question:8 (card)", "table orders → table:1/public/orders",
				"tag {{snippet: paid}} → snippet:1 (snippet)", "tag {{when}} → column:1/public/orders/status (dimension)",
				"column total → column:1/public/orders/total", "tag {{least}} (number)",
			},
		},
		{
			name: "tags that lead nowhere", engine: "postgres",
			sql:  "SELECT 1 FROM {{#99}} WHERE {{snippet: lost}}",
			want: []string{"tag {{#99}} (card) (missing_question)", "tag {{snippet: lost}} (snippet) (missing_snippet)"},
		},
		{name: "no SQL", engine: "mongo", sql: `[{"$match": {"total": 1}}]`, skipped: "not_sql"},
		{name: "nonsense", engine: "postgres", sql: "SELECT (((( FROM orders WHERE '"},
		{name: "cut off", engine: "postgres", sql: "SELECT total FROM orders WHERE (", want: []string{"column total → column:1/public/orders/total", "table orders → table:1/public/orders"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := texts(c.engine, sql("8", "SELECT total AS amount FROM orders"), sql("9", c.sql, c.tags...))
			got := x.References(t.Context(), catalog.Ref{Kind: catalog.KindQuestion, ID: "9"})
			if diff := cmp.Diff(c.want, shown(c.sql, got.List)); diff != "" {
				t.Errorf("references (-want +got):\n%s", diff)
			}
			if got.Skipped != c.skipped {
				t.Errorf("skipped %q, want %q", got.Skipped, c.skipped)
			}
		})
	}
}

func TestReferencesOfASnippet(t *testing.T) {
	x := texts("postgres")
	got := x.References(t.Context(), catalog.Ref{Kind: catalog.KindSnippet, ID: "1"})
	want := []string{"tag {{snippet: mine}} → snippet:2 (snippet)"}
	if diff := cmp.Diff(want, shown("status = 'paid' AND {{snippet: mine}}", got.List)); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	if got := x.References(t.Context(), catalog.Ref{Kind: catalog.KindTable, ID: "1/public/users"}); got.List != nil {
		t.Errorf("a table has references: %v", got.List)
	}
}

// TestReferencesOfALongText reads tags only, and soon.
func TestReferencesOfALongText(t *testing.T) {
	long := "SELECT total FROM orders WHERE {{snippet: paid}} AND total IN (" + strings.Repeat("1, ", 350_000) + "2)"
	x := texts("postgres", sql("9", long))
	start := time.Now()
	got := x.References(t.Context(), catalog.Ref{Kind: catalog.KindQuestion, ID: "9"})
	if got.Skipped != "too_long" || len(got.List) != 1 {
		t.Errorf("skipped %q, %d references", got.Skipped, len(got.List))
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}
