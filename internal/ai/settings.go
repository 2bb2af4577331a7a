package ai

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Status is what members may know of how AI is set up. It holds no key.
type Status struct {
	On       bool // calls can be made now
	Enabled  bool // the organization's own switch
	Stopped  bool // an operator stopped everything that goes to models
	Provider string
	Host     string // of the compatible server
	Models   map[Task]string
	Terms    Terms
	Strict   bool
	Batch    bool
	// OwnKey says that the organization uses a key of its own; else the
	// deployment's.
	OwnKey bool
}

// Status says how AI is set up.
func (s *Service) Status(ctx context.Context, org store.OrgID) (Status, error) {
	h, err := s.viewed(ctx, org)
	if err != nil {
		return Status{}, err
	}
	return s.status(h), nil
}

func (s *Service) status(h holding) Status {
	st := Status{
		Enabled: h.settings.Enabled, Stopped: s.config.Stopped(ledger.PurposeModel), Provider: h.target.Provider, Host: h.target.BaseURL, Models: h.models,
		Strict: h.settings.Strict, Batch: h.settings.Batch, OwnKey: h.settings.KeyID != "" && h.own,
		Terms: s.config.Defaults.Terms[h.target.Provider],
	}
	st.On = st.Enabled && !st.Stopped && st.Provider != ""
	return st
}

// View is everything that an admin sees of the settings. It holds no key.
type View struct {
	Status
	Settings store.AISettings // as they were made
	Month    store.AIBudget   // what holds
	Call     store.AIBudget
	Default  Default
	Catalog  []llm.Model // of the provider
	// Seen says that the terms which are shown are those that were shown when AI
	// was switched on.
	Seen bool
}

// Default is what the deployment gives.
type Default struct {
	Provider string
	Offers   []string // providers that need no key of the organization
	Month    store.AIBudget
	Call     store.AIBudget
	BaseURLs []string // that may be chosen, the deployment's own first
	Terms    map[string]Terms
}

// View shows the settings. It asks for the role admin.
func (s *Service) View(ctx context.Context, org store.OrgID) (View, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return View{}, err
	}
	h, err := s.viewed(ctx, org)
	if err != nil {
		return View{}, err
	}
	d := s.config.Defaults
	v := View{
		Status: s.status(h), Settings: h.settings, Month: h.month, Call: h.call,
		Default: Default{Provider: d.provider(), Month: d.Month, Call: d.Call, BaseURLs: s.addresses(), Terms: d.Terms},
	}
	for _, p := range llm.Providers() {
		if d.offers(p) {
			v.Default.Offers = append(v.Default.Offers, p)
		}
	}
	for _, m := range llm.NewCatalog(d.Catalog...).All() {
		if m.Provider == v.Provider {
			v.Catalog = append(v.Catalog, m)
		}
	}
	v.Seen = v.Settings.Terms == v.Terms.Digest(v.Provider)
	return v, nil
}

