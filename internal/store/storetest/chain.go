package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
)

// Chained is a world with rows in all three chains that have any.
func Chained(t testing.TB, open Opener) *World {
	w := NewWorld(t, open)
	w.Append(5)
	return w
}

// Append adds rows to both logs of the organization and to the installation's.
func (w *World) Append(n int) {
	w.T.Helper()
	for i := range n {
		w.In(func(ctx context.Context, tx *store.Tx) error {
			if err := tx.Audit(ctx, store.AuditRow{Actor: "u1", Action: "scan_started", Target: fmt.Sprintf("scan:%d", i)}); err != nil {
				return err
			}
			return tx.RecordLedger(ctx, []store.LedgerRow{
				{Entry: ledger.Entry{At: w.Clock.Now(), Purpose: ledger.PurposeMetabase, Method: "GET", Host: "m:443", Route: "/api/card", Status: 200}, Count: i + 1},
				{Entry: ledger.Entry{
					At: w.Clock.Now(), Purpose: ledger.PurposeModel, Method: "POST", Host: "p:443", Exchange: fmt.Sprint(i), Phase: ledger.PhaseIntent,
					Payload: &ledger.Payload{Media: "application/http", Content: fmt.Appendf(nil, "payload %d", i), Author: "u1", Subject: "thing:1"},
				}},
			})
		})
		w.System(func(ctx context.Context, tx *store.SystemTx) error {
			if err := tx.Audit(ctx, store.AuditRow{Action: "login_failed", Source: "192.0.2.1"}); err != nil {
				return err
			}
			return tx.RecordLedger(ctx, []store.LedgerRow{{Entry: ledger.Entry{At: w.Clock.Now(), Purpose: ledger.PurposeKMS, Host: "k:443"}}})
		})
		w.Clock.Add(time.Minute)
	}
}

// Verify runs a verification.
func (w *World) Verify(anchors ...ledger.Checkpoint) ledger.Report {
	w.T.Helper()
	r, err := w.Store.VerifyLedger(context.Background(), anchors)
	if err != nil {
		w.T.Fatalf("VerifyLedger: %v", err)
	}
	return r
}

// Checkpoint signs all chains and returns what must be anchored.
func (w *World) Checkpoint() []ledger.Checkpoint {
	w.T.Helper()
	var list []ledger.Checkpoint
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		stored, err := tx.CheckpointChains(ctx)
		if err != nil {
			return err
		}
		for _, p := range stored {
			list = append(list, p.Checkpoint)
		}
		return tx.SetAnchored(ctx, stored)
	})
	return list
}

func wantSound(t testing.TB, r ledger.Report) {
	t.Helper()
	for _, c := range r.Chains {
		for _, p := range c.Problems {
			t.Errorf("%q %s: %s at %d (%s): %s", c.Org, c.Chain, p.Code, p.Seq, p.From, p.Text)
		}
	}
}

func chainOf(t testing.TB, r ledger.Report, org store.OrgID, chain ledger.Chain) ledger.ChainReport {
	t.Helper()
	i := slices.IndexFunc(r.Chains, func(c ledger.ChainReport) bool { return c.Org == string(org) && c.Chain == chain })
	if i < 0 {
		t.Fatalf("no report on the %s chain of %q", chain, org)
	}
	return r.Chains[i]
}

