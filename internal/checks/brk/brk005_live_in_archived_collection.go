package brk

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// BRK005 finds live content that nobody can reach.
func BRK005() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK005",
			Slug:   "live-in-archived-collection",
			Title:  "Live content in an archived collection",
			Family: check.Broken,
			Why: "The collection is in the trash, its content is not: no page leads to it, but it still runs, answers searches and keeps its " +
				"subscriptions. It is left over from an interrupted clean-up or an import.",
			Bad: `collections: [{id: 5, name: Campaigns 2023, archived: true}]
questions: [{id: 1, name: Clicks, in: 5}]`,
			Good: `collections: [{id: 5, name: Campaigns 2023, archived: true}]
questions: [{id: 1, name: Clicks, in: 5, archived: true}]`,
			Remediation: "Archive it with its collection, or move it to one that is live.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard, catalog.KindDocument},
			Needs:       []catalog.Kind{catalog.KindCollection},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Snapshot.All() {
				switch a.(type) {
				case *catalog.Question, *catalog.Dashboard, *catalog.Document:
				default:
					continue
				}
				if a.IsArchived() || !p.Archived(a) || p.Personal(a) {
					continue
				}
				if q, ok := a.(*catalog.Question); ok && q.DashboardID != "" {
					continue // it goes where its dashboard goes
				}
				home := catalog.Ref{Kind: catalog.KindCollection, ID: a.InCollection()}
				p.Report(a, check.Diagnostic{
					Message:  fmt.Sprintf("Is live, but its collection %s is in the trash.", p.Name(home)),
					Evidence: finding.Evidence{Related: []catalog.Ref{home}},
				})
			}
			return nil
		},
	}
}
