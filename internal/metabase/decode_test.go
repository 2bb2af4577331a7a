package metabase_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/secret"
)

func questionsOf(t testing.TB, b *bench) (map[string]*catalog.Question, map[string]catalog.Usage, []catalog.Gap) {
	t.Helper()
	out, usage := map[string]*catalog.Question{}, map[string]catalog.Usage{}
	gaps, err := b.Questions(t.Context(), false, func(q *catalog.Question, u catalog.Usage) error {
		if out[q.ID] != nil {
			t.Errorf("question %s was handed over twice", q.ID)
		}
		out[q.ID], usage[q.ID] = q, u
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, usage, gaps
}

// TestOddCards: no oddity of one card costs more than that card's odd field.
func TestOddCards(t *testing.T) {
	legacy := `{"database":2,"type":"query","query":{"source-table":"card__7","filter":["=",["field",51,null],"open"]}}`
	deep := strings.Repeat(`["and",`, 300) + `1` + strings.Repeat(`]`, 300)
	list := []string{
		`{"id":1,"name":"empty query","dataset_query":{}}`,
		`{"id":2,"name":"null query","dataset_query":null}`,
		`{"id":3,"name":"no query"}`,
		`{"id":4,"name":"text query","dataset_query":` + strconv.Quote(legacy) + `}`,
		`{"id":5,"name":"legacy only","dataset_query":{},"legacy_query":` + strconv.Quote(legacy) + `}`,
		`{"id":6,"name":"broken legacy","dataset_query":{},"legacy_query":"{not json"}`,
		`{"id":"7","name":"text id","dataset":true,"collection_id":"12","view_count":"5"}`,
		`{"id":8,"name":8,"description":{"a":1},"archived":"true","dataset_query":[1],"result_metadata":{"a":1},"parameters":"x","visualization_settings":[],"view_count":1e400,"last_used_at":"yesterday","collection_position":1,"cache_ttl":99999999999999}`,
		`{"id":9,"name":"nul\u0000 and bad \ud800 surrogate","dataset_query":{"database":2,"type":"native","native":{"query":"select '\u0000'"}}}`,
		"{\"id\":10,\"name\":\"bad utf8 \xff\xfe\",\"type\":\"metric\"}",
		`{"id":1,"name":"duplicate id"}`,
		`{"name":"no id"}`,
		`null`, `7`, `"x"`, `[]`,
		`{"id":11,"id":11,"name":"a","name":"repeated key"}`,
		`{"id":12,"name":"😀 مرحبا","type":"never-heard-of"}`,
		`{"id":13,"name":"deep","dataset_query":{"database":2,"type":"query","query":{"source-table":10,"filter":` + deep + `}}}`,
		`{"id":14,"name":"mongo","database_id":3,"dataset_query":{"database":3,"type":"native","native":{"query":[{"$match":{"a":"b"}}],"collection":"c"}}}`,
		`{"id":15,"name":"saved questions db","database_id":2,"dataset_query":{"database":-1337,"type":"query","query":{"source-table":"card__4"}}}`,
		`{"id":16,"name":"snake case","dataset_query":{"database":2,"type":"query","query":{"source_table":10,"order_by":[["asc",["field_id",51]]]}}}`,
		`{"id":17,"name":"internal","dataset_query":{"type":"internal","fn":"secret_fn"}}`,
		`{"id":18,"name":"no stages","dataset_query":{"lib/type":"mbql/query","database":2,"stages":[]}}`,
		`{"id":19,"name":"native with stages","dataset_query":{"lib/type":"mbql/query","database":2,"stages":[{"lib/type":"mbql.stage/native","native":"select 1 as n","template-tags":[{"name":"x","type":"text"}]},{"lib/type":"mbql.stage/mbql","aggregation":[["count",{"lib/uuid":"11"}],["sum",{"lib/uuid":"22"},["field",{"lib/uuid":"33"},"n"]]],"order-by":[["desc",{"lib/uuid":"44"},["aggregation",{"lib/uuid":"55"},"22"]]]}]}}`,
		`{"id":20,"name":"nested native","dataset_query":{"database":2,"type":"query","query":{"source-query":{"native":"select 1 as n"},"limit":5}}}`,
	}
	b := open(t, answers{"/api/card": "[" + strings.Join(list, ",\n") + "]"})
	got, usage, gaps := questionsOf(t, b)

	if len(got) != 20 {
		t.Errorf("%d questions, want 20", len(got))
	}
	type seen struct {
		Name, Language, SQL, MBQL, Source string
		Type                              catalog.Kind
	}
	want := map[string]seen{
		"1":  {Name: "empty query", Type: "question"},
		"2":  {Name: "null query", Type: "question"},
		"3":  {Name: "no query", Type: "question"},
		"4":  {Name: "text query", Type: "question", Language: "mbql", Source: "7", MBQL: `{"database":2,"query":{"filter":["=",["field",51,null],"open"],"source-table":"card__7"},"type":"query"}`},
		"5":  {Name: "legacy only", Type: "question", Language: "mbql", Source: "7", MBQL: `{"database":2,"query":{"filter":["=",["field",51,null],"open"],"source-table":"card__7"},"type":"query"}`},
		"6":  {Name: "broken legacy", Type: "question"},
		"7":  {Name: "text id", Type: "model"},
		"8":  {Name: "8", Type: "question"},
		"9":  {Name: "nul and bad \uFFFD surrogate", Type: "question", Language: "sql", SQL: "select ''"},
		"10": {Name: "bad utf8 \uFFFD", Type: "metric"},
		"11": {Name: "repeated key", Type: "question"},
		"12": {Name: "😀 مرحبا", Type: "question"},
		"13": {Name: "deep", Type: "question"},
		"14": {Name: "mongo", Type: "question", Language: "other", SQL: `[{"$match":{"a":"b"}}]`},
		"15": {Name: "saved questions db", Type: "question", Language: "mbql", Source: "4", MBQL: `{"database":2,"query":{"source-table":"card__4"},"type":"query"}`},
		"16": {Name: "snake case", Type: "question", Language: "mbql", MBQL: `{"database":2,"query":{"order-by":[["asc",["field_id",51]]],"source-table":10},"type":"query"}`},
		"17": {Name: "internal", Type: "question"},
		"18": {Name: "no stages", Type: "question"},
		"19": {Name: "native with stages", Type: "question", Language: "mbql", SQL: "select 1 as n", MBQL: `{"database":2,"lib/type":"mbql/query","stages":[{"lib/type":"mbql.stage/native","native":"select 1 as n","template-tags":{"x":{"name":"x","type":"text"}}},{"aggregation":[["count",{}],["sum",{"lib/uuid":"a1"},["field",{},"n"]]],"lib/type":"mbql.stage/mbql","order-by":[["desc",{},["aggregation",{},"a1"]]]}]}`},
		"20": {Name: "nested native", Type: "question", Language: "mbql", SQL: "select 1 as n", MBQL: `{"database":2,"query":{"limit":5,"source-query":{"native":"select 1 as n"}},"type":"query"}`},
	}
	for id, w := range want {
		q := got[id]
		if q == nil {
			t.Errorf("question %s is missing", id)
			continue
		}
		g := seen{Name: q.Name, Type: q.Type, Language: string(q.Query.Language), SQL: q.Query.SQL, MBQL: string(q.Query.MBQL), Source: q.SourceQuestionID}
		if diff := cmp.Diff(w, g); diff != "" {
			t.Errorf("question %s (-want +got):\n%s", id, diff)
		}
		if _, err := json.Marshal(q); err != nil {
			t.Errorf("question %s: %v", id, err)
		}
	}
	if got["7"].CollectionID != "12" || *usage["7"].Views != 5 || usage["8"].Views != nil || !got["8"].Archived || !got["8"].Pinned {
		t.Error("ids and numbers as text were not understood")
	}
	if len(gaps) != 2 || !strings.Contains(gaps[0].Reason, "5 entries were not understood") || !strings.Contains(gaps[1].Reason, "result_metadata") {
		t.Errorf("gaps: %+v", gaps)
	}
	// Reading the same again gives the same.
	again, _, _ := questionsOf(t, b)
	if diff := cmp.Diff(got, again); diff != "" {
		t.Error(diff)
	}
}

// TestRandomIDsDoNotChangeAQuery: Metabase may give clauses new random ids each
// time it converts a query; an unchanged question must stay equal.
func TestRandomIDsDoNotChangeAQuery(t *testing.T) {
	card := `[{"id":1,"name":"q","dataset_query":{"lib/type":"mbql/query","database":2,"stages":[{"lib/type":"mbql.stage/mbql","source-table":5,
		"aggregation":[["count",{"lib/uuid":"UUID1"}],["sum",{"lib/uuid":"UUID2"},["field",{"lib/uuid":"UUID3"},53]]],
		"order-by":[["desc",{"lib/uuid":"UUID4"},["aggregation",{"lib/uuid":"UUID5"},"UUID2"]],["asc",{"lib/uuid":"UUID6"},["aggregation",{"lib/uuid":"UUID7"},"UUID1"]]]}]}}]`
	var texts []string
	for _, prefix := range []string{"x", "zz"} {
		b := open(t, answers{"/api/card": strings.ReplaceAll(card, "UUID", prefix)})
		got, _, _ := questionsOf(t, b)
		texts = append(texts, string(got["1"].Query.MBQL))
	}
	if texts[0] != texts[1] || !strings.Contains(texts[0], `"a2"`) {
		t.Errorf("%s\n%s", texts[0], texts[1])
	}
}

func TestMaskedMBQL(t *testing.T) {
	card := `[{"id":1,"name":"q","database_id":2,"dataset_query":{"database":2,"type":"query","query":{"source-table":5,"limit":50,
		"filter":["and",["=",["field",1,null],"Jane","Bob"],[">",["field",2,null],1042],["time-interval",["field",3,null],-30,"day",{"include-current":true}],["between",["field",4,{"temporal-unit":"month"}],"2024-01-01","2024-02-01"]],
		"expressions":{"tier":["case",[[["=",["field",1,null],"gold"],"A tier"]],{"default":"rest"}]},"aggregation":[["aggregation-options",["count"],{"display-name":"All"}]]}}}]`
	b := open(t, answers{"/api/card": card}, func(c *metabase.Config) { c.MaskLiterals, c.MaskKey = true, secret.New("k") })
	got, _, _ := questionsOf(t, b)
	text := string(got["1"].Query.MBQL)
	for _, gone := range []string{"Jane", "Bob", "1042", "2024-01-01", "gold", "A tier", "rest"} {
		if strings.Contains(text, gone) {
			t.Errorf("%q survived in %s", gone, text)
		}
	}
	for _, kept := range []string{`["time-interval",["field",3,null],-30,"day",{"include-current":true}]`, `"limit":50`, `"temporal-unit":"month"`, `"tier"`, `"case"`, `"between"`, `"display-name":"All"`} {
		if !strings.Contains(text, kept) {
			t.Errorf("%q is missing in %s", kept, text)
		}
	}
	if !got["1"].Query.Masked {
		t.Error("the query does not say that it is masked")
	}
}

func TestOldDashboards(t *testing.T) {
	b := open(t, answers{"/api/dashboard/3": `{"id":3,"name":"Old","ordered_tabs":[{"id":2,"name":"B","position":1},{"id":1,"name":"A","position":0}],
		"ordered_cards":[{"id":21,"card_id":"5","sizeX":4,"sizeY":"3","row":null,"series":null,"visualization_settings":{}},{"id":20,"card_id":6,"card":{"id":6},"size_x":1,"size_y":1},{"id":21},{"x":1},
		{"id":22,"card_id":null,"visualization_settings":{"virtual_card":{"display":"text"},"text":"secret"}},{"id":23,"card_id":5,"card":{"id":5,"dataset_query":{},"query_average_duration":12.5}}]}`})
	d, gaps, err := b.Dashboard(t.Context(), "3")
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.Dashcard{
		{ID: "20", QuestionID: "6", Width: 1, Height: 1, QuestionRefused: true},
		{ID: "21", QuestionID: "5", Width: 4, Height: 3},
		{ID: "22", Virtual: "text"},
		{ID: "23", QuestionID: "5"},
	}
	if diff := cmp.Diff(want, d.Dashboard.Cards); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if d.Dashboard.Tabs[0].Name != "A" || d.QueryMillis["5"] != 12.5 || len(gaps) != 1 {
		t.Errorf("%+v %v", d, gaps)
	}
}

func TestSchema(t *testing.T) {
	b := open(t, answers{
		"/api/database": `[{"id":2,"name":"Shop","engine":"postgres"},{"id":-1337,"name":"Saved Questions","engine":"virtual"}]`,
		"/api/database/2/metadata": `{"tables":[
			{"id":10,"db_id":2,"schema":"pub/lic","name":"orders","active":true,"visibility_type":null,"view_count":4,"fields":[
				{"id":1,"name":"id","semantic_type":"type/PK","active":true},
				{"id":2,"name":"customer_id","fk_target_field_id":11},
				{"id":3,"name":"old","active":false},{"id":4,"name":"old","active":true},
				{"id":5,"name":"doc"},{"id":6,"name":"a.b","parent_id":5},{"id":7,"name":"self","parent_id":7}]},
			{"id":12,"db_id":2,"schema":null,"name":"people","fields":[{"id":11,"name":"id","database_is_nullable":false,"database_indexed":true}]},
			{"id":10,"db_id":2,"schema":"pub/lic","name":"orders"},{"id":99},
			{"id":13,"db_id":2,"schema":null,"name":"people","active":false,"fields":[]}]}`,
		"/api/table/77": `{"id":77,"db_id":2,"schema":"public","name":"gone","active":false,"db":{"details":{"host":"secret"}}}`,
		"/api/card":     `[{"id":1,"name":"q","database_id":2,"table_id":77,"dataset_query":{},"result_metadata":[{"name":"id","id":11},{"name":"x","id":555,"table_id":77}]}]`,
	})
	databases, _, err := b.Databases(t.Context())
	if err != nil || len(databases) != 1 {
		t.Fatal(databases, err)
	}
	tables, usage, gaps, err := b.Schema(t.Context(), "2")
	if err != nil || len(gaps) != 1 || len(tables) != 2 {
		t.Fatal(asJSON(t, tables), gaps, err)
	}
	var ids []string
	for _, table := range tables {
		for _, c := range table.Columns {
			ids = append(ids, c.ID+" → "+c.FKTargetID+"^"+c.ParentID)
		}
	}
	want := []string{
		"2/pub%2Flic/orders/id → ^", "2/pub%2Flic/orders/customer_id → 2//people/id^", "2/pub%2Flic/orders/old → ^",
		"2/pub%2Flic/orders/doc → ^", "2/pub%2Flic/orders/doc.a.b → ^2/pub%2Flic/orders/doc", ids[5], "2//people/id → ^",
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if *usage[tables[0].Ref()].Views != 4 || tables[0].Columns[2].MetabaseID != 4 || tables[1].Inactive {
		t.Error("usage or the choice between columns of one name is wrong")
	}
	got, _, _ := questionsOf(t, b)
	if q := got["1"]; q.TableID != "2//#77" || q.ResultColumns[0].ColumnID != "2//people/id" || q.ResultColumns[1].ColumnID != "2//#77/#555" {
		t.Errorf("%s", asJSON(t, q))
	}
	gone, gaps, err := b.TableByNumber(t.Context(), 77)
	if err != nil || len(gaps) > 0 || !gone.Inactive || !gone.ColumnsUnread || gone.ID != "2/public/gone" {
		t.Fatal(asJSON(t, gone), gaps, err)
	}
	if b.Resolve(got["1"]); got["1"].TableID != "2/public/gone" {
		t.Errorf("after the table became known: %s", got["1"].TableID)
	}
	if none, gaps, err := b.TableByNumber(t.Context(), 78); none != nil || len(gaps) != 1 || err != nil {
		t.Error(none, gaps, err)
	}
}

func TestItemsPaging(t *testing.T) {
	item := func(i int) string { return fmt.Sprintf(`{"id":%d,"model":"card","name":"q"}`, i) }
	page := func(from, to int) string {
		var rows []string
		for i := from; i < to; i++ {
			rows = append(rows, item(i))
		}
		return `{"total":null,"data":[` + strings.Join(rows, ",") + `]}`
	}
	for _, tc := range []struct {
		name     string
		handler  func(offset int) string
		items    int
		requests int64
	}{
		{"short page ends it", func(int) string { return page(0, 3) }, 3, 1},
		{"empty collection without total", func(int) string { return `{"total":null,"data":[]}` }, 0, 1},
		{"bare list", func(int) string { return `[` + item(1) + `]` }, 1, 1},
		{"two pages", func(offset int) string { return page(offset, min(offset+200, 250)) }, 250, 2},
		{"exactly full", func(offset int) string { return page(offset, min(offset+200, 400)) }, 400, 3},
		{"server ignores paging", func(int) string { return page(0, 500) }, 500, 2},
		{"shifting rows", func(offset int) string { from := max(0, offset-5); return page(from, min(from+200, 300)) }, 300, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var n atomic.Int64
			b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
				jsonReply(w, tc.handler(offset))
			}))
			items, gaps, err := b.Items(t.Context(), "root")
			if err != nil || len(gaps) > 0 || len(items) != tc.items || n.Load() != tc.requests {
				t.Errorf("%d items in %d requests, want %d in %d (%v %v)", len(items), n.Load(), tc.items, tc.requests, gaps, err)
			}
		})
	}
}

