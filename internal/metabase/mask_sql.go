package metabase

import (
	"strings"
	"unicode/utf8"
)

// sqlFlavour is what a lexer must know of an engine to find literals.
type sqlFlavour struct {
	doubleIsText bool // "…" is a string, not an identifier
	backslash    bool // \' does not end a string
	hashComment  bool // # begins a comment
	other        bool // the engine's native language is no SQL
}

func flavourOf(engine string) sqlFlavour {
	switch engine {
	case "mysql", "mariadb":
		return sqlFlavour{doubleIsText: true, backslash: true, hashComment: true}
	case "bigquery", "bigquery-cloud-sdk":
		return sqlFlavour{doubleIsText: true, backslash: true, hashComment: true}
	case "sparksql", "databricks", "hive", "hive-like":
		return sqlFlavour{doubleIsText: true, backslash: true}
	case "clickhouse", "snowflake", "redshift", "athena":
		return sqlFlavour{backslash: engine == "clickhouse" || engine == "snowflake"}
	case "mongo", "druid", "googleanalytics":
		return sqlFlavour{other: true}
	default:
		return sqlFlavour{}
	}
}

// sql replaces the string and number literals of a text by hashes and empties
// its comments. Template tags, optional blocks, identifiers, LIMIT and OFFSET
// counts, ordinals, type lengths, units, formats and JSON keys stay. It never
// leaves a literal standing because it did not understand the text around it.
func (m *masker) sql(text string, flavour sqlFlavour) string {
	l := &sqlMasker{m: m, in: text, flavour: flavour}
	for l.at < len(l.in) {
		l.step()
	}
	return l.out.String()
}

type sqlMasker struct {
	m       *masker
	in      string
	at      int
	out     strings.Builder
	flavour sqlFlavour

	word     string // last word, lower case
	before   string // the word before it
	last     byte   // last character that is neither space nor comment; 'w' for words, 'l' for literals
	ordinals bool   // inside ORDER BY or GROUP BY, at the top of their list
	depth    int    // parentheses since ordinals began
}

func (l *sqlMasker) rest(prefix string) bool { return strings.HasPrefix(l.in[l.at:], prefix) }

func (l *sqlMasker) step() {
	c := l.in[l.at]
	switch {
	case l.rest("{{"):
		l.tag()
	case l.rest("--"), c == '#' && l.flavour.hashComment:
		end := strings.IndexByte(l.in[l.at:], '\n')
		if end < 0 {
			end = len(l.in) - l.at
		}
		l.out.WriteString("--")
		l.at += end
	case l.rest("/*"):
		l.blockComment()
	case c == '\'':
		l.quoted(l.backslash())
	case c == '"' && l.flavour.doubleIsText:
		l.quoted(l.flavour.backslash)
	case c == '"' || c == '`':
		l.identifier(c)
	case c == '$' && l.dollarQuoted():
	case c >= '0' && c <= '9' || c == '.' && l.at+1 < len(l.in) && digit(l.in[l.at+1]) && l.last != 'w':
		l.number()
	case wordByte(c):
		l.keyword()
	default:
		l.punctuation(c)
	}
}

// backslash reports whether the string that begins here knows backslashes.
func (l *sqlMasker) backslash() bool {
	if l.flavour.backslash {
		return true
	}
	before := l.in[:l.at]
	return strings.HasSuffix(before, "E") || strings.HasSuffix(before, "e") && (len(before) == 1 || !wordByte(before[len(before)-2]))
}

// tag copies {{…}} as it is. Its name is no literal.
func (l *sqlMasker) tag() {
	end := strings.Index(l.in[l.at:], "}}")
	if end < 0 {
		l.out.WriteString("{{")
		l.at += 2
		return
	}
	l.out.WriteString(l.in[l.at : l.at+end+2])
	l.at += end + 2
	l.after('w', "")
}

func (l *sqlMasker) blockComment() {
	depth, i := 0, l.at
	for i < len(l.in) {
		switch {
		case strings.HasPrefix(l.in[i:], "/*"):
			depth++
			i += 2
			continue
		case strings.HasPrefix(l.in[i:], "*/"):
			depth--
			i += 2
			if depth == 0 {
				l.out.WriteString("/**/")
				l.at = i
				return
			}
			continue
		}
		i++
	}
	// Comments do not nest everywhere: take the first end, if there is one.
	if end := strings.Index(l.in[l.at+2:], "*/"); end >= 0 {
		l.at += 2 + end + 2
	} else {
		l.at = len(l.in)
	}
	l.out.WriteString("/**/")
}

// quoted masks a string literal.
func (l *sqlMasker) quoted(backslash bool) {
	quote := l.in[l.at]
	i := l.at + 1
	for i < len(l.in) {
		switch {
		case l.in[i] == '\\' && backslash:
			i += 2
			continue
		case l.in[i] == quote && i+1 < len(l.in) && l.in[i+1] == quote:
			i += 2
			continue
		case l.in[i] != quote:
			i++
			continue
		}
		break
	}
	i = min(i, len(l.in))
	body := l.in[l.at+1 : i]
	l.at = min(i+1, len(l.in))
	l.out.WriteByte(quote)
	l.out.WriteString(l.maskText(body))
	l.out.WriteByte(quote)
	l.after('l', "")
}

