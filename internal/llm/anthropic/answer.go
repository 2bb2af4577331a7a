package anthropic

import (
	"encoding/json"
	"fmt"
	"strings"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

// answer gathers a streamed message. The events and their order:
// https://platform.claude.com/docs/en/build-with-claude/streaming
type answer struct {
	request llm.Request
	on      func(llm.Event) error
	turn    int

	resp   llm.Response
	blocks []*block
	begun  bool // message_start came
	ended  bool // message_stop came
	handed bool // something was handed on
	usage  llm.Usage
	final  bool // the usage of message_delta came
}

// block is a piece of content that is being written.
type block struct {
	kind             string
	id, name         string
	text             strings.Builder // of text, or the JSON of a tool's input
	signature, extra string
	closed           bool
}

// take adds an event.
func (a *answer) take(e sdk.MessageStreamEventUnion) error {
	if !a.begun && e.Type != "message_start" {
		return brokenAnswer{"it does not begin as a message does"}
	}
	switch e.Type {
	case "message_start":
		if a.begun {
			return brokenAnswer{"a message begins twice"}
		}
		a.begun = true
		a.resp.Model = llm.Plain(e.Message.Model)
		u := e.Message.Usage
		a.usage = llm.Usage{Input: u.InputTokens, CacheRead: u.CacheReadInputTokens, CacheWrite: u.CacheCreationInputTokens, Output: u.OutputTokens}
	case "content_block_start":
		return a.open(e)
	case "content_block_delta":
		return a.add(e)
	case "content_block_stop":
		return a.close(e.Index)
	case "message_delta":
		a.delta(e)
	case "message_stop":
		a.ended = true
	}
	return nil // events of other kinds may come and mean nothing to us
}

func (a *answer) open(e sdk.MessageStreamEventUnion) error {
	if e.Index != int64(len(a.blocks)) {
		return brokenAnswer{"its pieces are out of order"}
	}
	c := e.ContentBlock
	b := &block{kind: c.Type, id: c.ID, name: c.Name, signature: c.Signature, extra: c.Data}
	switch c.Type {
	case "text":
		b.text.WriteString(c.Text)
	case "thinking":
		b.text.WriteString(c.Thinking)
	case "tool_use":
		// The input of a start event is an empty object; what counts follows.
	}
	a.blocks = append(a.blocks, b)
	if c.Type == "thinking" || c.Type == "redacted_thinking" {
		return a.tell(llm.Event{Kind: llm.EventThink})
	}
	if c.Type == "text" && c.Text != "" {
		return a.tell(llm.Event{Kind: llm.EventText, Text: c.Text})
	}
	return nil
}

func (a *answer) add(e sdk.MessageStreamEventUnion) error {
	if e.Index < 0 || e.Index >= int64(len(a.blocks)) || a.blocks[e.Index].closed {
		return brokenAnswer{"a piece goes on that never began"}
	}
	b := a.blocks[e.Index]
	switch e.Delta.Type {
	case "text_delta":
		b.text.WriteString(e.Delta.Text)
		if b.kind == "text" && e.Delta.Text != "" {
			return a.tell(llm.Event{Kind: llm.EventText, Text: e.Delta.Text})
		}
	case "input_json_delta":
		b.text.WriteString(e.Delta.PartialJSON)
	case "thinking_delta":
		b.text.WriteString(e.Delta.Thinking)
	case "signature_delta":
		b.signature += e.Delta.Signature
	}
	return nil
}

func (a *answer) close(index int64) error {
	if index < 0 || index >= int64(len(a.blocks)) || a.blocks[index].closed {
		return brokenAnswer{"a piece ends that never began"}
	}
	b := a.blocks[index]
	b.closed = true
	if b.kind != "tool_use" || a.isAnswer(b) {
		return nil
	}
	call := a.call(b, int(index))
	return a.tell(llm.Event{Kind: llm.EventCall, Call: &call})
}

// delta takes what the end of a message says. Its counts are of the whole
// message.
func (a *answer) delta(e sdk.MessageStreamEventUnion) {
	a.resp.Stop = stopOf(string(e.Delta.StopReason))
	u := e.Usage
	a.usage.Output, a.final = u.OutputTokens, true
	a.usage.Thinking = u.OutputTokensDetails.ThinkingTokens
	if u.JSON.InputTokens.Valid() {
		a.usage.Input = u.InputTokens
	}
	if u.JSON.CacheReadInputTokens.Valid() {
		a.usage.CacheRead = u.CacheReadInputTokens
	}
	if u.JSON.CacheCreationInputTokens.Valid() {
		a.usage.CacheWrite = u.CacheCreationInputTokens
	}
}

func stopOf(reason string) llm.Stop {
	switch reason {
	case "tool_use":
		return llm.StopTools
	case "max_tokens":
		return llm.StopLength
	case "model_context_window_exceeded":
		return llm.StopContext
	case "refusal":
		return llm.StopRefused
	case "end_turn", "stop_sequence":
		return llm.StopEnd
	}
	return ""
}

func (a *answer) tell(e llm.Event) error {
	a.handed = a.handed || e.Kind != llm.EventThink
	if a.on == nil {
		return nil
	}
	if err := a.on(e); err != nil {
		return callerError{err}
	}
	return nil
}

func (a *answer) call(b *block, index int) llm.ToolCall {
	args := b.text.String()
	if strings.TrimSpace(args) == "" {
		args = "{}"
	}
	return llm.ToolCall{ID: llm.CallID(b.id, a.turn, index), Name: b.name, Args: mask.FromModel(args)}
}

// isAnswer reports whether a tool call is the answer itself.
func (a *answer) isAnswer(b *block) bool { return a.request.ViaTool && b.name == answerTool }

// finish makes the response of what came, whole or not.
func (a *answer) finish() {
	var text strings.Builder
	a.resp.Usage = a.usage.Sane()
	a.resp.Usage.Estimated = a.resp.Usage.Estimated || a.begun && !a.final
	for i, b := range a.blocks {
		switch b.kind {
		case "text":
			said := b.text.String()
			text.WriteString(said)
			if strings.TrimSpace(said) != "" { // empty texts would be refused on their way back
				part := mask.FromModel(said)
				a.resp.Parts = append(a.resp.Parts, llm.Part{Text: &part})
			}
		case "tool_use":
			if a.isAnswer(b) {
				a.resp.Output = json.RawMessage(b.text.String())
				continue
			}
			if !b.closed {
				continue // a call that is not whole is none
			}
			call := a.call(b, i)
			a.resp.Calls = append(a.resp.Calls, call)
			a.resp.Parts = append(a.resp.Parts, llm.Part{Call: &call})
		case "thinking", "redacted_thinking":
			raw, err := json.Marshal(keptBlock{Type: b.kind, Thinking: b.text.String(), Signature: b.signature, Data: b.extra})
			if err == nil && b.closed {
				a.resp.Parts = append(a.resp.Parts, llm.Part{Kept: &llm.Kept{Provider: llm.Anthropic, JSON: mask.FromModel(string(raw))}})
			}
		}
	}
	a.resp.Text = text.String()
	if a.request.Output != nil && !a.request.ViaTool && a.resp.Stop != llm.StopTools {
		a.resp.Output = json.RawMessage(strings.TrimSpace(a.resp.Text))
	}
	if a.resp.Output != nil && a.request.ViaTool && len(a.resp.Calls) == 0 && a.resp.Stop == llm.StopTools {
		a.resp.Stop = llm.StopEnd
	}
}

// check holds a whole answer against the protocol.
func (a *answer) check() error {
	switch {
	case a.resp.Stop == "":
		return llm.Nonsense(Who, "it does not say why it ended", a.fault())
	case a.resp.Stop == llm.StopTools && len(a.resp.Calls) == 0:
		return llm.Nonsense(Who, "it waits for tools that it does not name", a.fault())
	}
	for _, c := range a.resp.Calls {
		if err := llm.CheckCall(c); err != nil {
			return llm.Nonsense(Who, "a call of a tool cannot be read", withCause(a.fault(), fmt.Errorf("%s: %w", llm.Plain(c.Name), err)))
		}
	}
	return nil
}

func (a *answer) fault() llm.Fault {
	return llm.Fault{RequestID: a.resp.RequestID, Delivered: a.handed}
}

func withCause(f llm.Fault, err error) llm.Fault {
	f.Err, f.Retry = err, true
	return f
}
