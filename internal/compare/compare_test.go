package compare_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/compare"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

// state is a small Metabase; offset shifts all its numbers, as another instance
// with the same content has them.
func state(offset int, url string) *catalog.Snapshot {
	id := func(n int) string { return fmt.Sprint(n + offset) }
	database := id(1)
	orders := catalog.TableID(database, "public", "orders")
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	s := &catalog.Snapshot{
		Instance: catalog.Instance{URL: url, Version: "v0.58.2"}, StartedAt: at, FinishedAt: at,
		Databases:   []*catalog.Database{{Common: catalog.Common{ID: database, Name: "Warehouse"}, Engine: "postgres"}},
		Collections: []*catalog.Collection{{Common: catalog.Common{ID: id(7), EntityID: "collection_entity_id_", Name: "Sales"}, ParentID: "root"}},
		Tables: []*catalog.Table{{
			Common: catalog.Common{ID: orders, Name: "orders"}, MetabaseID: int64(5 + offset), DatabaseID: database, Schema: "public",
			Columns: []*catalog.Column{
				{ID: catalog.ColumnID(orders, "id"), MetabaseID: int64(51 + offset), Name: "id", DatabaseType: "int4", BaseType: "type/Integer"},
				{ID: catalog.ColumnID(orders, "total"), MetabaseID: int64(52 + offset), Name: "total", DatabaseType: "numeric", BaseType: "type/Decimal"},
			},
		}},
		Questions: []*catalog.Question{
			{
				Common: catalog.Common{ID: id(1), EntityID: "question_entity_id_1", Name: "Totals"}, Type: catalog.KindQuestion, DatabaseID: database, CollectionID: id(7),
				Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: database, SQL: "select id,\n  total\nfrom orders\nwhere total > 0\norder by id"},
			},
			{
				Common: catalog.Common{ID: id(2), EntityID: "question_entity_id_2", Name: "On totals"}, Type: catalog.KindQuestion, DatabaseID: database, CollectionID: id(7),
				Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: database, SQL: "select * from {{#" + id(1) + "-totals}}"},
			},
			{
				Common: catalog.Common{ID: id(3), EntityID: "question_entity_id_3", Name: "Count"}, Type: catalog.KindQuestion, DatabaseID: database, CollectionID: id(7), TableID: orders,
				Query: catalog.Query{
					Language: catalog.LanguageMBQL, DatabaseID: database, Dialect: "mbql4",
					MBQL: json.RawMessage(`{"database":` + database + `,"type":"query","query":{"source-table":` + id(5) + `,"aggregation":[["sum",["field",` + id(52) + `,null]]]}}`),
				},
			},
		},
		Dashboards: []*catalog.Dashboard{{
			Common: catalog.Common{ID: id(1), EntityID: "dashboard_entity_id_", Name: "Board"}, CollectionID: id(7),
			Cards: []catalog.Dashcard{{ID: id(90), QuestionID: id(1), Width: 6, Height: 4}},
		}},
	}
	s.Sort()
	return s
}

func index(s *catalog.Snapshot) *catalog.Index { return catalog.NewIndex(s) }

func judged(s *catalog.Snapshot, by compare.Matching, name string, checks ...string) *compare.Side {
	side := compare.Snapshot(s, by)
	side.Name, side.Source = name, compare.FromScan
	var list []finding.Finding
	for _, c := range checks {
		r := s.Questions[0].Ref()
		list = append(list, finding.Finding{Check: c, Fingerprint: finding.Fingerprint(c, r, ""), Severity: finding.High, Confidence: finding.Certain, Asset: r, Message: "message of " + c})
	}
	side.Judge(index(s), list)
	return side
}

