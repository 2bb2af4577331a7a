package use

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// USE005 finds subscriptions and alerts that nobody receives or looks after.
func USE005() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "USE005",
			Slug:   "undelivered",
			Title:  "A subscription or alert that nobody receives",
			Family: check.Usage,
			Why: "A subscription without recipients runs its queries on schedule for nobody. An alert that reaches no one is worse: " +
				"somebody believes to be warned. One whose owner has left goes on until somebody outside complains.",
			Bad: `# every recipient has left
questions: [{id: 1}]
dashboards: [{id: 2, cards: [1]}]
subscriptions:
  - {id: 3, dashboard: 2, deliveries: [{channel: email, recipients: 0}]}`,
			Good: `questions: [{id: 1}]
dashboards: [{id: 2, cards: [1]}]
subscriptions:
  - {id: 3, dashboard: 2, deliveries: [{channel: email, recipients: 3}]}`,
			Remediation: "Add recipients, hand it to somebody, or delete it.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Personal:    true,
			Judges:      []catalog.Kind{catalog.KindSubscription, catalog.KindAlert},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				var deliveries []catalog.Delivery
				var owner *bool
				switch a := a.(type) {
				case *catalog.Subscription:
					deliveries, owner = a.Deliveries, a.OwnerActive
				case *catalog.Alert:
					deliveries, owner = a.Deliveries, a.OwnerActive
				}
				undelivered(p, a, deliveries, owner)
			}
			return nil
		},
	}
}

func undelivered(p *check.Pass, a catalog.Asset, deliveries []catalog.Delivery, ownerActive *bool) {
	recipients, off := 0, 0
	for _, d := range deliveries {
		recipients += d.Recipients
		if !d.Enabled {
			off++
		}
	}
	e := finding.Evidence{Numbers: map[string]float64{"recipients": float64(recipients), "channels": float64(len(deliveries))}}
	switch {
	case check.Delivered(deliveries):
		if ownerActive != nil && !*ownerActive {
			p.Report(a, check.Diagnostic{
				Message:  fmt.Sprintf("Still goes out to %s, and its owner's account is deactivated.", check.Count(recipients, "recipient", "recipients")),
				Evidence: e, Key: []string{"owner"}, Severity: finding.Low,
			})
		}
	case len(deliveries) == 0:
		p.Report(a, check.Diagnostic{Message: "Has no channel: it goes out to nobody.", Evidence: e})
	case off == len(deliveries):
		p.Report(a, check.Diagnostic{Message: "All its channels are switched off: it goes out to nobody.", Evidence: e, Severity: finding.Low})
	default:
		p.Report(a, check.Diagnostic{Message: "Has no recipients: it goes out to nobody.", Evidence: e})
	}
}
