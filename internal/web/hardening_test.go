package web_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/webtest"
)

// everyHeader are the security headers of every answer, page, file or error.
func everyHeader() map[string]string {
	return map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp",
		"X-Robots-Tag": "noindex, nofollow",
	}
}

// armed fails when an answer lacks a header, may be kept by a cache, or sets a
// cookie that scripts or other sites can use.
func armed(t *testing.T, what string, a answer, secure bool) {
	t.Helper()
	for name, want := range everyHeader() {
		if got := a.header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %s is %q", what, name, got)
		}
	}
	if a.header.Get("Permissions-Policy") == "" || a.header.Get("X-Request-Id") == "" {
		t.Errorf("%s: headers %v", what, a.header)
	}
	if got := a.header.Get("Strict-Transport-Security"); secure != (got == "max-age=31536000") {
		t.Errorf("%s: HSTS is %q", what, got)
	}
	if !strings.Contains(a.header.Get("Cache-Control"), "no-store") && !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s: Cache-Control is %q (status %d)", what, a.header.Get("Cache-Control"), a.status)
	}
	for _, line := range a.header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil || !c.HttpOnly || c.Secure != secure && c.Name != auth.CookieName(false) || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s: cookie %s", what, line)
		}
	}
}

// TestEveryAnswerIsArmed asks every route of the table in every state: as
// nobody, as the owner, with the wrong method, from another site, under another
// name; and what is no route.
func TestEveryAnswerIsArmed(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s, conn := owned(t, func(c *web.Config) { c.Secure = secure })
		nobody := newSite(t, webtest.New(), func(c *web.Config) { c.Secure = secure })
		paths := []string{"POST /nowhere", "GET /nowhere", "GET /assets/none.js", "GET /healthz", "GET /readyz", "PUT /login", "DELETE " + conn, "GET //", "GET /c/none", "GET /c/none/findings"}
		for _, pattern := range web.Patterns() {
			method, path := concrete(pattern, conn)
			if !strings.HasSuffix(path, "/events") { // a stream, asked below
				paths = append(paths, method+" "+path, "TRACE "+path)
			}
		}
		for _, p := range paths {
			method, path, _ := strings.Cut(p, " ")
			if strings.Contains(path, "logout") {
				continue // the other pages need the login
			}
			armed(t, "nobody: "+p, nobody.do(nobody.request(method, path, nil, "Sec-Fetch-Site", "same-origin")), secure)
			armed(t, "owner: "+p, s.do(s.request(method, path, nil, "Sec-Fetch-Site", "same-origin")), secure)
			armed(t, "another site: "+p, s.do(s.request(method, path, nil, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")), secure)
			armed(t, "another name: "+p, s.do(s.request(method, path, nil, "Host", "evil.example")), secure)
			armed(t, "for htmx: "+p, s.do(s.request(method, path, nil, "HX-Request", "true", "HX-Target", "main", "Sec-Fetch-Site", "same-origin")), secure)
		}
	}
}

// TestEveryFormIsOurs posts to every route as a browser would from elsewhere:
// each is refused before it does anything. Reading changes nothing.
func TestEveryFormIsOurs(t *testing.T) {
	s, conn := owned(t)
	posts := 0
	for _, pattern := range web.Patterns() {
		method, path := concrete(pattern, conn)
		if method == http.MethodGet || method == http.MethodHead {
			continue
		}
		posts++
		for name, headers := range map[string][]string{
			"cross-site":                 {"Sec-Fetch-Site", "cross-site"},
			"a sibling":                  {"Sec-Fetch-Site", "same-site"},
			"cross-site, our origin":     {"Sec-Fetch-Site", "cross-site", "Origin", s.server.URL},
			"an old browser":             {"Origin", "https://evil.example"},
			"a sandbox":                  {"Origin", "null"},
			"another port":               {"Origin", "http://127.0.0.1:1"},
			"our name without the port":  {"Origin", "http://127.0.0.1"},
			"a name that begins as ours": {"Origin", s.server.URL + ".evil.example"},
		} {
			a := s.do(s.request(method, path, strings.NewReader("x=1"), append(headers, "Content-Type", "application/x-www-form-urlencoded")...))
			if a.status != http.StatusForbidden || a.header.Get("Set-Cookie") != "" {
				t.Errorf("%s from %s: %d", pattern, name, a.status)
			}
		}
	}
	if posts < 15 {
		t.Errorf("only %d routes take forms", posts)
	}
}

// reflected are texts that become markup, script or header where a page is
// careless.
func reflected() []string {
	return []string{
		`"><script>zqhostile(1)</script>`, `'><img src=x onerror=zqhostile(2)>`, `</textarea></title><svg/onload=zqhostile(3)>`, `" autofocus onfocus="zqhostile(4)" data-zqhostile="`,
		`javascript:zqhostile(5)`, "x\r\nSet-Cookie: zqhostile=6\r\n\r\n<b>", `{{zqhostile}}${zqhostile}`, "\x00\u202ezqhostile", `//zqhostile.example/`, `/\zqhostile.example`, `https://zqhostile.example/`,
	}
}

// parameters lists the names of query parameters that pages use, found in the
// forms and links of all pages, and some that careless pages would use.
func parameters(s *site, conn string) []string {
	names := map[string]bool{"next": true, "return": true, "redirect": true, "url": true, "q": true, "error": true, "token": true, "tab": true, "page": true, "cursor": true}
	for _, pattern := range web.Patterns() {
		method, path := concrete(pattern, conn)
		if method != http.MethodGet || strings.HasSuffix(path, "/events") {
			continue
		}
		a := s.get(path)
		a.doc.Find("input[name], select[name], textarea[name]").Each(func(_ int, e *goquery.Selection) { names[e.AttrOr("name", "")] = true })
		a.doc.Find("a[href]").Each(func(_ int, e *goquery.Selection) {
			if u, err := url.Parse(e.AttrOr("href", "")); err == nil {
				for name := range u.Query() {
					names[name] = true
				}
			}
		})
	}
	list := make([]string, 0, len(names))
	for name := range names {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// TestNothingIsReflected puts hostile texts into every parameter of every route,
// and into the path where it has a part of its own.
func TestNothingIsReflected(t *testing.T) {
	s, conn := owned(t)
	names := parameters(s, conn)
	if len(names) < 20 {
		t.Fatalf("only %d parameters: %v", len(names), names)
	}
	asked := 0
	for _, pattern := range web.Patterns() {
		method, path := concrete(pattern, conn)
		if method != http.MethodGet || strings.HasSuffix(path, "/events") {
			continue
		}
		for round, text := range reflected()[:4] {
			query := url.Values{}
			for i, name := range names { // each name gets another text in each round
				query.Set(name, reflected()[(3*round+i)%len(reflected())])
			}
			asked++
			clean(t, pattern+" with "+text, s.get(path+"?"+query.Encode()))
			if _, raw, _ := strings.Cut(pattern, " "); strings.Contains(strings.ReplaceAll(raw, "{conn}", ""), "{") && !strings.HasSuffix(raw, "{$}") {
				odd := strings.NewReplacer("{conn}", strings.TrimPrefix(conn, "/c/"), "{scan}", url.PathEscape(text), "{id}", url.PathEscape(text), "{kind}", url.PathEscape(text), "{fingerprint}", url.PathEscape(text)).Replace(raw)
				clean(t, odd, s.get(odd))
			}
		}
	}
	clean(t, "no page", s.get("/"+url.PathEscape(reflected()[0])))
	t.Logf("%d requests with %d parameters each", asked, len(names))
}

// clean fails when a hostile text became more than text.
func clean(t *testing.T, what string, a answer) {
	t.Helper()
	if a.status >= http.StatusInternalServerError {
		t.Errorf("%s: %d", what, a.status)
	}
	for name, values := range a.header {
		for _, v := range values {
			if strings.EqualFold(name, "Set-Cookie") && strings.HasPrefix(v, "zqhostile") || strings.ContainsAny(v, "\r\n\x00") {
				t.Errorf("%s: header %s: %q", what, name, v)
			}
		}
	}
	for _, name := range []string{"Location", "HX-Redirect"} {
		if to := a.header.Get(name); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`)) {
			t.Errorf("%s: %s leads to %q", what, name, to)
		}
	}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		return
	}
	a.doc.Find("*").Each(func(_ int, e *goquery.Selection) {
		tag := goquery.NodeName(e)
		for _, attr := range e.Nodes[0].Attr {
			value := strings.ToLower(strings.TrimSpace(attr.Val))
			link := attr.Key == "href" || attr.Key == "src" || attr.Key == "action" || attr.Key == "formaction" || strings.HasPrefix(attr.Key, "hx-get") || strings.HasPrefix(attr.Key, "hx-post")
			if strings.HasPrefix(attr.Key, "on") || attr.Key == "style" || strings.Contains(attr.Key, "zqhostile") ||
				link && (strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "//") || strings.HasPrefix(value, `/\`) || strings.HasPrefix(value, "https://zqhostile")) {
				t.Errorf("%s: <%s %s=%q>", what, tag, attr.Key, attr.Val)
			}
		}
		if tag == "script" && e.AttrOr("src", "") == "" || tag == "style" || tag == "iframe" || tag == "base" || tag == "object" || e.AttrOr("src", "") == "x" {
			t.Errorf("%s: a foreign <%s>", what, tag)
		}
	})
}

// TestRedirectsStayHere logs in and changes the theme with every trick that
// leads a browser elsewhere.
func TestRedirectsStayHere(t *testing.T) {
	s, _ := owned(t)
	for _, next := range []string{
		"https://evil.example/", "//evil.example", `/\evil.example`, `\\evil.example`, "/\t/evil.example", "/\n/evil.example", "javascript:alert(1)", "http:evil.example", "///evil.example",
		"/%09/evil.example", " //evil.example", "https:/evil.example", "/..//evil.example", "data:text/html,x", "@evil.example", "/@evil.example", "//evil.example%2f@localhost",
	} {
		for _, a := range []answer{
			s.post("/theme", "theme", "dark", "next", next),
			s.post("/login?next="+url.QueryEscape(next), "email", webtest.OwnerEmail, "password", webtest.OwnerPassword, "next", next),
			s.get("/login?next=" + url.QueryEscape(next)),
		} {
			to := a.header.Get("Location")
			u, err := url.Parse(strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(to))
			if err != nil || u.Host != "" || u.Scheme != "" || strings.HasPrefix(u.Path, "//") {
				t.Errorf("%q leads to %q", next, to)
			}
		}
	}
}

// TestLoginGivesANewSession: a session that somebody planted before the login is
// worth nothing after it, and a logout ends what was.
func TestLoginGivesANewSession(t *testing.T) {
	s, conn := owned(t)
	s.forget()
	s.get("/login")
	before := session(s)
	s.login()
	after := session(s)
	if after == "" || after == before {
		t.Errorf("the session is the same before and after the login")
	}
	asked := func(token string) int {
		req := s.request(http.MethodGet, conn, nil)
		s.forget()
		req.AddCookie(&http.Cookie{Name: auth.CookieName(false), Value: token})
		return s.do(req).status
	}
	if before != "" {
		if got := asked(before); got != http.StatusSeeOther {
			t.Errorf("the session from before the login answers %d", got)
		}
	}
	for _, planted := range []string{"attacker", strings.Repeat("A", 43), ""} {
		if got := asked(planted); got != http.StatusSeeOther {
			t.Errorf("a planted session answers %d", got)
		}
	}
}

func session(s *site) string {
	u, err := url.Parse(s.server.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range s.client.Jar.Cookies(u) {
		if c.Name == auth.CookieName(false) {
			return c.Value
		}
	}
	return ""
}

// TestEgressAddressIsShown tells whoever keeps a firewall what to let in, where
// the operator says so.
func TestEgressAddressIsShown(t *testing.T) {
	fixed, conn := owned(t, func(c *web.Config) {
		c.Egress = []netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")}
	})
	loose, _ := owned(t)
	for _, path := range []string{"/connections", "/connections/new", "/connections/" + strings.TrimPrefix(conn, "/c/")} {
		if got := fixed.get(path).see("egress-address"); !strings.Contains(got, "203.0.113.7 or 2001:db8::7") {
			t.Errorf("%s: %q", path, got)
		}
		if loose.get(path).count("egress-address") != 0 {
			t.Errorf("%s shows an egress address that is not configured", path)
		}
	}
}
