package similar_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/similar"
)

func find(t *testing.T, s *catalog.Snapshot) []similar.Cluster {
	t.Helper()
	index := catalog.NewIndex(s)
	return similar.Find(t.Context(), index, lineage.Build(t.Context(), index))
}

func sql(id, text string) *catalog.Question {
	return &catalog.Question{
		Common: catalog.Common{ID: id, Name: "q" + id}, Type: catalog.KindQuestion, CollectionID: "root",
		Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: text},
	}
}

func snapshot(questions ...*catalog.Question) *catalog.Snapshot {
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "Shop"}, Engine: "postgres"})
	for _, q := range questions {
		s.Add(q)
	}
	return s
}

// members lists the clusters as texts: "1+2 keep 2".
func members(clusters []similar.Cluster) []string {
	var out []string
	for _, c := range clusters {
		var ids []string
		for _, m := range c.Members {
			ids = append(ids, m.ID)
		}
		out = append(out, strings.Join(ids, "+")+" keep "+c.Keep.ID)
	}
	slices.Sort(out)
	return out
}

func TestClusterIDsAreStable(t *testing.T) {
	two := find(t, snapshot(sql("1", "select 1"), sql("2", "select  1 -- x")))
	three := find(t, snapshot(sql("1", "select 1"), sql("2", "select 1"), sql("9", "select\n1")))
	if len(two) != 1 || len(three) != 1 || two[0].ID != three[0].ID {
		t.Errorf("a further copy changed the id: %v, %v", two, three)
	}
	other := find(t, snapshot(sql("1", "select 2"), sql("2", "select 2")))
	if other[0].ID == two[0].ID {
		t.Error("another query has the same id")
	}
	if two[0].Kind != similar.Exact || two[0].Score != 1 {
		t.Errorf("%+v", two[0])
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	list := []*catalog.Question{sql("1", "select 1"), sql("2", "select 1"), sql("10", "select 1"), sql("3", "select 2"), sql("4", "select 2")}
	want := find(t, snapshot(list...))
	slices.Reverse(list)
	if diff := cmp.Diff(want, find(t, snapshot(list...))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1+2+10 keep 1", "3+4 keep 3"}, members(want)); diff != "" {
		t.Error(diff)
	}
}

func TestNativeUnderSteps(t *testing.T) {
	native := func(id, dialect, raw string) *catalog.Question {
		q := sql(id, "select a from t")
		q.Query.MBQL, q.Query.Dialect = json.RawMessage(raw), dialect
		return q
	}
	s := snapshot(
		native("1", "mbql5", `{"lib/type":"mbql/query","database":1,"stages":[{"lib/type":"mbql.stage/native","native":"select a  from t"},{"lib/type":"mbql.stage/mbql","limit":5}]}`),
		native("2", "mbql5", `{"lib/type":"mbql/query","database":1,"stages":[{"lib/type":"mbql.stage/native","native":"select a from t -- x"},{"lib/type":"mbql.stage/mbql","limit":5}]}`),
		native("3", "mbql5", `{"lib/type":"mbql/query","database":1,"stages":[{"lib/type":"mbql.stage/native","native":"select a from t"},{"lib/type":"mbql.stage/mbql","limit":6}]}`),
		sql("4", "select a from t"),
	)
	if diff := cmp.Diff([]string{"1+2 keep 1"}, members(find(t, s))); diff != "" {
		t.Error(diff)
	}
}

func TestOtherLanguages(t *testing.T) {
	mongo := func(id, text string) *catalog.Question {
		q := sql(id, text)
		q.Query.Language = catalog.LanguageOther
		return q
	}
	s := snapshot(mongo("1", `[{"$match": {"a": 1}}]`), mongo("2", ` [ {"$match":{"a":1}} ]`), mongo("3", `[{"$match":{"a":2}}]`), mongo("4", " "), mongo("5", ""))
	if diff := cmp.Diff([]string{"1+2 keep 1"}, members(find(t, s))); diff != "" {
		t.Error(diff)
	}
}

func TestKeep(t *testing.T) {
	at := func(days int) time.Time { return time.Date(2024, 1, 1+days, 0, 0, 0, 0, time.UTC) }
	tests := []struct {
		name   string
		change func(s *catalog.Snapshot, a, b *catalog.Question)
		want   string
		reason string
	}{
		{"verified", func(_ *catalog.Snapshot, _, b *catalog.Question) { b.Verified = true }, "2", "verified"},
		{"official", func(s *catalog.Snapshot, _, b *catalog.Question) {
			s.Add(&catalog.Collection{Common: catalog.Common{ID: "5"}, ParentID: "root", Official: true})
			s.Add(&catalog.Collection{Common: catalog.Common{ID: "6"}, ParentID: "5"})
			b.CollectionID = "6"
		}, "2", "official"},
		{"not inside a dashboard", func(s *catalog.Snapshot, a, _ *catalog.Question) {
			s.Add(&catalog.Dashboard{Common: catalog.Common{ID: "7"}, CollectionID: "root"})
			a.DashboardID = "7"
		}, "2", "inside a dashboard"},
		{"used", func(s *catalog.Snapshot, _, _ *catalog.Question) {
			s.Add(&catalog.Dashboard{Common: catalog.Common{ID: "7"}, CollectionID: "root", Cards: []catalog.Dashcard{{ID: "1", QuestionID: "2"}}})
		}, "2", "1 asset uses it, 0 the next"},
		{"viewed", func(s *catalog.Snapshot, _, b *catalog.Question) {
			n := int64(12)
			s.Usage[b.Ref()] = catalog.Usage{Views: &n}
		}, "2", "viewed most (12 times"},
		{"pinned", func(_ *catalog.Snapshot, _, b *catalog.Question) { b.Pinned = true }, "2", "pinned"},
		{"easier to find", func(s *catalog.Snapshot, a, _ *catalog.Question) {
			s.Add(&catalog.Collection{Common: catalog.Common{ID: "5"}, ParentID: "root"})
			a.CollectionID = "5"
		}, "2", "easiest to find"},
		{"older", func(_ *catalog.Snapshot, a, b *catalog.Question) { a.CreatedAt, b.CreatedAt = at(9), at(1) }, "2", "oldest"},
		{"nothing", func(*catalog.Snapshot, *catalog.Question, *catalog.Question) {}, "1", "lowest id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := sql("1", "select 1"), sql("2", "select 1")
			s := snapshot(a, b)
			tt.change(s, a, b)
			got := find(t, s)
			if len(got) != 1 || got[0].Keep.ID != tt.want || !strings.Contains(got[0].Reason, tt.reason) {
				t.Errorf("%+v, want %s because %q", got, tt.want, tt.reason)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	index := catalog.NewIndex(snapshot(sql("1", "select 1"), sql("2", "select 1")))
	if got := similar.Find(ctx, index, &lineage.Graph{}); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

func BenchmarkFind(b *testing.B) {
	var list []*catalog.Question
	body := strings.Repeat("select a, b, 'text' as c from public.orders o join users u on u.id = o.user_id -- note\n", 12)
	for i := range 10_000 {
		list = append(list, sql(fmt.Sprint(i), fmt.Sprintf("%s where id = %d", body, i%9000)))
	}
	index := catalog.NewIndex(snapshot(list...))
	graph := lineage.Build(b.Context(), index)
	for b.Loop() {
		similar.Find(b.Context(), index, graph)
	}
}
