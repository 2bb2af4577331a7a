package web_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/duplicates"
	"github.com/metalens/metalens/internal/web/webtest"
)

// texts returns the texts of the elements that match, white space collapsed.
func (a answer) texts(selector string) []string {
	var out []string
	a.doc.Find(selector).Each(func(_ int, s *goquery.Selection) { out = append(out, strings.Join(strings.Fields(s.Text()), " ")) })
	return out
}

// address returns where the first link that matches leads.
func (a answer) address(t *testing.T, selector string) string {
	t.Helper()
	href, ok := a.doc.Find(selector).First().Attr("href")
	if !ok {
		t.Fatalf("no link %s", selector)
	}
	return href
}

func TestContentPagesBeforeTheFirstScan(t *testing.T) {
	s, conn := unscanned(t)
	for _, path := range []string{"/impact", "/impact/migration", "/duplicates", "/metrics"} {
		a := s.get(conn + path)
		if a.status != http.StatusOK || a.count("empty") != 1 || a.address(t, "[data-testid=empty] a") != conn+"/scans" {
			t.Errorf("%s: %d %q", path, a.status, a.see("empty"))
		}
	}
	for _, path := range []string{"/impact/suggest?add=o", "/impact.csv?ref=question:1", "/duplicates.csv", "/duplicates/x", "/metrics/x"} {
		if a := s.get(conn + path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// unscanned is a site with a connection that no scan has read.
func unscanned(t *testing.T) (*site, string) {
	t.Helper()
	s := newSite(t, webtest.New())
	s.owner()
	s.post("/setup/sample")
	list, err := s.backend.Connections(t.Context(), "")
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	conn := "/c/" + string(list[0].ID)
	s.backend.Forget(list[0].ID)
	return s, conn
}

func TestDuplicatesList(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/duplicates")
	names := a.texts("[data-testid=cluster] .row-link")
	for _, want := range []string{"Revenue by country", strings.Join(strings.Fields(webtest.Canary), " ")} {
		if !slices.Contains(names, want) {
			t.Errorf("no cluster is named %q: %q", want, names)
		}
	}
	if n := a.count("cluster"); a.see("pager-total") == "" || n == 0 {
		t.Fatalf("%d clusters, %q", n, a.see("pager-total"))
	}
	for query, want := range map[string]func(answer) bool{
		"?q=country": func(a answer) bool { return a.count("cluster") == 1 },
		"?q=no+such+thing": func(a answer) bool {
			return a.count("cluster") == 0 && strings.Contains(a.see("empty"), "Nothing matches")
		},
		"?kind=exact":                       func(a answer) bool { return a.count("cluster") >= 1 && !strings.Contains(a.see("cluster"), "alike") },
		"?asset=dashboard&q=revenue":        func(a answer) bool { return a.count("cluster") == 0 },
		"?collection=31":                    func(a answer) bool { return a.count("cluster") == 1 },
		"?collection=10&q=country":          func(a answer) bool { return a.count("cluster") == 1 },
		"?collection=21":                    func(a answer) bool { return a.count("cluster") == 0 },
		"?kind=exact&score=100":             func(a answer) bool { return a.count("cluster") >= 1 },
		"?kind=nonsense&sort=x&score=-4&q=": func(a answer) bool { return a.count("cluster") == len(names) },
		"?page=9":                           func(a answer) bool { return a.count("cluster") == 0 },
	} {
		if a := s.get(conn + "/duplicates" + query); a.status != http.StatusOK || !want(a) {
			t.Errorf("%s: %d, %q", query, a.status, a.texts("[data-testid=cluster] .row-link"))
		}
	}
	sorted := s.get(conn + "/duplicates?sort=name").texts("[data-testid=cluster] .row-link")
	if !slices.IsSortedFunc(sorted, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
		t.Errorf("by name: %q", sorted)
	}
	part := s.get(conn+"/duplicates?q=country", "HX-Request", "true", "HX-Target", "results")
	if strings.Contains(part.text, "<html") || part.count("cluster") != 1 || part.header.Get("HX-Push-Url") != conn+"/duplicates?q=country" {
		t.Errorf("a part of the page: %q", part.header.Get("HX-Push-Url"))
	}
}

func TestDuplicatesDetail(t *testing.T) {
	s, conn := owned(t)
	// An asset's address leads to the closest cluster, its finding too.
	a := s.get(conn + "/duplicates/question:105")
	where := a.header.Get("Location")
	if !strings.HasPrefix(where, conn+"/duplicates/") {
		t.Fatalf("leads to %q", where)
	}
	if got := s.get(conn + "/duplicates/question:106").header.Get("Location"); got != conn+"/duplicates" {
		t.Errorf("an asset without a copy leads to %q", got)
	}
	finding := s.get(conn + "/findings?check=DUP001")
	detail := s.get(finding.address(t, "[data-testid=finding] [data-open]"))
	if got := s.get(detail.address(t, "[data-testid=see-duplicates]")).header.Get("Location"); got != where {
		t.Errorf("the finding leads to %q, want %q", got, where)
	}
	a = s.get(where)
	if a.count("member") != 2 || !strings.Contains(a.see("keep"), "Revenue by country") || !strings.Contains(a.see("keep"), "Because ") {
		t.Errorf("%d members, %q", a.count("member"), a.see("keep"))
	}
	if !strings.Contains(a.see("differences"), "Nothing differs") {
		t.Errorf("an exact copy differs: %q", a.see("differences"))
	}
	// The looser cluster tells the third one apart.
	near := s.get(conn + "/duplicates/question:117")
	a = s.get(near.header.Get("Location"))
	if a.count("member") != 2 {
		t.Fatalf("%d members in %q", a.count("member"), near.header.Get("Location"))
	}
	a = s.get(near.header.Get("Location") + "?a=question:117&b=question:101")
	if !strings.Contains(a.see("differences"), "EUR") {
		t.Errorf("differences %q", a.see("differences"))
	}
	if a.doc.Find("[data-testid=sides] .side-changed, [data-testid=sides] .side-removed").Length() == 0 {
		t.Error("no line differs")
	}
	if got := a.texts(".side-heads p"); len(got) != 2 || got[0] != "Monthly recurring revenue, euro" {
		t.Errorf("the sides are %q", got)
	}
	part := s.get(near.header.Get("Location")+"?a=question:101&b=question:117", "HX-Request", "true", "HX-Target", "comparison")
	if strings.Contains(part.text, "<html") || part.count("differences") != 1 {
		t.Error("a part of the page is no part")
	}
	for _, id := range []string{"none", "%22%3E", strings.Repeat("x", 4000)} {
		if a := s.get(conn + "/duplicates/" + id); a.status != http.StatusNotFound || a.count("error") != 1 {
			t.Errorf("%.20s: %d", id, a.status)
		}
	}
}

func TestDuplicatesExport(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/duplicates.csv?q=onerror")
	if a.header.Get("Content-Disposition") != `attachment; filename="duplicates.csv"` || !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") {
		t.Errorf("%q %q", a.header.Get("Content-Disposition"), a.header.Get("Content-Type"))
	}
	rows, err := csv.NewReader(strings.NewReader(a.text)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	kept := 0
	for _, r := range rows[1:] {
		if r[slices.Index(rows[0], "keep")] == "true" {
			kept++
		}
		if url := r[slices.Index(rows[0], "url")]; !strings.HasPrefix(url, "https://metabase.northwind.example/question/") {
			t.Errorf("url %q", url)
		}
	}
	if kept != 1 {
		t.Errorf("%d of a cluster are kept", kept)
	}
	md := s.get(conn + "/duplicates.md?q=onerror")
	if strings.Contains(md.text, "<img") || strings.Contains(md.text, "<script") || !strings.Contains(md.text, "**keep**") {
		t.Errorf("Markdown:\n%s", md.text)
	}
	one := s.get(s.get(conn+"/duplicates/question:105").header.Get("Location") + "/members.md")
	if !strings.Contains(one.text, "Copy of Revenue by country") || strings.Count(one.text, "\n## ") != 1 {
		t.Errorf("one cluster:\n%s", one.text)
	}
}

func TestMetrics(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/metrics")
	names := a.texts("[data-testid=metric] h2")
	at := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, "revenue") })
	if at < 0 {
		t.Fatalf("no conflict about revenue: %q", names)
	}
	row := a.doc.Find("[data-testid=metric]").Eq(at)
	if row.Find("[data-testid=definition]").Length() < 2 || row.Find("[data-testid=differences]").Length() == 0 {
		t.Errorf("revenue: %s", strings.Join(strings.Fields(row.Text()), " "))
	}
	if strings.Contains(row.Text(), "1/public/") {
		t.Error("a table is named by its id")
	}
	one := s.get(a.address(t, "[data-testid=metric] h2 a"))
	if one.status != http.StatusOK || one.count("definition") < 2 {
		t.Errorf("its page: %d, %d definitions", one.status, one.count("definition"))
	}
	all := s.get(conn + "/metrics?tab=all")
	if all.count("metric") < len(names) {
		t.Errorf("%d of all, %d conflicts", all.count("metric"), len(names))
	}
	if a := s.get(conn + "/metrics?tab=all&q=no+such+figure"); a.count("metric") != 0 || !strings.Contains(a.see("empty"), "Nothing matches") {
		t.Errorf("nothing: %q", a.see("empty"))
	}
	of := s.get(conn + "/metrics?tab=all&asset=question:106")
	if got := of.texts("[data-testid=metric] .row-link"); len(got) != 1 || !strings.EqualFold(got[0], "churned") {
		t.Errorf("of one question: %q", got)
	}
	if a := s.get(conn + "/metrics/none"); a.status != http.StatusNotFound {
		t.Errorf("an unknown figure: %d", a.status)
	}
}

