package scanservice_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

const killVariable = "METALENS_TEST_KILL" // folder of the store that a child scans into

// scanChild is the process that gets killed: it scans the first connection of a
// store as the command line does, and says so when it got through.
func scanChild(dir string) error {
	ctx := access.AsSystem(context.Background())
	b, err := openKillStore(dir)
	if err != nil {
		return err
	}
	defer func() { _ = b.store.Close() }()
	err = b.store.InOrg(ctx, b.org, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.AbandonStale(ctx, time.Now()) // the data folder's lock is ours: nobody else can be alive
		return err
	})
	if err != nil {
		return err
	}
	if _, err := b.service.RunDirect(ctx, b.org, scanservice.Request{Connection: b.conn.ID}, nil); err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

type killStore struct {
	store   *store.Store
	links   *connection.Service
	service *scanservice.Service
	org     store.OrgID
	conn    store.Connection
}

// openKillStore opens a store whose keys lie beside it, as no real one's do.
func openKillStore(dir string) (*killStore, error) {
	text, err := os.ReadFile(filepath.Join(dir, "keys"))
	if err != nil {
		return nil, err
	}
	set, err := keys.Parse(secret.New(string(text)))
	if err != nil {
		return nil, err
	}
	ctx := access.AsSystem(context.Background())
	b := &killStore{}
	if b.store, err = store.Open(ctx, store.Config{Dir: filepath.Join(dir, "data"), Keys: set}); err != nil {
		return nil, err
	}
	opener := connection.Opener{Policy: outbound.Policy{AllowLoopback: true}}
	b.links = connection.New(connection.Config{Store: b.store, Opener: opener})
	if b.service, err = scanservice.New(scanservice.Config{Store: b.store, Connections: b.links, Opener: opener}); err != nil {
		return nil, err
	}
	err = b.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Organizations(ctx)
		if err == nil && len(list) > 0 {
			b.org = list[0].ID
		}
		return err
	})
	if err != nil || b.org == "" {
		return b, err
	}
	list, err := b.links.List(ctx, b.org)
	if err == nil && len(list) > 0 {
		b.conn = list[0]
	}
	return b, err
}

// TestKill kills the scanning process at random moments, as kill -9 and power
// cuts do, until it gets through: no half snapshot is ever visible, the end is
// that of an undisturbed scan, and views stay free of our own. METALENS_BENCH=1
// does it a hundred times.
func TestKill(t *testing.T) {
	kills := 6
	if os.Getenv(benchVariable) != "" {
		kills = 100
	}
	if testing.Short() {
		t.Skip("starts processes")
	}
	world := func() *metabasetest.World { return metabasetest.SampleCompany(start) }
	calm := newBench(t, setup{fake: func(c *metabasetest.Config) { c.World = world() }})
	want := calm.direct().Snapshot
	for killed, round := 0, 0; killed < kills; round++ {
		killed += killRound(t, world(), want, uint64(round), kills-killed)
	}
}

// killRound scans one store until it is through and returns how often the
// process was killed on the way, at most limit times.
func killRound(t *testing.T, world *metabasetest.World, want *catalog.Snapshot, seed uint64, limit int) int {
	t.Helper()
	fake := metabasetest.NewServer(metabasetest.Config{Version: "0.58", World: world, Admin: true, Latency: 2 * time.Millisecond, Now: func() time.Time { return start }})
	url := fake.Start(t)
	dir := t.TempDir()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "keys"), []byte(set.Text().Expose()), 0o600); err != nil {
		t.Fatal(err)
	}
	b := mustOpen(t, dir)
	b.org = newOrg(t, b.store)
	conn, err := b.links.Create(access.AsSystem(t.Context()), b.org, connection.Actor{}, connection.Draft{URL: url, Credential: secret.New(metabasetest.DefaultKey)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, seed))
	killed := 0
	for {
		wait := time.Duration(random.IntN(900)) * time.Millisecond
		if killed == limit {
			wait = time.Minute
		}
		done := runChild(t, dir, wait)
		after := mustOpen(t, dir)
		latest, visible := visibleScan(t, after, conn.ID)
		if visible {
			checkStored(t, after, latest, want, url)
		}
		if done && !visible {
			t.Fatalf("seed %d: the child is through, and nothing is visible", seed)
		}
		if visible {
			checkViews(t, after, fake, want)
			closeStore(t, after)
			return killed
		}
		closeStore(t, after)
		killed++
	}
}

func mustOpen(t *testing.T, dir string) *killStore {
	t.Helper()
	b, err := openKillStore(dir)
	if err != nil {
		t.Fatalf("open the store after a kill: %v", err)
	}
	return b
}

func closeStore(t *testing.T, b *killStore) {
	t.Helper()
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// runChild starts a scanning process and kills it after a while. It reports
// whether the scan got through before.
func runChild(t *testing.T, dir string, wait time.Duration) bool {
	t.Helper()
	cmd := exec.CommandContext(access.AsSystem(t.Context()), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), killVariable+"="+dir)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	if strings.Contains(out.String(), "error") {
		t.Fatalf("the scan failed by itself: %s", out.String())
	}
	return err == nil && strings.Contains(out.String(), "done")
}

func visibleScan(t *testing.T, b *killStore, conn store.ConnectionID) (store.Scan, bool) {
	t.Helper()
	var latest store.Scan
	err := b.store.ViewOrg(access.AsSystem(t.Context()), b.org, func(ctx context.Context, tx *store.Tx) (err error) {
		latest, err = tx.LatestScan(ctx, conn)
		return err
	})
	if errs.KindOf(err) == errs.NotFound {
		return latest, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return latest, true
}

func checkStored(t *testing.T, b *killStore, latest store.Scan, want *catalog.Snapshot, url string) {
	t.Helper()
	err := b.store.ViewOrg(access.AsSystem(t.Context()), b.org, func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.LoadSnapshot(ctx, latest.ID)
		if err != nil {
			return err
		}
		expected := *want
		expected.Instance.URL = url
		if diff := cmp.Diff(&expected, got, timeless, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Views" }, cmp.Ignore())); diff != "" {
			t.Errorf("snapshot after kills differs (-calm +killed):\n%s", diff)
		}
		_, findings, err := tx.Findings(ctx, store.FindingQuery{Connection: latest.ConnectionID, Limit: 1})
		if err == nil && findings == 0 {
			t.Error("a visible scan has no findings")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkViews scans once more: what Metabase counts, without our own reads, must
// be what it counted before we came, however often a process died.
func checkViews(t *testing.T, b *killStore, fake *metabasetest.Server, want *catalog.Snapshot) {
	t.Helper()
	out, err := b.service.RunDirect(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range want.Dashboards {
		before, after := want.Usage[d.Ref()].Views, out.Snapshot.Usage[d.Ref()].Views
		if before != nil && (after == nil || *after > *before || *before-*after > 3) {
			t.Errorf("dashboard %s: %d views before, %v after our reads are subtracted", d.ID, *before, after)
		}
	}
	fake.CheckOnlyAllowed(t)
}
