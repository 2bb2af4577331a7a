package oracle

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Regression texts are the grammars' own tests, most of them taken over from
// the databases themselves. They come with the modules and need no corpus.
const Regression = "regression"

// maxRegressions bounds how many texts of one grammar are read, evenly chosen.
const maxRegressions = 4000

// suite says where a module keeps its tests and how they are written.
type suite struct {
	dir, suffix string
	split       func(text string) []string
}

func suiteOf(dialect string) suite {
	switch dialect {
	case "postgres":
		return suite{"parser/testdata/parse", ".test", sections("== ", "--")}
	case "mysql":
		return suite{"parser/testdata/parser", "input.sql", func(s string) []string { return strings.Split(s, "-- case\n") }}
	case "sqlite":
		return suite{"parser/testdata", ".test", sections("==== ", "----")}
	case "duckdb":
		return suite{"parser/testdata/corpus/sql", ".test", sections("==", "--")}
	case "bigquery":
		return suite{"parser/testdata", ".test", sections("==", "--")}
	case "clickhouse":
		return suite{"parser/testdata", "query.sql", func(s string) []string { return strings.Split(s, ";\n") }}
	}
	return suite{"parser/testdata", "query.sql", batches}
}

// sections takes the texts out of a file of texts and answers: a text begins
// behind a line that starts with open, or with the file, and ends at a line
// that is shut.
func sections(open, shut string) func(string) []string {
	return func(file string) []string {
		var out []string
		var text strings.Builder
		reading := true
		for line := range strings.Lines(file) {
			bare := strings.TrimRight(line, "\r\n")
			switch {
			case strings.HasPrefix(bare, open) && strings.Trim(bare, "=") != bare || bare == strings.TrimSpace(open):
				text.Reset()
				reading = true
			case bare == shut && reading:
				out = append(out, text.String())
				reading = false
			case reading && !(open == "==" && (strings.HasPrefix(bare, "[") || strings.HasPrefix(bare, "# "))): // options and remarks of the file
				text.WriteString(strings.TrimPrefix(line, "|"))
			}
		}
		return out
	}
}

// batches splits a script of SQL Server at GO.
func batches(script string) []string {
	var out []string
	var batch strings.Builder
	for line := range strings.Lines(script) {
		if strings.EqualFold(strings.TrimSpace(strings.TrimRight(line, ";\r\n")), "go") {
			out = append(out, batch.String())
			batch.Reset()
			continue
		}
		batch.WriteString(line)
	}
	return append(out, batch.String())
}

// Regressions reads the texts of a grammar's own tests. It asks the go command
// where the module is.
func Regressions(ctx context.Context, g Grammar) ([]Case, error) {
	where, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", g.Module).Output() //nolint:gosec // a constant of this package
	if err != nil {
		return nil, fmt.Errorf("find the module %s: %w", g.Module, err)
	}
	s := suiteOf(g.Dialect)
	root := filepath.Join(strings.TrimSpace(string(where)), filepath.FromSlash(s.dir))
	var out []Case
	seen := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, s.suffix) {
			return err
		}
		file, err := os.ReadFile(path) //nolint:gosec // the module cache is read-only
		if err != nil {
			return fmt.Errorf("read a test: %w", err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return fmt.Errorf("name a test: %w", err)
		}
		for i, text := range s.split(string(file)) {
			if text = strings.TrimSpace(text); text != "" && !seen[text] && !strings.Contains(text, "{{") {
				seen[text] = true
				out = append(out, Case{fmt.Sprintf("%s#%d", filepath.ToSlash(name), i), g.Dialect, g.Dialect, Regression, text})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if stride := (len(out) + maxRegressions - 1) / maxRegressions; stride > 1 {
		n := 0
		out = slices.DeleteFunc(out, func(Case) bool { n++; return n%stride != 0 })
	}
	return out, nil
}
