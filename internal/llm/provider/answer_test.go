package provider_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/llm/llmtest"
	"github.com/metalens/metalens/internal/mask"
)

// TestAnswer follows one answer through: events, response, books and ledger.
func TestAnswer(t *testing.T) {
	eachKind(t, func(t *testing.T, r *rig) {
		const said = "Weekly revenue: the orders of paying customers, no refunds. — Ümläute & <b>tags</b> stay."
		r.server.Say(llmtest.Reply{Thinking: "Let me see.", Text: said})
		var heard strings.Builder
		thought := false
		a, err := r.gateway.Do(t.Context(), r.call(), func(e llm.Event) error {
			heard.WriteString(e.Text)
			thought = thought || e.Kind == llm.EventThink
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if a.Text != said || heard.String() != said || a.Stop != llm.StopEnd || !thought {
			t.Errorf("got %q (heard %q, %s, thought %t)", a.Text, heard.String(), a.Stop, thought)
		}
		if a.Usage.Total() == 0 || a.Usage.Estimated || a.RequestID == "" && r.kind != llm.Compatible || a.Model != kinds()[r.kind] {
			t.Errorf("got %+v", a)
		}
		rows := r.books.Rows()
		if len(rows) != 1 || rows[0].Settled == nil || rows[0].Settled.Outcome != llm.OutcomeOK || rows[0].ID != a.CallID {
			t.Fatalf("books: %+v", rows)
		}
		if d := cmp.Diff(a.Exchanges, rows[0].Settled.Exchanges); d != "" || len(a.Exchanges) != 1 {
			t.Errorf("exchanges %v %s", a.Exchanges, d)
		}
		if known := r.kind != llm.Compatible; a.Cost.Known != known || known && a.Cost.Money <= 0 || a.Cost.Tokens != a.Usage.Total() {
			t.Errorf("cost %+v", a.Cost)
		}
		var kept string
		for _, e := range r.record.Entries() {
			if e.Exchange == a.Exchanges[0] && e.Phase == ledger.PhaseIntent {
				kept = string(e.Payload.Content)
				if e.Purpose != ledger.PurposeModel || e.Payload.Subject != "chat:1" {
					t.Errorf("ledger: %+v", e)
				}
			}
		}
		if !strings.HasSuffix(kept, r.body()) || !strings.Contains(kept, "[key key-7]") || strings.Contains(kept, testKey) {
			t.Errorf("the ledger keeps something else than what was sent: %s", kept)
		}
	})
}

// TestNothingMoreIsSaid holds back what providers need not know, and asks for no
// storage where that can be asked.
func TestNothingMoreIsSaid(t *testing.T) {
	t.Setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Leak: 1")
	t.Setenv("ANTHROPIC_BASE_URL", "https://elsewhere.example")
	t.Setenv("ANTHROPIC_AUTH_TOKEN", "other")
	eachKind(t, func(t *testing.T, r *rig) {
		if _, err := r.gateway.Do(t.Context(), r.call(), nil); err != nil {
			t.Fatal(err)
		}
		req := r.server.Requests()[0]
		if hasHeader(req.Header, "X-Stainless") || hasHeader(req.Header, "X-Leak") || req.Header.Get("User-Agent") != "MetaLens/test" {
			t.Errorf("headers: %v", req.Header)
		}
		for name := range req.Header {
			switch name {
			case "Accept", "Content-Type", "Content-Length", "User-Agent", "Authorization", "X-Api-Key", "Anthropic-Version":
			default:
				t.Errorf("header %s is sent", name)
			}
		}
		var body map[string]any
		if err := json.Unmarshal(req.Body, &body); err != nil {
			t.Fatal(err)
		}
		if r.kind == llm.OpenAI && body["store"] != false {
			t.Error("OpenAI is not asked to store nothing")
		}
		for _, name := range []string{"user", "metadata", "safety_identifier", "previous_response_id"} {
			if body[name] != nil {
				t.Errorf("%s is sent", name)
			}
		}
	})
}

// TestTools runs two rounds with parallel calls; the fake refuses any request
// that does not pair them or that changes a kept thought.
func TestTools(t *testing.T) {
	eachKind(t, func(t *testing.T, r *rig) {
		r.server.Say(
			llmtest.Reply{Thinking: "I search.", Text: "I look it up.", Calls: []llmtest.Call{
				{Name: "search", Args: `{"query":"revenue","kind":"question","limit":null,"tags":[]}`},
				{Name: "search", Args: `{"query":"churn","kind":"dashboard","limit":3,"tags":["a"]}`},
			}},
			llmtest.Reply{Thinking: "Once more.", Calls: []llmtest.Call{{Name: "search", Args: `{"query":"x","kind":"sheet","limit":3,"tags":[]}`}}},
			llmtest.Reply{Text: "Done."},
		)
		c := r.call()
		c.Request.Tools = []llm.Tool{searchTool()}
		c.Request.CacheSystem, c.Request.CacheTurns = true, true
		var calls int
		on := func(e llm.Event) error {
			if e.Kind == llm.EventCall {
				calls++
			}
			return nil
		}
		first, err := r.gateway.Do(t.Context(), c, on)
		if err != nil {
			t.Fatal(err)
		}
		if first.Stop != llm.StopTools || len(first.Calls) != 2 || calls != 2 || first.Text != "I look it up." {
			t.Fatalf("got %+v", first)
		}
		var args search
		if err := c.Request.Tools[0].Decode(first.Calls[1], &args); err != nil || args.Query != "churn" || *args.Limit != 3 {
			t.Errorf("decoded %+v, %v", args, err)
		}
		c.Request.Messages = append(c.Request.Messages, first.Message(), llm.Results(
			llm.ToolResult{ID: first.Calls[0].ID, Text: mask.Constant("two questions")},
			llm.ToolResult{ID: first.Calls[1].ID, IsError: true},
		))
		second, err := r.gateway.Do(t.Context(), c, on)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Request.Tools[0].Decode(second.Calls[0], &args); len(llm.ProblemsOf(err)) != 1 {
			t.Errorf("an argument that cannot be was taken: %v", err)
		}
		c.Request.Messages = append(c.Request.Messages, second.Message(), llm.Results(
			llm.ToolResult{ID: second.Calls[0].ID, Text: llm.ProblemsOf(err).Text(), IsError: true},
		))
		last, err := r.gateway.Do(t.Context(), c, on)
		if err != nil {
			t.Fatal(err)
		}
		if last.Text != "Done." {
			t.Errorf("got %+v", last)
		}
		if r.kind == llm.Anthropic && (first.Usage.CacheWrite == 0 || last.Usage.CacheRead == 0) {
			t.Errorf("the cache was not used: %+v, %+v", first.Usage, last.Usage)
		}
	})
}

// TestOutput asks for typed answers, by schema and by tool.
func TestOutput(t *testing.T) {
	const good = `{"keep":"a","why":"It is used more.","shares":[0.7,0.3],"note":null}`
	eachKind(t, func(t *testing.T, r *rig) {
		schema := llm.SchemaOf[verdict]("verdict")
		c := r.call()
		c.Request.Output = &schema
		r.server.Say(llmtest.Reply{Text: good})
		a, err := r.gateway.Do(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		var v verdict
		if err := schema.Decode(a.Output, &v); err != nil || v.Keep != "a" || v.Note != nil {
			t.Errorf("decoded %+v, %v", v, err)
		}
		if !strings.Contains(r.body(), "json_schema") {
			t.Errorf("no schema was sent: %s", r.body())
		}

		r.settings.Models = []llm.Model{{Provider: r.kind, Name: c.Request.Model, NoSchema: true}}
		r.server.Say(llmtest.Reply{Calls: []llmtest.Call{{Name: "give_answer", Args: good}}})
		if a, err = r.gateway.Do(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
		if string(a.Output) != good || a.Stop != llm.StopEnd || len(a.Calls) != 0 || !strings.Contains(r.body(), "give_answer") {
			t.Errorf("by tool: %+v", a)
		}
		r.settings.Models = nil

		for name, reply := range map[string]llmtest.Reply{
			"no JSON":     {Text: "Sure! Here you are."},
			"wrong value": {Text: strings.Replace(good, `"a"`, `"z"`, 1)},
			"extra":       {Text: strings.Replace(good, `{`, `{"x":1,`, 1)},
			"twice":       {Text: strings.Replace(good, `{`, `{"keep":"b",`, 1)},
			"missing":     {Text: `{"keep":"a"}`},
			"two":         {Text: good + good},
			"too long":    {Text: strings.Replace(good, "It is used more.", strings.Repeat("x", 201), 1)},
		} {
			r.server.Say(reply)
			_, err := r.gateway.Do(t.Context(), c, nil)
			if got := codeOf(err); got != llm.CodeOutput || llm.ProblemsOf(err) == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestWatcher ends the call when whoever watches wants no more.
func TestWatcher(t *testing.T) {
	eachKind(t, func(t *testing.T, r *rig) {
		enough := errors.New("enough")
		r.server.Say(llmtest.Reply{Text: strings.Repeat("word ", 50)})
		_, err := r.gateway.Do(t.Context(), r.call(), func(llm.Event) error { return enough })
		if !errors.Is(err, enough) {
			t.Errorf("got %v", err)
		}
		if row := r.books.Rows()[0]; row.Settled == nil || row.Settled.Cost.Tokens == 0 {
			t.Errorf("what was used is not in the books: %+v", row)
		}
	})
}
