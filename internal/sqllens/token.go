package sqllens

// Span is a byte range [Start, End) of the input text.
type Span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

func (s Span) join(o Span) Span {
	if s == (Span{}) {
		return o
	}
	if o == (Span{}) {
		return s
	}
	return Span{min(s.Start, o.Start), max(s.End, o.End)}
}

type tokenKind uint8

const (
	tokEOF    tokenKind = iota
	tokWord             // unquoted identifier or keyword
	tokQuoted           // quoted identifier
	tokString           // string literal, prefix included
	tokNumber
	tokOp  // operator or punctuation
	tokTag // {{ … }}
)

type token struct {
	kind  tokenKind
	quote byte   // the quote of a quoted identifier or string: ' " ` [ $
	glued bool   // no white space or comment before it
	opt   bool   // inside an optional block
	word  string // lower-case text of a known keyword, interned; "" otherwise
	text  string // the source text of the token
	start int
	end   int
	tag   *Tag // for tokTag
}

func (t *token) span() Span { return Span{t.start, t.end} }

// TagKind is the kind of a template tag.
type TagKind string

// The kinds that the text alone can tell. Whether a variable is a field filter
// ("dimension") or names a table is said by the question's declared tags.
const (
	TagVariable  TagKind = "variable"
	TagDimension TagKind = "dimension"
	TagCard      TagKind = "card"
	TagSnippet   TagKind = "snippet"
	TagTable     TagKind = "table"
)

// Tag is a Metabase template tag as it stands in the text (API reference §7.5).
type Tag struct {
	Kind     TagKind
	Name     string // variable name, snippet name, or "#123-slug"
	CardID   string // digits of a card reference
	Optional bool   // inside [[ … ]]
	InString bool   // inside a string literal, where Metabase substitutes all the same
	Span     Span
}
