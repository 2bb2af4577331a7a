package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/webtest"
)

// site is a running server over the fake backend, and a browser's cookies.
type site struct {
	t       *testing.T
	backend *webtest.Backend
	auth    *auth.Service
	server  *httptest.Server
	client  *http.Client
	logs    *bytes.Buffer
}

func newSite(t *testing.T, b *webtest.Backend, change ...func(*web.Config)) *site {
	t.Helper()
	accounts, err := b.Auth(false)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, backend: b, auth: accounts, logs: &bytes.Buffer{}}
	cfg := b.Config(accounts)
	cfg.Logger = slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, f := range change {
		f(&cfg)
	}
	handler, err := web.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewServer(handler)
	t.Cleanup(s.server.Close)
	s.forget()
	return s
}

// forget drops all cookies.
func (s *site) forget() {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// owned is a site with an owner logged in and a scanned company.
func owned(t *testing.T, change ...func(*web.Config)) (*site, string) {
	t.Helper()
	b := webtest.New()
	c := b.AddCompany()
	s := newSite(t, b, change...)
	s.owner()
	return s, "/c/" + string(c.ID)
}

func (s *site) owner() auth.Identity {
	s.t.Helper()
	id, err := s.backend.AddOwner(s.t.Context(), s.auth)
	if err != nil {
		s.t.Fatal(err)
	}
	s.login()
	return id
}

func (s *site) login() {
	s.t.Helper()
	a := s.post("/login", "email", webtest.OwnerEmail, "password", webtest.OwnerPassword)
	if a.status != http.StatusSeeOther {
		s.t.Fatalf("login: %d %s", a.status, a.text)
	}
}

type answer struct {
	status int
	header http.Header
	text   string
	doc    *goquery.Document
}

// see returns the text of the elements with a test id.
func (a answer) see(id string) string {
	return strings.Join(strings.Fields(a.doc.Find("[data-testid="+id+"]").Text()), " ")
}

func (a answer) count(id string) int { return a.doc.Find("[data-testid=" + id + "]").Length() }

func (s *site) do(req *http.Request) answer {
	s.t.Helper()
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(data), doc}
}

