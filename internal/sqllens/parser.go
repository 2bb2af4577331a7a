package sqllens

import (
	"encoding/json"
	"strings"
)

// maxDepth bounds the nesting of expressions and queries. Deeper text is
// skipped and the result marked incomplete.
const maxDepth = 220

// Problem is something the parser could not read.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Span    *Span  `json:"span,omitempty"`
}

// MarshalJSON prints the span as [start, end].
func (p Problem) MarshalJSON() ([]byte, error) {
	var span *spanPair
	if p.Span != nil {
		at := pair(*p.Span)
		span = &at
	}
	return json.Marshal(struct {
		Code    string    `json:"code"`
		Message string    `json:"message"`
		Span    *spanPair `json:"span,omitempty"`
	}{p.Code, p.Message, span})
}

// parser reads one token list. It never fails: where it does not know how to go
// on it records a problem, skips to the next clause and keeps what it has.
type parser struct {
	toks     []token
	pos      int
	d        Dialect
	t        *traits
	src      string
	depth    int
	problems []Problem
	stmtEnd  int // token index where the current statement ends
	// lookahead is how many tokens may still be looked at ahead of time in this
	// text, so that guessing stays linear.
	lookahead int
	made      bool    // a node stands for no text
	fromTag   *Tag    // the last snippet behind a FROM clause
	withTag   bool    // a tag stands where WITH entries could
	opens     bool    // the statement just read opens or closes a block: another may follow without a semicolon
	exprs     []Expr  // nodes made ahead, to be handed out one by one
	idents    []Ident // names made ahead
	more      []Ident // further names of the alias just read: AS (a, b)
}

// slab is how many nodes are made at once.
const slab = 32

// node hands out a node with the given content.
func (p *parser) node(e Expr) *Expr {
	if len(p.exprs) == 0 {
		p.exprs = make([]Expr, slab)
	}
	out := &p.exprs[0]
	p.exprs = p.exprs[1:]
	*out = e
	return out
}

// names hands out a list of one name with room for another.
func (p *parser) names(id Ident) []Ident {
	if len(p.idents) < 2 {
		p.idents = make([]Ident, 2*slab)
	}
	out := p.idents[:1:2]
	p.idents = p.idents[2:]
	out[0] = id
	return out
}

func (p *parser) cur() *token { return &p.toks[p.pos] }

func (p *parser) peek(n int) *token {
	if p.pos+n < len(p.toks) {
		return &p.toks[p.pos+n]
	}
	return &p.toks[len(p.toks)-1]
}

func (p *parser) next() *token {
	t := &p.toks[p.pos]
	if p.pos < len(p.toks)-1 {
		p.pos++
	}
	return t
}

func (p *parser) eof() bool { return p.toks[p.pos].kind == tokEOF }

// is reports whether the current token is one of the given keywords.
func (p *parser) is(words ...string) bool { return p.toks[p.pos].isWord(words...) }

func (t *token) isWord(words ...string) bool {
	if t.word == "" {
		return false
	}
	for _, w := range words {
		if t.word == w {
			return true
		}
	}
	return false
}

func (t *token) isOp(op string) bool { return t.kind == tokOp && t.text == op }

func (p *parser) isOp(op string) bool { return p.toks[p.pos].isOp(op) }

// seq reports whether the next tokens are these keywords.
func (p *parser) seq(words ...string) bool {
	for i, w := range words {
		if p.peek(i).word != w {
			return false
		}
	}
	return true
}

// accept takes one of the keywords if it is there.
func (p *parser) accept(words ...string) bool {
	if p.is(words...) {
		p.next()
		return true
	}
	return false
}

// acceptSeq takes a run of keywords if all are there.
func (p *parser) acceptSeq(words ...string) bool {
	if !p.seq(words...) {
		return false
	}
	for range words {
		p.next()
	}
	return true
}

func (p *parser) acceptOp(op string) bool {
	if p.isOp(op) {
		p.next()
		return true
	}
	return false
}

// isText compares a word that need not be a keyword.
func (t *token) isText(s string) bool {
	return t.kind == tokWord && len(t.text) == len(s) && strings.EqualFold(t.text, s)
}

func (p *parser) acceptText(s string) bool {
	if p.cur().isText(s) {
		p.next()
		return true
	}
	return false
}

func (p *parser) problem(code, message string, span Span) {
	if len(p.problems) < 50 {
		p.problems = append(p.problems, Problem{Code: code, Message: message, Span: &span})
	}
}

