package sqllineage_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/sqllint"
)

func hasher(key string) func(data ...[]byte) sqllineage.Hash {
	return func(data ...[]byte) sqllineage.Hash {
		mac := hmac.New(sha256.New, []byte(key))
		for _, d := range data {
			mac.Write(d)
		}
		return sqllineage.Hash(mac.Sum(nil))
	}
}

// results are what a store would keep.
type results map[sqllineage.Hash][]byte

// run builds the graph with what earlier runs kept, as another process would,
// and checks that it is the graph of a build that knows nothing.
func (r results) run(t testing.TB, s *catalog.Snapshot, options ...sqllineage.Option) (parsed int) {
	t.Helper()
	return r.runKeyed(t, s, "key", options...)
}

func (r results) runKeyed(t testing.TB, s *catalog.Snapshot, key string, options ...sqllineage.Option) (parsed int) {
	t.Helper()
	session := sqllineage.New(options...).Session(hasher(key))
	for h, b := range r {
		session.Add(h, bytes.Clone(b))
	}
	index := catalog.NewIndex(s)
	got := lineage.Build(context.Background(), index, lineage.WithSQL(session))
	want := lineage.Build(context.Background(), index, lineage.WithSQL(sqllineage.New()))
	if diff := cmp.Diff(want.Edges, got.Edges) + cmp.Diff(want.ColumnEdges, got.ColumnEdges) + cmp.Diff(want.Unresolved, got.Unresolved); diff != "" {
		t.Errorf("kept results give another graph (-want +got)\n%s", diff)
	}
	parsed = session.Parsed()
	compareRemarks(t, index, session)
	for h := range r {
		if !session.Used(h) {
			delete(r, h)
		}
	}
	session.Fresh(func(h sqllineage.Hash, b []byte) { r[h] = bytes.Clone(b) })
	return parsed
}

// compareRemarks checks that a session remarks what an analyzer does that knows
// nothing.
func compareRemarks(t testing.TB, index *catalog.Index, session *sqllineage.Session) (remarks int) {
	t.Helper()
	alone := sqllineage.New()
	reader := lineage.NewReader(index, lineage.WithSQL(session))
	for _, q := range index.Snapshot().Questions {
		in, _, ok := reader.SQL(context.Background(), q.Ref())
		if !ok {
			continue
		}
		want, got := alone.Lint(context.Background(), in), session.Lint(context.Background(), in)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("kept remarks on %q are others (-want +got)\n%s", in.SQL, diff)
		}
		remarks += len(got.Remarks)
	}
	return remarks
}

// TestRemarksNeedNoReading: once the graph is built, remarks are known.
func TestRemarksNeedNoReading(t *testing.T) {
	for name, session := range map[string]*sqllineage.Session{
		"kept for a store": sqllineage.New().Session(hasher("key")), "for one analysis": sqllineage.New().Scratch(),
	} {
		index := catalog.NewIndex(native())
		lineage.Build(context.Background(), index, lineage.WithSQL(session))
		if n := compareRemarks(t, index, session); n < 5 {
			t.Errorf("%s: only %d remarks", name, n)
		}
		if n := session.Parsed(); n != 7 {
			t.Errorf("%s: %d texts were parsed, want each once", name, n)
		}
	}
	compareRemarks(t, catalog.NewIndex(native()), sqllineage.New().Session(nil))
}

// native is an instance with every way a text depends on its surroundings.
func native() *catalog.Snapshot {
	tag := func(name, typ string) catalog.TemplateTag { return catalog.TemplateTag{Name: name, Type: typ} }
	created := tag("created", "dimension")
	created.Dimension = json.RawMessage(`["field",1,null]`)
	anyTable := tag("t", "table")
	anyTable.TableRef = json.RawMessage(`2`)
	orders, users := table("public", "orders", "id", "user_id", "total", "status"), table("public", "users", "id", "email")
	orders.Columns[0].MetabaseID, orders.Columns[3].MetabaseID = 1, 4
	users.MetabaseID = 2
	s := &catalog.Snapshot{
		Databases: []*catalog.Database{{Common: catalog.Common{ID: "1", Name: "shop"}, Engine: "postgres"}},
		Tables:    []*catalog.Table{orders, users, table("audit", "orders", "id", "actor"), table("public", "unused", "x")},
		Snippets:  []*catalog.Snippet{{Common: catalog.Common{ID: "1", Name: "paid"}, SQL: "status = 'paid'"}},
		Questions: []*catalog.Question{
			sql("1", `SELECT o.total, * FROM orders o JOIN users u ON u.id = o.user_id`),
			sql("2", `SELECT total FROM orders WHERE {{snippet: paid}} [[AND {{created}}]]`, created),
			sql("3", `SELECT revenue, q.* FROM {{#1-first}} q, {{t}}`, anyTable),
			sql("4", `SELECT a FROM nowhere; SELECT email FROM public.USERS`),
			sql("5", `SELECT actor, total FROM audit.orders`),
			sql("6", `SELECT FROM ((( WHERE`),
			sql("7", `SELECT id FROM unused WHERE x = NULL OR date(x) = '2020-01-01' OR x NOT IN (SELECT x FROM unused)`),
		},
	}
	return s
}

