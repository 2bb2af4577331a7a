package checktest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// content adds questions, dashboards and what they are made of.
func (b *builder) content(s *spec) {
	for i := range s.Questions {
		b.question(&s.Questions[i])
	}
	for i := range s.Dashboards {
		b.dashboard(&s.Dashboards[i])
	}
	for _, n := range s.Snippets {
		b.out.Add(&catalog.Snippet{Common: b.common(n.commonSpec, "snippet"), SQL: n.SQL, Tags: tags(n.Tags)})
	}
	for _, d := range s.Segments {
		b.out.Add(&catalog.Segment{Common: b.common(d.commonSpec, "Segment"), TableID: d.Table, Definition: d.Definition})
	}
	for _, d := range s.Measures {
		b.out.Add(&catalog.Measure{Common: b.common(d.commonSpec, "Measure"), TableID: d.Table, Definition: d.Definition, Legacy: d.Legacy})
	}
}

func (b *builder) question(q *questionSpec) {
	kind := q.Type
	if kind == "" {
		kind = catalog.KindQuestion
	}
	database := string(q.Database)
	if database == "" {
		database = "1"
	}
	out := &catalog.Question{
		Common:   b.common(q.commonSpec, "Question"),
		Edited:   catalog.Edited{LastEditorID: string(q.Editor)},
		Exposure: catalog.Exposure{Public: q.Public, Embedded: q.Embedded},
		Type:     kind, Display: q.Display, DatabaseID: database, CollectionID: inRoot(q.In), DashboardID: string(q.Dashboard),
		Pinned: q.Pinned, Verified: q.Verified, Unreadable: q.Unreadable,
		Parameters: parameters(q.Parameters), ClickTargets: b.refsOf(q.Clicks),
	}
	if out.Display == "" {
		out.Display = "table"
	}
	for _, name := range q.Columns {
		column := catalog.ResultColumn{Name: name}
		if catalog.TableOfColumn(name) != "" { // a column's id: it maps to that one
			column = catalog.ResultColumn{Name: name[strings.LastIndex(name, "/")+1:], ColumnID: name}
		}
		out.ResultColumns = append(out.ResultColumns, column)
	}
	b.query(q, out, database)
	b.out.Add(out)
	b.usage(out.Ref(), q.usageSpec, out.CreatedAt)
}

// query fills in the definition: as given, or a count over a question or table.
func (b *builder) query(q *questionSpec, out *catalog.Question, database string) {
	out.Query.DatabaseID = database
	switch {
	case q.Empty, q.Unreadable:
		out.Query = catalog.Query{}
	case q.SQL != "":
		out.Query.Language, out.Query.SQL, out.Query.Tags = catalog.LanguageSQL, q.SQL, tags(q.Tags)
	case len(q.MBQL) > 0:
		out.Query.Language, out.Query.MBQL, out.Query.Dialect = catalog.LanguageMBQL, q.MBQL, "mbql4"
		if strings.Contains(string(q.MBQL), `"lib/type"`) {
			out.Query.Dialect = "mbql5"
		}
	default:
		source := fmt.Sprintf("%d", q.Table)
		switch {
		case q.Source != "":
			source = strconv.Quote("card__" + string(q.Source))
			out.SourceQuestionID = string(q.Source)
		case q.Table == 0:
			source = "7"
		}
		// A row limit of its own keeps queries that a case did not mean to be equal apart.
		limit := fnv.New32a()
		_, _ = limit.Write([]byte(q.ID))
		out.Query.Language, out.Query.Dialect = catalog.LanguageMBQL, "mbql4"
		out.Query.MBQL = json.RawMessage(fmt.Sprintf(
			`{"database":%s,"type":"query","query":{"source-table":%s,"aggregation":[["count"]],"limit":%d}}`,
			database, source, 1+limit.Sum32()))
	}
}

// inRoot reads a collection: none given is the root, "none" is none.
func inRoot(in id) string {
	switch in {
	case "":
		return catalog.RootCollectionID
	case "none":
		return ""
	}
	return string(in)
}

func tags(list []tagSpec) []catalog.TemplateTag {
	var out []catalog.TemplateTag
	for _, t := range list {
		out = append(out, catalog.TemplateTag{
			Name: t.Name, Type: t.Type, WidgetType: t.Widget, QuestionID: string(t.Question),
			SnippetID: string(t.SnippetID), Snippet: t.Snippet, Dimension: t.Dimension,
		})
	}
	return out
}

