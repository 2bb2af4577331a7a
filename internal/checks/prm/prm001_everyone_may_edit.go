package prm

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// PRM001 finds collections everyone may change.
func PRM001() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "PRM001",
			Slug:   "everyone-may-edit",
			Title:  "A collection that everyone may change",
			Family: check.Permissions,
			Why: "Metabase lets all users curate every collection unless somebody takes that away. Then anybody can change a certified figure or " +
				"empty a collection by mistake. An official collection that everyone may change is official in colour only.",
			Bad: `groups: [{id: 1, name: All Users, magic: all-internal-users}]
collections: [{id: 5, name: Finance}]
access: {collections: {"1": {"5": write}}}`,
			Good: `groups: [{id: 1, name: All Users, magic: all-internal-users}]
collections: [{id: 5, name: Finance}]
access: {collections: {"1": {"5": read}}}`,
			Remediation: "Give all users view access and let the group that owns the content curate it.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindCollection},
			Needs:       []catalog.Kind{catalog.KindGroup},
			Facts:       []check.Fact{check.FactCollectionAccess},
		},
		Run: func(p *check.Pass) error {
			everyone := everyoneGroup(p)
			if everyone == nil {
				p.NotEvaluated(catalog.Ref{}, "The group of all users was not among the groups.")
				return nil
			}
			grants := p.Snapshot.Access.Collections[everyone.ID]
			root := p.Index.Collection(catalog.RootCollectionID)
			if root == nil && grants[catalog.RootCollectionID] == "write" {
				report(p, &catalog.Collection{Common: catalog.Common{ID: catalog.RootCollectionID, Name: "Our analytics"}}, everyone)
			}
			for c := range p.Collections() {
				if grants[c.ID] != "write" || c.Namespace != "" {
					continue
				}
				// A collection below one that is reported says nothing new, unless it claims to be official.
				if grants[c.ParentID] == "write" && !c.Official {
					continue
				}
				report(p, c, everyone)
			}
			return nil
		},
	}
}

func report(p *check.Pass, c *catalog.Collection, everyone *catalog.Group) {
	d := check.Diagnostic{
		Message:  fmt.Sprintf("Everyone with an account may change and archive what is in it (%s).", check.Count(everyone.Members, "person", "people")),
		Evidence: finding.Evidence{Related: []catalog.Ref{everyone.Ref()}, Numbers: map[string]float64{"people": float64(everyone.Members)}},
	}
	if c.Official {
		d.Severity = finding.High
		d.Message = "Is official, and everyone with an account may change and archive what is in it."
	}
	p.Report(c, d)
}

// everyoneGroup is the group that every account belongs to.
func everyoneGroup(p *check.Pass) *catalog.Group {
	for _, g := range p.Snapshot.Groups {
		if g.Magic == "all-internal-users" {
			return g
		}
	}
	for _, g := range p.Snapshot.Groups { // servers that do not mark it
		if g.ID == "1" && g.Name == "All Users" {
			return g
		}
	}
	return nil
}
