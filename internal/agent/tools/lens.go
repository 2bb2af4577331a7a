package tools

import (
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/sqllens"
)

// Lens shows a [World] through the mask of one conversation: every text it gives
// may be shown to a model.
type Lens struct {
	World *World
	Conv  *mask.Conversation

	schemas map[string]*sqllens.Schema
	refs    []catalog.Ref
	seen    map[catalog.Ref]bool
}

// NewLens looks at a world through a conversation's mask.
func NewLens(w *World, c *mask.Conversation) *Lens {
	l := &Lens{World: w, Conv: c, schemas: map[string]*sqllens.Schema{}}
	l.Restart()
	return l
}

// Restart forgets which assets were told of.
func (l *Lens) Restart() { l.refs, l.seen = nil, map[catalog.Ref]bool{} }

// tell notes that a result tells of an asset.
func (l *Lens) tell(r catalog.Ref) {
	if !l.seen[r] {
		l.seen[r] = true
		l.refs = append(l.refs, r)
	}
}

// Told lists the assets told of since the last Restart.
func (l *Lens) Told() []catalog.Ref { return l.refs }

// maxName bounds a name, maxWords a longer text, in bytes before masking.
const (
	maxName  = 300
	maxWords = 1500
)

// Free masks a text that a person wrote: at most size bytes of it, without
// control characters.
func (l *Lens) Free(s string, size int) mask.Text {
	return l.Conv.Free(strip(clip(s, size)))
}

// clip cuts a text at a whole character.
func clip(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for size > 0 && s[size]&0xc0 == 0x80 {
		size--
	}
	return s[:size] + "…"
}

// Word writes a code of ours: letters, digits, _ and -; anything else is masked
// as free text.
func (l *Lens) Word(s string) mask.Text { return l.Free(s, maxName) }

// Kind names a kind of asset.
func Kind(k catalog.Kind) mask.Text {
	switch k {
	case catalog.KindQuestion:
		return mask.Constant("question")
	case catalog.KindModel:
		return mask.Constant("model")
	case catalog.KindMetric:
		return mask.Constant("metric")
	case catalog.KindDashboard:
		return mask.Constant("dashboard")
	case catalog.KindCollection:
		return mask.Constant("collection")
	case catalog.KindDatabase:
		return mask.Constant("database")
	case catalog.KindTable:
		return mask.Constant("table")
	case catalog.KindColumn:
		return mask.Constant("column")
	case catalog.KindSegment:
		return mask.Constant("segment")
	case catalog.KindMeasure:
		return mask.Constant("measure")
	case catalog.KindSnippet:
		return mask.Constant("snippet")
	case catalog.KindSubscription:
		return mask.Constant("subscription")
	case catalog.KindAlert:
		return mask.Constant("alert")
	case catalog.KindTransform:
		return mask.Constant("transform")
	case catalog.KindAction:
		return mask.Constant("action")
	case catalog.KindDocument:
		return mask.Constant("document")
	case catalog.KindGroup:
		return mask.Constant("group")
	case catalog.KindPerson:
		return mask.Constant("person")
	}
	return mask.Constant("asset")
}

// Ref writes a reference as [Lens.Parse] reads it.
func (l *Lens) Ref(r catalog.Ref) mask.Text { return l.Conv.Ref(r) }

// Written masks a text that people wrote in Metabase. In strict mode it could
// name things and is left out.
func (l *Lens) Written(s string, size int) mask.Text {
	if l.Conv.Strict() {
		return mask.Text{}
	}
	return l.Free(s, size)
}

