package app

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/page"
)

const operatorCookie = "metalens-operator"

// operator asks the operator's listener for every address as everybody who is no
// operator: members of both organizations with their sessions, their passwords and
// their tokens. Nothing answers, nothing changes. The other way round, an operator
// is nobody on the members' pages.
func (m *matrix) operator(t *testing.T) {
	handler, table, ops := m.console(t)
	members := map[string]*browser{"nobody": m.login("")}
	for _, role := range allRoles {
		members["alpha's "+string(role)] = m.inside[role]
		members["beta's "+string(role)] = m.login(m.b.users[role].Email)
	}
	bearers := map[string]string{"alpha's owner": m.bearer(m.a, store.RoleOwner), "beta's owner": m.bearer(m.b, store.RoleOwner)}
	operators := m.operators()
	// A member's session that is shown to the console ends, as one of an account
	// that is gone: it is put back, so that every request is made with one.
	_, err := m.raw.ExecContext(m.system, `CREATE TABLE kept_sessions AS SELECT * FROM sessions`)
	m.must(err)
	before := m.dump()
	m.others["operator"] = []string{string(ops.ID), string(m.a.users[store.RoleOwner].ID), string(m.b.users[store.RoleOwner].ID)}
	m.ids["name"] = "heap"
	asked, let := 0, 0
	for who, b := range members {
		for _, route := range table {
			method, pattern, _ := strings.Cut(route.Pattern, " ")
			for _, path := range m.paths(t, pattern) {
				var form url.Values
				if method == http.MethodPost {
					form = url.Values(m.pairs)
				}
				answer := knock(m, handler, b, method, path, form, bearers[who])
				asked++
				_, err := m.raw.ExecContext(m.system, `INSERT INTO sessions SELECT * FROM kept_sessions ON CONFLICT DO NOTHING`)
				m.must(err)
				body := html.UnescapeString(answer.Body.String())
				if found := m.anybody(body, path); found != "" {
					t.Errorf("the console's %s %s shows %s %q", method, path, who, found)
				}
				if route.Access != page.Public && answer.Code < http.StatusMultipleChoices {
					let++
					t.Errorf("the console's %s %s answers %s with %d", method, path, who, answer.Code)
				}
				if answer.Code >= http.StatusInternalServerError {
					t.Errorf("the console's %s %s answers %s with %d: %s", method, path, who, answer.Code, short(body))
				}
			}
		}
	}
	m.unchanged(t, before, operators)
	t.Logf("%d routes of the console × %d identities: %d requests, %d let in", len(table), len(members), asked, let)

	for _, x := range []*tenant{m.a, m.b} { // a member's password opens nothing here
		for _, role := range allRoles {
			u := x.users[role]
			b := &browser{place: m.place, cookies: map[string]*http.Cookie{}}
			knock(m, handler, b, http.MethodPost, "/login", url.Values{"email": {u.Email}, "password": {placePassword}}, "")
			if answer := knock(m, handler, b, http.MethodGet, "/organizations", nil, ""); answer.Code < http.StatusMultipleChoices {
				t.Errorf("%s is in the console: %d", u.Email, answer.Code)
			}
		}
	}
	if now := m.operators(); !slices.Equal(now, operators) {
		t.Errorf("operators are %v now, were %v", now, operators)
	}

	b := &browser{place: m.place, cookies: map[string]*http.Cookie{}}
	if answer := knock(m, handler, b, http.MethodPost, "/login", url.Values{"email": {ops.Email}, "password": {placePassword}}, ""); answer.Code != http.StatusSeeOther {
		t.Fatalf("the operator cannot log in: %d %s", answer.Code, answer.Body)
	}
	if answer := knock(m, handler, b, http.MethodGet, "/", nil, ""); answer.Code != http.StatusSeeOther || !strings.HasPrefix(answer.Header().Get("Location"), "/account/factors/add") {
		t.Errorf("an operator without a second factor gets %d %s", answer.Code, answer.Header().Get("Location"))
	}
	own := m.cookieOf(t)
	foreign := &browser{place: m.place, cookies: map[string]*http.Cookie{own: {Name: own, Value: b.cookies[operatorCookie].Value}}}
	tried := 0
	for _, route := range web.Routes(m.server.web) {
		method, pattern, _ := strings.Cut(route.Pattern, " ")
		if method != http.MethodGet {
			continue
		}
		for _, path := range m.paths(t, pattern) {
			answer := foreign.get(path)
			tried++
			if found := m.anybody(html.UnescapeString(answer.Body.String()), path); found != "" {
				t.Errorf("%s shows an operator %q", path, found)
			}
			if route.Access != page.Public && answer.Code < http.StatusMultipleChoices {
				t.Errorf("%s lets an operator in: %d", path, answer.Code)
			}
		}
	}
	t.Logf("an operator's session on the members' pages: %d requests", tried)
}

