package app_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/mail/mailtest"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// canaries are secrets by what they are. Each is unlike any other text.
type canaries map[string]string

// place is something a secret must not be in.
type place struct{ name, content string }

// TestSecretsStayWhereTheyBelong plants secrets everywhere one can be given or
// is made, uses the whole program (pages, console, API, mail, exports, support
// bundle, backup, a Metabase that throws the key back at us), and then looks for
// every secret in everything that was printed, shown, sent, stored or written.
// Where a secret belongs, namely on the page that shows it once and in the
// letter that carries a link, it is not looked for.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	root := t.TempDir()
	data := filepath.Join(root, "data")
	secrets := canaries{
		"mail password":      "CANARYmailpassword77",
		"metrics token":      "CANARYmetricstoken77",
		"owner's password":   "CANARY owner pass phrase 77",
		"operator password":  "CANARY operator pass phrase 77",
		"mistyped password":  "CANARY mistyped phrase 77",
		"key of a Metabase":  "mb_CANARYkeyofametabase77",
		"key that is echoed": "mb_CANARYkeythatisechoed77",
		"access header":      "CANARYaccessheader77",
		"backup passphrase":  "CANARY backup passphrase 77",
	}
	var places []place
	see := func(name, content string) { places = append(places, place{name, content}) }

	post := mailtest.Start(t, mailtest.Options{User: "lens", Password: secrets["mail password"]})
	echo := echoing(t)
	fake := metabasetest.NewServer(metabasetest.Config{World: metabasetest.SampleCompany(time.Now()), Key: secrets["key of a Metabase"]})
	address, stop, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()

	write := func(name, text string) string {
		path := filepath.Join(root, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	loaded := func() *config.Loaded {
		l, err := config.Load(config.Inputs{DefaultData: data, Environ: []string{
			"METALENS_LISTEN=127.0.0.1:0", "METALENS_OPERATOR_LISTEN=127.0.0.1:0", "METALENS_LOG_LEVEL=debug", "METALENS_LOG_FORMAT=json",
			"METALENS_PUBLIC_URL=http://metalens.test", "METALENS_MAIL_HOST=localhost", "METALENS_MAIL_PORT=" + strconv.Itoa(post.Port),
			"METALENS_MAIL_FROM=lens@example.com", "METALENS_MAIL_USER=lens", "METALENS_MAIL_CA_FILE=" + write("ca.pem", string(post.CA)),
			"METALENS_MAIL_PASSWORD=" + secrets["mail password"], "METALENS_OPERATOR_METRICS_TOKEN=" + secrets["metrics token"],
		}})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	said := &output{}
	env := app.Env{Stdin: strings.NewReader(""), Stdout: said, Stderr: said, Now: time.Now}
	if err := app.OperatorAdd(t.Context(), env, loaded(), app.OperatorOptions{Email: opsEmail, PasswordFile: write("operator", secrets["operator password"])}); err != nil {
		t.Fatal(err)
	}

	p := boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, loaded()) })
	setup := regexp.MustCompile(`/setup\?token=(\S+)`).FindStringSubmatch(p.stderr.String())
	if setup == nil {
		t.Fatalf("no setup link:\n%s", p.stderr)
	}
	owner := visit(t, p.address)
	owner.post("/setup", url.Values{"token": {setup[1]}, "name": {"Ada"}, "email": {"ada@example.com"}, "password": {secrets["owner's password"]}, "organization": {"Acme"}})
	secrets["key of the authenticator app"], secrets["recovery code"] = owner.enrolled()

	// Wrong log-ins, a Metabase that echoes, one that works, headers for a proxy.
	stranger := visit(t, p.address)
	_, _, body := stranger.ask(http.MethodPost, "/login", url.Values{"email": {"ada@example.com"}, "password": {secrets["mistyped password"]}})
	see("page of a refused log-in", body)
	for _, form := range []url.Values{
		{"name": {"Echo"}, "url": {echo}, "auth": {"api_key"}, "key": {secrets["key that is echoed"]}},
		{"name": {"Main"}, "url": {address}, "auth": {"api_key"}, "key": {secrets["key of a Metabase"]}, "headers": {"X-Access: " + secrets["access header"]}},
	} {
		_, _, body := owner.ask(http.MethodPost, "/connections/test", form)
		see("test of a connection to "+form.Get("name"), body)
		status, location, body := owner.ask(http.MethodPost, "/connections", form)
		see("saving a connection to "+form.Get("name"), body)
		if status == http.StatusSeeOther {
			owner.ask(http.MethodPost, location+"/scans", url.Values{})
		} else if form.Get("name") == "Main" {
			t.Fatalf("the connection was not saved: %d\n%s", status, body)
		}
	}
	conns := owner.page("/connections")
	found := regexp.MustCompile(`href="/c/([0-9a-f-]{36})"`).FindStringSubmatch(conns)
	if found == nil {
		found = regexp.MustCompile(`/c(?:onnections)?/([0-9a-f-]{36})`).FindStringSubmatch(conns)
	}
	if found == nil {
		t.Fatalf("no connection:\n%s", conns)
	}
	conn := "/c/" + found[1]
	_, location, _ := owner.ask(http.MethodPost, conn+"/scans", url.Values{})
	if m := regexp.MustCompile(`/c/[0-9a-f-]+/scans/[0-9a-f-]+`).FindString(location); m != "" {
		owner.page(m + "/events")
	}

	status, _, body := owner.ask(http.MethodPost, "/settings/tokens", url.Values{"name": {"CI"}, "scope": {"read"}, "days": {"30"}})
	if m := regexp.MustCompile(`mlp_[A-Za-z0-9_]+`).FindString(body); m != "" {
		secrets["access token"] = m
	} else {
		t.Fatalf("no access token: %d\n%s", status, body)
	}
	owner.ask(http.MethodPost, "/settings/members/invite", url.Values{"email": {"new@example.com"}, "role": {"editor"}})
	for n := 1; secrets["invitation"] == ""; n++ { // notices about the account come by mail, too
		letter := post.Wait(t, n)
		if m := regexp.MustCompile(`/invite/([A-Za-z0-9_=-]+)`).FindStringSubmatch(strings.ReplaceAll(letter.Raw, "=\r\n", "")); m != nil {
			secrets["invitation"] = m[1]
		}
	}
	for _, c := range owner.client.Jar.Cookies(mustURL(t, p.address)) {
		if c.Name == "metalens" || strings.HasSuffix(c.Name, "-device") {
			secrets["cookie "+c.Name] = c.Value
		}
	}

	// Everything that can be seen, as the owner, by API and on the console.
	pages := crawl(owner, []string{
		"/", conn, conn + "/findings", conn + "/catalog", conn + "/lineage", conn + "/impact", conn + "/duplicates", conn + "/metrics", conn + "/scans", conn + "/egress",
		conn + "/not-evaluated", "/connections", "/connections/" + found[1], "/account", "/settings", "/settings/members", "/settings/tokens", "/settings/mail",
		"/settings/retention", "/settings/export", "/settings/access", "/settings/ai", "/settings/ai/calls", "/settings/sensitive", "/egress", "/audit", "/security", "/security.json", "/security.md", "/nowhere",
	})
	maps.Copy(pages, crawlAPI(t, p.address, secrets["access token"]))
	console := visit(t, consoleOf(t, p))
	console.post("/login", url.Values{"email": {opsEmail}, "password": {secrets["operator password"]}})
	secrets["key of the operator's app"], secrets["operator's recovery code"] = console.enrolled()
	for path, content := range crawl(console, []string{"/", "/organizations", "/jobs", "/storage", "/retention", "/controls", "/egress", "/audit", "/operators", "/metrics", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline"}) {
		pages["console "+path] = content
	}
	namesKeys(t, owner.page("/egress.jsonl"), console.page("/egress.jsonl"))
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		see("page "+path, pages[path])
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}

	// What commands write and print.
	passphrase := write("passphrase", secrets["backup passphrase"])
	for name, run := range map[string]func() error{
		"backup": func() error {
			return app.Backup(t.Context(), env, loaded(), app.BackupOptions{Path: filepath.Join(root, "out", "backup.age"), PassphraseFile: passphrase, WorkFactor: 10})
		},
		"export": func() error {
			return app.Export(t.Context(), env, loaded(), app.ExportOptions{Dir: filepath.Join(root, "out", "export")})
		},
		"support": func() error {
			return app.SupportBundle(t.Context(), env, loaded(), app.SupportOptions{Output: filepath.Join(root, "out", "support.zip")})
		},
		"doctor": func() error { _ = app.Doctor(t.Context(), env, loaded(), true); return nil },
		"config": func() error { return app.ConfigCheck(env, loaded()) },
	} {
		if err := os.MkdirAll(filepath.Join(root, "out"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := run(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	see("what commands printed", said.String())
	log := p.stderr.String()
	see("log and console", strings.ReplaceAll(log, setup[1], "(the setup token is for the console)"))
	for i, l := range post.Letters() {
		raw := strings.ReplaceAll(l.Raw, "=\r\n", "")
		if secrets["invitation"] != "" {
			raw = strings.ReplaceAll(raw, secrets["invitation"], "(the invitation is for this letter)")
		}
		see(fmt.Sprintf("letter %d", i+1), raw)
	}
	secrets["setup token"] = setup[1]
	key := ""
	for _, dir := range []string{data, filepath.Join(root, "out")} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if strings.HasSuffix(path, ".key") {
				key = strings.Fields(string(raw))[2] // the one place where it belongs
				return nil
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			see("file "+rel, string(raw))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if key == "" {
		t.Error("the master key was not found: the test looks in the wrong place")
	} else {
		secrets["master key"] = key
	}

	// What is no secret must be found, or the test looks past things.
	for what, where := range map[string]string{"ada@example.com": "page /settings/members", "job finished": "log and console", "Main": "page /connections", "lens@example.com": "letter 1"} {
		if i := slices.IndexFunc(places, func(p place) bool { return p.name == where }); i < 0 || !strings.Contains(places[i].content, what) {
			t.Errorf("%q is not found in the %s", what, where)
		}
	}
	leaks := 0
	for what, secret := range secrets {
		if len(secret) < 6 {
			t.Errorf("the %s is %q: too short to look for", what, secret)
			continue
		}
		forms := []string{secret, url.QueryEscape(secret), html.EscapeString(secret), hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret))}
		slices.Sort(forms)
		for _, p := range places {
			for _, form := range slices.Compact(slices.Clone(forms)) {
				if at := strings.Index(p.content, form); at >= 0 {
					leaks++
					t.Errorf("the %s is in the %s: …%.60s…", what, p.name, p.content[max(0, at-40):at])
				}
			}
		}
	}
	bytes := 0
	for _, p := range places {
		bytes += len(p.content)
	}
	t.Logf("%d secrets, %d places, %d bytes searched, %d leaks", len(secrets), len(places), bytes, leaks)
	if len(places) < 60 {
		t.Errorf("only %d places were searched", len(places))
	}
}

// namesKeys reads the ledgers of an organization and of the installation: rows of
// exchanges that carry a credential name it, and two credentials differ.
func namesKeys(t *testing.T, exports ...string) {
	t.Helper()
	ids := map[string]map[string]bool{}
	for line := range strings.Lines(strings.Join(exports, "")) {
		var row struct {
			Purpose string
			Route   string
			KeyID   string `json:"key_id"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		kind, _, _ := strings.Cut(row.KeyID, ":")
		switch {
		case row.Purpose == "metabase" && row.Route != "/api/health" && row.Route != "/api/session/properties" && kind != "api_key",
			row.Purpose == "mail" && kind != "smtp-password":
			t.Errorf("a row does not name its key: %s", line)
		}
		if ids[row.Purpose] == nil {
			ids[row.Purpose] = map[string]bool{}
		}
		if row.KeyID != "" {
			ids[row.Purpose][row.KeyID] = true
		}
	}
	if len(ids["metabase"]) != 2 || len(ids["mail"]) != 1 {
		t.Errorf("two keys of a Metabase and a password of the mail server were used: %v", ids)
	}
}

// echoing is a Metabase gone mad: it throws everything it is sent back, as HTML,
// JSON and headers.
func echoing(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		w.Header().Set("X-Echo", r.Header.Get("X-Api-Key"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, `{"message":%q,"key":%q}`, r.Header, string(body)+r.Header.Get("X-Api-Key"))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// enrolled is enrol that tells what was shown once.
func (v *visitor) enrolled() (key, code string) {
	v.t.Helper()
	form := v.page("/account/factors/add")
	v.enrol()
	if m := regexp.MustCompile(`data-testid="totp-secret">([A-Z2-7 ]+)<`).FindStringSubmatch(form); m != nil {
		key = strings.ReplaceAll(m[1], " ", "")
	}
	if m := regexp.MustCompile(`<li><code>([^<]+)</code></li>`).FindStringSubmatch(v.codes); m != nil {
		code = m[1]
	}
	return key, code
}

// crawl opens pages and the pages they lead to, at most a few hundred.
func crawl(v *visitor, start []string) map[string]string {
	v.t.Helper()
	seen := map[string]string{}
	queue := slices.Clone(start)
	link := regexp.MustCompile(`href="(/[^"#]*)"`)
	for len(queue) > 0 && len(seen) < 250 {
		path := queue[0]
		queue = queue[1:]
		if _, ok := seen[path]; ok || strings.HasPrefix(path, "/assets/") || strings.Contains(path, "/factors/") || strings.Contains(path, "recovery-codes") {
			continue
		}
		_, _, body := v.ask(http.MethodGet, path, nil)
		seen[path] = body
		for _, m := range link.FindAllStringSubmatch(body, -1) {
			queue = append(queue, strings.ReplaceAll(m[1], "&amp;", "&"))
		}
	}
	return seen
}

// crawlAPI asks what a token may read, and with wrong tokens.
func crawlAPI(t *testing.T, base, token string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	v := visit(t, base)
	for _, path := range []string{"/api/v1/me", "/api/v1/connections", "/api/v1/openapi.json", "/api/v1/egress", "/api/v1/audit", "/api/v1/nowhere"} {
		for name, value := range map[string]string{"good": token, "bad": token[:len(token)-3] + "AAA"} {
			_, _, body := v.ask(http.MethodGet, path, nil, "Authorization", "Bearer "+value)
			seen["api "+name+" "+path] = body
		}
	}
	return seen
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