// addresses are the compatible servers that an organization may choose.
func (s *Service) addresses() []string {
	var list []string
	for _, a := range append([]string{s.config.Defaults.BaseURL}, s.config.Defaults.BaseURLs...) {
		if a != "" && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// Draft is a change of the settings.
type Draft struct {
	Provider string // empty = the deployment's
	BaseURL  string
	Models   map[Task]string
	Month    store.AIBudget // 0 = the deployment's
	Call     store.AIBudget
	Strict   bool
	Batch    bool
}

// FieldErrors are messages by field.
type FieldErrors map[string]string

// Error implements error.
func (e FieldErrors) Error() string { return fmt.Sprintf("%d fields are not right", len(e)) }

// maxBudget bounds what can be entered: a slip of the finger, not a policy.
const maxBudget = 1_000_000_000_000

func (s *Service) check(d *Draft, have store.AISettings) error {
	bad := FieldErrors{}
	d.BaseURL = strings.TrimRight(strings.TrimSpace(d.BaseURL), "/")
	switch {
	case d.Provider == "":
		d.BaseURL = ""
	case !slices.Contains(llm.Providers(), d.Provider):
		bad["provider"] = "Choose one of the list."
	case d.Provider != llm.Compatible:
		d.BaseURL = ""
	case len(s.addresses()) == 0:
		bad["base_url"] = "Whoever runs this installation has not allowed any address yet (ai.base_url, ai.base_urls)."
	case !slices.Contains(s.addresses(), d.BaseURL):
		bad["base_url"] = "Choose one of the addresses that whoever runs this installation has allowed."
	}
	if have.KeyID != "" && (d.Provider != have.Provider || d.BaseURL != have.BaseURL) {
		bad["provider"] = "The organization’s key belongs to the present provider. Delete the key first: it must not be sent anywhere else."
	}
	for t, name := range d.Models {
		name = strings.TrimSpace(name)
		d.Models[t] = name
		switch {
		case !slices.Contains(Tasks(), t):
			delete(d.Models, t)
		case name == "":
			delete(d.Models, t)
		case !llm.IsModelName(name):
			bad["model_"+string(t)] = "This can be no name of a model. Copy it as the provider writes it."
		}
	}
	for field, n := range map[string]int64{"month_tokens": d.Month.Tokens, "month_usd": d.Month.Micros, "call_tokens": d.Call.Tokens, "call_usd": d.Call.Micros} {
		if n < 0 || n > maxBudget {
			bad[field] = "Enter a number above 0, or leave it empty for what the installation gives."
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

// change is what an audit row says of settings: never a key.
type change struct {
	Provider string         `json:"provider,omitempty"`
	BaseURL  string         `json:"base_url,omitempty"`
	Models   any            `json:"models,omitempty"`
	Month    store.AIBudget `json:"month,omitzero"`
	Call     store.AIBudget `json:"call,omitzero"`
	Strict   bool           `json:"strict"`
	Batch    bool           `json:"batch"`
}

func changeOf(a store.AISettings) change {
	return change{Provider: a.Provider, BaseURL: a.BaseURL, Models: a.Models, Month: a.Budget, Call: a.Call, Strict: a.Strict, Batch: a.Batch}
}

// target of audit rows.
const auditTarget = "settings:ai"

// Save changes the settings; [FieldErrors] where they are not right. It asks for
// the role admin.
func (s *Service) Save(ctx context.Context, org store.OrgID, d Draft) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	err := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		have, _, err := tx.AISettings(ctx)
		if err != nil {
			return err
		}
		if err := s.check(&d, have); err != nil {
			return err
		}
		next := have
		next.Provider, next.BaseURL, next.Budget, next.Call, next.Strict, next.Batch = d.Provider, d.BaseURL, d.Month, d.Call, d.Strict, d.Batch
		next.Models = map[string]string{}
		for t, name := range d.Models {
			next.Models[string(t)] = name
		}
		if next.Provider != have.Provider || next.BaseURL != have.BaseURL {
			next.Enabled, next.Terms = false, "" // somebody else's terms: it is switched on anew
		}
		if err := tx.SetAISettings(ctx, next); err != nil {
			return err
		}
		return audit(ctx, tx, "ai_settings_changed", auditTarget, map[string]change{"before": changeOf(have), "after": changeOf(next)})
	})
	var fields FieldErrors
	if err != nil && !errors.As(err, &fields) {
		return fmt.Errorf("save the AI settings: %w", err)
	}
	return err
}

const (
	minKey = 8
	maxKey = 500
)

func looksLikeKey(key secret.Value) bool {
	text := key.Expose()
	return len(text) >= minKey && len(text) <= maxKey && strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// SetKey keeps the organization's own key of the provider that is chosen, and
// returns its id. The key itself is never shown again. It asks for the role
// admin.
func (s *Service) SetKey(ctx context.Context, org store.OrgID, key secret.Value) (id string, err error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return "", err
	}
	if !looksLikeKey(key) {
		return "", FieldErrors{"key": "This can be no key: it is too short, too long, or holds spaces. Copy the whole of it and nothing else."}
	}
	err = s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		have, _, err := tx.AISettings(ctx)
		if err != nil {
			return err
		}
		if have.Provider == "" {
			return FieldErrors{"key": "Choose the provider first, and save: a key belongs to one."}
		}
		if id, err = tx.SetAIKey(ctx, key); err != nil {
			return err
		}
		return audit(ctx, tx, "ai_key_set", auditTarget, map[string]string{"provider": have.Provider, "key": id})
	})
	var fields FieldErrors
	if err != nil && !errors.As(err, &fields) {
		return "", fmt.Errorf("keep a provider's key: %w", err)
	}
	return id, err
}

