package metabase_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/secret"
)

func jsonReply(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(text))
}

// TestFaults meets every way a server can go wrong: each gives one clear error
// with something to do, in bounded attempts.
func TestFaults(t *testing.T) {
	const secretBody = "select * from customers where name = 'canary_body'"
	for _, tc := range []struct {
		name     string
		handler  http.HandlerFunc
		set      func(*metabase.Config)
		code     string
		requests int
	}{
		{name: "html with status 200", code: "not_a_metabase", requests: 1, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<!doctype html><title>Sign in</title>"))
		}},
		{name: "html that says json", code: "not_a_metabase", requests: 1, handler: func(w http.ResponseWriter, _ *http.Request) {
			jsonReply(w, "<html><title>Metabase</title>")
		}},
		{name: "plain text", code: "not_a_metabase", requests: 1, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write([]byte("ok"))
		}},
		{name: "a json scalar", code: "not_a_metabase", requests: 1, handler: func(w http.ResponseWriter, _ *http.Request) { jsonReply(w, `"hello"`) }},
		{name: "wrong key", code: "unauthorized", requests: 1, handler: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Unauthenticated", http.StatusUnauthorized)
		}},
		{name: "forbidden", code: "forbidden", requests: 1, handler: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, secretBody, http.StatusForbidden)
		}},
		{name: "missing", code: "route_missing", requests: 1, handler: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Not found.", http.StatusNotFound)
		}},
		{name: "500 once more", code: "server_error", requests: 2, handler: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, secretBody, http.StatusInternalServerError)
		}},
		{name: "503 storm", code: "server_error", requests: 5, handler: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "down", http.StatusServiceUnavailable)
		}},
		{name: "starting", code: "starting", requests: 5, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"status":"initializing","progress":0.3}`))
		}},
		{name: "429 storm", code: "rate_limited", requests: 5, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		}},
		{name: "504", code: "timeout", requests: 5, handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGatewayTimeout) }},
		{name: "truncated", code: "truncated", requests: 2, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4000")
			jsonReply(w, `[{"id":1,"name":"a"},{"id":2,"na`)
		}},
		{name: "cut and closed cleanly", code: "truncated", requests: 2, handler: func(w http.ResponseWriter, _ *http.Request) { jsonReply(w, `[{"id":1,"name":"a"},{"id":2,"na`) }},
		{name: "broken json", code: "truncated", requests: 2, handler: func(w http.ResponseWriter, _ *http.Request) { jsonReply(w, `[{"id":1,,}]`) }},
		{name: "two values", code: "truncated", requests: 2, handler: func(w http.ResponseWriter, _ *http.Request) { jsonReply(w, `[] {"error":"x"}`) }},
		{name: "connection dropped", code: "unreachable", requests: 3, handler: func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }},
		{name: "too large", code: "too_large", requests: 1, set: func(c *metabase.Config) { c.MaxResponse = 1 << 10 }, handler: func(w http.ResponseWriter, _ *http.Request) {
			jsonReply(w, `[{"id":1,"name":"`+strings.Repeat("x", 4000)+`"}]`)
		}},
		{name: "gzip bomb", code: "too_large", requests: 1, set: func(c *metabase.Config) { c.MaxResponse = 1 << 20 }, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write([]byte(`[{"id":1,"name":"`))
			chunk := []byte(strings.Repeat("x", 1<<16))
			for range 64 {
				_, _ = z.Write(chunk)
			}
			_, _ = z.Write([]byte(`"}]`))
			_ = z.Close()
		}},
		{name: "broken gzip", code: "truncated", requests: 2, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("not gzip at all"))
		}},
		{name: "redirect without an address", code: "redirected", requests: 1, handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) }},
		{name: "redirect to a login page", code: "redirected", requests: 1, handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/auth/login", http.StatusFound)
		}},
		{name: "redirect to another host", code: "redirected", requests: 1, handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://sso.example/login?token=canary_token", http.StatusFound)
		}},
		{name: "redirect in a circle", code: "redirected", requests: 5, handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/api/segment/", http.StatusFound)
		}},
		{name: "hang", code: "timeout", requests: 1, set: func(c *metabase.Config) { c.Timeouts.Large = 50 * time.Millisecond }, handler: func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}},
		{name: "slow drip", code: "timeout", requests: 1, set: func(c *metabase.Config) { c.Timeouts.Large = 100 * time.Millisecond }, handler: func(w http.ResponseWriter, r *http.Request) {
			jsonReply(w, `[{"id":1,"name":"a"}`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var n atomic.Int64
			var set []func(*metabase.Config)
			if tc.set != nil {
				set = append(set, tc.set)
			}
			b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				tc.handler(w, r)
			}), set...)
			// Dashboards' heads are required, so every failure comes back as an error.
			_, _, err := b.DashboardHeads(t.Context(), false)
			if errs.CodeOf(err) != tc.code {
				t.Fatalf("%q (%v), want %q", errs.CodeOf(err), err, tc.code)
			}
			if int(n.Load()) != tc.requests {
				t.Errorf("%d requests, want %d", n.Load(), tc.requests)
			}
			text, hint := errs.PublicText(err)
			if text == "" || hint == "" {
				t.Errorf("text %q, hint %q", text, hint)
			}
			all := text + hint + err.Error() + b.logs.String() + fmt.Sprintf("%+v", b.ledger.Entries())
			for _, never := range []string{"canary_body", "canary_token", testKey} {
				if strings.Contains(all, never) {
					t.Errorf("%q appears in %s", never, all)
				}
			}
			if got := len(b.ledger.Entries()); got != tc.requests {
				t.Errorf("%d ledger entries, want %d", got, tc.requests)
			}
			if got := b.Stats().Total; got != tc.requests {
				t.Errorf("statistics count %d, want %d", got, tc.requests)
			}
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	var n atomic.Int64
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) {
		case 1:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			w.WriteHeader(http.StatusBadGateway)
		default:
			jsonReply(w, `[{"id":1,"name":"a"}]`)
		}
	}))
	heads, gaps, err := b.DashboardHeads(t.Context(), false)
	if err != nil || len(gaps) > 0 || len(heads) != 1 {
		t.Fatal(heads, gaps, err)
	}
	want := []time.Duration{7 * time.Second, time.Minute, 1500 * time.Millisecond}
	if diff := cmp.Diff(want, b.waits.all()); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
	if b.AtOnce() != 1 {
		t.Errorf("%d requests at once after a 429 and a 503, want 1", b.AtOnce())
	}
}

