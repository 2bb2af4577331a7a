package app_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/secret"
)

// output collects what a running program prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// program is the server as it runs in a test.
type program struct {
	t       *testing.T
	address string
	stderr  *output
	client  *http.Client
	stop    func() error
}

// boot starts a command and waits until it serves.
func boot(t *testing.T, start func(ctx context.Context, env app.Env) error) *program {
	t.Helper()
	p := &program{t: t, stderr: &output{}}
	serving := make(chan string, 1)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	env := app.Env{
		Stdin: strings.NewReader(""), Stdout: &output{}, Stderr: p.stderr, Now: time.Now,
		Serving: func(address string) { serving <- address },
	}
	go func() { ended <- start(ctx, env) }()
	select {
	case p.address = <-serving:
	case err := <-ended:
		cancel()
		t.Fatalf("ended before it served: %v\n%s", err, p.stderr)
	}
	p.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.client = &http.Client{Jar: jar}
	return p
}

func (p *program) get(path string) string {
	p.t.Helper()
	return p.answer(http.MethodGet, path, nil)
}

func (p *program) answer(method, path string, form url.Values) string {
	p.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.address+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s %s: %s\n%s\n%s", method, path, resp.Status, text, p.stderr)
	}
	return string(text)
}

// enrol adds an authenticator app, from the page that asks for a second factor,
// and keeps the recovery codes. It returns the page after that and the codes.
func (p *program) enrol(page string) (after string, codes []string) {
	p.t.Helper()
	key := regexp.MustCompile(`data-testid="totp-secret">([A-Z2-7 ]+)<`).FindStringSubmatch(page)
	if key == nil {
		p.t.Fatalf("no second factor is asked for:\n%s", page)
	}
	code, err := totp.GenerateCode(strings.ReplaceAll(key[1], " ", ""), time.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	page = p.answer(http.MethodPost, "/account/factors/app", url.Values{"code": {code}, "name": {"Phone"}})
	for _, m := range regexp.MustCompile(`<code>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</code>`).FindAllStringSubmatch(page, -1) {
		codes = append(codes, m[1])
	}
	if len(codes) != 10 {
		p.t.Fatalf("%d recovery codes:\n%s", len(codes), page)
	}
	return p.answer(http.MethodPost, "/account/recovery-codes/keep", url.Values{"kept": {"yes"}}), codes
}

func serveConfig(t *testing.T, data string) *config.Loaded {
	t.Helper()
	loaded, err := config.Load(config.Inputs{DefaultData: data, Environ: []string{"METALENS_LISTEN=127.0.0.1:0", "METALENS_LOG_LEVEL=warn"}})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// TestServeFirstRun walks the first run over HTTP: the owner's account, the
// sample company, its scan, the pages about it; then a restart.
func TestServeFirstRun(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	serve := func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, serveConfig(t, data)) }
	p := boot(t, serve)
	token := regexp.MustCompile(`/setup\?token=(\S+)`).FindStringSubmatch(p.stderr.String())
	if token == nil {
		t.Fatalf("no setup link:\n%s", p.stderr)
	}
	setup, err := url.QueryUnescape(token[1])
	if err != nil {
		t.Fatal(err)
	}
	page := p.answer(http.MethodPost, "/setup", url.Values{
		"token": {setup}, "name": {"Ada"}, "email": {"ada@example.com"}, "password": {"a long enough passphrase 9"}, "organization": {"Acme"},
	})
	if text := p.get("/connections"); !strings.Contains(text, "totp-secret") {
		t.Fatalf("an owner without a second factor sees the connections:\n%s", text)
	}
	_, codes := p.enrol(page)
	page = p.answer(http.MethodPost, "/setup/sample", url.Values{})
	link := regexp.MustCompile(`/c/([0-9a-f-]+)/scans/([0-9a-f-]+)`).FindStringSubmatch(page)
	if link == nil {
		t.Fatalf("no link to the scan:\n%s", page)
	}
	p.get(link[0] + "/events") // ends with the scan
	conn := "/c/" + link[1]
	for path, want := range map[string]string{
		conn:               "Sample company",
		conn + "/findings": "finding",
		conn + "/catalog":  "Revenue",
		conn + "/scans":    "ucceeded",
		"/connections":     "Sample company",
	} {
		if text := p.get(path); !strings.Contains(text, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}

	again := boot(t, serve)
	if strings.Contains(again.stderr.String(), "First run") {
		t.Error("the second start is a first run")
	}
	page = again.answer(http.MethodPost, "/login", url.Values{"email": {"ada@example.com"}, "password": {"a long enough passphrase 9"}})
	if !strings.Contains(page, "Second factor") {
		t.Fatalf("the password alone logs in:\n%s", page)
	}
	again.answer(http.MethodPost, "/login/factor", url.Values{"code": {codes[0]}})
	if text := again.get(conn); !strings.Contains(text, "Sample company") {
		t.Error("the connection is gone after a restart")
	}
	page = again.answer(http.MethodPost, conn+"/scans", url.Values{})
	if link = regexp.MustCompile(`/c/([0-9a-f-]+)/scans/([0-9a-f-]+)`).FindStringSubmatch(page); link == nil {
		t.Fatal("no second scan")
	}
	again.get(link[0] + "/events")
	if text := again.get(link[0]); !strings.Contains(text, "ucceeded") {
		t.Errorf("the sample's Metabase does not answer after a restart:\n%s", text)
	}
}

// TestDemo starts the demo, logs in with what it prints and looks around; its
// folder is gone after it.
func TestDemo(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	p := boot(t, func(ctx context.Context, env app.Env) error {
		return app.Demo(ctx, env, app.DemoOptions{Listen: "127.0.0.1:0"})
	})
	password := regexp.MustCompile(`Password\s+(\S+)`).FindStringSubmatch(p.stderr.String())
	if password == nil {
		t.Fatalf("no password:\n%s", p.stderr)
	}
	page := p.answer(http.MethodPost, "/login", url.Values{"email": {app.DemoEmail}, "password": {password[1]}})
	if !strings.Contains(page, "Sample company") {
		t.Errorf("the overview does not show the sample company:\n%s", page)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(temp, "metalens-demo-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestDemoKeeps uses a named folder twice.
func TestDemoKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	for _, password := range []string{"first demo passphrase 1", "second demo passphrase 2"} {
		p := boot(t, func(ctx context.Context, env app.Env) error {
			return app.Demo(ctx, env, app.DemoOptions{Listen: "127.0.0.1:0", Dir: dir, Password: secret.New(password)})
		})
		page := p.answer(http.MethodPost, "/login", url.Values{"email": {app.DemoEmail}, "password": {password}})
		if !strings.Contains(page, "Sample company") {
			t.Errorf("not logged in with %q", password)
		}
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

// TestUserReset gives an account another password; the old one and its logins
// are worth nothing after it.
func TestUserReset(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	demo := func(ctx context.Context, env app.Env) error {
		return app.Demo(ctx, env, app.DemoOptions{Listen: "127.0.0.1:0", Dir: dir, Password: secret.New("first demo passphrase 1")})
	}
	if err := boot(t, demo).stop(); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr output
	env := app.Env{Stdin: strings.NewReader("short\n"), Stdout: &stdout, Stderr: &stderr, Now: time.Now}
	loaded := serveConfig(t, dir)
	if err := app.UserReset(t.Context(), env, loaded, app.UserResetOptions{PasswordFile: "-"}); app.ExitCode(err) != app.ExitUsage {
		t.Errorf("a short password was taken: %v", err)
	}
	if err := app.UserReset(t.Context(), env, loaded, app.UserResetOptions{Email: "nobody@example.com"}); app.ExitCode(err) != app.ExitUsage {
		t.Errorf("an unknown account was taken: %v", err)
	}
	if err := app.UserReset(t.Context(), env, loaded, app.UserResetOptions{Email: app.DemoEmail}); err != nil {
		t.Fatal(err)
	}
	password := strings.TrimSpace(stdout.String())
	p := boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, loaded) })
	page := p.answer(http.MethodPost, "/login", url.Values{"email": {app.DemoEmail}, "password": {password}})
	page, codes := p.enrol(page) // what the demo let pass, a server does not
	if !strings.Contains(page, "Sample company") {
		t.Errorf("the printed password does not work:\n%s", page)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	stdout.buf.Reset()
	if err := app.UserReset(t.Context(), env, loaded, app.UserResetOptions{RemoveFactors: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stderr.String(), "Second factors removed: 1") {
		t.Errorf("said %s", stderr.String())
	}
	p = boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, loaded) })
	page = p.answer(http.MethodPost, "/login", url.Values{"email": {app.DemoEmail}, "password": {strings.TrimSpace(stdout.String())}})
	if _, fresh := p.enrol(page); fresh[0] == codes[0] {
		t.Error("the recovery codes stay")
	}
}

func TestPortInUse(t *testing.T) {
	p := boot(t, func(ctx context.Context, env app.Env) error {
		return app.Serve(ctx, env, serveConfig(t, filepath.Join(t.TempDir(), "data")))
	})
	loaded, err := config.Load(config.Inputs{DefaultData: t.TempDir(), Environ: []string{"METALENS_LISTEN=" + strings.TrimPrefix(p.address, "http://")}})
	if err != nil {
		t.Fatal(err)
	}
	err = app.Serve(t.Context(), app.Env{Stdout: io.Discard, Stderr: io.Discard, Now: time.Now}, loaded)
	if app.ExitCode(err) != app.ExitUsage {
		t.Errorf("got %v", err)
	}
}

// TestCommandLineAndServerShareState scans the sample company on the command
// line, then again in the server on the same data directory. Nothing changed in
// between, so the second scan stays within its budget of requests, opens no
// dashboard, and the page says that nothing moved.
func TestCommandLineAndServerShareState(t *testing.T) {
	now := time.Now()
	fake := metabasetest.NewServer(metabasetest.Config{Version: "0.58", World: metabasetest.SampleCompany(now), Admin: true})
	address := fake.Start(t)
	data := filepath.Join(t.TempDir(), "data")
	loaded, err := config.Load(config.Inputs{DefaultData: data, Environ: []string{
		"METABASE_URL=" + address, "METABASE_API_KEY=" + metabasetest.DefaultKey, "METALENS_LOG_LEVEL=warn",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var report bytes.Buffer
	env := app.Env{Stdin: strings.NewReader(""), Stdout: &report, Stderr: &output{}, Now: time.Now}
	if err := app.Scan(t.Context(), env, loaded, app.ScanOptions{Format: "json", Quiet: true, Connection: "Larkspur"}); err != nil {
		t.Fatal(err)
	}
	fake.CheckNoDetailTwice(t)
	const detail = "GET /api/dashboard/:id"
	if fake.RouteCounts()[detail] == 0 {
		t.Fatalf("the first scan opened no dashboard: %v", fake.RouteCounts())
	}

	p := boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, serveConfig(t, data)) })
	token := regexp.MustCompile(`/setup\?token=(\S+)`).FindStringSubmatch(p.stderr.String())
	if token == nil {
		t.Fatalf("no setup link:\n%s", p.stderr)
	}
	setup, err := url.QueryUnescape(token[1])
	if err != nil {
		t.Fatal(err)
	}
	page := p.answer(http.MethodPost, "/setup", url.Values{
		"token": {setup}, "name": {"Ada"}, "email": {"ada@example.com"}, "password": {"a long enough passphrase 9"}, "organization": {"Acme"},
	})
	p.enrol(page)
	conn := regexp.MustCompile(`/c/[0-9a-f-]+`).FindString(p.get("/connections"))
	if conn == "" || !strings.Contains(p.get(conn), "Larkspur") {
		t.Fatalf("the server does not show what the command line scanned")
	}
	fake.ResetRequests()
	link := regexp.MustCompile(`/c/([0-9a-f-]+)/scans/([0-9a-f-]+)`).FindString(p.answer(http.MethodPost, conn+"/scans", url.Values{}))
	p.get(link + "/events") // ends with the scan
	if text := p.get(link); !strings.Contains(text, "ucceeded") {
		t.Fatalf("the server's scan did not succeed:\n%s", text)
	}
	fake.CheckOnlyAllowed(t)
	const databases = 3
	if n, details := len(fake.Requests()), fake.RouteCounts()[detail]; n == 0 || n > 26+databases || details > 0 {
		t.Errorf("%d requests, %d of them dashboards: %v", n, details, fake.RouteCounts())
	}
}
