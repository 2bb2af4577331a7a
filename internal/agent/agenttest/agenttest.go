// Package agenttest plays a model for tests: it answers from a script, through
// the real gateway, and keeps every byte that it was sent.
package agenttest

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

// Call is a tool that the script lets the model ask for.
type Call struct {
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

// Answer is one answer of a script: calls of tools, JSON, or prose.
type Answer struct {
	Text    string          `json:"text,omitempty"`
	Output  json.RawMessage `json:"output,omitempty"`
	Calls   []Call          `json:"calls,omitempty"`
	Refused bool            `json:"refused,omitempty"`
	Err     error           `json:"-"`
}

// Model is a scripted model. It is safe for concurrent use.
type Model struct {
	// Reply answers the n-th request, from 0.
	Reply func(n int, r llm.Request) Answer

	mu       sync.Mutex
	requests []llm.Request
	recorder ledger.Recorder // of the gateway, which bills only what was sent
}

// Script answers in turn; after its end it says that nothing is left.
func Script(answers ...Answer) *Model {
	return &Model{Reply: func(n int, _ llm.Request) Answer {
		if n < len(answers) {
			return answers[n]
		}
		return Answer{Text: "The script is at its end."}
	}}
}

// Requests returns what the model was asked.
func (m *Model) Requests() []llm.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]llm.Request(nil), m.requests...)
}

// Sent is every text that the model was sent, requests one after another.
func (m *Model) Sent() string {
	var b strings.Builder
	for _, r := range m.Requests() {
		b.WriteString(TextOf(r))
	}
	return b.String()
}

// TextOf is every text of a request.
func TextOf(r llm.Request) string {
	var b strings.Builder
	put := func(s string) { b.WriteString(s); b.WriteByte('\n') }
	for _, t := range r.System {
		put(t.String())
	}
	for _, t := range r.Tools {
		put(t.Name)
		put(t.Description.String())
		put(string(t.Input.JSON()))
	}
	for _, msg := range r.Messages {
		for _, p := range msg.Parts {
			switch {
			case p.Text != nil:
				put(p.Text.String())
			case p.Call != nil:
				put(p.Call.Name)
				put(p.Call.Args.String())
			case p.Result != nil:
				put(p.Result.Text.String())
			}
		}
	}
	return b.String()
}

// Stream implements [llm.Provider].
func (m *Model) Stream(ctx context.Context, r llm.Request, on func(llm.Event) error) (llm.Response, error) {
	if err := ctx.Err(); err != nil {
		return llm.Response{}, err
	}
	m.mu.Lock()
	n, recorder := len(m.requests), m.recorder
	m.requests = append(m.requests, r)
	m.mu.Unlock()
	if recorder != nil {
		e := ledger.Entry{Phase: ledger.PhaseIntent, Exchange: "exchange-" + strconv.Itoa(n), Purpose: ledger.PurposeModel}
		if err := recorder.Record(ctx, e); err != nil {
			return llm.Response{}, err
		}
	}
	a := m.Reply(n, r)
	if a.Err != nil {
		return llm.Response{}, a.Err
	}
	out := llm.Response{Text: a.Text, Stop: llm.StopEnd, Model: r.Model, RequestID: "req_scripted", Usage: llm.Usage{Input: r.Input().Likely, Output: llm.TokensOf(int64(len(a.Text) + len(a.Output))).Likely}}
	switch {
	case a.Refused:
		out.Stop = llm.StopRefused
	case len(a.Calls) > 0 && r.Choice != llm.ToolsNone:
		out.Stop = llm.StopTools
	case a.Output != nil:
		out.Text, out.Output = string(a.Output), a.Output
	}
	if out.Text != "" {
		text := mask.FromModel(out.Text)
		out.Parts = append(out.Parts, llm.Part{Text: &text})
		if on != nil {
			for _, word := range strings.SplitAfter(out.Text, " ") {
				if err := on(llm.Event{Kind: llm.EventText, Text: word}); err != nil {
					return out, err
				}
			}
		}
	}
	if out.Stop == llm.StopTools {
		for i, c := range a.Calls {
			args := c.Args
			if len(args) == 0 {
				args = json.RawMessage("{}")
			}
			call := llm.ToolCall{ID: llm.CallID("", len(r.Messages), i), Name: c.Name, Args: mask.FromModel(string(args))}
			out.Calls = append(out.Calls, call)
			out.Parts = append(out.Parts, llm.Part{Call: &call})
		}
	}
	return out, nil
}

// Name implements [llm.Provider].
func (m *Model) Name() string { return llm.Compatible }

// Close implements [llm.Provider].
func (m *Model) Close() {}

// Door is a gateway to a scripted model with books in memory.
type Door struct {
	*llm.Gateway
	Books   *llm.Memory
	Budget  llm.Budget
	Stopped bool
}

// Open returns a gateway that leads to the model alone.
func Open(m *Model) (*Door, error) {
	d := &Door{Books: &llm.Memory{}, Budget: llm.Budget{Month: llm.NoCap(), Call: llm.NoCap()}}
	g, err := llm.New(llm.Config{
		Directory: d, Books: d.Books, Recorders: d, Stopped: func(ledger.Purpose) bool { return d.Stopped },
		Open: func(_ llm.Target, r ledger.Recorder) (llm.Provider, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.recorder = r
			return m, nil
		},
	})
	if err != nil {
		return nil, err
	}
	d.Gateway = g
	return d, nil
}

// ModelSettings implements [llm.Directory].
func (d *Door) ModelSettings(context.Context, string) (llm.Settings, error) {
	return llm.Settings{Enabled: true, Target: llm.Target{Provider: llm.Compatible}, Budget: d.Budget, Models: []llm.Model{ModelInfo()}}, nil
}

// ModelRecorder implements [llm.Recorders].
func (d *Door) ModelRecorder(string) ledger.Recorder { return &ledger.Memory{} }

// ModelInfo is what is known of the scripted model: a dollar per million tokens
// read, five per million written.
func ModelInfo() llm.Model {
	const context, answer = 200_000, 8_000
	return llm.Model{
		Provider: llm.Compatible, Name: "scripted", Context: context, MaxOutput: answer,
		Tariff: &llm.Tariff{Price: llm.Price{Input: llm.Dollar, Output: 5 * llm.Dollar, CacheRead: llm.Dollar / 10, CacheWrite: llm.Dollar}},
	}
}

// Busy is the failure of a provider that is overloaded.
func Busy() error { return llm.Failed("The script", llm.ReasonBusy, llm.Fault{Unbilled: true}) }

// Broken is an error that is no failure of a provider's.
func Broken() error { return errs.New(errs.Internal, "broken", "The script broke.", "") }
