package lineage

import (
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/mbql"
)

// reading is everything one query reads.
type reading struct {
	database   string // of the query
	edges      []Edge // without To
	columns    []columnUse
	outputs    []mbql.Column
	unresolved []Unresolved // without Asset
}

type columnUse struct {
	column     string
	use        mbql.Use
	confidence finding.Confidence
}

func (r *reading) edge(from catalog.Ref, via Via, confidence finding.Confidence) {
	r.edges = append(r.edges, Edge{From: from, Via: via, Confidence: confidence})
}

func (r *reading) gap(reason, detail string, target catalog.Ref) {
	r.unresolved = append(r.unresolved, Unresolved{Reason: reason, Detail: detail, Target: target})
}

// read analyses a query in whatever language.
func (b *builder) read(asset catalog.Ref, q *catalog.Query) *reading {
	r := &reading{database: q.DatabaseID}
	switch {
	case len(q.MBQL) > 0:
		b.readMBQL(r, q)
	case q.Language == catalog.LanguageSQL:
		b.readSQL(r, q.DatabaseID, q.SQL, declared(q.Tags))
	case q.Language == catalog.LanguageOther:
		r.outputs = []mbql.Column{{Star: true, Partial: true}}
		r.gap("not_sql", "a native query in a language that is not SQL", catalog.Ref{})
	default:
		r.gap("no_query", "the "+string(asset.Kind)+" has no query that could be read", catalog.Ref{})
	}
	return r
}

func (b *builder) readMBQL(r *reading, q *catalog.Query) {
	parsed, err := mbql.Parse(q.MBQL)
	if err != nil {
		r.gap("not_parsed", "the query is no MBQL", catalog.Ref{})
		return
	}
	for _, d := range parsed.Diagnostics {
		reason := "not_parsed"
		if d.Code == "no_query" {
			reason = d.Code
		}
		r.gap(reason, d.Detail, catalog.Ref{})
	}
	refs := parsed.References(b)
	b.readReferences(r, refs)
	r.outputs = refs.Outputs
	for _, n := range refs.Natives {
		inner := &reading{database: q.DatabaseID}
		switch {
		case n.SQL && n.Text == q.SQL && len(q.Tags) > 0:
			b.readSQL(inner, q.DatabaseID, n.Text, declared(q.Tags))
		case n.SQL:
			b.readSQL(inner, q.DatabaseID, n.Text, n.Tags)
		default:
			inner.gap("not_sql", "a native query in a language that is not SQL", catalog.Ref{})
		}
		r.edges = append(r.edges, inner.edges...)
		r.columns = append(r.columns, inner.columns...)
		r.unresolved = append(r.unresolved, inner.unresolved...)
		if len(parsed.Stages) == 1 {
			r.outputs = inner.outputs
		}
	}
}

// readReferences turns the references of MBQL into edges.
func (b *builder) readReferences(r *reading, refs *mbql.References) {
	for _, t := range refs.Tables {
		via := ViaQuery
		if t.Join {
			via = ViaJoin
		}
		if table := b.findTable(t.Table); table != nil {
			r.edge(table.Ref(), via, finding.Certain)
		}
	}
	for _, c := range refs.Cards {
		via := ViaSourceCard
		if c.Join {
			via = ViaJoin
		}
		b.readCard(r, c.Card, via, finding.Span{})
	}
	for _, id := range refs.Metrics {
		b.readMetric(r, id)
	}
	for _, id := range refs.Segments {
		if s := b.index.Segment(id); s != nil {
			r.edge(s.Ref(), ViaSegment, finding.Certain)
		} else {
			r.gap("missing_segment", "segment "+id, catalog.Ref{Kind: catalog.KindSegment, ID: id})
		}
	}
	for _, id := range refs.Measures {
		if m := b.index.Measure(id); m != nil {
			r.edge(m.Ref(), ViaMetric, finding.Certain)
		} else {
			r.gap("missing_measure", "measure "+id, catalog.Ref{Kind: catalog.KindMeasure, ID: id})
		}
	}
	for _, c := range refs.Columns {
		r.columns = append(r.columns, columnUse{c.Field.Name, c.Use, finding.Certain})
	}
	for _, u := range refs.Unresolved {
		b.gapOf(r, u)
	}
}

// gapOf translates an unresolved reference. Where the schema of the database
// was not read, that is the reason, not the reference.
func (b *builder) gapOf(r *reading, u mbql.Unresolved) {
	database := databaseOf(r.database)
	switch u.Reason {
	case "unknown_table":
		t := u.Table
		id := catalog.TableID(database, "", "#"+strconv.FormatInt(t.Number, 10))
		if t.Number == 0 {
			database = b.databaseID(t.Database)
			id = catalog.TableID(database, t.Schema, t.Name)
		}
		r.gap(b.schemaReason(u.Reason, database), u.Detail, catalog.Ref{Kind: catalog.KindTable, ID: id})
	case "unknown_field":
		f := u.Field
		id := "#" + strconv.FormatInt(f.Number, 10)
		if f.Number == 0 {
			database = b.databaseID(f.Table.Database)
			id = catalog.ColumnID(catalog.TableID(database, f.Table.Schema, f.Table.Name), f.Name)
		}
		r.gap(b.schemaReason("unknown_column", database), u.Detail, catalog.Ref{Kind: catalog.KindColumn, ID: id})
	default:
		r.gap(u.Reason, u.Detail, catalog.Ref{})
	}
}

