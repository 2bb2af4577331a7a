package browsertest_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browsertest"
)

// TestLineageDraws opens the drawing in every scheme and width.
func TestLineageDraws(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	login(p)
	for _, dark := range []bool{false, true} {
		p.Dark(dark)
		for _, width := range []int64{1440, 390} {
			p.Size(width, 900)
			for _, v := range []view{
				{"lineage-start", conn + "/lineage"},
				{"lineage-search", conn + "/lineage?q=orders"},
				{"lineage-question", conn + "/lineage/question/101"},
				{"lineage-table", conn + "/lineage/table/1~1public~1orders"},
				{"lineage-columns", conn + "/lineage/table/1~1public~1orders?mode=columns"},
				{"lineage-column", conn + "/lineage/column/1~1public~1orders~1total?mode=columns"},
				{"lineage-dashboard", conn + "/lineage/dashboard/2"},
				{"lineage-rtl", conn + "/lineage/question/112"},
				{"lineage-long", conn + "/lineage/question/114"},
				{"lineage-hostile", conn + "/lineage/question/115"},
				{"asset-sql-linked", conn + "/catalog/question/101?tab=sql"},
				{"asset-sql-gap", conn + "/catalog/question/110?tab=sql"},
				{"asset-lineage", conn + "/catalog/question/101?tab=lineage"},
				{"asset-query", conn + "/catalog/metric/104?tab=sql"},
				{"asset-hostile-sql", conn + "/catalog/question/115?tab=sql"},
			} {
				p.Go(v.path)
				if strings.Contains(v.path, "/lineage/") && v.name != "lineage-long" {
					p.Until("document.querySelector('[data-lineage]')?.dataset.shown > 1")
				}
				p.Shot(v.name)
				if v.name == "lineage-columns" && width > 1000 {
					browsertest.Eval[bool](p, "(document.querySelector(\"[data-testid=list]\").scrollIntoView(), true)")
					p.Shot("lineage-list")
				}
				p.Axe(v.name)
				if over := browsertest.Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
					t.Errorf("%s is %d px wider than a window of %d px", v.name, over, width)
				}
			}
		}
	}
}

