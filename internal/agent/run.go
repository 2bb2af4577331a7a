package agent

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

// Models asks models; [llm.Gateway] does.
type Models interface {
	Do(ctx context.Context, c llm.Call, on func(llm.Event) error) (llm.Answer, error)
}

// Limits bound one run. 0 takes the default.
type Limits struct {
	Steps  int           // calls of the model; default 8
	Tokens int64         // of all calls; default 200,000
	Money  llm.Money     // of all calls, where the price is known; default half a dollar
	Time   time.Duration // of the whole run; default 3 minutes
	Answer int           // tokens of one answer; default 2,000
}

const (
	defaultSteps  = 8
	defaultTokens = 200_000
	defaultMoney  = llm.Dollar / 2
	defaultTime   = 3 * time.Minute
	defaultAnswer = 2_000
)

func (l Limits) withDefaults() Limits {
	if l.Steps <= 0 {
		l.Steps = defaultSteps
	}
	if l.Tokens <= 0 {
		l.Tokens = defaultTokens
	}
	if l.Money <= 0 {
		l.Money = defaultMoney
	}
	if l.Time <= 0 {
		l.Time = defaultTime
	}
	if l.Answer <= 0 {
		l.Answer = defaultAnswer
	}
	return l
}

// Task is one run: a question that may take several calls of the model.
type Task struct {
	Org     store.OrgID
	Agent   string // who asks: chat, briefing, explainer, …
	Subject string // what it is about: question:12, chat:<id>; what was sent is kept with it
	Model   string
	Effort  llm.Effort
	System  []mask.Text
	// Messages are the conversation so far; the last one is the user's.
	Messages []llm.Message
	Tools    *tools.Toolbox // nil = none
	// Output asks for an answer that is JSON of this shape; nil for prose.
	Output *llm.Schema
	// Check says what is wrong with an answer of the right shape; the model is told
	// and asked once more. nil accepts all.
	Check  func(output json.RawMessage) []mask.Text
	Limits Limits
}

// EventKind says what an [Event] tells.
type EventKind string

// The events of a run.
const (
	EventText     EventKind = "text"      // Text was added to the answer
	EventTool     EventKind = "tool"      // the model looks something up; Title says what
	EventToolDone EventKind = "tool_done" // it has; Words says what was found
	EventRetry    EventKind = "retry"     // the provider is busy; asked again after Wait
	EventRepair   EventKind = "repair"    // the answer did not fit and is asked for once more
)

// Event is one step of a run, for who watches it. Text is masked as the model
// wrote it: placeholders are turned back by the reader's own side.
type Event struct {
	Kind   EventKind     `json:"kind"`
	Text   string        `json:"text,omitempty"`
	CallID string        `json:"call_id,omitempty"` // pairs tool and tool_done
	Tool   string        `json:"tool,omitempty"`
	Title  string        `json:"title,omitempty"` // for people
	Words  string        `json:"words,omitempty"` // for people
	Refs   []catalog.Ref `json:"refs,omitempty"`  // what the tool told of
	Failed bool          `json:"failed,omitempty"`
	Wait   time.Duration `json:"wait,omitempty"`
}

// Step is one entry of a [Transcript]: an answer of the model, or a tool's.
type Step struct {
	Answer    string          `json:"answer,omitempty"` // masked
	Output    json.RawMessage `json:"output,omitempty"` // masked
	Stop      llm.Stop        `json:"stop,omitempty"`
	Tool      string          `json:"tool,omitempty"`
	CallID    string          `json:"call_id,omitempty"`
	Args      string          `json:"args,omitempty"`   // as the model wrote them
	Result    string          `json:"result,omitempty"` // masked
	Failed    bool            `json:"failed,omitempty"`
	Code      string          `json:"code,omitempty"`  // of a failure
	Words     string          `json:"words,omitempty"` // for people
	Refs      []catalog.Ref   `json:"refs,omitempty"`
	Usage     llm.Usage       `json:"usage,omitzero"`
	Exchanges []string        `json:"exchanges,omitempty"` // rows of the egress ledger with what was sent
}

// Transcript is what happened in a run, in order.
type Transcript []Step

// Tools lists the names of the tools that were called, in order.
func (t Transcript) Tools() []string {
	var out []string
	for _, s := range t {
		if s.Tool != "" {
			out = append(out, s.Tool)
		}
	}
	return out
}

// Result is how a run ended. It is set with an error too, as far as it came.
type Result struct {
	Text       string          // the answer in prose, masked
	Output     json.RawMessage // the answer as JSON, masked, where one was asked for
	Stop       llm.Stop
	Refs       []catalog.Ref // everything that tools told of
	Transcript Transcript
	Messages   []llm.Message // the conversation with what was added, ready to go on
	Model      string        // that answered
	Usage      llm.Usage
	Cost       llm.Spent
	Calls      []string // ids of the calls in the books
	Exchanges  []string // rows of the egress ledger with what was sent
	Duration   time.Duration
}

