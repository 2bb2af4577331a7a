package mask_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/metalens/metalens/internal/mask"
)

// sample is a column of a corpus file.
type sample struct {
	Source       string  `json:"source"`
	Table        string  `json:"table"`
	Column       *string `json:"column"`
	Type         *string `json:"type"`
	DatabaseType *string `json:"database_type"`
	Description  *string `json:"description"`
	SemanticType *string `json:"semantic_type"`
	Label        string  `json:"label"`
}

func (s sample) column() mask.Column {
	return mask.Column{Table: s.Table, Name: text(s.Column), Type: text(s.Type), Description: text(s.Description), SemanticType: text(s.SemanticType)}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// corpus reads a file of the corpus of sensitive columns, or skips.
func corpus(tb testing.TB, name string) []sample {
	tb.Helper()
	dir := os.Getenv("METALENS_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	f, err := os.Open(filepath.Join(dir, "E_sensitive_columns", name+".jsonl"))
	if err != nil {
		tb.Skip("the corpus is not here; set METALENS_CORPUS to its folder")
	}
	defer func() { _ = f.Close() }()
	var out []sample
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var s sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			tb.Fatal(err)
		}
		if s.Column != nil {
			out = append(out, s)
		}
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return out
}