// TestLineageGrows opens folds in place, by mouse and by keyboard.
func TestLineageGrows(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	login(p)
	path := conn + "/lineage/table/1~1public~1orders"
	p.Go(path)
	shown := func(n string) { p.Until("document.querySelector('[data-lineage]').dataset.shown " + n) }
	shown("> 10")
	before := browsertest.Eval[int](p, "Number(document.querySelector('[data-lineage]').dataset.shown)")
	lines := p.Count("[data-testid=line]")
	folded := browsertest.Eval[int](p, "Number(document.querySelector('.lin-node.is-fold .lin-box').textContent.match(/[0-9]+/)[0])")
	p.Click(".lin-node.is-fold .lin-box")
	p.Until("location.search.includes('open=down')")
	p.Until("document.querySelectorAll('.lin-node.is-fold').length === 0")
	if n := browsertest.Eval[int](p, "Number(document.querySelector('[data-lineage]').dataset.shown)"); n != before+folded-1 {
		t.Errorf("%d boxes after opening, %d before", n, before)
	}
	if n := p.Count("[data-testid=line]"); n < lines+folded {
		t.Errorf("%d lines in the list after opening %d, %d before: the list does not follow", n, folded, lines)
	}
	p.Axe("lineage-opened")
	// The address stands for the same view, and the way back leads back.
	address := p.Path()
	p.Go(address)
	shown("> 15")
	browsertest.Eval[bool](p, "(history.back(), true)")
	p.Until("document.querySelectorAll('.lin-node.is-fold').length === 1")

	// A step less, from the controls.
	p.Click("a[aria-label='Used by: one step less']")
	p.Until("location.search.includes('down=1')")
	p.Until("document.activeElement.getAttribute('aria-label') === 'Used by: one step less'")
	p.Until("[...document.querySelectorAll('.lin-box')].every((b) => !b.textContent.includes('Weekly trading'))")
	p.Click("a[aria-label='Used by: one step more']")
	p.Until("!location.search.includes('down=1')")
	p.Until("[...document.querySelectorAll('.lin-box')].some((b) => b.textContent.includes('Weekly trading'))")

	// Select, read, leave.
	p.Click(".lin-node.is-root .lin-box")
	p.See(".lin-side h2")
	p.Until("document.querySelectorAll('.lin-edge.is-on').length > 5")
	p.Shot("lineage-selected")
	p.Axe("lineage-selected")
	p.Dark(true)
	p.Shot("lineage-selected")
	p.Axe("lineage-selected")
	p.Dark(false)
	p.Click(".lin-side [aria-label=Close]")
	p.Until("document.activeElement.dataset.id === 'n0'")

	// Keyboard: along lines, up and down, select, show more, back to the start.
	p.Press(kb.ArrowRight)
	p.Until("document.activeElement.matches('.lin-box') && document.activeElement.dataset.id !== 'n0'")
	p.Press(kb.ArrowDown)
	p.Press(kb.ArrowUp)
	p.Press(kb.ArrowLeft)
	p.Until("document.activeElement.dataset.id === 'n0'")
	p.Press(kb.Enter)
	p.See(".lin-side h2")
	p.Press(kb.Escape)
	p.Until("document.querySelector('.lin-side').hidden")
	p.Press(kb.Home)
	p.Until("document.querySelectorAll('.lin-box[tabindex=\"0\"]').length === 1")

	// Find.
	p.Fill("#lin-find", "revenue by")
	p.Until("document.querySelectorAll('.lin-node.is-hit').length >= 1")
	p.Until("document.querySelector('.lin-found').textContent.startsWith('1 of')")
	p.Shot("lineage-found")
	p.Fill("#lin-find", "nothing like it")
	p.Until("document.querySelector('.lin-found').textContent === 'Not among what is shown'")

	// Columns light up with what carries them.
	p.Go(path + "?mode=columns")
	shown("> 10")
	browsertest.Eval[bool](p, "([...document.querySelectorAll('.lin-row')].find((r) => r.textContent === 'total').click(), true)")
	p.Until("document.querySelectorAll('.lin-cell.is-on').length > 3 && document.querySelectorAll('.lin-row.is-on').length > 3")
	p.Shot("lineage-column-lit")
}

// TestLineageWithoutScripts follows the list.
func TestLineageWithoutScripts(t *testing.T) {
	base, conn, _ := company(t)
	p := browsertest.Launch(t).Open(base)
	p.Scripts(false)
	login(p)
	p.Load("[data-testid=nav-lineage]")
	p.Fill("#start", "orders")
	p.Load(".lin-search button")
	p.See("[data-testid=choice]")
	p.Go(conn + "/lineage/table/1~1public~1orders")
	lines := p.Count("[data-testid=line]")
	p.Load("[data-testid=open-fold]")
	if n := p.Count("[data-testid=line]"); n <= lines {
		t.Errorf("%d lines after opening, %d before", n, lines)
	}
	if browsertest.Eval[bool](p, "document.querySelector('[data-lineage]').checkVisibility()") {
		t.Error("an empty drawing is shown")
	}
	p.Shot("lineage-no-scripts")
}

// TestLineageOfOddGraphs draws an asset that is alone and one in a circle.
func TestLineageOfOddGraphs(t *testing.T) {
	base, conn, b := company(t)
	view, err := b.View(t.Context(), "", store.ConnectionID(strings.TrimPrefix(conn, "/c/")))
	if err != nil {
		t.Fatal(err)
	}
	for id, sql := range map[string]string{"201": "SELECT * FROM {{#202}}", "202": "SELECT * FROM {{#201}} JOIN {{#202}} USING (id)"} {
		view.Index.Question(id).Query.SQL = sql
	}
	p := browsertest.Launch(t).Open(base)
	login(p)
	p.Go(conn + "/lineage/question/201")
	p.Until("document.querySelectorAll('.lin-edge.is-loop').length >= 2")
	p.Shot("lineage-circle")
	p.Axe("lineage-circle")
	p.Go(conn + "/lineage/question/114")
	p.Until("document.querySelector('[data-testid=note]').innerText.includes('Nothing that was read is related')")
	p.Shot("lineage-alone")
	p.Axe("lineage-alone")
}
