package store

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

const maxWord = 80 // longer runs are cut; nobody searches for their end

// fold makes words comparable: compatibility forms, no accents, lower case.
func fold(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(s)
	}
	folded, _, err := transform.String(transform.Chain(norm.NFKD, removeMarks{}), s)
	if err != nil {
		folded = s
	}
	return strings.ToLower(folded)
}

// removeMarks drops combining marks.
type removeMarks struct{ transform.NopResetter }

// Transform implements [transform.Transformer].
func (removeMarks) Transform(dst, src []byte, atEOF bool) (written, read int, err error) {
	for read < len(src) {
		r, size := utf8.DecodeRune(src[read:])
		if r == utf8.RuneError && size == 1 && !atEOF && !utf8.FullRune(src[read:]) {
			return written, read, transform.ErrShortSrc
		}
		if !unicode.Is(unicode.Mn, r) {
			if written+size > len(dst) {
				return written, read, transform.ErrShortDst
			}
			written += copy(dst[written:], src[read:read+size])
		}
		read += size
	}
	return written, read, nil
}

// words calls each for every word of a text: runs of letters, digits and
// underscores. from and to are byte offsets in the text as given.
func words(s string, each func(word string, from, to int)) {
	start := -1
	for i, r := range s {
		in := r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)
		switch {
		case in && start < 0:
			start = i
		case !in && start >= 0:
			emit(s, start, i, each)
			start = -1
		}
	}
	if start >= 0 {
		emit(s, start, len(s), each)
	}
}

func emit(s string, from, to int, each func(string, int, int)) {
	w := fold(s[from:to])
	if len(w) > maxWord {
		w = strings.ToValidUTF8(w[:maxWord], "")
	}
	if strings.Trim(w, "_") != "" {
		each(w, from, to)
	}
}

// docWords calls each for the words of a document, with repeats; named says that
// the word is one of the name.
func docWords(b *searchBody, each func(word string, named bool)) {
	anywhere := func(w string, _, _ int) { each(w, false) }
	words(b.Name, func(w string, _, _ int) { each(w, true) })
	words(b.Path, anywhere)
	words(b.Description, anywhere)
	words(b.Identifiers, anywhere)
}

// textScore rates how well a word of a document answers a term.
func textScore(word, term string) float64 {
	switch {
	case word == term:
		return 1
	case strings.HasPrefix(word, term):
		return 0.8
	case strings.Contains(word, "_"+term):
		return 0.7
	case strings.Contains(word, term):
		return 0.5
	}
	return 0
}
