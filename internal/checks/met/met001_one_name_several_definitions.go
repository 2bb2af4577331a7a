package met

import (
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
)

// MET001 finds figures of one name that are computed in several ways.
func MET001() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "MET001",
			Slug:   "one-name-several-definitions",
			Title:  "A figure that is computed otherwise elsewhere under the same name",
			Family: check.Metrics,
			Why: "Two dashboards say \"Revenue\" and show different numbers, and both are right by their own query. Until somebody compares the " +
				"queries, the meeting is about whose number is wrong.\n\nNames are those of metrics and measures, of questions that show a single " +
				"figure, and of named aggregations and columns. Case, plural, word order and words such as \"total\" do not matter. Definitions are " +
				"compared by what they aggregate, over which tables, with which fixed conditions; the period, filters that readers set, rounding and " +
				"grouping are no part of it. Mere columns count only where their definitions read a table in common and none is a slice of another (revenue of one country), and queries that are not simple are " +
				"left out. The definition to go by is that of a metric or verified question, else the most used one; what computes it otherwise is reported.",
			Bad: `questions:
  - {id: 1, type: metric, name: Revenue, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[sum, [field, 73, null]]], filter: ["=", [field, 72, null], paid]}}}
  - {id: 2, name: Total revenue, sql: "select sum(total) from orders"}`,
			Good: `questions:
  - {id: 1, type: metric, name: Revenue, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[sum, [field, 73, null]]], filter: ["=", [field, 72, null], paid]}}}
  - {id: 2, name: Revenue with unpaid orders, sql: "select sum(total) from orders"}`,
			Remediation: "Agree on one definition, make it a metric, and use that; or give the other figure a name that says what is different.",
			Severity:    finding.High,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Default:     true,
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindMeasure},
		},
		Run: func(p *check.Pass) error {
			unread(p)
			subjects := judged(p)
			for _, c := range p.Conflicts {
				if c.Kind != similar.OneName {
					continue
				}
				first := c.Definitions[0]
				for _, d := range c.Definitions[1:] {
					for _, u := range d.Uses {
						a := subjects[u.Asset]
						if a == nil {
							continue
						}
						severity := finding.Severity("")
						if u.Column != "" && a.Ref().Kind == catalog.KindQuestion && a.Title() != u.Name {
							severity = finding.Medium // one column of several
						}
						texts := map[string]string{"here": check.Clean(d.Text), "there": check.Clean(first.Text)}
						difference := ""
						if len(d.Words) > 0 {
							var words []string
							for _, w := range d.Words {
								words = append(words, check.Clean(w))
							}
							texts["differences"] = strings.Join(words, "; ")
							difference = " This one " + sentence(words[0])
						}
						p.Report(a, check.Diagnostic{
							Message: fmt.Sprintf("Its %s is not the one of %s (%s in all).%s", quoted(u.Name), p.Name(first.Uses[0].Asset),
								check.Count(len(c.Definitions), "definition", "definitions"), difference),
							Key:      []string{c.ID, u.Column},
							Severity: severity,
							Evidence: finding.Evidence{Numbers: map[string]float64{"definitions": float64(len(c.Definitions))}, Texts: texts, Related: related(c.Definitions, mostRelated)},
						})
					}
				}
			}
			return nil
		},
	}
}

// quoted is a name of other people's as messages show it.
func quoted(name string) string { return `"` + check.Clean(name) + `"` }
