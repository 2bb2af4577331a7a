package openai

import (
	"encoding/json"
	"strings"

	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

// chat is the chat completions protocol:
// https://developers.openai.com/api/reference/resources/chat
type chat struct{ who string }

func (chat) path() string { return "chat/completions" }

// answerTool is the tool that carries an answer of a model that cannot hold
// itself to a schema.
const answerTool = "give_answer"

const answerToolText = "Give the answer. Call this once, when you are done."

type chatRequest struct {
	Model          string         `json:"model"`
	Messages       []chatMessage  `json:"messages"`
	Tools          []chatTool     `json:"tools,omitempty"`
	ToolChoice     any            `json:"tool_choice,omitempty"`
	ResponseFormat *chatFormat    `json:"response_format,omitempty"`
	MaxTokens      int            `json:"max_tokens,omitempty"`
	Effort         llm.Effort     `json:"reasoning_effort,omitempty"`
	Stream         bool           `json:"stream,omitempty"`
	StreamOptions  *streamOptions `json:"stream_options,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatMessage struct {
	Role       string     `json:"role"`
	Content    *string    `json:"content"` // null beside tool calls
	ToolCalls  []chatCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type chatCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type chatTool struct {
	Type     string       `json:"type"`
	Function functionTool `json:"function"`
}

type functionTool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict,omitempty"`
}

type chatFormat struct {
	Type   string       `json:"type"`
	Schema formatSchema `json:"json_schema"`
}

type formatSchema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	Strict bool            `json:"strict"`
}

// build leaves out what only OpenAI's own service knows, such as store: servers
// of others refuse fields they do not know, and keep what their operator says.
func (chat) build(r llm.Request, stream bool) (any, error) {
	out := chatRequest{Model: r.Model, MaxTokens: r.MaxTokens, Effort: r.Effort, Stream: stream}
	if stream {
		out.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	say := func(role, text string) { out.Messages = append(out.Messages, chatMessage{Role: role, Content: &text}) }
	if len(r.System) > 0 {
		say("system", joined(r.System))
	}
	for _, m := range r.Messages {
		out.Messages = append(out.Messages, chatMessages(m)...)
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, chatTool{"function", functionTool{Name: t.Name, Description: t.Description.String(), Parameters: t.Input.JSON(), Strict: true}})
	}
	switch {
	case r.Output != nil && r.ViaTool:
		out.Tools = append(out.Tools, chatTool{"function", functionTool{Name: answerTool, Description: answerToolText, Parameters: r.Output.JSON(), Strict: true}})
		out.ToolChoice = "required"
		if len(r.Tools) == 0 {
			out.ToolChoice = map[string]any{"type": "function", "function": map[string]string{"name": answerTool}}
		}
	case r.Output != nil:
		out.ResponseFormat = &chatFormat{"json_schema", formatSchema{r.Output.Name(), r.Output.JSON(), true}}
	case r.Choice == llm.ToolsRequired:
		out.ToolChoice = "required"
	case r.Choice == llm.ToolsNone && len(r.Tools) > 0:
		out.ToolChoice = "none"
	}
	return out, nil
}

func joined(texts []mask.Text) string {
	parts := make([]string, 0, len(texts))
	for _, t := range texts {
		parts = append(parts, t.String())
	}
	return strings.Join(parts, "\n\n")
}

// chatMessages says a turn: each result of a tool is a message of its own.
func chatMessages(m llm.Message) []chatMessage {
	var out []chatMessage
	var said []mask.Text
	var calls []chatCall
	for _, p := range m.Parts {
		switch {
		case p.Text != nil:
			said = append(said, *p.Text)
		case p.Call != nil:
			calls = append(calls, chatCall{p.Call.ID, "function", chatFunction{p.Call.Name, p.Call.Args.String()}})
		case p.Result != nil:
			text := resultText(*p.Result)
			out = append(out, chatMessage{Role: "tool", ToolCallID: p.Result.ID, Content: &text})
		}
	}
	if len(said) == 0 && len(calls) == 0 {
		return out
	}
	turn := chatMessage{Role: string(m.Role), ToolCalls: calls}
	if len(said) > 0 {
		text := joined(said)
		turn.Content = &text
	}
	return append(out, turn)
}

// resultText marks a failed tool, for which the protocols have no field.
func resultText(r llm.ToolResult) string {
	if r.IsError {
		return "Error: " + r.Text.String()
	}
	return r.Text.String()
}

// chatChunk is one event, or, with Message, a whole answer.
type chatChunk struct {
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage"`
	Error   *errorBody   `json:"error"`
}

