package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store/postgres"
)

// Deletion is the record of something that was deleted, and the receipt of who
// asked for it. It holds nothing about a person.
type Deletion struct {
	ID     string
	Kind   DeletionKind
	At     time.Time
	Counts map[string]int64 // table → rows deleted
	// KeyDestroyed says that the organization's key lay outside the database and
	// is destroyed: no older copy of the database can be read.
	KeyDestroyed bool
	ReplayedAt   time.Time // deleted again after a restore; zero = never
	ReceiptUntil time.Time
}

// Rows is how many rows went in all.
func (d Deletion) Rows() (n int64) {
	for _, c := range d.Counts {
		n += c
	}
	return n
}

// ReceiptLife is how long a receipt's address answers.
const ReceiptLife = 7 * 24 * time.Hour

// Erasure says what goes along with a deletion.
type Erasure struct {
	// Also runs in the transaction of the deletion, after everything is deleted:
	// it may enqueue the confirmation.
	Also func(ctx context.Context, tx *SystemTx, d Deletion) error
}

// EraseOrganization deletes an organization with everything in it, in one
// transaction: all rows of all tables, its waiting and running jobs, and the
// accounts of members that belong to no other organization. The keys go after
// it. It returns the text of the receipt's one-time address.
func (s *Store) EraseOrganization(ctx context.Context, org OrgID, how Erasure) (Deletion, string, error) {
	at := s.now()
	t, err := newTombstone(DeletedOrganization, string(org), at)
	if err != nil {
		return Deletion{}, "", err
	}
	return s.erase(ctx, t, how, func(ctx context.Context, e *eraser, counts map[string]int64) error {
		users, err := e.organization(ctx, org, counts)
		if err != nil {
			return err
		}
		for _, user := range users {
			t, err := newTombstone(DeletedAccount, string(user), at)
			if err != nil {
				return err
			}
			if err := e.record(ctx, t, nil, time.Time{}); err != nil {
				return err
			}
		}
		return nil
	}, func() (bool, error) {
		s.forgetKey(org)
		return s.erasure.destroy(org)
	})
}

// EraseAccount deletes a user with everything that is the user's alone, in one
// transaction; what the user decided for an organization stays there without a
// name. The last owner of an organization is refused (errs.Conflict, code
// last_owner).
func (s *Store) EraseAccount(ctx context.Context, user UserID, how Erasure) (Deletion, string, error) {
	t, err := newTombstone(DeletedAccount, string(user), s.now())
	if err != nil {
		return Deletion{}, "", err
	}
	return s.erase(ctx, t, how, func(ctx context.Context, e *eraser, counts map[string]int64) error {
		orgs, err := e.organizations(ctx)
		if err != nil {
			return err
		}
		if err := e.refuseLastOwner(ctx, user); err != nil {
			return err
		}
		return e.account(ctx, user, orgs, counts)
	}, nil)
}

func (s *Store) erase(ctx context.Context, t tombstone, how Erasure, remove func(context.Context, *eraser, map[string]int64) error, keys func() (bool, error)) (Deletion, string, error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return Deletion{}, "", fmt.Errorf("make the receipt's address: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(secret)
	d := Deletion{ID: t.ID, Kind: t.Kind, At: t.At, Counts: map[string]int64{}, ReceiptUntil: fromMicros(micros(t.At.Add(ReceiptLife)))}
	err := s.inErasure(ctx, func(ctx context.Context, e *eraser) error {
		if err := remove(ctx, e, d.Counts); err != nil {
			return err
		}
		if err := e.record(ctx, t, d.Counts, time.Time{}); err != nil {
			return err
		}
		if _, err := e.exec(ctx, `UPDATE deletions SET receipt = $2, receipt_until = $3 WHERE id = $1`, t.ID, sessionID(token), micros(d.ReceiptUntil)); err != nil {
			return fmt.Errorf("store the receipt: %w", err)
		}
		if how.Also == nil {
			return nil
		}
		return how.Also(ctx, &SystemTx{core: e.core}, d)
	})
	if err != nil {
		return Deletion{}, "", err
	}
	// The deletion stands. What follows makes it final on the disk; a failure is
	// made up for at the next start.
	if keys != nil {
		destroyed, err := keys()
		if err == nil && destroyed {
			d.KeyDestroyed = true
			err = s.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
				return tx.one(ctx, "deletion", `UPDATE deletions SET key_destroyed = 1 WHERE id = $1`, t.ID)
			})
		}
		if err != nil {
			s.log.ErrorContext(ctx, "an erasure key could not be destroyed; it will be tried again at the next start", slog.String("error", err.Error()))
		}
	}
	if err := s.Scrub(ctx); err != nil {
		s.log.ErrorContext(ctx, "the database could not be compacted after a deletion", slog.String("error", err.Error()))
	}
	return d, token, nil
}

