package browsertest_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/metalens/metalens/internal/web/browsertest"
)

// TestImpactByKeyboard types a name, walks through what is suggested, adds a
// second root, narrows the answer and opens a path, all without a mouse.
func TestImpactByKeyboard(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	// What is typed next, or leads away, takes back the question for suggestions.
	p.Allow("htmx:sendAbort")
	p.Allow("htmx:afterRequest")
	login(p)
	p.Until("document.documentElement.classList.contains('js')")
	p.Press("g")
	p.Press("i")
	p.At(conn + "/impact")
	p.Until("document.activeElement.id === 'picker'")
	p.Fill("#picker", "orders.to")
	p.See("#suggestions [data-offer]")
	p.Shot("impact-suggestions")
	p.Axe("impact-suggestions")
	p.Press(kb.ArrowDown)
	p.Until("document.activeElement.matches('[data-offer]')")
	p.Press(kb.ArrowUp)
	p.Until("document.activeElement.id === 'picker'")
	p.Press(kb.Escape)
	p.Until("document.querySelector('#suggestions').childElementCount === 0")
	p.Fill("#picker", "orders.tot")
	p.See("#suggestions [data-offer]")
	p.Press(kb.ArrowDown)
	p.Press(kb.Enter)
	p.At(conn + "/impact?ref=column%3A1%2Fpublic%2Forders%2Ftotal")
	p.See("[data-testid=counts]")
	p.Fill("#picker", "customers.email")
	p.Press(kb.Enter)
	p.Until("document.querySelectorAll('[data-testid=root]').length === 2")
	p.Until("document.activeElement.id !== 'picker'")
	p.Press("j")
	p.Until("document.activeElement.closest('[data-testid=affected]') === document.querySelectorAll('[data-testid=affected]')[0]")
	p.Press("j")
	p.Until("document.activeElement.closest('[data-testid=affected]') === document.querySelectorAll('[data-testid=affected]')[1]")
	p.Press("k")
	p.Click("[data-testid=affected] .path summary")
	p.See("[data-testid=affected] .path-line")
	p.Shot("impact-path")
	p.Axe("impact-path")
	before := p.Count("[data-testid=affected]")
	p.Click(".filters .menu summary")
	p.Click(".filters input[name=kind][value=dashboard]")
	p.Until("location.search.includes('kind=dashboard')")
	p.Until("document.querySelector('[data-testid=chips]') !== null")
	if after := p.Count("[data-testid=affected]"); after == 0 || after >= before {
		t.Errorf("%d of %d are dashboards", after, before)
	}
	p.Click("[data-testid=mode-migration]")
	p.Fill("#sql", "ALTER TABLE orders DROP COLUMN total; DROP TABLE nobody_knows_it;")
	p.Load("[data-testid=migration] button.primary")
	p.See("[data-testid=statement]")
	p.Shot("impact-migration-result")
	p.Axe("impact-migration-result")
}

// TestDuplicatesByKeyboard opens a cluster from the list and goes back.
func TestDuplicatesByKeyboard(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	login(p)
	p.Until("document.documentElement.classList.contains('js')")
	p.Press("g")
	p.Press("d")
	p.At(conn + "/duplicates")
	p.Press("j")
	p.Until("document.activeElement.closest('[data-testid=cluster]') === document.querySelectorAll('[data-testid=cluster]')[0]")
	p.Press(kb.Enter)
	p.See("[data-testid=keep]")
	p.Press(kb.Escape)
	p.At(conn + "/duplicates")
	p.Fill("#filter-text", "country")
	p.Until("location.search === '?q=country'")
	p.Until("document.querySelectorAll('[data-testid=cluster]').length === 1")
	p.Press(kb.Escape)
	p.Press("g")
	p.Press("m")
	p.At(conn + "/metrics")
	p.Press("j")
	p.Until("document.activeElement.closest('[data-testid=metric]') !== null")
	p.Press(kb.Enter)
	p.See("[data-testid=definition]")
	p.Shot("metric")
	p.Axe("metric")
}

// TestComparisonFitsEveryWidth looks at the comparison beside each other and,
// on a narrow window, one below the other.
func TestComparisonFitsEveryWidth(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	login(p)
	beside := "(() => { const r = document.querySelector('.side-changed, .side-same'); const [a, b] = r.children; return b.getBoundingClientRect().left > a.getBoundingClientRect().left })()"
	p.Go(conn + "/duplicates/question:117")
	if !browsertest.Eval[bool](p, beside) {
		t.Error("a wide window does not show the two side by side")
	}
	p.Size(390, 3000)
	if browsertest.Eval[bool](p, beside) {
		t.Error("a narrow window shows the two side by side")
	}
	p.Shot("comparison")
	p.Size(360, 844)
	if over := browsertest.Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		t.Errorf("%d px wider than the window", over)
	}
}

// TestContentWithoutScripts does the main things with scripts switched off.
func TestContentWithoutScripts(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	p.Scripts(false)
	login(p)
	p.Load("[data-testid=nav-impact]")
	p.Fill("#picker", "created_at")
	p.Load(".picker button[type=submit]")
	p.See("[data-testid=candidates]")
	p.Load("[data-testid=offer]")
	p.See("[data-testid=root]")
	p.Load("[data-testid=change-rename]")
	p.Until("location.search.includes('change=rename')")
	p.Load("[data-testid=mode-migration]")
	p.Fill("#sql", "DROP TABLE orders;")
	p.Load("[data-testid=migration] button.primary")
	p.See("[data-testid=statement]")
	p.Go(conn + "/duplicates")
	p.Fill("#filter-text", "country")
	p.Load(".filters button[type=submit]")
	if n := p.Count("[data-testid=cluster]"); n != 1 {
		t.Errorf("%d clusters match, want 1", n)
	}
	p.Load("[data-testid=cluster] a")
	if !strings.Contains(p.Text("[data-testid=keep]"), "Revenue by country") {
		t.Errorf("keep %q", p.Text("[data-testid=keep]"))
	}
	p.Load("[data-testid=nav-metrics]")
	p.See("[data-testid=metric]")
}