func (b *builder) schemaReason(reason, database string) string {
	if unread, known := b.unread[database]; !known || unread {
		return "schema_unread"
	}
	return reason
}

// readCard records the use of a question. Models and metrics say so themselves.
func (b *builder) readCard(r *reading, id string, via Via, span finding.Span) {
	q := b.index.Question(id)
	if q == nil {
		u := Unresolved{Reason: "missing_question", Detail: "question " + id, Target: catalog.Ref{Kind: catalog.KindQuestion, ID: id}}
		if span != (finding.Span{}) {
			u.Span = &span
		}
		r.unresolved = append(r.unresolved, u)
		return
	}
	switch q.Type {
	case catalog.KindModel:
		via = ViaModel
	case catalog.KindMetric:
		via = ViaMetric
	}
	r.edge(q.Ref(), via, finding.Certain)
}

// readMetric records the use of a metric: a card from 0.50, before that a row of
// its own that shares the numbers.
func (b *builder) readMetric(r *reading, id string) {
	q, m := b.index.Question(id), b.index.Measure(id)
	switch {
	case q != nil && q.Type == catalog.KindMetric:
		r.edge(q.Ref(), ViaMetric, finding.Certain)
	case m != nil:
		r.edge(m.Ref(), ViaMetric, finding.Certain)
	default:
		r.gap("missing_metric", "metric "+id, catalog.Ref{Kind: catalog.KindMetric, ID: id})
	}
}

// declared reads the declarations of template tags.
func declared(tags []catalog.TemplateTag) []mbql.Tag {
	out := make([]mbql.Tag, 0, len(tags))
	for _, t := range tags {
		out = append(out, mbql.Tag{
			Name: t.Name, Type: t.Type, CardID: t.QuestionID, Snippet: t.Snippet, SnippetID: t.SnippetID,
			Table: mbql.ParseTable(t.TableRef), Dimension: mbql.ParseExpr(t.Dimension),
		})
	}
	return out
}

// readSQL follows the template tags of a native query and has the rest analysed.
func (b *builder) readSQL(r *reading, databaseID, sql string, tags []mbql.Tag) {
	used := b.readTags(r, sql, tags, nil)
	if b.analyzer == nil {
		r.outputs = []mbql.Column{{Star: true, Partial: true}}
		r.gap("sql_not_analysed", "native SQL was not analysed", catalog.Ref{})
		return
	}
	in := SQLInput{SQL: sql, Schema: b.schema(databaseID), Tags: used}
	a, ok := b.ahead.take(in)
	if !ok {
		a = b.analyzer.AnalyzeSQL(b.ctx, in)
	}
	for _, t := range a.Tables {
		via := ViaQuery
		if t.Join {
			via = ViaJoin
		}
		r.edge(catalog.Ref{Kind: catalog.KindTable, ID: t.TableID}, via, t.Confidence)
	}
	for _, c := range a.Columns {
		for _, id := range b.physical(c) {
			r.columns = append(r.columns, columnUse{id, c.Use, c.Confidence})
		}
	}
	for _, o := range a.Outputs {
		column := mbql.Column{Name: o.Name, Star: o.Star, Partial: o.Star}
		for _, s := range o.Sources {
			for _, id := range b.physical(s) {
				if !slices.Contains(column.Sources, fieldKey(id)) {
					column.Sources = append(column.Sources, fieldKey(id))
					r.columns = append(r.columns, columnUse{id, mbql.UseValue, s.Confidence})
				}
			}
		}
		r.outputs = append(r.outputs, column)
	}
	for _, u := range a.Unresolved {
		r.unresolved = append(r.unresolved, Unresolved{Reason: u.Reason, Detail: u.Detail, Span: u.Span, Target: u.Target})
	}
}

// physical follows a column of a card to the columns it is made from.
func (b *builder) physical(c SQLColumn) []string {
	if c.ColumnID != "" {
		return []string{c.ColumnID}
	}
	source := b.card(c.Card)
	if source == nil {
		return nil
	}
	var out []string
	for _, o := range source.own {
		if strings.EqualFold(o.Name, c.Column) {
			for _, s := range o.Sources {
				out = append(out, s.Name)
			}
			break
		}
	}
	return out
}

func (b *builder) schema(databaseID string) *SQLSchema {
	if s, ok := b.schemas[databaseID]; ok {
		return s
	}
	s := &SQLSchema{DatabaseID: databaseID}
	if d := b.index.Database(databaseID); d != nil {
		s.Engine = d.Engine
	}
	for _, t := range b.index.Snapshot().Tables {
		if t.DatabaseID == databaseID {
			s.Tables = append(s.Tables, t)
		}
	}
	b.schemas[databaseID] = s
	return s
}

