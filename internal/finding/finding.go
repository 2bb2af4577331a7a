// Package finding holds what checks report and what people do with it: the
// finding itself, its stable fingerprint, its life over scans, and the health
// score. It does no I/O.
package finding

import (
	"github.com/metalens/metalens/internal/catalog"
)

// Severity is the impact of a finding, apart from how sure it is.
type Severity string

// The severities, ascending.
const (
	Info     Severity = "info"
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Rank orders severities: 0 for info up to 4 for critical, -1 for anything else.
func (s Severity) Rank() int {
	switch s {
	case Info:
		return 0
	case Low:
		return 1
	case Medium:
		return 2
	case High:
		return 3
	case Critical:
		return 4
	}
	return -1
}

// Confidence says how sure a finding is.
type Confidence string

// The confidences, descending.
const (
	Certain  Confidence = "certain"
	Likely   Confidence = "likely"
	Possible Confidence = "possible"
)

// Span is a byte range [Start, End) in an asset's SQL.
type Span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Evidence is what a finding rests on. Every part is optional.
type Evidence struct {
	Numbers map[string]float64 `json:"numbers,omitempty"` // snake_case names, unit as suffix: days_since_use
	Texts   map[string]string  `json:"texts,omitempty"`   // names and times, never data
	Related []catalog.Ref      `json:"related,omitempty"` // sorted
	Spans   []Span             `json:"spans,omitempty"`   // in the asset's SQL
}

// Finding is one diagnostic about one asset.
type Finding struct {
	Check       string      `json:"check"`
	Fingerprint string      `json:"fingerprint"`
	Severity    Severity    `json:"severity"`
	Confidence  Confidence  `json:"confidence"`
	Asset       catalog.Ref `json:"asset"`
	Message     string      `json:"message"`
	Evidence    Evidence    `json:"evidence"`
	Remediation string      `json:"remediation"`
	// Aggregated is set when the check fired on so many assets that lists show
	// its findings as one line ([Group] has the figures).
	Aggregated bool `json:"aggregated,omitempty"`
}

// NotEvaluated says that a check could not judge an asset, or anything at all.
type NotEvaluated struct {
	Check  string      `json:"check"`
	Asset  catalog.Ref `json:"asset,omitzero"`
	Reason string      `json:"reason"`
}

// Group is what one check found in one run. Aggregated is set when it fired on
// more than a fifth of the assets it judged, and on at least twenty: then its
// findings are shown as one line. The findings themselves stay complete, so
// that exports, triage and the health score lose nothing.
type Group struct {
	Check      string `json:"check"`
	Findings   int    `json:"findings"`
	Assets     int    `json:"assets"` // with at least one finding
	Judged     int    `json:"judged"` // assets the check could judge
	Aggregated bool   `json:"aggregated,omitempty"`
}
