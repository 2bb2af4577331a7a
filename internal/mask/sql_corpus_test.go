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
	for _, group := range []string{"D_sql_corpora", "C_lineage_suites"} {
		t.Run(group, func(t *testing.T) { maskFolder(t, filepath.Join(corpus, group)) })
	}
}

// corpusCount counts texts that were masked in one way.
type corpusCount struct{ whole, fallback, literals, kept int }

// sampling is how many texts there are for each that is masked: all of them with
// METALENS_ACCURACY, a part otherwise.
func sampling() int {
	switch {
	case os.Getenv("METALENS_ACCURACY") != "":
		return 1
	case raceEnabled:
		return 40
	}
	return 7
}

func maskFolder(t *testing.T, folder string) {
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatal("no corpora", err)
	}
	texts, before, read, step := 0, 0, 0, sampling()
	ways := []struct {
		name      string
		sensitive func(mask.Column) mask.Verdict
		strict    bool
	}{{"no name sensitive", nil, false}, {"a third of all names sensitive", third, false}, {"strict", third, true}}
	counts := make([]corpusCount, len(ways))
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
			if read++; read%step != 0 {
				continue
			}
			texts++
			parsed := parses(row.SQL, d)
			if parsed {
				before++
			}
			for i, way := range ways {
				m := mask.NewMap()
				out := mask.SQL(mask.SQLInput{Dialect: d, SQL: row.SQL, Sensitive: way.sensitive, Names: way.strict}, m)
				if m.Unmask(out.Masked) != row.SQL {
					t.Errorf("%s: not turned back: %q\n%q", row.Dialect, row.SQL, out.Masked)
				}
				c := &counts[i]
				c.literals += out.Literals
				c.kept += out.Kept
				if !parsed {
					continue
				}
				// A text that is one placeholder as a whole is none that parses.
				whole := strings.HasPrefix(out.Masked, "<sql") && !strings.HasPrefix(row.SQL, "<sql")
				if parses(out.Masked, d) && !whole {
					c.whole++
				} else if os.Getenv("METALENS_VERBOSE") != "" {
					t.Logf("%s, %s:\n%.1500s\n--\n%.1500s", row.Dialect, way.name, row.SQL, out.Masked)
				}
				if out.Fallback {
					c.fallback++
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
	t.Logf("%d texts, all come back byte for byte; %d parse", texts, before)
	for i, way := range ways {
		c := counts[i]
		t.Logf("%s: %d parse masked (%.2f %%), %d of them only without structural literals; of %d literals %d stayed as structure", way.name,
			c.whole, 100*float64(c.whole)/float64(max(before, 1)), c.fallback-(before-c.whole), c.literals, c.kept)
		if c.whole*1000 < before*999 {
			t.Error("fewer than 99.9 % still parse")
		}
	}
}