// Parse reads a reference that a model wrote. errs.NotFound for what is not
// there or not visible; errs.Conflict for an ambiguous name.
func (l *Lens) Parse(text string) (catalog.Ref, error) {
	text = strings.Trim(strings.TrimSpace(l.Conv.Unmask(text)), "[]`\"'")
	x := l.World.Index
	if kind, id, ok := strings.Cut(text, ":"); ok {
		switch catalog.Kind(kind) {
		case catalog.KindTable:
			if n, err := strconv.ParseInt(id, 10, 64); err == nil && n != 0 {
				if t := x.TableByNumber(n); t != nil {
					return t.Ref(), nil
				}
			}
			text = id
		case catalog.KindColumn:
			if n, err := strconv.ParseInt(id, 10, 64); err == nil && n != 0 {
				if c := x.ColumnByNumber(n); c != nil {
					return c.Ref(), nil
				}
			}
			text = id
		}
	}
	r, err := impact.Resolve(x, text)
	switch errs.KindOf(err) {
	case "":
		return r, nil
	case errs.Conflict:
		return catalog.Ref{}, errs.Wrap(err, errs.Conflict, "ambiguous_reference", "Several assets answer to that name.", "Use the ref of the one you mean.")
	default:
		return catalog.Ref{}, errs.Wrap(err, errs.NotFound, "unknown_reference", "There is no such asset, or you may not see it.", "Search for it.")
	}
}

// Known reports whether a reference leads to something the reader may see.
func (l *Lens) Known(r catalog.Ref) bool {
	if r.Kind == catalog.KindColumn {
		return l.World.Index.Column(r.ID) != nil
	}
	return l.World.Index.Asset(r) != nil
}

// Name writes the name of an asset or column; that of a person is never told.
func (l *Lens) Name(r catalog.Ref) mask.Text {
	x := l.World.Index
	switch r.Kind {
	case catalog.KindColumn:
		c, t := x.Column(r.ID), x.Table(catalog.TableOfColumn(r.ID))
		if c == nil || t == nil {
			return mask.Constant("(unknown column)")
		}
		return mask.Join(l.Conv.Table(t.Schema, t.Name), mask.Constant("."), l.Column(t, c))
	case catalog.KindTable:
		if t := x.Table(r.ID); t != nil {
			return l.Conv.Table(t.Schema, t.Name)
		}
		return mask.Constant("(unknown table)")
	case catalog.KindPerson:
		return mask.Constant("(a person)")
	}
	a := x.Asset(r)
	if a == nil {
		return mask.Constant("(unknown)")
	}
	return l.Conv.Name(r.Kind, r.ID, strip(clip(a.Title(), maxName)))
}

// Column writes a column's name, or its placeholder when it is sensitive.
func (l *Lens) Column(t *catalog.Table, c *catalog.Column) mask.Text {
	return l.Conv.Column(mask.Column{Table: t.FullName(), Name: c.Name, Type: c.DatabaseType, Description: c.Description, SemanticType: c.SemanticType})
}

// plainName is a name for the reader's own eyes.
func (l *Lens) plainName(r catalog.Ref) string {
	if r.Kind == catalog.KindColumn {
		if c, t := l.World.Index.Column(r.ID), l.World.Index.Table(catalog.TableOfColumn(r.ID)); c != nil && t != nil {
			return "“" + strip(t.FullName()+"."+c.Name) + "”"
		}
	}
	if t := l.World.Index.Table(r.ID); t != nil && r.Kind == catalog.KindTable {
		return "“" + strip(t.FullName()) + "”"
	}
	if a := l.World.Index.Asset(r); a != nil {
		return "“" + strip(a.Title()) + "”"
	}
	return r.String()
}

// Brief describes an asset in a list.
func (l *Lens) Brief(r catalog.Ref) Brief {
	l.tell(r)
	b := Brief{Ref: l.Ref(r), Name: l.Name(r)}
	if r.Kind == catalog.KindColumn {
		return b
	}
	a := l.World.Index.Asset(r)
	if a == nil {
		return b
	}
	b.Archived = a.IsArchived()
	b.Path = l.path(a)
	if u := l.World.Usage(r); u != nil {
		b.Views = u.Views
	}
	return b
}

