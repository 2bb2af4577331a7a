package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/report"
)

type catalogRef = catalog.Ref

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(filepath.Join("..", "..", "docs", "schema", "scan-report.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJSONValidates(t *testing.T) {
	s := schema(t)
	for _, change := range []func(*report.Input){
		func(*report.Input) {},
		func(in *report.Input) { in.Options.Columns = true; withBaseline(t, in) },
		empty,
		withFiles,
	} {
		in := input()
		change(in)
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(render(t, report.FormatJSON, in)))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("not valid: %v", err)
		}
	}
	bad, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"schema_version":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Validate(bad) == nil {
		t.Error("the schema accepts an empty report")
	}
}

// TestJSONHasNoNulls: scripts may iterate over every array.
func TestJSONHasNoNulls(t *testing.T) {
	in := input()
	empty(in)
	var doc map[string]any
	if err := json.Unmarshal([]byte(render(t, report.FormatJSON, in)), &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case nil:
			t.Errorf("%s is null", path)
		case map[string]any:
			for k, child := range v {
				walk(path+"."+k, child)
			}
		}
	}
	walk("", doc)
}

// TestOrderOfInputDoesNotShow shuffles every list.
func TestOrderOfInputDoesNotShow(t *testing.T) {
	for _, format := range report.Formats() {
		in := input()
		in.Options.Columns = true
		want := render(t, format, in)
		random := rand.New(rand.NewPCG(1, 2))
		for range 5 {
			shuffle(random, in.Edges)
			shuffle(random, in.Unresolved)
			shuffle(random, in.Findings)
			shuffle(random, in.NotEvaluated)
			shuffle(random, in.Snapshot.Questions)
			shuffle(random, in.Snapshot.Collections)
			shuffle(random, in.Snapshot.Dashboards)
			if diff := cmp.Diff(want, render(t, format, in)); diff != "" {
				t.Errorf("%s depends on the order of its input:\n%s", format, diff)
			}
		}
	}
}

