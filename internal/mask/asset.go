package mask

import (
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/sqllens"
)

// Bounds of what is told of one asset. What is left out is counted.
const (
	maxListed     = 200      // columns, cards, filters
	maxDefinition = 64 << 10 // bytes of SQL or MBQL
)

// doc is the text about an asset: one line per field of the allow-list. Keys are
// constants; values come from the conversation's methods.
type doc struct {
	c *Conversation
	b strings.Builder
}

func (d *doc) line(key constant, value Text) {
	if value.s == "" {
		return
	}
	if d.b.Len() > 0 {
		d.b.WriteByte('\n')
	}
	d.b.WriteString(string(key))
	d.b.WriteString(": ")
	d.b.WriteString(value.s)
}

// free writes a text that people wrote. In strict mode it could hold names and
// stays out.
func (d *doc) free(key constant, s string) {
	if s != "" && !d.c.strict {
		d.line(key, d.c.Free(s))
	}
}

// code writes a word of a closed list.
func (d *doc) code(key constant, s string) { d.line(key, Text{code(s)}) }

func (d *doc) flag(key constant, set bool) {
	if set {
		d.line(key, Constant("yes"))
	}
}

func (d *doc) ref(key constant, kind catalog.Kind, id string) {
	if id != "" {
		d.line(key, d.c.titled(catalog.Ref{Kind: kind, ID: id}))
	}
}

func (d *doc) time(key constant, t time.Time) {
	if !t.IsZero() {
		d.line(key, Text{t.UTC().Format("2006-01-02")})
	}
}

func (d *doc) count(key constant, n int) {
	if n > 0 {
		d.line(key, Number(n))
	}
}

// titled writes a reference with the name of what it leads to.
func (c *Conversation) titled(r catalog.Ref) Text {
	if r.Kind == catalog.KindPerson || r.Kind == catalog.KindGroup || c.strict || c.library.Index == nil {
		if r.Kind == catalog.KindPerson {
			return c.personName(r.ID)
		}
		return c.Ref(r)
	}
	switch r.Kind {
	case catalog.KindTable:
		if t := c.library.Index.Table(r.ID); t != nil {
			return Join(c.Ref(r), Constant(" "), c.Table(t.Schema, t.Name))
		}
	case catalog.KindColumn:
	default:
		if a := c.library.Index.Asset(r); a != nil {
			return Join(c.Ref(a.Ref()), Constant(" "), c.quoted(c.title(a)))
		}
	}
	return c.Ref(r)
}

func (c *Conversation) quoted(t Text) Text { return Join(Constant("“"), t, Constant("”")) }

// title is the name of an asset. A personal collection is named after its
// owner.
func (c *Conversation) title(a catalog.Asset) Text {
	if col, ok := a.(*catalog.Collection); ok && col.PersonalOwnerID != "" {
		return Constant("a personal collection")
	}
	return c.Name(a.Ref().Kind, a.Ref().ID, a.Title())
}

func (c *Conversation) personName(id string) Text {
	name := ""
	if c.library.Index != nil {
		if p := c.library.Index.Person(id); p != nil {
			name = p.Name
		}
	}
	if name == "" {
		name = "person " + id
	}
	return c.Name(catalog.KindPerson, id, name)
}

// path is the way to a collection, without the names of personal ones.
func (c *Conversation) path(id string) Text {
	x := c.library.Index
	switch {
	case id == "" || x == nil:
		return Text{}
	case x.Personal(id):
		return Constant("a personal collection")
	case c.strict:
		return c.Ref(catalog.Ref{Kind: catalog.KindCollection, ID: id})
	}
	return c.Free(x.CollectionPath(id))
}

