package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

// ChainHead is where a chain stands.
type ChainHead struct {
	Org   OrgID // empty for the installation
	Chain ledger.Chain
	Seq   int64
}

// ChainHeads lists the heads of all chains.
func (tx *SystemTx) ChainHeads(ctx context.Context) ([]ChainHead, error) {
	var list []ChainHead
	err := tx.rows(ctx, `SELECT org_id, chain, seq FROM chain_heads ORDER BY org_id, chain`, nil, func(r *sql.Rows) error {
		var h ChainHead
		err := r.Scan(&h.Org, &h.Chain, &h.Seq)
		list = append(list, h)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the chains' heads: %w", err)
	}
	return list, nil
}

// StreamCursor returns up to which row a target has a chain; 0 for none.
func (tx *SystemTx) StreamCursor(ctx context.Context, target string, org OrgID, chain ledger.Chain) (seq int64, err error) {
	err = tx.scanOne(ctx, "cursor", `SELECT seq FROM stream_cursors WHERE target = $1 AND org_id = $2 AND chain = $3`, []any{target, string(org), string(chain)}, &seq)
	if errs.KindOf(err) == errs.NotFound {
		return 0, nil
	}
	return seq, err
}

// SetStreamCursor remembers up to which row a target has a chain. It never goes
// back: another process may be ahead.
func (tx *SystemTx) SetStreamCursor(ctx context.Context, target string, org OrgID, chain ledger.Chain, seq int64) error {
	_, err := tx.exec(ctx, `INSERT INTO stream_cursors (target, org_id, chain, seq, updated_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (target, org_id, chain) DO UPDATE SET seq = excluded.seq, updated_at = excluded.updated_at WHERE stream_cursors.seq < excluded.seq`,
		target, string(org), string(chain), seq, micros(tx.store.now()))
	if err != nil {
		return fmt.Errorf("store a stream's cursor: %w", err)
	}
	return nil
}

// LogAfter reads the rows of a chain after a number, in order: audit rows or
// ledger rows.
func (s *Store) LogAfter(ctx context.Context, h ChainHead, after int64, limit int) (audit []AuditRow, egress []LedgerRow, err error) {
	read := func(ctx context.Context, tx *Tx) error {
		fields, scan := auditFields, func(r *sql.Rows) error {
			row, err := tx.scanAudit(r)
			audit = append(audit, row)
			return err
		}
		if h.Chain == ledger.ChainLedger {
			fields, scan = ledgerFields, func(r *sql.Rows) error {
				row, err := tx.scanLedger(r)
				egress = append(egress, row)
				return err
			}
		}
		return tx.rows(ctx, `SELECT `+fields+` FROM `+logOf(h.Org, h.Chain).name+` WHERE org_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`,
			[]any{string(h.Org), after, limit}, scan)
	}
	ctx = access.AsSystem(ctx)
	if h.Org != systemOrg {
		err = s.ViewOrg(ctx, h.Org, read)
	} else {
		err = s.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
			within, err := tx.within(ctx, systemOrg)
			if err != nil {
				return err
			}
			return read(ctx, within)
		})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the %s log: %w", h.Chain, err)
	}
	return audit, egress, nil
}

// KeepVerification stores what a verification found, each organization's part
// with the organization.
func (s *Store) KeepVerification(ctx context.Context, r ledger.Report) error {
	ctx = access.AsSystem(ctx)
	orgs := map[string]bool{}
	for _, c := range r.Chains {
		orgs[c.Org] = true
	}
	for org := range orgs {
		part := r.Of(org)
		keep := func(ctx context.Context, tx *Tx) error { return tx.keepVerification(ctx, part) }
		var err error
		if org == "" {
			err = s.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
				within, err := tx.within(ctx, systemOrg)
				if err != nil {
					return err
				}
				return keep(ctx, within)
			})
		} else {
			err = s.InOrg(ctx, OrgID(org), keep)
		}
		if err != nil && errs.KindOf(err) != errs.NotFound { // deleted meanwhile
			return fmt.Errorf("keep the result of a verification: %w", err)
		}
	}
	return nil
}

func (tx *Tx) keepVerification(ctx context.Context, part ledger.Report) error {
	for _, c := range part.Chains {
		one := part
		one.Chains = []ledger.ChainReport{c}
		sealed, err := tx.sealJSON("chain_heads", string(c.Chain), one)
		if err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `UPDATE chain_heads SET verified_at = $3, verified_body = $4 WHERE org_id = $1 AND chain = $2`,
			string(tx.org), string(c.Chain), micros(part.At), sealed); err != nil {
			return err
		}
	}
	return nil
}

// LastVerification returns what the newest verification found in the
// organization's chains; ok is false when there was none.
func (tx *Tx) LastVerification(ctx context.Context) (report ledger.Report, ok bool, err error) {
	err = tx.rows(ctx, `SELECT chain, verified_body FROM chain_heads WHERE org_id = $1 AND verified_at > 0 ORDER BY chain`, []any{string(tx.org)}, func(r *sql.Rows) error {
		var chain string
		var sealed []byte
		if err := r.Scan(&chain, &sealed); err != nil {
			return err
		}
		var one ledger.Report
		if err := tx.openJSON("chain_heads", chain, sealed, &one); err != nil {
			return err
		}
		if !ok || one.At.After(report.At) {
			one.Chains = append(one.Chains, report.Chains...)
			report = one
		} else {
			report.Chains = append(report.Chains, one.Chains...)
		}
		ok = true
		return nil
	})
	return report, ok, err
}

// LastLedgerVerification returns when an organization's chains were verified
// last, and what was found; ok is false when they never were.
func (s *Store) LastLedgerVerification(ctx context.Context, org OrgID) (report ledger.Report, ok bool, err error) {
	err = s.ViewOrg(ctx, org, func(ctx context.Context, tx *Tx) error {
		report, ok, err = tx.LastVerification(ctx)
		return err
	})
	return report, ok, err
}

// LastAnchorTime returns when a chain of an organization was anchored last, the
// older of the two chains; ok is false when one of them never was.
func (s *Store) LastAnchorTime(ctx context.Context, org OrgID) (at time.Time, ok bool, err error) {
	err = s.ViewOrg(ctx, org, func(ctx context.Context, tx *Tx) error {
		for _, chain := range ledger.Chains() {
			p, err := tx.LastAnchor(ctx, chain)
			if errs.KindOf(err) == errs.NotFound {
				continue
			}
			if err != nil {
				return err
			}
			if !ok || p.At.Before(at) {
				at, ok = p.At, true
			}
		}
		return nil
	})
	return at, ok, err
}