// edited is the state after some work.
func edited(offset int, url string) *catalog.Snapshot {
	s := state(offset, url)
	s.Questions[0].Query.SQL = "select id,\n  total\nfrom orders\nwhere total > 100\norder by id"
	s.Questions[0].Name = "Big | totals"
	s.Questions = append(s.Questions[:1], s.Questions[2], &catalog.Question{
		Common: catalog.Common{ID: "900", EntityID: "question_entity_id_9", Name: "New"}, Type: catalog.KindModel, CollectionID: "root",
	})
	s.Dashboards[0].Cards[0].Width = 12
	t := s.Tables[0]
	t.Columns[0].DatabaseType = "int8"
	t.Columns[1].Name, t.Columns[1].ID = "amount", catalog.ColumnID(t.ID, "amount")
	other := *t
	other.Name, other.ID, other.Columns = "invoices", catalog.TableID(t.DatabaseID, "public", "invoices"), nil
	s.Tables = append(s.Tables, &other)
	s.FinishedAt = s.FinishedAt.Add(24 * time.Hour)
	s.Sort()
	return s
}

func write(t *testing.T, f compare.Format, r *compare.Result, o compare.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := compare.Write(&b, f, r, o); err != nil {
		t.Fatal(err)
	}
	if f == compare.FormatJSON {
		schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "schema", "diff.v1.json"))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Error(err)
		}
	}
	return b.Bytes()
}

const site = "https://metabase.example.com"

func TestTwoScansOfOneMetabase(t *testing.T) {
	r := compare.Diff(judged(state(0, site), compare.ByID, "previous", "BRK001", "SQL001"), judged(edited(0, site), compare.ByID, "latest", "SQL001", "SEC001"), compare.ByID)
	for f, ending := range map[compare.Format]string{compare.FormatTable: "txt", compare.FormatJSON: "json", compare.FormatMarkdown: "md"} {
		golden(t, "scans."+ending, write(t, f, r, compare.Options{}))
	}
	golden(t, "narrow.txt", write(t, compare.FormatTable, r, compare.Options{Width: 50, Color: true, Max: 1}))
}

func TestSameStateDiffersInNothing(t *testing.T) {
	for _, by := range []compare.Matching{compare.ByID, compare.ByEntity} {
		r := compare.Diff(judged(state(0, site), by, "a", "X"), judged(state(0, site), by, "b", "X"), by)
		if !r.Empty() {
			t.Errorf("%s: %s", by, write(t, compare.FormatTable, r, compare.Options{}))
		}
		write(t, compare.FormatJSON, r, compare.Options{})
	}
}

// TestAcrossInstances: the same content under other numbers is the same.
func TestAcrossInstances(t *testing.T) {
	r := compare.Diff(judged(state(0, site), compare.ByEntity, "a", "X"), judged(state(1000, "https://other.example.com"), compare.ByEntity, "b", "X"), compare.ByEntity)
	if !r.Empty() {
		t.Errorf("differs:\n%s", write(t, compare.FormatTable, r, compare.Options{}))
	}
	r = compare.Diff(judged(state(0, site), compare.ByEntity, "staging"), judged(edited(1000, "https://other.example.com"), compare.ByEntity, "production", "SEC001"), compare.ByEntity)
	golden(t, "instances.txt", write(t, compare.FormatTable, r, compare.Options{}))
	byID := compare.Diff(judged(state(0, site), compare.ByID, "a"), judged(state(1000, site), compare.ByID, "b"), compare.ByID)
	if len(byID.Added) == 0 || len(byID.Removed) == 0 {
		t.Error("matched by id, other numbers are other assets")
	}
}

