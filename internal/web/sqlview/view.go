package sqlview

import (
	"fmt"
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

type line []run

// lines cuts a text into highlighted lines.
func lines(sql string, spans []finding.Span) (out []line, cut bool) {
	if len(sql) > maxShown {
		sql, cut = strings.ToValidUTF8(sql[:maxShown], ""), true
	}
	current := line{}
	for _, t := range lex(sql) {
		for from := t.start; from < t.end; {
			to, marked := edge(spans, from, t.end)
			parts := strings.Split(sql[from:to], "\n")
			for i, part := range parts {
				if i > 0 {
					out = append(out, current)
					current = line{}
				}
				if part = visible(part); part != "" {
					current = append(current, run{t.class, part, marked})
				}
			}
			from = to
		}
	}
	return append(out, current), cut
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
func plainLines(text string) []string {
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "\n…"
	}
	list := strings.Split(text, "\n")
	for i := range list {
		list[i] = visible(list[i])
	}
	return list
}
