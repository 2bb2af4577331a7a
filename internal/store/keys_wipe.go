package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/store/postgres"
	"github.com/metalens/metalens/internal/store/sqlite"
)

const (
	wipeAttempts = 40
	wipePause    = 500 * time.Millisecond
	wipeFirst    = 5 * time.Second // limit of the attempt that the caller waits for
)

// wipe removes what a deleted or replaced key leaves in the database's files.
// The caller waits for the first attempt; when readers are in the way, further
// attempts follow in the background until Close.
func (s *Store) wipe(ctx context.Context) {
	first, cancel := context.WithTimeout(context.WithoutCancel(ctx), wipeFirst)
	defer cancel()
	done, err := s.wipeOnce(first)
	if done {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wiping || s.closing != nil && s.closing.Err() != nil {
		return
	}
	s.wiping = true
	s.background.Go(func() { s.wipeLater(err) })
}

func (s *Store) wipeLater(err error) {
	defer func() {
		s.mu.Lock()
		s.wiping = false
		s.mu.Unlock()
	}()
	ctx := s.closing
	for range wipeAttempts {
		if pause(ctx, wipePause) != nil {
			return
		}
		var done bool
		if done, err = s.wipeOnce(ctx); done {
			return
		}
	}
	s.log.WarnContext(ctx, "a deleted key may still stand in the database's files; the daily housekeeping removes it", slog.Any("error", err))
}

// wipeOnce reports whether nothing is left to do.
func (s *Store) wipeOnce(ctx context.Context) (bool, error) {
	if s.engine == EngineSQLite {
		return s.wipeSQLite(ctx)
	}
	return s.wipePostgres(ctx)
}

// wipeSQLite folds the write-ahead log into the file and empties it. Deleted
// content is overwritten in the file (secure_delete). A connection of its own
// waits a moment only: while it waits, nobody can write.
func (s *Store) wipeSQLite(ctx context.Context) (done bool, err error) {
	db, err := sqlite.OpenWriter(s.path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, `PRAGMA busy_timeout = 200`); err != nil {
		return false, err
	}
	var busy, frames, moved int
	if err := db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil {
		return false, fmt.Errorf("empty the write-ahead log: %w", err)
	}
	return busy == 0, nil
}

// keyTables are small, and written anew when a key goes: a plain vacuum leaves
// the bytes in the page.
var keyTables = []string{"connection_keys", "organizations", "ai_settings"}

// wipePostgres writes the tables of keys anew where the login, or the one for
// migrations, owns them. Where it may not, autovacuum comes in time.
func (s *Store) wipePostgres(ctx context.Context) (done bool, err error) {
	db := s.write
	if !s.admin.IsZero() {
		if db, err = postgres.Open(ctx, s.admin); err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return false, s.translate(err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var owner bool
	if err := conn.QueryRowContext(ctx, `SELECT coalesce(bool_and(pg_has_role(session_user, relowner, 'USAGE')), false) FROM pg_class
		WHERE oid IN ('connection_keys'::regclass, 'organizations'::regclass, 'ai_settings'::regclass)`).Scan(&owner); err != nil {
		return false, s.translate(err)
	}
	if !owner {
		return true, nil
	}
	err = vacuumFull(ctx, conn)
	return err == nil, errors.Join(err, unlimited(ctx, conn))
}

func vacuumFull(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, `SET lock_timeout = '300ms'`); err != nil {
		return err
	}
	for _, table := range keyTables {
		if _, err := conn.ExecContext(ctx, `VACUUM FULL `+table); err != nil {
			return fmt.Errorf("vacuum %s: %w", table, err)
		}
	}
	return nil
}

func unlimited(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(context.WithoutCancel(ctx), `RESET lock_timeout`)
	return err
}
