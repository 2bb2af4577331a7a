package similar_test

import (
	"encoding/json"
	"testing"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/similar"
)

// FuzzAnalyze: no text makes the comparison panic or answer in another way the
// second time, and what it calls equal compares as equal.
func FuzzAnalyze(f *testing.F) {
	f.Add("select sum(total) as revenue from orders where status = 'paid'", "SELECT o.* FROM orders o JOIN customers c USING (id) [[where {{x}}]]", `{"source-table":1,"aggregation":[["sum",["field",14,null]]]}`)
	f.Add("with a as (select 1) select * from a, lateral (select", "((((", `{"source-query":{"source-table":"card__1"},"joins":[{"source-table":2}],"filter":["and"]}`)
	f.Add("select case when x then 1 end, count(*) filter (where not y) from {{#12}} t group by 1, 9", "not json", `{"native":{"query":"select"}}`)
	f.Add("select a at time zone 'UTC' from t where a between 1 and 2 and b in (1,1) and c is null union select", "\x00'\xff", `[[[[`)
	f.Fuzz(func(t *testing.T, one, other, inner string) {
		list := []*catalog.Question{sql("1", one), sql("2", other), sql("3", one+" "), builder("4", "{}")}
		list[3].Query.MBQL = json.RawMessage(`{"database":1,"type":"query","query":` + inner + `}`)
		index := catalog.NewIndex(shop(list...))
		graph := lineage.Build(t.Context(), index)
		first := similar.Analyze(t.Context(), index, graph)
		if again := similar.Analyze(t.Context(), index, graph); len(first.Clusters) != len(again.Clusters) || len(first.Metrics) != len(again.Metrics) {
			t.Error("the second answer differs from the first")
		}
		for _, a := range list {
			for _, b := range list {
				similar.Compare(t.Context(), index, a.Ref(), b.Ref())
			}
		}
		for _, c := range first.Clusters {
			if x := similar.Compare(t.Context(), index, c.Members[0], c.Members[1]); c.Kind == similar.Exact && x.Kind != similar.Exact {
				t.Errorf("an exact cluster compares as %q", x.Kind)
			}
		}
		similar.Odds(index)
		similar.RepeatedFilters(index, 2)
	})
}
