package mask

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of what is looked at of a name. A longer one is cut: nobody names a
// column so, and time stays linear.
const (
	maxNameBytes  = 256
	maxNameTokens = 24
)

// fold writes a word as the lexicon has it: small letters without accents.
func fold(s string) string {
	plain := true
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		if r < utf8.RuneSelf {
			b.WriteRune(unicode.ToLower(r))
			continue
		}
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		r = unicode.ToLower(r)
		if to, ok := foldLetter(r); ok {
			b.WriteString(to)
			continue
		}
		b.WriteRune(r)
	}
	return norm.NFC.String(b.String())
}

// foldLetter writes letters that are no base letter with a mark.
func foldLetter(r rune) (string, bool) {
	switch r {
	case 'ß', 'ẞ':
		return "ss", true
	case 'ø':
		return "o", true
	case 'æ':
		return "ae", true
	case 'œ':
		return "oe", true
	case 'ł':
		return "l", true
	case 'đ', 'ð':
		return "d", true
	case 'þ':
		return "th", true
	case 'ı':
		return "i", true
	case 'ς':
		return "σ", true
	case 'ё':
		return "е", true
	case 'ħ':
		return "h", true
	}
	return "", false
}

// nameToken is a word of a name in the lexicon's spelling.
type nameToken struct {
	text  string
	digit bool
}

