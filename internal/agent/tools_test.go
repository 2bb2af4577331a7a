package agent_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

// calls lists sensible arguments for every tool.
func calls(t *testing.T, b *backend) map[string][]string {
	t.Helper()
	s := b.world.Index.Snapshot()
	var refs []string
	refs = append(refs, s.Questions[0].Ref().String(), s.Dashboards[0].Ref().String(), fmt.Sprintf("table:%d", s.Tables[0].MetabaseID), fmt.Sprintf("column:%d", s.Tables[0].Columns[0].MetabaseID))
	out := map[string][]string{
		"get_overview": {`{}`, ``, `null`}, "search_assets": {`{"query":"revenue"}`, `{"query":"orders","kinds":["table"],"limit":3,"offset":0}`},
		"list_assets":     {`{"kind":"question","sort":"most_used"}`, `{"kind":"dashboard","sort":"longest_unused","limit":2}`, `{"kind":"table","database":"database:1"}`, `{"kind":"question","archived":true}`},
		"list_findings":   {`{}`, `{"families":["SQL"],"severities":["high","medium"],"limit":50}`, `{"check":"USE001"}`},
		"get_finding":     {`{"id":"` + b.findings[0].Fingerprint + `"}`},
		"list_duplicates": {`{}`, `{"ref":"` + b.similar.Clusters[0].Members[0].String() + `"}`}, "list_metrics": {`{"conflicts":true}`, `{"query":"revenue"}`},
		"compare_assets": {`{"a":"` + b.similar.Clusters[0].Members[0].String() + `","b":"` + b.similar.Clusters[0].Members[1].String() + `"}`},
		"list_changes":   {`{}`},
		"check_sql":      {`{"database":"database:1","sql":"select * from orders"}`},
	}
	for _, r := range refs {
		out["get_asset"] = append(out["get_asset"], `{"ref":"`+r+`"}`)
		out["get_lineage"] = append(out["get_lineage"], `{"ref":"`+r+`","direction":"downstream"}`, `{"ref":"`+r+`","direction":"upstream","depth":1}`)
		out["get_impact"] = append(out["get_impact"], `{"ref":"`+r+`"}`, `{"ref":"`+r+`","change":"rename","limit":5}`)
	}
	return out
}

// TestEveryToolAnswers calls every tool with sensible arguments: the answer has
// the schema's properties and stays within its size.
func TestEveryToolAnswers(t *testing.T) {
	b := sample(t)
	b.changes = []store.Change{{Asset: b.world.Index.Snapshot().Questions[1].Ref(), Name: "x", What: "changed"}, {Asset: catalog.Ref{Kind: catalog.KindQuestion, ID: "99999"}, Name: "Gone", What: "removed"}}
	x, _ := box(t, b)
	list := calls(t, b)
	for _, d := range x.Definitions() {
		if len(list[d.Name]) == 0 {
			t.Errorf("%s is not tried", d.Name)
		}
		var shape struct {
			Properties map[string]any `json:"properties"`
			Required   []string       `json:"required"`
		}
		if err := json.Unmarshal(d.Output, &shape); err != nil {
			t.Fatal(err)
		}
		for _, args := range list[d.Name] {
			r, err := x.Call(viewer(t), d.Name, json.RawMessage(args))
			if err != nil || r.IsError {
				t.Errorf("%s %s: %v, %s", d.Name, args, err, r.Text)
				continue
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(r.Text.String()), &got); err != nil {
				t.Errorf("%s: %v", d.Name, err)
			}
			for _, name := range shape.Required {
				if _, ok := got[name]; !ok {
					t.Errorf("%s %s: no %s", d.Name, args, name)
				}
			}
			for name := range got {
				if _, ok := shape.Properties[name]; !ok {
					t.Errorf("%s %s: %s is not in the schema", d.Name, args, name)
				}
			}
			if r.Words == "" || len(r.Text.String()) > tools.MaxResult {
				t.Errorf("%s %s: words %q, %d bytes", d.Name, args, r.Words, len(r.Text.String()))
			}
		}
	}
}

