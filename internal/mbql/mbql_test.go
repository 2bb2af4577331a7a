package mbql

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// world is a small catalog: tables and cards by number.
type world struct {
	tables map[int64][]string // table → "number name" of its fields
	cards  map[string][]Column
}

var shop = world{
	tables: map[int64][]string{
		5: {"50 id", "51 customer_id", "52 status", "53 amount", "54 created_at"},
		6: {"61 id", "62 name", "63 region"},
	},
	cards: map[string][]Column{
		"7": {
			{Name: "region", Sources: []FieldID{{Number: 63}}, Cards: []CardCell{{"7", "region"}}},
			{Name: "sum", Sources: []FieldID{{Number: 53}}, Cards: []CardCell{{"7", "sum"}}},
		},
	},
}

func (w world) TableColumns(t TableID) ([]Column, bool) {
	var out []Column
	for _, f := range w.tables[t.Number] {
		n, name, _ := strings.Cut(f, " ")
		out = append(out, Column{Name: name, Sources: []FieldID{{Number: number(n)}}})
	}
	return out, len(out) > 0
}

func (w world) CardColumns(id string) ([]Column, bool) { c, ok := w.cards[id]; return c, ok }

func (w world) Field(f FieldID) (FieldInfo, bool) {
	for t, fields := range w.tables {
		for _, x := range fields {
			n, name, _ := strings.Cut(x, " ")
			if number(n) == f.Number {
				return FieldInfo{ID: f, Table: TableID{Number: t}, Name: name}, true
			}
		}
	}
	return FieldInfo{}, false
}

func (w world) Table(t TableID) (TableID, bool) { _, ok := w.tables[t.Number]; return t, ok }

func (w world) Aggregate(kind ExprKind, id string) (Column, bool) {
	if kind == MetricExpr && id == "9" {
		return Column{Name: "sum", Sources: []FieldID{{Number: 53}}}, true
	}
	return Column{}, false
}

func parse(t testing.TB, text string) *Query {
	t.Helper()
	q, err := Parse(json.RawMessage(text))
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return q
}

// show writes references compactly: "t5 j6 53:value 52:filter* card:7 …".
func show(r *References) string {
	var out []string
	for _, t := range r.Tables {
		s := "t" + strconv.FormatInt(t.Table.Number, 10) + strings.Trim(t.Table.Database+"."+t.Table.Name, ".")
		if t.Join {
			s = "j" + s[1:]
		}
		if t.Implicit {
			s += "*"
		}
		out = append(out, s)
	}
	for _, c := range r.Columns {
		s := strconv.FormatInt(c.Field.Number, 10) + c.Field.Name + ":" + string(c.Use)
		if c.Implicit {
			s += "*"
		}
		out = append(out, s)
	}
	for _, c := range r.Cards {
		s := "card:" + c.Card
		if c.Join {
			s = "joincard:" + c.Card
		}
		out = append(out, s)
	}
	for _, c := range r.CardColumns {
		s := c.Card + "." + c.Column + ":" + string(c.Use)
		if c.Implicit {
			s += "*"
		}
		out = append(out, s)
	}
	for _, m := range r.Metrics {
		out = append(out, "metric:"+m)
	}
	for _, m := range r.Segments {
		out = append(out, "segment:"+m)
	}
	for _, m := range r.Measures {
		out = append(out, "measure:"+m)
	}
	for _, u := range r.Unresolved {
		out = append(out, "!"+u.Reason+"("+u.Detail+")")
	}
	return strings.Join(out, " ")
}

func showOutputs(columns []Column) string {
	var out []string
	for _, c := range columns {
		var from []string
		for _, s := range c.Sources {
			from = append(from, strconv.FormatInt(s.Number, 10)+s.Name)
		}
		name := c.Name
		if c.Star {
			name = "*"
		}
		if c.Partial {
			name += "?"
		}
		out = append(out, name+"<"+strings.Join(from, ","))
	}
	return strings.Join(out, " ")
}

