package store

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/ledger"
)

// Recorder writes exchanges to an organization's egress ledger. Plain Metabase
// reads are added up by route and status until Flush (or until many kinds have
// come together); everything else is durable when Record returns.
type Recorder struct {
	store *Store
	org   OrgID
	conn  ConnectionID
	scan  ScanID

	mu      sync.Mutex
	batched map[batchKey]*LedgerRow
}

type batchKey struct {
	method, host, route, failure, key string
	status                            int
}

// maxBatch bounds what a crash can lose and what memory holds.
const maxBatch = 200

var _ ledger.Recorder = (*Recorder)(nil)

// NewRecorder returns a recorder. conn and scan may be empty. It must not be
// used inside a transaction of the same store.
func NewRecorder(s *Store, org OrgID, conn ConnectionID, scan ScanID) *Recorder {
	return &Recorder{store: s, org: org, conn: conn, scan: scan, batched: map[batchKey]*LedgerRow{}}
}

// NewSystemRecorder returns a recorder for what belongs to no organization:
// sign-in before it is known whose, key services, certificates, the
// installation's own mail and streams.
func NewSystemRecorder(s *Store) *Recorder { return NewRecorder(s, systemOrg, "", "") }

// Record implements [ledger.Recorder].
func (r *Recorder) Record(ctx context.Context, e ledger.Entry) error {
	if e.Payload != nil && e.Payload.Author == "" {
		authored := *e.Payload
		authored.Author = access.From(ctx).User // empty for jobs and commands
		e.Payload = &authored
	}
	row := LedgerRow{Entry: e, ConnectionID: r.conn, ScanID: r.scan, Count: 1}
	if row.ConnectionID == "" {
		row.ConnectionID = ConnectionID(ledger.ConnectionOf(ctx))
	}
	if e.Purpose != ledger.PurposeMetabase || e.Phase != "" {
		return r.write(ctx, []LedgerRow{row})
	}
	r.mu.Lock()
	k := batchKey{e.Method, e.Host, e.Route, e.Error, e.KeyID, e.Status}
	if have := r.batched[k]; have != nil {
		have.Count++
		have.RequestSize += e.RequestSize
		have.ResponseSize += e.ResponseSize
		have.Duration += e.Duration
		if have.Address == "" {
			have.Address = e.Address
		}
	} else {
		r.batched[k] = &row
	}
	full := len(r.batched) >= maxBatch
	r.mu.Unlock()
	if full {
		return r.Flush(ctx)
	}
	return nil
}

// Flush implements [ledger.Recorder]. What could not be written stays for the
// next Flush.
func (r *Recorder) Flush(ctx context.Context) error {
	r.mu.Lock()
	taken := r.batched
	r.batched = map[batchKey]*LedgerRow{}
	r.mu.Unlock()
	if len(taken) == 0 {
		return nil
	}
	rows := make([]LedgerRow, 0, len(taken))
	for _, row := range taken {
		rows = append(rows, *row)
	}
	slices.SortFunc(rows, func(a, b LedgerRow) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Status, b.Status), cmp.Compare(a.Error, b.Error))
	})
	if err := r.write(ctx, rows); err != nil {
		r.giveBack(taken)
		return err
	}
	return nil
}

func (r *Recorder) giveBack(taken map[batchKey]*LedgerRow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, row := range taken {
		have := r.batched[k]
		if have == nil {
			r.batched[k] = row
			continue
		}
		row.Count += have.Count
		row.RequestSize += have.RequestSize
		row.ResponseSize += have.ResponseSize
		row.Duration += have.Duration
		r.batched[k] = row
	}
}

func (r *Recorder) write(ctx context.Context, rows []LedgerRow) error {
	if r.org == systemOrg {
		return r.store.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error { return tx.RecordLedger(ctx, rows) })
	}
	return r.store.InOrg(ctx, r.org, func(ctx context.Context, tx *Tx) error { return tx.RecordLedger(ctx, rows) })
}
