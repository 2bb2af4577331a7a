package impact

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
	"github.com/metalens/metalens/internal/sqllens"
)

// mention says how a query names something.
type mention struct {
	known    bool // there was a text to look at
	named    bool
	optional bool // named, but only inside optional blocks
	filter   bool // a field filter or time grouping is bound to it
	plain    bool // named, and every time as a bare item of a list: no function, no comparison
	star     bool // the text asks for all columns somewhere
}

// query returns the query of an asset that has one.
func query(a catalog.Asset) (*catalog.Query, bool) {
	switch a := a.(type) {
	case *catalog.Question:
		return &a.Query, true
	case *catalog.Transform:
		return &a.Query, true
	}
	return nil, false
}

// text returns the SQL of an asset as it is written, and its template tags.
func (j *judge) text(a catalog.Asset) (sql string, tags []catalog.TemplateTag) {
	switch a := a.(type) {
	case *catalog.Question:
		sql, tags = a.Query.SQL, a.Query.Tags
	case *catalog.Transform:
		sql, tags = a.Query.SQL, a.Query.Tags
	case *catalog.Action:
		sql = a.SQL
	case *catalog.Snippet:
		sql, tags = a.SQL, a.Tags
	}
	return sql, tags
}

// dialect is how the SQL of an asset is written.
func (j *judge) dialect(a catalog.Asset) sqllens.Dialect {
	id := databaseOf(a)
	if d := j.in.Index.Database(id); d != nil {
		if dialect, ok := sqllens.DialectOfEngine(d.Engine); ok {
			return dialect
		}
	}
	return sqllens.Generic
}

// databaseOf is the database that an asset's query runs on; empty where it has
// none.
func databaseOf(a catalog.Asset) string {
	switch a := a.(type) {
	case *catalog.Question:
		if a.Query.DatabaseID != "" {
			return a.Query.DatabaseID
		}
		return a.DatabaseID
	case *catalog.Transform:
		return a.Query.DatabaseID
	case *catalog.Action:
		return a.DatabaseID
	case *catalog.Segment:
		database, _, _, _, _ := catalog.SplitID(a.TableID)
		return database
	case *catalog.Measure:
		database, _, _, _, _ := catalog.SplitID(a.TableID)
		return database
	case *catalog.Table:
		return a.DatabaseID
	}
	return ""
}

// mentions looks for the columns, or the tables, in what an asset runs.
func (j *judge) mentions(a catalog.Asset, columns, tables map[string]bool) mention {
	names := map[string]bool{}
	for id := range columns {
		_, _, _, column, _ := catalog.SplitID(id)
		names[strings.ToLower(column)] = true
	}
	for id := range tables {
		_, _, table, _, _ := catalog.SplitID(id)
		names[strings.ToLower(table)] = true
	}
	var m mention
	switch a := a.(type) {
	case *catalog.Segment:
		return j.definition(a.Definition, columns, tables, names)
	case *catalog.Measure:
		return j.definition(a.Definition, columns, tables, names)
	}
	if q, ok := query(a); ok && len(q.MBQL) > 0 {
		m = j.definition(q.MBQL, columns, tables, names)
	}
	sql, tags := j.text(a)
	if sql == "" {
		return m
	}
	m = m.or(j.sql(sql, j.dialect(a), names))
	for _, t := range tags {
		switch t.Type {
		case "dimension", "temporal-unit":
			if c := j.field(mbql.ParseExpr(t.Dimension)); c != "" && columns[c] {
				m.filter = true
			}
		case "snippet":
			if s := j.snippet(t); s != nil {
				inner := j.sql(s.SQL, j.dialect(a), names)
				inner.optional = inner.optional || inner.named && onlyOptional(sql, t)
				m = m.or(inner)
			}
		}
	}
	return m
}

