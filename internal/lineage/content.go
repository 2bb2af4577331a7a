package lineage

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/mbql"
)

// apply records what a query reads as uses by an asset.
func (b *builder) apply(to catalog.Ref, r *reading) {
	for _, e := range r.edges {
		b.edge(e.From, to, e.Via, e.Confidence)
	}
	for _, u := range r.unresolved {
		u.Asset = to
		b.unresolved = append(b.unresolved, u)
	}
	var unsure map[string]finding.Confidence
	for _, c := range r.columns {
		if c.confidence != finding.Certain {
			if unsure == nil {
				unsure = map[string]finding.Confidence{}
			}
			unsure[c.column] = c.confidence
		}
	}
	values := map[string]bool{}
	for _, o := range r.outputs {
		for _, s := range o.Sources {
			values[s.Name] = true
			confidence, ok := unsure[s.Name]
			if !ok {
				confidence = finding.Certain
			}
			b.columnEdge(s.Name, to, o.Name, ViaQuery, confidence)
		}
	}
	for _, c := range r.columns {
		switch c.use {
		case mbql.UseFilter:
			b.columnEdge(c.column, to, "", ViaFilter, c.confidence)
		case mbql.UseJoin:
			b.columnEdge(c.column, to, "", ViaJoin, c.confidence)
		default: // a value that does not reach the result, a group, an order
			if !values[c.column] {
				b.columnEdge(c.column, to, "", ViaQuery, c.confidence)
			}
		}
	}
}

func (b *builder) question(q *catalog.Question) {
	ref := q.Ref()
	if q.Unreadable {
		b.missing(ref, "not_readable", "the definition could not be read", catalog.Ref{})
		b.recorded(ref, q)
	} else if c := b.card(q.ID); c != nil {
		b.apply(ref, c.reading)
		if q.Query.Language == catalog.LanguageNone && len(q.Query.MBQL) == 0 {
			b.recorded(ref, q)
		}
	}
	b.parameters(ref, q.Parameters)
	for _, t := range q.ClickTargets {
		b.navigation = append(b.navigation, Navigation{ref, t})
	}
}

// recorded uses what Metabase itself noted about a question whose query is not
// known.
func (b *builder) recorded(ref catalog.Ref, q *catalog.Question) {
	if q.SourceQuestionID != "" {
		if source := b.index.Question(q.SourceQuestionID); source != nil {
			via := ViaSourceCard
			if source.Type == catalog.KindModel {
				via = ViaModel
			}
			b.edge(source.Ref(), ref, via, finding.Likely)
			return
		}
	}
	if t := b.index.Table(q.TableID); t != nil {
		b.edge(t.Ref(), ref, ViaQuery, finding.Likely)
	}
}

// parameters records the questions that feed the choices of filters.
func (b *builder) parameters(ref catalog.Ref, list []catalog.Parameter) {
	for _, p := range list {
		if p.SourceQuestionID == "" {
			continue
		}
		q := b.index.Question(p.SourceQuestionID)
		if q == nil {
			b.missing(ref, "missing_question", "the source of filter "+p.Name, catalog.Ref{Kind: catalog.KindQuestion, ID: p.SourceQuestionID})
			continue
		}
		b.edge(q.Ref(), ref, ViaParameterSource, finding.Certain)
		for _, raw := range []json.RawMessage{p.SourceValueField, p.SourceLabelField} {
			for _, id := range b.columnsOf(raw, q.ID) {
				b.columnEdge(id, ref, "", ViaParameterSource, finding.Certain)
			}
		}
	}
}

// columnsOf finds the physical columns behind a reference into a question's
// result.
func (b *builder) columnsOf(raw json.RawMessage, questionID string) []string {
	e := mbql.ParseExpr(raw)
	for e != nil && e.Kind == mbql.ClauseExpr && len(e.Args) > 0 { // ["dimension", ref]
		e = e.Args[0]
	}
	if e == nil || e.Kind != mbql.FieldExpr && e.Kind != mbql.ExpressionExpr {
		return nil
	}
	if e.Kind == mbql.FieldExpr && !e.Field.ID.IsZero() {
		if c := b.findColumn(e.Field.ID); c != nil {
			return []string{c.ID}
		}
		return nil
	}
	name := e.Name
	if e.Kind == mbql.FieldExpr {
		name = e.Field.Name
	}
	var out []string
	if c := b.card(questionID); c != nil {
		for _, o := range c.own {
			if o.Name == name {
				for _, s := range o.Sources {
					out = append(out, s.Name)
				}
				break
			}
		}
	}
	return out
}

