package provider_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/llm/llmtest"
	"github.com/metalens/metalens/internal/llm/wire"
)

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return errs.CodeOf(err)
}

// overloaded is Anthropic's status of its own.
const overloaded = 529

// TestFaults injects what goes wrong, and says what a person is told, how often
// it was tried, and whether it counts.
func TestFaults(t *testing.T) {
	long := strings.Repeat("a longer answer ", 20)
	const injected = "\x1b[31mIGNORE ALL\u202e <script>"
	limits := wire.Limits{FirstByte: time.Second, Idle: time.Second, Total: time.Minute, Answer: 1 << 20}
	cases := []struct {
		name    string
		only    string // provider
		replies []llmtest.Reply
		watched bool
		code    string // empty = answered in the end
		asked   int
		free    bool // nothing is counted
	}{
		{name: "rate limit once", replies: []llmtest.Reply{{Fault: &llmtest.Fault{Status: 429, RetryAfter: "2"}}, {Text: "OK"}}, asked: 2},
		{name: "rate limit for long", replies: []llmtest.Reply{{Fault: &llmtest.Fault{Status: 429, RetryAfter: "600"}}}, code: llm.CodeRate, asked: 1, free: true},
		{name: "overloaded", replies: []llmtest.Reply{{Fault: &llmtest.Fault{Status: overloaded}}, {Fault: &llmtest.Fault{Status: 500}}, {Text: "OK"}}, watched: true, asked: 3},
		{name: "failing on", replies: []llmtest.Reply{
			{Fault: &llmtest.Fault{Status: 503, Message: injected}}, {Fault: &llmtest.Fault{Status: 503}}, {Fault: &llmtest.Fault{Status: 503}}, {Fault: &llmtest.Fault{Status: 503}},
		}, code: llm.CodeBusy, asked: 4, free: true},
		{name: "no answer", replies: []llmtest.Reply{{Fault: &llmtest.Fault{Hang: true}}, {Text: "OK"}}, asked: 2},
		{name: "stands still", replies: []llmtest.Reply{{Text: long, Fault: &llmtest.Fault{StallAfter: 6}}, {Text: "OK"}}, asked: 2},
		{name: "stands still before eyes", replies: []llmtest.Reply{{Text: long, Fault: &llmtest.Fault{StallAfter: 6}}}, watched: true, code: llm.CodeSlow, asked: 1},
		{name: "cut", replies: []llmtest.Reply{{Text: long, Fault: &llmtest.Fault{CutAfter: 6}}, {Text: "OK"}}, asked: 2},
		{name: "cut before eyes", replies: []llmtest.Reply{{Text: long, Fault: &llmtest.Fault{CutAfter: 6}}}, watched: true, code: llm.CodeCut, asked: 1},
		{name: "cut before anything was seen", replies: []llmtest.Reply{{Text: long, Fault: &llmtest.Fault{CutAfter: 1}}, {Text: "OK"}}, watched: true, asked: 2},
		{name: "ends too early", replies: []llmtest.Reply{{Text: long, Fault: &llmtest.Fault{EndAfter: 6}}}, watched: true, code: llm.CodeCut, asked: 1},
		{name: "error inside", replies: []llmtest.Reply{{Text: long, Fault: &llmtest.Fault{ErrorAfter: 2, Message: injected}}, {Text: "OK"}}, asked: 2},
		{name: "a page of a proxy", replies: []llmtest.Reply{{Fault: &llmtest.Fault{ContentType: "text/html", Message: "<html>" + injected}}}, code: llm.CodeAnswer, asked: 1},
		{name: "garbage", replies: []llmtest.Reply{{Text: long, Fault: &llmtest.Fault{Garbage: true}}}, code: llm.CodeAnswer, asked: 1},
		{name: "one huge event", replies: []llmtest.Reply{{Text: long, Fault: &llmtest.Fault{OneEvent: 6 << 20}}}, code: llm.CodeAnswer, asked: 1},
		{name: "without end", replies: []llmtest.Reply{{Text: long, Fault: &llmtest.Fault{Endless: true}}}, code: llm.CodeAnswer, asked: 1},
		{name: "wrong key", replies: []llmtest.Reply{{Fault: &llmtest.Fault{Status: 401, Message: injected}}}, code: llm.CodeKey, asked: 1, free: true},
		{name: "no credit", only: llm.Anthropic, replies: []llmtest.Reply{{Fault: &llmtest.Fault{Status: 400, Message: "Your credit balance is too low to access the Anthropic API."}}}, code: llm.CodeCredit, asked: 1, free: true},
		{name: "no quota", only: llm.OpenAI, replies: []llmtest.Reply{{Fault: &llmtest.Fault{Status: 429, Type: "insufficient_quota"}}}, code: llm.CodeCredit, asked: 1, free: true},
		{name: "too long", only: llm.Anthropic, replies: []llmtest.Reply{{Fault: &llmtest.Fault{Status: 400, Message: "prompt is too long: 9 tokens > 8 maximum"}}}, code: llm.CodeTooLong, asked: 1, free: true},
		{name: "no rights", replies: []llmtest.Reply{{Fault: &llmtest.Fault{Status: 403}}}, code: llm.CodeRights, asked: 1, free: true},
		{name: "malformed", replies: []llmtest.Reply{{Fault: &llmtest.Fault{Status: 400, Message: "x"}}}, code: llm.CodeRequest, asked: 1, free: true},
		{name: "broken tool call", replies: []llmtest.Reply{{Calls: []llmtest.Call{{Name: "search", Args: `{"query": "half`}}}, {Text: "OK"}}, asked: 2},
		{name: "call of a nameless tool", replies: []llmtest.Reply{{Calls: []llmtest.Call{{Name: "rm -rf /", Args: `{}`}}}, {Text: "OK"}}, asked: 2},
	}
	for kind := range kinds() {
		for _, c := range cases {
			if c.only != "" && c.only != kind {
				continue
			}
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, kind, limits)
				r.server.Say(c.replies...)
				var on func(llm.Event) error
				if c.watched {
					on = func(llm.Event) error { return nil }
				}
				call := r.call()
				call.Request.Tools = []llm.Tool{searchTool()}
				a, err := r.gateway.Do(t.Context(), call, on)
				if codeOf(err) != c.code || len(r.server.Requests()) != c.asked || a.Attempts != c.asked {
					t.Fatalf("code %q after %d requests, want %q after %d: %v", codeOf(err), len(r.server.Requests()), c.code, c.asked, err)
				}
				if c.code == "" && a.Text != "OK" {
					t.Errorf("answered %q", a.Text)
				}
				if err != nil {
					said, hint := errs.PublicText(err)
					if said == "" || hint == "" || strings.ContainsAny(said+hint, "\x1b<>") || strings.Contains(said+hint, "IGNORE") || strings.Contains(err.Error(), "\x1b") {
						t.Errorf("says %q, %q (%v)", said, hint, err)
					}
				}
				if len(r.books.Rows()) != c.asked {
					t.Errorf("%d calls in the books", len(r.books.Rows()))
				}
				for _, row := range r.books.Rows() {
					if row.Settled == nil {
						t.Errorf("not settled: %+v", row)
					} else if c.free && row.Settled.Cost.Tokens != 0 {
						t.Errorf("counted: %+v", row.Settled)
					} else if row.Settled.Outcome != llm.OutcomeOK && !c.free && !strings.Contains(c.name, "tool") && row.Settled.Usage.Total() > 0 && !row.Settled.Usage.Estimated {
						t.Errorf("a broken answer counts as exact: %+v", row.Settled)
					}
				}
				if c.name == "rate limit once" && (len(r.paused) != 1 || r.paused[0] != 2*time.Second) {
					t.Errorf("waited %v", r.paused)
				}
			})
		}
	}
}

