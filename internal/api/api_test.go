package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/api"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
	"github.com/metalens/metalens/internal/token"
	"github.com/metalens/metalens/internal/web/findings"
	"github.com/metalens/metalens/internal/web/webtest"
)

var update = flag.Bool("update", false, "rewrite docs/schema/openapi.v1.json")

// world is the API over made-up services, with real tokens in a real store.
type world struct {
	*storetest.World
	t       *testing.T
	backend *webtest.Backend
	tokens  *token.Service
	handler http.Handler
	conn    store.Connection
	strong  bool
	reads   []access.Actor // who read the audit log
}

// owned is the made-up connections, seen by one organization only.
type owned struct {
	*webtest.Backend
	org store.OrgID
}

func (o owned) Connection(ctx context.Context, org store.OrgID, id store.ConnectionID) (store.Connection, error) {
	if org != o.org {
		return store.Connection{}, errs.New(errs.NotFound, "not_found", "There is no such connection.", "")
	}
	return o.Backend.Connection(ctx, org, id)
}

func (o owned) Connections(ctx context.Context, org store.OrgID) ([]store.Connection, error) {
	if org != o.org {
		return nil, nil
	}
	return o.Backend.Connections(ctx, org)
}

type reports struct{}

func (reports) Report(_ context.Context, _ store.OrgID, _ store.ConnectionID, columns bool, w io.Writer) error {
	_, err := fmt.Fprintf(w, `{"schema_version":1,"columns":%t}`, columns)
	return err
}

