package app_test

import (
	"bytes"
	"context"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// TestBenchContentPages asks for the main pages of a generated instance through
// the whole server; the lineage pages have TestLargeLineage. With METALENS_BENCH=1 it has
// 10,000 questions and every page must keep to 100 ms; else it is small, and
// the pages must only answer.
func TestBenchContentPages(t *testing.T) {
	questions, rounds, limit := 400, 3, time.Minute
	if os.Getenv("METALENS_BENCH") == "1" {
		questions, rounds, limit = 10_000, 40, 100*time.Millisecond
	}
	now := time.Now()
	fake := metabasetest.NewServer(metabasetest.Config{
		Version: "0.58", World: metabasetest.Generate(metabasetest.GenerateConfig{Seed: 7, Questions: questions, Now: now}), Admin: true,
	})
	address := fake.Start(t)
	data := filepath.Join(t.TempDir(), "data")
	loaded, err := config.Load(config.Inputs{DefaultData: data, Environ: []string{
		"METABASE_URL=" + address, "METABASE_API_KEY=" + metabasetest.DefaultKey, "METALENS_LOG_LEVEL=warn",
	}})
	if err != nil {
		t.Fatal(err)
	}
	env := app.Env{Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: &output{}, Now: time.Now}
	if err := app.Scan(t.Context(), env, loaded, app.ScanOptions{Format: "json", Quiet: true, Connection: "Generated"}); err != nil {
		t.Fatal(err)
	}
	p := boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, serveConfig(t, data)) })
	token := regexp.MustCompile(`/setup\?token=(\S+)`).FindStringSubmatch(p.stderr.String())
	if token == nil {
		t.Fatalf("no setup link:\n%s", p.stderr)
	}
	setup, err := url.QueryUnescape(token[1])
	if err != nil {
		t.Fatal(err)
	}
	page := p.answer(http.MethodPost, "/setup", url.Values{
		"token": {setup}, "name": {"Ada"}, "email": {"ada@example.com"}, "password": {"a long enough passphrase 9"}, "organization": {"Acme"},
	})
	p.enrol(page)
	conn := regexp.MustCompile(`/c/[0-9a-f-]+`).FindString(p.get("/connections"))

	start := time.Now()
	list := p.patient(conn + "/duplicates")
	t.Logf("duplicates, first answer: %v", time.Since(start).Round(time.Millisecond))
	cluster := regexp.MustCompile(conn + `/duplicates/[0-9a-f]+`).FindString(list)
	near := regexp.MustCompile(conn + `/duplicates/[0-9a-f]+`).FindString(p.get(conn + "/duplicates?kind=near"))
	start = time.Now()
	p.patient(conn + "/metrics")
	t.Logf("metrics, first answer: %v", time.Since(start).Round(time.Millisecond))
	top := regexp.MustCompile(`/impact\?ref=[^"]+`).FindString(p.get(conn + "/impact"))
	if cluster == "" || top == "" {
		t.Fatalf("cluster %q, most used table %q", cluster, top)
	}
	impact := conn + html.UnescapeString(top)
	start = time.Now()
	p.get(impact)
	t.Logf("impact of the most used table, first answer: %v", time.Since(start).Round(time.Millisecond))

	paths := []string{
		conn, conn + "/findings", conn + "/findings?q=revenue", conn + "/catalog", conn + "/catalog?q=revenue", conn + "/scans",
		conn + "/duplicates", conn + "/duplicates?q=revenue&sort=views", conn + "/duplicates?kind=near&score=90", cluster,
		conn + "/metrics", conn + "/metrics?tab=all&q=count", conn + "/impact", impact, impact + "&kind=dashboard&breaks=yes", impact + "&page=3",
		conn + "/impact/suggest?add=id", conn + "/impact/suggest?add=order+st",
	}
	if near != "" {
		paths = append(paths, near)
	}
	for _, path := range paths {
		var took []time.Duration
		size := 0
		for range rounds {
			start := time.Now()
			size = len(p.get(path))
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		p95 := took[(len(took)*95-1)/100]
		t.Logf("%-46s p50 %6.1f ms  p95 %6.1f ms  %4d kB", strings.TrimPrefix(path, conn), ms(took[len(took)/2]), ms(p95), size/1000)
		if p95 > limit {
			t.Errorf("%s: p95 %v, want at most %v", path, p95, limit)
		}
	}
}

// patient asks until the answer is there.
func (p *program) patient(path string) string {
	p.t.Helper()
	for {
		if text := p.answered(path); !strings.Contains(text, `data-testid="waiting"`) {
			return text
		}
	}
}

// answered is get for pages that may still be worked out.
func (p *program) answered(path string) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.address+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= http.StatusBadRequest {
		p.t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return string(text)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