func TestItemsSpelling(t *testing.T) {
	for _, tc := range []struct {
		version string
		strict  bool
		want    []string
	}{
		{"v0.58.0", false, []string{"show_dashboard_questions"}},
		{"v0.64.0", false, []string{"show-dashboard-questions"}},
		{"vUNKNOWN", false, []string{"show-dashboard-questions+show_dashboard_questions"}},
		{"vUNKNOWN", true, []string{"show-dashboard-questions+show_dashboard_questions", "show-dashboard-questions"}},
	} {
		t.Run(tc.version, func(t *testing.T) {
			var asked []string
			b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/api/session/properties":
					jsonReply(w, properties(tc.version))
				case "/api/user/current":
					jsonReply(w, adminUser)
				default:
					var keys []string
					for _, k := range []string{"show-dashboard-questions", "show_dashboard_questions"} {
						if r.URL.Query().Get(k) == "true" {
							keys = append(keys, k)
						}
					}
					asked = append(asked, strings.Join(keys, "+"))
					if tc.strict && len(keys) > 1 {
						w.WriteHeader(http.StatusBadRequest)
						return
					}
					jsonReply(w, `[]`)
				}
			}))
			b.identify(t)
			if _, gaps, err := b.Items(t.Context(), "5"); err != nil || len(gaps) > 0 {
				t.Fatal(gaps, err)
			}
			if diff := cmp.Diff(tc.want, asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCollectionsAndWhatIsLeftOut(t *testing.T) {
	world := answers{
		"/api/session/properties": properties("v0.58.0"), "/api/user/current": adminUser,
		"/api/collection?exclude-other-user-collections=true": `[{"id":"root","name":"Unsere Analysen"},{"id":1,"name":"Sales","location":"/","authority_level":"official","entity_id":"AAAAAAAAAAAAAAAAAAAAA"},{"id":2,"name":"Deep","location":"/1/"},
			{"id":3,"name":"HR","location":"/"},{"id":4,"name":"HR sub","location":"/3/"},{"id":5,"name":"Ada's Personal Collection","location":"/","personal_owner_id":1},{"id":6,"name":"mine","location":"/5/","is_personal":true}]`,
		"/api/collection?archived=true&exclude-other-user-collections=true": `[{"id":9,"name":"Trashed","location":"/","archived":true}]`,
		"/api/collection?namespace=snippets":                                `[{"id":"root","name":"Top folder"},{"id":7,"name":"Folder","location":"/","namespace":"snippets"}]`,
		"/api/card": `[{"id":1,"name":"a","collection_id":2},{"id":2,"name":"b","collection_id":4},{"id":3,"name":"c","collection_id":6},{"id":4,"name":"d","collection_id":77},
			{"id":5,"name":"e","collection_id":null},{"id":6,"name":"f","collection_id":88,"collection":{"id":88,"personal_owner_id":9,"is_personal":true}},{"id":7,"name":"g","collection_id":9},
			{"id":8,"name":"h","collection_id":90,"collection":{"id":90,"name":"Tenants","location":"/","is_personal":false}}]`,
		"/api/dashboard":        `[{"id":1,"name":"x","collection_id":4},{"id":2,"name":"y","collection_id":1},{"id":3,"name":"z","collection_id":88}]`,
		"/api/collection/graph": `{"revision":1,"groups":{"1":{"root":"read","3":"read","5":"write","2":"none"}}}`,
	}
	b := open(t, world, func(c *metabase.Config) { c.Exclude = []string{"3"} })
	b.identify(t)
	list, gaps, err := b.Collections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range list {
		ids = append(ids, c.ID+"<"+c.ParentID)
		if c.PersonalOwnerID != "" && c.Name != "Personal collection" {
			t.Errorf("the name of personal collection %s is told: %q", c.ID, c.Name)
		}
	}
	if diff := cmp.Diff([]string{"root<", "1<root", "2<1", "5<root", "9<root", "7<root"}, ids); diff != "" {
		t.Error(diff)
	}
	odd := open(t, world, func(c *metabase.Config) { c.Exclude = []string{"3", "33"} })
	odd.identify(t)
	if _, more, err := odd.Collections(t.Context()); err != nil || len(more) != 3 || more[0].What != "excluded collection 33" || more[0].Expected {
		t.Errorf("an exclusion that fits nothing: %+v %v", more, err)
	}
	if len(gaps) != 2 || !gaps[0].Expected || !gaps[1].Expected || list[0].Name != "Unsere Analysen" {
		t.Errorf("%+v %s", gaps, list[0].Name)
	}
	got, _, gaps := questionsOf(t, b)
	if len(gaps) != 1 || !gaps[0].Expected || !strings.HasPrefix(gaps[0].Reason, "4 lie in collections") {
		t.Errorf("%+v", gaps)
	}
	var kept []string
	for _, id := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		if got[id] != nil {
			kept = append(kept, id)
		}
	}
	if diff := cmp.Diff([]string{"1", "5", "7", "8"}, kept); diff != "" {
		t.Errorf("questions: %s", diff)
	}
	heads, _, err := b.DashboardHeads(t.Context(), false)
	if err != nil || len(heads) != 1 || heads[0].Dashboard.ID != "2" || !heads[0].Dashboard.DetailUnread {
		t.Errorf("%s %v", asJSON(t, heads), err)
	}
	access, _, err := b.CollectionAccess(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]map[string]string{"1": {"root": "read"}}, access); diff != "" {
		t.Error(diff)
	}
}