type chatChoice struct {
	Index        int       `json:"index"`
	Delta        chatDelta `json:"delta"`
	Message      chatDelta `json:"message"`
	FinishReason string    `json:"finish_reason"`
}

type chatDelta struct {
	Content   *string         `json:"content"`
	Refusal   *string         `json:"refusal"`
	ToolCalls []chatCallDelta `json:"tool_calls"`
	// What servers call the thinking that they show.
	ReasoningContent *string `json:"reasoning_content"`
	Reasoning        *string `json:"reasoning"`
}

type chatCallDelta struct {
	Index    *int         `json:"index"`
	ID       string       `json:"id"`
	Function chatFunction `json:"function"`
}

type chatUsage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Read       struct {
		Cached  int64 `json:"cached_tokens"`
		Written int64 `json:"cache_write_tokens"`
	} `json:"prompt_tokens_details"`
	Wrote struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func (u chatUsage) usage() llm.Usage {
	cached, written := min(u.Read.Cached, u.Prompt), min(u.Read.Written, u.Prompt)
	return llm.Usage{Input: max(0, u.Prompt-cached-written), CacheRead: cached, CacheWrite: written, Output: u.Completion, Thinking: u.Wrote.Reasoning}
}

// maxCalls is how many tool calls one answer may hold.
const maxCalls = 64

// chatReader gathers an answer.
type chatReader struct {
	gathered
	reason string
	calls  []*pending
}

// pending is a tool call that is being written.
type pending struct {
	id, name string
	args     strings.Builder
}

func (chat) reader(r llm.Request, on func(llm.Event) error) reader {
	return &chatReader{gathered: gathered{request: r, on: on}}
}

func (c *chatReader) event(data []byte) error {
	var chunk chatChunk
	if err := json.Unmarshal(data, &chunk); err != nil {
		return brokenAnswer{"it is not the JSON of this protocol"}
	}
	return c.take(chunk, false)
}

func (c *chatReader) whole(data []byte) error {
	var chunk chatChunk
	if err := json.Unmarshal(data, &chunk); err != nil {
		return brokenAnswer{"it is not the JSON of this protocol"}
	}
	return c.take(chunk, true)
}

func (c *chatReader) take(chunk chatChunk, whole bool) error {
	if chunk.Error != nil {
		return saidError{*chunk.Error}
	}
	if chunk.Model != "" {
		c.model = llm.Plain(chunk.Model)
	}
	if chunk.Usage != nil {
		c.used(chunk.Usage.usage())
	}
	for _, choice := range chunk.Choices {
		if choice.Index != 0 {
			continue // only one was asked for
		}
		delta := choice.Delta
		if whole {
			delta = choice.Message
		}
		if err := c.add(delta); err != nil {
			return err
		}
		if choice.FinishReason != "" {
			c.reason = choice.FinishReason
			if err := c.tellCalls(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *chatReader) add(d chatDelta) error {
	if d.ReasoningContent != nil || d.Reasoning != nil {
		if err := c.tell(llm.Event{Kind: llm.EventThink}); err != nil {
			return err
		}
	}
	if d.Refusal != nil && *d.Refusal != "" {
		c.refused = true
		if err := c.say(*d.Refusal); err != nil {
			return err
		}
	}
	if d.Content != nil {
		if err := c.say(*d.Content); err != nil {
			return err
		}
	}
	for i, call := range d.ToolCalls {
		at := len(c.calls)
		switch {
		case call.Index != nil:
			at = *call.Index
		case i < len(c.calls) && call.ID == "":
			at = len(c.calls) - 1 // servers without an index send calls one after another
		}
		if at < 0 || at > len(c.calls) || at >= maxCalls {
			return brokenAnswer{"its tool calls are out of order"}
		}
		if at == len(c.calls) {
			c.calls = append(c.calls, &pending{})
		}
		p := c.calls[at]
		if p.id == "" {
			p.id = call.ID
		}
		if p.name == "" {
			p.name = call.Function.Name
		}
		p.args.WriteString(call.Function.Arguments)
	}
	return nil
}

// tellCalls hands on the calls, which are whole at the end only.
func (c *chatReader) tellCalls() error {
	for i, p := range c.calls {
		if err := c.call(p.id, p.name, p.args.String(), i); err != nil {
			return err
		}
	}
	c.calls = nil
	return nil
}

func (c *chatReader) ended() bool { return c.reason != "" }

func (c *chatReader) finish() llm.Response {
	stop := llm.Stop("")
	switch c.reason {
	case "stop", "eos", "end_turn":
		stop = llm.StopEnd
	case "tool_calls", "function_call":
		stop = llm.StopTools
	case "length":
		stop = llm.StopLength
	case "content_filter":
		stop = llm.StopRefused
	}
	return c.response(stop)
}
