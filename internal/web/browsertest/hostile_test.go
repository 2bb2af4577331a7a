package browsertest_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/PuerkitoBio/goquery"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/web/browsertest"
)

const demoPassword = "hostile demo passphrase 7"

// demo starts the demo, which serves on this machine with everything there is.
func demo(t *testing.T) (base string) {
	t.Helper()
	console := &printed{}
	serving, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	dir := filepath.Join(t.TempDir(), "data")
	go func() {
		ended <- app.Demo(ctx, app.Env{
			Stdin: strings.NewReader(""), Stdout: &printed{}, Stderr: console, Now: time.Now,
			Serving: func(address string) { serving <- address },
		}, app.DemoOptions{Listen: "127.0.0.1:0", Dir: dir, Password: secret.New(demoPassword)})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v", err)
		}
		harmless(t, "the console", console.String())
	})
	select {
	case base = <-serving:
		return base
	case err := <-ended:
		ended <- nil
		t.Fatalf("ended before it served: %v\n%s", err, console)
		return ""
	}
}

// harmless fails when a text could act on a terminal.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	for i, r := range text {
		if r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Errorf("%s holds %U: …%q…", what, r, text[max(0, i-60):min(len(text), i+40)])
			return
		}
	}
}

// visitor asks pages as a browser does, with cookies.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
}

func visit(t *testing.T, base string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, base, &http.Client{Jar: jar, Timeout: time.Minute}}
}

func (v *visitor) ask(method, path string, form url.Values) (*http.Response, []byte) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := v.client.Do(req)
	if err != nil {
		v.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, raw
}

// shape is what tells pages of one kind from another: the path without ids, and
// the names of its query.
var ids = regexp.MustCompile(`/[^/]*[0-9%][^/]*`)

func shape(u *url.URL) string {
	names := make([]string, 0, 4)
	for name := range u.Query() {
		names = append(names, name)
	}
	slices.Sort(names)
	return ids.ReplaceAllString(u.EscapedPath(), "/*") + "?" + strings.Join(names, "&")
}

// TestHostileContent connects a Metabase whose every text is an attack, scans
// it, and visits what the pages lead to: as a parser, which finds no element,
// attribute or link that is not ours, in both themes; in every export; and in a
// real browser, where no script runs and nobody else is asked.
func TestHostileContent(t *testing.T) {
	world := metabasetest.SampleCompany(time.Now())
	world.Poison()
	fake := metabasetest.NewServer(metabasetest.Config{World: world, Admin: true, Now: time.Now})
	address, stop, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	base := demo(t)
	v := visit(t, base)
	if resp, raw := v.ask(http.MethodPost, "/login", url.Values{"email": {app.DemoEmail}, "password": {demoPassword}}); resp.StatusCode != http.StatusOK {
		t.Fatalf("login: %s\n%s", resp.Status, raw)
	}
	_, raw := v.ask(http.MethodPost, "/connections", url.Values{"name": {`"><script>zqhostile(0)</script>`}, "url": {address}, "auth": {"api_key"}, "key": {metabasetest.DefaultKey}})
	list := regexp.MustCompile(`/c/[0-9a-f-]{36}`)
	resp, raw2 := v.ask(http.MethodGet, "/connections", nil)
	conn := ""
	for _, link := range list.FindAllString(string(raw2), -1) {
		if _, page := v.ask(http.MethodGet, link, nil); bytes.Contains(page, []byte("zqhostile(0)")) && !bytes.Contains(page, []byte("Sample company</h1>")) {
			conn = link
		}
	}
	if conn == "" {
		t.Fatalf("no connection was made: %s\n%.2000s", resp.Status, raw)
	}
	_, raw = v.ask(http.MethodPost, conn+"/scans", url.Values{})
	scan := regexp.MustCompile(regexp.QuoteMeta(conn) + `/scans/[0-9a-f-]{36}`).FindString(string(raw))
	if scan == "" {
		t.Fatalf("no scan was started:\n%.2000s", raw)
	}
	v.ask(http.MethodGet, scan+"/events", nil) // ends with the scan

	visited, marked := v.crawl(conn, address)
	t.Logf("%d pages visited, %d show hostile texts", len(visited), marked)
	if marked < 15 {
		t.Errorf("only %d pages show hostile texts: this test proves little", marked)
	}

	browser := browsertest.Launch(t)
	p := browser.Open(base)
	p.Go("/login")
	p.Fill("#email", app.DemoEmail)
	p.Fill("#password", demoPassword)
	p.Load("button.primary")
	seen := map[string]int{}
	for _, path := range visited {
		u, err := url.Parse(path)
		if err != nil || strings.Contains(path, ".csv") || strings.Contains(path, ".md") || strings.HasSuffix(u.Path, "/graph") || strings.HasSuffix(u.Path, "/events") {
			continue
		}
		if s := shape(u); seen[s] >= 1 || len(seen) > 35 {
			continue
		}
		seen[shape(u)]++
		p.Go(path)
		p.Until("document.readyState === 'complete'")
		p.Settle()
		for _, foreign := range []string{
			"performance.getEntriesByType('resource').filter((r) => !r.name.startsWith(location.origin)).length",
			"document.querySelectorAll('img[src=x], [onload], [onerror], [onfocus], iframe, object, embed, base').length",
			"[...document.querySelectorAll('script')].filter((s) => !s.src).length",
			"(window.zqhostile ? 1 : 0)",
		} {
			if n := browsertest.Eval[int](p, foreign); n != 0 {
				t.Errorf("%s: %s is %d", path, foreign, n)
			}
		}
	}
	t.Logf("%d kinds of pages in a browser", len(seen))
}

