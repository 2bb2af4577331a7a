package browsertest_test

import (
	"context"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/sso/ssotest"
	"github.com/metalens/metalens/internal/web/browsertest"
)

// bootSignOn starts the whole program beside a real identity provider.
func bootSignOn(t *testing.T) (base, token string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // closed at once: the provider must know the port before
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	issuer := ssotest.Start(t, ssotest.Options{
		ClientID: "metalens", ClientSecret: "a-secret-of-thirty-two-characters", Redirect: "http://" + listen + "/login/sso/callback", PostLogout: "http://" + listen + "/login",
		People: map[string]ssotest.Person{
			"vic": {Email: "vic@example.com", EmailVerified: true, Name: "Vic Torres"},
			"una": {Email: "una@example.com", EmailVerified: false, Name: "Una"},
		},
	})
	loaded, err := config.Load(config.Inputs{DefaultData: filepath.Join(t.TempDir(), "data"), Environ: []string{
		"METALENS_LISTEN=" + listen, "METALENS_LOG_LEVEL=error", "METALENS_OIDC_ISSUER=" + issuer, "METALENS_OIDC_CLIENT_ID=metalens",
		"METALENS_OIDC_CLIENT_SECRET=a-secret-of-thirty-two-characters", "METALENS_OIDC_NAME=Example ID", "METALENS_OIDC_ALLOWED_DOMAINS=example.com",
	}})
	if err != nil {
		t.Fatal(err)
	}
	console := &printed{}
	serving, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- app.Serve(ctx, app.Env{
			Stdin: strings.NewReader(""), Stdout: &printed{}, Stderr: console, Now: time.Now,
			Serving: func(address string) { serving <- address },
		}, loaded)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	select {
	case base = <-serving:
	case err := <-ended:
		ended <- nil
		t.Fatalf("ended before it served: %v\n%s", err, console)
	}
	link := regexp.MustCompile(`/setup\?token=(\S+)`).FindStringSubmatch(console.String())
	if link == nil {
		t.Fatalf("the console shows no setup link:\n%s", console)
	}
	if token, err = url.QueryUnescape(link[1]); err != nil {
		t.Fatal(err)
	}
	return base, token
}

// TestSignOn logs in at a real identity provider with a browser: the button, the
// way there and back, an access token, the logout, and a login that is refused.
func TestSignOn(t *testing.T) {
	browser := browsertest.Launch(t)
	base, token := bootSignOn(t)
	boss := browser.Open(base)
	boss.FirstRun(owner(token))
	boss.Go("/settings/sign-in")
	boss.See("[data-testid=sso-facts]")
	boss.Shot("settings-sign-in")
	boss.Axe("settings-sign-in")

	p := browser.Open(base)
	p.Allow("favicon.ico") // of the provider
	p.Go("/settings/tokens")
	p.At("/login?next=%2Fsettings%2Ftokens")
	p.See("[data-testid=sso]")
	p.Shot("login-sso")
	p.Axe("login-sso")
	p.Load("[data-testid=sso]")
	p.Until("location.pathname.startsWith('/interaction/')")
	p.Fill("#login", "vic")
	p.Load("#continue")
	p.At("/settings/tokens")
	p.See("[data-testid=empty]")
	p.Shot("tokens-empty")
	p.Axe("tokens-empty")
	p.Go("/settings/tokens/new")
	p.Shot("tokens-new")
	p.Axe("tokens-new")
	p.Fill("#name", "Nightly report")
	p.Load("button.primary")
	p.See("[data-testid=token-text]")
	if text := p.Text("[data-testid=token-text]"); !strings.HasPrefix(text, "mlp_") {
		t.Errorf("the page shows %q", text)
	}
	p.Size(390, 844)
	if wide := browsertest.Eval[bool](p, "document.documentElement.scrollWidth > document.documentElement.clientWidth"); wide {
		t.Error("the token makes the page of a phone scroll sideways")
	}
	p.Size(1440, 900)
	p.Axe("token-made")
	p.Click("[data-testid=token-made] [data-copy]")
	p.Until("document.querySelector('#toasts')?.innerText.trim() !== ''") // copied, or why not
	p.Go("/settings/tokens")
	p.See("[data-testid=token]")
	if p.Count("[data-testid=token-text]") != 0 {
		t.Error("the token is shown a second time")
	}
	p.Shot("tokens")
	p.Axe("tokens")

	p.Go("/account")
	browsertest.Eval[string](p, "document.querySelector('form[action=\"/logout\"]').submit() ?? ''")
	p.At("/login?out=1")
	p.See("[data-testid=logged-out]")
	p.Shot("login-after-sso")
	p.Axe("login-after-sso")

	q := browser.Open(base)
	q.Allow("403")
	q.Allow("favicon.ico") // of the provider
	q.Go("/login")
	q.Load("[data-testid=sso]")
	q.Until("location.pathname.startsWith('/interaction/')")
	q.Fill("#login", "una")
	q.Load("#continue")
	q.See("[data-testid=sso-problem]")
	q.Shot("sso-problem")
	q.Axe("sso-problem")
}
