package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
)

// ledgerBody is the sealed part of a ledger row.
type ledgerBody struct {
	Salt         []byte             `json:"salt,omitempty"`
	Method       string             `json:"method,omitempty"`
	Host         string             `json:"host,omitempty"`
	Address      string             `json:"address,omitempty"`
	Route        string             `json:"route,omitempty"`
	Status       int                `json:"status,omitempty"`
	RequestSize  int64              `json:"request_size,omitempty"`
	ResponseSize int64              `json:"response_size,omitempty"`
	Duration     time.Duration      `json:"duration,omitempty"`
	Error        string             `json:"error,omitempty"`
	Exchange     string             `json:"exchange,omitempty"`
	Phase        ledger.Phase       `json:"phase,omitempty"`
	KeyID        string             `json:"key_id,omitempty"`
	Payload      *ledger.PayloadRef `json:"payload,omitempty"`
}

func (b ledgerBody) withSalt(salt []byte) any { b.Salt = salt; return b }

// canonicalLedger is the row as its commitment sees it; body is the JSON that
// is sealed, salt included.
func canonicalLedger(org OrgID, id string, at int64, purpose string, conn ConnectionID, scan ScanID, exchanges int64, body []byte) []byte {
	return ledger.Canonical([]byte(org), []byte(id), strconv.AppendInt(nil, at, 10), []byte(purpose), []byte(conn), []byte(scan),
		strconv.AppendInt(nil, exchanges, 10), body)
}

// RecordLedger appends rows to the egress ledger, in order, when the
// transaction commits. Rows outlive the scan and the connection they belong to.
func (tx *Tx) RecordLedger(ctx context.Context, rows []LedgerRow) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	table := logOf(tx.org, ledger.ChainLedger)
	for _, row := range rows {
		id, err := newID()
		if err != nil {
			return err
		}
		at, exchanges := micros(row.At), int64(max(1, row.Count))
		body := ledgerBody{
			Method: row.Method, Host: row.Host, Address: row.Address, Route: row.Route, Status: row.Status,
			RequestSize: row.RequestSize, ResponseSize: row.ResponseSize, Duration: row.Duration, Error: row.Error,
			Exchange: row.Exchange, Phase: row.Phase, KeyID: row.KeyID,
		}
		var payload *payloadRow
		if body.Payload, payload, err = tx.sealPayload(id, at, row.ScanID, row.Payload); err != nil {
			return err
		}
		raw, salt, err := salted(body)
		if err != nil {
			return err
		}
		tx.chains.add(chainRow{
			org: tx.org, chain: ledger.ChainLedger, at: at, payload: payload,
			commitment: ledger.Commit(salt, canonicalLedger(tx.org, id, at, string(row.Purpose), row.ConnectionID, row.ScanID, exchanges, raw)),
			values:     []any{string(tx.org), id, at, string(row.Purpose), string(row.ConnectionID), string(row.ScanID), exchanges, tx.sealRaw(table.name, id, raw)},
		})
	}
	return nil
}

// RecordLedger appends rows to the ledger of what belongs to no organization.
func (tx *SystemTx) RecordLedger(ctx context.Context, rows []LedgerRow) error {
	within, err := tx.within(ctx, systemOrg)
	if err != nil {
		return err
	}
	return within.RecordLedger(ctx, rows)
}

func until(t time.Time) int64 {
	if t.IsZero() {
		return math.MaxInt64
	}
	return micros(t)
}

const ledgerFields = `id, at, purpose, connection_id, scan_id, exchanges, body, seq`

func (tx *Tx) scanLedger(r interface{ Scan(...any) error }) (LedgerRow, error) {
	var row LedgerRow
	var at int64
	var sealed []byte
	if err := r.Scan(&row.ID, &at, &row.Purpose, &row.ConnectionID, &row.ScanID, &row.Count, &sealed, &row.Seq); err != nil {
		return row, err
	}
	var b ledgerBody
	if err := tx.openJSON(logOf(tx.org, ledger.ChainLedger).name, row.ID, sealed, &b); err != nil {
		return row, err
	}
	row.At = fromMicros(at)
	row.Method, row.Host, row.Address, row.Route, row.Status = b.Method, b.Host, b.Address, b.Route, b.Status
	row.RequestSize, row.ResponseSize, row.Duration, row.Error = b.RequestSize, b.ResponseSize, b.Duration, b.Error
	row.Exchange, row.Phase, row.KeyID, row.PayloadRef = b.Exchange, b.Phase, b.KeyID, b.Payload
	return row, nil
}

