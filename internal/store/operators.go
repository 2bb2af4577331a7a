package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/metalens/metalens/internal/errs"
)

// Operators lists the accounts of the operator console by e-mail address. They
// are no members of any organization.
func (tx *SystemTx) Operators(ctx context.Context) ([]User, error) {
	var list []User
	err := tx.rows(ctx, `SELECT `+userColumns+` FROM users WHERE operator = 1 ORDER BY email`, nil, func(r *sql.Rows) error {
		u, err := scanUser(r)
		list = append(list, u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list operators: %w", err)
	}
	return list, nil
}

// Operator reads one operator.
func (tx *SystemTx) Operator(ctx context.Context, id UserID) (User, error) {
	u, err := scanUser(tx.sql.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE id = $1 AND operator = 1`, id))
	return u, tx.missing("operator", err)
}

// OperatorByEmail reads one operator by address, whatever its case.
func (tx *SystemTx) OperatorByEmail(ctx context.Context, email string) (User, error) {
	u, err := scanUser(tx.sql.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE email = $1 AND operator = 1`, foldEmail(email)))
	return u, tx.missing("operator", err)
}

// InsertOperator stores a new operator. An address that a user or an operator
// has is errs.Conflict.
func (tx *SystemTx) InsertOperator(ctx context.Context, u User) (User, error) {
	made, err := tx.InsertUser(ctx, u)
	if err != nil {
		return User{}, err
	}
	return made, tx.one(ctx, "operator", `UPDATE users SET operator = 1 WHERE id = $1`, made.ID)
}

// DeleteOperator deletes an operator with sessions and factors; the last one may
// go too, the command line makes another.
func (tx *SystemTx) DeleteOperator(ctx context.Context, id UserID) error {
	return tx.one(ctx, "operator", `DELETE FROM users WHERE id = $1 AND operator = 1`, id)
}

// SystemSetting reads a setting of the whole installation; ok is false when it
// is not set. It opens with the master key.
func (tx *SystemTx) SystemSetting(ctx context.Context, name string, value any) (ok bool, err error) {
	var sealed []byte
	err = tx.sql.QueryRowContext(ctx, `SELECT body FROM system_settings WHERE name = $1`, name).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a setting: %w", err)
	}
	plain, err := tx.store.OpenSystem(sealed, "system_settings", name)
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(plain, value); err != nil {
		return false, errs.Wrap(err, errs.Internal, "bad_setting", "A stored setting cannot be read.", "Set it again in the operator console.")
	}
	return true, nil
}

// SetSystemSetting stores a setting of the whole installation.
func (tx *SystemTx) SetSystemSetting(ctx context.Context, name string, value any) error {
	plain, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode a setting: %w", err)
	}
	sealed, err := tx.store.SealSystem(plain, "system_settings", name)
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `INSERT INTO system_settings (name, body, updated_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at`, name, sealed, micros(tx.store.now())); err != nil {
		return fmt.Errorf("store a setting: %w", err)
	}
	return nil
}

// Footprint is how much of something an organization has, without what it is.
type Footprint struct {
	Connections  int
	Scans        int   // succeeded
	Assets       int   // of the newest scans
	Versions     int   // of assets, over all scans
	Findings     int   // open
	Bytes        int64 // of asset bodies, lineage and usage records, outputs of models and chats
	LastScanAt   int64 // microseconds since 1970; 0 = none
	LedgerRows   int
	FailedScans7 int // failed within the last seven days
	Chats        int
	AICalls      int // of the last 30 days
}

// Footprint counts what the organization has.
func (tx *Tx) Footprint(ctx context.Context) (Footprint, error) {
	var f Footprint
	week, month30 := micros(tx.store.now().AddDate(0, 0, -7)), micros(tx.store.now().AddDate(0, 0, -30))
	for _, q := range []struct {
		query string
		args  []any
		to    []any
	}{
		{`SELECT count(*) FROM connections WHERE org_id = $1`, []any{tx.org}, []any{&f.Connections}},
		{`SELECT count(*), COALESCE(max(finished_at), 0) FROM scans WHERE org_id = $1 AND state = 'succeeded'`, []any{tx.org}, []any{&f.Scans, &f.LastScanAt}},
		{`SELECT count(*) FROM scans WHERE org_id = $1 AND state = 'failed' AND queued_at >= $2`, []any{tx.org, week}, []any{&f.FailedScans7}},
		{`SELECT count(*), COALESCE(sum(CASE WHEN to_seq IS NULL THEN 1 ELSE 0 END), 0), COALESCE(sum(length(body)), 0) FROM asset_versions WHERE org_id = $1`, []any{tx.org}, []any{&f.Versions, &f.Assets, &f.Bytes}},
		{`SELECT count(*) FROM findings WHERE org_id = $1 AND state = 'open'`, []any{tx.org}, []any{&f.Findings}},
		{`SELECT count(*) FROM egress_ledger WHERE org_id = $1`, []any{tx.org}, []any{&f.LedgerRows}},
		{`SELECT count(*) FROM chats WHERE org_id = $1`, []any{tx.org}, []any{&f.Chats}},
		{`SELECT count(*) FROM ai_calls WHERE org_id = $1 AND at >= $2`, []any{tx.org, month30}, []any{&f.AICalls}},
	} {
		if err := tx.scanOne(ctx, "footprint", q.query, q.args, q.to...); err != nil {
			return Footprint{}, err
		}
	}
	for _, table := range []string{"lineage_parts", "usage_records", "ai_outputs", "chat_messages"} {
		var n int64
		if err := tx.scanOne(ctx, "footprint", `SELECT COALESCE(sum(length(body)), 0) FROM `+table+` WHERE org_id = $1`, []any{tx.org}, &n); err != nil {
			return Footprint{}, err
		}
		f.Bytes += n
	}
	return f, nil
}

// TableSize is the space a table takes, indexes included.
type TableSize struct {
	Name  string
	Bytes int64
}

// TableSizes lists the largest tables first. It is empty where the database
// cannot tell.
func (s *Store) TableSizes(ctx context.Context) ([]TableSize, error) {
	query := `SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC, 1 LIMIT 40`
	if s.engine == EnginePostgres {
		query = `SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind = 'r' AND n.nspname = current_schema() ORDER BY 2 DESC, 1 LIMIT 40`
	}
	rows, err := s.read.QueryContext(ctx, query)
	if err != nil {
		if s.engine == EngineSQLite { // built without dbstat
			return nil, nil
		}
		return nil, s.translate(fmt.Errorf("measure the tables: %w", err))
	}
	defer func() { _ = rows.Close() }()
	var list []TableSize
	for rows.Next() {
		var t TableSize
		if err := rows.Scan(&t.Name, &t.Bytes); err != nil {
			return nil, s.translate(fmt.Errorf("measure the tables: %w", err))
		}
		list = append(list, t)
	}
	return list, s.translate(rows.Err())
}