const (
	worked4 = `{"database": 2, "type": "query", "query": {
	 "source-query": {"source-table": 5,
	  "joins": [{"alias": "C", "strategy": "left-join", "source-table": 6, "fields": "none",
	    "condition": ["=", ["field", 51, null], ["field", 61, {"join-alias": "C"}]]}],
	  "filter": ["!=", ["field", 52, null], "cancelled"],
	  "aggregation": [["sum", ["field", 53, null]]],
	  "breakout": [["field", 54, {"temporal-unit": "month"}]]},
	 "filter": [">", ["field", "sum", {"base-type": "type/Decimal"}], 1000],
	 "order-by": [["desc", ["field", "created_at", {"base-type": "type/DateTime"}]]]}}`
	worked5 = `{"lib/type": "mbql/query", "database": 2, "stages": [
	 {"lib/type": "mbql.stage/mbql", "source-table": 5,
	  "joins": [{"lib/type": "mbql/join", "lib/options": {"lib/uuid": "u1"}, "alias": "C", "strategy": "left-join", "fields": "none",
	    "stages": [{"lib/type": "mbql.stage/mbql", "source-table": 6}],
	    "conditions": [["=", {"lib/uuid": "u2"}, ["field", {"lib/uuid": "u3"}, 51], ["field", {"lib/uuid": "u4", "join-alias": "C"}, 61]]]}],
	  "filters": [["!=", {"lib/uuid": "u5"}, ["field", {"lib/uuid": "u6"}, 52], "cancelled"]],
	  "aggregation": [["sum", {"lib/uuid": "u7"}, ["field", {"lib/uuid": "u8"}, 53]]],
	  "breakout": [["field", {"lib/uuid": "u9", "temporal-unit": "month"}, 54]]},
	 {"lib/type": "mbql.stage/mbql",
	  "filters": [[">", {"lib/uuid": "v1"}, ["field", {"lib/uuid": "v2", "base-type": "type/Decimal"}, "sum"], 1000]],
	  "order-by": [["desc", {"lib/uuid": "v3"}, ["field", {"lib/uuid": "v4", "base-type": "type/DateTime"}, "created_at"]]]}]}`
)

func TestWorkedExampleIsTheSameInBothDialects(t *testing.T) {
	q4, q5 := parse(t, worked4), parse(t, worked5)
	if q4.Dialect != Legacy || q5.Dialect != MBQL5 {
		t.Errorf("dialects = %q, %q", q4.Dialect, q5.Dialect)
	}
	for _, form := range []Form{Strict, Unordered, Shape} {
		if diff := cmp.Diff(Canonical(q4, form), Canonical(q5, form)); diff != "" {
			t.Errorf("form %d differs:\n%s", form, diff)
		}
	}
	r4, r5 := q4.References(shop), q5.References(shop)
	want := "t5 j6 51:join 52:filter 53:filter 53:value 54:group 54:order 54:value 61:join"
	if got := show(r4); got != want {
		t.Errorf("references\n got %s\nwant %s", got, want)
	}
	if diff := cmp.Diff(r4, r5, cmpopts.IgnoreUnexported(Column{})); diff != "" {
		t.Error(diff)
	}
	if got, want := showOutputs(r5.Outputs), "created_at<54 sum<53"; got != want {
		t.Errorf("outputs = %s, want %s", got, want)
	}
	want = `(query (database 2) (stage (table 5) (join J1 left-join (stage (table 6)) (on (= (field 51) (field 61 :join J1))) (fields none)) (filter (!= (field 52) 'cancelled)) (aggregation (sum (field 53))) (breakout (field 54 :unit month))) (stage (filter (> (column sum) 1000)) (order (desc (column created_at)))))`
	if got := Canonical(q4, Strict); got != want {
		t.Errorf("canonical\n got %s\nwant %s", got, want)
	}
	if got := Canonical(q4, Shape); strings.Contains(got, "cancelled") || strings.Contains(got, "1000") || strings.Contains(got, "order") {
		t.Errorf("shape keeps a constant or the order: %s", got)
	}
}

