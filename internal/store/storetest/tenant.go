package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

func testConnections(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	second := store.Connection{
		Name: "Analytics", URL: "https://bi.example.com/sub", Auth: store.AuthSession,
		Options: store.ConnectionOptions{
			ExcludedCollections: []string{"7"}, Concurrency: 2, MinTLS12: true,
			Headers:         map[string]string{"CF-Access-Client-Secret": "s3cret"},
			CheckParameters: map[string]string{"USE002.days": "180"},
		},
		Schedule: "weekly mon 03:00", NextRunAt: w.Clock.Now().Add(time.Hour),
	}
	w.In(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.InsertConnection(ctx, second)
		if err != nil {
			return err
		}
		second.ID, second.CreatedAt, second.UpdatedAt = got.ID, w.Clock.Now(), w.Clock.Now()
		wantEqual(t, second, got)
		return nil
	})
	w.Clock.Add(time.Minute)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.ConnectionByName(ctx, " ANALYTICS ")
		if err != nil {
			return err
		}
		wantEqual(t, second, got)
		list, err := tx.Connections(ctx)
		if err != nil {
			return err
		}
		if len(list) != 2 || list[0].Name != "Analytics" || list[1].Name != "Main" {
			t.Errorf("got %+v", list)
		}
		got.Name, got.Schedule, got.NextRunAt = "Reports", "", time.Time{}
		if err := tx.UpdateConnection(ctx, got); err != nil {
			return err
		}
		_, err = tx.ConnectionByName(ctx, "Analytics")
		wantKind(t, err, errs.NotFound, "")
		again, err := tx.Connection(ctx, got.ID)
		got.UpdatedAt = w.Clock.Now()
		wantEqual(t, got, again)
		_, missing := tx.Connection(ctx, "nobody")
		wantKind(t, missing, errs.NotFound, "")
		wantKind(t, tx.UpdateConnection(ctx, store.Connection{ID: "nobody"}), errs.NotFound, "")
		wantKind(t, tx.DeleteConnection(ctx, "nobody"), errs.NotFound, "")
		return err
	})
	for _, change := range []func(context.Context, *store.Tx) error{
		func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.InsertConnection(ctx, store.Connection{Name: "main "})
			return err
		},
		func(ctx context.Context, tx *store.Tx) error {
			return tx.UpdateConnection(ctx, store.Connection{ID: second.ID, Name: "MAIN"})
		},
	} {
		wantKind(t, w.Store.InOrg(context.Background(), w.Org, change), errs.Conflict, "connection_exists")
	}
}

func testCredentials(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Credential(ctx, w.Conn)
		wantKind(t, err, errs.NotFound, "no_credential")
		for _, key := range []string{"mb_first", "mb_second"} {
			if err := tx.SetCredential(ctx, w.Conn, secret.New(key)); err != nil {
				return err
			}
			got, err := tx.Credential(ctx, w.Conn)
			if err != nil {
				return err
			}
			if got.Expose() != key {
				t.Error("another credential came back")
			}
		}
		if err := tx.SetCredential(ctx, w.Conn, secret.Value{}); err != nil {
			return err
		}
		_, err = tx.Credential(ctx, w.Conn)
		wantKind(t, err, errs.NotFound, "no_credential")
		wantKind(t, tx.SetCredential(ctx, "nobody", secret.New("x")), errs.NotFound, "")
		return nil
	})
}

