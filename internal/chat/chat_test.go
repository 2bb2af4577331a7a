package chat_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/agent/agenttest"
	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/chat"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/store"
)

// bench is a service over a real store, a small catalog and a scripted model.
type bench struct {
	t       *testing.T
	store   *store.Store
	org     store.OrgID
	conn    store.ConnectionID
	author  store.UserID
	other   store.UserID
	model   *agenttest.Model
	service *chat.Service
	hidden  map[catalog.Ref]bool // from the other member
}

const (
	secretMail = "jane.roe@example.com"
	secretText = "select email, amount from orders where customer = '" + secretMail + "'"
)

func newBench(t *testing.T, model *agenttest.Model) *bench {
	t.Helper()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, model: model, hidden: map[catalog.Ref]bool{}}
	if b.store, err = store.Open(t.Context(), store.Config{Dir: t.TempDir(), Keys: set}); err != nil {
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
		for _, who := range []*store.UserID{&b.author, &b.other} {
			u, uerr := tx.InsertUser(ctx, store.User{Email: string(rune('a'+len(b.author))) + "@example.com"})
			*who = u.ID
			err = errors.Join(err, uerr, tx.SetMembership(ctx, store.Membership{OrgID: o.ID, UserID: u.ID, Role: store.RoleViewer}))
		}
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
	cfg := chat.Config{Store: b.store, Backend: b}
	if model != nil {
		door, err := agenttest.Open(model)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Models, cfg.Setups = door, b
	}
	if b.service, err = chat.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.service.Close)
	return b
}

func (b *bench) as(u store.UserID) context.Context {
	return access.With(b.t.Context(), access.Actor{Kind: access.Person, User: string(u), Org: string(b.org), Role: access.Viewer})
}

// Setup implements [agent.Setups].
func (b *bench) Setup(context.Context, store.OrgID, store.ConnectionID, agent.Name) (agent.Setup, error) {
	c, err := mask.NewClassifier(mask.Rules{})
	return agent.Setup{Model: agenttest.ModelInfo(), Classifier: c}, err
}

// World implements [tools.Backend]: the other member does not see what is hidden.
func (b *bench) World(ctx context.Context, _ store.OrgID, _ store.ConnectionID) (*tools.World, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return nil, err
	}
	d := &catalog.Database{Engine: "postgres"}
	d.ID, d.Name = "1", "Shop"
	orders := &catalog.Table{DatabaseID: "1", Schema: "public", Columns: []*catalog.Column{
		{ID: "1/public/orders/email", Name: "email", DatabaseType: "text"}, {ID: "1/public/orders/amount", Name: "amount", DatabaseType: "numeric"},
	}}
	orders.ID, orders.Name = "1/public/orders", "orders"
	snapshot := &catalog.Snapshot{Databases: []*catalog.Database{d}, Tables: []*catalog.Table{orders}}
	whole := access.From(ctx).User != string(b.other) || len(b.hidden) == 0
	for _, id := range []string{"1", "2"} {
		q := &catalog.Question{DatabaseID: "1", Type: catalog.KindQuestion, CollectionID: catalog.RootCollectionID, Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: secretText}}
		q.ID, q.Name = id, "Revenue "+id
		if whole || !b.hidden[q.Ref()] {
			snapshot.Questions = append(snapshot.Questions, q)
		}
	}
	x := catalog.NewIndex(snapshot)
	return &tools.World{
		Org: b.org, Connection: b.conn, Index: x, Graph: lineage.Build(ctx, x), Whole: whole, Scan: store.Scan{ID: "scan", Seq: 1},
		Sees: func(r catalog.Ref) bool { return whole || !b.hidden[r] }, Path: func(catalog.Asset) string { return "Our analytics" },
		MoreSources: func(catalog.Ref) bool { return false }, MoreUsers: func(catalog.Ref) bool { return false },
	}, nil
}

// Search implements [tools.Backend].
func (b *bench) Search(_ context.Context, _ store.OrgID, _ store.ConnectionID, q tools.SearchQuery) ([]store.SearchHit, int, error) {
	if !strings.Contains(strings.ToLower(q.Text), "revenue") || strings.Contains(q.Text, " ") {
		return nil, 0, nil
	}
	return []store.SearchHit{{Asset: catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}, Name: "Revenue 1", Path: "Our analytics"}}, 1, nil
}

