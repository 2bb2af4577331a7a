package mbql

// Resolver answers what a scan knows about tables and cards. Ids that it
// returns are canonical: equal for every spelling of the same thing. A nil
// Resolver knows nothing, and then nothing is reported as unknown.
type Resolver interface {
	// TableColumns lists the live columns of a table in their order. The result
	// is shared and must not be changed.
	TableColumns(TableID) ([]Column, bool)
	// CardColumns lists the columns a card answers with. The result is shared
	// and must not be changed.
	CardColumns(cardID string) ([]Column, bool)
	// Field finds a field by id.
	Field(FieldID) (FieldInfo, bool)
	// Table finds the canonical id of a table.
	Table(TableID) (TableID, bool)
	// Aggregate finds the column of a metric or measure.
	Aggregate(kind ExprKind, id string) (Column, bool)
}

// FieldInfo is what is known about a physical field.
type FieldInfo struct {
	ID    FieldID // canonical
	Table TableID // canonical
	Name  string
}

// Column is one column of a table, card or stage.
type Column struct {
	Name    string
	Sources []FieldID  // physical columns whose value can reach it, in order of appearance
	Cards   []CardCell // columns of cards it is made from
	Star    bool       // stands for columns that are not known
	Partial bool       // some source could not be resolved

	alias    string // join it came from
	original string // name before duplicates got a suffix
}

// CardCell is a column of a card.
type CardCell struct {
	Card   string
	Column string
}

// Use says what a column is used for.
type Use string

// The uses.
const (
	UseValue  Use = "value"
	UseFilter Use = "filter"
	UseJoin   Use = "join"
	UseGroup  Use = "group"
	UseOrder  Use = "order"
)

// References are all things a query uses, each once, sorted.
type References struct {
	Database    string
	Tables      []TableUse
	Columns     []ColumnUse
	Cards       []CardUse
	CardColumns []CardColumnUse
	Metrics     []string // ids of metric cards, or of legacy metrics before 0.50
	Segments    []string
	Measures    []string
	Natives     []*Native // native stages, in order of appearance
	Unresolved  []Unresolved
	Outputs     []Column // of the last stage, in order
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
}

// CardUse is a card the query reads.
type CardUse struct {
	Card string
	Join bool
}

// CardColumnUse is a column of a card the query uses.
type CardColumnUse struct {
	CardCell
	Use      Use
	Implicit bool
}

// Unresolved is a reference that leads nowhere. Table or Field is set where its
// id is known.
type Unresolved struct {
	Reason string // unknown_table, unknown_field, unknown_column, unknown_alias, unknown_expression, unknown_aggregation
	Detail string
	Table  TableID
	Field  FieldID
}

// References walks the query. Every answer is the same for a query in either
// dialect.
func (q *Query) References(r Resolver) *References {
	if q == nil {
		return &References{}
	}
	w := &walker{resolver: r, refs: &References{Database: q.Database}}
	w.refs.Outputs = w.stages(q.Stages, false)
	for i := range w.refs.Outputs {
		w.implicit(&w.refs.Outputs[i])
	}
	w.finish()
	return w.refs
}

// Outputs lists the columns the query answers with, each with its physical
// sources.
func (q *Query) Outputs(r Resolver) []Column { return q.References(r).Outputs }