func (s *site) request(method, path string, body io.Reader, headers ...string) *http.Request {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

func (s *site) get(path string, headers ...string) answer {
	s.t.Helper()
	return s.do(s.request(http.MethodGet, path, nil, headers...))
}

func (s *site) post(path string, fields ...string) answer {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return s.do(s.request(http.MethodPost, path, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"))
}

func TestConfigIsComplete(t *testing.T) {
	b := webtest.New()
	accounts, err := b.Auth(false)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*web.Config){
		"Auth":        func(c *web.Config) { c.Auth = nil },
		"Connections": func(c *web.Config) { c.Connections = nil },
		"Findings":    func(c *web.Config) { c.Findings = nil },
		"Library":     func(c *web.Config) { c.Library = nil },
		"Ledger":      func(c *web.Config) { c.Ledger = nil },
		"hosts":       func(c *web.Config) { c.Loopback = false },
	} {
		cfg := b.Config(accounts)
		change(&cfg)
		if _, err := web.New(cfg); err == nil {
			t.Errorf("without %s nothing was said", name)
		}
	}
}

// concrete fills a route's pattern with things that exist.
func concrete(pattern, conn string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.NewReplacer(
		"{$}", "", "{conn}", strings.TrimPrefix(conn, "/c/"), "{scan}", "scan-14", "{session}", "session-1", "{fingerprint}", "none", "{kind}", "question", "{id}", "101",
	).Replace(path)
}

var publicRoutes = []string{"GET /{$}", "POST /theme", "GET /setup", "POST /setup", "GET /login", "POST /login", "POST /login/passkey/begin", "POST /login/passkey", "POST /logout", "GET /.well-known/security.txt"}

// TestEveryRouteWantsALogin asks every route as nobody.
func TestEveryRouteWantsALogin(t *testing.T) {
	s, conn := owned(t)
	s.forget()
	n := 0
	for _, pattern := range web.Patterns() {
		if slices.Contains(publicRoutes, pattern) {
			continue
		}
		n++
		method, path := concrete(pattern, conn)
		a := s.do(s.request(method, path, nil, "Sec-Fetch-Site", "same-origin"))
		if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/login") {
			t.Errorf("%s answers %d to nobody (Location %q)", pattern, a.status, a.header.Get("Location"))
		}
		if strings.Contains(a.text, "Northwind") {
			t.Errorf("%s shows content to nobody", pattern)
		}
	}
	if n < 25 {
		t.Errorf("only %d routes were asked", n)
	}
	a := s.get(conn+"/findings?q=x", "HX-Request", "true")
	if a.status != http.StatusNoContent || a.header.Get("HX-Redirect") != "/login?next="+url.QueryEscape(conn+"/findings?q=x") {
		t.Errorf("htmx gets %d, HX-Redirect %q", a.status, a.header.Get("HX-Redirect"))
	}
}

// TestEveryRouteChecksTheRole asks what changes something as a viewer.
func TestEveryRouteChecksTheRole(t *testing.T) {
	b := webtest.New()
	conn := "/c/" + string(b.AddCompany().ID)
	s := newSite(t, b)
	id := s.owner()
	b.Users.SetRole(id.User, store.RoleViewer)
	for _, pattern := range web.Patterns() {
		method, path := concrete(pattern, conn)
		if slices.Contains(publicRoutes, pattern) || strings.HasPrefix(path, "/account") || strings.HasPrefix(path, "/login/factor") || strings.HasPrefix(path, "/confirm") {
			continue
		}
		if strings.Contains(path, "/impact/migration") {
			continue // a script too long for an address: it is read, and nothing kept
		}
		if strings.HasSuffix(pattern, "/egress/{row}/payload") {
			continue // its author may read it whatever the role is; a row that is not there is not found
		}
		if method == http.MethodGet && !strings.HasPrefix(path, "/connections/") && !strings.HasPrefix(path, "/setup/connection") {
			continue
		}
		a := s.do(s.request(method, path, nil, "Sec-Fetch-Site", "same-origin"))
		if a.status != http.StatusForbidden || a.count("error") != 1 {
			t.Errorf("%s answers %d to a viewer", pattern, a.status)
		}
	}
	if a := s.get(conn + "/findings"); a.count("bulk") != 0 || strings.Contains(a.text, `name="fp"`) {
		t.Error("a viewer is offered triage")
	}
	if a := s.get("/connections"); strings.Contains(a.text, "/connections/new") {
		t.Error("a viewer is offered a new connection")
	}
}

func TestSecurityHeadersStandEverywhere(t *testing.T) {
	s, conn := owned(t)
	asset, _ := s.get("/login").doc.Find("link[rel=stylesheet]").Attr("href")
	if asset == "" {
		asset, _ = s.get(conn).doc.Find("link[rel=stylesheet]").Attr("href")
	}
	for _, path := range []string{conn, conn + "/findings", "/setup", "/nowhere", "/healthz", "/readyz", asset} {
		a := s.get(path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		csp := a.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self'", "style-src 'self'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy lacks %s", path, part)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: the policy is %s", path, csp)
		}
		if a.header.Get("Permissions-Policy") == "" || a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: headers %v", path, a.header)
		}
		if a.header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: HSTS without TLS", path)
		}
		if path == asset {
			if !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: Cache-Control %q", path, a.header.Get("Cache-Control"))
			}
		} else if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", path, a.header.Get("Cache-Control"))
		}
	}
	secure, _ := owned(t, func(c *web.Config) { c.Secure = true })
	if secure.get("/login").header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS under TLS")
	}
}

// TestNothingInline looks for script and style that the policy would refuse.
func TestNothingInline(t *testing.T) {
	s, conn := owned(t)
	for _, path := range []string{conn, conn + "/findings", conn + "/catalog", conn + "/catalog/question/101?tab=usage", conn + "/scans/scan-14", "/connections/new", "/account", "/confirm"} {
		a := s.get(path)
		if a.status != http.StatusOK {
			t.Errorf("%s: %d", path, a.status)
		}
		a.doc.Find("*").Each(func(_ int, e *goquery.Selection) {
			for _, attr := range e.Nodes[0].Attr {
				if attr.Key == "style" || strings.HasPrefix(attr.Key, "on") {
					t.Errorf("%s: <%s %s=…>", path, goquery.NodeName(e), attr.Key)
				}
			}
			switch goquery.NodeName(e) {
			case "style":
				t.Errorf("%s: a style element", path)
			case "script":
				if _, ok := e.Attr("src"); !ok {
					t.Errorf("%s: an inline script", path)
				}
			}
			for _, key := range []string{"src", "href", "action"} {
				if v, ok := e.Attr(key); ok && strings.Contains(v, "//") && !strings.HasPrefix(v, "https://metabase.northwind.example/") {
					t.Errorf("%s: %s=%s leads away", path, key, v)
				}
			}
		})
	}
}

