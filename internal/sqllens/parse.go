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
	withTag    bool // a tag may hold WITH entries
	made       bool // holds nodes that stand for no text: it cannot be written in its qualified form
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
	if d == TSQL {
		joinConnection(l.tokens)
	}
	p := &parser{toks: l.tokens, d: d, t: l.t, src: sql, lookahead: 50*len(l.tokens) + 10_000}
	for _, b := range l.broken {
		p.problem("unterminated", "a quote or comment is not closed", b)
	}
	if len(l.jinja) > 0 {
		p.problem("jinja", "template code in {% %} was left out", l.jinja[0])
	}
	if notSQL(sql) {
		p.problem("not_sql", "the text is not SQL", Span{0, len(sql)})
		tree.Problems, tree.Recovered = p.problems, true
		return tree
	}
	tree.Statements = p.statements()
	tree.Problems, tree.made, tree.withTag = p.problems, p.made, p.withTag
	tree.Recovered = len(p.problems) > 0
	return tree
}

// notSQL tells the JSON of other query languages by its first character.
func notSQL(text string) bool {
	s := strings.TrimLeft(text, " \t\r\n")
	switch {
	case strings.HasPrefix(s, "{"):
		return !strings.HasPrefix(s, "{{") && !strings.HasPrefix(s, "{%") && !strings.HasPrefix(s, "{#")
	case strings.HasPrefix(s, "["):
		return !strings.HasPrefix(s, "[[")
	}
	return false
}

// joinConnection makes commas of the semicolons in SQL Server's
// OPENROWSET('provider', 'source'; 'user'; 'password', …): nowhere else does one
// stand between two strings.
func joinConnection(toks []token) {
	for i := 1; i+1 < len(toks); i++ {
		if t := &toks[i]; t.isOp(";") && toks[i-1].kind == tokString && toks[i+1].kind == tokString {
			t.text = ","
		}
	}
}
