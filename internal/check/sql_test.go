package check_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllint"
)

// TestSQLFacts reads every live query once, whoever asks first.
func TestSQLFacts(t *testing.T) {
	s := &catalog.Snapshot{}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1"}, Engine: "postgres"})
	add := func(id, sql string, archived bool) catalog.Ref {
		q := &catalog.Question{Common: catalog.Common{ID: id, Archived: archived}, Type: catalog.KindQuestion, CollectionID: "root"}
		q.Query = catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: sql}
		s.Add(q)
		return q.Ref()
	}
	live, trash, broken := add("1", "select 1 from orders where status = null", false), add("2", "select 1 from orders where status = null", true), add("3", "select (((", false)
	built := &catalog.Question{Common: catalog.Common{ID: "4"}, Type: catalog.KindQuestion, CollectionID: "root", Query: catalog.Query{Language: catalog.LanguageMBQL}}
	s.Add(built)
	f := facts(t, s, check.Observed{})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if r := f.SQL(live); r == nil || len(r.Remarks) != 1 || r.Remarks[0].Span.Start != 27 {
				t.Errorf("%+v", r)
			}
		})
	}
	wait.Wait()
	if r := f.SQL(broken); r == nil || r.Skipped != "not_parsed" {
		t.Errorf("broken: %+v", r)
	}
	if f.SQL(trash) != nil || f.SQL(built.Ref()) != nil {
		t.Error("remarks about what is in the trash, or no SQL")
	}
	if first := f.SQL(live); first != f.SQL(live) {
		t.Error("a query was read twice")
	}
	if d, ok := f.Dialect("1"); !ok || d != "postgres" {
		t.Errorf("dialect %q", d)
	}
	if _, ok := f.Dialect("404"); ok {
		t.Error("a database that was not read has a dialect")
	}
}

// fragile fails on one text.
type fragile struct{}

func (fragile) Lint(_ context.Context, in lineage.SQLInput) sqllint.Result {
	if strings.Contains(in.SQL, "boom") {
		panic("boom")
	}
	return sqllint.Result{Remarks: []sqllint.Remark{{Rule: sqllint.SelectStar}}}
}

// TestOneTextCannotEndTheRun: a defect that one text shows leaves the others be.
func TestOneTextCannotEndTheRun(t *testing.T) {
	s := snapshot(2, 0)
	for i, sql := range []string{"select boom", "select * from orders"} {
		s.Questions[i].Query = catalog.Query{Language: catalog.LanguageSQL, SQL: sql}
	}
	got := run(t, s, check.Input{Linter: fragile{}}, rule("SQL901", func(p *check.Pass) error {
		for q := range p.Questions() {
			if r := p.SQL(q.Ref()); r.Skipped != "" {
				p.NotEvaluated(q.Ref(), r.Skipped)
			} else if len(r.Remarks) > 0 {
				p.Report(q, check.Diagnostic{Message: "Has a remark."})
			}
		}
		return nil
	}))
	if len(got.Findings) != 1 || len(got.NotEvaluated) != 1 || got.NotEvaluated[0].Reason != "failed" {
		t.Errorf("%+v", got)
	}
}
