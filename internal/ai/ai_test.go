package ai_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/ai"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// bench is a service over a store with one organization and one connection.
type bench struct {
	t       *testing.T
	service *ai.Service
	store   *store.Store
	config  ai.Config
	org     store.OrgID
	conn    store.ConnectionID
	clock   time.Time
	stopped bool
	index   *catalog.Index
	opened  []llm.Target
	fail    error
}

type scans struct{ b *bench }

func (s scans) Index(context.Context, store.OrgID, store.ConnectionID) (*catalog.Index, string, error) {
	if s.b.index == nil {
		return nil, "", errs.New(errs.NotFound, "no_scan", "There is no scan.", "")
	}
	return s.b.index, "scan", nil
}

type recorders struct{}

func (recorders) ModelRecorder(string) ledger.Recorder { return &ledger.Memory{} }

// model answers with a word.
type model struct{ b *bench }

func (m model) Stream(context.Context, llm.Request, func(llm.Event) error) (llm.Response, error) {
	return llm.Response{Text: "ready", Stop: llm.StopEnd, Model: "claude-sonnet-5-5-20261101", Usage: llm.Usage{Input: 20, Output: 2}}, m.b.fail
}
func (model) Name() string { return llm.Anthropic }
func (model) Close()       {}

func newBench(t *testing.T, d ai.Defaults) *bench {
	t.Helper()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, clock: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	if b.store, err = store.Open(t.Context(), store.Config{Dir: t.TempDir(), Keys: set, Now: func() time.Time { return b.clock }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	})
	err = b.store.InSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.InsertOrganization(ctx, store.Organization{Name: "Acme"})
		b.org = o.ID
		return err
	})
	if err == nil {
		err = b.store.InOrg(t.Context(), b.org, func(ctx context.Context, tx *store.Tx) error {
			c, err := tx.InsertConnection(ctx, store.Connection{Name: "Main", URL: "https://metabase.example.com", Auth: store.AuthAPIKey})
			b.conn = c.ID
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.config = ai.Config{
		Store: b.store, Defaults: d, Scans: scans{b}, Recorders: recorders{}, Stopped: func(ledger.Purpose) bool { return b.stopped },
		Open: func(target llm.Target, _ ledger.Recorder) (llm.Provider, error) {
			b.opened = append(b.opened, target)
			return model{b}, nil
		},
		Now: func() time.Time { return b.clock },
	}
	b.service = ai.New(b.config)
	return b
}

func (b *bench) as(role access.Role) context.Context {
	return access.With(b.t.Context(), access.Actor{Kind: access.Person, User: "u1", Org: string(b.org), Role: role})
}

func (b *bench) audited() (actions []string) {
	b.t.Helper()
	err := b.store.ViewOrg(b.t.Context(), b.org, func(ctx context.Context, tx *store.Tx) error {
		rows, _, err := tx.AuditLog(ctx, store.AuditQuery{})
		for _, r := range rows {
			actions = append(actions, r.Action)
			if strings.Contains(r.Detail, "sk-") {
				b.t.Errorf("the audit log holds a key: %s", r.Detail)
			}
			if r.Actor != "u1" {
				b.t.Errorf("%s was done by %q", r.Action, r.Actor)
			}
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return actions
}

func wantCode(t *testing.T, what string, err error, kind errs.Kind, code string) {
	t.Helper()
	if errs.KindOf(err) != kind || code != "" && errs.CodeOf(err) != code {
		t.Errorf("%s: %v (%s %s), want %s %s", what, err, errs.KindOf(err), errs.CodeOf(err), kind, code)
	}
}

func wantField(t *testing.T, what string, err error, field string) {
	t.Helper()
	var f ai.FieldErrors
	if !errors.As(err, &f) || f[field] == "" {
		t.Errorf("%s: %v, want a message for %s", what, err, field)
	}
}

func deployment() ai.Defaults {
	return ai.Defaults{
		Keys: map[string]secret.Value{llm.Anthropic: secret.New("sk-deployment")}, Month: store.AIBudget{Tokens: 1000, Micros: 5_000_000},
		Call: store.AIBudget{Tokens: 800, Micros: 1_000_000}, BaseURLs: []string{"https://models.example.com/v1"},
		Terms: map[string]ai.Terms{llm.Anthropic: {Training: "no", Retention: "30 days", Checked: "2026-11-22"}},
	}
}

func (b *bench) settings() llm.Settings {
	b.t.Helper()
	s, err := b.service.ModelSettings(b.as(access.Viewer), string(b.org))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// TestSwitchedOnByAPerson needs the terms that hold, and an admin.
func TestSwitchedOnByAPerson(t *testing.T) {
	b := newBench(t, deployment())
	admin := b.as(access.Admin)
	if s := b.settings(); s.Enabled || s.Target.KeyID != "deployment" || s.Why == "" {
		t.Errorf("before: %+v", s)
	}
	_, _, err := b.service.Model(b.as(access.Viewer), b.org, ai.Chat)
	wantCode(t, "a model before", err, errs.Forbidden, llm.CodeOff)
	v, err := b.service.View(admin, b.org)
	if err != nil || v.Provider != llm.Anthropic || v.Terms.Training != "no" || v.Seen {
		t.Fatalf("%+v, %v", v, err)
	}
	digest := v.Terms.Digest(v.Provider)
	wantCode(t, "an editor", b.service.Switch(b.as(access.Editor), b.org, true, digest), errs.Forbidden, "")
	wantCode(t, "nobody", b.service.Switch(t.Context(), b.org, true, digest), errs.Forbidden, "")
	wantCode(t, "other terms", b.service.Switch(admin, b.org, true, "other"), errs.Conflict, "terms_changed")
	if err := b.service.Switch(admin, b.org, true, digest); err != nil {
		t.Fatal(err)
	}
	m, strict, err := b.service.Model(b.as(access.Viewer), b.org, ai.Bulk)
	if err != nil || m.Name != "claude-haiku-5-5" || m.Tariff == nil || strict {
		t.Errorf("%+v %v, %v", m, strict, err)
	}
	if v, err = b.service.View(admin, b.org); err != nil || !v.On || !v.Seen {
		t.Errorf("%+v, %v", v.Status, err)
	}
	b.stopped = true
	if st, err := b.service.Status(b.as(access.Viewer), b.org); err != nil || st.On || !st.Stopped {
		t.Errorf("with the brake on: %+v, %v", st, err)
	}
	_, _, err = b.service.Model(b.as(access.Viewer), b.org, ai.Chat)
	wantCode(t, "a model with the brake on", err, errs.Forbidden, llm.CodeOff)
	b.stopped = false
	if err := b.service.Switch(admin, b.org, false, ""); err != nil || b.settings().Enabled {
		t.Errorf("off: %v", err)
	}
	if got := fmt.Sprint(b.audited()); got != "[ai_disabled ai_enabled]" {
		t.Errorf("audited %s", got)
	}
}

// TestBudgets are bound by the deployment's where it pays, and the organization's
// own where that does.
func TestBudgets(t *testing.T) {
	b := newBench(t, deployment())
	admin := b.as(access.Admin)
	big := ai.Draft{Month: store.AIBudget{Tokens: 9999, Micros: 1}, Call: store.AIBudget{Tokens: 5}}
	if err := b.service.Save(admin, b.org, big); err != nil {
		t.Fatal(err)
	}
	if g := b.settings().Budget; g.Month != (llm.Cap{Tokens: 1000, Money: 1}) || g.Call != (llm.Cap{Tokens: 5, Money: 1_000_000}) {
		t.Errorf("with the deployment's key: %+v", g)
	}
	big.Provider = llm.OpenAI
	if err := b.service.Save(admin, b.org, big); err != nil {
		t.Fatal(err)
	}
	_, err := b.service.ModelSettings(admin, string(b.org))
	wantCode(t, "without a key of that provider", err, errs.NotFound, llm.CodeNoModel)
	if _, err := b.service.SetKey(admin, b.org, secret.New("sk-organization-1234")); err != nil {
		t.Fatal(err)
	}
	s := b.settings()
	if s.Budget.Month.Tokens != 9999 || s.Target.Provider != llm.OpenAI || !s.Target.Key.Equal(secret.New("sk-organization-1234")) || !strings.HasPrefix(s.Target.KeyID, "k") {
		t.Errorf("with its own key: %+v", s)
	}
}

// TestKeysStayWhereTheyBelong never sends a key to another provider or address
// than it was entered for.
func TestKeysStayWhereTheyBelong(t *testing.T) {
	b := newBench(t, deployment())
	admin := b.as(access.Admin)
	_, err := b.service.SetKey(admin, b.org, secret.New("sk-organization-1234"))
	wantField(t, "a key of no provider", err, "key")
	for _, bad := range []string{"", "short", "with space 1234", "line\nbreak-1234", strings.Repeat("x", 501)} {
		_, err := b.service.SetKey(admin, b.org, secret.New(bad))
		wantField(t, "key "+bad, err, "key")
	}
	if err := b.service.Save(admin, b.org, ai.Draft{Provider: llm.Anthropic}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.service.SetKey(admin, b.org, secret.New("sk-organization-1234")); err != nil {
		t.Fatal(err)
	}
	for what, d := range map[string]ai.Draft{
		"another provider": {Provider: llm.OpenAI}, "the deployment's": {}, "another server": {Provider: llm.Compatible, BaseURL: "https://models.example.com/v1"},
	} {
		wantField(t, what, b.service.Save(admin, b.org, d), "provider")
	}
	v, err := b.service.View(admin, b.org)
	if err != nil || v.Settings.KeyHint != "1234" || !v.OwnKey {
		t.Errorf("%+v, %v", v.Settings, err)
	}
	if err := b.service.DeleteKey(admin, b.org); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "deleted twice", b.service.DeleteKey(admin, b.org), errs.NotFound, "no_ai_key")
	for what, d := range map[string]ai.Draft{
		"an address of one's own": {Provider: llm.Compatible, BaseURL: "https://evil.example.com/v1"}, "no address": {Provider: llm.Compatible},
		"a private address": {Provider: llm.Compatible, BaseURL: "http://169.254.169.254"},
	} {
		wantField(t, what, b.service.Save(admin, b.org, d), "base_url")
	}
	wantField(t, "an unknown provider", b.service.Save(admin, b.org, ai.Draft{Provider: "other"}), "provider")
	wantField(t, "a model with spaces", b.service.Save(admin, b.org, ai.Draft{Models: map[ai.Task]string{ai.Chat: "a b"}}), "model_chat")
	wantField(t, "a negative budget", b.service.Save(admin, b.org, ai.Draft{Month: store.AIBudget{Tokens: -1}}), "month_tokens")
	if err := b.service.Save(admin, b.org, ai.Draft{Provider: llm.Compatible, BaseURL: "https://models.example.com/v1/", Models: map[ai.Task]string{ai.Chat: " local "}}); err != nil {
		t.Fatal(err)
	}
	if s := b.settings(); !s.Target.Operator || s.Target.BaseURL != "https://models.example.com/v1" || !s.Target.Key.IsZero() {
		t.Errorf("a server without a key: %+v", s.Target)
	}
	// What the operator takes off the list is not reached any more.
	c := b.config
	c.Defaults.BaseURLs = nil
	_, err = ai.New(c).ModelSettings(admin, string(b.org))
	wantCode(t, "off the list", err, errs.NotFound, llm.CodeNoModel)
}

// TestChangingTheProviderSwitchesOff asks for the new one's terms.
func TestChangingTheProviderSwitchesOff(t *testing.T) {
	b := newBench(t, deployment())
	admin := b.as(access.Admin)
	if err := b.service.Switch(admin, b.org, true, b.config.Defaults.Terms[llm.Anthropic].Digest(llm.Anthropic)); err != nil {
		t.Fatal(err)
	}
	if err := b.service.Save(admin, b.org, ai.Draft{Strict: true}); err != nil || !b.settings().Enabled {
		t.Errorf("another setting switched it off: %v", err)
	}
	if err := b.service.Save(admin, b.org, ai.Draft{Provider: llm.Compatible, BaseURL: "https://models.example.com/v1"}); err != nil {
		t.Fatal(err)
	}
	if s := b.settings(); s.Enabled {
		t.Errorf("%+v", s)
	}
	wantCode(t, "without a model", b.service.Switch(admin, b.org, true, ai.Terms{}.Digest(llm.Compatible)), errs.Invalid, "no_model")
}

// TestTheTest uses the settings before they are switched on, counts and is audited.
func TestTheTest(t *testing.T) {
	d := deployment()
	d.Month.Tokens, d.Call.Tokens = 2000, 2000
	b := newBench(t, d)
	admin := b.as(access.Admin)
	_, err := b.service.Test(b.as(access.Editor), b.org)
	wantCode(t, "an editor", err, errs.Forbidden, "")
	got, err := b.service.Test(admin, b.org)
	if err != nil || got.Model != "claude-sonnet-5-5-20261101" || got.Cost.Tokens != 22 || !got.Cost.Known {
		t.Fatalf("%+v, %v", got, err)
	}
	if len(b.opened) != 1 || !b.opened[0].Key.Equal(secret.New("sk-deployment")) {
		t.Errorf("opened %+v", b.opened)
	}
	spend, err := b.service.Spend(admin, b.org)
	if err != nil || spend.Used.Tokens != 22 || len(spend.Months) != 12 || spend.Months[11].Name != "2026-03" || spend.Months[11].Calls != 1 || len(spend.Lines) != 1 {
		t.Errorf("%+v, %v", spend, err)
	}
	b.fail = errs.New(errs.Unauthorized, llm.CodeKey, "The provider refuses the key.", "")
	b.clock = b.clock.Add(time.Second) // calls are listed by time
	_, err = b.service.Test(admin, b.org)
	wantCode(t, "a wrong key", err, errs.Unauthorized, llm.CodeKey)
	b.stopped = true
	if _, err = b.service.Test(admin, b.org); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("with the brake on: %v", err)
	}
	calls, total, err := b.service.Calls(admin, b.org, store.AICallQuery{})
	if err != nil || total != 2 || calls[0].Outcome != llm.CodeKey || calls[1].Outcome != llm.OutcomeOK || calls[0].Actor != "u1" {
		t.Errorf("%d calls %+v, %v", total, calls, err)
	}
	_, _, err = b.service.Calls(b.as(access.Viewer), b.org, store.AICallQuery{})
	wantCode(t, "a viewer lists calls", err, errs.Forbidden, "")
}

// TestBooksKeepTheCaps reserves, refuses and settles.
func TestBooksKeepTheCaps(t *testing.T) {
	b := newBench(t, deployment())
	ctx := b.as(access.Viewer)
	r := llm.Reservation{
		ID: "r1", Org: string(b.org), At: b.clock, Agent: "chat", Provider: llm.Anthropic, Model: "m", Most: llm.Spent{Tokens: 60, Money: 10, Known: true},
		Budget: llm.Budget{Month: llm.Cap{Tokens: 100, Money: llm.Unlimited}, Agents: map[string]llm.Cap{"chat": {Tokens: 70, Money: llm.Unlimited}}},
	}
	if err := b.service.Reserve(ctx, r); err != nil {
		t.Fatal(err)
	}
	r.ID, r.Most.Tokens = "r2", 30
	wantCode(t, "the agent's cap", b.service.Reserve(ctx, r), errs.Limited, llm.CodeTokens)
	r.Agent, r.Most.Tokens = "other", 41
	wantCode(t, "the organization's cap", b.service.Reserve(ctx, r), errs.Limited, llm.CodeTokens)
	r.Most = llm.Spent{Tokens: 40} // its price is not known
	r.Budget.Month.Money = 0
	if err := b.service.Reserve(ctx, r); err != nil {
		t.Errorf("money holds back what has no price: %v", err)
	}
	end := llm.Settlement{ID: "r1", Org: string(b.org), Outcome: llm.OutcomeOK, Usage: llm.Usage{Input: 5, Output: 6, CacheRead: 7, CacheWrite: 8}, Cost: llm.Spent{Tokens: 26, Money: 3, Known: true}, Exchanges: []string{"e"}}
	for range 2 {
		if err := b.service.Settle(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, "an unknown call", b.service.Settle(ctx, llm.Settlement{ID: "x", Org: string(b.org), Outcome: "ok"}), errs.NotFound, "")
	spend, err := b.service.Spend(b.as(access.Admin), b.org)
	if err != nil || spend.Used.Tokens != 66 || spend.Months[11].Tokens != 26 || spend.Months[11].Micros != 3 {
		t.Errorf("%+v, %v", spend, err)
	}
	foreign := access.With(t.Context(), access.Actor{Kind: access.Person, User: "u2", Org: "other", Role: access.Owner})
	wantCode(t, "another organization", b.service.Reserve(foreign, r), errs.NotFound, "")
	wantCode(t, "nobody", b.service.Reserve(t.Context(), r), errs.Forbidden, "")
}

func world() *catalog.Index {
	table := func(schema, name string, columns ...string) *catalog.Table {
		t := &catalog.Table{DatabaseID: "1", Schema: schema}
		t.ID, t.Name = "1/"+schema+"/"+name, name
		for _, c := range columns {
			t.Columns = append(t.Columns, &catalog.Column{ID: t.ID + "/" + c, Name: c, DatabaseType: "text"})
		}
		return t
	}
	d := &catalog.Database{}
	d.ID, d.Name = "1", "Shop"
	return catalog.NewIndex(&catalog.Snapshot{Databases: []*catalog.Database{d}, Tables: []*catalog.Table{
		table("public", "users", "id", "email", "password_hash", "plan"), table("public", "cities", "name", "population"),
	}})
}

// TestRules are previewed exactly, kept, listed and deleted, each by admins only
// and on the audit log.
func TestRules(t *testing.T) {
	b := newBench(t, deployment())
	admin, viewer := b.as(access.Admin), b.as(access.Viewer)
	draft := ai.RuleDraft{Pattern: "users.plan", Category: mask.Financial, Note: " it says\nwho pays "}
	_, err := b.service.Preview(admin, b.org, b.conn, draft)
	wantCode(t, "before a scan", err, errs.NotFound, "no_scan")
	b.index = world()
	p, err := b.service.Columns(viewer, b.org, b.conn, ai.ColumnQuery{})
	if err != nil || p.All != 6 || p.Total != 6 || p.Columns[0].Table != "public.cities" || p.Columns[0].Database != "Shop" {
		t.Fatalf("%+v, %v", p, err)
	}
	sensitive := p.Sensitive
	_, err = b.service.Preview(viewer, b.org, b.conn, draft)
	wantCode(t, "a viewer previews", err, errs.Forbidden, "")
	for field, bad := range map[string]ai.RuleDraft{"pattern": {Pattern: " "}, "category": {Pattern: "x", Category: "other"}, "note": {Pattern: "x", Note: strings.Repeat("n", 301)}} {
		_, err := b.service.Preview(admin, b.org, b.conn, bad)
		wantField(t, "a bad "+field, err, field)
		_, err = b.service.AddRule(admin, b.org, b.conn, bad)
		wantField(t, "a bad "+field, err, field)
	}
	_, err = b.service.AddRule(admin, b.org, b.conn, ai.RuleDraft{Pattern: "a..b"})
	wantField(t, "a pattern that is none", err, "pattern")
	preview, err := b.service.Preview(admin, b.org, b.conn, draft)
	if err != nil || preview.Hits != 1 || len(preview.Changes) != 1 || preview.Changes[0].Before.Sensitive || !preview.Changes[0].After.Sensitive ||
		preview.Changes[0].After.Category != mask.Financial || !strings.Contains(preview.Changes[0].After.Reason, "it says who pays") {
		t.Errorf("preview %+v, %v", preview, err)
	}
	if rules, err := b.service.Rules(viewer, b.org, b.conn); err != nil || len(rules) != 0 {
		t.Errorf("a preview kept something: %v, %v", rules, err)
	}
	_, err = b.service.AddRule(viewer, b.org, b.conn, draft)
	wantCode(t, "a viewer adds", err, errs.Forbidden, "")
	rule, err := b.service.AddRule(admin, b.org, b.conn, draft)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.service.AddRule(admin, b.org, b.conn, draft)
	wantField(t, "twice", err, "pattern")
	allow, err := b.service.AddRule(admin, b.org, b.conn, ai.RuleDraft{Allow: true, Pattern: "public.users.*", Category: mask.Name})
	if err != nil || allow.Category != "" {
		t.Fatalf("%+v, %v", allow, err)
	}
	if p, err = b.service.Columns(viewer, b.org, b.conn, ai.ColumnQuery{By: "rule", Limit: 2, Offset: 1}); err != nil || p.Total != 4 || len(p.Columns) != 2 || p.Sensitive != 1 {
		t.Errorf("by rules: %+v, %v", p, err)
	}
	if p, err = b.service.Columns(viewer, b.org, b.conn, ai.ColumnQuery{Sensitive: "yes", Text: "PLAN"}); err != nil || p.Total != 1 || p.Columns[0].Rule != rule.ID {
		t.Errorf("block wins: %+v, %v", p, err)
	}
	if preview, err = b.service.PreviewDelete(admin, b.org, b.conn, allow.ID); err != nil || preview.Hits != 4 || len(preview.Changes) != sensitive {
		t.Errorf("without the second rule: %+v, %v, %d sensitive before", preview, err, sensitive)
	}
	classifier, err := b.service.Classifier(viewer, b.org, b.conn)
	if err != nil || !classifier.Classify(mask.Column{Table: "users", Name: "plan"}).Sensitive {
		t.Errorf("the classifier does not know the rules: %v", err)
	}
	wantCode(t, "a viewer deletes", b.service.DeleteRule(viewer, b.org, b.conn, rule.ID), errs.Forbidden, "")
	if err := b.service.DeleteRule(admin, b.org, b.conn, rule.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "twice", b.service.DeleteRule(admin, b.org, b.conn, rule.ID), errs.NotFound, "no_rule")
	_, err = b.service.Rules(viewer, b.org, "nothing")
	wantCode(t, "an unknown connection", err, errs.NotFound, "")
	if got := fmt.Sprint(b.audited()); got != "[sensitivity_rule_deleted sensitivity_rule_added sensitivity_rule_added]" {
		t.Errorf("audited %s", got)
	}
}
