package compare

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// Snapshot makes a side of a whole snapshot; queries, layouts and schemas are
// compared. Matching by entity id leaves out what has a meaning within one
// Metabase only: numbers of other assets become entity ids or names.
func Snapshot(s *catalog.Snapshot, by Matching) *Side {
	p := &portable{index: catalog.NewIndex(s), by: by}
	partial, _ := s.Partial()
	out := &Side{
		URL: s.Instance.URL, At: s.FinishedAt, Partial: partial, Columns: true, Definite: true, Unread: map[string]bool{},
	}
	for _, g := range s.Gaps {
		if g.Whole && g.Kind != "" {
			out.Unread[kindKey(g.Kind)] = true
		}
	}
	for a := range s.All() {
		switch a := a.(type) {
		case *catalog.Table:
			out.Tables = append(out.Tables, p.table(a))
		case *catalog.Person, *catalog.Group:
			if by == ByID {
				out.Assets = append(out.Assets, p.asset(a))
			}
		default:
			out.Assets = append(out.Assets, p.asset(a))
		}
	}
	return out
}

// Judge adds the findings of a snapshot.
func (s *Side) Judge(index *catalog.Index, list []finding.Finding) {
	s.Judged = true
	for i := range list {
		f := &list[i]
		out := Finding{
			Check: f.Check, Fingerprint: f.Fingerprint, Severity: f.Severity, Message: f.Message,
			Asset: FindingAsset{Kind: f.Asset.Kind, ID: f.Asset.ID, URL: index.URL(f.Asset)},
		}
		if a := index.Asset(f.Asset); a != nil {
			out.Asset.Name = a.Title()
			out.Asset.entity = a.Entity()
		}
		s.Findings = append(s.Findings, out)
	}
}

// portable describes assets.
type portable struct {
	index *catalog.Index
	by    Matching
}

// unsaid are the parts of an asset that are compared in another way, follow from
// the others, or move without an edit.
var unsaid = []string{"id", "entity_id", "query", "result_columns", "last_editor_id", "last_edited_at", "created_at", "columns", "metabase_id", "sync_status", "features", "sql", "is_archived"}

func (p *portable) asset(a catalog.Asset) Asset {
	out := Asset{
		Ref: a.Ref(), EntityID: a.Entity(), Name: a.Title(), URL: p.index.URL(a.Ref()), Collection: p.index.CollectionPath(a.InCollection()),
	}
	if p.by == ByID {
		out.Fields = object(a)
	} else {
		out.Fields = map[string]string{}
		p.common(a, out.Fields)
	}
	switch a := a.(type) {
	case *catalog.Question:
		out.SQL = p.sql(a.Query.SQL)
		p.query(&a.Query, out.Fields)
		names := make([]string, 0, len(a.ResultColumns))
		for _, c := range a.ResultColumns {
			names = append(names, c.Name)
		}
		put(out.Fields, "result_columns", names, len(names) > 0)
	case *catalog.Snippet:
		out.SQL = p.sql(a.SQL)
	case *catalog.Transform:
		out.SQL = p.sql(a.Query.SQL)
		p.query(&a.Query, out.Fields)
	case *catalog.Action:
		out.SQL = p.sql(a.SQL)
	}
	return out
}

// object takes an asset's JSON apart.
func object(v any) map[string]string {
	raw, err := json.Marshal(v)
	if err != nil {
		return map[string]string{}
	}
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return map[string]string{}
	}
	out := make(map[string]string, len(parts))
	for name, value := range parts {
		if !slices.Contains(unsaid, name) {
			out[name] = string(value)
		}
	}
	return out
}

