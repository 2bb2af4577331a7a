package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Setting reads one of the organization's settings; ok is false when it is not
// set.
func (tx *Tx) Setting(ctx context.Context, key string) (value string, ok bool, err error) {
	var sealed []byte
	err = tx.sql.QueryRowContext(ctx, `SELECT body FROM settings WHERE org_id = $1 AND name = $2`, tx.org, key).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read setting %s: %w", key, tx.store.translate(err))
	}
	return value, true, tx.openJSON("settings", key, sealed, &value)
}

// SetSetting stores a setting, sealed.
func (tx *Tx) SetSetting(ctx context.Context, key, value string) error {
	sealed, err := tx.sealJSON("settings", key, value)
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `INSERT INTO settings (org_id, name, body) VALUES ($1, $2, $3)
		ON CONFLICT (org_id, name) DO UPDATE SET body = excluded.body`, tx.org, key, sealed); err != nil {
		return fmt.Errorf("store setting %s: %w", key, err)
	}
	return nil
}

// DeleteSetting forgets a setting.
func (tx *Tx) DeleteSetting(ctx context.Context, key string) error {
	if _, err := tx.exec(ctx, `DELETE FROM settings WHERE org_id = $1 AND name = $2`, tx.org, key); err != nil {
		return fmt.Errorf("delete setting %s: %w", key, err)
	}
	return nil
}
