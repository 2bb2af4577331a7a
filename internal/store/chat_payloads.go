package store

import (
	"context"
	"database/sql"
	"fmt"
)

// PayloadsOf lists the ledger rows whose payloads belong to something, such as a
// chat, the oldest first. Payloads that were not kept, or are gone, are not in it.
func (tx *Tx) PayloadsOf(ctx context.Context, subject string) ([]LedgerRow, error) {
	var ids []string
	err := tx.rows(ctx, `SELECT id FROM egress_payloads WHERE org_id = $1 AND subject = $2 ORDER BY at, id`, []any{tx.org, subject}, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list payloads: %w", err)
	}
	list := make([]LedgerRow, 0, len(ids))
	for _, id := range ids {
		row, err := tx.LedgerRow(ctx, id)
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, nil
}