// put writes a value where it says something.
func put(fields map[string]string, name string, value any, says bool) {
	if !says {
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(value) == nil {
		fields[name] = strings.TrimSpace(b.String())
	}
}

func text(fields map[string]string, name, value string) { put(fields, name, value, value != "") }

func flag(fields map[string]string, name string, value bool) { put(fields, name, value, value) }

// query describes a query without its SQL.
func (p *portable) query(q *catalog.Query, fields map[string]string) {
	text(fields, "query_language", string(q.Language))
	if len(q.MBQL) > 0 {
		if p.by == ByID {
			fields["query"] = string(q.MBQL)
		} else {
			text(fields, "query", p.canonical(q.MBQL))
		}
	}
	if p.by == ByID {
		put(fields, "tags", q.Tags, len(q.Tags) > 0)
		text(fields, "query_database_id", q.DatabaseID)
		return
	}
	tags := make([]string, 0, len(q.Tags))
	for _, t := range q.Tags {
		if t.Type != "card" && t.Type != "snippet" { // those stand in the text
			tags = append(tags, t.Name+": "+t.Type)
		}
	}
	slices.Sort(tags)
	put(fields, "tags", tags, len(tags) > 0)
}

// sql replaces the numbers of referenced questions by their entity ids, so that
// two instances can agree.
func (p *portable) sql(sql string) string {
	if p.by == ByID || !strings.Contains(sql, "{{") {
		return sql
	}
	var b strings.Builder
	at := 0
	for _, tag := range lineage.ParseTemplate(sql).Tags {
		if tag.Kind != lineage.TagCard {
			continue
		}
		b.WriteString(sql[at:tag.Span.Start])
		b.WriteString("{{#" + p.question(tag.CardID) + "}}")
		at = tag.Span.End
	}
	b.WriteString(sql[at:])
	return b.String()
}

// question is what a question is called across instances.
func (p *portable) question(id string) string {
	if q := p.index.Question(id); q != nil && q.EntityID != "" {
		return q.EntityID
	}
	return id
}

func (p *portable) database(id string) string {
	if d := p.index.Database(id); d != nil && d.Name != "" {
		return d.Name
	}
	return id
}

// tableID is a table's natural id with the name of its database.
func (p *portable) tableID(id string) string {
	database, schema, table, column, ok := catalog.SplitID(id)
	if !ok {
		return id
	}
	out := catalog.TableID(p.database(database), schema, table)
	if column != "" {
		out = catalog.ColumnID(out, column)
	}
	return out
}

// common describes an asset by what means the same in every Metabase.
func (p *portable) common(a catalog.Asset, f map[string]string) {
	text(f, "name", a.Title())
	flag(f, "archived", a.IsArchived())
	text(f, "collection", p.index.CollectionPath(a.InCollection()))
	switch a := a.(type) {
	case *catalog.Question:
		text(f, "description", a.Description)
		text(f, "type", string(a.Type))
		text(f, "display", a.Display)
		text(f, "database", p.database(a.DatabaseID))
		if a.TableID != "" {
			text(f, "table", p.tableID(a.TableID))
		}
		if a.SourceQuestionID != "" {
			text(f, "source_question", p.question(a.SourceQuestionID))
		}
		flag(f, "verified", a.Verified)
		p.parameters(a.Parameters, f)
	case *catalog.Dashboard:
		text(f, "description", a.Description)
		flag(f, "verified", a.Verified)
		p.parameters(a.Parameters, f)
		tabs := map[string]string{}
		names := make([]string, 0, len(a.Tabs))
		for _, t := range a.Tabs {
			tabs[t.ID] = t.Name
			names = append(names, t.Name)
		}
		put(f, "tabs", names, len(names) > 0)
		if !a.DetailUnread {
			cards := make([]string, 0, len(a.Cards))
			for i := range a.Cards {
				cards = append(cards, p.tile(&a.Cards[i], tabs))
			}
			slices.Sort(cards)
			put(f, "cards", cards, len(cards) > 0)
		}
	case *catalog.Collection:
		text(f, "description", a.Description)
		text(f, "type", a.Type)
		text(f, "namespace", a.Namespace)
		flag(f, "official", a.Official)
	case *catalog.Database:
		text(f, "description", a.Description)
		text(f, "engine", a.Engine)
	case *catalog.Segment:
		text(f, "description", a.Description)
		text(f, "table", p.tableID(a.TableID))
		text(f, "definition", p.canonical(a.Definition))
	case *catalog.Measure:
		text(f, "description", a.Description)
		text(f, "table", p.tableID(a.TableID))
		text(f, "definition", p.canonical(a.Definition))
	case *catalog.Snippet:
		text(f, "description", a.Description)
	case *catalog.Transform:
		text(f, "description", a.Description)
		text(f, "target", catalog.TableID(p.database(a.TargetDatabase), a.TargetSchema, a.TargetTable))
	case *catalog.Action:
		text(f, "description", a.Description)
		text(f, "type", a.Type)
		text(f, "model", p.question(a.ModelID))
	case *catalog.Document:
		text(f, "description", a.Description)
	}
}

func (p *portable) parameters(list []catalog.Parameter, f map[string]string) {
	names := make([]string, 0, len(list))
	for _, q := range list {
		names = append(names, q.Name+": "+q.Type)
	}
	put(f, "parameters", names, len(names) > 0)
}

// tile describes a tile by what it shows and where.
func (p *portable) tile(c *catalog.Dashcard, tabs map[string]string) string {
	var b strings.Builder
	what := c.Virtual
	if c.QuestionID != "" {
		what = "question " + p.question(c.QuestionID)
	}
	for _, id := range c.SeriesIDs {
		what += " + " + p.question(id)
	}
	b.WriteString(what)
	if t := tabs[c.TabID]; t != "" {
		b.WriteString(" on " + t)
	}
	b.WriteString(" at " + strconv.Itoa(c.Row) + "," + strconv.Itoa(c.Col) + " size " + strconv.Itoa(c.Width) + "x" + strconv.Itoa(c.Height))
	if n := len(c.Mappings); n > 0 {
		b.WriteString(", " + strconv.Itoa(n) + " filters")
	}
	return b.String()
}

func (p *portable) table(t *catalog.Table) Table {
	out := Table{ID: t.ID, Name: t.Name, Schema: t.Schema, Fields: map[string]string{}, Unread: t.ColumnsUnread}
	if p.by == ByEntity {
		out.ID = p.tableID(t.ID)
	}
	text(out.Fields, "description", t.Description)
	text(out.Fields, "display_name", t.DisplayName)
	text(out.Fields, "visibility", t.Visibility)
	flag(out.Fields, "inactive", t.Inactive)
	for _, c := range t.Columns {
		column := Column{Name: c.Name, Type: c.DatabaseType, Fields: map[string]string{}}
		if column.Type == "" {
			column.Type = c.BaseType
		}
		text(column.Fields, "database_type", c.DatabaseType)
		text(column.Fields, "base_type", c.BaseType)
		text(column.Fields, "semantic_type", c.SemanticType)
		text(column.Fields, "description", c.Description)
		text(column.Fields, "visibility", c.Visibility)
		flag(column.Fields, "inactive", c.Inactive)
		flag(column.Fields, "primary_key", c.PrimaryKey)
		if c.FKTargetID != "" {
			target := c.FKTargetID
			if p.by == ByEntity {
				target = p.tableID(target)
			}
			text(column.Fields, "fk_target", target)
		}
		out.Columns = append(out.Columns, column)
	}
	slices.SortFunc(out.Columns, func(a, b Column) int { return strings.Compare(a.Name, b.Name) })
	return out
}
