package lineageview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

func openSQLite() storetest.Opener {
	dirs := map[string]string{}
	return func(t testing.TB, name string, cfg store.Config) *store.Store {
		t.Helper()
		if dirs[name] == "" {
			dirs[name] = t.TempDir()
		}
		if cfg.DatabaseURL.IsZero() {
			cfg.Dir = dirs[name]
		}
		s, err := store.Open(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

// save commits a whole scan with its view.
func save(t testing.TB, w *storetest.World, s *catalog.Snapshot, graph *lineage.Graph) store.Scan {
	t.Helper()
	var scan store.Scan
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		if scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning}); err != nil {
			return err
		}
		if _, err := tx.CommitSnapshot(ctx, scan.ID, s); err != nil {
			return err
		}
		if err := Save(ctx, tx, scan.ID, catalog.NewIndex(s), graph); err != nil {
			return err
		}
		if err := tx.FinishScan(ctx, scan.ID, store.ScanSucceeded, "", ""); err != nil {
			return err
		}
		scan, err = tx.Scan(ctx, scan.ID)
		return err
	})
	w.Clock.Add(1)
	return scan
}

func latest(t testing.TB, l *Loader, w *storetest.World) *View {
	t.Helper()
	v, err := l.Latest(context.Background(), w.Org, w.Conn)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// shop is a small instance with native SQL, a model on it and a dashboard.
func shop() *catalog.Snapshot {
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}
	s.Instance.URL = "https://metabase.example.com"
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "Shop"}, Engine: "postgres"})
	id := catalog.TableID("1", "public", "orders")
	s.Add(&catalog.Table{Common: catalog.Common{ID: id, Name: "orders", Description: "all orders"}, DatabaseID: "1", Schema: "public", MetabaseID: 7, Columns: []*catalog.Column{
		{ID: catalog.ColumnID(id, "id"), Name: "id", MetabaseID: 1},
		{ID: catalog.ColumnID(id, "total"), Name: "total", MetabaseID: 2, Description: "with tax"},
		{ID: catalog.ColumnID(id, "data.key"), Name: "key", ParentID: catalog.ColumnID(id, "data")},
	}})
	s.Add(&catalog.Question{
		Common: catalog.Common{ID: "1", Name: "Revenue"}, Type: catalog.KindQuestion, DatabaseID: "1", CollectionID: "root",
		Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: "select total as revenue from orders where id > 3"},
	})
	s.Add(&catalog.Question{
		Common: catalog.Common{ID: "2", Name: "On revenue"}, Type: catalog.KindModel, CollectionID: "root",
		Query: catalog.Query{Language: catalog.LanguageMBQL, DatabaseID: "1", MBQL: json.RawMessage(`{"database":1,"type":"query","query":{"source-table":"card__1"}}`)},
	})
	s.Add(&catalog.Dashboard{Common: catalog.Common{ID: "3", Name: "Board"}, CollectionID: "root", Cards: []catalog.Dashcard{{ID: "1", QuestionID: "2"}, {ID: "2", QuestionID: "9"}}})
	s.Usage[catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}] = catalog.Usage{Views: new(int64(12))}
	s.Sort()
	return s
}

func build(s *catalog.Snapshot) *lineage.Graph {
	return lineage.Build(context.Background(), catalog.NewIndex(s), lineage.WithSQL(sqllineage.New()))
}

