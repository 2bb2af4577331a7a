package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

// Setup is how a model serves an agent.
type Setup struct {
	Model      llm.Model // with its provider, limits and price
	Strict     bool      // ids instead of names
	Classifier *mask.Classifier
}

// Setups finds the setup of an organization. It answers errs.NotFound (code
// models_none) where no provider is set up and errs.Forbidden (code models_off)
// where models are switched off.
type Setups interface {
	Setup(ctx context.Context, org store.OrgID, conn store.ConnectionID, agent Name) (Setup, error)
}

// Config is what a [Service] is made of.
type Config struct {
	Store   *store.Store
	Backend tools.Backend
	Models  Models
	Setups  Setups
	Now     func() time.Time // nil = time.Now
	Logger  *slog.Logger     // nil = silent
}

// Service makes and keeps what agents say. It is safe for concurrent use.
type Service struct {
	config Config
	runner *Runner
	own    *mask.Classifier // for hashing what is not sent
}

// New returns a service.
func New(c Config) (*Service, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	own, err := mask.NewClassifier(mask.Rules{})
	if err != nil {
		return nil, fmt.Errorf("build the classifier: %w", err)
	}
	return &Service{config: c, runner: NewRunner(c.Models, c.Now), own: own}, nil
}

// Runner runs tasks of other kinds, such as a turn of a chat, with the same
// models.
func (s *Service) Runner() *Runner { return s.runner }

// enter asks for a role and returns what the actor sees.
func (s *Service) enter(ctx context.Context, role access.Role, org store.OrgID, conn store.ConnectionID) (*tools.World, error) {
	if err := access.Require(ctx, role); err != nil {
		return nil, err
	}
	if err := access.Enter(ctx, string(org)); err != nil {
		return nil, err
	}
	return s.config.Backend.World(ctx, org, conn)
}

// Output returns what an agent said about a subject; errs.NotFound where it said
// nothing, or nothing that the actor may see.
func (s *Service) Output(ctx context.Context, org store.OrgID, conn store.ConnectionID, agent Name, subject string) (*Output, error) {
	w, kept, out, err := s.said(ctx, org, conn, agent, subject)
	if err != nil {
		return nil, err
	}
	hash, err := s.hash(ctx, w, agent, subject)
	switch errs.KindOf(err) {
	case "":
		out.Stale = hash != kept.ContentHash
	case errs.NotFound, errs.Invalid, errs.Forbidden:
		out.Stale = true
	default:
		return nil, err
	}
	return out, nil
}

// said reads what an agent said about a subject, with the world of the actor, who
// may see it; errs.NotFound otherwise.
func (s *Service) said(ctx context.Context, org store.OrgID, conn store.ConnectionID, agent Name, subject string) (*tools.World, store.AIOutput, *Output, error) {
	w, err := s.enter(ctx, access.Viewer, org, conn)
	if err != nil {
		return nil, store.AIOutput{}, nil, err
	}
	kept, ok, err := s.kept(ctx, w, agent, subject)
	if err == nil && !ok {
		err = nothing()
	}
	if err != nil {
		return nil, store.AIOutput{}, nil, err
	}
	out, err := s.show(w, kept)
	return w, kept, out, err
}

func nothing() error {
	return errs.New(errs.NotFound, "no_output", "Nothing was said about this yet.", "")
}

func (s *Service) kept(ctx context.Context, w *tools.World, agent Name, subject string) (o store.AIOutput, ok bool, err error) {
	err = s.config.Store.ViewOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error {
		o, ok, err = tx.AIOutput(ctx, w.Connection, string(agent), subject)
		return err
	})
	return o, ok, err
}