func TestConcurrencyRecovers(t *testing.T) {
	var n atomic.Int64
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		jsonReply(w, `[]`)
	}))
	for range 41 {
		if _, _, err := b.DashboardHeads(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if b.AtOnce() != 3 {
		t.Errorf("%d at once after 41 good answers, want 3 again", b.AtOnce())
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	var running, most atomic.Int64
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		now := running.Add(1)
		defer running.Add(-1)
		for {
			old := most.Load()
			if now <= old || most.CompareAndSwap(old, now) {
				break
			}
		}
		jsonReply(w, `{"id":7,"name":"q","dataset_query":{}}`)
	}), func(c *metabase.Config) { c.Concurrency = 2 })
	done := make(chan error)
	for range 40 {
		go func() {
			_, _, _, err := b.Question(t.Context(), "7")
			done <- err
		}()
	}
	for range 40 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() > 2 {
		t.Errorf("%d requests at once, want at most 2", most.Load())
	}
}

// TestBreaker: a server that keeps failing is left alone for a while.
func TestBreaker(t *testing.T) {
	var n atomic.Int64
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}), func(c *metabase.Config) { c.Now = func() time.Time { return now } })
	for range 10 {
		if _, _, err := b.DashboardHeads(t.Context(), false); errs.CodeOf(err) != "server_error" {
			t.Fatal(err)
		}
	}
	if n.Load() != 8 {
		t.Errorf("%d requests for ten reads, want 8: four reads with two attempts", n.Load())
	}
	now = now.Add(31 * time.Second)
	_, _, _ = b.DashboardHeads(t.Context(), false)
	if n.Load() != 10 {
		t.Errorf("%d requests after the pause, want 10: one more read", n.Load())
	}
	_, _, _ = b.DashboardHeads(t.Context(), false)
	if n.Load() != 10 {
		t.Error("one failure after the pause must open the breaker again")
	}
}