func (b *builder) dashboard(d *catalog.Dashboard) {
	ref := d.Ref()
	for i := range d.Cards {
		c := &d.Cards[i]
		b.tile(ref, c.QuestionID, ViaDashcard, c.QuestionRefused)
		for _, id := range c.SeriesIDs {
			b.tile(ref, id, ViaSeries, false)
		}
		if c.ActionID != "" {
			action := catalog.Ref{Kind: catalog.KindAction, ID: c.ActionID}
			if b.index.Asset(action) != nil {
				b.edge(action, ref, ViaDashcard, finding.Certain)
			}
		}
		for _, m := range c.Mappings {
			id := m.QuestionID
			if id == "" {
				id = c.QuestionID
			}
			for _, column := range b.target(m.Target, id) {
				b.columnEdge(column, ref, "", ViaFilter, finding.Certain)
			}
		}
		for _, t := range c.ClickTargets {
			b.navigation = append(b.navigation, Navigation{ref, t})
		}
		if !c.LinkTarget.IsZero() {
			b.navigation = append(b.navigation, Navigation{ref, c.LinkTarget})
		}
	}
	b.parameters(ref, d.Parameters)
}

// target finds the columns that a dashboard filter narrows: of a reference, or
// of the field filter that a template tag declares.
func (b *builder) target(raw json.RawMessage, questionID string) []string {
	e := mbql.ParseExpr(raw)
	if e != nil && e.Kind == mbql.ClauseExpr && len(e.Args) > 0 && e.Args[0].Kind == mbql.TagExpr {
		if q := b.index.Question(questionID); q != nil {
			for _, t := range q.Query.Tags {
				if t.Name == e.Args[0].Name {
					return b.columnsOf(t.Dimension, questionID)
				}
			}
		}
		return nil
	}
	return b.columnsOf(raw, questionID)
}

func (b *builder) tile(ref catalog.Ref, questionID string, via Via, refused bool) {
	if questionID == "" {
		return
	}
	if q := b.index.Question(questionID); q != nil {
		b.edge(q.Ref(), ref, via, finding.Certain)
		return
	}
	reason := "missing_question"
	if refused {
		reason = "refused_question"
	}
	b.missing(ref, reason, "question "+questionID, catalog.Ref{Kind: catalog.KindQuestion, ID: questionID})
}

func (b *builder) segment(s *catalog.Segment) {
	b.definition(s.Ref(), s.TableID, s.Definition)
}

func (b *builder) measure(m *catalog.Measure) {
	b.definition(m.Ref(), m.TableID, m.Definition)
}

func (b *builder) definition(ref catalog.Ref, tableID string, definition json.RawMessage) {
	if t := b.index.Table(tableID); t != nil {
		b.edge(t.Ref(), ref, ViaQuery, finding.Certain)
	} else if tableID != "" {
		database, _, _, _, _ := catalog.SplitID(tableID)
		b.missing(ref, b.schemaReason("unknown_table", database), "the table it is defined on", catalog.Ref{Kind: catalog.KindTable, ID: tableID})
	}
	if len(definition) == 0 {
		return
	}
	q, err := mbql.Parse(definition)
	if err != nil {
		b.missing(ref, "not_parsed", "the definition is no MBQL", catalog.Ref{})
		return
	}
	if len(q.Stages) > 0 && q.Stages[0].SourceTable.IsZero() && q.Stages[0].SourceCard == "" && tableID != "" {
		q.Stages[0].SourceTable = tableKey(tableID) // definitions may leave it to the row
	}
	database, _, _, _, _ := catalog.SplitID(tableID)
	r := &reading{database: database}
	refs := q.References(b)
	b.readReferences(r, refs)
	if len(q.Stages) > 0 && len(q.Stages[0].Aggregations) > 0 {
		r.outputs = refs.Outputs
	} else { // a segment answers with nothing: only its conditions count
		r.columns = slices.DeleteFunc(r.columns, func(c columnUse) bool { return c.use == mbql.UseValue })
	}
	b.apply(ref, r)
}

