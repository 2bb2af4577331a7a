package sqllens

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// lexer turns text into tokens. It understands Metabase's template language:
// tags become tokens with spans; optional blocks are kept or left out.
type lexer struct {
	src      string
	t        *traits
	dialect  Dialect
	optional bool // keep what stands in [[ … ]]
	pos      int
	tokens   []token
	tags     []*Tag
	blocks   []Span // optional blocks found
	comments []Span
	jinja    []Span // {% … %} that were passed
	broken   []Span // unterminated strings and comments
	optDepth int
	noTag    bool // no }} is ahead
	noBlock  bool // no %} is ahead
	noNote   bool // no #} is ahead
	// blockEnds maps the start of each optional block to its end; built on the
	// first [[.
	blockEnds map[int]int
}

// tokenLists are lists of earlier texts, to be written over.
var tokenLists = sync.Pool{New: func() any { return new([]token) }}

func newTokens(size int) []token {
	list, ok := tokenLists.Get().(*[]token)
	if !ok || cap(*list) < size {
		return make([]token, 0, size)
	}
	return (*list)[:0]
}

// maxKept bounds the lists that are kept for later texts.
const maxKept = 1 << 16

// release gives the words of a tree back. The tree can be neither resolved nor
// printed after.
func (t *Tree) release() {
	if t.toks == nil || cap(t.toks) > maxKept {
		return
	}
	list := t.toks
	t.toks = nil
	clear(list)
	tokenLists.Put(&list)
}

// lex reads the whole text. The last token is tokEOF.
func lex(src string, d Dialect, optional bool) *lexer {
	l := &lexer{src: src, t: d.traits(), dialect: d, optional: optional}
	l.tokens = newTokens(len(src)/4 + 8)
	l.run()
	return l
}

func (l *lexer) run() {
	for {
		l.skipSpace()
		glued := len(l.tokens) > 0 && l.tokens[len(l.tokens)-1].end == l.pos
		if l.pos >= len(l.src) {
			break
		}
		start := l.pos
		if l.template(glued) {
			continue
		}
		l.next(start, glued)
		if l.pos == start { // cannot happen; never loop
			l.pos++
		}
	}
	l.tokens = append(l.tokens, token{kind: tokEOF, start: len(l.src), end: len(l.src)})
}

func (l *lexer) emit(kind tokenKind, start int, glued bool, quote byte) {
	l.tokens = append(l.tokens, token{kind: kind, start: start, end: l.pos, text: l.src[start:l.pos], glued: glued, quote: quote, opt: l.optDepth > 0})
}

func (l *lexer) at(i int) byte {
	if i < len(l.src) {
		return l.src[i]
	}
	return 0
}

// skipSpace passes white space and comments.
func (l *lexer) skipSpace() {
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v' || c == 0:
			l.pos++
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(l.src[l.pos:])
			if !unicode.IsSpace(r) && r != '\ufeff' && r != '\u200b' && r != '\u200e' && r != '\u200f' {
				return
			}
			l.pos += n
		case c == '-' && l.at(l.pos+1) == '-' && l.dashComment():
			l.lineComment(2)
		case c == '#' && l.t.hashComment:
			l.lineComment(1)
		case c == '/' && l.at(l.pos+1) == '/' && l.t.slashComment:
			l.lineComment(2)
		case c == '/' && l.at(l.pos+1) == '*':
			if l.t.executable && (l.at(l.pos+2) == '!' || (l.at(l.pos+2) == 'M' && l.at(l.pos+3) == '!')) {
				// MySQL runs what stands in here; read it as code.
				l.pos += 3
				for l.pos < len(l.src) && (l.src[l.pos] == '!' || isDigit(l.src[l.pos])) {
					l.pos++
				}
				continue
			}
			l.blockComment()
		case c == '*' && l.at(l.pos+1) == '/' && l.t.executable:
			l.pos += 2 // end of an executable comment
		case c == '{' && l.at(l.pos+1) == '%':
			end := l.find("%}", &l.noBlock)
			if end < 0 {
				return
			}
			l.jinja = append(l.jinja, Span{l.pos, l.pos + end + 2})
			l.pos += end + 2
		case c == '{' && l.at(l.pos+1) == '#':
			end := l.find("#}", &l.noNote)
			if end < 0 {
				return
			}
			l.pos += end + 2
		default:
			return
		}
	}
}

