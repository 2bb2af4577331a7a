package browsertest_test

import (
	"bytes"
	"context"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/web/browsertest"
)

// printed collects what the program prints.
type printed struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}

// boot starts the whole program on a free port and an empty folder.
func boot(t *testing.T) (base, token string) {
	t.Helper()
	loaded, err := config.Load(config.Inputs{DefaultData: filepath.Join(t.TempDir(), "data"), Environ: []string{"METALENS_LISTEN=127.0.0.1:0", "METALENS_LOG_LEVEL=warn"}})
	if err != nil {
		t.Fatal(err)
	}
	console := &printed{}
	serving, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- app.Serve(ctx, app.Env{
			Stdin: strings.NewReader(""), Stdout: &printed{}, Stderr: console, Now: time.Now,
			Serving: func(address string) { serving <- address },
		}, loaded)
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
	link := regexp.MustCompile(`/setup\?token=(\S+)`).FindStringSubmatch(console.String())
	if link == nil {
		t.Fatalf("the console shows no setup link:\n%s", console)
	}
	token, err = url.QueryUnescape(link[1])
	if err != nil {
		t.Fatal(err)
	}
	return base, token
}

// TestFirstRunComposed walks the whole program from an empty folder over the
// sample company to every page about it, and photographs them.
func TestFirstRunComposed(t *testing.T) {
	browser := browsertest.Launch(t)
	base, token := boot(t)
	p := browser.Open(base)
	conn := p.FirstRun(owner(token))

	// Triage one finding and take it back, through the real store.
	p.Go(conn + "/findings")
	p.Load("[data-testid=nav-findings]")
	open := p.Text("[data-testid=nav-findings] .nav-count")
	p.Click("[data-testid=finding] [data-open]")
	p.See("[data-testid=finding-detail]")
	finding := p.Path()
	p.Load("[data-testid=triage] [data-ignore]")
	if now := p.Text("[data-testid=nav-findings] .nav-count"); now == open {
		t.Errorf("still %s open findings after one was ignored", now)
	}
	p.Load("[data-testid=flash] button")
	if now := p.Text("[data-testid=nav-findings] .nav-count"); now != open {
		t.Errorf("%s open findings after undo, want %s", now, open)
	}
	p.Go(conn + "/catalog?q=revenue")
	asset := browsertest.Eval[string](p, "document.querySelector('[data-testid=hit] a[href*=\"/question/\"]').getAttribute('href')")
	p.Go(conn + "/duplicates")
	group := browsertest.Eval[string](p, "document.querySelector('[data-testid=cluster] a[href*=\"/duplicates/\"]').getAttribute('href')")
	p.Go(conn + "/scans")
	scan := browsertest.Eval[string](p, "document.querySelector('[data-testid=scan-row] a').getAttribute('href')")

	views := []view{
		{"sample-overview", conn},
		{"sample-findings", conn + "/findings"},
		{"sample-findings-groups", conn + "/findings?group=check"},
		{"sample-finding", finding},
		{"sample-not-evaluated", conn + "/not-evaluated"},
		{"sample-catalog", conn + "/catalog"},
		{"sample-databases", conn + "/catalog?by=databases"},
		{"sample-search", conn + "/catalog?q=revenue"},
		{"sample-asset", asset},
		{"sample-asset-sql", asset + "?tab=sql"},
		{"sample-asset-usage", asset + "?tab=usage"},
		{"sample-asset-lineage", asset + "?tab=lineage"},
		{"sample-asset-used-by", asset + "?tab=used-by"},
		{"sample-asset-history", asset + "?tab=history"},
		{"sample-lineage-start", conn + "/lineage"},
		{"sample-lineage", conn + "/lineage/table/1~1analytics~1orders"},
		{"sample-lineage-columns", conn + "/lineage/question/14?mode=columns"},
		{"sample-impact", conn + "/impact?ref=analytics.orders.net_amount"},
		{"sample-impact-migration", conn + "/impact/migration"},
		{"sample-duplicates", conn + "/duplicates"},
		{"sample-duplicate", group},
		{"sample-metrics", conn + "/metrics"},
		{"sample-scans", conn + "/scans"},
		{"sample-scan", scan},
		{"sample-egress", conn + "/egress"},
		{"sample-connections", "/connections"},
		{"sample-settings", "/connections/" + strings.TrimPrefix(conn, "/c/")},
		{"sample-account", "/account"},
	}
	for _, dark := range []bool{false, true} {
		p.Dark(dark)
		for _, v := range views {
			p.Go(v.path)
			p.Settle()
			p.Shot(v.name)
			p.Axe(v.name)
		}
	}
	p.Dark(false)
	p.Size(390, 844)
	for _, v := range views {
		p.Go(v.path)
		p.Settle()
		p.Shot(v.name)
		if over := browsertest.Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
			t.Errorf("%s is %d px wider than a window of 390 px", v.name, over)
		}
	}
}
