package similar

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// normalSQL writes SQL so that texts which differ only in white space, comments
// and a closing semicolon are equal. It keeps everything else as it stands:
// case, aliases, literals. Optimiser hints and MySQL's executable comments are
// no comments. Metabase's template tags are one token each; the slug of a card
// tag is decoration and goes.
//
// It is a lexer, not a parser: where a dialect is in doubt (a backslash inside
// a string) it errs towards telling texts apart.
func normalSQL(sql, engine string) string {
	l := lexer{text: sql, backslash: backslashEscapes(engine), hash: hashComments(engine), brackets: bracketNames(engine)}
	var b strings.Builder
	b.Grow(len(sql))
	pending := 0 // semicolons not yet written
	for {
		token := l.next()
		if token == "" {
			return b.String()
		}
		if token == ";" {
			pending++
			continue
		}
		if b.Len() > 0 {
			for ; pending > 0; pending-- {
				b.WriteString(" ;")
			}
			b.WriteByte(' ')
		}
		pending = 0
		b.WriteString(token)
	}
}

func backslashEscapes(engine string) bool {
	switch engine {
	case "mysql", "mariadb", "bigquery-cloud-sdk", "bigquery", "clickhouse", "sparksql", "databricks", "snowflake", "hive":
		return true
	}
	return false
}

func hashComments(engine string) bool {
	switch engine {
	case "mysql", "mariadb", "bigquery-cloud-sdk", "bigquery":
		return true
	}
	return false
}

func bracketNames(engine string) bool { return engine == "sqlserver" || engine == "sqlite" }

type lexer struct {
	text                      string
	pos                       int
	backslash, hash, brackets bool
}

// next returns the next token, "" at the end.
func (l *lexer) next() string {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		if wordByte[rest[0]] {
			return l.word(rest)
		}
		switch c := rest[0]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			l.pos++
		case strings.HasPrefix(rest, "--"), c == '#' && l.hash:
			l.pos += lineEnd(rest)
		case strings.HasPrefix(rest, "/*"):
			n := commentEnd(rest)
			if len(rest) > 2 && (rest[2] == '+' || rest[2] == '!') {
				return l.take(n)
			}
			l.pos += n
		case strings.HasPrefix(rest, "{{"):
			return l.tag(rest)
		case c == '\'' || c == '`' || c == '"':
			return l.take(quotedEnd(rest, c, l.backslash && c != '`'))
		case strings.HasPrefix(rest, "[["), strings.HasPrefix(rest, "]]"):
			return l.take(2)
		case c == '[' && l.brackets:
			return l.take(quotedEnd(rest, ']', false))
		case c == '$':
			if n := dollarEnd(rest); n > 0 {
				return l.take(n)
			}
			return l.take(wordEnd(rest))
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(rest)
			if unicode.IsSpace(r) || r == '\ufeff' {
				l.pos += n
				continue
			}
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return l.word(rest)
			}
			return l.take(n)
		default:
			return l.take(operatorEnd(rest))
		}
	}
	return ""
}

// word reads a name, a number or a string with a prefix: the E of E'..', the N
// of N'..' and the r of r".." belong to the string.
func (l *lexer) word(rest string) string {
	n := wordEnd(rest)
	if n <= 2 && n < len(rest) && rest[n] == '\'' {
		escapes := l.backslash || strings.ContainsAny(rest[:n], "eE")
		return l.take(n + quotedEnd(rest[n:], '\'', escapes))
	}
	return l.take(n)
}

func (l *lexer) take(n int) string {
	token := l.text[l.pos : l.pos+n]
	l.pos += n
	return token
}

// tag reads {{…}}. Inside, white space at the ends and the slug of a card
// reference mean nothing.
func (l *lexer) tag(rest string) string {
	end := strings.Index(rest, "}}")
	if end < 0 {
		return l.take(2)
	}
	inner := strings.TrimSpace(rest[2:end])
	l.pos += end + 2
	return "{{" + tagName(inner) + "}}"
}

// tagName is the meaning of a tag's text: "#12-slug" is "#12".
func tagName(inner string) string {
	number, isCard := strings.CutPrefix(inner, "#")
	if !isCard {
		return strings.Join(strings.Fields(inner), " ")
	}
	if i := strings.IndexFunc(number, func(r rune) bool { return r < '0' || r > '9' }); i > 0 {
		number = number[:i]
	}
	return "#" + number
}

func lineEnd(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i + 1
	}
	return len(s)
}

// commentEnd finds the end of a block comment; comments nest, as in PostgreSQL.
// An unclosed nested one ends at the first close, as elsewhere.
func commentEnd(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	if i := strings.Index(s, "*/"); i >= 0 {
		return i + 2
	}
	return len(s)
}

// quotedEnd finds the end of a quoted text that starts at s[0]; the closing
// character doubled stands for itself.
func quotedEnd(s string, closing byte, backslash bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case backslash && s[i] == '\\':
			i++
		case s[i] == closing:
			if i+1 < len(s) && s[i+1] == closing {
				i++
				continue
			}
			return i + 1
		}
	}
	return len(s)
}

// dollarEnd finds the end of $tag$…$tag$, 0 when s does not start one.
func dollarEnd(s string) int {
	i := 1
	for i < len(s) && (s[i] == '_' || s[i] >= utf8.RuneSelf || isLetterOrDigit(s[i])) {
		i++
	}
	if i >= len(s) || s[i] != '$' || (i > 1 && s[1] >= '0' && s[1] <= '9') {
		return 0
	}
	mark := s[:i+1]
	if end := strings.Index(s[len(mark):], mark); end >= 0 {
		return end + 2*len(mark)
	}
	return 0
}

func isLetterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// wordByte are the ASCII characters a word may start with.
var wordByte = func() (table [256]bool) {
	for c := range byte(utf8.RuneSelf) {
		table[c] = c == '_' || c == '@' || isLetterOrDigit(c)
	}
	return table
}()

// wordEnd is at least 1.
func wordEnd(s string) int {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if !wordByte[c] && c != '$' && i > 0 {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if i > 0 && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) {
			return i
		}
		i += n
	}
	return len(s)
}

// operators of more than one character, the longest first.
var operators = [...]string{
	"->>", "#>>", "!~*", "<=>", "<->", "||/", "<@>",
	"<=", ">=", "<>", "!=", "::", "||", "->", "#>", ":=", "=>", "@>", "<@", "&&", "~*", "!~", "==", "<<", ">>", "^=", "?|", "?&", "@@", "#-", "..", "**", "|/",
}

func operatorEnd(s string) int {
	if len(s) < 2 || strings.IndexByte("<>=:|-#@&~*.!?/", s[1]) < 0 {
		return 1 // most punctuation stands alone
	}
	for _, o := range operators {
		if strings.HasPrefix(s, o) {
			return len(o)
		}
	}
	return 1
}