func testScans(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ctx := context.Background()
	var scan store.Scan
	w.In(func(ctx context.Context, tx *store.Tx) error {
		var err error
		scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, Trigger: "manual", RequestedBy: "u1"})
		if err != nil {
			return err
		}
		wantEqual(t, store.Scan{ID: scan.ID, ConnectionID: w.Conn, State: store.ScanQueued, Trigger: "manual", RequestedBy: "u1", QueuedAt: w.Clock.Now()}, scan)
		_, err = tx.LatestScan(ctx, w.Conn)
		wantKind(t, err, errs.NotFound, "")
		active, err := tx.ActiveScan(ctx, w.Conn)
		wantEqual(t, scan, active)
		return err
	})
	err := w.Store.InOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn})
		return err
	})
	wantKind(t, err, errs.Conflict, "scan_running")
	err = w.Store.InOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.InsertScan(ctx, store.Scan{ConnectionID: "nobody"})
		return err
	})
	wantKind(t, err, errs.NotFound, "")

	progress := store.ScanProgress{Steps: []store.StepProgress{{Name: "cards", Title: "Questions", State: "running", Done: 3, Total: 9, Note: "n"}}}
	w.In(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.StartScan(ctx, scan.ID, w.Clock.Now().Add(time.Second)); err != nil {
			return err
		}
		cancel, err := tx.UpdateScanProgress(ctx, scan.ID, progress, w.Clock.Now().Add(2*time.Second))
		if err != nil || cancel {
			t.Errorf("cancel %v, %v", cancel, err)
		}
		if err := tx.RequestScanCancel(ctx, scan.ID); err != nil {
			return err
		}
		if cancel, err = tx.UpdateScanProgress(ctx, scan.ID, progress, w.Clock.Now().Add(3*time.Second)); err != nil || !cancel {
			t.Errorf("cancel %v, %v", cancel, err)
		}
		if cancel, err = tx.CancelRequested(ctx, scan.ID); err != nil || !cancel {
			t.Errorf("cancel %v, %v", cancel, err)
		}
		wantKind(t, tx.FinishScan(ctx, scan.ID, store.ScanSucceeded, "", ""), errs.Conflict, "") // nothing was committed
		if err := tx.SetScanSummary(ctx, scan.ID, store.ScanSummary{NotEvaluated: 4}); err != nil {
			return err
		}
		if err := tx.FinishScan(ctx, scan.ID, store.ScanCancelled, "cancelled", "The scan was cancelled."); err != nil {
			return err
		}
		got, err := tx.Scan(ctx, scan.ID)
		if err != nil {
			return err
		}
		want := scan
		want.State, want.StartedAt, want.HeartbeatAt, want.FinishedAt = store.ScanCancelled, w.Clock.Now().Add(time.Second), w.Clock.Now().Add(3*time.Second), w.Clock.Now()
		want.CancelRequested, want.Progress, want.Summary.NotEvaluated = true, progress, 4
		want.ErrorCode, want.ErrorText = "cancelled", "The scan was cancelled."
		wantEqual(t, want, got)
		wantKind(t, tx.StartScan(ctx, scan.ID, w.Clock.Now()), errs.Conflict, "scan_finished")
		wantKind(t, tx.FinishScan(ctx, scan.ID, store.ScanFailed, "", ""), errs.Conflict, "scan_finished")
		_, err = tx.UpdateScanProgress(ctx, scan.ID, progress, w.Clock.Now())
		wantKind(t, err, errs.Conflict, "scan_finished")
		cancel, err = tx.CancelRequested(ctx, scan.ID)
		if cancel {
			t.Error("an ended scan still wants to be cancelled")
		}
		wantKind(t, tx.StartScan(ctx, "nobody", w.Clock.Now()), errs.NotFound, "")
		wantKind(t, tx.RequestScanCancel(ctx, "nobody"), errs.NotFound, "")
		return err
	})
	w.Clock.Add(time.Minute)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		queued, err := tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, Trigger: "schedule"})
		if err != nil {
			return err
		}
		if err := tx.RequestScanCancel(ctx, queued.ID); err != nil {
			return err
		}
		got, err := tx.Scan(ctx, queued.ID)
		if err != nil {
			return err
		}
		wantEqual(t, store.ScanCancelled, got.State) // nobody works on it: it ends at once
		list, err := tx.Scans(ctx, w.Conn, 10, time.Time{})
		if err != nil {
			return err
		}
		if len(list) != 2 || list[0].ID != queued.ID || list[1].ID != scan.ID {
			t.Errorf("got %+v", list)
		}
		list, err = tx.Scans(ctx, "", 10, queued.QueuedAt)
		if len(list) != 1 || list[0].ID != scan.ID {
			t.Errorf("got %+v", list)
		}
		return err
	})
}

func testAbandon(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	var scan store.Scan
	start := func() {
		w.In(func(ctx context.Context, tx *store.Tx) (err error) {
			scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning})
			return err
		})
	}
	start()
	w.In(func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.AbandonStale(ctx, w.Clock.Now())
		wantEqual(t, 0, n)
		return err
	})
	w.Clock.Add(10 * time.Minute)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.AbandonStale(ctx, w.Clock.Now().Add(-time.Minute))
		wantEqual(t, 1, n)
		return err
	})
	w.View(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.Scan(ctx, scan.ID)
		if got.State != store.ScanFailed || got.ErrorCode != "abandoned" || got.ErrorText == "" {
			t.Errorf("got %+v", got)
		}
		return err
	})
	start() // the connection is free again
	w.Clock.Add(10 * time.Minute)
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		n, err := tx.AbandonStale(ctx, w.Clock.Now().Add(-time.Minute))
		wantEqual(t, 1, n)
		return err
	})
}

