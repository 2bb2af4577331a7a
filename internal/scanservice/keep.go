package scanservice

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/store"
)

// staging keeps a scan's finished steps in the store. It belongs to the
// connection, so that the next scan goes on where an interrupted one stopped.
type staging struct {
	store *store.Store
	org   store.OrgID
	scan  store.ScanID
	stamp string
	now   func() time.Time

	once sync.Once
	err  error
}

// open discards, once, what was staged for another stamp or too long ago.
func (s *staging) open(ctx context.Context) error {
	s.once.Do(func() {
		s.err = s.store.InOrg(ctx, s.org, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.StageOpen(ctx, s.scan, s.stamp, s.now().UTC())
			return err
		})
	})
	return s.err
}

// Load implements scan.Staging.
func (s *staging) Load(ctx context.Context, step string) (data []byte, found bool, err error) {
	if err := s.open(ctx); err != nil {
		return nil, false, fmt.Errorf("open staging: %w", err)
	}
	err = s.store.ViewOrg(ctx, s.org, func(ctx context.Context, tx *store.Tx) (err error) {
		data, found, err = tx.StageLoad(ctx, s.scan, step)
		return err
	})
	return data, found, err
}

// Save implements scan.Staging.
func (s *staging) Save(ctx context.Context, step string, data []byte) error {
	if err := s.open(ctx); err != nil {
		return fmt.Errorf("open staging: %w", err)
	}
	return s.store.InOrg(ctx, s.org, func(ctx context.Context, tx *store.Tx) error {
		return tx.StageSave(ctx, s.scan, step, data)
	})
}

// Drop implements scan.Staging.
func (s *staging) Drop(ctx context.Context) error {
	return s.store.InOrg(ctx, s.org, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.StageDrop(ctx, s.scan); err != nil {
			return err
		}
		_, err := tx.StageOpen(ctx, s.scan, s.stamp, s.now().UTC())
		return err
	})
}

// ownReads counts our dashboard reads in the store, each before it is sent.
type ownReads struct {
	store      *store.Store
	org        store.OrgID
	connection store.ConnectionID
}

// Counts implements scan.OwnReads.
func (o *ownReads) Counts(ctx context.Context) (counts map[string]int64, err error) {
	err = o.store.ViewOrg(ctx, o.org, func(ctx context.Context, tx *store.Tx) (err error) {
		counts, err = tx.OwnReads(ctx, o.connection)
		return err
	})
	return counts, err
}

// Add implements scan.OwnReads.
func (o *ownReads) Add(ctx context.Context, dashboardID string) error {
	return o.store.InOrg(ctx, o.org, func(ctx context.Context, tx *store.Tx) error {
		return tx.AddOwnReads(ctx, o.connection, map[string]int64{dashboardID: 1})
	})
}
