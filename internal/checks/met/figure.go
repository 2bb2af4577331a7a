package met

import (
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/similar"
)

// unread notes the questions whose query is not known.
func unread(p *check.Pass) {
	for q := range p.Questions() {
		if q.Unreadable {
			p.NotEvaluated(q.Ref(), "Its query could not be read.")
		}
	}
}

// judged finds the assets that a check judges.
func judged(p *check.Pass) map[catalog.Ref]catalog.Asset {
	out := map[catalog.Ref]catalog.Asset{}
	for a := range p.Subjects() {
		out[a.Ref()] = a
	}
	return out
}

// related lists what defines a figure, at most so many of each definition.
func related(definitions []similar.Definition, most int) []catalog.Ref {
	var out []catalog.Ref
	for _, d := range definitions {
		for i, u := range d.Uses {
			if i == most {
				break
			}
			out = append(out, u.Asset)
		}
	}
	return out
}

// mostRelated is how many assets of a definition a finding lists.
const mostRelated = 20

// sentence ends a text with a full stop, unless it was cut short.
func sentence(text string) string {
	if strings.HasSuffix(text, "…") {
		return text
	}
	return text + "."
}
