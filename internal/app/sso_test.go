package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/sso/ssotest"
)

// signOnWorld is the whole program beside a real identity provider.
type signOnWorld struct {
	*program
	issuer string
	loaded *config.Loaded
}

func bootSignOn(t *testing.T, more ...string) *signOnWorld {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // closed at once: the provider must know the port before
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w := &signOnWorld{}
	w.issuer = ssotest.Start(t, ssotest.Options{
		ClientID: "metalens", ClientSecret: "a-secret-of-thirty-two-characters", Redirect: "http://" + listen + "/login/sso/callback", PostLogout: "http://" + listen + "/login",
		People: map[string]ssotest.Person{
			"vic":   {Email: "vic@example.com", EmailVerified: true, Name: "Vic <b>Tor</b>", Groups: []string{"analysts"}},
			"una":   {Email: "una@example.com", EmailVerified: false, Name: "Una"},
			"eve":   {Email: "eve@elsewhere.example", EmailVerified: true, Name: "Eve"},
			"boss":  {Email: "boss@example.com", EmailVerified: true, Name: "Boss", Groups: []string{"data"}},
			"owner": {Email: "ada@example.com", EmailVerified: true, Name: "Ada"},
		},
	})
	w.loaded, err = config.Load(config.Inputs{DefaultData: filepath.Join(t.TempDir(), "data"), Environ: append([]string{
		"METALENS_LISTEN=" + listen, "METALENS_LOG_LEVEL=warn", "METALENS_OIDC_ISSUER=" + w.issuer, "METALENS_OIDC_CLIENT_ID=metalens",
		"METALENS_OIDC_CLIENT_SECRET=a-secret-of-thirty-two-characters", "METALENS_OIDC_NAME=Example ID", "METALENS_OIDC_ALLOWED_DOMAINS=example.com",
		"METALENS_OIDC_SCOPES=groups", "METALENS_OIDC_GROUPS_CLAIM=groups", "METALENS_OIDC_ROLE_MAP=analysts=editor,data=admin", "METALENS_OIDC_TRUST_MFA=claims",
	}, more...)})
	if err != nil {
		t.Fatal(err)
	}
	w.program = boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, w.loaded) })
	return w
}

// browser forgets who is logged in.
func (w *signOnWorld) browser() {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.client = &http.Client{Jar: jar, Timeout: 30 * time.Second}
}

// visit opens an address with whatever status, and says where it ended.
func (w *signOnWorld) visit(address string, form url.Values) (status int, at *url.URL, page string) {
	w.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = w.address + address
	}
	var resp *http.Response
	var err error
	if form == nil {
		resp, err = w.client.Get(address)
	} else {
		resp, err = w.client.PostForm(address, form)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Request.URL, string(raw)
}

// signIn goes through the login at the provider.
func (w *signOnWorld) signIn(person string, otp bool) (status int, at *url.URL, page string) {
	w.t.Helper()
	_, at, page = w.visit("/login/sso?next=%2Faccount", nil)
	if !strings.HasPrefix(at.String(), w.issuer+"/interaction/") {
		w.t.Fatalf("not at the provider but %s:\n%s\n%s", at, page, w.stderr)
	}
	form := url.Values{"login": {person}, "do": {"login"}}
	if person == "" {
		form = url.Values{"do": {"cancel"}}
	}
	if otp {
		form.Set("otp", "1")
	}
	return w.visit(at.String(), form)
}

func (w *signOnWorld) problem(what string, wantStatus int, code string, status int, page string) {
	w.t.Helper()
	if status != wantStatus || !strings.Contains(page, `data-code="`+code+`"`) {
		w.t.Errorf("%s: %d, want %d with %s:\n%s\n%s", what, status, wantStatus, code, page, w.stderr)
	}
	for _, leak := range []string{"a-secret-of-thirty-two", "oidc:", "<b>cancelled"} {
		if strings.Contains(page, leak) {
			w.t.Errorf("%s: the page shows %q", what, leak)
		}
	}
}

