package brk

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// BRK011 finds subscriptions and alerts whose content is gone.
func BRK011() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK011",
			Slug:   "delivery-without-content",
			Title:  "A subscription or alert on archived or missing content",
			Family: check.Broken,
			Why: "The dashboard or question is in the trash or deleted. The subscription goes out empty or not at all, the alert never fires, " +
				"and those who rely on it do not know.",
			Bad: `questions: [{id: 1, name: Failed payments, archived: true}]
alerts: [{id: 2, question: 1, deliveries: [{recipients: 2}]}]`,
			Good: `questions: [{id: 1, name: Failed payments}]
alerts: [{id: 2, question: 1, deliveries: [{recipients: 2}]}]`,
			Remediation: "Tell the recipients, then delete it or point it to what replaced the content.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Personal:    true,
			Judges:      []catalog.Kind{catalog.KindSubscription, catalog.KindAlert},
			Needs:       []catalog.Kind{catalog.KindQuestion, catalog.KindDashboard},
		},
		Run: func(p *check.Pass) error {
			for _, s := range p.Snapshot.Subscriptions {
				if !s.Archived && s.DashboardID != "" {
					deliversNothing(p, s, catalog.Ref{Kind: catalog.KindDashboard, ID: s.DashboardID})
				}
			}
			for _, a := range p.Snapshot.Alerts {
				if !a.Archived && a.QuestionID != "" {
					deliversNothing(p, a, catalog.Ref{Kind: catalog.KindQuestion, ID: a.QuestionID})
				}
			}
			return nil
		},
	}
}

func deliversNothing(p *check.Pass, a catalog.Asset, of catalog.Ref) {
	content := p.Index.Asset(of)
	d := check.Diagnostic{Evidence: finding.Evidence{Related: []catalog.Ref{of}}, Key: []string{p.Key(of)}}
	switch {
	case content == nil:
		d.Message = fmt.Sprintf("Delivers %s %s, which does not exist.", of.Kind, check.Clean(of.ID))
		unsure(p, of.Kind, &d)
	case p.Archived(content):
		d.Message = fmt.Sprintf("Delivers %s, which is in the trash.", p.Name(of))
	default:
		return
	}
	p.Report(a, d)
}
