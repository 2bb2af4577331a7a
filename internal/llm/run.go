package llm

import (
	"crypto/sha256"
	"encoding/json"
	"sync"

	"github.com/metalens/metalens/internal/errs"
)

// RunLimits bound the calls that belong together: the steps of an agent, or one
// turn of a chat. 0 takes the default.
type RunLimits struct {
	Calls   int   // default 12
	Tokens  int64 // default 400,000
	Money   Money // default one dollar; not applied where the price is not known
	Repeats int   // how often the same tool may be called with the same arguments; default 2
}

const (
	defaultRunCalls   = 12
	defaultRunTokens  = 400 * kilo
	defaultRunRepeats = 2
)

func (l RunLimits) withDefaults() RunLimits {
	if l.Calls <= 0 {
		l.Calls = defaultRunCalls
	}
	if l.Tokens <= 0 {
		l.Tokens = defaultRunTokens
	}
	if l.Money <= 0 {
		l.Money = Dollar
	}
	if l.Repeats <= 0 {
		l.Repeats = defaultRunRepeats
	}
	return l
}

// Run is the calls that belong together. It is safe for concurrent use.
type Run struct {
	limits RunLimits

	mu    sync.Mutex
	calls int
	used  Spent
	tools map[[sha256.Size]byte]int
	loop  string // the tool that was called again and again
}

// NewRun begins a run.
func NewRun(limits RunLimits) *Run {
	return &Run{limits: limits.withDefaults(), tools: map[[sha256.Size]byte]int{}, used: Spent{Known: true}}
}

// Used is what the run has used so far, and in how many calls.
func (r *Run) Used() (Spent, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used, r.calls
}

// admit counts a call that is about to be made; further attempts at it are no
// further steps.
func (r *Run) admit(most Spent, first bool) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	stop := func(code, text, hint string) error { return errs.New(errs.Limited, code, text, hint) }
	limit := Cap{Tokens: r.limits.Tokens, Money: r.limits.Money}
	switch code, ok := limit.Allows(r.used, most); {
	case r.loop != "":
		return stop(CodeLoop, "The model asked for the same thing again and again ("+Plain(r.loop)+"), so it was stopped.", "Ask in other words, or about something narrower.")
	case first && r.calls >= r.limits.Calls:
		return stop(CodeLoop, "The model needed more steps than it may take, so it was stopped.", "Ask about something narrower.")
	case !ok:
		return stop(code, "This would use more than one answer may use, so it was stopped.", "Ask about something narrower.")
	}
	if first {
		r.calls++
	}
	return nil
}

// note takes down what an attempt used and which tools the model asks for.
func (r *Run) note(used Spent, calls []ToolCall) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used.Tokens += used.Tokens
	r.used.Money += used.Money
	r.used.Known = r.used.Known && used.Known
	for _, c := range calls {
		key := fingerprint(c)
		r.tools[key]++
		if r.tools[key] > r.limits.Repeats {
			r.loop = c.Name
		}
	}
}

// fingerprint is equal for calls that differ in white space and order only.
func fingerprint(c ToolCall) [sha256.Size]byte {
	args := []byte(c.Args.String())
	var v any
	if json.Unmarshal(args, &v) == nil {
		if plain, err := json.Marshal(v); err == nil {
			args = plain
		}
	}
	return sha256.Sum256(append([]byte(c.Name+"\x00"), args...))
}
