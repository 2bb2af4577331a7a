package browsertest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/browsertest"
	"github.com/metalens/metalens/internal/web/webtest"
)

// TestConsoleIsAccessible walks the operator console in light and dark, wide and
// narrow, and uses a switch.
func TestConsoleIsAccessible(t *testing.T) {
	browser := browsertest.Launch(t)
	b := webtest.New()
	accounts, err := b.Auth(false)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := web.NewOperator(web.OperatorConfig{
		Auth: accounts, Service: &webtest.Console{}, Logs: webtest.ConsoleLogs{Backend: b}, Metrics: http.NotFoundHandler(), Version: "MetaLens v0.0.0-test", Loopback: true, Now: b.Clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	if _, err := b.AddOwner(t.Context(), accounts); err != nil {
		t.Fatal(err)
	}
	p := browser.Open(server.URL)
	login(p)
	p.Go("/controls")
	p.Fill("#why", "the key was lost")
	p.Load("[data-testid=stop]")
	p.Until("document.querySelector('[data-testid=stopped]') !== null")
	for _, dark := range []bool{false, true} {
		p.Dark(dark)
		for _, width := range []int64{1440, 390} {
			p.Size(width, 900)
			for _, v := range []view{
				{"console-state", "/"},
				{"console-organizations", "/organizations"},
				{"console-jobs", "/jobs"},
				{"console-storage", "/storage"},
				{"console-retention", "/retention"},
				{"console-controls", "/controls"},
				{"console-egress", "/egress"},
				{"console-audit", "/audit"},
				{"console-operators", "/operators"},
			} {
				p.Go(v.path)
				p.Shot(v.name)
				if !dark || width > 1000 {
					p.Axe(v.name)
				}
				if over := browsertest.Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
					t.Errorf("%s is %d px wider than a window of %d px", v.name, over, width)
				}
			}
		}
	}
}
