package app_test

import (
	"context"
	"fmt"
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

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/mail/mailtest"
	"github.com/metalens/metalens/internal/secret"
)

// person is somebody with a browser.
type person struct {
	t       *testing.T
	address string
	client  *http.Client
}

func newPerson(t *testing.T, address string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t: t, address: address, client: &http.Client{Jar: jar}}
}

// ask returns the status of the last answer, its address and its text. A form
// makes it a POST.
func (p *person) ask(path string, form url.Values) (status int, at, text string) {
	p.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
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
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, resp.Request.URL.Path, string(raw)
}

// want asks and expects a status and a text on the page.
func (p *person) want(status int, text, path string, form url.Values) string {
	p.t.Helper()
	got, at, page := p.ask(path, form)
	if got != status || !strings.Contains(page, text) {
		p.t.Fatalf("%s: %d at %s, want %d and %q:\n%s", path, got, at, status, text, page)
	}
	return page
}

func (p *person) login(email, password string) bool {
	p.t.Helper()
	_, at, _ := p.ask("/login", url.Values{"email": {email}, "password": {password}})
	return at != "/login"
}

func (p *person) loggedIn() bool {
	p.t.Helper()
	_, at, _ := p.ask("/settings", nil)
	return at == "/settings"
}

const (
	demoPassword = "first demo passphrase 1"
	mailedURL    = "http://lens.test:8300"
)

// mailedDemo runs the demo with a mail server.
func mailedDemo(t *testing.T) (*person, *mailtest.Server) {
	t.Helper()
	post := mailtest.Start(t, mailtest.Options{User: "lens", Password: "mail secret"})
	dir := filepath.Join(t.TempDir(), "demo")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write(".env", fmt.Sprintf("METALENS_MAIL_HOST=localhost\nMETALENS_MAIL_PORT=%d\nMETALENS_MAIL_FROM=MetaLens <lens@example.com>\nMETALENS_MAIL_CA_FILE=%s\n"+
		"METALENS_MAIL_USER=lens\nMETALENS_MAIL_PASSWORD_FILE=%s\nMETALENS_PUBLIC_URL=%s\n", post.Port, write("ca.pem", string(post.CA)), write("mail-password", "mail secret\n"), mailedURL))
	p := boot(t, func(ctx context.Context, env app.Env) error {
		return app.Demo(ctx, env, app.DemoOptions{Listen: "127.0.0.1:0", Dir: dir, Password: secret.New(demoPassword)})
	})
	owner := newPerson(t, p.address)
	if !owner.login(app.DemoEmail, demoPassword) {
		t.Fatal("the owner cannot log in")
	}
	return owner, post
}

// path returns the path of the link in a letter.
func path(t *testing.T, l mailtest.Letter) string {
	t.Helper()
	found := regexp.MustCompile(regexp.QuoteMeta(mailedURL) + `(/\S+)`).FindStringSubmatch(strings.ReplaceAll(l.Raw, "=\r\n", ""))
	if found == nil {
		t.Fatalf("no link in the letter:\n%s", l.Raw)
	}
	return found[1]
}

func subject(t *testing.T, l mailtest.Letter) string {
	t.Helper()
	return l.Header(t, "Subject")
}

// TestMembersByMail walks an invitation from the letter to the removal, over the
// whole program and a real mail server.
func TestMembersByMail(t *testing.T) {
	owner, post := mailedDemo(t)
	owner.want(http.StatusOK, post.Address(), "/settings/mail", nil)
	owner.want(http.StatusOK, "The server took the test mail", "/settings/mail/test", url.Values{})
	if s := subject(t, post.Wait(t, 1)); s != "Test mail of MetaLens" {
		t.Errorf("the test mail's subject is %q", s)
	}

	owner.want(http.StatusUnprocessableEntity, "This is no e-mail address.", "/settings/members/invite", url.Values{"email": {"new@example.com\r\nBcc: eve@example.net"}, "role": {"editor"}})
	page := owner.want(http.StatusOK, "is on its way by mail", "/settings/members/invite", url.Values{"email": {"new@example.com"}, "role": {"editor"}})
	invite := path(t, post.Wait(t, 2))
	if !strings.Contains(page, mailedURL+invite) {
		t.Error("the page does not show the link of the letter")
	}
	if again := owner.want(http.StatusOK, "1 open invitation", "/settings/members", nil); strings.Contains(again, invite) {
		t.Error("the link is shown a second time")
	}

	guest := newPerson(t, owner.address)
	guest.want(http.StatusOK, "new@example.com", invite, nil)
	guest.want(http.StatusUnprocessableEntity, "at least 12 characters", invite+"/register", url.Values{"name": {"New Person"}, "password": {"short"}})
	guest.want(http.StatusOK, "Your account is made", invite+"/register", url.Values{"name": {"New Person"}, "password": {"a brisk green lantern"}})
	guest.want(http.StatusNotFound, "not good any more", invite, nil)
	if !guest.login("new@example.com", "a brisk green lantern") {
		t.Fatal("the new member cannot log in")
	}
	guest.want(http.StatusOK, "2 members", "/settings/members", nil)
	guest.want(http.StatusForbidden, "role", "/settings/members/invite", url.Values{"email": {"x@example.com"}, "role": {"viewer"}})
	guest.want(http.StatusForbidden, "role", "/settings/mail", nil)

	members := owner.want(http.StatusOK, "New Person", "/settings/members", nil)
	action := regexp.MustCompile(`/settings/members/([^/"]+)/remove`).FindStringSubmatch(members)
	if action == nil {
		t.Fatalf("nobody can be removed:\n%s", members)
	}
	member := "/settings/members/" + action[1]
	guest.want(http.StatusForbidden, "role", member+"/role", url.Values{"role": {"owner"}})
	owner.want(http.StatusOK, "Role changed", member+"/role", url.Values{"role": {"admin"}})
	if guest.loggedIn() {
		t.Error("a raise left the login as it was")
	}
	if s := subject(t, post.Wait(t, 3)); s != "Your role on MetaLens was raised" {
		t.Errorf("the notice's subject is %q", s)
	}
	if !guest.login("new@example.com", "a brisk green lantern") {
		t.Fatal("the raised member cannot log in")
	}
	guest.want(http.StatusOK, "Invite somebody", "/settings/members", nil)
	guest.want(http.StatusForbidden, "Only owners", "/settings/members/invite", url.Values{"email": {"x@example.com"}, "role": {"owner"}})
	owner.want(http.StatusOK, "will no longer see this organization", member+"/remove", nil)
	owner.want(http.StatusOK, "Their sessions have ended", member+"/remove", url.Values{})
	if guest.loggedIn() {
		t.Error("a removed member is still logged in")
	}
	if guest.login("new@example.com", "a brisk green lantern") {
		t.Error("a removed member can log in")
	}
	// Who was removed joins again with the account there is.
	owner.want(http.StatusOK, "is on its way by mail", "/settings/members/invite", url.Values{"email": {"new@example.com"}, "role": {"viewer"}})
	invite = path(t, post.Wait(t, 4))
	guest.want(http.StatusUnprocessableEntity, "not the password", invite+"/join", url.Values{"password": {"wrong"}})
	guest.want(http.StatusOK, "You are a member now", invite+"/join", url.Values{"password": {"a brisk green lantern"}})
	if !guest.login("new@example.com", "a brisk green lantern") {
		t.Error("the member who came back cannot log in")
	}
	owner.want(http.StatusOK, "at least one owner", "/settings/members/leave", url.Values{})
}

