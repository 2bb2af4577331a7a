// Package catalog describes what a Metabase holds: assets, the references among
// them, and the snapshot that one scan takes. It does no I/O and knows neither
// Metabase's API nor any database.
//
// Ids are strings that are stable within one Metabase. Most are Metabase's own
// numbers; assets read from a serialization export use their entity id. Tables
// and columns have natural ids (see [TableID]).
package catalog

import (
	"slices"
	"strings"
)

// Kind is the kind of an asset.
type Kind string

// The asset kinds. "Card" is Metabase's API word for the first three.
const (
	KindQuestion     Kind = "question"
	KindModel        Kind = "model"
	KindMetric       Kind = "metric"
	KindDashboard    Kind = "dashboard"
	KindCollection   Kind = "collection"
	KindDatabase     Kind = "database"
	KindTable        Kind = "table"
	KindColumn       Kind = "column"
	KindSegment      Kind = "segment"
	KindMeasure      Kind = "measure"
	KindSnippet      Kind = "snippet"
	KindSubscription Kind = "subscription"
	KindAlert        Kind = "alert"
	KindTransform    Kind = "transform"
	KindAction       Kind = "action"
	KindDocument     Kind = "document"
	KindGroup        Kind = "group"
	KindPerson       Kind = "person"
)

// Kinds lists every asset kind in the order reports use.
func Kinds() []Kind {
	return []Kind{
		KindQuestion, KindModel, KindMetric, KindDashboard, KindCollection,
		KindDatabase, KindTable, KindColumn, KindSegment, KindMeasure, KindSnippet,
		KindSubscription, KindAlert, KindTransform, KindAction, KindDocument,
		KindGroup, KindPerson,
	}
}

// IsCard reports whether Metabase's API calls assets of this kind cards.
func (k Kind) IsCard() bool {
	return k == KindQuestion || k == KindModel || k == KindMetric
}

// Ref points at an asset.
type Ref struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
}

// String returns kind:id.
func (r Ref) String() string { return string(r.Kind) + ":" + r.ID }

// ParseRef reads what [Ref.String] writes; ok is false for an unknown kind or no
// id. Whether there is such an asset, it does not know.
func ParseRef(text string) (r Ref, ok bool) {
	kind, id, _ := strings.Cut(text, ":")
	if id == "" || !slices.Contains(Kinds(), Kind(kind)) {
		return Ref{}, false
	}
	return Ref{Kind(kind), id}, true
}

// IsZero reports whether the reference points nowhere.
func (r Ref) IsZero() bool { return r == Ref{} }

// Compare orders references by kind and id, numbers by value.
func (r Ref) Compare(o Ref) int {
	if c := strings.Compare(string(r.Kind), string(o.Kind)); c != 0 {
		return c
	}
	return CompareID(r.ID, o.ID)
}

// CompareID orders ids: numbers by value and before texts, texts by bytes.
func CompareID(a, b string) int {
	an, bn := isNumber(a), isNumber(b)
	switch {
	case an && bn && len(a) != len(b):
		return len(a) - len(b)
	case an != bn:
		if an {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// RootCollectionID is the id of "Our analytics", the collection that has no row.
const RootCollectionID = "root"

var (
	partEscaper   = strings.NewReplacer("%", "%25", "/", "%2F")
	partUnescaper = strings.NewReplacer("%25", "%", "%2F", "/")
)

// TableID builds the natural id <database>/<schema>/<table>. A slash inside a
// part is written %2F (and a per cent sign %25, so that ids stay unambiguous);
// a missing schema is empty.
func TableID(databaseID, schema, table string) string {
	return partEscaper.Replace(databaseID) + "/" + partEscaper.Replace(schema) + "/" + partEscaper.Replace(table)
}

// ColumnID builds <table id>/<column>. Nested columns (JSON, Mongo) are written
// as their dotted path.
func ColumnID(tableID, column string) string {
	return tableID + "/" + partEscaper.Replace(column)
}

// SplitID takes a table or column id apart; column is empty for tables. ok is
// false when the id has neither three nor four parts.
func SplitID(id string) (databaseID, schema, table, column string, ok bool) {
	parts := strings.Split(id, "/")
	for i := range parts {
		parts[i] = partUnescaper.Replace(parts[i])
	}
	switch len(parts) {
	case 3:
		return parts[0], parts[1], parts[2], "", true
	case 4:
		return parts[0], parts[1], parts[2], parts[3], true
	}
	return "", "", "", "", false
}

// TableOfColumn returns the table's id of a column id.
func TableOfColumn(columnID string) string {
	if i := strings.LastIndexByte(columnID, '/'); i >= 0 {
		return columnID[:i]
	}
	return ""
}
