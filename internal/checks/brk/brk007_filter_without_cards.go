package brk

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// BRK007 finds filters that filter nothing.
func BRK007() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK007",
			Slug:   "filter-without-cards",
			Title:  "A dashboard filter connected to no card",
			Family: check.Broken,
			Why: "The filter is there, people set it, and nothing changes. Some notice; the others take the figures for filtered ones.\n\n" +
				"A filter that only narrows the choices of another one counts as connected.",
			Bad: `questions: [{id: 1}]
dashboards:
  - id: 2
    parameters: [{id: p1, name: Region, type: "string/="}]
    cards: [1]`,
			Good: `questions: [{id: 1}]
dashboards:
  - id: 2
    parameters: [{id: p1, name: Status, type: "string/="}]
    cards: [{question: 1, maps: [{param: p1, target: [dimension, [field, 72, null]]}]}]`,
			Remediation: "Connect it to the cards it should narrow, or remove it.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Personal:    true,
			Judges:      []catalog.Kind{catalog.KindDashboard},
		},
		Run: func(p *check.Pass) error {
			for d := range p.Dashboards() {
				if d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
					continue
				}
				connected := map[string]bool{}
				for _, c := range d.Cards {
					for _, m := range c.Mappings {
						connected[m.ParameterID] = true
					}
				}
				for _, x := range d.Parameters {
					for _, narrower := range x.LinkedTo {
						connected[narrower] = true
					}
				}
				for _, x := range d.Parameters {
					if connected[x.ID] {
						continue
					}
					p.Report(d, check.Diagnostic{
						Message:  fmt.Sprintf("Filter \"%s\" is connected to no card.", check.Clean(x.Name)),
						Evidence: finding.Evidence{Texts: map[string]string{"parameter": check.Clean(x.ID)}, Numbers: map[string]float64{"cards": float64(len(d.Cards))}},
						Key:      []string{x.ID},
					})
				}
			}
			return nil
		},
	}
}
