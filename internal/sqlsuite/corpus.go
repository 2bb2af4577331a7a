package sqlsuite

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// CorpusDir finds the corpus: METALENS_CORPUS, else a folder beside the
// repository. It answers "" when there is none.
func CorpusDir(env string) string {
	candidates := []string{env}
	if env == "" {
		candidates = []string{"../shared/corpus", "../../../shared/corpus"}
	}
	for _, dir := range candidates {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
}

// readLines decodes a JSONL file.
func readLines[T any](corpus string, name ...string) ([]T, error) {
	path := filepath.Join(append([]string{corpus}, name...)...)
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open a suite: %w", err)
	}
	defer func() { _ = f.Close() }()
	var rows []T
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<25)
	for lines.Scan() {
		var row T
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", path, len(rows)+1, err)
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return rows, nil
}

//go:embed excluded.tsv
var excludedList string

// exclusions maps "suite\tid" to the reason for leaving a case out.
func exclusions() map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(excludedList) {
		parts := strings.SplitN(strings.TrimRight(line, "\n"), "\t", 3)
		if len(parts) == 3 && !strings.HasPrefix(line, "#") {
			out[parts[0]+"\t"+parts[1]] = parts[2]
		}
	}
	return out
}
