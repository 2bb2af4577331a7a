package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

// payloadRow is a payload on its way into its table.
type payloadRow struct {
	id      string
	at      int64
	scan    ScanID
	subject string
	author  string
	sealed  []byte
}

// payloadBody is the sealed part of a payload. The salt goes with it, so that
// nothing can be recognized afterwards.
type payloadBody struct {
	Salt    []byte `json:"salt"`
	Media   string `json:"media,omitempty"`
	Content []byte `json:"content"`
}

// payloadTable is where an organization's payloads are.
func payloadTable(org OrgID) string {
	if org == systemOrg {
		return "system_payloads"
	}
	return "egress_payloads"
}

// sealPayload makes the reference that the ledger row keeps, and the row apart
// where the payload itself is kept.
func (tx *Tx) sealPayload(id string, at int64, scan ScanID, p *ledger.Payload) (*ledger.PayloadRef, *payloadRow, error) {
	if p == nil {
		return nil, nil, nil
	}
	salt, err := ledger.NewSalt()
	if err != nil {
		return nil, nil, err
	}
	ref := &ledger.PayloadRef{
		Mode: ledger.PayloadKept, Media: p.Media, Size: int64(len(p.Content)), Digest: ledger.PayloadDigest(salt, p.Content), Author: p.Author,
	}
	if tx.store.payloads == ledger.PayloadHash || len(p.Content) > ledger.MaxPayload {
		ref.Mode, ref.Salt = ledger.PayloadHash, salt
		return ref, nil, nil
	}
	sealed, err := tx.sealJSON(payloadTable(tx.org), id, payloadBody{Salt: salt, Media: p.Media, Content: p.Content})
	if err != nil {
		return nil, nil, err
	}
	return ref, &payloadRow{id: id, at: at, scan: scan, subject: p.Subject, author: p.Author, sealed: sealed}, nil
}

func (c *core) writePayload(ctx context.Context, org OrgID, p *payloadRow) error {
	if p == nil {
		return nil
	}
	// A scan that is not stored cannot take the payload along when it goes.
	scan := `(SELECT id FROM scans WHERE org_id = $1 AND id = $4)`
	if org == systemOrg {
		scan = `CAST(NULLIF($4, $4) AS TEXT)`
	}
	_, err := c.exec(ctx, `INSERT INTO `+payloadTable(org)+` (org_id, id, at, scan_id, subject, author, body)
		VALUES ($1, $2, $3, `+scan+`, $5, $6, $7)`, string(org), p.id, p.at, string(p.scan), p.subject, p.author, p.sealed)
	return err
}

// Payload reads what an exchange sent, exactly, credentials apart. It is
// errs.NotFound when it was not kept, or is gone.
func (tx *Tx) Payload(ctx context.Context, id string) (ledger.Payload, error) {
	body, p, err := tx.payload(ctx, id)
	p.Media, p.Content = body.Media, body.Content
	return p, err
}

func (tx *Tx) payload(ctx context.Context, id string) (body payloadBody, p ledger.Payload, err error) {
	var sealed []byte
	table := payloadTable(tx.org)
	err = tx.scanOne(ctx, "payload", `SELECT subject, author, body FROM `+table+` WHERE org_id = $1 AND id = $2`, []any{tx.org, id}, &p.Subject, &p.Author, &sealed)
	if err != nil {
		return body, p, err
	}
	return body, p, tx.openJSON(table, id, sealed, &body)
}

// DeletePayloads deletes the payloads of what they belong to, such as a chat.
func (tx *Tx) DeletePayloads(ctx context.Context, subject string) (int, error) {
	if subject == "" {
		return 0, errs.New(errs.Internal, "no_subject", "Payloads were to be deleted without saying whose.", "")
	}
	n, err := tx.exec(ctx, `DELETE FROM egress_payloads WHERE org_id = $1 AND subject = $2`, tx.org, subject)
	if err != nil {
		return 0, fmt.Errorf("delete payloads: %w", err)
	}
	return int(n), nil
}

// prunePayloads deletes the payloads that are past their time: that of the
// organization, or that of the installation where it is shorter.
func (tx *Tx) prunePayloads(ctx context.Context, keep time.Duration, now time.Time) (int, error) {
	limit := tx.store.payloadAge
	if keep > 0 && keep < limit {
		limit = keep
	}
	n, err := tx.exec(ctx, `DELETE FROM `+payloadTable(tx.org)+` WHERE org_id = $1 AND at < $2`, tx.org, micros(now.Add(-limit)))
	if err != nil {
		return 0, fmt.Errorf("delete payloads: %w", err)
	}
	return int(n), nil
}

// LedgerRow reads one row.
func (tx *Tx) LedgerRow(ctx context.Context, id string) (LedgerRow, error) {
	var list []LedgerRow
	query := `SELECT ` + ledgerFields + ` FROM ` + logOf(tx.org, ledger.ChainLedger).name + ` WHERE org_id = $1 AND id = $2`
	err := tx.rows(ctx, query, []any{string(tx.org), id}, func(r *sql.Rows) error {
		row, err := tx.scanLedger(r)
		list = append(list, row)
		return err
	})
	if err == nil && len(list) == 0 {
		err = notFound("exchange")
	}
	if err != nil {
		return LedgerRow{}, err
	}
	return list[0], nil
}

// rawJSON opens what sealJSON wrote and leaves its bytes as they are.
func (tx *Tx) rawJSON(table, row string, sealed []byte) ([]byte, error) {
	b, err := tx.key.Open(sealed, table, row)
	if err != nil {
		return nil, err
	}
	return tx.store.codec.Expand(nil, b)
}

// sealRaw is sealJSON for JSON that is written already.
func (tx *Tx) sealRaw(table, row string, raw []byte) []byte {
	return tx.key.Seal(tx.store.codec.Compress(nil, raw), table, row)
}

// salted marshals a body with a new salt and returns both.
func salted(body interface{ withSalt(salt []byte) any }) (raw, salt []byte, err error) {
	if salt, err = ledger.NewSalt(); err != nil {
		return nil, nil, err
	}
	if raw, err = json.Marshal(body.withSalt(salt)); err != nil {
		return nil, nil, fmt.Errorf("write a row: %w", err)
	}
	return raw, salt, nil
}
