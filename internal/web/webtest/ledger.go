package webtest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/audit"
	"github.com/metalens/metalens/internal/web/egress"
	"github.com/metalens/metalens/internal/web/ui"
)

// SetLedger replaces the rows of the egress ledger.
func (b *Backend) SetLedger(rows []store.LedgerRow) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger = rows
}

// SetPayload keeps what an exchange sent.
func (b *Backend) SetPayload(id string, p ledger.Payload) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.payloads == nil {
		b.payloads = map[string]ledger.Payload{}
	}
	b.payloads[id] = p
}

// SetAudit replaces the rows of the audit log, newest first.
func (b *Backend) SetAudit(rows []store.AuditRow) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.audit = rows
}

// AuditRows returns the rows of the audit log.
func (b *Backend) AuditRows() []store.AuditRow {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.audit)
}

// SetIntegrity says what is known about the chains.
func (b *Backend) SetIntegrity(v ui.IntegrityView) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.integrity = v
}

func within(at, since, until time.Time) bool {
	return (since.IsZero() || !at.Before(since)) && (until.IsZero() || at.Before(until))
}

// Ledger implements the egress pages' service.
func (b *Backend) Ledger(ctx context.Context, _ store.OrgID, q egress.Query) ([]store.LedgerRow, int, error) {
	if q.Connection == "" {
		if err := access.Require(ctx, access.Admin); err != nil {
			return nil, 0, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []store.LedgerRow
	for _, r := range b.ledger {
		if (q.Connection == "" || r.ConnectionID == q.Connection) && (q.Scan == "" || r.ScanID == q.Scan) && (q.Purpose == "" || r.Purpose == q.Purpose) &&
			(q.Host == "" || r.Host == q.Host) && (q.Status != store.StatusFailed || r.Status == 0) && within(r.At, q.Since, q.Until) {
			list = append(list, r)
		}
	}
	total := len(list)
	list = list[min(q.Offset, total):]
	return list[:min(len(list), q.Limit)], total, nil
}

// LedgerRow implements the egress pages' service.
func (b *Backend) LedgerRow(_ context.Context, _ store.OrgID, conn store.ConnectionID, id string) (store.LedgerRow, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.ledger {
		if r.ID == id && id != "" && (conn == "" || r.ConnectionID == conn) {
			return r, nil
		}
	}
	return store.LedgerRow{}, errs.New(errs.NotFound, "not_found", "There is no such exchange.", "")
}

// Payload implements the egress pages' service.
func (b *Backend) Payload(ctx context.Context, org store.OrgID, conn store.ConnectionID, id, _ string) (ledger.Payload, error) {
	row, err := b.LedgerRow(ctx, org, conn, id)
	if err != nil {
		return ledger.Payload{}, err
	}
	if row.PayloadRef == nil || row.PayloadRef.Author != access.From(ctx).User {
		if err := access.Require(ctx, access.Admin); err != nil {
			return ledger.Payload{}, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.payloads[id]
	if !ok {
		return p, errs.New(errs.NotFound, "payload_gone", "What was sent is not kept any more.", "")
	}
	return p, nil
}

// LedgerHosts implements the egress pages' service.
func (b *Backend) LedgerHosts(_ context.Context, _ store.OrgID, conn store.ConnectionID) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var hosts []string
	for _, r := range b.ledger {
		if (conn == "" || r.ConnectionID == conn) && !slices.Contains(hosts, r.Host) {
			hosts = append(hosts, r.Host)
		}
	}
	slices.Sort(hosts)
	return hosts, nil
}

// Integrity implements the services of egress and audit pages.
func (b *Backend) Integrity(context.Context, store.OrgID, ledger.Chain) (ui.IntegrityView, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.integrity, nil
}

// AuditLog implements the audit page's service.
func (b *Backend) AuditLog(ctx context.Context, _ store.OrgID, q audit.Query) ([]store.AuditRow, int, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return nil, 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []store.AuditRow
	for _, r := range b.audit {
		if (q.Actor == "" || r.Actor == q.Actor) && (!q.System || r.Actor == "") && (q.Action == "" || r.Action == q.Action) &&
			strings.Contains(r.Target, q.Object) && within(r.At, q.Since, q.Until) {
			list = append(list, r)
		}
	}
	total := len(list)
	list = list[min(q.Offset, total):]
	return list[:min(len(list), q.Limit)], total, nil
}

// AuditPeople implements the audit page's service.
func (b *Backend) AuditPeople(context.Context, store.OrgID) ([]audit.Person, error) {
	return []audit.Person{{ID: "u1", Name: "Ada"}}, nil
}