// show reads a stored output for the actor: what rests on something that the
// actor may not see is as if it were not there.
func (s *Service) show(w *tools.World, kept store.AIOutput) (*Output, error) {
	out := &Output{}
	if err := json.Unmarshal(kept.Output, out); err != nil {
		return nil, fmt.Errorf("read the output of %s: %w", kept.Agent, err)
	}
	if out.Whole && !w.Whole || !w.Whole && slices.ContainsFunc(out.Rests, func(r catalog.Ref) bool { return !w.Sees(r) }) {
		return nil, nothing()
	}
	out.Agent, out.Subject, out.At, out.Model, out.Provider = Name(kept.Agent), kept.Subject, kept.At, kept.Model, kept.Provider
	out.PromptVersion, out.Tokens, out.Duration, out.Calls = kept.PromptVersion, kept.Tokens, kept.Duration, kept.Calls
	if kept.Cost != nil {
		cost := llm.Money(*kept.Cost)
		out.Cost = &cost
	}
	return out, nil
}

// hash works out the content hash of what an agent would be told now.
func (s *Service) hash(ctx context.Context, w *tools.World, agent Name, subject string) (string, error) {
	prompt, err := PromptOf(agent)
	if err != nil {
		return "", err
	}
	p := &preparer{s.config.Backend, tools.NewLens(w, tools.NewConversation(w, s.own, nil, false))}
	work, err := p.prepare(ctx, agent, subject)
	if err != nil {
		return "", err
	}
	return work.hash(prompt)
}

// Make lets an agent say something about a subject, unless it has and neither the
// content nor the prompt has changed since; again makes it anew in any case. on
// sees what happens and may be nil. What somebody with a part of the connection
// asks for is answered from that part and not stored.
func (s *Service) Make(ctx context.Context, org store.OrgID, conn store.ConnectionID, agent Name, subject string, again bool, on func(Event) error) (*Output, error) {
	w, err := s.enter(ctx, access.Viewer, org, conn)
	if err != nil {
		return nil, err
	}
	desk, err := s.desk(ctx, w, agent)
	if err != nil {
		return nil, err
	}
	out, _, err := s.make(ctx, desk, agent, subject, again, on)
	return out, err
}

// desk is what one agent works with: one conversation for all that it does, so
// that columns are judged once.
type desk struct {
	*preparer
	setup Setup
}

func (s *Service) desk(ctx context.Context, w *tools.World, agent Name) (*desk, error) {
	setup, err := s.config.Setups.Setup(ctx, w.Org, w.Connection, agent)
	if err != nil {
		return nil, err
	}
	conv := tools.NewConversation(w, setup.Classifier, nil, setup.Strict)
	return &desk{&preparer{s.config.Backend, tools.NewLens(w, conv)}, setup}, nil
}

// make also tells whether a model was asked.
func (s *Service) make(ctx context.Context, d *desk, agent Name, subject string, again bool, on func(Event) error) (out *Output, asked bool, err error) {
	w := d.lens.World
	work, err := d.prepare(ctx, agent, subject)
	if err != nil {
		return nil, false, err
	}
	prompt, err := PromptOf(agent)
	if err != nil {
		return nil, false, err
	}
	hash, err := work.hash(prompt)
	if err != nil {
		return nil, false, err
	}
	if !again {
		kept, ok, err := s.kept(ctx, w, agent, work.subject)
		if err != nil {
			return nil, false, err
		}
		if ok && kept.ContentHash == hash {
			if out, err := s.show(w, kept); err == nil {
				return out, false, nil
			}
		}
	}
	out, err = s.run(ctx, work, prompt, d, on)
	if err != nil {
		return out, true, err
	}
	if w.Whole {
		err = s.keep(ctx, w, out, hash)
	}
	return out, true, err
}

// Write lets the SQL writer answer a question in words with a query for a
// database. The query is read against the schema and never run.
func (s *Service) Write(ctx context.Context, org store.OrgID, conn store.ConnectionID, databaseID, question string, on func(Event) error) (*Output, error) {
	w, err := s.enter(ctx, access.Viewer, org, conn)
	if err != nil {
		return nil, err
	}
	d, err := s.desk(ctx, w, SQLWriter)
	if err != nil {
		return nil, err
	}
	work, err := d.writer(databaseID, question)
	if err != nil {
		return nil, err
	}
	prompt, err := PromptOf(SQLWriter)
	if err != nil {
		return nil, err
	}
	return s.run(ctx, work, prompt, d, on)
}

