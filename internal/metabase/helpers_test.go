package metabase_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

const testKey = "mb_test_key_4711"

// answers serves fixed JSON by path and query-less path; everything else is 404.
type answers map[string]string

func (a answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, ok := a[r.URL.RequestURI()]
	if !ok {
		text, ok = a[r.URL.Path]
	}
	if !ok {
		http.Error(w, "API endpoint does not exist.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	_, _ = w.Write([]byte(text))
}

// properties is a session/properties answer of a version.
func properties(tag string) string {
	return `{"version":{"tag":"` + tag + `","date":"2026-01-01"},"token-features":{"advanced_permissions":true,"sandboxes":false},"site-url":"https://leak.example","report-timezone":"UTC"}`
}

const adminUser = `{"id":1,"is_superuser":true,"group_ids":[1,2],"common_name":"Scan Key","email":"api-key-user-x@api-key.invalid"}`

// waits records the pauses a client asked for instead of sleeping.
type waits struct {
	mu   sync.Mutex
	list []time.Duration
}

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, d)
	return ctx.Err()
}

func (w *waits) all() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Duration(nil), w.list...)
}

type bench struct {
	*metabase.Client
	ledger *ledger.Memory
	waits  *waits
	logs   *bytes.Buffer
	server *httptest.Server
}

func config(url string, set ...func(*metabase.Config)) (metabase.Config, *bench) {
	b := &bench{ledger: &ledger.Memory{}, waits: &waits{}, logs: &bytes.Buffer{}}
	cfg := metabase.Config{
		URL:      url,
		Auth:     metabase.Auth{Kind: metabase.AuthAPIKey, Secret: secret.New(testKey)},
		Outbound: outbound.Config{Recorder: b.ledger, Policy: outbound.Policy{AllowLoopback: true}},
		Wait:     b.waits.wait,
		Jitter:   func() float64 { return 0.5 },
		Logger:   slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range set {
		f(&cfg)
	}
	return cfg, b
}

// open starts a server and a client on it.
func open(t testing.TB, h http.Handler, set ...func(*metabase.Config)) *bench {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	cfg, b := config(server.URL, set...)
	b.server = server
	c, err := metabase.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b.Client = c
	return b
}

// identify makes the version known.
func (b *bench) identify(t testing.TB) metabase.Identity {
	t.Helper()
	id, err := b.Identify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// everything reads all there is, as a scan does, and fails on any error.
func (b *bench) everything(t testing.TB) *catalog.Snapshot {
	t.Helper()
	ctx := t.Context()
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}
	id := b.identify(t)
	s.Instance, s.Gaps = id.Instance, append(s.Gaps, id.Gaps...)
	must := func(gaps []catalog.Gap, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		s.Gaps = append(s.Gaps, gaps...)
	}
	use := func(m map[catalog.Ref]catalog.Usage) {
		for k, v := range m {
			s.Usage[k] = v
		}
	}
	var gaps []catalog.Gap
	var err error
	var usage map[catalog.Ref]catalog.Usage
	s.Collections, gaps, err = b.Collections(ctx)
	must(gaps, err)
	s.Databases, gaps, err = b.Databases(ctx)
	must(gaps, err)
	for _, d := range s.Databases {
		tables, usage, gaps, err := b.Schema(ctx, d.ID)
		must(gaps, err)
		s.Tables = append(s.Tables, tables...)
		use(usage)
	}
	_, usage, gaps, err = b.Tables(ctx)
	must(gaps, err)
	use(usage)
	s.People, gaps, err = b.People(ctx)
	must(gaps, err)
	known := map[string]bool{} // fixed answers name the same content as live and as archived
	for _, archived := range []bool{false, true} {
		gaps, err = b.Questions(ctx, archived, func(q *catalog.Question, u catalog.Usage) error {
			if known["q"+q.ID] {
				return nil
			}
			known["q"+q.ID] = true
			s.Questions = append(s.Questions, q)
			s.Usage[q.Ref()] = u
			return nil
		})
		if !metabase.IsMissing(err) {
			must(gaps, err)
		}
		heads, gaps, err := b.DashboardHeads(ctx, archived)
		if !metabase.IsMissing(err) {
			must(gaps, err)
		}
		for _, h := range heads {
			if known["d"+h.Dashboard.ID] {
				continue
			}
			known["d"+h.Dashboard.ID] = true
			detail, gaps, err := b.Dashboard(ctx, h.Dashboard.ID)
			must(gaps, err)
			if detail != nil {
				s.Dashboards = append(s.Dashboards, detail.Dashboard)
				s.Usage[detail.Dashboard.Ref()] = detail.Usage
			}
		}
	}
	s.Segments, gaps, err = b.Segments(ctx)
	must(gaps, err)
	s.Measures, gaps, err = b.Measures(ctx)
	must(gaps, err)
	s.Snippets, gaps, err = b.Snippets(ctx)
	must(gaps, err)
	s.Subscriptions, gaps, err = b.Subscriptions(ctx)
	must(gaps, err)
	s.Alerts, gaps, err = b.Alerts(ctx)
	must(gaps, err)
	s.Transforms, gaps, err = b.Transforms(ctx)
	must(gaps, err)
	s.Actions, gaps, err = b.Actions(ctx)
	must(gaps, err)
	s.Documents, usage, gaps, err = b.Documents(ctx)
	must(gaps, err)
	use(usage)
	s.Groups, gaps, err = b.Groups(ctx)
	must(gaps, err)
	s.Access.Memberships, gaps, err = b.Memberships(ctx)
	must(gaps, err)
	s.Access.Collections, gaps, err = b.CollectionAccess(ctx)
	must(gaps, err)
	s.Access.Data, gaps, err = b.DataAccess(ctx)
	must(gaps, err)
	s.Requests = b.Stats()
	s.Sort()
	return s
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// snapshotJSON is all of a snapshot but the usage, whose keys are no texts.
func snapshotJSON(t testing.TB, s *catalog.Snapshot) string {
	t.Helper()
	var assets []catalog.Asset
	for a := range s.All() {
		assets = append(assets, a)
	}
	return asJSON(t, assets) + asJSON(t, s.Instance) + asJSON(t, s.Access) + asJSON(t, s.Gaps)
}

// reference finds the folder of recorded answers, or skips.
func reference(t testing.TB, parts ...string) string {
	t.Helper()
	roots := []string{filepath.Join("..", "..", "..", "shared")}
	if corpus := os.Getenv("METALENS_CORPUS"); corpus != "" {
		roots = append([]string{filepath.Dir(corpus)}, roots...)
	}
	for _, root := range roots {
		dir := filepath.Join(append([]string{root}, parts...)...)
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	t.Skipf("no recorded answers at %s; set METALENS_CORPUS", filepath.Join(parts...))
	return ""
}

// recorded serves api/card/27.json as GET /api/card/27.
func recorded(dir string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(r.URL.Path)+".json"))
		if err != nil {
			http.Error(w, "Not found.", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	})
}