// AuditLog implements api.Audit.
func (w *world) AuditLog(ctx context.Context, _ store.OrgID, q store.AuditQuery) ([]store.AuditRow, int, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return nil, 0, err
	}
	w.reads = append(w.reads, access.From(ctx))
	var rows []store.AuditRow
	for i := range 3 {
		if i >= q.Offset && len(rows) < q.Limit {
			rows = append(rows, store.AuditRow{ID: strconv.Itoa(i), Action: "login", Actor: "u"})
		}
	}
	return rows, 3, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, backend: webtest.New(), strong: true}
	w.World = storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir = t.TempDir()
		s, err := store.Open(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
	w.conn = w.backend.AddCompany()
	var err error
	w.tokens, err = token.New(token.Config{
		Store: w.Store, Now: w.Clock.Now, SecondFactor: func(context.Context, store.UserID) (bool, error) { return w.strong, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.handler = w.open(w.tokens)
	return w
}

func (w *world) open(tokens api.Tokens) http.Handler {
	w.t.Helper()
	h, err := api.New(api.Config{
		Version: "test", Tokens: tokens, Connections: owned{w.backend, w.Org}, Scans: w.backend, Findings: w.backend, Library: w.backend, Search: w.backend,
		Duplicates: w.backend, Metrics: w.backend, Ledger: w.backend, Audit: w, Reports: reports{}, Sensitive: columns{},
		ClientAddr: func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") }, Now: w.Clock.Now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) member(role store.Role) auth.Identity {
	w.t.Helper()
	id := auth.Identity{Org: w.Org, Role: role, Name: "Ada", Email: fmt.Sprintf("%s-%d@example.com", role, w.Clock.Now().UnixNano())}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.InsertUser(ctx, store.User{Email: id.Email, Name: id.Name})
		if err != nil {
			return err
		}
		id.User = u.ID
		return tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: u.ID, Role: role})
	})
	w.Clock.Add(time.Nanosecond)
	return id
}

func (w *world) token(id auth.Identity, scopes ...string) (text, key string) {
	w.t.Helper()
	made, err := w.tokens.Create(access.With(context.Background(), id.Actor()), id, token.Draft{Name: "x", Scopes: scopes, Days: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return made.Text.Expose(), made.ID
}

func (w *world) ask(method, path, bearer, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, api.Base+path, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, api.Base+path, nil)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	out := httptest.NewRecorder()
	out.Header().Set("X-Request-Id", "req-1")
	w.handler.ServeHTTP(out, r)
	return out
}

func problem(t *testing.T, out *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(out.Body.Bytes(), &p); err != nil || out.Header().Get("Content-Type") != "application/problem+json" || p.Status != out.Code || p.RequestID != "req-1" || p.Detail == "" {
		t.Errorf("not a problem: %d %s %s", out.Code, out.Header().Get("Content-Type"), out.Body)
	}
	return p
}

// operation is a route as the document states it.
type operation struct {
	Method, Path, Scope string
	Body                bool
}

func operations(t *testing.T) []operation {
	t.Helper()
	raw, err := json.Marshal(api.Document("test"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	var list []operation
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for method, raw := range doc.Paths[path] {
			if method == "parameters" {
				continue
			}
			var o struct {
				Scope string          `json:"x-scope"`
				Body  json.RawMessage `json:"requestBody"`
			}
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatal(err)
			}
			list = append(list, operation{strings.ToUpper(method), path, o.Scope, o.Body != nil})
		}
	}
	if len(list) < 20 {
		t.Fatalf("only %d routes", len(list))
	}
	return list
}

// address fills the places of a route with what the made-up company has.
func (w *world) address(o operation) (path, body string) {
	w.t.Helper()
	found, _, err := w.backend.Findings(w.t.Context(), w.Org, findings.Query{Connection: w.conn.ID, State: store.FindingOpen, Limit: 1})
	if err != nil || len(found) == 0 {
		w.t.Fatal("no findings", err)
	}
	scans, err := w.backend.Scans(w.t.Context(), w.Org, w.conn.ID, 1, "")
	if err != nil || len(scans) == 0 {
		w.t.Fatal("no scans", err)
	}
	path = strings.NewReplacer("{conn}", string(w.conn.ID), "{scan}", string(scans[0].ID), "{fingerprint}", found[0].Fingerprint, "{kind}", "question", "{id}", "101").Replace(o.Path)
	if strings.HasSuffix(path, "/preview") {
		path += "?pattern=users.id"
	}
	if strings.HasSuffix(path, "/impact") {
		path += "?ref=question:101"
	}
	if o.Body {
		body = `{"reason":"known"}`
	}
	return path, body
}

// TestEveryRoute calls every route with every kind of token.
func TestEveryRoute(t *testing.T) {
	w := newWorld(t)
	all := []string{access.ScopeRead, access.ScopeScan, access.ScopeTriage, access.ScopeAdminRead}
	owner := w.member(store.RoleOwner)
	good, _ := w.token(owner, all...)
	revoked, id := w.token(owner, all...)
	if err := w.tokens.Revoke(access.With(t.Context(), owner.Actor()), owner, id, netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	left := w.member(store.RoleOwner)
	gone, _ := w.token(left, all...)
	w.System(func(ctx context.Context, tx *store.SystemTx) error { return tx.RemoveMembership(ctx, w.Org, left.User) })
	viewer, _ := w.token(w.member(store.RoleViewer), access.ScopeRead)

	for _, o := range operations(t) {
		t.Run(o.Method+" "+o.Path, func(t *testing.T) {
			path, body := w.address(o)
			for name, c := range map[string]struct {
				bearer  string
				headers []string
				code    string
			}{
				"no token":        {code: "no_token"},
				"a cookie":        {headers: []string{"Cookie", "metalens=abc; __Host-metalens=abc"}, code: "no_token"},
				"a password":      {headers: []string{"Authorization", "Basic YWRhOnB3"}, code: "bad_token"},
				"an empty token":  {headers: []string{"Authorization", "Bearer "}, code: "bad_token"},
				"a made-up token": {bearer: "mlp_aaaaaaaaaaaaa_" + strings.Repeat("A", 52) + "_00000000", code: "bad_token"},
				"revoked":         {bearer: revoked, code: "bad_token"},
				"of who left":     {bearer: gone, code: "bad_token"},
			} {
				out := w.ask(o.Method, path, c.bearer, body, c.headers...)
				if p := problem(t, out); out.Code != http.StatusUnauthorized && out.Code != http.StatusTooManyRequests || p.Code != c.code && p.Code != "throttled" {
					t.Errorf("%s: %d %s", name, out.Code, p.Code)
				}
				if out.Code == http.StatusUnauthorized && !strings.HasPrefix(out.Header().Get("WWW-Authenticate"), "Bearer ") {
					t.Errorf("%s: WWW-Authenticate is %q", name, out.Header().Get("WWW-Authenticate"))
				}
			}
			// Every scope but the right one.
			others := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == o.Scope })
			wrong, _ := w.tokenOnce(owner, others)
			out := w.ask(o.Method, path, wrong, body)
			if p := problem(t, out); out.Code != http.StatusForbidden || p.Code != "scope" {
				t.Errorf("wrong scope: %d %s", out.Code, p.Code)
			}
			if o.Scope != access.ScopeRead {
				if out := w.ask(o.Method, path, viewer, body); out.Code != http.StatusForbidden {
					t.Errorf("a viewer's token: %d", out.Code)
				}
			}
			// The right one.
			out = w.ask(o.Method, path, good, body)
			if out.Code/100 != 2 {
				t.Fatalf("a good token: %d %s", out.Code, out.Body)
			}
			if !json.Valid(out.Body.Bytes()) || out.Header().Get("Content-Type") != "application/json" || out.Header().Get("RateLimit-Remaining") == "" {
				t.Errorf("answer: %s %.200s", out.Header(), out.Body)
			}
			for name := range out.Header() {
				if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
					t.Errorf("the answer has %s", name)
				}
			}
			// Another organization's member, with every right there.
			if strings.Contains(o.Path, "{conn}") {
				out := w.asStranger(o, path, body)
				if p := problem(t, out); out.Code != http.StatusNotFound || p.Kind != string(errs.NotFound) {
					t.Errorf("another organization: %d %s", out.Code, out.Body)
				}
			}
			if out := w.ask(o.Method, path+sep(path)+"unknown=1", good, body); out.Code != http.StatusBadRequest {
				t.Errorf("an unknown parameter: %d", out.Code)
			}
			if out := w.ask(http.MethodOptions, path, "", ""); out.Code != http.StatusUnauthorized {
				t.Errorf("a preflight: %d", out.Code)
			}
			if out := w.ask(http.MethodDelete, path, good, ""); out.Code != http.StatusMethodNotAllowed || out.Header().Get("Allow") == "" {
				t.Errorf("DELETE: %d", out.Code)
			}
		})
	}
	w.Clock.Add(25 * time.Hour)
	out := w.ask(http.MethodGet, "/me", good, "")
	if p := problem(t, out); out.Code != http.StatusUnauthorized || p.Code != "token_expired" {
		t.Errorf("expired: %d %s", out.Code, p.Code)
	}
}

