package web_test

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/connections"
	"github.com/metalens/metalens/internal/web/ui"
	"github.com/metalens/metalens/internal/web/webtest"
)

func TestFirstRun(t *testing.T) {
	b := webtest.New()
	s := newSite(t, b)
	for _, path := range []string{"/", "/login"} {
		if a := s.get(path); a.header.Get("Location") != "/setup" {
			t.Errorf("%s leads to %q", path, a.header.Get("Location"))
		}
	}
	if a := s.get("/setup?token=" + s.auth.SetupToken()); !strings.Contains(a.text, s.auth.SetupToken()) {
		t.Error("the token of the link is not filled in")
	}
	a := s.post("/setup", "token", "wrong", "name", "Ada <b>", "email", "ada@example.com", "password", webtest.OwnerPassword)
	if a.status != http.StatusUnprocessableEntity || a.see("error-token") == "" || a.see("error-password") != "" {
		t.Errorf("wrong token: %d", a.status)
	}
	if v, _ := a.doc.Find("#name").Attr("value"); v != "Ada <b>" {
		t.Errorf("the name came back as %q", v)
	}
	if strings.Contains(a.text, webtest.OwnerPassword) {
		t.Error("the password came back")
	}
	a = s.post("/setup", "token", s.auth.SetupToken(), "name", "Ada", "email", "ada@example.com", "password", webtest.OwnerPassword)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/setup/connection" {
		t.Fatalf("owner: %d %s", a.status, a.header.Get("Location"))
	}
	if a := s.get("/"); a.header.Get("Location") != "/setup/connection" {
		t.Errorf("home leads to %q", a.header.Get("Location"))
	}
	if a := s.get("/setup"); a.header.Get("Location") != "/" {
		t.Errorf("the first step again leads to %q", a.header.Get("Location"))
	}
	if a := s.get("/setup/connection"); a.count("sample") != 1 {
		t.Error("the sample company is not offered")
	}
	a = s.post("/setup/connection", "setup", "1", "url", "https://metabase.example.com", "auth", "api_key", "key", "mb_key")
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/setup/scan/") {
		t.Fatalf("connection: %d %s", a.status, a.header.Get("Location"))
	}
	a = s.get(a.header.Get("Location"))
	if !a.doc.Find("[data-testid=see-results]").HasClass("primary") {
		t.Error("the finished first scan leads nowhere")
	}
	conn, _ := a.doc.Find("[data-testid=see-results]").Attr("href")
	if a := s.get(conn); a.see("health") == "" {
		t.Error("no health after the first scan")
	}
}

func TestSampleIsOfferedOnlyWhereThereIsOne(t *testing.T) {
	b := webtest.New()
	s := newSite(t, b, func(c *web.Config) { c.Sample = nil })
	s.owner()
	if a := s.get("/setup/connection"); a.count("sample") != 0 {
		t.Error("a sample company is offered")
	}
	if a := s.post("/setup/sample"); a.status != http.StatusNotFound {
		t.Errorf("the sample company: %d", a.status)
	}
	with := newSite(t, webtest.New())
	with.owner()
	if a := with.post("/setup/sample"); !strings.HasPrefix(a.header.Get("Location"), "/setup/scan/") {
		t.Errorf("the sample company leads to %q", a.header.Get("Location"))
	}
	with.post("/setup/sample")
	if n := with.get("/connections").count("connection"); n != 1 {
		t.Errorf("asking twice made %d connections", n)
	}
}

func TestLogin(t *testing.T) {
	s, conn := owned(t)
	s.forget()
	a := s.get(conn + "/findings?q=a+b")
	login := a.header.Get("Location")
	if login != "/login?next="+url.QueryEscape(conn+"/findings?q=a+b") {
		t.Fatalf("leads to %q", login)
	}
	next, _ := s.get(login).doc.Find("form[action='/login'] input[name=next]").Attr("value")
	a = s.post("/login", "email", webtest.OwnerEmail, "password", "wrong wrong", "next", next)
	if a.status != http.StatusUnprocessableEntity || a.see("login-problem") == "" {
		t.Errorf("wrong password: %d", a.status)
	}
	a = s.post("/login", "email", webtest.OwnerEmail, "password", webtest.OwnerPassword, "next", next)
	if a.header.Get("Location") != conn+"/findings?q=a+b" {
		t.Errorf("after login: %q", a.header.Get("Location"))
	}
	for _, evil := range []string{"https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\tevil"} {
		s.forget()
		if a := s.post("/login", "email", webtest.OwnerEmail, "password", webtest.OwnerPassword, "next", evil); a.header.Get("Location") != "/" {
			t.Errorf("next=%q leads to %q", evil, a.header.Get("Location"))
		}
	}
	if a := s.post("/logout"); a.header.Get("Location") != "/login" {
		t.Errorf("logout leads to %q", a.header.Get("Location"))
	}
	if a := s.get(conn); a.status != http.StatusSeeOther {
		t.Errorf("after logout: %d", a.status)
	}
}

