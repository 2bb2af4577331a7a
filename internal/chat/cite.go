package chat

import (
	"regexp"

	"github.com/metalens/metalens/internal/catalog"
)

// Citation is a place in an answer that names an asset as [kind:id].
type Citation struct {
	Start, End int // byte offsets
	Text       string
}

// citation is how the prompt asks for references. A name may stand in it for
// what has no number, so that anything but brackets and line ends is taken.
var citation = regexp.MustCompile(`\[((?:question|model|metric|dashboard|collection|database|table|column|segment|measure|snippet|subscription|alert|transform|action|document|finding):[^\[\]\n]{1,300})\]`)

// Citations lists the citations of a text in order.
func Citations(text string) []Citation {
	var list []Citation
	for _, at := range citation.FindAllStringSubmatchIndex(text, -1) {
		list = append(list, Citation{Start: at[0], End: at[1], Text: text[at[2]:at[3]]})
	}
	return list
}

// Cited is a citation after it was looked up for a reader.
type Cited struct {
	Citation
	// OK is set when there is such an asset and the reader may see it. An answer
	// that cites anything else shows it struck out.
	OK      bool
	Ref     catalog.Ref
	Finding string // fingerprint, of a finding
	Name    string
}
