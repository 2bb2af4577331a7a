package scanservice_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/analysis"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

var start = time.Date(2026, 9, 1, 6, 0, 0, 0, time.UTC)

// bench is a store, a fake Metabase and the services between them.
type bench struct {
	t       *testing.T
	fake    *metabasetest.Server
	url     string
	store   *store.Store
	org     store.OrgID
	conn    store.Connection
	links   *connection.Service
	service *scanservice.Service
	config  scanservice.Config
	queue   *queue

	mu     sync.Mutex
	moment time.Time
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moment = b.moment.Add(time.Millisecond)
	return b.moment
}

func (b *bench) later(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moment = b.moment.Add(d)
}

// queue remembers enqueued jobs.
type queue struct {
	jobs []jobs.Args
	busy bool
}

func (q *queue) Enqueue(_ context.Context, _ *store.Tx, kind jobs.Kind, args jobs.Args) (int64, bool, error) {
	if kind != scanservice.JobScan {
		return 0, false, errors.New("unknown kind")
	}
	if q.busy {
		return 1, false, nil
	}
	q.jobs = append(q.jobs, args)
	return int64(len(q.jobs)), true, nil
}

type setup struct {
	fake    func(*metabasetest.Config)
	config  func(*scanservice.Config)
	reader  func(*metabase.Config)
	options store.ConnectionOptions
	draft   func(*connection.Draft)
	store   *store.Store // shared by many cases; nil = a new one
	org     store.OrgID
}

