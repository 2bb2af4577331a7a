package sqlsuite

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// lineageCase is a line of the uniform suites.
type lineageCase struct {
	Suite           string        `json:"suite"`
	Name            string        `json:"name"`
	Dialect         string        `json:"dialect"`
	SQL             string        `json:"sql"`
	Tables          *[]string     `json:"expect_tables"`
	Columns         *[]string     `json:"expect_columns"`
	Output          []string      `json:"expect_output"`
	Lineage         *[]lineageOut `json:"expect_column_lineage"`
	DefaultDatabase string        `json:"default_database"`
}

type lineageOut struct {
	Output  string   `json:"output"`
	Sources []string `json:"sources"`
}

// dialectOf maps the suites' names of dialects to the nearest one of ours.
func dialectOf(name string) string {
	switch name {
	case "spanner":
		return "bigquery"
	case "tidb", "doris", "starrocks":
		return "mysql"
	case "risingwave", "materialize", "greenplum", "exasol", "vertica", "redshift_serverless":
		return "postgres"
	case "flink", "db2", "teradata", "ansi", "impala":
		return "generic"
	}
	name, _, _ = strings.Cut(name, ",")
	if _, ok := sqllens.ParseDialect(name); ok {
		return name
	}
	return "generic"
}

func note(a sqllens.InspectAnswer) string {
	var parts []string
	for _, e := range a.Errors {
		parts = append(parts, e.Code+": "+e.Message)
	}
	for _, u := range a.Unresolved {
		parts = append(parts, u.Reason+" "+u.Detail)
	}
	return strings.Join(parts, "; ")
}

func dotted(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.ToLower(strings.Join(out, "."))
}

func tableName(t *sqllens.TableRef) string {
	if t == nil {
		return ""
	}
	return dotted(t.Catalog, t.Schema, t.Name)
}

// plain lowers a suite's name and drops its quotes.
func plain(name string) string {
	return strings.ToLower(strings.NewReplacer("`", "", `"`, "", "[", "", "]", "").Replace(name))
}

func plainAll(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = plain(n)
	}
	return out
}

// Macaw runs Metabase's own analyser's cases: tables and source columns.
func Macaw(r *Report, corpus string) error {
	rows, err := readLines[lineageCase](corpus, "C_lineage_suites", "macaw.jsonl")
	if err != nil {
		return err
	}
	for _, c := range rows {
		if c.Tables == nil && c.Columns == nil {
			continue
		}
		a := sqllens.Inspect(sqllens.InspectRequest{Dialect: "generic", SQL: c.SQL})
		f := Failure{Suite: "macaw", Dialect: "generic", ID: c.Name, SQL: c.SQL, Note: note(a)}
		if c.Tables != nil {
			var got []string
			for _, s := range a.Statements {
				for _, t := range s.Tables {
					got = append(got, tableName(&t.TableRef))
				}
			}
			f.Measure = "tables"
			r.compare(f, plainAll(*c.Tables), got, false)
		}
		if c.Columns != nil {
			var got []string
			for _, s := range a.Statements {
				for _, col := range s.Columns {
					got = append(got, dotted(tableName(col.Table), col.Column))
				}
			}
			f.Measure = "columns"
			r.compare(f, plainAll(*c.Columns), got, false)
		}
	}
	return nil
}

// bytebaseCase adds the suite's nested schema.
type bytebaseCase struct {
	lineageCase
	Schema []struct {
		Name    string `json:"name"`
		Schemas []struct {
			Name   string `json:"name"`
			Tables []struct {
				Name    string `json:"name"`
				Columns []struct {
					Name string `json:"name"`
				} `json:"columns"`
			} `json:"tables"`
		} `json:"schemas"`
	} `json:"schema"`
}

func (c bytebaseCase) request() sqllens.InspectRequest {
	in := sqllens.InspectRequest{Dialect: dialectOf(c.Dialect), SQL: c.SQL, DefaultCatalog: c.DefaultDatabase, Schema: &sqllens.InspectSchema{}}
	for _, db := range c.Schema {
		for _, s := range db.Schemas {
			for _, t := range s.Tables {
				table := sqllens.InspectTable{Catalog: db.Name, Schema: s.Name, Name: t.Name}
				for _, col := range t.Columns {
					table.Columns = append(table.Columns, sqllens.InspectColumn{Name: col.Name})
				}
				in.Schema.Tables = append(in.Schema.Tables, table)
			}
		}
	}
	return in
}

