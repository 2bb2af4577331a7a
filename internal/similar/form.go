package similar

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
	"github.com/metalens/metalens/internal/sqllens"
)

// digest is a key without its text.
type digest [sha256.Size]byte

// form is what is compared of one question.
type form struct {
	question   *catalog.Question
	group      uint64   // questions of different groups are never alike: database and kind
	exact      digest   // zero when the question has no query
	equivalent digest   // of the canonical form
	common     digest   // of the query in terms that SQL and MBQL share; zero when it has none
	set        []uint32 // word triples of the canonical form; nil when it is too short to be near anything
	reading    *reading // nil when the query is not simple
	canonical  string   // kept for comparisons only
	figures    []named  // what the query computes, of all forms at once
}

// fewestWords is how many words a canonical form must have before another one
// can be near it. Below it, a query says so little that most of it is shared by
// chance: select * from t.
const fewestWords = 20

// forms reads every question that is compared. The result is in stored order.
func (f *finder) forms(ctx context.Context) []form {
	var out []form
	for _, q := range f.index.Snapshot().Questions {
		if !q.Archived && !q.Unreadable && !f.aside(f.home(q)) {
			out = append(out, form{question: q})
		}
	}
	parallel(ctx, len(out), func(i int) {
		x := &out[i]
		f.read(x)
		if x.reading != nil {
			x.figures = f.figuresOf(x.question, x.reading)
		}
		x.canonical, x.reading = "", nil // all of them would be large
	})
	if ctx.Err() != nil {
		return nil
	}
	return out
}

// read fills in a form.
func (f *finder) read(x *form) {
	q := x.question
	engine := ""
	if d := f.index.Database(q.Query.DatabaseID); d != nil {
		engine = d.Engine
	}
	head := string(q.Ref().Kind) + "\x00" + q.Query.DatabaseID + "\x00"
	x.group = hashWord(head)
	var exact, canonical string
	switch {
	case len(q.Query.MBQL) > 0:
		exact, canonical = f.readMBQL(x, engine)
		head += "mbql\x00"
	case q.Query.Language == catalog.LanguageSQL:
		exact, canonical = f.readSQL(x, engine)
		head += "sql\x00"
	case q.Query.Language == catalog.LanguageOther:
		exact = normalOther(q.Query.SQL)
		if exact != "" {
			canonical = exact
			exact += tagKey(exact, q.Query.Tags)
		}
		head += "other\x00"
	}
	if exact == "" {
		return
	}
	x.canonical = canonical
	tags := tagKey(canonical, q.Query.Tags)
	x.exact = sha256.Sum256([]byte(head + exact))
	x.equivalent = sha256.Sum256([]byte(head + "canonical\x00" + canonical + tags))
	if x.reading != nil && !x.reading.limited {
		x.common = sha256.Sum256([]byte(string(q.Ref().Kind) + "\x00" + x.reading.key()))
	}
	x.set = shingles(canonical, fewestWords)
}

// readMBQL reads a query-builder query.
func (f *finder) readMBQL(x *form, engine string) (exact, canonical string) {
	q := x.question
	query, err := mbql.Parse(q.Query.MBQL)
	if err != nil {
		return "", ""
	}
	tags := ""
	if len(query.Stages) > 0 && query.Stages[0].Native != nil && query.Stages[0].Native.SQL {
		native := query.Stages[0].Native
		native.Text = normalSQL(native.Text, engine)
		tags = tagKey(native.Text, q.Query.Tags)
	}
	exact = mbql.Canonical(query, mbql.Strict)
	if exact == "" {
		return "", ""
	}
	canonical = mbql.Canonical(query, mbql.Unordered)
	if limited(query.Stages) { // which rows are left depends on the order
		canonical = exact
	}
	x.reading = f.readingOfMBQL(query)
	return exact + tags, canonical
}

// limited reports whether a query cuts its rows anywhere.
func limited(stages []*mbql.Stage) bool {
	for _, s := range stages {
		if s.Limit > 0 || s.HasPage {
			return true
		}
		for _, j := range s.Joins {
			if limited(j.Stages) {
				return true
			}
		}
	}
	return false
}

// readSQL reads native SQL. Where the engine did not understand it to the end,
// its words are its canonical form.
func (f *finder) readSQL(x *form, engine string) (exact, canonical string) {
	q := x.question
	text := normalSQL(q.Query.SQL, engine)
	if text == "" {
		return "", ""
	}
	exact, canonical = text+tagKey(text, q.Query.Tags), text
	dialect, isSQL := dialectOf(engine)
	if !isSQL {
		return exact, canonical
	}
	tree := sqllens.Parse(q.Query.SQL, dialect, true)
	if understood, ok := sqllens.CanonicalText(tree); ok {
		canonical = understood
		x.reading = f.readingOfSQL(q, tree)
	}
	return exact, canonical
}

// dialectOf is the dialect of an engine; nothing is known of an unnamed one.
func dialectOf(engine string) (sqllens.Dialect, bool) {
	if engine == "" {
		return sqllens.Generic, true
	}
	return sqllens.DialectOfEngine(engine)
}

// readingOf reads a question without its canonical form.
func (f *finder) readingOf(q *catalog.Question) *reading {
	if len(q.Query.MBQL) > 0 {
		if query, err := mbql.Parse(q.Query.MBQL); err == nil {
			return f.readingOfMBQL(query)
		}
		return nil
	}
	engine := ""
	if d := f.index.Database(q.Query.DatabaseID); d != nil {
		engine = d.Engine
	}
	if dialect, isSQL := dialectOf(engine); isSQL && q.Query.Language == catalog.LanguageSQL {
		return f.readingOfSQL(q, sqllens.Parse(q.Query.SQL, dialect, true))
	}
	return nil
}

// normalOther normalises a native query that is not SQL: JSON is compacted,
// anything else trimmed.
func normalOther(text string) string {
	var raw json.RawMessage
	if json.Unmarshal([]byte(text), &raw) == nil {
		if encoded, err := json.Marshal(raw); err == nil {
			return string(encoded)
		}
	}
	return strings.TrimSpace(text)
}

// tagKey writes what the used tags stand for: the same text means something
// else where a field filter points at another column.
func tagKey(text string, tags []catalog.TemplateTag) string {
	var b strings.Builder
	for _, t := range tags {
		name := tagName(strings.TrimSpace(t.Name))
		if !strings.Contains(text, "{{"+name+"}}") {
			continue // a leftover
		}
		dimension := ""
		if len(t.Dimension) > 0 {
			if e := mbql.ParseExpr(t.Dimension); e != nil && e.Field != nil {
				dimension = strconv.FormatInt(e.Field.ID.Number, 10) + "/" + e.Field.ID.Name + "/" + e.Field.Name
			}
		}
		for _, part := range []string{name, t.Type, t.QuestionID, t.Snippet, dimension} {
			b.WriteString("\x00")
			b.WriteString(part)
		}
	}
	return b.String()
}