func sep(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

// tokenOnce makes a token and keeps its member below the limit of tokens.
func (w *world) tokenOnce(id auth.Identity, scopes []string) (text, key string) {
	w.t.Helper()
	text, key = w.token(id, scopes...)
	w.t.Cleanup(func() {
		if err := w.tokens.Revoke(access.With(context.Background(), id.Actor()), id, key, netip.Addr{}); err != nil {
			w.t.Error(err)
		}
	})
	return text, key
}

// foreign stands for the owner of another organization, whatever the token.
type foreign struct{}

// Check implements api.Tokens.
func (foreign) Check(context.Context, secret.Value, netip.Addr) (token.Holder, error) {
	return token.Holder{
		Identity: auth.Identity{User: "u2", Org: "another", Role: store.RoleOwner},
		Token:    store.AccessToken{ID: "s", Scopes: []string{access.ScopeRead, access.ScopeScan, access.ScopeTriage, access.ScopeAdminRead}},
	}, nil
}

func (w *world) asStranger(o operation, path, body string) *httptest.ResponseRecorder {
	w.t.Helper()
	mine := w.handler
	defer func() { w.handler = mine }()
	w.handler = w.open(foreign{})
	return w.ask(o.Method, path, "x", body)
}

func TestWhoAmI(t *testing.T) {
	w := newWorld(t)
	ada := w.member(store.RoleEditor)
	text, id := w.token(ada, access.ScopeRead, access.ScopeTriage)
	out := w.ask(http.MethodGet, "/me", text, "")
	var me api.Me
	if err := json.Unmarshal(out.Body.Bytes(), &me); err != nil {
		t.Fatal(err)
	}
	want := api.Me{User: string(ada.User), Name: "Ada", Email: ada.Email, Organization: string(w.Org), Role: "editor", Token: id, Scopes: []string{"read", "triage"}, ExpiresAt: me.ExpiresAt}
	if diff := cmp.Diff(want, me); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(out.Body.String(), text) {
		t.Error("the answer repeats the token")
	}
}

func TestAdminScopeWithoutSecondFactor(t *testing.T) {
	w := newWorld(t)
	text, _ := w.token(w.member(store.RoleAdmin), access.ScopeRead, access.ScopeAdminRead)
	if out := w.ask(http.MethodGet, "/audit", text, ""); out.Code != http.StatusOK || len(w.reads) != 1 || w.reads[0].Kind != access.Token {
		t.Errorf("with one: %d, read by %v", out.Code, w.reads)
	}
	w.strong = false
	out := w.ask(http.MethodGet, "/audit", text, "")
	if p := problem(t, out); out.Code != http.StatusForbidden || p.Code != "second_factor" {
		t.Errorf("without: %d %s", out.Code, p.Code)
	}
	if out := w.ask(http.MethodGet, "/me", text, ""); out.Code != http.StatusOK {
		t.Errorf("other scopes without: %d", out.Code)
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	text, _ := w.token(w.member(store.RoleAdmin), access.ScopeRead, access.ScopeAdminRead)
	for path, key := range map[string]string{
		"/connections/" + string(w.conn.ID) + "/findings": "fingerprint", "/connections/" + string(w.conn.ID) + "/assets": "id",
		"/connections/" + string(w.conn.ID) + "/scans": "id", "/audit": "id", "/connections/" + string(w.conn.ID) + "/egress": "at",
	} {
		seen := []string{}
		cursor, total := "", -1
		for range 200 {
			at := path + "?limit=2"
			if cursor != "" {
				at += "&cursor=" + cursor
			}
			out := w.ask(http.MethodGet, at, text, "")
			var p struct {
				Items  []map[string]any `json:"items"`
				Total  *int             `json:"total"`
				Cursor string           `json:"next_cursor"`
			}
			if err := json.Unmarshal(out.Body.Bytes(), &p); err != nil || out.Code != http.StatusOK || len(p.Items) > 2 {
				t.Fatalf("%s: %d %s", at, out.Code, out.Body)
			}
			for _, item := range p.Items {
				seen = append(seen, fmt.Sprint(item["kind"], item[key]))
			}
			if p.Total != nil {
				total = *p.Total
			}
			if cursor = p.Cursor; cursor == "" {
				break
			}
		}
		if cursor != "" || len(seen) < 3 || total >= 0 && len(seen) != total {
			t.Errorf("%s: %d of %d items, cursor %q", path, len(seen), total, cursor)
		}
		if key != "at" && len(slices.Compact(slices.Sorted(slices.Values(seen)))) != len(seen) {
			t.Errorf("%s: items come twice", path)
		}
	}
	for _, bad := range []string{"?cursor=x", "?cursor=bzotMQ", "?limit=0", "?limit=201", "?limit=x", "?limit=1&limit=2", "?state=odd", "?severity=odd"} {
		if out := w.ask(http.MethodGet, "/connections/"+string(w.conn.ID)+"/findings"+bad, text, ""); out.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, out.Code)
		}
	}
}