// crawl follows the links of the pages below a connection, some of each kind.
func (v *visitor) crawl(conn, metabase string) (visited []string, marked int) {
	v.t.Helper()
	queue := []string{"/", conn, "/connections", "/account", conn + "/findings", conn + "/catalog", conn + "/lineage", conn + "/impact", conn + "/duplicates", conn + "/metrics", conn + "/scans", conn + "/egress", conn + "/not-evaluated"}
	known := map[string]bool{}
	kinds := map[string]int{}
	for len(queue) > 0 && len(visited) < 250 {
		path := queue[0]
		queue = queue[1:]
		u, err := url.Parse(path)
		if err != nil || known[path] {
			continue
		}
		known[path] = true
		if kinds[shape(u)]++; kinds[shape(u)] > 6 {
			continue
		}
		visited = append(visited, path)
		resp, raw := v.ask(http.MethodGet, path, nil)
		if resp.StatusCode >= http.StatusInternalServerError {
			v.t.Errorf("%s: %s", path, resp.Status)
		}
		if bytes.Contains(raw, []byte(metabasetest.HostileMark)) {
			marked++
		}
		for name, values := range resp.Header {
			if strings.Contains(strings.ToLower(name), metabasetest.HostileMark) || strings.ContainsAny(strings.Join(values, ""), "\r\n") {
				v.t.Errorf("%s: a forged header %s", path, name)
			}
		}
		switch media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); media {
		case "text/html":
			queue = append(queue, v.inspect(path, raw, metabase)...)
		case "text/csv":
			v.sheet(path, raw)
		case "text/markdown":
			harmless(v.t, path, string(raw))
		}
	}
	return visited, marked
}

// inspect fails on whatever is not ours in a page, and returns its links.
func (v *visitor) inspect(path string, raw []byte, metabase string) (links []string) {
	v.t.Helper()
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(raw))
	if err != nil {
		v.t.Fatal(err)
	}
	doc.Find("*").Each(func(_ int, e *goquery.Selection) {
		tag := goquery.NodeName(e)
		for _, a := range e.Nodes[0].Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc", a.Key == "autofocus" && strings.Contains(a.Val, "="), strings.Contains(a.Key, metabasetest.HostileMark):
				v.t.Errorf("%s: <%s %s=%.80q>", path, tag, a.Key, a.Val)
			case !slices.Contains([]string{"href", "src", "action", "formaction", "xlink:href", "poster", "data", "hx-get", "hx-post", "cite", "ping"}, a.Key):
			case strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "//"), strings.HasPrefix(value, "#"), strings.HasPrefix(value, "?"), value == "":
			case strings.HasPrefix(a.Val, metabase+"/"), a.Val == metabase, strings.HasPrefix(a.Val, "https://www.metabase.com/"), strings.HasPrefix(a.Val, "https://github.com/metalens/"):
			case path == "/account/factors/add" && strings.HasPrefix(value, "otpauth://totp/metalens:"): // opens an authenticator on the same device
			case strings.HasPrefix(value, "http://127.0.0.1:"): // the sample company's Metabase
			default:
				v.t.Errorf("%s: <%s %s=%.80q> leads away", path, tag, a.Key, a.Val)
			}
		}
		switch tag {
		case "script":
			if _, ok := e.Attr("src"); !ok {
				v.t.Errorf("%s: an inline script: %.80q", path, e.Text())
			}
		case "style", "iframe", "object", "embed", "base", "img", "audio", "video", "math", "marquee":
			v.t.Errorf("%s: a <%s>", path, tag)
		}
		if href, ok := e.Attr("href"); ok && tag == "a" && strings.HasPrefix(href, "/") && !strings.Contains(href, "/logout") {
			links = append(links, href)
		}
	})
	return links
}

func (v *visitor) sheet(path string, raw []byte) {
	v.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(raw), "\ufeff"))).ReadAll()
	if err != nil {
		v.t.Errorf("%s: %v", path, err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r|") && strings.Trim(cell, "-0123456789.") != "" {
				v.t.Errorf("%s: a cell begins as a formula does: %.80q", path, cell)
			}
			harmless(v.t, path, cell)
		}
	}
}
