package sqlview

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/web/ui"
)

// maxShown is how much of a text is shown; the whole stays in Metabase.
const maxShown = 200_000

type run struct {
	class  class
	text   string
	marked bool
}

// line is one line of a text; a zero number stands for lines left out.
type line struct {
	number int
	runs   []run
}

// digits writes the number as the margin shows it.
func (l line) digits() string {
	if l.number == 0 {
		return "⋮"
	}
	return strconv.Itoa(l.number)
}

func (l line) marked() bool {
	return slices.ContainsFunc(l.runs, func(r run) bool { return r.marked })
}

// lines cuts a text into highlighted lines.
func lines(sql string, spans []finding.Span) (out []line, cut bool) {
	if len(sql) > maxShown {
		sql, cut = strings.ToValidUTF8(sql[:maxShown], ""), true
	}
	current := line{number: 1}
	for _, t := range lex(sql) {
		for from := t.start; from < t.end; {
			to, marked := edge(spans, from, t.end)
			parts := strings.Split(sql[from:to], "\n")
			for i, part := range parts {
				if i > 0 {
					out = append(out, current)
					current = line{number: current.number + 1}
				}
				if part = visible(part); part != "" {
					current.runs = append(current.runs, run{t.class, part, marked})
				}
			}
			from = to
		}
	}
	return append(out, current), cut
}

// beside is how many lines stand around marked ones in an excerpt.
const beside = 3

// excerpt keeps the lines around what is marked. Where nothing is, or where the
// text is short, it is the whole.
func excerpt(all []line) []line {
	if len(all) <= 4*beside || !slices.ContainsFunc(all, line.marked) {
		return all
	}
	var out []line
	gap := false
	for i, l := range all {
		if slices.ContainsFunc(all[max(0, i-beside):min(len(all), i+beside+1)], line.marked) {
			out = append(out, l)
			gap = false
		} else if !gap {
			out = append(out, line{})
			gap = true
		}
	}
	return out
}

// edge returns how far from one position nothing begins or ends to be marked.
func edge(spans []finding.Span, from, end int) (to int, marked bool) {
	to = end
	for _, s := range spans {
		switch {
		case s.Start <= from && from < s.End:
			marked = true
			to = min(to, s.End)
		case s.Start > from:
			to = min(to, s.Start)
		}
	}
	return to, marked
}

// visible writes characters that would hide or reorder the text by their number,
// so that what is read is what would run.
func visible(s string) string {
	s = strings.TrimSuffix(strings.ToValidUTF8(s, "\uFFFD"), "\r")
	if ui.Clean(s) == s {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == '\t' {
			b.WriteRune(r)
			continue
		}
		if c := ui.Clean(string(r)); c == string(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		}
	}
	return b.String()
}

// plainLines cuts a text into lines without highlighting.
func plainLines(text string) []line {
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "\n…"
	}
	var list []line
	for part := range strings.SplitSeq(text, "\n") {
		list = append(list, line{number: len(list) + 1, runs: []run{{text: visible(part)}}})
	}
	return list
}