// find looks for an end ahead. What is not ahead once never is again.
func (l *lexer) find(end string, none *bool) int {
	if *none {
		return -1
	}
	i := strings.Index(l.src[l.pos:], end)
	*none = i < 0
	return i
}

func (l *lexer) dashComment() bool {
	if !l.t.dashNeedsSpace {
		return true
	}
	c := l.at(l.pos + 2)
	return c == 0 || c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '-' || c < ' '
}

func (l *lexer) lineComment(skip int) {
	start := l.pos
	if (l.dialect == Databricks || l.dialect == Spark) && strings.HasPrefix(l.src[start:], "-- COMMAND ---") { // between the cells of an exported notebook
		l.tokens = append(l.tokens, token{kind: tokOp, start: start, end: start, text: ";"})
	}
	l.pos += skip
	if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
		l.pos += i + 1
	} else {
		l.pos = len(l.src)
	}
	l.comments = append(l.comments, Span{start, l.pos})
}

func (l *lexer) blockComment() {
	start := l.pos
	l.pos += 2
	depth := 1
	for l.pos < len(l.src) {
		switch {
		case l.src[l.pos] == '*' && l.at(l.pos+1) == '/':
			l.pos += 2
			depth--
			if depth == 0 {
				l.comments = append(l.comments, Span{start, l.pos})
				return
			}
		case l.t.nestedComment && l.src[l.pos] == '/' && l.at(l.pos+1) == '*':
			l.pos += 2
			depth++
		default:
			l.pos++
		}
	}
	l.comments = append(l.comments, Span{start, l.pos})
	if l.dialect != SQLite { // there a comment may be left open at the end
		l.broken = append(l.broken, Span{start, l.pos})
	}
}

// template reads {{ … }}, [[ and ]]. It reports whether it consumed something.
func (l *lexer) template(glued bool) bool {
	c, d := l.src[l.pos], l.at(l.pos+1)
	switch c {
	case '{', '[', ']', '<', '#', '$':
	default:
		return false
	}
	if n := l.foreignPlaceholder(c, d); n > 0 {
		start := l.pos
		l.pos += n
		l.emit(tokTag, start, glued, 0)
		l.tokens[len(l.tokens)-1].tag = &Tag{Kind: TagVariable, Name: l.src[start:l.pos], Span: Span{start, l.pos}}
		return true
	}
	switch {
	case c == '{' && d == '{':
		end := l.find("}}", &l.noTag)
		if end < 2 {
			return false
		}
		start := l.pos
		l.pos += end + 2
		tag := newTag(l.src[start+2:l.pos-2], Span{start, l.pos})
		tag.Optional = l.optDepth > 0
		l.tags = append(l.tags, tag)
		l.emit(tokTag, start, glued, 0)
		l.tokens[len(l.tokens)-1].tag = tag
		return true
	case c == '[' && d == '[':
		end := l.blockEnd(l.pos)
		if end < 0 {
			return false
		}
		l.blocks = append(l.blocks, Span{l.pos, end})
		if !l.optional {
			l.tagsOf(l.pos, end)
			l.pos = end
			return true
		}
		l.optDepth++
		l.pos += 2
		return true
	case c == ']' && d == ']' && l.optDepth > 0:
		l.optDepth--
		l.pos += 2
		return true
	}
	return false
}

// foreignPlaceholder measures a placeholder of other tools at the current
// position: <%name%>, and ##name:type?default## of the Stack Exchange Data
// Explorer. They stand for a value or a name and are not Metabase tags.
func (l *lexer) foreignPlaceholder(c, d byte) int {
	rest := l.src[l.pos:]
	switch {
	case c == '<' && (d == '%' || d == ' ' && l.at(l.pos+2) == '%'):
		if end := strings.IndexAny(rest[2:], "%\n;"); end >= 0 {
			if shut := strings.IndexByte(rest, '>'); shut > 0 && shut < 200 && !strings.ContainsAny(rest[1:shut], "<\n;") && strings.HasSuffix(strings.TrimRight(rest[:shut], " "), "%") {
				return shut + 1
			}
		}
	case c == '$' && d == '{' && (l.dialect == Spark || l.dialect == Databricks || l.dialect == Generic): // ${hivevar:name}
		if end := strings.IndexAny(rest[2:], "}\n;({"); end > 0 && end < 120 && rest[2+end] == '}' {
			return end + 3
		}
	case c == '#' && d == '#' && (l.dialect == TSQL || l.dialect == Generic):
		if end := strings.Index(rest[2:], "##"); end > 0 && end < 120 && l.sitePlaceholder(rest[2:2+end]) {
			return end + 4
		}
	}
	return 0
}

