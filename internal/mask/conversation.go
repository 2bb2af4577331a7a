package mask

import (
	"regexp"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/sqllens"
)

// Library is what a conversation looks assets and schemas up in. All fields may
// be nil; what cannot be looked up is treated as not known.
type Library struct {
	Index *catalog.Index
	// Schema gives the schema of a database; nil where it is not known.
	Schema func(databaseID string) *sqllens.Schema
	// Origins lists the ids of the columns that a column of a question comes
	// from, directly and through other questions.
	Origins func(question catalog.Ref, column string) []string
}

// Options are what a conversation is held under.
type Options struct {
	Classifier *Classifier // nil knows no lists of a connection
	Map        *Map        // nil starts a new one
	Strict     bool        // ids instead of names
	Library    Library
}

// Conversation makes the texts that one conversation with a model may hold. Its
// placeholders stay the same from the first message to the last. It may be used
// by many goroutines at once.
type Conversation struct {
	classifier *Classifier
	m          *Map
	strict     bool
	library    Library

	index    sync.Once
	columns  map[string][]located // "table\x00column" in lower case → columns of the catalog
	mu       sync.Mutex
	verdicts map[Column]Verdict
}

// located is a column of the catalog with the schema of its table.
type located struct {
	table  *catalog.Table
	column *catalog.Column
}

// NewConversation starts or goes on with a conversation.
func NewConversation(o Options) *Conversation {
	if o.Map == nil {
		o.Map = NewMap()
	}
	if o.Classifier == nil {
		if plain, err := NewClassifier(Rules{}); err == nil { // no rules, no error
			o.Classifier = plain
		}
	}
	return &Conversation{classifier: o.Classifier, m: o.Map, strict: o.Strict, library: o.Library, verdicts: map[Column]Verdict{}}
}

// Map returns the conversation's placeholders, to be stored with it.
func (c *Conversation) Map() *Map { return c.m }

// Strict reports whether ids stand instead of names.
func (c *Conversation) Strict() bool { return c.strict }

// Unmask turns placeholders in what a model answered back.
func (c *Conversation) Unmask(s string) string { return c.m.Unmask(s) }

// classify asks the classifier once about each column.
func (c *Conversation) classify(col Column) Verdict {
	c.mu.Lock()
	v, ok := c.verdicts[col]
	c.mu.Unlock()
	if ok {
		return v
	}
	if c.classifier == nil { // cannot happen; never let something through
		return Verdict{Sensitive: true, Score: 1, Category: NoCategory, Reason: "there is no classifier"}
	}
	v = c.classifier.Classify(col)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.verdicts) < maxVerdicts {
		c.verdicts[col] = v
	}
	return v
}

// maxVerdicts bounds the verdicts that a conversation remembers.
const maxVerdicts = 200_000

// catalogColumn is a column of the catalog as the classifier is asked about it.
func catalogColumn(t *catalog.Table, col *catalog.Column) Column {
	kind := col.DatabaseType
	if kind == "" {
		kind = col.BaseType
	}
	return Column{Table: t.FullName(), Name: col.Name, Type: kind, Description: col.Description, SemanticType: col.SemanticType}
}

// sensitiveColumn decides about a column of the catalog. What Metabase itself
// marks as sensitive is.
func (c *Conversation) sensitiveColumn(t *catalog.Table, col *catalog.Column) bool {
	return col.Visibility == "sensitive" || col.Sensitivity != "" && col.Sensitivity != "none" && col.Sensitivity != "public" || c.classify(catalogColumn(t, col)).Sensitive
}

// sensitive decides about a column that SQL names: with what the catalog knows
// of it, and for a card's column by the columns it comes from.
func (c *Conversation) sensitive(col Column) Verdict {
	if id, ok := strings.CutPrefix(col.Table, "#"); ok && c.library.Index != nil {
		if q := c.library.Index.Question(id); q != nil && c.sensitiveOutput(q, col.Name) {
			return Verdict{Sensitive: true, Score: 1, Category: NoCategory, Reason: "it comes from a sensitive column"}
		}
		return c.classify(Column{Name: col.Name})
	}
	c.index.Do(c.indexColumns)
	schema, table := "", col.Table
	if i := strings.LastIndexByte(table, '.'); i >= 0 {
		schema, table = table[:i], table[i+1:]
	}
	for _, l := range c.columns[strings.ToLower(table+"\x00"+col.Name)] {
		if (schema == "" || l.table.Schema == "" || strings.EqualFold(schema, l.table.Schema)) && c.sensitiveColumn(l.table, l.column) {
			return Verdict{Sensitive: true, Score: 1, Category: NoCategory, Reason: "the catalog's column is"}
		}
	}
	return c.classify(col)
}

func (c *Conversation) indexColumns() {
	c.columns = map[string][]located{}
	if c.library.Index == nil {
		return
	}
	for _, t := range c.library.Index.Snapshot().Tables {
		for _, col := range t.Columns {
			key := strings.ToLower(t.Name + "\x00" + col.Name)
			c.columns[key] = append(c.columns[key], located{t, col})
		}
	}
}