func TestLoginIsThrottled(t *testing.T) {
	s, _ := owned(t)
	s.forget()
	var a answer
	for range 11 {
		a = s.post("/login", "email", webtest.OwnerEmail, "password", "wrong wrong")
	}
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" || !strings.Contains(a.see("login-problem"), "15 minutes") {
		t.Errorf("%d, Retry-After %q: %s", a.status, a.header.Get("Retry-After"), a.see("login-problem"))
	}
}

func TestAccount(t *testing.T) {
	s, _ := owned(t)
	a := s.post("/account/password", "current", "wrong", "password", "short")
	if a.status != http.StatusUnprocessableEntity || a.see("error-current") == "" || a.see("error-password") == "" {
		t.Errorf("%d", a.status)
	}
	here := s.client
	s.forget()
	s.login()
	if n := s.get("/account").count("session"); n != 2 {
		t.Errorf("%d sessions", n)
	}
	id := ""
	s.get("/account").doc.Find("form[action^='/account/sessions/session-']").Each(func(_ int, f *goquery.Selection) { id, _ = f.Attr("action") })
	if a := s.post(id); a.header.Get("Location") != "/account" {
		t.Errorf("ending a session: %d", a.status)
	}
	there := s.client
	s.client = here
	if a := s.get("/account"); a.status != http.StatusSeeOther {
		t.Error("the ended session lives on")
	}
	s.client = there
	a = s.post("/account/password", "current", webtest.OwnerPassword, "password", "lantern glide mosaic")
	if a.header.Get("Location") != "/account" {
		t.Fatalf("%d %s", a.status, a.text)
	}
	if a := s.get("/account"); !strings.Contains(a.see("flash"), "Password changed") {
		t.Errorf("flash %q", a.see("flash"))
	}
	if a := s.get("/account"); a.see("flash") != "" {
		t.Error("the message stays")
	}
}

