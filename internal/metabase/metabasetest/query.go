package metabasetest

// Query is a question's query in a form that neither dialect owns; it is
// rendered as MBQL 4 or MBQL 5, whichever the server's version speaks.
type Query struct {
	DatabaseID int
	Stages     []Stage
}

// Stage is one step of a query: native SQL (first stage only) or a structured
// step over a table, a card or the stage before.
type Stage struct {
	SQL        string // native when not empty
	Tags       []Tag
	Collection string // MongoDB collection of a native stage

	SourceTable int
	SourceCard  int
	Joins       []Join
	Expressions []NamedExpr
	Filters     []Expr
	Aggregation []Expr
	Breakout    []Expr
	Fields      []Expr
	OrderBy     []Order
	Limit       int
}

// Join joins a table or card.
type Join struct {
	Alias       string
	Strategy    string // "" is left-join
	SourceTable int
	SourceCard  int
	Stages      []Stage // a nested query instead of a plain source
	Conditions  []Expr
	Fields      string // all, none, "" for unset
	FieldList   []Expr
}

// NamedExpr is a custom column.
type NamedExpr struct {
	Name string
	Expr Expr
}

// Order is a sort key.
type Order struct {
	Descending bool
	By         Expr
}

// Tag is a template tag of a native query.
type Tag struct {
	Name       string
	Display    string
	Type       string // text, number, date, boolean, dimension, temporal-unit, card, snippet, table
	Required   bool
	HasDefault bool
	Widget     string
	FieldID    int // dimension, temporal-unit
	Alias      string
	CardID     int
	SnippetID  int
	Snippet    string
	TableID    int
}

// ExprKind tells what an [Expr] is.
type ExprKind int

// The kinds of expressions.
const (
	ExprCall        ExprKind = iota // an operator with arguments
	ExprField                       // a column by id, or by name when the id is 0
	ExprExpression                  // a custom column of the same stage
	ExprAggregation                 // an aggregation of the same stage by index
	ExprSegment
	ExprMetric  // a metric card
	ExprMeasure // a measure; rendered as its aggregation before 0.59
	ExprString
	ExprNumber
	ExprBool
	ExprNull
	ExprPair // predicate and result inside a case
)

// Expr is a clause of a structured query.
type Expr struct {
	Kind    ExprKind
	Op      string // of calls
	Args    []Expr
	ID      int
	Name    string // of columns by name, custom columns; text of strings
	Number  float64
	Bool    bool
	Display string // custom name of an aggregation

	BaseType     string
	JoinAlias    string
	SourceField  int
	TemporalUnit string
	Bins         int

	Default         *Expr // of case
	CaseInsensitive bool
	IncludeCurrent  bool
}

// Native makes a native query.
func Native(database int, sql string, tags ...Tag) *Query {
	return &Query{DatabaseID: database, Stages: []Stage{{SQL: sql, Tags: tags}}}
}

// Structured makes an MBQL query.
func Structured(database int, stages ...Stage) *Query {
	return &Query{DatabaseID: database, Stages: stages}
}

// Column refers to a field by id.
func Column(f *Field) Expr { return Expr{Kind: ExprField, ID: f.ID, BaseType: f.BaseType} }

// ColumnID refers to a field by number, also to one that does not exist.
func ColumnID(id int, baseType string) Expr {
	return Expr{Kind: ExprField, ID: id, BaseType: baseType}
}

// ColumnNamed refers to a column of the stage before, or of a source card, by name.
func ColumnNamed(name, baseType string) Expr {
	return Expr{Kind: ExprField, Name: name, BaseType: baseType}
}

// Joined returns the reference as one into a join.
func (e Expr) Joined(alias string) Expr { e.JoinAlias = alias; return e }

// Via returns the reference through a foreign key (an implicit join).
func (e Expr) Via(fk *Field) Expr { e.SourceField = fk.ID; return e }

// By returns the reference truncated to a temporal unit.
func (e Expr) By(unit string) Expr { e.TemporalUnit = unit; return e }

// Binned returns the reference binned.
func (e Expr) Binned(bins int) Expr { e.Bins = bins; return e }

// Named gives an aggregation a display name.
func (e Expr) Named(name string) Expr { e.Display = name; return e }

// Call applies an operator.
func Call(op string, args ...Expr) Expr { return Expr{Op: op, Args: args} }

// Text is a string literal.
func Text(s string) Expr { return Expr{Kind: ExprString, Name: s} }

// Num is a number literal.
func Num(n float64) Expr { return Expr{Kind: ExprNumber, Number: n} }

// Truth is a boolean literal.
func Truth(b bool) Expr { return Expr{Kind: ExprBool, Bool: b} }

// Nothing is a null literal.
func Nothing() Expr { return Expr{Kind: ExprNull} }

// Custom refers to a custom column of the same stage.
func Custom(name, baseType string) Expr {
	return Expr{Kind: ExprExpression, Name: name, BaseType: baseType}
}

// AggregationAt refers to an aggregation of the same stage.
func AggregationAt(index int) Expr { return Expr{Kind: ExprAggregation, ID: index} }

// SegmentRef uses a segment.
func SegmentRef(id int) Expr { return Expr{Kind: ExprSegment, ID: id} }

// MetricRef uses a metric card.
func MetricRef(card int) Expr { return Expr{Kind: ExprMetric, ID: card} }

// MeasureRef uses a measure.
func MeasureRef(id int) Expr { return Expr{Kind: ExprMeasure, ID: id} }

// Count counts rows.
func Count() Expr { return Call("count") }

// When is a branch of [Case].
func When(predicate, result Expr) Expr {
	return Expr{Kind: ExprPair, Args: []Expr{predicate, result}}
}

// Case is a conditional; the default may be nil.
func Case(otherwise *Expr, branches ...Expr) Expr {
	return Expr{Op: "case", Args: branches, Default: otherwise}
}

// IsNative reports whether the query starts with native text.
func (q *Query) IsNative() bool {
	return q != nil && len(q.Stages) > 0 && (q.Stages[0].SQL != "" || q.Stages[0].Collection != "")
}
