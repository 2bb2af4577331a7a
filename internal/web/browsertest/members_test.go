package browsertest_test

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/web/browsertest"
)

const membersPassword = "first demo passphrase 1"

// bootDemo starts the demo of the whole program on a free port.
func bootDemo(t *testing.T) (base string) {
	t.Helper()
	serving, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	console, dir := &printed{}, filepath.Join(t.TempDir(), "demo")
	go func() {
		ended <- app.Demo(ctx, app.Env{
			Stdin: strings.NewReader(""), Stdout: &printed{}, Stderr: console, Now: time.Now,
			Serving: func(address string) { serving <- address },
		}, app.DemoOptions{Listen: "127.0.0.1:0", Dir: dir, Password: secret.New(membersPassword)})
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
	return base
}

func loginAs(p *browsertest.Page, email, password string) {
	p.Go("/login")
	p.Fill("#email", email)
	p.Fill("#password", password)
	p.Load("form[action='/login'] button.primary")
}

// checked photographs a page, looks at it with axe in both colour schemes and
// measures it on a narrow window.
func checked(t *testing.T, p *browsertest.Page, name string) {
	t.Helper()
	p.Settle()
	p.Shot(name)
	p.Axe(name)
	p.Dark(true)
	p.Axe(name + " in the dark")
	p.Dark(false)
	p.Size(390, 844)
	if over := browsertest.Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		t.Errorf("%s is %d px wider than a window of 390 px", name, over)
	}
	p.Size(1280, 900)
}

// TestMembersComposed walks an invitation in two browsers: made, accepted, the
// role changed, the member removed.
func TestMembersComposed(t *testing.T) {
	base := bootDemo(t)
	browser := browsertest.Launch(t)
	owner, guest := browser.Open(base), browser.Open(base)
	guest.Allow("422")
	guest.Allow("403")
	guest.Allow("404")
	owner.Allow("422")

	owner.Go("/login/forgot")
	owner.See("[data-testid=ask-operator]")
	checked(t, owner, "login-forgot")
	loginAs(owner, app.DemoEmail, membersPassword)
	owner.Go("/settings")
	checked(t, owner, "settings-general")
	owner.Go("/settings/mail")
	checked(t, owner, "settings-mail")
	owner.Load("[data-testid=settings-members]")
	owner.At("/settings/members")
	owner.Fill("#email", strings.Repeat("very.long.", 6)+"name@a.very.long.example.com")
	owner.Load("form[action='/settings/members/invite'] button")
	owner.See("[data-testid=issued]")
	owner.Fill("#email", "new@example.com")
	owner.Load("form[action='/settings/members/invite'] button")
	owner.See("[data-testid=issued]")
	checked(t, owner, "settings-members-invited")
	link, err := url.Parse(browsertest.Eval[string](owner, "document.querySelector('[data-testid=link]').value"))
	if err != nil {
		t.Fatal(err)
	}

	guest.Go(link.Path)
	checked(t, guest, "invitation")
	guest.Fill("#name", "Zoë 🙂 "+strings.Repeat("Long", 10))
	guest.Fill("#password", "password1234")
	guest.Load("form[action$='/register'] button")
	guest.See("[data-testid=error-password]")
	checked(t, guest, "invitation-refused")
	guest.Fill("#password", "a brisk green lantern")
	guest.Load("form[action$='/register'] button")
	guest.At("/login")
	loginAs(guest, "new@example.com", "a brisk green lantern")
	// What a member sees is granted: the list, a connection's default, the tree.
	owner.Go("/settings/access")
	checked(t, owner, "access")
	for _, name := range []string{"access-connection", "access-member"} {
		deeper := browsertest.Eval[string](owner, `[...document.querySelectorAll('main a')].map(a => a.getAttribute('href')).find(h => h.startsWith('/settings/access/') && h.split('/').length > location.pathname.split('/').length) ?? ''`)
		if deeper == "" {
			t.Fatalf("no way to %s", name)
		}
		owner.Go(deeper)
		checked(t, owner, name)
	}

	guest.Go("/settings/members")
	if n := guest.Count("[data-testid=member]"); n != 2 {
		t.Errorf("%d members", n)
	}
	if n := guest.Count("form[action='/settings/members/invite']"); n != 0 {
		t.Error("a viewer is offered to invite")
	}
	checked(t, guest, "settings-members-viewer")

	owner.Go("/settings/members")
	owner.Until("document.querySelectorAll('[data-testid=member]').length === 2")
	checked(t, owner, "settings-members")
	member := "form[action$='/role']:has(option[value=viewer][selected])"
	browsertest.Eval[bool](owner, "(() => { const s = document.querySelector(\""+member+" select\"); s.value = 'editor'; return true })()")
	owner.Load(member + " button")
	owner.See("[data-testid=flash]")
	guest.Go("/settings")
	guest.At("/login") // the raise ended the login
	loginAs(guest, "new@example.com", "a brisk green lantern")
	guest.Go("/settings")
	if text := guest.Text("dl.facts"); !strings.Contains(text, "editor") {
		t.Errorf("the member's role is not shown: %s", text)
	}
	owner.Load("a[href$='/remove']")
	checked(t, owner, "settings-member-remove")
	owner.Load("form[action$='/remove'] button.danger")
	owner.At("/settings/members")
	owner.Until("document.querySelectorAll('[data-testid=member]').length === 1")
	guest.Go("/settings")
	guest.At("/login")
	owner.Go("/settings/members/leave")
	checked(t, owner, "settings-leave")
}
