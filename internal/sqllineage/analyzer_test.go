package sqllineage_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllineage"
)

func table(schema, name string, columns ...string) *catalog.Table {
	id := catalog.TableID("1", schema, name)
	t := &catalog.Table{Common: catalog.Common{ID: id, Name: name}, DatabaseID: "1", Schema: schema}
	for _, c := range columns {
		t.Columns = append(t.Columns, &catalog.Column{ID: catalog.ColumnID(id, c), Name: c})
	}
	return t
}

func sql(id, text string, tags ...catalog.TemplateTag) *catalog.Question {
	return &catalog.Question{
		Common: catalog.Common{ID: id, Name: "question " + id}, Type: catalog.KindQuestion, DatabaseID: "1",
		Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: text, Tags: tags},
	}
}

// build returns the edges into question 9 as "kind:id via".
func build(t *testing.T, engine string, questions ...*catalog.Question) (edges, columns, unresolved []string) {
	t.Helper()
	s := &catalog.Snapshot{
		Databases: []*catalog.Database{{Common: catalog.Common{ID: "1", Name: "shop"}, Engine: engine}},
		Tables: []*catalog.Table{
			table("public", "orders", "id", "user_id", "total", "status"),
			table("public", "users", "id", "email"),
			table("audit", "orders", "id", "actor"),
		},
		Questions: questions,
		Snippets:  []*catalog.Snippet{{Common: catalog.Common{ID: "1", Name: "paid"}, SQL: "status = 'paid'"}},
	}
	s.Sort()
	g := lineage.Build(context.Background(), catalog.NewIndex(s), lineage.WithSQL(sqllineage.New()))
	for _, e := range g.Edges {
		if e.To.ID == "9" {
			edges = append(edges, e.From.String()+" "+string(e.Via))
		}
	}
	for _, e := range g.ColumnEdges {
		if e.To.ID == "9" {
			columns = append(columns, e.From.ID+">"+e.ToColumn+" "+string(e.Via))
		}
	}
	for _, u := range g.Unresolved {
		if u.Asset.ID == "9" {
			unresolved = append(unresolved, u.Reason+" "+u.Detail)
		}
	}
	slices.Sort(edges)
	slices.Sort(columns)
	return edges, columns, unresolved
}

func TestNativeQueriesReachTables(t *testing.T) {
	cases := []struct {
		name       string
		engine     string
		questions  []*catalog.Question
		edges      []string
		unresolved []string
	}{
		{
			name: "default schema", engine: "postgres",
			questions: []*catalog.Question{sql("9", `SELECT o.total FROM orders o JOIN users u ON u.id = o.user_id`)},
			edges:     []string{"table:1/public/orders query", "table:1/public/users join"},
		},
		{
			name: "a CTE, a comment and a string are no tables", engine: "postgres",
			questions: []*catalog.Question{sql("9", "WITH orders AS (SELECT 1 AS id) SELECT id, 'FROM users' FROM orders -- FROM audit.orders")},
		},
		{
			name: "optional block", engine: "postgres",
			questions: []*catalog.Question{sql("9", `SELECT total FROM orders WHERE true [[AND user_id IN (SELECT id FROM users WHERE email = {{email}})]]`)},
			edges:     []string{"table:1/public/orders query", "table:1/public/users query"},
		},
		{
			name: "question in SQL", engine: "postgres",
			questions: []*catalog.Question{
				sql("8", `SELECT id, total FROM orders`),
				sql("9", `SELECT sum(total) FROM {{#8-orders}} x`, catalog.TemplateTag{Name: "#8-orders", Type: "card", QuestionID: "8"}),
			},
			edges: []string{"question:8 card_reference"},
		},
		{
			name: "snippet", engine: "postgres",
			questions: []*catalog.Question{sql("9", `SELECT total FROM orders WHERE {{snippet: paid}}`, catalog.TemplateTag{Name: "snippet: paid", Type: "snippet", Snippet: "paid"})},
			edges:     []string{"snippet:1 snippet", "table:1/public/orders query"},
		},
		{
			name: "unknown table", engine: "postgres",
			questions:  []*catalog.Question{sql("9", `SELECT a FROM gone`)},
			unresolved: []string{"unknown_table gone"},
		},
		{
			name: "not SQL", engine: "mongo",
			questions:  []*catalog.Question{sql("9", `[{"$match": {}}]`)},
			unresolved: []string{"not_sql queries of mongo are not SQL"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			edges, _, unresolved := build(t, c.engine, c.questions...)
			if diff := cmp.Diff(c.edges, edges); diff != "" {
				t.Errorf("edges (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.unresolved, unresolved); diff != "" {
				t.Errorf("unresolved (-want +got):\n%s", diff)
			}
		})
	}
}

func TestColumnsReachThroughQuestions(t *testing.T) {
	for _, text := range []string{
		`SELECT sum(x.amount) AS revenue FROM {{#8}} x`,
		`WITH x AS {{#8}} SELECT sum(x.amount) AS revenue FROM x`,
		`WITH x (n, amount) AS ({{#8}}), y AS {{#8-orders}} SELECT sum(x.amount) AS revenue FROM x JOIN y ON x.n = y.id`,
	} {
		_, columns, _ := build(t, "postgres",
			sql("8", `SELECT id, total AS amount FROM orders WHERE status = 'paid'`),
			sql("9", text, catalog.TemplateTag{Name: "#8", Type: "card", QuestionID: "8"}, catalog.TemplateTag{Name: "#8-orders", Type: "card", QuestionID: "8"}),
		)
		if !slices.Contains(columns, "1/public/orders/total>revenue query") {
			t.Errorf("%s: column edges: %v", text, columns)
		}
	}
}
