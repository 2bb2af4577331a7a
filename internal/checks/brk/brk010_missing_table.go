package brk

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// BRK010 finds queries over tables that are gone.
func BRK010() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK010",
			Slug:   "missing-table",
			Title:  "A query over a table that is not in the database any more",
			Family: check.Broken,
			Why: "The table was dropped or renamed, or the account Metabase uses lost its rights. Every question on it fails, and so does what is built " +
				"on them.\n\nQuery-builder queries name tables by number and are judged with certainty. SQL is judged where it was analysed: a name that " +
				"Metabase does not list is likely gone, unless its schema is one that Metabase does not list at all.",
			Bad: `tables: [{id: 1/public/orders, number: 7, inactive: true}]
questions: [{id: 1, table: 7}]`,
			Good: `tables: [{id: 1/public/orders, number: 7}]
questions: [{id: 1, table: 7}]`,
			Remediation: "Sync the database's schema in Metabase; if the table is really gone, rebuild on what replaced it.",
			Severity:    finding.High,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Default:     true,
			Personal:    true,
			Judges:      append(queryKinds(), catalog.KindSegment, catalog.KindMeasure),
			Needs:       []catalog.Kind{catalog.KindTable},
		},
		Run: func(p *check.Pass) error {
			for a := range p.Subjects() {
				if q, ok := a.(*catalog.Question); ok && q.Unreadable {
					p.NotEvaluated(q.Ref(), "Its query could not be read.")
					continue
				}
				missingTables(p, a)
			}
			return nil
		},
	}
}

func missingTables(p *check.Pass, a catalog.Asset) {
	seen := map[catalog.Ref]bool{}
	for _, e := range p.Graph.Sources(a.Ref()) {
		if e.From.Kind != catalog.KindTable || seen[e.From] {
			continue
		}
		seen[e.From] = true
		if t := p.Index.Table(e.From.ID); t != nil && t.Inactive {
			p.Report(a, check.Diagnostic{
				Message:    fmt.Sprintf("Reads %s, which is not in the database any more.", tableName(p, e.From)),
				Evidence:   finding.Evidence{Related: []catalog.Ref{e.From}, Spans: p.Mentions(a.Ref(), e.From)},
				Key:        []string{e.From.ID},
				Confidence: e.Confidence,
			})
		}
	}
	for _, u := range p.Unresolved(a.Ref()) {
		switch {
		case hasReason(u, "schema_unread"):
			p.NotEvaluated(a.Ref(), "The tables of its database were not read.")
		case hasReason(u, "sql_not_analysed", "not_sql"):
			p.NotEvaluated(a.Ref(), unanalysed(u))
		case hasReason(u, "unknown_table") && u.Target.Kind == catalog.KindTable && !seen[u.Target]:
			seen[u.Target] = true
			d := check.Diagnostic{
				Message:  fmt.Sprintf("Reads %s, which is not in the database.", tableName(p, u.Target)),
				Evidence: finding.Evidence{Related: []catalog.Ref{u.Target}, Spans: spans(u)},
				Key:      []string{u.Target.ID},
			}
			if u.Span != nil {
				d.Confidence = finding.Likely // read from SQL text
			}
			unsure(p, catalog.KindTable, &d)
			p.Report(a, d)
		case hasReason(u, "unknown_table") && u.Target.IsZero() && u.Span != nil:
			namedTable(p, a, u)
		}
	}
}

// namedTable judges a table that SQL names and the scan does not know. Metabase
// may have been told to leave its schema out.
func namedTable(p *check.Pass, a catalog.Asset, u lineage.Unresolved) {
	query, _ := check.SQLOf(a)
	parts := strings.Split(u.Detail, ".")
	known, schemas := len(parts) == 1, map[string]bool{}
	for _, t := range p.Snapshot.Tables {
		if t.DatabaseID != query.DatabaseID {
			continue
		}
		schemas[t.Schema] = true
		known = known || len(parts) == 2 && strings.EqualFold(parts[0], t.Schema)
	}
	if !known {
		p.NotEvaluated(a.Ref(), "Its SQL names a table of a schema that Metabase does not list.")
		return
	}
	d := check.Diagnostic{
		Message:    fmt.Sprintf("Reads %s, which is not among the tables that Metabase lists.", strconv.Quote(check.Clean(u.Detail))),
		Evidence:   finding.Evidence{Spans: spans(u)},
		Key:        []string{strings.ToLower(u.Detail)},
		Confidence: finding.Likely,
	}
	if len(parts) == 1 && len(schemas) > 1 {
		d.Confidence = finding.Possible // of a schema that is not listed, perhaps
	}
	unsure(p, catalog.KindTable, &d)
	p.Report(a, d)
}
