// Package ledger describes the egress ledger: the record of every exchange in
// which MetaLens sent something to another system. The dialer refuses traffic
// that carries no recorder, so that the record cannot be forgotten.
package ledger

import (
	"context"
	"time"
)

// Purpose says why something left.
type Purpose string

// The purposes of outbound traffic.
const (
	PurposeMetabase  Purpose = "metabase"
	PurposeModel     Purpose = "model"
	PurposeMail      Purpose = "mail"
	PurposeWebhook   Purpose = "webhook"
	PurposeOIDC      Purpose = "oidc"
	PurposeWarehouse Purpose = "warehouse"
	PurposeKMS       Purpose = "kms"
	PurposeACME      Purpose = "acme"
	PurposeStream    Purpose = "stream" // the audit log and ledger on their way to a collector
)

// Phase tells the two entries of an announced exchange apart.
type Phase string

// The phases. A plain Metabase read has one entry without a phase, written when
// it is over; everything else is announced before it is sent.
const (
	PhaseIntent  Phase = "intent"  // durable before the first byte left; Status and sizes are not known yet
	PhaseOutcome Phase = "outcome" // how it ended; same Exchange as its intent
)

// Entry is one exchange. It holds no header, query value or body of a Metabase
// read: Route is the pattern, never the address with its parameters' values.
type Entry struct {
	At           time.Time
	Purpose      Purpose
	Method       string // GET, POST, …
	Host         string // host:port that was asked
	Address      string // the network address that was dialed, after DNS; empty when a connection was reused
	Route        string // pattern such as /api/card/:id
	Status       int    // 0 when no answer came
	RequestSize  int64  // body bytes sent
	ResponseSize int64  // body bytes received
	Duration     time.Duration
	Error        string // class of the failure (errs code), empty when answered
	Exchange     string // ties an intent to its outcome; empty for plain Metabase reads
	Phase        Phase
	// KeyID names the credential that went along, so that it is known which key
	// was used; empty when none did. It is not secret and opens nothing.
	KeyID string
	// Payload is what is sent. A [Recorder] stores it apart from the entry, or a
	// hash of it; nil where the body is not kept, as with Metabase reads.
	Payload *Payload
}

// Purposes lists every purpose.
func Purposes() []Purpose {
	return []Purpose{
		PurposeMetabase, PurposeModel, PurposeMail, PurposeWebhook, PurposeOIDC, PurposeWarehouse, PurposeKMS, PurposeACME, PurposeStream,
	}
}

// Recorder takes entries. Plain Metabase reads may be batched by the
// implementation; Flush makes everything taken so far durable. Implementations
// are safe for concurrent use. Record never blocks on the network.
type Recorder interface {
	Record(ctx context.Context, e Entry) error
	Flush(ctx context.Context) error
}
