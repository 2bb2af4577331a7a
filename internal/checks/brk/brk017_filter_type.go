package brk

import (
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/mbql"
)

// BRK017 finds field filters whose widget does not fit their column.
func BRK017() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "BRK017",
			Slug:   "filter-of-another-type",
			Title:  "A field filter whose widget does not fit its column",
			Family: check.Broken,
			Why: "The widget decides what the filter sends: a range of dates for a text column makes the database fail or find nothing. It happens when " +
				"a column changes its type, or a filter is mapped to another column.\n\nA type that Metabase was told to read the column as counts.",
			Bad: `tables: [{id: 1/public/orders, number: 7, columns: [{name: status, number: 72, type: Text}]}]
questions: [{id: 1, sql: "select * from orders where {{when}}", tags: [{name: when, type: dimension, widget: date/all-options, dimension: [field, 72, null]}]}]`,
			Good: `tables: [{id: 1/public/orders, number: 7, columns: [{name: created_at, number: 74, type: DateTime}]}]
questions: [{id: 1, sql: "select * from orders where {{when}}", tags: [{name: when, type: dimension, widget: date/all-options, dimension: [field, 74, null]}]}]`,
			Remediation: "Choose the right column in the variable's settings, or a widget that fits it.",
			Severity:    finding.Medium,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Personal:    true,
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel},
			Needs:       []catalog.Kind{catalog.KindTable},
		},
		Run: func(p *check.Pass) error {
			for q := range p.Questions() {
				if q.Unreadable {
					p.NotEvaluated(q.Ref(), "Its query could not be read.")
					continue
				}
				for _, t := range q.Query.Tags {
					if t.Type == "dimension" {
						widget(p, q, t)
					}
				}
			}
			return nil
		},
	}
}

func widget(p *check.Pass, q *catalog.Question, t catalog.TemplateTag) {
	e := mbql.ParseExpr(t.Dimension)
	if e == nil || e.Kind != mbql.FieldExpr || e.Field.ID.Number == 0 {
		return
	}
	column := p.Index.ColumnByNumber(e.Field.ID.Number)
	if column == nil || column.Inactive {
		return // BRK012
	}
	base := column.EffectiveType
	if base == "" {
		base = column.BaseType
	}
	asks, _, _ := strings.Cut(t.WidgetType, "/")
	is := holds(base)
	if is == "" || !clash(asks, is) {
		return
	}
	var spans []finding.Span
	for _, use := range lineage.ParseTemplate(q.Query.SQL).Tags {
		if use.Name == t.Name {
			spans = append(spans, use.Span)
		}
	}
	if len(spans) == 0 {
		return // a leftover
	}
	p.Report(q, check.Diagnostic{
		Message:  fmt.Sprintf("Field filter {{%s}} asks for a %s, and its column \"%s\" holds %s.", check.Clean(t.Name), asks, check.Clean(column.Name), is),
		Evidence: finding.Evidence{Spans: spans, Related: []catalog.Ref{column.Ref()}},
		Key:      []string{t.Name},
	})
}

// holds is what a column holds, "" where that is not sure.
func holds(base string) string {
	switch base {
	case "type/Text":
		return "texts"
	case "type/Integer", "type/BigInteger", "type/Float", "type/Decimal":
		return "numbers"
	case "type/Boolean":
		return "yes or no"
	}
	if strings.HasPrefix(base, "type/Date") || base == "type/Instant" {
		return "dates"
	}
	return ""
}

// clash reports whether a widget's values cannot be compared with a column's.
// Ids, categories and places are read as the column's type.
func clash(widget, column string) bool {
	switch widget {
	case "date":
		return column != "dates"
	case "number":
		return column == "texts" || column == "dates" || column == "yes or no"
	case "string":
		return column == "dates" || column == "numbers"
	case "boolean":
		return column == "dates" || column == "texts"
	}
	return false
}
