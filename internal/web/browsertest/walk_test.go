package browsertest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/web/browsertest"
	"github.com/metalens/metalens/internal/web/connections"
	"github.com/metalens/metalens/internal/web/webtest"
)

// running is a clock that starts at the company's day and goes on.
func running() func() time.Time {
	start := time.Now()
	return func() time.Time { return webtest.Now.Add(time.Since(start)) }
}

func owner(token string) browsertest.Setup {
	return browsertest.Setup{Token: token, Name: webtest.OwnerName, Email: webtest.OwnerEmail, Password: webtest.OwnerPassword}
}

// TestFirstRun goes from an empty server to an overview, with a Metabase of
// one's own and with the sample company.
func TestFirstRun(t *testing.T) {
	browser := browsertest.Launch(t)
	t.Run("own Metabase", func(t *testing.T) {
		b := webtest.New()
		b.Clock = running()
		b.StepDelay = 400 * time.Millisecond
		base, accounts := serve(t, b)
		p := browser.Open(base)
		s := owner(accounts.SetupToken())
		s.URL, s.Key = "https://metabase.example.com", "mb_not_a_real_key"
		s.Started = func(p *browsertest.Page) {
			p.Until("document.querySelectorAll('.scan-step-done').length >= 2")
			p.Shot("setup-scan-live")
		}
		conn := p.FirstRun(s)
		if got := p.Text("h1"); got != "metabase.example.com" {
			t.Errorf("overview of %q", got)
		}
		if strings.Contains(browsertest.Eval[string](p, "document.documentElement.outerHTML"), s.Key) {
			t.Error("the key is in the page")
		}
		p.Go("/connections/" + strings.TrimPrefix(conn, "/c/"))
		if strings.Contains(browsertest.Eval[string](p, "document.documentElement.outerHTML"), s.Key) {
			t.Error("the key is in the settings")
		}
	})
	t.Run("sample company", func(t *testing.T) {
		b := webtest.New()
		b.StepDelay = 40 * time.Millisecond
		base, accounts := serve(t, b)
		p := browser.Open(base)
		p.Dark(true)
		p.FirstRun(owner(accounts.SetupToken()))
		if got := p.Text("h1"); got != "Sample company" {
			t.Errorf("overview of %q", got)
		}
	})
}

// TestExceptionIsOffered connects over plain HTTP: refused at first, then
// accepted by a person.
func TestExceptionIsOffered(t *testing.T) {
	b := webtest.New()
	b.Probe = func(d connections.Draft) (connections.Report, error) {
		if d.Options.AllowPlainHTTP {
			return b.Report, nil
		}
		return connections.Report{Problems: []connections.Problem{{
			Code: "plain_http", Text: "This address is not encrypted.", Hint: "Use https, or accept plain HTTP for this connection.", Exception: connections.ExceptionPlainHTTP,
		}}}, nil
	}
	base, accounts := serve(t, b)
	if _, err := b.AddOwner(t.Context(), accounts); err != nil {
		t.Fatal(err)
	}
	p := browsertest.Launch(t).Open(base)
	login(p)
	p.At("/setup/connection")
	p.Fill("#url", "http://metabase.internal.example")
	p.Fill("#key", "mb_key")
	p.Click("[data-testid=test]")
	p.See("[data-testid=problem-plain_http]")
	p.Shot("connection-exception")
	p.Axe("connection-exception")
	p.Click("[data-testid=problem-plain_http] input")
	p.Load("[data-testid=save]")
	p.Until("location.pathname.startsWith('/setup/scan/')")
	drafts := b.Drafts()
	if !drafts[len(drafts)-1].Options.AllowPlainHTTP {
		t.Error("the accepted exception was not sent")
	}
}

// TestScanFollowsLive watches a scan, cancels it, and sees a failed one.
func TestScanFollowsLive(t *testing.T) {
	base, conn, b := company(t)
	b.Clock = running()
	b.StepDelay = 2 * time.Second
	p := browsertest.Launch(t).Open(base)
	login(p)
	p.Go(conn + "/scans")
	p.Load("[data-testid=run-scan]")
	p.Until("document.querySelectorAll('.scan-step-done').length >= 1")
	p.Shot("scan-live")
	p.Axe("scan-live")
	p.Go(conn)
	p.See(".scan-chip")
	p.Load(".scan-chip")
	p.Click("[data-testid=cancel]")
	p.Until("document.querySelector('.progress-title').innerText.includes('Cancelled')")
	b.StepDelay = 20 * time.Millisecond
	b.FailScan = errs.New(errs.Unauthorized, "unauthorized", "Metabase refused the key.", "Create a new one and replace it.")
	p.Load("[data-testid=run-scan]")
	p.See("[data-testid=scan-error]")
	p.Until("document.querySelector('[data-testid=run-scan]') !== null")
	p.Shot("scan-error")
	p.Axe("scan-error")
	p.Go(conn)
	p.See("[data-testid=scan-failed]")
}

