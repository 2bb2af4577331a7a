package grants

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// copy returns an asset without what points at hidden ones. Parts that name a
// hidden asset in their own words (a query built on a hidden question) are left
// out as a whole, or written over with asterisks of the same length where spans
// into the text must stay true.
func (f *filter) copy(a catalog.Asset) catalog.Asset {
	switch a := a.(type) {
	case *catalog.Question:
		return f.question(a)
	case *catalog.Dashboard:
		return f.dashboard(a)
	case *catalog.Collection:
		c := *a
		if c.ParentID != "" && !f.sees(catalog.Ref{Kind: catalog.KindCollection, ID: c.ParentID}) {
			c.ParentID = catalog.RootCollectionID
		}
		c.CreatorID = f.person(c.CreatorID)
		return &c
	case *catalog.Table:
		return f.table(a)
	case *catalog.Segment:
		c := *a
		c.Definition, c.CreatorID = f.definition(a.Definition), f.person(a.CreatorID)
		c.TableID = f.where(catalog.KindTable, a.TableID)
		return &c
	case *catalog.Measure:
		c := *a
		c.Definition, c.CreatorID = f.definition(a.Definition), f.person(a.CreatorID)
		c.TableID = f.where(catalog.KindTable, a.TableID)
		return &c
	case *catalog.Snippet:
		c := *a
		c.SQL, c.Tags, c.CreatorID, c.CollectionID = f.sql(a.SQL), f.tags(a.Tags), f.person(a.CreatorID), f.where(catalog.KindCollection, a.CollectionID)
		return &c
	case *catalog.Subscription:
		c := *a
		c.QuestionIDs, c.CollectionID, c.CreatorID = f.keep(a.QuestionIDs), f.where(catalog.KindCollection, a.CollectionID), f.person(a.CreatorID)
		return &c
	case *catalog.Alert:
		c := *a
		c.CreatorID = f.person(a.CreatorID)
		return &c
	case *catalog.Action:
		c := *a
		c.SQL, c.CreatorID = f.sql(a.SQL), f.person(a.CreatorID)
		return &c
	case *catalog.Document:
		c := *a
		c.QuestionIDs, c.Links, c.CreatorID = f.keep(a.QuestionIDs), f.refs(a.Links), f.person(a.CreatorID)
		return &c
	case *catalog.Database:
		c := *a
		c.CreatorID = f.person(a.CreatorID)
		return &c
	}
	return a
}

// where is an id of something visible, else empty.
func (f *filter) where(k catalog.Kind, id string) string {
	if id != "" && f.sees(catalog.Ref{Kind: k, ID: id}) {
		return id
	}
	return ""
}

func (f *filter) person(id string) string { return f.where(catalog.KindPerson, id) }

func (f *filter) question(a *catalog.Question) *catalog.Question {
	c := *a
	c.Query.SQL, c.Query.Tags = f.sql(a.Query.SQL), f.tags(a.Query.Tags)
	c.Query.MBQL = f.definition(a.Query.MBQL)
	c.DatabaseID, c.Query.DatabaseID = f.where(catalog.KindDatabase, a.DatabaseID), f.where(catalog.KindDatabase, a.Query.DatabaseID)
	c.TableID = f.where(catalog.KindTable, a.TableID)
	c.SourceQuestionID = f.where(catalog.KindQuestion, a.SourceQuestionID)
	c.DashboardID = f.where(catalog.KindDashboard, a.DashboardID)
	c.DocumentID = f.where(catalog.KindDocument, a.DocumentID)
	if a.CollectionID != catalog.RootCollectionID {
		c.CollectionID = f.where(catalog.KindCollection, a.CollectionID)
	}
	c.Parameters, c.Mappings = f.parameters(a.Parameters), f.mappings(a.Mappings)
	c.ClickTargets = f.refs(a.ClickTargets)
	if len(c.ClickTargets) != len(a.ClickTargets) {
		c.Visualization = nil // it says where clicks lead
	}
	c.CreatorID, c.LastEditorID = f.person(a.CreatorID), f.person(a.LastEditorID)
	c.ResultColumns = slices.Clone(a.ResultColumns)
	for i := range c.ResultColumns {
		col := &c.ResultColumns[i]
		if col.ColumnID != "" && !f.sees(catalog.Ref{Kind: catalog.KindColumn, ID: col.ColumnID}) {
			col.ColumnID, col.FieldRef, col.Description = "", nil, ""
		}
	}
	return &c
}

func (f *filter) dashboard(a *catalog.Dashboard) *catalog.Dashboard {
	c := *a
	if a.CollectionID != catalog.RootCollectionID {
		c.CollectionID = f.where(catalog.KindCollection, a.CollectionID)
	}
	c.CreatorID, c.LastEditorID = f.person(a.CreatorID), f.person(a.LastEditorID)
	c.Parameters = f.parameters(a.Parameters)
	c.Cards = slices.Clone(a.Cards)
	for i := range c.Cards {
		d := &c.Cards[i]
		if d.QuestionID != "" && !f.card(d.QuestionID) {
			d.QuestionID, d.QuestionRefused = "", true
		}
		d.SeriesIDs, d.Mappings, d.ClickTargets = f.keep(d.SeriesIDs), f.mappings(d.Mappings), f.refs(d.ClickTargets)
		d.ActionID = f.where(catalog.KindAction, d.ActionID)
		if !d.LinkTarget.IsZero() && !f.sees(d.LinkTarget) {
			d.LinkTarget = catalog.Ref{}
		}
	}
	return &c
}

