package browsertest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/llm/llmtest"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/web/browsertest"
)

const talkPassword = "talking demo passphrase 7"

// talking starts the demo with a model server on this machine.
func talking(t *testing.T, model *llmtest.Server) (base string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	settings := "OPENAI_BASE_URL=" + model.OpenAIURL() + "\nOPENAI_API_KEY=test-key\nMETALENS_AI_MODEL_CHAT=local-1\nMETALENS_AI_MODEL_REVIEW=local-1\nMETALENS_AI_MODEL_SCAN=local-1\n" +
		"METALENS_AI_COMPATIBLE_TRAINING=never: it is a server of ours\nMETALENS_AI_COMPATIBLE_RETENTION=nothing is kept\n"
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, ".env"), []byte(settings), 0o600)); err != nil {
		t.Fatal(err)
	}
	console := &printed{}
	serving, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- app.Demo(ctx, app.Env{
			Stdin: strings.NewReader(""), Stdout: &printed{}, Stderr: console, Now: time.Now,
			Serving: func(address string) { serving <- address },
		}, app.DemoOptions{Listen: "127.0.0.1:0", Dir: dir, Password: secret.New(talkPassword)})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	select {
	case base = <-serving:
		return base
	case err := <-ended:
		ended <- nil
		t.Fatalf("ended before it served: %v\n%s", err, console)
		return ""
	}
}

var anyQuestion = regexp.MustCompile(`question:\d+`)

// answers is a model that searches before it answers and cites what it found, and
// something that there is not.
func answers(seen llmtest.Seen) llmtest.Reply {
	switch schema := string(seen.Schema); {
	case strings.Contains(schema, "caveats"):
		return llmtest.Reply{Text: `{"summary":"It counts what customers ordered and what came back, by month.","details":["Refunds are subtracted."],"caveats":["Orders of staff are in it."]}`}
	case schema != "":
		return llmtest.Reply{Text: `{"sentences":["Health stands at {F1}, with {F2} questions read.","Begin with the most important open findings, of which {F7} are severe."]}`}
	case len(seen.Results) == 0:
		return llmtest.Reply{Calls: []llmtest.Call{{ID: "call_1", Name: "search_assets", Args: `{"query":"revenue","kinds":null,"limit":5,"offset":null}`}}}
	}
	found := anyQuestion.FindString(strings.Join(seen.Results, " "))
	return llmtest.Reply{Text: "**Net revenue** is in [" + found + "]; [question:999999] does not exist.\n\n| Kept in | Trusted |\n| --- | --- |\n| Finance | yes |\n\n" +
		"1. Use the verified one.\n2. Leave <b>copies</b> alone.\n\n```sql\nselect sum(net_amount) from analytics.orders\n```\n\n![pixel](https://evil.example/p.png)"}
}

