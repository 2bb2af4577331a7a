package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
)

// Tx is a transaction that sees one organization. It must not be used after the
// function it was given to returns, nor by two goroutines at once.
type Tx struct {
	core
	org OrgID
	key *keys.DataKey
	// committed is the snapshot that this transaction stored, so that what
	// follows in it need not load it again.
	committed   *catalog.Snapshot
	committedBy ScanID
}

// SystemTx is a transaction of the system role, which sees organizations,
// users, sessions and schedules, and no content.
type SystemTx struct {
	core
}

// core is what both kinds of transaction share.
type core struct {
	sql   *sql.Tx
	store *Store
	// statements that ran before in this transaction, ready to run again. The
	// transaction closes them.
	prepared map[string]*sql.Stmt
	chains   *chainRows // rows that wait for the end of the transaction
	// buried are the deletions that go on record outside once this commits.
	buried *[]tombstone
	wipe   *bool // a key was deleted: the database's files must forget it after the commit
}

type nestedKey struct{ store *Store }

// InOrg runs fn in a read-write transaction that sees one organization only; an
// unknown organization, and one that the context's actor does not belong to, is
// errs.NotFound. fn must not open another transaction
// of the same store: with the context it is given that fails, with another
// context it waits for itself on SQLite.
func (s *Store) InOrg(ctx context.Context, org OrgID, fn func(ctx context.Context, tx *Tx) error) error {
	return s.inOrg(ctx, org, true, fn)
}

// ViewOrg is InOrg without the right to write. It sees one state of the
// database throughout.
func (s *Store) ViewOrg(ctx context.Context, org OrgID, fn func(ctx context.Context, tx *Tx) error) error {
	return s.inOrg(ctx, org, false, fn)
}

// InSystem runs fn in a read-write transaction of the system role.
func (s *Store) InSystem(ctx context.Context, fn func(ctx context.Context, tx *SystemTx) error) error {
	return s.inSystem(ctx, true, fn)
}

// ViewSystem is InSystem without the right to write.
func (s *Store) ViewSystem(ctx context.Context, fn func(ctx context.Context, tx *SystemTx) error) error {
	return s.inSystem(ctx, false, fn)
}

func (s *Store) inOrg(ctx context.Context, org OrgID, write bool, fn func(context.Context, *Tx) error) error {
	if err := access.Enter(ctx, string(org)); err != nil {
		return err
	}
	return s.begin(ctx, write, func(ctx context.Context, c core) error {
		key, err := s.enterOrg(ctx, c, org, write)
		if err != nil {
			return err
		}
		return fn(ctx, &Tx{core: c, org: org, key: key})
	})
}

func (s *Store) inSystem(ctx context.Context, write bool, fn func(context.Context, *SystemTx) error) error {
	return s.begin(ctx, write, func(ctx context.Context, c core) error {
		if err := s.enterSystem(ctx, c, write); err != nil {
			return err
		}
		return fn(ctx, &SystemTx{core: c})
	})
}

func (s *Store) begin(ctx context.Context, write bool, fn func(context.Context, core) error) (err error) {
	if ctx.Value(nestedKey{s}) != nil {
		return errs.New(errs.Internal, "nested_transaction", "A transaction was opened inside another one.", "")
	}
	db, options := s.write, (*sql.TxOptions)(nil)
	if !write {
		db, options = s.read, &sql.TxOptions{ReadOnly: true}
		if s.engine == EnginePostgres {
			options.Isolation = sql.LevelRepeatableRead
		}
	}
	if db == nil {
		return errs.New(errs.Internal, "read_only", "The store was opened for reading only.", "")
	}
	t, err := db.BeginTx(ctx, options)
	if err != nil {
		return s.translate(fmt.Errorf("begin: %w", err))
	}
	done := false
	defer func() {
		if !done { // also when fn panics
			_ = t.Rollback()
		}
	}()
	buried, wipe := []tombstone{}, false
	c := core{sql: t, store: s, prepared: map[string]*sql.Stmt{}, chains: &chainRows{}, buried: &buried, wipe: &wipe}
	if err := fn(context.WithValue(ctx, nestedKey{s}, true), c); err != nil {
		return s.translate(err)
	}
	if err := c.writeChains(ctx); err != nil {
		return s.translate(err)
	}
	done = true
	if !write {
		return s.translate(t.Rollback())
	}
	if err := t.Commit(); err != nil {
		return s.translate(err)
	}
	s.afterCommit(ctx, buried)
	if wipe {
		s.wipe(ctx)
	}
	return nil
}

