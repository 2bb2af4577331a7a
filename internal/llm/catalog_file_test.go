package llm_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/llm"
)

// TestGuideShowsModels reads the list of models that docs/guide/models.md shows.
func TestGuideShowsModels(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "guide", "models.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(raw), "```json\n")
	text, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("the guide shows no list")
	}
	var list []llm.Model
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		t.Fatal(err)
	}
	m, ok := llm.NewCatalog(list...).Find(llm.OpenAI, "gpt-6.1-sol")
	if !ok || m.Tariff.Cost(llm.Usage{Input: 300_000}, false) != 1_080_000 {
		t.Errorf("got %+v", m)
	}
}
