package report

import (
	"bufio"

	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/similar"
)

// record types of the NDJSON format; the first line is always "report".
const (
	recordReport       = "report"
	recordAsset        = "asset"
	recordEdge         = "edge"
	recordColumnEdge   = "column_edge"
	recordUnresolved   = "unresolved"
	recordDuplicate    = "duplicate"
	recordConflict     = "metric_conflict"
	recordFinding      = "finding"
	recordNotEvaluated = "not_evaluated"
	recordHealth       = "health"
	recordStats        = "stats"
)

// writeNDJSON writes one record a line; the key "record" names its type.
func writeNDJSON(w *bufio.Writer, d *document) error {
	s := newStream(w)
	line := func(v any) {
		s.value(v)
		s.raw("\n")
	}
	line(struct {
		Record        string `json:"record"`
		SchemaVersion int    `json:"schema_version"`
		Tool          Tool   `json:"tool"`
		headEntry
	}{recordReport, SchemaVersion, d.in.Tool, d.head()})
	for e := range d.assetEntries() {
		line(struct {
			Record string `json:"record"`
			assetEntry
		}{recordAsset, e})
	}
	for e := range d.edges() {
		line(struct {
			Record string `json:"record"`
			lineage.Edge
		}{recordEdge, e})
	}
	for e := range d.columnEdges() {
		line(struct {
			Record string `json:"record"`
			columnEdgeEntry
		}{recordColumnEdge, e})
	}
	for e := range d.unresolved() {
		line(struct {
			Record string `json:"record"`
			unresolvedEntry
		}{recordUnresolved, e})
	}
	for e := range d.duplicates() {
		line(struct {
			Record string `json:"record"`
			Duplicate
		}{recordDuplicate, e})
	}
	for e := range d.conflicts() {
		line(struct {
			Record string `json:"record"`
			similar.Conflict
		}{recordConflict, e})
	}
	for e := range d.findingEntries() {
		line(struct {
			Record string `json:"record"`
			findingEntry
		}{recordFinding, e})
	}
	for _, e := range d.notEvaluated() {
		line(struct {
			Record string `json:"record"`
			finding.NotEvaluated
		}{recordNotEvaluated, e})
	}
	line(struct {
		Record string `json:"record"`
		finding.Health
	}{recordHealth, d.health()})
	line(struct {
		Record string `json:"record"`
		statsEntry
	}{recordStats, d.stats()})
	return s.err
}
