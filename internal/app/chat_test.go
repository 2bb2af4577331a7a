package app

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm/llmtest"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/operator"
	"github.com/metalens/metalens/internal/store"
)

// Planted are things that no model may see: in the SQL of a question, in a comment
// of it, and in what a member types.
var planted = []string{"dora.planted@canary.example", "PlantedTradeSecret", "carl.typed@canary.example", "4111 1111 1111 1111"}

// talk is the program with a provider of its own.
type talk struct {
	*place
	x     *tenant
	model *llmtest.Server
	base  string // path of the connection
	front *httptest.Server
}

func newTalk(t *testing.T) *talk {
	t.Helper()
	model := llmtest.Start(llmtest.Config{Own: true})
	t.Cleanup(model.Close)
	p := newPlace(t, "", "OPENAI_BASE_URL="+model.OpenAIURL(), "OPENAI_API_KEY=test-key", "METALENS_AI_MODEL_CHAT=local-1", "METALENS_AI_MODEL_REVIEW=local-1", "METALENS_AI_MODEL_SCAN=local-1")
	world := metabasetest.SampleCompany(time.Now())
	for _, c := range world.Cards {
		if c.Name == "Coupon abuse check" {
			c.Query.Stages[0].SQL = "select c.email from analytics.customers c where c.email = '" + planted[0] + "' -- " + planted[1]
		}
	}
	x := p.tenant("Acme", world)
	front := httptest.NewServer(p.server.handler)
	t.Cleanup(front.Close)
	return &talk{p, x, model, "/c/" + string(x.conn), front}
}

// switched switches AI on or off, as the owner.
func (k *talk) switched(owner *browser, on bool) {
	k.t.Helper()
	page := owner.get("/settings/ai").Body.String()
	form := url.Values{"on": {"no"}}
	if on {
		terms := regexp.MustCompile(`name="terms" value="([0-9a-f]+)"`).FindStringSubmatch(page)
		if terms == nil {
			k.t.Fatalf("no terms:\n%s", page)
		}
		form = url.Values{"on": {"yes"}, "read": {"yes"}, "terms": {terms[1]}}
	}
	if answer := owner.do(http.MethodPost, "/settings/ai/switch", form); answer.Code != http.StatusSeeOther {
		k.t.Fatalf("switch: %d %s", answer.Code, answer.Body)
	}
}

// ask sends a form and returns the path of the thread.
func (k *talk) ask(b *browser, path string, form url.Values) string {
	k.t.Helper()
	answer := b.do(http.MethodPost, path, form)
	if answer.Code != http.StatusSeeOther {
		k.t.Fatalf("POST %s: %d %s", path, answer.Code, answer.Body)
	}
	thread, _, _ := strings.Cut(answer.Header().Get("Location"), "#")
	return thread
}

// done follows an answer to its end and returns the stream and the page.
func (k *talk) done(b *browser, thread string) (stream string, page *goquery.Document) {
	k.t.Helper()
	stream = k.follow(b, thread+"/events")
	return stream, k.page(b, thread)
}

