package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

// keyring is where the master keys come from: a file, in real life.
type keyring struct{ set atomic.Pointer[keys.Keyset] }

func (k *keyring) load() (*keys.Keyset, error) { return k.set.Load(), nil }

// TestRotationUnderLoad changes all keys while a server reads, writes and scans
// in another handle of the same database. No request may fail, and nothing may
// be left that an old key sealed.
func TestRotationUnderLoad(t *testing.T) {
	for _, engine := range []store.Engine{store.EngineSQLite, store.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) { rotationUnderLoad(t, engine) })
	}
}

func rotationUnderLoad(t *testing.T, engine store.Engine) {
	ring := &keyring{}
	cfg := store.Config{Dir: filepath.Join(t.TempDir(), "data"), ReloadKeys: ring.load}
	if engine == store.EnginePostgres {
		cfg.DatabaseURL = secret.New(cluster.Database(t))
	}
	open := func(t testing.TB, _ string, with store.Config) *store.Store {
		cfg.Keys, cfg.Now = with.Keys, with.Now
		return mustOpen(t, cfg)
	}
	w := storetest.NewWorld(t, open) // the server
	ring.set.Store(w.Keys)
	filledWholly(t, w)
	command := mustOpen(t, cfg) // the command beside it

	work := newLoad(t, w)
	work.start()
	for round := range 2 {
		next, err := ring.set.Load().Rotate()
		if err != nil {
			t.Fatal(err)
		}
		ring.set.Store(next) // written to where the keys come from, before anything is sealed by it
		if err := command.AddMasterKeys(next); err != nil {
			t.Fatal(err)
		}
		old := command.MasterIDs()[0]
		if err := command.RotateMasterKey(t.Context(), next.Primary(), nil); err != nil {
			t.Fatalf("round %d: rotate the master key: %v", round, err)
		}
		if err := command.RotateDataKey(t.Context(), w.Org, nil); err != nil {
			t.Fatalf("round %d: rotate the data key: %v", round, err)
		}
		work.more(3) // everybody works on with the new keys
		if err := command.RevokeMasterKey(t.Context(), old); err != nil {
			t.Fatalf("round %d: revoke: %v", round, err)
		}
		work.more(3)
	}
	work.stop()
	u := usage(t, command)
	only(t, "installation", u.Master, ring.set.Load().Primary())
	if len(u.Data[w.Org]) != 1 {
		t.Errorf("data is sealed by %v, want one key", u.Data[w.Org])
	}
	t.Logf("%s, without an error", work.counts())
}

// load works on a store until it is stopped; any error fails the test.
type load struct {
	t       *testing.T
	w       *storetest.World
	workers []worker
	stopped atomic.Bool
	running sync.WaitGroup
}

type worker struct {
	name string
	did  *atomic.Int64
	run  func(ctx context.Context, n int64) error
}