// generatedName are the names that databases make up.
var generatedName = regexp.MustCompile(`^(\?column\?|f\d+_|_col\d+)$`)

// Bytebase runs query spans: every output with its physical sources. The suite
// spells outputs in a case of its own, names Trino's with their qualifier and
// those without alias by their text, so names are compared lower-case, without
// qualifier, and only where a database would give the name. Trino's sources
// are not stated.
func Bytebase(r *Report, corpus string) error {
	rows, err := readLines[bytebaseCase](corpus, "C_lineage_suites", "bytebase.jsonl")
	if err != nil {
		return err
	}
	for _, c := range rows {
		if c.Lineage == nil {
			continue
		}
		stated := len(*c.Lineage) > 0 // an empty list says nothing: predicates and access are tested then
		a := sqllens.Inspect(c.request())
		var outputs []sqllens.InspectOutput
		if n := len(a.Statements); n > 0 && a.Statements[n-1].Kind == sqllens.StatementSelect {
			outputs = a.Statements[n-1].Outputs
		}
		var want, got []string
		for i, o := range *c.Lineage {
			name := o.Output
			if c.Dialect == "trino" {
				name = name[strings.LastIndexByte(name, '.')+1:]
			}
			if i < len(outputs) && (outputs[i].Name == "" || generatedName.MatchString(outputs[i].Name)) || strings.ContainsAny(name, "( +-*/'") {
				name = "?"
			}
			sources := plainAll(o.Sources)
			if c.Dialect == "trino" {
				sources = nil
			}
			sort.Strings(sources)
			want = append(want, strings.ToLower(name)+" < "+strings.Join(sources, ", "))
		}
		for i, o := range outputs {
			name := o.Name
			if i < len(want) && strings.HasPrefix(want[i], "? <") {
				name = "?"
			}
			var sources []string
			for _, s := range o.Sources {
				if c.Dialect != "trino" {
					sources = append(sources, dotted(tableName(s.Table), s.Column))
				}
			}
			sort.Strings(sources)
			got = append(got, strings.ToLower(name)+" < "+strings.Join(sources, ", "))
		}
		if stated {
			r.compare(Failure{Suite: "bytebase", Measure: "outputs", Dialect: c.Dialect, ID: c.Name, SQL: c.SQL, Note: note(a)}, want, got, true)
		}
		// expect_tables also lists common table expressions and aliases in places.
		if c.Tables != nil {
			var tables []string
			for _, s := range a.Statements {
				for _, t := range s.Tables {
					if t.Access == "read" {
						tables = append(tables, tableName(&t.TableRef))
					}
				}
			}
			wanted := withoutNames(plainAll(*c.Tables), tables, c.SQL)
			r.compare(Failure{Suite: "bytebase", Measure: "tables", Dialect: c.Dialect, ID: c.Name, SQL: c.SQL, Note: note(a)}, wanted, tables, false)
		}
	}
	return nil
}

// withoutNames drops names that the text itself defines (WITH x AS, alias).
func withoutNames(want, got []string, sql string) []string {
	low := strings.Join(strings.Fields(strings.ToLower(sql)), " ")
	var out []string
	for _, w := range want {
		last := w[strings.LastIndexByte(w, '.')+1:]
		defined := strings.Contains(low, last+" as (") || strings.Contains(low, last+" as materialized") || strings.Contains(low, "with "+last+"(") ||
			strings.Contains(low, "recursive "+last+"(") || strings.Contains(low, ") "+last) || strings.Contains(low, ") as "+last) || strings.Contains(low, ", "+last+"(")
		hit := false
		for _, g := range got {
			hit = hit || g == w
		}
		if hit || !defined {
			out = append(out, w)
		}
	}
	return out
}

// sqllineageCase adds the suite's schema and written tables.
type sqllineageCase struct {
	lineageCase
	Schema map[string][]string `json:"schema"`
	Raw    struct {
		Targets *[]string `json:"target_tables"`
	} `json:"raw"`
}