func TestKeptResults(t *testing.T) {
	cases := []struct {
		name    string
		change  func(s *catalog.Snapshot)
		options []sqllineage.Option
		key     string
		parsed  int
	}{
		{name: "nothing"},
		{name: "a name and a description", change: func(s *catalog.Snapshot) {
			s.Questions[0].Name, s.Questions[0].Description, s.Tables[0].Description = "x", "y", "z"
		}},
		{name: "one text", change: func(s *catalog.Snapshot) { s.Questions[3].Query.SQL += " LIMIT 1" }, parsed: 1},
		{name: "a table that nobody names", change: func(s *catalog.Snapshot) { s.Tables = append(s.Tables, table("public", "new", "n")) }},
		{name: "a column of a table that one text reads", change: func(s *catalog.Snapshot) { s.Tables[3] = table("public", "unused", "x", "id") }, parsed: 1},
		{name: "a table of the same name in another schema", change: func(s *catalog.Snapshot) { s.Tables = append(s.Tables, table("other", "unused", "id")) }, parsed: 1},
		// A new column of the first question is a new column for the third.
		{name: "a column of a table that many read", change: func(s *catalog.Snapshot) {
			s.Tables[0].Columns = append(s.Tables[0].Columns, &catalog.Column{ID: "1/public/orders/fresh", Name: "fresh"})
		}, parsed: 4},
		{name: "the missing table comes", change: func(s *catalog.Snapshot) { s.Tables = append(s.Tables, table("public", "Nowhere", "a")) }, parsed: 1},
		{name: "a table goes", change: func(s *catalog.Snapshot) { s.Tables = s.Tables[:3] }, parsed: 1},
		{name: "a snippet", change: func(s *catalog.Snapshot) { s.Snippets[0].SQL = "total > 3" }, parsed: 1},
		{name: "what a tag means", change: func(s *catalog.Snapshot) {
			s.Questions[1].Query.Tags[0].Dimension = json.RawMessage(`["field",4,null]`)
		}, parsed: 1},
		{name: "what kind a tag is", change: func(s *catalog.Snapshot) { s.Questions[1].Query.Tags[0].Type = "text" }, parsed: 1},
		{name: "columns of a referenced question", change: func(s *catalog.Snapshot) { s.Questions[0].Query.SQL = "SELECT total AS revenue FROM orders" }, parsed: 2},
		{name: "columns are not known any more", change: func(s *catalog.Snapshot) { s.Tables[2].ColumnsUnread = true }, parsed: 3},
		{name: "whether a column may be empty", change: func(s *catalog.Snapshot) { no := false; s.Tables[3].Columns[0].Nullable = &no }, parsed: 1},
		{name: "the type of a column", change: func(s *catalog.Snapshot) { s.Tables[3].Columns[0].BaseType = "type/Date" }, parsed: 1},
		{name: "the type of a field filter's column", change: func(s *catalog.Snapshot) { s.Tables[0].Columns[0].BaseType = "type/Date" }, parsed: 3},
		{name: "a table wants a filter", change: func(s *catalog.Snapshot) { s.Tables[3].RequireFilter = true }, parsed: 1},
		{name: "another engine", change: func(s *catalog.Snapshot) { s.Databases[0].Engine = "mysql" }, parsed: 7},
		{name: "another program", options: []sqllineage.Option{sqllineage.WithVersion("2")}, parsed: 7},
		{name: "another organization", key: "other", parsed: 7},
		{name: "no room in memory", options: []sqllineage.Option{sqllineage.WithCacheBytes(10)}, parsed: 7},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			kept := results{}
			if n := kept.run(t, native()); n != 7 || len(kept) != 7 {
				t.Fatalf("the first run parsed %d texts and kept %d results", n, len(kept))
			}
			s := native()
			if tt.change != nil {
				tt.change(s)
			}
			key := tt.key
			if key == "" {
				key = "key"
			}
			if n := kept.runKeyed(t, s, key, tt.options...); n != tt.parsed {
				t.Errorf("%d texts were parsed, want %d", n, tt.parsed)
			}
			if len(kept) != 7 {
				t.Errorf("%d results are kept", len(kept))
			}
			if tt.options == nil {
				if n := kept.runKeyed(t, s, key); n != 0 {
					t.Errorf("%d texts were parsed again", n)
				}
			}
		})
	}
}

