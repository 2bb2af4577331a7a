package org

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// ORG003 finds collections made for one thing.
func ORG003() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:          "ORG003",
			Slug:        "single-item-collection",
			Title:       "A collection with a single item",
			Family:      check.Organisation,
			Why:         "A folder for one thing costs its readers a click and tells them nothing that the name of the thing does not.",
			Bad:         "collections: [{id: 5, name: Refunds}]\nquestions: [{id: 1, name: Refunds, in: 5}]",
			Good:        "collections: [{id: 5, name: Refunds}]\nquestions: [{id: 1, name: Refunds, in: 5}, {id: 2, name: Refunds by reason, in: 5}]",
			Remediation: "Move the item one level up and archive the collection, unless it is there for its permissions.",
			Severity:    finding.Info,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindCollection},
			Needs:       []catalog.Kind{catalog.KindQuestion, catalog.KindDashboard},
			Params: []check.Param{
				{Name: "days", Title: "Days a new collection may wait for its second item", Type: check.IntParam, Default: "90", Min: 0, Max: 3650},
			},
		},
		Run: func(p *check.Pass) error {
			on := shelves(p)
			_, complete := p.Seen(catalog.KindQuestion)
			for c := range p.Collections() {
				s := on[c.ID]
				if !plain(c) || s == nil || len(s.items) != 1 || len(s.collections) > 0 || (!c.CreatedAt.IsZero() && p.Now.Sub(c.CreatedAt) < p.Days("days")) {
					continue
				}
				d := check.Diagnostic{
					Message:  fmt.Sprintf("Holds nothing but %s.", p.Name(s.items[0])),
					Evidence: finding.Evidence{Related: []catalog.Ref{s.items[0]}},
				}
				if !complete {
					d.Confidence = finding.Possible
				}
				p.Report(c, d)
			}
			return nil
		},
	}
}
