package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// engines runs a test on both engines.
func engines(t *testing.T, test func(*testing.T, *bench)) {
	t.Helper()
	for _, engine := range []store.Engine{store.EngineSQLite, store.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) { test(t, newBench(t, engine)) })
	}
}

// bench is a store with an organization, a queue and runners.
type bench struct {
	t     *testing.T
	cfg   store.Config
	store *store.Store
	org   store.OrgID
	queue *jobs.Queue
}

func newBench(t *testing.T, engine store.Engine) *bench {
	t.Helper()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, cfg: store.Config{Dir: filepath.Join(t.TempDir(), "data"), Keys: set}}
	if engine == store.EnginePostgres {
		b.cfg.DatabaseURL = secret.New(cluster.Database(t))
	}
	b.store = b.open()
	err = b.store.InSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.InsertOrganization(ctx, store.Organization{Name: "Acme"})
		b.org = o.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if b.queue, err = jobs.NewQueue(b.store); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) open() *store.Store {
	b.t.Helper()
	s, err := store.Open(b.t.Context(), b.cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.t.Errorf("close: %v", err)
		}
	})
	return s
}

func (b *bench) connection(name string) (id store.ConnectionID) {
	b.t.Helper()
	b.in(func(ctx context.Context, tx *store.Tx) error {
		c, err := tx.InsertConnection(ctx, store.Connection{Name: name})
		id = c.ID
		return err
	})
	return id
}

func (b *bench) in(fn func(context.Context, *store.Tx) error) {
	b.t.Helper()
	if err := b.store.InOrg(b.t.Context(), b.org, fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) enqueue(kind jobs.Kind, args jobs.Args) (id int64, fresh bool) {
	b.t.Helper()
	b.in(func(ctx context.Context, tx *store.Tx) (err error) {
		id, fresh, err = b.queue.Enqueue(ctx, tx, kind, args)
		return err
	})
	return id, fresh
}

// quick makes everything happen soon.
func (b *bench) quick(handlers ...jobs.Handler) jobs.Config {
	return jobs.Config{Store: b.store, Handlers: handlers, Poll: 20 * time.Millisecond, CancelPoll: 20 * time.Millisecond, Heartbeat: 50 * time.Millisecond, Silence: 10 * time.Second}
}

func (b *bench) start(cfg jobs.Config) *jobs.Runner {
	b.t.Helper()
	r, err := jobs.New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := r.Start(context.WithoutCancel(b.t.Context())); err != nil {
		b.t.Fatal(err)
	}
	var once sync.Once
	stop := func() {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if err := r.Stop(ctx); err != nil {
				b.t.Errorf("stop: %v", err)
			}
		})
	}
	b.t.Cleanup(stop)
	return r
}

// await waits until the job is in a state; the queue tells nobody when it is.
func (b *bench) await(id int64, want jobs.State) jobs.Info {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		list, err := b.queue.List(b.t.Context(), b.org, 100)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, info := range list {
			if info.ID == id && info.State == want {
				return info
			}
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("job %d did not become %s: %+v", id, want, list)
		}
		<-tick.C
	}
}

func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	return v
}

func TestEnqueueAndRun(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		args := jobs.Args{Org: b.org, Connection: b.connection("Main"), Scan: "s1"}
		ran := make(chan jobs.Job, 10)
		b.start(b.quick(jobs.Handler{Kind: "scan", Run: func(ctx context.Context, job jobs.Job) error {
			// A job uses the store like everybody else.
			err := b.store.InOrg(ctx, job.Args.Org, func(ctx context.Context, tx *store.Tx) error { return tx.SetSetting(ctx, "done", "yes") })
			ran <- job
			return err
		}}))
		failure := errors.New("roll back")
		err := b.store.InOrg(t.Context(), b.org, func(ctx context.Context, tx *store.Tx) error {
			if _, _, err := b.queue.Enqueue(ctx, tx, "scan", args); err != nil {
				t.Fatal(err)
			}
			return failure
		})
		if !errors.Is(err, failure) {
			t.Fatal(err)
		}
		id, fresh := b.enqueue("scan", args)
		if !fresh {
			t.Error("a job that was rolled back is still in the way")
		}
		got := receive(t, ran)
		if diff := cmp.Diff(jobs.Job{ID: id, Kind: "scan", Args: args, Attempt: 1}, got); diff != "" {
			t.Error(diff)
		}
		info := b.await(id, jobs.StateDone)
		if info.LastError != "" || info.FinishedAt.IsZero() || info.CreatedAt.IsZero() || info.Args != args {
			t.Errorf("got %+v", info)
		}
		other, err := b.queue.List(t.Context(), "other", 10)
		if err != nil || len(other) != 0 {
			t.Errorf("another organization sees %+v, %v", other, err)
		}
		if len(ran) != 0 {
			t.Error("the job that was rolled back ran")
		}
	})
}

