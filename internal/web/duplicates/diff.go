package duplicates

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/web/ui"
)

// diffRow is a pair of lines as the page shows them, or a number of equal lines
// left out.
type diffRow struct {
	Op          string // same, changed, added, removed, gap
	Left, Right side
	Gap         string
}

type side struct {
	Number string
	Parts  []part
}

type part struct {
	Text string
	Mark bool
}

const (
	around   = 3    // equal lines beside each change
	longDiff = 24   // shorter comparisons are shown whole
	maxRows  = 4000 // lines of a comparison
	maxLine  = 2000 // characters of a line
)

// rowsOf prepares aligned lines; long runs of equal ones are left out unless the
// whole is asked for.
func rowsOf(rows []similar.Row, whole bool) []diffRow {
	cut := max(0, len(rows)-maxRows)
	rows = rows[:len(rows)-cut]
	keep := make([]bool, len(rows))
	changed := false
	for i, r := range rows {
		if r.Op == similar.Same {
			continue
		}
		changed = true
		for j := max(0, i-around); j <= min(len(rows)-1, i+around); j++ {
			keep[j] = true
		}
	}
	all := whole || !changed || len(rows) <= longDiff
	var out []diffRow
	skipped := 0
	flush := func() {
		if skipped > 0 {
			out = append(out, diffRow{Op: "gap", Gap: ui.Count(skipped, "equal line", "equal lines")})
			skipped = 0
		}
	}
	for i, r := range rows {
		if !all && !keep[i] {
			skipped++
			continue
		}
		flush()
		out = append(out, rowOf(r))
	}
	flush()
	if cut > 0 {
		out = append(out, diffRow{Op: "gap", Gap: ui.Count(cut, "further line", "further lines") + ", see Metabase"})
	}
	return out
}

func rowOf(r similar.Row) diffRow {
	left, right := line(r.LeftText), line(r.RightText)
	d := diffRow{Op: string(r.Op), Left: side{Number: number(r.Left)}, Right: side{Number: number(r.Right)}}
	if r.Op == similar.Changed {
		d.Left.Parts, d.Right.Parts = marked(left, right)
		return d
	}
	if r.Left > 0 {
		d.Left.Parts = []part{{left, false}}
	}
	if r.Right > 0 {
		d.Right.Parts = []part{{right, false}}
	}
	return d
}

func line(s string) string {
	return ui.Clip(strings.ReplaceAll(ui.CleanLines(s), "\n", " "), maxLine)
}

func number(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// marked splits two lines into what they share at both ends and what differs
// between, the latter in whole words.
func marked(a, b string) (left, right []part) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	for head > 0 && (within(a, head) || within(b, head)) {
		head--
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	for tail > 0 && (within(a, len(a)-tail) || within(b, len(b)-tail)) {
		tail--
	}
	cut := func(s string) []part {
		var list []part
		for _, p := range []part{{s[:head], false}, {s[head : len(s)-tail], true}, {s[len(s)-tail:], false}} {
			if p.Text != "" {
				list = append(list, p)
			}
		}
		return list
	}
	return cut(a), cut(b)
}

// within reports whether a position lies inside a word or a character.
func within(s string, i int) bool {
	if i <= 0 || i >= len(s) {
		return false
	}
	return !utf8.RuneStart(s[i]) || (word(s[i-1]) && word(s[i]))
}

func word(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}