// raw makes a report of a snapshot, as scan --format json writes it.
func raw(t *testing.T, s *catalog.Snapshot, columns bool) *compare.Raw {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, report.FormatJSON, &report.Input{Tool: report.Tool{Name: "metalens"}, Snapshot: s, Options: report.Options{Columns: columns}}); err != nil {
		t.Fatal(err)
	}
	out, err := compare.Report(&b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReports(t *testing.T) {
	side := func(s *catalog.Snapshot, by compare.Matching, columns bool, name string) *compare.Side {
		out, err := raw(t, s, columns).Side(by)
		if err != nil {
			t.Fatal(err)
		}
		out.Name = name
		return out
	}
	r := compare.Diff(side(state(0, site), compare.ByID, true, "a.json"), side(edited(0, site), compare.ByID, true, "b.json"), compare.ByID)
	golden(t, "reports.txt", write(t, compare.FormatTable, r, compare.Options{}))
	r = compare.Diff(side(state(0, site), compare.ByEntity, true, "a.json"), side(state(1000, "https://o"), compare.ByEntity, true, "b.json"), compare.ByEntity)
	if !r.Empty() {
		t.Errorf("reports of the same content differ:\n%s", write(t, compare.FormatTable, r, compare.Options{}))
	}
	r = compare.Diff(side(state(0, site), compare.ByID, false, "a.json"), side(edited(0, site), compare.ByID, true, "b.json"), compare.ByID)
	if len(r.Schema.Columns.Added)+len(r.Schema.Columns.Removed) > 0 || !strings.Contains(strings.Join(r.NotCompared, " "), "--columns") {
		t.Errorf("columns that a report leaves out are no change: %+v, %v", r.Schema.Columns, r.NotCompared)
	}
}

func TestWhatIsNoReport(t *testing.T) {
	for _, text := range []string{`{"schema_version":1,"assets":[]`, "", "[]", "{}", `{"schema_version":2,"assets":[]}`, `{"schema_version":1,"assets":[{"kind"`, `{"schema_version":1,"assets":{}}`, "x"} {
		if _, err := compare.Report(strings.NewReader(text)); !errors.Is(err, compare.ErrNotReport) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestUnreadIsNoChange: what one scan could not read is neither gone nor new.
func TestUnreadIsNoChange(t *testing.T) {
	blind := state(0, site)
	blind.Dashboards = nil
	blind.Gaps = []catalog.Gap{{What: "dashboards", Kind: catalog.KindDashboard, Reason: "refused", Whole: true}}
	for _, pair := range [][2]*catalog.Snapshot{{blind, state(0, site)}, {state(0, site), blind}} {
		r := compare.Diff(judged(pair[0], compare.ByID, "a"), judged(pair[1], compare.ByID, "b"), compare.ByID)
		if !r.Empty() || !strings.Contains(strings.Join(r.NotCompared, " "), "dashboard") {
			t.Errorf("added %v, removed %v, said %v", r.Added, r.Removed, r.NotCompared)
		}
	}
}

func TestHostileNames(t *testing.T) {
	s := edited(0, site)
	s.Questions[0].Name = "\x1b]0;evil\x07 <img src=x> [a](http://evil) @all"
	s.Questions[0].Query.SQL = "```\x1b[31m\n<script>"
	r := compare.Diff(judged(state(0, site), compare.ByID, "a"), judged(s, compare.ByID, "b"), compare.ByID)
	for _, f := range []compare.Format{compare.FormatTable, compare.FormatMarkdown} {
		text := string(write(t, f, r, compare.Options{}))
		if strings.ContainsAny(text, "\x1b\x07") {
			t.Errorf("%s lets control characters through", f)
		}
		if f == compare.FormatMarkdown && (strings.Contains(text, "<img") || strings.Contains(text, "@all") || !strings.Contains(text, "````diff")) {
			t.Errorf("markdown lets markup through:\n%s", text)
		}
	}
}

func TestUnified(t *testing.T) {
	long := strings.Repeat("same\n", 50)
	for _, c := range []struct{ name, a, b, want string }{
		{"equal", "a\nb", "a\nb", ""},
		{"one line", "a", "b", "@@ -1,1 +1,1 @@\n-a\n+b\n"},
		{"from nothing", "", "a\nb", "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"to nothing", "a", "", "@@ -1,1 +0,0 @@\n-a\n"},
		{"middle", "a\nb\nc\nd\ne\nf\ng\nh\ni", "a\nb\nc\nd\nX\nf\ng\nh\ni", "@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+X\n f\n g\n h\n"},
		{"two hunks", "x\n" + long + "y", "X\n" + long + "Y", "@@ -1,4 +1,4 @@\n-x\n+X\n same\n same\n same\n@@ -49,4 +49,4 @@\n same\n same\n same\n-y\n+Y\n"},
		{"windows", "a\r\nb", "a\nc", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"},
	} {
		if diff := cmp.Diff(c.want, compare.Unified(c.a, c.b)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	var a, b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&a, "a%d\n", i)
		fmt.Fprintf(&b, "b%d\n", i)
	}
	begin := time.Now()
	if out := compare.Unified(a.String(), b.String()); !strings.Contains(out, "-a19999") || time.Since(begin) > 5*time.Second {
		t.Error("a long text is cut or slow")
	}
}
