package mbql

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// recordings finds the recorded answers of one instance in both dialects.
func recordings(t *testing.T) string {
	t.Helper()
	corpus := os.Getenv("METALENS_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	dir := filepath.Join(corpus, "..", "metabase", "fixtures")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no recorded answers here; set METALENS_CORPUS to the folder of the corpus")
	}
	return dir
}

func recorded(t *testing.T, path string) *Query {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var card struct {
		Query json.RawMessage `json:"dataset_query"`
	}
	if err := json.Unmarshal(data, &card); err != nil {
		t.Fatal(err)
	}
	return parse(t, string(card.Query))
}

func TestRecordedCardsAreTheSameInBothDialects(t *testing.T) {
	dir := recordings(t)
	paths, err := filepath.Glob(filepath.Join(dir, "mbql4", "api", "card", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cards: %v", err)
	}
	for _, p := range paths {
		name := filepath.Base(p)
		t.Run(name, func(t *testing.T) {
			q4 := recorded(t, p)
			q5 := recorded(t, filepath.Join(dir, "mbql5", "api", "card", name))
			if q4.Dialect != Legacy || q5.Dialect != MBQL5 {
				t.Errorf("dialects = %q, %q", q4.Dialect, q5.Dialect)
			}
			if len(q4.Diagnostics)+len(q5.Diagnostics) > 0 {
				t.Errorf("diagnostics: %v %v", q4.Diagnostics, q5.Diagnostics)
			}
			for _, form := range []Form{Strict, Unordered, Shape} {
				if a, b := Canonical(q4, form), Canonical(q5, form); a != b || a == "" {
					t.Errorf("form %d differs:\n%s\n%s", form, a, b)
				}
			}
			if a, b := show(q4.References(nil)), show(q5.References(nil)); a != b {
				t.Errorf("references differ:\n%s\n%s", a, b)
			}
		})
	}
}
