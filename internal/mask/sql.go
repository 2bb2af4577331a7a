package mask

import (
	"maps"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// SQLInput is a text to be masked.
type SQLInput struct {
	Dialect sqllens.Dialect
	SQL     string
	Schema  *sqllens.Schema // nil = not known
	// Tags says what card references and table tags stand for, by tag name.
	Tags map[string]sqllens.TagRelation
	// Sensitive decides about a column: of a table, or with an empty table a
	// name whose table could not be told. Nil masks no name.
	Sensitive func(Column) Verdict
	// Given decides about a name that the text itself gives: of an alias, a
	// template tag, a CTE. Nil asks Sensitive with the name alone. Names that
	// derive from a sensitive column are masked whatever it says.
	Given func(name string) bool
	// Names masks every name of a table, column and alias (strict mode).
	Names bool
}

// SQLResult is the masked text.
type SQLResult struct {
	Masked string
	// MaskedColumns are the sensitive columns that the text names, as
	// "table.column" or "column", sorted.
	MaskedColumns []string
	// Fallback is set when the text could not be parsed, so that every literal
	// was masked, structural ones too.
	Fallback bool
	// Literals counts the literals of the text, Kept those that stand for
	// structure and stayed.
	Literals, Kept int
	Errors         []sqllens.Problem
}

// How carefully a text is masked, in the order in which the ways are tried.
const (
	withStructure = iota // structural literals stay
	withFunctions        // names of functions stay whatever they are
	withWords            // words without a known meaning stay where they look like syntax
	everything           // every literal goes
	passes
)

// SQL masks a text. Map.Unmask gives the original back byte for byte. The
// masked text parses in the same dialect whenever the input did. A text that
// could not be parsed has every literal and every sensitive name masked; one
// that is longer than sqllens.MaxSize is one placeholder, with the error
// too_large.
//
// What stays and why is written in docs/guide/masking.md.
func SQL(in SQLInput, m *Map) SQLResult {
	if len(in.SQL) > sqllens.MaxSize {
		return SQLResult{
			Masked: m.Text(ClassSQL, in.SQL), Fallback: true,
			Errors: []sqllens.Problem{{Code: "too_large", Message: "the SQL is longer than 1 MB"}},
		}
	}
	names := readNames(in)
	lexed := sqllens.Lex(in.SQL, in.Dialect)
	way := withStructure
	if !names.usable {
		way = everything
	}
	for ; way < passes; way++ {
		out, ok := writeSQL(in, m, names, lexed, way)
		// What has grown beyond the size that is parsed cannot be judged.
		if !ok || names.usable && len(out.Masked) <= sqllens.MaxSize && !usable(out.Masked, in.Dialect) {
			continue
		}
		out.Errors = names.problems
		out.MaskedColumns = names.spelled(m)
		return out
	}
	// Nothing that is safe can be made of its parts: hostile text.
	return SQLResult{Masked: m.Text(ClassSQL, in.SQL), MaskedColumns: names.columns(), Fallback: true, Errors: names.problems}
}

// usable says whether a text parses wholly, with its optional blocks and
// without.
func usable(sql string, d sqllens.Dialect) bool {
	tree := sqllens.Parse(sql, d, true)
	if tree.Recovered {
		return false
	}
	return len(tree.Blocks) == 0 || !sqllens.Parse(sql, d, false).Recovered
}

// spelled lists the sensitive columns of a text that was masked: words that
// turned out to be syntax, such as a town called "by", are none.
func (n *sqlNames) spelled(m *Map) []string {
	if len(n.words) == 0 {
		return n.columns()
	}
	replaced := map[string]bool{}
	for _, e := range m.Entries() {
		replaced[strings.ToLower(e.Original)] = true
	}
	return slices.DeleteFunc(n.columns(), func(column string) bool {
		key := strings.ToLower(column)
		return n.words[key] && !replaced[key[strings.LastIndexByte(key, '.')+1:]]
	})
}

// columns lists the sensitive columns of the text.
func (n *sqlNames) columns() []string {
	return slices.Sorted(maps.Values(n.masked))
}