func testChain(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	r := w.Verify()
	wantSound(t, r)
	if len(r.Chains) != 4 || r.KeyID == "" {
		t.Fatalf("got %+v", r)
	}
	w.Append(45) // more than one statement writes
	w.In(func(ctx context.Context, tx *store.Tx) error {
		rows := make([]store.LedgerRow, 100)
		for i := range rows {
			rows[i] = store.LedgerRow{Entry: ledger.Entry{At: w.Clock.Now(), Purpose: ledger.PurposeMetabase, Route: fmt.Sprint(i)}}
		}
		return tx.RecordLedger(ctx, rows)
	})
	r = w.Verify()
	wantSound(t, r)
	c := chainOf(t, r, w.Org, ledger.ChainLedger)
	if c.Rows != 190 || c.Links != 190 || c.Head != 190 || c.Payloads != 45 || c.NotCovered != 0 {
		t.Errorf("got %+v", c)
	}
	if c := chainOf(t, r, "", ledger.ChainAudit); c.Rows != 45 {
		t.Errorf("got %+v", c)
	}
	if c := chainOf(t, r, "", ledger.ChainLedger); c.Rows != 45 {
		t.Errorf("got %+v", c)
	}
	w.View(func(ctx context.Context, tx *store.Tx) error {
		rows, _, err := tx.Ledger(ctx, store.LedgerQuery{Limit: 1000})
		seen := map[int64]bool{}
		for _, row := range rows {
			seen[row.Seq] = true
		}
		if len(seen) != 190 || seen[0] {
			t.Errorf("%d numbers", len(seen))
		}
		return err
	})
}