func TestUniquePerConnection(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		first, second := b.connection("One"), b.connection("Two")
		id, fresh := b.enqueue("scan", jobs.Args{Connection: first, Scan: "s1"})
		if !fresh {
			t.Error("the first is no duplicate")
		}
		again, fresh := b.enqueue("scan", jobs.Args{Connection: first, Scan: "s2"})
		if fresh || again != id {
			t.Errorf("a second scan of the connection was enqueued: %d, %v", again, fresh)
		}
		for _, other := range []struct {
			kind jobs.Kind
			conn store.ConnectionID
		}{{"scan", second}, {"prune", first}, {"prune", ""}} {
			if _, fresh := b.enqueue(other.kind, jobs.Args{Connection: other.conn}); !fresh {
				t.Errorf("%v was taken for a duplicate", other)
			}
		}
		release := make(chan struct{})
		started := make(chan jobs.Job, 10)
		b.start(b.quick(
			jobs.Handler{Kind: "scan", Run: func(_ context.Context, job jobs.Job) error { started <- job; <-release; return nil }},
			jobs.Handler{Kind: "prune", Run: func(context.Context, jobs.Job) error { return nil }},
		))
		receive(t, started)
		receive(t, started)
		if _, fresh := b.enqueue("scan", jobs.Args{Connection: first}); fresh {
			t.Error("enqueued while one is running")
		}
		close(release)
		b.await(id, jobs.StateDone)
		if _, fresh := b.enqueue("scan", jobs.Args{Connection: first}); !fresh {
			t.Error("not enqueued after the first was done")
		}
		err := b.store.InOrg(t.Context(), b.org, func(ctx context.Context, tx *store.Tx) error {
			_, _, err := b.queue.Enqueue(ctx, tx, "scan", jobs.Args{Org: "somebody else"})
			return err
		})
		if errs.CodeOf(err) != "foreign_job" {
			t.Errorf("got %v", err)
		}
	})
}

