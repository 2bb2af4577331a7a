package lineage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/mbql"
)

func table(schema, name string, number int64, columns ...string) *catalog.Table {
	t := &catalog.Table{Common: catalog.Common{ID: catalog.TableID("1", schema, name), Name: name}, DatabaseID: "1", Schema: schema, MetabaseID: number}
	for i, c := range columns {
		t.Columns = append(t.Columns, &catalog.Column{ID: catalog.ColumnID(t.ID, c), Name: c, MetabaseID: number*10 + int64(i)})
	}
	return t
}

func ask(id string, kind catalog.Kind, inner string) *catalog.Question {
	return &catalog.Question{
		Common: catalog.Common{ID: id, Name: "Q" + id}, Type: kind, DatabaseID: "1",
		Query: catalog.Query{Language: catalog.LanguageMBQL, DatabaseID: "1", MBQL: json.RawMessage(`{"database":1,"type":"query","query":` + inner + `}`)},
	}
}

func native(id, sql string, tags ...catalog.TemplateTag) *catalog.Question {
	return &catalog.Question{
		Common: catalog.Common{ID: id, Name: "Q" + id}, Type: catalog.KindQuestion, DatabaseID: "1",
		Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: sql, Tags: tags},
	}
}

// shop has two tables; columns have the numbers 50… and 60….
func shop(assets ...catalog.Asset) *catalog.Index {
	s := &catalog.Snapshot{}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "Shop"}, Engine: "postgres"})
	s.Add(table("public", "orders", 5, "id", "customer_id", "status", "amount"))
	s.Add(table("public", "customers", 6, "id", "region"))
	for _, a := range assets {
		s.Add(a)
	}
	s.Sort()
	return catalog.NewIndex(s)
}

func ref(kind catalog.Kind, id string) catalog.Ref { return catalog.Ref{Kind: kind, ID: id} }

