package mask_test

import (
	"bufio"
	"encoding/json"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqlsuite"
)

// third calls a third of all names sensitive.
func third(c mask.Column) mask.Verdict {
	h := fnv.New32a()
	_, _ = h.Write([]byte(strings.ToLower(c.Name)))
	return mask.Verdict{Sensitive: h.Sum32()%3 == 0}
}

func parses(sql string, d sqllens.Dialect) bool {
	tree := sqllens.Parse(sql, d, true)
	return !tree.Recovered && (len(tree.Blocks) == 0 || !sqllens.Parse(sql, d, false).Recovered)
}

// TestMaskOnCorpus masks every text of the SQL corpora and reports how many
// still parse, how many come back byte for byte, and how many literals go.
func TestMaskOnCorpus(t *testing.T) {
	corpus := sqlsuite.CorpusDir(os.Getenv("METALENS_CORPUS"))
	if corpus == "" {
		t.Skip("the corpus is not here; set METALENS_CORPUS to its folder")
	}
	files, err := filepath.Glob(filepath.Join(corpus, "D_sql_corpora", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatal("no corpora", err)
	}
	texts, before, after, fallback, literals, kept, strictAfter := 0, 0, 0, 0, 0, 0, 0
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var row struct{ Dialect, SQL string }
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				t.Fatal(err)
			}
			d, ok := sqllens.ParseDialect(row.Dialect)
			if !ok {
				d = sqllens.Generic
			}
			texts++
			parsed := parses(row.SQL, d)
			if parsed {
				before++
			}
			for _, strict := range []bool{false, true} {
				m := mask.NewMap()
				out := mask.SQL(mask.SQLInput{Dialect: d, SQL: row.SQL, Sensitive: third, Names: strict}, m)
				if m.Unmask(out.Masked) != row.SQL {
					t.Errorf("%s: not turned back: %q\n%q", row.Dialect, row.SQL, out.Masked)
				}
				whole := strings.HasPrefix(out.Masked, "<sql") && !strings.HasPrefix(row.SQL, "<sql")
				fine := parses(out.Masked, d) && !whole
				if parsed && (!fine || out.Fallback) && os.Getenv("METALENS_VERBOSE") != "" {
					t.Logf("%s strict=%v fine=%v:\n%.1500s\n--\n%.1500s", row.Dialect, strict, fine, row.SQL, out.Masked)
				}
				switch {
				case strict && parsed && fine:
					strictAfter++
				case strict:
				default:
					literals += out.Literals
					kept += out.Kept
					if parsed && fine {
						after++
					}
					if parsed && out.Fallback {
						fallback++
					}
				}
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d texts, %d parse; of these %d parse masked, %d in strict mode, %d without structural literals; %d literals, %d kept as structure",
		texts, before, after, strictAfter, fallback, literals, kept)
	if after*1000 < before*999 || strictAfter*1000 < before*999 {
		t.Error("fewer than 99.9 % of the texts still parse")
	}
}