// readTags follows the tags in a text. The text says which tags are used, the
// declarations say what they mean. inside names the snippets that led here.
func (b *builder) readTags(r *reading, sql string, tags []mbql.Tag, inside []string) []SQLTag {
	template := ParseTemplate(sql)
	if len(template.Tags) == 0 {
		return nil
	}
	find := declarations(tags)
	out := make([]SQLTag, 0, len(template.Tags))
	for _, use := range template.Tags {
		tag := SQLTag{TagUse: use}
		switch d := find(use); {
		case use.Kind == TagCard:
			tag.Type = "card"
			id := cardOf(use, d)
			b.readCard(r, id, ViaCardReference, use.Span)
			if q := b.index.Question(id); q != nil {
				tag.Card = q.Ref()
				if c := b.card(id); c != nil && !c.open {
					for _, column := range c.own {
						tag.Columns = append(tag.Columns, column.Name)
					}
				}
			}
		case use.Kind == TagSnippet:
			tag.Type = "snippet"
			if s := b.findSnippet(use, d); s == nil {
				span := use.Span
				target := catalog.Ref{}
				if d != nil && d.SnippetID != "" {
					target = catalog.Ref{Kind: catalog.KindSnippet, ID: d.SnippetID}
				}
				r.unresolved = append(r.unresolved, Unresolved{Reason: "missing_snippet", Detail: "snippet " + use.Snippet, Span: &span, Target: target})
			} else if tag.Asset = s.Ref(); !slices.Contains(inside, s.ID) {
				if len(inside) == 0 {
					r.edge(s.Ref(), ViaSnippet, finding.Certain)
				}
				tag.Text = b.expand(s, append(inside, s.ID))
			}
		case d != nil:
			tag.Type = d.Type
			b.readDeclared(r, &tag, d)
		}
		out = append(out, tag)
	}
	return out
}

// readDeclared follows a field filter, time grouping or table tag.
func (b *builder) readDeclared(r *reading, tag *SQLTag, d *mbql.Tag) {
	switch d.Type {
	case "dimension", "temporal-unit":
		use, via := mbql.UseFilter, ViaFilter
		if d.Type == "temporal-unit" {
			use, via = mbql.UseGroup, ViaQuery
		}
		e := d.Dimension
		if e == nil || e.Kind != mbql.FieldExpr || e.Field.ID.IsZero() {
			return
		}
		c := b.findColumn(e.Field.ID)
		if c == nil {
			b.gapOf(r, mbql.Unresolved{Reason: "unknown_field", Detail: "the column of tag " + tag.Name, Field: e.Field.ID})
			return
		}
		tag.ColumnID = c.ID
		r.columns = append(r.columns, columnUse{c.ID, use, finding.Certain})
		r.edge(catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(c.ID)}, via, finding.Certain)
	case "table":
		id := d.Table
		if id.IsZero() {
			return
		}
		if t := b.findTable(id); t != nil {
			tag.TableID = t.ID
			r.edge(t.Ref(), ViaQuery, finding.Certain)
			return
		}
		b.gapOf(r, mbql.Unresolved{Reason: "unknown_table", Detail: "the table of tag " + tag.Name, Table: id})
	}
}

// expand writes out a snippet with the snippets in it.
func (b *builder) expand(s *catalog.Snippet, inside []string) string {
	if len(inside) > 20 {
		return s.SQL
	}
	var out strings.Builder
	at := 0
	find := declarations(declared(s.Tags))
	for _, use := range ParseTemplate(s.SQL).Tags {
		if use.Kind != TagSnippet {
			continue
		}
		inner := b.findSnippet(use, find(use))
		if inner == nil || slices.Contains(inside, inner.ID) || out.Len() > 1<<20 {
			continue
		}
		out.WriteString(s.SQL[at:use.Span.Start])
		out.WriteString(b.expand(inner, append(slices.Clone(inside), inner.ID)))
		at = use.Span.End
	}
	out.WriteString(s.SQL[at:])
	return out.String()
}

func (b *builder) findSnippet(use TagUse, declared *mbql.Tag) *catalog.Snippet {
	if declared != nil && declared.SnippetID != "" {
		if s := b.index.Snippet(declared.SnippetID); s != nil {
			return s
		}
	}
	return b.snippets[use.Snippet]
}

// declarations finds the declaration of a tag: by its name, and for cards also
// by number, since the words behind it are decoration that people edit.
func declarations(tags []mbql.Tag) func(TagUse) *mbql.Tag {
	return func(use TagUse) *mbql.Tag {
		for i := range tags {
			d := &tags[i]
			if d.Name == use.Name {
				return d
			}
			if use.Kind == TagSnippet {
				if name, ok := readTag(d.Name); ok && name.Name == use.Name {
					return d
				}
			}
		}
		if use.Kind == TagCard && use.CardID != "" {
			for i := range tags {
				if name, ok := readTag(tags[i].Name); ok && name.CardID == use.CardID {
					return &tags[i]
				}
			}
		}
		return nil
	}
}
