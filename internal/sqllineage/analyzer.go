// Package sqllineage lets the lineage graph read native SQL: it runs the SQL
// engine over a question's text with the scanned schema and translates what it
// finds to the catalog's ids.
package sqllineage

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/mbql"
	"github.com/metalens/metalens/internal/sqllens"
)

// cardCatalog marks the references that stand for questions instead of tables.
const cardCatalog = "\x00card"

// maxSchemas is how many databases' schemas an analyzer keeps indexed. A graph
// asks for its databases again and again, and never for those of another scan.
const maxSchemas = 64

// Analyzer implements [lineage.SQLAnalyzer]. It is safe for concurrent use and
// keeps the indexed schemas of the databases it met last. [lineage.Build] works
// with a session of it, which forgets them with the build.
type Analyzer struct {
	mu      sync.Mutex
	schemas map[*lineage.SQLSchema]*schema
	cache   *cache
	version string
}

// Option shapes [New].
type Option func(*Analyzer)

// WithVersion names the program, so that another one does not take up the
// results that this one keeps.
func WithVersion(version string) Option { return func(a *Analyzer) { a.version = version } }

// WithCacheBytes bounds what the sessions of an analyzer keep in memory between
// them; the default is 48 MB.
func WithCacheBytes(n int64) Option { return func(a *Analyzer) { a.cache.limit = n } }

// New returns an analyzer.
func New(options ...Option) *Analyzer {
	a := &Analyzer{schemas: map[*lineage.SQLSchema]*schema{}, cache: newCache(48 << 20)}
	for _, o := range options {
		o(a)
	}
	return a
}

// schema is an indexed schema with the way back to catalog ids.
type schema struct {
	dialect sqllens.Dialect
	sql     bool // the engine speaks SQL
	index   *sqllens.Schema
	tables  map[sqllens.TableRef]*catalog.Table
	byID    map[string]*catalog.Table

	// For kept results: the tables of a lower-case name, what the name stood for
	// as far as results depend on it, and what depends on the whole.
	named map[string][]*catalog.Table
	signs map[string]sign
	head  string
}

// table finds the scanned table behind a reference. Metabase knows one catalog
// per database, so the text's catalog does not count.
func (s *schema) table(ref sqllens.TableRef) *catalog.Table {
	ref.Catalog = ""
	return s.tables[ref]
}

func (a *Analyzer) schema(in *lineage.SQLSchema) *schema {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s, ok := a.schemas[in]; ok {
		return s
	}
	if len(a.schemas) >= maxSchemas {
		clear(a.schemas)
	}
	s := newSchema(in)
	a.schemas[in] = s
	return s
}

func newSchema(in *lineage.SQLSchema) *schema {
	s := &schema{tables: make(map[sqllens.TableRef]*catalog.Table, len(in.Tables)), byID: make(map[string]*catalog.Table, len(in.Tables))}
	s.dialect, s.sql = sqllens.DialectOfEngine(in.Engine)
	if !s.sql && in.Engine == "" {
		s.dialect, s.sql = sqllens.Generic, true
	}
	list := make([]sqllens.SchemaTable, 0, len(in.Tables))
	for _, t := range in.Tables {
		ref := sqllens.TableRef{Schema: t.Schema, Name: t.Name}
		s.tables[ref] = t
		s.byID[t.ID] = t
		st := sqllens.SchemaTable{TableRef: ref}
		for _, c := range t.Columns {
			if c.ParentID == "" && !t.ColumnsUnread { // a table known in part may have any column
				st.Columns = append(st.Columns, c.Name)
			}
		}
		list = append(list, st)
	}
	standard := defaultSchema(s.dialect, in.Tables)
	s.index = sqllens.NewSchema(s.dialect, list, "", standard)
	s.head = in.DatabaseID + "\x00" + in.Engine + "\x00" + standard
	if len(list) > 0 { // only then are unknown tables unknown
		s.head += "\x00tables"
	}
	return s
}

// defaultSchema is where a dialect looks for a name without schema. A database
// with one schema needs no convention.
func defaultSchema(d sqllens.Dialect, tables []*catalog.Table) string {
	conventional := map[sqllens.Dialect]string{
		sqllens.Postgres: "public", sqllens.Redshift: "public", sqllens.Snowflake: "PUBLIC",
		sqllens.TSQL: "dbo", sqllens.DuckDB: "main", sqllens.Generic: "PUBLIC", sqllens.Databricks: "default", sqllens.Spark: "default",
	}[d]
	only, several := "", false
	for i, t := range tables {
		if strings.EqualFold(t.Schema, conventional) && conventional != "" {
			return t.Schema
		}
		if i > 0 && t.Schema != only {
			several = true
		}
		only = t.Schema
	}
	if several {
		return conventional
	}
	return only
}