func TestConnectionForm(t *testing.T) {
	s, conn := owned(t)
	id := strings.TrimPrefix(conn, "/c/")
	for name, tc := range map[string]struct {
		fields []string
		where  string
	}{
		"no address":      {[]string{"url", "", "key", "k"}, "error-url"},
		"not an address":  {[]string{"url", "metabase", "key", "k"}, "error-url"},
		"another scheme":  {[]string{"url", "ftp://metabase.example.com", "key", "k"}, "error-url"},
		"with a password": {[]string{"url", "https://u:p@metabase.example.com", "key", "k"}, "error-url"},
		"with a query":    {[]string{"url", "https://metabase.example.com/?x=1", "key", "k"}, "error-url"},
		"no key":          {[]string{"url", "https://metabase.example.com"}, "error-key"},
		"long name":       {[]string{"url", "https://metabase.example.com", "key", "k", "name", strings.Repeat("n", 101)}, "error-name"},
		"no certificate":  {[]string{"url", "https://metabase.example.com", "key", "k", "ca", "hello"}, "error-ca"},
		"a private key":   {[]string{"url", "https://metabase.example.com", "key", "k", "ca", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}, "error-ca"},
		"a wrong proxy":   {[]string{"url", "https://metabase.example.com", "key", "k", "proxy", "socks5://x"}, "error-proxy"},
		"a header line":   {[]string{"url", "https://metabase.example.com", "key", "k", "headers", "Bad Name: x"}, "error-headers"},
		"our own header":  {[]string{"url", "https://metabase.example.com", "key", "k", "headers", "X-Api-Key: x"}, "error-headers"},
		"too many":        {[]string{"url", "https://metabase.example.com", "key", "k", "concurrency", "99"}, "error-concurrency"},
	} {
		a := s.post("/connections", append(tc.fields, "auth", "api_key")...)
		if a.status != http.StatusUnprocessableEntity || a.see(tc.where) == "" {
			t.Errorf("%s: %d %q", name, a.status, a.see(tc.where))
		}
	}
	// What is stored comes back, but no key and no header value.
	a := s.get("/connections/" + id)
	if strings.Contains(a.text, "do-not-show-this-value") {
		t.Error("a header's value is shown")
	}
	if got := a.doc.Find("#headers").Text(); got != "Cf-Access-Client-Id" {
		t.Errorf("headers %q", got)
	}
	if v, _ := a.doc.Find("#key").Attr("value"); v != "" {
		t.Errorf("key %q", v)
	}
	// The stored key must not go to another server.
	a = s.post("/connections/"+id, "url", "https://evil.example", "auth", "api_key", "name", "x")
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.see("error-key"), "enter the key again") {
		t.Errorf("another host: %d %q", a.status, a.see("error-key"))
	}
	n := len(s.backend.Drafts())
	if a = s.post("/connections/test", "id", id, "url", "https://evil.example", "auth", "api_key"); len(s.backend.Drafts()) != n || a.see("error-key") == "" {
		t.Error("a test with the stored key went to another host")
	}
	// A name alone keeps its header's value; the service's objections stand at their field.
	a = s.post("/connections/"+id, "url", "https://metabase.northwind.example", "auth", "api_key", "name", "Renamed", "headers", "cf-access-client-id\r\nX-Extra: 1", "schedule", "whenever")
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.see("error-schedule"), "not understood") {
		t.Errorf("schedule: %d %q", a.status, a.see("error-schedule"))
	}
	a = s.post("/connections/"+id, "url", "https://metabase.northwind.example", "auth", "api_key", "name", "Renamed", "headers", "cf-access-client-id\r\nX-Extra: 1", "key", "mb_new", "excluded", "7, 8\n7")
	if a.status != http.StatusSeeOther {
		t.Fatalf("save: %d", a.status)
	}
	stored, err := s.backend.Connection(t.Context(), "", store.ConnectionID(id))
	if err != nil {
		t.Fatal(err)
	}
	if stored.Name != "Renamed" || stored.Options.Headers["Cf-Access-Client-Id"] != "do-not-show-this-value" || stored.Options.Headers["X-Extra"] != "1" || strings.Join(stored.Options.ExcludedCollections, ",") != "7,8" {
		t.Errorf("stored %+v", stored)
	}
	if !s.backend.HasKey(stored.ID, secret.New("mb_new")) {
		t.Error("the new key was not stored")
	}
	if a := s.get("/connections/" + id); strings.Contains(a.text, "mb_new") {
		t.Error("the new key is shown")
	}
}

func TestConnectionIsTestedBeforeItIsSaved(t *testing.T) {
	s, _ := owned(t)
	s.backend.Probe = func(connections.Draft) (connections.Report, error) {
		return connections.Report{Problems: []connections.Problem{{Code: "not_a_metabase", Text: "This answers with a web page <script>, not as Metabase.", Hint: "Check the path."}}}, nil
	}
	before := s.get("/connections").count("connection")
	a := s.post("/connections", "url", "https://example.com", "auth", "api_key", "key", "mb_secret_key_text")
	if a.status != http.StatusUnprocessableEntity || a.count("problem-not_a_metabase") != 1 {
		t.Errorf("%d", a.status)
	}
	if strings.Contains(a.text, "mb_secret_key_text") || strings.Contains(a.text, "page <script>") {
		t.Error("the key came back, or markup")
	}
	if after := s.get("/connections").count("connection"); after != before {
		t.Error("it was saved all the same")
	}
	part := s.do(s.request(http.MethodPost, "/connections/test", strings.NewReader(url.Values{"url": {"https://example.com"}, "auth": {"api_key"}, "key": {"k"}}.Encode()),
		"Content-Type", "application/x-www-form-urlencoded", "HX-Request", "true", "HX-Target", "test-result", "Sec-Fetch-Site", "same-origin"))
	if part.count("report") != 1 || strings.Contains(part.text, "<html") {
		t.Error("htmx gets no part")
	}
}

