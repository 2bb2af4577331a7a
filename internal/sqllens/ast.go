package sqllens

// Ident is a name as it stands in the text, without its quotes.
type Ident struct {
	Text  string
	Quote byte // 0 when unquoted
	Span  Span
}

// ExprKind is the kind of an expression node.
type ExprKind uint8

// The expression kinds.
const (
	ExprUnknown  ExprKind = iota // skipped text; Args hold what was understood before it
	ExprColumn                   // Name: path as written
	ExprStar                     // Name: qualifier; Star: modifiers
	ExprLiteral                  // Op: "string", "number", "null", "bool", "typed"; Text: source text
	ExprParam                    // bind variable
	ExprTag                      // template tag: Tag
	ExprFunc                     // Name: function; Args; Call: extras
	ExprOp                       // Op: operator; Args: operands
	ExprCase                     // Args: [operand] when then … [else]; Op: "operand" when there is one; "else" in Else
	ExprCast                     // Args[0]; Op: type text
	ExprQuery                    // scalar subquery: Query
	ExprExists                   // Query
	ExprList                     // row or list: Args
	ExprArray                    // array constructor: Args
	ExprStruct                   // struct constructor: Args, aliases in Alias of each
	ExprIndex                    // Args[0] subscripted by Args[1:]
	ExprField                    // Args[0].Name
	ExprLambda                   // Params -> Args[0]
	ExprInterval                 // Args; Op: unit
	ExprNamed                    // Alias => Args[0]
)

// Expr is any expression. One node type for all kinds keeps walks short: an
// expression's value depends on its Args, its Query and its Call.
type Expr struct {
	Kind   ExprKind
	Op     string
	Text   string
	Name   []Ident
	Args   []*Expr
	Else   *Expr
	Query  *Query
	Call   *Call
	Star   *Star
	Alias  *Ident
	Params []Ident
	Tag    *Tag
	Span   Span
}

// Call is what a function call has beyond its arguments.
type Call struct {
	Distinct    bool
	OrderBy     []*Expr
	WithinGroup []*Expr
	Filter      *Expr
	Over        *Window
	OverName    *Ident
	IgnoreNulls bool
	Table       bool // the call stood in a FROM clause
}

// Window is a window specification.
type Window struct {
	Base        *Ident
	PartitionBy []*Expr
	OrderBy     []*Expr
	Frame       []*Expr
	FrameText   string
}

// Star are the modifiers of a star.
type Star struct {
	Except  []Ident
	Replace []SelectItem
	Rename  []Rename
	Pattern string // what the columns' names match: of LIKE and ILIKE, or COLUMNS' expression as written
	Like    string // "like" or "ilike" when Pattern is one
}

// Rename is one pair of a star's RENAME list.
type Rename struct{ From, To Ident }

// SelectItem is one entry of a select list.
type SelectItem struct {
	Expr  *Expr
	Alias *Ident
	More  []Ident // further names: STACK(…) AS (a, b)
	Span  Span
}

// Query is a query with its WITH list and tail.
type Query struct {
	With      []*CTE
	Recursive bool
	Body      Body
	OrderBy   []*Expr
	Limit     []*Expr
	Pipes     []*Pipe
	Locks     bool // FOR UPDATE, FOR SHARE
	Into      *Table
	Span      Span
}

// Body is what a query computes: *Select, *SetOp, *Values, *Query (in
// parentheses) or *Table (TABLE t, a bare FROM).
type Body interface{ body() }

func (*Select) body() {}
func (*SetOp) body()  {}
func (*Values) body() {}
func (*Query) body()  {}
func (*Table) body()  {}
func (*DML) body()    {}

// CTE is one entry of a WITH list. Scalar entries (ClickHouse: expression AS
// name) have Expr instead of Query.
type CTE struct {
	Name    Ident
	Columns []Ident
	Query   *Query
	Expr    *Expr
	Marks   []Ident // the columns that SEARCH and CYCLE add
	Span    Span
}

// Select is one SELECT.
type Select struct {
	Distinct   bool
	DistinctOn []*Expr
	Top        *Expr
	AsStruct   bool
	Items      []SelectItem
	Into       *Table // SELECT … INTO table
	From       []*Table
	Where      *Expr
	Prewhere   *Expr
	GroupBy    []*Expr
	GroupAll   bool
	Having     *Expr
	Qualify    *Expr
	Windows    []NamedWindow
	FromTag    *Tag // a snippet behind FROM, which may join more tables
	Model      *Model
	StartWith  *Expr
	ConnectBy  *Expr
	Span       Span
}

// Model is Oracle's MODEL clause: the columns it yields, those that name cells
// before those that cells hold.
type Model struct {
	Columns []SelectItem
	Rules   [][]Ident // the name a rule sets, then the names it reads
}

