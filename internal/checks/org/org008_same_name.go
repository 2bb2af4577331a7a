package org

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// ORG008 finds equal names in one collection.
func ORG008() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "ORG008",
			Slug:   "same-name",
			Title:  "Two things of the same name in one collection",
			Family: check.Organisation,
			Why: "Whoever looks for the name finds two and takes the first. Names that differ only in case or spaces are the same to a reader. " +
				"A question and a dashboard of one name are not confused.",
			Bad: `collections: [{id: 5, name: Sales}]
questions: [{id: 1, name: Revenue, in: 5}, {id: 2, name: "revenue ", in: 5}]`,
			Good: `collections: [{id: 5, name: Sales}]
questions: [{id: 1, name: Revenue, in: 5}, {id: 2, name: Revenue net of refunds, in: 5}]`,
			Remediation: "Say in the name what differs; if nothing does, archive one.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard, catalog.KindCollection},
		},
		Run: func(p *check.Pass) error {
			groups := map[string][]catalog.Asset{}
			for a := range p.Subjects() {
				class := string(a.Ref().Kind)
				switch a := a.(type) {
				case *catalog.Question:
					if a.DashboardID != "" || a.DocumentID != "" {
						continue // not listed in the collection
					}
					class = "card"
				case *catalog.Collection:
					if a.ID == catalog.RootCollectionID || a.Namespace != "" {
						continue
					}
				}
				name := strings.ToLower(strings.Join(strings.Fields(a.Title()), " "))
				key := a.InCollection() + "\x00" + class + "\x00" + name
				groups[key] = append(groups[key], a)
			}
			for _, key := range slices.Sorted(maps.Keys(groups)) {
				group := groups[key]
				slices.SortFunc(group, func(a, b catalog.Asset) int { return catalog.CompareID(a.Ref().ID, b.Ref().ID) })
				for _, a := range group[1:] {
					p.Report(a, check.Diagnostic{
						Message:  fmt.Sprintf("Has the same name as %s %s in the same collection.", group[0].Ref().Kind, group[0].Ref().ID),
						Evidence: finding.Evidence{Related: []catalog.Ref{group[0].Ref()}, Numbers: map[string]float64{"same_name": float64(len(group))}},
					})
				}
			}
			return nil
		},
	}
}