func TestSessionExpires(t *testing.T) {
	var n atomic.Int64
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) > 1 {
			http.Error(w, "Unauthenticated", http.StatusUnauthorized)
			return
		}
		jsonReply(w, `[]`)
	}), func(c *metabase.Config) { c.Auth.Kind = metabase.AuthSession })
	if _, _, err := b.DashboardHeads(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	_, _, err := b.DashboardHeads(t.Context(), false)
	if text, _ := errs.PublicText(err); errs.KindOf(err) != errs.Unauthorized || !strings.Contains(text, "expired") {
		t.Errorf("%v: %q", err, text)
	}
	// An optional list must not hide that the session is over.
	if _, _, err := b.Segments(t.Context()); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("segments after expiry: %v", err)
	}
}

func TestOptionalListsBecomeGaps(t *testing.T) {
	for _, tc := range []struct {
		status   int
		version  string
		expected bool
	}{
		{http.StatusUnauthorized, "v1.60.1", false},
		{http.StatusForbidden, "v1.60.1", false},
		{http.StatusPaymentRequired, "v1.60.1", true},
		{http.StatusBadRequest, "v1.60.1", false},
		{http.StatusInternalServerError, "v1.60.1", false},
		{http.StatusNotFound, "v0.60.1", true},
		{http.StatusNotFound, "vUNKNOWN", false},
	} {
		t.Run(fmt.Sprint(tc.status, tc.version), func(t *testing.T) {
			base := answers{"/api/session/properties": properties(tc.version), "/api/user/current": adminUser}
			b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, ok := base[r.URL.Path]; ok {
					base.ServeHTTP(w, r)
					return
				}
				w.WriteHeader(tc.status)
			}))
			b.identify(t)
			list, gaps, err := b.Transforms(t.Context())
			if err != nil || len(list) != 0 || len(gaps) != 1 {
				t.Fatal(list, gaps, err)
			}
			g := gaps[0]
			if g.Kind != catalog.KindTransform || !g.Whole || g.Status != tc.status || g.Expected != tc.expected || g.Reason == "" {
				t.Errorf("%+v", g)
			}
		})
	}
}

func TestRoutesAVersionCannotHaveAreNotAsked(t *testing.T) {
	b := open(t, answers{"/api/session/properties": properties("v0.50.3"), "/api/user/current": adminUser, "/api/alert": "[]", "/api/legacy-metric": "[]"})
	id := b.identify(t)
	if id.Instance.Major != 50 || id.Instance.Edition != "oss" || !id.VersionKnown || id.ReaderName != "Scan Key" || !id.Instance.Reader.Admin {
		t.Errorf("%+v", id)
	}
	if diff := cmp.Diff([]string{"advanced_permissions"}, id.Instance.Features); diff != "" {
		t.Error(diff)
	}
	for name, read := range map[string]func() ([]catalog.Gap, error){
		"transforms": func() ([]catalog.Gap, error) { _, g, err := b.Transforms(t.Context()); return g, err },
		"documents":  func() ([]catalog.Gap, error) { _, _, g, err := b.Documents(t.Context()); return g, err },
	} {
		gaps, err := read()
		if err != nil || len(gaps) != 1 || !gaps[0].Expected || !gaps[0].Whole {
			t.Errorf("%s: %v %v", name, gaps, err)
		}
	}
	for name, read := range map[string]func() ([]catalog.Gap, error){
		"alerts":   func() ([]catalog.Gap, error) { _, g, err := b.Alerts(t.Context()); return g, err },
		"measures": func() ([]catalog.Gap, error) { _, g, err := b.Measures(t.Context()); return g, err },
	} {
		if gaps, err := read(); err != nil || len(gaps) != 0 {
			t.Errorf("%s: %v %v", name, gaps, err)
		}
	}
	for route := range b.Stats().ByRoute {
		if route == "/api/transform" || route == "/api/document" || route == "/api/notification" || route == "/api/measure" {
			t.Errorf("%s was asked of 0.50", route)
		}
	}
}

