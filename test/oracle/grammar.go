package oracle

import (
	"fmt"
	"slices"
)

// Verdict is what a grammar says about one text.
type Verdict struct {
	// Accepted says whether the whole text is valid.
	Accepted bool `json:"accepted"`
	// Error is the grammar's objection when it is not, or what became of the
	// process that read it.
	Error string `json:"error,omitempty"`
	// Tables are the tables its queries name, "schema.table" in lower case,
	// sorted, each once: read and written ones of SELECT, INSERT, UPDATE,
	// DELETE, MERGE, CREATE VIEW and CREATE TABLE AS. WITH names, aliases and
	// table functions are not among them.
	Tables []string `json:"tables,omitempty"`
}

// Grammar is a parser of one dialect.
type Grammar struct {
	// Dialect is its name as the SQL engine spells it.
	Dialect string
	// Module is where the parser comes from.
	Module string

	parse func(sql string, w *walker) error
}

// Grammars lists every grammar.
func Grammars() []Grammar {
	return []Grammar{
		{"postgres", "github.com/sqlc-dev/oliphant", parsePostgres},
		{"mysql", "github.com/sqlc-dev/marino", parseMySQL},
		{"sqlite", "github.com/sqlc-dev/meyer", parseSQLite},
		{"duckdb", "github.com/sqlc-dev/darkwing", parseDuckDB},
		{"bigquery", "github.com/sqlc-dev/zetajones", parseBigQuery},
		{"clickhouse", "github.com/sqlc-dev/doubleclick", parseClickHouse},
		{"tsql", "github.com/sqlc-dev/teesql", parseTSQL},
	}
}

// GrammarOf finds the grammar of a dialect.
func GrammarOf(dialect string) (Grammar, bool) {
	all := Grammars()
	i := slices.IndexFunc(all, func(g Grammar) bool { return g.Dialect == dialect })
	if i < 0 {
		return Grammar{}, false
	}
	return all[i], true
}

// Read parses a text in this process. A grammar may hang or exhaust the stack:
// use a [Pool] for texts that are not known to be harmless.
func (g Grammar) Read(sql string) (v Verdict) {
	defer func() {
		if r := recover(); r != nil { // a bug of the grammar is no verdict about the text
			v = Verdict{Error: fmt.Sprintf("the grammar panics: %v", r)}
		}
	}()
	w := newWalker(sql)
	if err := g.parse(sql, w); err != nil {
		return Verdict{Error: err.Error()}
	}
	return Verdict{Accepted: true, Tables: w.list()}
}