// Ledger lists rows, newest first, and how many there are in all.
func (tx *Tx) Ledger(ctx context.Context, q LedgerQuery) ([]LedgerRow, int, error) {
	where := ` FROM ` + logOf(tx.org, ledger.ChainLedger).name + ` WHERE org_id = $1 AND ($2 = '' OR connection_id = $2) AND ($3 = '' OR scan_id = $3)
		AND ($4 = '' OR purpose = $4) AND at >= $5 AND at < $6`
	args := []any{tx.org, string(q.Connection), string(q.Scan), string(q.Purpose), micros(q.Since), until(q.Until)}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	var list []LedgerRow
	if q.sealed() {
		// Host and status are sealed: every row in question is opened.
		found := 0
		err := tx.rows(ctx, `SELECT `+ledgerFields+where+` ORDER BY at DESC, id DESC`, args, func(r *sql.Rows) error {
			row, err := tx.scanLedger(r)
			if err != nil || !q.matches(row) {
				return err
			}
			if found++; found > q.Offset && len(list) < q.Limit {
				list = append(list, row)
			}
			return nil
		})
		if err != nil {
			return nil, 0, fmt.Errorf("read the egress ledger: %w", err)
		}
		return list, found, nil
	}
	var total int
	if err := tx.scanOne(ctx, "ledger", `SELECT count(*)`+where, args, &total); err != nil {
		return nil, 0, err
	}
	err := tx.rows(ctx, `SELECT `+ledgerFields+where+` ORDER BY at DESC, id DESC LIMIT $7 OFFSET $8`,
		append(args, q.Limit, q.Offset), func(r *sql.Rows) error {
			row, err := tx.scanLedger(r)
			list = append(list, row)
			return err
		})
	if err != nil {
		return nil, 0, fmt.Errorf("read the egress ledger: %w", err)
	}
	return list, total, nil
}

// sealed reports whether the query asks for what the database cannot see.
func (q LedgerQuery) sealed() bool { return q.Host != "" || q.Status != "" }

func (q LedgerQuery) matches(row LedgerRow) bool {
	if q.Host != "" && !strings.EqualFold(row.Host, q.Host) {
		return false
	}
	switch q.Status {
	case "":
		return true
	case StatusAnswered:
		return row.Status >= 200 && row.Status < 400
	case StatusRefused:
		return row.Status >= 400
	case StatusFailed:
		return row.Status == 0 && row.Error != ""
	}
	return strconv.Itoa(row.Status) == q.Status
}

// LedgerHosts lists the hosts that were asked since a time, in order.
func (tx *Tx) LedgerHosts(ctx context.Context, q LedgerQuery) ([]string, error) {
	seen := map[string]bool{}
	q.Host, q.Status, q.Limit, q.Offset = "", "", ledgerHostRows, 0
	rows, _, err := tx.Ledger(ctx, q)
	for _, row := range rows {
		if row.Host != "" {
			seen[row.Host] = true
		}
	}
	return slices.Sorted(maps.Keys(seen)), err
}

// ledgerHostRows is how many of the newest rows [Tx.LedgerHosts] looks through.
const ledgerHostRows = 2000

// auditBody is the sealed part of an audit row.
type auditBody struct {
	Salt   []byte `json:"salt,omitempty"`
	Target string `json:"target,omitempty"`
	Source string `json:"source,omitempty"`
	Detail string `json:"detail,omitempty"`
}

func (b auditBody) withSalt(salt []byte) any { b.Salt = salt; return b }

func canonicalAudit(org OrgID, id string, at int64, actor UserID, action string, body []byte) []byte {
	return ledger.Canonical([]byte(org), []byte(id), strconv.AppendInt(nil, at, 10), []byte(actor), []byte(action), body)
}

// Audit appends a row to the organization's audit log when the transaction
// commits. A zero time means now.
func (tx *Tx) Audit(ctx context.Context, row AuditRow) error {
	row.OrgID = tx.org
	return tx.audit(ctx, row)
}

