// Package ai is how an organization uses models: which provider with which key,
// which model for which task, how much it may use, what it has used, and which
// columns of a connection no model may see.
//
// It implements what package llm asks for: the directory of settings and the
// books of what calls use. It sends nothing itself; the one request that it makes,
// the test of a key, passes a gateway like any other.
package ai

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Task is a kind of work that a model is chosen for.
type Task string

// The tasks.
const (
	Chat   Task = "chat"   // conversations, writing SQL
	Review Task = "review" // duplicates, metrics, SQL, exposure
	Bulk   Task = "scan"   // explanations and briefings, made in numbers
)

// Tasks lists the tasks.
func Tasks() []Task { return []Task{Chat, Review, Bulk} }

// Terms are what a provider does with what it is sent, as whoever runs the
// installation declares it. Empty fields were not declared.
type Terms struct {
	Training  string
	Retention string
	Agreement string
	Checked   string // a day
}

// Declared reports whether anything was.
func (t Terms) Declared() bool { return t != Terms{} }

// Digest names these terms of a provider, so that it is known which ones somebody
// saw when AI was switched on.
func (t Terms) Digest(provider string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{provider, t.Training, t.Retention, t.Agreement, t.Checked}))
	const short = 12
	return hex.EncodeToString(sum[:short])
}

// Defaults are what a deployment gives its organizations.
type Defaults struct {
	Provider string // empty = the first whose key is set
	BaseURL  string // of the compatible server
	// Keys by provider. The compatible server may do without.
	Keys     map[string]secret.Value
	Models   map[Task]string // empty = what fits the provider
	Month    store.AIBudget
	Call     store.AIBudget
	BaseURLs []string // that an organization may choose
	Catalog  []llm.Model
	Terms    map[string]Terms
}

// provider is the one that organizations get; empty where none is set up.
func (d Defaults) provider() string {
	if d.Provider != "" {
		return d.Provider
	}
	for _, p := range []string{llm.Anthropic, llm.Compatible, llm.OpenAI} {
		if d.offers(p) {
			return p
		}
	}
	return ""
}

// offers reports whether the deployment reaches a provider by itself.
func (d Defaults) offers(provider string) bool {
	if provider == llm.Compatible {
		return d.BaseURL != ""
	}
	// With an address of its own, OpenAI's key belongs to that address.
	if provider == llm.OpenAI && d.BaseURL != "" {
		return false
	}
	key := d.Keys[provider]
	return !key.IsZero()
}

// Scans gives what the context's actor sees of the newest scan of a connection,
// with a name for exactly that.
type Scans interface {
	Index(ctx context.Context, org store.OrgID, conn store.ConnectionID) (x *catalog.Index, key string, err error)
}

// Config is what a [Service] is made of; everything is required but Now.
type Config struct {
	Store     *store.Store
	Defaults  Defaults
	Scans     Scans
	Recorders llm.Recorders
	Open      llm.Opener
	Stopped   func(ledger.Purpose) bool
	Now       func() time.Time
}

// Service is safe for concurrent use.
type Service struct {
	config Config

	mu      sync.Mutex
	judged  []judged // the newest last
	testing sync.Mutex
}

// New returns a service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{config: c}
}

// The interfaces that it implements.
var (
	_ llm.Directory = (*Service)(nil)
	_ llm.Books     = (*Service)(nil)
)

// defaultModel is a model that fits a task where nobody chose one.
func defaultModel(provider string, t Task) string {
	switch {
	case provider == llm.Anthropic && t == Bulk:
		return "claude-haiku-5-5"
	case provider == llm.Anthropic:
		return "claude-sonnet-5-5"
	case provider == llm.OpenAI && t == Bulk:
		return "gpt-6-luna"
	case provider == llm.OpenAI:
		return "gpt-6.1-sol"
	}
	return ""
}

// holding is what holds for an organization.
type holding struct {
	settings store.AISettings
	target   llm.Target
	own      bool // the organization's key, or an address that it chose
	models   map[Task]string
	month    store.AIBudget
	call     store.AIBudget
}

