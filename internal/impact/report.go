package impact

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/metalens/metalens/internal/catalog"
)

// Format names a way of writing an impact.
type Format string

// The formats.
const (
	FormatTree     Format = "tree" // for a terminal
	FormatJSON     Format = "json" // docs/schema/impact.v1.json
	FormatCSV      Format = "csv"  // one affected asset a row, for spreadsheets
	FormatMarkdown Format = "markdown"
)

// SchemaVersion is the version of the JSON document.
const SchemaVersion = 1

// Report is one or several impacts with where they come from.
type Report struct {
	Scan       Scan
	Connection string // name
	Index      *catalog.Index
	Source     string   // file of a migration or manifest; empty for a plain request
	Changes    []Impact // one for a plain request
	// Skipped are statements of a migration that were not understood or change
	// nothing that the scan knows.
	Skipped []Skipped
	Options Options
}

// Scan says which state was asked.
type Scan struct {
	ID         string    `json:"id"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	URL        string    `json:"url,omitempty"`
	Partial    bool      `json:"partial"`
}

// Impact is one change with what it breaks.
type Impact struct {
	Title  string // "DROP COLUMN public.orders.total"; empty for a plain request
	Action string // drop_column, rename_table, …; empty for a plain request
	Line   int    // of the statement in the file; 0 = not from a file
	To     string // new name or type, where the change has one
	Result *Result
}

// Skipped is a statement whose impact is not known.
type Skipped struct {
	Line   int    `json:"line,omitempty"`
	Text   string `json:"statement"`
	Code   string `json:"code"`   // not_understood, unknown_object, ambiguous, no_effect
	Reason string `json:"reason"` // in words
}

// Options shape a text for people.
type Options struct {
	Width int  // columns of the terminal; 0 = no limit
	Color bool //
	Max   int  // most assets shown per change; 0 = all
}

// Write writes a report. Third-party text is made harmless for where it goes.
func Write(w io.Writer, f Format, r *Report) error {
	out := bufio.NewWriter(w)
	var err error
	switch f {
	case FormatJSON:
		err = writeJSON(out, r)
	case FormatCSV:
		err = writeCSV(out, r)
	case FormatMarkdown:
		err = writeMarkdown(out, r)
	case FormatTree:
		err = writeTree(out, r)
	default:
		return fmt.Errorf("no such format: %s", f)
	}
	if err != nil {
		return fmt.Errorf("write the impact: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the impact: %w", err)
	}
	return nil
}

// Merge joins the results of several changes: each asset once, with its gravest
// verdict.
func Merge(list []Impact) *Result {
	if len(list) == 1 {
		return list[0].Result
	}
	out := &Result{Counts: map[catalog.Kind]int{}, Breaks: map[Breaks]int{}}
	at := map[catalog.Ref]int{}
	people := map[string]int{}
	names := map[string]Person{}
	gaps := map[NotEvaluated]bool{}
	for _, c := range list {
		r := c.Result
		out.Roots = append(out.Roots, r.Roots...)
		for _, a := range r.Affected {
			i, seen := at[a.Asset]
			switch {
			case !seen:
				at[a.Asset] = len(out.Affected)
				out.Affected = append(out.Affected, a)
			case rank(a.Breaks) > rank(out.Affected[i].Breaks):
				out.Affected[i] = a
			}
		}
		for _, g := range r.NotEvaluated {
			if !gaps[g] {
				gaps[g] = true
				out.NotEvaluated = append(out.NotEvaluated, g)
			}
		}
		for _, p := range r.People {
			names[p.ID] = p
		}
	}
	knock := map[catalog.Ref]bool{}
	for _, c := range list {
		for _, a := range c.Result.KnockOn {
			if _, listed := at[a.Asset]; !listed && !knock[a.Asset] {
				knock[a.Asset] = true
				out.KnockOn = append(out.KnockOn, a)
			}
		}
	}
	sortByImportance(out.Affected)
	sortByImportance(out.KnockOn)
	for i := range out.Affected {
		a := &out.Affected[i]
		out.Counts[a.Asset.Kind]++
		out.Breaks[a.Breaks]++
		if a.Breaks == No {
			continue
		}
		for _, id := range a.Owners {
			people[id]++
		}
		if a.Recipients != nil {
			out.Recipients += *a.Recipients
		}
	}
	for id, n := range people {
		p := names[id]
		p.ID, p.Assets = id, n
		out.People = append(out.People, p)
	}
	sortPeople(out.People)
	return out
}
