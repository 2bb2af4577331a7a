package store

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

// Checkpoints are signed by a key that signs nothing else. It is sealed by the
// system's key, so that whoever can write to the database alone can forge none.

const signingPurpose = "checkpoints"

// openSigner reads the signing key and makes it where there is none. A key that
// the master key does not open leaves the store without one: nothing can be
// signed, everything else works.
func (s *Store) openSigner(ctx context.Context) error {
	err := s.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		signer, err := tx.signer(ctx)
		if err == nil || errs.KindOf(err) != errs.NotFound {
			s.signer = signer
			return err
		}
		fresh, err := ledger.NewSigner()
		if err != nil {
			return err
		}
		within, err := tx.within(ctx, systemOrg)
		if err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `INSERT INTO signing_keys (purpose, key_id, public_key, private_key, created_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (purpose) DO NOTHING`, signingPurpose, fresh.ID(), []byte(fresh.Public()),
			within.key.Seal(fresh.Seed(), "signing_keys", signingPurpose), micros(s.now())); err != nil {
			return fmt.Errorf("store the signing key: %w", err)
		}
		s.signer, err = tx.signer(ctx) // another process may have been faster
		return err
	})
	if code := errs.CodeOf(err); code == signingCode || code == "wrong_master_key" {
		s.log.ErrorContext(ctx, "the key that signs checkpoints cannot be opened; the logs' chains are not signed", slog.String("error", err.Error()))
		return nil
	}
	return err
}

const (
	signingCode = "signing_key"
	signingText = "The key that signs the logs' checkpoints cannot be used."
	signingHint = "Check that the master key is the one this database was made with."
)

var errSigningKey = errs.New(errs.Internal, signingCode, signingText, signingHint)

// signer opens the stored key. What the database says about its public half is
// not believed: it follows from the secret one.
func (tx *SystemTx) signer(ctx context.Context) (*ledger.Signer, error) {
	var sealed []byte
	if err := tx.scanOne(ctx, "signing key", `SELECT private_key FROM signing_keys WHERE purpose = $1`, []any{signingPurpose}, &sealed); err != nil {
		return nil, err
	}
	within, err := tx.within(ctx, systemOrg)
	if err != nil {
		return nil, err
	}
	seed, err := within.key.Open(sealed, "signing_keys", signingPurpose)
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, signingCode, signingText, signingHint)
	}
	defer clear(seed)
	return ledger.ReadSigner(seed)
}

// SigningKey returns the public key of checkpoints; errs.NotFound before the
// first start.
func (s *Store) SigningKey(ctx context.Context) (public ed25519.PublicKey, err error) {
	err = s.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		signer, err := tx.signer(ctx)
		if err == nil {
			public = signer.Public()
		}
		return err
	})
	return public, err
}

