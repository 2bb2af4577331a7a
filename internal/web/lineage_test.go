package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/connections"
	"github.com/metalens/metalens/internal/web/sqlview"
	"github.com/metalens/metalens/internal/web/webtest"
)

const ordersPath = "/lineage/table/1~1public~1orders"

// graphAnswer is what the drawing asks for, as far as tests look at it.
type graphAnswer struct {
	Nodes []struct {
		ID, Kind, Name, Page, Here, OpenDown string
		Step, MoreDown                       int
		Root                                 bool
		Cells                                []struct{ Name, Href string }
	}
	Edges []struct {
		From, To string
		Ways     []string
		Sure     bool
	}
	Folds []struct {
		Text, Open string
		Count      int
	}
	Links []struct{ From, To [2]int }
	Note  string
}

func (s *site) graph(path string) graphAnswer {
	s.t.Helper()
	address, query, _ := strings.Cut(path, "?")
	a := s.get(address + "/graph?" + query)
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		s.t.Fatalf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
	}
	var g graphAnswer
	if err := json.Unmarshal([]byte(a.text), &g); err != nil {
		s.t.Fatal(err)
	}
	return g
}

func (g graphAnswer) names() []string {
	var out []string
	for _, n := range g.Nodes {
		out = append(out, n.Name)
	}
	return out
}