func newOrg(t *testing.T, s *store.Store) store.OrgID {
	t.Helper()
	var org store.Organization
	err := s.InSystem(access.AsSystem(t.Context()), func(ctx context.Context, tx *store.SystemTx) (err error) {
		org, err = tx.InsertOrganization(ctx, store.Organization{Name: "Larkspur"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return org.ID
}

// openStore opens a store of its own for a test.
func openStore(t *testing.T, now func() time.Time) *store.Store {
	t.Helper()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(access.AsSystem(t.Context()), store.Config{Dir: t.TempDir(), Keys: set, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newBench(t *testing.T, s setup) *bench {
	t.Helper()
	b := &bench{t: t, moment: start, queue: &queue{}}
	fake := metabasetest.Config{Version: "0.58", World: metabasetest.SampleCompany(start), Admin: true, Now: func() time.Time { return start }}
	if s.fake != nil {
		s.fake(&fake)
	}
	b.fake = metabasetest.NewServer(fake)
	b.url = b.fake.Start(t)
	if b.store, b.org = s.store, s.org; b.store == nil {
		b.store = openStore(t, b.now)
		b.org = newOrg(t, b.store)
	}
	opener := connection.Opener{Policy: outbound.Policy{AllowLoopback: true}, Now: b.now}
	b.links = connection.New(connection.Config{Store: b.store, Opener: opener, Now: b.now})
	draft := connection.Draft{Name: t.Name(), URL: b.url, Credential: secret.New(metabasetest.DefaultKey), Options: s.options}
	if s.draft != nil {
		s.draft(&draft)
	}
	var err error
	b.conn, err = b.links.Create(access.AsSystem(t.Context()), b.org, connection.Actor{}, draft)
	b.must(err)
	config := scanservice.Config{
		Store: b.store, Connections: b.links, Queue: b.queue, Opener: opener, Now: b.now, Poll: 5 * time.Millisecond,
		// Pauses between attempts take no time.
		Open: func(c store.Connection, secrets connection.Credentials, recorder ledger.Recorder) (scanservice.Source, error) {
			cfg := metabase.Config{
				URL: c.URL, Auth: metabase.Auth{Kind: metabase.AuthKind(c.Auth), Secret: secrets.Key},
				Outbound:        outbound.Config{Policy: opener.Policy, Recorder: recorder},
				IncludePersonal: c.Options.IncludePersonal, Now: b.now,
				Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
			}
			if s.reader != nil {
				s.reader(&cfg)
			}
			return metabase.Open(cfg)
		},
	}
	if s.config != nil {
		s.config(&config)
	}
	b.config = config
	b.service, err = scanservice.New(config)
	b.must(err)
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) direct() *scanservice.Outcome {
	b.t.Helper()
	out, err := b.service.RunDirect(access.AsSystem(b.t.Context()), b.org, scanservice.Request{Connection: b.conn.ID}, nil)
	b.must(err)
	return out
}

func (b *bench) view(look func(ctx context.Context, tx *store.Tx) error) {
	b.t.Helper()
	b.must(b.store.ViewOrg(access.AsSystem(b.t.Context()), b.org, look))
}

func (b *bench) scans() []store.Scan {
	b.t.Helper()
	var list []store.Scan
	b.view(func(ctx context.Context, tx *store.Tx) (err error) {
		list, err = tx.Scans(ctx, b.conn.ID, 100, time.Time{})
		return err
	})
	return list
}

var timeless = cmp.Options{
	cmpopts.IgnoreFields(catalog.Snapshot{}, "StartedAt", "FinishedAt", "Requests", "Marks"),
	cmpopts.EquateEmpty(),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".OwnReads" }, cmp.Ignore()),
}

func TestDirectRunStoresEverything(t *testing.T) {
	b := newBench(t, setup{})
	var steps []store.ScanProgress
	out, err := b.service.RunDirect(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID}, func(p store.ScanProgress) { steps = append(steps, p) })
	b.must(err)
	b.fake.CheckOnlyAllowed(t)
	b.fake.CheckNoDetailTwice(t)
	if out.Scan.State != store.ScanSucceeded || out.Scan.Seq != 1 || out.New != nil || len(out.Changes) != 0 {
		t.Errorf("first scan: state %s, seq %d, new %v, %d changes", out.Scan.State, out.Scan.Seq, out.New, len(out.Changes))
	}
	sum := out.Scan.Summary
	if sum.Counts[catalog.KindQuestion] == 0 || sum.Counts[catalog.KindColumn] == 0 || sum.Requests.Total != len(b.fake.Requests()) || !sum.Changes.First {
		t.Errorf("summary: %+v, %d requests made", sum, len(b.fake.Requests()))
	}
	if len(sum.Marks.SchemaReadAt) != 3 {
		t.Errorf("marks: %+v", sum.Marks)
	}
	last := steps[len(steps)-1].Steps
	if tail := last[len(last)-1]; tail.Name != "analysis" || tail.State != "done" {
		t.Errorf("last step %+v", tail)
	}
	b.view(func(ctx context.Context, tx *store.Tx) error {
		stored, err := tx.LoadSnapshot(ctx, out.Scan.ID)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(out.Snapshot, stored, timeless, cmpopts.IgnoreFields(catalog.Snapshot{}, "Instance")); diff != "" {
			t.Errorf("stored snapshot differs (-read +stored):\n%s", diff)
		}
		findings, total, err := tx.Findings(ctx, store.FindingQuery{Connection: b.conn.ID, Limit: 1})
		if err != nil {
			return err
		}
		if total != len(out.Analysis.Findings) || len(findings) == 0 {
			t.Errorf("%d findings stored, %d found", total, len(out.Analysis.Findings))
		}
		hits, _, err := tx.Search(ctx, b.conn.ID, store.SearchQuery{Text: "revenue"})
		if err != nil {
			return err
		}
		if len(hits) == 0 {
			t.Error("search finds nothing")
		}
		rows, _, err := tx.Ledger(ctx, store.LedgerQuery{Connection: b.conn.ID, Limit: 1000})
		if err != nil {
			return err
		}
		n := 0
		for _, r := range rows {
			n += max(1, r.Count)
		}
		if n != len(b.fake.Requests()) {
			t.Errorf("%d exchanges in the ledger, %d made", n, len(b.fake.Requests()))
		}
		return nil
	})
}

func TestRescan(t *testing.T) {
	b := newBench(t, setup{})
	first := b.direct()
	b.fake.ResetRequests()
	b.later(24 * time.Hour)
	second := b.direct()
	if n := len(b.fake.Requests()); n > 26+3 {
		t.Errorf("%d requests in an unchanged rescan: %v", n, b.fake.RouteCounts())
	}
	b.fake.CheckNoDetailTwice(t)
	if diff := cmp.Diff(first.Snapshot, second.Snapshot, timeless); diff != "" {
		t.Errorf("unchanged rescan differs:\n%s", diff)
	}
	if len(second.Changes) != 0 || second.Scan.Seq != 2 || len(second.New) != 0 || second.New == nil {
		t.Errorf("changes %v, new findings %v, seq %d", second.Changes, second.New, second.Scan.Seq)
	}
	b.fake.RenameCard(1, "Renamed since")
	third := b.direct()
	if len(third.Changes) != 1 || third.Changes[0].What != "changed" || third.Changes[0].Name != "Renamed since" {
		t.Errorf("changes: %+v", third.Changes)
	}
}

// TestQueuedRun follows a scan through the queue, as the server runs it.
func TestQueuedRun(t *testing.T) {
	b := newBench(t, setup{})
	sc, started, err := b.service.Start(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID})
	b.must(err)
	again, second, err := b.service.Start(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID})
	b.must(err)
	if !started || second || again.ID != sc.ID || len(b.queue.jobs) != 1 || b.queue.jobs[0].Scan != sc.ID {
		t.Fatalf("started %t, then %t; ids %s, %s; jobs %v", started, second, sc.ID, again.ID, b.queue.jobs)
	}
	updates, err := b.service.Subscribe(access.AsSystem(t.Context()), b.org, sc.ID)
	b.must(err)
	// A second service on the same store sees it only through the store.
	elsewhere, err := scanservice.New(scanservice.Config{Store: b.store, Connections: b.links, Poll: time.Millisecond, Now: b.now})
	b.must(err)
	remote, err := elsewhere.Subscribe(access.AsSystem(t.Context()), b.org, sc.ID)
	b.must(err)
	b.must(b.service.Run(access.AsSystem(t.Context()), b.org, sc.ID))
	for name, c := range map[string]<-chan store.Scan{"here": updates, "elsewhere": remote} {
		var last store.Scan
		for last = range c {
		}
		if last.State != store.ScanSucceeded {
			t.Errorf("%s: the last update is %s", name, last.State)
		}
	}
	b.must(b.service.Run(access.AsSystem(t.Context()), b.org, sc.ID)) // a job that comes twice
	if list := b.scans(); len(list) != 1 || list[0].State != store.ScanSucceeded {
		t.Errorf("scans: %+v", list)
	}
	b.queue.busy = true
	if _, _, err := b.service.Start(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID}); errs.KindOf(err) != errs.Conflict {
		t.Errorf("start while the job before is ending: %v", err)
	}
	if list := b.scans(); len(list) != 1 {
		t.Errorf("a refused start left a scan: %+v", list)
	}
}

// TestDirectRunBesideTheQueue takes over what waits and respects what runs.
func TestDirectRunBesideTheQueue(t *testing.T) {
	b := newBench(t, setup{fake: func(c *metabasetest.Config) {
		c.Faults = []metabasetest.Fault{{Route: "/api/card", Kind: metabasetest.FaultHang, Times: 1}}
	}})
	sc, _, err := b.service.Start(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID})
	b.must(err)
	done := make(chan error, 1)
	ctx, stop := context.WithCancel(access.AsSystem(t.Context()))
	go func() {
		_, err := b.service.RunDirect(ctx, b.org, scanservice.Request{Connection: b.conn.ID}, nil)
		done <- err
	}()
	for b.fake.RouteCounts()["GET /api/card"] == 0 {
		if _, err := b.service.Scan(access.AsSystem(t.Context()), b.org, sc.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.service.RunDirect(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID}, nil); errs.KindOf(err) != errs.Conflict {
		t.Errorf("a direct run beside a running one: %v", err)
	}
	if err := b.service.Run(access.AsSystem(t.Context()), b.org, sc.ID); errs.KindOf(err) != errs.Conflict {
		t.Errorf("the job beside the direct run: %v", err)
	}
	stop()
	if err := <-done; err == nil {
		t.Error("an interrupted direct run must say so")
	}
	if list := b.scans(); len(list) != 1 || list[0].State != store.ScanCancelled {
		t.Errorf("scans: %d, %s", len(list), list[0].State)
	}
}

func TestCancel(t *testing.T) {
	for _, name := range []string{"same process", "other process"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, setup{fake: func(c *metabasetest.Config) {
				c.Faults = []metabasetest.Fault{{Route: "/api/permissions/graph", Kind: metabasetest.FaultHang}}
			}})
			sc, _, err := b.service.Start(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID})
			b.must(err)
			canceller := b.service
			if name == "other process" {
				canceller, err = scanservice.New(scanservice.Config{Store: b.store, Connections: b.links, Now: b.now})
				b.must(err)
			}
			done := make(chan error, 1)
			go func() { done <- b.service.Run(access.AsSystem(t.Context()), b.org, sc.ID) }()
			updates, err := b.service.Subscribe(access.AsSystem(t.Context()), b.org, sc.ID)
			b.must(err)
			for s := range updates {
				if s.State == store.ScanRunning {
					break
				}
			}
			began := time.Now()
			b.must(canceller.Cancel(access.AsSystem(t.Context()), b.org, sc.ID))
			b.must(<-done)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("cancelling took %s", took)
			}
			list := b.scans()
			if list[0].State != store.ScanCancelled || list[0].ErrorText == "" {
				t.Errorf("scan: %s %q", list[0].State, list[0].ErrorText)
			}
			b.must(canceller.Cancel(access.AsSystem(t.Context()), b.org, sc.ID)) // harmless after the end
			b.fake.SetFaults()
			out := b.direct()
			b.fake.CheckNoDetailTwice(t)
			if out.Scan.State != store.ScanSucceeded {
				t.Errorf("the next scan: %s", out.Scan.State)
			}
		})
	}
	t.Run("queued", func(t *testing.T) {
		b := newBench(t, setup{})
		sc, _, err := b.service.Start(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID})
		b.must(err)
		b.must(b.service.Cancel(access.AsSystem(t.Context()), b.org, sc.ID))
		b.must(b.service.Run(access.AsSystem(t.Context()), b.org, sc.ID))
		if len(b.fake.Requests()) != 0 || b.scans()[0].State != store.ScanCancelled {
			t.Errorf("%d requests, state %s", len(b.fake.Requests()), b.scans()[0].State)
		}
	})
}

