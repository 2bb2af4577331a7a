package metabase_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
)

// instance is what a recorded instance holds, found by discovery.
type instance struct {
	Collections []*catalog.Collection
	Databases   []*catalog.Database
	Tables      []*catalog.Table
	Questions   []*catalog.Question
	Dashboards  []*catalog.Dashboard
	Items       []string
}

func readRecorded(t *testing.T, dir string) instance {
	t.Helper()
	b := open(t, recorded(dir))
	id := b.identify(t)
	if id.VersionKnown {
		t.Errorf("a recording without properties has version %q", id.Instance.Version)
	}
	var out instance
	var gaps []catalog.Gap
	var err error
	ctx := t.Context()
	if out.Collections, gaps, err = b.Collections(ctx); err != nil {
		t.Fatal(err, gaps)
	}
	if out.Databases, _, err = b.Databases(ctx); err != nil {
		t.Fatal(err)
	}
	for _, d := range out.Databases {
		tables, _, gaps, err := b.Schema(ctx, d.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(tables) == 0 && len(gaps) == 0 {
			t.Errorf("database %s: neither tables nor a gap", d.ID)
		}
		out.Tables = append(out.Tables, tables...)
	}
	// Not every recorded instance lists its collections; the ids are known from the files.
	found, _ := filepath.Glob(filepath.Join(dir, "api", "collection", "*", "items.json"))
	for _, f := range found {
		items, gaps, err := b.Items(ctx, filepath.Base(filepath.Dir(f)))
		if err != nil || len(gaps) > 0 {
			t.Fatal(err, gaps)
		}
		for _, it := range items {
			out.Items = append(out.Items, it.Ref.String())
		}
	}
	cards, _ := filepath.Glob(filepath.Join(dir, "api", "card", "*.json"))
	for _, f := range cards {
		id := strings.TrimSuffix(filepath.Base(f), ".json")
		q, _, gaps, err := b.Question(ctx, id)
		if err != nil || len(gaps) > 0 || q == nil {
			t.Fatalf("card %s: %v %v", id, err, gaps)
		}
		out.Questions = append(out.Questions, q)
	}
	dashboards, _ := filepath.Glob(filepath.Join(dir, "api", "dashboard", "*.json"))
	for _, f := range dashboards {
		id := strings.TrimSuffix(filepath.Base(f), ".json")
		d, gaps, err := b.Dashboard(ctx, id)
		if err != nil || len(gaps) > 0 || d == nil {
			t.Fatalf("dashboard %s: %v %v", id, err, gaps)
		}
		out.Dashboards = append(out.Dashboards, d.Dashboard)
	}
	return out
}

// TestRecordedInstances reads every recorded instance without a gap in its
// cards and dashboards, and every reference in it is a natural id.
func TestRecordedInstances(t *testing.T) {
	dirs := []string{
		filepath.Join(reference(t, "metabase", "fixtures"), "mbql4"),
		filepath.Join(reference(t, "metabase", "fixtures"), "mbql5"),
	}
	corpus := reference(t, "corpus", "A_api_responses")
	more, _ := filepath.Glob(filepath.Join(corpus, "*", "*", "api"))
	deeper, _ := filepath.Glob(filepath.Join(corpus, "*", "*", "*", "api"))
	for _, d := range append(more, deeper...) {
		dirs = append(dirs, filepath.Dir(d))
	}
	for _, dir := range dirs {
		t.Run(strings.TrimPrefix(dir, filepath.Dir(corpus)), func(t *testing.T) {
			got := readRecorded(t, dir)
			if len(got.Questions) == 0 || len(got.Tables) == 0 || len(got.Items) == 0 {
				t.Fatalf("%d questions, %d tables, %d items", len(got.Questions), len(got.Tables), len(got.Items))
			}
			for _, q := range got.Questions {
				if q.Query.Language == catalog.LanguageNone {
					t.Errorf("question %s has no query", q.ID)
				}
				if strings.Contains(q.TableID, "#") {
					t.Errorf("question %s: table %s is unresolved", q.ID, q.TableID)
				}
				for _, r := range q.ResultColumns {
					if strings.Contains(r.ColumnID, "#") {
						t.Errorf("question %s: column %s is unresolved", q.ID, r.ColumnID)
					}
				}
			}
			text := asJSON(t, got)
			for _, never := range []string{`"fingerprint":`, "distinct-count", "@", "lib/stage-metadata", "source-metadata", "param_fields"} {
				if strings.Contains(text, never) {
					t.Errorf("the assets contain %q", never)
				}
			}
		})
	}
}

// TestDialectsAreEqual decodes the same instance recorded in both query
// languages: all but the query trees must be equal.
func TestDialectsAreEqual(t *testing.T) {
	fixtures := reference(t, "metabase", "fixtures")
	four := readRecorded(t, filepath.Join(fixtures, "mbql4"))
	five := readRecorded(t, filepath.Join(fixtures, "mbql5"))
	dialects := map[string]string{}
	for name, in := range map[string]instance{"mbql4": four, "mbql5": five} {
		for _, q := range in.Questions {
			if q.Query.Language == catalog.LanguageMBQL {
				dialects[name+"/"+q.ID] = q.Query.Dialect
			}
			q.Query.MBQL, q.Query.Dialect = nil, ""
		}
	}
	for key, dialect := range dialects {
		if !strings.HasPrefix(key, dialect) {
			t.Errorf("%s was taken for %s", key, dialect)
		}
	}
	if len(dialects) == 0 {
		t.Error("no structured question in the recording")
	}
	// The newer server tells more about databases and columns.
	for _, in := range []instance{four, five} {
		for _, d := range in.Databases {
			d.Features = nil
		}
		for _, table := range in.Tables {
			table.DataAuthority = ""
			for _, col := range table.Columns {
				col.Nullable, col.SemanticType = nil, ""
			}
		}
	}
	if diff := cmp.Diff(four, five); diff != "" {
		t.Errorf("the dialects differ (-mbql4 +mbql5):\n%s", diff)
	}
}