// path is where an asset lies. Personal collections are named after people.
func (l *Lens) path(a catalog.Asset) mask.Text {
	switch {
	case a.Ref().Kind == catalog.KindPerson:
		return mask.Text{}
	case a.Ref().Kind == catalog.KindTable, a.Ref().Kind == catalog.KindDatabase:
		if d := l.World.Index.Database(databaseOf(a)); d != nil {
			return l.Conv.Name(catalog.KindDatabase, d.ID, strip(clip(d.Name, maxName)))
		}
		return mask.Text{}
	case l.World.Index.Personal(a.InCollection()):
		return mask.Constant("a personal collection")
	}
	return l.Written(l.World.Path(a), maxName)
}

// SQL masks the SQL of one of the connection's databases.
func (l *Lens) SQL(databaseID, sql string) mask.Text {
	return l.Conv.SQL(l.Dialect(databaseID), strip(sql), l.Schema(databaseID))
}

// Fragment masks an expression, or words around one, such as "adds the filter
// orders.status = 'paid'": literals and sensitive names go.
func (l *Lens) Fragment(databaseID, text string) mask.Text {
	return l.Conv.SQL(l.Dialect(databaseID), strip(clip(text, maxWords)), l.Schema(databaseID))
}

// Dialect is that of a database's engine.
func (l *Lens) Dialect(databaseID string) sqllens.Dialect {
	if d := l.World.Index.Database(databaseID); d != nil {
		if dialect, ok := sqllens.DialectOfEngine(d.Engine); ok {
			return dialect
		}
	}
	return sqllens.Generic
}

// Schema indexes the tables of a database; nil for an unknown one.
func (l *Lens) Schema(databaseID string) *sqllens.Schema {
	if s, ok := l.schemas[databaseID]; ok {
		return s
	}
	s := SchemaOf(l.World.Index, databaseID)
	l.schemas[databaseID] = s
	return s
}

// SchemaOf indexes the live tables of a database for reading SQL; nil where there
// are none.
func SchemaOf(x *catalog.Index, databaseID string) *sqllens.Schema {
	var tables []sqllens.SchemaTable
	for _, t := range x.Snapshot().Tables {
		if t.DatabaseID != databaseID || t.Inactive {
			continue
		}
		one := sqllens.SchemaTable{TableRef: sqllens.TableRef{Schema: t.Schema, Name: t.Name}, Types: map[string]string{}}
		for _, c := range t.Columns {
			if c.Inactive || c.ParentID != "" || t.ColumnsUnread { // a table known in part may have any column
				continue
			}
			one.Columns = append(one.Columns, c.Name)
			one.Types[c.Name] = c.DatabaseType
		}
		tables = append(tables, one)
	}
	if len(tables) == 0 {
		return nil
	}
	dialect := sqllens.Generic
	if d := x.Database(databaseID); d != nil {
		if known, ok := sqllens.DialectOfEngine(d.Engine); ok {
			dialect = known
		}
	}
	return sqllens.NewSchema(dialect, tables, "", defaultSchema(dialect, tables))
}

// defaultSchema is where a dialect looks for a table without a schema. A database
// with one schema needs no convention.
func defaultSchema(d sqllens.Dialect, tables []sqllens.SchemaTable) string {
	conventional := map[sqllens.Dialect]string{
		sqllens.Postgres: "public", sqllens.Redshift: "public", sqllens.Snowflake: "PUBLIC", sqllens.TSQL: "dbo", sqllens.DuckDB: "main",
		sqllens.Generic: "PUBLIC", sqllens.Databricks: "default", sqllens.Spark: "default",
	}[d]
	several := false
	for _, t := range tables {
		if conventional != "" && strings.EqualFold(t.Schema, conventional) {
			return t.Schema
		}
		several = several || t.Schema != tables[0].Schema
	}
	if several {
		return conventional
	}
	return tables[0].Schema
}
