package compare

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/report"
)

// Format names a way of writing a difference.
type Format string

// The formats.
const (
	FormatTable    Format = "table"
	FormatJSON     Format = "json" // docs/schema/diff.v1.json
	FormatMarkdown Format = "markdown"
)

// SchemaVersion is the version of the JSON document.
const SchemaVersion = 1

// Options shape a text for people.
type Options struct {
	Width int // columns of the terminal; 0 = no limit
	Color bool
	Max   int // most entries per section; 0 = all
}

// Write writes a difference. Third-party text is made harmless for where it
// goes.
func Write(w io.Writer, f Format, r *Result, o Options) error {
	out := bufio.NewWriter(w)
	var err error
	switch f {
	case FormatJSON:
		err = writeJSON(out, r)
	case FormatMarkdown:
		err = writeMarkdown(out, r)
	case FormatTable:
		err = writeTable(out, r, o)
	default:
		return fmt.Errorf("no such format: %s", f)
	}
	if err != nil {
		return fmt.Errorf("write the difference: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the difference: %w", err)
	}
	return nil
}

// The types below are the JSON document of docs/schema/diff.v1.json.

type documentJSON struct {
	SchemaVersion int           `json:"schema_version"`
	A             sideJSON      `json:"a"`
	B             sideJSON      `json:"b"`
	MatchedBy     Matching      `json:"matched_by"`
	Added         []assetJSON   `json:"added"`
	Removed       []assetJSON   `json:"removed"`
	Changed       []changedJSON `json:"changed"`
	Findings      findingsJSON  `json:"findings"`
	Schema        Schema        `json:"schema"`
	NotCompared   []string      `json:"not_compared"`
}

type sideJSON struct {
	Name    string    `json:"name"`
	Source  Source    `json:"source"`
	ID      string    `json:"id,omitempty"`
	URL     string    `json:"url"`
	At      time.Time `json:"finished_at,omitzero"`
	Partial bool      `json:"partial"`
}

type assetJSON struct {
	Kind       catalog.Kind `json:"kind"`
	ID         string       `json:"id"`
	EntityID   string       `json:"entity_id,omitempty"`
	Name       string       `json:"name"`
	URL        string       `json:"url"`
	Collection string       `json:"collection_path,omitempty"`
}

type changedJSON struct {
	Asset   assetJSON `json:"asset"`
	Fields  []Field   `json:"fields"`
	SQLDiff string    `json:"sql_diff,omitempty"`
}

type findingsJSON struct {
	New       []Finding `json:"new"`
	Resolved  []Finding `json:"resolved"`
	Evaluated bool      `json:"evaluated"`
}

func writeJSON(w *bufio.Writer, r *Result) error {
	d := documentJSON{
		SchemaVersion: SchemaVersion, A: r.A.json(), B: r.B.json(), MatchedBy: r.MatchedBy,
		Added: assets(r.Added), Removed: assets(r.Removed), Changed: make([]changedJSON, 0, len(r.Changed)),
		Findings: findingsJSON{orEmpty(r.New), orEmpty(r.Resolved), r.Judged}, Schema: r.Schema, NotCompared: orEmpty(r.NotCompared),
	}
	for i := range r.Changed {
		c := &r.Changed[i]
		d.Changed = append(d.Changed, changedJSON{c.Asset.json(), c.Fields, c.SQLDiff})
	}
	for _, list := range []*[]SchemaItem{
		&d.Schema.Tables.Added, &d.Schema.Tables.Removed, &d.Schema.Tables.Changed,
		&d.Schema.Columns.Added, &d.Schema.Columns.Removed, &d.Schema.Columns.Changed,
	} {
		*list = orEmpty(*list)
	}
	enc := json.NewEncoder(report.SafeJSON(w))
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(d)
}

func (s *Side) json() sideJSON {
	return sideJSON{Name: s.Name, Source: s.Source, ID: s.ID, URL: s.URL, At: s.At.UTC(), Partial: s.Partial}
}

func (a *Asset) json() assetJSON {
	return assetJSON{a.Ref.Kind, a.Ref.ID, a.EntityID, a.Name, a.URL, a.Collection}
}