func TestFormsFromElsewhereAreRefused(t *testing.T) {
	s, conn := owned(t)
	for name, headers := range map[string][]string{
		"another site":  {"Sec-Fetch-Site", "cross-site"},
		"a sibling":     {"Sec-Fetch-Site", "same-site"},
		"an old caller": {"Origin", "https://evil.example"},
	} {
		req := s.request(http.MethodPost, conn+"/scans", nil, headers...)
		if a := s.do(req); a.status != http.StatusForbidden {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if a := s.post(conn + "/scans"); a.status != http.StatusSeeOther {
		t.Errorf("our own form: %d", a.status)
	}
	if a := s.get(conn, "Sec-Fetch-Site", "cross-site"); a.status != http.StatusOK {
		t.Errorf("a link from elsewhere: %d", a.status)
	}
}

func TestForeignHostsAreRefused(t *testing.T) {
	s := newSite(t, webtest.New(), func(c *web.Config) { c.Hosts = []string{"metalens.example.com"} })
	for host, want := range map[string]int{
		"metalens.example.com": http.StatusOK, "METALENS.example.com": http.StatusOK, "localhost:8080": http.StatusOK, "127.0.0.1:9": http.StatusOK, "[::1]:8080": http.StatusOK,
		"evil.example": http.StatusMisdirectedRequest, "127.0.0.1.evil.example": http.StatusMisdirectedRequest, "localhost.evil.example:80": http.StatusMisdirectedRequest,
		"metalens.example.com:81": http.StatusMisdirectedRequest, "10.0.0.1": http.StatusMisdirectedRequest,
	} {
		if a := s.get("/setup", "Host", host); a.status != want {
			t.Errorf("host %s: %d, want %d", host, a.status, want)
		}
	}
	closed := newSite(t, webtest.New(), func(c *web.Config) { c.Hosts, c.Loopback = []string{"metalens.example.com"}, false })
	if a := closed.get("/setup"); a.status != http.StatusMisdirectedRequest {
		t.Errorf("loopback although it is off: %d", a.status)
	}
}

func TestMethodsAndMissingPages(t *testing.T) {
	s, conn := owned(t)
	if a := s.do(s.request(http.MethodDelete, conn+"/findings", nil, "Sec-Fetch-Site", "same-origin")); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" {
		t.Errorf("DELETE: %d, Allow %q", a.status, a.header.Get("Allow"))
	}
	if a := s.get(conn + "/findings/ignore"); a.status != http.StatusNotFound {
		t.Errorf("a form's address as a page: %d", a.status)
	}
	for _, path := range []string{"/nowhere", "/c/none", "/c/none/findings", conn + "/scans/none", conn + "/findings/none", conn + "/catalog/question/9999", conn + "/catalog/nonsense/1", conn + "/catalog?in=collection%3A9999", "/assets/nothing.js", "/setup/scan/none/none"} {
		a := s.get(path)
		if a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
		if !strings.HasPrefix(path, "/assets") && a.count("error") != 1 {
			t.Errorf("%s: no error page", path)
		}
	}
}

func TestBodiesAreLimited(t *testing.T) {
	s, _ := owned(t)
	a := s.post("/connections", "url", "https://metabase.example.com", "key", "k", "ca", strings.Repeat("x", 2<<20))
	if a.status != http.StatusUnprocessableEntity || a.count("error") != 1 {
		t.Errorf("two megabytes: %d", a.status)
	}
}

func TestBrokenStoreShowsAnErrorPage(t *testing.T) {
	s, conn := owned(t)
	s.backend.Broken = errors.New("disk on fire: SELECT secret FROM vault")
	a := s.get(conn + "/findings")
	if a.status != http.StatusInternalServerError || a.count("error") != 1 {
		t.Fatalf("%d", a.status)
	}
	if strings.Contains(a.text, "vault") || !strings.Contains(a.text, a.header.Get("X-Request-Id")) {
		t.Error("the page tells the cause, or not its request id")
	}
	if !strings.Contains(s.logs.String(), "disk on fire") || !strings.Contains(s.logs.String(), a.header.Get("X-Request-Id")) {
		t.Error("the log lacks the cause or the request id")
	}
}

func TestPanicsAreCaught(t *testing.T) {
	s, _ := owned(t, func(c *web.Config) {
		c.Ready = func(context.Context) error { panic("unexpected") }
	})
	if a := s.get("/readyz"); a.status != http.StatusInternalServerError || strings.Contains(a.text, "unexpected") {
		t.Errorf("%d %s", a.status, a.text)
	}
	if !strings.Contains(s.logs.String(), "unexpected") {
		t.Error("the panic is not in the log")
	}
}

func TestProbes(t *testing.T) {
	ready := errors.New("migrating")
	s := newSite(t, webtest.New(), func(c *web.Config) { c.Ready = func(context.Context) error { return ready } })
	if a := s.get("/healthz"); a.status != http.StatusOK {
		t.Errorf("healthz %d", a.status)
	}
	if a := s.get("/readyz"); a.status != http.StatusServiceUnavailable || strings.Contains(a.text, "migrating") {
		t.Errorf("readyz %d %s", a.status, a.text)
	}
	ready = nil
	if a := s.get("/readyz"); a.status != http.StatusOK {
		t.Errorf("readyz %d", a.status)
	}
}

func TestPagesAreCompressed(t *testing.T) {
	s, conn := owned(t)
	req := s.request(http.MethodGet, conn+"/findings", nil, "Accept-Encoding", "gzip")
	s.client.Transport = &http.Transport{DisableCompression: true}
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("Content-Encoding %q", res.Header.Get("Content-Encoding"))
	}
	packed, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(bytes.TrimSpace(plain), []byte("</html>")) {
		t.Error("the page is cut")
	}
}