func TestTriage(t *testing.T) {
	w := newWorld(t)
	editor := w.member(store.RoleEditor)
	text, _ := w.token(editor, access.ScopeRead, access.ScopeTriage)
	path, _ := w.address(operation{Path: "/connections/{conn}/findings/{fingerprint}"})
	state := func(out *httptest.ResponseRecorder) (f api.Finding) {
		t.Helper()
		if err := json.Unmarshal(out.Body.Bytes(), &f); err != nil || out.Code != http.StatusOK {
			t.Fatalf("%d %s", out.Code, out.Body)
		}
		return f
	}
	if f := state(w.ask(http.MethodPost, path+"/ignore", text, `{"reason":" seasonal ","until":"2030-01-01T00:00:00Z"}`)); f.State != "ignored" || f.IgnoredWhy != "seasonal" || f.IgnoredBy != string(editor.User) || f.IgnoredUntil == nil {
		t.Errorf("ignored: %+v", f)
	}
	if f := state(w.ask(http.MethodPost, path+"/unignore", text, "")); f.State != "open" {
		t.Errorf("taken back: %+v", f)
	}
	for _, body := range []string{`{}`, `{"reason":" "}`, `{"reason":"x","until":"2001-01-01T00:00:00Z"}`, `{"reason":"x","more":1}`, `{"reason":1}`, `[`, `{"reason":"x"}{}`, `{"reason":"` + strings.Repeat("x", 70<<10) + `"}`} {
		if out := w.ask(http.MethodPost, path+"/ignore", text, body); out.Code != http.StatusBadRequest {
			t.Errorf("%.30s: %d", body, out.Code)
		}
	}
	if out := w.ask(http.MethodPost, path+"/ignore", text, `{"reason":"x"}`, "Content-Type", "text/plain"); out.Code != http.StatusBadRequest {
		t.Errorf("a form's media type: %d", out.Code)
	}
	if out := w.ask(http.MethodPost, path+"x/unignore", text, ""); out.Code != http.StatusNotFound {
		t.Errorf("an unknown finding: %d", out.Code)
	}
}

