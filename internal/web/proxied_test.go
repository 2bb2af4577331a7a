package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/webtest"
)

// behind answers as a server does that a reverse proxy stands before.
func behind(t *testing.T, change ...func(*web.Config)) func(from, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	b := webtest.New()
	accounts, err := b.Auth(true)
	if err != nil {
		t.Fatal(err)
	}
	cfg := b.Config(accounts)
	cfg.Hosts, cfg.Loopback, cfg.Secure, cfg.OnlyProxies = []string{"lens.example.com"}, false, true, true
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8::/64")}
	for _, f := range change {
		f(&cfg)
	}
	handler, err := web.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return func(from, method, target string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, target, http.NoBody)
		r.RemoteAddr, r.Host = from, "lens.example.com"
		for i := 0; i+1 < len(header); i += 2 {
			if header[i] == "Host" {
				r.Host = header[i+1]
				continue
			}
			r.Header.Add(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
}

// TestOnlyTheProxyIsAnswered refuses every other peer, whatever it claims.
func TestOnlyTheProxyIsAnswered(t *testing.T) {
	ask := behind(t)
	for _, from := range []string{"10.0.0.7:4711", "[::ffff:10.0.0.7]:4711", "[2001:db8::7]:4711", "127.0.0.1:4711", "[::1]:4711"} {
		if w := ask(from, http.MethodGet, "/login", "X-Forwarded-Proto", "https"); w.Code == http.StatusForbidden || w.Code >= http.StatusInternalServerError {
			t.Errorf("the proxy at %s got %d", from, w.Code)
		}
	}
	for _, from := range []string{"10.0.1.7:4711", "203.0.113.9:4711", "[2001:db8:0:1::7]:4711", "[::ffff:192.0.2.1]:4711", "nonsense", "", "@"} {
		for _, header := range [][]string{nil, {"X-Forwarded-For", "10.0.0.7"}, {"X-Real-Ip", "10.0.0.7"}, {"Forwarded", "for=10.0.0.7"}, {"X-Forwarded-Proto", "https", "X-Forwarded-Host", "lens.example.com"}} {
			for _, path := range []string{"/login", "/api/v1/me", "/assets/x", "/.well-known/security.txt", "/healthz/../login", "/nowhere"} {
				w := ask(from, http.MethodGet, path, header...)
				if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "reverse proxy only") {
					t.Errorf("%s got %d for %s with %v: %s", from, w.Code, path, header, w.Body)
				}
			}
		}
		for _, path := range []string{"/healthz", "/readyz"} {
			if w := ask(from, http.MethodGet, path); w.Code != http.StatusOK {
				t.Errorf("%s got %d for %s", from, w.Code, path)
			}
		}
	}
}

// TestPlainRequestsGoToHTTPS sends on whom the proxy took in without TLS.
func TestPlainRequestsGoToHTTPS(t *testing.T) {
	ask := behind(t)
	const proxy = "10.0.0.7:4711"
	for name, test := range map[string]struct {
		method, target string
		header         []string
		to             string
	}{
		"page":              {http.MethodGet, "/login?next=%2Faccount", []string{"X-Forwarded-Proto", "http"}, "https://lens.example.com/login?next=%2Faccount"},
		"head":              {http.MethodHead, "/login", []string{"X-Forwarded-Proto", "HTTP"}, "https://lens.example.com/login"},
		"nearest proxy":     {http.MethodGet, "/login", []string{"X-Forwarded-Proto", "https, http"}, "https://lens.example.com/login"},
		"another host":      {http.MethodGet, "//elsewhere.example/x", []string{"X-Forwarded-Proto", "http"}, "https://lens.example.com//elsewhere.example/x"},
		"forwarded host":    {http.MethodGet, "/login", []string{"X-Forwarded-Proto", "http", "X-Forwarded-Host", "elsewhere.example"}, "https://lens.example.com/login"},
		"it was HTTPS":      {http.MethodGet, "/login", []string{"X-Forwarded-Proto", "https"}, ""},
		"further proxy":     {http.MethodGet, "/login", []string{"X-Forwarded-Proto", "http", "X-Forwarded-Proto", "https"}, ""},
		"it does not say":   {http.MethodGet, "/login", nil, ""},
		"health":            {http.MethodGet, "/healthz", []string{"X-Forwarded-Proto", "http"}, ""},
		"stranger's name":   {http.MethodGet, "/login", []string{"X-Forwarded-Proto", "http", "Host", "elsewhere.example"}, ""},
		"a form is refused": {http.MethodPost, "/login", []string{"X-Forwarded-Proto", "http"}, ""},
	} {
		w := ask(proxy, test.method, test.target, test.header...)
		if to := w.Header().Get("Location"); to != test.to && !(test.to == "" && strings.HasPrefix(to, "/")) || test.to != "" && w.Code != http.StatusMovedPermanently {
			t.Errorf("%s: %d to %q, want %q", name, w.Code, to, test.to)
		}
		if name == "a form is refused" && (w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "HTTPS only")) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}

	// Where others may come, too, only the declared proxy is believed.
	ask = behind(t, func(c *web.Config) { c.OnlyProxies = false })
	if w := ask("203.0.113.9:4711", http.MethodGet, "/login", "X-Forwarded-Proto", "http"); w.Header().Get("Location") == "https://lens.example.com/login" {
		t.Error("a stranger's header counts")
	}
	if w := ask(proxy, http.MethodGet, "/login", "X-Forwarded-Proto", "http"); w.Code != http.StatusMovedPermanently {
		t.Errorf("the proxy got %d", w.Code)
	}
	// Plain HTTP on loopback is as it was.
	ask = behind(t, func(c *web.Config) { c.Secure = false })
	if w := ask(proxy, http.MethodGet, "/login", "X-Forwarded-Proto", "http"); w.Code == http.StatusMovedPermanently {
		t.Error("sent to HTTPS where there is none")
	}
}
