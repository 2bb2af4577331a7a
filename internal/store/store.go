package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store/codec"
	"github.com/metalens/metalens/internal/store/postgres"
	"github.com/metalens/metalens/internal/store/sqlite"
)

// Engine is the database a store runs on.
type Engine string

// The engines.
const (
	EngineSQLite   Engine = "sqlite"
	EnginePostgres Engine = "postgres"
)

// Config says where and how to open a store. DatabaseURL chooses PostgreSQL;
// without it Dir is the data directory of an embedded SQLite database.
type Config struct {
	Dir         string       // data directory; SQLite only
	DatabaseURL secret.Value // PostgreSQL; the service's login
	AdminURL    secret.Value // PostgreSQL; owner of the schema, for migrations; empty = DatabaseURL
	Keys        *keys.Keyset // master keys; required
	// ReloadKeys reads the master keys again, after another process added one;
	// nil = they cannot be read twice.
	ReloadKeys func() (*keys.Keyset, error)
	// ReadOnly opens a database that exists, beside processes that write to it.
	// It is not migrated: one of another version is refused (kind errs.Conflict,
	// code schema_older or schema_newer).
	ReadOnly bool
	// Tombstones is the file that records deletions outside the database; empty =
	// "tombstones" in Dir, and no file without Dir.
	Tombstones string
	// ErasureKeys is the folder of the keys that deletion destroys, one per
	// organization; empty = "keys/organizations" in Dir on SQLite, none on
	// PostgreSQL.
	ErasureKeys string
	// Payloads says what the ledger keeps of requests other than Metabase reads;
	// empty = [ledger.PayloadKept].
	Payloads ledger.PayloadMode
	// PayloadAge is how long it keeps them; 0, and anything longer, is
	// [ledger.MaxPayloadAge].
	PayloadAge time.Duration
	Now        func() time.Time // nil = time.Now
	Logger     *slog.Logger     // nil = silent
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	engine   Engine
	write    *sql.DB
	read     *sql.DB // cannot write on SQLite; the same pool as write on PostgreSQL
	path     string  // SQLite only
	master   *keys.Master
	now      func() time.Time
	log      *slog.Logger
	codec    *codec.Codec
	warnings []string

	payloads   ledger.PayloadMode
	payloadAge time.Duration
	signer     *ledger.Signer // nil when the store was opened for reading only

	tombstones *tombstoneFile // nil without a place for it
	erasure    *erasureKeys   // nil when data keys are sealed by the master key alone

	mu       sync.Mutex
	dataKeys map[OrgID]unwrapped

	admin      secret.Value    // PostgreSQL: login that owns the tables, zero when it is the service's
	closing    context.Context //nolint:containedctx // ends with Close; what runs in the background has no caller
	stop       context.CancelFunc
	background sync.WaitGroup
	wiping     bool // by mu
}

// unwrapped is a data key with the stored form it came from, so that a key that
// was replaced or destroyed is noticed.
type unwrapped struct {
	wrapped string
	key     *keys.DataKey
}

// Open opens the database, migrates it and checks that its schema is not newer
// than this program (kind errs.Conflict, code schema_newer).
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Keys == nil {
		return nil, errs.New(errs.Internal, "no_master_key", "The store was opened without a master key.", "")
	}
	s := &Store{master: keys.NewMaster(cfg.Keys, cfg.ReloadKeys), now: cfg.Now, log: cfg.Logger, codec: codec.New(), dataKeys: map[OrgID]unwrapped{}}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.payloads, s.payloadAge = cfg.Payloads, cfg.PayloadAge
	if s.payloadAge <= 0 || s.payloadAge > ledger.MaxPayloadAge {
		s.payloadAge = ledger.MaxPayloadAge
	}
	s.keepApart(cfg)
	s.admin = cfg.AdminURL
	s.closing, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	if cfg.DatabaseURL.IsZero() {
		err = s.openSQLite(ctx, cfg)
	} else {
		err = s.openPostgres(ctx, cfg)
	}
	if err == nil && !cfg.ReadOnly {
		err = s.openSigner(ctx)
	}
	if err == nil {
		err = s.settleDeletions(ctx, cfg.ReadOnly)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) openSQLite(ctx context.Context, cfg Config) error {
	if cfg.Dir == "" {
		return errs.New(errs.Internal, "no_data_dir", "The store was opened without a data folder.", "")
	}
	s.engine, s.path = EngineSQLite, datadir.DatabaseIn(cfg.Dir)
	if cfg.ReadOnly {
		var err error
		if s.read, err = sqlite.OpenReader(s.path); err != nil {
			return s.translate(err)
		}
		return current(ctx, s.read, goose.DialectSQLite3, sqlite.Migrations())
	}
	db, err := sqlite.Open(ctx, s.path)
	if err != nil {
		return s.translate(err)
	}
	s.write, s.read = db.Write, db.Read
	return s.migrateSQLite(ctx)
}