// Asset renders an asset for a model, field by field from an allow-list: a field
// that is not named here never gets out. Names and prose are masked as free
// text, SQL and MBQL with their literals, people are placeholders. A kind that
// is not known is empty.
func (c *Conversation) Asset(a catalog.Asset) Text {
	d := &doc{c: c}
	switch a := a.(type) {
	case *catalog.Question:
		c.question(d, a)
	case *catalog.Dashboard:
		c.dashboard(d, a)
	case *catalog.Collection:
		c.common(d, a.Ref(), &a.Common)
		d.line("path", c.path(a.ID))
		d.code("type", a.Type)
		d.flag("official", a.Official)
		d.flag("personal", a.PersonalOwnerID != "")
	case *catalog.Database:
		c.common(d, a.Ref(), &a.Common)
		d.code("engine", a.Engine)
		d.code("sync status", a.SyncStatus)
		d.flag("sample", a.Sample)
	case *catalog.Table:
		c.table(d, a)
	case *catalog.Segment:
		c.common(d, a.Ref(), &a.Common)
		d.ref("table", catalog.KindTable, a.TableID)
		d.line("definition", c.MBQL(a.Definition))
	case *catalog.Measure:
		c.common(d, a.Ref(), &a.Common)
		d.ref("table", catalog.KindTable, a.TableID)
		d.line("definition", c.MBQL(a.Definition))
	case *catalog.Snippet:
		c.common(d, a.Ref(), &a.Common)
		d.line("sql", c.SQL(sqllens.Generic, cut(a.SQL), nil))
	case *catalog.Subscription:
		c.common(d, a.Ref(), &a.Common)
		d.ref("dashboard", catalog.KindDashboard, a.DashboardID)
		for _, id := range a.QuestionIDs[:min(len(a.QuestionIDs), maxListed)] {
			d.ref("sends", catalog.KindQuestion, id)
		}
		d.flag("skips empty results", a.SkipIfEmpty)
		c.deliveries(d, a.Deliveries)
	case *catalog.Alert:
		c.common(d, a.Ref(), &a.Common)
		d.ref("watches", catalog.KindQuestion, a.QuestionID)
		d.code("condition", a.Condition)
		d.flag("sent once", a.SendOnce)
		c.deliveries(d, a.Deliveries)
	case *catalog.Transform:
		c.common(d, a.Ref(), &a.Common)
		d.code("source", a.SourceType)
		if a.TargetTable != "" {
			d.line("writes table", c.Table(a.TargetSchema, a.TargetTable))
		}
		c.query(d, &a.Query)
	case *catalog.Action:
		c.common(d, a.Ref(), &a.Common)
		d.ref("model", catalog.KindModel, a.ModelID)
		d.code("type", a.Type)
		d.flag("public", a.Public)
		if a.SQL != "" {
			d.line("sql", c.SQL(c.dialect(a.DatabaseID), cut(a.SQL), c.schema(a.DatabaseID)))
		}
	case *catalog.Document:
		c.common(d, a.Ref(), &a.Common)
		d.line("collection", c.path(a.CollectionID))
		for _, id := range a.QuestionIDs[:min(len(a.QuestionIDs), maxListed)] {
			d.ref("embeds", catalog.KindQuestion, id)
		}
		for _, r := range a.Links[:min(len(a.Links), maxListed)] {
			d.line("links to", c.titled(r))
		}
	case *catalog.Group:
		d.line("asset", c.Ref(a.Ref()))
		d.line("name", c.Name(catalog.KindGroup, a.ID, a.Name))
		d.code("built in", a.Magic)
		d.line("members", Number(a.Members))
	case *catalog.Person:
		d.line("asset", c.Ref(a.Ref()))
		d.line("name", c.personName(a.ID))
		d.flag("administrator", a.Admin != nil && *a.Admin)
		d.flag("deactivated", a.Active != nil && !*a.Active)
	}
	return Text{d.b.String()}
}

// common writes what most assets share.
func (c *Conversation) common(d *doc, r catalog.Ref, x *catalog.Common) {
	d.line("asset", c.Ref(r))
	if a := c.named(r, x); a.s != "" && !c.strict {
		d.line("name", a)
	}
	d.free("description", x.Description)
	d.flag("archived", x.Archived)
	if x.CreatorID != "" {
		d.line("created by", c.personName(x.CreatorID))
	}
	d.time("created", x.CreatedAt)
	c.usage(d, r)
}

func (c *Conversation) named(r catalog.Ref, x *catalog.Common) Text {
	if r.Kind == catalog.KindCollection && c.library.Index != nil && c.library.Index.Personal(r.ID) {
		return Constant("a personal collection")
	}
	return c.Name(r.Kind, r.ID, x.Name)
}

func (c *Conversation) usage(d *doc, r catalog.Ref) {
	if c.library.Index == nil {
		return
	}
	u, ok := c.library.Index.Snapshot().Usage[r]
	if !ok {
		return
	}
	if u.Views != nil {
		d.line("views", Number(*u.Views))
	}
	if u.LastUsedAt != nil {
		d.time("last used", *u.LastUsedAt)
	}
}

func (c *Conversation) edited(d *doc, e *catalog.Edited, x *catalog.Exposure) {
	if e.LastEditorID != "" {
		d.line("last edited by", c.personName(e.LastEditorID))
	}
	d.time("last edited", e.LastEditedAt)
	d.flag("has a public link", x.Public)
	d.flag("embedded", x.Embedded)
}