// eraser is a transaction that reaches every row of every organization. On
// PostgreSQL it changes between the two roles.
type eraser struct {
	core
	tables []tableInfo
	role   string
	org    OrgID
}

func (s *Store) inErasure(ctx context.Context, fn func(context.Context, *eraser) error) error {
	return s.everywhere(ctx, true, fn)
}

// everywhere runs fn in a transaction that reaches every table, for reading
// alone where write is false.
func (s *Store) everywhere(ctx context.Context, write bool, fn func(context.Context, *eraser) error) error {
	return s.inSystem(ctx, write, func(ctx context.Context, tx *SystemTx) error {
		e := &eraser{core: tx.core}
		var err error
		if e.tables, err = tx.tableInfos(ctx); err != nil {
			return err
		}
		if err := fn(ctx, e); err != nil {
			return err
		}
		return e.asSystem(ctx)
	})
}

func (e *eraser) asSystem(ctx context.Context) error { return e.as(ctx, postgres.SystemRole, "") }

func (e *eraser) as(ctx context.Context, role string, org OrgID) error {
	if e.store.engine != EnginePostgres || e.role == role && e.org == org {
		return nil
	}
	if _, err := e.sql.ExecContext(ctx, `SELECT set_config('role', $1, true), set_config('metalens.org_id', $2, true), set_config('metalens.system', 'on', true)`,
		role, string(org)); err != nil {
		return fmt.Errorf("change the role: %w", err)
	}
	e.role, e.org = role, org
	return nil
}

// within changes to the role that may delete rows of a table.
func (e *eraser) within(ctx context.Context, t tableInfo, org OrgID) error {
	if t.tenant {
		return e.as(ctx, postgres.AppRole, org)
	}
	return e.asSystem(ctx)
}

func (e *eraser) ids(ctx context.Context, query string, args ...any) ([]string, error) {
	if err := e.asSystem(ctx); err != nil {
		return nil, err
	}
	return e.column(ctx, query, args...)
}

// column reads a column of texts as the role that the transaction has.
func (e *eraser) column(ctx context.Context, query string, args ...any) ([]string, error) {
	var list []string
	err := e.rows(ctx, query, args, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		list = append(list, id)
		return err
	})
	return list, err
}

func (e *eraser) organizations(ctx context.Context) ([]OrgID, error) {
	list, err := e.ids(ctx, `SELECT id FROM organizations ORDER BY id`)
	orgs := make([]OrgID, len(list))
	for i, id := range list {
		orgs[i] = OrgID(id)
	}
	return orgs, err
}

// lockOrganization makes other writers that refer to the organization wait and
// then fail.
func (e *eraser) lockOrganization(ctx context.Context, org OrgID) error {
	if err := e.asSystem(ctx); err != nil {
		return err
	}
	query := `SELECT id FROM organizations WHERE id = $1`
	if e.store.engine == EnginePostgres {
		query += ` FOR UPDATE`
	}
	var id string
	return e.scanOne(ctx, "organization", query, []any{string(org)}, &id)
}

