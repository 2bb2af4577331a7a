package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/secret"
)

// demoWith boots the demo with settings and logs its owner in.
func demoWith(t *testing.T, settings string) *person {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, ".env"), []byte(settings), 0o600)); err != nil {
		t.Fatal(err)
	}
	p := boot(t, func(ctx context.Context, env app.Env) error {
		return app.Demo(ctx, env, app.DemoOptions{Listen: "127.0.0.1:0", Dir: dir, Password: secret.New(demoPassword)})
	})
	owner := newPerson(t, p.address)
	if !owner.login(app.DemoEmail, demoPassword) {
		t.Fatal("the owner cannot log in")
	}
	return owner
}

// TestAISettingsThroughThePages sets up a model server of the operator's, switches
// AI on with the terms in view, asks for a word, and switches it off.
func TestAISettingsThroughThePages(t *testing.T) {
	asked := 0
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Authorization") != "Bearer sk-operator-1" || r.URL.Path != "/v1/chat/completions" {
			t.Errorf("asked %s: %v, %v", r.URL, body, err)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, line := range []string{
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"local-1","choices":[{"index":0,"delta":{"role":"assistant","content":"ready"},"finish_reason":null}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"local-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"local-1","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":2,"total_tokens":22}}`,
			`[DONE]`,
		} {
			_, _ = w.Write([]byte("data: " + line + "\n\n"))
		}
	}))
	t.Cleanup(model.Close)
	owner := demoWith(t, "OPENAI_BASE_URL="+model.URL+"/v1\nOPENAI_API_KEY=sk-operator-1\nMETALENS_AI_MODEL_CHAT=local-1\nMETALENS_AI_COMPATIBLE_TRAINING=never, it is our own\n")

	page := owner.want(http.StatusOK, "never, it is our own", "/settings/ai", nil)
	if !strings.Contains(page, "AI is off") || strings.Contains(page, "sk-operator") {
		t.Errorf("before:\n%s", page)
	}
	terms := regexp.MustCompile(`name="terms" value="([0-9a-f]+)"`).FindStringSubmatch(page)
	if terms == nil {
		t.Fatal("the terms have no name")
	}
	owner.want(http.StatusUnprocessableEntity, "Say that you have read", "/settings/ai/switch", url.Values{"on": {"yes"}, "terms": {terms[1]}})
	owner.want(http.StatusOK, "AI is switched on", "/settings/ai/switch", url.Values{"on": {"yes"}, "read": {"yes"}, "terms": {terms[1]}})
	owner.want(http.StatusOK, "local-1 answered", "/settings/ai/test", url.Values{})
	if asked != 1 {
		t.Errorf("the model was asked %d times", asked)
	}
	owner.want(http.StatusOK, "22", "/settings/ai/calls", nil)
	owner.want(http.StatusOK, "answered", "/settings/ai/calls?agent=test", nil)
	owner.want(http.StatusOK, "No call", "/settings/ai/calls?agent=other", nil)
	host, err := url.Parse(model.URL)
	if err != nil {
		t.Fatal(err)
	}
	stated := owner.want(http.StatusOK, "never, it is our own", "/security", nil)
	if !strings.Contains(stated, host.Host) {
		t.Error("Security & data does not name the provider")
	}
	owner.want(http.StatusUnprocessableEntity, "Enter a number above 0", "/settings/ai", url.Values{"month_tokens": {"-5"}})
	owner.want(http.StatusUnprocessableEntity, "Choose one of the addresses", "/settings/ai", url.Values{"provider": {"compatible"}, "base_url": {"https://elsewhere.example.com"}})
	owner.want(http.StatusOK, "10 hold now", "/settings/ai", url.Values{"month_tokens": {"10"}, "strict": {"yes"}})
	owner.want(http.StatusTooManyRequests, "used up", "/settings/ai/test", url.Values{})
	owner.want(http.StatusUnprocessableEntity, "Choose the provider first", "/settings/ai/key", url.Values{"key": {"sk-own-12345678901"}})
	owner.want(http.StatusOK, "Saved.", "/settings/ai", url.Values{"provider": {"anthropic"}})
	page = owner.want(http.StatusOK, "It is not shown again", "/settings/ai/key", url.Values{"key": {"sk-own-12345678901"}})
	if strings.Contains(page, "sk-own") || !strings.Contains(page, "8901") {
		t.Error("the page shows the key, or not its end")
	}
	owner.want(http.StatusUnprocessableEntity, "must not be sent anywhere else", "/settings/ai", url.Values{"provider": {"openai"}})
	owner.want(http.StatusOK, "deleted here", "/settings/ai/key/delete", url.Values{})
	owner.want(http.StatusOK, "ai_key_deleted", "/audit", nil)
}

// TestSensitiveColumnsThroughThePages previews, adds and deletes a rule.
func TestSensitiveColumnsThroughThePages(t *testing.T) {
	owner := demoWith(t, "")
	page := owner.want(http.StatusOK, "are sensitive", "/settings/sensitive", nil)
	base := regexp.MustCompile(`/settings/sensitive/[0-9a-f-]+`).FindString(page)
	column := regexp.MustCompile(`pattern=([a-z_.%0-9]+)`).FindStringSubmatch(page)
	if base == "" || column == nil {
		t.Fatalf("no column to correct:\n%s", page)
	}
	pattern, err := url.QueryUnescape(column[1])
	if err != nil {
		t.Fatal(err)
	}
	owner.want(http.StatusOK, "sensitive", base+"/columns.csv", nil)
	preview := owner.want(http.StatusOK, "What would change", base+"/rules/new?preview=yes&kind=block&category=health&pattern="+url.QueryEscape(pattern), nil)
	if !strings.Contains(preview, "names 1 column") || !strings.Contains(preview, "Health") {
		t.Errorf("preview:\n%s", preview)
	}
	owner.want(http.StatusUnprocessableEntity, "Write a column", base+"/rules/new?preview=yes", nil)
	owner.want(http.StatusUnprocessableEntity, "is not one", base+"/rules", url.Values{"pattern": {"a..b"}})
	page = owner.want(http.StatusOK, "holds from now on", base+"/rules", url.Values{"pattern": {pattern}, "kind": {"block"}, "category": {"health"}, "note": {"=cmd()"}})
	rule := regexp.MustCompile(base + `/rules/([0-9a-f-]+)/delete`).FindStringSubmatch(page)
	if rule == nil {
		t.Fatalf("the rule is not listed:\n%s", page)
	}
	owner.want(http.StatusOK, "1 column", base+"?rule="+rule[1], nil)
	owner.want(http.StatusOK, "blocked by the rule", base+"/columns.csv?category=health", nil)
	owner.want(http.StatusOK, "Without it", base+"/rules/"+rule[1]+"/delete", nil)
	owner.want(http.StatusOK, "The rule is deleted", base+"/rules/"+rule[1]+"/delete", url.Values{})
	owner.want(http.StatusNotFound, "no such rule", base+"/rules/"+rule[1]+"/delete", nil)
	owner.want(http.StatusOK, "sensitivity_rule_deleted", "/audit", nil)
}
