package brk

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// BRK001 finds references to questions and dashboards that do not exist.
func BRK001() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK001",
			Slug:   "missing-question",
			Title:  "A reference to a question or dashboard that does not exist",
			Family: check.Broken,
			Why: "A query built on a deleted question fails for everybody who opens it; a card whose question is gone stays empty; a filter whose " +
				"choices come from it offers nothing; a click on it ends in an error page.\n\nA key that does not see everything cannot tell a deleted " +
				"question from a hidden one: then the finding is only possible.",
			Bad: `# question 9 was deleted
questions:
  - {id: 1, name: Churn, sql: "select * from {{#9-customers}}", tags: [{name: "#9-customers", type: card, question: 9}]}`,
			Good: `questions:
  - {id: 9, name: Customers}
  - {id: 1, name: Churn, sql: "select * from {{#9-customers}}", tags: [{name: "#9-customers", type: card, question: 9}]}`,
			Remediation: "Point the reference to what replaced it, or archive what rests on it.",
			Severity:    finding.High,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Personal:    true,
			Judges:      append(queryKinds(), catalog.KindDashboard, catalog.KindSnippet, catalog.KindDocument),
			Needs:       []catalog.Kind{catalog.KindQuestion},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				missingQuestions(p, a)
				missingClicks(p, a)
			}
			return nil
		},
	}
}

func missingQuestions(p *check.Pass, a catalog.Asset) {
	seen := map[string]bool{}
	for _, u := range p.Unresolved(a.Ref()) {
		switch {
		case hasReason(u, "refused_question"):
			p.NotEvaluated(a.Ref(), fmt.Sprintf("The key may not read question %s on it.", u.Target.ID))
		case hasReason(u, "missing_question", "missing_metric"):
			if seen[u.Target.ID] {
				continue
			}
			seen[u.Target.ID] = true
			d := check.Diagnostic{
				Message:  fmt.Sprintf("Uses %s %s, which does not exist.", u.Target.Kind, check.Clean(u.Target.ID)),
				Evidence: finding.Evidence{Related: []catalog.Ref{u.Target}, Spans: spans(u)},
				Key:      []string{p.Key(u.Target)},
			}
			unsure(p, catalog.KindQuestion, &d)
			p.Report(a, d)
		}
	}
	if d, ok := a.(*catalog.Dashboard); ok && d.DetailUnread {
		p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
	}
}

func missingClicks(p *check.Pass, a catalog.Asset) {
	for _, target := range p.ClickTargets(a.Ref()) {
		if !target.Kind.IsCard() && target.Kind != catalog.KindDashboard || p.Index.Asset(target) != nil {
			continue
		}
		if _, unread := p.Snapshot.Unread(target.Kind); unread {
			continue
		}
		d := check.Diagnostic{
			Message:  fmt.Sprintf("A click on it leads to %s %s, which does not exist.", target.Kind, check.Clean(target.ID)),
			Evidence: finding.Evidence{Related: []catalog.Ref{target}},
			Key:      []string{"click", p.Key(target)},
			Severity: finding.Medium,
		}
		unsure(p, target.Kind, &d)
		p.Report(a, d)
	}
}