func TestDataAccess(t *testing.T) {
	b := open(t, answers{
		"/api/database/2/metadata": `{"tables":[{"id":10,"db_id":2,"schema":"public","name":"orders"}]}`,
		"/api/permissions/graph": `{"revision":3,"groups":{
			"1":{"2":{"view-data":"unrestricted","create-queries":{"public":{"10":"query-builder","11":"no"},"raw":"query-builder-and-native"}}},
			"2":{"2":{"data":{"native":"write","schemas":"all"}},"3":{"data":{"schemas":{"public":"all","raw":{"10":"segmented"}}}},"4":{"data":{"native":"none","schemas":"none"}},"5":{"data":{"schemas":"block"}}}}}`,
	})
	if _, _, _, err := b.Schema(t.Context(), "2"); err != nil {
		t.Fatal(err)
	}
	got, gaps, err := b.DataAccess(t.Context())
	if err != nil || len(gaps) > 0 {
		t.Fatal(gaps, err)
	}
	want := []catalog.DataGrant{
		{GroupID: "1", DatabaseID: "2", ViewData: "unrestricted"},
		{GroupID: "1", DatabaseID: "2", Schema: "public", TableID: "2//#11", CreateQueries: "no"},
		{GroupID: "1", DatabaseID: "2", Schema: "public", TableID: "2/public/orders", CreateQueries: "query-builder"},
		{GroupID: "1", DatabaseID: "2", Schema: "raw", CreateQueries: "query-builder-and-native"},
		{GroupID: "2", DatabaseID: "2", ViewData: "unrestricted", CreateQueries: "query-builder-and-native"},
		{GroupID: "2", DatabaseID: "3", Schema: "public", ViewData: "unrestricted", CreateQueries: "query-builder"},
		{GroupID: "2", DatabaseID: "3", Schema: "raw", TableID: "2/public/orders", ViewData: "sandboxed", CreateQueries: "query-builder"},
		{GroupID: "2", DatabaseID: "4", ViewData: "legacy-no-self-service", CreateQueries: "no"},
		{GroupID: "2", DatabaseID: "5", ViewData: "blocked", CreateQueries: "no"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDeliveries(t *testing.T) {
	b := open(t, answers{
		"/api/session/properties": properties("v0.50.0"), "/api/user/current": adminUser,
		"/api/user":  `{"data":[{"id":1,"common_name":"Ada","is_active":true},{"id":2,"common_name":"bob@x.example","is_active":false}]}`,
		"/api/pulse": `[{"id":1,"name":"P","creator_id":2,"dashboard_id":5,"channels":[{"recipients":[{"id":1,"email":"a@x"},{"email":"b@y"},{"id":99,"email":"c@z"}],"channel_type":"email","schedule_type":"weekly","schedule_day":"mon","schedule_hour":8},{"channel_type":"slack","enabled":false,"details":{"channel":"#a"},"recipients":[]}]}]`,
		"/api/alert": `[{"id":2,"creator_id":1,"card":{"id":7,"name":"Q"},"alert_condition":"goal","alert_above_goal":false,"channels":[{"channel_type":"email","schedule_type":"monthly","schedule_frame":"first","schedule_day":"tue","schedule_hour":6,"recipients":[]}]}]`,
	})
	b.identify(t)
	people, _, err := b.People(t.Context())
	if err != nil || people[1].Name != "Person 2" {
		t.Fatal(asJSON(t, people), err)
	}
	subs, _, err := b.Subscriptions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.Delivery{
		{Channel: "email", Enabled: true, Schedule: "weekly mon 08:00", Recipients: 3, ExternalRecipients: 2},
		{Channel: "slack", Recipients: 1},
	}
	if diff := cmp.Diff(want, subs[0].Deliveries); diff != "" || *subs[0].OwnerActive {
		t.Errorf("%s %v", diff, *subs[0].OwnerActive)
	}
	alerts, _, err := b.Alerts(t.Context())
	if err != nil || alerts[0].Condition != "goal_below" || alerts[0].Deliveries[0].Schedule != "monthly first tue 06:00" || !*alerts[0].OwnerActive {
		t.Errorf("%s %v", asJSON(t, alerts), err)
	}
}

// generated streams a list of n cards without holding it.
type generated struct {
	n, sent int
	card    []byte
	rest    []byte
}

func (g *generated) Read(p []byte) (int, error) {
	for len(g.rest) == 0 {
		switch {
		case g.sent == g.n:
			g.sent++
			g.rest = []byte("]")
		case g.sent > g.n:
			return 0, io.EOF
		default:
			head := ","
			if g.sent == 0 {
				head = "["
			}
			g.sent++
			g.rest = append([]byte(head+`{"id":`+strconv.Itoa(g.sent)+`,"name":"card",`), g.card...)
		}
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

func bigCard(size int) []byte {
	column := `{"name":"c","display_name":"C","base_type":"type/Text","fingerprint":{"global":{"distinct-count":5,"nil%":0.1},"type":{"type/Text":{"average-length":12.5}}}},`
	columns := strings.Repeat(column, size*2/3/len(column))
	sql := strings.Repeat("select a, b from t where c = 1 -- x\\n", size/3/36)
	return []byte(`"dataset_query":{"database":2,"type":"native","native":{"query":"` + sql + `"}},"result_metadata":[` + strings.TrimSuffix(columns, ",") + `],"view_count":3}`)
}

// TestMemoryStaysBounded streams a list of 100 MB and looks at the heap on the way.
func TestMemoryStaysBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("100 MB")
	}
	size := 100_000_000
	if raceEnabled {
		size /= 5 // the race detector makes it slow; the bound stays
	}
	card := bigCard(10_000)
	count := size / len(card)
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, &generated{n: count, card: card})
	}))
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	seen, most := 0, uint64(0)
	gaps, err := b.Questions(t.Context(), false, func(q *catalog.Question, _ catalog.Usage) error {
		seen++
		if seen%1000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return nil
	})
	if err != nil || len(gaps) > 0 || seen != count {
		t.Fatalf("%d of %d questions, %v, %v", seen, count, gaps, err)
	}
	if grown := int64(most) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the heap grew by %d MB while %d MB streamed by", grown>>20, size/1_000_000)
	}
	if bytes := b.Stats().Bytes; bytes < int64(size)*99/100 {
		t.Errorf("%d bytes counted", bytes)
	}
}

func BenchmarkQuestions(bm *testing.B) {
	card := bigCard(10_000)
	const count = 1000
	b := open(bm, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, &generated{n: count, card: card})
	}))
	bm.SetBytes(int64(count * len(card)))
	bm.ReportAllocs()
	for bm.Loop() {
		if _, err := b.Questions(bm.Context(), false, func(*catalog.Question, catalog.Usage) error { return nil }); err != nil {
			bm.Fatal(err)
		}
	}
}
