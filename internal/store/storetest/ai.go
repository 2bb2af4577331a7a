package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// testAISettings checks that settings and the provider's key go their own ways.
func testAISettings(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	w.View(func(ctx context.Context, tx *store.Tx) error {
		s, ok, err := tx.AISettings(ctx)
		if ok || s.Enabled || err != nil {
			t.Errorf("before: %+v %v %v", s, ok, err)
		}
		_, _, err = tx.AIKey(ctx)
		wantKind(t, err, errs.NotFound, "no_ai_key")
		return nil
	})
	var want store.AISettings
	Fill(&want)
	want.Budget = store.AIBudget{Tokens: 1_000_000, Micros: 25_000_000}
	var id string
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		if id, err = tx.SetAIKey(ctx, secret.New("sk-ant-0123456789-wxyz")); err != nil {
			return err
		}
		return tx.SetAISettings(ctx, want)
	})
	want.KeyID, want.KeyHint, want.KeyAt = id, "wxyz", w.Clock.Now()
	w.View(func(ctx context.Context, tx *store.Tx) error {
		got, ok, err := tx.AISettings(ctx)
		if !ok || err != nil {
			t.Errorf("%v %v", ok, err)
		}
		wantEqual(t, want, got, cmpopts.IgnoreFields(store.AISettings{}, "UpdatedAt"))
		key, keyID, err := tx.AIKey(ctx)
		if err != nil || keyID != id || !key.Equal(secret.New("sk-ant-0123456789-wxyz")) {
			t.Errorf("key %q: %v", keyID, err)
		}
		return nil
	})
	// A short key has no characters to spare, a new one another name, and none is gone.
	w.In(func(ctx context.Context, tx *store.Tx) error {
		again, err := tx.SetAIKey(ctx, secret.New("short"))
		if err != nil || again == id || again == "" {
			t.Errorf("ids %q and %q, %v", id, again, err)
		}
		s, _, err := tx.AISettings(ctx)
		if err != nil || s.KeyHint != "" || s.Provider != want.Provider {
			t.Errorf("%+v, %v", s, err)
		}
		if _, err := tx.SetAIKey(ctx, secret.Value{}); err != nil {
			return err
		}
		if s, _, err = tx.AISettings(ctx); err != nil || s.KeyID != "" || !s.KeyAt.IsZero() || !s.Enabled {
			t.Errorf("after the key: %+v, %v", s, err)
		}
		_, _, err = tx.AIKey(ctx)
		wantKind(t, err, errs.NotFound, "no_ai_key")
		return nil
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Deletions(ctx, 10)
		if len(list) != 2 || list[0].Kind != store.DeletedModelKey {
			t.Errorf("on record: %+v", list)
		}
		return err
	})
}

func reserve(w *World, c store.AICall, budget store.AIBudget) (made store.AICall, err error) {
	if c.SettleBy.IsZero() {
		c.SettleBy = w.Clock.Now().Add(10 * time.Minute)
	}
	err = w.Store.InOrg(context.Background(), w.Org, func(ctx context.Context, tx *store.Tx) (err error) {
		made, err = tx.ReserveAICall(ctx, c, func(month, _ store.AIBudget) error {
			switch {
			case budget.Tokens > 0 && month.Tokens+c.Reserved.Tokens > budget.Tokens:
				return errs.New(errs.Limited, "ai_budget_tokens", "No tokens are left.", "")
			case budget.Micros > 0 && month.Micros+c.Reserved.Micros > budget.Micros:
				return errs.New(errs.Limited, "ai_budget_money", "No money is left.", "")
			}
			return nil
		})
		return err
	})
	return made, err
}

// used is what counts against the month's budget.
func (w *World) used() (u store.AIBudget) {
	w.T.Helper()
	w.View(func(ctx context.Context, tx *store.Tx) (err error) {
		u, err = tx.AIUsed(ctx, w.Clock.Now(), "")
		return err
	})
	return u
}

