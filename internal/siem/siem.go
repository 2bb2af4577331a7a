// Package siem carries records out to where other systems watch: a syslog
// server, a file, a webhook. Signed checkpoints are anchored through it, and the
// audit log and the egress ledger are streamed through it.
//
// Connections go through the guarded and recorded dialer of internal/outbound.
// No record holds a payload or a secret.
package siem

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
)

// Kind names what a record is; syslog shows it as MSGID.
type Kind string

// The kinds of record.
const (
	KindAudit      Kind = "audit"
	KindEgress     Kind = "egress"
	KindCheckpoint Kind = "checkpoint"
)

// Record is one line on its way out.
type Record struct {
	Kind  Kind
	At    time.Time
	Alert bool // deserves a look: a failed login, a refused exchange
	Body  json.RawMessage
}

// Sink takes records. It may get a record twice, never none: Write returns nil
// only when the other side has all of them.
type Sink interface {
	Write(ctx context.Context, records []Record) error
	// Name tells sinks apart for their cursors; it changes with the target.
	Name() string
}

// auditRecord is an audit row as others see it.
type auditRecord struct {
	Format string          `json:"format"`
	Org    string          `json:"org,omitempty"`
	Seq    int64           `json:"seq"`
	ID     string          `json:"id"`
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor,omitempty"`
	Action string          `json:"action"`
	Target string          `json:"target,omitempty"`
	Source string          `json:"source,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

// OfAudit makes a record of an audit row.
func OfAudit(row store.AuditRow) (Record, error) {
	r := auditRecord{
		Format: "metalens-audit-v1", Org: string(row.OrgID), Seq: row.Seq, ID: row.ID, At: row.At, Actor: string(row.Actor), Action: row.Action,
		Target: row.Target, Source: row.Source,
	}
	if json.Valid([]byte(row.Detail)) {
		r.Detail = json.RawMessage(row.Detail)
	}
	body, err := json.Marshal(r)
	if err != nil {
		return Record{}, fmt.Errorf("write an audit record: %w", err)
	}
	return Record{Kind: KindAudit, At: row.At, Alert: row.Action == "login_failed", Body: body}, nil
}

type egressRecord struct {
	Format       string    `json:"format"`
	Org          string    `json:"org,omitempty"`
	Seq          int64     `json:"seq"`
	ID           string    `json:"id"`
	At           time.Time `json:"at"`
	Purpose      string    `json:"purpose"`
	Phase        string    `json:"phase,omitempty"`
	Exchange     string    `json:"exchange,omitempty"`
	Connection   string    `json:"connection,omitempty"`
	Scan         string    `json:"scan,omitempty"`
	Method       string    `json:"method,omitempty"`
	Host         string    `json:"host,omitempty"`
	Address      string    `json:"address,omitempty"`
	Route        string    `json:"route,omitempty"`
	Status       int       `json:"status,omitempty"`
	Error        string    `json:"error,omitempty"`
	KeyID        string    `json:"key_id,omitempty"` // which credential went along
	Count        int       `json:"count"`
	RequestSize  int64     `json:"request_bytes"`
	ResponseSize int64     `json:"response_bytes"`
	Milliseconds int64     `json:"duration_ms"`
}

// OfEgress makes a record of a ledger row.
func OfEgress(org store.OrgID, row store.LedgerRow) (Record, error) {
	body, err := json.Marshal(egressRecord{
		Format: "metalens-egress-v1", Org: string(org), Seq: row.Seq, ID: row.ID, At: row.At, Purpose: string(row.Purpose), Phase: string(row.Phase),
		Exchange: row.Exchange, Connection: string(row.ConnectionID), Scan: string(row.ScanID), Method: row.Method, Host: row.Host, Address: row.Address,
		Route: row.Route, Status: row.Status, Error: row.Error, KeyID: row.KeyID, Count: row.Count, RequestSize: row.RequestSize, ResponseSize: row.ResponseSize,
		Milliseconds: row.Duration.Milliseconds(),
	})
	if err != nil {
		return Record{}, fmt.Errorf("write an egress record: %w", err)
	}
	return Record{Kind: KindEgress, At: row.At, Alert: row.Error != "", Body: body}, nil
}

// OfCheckpoint makes a record of a signed checkpoint.
func OfCheckpoint(p ledger.Checkpoint, public []byte) (Record, error) {
	body, err := ledger.AnchorLine(p, public)
	return Record{Kind: KindCheckpoint, At: p.At, Body: body}, err
}