// TestChatInTheBrowser switches AI on, asks by keyboard, watches the answer grow,
// stops one, and looks at every page of it in both themes, narrow, and without
// scripts.
func TestChatInTheBrowser(t *testing.T) {
	browser := browsertest.Launch(t)
	model := llmtest.Start(llmtest.Config{Own: true})
	t.Cleanup(model.Close)
	model.Answer(answers)
	p := browser.Open(talking(t, model))
	loginAs(p, app.DemoEmail, talkPassword)
	p.See("[data-testid=health]")
	conn := "/" + strings.Join(strings.Split(strings.TrimPrefix(strings.Split(p.Path(), "?")[0], "/"), "/")[:2], "/")
	if !strings.HasPrefix(conn, "/c/") {
		t.Fatalf("the overview is at %s", p.Path())
	}
	p.See("[data-testid=briefing-none]")
	p.Go("/settings/ai")
	p.Shot("sample-ai-settings")
	p.Axe("sample-ai-settings")
	p.Click("input[name=read]")
	p.Load("form[action='/settings/ai/switch'] button[type=submit]")
	p.See("[data-testid=flash]")

	// By keyboard, and as it grows.
	model.Say(llmtest.Reply{Text: "The first words come, and then it stalls so that they can be seen to grow.", Fault: &llmtest.Fault{StallAfter: 4}})
	p.Go(conn + "/chat")
	p.Axe("sample-chat-home")
	p.Shot("sample-chat-home")
	p.Fill("#question", "Which question shows revenue?")
	p.Press(kb.Enter)
	p.Until("(document.querySelector('[data-testid=live] [data-answer]')?.innerText ?? '').includes('The first')")
	p.Shot("sample-chat-live")
	p.Axe("sample-chat-live")
	p.Load("[data-testid=stop]")
	p.Until("document.querySelector('[data-testid=answer]')?.dataset.state === 'stopped'")
	p.Load("[data-last-only] button")
	p.Until("document.querySelector('[data-testid=answer]')?.dataset.state === 'done' && document.readyState === 'complete'")
	thread := strings.Split(p.Path(), "#")[0]
	if n := p.Count("[data-testid=answer] [data-testid=cite]"); n != 1 {
		t.Errorf("%d citations", n)
	}
	if text := p.Text("[data-testid=answer] del.cite-unknown"); text != "question:999999" {
		t.Errorf("what was invented is %q", text)
	}
	if n := p.Count("[data-answer] img, [data-answer] script, [data-answer] b, [data-answer] a:not(.cite)"); n != 0 {
		t.Errorf("the answer has %d elements of the model's", n)
	}
	p.Click("[data-testid=steps] summary")
	p.Until("document.querySelector('[data-testid=steps]').open")
	sent := browsertest.Eval[string](p, "document.querySelector('[data-testid=sent-link]').getAttribute('href')")

	// The briefing, and an explanation beside its question.
	p.Go(conn)
	p.Load("[data-testid=write-briefing]")
	p.See("[data-testid=output]")
	p.Go(conn + "/assist/explainer/question:14")
	p.Load("[data-testid=ask]")
	p.See("[data-testid=output]")
	p.Go(conn)
	p.See("[data-testid=briefing]")
	p.Go(conn + "/catalog/question/14")
	p.See("[data-testid=explained]")
	p.Click("summary[data-testid=ask]")
	p.Shot("sample-asset-ask")
	p.Axe("sample-asset-ask")

	views := []view{
		{"sample-chat", thread},
		{"sample-chat-sent", sent},
		{"sample-briefing", conn},
		{"sample-explanation", conn + "/assist/explainer/question:14"},
		{"sample-asset-explained", conn + "/catalog/question/14"},
		{"sample-chat-home", conn + "/chat?about=question%3A14&name=Net+revenue"},
		{"sample-write-sql", conn + "/write"},
		{"sample-agents", conn + "/agents"},
		{"sample-ai-settings", "/settings/ai"},
		{"sample-ai-calls", "/settings/ai/calls"},
		{"sample-sensitive", "/settings/sensitive"},
	}
	for _, dark := range []bool{false, true} {
		p.Dark(dark)
		for _, width := range []int64{1440, 390} {
			p.Size(width, 900)
			for _, v := range views {
				p.Go(v.path)
				p.Shot(v.name)
				if !dark || width > 1000 { // colours do not depend on the width
					p.Axe(v.name)
				}
				if over := browsertest.Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
					t.Errorf("%s is %d px wider than a window of %d px", v.name, over, width)
				}
			}
		}
	}

	// Without scripts the page loads itself anew until the answer is there.
	p.Dark(false)
	p.Size(1440, 900)
	p.Scripts(false)
	p.Go(conn + "/chat")
	p.Fill("#question", "And without scripts?")
	p.Load("[data-composer] button[type=submit]")
	p.See("[data-testid=answer][data-state=done]")
	if got := p.Text(".question-text"); got != "And without scripts?" {
		t.Errorf("asked %q", got)
	}
}