func parameters(list []parameterSpec) []catalog.Parameter {
	var out []catalog.Parameter
	for _, p := range list {
		one := catalog.Parameter{ID: p.ID, Name: p.Name, Slug: strings.ToLower(p.Name), Type: p.Type, LinkedTo: p.Linked, SourceQuestionID: string(p.Source), Target: p.Target}
		if one.Name == "" {
			one.Name = p.ID
		}
		if one.SourceQuestionID != "" {
			one.SourceType = "card"
		}
		out = append(out, one)
	}
	return out
}

func mappings(list []mappingSpec, question id) []catalog.ParameterMapping {
	var out []catalog.ParameterMapping
	for _, m := range list {
		q := m.Question
		if q == "" {
			q = question
		}
		out = append(out, catalog.ParameterMapping{ParameterID: m.Param, QuestionID: string(q), Target: m.Target})
	}
	return out
}

func (b *builder) dashboard(d *dashboardSpec) {
	out := &catalog.Dashboard{
		Common:       b.common(d.commonSpec, "Dashboard"),
		Exposure:     catalog.Exposure{Public: d.Public, Embedded: d.Embedded},
		CollectionID: inRoot(d.In), Verified: d.Verified, Parameters: parameters(d.Parameters), DetailUnread: d.Unread,
	}
	for i, name := range d.Tabs {
		out.Tabs = append(out.Tabs, catalog.Tab{ID: name, Name: name, Position: i})
	}
	for i, c := range d.Cards {
		card := catalog.Dashcard{
			ID: string(c.ID), TabID: c.Tab, EntityID: c.Entity, QuestionID: string(c.Question), ActionID: string(c.Action), Virtual: c.Virtual,
			Row: i * 4, Width: 12, Height: 4, Mappings: mappings(c.Maps, c.Question), InlineParameters: c.Inline,
			ClickTargets: b.refsOf(c.Clicks), LinkTarget: b.ref(c.Link), QuestionRefused: c.Refused,
		}
		if card.ID == "" {
			card.ID = fmt.Sprintf("%s%03d", d.ID, i+1)
		}
		for _, s := range c.Series {
			card.SeriesIDs = append(card.SeriesIDs, string(s))
		}
		out.Cards = append(out.Cards, card)
	}
	b.out.Add(out)
	b.usage(out.Ref(), d.usageSpec, out.CreatedAt)
}

func deliveries(list []deliverySpec) []catalog.Delivery {
	var out []catalog.Delivery
	for _, d := range list {
		channel := d.Channel
		if channel == "" {
			channel = "email"
		}
		out = append(out, catalog.Delivery{Channel: channel, Enabled: !d.Off, Schedule: "daily 08:00", Recipients: d.Recipients, ExternalRecipients: d.External})
	}
	return out
}

// around adds deliveries, people and the rest.
func (b *builder) around(s *spec) {
	for _, x := range s.Subscriptions {
		b.out.Add(&catalog.Subscription{Common: b.common(x.commonSpec, "Subscription"), DashboardID: string(x.Dashboard), OwnerActive: x.OwnerActive, Deliveries: deliveries(x.Deliveries)})
	}
	for _, x := range s.Alerts {
		b.out.Add(&catalog.Alert{Common: b.common(x.commonSpec, "Alert"), QuestionID: string(x.Question), Condition: "has_result", OwnerActive: x.OwnerActive, Deliveries: deliveries(x.Deliveries)})
	}
	for _, x := range s.Actions {
		b.out.Add(&catalog.Action{Common: b.common(x.commonSpec, "Action"), ModelID: string(x.Model), Type: x.Type, Public: x.Public})
	}
	for _, x := range s.Documents {
		d := &catalog.Document{Common: b.common(x.commonSpec, "Document"), CollectionID: inRoot(x.In)}
		for _, q := range x.Questions {
			d.QuestionIDs = append(d.QuestionIDs, string(q))
		}
		b.out.Add(d)
	}
	for _, x := range s.Transforms {
		b.out.Add(&catalog.Transform{
			Common: b.common(x.commonSpec, "Transform"), CollectionID: inRoot(x.In), SourceType: "query",
			Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: x.SQL}, TargetDatabase: "1", TargetTable: x.Table,
		})
	}
	for _, x := range s.Groups {
		b.out.Add(&catalog.Group{Common: b.common(x.commonSpec, "Group"), Magic: x.Magic, Members: x.Members})
	}
	for _, x := range s.People {
		b.out.Add(&catalog.Person{Common: b.common(x.commonSpec, "Person"), Active: x.Active, Admin: x.Admin})
	}
}