// testAIBudget reserves and settles, one after the other and all at once.
func testAIBudget(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	user := w.member("asks@example.com")
	budget := store.AIBudget{Tokens: 1000, Micros: 500}
	call := store.AICall{
		Agent: "chat", Provider: "anthropic", Model: "small", Actor: user, Subject: "chat:1", KeyID: "k1", Batch: true, Reserved: store.AIBudget{Tokens: 600, Micros: 100},
	}
	first, err := reserve(w, call, budget)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, store.AIBudget{Tokens: 600, Micros: 100}, w.used())
	_, err = reserve(w, call, budget)
	wantKind(t, err, errs.Limited, "ai_budget_tokens")
	dear := call
	dear.Reserved = store.AIBudget{Tokens: 1, Micros: 401}
	_, err = reserve(w, dear, budget)
	wantKind(t, err, errs.Limited, "ai_budget_money")
	if _, err := reserve(w, store.AICall{Agent: "x"}, store.AIBudget{}); err != nil {
		t.Errorf("without a budget: %v", err)
	}
	_, err = reserve(w, store.AICall{Reserved: store.AIBudget{Tokens: -1}}, budget)
	wantKind(t, err, errs.Internal, "ai_reservation")

	done := first
	done.Outcome, done.Model, done.Tokens = "ok", "small-2026", store.AITokens{Input: 100, Output: 20, CacheRead: 30, CacheWrite: 5}
	done.Cost, done.Duration, done.Attempts, done.Exchanges, done.Request = new(int64(42)), 3*time.Second, 2, []string{"e1", "e2"}, "req_1"
	for range 2 { // the second changes nothing
		w.In(func(ctx context.Context, tx *store.Tx) error { return tx.SettleAICall(ctx, done) })
	}
	wantEqual(t, store.AIBudget{Tokens: 155, Micros: 42}, w.used())
	err = w.Store.InOrg(t.Context(), w.Org, func(ctx context.Context, tx *store.Tx) error { return tx.SettleAICall(ctx, store.AICall{ID: first.ID}) })
	wantKind(t, err, errs.Internal, "ai_outcome")
	err = w.Store.InOrg(t.Context(), w.Org, func(ctx context.Context, tx *store.Tx) error {
		return tx.SettleAICall(ctx, store.AICall{ID: "nothing", Outcome: "ok"})
	})
	wantKind(t, err, errs.NotFound, "")
	unpriced, err := reserve(w, call, budget)
	if err != nil {
		t.Fatal(err)
	}
	unpriced.Outcome, unpriced.Tokens = "failed", store.AITokens{Input: 1}
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.SettleAICall(ctx, unpriced) })
	w.View(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.AICall(ctx, first.ID)
		if err != nil {
			return err
		}
		want := done
		want.SettleBy = first.SettleBy
		wantEqual(t, want, got)
		list, total, err := tx.AICalls(ctx, store.AICallQuery{Agent: "chat", Limit: 1})
		if err != nil || total != 2 || len(list) != 1 || list[0].ID != unpriced.ID {
			t.Errorf("%d calls: %+v, %v", total, list, err)
		}
		spend, err := tx.AISpend(ctx, "2026-03")
		wantEqual(t, []store.AISpend{
			{Org: w.Org, Month: "2026-03", Provider: "anthropic", Model: "small", Agent: "chat", Calls: 1, Tokens: store.AITokens{Input: 1}, UnknownCost: 1},
			{Org: w.Org, Month: "2026-03", Provider: "anthropic", Model: "small-2026", Agent: "chat", Calls: 1, Tokens: done.Tokens, Micros: 42},
		}, spend)
		return err
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.AISpend(ctx, "2026-01")
		if len(list) != 2 || list[0].Org != w.Org {
			t.Errorf("the operator sees %+v", list)
		}
		later, laterErr := tx.AISpend(ctx, "2026-04")
		if len(later) != 0 {
			t.Errorf("of later months: %+v", later)
		}
		return errors.Join(err, laterErr)
	})

	w.View(func(ctx context.Context, tx *store.Tx) error {
		chat, err := tx.AIUsed(ctx, w.Clock.Now(), "chat")
		other, otherErr := tx.AIUsed(ctx, w.Clock.Now(), "other")
		wantEqual(t, store.AIBudget{Tokens: 156, Micros: 42}, chat)
		wantEqual(t, store.AIBudget{}, other)
		return errors.Join(err, otherErr)
	})

	// Thirty at once: never more than what is left.
	var mu sync.Mutex
	var wg sync.WaitGroup
	granted := 0
	for range 30 {
		wg.Go(func() {
			_, err := reserve(w, store.AICall{Agent: "chat", Reserved: store.AIBudget{Tokens: 100}}, budget)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				granted++
			case errs.CodeOf(err) != "ai_budget_tokens" && errs.CodeOf(err) != "database_busy":
				t.Errorf("at once: %v", err)
			}
		})
	}
	wg.Wait()
	if u := w.used(); granted == 0 || granted > 8 || u.Tokens > budget.Tokens {
		t.Errorf("%d granted, %+v used of %+v", granted, u, budget)
	}
	// A new month starts from nothing.
	w.Clock.Add(31 * 24 * time.Hour)
	wantEqual(t, store.AIBudget{}, w.used())
	if _, err := reserve(w, call, budget); err != nil {
		t.Errorf("in the next month: %v", err)
	}
}

