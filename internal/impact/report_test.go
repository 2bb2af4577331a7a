package impact_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/impact"
)

func document(t *testing.T, s *catalog.Snapshot, sql string, roots ...catalog.Ref) *impact.Report {
	t.Helper()
	in := input(t, s)
	r := &impact.Report{
		Scan:       impact.Scan{ID: "01a1", FinishedAt: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC), URL: "https://metabase.example.com"},
		Connection: "Example", Index: in.Index,
	}
	if sql != "" {
		r.Source = "migration.sql"
		var err error
		if r.Changes, r.Skipped, err = impact.OfMigration(context.Background(), in, sql, impact.Migration{Database: "1"}); err != nil {
			t.Fatal(err)
		}
		return r
	}
	result, err := impact.Of(context.Background(), in, impact.Request{Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	r.Changes = []impact.Impact{{Result: result}}
	return r
}

func write(t *testing.T, f impact.Format, r *impact.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := impact.Write(&b, f, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func validate(t *testing.T, raw []byte) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "schema", "impact.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Error(err)
	}
}

const migration = `ALTER TABLE public.customers DROP COLUMN email;
ALTER TABLE public.orders RENAME COLUMN status TO state;
DROP TABLE nowhere;
`

func TestGoldenDocuments(t *testing.T) {
	one := document(t, world(), "", column(orders, "status"))
	several := document(t, world(), migration)
	nothing := document(t, world(), "", column("2//orders", "total"))
	for f, ending := range map[impact.Format]string{impact.FormatTree: "txt", impact.FormatJSON: "json", impact.FormatCSV: "csv", impact.FormatMarkdown: "md"} {
		golden(t, "one."+ending, write(t, f, one))
		golden(t, "several."+ending, write(t, f, several))
		golden(t, "nothing."+ending, write(t, f, nothing))
	}
	for _, r := range []*impact.Report{one, several, nothing, document(t, world(), "-- nothing"), document(t, world(), "", catalog.Ref{Kind: catalog.KindTable, ID: orders})} {
		validate(t, write(t, impact.FormatJSON, r))
	}
	one.Options = impact.Options{Width: 60, Color: true, Max: 3}
	golden(t, "narrow.txt", write(t, impact.FormatTree, one))
}

// TestHostileNames: a name can neither move the cursor, nor start a formula,
// nor become markup.
func TestHostileNames(t *testing.T) {
	s := world()
	for _, q := range s.Questions {
		if q.ID == "1" {
			q.Name = "=HYPERLINK(\"http://evil\")\x1b[2J\r\n| <img src=x> [a](http://evil) @all `x` \u202e"
		}
	}
	for _, d := range s.Dashboards {
		d.Name = "+cmd|' /C calc'!A0"
		d.Parameters = []catalog.Parameter{{ID: "p2", Name: "@SUM(1)\x07", Type: "string/="}}
	}
	r := document(t, s, "", column(orders, "status"))
	for _, f := range []impact.Format{impact.FormatTree, impact.FormatCSV, impact.FormatMarkdown} {
		text := string(write(t, f, r))
		if strings.ContainsAny(text, "\x1b\x07\r\u202e") {
			t.Errorf("%s lets control characters through", f)
		}
		if f == impact.FormatMarkdown && (strings.Contains(text, "<img") || strings.Contains(text, "](http://evil") || strings.Contains(text, "@all")) {
			t.Errorf("markdown lets markup through:\n%s", text)
		}
	}
	rows, err := csv.NewReader(bytes.NewReader(write(t, impact.FormatCSV, r))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
				t.Errorf("cell %q starts a formula", cell)
			}
		}
	}
}

func TestMergeCountsEachAssetOnce(t *testing.T) {
	r := document(t, world(), "ALTER TABLE orders DROP COLUMN total, DROP COLUMN status;")
	whole := impact.Merge(r.Changes)
	seen := map[catalog.Ref]bool{}
	for _, a := range whole.Affected {
		if seen[a.Asset] {
			t.Errorf("%s is listed twice", a.Asset)
		}
		seen[a.Asset] = true
	}
	for _, a := range whole.KnockOn {
		if seen[a.Asset] {
			t.Errorf("%s is affected and knocked on", a.Asset)
		}
	}
	if len(r.Changes) != 2 || len(whole.Roots) != 2 || whole.Breaks[impact.Yes] < r.Changes[0].Result.Breaks[impact.Yes] {
		t.Errorf("%d changes, roots %v", len(r.Changes), whole.Roots)
	}
}
