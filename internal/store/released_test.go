package store_test

import (
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/postgres"
	"github.com/metalens/metalens/internal/store/storetest"
)

// A released database holds one organization with one connection and its
// credential, two scans of one question that was edited in between, and a
// search document. testdata/released has it per schema as SQLite wrote it; on
// PostgreSQL its rows are put into that schema.
const released = "testdata/released"

func releasedFile(t *testing.T, schema, dir string) (path string) {
	t.Helper()
	packed, err := os.Open(filepath.Join(released, schema+".db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	r, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	path = datadir.DatabaseIn(dir)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, io.LimitReader(r, 64<<20))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// releasedPostgres makes the schema of a release and copies the rows into it.
func releasedPostgres(t *testing.T, version int64, path string) (address string) {
	t.Helper()
	ctx := context.Background()
	address = cluster.Database(t)
	to := raw(t, address)
	login, err := postgres.Login(ctx, to)
	if err != nil {
		t.Fatal(err)
	}
	if err := postgres.EnsureRoles(ctx, to, login); err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, to, postgres.Migrations(), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		t.Fatal(err)
	}
	from, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	for _, table := range []string{
		"organizations", "settings", "connections", "scans", "asset_versions", "usage_records", "connection_facts", "search_docs", "search_words",
	} {
		copyRows(t, from, to, table)
	}
	return address
}

func copyRows(t *testing.T, from, to *sql.DB, table string) {
	t.Helper()
	ctx := context.Background()
	rows, err := from.QueryContext(ctx, `SELECT * FROM `+table)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	secure := func(how string) {
		if _, err := to.ExecContext(ctx, `ALTER TABLE `+table+` `+how+` ROW LEVEL SECURITY`); err != nil {
			t.Error(err)
		}
	}
	secure("NO FORCE") // the owner copies
	defer secure("FORCE")
	marks := make([]string, len(columns))
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range columns {
		marks[i], into[i] = fmt.Sprintf("$%d", i+1), &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		query := `INSERT INTO ` + table + ` (` + strings.Join(columns, ", ") + `) OVERRIDING SYSTEM VALUE VALUES (` + strings.Join(marks, ", ") + `)`
		if _, err := to.ExecContext(ctx, query, values...); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestReleasedDatabasesMigrate opens the databases of every released schema:
// what was there stays readable, what is new works.
func TestReleasedDatabasesMigrate(t *testing.T) {
	for _, schema := range []struct {
		name    string
		version int64
	}{{"00001", 1}} {
		text, err := os.ReadFile(filepath.Join(released, schema.name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		set, err := keys.Parse(secret.New(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		for _, engine := range []store.Engine{store.EngineSQLite, store.EnginePostgres} {
			t.Run(schema.name+" "+string(engine), func(t *testing.T) {
				clock := storetest.NewClock()
				clock.Add(100 * time.Hour)
				cfg := store.Config{Dir: t.TempDir(), Keys: set, Now: clock.Now}
				path := releasedFile(t, schema.name, cfg.Dir)
				if engine == store.EnginePostgres {
					cfg.DatabaseURL = secret.New(releasedPostgres(t, schema.version, path))
				}
				w := &storetest.World{T: t, Store: mustOpen(t, cfg), Keys: set, Clock: clock}
				checkReleased(t, w)
			})
		}
	}
}

func checkReleased(t *testing.T, w *storetest.World) {
	t.Helper()
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Organizations(ctx)
		if len(list) == 1 {
			w.Org = list[0].ID
		}
		return err
	})
	var scans []store.Scan
	w.View(func(ctx context.Context, tx *store.Tx) error {
		list, err := tx.Connections(ctx)
		if err != nil || len(list) != 1 {
			t.Fatalf("connections %v, %v", list, err)
		}
		w.Conn = list[0].ID
		key, err := tx.Credential(ctx, w.Conn)
		if err != nil || key.Expose() != "mb_fixture" {
			t.Errorf("the credential is gone: %v", err)
		}
		_, found, err := tx.Search(ctx, w.Conn, store.SearchQuery{Text: "revenue"})
		if err != nil || found != 1 {
			t.Errorf("search found %d, %v", found, err)
		}
		scans, err = tx.Scans(ctx, w.Conn, 10, time.Time{})
		return err
	})
	if len(scans) != 2 {
		t.Fatalf("%d scans", len(scans))
	}
	slices.SortFunc(scans, func(a, b store.Scan) int { return int(a.Seq - b.Seq) })
	first, second := w.Load(scans[0].ID), w.Load(scans[1].ID)
	if sql := first.Questions[0].Query.SQL; sql != "select sum(total) as revenue from orders" || len(first.Tables[0].Columns) != 2 {
		t.Errorf("the first scan's question reads %q", sql)
	}
	if sql := second.Questions[0].Query.SQL; !strings.HasSuffix(sql, "where id > 3") {
		t.Errorf("the second scan's question reads %q", sql)
	}
	lineage := func(id store.ScanID) (ok bool) {
		w.View(func(ctx context.Context, tx *store.Tx) (err error) {
			ok, err = tx.LoadLineage(ctx, id, 1, func(string, []byte) error { return nil })
			return err
		})
		return ok
	}
	if lineage(scans[1].ID) {
		t.Error("a scan from before has lineage")
	}
	var scan store.Scan
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		if scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning}); err != nil {
			return err
		}
		if _, err = tx.CommitSnapshot(ctx, scan.ID, &catalog.Snapshot{Questions: second.Questions}); err != nil {
			return err
		}
		if err := tx.CommitLineage(ctx, scan.ID, 1, slices.Values([]store.LineagePart{{Kind: "graph", Content: []byte("x")}})); err != nil {
			return err
		}
		return tx.FinishScan(ctx, scan.ID, store.ScanSucceeded, "", "")
	})
	if !lineage(scan.ID) {
		t.Error("a new scan has no lineage")
	}
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteScan(ctx, scans[0].ID) })
	if diff := w.Load(scans[1].ID); len(diff.Questions) != 1 || lineage(scans[1].ID) || !lineage(scan.ID) {
		t.Error("deleting the oldest scan touched the others")
	}
}
