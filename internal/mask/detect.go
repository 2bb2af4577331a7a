package mask

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Span is something found in a free text: bytes [Start, End).
type Span struct {
	Start, End int
	Class      Class
	Reason     string // for people
}

// Detect finds personal data and secrets in a free text: a title, a
// description, a message, a comment. The spans are in order and do not overlap.
// It reports what is certain by its form or its check digits; names of people
// and other words are not told from ordinary ones.
func Detect(s string) []Span {
	f := featuresOf(s)
	if !f.digits && !f.at && !f.long && !f.words {
		return nil
	}
	var found []Span
	for _, d := range detectors() {
		if !f.may(d.needs) {
			continue
		}
		for _, m := range d.find.FindAllStringSubmatchIndex(s, -1) {
			start, end := m[0], m[1]
			if d.group > 0 && 2*d.group+1 < len(m) && m[2*d.group] >= 0 {
				start, end = m[2*d.group], m[2*d.group+1]
			}
			start, end = trimmed(s, start, end)
			if start >= end || !d.open && !edges(s, start, end) || d.check != nil && !d.check(s[start:end]) {
				continue
			}
			if d.alone && grouped(s, start, end) {
				continue
			}
			if d.unless != nil && d.unless.MatchString(s[max(0, start-20):start]) {
				continue
			}
			found = append(found, Span{start, end, d.class, d.reason})
		}
	}
	return apart(found)
}

// apart drops spans that overlap one found by an earlier detector.
func apart(found []Span) []Span {
	if len(found) < 2 {
		return found
	}
	out := found[:0:0]
	taken := found[:0:0]
	for _, s := range found {
		i, _ := slices.BinarySearchFunc(taken, s.Start, func(t Span, start int) int { return cmp.Compare(t.End, start+1) })
		if i < len(taken) && taken[i].Start < s.End {
			continue
		}
		taken = slices.Insert(taken, i, s)
	}
	return append(out, taken...)
}

// trimmed leaves blanks and closing punctuation at the edges out.
func trimmed(s string, start, end int) (int, int) {
	for start < end && strings.IndexByte(" \t\r\n", s[start]) >= 0 {
		start++
	}
	for end > start && strings.IndexByte(" \t\r\n.,;", s[end-1]) >= 0 {
		end--
	}
	return start, end
}

// edges says whether neither a letter nor a digit goes on at the edges.
func edges(s string, start, end int) bool {
	if start > 0 {
		r, _ := utf8.DecodeLastRuneInString(s[:start])
		first, _ := utf8.DecodeRuneInString(s[start:])
		if wordRune(r) && wordRune(first) || unicode.IsDigit(first) && (r == '.' || r == ',') && start > 1 && digit(s[start-2]) {
			return false
		}
	}
	if end < len(s) {
		r, _ := utf8.DecodeRuneInString(s[end:])
		last, _ := utf8.DecodeLastRuneInString(s[:end])
		if wordRune(r) && wordRune(last) {
			return false
		}
	}
	return true
}

// grouped says whether a number goes on beyond its edges, in another group.
func grouped(s string, start, end int) bool {
	between := func(c byte) bool { return c == ' ' || c == '-' || c == '.' || c == '/' }
	return start > 1 && between(s[start-1]) && digit(s[start-2]) || end+1 < len(s) && between(s[end]) && digit(s[end+1])
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// need is what a text must have for a detector to look at it.
type need uint8

const (
	needDigits need = 1 << iota // six digits
	needAt                      // an @ or its like
	needLong                    // sixteen characters without white space
	needWords                   // a word that speaks of what follows
)

type features struct{ digits, at, long, words bool }

func (f features) may(n need) bool {
	return n&needDigits != 0 && f.digits || n&needAt != 0 && f.at || n&needLong != 0 && f.long || n&needWords != 0 && f.words
}

// minLong is the length of the shortest secret.
const minLong = 16

func featuresOf(s string) features {
	var f features
	digits, run := 0, 0
	for i := range len(s) {
		c := s[i]
		switch {
		case digit(c):
			digits++
			run++
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			run = 0
		case c == '@' || c == '(' || c == '[':
			f.at = true
			run++
		default:
			run++
		}
		if run >= minLong {
			f.long = true
		}
	}
	f.digits = digits >= 5
	f.words = trigger.MatchString(s)
	return f
}

// trigger are words behind or before which something stands that has no form of
// its own.
var trigger = regexp.MustCompile(`(?i)begin |pass|pwd|secret|token|key|bearer|basic|born|birth|dob|geb|nacid|nato|naissance|nacimento|nascita|\b(?:mr|mrs|ms|dr|prof|herr|frau|madame|monsieur|mme|señora?)\b|street|str|avenue|ave|road|rue|platz|weg|gasse|allee|laan|straat|calle|via|rua|boulevard|\bst\b|\brd\b|\bln\b|lane|drive|court|passport|reisepass|licen[cs]e`)

// detector finds one kind of thing.
type detector struct {
	class  Class
	reason string
	needs  need
	find   *regexp.Regexp
	group  int // the part that is the thing; 0 is all
	check  func(string) bool
	unless *regexp.Regexp // what may not stand before
	open   bool           // a word may go on at its edges
	alone  bool           // no further group of digits may stand beside it
}

// entropy and shape of secrets without a known form.
func highEntropy(s string) bool {
	s = strings.Trim(s, "=")
	if strings.ContainsAny(s, "/") && strings.Count(s, "/") > 1 && !strings.ContainsAny(s, "+=") && !mixed(s) {
		return false
	}
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == '-' || r == '/' || r == '.' }) {
		if len(part) >= minLong && mixed(part) {
			return true
		}
	}
	return len(s) >= 2*minLong && mixed(s) && changes(s) >= len(s)/3
}

// mixed says whether letters and digits change often, as they do not in words.
func mixed(s string) bool {
	digits, upper, lower := 0, 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case digit(c):
			digits++
		case c >= 'A' && c <= 'Z':
			upper++
		case c >= 'a' && c <= 'z':
			lower++
		}
	}
	if digits < 2 || upper+lower < 4 {
		return false
	}
	return changes(s) >= len(s)/4 && distinct(s) >= 8
}

// changes counts how often the kind of character changes; one capital before
// small letters is how words are written.
func changes(s string) int {
	kind := func(c byte) int {
		switch {
		case digit(c):
			return 1
		case c >= 'A' && c <= 'Z':
			return 2
		case c >= 'a' && c <= 'z':
			return 3
		}
		return 4
	}
	n := 0
	for i := 1; i < len(s); i++ {
		a, b := kind(s[i-1]), kind(s[i])
		if a != b && !(a == 2 && b == 3) {
			n++
		}
	}
	return n
}

func distinct(s string) int {
	seen := map[byte]bool{}
	for i := range len(s) {
		seen[s[i]] = true
	}
	return len(seen)
}

// secretValue says whether what follows "password:" is one and not a sentence.
func secretValue(s string) bool {
	s = strings.Trim(s, `"'`)
	if len(s) < 4 || strings.HasPrefix(s, "{{") || strings.HasPrefix(s, "<") {
		return false
	}
	if strings.ContainsFunc(s, unicode.IsDigit) {
		return true
	}
	return strings.ContainsAny(s, "!#$%&*+^~@") || len(s) >= minLong
}
