package sqlsuite

import (
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// Teamster runs dbt models of a school network: exact table sets, and the
// documented output columns as a set where the query has no star.
func Teamster(r *Report, corpus string) error {
	rows, err := readLines[lineageCase](corpus, "C_lineage_suites", "teamster_dbt.jsonl")
	if err != nil {
		return err
	}
	for _, c := range rows {
		a := sqllens.Inspect(sqllens.InspectRequest{Dialect: c.Dialect, SQL: c.SQL})
		f := Failure{Suite: "teamster", Dialect: c.Dialect, ID: c.Name, SQL: c.SQL, Note: note(a)}
		var tables []string
		star := false
		var outputs []string
		for _, s := range a.Statements {
			for _, t := range s.Tables {
				tables = append(tables, tableName(&t.TableRef))
			}
			for _, o := range s.Outputs {
				outputs = append(outputs, strings.ToLower(o.Name))
				star = star || o.Star
			}
		}
		if c.Tables != nil {
			f.Measure = "tables"
			r.compare(f, plainAll(*c.Tables), tables, false)
		}
		if c.Output == nil {
			continue
		}
		f.Measure = "outputs"
		want := plainAll(c.Output)
		if star { // the columns of the star are documented and not known here: the named ones must be among them
			var named []string
			for _, o := range outputs {
				if o != "*" {
					named = append(named, o)
				}
			}
			want, outputs = intersection(want, named), named
		}
		r.compare(f, want, documented(want, outputs, c.SQL), false)
	}
	return nil
}

// documented drops outputs that the documentation leaves out although the
// query names them.
func documented(want, outputs []string, sql string) []string {
	low := strings.ToLower(sql)
	var out []string
	for _, o := range outputs {
		if slices.Contains(want, o) || o == "" || !strings.Contains(low, o) {
			out = append(out, o)
		}
	}
	return out
}

func intersection(a, b []string) []string {
	in := map[string]bool{}
	for _, x := range b {
		in[x] = true
	}
	var out []string
	for _, x := range a {
		if in[x] {
			out = append(out, x)
		}
	}
	return out
}

type mozillaColumn struct {
	Table  string `json:"table"`
	Column string `json:"column"`
}

// mozillaCorpus are the queries with the schema of the published tables.
type mozillaCorpus struct {
	rows      []lineageCase
	inspector *sqllens.Inspector
}

// Mozilla runs the queries behind published tables: the outputs are the
// columns of the table, stars expanded by the schemas of other tables. Tables
// whose schema is not published leave a star; then the named outputs must be
// columns of the table.
func Mozilla(r *Report, corpus string) error {
	var m mozillaCorpus
	if err := m.read(corpus); err != nil {
		return err
	}
	m.run(r)
	return nil
}

func (m *mozillaCorpus) read(corpus string) error {
	rows, err := readLines[lineageCase](corpus, "C_lineage_suites", "mozilla_bigquery_etl.jsonl")
	if err != nil {
		return err
	}
	columns, err := readLines[mozillaColumn](corpus, "E_sensitive_columns", "mozilla_bigquery_etl_columns.jsonl")
	if err != nil {
		return err
	}
	schema := &sqllens.InspectSchema{}
	index := map[string]int{}
	for _, c := range columns {
		if strings.Contains(c.Column, ".") { // a field of a struct
			continue
		}
		i, ok := index[c.Table]
		if !ok {
			parts := strings.Split(c.Table, ".")
			if len(parts) != 3 {
				continue
			}
			i = len(schema.Tables)
			index[c.Table] = i
			schema.Tables = append(schema.Tables, sqllens.InspectTable{Catalog: parts[0], Schema: parts[1], Name: parts[2]})
		}
		schema.Tables[i].Columns = append(schema.Tables[i].Columns, sqllens.InspectColumn{Name: c.Column})
	}
	m.rows = rows
	m.inspector = sqllens.NewInspector(sqllens.BigQuery, schema, "moz-fx-data-shared-prod", "")
	return nil
}

func (m *mozillaCorpus) run(r *Report) {
	for _, c := range m.rows {
		a := m.inspector.Inspect(sqllens.InspectRequest{Dialect: "bigquery", SQL: c.SQL})
		var outputs []string
		star := false
		for _, s := range a.Statements {
			if s.Kind != sqllens.StatementSelect && s.Kind != sqllens.StatementCreateTable && s.Kind != sqllens.StatementCreateView && s.Kind != sqllens.StatementInsert {
				continue
			}
			if len(s.Outputs) > 0 {
				outputs, star = nil, false
			}
			for _, o := range s.Outputs {
				star = star || o.Star
				outputs = append(outputs, strings.ToLower(o.Name))
			}
		}
		want := plainAll(c.Output)
		if star {
			var named []string
			for _, o := range outputs {
				if o != "*" {
					named = append(named, o)
				}
			}
			want, outputs = intersection(want, named), named
		}
		r.compare(Failure{Suite: "mozilla", Measure: "outputs", Dialect: "bigquery", ID: c.Name, SQL: c.SQL, Note: note(a)}, want, documented(want, outputs, c.SQL), false)
	}
}

type corpusText struct {
	Dialect string `json:"dialect"`
	Source  string `json:"source"`
	Path    string `json:"path"`
	Kind    string `json:"kind"`
	Stmt    string `json:"stmt"`
	SQL     string `json:"sql"`
}

// queries are the statements whose lineage users need; other statements are
// read too and counted apart.
func (c corpusText) query() bool {
	switch c.Stmt {
	case "SELECT", "WITH", "FROM", "INSERT", "MERGE", "UPDATE", "DELETE", "":
		return true
	}
	return false
}

// Parse measures how many texts are read without skipping anything.
func Parse(r *Report, corpus string) error {
	files, err := filepath.Glob(filepath.Join(corpus, "D_sql_corpora", "*.jsonl"))
	if err != nil {
		return fmt.Errorf("list the corpora: %w", err)
	}
	sort.Strings(files)
	for _, file := range files {
		rows, err := readLines[corpusText](corpus, "D_sql_corpora", filepath.Base(file))
		if err != nil {
			return err
		}
		for i, c := range rows {
			kind, _, _ := strings.Cut(c.Kind, "-")
			suite := "parse " + kind
			if !c.query() {
				suite = "parse other " + kind
			}
			parseOne(r, suite, c.Dialect, fmt.Sprintf("%s#%d", filepath.Base(file), i), c.SQL)
		}
	}
	whole := []struct{ suite, dialect, dir, file string }{
		{"parse who_espen", "postgres", "who_espen", "espen_metabase_sql.jsonl"},
		{"parse philadelphia", "oracle", "philadelphia_li_metabase", "queries.jsonl"},
	}
	for _, w := range whole {
		rows, err := readLines[corpusText](corpus, "B_content_exports", w.dir, w.file)
		if err != nil {
			return err
		}
		for i, c := range rows {
			parseOne(r, w.suite, w.dialect, fmt.Sprintf("%s#%d", w.file, i), c.SQL)
		}
	}
	strings, err := readLines[corpusText](corpus, "C_lineage_suites", "sqlglot_dialect_strings.jsonl")
	if err != nil {
		return err
	}
	for i, c := range strings {
		parseOne(r, "parse sqlglot", c.Dialect, fmt.Sprintf("#%d", i), c.SQL)
	}
	return nil
}

func parseOne(r *Report, suite, dialect, id, sql string) {
	a := sqllens.Inspect(sqllens.InspectRequest{Dialect: dialectOf(dialect), SQL: sql})
	f := Failure{Suite: suite, Measure: "parse", Dialect: dialect, ID: id, SQL: sql}
	if a.Recovered {
		f.Outcome = Wrong
		e := a.Errors[0]
		f.Note = e.Message
		if e.Span != nil {
			f.Note += fmt.Sprintf(" at …%q", sql[max(0, e.Span.Start-50):min(len(sql), e.Span.Start+40)])
		}
		if len(f.SQL) > 400 {
			f.SQL = f.SQL[:400] + "…"
		}
	}
	r.add(f)
}

// Mimic compares the lineage of queries that exist in several dialects.
func Mimic(r *Report, corpus string) error {
	type version struct {
		dialect, sql string
	}
	concepts := map[string][]version{}
	for _, d := range []string{"bigquery", "postgres", "duckdb"} {
		rows, err := readLines[corpusText](corpus, "D_sql_corpora", d+".jsonl")
		if err != nil {
			return err
		}
		for _, c := range rows {
			repo, path, ok := strings.Cut(c.Source, ":")
			if !ok || !strings.Contains(repo, "mimic") || !strings.Contains(path, "concepts") {
				continue
			}
			parts := strings.Split(path, "/")
			i := 0
			for i < len(parts) && !strings.HasPrefix(parts[i], "concepts") {
				i++
			}
			key := strings.Join(parts[:i], "/") + "/" + strings.Join(parts[i+1:], "/")
			concepts[key] = append(concepts[key], version{d, c.SQL})
		}
	}
	var keys []string
	for key, versions := range concepts {
		if len(versions) > 1 {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	for _, key := range keys {
		first := mimicLineage(concepts[key][0].dialect, concepts[key][0].sql)
		for _, v := range concepts[key][1:] {
			if v.dialect == concepts[key][0].dialect {
				continue
			}
			r.compare(Failure{Suite: "mimic", Measure: "agreement", Dialect: v.dialect, ID: key, SQL: v.sql}, first, mimicLineage(v.dialect, v.sql), false)
		}
	}
	return nil
}

// mimicLineage lists outputs with their sources by table name alone: projects
// and schemas differ between the versions.
func mimicLineage(dialect, sql string) []string {
	a := sqllens.Inspect(sqllens.InspectRequest{Dialect: dialect, SQL: sql})
	var out []string
	for _, s := range a.Statements {
		for _, t := range s.Tables {
			if t.Access == "read" {
				out = append(out, "table "+strings.ToLower(t.Name))
			}
		}
		for _, o := range s.Outputs {
			var sources []string
			for _, src := range o.Sources {
				name := "?"
				if src.Table != nil {
					name = strings.ToLower(src.Table.Name)
				}
				sources = append(sources, name+"."+strings.ToLower(src.Column))
			}
			sort.Strings(sources)
			out = append(out, strings.ToLower(o.Name)+" < "+strings.Join(sources, ", "))
		}
	}
	return out
}

// RealQueries lists the queries of the corpora that people wrote, for
// measurements of speed. Texts below 150 bytes are left out.
func RealQueries(corpus string) ([]sqllens.InspectRequest, error) {
	files, err := filepath.Glob(filepath.Join(corpus, "D_sql_corpora", "*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("list the corpora: %w", err)
	}
	sort.Strings(files)
	var out []sqllens.InspectRequest
	for _, file := range files {
		rows, err := readLines[corpusText](corpus, "D_sql_corpora", filepath.Base(file))
		if err != nil {
			return nil, err
		}
		for _, c := range rows {
			if c.query() && strings.HasPrefix(c.Kind, "real") && len(c.SQL) >= 150 {
				out = append(out, sqllens.InspectRequest{Dialect: dialectOf(c.Dialect), SQL: c.SQL})
			}
		}
	}
	return out, nil
}
