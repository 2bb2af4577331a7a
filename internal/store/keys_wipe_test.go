package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

// stored reads the sealed credential of a connection and its sealed key.
func stored(t *testing.T, w *storetest.World, conn store.ConnectionID) (credential, key []byte) {
	t.Helper()
	w.In(func(ctx context.Context, tx *store.Tx) error {
		return tx.SQL().QueryRowContext(ctx, `SELECT c.credential, k.body FROM connections c JOIN connection_keys k ON k.connection_id = c.id WHERE c.id = $1`,
			string(conn)).Scan(&credential, &key)
	})
	if len(credential) < 30 || len(key) < 30 {
		t.Fatal("nothing was stored")
	}
	return credential, key
}

// removals are the ways in which a credential ends.
var removals = map[string]func(context.Context, *store.Tx, store.ConnectionID) error{
	"connection deleted": func(ctx context.Context, tx *store.Tx, id store.ConnectionID) error {
		return tx.DeleteConnection(ctx, id)
	},
	"credential emptied": func(ctx context.Context, tx *store.Tx, id store.ConnectionID) error {
		return tx.SetCredential(ctx, id, secret.Value{})
	},
	"credential replaced": func(ctx context.Context, tx *store.Tx, id store.ConnectionID) error {
		return tx.SetCredential(ctx, id, secret.New("other"))
	},
}

// TestRemovedCredentialIsInNoFile looks into the files of the database: neither
// the credential's ciphertext nor the key that opens it is left.
func TestRemovedCredentialIsInNoFile(t *testing.T) {
	dir := t.TempDir()
	w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir = dir
		return mustOpen(t, cfg)
	})
	holds := func(what []byte) (found bool) {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			found = found || bytes.Contains(b, what)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			conn := w.NewConnection(name)
			w.In(func(ctx context.Context, tx *store.Tx) error {
				return tx.SetCredential(ctx, conn, secret.New("mb_secret"))
			})
			credential, key := stored(t, w, conn)
			if !holds(credential) || !holds(key) {
				t.Fatal("the test does not find what is there")
			}
			w.In(func(ctx context.Context, tx *store.Tx) error { return remove(ctx, tx, conn) })
			if holds(credential) {
				t.Error("the sealed credential is still in a file")
			}
			if holds(key) {
				t.Error("its key is still in a file")
			}
		})
	}
}

// TestRemovedCredentialHasNoKeyOnPostgres reads the raw file of the table of
// keys: dead rows of the credential may be left elsewhere, their key is not.
func TestRemovedCredentialHasNoKeyOnPostgres(t *testing.T) {
	address := cluster.SuperuserDatabase(t)
	w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.DatabaseURL = secret.New(address)
		return mustOpen(t, cfg)
	})
	db := raw(t, address)
	holds := func(what []byte) (found bool) {
		if _, err := db.ExecContext(t.Context(), `CHECKPOINT`); err != nil { // pages go to the file
			t.Fatal(err)
		}
		var file []byte
		err := db.QueryRowContext(t.Context(), `SELECT pg_read_binary_file(pg_relation_filepath('connection_keys'))`).Scan(&file)
		if err != nil && err != sql.ErrNoRows {
			t.Fatal(err)
		}
		return bytes.Contains(file, what)
	}
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			conn := w.NewConnection(name)
			w.In(func(ctx context.Context, tx *store.Tx) error {
				return tx.SetCredential(ctx, conn, secret.New("mb_secret"))
			})
			_, key := stored(t, w, conn)
			if !holds(key) {
				t.Fatal("the test does not find what is there")
			}
			w.In(func(ctx context.Context, tx *store.Tx) error { return remove(ctx, tx, conn) })
			if holds(key) {
				t.Error("the connection's key is still in the table's file")
			}
		})
	}
}
