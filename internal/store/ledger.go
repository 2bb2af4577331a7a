package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/metalens/metalens/internal/ledger"
)

// ledgerBody is the sealed part of a ledger row.
type ledgerBody struct {
	Method       string        `json:"method,omitempty"`
	Host         string        `json:"host,omitempty"`
	Address      string        `json:"address,omitempty"`
	Route        string        `json:"route,omitempty"`
	Status       int           `json:"status,omitempty"`
	RequestSize  int64         `json:"request_size,omitempty"`
	ResponseSize int64         `json:"response_size,omitempty"`
	Duration     time.Duration `json:"duration,omitempty"`
	Error        string        `json:"error,omitempty"`
	Exchange     string        `json:"exchange,omitempty"`
	Phase        ledger.Phase  `json:"phase,omitempty"`
}

// RecordLedger appends rows to the egress ledger. Rows outlive the scan and the
// connection they belong to.
func (tx *Tx) RecordLedger(ctx context.Context, rows []LedgerRow) error {
	for _, row := range rows {
		id, err := newID()
		if err != nil {
			return err
		}
		body, err := tx.sealJSON("egress_ledger", id, ledgerBody{
			Method: row.Method, Host: row.Host, Address: row.Address, Route: row.Route, Status: row.Status,
			RequestSize: row.RequestSize, ResponseSize: row.ResponseSize, Duration: row.Duration, Error: row.Error,
			Exchange: row.Exchange, Phase: row.Phase,
		})
		if err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `INSERT INTO egress_ledger (org_id, id, at, purpose, connection_id, scan_id, exchanges, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			tx.org, id, micros(row.At), string(row.Purpose), row.ConnectionID, row.ScanID, max(1, row.Count), body); err != nil {
			return fmt.Errorf("write the egress ledger: %w", err)
		}
	}
	return nil
}

func until(t time.Time) int64 {
	if t.IsZero() {
		return math.MaxInt64
	}
	return micros(t)
}

// Ledger lists rows, newest first, and how many there are in all.
func (tx *Tx) Ledger(ctx context.Context, q LedgerQuery) ([]LedgerRow, int, error) {
	const where = ` FROM egress_ledger WHERE org_id = $1 AND ($2 = '' OR connection_id = $2) AND ($3 = '' OR scan_id = $3)
		AND ($4 = '' OR purpose = $4) AND at >= $5 AND at < $6`
	args := []any{tx.org, string(q.Connection), string(q.Scan), string(q.Purpose), micros(q.Since), until(q.Until)}
	var total int
	if err := tx.scanOne(ctx, "ledger", `SELECT count(*)`+where, args, &total); err != nil {
		return nil, 0, err
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	var list []LedgerRow
	err := tx.rows(ctx, `SELECT id, at, purpose, connection_id, scan_id, exchanges, body`+where+` ORDER BY at DESC, id DESC LIMIT $7 OFFSET $8`,
		append(args, q.Limit, q.Offset), func(r *sql.Rows) error {
			var row LedgerRow
			var id string
			var at int64
			var sealed []byte
			if err := r.Scan(&id, &at, &row.Purpose, &row.ConnectionID, &row.ScanID, &row.Count, &sealed); err != nil {
				return err
			}
			var b ledgerBody
			if err := tx.openJSON("egress_ledger", id, sealed, &b); err != nil {
				return err
			}
			row.At = fromMicros(at)
			row.Method, row.Host, row.Address, row.Route, row.Status = b.Method, b.Host, b.Address, b.Route, b.Status
			row.RequestSize, row.ResponseSize, row.Duration, row.Error = b.RequestSize, b.ResponseSize, b.Duration, b.Error
			row.Exchange, row.Phase = b.Exchange, b.Phase
			list = append(list, row)
			return nil
		})
	if err != nil {
		return nil, 0, fmt.Errorf("read the egress ledger: %w", err)
	}
	return list, total, nil
}

// auditBody is the sealed part of an audit row.
type auditBody struct {
	Target string `json:"target,omitempty"`
	Source string `json:"source,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Audit appends a row to the organization's audit log. A zero time means now.
func (tx *Tx) Audit(ctx context.Context, row AuditRow) error {
	row.OrgID = tx.org
	return audit(ctx, &tx.core, row, func(id string, b auditBody) ([]byte, error) { return tx.sealJSON("audit_log", id, b) })
}

// Audit appends a row to the audit log of row.OrgID, or of no organization
// where it is empty.
func (tx *SystemTx) Audit(ctx context.Context, row AuditRow) error {
	return audit(ctx, &tx.core, row, func(id string, b auditBody) ([]byte, error) {
		within, err := tx.within(ctx, row.OrgID)
		if err != nil {
			return nil, err
		}
		return within.sealJSON("audit_log", id, b)
	})
}

// systemOrg stands for no organization; its rows are sealed by the master key.
const systemOrg OrgID = ""

// within lends the system transaction an organization's key; it does not widen
// what the transaction can see.
func (tx *SystemTx) within(ctx context.Context, org OrgID) (*Tx, error) {
	if org == systemOrg {
		key, err := tx.store.master.SystemKey()
		if err != nil {
			return nil, err
		}
		return &Tx{core: tx.core, org: org, key: key}, nil
	}
	key, err := tx.store.orgKey(ctx, tx.core, org, 0, true)
	if err != nil {
		return nil, err
	}
	return &Tx{core: tx.core, org: org, key: key}, nil
}

func audit(ctx context.Context, c *core, row AuditRow, seal func(string, auditBody) ([]byte, error)) error {
	id, err := newID()
	if err != nil {
		return err
	}
	if row.At.IsZero() {
		row.At = c.store.now()
	}
	body, err := seal(id, auditBody{Target: row.Target, Source: row.Source, Detail: row.Detail})
	if err != nil {
		return err
	}
	if _, err := c.exec(ctx, `INSERT INTO audit_log (org_id, id, at, actor, action, body) VALUES ($1, $2, $3, $4, $5, $6)`,
		row.OrgID, id, micros(row.At), row.Actor, row.Action, body); err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

// AuditLog lists the organization's audit rows, newest first, and how many
// there are in all.
func (tx *Tx) AuditLog(ctx context.Context, q AuditQuery) ([]AuditRow, int, error) {
	return tx.auditLog(ctx, q)
}

// AuditLog lists the audit rows that belong to no organization: failed logins,
// changes of the installation.
func (tx *SystemTx) AuditLog(ctx context.Context, q AuditQuery) ([]AuditRow, int, error) {
	within, err := tx.within(ctx, systemOrg)
	if err != nil {
		return nil, 0, err
	}
	return within.auditLog(ctx, q)
}

func (tx *Tx) auditLog(ctx context.Context, q AuditQuery) ([]AuditRow, int, error) {
	const where = ` FROM audit_log WHERE org_id = $1 AND ($2 = '' OR actor = $2) AND ($3 = '' OR action = $3) AND at >= $4 AND at < $5`
	args := []any{tx.org, string(q.Actor), q.Action, micros(q.Since), until(q.Until)}
	var total int
	if err := tx.scanOne(ctx, "audit log", `SELECT count(*)`+where, args, &total); err != nil {
		return nil, 0, err
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	var list []AuditRow
	err := tx.rows(ctx, `SELECT id, at, actor, action, body`+where+` ORDER BY at DESC, id DESC LIMIT $6 OFFSET $7`,
		append(args, q.Limit, q.Offset), func(r *sql.Rows) error {
			row := AuditRow{OrgID: tx.org}
			var at int64
			var sealed []byte
			if err := r.Scan(&row.ID, &at, &row.Actor, &row.Action, &sealed); err != nil {
				return err
			}
			var b auditBody
			if err := tx.openJSON("audit_log", row.ID, sealed, &b); err != nil {
				return err
			}
			row.At, row.Target, row.Source, row.Detail = fromMicros(at), b.Target, b.Source, b.Detail
			list = append(list, row)
			return nil
		})
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit log: %w", err)
	}
	return list, total, nil
}
