package impact_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllineage"
)

const (
	orders = "1/public/orders"
	totals = "1/public/totals"
)

func common(id, name, creator string) catalog.Common {
	return catalog.Common{ID: id, Name: name, CreatorID: creator}
}

func table(id, name string, number int64, columns ...string) *catalog.Table {
	database, schema, _, _, _ := catalog.SplitID(id)
	t := &catalog.Table{Common: common(id, name, ""), MetabaseID: number, DatabaseID: database, Schema: schema}
	for i, c := range columns {
		t.Columns = append(t.Columns, &catalog.Column{ID: catalog.ColumnID(id, c), MetabaseID: number*10 + int64(i) + 1, Name: c, BaseType: "type/Integer"})
	}
	return t
}

func native(id, name, sql string, tags ...catalog.TemplateTag) *catalog.Question {
	return &catalog.Question{
		Common: common(id, name, "1"), Type: catalog.KindQuestion, DatabaseID: "1", CollectionID: "root",
		Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: sql, Tags: tags},
	}
}

func builder(id, name, query string) *catalog.Question {
	return &catalog.Question{
		Common: common(id, name, "2"), Type: catalog.KindQuestion, DatabaseID: "1", CollectionID: "root",
		Query: catalog.Query{Language: catalog.LanguageMBQL, DatabaseID: "1", Dialect: "mbql4", MBQL: json.RawMessage(`{"database":1,"type":"query","query":` + query + `}`)},
	}
}

func kind(q *catalog.Question, k catalog.Kind) *catalog.Question {
	q.Type = k
	return q
}

func views(n int64) catalog.Usage { return catalog.Usage{Views: &n} }

