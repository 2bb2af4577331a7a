// Package llm talks to language models, in the same words for every provider,
// and is the one door through which anything reaches one.
//
// Three things hold whatever a caller does. What a [Request] carries from
// outside the source code is [mask.Text], which only package mask makes: there
// is no way to put a plain string in front of a model. Every call passes a
// [Gateway], which asks whether the operator and the organization allow it,
// reserves what it may cost before it is sent, and settles what it did cost. And
// every byte leaves through package outbound, which keeps what was sent in the
// egress ledger.
//
// What a model answers is untrusted text: it is handed on as it came, bounded in
// size and checked against a schema where one was asked for, and nothing in this
// package acts on it.
package llm

import (
	"encoding/json"
	"fmt"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mask"
)

// Role says who speaks in a message.
type Role string

// The roles. What the caller says for itself is [Request.System]; results of
// tools are parts of a user's message.
const (
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// Effort is how hard a model should think. Models that cannot be told ignore it.
type Effort string

// The efforts; empty leaves it to the model.
const (
	EffortLow    Effort = "low"
	EffortMedium Effort = "medium"
	EffortHigh   Effort = "high"
)

// ToolChoice says whether the model may, must or must not use tools.
type ToolChoice string

// The choices; empty is the same as auto.
const (
	ToolsAuto     ToolChoice = "auto"
	ToolsRequired ToolChoice = "required"
	ToolsNone     ToolChoice = "none" // the tools stay listed, for messages that used them
)

// Request is one question to a model.
type Request struct {
	Model    string      // as the provider names it
	System   []mask.Text // what the model shall do and be; the stable parts first
	Messages []Message   // begins and ends with a user's message
	Tools    []Tool
	Choice   ToolChoice
	// Output asks for an answer that is JSON of this schema; see [Response.Output].
	Output *Schema
	// MaxTokens bounds the answer, thinking included. 0 takes what the model's
	// entry in the [Catalog] or the gateway's limits give.
	MaxTokens int
	Effort    Effort
	// ViaTool asks for Output by way of a tool that has to be called, for models
	// that cannot hold their answer to a schema. The gateway sets it.
	ViaTool bool
	// CacheSystem lets the provider keep the tools and system prompt for some
	// minutes, which makes the next request that begins alike cheaper.
	CacheSystem bool
	// CacheTurns does the same for the messages so far: worth it where the same
	// conversation goes on, as with tools.
	CacheTurns bool
}

// Message is one turn.
type Message struct {
	Role  Role
	Parts []Part
}

// Part is a piece of a message: exactly one field is set.
type Part struct {
	Text   *mask.Text
	Call   *ToolCall   // of the assistant
	Result *ToolResult // of the user, for each call before
	Kept   *Kept       // of the assistant
}

// ToolCall is a model's wish to use a tool. Everything in it is the model's.
type ToolCall struct {
	ID   string
	Name string
	Args mask.Text // JSON as the model wrote it; checked by [Tool.Decode]
}

// ToolResult answers a [ToolCall].
type ToolResult struct {
	ID      string
	Text    mask.Text
	IsError bool
}

// Kept is a piece of an answer that means nothing to anybody but the provider it
// came from, which wants it back unchanged with the next request: a model's
// signed thinking, for example. Only providers make it.
type Kept struct {
	Provider string
	JSON     mask.Text
}

// User is a message of text.
func User(parts ...mask.Text) Message { return Message{RoleUser, texts(parts)} }

// Assistant is an earlier answer of the model, as text.
func Assistant(parts ...mask.Text) Message { return Message{RoleAssistant, texts(parts)} }

// Results is the message that answers a model's tool calls. It has to hold one
// result for each.
func Results(results ...ToolResult) Message {
	m := Message{Role: RoleUser}
	for i := range results {
		m.Parts = append(m.Parts, Part{Result: &results[i]})
	}
	return m
}

func texts(list []mask.Text) []Part {
	out := make([]Part, 0, len(list))
	for i := range list {
		out = append(out, Part{Text: &list[i]})
	}
	return out
}

// Tool is something that a model may ask for. Its words are the source code's.
type Tool struct {
	Name        string // letters, digits, _ and -
	Description mask.Text
	Input       Schema // of an object
}

// Limits of a request that hold with every provider.
const (
	// MaxRequestBytes is what the ledger keeps of one payload, headers aside: what
	// cannot be kept is not sent.
	MaxRequestBytes = 4<<20 - 64<<10
	maxMessages     = 2000
	maxTools        = 128
	maxNameBytes    = 64
	maxModelBytes   = 128
)

// Check refuses what no provider would take. It is errs.Internal where our own
// code put the request together wrongly, and errs.Invalid for a model name that
// can be none.
func (r Request) Check() error {
	if !isModelName(r.Model) {
		return errs.New(errs.Invalid, CodeModel, "The name of the model is not usable.", "Choose one of the models in the settings of the assistant.")
	}
	bad := func(format string, args ...any) error {
		return errs.Wrap(fmt.Errorf(format, args...), errs.Internal, CodeRequest, "A request to the model was put together wrongly.", "")
	}
	switch {
	case len(r.Messages) == 0 || len(r.Messages) > maxMessages:
		return bad("%d messages", len(r.Messages))
	case len(r.Tools) > maxTools:
		return bad("%d tools", len(r.Tools))
	case r.MaxTokens < 0:
		return bad("max tokens %d", r.MaxTokens)
	case r.Choice == ToolsRequired && (len(r.Tools) == 0 || r.Output != nil):
		return bad("tools are required and there are none, or an output is asked for")
	}
	for i, text := range r.System {
		if isBlank(text.String()) {
			return bad("system text %d is empty", i)
		}
	}
	names := map[string]bool{}
	for _, t := range r.Tools {
		switch {
		case !isName(t.Name) || names[t.Name]:
			return bad("tool %q is misnamed or there twice", t.Name)
		case !t.Input.isObject():
			return bad("tool %s takes no object", t.Name)
		}
		names[t.Name] = true
	}
	if r.Output != nil && !r.Output.isObject() {
		return bad("the output is no object")
	}
	return checkMessages(r.Messages, bad)
}

// checkMessages wants alternating turns and one result for each call, in the
// very next message.
func checkMessages(list []Message, bad func(string, ...any) error) error {
	var open map[string]bool
	for i, m := range list {
		want := RoleUser
		if i%2 == 1 {
			want = RoleAssistant
		}
		if m.Role != want || len(m.Parts) == 0 {
			return bad("message %d is of %q, with %d parts", i, m.Role, len(m.Parts))
		}
		calls := map[string]bool{}
		for j, p := range m.Parts {
			set := 0
			for _, is := range []bool{p.Text != nil, p.Call != nil, p.Result != nil, p.Kept != nil} {
				if is {
					set++
				}
			}
			switch {
			case set != 1:
				return bad("message %d, part %d: %d kinds", i, j, set)
			case p.Text != nil && isBlank(p.Text.String()):
				return bad("message %d, part %d: empty text", i, j)
			case m.Role == RoleUser && (p.Call != nil || p.Kept != nil), m.Role == RoleAssistant && p.Result != nil:
				return bad("message %d, part %d: not of %s", i, j, m.Role)
			case p.Call != nil && (calls[p.Call.ID] || !isCallID(p.Call.ID) || !isName(p.Call.Name) || !json.Valid([]byte(p.Call.Args.String()))):
				return bad("message %d, part %d: a tool call that cannot be", i, j)
			case p.Result != nil && !open[p.Result.ID]:
				return bad("message %d, part %d: a result of no call", i, j)
			}
			if p.Call != nil {
				calls[p.Call.ID] = true
			}
			if p.Result != nil {
				delete(open, p.Result.ID)
			}
		}
		if m.Role == RoleUser && len(open) > 0 {
			return bad("message %d leaves %d tool calls without a result", i, len(open))
		}
		open = calls
	}
	if list[len(list)-1].Role != RoleUser {
		return bad("the last message is not the user's")
	}
	return nil
}