func testChainConcurrent(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	second := open(t, t.Name(), store.Config{Keys: w.Keys, Now: w.Clock.Now})
	var writers sync.WaitGroup
	for i := range 8 {
		s := []*store.Store{w.Store, second}[i%2]
		writers.Go(func() {
			for n := range 10 {
				// In both orders: the locks must be taken in one.
				err := s.InOrg(context.Background(), w.Org, func(ctx context.Context, tx *store.Tx) error {
					audit := func() error { return tx.Audit(ctx, store.AuditRow{Action: "scan_started"}) }
					record := func() error { return tx.RecordLedger(ctx, []store.LedgerRow{{Count: n + 1}}) }
					if i%4 < 2 {
						if err := audit(); err != nil {
							return err
						}
						return record()
					}
					if err := record(); err != nil {
						return err
					}
					return audit()
				})
				if err == nil {
					err = s.InSystem(context.Background(), func(ctx context.Context, tx *store.SystemTx) error {
						if err := tx.Audit(ctx, store.AuditRow{OrgID: w.Org, Action: "login"}); err != nil {
							return err
						}
						return tx.Audit(ctx, store.AuditRow{Action: "login_failed"})
					})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	r := w.Verify()
	wantSound(t, r)
	wantEqual(t, int64(80), chainOf(t, r, w.Org, ledger.ChainLedger).Rows)
	wantEqual(t, int64(160), chainOf(t, r, w.Org, ledger.ChainAudit).Rows)
	wantEqual(t, int64(80), chainOf(t, r, "", ledger.ChainAudit).Rows)
}

func testChainRollback(t *testing.T, open Opener) {
	w := Chained(t, open)
	failed := errs.New(errs.Invalid, "no", "No.", "")
	err := w.Store.InOrg(context.Background(), w.Org, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.Audit(ctx, store.AuditRow{Action: "scan_started"}); err != nil {
			t.Error(err)
		}
		return failed
	})
	wantKind(t, err, errs.Invalid, "no")
	r := w.Verify()
	wantSound(t, r)
	wantEqual(t, int64(5), chainOf(t, r, w.Org, ledger.ChainAudit).Head)
}

// testChainPrune lets rows grow old and looks at what is left to verify.
func testChainPrune(t *testing.T, open Opener) {
	w := Chained(t, open)
	const day = 24 * time.Hour
	keep := store.Retention{Audit: 30 * day, Ledger: 30 * day}
	first := w.Checkpoint()
	w.Clock.Add(20 * day)
	w.Append(5)
	middle := w.Checkpoint()
	prune := func() (r store.PruneReport) {
		w.In(func(ctx context.Context, tx *store.Tx) (err error) {
			r, err = tx.Prune(ctx, keep, w.Clock.Now())
			return err
		})
		w.System(func(ctx context.Context, tx *store.SystemTx) error {
			_, err := tx.PruneLogs(ctx, keep, w.Clock.Now())
			return err
		})
		return r
	}
	anchors := append(first, middle...)
	wantSound(t, w.Verify(anchors...))
	wantEqual(t, store.PruneReport{}, prune())
	w.Clock.Add(15 * day)
	wantEqual(t, store.PruneReport{AuditRows: 5, LedgerRows: 10, Payloads: 5}, prune())
	r := w.Verify(anchors...)
	wantSound(t, r)
	c := chainOf(t, r, w.Org, ledger.ChainLedger)
	if c.Pruned != 10 || c.Rows != 10 || c.Links != 10 || c.Anchors != 2 || c.AnchoredSeq != 20 {
		t.Errorf("got %+v", c)
	}
	if c := chainOf(t, r, "", ledger.ChainLedger); c.Pruned != 5 || c.Rows != 5 {
		t.Errorf("got %+v", c)
	}
	// All of it goes, and the chain goes on.
	w.Clock.Add(60 * day)
	wantEqual(t, store.PruneReport{AuditRows: 5, LedgerRows: 10, Payloads: 5}, prune())
	r = w.Verify(anchors...)
	wantSound(t, r)
	if c := chainOf(t, r, w.Org, ledger.ChainLedger); c.Pruned != 20 || c.Links != 0 || c.Head != 20 {
		t.Errorf("got %+v", c)
	}
	w.Append(2)
	anchors = append(anchors, w.Checkpoint()...)
	r = w.Verify(anchors...)
	wantSound(t, r)
	if c := chainOf(t, r, w.Org, ledger.ChainAudit); c.Head != 12 || c.Rows != 2 {
		t.Errorf("got %+v", c)
	}
	wantEqual(t, store.PruneReport{}, prune())
}

// testPayloads keeps, reads and loses payloads; the chain stays whole.
func testPayloads(t *testing.T, open Opener) {
	w := Chained(t, open)
	ctx := context.Background()
	var rows []store.LedgerRow
	w.View(func(ctx context.Context, tx *store.Tx) (err error) {
		rows, _, err = tx.Ledger(ctx, store.LedgerQuery{Purpose: ledger.PurposeModel})
		return err
	})
	if len(rows) != 5 {
		t.Fatalf("%d rows", len(rows))
	}
	newest := rows[0]
	if newest.PayloadRef == nil || newest.PayloadRef.Mode != ledger.PayloadKept || newest.PayloadRef.Size != 9 || newest.PayloadRef.Author != "u1" || newest.PayloadRef.Salt != nil {
		t.Errorf("got %+v", newest.PayloadRef)
	}
	w.View(func(ctx context.Context, tx *store.Tx) error {
		row, err := tx.LedgerRow(ctx, newest.ID)
		if err != nil {
			return err
		}
		wantEqual(t, newest, row)
		p, err := tx.Payload(ctx, newest.ID)
		wantEqual(t, ledger.Payload{Media: "application/http", Content: []byte("payload 4"), Author: "u1", Subject: "thing:1"}, p)
		return err
	})
	w.In(func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.DeletePayloads(ctx, "thing:1")
		wantEqual(t, 5, n)
		return err
	})
	w.View(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Payload(ctx, newest.ID)
		wantKind(t, err, errs.NotFound, "")
		_, err = tx.LedgerRow(ctx, "nothing")
		wantKind(t, err, errs.NotFound, "")
		return nil
	})
	wantSound(t, w.Verify())

	// With its scan.
	var scan store.Scan
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		if scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning}); err != nil {
			return err
		}
		return tx.FinishScan(ctx, scan.ID, store.ScanFailed, "x", "x")
	})
	recorder := store.NewRecorder(w.Store, w.Org, w.Conn, scan.ID)
	if err := recorder.Record(ctx, ledger.Entry{At: w.Clock.Now(), Purpose: ledger.PurposeModel, Phase: ledger.PhaseIntent, Payload: &ledger.Payload{Content: []byte("of a scan")}}); err != nil {
		t.Fatal(err)
	}
	ofScan := func() (n int) {
		w.View(func(ctx context.Context, tx *store.Tx) error {
			list, _, err := tx.Ledger(ctx, store.LedgerQuery{Scan: scan.ID})
			for _, row := range list {
				if _, err := tx.Payload(ctx, row.ID); err == nil {
					n++
				}
			}
			return err
		})
		return n
	}
	wantEqual(t, 1, ofScan())
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteScan(ctx, scan.ID) })
	wantEqual(t, 0, ofScan())
	wantSound(t, w.Verify())
}

