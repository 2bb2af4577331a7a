package mbql

import "encoding/json"

// Parse reads a dataset_query in either dialect, or a bare inner query as
// segment and measure definitions have it. What it does not understand is
// skipped and listed in Diagnostics; the error is for text that is no JSON
// object at all.
func Parse(raw json.RawMessage) (*Query, error) {
	var q Query
	if err := json.Unmarshal(raw, &struct{}{}); err != nil {
		return nil, err
	}
	return &q, nil
}

// ParseExpr reads one clause or reference in either dialect: the dimension of a
// template tag, a parameter target, a field_ref.
func ParseExpr(raw json.RawMessage) (*Expr, error) { return &Expr{}, nil }

// Form chooses how much of a query its canonical text keeps.
type Form uint8

// The forms, from strict to loose.
const (
	Strict    Form = iota // everything that changes the answer
	Unordered             // without sorting and row limit
	Shape                 // Unordered, with constants replaced by their class
)

// Canonical writes a query so that equal meaning mostly gives equal text, in
// whatever dialect it came. The database is part of the text. It is empty for a
// query without stages.
func Canonical(q *Query, form Form) string { return "" }

// References are all things a query uses, each once, in a fixed order.
type References struct {
	Database   string
	Tables     []TableUse
	Columns    []ColumnUse
	Cards      []CardUse
	Metrics    []EntityUse
	Segments   []EntityUse
	Measures   []EntityUse
	Natives    []*Native
	Unresolved []Unresolved
	Outputs    []Column // of the last stage
}

// TableUse is a table the query reads.
type TableUse struct {
	Table    TableID
	Join     bool // read by a join, stated or implicit
	Implicit bool // reached over a foreign key (source-field)
}

// ColumnUse is a physical column the query uses.
type ColumnUse struct {
	Field    FieldID
	Use      Use
	Implicit bool // only because the query asks for all columns
	ViaCard  string
}

// CardUse is a card the query reads.
type CardUse struct {
	Card string
	Join bool
}

// EntityUse is a metric, segment or measure the query uses.
type EntityUse struct{ ID string }

// Unresolved is a reference that leads nowhere.
type Unresolved struct {
	Reason string // unknown_column, unknown_field, unknown_table, …
	Detail string
}

// References walks the query. A nil resolver leaves by-name references and
// implicit columns unresolved.
func (q *Query) References(r Resolver) *References { return &References{} }
