// Package posture is what a running MetaLens says about its own security: what
// it reads, sends and keeps, where its keys are, who may do what. Each line says
// where it comes from, so that nobody has to believe prose.
package posture

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/report"
)

// Source says where a line comes from.
type Source string

// The sources.
const (
	BuiltIn       Source = "built in"      // holds for every installation; a test proves it
	Configuration Source = "configuration" // the settings this process runs with
	Records       Source = "records"       // read from the database just now
)

// State says how a line is to be read.
type State string

// The states.
const (
	Fine    State = "fine"    // as it should be
	Notice  State = "notice"  // weaker than it could be, accepted by somebody
	Problem State = "problem" // to be mended
	Unknown State = "unknown" // not evaluated, and why
)

// Fact is one line.
type Fact struct {
	Label  string `json:"label"`
	Value  string `json:"value"`
	Detail string `json:"detail,omitempty"`
	State  State  `json:"state"`
	Source Source `json:"source"`
	// Proof is a test, a setting or a page that shows it.
	Proof string `json:"proof,omitempty"`
}

// Table is what a section lists.
type Table struct {
	Caption string     `json:"caption"`
	Columns []string   `json:"columns"`
	Numbers []bool     `json:"-"` // which columns are right-aligned
	Rows    [][]string `json:"rows"`
}

// Section is one subject.
type Section struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Intro string `json:"intro,omitempty"`
	Facts []Fact `json:"facts"`
	Table *Table `json:"table,omitempty"`
}

// Report is the whole statement. Every text in it is plain.
type Report struct {
	SchemaVersion int       `json:"schema_version"`
	At            time.Time `json:"at"`
	Version       string    `json:"version"`
	Organization  string    `json:"organization"`
	Sections      []Section `json:"sections"`
}

// Add appends a section.
func (r *Report) Add(s Section) { r.Sections = append(r.Sections, s) }

// Count says how many lines are in a state.
func (r *Report) Count(state State) int {
	n := 0
	for _, s := range r.Sections {
		for _, f := range s.Facts {
			if f.State == state {
				n++
			}
		}
	}
	return n
}

// WriteJSON writes the report as JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	return nil
}

// WriteMarkdown writes the report for a reviewer's file. Texts are escaped, so
// that a name cannot become markup.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Security and data: %s\n\nMetaLens %s, %s. Written by the installation itself from its settings and records.\n",
		report.MarkdownText(r.Organization), report.MarkdownText(r.Version), r.At.UTC().Format(time.RFC3339))
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n", report.MarkdownText(s.Title))
		if s.Intro != "" {
			b.WriteString(report.MarkdownText(s.Intro) + "\n\n")
		}
		if len(s.Facts) > 0 {
			b.WriteString("| What | This installation | State | From |\n| --- | --- | --- | --- |\n")
			for _, f := range s.Facts {
				value := f.Value
				if f.Detail != "" {
					value += ". " + f.Detail
				}
				from := string(f.Source)
				if f.Proof != "" {
					from += ": " + f.Proof
				}
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", report.MarkdownText(f.Label), report.MarkdownText(value), f.State, report.MarkdownText(from))
			}
		}
		if t := s.Table; t != nil && len(t.Rows) > 0 {
			fmt.Fprintf(&b, "\n%s\n\n| %s |\n|%s\n", report.MarkdownText(t.Caption), strings.Join(t.Columns, " | "), strings.Repeat(" --- |", len(t.Columns)))
			for _, row := range t.Rows {
				cells := make([]string, len(row))
				for i, c := range row {
					cells[i] = report.MarkdownText(c)
				}
				b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
			}
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	return nil
}