// testAILost checks that a crash between reserving and settling costs what was
// reserved, and that a late answer puts that right.
func testAILost(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	budget := store.AIBudget{Tokens: 1000}
	c, err := reserve(w, store.AICall{Agent: "chat", Model: "m", Reserved: store.AIBudget{Tokens: 900, Micros: 7}}, budget)
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Add(11 * time.Minute)
	_, err = reserve(w, store.AICall{Agent: "chat", Reserved: store.AIBudget{Tokens: 200}}, budget)
	wantKind(t, err, errs.Limited, "ai_budget_tokens")
	if _, err = reserve(w, store.AICall{Agent: "chat", Model: "m", Reserved: store.AIBudget{Tokens: 50}}, budget); err != nil {
		t.Fatal(err)
	}
	w.View(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.AICall(ctx, c.ID)
		if err != nil || got.Outcome != store.AILost {
			t.Errorf("%+v, %v", got, err)
		}
		return err
	})
	wantEqual(t, store.AIBudget{Tokens: 950, Micros: 7}, w.used())
	c.Outcome, c.Tokens, c.Cost = "ok", store.AITokens{Output: 10}, new(int64(1))
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.SettleAICall(ctx, c) })
	wantEqual(t, store.AIBudget{Tokens: 60, Micros: 1}, w.used())
}

// testAIOutputs keeps the newest of each subject and agent.
func testAIOutputs(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	other := w.NewConnection("Other")
	var want store.AIOutput
	Fill(&want)
	want.Connection, want.Agent, want.Subject, want.Output = w.Conn, "explainer", "question:12", json.RawMessage(`{"text":"é"}`)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		old := want
		old.Output = json.RawMessage(`{"old":true}`)
		return errors.Join(tx.PutAIOutput(ctx, old), tx.PutAIOutput(ctx, want),
			tx.PutAIOutput(ctx, store.AIOutput{Connection: w.Conn, Agent: "reviewer", Subject: "question:12"}),
			tx.PutAIOutput(ctx, store.AIOutput{Connection: other, Agent: "explainer", Subject: "question:12", Output: json.RawMessage(`1`)}))
	})
	count := func(agent string) (n int) {
		w.View(func(ctx context.Context, tx *store.Tx) error {
			return tx.AIOutputs(ctx, w.Conn, agent, func(store.AIOutput) error { n++; return nil })
		})
		return n
	}
	w.View(func(ctx context.Context, tx *store.Tx) error {
		got, ok, err := tx.AIOutput(ctx, w.Conn, "explainer", "question:12")
		if !ok || err != nil {
			t.Errorf("%v %v", ok, err)
		}
		wantEqual(t, want, got)
		_, ok, err = tx.AIOutput(ctx, w.Conn, "explainer", "question:13")
		if ok || err != nil {
			t.Errorf("an unknown subject: %v %v", ok, err)
		}
		return nil
	})
	if count("") != 2 || count("explainer") != 1 {
		t.Errorf("%d outputs, %d of the explainer", count(""), count("explainer"))
	}
	w.In(func(ctx context.Context, tx *store.Tx) error {
		return tx.DeleteAIOutput(ctx, w.Conn, "explainer", "question:12")
	})
	if count("") != 1 {
		t.Errorf("%d outputs after deleting one", count(""))
	}
	err := w.Store.InOrg(t.Context(), w.Org, func(ctx context.Context, tx *store.Tx) error {
		return tx.PutAIOutput(ctx, store.AIOutput{Connection: "nothing", Agent: "a"})
	})
	wantKind(t, err, errs.NotFound, "")
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteConnection(ctx, w.Conn) })
	if count("") != 0 {
		t.Error("outputs outlive their connection")
	}
}

