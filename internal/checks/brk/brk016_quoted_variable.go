package brk

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqllint"
)

// BRK016 finds variables inside quotes.
func BRK016() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK016",
			Slug:   "quoted-variable",
			Title:  "A variable inside quotes",
			Family: check.Broken,
			Why: "Metabase sends the values of text, date and field filter variables apart from the SQL. Inside quotes the place for the value is " +
				"plain text, and the database answers with an error about the number of parameters as soon as a value is chosen.\n\nNumbers are " +
				"written into the SQL itself and not judged.",
			Bad:         `questions: [{id: 1, sql: "select * from orders where status like '%{{status}}%'", tags: [{name: status, type: text}]}]`,
			Good:        `questions: [{id: 1, sql: "select * from orders where status like concat('%', {{status}}, '%')", tags: [{name: status, type: text}]}]`,
			Remediation: "Take the quotes away and join the text with CONCAT where more than the value is needed.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Personal:    true,
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel},
		},
		Run: func(p *check.Pass) error {
			for q := range p.Questions() {
				if q.Unreadable {
					p.NotEvaluated(q.Ref(), "Its query could not be read.")
					continue
				}
				r := p.SQL(q.Ref())
				if r == nil {
					continue
				}
				if r.Skipped != "" {
					p.NotEvaluated(q.Ref(), "Its SQL was not understood to its end.")
					continue
				}
				byName := map[string][]sqllens.Span{}
				var order []string
				for _, m := range r.Remarks {
					if m.Rule == sqllint.QuotedTag {
						if byName[m.Detail] == nil {
							order = append(order, m.Detail)
						}
						byName[m.Detail] = append(byName[m.Detail], m.Span)
					}
				}
				for _, name := range order {
					p.Report(q, check.Diagnostic{
						Message:  fmt.Sprintf("Has {{%s}} inside quotes, where its value cannot go.", check.Clean(name)),
						Evidence: finding.Evidence{Spans: check.Places(byName[name]...)},
						Key:      []string{name},
					})
				}
			}
			return nil
		},
	}
}
