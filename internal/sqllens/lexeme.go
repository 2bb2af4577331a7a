package sqllens

// LexemeKind is the kind of a piece of SQL text.
type LexemeKind uint8

// The kinds of pieces.
const (
	LexemeWord   LexemeKind = iota // unquoted name or keyword
	LexemeQuoted                   // quoted name
	LexemeString                   // string literal, prefix and quotes included
	LexemeNumber
	LexemeOperator
	LexemeTag // template tag, or a placeholder of another tool
)

// Lexeme is one piece of SQL text. What stands between two of them is white
// space, comments, template code and the brackets of optional blocks.
type Lexeme struct {
	Kind    LexemeKind
	Quote   byte   // of a quoted name or a string: ' " ` [ $
	Keyword string // lower-case text of a known keyword; "" otherwise
	Tag     *Tag   // of a LexemeTag
	Span    Span
}

// Lexemes are the pieces of a text in order.
type Lexemes struct {
	List     []Lexeme
	Comments []Span
	Broken   []Span // strings, names and comments that are not closed
}

// Lex reads a text, optional blocks included, without understanding it. It
// reads texts of any length.
func Lex(sql string, d Dialect) Lexemes {
	l := lex(sql, d, true)
	out := Lexemes{List: make([]Lexeme, 0, len(l.tokens)), Comments: l.comments, Broken: l.broken}
	for i := range l.tokens {
		t := &l.tokens[i]
		if t.kind == tokEOF || t.start == t.end {
			continue
		}
		x := Lexeme{Quote: t.quote, Keyword: t.word, Tag: t.tag, Span: t.span()}
		switch t.kind {
		case tokWord:
			x.Kind = LexemeWord
		case tokQuoted:
			x.Kind = LexemeQuoted
		case tokString:
			x.Kind = LexemeString
		case tokNumber:
			x.Kind = LexemeNumber
		case tokTag:
			x.Kind = LexemeTag
		default:
			x.Kind = LexemeOperator
		}
		out.List = append(out.List, x)
	}
	return out
}

// DatePart says whether a word names a part of a date: year, month, dow.
func DatePart(word string) bool { return dateParts[word] }
