package mask_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqlsuite"
)

// suiteDatabase is a database as bytebase's suite describes one.
type suiteDatabase struct {
	Name    string
	Schemas []struct {
		Name          string
		Tables, Views []struct {
			Name    string
			Columns []struct{ Name string }
		}
	}
}

// TestLineageCarriesSensitivity takes the labels of two lineage suites: each
// source column is called sensitive in turn, and no name of an output that comes
// from it by the label may be left in the masked text.
func TestLineageCarriesSensitivity(t *testing.T) {
	corpus := sqlsuite.CorpusDir(os.Getenv("METALENS_CORPUS"))
	if corpus == "" {
		t.Skip("the corpus is not here; set METALENS_CORPUS to its folder")
	}
	plain := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	outputs, leaks, texts := 0, 0, 0
	for _, suite := range []string{"sqllineage.jsonl", "bytebase.jsonl"} {
		f, err := os.Open(filepath.Join(corpus, "C_lineage_suites", suite))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var row struct {
				Dialect, Name, SQL string
				Lineage            []struct {
					Output  string
					Sources []string
				} `json:"expect_column_lineage"`
				Schema json.RawMessage
			}
			if json.Unmarshal(lines.Bytes(), &row) != nil || len(row.Lineage) == 0 {
				continue
			}
			d, ok := sqllens.ParseDialect(row.Dialect)
			if !ok {
				d = sqllens.Generic
			}
			texts++
			var schema *sqllens.Schema
			var tables []sqllens.SchemaTable
			var known []suiteDatabase // suites without one have it in other forms
			_ = json.Unmarshal(row.Schema, &known)
			for _, database := range known {
				for _, s := range database.Schemas {
					for _, table := range append(s.Tables, s.Views...) {
						st := sqllens.SchemaTable{TableRef: sqllens.TableRef{Catalog: database.Name, Schema: s.Name, Name: table.Name}}
						for _, c := range table.Columns {
							st.Columns = append(st.Columns, c.Name)
						}
						tables = append(tables, st)
					}
				}
			}
			if len(tables) > 0 {
				schema = sqllens.NewSchema(d, tables, "", "")
			}
			var sources []string
			for _, l := range row.Lineage {
				sources = append(sources, l.Sources...)
			}
			slices.Sort(sources)
			for _, source := range slices.Compact(sources) {
				table, column := "", source
				if i := strings.LastIndexByte(source, '.'); i >= 0 {
					table, column = source[:i], source[i+1:]
				}
				table = table[strings.LastIndexByte(table, '.')+1:]
				sensitive := func(c mask.Column) mask.Verdict {
					own := c.Table[strings.LastIndexByte(c.Table, '.')+1:]
					return mask.Verdict{Sensitive: strings.EqualFold(c.Name, column) && (own == "" || table == "" || strings.EqualFold(own, table))}
				}
				out := mask.SQL(mask.SQLInput{Dialect: d, SQL: row.SQL, Schema: schema, Sensitive: sensitive, Given: func(string) bool { return false }}, mask.NewMap())
				left := map[string]bool{}
				for _, w := range sqllens.Words(out.Masked, d) {
					if w.Kind == sqllens.WordName || w.Kind == sqllens.WordQuoted {
						left[strings.ToLower(w.Name)] = true
					}
				}
				for _, l := range row.Lineage {
					name := strings.ToLower(l.Output[strings.LastIndexByte(l.Output, '.')+1:])
					if !slices.Contains(l.Sources, source) || !plain.MatchString(name) || !plain.MatchString(column) {
						continue
					}
					outputs++
					if left[name] && spelled(row.SQL, d, name) {
						leaks++
						t.Logf("%s %s: %s of %s is left\n%s\n%s", suite, row.Name, name, source, row.SQL, out.Masked)
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
	t.Logf("%d texts, %d outputs that come from a sensitive column, %d left", texts, outputs, leaks)
	// Seven labels name a function as a column, two an output that has no name
	// in the text, three a view whose query is not in the text, and one stands
	// behind more columns than the first operand of its union has.
	if leaks > 13 {
		t.Error("names of outputs that come from a sensitive column are left")
	}
}

// spelled says whether a text spells a name that is no function's.
func spelled(sql string, d sqllens.Dialect, name string) bool {
	words := sqllens.Words(sql, d)
	for i, w := range words {
		if strings.EqualFold(w.Name, name) && (i+1 == len(words) || words[i+1].Text != "(") {
			return true
		}
	}
	return false
}