// SQLLineage runs table and column lineage of written tables. The suite joins
// the statements of a text: what one statement writes and a later one reads is
// not among the tables. Outputs without sources and names of unnamed
// expressions are not compared.
func SQLLineage(r *Report, corpus string) error {
	rows, err := readLines[sqllineageCase](corpus, "C_lineage_suites", "sqllineage.jsonl")
	if err != nil {
		return err
	}
	for _, c := range rows {
		in := sqllens.InspectRequest{Dialect: dialectOf(c.Dialect), SQL: c.SQL}
		if len(c.Schema) > 0 {
			in.Schema = &sqllens.InspectSchema{}
			for name, columns := range c.Schema {
				t := sqllens.InspectTable{Name: name}
				if schema, table, ok := strings.Cut(name, "."); ok {
					t.Schema, t.Name = schema, table
				}
				for _, col := range columns {
					t.Columns = append(t.Columns, sqllens.InspectColumn{Name: col})
				}
				in.Schema.Tables = append(in.Schema.Tables, t)
			}
			sort.Slice(in.Schema.Tables, func(i, j int) bool {
				return in.Schema.Tables[i].Schema+in.Schema.Tables[i].Name < in.Schema.Tables[j].Schema+in.Schema.Tables[j].Name
			})
		}
		a := sqllens.Inspect(in)
		f := Failure{Suite: "sqllineage", Dialect: c.Dialect, ID: c.Name, SQL: c.SQL, Note: note(a)}
		reads, writes := joinedTables(a)
		if c.Tables != nil {
			f.Measure = "tables"
			r.compare(f, plainAll(*c.Tables), reads, false)
			if c.Raw.Targets != nil {
				f.Measure = "targets"
				r.compare(f, plainAll(*c.Raw.Targets), writes, false)
			}
		}
		if c.Lineage != nil {
			f.Measure = "columns"
			want, got := pairs(*c.Lineage), joinedColumns(a)
			// An expression without alias is named by its text in the suite, by
			// the database's rule in ours: the sources count. It also makes
			// every column a source of count(*).
			want = slices.DeleteFunc(want, func(w string) bool {
				return strings.Contains(w, "count(*) < ") && strings.HasSuffix(w, ".*")
			})
			for i := range got {
				if slices.Contains(want, got[i]) {
					continue
				}
				_, tail, _ := strings.Cut(got[i], " < ")
				for _, w := range want {
					name, sources, _ := strings.Cut(w, " < ")
					if sources == tail && strings.ContainsAny(name, "( +-*/'=:") {
						got[i] = w
					}
				}
			}
			r.compare(f, want, got, false)
		}
	}
	return nil
}

func pairs(list []lineageOut) []string {
	var out []string
	for _, o := range list {
		for _, s := range o.Sources {
			out = append(out, plain(o.Output)+" < "+plain(s))
		}
	}
	return out
}

// joinedTables are the tables read and written by the whole text.
func joinedTables(a sqllens.InspectAnswer) (reads, writes []string) {
	read, written := map[string]bool{}, map[string]bool{}
	for _, s := range a.Statements {
		for _, t := range s.Tables {
			name := tableName(&t.TableRef)
			if t.Access == "write" {
				written[name] = true
			} else {
				read[name] = true
			}
		}
	}
	for name := range read {
		if !written[name] {
			reads = append(reads, name)
		}
	}
	for name := range written {
		if !read[name] {
			writes = append(writes, name)
		}
	}
	return reads, writes
}

// joinedColumns are "written column < source column" through all statements.
func joinedColumns(a sqllens.InspectAnswer) []string {
	through := map[string][]string{}
	var order []string
	for _, s := range a.Statements {
		for i, o := range s.Outputs {
			if o.Target == nil {
				continue
			}
			name := dotted(tableName(o.Target.Table), o.Target.Column)
			if o.Target.Column == "" {
				name = fmt.Sprintf("?%d", i)
			}
			for _, src := range o.Sources {
				from := dotted(tableName(src.Table), src.Column)
				list := []string{from}
				if earlier, ok := through[from]; ok {
					list = earlier
				}
				if through[name] == nil {
					order = append(order, name)
				}
				through[name] = append(through[name], list...)
			}
		}
	}
	read := map[string]bool{}
	for _, s := range a.Statements {
		for _, t := range s.Tables {
			if t.Access == "read" {
				read[tableName(&t.TableRef)] = true
			}
		}
	}
	var out []string
	for _, name := range order {
		if table := name[:max(strings.LastIndexByte(name, '.'), 0)]; read[table] && len(a.Statements) > 1 {
			continue
		}
		for _, s := range through[name] {
			out = append(out, name+" < "+s)
		}
	}
	return out
}