func TestLineageStart(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/lineage")
	if a.status != http.StatusOK || !strings.Contains(a.see("choice"), "orders") || !strings.Contains(a.see("choice"), "Monthly recurring revenue") {
		t.Errorf("%d %s", a.status, a.see("choice"))
	}
	a = s.get(conn + "/lineage?q=email")
	href, _ := a.doc.Find("[data-testid=choice] a").Attr("href")
	if want := conn + "/lineage/column/1~1public~1customers~1email"; href != want {
		t.Errorf("the column leads to %q, want %q", href, want)
	}
	if a := s.get(conn + "/lineage?q=zzzzzz"); a.see("empty") == "" {
		t.Error("nothing found is not said")
	}
	b := webtest.New()
	c, err := b.CreateConnection(t.Context(), "", "", connections.Draft{URL: "https://other.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	fresh := newSite(t, b)
	fresh.owner()
	if a := fresh.get("/c/" + string(c.ID) + "/lineage"); a.status != http.StatusOK || !strings.Contains(a.see("empty"), "Nothing was read yet") {
		t.Errorf("without a scan: %d %s", a.status, a.see("empty"))
	}
}

func TestLineageIsAListAndAGraph(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/lineage/question/101")
	if a.status != http.StatusOK {
		t.Fatal(a.status)
	}
	for _, want := range []string{"orders", "refunds", "paid orders", "Board report", "Weekly trading", "Board report, Mondays", "shows it as a card", "start here"} {
		if !strings.Contains(a.see("list"), want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	if !strings.Contains(a.see("gaps"), "The column is in none of the tables that the query reads o.country line 6") {
		t.Errorf("gaps: %s", a.see("gaps"))
	}
	g := s.graph(conn + "/lineage/question/101")
	for _, n := range g.Nodes {
		if !strings.Contains(a.see("list")+a.doc.Find("h1").Text(), n.Name) {
			t.Errorf("%q is in the graph, not in the list", n.Name)
		}
	}
	if !g.Nodes[0].Root || g.Nodes[0].Name != "Monthly recurring revenue" {
		t.Errorf("the root is %+v", g.Nodes[0])
	}
	if src, _ := a.doc.Find("script[src*=lineage]").Attr("src"); src == "" || strings.Contains(src, "missing") {
		t.Errorf("the drawing's script is %q", src)
	}
	if n := s.get(conn + "/catalog").doc.Find("script[src*=lineage]").Length(); n != 0 {
		t.Error("other pages load the drawing")
	}
}

// TestLineageStateIsTheAddress follows links only, as without scripts.
func TestLineageStateIsTheAddress(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + ordersPath)
	lines := a.count("line")
	fold, ok := a.doc.Find("[data-testid=open-fold]").Attr("href")
	folded := 0
	if _, err := fmt.Sscanf(a.see("open-fold"), "+%d questions", &folded); !ok || err != nil {
		t.Fatalf("no fold: %s", a.see("open-fold"))
	}
	more := s.get(fold)
	if more.count("line") < lines+folded || more.count("open-fold") != 0 {
		t.Errorf("%d lines after opening, %d before, %d folds", more.count("line"), lines, more.count("open-fold"))
	}
	again, _ := more.doc.Find(".lin-controls a:contains('Fold everything again')").Attr("href")
	if s.get(again).count("line") != lines {
		t.Error("folding again does not lead back")
	}
	fewer, _ := a.doc.Find("a[aria-label='Used by: one step less']").Attr("href")
	if b := s.get(fewer); b.count("line") >= lines || !strings.Contains(fewer, "down=1") {
		t.Errorf("%d lines with one step less, %d before, at %s", b.count("line"), lines, fewer)
	}
	if b := s.get(conn + ordersPath + "?up=0&down=0"); b.count("line") != 0 || !strings.Contains(b.see("list"), "Not followed") {
		t.Errorf("without steps: %s", b.see("list"))
	}
	columns := s.get(conn + ordersPath + "?mode=columns")
	if !strings.Contains(columns.see("list"), "revenue from orders.total") {
		t.Errorf("no columns: %s", columns.see("list"))
	}
	g := s.graph(conn + ordersPath + "?mode=columns")
	if len(g.Links) == 0 || len(g.Nodes[0].Cells) == 0 {
		t.Errorf("%d links, %d columns of the root", len(g.Links), len(g.Nodes[0].Cells))
	}
	one := s.graph(conn + "/lineage/column/1~1public~1orders~1is_test?mode=columns")
	if !slices.Contains(one.names(), "Revenue by country") || slices.Contains(one.names(), "Monthly recurring revenue") {
		t.Errorf("users of a column: %v", one.names())
	}
}

func TestLineageAddresses(t *testing.T) {
	s, conn := owned(t)
	for path, want := range map[string]string{
		"question/103":       conn + "/lineage/model/103",
		"question/103?up=1":  conn + "/lineage/model/103?up=1",
		"question/103/graph": conn + "/lineage/model/103",
	} {
		if a := s.get(conn + "/lineage/" + path); a.header.Get("Location") != want {
			t.Errorf("%s leads to %q", path, a.header.Get("Location"))
		}
	}
	for _, path := range []string{"question/99999", "table/nothing", "column/1~1public~1orders~1nothing", "collection/11", "person/1", "nonsense/1", "table/1~1public~1orders/nothing"} {
		if a := s.get(conn + "/lineage/" + path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	for _, query := range []string{"up=x&down=-3", "up=99999999999999999999", "open=", "open=down", "open=down.0.table:x", "open=down.99999.table:x", "open=side.3.question:101", "open=up.3.:", "mode=" + url.QueryEscape(webtest.Canary)} {
		if a := s.get(conn + "/lineage/question/101?" + query); a.status != http.StatusOK || a.count("line") == 0 {
			t.Errorf("%s: %d, %d lines", query, a.status, a.count("line"))
		}
	}
	many := url.Values{}
	for i := range 500 {
		many.Add("open", fmt.Sprintf("down.300.question:%d", 200+i))
	}
	if a := s.get(conn + ordersPath + "?" + many.Encode()); a.status != http.StatusOK || len(a.text) > 1<<20 {
		t.Errorf("500 openings: %d, %d bytes", a.status, len(a.text))
	}
}

// TestLineageOfHostileNames plants markup in names, ids and SQL and looks for
// elements, and for links that leave the pages.
func TestLineageOfHostileNames(t *testing.T) {
	s, conn := owned(t)
	for _, path := range []string{
		"/lineage/question/115", "/lineage/dashboard/5", "/lineage/table/1~1public~1page_views", "/lineage/question/115?mode=columns", "/lineage?q=" + url.QueryEscape(webtest.Canary), "/lineage?q=onerror",
		"/lineage/question/" + url.PathEscape(webtest.Canary), "/lineage/" + url.PathEscape(webtest.Canary) + "/1",
		"/lineage/question/101?open=" + url.QueryEscape("down.20.question:"+webtest.Canary), "/catalog/question/115?tab=sql", "/catalog/question/115?tab=lineage", "/catalog/question/115",
	} {
		a := s.get(conn + path)
		if a.status == http.StatusInternalServerError {
			t.Errorf("%s: %d", path, a.status)
		}
		if n := a.doc.Find("img, [onerror], script:not([src])").Length(); n != 0 {
			t.Errorf("%s: %d elements of a foreign text", path, n)
		}
		a.doc.Find("main a").Each(func(_ int, link *goquery.Selection) {
			href, _ := link.Attr("href")
			if !strings.HasPrefix(href, "/") && !strings.HasPrefix(href, "#") && !strings.HasPrefix(href, "https://metabase.") {
				t.Errorf("%s: a link leads to %q", path, href)
			}
		})
	}
	a := s.get(conn + "/lineage/question/115/graph")
	if strings.ContainsAny(a.text, "<>") {
		t.Error("the graph's data holds markup that a browser could take for a page")
	}
	if a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("the data may be taken for something else")
	}
}

func TestSQLLinks(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/catalog/question/101?tab=sql")
	links := map[string]string{}
	a.doc.Find(".sql a.sql-link").Each(func(_ int, link *goquery.Selection) {
		href, _ := link.Attr("href")
		link.Find("[data-extra]").Remove()
		links[link.Text()] = href
	})
	orders := conn + "/catalog/table/1~1public~1orders"
	for text, want := range map[string]string{
		"orders":                   orders,
		"o.total":                  orders + "?tab=columns&column=1%2Fpublic%2Forders%2Ftotal",
		"p.total":                  orders + "?tab=columns&column=1%2Fpublic%2Forders%2Ftotal",
		"{{snippet: paid orders}}": conn + "/catalog/snippet/1",
	} {
		if links[text] != want {
			t.Errorf("%s leads to %q, want %q", text, links[text], want)
		}
	}
	gap := a.doc.Find(".sql-link-gap")
	if title, _ := gap.Attr("title"); !strings.Contains(title, "in none of the tables") || !strings.Contains(gap.Text(), "Not resolved") {
		t.Errorf("the gap says %q, %q", title, gap.Text())
	}
	a = s.get(conn + "/catalog/question/110?tab=sql")
	if mark := a.doc.Find(".sql mark"); mark.Find("[data-extra]").Remove().End().Text() != "warehouse.stock_levels" {
		t.Errorf("marked %q", mark.Text())
	}
	note, _ := a.doc.Find(".sql a.sql-note").Attr("href")
	if found := s.get(note); found.status != http.StatusOK || !strings.Contains(found.text, "not in the database") {
		t.Errorf("the mark's note leads to %q: %d", note, found.status)
	}
}

func TestAssetPageLeadsOn(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/catalog/question/102?tab=lineage")
	for id, want := range map[string]string{
		"graph-link": conn + "/lineage/question/102",
		"lineage":    conn + "/lineage/question/102",
		"impact":     conn + "/impact?ref=question%3A102",
	} {
		if href, _ := a.doc.Find("[data-testid=" + id + "]").Attr("href"); href != want {
			t.Errorf("%s leads to %q, want %q", id, href, want)
		}
	}
	if got := a.see("branch"); !strings.Contains(got, "orders") || !strings.Contains(got, "Weekly trading") {
		t.Errorf("lines: %s", got)
	}
	copies := s.get(conn + "/catalog/question/105")
	href, ok := copies.doc.Find("[data-testid=copies]").Attr("href")
	if !ok || !regexp.MustCompile(`/duplicates/[^/]+$`).MatchString(href) {
		t.Fatalf("a copy leads to %q", href)
	}
	if a := s.get(href); a.status != http.StatusOK {
		t.Errorf("%s: %d", href, a.status)
	}
	column := s.get(conn + "/catalog/table/1~1public~1orders?tab=columns")
	if href, _ := column.doc.Find("[data-testid=column] a").Attr("href"); !strings.HasPrefix(href, conn+"/lineage/column/1~1public~1orders~1") {
		t.Errorf("a column leads to %q", href)
	}
}

// shelf is a library with one book.
type shelf struct{ view *browse.View }

func (s shelf) View(context.Context, store.OrgID, store.ConnectionID) (*browse.View, error) {
	return s.view, nil
}

// edited is the company with changes.
func edited(t *testing.T, b *webtest.Backend, conn store.ConnectionID, change func(*catalog.Snapshot)) shelf {
	t.Helper()
	view, err := b.View(t.Context(), "", conn)
	if err != nil {
		t.Fatal(err)
	}
	change(view.Index.Snapshot())
	x := catalog.NewIndex(view.Index.Snapshot())
	return shelf{&browse.View{Index: x, Graph: lineage.Build(t.Context(), x, lineage.WithSQL(sqllineage.New())), Texts: sqllineage.NewTexts(x)}}
}

func TestBuiltQueryInWords(t *testing.T) {
	b := webtest.New()
	c := b.AddCompany()
	shelf := edited(t, b, c.ID, func(s *catalog.Snapshot) {
		for _, table := range s.Tables {
			if table.ID == "1/public/orders" {
				table.MetabaseID = 11
				for i, column := range table.Columns {
					column.MetabaseID = int64(1100 + i)
				}
			}
		}
		catalog.NewIndex(s).Question("104").Query.MBQL = json.RawMessage(`{"database":1,"type":"query","query":{"source-table":11,
			"joins":[{"alias":"C","strategy":"left-join","source-table":"card__103","condition":["=",["field",1100,null],["field","id",{"join-alias":"C","base-type":"type/Integer"}]]}],
			"expressions":{"` + `x <b>` + `":["+",["field",1100,null],1]},
			"filter":["and",["=",["field",1101,null],"<script>alert(1)</script>"],["between",["field",1100,null],1,9],["time-interval",["field",1101,null],-30,"day"],["not-null",["field",9999,null]]],
			"aggregation":[["sum",["field",1100,null]],["count"]],"breakout":[["field",1101,{"temporal-unit":"month"}]],
			"order-by":[["desc",["aggregation",0]]],"limit":20}}`)
	})
	s := newSite(t, b, func(cfg *web.Config) { cfg.Library = shelf })
	s.owner()
	a := s.get("/c/" + string(c.ID) + "/catalog/metric/104?tab=sql")
	got := a.see("query")
	for _, want := range []string{
		"Start with orders", "left join Orders on", "Custom column x <b> = orders.", "is “<script>alert(1)</script>”", "is between 1 and 9", "in the interval -30 day", "column 9999 (not in the schema that was read) is not empty",
		"Summarize sum of orders.", "count of rows", "by month", "Sort by summary 1 descending", "Limit 20 rows",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q: %s", want, got)
		}
	}
	if n := a.doc.Find("[data-testid=query] script, [data-testid=query] b").Length(); n != 0 {
		t.Error("a value became markup")
	}
	if n := a.doc.Find("[data-testid=query] a[href*='/catalog/table/1~1public~1orders']").Length(); n < 4 {
		t.Errorf("%d links to the table and its columns", n)
	}
}

// TestLongSQL opens pages of texts that nobody should have written.
func TestLongSQL(t *testing.T) {
	b := webtest.New()
	c := b.AddCompany()
	shelf := edited(t, b, c.ID, func(s *catalog.Snapshot) {
		x := catalog.NewIndex(s)
		x.Question("201").Query.SQL = "SELECT total FROM orders WHERE total IN (" + strings.Repeat("1,\n", 350_000) + "2)"
		x.Question("202").Query.SQL = "SELECT " + strings.Repeat("o.total, ", 25_000) + "1 FROM orders o"
		x.Question("203").Query.SQL = strings.Repeat("(", 100_000) + "{{" + strings.Repeat("'", 1000)
	})
	s := newSite(t, b, func(cfg *web.Config) { cfg.Library = shelf })
	s.owner()
	for id, want := range map[string]struct{ cut, skipped, some bool }{
		"201": {cut: true, skipped: true}, "202": {cut: true, some: true}, "203": {},
	} {
		start := time.Now()
		a := s.get("/c/" + string(c.ID) + "/catalog/question/" + id + "?tab=sql")
		t.Logf("question %s: %v, %d kB", id, time.Since(start).Round(time.Millisecond), len(a.text)/1000)
		if a.status != http.StatusOK || len(a.text) > 8<<20 {
			t.Errorf("%s: %d, %d bytes", id, a.status, len(a.text))
		}
		if (a.count("sql-cut") > 0) != want.cut || (a.count("sql-skipped") > 0) != want.skipped {
			t.Errorf("%s: cut %d, skipped %d", id, a.count("sql-cut"), a.count("sql-skipped"))
		}
		if links := a.doc.Find(".sql-link").Length(); (links > 0) != want.some || links > sqlview.MaxLinks {
			t.Errorf("%s: %d links", id, links)
		}
	}
}