func (p *parser) expectOp(op string) bool {
	if p.acceptOp(op) {
		return true
	}
	p.problem("syntax", "expected "+op+" before "+p.describe(), p.cur().span())
	return false
}

func (p *parser) describe() string {
	t := p.cur()
	if t.kind == tokEOF {
		return "the end"
	}
	s := t.text
	if len(s) > 24 {
		s = s[:24] + "…"
	}
	return "«" + s + "»"
}

// enter bounds recursion. It reports false when the text nests too deeply; the
// caller then skips.
func (p *parser) enter() bool {
	p.depth++
	if p.depth > maxDepth {
		p.problem("too_deep", "nested too deeply", p.cur().span())
		return false
	}
	return true
}

func (p *parser) leave() { p.depth-- }

// skipBalanced passes an opening parenthesis, bracket or brace and everything
// up to its partner.
func (p *parser) skipBalanced() {
	depth := 0
	for !p.eof() {
		t := p.cur()
		if t.kind == tokOp {
			switch t.text {
			case "(", "[", "{":
				depth++
			case ")", "]", "}":
				depth--
				if depth <= 0 {
					p.next()
					return
				}
			case ";":
				if depth <= 0 {
					return
				}
			}
		}
		p.next()
		if depth == 0 {
			return
		}
	}
}

// clauseWords end a skipped stretch: the parser can go on at them.
var clauseWords = wordSet(`select from where group having order limit offset fetch union intersect except minus window qualify with values`)

// skipToClause passes tokens up to the next clause keyword, closing
// parenthesis or end at this nesting level. commas says whether a comma ends
// the stretch too.
func (p *parser) skipToClause(commas bool) {
	for !p.eof() && p.pos < p.stmtEnd {
		t := p.cur()
		if t.kind == tokOp {
			switch t.text {
			case "(", "[", "{":
				p.skipBalanced()
				continue
			case ")", "]", "}", ";":
				return
			case ",":
				if commas {
					return
				}
			}
		}
		if clauseWords[t.word] {
			return
		}
		p.next()
	}
}

// unquote returns the identifier of a token that can be one.
func (p *parser) ident(t *token) Ident {
	id := Ident{Text: t.text, Span: t.span()}
	if t.kind == tokQuoted || t.kind == tokString {
		id.Quote = t.quote
		s := t.text
		if t.kind == tokQuoted && len(s) > 2 && (s[0] == 'U' || s[0] == 'u') && s[1] == '&' {
			s = s[2:]
		}
		if len(s) >= 2 {
			s = s[1 : len(s)-1]
		}
		shut := t.quote
		if shut == '[' {
			shut = ']'
		}
		if strings.IndexByte(s, shut) >= 0 {
			s = strings.ReplaceAll(s, string([]byte{shut, shut}), string(shut))
		}
		id.Text = s
	}
	return id
}

// isName reports whether a token can be read as a name at a place where a name
// is due. Hard keywords cannot.
func (p *parser) isName(t *token) bool {
	switch t.kind {
	case tokQuoted:
		return true
	case tokWord:
		return !hardWords[t.word]
	case tokString:
		return t.quote == '"' && p.d != BigQuery && p.d != MySQL && p.d != MariaDB && p.d != Spark && p.d != Databricks
	}
	return false
}

// hardWords are never names without quotes.
var hardWords = wordSet(`select from where group having order union intersect on and or not then when else case as by into join with
	distinct between in is null like using`)

// path reads a dotted name: a.b.c, quoted or not.
func (p *parser) path() []Ident {
	t := p.cur()
	if !p.isName(t) && t.kind != tokTag {
		return nil
	}
	names := p.splitQuoted(p.pathPart())
	return p.restOfPath(names)
}

// tablePath reads a table's name, with BigQuery's dashes in it.
func (p *parser) tablePath() []Ident {
	t := p.cur()
	if !p.t.dashedNames || t.kind != tokWord || !p.isName(t) {
		return p.path()
	}
	return p.restOfPath([]Ident{p.dashedPart()})
}

