package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// SealedValue is a stored value of a sealed column, for tests.
type SealedValue struct {
	Column SealedColumn
	Org    OrgID
	Key    []any
	Bytes  []byte
}

// Installation reports whether the column holds what belongs to no organization.
func (c SealedColumn) Installation() bool { return c.by == bySystem || c.by == byMaster }

// SealedValues reads up to limit values of a column, as they are stored.
func (s *Store) SealedValues(ctx context.Context, c SealedColumn, org OrgID, limit int) (list []SealedValue, err error) {
	err = s.inColumn(ctx, c, org, false, func(ctx context.Context, t core, _ sealing) error {
		where, args := c.scope(org)
		return t.rows(ctx, fmt.Sprintf(`SELECT %s, %s FROM %s WHERE %s AND length(%s) > 0 LIMIT %d`,
			strings.Join(c.key, ", "), c.Column, c.Table, where, c.Column, limit), args, func(r *sql.Rows) error {
			v := SealedValue{Column: c, Org: org, Key: make([]any, len(c.key))}
			var into []any
			for i := range v.Key {
				into = append(into, &v.Key[i])
			}
			err := r.Scan(append(into, &v.Bytes)...)
			list = append(list, v)
			return err
		})
	})
	return list, err
}

// OpenAt tries to open other values at the place of v.
func (s *Store) OpenAt(ctx context.Context, v SealedValue, others [][]byte) (errs []error, err error) {
	err = s.inColumn(ctx, v.Column, v.Org, false, func(ctx context.Context, t core, key sealing) error {
		for _, other := range others {
			if v.Column.by == byConnection {
				continue
			}
			table, row := v.Column.place(v.Key)
			_, err := key.open(other, table, row)
			errs = append(errs, err)
		}
		return nil
	})
	if err == nil && v.Column.by == byConnection {
		err = s.ViewOrg(ctx, v.Org, func(ctx context.Context, tx *Tx) error {
			for _, other := range others {
				_, err := tx.openCredential(ctx, ConnectionID(keyText(v.Key[0])), other)
				errs = append(errs, err)
			}
			return nil
		})
	}
	return errs, err
}