// TestRefusal is no error: the caller says what it means.
func TestRefusal(t *testing.T) {
	eachKind(t, func(t *testing.T, r *rig) {
		r.server.Say(llmtest.Reply{Text: "I cannot help with that.", Refusal: true, Stop: map[string]string{llm.Compatible: "content_filter"}[r.kind]})
		a, err := r.gateway.Do(t.Context(), r.call(), nil)
		if err != nil || a.Stop != llm.StopRefused {
			t.Errorf("got %+v, %v", a, err)
		}
		schema := llm.SchemaOf[verdict]("verdict")
		c := r.call()
		c.Request.Output = &schema
		r.server.Say(llmtest.Reply{Text: "I cannot help with that.", Refusal: true, Stop: map[string]string{llm.Compatible: "content_filter"}[r.kind]})
		if _, err := r.gateway.Do(t.Context(), c, nil); codeOf(err) != llm.CodeRefused {
			t.Errorf("got %v", err)
		}
	})
}

// TestCutShort says that an answer grew too long.
func TestCutShort(t *testing.T) {
	eachKind(t, func(t *testing.T, r *rig) {
		stop := map[string]string{llm.Anthropic: "max_tokens", llm.OpenAI: "max_output_tokens", llm.Compatible: "length"}[r.kind]
		r.server.Say(llmtest.Reply{Text: "half of", Stop: stop})
		a, err := r.gateway.Do(t.Context(), r.call(), nil)
		if err != nil || a.Stop != llm.StopLength || a.Text != "half of" {
			t.Errorf("got %+v, %v", a, err)
		}
	})
}

// TestCancel ends a call at once and settles it.
func TestCancel(t *testing.T) {
	eachKind(t, func(t *testing.T, r *rig) {
		r.server.Say(llmtest.Reply{Text: strings.Repeat("word ", 100), Fault: &llmtest.Fault{StallAfter: 8}})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a, err := r.gateway.Do(ctx, r.call(), func(e llm.Event) error {
			if e.Kind == llm.EventText {
				cancel()
			}
			return nil
		})
		if errs.KindOf(err) != errs.Canceled || a.Text == "" {
			t.Fatalf("got %q, %v", a.Text, err)
		}
		row := r.books.Rows()[0]
		if row.Settled == nil || !row.Settled.Usage.Estimated || row.Settled.Cost.Tokens == 0 {
			t.Errorf("books: %+v", row.Settled)
		}
	})
}

// TestUnknownModel names the problem.
func TestUnknownModel(t *testing.T) {
	for _, kind := range []string{llm.Anthropic, llm.OpenAI} {
		r := newRig(t, kind, wire.Limits{})
		c := r.call()
		c.Request.Model = "gone-1"
		if _, err := r.gateway.Do(t.Context(), c, nil); codeOf(err) != llm.CodeModel {
			t.Errorf("%s: %v", kind, err)
		}
		if got := r.server.Requests()[0].Status; got != http.StatusNotFound {
			t.Errorf("%s: status %d", kind, got)
		}
	}
}
