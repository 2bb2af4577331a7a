package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

// connectionBody is the sealed part of a connection.
type connectionBody struct {
	Name    string            `json:"name"`
	URL     string            `json:"url"`
	Auth    AuthKind          `json:"auth"`
	Options ConnectionOptions `json:"options"`
}

const connectionColumns = `id, body, schedule, next_run_at, created_at, updated_at`

// nameKey finds a connection by name without the name being readable.
func (tx *Tx) nameKey(name string) []byte {
	return tx.key.MAC("connection name", []byte(strings.ToLower(strings.TrimSpace(name))))
}

func (tx *Tx) scanConnection(row interface{ Scan(...any) error }) (Connection, error) {
	var c Connection
	var body []byte
	var next, created, updated int64
	if err := row.Scan(&c.ID, &body, &c.Schedule, &next, &created, &updated); err != nil {
		return Connection{}, err
	}
	var b connectionBody
	if err := tx.openJSON("connections", string(c.ID), body, &b); err != nil {
		return Connection{}, err
	}
	c.Name, c.URL, c.Auth, c.Options = b.Name, b.URL, b.Auth, b.Options
	c.NextRunAt, c.CreatedAt, c.UpdatedAt = fromMicros(next), fromMicros(created), fromMicros(updated)
	return c, nil
}

