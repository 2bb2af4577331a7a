package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
)

// ColumnType is what a column holds, the same on both engines.
type ColumnType string

// The types of columns.
const (
	TextColumn    ColumnType = "text"
	IntegerColumn ColumnType = "integer"
	BytesColumn   ColumnType = "bytes"
)

// DumpColumn is a column of a dumped table.
type DumpColumn struct {
	Name string     `json:"name"`
	Type ColumnType `json:"type"`
}

// DumpTable is a dumped table.
type DumpTable struct {
	Name    string       `json:"name"`
	Columns []DumpColumn `json:"columns"`
}

// DumpHead says what a dump holds.
type DumpHead struct {
	Engine        Engine      `json:"engine"`
	Schema        int64       `json:"schema"`
	Organizations []OrgID     `json:"organizations"`
	MasterKeys    []uint32    `json:"master_keys"` // that wrap the data keys; they are not in the dump
	Tables        []DumpTable `json:"tables"`      // parents before children
}

// DumpSink takes a dump piece by piece. The values are strings, int64s, byte
// slices or nil, and belong to the dump after the call.
type DumpSink interface {
	Head(DumpHead) error
	Row(table int, values []any) error
}

// transient tables are not dumped: who is logged in, what was tried, which
// processes run. A restore must not bring back a login that was ended.
var transient = []string{"sessions", "login_throttle", "job_runners", "password_resets", "email_changes", "account_links"}

func dumped(table string) bool {
	return !strings.HasPrefix(table, "river_") && !strings.HasPrefix(table, "sqlite_") && table != "goose_db_version" && !slices.Contains(transient, table)
}

// dumpTable is a table with how it is reached on PostgreSQL.
type dumpTable struct {
	DumpTable
	systemReads  bool
	systemWrites bool
	identity     string // column whose values the database makes; empty = none
	parents      []string
}

func (t dumpTable) column(name string) int {
	return slices.IndexFunc(t.Columns, func(c DumpColumn) bool { return c.Name == name })
}

// Dump hands the whole content, as it stands at one moment, to a sink, in a form
// that is the same on both engines. Everybody else goes on reading and writing.
// Sealed values stay sealed.
func (s *Store) Dump(ctx context.Context, sink DumpSink) error {
	options := &sql.TxOptions{ReadOnly: true}
	if s.engine == EnginePostgres {
		options.Isolation = sql.LevelRepeatableRead
	}
	t, err := s.read.BeginTx(ctx, options)
	if err != nil {
		return s.translate(fmt.Errorf("begin: %w", err))
	}
	defer func() { _ = t.Rollback() }()
	d := &dumper{store: s, sql: t, sink: sink}
	if err := d.run(ctx); err != nil {
		return s.translate(fmt.Errorf("dump the database: %w", err))
	}
	return nil
}

type dumper struct {
	store *Store
	sql   *sql.Tx
	sink  DumpSink
}