// AnalyzeSQL implements [lineage.SQLAnalyzer]. Text with optional blocks is
// read twice, with all blocks and with none, and the results are merged.
func (a *Analyzer) AnalyzeSQL(ctx context.Context, in lineage.SQLInput) lineage.SQLAnalysis {
	s := a.schema(in.Schema)
	if out, done := unread(ctx, s, in); done {
		return out
	}
	return readAll(s, s.index, in).analysis()
}

// unread answers for text that is not looked at.
func unread(ctx context.Context, s *schema, in lineage.SQLInput) (out lineage.SQLAnalysis, done bool) {
	if !s.sql {
		return lineage.SQLAnalysis{
			Outputs:    []lineage.SQLOutput{{Name: "*", Star: true}},
			Unresolved: []lineage.SQLUnresolved{{Reason: "not_sql", Detail: "queries of " + in.Schema.Engine + " are not SQL"}},
		}, true
	}
	if ctx.Err() != nil {
		return lineage.SQLAnalysis{Unresolved: []lineage.SQLUnresolved{{Reason: "not_analysed", Detail: "the analysis was cancelled"}}}, true
	}
	return out, false
}

// text is a text that was read with all its optional blocks.
type text struct {
	expanded
	schema    *schema
	index     *sqllens.Schema // that schema's
	in        lineage.SQLInput
	relations map[string]sqllens.TagRelation
	tree      *sqllens.Tree
	resolved  []*sqllens.Lineage
}

// readAll reads a text with a database's schema; index is that schema's.
func readAll(s *schema, index *sqllens.Schema, in lineage.SQLInput) *text {
	t := &text{expanded: expand(in.SQL, in.Tags), schema: s, index: index, in: in, relations: relations(s, in.Tags)}
	t.tree = sqllens.Parse(t.sql, s.dialect, true)
	t.resolved = sqllens.Resolve(t.tree, index, t.relations)
	return t
}

// analysis is what a text reads, with its optional blocks and without.
func (t *text) analysis() lineage.SQLAnalysis {
	m := &merger{schema: t.schema, text: t.expanded}
	m.add(t.tree, t.resolved)
	if len(t.tree.Blocks) > 0 {
		off := sqllens.Parse(t.sql, t.schema.dialect, false)
		m.add(off, sqllens.Resolve(off, t.index, t.relations))
	}
	return m.out
}

// relations says what the tags of a text stand for where a table is due.
func relations(s *schema, tags []lineage.SQLTag) map[string]sqllens.TagRelation {
	out := map[string]sqllens.TagRelation{}
	for _, t := range tags {
		switch {
		case t.Type == "card" && t.Card.ID != "":
			out[t.Name] = sqllens.TagRelation{Table: sqllens.TableRef{Catalog: cardCatalog, Name: t.Card.ID}, Columns: t.Columns}
		case t.Type == "table" && s.byID[t.TableID] != nil:
			table := s.byID[t.TableID]
			rel := sqllens.TagRelation{Table: sqllens.TableRef{Schema: table.Schema, Name: table.Name}}
			for _, c := range table.Columns {
				rel.Columns = append(rel.Columns, c.Name)
			}
			out[t.Name] = rel
		}
	}
	return out
}

// merger joins the lineages of a text's variants and statements.
type merger struct {
	schema *schema
	text   expanded
	out    lineage.SQLAnalysis
}

func (m *merger) add(tree *sqllens.Tree, results []*sqllens.Lineage) {
	confidence := finding.Certain
	if tree.Recovered {
		confidence = finding.Likely
		for _, p := range tree.Problems {
			m.unresolved("not_parsed", p.Message, p.Span)
		}
	}
	for i, r := range results {
		for _, t := range r.Tables {
			if table := m.schema.table(t.Table); table != nil && t.Known {
				m.table(lineage.SQLTable{TableID: table.ID, Join: t.Join, Confidence: confidence})
			}
		}
		for _, c := range r.Columns {
			if column, ok := m.column(sqllens.Source{Table: c.Table, Column: c.Column}, mbql.Use(c.Use), confidence); ok && !slices.Contains(m.out.Columns, column) {
				m.out.Columns = append(m.out.Columns, column)
			}
		}
		for _, u := range r.Unresolved {
			m.unresolved(u.Reason, u.Detail, &u.Span)
		}
		if i == len(results)-1 {
			m.outputs(r.Outputs, confidence)
		}
	}
}

