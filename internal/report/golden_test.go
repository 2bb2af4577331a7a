package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/report"
)

var update = flag.Bool("update", false, "rewrite golden files")

func render(t *testing.T, format report.Format, in *report.Input) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.Write(&out, format, in); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGolden(t *testing.T) {
	tests := []struct {
		name   string
		format report.Format
		change func(*report.Input)
	}{
		{name: "report.json", format: report.FormatJSON},
		{name: "columns.json", format: report.FormatJSON, change: func(in *report.Input) { in.Options.Columns = true; withBaseline(t, in) }},
		{name: "empty.json", format: report.FormatJSON, change: empty},
		{name: "report.ndjson", format: report.FormatNDJSON},
		{name: "report.csv", format: report.FormatCSV, change: func(in *report.Input) { withBaseline(t, in) }},
		{name: "report.md", format: report.FormatMarkdown, change: func(in *report.Input) { withBaseline(t, in) }},
		{name: "empty.md", format: report.FormatMarkdown, change: empty},
		{name: "report.html", format: report.FormatHTML, change: func(in *report.Input) { withBaseline(t, in) }},
		{name: "empty.html", format: report.FormatHTML, change: empty},
		{name: "report.sarif", format: report.FormatSARIF, change: withFiles},
		{name: "table.txt", format: report.FormatTable, change: func(in *report.Input) { withBaseline(t, in) }},
		{name: "table_color_narrow.txt", format: report.FormatTable, change: func(in *report.Input) {
			in.Options.Color, in.Options.Width, in.Options.MaxFindings = true, 60, 2
		}},
		{name: "empty.txt", format: report.FormatTable, change: empty},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := input()
			if tt.change != nil {
				tt.change(in)
			}
			got := render(t, tt.format, in)
			path := filepath.Join("testdata", tt.name)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("no golden file; run with -update: %v", err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s differs (-want +got):\n%s", tt.name, diff)
			}
		})
	}
}

func withBaseline(t *testing.T, in *report.Input) {
	t.Helper()
	b, err := report.OpenBaseline(filepath.Join("testdata", "baseline.json"))
	if err != nil {
		t.Fatal(err)
	}
	in.Baseline = b
}

func empty(in *report.Input) {
	whole := *in.Snapshot
	*in = report.Input{Tool: in.Tool, Snapshot: in.Snapshot}
	in.Snapshot.Instance = whole.Instance
	in.Snapshot.Instance.Version = ""
	in.Snapshot.Questions, in.Snapshot.Dashboards, in.Snapshot.Collections, in.Snapshot.Databases, in.Snapshot.Tables = nil, nil, nil, nil, nil
	in.Snapshot.Segments, in.Snapshot.Measures, in.Snapshot.Snippets, in.Snapshot.Subscriptions, in.Snapshot.Alerts = nil, nil, nil, nil, nil
	in.Snapshot.Transforms, in.Snapshot.Actions, in.Snapshot.Documents, in.Snapshot.Groups, in.Snapshot.People = nil, nil, nil, nil, nil
	in.Snapshot.Usage, in.Snapshot.Gaps, in.Snapshot.Requests.ByRoute = nil, nil, nil
}

func withFiles(in *report.Input) {
	in.Snapshot.Instance.URL = "export:analytics"
	in.Options.ExportDir = "analytics/metabase"
	in.Snapshot.Files = map[catalogRef]string{
		question("2"):                          "collections/main/cards/revenue by month.yaml",
		{Kind: "table", ID: "1/public/orders"}: "databases/wh/orders.yaml",
	}
}
