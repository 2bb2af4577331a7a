package sqlview

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/web/ui"
)

type run struct {
	class class
	text  string
}

// line is one line of a text; a zero number stands for lines left out.
type line struct {
	number int
	pieces []piece
}

// digits writes the number as the margin shows it.
func (l line) digits() string {
	if l.number == 0 {
		return "⋮"
	}
	return strconv.Itoa(l.number)
}

func (l line) marked() bool {
	return slices.ContainsFunc(l.pieces, func(p piece) bool { return p.mark != nil })
}

// add puts a run behind the last one, into the same piece where nothing changes.
func (l *line) add(r run, link *Link, mark *Mark) {
	if n := len(l.pieces); n > 0 && l.pieces[n-1].link == link && l.pieces[n-1].mark == mark {
		l.pieces[n-1].runs = append(l.pieces[n-1].runs, r)
		return
	}
	l.pieces = append(l.pieces, piece{runs: []run{r}, link: link, mark: mark})
}

// lines cuts a text into highlighted lines.
func lines(t Text) (out []line, cut bool) {
	sql := t.SQL
	if len(sql) > maxShown {
		sql, cut = strings.ToValidUTF8(sql[:maxShown], ""), true
	}
	known := newAnnotations(t)
	current := line{number: 1}
	for n, token := range lex(sql) {
		if n > maxColoured {
			token.class = plain
		}
		if current.number > maxLines {
			return out, true
		}
		for from := token.start; from < token.end; {
			link, mark, to := known.at(from, token.end)
			for i, part := range strings.Split(sql[from:to], "\n") {
				if i > 0 {
					out = append(out, current)
					current = line{number: current.number + 1}
				}
				if part = visible(part); part != "" {
					current.add(run{token.class, part}, link, mark)
				}
			}
			if n := len(current.pieces); n > 0 && mark != nil && mark.Span.End == to && current.pieces[n-1].mark == mark {
				current.pieces[n-1].ends = true
			}
			from = to
		}
	}
	return append(out, current), cut
}

// maxLines is how many lines are shown, more or less: a token is not cut.
const maxLines = 6_000

// maxColoured is how many tokens are coloured; a text beyond is a list of values.
const maxColoured = 15_000

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
		list = append(list, line{number: len(list) + 1, pieces: []piece{{runs: []run{{text: visible(part)}}}}})
	}
	return list
}