// TestKeptResultsAreAlwaysRight changes snapshots at random: whatever was kept,
// the graph is that of a build from nothing.
func TestKeptResultsAreAlwaysRight(t *testing.T) {
	texts := []string{
		`SELECT * FROM orders`, `SELECT x, total FROM t`, `SELECT a.x FROM s1.t a JOIN s2.t b USING (x)`, `SELECT "T".x FROM "T"`,
		`SELECT x FROM {{#1}}`, `SELECT {{snippet: paid}} FROM orders`, `WITH t AS (SELECT 1 x) SELECT x FROM t`, `SELECT t.c.x FROM t, t.c`,
		`SELECT x FROM s1.t WHERE x IN (SELECT y FROM u)`, `DELETE FROM t USING u WHERE t.x = u.x`,
	}
	rapid.Check(t, func(rt *rapid.T) {
		kept := results{}
		s := native()
		for range rapid.IntRange(2, 5).Draw(rt, "scans") {
			for range rapid.IntRange(0, 3).Draw(rt, "changes") {
				switch rapid.IntRange(0, 5).Draw(rt, "what") {
				case 0, 1:
					i := rapid.IntRange(0, len(s.Questions)-1).Draw(rt, "question")
					s.Questions[i] = sql(s.Questions[i].ID, rapid.SampledFrom(texts).Draw(rt, "text"))
				case 2, 3:
					name := rapid.SampledFrom([]string{"t", "T", "u", "orders", "c"}).Draw(rt, "name")
					schema := rapid.SampledFrom([]string{"public", "s1", "s2", ""}).Draw(rt, "schema")
					columns := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "total", "c", "X"}), 0, 4, rapid.ID).Draw(rt, "columns")
					fresh := table(schema, name, columns...)
					s.Tables = append(slices.DeleteFunc(s.Tables, func(o *catalog.Table) bool { return o.ID == fresh.ID }), fresh)
				case 4:
					if len(s.Tables) > 0 {
						i := rapid.IntRange(0, len(s.Tables)-1).Draw(rt, "table")
						s.Tables = slices.Delete(s.Tables, i, i+1)
					}
				case 5:
					s.Databases[0].Engine = rapid.SampledFrom([]string{"postgres", "mysql", "bigquery-cloud-sdk", "snowflake", "mongo"}).Draw(rt, "engine")
				}
			}
			s.Sort()
			kept.run(t, s)
			if t.Failed() {
				rt.FailNow()
			}
		}
	})
}

// TestNoFieldIsLost fails when a field is added that kept results do not have.
func TestNoFieldIsLost(t *testing.T) {
	fields := map[reflect.Type]int{
		reflect.TypeFor[lineage.SQLAnalysis]():   4,
		reflect.TypeFor[lineage.SQLTable]():      3,
		reflect.TypeFor[lineage.SQLColumn]():     5,
		reflect.TypeFor[lineage.SQLOutput]():     3,
		reflect.TypeFor[lineage.SQLUnresolved](): 4,
		reflect.TypeFor[lineage.SQLInput]():      3,
		reflect.TypeFor[lineage.SQLSchema]():     3,
		reflect.TypeFor[lineage.SQLTag]():        8,
		reflect.TypeFor[lineage.TagUse]():        6,
		reflect.TypeFor[sqllint.Result]():        4,
		reflect.TypeFor[sqllint.Remark]():        4,
		reflect.TypeFor[sqllint.Subquery]():      3,
		reflect.TypeFor[sqllint.Tag]():           2,
		// What a sign is made of, and what no result depends on.
		reflect.TypeFor[catalog.Table]():  15,
		reflect.TypeFor[catalog.Column](): 22,
	}
	for typ, n := range fields {
		if typ.NumField() != n {
			t.Errorf("%s has %d fields, session.go and encode.go know %d: teach them and raise form", typ, typ.NumField(), n)
		}
	}
}

func TestDamagedResultsAreParsedAgain(t *testing.T) {
	kept := results{}
	kept.run(t, native())
	for h, b := range kept {
		for i := range b {
			damaged := results{h: append(bytes.Clone(b[:i]), bytes.Repeat([]byte{0xff}, 9)...)}
			damaged.run(t, native())
		}
		break
	}
	for h := range kept {
		kept[h] = nil
	}
	if n := kept.run(t, native()); n != 7 {
		t.Errorf("%d texts were parsed, want all", n)
	}
}

func TestBuildForgetsSchemas(t *testing.T) {
	a := sqllineage.New()
	for range 3 {
		lineage.Build(context.Background(), catalog.NewIndex(native()), lineage.WithSQL(a))
	}
	if text := fmt.Sprintf("%+v", a); !strings.Contains(text, "schemas:map[]") {
		t.Errorf("the analyzer holds on to a snapshot: %s", text)
	}
}

func BenchmarkKeptResults(b *testing.B) {
	s := native()
	for i := range 2000 {
		s.Questions = append(s.Questions, sql(fmt.Sprint(100+i), fmt.Sprintf("SELECT o.total, u.email, %d FROM orders o JOIN users u ON u.id = o.user_id %s", i, strings.Repeat("AND o.status <> 'x'\n", 60))))
	}
	kept := results{}
	kept.run(b, s)
	b.ReportAllocs()
	for b.Loop() {
		session := sqllineage.New().Session(hasher("key"))
		for h, body := range kept {
			session.Add(h, body)
		}
		lineage.Build(context.Background(), catalog.NewIndex(s), lineage.WithSQL(session))
		if session.Parsed() > 0 {
			b.Fatal("parsed")
		}
	}
}
