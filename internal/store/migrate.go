package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store/postgres"
	"github.com/metalens/metalens/internal/store/sqlite"
)

// migrateLockKey is the advisory lock that migrating processes share.
const migrateLockKey = 0x6d6574616c656e73 // "metalens"

const migrateWait = 5 * time.Minute

func (s *Store) migrateSQLite(ctx context.Context) (err error) {
	lock := flock.New(filepath.Join(filepath.Dir(s.path), "migrate.lock"), flock.SetPermissions(0o600))
	waiting, cancel := context.WithTimeout(ctx, migrateWait)
	defer cancel()
	if _, err := lock.TryLockContext(waiting, 20*time.Millisecond); err != nil {
		return fmt.Errorf("wait for another process to migrate: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return migrate(ctx, s.write, goose.DialectSQLite3, sqlite.Migrations(), riversqlite.New(s.write))
}

func (s *Store) migratePostgres(ctx context.Context, admin secret.Value) (err error) {
	db := s.write
	if !admin.IsZero() {
		if db, err = postgres.Open(ctx, admin); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
	}
	// A session of its own holds the lock while others do the work.
	session, err := db.Conn(ctx)
	if err != nil {
		return s.translate(err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	if _, err := session.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(migrateLockKey)); err != nil {
		return fmt.Errorf("wait for another process to migrate: %w", err)
	}
	defer func() {
		_, unlockErr := session.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(migrateLockKey))
		err = errors.Join(err, unlockErr)
	}()

	login, err := postgres.Login(ctx, s.write)
	if err != nil {
		return err
	}
	if err := postgres.EnsureRoles(ctx, db, login); err != nil {
		return err
	}
	if err := migrate(ctx, db, goose.DialectPostgres, postgres.Migrations(), riverdatabasesql.New(db)); err != nil {
		return err
	}
	return postgres.GrantJobs(ctx, db)
}

// migrate brings our schema and the job queue's up to date. Where nothing is
// pending it changes nothing, so that a login without the right to may start.
func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, files fs.FS, driver riverdriver.Driver[*sql.Tx]) error {
	provider, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	at, newest, err := versions(ctx, db, dialect, provider)
	if err != nil {
		return err
	}
	if at < newest {
		if _, err := provider.Up(ctx); err != nil {
			return migrateFailed(err)
		}
	}
	queue, err := rivermigrate.New(driver, nil)
	if err != nil {
		return fmt.Errorf("read the job queue's migrations: %w", err)
	}
	if at == newest {
		existing, err := queue.ExistingVersions(ctx)
		if err == nil && len(existing) >= len(queue.AllVersions()) {
			return nil
		}
	}
	if _, err := queue.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return migrateFailed(err)
	}
	return nil
}

// current checks that a database needs no migration.
func current(ctx context.Context, db *sql.DB, dialect goose.Dialect, files fs.FS) error {
	provider, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	at, newest, err := versions(ctx, db, dialect, provider)
	if err == nil && at < newest {
		err = errs.New(errs.Conflict, "schema_older",
			fmt.Sprintf("This database was written by an older MetaLens (schema %d, this program needs %d).", at, newest),
			"Start metalens serve or metalens scan of this version once; it brings the database up to date.")
	}
	return err
}

// versions returns the version of a database and the newest that this program
// knows. A database beyond that is an error.
func versions(ctx context.Context, db *sql.DB, dialect goose.Dialect, provider *goose.Provider) (at, newest int64, err error) {
	known := provider.ListSources()
	newest = known[len(known)-1].Version
	if at, err = schemaVersion(ctx, db, dialect); err != nil {
		return 0, 0, err
	}
	if at > newest {
		return 0, 0, errs.New(errs.Conflict, "schema_newer",
			fmt.Sprintf("This database was written by a newer MetaLens (schema %d, this program knows %d).", at, newest),
			"Start the newer version again, or restore a backup from before the upgrade.")
	}
	return at, newest, nil
}

func migrateFailed(err error) error {
	return errs.Wrap(err, errs.Internal, "migration_failed", "The database could not be brought up to date; nothing was half changed.",
		"Check that the database login owns the schema (METALENS_ADMIN_DATABASE_URL) and that the disk has room, then start again.")
}

// schemaVersion returns 0 for an empty database.
func schemaVersion(ctx context.Context, db *sql.DB, dialect goose.Dialect) (int64, error) {
	exists := `SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'`
	if dialect == goose.DialectPostgres {
		exists = `SELECT count(*) FROM (SELECT to_regclass('goose_db_version') AS t) AS x WHERE t IS NOT NULL`
	}
	var n, version int64
	if err := db.QueryRowContext(ctx, exists).Scan(&n); err != nil || n == 0 {
		return 0, err
	}
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`).Scan(&version); err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return version, nil
}