func (b *builder) snippet(s *catalog.Snippet) {
	r := &reading{}
	b.readTags(r, s.SQL, declared(s.Tags), nil)
	b.apply(s.Ref(), r)
}

func (b *builder) subscription(s *catalog.Subscription) {
	ref := s.Ref()
	if s.DashboardID != "" {
		if d := b.index.Dashboard(s.DashboardID); d != nil {
			b.edge(d.Ref(), ref, ViaSubscription, finding.Certain)
			return // its questions are those of the dashboard
		}
		b.missing(ref, "missing_dashboard", "dashboard "+s.DashboardID, catalog.Ref{Kind: catalog.KindDashboard, ID: s.DashboardID})
	}
	for _, id := range s.QuestionIDs {
		b.tile(ref, id, ViaSubscription, false)
	}
}

func (b *builder) alert(a *catalog.Alert) {
	b.tile(a.Ref(), a.QuestionID, ViaAlert, false)
}

func (b *builder) transform(t *catalog.Transform) {
	ref := t.Ref()
	if t.Query.Language != catalog.LanguageNone || len(t.Query.MBQL) > 0 {
		b.apply(ref, b.read(ref, &t.Query))
	}
	for _, id := range tableRefs(t.SourceTables) {
		if table := b.findTable(id); table != nil {
			b.edge(table.Ref(), ref, ViaQuery, finding.Certain)
			continue
		}
		r := &reading{database: cmp.Or(t.Query.DatabaseID, t.TargetDatabase)}
		b.gapOf(r, mbql.Unresolved{Reason: "unknown_table", Detail: "a source of the transform", Table: id})
		b.apply(ref, r)
	}
	if t.TargetTable == "" {
		return
	}
	id := catalog.TableID(b.databaseID(t.TargetDatabase), t.TargetSchema, t.TargetTable)
	target := catalog.Ref{Kind: catalog.KindTable, ID: id}
	if b.index.Table(id) != nil {
		b.edge(ref, target, ViaTransform, finding.Certain)
		return
	}
	b.missing(ref, b.schemaReason("target_missing", b.databaseID(t.TargetDatabase)), "the table it writes is not in the schema: it has not run yet, or the table was dropped", target)
}

// tableRefs finds the table references in a value of any shape: a transform's
// source tables are a map of names to numbers, portable paths or objects.
func tableRefs(raw json.RawMessage) []mbql.TableID {
	if id := mbql.ParseTable(raw); !id.IsZero() {
		return []mbql.TableID{id}
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) == nil {
		keys := make([]string, 0, len(object))
		for k := range object {
			if k != "database_id" && k != "database" {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		var out []mbql.TableID
		for _, k := range keys {
			out = append(out, tableRefs(object[k])...)
		}
		return out
	}
	var list []json.RawMessage
	var out []mbql.TableID
	if json.Unmarshal(raw, &list) == nil {
		for _, item := range list {
			out = append(out, tableRefs(item)...)
		}
	}
	return out
}

func (b *builder) action(a *catalog.Action) {
	ref := a.Ref()
	if a.ModelID != "" {
		if q := b.index.Question(a.ModelID); q != nil {
			b.edge(q.Ref(), ref, ViaModel, finding.Certain)
		} else {
			b.missing(ref, "missing_question", "model "+a.ModelID, catalog.Ref{Kind: catalog.KindModel, ID: a.ModelID})
		}
	}
	if a.SQL != "" {
		r := &reading{database: a.DatabaseID}
		b.readSQL(r, a.DatabaseID, a.SQL, nil)
		b.apply(ref, r)
	}
}

func (b *builder) document(d *catalog.Document) {
	ref := d.Ref()
	for _, id := range d.QuestionIDs {
		b.tile(ref, id, ViaDashcard, false)
	}
	for _, t := range d.Links {
		b.navigation = append(b.navigation, Navigation{ref, t})
	}
}
