// Package report turns what a scan found into documents: JSON for programs and
// baselines, NDJSON and CSV for pipelines, Markdown and a self-contained HTML
// file for people, SARIF for code hosts, and a table for terminals.
//
// Writers are pure: the same [Input] gives the same bytes. Every name and text
// that comes from Metabase is treated as hostile and escaped for its format.
package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/similar"
)

// SchemaVersion is the version of the JSON document. It moves only when a
// change is not additive.
const SchemaVersion = 1

// Format names a writer.
type Format string

// The formats.
const (
	FormatTable    Format = "table"
	FormatJSON     Format = "json"
	FormatNDJSON   Format = "ndjson"
	FormatCSV      Format = "csv"
	FormatMarkdown Format = "markdown"
	FormatHTML     Format = "html"
	FormatSARIF    Format = "sarif"
)

// Formats lists every format in the order help texts use.
func Formats() []Format {
	return []Format{FormatTable, FormatJSON, FormatNDJSON, FormatCSV, FormatMarkdown, FormatHTML, FormatSARIF}
}

// Tool names the program that wrote a report.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Duplicate is a cluster of questions or dashboards that say the same.
type Duplicate struct {
	ID       string        `json:"id"`
	Kind     string        `json:"kind"` // exact, equivalent, near
	Score    float64       `json:"score"`
	Members  []catalog.Ref `json:"members"`
	Contains []string      `json:"contains,omitempty"` // ids of the stricter clusters inside
	Keep     catalog.Ref   `json:"keep"`
	Reason   string        `json:"reason"`
}

// FamilyInfo names a family of checks for people.
type FamilyInfo struct {
	Code  string // as in the health score: USE, BRK, …
	Title string
}

// CheckInfo describes a check to readers of a report.
type CheckInfo struct {
	ID          string
	Title       string
	Family      string // a family's code
	Why         string
	Remediation string
	Severity    finding.Severity
}

// Changes says what moved since the scan before.
type Changes struct {
	Added            int
	Changed          int
	Removed          int
	NewFindings      int
	ResolvedFindings int
	First            bool // there was no scan before
}

// Options shape a report.
type Options struct {
	Columns     bool // list columns as assets
	Width       int  // terminal width of the table format; 0 = 100
	Color       bool // ANSI colours in the table format
	MaxFindings int  // rows of the table format; 0 = all
	// ExportDir is the folder that was scanned instead of a Metabase, as a path
	// relative to the repository; SARIF puts it before the files' names.
	ExportDir string
}

// Input is everything a report is written from. Nothing in it is changed.
type Input struct {
	Tool       Tool
	Connection string // name of the connection; may be empty
	Snapshot   *catalog.Snapshot
	Index      *catalog.Index // built from Snapshot when nil

	Edges       []lineage.Edge
	ColumnEdges []lineage.ColumnEdge
	Unresolved  []lineage.Unresolved

	Duplicates      []Duplicate
	MetricConflicts []similar.Conflict
	Findings        []finding.Finding
	NotEvaluated    []finding.NotEvaluated
	Health          finding.Health

	// Groups says of each check how many assets it judged and whether it fires
	// on so many that it is shown as one line; may be empty.
	Groups   []finding.Group
	Families []FamilyInfo // in the order reports use
	Checks   []CheckInfo
	Baseline *Baseline // nil: no comparison was asked for
	Changes  *Changes  // nil: the scan was stateless
	Options  Options
}

// Write writes a report in the given format.
func Write(w io.Writer, format Format, in *Input) error {
	if in == nil || in.Snapshot == nil {
		return fmt.Errorf("report: no snapshot")
	}
	write, err := writerOf(format)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(w, 64<<10)
	if err := write(buffered, newDocument(in)); err != nil {
		return fmt.Errorf("write %s report: %w", format, err)
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write %s report: %w", format, err)
	}
	return nil
}

func writerOf(format Format) (func(*bufio.Writer, *document) error, error) {
	switch format {
	case FormatTable:
		return writeTable, nil
	case FormatJSON:
		return writeJSON, nil
	case FormatNDJSON:
		return writeNDJSON, nil
	case FormatCSV:
		return writeCSV, nil
	case FormatMarkdown:
		return writeMarkdown, nil
	case FormatHTML:
		return writeHTML, nil
	case FormatSARIF:
		return writeSARIF, nil
	}
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return nil, errs.New(errs.Invalid, "unknown_format", "There is no report format "+fmt.Sprintf("%q", string(format))+".",
		"Use one of "+strings.Join(names, ", ")+".")
}
