package store_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
	"github.com/metalens/metalens/internal/store/storetest/pgtest"
)

var cluster pgtest.Cluster

// TestMain is also the process that [TestKilledWhileCommitting] and
// [TestKilledDeletions] kill.
func TestMain(m *testing.M) {
	if arguments := os.Getenv(committerEnv); arguments != "" {
		fmt.Fprintln(os.Stderr, commitForever(arguments))
		os.Exit(1)
	}
	if arguments := os.Getenv(eraserEnv); arguments != "" {
		if err := eraseOnce(arguments); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(cluster.Run(m))
}

func openSQLite() storetest.Opener {
	var mu sync.Mutex
	dirs := map[string]string{}
	return func(t testing.TB, name string, cfg store.Config) *store.Store {
		t.Helper()
		mu.Lock()
		if dirs[name] == "" {
			dirs[name] = t.TempDir()
		}
		cfg.Dir = dirs[name]
		mu.Unlock()
		return mustOpen(t, cfg)
	}
}

func openPostgres() storetest.Opener {
	var mu sync.Mutex
	databases := map[string]string{}
	return func(t testing.TB, name string, cfg store.Config) *store.Store {
		t.Helper()
		mu.Lock()
		if databases[name] == "" {
			databases[name] = cluster.Database(t)
		}
		cfg.DatabaseURL = secret.New(databases[name])
		mu.Unlock()
		return mustOpen(t, cfg)
	}
}

func mustOpen(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) { storetest.Run(t, openSQLite()) }

func TestPostgres(t *testing.T) { storetest.Run(t, openPostgres()) }