// sitePlaceholder says whether name:type?default stands between two ##, which
// may also begin two temporary tables. Only the default may hold blanks.
func (l *lexer) sitePlaceholder(text string) bool {
	name, value, given := strings.Cut(text, "?")
	if given && strings.Contains(value, "\n") || strings.ContainsAny(name, " \t\n;(),.[") {
		return false
	}
	name, _, _ = strings.Cut(name, ":")
	return name != ""
}

// blockEnd finds the end of an optional block that starts at i, or -1 when
// this is no block: brackets without a tag inside are arrays or names.
func (l *lexer) blockEnd(i int) int {
	if l.blockEnds == nil {
		l.blockEnds = pairBlocks(l.src)
	}
	if end, ok := l.blockEnds[i]; ok {
		return end
	}
	return -1
}

// pairBlocks finds every [[ that has its ]] and a tag between them.
func pairBlocks(src string) map[int]int {
	type open struct{ at, tags int }
	ends := map[int]int{}
	var stack []open
	tags := 0
	for j := 0; j+1 < len(src); j++ {
		switch {
		case src[j] == '[' && src[j+1] == '[':
			stack = append(stack, open{j, tags})
			j++
		case src[j] == ']' && src[j+1] == ']' && len(stack) > 0:
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if tags > top.tags {
				ends[top.at] = j + 2
			}
			j++
		case src[j] == '{' && src[j+1] == '{':
			tags++
			j++
		}
	}
	return ends
}

// tagsOf collects the tags of a block that is left out.
func (l *lexer) tagsOf(start, end int) {
	for i := start; i < end; {
		open := strings.Index(l.src[i:end], "{{")
		if open < 0 {
			return
		}
		open += i
		stop := strings.Index(l.src[open:end], "}}")
		if stop < 0 {
			return
		}
		stop += open + 2
		tag := newTag(l.src[open+2:stop-2], Span{open, stop})
		tag.Optional = true
		l.tags = append(l.tags, tag)
		i = stop
	}
}

func newTag(inner string, span Span) *Tag {
	name := strings.TrimSpace(inner)
	tag := &Tag{Kind: TagVariable, Name: name, Span: span}
	switch {
	case strings.HasPrefix(name, "#"):
		digits := 1
		for digits < len(name) && isDigit(name[digits]) {
			digits++
		}
		if digits > 1 {
			tag.Kind, tag.CardID = TagCard, name[1:digits]
		}
	case len(name) > 8 && strings.EqualFold(name[:8], "snippet:"):
		tag.Kind, tag.Name = TagSnippet, strings.TrimSpace(name[8:])
	case len(name) > 6 && strings.EqualFold(name[:6], "table "):
		tag.Kind, tag.Name = TagTable, strings.TrimSpace(name[6:])
	}
	return tag
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

func isWordPart(c byte) bool { return isWordStart(c) || isDigit(c) || c == '$' }

// next reads one token that is neither space nor template.
func (l *lexer) next(start int, glued bool) {
	c := l.src[l.pos]
	switch {
	case c == '\'':
		l.text(start, glued, '\'', l.t.backslash, l.t.rawPrefixes)
	case c == '"':
		if l.t.doubleQuoteText {
			l.text(start, glued, '"', l.t.backslash, l.t.rawPrefixes)
		} else {
			l.quotedName(start, glued, '"', '"')
		}
	case c == '`':
		l.quotedName(start, glued, '`', '`')
	case c == '[' && l.t.bracketIdent && l.bracketName():
		l.quotedName(start, glued, '[', ']')
	case c == '$' && l.dollarText(start, glued):
	case isDigit(c) || c == '.' && isDigit(l.at(l.pos+1)) && !l.afterName(glued):
		l.number(start, glued)
	case isWordStart(c) || c == '#' && l.dialect == TSQL || c == '@' && isWordStart(l.at(l.pos+1)) && l.dialect == TSQL || c == '$' && isWordPart(l.at(l.pos+1)):
		l.wordOrPrefix(start, glued)
	default:
		l.operator(start, glued)
	}
}

// afterName says whether the token before is a name that a dot may follow, so
// that "t.1" is not the number .1.
func (l *lexer) afterName(glued bool) bool {
	if !glued || len(l.tokens) == 0 {
		return false
	}
	last := &l.tokens[len(l.tokens)-1]
	if l.dialect == ClickHouse && (last.isOp(")") || last.isOp("]") || last.kind == tokNumber && len(l.tokens) > 1 && l.tokens[len(l.tokens)-2].isOp(".")) { // f(x).1.2 of a tuple
		return true
	}
	return last.kind == tokWord || last.kind == tokQuoted || last.kind == tokTag
}

// bracketName tells a [name] from an array or subscript.
func (l *lexer) bracketName() bool {
	end := strings.IndexByte(l.src[l.pos:], ']')
	if end <= 1 || end > 130 {
		return false
	}
	if l.dialect == TSQL {
		return true
	}
	c := l.src[l.pos+1]
	return isWordStart(c)
}

func (l *lexer) quotedName(start int, glued bool, open, shut byte) {
	l.pos++
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		if c == '\\' && (open == '`' && l.dialect == BigQuery || l.dialect == ClickHouse) {
			l.pos += 2
			continue
		}
		if c == shut {
			if l.at(l.pos+1) == shut {
				l.pos += 2
				continue
			}
			l.pos++
			l.emit(tokQuoted, start, glued, open)
			l.tagsInside(start)
			return
		}
		l.pos++
	}
	l.pos = len(l.src)
	l.broken = append(l.broken, Span{start, l.pos})
	l.emit(tokQuoted, start, glued, open)
}