func testStages(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	newScan := func() (id store.ScanID) {
		w.In(func(ctx context.Context, tx *store.Tx) error {
			s, err := tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning})
			id = s.ID
			return err
		})
		return id
	}
	fail := func(id store.ScanID) {
		w.In(func(ctx context.Context, tx *store.Tx) error {
			return tx.FinishScan(ctx, id, store.ScanFailed, "x", "")
		})
	}
	open1 := func(id store.ScanID, stamp string) (steps []string) {
		w.In(func(ctx context.Context, tx *store.Tx) (err error) {
			steps, err = tx.StageOpen(ctx, id, stamp, w.Clock.Now())
			return err
		})
		return steps
	}
	save := func(id store.ScanID, step, data string) {
		w.In(func(ctx context.Context, tx *store.Tx) error { return tx.StageSave(ctx, id, step, []byte(data)) })
	}
	load := func(id store.ScanID, step string) (data string, ok bool) {
		w.View(func(ctx context.Context, tx *store.Tx) error {
			b, found, err := tx.StageLoad(ctx, id, step)
			data, ok = string(b), found
			return err
		})
		return data, ok
	}
	first := newScan()
	wantEqual(t, []string(nil), open1(first, "a"))
	save(first, "cards", "1")
	save(first, "cards", "2")
	save(first, "users", "")
	fail(first)

	w.Clock.Add(30 * time.Minute)
	second := newScan()
	wantEqual(t, []string{"cards", "users"}, open1(second, "a")) // goes on where the first stopped
	if data, ok := load(second, "cards"); !ok || data != "2" {
		t.Errorf("got %q, %v", data, ok)
	}
	if data, ok := load(second, "users"); !ok || data != "" {
		t.Errorf("got %q, %v", data, ok)
	}
	if _, ok := load(second, "other"); ok {
		t.Error("a step that was never saved was found")
	}
	save(second, "tables", "t")
	fail(second)

	w.Clock.Add(40 * time.Minute)
	third := newScan()
	wantEqual(t, []string{"tables"}, open1(third, "a")) // the others are too old
	fail(third)

	fourth := newScan()
	wantEqual(t, []string(nil), open1(fourth, "other key")) // another key sees other things
	save(fourth, "cards", "x")
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.StageDrop(ctx, fourth) })
	if _, ok := load(fourth, "cards"); ok {
		t.Error("a dropped step was found")
	}
	err := w.Store.InOrg(context.Background(), w.Org, func(ctx context.Context, tx *store.Tx) error { return tx.StageSave(ctx, "nobody", "x", nil) })
	wantKind(t, err, errs.NotFound, "")
}

func testSettings(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		for _, value := range []string{"one", "", "three"} {
			if err := tx.SetSetting(ctx, "smtp.password", value); err != nil {
				return err
			}
			got, ok, err := tx.Setting(ctx, "smtp.password")
			if err != nil || !ok || got != value {
				t.Errorf("got %q, %v, %v", got, ok, err)
			}
		}
		if err := tx.DeleteSetting(ctx, "smtp.password"); err != nil {
			return err
		}
		_, ok, err := tx.Setting(ctx, "smtp.password")
		if ok {
			t.Error("a deleted setting was found")
		}
		if tx.DeriveKey("mask").IsZero() || !tx.DeriveKey("mask").Equal(tx.DeriveKey("mask")) || tx.DeriveKey("mask").Equal(tx.DeriveKey("other")) {
			t.Error("derived keys are not stable per purpose")
		}
		return err
	})
}

func testOwnReads(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AddOwnReads(ctx, w.Conn, map[string]int64{"1": 1, "2": 5}); err != nil {
			return err
		}
		if err := tx.AddOwnReads(ctx, w.Conn, map[string]int64{"2": 2, "3": 1}); err != nil {
			return err
		}
		got, err := tx.OwnReads(ctx, w.Conn)
		wantEqual(t, map[string]int64{"1": 1, "2": 7, "3": 1}, got)
		return err
	})
}

