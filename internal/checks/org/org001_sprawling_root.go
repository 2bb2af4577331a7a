package org

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// ORG001 finds a root collection that is used as a drawer.
func ORG001() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "ORG001",
			Slug:   "sprawling-root",
			Title:  "Too much content directly in the root collection",
			Family: check.Organisation,
			Why: "The root is where things end up that nobody put anywhere. Past a screenful nobody finds anything there, and permissions cannot " +
				"tell finance from marketing.",
			Bad: `params: {items: 2}
questions: [{id: 1}, {id: 2}, {id: 3}]`,
			Good: `params: {items: 2}
collections: [{id: 5, name: Sales}]
questions: [{id: 1, in: 5}, {id: 2, in: 5}, {id: 3, in: 5}]`,
			Remediation: "Give each team or topic a collection and move the content there, the most viewed first.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindCollection},
			Needs:       []catalog.Kind{catalog.KindQuestion, catalog.KindDashboard},
			Params: []check.Param{
				{Name: "items", Title: "Questions and dashboards that the root may hold", Type: check.IntParam, Default: "30", Min: 1, Max: 10000},
			},
		},
		Run: func(p *check.Pass) error {
			root := shelves(p)[catalog.RootCollectionID]
			if root == nil || len(root.items) <= p.Int("items") {
				return nil
			}
			asset := p.Index.Collection(catalog.RootCollectionID)
			if asset == nil {
				asset = &catalog.Collection{Common: catalog.Common{ID: catalog.RootCollectionID, Name: "Our analytics"}}
			}
			p.Report(asset, check.Diagnostic{
				Message: fmt.Sprintf("Holds %s directly, outside any collection.", check.Count(len(root.items), "item", "items")),
				Evidence: finding.Evidence{Numbers: map[string]float64{
					"items": float64(len(root.items)), "collections": float64(len(root.collections)),
				}},
			})
			return nil
		},
	}
}