func TestVerdicts(t *testing.T) {
	const canary = "canary-9d1c"
	engines(t, func(t *testing.T, b *bench) {
		var log bytes.Buffer
		var mu sync.Mutex
		for name, test := range map[jobs.Kind]struct {
			err    error
			want   jobs.State
			stored string
		}{
			"invalid":      {errs.New(errs.Invalid, "bad_url", canary, ""), jobs.StateFailed, "invalid/bad_url"},
			"unauthorized": {errs.New(errs.Unauthorized, "unauthorized", canary, ""), jobs.StateFailed, "unauthorized/unauthorized"},
			"not_found":    {errs.New(errs.NotFound, "", canary, ""), jobs.StateFailed, "not_found/not_found"},
			"cancelled":    {errs.New(errs.Canceled, "cancelled", canary, ""), jobs.StateCancelled, "canceled/cancelled"},
			"unavailable":  {errs.Wrap(errors.New(canary), errs.Unavailable, "unreachable", canary, ""), jobs.StateRetrying, "unavailable/unreachable"},
			"limited":      {errs.New(errs.Limited, "rate_limited", canary, ""), jobs.StateRetrying, "limited/rate_limited"},
			"internal":     {errors.New(canary), jobs.StateRetrying, "internal/internal"},
			"conflict":     {errs.New(errs.Conflict, "data_dir_locked", canary, ""), jobs.StateWaiting, ""},
			"done":         {nil, jobs.StateDone, ""},
		} {
			cfg := b.quick(jobs.Handler{Kind: name, Run: func(context.Context, jobs.Job) error { return test.err }})
			cfg.Logger = slog.New(slog.NewTextHandler(writer(func(p []byte) {
				mu.Lock()
				defer mu.Unlock()
				log.Write(p)
			}), nil))
			id, _ := b.enqueue(name, jobs.Args{Connection: store.ConnectionID(name)})
			runner, err := jobs.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := runner.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			var info jobs.Info
			if test.want == jobs.StateWaiting { // it was waiting before, too: until later, now
				for info = b.await(id, test.want); !info.ScheduledAt.After(time.Now().Add(5 * time.Second)); {
					info = b.await(id, test.want)
				}
			} else {
				info = b.await(id, test.want)
			}
			if info.LastError != test.stored {
				t.Errorf("%s: stored %q", name, info.LastError)
			}
			if test.want == jobs.StateRetrying && info.ScheduledAt.Before(time.Now().Add(10*time.Second)) {
				t.Errorf("%s: tried again without a pause, at %v", name, info.ScheduledAt)
			}
			if err := runner.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(log.String(), canary) {
			t.Errorf("a public text was logged: %s", log.String())
		}
	})
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

func TestPanicIsContained(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		b.start(b.quick(jobs.Handler{Kind: "scan", MaxAttempts: 1, Run: func(context.Context, jobs.Job) error { panic("canary") }}))
		var id int64
		b.in(func(ctx context.Context, tx *store.Tx) (err error) {
			id, _, err = b.queue.EnqueueAttempts(ctx, tx, "scan", jobs.Args{}, 1)
			return err
		})
		if info := b.await(id, jobs.StateFailed); info.LastError != "internal/panic" {
			t.Errorf("stored %q", info.LastError)
		}
	})
}

func TestCancelFromAnotherProcess(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		conn := b.connection("Main")
		var scan store.Scan
		b.in(func(ctx context.Context, tx *store.Tx) (err error) {
			scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: conn, State: store.ScanRunning})
			return err
		})
		started := make(chan struct{})
		b.start(b.quick(jobs.Handler{Kind: "scan", Run: func(ctx context.Context, _ jobs.Job) error {
			close(started)
			<-ctx.Done()
			return ctx.Err()
		}}))
		id, _ := b.enqueue("scan", jobs.Args{Connection: conn, Scan: scan.ID})
		receive(t, started)
		another := b.open() // the same database, opened by another process
		asked := time.Now()
		err := another.InOrg(t.Context(), b.org, func(ctx context.Context, tx *store.Tx) error { return tx.RequestScanCancel(ctx, scan.ID) })
		if err != nil {
			t.Fatal(err)
		}
		b.await(id, jobs.StateCancelled)
		if took := time.Since(asked); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestStop(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		var attempts atomic.Int32
		started := make(chan struct{}, 4)
		handler := jobs.Handler{Kind: "scan", Run: func(ctx context.Context, _ jobs.Job) error {
			started <- struct{}{}
			if attempts.Add(1) > 1 {
				return nil
			}
			<-ctx.Done() // only a hard stop ends it
			return ctx.Err()
		}}
		r, err := jobs.New(b.quick(handler))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		id, _ := b.enqueue("scan", jobs.Args{Connection: "c"})
		receive(t, started)
		patience, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := r.Stop(patience); err != nil {
			t.Fatal(err)
		}
		info := b.await(id, jobs.StateWaiting) // its attempt does not count
		if info.LastError != "" {
			t.Errorf("got %+v", info)
		}
		if r, err = jobs.New(b.quick(handler)); err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		receive(t, started)
		b.await(id, jobs.StateDone)
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}

		// A patient stop waits for the job.
		release := make(chan struct{})
		r, err = jobs.New(b.quick(jobs.Handler{Kind: "slow", Run: func(ctx context.Context, _ jobs.Job) error {
			started <- struct{}{}
			<-release
			return ctx.Err()
		}}))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		id, _ = b.enqueue("slow", jobs.Args{Connection: "c"})
		receive(t, started)
		stopped := make(chan error, 1)
		go func() { stopped <- r.Stop(context.Background()) }()
		close(release)
		if err := receive(t, stopped); err != nil {
			t.Fatal(err)
		}
		b.await(id, jobs.StateDone)
	})
}