// NamedWindow is an entry of the WINDOW clause.
type NamedWindow struct {
	Name Ident
	Spec *Window
}

// SetOp is a set operation.
type SetOp struct {
	Op          string // union, intersect, except
	All         bool
	ByName      bool
	Side        string  // of a set operation by name: inner, left, full; "" is the dialect's rule
	On          []Ident // the columns a set operation by name is limited to
	Left, Right Body
	Span        Span
}

// Values is a VALUES list.
type Values struct {
	Rows [][]*Expr
	Span Span
}

// TableKind is the kind of a table expression.
type TableKind uint8

// The table expression kinds.
const (
	TableName  TableKind = iota
	TableQuery           // derived table: Query
	TableFunc            // table function: Func
	TableJoin            // Left, Right, Join, On, Using
	TableTag             // template tag: Tag
	TablePivot           // Left pivoted: Pivot
	TableFile            // file or stage: Text
)

// Table is anything that can stand in a FROM clause.
type Table struct {
	Kind       TableKind
	Name       []Ident
	Query      *Query
	Func       *Expr
	Columns    []Ident // declared output columns of a table function (JSON_TABLE, OPENJSON … WITH)
	Left       *Table
	Right      *Table
	Join       string // "", cross, left, right, full, semi, anti, array, apply, …
	Natural    bool
	On         *Expr
	Using      []Ident
	Alias      *Ident
	AliasCols  []Ident
	Lateral    bool
	Ordinality bool
	Offset     *Ident // WITH OFFSET [AS name]
	Pivot      *Pivot
	Tag        *Tag
	Text       string
	Span       Span
}

// Pivot is a PIVOT, UNPIVOT or MATCH_RECOGNIZE.
type Pivot struct {
	Unpivot    bool
	Aggregates []SelectItem
	For        []Ident
	In         []SelectItem
	Lists      []int // where the entries of each FOR begin in In
	InQuery    *Query
	Values     []Ident   // UNPIVOT value columns
	NameColumn *Ident    // UNPIVOT name column
	Sources    [][]Ident // UNPIVOT source columns
	GroupBy    []*Expr
	Match      bool
	AllRows    bool // ALL ROWS PER MATCH: the columns of the table stay
	Measures   []SelectItem
	Partition  []*Expr
	Order      []*Expr
	Other      []*Expr
}

// Pipe is one |> step of BigQuery's pipe syntax.
type Pipe struct {
	Op      string // select, extend, set, drop, rename, where, aggregate, join, as, order, limit, union, …
	Items   []SelectItem
	GroupBy []SelectItem
	Exprs   []*Expr
	Names   []Ident
	Table   *Table
	Alias   *Ident
	Queries []Body
}

// StatementKind is the kind of a statement as `sql inspect` prints it.
type StatementKind string

// The statement kinds.
const (
	StatementSelect      StatementKind = "select"
	StatementInsert      StatementKind = "insert"
	StatementUpdate      StatementKind = "update"
	StatementDelete      StatementKind = "delete"
	StatementMerge       StatementKind = "merge"
	StatementCreateTable StatementKind = "create_table"
	StatementCreateView  StatementKind = "create_view"
	StatementOther       StatementKind = "other"
)

// Statement is one statement of the text.
type Statement struct {
	Kind  StatementKind
	Verb  string // first keyword, lower case
	Query *Query // SELECT, or the source of INSERT and CREATE AS
	DML   *DML
	Names []*Table // tables named by other statements (ALTER, DROP, TRUNCATE, …)
	Span  Span
}

// DML is a data-changing statement.
type DML struct {
	Verb      string // insert, update, delete, merge, create
	Target    *Table
	Columns   []Ident
	Query     *Query
	With      []*CTE
	From      []*Table
	Where     *Expr
	On        *Expr
	Set       []Assignment
	Given     int  // how many of Set stand for the row of INSERT … SET; the others are of ON CONFLICT
	ByName    bool // the columns of Query go to those of the same name
	Multi     bool // INSERT ALL and INSERT FIRST: Where and Values see Query
	Values    []*Expr
	Deleted   []*Table // further tables of DELETE a, b FROM …
	Actions   []MergeAction
	Returning []SelectItem
	Others    []*DML // further inserts of a multi-table INSERT
	Temporary bool   // CREATE TEMPORARY TABLE
}

// Assignment is one SET entry.
type Assignment struct {
	Columns []Ident
	Value   *Expr
}

// MergeAction is one WHEN branch of a MERGE.
type MergeAction struct {
	Cond    *Expr
	Set     []Assignment
	Columns []Ident
	Values  []*Expr
	Star    bool
	Except  []Ident // the columns that the star leaves out
}