func TestRedirectsWithinTheSiteAreFollowed(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked.Store(r.Header.Get("X-Api-Key") != "" || leaked.Load())
	}))
	t.Cleanup(other.Close)
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Api-Key") != testKey:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/api/segment":
			http.Redirect(w, r, "/api/segment/", http.StatusMovedPermanently)
		case r.URL.Path == "/api/segment/":
			jsonReply(w, `[{"id":1,"name":"s"}]`)
		case r.URL.Path == "/api/dashboard":
			http.Redirect(w, r, other.URL+"/api/dashboard?f=all", http.StatusMovedPermanently)
		}
	}))
	if list, gaps, err := b.Segments(t.Context()); err != nil || len(list) != 1 || len(gaps) != 0 {
		t.Errorf("%v %v %v", list, gaps, err)
	}
	_, _, err := b.DashboardHeads(t.Context(), false)
	_, hint := errs.PublicText(err)
	if errs.CodeOf(err) != "redirected" || !strings.Contains(hint, other.URL) {
		t.Errorf("%v, hint %q", err, hint)
	}
	if leaked.Load() {
		t.Error("the credential crossed to another host")
	}
}

func TestSubPathAndHeaders(t *testing.T) {
	var got http.Header
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		if r.URL.Path != "/tools/mb/api/segment" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		jsonReply(w, `[]`)
	}), func(c *metabase.Config) {
		c.URL += "/tools/mb/"
		c.Headers = map[string]secret.Value{"CF-Access-Client-Secret": secret.New("proxy_secret")}
	})
	if _, gaps, err := b.Segments(t.Context()); err != nil || len(gaps) != 0 {
		t.Fatal(gaps, err)
	}
	if got.Get("X-Api-Key") != testKey || got.Get("CF-Access-Client-Secret") != "proxy_secret" || got.Get("Referer") != "" {
		t.Errorf("headers %v", got)
	}
	if strings.Contains(b.logs.String(), "proxy_secret") {
		t.Error("a header value was logged")
	}
	for name, value := range map[string]string{"X-Api-Key": "x", "Host": "x", "bad name": "x", "X-Ok": "a\r\nb"} {
		cfg, _ := config(b.server.URL, func(c *metabase.Config) { c.Headers = map[string]secret.Value{name: secret.New(value)} })
		if _, err := metabase.Open(cfg); errs.KindOf(err) != errs.Invalid {
			t.Errorf("header %q: %v", name, err)
		}
	}
}

