// Package sqlview shows SQL: highlighted on the server, with line numbers,
// Metabase's template tags as chips, and evidence marked.
//
// It knows words, not grammar, and never fails: what it does not recognise is
// shown plain.
package sqlview

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type class string

const (
	plain    class = ""
	keyword  class = "kw"
	text     class = "str"
	number   class = "no"
	comment  class = "com"
	function class = "fn"
	quoted   class = "id"
	tag      class = "tag"
	optional class = "opt"
)

type token struct {
	class      class
	start, end int
}

// lex cuts SQL into tokens that cover it without gaps.
func lex(s string) []token {
	l := lexer{s: s}
	for l.pos < len(l.s) {
		l.next()
	}
	return l.tokens
}

type lexer struct {
	s      string
	pos    int
	tokens []token
}

func (l *lexer) emit(c class, end int) {
	if n := len(l.tokens); n > 0 && l.tokens[n-1].class == c && c == plain {
		l.tokens[n-1].end = end
	} else {
		l.tokens = append(l.tokens, token{c, l.pos, end})
	}
	l.pos = end
}

func (l *lexer) rest() string { return l.s[l.pos:] }

// until returns the position after the next occurrence of mark, or the end.
func (l *lexer) until(from int, mark string) int {
	if i := strings.Index(l.s[from:], mark); i >= 0 {
		return from + i + len(mark)
	}
	return len(l.s)
}

func (l *lexer) next() {
	rest := l.rest()
	switch {
	case strings.HasPrefix(rest, "{{"):
		l.emit(tag, l.until(l.pos+2, "}}"))
	case strings.HasPrefix(rest, "[["), strings.HasPrefix(rest, "]]"):
		l.emit(optional, l.pos+2)
	case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "#!"):
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		l.emit(comment, l.pos+end)
	case strings.HasPrefix(rest, "/*"):
		l.emit(comment, l.until(l.pos+2, "*/"))
	case rest[0] == '\'':
		l.emit(text, l.quote('\''))
	case rest[0] == '"', rest[0] == '`':
		l.emit(quoted, l.quote(rest[0]))
	case rest[0] == '$' && dollarTag(rest) != "":
		mark := dollarTag(rest)
		l.emit(text, l.until(l.pos+len(mark), mark))
	case rest[0] >= '0' && rest[0] <= '9':
		end := 1
		for end < len(rest) && (isWordByte(rest[end]) || rest[end] == '.') {
			end++
		}
		l.emit(number, l.pos+end)
	default:
		l.word(rest)
	}
}

func (l *lexer) word(rest string) {
	r, size := utf8.DecodeRuneInString(rest)
	if !unicode.IsLetter(r) && r != '_' {
		l.emit(plain, l.pos+size)
		return
	}
	end := size
	for end < len(rest) {
		r, size := utf8.DecodeRuneInString(rest[end:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '$' {
			break
		}
		end += size
	}
	word := rest[:end]
	switch {
	case keywords[strings.ToLower(word)] && !l.afterDot():
		l.emit(keyword, l.pos+end)
	case end < len(rest) && rest[end] == '(':
		l.emit(function, l.pos+end)
	default:
		l.emit(plain, l.pos+end)
	}
}

func (l *lexer) afterDot() bool { return l.pos > 0 && l.s[l.pos-1] == '.' }

// quote returns the end of a quoted text; a doubled quote and a backslash do not
// end it. An open quote ends with the text.
func (l *lexer) quote(q byte) int {
	for i := l.pos + 1; i < len(l.s); i++ {
		switch l.s[i] {
		case '\\':
			// Only some dialects escape so; a quote right before a delimiter is
			// taken as the end to stay readable in the others.
			if i+1 < len(l.s) && l.s[i+1] != q {
				i++
			}
		case q:
			if i+1 < len(l.s) && l.s[i+1] == q {
				i++
				continue
			}
			return i + 1
		}
	}
	return len(l.s)
}

func isWordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// dollarTag returns the opening of a dollar-quoted text ($$ or $name$), or "".
func dollarTag(s string) string {
	for i := 1; i < len(s) && i < 64; i++ {
		if s[i] == '$' {
			if i == 1 || s[1] < '0' || s[1] > '9' {
				return s[:i+1]
			}
			return ""
		}
		if !isWordByte(s[i]) {
			return ""
		}
	}
	return ""
}

var keywords = wordSet(`all alter and any array as asc between by case cast create cross cube current_date
current_timestamp delete desc distinct drop else end escape except exists extract false fetch filter first following
for from full group grouping having ilike in inner insert intersect interval into is join last lateral left like limit
materialized merge natural not null nulls offset on or order outer over partition pivot preceding qualify range
recursive replace right rollup row rows sample select semi set sets similar struct table tablesample then ties to top
true unbounded union unique unnest unpivot update using values view when where window with within`)

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}
