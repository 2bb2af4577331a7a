package impact

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
)

// filters lists the filters of a dashboard or question that work on a root.
func (j *judge) filters(r catalog.Ref, n *node) []Filter {
	if len(n.uses) == 0 {
		return nil
	}
	var out []Filter
	switch a := j.body(r).(type) {
	case *catalog.Dashboard:
		bound := map[string]bool{}
		for i := range a.Cards {
			for _, m := range a.Cards[i].Mappings {
				id := m.QuestionID
				if id == "" {
					id = a.Cards[i].QuestionID
				}
				if j.bound(m.Target, id) {
					bound[m.ParameterID] = true
				}
			}
		}
		for _, p := range a.Parameters {
			if bound[p.ID] || j.choices(p) {
				out = append(out, Filter{p.ID, p.Name})
			}
		}
	case *catalog.Question:
		for _, t := range a.Query.Tags {
			if t.Type != "dimension" && t.Type != "temporal-unit" {
				continue
			}
			if c := j.field(mbql.ParseExpr(t.Dimension)); c != "" && j.columns[c] {
				name := t.Display
				if name == "" {
					name = t.Name
				}
				out = append(out, Filter{t.Name, name})
			}
		}
		for _, p := range a.Parameters {
			if (j.bound(p.Target, a.ID) && !slices.ContainsFunc(out, func(f Filter) bool { return f.ID == tagOf(p.Target) })) || j.choices(p) {
				out = append(out, Filter{p.ID, p.Name})
			}
		}
	}
	return out
}

// choices reports whether the values a filter offers come from a root.
func (j *judge) choices(p catalog.Parameter) bool {
	return p.SourceQuestionID != "" && (j.bound(p.SourceValueField, p.SourceQuestionID) || j.bound(p.SourceLabelField, p.SourceQuestionID))
}

// bound reports whether a filter's target is a root's value in a question.
func (j *judge) bound(target json.RawMessage, questionID string) bool {
	e := mbql.ParseExpr(target)
	for e != nil && e.Kind == mbql.ClauseExpr && len(e.Args) > 0 {
		e = e.Args[0]
	}
	if e == nil {
		return false
	}
	q := j.in.Index.Question(questionID)
	switch e.Kind {
	case mbql.FieldExpr:
		if c := j.field(e); c != "" {
			return j.columns[c]
		}
		return q != nil && j.carries(q.Ref(), e.Field.Name)
	case mbql.ExpressionExpr:
		return q != nil && j.carries(q.Ref(), e.Name)
	case mbql.TagExpr:
		if q == nil {
			return false
		}
		body, ok := j.body(q.Ref()).(*catalog.Question)
		if !ok {
			return false
		}
		for _, t := range body.Query.Tags {
			if t.Name == e.Name {
				c := j.field(mbql.ParseExpr(t.Dimension))
				return c != "" && j.columns[c]
			}
		}
	default:
	}
	return false
}

// carries reports whether a column of a question's result has a root's value.
func (j *judge) carries(r catalog.Ref, column string) bool {
	n := j.walk.nodes[r]
	return n != nil && slices.ContainsFunc(n.uses, func(u use) bool { return u.output != "" && strings.EqualFold(u.output, column) })
}

// tagOf is the template tag that a target points at.
func tagOf(target json.RawMessage) string {
	e := mbql.ParseExpr(target)
	for e != nil && e.Kind == mbql.ClauseExpr && len(e.Args) > 0 {
		e = e.Args[0]
	}
	if e == nil || e.Kind != mbql.TagExpr {
		return ""
	}
	return e.Name
}