func shuffle[T any](random *rand.Rand, list []T) {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

func TestNDJSONIsOneRecordALine(t *testing.T) {
	counts := map[string]int{}
	for i, line := range strings.Split(strings.TrimSuffix(render(t, report.FormatNDJSON, input()), "\n"), "\n") {
		var record struct {
			Record string `json:"record"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if (i == 0) != (record.Record == "report") {
			t.Errorf("line %d is a %q", i+1, record.Record)
		}
		counts[record.Record]++
	}
	want := map[string]int{"report": 1, "asset": 20, "edge": 3, "column_edge": 1, "unresolved": 2, "duplicate": 2, "metric_conflict": 2, "finding": 4, "not_evaluated": 2, "health": 1, "stats": 1}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}

func TestCSVIsHarmlessInSpreadsheets(t *testing.T) {
	for _, name := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u202e=1", "'=1", "＝1", "|calc", "\u00a0-1"} {
		in := input()
		in.Snapshot.Questions[0].Name = name
		rows, err := csv.NewReader(strings.NewReader(render(t, report.FormatCSV, in))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 5 {
			t.Fatalf("%d rows", len(rows))
		}
		for _, row := range rows {
			for _, c := range row {
				if regexp.MustCompile(`^\s*[=+\-@|＝]`).MatchString(c) {
					t.Errorf("name %q gives the cell %q", name, c)
				}
			}
		}
	}
}

func TestTerminalTextIsClean(t *testing.T) {
	in := input()
	in.Snapshot.Instance.URL = "https://x\x1b[2J"
	in.Connection = hostile
	in.Snapshot.Gaps[0].Reason = hostile
	for _, width := range []int{0, 20, 60, 200} {
		in.Options.Width = width
		out := render(t, report.FormatTable, in)
		for i, r := range out {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Fatalf("width %d: %U at %d", width, r, i)
			}
		}
	}
}

func TestMarkdownNamesStayText(t *testing.T) {
	out := render(t, report.FormatMarkdown, input())
	for _, bad := range []string{"<script", " [x](", "\x1b", "\u202e", "\r"} {
		if strings.Contains(out, bad) {
			t.Errorf("contains %q", bad)
		}
	}
	if !strings.Contains(out, "(<https://metabase.example.com/question/2>)") {
		t.Error("no link to the question")
	}
}

func TestHTMLIsSelfContainedAndSafe(t *testing.T) {
	in := input()
	in.Snapshot.Instance.URL = "https://metabase.example.com"
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(render(t, report.FormatHTML, in)))
	if err != nil {
		t.Fatal(err)
	}
	if n := doc.Find("script, link, img, iframe, object, embed, form, base").Length(); n != 0 {
		t.Errorf("%d elements that load, run or send something", n)
	}
	doc.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, a := range s.Nodes[0].Attr {
			if strings.HasPrefix(a.Key, "on") {
				t.Errorf("handler %s", a.Key)
			}
			if (a.Key == "href" || a.Key == "src") && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "https://metabase.example.com/") {
				t.Errorf("address %q", a.Val)
			}
		}
	})
	ids := map[string]bool{}
	doc.Find("[id]").Each(func(_ int, s *goquery.Selection) {
		id := s.AttrOr("id", "")
		if ids[id] {
			t.Errorf("id %q twice", id)
		}
		ids[id] = true
	})
	doc.Find("a[href^='#']").Each(func(_ int, s *goquery.Selection) {
		if target := strings.TrimPrefix(s.AttrOr("href", ""), "#"); !ids[target] {
			t.Errorf("anchor to nowhere: %s", target)
		}
	})
	doc.Find("svg").Each(func(_ int, s *goquery.Selection) {
		if s.AttrOr("role", "") != "img" || s.Find("title").Text() == "" || s.Find("desc").Text() == "" {
			t.Error("a chart has no text alternative")
		}
	})
	if strings.Contains(doc.Find("style").Text(), "url(") || strings.Contains(doc.Find("style").Text(), "@import") || strings.Contains(doc.Find("style").Text(), "ZgotmplZ") {
		t.Error("the style loads something, or was refused by the escaper")
	}
	if !strings.Contains(doc.Find("bdi").Text(), "<script>alert(1)</script>") {
		t.Error("the hostile name is not shown as text")
	}
}

func TestUnsafeAddressesAreNoLinks(t *testing.T) {
	for _, address := range []string{"javascript:alert(1)//", "data:text/html,x", `https://x"onmouseover=alert(1)`, "https://x y"} {
		in := input()
		in.Snapshot.Instance.URL = address
		for _, format := range []report.Format{report.FormatHTML, report.FormatMarkdown} {
			out := render(t, format, in)
			if regexp.MustCompile(`(href="|\]\(<)(javascript|data|https://x)`).MatchString(out) {
				t.Errorf("%s links to %s", format, address)
			}
		}
	}
}

func TestSARIFPointsAtFiles(t *testing.T) {
	in := input()
	withFiles(in)
	withBaseline(t, in)
	var doc struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Rules []struct {
						ID   string
						Name string
						Help struct{ Text string }
					}
				}
			}
			Results []struct {
				RuleID        string
				RuleIndex     int
				Level         string
				BaselineState string
				Locations     []struct {
					PhysicalLocation *struct{ ArtifactLocation struct{ URI string } }
					LogicalLocations []struct{ Name string }
				}
				PartialFingerprints map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(render(t, report.FormatSARIF, in)), &doc); err != nil {
		t.Fatal(err)
	}
	run := doc.Runs[0]
	files := map[string]string{}
	for _, r := range run.Results {
		rule := run.Tool.Driver.Rules[r.RuleIndex]
		if rule.ID != r.RuleID || rule.Help.Text == "" || !regexp.MustCompile(`^[A-Z0-9][A-Za-z0-9]*$`).MatchString(rule.Name) {
			t.Errorf("rule of %s: %+v", r.RuleID, rule)
		}
		if r.PartialFingerprints["metalens/v1"] == "" || len(r.Locations[0].LogicalLocations) != 1 {
			t.Errorf("%s lacks fingerprint or location", r.RuleID)
		}
		if p := r.Locations[0].PhysicalLocation; p != nil {
			files[r.RuleID] = p.ArtifactLocation.URI
		}
	}
	want := map[string]string{"SEC001": "analytics/metabase/collections/main/cards/revenue%20by%20month.yaml", "DOC004": "analytics/metabase/databases/wh/orders.yaml"}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
	if run.Results[0].BaselineState != "new" || run.Results[0].Level != "error" {
		t.Errorf("first result: %+v", run.Results[0])
	}
}