func newLoad(t *testing.T, w *storetest.World) *load {
	l := &load{t: t, w: w}
	add := func(name string, run func(context.Context, int64) error) {
		l.workers = append(l.workers, worker{name, &atomic.Int64{}, run})
	}
	for i := range 2 {
		setting := fmt.Sprintf("load_%d", i)
		add("writes", func(ctx context.Context, n int64) error {
			return w.Store.InOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error {
				if err := tx.SetSetting(ctx, setting, fmt.Sprint(n)); err != nil {
					return err
				}
				return tx.Audit(ctx, store.AuditRow{Action: "load", Target: fmt.Sprint(n)})
			})
		})
		add("reads", func(ctx context.Context, _ int64) error {
			return w.Store.ViewOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error {
				if _, err := tx.Credential(ctx, w.Conn); err != nil {
					return err
				}
				if _, _, err := tx.AuditLog(ctx, store.AuditQuery{Limit: 50}); err != nil {
					return err
				}
				if _, _, err := tx.Setting(ctx, setting); err != nil {
					return err
				}
				_, err := tx.ConnectionByName(ctx, "Main")
				return err
			})
		})
	}
	token := string(w.Conn) + "a"
	add("sessions", func(ctx context.Context, n int64) error {
		if err := w.Store.Sessions().CommitCtx(ctx, token, fmt.Appendf(nil, "visit %d", n), w.Clock.Now().Add(time.Hour)); err != nil {
			return err
		}
		b, found, err := w.Store.Sessions().FindCtx(ctx, token)
		if err == nil && (!found || string(b) != fmt.Sprintf("visit %d", n)) {
			err = fmt.Errorf("the session was lost: %v %q", found, b)
		}
		return err
	})
	conn := w.NewConnection("Scanned")
	add("scans", func(ctx context.Context, n int64) error {
		return w.Store.InOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error {
			scan, err := tx.InsertScan(ctx, store.Scan{ConnectionID: conn, State: store.ScanRunning})
			if err != nil {
				return err
			}
			if _, err := tx.CommitSnapshot(ctx, scan.ID, snapshotOf(n)); err != nil {
				return err
			}
			return tx.FinishScan(ctx, scan.ID, store.ScanSucceeded, "", "")
		})
	})
	return l
}

func snapshotOf(n int64) *catalog.Snapshot {
	s := &catalog.Snapshot{}
	for i := range int64(20) {
		q := &catalog.Question{Type: catalog.KindQuestion}
		q.ID, q.Name = fmt.Sprint(i), fmt.Sprintf("Question %d", i)
		if i == n%20 {
			q.Name += fmt.Sprintf(" changed %d", n)
		}
		s.Questions = append(s.Questions, q)
	}
	return s
}

func (l *load) start() {
	for _, worker := range l.workers {
		l.running.Go(func() {
			for n := int64(0); !l.stopped.Load(); n++ {
				if err := worker.run(context.Background(), n); err != nil {
					l.t.Errorf("%s, round %d: %v", worker.name, n, err)
					return
				}
				worker.did.Add(1)
			}
		})
	}
	l.t.Cleanup(l.stop)
	l.more(1)
}

// more returns when every worker has done n more rounds.
func (l *load) more(n int64) {
	for _, worker := range l.workers {
		for until := worker.did.Load() + n; worker.did.Load() < until && !l.t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
}

func (l *load) stop() {
	l.stopped.Store(true)
	l.running.Wait()
}

func (l *load) counts() string {
	text := ""
	for _, worker := range l.workers {
		text += fmt.Sprintf("%d %s ", worker.did.Load(), worker.name)
	}
	return text
}

// TestRotationWaitsForWritersOfTheOldKey: a transaction that began before the
// new key was published still seals with the old one, and must be waited for.
func TestRotationWaitsForWritersOfTheOldKey(t *testing.T) {
	address := cluster.Database(t)
	w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.DatabaseURL = secret.New(address)
		return mustOpen(t, cfg)
	})
	finished := make(chan error, 1)
	w.In(func(_ context.Context, tx *store.Tx) error {
		go func() { finished <- w.Store.RotateDataKey(t.Context(), w.Org, nil) }()
		for published := false; !published; {
			err := w.Store.ViewSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
				list, err := tx.Rotations(ctx)
				published = len(list) > 0
				return err
			})
			if err != nil {
				return err
			}
		}
		select {
		case err := <-finished:
			t.Errorf("the rotation did not wait: %v", err)
			finished <- err
		case <-time.After(200 * time.Millisecond): // long enough for a rotation that does not wait
		}
		return tx.SetSetting(t.Context(), "late", "sealed by the old key")
	})
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	if counts := usage(t, w.Store).Data[w.Org]; len(counts) != 1 {
		t.Errorf("sealed by %v, want one key", counts)
	}
	w.In(func(ctx context.Context, tx *store.Tx) error {
		_, _, err := tx.Setting(ctx, "late")
		return err
	})
}