func TestImpactChooses(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/impact")
	if a.count("top") == 0 || a.count("affected") != 0 {
		t.Errorf("%d tables offered", a.count("top"))
	}
	// A name that means one thing leads to it; further ones join.
	if got := s.get(conn + "/impact?add=public.orders").header.Get("Location"); got != conn+"/impact?ref=table%3A1%2Fpublic%2Forders" {
		t.Errorf("orders leads to %q", got)
	}
	if got := s.get(conn + "/impact?ref=public.orders").header.Get("Location"); got != conn+"/impact?ref=table%3A1%2Fpublic%2Forders" {
		t.Errorf("a name in the address leads to %q", got)
	}
	if got := s.get(conn + "/impact?change=rename&ref=question%3A101&add=customers.email").header.Get("Location"); got != conn+"/impact?change=rename&ref=question%3A101&ref=column%3A1%2Fpublic%2Fcustomers%2Femail" {
		t.Errorf("a second one leads to %q", got)
	}
	// created_at is in several tables: they are listed.
	a = s.get(conn + "/impact?add=created_at")
	if a.count("offer") < 2 || a.see("candidates") == "" {
		t.Errorf("an ambiguous name offers %d: %q", a.count("offer"), a.see("candidates"))
	}
	a = s.get(conn + "/impact?add=Churned+subscr")
	if got := a.texts("[data-testid=offer] .offer-name"); !slices.Contains(got, "Churned subscriptions") {
		t.Errorf("part of a name offers %q", got)
	}
	a = s.get(conn + "/impact?add=zzz+nothing")
	if a.count("offer") != 0 || a.see("candidates") == "" {
		t.Errorf("an unknown name: %q", a.see("candidates"))
	}
	part := s.get(conn+"/impact/suggest?add=ord&ref=question:101", "HX-Request", "true")
	if strings.Contains(part.text, "<html") || part.count("offer") == 0 {
		t.Fatalf("suggestions: %s", part.text)
	}
	if got := part.texts("[data-testid=offer] .offer-name")[0]; got != "public.orders" {
		t.Errorf("first suggestion %q", got)
	}
	if href := part.address(t, "[data-testid=offer]"); !strings.Contains(href, "ref=question%3A101") {
		t.Errorf("a suggestion forgets what is chosen: %q", href)
	}
	if a := s.get(conn + "/impact/suggest?add="); a.count("offer") != 0 {
		t.Error("nothing typed offers something")
	}
}