// TestForgottenPassword asks for letters, with and without an account behind the
// address.
func TestForgottenPassword(t *testing.T) {
	owner, post := mailedDemo(t)
	visitor := newPerson(t, owner.address)
	visitor.want(http.StatusOK, "Forgotten your password?", "/login", nil)
	unknown := visitor.want(http.StatusOK, "If this address has an account", "/login/forgot", url.Values{"email": {"nobody@example.com"}})
	known := visitor.want(http.StatusOK, "If this address has an account", "/login/forgot", url.Values{"email": {strings.ToUpper(app.DemoEmail)}})
	if known != unknown {
		t.Error("the answers tell whether an address has an account")
	}
	first := path(t, post.Wait(t, 1))
	visitor.want(http.StatusOK, "If this address has an account", "/login/forgot", url.Values{"email": {app.DemoEmail}})
	second := path(t, post.Wait(t, 2))
	visitor.want(http.StatusNotFound, "not good any more", first, nil)

	visitor.want(http.StatusOK, "Choose a new password", second, nil)
	visitor.want(http.StatusUnprocessableEntity, "at least 12 characters", second, url.Values{"password": {"short"}})
	visitor.want(http.StatusOK, "Log in with the new one", second, url.Values{"password": {"a brisk green lantern"}})
	visitor.want(http.StatusNotFound, "not good any more", second, url.Values{"password": {"another green lantern"}})
	if owner.loggedIn() {
		t.Error("a reset left a login as it was")
	}
	if s := subject(t, post.Wait(t, 3)); s != "Your MetaLens password was changed" {
		t.Errorf("the notice's subject is %q", s)
	}
	if visitor.login(app.DemoEmail, demoPassword) || !visitor.login(app.DemoEmail, "a brisk green lantern") {
		t.Error("the old password works, or the new one does not")
	}
	for range 3 { // one more than an address gets in an hour
		visitor.want(http.StatusOK, "If this address has an account", "/login/forgot", url.Values{"email": {app.DemoEmail}})
	}
	limited := false
	for n := range 12 {
		status, _, _ := visitor.ask("/login/forgot", url.Values{"email": {fmt.Sprintf("x%d@example.com", n)}})
		limited = limited || status == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("one network may ask without end")
	}
	for _, l := range post.Letters() {
		if l.To != app.DemoEmail {
			t.Errorf("a letter went to %s", l.To)
		}
	}
}

// TestDoctorAsksTheMailServer connects, logs in and sends nothing.
func TestDoctorAsksTheMailServer(t *testing.T) {
	post := mailtest.Start(t, mailtest.Options{})
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, post.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ ca, want string }{
		{ca, "ok    mail server " + post.Address() + " answers (TLS 1.3); no mail was sent"},
		{"", "FAIL  The certificate of " + post.Address() + " is signed by an authority that this machine does not know."},
	} {
		loaded, err := config.Load(config.Inputs{DefaultData: filepath.Join(dir, "data"), Environ: []string{
			"METALENS_MAIL_HOST=localhost", fmt.Sprintf("METALENS_MAIL_PORT=%d", post.Port), "METALENS_MAIL_FROM=lens@example.com", "METALENS_MAIL_CA_FILE=" + c.ca,
		}})
		if err != nil {
			t.Fatal(err)
		}
		var out, stderr output
		err = app.Doctor(t.Context(), app.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &stderr, Now: time.Now}, loaded, false)
		if text := out.String(); !strings.Contains(text, c.want) || (err == nil) != strings.HasPrefix(c.want, "ok") {
			t.Errorf("doctor: %v\n%s", err, text)
		}
	}
	if n := len(post.Letters()); n != 0 {
		t.Errorf("%d letters were sent", n)
	}
}