func (c *Conversation) question(d *doc, q *catalog.Question) {
	c.common(d, q.Ref(), &q.Common)
	c.edited(d, &q.Edited, &q.Exposure)
	d.line("collection", c.path(q.CollectionID))
	d.ref("on dashboard", catalog.KindDashboard, q.DashboardID)
	d.ref("in document", catalog.KindDocument, q.DocumentID)
	d.code("shown as", q.Display)
	d.ref("database", catalog.KindDatabase, q.DatabaseID)
	d.ref("table", catalog.KindTable, q.TableID)
	d.ref("built on", catalog.KindQuestion, q.SourceQuestionID)
	d.flag("pinned", q.Pinned)
	d.flag("verified", q.Verified)
	d.flag("persisted", q.Persisted)
	d.flag("definition unreadable", q.Unreadable)
	c.query(d, &q.Query)
	c.parameters(d, q.Parameters)
	for i := range q.ResultColumns[:min(len(q.ResultColumns), maxListed)] {
		r := &q.ResultColumns[i]
		name := Text{c.m.Name(ClassColumn, r.Name)}
		if !c.strict && !c.sensitiveOutput(q, r.Name) && !c.m.hides(ClassName, r.Name) { // an alias that the query's masking hid
			name = c.Column(Column{Name: r.Name, Type: r.BaseType, Description: r.Description, SemanticType: r.SemanticType})
		}
		d.line("answers with", Join(name, c.typed(r.BaseType, r.SemanticType)))
	}
	d.count("further columns", len(q.ResultColumns)-maxListed)
}

// typed writes the types of a column.
func (c *Conversation) typed(base, semantic string) Text {
	var b strings.Builder
	for _, t := range []string{code(base), code(semantic)} {
		if t = strings.TrimPrefix(t, "type/"); t != "" {
			b.WriteString(" " + t)
		}
	}
	return Text{b.String()}
}

func (c *Conversation) query(d *doc, q *catalog.Query) {
	switch q.Language {
	case catalog.LanguageSQL:
		d.line("sql dialect", Text{string(c.dialect(q.DatabaseID))})
		d.line("sql", c.SQL(c.dialect(q.DatabaseID), cut(q.SQL), c.schema(q.DatabaseID)))
		for i := range q.Tags[:min(len(q.Tags), maxListed)] {
			t := &q.Tags[i]
			name := c.Column(Column{Name: t.Name}) // a tag is often named as the column it filters
			if t.Type == "card" || t.Type == "snippet" {
				continue // they stand in the SQL
			}
			d.line("variable", Join(name, Constant(" "), Text{code(t.Type)}))
		}
	case catalog.LanguageOther:
		d.line("native query", c.SQL(sqllens.Generic, cut(q.SQL), nil))
	case catalog.LanguageMBQL:
	case catalog.LanguageNone:
	}
	if len(q.MBQL) > 0 {
		d.line("mbql", c.MBQL(q.MBQL))
	}
}

func (c *Conversation) parameters(d *doc, list []catalog.Parameter) {
	for i := range list[:min(len(list), maxListed)] {
		p := &list[i]
		name := Constant("filter")
		if !c.strict {
			name = c.Free(p.Name)
		}
		d.line("filter", Join(name, Constant(" "), Text{code(p.Type)}))
	}
	d.count("further filters", len(list)-maxListed)
}

func (c *Conversation) dashboard(d *doc, x *catalog.Dashboard) {
	c.common(d, x.Ref(), &x.Common)
	c.edited(d, &x.Edited, &x.Exposure)
	d.line("collection", c.path(x.CollectionID))
	d.flag("pinned", x.Pinned)
	d.flag("verified", x.Verified)
	d.flag("cards unread", x.DetailUnread)
	c.parameters(d, x.Parameters)
	for i := range x.Tabs[:min(len(x.Tabs), maxListed)] {
		d.free("tab", x.Tabs[i].Name)
	}
	for i := range x.Cards[:min(len(x.Cards), maxListed)] {
		card := &x.Cards[i]
		switch {
		case card.QuestionID != "":
			d.ref("card", catalog.KindQuestion, card.QuestionID)
			for _, id := range card.SeriesIDs {
				d.ref("card with", catalog.KindQuestion, id)
			}
		case card.ActionID != "":
			d.ref("button", catalog.KindAction, card.ActionID)
		case card.Virtual != "":
			d.code("tile", card.Virtual)
		}
		if !card.LinkTarget.IsZero() {
			d.line("links to", c.titled(card.LinkTarget))
		}
	}
	d.count("further cards", len(x.Cards)-maxListed)
}

