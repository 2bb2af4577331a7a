package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
)

const (
	// resealBatch is how many values one transaction seals again: small enough
	// that nobody waits long for it.
	resealBatch = 100
	resealRest  = 2 * time.Millisecond
)

// sealing is the key of a column as a transaction has it.
type sealing struct {
	primary uint32
	open    func(sealed []byte, table, row string) ([]byte, error)
	seal    func(plain []byte, table, row string) []byte
}

func dataSealing(d *keys.DataKey) sealing {
	return sealing{d.Primary(), d.Open, d.Seal}
}

// header is how every value starts that the key seals now.
func (k sealing) header() []byte {
	return binary.BigEndian.AppendUint32([]byte{1}, k.primary)
}

// inColumn runs fn in a writing transaction that reaches a column's table, with
// the key that seals it. org is empty for what belongs to the installation.
func (s *Store) inColumn(ctx context.Context, c SealedColumn, org OrgID, write bool, fn func(context.Context, core, sealing) error) error {
	ctx = access.AsSystem(ctx)
	if c.sees == tenantSide {
		return s.inOrg(ctx, org, write, func(ctx context.Context, tx *Tx) error { return fn(ctx, tx.core, dataSealing(tx.key)) })
	}
	return s.inSystem(ctx, write, func(ctx context.Context, tx *SystemTx) error {
		if c.by == byMaster {
			m := s.master
			return fn(ctx, tx.core, sealing{
				m.Primary(),
				func(sealed []byte, table, row string) ([]byte, error) { return m.Open(sealed, table, row) },
				func(plain []byte, table, row string) []byte { return m.Seal(plain, table, row) },
			})
		}
		within, err := tx.within(ctx, org)
		if err != nil {
			return err
		}
		return fn(ctx, tx.core, dataSealing(within.key))
	})
}

// scope is the condition that a column's rows belong to what is rotated, with
// its arguments.
func (c SealedColumn) scope(org OrgID) (string, []any) {
	switch {
	case c.systemRows:
		return `org_id = ''`, nil
	case c.by == bySystem || c.by == byMaster:
		return `1 = 1`, nil
	}
	return `org_id = $1`, []any{string(org)}
}

// stale counts the values of a column that another key than the current one
// sealed.
func (s *Store) stale(ctx context.Context, c SealedColumn, org OrgID) (n int64, err error) {
	err = s.inColumn(ctx, c, org, false, func(ctx context.Context, t core, key sealing) error {
		where, args := c.scope(org)
		args = append(args, key.header())
		return t.scanOne(ctx, c.Table, fmt.Sprintf(`SELECT count(*) FROM %s WHERE %s AND length(%s) > 0 AND substr(%s, 1, 5) <> $%d`,
			c.Table, where, c.Column, c.Column, len(args)), args, &n)
	})
	return n, err
}

// walk is one run through a column.
type walk struct {
	column  SealedColumn
	org     OrgID
	after   []any // key of the last row seen; nil at the start
	damaged int64 // values that no key opens at their place
}

// next seals the next batch again and reports how many values it saw; 0 at the
// end. A row that somebody else works on is left for the next run.
func (s *Store) next(ctx context.Context, w *walk) (n int, err error) {
	var damaged int64
	after := w.after
	err = s.inColumn(ctx, w.column, w.org, true, func(ctx context.Context, t core, key sealing) error {
		rows, err := t.staleRows(ctx, w, key)
		if err != nil {
			return err
		}
		for _, row := range rows {
			after = row.key
			table, name := w.column.place(row.key)
			plain, err := key.open(row.sealed, table, name)
			if errors.Is(err, keys.ErrOpen) {
				damaged++
				continue
			}
			if err != nil {
				return err
			}
			fresh := key.seal(plain, table, name)
			clear(plain)
			if err := t.putSealed(ctx, w, row.key, fresh); err != nil {
				return err
			}
		}
		n = len(rows)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("seal %s again: %w", w.column.Name(), err)
	}
	w.after, w.damaged = after, w.damaged+damaged
	return n, nil
}

type staleRow struct {
	key    []any
	sealed []byte
}

func (c *core) staleRows(ctx context.Context, w *walk, key sealing) ([]staleRow, error) {
	where, args := w.column.scope(w.org)
	args = append(args, key.header())
	query := fmt.Sprintf(`SELECT %s, %s FROM %s WHERE %s AND length(%s) > 0 AND substr(%s, 1, 5) <> $%d`,
		strings.Join(w.column.key, ", "), w.column.Column, w.column.Table, where, w.column.Column, w.column.Column, len(args))
	if w.after != nil {
		var marks []string
		for _, v := range w.after {
			args = append(args, v)
			marks = append(marks, fmt.Sprintf("$%d", len(args)))
		}
		query += fmt.Sprintf(` AND (%s) > (%s)`, strings.Join(w.column.key, ", "), strings.Join(marks, ", "))
	}
	query += fmt.Sprintf(` ORDER BY %s LIMIT %d`, strings.Join(w.column.key, ", "), resealBatch)
	if c.store.engine == EnginePostgres {
		query += ` FOR UPDATE SKIP LOCKED` // never waits while it holds rows: nobody can be locked out
	}
	var list []staleRow
	err := c.rows(ctx, query, args, func(r *sql.Rows) error {
		row := staleRow{key: make([]any, len(w.column.key))}
		into := make([]any, 0, len(row.key)+1)
		for i := range row.key {
			into = append(into, &row.key[i])
		}
		err := r.Scan(append(into, &row.sealed)...)
		list = append(list, row)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", w.column.Name(), err)
	}
	return list, nil
}

func (c *core) putSealed(ctx context.Context, w *walk, key []any, sealed []byte) error {
	where, args := w.column.scope(w.org)
	args = append(args, sealed)
	query := fmt.Sprintf(`UPDATE %s SET %s = $%d WHERE %s`, w.column.Table, w.column.Column, len(args), where)
	for i, name := range w.column.key {
		args = append(args, key[i])
		query += fmt.Sprintf(` AND %s = $%d`, name, len(args))
	}
	if _, err := c.exec(ctx, query, args...); err != nil {
		return fmt.Errorf("store %s: %w", w.column.Name(), err)
	}
	return nil
}

// reseal seals all values of some columns again until none is left that another
// key sealed. It returns an error of code key_damaged when some do not open: the
// old key must stay then.
func (s *Store) reseal(ctx context.Context, columns []SealedColumn, org OrgID, progress func(part string, n int) error) error {
	for {
		var left, damaged int64
		for _, c := range columns {
			w := &walk{column: c, org: org}
			for {
				began := time.Now()
				n, err := s.resealNext(ctx, w)
				if err != nil {
					return err
				}
				if n == 0 {
					break
				}
				if err := progress(c.Table, n); err != nil {
					return err
				}
				// As long a rest as the work took: others get their turn.
				if err := pause(ctx, max(resealRest, time.Since(began))); err != nil {
					return err
				}
			}
			stale, err := s.staleOf(ctx, c, org)
			if err != nil {
				return err
			}
			left, damaged = left+stale, damaged+w.damaged
		}
		switch {
		case left == 0:
			return nil
		case left <= damaged:
			return errs.New(errs.Conflict, "key_damaged", fmt.Sprintf("%d stored values cannot be decrypted, so the old key was kept.", damaged),
				"They were damaged or moved. Run metalens doctor; restore a backup if they matter. Everything else has the new key.")
		}
		if err := pause(ctx, awaitEvery); err != nil { // rows that others held
			return err
		}
	}
}
