package sec

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// SEC003 finds deliveries to people without an account.
func SEC003() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SEC003",
			Slug:   "outside-recipients",
			Title:  "A subscription or alert to outside addresses",
			Family: check.Security,
			Why: "The mail carries the figures themselves, to addresses that belong to nobody with an account here. They keep coming after the " +
				"person has left the other company, and permissions do not apply to them.",
			Bad: `questions: [{id: 1}]
dashboards: [{id: 2, cards: [1]}]
subscriptions: [{id: 3, dashboard: 2, deliveries: [{recipients: 5, external: 2}]}]`,
			Good: `questions: [{id: 1}]
dashboards: [{id: 2, cards: [1]}]
subscriptions: [{id: 3, dashboard: 2, deliveries: [{recipients: 5}]}]`,
			Remediation: "Give the readers accounts, or confirm that they should have the data and ignore the finding with that reason.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Personal:    true,
			Judges:      []catalog.Kind{catalog.KindSubscription, catalog.KindAlert},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				var list []catalog.Delivery
				switch a := a.(type) {
				case *catalog.Subscription:
					list = a.Deliveries
				case *catalog.Alert:
					list = a.Deliveries
				}
				outside, all := 0, 0
				for _, d := range list {
					if d.Enabled {
						outside += d.ExternalRecipients
						all += d.Recipients
					}
				}
				if outside == 0 {
					continue
				}
				p.Report(a, check.Diagnostic{
					Message:  fmt.Sprintf("Goes out to %s without an account here.", check.Count(outside, "address", "addresses")),
					Evidence: finding.Evidence{Numbers: map[string]float64{"external_recipients": float64(outside), "recipients": float64(all)}},
				})
			}
			return nil
		},
	}
}
