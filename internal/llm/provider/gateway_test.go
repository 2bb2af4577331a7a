package provider_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/llm/llmtest"
	"github.com/metalens/metalens/internal/llm/provider"
	"github.com/metalens/metalens/internal/llm/wire"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

// TestSwitches send nothing while anybody has switched models off.
func TestSwitches(t *testing.T) {
	eachKind(t, func(t *testing.T, r *rig) {
		r.stopped.Store(true)
		if _, err := r.gateway.Do(t.Context(), r.call(), nil); codeOf(err) != outbound.CodeStopped || errs.KindOf(err) != errs.Forbidden {
			t.Errorf("stopped: %v", err)
		}
		r.stopped.Store(false)
		r.settings.Enabled, r.settings.Why = false, "An owner switched the assistant off."
		if _, err := r.gateway.Do(t.Context(), r.call(), nil); codeOf(err) != llm.CodeOff {
			t.Errorf("off: %v", err)
		}
		if len(r.server.Requests()) != 0 || len(r.books.Rows()) != 0 {
			t.Error("something was sent or counted")
		}
		r.settings.Enabled = true
		// The brake holds between attempts too.
		r.server.Answer(func(llmtest.Seen) llmtest.Reply {
			r.stopped.Store(true)
			return llmtest.Reply{Fault: &llmtest.Fault{Status: 503}}
		})
		if _, err := r.gateway.Do(t.Context(), r.call(), nil); codeOf(err) != outbound.CodeStopped || len(r.server.Requests()) != 1 {
			t.Errorf("between attempts: %v", err)
		}
	})
}

// TestBudgets stop before anything is sent.
func TestBudgets(t *testing.T) {
	r := newRig(t, llm.Anthropic, wire.Limits{})
	never := func(name, code string) {
		t.Helper()
		before := len(r.server.Requests())
		if _, err := r.gateway.Do(t.Context(), r.call(), nil); codeOf(err) != code || errs.KindOf(err) != errs.Limited {
			t.Errorf("%s: %v", name, err)
		}
		if len(r.server.Requests()) != before {
			t.Errorf("%s: it was sent", name)
		}
	}
	r.settings.Budget.Month = llm.Cap{Tokens: 500, Money: llm.Unlimited}
	never("tokens of the month", llm.CodeTokens)
	r.settings.Budget.Month = llm.Cap{Tokens: llm.Unlimited, Money: 100}
	never("money of the month", llm.CodeMoney)
	r.settings.Budget.Month = llm.Cap{}
	never("nothing allowed", llm.CodeTokens)
	r.settings.Budget.Month = llm.NoCap()
	r.settings.Budget.Agents = map[string]llm.Cap{"chat": {Tokens: 10, Money: llm.Unlimited}}
	never("tokens of the agent", llm.CodeTokens)
	r.settings.Budget.Agents = nil
	r.settings.Budget.Call = llm.Cap{Tokens: 900, Money: llm.Unlimited}
	never("tokens of the call", llm.CodeCallLimit)
	r.settings.Budget.Call = llm.Cap{Tokens: llm.Unlimited, Money: 5000}
	never("money of the call", llm.CodeCallLimit)

	// An unknown price is held by the tokens alone.
	r.settings.Models = []llm.Model{{Provider: llm.Anthropic, Name: "claude-sonnet-5-5"}}
	r.settings.Budget.Month = llm.Cap{Tokens: 3000, Money: 0}
	a, err := r.gateway.Do(t.Context(), r.call(), nil)
	if err != nil || a.Cost.Known {
		t.Errorf("unknown price: %+v, %v", a.Cost, err)
	}
	r.settings.Budget.Month.Tokens = 1000
	never("unknown price, no tokens", llm.CodeTokens)
}