func TestBuild(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	tests := []struct {
		name   string
		assets []catalog.Asset
		want   string
	}{
		{
			"a question on a table, joined and filtered",
			[]catalog.Asset{ask("1", "question", `{"source-table":5,"joins":[{"alias":"C","source-table":6,"condition":["=",["field",51,null],["field",60,{"join-alias":"C"}]]}],"filter":["=",["field",52,null],"x"],"aggregation":[["sum",["field",53,null]]],"breakout":[["field",61,{"join-alias":"C"}]]}`)},
			`table:1/public/customers -> question:1 join
table:1/public/orders -> question:1 query
1/public/customers/id => question:1 join
1/public/customers/region => question:1 query [region]
1/public/orders/amount => question:1 query [sum]
1/public/orders/customer_id => question:1 join
1/public/orders/status => question:1 filter
`,
		},
		{
			"questions on questions reach physical columns",
			[]catalog.Asset{
				ask("1", "model", `{"source-table":5,"aggregation":[["sum",["field",53,null]]],"breakout":[["field",52,null]]}`),
				ask("2", "question", `{"source-table":"card__1","filter":["=",["field","status",{"base-type":"type/Text"}],"x"],"aggregation":[["max",["field","sum",{}]]]}`),
				ask("3", "question", `{"source-table":"card__2"}`),
			},
			`table:1/public/orders -> model:1 query
model:1 -> question:2 model
question:2 -> question:3 source_card
1/public/orders/amount => model:1 query [sum]
1/public/orders/status => model:1 query [status]
1/public/orders/amount => question:2 query [max]
1/public/orders/status => question:2 filter
1/public/orders/amount => question:3 query [max]
`,
		},
		{
			"metrics, segments and measures",
			[]catalog.Asset{
				ask("1", "metric", `{"source-table":5,"aggregation":[["sum",["field",53,null]]]}`),
				&catalog.Segment{Common: catalog.Common{ID: "3"}, TableID: "1/public/orders", Definition: raw(`{"filter":["=",["field",52,null],"x"]}`)},
				&catalog.Measure{Common: catalog.Common{ID: "4"}, TableID: "1/public/orders", Definition: raw(`{"stages":[{"source-table":5,"aggregation":[["avg",{},["field",{},53]]]}]}`)},
				ask("2", "question", `{"source-table":5,"filter":["segment",3],"aggregation":[["metric",1],["measure",4]]}`),
			},
			`table:1/public/orders -> measure:4 query
table:1/public/orders -> metric:1 query
measure:4 -> question:2 metric
metric:1 -> question:2 metric
segment:3 -> question:2 segment
table:1/public/orders -> question:2 query
table:1/public/orders -> segment:3 query
1/public/orders/amount => measure:4 query [avg]
1/public/orders/amount => metric:1 query [sum]
1/public/orders/amount => question:2 query [avg]
1/public/orders/amount => question:2 query [sum]
1/public/orders/status => segment:3 filter
`,
		},
		{
			"template tags",
			[]catalog.Asset{
				ask("17", "model", `{"source-table":6}`),
				&catalog.Snippet{Common: catalog.Common{ID: "3", Name: "not test"}, SQL: "x and {{snippet: inner}}"},
				&catalog.Snippet{Common: catalog.Common{ID: "4", Name: "inner"}, SQL: "y"},
				native("1", "select * from {{#17-active}} c, {{t}} where {{created}} [[and {{region}}]] and {{snippet:  not test }} -- {{#99}}\n {{#98}} /* {{snippet: gone}} */",
					catalog.TemplateTag{Name: "#17-renamed", Type: "card", QuestionID: "17"},
					catalog.TemplateTag{Name: "created", Type: "dimension", Dimension: raw(`["field",52,null]`)},
					catalog.TemplateTag{Name: "region", Type: "text"},
					catalog.TemplateTag{Name: "t", Type: "table", TableRef: raw(`5`)},
					catalog.TemplateTag{Name: "left over", Type: "card", QuestionID: "16"},
					catalog.TemplateTag{Name: "snippet: not test", Type: "snippet", Snippet: "not test", SnippetID: "77"},
				),
			},
			`table:1/public/customers -> model:17 query
model:17 -> question:1 model
snippet:3 -> question:1 snippet
table:1/public/orders -> question:1 filter
table:1/public/orders -> question:1 query
snippet:4 -> snippet:3 snippet
1/public/customers/id => model:17 query [id]
1/public/customers/region => model:17 query [region]
1/public/orders/status => question:1 filter
question:1 ! missing_question question:98
question:1 ! sql_not_analysed
`,
		},
		{
			"dashboards, filters, subscriptions, alerts and links",
			[]catalog.Asset{
				ask("1", "question", `{"source-table":6}`),
				native("2", "select {{d}}", catalog.TemplateTag{Name: "d", Type: "dimension", Dimension: raw(`["field",52,null]`)}),
				&catalog.Dashboard{
					Common:     catalog.Common{ID: "9"},
					Parameters: []catalog.Parameter{{Name: "P", SourceQuestionID: "1", SourceValueField: raw(`["field","region",{"base-type":"type/Text"}]`)}, {Name: "Q", SourceQuestionID: "77"}},
					Cards: []catalog.Dashcard{
						{
							QuestionID: "1", SeriesIDs: []string{"2"}, ClickTargets: []catalog.Ref{ref("question", "2")},
							Mappings: []catalog.ParameterMapping{{ParameterID: "a", QuestionID: "1", Target: raw(`["dimension",["field","region",null]]`)}, {ParameterID: "b", QuestionID: "2", Target: raw(`["dimension",["template-tag","d"]]`)}},
						},
						{QuestionID: "55"},
						{QuestionID: "56", QuestionRefused: true},
						{Virtual: "link", LinkTarget: ref("table", "1/public/orders")},
						{Virtual: "text"},
					},
				},
				&catalog.Subscription{Common: catalog.Common{ID: "3"}, DashboardID: "9", QuestionIDs: []string{"1"}},
				&catalog.Subscription{Common: catalog.Common{ID: "4"}, QuestionIDs: []string{"1"}},
				&catalog.Subscription{Common: catalog.Common{ID: "5"}, DashboardID: "99"},
				&catalog.Alert{Common: catalog.Common{ID: "6"}, QuestionID: "2"},
			},
			`question:2 -> alert:6 alert
question:1 -> dashboard:9 dashcard
question:1 -> dashboard:9 parameter_source
question:2 -> dashboard:9 series
table:1/public/customers -> question:1 query
table:1/public/orders -> question:2 filter
dashboard:9 -> subscription:3 subscription
question:1 -> subscription:4 subscription
1/public/customers/region => dashboard:9 filter
1/public/customers/region => dashboard:9 parameter_source
1/public/orders/status => dashboard:9 filter
1/public/customers/id => question:1 query [id]
1/public/customers/region => question:1 query [region]
1/public/orders/status => question:2 filter
dashboard:9 ! missing_question question:55
dashboard:9 ! missing_question question:77
dashboard:9 ! refused_question question:56
question:2 ! sql_not_analysed
subscription:5 ! missing_dashboard dashboard:99
dashboard:9 ~> question:2
dashboard:9 ~> table:1/public/orders
`,
		},
		{
			"transforms, actions and documents",
			[]catalog.Asset{
				ask("1", "model", `{"source-table":5,"aggregation":[["count"]]}`),
				&catalog.Transform{Common: catalog.Common{ID: "2"}, Query: catalog.Query{Language: catalog.LanguageMBQL, DatabaseID: "1", MBQL: raw(`{"stages":[{"source-table":5,"aggregation":[["count",{}]]}]}`)}, TargetDatabase: "1", TargetSchema: "public", TargetTable: "customers"},
				&catalog.Transform{Common: catalog.Common{ID: "3"}, SourceTables: raw(`{"o":5,"gone":{"table_id":99}}`), TargetDatabase: "1", TargetSchema: "public", TargetTable: "gone"},
				&catalog.Action{Common: catalog.Common{ID: "4"}, ModelID: "1"},
				&catalog.Document{Common: catalog.Common{ID: "5"}, QuestionIDs: []string{"1"}, Links: []catalog.Ref{ref("dashboard", "8")}},
			},
			`model:1 -> action:4 model
model:1 -> document:5 dashcard
table:1/public/orders -> model:1 query
transform:2 -> table:1/public/customers transform
table:1/public/orders -> transform:2 query
table:1/public/orders -> transform:3 query
transform:3 ! target_missing table:1/public/gone
transform:3 ! unknown_table table:1//#99
document:5 ~> dashboard:8
`,
		},
		{
			"what leads nowhere",
			[]catalog.Asset{
				ask("1", "question", `{"source-table":99,"filter":["=",["field",999,null],1]}`),
				ask("2", "question", `{"source-table":"card__88"}`),
				ask("3", "question", `{"source-table":5,"filter":["segment",7],"aggregation":[["metric",80]]}`),
				ask("4", "question", `{"source-table":5,"joins":7,"fields":[["field",50,{"join-alias":"Gone"}],["field","nope",null]]}`),
				&catalog.Question{Common: catalog.Common{ID: "5"}, Type: catalog.KindQuestion, TableID: "1/public/orders"},
				&catalog.Question{Common: catalog.Common{ID: "6"}, Type: catalog.KindQuestion, Unreadable: true},
				&catalog.Question{Common: catalog.Common{ID: "7"}, Type: catalog.KindQuestion, Query: catalog.Query{Language: catalog.LanguageOther, SQL: "[{}]"}},
				native("8", "select {{snippet: gone}}"),
			},
			`table:1/public/orders -> question:3 query
table:1/public/orders -> question:4 query
table:1/public/orders -> question:5 query likely
1/public/orders/id => question:4 query [id]
question:1 ! unknown_column column:#999
question:1 ! unknown_table table:1//#99
question:2 ! missing_question question:88
question:3 ! missing_metric metric:80
question:3 ! missing_segment segment:7
question:4 ! unknown_alias
question:4 ! unknown_column
question:5 ! no_query
question:6 ! not_readable
question:7 ! not_sql
question:8 ! missing_snippet
question:8 ! sql_not_analysed
`,
		},
		{
			"a metric of servers before 0.50 shares its number with a question",
			[]catalog.Asset{
				ask("4", "question", `{"source-table":6,"aggregation":[["count"]]}`),
				&catalog.Measure{Common: catalog.Common{ID: "4"}, Legacy: true, TableID: "1/public/orders", Definition: raw(`{"source-table":5,"aggregation":["sum",["field-id",53]]}`)},
				ask("5", "question", `{"source-table":5,"aggregation":[["metric",4]]}`),
			},
			`table:1/public/orders -> measure:4 query
table:1/public/customers -> question:4 query
measure:4 -> question:5 metric
table:1/public/orders -> question:5 query
1/public/orders/amount => measure:4 query [sum]
1/public/orders/amount => question:5 query [sum]
`,
		},
		{
			"a cycle ends",
			[]catalog.Asset{
				ask("1", "question", `{"source-table":"card__2"}`),
				ask("2", "question", `{"source-table":"card__1"}`),
				ask("3", "question", `{"source-table":"card__3"}`),
			},
			`question:2 -> question:1 source_card
question:1 -> question:2 source_card
question:3 -> question:3 source_card
`,
		},
		{
			"recorded columns stand in for a query that cannot be read",
			[]catalog.Asset{
				func() catalog.Asset {
					q := native("1", "select status, count(*) as n from orders")
					q.Type = catalog.KindModel
					q.ResultColumns = []catalog.ResultColumn{{Name: "status", ColumnID: "1/public/orders/status"}, {Name: "n"}}
					return q
				}(),
				ask("2", "question", `{"source-table":"card__1","filter":["=",["field","status",null],"x"],"aggregation":[["max",["field","n",null]]]}`),
				ask("3", "question", `{"source-table":"card__1","fields":[["field","gone",null]]}`),
			},
			`model:1 -> question:2 model
model:1 -> question:3 model
1/public/orders/status => model:1 query [status]
1/public/orders/status => question:2 filter
model:1 ! sql_not_analysed
question:3 ! unknown_column
`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := lines(Build(context.Background(), shop(test.assets...)))
			if diff := cmp.Diff(strings.Split(test.want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// analyst knows the tables of a few texts.
type analyst map[string]SQLAnalysis

func (a analyst) AnalyzeSQL(_ context.Context, in SQLInput) SQLAnalysis {
	out, ok := a[in.SQL]
	if !ok {
		return SQLAnalysis{Unresolved: []SQLUnresolved{{Reason: "not_parsed", Detail: in.Schema.Engine}}}
	}
	for i := range out.Unresolved {
		out.Unresolved[i].Detail = fmt.Sprint(len(in.Tags), in.Tags[0].Columns, in.Tags[1].Text)
	}
	return out
}

func TestSQLAnalyzer(t *testing.T) {
	const sql = "select region, n from {{#1}} join orders {{snippet: s}}"
	index := shop(
		ask("1", "model", `{"source-table":6}`),
		&catalog.Snippet{Common: catalog.Common{ID: "3", Name: "s"}, SQL: "a {{snippet: t}}"},
		&catalog.Snippet{Common: catalog.Common{ID: "4", Name: "t"}, SQL: "b {{snippet: s}}"},
		native("2", sql),
		native("4", "?"),
		ask("5", "question", `{"source-table":"card__2","fields":[["field","region",null]]}`),
	)
	g := Build(context.Background(), index, WithSQL(analyst{sql: {
		Tables:     []SQLTable{{TableID: "1/public/orders", Join: true, Confidence: finding.Likely}},
		Columns:    []SQLColumn{{ColumnID: "1/public/orders/status", Use: mbql.UseFilter, Confidence: finding.Likely}, {Card: "1", Column: "ID", Use: mbql.UseJoin, Confidence: finding.Certain}},
		Outputs:    []SQLOutput{{Name: "region", Sources: []SQLColumn{{Card: "1", Column: "region", Confidence: finding.Certain}}}, {Name: "n"}},
		Unresolved: []SQLUnresolved{{Reason: "probe"}},
	}}))
	want := `table:1/public/customers -> model:1 query
model:1 -> question:2 model
snippet:3 -> question:2 snippet
table:1/public/orders -> question:2 join likely
question:2 -> question:5 source_card
snippet:4 -> snippet:3 snippet
snippet:3 -> snippet:4 snippet
1/public/customers/id => model:1 query [id]
1/public/customers/region => model:1 query [region]
1/public/customers/id => question:2 join
1/public/customers/region => question:2 query [region]
1/public/orders/status => question:2 filter
1/public/customers/region => question:5 query [region]
question:2 ! probe
question:4 ! not_parsed
`
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(lines(g), "\n")); diff != "" {
		t.Error(diff)
	}
	if got, want := g.Unresolved[0].Detail, "2 [id region]a b {{snippet: s}}"; got != want {
		t.Errorf("tags = %q, want %q", got, want)
	}
}

func TestSchemaThatWasNotRead(t *testing.T) {
	s := &catalog.Snapshot{}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1"}})
	s.Add(ask("1", "question", `{"source-table":5,"filter":["=",["field",50,null],1]}`))
	g := Build(context.Background(), catalog.NewIndex(s))
	for _, u := range g.Unresolved {
		if u.Reason != "schema_unread" {
			t.Errorf("unresolved = %+v", u)
		}
	}
	if len(g.Unresolved) != 2 {
		t.Errorf("%d unresolved", len(g.Unresolved))
	}
}

func TestParseTemplate(t *testing.T) {
	tests := []struct{ sql, tags, problems string }{
		{"select {{a}}, {{ b }} [[and {{c}} [[or {{d}}]]]] {{e}}", "variable a 7-12; variable b 14-21; variable c 28-33 optional; variable d 39-44 optional; variable e 49-54", ""},
		{"{{#12}} {{#12-some-slug}} {{ #7 }}", "card #12 0-7; card #12-some-slug 8-25; card #7 26-34", ""},
		{"{{snippet: My Name}} {{snippet:x}}", "snippet snippet: My Name 0-20; snippet snippet: x 21-34", ""},
		{"-- {{a}}\n{{b}} /* {{c}} */ '{{d}}'", "variable b 9-14; variable d 28-33", ""},
		{"'--' {{a}}", "", ""},
		{"[{$match: {{{x}}, field: 1}}]", "variable x 11-16", ""},
		{"[[ no tag ]] ]] }}", "", "optional_without_tag 0-12"},
		{"{{}} {{ }}", "", "empty_tag 0-4; empty_tag 5-10"},
		{"[[ {{a}} ", "variable a 3-8 optional", "unclosed_optional 0-9"},
		{"x {{a", "", "unclosed_tag 2-5"},
		{"[[ and x = {{a}} -- ]]\n ]]", "variable a 11-16 optional", ""},
		{"/* open {{a}}", "", ""},
	}
	for _, test := range tests {
		got := ParseTemplate(test.sql)
		var tags, problems []string
		for _, u := range got.Tags {
			s := fmt.Sprintf("%s %s %d-%d", u.Kind, u.Name, u.Span.Start, u.Span.End)
			if u.Optional {
				s += " optional"
			}
			tags = append(tags, s)
		}
		for _, p := range got.Problems {
			problems = append(problems, fmt.Sprintf("%s %d-%d", p.Code, p.Span.Start, p.Span.End))
		}
		if s := strings.Join(tags, "; "); s != test.tags {
			t.Errorf("%q tags:\n got %s\nwant %s", test.sql, s, test.tags)
		}
		if s := strings.Join(problems, "; "); s != test.problems {
			t.Errorf("%q problems:\n got %s\nwant %s", test.sql, s, test.problems)
		}
	}
}

func FuzzParseTemplate(f *testing.F) {
	f.Add("select {{a}} [[and {{#1-x}}]] -- {{b}}\n /* [[ */ {{snippet: c}} {{{d}}")
	f.Fuzz(func(t *testing.T, sql string) {
		for _, u := range ParseTemplate(sql).Tags {
			text := sql[u.Span.Start:u.Span.End]
			if !strings.HasPrefix(text, "{{") || !strings.HasSuffix(text, "}}") {
				t.Fatalf("span of %q is %q", u.Name, text)
			}
		}
	})
}

func steps(list []Step) string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%d:%s", s.Distance, s.Asset))
	}
	return strings.Join(out, " ")
}

func TestGraphQueries(t *testing.T) {
	index := shop(
		ask("1", "model", `{"source-table":5}`),
		ask("2", "question", `{"source-table":"card__1","fields":[["field",52,null]]}`),
		ask("3", "question", `{"source-table":"card__1","fields":[["field",53,null]]}`),
		native("4", "select * from {{#1}}"),
		ask("5", "question", `{"source-table":6}`),
		&catalog.Dashboard{Common: catalog.Common{ID: "9"}, Cards: []catalog.Dashcard{{QuestionID: "2"}, {QuestionID: "5"}}},
		&catalog.Dashboard{Common: catalog.Common{ID: "8"}, Cards: []catalog.Dashcard{{QuestionID: "3"}}},
		&catalog.Subscription{Common: catalog.Common{ID: "7"}, DashboardID: "9"},
	)
	g := Build(context.Background(), index)
	tests := []struct{ name, got, want string }{
		{"downstream of a table", steps(g.Downstream(ref("table", "1/public/orders"), 0)), "1:model:1 2:question:2 2:question:3 2:question:4 3:dashboard:8 3:dashboard:9 4:subscription:7"},
		{"downstream to a depth", steps(g.Downstream(ref("table", "1/public/orders"), 1)), "1:model:1"},
		{"downstream of a column", steps(g.Downstream(ref("column", "1/public/orders/status"), 0)), "1:model:1 2:question:2 2:question:4 3:dashboard:9 4:subscription:7"},
		{"upstream of a subscription", steps(g.Upstream(ref("subscription", "7"), 0)), "1:dashboard:9 2:question:2 2:question:5 3:model:1 3:table:1/public/customers 4:table:1/public/orders"},
		{"nothing", steps(g.Downstream(ref("question", "404"), 0)), ""},
		{"paths", fmt.Sprint(g.Paths(ref("table", "1/public/orders"), ref("subscription", "7"), 5)), "[[table:1/public/orders model:1 question:2 dashboard:9 subscription:7]]"},
		{"paths from a column", fmt.Sprint(g.Paths(ref("column", "1/public/orders/status"), ref("dashboard", "9"), 5)), "[[column:1/public/orders/status question:2 dashboard:9]]"},
		{"no path", fmt.Sprint(g.Paths(ref("dashboard", "9"), ref("model", "1"), 5)), "[]"},
		{"users", fmt.Sprint(len(g.Users(ref("model", "1")))), "3"},
		{"sources", fmt.Sprint(g.Sources(ref("question", "2"))), "[{model:1 question:2 model certain}]"},
		{"column users", fmt.Sprint(len(g.ColumnUsers(ref("column", "1/public/orders/status")))), "2"},
		{"column sources", fmt.Sprint(len(g.ColumnSources(ref("model", "1")))), "4"},
		{"cycles", fmt.Sprint(g.Cycles()), "[]"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, test.got, test.want)
		}
	}
	two := &Graph{Edges: []Edge{
		{From: ref("table", "a"), To: ref("question", "1")},
		{From: ref("table", "a"), To: ref("question", "2")},
		{From: ref("question", "1"), To: ref("dashboard", "3")},
		{From: ref("question", "2"), To: ref("dashboard", "3")},
	}}
	if got := two.Paths(ref("table", "a"), ref("dashboard", "3"), 5); len(got) != 2 {
		t.Errorf("paths = %v", got)
	}
	if got := two.Paths(ref("table", "a"), ref("dashboard", "3"), 1); len(got) != 1 {
		t.Errorf("limited paths = %v", got)
	}
}

func TestCycles(t *testing.T) {
	g := Build(context.Background(), shop(
		ask("1", "question", `{"source-table":"card__2"}`),
		ask("2", "question", `{"source-table":"card__3"}`),
		ask("3", "question", `{"source-table":"card__1"}`),
		ask("4", "question", `{"source-table":"card__4"}`),
		ask("5", "question", `{"source-table":"card__4"}`),
	))
	if got, want := fmt.Sprint(g.Cycles()), "[[question:1 question:2 question:3] [question:4]]"; got != want {
		t.Errorf("cycles = %s, want %s", got, want)
	}
	if got := steps(g.Upstream(ref("question", "1"), 0)); got != "1:question:2 2:question:3" {
		t.Errorf("upstream = %s", got)
	}
}

func TestBuildIsDeterministicAndIgnoresOrder(t *testing.T) {
	a, b := big(300), big(300)
	slices.Reverse(b.Questions)
	x, y := Build(context.Background(), catalog.NewIndex(a)), Build(context.Background(), catalog.NewIndex(b))
	if diff := cmp.Diff(lines(x), lines(y)); diff != "" {
		t.Error(diff)
	}
}

func TestCancelledBuildEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if g := Build(ctx, catalog.NewIndex(big(50))); len(g.Edges) != 0 {
		t.Errorf("%d edges", len(g.Edges))
	}
}

