package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/page"
)

// TestAIRoutesAreGuarded asks for every page of chats, agents, AI settings and
// sensitive columns as nobody, with too small a role, from another site, and for
// things that there are not.
func TestAIRoutesAreGuarded(t *testing.T) {
	p := newPlace(t, "")
	x := p.tenant("Acme", markedWorld(13, "a"))
	viewer := p.login(x.users[store.RoleViewer].Email)
	owner := p.login(x.users[store.RoleOwner].Email)
	nobody := p.login("")
	fill := strings.NewReplacer("{conn}", string(x.conn), "{chat}", string(x.scan), "{seq}", "2", "{agent}", "explainer", "{subject}", "question:999999", "{rule}", string(x.scan))
	asked := 0
	for _, r := range web.Routes(p.server.web) {
		method, pattern, _ := strings.Cut(r.Pattern, " ")
		ours := false
		for _, part := range []string{"/chat", "/assist/", "/write", "/agents", "/settings/ai", "/settings/sensitive"} {
			ours = ours || strings.Contains(pattern+"/", part+"/") || strings.Contains(pattern, part) && strings.HasSuffix(part, "/")
		}
		if !ours {
			continue
		}
		asked++
		path := fill.Replace(pattern)
		var form map[string][]string
		if method == http.MethodPost {
			form = map[string][]string{"question": {"What is this?"}, "title": {"This"}}
		}
		if answer := nobody.do(method, path, form); answer.Code != http.StatusSeeOther || !strings.HasPrefix(answer.Header().Get("Location"), "/login") {
			t.Errorf("%s as nobody: %d %s", r.Pattern, answer.Code, answer.Header().Get("Location"))
		}
		if r.Access&^page.Fresh >= page.Editor {
			if answer := viewer.do(method, path, form); answer.Code != http.StatusForbidden {
				t.Errorf("%s as a viewer: %d", r.Pattern, answer.Code)
			}
		}
		if method == http.MethodPost {
			if code := elsewhere(t, owner, path); code != http.StatusForbidden {
				t.Errorf("%s from another site: %d", r.Pattern, code)
			}
		}
		answer := owner.do(method, path, form)
		if answer.Code >= http.StatusInternalServerError && !strings.HasSuffix(pattern, "/test") {
			t.Errorf("%s as the owner: %d %s", r.Pattern, answer.Code, answer.Body)
		}
		for _, gone := range []string{"{chat}", "{subject}", "{rule}"} {
			// Without a provider nobody is asked, whatever about.
			if strings.Contains(pattern, gone) && answer.Code != http.StatusNotFound {
				t.Errorf("%s of what there is not: %d", r.Pattern, answer.Code)
			}
		}
		if h := answer.Header(); h.Get("Cache-Control") == "" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") && !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'self'") {
			t.Errorf("%s: headers %v", r.Pattern, h)
		}
	}
	if asked < 25 {
		t.Errorf("only %d routes were asked", asked)
	}
	for _, path := range []string{"/assist/nothing/question:1", "/assist/sql_writer/scan", "/assist/explainer/", "/chat/nothing", "/chat/" + string(x.scan) + "/sent/x"} {
		if answer := owner.get("/c/" + string(x.conn) + path); answer.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}

// elsewhere sends a form as a page of another site would.
func elsewhere(t *testing.T, b *browser, path string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1"+path, strings.NewReader("question=x"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://evil.example.com")
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.place.server.handler.ServeHTTP(w, r)
	return w.Code
}
