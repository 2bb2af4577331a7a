package dbt_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/impact/dbt"
)

func TestEverySpellingOfANode(t *testing.T) {
	m, err := dbt.Read(strings.NewReader(`{"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v4.json"},
		"macros":{"m":{"deep":[1,{"x":[]}]}},
		"nodes":{
			"model.a.old":{"resource_type":"model","name":"old","alias":"older","database":null,"schema":"s","raw_sql":"select 1","compiled_sql":null,"columns":{"A":{"name":"A"}}},
			"model.a.new":{"resource_type":"model","name":"new","raw_code":"select {{ x }}","compiled_code":"select 2","columns":{"b":{}},"config":{"contract":{"enforced":true},"materialized":"incremental"}},
			"model.a.off":{"resource_type":"model","name":"off","config":{"enabled":false}},
			"seed.a.s":{"resource_type":"seed","name":"s","schema":"raw","columns":{}},
			"test.a.t":{"resource_type":"test","name":"t"}},
		"sources":{"source.a.b.c":{"resource_type":"source","name":"c","identifier":"c_v2","schema":"b","columns":{}}},
		"disabled":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != 4 || len(m.Nodes) != 4 {
		t.Fatalf("version %d, %d nodes", m.Version, len(m.Nodes))
	}
	old, now, source := m.Nodes["model.a.old"], m.Nodes["model.a.new"], m.Nodes["source.a.b.c"]
	if old.Relation != "older" || old.Code != "select 1" || old.Compiled || old.Columns[0].Name != "A" || old.FullName() != "s.older" {
		t.Errorf("old spelling: %+v", old)
	}
	if now.Relation != "new" || now.Code != "select 2" || !now.Compiled || !now.Enforced || now.Columns[0].Name != "b" {
		t.Errorf("new spelling: %+v", now)
	}
	if source.Relation != "c_v2" || source.Type != "source" {
		t.Errorf("source: %+v", source)
	}
}

func TestWhatIsNoManifest(t *testing.T) {
	for _, text := range []string{"", "[]", "{}", `{"nodes":{}`, `{"nodes":[]}`, `{"nodes":{"a":`, `{"metadata":3}`, `{"metadata":{}}`, "not json", `{"nodes":{"a":{"columns":[]}}}`} {
		if _, err := dbt.Read(strings.NewReader(text)); !errors.Is(err, dbt.ErrNotManifest) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRecordedManifests reads manifests that dbt wrote.
func TestRecordedManifests(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/corpus/A_api_responses/dbt-metabase/*/manifest-*.json")
	if len(files) == 0 {
		t.Skip("the corpus is not beside the repository")
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := dbt.Read(f)
		_ = f.Close()
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if len(m.Nodes) == 0 || m.Version == 0 {
			t.Errorf("%s: %d nodes of version %d", path, len(m.Nodes), m.Version)
		}
		if c := dbt.Compare(m, m); len(c) != 0 {
			t.Errorf("%s differs from itself: %+v", path, c)
		}
		gone := dbt.Compare(m, &dbt.Manifest{Nodes: map[string]*dbt.Node{}})
		if len(gone) == 0 {
			t.Errorf("%s: nothing is gone without all nodes", path)
		}
	}
}