func TestOpenRefusesBadConfigurations(t *testing.T) {
	for name, set := range map[string]func(*metabase.Config){
		"no url":            func(c *metabase.Config) { c.URL = "" },
		"no credential":     func(c *metabase.Config) { c.Auth.Secret = secret.Value{} },
		"line break in key": func(c *metabase.Config) { c.Auth.Secret = secret.New("a\nb") },
		"unknown kind":      func(c *metabase.Config) { c.Auth.Kind = "password" },
		"no recorder":       func(c *metabase.Config) { c.Outbound.Recorder = nil },
		"mask without key":  func(c *metabase.Config) { c.MaskLiterals = true },
		"bad ca":            func(c *metabase.Config) { c.Outbound.RootCAs = []byte("x") },
		"bad proxy":         func(c *metabase.Config) { c.Outbound.ProxyURL = "gopher://x" },
	} {
		cfg, _ := config("https://mb.example", set)
		if _, err := metabase.Open(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCancel(t *testing.T) {
	started := make(chan struct{})
	b := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	_, _, err := b.DashboardHeads(ctx, false)
	if !errors.Is(err, context.Canceled) || errs.KindOf(err) != errs.Canceled {
		t.Errorf("%v (%s)", err, errs.KindOf(err))
	}
}

func TestDashboardIsReadOnce(t *testing.T) {
	var n atomic.Int64
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		jsonReply(w, `{"id":5,"name":"d","dashcards":[]}`)
	}))
	if d, gaps, err := b.Dashboard(t.Context(), "5"); err != nil || d == nil || len(gaps) != 0 || d.Dashboard.DetailUnread {
		t.Fatal(d, gaps, err)
	}
	if _, _, err := b.Dashboard(t.Context(), "5"); errs.KindOf(err) != errs.Conflict {
		t.Errorf("second read: %v", err)
	}
	if n.Load() != 2 {
		t.Errorf("%d requests, want 2", n.Load())
	}
	if diff := cmp.Diff(map[string]int64{"5": 1}, b.DashboardReads()); diff != "" {
		t.Error(diff)
	}
}

// A dashboard answer that breaks off has been counted as a view already.
func TestBrokenDashboardIsNotReadAgain(t *testing.T) {
	var n atomic.Int64
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		jsonReply(w, `{"id":5,"name":"d","dashcards":[{"id":`)
	}))
	d, gaps, err := b.Dashboard(t.Context(), "5")
	if err != nil || d != nil || len(gaps) != 1 {
		t.Fatal(d, gaps, err)
	}
	if n.Load() != 1 || b.DashboardReads()["5"] != 1 {
		t.Errorf("%d requests, reads %v", n.Load(), b.DashboardReads())
	}
}

// A list that breaks off is read again; nothing is handed over twice.
func TestBrokenListResumes(t *testing.T) {
	var n atomic.Int64
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			jsonReply(w, `[{"id":1,"name":"a"},{"id":2,"name":"b"},{"id":`)
			return
		}
		jsonReply(w, `[{"id":1,"name":"a"},{"id":2,"name":"b"},{"id":3,"name":"c"}]`)
	}))
	var got []string
	gaps, err := b.Questions(t.Context(), false, func(q *catalog.Question, _ catalog.Usage) error {
		got = append(got, q.ID)
		return nil
	})
	if err != nil || len(gaps) != 0 {
		t.Fatal(gaps, err)
	}
	if diff := cmp.Diff([]string{"1", "2", "3"}, got); diff != "" {
		t.Error(diff)
	}
	stop := errors.New("stop")
	if _, err := b.Questions(t.Context(), false, func(*catalog.Question, catalog.Usage) error { return stop }); !errors.Is(err, stop) || n.Load() != 3 {
		t.Errorf("%v after %d requests", err, n.Load())
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	cfg, _ := config("http://" + address)
	c, err := metabase.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Identify(t.Context()); errs.CodeOf(err) != "unreachable" {
		t.Errorf("%v", err)
	}
}

func TestIdentifyTolerates404(t *testing.T) {
	b := open(t, answers{"/api/database": `{"data":[],"total":0}`})
	id := b.identify(t)
	if id.VersionKnown || len(id.Gaps) != 2 || id.Instance.Major != 0 {
		t.Errorf("%+v", id)
	}
	nothing := open(t, answers{})
	if _, err := nothing.Identify(t.Context()); errs.CodeOf(err) != "not_a_metabase" {
		t.Errorf("%v", err)
	}
	other := open(t, answers{"/api/session/properties": `{"status":"ok"}`})
	if _, err := other.Identify(t.Context()); errs.CodeOf(err) != "not_a_metabase" {
		t.Errorf("%v", err)
	}
}