// text reads a string literal whose quote is at l.pos.
func (l *lexer) text(start int, glued bool, quote byte, backslash, triple bool) {
	if triple && l.at(l.pos+1) == quote && l.at(l.pos+2) == quote {
		fence := l.src[l.pos : l.pos+3]
		l.pos += 3
		for l.pos < len(l.src) {
			if l.src[l.pos] == '\\' && backslash {
				l.pos += 2
				continue
			}
			if strings.HasPrefix(l.src[l.pos:], fence) {
				l.pos += 3
				l.emit(tokString, start, glued, quote)
				l.tagsInside(start)
				return
			}
			l.pos++
		}
	} else {
		l.pos++
		for l.pos < len(l.src) {
			switch c := l.src[l.pos]; {
			case c == '\\' && backslash:
				l.pos += 2
			case c == quote && l.at(l.pos+1) == quote:
				l.pos += 2
			case c == quote:
				l.pos++
				l.emit(tokString, start, glued, quote)
				l.tagsInside(start)
				return
			default:
				l.pos++
			}
		}
	}
	l.pos = len(l.src)
	l.broken = append(l.broken, Span{start, l.pos})
	l.emit(tokString, start, glued, quote)
}

// tagsInside records tags that stand inside a quoted text.
func (l *lexer) tagsInside(start int) {
	s := l.src[start:l.pos]
	if !strings.Contains(s, "{{") {
		return
	}
	before := len(l.tags)
	l.tagsOf(start, l.pos)
	at, until := start, 0 // Metabase sees its brackets in quotes, too
	for _, tag := range l.tags[before:] {
		for {
			open := strings.Index(l.src[at:tag.Span.Start], "[[")
			if open < 0 {
				break
			}
			until = max(until, l.blockEnd(at+open))
			at += open + 2
		}
		tag.Optional, tag.InString = l.optDepth > 0 || until >= tag.Span.End, true
	}
}

// dollarText reads $tag$ … $tag$. It reports whether there was one.
func (l *lexer) dollarText(start int, glued bool) bool {
	if !l.t.dollarQuote {
		return false
	}
	i := l.pos + 1
	for i < len(l.src) && isWordPart(l.src[i]) && l.src[i] != '$' {
		i++
	}
	if l.at(i) != '$' || isDigit(l.at(l.pos+1)) {
		return false
	}
	fence := l.src[l.pos : i+1]
	end := strings.Index(l.src[i+1:], fence)
	if end < 0 {
		return false
	}
	l.pos = i + 1 + end + len(fence)
	l.emit(tokString, start, glued, '$')
	l.tagsInside(start)
	return true
}

