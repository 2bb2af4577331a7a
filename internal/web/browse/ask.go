package browse

import (
	"strings"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/web/assist"
	"github.com/metalens/metalens/internal/web/ui"
)

// questions are what a model can be asked about an asset.
func questions(base string, x *catalog.Index, a catalog.Asset) []ui.AskLink {
	r := a.Ref()
	ask := func(label string, name agent.Name) ui.AskLink {
		return ui.AskLink{Label: label, Href: assist.Path(base, name, r.String())}
	}
	list := []ui.AskLink{{Label: "Ask about this", Href: ui.ChatPath(base, r.String(), a.Title())}}
	if explained(r) {
		list = append(list, ask("Explain", agent.Explainer))
	}
	if q, ok := a.(*catalog.Question); ok && q.Query.Language == catalog.LanguageSQL && strings.TrimSpace(q.Query.SQL) != "" {
		list = append(list, ask("Improve this SQL", agent.SQLReview))
	}
	if agent.Exposed(x, a) {
		list = append(list, ask("Review the exposure", agent.Exposure))
	}
	return list
}

// explained reports whether a model explains such an asset.
func explained(r catalog.Ref) bool {
	return r.Kind.IsCard() || r.Kind == catalog.KindDashboard || r.Kind == catalog.KindTable
}
