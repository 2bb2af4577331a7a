package sqllint_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqllint"
)

// realSQL reads the queries of the corpus that people wrote.
func realSQL(t *testing.T, visit func(source, sql string, d sqllens.Dialect)) {
	t.Helper()
	root := os.Getenv("METALENS_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	files, err := filepath.Glob(filepath.Join(root, "D_sql_corpora", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Skip("no corpus of real SQL; set METALENS_CORPUS to its folder")
	}
	read := func(file string, each func(line []byte)) {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}()
		in := bufio.NewScanner(f)
		in.Buffer(nil, 16<<20)
		for in.Scan() {
			each(in.Bytes())
		}
		if err := in.Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		read(file, func(line []byte) {
			var row struct{ Dialect, Source, Kind, Stmt, SQL string }
			if err := json.Unmarshal(line, &row); err != nil {
				t.Fatal(err)
			}
			d, ok := sqllens.ParseDialect(row.Dialect)
			if ok && strings.HasPrefix(row.Kind, "real") && (row.Stmt == "SELECT" || row.Stmt == "WITH" || row.Stmt == "CREATE") {
				visit(row.Dialect+" "+row.Source, row.SQL, d)
			}
		})
	}
	for file, d := range map[string]sqllens.Dialect{
		"who_espen/espen_metabase_sql.jsonl": sqllens.Postgres, "philadelphia_li_metabase/queries.jsonl": sqllens.Oracle,
	} {
		n := 0
		read(filepath.Join(root, "B_content_exports", filepath.FromSlash(file)), func(line []byte) {
			var row struct{ Path, SQL, Kind string }
			if err := json.Unmarshal(line, &row); err != nil {
				t.Fatal(err)
			}
			// The five countries' texts are copies of each other, mostly.
			if n++; !strings.HasPrefix(file, "who") || n%5 == 0 {
				visit(strings.SplitN(file, "/", 2)[0]+" "+row.Path, row.SQL, d)
			}
		})
	}
}

// TestCorpus measures how often each rule speaks about real SQL. With
// METALENS_LINT_SHOW=rule it prints the places, for judging them by eye.
func TestCorpus(t *testing.T) {
	show := os.Getenv("METALENS_LINT_SHOW")
	texts, skipped, shown := 0, 0, 0
	seen := map[string]bool{}
	hits := map[sqllint.Rule]map[finding.Confidence]int{}
	realSQL(t, func(source, sql string, d sqllens.Dialect) {
		if seen[sql] {
			return
		}
		seen[sql] = true
		texts++
		tree := sqllens.Parse(sql, d, true)
		r := sqllint.Lint(sqllint.Input{SQL: sql, Tree: tree, Lineage: sqllens.Resolve(tree, nil, nil)})
		if r.Skipped != "" {
			skipped++
			return
		}
		said := map[sqllint.Rule]finding.Confidence{}
		for _, m := range r.Remarks {
			if m.Span.Start < 0 || m.Span.End > len(sql) || m.Span.Start >= m.Span.End {
				t.Errorf("%s: %s has span %v of %d bytes", source, m.Rule, m.Span, len(sql))
				continue
			}
			if c, ok := said[m.Rule]; ok && c.Rank() >= m.Confidence.Rank() {
				continue
			}
			first := said[m.Rule] == ""
			said[m.Rule] = m.Confidence
			if string(m.Rule) == show && first {
				if shown++; shown%max(1, stride()) == 0 && shown/max(1, stride()) <= 40 {
					from, to := max(0, m.Span.Start-160), min(len(sql), m.Span.End+160)
					t.Logf("--- %s %s %s\n%s\x1b[7m%s\x1b[0m%s", source, m.Confidence, m.Detail, sql[from:m.Span.Start], sql[m.Span.Start:m.Span.End], sql[m.Span.End:to])
				}
			}
		}
		for rule, c := range said {
			if hits[rule] == nil {
				hits[rule] = map[finding.Confidence]int{}
			}
			hits[rule][c]++
		}
	})
	t.Logf("%d different texts, %d not understood to their end", texts, skipped)
	for _, rule := range sqllint.Rules() {
		n := 0
		for _, k := range hits[rule] {
			n += k
		}
		t.Logf("%-26s %5d  %5.1f %%  certain %d likely %d possible %d", rule, n, 100*float64(n)/float64(max(1, texts-skipped)),
			hits[rule][finding.Certain], hits[rule][finding.Likely], hits[rule][finding.Possible])
		if 100*n > 60*texts {
			t.Errorf("%s speaks about more than half of all queries", rule)
		}
	}
}

// stride thins what is shown.
func stride() int {
	n := 0
	for _, c := range os.Getenv("METALENS_LINT_STRIDE") {
		n = n*10 + int(c-'0')
	}
	return n
}
