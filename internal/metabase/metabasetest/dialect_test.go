package metabasetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// The two dialects are brought to one form here, by hand and apart from the
// renderer, and must agree.

type normalQuery struct {
	Database any
	Stages   []map[string]any
}

func normal(t *testing.T, raw json.RawMessage) normalQuery {
	t.Helper()
	var q map[string]any
	if err := json.Unmarshal(raw, &q); err != nil {
		t.Fatal(err)
	}
	out := normalQuery{Database: q["database"]}
	switch {
	case len(q) == 0:
	case q["lib/type"] == "mbql/query":
		for _, s := range q["stages"].([]any) {
			out.Stages = append(out.Stages, stage5(s.(map[string]any)))
		}
	case q["type"] == "native":
		out.Stages = []map[string]any{native4(q["native"].(map[string]any), "query")}
	default:
		out.Stages = stages4(q["query"].(map[string]any))
	}
	return out
}

func native4(n map[string]any, key string) map[string]any {
	s := map[string]any{"native": n[key]}
	if tags, ok := n["template-tags"].(map[string]any); ok && len(tags) > 0 {
		s["tags"] = tagForms(tags)
	}
	return s
}

func tagForms(tags map[string]any) map[string]any {
	out := map[string]any{}
	for name, t := range tags {
		tag := t.(map[string]any)
		if d, ok := tag["dimension"].([]any); ok {
			id := d[1]
			if _, isMap := id.(map[string]any); isMap {
				id = d[2]
			}
			tag["dimension"] = id
		}
		out[name] = tag
	}
	return out
}

func stages4(inner map[string]any) []map[string]any {
	var out []map[string]any
	if src, ok := inner["source-query"].(map[string]any); ok {
		if _, isNative := src["native"]; isNative {
			out = append(out, native4(src, "native"))
		} else {
			out = append(out, stages4(src)...)
		}
	}
	s := map[string]any{}
	if v, ok := inner["source-table"]; ok {
		s["source"] = v
	}
	for _, j := range list(inner["joins"]) {
		m := j.(map[string]any)
		join := map[string]any{"alias": m["alias"], "strategy": m["strategy"], "fields": clauses4(m["fields"])}
		if src, ok := m["source-query"].(map[string]any); ok {
			join["stages"] = stages4(src)
		} else {
			join["stages"] = []map[string]any{{"source": m["source-table"]}}
		}
		join["conditions"] = flattenAnd(m["condition"])
		s["joins"] = append(list(s["joins"]), join)
	}
	for name, x := range mapOf(inner["expressions"]) {
		set(s, "expressions", name, clause4(x))
	}
	if f := inner["filter"]; f != nil {
		s["filters"] = flattenAnd(f)
	}
	for _, key := range []string{"aggregation", "breakout", "fields"} {
		if v := inner[key]; v != nil {
			s[key] = clauses4(v)
		}
	}
	for _, o := range list(inner["order-by"]) {
		pair := o.([]any)
		s["order-by"] = append(list(s["order-by"]), []any{pair[0], clause4(pair[1])})
	}
	if v := inner["limit"]; v != nil {
		s["limit"] = v
	}
	return append(out, s)
}

func flattenAnd(f any) []any {
	if c, ok := f.([]any); ok && c[0] == "and" {
		return clauses4(c[1:]).([]any)
	}
	return []any{clause4(f)}
}

func clauses4(v any) any {
	items, ok := v.([]any)
	if !ok {
		return v
	}
	out := []any{}
	for _, x := range items {
		out = append(out, clause4(x))
	}
	return out
}

// clause4 moves options to the second place, as MBQL 5 has them.
func clause4(v any) any {
	c, ok := v.([]any)
	if !ok || len(c) == 0 {
		return v
	}
	op, ok := c[0].(string)
	if !ok {
		return clauses4(v)
	}
	opts := map[string]any{}
	args := c[1:]
	switch op {
	case "aggregation-options":
		inner := clause4(args[0]).([]any)
		inner[1].(map[string]any)["display-name"] = args[1].(map[string]any)["display-name"]
		return inner
	case "aggregation":
		return []any{"aggregation", map[string]any{}, args[0]}
	case "case":
		out := []any{"case", opts, clauses4(args[0])}
		if len(args) > 1 {
			out = append(out, clause4(args[1].(map[string]any)["default"]))
		}
		return out
	}
	if n := len(args); n > 0 {
		if m, ok := args[n-1].(map[string]any); ok {
			opts, args = m, args[:n-1]
		} else if args[n-1] == nil && op == "field" {
			args = args[:n-1]
		}
	}
	out := []any{op, keepOptions(opts)}
	for _, a := range args {
		out = append(out, clause4(a))
	}
	return out
}

func keepOptions(m map[string]any) map[string]any {
	out := map[string]any{}
	for _, k := range []string{"join-alias", "source-field", "temporal-unit", "binning", "case-sensitive", "include-current", "display-name", "base-type"} {
		if v, ok := m[k]; ok {
			out[k] = v
		}
	}
	return out
}