// DeleteKey deletes the organization's own key at once. It asks for the role
// admin.
func (s *Service) DeleteKey(ctx context.Context, org store.OrgID) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	err := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		have, _, err := tx.AISettings(ctx)
		if err != nil {
			return err
		}
		if have.KeyID == "" {
			return errs.New(errs.NotFound, "no_ai_key", "There is no key to delete.", "")
		}
		if _, err := tx.SetAIKey(ctx, secret.Value{}); err != nil {
			return err
		}
		return audit(ctx, tx, "ai_key_deleted", auditTarget, map[string]string{"provider": have.Provider, "key": have.KeyID})
	})
	if err != nil {
		return fmt.Errorf("delete a provider's key: %w", err)
	}
	return nil
}

// Switch turns AI on or off. To turn it on, digest has to name the terms that hold
// now ([Terms.Digest]): errs.Conflict (code terms_changed) otherwise. It asks for
// the role admin.
func (s *Service) Switch(ctx context.Context, org store.OrgID, on bool, digest string) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	err := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		h, err := s.hold(ctx, tx)
		if err != nil {
			return err
		}
		next, action := h.settings, "ai_disabled"
		next.Enabled = on
		if on {
			action = "ai_enabled"
			terms := s.config.Defaults.Terms[h.target.Provider]
			switch {
			case h.target.Provider == "":
				return errNoProvider()
			case digest != terms.Digest(h.target.Provider):
				return errs.New(errs.Conflict, "terms_changed", "The provider or what is declared about it has changed since you opened the page.", "Read what holds now and switch AI on again.")
			case h.models[Chat] == "":
				return errs.New(errs.Invalid, "no_model", "No model is chosen, and this provider has none that fits by itself.", "Enter the names of the models as the server knows them, and save.")
			}
			next.Terms = digest
		}
		if err := tx.SetAISettings(ctx, next); err != nil {
			return err
		}
		return audit(ctx, tx, action, auditTarget, map[string]string{"provider": h.target.Provider, "terms": next.Terms})
	})
	if err != nil {
		return fmt.Errorf("switch AI: %w", err)
	}
	return nil
}

// Tested is what a test of the settings showed.
type Tested struct {
	Model    string // that answered
	Duration time.Duration
	Cost     llm.Spent
}

// testPatience bounds a test.
const testPatience = time.Minute

// testAnswer is how long the answer of a test may be, thinking included.
const testAnswer = 256

// Test asks the model of chats for a word, with the settings as they are, whether
// AI is switched on or not. Nothing of a Metabase is in it. It counts against the
// budget and stands in the egress ledger. It asks for the role admin.
func (s *Service) Test(ctx context.Context, org store.OrgID) (Tested, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return Tested{}, err
	}
	h, err := s.viewed(ctx, org)
	if err != nil {
		return Tested{}, err
	}
	if h.target.Provider == "" || h.models[Chat] == "" {
		return Tested{}, errNoProvider()
	}
	if !s.testing.TryLock() {
		return Tested{}, errs.New(errs.Limited, "test_running", "Another test is under way.", "Try again in a moment.")
	}
	defer s.testing.Unlock()
	settings := s.settingsOf(h)
	settings.Enabled = true
	g, err := llm.New(llm.Config{
		Directory: fixed{settings}, Books: s, Recorders: s.config.Recorders, Open: s.config.Open, Stopped: s.config.Stopped,
		Now: s.config.Now, Attempts: 1, Patience: testPatience,
	})
	if err != nil {
		return Tested{}, err
	}
	defer g.Close()
	began := s.config.Now()
	answer, err := g.Do(ctx, llm.Call{Org: string(org), Agent: "test", Subject: auditTarget, Request: llm.Request{
		Model: h.models[Chat], System: []mask.Text{mask.Constant("This is a test of a connection.")},
		Messages: []llm.Message{llm.User(mask.Constant("Answer with the word ready."))}, MaxTokens: testAnswer, Effort: llm.EffortLow,
	}}, nil)
	outcome := llm.OutcomeOK
	if err != nil {
		outcome = errs.CodeOf(err)
	}
	auditErr := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		return audit(ctx, tx, "ai_tested", auditTarget, map[string]string{"provider": h.target.Provider, "outcome": outcome})
	})
	if err := errors.Join(err, auditErr); err != nil {
		return Tested{}, err
	}
	return Tested{Model: answer.Model, Duration: s.config.Now().Sub(began), Cost: answer.Cost}, nil
}

// fixed is a directory of one organization's settings.
type fixed struct{ settings llm.Settings }

func (f fixed) ModelSettings(context.Context, string) (llm.Settings, error) { return f.settings, nil }