// Runner runs tasks. It is safe for concurrent use.
type Runner struct {
	models Models
	now    func() time.Time
}

// NewRunner returns a runner; a nil clock is time.Now.
func NewRunner(models Models, now func() time.Time) *Runner {
	if now == nil {
		now = time.Now
	}
	return &Runner{models: models, now: now}
}

// Run works on a task. on sees what happens and may be nil; its error ends the
// run and comes back. Failures are those of package llm: a limit that was reached
// is errs.Limited, an answer that does not fit after it was asked for once more
// errs.Unavailable with code model_output.
func (r *Runner) Run(ctx context.Context, t Task, on func(Event) error) (Result, error) {
	t.Limits = t.Limits.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, t.Limits.Time)
	defer cancel()
	if on == nil {
		on = func(Event) error { return nil }
	}
	began := r.now()
	w := &run{
		task: t, on: on, models: r.models, asked: map[string]bool{},
		run: llm.NewRun(llm.RunLimits{Calls: t.Limits.Steps + repairs, Tokens: t.Limits.Tokens, Money: t.Limits.Money, Repeats: maxRepeats}),
		out: Result{Messages: slices.Clone(t.Messages), Cost: llm.Spent{Known: true}},
	}
	err := w.loop(ctx)
	w.out.Duration = r.now().Sub(began)
	return w.out, err
}

const (
	// repairs is how often an answer that does not fit is asked for again.
	repairs = 1
	// maxRepeats is how often the same call may be made; the second one is told
	// that it was answered before, a further one ends the run.
	maxRepeats = 2
)

// run is a run under way.
type run struct {
	task     Task
	on       func(Event) error
	models   Models
	run      *llm.Run
	out      Result
	steps    int
	repaired int
	asked    map[string]bool // calls of tools that were answered
}

func (w *run) loop(ctx context.Context) error {
	for {
		w.steps++
		answer, err := w.ask(ctx)
		if err != nil {
			if again, rerr := w.repair(err, answer); again || rerr != nil {
				if rerr != nil {
					return rerr
				}
				continue
			}
			return err
		}
		if answer.Stop == llm.StopTools && len(answer.Calls) > 0 {
			if err := w.answerCalls(ctx, answer); err != nil {
				return err
			}
			continue
		}
		w.out.Text, w.out.Output, w.out.Stop = answer.Text, answer.Output, answer.Stop
		if len(answer.Parts) > 0 {
			w.out.Messages = append(w.out.Messages, answer.Message())
		}
		if w.task.Check != nil && w.task.Output != nil {
			if wrong := w.task.Check(answer.Output); len(wrong) > 0 {
				if w.repaired < repairs && len(answer.Parts) > 0 {
					w.repaired++
					w.out.Messages = append(w.out.Messages, llm.User(mask.Join(mask.Constant("The answer cannot be used:\n"), mask.Lines(wrong...), mask.Constant("\nAnswer again."))))
					if err := w.on(Event{Kind: EventRepair}); err != nil {
						return err
					}
					continue
				}
				return errs.New(errs.Unavailable, llm.CodeOutput, "The model's answer does not hold: it names things that it was not given.", "Try again, or choose another model.")
			}
		}
		return nil
	}
}

// ask makes one call. On the last step tools are taken away, so that the model
// answers with what it has.
func (w *run) ask(ctx context.Context) (llm.Answer, error) {
	q := llm.Request{
		Model: w.task.Model, System: w.task.System, Messages: w.out.Messages, Output: w.task.Output, MaxTokens: w.task.Limits.Answer, Effort: w.task.Effort,
		CacheSystem: true, CacheTurns: w.task.Tools != nil,
	}
	if w.task.Tools != nil {
		for _, d := range w.task.Tools.Definitions() {
			q.Tools = append(q.Tools, llm.Tool{Name: d.Name, Description: d.Description, Input: d.Input})
		}
		if w.steps >= w.task.Limits.Steps {
			q.Choice = llm.ToolsNone
		}
	}
	answer, err := w.models.Do(ctx, llm.Call{
		Org: string(w.task.Org), Agent: w.task.Agent, Subject: w.task.Subject, Request: q, Run: w.run, Money: w.task.Limits.Money,
	}, w.watch)
	step := Step{Answer: answer.Text, Output: answer.Output, Stop: answer.Stop, Usage: answer.Usage, Exchanges: answer.Exchanges}
	if err != nil {
		step.Failed, step.Code = true, errs.CodeOf(err)
	}
	w.out.Transcript = append(w.out.Transcript, step)
	w.out.Usage = w.out.Usage.Add(answer.Usage)
	w.out.Cost.Tokens += answer.Cost.Tokens
	w.out.Cost.Money += answer.Cost.Money
	w.out.Cost.Known = w.out.Cost.Known && answer.Cost.Known
	if answer.CallID != "" {
		w.out.Calls = append(w.out.Calls, answer.CallID)
	}
	w.out.Exchanges = append(w.out.Exchanges, answer.Exchanges...)
	if answer.Model != "" {
		w.out.Model = answer.Model
	}
	return answer, err
}