// TestToolsFitTheProtocol makes the request that offers them all.
func TestToolsFitTheProtocol(t *testing.T) {
	x, _ := box(t, sample(t))
	r := llm.Request{Model: "m", Messages: []llm.Message{llm.User(mask.Constant("hello"))}}
	size := 0
	for _, d := range x.Definitions() {
		r.Tools = append(r.Tools, llm.Tool{Name: d.Name, Description: d.Description, Input: d.Input})
		size += len(d.Name) + d.Description.Len() + len(d.Input.JSON())
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	t.Logf("%d tools, %d bytes, about %d tokens", len(r.Tools), size, size/4)
	if size/4 > 6_000 {
		t.Errorf("the tools take %d tokens", size/4)
	}
}

// TestWrongCallsAreAnswered gives the model an error that says what to do.
func TestWrongCallsAreAnswered(t *testing.T) {
	x, _ := box(t, sample(t))
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	for _, c := range []struct{ tool, args, code string }{
		{"drop_table", `{}`, "unknown_tool"},
		{"get_asset", `{`, "arguments"},
		{"get_asset", `[]`, "arguments"},
		{"get_asset", `{}`, "arguments"},
		{"get_asset", `{"ref":12}`, "arguments"},
		{"get_asset", `{"ref":"question:1","also":true}`, "arguments"},
		{"get_asset", `{"ref":"question:999999"}`, "unknown_reference"},
		{"get_asset", `{"ref":""}`, "unknown_reference"},
		{"get_asset", `{"ref":"person:1"}`, ""},
		{"get_asset", `{"ref":"question:1'; drop table orders"}`, "unknown_reference"},
		{"get_asset", `{"ref":"table:-1"}`, "unknown_reference"},
		{"get_asset", `{"ref":"` + strings.Repeat("a", 20_000) + `"}`, "arguments"},
		{"get_asset", deep, "arguments"},
		{"search_assets", `{"query":"   "}`, "arguments"},
		{"search_assets", `{"query":"a","limit":100000}`, "arguments"},
		{"search_assets", `{"query":"a","offset":-1}`, "arguments"},
		{"search_assets", `{"query":"a","kinds":["passwords"]}`, "arguments"},
		{"list_assets", `{"kind":"person"}`, "arguments"},
		{"list_assets", `{"kind":"question","collection":"database:1"}`, "arguments"},
		{"get_lineage", `{"ref":"question:1","direction":"sideways"}`, "arguments"},
		{"get_impact", `{"ref":"question:1","change":"type"}`, "change"},
		{"get_finding", `{"id":"../../etc/passwd"}`, "not_found"},
		{"check_sql", `{"database":"database:999","sql":"select 1"}`, "unknown_reference"},
		{"check_sql", `{"database":"database:1","sql":""}`, "no_sql"},
	} {
		r, err := x.Call(viewer(t), c.tool, json.RawMessage(c.args))
		if err != nil {
			t.Errorf("%s %.60s: %v", c.tool, c.args, err)
			continue
		}
		if r.Code != c.code || r.IsError != (c.code != "") || r.Text.IsEmpty() {
			t.Errorf("%s %.60s: error %t, code %q, want %q: %s", c.tool, c.args, r.IsError, r.Code, c.code, r.Text)
		}
	}
}

// TestPagesHaveTrueTotals walks a list page by page.
func TestPagesHaveTrueTotals(t *testing.T) {
	b := sample(t)
	x, _ := box(t, b)
	var page struct {
		Total  int  `json:"total"`
		More   bool `json:"more"`
		Assets []struct {
			Ref string `json:"ref"`
		} `json:"assets"`
	}
	seen := map[string]bool{}
	want := 0
	for _, q := range b.world.Index.Snapshot().Questions {
		if q.Ref().Kind == catalog.KindQuestion && !q.Archived {
			want++
		}
	}
	for offset := 0; ; offset += 7 {
		r, err := x.Call(viewer(t), "list_assets", json.RawMessage(fmt.Sprintf(`{"kind":"question","limit":7,"offset":%d}`, offset)))
		if err != nil || json.Unmarshal([]byte(r.Text.String()), &page) != nil {
			t.Fatal(err, r.Text)
		}
		for _, a := range page.Assets {
			if seen[a.Ref] {
				t.Errorf("%s stands on two pages", a.Ref)
			}
			seen[a.Ref] = true
		}
		if page.Total != want {
			t.Fatalf("total %d, want %d", page.Total, want)
		}
		if !page.More {
			break
		}
	}
	if len(seen) != want {
		t.Errorf("%d on all pages, want %d", len(seen), want)
	}
}

// TestNobodySeesWithoutARole asks without an actor.
func TestNobodySeesWithoutARole(t *testing.T) {
	x, _ := box(t, sample(t))
	r, err := x.Call(access.Nobody(t.Context()), "get_overview", nil)
	if err != nil || r.Code != "not_allowed" {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestReferencesComeBack reads every reference that tools write, tables of a
// snapshot without numbers included.
func TestReferencesComeBack(t *testing.T) {
	b := sample(t)
	_, conv := box(t, b)
	l := tools.NewLens(b.world, conv)
	n := 0
	for a := range b.world.Index.Snapshot().All() {
		if k := a.Ref().Kind; k == catalog.KindPerson || k == catalog.KindGroup {
			continue
		}
		n++
		if back, err := l.Parse(l.Ref(a.Ref()).String()); err != nil || back != a.Ref() {
			t.Errorf("%s is written %s and read %s, %v", a.Ref(), l.Ref(a.Ref()), back, err)
		}
	}
	if n < 100 {
		t.Errorf("only %d references", n)
	}
}
