package sqllineage_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/sqllint"
)

// TestLint: places are those of the stored text, whatever a snippet puts in
// between; a remark about a snippet has the place of its tag.
func TestLint(t *testing.T) {
	s := &catalog.Snapshot{}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "Shop"}, Engine: "postgres"})
	s.Add(table("public", "orders", "id", "status", "total"))
	s.Add(&catalog.Snippet{Common: catalog.Common{ID: "1", Name: "open"}, SQL: "status = null and total > (select max(total) from orders)"})
	questions := []*catalog.Question{
		sql("1", "select 1 from orders where {{snippet: open}} and total = null", catalog.TemplateTag{Name: "snippet: open", Type: "snippet", Snippet: "open"}),
		sql("2", "select 1 from orders [[where total = null and status = {{s}}]]"),
	}
	for _, q := range questions {
		s.Add(q)
	}
	reader, analyzer := lineage.NewReader(catalog.NewIndex(s)), sqllineage.New()
	var got []string
	for _, q := range questions {
		in, _, ok := reader.SQL(t.Context(), q.Ref())
		if !ok {
			t.Fatal("no SQL")
		}
		for _, m := range analyzer.Lint(t.Context(), in).Remarks {
			got = append(got, string(m.Rule)+" "+in.SQL[m.Span.Start:m.Span.End])
		}
	}
	want := []string{"equals_null {{snippet: open}}", "equals_null total = null", "equals_null total = null"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLintOfOtherLanguages(t *testing.T) {
	mongo := &lineage.SQLSchema{Engine: "mongo"}
	for name, tt := range map[string]struct {
		in   lineage.SQLInput
		want string
	}{
		"a document database": {lineage.SQLInput{SQL: "[]", Schema: mongo}, "not_sql"},
		"no database at all":  {lineage.SQLInput{SQL: "select 1"}, "not_sql"},
		"a very long text":    {lineage.SQLInput{SQL: string(make([]byte, sqllineage.MaxReferenceText+1)), Schema: mongo}, "too_long"},
	} {
		if got := sqllineage.New().Lint(t.Context(), tt.in); got.Skipped != tt.want || !cmp.Equal(got.Remarks, []sqllint.Remark(nil)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
