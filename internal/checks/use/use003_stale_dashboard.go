package use

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// USE003 finds dashboards that nobody looks at.
func USE003() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "USE003",
			Slug:   "stale-dashboard",
			Title:  "A dashboard nobody looks at",
			Family: check.Usage,
			Why: "A dashboard that nobody opens keeps all its questions alive: they cannot be archived as long as it shows them, and they " +
				"break unseen.\n\nViews that MetaLens itself causes while scanning are subtracted. A subscription that reaches somebody, " +
				"a public link or embedding counts as use.",
			Bad: `# opened last a year ago
questions:
  - {id: 1, used: 365d}
dashboards:
  - {id: 2, name: Launch 2024, used: 365d, cards: [1]}`,
			Good: `# the same dashboard, sent to its readers every morning
questions:
  - {id: 1, used: 1d}
dashboards:
  - {id: 2, name: Launch 2024, used: 365d, cards: [1]}
subscriptions:
  - {id: 3, dashboard: 2, deliveries: [{recipients: 4}]}`,
			Remediation: "Ask its author, then archive it; its questions can follow once nothing else uses them. Archived content can be restored.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Judges:      []catalog.Kind{catalog.KindDashboard},
			Facts:       []check.Fact{check.FactDashboardUse},
			Params: []check.Param{
				{Name: "days", Title: "Days without a view", Type: check.IntParam, Default: "180", Min: 7, Max: 3650},
			},
		},
		Run: func(p *check.Pass) error {
			undecided := p.Undecided()
			for d := range p.Dashboards() {
				if _, outside := p.UsedOutside(d); outside {
					continue
				}
				v := p.Judge(d, p.Days("days"))
				switch {
				case v.Unknown != "":
					undecided.Add(d, v.Unknown)
					continue
				case v.Idle && v.Never:
					p.Report(d, check.Diagnostic{Message: neverText(v, "viewed"), Evidence: evidence(p, d, v), Confidence: finding.Likely})
				case v.Idle:
					p.Report(d, check.Diagnostic{Message: idleText(p, d, v, "viewed"), Evidence: evidence(p, d, v)})
				}
				undecided.Decided()
			}
			undecided.Report()
			return nil
		},
	}
}