// TestInterruptedRunGoesOn drops a worker in the middle, as a shutdown does,
// and lets another attempt of the same job finish.
func TestInterruptedRunGoesOn(t *testing.T) {
	b := newBench(t, setup{fake: func(c *metabasetest.Config) {
		c.Faults = []metabasetest.Fault{{Route: "/api/dashboard/:id", Kind: metabasetest.FaultHang, First: 6, Times: 1}}
	}})
	sc, _, err := b.service.Start(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID})
	b.must(err)
	ctx, shutdown := context.WithCancel(access.AsSystem(t.Context()))
	done := make(chan error, 1)
	go func() { done <- b.service.Run(ctx, b.org, sc.ID) }()
	for opened := 0; opened < 6; time.Sleep(time.Millisecond) {
		opened = b.fake.RouteCounts()["GET /api/dashboard/:id"]
	}
	// A first scan opens dashboards while questions are still arriving.
	progress, err := b.service.Subscribe(ctx, b.org, sc.ID)
	b.must(err)
	for now := range progress {
		read := 0
		for _, step := range now.Progress.Steps {
			if (step.Name == "questions" || step.Name == "archived") && step.State == "done" {
				read++
			}
		}
		if read == 2 {
			break
		}
	}
	shutdown()
	if err := <-done; err == nil {
		t.Fatal("an interrupted run must not count as done")
	}
	if s := b.scans()[0]; s.State != store.ScanRunning {
		t.Fatalf("interrupted scan is %s, want running until somebody takes it up", s.State)
	}
	b.view(func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.LatestScan(ctx, b.conn.ID); errs.KindOf(err) != errs.NotFound {
			t.Errorf("half a scan is visible: %v", err)
		}
		return nil
	})
	cards := b.fake.RouteCounts()["GET /api/card"]
	if err := b.service.Run(access.AsSystem(t.Context()), b.org, sc.ID); errs.KindOf(err) != errs.Conflict {
		t.Errorf("taken up while its worker may still be alive: %v", err)
	}
	b.later(20 * time.Second)
	b.must(b.service.Run(access.AsSystem(t.Context()), b.org, sc.ID))
	if s := b.scans()[0]; s.State != store.ScanSucceeded || !s.Progress.Resumed {
		t.Errorf("state %s, resumed %t", s.State, s.Progress.Resumed)
	}
	if got := b.fake.RouteCounts()["GET /api/card"]; got != cards {
		t.Errorf("questions were read again: %d requests, then %d", cards, got)
	}
	b.fake.CheckNoDetailTwice(t)
}