// Org returns the organization that the transaction sees.
func (tx *Tx) Org() OrgID { return tx.org }

// SQL returns the underlying transaction, for the job queue alone: it enqueues
// in the transaction of the change that causes the job.
func (tx *Tx) SQL() *sql.Tx { return tx.sql }

// DeriveKey gives a key for a purpose, such as the masking of literals; it
// stays the same as long as the organization lives.
func (tx *Tx) DeriveKey(purpose string) secret.Value { return tx.key.Derive(purpose) }

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return id.String(), nil
}

// exec runs a statement; from its second run on, it is prepared.
func (c *core) exec(ctx context.Context, query string, args ...any) (int64, error) {
	statement, err := c.statement(ctx, query) //nolint:sqlclosecheck // kept for the next run; the transaction closes it
	if err != nil {
		return 0, c.store.translate(err)
	}
	var result sql.Result
	if statement != nil {
		result, err = statement.ExecContext(ctx, args...)
	} else {
		result, err = c.sql.ExecContext(ctx, query, args...)
	}
	if err != nil {
		return 0, c.store.translate(err)
	}
	return result.RowsAffected()
}

// statement returns nil when the query runs for the first time.
func (c *core) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	s, again := c.prepared[query]
	switch {
	case s != nil:
		return s, nil
	case !again:
		c.prepared[query] = nil
		return nil, nil //nolint:nilnil // see above
	}
	s, err := c.sql.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	c.prepared[query] = s
	return s, nil
}

// one is exec that must touch a row.
func (c *core) one(ctx context.Context, what string, query string, args ...any) error {
	n, err := c.exec(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if n == 0 {
		return notFound(what)
	}
	return nil
}

func notFound(what string) error {
	return errs.New(errs.NotFound, "not_found", "There is no such "+what+".", "")
}

// scanOne reads one row; no row is errs.NotFound.
func (c *core) scanOne(ctx context.Context, what, query string, args []any, dest ...any) error {
	statement, err := c.statement(ctx, query) //nolint:sqlclosecheck // kept for the next run; the transaction closes it
	if err != nil {
		return c.store.translate(err)
	}
	if statement != nil {
		err = statement.QueryRowContext(ctx, args...).Scan(dest...)
	} else {
		err = c.sql.QueryRowContext(ctx, query, args...).Scan(dest...)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return notFound(what)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", what, c.store.translate(err))
	}
	return nil
}

// rows calls each for every row of a query.
func (c *core) rows(ctx context.Context, query string, args []any, each func(*sql.Rows) error) error {
	rows, err := c.sql.QueryContext(ctx, query, args...)
	if err != nil {
		return c.store.translate(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return c.store.translate(rows.Err())
}

// sealJSON seals a record for one row of one table.
func (tx *Tx) sealJSON(table, row string, record any) ([]byte, error) {
	b, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("write a record of %s: %w", table, err)
	}
	return tx.key.Seal(tx.store.codec.Compress(nil, b), table, row), nil
}

// openJSON reads what sealJSON wrote; nothing stored leaves record as it is.
func (tx *Tx) openJSON(table, row string, sealed []byte, record any) error {
	if len(sealed) == 0 {
		return nil
	}
	b, err := tx.key.Open(sealed, table, row)
	if err != nil {
		return fmt.Errorf("open a record of %s: %w", table, err)
	}
	if b, err = tx.store.codec.Expand(nil, b); err != nil {
		return fmt.Errorf("open a record of %s: %w", table, err)
	}
	if err := json.Unmarshal(b, record); err != nil {
		return fmt.Errorf("read a record of %s: %w", table, err)
	}
	return nil
}

// Times are stored as microseconds since 1970, 0 for the zero time.

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