// Connections lists all connections by name.
func (tx *Tx) Connections(ctx context.Context) ([]Connection, error) {
	var list []Connection
	err := tx.rows(ctx, `SELECT `+connectionColumns+` FROM connections WHERE org_id = $1`, []any{tx.org}, func(r *sql.Rows) error {
		c, err := tx.scanConnection(r)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	slices.SortFunc(list, func(a, b Connection) int {
		return strings.Compare(strings.ToLower(a.Name)+"\x00"+string(a.ID), strings.ToLower(b.Name)+"\x00"+string(b.ID))
	})
	return list, nil
}

// Connection reads one connection.
func (tx *Tx) Connection(ctx context.Context, id ConnectionID) (Connection, error) {
	return tx.connectionWhere(ctx, `id = $2`, id)
}

// ConnectionByName reads one connection by its name, whatever its case.
func (tx *Tx) ConnectionByName(ctx context.Context, name string) (Connection, error) {
	return tx.connectionWhere(ctx, `name_key = $2`, tx.nameKey(name))
}

func (tx *Tx) connectionWhere(ctx context.Context, where string, arg any) (Connection, error) {
	c, err := tx.scanConnection(tx.sql.QueryRowContext(ctx, `SELECT `+connectionColumns+` FROM connections WHERE org_id = $1 AND `+where, tx.org, arg))
	if errors.Is(err, sql.ErrNoRows) {
		return Connection{}, notFound("connection")
	}
	if err != nil {
		return Connection{}, fmt.Errorf("read a connection: %w", tx.store.translate(err))
	}
	return c, nil
}

// InsertConnection stores a new connection and returns it with its id (made
// here when empty) and times. A name that is taken is errs.Conflict, code
// connection_exists.
func (tx *Tx) InsertConnection(ctx context.Context, c Connection) (Connection, error) {
	if c.ID == "" {
		id, err := newID()
		if err != nil {
			return Connection{}, err
		}
		c.ID = ConnectionID(id)
	}
	now := tx.store.now()
	c.CreatedAt, c.UpdatedAt = fromMicros(micros(now)), fromMicros(micros(now))
	body, err := tx.sealConnection(c)
	if err != nil {
		return Connection{}, err
	}
	_, err = tx.exec(ctx, `INSERT INTO connections (org_id, id, name_key, body, schedule, next_run_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		tx.org, c.ID, tx.nameKey(c.Name), body, c.Schedule, micros(c.NextRunAt), micros(c.CreatedAt), micros(c.UpdatedAt))
	if err != nil {
		return Connection{}, fmt.Errorf("insert a connection: %w", nameTaken(err))
	}
	return c, nil
}

func (tx *Tx) sealConnection(c Connection) ([]byte, error) {
	return tx.sealJSON("connections", string(c.ID), connectionBody{Name: c.Name, URL: c.URL, Auth: c.Auth, Options: c.Options})
}

func nameTaken(err error) error {
	if errs.KindOf(err) == errs.Conflict && errs.CodeOf(err) == "already_exists" {
		return errs.Wrap(err, errs.Conflict, "connection_exists", "There is a connection of this name already.", "Choose another name.")
	}
	return err
}

// UpdateConnection replaces everything but the id, the credential and the time
// of creation.
func (tx *Tx) UpdateConnection(ctx context.Context, c Connection) error {
	body, err := tx.sealConnection(c)
	if err != nil {
		return err
	}
	return nameTaken(tx.one(ctx, "connection", `UPDATE connections SET name_key = $3, body = $4, schedule = $5, next_run_at = $6, updated_at = $7
		WHERE org_id = $1 AND id = $2`, tx.org, c.ID, tx.nameKey(c.Name), body, c.Schedule, micros(c.NextRunAt), micros(tx.store.now())))
}

// SetNextRun says when the connection's next scheduled scan is due; the zero
// time switches the schedule's clock off.
func (tx *Tx) SetNextRun(ctx context.Context, id ConnectionID, next time.Time) error {
	return tx.one(ctx, "connection", `UPDATE connections SET next_run_at = $3 WHERE org_id = $1 AND id = $2`, tx.org, id, micros(next))
}

// DeleteConnection deletes a connection with its credential and everything that
// was read through it, and puts the deletion on record.
func (tx *Tx) DeleteConnection(ctx context.Context, id ConnectionID) error {
	t, err := newTombstone(DeletedConnection, string(id), tx.store.now())
	if err != nil {
		return err
	}
	tx.wipeAfter()
	if err := tx.dropConnectionPayloads(ctx, tx.org, string(id)); err != nil {
		return err
	}
	if err := tx.one(ctx, "connection", `DELETE FROM connections WHERE org_id = $1 AND id = $2`, tx.org, id); err != nil {
		return err
	}
	return tx.bury(ctx, t)
}

// SetCredential stores the connection's key; an empty value deletes it.
func (tx *Tx) SetCredential(ctx context.Context, id ConnectionID, v secret.Value) error {
	var sealed any
	if err := tx.lockConnection(ctx, id); err != nil { // it must exist before a key can refer to it
		return err
	}
	if err := tx.dropCredential(ctx, id); err != nil {
		return err
	}
	if !v.IsZero() {
		b, err := tx.sealCredential(ctx, id, []byte(v.Expose()))
		if err != nil {
			return err
		}
		sealed = b
	}
	return tx.one(ctx, "connection", `UPDATE connections SET credential = $3, updated_at = $4 WHERE org_id = $1 AND id = $2`,
		tx.org, id, sealed, micros(tx.store.now()))
}

// Credential returns the connection's key; errs.NotFound, code no_credential,
// when none is stored.
func (tx *Tx) Credential(ctx context.Context, id ConnectionID) (secret.Value, error) {
	var sealed []byte
	if err := tx.scanOne(ctx, "connection", `SELECT credential FROM connections WHERE org_id = $1 AND id = $2`, []any{tx.org, id}, &sealed); err != nil {
		return secret.Value{}, err
	}
	if len(sealed) == 0 {
		return secret.Value{}, errs.New(errs.NotFound, "no_credential", "No key is stored for this connection.", "Enter a Metabase API key for it.")
	}
	plain, err := tx.openCredential(ctx, id, sealed)
	if err != nil {
		return secret.Value{}, fmt.Errorf("open the credential: %w", err)
	}
	return secret.New(string(plain)), nil
}

// lockConnection makes other writers of the connection wait until this
// transaction ends. On SQLite the transaction has the whole database already.
func (tx *Tx) lockConnection(ctx context.Context, id ConnectionID) error {
	query := `SELECT last_seq FROM connections WHERE org_id = $1 AND id = $2`
	if tx.store.engine == EnginePostgres {
		query += ` FOR UPDATE`
	}
	var seq int64
	return tx.scanOne(ctx, "connection", query, []any{tx.org, id}, &seq)
}

// OwnReads returns how often we ourselves read each dashboard in detail, which
// Metabase counts as views.
func (tx *Tx) OwnReads(ctx context.Context, conn ConnectionID) (map[string]int64, error) {
	reads := map[string]int64{}
	err := tx.rows(ctx, `SELECT dashboard_id, reads FROM own_reads WHERE org_id = $1 AND connection_id = $2`, []any{tx.org, conn}, func(r *sql.Rows) error {
		var id string
		var n int64
		err := r.Scan(&id, &n)
		reads[id] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read our own dashboard reads: %w", err)
	}
	return reads, nil
}

// AddOwnReads counts further reads.
func (tx *Tx) AddOwnReads(ctx context.Context, conn ConnectionID, reads map[string]int64) error {
	ids := make([]string, 0, len(reads))
	for id := range reads {
		ids = append(ids, id)
	}
	slices.Sort(ids) // one order for all writers: no deadlock
	for _, id := range ids {
		_, err := tx.exec(ctx, `INSERT INTO own_reads (org_id, connection_id, dashboard_id, reads) VALUES ($1, $2, $3, $4)
			ON CONFLICT (org_id, connection_id, dashboard_id) DO UPDATE SET reads = own_reads.reads + excluded.reads`, tx.org, conn, id, reads[id])
		if err != nil {
			return fmt.Errorf("count our own dashboard reads: %w", err)
		}
	}
	return nil
}
