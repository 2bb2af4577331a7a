package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Settings lists all settings of the organization by name.
func (tx *Tx) Settings(ctx context.Context) (map[string]string, error) {
	list := map[string]string{}
	err := tx.rows(ctx, `SELECT name, body FROM settings WHERE org_id = $1 ORDER BY name`, []any{tx.org}, func(r *sql.Rows) error {
		var name, value string
		var sealed []byte
		if err := r.Scan(&name, &sealed); err != nil {
			return err
		}
		err := tx.openJSON("settings", name, sealed, &value)
		list[name] = value
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the settings: %w", err)
	}
	return list, nil
}