// testAIRetention ages calls, outputs, spend and payloads of chats that are gone.
func testAIRetention(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	user := w.member("asks@example.com")
	w.Commit(&catalog.Snapshot{})
	c, err := reserve(w, store.AICall{Agent: "chat", Model: "m"}, store.AIBudget{})
	if err != nil {
		t.Fatal(err)
	}
	c.Outcome, c.Tokens = "ok", store.AITokens{Input: 5}
	var chat store.Chat
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		if chat, err = tx.InsertChat(ctx, store.Chat{Connection: w.Conn, User: user}); err != nil {
			return err
		}
		return errors.Join(tx.SettleAICall(ctx, c), tx.PutAIOutput(ctx, store.AIOutput{Connection: w.Conn, Agent: "a", Subject: "s"}),
			tx.PutAIOutput(ctx, store.AIOutput{Connection: w.Conn, Agent: store.AIChoices, Subject: "s"}),
			tx.RecordLedger(ctx, []store.LedgerRow{
				{Entry: ledger.Entry{At: w.Clock.Now(), Payload: &ledger.Payload{Content: []byte("x"), Subject: store.ChatSubject(chat.ID)}}},
				{Entry: ledger.Entry{At: w.Clock.Now(), Payload: &ledger.Payload{Content: []byte("y"), Subject: store.ChatSubject("gone")}}},
			}))
	})
	retention := store.Retention{Scans: 90 * 24 * time.Hour, Audit: 30 * 24 * time.Hour}
	prune := func() (r store.PruneReport) {
		t.Helper()
		w.In(func(ctx context.Context, tx *store.Tx) (err error) {
			r, err = tx.Prune(ctx, retention, w.Clock.Now())
			return err
		})
		return r
	}
	if r := prune(); r.AICalls != 0 || r.AIOutputs != 0 || r.Payloads != 1 {
		t.Errorf("at once: %+v", r)
	}
	w.Clock.Add(31 * 24 * time.Hour)
	if r := prune(); r.AICalls != 1 || r.AIOutputs != 0 || r.Payloads != 1 {
		t.Errorf("after 31 days: %+v", r)
	}
	w.Clock.Add(60 * 24 * time.Hour)
	prune()
	w.View(func(ctx context.Context, tx *store.Tx) error {
		if _, ok, err := tx.AIOutput(ctx, w.Conn, "a", "s"); ok || err != nil {
			t.Errorf("an output after 91 days: %v, %v", ok, err)
		}
		if _, ok, err := tx.AIOutput(ctx, w.Conn, store.AIChoices, "s"); !ok || err != nil {
			t.Errorf("a choice about agents is gone: %v, %v", ok, err)
		}
		if _, err := tx.Chat(ctx, chat.ID); err != nil {
			t.Errorf("chats are kept until they are deleted: %v", err)
		}
		spend, err := tx.AISpend(ctx, "")
		if len(spend) != 1 {
			t.Errorf("spend: %+v", spend)
		}
		return err
	})
	w.Clock.Add(400 * 24 * time.Hour)
	prune()
	w.View(func(ctx context.Context, tx *store.Tx) error {
		spend, err := tx.AISpend(ctx, "")
		if len(spend) != 0 {
			t.Errorf("spend of long ago: %+v", spend)
		}
		return err
	})
}

