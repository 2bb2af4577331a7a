package app

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/ai"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/llm/provider"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// models is what a server needs of models: the settings and the one door.
type models struct {
	settings *ai.Service
	gateway  *llm.Gateway
}

// openModels builds the settings of AI and the gateway. Nothing is sent.
func (s *server) openModels(cfg config.Config) error {
	defaults, err := aiDefaults(cfg.AI)
	if err != nil {
		return err
	}
	open := provider.Config{
		Policy: s.stoppable(servePolicy(cfg, listenerAddr(s.listener), s.own)), OperatorPolicy: s.stoppable(operatorPolicy(cfg, s.own)),
		UserAgent: "MetaLens/" + Version, Now: s.env.Now,
	}
	if open, err = modelTransport(cfg.Models, open); err != nil {
		return err
	}
	stopped := modelsStopped(cfg.Models, s.live.Stopped)
	s.models.settings = ai.New(ai.Config{
		Store: s.store, Defaults: defaults, Scans: aiScans{s.library}, Recorders: modelRecorders{s.store}, Open: open.Open, Stopped: stopped, Now: s.env.Now,
	})
	s.models.gateway, err = llm.New(llm.Config{
		Directory: s.models.settings, Books: s.models.settings, Recorders: modelRecorders{s.store}, Open: open.Open, Stopped: stopped, Now: s.env.Now, Logger: s.log,
	})
	return err
}

// close drops the connections to providers.
func (m models) close() {
	if m.gateway != nil {
		m.gateway.Close()
	}
}

// aiDefaults are what the configuration gives organizations.
func aiDefaults(cfg config.AI) (ai.Defaults, error) {
	d := ai.Defaults{
		Provider: cfg.Provider, BaseURL: cfg.BaseURL, Keys: map[string]secret.Value{llm.Anthropic: cfg.AnthropicKey, llm.OpenAI: cfg.OpenAIKey},
		Models:   map[ai.Task]string{ai.Chat: cfg.ModelChat, ai.Review: cfg.ModelReview, ai.Bulk: cfg.ModelScan},
		Month:    store.AIBudget{Tokens: cfg.BudgetTokens, Micros: cfg.BudgetMicros},
		Call:     store.AIBudget{Tokens: cfg.CallTokens, Micros: cfg.CallMicros},
		BaseURLs: cfg.BaseURLs, Terms: map[string]ai.Terms{},
	}
	for name, t := range cfg.Terms {
		d.Terms[name] = ai.Terms{Training: t.Training, Retention: t.Retention, Agreement: t.Agreement, Checked: t.Checked}
	}
	for what, name := range map[string]string{"ai.model_chat": cfg.ModelChat, "ai.model_review": cfg.ModelReview, "ai.model_scan": cfg.ModelScan} {
		if name != "" && !llm.IsModelName(name) {
			return d, errs.New(errs.Invalid, "bad_setting", "The setting "+what+" can be no name of a model.", "Copy it as the provider writes it.")
		}
	}
	var err error
	d.Catalog, err = modelsOf(cfg.ModelsFile)
	return d, err
}

// maxModelsFile bounds the list of models.
const maxModelsFile = 1 << 20

// modelsOf reads further models with their limits and prices.
func modelsOf(path string) ([]llm.Model, error) {
	if path == "" {
		return nil, nil
	}
	bad := func(err error, what string) error {
		return errs.Wrap(err, errs.Invalid, "models_file", "The file "+path+" that ai.models_file names "+what+".", "docs/guide/ai-settings.md shows what it holds.")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, bad(err, "cannot be opened")
	}
	defer func() { _ = f.Close() }()
	var list []llm.Model
	d := json.NewDecoder(io.LimitReader(f, maxModelsFile))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, bad(err, "is no JSON list of models")
	}
	for _, m := range list {
		known := false
		for _, p := range llm.Providers() {
			known = known || p == m.Provider
		}
		if !known || !llm.IsModelName(m.Name) || m.Context < 0 || m.MaxOutput < 0 {
			return nil, bad(nil, "has a model without a known provider, a usable name or sensible limits")
		}
	}
	return list, nil
}

// modelRecorders give each organization's egress ledger to what goes to models.
type modelRecorders struct{ store *store.Store }

func (r modelRecorders) ModelRecorder(org string) ledger.Recorder {
	return store.NewRecorder(r.store, store.OrgID(org), "", "")
}

// aiScans gives what an actor sees of the newest scan.
type aiScans struct{ library *library }

func (p aiScans) Index(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*catalog.Index, string, error) {
	view, err := p.library.View(ctx, org, conn)
	if err != nil {
		return nil, "", err
	}
	return view.Index, view.Key(), nil
}

// setups implements [agent.Setups] over the settings.
type setups struct{ settings *ai.Service }

func (p setups) Setup(ctx context.Context, org store.OrgID, conn store.ConnectionID, name agent.Name) (agent.Setup, error) {
	m, strict, err := p.settings.Model(ctx, org, taskOf(name))
	if err != nil {
		return agent.Setup{}, err
	}
	classifier, err := p.settings.Classifier(ctx, org, conn)
	return agent.Setup{Model: m, Strict: strict, Classifier: classifier}, err
}

// taskOf is the kind of work of an agent.
func taskOf(name agent.Name) ai.Task {
	switch name {
	case agent.Briefing, agent.Explainer:
		return ai.Bulk
	case agent.Duplicates, agent.Metrics, agent.SQLReview, agent.Exposure:
		return ai.Review
	default:
		return ai.Chat
	}
}