// console opens the operator's listener for one operator, as the server does.
func (m *matrix) console(t *testing.T) (http.Handler, []web.Route, store.User) {
	t.Helper()
	queue, err := jobs.NewQueue(m.server.store)
	m.must(err)
	var ops store.User
	m.must(m.server.store.InSystem(m.system, func(ctx context.Context, tx *store.SystemTx) error {
		ops, err = tx.InsertOperator(ctx, store.User{Email: "ops@example.org", Name: "Operator", PasswordHash: m.hash})
		return err
	}))
	m.server.config.Operator.Listen, m.server.demo = "127.0.0.1:0", false
	m.must(m.server.openConsole(m.system, queue))
	if m.server.console.handler == nil {
		t.Fatal("the console stays closed")
	}
	table := append(web.OperatorRoutes(web.OperatorConfig{}), web.Route{Pattern: "GET /metrics", Access: page.Owner})
	if len(table) < 40 {
		t.Fatalf("the console has %d routes", len(table))
	}
	return m.server.console.handler, table, ops
}

// knock asks the console with a member's session under both names of the cookie.
func knock(m *matrix, handler http.Handler, b *browser, method, path string, form url.Values, bearer string) *httptest.ResponseRecorder {
	m.t.Helper()
	r := httptest.NewRequestWithContext(context.WithoutCancel(m.t.Context()), method, "http://127.0.0.1"+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	for _, c := range b.cookies {
		if path == "/logout" { // whoever holds a session may end it; the next requests need it
			break
		}
		r.AddCookie(c)
		if b.cookies[operatorCookie] == nil {
			r.AddCookie(&http.Cookie{Name: operatorCookie, Value: c.Value})
		}
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if path == "/login" { // a logout of a stranger must not lose the member's session
		for _, c := range w.Result().Cookies() {
			b.cookies[c.Name] = c
		}
	}
	return w
}

// cookieOf is the name of the members' session cookie.
func (m *matrix) cookieOf(t *testing.T) string {
	t.Helper()
	for name, c := range m.inside[store.RoleOwner].cookies {
		if len(c.Value) > 30 {
			return name
		}
	}
	t.Fatal("a member has no session cookie")
	return ""
}

// anybody finds a text of either organization.
func (m *matrix) anybody(body, path string) string {
	if found := m.leaks(body, path); len(found) > 0 {
		return found[0]
	}
	for _, s := range []string{"Metabase of Beta", "@beta.example", "Beta viewer", "Beta owner", "Beta editor", string(m.b.org), "zqbcard", "zqbdash"} {
		if strings.Contains(body, s) {
			return s
		}
	}
	return ""
}

// operators lists the operators' accounts with what guards them.
func (m *matrix) operators() (list []string) {
	m.t.Helper()
	m.must(m.server.store.InSystem(m.system, func(ctx context.Context, tx *store.SystemTx) error {
		all, err := tx.Operators(ctx)
		for _, u := range all {
			list = append(list, fmt.Sprint(u.ID, u.Email, u.Name, u.PasswordHash))
		}
		return err
	}))
	return list
}

// unchanged compares the first organization and the operators with what they were.
func (m *matrix) unchanged(t *testing.T, before map[string][]string, operators []string) {
	t.Helper()
	m.same(t, before)
	if now := m.operators(); !slices.Equal(now, operators) {
		t.Errorf("operators are %v now, were %v", now, operators)
	}
}
