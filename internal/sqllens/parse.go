package sqllens

import "strings"

// MaxSize is the longest text that is parsed, in bytes.
const MaxSize = 1 << 20

// Tree is a parsed text.
type Tree struct {
	Dialect    Dialect
	Statements []*Statement
	Tags       []*Tag // every tag of the text, in order, those of left-out blocks included
	Blocks     []Span // optional blocks
	Comments   []Span
	Problems   []Problem
	Recovered  bool // something was skipped to go on
	src        string
	toks       []token
	tooLarge   bool
}

// Parse reads a text. optional says whether what stands in [[ … ]] is kept.
func Parse(sql string, d Dialect, optional bool) *Tree {
	tree := &Tree{Dialect: d, src: sql}
	if len(sql) > MaxSize {
		tree.Problems = []Problem{{Code: "too_large", Message: "the text is longer than 1 MB"}}
		tree.Recovered, tree.tooLarge = true, true
		return tree
	}
	l := lex(sql, d, optional)
	tree.Tags, tree.Blocks, tree.Comments = l.tags, l.blocks, l.comments
	tree.toks = l.tokens
	p := &parser{toks: l.tokens, d: d, t: l.t, src: sql, lookahead: 50*len(l.tokens) + 10_000}
	for _, b := range l.broken {
		p.problem("unterminated", "a quote or comment is not closed", b)
	}
	if l.jinja {
		p.problem("jinja", "template code in {% %} was left out", Span{0, 0})
	}
	if s := strings.TrimLeft(sql, " \t\r\n"); len(s) > 0 && (s[0] == '{' && !strings.HasPrefix(s, "{{") || s[0] == '[' && !strings.HasPrefix(s, "[[")) {
		p.problem("not_sql", "the text is not SQL", Span{0, len(sql)})
		tree.Problems, tree.Recovered = p.problems, true
		return tree
	}
	tree.Statements = p.statements()
	tree.Problems = p.problems
	tree.Recovered = len(p.problems) > 0
	return tree
}
