package org

import (
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// ORG002 finds collections with nothing in them.
func ORG002() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "ORG002",
			Slug:   "empty-collection",
			Title:  "An empty collection",
			Family: check.Organisation,
			Why: "Empty collections make the tree longer and send readers into dead ends. A collection that only holds other collections is a shelf, " +
				"not empty; the trash, personal collections and those of Metabase's own features are not judged.",
			Bad: `collections: [{id: 5, name: Ideas}]`,
			Good: `collections: [{id: 5, name: Ideas}]
questions: [{id: 1, in: 5}]`,
			Remediation: "Archive it.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindCollection},
			Needs:       []catalog.Kind{catalog.KindQuestion, catalog.KindDashboard},
			Params: []check.Param{
				{Name: "days", Title: "Days a new collection may stay empty", Type: check.IntParam, Default: "30", Min: 0, Max: 3650},
			},
		},
		Run: func(p *check.Pass) error {
			on := shelves(p)
			why, complete := p.Seen(catalog.KindQuestion)
			for c := range p.Collections() {
				if !plain(c) || on[c.ID] != nil || (!c.CreatedAt.IsZero() && p.Now.Sub(c.CreatedAt) < p.Days("days")) {
					continue
				}
				d := check.Diagnostic{Message: "Holds neither content nor other collections."}
				if !c.CreatedAt.IsZero() {
					d.Evidence.Texts = map[string]string{"created": c.CreatedAt.UTC().Format(time.DateOnly)}
				}
				if !complete {
					d.Confidence = finding.Possible
					d.Message = "Nothing in it was read: " + why + "."
				}
				p.Report(c, d)
			}
			return nil
		},
	}
}
