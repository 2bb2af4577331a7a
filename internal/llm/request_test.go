package llm_test

import (
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

type lookup struct {
	ID string `json:"id"`
}

func lookupTool(name string) llm.Tool {
	return llm.Tool{Name: name, Description: mask.Constant("Looks up."), Input: llm.SchemaOf[lookup]("lookup")}
}

// TestRequestCheck refuses what no provider would take.
func TestRequestCheck(t *testing.T) {
	hi, empty := mask.Constant("hi"), mask.Constant(" \n")
	call := func(id string) llm.Message {
		return llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{{Call: &llm.ToolCall{ID: id, Name: "look", Args: mask.FromModel(`{"id":"1"}`)}}}}
	}
	result := func(id string) llm.Message { return llm.Results(llm.ToolResult{ID: id, Text: hi}) }
	schema := llm.SchemaOf[lookup]("lookup")
	good := llm.Request{Model: "m-1", System: []mask.Text{hi}, Tools: []llm.Tool{lookupTool("look")}, Messages: []llm.Message{llm.User(hi), call("a"), result("a")}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	with := func(f func(*llm.Request)) llm.Request {
		r := good
		f(&r)
		return r
	}
	turns := func(list ...llm.Message) llm.Request { return with(func(r *llm.Request) { r.Messages = list }) }
	bad := map[string]llm.Request{
		"no messages":           turns(),
		"assistant first":       turns(llm.Assistant(hi)),
		"assistant last":        turns(llm.User(hi), llm.Assistant(hi)),
		"two of a kind":         turns(llm.User(hi), llm.User(hi)),
		"empty text":            turns(llm.User(empty)),
		"no parts":              turns(llm.User()),
		"call without result":   turns(llm.User(hi), call("a"), llm.User(hi)),
		"call at the end":       turns(llm.User(hi), call("a")),
		"result without call":   turns(llm.User(hi), llm.Assistant(hi), result("a")),
		"result of another":     turns(llm.User(hi), call("a"), result("b")),
		"result twice":          turns(llm.User(hi), call("a"), llm.Results(llm.ToolResult{ID: "a"}, llm.ToolResult{ID: "a"})),
		"call by the user":      turns(llm.Message{Role: llm.RoleUser, Parts: call("a").Parts}),
		"result by the model":   turns(llm.User(hi), llm.Message{Role: llm.RoleAssistant, Parts: result("a").Parts}, llm.User(hi)),
		"broken arguments":      turns(llm.User(hi), llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{{Call: &llm.ToolCall{ID: "a", Name: "look", Args: mask.FromModel("{")}}}}, result("a")),
		"empty part":            turns(llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{}}}),
		"other role":            turns(llm.Message{Role: "system", Parts: llm.User(hi).Parts}),
		"empty system":          with(func(r *llm.Request) { r.System = []mask.Text{empty} }),
		"tool twice":            with(func(r *llm.Request) { r.Tools = []llm.Tool{lookupTool("x"), lookupTool("x")} }),
		"misnamed tool":         with(func(r *llm.Request) { r.Tools = []llm.Tool{lookupTool("a b")} }),
		"tool without schema":   with(func(r *llm.Request) { r.Tools = []llm.Tool{{Name: "x"}} }),
		"output without schema": with(func(r *llm.Request) { r.Output = &llm.Schema{} }),
		"required and output":   with(func(r *llm.Request) { r.Output, r.Choice = &schema, llm.ToolsRequired }),
		"negative":              with(func(r *llm.Request) { r.MaxTokens = -1 }),
	}
	for name, r := range bad {
		if err := r.Check(); errs.KindOf(err) != errs.Internal || errs.CodeOf(err) != llm.CodeRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "a b", "a\nb", strings.Repeat("x", 200), "a;b", "ä"} {
		if err := with(func(r *llm.Request) { r.Model = name }).Check(); errs.KindOf(err) != errs.Invalid {
			t.Errorf("model %q: %v", name, err)
		}
	}
}

// TestCatalog finds models, prices them and lets others replace the built-in ones.
func TestCatalog(t *testing.T) {
	c := llm.NewCatalog(llm.Model{Provider: llm.Anthropic, Name: "claude-opus-5", Context: 7}, llm.Model{Provider: llm.Compatible, Name: "qwen3:8b"})
	if m, ok := c.Find(llm.Anthropic, "claude-haiku-4-5-20251001"); !ok || m.Tariff == nil || m.Name != "claude-haiku-4-5-20251001" {
		t.Errorf("dated name: %+v", m)
	}
	if m, ok := c.Find(llm.OpenAI, "gpt-6-luna-2026-09-22"); !ok || m.Tariff == nil {
		t.Errorf("dated name: %+v", m)
	}
	if m, ok := c.Find(llm.Anthropic, "claude-opus-5"); !ok || m.Context != 7 || m.Tariff != nil {
		t.Errorf("replaced: %+v", m)
	}
	if _, ok := c.Find(llm.Compatible, "claude-opus-5"); ok {
		t.Error("a model of another provider was found")
	}
	for _, m := range c.All() {
		if m.Tariff != nil && (m.Checked == "" || !strings.HasPrefix(m.Source, "https://") || m.Context == 0 || m.MaxOutput == 0) {
			t.Errorf("%s: the figures say neither when nor where they were looked up", m.Name)
		}
	}
	haiku, _ := c.Find(llm.Anthropic, "claude-haiku-5-5")
	cases := []struct {
		use   llm.Usage
		batch bool
		want  llm.Money
	}{
		{use: llm.Usage{}, want: 0},
		{use: llm.Usage{Input: 1}, want: 1}, // a tenth of a millionth, rounded up
		{use: llm.Usage{Input: 100_000, Output: 10_000}, want: 10_000 + 5_000},
		{use: llm.Usage{Input: 100_000, Output: 10_000}, batch: true, want: 7_500},
		{use: llm.Usage{Input: 60_000, CacheRead: 40_001}, want: 30_000 + 2_001}, // above the threshold everything is dearer
		{use: llm.Usage{CacheRead: 50_000, CacheWrite: 50_000}, want: 500 + 6_250},
	}
	for _, x := range cases {
		if got := haiku.Tariff.Cost(x.use, x.batch); got != x.want {
			t.Errorf("%+v (batch %t) costs %d, want %d", x.use, x.batch, got, x.want)
		}
	}
}

// TestEstimate says what work will cost, between bounds.
func TestEstimate(t *testing.T) {
	m, _ := llm.NewCatalog().Find(llm.Anthropic, "claude-haiku-5-5")
	w := llm.Work{Calls: 5000, Shared: 6000, Own: 4000, Output: 250}
	plain, cached := m.Estimate(w), func() llm.Forecast { w.Cached = true; return m.Estimate(w) }()
	w.Batch = true
	batch := m.Estimate(w)
	for name, f := range map[string]llm.Forecast{"plain": plain, "cached": cached, "batch": batch} {
		if !f.Known || f.Low <= 0 || f.Low > f.Likely || f.Likely > f.High || f.Input.Low > f.Input.Likely || f.Input.Likely > f.Input.High {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if cached.Likely >= plain.Likely || batch.Likely >= cached.Likely || cached.High != plain.High {
		t.Errorf("plain %d, cached %d, batch %d", plain.Likely, cached.Likely, batch.Likely)
	}
	if f := (llm.Model{}).Estimate(w); f.Known || f.High != 0 || f.Input.Likely == 0 {
		t.Errorf("unknown price: %+v", f)
	}
	if f := m.Estimate(llm.Work{}); !f.Known || f.High != 0 {
		t.Errorf("no work: %+v", f)
	}
}