// TestFaultMatrix lets every route of a scan fail in every way, for a first
// scan: it ends with a clear error and nothing stored, or with a snapshot and a
// gap. It never hangs.
func TestFaultMatrix(t *testing.T) {
	probe := newBench(t, setup{fake: func(c *metabasetest.Config) { c.World = smallWorld() }})
	probe.direct()
	routes := map[string]bool{}
	for _, r := range probe.fake.Requests() {
		routes[strings.TrimPrefix(r.Route, "GET ")] = true
	}
	var list []string
	for r := range routes {
		list = append(list, r)
	}
	slices.Sort(list)
	if len(list) < 18 {
		t.Fatalf("only %d routes: %v", len(list), list)
	}
	shared := openStore(t, func() time.Time { return start })
	org := newOrg(t, shared)
	for i, kind := range metabasetest.FaultKinds() {
		for j, route := range list {
			if (raceDetector || testing.Short()) && (i+j)%7 != 0 {
				continue // a seventh that still has every fault and every route
			}
			t.Run(fmt.Sprintf("%s/%s", kind, strings.ReplaceAll(strings.TrimPrefix(route, "/api/"), "/", "_")), func(t *testing.T) {
				t.Parallel()
				faultCase(t, shared, org, route, kind)
			})
		}
	}
}

