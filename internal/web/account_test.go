package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/webtest"
)

// guarded is a site that asks owners for a second factor, with an owner whose
// password has been given, and a clock that the test moves.
func guarded(t *testing.T) (s *site, conn string, now *time.Time) {
	t.Helper()
	b := webtest.New()
	b.Strict = true
	at := webtest.Now
	b.Clock = func() time.Time { return at }
	c := b.AddCompany()
	s = newSite(t, b)
	s.owner()
	return s, "/c/" + string(c.ID), &at
}

// enrol adds an authenticator app and keeps the recovery codes.
func (s *site) enrol() (secret string, codes []string) {
	s.t.Helper()
	a := s.get("/account/factors/add")
	secret = strings.ReplaceAll(a.see("totp-secret"), " ", "")
	if a.status != http.StatusOK || secret == "" || a.count("qr") != 1 {
		s.t.Fatalf("the page to add a factor: %d %s", a.status, a.text)
	}
	a = s.post("/account/factors/app", "code", s.codeOf(secret), "name", "Phone")
	if !strings.HasPrefix(a.header.Get("Location"), "/account/recovery-codes") {
		s.t.Fatalf("adding an app: %d to %q %s", a.status, a.header.Get("Location"), a.text)
	}
	codes = s.get("/account/recovery-codes").texts("[data-testid=codes] li")
	if a := s.post("/account/recovery-codes/keep", "kept", "yes"); a.status != http.StatusSeeOther {
		s.t.Fatalf("keeping the codes: %d %s", a.status, a.text)
	}
	return secret, codes
}

func (s *site) codeOf(secret string) string {
	s.t.Helper()
	code, err := totp.GenerateCode(secret, s.backend.Clock())
	if err != nil {
		s.t.Fatal(err)
	}
	return code
}

// TestNothingBeforeTheSecondFactor asks every route at each stage of an
// incomplete login. What it may reach is listed here.
func TestNothingBeforeTheSecondFactor(t *testing.T) {
	s, conn, now := guarded(t)
	enrolling := []string{
		"GET /account/factors/add", "POST /account/factors/app", "POST /account/factors/passkey/begin", "POST /account/factors/passkey",
		"GET /account/recovery-codes", "POST /account/recovery-codes", "POST /account/recovery-codes/keep",
		"GET /confirm", "POST /confirm", "POST /confirm/passkey/begin", "POST /confirm/passkey",
		"GET /login/factor", "POST /login/factor", "POST /login/factor/passkey/begin", "POST /login/factor/passkey",
	}
	half := []string{"GET /login/factor", "POST /login/factor", "POST /login/factor/passkey/begin", "POST /login/factor/passkey"}
	ask := func(name string, reaches []string, leads string) {
		t.Helper()
		n := 0
		for _, pattern := range web.Patterns() {
			if slices.Contains(publicRoutes, pattern) || strings.Contains(pattern, "/invite/") || strings.Contains(pattern, "/.well-known/") || slices.Contains(reaches, pattern) {
				continue
			}
			n++
			method, path := concrete(pattern, conn)
			a := s.do(s.request(method, path, nil, "Sec-Fetch-Site", "same-origin"))
			if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), leads) {
				if isPublicAnswer(a) {
					continue
				}
				t.Errorf("%s: %s answers %d, leads to %q", name, pattern, a.status, a.header.Get("Location"))
			}
			if strings.Contains(a.text, "Northwind") {
				t.Errorf("%s: %s shows content", name, pattern)
			}
		}
		if n < 60 {
			t.Errorf("%s: only %d routes were asked", name, n)
		}
	}
	ask("without a factor", enrolling, "/account/factors/add")
	a := s.get("/account/factors/add?next=" + url.QueryEscape(conn+"/findings"))
	if strings.Contains(a.text, "Northwind") || a.doc.Find("nav a[href^='/c/']").Length() > 0 {
		t.Error("the page to add a factor shows content")
	}
	if a := s.get("/"); a.header.Get("Location") != "/account/factors/add" {
		t.Errorf("/ leads to %q", a.header.Get("Location"))
	}
	secret, _ := s.enrol()
	if a := s.get(conn); a.status != http.StatusOK {
		t.Fatalf("with everything done: %d", a.status)
	}
	s.forget()
	*now = now.Add(time.Minute)
	s.login()
	ask("half", half, "/login/factor")
	if a := s.get("/"); a.header.Get("Location") != "/login/factor" {
		t.Errorf("/ leads to %q", a.header.Get("Location"))
	}
	if a := s.get(conn + "/findings?q=x"); a.header.Get("Location") != "/login/factor?next="+url.QueryEscape(conn+"/findings?q=x") {
		t.Errorf("half, leads to %q", a.header.Get("Location"))
	}
	next, _ := s.get("/login/factor?next=" + url.QueryEscape(conn+"/findings")).doc.Find("[data-testid=code-form] input[name=next]").Attr("value")
	if a := s.post("/login/factor", "code", "123", "next", next); a.status != http.StatusUnprocessableEntity || a.see("login-problem") == "" {
		t.Errorf("a wrong code: %d", a.status)
	}
	if a := s.post("/login/factor", "code", s.codeOf(secret), "next", next); a.header.Get("Location") != conn+"/findings" {
		t.Errorf("a good code leads to %q: %s", a.header.Get("Location"), a.see("login-problem"))
	}
	if a := s.get(conn); a.status != http.StatusOK {
		t.Errorf("logged in: %d", a.status)
	}
	if a := s.get("/login/factor?next=" + url.QueryEscape("//evil.example")); a.header.Get("Location") != "/" {
		t.Errorf("a finished login is led to %q", a.header.Get("Location"))
	}
}