func TestImpactAnswers(t *testing.T) {
	s, conn := owned(t)
	orders := conn + "/impact?ref=table%3A1%2Fpublic%2Forders"
	a := s.get(orders)
	if a.count("root") != 1 || a.count("affected") == 0 || !strings.Contains(a.see("counts"), "Dashboards") || a.see("knock-on")+a.see("people")+a.see("not-evaluated") == "" {
		t.Fatalf("%d: %q", a.status, a.see("counts"))
	}
	if !strings.Contains(a.text, "Partial scan.") {
		t.Error("it does not say that the scan is partial")
	}
	all := a.see("pager-total")
	for query, good := range map[string]func(answer) bool{
		"&kind=dashboard": func(a answer) bool {
			return a.count("affected") > 0 && a.doc.Find("[data-testid=affected] .item-title .kind:not([title=Dashboard])").Length() == 0
		},
		"&reach=direct":   func(a answer) bool { return a.count("affected") > 0 && !strings.Contains(a.see("affected"), "away") },
		"&reach=indirect": func(a answer) bool { return a.count("affected") > 0 && !strings.Contains(a.see("affected"), "direct") },
		"&breaks=yes": func(a answer) bool {
			return a.count("affected") > 0 && !strings.Contains(a.see("affected"), "May break")
		},
		"&breaks=no&kind=subscription":           func(a answer) bool { return strings.Contains(a.see("empty"), "Nothing matches") },
		"&kind=nonsense&breaks=perhaps&page=abc": func(a answer) bool { return a.see("pager-total") == all },
		"&page=2":                                func(a answer) bool { return a.status == http.StatusOK },
	} {
		if a := s.get(orders + query); a.status != http.StatusOK || !good(a) {
			t.Errorf("%s: %d %q", query, a.status, a.see("affected"))
		}
	}
	// Nothing uses it.
	a = s.get(conn + "/impact?ref=table%3A2%2F%2Forphan%252Ftable")
	if !strings.Contains(a.see("empty"), "Nothing uses it") || a.count("filters") != 0 {
		t.Errorf("an unused table: %q", a.see("empty"))
	}
	// Only columns have a type.
	a = s.get(orders + "&change=type")
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.see("candidates"), "type") {
		t.Errorf("type of a table: %d %q", a.status, a.see("candidates"))
	}
	if a := s.get(conn + "/impact?change=type&ref=column%3A1%2Fpublic%2Forders%2Ftotal"); a.status != http.StatusOK || a.count("affected") == 0 {
		t.Errorf("type of a column: %d, %d affected", a.status, a.count("affected"))
	}
	// What went away is said.
	a = s.get(conn + "/impact?ref=question%3A99999")
	if a.status != http.StatusOK || !strings.Contains(a.see("root"), "not in the last scan") {
		t.Errorf("a question that is gone: %d %q", a.status, a.see("root"))
	}
	for _, bad := range []string{"ref=", "ref=:1", "ref=nonsense%3A1", "ref=" + strings.Repeat("x", 3000)} {
		if a := s.get(conn + "/impact?" + bad); a.status != http.StatusOK || a.count("root") != 0 {
			t.Errorf("%.30s: %d, %d roots", bad, a.status, a.count("root"))
		}
	}
}

