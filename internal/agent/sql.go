package agent

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

type reviewAnswer struct {
	Verdict string   `json:"verdict" enum:"fine,improve"`
	Remarks []string `json:"remarks" max:"5"`
	SQL     *string  `json:"sql" desc:"the whole improved query, or null" max:"40000"`
}

// queryDoc is a query with what is needed to read it.
type queryDoc struct {
	Dialect mask.Text `json:"dialect"`
	SQL     mask.Text `json:"sql"`
}

// tableDoc is a table that a query reads.
type tableDoc struct {
	Ref     mask.Text   `json:"ref"`
	Name    mask.Text   `json:"name"`
	Columns []columnDoc `json:"columns"`
	Left    int         `json:"further_columns"`
}

type columnDoc struct {
	Name mask.Text `json:"name"`
	Type mask.Text `json:"type"`
}

// maxColumns is how many columns of a table a model is told of.
const maxColumns = 80

func (p *preparer) review(ctx context.Context, w *work) error {
	a, err := p.asset(w.subject)
	if err != nil {
		return err
	}
	q, ok := a.(*catalog.Question)
	if !ok || q.Query.Language != catalog.LanguageSQL || strings.TrimSpace(q.Query.SQL) == "" {
		return errs.New(errs.Invalid, "not_sql", "Only questions that are written in SQL are reviewed.", "")
	}
	l, r, database := p.lens, a.Ref(), q.Query.DatabaseID
	w.schema, w.limits = llm.SchemaOf[reviewAnswer]("review"), Limits{Steps: 1, Answer: 3_000, Tokens: 60_000}
	w.depend(l, r)
	l.Brief(r)
	if err := w.add(mask.Constant("The query:"), 0, true, queryDoc{l.Word(string(l.Dialect(database))), l.SQL(database, q.Query.SQL)}); err != nil {
		return err
	}
	for _, e := range l.World.Graph.Sources(r) {
		if t := l.World.Index.Table(e.From.ID); t != nil && e.From.Kind == catalog.KindTable {
			w.key = append(w.key, t)
			if err := w.add(mask.Constant("A table it reads:"), 3, false, p.table(t)); err != nil {
				return err
			}
		}
	}
	list, err := p.findingsAbout(ctx, r, "SQL", "BRK", "PRM")
	if err != nil {
		return err
	}
	for i := range list {
		w.key = append(w.key, list[i].Fingerprint)
		if err := w.add(mask.Constant("What a check found:"), 2, false, l.FindingDoc(p.backend, &list[i])); err != nil {
			return err
		}
	}
	w.check = func(raw json.RawMessage) []mask.Text {
		answer, err := unmarshal[reviewAnswer](raw)
		if err != nil || answer.SQL == nil {
			return nil
		}
		if s := suggest(l, database, q.Query.SQL, *answer.SQL); !s.Parsed || !s.ReadOnly {
			return []mask.Text{mask.Constant("sql has to be one SELECT that parses in the dialect; otherwise answer null.")}
		}
		return nil
	}
	w.finish = func(raw json.RawMessage, out *Output) error {
		answer, err := unmarshal[reviewAnswer](raw)
		if err != nil {
			return err
		}
		out.Review = &Review{Fine: answer.Verdict == "fine", Remarks: out.citedAll(l, answer.Remarks)}
		if answer.SQL == nil || strings.TrimSpace(*answer.SQL) == "" {
			return nil
		}
		s := suggest(l, database, q.Query.SQL, *answer.SQL)
		if lost := lostTags(q.Query.SQL, s.SQL); lost != "" {
			out.drop("A suggested query was left out: it loses " + line(lost, 80) + ".")
			return nil
		}
		out.Review.Suggestion = &s
		return nil
	}
	return nil
}

// table describes a table for reading and writing SQL.
func (p *preparer) table(t *catalog.Table) tableDoc {
	l := p.lens
	b := l.Brief(t.Ref())
	doc := tableDoc{Ref: b.Ref, Name: b.Name, Columns: []columnDoc{}}
	for _, c := range t.Columns {
		switch {
		case c.Inactive:
		case len(doc.Columns) == maxColumns:
			doc.Left++
		default:
			doc.Columns = append(doc.Columns, columnDoc{l.Column(t, c), l.Word(c.DatabaseType)})
		}
	}
	return doc
}

