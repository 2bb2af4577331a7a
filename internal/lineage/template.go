package lineage

import (
	"strings"

	"github.com/metalens/metalens/internal/finding"
)

// TagKind says what a template tag in SQL text stands for, as far as the text
// alone tells.
type TagKind string

// The kinds of tags. A variable may turn out to be a field filter, a table or a
// time grouping once its declaration is read.
const (
	TagVariable TagKind = "variable"
	TagCard     TagKind = "card"    // {{#12-slug}}
	TagSnippet  TagKind = "snippet" // {{snippet: Name}}
)

// TagUse is one {{…}} in SQL text.
type TagUse struct {
	Name     string       // as declarations are keyed, without outer white space
	Kind     TagKind      //
	CardID   string       // digits after the #
	Snippet  string       // snippet name
	Optional bool         // inside [[ ]]
	Span     finding.Span // with its braces
}

// Template is what Metabase's own template reader sees in a text.
type Template struct {
	Tags     []TagUse
	Problems []TemplateProblem
}

// TemplateProblem is something that Metabase refuses to run.
type TemplateProblem struct {
	Code string // unclosed_tag, unclosed_optional, empty_tag, optional_without_tag
	Span finding.Span
}

// ParseTemplate finds the tags in SQL text. As in Metabase, tags inside
// comments (-- and /* */) are plain text, tags inside string literals are
// replaced like any other, and a comment sign inside a string literal starts a
// comment for the template reader, which knows no SQL.
func ParseTemplate(sql string) Template {
	var t Template
	type open struct {
		start int
		tags  int
	}
	var optional []open
	for i := 0; i < len(sql); {
		switch rest := sql[i:]; {
		case strings.HasPrefix(rest, "--"):
			i = after(sql, i, "\n")
		case strings.HasPrefix(rest, "/*"):
			i = after(sql, i+2, "*/")
		case strings.HasPrefix(rest, "[["):
			optional = append(optional, open{i, len(t.Tags)})
			i += 2
		case strings.HasPrefix(rest, "]]"):
			if n := len(optional); n > 0 {
				o := optional[n-1]
				optional = optional[:n-1]
				if len(t.Tags) == o.tags {
					t.Problems = append(t.Problems, TemplateProblem{"optional_without_tag", finding.Span{Start: o.start, End: i + 2}})
				}
			}
			i += 2
		case strings.HasPrefix(rest, "{{") && !strings.HasPrefix(rest, "{{{"):
			end := strings.Index(sql[i+2:], "}}")
			if end < 0 {
				t.Problems = append(t.Problems, TemplateProblem{"unclosed_tag", finding.Span{Start: i, End: len(sql)}})
				i = len(sql)
				break
			}
			span := finding.Span{Start: i, End: i + 2 + end + 2}
			if tag, ok := readTag(sql[i+2 : i+2+end]); ok {
				tag.Optional = len(optional) > 0
				tag.Span = span
				t.Tags = append(t.Tags, tag)
			} else {
				t.Problems = append(t.Problems, TemplateProblem{"empty_tag", span})
			}
			i = span.End
		default:
			next := strings.IndexAny(rest[1:], "-/[]{")
			if next < 0 {
				i = len(sql)
				break
			}
			i += 1 + next
		}
	}
	for _, o := range optional {
		t.Problems = append(t.Problems, TemplateProblem{"unclosed_optional", finding.Span{Start: o.start, End: len(sql)}})
	}
	return t
}

// after returns the offset behind the next occurrence of a text, or the end.
func after(sql string, from int, text string) int {
	if from > len(sql) {
		return len(sql)
	}
	if n := strings.Index(sql[from:], text); n >= 0 {
		return from + n + len(text)
	}
	return len(sql)
}

func readTag(inner string) (TagUse, bool) {
	name := strings.TrimSpace(inner)
	switch {
	case name == "":
		return TagUse{}, false
	case name[0] == '#':
		digits := name[1:]
		if n := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); n >= 0 {
			digits = digits[:n]
		}
		return TagUse{Name: name, Kind: TagCard, CardID: digits}, true
	case strings.HasPrefix(name, "snippet:"):
		snippet := strings.TrimSpace(strings.TrimPrefix(name, "snippet:"))
		return TagUse{Name: "snippet: " + snippet, Kind: TagSnippet, Snippet: snippet}, true
	}
	return TagUse{Name: name, Kind: TagVariable}, true
}
