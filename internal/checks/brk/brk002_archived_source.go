package brk

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// BRK002 finds live content that rests on archived content.
func BRK002() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK002",
			Slug:   "archived-source",
			Title:  "Live content that builds on archived content",
			Family: check.Broken,
			Why: "Somebody archived a question, model, metric, segment or snippet because it should not be used any more, and it still is: " +
				"the definition can no longer be found or edited, and disappears for good when the trash is emptied.",
			Bad: `questions:
  - {id: 9, name: Customers, type: model, archived: true}
  - {id: 1, name: Churn, source: 9}`,
			Good: `questions:
  - {id: 9, name: Customers, type: model}
  - {id: 1, name: Churn, source: 9}`,
			Remediation: "Restore the source, or rebuild on what replaced it.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Personal:    true,
			Judges:      append(queryKinds(), catalog.KindDashboard, catalog.KindSnippet, catalog.KindDocument),
			Needs:       []catalog.Kind{catalog.KindQuestion},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				if d, ok := a.(*catalog.Dashboard); ok && d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
					continue
				}
				if q, ok := a.(*catalog.Question); ok && q.Unreadable {
					p.NotEvaluated(q.Ref(), "Its query could not be read.")
					continue
				}
				archivedSources(p, a)
			}
			return nil
		},
	}
}

func archivedSources(p *check.Pass, a catalog.Asset) {
	seen := map[catalog.Ref]bool{}
	for _, e := range p.Graph.Sources(a.Ref()) {
		source := p.Index.Asset(e.From)
		onDashboard := e.Via == lineage.ViaDashcard || e.Via == lineage.ViaSeries // BRK004
		if source == nil || onDashboard || !source.IsArchived() || seen[e.From] {
			continue
		}
		seen[e.From] = true
		message := fmt.Sprintf("Builds on %s, an archived %s.", p.Name(e.From), e.From.Kind)
		if e.Via == lineage.ViaParameterSource {
			message = fmt.Sprintf("The choices of a filter come from %s, an archived %s.", p.Name(e.From), e.From.Kind)
		}
		p.Report(a, check.Diagnostic{
			Message:  message,
			Evidence: finding.Evidence{Related: []catalog.Ref{e.From}, Texts: map[string]string{"via": string(e.Via)}},
			Key:      []string{p.Key(e.From)},
		})
	}
	for _, target := range p.ClickTargets(a.Ref()) {
		to := p.Index.Asset(target)
		if to == nil || !to.IsArchived() {
			continue
		}
		p.Report(a, check.Diagnostic{
			Message:  fmt.Sprintf("A click on it leads to %s, an archived %s.", p.Name(target), to.Ref().Kind),
			Evidence: finding.Evidence{Related: []catalog.Ref{to.Ref()}},
			Key:      []string{"click", p.Key(target)},
			Severity: finding.Low,
		})
	}
}