// organization deletes all rows of an organization and the accounts that
// belong to no other; it returns those.
func (e *eraser) organization(ctx context.Context, org OrgID, counts map[string]int64) ([]UserID, error) {
	if err := e.lockOrganization(ctx, org); err != nil {
		return nil, err
	}
	members, err := e.ids(ctx, `SELECT user_id FROM memberships WHERE org_id = $1 ORDER BY user_id`, string(org))
	if err != nil {
		return nil, fmt.Errorf("list the members: %w", err)
	}
	only, err := e.ids(ctx, `SELECT user_id FROM memberships m WHERE org_id = $1
		AND NOT EXISTS (SELECT 1 FROM memberships o WHERE o.user_id = m.user_id AND o.org_id <> $1) ORDER BY user_id`, string(org))
	if err != nil {
		return nil, fmt.Errorf("list the members: %w", err)
	}
	if err := e.jobs(ctx, org, counts); err != nil {
		return nil, err
	}
	// Counted before anything goes: a parent's rows take their children along.
	for _, t := range e.tables {
		if !t.has("org_id") {
			continue
		}
		if err := e.count(ctx, t, org, "org_id", string(org), counts); err != nil {
			return nil, err
		}
	}
	for _, t := range e.tables {
		if !t.has("org_id") {
			continue
		}
		if err := e.within(ctx, t, org); err != nil {
			return nil, err
		}
		if _, err := e.exec(ctx, `DELETE FROM `+t.name+` WHERE org_id = $1`, string(org)); err != nil {
			return nil, fmt.Errorf("delete from %s: %w", t.name, err)
		}
	}
	orgs, err := e.organizations(ctx)
	if err != nil {
		return nil, err
	}
	users := make([]UserID, len(only))
	for i, id := range only {
		users[i] = UserID(id)
		if err := e.account(ctx, users[i], slices.DeleteFunc(slices.Clone(orgs), func(o OrgID) bool { return o == org }), counts); err != nil {
			return nil, err
		}
	}
	if err := e.asSystem(ctx); err != nil {
		return nil, err
	}
	for _, id := range members { // whoever stays elsewhere logs in again
		n, err := e.exec(ctx, `DELETE FROM sessions WHERE user_id = $1`, id)
		if err != nil {
			return nil, fmt.Errorf("end sessions: %w", err)
		}
		add(counts, "sessions", n)
	}
	n, err := e.exec(ctx, `DELETE FROM organizations WHERE id = $1`, string(org))
	add(counts, "organizations", n)
	if err != nil {
		return nil, fmt.Errorf("delete the organization: %w", err)
	}
	return users, nil
}

func add(counts map[string]int64, table string, n int64) {
	if n > 0 && counts != nil {
		counts[table] += n
	}
}

func (e *eraser) count(ctx context.Context, t tableInfo, org OrgID, column, value string, counts map[string]int64) error {
	if err := e.within(ctx, t, org); err != nil {
		return err
	}
	var n int64
	if err := e.scanOne(ctx, t.name, `SELECT count(*) FROM `+t.name+` WHERE `+column+` = $1`, []any{value}, &n); err != nil {
		return err
	}
	add(counts, t.name, n)
	return nil
}

// jobs removes the organization's jobs from the queue, running ones included:
// they notice that what they work on is gone.
func (e *eraser) jobs(ctx context.Context, org OrgID, counts map[string]int64) error {
	if err := e.asSystem(ctx); err != nil {
		return err
	}
	query := `DELETE FROM river_job WHERE json_extract(args, '$.org') = $1`
	if e.store.engine == EnginePostgres {
		query = `DELETE FROM river_job WHERE args->>'org' = $1`
	}
	n, err := e.exec(ctx, query, string(org))
	if err != nil {
		return fmt.Errorf("remove the jobs: %w", err)
	}
	add(counts, "river_job", n)
	return nil
}