func TestDeletingAsksForTheName(t *testing.T) {
	s, conn := owned(t)
	path := "/connections/" + strings.TrimPrefix(conn, "/c/") + "/delete"
	if a := s.get(path); a.status != http.StatusOK {
		t.Errorf("%d", a.status)
	}
	if a := s.post(path, "confirm", "northwind"); a.status != http.StatusUnprocessableEntity || a.see("error-confirm") == "" {
		t.Errorf("a wrong name: %d", a.status)
	}
	if a := s.post(path, "confirm", "Northwind Metabase"); a.header.Get("Location") != "/connections" {
		t.Errorf("the right name: %d", a.status)
	}
	a := s.get("/connections")
	if a.count("connection") != 0 || !strings.Contains(a.see("flash"), "Deleted Northwind Metabase") || a.count("empty") != 1 {
		t.Error("the connection is still there")
	}
	if a := s.get(conn); a.status != http.StatusNotFound {
		t.Errorf("its pages: %d", a.status)
	}
}

func TestOverview(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn)
	if got := a.see("health"); got != "73 of 100" {
		t.Errorf("health %q", got)
	}
	if a.count("family") != 6 || a.count("action") != 5 || a.count("partial") != 1 {
		t.Errorf("%d families, %d actions, %d partial notes", a.count("family"), a.count("action"), a.count("partial"))
	}
	if got := a.doc.Find("[data-testid=action]").First().Text(); !strings.Contains(got, "over a missing table") {
		t.Errorf("first action %q", got)
	}
	if rows := a.doc.Find("figure.chart tbody tr").Length(); rows != 12 {
		t.Errorf("the table behind the chart has %d rows", rows)
	}
	if got := a.see("not-evaluated-link"); got != "Not evaluated (3)" {
		t.Errorf("%q", got)
	}
	a.doc.Find("main a[href^='/']").Each(func(_ int, link *goquery.Selection) {
		href, _ := link.Attr("href")
		if got := s.get(href).status; got != http.StatusOK {
			t.Errorf("%s leads to %d", href, got)
		}
	})
}

func TestOverviewBeforeAndAfterTrouble(t *testing.T) {
	b := webtest.New()
	s := newSite(t, b)
	id := s.owner()
	c, err := b.CreateConnection(t.Context(), id.Org, id.User, connections.Draft{Name: "New", URL: "https://metabase.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	conn := "/c/" + string(c.ID)
	for _, path := range []string{conn, conn + "/findings", conn + "/catalog", conn + "/scans", conn + "/egress"} {
		if a := s.get(path); a.status != http.StatusOK || a.count("empty") != 1 {
			t.Errorf("%s before a scan: %d, %d empty states", path, a.status, a.count("empty"))
		}
	}
	b.FailScan = errs.New(errs.Unauthorized, "unauthorized", "Metabase refused the key <b>.", "Replace it.")
	a := s.post(conn + "/scans")
	detail := s.get(a.header.Get("Location"))
	if !strings.Contains(detail.see("scan-error"), "refused the key <b>. Replace it.") || !strings.Contains(detail.see("run-scan"), "Try again") {
		t.Errorf("failed scan: %s", detail.see("scan-error"))
	}
	if a := s.get(conn); a.count("scan-failed") != 1 {
		t.Error("the overview hides the failure")
	}
}

func TestScans(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/scans")
	if a.count("scan-row") != 13 {
		t.Errorf("%d scans", a.count("scan-row"))
	}
	a = s.get(conn + "/scans/scan-14")
	for _, want := range []string{"/api/dashboard/:id", "Monthly recurring revenue", "31 requests", "1.8 MB", "only an administrator"} {
		if !strings.Contains(a.text, want) {
			t.Errorf("the scan's page lacks %q", want)
		}
	}
	if a := s.get(conn + "/egress?scan=scan-14"); a.count("egress-row") != 8 {
		t.Errorf("%d ledger rows of the scan", a.count("egress-row"))
	}
}

func TestScanEvents(t *testing.T) {
	s, conn := owned(t)
	s.backend.StepDelay = 60 * time.Millisecond
	a := s.post(conn + "/scans")
	path := a.header.Get("Location")
	live := s.get(path)
	if events, _ := live.doc.Find("[data-testid=progress]").Attr("data-events"); events != path+"/events" {
		t.Errorf("events at %q", events)
	}
	if live.doc.Find("noscript").Length() == 0 {
		t.Error("without scripts the page stands still")
	}
	res, err := s.client.Do(s.request(http.MethodGet, path+"/events", nil, "Accept", "text/event-stream", "Accept-Encoding", "gzip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/event-stream") || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("Content-Type %q, Content-Encoding %q", ct, res.Header.Get("Content-Encoding"))
	}
	var events []string
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			events = append(events, name)
		}
	}
	if len(events) < 3 || events[0] != "progress" || events[len(events)-1] != "done" {
		t.Errorf("events %v", events)
	}
	if a := s.get(conn + "/scans/scan-14/events"); strings.Count(a.text, "event: ") != 1 || !strings.Contains(a.text, "event: done") {
		t.Errorf("events of a finished scan: %s", a.text)
	}
}