func (l *lexer) number(start int, glued bool) {
	if l.src[l.pos] == '0' && (l.at(l.pos+1)|0x20 == 'x') {
		l.pos += 2
		for l.pos < len(l.src) && (isDigit(l.src[l.pos]) || l.src[l.pos]|0x20 >= 'a' && l.src[l.pos]|0x20 <= 'f') {
			l.pos++
		}
		l.emit(tokNumber, start, glued, 0)
		return
	}
	digits := func() {
		for l.pos < len(l.src) && (isDigit(l.src[l.pos]) || l.src[l.pos] == '_' && isDigit(l.at(l.pos+1))) {
			l.pos++
		}
	}
	digits()
	if glued && l.dialect == ClickHouse && l.tokens[len(l.tokens)-1].isOp(".") { // t.1.2 of a tuple in a tuple
		l.emit(tokNumber, start, glued, 0)
		return
	}
	if l.at(l.pos) == '.' && l.at(l.pos+1) != '.' && (!isWordStart(l.at(l.pos+1)) || expLike(l.src[l.pos+1:])) {
		l.pos++
		digits()
	}
	if c := l.at(l.pos); c|0x20 == 'e' && (isDigit(l.at(l.pos+1)) || (l.at(l.pos+1) == '-' || l.at(l.pos+1) == '+') && isDigit(l.at(l.pos+2))) {
		l.pos += 2
		digits()
	}
	if isWordStart(l.at(l.pos)) {
		// A name that begins with digits (MySQL, Hive, Spark, ClickHouse), or a
		// typed number such as 10L.
		for l.pos < len(l.src) && isWordPart(l.src[l.pos]) {
			l.pos++
		}
		s := l.src[start:l.pos]
		if suffix := strings.TrimLeft(s, "0123456789."); len(suffix) > 2 {
			l.emit(tokWord, start, glued, 0)
			return
		}
	}
	l.emit(tokNumber, start, glued, 0)
}

func expLike(s string) bool {
	return len(s) > 1 && s[0]|0x20 == 'e' && (isDigit(s[1]) || s[1] == '-' || s[1] == '+')
}

func (l *lexer) wordOrPrefix(start int, glued bool) {
	for l.pos < len(l.src) && (isWordPart(l.src[l.pos]) || (l.src[l.pos] == '#' || l.src[l.pos] == '@') && (l.dialect == TSQL || l.dialect == Oracle && l.src[l.pos] == '#')) {
		if c := l.src[l.pos]; c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(l.src[l.pos:])
			if unicode.IsSpace(r) {
				break
			}
			l.pos += n
			continue
		}
		l.pos++
	}
	if l.pos == start {
		l.pos++
	}
	n := l.pos - start
	if c := l.at(l.pos); (c == '\'' || c == '"' && l.t.doubleQuoteText) && n <= 2 && l.prefixed(start, glued, c) {
		return
	}
	if l.at(l.pos) == '&' && n == 1 && l.src[start]|0x20 == 'u' && (l.at(l.pos+1) == '\'' || l.at(l.pos+1) == '"') {
		q := l.at(l.pos + 1)
		l.pos++
		if q == '"' {
			l.quotedName(start, glued, '"', '"')
		} else {
			l.text(start, glued, '\'', false, false)
		}
		return
	}
	l.emit(tokWord, start, glued, 0)
	var buf [24]byte
	if n <= len(buf) {
		for i := range n {
			c := l.src[start+i]
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			buf[i] = c
		}
		l.tokens[len(l.tokens)-1].word = keywords[string(buf[:n])]
	}
}

// prefixed reads a string with a prefix: E”, N”, B”, X”, R”, RB”, Q'[ ]'.
func (l *lexer) prefixed(start int, glued bool, quote byte) bool {
	prefix := strings.ToLower(l.src[start:l.pos])
	switch prefix {
	case "e":
		l.text(start, glued, quote, true, false)
	case "n", "x", "b", "u":
		l.text(start, glued, quote, l.t.backslash, l.t.rawPrefixes)
	case "r", "rb", "br":
		l.text(start, glued, quote, l.t.rawPrefixes, l.t.rawPrefixes)
	case "q", "nq":
		if l.dialect != Oracle || l.pos+2 >= len(l.src) {
			return false
		}
		open := l.src[l.pos+1]
		shut := open
		switch open {
		case '[':
			shut = ']'
		case '{':
			shut = '}'
		case '(':
			shut = ')'
		case '<':
			shut = '>'
		}
		end := strings.Index(l.src[l.pos+2:], string([]byte{shut, '\''}))
		if end < 0 {
			return false
		}
		l.pos += end + 4
		l.emit(tokString, start, glued, '\'')
	default:
		return false
	}
	return true
}