func faultCase(t *testing.T, shared *store.Store, org store.OrgID, route string, kind metabasetest.FaultKind) {
	b := newBench(t, setup{
		store: shared, org: org,
		config: func(c *scanservice.Config) {
			c.Analyze = func(_ context.Context, s *catalog.Snapshot, _ analysis.Options) (*analysis.Result, error) {
				return &analysis.Result{Index: catalog.NewIndex(s), Graph: &lineage.Graph{}}, nil
			}
		},
		fake: func(c *metabasetest.Config) {
			c.World = smallWorld()
			c.Faults = []metabasetest.Fault{{Route: route, Kind: kind, Size: 4 << 20, Delay: time.Millisecond, Status: 418, Body: "short and stout"}}
		},
		reader: func(c *metabase.Config) {
			c.MaxResponse, c.MaxSmallResponse = 1<<20, 1<<20
			c.Timeouts = metabase.Timeouts{Connect: time.Second, Small: 150 * time.Millisecond, Large: 150 * time.Millisecond}
		},
	})
	began := time.Now()
	out, err := b.service.RunDirect(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID}, nil)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("took %s", took)
	}
	stored := b.scans()[0]
	if err != nil {
		var public *errs.Error
		if !errors.As(err, &public) || public.Public == "" || public.Kind == errs.Internal {
			t.Errorf("unclear error: %v", err)
		}
		if stored.State != store.ScanFailed || stored.ErrorText == "" || stored.ErrorCode == "" {
			t.Errorf("failed scan is stored as %s %q %q", stored.State, stored.ErrorCode, stored.ErrorText)
		}
		b.view(func(ctx context.Context, tx *store.Tx) error {
			if _, err := tx.LatestScan(ctx, b.conn.ID); errs.KindOf(err) != errs.NotFound {
				t.Errorf("a failed scan left a snapshot: %v", err)
			}
			_, total, err := tx.Findings(ctx, store.FindingQuery{Connection: b.conn.ID})
			if total != 0 {
				t.Errorf("a failed scan left %d findings", total)
			}
			return err
		})
		return
	}
	if stored.State != store.ScanSucceeded {
		t.Errorf("state %s", stored.State)
	}
	harmless := kind == metabasetest.FaultDelay || kind == metabasetest.FaultSlowDrip || kind == metabasetest.FaultRedirectSame
	if partial, _ := out.Snapshot.Partial(); !partial && !harmless && len(out.Snapshot.Gaps) == 0 {
		t.Error("the fault left neither error nor gap")
	}
	if leaked := leak(out.Snapshot); leaked != "" {
		t.Errorf("a gap quotes the server: %s", leaked)
	}
}

// leak finds text of an error answer in gaps.
func leak(s *catalog.Snapshot) string {
	for _, g := range s.Gaps {
		for _, word := range []string{"SELECT", "stout", "<html", "trace"} {
			if strings.Contains(g.Reason, word) {
				return g.Reason
			}
		}
	}
	return ""
}

