package check

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/sqllint"
)

// sqlFacts is what there is to say about the native SQL of a snapshot. Trees
// are dropped as soon as they were looked at: what stays is a few places for
// each text.
type sqlFacts struct {
	linter  Linter // nil: one of its own
	logger  *slog.Logger
	once    sync.Once
	results map[catalog.Ref]*sqllint.Result

	readOnce sync.Once
	texts    *sqllineage.Texts
}

// Linter remarks on native queries. It must be safe for concurrent use. The SQL
// analyzer of the lineage is one, and knows by then what it read.
type Linter interface {
	Lint(ctx context.Context, in lineage.SQLInput) sqllint.Result
}

// SQL answers with the remarks about an asset's native query; nil for an asset
// without one, and for one in the trash. The first call reads every query of
// the snapshot, on all processors; later ones look up.
func (f *Facts) SQL(r catalog.Ref) *sqllint.Result {
	f.sql.once.Do(f.lint)
	return f.sql.results[r]
}

// lint reads all queries. It ends early when the run was cancelled, whose
// results nobody sees.
func (f *Facts) lint() {
	ctx := f.Context()
	var refs []catalog.Ref
	for a := range f.index.Snapshot().All() {
		if _, ok := SQLOf(a); ok && f.InScope(a, true) {
			refs = append(refs, a.Ref())
		}
	}
	linter := f.sql.linter
	if linter == nil {
		linter = sqllineage.New().Scratch()
	}
	var options []lineage.Option
	if a, ok := linter.(lineage.SQLAnalyzer); ok { // for the columns of questions that a text refers to
		options = append(options, lineage.WithSQL(a))
	}
	reader := lineage.NewReader(f.index, options...)
	results := make([]*sqllint.Result, len(refs))
	type job struct {
		i  int
		in lineage.SQLInput
	}
	jobs := make(chan job)
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(refs)) {
		wait.Go(func() {
			for j := range jobs {
				results[j.i] = f.lintOne(ctx, linter, j.in)
			}
		})
	}
	for i := range refs { // one after the other: questions in a circle depend on the order
		if in, _, ok := reader.SQL(ctx, refs[i]); ok {
			jobs <- job{i, in}
		}
	}
	close(jobs)
	wait.Wait()
	f.sql.results = make(map[catalog.Ref]*sqllint.Result, len(refs))
	for i, r := range refs {
		if results[i] != nil {
			f.sql.results[r] = results[i]
		}
	}
}

// lintOne outlives a text that the linter fails on, which is not evaluated then:
// nothing above this goroutine would catch a panic.
func (f *Facts) lintOne(ctx context.Context, linter Linter, in lineage.SQLInput) (out *sqllint.Result) {
	defer func() {
		if r := recover(); r != nil {
			if f.sql.logger != nil {
				f.sql.logger.ErrorContext(ctx, "reading a query panicked", "panic", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
			}
			out = &sqllint.Result{Skipped: "failed"}
		}
	}()
	r := linter.Lint(ctx, in)
	return &r
}

// SQLOf is the native SQL of a question, model or transform; ok is false for
// anything else.
func SQLOf(a catalog.Asset) (catalog.Query, bool) {
	var q catalog.Query
	switch a := a.(type) {
	case *catalog.Question:
		q = a.Query
	case *catalog.Transform:
		q = a.Query
	}
	return q, q.Language == catalog.LanguageSQL && q.SQL != ""
}

// Dialect is the SQL dialect of a database; ok is false for one that does not
// speak SQL, or that was not read.
func (f *Facts) Dialect(databaseID string) (sqllens.Dialect, bool) {
	d := f.index.Database(databaseID)
	if d == nil {
		return "", false
	}
	return sqllens.DialectOfEngine(d.Engine)
}

// Mentions finds where an asset's SQL names a table, a column or another asset.
// It reads the SQL again: for what is reported, not for what is judged.
func (f *Facts) Mentions(r, target catalog.Ref) []finding.Span {
	f.sql.readOnce.Do(func() { f.sql.texts = sqllineage.NewTexts(f.index) })
	ctx := f.Context()
	var out []finding.Span
	for _, x := range f.sql.texts.References(ctx, r).List {
		if slices.Contains(x.Targets, target) {
			out = append(out, x.Span)
		}
	}
	return out
}

// Places turns places of a text into evidence.
func Places(spans ...sqllens.Span) []finding.Span {
	out := make([]finding.Span, 0, len(spans))
	for _, s := range spans {
		out = append(out, finding.Span{Start: s.Start, End: s.End})
	}
	return out
}