func assets(list []Asset) []assetJSON {
	out := make([]assetJSON, 0, len(list))
	for i := range list {
		out = append(out, list[i].json())
	}
	return out
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// page prints lines; the first error sticks.
type page struct {
	w   *bufio.Writer
	err error
}

func (t *page) f(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func (s *Side) title() string {
	out := s.Name
	if s.ID != "" && s.ID != s.Name {
		out += " (scan " + s.ID + ")"
	}
	if s.URL != "" && !strings.HasPrefix(s.URL, "export:") {
		out += ", " + s.URL
	}
	if !s.At.IsZero() {
		out += ", " + s.At.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	if s.Partial {
		out += ", partial"
	}
	return out
}

func (r *Result) summary() string {
	if r.Empty() {
		return "Nothing differs."
	}
	s := fmt.Sprintf("%s added, %d removed, %d changed", report.Plural(len(r.Added), "asset", "assets"), len(r.Removed), len(r.Changed))
	if r.Judged {
		s += fmt.Sprintf("; %s, %d resolved", report.Plural(len(r.New), "new finding", "new findings"), len(r.Resolved))
	}
	t, c := r.Schema.Tables, r.Schema.Columns
	if !r.Schema.Empty() {
		s += fmt.Sprintf("; tables +%d −%d, columns +%d −%d ~%d", len(t.Added), len(t.Removed), len(c.Added), len(c.Removed), len(c.Changed))
	}
	return s + "."
}

func (a *Asset) label() string {
	if a.Name == "" {
		return string(a.Ref.Kind) + " " + a.Ref.ID
	}
	return string(a.Ref.Kind) + " " + a.Ref.ID + " " + a.Name
}

// value shows one side of a field on one line.
func value(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "–"
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

const (
	bold  = "1"
	red   = "31"
	green = "32"
	amber = "33"
)

type table struct {
	page
	o Options
}

func (t *table) style(code, s string) string {
	if !t.o.Color || s == "" || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *table) line(indent, mark, code, s string) {
	s = report.Clean(s)
	if t.o.Width > 0 {
		s = report.Clip(s, max(20, t.o.Width-len(indent)-len(mark)-1))
	}
	if mark != "" {
		mark = t.style(code, mark) + " "
	}
	t.f("%s%s%s\n", indent, mark, s)
}

// section prints a heading and up to the allowed number of entries.
func (t *table) section(title string, n int, entry func(i int)) {
	if n == 0 {
		return
	}
	t.f("\n%s\n", t.style(bold, fmt.Sprintf("%s (%d)", title, n)))
	for i := range n {
		if t.o.Max > 0 && i == t.o.Max {
			t.f("  … and %d more; --format json lists all\n", n-i)
			return
		}
		entry(i)
	}
}

func writeTable(w *bufio.Writer, r *Result, o Options) error {
	t := &table{page{w: w}, o}
	t.line("", "", "", "A: "+r.A.title())
	t.line("", "", "", "B: "+r.B.title())
	t.line("", "", "", r.summary())
	t.section("Added", len(r.Added), func(i int) { t.line("  ", "+", green, r.Added[i].label()) })
	t.section("Removed", len(r.Removed), func(i int) { t.line("  ", "-", red, r.Removed[i].label()) })
	t.section("Changed", len(r.Changed), func(i int) {
		c := &r.Changed[i]
		t.line("  ", "~", amber, c.Asset.label())
		for _, f := range c.Fields {
			if f.Name != "sql" || c.SQLDiff == "" {
				t.line("      ", "", "", f.Name+": "+report.Clip(report.Clean(value(f.Before)), 60)+" → "+report.Clip(report.Clean(value(f.After)), 60))
			}
		}
		for _, l := range diffLines(c.SQLDiff) {
			if l[0] == '@' {
				t.line("      ", "", "", l)
				continue
			}
			t.line("      ", l[:1], map[byte]string{'+': green, '-': red}[l[0]], l[1:])
		}
	})
	t.section("New findings", len(r.New), func(i int) { t.line("  ", "+", red, r.New[i].line()) })
	t.section("Resolved findings", len(r.Resolved), func(i int) { t.line("  ", "-", green, r.Resolved[i].line()) })
	for _, part := range schemaParts(&r.Schema) {
		t.section(part.title, len(part.items), func(i int) {
			t.line("  ", part.mark, map[string]string{"+": green, "-": red, "~": amber}[part.mark], part.items[i].line())
		})
	}
	t.section("Not compared", len(r.NotCompared), func(i int) { t.line("  ", "", "", r.NotCompared[i]) })
	return t.err
}

func diffLines(diff string) []string {
	if diff == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(diff, "\n"), "\n")
}

func (f *Finding) line() string {
	return string(f.Severity) + " " + f.Check + " " + string(f.Asset.Kind) + " " + f.Asset.ID + " " + f.Asset.Name + ": " + f.Message
}

type schemaPart struct {
	title, mark string
	items       []SchemaItem
}

func schemaParts(s *Schema) []schemaPart {
	return []schemaPart{
		{"Tables added", "+", s.Tables.Added},
		{"Tables removed", "-", s.Tables.Removed},
		{"Tables changed", "~", s.Tables.Changed},
		{"Columns added", "+", s.Columns.Added},
		{"Columns removed", "-", s.Columns.Removed},
		{"Columns changed", "~", s.Columns.Changed},
	}
}

func (i *SchemaItem) line() string {
	out := i.Name
	if i.Type != "" && len(i.Fields) == 0 {
		out += " " + i.Type
	}
	parts := make([]string, 0, len(i.Fields))
	for _, f := range i.Fields {
		parts = append(parts, f.Name+" "+value(f.Before)+" → "+value(f.After))
	}
	if len(parts) > 0 {
		out += ": " + strings.Join(parts, ", ")
	}
	return out
}

// markdownRows bounds the entries per section in a comment, which code hosts cut.
const markdownRows = 100

func writeMarkdown(w *bufio.Writer, r *Result) error {
	t := &page{w: w}
	md := report.MarkdownText
	t.f("## What changed in Metabase\n\n%s\n\n", md(r.summary()))
	section := func(title string, n int, entry func(i int)) {
		if n == 0 {
			return
		}
		t.f("### %s (%d)\n\n", title, n)
		for i := range n {
			if i == markdownRows {
				t.f("- … and %d more; `--format json` lists all\n", n-i)
				break
			}
			entry(i)
		}
		t.f("\n")
	}
	link := func(a *Asset) string { return string(a.Ref.Kind) + " " + report.MarkdownLink(a.Name, a.URL) }
	section("Added", len(r.Added), func(i int) { t.f("- %s\n", link(&r.Added[i])) })
	section("Removed", len(r.Removed), func(i int) { t.f("- %s\n", link(&r.Removed[i])) })
	section("Changed", len(r.Changed), func(i int) {
		c := &r.Changed[i]
		t.f("- %s\n", link(&c.Asset))
		for _, f := range c.Fields {
			if f.Name != "sql" || c.SQLDiff == "" {
				t.f("  - %s: %s → %s\n", md(f.Name), md(report.Clip(report.Clean(value(f.Before)), 200)), md(report.Clip(report.Clean(value(f.After)), 200)))
			}
		}
		if c.SQLDiff != "" {
			fence := "```"
			for strings.Contains(c.SQLDiff, fence) {
				fence += "`"
			}
			t.f("\n  %sdiff\n", fence)
			for _, l := range diffLines(c.SQLDiff) {
				t.f("  %s\n", report.Clean(l))
			}
			t.f("  %s\n\n", fence)
		}
	})
	section("New findings", len(r.New), func(i int) { t.f("- %s\n", md(r.New[i].line())) })
	section("Resolved findings", len(r.Resolved), func(i int) { t.f("- %s\n", md(r.Resolved[i].line())) })
	for _, part := range schemaParts(&r.Schema) {
		section(part.title, len(part.items), func(i int) { t.f("- %s\n", md(part.items[i].line())) })
	}
	section("Not compared", len(r.NotCompared), func(i int) { t.f("- %s\n", md(r.NotCompared[i])) })
	t.f("<sub>A: %s. B: %s.</sub>\n", md(r.A.title()), md(r.B.title()))
	return t.err
}
