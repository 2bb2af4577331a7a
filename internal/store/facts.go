package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/metalens/metalens/internal/finding"
)

// Facts are sealed records of which a connection has one each.

func (tx *Tx) setFact(ctx context.Context, conn ConnectionID, name string, record any) error {
	sealed, err := tx.sealJSON("connection_facts", string(conn)+"/"+name, record)
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `INSERT INTO connection_facts (org_id, connection_id, name, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (org_id, connection_id, name) DO UPDATE SET body = excluded.body`, tx.org, conn, name, sealed); err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return nil
}

func (tx *Tx) fact(ctx context.Context, conn ConnectionID, name string, record any) error {
	var sealed []byte
	err := tx.sql.QueryRowContext(ctx, `SELECT body FROM connection_facts WHERE org_id = $1 AND connection_id = $2 AND name = $3`, tx.org, conn, name).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, tx.store.translate(err))
	}
	return tx.openJSON("connection_facts", string(conn)+"/"+name, sealed, record)
}

// NotEvaluated lists what the checks could not judge at the newest scan.
func (tx *Tx) NotEvaluated(ctx context.Context, conn ConnectionID) ([]finding.NotEvaluated, error) {
	var list []finding.NotEvaluated
	err := tx.fact(ctx, conn, factNotEvaluated, &list)
	return list, err
}
