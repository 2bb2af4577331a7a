package dup

import (
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
)

// DUP007 finds conditions that are written out again and again.
func DUP007() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DUP007",
			Slug:   "filter-wants-segment",
			Title:  "A filter that many questions repeat",
			Family: check.Duplication,
			Why: "When the same condition stands in many questions, it is a rule of the business: what a paid order or an internal account is. Written " +
				"out, the rule changes question by question, and some are forgotten. A segment says it once, under a name.\n\nOnly fixed conditions of " +
				"the query builder on one table count: not those that choose a period, not those that readers set, and not those that a segment says " +
				"already. The table is reported.",
			Bad: `questions:
  - {id: 1, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[count]], filter: ["=", [field, 72, null], paid]}}}
  - {id: 2, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[sum, [field, 73, null]]], filter: ["=", [field, 72, null], paid]}}}
  - {id: 3, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[avg, [field, 73, null]]], filter: ["=", [field, 72, null], paid]}}}
  - {id: 4, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[max, [field, 73, null]]], filter: ["=", [field, 72, null], paid]}}}
  - {id: 5, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[min, [field, 73, null]]], filter: ["=", [field, 72, null], paid]}}}
  - {id: 6, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[median, [field, 73, null]]], filter: ["=", [field, 72, null], paid]}}}
  - {id: 8, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[distinct, [field, 73, null]]], filter: ["=", [field, 72, null], paid]}}}
  - {id: 9, mbql: {database: 1, type: query, query: {source-table: 7, breakout: [[field, 73, null]], filter: ["=", [field, 72, null], paid]}}}`,
			Good: `segments: [{id: 4, name: Paid orders, table: 1/public/orders, definition: {source-table: 7, filter: ["=", [field, 72, null], paid]}}]
questions:
  - {id: 1, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[count]], filter: [segment, 4]}}}
  - {id: 2, mbql: {database: 1, type: query, query: {source-table: 7, aggregation: [[sum, [field, 73, null]]], filter: [segment, 4]}}}`,
			Remediation: "Make it a segment of the table, and use the segment in these questions.",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindTable},
			Needs:       []catalog.Kind{catalog.KindQuestion},
			Params: []check.Param{{
				Name: "questions", Title: "Questions that must repeat a filter", Type: check.IntParam, Default: "8", Min: 3, Max: 1000,
			}},
		},
		Run: func(p *check.Pass) error {
			for _, f := range similar.RepeatedFilters(p.Index, p.Int("questions")) {
				table := p.Index.Table(f.TableID)
				if table == nil {
					continue
				}
				text := check.Clean(f.Text)
				d := check.Diagnostic{
					Message:  fmt.Sprintf("%s repeat the filter %s.", check.Count(len(f.Questions), "question", "questions"), text),
					Key:      []string{f.ID},
					Evidence: finding.Evidence{Numbers: map[string]float64{"questions": float64(len(f.Questions))}, Texts: map[string]string{"filter": text}, Related: f.Questions},
				}
				if !f.Segment.IsZero() {
					d.Message = fmt.Sprintf("%s write out the filter %s, which the segment %s says.", check.Count(len(f.Questions), "question", "questions"), text, p.Name(f.Segment))
					d.Remediation = "Use the segment in these questions."
				}
				p.Report(table, d)
			}
			return nil
		},
	}
}
