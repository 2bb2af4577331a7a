package sec

import (
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// SEC002 lists everything that can be seen without an account.
func SEC002() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "SEC002",
			Slug:   "exposed",
			Title:  "Content with a public link or embedding",
			Family: check.Security,
			Why: "An inventory: this content can be seen without a Metabase account. That may be wanted; each piece should have somebody who " +
				"knows why.",
			Bad:         `dashboards: [{id: 1, name: Status page, public: true}]`,
			Good:        `dashboards: [{id: 1, name: Status page}]`,
			Remediation: "Confirm that it is meant to be seen outside and ignore the finding with that reason, or remove the link.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Personal:    true,
			Judges:      exposable(),
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				e := exposure(a)
				switch {
				case e.Public:
					p.Report(a, check.Diagnostic{Message: "Can be seen by everybody who has its public link."})
				case e.Embedded:
					p.Report(a, check.Diagnostic{Message: "Can be embedded in other sites.", Severity: finding.Info, Key: []string{"embedded"}})
				}
			}
			return nil
		},
	}
}
