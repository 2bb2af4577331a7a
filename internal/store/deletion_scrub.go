package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store/postgres"
)

// keepApart finds the places outside the database that deletion needs.
func (s *Store) keepApart(cfg Config) {
	if cfg.Tombstones == "" && cfg.Dir != "" {
		cfg.Tombstones = filepath.Join(cfg.Dir, "tombstones")
	}
	if cfg.ErasureKeys == "" && cfg.DatabaseURL.IsZero() && cfg.Dir != "" {
		cfg.ErasureKeys = filepath.Join(cfg.Dir, "keys", "organizations")
	}
	if cfg.Tombstones != "" {
		s.tombstones = &tombstoneFile{path: cfg.Tombstones}
	}
	if cfg.ErasureKeys != "" {
		s.erasure = &erasureKeys{dir: cfg.ErasureKeys}
	}
}

// settleDeletions makes an opened database agree with what is outside it: what
// was deleted stays deleted, and every data key is sealed by its erasure key.
func (s *Store) settleDeletions(ctx context.Context, readOnly bool) error {
	if readOnly {
		return s.noPending(ctx)
	}
	if _, err := s.ReplayTombstones(ctx); err != nil {
		return err
	}
	if err := s.sealDataKeys(ctx); err != nil {
		return err
	}
	return s.resumeScrub(ctx)
}

// resumeScrubAge is how old a deletion is whose housekeeping may still be open;
// [Store.Housekeep] is daily.
const resumeScrubAge = 48 * time.Hour

// resumeScrub makes up for a process that was killed between a deletion and its
// housekeeping: what was deleted would stand in SQLite's file until the
// write-ahead log is folded in. Where another process is at work it waits a
// moment only, and leaves the rest to that one.
func (s *Store) resumeScrub(ctx context.Context) error {
	if s.engine != EngineSQLite {
		return nil
	}
	if wal, err := os.Stat(s.path + "-wal"); err != nil || wal.Size() == 0 {
		return nil //nolint:nilerr // without a log there is nothing to fold in
	}
	recent := 0
	err := s.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		return tx.scanOne(ctx, "deletions", `SELECT count(*) FROM deletions WHERE at >= $1`, []any{micros(s.now().Add(-resumeScrubAge))}, &recent)
	})
	if err != nil || recent == 0 {
		return err
	}
	if _, err := s.wipeSQLite(ctx); err != nil {
		s.log.WarnContext(ctx, "what was deleted may still stand in the database's file; the daily housekeeping removes it", slog.String("error", err.Error()))
	}
	return nil
}

// sealDataKeys puts an erasure key's seal on data keys that have none: of
// databases from before there were any, or after the folder was named.
func (s *Store) sealDataKeys(ctx context.Context) error {
	if s.erasure == nil {
		return nil
	}
	bare := map[OrgID][]byte{}
	list := func(ctx context.Context, tx *SystemTx) error {
		clear(bare)
		return tx.rows(ctx, `SELECT id, data_key FROM organizations`, nil, func(r *sql.Rows) error {
			var org OrgID
			var stored []byte
			err := r.Scan(&org, &stored)
			if !erasureSealed(stored) {
				bare[org] = slices.Clone(stored)
			}
			return err
		})
	}
	if err := s.ViewSystem(ctx, list); err != nil || len(bare) == 0 {
		return err
	}
	return s.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		if err := list(ctx, tx); err != nil {
			return err
		}
		for org, wrapped := range bare {
			sealed, err := s.erasure.seal(org, wrapped)
			if err != nil {
				return err
			}
			if err := tx.one(ctx, "organization", `UPDATE organizations SET data_key = $2 WHERE id = $1 AND data_key = $3`, org, sealed, wrapped); err != nil {
				return fmt.Errorf("seal a data key: %w", err)
			}
		}
		return nil
	})
}

// ForgetDeleted drops from memory the keys of organizations that are gone, and
// names them. Processes that did not delete them call it from time to time.
func (s *Store) ForgetDeleted(ctx context.Context) ([]OrgID, error) {
	s.mu.Lock()
	held := make([]OrgID, 0, len(s.dataKeys))
	for org := range s.dataKeys {
		held = append(held, org)
	}
	s.mu.Unlock()
	if len(held) == 0 {
		return nil, nil
	}
	there := map[OrgID]bool{}
	err := s.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		return tx.rows(ctx, `SELECT id FROM organizations`, nil, func(r *sql.Rows) error {
			var org OrgID
			err := r.Scan(&org)
			there[org] = true
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("look for deleted organizations: %w", err)
	}
	var gone []OrgID
	for _, org := range held {
		if org != systemOrg && !there[org] {
			s.forgetKey(org)
			gone = append(gone, org)
		}
	}
	return gone, nil
}

// scrubLimit bounds the housekeeping after a deletion.
const scrubLimit = 2 * time.Minute

// Scrub removes what deleted rows leave behind in the database's files. On
// SQLite free pages are overwritten (secure_delete), given back to the file
// system, and the write-ahead log is folded in and emptied. On PostgreSQL the
// tables are vacuumed where the login owns them; those that hold texts in the
// clear (names and addresses) are written anew, because a plain vacuum leaves
// the bytes in the page.
func (s *Store) Scrub(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrubLimit)
	defer cancel()
	if err := s.sweepOrphans(ctx); err != nil {
		return err
	}
	if s.engine == EngineSQLite {
		return s.Compact(ctx)
	}
	return s.vacuum(ctx)
}

