package sqllineage

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
)

// Purpose names the results that sessions keep, where results of several
// engines are kept together.
const Purpose = "sql_lineage"

// form is raised whenever the translation, the encoding, the SQL engine or the
// rules of sqllint change what a result says, so that results of before are not
// taken up.
const form = "2"

// Begin returns a session without kept results. [lineage.Build] calls it.
func (a *Analyzer) Begin() lineage.SQLAnalyzer { return a.Session(nil) }

// Scratch starts a session that shares nothing with others: texts are read once
// for lineage and remarks together, and all results go with the session.
func (a *Analyzer) Scratch() *Session {
	s := a.Session(func(data ...[]byte) Hash {
		h := sha256.New()
		for _, d := range data {
			h.Write(d)
		}
		return Hash(h.Sum(nil))
	})
	s.cache = newCache(a.cache.limit)
	return s
}

// Session is an analyzer for the queries of one snapshot that does not parse a
// text again whose result is known, and reads it once for lineage and for the
// remarks about it. A result is taken up only when text, tags,
// snippets, referenced questions' columns, engine and program are the same, and
// every table name that the text asked for still stands for the same tables and
// columns, or still for none.
//
// It is safe for concurrent use.
type Session struct {
	cache   *cache
	hash    func(data ...[]byte) Hash
	version string

	mu      sync.Mutex
	schemas map[*lineage.SQLSchema]*schema
	used    map[Hash]bool
	fresh   map[Hash][]byte
	parsed  int
}

// Session starts a session whose results are named by a keyed hash, which must
// be safe for concurrent use; with nil nothing is kept or taken up.
func (a *Analyzer) Session(hash func(data ...[]byte) Hash) *Session {
	return &Session{
		cache: a.cache, hash: hash, version: a.version,
		schemas: map[*lineage.SQLSchema]*schema{}, used: map[Hash]bool{}, fresh: map[Hash][]byte{},
	}
}

// Add hands the session a result that an earlier one kept.
func (s *Session) Add(hash Hash, body []byte) {
	if s.cache.get(hash) == nil {
		s.cache.put(hash, body)
	}
}

// Used reports whether the session met a text of this hash.
func (s *Session) Used(hash Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used[hash]
}

// Fresh hands out the results that were worked out anew, in the order of their
// hashes.
func (s *Session) Fresh(each func(hash Hash, body []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hashes := make([]Hash, 0, len(s.fresh))
	for h := range s.fresh {
		hashes = append(hashes, h)
	}
	slices.SortFunc(hashes, func(a, b Hash) int { return slices.Compare(a[:], b[:]) })
	for _, h := range hashes {
		each(h, s.fresh[h])
	}
}

// Parsed counts the texts that were parsed; none by a nil session.
func (s *Session) Parsed() int {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parsed
}

// AnalyzeSQL implements [lineage.SQLAnalyzer].
func (s *Session) AnalyzeSQL(ctx context.Context, in lineage.SQLInput) lineage.SQLAnalysis {
	known := s.schema(in.Schema)
	if out, done := unread(ctx, known, in); done {
		return out
	}
	if s.hash == nil {
		s.count()
		return readAll(known, known.index, in).analysis()
	}
	hash := s.name(known, in)
	if body := s.cache.get(hash); body != nil {
		if out, ok := decode(body, s.signs(known)); ok {
			s.mu.Lock()
			s.used[hash] = true
			s.mu.Unlock()
			return out
		}
	}
	out, _ := s.work(known, hash, in)
	return out
}

func (s *Session) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parsed++
}

func (s *Session) schema(in *lineage.SQLSchema) *schema {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.schemas[in]
	if ok {
		return known
	}
	for have, same := range s.schemas { // the lineage's, when the checks ask
		if have.DatabaseID == in.DatabaseID && have.Engine == in.Engine && slices.Equal(have.Tables, in.Tables) {
			known = same
		}
	}
	if known == nil {
		known = newSchema(in)
		known.signs = map[string]sign{}
		known.named = make(map[string][]*catalog.Table, len(in.Tables))
		for _, t := range in.Tables {
			name := strings.ToLower(t.Name)
			known.named[name] = append(known.named[name], t)
		}
	}
	s.schemas[in] = known
	return known
}

// name makes the hash of a text and its surroundings.
func (s *Session) name(known *schema, in lineage.SQLInput) Hash {
	w := writer{}
	w.text(form)
	w.text(s.version)
	w.text(known.head)
	w.text(in.SQL)
	for i := range in.Tags {
		t := &in.Tags[i]
		for _, part := range []string{t.Name, string(t.Kind), t.CardID, t.Snippet, t.Type, t.ColumnID, t.TableID, string(t.Card.Kind), t.Card.ID, string(t.Asset.Kind), t.Asset.ID, t.Text} {
			w.text(part)
		}
		w.flag(t.Optional)
		w.flag(t.Columns == nil)
		w.number(t.Span.Start)
		w.number(t.Span.End)
		w.number(len(t.Columns))
		for _, c := range t.Columns {
			w.text(c)
		}
	}
	return s.hash(w.b)
}

// sign stands for everything that results can depend on of the tables of one
// name.
type sign [16]byte

// signs tells the sign of a name.
func (s *Session) signs(known *schema) func(name string) sign {
	return func(name string) sign {
		s.mu.Lock()
		defer s.mu.Unlock()
		if have, ok := known.signs[name]; ok {
			return have
		}
		w := writer{}
		for _, t := range known.named[name] {
			for _, part := range []string{t.Schema, t.Name, t.ID} {
				w.text(part)
			}
			for _, on := range []bool{t.ColumnsUnread, t.Inactive, t.RequireFilter} {
				w.flag(on)
			}
			w.number(len(t.Columns))
			for _, c := range t.Columns {
				w.column(c)
			}
		}
		sum := sha256.Sum256(w.b)
		have := sign(sum[:16])
		known.signs[name] = have
		return have
	}
}

// column writes what results and remarks can depend on of a column.
func (w *writer) column(c *catalog.Column) {
	for _, part := range []string{c.ID, c.Name, c.BaseType, c.EffectiveType, c.DatabaseType, c.SemanticType, c.Coercion, c.FKTargetID, c.Visibility} {
		w.text(part)
	}
	for _, on := range []bool{c.ParentID == "", c.Inactive, c.PrimaryKey, c.Required} {
		w.flag(on)
	}
	for _, on := range []*bool{c.Nullable, c.Indexed, c.Partitioned} {
		w.flag(on != nil)
		w.flag(on != nil && *on)
	}
}

// writer writes values one after the other so that no two sequences look alike.
type writer struct{ b []byte }

func (w *writer) number(n int)  { w.b = binary.AppendVarint(w.b, int64(n)) }
func (w *writer) text(s string) { w.number(len(s)); w.b = append(w.b, s...) }

func (w *writer) flag(on bool) {
	if on {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}