func (c *Conversation) table(d *doc, t *catalog.Table) {
	d.line("asset", c.Ref(t.Ref()))
	d.line("name", c.Table(t.Schema, t.Name))
	d.free("description", t.Description)
	d.ref("database", catalog.KindDatabase, t.DatabaseID)
	d.code("visibility", t.Visibility)
	d.code("kind", t.EntityType)
	d.flag("dropped", t.Inactive)
	d.flag("uploaded", t.Upload)
	d.flag("columns unread", t.ColumnsUnread)
	c.usage(d, t.Ref())
	for i, col := range t.Columns {
		if i == maxListed {
			break
		}
		d.line("column", c.columnLine(t, col))
	}
	d.count("further columns", len(t.Columns)-maxListed)
}

func (c *Conversation) columnLine(t *catalog.Table, col *catalog.Column) Text {
	hidden := c.strict || c.sensitiveColumn(t, col)
	name := Text{c.m.Name(ClassColumn, col.Name)}
	if !hidden {
		name = c.Column(catalogColumn(t, col))
	}
	parts := []Text{name, c.typed(col.BaseType, col.SemanticType)}
	if col.PrimaryKey {
		parts = append(parts, Constant(" primary key"))
	}
	if col.FKTargetID != "" {
		parts = append(parts, Constant(" refers to "), c.Ref(catalog.Ref{Kind: catalog.KindColumn, ID: col.FKTargetID}))
	}
	if col.Inactive {
		parts = append(parts, Constant(" dropped"))
	}
	if hidden && !c.strict {
		parts = append(parts, Constant(" sensitive"))
	}
	if col.Description != "" && !hidden {
		parts = append(parts, Constant(" – "), c.Free(col.Description))
	}
	return Join(parts...)
}

func (c *Conversation) deliveries(d *doc, list []catalog.Delivery) {
	for i := range list[:min(len(list), maxListed)] {
		x := &list[i]
		state := Constant("off")
		if x.Enabled {
			state = Constant("on")
		}
		d.line("delivery", Join(Text{code(x.Channel)}, Constant(" "), state, Constant(", recipients "), Number(x.Recipients),
			Constant(", of these outside "), Number(x.ExternalRecipients), schedule(x.Schedule)))
	}
}

// schedule writes a schedule when it has the form of one: "daily 08:00", a cron
// text.
func schedule(s string) Text {
	for _, r := range s {
		if r != ' ' && r != ':' && r != '*' && r != '?' && r != '/' && r != ',' && r != '-' && r != '#' && (r > 'z' || !wordByte(byte(r))) {
			return Text{}
		}
	}
	if s == "" || len(s) > 60 || len(Detect(s)) > 0 || looksMasked(s) || digitsRun(s) > spanDigits {
		return Text{}
	}
	for _, w := range strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !letter(byte(r)) }) {
		if !scheduleWords()[w] {
			return Text{}
		}
	}
	return Text{", " + s}
}

var scheduleWords = words(`hourly daily weekly monthly first last mid mon tue wed thu fri sat sun monday tuesday wednesday thursday friday saturday sunday
	on at of the day days week month every hour hours minute minutes jan feb mar apr may jun jul aug sep oct nov dec l w am pm`)

// Edge writes one edge of the lineage.
func (c *Conversation) Edge(from, to catalog.Ref, via string) Text {
	return Join(c.titled(from), Constant(" → "), c.titled(to), Constant(" by "), Text{code(via)})
}

// cut bounds a definition before it is masked.
func cut(s string) string {
	if len(s) <= maxDefinition {
		return s
	}
	return strings.ToValidUTF8(s[:maxDefinition], "") + "\n-- " + strconv.Itoa(len(s)-maxDefinition) + " bytes left out"
}

func (c *Conversation) dialect(databaseID string) sqllens.Dialect {
	if c.library.Index != nil {
		if db := c.library.Index.Database(databaseID); db != nil {
			if d, ok := sqllens.DialectOfEngine(db.Engine); ok {
				return d
			}
		}
	}
	return sqllens.Generic
}

func (c *Conversation) schema(databaseID string) *sqllens.Schema {
	if c.library.Schema == nil {
		return nil
	}
	return c.library.Schema(databaseID)
}
