package mask

import "github.com/metalens/metalens/internal/sqllens"

// SQLInput is a text to be masked.
type SQLInput struct {
	Dialect sqllens.Dialect
	SQL     string
	Schema  *sqllens.Schema // nil = not known
	// Sensitive decides about a column: of a table, or with an empty table a
	// name whose table could not be told. Nil masks no name.
	Sensitive func(Column) Verdict
	// Names masks every name of a table, column and alias (strict mode).
	Names bool
}

// SQLResult is the masked text.
type SQLResult struct {
	Masked string
	// MaskedColumns are the sensitive columns that the text uses, as
	// "table.column" or "column", sorted.
	MaskedColumns []string
	// Fallback is set when the text could not be parsed, so that every literal
	// was masked, structural ones too.
	Fallback bool
	Errors   []sqllens.Problem
}

// SQL masks a text. Map.Unmask gives the original back byte for byte. The
// masked text parses in the same dialect whenever the input did.
func SQL(in SQLInput, m *Map) SQLResult {
	return SQLResult{Masked: m.Text(ClassSQL, in.SQL), Fallback: true}
}
