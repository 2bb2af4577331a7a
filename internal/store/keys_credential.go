package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
)

// A credential is sealed by a key of its connection's own, which the
// organization's data key seals in another table. When a connection goes, that
// small table is cleaned at once on both engines, so that a copy of the
// credential that is left somewhere (a dead row, a free page) has no key.

const (
	credentialPlace    = "connections.credential"
	connectionKeyPlace = "connection_keys"
)

// sealCredential seals a credential by a new key of the connection.
func (tx *Tx) sealCredential(ctx context.Context, id ConnectionID, plain []byte) ([]byte, error) {
	set, err := keys.Generate()
	if err != nil {
		return nil, err
	}
	body := tx.key.Seal([]byte(set.Text().Expose()), connectionKeyPlace, string(id))
	if _, err := tx.exec(ctx, `INSERT INTO connection_keys (org_id, connection_id, body) VALUES ($1, $2, $3)
		ON CONFLICT (org_id, connection_id) DO UPDATE SET body = excluded.body`, tx.org, id, body); err != nil {
		return nil, fmt.Errorf("store the connection's key: %w", err)
	}
	return set.Seal(plain, string(tx.org), credentialPlace, string(id)), nil
}

// openCredential opens a stored credential. Those from before connections had
// keys were sealed by the organization's data key.
func (tx *Tx) openCredential(ctx context.Context, id ConnectionID, sealed []byte) ([]byte, error) {
	var body []byte
	err := tx.scanOne(ctx, "connection key", `SELECT body FROM connection_keys WHERE org_id = $1 AND connection_id = $2`, []any{tx.org, id}, &body)
	if errs.KindOf(err) == errs.NotFound {
		return tx.key.Open(sealed, credentialPlace, string(id))
	}
	if err != nil {
		return nil, err
	}
	text, err := tx.key.Open(body, connectionKeyPlace, string(id))
	if err != nil {
		return nil, err
	}
	set, err := keys.Parse(secret.New(string(text)))
	clear(text)
	if err != nil {
		return nil, keys.ErrOpen
	}
	return set.Open(sealed, string(tx.org), credentialPlace, string(id))
}

// dropCredential destroys the connection's key, where it has one.
func (tx *Tx) dropCredential(ctx context.Context, id ConnectionID) error {
	n, err := tx.exec(ctx, `DELETE FROM connection_keys WHERE org_id = $1 AND connection_id = $2`, tx.org, id)
	if err != nil {
		return fmt.Errorf("destroy the connection's key: %w", err)
	}
	if n > 0 {
		tx.wipeAfter()
	}
	return nil
}

// wipeAfter has the database's files forget a deleted key once the transaction
// has committed.
func (c *core) wipeAfter() {
	if c.wipe != nil {
		*c.wipe = true
	}
}

// The credentials that a rotation still has to seal again: those whose
// connection's key another data key sealed, and those without such a key.
const staleCredentials = ` FROM connections c LEFT JOIN connection_keys k ON k.org_id = c.org_id AND k.connection_id = c.id
	WHERE c.org_id = $1 AND c.credential IS NOT NULL AND length(c.credential) > 0 AND (k.body IS NULL OR substr(k.body, 1, 5) <> $2)`

func (s *Store) staleOf(ctx context.Context, c SealedColumn, org OrgID) (n int64, err error) {
	if c.by != byConnection {
		return s.stale(ctx, c, org)
	}
	err = s.inColumn(ctx, c, org, false, func(ctx context.Context, t core, key sealing) error {
		return t.scanOne(ctx, c.Table, `SELECT count(*)`+staleCredentials, []any{string(org), key.header()}, &n)
	})
	return n, err
}

func (s *Store) resealNext(ctx context.Context, w *walk) (int, error) {
	if w.column.by != byConnection {
		return s.next(ctx, w)
	}
	n, err := s.nextCredentials(ctx, w)
	if err != nil {
		return 0, fmt.Errorf("seal the credentials again: %w", err)
	}
	return n, nil
}

// nextCredentials gives the next connections new keys of their own.
func (s *Store) nextCredentials(ctx context.Context, w *walk) (n int, err error) {
	var damaged int64
	last := ""
	if w.after != nil {
		last = keyText(w.after[0])
	}
	err = s.InOrg(access.AsSystem(ctx), w.org, func(ctx context.Context, tx *Tx) error {
		var ids []ConnectionID
		query := `SELECT c.id` + staleCredentials + fmt.Sprintf(` AND c.id > $3 ORDER BY c.id LIMIT %d`, resealBatch)
		if s.engine == EnginePostgres {
			query += ` FOR UPDATE OF c SKIP LOCKED`
		}
		err := tx.rows(ctx, query, []any{string(tx.org), dataSealing(tx.key).header(), last}, func(r *sql.Rows) error {
			var id ConnectionID
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			last = string(id)
			plain, err := tx.Credential(ctx, id)
			if errors.Is(err, keys.ErrOpen) {
				damaged++
				continue
			}
			if err != nil {
				return err
			}
			sealed, err := tx.sealCredential(ctx, id, []byte(plain.Expose()))
			if err != nil {
				return err
			}
			if err := tx.one(ctx, "connection", `UPDATE connections SET credential = $3 WHERE org_id = $1 AND id = $2`, tx.org, id, sealed); err != nil {
				return err
			}
		}
		n = len(ids)
		return nil
	})
	if err != nil {
		return 0, err
	}
	w.after, w.damaged = []any{last}, w.damaged+damaged
	return n, nil
}
