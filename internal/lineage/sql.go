package lineage

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/mbql"
)

// SQLAnalyzer finds out what native SQL reads. The SQL engine implements it. It
// must be safe for concurrent use and must not panic.
type SQLAnalyzer interface {
	AnalyzeSQL(ctx context.Context, in SQLInput) SQLAnalysis
}

// SQLInput is one native query with what is known about its surroundings.
type SQLInput struct {
	SQL    string
	Schema *SQLSchema // never nil; the same pointer for all queries of one database
	Tags   []SQLTag   // in text order
}

// SQLSchema is what a scan knows about one database.
type SQLSchema struct {
	DatabaseID string
	Engine     string           // Metabase's engine name: postgres, bigquery-cloud-sdk, …
	Tables     []*catalog.Table // inactive ones included
}

// SQLTag is a template tag with its meaning.
type SQLTag struct {
	TagUse
	Type     string      // declared type: text, number, date, boolean, dimension, temporal-unit, card, snippet, table
	ColumnID string      // of dimension and temporal-unit
	TableID  string      // of table
	Card     catalog.Ref // of card
	Columns  []string    // names of the columns that the card answers with; nil = not known
	Asset    catalog.Ref // of snippet: which one
	Text     string      // of snippet: its SQL, nested snippets replaced
}

// SQLAnalysis is what a native query reads. Ids are those of the catalog.
type SQLAnalysis struct {
	Tables     []SQLTable
	Columns    []SQLColumn
	Outputs    []SQLOutput // columns of the result, in order
	Unresolved []SQLUnresolved
}

// SQLTable is a physical table in the text.
type SQLTable struct {
	TableID    string
	Join       bool // read by a join, not by the FROM clause
	Confidence finding.Confidence
}

// SQLColumn is a column in the text: a physical one (ColumnID), or one of a
// referenced card (Card and Column).
type SQLColumn struct {
	ColumnID   string
	Card       string
	Column     string
	Use        mbql.Use
	Confidence finding.Confidence
}

// SQLOutput is a column of the result with everything its value can come from.
type SQLOutput struct {
	Name    string
	Sources []SQLColumn
	Star    bool // stands for columns that are not known
}

// SQLUnresolved is something in the text that could not be resolved.
type SQLUnresolved struct {
	Reason string
	Detail string // names, never literals
	Span   *finding.Span
	Target catalog.Ref
}