// smallWorld is just enough content for every route of a scan.
func smallWorld() *metabasetest.World {
	w := metabasetest.NewWorld(start.AddDate(-1, 0, 0))
	author := w.AddPerson(&metabasetest.Person{First: "Ann", Last: "Lee"}).ID
	shelf := w.AddCollection(&metabasetest.Collection{Name: "Sales"}).ID
	db := w.AddDatabase(&metabasetest.Database{Name: "Shop", Engine: "postgres"})
	orders := w.AddTable(&metabasetest.Table{DatabaseID: db.ID, Schema: "public", Name: "orders"})
	w.AddField(orders, &metabasetest.Field{Name: "id", BaseType: "type/Integer", PrimaryKey: true})
	plain := w.AddCard(&metabasetest.Card{Name: "Orders", CollectionID: shelf, CreatorID: author, ViewCount: 9, Query: metabasetest.Native(db.ID, "SELECT id FROM orders")})
	w.AddCard(&metabasetest.Card{Name: "Built on a lost one", CreatorID: author, Query: metabasetest.Structured(db.ID, metabasetest.Stage{SourceCard: 999})})
	w.AddCard(&metabasetest.Card{Name: "On a dropped table", CreatorID: author, Query: metabasetest.Structured(db.ID, metabasetest.Stage{SourceTable: 998})})
	w.AddCard(&metabasetest.Card{Name: "Old", CreatorID: author, Archived: true, Query: metabasetest.Native(db.ID, "SELECT 1")})
	w.AddDashboard(&metabasetest.Dashboard{Name: "Today", CollectionID: shelf, CreatorID: author, Cards: []*metabasetest.Dashcard{{CardID: plain.ID, Width: 4, Height: 4}}})
	w.AddDashboard(&metabasetest.Dashboard{Name: "Empty", CreatorID: author})
	return w
}

func TestFailureKeepsTheScanBefore(t *testing.T) {
	b := newBench(t, setup{})
	b.direct()
	b.fake.SetFaults(metabasetest.Fault{Route: "/api/card", Kind: metabasetest.FaultUnavailable})
	_, err := b.service.RunDirect(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID}, nil)
	if errs.KindOf(err) != errs.Unavailable && errs.KindOf(err) != errs.Limited {
		t.Fatalf("error: %v", err)
	}
	b.view(func(ctx context.Context, tx *store.Tx) error {
		latest, err := tx.LatestScan(ctx, b.conn.ID)
		if err == nil && latest.Seq != 1 {
			t.Errorf("latest scan: %+v", latest)
		}
		return err
	})
}

func TestSchedule(t *testing.T) {
	b := newBench(t, setup{
		options: store.ConnectionOptions{QuietHours: "08:00-18:00"},
		draft:   func(d *connection.Draft) { d.Schedule = "daily 07:30" },
	})
	tick := func(want int) {
		t.Helper()
		got, err := b.service.Tick(access.AsSystem(t.Context()))
		b.must(err)
		if got != want {
			t.Errorf("at %s: %d scans queued, want %d", b.moment.Format(time.DateTime), got, want)
		}
	}
	tick(0)
	b.later(90*time.Minute + time.Second)
	tick(1)
	tick(0)
	b.must(b.service.Run(access.AsSystem(t.Context()), b.org, b.queue.jobs[0].Scan))
	if s := b.scans()[0]; s.Trigger != scanservice.TriggerSchedule || s.State != store.ScanSucceeded {
		t.Errorf("scheduled scan: %+v", s)
	}
	c, err := b.links.Connection(access.AsSystem(t.Context()), b.org, b.conn.ID)
	b.must(err)
	if want := time.Date(2026, 9, 2, 7, 30, 0, 0, time.UTC); !c.NextRunAt.Equal(want) {
		t.Errorf("next run %s, want %s", c.NextRunAt, want)
	}
	// The server slept past the time into the quiet hours.
	b.later(24*time.Hour + time.Hour)
	tick(0)
	c, err = b.links.Connection(access.AsSystem(t.Context()), b.org, b.conn.ID)
	b.must(err)
	if want := time.Date(2026, 9, 2, 18, 0, 0, 0, time.UTC); !c.NextRunAt.Equal(want) {
		t.Errorf("next run %s, want the end of the quiet hours %s", c.NextRunAt, want)
	}
	b.later(10 * time.Hour)
	tick(1)
	// A passing failure is tried again sooner than tomorrow.
	b.fake.SetFaults(metabasetest.Fault{Route: "*", Kind: metabasetest.FaultUnavailable})
	b.must(b.service.Run(access.AsSystem(t.Context()), b.org, b.queue.jobs[1].Scan))
	b.later(31 * time.Minute)
	tick(1)
}

