package lineage

import (
	"context"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
)

// Reader reads single queries of a snapshot again, for pages that show what
// stands where in them. It is safe for concurrent use.
type Reader struct {
	mu sync.Mutex
	b  *builder
}

// NewReader returns a reader; it takes the options of [Build].
func NewReader(index *catalog.Index, options ...Option) *Reader {
	b := newBuilder(context.Background(), index, options)
	b.prepare()
	return &Reader{b: b}
}

// SQL returns the SQL of an asset with its schema and what its template tags
// stand for, and the tags that lead nowhere. ok is false for an asset without
// SQL. A snippet has no schema of its own: its Schema is nil.
func (r *Reader) SQL(ctx context.Context, ref catalog.Ref) (in SQLInput, gaps []Unresolved, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.b.ctx = ctx
	var database, sql string
	var tags []catalog.TemplateTag
	switch a := r.b.index.Asset(ref).(type) {
	case *catalog.Question:
		database, sql, tags = a.Query.DatabaseID, a.Query.SQL, a.Query.Tags
	case *catalog.Transform:
		database, sql, tags = a.Query.DatabaseID, a.Query.SQL, a.Query.Tags
	case *catalog.Action:
		database, sql = a.DatabaseID, a.SQL
	case *catalog.Snippet:
		sql, tags = a.SQL, a.Tags
	}
	if sql == "" {
		return SQLInput{}, nil, false
	}
	found := &reading{database: database}
	in = SQLInput{SQL: sql, Tags: r.b.readTags(found, sql, declared(tags), nil)}
	if ref.Kind != catalog.KindSnippet {
		in.Schema = r.b.schema(database)
	}
	return in, found.unresolved, true
}

// Table finds a table as MBQL names it; nil when absent.
func (r *Reader) Table(id mbql.TableID) *catalog.Table {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.findTable(id)
}

// Column finds a column as MBQL names it; nil when absent.
func (r *Reader) Column(id mbql.FieldID) *catalog.Column {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.findColumn(id)
}