// hold works out what holds, in a transaction. Without a provider the target is
// empty.
func (s *Service) hold(ctx context.Context, tx *store.Tx) (h holding, err error) {
	if h.settings, _, err = tx.AISettings(ctx); err != nil {
		return h, err
	}
	d := s.config.Defaults
	provider := h.settings.Provider
	if provider == "" {
		provider = d.provider()
	}
	t := llm.Target{Provider: provider}
	if provider == llm.Compatible {
		if t.BaseURL = h.settings.BaseURL; t.BaseURL == "" {
			t.BaseURL = d.BaseURL
		}
		t.Operator = t.BaseURL != "" && (t.BaseURL == d.BaseURL || slices.Contains(d.BaseURLs, t.BaseURL))
	}
	switch {
	case h.settings.KeyID != "" && h.settings.Provider == provider:
		if t.Key, t.KeyID, err = tx.AIKey(ctx); err != nil {
			return h, err
		}
		h.own = true
	case provider == llm.Compatible && t.BaseURL != d.BaseURL:
		h.own, t.KeyID = true, "none"
	case d.offers(provider):
		t.Key, t.KeyID = d.Keys[provider], "deployment"
		if provider == llm.Compatible {
			t.Key = d.Keys[llm.OpenAI]
		}
	default:
		t = llm.Target{}
	}
	if provider == llm.Compatible && !t.Operator {
		t = llm.Target{} // the operator took the address off the list
	}
	h.target = t
	h.models = map[Task]string{}
	for _, task := range Tasks() {
		h.models[task] = s.model(h.settings, provider, task)
	}
	h.month, h.call = d.Month, d.Call
	for _, l := range []struct {
		to         *int64
		own, bound int64
	}{
		{&h.month.Tokens, h.settings.Budget.Tokens, d.Month.Tokens},
		{&h.month.Micros, h.settings.Budget.Micros, d.Month.Micros},
		{&h.call.Tokens, h.settings.Call.Tokens, d.Call.Tokens},
		{&h.call.Micros, h.settings.Call.Micros, d.Call.Micros},
	} {
		switch {
		case l.own == 0:
		case h.own:
			*l.to = l.own
		default:
			*l.to = min(l.own, l.bound) // the deployment pays
		}
	}
	return h, nil
}

// model is the model of a task. Names that the deployment or the organization
// chose for one provider are not asked of another.
func (s *Service) model(have store.AISettings, provider string, t Task) string {
	if name := have.Models[string(t)]; name != "" {
		return name
	}
	if provider == s.config.Defaults.provider() {
		if name := s.config.Defaults.Models[t]; name != "" {
			return name
		}
	}
	return defaultModel(provider, t)
}

func errNoProvider() error {
	return errs.New(errs.NotFound, llm.CodeNoModel, "No model provider is set up.",
		"An admin enters a key under Settings, AI. Everything that needs no model works without one.")
}

// ModelSettings implements [llm.Directory].
func (s *Service) ModelSettings(ctx context.Context, org string) (llm.Settings, error) {
	h, err := s.viewed(ctx, store.OrgID(org))
	if err != nil {
		return llm.Settings{}, err
	}
	if h.target.Provider == "" {
		return llm.Settings{}, errNoProvider()
	}
	return s.settingsOf(h), nil
}

func (s *Service) settingsOf(h holding) llm.Settings {
	out := llm.Settings{
		Enabled: h.settings.Enabled, Target: h.target, Batch: h.settings.Batch, Models: s.config.Defaults.Catalog,
		Budget: llm.Budget{
			Month: llm.Cap{Tokens: h.month.Tokens, Money: llm.Money(h.month.Micros)},
			Call:  llm.Cap{Tokens: h.call.Tokens, Money: llm.Money(h.call.Micros)},
		},
	}
	if !out.Enabled {
		out.Why = "AI is switched off for this organization."
	}
	return out
}

// viewed is what holds, for any member.
func (s *Service) viewed(ctx context.Context, org store.OrgID) (h holding, err error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return h, err
	}
	err = s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		h, err = s.hold(ctx, tx)
		return err
	})
	if err != nil {
		return h, fmt.Errorf("read the AI settings: %w", err)
	}
	return h, nil
}

// Model returns the model of a task, with what is known of it, and whether ids
// stand for names. It answers errs.NotFound (code models_none) where no provider
// or no model is set up, and errs.Forbidden (code models_off) where AI is switched
// off.
func (s *Service) Model(ctx context.Context, org store.OrgID, t Task) (m llm.Model, strict bool, err error) {
	h, err := s.viewed(ctx, org)
	if err != nil {
		return m, false, err
	}
	name := h.models[t]
	switch {
	case s.config.Stopped(ledger.PurposeModel):
		return m, false, errs.New(errs.Forbidden, llm.CodeOff, "An operator has stopped everything that goes to models.", "Ask whoever runs this MetaLens.")
	case h.target.Provider == "", name == "":
		return m, false, errNoProvider()
	case !h.settings.Enabled:
		return m, false, errs.New(errs.Forbidden, llm.CodeOff, "AI is switched off for this organization.", "An admin switches it on under Settings, AI.")
	}
	m, _ = llm.NewCatalog(s.config.Defaults.Catalog...).Find(h.target.Provider, name)
	return m, h.settings.Strict, nil
}

// audit puts a change on the audit log.
func audit(ctx context.Context, tx *store.Tx, action, target string, detail any) error {
	text, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return tx.Audit(ctx, store.AuditRow{Actor: store.UserID(access.From(ctx).User), Action: action, Target: target, Source: "web", Detail: string(text)})
}