func TestLostJobsMoveOn(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		id, _ := b.enqueue("scan", jobs.Args{Connection: "c"})
		last, _ := b.enqueue("scan", jobs.Args{Connection: "d"})
		// What a killed process leaves behind: running jobs of a runner that beats no more.
		err := b.store.InSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
			by := `'{gone}'`
			if b.store.Engine() == store.EngineSQLite {
				by = `'["gone"]'`
			}
			_, err := tx.SQL().ExecContext(ctx, `UPDATE river_job SET state = 'running', attempt = 1, attempted_by = `+by+`, attempted_at = CURRENT_TIMESTAMP`)
			if err != nil {
				return err
			}
			_, err = tx.SQL().ExecContext(ctx, `UPDATE river_job SET attempt = max_attempts WHERE id = $1`, last)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		ran := make(chan jobs.Job, 4)
		b.start(b.quick(jobs.Handler{Kind: "scan", Run: func(_ context.Context, job jobs.Job) error { ran <- job; return nil }}))
		if job := receive(t, ran); job.ID != id || job.Attempt != 2 {
			t.Errorf("got %+v", job)
		}
		b.await(id, jobs.StateDone)
		b.await(last, jobs.StateFailed) // it had its attempts
	})
}

func TestTwoRunnersShareTheWork(t *testing.T) {
	b := newBench(t, store.EnginePostgres)
	var mu sync.Mutex
	ran := map[int64]int{}
	var group sync.WaitGroup
	group.Add(20)
	handler := jobs.Handler{Kind: "scan", Run: func(_ context.Context, job jobs.Job) error {
		mu.Lock()
		defer mu.Unlock()
		ran[job.ID]++
		group.Done()
		return nil
	}}
	b.start(b.quick(handler))
	other := b.quick(handler)
	other.Store = b.open()
	b.start(other)
	for i := range 20 {
		b.enqueue("scan", jobs.Args{Connection: store.ConnectionID(strings.Repeat("c", i+1))})
	}
	group.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(ran) != 20 {
		t.Errorf("%d jobs ran", len(ran))
	}
	for id, n := range ran {
		if n != 1 {
			t.Errorf("job %d ran %d times", id, n)
		}
	}
}

func TestPeriodic(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		ran := make(chan struct{}, 10)
		cfg := b.quick(jobs.Handler{Kind: "tick", Run: func(context.Context, jobs.Job) error { ran <- struct{}{}; return nil }})
		cfg.Periodic = []jobs.Periodic{{Kind: "tick", Every: time.Second, RunOnStart: true}}
		b.start(cfg)
		receive(t, ran)
		receive(t, ran)
	})
}

func TestConfigIsChecked(t *testing.T) {
	b := newBench(t, store.EngineSQLite)
	run := func(context.Context, jobs.Job) error { return nil }
	for name, cfg := range map[string]jobs.Config{
		"no store":    {Handlers: []jobs.Handler{{Kind: "scan", Run: run}}},
		"no handlers": {Store: b.store},
		"no function": {Store: b.store, Handlers: []jobs.Handler{{Kind: "scan"}}},
		"short kind":  {Store: b.store, Handlers: []jobs.Handler{{Kind: "s", Run: run}}},
		"twice":       {Store: b.store, Handlers: []jobs.Handler{{Kind: "scan", Run: run}, {Kind: "scan", Run: run}}},
	} {
		if _, err := jobs.New(cfg); errs.CodeOf(err) != "jobs_config" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