func (s *Store) openPostgres(ctx context.Context, cfg Config) error {
	s.engine = EnginePostgres
	db, err := postgres.Open(ctx, cfg.DatabaseURL)
	if err != nil {
		return err
	}
	if cfg.ReadOnly {
		s.read = db
		return current(ctx, db, goose.DialectPostgres, postgres.Migrations())
	}
	s.write, s.read = db, db
	if err := s.migratePostgres(ctx, cfg.AdminURL); err != nil {
		return err
	}
	if s.warnings, err = postgres.Judge(ctx, db); err != nil {
		return err
	}
	for _, w := range s.warnings {
		s.log.WarnContext(ctx, "the database set-up is less safe than it could be", "detail", w)
	}
	return nil
}

// Close releases all connections.
func (s *Store) Close() error {
	s.stop()
	s.background.Wait()
	var err error
	if s.read != nil && s.read != s.write {
		err = s.read.Close()
	}
	if s.write != nil {
		err = errors.Join(err, s.write.Close())
	}
	s.codec.Close()
	return err
}

// Now is the store's clock.
func (s *Store) Now() time.Time { return s.now() }

// Engine tells which database the store runs on.
func (s *Store) Engine() Engine { return s.engine }

// Warnings lists what is wrong with the way the database is set up, in words
// for the operator; empty when all is well.
func (s *Store) Warnings() []string { return append([]string(nil), s.warnings...) }

// Ping checks that the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.translate(s.read.PingContext(ctx)) }

// JobDB returns a pool for the job runner: the store's own on PostgreSQL, a
// connection of its own on SQLite. The caller closes it with done.
func (s *Store) JobDB() (db *sql.DB, done func() error, err error) {
	if s.engine == EnginePostgres {
		return s.write, func() error { return nil }, nil
	}
	db, err = sqlite.OpenWriter(s.path)
	if err != nil {
		return nil, nil, err
	}
	return db, db.Close, nil
}

// Size returns how many bytes the database takes, free pages left out.
func (s *Store) Size(ctx context.Context) (int64, error) {
	query := `SELECT (SELECT page_count FROM pragma_page_count()) - (SELECT freelist_count FROM pragma_freelist_count())`
	if s.engine == EnginePostgres {
		query = `SELECT pg_database_size(current_database())`
	}
	var n int64
	if err := s.read.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return 0, s.translate(fmt.Errorf("measure the database: %w", err))
	}
	if s.engine == EngineSQLite {
		var page int64
		if err := s.read.QueryRowContext(ctx, `SELECT page_size FROM pragma_page_size()`).Scan(&page); err != nil {
			return 0, s.translate(fmt.Errorf("measure the database: %w", err))
		}
		n *= page
	}
	return n, nil
}

// Compact gives the space of deleted rows back to the file system and folds the
// write-ahead log into the file. PostgreSQL does its own housekeeping.
func (s *Store) Compact(ctx context.Context) error {
	if s.engine != EngineSQLite {
		return nil
	}
	for _, pragma := range []string{`PRAGMA incremental_vacuum`, `PRAGMA wal_checkpoint(TRUNCATE)`} {
		if err := drain(ctx, s.write, pragma); err != nil {
			return s.translate(fmt.Errorf("compact the database: %w", err))
		}
	}
	return nil
}

// drain runs a pragma that does a part of its work with each row it returns.
func drain(ctx context.Context, db *sql.DB, pragma string) error {
	rows, err := db.QueryContext(ctx, pragma)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() { // nothing to read
	}
	return rows.Err()
}

// dataKey unwraps an organization's key, once per stored form.
func (s *Store) dataKey(org OrgID, wrapped []byte) (*keys.DataKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.dataKeys[org]; ok && have.wrapped == string(wrapped) {
		return have.key, nil
	}
	inner, err := s.erasure.open(org, wrapped)
	if err != nil {
		return nil, err
	}
	key, err := s.master.UnwrapDataKey(string(org), inner)
	if err != nil {
		return nil, wrongMaster(err)
	}
	s.dataKeys[org] = unwrapped{wrapped: string(wrapped), key: key}
	return key, nil
}

func (s *Store) forgetKey(org OrgID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.dataKeys, org)
}

// translate gives database errors the kinds that callers switch on.
func (s *Store) translate(err error) error {
	var known *errs.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, sql.ErrNoRows):
		return errs.Wrap(err, errs.NotFound, "not_found", "There is no such thing.", "")
	case sqlite.IsUnique(err), postgres.IsUnique(err):
		return errs.Wrap(err, errs.Conflict, "already_exists", "There is one like this already.", "")
	case sqlite.IsForeignKey(err), postgres.IsForeignKey(err):
		return errs.Wrap(err, errs.NotFound, "not_found", "What this belongs to does not exist any more.", "")
	case sqlite.IsBusy(err), postgres.IsBusy(err):
		return errs.Wrap(err, errs.Conflict, "database_busy", "The database was busy for too long.", "Try again in a moment.")
	case sqlite.IsFull(err), postgres.IsFull(err):
		return errs.Wrap(err, errs.Unavailable, "disk_full", "The disk that holds the database is full.", "Make room on it and try again.")
	case postgres.IsUnreachable(err):
		return errs.Wrap(err, errs.Unavailable, "database_unreachable", "The database cannot be reached.", "Check that it is running.")
	}
	return err
}