// Housekeep is the daily part of Scrub: rows of no organization go, and SQLite's
// files are compacted. PostgreSQL does its own.
func (s *Store) Housekeep(ctx context.Context) error {
	if err := s.sweepOrphans(ctx); err != nil {
		return err
	}
	return s.Compact(ctx)
}

// clearTables hold texts that are not sealed: names and addresses, and names of
// models, which can be an organization's own.
var clearTables = []string{"organizations", "users", "ai_calls", "ai_spend"}

// owned lists the tables that the login may vacuum.
func (s *Store) owned(ctx context.Context) (tables []string, err error) {
	rows, err := s.write.QueryContext(ctx, `SELECT c.relname FROM pg_class c WHERE c.relkind = 'r'
		AND c.relnamespace = current_schema()::regnamespace AND pg_has_role(session_user, c.relowner, 'USAGE') ORDER BY c.relname`)
	if err != nil {
		return nil, s.translate(fmt.Errorf("list the tables to vacuum: %w", err))
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, s.translate(err)
		}
		tables = append(tables, name)
	}
	return tables, s.translate(rows.Err())
}

func (s *Store) vacuum(ctx context.Context) (err error) {
	tables, err := s.owned(ctx)
	if err != nil {
		return err
	}
	session, err := s.write.Conn(ctx)
	if err != nil {
		return s.translate(err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	// Whoever works on a table is not made to wait; what is skipped here is
	// vacuumed by the server's own housekeeping.
	if _, err := session.ExecContext(ctx, `SET lock_timeout = '3s'`); err != nil {
		return s.translate(fmt.Errorf("vacuum: %w", err))
	}
	for _, name := range tables {
		how := `VACUUM `
		if slices.Contains(clearTables, name) {
			how = `VACUUM FULL `
		}
		if _, err := session.ExecContext(ctx, how+name); err != nil && !postgres.IsBusy(err) {
			return s.translate(fmt.Errorf("vacuum %s: %w", name, err))
		} else if err != nil {
			s.log.WarnContext(ctx, "a table was in use and could not be vacuumed after a deletion", "table", name)
		}
	}
	_, err = session.ExecContext(ctx, `RESET lock_timeout`)
	return err
}

// sweepOrphans deletes rows that a transaction wrote for an organization while
// that was being deleted, into tables that do not refer to it.
func (s *Store) sweepOrphans(ctx context.Context) error {
	return s.inErasure(ctx, func(ctx context.Context, e *eraser) error {
		for _, t := range e.tables {
			if !t.has("org_id") {
				continue
			}
			orphans, err := e.orphans(ctx, t)
			if err != nil {
				return err
			}
			for _, org := range orphans {
				if err := e.within(ctx, t, org); err != nil {
					return err
				}
				if _, err := e.exec(ctx, `DELETE FROM `+t.name+` WHERE org_id = $1`, string(org)); err != nil {
					return fmt.Errorf("delete from %s: %w", t.name, err)
				}
			}
		}
		return nil
	})
}

// orphans lists the organizations that a table names and that do not exist, as
// far as the system's role may see the table's rows.
func (e *eraser) orphans(ctx context.Context, t tableInfo) ([]OrgID, error) {
	if e.store.engine == EnginePostgres {
		var visible bool
		err := e.scanOne(ctx, t.name, `SELECT has_column_privilege('metalens_system', $1, 'org_id', 'SELECT')
			AND EXISTS (SELECT FROM pg_policy WHERE polrelid = $1::regclass AND polroles @> ARRAY['metalens_system'::regrole::oid])`, []any{t.name}, &visible)
		if err != nil || !visible {
			return nil, err // its foreign key forbids such rows
		}
	}
	list, err := e.ids(ctx, `SELECT DISTINCT org_id FROM `+t.name+` WHERE org_id <> '' AND org_id NOT IN (SELECT id FROM organizations)`)
	if err != nil {
		return nil, fmt.Errorf("look for rows of no organization in %s: %w", t.name, err)
	}
	orgs := make([]OrgID, len(list))
	for i, id := range list {
		orgs[i] = OrgID(id)
	}
	return orgs, nil
}

// Proof says what is left of something that was deleted.
type Proof struct {
	Deletion Deletion
	Tables   []TableProof
	Rows     int64 // rows looked at
	Found    int64 // rows that still name it
	KeyGone  bool  // no erasure key of it is left; true for what never had one
	Outside  bool  // the record outside the database has the deletion too
	Checked  time.Time
}

// Clean reports that nothing is left.
func (p Proof) Clean() bool { return p.Found == 0 && p.KeyGone }

// TableProof is one table of a [Proof].
type TableProof struct {
	Table   string
	Columns []string // that were compared
	Rows    int64    // values looked at
	Found   int64
}

// idColumns are the columns that can name what was deleted.
var idColumns = map[DeletionKind][]string{
	DeletedOrganization: {"org_id"},
	DeletedAccount:      append([]string{"user_id"}, personColumns...),
	DeletedConnection:   {"connection_id"},
	DeletedChat:         {"chat_id"},
	DeletedModelKey:     {"key_id"},
}

// ownTables are those whose primary key is the id itself.
var ownTables = map[DeletionKind]string{DeletedOrganization: "organizations", DeletedAccount: "users", DeletedConnection: "connections", DeletedChat: "chats"}

// outliving are tables whose rows stay after what they name is gone, by design
// and for their own time: the record of what left, and who did what.
var outliving = map[DeletionKind][]string{
	DeletedAccount:    chained,
	DeletedConnection: {"egress_ledger"},
}

// ProveDeletion looks through every table for what a deletion removed. It needs
// no id of it: each value in question is hashed with the tombstone's salt.
func (s *Store) ProveDeletion(ctx context.Context, id string) (Proof, error) {
	p := Proof{Checked: fromMicros(micros(s.now()))}
	var t tombstone
	err := s.everywhere(ctx, false, func(ctx context.Context, e *eraser) error {
		tx := &SystemTx{core: e.core}
		known, err := tx.tombstones(ctx)
		if err != nil {
			return err
		}
		var ok bool
		if t, ok = known[id]; !ok {
			return errNotErased
		}
		if p.Deletion, err = tx.Deletion(ctx, id); err != nil {
			return err
		}
		orgs, err := e.organizations(ctx)
		if err != nil {
			return err
		}
		for _, info := range e.tables {
			if err := e.prove(ctx, info, t, orgs, &p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Proof{}, err
	}
	p.KeyGone = true
	held, err := s.erasure.list()
	if err != nil {
		return Proof{}, err
	}
	for _, org := range held {
		if t.Kind == DeletedOrganization && t.names(string(org)) {
			p.KeyGone = false
		}
	}
	outside, err := s.tombstones.read()
	if err != nil {
		return Proof{}, err
	}
	p.Outside = slices.ContainsFunc(outside, func(o tombstone) bool { return o.ID == id })
	return p, nil
}

func (e *eraser) prove(ctx context.Context, info tableInfo, t tombstone, orgs []OrgID, p *Proof) error {
	result := TableProof{Table: info.name}
	for _, c := range info.columns {
		own := ownTables[t.Kind] == info.name && c.name == "id"
		if !own && !slices.Contains(idColumns[t.Kind], c.name) || slices.Contains(outliving[t.Kind], info.name) {
			continue
		}
		result.Columns = append(result.Columns, c.name)
		each := []OrgID{""}
		if info.tenant && e.store.engine == EnginePostgres {
			each = orgs // rows of an organization that is gone are seen by sweepOrphans
		}
		for _, org := range each {
			if err := e.within(ctx, info, org); err != nil {
				return err
			}
			err := e.rows(ctx, `SELECT `+c.name+`, count(*) FROM `+info.name+` WHERE `+c.name+` IS NOT NULL GROUP BY `+c.name, nil, func(r *sql.Rows) error {
				var value string
				var n int64
				err := r.Scan(&value, &n)
				result.Rows += n
				if t.names(value) {
					result.Found += n
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("look through %s: %w", info.name, err)
			}
		}
	}
	if len(result.Columns) == 0 {
		return nil
	}
	p.Tables = append(p.Tables, result)
	p.Rows += result.Rows
	p.Found += result.Found
	return nil
}

// errNoKeyPlace says why an erasure key cannot be promised.
var errNoKeyPlace = errs.New(errs.Invalid, "no_erasure_keys", "No folder for erasure keys is set up.", "Set retention.erasure_keys to a folder outside the database.")

// ErasureKeys reports whether data keys are sealed by keys outside the database
// that deletion destroys; errs.Invalid, code no_erasure_keys, when not.
func (s *Store) ErasureKeys() error {
	if s.erasure == nil {
		return errNoKeyPlace
	}
	return nil
}
