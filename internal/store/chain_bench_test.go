package store_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
)

// TestBenchChain says what the chain costs; it asserts nothing.
//
//	METALENS_BENCH=1 go test ./internal/store -run TestBenchChain -v
func TestBenchChain(t *testing.T) {
	if os.Getenv("METALENS_BENCH") == "" {
		t.Skip("figures only; set METALENS_BENCH=1")
	}
	onEachEngine(t, func(t *testing.T, v *vandal) {
		w, ctx := v.w, context.Background()
		timed := func(what string, rows int, do func()) {
			start := time.Now()
			do()
			took := time.Since(start)
			t.Logf("%-44s %9.0f rows/s, %6.1f µs per row", what, float64(rows)/took.Seconds(), float64(took.Microseconds())/float64(rows))
		}
		batch := make([]store.LedgerRow, 60) // a scan step's worth of routes
		for i := range batch {
			batch[i] = store.LedgerRow{Entry: ledger.Entry{At: w.Clock.Now(), Purpose: ledger.PurposeMetabase, Method: "GET", Host: "metabase.example.com:443", Route: "/api/card/:id", Status: 200}, Count: i + 1}
		}
		const batches, singles = 200, 2000
		timed("append in batches of 60", batches*len(batch), func() {
			for range batches {
				w.In(func(ctx context.Context, tx *store.Tx) error { return tx.RecordLedger(ctx, batch) })
			}
		})
		timed("append one by one, a transaction each", singles, func() {
			for range singles {
				w.In(func(ctx context.Context, tx *store.Tx) error { return tx.Audit(ctx, store.AuditRow{Action: "login"}) })
			}
		})
		timed("append by 8 writers, a transaction each", singles, func() {
			var writers sync.WaitGroup
			for range 8 {
				writers.Go(func() {
					for range singles / 8 {
						if err := w.Store.InOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error { return tx.Audit(ctx, store.AuditRow{Action: "login"}) }); err != nil {
							t.Error(err)
						}
					}
				})
			}
			writers.Wait()
		})
		timed("verify", batches*len(batch)+2*singles, func() {
			if r := w.Verify(); !r.OK() {
				t.Errorf("got %+v", r)
			}
		})
	})
}