// world is a small company in which every way of use occurs once. Fields of
// orders: 11 id, 12 total, 13 status, 14 customer_id.
func world() *catalog.Snapshot {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	archived := native("10", "Old total", "select total from orders")
	archived.Archived = true
	s := &catalog.Snapshot{
		Instance: catalog.Instance{URL: "https://metabase.example.com", Version: "v0.58.2"}, StartedAt: at, FinishedAt: at,
		Databases: []*catalog.Database{
			{Common: common("1", "Warehouse", ""), Engine: "postgres"},
			{Common: common("2", "CRM", ""), Engine: "mysql"},
			{Common: common("3", "Events", ""), Engine: "mongo"},
		},
		Tables: []*catalog.Table{
			table(orders, "orders", 1, "id", "total", "status", "customer_id"),
			table("1/public/customers", "customers", 2, "id", "email"),
			table(totals, "totals", 3, "day", "total"),
			table("2//orders", "orders", 4, "id", "total"),
			table("1/sales/region", "region", 5, "id", "total"),
		},
		Questions: []*catalog.Question{
			native("1", "Paid totals", "select total from orders where status = 'paid'"),
			kind(native("2", "All orders", "select * from orders"), catalog.KindModel),
			builder("3", "Sum over model", `{"source-table":"card__2","aggregation":[["sum",["field","total",{"base-type":"type/Integer"}]]]}`),
			builder("4", "Ids of model", `{"source-table":"card__2","fields":[["field","id",{"base-type":"type/Integer"}]]}`),
			native("5", "On question", "select total from {{#1-paid-totals}}", catalog.TemplateTag{Name: "#1-paid-totals", Type: "card", QuestionID: "1"}),
			native("6", "Field filter", "select id from orders where {{amount}}", catalog.TemplateTag{Name: "amount", Type: "dimension", Display: "Amount", Dimension: json.RawMessage(`["field",12,null]`)}),
			native("7", "Optional", "select id from orders where true [[and total > {{least}}]]", catalog.TemplateTag{Name: "least", Type: "number"}),
			{Common: common("8", "Mongo", "1"), Type: catalog.KindQuestion, DatabaseID: "3", CollectionID: "root", Query: catalog.Query{Language: catalog.LanguageOther, DatabaseID: "3"}},
			{Common: common("9", "Refused", "1"), Type: catalog.KindQuestion, DatabaseID: "1", CollectionID: "root", Unreadable: true},
			archived,
			native("11", "Broken text", "select total, from from orders where ((("),
			native("12", "With snippet", "select id from orders where {{snippet: big}}", catalog.TemplateTag{Name: "snippet: big", Type: "snippet", Snippet: "big", SnippetID: "1"}),
			builder("13", "With segment", `{"source-table":1,"filter":["segment",1],"aggregation":[["count"]]}`),
			native("14", "Daily totals", "select total from totals"),
			native("15", "Days", "select day from totals"),
			builder("16", "Whole table", `{"source-table":1}`),
			builder("17", "Explicit fields", `{"source-table":1,"fields":[["field",12,null],["field",11,null]]}`),
			native("18", "Customers", "select email from customers"),
			native("19", "Only ids", "select id from orders"),
			builder("20", "Total above", `{"source-table":1,"filter":[">",["field",12,null],100],"aggregation":[["count"]]}`),
			native("21", "Rename survivor", "select sum(total) as t from orders group by status"),
			native("22", "Same name elsewhere", "select total from sales.region"),
		},
		Snippets: []*catalog.Snippet{{Common: common("1", "big", "3"), SQL: "total > 100"}},
		Segments: []*catalog.Segment{{Common: common("1", "Paid", "3"), TableID: orders, Definition: json.RawMessage(`{"source-table":1,"filter":["=",["field",13,null],"paid"]}`)}},
		Transforms: []*catalog.Transform{{
			Common: common("1", "Fill totals", "3"), TargetDatabase: "1", TargetSchema: "public", TargetTable: "totals",
			Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: "select id as day, total from orders"},
		}},
		Dashboards: []*catalog.Dashboard{
			{
				Common: common("1", "Sales", "1"), CollectionID: "root",
				Parameters: []catalog.Parameter{{ID: "p1", Name: "Least total", Type: "number/>="}, {ID: "p2", Name: "Status", Type: "string/="}},
				Cards: []catalog.Dashcard{
					{ID: "1", QuestionID: "1"},
					{ID: "2", QuestionID: "16", Mappings: []catalog.ParameterMapping{
						{ParameterID: "p1", QuestionID: "16", Target: json.RawMessage(`["dimension",["field",12,null]]`)},
						{ParameterID: "p2", QuestionID: "16", Target: json.RawMessage(`["dimension",["field",13,null]]`)},
					}},
				},
			},
			{Common: common("2", "Ids", "1"), CollectionID: "root", Cards: []catalog.Dashcard{{ID: "3", QuestionID: "19"}}},
			{Common: common("3", "Model ids", "2"), CollectionID: "root", Cards: []catalog.Dashcard{{ID: "4", QuestionID: "4"}}},
		},
		Subscriptions: []*catalog.Subscription{{Common: common("1", "Sales by mail", "2"), DashboardID: "1", Deliveries: []catalog.Delivery{{Channel: "email", Enabled: true, Recipients: 3, ExternalRecipients: 1}}}},
		Alerts:        []*catalog.Alert{{Common: common("1", "Paid alert", "1"), QuestionID: "1", Deliveries: []catalog.Delivery{{Channel: "email", Enabled: true, Recipients: 2}}}},
		Actions:       []*catalog.Action{{Common: common("1", "Set total", "2"), ModelID: "2", Type: "query", DatabaseID: "1", SQL: "update orders set total = 1 where id = 2"}},
		Documents:     []*catalog.Document{{Common: common("1", "Review", "2"), QuestionIDs: []string{"1"}}},
		People:        []*catalog.Person{{Common: common("1", "Ada", "")}, {Common: common("2", "Ben", "")}, {Common: common("3", "Cleo", "")}},
		Usage: map[catalog.Ref]catalog.Usage{
			{Kind: catalog.KindQuestion, ID: "1"}:  views(100),
			{Kind: catalog.KindModel, ID: "2"}:     views(50),
			{Kind: catalog.KindQuestion, ID: "3"}:  views(900),
			{Kind: catalog.KindQuestion, ID: "17"}: views(7),
			{Kind: catalog.KindDashboard, ID: "1"}: views(500),
		},
	}
	s.Sort()
	return s
}

func input(t *testing.T, s *catalog.Snapshot) impact.Input {
	t.Helper()
	return benchInput(s)
}

func benchInput(s *catalog.Snapshot) impact.Input {
	index := catalog.NewIndex(s)
	return impact.From(index, lineage.Build(context.Background(), index, lineage.WithSQL(sqllineage.New())))
}

func column(table, name string) catalog.Ref {
	return catalog.Ref{Kind: catalog.KindColumn, ID: catalog.ColumnID(table, name)}
}