// testChats writes, shares, retries and deletes conversations.
func testChats(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	user, other := w.member("asks@example.com"), w.member("reads@example.com")
	second := w.NewConnection("Second")
	var chat, kept store.Chat
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		if chat, err = tx.InsertChat(ctx, store.Chat{Connection: w.Conn, User: user, Title: "Churn", About: "question:12"}); err != nil {
			return err
		}
		w.Clock.Add(time.Minute)
		kept, err = tx.InsertChat(ctx, store.Chat{Connection: second, User: other, Title: "Other"})
		return err
	})
	for what, c := range map[string]store.Chat{"somebody who is no member": {Connection: w.Conn, User: "nobody"}, "an unknown connection": {Connection: "nothing", User: user}} {
		err := w.Store.InOrg(t.Context(), w.Org, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.InsertChat(ctx, c)
			return err
		})
		if errs.KindOf(err) != errs.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	list := func(q store.ChatQuery) (ids []string) {
		w.View(func(ctx context.Context, tx *store.Tx) error {
			chats, total, err := tx.Chats(ctx, q)
			for _, c := range chats {
				ids = append(ids, c.ID)
			}
			if total != len(ids) {
				t.Errorf("%d of %d", len(ids), total)
			}
			return err
		})
		return ids
	}
	wantEqual(t, []string{chat.ID}, list(store.ChatQuery{User: user, Shared: true}))
	w.Clock.Add(time.Minute)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		for _, content := range []string{`{"text":"Why?"}`, `{"text":"Because"}`} {
			if _, err := tx.AddChatMessage(ctx, store.ChatMessage{Chat: chat.ID, Role: "user", Content: json.RawMessage(content)}); err != nil {
				return err
			}
		}
		shared := kept
		shared.Shared, shared.Title = true, "Ours"
		return errors.Join(tx.SetChat(ctx, shared), tx.SetChatMessage(ctx, store.ChatMessage{Chat: chat.ID, Seq: 2, Role: "assistant", Content: json.RawMessage(`1`)}),
			tx.SetChatMap(ctx, chat.ID, json.RawMessage(`["a"]`)), tx.SetChatMap(ctx, chat.ID, json.RawMessage(`["b"]`)),
			tx.RecordLedger(ctx, []store.LedgerRow{{Entry: ledger.Entry{At: w.Clock.Now(), Payload: &ledger.Payload{Content: []byte("sent"), Subject: store.ChatSubject(chat.ID)}}}}))
	})
	wantEqual(t, []string{chat.ID, kept.ID}, list(store.ChatQuery{User: user, Shared: true}))
	wantEqual(t, []string{chat.ID}, list(store.ChatQuery{User: user}))
	wantEqual(t, []string{kept.ID}, list(store.ChatQuery{User: user, Shared: true, Connection: second}))
	w.View(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.Chat(ctx, chat.ID)
		want := chat
		want.UpdatedAt = w.Clock.Now()
		wantEqual(t, want, got)
		messages, listErr := tx.ChatMessages(ctx, chat.ID, 0, 0)
		wantEqual(t, []store.ChatMessage{
			{Chat: chat.ID, Seq: 1, At: w.Clock.Now(), Role: "user", Content: json.RawMessage(`{"text":"Why?"}`)},
			{Chat: chat.ID, Seq: 2, At: w.Clock.Now(), Role: "assistant", Content: json.RawMessage(`1`)},
		}, messages)
		last, lastErr := tx.ChatMessages(ctx, chat.ID, 1, 5)
		if len(last) != 1 || last[0].Seq != 2 {
			t.Errorf("after the first: %+v", last)
		}
		content, mapErr := tx.ChatMap(ctx, chat.ID)
		if string(content) != `["b"]` {
			t.Errorf("placeholders %s", content)
		}
		none, noneErr := tx.ChatMap(ctx, kept.ID)
		if none != nil {
			t.Errorf("placeholders %s", none)
		}
		return errors.Join(err, listErr, lastErr, mapErr, noneErr)
	})
	w.In(func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.TruncateChat(ctx, chat.ID, 2)
		if n != 1 || err != nil {
			t.Errorf("%d messages deleted, %v", n, err)
		}
		m, err := tx.AddChatMessage(ctx, store.ChatMessage{Chat: chat.ID, Role: "assistant"})
		if m.Seq != 2 {
			t.Errorf("the next message is number %d", m.Seq)
		}
		return err
	})
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteChat(ctx, chat.ID) })
	w.In(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Chat(ctx, chat.ID)
		wantKind(t, err, errs.NotFound, "")
		messages, err := tx.ChatMessages(ctx, chat.ID, 0, 0)
		content, mapErr := tx.ChatMap(ctx, chat.ID)
		n, payloadErr := tx.DeletePayloads(ctx, store.ChatSubject(chat.ID))
		if len(messages) != 0 || content != nil || n != 0 {
			t.Errorf("left: %d messages, %s, %d payloads", len(messages), content, n)
		}
		_, addErr := tx.AddChatMessage(ctx, store.ChatMessage{Chat: chat.ID})
		wantKind(t, addErr, errs.NotFound, "")
		return errors.Join(err, mapErr, payloadErr)
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		done, err := tx.Deletions(ctx, 1)
		if len(done) != 1 || done[0].Kind != store.DeletedChat {
			t.Errorf("on record: %+v", done)
		}
		return errors.Join(err, tx.RemoveMembership(ctx, w.Org, other))
	})
	if ids := list(store.ChatQuery{User: other, Shared: true}); len(ids) != 0 {
		t.Errorf("chats outlive the membership: %v", ids)
	}
}