func (d *dumper) run(ctx context.Context) error {
	head := DumpHead{Engine: d.store.engine}
	if err := d.sql.QueryRowContext(ctx, `SELECT max(version_id) FROM goose_db_version`).Scan(&head.Schema); err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	tables, err := listTables(ctx, d.sql, d.store.engine)
	if err != nil {
		return err
	}
	for _, t := range tables {
		head.Tables = append(head.Tables, t.DumpTable)
	}
	if err := d.organizations(ctx, &head); err != nil {
		return err
	}
	if err := d.sink.Head(head); err != nil {
		return err
	}
	for i, t := range tables {
		if d.store.engine != EnginePostgres || t.systemReads {
			if err := become(ctx, d.sql, d.store.engine, ""); err != nil {
				return err
			}
			if err := d.table(ctx, i, t, ``); err != nil {
				return err
			}
			continue
		}
		for _, org := range head.Organizations {
			if err := become(ctx, d.sql, d.store.engine, org); err != nil {
				return err
			}
			if err := d.table(ctx, i, t, ` WHERE org_id = $1`, string(org)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *dumper) organizations(ctx context.Context, head *DumpHead) error {
	if err := become(ctx, d.sql, d.store.engine, ""); err != nil {
		return err
	}
	rows, err := d.sql.QueryContext(ctx, `SELECT id, data_key FROM organizations ORDER BY id`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var org OrgID
		var stored []byte
		if err := rows.Scan(&org, &stored); err != nil {
			return err
		}
		head.Organizations = append(head.Organizations, org)
		wrapped, err := d.store.erasure.open(org, stored)
		if errs.CodeOf(err) == "erasure_key_missing" {
			continue
		}
		if err != nil {
			return err
		}
		if id, ok := keys.KeyID(wrapped); ok && !slices.Contains(head.MasterKeys, id) {
			head.MasterKeys = append(head.MasterKeys, id)
		}
	}
	return rows.Err()
}

func (d *dumper) table(ctx context.Context, index int, t dumpTable, where string, args ...any) error {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	query := `SELECT ` + strings.Join(names, ", ") + ` FROM ` + t.Name + where //nolint:gosec // G202: names from the database's own catalog, conditions from this package
	rows, err := d.sql.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", t.Name, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		values := make([]any, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read %s: %w", t.Name, err)
		}
		if err := d.sink.Row(index, values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// become changes what a transaction sees on PostgreSQL: one organization, or
// what the system role sees when org is empty.
func become(ctx context.Context, t *sql.Tx, engine Engine, org OrgID) error {
	if engine != EnginePostgres {
		return nil
	}
	role, system := "metalens_app", "off"
	if org == "" {
		role, system = "metalens_system", "on"
	}
	if _, err := t.ExecContext(ctx, `SELECT set_config('role', $1, true), set_config('metalens.org_id', $2, true), set_config('metalens.system', $3, true)`,
		role, string(org), system); err != nil {
		return fmt.Errorf("change the role: %w", err)
	}
	return nil
}

// listTables lists the tables that are dumped, parents before children.
func listTables(ctx context.Context, t *sql.Tx, engine Engine) ([]dumpTable, error) {
	query := `SELECT m.name, c.name, lower(c.type), 1, 1, 0 FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid`
	parents := `SELECT m.name, f."table" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`
	if engine == EnginePostgres {
		query = `SELECT c.relname, a.attname, format_type(a.atttypid, -1),
			CASE WHEN has_table_privilege('metalens_system', c.oid, 'SELECT') AND p.ok THEN 1 ELSE 0 END,
			CASE WHEN has_table_privilege('metalens_system', c.oid, 'INSERT') AND p.ok THEN 1 ELSE 0 END,
			CASE WHEN a.attidentity <> '' THEN 1 ELSE 0 END
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			CROSS JOIN LATERAL (SELECT NOT c.relrowsecurity OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid
				AND p.polroles @> ARRAY['metalens_system'::regrole::oid]) AS ok) p
			WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname, a.attnum`
		parents = `SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace`
	}
	var list []dumpTable
	err := each(ctx, t, query, func(r *sql.Rows) error {
		var table, column, kind string
		var reads, writes, identity int
		if err := r.Scan(&table, &column, &kind, &reads, &writes, &identity); err != nil || !dumped(table) {
			return err
		}
		if n := len(list); n == 0 || list[n-1].Name != table {
			list = append(list, dumpTable{DumpTable: DumpTable{Name: table}, systemReads: reads == 1, systemWrites: writes == 1})
		}
		last := &list[len(list)-1]
		as, err := columnType(table, column, kind)
		last.Columns = append(last.Columns, DumpColumn{column, as})
		if identity == 1 {
			last.identity = column
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	err = each(ctx, t, parents, func(r *sql.Rows) error {
		var child, parent string
		err := r.Scan(&child, &parent)
		if at := slices.IndexFunc(list, func(t dumpTable) bool { return t.Name == child }); at >= 0 && parent != child {
			list[at].parents = append(list[at].parents, parent)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	return parentsFirst(list), nil
}

func each(ctx context.Context, t *sql.Tx, query string, do func(*sql.Rows) error) error {
	rows, err := t.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func columnType(table, column, kind string) (ColumnType, error) {
	switch kind {
	case "text":
		return TextColumn, nil
	case "integer", "bigint", "smallint":
		return IntegerColumn, nil
	case "blob", "bytea":
		return BytesColumn, nil
	}
	return "", errs.New(errs.Internal, "unknown_column", fmt.Sprintf("Column %s.%s has a type that backups do not know: %s.", table, column, kind), "")
}

func parentsFirst(list []dumpTable) []dumpTable {
	var sorted []dumpTable
	done := map[string]bool{}
	var add func(t dumpTable)
	add = func(t dumpTable) {
		if done[t.Name] {
			return
		}
		done[t.Name] = true
		for _, parent := range t.parents {
			if at := slices.IndexFunc(list, func(t dumpTable) bool { return t.Name == parent }); at >= 0 {
				add(list[at])
			}
		}
		sorted = append(sorted, t)
	}
	for _, t := range list {
		add(t)
	}
	return sorted
}
