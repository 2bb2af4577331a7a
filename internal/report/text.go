package report

import (
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Clean makes third-party text safe to print on one line of a terminal: control
// characters, escape sequences' introducers, bidirectional overrides and
// invisible characters go, line breaks and tabs become spaces, invalid UTF-8
// becomes U+FFFD. Joiners stay, since emoji and several scripts need them.
func Clean(s string) string {
	clean := true
	for _, r := range s {
		if r == utf8.RuneError || replaces(r) != r {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		if r = replaces(r); r >= 0 {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// replaces returns what stands for r in cleaned text, -1 for nothing.
func replaces(r rune) rune {
	switch {
	case r == '\n' || r == '\r' || r == '\t' || r == '\v' || r == '\f' || r == 0x85 || r == 0x2028 || r == 0x2029:
		return ' '
	case r < 0x20 || r >= 0x7f && r <= 0x9f:
		return -1
	case r == 0x061c || r == 0x200e || r == 0x200f, // directional marks
		r >= 0x202a && r <= 0x202e, // embeddings and overrides
		r >= 0x2066 && r <= 0x206f, // isolates, deprecated format characters
		r == 0x200b || r >= 0x2060 && r <= 0x2065 || r == 0xfeff || r == 0x00ad, // invisible
		r >= 0xfff9 && r <= 0xfffb,   // interlinear annotation
		r >= 0xe0000 && r <= 0xe007f: // tags
		return -1
	}
	return r
}

// clip shortens cleaned text to a display width, ending in an ellipsis.
func clip(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if runewidth.StringWidth(s) <= width {
		return s
	}
	return runewidth.Truncate(s, width, "…")
}

// pad clips and fills with spaces to exactly the given display width.
func pad(s string, width int) string {
	s = clip(s, width)
	if gap := width - runewidth.StringWidth(s); gap > 0 {
		return s + strings.Repeat(" ", gap)
	}
	return s
}

// plural returns "1 question" or "2 questions", with grouped digits.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return group(int64(n)) + " " + many
}

// group writes a number with thousands separated by a comma.
func group(n int64) string {
	if n < 0 {
		return "-" + group(-n)
	}
	digits := itoa(n)
	if len(digits) <= 3 {
		return digits
	}
	var b strings.Builder
	head := len(digits) % 3
	b.WriteString(digits[:head])
	for i := head; i < len(digits); i += 3 {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(digits[i : i+3])
	}
	return b.String()
}