// refuseLastOwner refuses the deletion of somebody without whom an organization
// would have no owner.
func (e *eraser) refuseLastOwner(ctx context.Context, user UserID) error {
	owned, err := e.ids(ctx, `SELECT org_id FROM memberships WHERE user_id = $1 AND role = 'owner' ORDER BY org_id`, string(user))
	if err != nil {
		return fmt.Errorf("find what the account owns: %w", err)
	}
	for _, org := range owned {
		if err := e.lockOrganization(ctx, OrgID(org)); err != nil {
			return err
		}
		others, err := e.ids(ctx, `SELECT user_id FROM memberships WHERE org_id = $1 AND role = 'owner' AND user_id <> $2`, org, string(user))
		if err != nil {
			return fmt.Errorf("find other owners: %w", err)
		}
		if len(others) == 0 {
			return errs.New(errs.Conflict, "last_owner", "You are the last owner of your organization.",
				"Make another member an owner first, or delete the organization: your account goes with it.")
		}
	}
	return nil
}

// account deletes a user: the rows of all tables that are the user's, and the
// user's id where a tenant's row names who did something.
func (e *eraser) account(ctx context.Context, user UserID, orgs []OrgID, counts map[string]int64) error {
	if err := e.asSystem(ctx); err != nil {
		return err
	}
	var email string
	if err := e.scanOne(ctx, "account", `SELECT email FROM users WHERE id = $1`, []any{string(user)}, &email); err != nil {
		return err
	}
	each := func(t tableInfo, do func(org OrgID) error) error {
		if !t.tenant || e.store.engine != EnginePostgres {
			return do("")
		}
		for _, org := range orgs {
			if err := do(org); err != nil {
				return err
			}
		}
		return nil
	}
	for _, t := range e.tables {
		if !t.has("user_id") {
			continue
		}
		if err := each(t, func(org OrgID) error { return e.count(ctx, t, org, "user_id", string(user), counts) }); err != nil {
			return err
		}
	}
	for _, org := range orgs {
		if err := e.as(ctx, postgres.AppRole, org); err != nil {
			return err
		}
		if err := e.dropChatPayloads(ctx, org, `user_id = $2`, string(user)); err != nil {
			return err
		}
	}
	for _, t := range e.tables {
		err := each(t, func(org OrgID) error { return e.forgetUser(ctx, t, org, user) })
		if err != nil {
			return err
		}
	}
	if err := e.scrubAudit(ctx, user, email, orgs, counts); err != nil {
		return err
	}
	if err := e.asSystem(ctx); err != nil {
		return err
	}
	n, err := e.exec(ctx, `DELETE FROM users WHERE id = $1`, string(user))
	add(counts, "users", n)
	if err != nil {
		return fmt.Errorf("delete the account: %w", err)
	}
	return nil
}

// forgetUser deletes the user's rows of one table and takes the user's id out of
// the others.
func (e *eraser) forgetUser(ctx context.Context, t tableInfo, org OrgID, user UserID) error {
	if err := e.within(ctx, t, org); err != nil {
		return err
	}
	if t.has("user_id") {
		if _, err := e.exec(ctx, `DELETE FROM `+t.name+` WHERE user_id = $1`, string(user)); err != nil {
			return fmt.Errorf("delete from %s: %w", t.name, err)
		}
	}
	for _, column := range t.columns {
		if !namesPerson(t.name, column) {
			continue
		}
		if _, err := e.exec(ctx, `UPDATE `+t.name+` SET `+column.name+` = '' WHERE `+column.name+` = $1`, string(user)); err != nil {
			return fmt.Errorf("take the user out of %s: %w", t.name, err)
		}
	}
	return nil
}

// personColumns are the columns in which a tenant's row says who did something.
// A test looks for a deleted user's id in every column of every table, and so
// finds one that is missing here.
var personColumns = []string{"assignee", "ignored_by", "actor", "requested_by", "created_by", "invited_by", "updated_by", "granted_by", "revoked_by", "author"}

// chained are the tables whose rows a hash chain covers: their column stays as
// it is, an id that names nobody any more, until the row's time is over.
var chained = []string{"audit_log", "egress_ledger"}

func namesPerson(table string, c columnInfo) bool {
	return c.text && !c.key && slices.Contains(personColumns, c.name) && !slices.Contains(chained, table)
}

