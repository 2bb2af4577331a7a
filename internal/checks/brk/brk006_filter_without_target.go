package brk

import (
	"fmt"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/mbql"
)

// BRK006 finds dashboard filters that are wired to something that is gone.
func BRK006() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK006",
			Slug:   "filter-wired-to-nothing",
			Title:  "A dashboard filter wired to something that is not there",
			Family: check.Broken,
			Why: "A reader sets the filter, the card does not follow, and the wrong figure is believed. It happens when a variable is renamed " +
				"in the SQL, a column is dropped, a question on the card is exchanged, or a filter is deleted by a script.",
			Bad: `# the SQL calls it {{country}} now
questions:
  - {id: 1, sql: "select count(*) from orders where country = {{country}}", tags: [{name: country, type: text}]}
dashboards:
  - id: 2
    parameters: [{id: p1, name: Region, type: "string/="}]
    cards:
      - {question: 1, maps: [{param: p1, target: [variable, [template-tag, region]]}]}`,
			Good: `questions:
  - {id: 1, sql: "select count(*) from orders where country = {{country}}", tags: [{name: country, type: text}]}
dashboards:
  - id: 2
    parameters: [{id: p1, name: Region, type: "string/="}]
    cards:
      - {question: 1, maps: [{param: p1, target: [variable, [template-tag, country]]}]}`,
			Remediation: "Open the dashboard's editor, choose the filter and connect the card again.",
			Severity:    finding.Medium,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Personal:    true,
			Judges:      []catalog.Kind{catalog.KindDashboard},
			Needs:       []catalog.Kind{catalog.KindQuestion},
		},
		Run: func(p *check.Pass) error {
			for d := range p.Dashboards() {
				if d.DetailUnread {
					p.NotEvaluated(d.Ref(), "The cards of the dashboard were not read.")
					continue
				}
				names := map[string]string{}
				for _, x := range d.Parameters {
					names[x.ID] = x.Name
				}
				for i := range d.Cards {
					for _, m := range d.Cards[i].Mappings {
						mapping(p, d, &d.Cards[i], m, names)
					}
				}
			}
			return nil
		},
	}
}

func mapping(p *check.Pass, d *catalog.Dashboard, c *catalog.Dashcard, m catalog.ParameterMapping, names map[string]string) {
	key := []string{c.ID, m.ParameterID, m.QuestionID}
	if c.EntityID != "" {
		key[0] = c.EntityID
	}
	report := func(severity finding.Severity, message string, related ...catalog.Ref) {
		p.Report(d, check.Diagnostic{
			Message: message, Severity: severity, Key: key,
			Evidence: finding.Evidence{Related: related, Texts: map[string]string{"card": c.ID, "parameter": check.Clean(m.ParameterID)}},
		})
	}
	name, known := names[m.ParameterID]
	if !known {
		report(finding.Low, "A card is wired to a filter that the dashboard does not have.")
		return
	}
	name = `"` + check.Clean(name) + `"`
	if m.QuestionID == "" || m.QuestionID == "0" {
		return // a text card
	}
	if m.QuestionID != c.QuestionID && !slices.Contains(c.SeriesIDs, m.QuestionID) {
		report("", fmt.Sprintf("Filter %s is wired to question %s, which is not on the card any more.", name, check.Clean(m.QuestionID)))
		return
	}
	q := p.Index.Question(m.QuestionID)
	if q == nil || q.Unreadable || c.QuestionRefused {
		return // BRK001 speaks about it
	}
	target := mbql.ParseExpr(m.Target)
	for target != nil && target.Kind == mbql.ClauseExpr && len(target.Args) > 0 {
		target = target.Args[0]
	}
	if target == nil {
		return
	}
	switch target.Kind {
	case mbql.TagExpr:
		if q.Query.Language == catalog.LanguageSQL && !hasTag(q, target.Name) {
			report("", fmt.Sprintf("Filter %s is wired to {{%s}}, which the SQL of %s does not have.", name, check.Clean(target.Name), p.Name(q.Ref())), q.Ref())
		}
	case mbql.FieldExpr:
		if n := target.Field.ID.Number; n != 0 {
			switch column := p.Index.ColumnByNumber(n); {
			case column != nil && column.Inactive:
				report("", fmt.Sprintf("Filter %s is wired to column \"%s\" of %s, which is not in the database any more.", name, check.Clean(column.Name), p.Name(q.Ref())), q.Ref(), column.Ref())
			case column == nil && schemaKnown(p, q):
				report("", fmt.Sprintf("Filter %s is wired to a column of %s that does not exist.", name, p.Name(q.Ref())), q.Ref())
			}
		}
	}
}

// hasTag reports whether the SQL contains a tag. A tag that is only declared is
// a leftover, and one inside a snippet reaches the query too.
func hasTag(q *catalog.Question, name string) bool {
	for _, t := range lineage.ParseTemplate(q.Query.SQL).Tags {
		if t.Name == name || t.Kind == lineage.TagSnippet && declares(q.Query.Tags, name) {
			return true
		}
	}
	return false
}

func declares(tags []catalog.TemplateTag, name string) bool {
	for _, t := range tags {
		if t.Name == name {
			return true
		}
	}
	return false
}

// schemaKnown reports whether all columns of the question's database were read,
// so that an unknown number is a column that does not exist.
func schemaKnown(p *check.Pass, q *catalog.Question) bool {
	if _, complete := p.Complete(catalog.KindTable); !complete {
		return false
	}
	read := false
	for _, t := range p.Snapshot.Tables {
		if t.DatabaseID != q.Query.DatabaseID {
			continue
		}
		if t.ColumnsUnread {
			return false
		}
		read = true
	}
	return read
}
