package check

import (
	"fmt"
	"strings"
	"unicode"
)

const longestName = 80

// Clean makes third-party text fit for a message: no control characters, no
// direction or invisible format characters, white space collapsed, at most a
// line long.
func Clean(text string) string {
	var b strings.Builder
	space, n := false, 0
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case r == '\u200d' || r == '\ufe0f': // joiner and selector inside emoji
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			continue
		}
		if n >= longestName {
			b.WriteString("…")
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
			n++
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// Count writes a number with its noun: "1 card", "12,400 cards".
func Count(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return Number(int64(n)) + " " + plural
}

// Number writes a whole number with grouping.
func Number(n int64) string {
	text := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// Join lists words: "a", "a and b", "a, b and c".
func Join(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