// sensitiveOutput decides about a column that a question answers with.
func (c *Conversation) sensitiveOutput(q *catalog.Question, column string) bool {
	for i := range q.ResultColumns {
		r := &q.ResultColumns[i]
		if !strings.EqualFold(r.Name, column) {
			continue
		}
		if c.sensitiveID(r.ColumnID) || c.classify(Column{Name: r.Name, Type: r.BaseType, Description: r.Description, SemanticType: r.SemanticType}).Sensitive {
			return true
		}
	}
	if c.library.Origins != nil {
		for _, id := range c.library.Origins(q.Ref(), column) {
			if c.sensitiveID(id) {
				return true
			}
		}
	}
	return false
}

// sensitiveID decides about a column by its natural id.
func (c *Conversation) sensitiveID(id string) bool {
	x := c.library.Index
	if id == "" || x == nil {
		return false
	}
	col, t := x.Column(id), x.Table(catalog.TableOfColumn(id))
	if col != nil && t != nil {
		return c.sensitiveColumn(t, col)
	}
	_, schema, table, name, ok := catalog.SplitID(id)
	return ok && name != "" && c.sensitive(Column{Table: strings.TrimPrefix(schema+"."+table, "."), Name: name}).Sensitive
}

// SQL masks SQL. A nil schema knows nothing.
func (c *Conversation) SQL(d sqllens.Dialect, sql string, schema *sqllens.Schema) Text {
	in := SQLInput{Dialect: d, SQL: sql, Schema: schema, Tags: c.tags(sql), Sensitive: c.sensitive, Names: c.strict}
	return Text{SQL(in, c.m).Masked}
}

var cardTag = regexp.MustCompile(`\{\{\s*(#(\d+)[^}]*?)\s*\}\}`)

// tags says what the card references of a text yield.
func (c *Conversation) tags(sql string) map[string]sqllens.TagRelation {
	if c.library.Index == nil || !strings.Contains(sql, "{{") {
		return nil
	}
	var tags map[string]sqllens.TagRelation
	for _, m := range cardTag.FindAllStringSubmatch(sql, -1) {
		q := c.library.Index.Question(m[2])
		if q == nil {
			continue
		}
		if tags == nil {
			tags = map[string]sqllens.TagRelation{}
		}
		tag := sqllens.TagRelation{Table: sqllens.TableRef{Name: "#" + m[2]}}
		for i := range q.ResultColumns {
			tag.Columns = append(tag.Columns, q.ResultColumns[i].Name)
		}
		tags[m[1]] = tag
	}
	return tags
}

// Free masks a free text: a title, a description, what a person typed.
func (c *Conversation) Free(s string) Text { return Text{c.free(s)} }

// free replaces what the detectors find, names that are the name of a sensitive
// column, and what looks like a placeholder.
func (c *Conversation) free(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToValidUTF8(s, "\ufffd")
	var b strings.Builder
	last := 0
	for _, found := range Detect(s) {
		c.rest(&b, s[last:found.Start])
		piece := s[found.Start:found.End]
		if found.Class.isName() {
			b.WriteString(c.m.Name(found.Class, piece))
		} else {
			b.WriteString(c.m.Text(found.Class, piece))
		}
		last = found.End
	}
	c.rest(&b, s[last:])
	out := b.String()
	if c.m.Unmask(out) != s { // a piece at the edge of another looks like a placeholder
		return c.m.Text(ClassText, s)
	}
	return out
}

// technical finds words that are names in a database for sure: in quotes of
// code, with an underscore, or behind a dot.
var technical = regexp.MustCompile("`[^`\\s]{1,100}`|\"[A-Za-z_][A-Za-z0-9_.]{0,99}\"|[\\p{L}\\p{N}]+(?:[_.][\\p{L}\\p{N}_]+)+")

// rest writes text in which the detectors found nothing.
func (c *Conversation) rest(b *strings.Builder, s string) {
	last := 0
	put := func(start, end int, placeholder string) {
		b.WriteString(s[last:start])
		b.WriteString(placeholder)
		last = end
	}
	var spans []region
	for at := range placeholders(s) {
		spans = append(spans, at)
	}
	next := 0
	for _, m := range technical.FindAllStringIndex(s, -1) {
		for next < len(spans) && spans[next].Start < m[1] {
			if spans[next].Start >= last {
				put(spans[next].Start, spans[next].End, c.m.Text(ClassText, s[spans[next].Start:spans[next].End]))
			}
			next++
		}
		start, end := m[0], m[1]
		if start < last {
			continue
		}
		if s[start] == '`' || s[start] == '"' {
			start, end = start+1, end-1
		}
		path := s[start:end]
		dot := strings.LastIndexByte(path, '.')
		col := Column{Name: path[dot+1:]}
		if dot > 0 {
			col.Table = path[:dot]
		}
		if col.Name == "" || !strings.ContainsFunc(col.Name, func(r rune) bool { return r == '_' || r > '9' }) {
			continue
		}
		if c.sensitive(col).Sensitive || col.Table != "" && c.sensitive(Column{Name: col.Name}).Sensitive {
			put(start+dot+1, end, c.m.Name(ClassColumn, col.Name))
		}
	}
	for ; next < len(spans); next++ {
		if spans[next].Start >= last {
			put(spans[next].Start, spans[next].End, c.m.Text(ClassText, s[spans[next].Start:spans[next].End]))
		}
	}
	b.WriteString(s[last:])
}

