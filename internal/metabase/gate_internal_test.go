package metabase

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func send(g *gate, req *http.Request) error {
	resp, err := g.RoundTrip(req)
	if err == nil {
		return resp.Body.Close()
	}
	return err
}

// TestGateFailsClosed forges requests that no method of the client can form:
// none may reach the transport beneath.
func TestGateFailsClosed(t *testing.T) {
	site, _ := url.Parse("https://mb.example/sub")
	reached := 0
	g := &gate{
		site: site, allowed: routes(), auth: Auth{Kind: AuthAPIKey, Secret: secret.New("k")},
		stats: catalog.RequestStats{ByRoute: map[string]int{}},
		next: roundTripFunc(func(r *http.Request) (*http.Response, error) {
			reached++
			return nil, errors.New("sent")
		}),
	}
	const base = "https://mb.example/sub"
	for _, bad := range []struct{ method, address string }{
		{"POST", base + "/api/card"},
		{"PUT", base + "/api/card/1"},
		{"DELETE", base + "/api/card/1"},
		{"HEAD", base + "/api/card/1"},
		{"GET", base + "/api/card/1/query"},
		{"GET", base + "/api/card/1/query/json"},
		{"GET", base + "/api/card/public"},
		{"GET", base + "/api/table/1/data"},
		{"GET", base + "/api/field/1/values"},
		{"GET", base + "/api/setting"},
		{"GET", base + "/api/session/properties/x"},
		{"GET", base + "/api/collection/trash/items/../../../user"},
		{"GET", base + "/api/card/..%2f..%2fsetting"},
		{"GET", base + "/api/card/1%2fquery"},
		{"GET", base + "/api/document/1"},
		{"GET", base + "/api/database/1/healthcheck"},
		{"GET", base + "/api/card?f=all&stray=1"},
		{"GET", base + "/api/card/1?legacy-mbql=true"},
		{"GET", base + "x/api/card"},
		{"GET", "https://mb.example/api/card"},
		{"GET", "https://mb.example/"},
		{"GET", "http://mb.example/sub/api/card"},
		{"GET", "https://mb.example:8443/sub/api/card"},
		{"GET", "https://evil.example/sub/api/card"},
		{"GET", "https://mb.example.evil.example/sub/api/card"},
		{"GET", "https://user:pw@mb.example/sub/api/card"},
	} {
		req, err := http.NewRequest(bad.method, bad.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := send(g, req); errs.CodeOf(err) != codeNotAllowed {
			t.Errorf("%s %s: %v, want a refusal", bad.method, bad.address, err)
		}
	}
	body, _ := http.NewRequest(http.MethodGet, base+"/api/card", strings.NewReader("x"))
	if err := send(g, body); errs.CodeOf(err) != codeNotAllowed {
		t.Errorf("a body passed: %v", err)
	}
	host, _ := http.NewRequest(http.MethodGet, base+"/api/card", nil)
	host.Host = "evil.example"
	if err := send(g, host); errs.CodeOf(err) != codeNotAllowed {
		t.Errorf("a foreign Host header passed: %v", err)
	}
	if reached != 0 {
		t.Fatalf("%d forged requests were sent", reached)
	}
	for _, good := range []string{
		"/api/card?f=all", "/api/card/12?ignore_view=true", "/api/card/AbCdEfGhIjKlMnOpQrS_-", "/api/dashboard/3",
		"/api/collection/root/items?limit=10&offset=0", "/api/database/2/metadata?include_hidden=true", "/api/dashboard/",
	} {
		before := reached
		req, _ := http.NewRequest(http.MethodGet, base+good, nil)
		_ = send(g, req)
		if reached != before+1 {
			t.Errorf("%s was refused", good)
		}
	}
}

// TestEveryRouteIsSafe compares the allow-list with the deny list of the API
// reference.
func TestEveryRouteIsSafe(t *testing.T) {
	for _, r := range routes() {
		for _, never := range []string{
			"/data", "/values", "/search", "/summary", "/params", "/healthcheck", "/syncable_schemas", "/query", "/pivot", "/preview",
			"automagic", "/tiles", "/public", "/embed", "/execute", "/agent", "inspect", "/setting", "/channel", "/geojson", "/logger", "/task", "/login-history",
		} {
			if strings.Contains(strings.TrimPrefix(r.pattern, "/api/database"), never) {
				t.Errorf("%s contains %s", r.pattern, never)
			}
		}
		if strings.Contains(r.pattern, ":id") != (r.param != 0) {
			t.Errorf("%s: parameter kind does not fit", r.pattern)
		}
	}
}

func TestRequestValidatesIDs(t *testing.T) {
	for _, bad := range []string{"", "1/2", "..", "-1", "1.5", "1?x=1", "abc", "１", "99999999999999999999", "trash"} {
		if _, err := routeCard.request(bad); err == nil {
			t.Errorf("card id %q was accepted", bad)
		}
	}
	if _, err := routeCards.request("", "stray", "1"); err == nil {
		t.Error("an unknown query key was accepted")
	}
	req, err := routeCollectionItems.request("root", "limit", "5")
	if err != nil || req.path != "/api/collection/root/items" || req.query.Get("limit") != "5" {
		t.Errorf("%+v %v", req, err)
	}
}

func TestMaskSQL(t *testing.T) {
	m := &masker{key: secret.New("k")}
	h := m.text
	n := func(s string) string { return string(m.number(s)) }
	for _, tc := range []struct {
		name, engine, in, want string
	}{
		{"strings and numbers", "postgres", `select * from t where a = 'Jane' and b > 1042`, `select * from t where a = '` + h("Jane") + `' and b > ` + n("1042")},
		{"escaped quote", "postgres", `select 'O''Hara'`, `select '` + h("O''Hara") + `'`},
		{"backslash in mysql", "mysql", `select 'a\'b', "c"`, `select '` + h(`a\'b`) + `', "` + h("c") + `"`},
		{"identifier stays", "postgres", `select "Jane Doe" from t`, `select "Jane Doe" from t`},
		{"backticks stay", "mysql", "select `a 1` from t", "select `a 1` from t"},
		{"limit and ordinals", "postgres", `select a, b from t group by 1, 2 order by 2 desc, 1 limit 50 offset 100`, `select a, b from t group by 1, 2 order by 2 desc, 1 limit 50 offset 100`},
		{"zero and one", "postgres", `select 1 where 1 = 1 and x / 0`, `select 1 where 1 = 1 and x / 0`},
		{"type lengths", "postgres", `select a::numeric(10,2), b::varchar(255)`, `select a::numeric(10,2), b::varchar(255)`},
		{"comments emptied", "postgres", "select 1 -- Jane's key\n/* call 555-1234 */ from t", "select 1 --\n/**/ from t"},
		{"nested comment", "postgres", "/* a /* b */ secret */ select 1", "/**/ select 1"},
		{"hash comment", "mysql", "select 1 # Jane\nfrom t", "select 1 --\nfrom t"},
		{"tags stay", "postgres", `select * from {{#12-orders}} where {{created}} [[and r = {{region}}]] and {{snippet: not test}}`, `select * from {{#12-orders}} where {{created}} [[and r = {{region}}]] and {{snippet: not test}}`},
		{"tag inside a string", "postgres", `where a like '%{{q}}%' and b = 'x{{y}}'`, `where a like '%{{q}}%' and b = '` + h("x") + `{{y}}'`},
		{"wildcards stay", "postgres", `a like '%jane%'`, `a like '%` + h("jane") + `%'`},
		{"units and formats", "postgres", `date_trunc('month', d), to_char(d, 'YYYY-MM-DD'), interval '30 days'`, `date_trunc('month', d), to_char(d, 'YYYY-MM-DD'), interval '30 days'`},
		{"json keys", "postgres", `data->>'email', data -> 'a', x > 'b'`, `data->>'email', data -> 'a', x > '` + h("b") + `'`},
		{"dollar quotes", "postgres", `select $$secret$$, $f$a $$ b$f$`, `select $$` + h("secret") + `$$, $f$` + h("a $$ b") + `$f$`},
		{"numbers of all shapes", "postgres", `x in (42, 3.14, 1e6, 0xFF)`, `x in (` + n("42") + `, ` + n("3.14") + `, ` + n("1e6") + `, ` + n("0xFF") + `)`},
		{"unterminated string", "postgres", `select 'secret`, `select '` + h("secret") + `'`},
		{"unterminated comment", "postgres", `select 1 /* secret`, `select 1 /**/`},
		{"unterminated identifier", "postgres", `select "secret`, `select "` + h("secret")},
		{"emoji", "postgres", `select '😀' as ü`, `select '` + h("😀") + `' as ü`},
		{"date", "postgres", `where d >= '2024-01-31'`, `where d >= '` + h("2024-01-31") + `'`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := m.sql(tc.in, flavourOf(tc.engine)); got != tc.want {
				t.Errorf("\n in %s\ngot %s\nwant %s", tc.in, got, tc.want)
			}
		})
	}
	if other := (&masker{key: secret.New("other")}).text("a"); other == m.text("a") {
		t.Error("the hash does not depend on the key")
	}
}