// isPublicAnswer is what pages answer that need no login: addresses that mean
// nothing without their secret.
func isPublicAnswer(a answer) bool { return a.status == http.StatusNotFound && a.count("error") == 1 }

func TestCodesMustBeKept(t *testing.T) {
	s, conn, _ := guarded(t)
	a := s.get("/account/factors/add?next=" + url.QueryEscape(conn))
	secret := strings.ReplaceAll(a.see("totp-secret"), " ", "")
	if a := s.post("/account/factors/app", "code", "000000"); a.status != http.StatusUnprocessableEntity || a.see("error-code") == "" {
		t.Errorf("a wrong code: %d", a.status)
	}
	a = s.post("/account/factors/app", "code", s.codeOf(secret), "next", conn)
	if a.header.Get("Location") != "/account/recovery-codes?next="+url.QueryEscape(conn) {
		t.Fatalf("leads to %q", a.header.Get("Location"))
	}
	if a := s.get(conn); a.header.Get("Location") != "/account/recovery-codes?next="+url.QueryEscape(conn) {
		t.Errorf("before the codes are kept: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := s.get("/account/factors/add"); a.header.Get("Location") != "/account/recovery-codes" {
		t.Errorf("another factor first: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := s.post("/account/recovery-codes/keep", "next", conn); a.status != http.StatusUnprocessableEntity {
		t.Errorf("without the tick: %d", a.status)
	}
	if n := len(s.get("/account/recovery-codes").texts("[data-testid=codes] li")); n != 10 {
		t.Errorf("%d codes", n)
	}
	if a := s.post("/account/recovery-codes/keep", "next", conn, "kept", "yes"); a.header.Get("Location") != conn {
		t.Errorf("kept: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := s.get("/account/recovery-codes"); a.count("codes") != 0 {
		t.Error("the codes are shown again")
	}
}

func TestRecoveryCodeLogsIn(t *testing.T) {
	s, _, now := guarded(t)
	_, codes := s.enrol()
	s.forget()
	*now = now.Add(time.Minute)
	s.login()
	if a := s.post("/login/factor", "code", codes[0]); a.header.Get("Location") != "/" {
		t.Fatalf("%d to %q", a.status, a.header.Get("Location"))
	}
	if a := s.get("/account"); !strings.Contains(a.see("flash"), "9 are left") || !strings.Contains(a.see("recovery"), "9 codes left") {
		t.Errorf("flash %q, %q", a.see("flash"), a.see("recovery"))
	}
}

// TestOldProofIsAskedAgain: what is dangerous wants a proof of the last ten
// minutes; forms are not sent twice.
func TestOldProofIsAskedAgain(t *testing.T) {
	s, conn, now := guarded(t)
	secret, _ := s.enrol()
	id := strings.TrimPrefix(conn, "/c/")
	if a := s.get("/connections/" + id + "/delete"); a.status != http.StatusOK {
		t.Fatalf("fresh: %d", a.status)
	}
	*now = now.Add(11 * time.Minute)
	for _, tc := range []struct{ method, path, next string }{
		{http.MethodGet, "/connections/" + id + "/delete", "/connections/" + id + "/delete"},
		{http.MethodPost, "/connections/" + id + "/delete", "/connections/" + id + "/delete"},
		{http.MethodPost, "/account/password", "/account"},
		{http.MethodGet, "/account/factors/add?next=%2Fc", "/account/factors/add?next=%2Fc"},
		{http.MethodPost, "/account/factors/passkey/begin", "/account"},
	} {
		a := s.do(s.request(tc.method, tc.path, strings.NewReader("current="+webtest.OwnerPassword+"&password=lantern+glide+mosaic"), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"))
		if want := "/confirm?next=" + url.QueryEscape(tc.next); a.header.Get("Location") != want {
			t.Errorf("%s %s: %d to %q, want %q", tc.method, tc.path, a.status, a.header.Get("Location"), want)
		}
	}
	if _, err := s.backend.Connection(t.Context(), "", store.ConnectionID(id)); err != nil {
		t.Error("the connection was deleted without a proof")
	}
	if a := s.get("/connections/" + id); a.status != http.StatusOK {
		t.Errorf("what is not dangerous: %d", a.status)
	}
	a := s.get("/confirm?next=" + url.QueryEscape("/connections/"+id+"/delete"))
	next, _ := a.doc.Find("[data-testid=code-form] input[name=next]").Attr("value")
	if next != "/connections/"+id+"/delete" || a.count("password-form") != 1 {
		t.Errorf("next %q", next)
	}
	if a := s.post("/confirm", "code", "000000", "next", next); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong code: %d", a.status)
	}
	if a := s.post("/confirm", "password", "wrong wrong", "next", next); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong password: %d", a.status)
	}
	if a := s.post("/confirm", "code", s.codeOf(secret), "next", next); a.header.Get("Location") != next {
		t.Errorf("a good code: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := s.get(next); a.status != http.StatusOK {
		t.Errorf("after it: %d", a.status)
	}
	*now = now.Add(11 * time.Minute)
	if a := s.post("/confirm", "password", webtest.OwnerPassword, "next", "https://evil.example"); a.header.Get("Location") != "/" {
		t.Errorf("leads to %q", a.header.Get("Location"))
	}
	if a := s.get(next); a.status != http.StatusOK {
		t.Errorf("after the password: %d", a.status)
	}
	s.get("/connections/"+id+"/delete", "HX-Request", "true")
	*now = now.Add(11 * time.Minute)
	if a = s.get("/connections/"+id+"/delete", "HX-Request", "true"); !strings.HasPrefix(a.header.Get("HX-Redirect"), "/confirm?next=") {
		t.Errorf("htmx: %d %v", a.status, a.header)
	}
}

// TestPlantedSessionIsWorthNothing: a session that was there before the login,
// and before the second factor, is not the one after it.
func TestPlantedSessionIsWorthNothing(t *testing.T) {
	s, conn, now := guarded(t)
	secret, _ := s.enrol()
	s.forget()
	*now = now.Add(time.Minute)
	if a := s.do(s.request(http.MethodPost, "/login/passkey/begin", nil, "Host", "localhost:1", "Sec-Fetch-Site", "same-origin")); a.status != http.StatusOK || !strings.Contains(a.text, "challenge") {
		t.Fatalf("an anonymous session: %d %s", a.status, a.text)
	}
	home, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	token := func() string {
		for _, c := range s.client.Jar.Cookies(home) {
			if c.Name == auth.CookieName(false) {
				return c.Value
			}
		}
		return ""
	}
	plant := func(value string) {
		s.forget()
		s.client.Jar.SetCookies(home, []*http.Cookie{{Name: auth.CookieName(false), Value: value, Path: "/"}})
	}
	s.login()
	half := token()
	if a := s.post("/login/factor", "code", s.codeOf(secret)); a.status != http.StatusSeeOther {
		t.Fatal(a.status)
	}
	full := token()
	if half == "" || full == half {
		t.Errorf("tokens %q, %q", half, full)
	}
	plant(half)
	if a := s.get(conn); !strings.HasPrefix(a.header.Get("Location"), "/login") {
		t.Errorf("the half token: %d to %q", a.status, a.header.Get("Location"))
	}
	plant(full)
	if a := s.get(conn); a.status != http.StatusOK {
		t.Errorf("the full token: %d", a.status)
	}
	// A raised role changes the token at the next request.
	id, err := s.backend.Users.UserByEmail(t.Context(), webtest.OwnerEmail)
	if err != nil {
		t.Fatal(err)
	}
	s.backend.Users.SetRole(id.ID, store.RoleViewer)
	if a := s.get(conn); a.status != http.StatusOK || token() == full {
		t.Errorf("after another role: %d, token changed: %v", a.status, token() != full)
	}
	plant(full)
	if a := s.get(conn); a.status == http.StatusOK {
		t.Error("the token of the former role goes on")
	}
}

func TestFactorsOfAnAccount(t *testing.T) {
	s, _, now := guarded(t)
	s.enrol()
	a := s.get("/account")
	link, _ := a.doc.Find("[data-testid=factor] a[href$='/remove']").Attr("href")
	if a.count("factor") != 1 || link == "" {
		t.Fatalf("%d factors", a.count("factor"))
	}
	if a := s.get(link); a.status != http.StatusOK || a.doc.Find("button.danger").Length() != 0 {
		t.Errorf("the last factor is offered for removal: %d", a.status)
	}
	if a := s.post(link); a.status != http.StatusConflict {
		t.Errorf("removing the last factor: %d", a.status)
	}
	*now = now.Add(time.Minute)
	second := strings.ReplaceAll(s.get("/account/factors/add").see("totp-secret"), " ", "")
	if a := s.post("/account/factors/app", "code", s.codeOf(second), "name", "<b>Tablet</b>"); a.header.Get("Location") != "/account" {
		t.Errorf("a second one leads to %q", a.header.Get("Location"))
	}
	a = s.get("/account")
	if a.count("factor") != 2 || !strings.Contains(a.text, "&lt;b&gt;Tablet") {
		t.Errorf("%d factors", a.count("factor"))
	}
	rename := strings.TrimSuffix(link, "/remove") + "/rename"
	if a := s.post(rename, "name", "Old phone"); a.header.Get("Location") != "/account" {
		t.Errorf("renaming: %d", a.status)
	}
	if a := s.get("/account"); !strings.Contains(a.see("factor"), "Old phone") {
		t.Errorf("factors %q", a.see("factor"))
	}
	if a := s.post(link); a.header.Get("Location") != "/account" {
		t.Errorf("removing one of two: %d %s", a.status, a.text)
	}
	if a := s.get("/account"); a.count("factor") != 1 {
		t.Errorf("%d factors", a.count("factor"))
	}
	if a := s.get("/account/factors/nothing/remove"); a.status != http.StatusNotFound {
		t.Errorf("an unknown factor: %d", a.status)
	}
}

// TestProfile: the name at once, the address with the present password.
func TestProfile(t *testing.T) {
	s, _ := owned(t)
	if a := s.post("/account/name", "name", "  "); a.status != http.StatusUnprocessableEntity || a.see("error-name") == "" {
		t.Errorf("no name: %d", a.status)
	}
	if a := s.post("/account/name", "name", "Ada O."); a.header.Get("Location") != "/account" {
		t.Errorf("a name: %d", a.status)
	}
	if a := s.post("/account/email", "email", "nonsense", "current_email", "wrong"); a.status != http.StatusUnprocessableEntity || a.see("error-email") == "" || a.see("error-current_email") == "" {
		t.Errorf("a wrong address: %d", a.status)
	}
	if a := s.post("/account/email", "email", "ada@new.example", "current_email", webtest.OwnerPassword); a.header.Get("Location") != "/account" {
		t.Errorf("an address: %d", a.status)
	}
	s.forget()
	if a := s.post("/login", "email", "ada@new.example", "password", webtest.OwnerPassword); a.status != http.StatusSeeOther {
		t.Errorf("login by the new address: %d", a.status)
	}
	if v, _ := s.get("/account").doc.Find("#name").Attr("value"); v != "Ada O." {
		t.Errorf("name %q", v)
	}
}

func TestSetupLeadsToTheSecondFactor(t *testing.T) {
	b := webtest.New()
	b.Strict = true
	s := newSite(t, b)
	a := s.post("/setup", "token", s.auth.SetupToken(), "name", "Ada", "email", webtest.OwnerEmail, "password", webtest.OwnerPassword)
	if a.header.Get("Location") != "/setup/connection" {
		t.Fatalf("%d to %q", a.status, a.header.Get("Location"))
	}
	a = s.get("/setup/connection")
	if a.header.Get("Location") != "/account/factors/add?next=%2Fsetup%2Fconnection" {
		t.Fatalf("%d to %q", a.status, a.header.Get("Location"))
	}
	if a := s.get("/account/factors/add?next=%2Fsetup%2Fconnection"); !strings.Contains(a.text, "Protect the owner account") || a.doc.Find(".steps").Length() != 1 {
		t.Error("the step is not shown as one of the first run")
	}
}
