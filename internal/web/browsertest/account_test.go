package browsertest_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/web/browsertest"
	"github.com/metalens/metalens/internal/web/webtest"
)

// guarded is a server that asks its owner for a second factor, under localhost,
// where browsers allow passkeys. wait moves its clock.
func guarded(t *testing.T) (base, conn string, now func() time.Time, wait func(time.Duration)) {
	t.Helper()
	b := webtest.New()
	b.Strict = true
	var moved atomic.Int64
	now = func() time.Time { return webtest.Now.Add(time.Duration(moved.Load())) }
	b.Clock = now
	c := b.AddCompany()
	base, accounts := serve(t, b)
	if _, err := b.AddOwner(t.Context(), accounts); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(base, "127.0.0.1", "localhost", 1), "/c/" + string(c.ID), now, func(d time.Duration) { moved.Add(int64(d)) }
}

// look photographs a page and lets axe look at it, in both schemes.
func look(p *browsertest.Page, name string) {
	for _, dark := range []bool{true, false} {
		p.Dark(dark)
		p.Shot(name)
		p.Axe(name)
	}
}

func logout(p *browsertest.Page) {
	p.Go("/account")
	browsertest.Eval[bool](p, "(document.querySelector(\"form[action='/logout']\").submit(), true)")
	p.At("/login")
}

// TestSecondFactorByApp adds an authenticator app at the first login, keeps the
// recovery codes, logs in with a code and then with a recovery code.
func TestSecondFactorByApp(t *testing.T) {
	b := browsertest.Launch(t)
	base, conn, now, wait := guarded(t)
	p := b.Open(base)
	p.Clock(now)
	p.Allow("422")
	login(p)
	p.At("/account/factors/add")
	look(p, "factor-add")
	p.Fill("#code", "000000")
	p.Load("form[action='/account/factors/app'] button[type=submit]")
	p.See("[data-testid=error-code]")
	p.Axe("factor-add-refused")
	key := p.EnrolApp()
	look(p, "recovery-codes")
	codes := p.KeepCodes()
	if len(codes) != 10 {
		t.Fatalf("codes %v", codes)
	}
	p.At(conn)
	p.Go("/account")
	look(p, "account-factors")

	logout(p)
	wait(time.Minute)
	login(p)
	p.At("/login/factor")
	look(p, "login-factor")
	p.Fill("#code", "123456")
	p.Load("[data-testid=code-form] button[type=submit]")
	p.See("[data-testid=login-problem]")
	p.Axe("login-factor-refused")
	p.Fill("#code", p.Code(key))
	p.Load("[data-testid=code-form] button[type=submit]")
	p.At(conn)

	logout(p)
	login(p)
	p.Fill("#code", codes[3])
	p.Load("[data-testid=code-form] button[type=submit]")
	p.At(conn)
	if flash := p.Text("[data-testid=flash]"); !strings.Contains(flash, "9 are left") {
		t.Errorf("said %q", flash)
	}
	for _, width := range []int64{390} {
		p.Size(width, 844)
		for _, path := range []string{"/account", "/account/factors/add", "/account/recovery-codes", "/confirm"} {
			p.Go(path)
			p.Shot("narrow" + strings.ReplaceAll(path, "/", "-"))
			if over := browsertest.Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
				t.Errorf("%s is %d px wider than a window of %d px", path, over, width)
			}
		}
	}
}

// TestPasskeys adds a passkey, uses it as the second factor, alone, and to
// confirm something dangerous.
func TestPasskeys(t *testing.T) {
	b := browsertest.Launch(t)
	base, conn, now, wait := guarded(t)
	p := b.Open(base)
	p.Clock(now)
	p.Authenticator()
	login(p)
	p.At("/account/factors/add")
	p.Fill("#name-passkey", "Laptop")
	p.Load("form[data-passkey=create] button")
	p.At("/account/recovery-codes")
	p.KeepCodes()
	p.At(conn)
	p.Go("/account")
	if text := p.Text("[data-testid=factor]"); !strings.Contains(text, "Laptop") || !strings.Contains(text, "Passkey") {
		t.Errorf("factor %q", text)
	}

	logout(p)
	login(p)
	p.At("/login/factor")
	p.See("[data-testid=passkey]")
	look(p, "login-factor-passkey")
	p.Load("[data-testid=passkey]")
	p.At(conn)

	logout(p)
	p.Go("/login")
	p.See("[data-testid=passkey]")
	look(p, "login-passkey")
	p.Load("[data-testid=passkey]")
	p.At(conn)

	wait(11 * time.Minute)
	remove := "/connections/" + strings.TrimPrefix(conn, "/c/") + "/delete"
	p.Go(remove)
	p.At("/confirm")
	look(p, "confirm")
	p.Load("[data-testid=passkey]")
	p.At(remove)
}
