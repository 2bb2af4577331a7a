// Package mbql reads Metabase's query language in every spelling that is still
// found in the wild (legacy MBQL with its MBQL 2 and 3 leftovers, MBQL 5, and
// the portable references of serialization exports) into one query model.
//
// The reader is tolerant: it never panics, caps nesting, recurses generically
// into operators it does not know, and reports what it could not make sense of
// as diagnostics. The same question written in either dialect gives the same
// references ([Query.References]), the same output columns ([Query.Outputs])
// and the same canonical text ([Canonical]).
//
// The package knows neither the catalog nor any database; a [Resolver] connects
// its references with what a scan has read.
package mbql

// Dialect says how a query was written.
type Dialect string

// The dialects.
const (
	Legacy Dialect = "mbql4" // inner queries, options last
	MBQL5  Dialect = "mbql5" // flat stages, options second
)

// Query is a query in either dialect.
type Query struct {
	Dialect     Dialect
	Database    string // number or portable name; empty when not said
	Stages      []*Stage
	Diagnostics []Diagnostic
}

// Diagnostic is something in a query that makes no sense or was skipped.
type Diagnostic struct {
	Code   string // snake_case: unknown_clause, bad_reference, too_deep, …
	Detail string // structural: operator and key names, never literals
}

// Stage is one step of a query. The first reads a table, a card or native text,
// each later one reads the stage before it.
type Stage struct {
	Native       *Native
	SourceTable  TableID // zero when the stage has another source
	SourceCard   string  // card id, empty when the stage has another source
	Joins        []*Join
	Expressions  []Named
	Filters      []*Expr // all must hold
	Aggregations []*Expr
	Breakouts    []*Expr
	Fields       []*Expr
	HasFields    bool // Fields was stated; without it a plain stage answers with everything
	OrderBy      []Order
	Limit        int64 // 0 = none
	HasPage      bool
}

// Native is a native first stage. Text is SQL, or a driver's own form as JSON.
type Native struct {
	Text string
	SQL  bool // Text was given as a string
	Tags []Tag
}

// Tag is a declared template tag of a native stage.
type Tag struct {
	Name      string
	Type      string
	CardID    string
	Snippet   string
	SnippetID string
	Table     TableID
	Dimension *Expr
}

// Join is a joined source.
type Join struct {
	Alias      string
	Strategy   string // left-join unless stated
	Stages     []*Stage
	Conditions []*Expr // all must hold
	Fields     []*Expr // columns added to the result
	AllFields  bool    // "all" was stated
}

// Named is a custom column.
type Named struct {
	Name string
	Expr *Expr
}

// Order is one sort key.
type Order struct {
	Descending bool
	Expr       *Expr
}

// TableID names a table by Metabase's number or by its portable path. It is
// comparable; the zero value names nothing.
type TableID struct {
	Number   int64
	Database string
	Schema   string
	Name     string
}

// IsZero reports whether the id names nothing.
func (t TableID) IsZero() bool { return t == TableID{} }

// FieldID names a physical field by Metabase's number or by its portable path.
// Nested fields have their dotted path as Name. It is comparable.
type FieldID struct {
	Number int64
	Table  TableID
	Name   string
}

// IsZero reports whether the id names nothing.
func (f FieldID) IsZero() bool { return f == FieldID{} }

// ExprKind tells the forms of an expression apart.
type ExprKind uint8

// The forms of an expression.
const (
	ClauseExpr      ExprKind = iota // operator with arguments
	FieldExpr                       // column reference
	ExpressionExpr                  // custom column of the same stage, by Name
	AggregationExpr                 // aggregation of the same stage, by Index
	SegmentExpr                     // saved filter, by Name (its id)
	MetricExpr                      // metric card, or legacy metric before 0.50, by Name (its id)
	MeasureExpr                     // saved aggregation, by Name (its id)
	TagExpr                         // template tag, by Name (parameter targets only)
	LiteralExpr                     // constant
	ListExpr                        // arguments without an operator, such as the pairs of case
)

// Expr is a clause, a reference or a literal.
type Expr struct {
	Kind    ExprKind
	Op      string // lower case with dashes
	Args    []*Expr
	Name    string
	Index   int // of AggregationExpr; -1 when it points nowhere
	Field   *Field
	Literal Literal
	Options []Option // those that change the meaning, sorted by name
	Column  string   // result column name that a person gave
	Title   string   // name for people that a person gave; part of no canonical form

	uuid string
}

// Option is a setting of a clause that changes its meaning.
type Option struct{ Name, Value string }

// LiteralType is the class of a constant.
type LiteralType string

// The classes of constants. Keywords (temporal units and the like) belong to
// the operator and are no data.
const (
	StringLiteral  LiteralType = "string"
	NumberLiteral  LiteralType = "number"
	BooleanLiteral LiteralType = "bool"
	DateLiteral    LiteralType = "date"
	NullLiteral    LiteralType = "null"
	KeywordLiteral LiteralType = "keyword"
)

// Literal is a constant.
type Literal struct {
	Type LiteralType
	Text string
}

// Field is a column reference: by id (ID set) or by the name of a column of the
// previous stage or source card (Name set).
type Field struct {
	ID              FieldID
	Name            string
	JoinAlias       string
	Source          FieldID // foreign key of an implicit join
	SourceName      string
	SourceJoinAlias string
	TemporalUnit    string
	Binning         string
	BaseType        string
}