func (w *signOnWorld) setUp() {
	w.t.Helper()
	token := regexp.MustCompile(`/setup\?token=(\S+)`).FindStringSubmatch(w.stderr.String())
	if token == nil {
		w.t.Fatalf("no setup link:\n%s", w.stderr)
	}
	setup, err := url.QueryUnescape(token[1])
	if err != nil {
		w.t.Fatal(err)
	}
	w.enrol(w.answer(http.MethodPost, "/setup", url.Values{
		"token": {setup}, "name": {"Ada"}, "email": {"ada@example.com"}, "password": {"a long enough passphrase 9"}, "organization": {"Acme"},
	}))
}

// call asks the API.
func (w *signOnWorld) call(method, path, bearer string, into any) int {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.address+"/api/v1"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.Header.Get("X-Request-Id") == "" || resp.Header.Get("Access-Control-Allow-Origin") != "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		w.t.Errorf("%s: headers %v", path, resp.Header)
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			w.t.Fatalf("%s: %d %.500s", path, resp.StatusCode, raw)
		}
	}
	return resp.StatusCode
}

// TestSignOn walks through single sign-on, access tokens and the API in the
// whole program.
func TestSignOn(t *testing.T) {
	w := bootSignOn(t)
	if _, at, _ := w.visit("/login/sso", nil); at.Path != "/setup" {
		t.Errorf("before the first run: %s", at)
	}
	w.setUp()
	conn := w.sample()

	t.Run("who may not come in", func(t *testing.T) {
		for person, code := range map[string]string{"una": "sso_unverified", "eve": "sso_no_account"} {
			w.browser()
			status, _, page := w.signIn(person, false)
			w.problem(person, http.StatusForbidden, code, status, page)
			if text := w.get("/login"); !strings.Contains(text, "Continue with") {
				t.Errorf("%s is logged in", person)
			}
		}
		w.browser()
		status, _, page := w.signIn("", false)
		w.problem("cancelled", http.StatusUnauthorized, "sso_cancelled", status, page)
	})
	t.Run("states", func(t *testing.T) {
		w.browser()
		status, _, page := w.visit("/login/sso/callback?code=x&state=y", nil)
		w.problem("no login was begun", http.StatusUnauthorized, "sso_state", status, page)
		// A login begun in one browser does not go on in another.
		_, at, _ := w.visit("/login/sso", nil)
		w.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), w.address) {
				return http.ErrUseLastResponse
			}
			return nil
		}
		resp, err := w.client.PostForm(at.String(), url.Values{"login": {"vic"}, "do": {"login"}})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		callback := resp.Header.Get("Location")
		if !strings.HasPrefix(callback, w.address+"/login/sso/callback?") {
			t.Fatalf("sent to %q", callback)
		}
		victim := w.client
		w.browser()
		status, _, page = w.visit(callback, nil)
		w.problem("another browser", http.StatusUnauthorized, "sso_state", status, page)
		w.client = victim
		w.client.CheckRedirect = nil
		if _, at, _ := w.visit(callback, nil); at.Path != "/" && !strings.HasPrefix(at.Path, "/c/") {
			t.Errorf("its own browser ends at %s", at)
		}
		w.client.CheckRedirect = nil
		status, _, page = w.visit(callback, nil)
		w.problem("a second time", http.StatusUnauthorized, "sso_state", status, page)
	})
	t.Run("a member by domain and group", func(t *testing.T) {
		w.browser()
		status, at, page := w.signIn("vic", false)
		if status != http.StatusOK || at.Path != "/account" || !strings.Contains(page, "vic@example.com") || !strings.Contains(page, "editor") || strings.Contains(page, "<b>Tor") {
			t.Fatalf("%d at %s:\n%s", status, at, page)
		}
		w.tokens(conn)
		if _, at, page := w.visit("/logout", url.Values{}); at.String() != w.address+"/login?out=1" || !strings.Contains(page, "/login/sso/logout") {
			t.Errorf("logged out to %s", at)
		}
		if _, at, _ := w.visit("/login/sso/logout", nil); !strings.HasPrefix(at.String(), w.issuer+"/session/end") {
			t.Errorf("the provider's logout is at %s", at)
		}
	})
	t.Run("an admin's second factor", func(t *testing.T) {
		w.browser()
		if _, _, page := w.signIn("boss", false); !strings.Contains(page, "totp-secret") {
			t.Errorf("an admin comes in by a password alone:\n%s", page)
		}
		w.browser()
		if _, at, page := w.signIn("boss", true); at.Path != "/account" || !strings.Contains(page, "boss@example.com") {
			t.Errorf("the provider's second factor does not count: %s\n%s", at, page)
		}
		if status, _, page := w.visit("/settings/sign-in", nil); status != http.StatusOK || !strings.Contains(page, w.issuer) || strings.Contains(page, "a-secret-of") {
			t.Errorf("the settings page: %d\n%s", status, page)
		}
	})
	t.Run("an owner has a factor of his own", func(t *testing.T) {
		w.browser()
		if _, at, page := w.signIn("owner", false); at.Path != "/login/factor" {
			t.Errorf("at %s:\n%s", at, page)
		}
	})
	t.Run("confirm with the provider", func(t *testing.T) {
		w.browser()
		w.signIn("boss", true)
		confirm := func(as string) (int, *url.URL, string) {
			t.Helper()
			_, at, page := w.visit("/confirm?next=%2Fsettings%2Fretention", nil)
			link := regexp.MustCompile(`data-testid="sso" href="([^"]+)"`).FindStringSubmatch(page)
			if link == nil {
				t.Fatalf("the page at %s offers no provider:\n%s", at, page)
			}
			// The provider knows this browser and asks again all the same.
			_, at, page = w.visit(html.UnescapeString(link[1]), nil)
			if !strings.HasPrefix(at.String(), w.issuer+"/interaction/") {
				t.Fatalf("not at the provider but %s:\n%s", at, page)
			}
			status, at, page := w.visit(at.String(), url.Values{"login": {as}, "do": {"login"}, "otp": {"1"}})
			// Before somebody else comes in, the provider ends the login it had.
			if end := regexp.MustCompile(`action="([^"]+/session/end/confirm)"[\s\S]*name="xsrf" value="([^"]+)"`).FindStringSubmatch(page); end != nil {
				return w.visit(end[1], url.Values{"xsrf": {end[2]}, "logout": {"yes"}})
			}
			return status, at, page
		}
		confirmed := func() int {
			t.Helper()
			_, _, rows := w.visit("/audit.jsonl?action=identity_confirmed", nil)
			return strings.Count(rows, "single sign-on")
		}
		before := confirmed()
		status, _, page := confirm("vic")
		w.problem("somebody else", http.StatusForbidden, "sso_other_person", status, page)
		if n := confirmed(); n != before {
			t.Errorf("somebody else's login confirmed: %d rows", n)
		}
		if status, at, page := confirm("boss"); status != http.StatusOK || at.Path != "/settings/retention" {
			t.Errorf("%d at %s:\n%s", status, at, page)
		}
		if n := confirmed(); n != before+1 {
			t.Errorf("%d rows of the audit log, %d before", n, before)
		}
	})
	t.Run("the ledger knows", func(t *testing.T) {
		w.browser()
		w.signIn("boss", true)
		_, _, page := w.visit("/egress", nil)
		if !strings.Contains(page, strings.TrimPrefix(w.issuer, "http://")) {
			t.Errorf("the provider is not in the egress ledger:\n%.3000s", page)
		}
		_, _, rows := w.visit("/egress.jsonl?purpose=oidc", nil)
		named := 0
		for line := range strings.Lines(rows) {
			// The secret goes to the token endpoint, and nowhere else.
			if has := strings.Contains(line, `"key_id":"oidc-client-secret:`); has != strings.Contains(line, `"method":"POST"`) {
				t.Errorf("the row names its key wrongly: %s", line)
			} else if has {
				named++
			}
		}
		if named == 0 {
			t.Errorf("no row names the client secret:\n%s", rows)
		}
	})
	t.Run("many beginnings", func(t *testing.T) {
		for n := range 200 {
			w.browser()
			w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			status, _, page := w.visit("/login/sso", nil)
			if status == http.StatusSeeOther {
				continue
			}
			if w.problem("a flood", http.StatusTooManyRequests, "throttled", status, page); n < 20 {
				t.Errorf("refused after %d logins", n)
			}
			return
		}
		t.Error("logins can be begun without end")
	})
	if strings.Contains(w.stderr.String(), "a-secret-of-thirty-two") || strings.Contains(w.stderr.String(), "mlp_") {
		t.Error("a secret is in the log")
	}
}