// testSensitivityRules adds, lists and deletes.
func testSensitivityRules(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	other := w.NewConnection("Other")
	var first, second store.SensitivityRule
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		rule := store.SensitivityRule{Connection: w.Conn, Pattern: "users.*", Category: "contact", Note: "é", CreatedBy: "somebody"}
		if first, err = tx.AddSensitivityRule(ctx, rule); err != nil {
			return err
		}
		second, err = tx.AddSensitivityRule(ctx, store.SensitivityRule{Connection: w.Conn, Allow: true, Pattern: "public.cities.name"})
		return err
	})
	list := func(conn store.ConnectionID) (rules []store.SensitivityRule) {
		w.View(func(ctx context.Context, tx *store.Tx) (err error) {
			rules, err = tx.SensitivityRules(ctx, conn)
			return err
		})
		return rules
	}
	wantEqual(t, []store.SensitivityRule{first, second}, list(w.Conn))
	if first.ID == "" || first.CreatedAt.IsZero() || len(list(other)) != 0 {
		t.Errorf("%+v; of another connection %v", first, list(other))
	}
	w.In(func(ctx context.Context, tx *store.Tx) error {
		gone, err := tx.DeleteSensitivityRule(ctx, w.Conn, first.ID)
		wantEqual(t, first, gone)
		if err != nil {
			return err
		}
		_, err = tx.DeleteSensitivityRule(ctx, w.Conn, first.ID)
		wantKind(t, err, errs.NotFound, "no_rule")
		_, err = tx.DeleteSensitivityRule(ctx, other, second.ID)
		wantKind(t, err, errs.NotFound, "no_rule")
		return nil
	})
	wantEqual(t, []store.SensitivityRule{second}, list(w.Conn))
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteConnection(ctx, w.Conn) })
	if n := len(list(w.Conn)); n != 0 {
		t.Errorf("%d rules outlive their connection", n)
	}
}