func TestStatelessLeavesNothing(t *testing.T) {
	b := newBench(t, setup{})
	out, err := b.service.Stateless(access.AsSystem(t.Context()), scanservice.Target{URL: b.url, Credential: secret.New(metabasetest.DefaultKey)}, nil)
	b.must(err)
	if len(out.Snapshot.Questions) == 0 || len(out.Analysis.Findings) == 0 || len(b.scans()) != 0 {
		t.Errorf("%d questions, %d findings, %d scans stored", len(out.Snapshot.Questions), len(out.Analysis.Findings), len(b.scans()))
	}
	stored := b.direct()
	if diff := cmp.Diff(out.Snapshot, stored.Snapshot, timeless, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Views" }, cmp.Ignore())); diff != "" {
		t.Errorf("stateless and stored scans differ:\n%s", diff)
	}
	if _, err := b.service.Stateless(access.AsSystem(t.Context()), scanservice.Target{URL: b.url, Credential: secret.New("wrong")}, nil); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("wrong key: %v", err)
	}
}

func TestExport(t *testing.T) {
	snapshot := func() *catalog.Snapshot {
		return &catalog.Snapshot{
			Instance: catalog.Instance{URL: "export:content"}, StartedAt: start, FinishedAt: start,
			Collections: []*catalog.Collection{{Common: catalog.Common{ID: "colA", EntityID: "colA", Name: "Sales"}, ParentID: "root"}, {Common: catalog.Common{ID: "me", Name: "Mine"}, PersonalOwnerID: "x", ParentID: "root"}},
			Questions: []*catalog.Question{
				{Common: catalog.Common{ID: "q1", Name: "Kept"}, CollectionID: "root", Type: catalog.KindQuestion},
				{Common: catalog.Common{ID: "q2", Name: "Excluded"}, CollectionID: "colA", Type: catalog.KindQuestion},
				{Common: catalog.Common{ID: "q3", Name: "Personal"}, CollectionID: "me", Type: catalog.KindQuestion},
			},
		}
	}
	b := newBench(t, setup{config: func(c *scanservice.Config) {
		c.ReadExport = func(_ context.Context, dir string) (*catalog.Snapshot, error) {
			if dir != "content" {
				return nil, errs.New(errs.Invalid, "no_export", "There is no export folder here.", "Name the folder.")
			}
			return snapshot(), nil
		}
	}})
	request := scanservice.ExportRequest{Dir: "content", Options: store.ConnectionOptions{ExcludedCollections: []string{"colA"}}}
	out, err := b.service.Export(access.AsSystem(t.Context()), request, nil)
	b.must(err)
	if len(out.Snapshot.Questions) != 1 || out.Snapshot.Questions[0].ID != "q1" || len(b.scans()) != 0 {
		t.Errorf("questions %v, %d scans stored", out.Snapshot.Questions, len(b.scans()))
	}
	request.Org, request.Connection = b.org, b.conn.ID
	for seq := range int64(2) {
		out, err = b.service.Export(access.AsSystem(t.Context()), request, nil)
		b.must(err)
		if out.Scan.Seq != seq+1 || out.Scan.State != store.ScanSucceeded {
			t.Errorf("kept export: %+v", out.Scan)
		}
	}
	if _, err := b.service.Export(access.AsSystem(t.Context()), scanservice.ExportRequest{Dir: "elsewhere"}, nil); errs.CodeOf(err) != "no_export" {
		t.Errorf("missing folder: %v", err)
	}
}

// TestSecretsStayInside greps the stored scan and the public errors for the key.
func TestSecretsStayInside(t *testing.T) {
	b := newBench(t, setup{fake: func(c *metabasetest.Config) {
		c.Faults = []metabasetest.Fault{{Route: "/api/card", Kind: metabasetest.FaultServerError}}
	}})
	_, err := b.service.RunDirect(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID}, nil)
	if err == nil {
		t.Fatal("the scan should fail")
	}
	text := fmt.Sprintf("%v %+v", err, b.scans())
	for _, banned := range []string{metabasetest.DefaultKey, "SELECT"} {
		if strings.Contains(text, banned) {
			t.Errorf("%q shows in %s", banned, text)
		}
	}
}