// run asks the model and checks what it says.
func (s *Service) run(ctx context.Context, work *work, prompt Prompt, d *desk, on func(Event) error) (*Output, error) {
	task, err := s.task(work, prompt, d)
	if err != nil {
		return nil, err
	}
	result, err := s.runner.Run(ledger.WithConnection(ctx, string(d.lens.World.Connection)), task, on)
	out := &Output{
		Agent: work.agent, Subject: work.subject, Rests: work.rests, Whole: work.whole, At: s.config.Now().UTC(), Duration: result.Duration,
		Provider: d.setup.Model.Provider, Model: result.Model, PromptVersion: prompt.Version, Calls: result.Calls, Exchanges: result.Exchanges, Transcript: result.Transcript,
		Tokens: store.AITokens{Input: result.Usage.Input, Output: result.Usage.Output, CacheRead: result.Usage.CacheRead, CacheWrite: result.Usage.CacheWrite},
	}
	if out.Model == "" {
		out.Model = d.setup.Model.Name
	}
	if result.Cost.Known {
		out.Cost = &result.Cost.Money
	}
	for _, r := range result.Refs {
		if !slices.Contains(out.Rests, r) {
			out.Rests = append(out.Rests, r)
		}
	}
	if err != nil {
		return out, err
	}
	if result.Stop == llm.StopRefused {
		return out, llm.Failed("The model", llm.ReasonRefused, llm.Fault{})
	}
	return out, work.finish(result.Output, out)
}

// task puts a run together.
func (s *Service) task(work *work, prompt Prompt, d *desk) (Task, error) {
	w := d.lens.World
	text, _ := assemble(contextTokens, work.parts)
	t := Task{
		Org: w.Org, Agent: string(work.agent), Subject: store.AssetSubject(w.Connection, work.subject), Model: d.setup.Model.Name, System: prompt.System,
		Messages: []llm.Message{llm.User(text)}, Output: &work.schema, Check: work.check, Limits: work.limits,
	}
	if len(work.tools) > 0 {
		box, err := tools.New(tools.Config{Backend: s.config.Backend, Org: w.Org, Connection: w.Connection, Conversation: d.lens.Conv, Only: work.tools})
		if err != nil {
			return Task{}, err
		}
		t.Tools = box
	}
	return t, nil
}

// keep stores an output in place of what was said before.
func (s *Service) keep(ctx context.Context, w *tools.World, out *Output, hash string) error {
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("write the output of %s: %w", out.Agent, err)
	}
	o := store.AIOutput{
		Connection: w.Connection, Agent: string(out.Agent), At: out.At, Subject: out.Subject, PromptVersion: out.PromptVersion, ContentHash: hash, Output: body,
		Provider: out.Provider, Model: out.Model, Tokens: out.Tokens, Duration: out.Duration, Calls: out.Calls,
	}
	if out.Cost != nil {
		cost := int64(*out.Cost)
		o.Cost = &cost
	}
	return s.config.Store.InOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error { return tx.PutAIOutput(ctx, o) })
}

// Outputs lists what agents said about a connection, newest first, as far as the
// actor may see it.
func (s *Service) Outputs(ctx context.Context, org store.OrgID, conn store.ConnectionID, agent Name) ([]*Output, error) {
	w, err := s.enter(ctx, access.Viewer, org, conn)
	if err != nil {
		return nil, err
	}
	var list []*Output
	err = s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		return tx.AIOutputs(ctx, conn, string(agent), func(o store.AIOutput) error {
			if !slices.Contains(Names(), Name(o.Agent)) {
				return nil
			}
			out, err := s.show(w, o)
			if errs.KindOf(err) == errs.NotFound {
				return nil
			}
			list = append(list, out)
			return err
		})
	})
	return list, err
}
