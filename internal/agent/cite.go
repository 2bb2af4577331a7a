package agent

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
)

// Segment is a piece of an answer: prose, or a reference.
type Segment struct {
	Text string      `json:"text,omitempty"` // prose, placeholders turned back; untrusted all the same
	Ref  catalog.Ref `json:"ref,omitzero"`
	Name string      `json:"name,omitempty"` // of what Ref leads to, for people
	// Unknown is set where the model names something that does not exist or that
	// the reader may not see; Text is what it wrote. It is shown struck out.
	Unknown bool `json:"unknown,omitempty"`
}

// citation is how models are told to name assets: [question:12].
var citation = regexp.MustCompile(`\[((?:question|model|metric|dashboard|collection|database|table|column|segment|measure|snippet|subscription|alert|transform|action|document):[^\[\]\n]{1,300})\]`)

// Cite takes an answer apart. Every reference in it was looked up: it leads to
// something that exists and that the reader may see, or is marked unknown. Links
// and markup that a model wrote are gone from the prose.
func Cite(l *tools.Lens, answer string) []Segment {
	var out []Segment
	prose := func(s string) {
		if s = Prose(l.Conv.Unmask(s)); s != "" {
			out = append(out, Segment{Text: s})
		}
	}
	last := 0
	for _, at := range citation.FindAllStringSubmatchIndex(answer, -1) {
		prose(answer[last:at[0]])
		last = at[1]
		written := answer[at[2]:at[3]]
		if r, err := l.Parse(written); err == nil && l.Known(r) {
			out = append(out, Segment{Ref: r, Name: PlainName(l.World, r)})
			continue
		}
		out = append(out, Segment{Text: Prose(l.Conv.Unmask(written)), Unknown: true})
	}
	prose(answer[last:])
	return out
}

// PlainName names an asset or a column for the reader's own eyes.
func PlainName(w *tools.World, r catalog.Ref) string {
	if r.Kind == catalog.KindColumn {
		if c, t := w.Index.Column(r.ID), w.Index.Table(catalog.TableOfColumn(r.ID)); c != nil && t != nil {
			return t.FullName() + "." + c.Name
		}
		return r.String()
	}
	switch a := w.Index.Asset(r).(type) {
	case nil:
		return r.String()
	case *catalog.Table:
		return a.FullName()
	default:
		if a.Title() == "" {
			return r.String()
		}
		return a.Title()
	}
}

var (
	markdownLink = regexp.MustCompile(`!?\[([^\]\n]*)\]\([^)\n]*\)`)
	address      = regexp.MustCompile(`(?i)\b(?:(?:https?|ftp|file|data|javascript|vbscript|mailto):[^\s<>"')\]]*|www\.[^\s<>"')\]]+)`)
	element      = regexp.MustCompile(`(?s)</?[a-zA-Z][^<>]*>|<!--.*?-->`)
)

// Prose makes text that a model wrote safe to be shown as text: no addresses (a
// link can carry data away when it is followed, and an image without), no HTML,
// no control or direction characters. Links to assets are made from verified
// references alone.
func Prose(s string) string {
	s = markdownLink.ReplaceAllString(s, "$1")
	s = element.ReplaceAllString(s, "")
	s = address.ReplaceAllString(s, "(address removed)")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r) && r != '\u200d' && r != '\u00ad', unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s)
}

// line is prose in one line of at most size bytes.
func line(s string, size int) string {
	s = strings.Join(strings.Fields(Prose(s)), " ")
	if len(s) <= size {
		return s
	}
	for size > 0 && s[size]&0xc0 == 0x80 {
		size--
	}
	return s[:size] + "…"
}
