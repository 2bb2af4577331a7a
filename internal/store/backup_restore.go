package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/store/postgres"
	"github.com/metalens/metalens/internal/store/sqlite"
)

// DumpSource yields a dump piece by piece.
type DumpSource interface {
	// Next returns the next row; io.EOF after the last one, when the dump was
	// found to be whole.
	Next() (table int, values []any, err error)
}

// Restore fills a database from a dump, in one step: until it is over the
// database is what it was, and when it fails it stays so. Nothing may be open on
// it. cfg is what [Open] gets afterwards; only then are deletions replayed and
// may anything be served.
//
// A dump of a newer schema is errs.Conflict, code schema_newer; one that the
// given master key does not open is errs.Invalid, code wrong_master_key; a
// database that holds something is errs.Conflict, code not_empty, unless replace
// is set.
func Restore(ctx context.Context, cfg Config, head DumpHead, rows DumpSource, replace bool) error {
	s := &Store{master: keys.NewMaster(cfg.Keys, cfg.ReloadKeys), dataKeys: map[OrgID]unwrapped{}}
	s.keepApart(cfg)
	r := &restorer{store: s, head: head, rows: rows, replace: replace}
	if cfg.DatabaseURL.IsZero() {
		s.engine = EngineSQLite
		return s.translate(r.sqlite(ctx, cfg.Dir))
	}
	s.engine = EnginePostgres
	return s.translate(r.postgres(ctx, cfg))
}

type restorer struct {
	store   *Store
	head    DumpHead
	rows    DumpSource
	replace bool
}

func notEmpty() error {
	return errs.New(errs.Conflict, "not_empty", "The database to restore into is not empty.",
		"Restore into a new one, or confirm that everything in it may be lost.")
}

// known checks that this program can read a dump of that schema.
func (r *restorer) known(provider *goose.Provider) error {
	sources := provider.ListSources()
	if newest := sources[len(sources)-1].Version; r.head.Schema > newest {
		return errs.New(errs.Conflict, "schema_newer", fmt.Sprintf("This backup was made by a newer MetaLens (schema %d, this program knows %d).", r.head.Schema, newest),
			"Restore it with that version or a later one.")
	}
	return nil
}

// restoreFolder is where the new database is built, beside the old one.
const restoreFolder = "restore"

func (r *restorer) sqlite(ctx context.Context, dir string) (err error) {
	if len(r.head.Organizations) > 1 {
		return errs.New(errs.Conflict, "one_organization", fmt.Sprintf("This backup holds %d organizations; the embedded database holds exactly one.", len(r.head.Organizations)),
			"Restore it into PostgreSQL (METALENS_DATABASE_URL).")
	}
	target := datadir.DatabaseIn(dir)
	if err := r.vacant(ctx, target); err != nil {
		return err
	}
	work := filepath.Join(filepath.Dir(target), restoreFolder)
	if err := os.RemoveAll(work); err != nil { // of a restore that was killed
		return fmt.Errorf("clear the restore folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	built := filepath.Join(work, filepath.Base(target))
	if err := r.build(ctx, built); err != nil {
		return err
	}
	foldLog(ctx, target)
	// A log that is left belongs to the old file.
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(target + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the old database: %w", err)
		}
	}
	if err := os.Rename(built, target); err != nil {
		return fmt.Errorf("put the restored database in place: %w", err)
	}
	return syncDir(filepath.Dir(target))
}

// foldLog empties the log of the old database, so that one rename replaces it. A
// database that cannot be opened is replaced as it is.
func foldLog(ctx context.Context, path string) {
	if _, err := os.Stat(path); err != nil {
		return
	}
	if db, err := sqlite.OpenWriter(path); err == nil {
		_, _ = db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
		_ = db.Close()
	}
}

// vacant refuses a database that holds something.
func (r *restorer) vacant(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) || r.replace {
		return nil
	}
	db, err := sqlite.OpenReader(path)
	if err != nil {
		return err
	}
	n, err := populated(ctx, db, goose.DialectSQLite3)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	if n {
		return notEmpty()
	}
	return nil
}