func TestSARIFNeverLeavesTheFolder(t *testing.T) {
	for _, name := range []string{"/etc/passwd", "../../etc/passwd", "a/../../../../x"} {
		in := input()
		withFiles(in)
		in.Options.ExportDir = ""
		in.Snapshot.Files = map[catalogRef]string{question("2"): name}
		if out := render(t, report.FormatSARIF, in); strings.Contains(out, "artifactLocation") {
			t.Errorf("%s became a location", name)
		}
	}
}

func TestBaseline(t *testing.T) {
	in := input()
	for _, format := range []report.Format{report.FormatJSON, report.FormatNDJSON} {
		b, err := report.ReadBaseline(strings.NewReader(render(t, format, in)))
		if err != nil {
			t.Fatal(err)
		}
		if b.Len() != 4 || b.URL != "https://metabase.example.com" || !b.Has("f-use-10") || b.Has("other") {
			t.Errorf("%s: %d findings of %q", format, b.Len(), b.URL)
		}
		gone := in.Findings[1:]
		if n := b.Resolved(gone, nil); n != 1 {
			t.Errorf("%s: %d resolved, want 1", format, n)
		}
		if n := b.Resolved(gone, []finding.NotEvaluated{{Check: "USE001", Reason: "not read"}}); n != 0 {
			t.Errorf("%s: a check that did not run resolved %d", format, n)
		}
	}
}

func TestBaselineOfTheWrongKind(t *testing.T) {
	whole := render(t, report.FormatJSON, input())
	lines := render(t, report.FormatNDJSON, input())
	tests := []struct{ name, text, code string }{
		{"empty", "", "not_a_baseline"},
		{"HTML", "<html>", "not_a_baseline"},
		{"SARIF", render(t, report.FormatSARIF, input()), "not_a_baseline"},
		{"array", "[]", "not_a_baseline"},
		{"other object", `{"a":1}`, "not_a_baseline"},
		{"cut off", whole[:len(whole)/2], "not_a_baseline"},
		{"cut off line", lines[:len(lines)-20], "not_a_baseline"},
		{"newer", `{"schema_version":2,"findings":[]}`, "baseline_version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := report.ReadBaseline(strings.NewReader(tt.text))
			if errs.CodeOf(err) != tt.code || errs.KindOf(err) != errs.Invalid {
				t.Errorf("got %v", err)
			}
			if _, hint := errs.PublicText(err); hint == "" {
				t.Error("no hint")
			}
		})
	}
	if _, err := report.OpenBaseline(filepath.Join(t.TempDir(), "none.json")); errs.CodeOf(err) != "baseline_missing" {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(t.TempDir(), "b.json")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := report.OpenBaseline(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the file is not named: %v", err)
	}
}

func TestUnknownFormat(t *testing.T) {
	err := report.Write(&bytes.Buffer{}, "pdf", input())
	if _, hint := errs.PublicText(err); errs.KindOf(err) != errs.Invalid || !strings.Contains(hint, "sarif") {
		t.Errorf("got %v", err)
	}
}

func TestNoFormatShowsSQL(t *testing.T) {
	for _, format := range report.Formats() {
		if strings.Contains(render(t, format, input()), "canary") {
			t.Errorf("%s holds SQL text", format)
		}
	}
}

func TestWriteErrorsSurface(t *testing.T) {
	for _, format := range report.Formats() {
		in := input()
		for i := range 3000 {
			in.Findings = append(in.Findings, finding.Finding{Check: "USE001", Fingerprint: fmt.Sprint(i), Severity: finding.Low, Asset: question("2"), Message: "m"})
		}
		if err := report.Write(full{}, format, in); err == nil {
			t.Errorf("%s ignores a full disk", format)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, fmt.Errorf("no space left on device") }

func TestClean(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "Revenue 2026 – Übersicht", "Revenue 2026 – Übersicht"},
		{"escape", "a\x1b[31mb", "a[31mb"},
		{"C1", "a\u009bb", "ab"},
		{"lines", "a\r\nb\tc\u2028d", "a  b c d"},
		{"bidi", "a\u202eb\u2066c\u200fd", "abcd"},
		{"invisible", "a\u200bb\ufeffc", "abc"},
		{"joined emoji stays", "👩\u200d💻", "👩\u200d💻"},
		{"broken bytes", "a\xffb", "a\ufffdb"},
	}
	for _, tt := range tests {
		if got := report.Clean(tt.in); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