func stage5(m map[string]any) map[string]any {
	if m["lib/type"] == "mbql.stage/native" {
		s := map[string]any{"native": m["native"]}
		if tags := mapOf(m["template-tags"]); len(tags) > 0 {
			s["tags"] = tagForms(tags)
		}
		return s
	}
	s := map[string]any{}
	if v, ok := m["source-table"]; ok {
		s["source"] = v
	}
	if v, ok := m["source-card"]; ok {
		s["source"] = fmt.Sprintf("card__%v", v)
	}
	ids := map[string]int{}
	for i, a := range list(m["aggregation"]) {
		ids[a.([]any)[1].(map[string]any)["lib/uuid"].(string)] = i
	}
	for _, j := range list(m["joins"]) {
		jm := j.(map[string]any)
		join := map[string]any{"alias": jm["alias"], "strategy": jm["strategy"], "fields": clauses5(jm["fields"], ids)}
		var inner []map[string]any
		for _, x := range list(jm["stages"]) {
			inner = append(inner, stage5(x.(map[string]any)))
		}
		join["stages"] = inner
		join["conditions"] = clauses5(jm["conditions"], ids)
		s["joins"] = append(list(s["joins"]), join)
	}
	for _, x := range list(m["expressions"]) {
		name := x.([]any)[1].(map[string]any)["lib/expression-name"].(string)
		set(s, "expressions", name, clause5(x, ids))
	}
	for _, key := range []string{"filters", "aggregation", "breakout", "fields"} {
		if v := m[key]; v != nil {
			s[key] = clauses5(v, ids)
		}
	}
	for _, o := range list(m["order-by"]) {
		c := o.([]any)
		s["order-by"] = append(list(s["order-by"]), []any{c[0], clause5(c[2], ids)})
	}
	if v := m["limit"]; v != nil {
		s["limit"] = v
	}
	return s
}

func clauses5(v any, ids map[string]int) any {
	items, ok := v.([]any)
	if !ok {
		return v
	}
	out := []any{}
	for _, x := range items {
		out = append(out, clause5(x, ids))
	}
	return out
}

func clause5(v any, ids map[string]int) any {
	c, ok := v.([]any)
	if !ok || len(c) == 0 {
		return v
	}
	op, ok := c[0].(string)
	if !ok {
		return clauses5(v, ids)
	}
	opts := keepOptions(c[1].(map[string]any))
	if op == "aggregation" {
		return []any{op, map[string]any{}, float64(ids[c[2].(string)])}
	}
	out := []any{op, opts}
	for _, a := range c[2:] {
		out = append(out, clause5(a, ids))
	}
	return out
}

func list(v any) []any           { l, _ := v.([]any); return l }
func mapOf(v any) map[string]any { m, _ := v.(map[string]any); return m }
func set(s map[string]any, key, name string, v any) {
	if s[key] == nil {
		s[key] = map[string]any{}
	}
	s[key].(map[string]any)[name] = v
}

type cardQuery struct {
	ID      int             `json:"id"`
	Name    string          `json:"name"`
	Query   json.RawMessage `json:"dataset_query"`
	Legacy  *string         `json:"legacy_query"`
	SavedIn string          `json:"metabase_version"`
}

func TestBothDialectsOfEachQueryAgree(t *testing.T) {
	for name, world := range map[string]func() *World{
		"sample":    func() *World { return SampleCompany(testNow) },
		"oddities":  func() *World { return Oddities(testNow) },
		"generated": func() *World { return Generate(GenerateConfig{Seed: 3, Questions: 500, Now: testNow}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := world()
			four := NewServer(Config{Version: "0.56", World: w, Admin: true}).Start(t)
			fiveServer := NewServer(Config{Version: "0.58", World: w, Admin: true})
			five := fiveServer.Start(t)
			old, fresh := decode[[]cardQuery](t, four, "/api/card"), decode[[]cardQuery](t, five, "/api/card")
			byID := map[int]cardQuery{}
			for _, c := range fresh {
				byID[c.ID] = c
			}
			dialect5 := 0
			for _, c := range old {
				n := byID[c.ID]
				if strings.Contains(string(n.Query), `"mbql/query"`) {
					dialect5++
				}
				a, b := normal(t, c.Query), normal(t, n.Query)
				if !reflect.DeepEqual(a, b) {
					x, _ := json.Marshal(a)
					y, _ := json.Marshal(b)
					t.Fatalf("card %d %q differs:\n 4: %s\n 5: %s", c.ID, c.Name, x, y)
				}
				if n.Legacy != nil && *n.Legacy != string(c.Query) {
					t.Errorf("card %d: legacy_query is not what 0.56 answered:\n %s\n %s", c.ID, *n.Legacy, c.Query)
				}
			}
			if dialect5 < len(old)*9/10 {
				t.Errorf("only %d of %d queries are MBQL 5", dialect5, len(old))
			}
		})
	}
}

func TestLegacyFlagAnswersTheOldDialect(t *testing.T) {
	w := tiny()
	base := NewServer(Config{Version: "0.60", World: w, Admin: true}).Start(t)
	if got := decode[cardQuery](t, base, "/api/card/1?ignore_view=true&legacy-mbql=true"); !strings.Contains(string(got.Query), `"type":"query"`) {
		t.Errorf("got %s", got.Query)
	}
	old := NewServer(Config{Version: "0.55", World: w, Admin: true}).Start(t)
	if got := decode[cardQuery](t, old, "/api/card/1?ignore_view=true"); !strings.Contains(string(got.Query), `"type":"query"`) || got.Legacy != nil {
		t.Errorf("got %s", got.Query)
	}
}

// TestConvertedQueriesGetFreshIds: servers convert old rows on every read, so a
// reader that compares raw queries would see changes where there are none.
func TestConvertedQueriesGetFreshIds(t *testing.T) {
	w := tiny()
	w.AddCard(&Card{Name: "New", SavedIn: "0.58.2", CreatorID: 1, Query: w.Cards[0].Query})
	base := NewServer(Config{Version: "0.58", World: w, Admin: true}).Start(t)
	get := func(id int) string {
		return string(decode[cardQuery](t, base, "/api/card/"+itoa(id)+"?ignore_view=true").Query)
	}
	if first, second := get(1), get(1); first == second {
		t.Error("a converted query had the same ids twice")
	}
	if first, second := get(2), get(2); first != second {
		t.Error("a query saved as MBQL 5 changed its ids")
	}
}
