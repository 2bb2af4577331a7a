package brk

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// BRK015 finds variables in SQL that the question does not declare.
func BRK015() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK015",
			Slug:   "undeclared-variable",
			Title:  "A variable in SQL that is not declared",
			Family: check.Broken,
			Why: "Metabase's editor declares each {{variable}} as it is typed. SQL that was written by a script, or mended in an export, may name one " +
				"that has no declaration: then there is no widget to fill it, and the query fails for want of a value.\n\nIn an optional part [[ ]] " +
				"the part is left out at every run, so that a filter never filters. Tags of snippets, questions and tables are judged elsewhere.",
			Bad:         `questions: [{id: 1, sql: "select * from orders where status = {{status}}"}]`,
			Good:        `questions: [{id: 1, sql: "select * from orders where status = {{status}}", tags: [{name: status, type: text}]}]`,
			Remediation: "Open the question in the SQL editor, change a character and save it: the editor declares what it finds.",
			Severity:    finding.High,
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
				if q.Query.Language == catalog.LanguageSQL {
					undeclared(p, q)
				}
			}
			return nil
		},
	}
}

func undeclared(p *check.Pass, q *catalog.Question) {
	type variable struct {
		spans    []finding.Span
		optional bool
	}
	found := map[string]*variable{}
	var order []string
	for _, t := range lineage.ParseTemplate(q.Query.SQL).Tags {
		if t.Kind != lineage.TagVariable || declares(q.Query.Tags, t.Name) {
			continue
		}
		v := found[t.Name]
		if v == nil {
			v = &variable{optional: true}
			found[t.Name] = v
			order = append(order, t.Name)
		}
		v.spans = append(v.spans, t.Span)
		v.optional = v.optional && t.Optional
	}
	for _, name := range order {
		v := found[name]
		d := check.Diagnostic{
			Message:  fmt.Sprintf("Needs a value for {{%s}}, which is not declared: nobody can fill it in.", check.Clean(name)),
			Evidence: finding.Evidence{Spans: v.spans},
			Key:      []string{name},
		}
		if v.optional {
			d.Message = fmt.Sprintf("Names {{%s}} in an optional part, which is never used: the variable is not declared.", check.Clean(name))
			d.Severity = finding.Low
		}
		p.Report(q, d)
	}
}