// operators of two and more characters, longest first.
var operators = []string{
	"!~~*", "->>", "#>>", "<=>", "!~*", "!~~", "~~*", "||/", "<->", "<=>", "@-@", "-|-", "&&&", "...", "<#>", "||=", "**=",
	"<>", "!=", "<=", ">=", "||", "::", ":=", "->", "#>", "@>", "<@", "&&", "=>", "==", "!~", "~*", "~~", "<<", ">>",
	"^@", "|/", "@@", "#-", "?|", "?&", "**", "//", "..", "^=", "!<", "!>", "+=", "-=", "*=", "/=", "%=", "|>", "@?", "<|", "?:",
}

func (l *lexer) operator(start int, glued bool) {
	rest := l.src[l.pos:]
	switch c := rest[0]; {
	case c == '(' || c == ')' || c == ',' || c == ';', c == '.' && l.at(l.pos+1) != '.':
		l.pos++
		l.emit(tokOp, start, glued, 0)
		return
	}
	if n := l.spacedOperator(rest); n > 0 {
		l.pos += n
		l.emit(tokOp, start, glued, 0)
		l.tokens[len(l.tokens)-1].text = strings.ReplaceAll(l.src[start:l.pos], " ", "")
		return
	}
	if n := l.customOperator(rest); n > 1 {
		l.pos += n
		l.emit(tokOp, start, glued, 0)
		return
	}
	for _, op := range operators {
		if rest[0] == op[0] && strings.HasPrefix(rest, op) {
			if op == "?:" || op == "//" && l.dialect != DuckDB && l.dialect != Postgres && l.dialect != Generic {
				break
			}
			l.pos += len(op)
			l.emit(tokOp, start, glued, 0)
			return
		}
	}
	_, n := utf8.DecodeRuneInString(rest)
	l.pos += n
	l.emit(tokOp, start, glued, 0)
}

// customOperator measures an operator of several signs by PostgreSQL's rule:
// the longest run of operator signs, cut at a comment, that ends in + or - only
// when it holds a sign that arithmetic has no use for. Extensions bring
// operators that no list knows. A run that may be a value's placeholder glued
// to an operator is none, and question marks never count.
// https://www.postgresql.org/docs/current/sql-createoperator.html
func (l *lexer) customOperator(rest string) int {
	if l.dialect != Postgres && l.dialect != DuckDB {
		return 0
	}
	n := 0
	for n < len(rest) && strings.IndexByte("+-*/<>=~!@#%^&|", rest[n]) >= 0 {
		if strings.HasPrefix(rest[n:], "--") || strings.HasPrefix(rest[n:], "/*") {
			break
		}
		n++
	}
	if n < 2 || n < len(rest) && rest[n] == '?' || rest[:n] == "@-" {
		return 0
	}
	plain := !strings.ContainsAny(rest[:n], "~!@#%^&|")
	for n > 1 && (rest[n-1] == '+' || rest[n-1] == '-') && (plain || !knownOperator(rest[:n]) && knownOperator(rest[:n-1])) {
		n--
	}
	if strings.IndexByte("@%#$", rest[n-1]) >= 0 && n < len(rest) && (isWordPart(rest[n]) || rest[n] == '(' || rest[n] == '{') {
		return 0
	}
	return n
}

func knownOperator(op string) bool { return slices.Contains(operators, op) }

// spacedOperator measures a comparison written with a space in it, > =, which
// Oracle and SQL Server read as one.
func (l *lexer) spacedOperator(rest string) int {
	if l.dialect != Oracle && l.dialect != TSQL || rest[0] != '<' && rest[0] != '>' && rest[0] != '!' {
		return 0
	}
	tail := strings.TrimLeft(rest[1:], " ")
	if n := len(rest) - len(tail); n > 1 && n < 9 && tail != "" && (tail[0] == '=' || rest[0] == '<' && tail[0] == '>') {
		return n + 1
	}
	return 0
}
