package app_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
)

const (
	opsEmail    = "ops@example.com"
	opsPassword = "quiet harbour lamp ferns"
)

func consoleConfig(t *testing.T, data string) *config.Loaded {
	t.Helper()
	loaded, err := config.Load(config.Inputs{DefaultData: data, Environ: []string{
		"METALENS_LISTEN=127.0.0.1:0", "METALENS_OPERATOR_LISTEN=127.0.0.1:0", "METALENS_LOG_LEVEL=warn", "METALENS_OPERATOR_METRICS_TOKEN=scraper-token-1",
		"METALENS_MAIL_PASSWORD=mail-password-1", "METALENS_SECURITY_CONTACT=mailto:security@example.com",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func consoleOf(t *testing.T, p *program) string {
	t.Helper()
	m := regexp.MustCompile(`Operator console: (\S+)`).FindStringSubmatch(p.stderr.String())
	if m == nil {
		t.Fatalf("no console:\n%s", p.stderr)
	}
	return m[1]
}

// visitor is a browser that does not follow redirects.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
	codes  string // the page of recovery codes
}

func visit(t *testing.T, base string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, base: base, client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (v *visitor) ask(method, path string, form url.Values, header ...string) (status int, location, body string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(raw)
}

func (v *visitor) page(path string) string {
	v.t.Helper()
	status, location, body := v.ask(http.MethodGet, path, nil)
	if status != http.StatusOK {
		v.t.Fatalf("GET %s: %d %s\n%s", path, status, location, body)
	}
	return body
}

// post sends a form and wants to be sent on.
func (v *visitor) post(path string, form url.Values) string {
	v.t.Helper()
	status, location, body := v.ask(http.MethodPost, path, form)
	if status != http.StatusSeeOther {
		v.t.Fatalf("POST %s: %d\n%s", path, status, body)
	}
	return location
}

// enrol adds an authenticator app and keeps the recovery codes.
func (v *visitor) enrol() {
	v.t.Helper()
	m := regexp.MustCompile(`data-testid="totp-secret">([A-Z2-7 ]+)<`).FindStringSubmatch(v.page("/account/factors/add"))
	if m == nil {
		v.t.Fatal("the page shows no key")
	}
	code, err := totp.GenerateCode(strings.ReplaceAll(m[1], " ", ""), time.Now())
	if err != nil {
		v.t.Fatal(err)
	}
	v.post("/account/factors/app", url.Values{"name": {"Phone"}, "code": {code}})
	v.codes = v.page("/account/recovery-codes")
	v.post("/account/recovery-codes/keep", url.Values{"kept": {"yes"}})
}

// TestOperatorConsole makes an operator on the command line, logs in to the
// console with a second factor, looks at every page and uses its switches.
func TestOperatorConsole(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(opsPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := &output{}
	env := app.Env{Stdin: strings.NewReader(""), Stdout: &output{}, Stderr: said, Now: time.Now}
	if err := app.OperatorAdd(t.Context(), env, consoleConfig(t, data), app.OperatorOptions{Email: opsEmail, PasswordFile: password}); err != nil {
		t.Fatal(err)
	}
	if err := app.OperatorAdd(t.Context(), env, consoleConfig(t, data), app.OperatorOptions{Email: "OPS@example.com", PasswordFile: password}); err == nil {
		t.Error("the address was given twice")
	}
	p := boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, consoleConfig(t, data)) })
	console := visit(t, consoleOf(t, p))
	login := url.Values{"email": {opsEmail}, "password": {opsPassword}}

	// The pages do not know operators, the console does not know strangers.
	if status, _, _ := visit(t, p.address).ask(http.MethodPost, "/login", login); status == http.StatusSeeOther {
		t.Error("an operator logged in to the members' pages")
	}
	for _, path := range []string{"/", "/organizations", "/jobs", "/storage", "/retention", "/controls", "/audit", "/egress", "/operators", "/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		if status, location, _ := console.ask(http.MethodGet, path, nil); status != http.StatusSeeOther || !strings.HasPrefix(location, "/login") {
			t.Errorf("a stranger got %d %s for %s", status, location, path)
		}
	}
	console.post("/login", login)
	if status, location, _ := console.ask(http.MethodGet, "/controls", nil); status != http.StatusSeeOther || !strings.HasPrefix(location, "/account/factors/add") {
		t.Errorf("without a second factor: %d %s", status, location)
	}
	if status, _, _ := console.ask(http.MethodPost, "/controls/log-level", url.Values{"level": {"debug"}}); status == http.StatusOK {
		t.Error("a switch worked without a second factor")
	}
	console.enrol()

	state := console.page("/")
	for _, want := range []string{"State of the installation", "sqlite", "Master key"} {
		if !strings.Contains(state, want) {
			t.Errorf("the state does not say %q", want)
		}
	}
	for _, path := range []string{"/organizations", "/jobs", "/storage", "/retention", "/controls", "/egress", "/audit", "/operators", "/debug/pprof/", "/debug/pprof/goroutine?debug=1"} {
		for _, hidden := range []string{"scraper-token-1", "mail-password-1", opsPassword} {
			if strings.Contains(console.page(path)+state, hidden) {
				t.Errorf("%s shows a secret", path)
			}
		}
	}
	console.post("/controls/stop", url.Values{"purpose": {"metabase"}, "why": {"key <b>lost</b>"}})
	if body := console.page("/controls"); !strings.Contains(body, "key &lt;b&gt;lost&lt;/b&gt;") {
		t.Error("the stop is not shown, or not as text")
	}
	console.post("/controls/log-level", url.Values{"level": {"error"}})
	audit := console.page("/audit")
	for _, want := range []string{"Operator added", "Traffic stopped", "Log level set", "Factor added"} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit log lacks %s", want)
		}
	}
	console.post("/controls/allow", url.Values{"purpose": {"metabase"}})

	scraper := visit(t, console.base)
	if status, _, body := scraper.ask(http.MethodGet, "/metrics", nil, "Authorization", "Bearer scraper-token-1"); status != http.StatusOK || !strings.Contains(body, "metalens_up 1") {
		t.Errorf("the scraper got %d %s", status, body)
	}
	if status, _, _ := scraper.ask(http.MethodGet, "/metrics", nil, "Authorization", "Bearer scraper-token-2"); status != http.StatusUnauthorized {
		t.Errorf("a wrong token got %d", status)
	}
	if !strings.Contains(p.get("/.well-known/security.txt"), "Contact: mailto:security@example.com\n") {
		t.Error("security.txt lacks the contact")
	}
}