// testPayloadHash keeps a hash alone.
func testPayloadHash(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	s := open(t, t.Name(), store.Config{Keys: w.Keys, Now: w.Clock.Now, Payloads: ledger.PayloadHash})
	content := []byte("a question with a name in it")
	err := store.NewRecorder(s, w.Org, "", "").Record(context.Background(), ledger.Entry{Purpose: ledger.PurposeModel, Phase: ledger.PhaseIntent, Payload: &ledger.Payload{Content: content}})
	if err != nil {
		t.Fatal(err)
	}
	w.View(func(ctx context.Context, tx *store.Tx) error {
		rows, _, err := tx.Ledger(ctx, store.LedgerQuery{})
		if err != nil || len(rows) != 1 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		ref := rows[0].PayloadRef
		if ref == nil || ref.Mode != ledger.PayloadHash || ref.Size != int64(len(content)) {
			t.Fatalf("got %+v", ref)
		}
		wantEqual(t, ledger.PayloadDigest(ref.Salt, content), ref.Digest) // a copy can be recognized
		_, err = tx.Payload(ctx, rows[0].ID)
		wantKind(t, err, errs.NotFound, "")
		return nil
	})
	wantSound(t, w.Verify())
}

// testLogFilters looks for what is sealed.
func testLogFilters(t *testing.T, open Opener) {
	w := Chained(t, open)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		return tx.RecordLedger(ctx, []store.LedgerRow{{Entry: ledger.Entry{At: w.Clock.Now(), Host: "Other:443", Status: 503}}, {Entry: ledger.Entry{At: w.Clock.Now(), Host: "other:443", Error: "unreachable"}}})
	})
	w.View(func(ctx context.Context, tx *store.Tx) error {
		for _, c := range []struct {
			q    store.LedgerQuery
			rows int
			all  int
		}{
			{store.LedgerQuery{Host: "OTHER:443"}, 2, 2},
			{store.LedgerQuery{Status: store.StatusAnswered, Limit: 2, Offset: 4}, 1, 5},
			{store.LedgerQuery{Status: store.StatusRefused}, 1, 1},
			{store.LedgerQuery{Status: store.StatusFailed}, 1, 1},
			{store.LedgerQuery{Status: "503"}, 1, 1},
			{store.LedgerQuery{Status: "200", Purpose: ledger.PurposeModel}, 0, 0},
		} {
			rows, total, err := tx.Ledger(ctx, c.q)
			if err != nil || len(rows) != c.rows || total != c.all {
				t.Errorf("%+v: %d of %d rows, %v", c.q, len(rows), total, err)
			}
		}
		hosts, err := tx.LedgerHosts(ctx, store.LedgerQuery{})
		wantEqual(t, []string{"Other:443", "m:443", "other:443", "p:443"}, hosts)
		if err != nil {
			return err
		}
		rows, total, err := tx.AuditLog(ctx, store.AuditQuery{Target: "scan:3"})
		if total != 1 || len(rows) != 1 || rows[0].Target != "scan:3" {
			t.Errorf("got %+v", rows)
		}
		if err != nil {
			return err
		}
		_, total, err = tx.AuditLog(ctx, store.AuditQuery{System: true})
		wantEqual(t, 0, total)
		return err
	})
}
