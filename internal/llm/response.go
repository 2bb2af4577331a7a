package llm

import (
	"context"
	"encoding/json"
	"time"
)

// Stop says why a model ended.
type Stop string

// The reasons.
const (
	StopEnd     Stop = "end"     // it had said everything
	StopTools   Stop = "tools"   // it waits for the results of its tool calls
	StopLength  Stop = "length"  // MaxTokens was reached: the answer is cut
	StopContext Stop = "context" // the model's whole context was used up: the answer is cut
	StopRefused Stop = "refused" // the model, or its provider's filter, does not answer this
)

// Usage is what a call used, in tokens. The kinds do not overlap: their sum is
// what was read and written.
type Usage struct {
	Input      int64 `json:"input"`       // read, neither from nor into a cache
	CacheRead  int64 `json:"cache_read"`  // read from the provider's cache, cheaper
	CacheWrite int64 `json:"cache_write"` // read and put into the cache, dearer
	Output     int64 `json:"output"`      // written, thinking included
	Thinking   int64 `json:"thinking"`    // how much of Output was thinking, where the provider says
	// Estimated is set where the provider gave no final figures, as when an answer
	// was cut: the figures are then at least what is known, and a guess upward.
	Estimated bool `json:"estimated,omitempty"`
}

// Total is every token of a call.
func (u Usage) Total() int64 { return u.Input + u.CacheRead + u.CacheWrite + u.Output }

// Add returns the sum of two usages.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		Input: u.Input + v.Input, CacheRead: u.CacheRead + v.CacheRead, CacheWrite: u.CacheWrite + v.CacheWrite,
		Output: u.Output + v.Output, Thinking: u.Thinking + v.Thinking, Estimated: u.Estimated || v.Estimated,
	}
}

// maxUsage is more than any call can use; what a server says beyond it is a
// mistake or an attack on the books.
const maxUsage = 1_000_000_000

// Sane is the usage that a server says, as far as it can be true: no number is
// below zero or absurdly large. What had to be changed is an estimate.
func (u Usage) Sane() Usage {
	out := u
	for _, n := range []*int64{&out.Input, &out.CacheRead, &out.CacheWrite, &out.Output, &out.Thinking} {
		*n = min(max(0, *n), maxUsage)
	}
	out.Thinking = min(out.Thinking, out.Output)
	out.Estimated = u.Estimated || out != u
	return out
}

// Response is a model's answer, whole. Its texts are untrusted.
type Response struct {
	Text  string     // what it said, without thinking
	Calls []ToolCall // with Stop == StopTools; unchecked, see [Tool.Decode]
	// Output is the JSON that was asked for with [Request.Output]. It has the
	// schema's shape: an answer that has not is an error.
	Output json.RawMessage
	Stop   Stop
	Usage  Usage
	Model  string // the exact model that answered
	// RequestID is the provider's name of the exchange, for its support.
	RequestID string
	// Parts is the answer as the next request has to repeat it.
	Parts []Part
}

// Message is the answer as a turn of the conversation that goes on.
func (r Response) Message() Message { return Message{Role: RoleAssistant, Parts: r.Parts} }

// EventKind says what an [Event] brings.
type EventKind string

// The events of an answer that is being written.
const (
	EventText  EventKind = "text"  // Text was added to the answer
	EventThink EventKind = "think" // the model thinks; nothing is shown of it
	EventCall  EventKind = "call"  // a tool call is whole
	EventRetry EventKind = "retry" // the provider was busy; the same is asked again after Wait
)

// Event is one step of an answer that is being written.
type Event struct {
	Kind EventKind
	Text string
	Call *ToolCall
	Wait time.Duration
}

// Provider is one model service.
type Provider interface {
	// Stream sends a request once and hands on what comes while it comes; on may be
	// nil. An error of on ends the call and comes back. Failures are errs.Error with
	// the codes of this package, and hold a [Fault]. The response is set as far as
	// it is known with an error too, for its usage.
	Stream(ctx context.Context, r Request, on func(Event) error) (Response, error)
	// Name is the provider as people know it: anthropic, openai, compatible.
	Name() string
	// Close drops connections that are not in use.
	Close()
}

// Counter is a [Provider] that counts a request's tokens without answering it.
type Counter interface {
	Count(ctx context.Context, r Request) (int64, error)
}