func TestReferencesOfEveryForm(t *testing.T) {
	tests := []struct {
		name  string
		query string
		want  string
	}{
		{"everything of a table", `{"type":"query","query":{"source-table":6}}`, "t6 61:value* 62:value* 63:value*"},
		{"a card", `{"type":"query","query":{"source-table":"card__7"}}`, "53:value* 63:value* card:7 7.region:value* 7.sum:value*"},
		{"a card in MBQL 5", `{"lib/type":"mbql/query","stages":[{"source-card":7}]}`, "53:value* 63:value* card:7 7.region:value* 7.sum:value*"},
		{"a card's column by name", `{"type":"query","query":{"source-table":"card__7","filter":["=",["field","region",{"base-type":"type/Text"}],"x"],"aggregation":[["count"]]}}`, "63:filter card:7 7.region:filter"},
		{"a card's column by id", `{"type":"query","query":{"source-table":"card__7","filter":["=",["field",63,null],"x"],"aggregation":[["count"]]}}`, "63:filter card:7 7.region:filter"},
		{"a missing column of a card", `{"type":"query","query":{"source-table":"card__7","fields":[["field","gone",{}]]}}`, "card:7 !unknown_column(gone)"},
		{"an unknown card leaves names open", `{"type":"query","query":{"source-table":"card__8","fields":[["field","any",{}]]}}`, "card:8"},
		{"a joined card", `{"type":"query","query":{"source-table":5,"aggregation":[["count"]],"joins":[{"alias":"R","source-table":"card__7","condition":["=",["field",51,null],["field","region",{"join-alias":"R"}]]}]}}`, "t5 51:join 63:join joincard:7 7.region:join"},
		{"an implicit join", `{"type":"query","query":{"source-table":5,"breakout":[["field",63,{"source-field":51}]],"aggregation":[["count"]]}}`, "t5 j6* 51:join 63:group 63:value"},
		{"a segment and a metric", `{"type":"query","query":{"source-table":5,"filter":["and",["segment",3],["=",["field",52,null],"a"]],"aggregation":[["metric",9]]}}`, "t5 52:filter 53:value metric:9 segment:3"},
		{"a measure in MBQL 5", `{"stages":[{"source-table":5,"aggregation":[["measure",{"lib/uuid":"a"},4]]}]}`, "t5 measure:4"},
		{"a missing table", `{"type":"query","query":{"source-table":99}}`, "t99 !unknown_table(table 99)"},
		{"a missing field", `{"type":"query","query":{"source-table":6,"fields":[["field",999,null]]}}`, "t6 !unknown_field(field 999)"},
		{"a missing alias", `{"type":"query","query":{"source-table":5,"fields":[["field",62,{"join-alias":"Gone"}]]}}`, "t5 62:value !unknown_alias(Gone)"},
		{"custom columns", `{"type":"query","query":{"source-table":5,"expressions":{"net":["-",["field",53,null],["field",50,null]],"twice":["*",["expression","net"],2]},"aggregation":[["sum",["expression","twice"]]]}}`, "t5 50:value 53:value"},
		{"conditions inside aggregations are values", `{"type":"query","query":{"source-table":5,"aggregation":[["sum-where",["field",53,null],["=",["field",52,null],"x"]]]}}`, "t5 52:value 53:value"},
		{"case in legacy form", `{"type":"query","query":{"source-table":5,"aggregation":[["sum",["case",[[["=",["field",52,null],"a"],["field",53,null]]],{"default":["field",50,null]}]]]}}`, "t5 50:value 52:value 53:value"},
		{"case in MBQL 5", `{"stages":[{"source-table":5,"aggregation":[["sum",{},["case",{},[[["=",{},["field",{},52],"a"],["field",{},53]]],["field",{},50]]]]}]}`, "t5 50:value 52:value 53:value"},
		{"order by an aggregation index", `{"type":"query","query":{"source-table":5,"aggregation":[["count"],["sum",["field",53,null]]],"order-by":[["desc",["aggregation",1]]]}}`, "t5 53:order 53:value"},
		{"order by an aggregation uuid", `{"stages":[{"source-table":5,"aggregation":[["count",{"lib/uuid":"a"}],["sum",{"lib/uuid":"b"},["field",{},53]]],"order-by":[["desc",{},["aggregation",{},"b"]]]}]}`, "t5 53:order 53:value"},
		{"unknown clauses are recursed into", `{"stages":[{"source-table":5,"filters":[["zzz",{},["yyy",{"x":1},["field",{},52]],[["field",{},50]]]],"aggregation":[["count",{}]]}]}`, "t5 50:filter 52:filter"},
		{"a definition without envelope", `{"source-table":5,"filter":["=",["field",52,null],"x"],"aggregation":[["count"]]}`, "t5 52:filter"},
		{"native with a stage above", `{"stages":[{"lib/type":"mbql.stage/native","native":"select 1"},{"lib/type":"mbql.stage/mbql","filters":[["=",{},["field",{},"x"],1]]}]}`, ""},
		// MBQL 2 and 3
		{"bare integers", `{"type":"query","query":{"source_table":5,"filter":["AND",["=",52,"x"],["NOT_NULL",53]],"aggregation":["sum",53],"breakout":[54]}}`, "t5 52:filter 53:filter 53:value 54:group 54:value"},
		{"field-id, fk-> and datetime-field", `{"type":"query","query":{"source-table":5,"breakout":[["fk->",51,63],["datetime-field",["field-id",54],"as","month"]],"aggregation":[["count"]]}}`, "t5 j6* 51:join 54:group 54:value 63:group 63:value"},
		{"nested fk->", `{"type":"query","query":{"source-table":5,"breakout":[["fk->",["field-id",51],["field-id",63]]],"aggregation":[["count"]]}}`, "t5 j6* 51:join 63:group 63:value"},
		{"joined-field", `{"type":"query","query":{"source-table":5,"joins":[{"alias":"C","source-table":6,"condition":["=",["field-id",51],["joined-field","C",["field-id",61]]]}],"aggregation":[["count"]]}}`, "t5 j6 51:join 61:join"},
		{"field-literal of a nested query", `{"type":"query","query":{"source-query":{"source-table":5,"breakout":[["field-id",52]],"aggregation":[["count"]]},"filter":["=",["field-literal","status","type/Text"],"x"]}}`, "t5 52:filter 52:group 52:value"},
		{"binning-strategy", `{"type":"query","query":{"source-table":5,"breakout":[["binning-strategy",["field-id",53],"num-bins",10]],"aggregation":[["count"]]}}`, "t5 53:group 53:value"},
		{"ancient order", `{"type":"query","query":{"source-table":5,"aggregation":["rows"],"order_by":[[54,"ascending"],["DESC",["field-id",53]]],"fields":[50]}}`, "t5 50:value 53:order 54:order"},
		{"named aggregation", `{"type":"query","query":{"source-table":5,"aggregation":[["named",["sum",["field-id",53]],"Total"]]}}`, "t5 53:value"},
		{"upper case time interval", `{"type":"query","query":{"source-table":5,"filter":["TIME_INTERVAL",["field-id",54],-30,"day"],"aggregation":[["count"]]}}`, "t5 54:filter"},
		{"a list of filters", `{"type":"query","query":{"source-table":5,"filter":[["=",["field",52,null],1],["=",["field",50,null],1]],"aggregation":[["count"]]}}`, "t5 50:filter 52:filter"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := show(parse(t, test.query).References(shop)); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestOutputs(t *testing.T) {
	tests := []struct {
		name  string
		query string
		want  string
	}{
		{"repeated names get suffixes", `{"type":"query","query":{"source-table":6,"joins":[{"alias":"O","source-table":5,"fields":"all","condition":["=",["field",61,null],["field",51,{"join-alias":"O"}]]}]}}`, "id<61 name<62 region<63 id_2<50 customer_id<51 status<52 amount<53 created_at<54"},
		{"default names", `{"type":"query","query":{"source-table":5,"aggregation":[["count"],["distinct",["field",50,null]],["sum",["field",53,null]],["cum-sum",["field",53,null]],["avg",["field",53,null]],["count-where",["=",["field",52,null],"a"]],["sum-where",["field",53,null],["=",["field",52,null],"a"]],["+",["sum",["field",53,null]],1],["metric",9],["share",["=",["field",52,null],"a"]]]}}`, "count< count_2<50 sum<53 sum_2<53 avg<53 count_where<52 sum_where_amount<53,52 expression<53 sum_3<53 share<52"},
		{"given names", `{"type":"query","query":{"source-table":5,"aggregation":[["aggregation-options",["sum",["field",53,null]],{"name":"total","display-name":"Total"}]]}}`, "total<53"},
		{"custom columns and chosen fields", `{"type":"query","query":{"source-table":5,"expressions":{"net":["-",["field",53,null],1]},"fields":[["field",50,null],["expression","net"]]}}`, "id<50 net<53"},
		{"through stages", `{"stages":[{"source-table":5,"breakout":[["field",{"temporal-unit":"month"},54]],"aggregation":[["sum",{},["field",{},53]]]},{"aggregation":[["max",{},["field",{"base-type":"type/Float"},"sum"]]],"breakout":[["field",{},"created_at"]]}]}`, "created_at<54 max<53"},
		{"joined columns by generated name", `{"stages":[{"source-table":6,"joins":[{"alias":"O","stages":[{"source-table":5}],"fields":"all","conditions":[["=",{},["field",{},61],["field",{"join-alias":"O"},51]]]}]},{"fields":[["field",{},"O__id"],["field",{},"id_2"],["field",{"join-alias":"O"},53]]}]}`, "id_2<50 id_2_2<50 amount<53"},
		{"selected join columns", `{"type":"query","query":{"source-table":5,"fields":[["field",50,null]],"joins":[{"alias":"C","source-table":6,"fields":[["field",62,{"join-alias":"C"}]],"condition":["=",["field",51,null],["field",61,{"join-alias":"C"}]]}]}}`, "id<50 name<62"},
		{"native", `{"type":"native","native":{"query":"select 1"}}`, "*?<"},
		{"a card", `{"type":"query","query":{"source-table":"card__7"}}`, "region<63 sum<53"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := showOutputs(parse(t, test.query).Outputs(shop)); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestPortableReferences(t *testing.T) {
	v4 := `{"database":"DB","type":"query","query":{"source-table":["DB",null,"orders"],
	 "joins":[{"alias":"P","source-table":["DB",null,"people"],"condition":["=",["field",["DB",null,"orders","user_id"],null],["field",["DB",null,"people","id"],{"join-alias":"P"}]]}],
	 "filter":["=",["field",["DB",null,"people","name"],{"source-field":["DB",null,"orders","user_id"]}],"x"],
	 "aggregation":[["metric","skXR69-dlhJST5C7Rd9nR"]],
	 "breakout":[["field",["DB",null,"orders","data","city"],null]]}}`
	v5 := `{"lib/type":"mbql/query","database":"DB","stages":[{"source-table":["DB",null,"orders"],
	 "joins":[{"alias":"P","stages":[{"source-table":["DB",null,"people"]}],"conditions":[["=",{},["field",{},["DB",null,"orders","user_id"]],["field",{"join-alias":"P"},["DB",null,"people","id"]]]]}],
	 "filters":[["=",{},["field",{"source-field":["DB",null,"orders","user_id"]},["DB",null,"people","name"]],"x"]],
	 "aggregation":[["metric",{},"skXR69-dlhJST5C7Rd9nR"]],
	 "breakout":[["field",{},["DB",null,"orders","data","city"]]]}]}`
	want := "t0DB.orders j0DB.people j0DB.people* 0data.city:group 0data.city:value 0user_id:join 0id:join 0name:filter metric:skXR69-dlhJST5C7Rd9nR"
	for _, text := range []string{v4, v5} {
		if got := show(parse(t, text).References(nil)); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	if a, b := Canonical(parse(t, v4), Strict), Canonical(parse(t, v5), Strict); a != b {
		t.Errorf("canonical differs:\n%s\n%s", a, b)
	}
	card := parse(t, `{"database":"DB","type":"query","query":{"source-table":"yBoV-iHmFUrY9xqB0v9Pg"}}`)
	if got := show(card.References(nil)); got != "card:yBoV-iHmFUrY9xqB0v9Pg" {
		t.Errorf("source card = %s", got)
	}
}

func TestCanonicalIgnoresWhatDoesNotMatter(t *testing.T) {
	query := func(inner string) string { return `{"database":1,"type":"query","query":` + inner + `}` }
	same := []struct{ name, a, b string }{
		{"order of filters", `{"source-table":1,"filter":["and",["=",["field",1,null],1],["and",["=",["field",2,null],2]]]}`, `{"source-table":1,"filter":["and",["=",["field",2,null],2],["=",["field",1,null],1]]}`},
		{"order of values", `{"source-table":1,"filter":["=",["field",1,null],"a","b"]}`, `{"source-table":1,"filter":["in",["field",1,null],"b","a"]}`},
		{"alias names", `{"source-table":1,"joins":[{"alias":"A","source-table":2,"condition":["=",["field",1,null],["field",2,{"join-alias":"A"}]]}]}`, `{"source-table":1,"joins":[{"alias":"B","source-table":2,"condition":["=",["field",2,{"join-alias":"B"}],["field",1,null]]}]}`},
		{"type hints", `{"source-table":1,"fields":[["field",1,{"base-type":"type/Text"}]]}`, `{"source-table":1,"fields":[["field",1,null]]}`},
		{"numbers", `{"source-table":1,"filter":["=",["field",1,null],1000]}`, `{"source-table":1,"filter":["=",["field",1,null],1e3]}`},
		{"an empty stage", `{"source-query":{"source-table":1},"filter":["=",["field",1,null],1]}`, `{"source-table":1,"filter":["=",["field",1,null],1]}`},
		{"old and new spelling", `{"source_table":1,"filter":["AND",["=",1,"x"]],"breakout":[["datetime-field",["field-id",2],"as","day"]],"aggregation":["count"]}`, `{"source-table":1,"filter":["=",["field",1,null],"x"],"breakout":[["field",2,{"temporal-unit":"day"}]],"aggregation":[["count"]]}`},
		{"if and case", `{"source-table":1,"expressions":{"x":["if",[[["=",["field",1,null],1],2]]]}}`, `{"source-table":1,"expressions":{"x":["case",[[["=",["field",1,null],1],2]]]}}`},
	}
	for _, test := range same {
		t.Run(test.name, func(t *testing.T) {
			a, b := Canonical(parse(t, query(test.a)), Strict), Canonical(parse(t, query(test.b)), Strict)
			if a != b {
				t.Errorf("differ:\n%s\n%s", a, b)
			}
		})
	}
	different := []struct{ name, a, b string }{
		{"tables", `{"source-table":1}`, `{"source-table":2}`},
		{"subtraction", `{"source-table":1,"expressions":{"x":["-",["field",1,null],["field",2,null]]}}`, `{"source-table":1,"expressions":{"x":["-",["field",2,null],["field",1,null]]}}`},
		{"units", `{"source-table":1,"breakout":[["field",1,{"temporal-unit":"day"}]]}`, `{"source-table":1,"breakout":[["field",1,{"temporal-unit":"week"}]]}`},
		{"text and number", `{"source-table":1,"filter":["=",["field",1,null],"1"]}`, `{"source-table":1,"filter":["=",["field",1,null],1]}`},
		{"case sensitivity", `{"source-table":1,"filter":["contains",["field",1,null],"a"]}`, `{"source-table":1,"filter":["contains",["field",1,null],"a",{"case-sensitive":false}]}`},
		{"name and id", `{"source-table":1,"fields":[["field","1",{}]]}`, `{"source-table":1,"fields":[["field",1,null]]}`},
		{"limit", `{"source-table":1,"limit":5}`, `{"source-table":1}`},
	}
	for _, test := range different {
		t.Run(test.name, func(t *testing.T) {
			a, b := Canonical(parse(t, query(test.a)), Strict), Canonical(parse(t, query(test.b)), Strict)
			if a == b {
				t.Errorf("equal: %s", a)
			}
		})
	}
	a := Canonical(parse(t, query(`{"source-table":1,"filter":["=",["field",1,null],"a"],"limit":5}`)), Shape)
	b := Canonical(parse(t, query(`{"source-table":1,"filter":["=",["field",1,null],"b","c"]}`)), Shape)
	if a != b {
		t.Errorf("shapes differ:\n%s\n%s", a, b)
	}
}

func TestJunkIsReportedNotFatal(t *testing.T) {
	for _, bad := range []string{``, `null`, `[]`, `7`, `"x"`, `{`, `{"a":}`} {
		if q, err := Parse(json.RawMessage(bad)); err == nil {
			t.Errorf("%q: no error, %+v", bad, q)
		}
	}
	deep := strings.Repeat(`["not",`, 5000) + `["field",1,null]` + strings.Repeat(`]`, 5000)
	nested := strings.Repeat(`{"source-query":`, 5000) + `{"source-table":1}` + strings.Repeat(`}`, 5000)
	tests := []struct{ name, query, code string }{
		{"empty", `{}`, "no_query"},
		{"internal", `{"type":"internal"}`, "internal_query"},
		{"unknown clause", `{"query":{"source-table":1,"filter":["frobnicate",1]}}`, "unknown_clause"},
		{"a field without id", `{"query":{"source-table":1,"fields":[["field",null,null]]}}`, "bad_reference"},
		{"deep clause", `{"query":{"source-table":1,"filter":` + deep + `}}`, "too_deep"},
		{"deep source", `{"query":` + nested + `}`, "too_deep"},
		{"a stage that is no object", `{"stages":[1]}`, "bad_stage"},
		{"an aggregation that does not exist", `{"query":{"source-table":1,"order-by":[["asc",["aggregation",3]]]}}`, "bad_reference"},
		{"a bad join", `{"query":{"source-table":1,"joins":[1]}}`, "bad_join"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q := parse(t, test.query)
			if !slices.ContainsFunc(q.Diagnostics, func(d Diagnostic) bool { return d.Code == test.code }) {
				t.Errorf("diagnostics = %v, want %s", q.Diagnostics, test.code)
			}
			q.References(shop)
			Canonical(q, Strict)
		})
	}
}

func TestTags(t *testing.T) {
	q := parse(t, `{"database":2,"type":"native","native":{"query":"select {{x}}","template-tags":{
	 "#17-a":{"name":"#17-a","type":"card","card-id":17},
	 "d":{"name":"d","type":"dimension","dimension":["field",{"base-type":"x"},54]},
	 "s":{"type":"snippet","snippet-name":"not test","snippet-id":3},
	 "t":{"type":"table","table-id":["DB","s","t"]}}}}`)
	want := []Tag{
		{Name: "#17-a", Type: "card", CardID: "17"},
		{Name: "d", Type: "dimension", Dimension: &Expr{Kind: FieldExpr, Index: -1, Field: &Field{ID: FieldID{Number: 54}, BaseType: "x"}}},
		{Name: "s", Type: "snippet", Snippet: "not test", SnippetID: "3"},
		{Name: "t", Type: "table", Table: TableID{Database: "DB", Schema: "s", Name: "t"}},
	}
	if diff := cmp.Diff(want, q.Stages[0].Native.Tags, cmpopts.IgnoreUnexported(Expr{})); diff != "" {
		t.Error(diff)
	}
	mongo := parse(t, `{"type":"native","native":{"collection":"c","query":"[{}]"}}`)
	if n := mongo.Stages[0].Native; n.SQL || n.Text != "[{}]" {
		t.Errorf("mongo = %+v", n)
	}
}

func TestParseExprAndTable(t *testing.T) {
	for _, text := range []string{`["field",54,null]`, `["field",{"x":1},54]`, `["field-id",54]`, `54`, `["field",["field-id",54],{}]`} {
		if e := ParseExpr(json.RawMessage(text)); e == nil || e.Kind != FieldExpr || e.Field.ID.Number != 54 {
			t.Errorf("%s = %+v", text, e)
		}
	}
	target := ParseExpr(json.RawMessage(`["dimension",["template-tag","created"],{"stage-number":0}]`))
	if target == nil || target.Op != "dimension" || target.Args[0].Kind != TagExpr || target.Args[0].Name != "created" {
		t.Errorf("target = %+v", target)
	}
	for _, bad := range []string{``, `null`, `"x"`, `{}`} {
		if e := ParseExpr(json.RawMessage(bad)); e != nil {
			t.Errorf("%q = %+v", bad, e)
		}
	}
	if id := ParseTable(json.RawMessage(`["a",null,"b"]`)); id != (TableID{Database: "a", Name: "b"}) {
		t.Errorf("table = %+v", id)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(worked4))
	f.Add([]byte(worked5))
	f.Add([]byte(`{"query":{"source_table":5,"filter":["AND",["=",52,"x"]],"breakout":[["fk->",1,2]],"order_by":[[1,"ascending"]]}}`))
	f.Add([]byte(`{"stages":[{"native":{"a":[1,"\u00e9"]}},{"order-by":[["asc",{},["aggregation",{},"b"]]]}]}`))
	f.Add([]byte(`["dimension",["joined-field","a",["datetime-field",["field-literal","x","y"],"day"]]]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ParseExpr(raw)
		ParseTable(raw)
		q, err := Parse(raw)
		if err != nil {
			return
		}
		q.References(nil)
		a := q.References(shop)
		if b := q.References(shop); show(a) != show(b) {
			t.Fatalf("references are not deterministic:\n%s\n%s", show(a), show(b))
		}
		for _, form := range []Form{Strict, Unordered, Shape} {
			again, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if Canonical(q, form) != Canonical(again, form) {
				t.Fatal("canonical form is not deterministic")
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,-2.5e3,true,null,"\ud83d\ude00x\n"],"a":2}`))
	f.Add([]byte("[\"\xff\"]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, deep, err := parseJSON(raw)
		if valid := json.Valid(raw); (err == nil) != valid && !deep && len(raw) <= maxBytes {
			t.Fatalf("valid = %v, err = %v", valid, err)
		}
		if err != nil || deep {
			return
		}
		var want any
		if json.Unmarshal(raw, &want) != nil {
			return
		}
		var b strings.Builder
		n.write(&b)
		var got any
		if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
			t.Fatalf("written back: %v", err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
