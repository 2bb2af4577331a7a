package sqllens

import (
	"slices"
	"strings"
)

// WordKind tells the words of a text apart.
type WordKind uint8

// The kinds of words.
const (
	WordName   WordKind = iota // a name or a keyword without quotes
	WordQuoted                 // a quoted name
	WordString                 // a string literal
	WordNumber
	WordOperator // an operator or punctuation
	WordTag      // a template tag
)

// Word is one token of a text.
type Word struct {
	Kind     WordKind
	Text     string // as written
	Name     string // of names, without quotes; of strings, without their outer quotes
	Span     Span
	Optional bool // inside an optional block
}

// Words splits a text into its tokens without parsing it: comments and white
// space are left out, optional blocks are kept. It is meant for texts that are
// no queries (DDL) and for finding a name in one that is. Text beyond [MaxSize]
// is not read.
func Words(sql string, d Dialect) []Word { return AppendWords(nil, sql, d) }

// AppendWords is [Words] into a list that is used again.
func AppendWords(list []Word, sql string, d Dialect) []Word {
	if len(sql) > MaxSize {
		sql = sql[:MaxSize]
	}
	l := lex(sql, d, true)
	list = slices.Grow(list, len(l.tokens))
	p := &parser{}
	for i := range l.tokens {
		t := &l.tokens[i]
		w := Word{Text: t.text, Span: t.span(), Optional: t.opt}
		switch t.kind {
		case tokWord:
			w.Kind, w.Name = WordName, t.text
		case tokQuoted:
			w.Kind, w.Name = WordQuoted, p.ident(t).Text
		case tokString:
			w.Kind, w.Name = WordString, literal(t.text)
		case tokNumber:
			w.Kind = WordNumber
		case tokTag:
			w.Kind = WordTag
		case tokOp:
			w.Kind = WordOperator
		case tokEOF:
			continue
		}
		list = append(list, w)
	}
	(&Tree{toks: l.tokens}).release()
	return list
}

// literal is what stands between the quotes of a string, whatever prefix it has.
func literal(s string) string {
	if i := strings.IndexAny(s, "'\"$"); i >= 0 {
		quote := s[i]
		s = s[i+1:]
		s = strings.TrimSuffix(s, string(quote))
		if quote != '$' {
			s = strings.ReplaceAll(s, string([]byte{quote, quote}), string(quote))
		}
	}
	return s
}