func (f *filter) table(a *catalog.Table) *catalog.Table {
	c := *a
	c.CreatorID, c.OwnerID, c.TransformID = f.person(a.CreatorID), f.person(a.OwnerID), ""
	c.Columns = nil
	for _, col := range a.Columns {
		if !f.sees(col.Ref()) {
			continue
		}
		one := *col
		one.FKTargetID, one.ParentID = f.where(catalog.KindColumn, col.FKTargetID), f.where(catalog.KindColumn, col.ParentID)
		c.Columns = append(c.Columns, &one)
	}
	return &c
}

func (f *filter) parameters(list []catalog.Parameter) []catalog.Parameter {
	list = slices.Clone(list)
	for i := range list {
		if p := &list[i]; p.SourceQuestionID != "" && !f.card(p.SourceQuestionID) {
			p.SourceQuestionID, p.SourceValueField, p.SourceLabelField = "", nil, nil
		}
	}
	return list
}

func (f *filter) mappings(list []catalog.ParameterMapping) []catalog.ParameterMapping {
	return slices.DeleteFunc(slices.Clone(list), func(m catalog.ParameterMapping) bool { return m.QuestionID != "" && !f.card(m.QuestionID) })
}

// cardTag matches {{#12}} and {{#12-a-slug}}.
var cardTag = regexp.MustCompile(`\{\{\s*#\s*([A-Za-z0-9_]+)[^}]*\}\}`)

// sql writes over what names hidden questions, so that every other byte stays in
// its place.
func (f *filter) sql(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	var b strings.Builder
	last := 0
	for _, m := range cardTag.FindAllStringSubmatchIndex(text, -1) {
		if f.card(text[m[2]:m[3]]) {
			continue
		}
		b.WriteString(text[last:m[0]])
		b.WriteString("{{#" + strings.Repeat("*", m[1]-m[0]-5) + "}}")
		last = m[1]
	}
	b.WriteString(text[last:])
	return b.String()
}

// tags drops declared tags that stand for hidden questions.
func (f *filter) tags(list []catalog.TemplateTag) []catalog.TemplateTag {
	return slices.DeleteFunc(slices.Clone(list), func(t catalog.TemplateTag) bool {
		switch {
		case t.QuestionID != "":
			return !f.card(t.QuestionID)
		case strings.HasPrefix(t.Name, "#"):
			id, _, _ := strings.Cut(strings.TrimPrefix(t.Name, "#"), "-")
			return !f.card(id)
		case t.SnippetID != "":
			return !f.sees(catalog.Ref{Kind: catalog.KindSnippet, ID: t.SnippetID})
		}
		return false
	})
}

// definition returns a query of Metabase's own language, or nothing when it
// names something hidden. What cannot be read counts as that.
func (f *filter) definition(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return raw
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || !f.clean(v) {
		return nil
	}
	return raw
}

// clean reports whether everything that a decoded query names is visible. Tables
// and columns count too: a query may name by number what lineage did not find.
func (f *filter) clean(v any) bool {
	switch v := v.(type) {
	case string:
		if id, ok := strings.CutPrefix(v, "card__"); ok {
			return f.card(id)
		}
	case []any:
		if !f.clause(v) {
			return false
		}
		for _, one := range v {
			if !f.clean(one) {
				return false
			}
		}
	case map[string]any:
		for key, one := range v {
			if !f.entry(key, one) || !f.clean(one) {
				return false
			}
		}
	}
	return true
}

// clause looks at ["metric", …, 12] and its like in either argument order.
func (f *filter) clause(list []any) bool {
	if len(list) < 2 {
		return true
	}
	head, _ := list[0].(string)
	var kind catalog.Kind
	switch strings.ToLower(head) {
	case "metric", "card":
		kind = catalog.KindQuestion
	case "segment":
		kind = catalog.KindSegment
	case "measure":
		kind = catalog.KindMeasure
	default:
		return true
	}
	for _, one := range list[1:] {
		var id string
		switch one := one.(type) {
		case json.Number:
			id = one.String()
		case string:
			id = one
		default:
			continue
		}
		if f.sees(catalog.Ref{Kind: kind, ID: id}) || head == "metric" && f.sees(catalog.Ref{Kind: catalog.KindMeasure, ID: id}) {
			continue
		}
		return false
	}
	return true
}

func (f *filter) entry(key string, v any) bool {
	var id string
	switch v := v.(type) {
	case json.Number:
		id = v.String()
	case string:
		id = v
	default:
		return true
	}
	switch strings.ReplaceAll(key, "_", "-") {
	case "source-card", "card-id", "source-card-id":
		return f.card(id)
	case "source-table", "table-id":
		if strings.HasPrefix(id, "card__") {
			return true // looked at as text
		}
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return f.full.Question(id) == nil || f.card(id) // an export names cards by entity id
		}
		t := f.full.TableByNumber(n)
		return t == nil || f.sees(t.Ref())
	case "snippet-id":
		return f.sees(catalog.Ref{Kind: catalog.KindSnippet, ID: id})
	}
	return true
}
