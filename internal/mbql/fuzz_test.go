package mbql

import (
	"encoding/json"
	"testing"
)

// FuzzLegacy decodes arbitrary JSON as the inner query of legacy MBQL.
func FuzzLegacy(f *testing.F) {
	for _, seed := range []string{
		`{"source-table":1,"aggregation":[["count"],["sum",["field",2,null]]],"breakout":[["field",3,{"temporal-unit":"month"}]]}`,
		`{"source-table":"card__7","joins":[{"alias":"J","source-table":2,"condition":["=",["field",4,null],["field",5,{"join-alias":"J"}]],"fields":"all"}]}`,
		`{"source-query":{"source-table":1,"expressions":{"e":["+",["field-id",2],1]}},"filter":["and",["segment",3],[">",["expression","e"],5]],"order-by":[["desc",["aggregation",0]]]}`,
		`{"source-query":{"native":"select 1","template-tags":{}},"fields":[["field-literal","a","type/Text"]],"limit":5}`,
		`{"source-table":1,"aggregation":["metric",9],"filter":["not-null",["fk->",1,2]]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, inner []byte) {
		decode(t, `{"database":1,"type":"query","query":`, inner, `}`)
	})
}

// FuzzStages decodes arbitrary JSON as the stages of MBQL 5.
func FuzzStages(f *testing.F) {
	for _, seed := range []string{
		`[{"lib/type":"mbql.stage/mbql","source-table":1,"aggregation":[["count",{"lib/uuid":"u"}]],"breakout":[["field",{"temporal-unit":"month"},3]]}]`,
		`[{"lib/type":"mbql.stage/mbql","source-card":7,"joins":[{"alias":"J","stages":[{"lib/type":"mbql.stage/mbql","source-table":2}],"conditions":[["=",{},["field",{},4],["field",{"join-alias":"J"},5]]]}]}]`,
		`[{"lib/type":"mbql.stage/mbql","source-table":1,"expressions":[["+",{"lib/expression-name":"e"},["field",{},2],1]]},{"lib/type":"mbql.stage/mbql","filters":[["segment",{},3]],"order-by":[["desc",{},["aggregation",{},"u"]]]}]`,
		`[{"lib/type":"mbql.stage/native","native":"select {{x}}","template-tags":{"x":{"type":"card","card-id":3}}},{"lib/type":"mbql.stage/mbql","limit":5}]`,
		`[{"lib/type":"mbql.stage/mbql","aggregation":[["metric",{},9]],"fields":[["field",{"base-type":"type/Text"},"a"]]}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stages []byte) {
		decode(t, `{"lib/type":"mbql/query","database":1,"stages":`, stages, `}`)
	})
}

// decode reads a query and everything that is made of it, twice: the answers
// are the same, and nothing panics.
func decode(t *testing.T, before string, inner []byte, after string) {
	t.Helper()
	raw := json.RawMessage(before + string(inner) + after)
	q, err := Parse(raw)
	if err != nil {
		return
	}
	again, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := show(q.References(shop)), show(again.References(shop)); a != b {
		t.Fatalf("references are not deterministic:\n%s\n%s", a, b)
	}
	for _, form := range []Form{Strict, Unordered, Shape} {
		if Canonical(q, form) != Canonical(again, form) {
			t.Fatal("canonical form is not deterministic")
		}
	}
}