func FuzzMaskSQL(f *testing.F) {
	for _, s := range []string{`select 'a' from t -- x`, `{{`, `/*`, `'`, `$a$`, "`", `E'\'`, `1e`, `"`, `[[ {{a}} ]]`} {
		f.Add(s, "postgres")
		f.Add(s, "mysql")
	}
	m := &masker{key: secret.New("k")}
	f.Fuzz(func(t *testing.T, in, engine string) {
		if len(in) > 10_000 {
			return
		}
		const canary = "canary7"
		out := m.sql("select '"+canary+"' from t where "+in, flavourOf(engine))
		if strings.Contains(out, canary) && !strings.Contains(in, canary) {
			t.Errorf("%q survived in %q", canary, out)
		}
	})
}

func TestParseVersion(t *testing.T) {
	for _, tc := range []struct {
		tag     string
		major   int
		edition string
	}{
		{"v0.58.2", 58, "oss"},
		{"v1.58.2", 58, "enterprise"},
		{"v0.59.0-beta", 59, "oss"},
		{"0.46", 46, "oss"},
		{"v1.50.36.5", 50, "enterprise"},
		{"vUNKNOWN", 0, ""},
		{"v2026-nightly", 0, ""},
		{"", 0, ""},
		{"v9.1", 0, ""},
		{"v0.64-SNAPSHOT", 64, "oss"},
	} {
		if major, edition := parseVersion(tc.tag); major != tc.major || edition != tc.edition {
			t.Errorf("%q: %d %q, want %d %q", tc.tag, major, edition, tc.major, tc.edition)
		}
	}
}

func TestSiteOf(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"https://mb.example", "https://mb.example"},
		{" https://MB.example/ ", "https://mb.example"},
		{"mb.example/metabase", "https://mb.example/metabase"},
		{"localhost:3000", "http://localhost:3000"},
		{"127.0.0.1:3000/", "http://127.0.0.1:3000"},
		{"https://mb.example/api", "https://mb.example"},
		{"https://mb.example/sub/api/", "https://mb.example/sub"},
		{"https://mb.example/sub/dashboard/12-sales?tab=1#x", "https://mb.example/sub"},
		{"https://mb.example/question/3", "https://mb.example"},
		{"https://[::1]:3000/x", "https://[::1]:3000/x"},
	} {
		u, err := siteOf(tc.in)
		if err != nil || u.String() != tc.want {
			t.Errorf("%q: %v %v, want %s", tc.in, u, err, tc.want)
		}
	}
	for _, bad := range []string{"", "ftp://x", "https://", "https://u:p@mb.example", "https://mb.example/a/../b", "https://%zz", "mailto:x@y"} {
		if u, err := siteOf(bad); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%q: %v %v, want invalid", bad, u, err)
		}
	}
}