func TestScanIsCancelled(t *testing.T) {
	s, conn := owned(t)
	s.backend.StepDelay = time.Hour
	path := s.post(conn + "/scans").header.Get("Location")
	if again := s.post(conn + "/scans").header.Get("Location"); again != path {
		t.Errorf("a second scan was started: %s", again)
	}
	if a := s.get(conn); !strings.Contains(a.doc.Find("#scan-chip").Text(), "Scan") {
		t.Error("the frame does not show the running scan")
	}
	if a := s.post(path + "/cancel"); a.header.Get("Location") != path {
		t.Errorf("%d", a.status)
	}
	updates, err := s.backend.WatchScan(t.Context(), "", store.ScanID(path[strings.LastIndex(path, "/")+1:]))
	if err != nil {
		t.Fatal(err)
	}
	var last store.Scan
	for last = range updates {
	}
	if last.State != store.ScanCancelled {
		t.Errorf("it ended as %s", last.State)
	}
}

func TestFindingsFiltersStandInTheAddress(t *testing.T) {
	s, conn := owned(t)
	for query, want := range map[string]int{
		"":                                15,
		"severity=critical":               1,
		"severity=critical&severity=high": 3,
		"check=USE001":                    36,
		"family=DUP":                      2,
		"q=owner":                         3,
		"q=OWNER+sam":                     3,
		"collection=11":                   14,
		"asset=question%3A105":            3,
		"mine=1":                          0,
		"state=ignored":                   0,
		"sort=nonsense&severity=bad":      15,
	} {
		a := s.get(conn + "/findings?" + query)
		got := a.count("finding")
		if query == "check=USE001" && got != 36 {
			t.Errorf("%q: %d findings", query, got)
		} else if a.status != http.StatusOK || got != want {
			t.Errorf("%q: %d, %d findings, want %d", query, a.status, got, want)
		}
	}
	a := s.get(conn + "/findings?q=owner&severity=medium")
	if n := a.doc.Find("[data-testid=chips] .filter-chip").Length(); n != 2 {
		t.Errorf("%d chips", n)
	}
	remove, _ := a.doc.Find("[data-testid=chips] .filter-chip a").First().Attr("href")
	if remove != conn+"/findings?severity=medium" {
		t.Errorf("removing the text leads to %q", remove)
	}
	if a := s.get(conn + "/findings?q=nothing+at+all"); a.count("empty") != 1 || !strings.Contains(a.text, "Clear the filters") {
		t.Error("filtered to nothing is not said")
	}
	part := s.get(conn+"/findings?q=owner&sort=&group=", "HX-Request", "true", "HX-Target", "results")
	if strings.Contains(part.text, "<html") || part.count("finding") != 3 || part.header.Get("HX-Push-Url") != conn+"/findings?q=owner" || !strings.Contains(part.header.Get("Vary")+strings.Join(part.header.Values("Vary"), ","), "HX-Request") {
		t.Errorf("part: push %q, vary %v", part.header.Get("HX-Push-Url"), part.header.Values("Vary"))
	}
}

func TestAggregatedChecksAreOneLine(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/findings")
	line := a.doc.Find("[data-testid=aggregates] .row")
	if line.Length() != 1 || !strings.Contains(line.Text(), "36 questions") {
		t.Errorf("aggregates: %s", a.see("aggregates"))
	}
	if got := strings.Join(strings.Fields(a.see("pager-total")), " "); got != "15 findings" {
		t.Errorf("total %q", got)
	}
	href, _ := line.Find("a").Attr("href")
	if a := s.get(href); a.count("finding") != 36 {
		t.Errorf("the line leads to %d findings", a.count("finding"))
	}
}

