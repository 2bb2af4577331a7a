package sqllineage

import (
	"context"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqllint"
)

// Lint answers as [Analyzer.Lint] does, from what [Session.AnalyzeSQL] noted
// when it read the text.
func (s *Session) Lint(ctx context.Context, in lineage.SQLInput) sqllint.Result {
	if out, done := unlinted(ctx, in); done {
		return out
	}
	known := s.schema(in.Schema)
	if !known.sql {
		return sqllint.Result{Skipped: "not_sql"}
	}
	if s.hash == nil {
		return readAll(known, known.index, in).lint(known.table)
	}
	hash := s.name(known, in)
	if body := s.cache.get(hash); body != nil {
		if out, ok := decodeRemarks(body, s.signs(known)); ok {
			s.mu.Lock()
			s.used[hash] = true
			s.mu.Unlock()
			return out
		}
	}
	_, out := s.work(known, hash, in)
	return out
}

// work reads a text once for its lineage and for the remarks about it, and
// keeps both.
func (s *Session) work(known *schema, hash Hash, in lineage.SQLInput) (lineage.SQLAnalysis, sqllint.Result) {
	s.count()
	asked := map[string]struct{}{}
	for i := range in.Tags {
		t := &in.Tags[i]
		if id := t.TableID; t.Type == "table" && id != "" {
			ask(asked, id)
		}
		if t.ColumnID != "" {
			ask(asked, catalog.TableOfColumn(t.ColumnID))
		}
	}
	index := known.index.Watched(func(name string) { asked[name] = struct{}{} })
	r := readAll(known, index, in)
	out := r.analysis()
	remarks := sqllint.Result{Skipped: "too_long"}
	if len(in.SQL) <= MaxReferenceText {
		remarks = r.lint(func(ref sqllens.TableRef) *catalog.Table {
			asked[strings.ToLower(ref.Name)] = struct{}{}
			return known.table(ref)
		})
	}
	body := encode(&out, &remarks, asked, s.signs(known))
	s.cache.put(hash, body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[hash] = true
	s.fresh[hash] = body
	return out, remarks
}

func ask(asked map[string]struct{}, table string) {
	_, _, name, _, _ := catalog.SplitID(table)
	asked[strings.ToLower(name)] = struct{}{}
}

// The remarks have texts of their own within a result, so that those who want
// only the analysis skip them.

func encodeRemarks(r *sqllint.Result) []byte {
	e := encoder{known: map[string]int{}}
	e.text(r.Skipped)
	e.flag(r.Untyped)
	e.number(len(r.Remarks))
	for _, m := range r.Remarks {
		e.shared(string(m.Rule))
		e.number(m.Span.Start)
		e.number(m.Span.End)
		e.shared(m.Detail)
		e.shared(string(m.Confidence))
	}
	e.number(len(r.Subqueries))
	for _, q := range r.Subqueries {
		e.number(q.Span.Start)
		e.number(q.Span.End)
		e.shared(q.Tables)
		e.shared(q.Name)
	}
	return e.b
}

func decodeRemarks(body []byte, signOf func(string) sign) (r sqllint.Result, ok bool) {
	d := decoder{b: body}
	if !d.current(signOf) {
		return r, false
	}
	d.b = d.take(d.count())
	r.Skipped = string(d.take(d.count()))
	r.Untyped = d.flag()
	if n := d.count(); n > 0 {
		r.Remarks = make([]sqllint.Remark, n)
		for i := range r.Remarks {
			r.Remarks[i] = sqllint.Remark{
				Rule: sqllint.Rule(d.shared()), Span: d.span(), Detail: d.shared(), Confidence: finding.Confidence(d.shared()),
			}
		}
	}
	if n := d.count(); n > 0 {
		r.Subqueries = make([]sqllint.Subquery, n)
		for i := range r.Subqueries {
			r.Subqueries[i] = sqllint.Subquery{Span: d.span(), Tables: d.shared(), Name: d.shared()}
		}
	}
	return r, !d.bad && len(d.b) == 0
}

func (d *decoder) span() sqllens.Span { return sqllens.Span{Start: d.number(), End: d.number()} }