// tokenize splits a name into words: at everything that is no letter or digit,
// between small and capital letters, and between letters and digits. The result
// is appended to buf.
func tokenize(buf []nameToken, name string) []nameToken {
	if len(name) > maxNameBytes {
		name = strings.ToValidUTF8(name[:maxNameBytes], "")
	}
	start, kind := 0, 0
	flush := func(end int) {
		if kind != 0 && end > start && len(buf) < maxNameTokens {
			buf = append(buf, nameToken{text: fold(name[start:end]), digit: kind == kindDigit})
		}
	}
	for i := 0; i < len(name); {
		r, size := rune(name[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(name[i:])
		}
		next := runeKind(r)
		switch {
		case next == kind && kind != 0, kind == kindSmall && next == kindMark:
		case kind == kindUpper && next == kindSmall:
			// "IDCard": the last capital begins the word.
			last := lastRune(name[start:i])
			if i-last > start {
				flush(i - last)
				start = i - last
			}
			kind = kindSmall
		case next == kindMark && kind != 0:
		default:
			flush(i)
			start, kind = i, next
			if next == kindMark {
				kind = kindSmall
			}
		}
		i += size
	}
	flush(len(name))
	return buf
}

const (
	kindSmall = 1 + iota
	kindUpper
	kindDigit
	kindMark
)

func runeKind(r rune) int {
	switch {
	case 'a' <= r && r <= 'z':
		return kindSmall
	case 'A' <= r && r <= 'Z':
		return kindUpper
	case '0' <= r && r <= '9':
		return kindDigit
	case r < utf8.RuneSelf:
		return 0
	case unicode.IsUpper(r):
		return kindUpper
	case unicode.IsLetter(r):
		return kindSmall
	case unicode.Is(unicode.Mn, r):
		return kindMark
	case unicode.IsDigit(r):
		return kindDigit
	}
	return 0
}

func lastRune(s string) int {
	_, size := utf8.DecodeLastRuneInString(s)
	return size
}

// segment is a run of tokens with one meaning.
type nameSegment struct {
	shown   string   // its words, for reasons
	text    string   // the tokens' letters
	concept int16    // index of its concept, or noConcept
	kinds   wordKind // what else it can stand for
	digits  bool
	known   bool
	weak    weakness
}

const (
	noConcept = -1

	maxPhrase   = 6 // tokens
	minGlued    = 3 // bytes of a part of a glued name
	maxGlued    = 24
	minStrong   = 5
	maxSegments = 3 * maxNameTokens
)

// segments finds what the tokens of a name mean, the longest phrases first. The
// result is appended to buf.
func (l *lexicon) segments(buf []nameSegment, tokens []nameToken) []nameSegment {
	var joined [maxNameBytes * 2]byte
	for i := 0; i < len(tokens); {
		width := 0
		var found wordEntry
		var text, shown string
		key := joined[:0]
		for n := 1; n <= maxPhrase && i+n <= len(tokens); n++ {
			key = append(key, tokens[i+n-1].text...)
			if len(key) > l.longest {
				break
			}
			if e, ok := l.find(key); ok && (n > 1 || !tokens[i].digit) {
				width, found = n, e
			}
		}
		switch {
		case width > 0:
			if text, shown = tokens[i].text, tokens[i].text; width > 1 {
				text, shown = joinTokens(tokens[i:i+width], ""), joinTokens(tokens[i:i+width], " ")
			}
			buf = append(buf, nameSegment{text: text, shown: shown, concept: found.concept, kinds: found.kinds, known: true, weak: found.weak})
			i += width
		case tokens[i].digit:
			buf = append(buf, nameSegment{text: tokens[i].text, shown: tokens[i].text, concept: noConcept, kinds: kindNeutral, digits: true, known: true})
			i++
		default:
			buf = l.glued(buf, tokens[i].text)
			i++
		}
		if len(buf) >= maxSegments {
			return buf
		}
	}
	return buf
}

func joinTokens(tokens []nameToken, separator string) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// find looks a word up, as it stands and without the ending of a plural.
func (l *lexicon) find(key []byte) (wordEntry, bool) {
	if e, ok := l.words[string(key)]; ok {
		return e, true
	}
	n := len(key)
	if n < 4 || key[n-1] != 's' {
		return wordEntry{}, false
	}
	if e, ok := l.words[string(key[:n-1])]; ok && e.weak == strongWord {
		return e, true
	}
	if key[n-2] != 'e' || n < 5 {
		return wordEntry{}, false
	}
	if e, ok := l.words[string(key[:n-2])]; ok && e.weak == strongWord {
		return e, true
	}
	if key[n-3] == 'i' {
		single := append(append(make([]byte, 0, n), key[:n-3]...), 'y')
		if e, ok := l.words[string(single)]; ok {
			return e, true
		}
	}
	return wordEntry{}, false
}

// glued takes apart a word that is written without separators, such as
// "geburtsdatum" or "useremail". All parts must be known, or its end a word
// that means the same wherever it stands.
func (l *lexicon) glued(buf []nameSegment, word string) []nameSegment {
	if len(word) >= 2*minGlued && len(word) <= 2*maxGlued {
		if parts := l.split(word); parts != nil {
			for _, p := range parts {
				e := l.words[p]
				buf = append(buf, nameSegment{text: p, shown: p, concept: e.concept, kinds: e.kinds, known: true})
			}
			return buf
		}
		for i := 1; i <= len(word)-minStrong; i++ {
			if e, ok := l.strong[word[i:]]; ok {
				return append(buf, nameSegment{text: word[:i], concept: noConcept}, nameSegment{text: word[i:], shown: word[i:], concept: e.concept, kinds: e.kinds, known: true})
			}
		}
	}
	return append(buf, nameSegment{text: word, concept: noConcept})
}

// split finds the fewest known parts that make up a word, or nil.
func (l *lexicon) split(word string) []string {
	var best [2*maxGlued + 1]int8 // parts up to here, 0 unreached
	var from [2*maxGlued + 1]int8
	n := len(word)
	for i := 0; i+minGlued <= n; i++ {
		if i > 0 && best[i] == 0 || best[i] >= 4 {
			continue
		}
		for j := i + minGlued; j <= min(n, i+maxGlued); j++ {
			if best[j] != 0 && best[j] <= best[i]+1 {
				continue
			}
			if _, ok := l.parts[word[i:j]]; ok {
				best[j], from[j] = best[i]+1, int8(i) // #nosec G115 -- below 2*maxGlued
			}
		}
	}
	if best[n] < 2 {
		return nil
	}
	parts := make([]string, best[n])
	for end, k := n, len(parts)-1; k >= 0; k-- {
		begin := int(from[end])
		parts[k] = word[begin:end]
		end = begin
	}
	return parts
}