// TestFirstLoadIsSmall adds up what a first visit costs: the page, its style,
// its script, and both fonts.
func TestFirstLoadIsSmall(t *testing.T) {
	s, conn := owned(t)
	s.client.Transport = &http.Transport{DisableCompression: true}
	total := 0
	size := func(path string) []byte {
		res, err := s.client.Do(s.request(http.MethodGet, path, nil, "Accept-Encoding", "gzip"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", path, res.StatusCode, err)
		}
		total += len(data)
		if res.Header.Get("Content-Encoding") == "gzip" {
			r, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if data, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		return data
	}
	html := size(conn)
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(html))
	if err != nil {
		t.Fatal(err)
	}
	style, _ := doc.Find("link[rel=stylesheet]").Attr("href")
	script, _ := doc.Find("script").Attr("src")
	css := string(size(style))
	size(script)
	for rest := css; ; {
		_, after, ok := strings.Cut(rest, "url(")
		if !ok {
			break
		}
		name, tail, _ := strings.Cut(after, ")")
		rest = tail
		if name = strings.Trim(name, `"'./`); strings.HasSuffix(name, ".woff2") && !strings.Contains(name, "latin-ext") {
			size("/assets/" + name)
		}
	}
	if total > 200_000 {
		t.Errorf("the first load costs %d bytes", total)
	}
	t.Logf("the first load costs %d bytes", total)
}

func TestRequestLogNamesNoContent(t *testing.T) {
	s, conn := owned(t)
	s.get(conn + "/catalog/question/101?tab=sql")
	s.get(conn + "/catalog?q=customer+secrets")
	s.get("/setup?token=abc")
	log := s.logs.String()
	for _, word := range []string{"customer", "secrets", "101", "token", "abc", conn} {
		if strings.Contains(log, word) {
			t.Errorf("the log holds %q:\n%s", word, log)
		}
	}
	if !strings.Contains(log, "area=c/catalog") {
		t.Errorf("log: %s", log)
	}
}

func TestForwardedAddressCountsFromTrustedProxiesOnly(t *testing.T) {
	for name, tc := range map[string]struct {
		trusted []netip.Prefix
		want    string
	}{
		"untrusted": {nil, "127.0.0.1"},
		"trusted":   {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}, "203.0.113.9"},
	} {
		b := webtest.New()
		s := newSite(t, b, func(c *web.Config) { c.TrustedProxies = tc.trusted })
		if _, err := b.AddOwner(t.Context(), s.auth); err != nil {
			t.Fatal(err)
		}
		form := url.Values{"email": {webtest.OwnerEmail}, "password": {webtest.OwnerPassword}}
		s.do(s.request(http.MethodPost, "/login", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", "198.51.100.1, 203.0.113.9, 10.1.2.3"))
		if a := s.get("/account"); !strings.Contains(a.see("session"), tc.want) {
			t.Errorf("%s: sessions %q, want %s", name, a.see("session"), tc.want)
		}
	}
}

func TestMultipleConnectionsSwitch(t *testing.T) {
	b := webtest.New()
	first, second := b.AddCompany(), b.AddCompany()
	s := newSite(t, b)
	s.owner()
	if a := s.get("/"); a.header.Get("Location") != "/c/"+string(first.ID) {
		t.Errorf("home is %s", a.header.Get("Location"))
	}
	s.get("/c/" + string(second.ID))
	if a := s.get("/"); a.header.Get("Location") != "/c/"+string(second.ID) {
		t.Errorf("home is %s after looking at the second", a.header.Get("Location"))
	}
	if n := s.get("/account").doc.Find(".switcher .menu-panel a[href^='/c/']").Length(); n != 2 {
		t.Errorf("the switcher offers %d connections", n)
	}
}
