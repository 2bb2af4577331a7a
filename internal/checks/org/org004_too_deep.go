package org

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// ORG004 finds collections nested too deeply.
func ORG004() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "ORG004",
			Slug:   "too-deep",
			Title:  "A collection nested too deeply",
			Family: check.Organisation,
			Why:    "Beyond a few levels people stop browsing and start to build again what they did not find.",
			Bad: `params: {levels: 2}
collections: [{id: 1, name: Europe}, {id: 2, name: Germany, in: 1}, {id: 3, name: Berlin, in: 2}]`,
			Good: `params: {levels: 2}
collections: [{id: 1, name: Europe}, {id: 2, name: Germany, in: 1}, {id: 3, name: Berlin, in: 1}]`,
			Remediation: "Flatten the branch: name the collection by its topic instead of by its path.",
			Severity:    finding.Info,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindCollection},
			Params: []check.Param{
				{Name: "levels", Title: "Levels below the root that are fine", Type: check.IntParam, Default: "5", Min: 1, Max: 30},
			},
		},
		Run: func(p *check.Pass) error {
			for c := range p.Collections() {
				// Only the first level too many is reported, not all below it.
				if n := depth(p, c); plain(c) && n == p.Int("levels")+1 {
					p.Report(c, check.Diagnostic{
						Message:  fmt.Sprintf("Lies %d levels below the root.", n),
						Evidence: finding.Evidence{Numbers: map[string]float64{"levels": float64(n)}},
					})
				}
			}
			return nil
		},
	}
}

// depth counts the collections from the root down to c, c included.
func depth(p *check.Pass, c *catalog.Collection) int {
	n := 0
	seen := map[string]bool{}
	for c != nil && c.ID != catalog.RootCollectionID && !seen[c.ID] {
		seen[c.ID] = true
		n++
		c = p.Index.Collection(c.ParentID)
	}
	return n
}
