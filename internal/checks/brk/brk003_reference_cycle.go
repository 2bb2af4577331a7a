package brk

import (
	"fmt"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// BRK003 finds questions that are built on themselves.
func BRK003() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK003",
			Slug:   "reference-cycle",
			Title:  "Questions or snippets that build on each other in a circle",
			Family: check.Broken,
			Why: "A question that in the end reads itself cannot run. Metabase refuses to save the plain case, but circles come about through " +
				"imports, scripts and edits made at the same time.",
			Bad: `questions:
  - {id: 1, name: A, source: 2}
  - {id: 2, name: B, source: 1}`,
			Good: `questions:
  - {id: 1, name: A}
  - {id: 2, name: B, source: 1}`,
			Remediation: "Rebuild one of them on a table or on a question outside the circle.",
			Severity:    finding.High,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Personal:    true,
			Judges:      append(queryKinds(), catalog.KindSnippet),
			Needs:       []catalog.Kind{catalog.KindQuestion},
		},
		Run: func(p *check.Pass) error {
			judged := map[catalog.Ref]catalog.Asset{}
			for a := range p.Subjects() {
				judged[a.Ref()] = a
				if q, ok := a.(*catalog.Question); ok && q.Unreadable {
					p.NotEvaluated(q.Ref(), "Its query could not be read.")
				}
			}
			for _, circle := range p.Graph.Cycles() {
				circle = slices.Clone(circle)
				slices.SortFunc(circle, catalog.Ref.Compare)
				for _, r := range circle {
					a, ok := judged[r]
					if !ok {
						continue
					}
					message := "Builds on itself."
					if len(circle) > 1 {
						message = fmt.Sprintf("Builds on itself through a circle of %d.", len(circle))
					}
					p.Report(a, check.Diagnostic{
						Message:  message,
						Evidence: finding.Evidence{Related: circle, Numbers: map[string]float64{"length": float64(len(circle))}},
					})
					break // one finding per circle
				}
			}
			return nil
		},
	}
}