// TestCrash: what was reserved and never settled stays counted.
func TestCrash(t *testing.T) {
	r := newRig(t, llm.Anthropic, wire.Limits{})
	r.settings.Budget.Month = llm.Cap{Tokens: 2500, Money: llm.Unlimited}
	lost := llm.Reservation{ID: "lost", Org: "org", At: time.Now().UTC(), Month: time.Now().UTC().Format("2006-01"), Agent: "chat", Most: llm.Spent{Tokens: 2000}, Budget: r.settings.Budget}
	if err := r.books.Reserve(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	if _, err := r.gateway.Do(t.Context(), r.call(), nil); codeOf(err) != llm.CodeTokens {
		t.Errorf("got %v", err)
	}
}

// TestBudgetUnderLoad lets no burst through a budget, whatever runs at a time.
func TestBudgetUnderLoad(t *testing.T) {
	r := newRig(t, llm.Anthropic, wire.Limits{})
	const fits = 5
	r.settings.Budget.Month = llm.Cap{Tokens: fits*1029 + 500, Money: llm.Unlimited}
	r.server.Answer(func(llmtest.Seen) llmtest.Reply {
		return llmtest.Reply{Text: "x", Usage: &llmtest.Usage{Input: 20, Output: 1000}}
	})
	var wait sync.WaitGroup
	var mu sync.Mutex
	var ok, refused int
	for range 20 {
		wait.Go(func() {
			_, err := r.gateway.Do(t.Context(), r.call(), nil)
			mu.Lock()
			defer mu.Unlock()
			switch codeOf(err) {
			case "":
				ok++
			case llm.CodeTokens:
				refused++
			default:
				t.Errorf("%v", err)
			}
		})
	}
	wait.Wait()
	var sum int64
	for _, row := range r.books.Rows() {
		sum += row.Settled.Cost.Tokens
	}
	if ok == 0 || ok+refused != 20 || sum > r.settings.Budget.Month.Tokens {
		t.Errorf("%d answered, %d refused, %d tokens used", ok, refused, sum)
	}
}

// TestLoop stops a model that goes round in circles.
func TestLoop(t *testing.T) {
	eachKind(t, func(t *testing.T, r *rig) {
		r.server.Answer(func(llmtest.Seen) llmtest.Reply {
			return llmtest.Reply{Calls: []llmtest.Call{{Name: "search", Args: `{"query":"same", "kind":"question","limit":null,"tags":[]}`}}}
		})
		c := r.call()
		c.Request.Tools = []llm.Tool{searchTool()}
		c.Run = llm.NewRun(llm.RunLimits{})
		var err error
		var a llm.Answer
		for range 20 {
			if a, err = r.gateway.Do(t.Context(), c, nil); err != nil {
				break
			}
			c.Request.Messages = append(c.Request.Messages, a.Message(), llm.Results(llm.ToolResult{ID: a.Calls[0].ID, Text: mask.Constant("nothing")}))
		}
		if codeOf(err) != llm.CodeLoop || len(r.server.Requests()) != 3 {
			t.Errorf("stopped after %d requests: %v", len(r.server.Requests()), err)
		}
		if used, calls := c.Run.Used(); calls != 3 || used.Tokens == 0 {
			t.Errorf("used %+v in %d calls", used, calls)
		}
		c.Run = llm.NewRun(llm.RunLimits{Tokens: 100})
		if _, err := r.gateway.Do(t.Context(), c, nil); codeOf(err) != llm.CodeTokens {
			t.Errorf("tokens of the run: %v", err)
		}
	})
}

// TestRetriesCost: a broken answer is paid for, and no further one is asked for
// when that would cost more than the call may.
func TestRetriesCost(t *testing.T) {
	r := newRig(t, llm.Anthropic, wire.Limits{})
	long := strings.Repeat("a longer answer ", 20)
	cut := llmtest.Reply{Text: long, Usage: &llmtest.Usage{Input: 4000, Output: 900}, Fault: &llmtest.Fault{CutAfter: 20}}
	r.server.Say(cut, cut, cut, cut)
	c := r.call()
	c.Money = 20_000
	a, err := r.gateway.Do(t.Context(), c, nil)
	if codeOf(err) != llm.CodeCallLimit || a.Attempts >= 4 || a.Cost.Money == 0 || a.Cost.Money > c.Money {
		t.Errorf("%d attempts for %d: %v", a.Attempts, a.Cost.Money, err)
	}
}

// TestPatience: a call does not wait longer than it may.
func TestPatience(t *testing.T) {
	r := newRig(t, llm.Anthropic, wire.Limits{})
	r.server.Say(llmtest.Reply{Fault: &llmtest.Fault{Hang: true}})
	c := r.call()
	c.Patience = 50 * time.Millisecond
	if _, err := r.gateway.Do(t.Context(), c, nil); errs.KindOf(err) != errs.Limited {
		t.Errorf("got %v", err)
	}
}

// TestAddresses: members' addresses reach no private machine, and a redirect
// takes the key nowhere.
func TestAddresses(t *testing.T) {
	r := newRig(t, llm.Compatible, wire.Limits{})
	r.settings.Target.Operator = false
	_, err := r.gateway.Do(t.Context(), r.call(), nil)
	if codeOf(err) != outbound.CodeBlocked || len(r.server.Requests()) != 0 {
		t.Errorf("a member's address of this machine: %v", err)
	}
	if row := r.books.Rows()[0]; row.Settled == nil || row.Settled.Cost.Tokens != 0 {
		t.Errorf("counted: %+v", row)
	}

	var taken []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		taken = append(taken, q.Header.Get("Authorization")+q.Header.Get("X-Api-Key"))
	}))
	defer thief.Close()
	for kind := range kinds() {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, thief.URL+q.URL.Path, http.StatusTemporaryRedirect)
		}))
		r := newRig(t, kind, wire.Limits{})
		r.settings.Target.BaseURL = front.URL
		if _, err := r.gateway.Do(t.Context(), r.call(), nil); err == nil || len(taken) > 0 {
			t.Errorf("%s: redirected to %v, %v", kind, taken, err)
		}
		front.Close()
	}
	for _, bad := range []llm.Target{
		{Provider: "other"},
		{Provider: llm.Compatible, BaseURL: "ftp://x"},
		{Provider: llm.Compatible},
		{Provider: llm.Anthropic},
		{Provider: llm.OpenAI, BaseURL: "https://user:pw@x.example/v1", Key: secret.New("k")},
	} {
		if p, err := (provider.Config{}).Open(bad, &ledger.Memory{}); err == nil {
			t.Errorf("%+v was opened: %v", bad, p)
		}
	}
}

