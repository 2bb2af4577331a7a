package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// recordings finds every folder of recorded answers, or skips.
func recordings(t *testing.T) []string {
	t.Helper()
	corpus := filepath.Join("..", "..", "..", "shared", "corpus")
	if dir := os.Getenv("METALENS_CORPUS"); dir != "" {
		corpus = dir
	}
	var found []string
	for _, root := range []string{filepath.Join(corpus, "A_api_responses"), filepath.Join(filepath.Dir(corpus), "metabase", "fixtures")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "api" {
				found = append(found, filepath.Dir(path))
				return fs.SkipDir
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) == 0 {
		t.Skip("no recorded answers; set METALENS_CORPUS to the folder that holds A_api_responses")
	}
	return found
}

// document is what the test looks at of a JSON report.
type document struct {
	Assets []struct {
		Kind, ID, Name string
		URL            string
		CollectionPath string `json:"collection_path"`
		DatabaseID     string `json:"database_id"`
		Archived       bool
	}
	Lineage struct {
		Edges []struct {
			From, To struct{ Kind, ID string }
			Via      string
		}
		ColumnEdges []struct {
			From struct{ Kind, ID string }
			To   struct{ Kind, ID, Column string }
			Via  string
		} `json:"column_edges"`
	}
	Findings []struct{ Check, Fingerprint string }
}

// scanRecording runs the program on a replay over HTTP, as a user would.
func scanRecording(t *testing.T, dir string) document {
	t.Helper()
	served := metabasetest.ServeRecorded(dir, metabasetest.RecordedConfig{Key: key, Now: time.Now})
	address := served.Start(t)
	output := filepath.Join(t.TempDir(), "report.json")
	var stderr bytes.Buffer
	env := app.Env{
		Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: &stderr, Now: time.Now,
		Environ: []string{"METABASE_URL=" + address, "METABASE_API_KEY=" + key, "METALENS_DATA=" + filepath.Join(t.TempDir(), "data")},
	}
	if code := run(t.Context(), env, []string{"scan", "--format", "json", "--columns", "--output", output}); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	served.CheckOnlyAllowed(t)
	raw, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestRecordingsAreListedWhole compares the report with the recorded files
// themselves: every card, dashboard, collection, table and field is there.
func TestRecordingsAreListedWhole(t *testing.T) {
	for _, dir := range recordings(t) {
		t.Run(strings.ReplaceAll(filepath.ToSlash(dir), "/", "_"), func(t *testing.T) {
			d := scanRecording(t, dir)
			listed := map[string]string{}
			for _, a := range d.Assets {
				kind := a.Kind
				if kind == "model" || kind == "metric" {
					kind = "question"
				}
				listed[kind+":"+a.ID] = a.Name
			}
			missing := 0
			for id, name := range expected(t, dir) {
				got, ok := listed[id]
				if !ok || got != name {
					missing++
					t.Errorf("%s %q is listed as %q", id, name, got)
				}
			}
			for _, e := range d.Lineage.Edges {
				for _, end := range []struct{ Kind, ID string }{e.From, e.To} {
					kind := end.Kind
					if kind == "model" || kind == "metric" {
						kind = "question"
					}
					if _, ok := listed[kind+":"+end.ID]; !ok {
						t.Errorf("an edge ends at %s:%s, which is not listed", end.Kind, end.ID)
					}
				}
			}
			if len(d.Lineage.Edges) == 0 {
				t.Error("no lineage")
			}
		})
	}
}

// expected reads ids and names straight from the recorded files.
func expected(t *testing.T, dir string) map[string]string {
	t.Helper()
	want := map[string]string{}
	read := func(path string, to any) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, to); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	for kind, folder := range map[string]string{"question": "card", "dashboard": "dashboard"} {
		paths, err := filepath.Glob(filepath.Join(dir, "api", folder, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			var x struct {
				ID   int
				Name string
			}
			read(path, &x)
			want[fmt.Sprintf("%s:%d", kind, x.ID)] = x.Name
		}
	}
	var collections []struct {
		ID       any
		Name     string
		Personal any `json:"personal_owner_id"`
	}
	read(filepath.Join(dir, "api", "collection.json"), &collections)
	for _, c := range collections {
		if c.Personal != nil {
			continue // left out unless somebody asks for them
		}
		want[fmt.Sprintf("collection:%v", c.ID)] = c.Name
	}
	databases, err := filepath.Glob(filepath.Join(dir, "api", "database", "*", "metadata.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range databases {
		var db struct {
			ID     int
			Name   string
			Tables []struct {
				Name   string
				Schema string
				Fields []struct{ Name string }
			}
		}
		read(path, &db)
		want[fmt.Sprintf("database:%d", db.ID)] = db.Name
		for _, table := range db.Tables {
			id := fmt.Sprintf("%d/%s/%s", db.ID, table.Schema, table.Name)
			want["table:"+id] = table.Name
			for _, f := range table.Fields {
				want["column:"+id+"/"+f.Name] = f.Name
			}
		}
	}
	return want
}

// TestBothDialectsGiveTheSameReport scans one instance as it answers in either
// dialect of Metabase's query language.
func TestBothDialectsGiveTheSameReport(t *testing.T) {
	pairs := 0
	for _, dir := range recordings(t) {
		other := filepath.Join(filepath.Dir(dir), "mbql5")
		if _, err := os.Stat(other); filepath.Base(dir) != "mbql4" || err != nil {
			continue
		}
		pairs++
		old, now := scanRecording(t, dir), scanRecording(t, other)
		for _, d := range []*document{&old, &now} {
			for i := range d.Assets {
				d.Assets[i].URL = ""
			}
			slices.SortFunc(d.Findings, func(a, b struct{ Check, Fingerprint string }) int {
				return strings.Compare(a.Fingerprint, b.Fingerprint)
			})
		}
		if diff := cmp.Diff(old, now); diff != "" {
			t.Errorf("%s differs between the dialects:\n%s", filepath.Dir(dir), diff)
		}
	}
	if pairs == 0 {
		t.Skip("no instance is recorded in both dialects; set METALENS_CORPUS")
	}
}