// TestFindingsOpenBesideTheirList opens, ignores and takes back, with the mouse.
func TestFindingsOpenBesideTheirList(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	login(p)
	p.Go(conn + "/findings")
	p.Click("[data-testid=finding] [data-open]")
	p.See("[data-testid=finding-detail]")
	p.Until("location.pathname.split('/').length === 5")
	p.Shot("finding")
	p.Axe("finding")
	if p.Count("[data-testid=finding]") < 5 {
		t.Error("the list went away")
	}
	// The address stands for the same view.
	address := p.Path()
	p.Go(address)
	p.See("[data-testid=finding-detail]")
	if p.Count(".row.is-open") != 1 {
		t.Error("the open finding is not marked in the list")
	}
	p.Dark(true)
	p.Shot("finding")
	p.Axe("finding")
	p.Dark(false)
	p.Size(390, 844)
	p.Shot("finding")
	p.Axe("finding")
	p.Size(1440, 900)
	open := p.Text("[data-testid=nav-findings] .nav-count")
	p.Load("[data-testid=triage] [data-ignore]")
	p.See("[data-testid=flash]")
	p.Shot("finding-ignored")
	p.Axe("finding-ignored")
	if now := p.Text("[data-testid=nav-findings] .nav-count"); now == open {
		t.Errorf("still %s open findings", now)
	}
	p.Load("[data-testid=flash] button")
	p.See("[data-testid=flash]")
	if now := p.Text("[data-testid=nav-findings] .nav-count"); now != open {
		t.Errorf("%s open findings after undo, want %s", now, open)
	}
	// Filters go into the address, without empty parts.
	p.Go(conn + "/findings")
	p.Fill("#filter-text", "owner")
	p.At(conn + "/findings?q=owner")
	p.See("[data-testid=chips]")
	if n := p.Count("[data-testid=finding]"); n != 3 {
		t.Errorf("%d findings match, want 3", n)
	}
}

// TestKeyboard walks through the product without a mouse.
func TestKeyboard(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	login(p)
	p.Until("document.documentElement.classList.contains('js')")
	press := func(keys string) {
		t.Helper()
		for _, k := range keys {
			p.Press(string(k))
		}
	}
	press("gf")
	p.At(conn + "/findings")
	press("gc")
	p.At(conn + "/catalog")
	press("go")
	p.At(conn)
	press("/")
	p.Until("document.activeElement.id === 'search'")
	p.Fill("#search", "orders")
	press(kb.Enter)
	p.At(conn + "/catalog?q=orders")
	press("j")
	p.Until("document.activeElement.matches('[data-testid=hit] [data-open]')")
	press("gf")
	p.At(conn + "/findings")
	press("j")
	p.Until("document.activeElement.closest('.row') === document.querySelectorAll('[data-testid=finding]')[0]")
	press("jx")
	p.See("[data-testid=bulk]")
	p.Until("document.querySelector('[data-count]').innerText === '1 selected'")
	p.Shot("findings-bulk")
	p.Axe("findings-bulk")
	press("e")
	p.Until("document.activeElement.name === 'reason'")
	press(kb.Escape)
	press(kb.Escape)
	p.Until("document.querySelectorAll('input[name=fp]:checked').length === 0")
	press("j" + kb.Enter)
	p.See("[data-testid=finding-detail]")
	p.Until("document.activeElement.id === 'detail'")
	press("e")
	p.Until("document.activeElement.id === 'one-reason'")
	press(kb.Escape + kb.Escape)
	p.At(conn + "/findings")
	press("?")
	p.See("#keys")
	p.Shot("keyboard-help")
	p.Axe("keyboard-help")
	press(kb.Escape)
	p.Until("!document.querySelector('#keys').open")
	// The first tab stop leads past the navigation.
	p.Go(conn)
	press(kb.Tab)
	p.Until("document.activeElement.classList.contains('skip')")
	press(kb.Enter)
	p.Until("document.activeElement.id === 'main'")
}

// TestThemeStays switches the colour scheme, with scripts and without.
func TestThemeStays(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	login(p)
	p.Click(".top [aria-label='Colour scheme']")
	p.Click("[data-theme-form] button[value=dark]")
	p.Until("document.documentElement.dataset.theme === 'dark'")
	p.Until("getComputedStyle(document.body).colorScheme === 'dark' || getComputedStyle(document.documentElement).colorScheme === 'dark'")
	p.Go(conn + "/scans")
	p.Until("document.documentElement.dataset.theme === 'dark'")
	p.Scripts(false)
	p.Go(conn + "/scans")
	p.Click(".top [aria-label='Colour scheme']")
	p.Load("[data-theme-form] button[value=light]")
	p.See("html[data-theme=light]")
	p.At(conn + "/scans")
}

// TestWithoutScripts does the main things with scripts switched off.
func TestWithoutScripts(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	p.Scripts(false)
	login(p)
	p.See("[data-testid=health]")
	p.Load("[data-testid=nav-findings]")
	p.Fill("#filter-text", "owner")
	p.Load(".filters button[type=submit]")
	if n := p.Count("[data-testid=finding]"); n != 3 {
		t.Errorf("%d findings match, want 3", n)
	}
	p.Load("[data-testid=finding] [data-open]")
	p.See("[data-testid=finding-detail]")
	p.Load("[data-testid=triage] [data-ignore]")
	p.See("[data-testid=flash]")
	p.Go(conn + "/scans")
	p.Load("[data-testid=run-scan]")
	p.See("[data-testid=progress]")
	p.Size(390, 844)
	p.Go(conn)
	p.Click(".drawer-button")
	p.See("#side .brand")
	p.Shot("drawer")
	p.Load("[data-testid=nav-catalog]")
	p.See("[data-testid=item]")
}

// TestHostileNamesStayText opens every page that shows a name made of markup.
func TestHostileNamesStayText(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	login(p)
	for _, path := range []string{"/catalog/question/115", "/catalog/question/115?tab=sql", "/catalog?in=collection%3A31", "/catalog?q=onerror", "/findings?q=onerror", "/catalog/dashboard/5?tab=cards"} {
		p.Go(conn + path)
		if !strings.Contains(browsertest.Eval[string](p, "document.body.innerText"), "onerror=alert(1)") {
			t.Errorf("%s does not show the name", path)
		}
		if n := p.Count("main img, main script"); n != 0 {
			t.Errorf("%s: the name became %d elements", path, n)
		}
	}
}