// TestNoOperatorNoConsole keeps the port closed until somebody may log in.
func TestNoOperatorNoConsole(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, consoleConfig(t, data)) })
	if strings.Contains(p.stderr.String(), "Operator console") {
		t.Errorf("a console without operators:\n%s", p.stderr)
	}
}

// TestSecurityStatement reads the statement of a fresh installation as its owner.
func TestSecurityStatement(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, consoleConfig(t, data)) })
	token := regexp.MustCompile(`/setup\?token=(\S+)`).FindStringSubmatch(p.stderr.String())
	if token == nil {
		t.Fatalf("no setup link:\n%s", p.stderr)
	}
	owner := visit(t, p.address)
	owner.post("/setup", url.Values{"token": {token[1]}, "name": {"Ada"}, "email": {"ada@example.com"}, "password": {opsPassword}, "organization": {"Acme"}})
	owner.enrol()
	var statement struct {
		Organization string
		Sections     []struct {
			ID    string
			Facts []struct{ Label, Value, State, Source string }
		}
	}
	if err := json.Unmarshal([]byte(owner.page("/security.json")), &statement); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, s := range statement.Sections {
		ids[s.ID] = true
		for _, f := range s.Facts {
			if f.Label == "" || f.Value == "" || f.Source == "" || f.State == "problem" {
				t.Errorf("%s: %+v", s.ID, f)
			}
		}
	}
	for _, want := range []string{"reads", "never", "exceptions", "leaves", "keys", "network", "people", "retention", "evidence"} {
		if !ids[want] {
			t.Errorf("section %s is missing", want)
		}
	}
	body := owner.page("/security")
	for _, want := range []string{"GET /api/card", "never kept", "mandatory for owners and admins", "single-user mode"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, hidden := range []string{"scraper-token-1", "mail-password-1", opsPassword} {
		if strings.Contains(body, hidden) {
			t.Errorf("the page shows %s", hidden)
		}
	}
	if !strings.Contains(owner.page("/security.md"), "# Security and data: Acme") {
		t.Error("no Markdown")
	}
}
