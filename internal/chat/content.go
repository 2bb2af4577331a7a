// Package chat is conversations with a model about a connection: threads of
// questions and answers that are kept until somebody deletes them, read by whom
// their author shares them with, and answered from tools over the local catalog.
//
// The model sees masked text only, in both directions: an answer is stored as the
// model wrote it, with placeholders, and is unmasked when it is shown to a reader
// who may see everything that it was made from. What it cites is checked against
// what the reader may see. Nothing it says changes anything.
package chat

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/store"
)

// State says where an answer stands.
type State string

// The states.
const (
	Running     State = "running"
	Done        State = "done"
	Stopped     State = "stopped"     // somebody stopped it; what was written stays
	Failed      State = "failed"      // Problem says why
	Interrupted State = "interrupted" // the process that wrote it went away; never stored
	Searched    State = "searched"    // no model answered: these are results of a search
)

// Problem is why an answer failed, for people.
type Problem struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// Step is something the model looked at.
type Step struct {
	Tool  string `json:"tool,omitempty"`
	Words string `json:"words"` // in the author's own words, unmasked
	Error bool   `json:"error,omitempty"`
	Live  bool   `json:"live,omitempty"` // it is being done
}

// Hit is a result of the search that stands in for a model.
type Hit struct {
	Ref  catalog.Ref `json:"ref"`
	Name string      `json:"name"`
	Path string      `json:"path,omitempty"`
}

// Body is what a message holds, sealed with the chat.
type Body struct {
	// Text is the question as it was typed, or the answer as the model wrote it,
	// with placeholders.
	Text    string        `json:"text,omitempty"`
	State   State         `json:"state,omitempty"`
	Problem *Problem      `json:"problem,omitempty"`
	Note    string        `json:"note,omitempty"` // why there is only a search, or that the answer was cut
	Steps   []Step        `json:"steps,omitempty"`
	Told    []catalog.Ref `json:"told,omitempty"` // what the answer was made from
	Hits    []Hit         `json:"hits,omitempty"`
	Total   int           `json:"total,omitempty"` // results of the search in all

	Model     string    `json:"model,omitempty"`
	Tokens    int64     `json:"tokens,omitempty"`
	Money     llm.Money `json:"money,omitempty"`
	Priced    bool      `json:"priced,omitempty"` // Money is meaningful
	Exchanges []string  `json:"exchanges,omitempty"`
	Columns   int       `json:"columns,omitempty"` // columns that stood as placeholders in the conversation
	Values    int       `json:"values,omitempty"`  // other texts that did
	Began     time.Time `json:"began,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
	Beat      time.Time `json:"beat,omitzero"` // last sign of life of whoever writes it
	Stop      bool      `json:"stop,omitempty"`
}

// silence is how long a running answer may give no sign of life before it counts
// as interrupted.
const silence = 30 * time.Second

// state is the state as of a time: who stopped beating is gone.
func (b Body) state(now time.Time) State {
	if b.State == Running && now.Sub(b.Beat) > silence {
		return Interrupted
	}
	return b.State
}

const (
	roleUser      = "user"
	roleAssistant = "assistant"
)

func read(m store.ChatMessage) (b Body, err error) {
	if err := json.Unmarshal(m.Content, &b); err != nil {
		return b, errs.Wrap(fmt.Errorf("message %d: %w", m.Seq, err), errs.Internal, "chat_damaged", "A message of this chat cannot be read.", "Delete the chat; nothing else depends on it.")
	}
	return b, nil
}

func write(chat, role string, b Body) (store.ChatMessage, error) {
	data, err := json.Marshal(b)
	if err != nil {
		return store.ChatMessage{}, fmt.Errorf("write a message: %w", err)
	}
	return store.ChatMessage{Chat: chat, Role: role, Content: data}, nil
}