func (w *run) watch(e llm.Event) error {
	switch e.Kind {
	case llm.EventText:
		return w.on(Event{Kind: EventText, Text: e.Text})
	case llm.EventRetry:
		return w.on(Event{Kind: EventRetry, Wait: e.Wait})
	case llm.EventThink, llm.EventCall:
	}
	return nil
}

// repair asks once more for an answer that has not the shape that was asked for.
func (w *run) repair(err error, answer llm.Answer) (again bool, failed error) {
	problems := llm.ProblemsOf(err)
	if w.repaired >= repairs || w.task.Output == nil || len(problems) == 0 || len(answer.Parts) == 0 || len(answer.Calls) > 0 {
		return false, nil
	}
	w.repaired++
	w.out.Messages = append(w.out.Messages, answer.Message(), llm.User(problems.Text()))
	return true, w.on(Event{Kind: EventRepair})
}

// answerCalls runs the tools that the model asks for.
func (w *run) answerCalls(ctx context.Context, answer llm.Answer) error {
	w.out.Messages = append(w.out.Messages, answer.Message())
	results := make([]llm.ToolResult, 0, len(answer.Calls))
	for _, call := range answer.Calls {
		result, err := w.answerCall(ctx, call)
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	w.out.Messages = append(w.out.Messages, llm.Results(results...))
	return nil
}

func (w *run) answerCall(ctx context.Context, call llm.ToolCall) (llm.ToolResult, error) {
	title := call.Name
	if w.task.Tools != nil {
		if t := w.task.Tools.Title(call.Name); t != "" {
			title = t
		} else {
			title = "Something that does not exist"
		}
	}
	if err := w.on(Event{Kind: EventTool, CallID: call.ID, Tool: call.Name, Title: title}); err != nil {
		return llm.ToolResult{}, err
	}
	found, err := w.look(ctx, call)
	if err != nil {
		return llm.ToolResult{}, err
	}
	for _, r := range found.Refs {
		if !slices.Contains(w.out.Refs, r) {
			w.out.Refs = append(w.out.Refs, r)
		}
	}
	w.out.Transcript = append(w.out.Transcript, Step{
		Tool: call.Name, CallID: call.ID, Args: call.Args.String(), Result: found.Text.String(), Failed: found.IsError, Code: found.Code, Words: found.Words, Refs: found.Refs,
	})
	err = w.on(Event{Kind: EventToolDone, CallID: call.ID, Tool: call.Name, Title: title, Words: found.Words, Refs: found.Refs, Failed: found.IsError})
	if found.IsError {
		return llm.ToolResult{ID: call.ID, Text: found.Text, IsError: true}, err
	}
	return llm.ToolResult{ID: call.ID, Text: Untrusted(found.Text)}, err
}

func (w *run) look(ctx context.Context, call llm.ToolCall) (tools.Result, error) {
	key := sameCall(call)
	switch {
	case w.task.Tools == nil:
		return tools.Result{IsError: true, Code: "unknown_tool", Words: "Asked for something that does not exist", Text: mask.Constant("There are no tools. Answer with what you have.")}, nil
	case w.asked[key]:
		return tools.Result{IsError: true, Code: "repeated", Words: "Asked the same again", Text: mask.Constant("You asked exactly this before; its answer stands above. Go on, or answer.")}, nil
	}
	w.asked[key] = true
	return w.task.Tools.Call(ctx, call.Name, json.RawMessage(call.Args.String()))
}

// sameCall is equal for calls that differ in white space and order only.
func sameCall(call llm.ToolCall) string {
	var v any
	if json.Unmarshal([]byte(call.Args.String()), &v) == nil {
		if plain, err := json.Marshal(v); err == nil {
			return call.Name + "\x00" + string(plain)
		}
	}
	return call.Name + "\x00" + call.Args.String()
}

// Untrusted marks what came from Metabase as data. It holds no closing element of
// its own: [mask.JSON] breaks them.
func Untrusted(data mask.Text) mask.Text {
	return mask.Join(mask.Constant("<data>\n"), data, mask.Constant("\n</data>"))
}

// Stopped reports whether a run ended because a limit of its own was reached, and
// not because something broke.
func Stopped(err error) bool {
	var e *errs.Error
	return errors.As(err, &e) && slices.Contains([]string{llm.CodeLoop, llm.CodeTokens, llm.CodeMoney, llm.CodeCallLimit, llm.CodeSlow}, e.Code)
}