func TestFindingsGroups(t *testing.T) {
	s, conn := owned(t)
	for group, want := range map[string]string{"check": "A question that nobody has opened", "asset": "Copy of Revenue by country", "collection": "Finance / Revenue", "severity": "Critical"} {
		a := s.get(conn + "/findings?group=" + group)
		if !strings.Contains(a.see("group"), want) {
			t.Errorf("by %s: %q", group, a.see("group"))
		}
		sum := 0
		a.doc.Find("[data-testid=group] a").Each(func(i int, link *goquery.Selection) {
			href, _ := link.Attr("href")
			if i > 2 {
				return
			}
			if got := s.get(href); got.status != http.StatusOK || got.count("finding") == 0 && got.count("aggregates") == 0 {
				t.Errorf("by %s: %s leads to nothing", group, href)
			}
			sum++
		})
		if sum == 0 {
			t.Errorf("by %s: no group", group)
		}
	}
}

func TestFindingDetail(t *testing.T) {
	s, conn := owned(t)
	list := s.get(conn + "/findings")
	href, _ := list.doc.Find("[data-testid=finding] [data-open]").First().Attr("href")
	a := s.get(href)
	detail := a.see("finding-detail")
	for _, want := range []string{"Critical", "BRK010", "Legacy stock levels", "Why it matters", "How to fix", "Stock", "dashboards1", "Certain", "Found"} {
		if !strings.Contains(detail, want) {
			t.Errorf("the detail lacks %q: %s", want, detail)
		}
	}
	if got := a.doc.Find("[data-testid=finding-detail] mark").Text(); got != "warehouse.stock_levels" {
		t.Errorf("marked %q", got)
	}
	if ext, _ := a.doc.Find("[data-testid=finding-detail] a[target=_blank]").Attr("href"); ext != "https://metabase.northwind.example/question/110" {
		t.Errorf("open in Metabase: %q", ext)
	}
	if rel, _ := a.doc.Find("a[target=_blank]").Attr("rel"); rel != "noopener noreferrer" {
		t.Errorf("rel %q", rel)
	}
	part := s.get(href, "HX-Request", "true", "HX-Target", "detail")
	if strings.Contains(part.text, "<html") || part.count("finding-detail") != 1 {
		t.Error("htmx gets no part")
	}
}

func TestTriage(t *testing.T) {
	s, conn := owned(t)
	var prints []string
	s.get(conn + "/findings").doc.Find("input[name=fp]").Each(func(_ int, box *goquery.Selection) {
		v, _ := box.Attr("value")
		prints = append(prints, v)
	})
	if a := s.post(conn+"/findings/ignore", "reason", "accepted"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("nothing selected: %d", a.status)
	}
	if a := s.post(conn+"/findings/ignore", "fp", prints[0]); a.status != http.StatusUnprocessableEntity {
		t.Errorf("no reason: %d", a.status)
	}
	a := s.post(conn+"/findings/ignore", "fp", prints[0], "fp", prints[1], "fp", "unknown", "reason", "intended", "note", "until <the> move", "for", "30", "next", conn+"/findings?sort=usage")
	if a.header.Get("Location") != conn+"/findings?sort=usage" {
		t.Fatalf("leads to %q", a.header.Get("Location"))
	}
	a = s.get(conn + "/findings?sort=usage")
	if got := a.see("flash"); !strings.Contains(got, "Ignored 2 findings until 20 Dec 2026.") {
		t.Errorf("flash %q", got)
	}
	undo := a.doc.Find("[data-testid=flash] form")
	if n := undo.Find("input[name=fp]").Length(); n != 3 {
		t.Errorf("undo names %d findings", n)
	}
	ignored := s.get(conn + "/findings?state=ignored")
	if ignored.count("finding") != 2 {
		t.Errorf("%d ignored", ignored.count("finding"))
	}
	href, _ := ignored.doc.Find("[data-open]").First().Attr("href")
	if got := s.get(href).see("finding-detail"); !strings.Contains(got, "Intended: until <the> move") || !strings.Contains(got, "Ignored until 20 Dec 2026") || !strings.Contains(got, "by you") {
		t.Errorf("detail %q", got)
	}
	action, _ := undo.Attr("action")
	s.post(action, "fp", prints[0], "fp", prints[1])
	if n := s.get(conn + "/findings?state=ignored").count("finding"); n != 0 {
		t.Errorf("%d ignored after undo", n)
	}
	s.post(conn+"/findings/assign", "fp", prints[2], "to", "me")
	if n := s.get(conn + "/findings?mine=1").count("finding"); n != 1 {
		t.Errorf("%d are mine", n)
	}
	s.post(conn+"/findings/assign", "fp", prints[2], "to", "nobody")
	if n := s.get(conn + "/findings?mine=1").count("finding"); n != 0 {
		t.Errorf("%d are mine after giving them back", n)
	}
	if a := s.post(conn+"/findings/ignore", "fp", prints[0], "reason", "later", "next", "https://evil.example"); a.header.Get("Location") != conn+"/findings" {
		t.Errorf("next leads to %q", a.header.Get("Location"))
	}
}

