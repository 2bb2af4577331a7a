package app

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/api"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/token"
)

// bearer makes a token of a member with every scope that the role may have.
func (p *place) bearer(x *tenant, role store.Role) string {
	p.t.Helper()
	tokens, err := token.New(token.Config{Store: p.server.store, SecondFactor: func(context.Context, store.UserID) (bool, error) { return true, nil }})
	p.must(err)
	u := x.users[role]
	who := auth.Identity{User: u.ID, Org: x.org, Role: role, Name: u.Name, Email: u.Email}
	scopes := []string{access.ScopeRead}
	if role.Rank() >= store.RoleEditor.Rank() {
		scopes = append(scopes, access.ScopeScan, access.ScopeTriage)
	}
	if role.Rank() >= store.RoleAdmin.Rank() {
		scopes = append(scopes, access.ScopeAdminRead)
	}
	ctx := access.With(p.system, access.Actor{Kind: access.Person, User: string(u.ID), Org: string(x.org), Role: role})
	made, err := tokens.Create(ctx, who, token.Draft{Name: "matrix", Scopes: scopes, Address: netip.MustParseAddr("127.0.0.1")})
	p.must(err)
	return made.Text.Expose()
}

func (p *place) ask(method, path, bearer, body string) *httptest.ResponseRecorder {
	p.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	q := httptest.NewRequestWithContext(context.WithoutCancel(p.t.Context()), method, "http://127.0.0.1"+path, r)
	if bearer != "" {
		q.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	p.server.handler.ServeHTTP(w, q)
	return w
}

// operations lists the API's routes out of its own document.
func (p *place) operations() (list [][2]string) {
	p.t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	p.must(json.Unmarshal(p.ask(http.MethodGet, api.Base+"/openapi.json", "", "").Body.Bytes(), &document))
	for path, methods := range document.Paths {
		if !strings.HasPrefix(path, api.Base) {
			path = api.Base + path
		}
		for method := range methods {
			if m := strings.ToUpper(method); m == http.MethodGet || m == http.MethodPost || m == http.MethodPut || m == http.MethodDelete || m == http.MethodPatch {
				list = append(list, [2]string{m, path})
			}
		}
	}
	if len(list) < 15 {
		p.t.Fatalf("the API's document names %d operations", len(list))
	}
	return list
}

// api asks for every operation with ids of the first organization.
func (m *matrix) api(t *testing.T) {
	asked, leaks := 0, 0
	operations := m.operations()
	for _, role := range roleNames {
		bearer := ""
		if role != "" {
			bearer = m.bearer(m.b, role)
		}
		for _, o := range operations {
			for _, path := range m.paths(t, o[1]) {
				body := ""
				if o[0] != http.MethodGet {
					body = `{"reason":"taken over"}`
					if strings.HasSuffix(path, "/scans") && !strings.Contains(path, string(m.a.conn)) {
						continue // it would start a scan of the asker's own
					}
				}
				answer := m.ask(o[0], path, bearer, body)
				asked++
				for _, found := range m.leaks(html.UnescapeString(answer.Body.String()), path) {
					leaks++
					t.Errorf("%s %s as %q shows %s", o[0], path, role, found)
				}
				if strings.Contains(path, string(m.a.conn)) && answer.Code < http.StatusMultipleChoices {
					t.Errorf("%s %s as %q answers %d", o[0], path, role, answer.Code)
				}
				if answer.Code >= http.StatusInternalServerError {
					t.Errorf("%s %s as %q answers %d: %s", o[0], path, role, answer.Code, short(answer.Body.String()))
				}
			}
		}
	}
	t.Logf("%d operations × %d roles: %d requests with ids of another organization, %d leaks", len(operations), len(roleNames), asked, leaks)
}

// walkAPI asks for what the API lists of a member's part.
func walkAPI(p *place, x *tenant, w *witness) {
	bearer := p.bearer(x, store.RoleViewer)
	base := api.Base + "/connections/" + string(x.conn)
	for _, path := range []string{
		"/report", "/report?columns=true", "/findings?limit=200", "/assets?limit=200", "/assets?q=zq", "/duplicates", "/metrics", "/metrics/conflicts", "/scans", "/scans/" + string(x.scan), "/egress",
	} {
		answer := p.ask(http.MethodGet, base+path, bearer, "")
		if answer.Code != http.StatusOK && (path != "/egress" || answer.Code != http.StatusForbidden) {
			w.t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
		w.judge("API "+path, answer.Body.String())
		w.judge("API "+path, jsonRefs(answer.Body.String()))
	}
}

// jsonRefs writes references of an answer the way the witness reads them.
func jsonRefs(body string) string {
	var b strings.Builder
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			kind, _ := v["kind"].(string)
			if id, _ := v["id"].(string); kind != "" && id != "" {
				b.WriteString(" /catalog/" + kind + "/" + strings.ReplaceAll(id, "/", "%2F") + " ")
			}
			for _, one := range v {
				walk(one)
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	var v any
	if json.Unmarshal([]byte(body), &v) == nil {
		walk(v)
	}
	return b.String()
}