// onlyOptional reports whether a tag stands only inside optional blocks.
func onlyOptional(sql string, t catalog.TemplateTag) bool {
	inside, found := false, false
	for at := 0; at < len(sql); {
		rest := sql[at:]
		switch {
		case strings.HasPrefix(rest, "[["):
			inside = true
			at += 2
		case strings.HasPrefix(rest, "]]"):
			inside = false
			at += 2
		case t.Name != "" && strings.HasPrefix(rest, t.Name):
			if !inside {
				return false
			}
			found = true
			at += len(t.Name)
		default:
			at++
		}
	}
	return found
}

func (j *judge) snippet(t catalog.TemplateTag) *catalog.Snippet {
	var found *catalog.Snippet
	if t.SnippetID != "" {
		found = j.in.Index.Snippet(t.SnippetID)
	}
	if found == nil {
		found = j.in.Index.SnippetByName(t.Snippet)
	}
	if found == nil {
		return nil
	}
	if body, ok := j.bodies[found.Ref()].(*catalog.Snippet); ok {
		return body
	}
	return found
}

func (m mention) or(o mention) mention {
	if !m.known {
		return o
	}
	if !o.known {
		return m
	}
	out := mention{known: true, named: m.named || o.named, filter: m.filter || o.filter, star: m.star || o.star}
	out.optional = out.named && (m.optional || !m.named) && (o.optional || !o.named)
	out.plain = out.named && (m.plain || !m.named) && (o.plain || !o.named)
	return out
}

// sql looks for names in a text. Lexing it is enough, so that texts which no
// parser understands are looked at, too.
func (j *judge) sql(text string, d sqllens.Dialect, names map[string]bool) mention {
	m := mention{known: true, optional: true, plain: true}
	words := sqllens.AppendWords(j.words[:0], text, d)
	j.words = words
	var query []bool // of each open parenthesis: holds a query
	inQuery := func() bool { return len(query) == 0 || query[len(query)-1] }
	for i := range words {
		w := &words[i]
		switch w.Kind {
		case sqllens.WordOperator:
			switch w.Text {
			case "(":
				query = append(query, word(words, i+1) == "select" || word(words, i+1) == "with")
			case ")":
				if len(query) > 0 {
					query = query[:len(query)-1]
				}
			case "*":
				before := word(words, i-1)
				m.star = m.star || before == "select" || before == "distinct" || before == "." || before == "," || before == "all"
			}
		case sqllens.WordName, sqllens.WordQuoted:
			switch word(words, i) {
			case "union", "intersect", "except", "minus": // types on both sides must agree
				m.plain = false
			}
			if !namesAny(w, names) {
				continue
			}
			m.named = true
			m.optional = m.optional && w.Optional
			m.plain = m.plain && inQuery() && bare(words, i)
		default:
		}
	}
	m.optional, m.plain = m.named && m.optional, m.named && m.plain
	return m
}

// word is a token in lower case, empty beyond the text.
func word(words []sqllens.Word, i int) string {
	if i < 0 || i >= len(words) || words[i].Kind == sqllens.WordQuoted {
		return ""
	}
	return strings.ToLower(words[i].Text)
}

func namesAny(w *sqllens.Word, names map[string]bool) bool {
	name := strings.ToLower(w.Name)
	if names[name] {
		return true
	}
	if w.Kind == sqllens.WordQuoted && strings.Contains(name, ".") { // one pair of quotes around a path
		return slices.ContainsFunc(strings.Split(name, "."), func(part string) bool { return names[part] })
	}
	return false
}

// bare reports whether a name stands alone as an item of a select, group or
// order list, with its qualifier at most.
func bare(words []sqllens.Word, i int) bool {
	start := i
	for word(words, start-1) == "." && start >= 2 {
		start -= 2
	}
	switch word(words, start-1) {
	case "select", "distinct", ",", "by", "all":
	default:
		return false
	}
	if i+1 >= len(words) {
		return true
	}
	switch next := word(words, i+1); next {
	case ",", "from", "as", "asc", "desc", "limit", "order", "group", "having", "where", ")", ";", "nulls", "offset", "fetch", "qualify", "window":
		return true
	default: // an alias without AS
		return (words[i+1].Kind == sqllens.WordName || words[i+1].Kind == sqllens.WordQuoted) && (word(words, i+2) == "," || word(words, i+2) == "from")
	}
}

