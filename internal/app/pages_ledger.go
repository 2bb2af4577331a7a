package app

import (
	"cmp"
	"context"
	"slices"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/audit"
	"github.com/metalens/metalens/internal/web/egress"
	"github.com/metalens/metalens/internal/web/ui"
)

// ledgerPages implements [egress.Ledger] and [audit.Log].
type ledgerPages struct {
	store   *store.Store
	library *library
	data    string // data directory
}

// whole lets those through who see the whole connection: rows count what was
// read. The whole organization is for admins.
func (p ledgerPages) whole(ctx context.Context, org store.OrgID, conn store.ConnectionID) error {
	if conn == "" {
		return access.Require(ctx, access.Admin)
	}
	scope, err := p.library.scope(ctx, org, conn)
	if err == nil && scope != nil {
		err = errs.New(errs.Forbidden, "part_only", "The egress ledger is for members who see the whole connection.", "Ask an admin of the organization.")
	}
	return err
}

// Ledger implements [egress.Ledger].
func (p ledgerPages) Ledger(ctx context.Context, org store.OrgID, q egress.Query) (rows []store.LedgerRow, total int, err error) {
	if err := p.whole(ctx, org, q.Connection); err != nil {
		return nil, 0, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		rows, total, err = tx.Ledger(ctx, store.LedgerQuery{
			Connection: q.Connection, Scan: q.Scan, Purpose: q.Purpose, Host: q.Host, Status: q.Status, Since: q.Since, Until: q.Until, Limit: q.Limit, Offset: q.Offset,
		})
		return err
	})
	return rows, total, err
}

// LedgerRow implements [egress.Ledger].
func (p ledgerPages) LedgerRow(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) (row store.LedgerRow, err error) {
	if err := p.whole(ctx, org, conn); err != nil {
		return row, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		row, err = ledgerRow(ctx, tx, conn, id)
		return err
	})
	return row, err
}

// ledgerRow reads a row that belongs to a connection, or any when none is named.
func ledgerRow(ctx context.Context, tx *store.Tx, conn store.ConnectionID, id string) (store.LedgerRow, error) {
	row, err := tx.LedgerRow(ctx, id)
	if err == nil && conn != "" && row.ConnectionID != conn {
		err = errs.New(errs.NotFound, "not_found", "There is no such exchange.", "")
	}
	if err != nil {
		return store.LedgerRow{}, err
	}
	return row, nil
}

// Payload implements [egress.Ledger]. The look of an admin who is not the author
// is on the record before the payload is handed out.
func (p ledgerPages) Payload(ctx context.Context, org store.OrgID, conn store.ConnectionID, id, source string) (payload ledger.Payload, err error) {
	if err := p.whole(ctx, org, conn); err != nil {
		return payload, err
	}
	err = p.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		row, err := ledgerRow(ctx, tx, conn, id)
		if err != nil {
			return err
		}
		who := access.From(ctx)
		author := row.PayloadRef != nil && row.PayloadRef.Author != "" && row.PayloadRef.Author == who.User
		if !author {
			if err := access.Require(ctx, access.Admin); err != nil {
				return err
			}
		}
		if payload, err = tx.Payload(ctx, id); err != nil {
			return payloadGone(err)
		}
		if author {
			return nil
		}
		return tx.Audit(ctx, store.AuditRow{Actor: store.UserID(who.User), Action: "payload_read", Target: "exchange:" + id, Source: source})
	})
	if err != nil {
		return ledger.Payload{}, err
	}
	return payload, nil
}

// payloadGone says why there is no payload.
func payloadGone(err error) error {
	if errs.KindOf(err) == errs.NotFound {
		return errs.New(errs.NotFound, "payload_gone", "What was sent is not kept any more.", "It is kept for at most 30 days, and goes with the chat or scan that it belongs to.")
	}
	return err
}

// LedgerHosts implements [egress.Ledger].
func (p ledgerPages) LedgerHosts(ctx context.Context, org store.OrgID, conn store.ConnectionID) (hosts []string, err error) {
	if err := p.whole(ctx, org, conn); err != nil {
		return nil, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		hosts, err = tx.LedgerHosts(ctx, store.LedgerQuery{Connection: conn})
		return err
	})
	return hosts, err
}

// Integrity implements [egress.Ledger] and [audit.Log].
func (p ledgerPages) Integrity(ctx context.Context, org store.OrgID, chain ledger.Chain) (v ui.IntegrityView, err error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return v, err
	}
	if err := access.Enter(ctx, string(org)); err != nil {
		return v, err
	}
	report, ok, err := lastVerification(ctx, p.store, p.data, org)
	if err != nil {
		return v, err
	}
	for _, c := range report.Chains {
		if ok && c.Chain == chain {
			v.Verified, v.VerifiedAt, v.Problems, v.Rows, v.NotCovered = true, report.At, c.ProblemCount, c.Rows, c.NotCovered
		}
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		last, err := tx.LastAnchor(ctx, chain)
		if errs.KindOf(err) == errs.NotFound {
			return nil
		}
		v.Anchored, v.AnchoredAt, v.KeyID = err == nil, last.At, last.KeyID
		return err
	})
	return v, err
}

// AuditLog implements [audit.Log].
func (p ledgerPages) AuditLog(ctx context.Context, org store.OrgID, q audit.Query) (rows []store.AuditRow, total int, err error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return nil, 0, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		rows, total, err = tx.AuditLog(ctx, store.AuditQuery{
			Actor: q.Actor, System: q.System, Action: q.Action, Target: q.Object, Since: q.Since, Until: q.Until, Limit: q.Limit, Offset: q.Offset,
		})
		return err
	})
	return rows, total, err
}

// AuditPeople implements [audit.Log].
func (p ledgerPages) AuditPeople(ctx context.Context, org store.OrgID) (list []audit.Person, err error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return nil, err
	}
	if err := access.Enter(ctx, string(org)); err != nil {
		return nil, err
	}
	err = p.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		members, err := tx.Members(ctx, org)
		if err != nil {
			return err
		}
		for _, m := range members {
			u, err := tx.User(ctx, m.UserID)
			if err != nil {
				return err
			}
			list = append(list, audit.Person{ID: u.ID, Name: cmp.Or(u.Name, u.Email)})
		}
		return nil
	})
	slices.SortFunc(list, func(a, b audit.Person) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list, err
}