func (m *merger) table(t lineage.SQLTable) {
	for i, have := range m.out.Tables {
		if have.TableID == t.TableID {
			m.out.Tables[i].Join = have.Join && t.Join
			return
		}
	}
	m.out.Tables = append(m.out.Tables, t)
}

// column translates a source. ok is false for what is no column of the
// scanned schema or of a question.
func (m *merger) column(s sqllens.Source, use mbql.Use, confidence finding.Confidence) (lineage.SQLColumn, bool) {
	if s.Table == nil || s.Column == "*" {
		return lineage.SQLColumn{}, false
	}
	if s.Table.Catalog == cardCatalog {
		return lineage.SQLColumn{Card: s.Table.Name, Column: s.Column, Use: use, Confidence: confidence}, true
	}
	table := m.schema.table(*s.Table)
	if table == nil {
		return lineage.SQLColumn{}, false
	}
	for _, c := range table.Columns {
		if c.Name == s.Column {
			return lineage.SQLColumn{ColumnID: c.ID, Use: use, Confidence: confidence}, true
		}
	}
	return lineage.SQLColumn{}, false
}

func (m *merger) outputs(list []sqllens.Output, confidence finding.Confidence) {
	for i, o := range list {
		out := lineage.SQLOutput{Name: o.Name, Star: o.Star}
		for _, s := range o.Sources {
			if c, ok := m.column(s, mbql.UseValue, confidence); ok {
				out.Sources = append(out.Sources, c)
			}
		}
		if i < len(m.out.Outputs) { // the other variant's output at the same place
			for _, s := range out.Sources {
				if !slices.Contains(m.out.Outputs[i].Sources, s) {
					m.out.Outputs[i].Sources = append(m.out.Outputs[i].Sources, s)
				}
			}
			continue
		}
		m.out.Outputs = append(m.out.Outputs, out)
	}
}

func (m *merger) unresolved(reason, detail string, span *sqllens.Span) {
	u := lineage.SQLUnresolved{Reason: reason, Detail: detail}
	if span != nil {
		mapped := m.text.original(*span)
		u.Span = &mapped
	}
	for _, have := range m.out.Unresolved {
		if have.Reason == u.Reason && have.Detail == u.Detail {
			return
		}
	}
	m.out.Unresolved = append(m.out.Unresolved, u)
}

// expanded is a text whose snippets were replaced by their SQL, with the way
// back to places of the original.
type expanded struct {
	sql    string
	pieces []piece
}

type piece struct {
	start, end int          // in the expanded text
	span       finding.Span // of the tag in the original
}

// expand replaces {{snippet: …}} by the snippets' text.
func expand(sql string, tags []lineage.SQLTag) expanded {
	out := expanded{sql: sql}
	var b strings.Builder
	at := 0
	for _, t := range tags {
		if t.Kind != lineage.TagSnippet || t.Text == "" || t.Span.Start < at || t.Span.End > len(sql) {
			continue
		}
		b.WriteString(sql[at:t.Span.Start])
		start := b.Len()
		b.WriteString(t.Text)
		out.pieces = append(out.pieces, piece{start, b.Len(), t.Span})
		at = t.Span.End
	}
	if len(out.pieces) == 0 {
		return out
	}
	b.WriteString(sql[at:])
	out.sql = b.String()
	return out
}

// original maps a span of the expanded text back. A place inside a snippet is
// the whole tag.
func (x expanded) original(s sqllens.Span) finding.Span {
	place := func(at int, end bool) int {
		shift := 0
		for _, p := range x.pieces {
			switch {
			case at < p.start || at == p.start && !end:
				return at - shift
			case at < p.end || at == p.end && end:
				if end {
					return p.span.End
				}
				return p.span.Start
			}
			shift += (p.end - p.start) - (p.span.End - p.span.Start)
		}
		return at - shift
	}
	return finding.Span{Start: place(s.Start, false), End: place(s.End, true)}
}
