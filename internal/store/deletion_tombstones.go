package store

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store/postgres"
)

// DeletionKind says what was deleted.
type DeletionKind string

// The kinds of deletion.
const (
	DeletedOrganization DeletionKind = "organization"
	DeletedAccount      DeletionKind = "account"
	DeletedConnection   DeletionKind = "connection"
	DeletedChat         DeletionKind = "chat"
	DeletedModelKey     DeletionKind = "model_key" // an organization's key of a model provider
)

// tombstone says that something was deleted without saying what: a hash of its
// id, keyed by a salt of its own. Whoever has the id can check it.
type tombstone struct {
	ID      string       `json:"id"`
	Kind    DeletionKind `json:"kind"`
	Salt    hexBytes     `json:"salt"`
	Subject hexBytes     `json:"subject"`
	At      time.Time    `json:"at"`
}

type hexBytes []byte

// MarshalText implements encoding.TextMarshaler.
func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

func newTombstone(kind DeletionKind, subject string, at time.Time) (tombstone, error) {
	id, err := newID()
	if err != nil {
		return tombstone{}, err
	}
	t := tombstone{ID: id, Kind: kind, Salt: make([]byte, 16), At: fromMicros(micros(at))}
	if _, err := rand.Read(t.Salt); err != nil {
		return tombstone{}, fmt.Errorf("make a salt: %w", err)
	}
	t.Subject = t.hash(subject)
	return t, nil
}

func (t tombstone) hash(subject string) []byte {
	mac := hmac.New(sha256.New, t.Salt)
	mac.Write([]byte(string(t.Kind) + "\x00" + subject))
	return mac.Sum(nil)
}

// names reports whether the tombstone is that of an id.
func (t tombstone) names(id string) bool { return hmac.Equal(t.hash(id), t.Subject) }

// tombstoneFile is the append-only record of deletions outside the database: it
// outlives a restore. One JSON object per line. A nil file records nothing.
type tombstoneFile struct{ path string }

func (f *tombstoneFile) append(list ...tombstone) (err error) {
	if f == nil || len(list) == 0 {
		return nil
	}
	var text strings.Builder
	for _, t := range list {
		line, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("write a tombstone: %w", err)
		}
		text.Write(append(line, '\n'))
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("make the folder of tombstones: %w", err)
	}
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write a tombstone: %w", err)
	}
	_, err = file.WriteString(text.String()) // one write: lines of two processes do not mix
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write a tombstone: %w", err)
	}
	return nil
}

// read lists the tombstones. A line that was cut off by a crash is left out: the
// database has it too.
func (f *tombstoneFile) read() ([]tombstone, error) {
	if f == nil {
		return nil, nil
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the tombstones: %w", err)
	}
	defer func() { _ = file.Close() }()
	var list []tombstone
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var t tombstone
		if json.Unmarshal(lines.Bytes(), &t) == nil && t.ID != "" && len(t.Subject) == sha256.Size {
			list = append(list, t)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the tombstones: %w", err)
	}
	return list, nil
}

// bury records a deletion in the transaction that makes it; the file follows
// once the transaction has committed.
func (c *core) bury(ctx context.Context, t tombstone) error {
	if _, err := c.exec(ctx, `INSERT INTO deletions (id, kind, salt, subject, at) VALUES ($1, $2, $3, $4, $5)`,
		t.ID, string(t.Kind), []byte(t.Salt), []byte(t.Subject), micros(t.At)); err != nil {
		return fmt.Errorf("record the deletion: %w", err)
	}
	*c.buried = append(*c.buried, t)
	return nil
}

// bury records a deletion within an organization. The record belongs to none:
// on PostgreSQL the system's role writes it.
func (tx *Tx) bury(ctx context.Context, t tombstone) error {
	as := func(role, system string) error {
		if tx.store.engine != EnginePostgres {
			return nil
		}
		if _, err := tx.sql.ExecContext(ctx, `SELECT set_config('role', $1, true), set_config('metalens.system', $2, true)`, role, system); err != nil {
			return fmt.Errorf("change the role: %w", err)
		}
		return nil
	}
	if err := as(postgres.SystemRole, "on"); err != nil {
		return err
	}
	if err := tx.core.bury(ctx, t); err != nil {
		return err
	}
	return as(postgres.AppRole, "")
}

// afterCommit writes the tombstones of a transaction that committed to the
// file. The database has them; a file that cannot be written is made up for at
// the next start.
func (s *Store) afterCommit(ctx context.Context, list []tombstone) {
	if err := s.tombstones.append(list...); err != nil {
		s.log.ErrorContext(ctx, "a deletion could not be recorded outside the database", slog.String("error", err.Error()))
	}
}

