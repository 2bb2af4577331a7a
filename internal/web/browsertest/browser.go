// Package browsertest drives a real browser through the pages: whole paths,
// keyboard, accessibility, screenshots.
//
// The harness takes the address of any server, so that the same walks run over
// the fakes of this repository and over the composed program.
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// patience is how long a step may take before the test fails: long enough for
// a machine that builds and runs other tests with the race detector beside it.
const patience = 90 * time.Second

// Browser is a running Chromium.
type Browser struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps the browser in the context
}

// Launch starts a browser for a test. Without a Chromium the test is skipped,
// loudly; under CI it fails.
func Launch(t *testing.T) *Browser {
	t.Helper()
	if os.Getenv("METALENS_SKIP_BROWSER") != "" {
		t.Skip("METALENS_SKIP_BROWSER is set: browser tests are skipped")
	}
	binary := find()
	if binary == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no Chromium found: install one, or name it in METALENS_CHROMIUM")
		}
		t.Skip("NO BROWSER TEST RUNS: no Chromium found. Install one, or name it in METALENS_CHROMIUM.")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(binary), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true), chromedp.Flag("font-render-hinting", "none"), chromedp.WindowSize(1440, 900),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
	return &Browser{t: t, ctx: ctx}
}

func find() string {
	if path := os.Getenv("METALENS_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Page is a tab with cookies of its own.
type Page struct {
	t      *testing.T
	ctx    context.Context //nolint:containedctx // chromedp keeps the tab in the context
	base   string
	mu     sync.Mutex
	errors []string
	allow  []string
	dark   bool
	width  int64
	clock  func() time.Time // of the server; see Clock
}

// Open opens a tab on the server at base. The test fails at its end when the
// page's console had an error: an exception, a refused resource, a breach of the
// content security policy.
func (b *Browser) Open(base string) *Page {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	p := &Page{t: b.t, ctx: ctx, base: base, width: 1440}
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatalf("open a tab: %v", err)
	}
	messages := chromedp.Console(ctx)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" {
				p.mu.Lock()
				p.errors = append(p.errors, m.String()+" "+m.URL)
				p.mu.Unlock()
			}
		}
	}()
	b.t.Cleanup(func() {
		cancel()
		<-listening
		for _, e := range p.errors {
			if !slices.ContainsFunc(p.allow, func(s string) bool { return strings.Contains(e, s) }) {
				b.t.Errorf("browser console: %s", e)
			}
		}
	})
	p.Size(1440, 900)
	return p
}

// Clock tells the page what time it is at the server, for codes that depend on
// it; without one it is the system's.
func (p *Page) Clock(now func() time.Time) { p.clock = now }

func (p *Page) now() time.Time {
	if p.clock != nil {
		return p.clock()
	}
	return time.Now()
}

// Authenticator gives the browser a virtual authenticator that holds passkeys
// and verifies its user.
func (p *Page) Authenticator() {
	p.t.Helper()
	p.do("authenticator", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return err
	}))
}

// Allow excuses console errors that contain a text, such as the status of an
// invalid form.
func (p *Page) Allow(text string) { p.allow = append(p.allow, text) }

func (p *Page) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Shot("failed")
		p.t.Fatalf("%s on %s: %v", what, p.Path(), err)
	}
}

// Go opens a path of the server.
func (p *Page) Go(path string) {
	p.t.Helper()
	p.do("go to "+path, chromedp.Navigate(p.base+path))
}

// Click clicks on an element.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Load clicks on an element and waits for the page that this loads.
func (p *Page) Load(selector string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		p.Shot("failed")
		p.t.Fatalf("follow %s on %s: %v", selector, p.Path(), err)
	}
}

