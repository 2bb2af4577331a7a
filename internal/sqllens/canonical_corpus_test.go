package sqllens_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqlsuite"
)

// TestCanonicalOnCorpus checks on real and fixture SQL that white space,
// comments and the case of names do not change the normal form, and that nearly
// every text that parses is compared by meaning.
func TestCanonicalOnCorpus(t *testing.T) {
	corpus := sqlsuite.CorpusDir(os.Getenv("METALENS_CORPUS"))
	if corpus == "" {
		t.Skip("the corpus is not here; set METALENS_CORPUS to its folder")
	}
	files, err := filepath.Glob(filepath.Join(corpus, "D_sql_corpora", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatal("no corpora", err)
	}
	parsed, compared, wrong := 0, 0, 0
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var row struct{ Dialect, Stmt, SQL string }
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				t.Fatal(err)
			}
			d, ok := sqllens.ParseDialect(row.Dialect)
			if !ok {
				d = sqllens.Generic
			}
			if row.Stmt != "SELECT" && row.Stmt != "WITH" || sqllens.Recovered(row.SQL, d) {
				continue
			}
			parsed++
			if !sqllens.CanonicalOK(row.SQL, d) {
				if wrong++; wrong <= 3 || os.Getenv("METALENS_VERBOSE") != "" {
					t.Logf("compared by words: %s: %.300s", row.Dialect, row.SQL)
				}
				continue
			}
			compared++
			other := sqllens.Respaced(row.SQL, d)
			if sqllens.Recovered(other, d) { // the case of a word mattered after all
				continue
			}
			a, b := sqllens.Canonicalize(row.SQL, d), sqllens.Canonicalize(other, d)
			if a.Fingerprints.Equivalent != b.Fingerprints.Equivalent {
				t.Errorf("%s: differs\n%.400s\n a: %.600s\n b: %.600s", row.Dialect, row.SQL, a.Text, b.Text)
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d texts parse, %d are compared by meaning", parsed, compared)
	if compared < parsed*98/100 {
		t.Errorf("only %d of %d texts are compared by meaning", compared, parsed)
	}
}