func TestImpactExport(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/impact.csv?ref=table%3A1%2Fpublic%2Forders&kind=dashboard")
	rows, err := csv.NewReader(strings.NewReader(a.text)).ReadAll()
	if err != nil || len(rows) < 3 || a.header.Get("Content-Disposition") != `attachment; filename="impact.csv"` {
		t.Fatalf("%d rows, %v, %q", len(rows), err, a.header.Get("Content-Disposition"))
	}
	md := s.get(conn + "/impact.md?ref=table%3A1%2Fpublic%2Forders")
	if !strings.Contains(md.text, "orders") || strings.Contains(md.text, "<img") || strings.Contains(md.text, "<script") {
		t.Errorf("Markdown:\n%s", md.text)
	}
	if a := s.get(conn + "/impact.csv"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("of nothing: %d", a.status)
	}
}

func TestImpactOfAMigration(t *testing.T) {
	s, conn := owned(t)
	if a := s.get(conn + "/impact/migration"); a.status != http.StatusOK || a.count("migration") != 1 || a.count("statement") != 0 {
		t.Errorf("the form: %d", a.status)
	}
	script := "ALTER TABLE orders DROP COLUMN total;\nALTER TABLE customers RENAME COLUMN country TO land;\nDROP TABLE nobody_knows_it;\nthis is no sql"
	a := s.post(conn+"/impact/migration", "sql", script, "database", "1")
	if a.status != http.StatusOK || a.count("statement") != 2 || a.count("affected") == 0 || a.count("counts") != 1 {
		t.Fatalf("%d, %d statements, %q", a.status, a.count("statement"), a.see("statement"))
	}
	if a.count("skipped") != 1 || !strings.Contains(a.see("skipped"), "nobody_knows_it") {
		t.Errorf("skipped: %q", a.see("skipped"))
	}
	if got := a.doc.Find("#sql").Text(); got != script {
		t.Errorf("the script came back as %q", got)
	}
	if href := a.address(t, "[data-testid=statement] .pager a"); !strings.HasPrefix(href, conn+"/impact?ref=column%3A1%2Fpublic%2Forders%2Ftotal") {
		t.Errorf("one statement leads to %q", href)
	}
	if a := s.post(conn+"/impact/migration", "sql", " \n"); a.status != http.StatusUnprocessableEntity || a.see("migration-problem") == "" {
		t.Errorf("nothing: %d", a.status)
	}
	if a := s.post(conn+"/impact/migration", "sql", strings.Repeat("-- x\n", 80_000)); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.see("migration-problem"), "too long") {
		t.Errorf("too long: %d %q", a.status, a.see("migration-problem"))
	}
	if a := s.post(conn+"/impact/migration", "sql", `</textarea><script>alert(1)</script>; DROP TABLE "<img src=x onerror=alert(1)>"`); strings.Contains(a.text, "<script>alert") || strings.Contains(a.text, "<img src=x") {
		t.Error("the script became markup")
	}
	md := s.post(conn+"/impact/migration.md", "sql", script)
	if md.header.Get("Content-Disposition") != `attachment; filename="impact.md"` || !strings.Contains(md.text, "nobody") {
		t.Errorf("Markdown:\n%s", md.text)
	}
}

