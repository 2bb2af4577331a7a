package agent_test

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/llm/llmtest"
	"github.com/metalens/metalens/internal/llm/provider"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

type wired struct {
	settings llm.Settings
	record   *ledger.Memory
}

func (w wired) ModelSettings(context.Context, string) (llm.Settings, error) { return w.settings, nil }
func (w wired) ModelRecorder(string) ledger.Recorder                        { return w.record }

// TestNothingSensitiveIsOnTheWire lets agents work over the planted company with
// the real clients and looks at every byte that a provider's server got: request
// lines, headers and bodies.
func TestNothingSensitiveIsOnTheWire(t *testing.T) {
	world, p := planted(t)
	result := analysed(t, world, "0.58")
	secrets := maps.Clone(p.canaries)
	for _, c := range world.Canaries() {
		secrets[c] = "dropped when read"
	}
	for kind, model := range map[string]string{llm.Anthropic: "claude-haiku-4-5", llm.OpenAI: "gpt-6-luna", llm.Compatible: "scripted"} {
		t.Run(kind, func(t *testing.T) {
			server := llmtest.Start(llmtest.Config{Own: kind == llm.Compatible})
			t.Cleanup(server.Close)
			base := server.OpenAIURL()
			if kind == llm.Anthropic {
				base = server.AnthropicURL()
			}
			server.Answer(func(s llmtest.Seen) llmtest.Reply {
				if len(s.Schema) == 0 {
					return llmtest.Reply{Text: "Here it is."}
				}
				return llmtest.Reply{Text: scripted(s)}
			})
			w := wired{record: &ledger.Memory{}, settings: llm.Settings{
				Enabled: true, Budget: llm.Budget{Month: llm.NoCap(), Call: llm.NoCap()},
				Target: llm.Target{Provider: kind, BaseURL: base, Key: secret.New(llmtest.DefaultKey), KeyID: "key-7", Operator: true},
			}}
			gateway, err := llm.New(llm.Config{
				Directory: w, Books: &llm.Memory{}, Recorders: w, Stopped: func(ledger.Purpose) bool { return false },
				Open: provider.Config{OperatorPolicy: outbound.Policy{AllowLoopback: true}, UserAgent: "MetaLens/test"}.Open,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(gateway.Close)
			b := newBenchOf(t, nil, newBackend(result))
			b.setups.model = &llm.Model{Provider: kind, Name: model}
			b.service, err = agent.New(agent.Config{Store: b.store, Backend: b.backend, Models: gateway, Setups: b.setups, Now: clock})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.service.SetAfterScan(b.as(access.Admin), b.org, b.conn, agent.AfterScan{
				Agents: []agent.Name{agent.Briefing, agent.Exposure, agent.Metrics, agent.Duplicates, agent.SQLReview}, Money: 100 * llm.Dollar, Tokens: 1 << 40,
			}); err != nil {
				t.Fatal(err)
			}
			r, err := b.service.RunAfterScan(access.AsSystem(t.Context()), b.org, b.conn)
			if err != nil || r.Made < 20 || r.Failed != 0 {
				t.Fatalf("%v, %+v", err, r)
			}
			total := 0
			for _, q := range server.Requests() {
				bytes := strings.ToLower(string(q.Bytes()))
				total += len(bytes)
				for c, where := range secrets {
					if len(c) > 4 && strings.Contains(bytes, strings.ToLower(c)) {
						t.Errorf("%s of %s is on the wire", c, where)
					}
				}
			}
			t.Logf("%d requests, %d bytes, %d secrets looked for", len(server.Requests()), total, len(secrets))
		})
	}
}

// scripted answers with something that holds, whatever the schema asks for.
func scripted(s llmtest.Seen) string {
	var schema struct {
		Properties map[string]any `json:"properties"`
	}
	_ = json.Unmarshal(s.Schema, &schema)
	for property, name := range map[string]string{
		"sentences": "briefing", "summary": "explanation", "keep": "duplicates", "definition": "metric", "verdict": "review", "risk": "exposure", "assumptions": "draft",
	} {
		if _, ok := schema.Properties[property]; ok {
			return string(replyTo(name, strings.Join(s.Texts, "\n")))
		}
	}
	return "{}"
}