// checkpoint signs and stores a statement about a chain.
func (c *core) checkpoint(ctx context.Context, p ledger.Checkpoint) (ledger.Checkpoint, error) {
	if c.store.signer == nil {
		return p, errSigningKey
	}
	id, err := newID()
	if err != nil {
		return p, err
	}
	p.At = fromMicros(micros(c.store.now()))
	p = c.store.signer.Sign(p)
	if _, err := c.exec(ctx, `INSERT INTO chain_checkpoints (org_id, chain, id, kind, seq, link, at, before, key_id, signature)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, p.Org, string(p.Chain), id, string(p.Kind), p.Seq, p.Link,
		micros(p.At), micros(p.Before), p.KeyID, p.Signature); err != nil {
		return p, fmt.Errorf("store a checkpoint: %w", err)
	}
	return p, nil
}

// StoredCheckpoint is a checkpoint with what the database knows beside it.
type StoredCheckpoint struct {
	ledger.Checkpoint
	ID         string
	AnchoredAt time.Time // zero = not known outside yet
}

const checkpointFields = `org_id, chain, id, kind, seq, link, at, before, key_id, signature, anchored_at`

func scanCheckpoint(r interface{ Scan(...any) error }) (StoredCheckpoint, error) {
	var p StoredCheckpoint
	var at, before, anchored int64
	err := r.Scan(&p.Org, &p.Chain, &p.ID, &p.Kind, &p.Seq, &p.Link, &at, &before, &p.KeyID, &p.Signature, &anchored)
	p.At, p.Before, p.AnchoredAt = fromMicros(at), fromMicros(before), fromMicros(anchored)
	return p, err
}

func (c *core) checkpoints(ctx context.Context, where string, args ...any) ([]StoredCheckpoint, error) {
	var list []StoredCheckpoint
	err := c.rows(ctx, `SELECT `+checkpointFields+` FROM chain_checkpoints WHERE `+where, args, func(r *sql.Rows) error {
		p, err := scanCheckpoint(r)
		list = append(list, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	return list, nil
}

// CheckpointChains signs where every chain stands that has moved since its last
// checkpoint, and returns all checkpoints that no anchor has yet, oldest first.
func (tx *SystemTx) CheckpointChains(ctx context.Context) ([]StoredCheckpoint, error) {
	type moved struct {
		org   string
		chain ledger.Chain
		seq   int64
		link  []byte
	}
	var list []moved
	err := tx.rows(ctx, `SELECT h.org_id, h.chain, h.seq, h.link FROM chain_heads h WHERE h.seq > coalesce(
		(SELECT max(c.seq) FROM chain_checkpoints c WHERE c.org_id = h.org_id AND c.chain = h.chain), 0) ORDER BY h.org_id, h.chain`, nil,
		func(r *sql.Rows) error {
			var m moved
			err := r.Scan(&m.org, &m.chain, &m.seq, &m.link)
			list = append(list, m)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("look at the chains: %w", err)
	}
	for _, m := range list {
		if _, err := tx.checkpoint(ctx, ledger.Checkpoint{Org: m.org, Chain: m.chain, Kind: ledger.CheckpointHead, Seq: m.seq, Link: m.link}); err != nil {
			return nil, err
		}
	}
	return tx.checkpoints(ctx, `anchored_at = 0 ORDER BY id`)
}

// SetAnchored remembers that checkpoints are known outside.
func (tx *SystemTx) SetAnchored(ctx context.Context, list []StoredCheckpoint) error {
	now := micros(tx.store.now())
	for _, p := range list {
		if _, err := tx.exec(ctx, `UPDATE chain_checkpoints SET anchored_at = $4 WHERE org_id = $1 AND chain = $2 AND id = $3 AND anchored_at = 0`,
			p.Org, string(p.Chain), p.ID, now); err != nil {
			return fmt.Errorf("mark a checkpoint: %w", err)
		}
	}
	return nil
}

// LatestCheckpoints returns the newest checkpoint of every chain, for the
// digest.
func (tx *SystemTx) LatestCheckpoints(ctx context.Context) ([]StoredCheckpoint, error) {
	return tx.checkpoints(ctx, `id = (SELECT max(l.id) FROM chain_checkpoints l WHERE l.org_id = chain_checkpoints.org_id AND l.chain = chain_checkpoints.chain)
		ORDER BY org_id, chain`)
}

// Checkpoints lists an organization's newest checkpoints.
func (tx *Tx) Checkpoints(ctx context.Context, limit int) ([]StoredCheckpoint, error) {
	return tx.checkpoints(ctx, `org_id = $1 ORDER BY id DESC LIMIT $2`, string(tx.org), limit)
}

// LastAnchor returns the newest checkpoint of a chain that is known outside;
// errs.NotFound when there is none.
func (tx *Tx) LastAnchor(ctx context.Context, chain ledger.Chain) (StoredCheckpoint, error) {
	list, err := tx.checkpoints(ctx, `org_id = $1 AND chain = $2 AND anchored_at > 0 ORDER BY id DESC LIMIT 1`, string(tx.org), string(chain))
	if err == nil && len(list) == 0 {
		err = notFound("anchor")
	}
	if err != nil {
		return StoredCheckpoint{}, err
	}
	return list[0], nil
}

// eraseAudit deletes the bodies of audit rows before their time, because what
// they tell of is erased. A signed statement for each says that it was meant.
func (c *core) eraseAudit(ctx context.Context, org OrgID, ids []string) error {
	for _, id := range ids {
		var seq int64
		if err := c.scanOne(ctx, "audit row", `SELECT seq FROM audit_log WHERE org_id = $1 AND id = $2`, []any{string(org), id}, &seq); err != nil {
			return err
		}
		if seq > 0 {
			var link []byte
			if err := c.scanOne(ctx, "link", `SELECT link FROM chain_links WHERE org_id = $1 AND chain = $2 AND seq = $3`,
				[]any{string(org), string(ledger.ChainAudit), seq}, &link); err != nil {
				return err
			}
			if _, err := c.checkpoint(ctx, ledger.Checkpoint{Org: string(org), Chain: ledger.ChainAudit, Kind: ledger.CheckpointErase, Seq: seq, Link: link}); err != nil {
				return err
			}
		}
		if _, err := c.exec(ctx, `DELETE FROM audit_log WHERE org_id = $1 AND id = $2`, string(org), id); err != nil {
			return fmt.Errorf("delete from audit_log: %w", err)
		}
	}
	return nil
}
