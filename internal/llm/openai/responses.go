package openai

import (
	"encoding/json"
	"strings"

	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

// responses is the Responses API, without state at OpenAI: store is false, and
// what a model thought comes back sealed and goes with the next request.
// https://developers.openai.com/api/reference/resources/responses
type responses struct{}

func (responses) path() string { return "responses" }

type respRequest struct {
	Model        string         `json:"model"`
	Instructions string         `json:"instructions,omitempty"`
	Input        []any          `json:"input"`
	Tools        []respTool     `json:"tools,omitempty"`
	ToolChoice   any            `json:"tool_choice,omitempty"`
	Text         *respText      `json:"text,omitempty"`
	MaxTokens    int            `json:"max_output_tokens,omitempty"`
	Reasoning    *respReasoning `json:"reasoning,omitempty"`
	Include      []string       `json:"include,omitempty"`
	Store        bool           `json:"store"` // always false
	Stream       bool           `json:"stream,omitempty"`
}

type respReasoning struct {
	Effort llm.Effort `json:"effort"`
}

type respText struct {
	Format respFormat `json:"format"`
}

type respFormat struct {
	Type   string          `json:"type"`
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	Strict bool            `json:"strict"`
}

type respTool struct {
	Type string `json:"type"`
	functionTool
}

type respMessage struct {
	Type    string        `json:"type"`
	Role    string        `json:"role"`
	Content []respContent `json:"content"`
}

type respContent struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type respCall struct {
	Type      string `json:"type"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type respResult struct {
	Type   string `json:"type"`
	CallID string `json:"call_id"`
	Output string `json:"output"`
}

// thinks reports whether a model thinks before it answers. Others refuse to be
// asked for their thoughts.
func thinks(model string) bool {
	for _, plain := range []string{"gpt-3", "gpt-4", "chatgpt-"} {
		if strings.HasPrefix(model, plain) {
			return false
		}
	}
	return true
}

func (responses) build(r llm.Request, stream bool) (any, error) {
	out := respRequest{Model: r.Model, Instructions: joined(r.System), MaxTokens: r.MaxTokens, Stream: stream}
	if thinks(r.Model) {
		out.Include = []string{"reasoning.encrypted_content"}
		if r.Effort != "" {
			out.Reasoning = &respReasoning{r.Effort}
		}
	}
	for _, m := range r.Messages {
		out.Input = append(out.Input, respItems(m)...)
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, respTool{"function", functionTool{Name: t.Name, Description: t.Description.String(), Parameters: t.Input.JSON(), Strict: true}})
	}
	switch {
	case r.Output != nil && r.ViaTool:
		out.Tools = append(out.Tools, respTool{"function", functionTool{Name: answerTool, Description: answerToolText, Parameters: r.Output.JSON(), Strict: true}})
		out.ToolChoice = "required"
	case r.Output != nil:
		out.Text = &respText{respFormat{"json_schema", r.Output.Name(), r.Output.JSON(), true}}
	case r.Choice == llm.ToolsRequired:
		out.ToolChoice = "required"
	case r.Choice == llm.ToolsNone && len(r.Tools) > 0:
		out.ToolChoice = "none"
	}
	return out, nil
}

// respItems says a turn, in its order: a thought stands before what follows
// from it.
func respItems(m llm.Message) []any {
	var out []any
	kind := "input_text"
	if m.Role == llm.RoleAssistant {
		kind = "output_text"
	}
	for _, p := range m.Parts {
		switch {
		case p.Text != nil:
			out = append(out, respMessage{"message", string(m.Role), []respContent{{kind, p.Text.String()}}})
		case p.Call != nil:
			out = append(out, respCall{"function_call", p.Call.ID, p.Call.Name, p.Call.Args.String()})
		case p.Result != nil:
			out = append(out, respResult{"function_call_output", p.Result.ID, resultText(*p.Result)})
		case p.Kept != nil && p.Kept.Provider == llm.OpenAI:
			out = append(out, json.RawMessage(p.Kept.JSON.String()))
		}
	}
	return out
}

// respEvent is one event of a stream.
type respEvent struct {
	Type     string          `json:"type"`
	Delta    string          `json:"delta"`
	Item     json.RawMessage `json:"item"`
	Response json.RawMessage `json:"response"`
	Message  string          `json:"message"`
	Code     any             `json:"code"`
	Error    *errorBody      `json:"error"`
}

// respItem is a piece of an answer.
type respItem struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
	Sealed    string `json:"encrypted_content"`
	Content   []struct {
		Type    string `json:"type"`
		Text    string `json:"text"`
		Refusal string `json:"refusal"`
	} `json:"content"`
}

// respWhole is a whole answer, or the end of one.
type respWhole struct {
	Status     string            `json:"status"`
	Model      string            `json:"model"`
	Output     []json.RawMessage `json:"output"`
	Error      *errorBody        `json:"error"`
	Incomplete *struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Usage *struct {
		Input  int64 `json:"input_tokens"`
		Output int64 `json:"output_tokens"`
		Read   struct {
			Cached  int64 `json:"cached_tokens"`
			Written int64 `json:"cache_write_tokens"`
		} `json:"input_tokens_details"`
		Wrote struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	} `json:"usage"`
}

// respReader gathers an answer.
type respReader struct {
	gathered
	status string
	reason string
	calls  int
}

func (responses) reader(r llm.Request, on func(llm.Event) error) reader {
	return &respReader{gathered: gathered{request: r, on: on}}
}

func (c *respReader) event(data []byte) error {
	var e respEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return brokenAnswer{"it is not the JSON of this protocol"}
	}
	switch e.Type {
	case "response.output_text.delta":
		return c.say(e.Delta)
	case "response.refusal.delta":
		c.refused = true
		return c.say(e.Delta)
	case "response.output_item.added":
		var item respItem
		if json.Unmarshal(e.Item, &item) == nil && item.Type == "reasoning" {
			return c.tell(llm.Event{Kind: llm.EventThink})
		}
	case "response.output_item.done":
		return c.item(e.Item, false)
	case "response.completed", "response.incomplete", "response.failed":
		return c.end(e.Response, false)
	case "error":
		if e.Error != nil {
			return saidError{*e.Error}
		}
		return saidError{errorBody{Message: e.Message, Code: e.Code}}
	}
	return nil // events of other kinds repeat these in smaller pieces
}

func (c *respReader) whole(data []byte) error { return c.end(data, true) }

// item takes a piece that is done. Its text was handed on already, unless whole.
func (c *respReader) item(raw json.RawMessage, whole bool) error {
	var item respItem
	if err := json.Unmarshal(raw, &item); err != nil {
		return brokenAnswer{"it is not the JSON of this protocol"}
	}
	switch item.Type {
	case "function_call":
		if c.calls++; c.calls > maxCalls {
			return brokenAnswer{"it holds more tool calls than any may"}
		}
		return c.call(item.CallID, item.Name, item.Arguments, c.calls)
	case "reasoning":
		if item.Sealed != "" { // what is not sealed is kept at OpenAI, where nothing shall be
			c.kept = append(c.kept, llm.Part{Kept: &llm.Kept{Provider: llm.OpenAI, JSON: mask.FromModel(string(raw))}})
		}
	case "message":
		if !whole {
			return nil
		}
		for _, part := range item.Content {
			c.refused = c.refused || part.Refusal != ""
			if err := c.say(part.Text + part.Refusal); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *respReader) end(raw json.RawMessage, whole bool) error {
	var w respWhole
	if err := json.Unmarshal(raw, &w); err != nil {
		return brokenAnswer{"it is not the JSON of this protocol"}
	}
	c.model = llm.Plain(w.Model)
	if u := w.Usage; u != nil {
		cached, written := min(u.Read.Cached, u.Input), min(u.Read.Written, u.Input)
		c.used(llm.Usage{Input: max(0, u.Input-cached-written), CacheRead: cached, CacheWrite: written, Output: u.Output, Thinking: u.Wrote.Reasoning})
	}
	if w.Status == "failed" || w.Status == "cancelled" {
		if w.Error == nil {
			w.Error = &errorBody{Message: w.Status}
		}
		return saidError{*w.Error}
	}
	if whole {
		for _, item := range w.Output {
			if err := c.item(item, true); err != nil {
				return err
			}
		}
	}
	c.status = w.Status
	if w.Incomplete != nil {
		c.reason = w.Incomplete.Reason
	}
	return nil
}

func (c *respReader) ended() bool { return c.status != "" }

func (c *respReader) finish() llm.Response {
	stop := llm.Stop("")
	switch {
	case c.status == "completed" && c.calls > 0 && len(c.toolUses) > 0:
		stop = llm.StopTools
	case c.status == "completed":
		stop = llm.StopEnd
	case c.status == "incomplete" && c.reason == "content_filter":
		stop = llm.StopRefused
	case c.status == "incomplete":
		stop = llm.StopLength
	}
	return c.response(stop)
}