func TestNotEvaluated(t *testing.T) {
	s, conn := owned(t)
	a := s.get(conn + "/not-evaluated")
	if a.count("not-evaluated") != 2 || !strings.Contains(a.text, "permission graph") || !strings.Contains(a.text, "Campaign") && !strings.Contains(a.text, "Growth weekly") {
		t.Errorf("%s", a.see("not-evaluated"))
	}
}

func TestCatalog(t *testing.T) {
	s, conn := owned(t)
	for query, want := range map[string]string{
		"":                          "Finance",
		"in=collection%3A11":        "Monthly recurring revenue",
		"by=databases":              "Warehouse",
		"in=database%3A1":           "orders",
		"in=schema%3A1%2Fpublic%2F": "customers",
		"in=schema%3A2%2F%2F":       "orphan/table",
		"q=refunds":                 "Refunds by reason",
		"q=stock_levels":            "Legacy stock levels",
		"q=email&kind=column":       "customers.email",
		"q=%F0%9F%9A%80":            "Activation funnel",
	} {
		a := s.get(conn + "/catalog?" + query)
		if a.status != http.StatusOK || !strings.Contains(a.see("item")+a.see("hit"), want) {
			t.Errorf("%q: %d lacks %q: %s", query, a.status, want, a.see("item")+a.see("hit"))
		}
	}
	a := s.get(conn + "/catalog?q=stock_levels")
	if !strings.Contains(a.see("hit"), "in SQL") || a.doc.Find("[data-testid=hit] mark").Text() != "stock_levels" {
		t.Errorf("a match inside SQL is not shown: %s", a.see("hit"))
	}
	if v, _ := a.doc.Find("#search").Attr("value"); v != "stock_levels" {
		t.Errorf("the search field holds %q", v)
	}
}

func TestAssetPages(t *testing.T) {
	s, conn := owned(t)
	for path, want := range map[string][]string{
		"question/101":                           {"Sum of paid subscription lines", "verified", "4,812 views", "field filter", "Ada Okafor"},
		"question/101?tab=sql":                   {"date_trunc", "{{snippet: paid orders}}"},
		"question/101?tab=columns":               {"revenue", "Income"},
		"question/101?tab=usage":                 {"more between", "View as table"},
		"question/101?tab=uses":                  {"paid orders", "snippet"},
		"question/101?tab=used-by":               {"Board report", "Weekly trading", "shows it as a card"},
		"question/101?tab=history":               {"First seen", "HAVING COUNT(*)", "MRR"},
		"question/105?tab=findings":              {"A copy by its name"},
		"question/105?tab=nonsense":              {"Description"},
		"metric/104?tab=sql":                     {"source-table", "Summarize"},
		"dashboard/2?tab=cards":                  {"Revenue (old rule)", "in the trash", "Text"},
		"dashboard/2?tab=usage":                  {"12 readings by MetaLens itself"},
		"table/1~1public~1orders":                {"One row per order", "Warehouse"},
		"table/1~1public~1customers?tab=columns": {"email", "sensitive", "primary key"},
		"table/2~1~1orphan%252Ftable":            {"orphan/table"},
		"snippet/1?tab=used-by":                  {"Monthly recurring revenue"},
		"subscription/1":                         {"9 recipients (2 outside)"},
		"person/1":                               {"active"},
	} {
		a := s.get(conn + "/catalog/" + path)
		for _, w := range want {
			if a.status != http.StatusOK || !strings.Contains(strings.Join(strings.Fields(a.doc.Find("main").Text()), " "), w) {
				t.Errorf("%s: %d lacks %q", path, a.status, w)
			}
		}
	}
	for path, want := range map[string]string{
		"collection/11":                conn + "/catalog?in=collection%3A11",
		"database/1":                   conn + "/catalog?in=database%3A1",
		"question/103":                 conn + "/catalog/model/103",
		"column/1~1public~1orders~1id": conn + "/catalog/table/1~1public~1orders?tab=columns&column=1%2Fpublic%2Forders%2Fid",
	} {
		if a := s.get(conn + "/catalog/" + path); a.header.Get("Location") != want {
			t.Errorf("%s leads to %q", path, a.header.Get("Location"))
		}
	}
	a := s.get(conn + "/catalog/table/1~1public~1orders?tab=columns&column=1%2Fpublic%2Forders%2Fid")
	if n := a.doc.Find("tr.is-here").Length(); n != 1 {
		t.Errorf("%d columns are marked", n)
	}
}

