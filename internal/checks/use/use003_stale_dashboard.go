package use

import (
	"fmt"
	"time"

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
				"a public link or embedding counts as use. Where the server does not keep the last view (0.50), the last run of the dashboard's " +
				"questions takes its place: opening a dashboard runs them.",
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
				if u := p.Use(d); v.Unknown != "" && u.Known && !u.Timed && !u.Contaminated {
					if byRuns := judgeByRuns(p, d, u); byRuns.Idle {
						p.Report(d, check.Diagnostic{
							Message:    fmt.Sprintf("None of its questions has run since %s, %s ago.", byRuns.Since.UTC().Format(time.DateOnly), check.Count(byRuns.Days, "day", "days")),
							Evidence:   evidence(p, d, byRuns),
							Confidence: finding.Likely,
						})
						undecided.Decided()
						continue
					}
				}
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

// judgeByRuns judges a dashboard by its questions: nobody can have viewed it
// after the last of them ran. Where that was lately, nothing follows: a question
// may have been run by itself.
func judgeByRuns(p *check.Pass, d *catalog.Dashboard, u check.Use) check.Verdict {
	if d.DetailUnread {
		return check.Verdict{}
	}
	u.Timed = true
	for _, c := range d.Cards {
		if c.QuestionID == "" {
			continue
		}
		q := p.Index.Question(c.QuestionID)
		if q == nil {
			return check.Verdict{}
		}
		run := p.Use(q)
		if !run.Timed || run.Contaminated {
			return check.Verdict{}
		}
		last := run.Last
		if last.IsZero() {
			last = run.Since
		}
		if last.After(u.Last) {
			u.Last = last
		}
	}
	if u.Last.IsZero() {
		return check.Verdict{}
	}
	return p.JudgeUse(d, u, p.Days("days"))
}