// maskText keeps the tags, the wildcards at both ends, and what is structure.
func (l *sqlMasker) maskText(body string) string {
	if body == "" || structuralText(body) || l.last == '>' {
		return body
	}
	if l.word == "interval" || l.word == "extract" {
		if fields := strings.Fields(body); len(fields) > 0 && len(fields) <= 2 && strings.Trim(fields[0], "0123456789-+") == "" &&
			(len(fields) == 1 || units[strings.ToLower(fields[1])]) {
			return body
		}
	}
	if start := strings.Index(body, "{{"); start >= 0 {
		if end := strings.Index(body[start:], "}}"); end >= 0 {
			end += start + 2
			return l.maskText(body[:start]) + body[start:end] + l.maskText(body[end:])
		}
	}
	inner := strings.Trim(body, "%")
	if inner == "" {
		return body
	}
	from := strings.Index(body, inner)
	return body[:from] + l.m.text(inner) + body[from+len(inner):]
}

func (l *sqlMasker) identifier(quote byte) {
	end := strings.IndexByte(l.in[l.at+1:], quote)
	if end < 0 { // no identifier ends here: what follows could be anything
		l.out.WriteByte(quote)
		l.out.WriteString(l.m.text(l.in[l.at+1:]))
		l.at = len(l.in)
		return
	}
	l.out.WriteString(l.in[l.at : l.at+end+2])
	l.at += end + 2
	l.after('w', "")
}

// dollarQuoted masks $tag$ … $tag$.
func (l *sqlMasker) dollarQuoted() bool {
	end := strings.IndexByte(l.in[l.at+1:], '$')
	if end < 0 || strings.IndexFunc(l.in[l.at+1:l.at+1+end], func(r rune) bool { return r > utf8.RuneSelf || !wordByte(byte(r)) }) >= 0 {
		return false
	}
	fence := l.in[l.at : l.at+end+2]
	if len(fence) > 2 && digit(fence[1]) {
		return false
	}
	closing := strings.Index(l.in[l.at+len(fence):], fence)
	body := l.in[l.at+len(fence):]
	next := len(l.in)
	if closing >= 0 {
		body = body[:closing]
		next = l.at + len(fence) + closing + len(fence)
	}
	l.out.WriteString(fence + l.m.text(body) + fence)
	l.at = next
	l.after('l', "")
	return true
}

// number masks a number unless it is structure.
func (l *sqlMasker) number() {
	start := l.at
	for l.at < len(l.in) && (wordByte(l.in[l.at]) || l.in[l.at] == '.' ||
		(l.in[l.at] == '-' || l.in[l.at] == '+') && (l.in[l.at-1] == 'e' || l.in[l.at-1] == 'E') && !strings.HasPrefix(l.in[start:], "0x")) {
		l.at++
	}
	text := l.in[start:l.at]
	if l.keepNumber(text) {
		l.out.WriteString(text)
		l.last = 'l' // the word stays: numeric(10, 2), ORDER BY 1, 2
		return
	}
	l.out.WriteString(string(l.m.number(text)))
	l.after('l', "")
}

func (l *sqlMasker) keepNumber(text string) bool {
	if text == "0" || text == "1" {
		return true
	}
	if len(text) > 6 || strings.Trim(text, "0123456789") != "" {
		return false
	}
	switch l.word {
	case "limit", "offset", "top", "fetch", "first", "next", "interval", "preceding", "following", "rows":
		return true
	case "by":
		return (l.before == "order" || l.before == "group") && (l.last == 'w' || l.last == ',')
	case "varchar", "char", "nvarchar", "character", "decimal", "numeric", "number", "string", "timestamp", "time", "datetime2", "float", "binary", "varbinary", "nchar":
		return l.last == '(' || l.last == ','
	}
	return l.last == '[' || l.ordinals && l.depth == 0 && l.last == ','
}

func (l *sqlMasker) keyword() {
	start := l.at
	for l.at < len(l.in) && (wordByte(l.in[l.at]) || l.in[l.at] == '$') {
		l.at++
	}
	word := l.in[start:l.at]
	l.out.WriteString(word)
	l.after('w', strings.ToLower(word))
	switch l.word {
	case "by":
		l.ordinals, l.depth = l.before == "order" || l.before == "group", 0
	case "having", "limit", "select", "from", "where", "union", "window", "qualify", "then", "when":
		l.ordinals = false
	}
}

func (l *sqlMasker) punctuation(c byte) {
	_, size := utf8.DecodeRuneInString(l.in[l.at:])
	l.out.WriteString(l.in[l.at : l.at+size])
	l.at += size
	switch c {
	case ' ', '\t', '\r', '\n':
		return
	case '(':
		l.depth++
	case ')':
		l.depth--
		if l.depth < 0 {
			l.ordinals = false
		}
	case '>':
		// Only -> and ->> lead to a JSON key; a comparison does not.
		if !strings.HasSuffix(l.in[:l.at-1], "-") && !strings.HasSuffix(l.in[:l.at-1], "->") {
			c = '<'
		}
	}
	l.last = c
	if c != '(' && c != ',' {
		l.before, l.word = "", ""
	}
}

// after notes what was just read.
func (l *sqlMasker) after(kind byte, word string) {
	l.last = kind
	if word != "" {
		l.before, l.word = l.word, word
	} else if kind == 'l' {
		l.before, l.word = "", ""
	}
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func wordByte(c byte) bool {
	return c == '_' || digit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}