// big is an instance of about ten edges per question, half of them built on
// questions.
func big(n int) *catalog.Snapshot {
	s := &catalog.Snapshot{}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1"}})
	const tables, width = 200, 20
	for i := range tables {
		var columns []string
		for c := range width {
			columns = append(columns, fmt.Sprintf("column_%d", c))
		}
		t := table("public", fmt.Sprintf("table_%d", i), int64(i+1), columns...)
		for c, column := range t.Columns {
			column.MetabaseID = int64((i+1)*100 + c)
		}
		s.Add(t)
	}
	for i := range n {
		table := i%tables + 1
		other := (i*7)%tables + 1
		source := fmt.Sprint(table)
		if i%2 == 1 && i > 2 {
			source = fmt.Sprintf(`"card__%d"`, i-1)
		}
		kind := catalog.KindQuestion
		if i%10 == 0 {
			kind = catalog.KindModel
		}
		q := ask(fmt.Sprint(i), kind, fmt.Sprintf(`{"source-table":%s,
		 "joins":[{"alias":"J","source-table":%d,"condition":["=",["field",%d,null],["field",%d,{"join-alias":"J"}]]}],
		 "filter":["and",["=",["field",%d,null],"value"],["time-interval",["field",%d,null],-30,"day"]],
		 "aggregation":[["sum",["field",%d,null]],["count"]],"breakout":[["field",%d,{"temporal-unit":"month"}],["field",%d,{"join-alias":"J"}]]}`,
			source, other, table*100, other*100, table*100+1, table*100+2, table*100+3, table*100+4, other*100+5))
		if i%4 == 0 {
			q = ask(fmt.Sprint(i), kind, fmt.Sprintf(`{"source-table":%d}`, table))
		}
		s.Add(q)
	}
	for i := range n / 10 {
		d := &catalog.Dashboard{Common: catalog.Common{ID: fmt.Sprint(i)}}
		for c := range 10 {
			d.Cards = append(d.Cards, catalog.Dashcard{QuestionID: fmt.Sprint((i*10 + c) % n)})
		}
		s.Add(d)
	}
	return s
}

func BenchmarkBuild10000(b *testing.B) {
	index := catalog.NewIndex(big(10_000))
	b.ReportAllocs()
	for b.Loop() {
		g := Build(context.Background(), index)
		if len(g.Edges)+len(g.ColumnEdges) < 80_000 {
			b.Fatalf("%d + %d edges", len(g.Edges), len(g.ColumnEdges))
		}
		b.ReportMetric(float64(len(g.Edges)+len(g.ColumnEdges)), "edges")
	}
}

func BenchmarkFirstImpact10000(b *testing.B) {
	index := catalog.NewIndex(big(10_000))
	built := Build(context.Background(), index)
	for b.Loop() {
		g := &Graph{Edges: built.Edges, ColumnEdges: built.ColumnEdges, Unresolved: built.Unresolved}
		if len(g.Downstream(ref("column", "1/public/table_0/column_1"), 0)) == 0 {
			b.Fatal("no users")
		}
	}
}