func (p *parser) restOfPath(names []Ident) []Ident {
	for p.isOp(".") || p.isOp("..") {
		n := p.peek(1)
		if p.isOp("..") { // SQL Server: db..table
			p.next()
			names = append(names, Ident{})
			names = append(names, p.pathPart())
			continue
		}
		if n.kind == tokWord || n.kind == tokQuoted || n.kind == tokNumber && n.glued || n.kind == tokTag || n.kind == tokString && n.quote == '"' {
			p.next()
			names = append(names, p.splitQuoted(p.pathPart())...)
			continue
		}
		if n.isOp(".") { // db..table
			p.next()
			names = append(names, Ident{})
			continue
		}
		break
	}
	return names
}

func (p *parser) pathPart() Ident {
	t := p.next()
	id := p.ident(t)
	// Wildcard suffix glued to the name: events_{{x}}, dbt leftovers.
	for p.cur().kind == tokTag && p.cur().glued && t.kind == tokWord {
		last := p.next()
		id.Text = p.src[id.Span.Start:last.end]
		id.Span.End = last.end
	}
	return id
}

// dashedPart reads my-project of my-project.dataset.table.
func (p *parser) dashedPart() Ident {
	id := p.ident(p.next())
	for p.isOp("-") && p.cur().glued && p.peek(1).glued && (p.peek(1).kind == tokWord || p.peek(1).kind == tokNumber) {
		p.next()
		last := p.next()
		id.Text = p.src[id.Span.Start:last.end]
		id.Span.End = last.end
	}
	return id
}

// splitQuoted takes `project.dataset.table` apart where the dialect quotes
// whole paths.
func (p *parser) splitQuoted(id Ident) []Ident {
	if !p.t.wholeNameQuote || id.Quote != '`' || !strings.Contains(id.Text, ".") {
		return p.names(id)
	}
	project := 0 // domain.com:project is one name
	if i := strings.IndexByte(id.Text, ':'); i >= 0 {
		project = i
	}
	parts := strings.Split(id.Text[project:], ".")
	parts[0] = id.Text[:project] + parts[0]
	names := make([]Ident, len(parts))
	for i, s := range parts {
		names[i] = Ident{Text: s, Quote: '`', Span: id.Span}
	}
	return names
}

// identList reads (a, b, c).
func (p *parser) identList() []Ident {
	if !p.acceptOp("(") {
		return nil
	}
	var list []Ident
	for !p.eof() && !p.isOp(")") {
		t := p.cur()
		if t.kind == tokWord || t.kind == tokQuoted || t.kind == tokString {
			names := p.path()
			if names == nil {
				names = []Ident{p.ident(p.next())}
			}
			list = append(list, names[len(names)-1])
			// a column definition may follow the name: type, options
			for !p.eof() && !p.isOp(",") && !p.isOp(")") {
				if p.isOp("(") || p.isOp("<") || p.isOp("[") {
					p.skipTypeTail()
					continue
				}
				p.next()
			}
		} else if t.isOp("(") {
			p.skipBalanced()
		} else {
			p.next()
		}
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp(")")
	return list
}

func (p *parser) skipTypeTail() {
	if p.isOp("<") {
		p.skipAngles()
		return
	}
	p.skipBalanced()
}

// typeFields passes <…> of STRUCT<a INT64, b STRING> or ARRAY<STRUCT<…>> and
// answers with the names of the outermost struct's fields.
func (p *parser) typeFields() []Ident {
	start := p.pos
	p.skipAngles()
	var names []Ident
	depth, level := 0, 1
	for i := start; i < p.pos; i++ {
		t := &p.toks[i]
		switch {
		case t.isOp("<"):
			depth++
			if depth == 2 && i == start+2 && p.toks[start+1].isWord("struct") { // ARRAY<STRUCT<
				level = 2
			}
		case t.isOp("("):
			depth++
		case t.isOp(")"), t.isOp(">"):
			depth--
		case t.isOp(">>"):
			depth -= 2
		}
		begins := t.isOp("<") && depth == level || t.isOp(",") && depth == level
		if begins && i+2 < p.pos && p.toks[i+1].kind != tokOp && p.toks[i+2].kind == tokWord {
			names = append(names, p.ident(&p.toks[i+1]))
		}
	}
	return names
}

// skipAngles passes <…> of a generic type.
func (p *parser) skipAngles() {
	depth := 0
	for !p.eof() {
		switch t := p.cur(); {
		case t.isOp("<"):
			depth++
		case t.isOp("<>"):
			if depth == 0 {
				p.next()
				return
			}
		case t.isOp(">"):
			depth--
		case t.isOp(">>"):
			depth -= 2
		case t.isOp(";"):
			return
		}
		p.next()
		if depth <= 0 {
			return
		}
	}
}
