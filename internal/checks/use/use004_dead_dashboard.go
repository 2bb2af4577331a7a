package use

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// USE004 finds dashboards all of whose questions are dead.
func USE004() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "USE004",
			Slug:   "dead-dashboard",
			Title:  "A dashboard made only of dead questions",
			Family: check.Usage,
			Why: "Opening a dashboard runs its questions. When none of them has run for half a year, or all are archived, nobody has seen " +
				"the dashboard's figures in that time, whatever its own counter says. On Metabase 0.50, which does not keep the last view of " +
				"dashboards, this is the best evidence there is.",
			Bad: `# both questions ran last a year ago
questions:
  - {id: 1, used: 365d}
  - {id: 2, used: 400d, created: 500d}
dashboards:
  - {id: 3, name: Campaign, cards: [1, 2]}`,
			Good: `# one of them ran yesterday
questions:
  - {id: 1, used: 365d}
  - {id: 2, used: 1d}
dashboards:
  - {id: 3, name: Campaign, cards: [1, 2]}`,
			Remediation: "Archive the dashboard, then its questions.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindDashboard},
			Needs:       []catalog.Kind{catalog.KindQuestion},
			Facts:       []check.Fact{check.FactQuestionUse},
			Params: []check.Param{
				{Name: "days", Title: "Days without use of any question", Type: check.IntParam, Default: "180", Min: 7, Max: 3650},
			},
		},
		Run: func(p *check.Pass) error {
			for d := range p.Dashboards() {
				if d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
					continue
				}
				if _, outside := p.UsedOutside(d); outside {
					continue
				}
				idle, archived, unknown, alive := 0, 0, 0, false
				var related []catalog.Ref
				for _, c := range d.Cards {
					if c.QuestionID == "" {
						continue
					}
					q := p.Index.Question(c.QuestionID)
					if q == nil {
						unknown++
						continue
					}
					related = append(related, q.Ref())
					if q.Archived {
						archived++
						continue
					}
					switch v := p.Judge(q, p.Days("days")); {
					case v.Unknown != "":
						unknown++
					case v.Idle:
						idle++
					default:
						alive = true
					}
				}
				switch {
				case alive || idle+archived == 0:
				case unknown > 0:
					p.NotEvaluated(d.Ref(), fmt.Sprintf("For %s on it nobody can say when it was used last.", check.Count(unknown, "question", "questions")))
				default:
					p.Report(d, check.Diagnostic{
						Message: deadText(idle, archived, p.Int("days")),
						Evidence: finding.Evidence{
							Numbers: map[string]float64{"idle_questions": float64(idle), "archived_questions": float64(archived)},
							Related: related,
						},
					})
				}
			}
			return nil
		},
	}
}

func deadText(idle, archived, days int) string {
	ran := fmt.Sprintf("%s did not run for %d days", check.Count(idle, "question", "questions"), days)
	gone := "1 is archived"
	if archived > 1 {
		gone = fmt.Sprintf("%d are archived", archived)
	}
	switch {
	case archived == 0:
		return "None of its questions is alive: " + ran + "."
	case idle == 0:
		return "None of its questions is alive: " + gone + "."
	}
	return "None of its questions is alive: " + ran + ", " + gone + "."
}