// TestKeyChange opens a provider anew when the settings change.
func TestKeyChange(t *testing.T) {
	r := newRig(t, llm.Anthropic, wire.Limits{})
	r.settings.Target.Key = secret.New("old")
	if _, err := r.gateway.Do(t.Context(), r.call(), nil); codeOf(err) != llm.CodeKey {
		t.Errorf("got %v", err)
	}
	r.settings.Target.Key = secret.New(testKey)
	if _, err := r.gateway.Do(t.Context(), r.call(), nil); err != nil {
		t.Errorf("got %v", err)
	}
}

// flaky is a recorder that fails once.
type flaky struct {
	ledger.Memory
	failed bool
}

func (f *flaky) Record(ctx context.Context, e ledger.Entry) error {
	if !f.failed {
		f.failed = true
		return errs.New(errs.Internal, "", "The disk is full.", "")
	}
	return f.Memory.Record(ctx, e)
}

type oneRecorder struct{ r ledger.Recorder }

func (o oneRecorder) ModelRecorder(string) ledger.Recorder { return o.r }

// TestLedgerFails sends nothing that is not recorded, and goes on when it can be
// again.
func TestLedgerFails(t *testing.T) {
	eachKind(t, func(t *testing.T, r *rig) {
		open := provider.Config{OperatorPolicy: outbound.Policy{AllowLoopback: true}}
		g, err := llm.New(llm.Config{
			Directory: r, Books: r.books, Recorders: oneRecorder{&flaky{}}, Open: open.Open, Stopped: func(ledger.Purpose) bool { return false },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		if _, err := g.Do(t.Context(), r.call(), nil); codeOf(err) != outbound.CodeLedger || len(r.server.Requests()) != 0 {
			t.Errorf("%d requests, %v", len(r.server.Requests()), err)
		}
		if _, err := g.Do(t.Context(), r.call(), nil); err != nil {
			t.Errorf("then: %v", err)
		}
	})
}

// TestTooLarge sends nothing that the ledger cannot keep.
func TestTooLarge(t *testing.T) {
	eachKind(t, func(t *testing.T, r *rig) {
		big := mask.FromModel(strings.Repeat("x", llm.MaxRequestBytes))
		r.settings.Models = []llm.Model{{Provider: r.kind, Name: kinds()[r.kind]}}
		_, err := r.gateway.Do(t.Context(), r.call(llm.User(big)), nil)
		if codeOf(err) != llm.CodeTooLong || len(r.server.Requests()) != 0 {
			t.Errorf("%d requests, %v", len(r.server.Requests()), err)
		}
	})
}

// TestBatches hands work in, asks for it and collects it.
func TestBatches(t *testing.T) {
	for _, kind := range []string{llm.Anthropic, llm.OpenAI} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, kind, wire.Limits{})
			schema := llm.SchemaOf[verdict]("verdict")
			var calls []llm.BatchCall
			for i := range 3 {
				c := r.call()
				c.Subject = fmt.Sprintf("question:%d", i)
				c.Request.Output = &schema
				calls = append(calls, llm.BatchCall{ID: fmt.Sprintf("q_%d", i), Call: c})
			}
			r.server.Say(llmtest.Reply{Text: `{"keep":"a","why":"w","shares":[],"note":null}`}, llmtest.Reply{Fault: &llmtest.Fault{Status: 500, Message: "no"}}, llmtest.Reply{Text: "{}"})
			b, err := r.gateway.SubmitBatch(t.Context(), "org", "scan:1", calls)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.gateway.CollectBatch(t.Context(), b, nil); errs.KindOf(err) != errs.Conflict {
				t.Errorf("collected too early: %v", err)
			}
			got := map[string]llm.BatchAnswer{}
			collect := func(a llm.BatchAnswer) error { got[a.ID] = a; return nil }
			if err := r.gateway.CollectBatch(t.Context(), b, collect); err != nil {
				t.Fatal(err)
			}
			var v verdict
			if a := got["q_0"]; a.Err != nil || schema.Decode(a.Response.Output, &v) != nil || a.Subject != "question:0" || !a.Cost.Known || a.Cost.Money == 0 {
				t.Errorf("first: %+v", a)
			}
			if a := got["q_1"]; codeOf(a.Err) != llm.CodeBusy || a.Cost.Tokens != 0 {
				t.Errorf("second: %+v", a)
			}
			if a := got["q_2"]; llm.ProblemsOf(schema.Decode(a.Response.Output, &v)) == nil {
				t.Errorf("third: %+v", a)
			}
			for _, row := range r.books.Rows() {
				if row.Settled == nil || !row.Batch || len(row.Settled.Exchanges) == 0 {
					t.Errorf("books: %+v", row)
				}
			}
			if kind == llm.OpenAI && r.server.Files() != 0 {
				t.Errorf("%d files are left at OpenAI", r.server.Files())
			}
			if err := r.gateway.CancelBatch(t.Context(), llm.Batch{ID: "gone", Org: "org"}); errs.KindOf(err) != errs.NotFound {
				t.Errorf("got %v", err)
			}
			r.settings.Batch = false
			if _, err := r.gateway.SubmitBatch(t.Context(), "org", "scan:1", calls); errs.KindOf(err) != errs.Forbidden {
				t.Errorf("not allowed: %v", err)
			}
			r.settings.Batch = true
			r.settings.Budget.Month = llm.Cap{Tokens: 3500, Money: llm.Unlimited}
			before := len(r.server.Requests())
			if _, err := r.gateway.SubmitBatch(t.Context(), "org", "scan:1", calls); codeOf(err) != llm.CodeTokens || len(r.server.Requests()) != before {
				t.Errorf("without budget: %v", err)
			}
			for _, row := range r.books.Rows() {
				if row.Settled == nil {
					t.Errorf("left reserved: %+v", row)
				}
			}
		})
	}
	r := newRig(t, llm.Compatible, wire.Limits{})
	if _, err := r.gateway.SubmitBatch(t.Context(), "org", "s", []llm.BatchCall{{ID: "a", Call: r.call()}}); codeOf(err) != llm.CodeBatch {
		t.Errorf("a server without batches: %v", err)
	}
}

// TestCount asks how long a request is.
func TestCount(t *testing.T) {
	r := newRig(t, llm.Anthropic, wire.Limits{})
	p, err := provider.Config{OperatorPolicy: outbound.Policy{AllowLoopback: true}}.Open(r.settings.Target, r.record)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c := r.call()
	c.Request.Tools = []llm.Tool{searchTool()}
	n, err := p.(llm.Counter).Count(context.Background(), c.Request)
	if err != nil || n == 0 {
		t.Errorf("%d, %v", n, err)
	}
}