func populated(ctx context.Context, db *sql.DB, dialect goose.Dialect) (bool, error) {
	version, err := schemaVersion(ctx, db, dialect)
	if err != nil || version == 0 {
		return false, err
	}
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = t.Rollback() }()
	if dialect == goose.DialectPostgres {
		if err := become(ctx, t, EnginePostgres, ""); err != nil {
			return false, err
		}
	}
	var n int
	err = t.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM organizations) + (SELECT count(*) FROM users)`).Scan(&n)
	return n > 0, err
}

// build makes a whole new database.
func (r *restorer) build(ctx context.Context, path string) (err error) {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectSQLite3, db.Write, sqlite.Migrations(), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if err := r.known(provider); err != nil {
		return err
	}
	if _, err := provider.UpTo(ctx, r.head.Schema); err != nil {
		return migrateFailed(err)
	}
	t, err := db.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }()
	if _, err := t.ExecContext(ctx, `PRAGMA defer_foreign_keys = ON`); err != nil {
		return err
	}
	if _, err := r.fill(ctx, t); err != nil {
		return err
	}
	return t.Commit()
}

func (r *restorer) postgres(ctx context.Context, cfg Config) (err error) {
	db, err := postgres.Open(ctx, cfg.DatabaseURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	admin := db
	if !cfg.AdminURL.IsZero() {
		if admin, err = postgres.Open(ctx, cfg.AdminURL); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, admin.Close()) }()
	}
	if err := r.prepare(ctx, db, admin); err != nil {
		return err
	}
	filled, err := populated(ctx, db, goose.DialectPostgres)
	if err != nil {
		return err
	}
	if filled && !r.replace {
		return notEmpty()
	}
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }()
	if err := r.empty(ctx, t); err != nil {
		return err
	}
	highest, err := r.fill(ctx, t)
	if err != nil {
		return err
	}
	for name, value := range highest {
		table, column, _ := strings.Cut(name, ".")
		if _, err := admin.ExecContext(ctx, `SELECT setval(pg_get_serial_sequence($1, $2), $3)`, table, column, max(1, value)); err != nil {
			return fmt.Errorf("go on counting %s: %w", name, err)
		}
	}
	return t.Commit()
}

// prepare brings the server's schema to the version of the dump.
func (r *restorer) prepare(ctx context.Context, db, admin *sql.DB) error {
	login, err := postgres.Login(ctx, db)
	if err != nil {
		return err
	}
	if err := postgres.EnsureRoles(ctx, admin, login); err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, admin, postgres.Migrations(), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if err := r.known(provider); err != nil {
		return err
	}
	at, err := schemaVersion(ctx, admin, goose.DialectPostgres)
	if err != nil {
		return err
	}
	if at > r.head.Schema {
		return errs.New(errs.Conflict, "schema_mismatch", fmt.Sprintf("The backup is of schema %d, and this database is at %d already.", r.head.Schema, at),
			"Restore into an empty PostgreSQL database; it is brought up to date afterwards.")
	}
	if at < r.head.Schema {
		if _, err := provider.UpTo(ctx, r.head.Schema); err != nil {
			return migrateFailed(err)
		}
	}
	return nil
}

// empty deletes everything; organizations take what is theirs along.
func (r *restorer) empty(ctx context.Context, t *sql.Tx) error {
	tables, err := listTables(ctx, t, EnginePostgres)
	if err != nil {
		return err
	}
	if err := become(ctx, t, EnginePostgres, ""); err != nil {
		return err
	}
	for _, table := range slices.Backward(tables) {
		if !table.systemWrites {
			continue
		}
		statement := `DELETE FROM ` + table.Name //nolint:gosec // G202: a name from the database's own catalog
		if _, err := t.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("empty %s: %w", table.Name, err)
		}
	}
	return nil
}

// fill puts all rows in; it returns the highest value of each column that the
// database counts up, by table.column.
func (r *restorer) fill(ctx context.Context, t *sql.Tx) (map[string]int64, error) {
	tables, err := r.tables(ctx, t)
	if err != nil {
		return nil, err
	}
	highest := map[string]int64{}
	statements := make([]*sql.Stmt, len(tables))
	sees := OrgID("?") // as nobody yet
	for {
		i, values, err := r.rows.Next()
		if errors.Is(err, io.EOF) {
			return highest, nil
		}
		if err != nil {
			return nil, err
		}
		if i < 0 || i >= len(tables) || len(values) != len(tables[i].Columns) {
			return nil, damagedDump()
		}
		table := tables[i]
		org := OrgID("")
		if at := table.column("org_id"); at >= 0 && !table.systemWrites {
			text, _ := values[at].(string)
			org = OrgID(text)
		}
		if org != sees {
			if err := become(ctx, t, r.store.engine, org); err != nil {
				return nil, err
			}
			sees = org
		}
		if table.Name == "organizations" {
			if err := r.opens(table, values); err != nil {
				return nil, err
			}
		}
		if at := table.column(table.identity); at >= 0 {
			n, _ := values[at].(int64)
			highest[table.Name+"."+table.identity] = max(n, highest[table.Name+"."+table.identity])
		}
		if statements[i] == nil {
			if statements[i], err = t.PrepareContext(ctx, insertInto(table)); err != nil { //nolint:sqlclosecheck // the transaction closes it
				return nil, fmt.Errorf("prepare %s: %w", table.Name, err)
			}
		}
		if _, err := statements[i].ExecContext(ctx, values...); err != nil {
			return nil, fmt.Errorf("restore a row of %s: %w", table.Name, err)
		}
	}
}

func damagedDump() error {
	return errs.New(errs.Invalid, "backup_damaged", "The backup is damaged.", "Nothing was changed. Use another copy of it.")
}

// tables matches the dump's tables with the database's.
func (r *restorer) tables(ctx context.Context, t *sql.Tx) ([]dumpTable, error) {
	there, err := listTables(ctx, t, r.store.engine)
	if err != nil {
		return nil, err
	}
	list := make([]dumpTable, len(r.head.Tables))
	for i, want := range r.head.Tables {
		at := slices.IndexFunc(there, func(t dumpTable) bool { return t.Name == want.Name })
		if at < 0 {
			return nil, damagedDump()
		}
		list[i] = there[at]
		for _, c := range want.Columns {
			if have := there[at].column(c.Name); have < 0 || there[at].Columns[have].Type != c.Type {
				return nil, damagedDump()
			}
		}
		list[i].Columns = want.Columns // in the dump's order
	}
	return list, nil
}

func insertInto(t dumpTable) string {
	names, marks := make([]string, len(t.Columns)), make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i], marks[i] = c.Name, fmt.Sprintf("$%d", i+1)
	}
	overriding := ""
	if t.identity != "" {
		overriding = " OVERRIDING SYSTEM VALUE"
	}
	return `INSERT INTO ` + t.Name + ` (` + strings.Join(names, ", ") + `)` + overriding + ` VALUES (` + strings.Join(marks, ", ") + `)`
}

// opens checks that the master key opens an organization's data key. One whose
// erasure key is gone was deleted since: it is restored, and deleted again.
func (r *restorer) opens(t dumpTable, values []any) error {
	idAt, keyAt := t.column("id"), t.column("data_key")
	if idAt < 0 || keyAt < 0 {
		return damagedDump()
	}
	id, _ := values[idAt].(string)
	stored, _ := values[keyAt].([]byte)
	_, err := r.store.dataKey(OrgID(id), stored)
	if errs.CodeOf(err) == "erasure_key_missing" {
		return nil
	}
	return err
}