// Audit appends a row to the audit log of row.OrgID, or of no organization
// where it is empty.
func (tx *SystemTx) Audit(ctx context.Context, row AuditRow) error {
	within, err := tx.within(ctx, row.OrgID)
	if err != nil {
		return err
	}
	return within.audit(ctx, row)
}

// SystemLedger lists what left without an organization, newest first.
func (tx *SystemTx) SystemLedger(ctx context.Context, q LedgerQuery) ([]LedgerRow, int, error) {
	within, err := tx.within(ctx, systemOrg)
	if err != nil {
		return nil, 0, err
	}
	return within.Ledger(ctx, q)
}

// KeyID names a credential in the egress ledger: its kind and a fingerprint under
// a key of this installation, so that the ledger says which key was used, and
// neither a ledger nor an export helps to guess it. It stays the same when master
// keys are rotated; it is empty without a credential.
func (s *Store) KeyID(kind string, v secret.Value) string {
	if v.IsZero() {
		return ""
	}
	return kind + ":" + v.Fingerprint(s.master.Derive("credential ids"))
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

func (tx *Tx) audit(ctx context.Context, row AuditRow) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	id, err := newID()
	if err != nil {
		return err
	}
	if row.At.IsZero() {
		row.At = tx.store.now()
	}
	raw, salt, err := salted(auditBody{Target: row.Target, Source: row.Source, Detail: row.Detail})
	if err != nil {
		return err
	}
	at := micros(row.At)
	tx.chains.add(chainRow{
		org: tx.org, chain: ledger.ChainAudit, at: at,
		commitment: ledger.Commit(salt, canonicalAudit(tx.org, id, at, row.Actor, row.Action, raw)),
		values:     []any{string(tx.org), id, at, string(row.Actor), row.Action, tx.sealRaw("audit_log", id, raw)},
	})
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

const auditFields = `id, at, actor, action, body, seq`

func (tx *Tx) scanAudit(r interface{ Scan(...any) error }) (AuditRow, error) {
	row := AuditRow{OrgID: tx.org}
	var at int64
	var sealed []byte
	if err := r.Scan(&row.ID, &at, &row.Actor, &row.Action, &sealed, &row.Seq); err != nil {
		return row, err
	}
	var b auditBody
	if err := tx.openJSON("audit_log", row.ID, sealed, &b); err != nil {
		return row, err
	}
	row.At, row.Target, row.Source, row.Detail = fromMicros(at), b.Target, b.Source, b.Detail
	return row, nil
}

func (tx *Tx) auditLog(ctx context.Context, q AuditQuery) ([]AuditRow, int, error) {
	const where = ` FROM audit_log WHERE org_id = $1 AND ($2 = '' OR actor = $2) AND ($3 = '' OR action = $3) AND at >= $4 AND at < $5`
	args := []any{tx.org, string(q.Actor), q.Action, micros(q.Since), until(q.Until)}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	var list []AuditRow
	if q.Target != "" || q.System {
		// What it was done to is sealed: every row in question is opened.
		found := 0
		err := tx.rows(ctx, `SELECT `+auditFields+where+` ORDER BY at DESC, id DESC`, args, func(r *sql.Rows) error {
			row, err := tx.scanAudit(r)
			if err != nil || q.System && row.Actor != "" || !strings.Contains(row.Target, q.Target) {
				return err
			}
			if found++; found > q.Offset && len(list) < q.Limit {
				list = append(list, row)
			}
			return nil
		})
		if err != nil {
			return nil, 0, fmt.Errorf("read the audit log: %w", err)
		}
		return list, found, nil
	}
	var total int
	if err := tx.scanOne(ctx, "audit log", `SELECT count(*)`+where, args, &total); err != nil {
		return nil, 0, err
	}
	err := tx.rows(ctx, `SELECT `+auditFields+where+` ORDER BY at DESC, id DESC LIMIT $6 OFFSET $7`,
		append(args, q.Limit, q.Offset), func(r *sql.Rows) error {
			row, err := tx.scanAudit(r)
			list = append(list, row)
			return err
		})
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit log: %w", err)
	}
	return list, total, nil
}