// suggest turns the placeholders of SQL that a model wrote back and reads it
// against the schema. What the query that it replaces could not resolve either is
// not held against it; was is empty for a new query.
func suggest(l *tools.Lens, database, was, sql string) Suggestion {
	sql = strings.TrimSpace(l.Conv.Unmask(stripFence(sql)))
	s := Suggestion{SQL: sql, Verdict: l.Verify(database, sql)}
	if was == "" {
		return s
	}
	s.Equivalent = l.Alike(database, was, sql)
	before := l.Verify(database, was).Problems
	s.Problems = slices.DeleteFunc(s.Problems, func(t tools.Trouble) bool { return slices.Contains(before, t) })
	s.Resolved = s.Parsed && len(s.Problems) == 0
	return s
}

// stripFence takes the fence off a block of code.
func stripFence(sql string) string {
	sql = strings.TrimSpace(sql)
	if rest, ok := strings.CutPrefix(sql, "```"); ok {
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			rest = rest[i+1:]
		}
		sql = strings.TrimSuffix(strings.TrimSpace(rest), "```")
	}
	return sql
}

// lostTags names a template tag that a suggestion no longer has; without it the
// question's filters stop working.
func lostTags(was, now string) string {
	for rest := was; ; {
		i := strings.Index(rest, "{{")
		if i < 0 {
			return ""
		}
		end := strings.Index(rest[i:], "}}")
		if end < 0 {
			return ""
		}
		tag := strings.TrimSpace(rest[i+2 : i+end])
		rest = rest[i+end:]
		if !hasTag(now, tag) {
			return "{{" + tag + "}}"
		}
	}
}

func hasTag(sql, tag string) bool {
	for rest := sql; ; {
		i := strings.Index(rest, "{{")
		if i < 0 {
			return false
		}
		end := strings.Index(rest[i:], "}}")
		if end < 0 {
			return false
		}
		if strings.TrimSpace(rest[i+2:i+end]) == tag {
			return true
		}
		rest = rest[i+end:]
	}
}

type writerAnswer struct {
	SQL         string   `json:"sql" min:"1" max:"40000"`
	Explanation string   `json:"explanation" min:"1" max:"900"`
	Assumptions []string `json:"assumptions" max:"4"`
}

type requestDoc struct {
	Database mask.Text `json:"database"`
	Dialect  mask.Text `json:"dialect"`
	Tables   int       `json:"tables" desc:"how many it has"`
}

// writer prepares a query for a question in words.
func (p *preparer) writer(databaseID, question string) (*work, error) {
	l := p.lens
	d := l.World.Index.Database(databaseID)
	if d == nil {
		return nil, errs.New(errs.NotFound, "not_found", "There is no such database.", "")
	}
	if strings.TrimSpace(question) == "" || len(question) > maxQuestion {
		return nil, errs.New(errs.Invalid, "question", "Ask a question of at most 4,000 characters.", "")
	}
	w := &work{
		agent: SQLWriter, subject: d.Ref().String(), schema: llm.SchemaOf[writerAnswer]("draft"), limits: Limits{Steps: 8, Answer: 3_000, Tokens: 150_000},
		tools: []string{"search_assets", "get_asset", "list_metrics", "check_sql"},
	}
	n := 0
	for _, t := range l.World.Index.Snapshot().Tables {
		if t.DatabaseID == databaseID && !t.Inactive {
			n++
		}
	}
	if err := w.add(mask.Constant("The database:"), 0, true, requestDoc{l.Brief(d.Ref()).Ref, l.Word(string(l.Dialect(databaseID))), n}); err != nil {
		return nil, err
	}
	w.parts = append(w.parts, part{title: mask.Join(mask.Constant("The question: "), l.Free(question, maxQuestion)), data: mask.Constant("{}"), must: true})
	w.check = func(raw json.RawMessage) []mask.Text {
		answer, err := unmarshal[writerAnswer](raw)
		if s := suggest(l, databaseID, "", answer.SQL); err != nil || !s.Parsed || !s.ReadOnly {
			return []mask.Text{mask.Constant("sql has to be one SELECT that parses in the dialect.")}
		}
		return nil
	}
	w.finish = func(raw json.RawMessage, out *Output) error {
		answer, err := unmarshal[writerAnswer](raw)
		if err != nil {
			return err
		}
		out.Draft = &Draft{Suggestion: suggest(l, databaseID, "", answer.SQL), Explanation: Cite(l, answer.Explanation), Assumptions: out.citedAll(l, answer.Assumptions)}
		return nil
	}
	return w, nil
}

// maxQuestion bounds what a person asks, in bytes.
const maxQuestion = 4_000