// TestCanariesStayText plants markup in every name that a Metabase or a person
// may choose, opens every page, and looks for elements that it became.
func TestCanariesStayText(t *testing.T) {
	s, conn := owned(t)
	paths := []string{
		conn, conn + "/findings", conn + "/findings?q=" + url.QueryEscape(webtest.Canary), conn + "/findings?group=asset", conn + "/catalog?in=collection%3A31", conn + "/catalog?q=" + url.QueryEscape(webtest.Canary),
		conn + "/catalog?q=onerror", conn + "/catalog/question/115", conn + "/catalog/question/115?tab=sql", conn + "/catalog/question/115?tab=findings", conn + "/catalog/dashboard/5?tab=cards",
		conn + "/catalog/dashboard/5?tab=uses", conn + "/catalog?in=" + url.QueryEscape("collection:"+webtest.Canary), conn + "/egress?scan=" + url.QueryEscape(webtest.Canary), conn + "/scans/" + url.PathEscape(webtest.Canary),
		conn + "/findings?asset=" + url.QueryEscape("question:"+webtest.Canary), conn + "/findings?check=" + url.QueryEscape(webtest.Canary), "/login?next=" + url.QueryEscape("/"+webtest.Canary), "/" + url.PathEscape(webtest.Canary),
	}
	s.get(conn + "/findings?q=Canary").doc.Find("[data-open]").Each(func(_ int, link *goquery.Selection) {
		href, _ := link.Attr("href")
		paths = append(paths, href)
	})
	for _, path := range paths {
		a := s.get(path)
		if n := a.doc.Find("img, body script, [onerror]").Length(); n != 0 {
			t.Errorf("%s: the canary became %d elements", path, n)
		}
		if strings.Contains(a.text, "49") && strings.Contains(a.text, "{{49}}") {
			t.Errorf("%s: a template was evaluated", path)
		}
		if strings.Contains(a.text, "\u202e") {
			t.Errorf("%s: a bidirectional control came through", path)
		}
	}
	if a := s.get(conn + "/catalog/question/115?tab=sql"); !strings.Contains(a.doc.Find("pre").Text(), "⟨U+202E⟩") {
		t.Error("a hidden character in SQL is not made visible")
	}
}

func TestNamesOfAllSorts(t *testing.T) {
	long := strings.Repeat("very long ", 80)
	for in, want := range map[string]string{
		"":                    "Untitled",
		" \u200b\u2060 ":      "Untitled",
		"a\u202eb":            "ab",
		"two\nlines":          "two lines",
		"مرحبا":               "مرحبا",
		"👩🏽‍💻 team":           "👩🏽‍💻 team",
		"bad \xff byte":       "bad \uFFFD byte",
		"nul\x00l\x1b[31mred": "null[31mred",
	} {
		if got := ui.Name(in); got != want {
			t.Errorf("Name(%q) = %q, want %q", in, got, want)
		}
	}
	if got := []rune(ui.Name(long)); len(got) > 300 || got[len(got)-1] != '…' {
		t.Errorf("a long name has %d characters", len(got))
	}
}

func TestIDsSurviveAddresses(t *testing.T) {
	for _, id := range []string{"12", "1/public/orders", "1//t", "a~b/c~1d", "1/public/a%2Fb", "x y?z#&", "..", "1/s/ü"} {
		path := ui.AssetPath("/c/x", catalog.Ref{Kind: catalog.KindTable, ID: id})
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/c/x/catalog/table/"), "/")
		if len(segments) != 1 {
			t.Errorf("%q makes %d segments", id, len(segments))
		}
		decoded, err := url.PathUnescape(segments[0])
		if err != nil || ui.UnescapeID(decoded) != id {
			t.Errorf("%q came back as %q", id, ui.UnescapeID(decoded))
		}
	}
}