// quotedPart finds what messages of databases put into quotes, and the values
// of keys: "x", 'x', =(x).
var quotedPart = regexp.MustCompile(`'[^'\n]*'|"[^"\n]*"|=\([^)\n]*\)|\b\d{3,}(?:\.\d+)?\b`)

// Message masks the message of a database or of Metabase: it repeats data in
// quotes, which go whatever they are.
func (c *Conversation) Message(s string) Text {
	s = strings.ToValidUTF8(s, "\ufffd")
	var b strings.Builder
	last := 0
	for _, m := range quotedPart.FindAllStringIndex(s, -1) {
		start, end := m[0], m[1]
		switch {
		case digit(s[start]):
		case s[start] == '=':
			start, end = start+2, end-1
		default:
			start, end = start+1, end-1
		}
		if start >= end {
			continue
		}
		b.WriteString(c.free(s[last:start]))
		b.WriteString(c.m.Text(ClassString, s[start:end]))
		last = end
	}
	b.WriteString(c.free(s[last:]))
	return Text{b.String()}
}

// Column writes a column's name, or its placeholder when it is sensitive.
func (c *Conversation) Column(col Column) Text {
	if c.strict || c.sensitive(col).Sensitive || c.classify(col).Sensitive {
		return Text{c.m.Name(ClassColumn, col.Name)}
	}
	return Text{c.identifier(col.Name, ClassColumn)}
}

// Table writes a table's name with its schema; in strict mode placeholders.
func (c *Conversation) Table(schema, name string) Text {
	if c.strict {
		t := c.m.Name(ClassTable, name)
		if schema != "" {
			t = c.m.Name(ClassSchema, schema) + "." + t
		}
		return Text{t}
	}
	t := c.identifier(name, ClassTable)
	if schema != "" {
		t = c.identifier(schema, ClassSchema) + "." + t
	}
	return Text{t}
}

// identifier writes a name that is not sensitive by itself; one that holds what
// the detectors find is masked whole.
func (c *Conversation) identifier(name string, class Class) string {
	if looksMasked(name) || len(Detect(name)) > 0 {
		return c.m.Name(class, name)
	}
	return strings.ToValidUTF8(name, "\ufffd")
}

// Name writes the title of an asset, masked as free text; in strict mode its
// kind and id. People and groups have a placeholder always.
func (c *Conversation) Name(kind catalog.Kind, id, name string) Text {
	switch kind {
	case catalog.KindPerson:
		return Text{c.m.Name(ClassPerson, titleOr(name, id))}
	case catalog.KindGroup:
		return Text{c.m.Name(ClassGroup, titleOr(name, id))}
	default:
	}
	if c.strict {
		return Text{string(kind) + " " + c.id(id)}
	}
	return c.Free(name)
}

func titleOr(name, id string) string {
	if name == "" {
		return id
	}
	return name
}

var plainID = regexp.MustCompile(`^(?:\d{1,18}|root|trash|[A-Za-z0-9_-]{21})$`)

// id writes an id: a number, Metabase's entity id, or in the parts of a natural
// one the names of tables and columns.
func (c *Conversation) id(id string) string {
	if plainID.MatchString(id) && !looksMasked(id) {
		return id
	}
	parts := strings.Split(id, "/")
	if len(parts) == 3 || len(parts) == 4 {
		database := parts[0]
		if !allDigits(database) || looksMasked(database) {
			database = c.m.Name(ClassName, database)
		}
		if len(parts) == 3 {
			return database + "/" + c.part(parts[1], ClassSchema) + "/" + c.part(parts[2], ClassTable)
		}
		name := c.part(parts[3], ClassColumn)
		if c.strict || c.sensitiveID(id) {
			name = c.m.Name(ClassColumn, parts[3])
		}
		return database + "/" + c.part(parts[1], ClassSchema) + "/" + c.part(parts[2], ClassTable) + "/" + name
	}
	return c.m.Name(ClassName, id)
}

func (c *Conversation) part(name string, class Class) string {
	if name == "" {
		return ""
	}
	if c.strict {
		return c.m.Name(class, name)
	}
	return c.identifier(name, class)
}

// Ref writes a reference, kind:id.
func (c *Conversation) Ref(r catalog.Ref) Text {
	return Text{code(string(r.Kind)) + ":" + c.id(r.ID)}
}

var codeText = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_/.-]{0,39}$`)

// code writes a word of a closed list that Metabase or we made up: a kind, an
// engine, a type. What has not the form of one is left out.
func code(s string) string {
	if !codeText.MatchString(s) || looksMasked(s) || digitsRun(s) > spanDigits || len(Detect(s)) > 0 {
		return ""
	}
	return s
}