// follow reads a stream to its end, over the network: recorders do not stream.
func (k *talk) follow(b *browser, path string) string {
	k.t.Helper()
	r, err := http.NewRequestWithContext(k.t.Context(), http.MethodGet, k.front.URL+path, http.NoBody)
	k.must(err)
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	answer, err := http.DefaultClient.Do(r)
	k.must(err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	k.must(err)
	return string(text)
}

func (k *talk) page(b *browser, path string) *goquery.Document {
	k.t.Helper()
	answer := b.get(path)
	if answer.Code != http.StatusOK {
		k.t.Fatalf("GET %s: %d %s", path, answer.Code, answer.Body)
	}
	doc, err := goquery.NewDocumentFromReader(answer.Body)
	k.must(err)
	return doc
}

// TestChatThroughThePages talks to a model through the whole program: without a
// provider's consent, with it, with tools, with an answer that is an attack, with
// a stop, another try, and the operator's switch.
func TestChatThroughThePages(t *testing.T) {
	k := newTalk(t)
	owner, viewer := k.login(k.x.users[store.RoleOwner].Email), k.login(k.x.users[store.RoleViewer].Email)

	// AI is off: the search answers, and nothing leaves.
	thread := k.ask(viewer, k.base+"/chat", url.Values{"question": {"Where is revenue?"}})
	_, page := k.done(viewer, thread)
	if page.Find("[data-testid=searched]").Length() != 1 || page.Find(".hits a").Length() == 0 || page.Find("[data-testid=no-model]").Length() == 0 {
		t.Errorf("without a model: %s", page.Find("#messages").Text())
	}
	if page := k.page(viewer, k.base); page.Find("[data-testid=briefing-none]").Length() != 1 || page.Find("[data-testid=write-briefing]").Length() != 0 {
		t.Error("Overview does not say what a model would add")
	}
	if n := len(k.model.Requests()); n != 0 {
		t.Fatalf("%d requests left before AI was switched on", n)
	}

	k.switched(owner, true)
	var abuse string
	view, err := k.server.library.View(k.system, k.x.org, k.x.conn)
	k.must(err)
	for _, q := range view.Index.Snapshot().Questions {
		if q.Name == "Coupon abuse check" {
			abuse = q.Ref().String()
		}
	}
	if abuse == "" {
		t.Fatal("the planted question was not read")
	}
	k.model.Say(
		llmtest.Reply{Calls: []llmtest.Call{{ID: "call_1", Name: "search_assets", Args: `{"query":"coupon","kinds":null,"limit":5,"offset":null}`}}},
		llmtest.Reply{Calls: []llmtest.Call{{ID: "call_2", Name: "get_asset", Args: `{"ref":"` + abuse + `"}`}}},
		llmtest.Reply{Text: "Look at [" + abuse + "], not at [question:999999].\n\n<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n![pixel](https://evil.example/p.png?d=1) and [press here](https://evil.example/?d=1) <https://evil.example/auto>"},
	)
	question := "Did " + planted[2] + " pay with " + planted[3] + "? See " + abuse
	thread = k.ask(viewer, k.base+"/chat", url.Values{"question": {question}, "about": {abuse}})
	stream, page := k.done(viewer, thread)
	if !strings.Contains(stream, "event: done") || !strings.Contains(stream, "event: answer") && !strings.Contains(stream, "Coupon abuse check") {
		t.Errorf("the stream is\n%s", stream)
	}
	answer := page.Find("[data-testid=answer]").Last()
	if state, _ := answer.Attr("data-state"); state != "done" {
		t.Fatalf("the answer is %q: %s", state, answer.Text())
	}
	if n := answer.Find("[data-testid=steps] li").Length(); n != 2 {
		t.Errorf("%d steps are shown: %s", n, answer.Text())
	}
	href, _ := answer.Find("[data-testid=cite]").Attr("href")
	if got := owner.get(href); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "Coupon abuse check") {
		t.Errorf("the citation leads to %q: %d", href, got.Code)
	}
	if text := answer.Find("del.cite-unknown").Text(); text != "question:999999" {
		t.Errorf("what was invented is %q", text)
	}
	text := answer.Find("[data-answer]")
	if text.Find("script, img, iframe, a:not(.cite)").Length() != 0 || !strings.Contains(text.Text(), "<script>alert(1)</script>") || !strings.Contains(text.Text(), "(image removed)") || !strings.Contains(text.Text(), "(link removed)") {
		markup, _ := text.Html()
		t.Errorf("the answer is not inert:\n%s", markup)
	}
	if shown := page.Find("[data-testid=question]").Last().Text(); !strings.Contains(shown, planted[2]) {
		t.Errorf("the author does not see his own words: %s", shown)
	}

	// What was sent, byte for byte, and nothing planted in it.
	requests := k.model.Requests()
	if len(requests) != 3 {
		t.Fatalf("%d requests", len(requests))
	}
	sentAt, _ := answer.Find("[data-testid=sent-link]").Attr("href")
	sent := k.page(viewer, sentAt)
	blocks := sent.Find("[data-testid=sent]")
	if blocks.Length() != len(requests) {
		t.Fatalf("%d requests are shown of %d", blocks.Length(), len(requests))
	}
	for i, r := range requests {
		head, body, _ := strings.Cut(blocks.Eq(i).Text(), "\n\n")
		if !strings.HasPrefix(head, r.Method+" "+r.Path+" ") || strings.Contains(head, "test-key") || !bytes.Equal(compact(t, []byte(body)), compact(t, r.Body)) {
			t.Errorf("request %d is shown as\n%s\nand was\n%s", i+1, blocks.Eq(i).Text(), r.Body)
		}
		for _, secret := range planted {
			if bytes.Contains(r.Bytes(), []byte(secret)) {
				t.Errorf("request %d holds %s:\n%s", i+1, secret, r.Body)
			}
		}
	}
	if !bytes.Contains(requests[2].Body, []byte("analytics.customers")) {
		t.Error("the model was not told of the question: the canaries prove nothing")
	}
	rows := 0
	sent.Find("section.sent").Each(func(_ int, _ *goquery.Selection) { rows++ })
	egress := k.page(owner, k.base+"/egress?purpose=model").Text()
	if rows == 0 || !strings.Contains(egress, "/chat/completions") {
		t.Errorf("the connection's ledger does not list the requests: %s", egress)
	}

	// Stop in the middle, then try again.
	k.model.Say(llmtest.Reply{Text: "This begins and never comes to its end, however long one waits for it.", Fault: &llmtest.Fault{StallAfter: 4}})
	k.ask(viewer, thread, url.Values{"question": {"And then?"}})
	deadline := time.Now().Add(30 * time.Second)
	for !strings.Contains(k.page(viewer, thread).Find("[data-testid=live]").Text(), "This") {
		if time.Now().After(deadline) {
			t.Fatal("nothing of the answer arrived")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if answer := viewer.do(http.MethodPost, thread, url.Values{"question": {"Me too"}}); answer.Code != http.StatusConflict {
		t.Errorf("a second question at once: %d", answer.Code)
	}
	k.ask(viewer, thread+"/stop", url.Values{})
	_, page = k.done(viewer, thread)
	if last := page.Find("[data-testid=answer]").Last(); !strings.Contains(last.Text(), "Stopped") || !strings.Contains(last.Text(), "This") {
		t.Errorf("stopped: %s", last.Text())
	}
	k.model.Say(llmtest.Reply{Text: "Then it ends."})
	k.ask(viewer, thread+"/retry", url.Values{})
	_, page = k.done(viewer, thread)
	if last := page.Find("[data-testid=answer]").Last(); !strings.Contains(last.Text(), "Then it ends.") || strings.Contains(last.Text(), "Stopped") {
		t.Errorf("tried again: %s", last.Text())
	}

	// Others read it once it is shared, and the author alone changes it.
	if got := owner.get(thread); got.Code != http.StatusNotFound {
		t.Errorf("an unshared chat answers the owner %d", got.Code)
	}
	k.ask(viewer, thread+"/share", url.Values{"shared": {"1"}})
	if got := k.page(owner, thread); !strings.Contains(got.Text(), "Then it ends.") || got.Find("[data-composer]").Length() != 0 {
		t.Error("a shared chat is not for reading")
	}
	if got := owner.do(http.MethodPost, thread+"/delete", url.Values{}); got.Code != http.StatusNotFound {
		t.Errorf("the owner deletes another's chat: %d", got.Code)
	}

	// The operator stops models in between: what was sent so far stays all there is.
	before := len(k.model.Requests())
	k.server.live.Apply(operator.Controls{Stopped: []operator.Stop{{Purpose: ledger.PurposeModel, Why: "test"}}})
	k.ask(viewer, thread, url.Values{"question": {"Is revenue still there?"}})
	_, page = k.done(viewer, thread)
	if last := page.Find("[data-testid=answer]").Last(); last.Find("[data-testid=searched]").Length() != 1 {
		t.Errorf("stopped by the operator: %s", last.Text())
	}
	k.server.live.Apply(operator.Controls{})
	if now := len(k.model.Requests()); now != before {
		t.Errorf("%d requests left after the operator stopped models", now-before)
	}

	export := viewer.get(thread + "/export.json")
	var kept struct {
		SchemaVersion int `json:"schema_version"`
		Messages      []struct {
			Cites, Unknown, Exchanges []string
		} `json:"messages"`
	}
	k.must(json.Unmarshal(export.Body.Bytes(), &kept))
	if kept.SchemaVersion != 1 || len(kept.Messages) != 6 || len(kept.Messages[1].Cites) != 1 || len(kept.Messages[1].Unknown) != 1 || len(kept.Messages[1].Exchanges) != 3 {
		t.Errorf("exported %+v", kept)
	}
	if got := viewer.get(thread + "/export.md").Body.String(); !strings.Contains(got, "~~question:999999~~") {
		t.Errorf("exported:\n%s", got)
	}
	k.ask(viewer, thread+"/delete", url.Values{})
	if got := viewer.get(thread); got.Code != http.StatusNotFound {
		t.Errorf("a deleted chat answers %d", got.Code)
	}
	log := owner.get("/audit").Body.String()
	for _, action := range []string{"chat_shared", "chat_deleted", "ai_enabled"} {
		if !strings.Contains(log, action) {
			t.Errorf("the audit log lacks %s", action)
		}
	}
}

func compact(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return b.Bytes()
}

// TestAgentsOnThePages lets agents speak and looks where it stands: the briefing
// on Overview with its numbers linked, the explanation on the asset's page, both
// with what was sent.
func TestAgentsOnThePages(t *testing.T) {
	k := newTalk(t)
	owner, viewer := k.login(k.x.users[store.RoleOwner].Email), k.login(k.x.users[store.RoleViewer].Email)
	k.switched(owner, true)
	k.model.Answer(func(seen llmtest.Seen) llmtest.Reply {
		if !strings.Contains(string(seen.Schema), "caveats") {
			return llmtest.Reply{Text: `{"sentences":["Health stands at {F1} with {F2} questions read.","Look at [question:14] first, which is one of {F2}."]}`}
		}
		return llmtest.Reply{Text: `{"summary":"It counts orders, see [question:14].","details":["Read <b>daily</b>."],"caveats":[]}`}
	})
	// wait asks until the agent has spoken.
	wait := func(path string) *goquery.Document {
		t.Helper()
		answer := viewer.do(http.MethodPost, path, url.Values{})
		if answer.Code != http.StatusSeeOther {
			t.Fatalf("POST %s: %d %s", path, answer.Code, answer.Body)
		}
		k.follow(viewer, path+"/events") // ends with the work
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			page := k.page(viewer, path)
			if page.Find("[data-testid=output]").Length() == 1 {
				return page
			}
			if time.Now().After(deadline) || page.Find("[data-testid=assist-problem]").Length() > 0 {
				t.Fatalf("%s says %s", path, page.Find("main").Text())
			}
		}
	}
	if page := k.page(viewer, k.base); page.Find("[data-testid=write-briefing]").Length() != 1 {
		t.Error("Overview does not offer a briefing")
	}
	wait(k.base + "/assist/briefing/scan")
	page := k.page(viewer, k.base)
	facts := page.Find("[data-testid=briefing] a.fact")
	if facts.Length() != 3 || page.Find("[data-testid=briefing] a.cite").Length() != 1 {
		t.Errorf("the briefing says %s", page.Find("[data-testid=briefing]").Text())
	}
	facts.Each(func(_ int, a *goquery.Selection) {
		href, _ := a.Attr("href")
		if got := viewer.get(href); got.Code != http.StatusOK {
			t.Errorf("the number %s leads to %s: %d", a.Text(), href, got.Code)
		}
	})
	if !strings.Contains(page.Text(), "A model wrote this") {
		t.Error("the briefing does not say who wrote it")
	}
	href, _ := page.Find("[data-testid=output-sent]").Attr("href")
	if got := viewer.get(href); got.Code != http.StatusSeeOther || viewer.get(got.Header().Get("Location")).Code != http.StatusOK {
		t.Errorf("what was sent for the briefing: %d %s", got.Code, got.Header().Get("Location"))
	}

	asset := k.base + "/catalog/question/14"
	page = k.page(viewer, asset)
	labels := page.Find(".page-actions .menu-panel").Last().Text()
	if !strings.Contains(labels, "Ask about this") || !strings.Contains(labels, "Explain") {
		t.Errorf("the page offers %q", labels)
	}
	page.Find(".page-actions .menu-panel").Last().Find("a").Each(func(_ int, a *goquery.Selection) {
		href, _ := a.Attr("href")
		if got := viewer.get(href); got.Code != http.StatusOK {
			t.Errorf("%s leads to %s: %d", a.Text(), href, got.Code)
		}
	})
	wait(k.base + "/assist/explainer/question:14")
	page = k.page(viewer, asset)
	if said := page.Find("[data-testid=explained]"); !strings.Contains(said.Text(), "It counts orders") || said.Find("a.cite").Length() != 1 || !strings.Contains(said.Text(), "A model wrote this") {
		t.Errorf("the page says %s", said.Text())
	}
	for _, path := range []string{k.base + "/duplicates", k.base + "/metrics", k.base + "/findings"} {
		body := viewer.get(path).Body.String()
		link := regexp.MustCompile(`href="(` + regexp.QuoteMeta(path) + `/[^"?]+)"`).FindStringSubmatch(body)
		if link == nil {
			t.Errorf("%s lists nothing", path)
			continue
		}
		page := k.page(viewer, html.UnescapeString(link[1]))
		href, _ := page.Find("[data-testid=ask]").Attr("href")
		if got := viewer.get(href); got.Code != http.StatusOK || !strings.Contains(href, "/assist/") && !strings.Contains(href, "/chat?about=finding") {
			t.Errorf("%s offers %q: %d", link[1], href, got.Code)
		}
	}
	for _, r := range k.model.Requests() {
		for _, secret := range planted {
			if bytes.Contains(r.Bytes(), []byte(secret)) {
				t.Errorf("a request holds %s", secret)
			}
		}
	}
}
