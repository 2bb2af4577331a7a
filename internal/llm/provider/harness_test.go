package provider_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/llm/llmtest"
	"github.com/metalens/metalens/internal/llm/provider"
	"github.com/metalens/metalens/internal/llm/wire"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

// kinds are the providers with the model that tests use.
func kinds() map[string]string {
	return map[string]string{llm.Anthropic: "claude-sonnet-5-5", llm.OpenAI: "gpt-6.1-sol", llm.Compatible: "local-model"}
}

// rig is a gateway before a fake provider.
type rig struct {
	t        *testing.T
	kind     string
	server   *llmtest.Server
	gateway  *llm.Gateway
	books    *llm.Memory
	record   *ledger.Memory
	settings llm.Settings
	stopped  atomic.Bool
	paused   []time.Duration
}

func (r *rig) ModelSettings(context.Context, string) (llm.Settings, error) { return r.settings, nil }
func (r *rig) ModelRecorder(string) ledger.Recorder                        { return r.record }

const testKey = "sk-canary-5b1e7c"

func newRig(t *testing.T, kind string, limits wire.Limits) *rig {
	t.Helper()
	r := &rig{t: t, kind: kind, books: &llm.Memory{}, record: &ledger.Memory{}}
	r.server = llmtest.Start(llmtest.Config{Key: testKey, Own: kind == llm.Compatible})
	t.Cleanup(r.server.Close)
	base := r.server.OpenAIURL()
	if kind == llm.Anthropic {
		base = r.server.AnthropicURL()
	}
	stopped := func(p ledger.Purpose) bool { return p == ledger.PurposeModel && r.stopped.Load() }
	open := provider.Config{
		Policy: outbound.Policy{Stopped: stopped}, OperatorPolicy: outbound.Policy{AllowLoopback: true},
		Limits: limits, UserAgent: "MetaLens/test",
	}
	r.settings = llm.Settings{
		Enabled: true, Batch: true, Budget: llm.Budget{Month: llm.NoCap(), Call: llm.NoCap()},
		Target: llm.Target{Provider: kind, BaseURL: base, Key: secret.New(testKey), KeyID: "key-7", Operator: true},
	}
	var err error
	r.gateway, err = llm.New(llm.Config{
		Directory: r, Books: r.books, Recorders: r, Open: open.Open, Stopped: stopped,
		Pause: func(_ context.Context, d time.Duration) error {
			r.paused = append(r.paused, d)
			return nil
		},
		Jitter: func() float64 { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.gateway.Close)
	return r
}

func (r *rig) call(messages ...llm.Message) llm.Call {
	if len(messages) == 0 {
		messages = []llm.Message{llm.User(mask.Constant("What is this?"))}
	}
	return llm.Call{Org: "org", Agent: "chat", Subject: "chat:1", Request: llm.Request{
		Model: kinds()[r.kind], System: []mask.Text{mask.Constant("You explain.")}, Messages: messages, MaxTokens: 1000,
	}}
}

// body returns the last request's body.
func (r *rig) body() string {
	all := r.server.Requests()
	if len(all) == 0 {
		r.t.Fatal("nothing was sent")
	}
	return string(all[len(all)-1].Body)
}

func eachKind(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	for kind := range kinds() {
		t.Run(kind, func(t *testing.T) { f(t, newRig(t, kind, wire.Limits{})) })
	}
}

// search is a tool of the tests.
type search struct {
	Query string   `json:"query" desc:"What to look for." max:"50"`
	Kind  string   `json:"kind" enum:"question,dashboard"`
	Limit *int     `json:"limit" min:"1" max:"20"`
	Tags  []string `json:"tags"`
}

func searchTool() llm.Tool {
	return llm.Tool{Name: "search", Description: mask.Constant("Searches the catalog."), Input: llm.SchemaOf[search]("search")}
}

// verdict is a typed answer of the tests.
type verdict struct {
	Keep   string    `json:"keep" desc:"Which one." enum:"a,b"`
	Why    string    `json:"why" max:"200"`
	Shares []float64 `json:"shares"`
	Note   *string   `json:"note"`
}

func hasHeader(h http.Header, prefix string) bool {
	for name := range h {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