// record writes the deletion; replayed is when it was made again after a
// restore, zero for the deletion itself.
func (e *eraser) record(ctx context.Context, t tombstone, counts map[string]int64, replayed time.Time) error {
	if err := e.asSystem(ctx); err != nil {
		return err
	}
	if counts == nil {
		counts = map[string]int64{}
	}
	text, err := json.Marshal(counts)
	if err != nil {
		return fmt.Errorf("write the deletion's counts: %w", err)
	}
	if replayed.IsZero() {
		err = e.bury(ctx, t) // the file follows
	} else {
		buried := e.buried
		e.buried = new([]tombstone) // the file has it already
		err = e.bury(ctx, t)
		e.buried = buried
	}
	if err != nil {
		return err
	}
	return e.one(ctx, "deletion", `UPDATE deletions SET counts = $2, replayed_at = $3 WHERE id = $1`, t.ID, string(text), micros(replayed))
}

func (e *eraser) replayConnection(ctx context.Context, org OrgID, t tombstone, counts map[string]int64, n *int) error {
	conns, err := e.ids(ctx, `SELECT id FROM connections WHERE org_id = $1`, string(org))
	if err != nil {
		return err
	}
	for _, id := range conns {
		if !t.names(id) {
			continue
		}
		if err := e.as(ctx, postgres.AppRole, org); err != nil {
			return err
		}
		if err := e.dropConnectionPayloads(ctx, org, id); err != nil {
			return err
		}
		gone, err := e.exec(ctx, `DELETE FROM connections WHERE org_id = $1 AND id = $2`, string(org), id)
		if err != nil {
			return err
		}
		add(counts, "connections", gone)
		*n++
	}
	return nil
}

// tableInfo is a table of ours as the database knows it.
type tableInfo struct {
	name    string
	columns []columnInfo
	tenant  bool // the application's role owns its rows, one organization at a time
}

type columnInfo struct {
	name string
	text bool
	key  bool // part of the primary key
}

func (t tableInfo) has(column string) bool {
	return slices.ContainsFunc(t.columns, func(c columnInfo) bool { return c.name == column })
}

