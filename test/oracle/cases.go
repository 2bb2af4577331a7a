package oracle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The classes of texts, reported apart.
const (
	Real      = "real"      // people wrote them for their work
	Benchmark = "benchmark" // TPC-H and TPC-DS
	Fixture   = "fixture"   // a linter's test files: every corner of a syntax
	Strings   = "strings"   // a transpiler's test strings
)

// Case is one text for one grammar.
type Case struct {
	ID      string
	Grammar string // the dialect of the grammar that judges it
	Dialect string // the dialect our engine reads it as
	Class   string
	SQL     string
}

// corpusLine is a line of the corpora's files.
type corpusLine struct {
	Dialect string `json:"dialect"`
	Kind    string `json:"kind"`
	SQL     string `json:"sql"`
}

// judges says which grammar judges texts of a dialect. A dialect that descends
// from another is judged by the grammar of that one: what both accept must be
// read too.
func judges(dialect string) (grammar string, ours string) {
	switch dialect {
	case "postgres", "mysql", "sqlite", "duckdb", "bigquery", "clickhouse", "tsql":
		return dialect, dialect
	case "redshift", "greenplum", "materialize", "cockroachdb":
		return "postgres", dialect
	case "risingwave":
		return "postgres", "postgres"
	case "mariadb", "doris", "starrocks":
		return "mysql", dialect
	}
	return "", ""
}

// Cases reads the corpus below a folder.
func Cases(corpus string) ([]Case, error) {
	var out []Case
	files, err := filepath.Glob(filepath.Join(corpus, "D_sql_corpora", "*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("list the corpora: %w", err)
	}
	slices.Sort(files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		err := lines(file, func(i int, row corpusLine) {
			class, _, _ := strings.Cut(row.Kind, "-")
			id := fmt.Sprintf("%s#%d", name, i)
			if class == Benchmark { // every grammar judges them
				for _, g := range Grammars() {
					out = append(out, Case{id, g.Dialect, g.Dialect, Benchmark, row.SQL})
				}
				return
			}
			if g, ours := judges(name); g != "" {
				out = append(out, Case{id, g, ours, class, row.SQL})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	err = lines(filepath.Join(corpus, "B_content_exports", "who_espen", "espen_metabase_sql.jsonl"), func(i int, row corpusLine) {
		out = append(out, Case{fmt.Sprintf("espen#%d", i), "postgres", "postgres", Real, row.SQL})
	})
	if err != nil {
		return nil, err
	}
	err = lines(filepath.Join(corpus, "C_lineage_suites", "sqlglot_dialect_strings.jsonl"), func(i int, row corpusLine) {
		if g, ours := judges(row.Dialect); g != "" {
			out = append(out, Case{fmt.Sprintf("strings#%d", i), g, ours, Strings, row.SQL})
		}
	})
	return out, err
}

func lines(path string, row func(int, corpusLine)) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open a corpus: %w", err)
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<25)
	for i := 0; in.Scan(); i++ {
		var line corpusLine
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			return fmt.Errorf("%s line %d: %w", path, i+1, err)
		}
		row(i, line)
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
