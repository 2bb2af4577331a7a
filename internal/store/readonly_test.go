package store_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// TestReadOnly reads beside a process that writes, writes nothing, and leaves a
// database of an older version as it is.
func TestReadOnly(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		readOnly(t, store.Config{Dir: dir}, func() *sql.DB { return rawSQLite(t, dir) })
	})
	t.Run("postgres", func(t *testing.T) {
		address := cluster.Database(t)
		readOnly(t, store.Config{DatabaseURL: secret.New(address)}, func() *sql.DB { return raw(t, address) })
	})
}

func readOnly(t *testing.T, cfg store.Config, raw func() *sql.DB) {
	t.Helper()
	ctx := context.Background()
	var err error
	if cfg.Keys, err = keys.Generate(); err != nil {
		t.Fatal(err)
	}
	writer := mustOpen(t, cfg)
	cfg.ReadOnly = true
	reader := mustOpen(t, cfg)
	add := func(s *store.Store) error {
		return s.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
			_, err := tx.InsertOrganization(ctx, store.Organization{Name: "Acme", CreatedAt: time.Now().UTC()})
			return err
		})
	}
	if err := add(writer); err != nil {
		t.Fatal(err)
	}
	err = reader.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Organizations(ctx)
		if len(list) != 1 || list[0].Name != "Acme" {
			t.Errorf("the reader sees %d organizations, want the one just written", len(list))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := add(reader); errs.CodeOf(err) != "read_only" {
		t.Errorf("writing through the reader answered %v, want read_only", err)
	}

	db := raw()
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, `DELETE FROM goose_db_version WHERE version_id > 1`); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(ctx, cfg)
	if _, hint := errs.PublicText(err); errs.CodeOf(err) != "schema_older" || hint == "" {
		t.Errorf("an older database answered %v, want schema_older with a hint", err)
	}
}