// tableInfos lists the tables of the schema but the job queue's own and the
// record of deletions. New tables are found without being named anywhere.
func (tx *SystemTx) tableInfos(ctx context.Context) ([]tableInfo, error) {
	query := `SELECT m.name, p.name, p.type = 'TEXT', p.pk > 0, 0 FROM sqlite_master m JOIN pragma_table_info(m.name) p
		WHERE m.type = 'table' ORDER BY m.name, p.cid`
	if tx.store.engine == EnginePostgres {
		query = `SELECT c.relname, a.attname, a.atttypid = 'text'::regtype,
			EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
			CASE WHEN has_table_privilege('` + postgres.AppRole + `', c.oid, 'DELETE')
				AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polroles @> ARRAY['` + postgres.AppRole + `'::regrole::oid]) THEN 1 ELSE 0 END
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname, a.attnum`
	}
	var list []tableInfo
	err := tx.rows(ctx, query, nil, func(r *sql.Rows) error {
		var table string
		var c columnInfo
		var tenant int
		if err := r.Scan(&table, &c.name, &c.text, &c.key, &tenant); err != nil {
			return err
		}
		if foreignTable(table) {
			return nil
		}
		if n := len(list); n == 0 || list[n-1].name != table {
			list = append(list, tableInfo{name: table, tenant: tenant == 1})
		}
		list[len(list)-1].columns = append(list[len(list)-1].columns, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	return list, nil
}

// foreignTable names what is not content: the job queue, the schema's versions,
// the engine's own, and the record of deletions itself.
func foreignTable(name string) bool {
	return strings.HasPrefix(name, "river_") || strings.HasPrefix(name, "sqlite_") || name == "goose_db_version" || name == "deletions"
}

// scrubAudit deletes the rows of the audit log that tell of the account: those
// of no organization, and those of organizations in which its address stands. A
// signed statement in the chain says that each was meant.
func (e *eraser) scrubAudit(ctx context.Context, user UserID, email string, orgs []OrgID, counts map[string]int64) error {
	if err := e.asSystem(ctx); err != nil {
		return err
	}
	tx := &SystemTx{core: e.core}
	for _, org := range append([]OrgID{systemOrg}, orgs...) {
		within, err := tx.within(ctx, org)
		if err != nil && org != systemOrg {
			continue // its key is gone: its rows tell nothing
		}
		if err != nil {
			return err
		}
		var gone []string
		err = e.rows(ctx, `SELECT id, actor, body FROM audit_log WHERE org_id = $1`, []any{string(org)}, func(r *sql.Rows) error {
			var id, actor string
			var sealed []byte
			if err := r.Scan(&id, &actor, &sealed); err != nil {
				return err
			}
			var b auditBody
			if within.openJSON("audit_log", id, sealed, &b) != nil {
				return nil //nolint:nilerr // sealed by a key that is gone: it tells nothing
			}
			text := strings.ToLower(b.Target + "\x00" + b.Detail)
			if strings.Contains(text, email) || org == systemOrg && (actor == string(user) || strings.Contains(text, string(user))) {
				gone = append(gone, id)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("look through the audit log: %w", err)
		}
		if err := e.eraseAudit(ctx, org, gone); err != nil {
			return err
		}
		add(counts, "audit_log", int64(len(gone)))
	}
	return nil
}

// errNotErased is what a proof says of a deletion it does not know.
var errNotErased = errs.New(errs.NotFound, "no_deletion", "There is no such deletion.", "Check the id; it stands on the receipt.")

// ReceiptOf finds the deletion of a receipt's one-time address while that
// answers.
func (tx *SystemTx) ReceiptOf(ctx context.Context, token string) (Deletion, error) {
	d, err := tx.deletionWhere(ctx, `receipt = $1 AND receipt_until > $2`, sessionID(token), micros(tx.store.now()))
	if errs.KindOf(err) == errs.NotFound {
		err = errs.New(errs.NotFound, "no_receipt", "This receipt is not here any more.", "A receipt can be read for seven days. Keep its text.")
	}
	return d, err
}

// Deletion reads the record of a deletion by its id.
func (tx *SystemTx) Deletion(ctx context.Context, id string) (Deletion, error) {
	return tx.deletionWhere(ctx, `id = $1`, id)
}

const deletionColumns = `id, kind, at, counts, key_destroyed, replayed_at, receipt_until`

func (tx *SystemTx) deletionWhere(ctx context.Context, where string, args ...any) (Deletion, error) {
	d, err := scanDeletion(tx.sql.QueryRowContext(ctx, `SELECT `+deletionColumns+` FROM deletions WHERE `+where, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return Deletion{}, errNotErased
	}
	if err != nil {
		return Deletion{}, fmt.Errorf("read a deletion: %w", tx.store.translate(err))
	}
	return d, nil
}

// Deletions lists the record of deletions, newest first.
func (tx *SystemTx) Deletions(ctx context.Context, limit int) ([]Deletion, error) {
	var list []Deletion
	err := tx.rows(ctx, `SELECT `+deletionColumns+` FROM deletions ORDER BY at DESC, id DESC LIMIT $1`, []any{limit}, func(r *sql.Rows) error {
		d, err := scanDeletion(r)
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the deletions: %w", err)
	}
	return list, nil
}

func scanDeletion(row interface{ Scan(...any) error }) (Deletion, error) {
	var d Deletion
	var at, replayed, until int64
	var counts string
	var destroyed int64
	if err := row.Scan(&d.ID, &d.Kind, &at, &counts, &destroyed, &replayed, &until); err != nil {
		return Deletion{}, err
	}
	d.At, d.ReplayedAt, d.ReceiptUntil, d.KeyDestroyed = fromMicros(at), fromMicros(replayed), fromMicros(until), destroyed == 1
	if err := json.Unmarshal([]byte(counts), &d.Counts); err != nil {
		return Deletion{}, fmt.Errorf("read a deletion's counts: %w", err)
	}
	return d, nil
}