func (b *bench) Findings(context.Context, store.OrgID, store.FindingQuery) ([]store.FindingRecord, int, error) {
	return nil, 0, nil
}

func (b *bench) Finding(_ context.Context, _ store.OrgID, _ store.ConnectionID, fingerprint string) (f store.FindingRecord, err error) {
	if fingerprint != "abc123" {
		return f, errs.New(errs.NotFound, "not_found", "There is no such finding.", "")
	}
	f.Fingerprint, f.Message = fingerprint, "Never viewed"
	return f, nil
}

func (b *bench) Similar(context.Context, store.OrgID, store.ConnectionID) (*similar.Result, error) {
	return &similar.Result{}, nil
}

func (b *bench) Changes(context.Context, store.OrgID, store.ConnectionID) ([]store.Change, error) {
	return nil, nil
}
func (b *bench) Check(string) (m check.Meta, ok bool) { return m, false }

// wait returns the thread once its last answer has ended.
func (b *bench) wait(ctx context.Context, id string) chat.Thread {
	b.t.Helper()
	if err := b.service.Watch(ctx, b.org, b.conn, id, func(chat.Message) error { return nil }); err != nil {
		b.t.Fatal(err)
	}
	t, err := b.service.Thread(ctx, b.org, b.conn, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

func (b *bench) start(ctx context.Context, about, question string) string {
	b.t.Helper()
	c, err := b.service.Start(ctx, b.org, b.conn, about, question)
	if err != nil {
		b.t.Fatal(err)
	}
	return c.ID
}

func args(t *testing.T, v any) json.RawMessage {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestAnswer is masked on its way out, unmasked for its reader, cites what there
// is, strikes out what there is not, and says what was looked at.
func TestAnswer(t *testing.T) {
	var placeholder string
	b := newBench(t, &agenttest.Model{Reply: func(n int, r llm.Request) agenttest.Answer {
		if n == 0 {
			return agenttest.Answer{Text: "Let me look.", Calls: []agenttest.Call{{Name: "get_asset", Args: json.RawMessage(`{"ref":"question:1"}`)}}}
		}
		for _, line := range strings.Split(agenttest.TextOf(r), "\n") {
			if i := strings.Index(line, "about <"); i >= 0 {
				placeholder = line[i+len("about "):]
				placeholder = placeholder[:strings.IndexByte(placeholder, '>')+1]
			}
		}
		return agenttest.Answer{Text: "It is [question:1], for " + placeholder + ". Not [question:99], nor [this](http://evil.example/?q=1)."}
	}})
	ctx := b.as(b.author)
	id := b.start(ctx, "question:1", "What is known about "+secretMail+"?")
	th := b.wait(ctx, id)
	if len(th.Messages) != 2 || th.Messages[1].State != chat.Done {
		t.Fatalf("messages %+v", th.Messages)
	}
	m := th.Messages[1]
	if placeholder == "" || strings.Contains(m.Body.Text, secretMail) || !strings.Contains(m.Text, "for "+secretMail) {
		t.Errorf("stored %q, shown %q, placeholder %q", m.Body.Text, m.Text, placeholder)
	}
	if sent := b.model.Sent(); strings.Contains(sent, secretMail) || !strings.Contains(sent, "question:1") {
		t.Errorf("what was sent holds the address, or not the subject:\n%s", sent)
	}
	if len(m.Cites) != 2 || !m.Cites[0].OK || m.Cites[0].Name != "Revenue 1" || m.Cites[1].OK {
		t.Errorf("citations %+v", m.Cites)
	}
	if len(m.Body.Steps) != 1 || m.Body.Steps[0].Live || m.Body.Steps[0].Words == "" || m.Body.Tokens == 0 || m.Body.Values == 0 || !m.Body.Priced {
		t.Errorf("body %+v", m.Body)
	}
	if !slices.Contains(m.Body.Told, catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}) {
		t.Errorf("told of %v", m.Body.Told)
	}
	if th.AboutName != "Revenue 1" || th.Title != "What is known about "+secretMail+"?" {
		t.Errorf("thread %+v", th.Chat)
	}
	// The next question repeats what was said, masked alike.
	if err := b.service.Ask(ctx, b.org, b.conn, id, "And "+secretMail+" again?"); err != nil {
		t.Fatal(err)
	}
	b.wait(ctx, id)
	last := agenttest.TextOf(b.model.Requests()[2])
	if strings.Count(last, placeholder) < 3 || strings.Contains(last, secretMail) {
		t.Errorf("the next question was sent as:\n%s", last)
	}
	for name, f := range map[string]func(context.Context, store.OrgID, store.ConnectionID, string) ([]byte, error){"JSON": b.service.JSON, "Markdown": b.service.Markdown} {
		data, err := f(ctx, b.org, b.conn, id)
		if err != nil || !strings.Contains(string(data), "question:99") || !strings.Contains(string(data), secretMail) {
			t.Errorf("%s: %v\n%s", name, err, data)
		}
	}
}

// TestShared chats show others what they may see, and nothing else.
func TestShared(t *testing.T) {
	b := newBench(t, agenttest.Script(
		agenttest.Answer{Calls: []agenttest.Call{{Name: "get_asset", Args: args(t, map[string]string{"ref": "question:2"})}}},
		agenttest.Answer{Text: "See [question:2]."},
	))
	ctx, other := b.as(b.author), b.as(b.other)
	id := b.start(ctx, "", "What about revenue?")
	b.wait(ctx, id)
	if _, err := b.service.Thread(other, b.org, b.conn, id); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another's chat: %v", err)
	}
	if err := b.service.Share(ctx, b.org, b.conn, id, true); err != nil {
		t.Fatal(err)
	}
	th, err := b.service.Thread(other, b.org, b.conn, id)
	if err != nil || th.Mine || len(th.Messages) != 2 || th.Messages[1].Hidden {
		t.Fatalf("%v, %+v", err, th)
	}
	b.hidden[catalog.Ref{Kind: catalog.KindQuestion, ID: "2"}] = true
	th, err = b.service.Thread(other, b.org, b.conn, id)
	if err != nil || !th.Messages[1].Hidden || th.Messages[1].Text != "" || len(th.Messages[1].Body.Steps) != 0 {
		t.Errorf("%v, an answer made from hidden content is shown: %+v", err, th.Messages)
	}
	data, err := b.service.JSON(other, b.org, b.conn, id)
	if err != nil || strings.Contains(string(data), "question:2") {
		t.Errorf("%v\n%s", err, data)
	}
	for what, err := range map[string]error{
		"ask":    b.service.Ask(other, b.org, b.conn, id, "More?"),
		"retry":  b.service.Retry(other, b.org, b.conn, id),
		"stop":   b.service.Stop(other, b.org, b.conn, id),
		"rename": b.service.Rename(other, b.org, b.conn, id, "Mine"),
		"share":  b.service.Share(other, b.org, b.conn, id, false),
		"delete": b.service.Delete(other, b.org, b.conn, id),
	} {
		if errs.KindOf(err) != errs.NotFound {
			t.Errorf("%s of another's chat: %v", what, err)
		}
	}
	if _, _, err := b.service.WhatWasSent(other, b.org, b.conn, id, 2); errs.KindOf(err) != errs.NotFound {
		t.Errorf("what was sent for another's chat: %v", err)
	}
	if list, total, err := b.service.List(other, b.org, b.conn, 10, 0); err != nil || total != 1 || !list[0].Shared {
		t.Errorf("%v, %d, %+v", err, total, list)
	}
	if err := b.service.Delete(ctx, b.org, b.conn, id); err != nil {
		t.Fatal(err)
	}
	if _, err := b.service.Thread(ctx, b.org, b.conn, id); errs.KindOf(err) != errs.NotFound {
		t.Errorf("a deleted chat: %v", err)
	}
}

// TestStop keeps what was written; a busy chat takes no further question; a
// retry answers anew.
func TestStop(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	b := newBench(t, &agenttest.Model{Reply: func(n int, _ llm.Request) agenttest.Answer {
		if n == 0 {
			return agenttest.Answer{Calls: []agenttest.Call{{Name: "get_asset", Args: json.RawMessage(`{"ref":"question:1"}`)}}}
		}
		if n == 1 {
			close(entered)
			<-release
			return agenttest.Answer{Text: "Too late."}
		}
		return agenttest.Answer{Text: "Here it is."}
	}})
	ctx := b.as(b.author)
	id := b.start(ctx, "", "What is this?")
	<-entered
	if err := b.service.Ask(ctx, b.org, b.conn, id, "And that?"); errs.KindOf(err) != errs.Conflict {
		t.Errorf("a busy chat: %v", err)
	}
	th, err := b.service.Thread(ctx, b.org, b.conn, id)
	if err != nil || !th.Live() || len(th.Messages) != 2 {
		t.Fatalf("%v, %+v", err, th)
	}
	stopped := make(chan error)
	go func() { stopped <- b.service.Stop(ctx, b.org, b.conn, id) }()
	time.Sleep(20 * time.Millisecond)
	close(release)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if th = b.wait(ctx, id); th.Messages[1].State != chat.Stopped || len(th.Messages[1].Body.Steps) != 1 {
		t.Errorf("stopped: %+v", th.Messages[1])
	}
	if err := b.service.Retry(ctx, b.org, b.conn, id); err != nil {
		t.Fatal(err)
	}
	if th = b.wait(ctx, id); len(th.Messages) != 2 || th.Messages[1].State != chat.Done || th.Messages[1].Text != "Here it is." {
		t.Errorf("retried: %+v", th.Messages)
	}
}

// TestFailure says what happened and hint at what to do.
func TestFailure(t *testing.T) {
	b := newBench(t, agenttest.Script(agenttest.Answer{Err: llm.Failed("The model", llm.ReasonCredit, llm.Fault{})}))
	ctx := b.as(b.author)
	th := b.wait(ctx, b.start(ctx, "", "What is this?"))
	m := th.Messages[1]
	if m.State != chat.Failed || m.Body.Problem == nil || m.Body.Problem.Text == "" || m.Body.Problem.Hint == "" {
		t.Errorf("%+v", m.Body)
	}
}

// TestSearch stands in for a model.
func TestSearch(t *testing.T) {
	b := newBench(t, nil)
	ctx := b.as(b.author)
	if err := b.service.Available(ctx, b.org); errs.KindOf(err) != errs.NotFound {
		t.Errorf("available: %v", err)
	}
	th := b.wait(ctx, b.start(ctx, "finding:abc123", "What do we have on revenue, please?"))
	m := th.Messages[1]
	if m.State != chat.Searched || len(m.Body.Hits) != 1 || m.Body.Total != 1 || m.Body.Note == "" || th.AboutFinding != "abc123" {
		t.Errorf("%+v, %+v", th, m.Body)
	}
	if th = b.wait(ctx, b.start(ctx, "question:404", "Wombats?")); len(th.Messages[1].Body.Hits) != 0 || th.About != "" {
		t.Errorf("%+v", th)
	}
}

func TestBadQuestions(t *testing.T) {
	b := newBench(t, nil)
	ctx := b.as(b.author)
	for _, q := range []string{"", " \n\t ", "\x00\x1b", strings.Repeat("x", chat.MaxQuestion+1)} {
		if _, err := b.service.Start(ctx, b.org, b.conn, "", q); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%.20q: %v", q, err)
		}
	}
	if _, err := b.service.Start(b.t.Context(), b.org, b.conn, "", "Hello"); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("nobody: %v", err)
	}
	foreign := access.With(t.Context(), access.Actor{Kind: access.Person, User: "x", Org: "another", Role: access.Owner})
	if _, err := b.service.Start(foreign, b.org, b.conn, "", "Hello"); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another organization's: %v", err)
	}
	if th := b.wait(ctx, b.start(ctx, "", "a\u202eb\x1b[31m")); th.Messages[0].Text != "ab[31m" {
		t.Errorf("%q", th.Messages[0].Text)
	}
}