func TestLineageAndColumns(t *testing.T) {
	w := newWorld(t)
	text, _ := w.token(w.member(store.RoleViewer), access.ScopeRead)
	base := "/connections/" + string(w.conn.ID) + "/assets/"
	out := w.ask(http.MethodGet, base+"question/101/lineage?depth=3", text, "")
	var l api.Lineage
	if err := json.Unmarshal(out.Body.Bytes(), &l); err != nil || len(l.Upstream) == 0 {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	table := ""
	for _, e := range l.Upstream {
		if e.From.Kind == "table" {
			table = e.From.ID
		}
	}
	if table == "" {
		t.Fatal("no table above the question")
	}
	if out := w.ask(http.MethodGet, base+"table/"+url.PathEscape(table), text, ""); out.Code != http.StatusOK || !strings.Contains(out.Body.String(), strconv.Quote(table)) {
		t.Errorf("the table: %d %s", out.Code, out.Body)
	}
	if out := w.ask(http.MethodGet, base+"question/9999", text, ""); out.Code != http.StatusNotFound {
		t.Errorf("an unknown asset: %d", out.Code)
	}
	if out := w.ask(http.MethodGet, "/connections/"+string(w.conn.ID)+"/assets?q=revenue", text, ""); out.Code != http.StatusOK || !strings.Contains(strings.ToLower(out.Body.String()), "revenue") {
		t.Errorf("a search: %d %.200s", out.Code, out.Body)
	}
}

func TestTagsAndRates(t *testing.T) {
	w := newWorld(t)
	text, _ := w.token(w.member(store.RoleViewer), access.ScopeRead)
	first := w.ask(http.MethodGet, "/me", text, "")
	tag := first.Header().Get("ETag")
	if out := w.ask(http.MethodGet, "/me", text, "", "If-None-Match", `"x", W/`+tag); tag == "" || out.Code != http.StatusNotModified || out.Body.Len() != 0 {
		t.Errorf("the same: %d %s", out.Code, out.Body)
	}
	if out := w.ask(http.MethodGet, "/me", text, "", "If-None-Match", `"x"`); out.Code != http.StatusOK {
		t.Errorf("another: %d", out.Code)
	}
	last := 0
	for range 700 {
		out := w.ask(http.MethodGet, "/me", text, "")
		if out.Code == http.StatusTooManyRequests {
			last++
			if problem(t, out); out.Header().Get("Retry-After") == "" || out.Header().Get("RateLimit-Remaining") != "0" {
				t.Fatalf("limited with %v", out.Header())
			}
		}
	}
	if last != 103 { // 600 a minute, three were used above
		t.Errorf("%d of 700 were limited", last)
	}
	other, _ := w.token(w.member(store.RoleViewer), access.ScopeRead)
	if out := w.ask(http.MethodGet, "/me", other, ""); out.Code != http.StatusOK {
		t.Errorf("another token: %d", out.Code)
	}
	w.Clock.Add(time.Minute)
	if out := w.ask(http.MethodGet, "/me", text, ""); out.Code != http.StatusOK {
		t.Errorf("a minute later: %d", out.Code)
	}
}

func TestFailuresSayNothingInside(t *testing.T) {
	w := newWorld(t)
	text, _ := w.token(w.member(store.RoleViewer), access.ScopeRead)
	w.backend.Broken = errors.New("disk /var/secret is gone")
	out := w.ask(http.MethodGet, "/connections/"+string(w.conn.ID)+"/findings", text, "")
	if p := problem(t, out); out.Code != http.StatusInternalServerError || strings.Contains(out.Body.String(), "secret") || p.Kind != "internal" {
		t.Errorf("%d %s", out.Code, out.Body)
	}
	if out := w.ask(http.MethodGet, "/nothing", text, ""); out.Code != http.StatusNotFound || problem(t, out).Code != "no_route" {
		t.Errorf("no route: %d", out.Code)
	}
}

// TestDocument keeps docs/schema/openapi.v1.json as the handlers' types say.
func TestDocument(t *testing.T) {
	w := newWorld(t)
	out := w.ask(http.MethodGet, "/openapi.json", "", "") // no token: it tells of no content
	if out.Code != http.StatusOK {
		t.Fatal(out.Code)
	}
	got := bytes.Replace(out.Body.Bytes(), []byte(`"version": "test"`), []byte(`"version": "1"`), 1)
	path := filepath.Join("..", "..", "docs", "schema", "openapi.v1.json")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Error("docs/schema/openapi.v1.json is not current; run go test ./internal/api -update and read the difference")
	}
	var doc map[string]any
	if err := json.Unmarshal(got, &doc); err != nil {
		t.Fatal(err)
	}
	defined, _ := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for _, part := range strings.Split(string(got), `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if defined[name] == nil {
			t.Errorf("the schema %s is not there", name)
		}
	}
}
