package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
)

// How writers and rotations meet (docs/adr/0017-key-rotation.md). Every writing
// transaction shares a lock on the key that it seals with, until it ends. A
// rotation publishes the new key first; then it waits for the moment when nobody
// shares the lock on the old one, and from then on no transaction can leave
// anything behind that the old key sealed. Nobody waits for the rotation. On
// SQLite, writers come one after the other anyway.

// masterScope names the master key in locks.
const masterScope = "master"

// keyLock is the advisory lock on one key of one scope: an organization, or the
// master key.
func keyLock(scope string, id uint32) int64 {
	b := binary.BigEndian.AppendUint32([]byte("metalens key\x00"+scope+"\x00"), id)
	sum := sha256.Sum256(b)
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// enterOrg sees to it that the transaction runs as the app role, sees the
// organization only, and seals with its current key.
func (s *Store) enterOrg(ctx context.Context, c core, org OrgID, write bool) (*keys.DataKey, error) {
	known := s.sealingKey(org)
	if s.engine == EnginePostgres {
		role := `SELECT set_config('role', 'metalens_app', true), set_config('metalens.org_id', $1, true)`
		args := []any{string(org)}
		if write {
			role += `, pg_advisory_xact_lock_shared($2)`
			args = append(args, keyLock(string(org), known))
		}
		if _, err := c.sql.ExecContext(ctx, role, args...); err != nil {
			return nil, fmt.Errorf("enter the organization: %w", err)
		}
	}
	return s.orgKey(ctx, c, org, known, write)
}

// orgKey reads the organization's data key. In a writing transaction the key's
// lock is shared before it is used; locked is the key whose lock is held.
func (s *Store) orgKey(ctx context.Context, c core, org OrgID, locked uint32, write bool) (*keys.DataKey, error) {
	for {
		var wrapped []byte
		err := c.sql.QueryRowContext(ctx, `SELECT data_key FROM organizations WHERE id = $1`, string(org)).Scan(&wrapped)
		if errors.Is(err, sql.ErrNoRows) {
			s.forgetKey(org) // deleted, perhaps by another process
			return nil, errs.Wrap(err, errs.NotFound, "no_organization", "There is no such organization.", "")
		}
		if err != nil {
			return nil, fmt.Errorf("enter the organization: %w", err)
		}
		key, err := s.dataKey(org, wrapped)
		if err != nil {
			return nil, err
		}
		if s.engine != EnginePostgres || !write || key.Primary() == locked {
			return key, nil
		}
		// The key is another one than this process knew: read again once its lock
		// is held, because a rotation may have gone on meanwhile.
		locked = key.Primary()
		if err := shareKey(ctx, c, keyLock(string(org), locked)); err != nil {
			return nil, err
		}
	}
}

func shareKey(ctx context.Context, c core, lock int64) error {
	if _, err := c.sql.ExecContext(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, lock); err != nil {
		return fmt.Errorf("share the lock on a key: %w", err)
	}
	return nil
}

// sealingKey is the id of the data key that this process last saw sealing; 0
// when it saw none.
func (s *Store) sealingKey(org OrgID) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.dataKeys[org]; ok {
		return have.key.Primary()
	}
	return 0
}

// enterSystem sees to it that the transaction runs as the system role and, when
// it writes, that the master key which the database says seals.
func (s *Store) enterSystem(ctx context.Context, c core, write bool) error {
	locked := s.master.Primary()
	if s.engine == EnginePostgres {
		role := `SELECT set_config('role', 'metalens_system', true), set_config('metalens.system', 'on', true)`
		var args []any
		if write {
			role += `, pg_advisory_xact_lock_shared($1)`
			args = append(args, keyLock(masterScope, locked))
		}
		if _, err := c.sql.ExecContext(ctx, role, args...); err != nil {
			return fmt.Errorf("enter the system role: %w", err)
		}
	}
	if !write {
		return nil
	}
	for {
		active, err := s.settleMaster(ctx, c)
		if err != nil || s.engine != EnginePostgres || active == locked {
			return err
		}
		locked = active
		if err := shareKey(ctx, c, keyLock(masterScope, locked)); err != nil {
			return err
		}
	}
}

// The states of a master key.
const (
	keyActive  = "active"  // seals
	keyRetired = "retired" // opens
	keyRevoked = "revoked" // must not be used any more
)

// settleMaster makes this process use the master key that the database says
// seals, and forget those that were revoked.
func (s *Store) settleMaster(ctx context.Context, c core) (active uint32, err error) {
	var revoked []uint32
	err = c.rows(ctx, `SELECT id, state FROM master_keys`, nil, func(r *sql.Rows) error {
		var id uint32
		var state string
		err := r.Scan(&id, &state)
		switch state {
		case keyActive:
			active = id
		case keyRevoked:
			revoked = append(revoked, id)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read which master key is in use: %w", err)
	}
	if active == 0 {
		return s.firstMaster(ctx, c)
	}
	if !s.master.Use(active) {
		return 0, wrongMaster(fmt.Errorf("master key %d is not here", active))
	}
	return active, s.master.Forget(revoked...)
}

// firstMaster notes the master key of a database that knows none, when it is the
// one that wrapped what is there.
func (s *Store) firstMaster(ctx context.Context, c core) (uint32, error) {
	var org string
	var wrapped []byte
	err := c.sql.QueryRowContext(ctx, `SELECT id, data_key FROM organizations ORDER BY id LIMIT 1`).Scan(&org, &wrapped)
	switch {
	case err == nil:
		if wrapped, err = s.erasure.open(OrgID(org), wrapped); err != nil {
			return 0, err
		}
		if _, err := s.dataKey(OrgID(org), wrapped); err != nil {
			return 0, err
		}
	case !errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("look at the first data key: %w", err)
	}
	now := micros(s.now())
	for i, id := range s.master.IDs() {
		state := keyRetired
		if i == 0 {
			state = keyActive
		}
		if _, err := c.exec(ctx, `INSERT INTO master_keys (id, state, made_at, changed_at) VALUES ($1, $2, $3, $3) ON CONFLICT (id) DO NOTHING`,
			int64(id), state, now); err != nil {
			return 0, fmt.Errorf("note the master key: %w", err)
		}
	}
	return s.master.Primary(), nil
}

func wrongMaster(err error) error {
	return errs.Wrap(err, errs.Invalid, "wrong_master_key", "The stored data cannot be decrypted with this master key.",
		"Use the master key that this database was made with; restore the key file from your backup.")
}

// awaitKey returns once no transaction is left that seals with a key of a scope.
// The next key must have been published.
func (s *Store) awaitKey(ctx context.Context, scope string, id uint32) error {
	if s.engine != EnginePostgres {
		return nil
	}
	for {
		// A try, not a wait: whoever waits for an exclusive lock makes those wait
		// who come to share it.
		free, err := s.keyFree(ctx, scope, id)
		if err != nil || free {
			return err
		}
		if err := pause(ctx, awaitEvery); err != nil {
			return err
		}
	}
}

func (s *Store) keyFree(ctx context.Context, scope string, id uint32) (free bool, err error) {
	t, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return false, s.translate(fmt.Errorf("begin: %w", err))
	}
	defer func() { _ = t.Rollback() }() // gives the lock back
	if err := t.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1)`, keyLock(scope, id)).Scan(&free); err != nil {
		return false, s.translate(fmt.Errorf("try the lock on a key: %w", err))
	}
	return free, nil
}
