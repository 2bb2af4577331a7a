package siem

import (
	"context"
	"errors"
	"fmt"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
)

// Stream sends the audit log and the egress ledger of every organization, and
// of the installation, to sinks: each row at least once, in the order of its
// chain. How far a sink has come is stored, so that a restart goes on there.
type Stream struct {
	store *store.Store
	sinks []Sink
	batch int
}

// streamBatch is how many rows one delivery holds.
const streamBatch = 200

// NewStream returns a stream to sinks.
func NewStream(s *store.Store, sinks ...Sink) *Stream {
	return &Stream{store: s, sinks: sinks, batch: streamBatch}
}

// Run sends what is waiting. A sink that fails keeps its place; the others go
// on. It returns how many rows were sent.
func (s *Stream) Run(ctx context.Context) (sent int, err error) {
	ctx = access.AsSystem(ctx)
	var heads []store.ChainHead
	err = s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		heads, err = tx.ChainHeads(ctx)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, sink := range s.sinks {
		for _, h := range heads {
			n, failed := s.follow(ctx, sink, h)
			sent += n
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("stream to %s: %w", sink.Name(), failed))
				break
			}
		}
	}
	return sent, err
}

// follow sends the rows of one chain up to its head as it was seen at the
// start: what sending itself adds waits for the next run.
func (s *Stream) follow(ctx context.Context, sink Sink, h store.ChainHead) (sent int, err error) {
	var at int64
	err = s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		at, err = tx.StreamCursor(ctx, sink.Name(), h.Org, h.Chain)
		return err
	})
	if err != nil {
		return 0, err
	}
	for at < h.Seq {
		records, last, own, err := s.read(ctx, h, at)
		if errs.KindOf(err) == errs.NotFound || err == nil && last == at {
			return sent, nil // the organization is gone, or the rows are
		}
		if err != nil {
			return sent, err
		}
		if own == len(records) {
			// Nothing but traces of this stream: they leave with the next row
			// of somebody else, so that sending does not cause sending.
			if foreign, err := s.foreign(ctx, h, last); err != nil || !foreign {
				return sent, err
			}
		}
		if err := sink.Write(ctx, records); err != nil {
			return sent, err
		}
		sent += len(records)
		err = s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
			return tx.SetStreamCursor(ctx, sink.Name(), h.Org, h.Chain, last)
		})
		if err != nil {
			return sent, err
		}
		at = last
	}
	return sent, nil
}

// foreign reports whether a row after a number is not the stream's own.
func (s *Stream) foreign(ctx context.Context, h store.ChainHead, after int64) (bool, error) {
	for after < h.Seq {
		records, last, own, err := s.read(ctx, h, after)
		if err != nil || own < len(records) {
			return err == nil, err
		}
		if last == after {
			break
		}
		after = last
	}
	return false, nil
}

// read returns the next records, the number of the last, and how many of them
// are the stream's own exchanges.
func (s *Stream) read(ctx context.Context, h store.ChainHead, after int64) (records []Record, last int64, own int, err error) {
	audit, egress, err := s.store.LogAfter(ctx, h, after, s.batch)
	last = after
	for _, row := range audit {
		r, failed := OfAudit(row)
		records, last, err = append(records, r), row.Seq, errors.Join(err, failed)
	}
	for _, row := range egress {
		r, failed := OfEgress(h.Org, row)
		records, last, err = append(records, r), row.Seq, errors.Join(err, failed)
		if row.Purpose == ledger.PurposeStream {
			own++
		}
	}
	return records, last, own, err
}
