package sqllens

import (
	"sort"
	"strings"
)

// Source is a physical column that a value comes from. Column "*" stands for
// all columns of a table whose columns are not known. Table is nil when the
// column's table could not be told.
type Source struct {
	Table  *TableRef
	Column string
}

// sourceSet is a small ordered set of sources.
type sourceSet []Source

// maxSources bounds the sources of one value; more say nothing to anybody.
const maxSources = 1024

func (s sourceSet) add(more ...Source) sourceSet {
	if len(s) == 0 && len(more) <= maxSources { // shared until it grows
		return more[:len(more):len(more)]
	}
next:
	for _, m := range more {
		if len(s) >= maxSources {
			break
		}
		for _, have := range s {
			if have.Column == m.Column && sameTable(have.Table, m.Table) {
				continue next
			}
		}
		s = append(s, m)
	}
	return s
}

func sameTable(a, b *TableRef) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// outputColumn is one column of a relation.
type outputColumn struct {
	name     Ident
	sources  sourceSet
	fields   []outputColumn // what a struct value, or the elements of an array, consist of
	using    int            // > 0: merged by USING or NATURAL; higher comes first in a star
	star     bool           // stands for the unknown columns of its one source table
	made     bool           // … or for those that a PIVOT makes of the data
	hidden   bool           // merged away by USING: reachable with its qualifier only
	physical bool           // a column of a table itself rather than something computed
	starred  bool           // a star took it as it is from a relation of the query
	added    bool           // stands in for a column of USING among the unknown ones of an open relation
	via      *relation      // the relation that a star took it from
	expr     *Expr          // for an alias: what it stands for
	form     *columnForm    // what the qualified form writes differently; mostly nil
}

// columnForm is what some columns have besides: what USING made of them and what
// the qualified form needs to know.
type columnForm struct {
	outer    bool      // … in an outer join
	own      sourceSet // for a column of USING: the sources it has under its qualifier
	replaced *Expr     // for a column of a star: what REPLACE puts in its place
	before   *Ident    // … and its name before RENAME
	label    *Ident    // the name given to an output without one
	owner    *relation // the relation whose name qualifies it
	merged   []string  // for a column of USING: its qualified names
}

// forms answers with a column's form, for reading.
func (c *outputColumn) forms() columnForm {
	if c.form == nil {
		return columnForm{}
	}
	return *c.form
}

// hit is what a name turned out to mean, for the qualified form.
type hit struct {
	rel     *relation
	alias   *Expr
	merged  []string
	column  *Ident    // the name to write instead: of a column that stands as a number, or that has none
	number  bool      // it stands as a number, $1
	written *relation // the relation that the text itself names …
	parts   int       // … with so many parts
}

// relation is what a FROM item, a CTE or a query yields.
type relation struct {
	alias    Ident     // name it is known by in its scope; empty text: none
	path     []Ident   // name as written, for a.b.c qualifiers
	table    *TableRef // set for a physical table
	columns  []outputColumn
	open     []*TableRef // tables whose columns are not known and may be among the columns
	blind    bool        // columns are not known and belong to no table (function, template tag, file)
	lateral  bool
	given    string // the name that the qualified form gives to a relation without one
	outer    bool   // the right side of a right or full join
	asValue  bool   // the relation's name is itself a value (UNNEST, table function alias)
	unnamed  bool   // an unnested array without an alias
	pivoted  bool   // a PIVOT or UNPIVOT made its columns
	listed   bool   // the qualified form lists its columns behind its alias
	template bool   // a template tag stands for it
	semi     bool   // the right side of a semi or anti join: reachable in its condition only
	item     int    // where the FROM item that it belongs to begins in its scope
}

// find looks a column up by the case rule. n counts matches that USING did not
// merge.
func (r *relation) find(rule caseRule, id Ident) (col *outputColumn, n int) {
	for i := range r.columns {
		c := &r.columns[i]
		if c.star || !matchName(rule, id, c.name) {
			continue
		}
		if col == nil {
			col = c
		}
		n++
	}
	return col, n
}

// matchName compares two names that both stand in the text, or one from the
// schema (Quote set to 's').
func matchName(rule caseRule, a, b Ident) bool {
	if a.Text == b.Text {
		return true
	}
	switch rule {
	case sensitive:
		return false
	case insensitive:
		return strings.EqualFold(a.Text, b.Text)
	}
	if !strings.EqualFold(a.Text, b.Text) {
		return false
	}
	// a quoted name equals an unquoted one only in the folded spelling
	fold := strings.ToLower
	if rule == foldUpper {
		fold = strings.ToUpper
	}
	norm := func(id Ident) string {
		if id.Quote == 0 || id.Quote == 's' {
			return fold(id.Text)
		}
		return id.Text
	}
	if a.Quote == 's' || b.Quote == 's' { // schema spelling: lenient unless the other side is quoted
		other := a
		if a.Quote == 's' {
			other = b
		}
		return other.Quote == 0
	}
	return norm(a) == norm(b)
}

// scope is what names mean at one place of a query.
type scope struct {
	parent    *scope
	relations []*relation
	aliases   []outputColumn // select list aliases usable here
	listed    []outputColumn // the select list, for numbers in ORDER BY
	ctes      *cteScope
	windows   []NamedWindow
	lambdas   []Ident
	later     []SelectItem // Snowflake: the select list, whose aliases a join's condition may use
}

// cteScope chains WITH lists.
type cteScope struct {
	parent *cteScope
	name   Ident
	rel    *relation
	scalar *Expr // ClickHouse: WITH expression AS name
}

func (c *cteScope) find(rule caseRule, id Ident) *cteScope {
	for ; c != nil; c = c.parent {
		if matchName(rule, id, c.name) {
			return c
		}
	}
	return nil
}

// Use says what a referenced column is used for.
type Use string

// The uses of a column.
const (
	UseValue  Use = "value"
	UseFilter Use = "filter"
	UseJoin   Use = "join"
	UseGroup  Use = "group"
	UseOrder  Use = "order"
)

// TableUse is one mention of a physical table.
type TableUse struct {
	Table TableRef
	Write bool
	Known bool // the schema has it
	Join  bool // it stands on the right side of a join
	Span  Span
}

// ColumnUse is one mention of a physical column.
type ColumnUse struct {
	Table  *TableRef
	Column string
	Use    Use
	Span   Span
}

// Unresolved is a name that could not be told.
type Unresolved struct {
	Reason string // unknown_column, ambiguous_column, unknown_table, unknown_alias, ambiguous_table, …
	Detail string
	Span   Span
}

// Output is one column of the outermost query.
type Output struct {
	Name    string
	Sources []Source
	Star    bool
	Target  *Source // for INSERT, CREATE AS, UPDATE and MERGE
}

// Lineage is what one statement uses and yields.
type Lineage struct {
	Tables     []TableUse
	Columns    []ColumnUse
	Outputs    []Output
	Unresolved []Unresolved
}

func (l *Lineage) sort() {
	sort.SliceStable(l.Tables, func(i, j int) bool { return l.Tables[i].Span.Start < l.Tables[j].Span.Start })
	sort.SliceStable(l.Columns, func(i, j int) bool { return l.Columns[i].Span.Start < l.Columns[j].Span.Start })
	sort.SliceStable(l.Unresolved, func(i, j int) bool { return l.Unresolved[i].Span.Start < l.Unresolved[j].Span.Start })
}
