package support_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/support"
)

// TestNothingOfTheContent plants a word in everything that could reach a bundle.
func TestNothingOfTheContent(t *testing.T) {
	const canary = "zq7canary"
	log := strings.Join([]string{
		`time=2026-03-02T08:00:00.000Z level=INFO msg="job finished" job=12 kind=scan attempt=1 duration=1.5s outcome=done`,
		`time=2026-03-02T08:00:01.000Z level=WARN msg="could not reach zq7canary.example.com" host=zq7canary.example.com error="dial tcp: lookup zq7canary.example.com: no such host"`,
		`time=2026-03-02T08:00:02.000Z level=INFO msg=retention org=zq7canary code=zq7canary\ two`,
		`{"time":"2026-03-02T08:00:03Z","level":"ERROR","msg":"query failed","sql":"SELECT 'zq7canary'","rows":7,"kind":"scan"}`,
		`panic: zq7canary`,
		`goroutine 1 [running]: zq7canary`,
		`time=2026-03-02T08:00:04.000Z level=INFO msg=x zq7canary=1`,
	}, "\n")
	in := support.Input{
		Version: "metalens dev", Go: "go1.26", System: "linux/amd64", Now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC),
		Settings: []support.Setting{
			{Name: "metabase.url", Value: "https://zq7canary.example.com/bi", Source: "file"},
			{Name: "metabase.api_key", Value: "mb_zq7canary", Secret: true, Source: "file"},
			{Name: "mail.from", Value: "ZQ7canary <ada@zq7canary.example>", Source: "environment"},
			{Name: "data", Value: "/srv/zq7canary/data", Source: "flag"},
			{Name: "mail.host", Value: "zq7canary", Source: "file"}, // a name without a dot, as in private networks
			{Name: "mail.user", Value: "lonelyhost", Source: "file"},
			{Name: "oidc.client_id", Value: "zq7canary-lens", Source: "file"},
			{Name: "ledger.anchor", Value: "file, mail", Source: "file"},
			{Name: "log.level", Value: "info", Source: "default"},
			{Name: "scan.concurrency", Value: "3", Source: "default"},
			{Name: "server.listen", Value: "127.0.0.1:8300", Source: "default"},
		},
		Doctor: "warn  lonelyhost:587 refuses\nok    connection Zq7canary Main to https://zq7canary.example.com answers\nwarn  user ada@zq7canary.example, folder /srv/zq7canary/data\nFAIL  \"zq7canary\" at 10.1.2.3 and zq7canary.internal.example:5432\n",
		Figures: &store.Figures{
			Engine: store.EngineSQLite, Bytes: 8192, Rows: map[string]int64{"scans": 3}, Migrations: []store.Migration{{Version: 1, At: canary}},
			Outcomes: []store.Outcome{{State: store.ScanFailed, Code: "unreachable", Count: 2}, {State: store.ScanFailed, Code: "Zq7canary said no", Count: 1}},
		},
		Jobs:    []jobs.Info{{Kind: "scan", State: jobs.StateFailed, Args: jobs.Args{Org: canary, Connection: canary, Sealed: canary}, LastError: "unavailable/unreachable"}, {Kind: "scan", State: jobs.StateFailed, LastError: "Zq7canary!"}},
		Reports: []store.RetentionReport{{Org: canary, Cause: "daily", Deleted: map[string]int{"scans": 2}}},
		Log:     strings.NewReader(log),
		Names:   []string{"Zq7canary Main", "https://zq7canary.example.com", "zq7canary"},
	}
	files, err := support.Build(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range files {
		all[f.Name] = string(f.Content)
		for _, word := range []string{canary, "lonelyhost", "10.1.2.3", "example", "ada@"} {
			if strings.Contains(strings.ToLower(string(f.Content)), word) {
				t.Errorf("%s shows %q:\n%s", f.Name, word, f.Content)
			}
		}
	}
	for _, f := range files[1:] {
		if !strings.Contains(all["README.txt"], f.Name) {
			t.Errorf("the list does not name %s", f.Name)
		}
	}
	// What helps is there.
	for name, words := range map[string][]string{
		"settings.txt":  {"(secret)", "info", "file, mail", "127.0.0.1:8300", "metabase.url"},
		"database.json": {`"unreachable"`, `"scans": 3`, `"engine": "sqlite"`},
		"jobs.txt":      {"unavailable/unreachable", "scan"},
		"retention.txt": {"scans=2"},
		"log.txt":       {`msg="job finished" job=12 kind=scan attempt=1 duration=1.5s outcome=done`, "rows=7", "not of this program"},
		"doctor.txt":    {"answers", "#"},
	} {
		for _, w := range words {
			if !strings.Contains(all[name], w) {
				t.Errorf("%s lacks %q:\n%s", name, w, all[name])
			}
		}
	}
}

// TestHashesHoldWithinOneBundle lets a helper follow one host, and nobody
// compare two bundles.
func TestHashesHoldWithinOneBundle(t *testing.T) {
	a, err := support.NewScrubber(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := support.NewScrubber(nil)
	if err != nil {
		t.Fatal(err)
	}
	const text = "asked bi.example.com"
	first, again, other := a.Text(text), a.Text(text), b.Text(text)
	if first != again || first == other {
		t.Errorf("%q, %q, %q", first, again, other)
	}
}