func (tx *SystemTx) tombstones(ctx context.Context) (map[string]tombstone, error) {
	known := map[string]tombstone{}
	err := tx.rows(ctx, `SELECT id, kind, salt, subject, at FROM deletions`, nil, func(r *sql.Rows) error {
		var t tombstone
		var at int64
		err := r.Scan(&t.ID, &t.Kind, (*[]byte)(&t.Salt), (*[]byte)(&t.Subject), &at)
		t.At = fromMicros(at)
		known[t.ID] = t
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the deletions: %w", err)
	}
	return known, nil
}

// Replay says what ReplayTombstones deleted again.
type Replay struct {
	Organizations int
	Accounts      int
	Connections   int
	Chats         int
	ModelKeys     int
	Keys          int // erasure keys that were still there
}

// Any reports whether anything was deleted.
func (r Replay) Any() bool { return r != Replay{} }

// ReplayTombstones deletes again what the record of deletions outside the
// database says was deleted, so that a restored backup does not bring it back.
// Where the two agree, which is the rule, it reads one file and one table.
// [Open] calls it before it returns; a restore calls it again.
func (s *Store) ReplayTombstones(ctx context.Context) (Replay, error) {
	var done Replay
	outside, err := s.tombstones.read()
	if err != nil {
		return done, err
	}
	var known map[string]tombstone
	err = s.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) (err error) {
		known, err = tx.tombstones(ctx)
		return err
	})
	if err != nil {
		return done, err
	}
	var unknown []tombstone
	written := map[string]bool{}
	for _, t := range outside {
		written[t.ID] = true
		if _, ok := known[t.ID]; !ok {
			unknown = append(unknown, t)
		}
	}
	var missing []tombstone
	for _, t := range known {
		if !written[t.ID] {
			missing = append(missing, t)
		}
	}
	if err := s.tombstones.append(missing...); err != nil {
		return done, err
	}
	for _, t := range unknown {
		if err := s.replay(ctx, t, &done); err != nil {
			return done, fmt.Errorf("delete again after a restore: %w", err)
		}
		known[t.ID] = t
	}
	if done.Keys, err = s.destroyStrayKeys(known); err != nil {
		return done, err
	}
	if !done.Any() {
		return done, nil
	}
	s.log.WarnContext(ctx, "the database was older than the record of deletions: deleted again",
		"organizations", done.Organizations, "accounts", done.Accounts, "connections", done.Connections, "chats", done.Chats, "model_keys", done.ModelKeys, "keys", done.Keys)
	return done, s.Scrub(ctx)
}

// replay deletes what one tombstone names, where it is there, and records it.
func (s *Store) replay(ctx context.Context, t tombstone, done *Replay) error {
	var orgs []OrgID
	err := s.inErasure(ctx, func(ctx context.Context, e *eraser) error {
		var err error
		if orgs, err = e.organizations(ctx); err != nil {
			return err
		}
		counts := map[string]int64{}
		switch t.Kind {
		case DeletedOrganization:
			for _, org := range orgs {
				if t.names(string(org)) {
					done.Organizations++
					if _, err := e.organization(ctx, org, counts); err != nil {
						return err
					}
				}
			}
		case DeletedAccount:
			users, err := e.ids(ctx, `SELECT id FROM users`)
			if err != nil {
				return err
			}
			for _, user := range users {
				if t.names(user) {
					done.Accounts++
					if err := e.account(ctx, UserID(user), orgs, counts); err != nil {
						return err
					}
				}
			}
		case DeletedConnection:
			for _, org := range orgs {
				if err := e.replayConnection(ctx, org, t, counts, &done.Connections); err != nil {
					return err
				}
			}
		case DeletedChat:
			for _, org := range orgs {
				if err := e.replayChat(ctx, org, t, counts, &done.Chats); err != nil {
					return err
				}
			}
		case DeletedModelKey:
			for _, org := range orgs {
				if err := e.replayModelKey(ctx, org, t, counts, &done.ModelKeys); err != nil {
					return err
				}
			}
		}
		return e.record(ctx, t, counts, s.now())
	})
	if err != nil {
		return err
	}
	if t.Kind == DeletedOrganization {
		for _, org := range orgs {
			if t.names(string(org)) {
				s.forgetKey(org)
			}
		}
	}
	return nil
}

// destroyStrayKeys removes the erasure keys of organizations that were deleted,
// which a crash between the two steps would leave.
func (s *Store) destroyStrayKeys(known map[string]tombstone) (n int, err error) {
	list, err := s.erasure.list()
	if err != nil {
		return 0, err
	}
	for _, org := range list {
		for _, t := range known {
			if t.Kind != DeletedOrganization || !t.names(string(org)) {
				continue
			}
			gone, err := s.erasure.destroy(org)
			if err != nil {
				return n, err
			}
			if gone {
				n++
			}
		}
	}
	return n, nil
}

// noPending refuses a database opened for reading that is older than the
// record of deletions outside it.
func (s *Store) noPending(ctx context.Context) error {
	outside, err := s.tombstones.read()
	if err != nil || len(outside) == 0 {
		return err
	}
	return s.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		known, err := tx.tombstones(ctx)
		if err != nil {
			return err
		}
		for _, t := range outside {
			if _, ok := known[t.ID]; !ok {
				return errs.New(errs.Conflict, "tombstones_pending", "This database is older than the record of what was deleted since.",
					"Start metalens serve or metalens scan once; it deletes again what a restored backup brought back.")
			}
		}
		return nil
	})
}