// Fill types a text into an emptied field.
func (p *Page) Fill(selector, text string) {
	p.t.Helper()
	p.do("find "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
	Eval[string](p, fmt.Sprintf("document.querySelector(%q).value = ''", selector))
	p.do("fill "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Press sends keys to the page.
func (p *Page) Press(keys string) {
	p.t.Helper()
	p.do("press "+keys, chromedp.KeyEvent(keys))
}

// See waits until an element is visible.
func (p *Page) See(selector string) {
	p.t.Helper()
	p.do("wait for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Until waits until an expression of the page is true.
func (p *Page) Until(expression string) {
	p.t.Helper()
	p.until(expression, patience)
}

// Settle waits for what a page draws after it was loaded: the lineage graph.
func (p *Page) Settle() {
	p.t.Helper()
	p.Until("!document.querySelector('[data-lineage]') || Number(document.querySelector('[data-lineage]').dataset.shown) > 0")
}

func (p *Page) until(expression string, patience time.Duration) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		// The page may go away while it is asked: the next one answers.
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && ok {
			return
		}
		select {
		case <-ctx.Done():
			p.Shot("failed")
			p.t.Fatalf("wait until %s on %s: %v", expression, p.Path(), errors.Join(err, ctx.Err()))
		case <-tick.C:
		}
	}
}

// At waits until the address has a path (with its query, when that is given) and
// the page is ready.
func (p *Page) At(path string) {
	p.t.Helper()
	p.Until(fmt.Sprintf("document.readyState === 'complete' && ((location.pathname + location.search) === %q || location.pathname === %q)", path, path))
}

// Text returns the text of an element, without white space around it.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return Eval[string](p, fmt.Sprintf("(document.querySelector(%q)?.innerText ?? '').trim()", selector))
}

// Count returns how many elements match.
func (p *Page) Count(selector string) int {
	p.t.Helper()
	return Eval[int](p, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}

// Path returns the path and query of the address.
func (p *Page) Path() string {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	address, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return "an unknown page"
	}
	return strings.TrimPrefix(address, p.base)
}

// Eval returns the value of an expression of the page.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("evaluate %s on %s: %v", expression, p.Path(), err)
	}
	return v
}

// Size sets the size of the window.
func (p *Page) Size(width, height int64) {
	p.t.Helper()
	p.width = width
	p.do("resize", chromedp.EmulateViewport(width, height))
}

// Dark switches the system's colour scheme.
func (p *Page) Dark(on bool) {
	p.t.Helper()
	p.dark = on
	value := "light"
	if on {
		value = "dark"
	}
	p.do("colour scheme", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		return err
	}))
}

// Scripts switches the page's scripts on or off, from the next page on.
func (p *Page) Scripts(on bool) {
	p.t.Helper()
	p.do("scripts", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

// Shot writes a screenshot of the whole page when METALENS_SCREENSHOTS names a
// directory.
func (p *Page) Shot(name string) {
	dir := os.Getenv("METALENS_SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	scheme := "light"
	if p.dark {
		scheme = "dark"
	}
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Logf("screenshot %s: %v", name, err)
		return
	}
	file := filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, p.width, scheme))
	err = errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(file, picture, 0o644)) //nolint:gosec // pictures of made-up data, for everybody
	if err != nil {
		p.t.Logf("screenshot %s: %v", name, err)
	}
}

// violation is what axe-core reports about one rule.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// Axe checks the page as it is against WCAG 2.2 AA and best practices; every
// violation fails the test.
func (p *Page) Axe(name string) {
	p.t.Helper()
	source := axeSource(p.t)
	if source == "" {
		return
	}
	var found []violation
	var err error
	for range 3 { // a page that is just moving on, as after a scan, is checked where it arrives
		if found, err = p.violations(source); err == nil || !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "context was destroyed") {
			break
		}
		p.Until("document.readyState === 'complete'")
	}
	if err != nil {
		p.t.Fatalf("axe on %s: %v", name, err)
	}
	for _, v := range found {
		for i, n := range v.Nodes {
			if i == 3 {
				p.t.Errorf("axe %s: %s: … %d more", name, v.ID, len(v.Nodes)-i)
				break
			}
			p.t.Errorf("axe %s (dark=%v, %d px): %s: %s\n  %s\n  %s", name, p.dark, p.width, v.ID, v.Help, n.HTML, n.Summary)
		}
	}
}

// violations runs axe-core on the page as it is.
func (p *Page) violations(source string) ([]violation, error) {
	ctx, cancel := context.WithTimeout(p.ctx, 2*patience)
	defer cancel()
	loaded, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("typeof window.axe === 'object'"))
	if err != nil {
		return nil, err
	}
	if !loaded {
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](source+"\n;undefined")); err != nil {
			return nil, err
		}
	}
	return chromedp.Run(ctx, chromedp.Evaluate[[]violation](
		`axe.run(document, {runOnly: ["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]}).then((r) => r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.map((n) => ({html: n.html, failureSummary: n.failureSummary}))})))`,
		chromedp.EvalAwaitPromise))
}

func axeSource(t *testing.T) string {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("no source path")
	}
	file := filepath.Join(filepath.Dir(here), "..", "..", "..", "web", "node_modules", "axe-core", "axe.min.js")
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && os.Getenv("CI") != "true" {
		t.Log("NO ACCESSIBILITY CHECK RUNS: axe-core is not installed. Run npm ci in web/.")
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
