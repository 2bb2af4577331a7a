package ui

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is how many characters of a name are shown; the whole stands in the
// title attribute.
const maxName = 300

// Clean makes a text of foreign origin fit for a line of HTML: control and
// formatting characters that could hide or reorder what follows are dropped,
// line breaks become spaces, invalid bytes the replacement character.
// Right-to-left scripts and emoji stay as they are.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	clean := true
	for _, r := range s {
		if r < 0x20 || r == 0x7f || hidden(r) || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return ' '
		case r < 0x20 || r == 0x7f || hidden(r):
			return -1
		}
		return r
	}, s)
}

// hidden reports whether a character shows nothing itself and changes how others
// show: bidirectional controls, invisible operators, tags, C1 controls. The zero
// width joiner stays, emoji and Indic scripts are spelled with it.
func hidden(r rune) bool {
	switch {
	case r >= 0x80 && r <= 0x9f,
		r == 0x00ad, r == 0x061c, r == 0x180e,
		r == 0x200b, r == 0x200e, r == 0x200f,
		r >= 0x202a && r <= 0x202e,
		r >= 0x2060 && r <= 0x206f,
		r == 0xfeff,
		r >= 0xfff9 && r <= 0xfffb,
		r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

// Name is [Clean] with a length limit and a stand-in for nothing.
func Name(s string) string {
	s = strings.TrimSpace(Clean(s))
	if s == "" || !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }) {
		return "Untitled"
	}
	return Clip(s, maxName)
}

// Clip shortens a text to n characters with an ellipsis.
func Clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	i := 0
	for pos := range s {
		if i == n-1 {
			return strings.TrimRightFunc(s[:pos], unicode.IsSpace) + "…"
		}
		i++
	}
	return s
}

// CleanLines is [Clean] for texts of several lines: line breaks and tabs stay.
func CleanLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, line := range lines {
		parts := strings.Split(line, "\t")
		for j := range parts {
			parts[j] = Clean(parts[j])
		}
		lines[i] = strings.Join(parts, "\t")
	}
	return strings.Join(lines, "\n")
}