// sample scans the sample company and returns its connection.
func (w *signOnWorld) sample() string {
	w.t.Helper()
	page := w.answer(http.MethodPost, "/setup/sample", url.Values{})
	link := regexp.MustCompile(`/c/([0-9a-f-]+)/scans/([0-9a-f-]+)`).FindStringSubmatch(page)
	if link == nil {
		w.t.Fatalf("no link to the scan:\n%s", page)
	}
	w.get(link[0] + "/events") // ends with the scan
	return link[1]
}

// tokens makes a token on the page and uses it.
func (w *signOnWorld) tokens(conn string) {
	t := w.t
	t.Helper()
	if _, _, page := w.visit("/settings/tokens", nil); !strings.Contains(page, "No tokens yet") {
		t.Errorf("the empty page:\n%s", page)
	}
	status, _, page := w.visit("/settings/tokens", url.Values{"name": {"CI"}, "scope": {"read", "admin:read"}, "days": {"30"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, "error-scopes") {
		t.Errorf("an editor's token for admins: %d", status)
	}
	status, _, page = w.visit("/settings/tokens", url.Values{"name": {"CI"}, "scope": {"read", "scan"}, "days": {"30"}})
	text := regexp.MustCompile(`mlp_[a-z2-7]{13}_[A-Z2-7]{52}_[0-9a-f]{8}`).FindString(page)
	if status != http.StatusCreated || text == "" {
		t.Fatalf("%d:\n%s", status, page)
	}
	if _, _, page := w.visit("/settings/tokens", nil); strings.Contains(page, text) || !strings.Contains(page, "CI") {
		t.Error("the token is shown twice, or is not listed")
	}
	// The session's cookie opens nothing of the API.
	if status := w.call(http.MethodGet, "/me", "", nil); status != http.StatusUnauthorized {
		t.Errorf("by cookie: %d", status)
	}
	var me struct{ Email, Role string }
	if status := w.call(http.MethodGet, "/me", text, &me); status != http.StatusOK || me.Email != "vic@example.com" || me.Role != "editor" {
		t.Errorf("who am I: %d %+v", status, me)
	}
	base := "/connections/" + conn
	for _, path := range []string{
		"/connections", base, base + "/scans", base + "/findings?severity=high&severity=medium", base + "/assets?kind=dashboard", base + "/assets?q=revenue",
		base + "/duplicates", base + "/metrics", base + "/metrics/conflicts", base + "/egress",
	} {
		var list struct{ Items []map[string]any }
		if status := w.call(http.MethodGet, path, text, &list); status != http.StatusOK || path != base && len(list.Items) == 0 {
			t.Errorf("%s: %d with %d items", path, status, len(list.Items))
		}
	}
	var assets struct {
		Items []struct{ Kind, ID string }
	}
	w.call(http.MethodGet, base+"/assets?kind=table&limit=1", text, &assets)
	if len(assets.Items) != 1 {
		t.Fatal("no table")
	}
	table := url.PathEscape(assets.Items[0].ID)
	var lineage struct{ Downstream []any }
	if status := w.call(http.MethodGet, base+"/assets/table/"+table+"/lineage?depth=2", text, &lineage); status != http.StatusOK {
		t.Errorf("lineage: %d", status)
	}
	var affected struct{ Affected []any }
	if status := w.call(http.MethodGet, base+"/impact?ref="+url.QueryEscape("table:"+assets.Items[0].ID), text, &affected); status != http.StatusOK {
		t.Errorf("impact: %d", status)
	}
	var report struct {
		SchemaVersion int `json:"schema_version"`
		Assets        []any
		Findings      []any
		Lineage       struct{ Edges []any }
		Duplicates    []any
	}
	if status := w.call(http.MethodGet, base+"/report", text, &report); status != http.StatusOK || report.SchemaVersion != 1 || len(report.Assets) == 0 || len(report.Findings) == 0 || len(report.Lineage.Edges) == 0 || len(report.Duplicates) == 0 {
		t.Errorf("report: %d, %d assets, %d findings, %d edges", status, len(report.Assets), len(report.Findings), len(report.Lineage.Edges))
	}
	if status := w.call(http.MethodGet, "/audit", text, nil); status != http.StatusForbidden {
		t.Errorf("audit: %d", status)
	}
	var scan struct{ ID, State string }
	if status := w.call(http.MethodPost, base+"/scans", text, &scan); status != http.StatusAccepted || scan.ID == "" {
		t.Errorf("start a scan: %d %+v", status, scan)
	}
	id := strings.Split(text, "_")[1]
	if _, at, _ := w.visit("/settings/tokens/"+id+"/revoke", url.Values{}); at.Path != "/settings/tokens" {
		t.Errorf("revoked to %s", at)
	}
	if status := w.call(http.MethodGet, "/me", text, nil); status != http.StatusUnauthorized {
		t.Errorf("revoked: %d", status)
	}
}

// TestRequiredSignOn switches passwords off for members; the owner keeps his.
func TestRequiredSignOn(t *testing.T) {
	w := bootSignOn(t)
	w.setUp()
	w.answer(http.MethodPost, "/settings/sign-in/required", url.Values{"required": {"yes"}})
	if text := w.get("/settings/sign-in"); !strings.Contains(text, "must use single sign-on") {
		t.Errorf("the page does not say it:\n%s", text)
	}
	w.browser()
	if _, at, _ := w.visit("/login", url.Values{"email": {"ada@example.com"}, "password": {"a long enough passphrase 9"}}); at.Path != "/login/factor" {
		t.Errorf("the owner's password is worth nothing: %s", at)
	}
	w.browser()
	w.signIn("vic", false)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	// The operator gives the member a password: it does not help.
	var stdout, stderr output
	env := app.Env{Stdin: strings.NewReader("another long passphrase 7\n"), Stdout: &stdout, Stderr: &stderr, Now: time.Now}
	if err := app.UserReset(t.Context(), env, w.loaded, app.UserResetOptions{Email: "vic@example.com", PasswordFile: "-"}); err != nil {
		t.Fatal(err)
	}
	if err := app.UserUnlink(t.Context(), env, w.loaded, "vic@example.com"); err != nil || !strings.Contains(stderr.String(), "untied") {
		t.Errorf("%v: %s", err, stderr.String())
	}
	if err := app.TokenList(t.Context(), env, w.loaded, ""); err != nil {
		t.Error(err)
	}
	w.program = boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, w.loaded) })
	w.browser()
	status, _, page := w.visit("/login", url.Values{"email": {"vic@example.com"}, "password": {"another long passphrase 7"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, "asks for single sign-on") {
		t.Errorf("a member's password: %d\n%s", status, page)
	}
}

// TestDoctorAsksTheProvider finds what is wrong with single sign-on.
func TestDoctorAsksTheProvider(t *testing.T) {
	issuer := ssotest.Start(t, ssotest.Options{ClientID: "metalens", ClientSecret: "a-secret-of-thirty-two-characters", Redirect: "http://127.0.0.1:8300/login/sso/callback"})
	doctor := func(environ ...string) (string, error) {
		loaded, err := config.Load(config.Inputs{DefaultData: filepath.Join(t.TempDir(), "data"), Environ: environ})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err = app.Doctor(t.Context(), app.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Discard, Now: time.Now}, loaded, false)
		return out.String(), err
	}
	text, err := doctor("METALENS_OIDC_ISSUER="+issuer, "METALENS_OIDC_CLIENT_ID=metalens")
	if err != nil || !strings.Contains(text, "single sign-on at "+issuer+" answers") || !strings.Contains(text, "/login/sso/callback") {
		t.Errorf("%v:\n%s", err, text)
	}
	for name, environ := range map[string][]string{
		"another spelling": {"METALENS_OIDC_ISSUER=" + issuer + "/", "METALENS_OIDC_CLIENT_ID=metalens"},
		"nobody there":     {"METALENS_OIDC_ISSUER=http://127.0.0.1:1", "METALENS_OIDC_CLIENT_ID=metalens"},
		"no client":        {"METALENS_OIDC_ISSUER=" + issuer},
	} {
		if text, err := doctor(environ...); err == nil || !strings.Contains(text, "FAIL") {
			t.Errorf("%s: %v\n%s", name, err, text)
		} else {
			t.Log(fmt.Sprint(name, ": ", text))
		}
	}
}