// TestContentPagesKeepNamesText asks for every page that shows names made of
// markup and of direction controls.
func TestContentPagesKeepNamesText(t *testing.T) {
	s, conn := owned(t)
	for _, path := range []string{
		"/duplicates", "/duplicates?q=" + url.QueryEscape(webtest.Canary), "/duplicates/question:115", "/metrics?tab=all", "/metrics?q=" + url.QueryEscape(webtest.Canary),
		"/impact?ref=question%3A115", "/impact?add=" + url.QueryEscape(webtest.Canary), "/impact?ref=table%3A1%2Fpublic%2Forders", "/impact/suggest?add=onerror",
		"/impact?ref=question%3A" + url.QueryEscape(webtest.Canary),
	} {
		a := s.get(conn + path)
		if to := a.header.Get("Location"); to != "" {
			a = s.get(to)
		}
		if a.status != http.StatusOK {
			t.Errorf("%s: %d", path, a.status)
		}
		if a.doc.Find("main img, main script, [onerror]").Length() > 0 || strings.Contains(a.text, "<script>alert") {
			t.Errorf("%s: a name became markup", path)
		}
		for _, hidden := range []string{"\u202e", "\u202c", "\u0000"} {
			if strings.Contains(a.text, hidden) {
				t.Errorf("%s: %q is in the page", path, hidden)
			}
		}
	}
}

// TestContentPagesAtAnEmptyCompany shows what stands where nothing was found.
func TestContentPagesAtAnEmptyCompany(t *testing.T) {
	s, conn := owned(t)
	s.backend.Replace(store.ConnectionID(strings.TrimPrefix(conn, "/c/")), &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}})
	for path, want := range map[string]string{"/duplicates": "No duplicates", "/metrics": "No figures found", "/impact": "Choose what changes"} {
		if a := s.get(conn + path); a.status != http.StatusOK || !strings.Contains(a.see("empty"), want) {
			t.Errorf("%s: %d %q", path, a.status, a.see("empty"))
		}
	}
}

// slowly answers after the reader's patience is over, then at once.
type slowly struct {
	*webtest.Backend
	ready bool
}

func (s *slowly) Duplicates(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*duplicates.Content, error) {
	if !s.ready {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Backend.Duplicates(ctx, org, conn)
}

// TestComparisonIsUnderWay says so where the first comparison takes long.
func TestComparisonIsUnderWay(t *testing.T) {
	slow := &slowly{}
	s, conn := owned(t, func(c *web.Config) {
		slow.Backend, _ = c.Library.(*webtest.Backend)
		c.Duplicates = slow
	})
	a := s.get(conn + "/duplicates?q=country")
	if a.status != http.StatusAccepted || a.count("waiting") != 1 {
		t.Errorf("%d", a.status)
	}
	if again, _ := a.doc.Find("[data-testid=waiting]").Attr("hx-get"); again != conn+"/duplicates?q=country" {
		t.Errorf("asks again for %q", again)
	}
	slow.ready = true
	if a := s.get(conn + "/duplicates?q=country"); a.status != http.StatusOK || a.count("cluster") != 1 {
		t.Errorf("then %d", a.status)
	}
}
