package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
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
	Keys        *keys.Keyset // master keys
	Now         func() time.Time
	Logger      *slog.Logger
}

// Store is an open database. It is safe for concurrent use.
type Store struct{}

// Open opens the database, migrates it and checks that its schema is not newer
// than this program.
func Open(ctx context.Context, cfg Config) (*Store, error) { return nil, notBuilt() }

// Close releases all connections.
func (s *Store) Close() error { return nil }

// Engine tells which database the store runs on.
func (s *Store) Engine() Engine { return EngineSQLite }

// Warnings lists what is wrong with the way the database is set up, in words
// for the operator; empty when all is well.
func (s *Store) Warnings() []string { return nil }

// Ping checks that the database answers.
func (s *Store) Ping(ctx context.Context) error { return notBuilt() }

// InOrg runs fn in a read-write transaction that sees one organization only.
// fn must not open another transaction of the same store.
func (s *Store) InOrg(ctx context.Context, org OrgID, fn func(ctx context.Context, tx *Tx) error) error {
	return notBuilt()
}

// ViewOrg is InOrg without the right to write.
func (s *Store) ViewOrg(ctx context.Context, org OrgID, fn func(ctx context.Context, tx *Tx) error) error {
	return notBuilt()
}

// InSystem runs fn in a read-write transaction of the system role, which sees
// organizations, users, sessions and schedules, and no content.
func (s *Store) InSystem(ctx context.Context, fn func(ctx context.Context, tx *SystemTx) error) error {
	return notBuilt()
}

// ViewSystem is InSystem without the right to write.
func (s *Store) ViewSystem(ctx context.Context, fn func(ctx context.Context, tx *SystemTx) error) error {
	return notBuilt()
}

func notBuilt() error {
	return errs.New(errs.Internal, "not_built", "This part of the store is not built yet.", "")
}