// definition looks for columns and tables in a query of the query builder.
func (j *judge) definition(raw json.RawMessage, columns, tables, names map[string]bool) mention {
	q, err := mbql.Parse(raw)
	if err != nil || len(q.Stages) == 0 {
		return mention{}
	}
	f := &finder{judge: j, columns: columns, names: names}
	f.plain = true
	f.stages(q.Stages)
	f.known, f.plain = true, f.named && f.plain
	if len(tables) > 0 {
		f.named = true // a query names its tables by their number: lineage is exact
	}
	return f.mention
}

// finder walks a query of the query builder.
type finder struct {
	mention
	judge   *judge
	columns map[string]bool
	names   map[string]bool
}

func (f *finder) stages(list []*mbql.Stage) {
	for _, s := range list {
		if s.Native != nil && s.Native.SQL {
			inner := f.judge.sql(s.Native.Text, sqllens.Generic, f.names)
			f.named, f.star = f.named || inner.named, f.star || inner.star
			f.plain = f.plain && (inner.plain || !inner.named)
		}
		if !s.HasFields && len(s.Aggregations) == 0 && len(s.Breakouts) == 0 {
			f.star = true
		}
		for _, e := range s.Expressions {
			f.expr(e.Expr, false)
		}
		f.list(s.Filters, false)
		f.list(s.Aggregations, false)
		f.list(s.Breakouts, true)
		f.list(s.Fields, true)
		for _, o := range s.OrderBy {
			f.expr(o.Expr, true)
		}
		for _, join := range s.Joins {
			f.list(join.Conditions, false)
			f.list(join.Fields, true)
			f.star = f.star || join.AllFields
			f.stages(join.Stages)
		}
	}
}

func (f *finder) list(list []*mbql.Expr, plain bool) {
	for _, e := range list {
		f.expr(e, plain)
	}
}

func (f *finder) expr(e *mbql.Expr, plain bool) {
	if e == nil {
		return
	}
	if e.Kind == mbql.FieldExpr && e.Field != nil {
		hit := f.columns[f.judge.field(e)] || f.names[strings.ToLower(e.Field.Name)] && e.Field.Name != ""
		if source := f.judge.fieldID(e.Field.Source); source != "" && f.columns[source] { // the key of an implicit join
			hit, plain = true, false
		}
		if hit {
			f.named = true
			f.plain = f.plain && plain && e.Field.TemporalUnit == "" && e.Field.Binning == ""
		}
	}
	for _, arg := range e.Args {
		f.expr(arg, false)
	}
}

// field finds the physical column of a reference by id; empty for anything else.
func (j *judge) field(e *mbql.Expr) string {
	for e != nil && e.Kind == mbql.ClauseExpr && len(e.Args) > 0 { // ["dimension", ref]
		e = e.Args[0]
	}
	if e == nil || e.Kind != mbql.FieldExpr || e.Field == nil {
		return ""
	}
	return j.fieldID(e.Field.ID)
}

func (j *judge) fieldID(f mbql.FieldID) string {
	switch {
	case f.IsZero():
		return ""
	case f.Number != 0:
		if c := j.in.Index.ColumnByNumber(f.Number); c != nil {
			return c.ID
		}
		return ""
	case f.Table.IsZero():
		return f.Name
	}
	database := f.Table.Database
	if j.in.Index.Database(database) == nil {
		for _, d := range j.in.Index.Snapshot().Databases {
			if d.Name == database {
				database = d.ID
				break
			}
		}
	}
	return catalog.ColumnID(catalog.TableID(database, f.Table.Schema, f.Table.Name), f.Name)
}
