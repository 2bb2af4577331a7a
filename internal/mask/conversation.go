package mask

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/sqllens"
)

// Library is what a conversation looks assets and schemas up in. All functions
// may be nil; what cannot be looked up is treated as not known.
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
	Classifier *Classifier // required
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
}

// NewConversation starts or goes on with a conversation.
func NewConversation(o Options) *Conversation {
	if o.Map == nil {
		o.Map = NewMap()
	}
	return &Conversation{classifier: o.Classifier, m: o.Map, strict: o.Strict, library: o.Library}
}

// Map returns the conversation's placeholders, to be stored with it.
func (c *Conversation) Map() *Map { return c.m }

// Strict reports whether ids stand instead of names.
func (c *Conversation) Strict() bool { return c.strict }

// Unmask turns placeholders in what a model answered back.
func (c *Conversation) Unmask(s string) string { return c.m.Unmask(s) }

// SQL masks SQL. A nil schema knows nothing.
func (c *Conversation) SQL(d sqllens.Dialect, sql string, schema *sqllens.Schema) Text {
	in := SQLInput{Dialect: d, SQL: sql, Schema: schema, Sensitive: c.classifier.Classify, Names: c.strict}
	return Text{SQL(in, c.m).Masked}
}

// Free masks a free text: a title, a description, what a person typed, an error
// message.
func (c *Conversation) Free(s string) Text { return Text{free(s, c.m)} }

// free replaces what the detectors find, and what looks like a placeholder.
func free(s string, m *Map) string {
	return m.Text(ClassText, s)
}

// Column writes a column's name, or its placeholder when it is sensitive.
func (c *Conversation) Column(col Column) Text {
	return Text{c.m.Name(ClassColumn, col.Name)}
}

// Table writes a table's name with its schema; in strict mode a placeholder.
func (c *Conversation) Table(schema, name string) Text {
	return Text{c.m.Name(ClassTable, name)}
}

// Name writes the title of an asset, masked as free text; in strict mode its
// kind and id.
func (c *Conversation) Name(kind catalog.Kind, id, name string) Text {
	return c.Free(name)
}

// Asset renders an asset for a model, field by field from an allow-list.
func (c *Conversation) Asset(a catalog.Asset) Text {
	return Text{}
}