func sameGraph(t *testing.T, want, got *lineage.Graph) {
	t.Helper()
	diff := cmp.Diff(slices.Collect(want.AllEdges()), slices.Collect(got.AllEdges())) +
		cmp.Diff(slices.Collect(want.AllColumnEdges()), slices.Collect(got.AllColumnEdges())) +
		cmp.Diff(want.Unresolved, got.Unresolved, cmpopts.EquateEmpty()) + cmp.Diff(want.Navigation, got.Navigation, cmpopts.EquateEmpty())
	if diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestViewComesBack saves a snapshot in which every field is set.
func TestViewComesBack(t *testing.T) {
	w := storetest.NewWorld(t, openSQLite())
	s := &catalog.Snapshot{}
	storetest.Fill(s)
	for i, q := range s.Questions {
		q.Type = []catalog.Kind{catalog.KindModel, catalog.KindMetric}[i%2]
	}
	s.Files, s.Access = nil, catalog.Access{}
	s.Sort()
	scan := save(t, w, s, build(s))
	got := latest(t, New(Config{Store: w.Store}), w)
	want := heads(s)
	want.Sort()
	if diff := cmp.Diff(want, got.Index.Snapshot(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("heads (-want +got)\n%s", diff)
	}
	if got.Scan.ID != scan.ID {
		t.Errorf("scan %s", got.Scan.ID)
	}
	sameGraph(t, build(s), got.Graph)
}

// TestHeadsSayNothing plants a word in all that a head must leave out.
func TestHeadsSayNothing(t *testing.T) {
	const canary = "canary7f3a"
	s := shop()
	raw := json.RawMessage(`["` + canary + `"]`)
	q := s.Questions[0]
	q.Query = catalog.Query{SQL: canary, MBQL: raw, Tags: []catalog.TemplateTag{{Name: canary}}}
	q.ResultColumns, q.Visualization = []catalog.ResultColumn{{Name: canary}}, raw
	s.Add(&catalog.Segment{Common: catalog.Common{ID: "1"}, Definition: raw})
	s.Add(&catalog.Measure{Common: catalog.Common{ID: "1"}, Definition: raw})
	s.Add(&catalog.Snippet{Common: catalog.Common{ID: "1"}, SQL: canary, Tags: []catalog.TemplateTag{{Name: canary}}})
	s.Add(&catalog.Transform{Common: catalog.Common{ID: "1"}, Query: catalog.Query{SQL: canary, MBQL: raw}, SourceTables: raw})
	s.Add(&catalog.Action{Common: catalog.Common{ID: "1"}, SQL: canary})
	all := []any{s.Questions, s.Dashboards, s.Tables, s.Segments, s.Measures, s.Snippets, s.Transforms, s.Actions}
	before, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for part, err := range packHeads(s) {
		if err != nil || strings.Contains(string(part.Content), canary) {
			t.Errorf("part %d says it: %v %s", part.Number, err, part.Content)
		}
		n += len(part.Content)
	}
	after, err := json.Marshal(all)
	if err != nil || string(before) != string(after) || n == 0 {
		t.Errorf("heads changed their assets: %v", err)
	}
}

// TestScansWithoutLineage: those of before are built from the snapshot, and say
// the same.
func TestScansWithoutLineage(t *testing.T) {
	w := storetest.NewWorld(t, openSQLite())
	s := shop()
	w.Commit(s)
	l := New(Config{Store: w.Store, SQL: sqllineage.New()})
	old := latest(t, l, w)
	sameGraph(t, build(s), old.Graph)
	if len(old.Graph.Edges) != 0 {
		t.Error("a view holds its edges twice")
	}
	graph, err := l.Graph(context.Background(), w.Org, old.Scan, catalog.NewIndex(s))
	if err != nil || graph != old.Graph {
		t.Errorf("the graph was not taken from the cache: %v", err)
	}
	graph, err = New(Config{Store: w.Store, SQL: sqllineage.New()}).Graph(context.Background(), w.Org, old.Scan, catalog.NewIndex(s))
	if err != nil {
		t.Fatal(err)
	}
	sameGraph(t, build(s), graph)

	scan := save(t, w, s, build(s))
	stored := latest(t, New(Config{Store: w.Store, SQL: mustNotParse{t}}), w)
	if stored.Scan.ID != scan.ID {
		t.Errorf("scan %s", stored.Scan.ID)
	}
	sameGraph(t, old.Graph, stored.Graph)
	if diff := cmp.Diff(old.Index.Snapshot(), stored.Index.Snapshot(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("heads (-built +stored)\n%s", diff)
	}
	graph, err = New(Config{Store: w.Store, SQL: mustNotParse{t}}).Graph(context.Background(), w.Org, scan, catalog.NewIndex(s))
	if err != nil {
		t.Fatal(err)
	}
	sameGraph(t, stored.Graph, graph)
}

type mustNotParse struct{ t *testing.T }

func (m mustNotParse) AnalyzeSQL(context.Context, lineage.SQLInput) lineage.SQLAnalysis {
	m.t.Error("a text was parsed")
	return lineage.SQLAnalysis{}
}

func TestEachScanKeepsItsView(t *testing.T) {
	w := storetest.NewWorld(t, openSQLite())
	var scans []store.Scan
	var graphs []*lineage.Graph
	for i := range 5 {
		s := shop()
		s.Questions[0].Name = fmt.Sprint("Revenue ", i)
		s.Questions[0].Query.SQL = []string{"select id from orders", "select 1", "select total from orders", "select id from orders", "select * from gone"}[i]
		graphs = append(graphs, build(s))
		scans = append(scans, save(t, w, s, graphs[i]))
	}
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteScan(ctx, scans[1].ID) })
	l := New(Config{Store: w.Store})
	for _, i := range []int{0, 2, 3, 4} {
		v, err := l.Load(context.Background(), w.Org, scans[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		sameGraph(t, graphs[i], v.Graph)
		if name := v.Index.Question("1").Name; name != fmt.Sprint("Revenue ", i) {
			t.Errorf("scan %d knows %q", i, name)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	w := storetest.NewWorld(t, openSQLite())
	first := save(t, w, shop(), build(shop()))
	second := save(t, w, shop(), build(shop()))
	load := func(l *Loader, id store.ScanID) *View {
		v, err := l.Load(context.Background(), w.Org, id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	small := New(Config{Store: w.Store, CacheBytes: 1})
	a := load(small, first.ID)
	if load(small, first.ID) != a {
		t.Error("the last view is not kept")
	}
	load(small, second.ID)
	if len(small.views) != 1 || load(small, first.ID) == a {
		t.Errorf("%d views are kept in one byte", len(small.views))
	}
	large := New(Config{Store: w.Store})
	var group sync.WaitGroup
	views := make([]*View, 8)
	for i := range views {
		group.Go(func() { views[i] = load(large, []store.ScanID{first.ID, second.ID}[i%2]) })
	}
	group.Wait()
	if len(large.views) != 2 || views[0] != views[2] || views[1] != views[7] || views[0] == views[1] {
		t.Error("a view was loaded twice, or taken for another")
	}
}

func TestWhatCannotBeLoaded(t *testing.T) {
	w := storetest.NewWorld(t, openSQLite())
	l := New(Config{Store: w.Store})
	if _, err := l.Latest(context.Background(), w.Org, w.Conn); errs.KindOf(err) != errs.NotFound {
		t.Errorf("a connection without scans: %v", err)
	}
	var running store.Scan
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		running, err = tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning})
		return err
	})
	if _, err := l.Load(context.Background(), w.Org, running.ID); errs.KindOf(err) != errs.NotFound || errs.CodeOf(err) != "no_snapshot" {
		t.Errorf("a running scan: %v", err)
	}
	w.In(func(ctx context.Context, tx *store.Tx) error {
		return tx.FinishScan(ctx, running.ID, store.ScanFailed, "x", "")
	})
	scan := save(t, w, shop(), build(shop()))
	if _, err := l.Load(context.Background(), "another organization", scan.ID); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another organization: %v", err)
	}
	if _, err := l.Load(context.Background(), w.Org, scan.ID); err != nil { // in the cache now
		t.Fatal(err)
	}
	if _, err := l.Load(context.Background(), "another organization", scan.ID); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another organization, from the cache: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := New(Config{Store: w.Store}).Load(ctx, w.Org, scan.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestAssets(t *testing.T) {
	w := storetest.NewWorld(t, openSQLite())
	scan := save(t, w, shop(), build(shop()))
	q, gone := catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}, catalog.Ref{Kind: catalog.KindQuestion, ID: "77"}
	got, err := New(Config{Store: w.Store}).Assets(context.Background(), w.Org, scan, []catalog.Ref{q, gone})
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if a, _ := got[q].(*catalog.Question); a == nil || !strings.HasPrefix(a.Query.SQL, "select total") {
		t.Errorf("got %+v", got[q])
	}
}
