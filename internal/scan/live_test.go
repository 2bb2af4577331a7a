package scan_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/scan"
	"github.com/metalens/metalens/internal/secret"
)

// at is a fixed time after everything in the recordings happened.
var at = time.Date(2026, 9, 1, 6, 0, 0, 0, time.UTC)

func clock(start time.Time) func() time.Time { return func() time.Time { return start } }

// client opens a real reader for tests on this machine.
func client(t *testing.T, url, key string, change func(*metabase.Config)) *metabase.Client {
	t.Helper()
	cfg := metabase.Config{
		URL: url, Auth: metabase.Auth{Kind: metabase.AuthAPIKey, Secret: secret.New(key)},
		Outbound: outbound.Config{Policy: outbound.Policy{AllowLoopback: true}, Recorder: &ledger.Memory{}},
		Now:      clock(at),
		Wait:     func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	if change != nil {
		change(&cfg)
	}
	c, err := metabase.Open(cfg)
	if err != nil {
		t.Fatalf("open reader: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

func mustRead(t *testing.T, c *metabase.Client, o scan.Options) *catalog.Snapshot {
	t.Helper()
	if o.Now == nil {
		o.Now = clock(at)
	}
	s, err := scan.Read(t.Context(), c, o)
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	return s
}

// shared finds a folder of test data that is not part of this repository.
func shared(t *testing.T, parts ...string) string {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared")
	if corpus := os.Getenv("METALENS_CORPUS"); corpus != "" {
		root = filepath.Dir(corpus)
	}
	dir := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("test data %s is not here; set METALENS_CORPUS to the corpus folder", filepath.Join(parts...))
	}
	return dir
}