func testLedger(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	at := w.Clock.Now()
	rows := []store.LedgerRow{
		{Entry: ledger.Entry{
			At: at, Purpose: ledger.PurposeMetabase, Method: "GET", Host: "m:443", Address: "192.0.2.1:443", Route: "/api/card", Status: 200,
			RequestSize: 1, ResponseSize: 2, Duration: time.Second, KeyID: "api_key:0123456789",
		}, ConnectionID: w.Conn, ScanID: "s1", Count: 4},
		{Entry: ledger.Entry{At: at.Add(time.Minute), Purpose: ledger.PurposeMail, Method: "SMTP", Error: "refused", Exchange: "e", Phase: ledger.PhaseIntent}, Count: 1},
	}
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.RecordLedger(ctx, rows) })
	w.View(func(ctx context.Context, tx *store.Tx) error {
		got, total, err := tx.Ledger(ctx, store.LedgerQuery{})
		if err != nil {
			return err
		}
		wantEqual(t, 2, total)
		wantEqual(t, []store.LedgerRow{rows[1], rows[0]}, got, cmpopts.IgnoreFields(store.LedgerRow{}, "ID", "Seq"))
		wantEqual(t, []int64{2, 1}, []int64{got[0].Seq, got[1].Seq})
		for name, q := range map[string]store.LedgerQuery{
			"connection": {Connection: w.Conn}, "scan": {Scan: "s1"}, "purpose": {Purpose: ledger.PurposeMetabase},
			"until": {Until: at.Add(time.Second)}, "offset": {Offset: 1, Limit: 5},
		} {
			got, _, err := tx.Ledger(ctx, q)
			if err != nil {
				return err
			}
			if len(got) != 1 || got[0].Route != "/api/card" {
				t.Errorf("%s: got %+v", name, got)
			}
		}
		got, _, err = tx.Ledger(ctx, store.LedgerQuery{Since: at.Add(time.Second)})
		if len(got) != 1 || got[0].Error != "refused" {
			t.Errorf("got %+v", got)
		}
		return err
	})
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteConnection(ctx, w.Conn) })
	w.View(func(ctx context.Context, tx *store.Tx) error {
		_, total, err := tx.Ledger(ctx, store.LedgerQuery{})
		wantEqual(t, 2, total) // what left stays on the record
		return err
	})
}

func testRecorder(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ctx := context.Background()
	r := store.NewRecorder(w.Store, w.Org, w.Conn, "s1")
	total := func() (n int) {
		w.View(func(ctx context.Context, tx *store.Tx) (err error) {
			_, n, err = tx.Ledger(ctx, store.LedgerQuery{})
			return err
		})
		return n
	}
	read := func(route string, status int) {
		if err := r.Record(ctx, ledger.Entry{At: w.Clock.Now(), Purpose: ledger.PurposeMetabase, Method: "GET", Host: "m", Route: route, Status: status, ResponseSize: 10, Duration: time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		read("/api/card/:id", 200)
	}
	read("/api/card/:id", 404)
	wantEqual(t, 0, total())
	if err := r.Record(ctx, ledger.Entry{At: w.Clock.Now(), Purpose: ledger.PurposeModel, Exchange: "e", Phase: ledger.PhaseIntent}); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, 1, total()) // durable before it is sent
	for range 2 {
		if err := r.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	wantEqual(t, 3, total())
	w.View(func(ctx context.Context, tx *store.Tx) error {
		rows, _, err := tx.Ledger(ctx, store.LedgerQuery{Purpose: ledger.PurposeMetabase})
		for _, row := range rows {
			if row.Status == 200 && (row.Count != 5 || row.ResponseSize != 50 || row.Duration != 5*time.Second || row.ConnectionID != w.Conn || row.ScanID != "s1") {
				t.Errorf("got %+v", row)
			}
		}
		return err
	})
	// What could not be written is kept.
	read("/api/x", 200)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := r.Flush(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	read("/api/x", 200)
	if err := r.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	w.View(func(ctx context.Context, tx *store.Tx) error {
		rows, n, err := tx.Ledger(ctx, store.LedgerQuery{Limit: 1})
		if n != 4 || rows[0].Count != 2 {
			t.Errorf("got %d, %+v", n, rows)
		}
		return err
	})
}
