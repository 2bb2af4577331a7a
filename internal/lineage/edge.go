// Package lineage knows which asset uses which: the edges of one snapshot, how
// sure each is, and what could not be resolved.
package lineage

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// Via says how the downstream end uses the upstream end.
type Via string

// The ways of use, as docs/schema names them.
const (
	ViaQuery           Via = "query"
	ViaJoin            Via = "join"
	ViaFilter          Via = "filter"
	ViaSourceCard      Via = "source_card"    // MBQL question built on a question
	ViaCardReference   Via = "card_reference" // {{#id}} in SQL
	ViaSnippet         Via = "snippet"
	ViaMetric          Via = "metric"
	ViaSegment         Via = "segment"
	ViaModel           Via = "model"
	ViaDashcard        Via = "dashcard"
	ViaSeries          Via = "series"
	ViaParameterSource Via = "parameter_source"
	ViaSubscription    Via = "subscription"
	ViaAlert           Via = "alert"
	ViaTransform       Via = "transform"
	ViaAction          Via = "action"
)

// Edge points from what is used (upstream) to what uses it (downstream).
type Edge struct {
	From       catalog.Ref        `json:"from"`
	To         catalog.Ref        `json:"to"`
	Via        Via                `json:"via"`
	Confidence finding.Confidence `json:"confidence"`
}

// ColumnEdge is an edge at column level. ToColumn is the output column of the
// downstream end, where the use is a value; empty for filters, joins and groups.
type ColumnEdge struct {
	From       catalog.Ref        `json:"from"` // always a column
	To         catalog.Ref        `json:"to"`
	ToColumn   string             `json:"to_column,omitempty"`
	Via        Via                `json:"via"`
	Confidence finding.Confidence `json:"confidence"`
}

// Unresolved is a use whose other end is not known.
type Unresolved struct {
	Asset  catalog.Ref   `json:"asset"`
	Reason string        `json:"reason"` // snake_case code: unknown_table, missing_question, not_parsed, …
	Detail string        `json:"detail"`
	Span   *finding.Span `json:"span,omitempty"`
	// Target is the reference that leads nowhere, where its kind and id are known.
	Target catalog.Ref `json:"target,omitzero"`
}
