package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// testSnapshotFields fails when a field of any asset does not survive.
func testSnapshotFields(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	want := &catalog.Snapshot{}
	n := 0
	fill(reflect.ValueOf(want).Elem(), &n)
	for _, q := range want.Questions { // its kind is one of three
		q.Type = catalog.KindModel
	}
	for ref, u := range want.Usage { // times come back in UTC with all their digits
		at := time.Date(2026, 1, 1, 1, 1, 1, 987654321, time.FixedZone("", 3600))
		u.LastUsedAt = &at
		want.Usage[ref] = u
	}
	want.Files = nil // of an export; not stored
	want.Sort()
	scan, _ := w.Commit(want)
	got := w.Load(scan.ID)
	wantEqual(t, want, got)

	empty, _ := w.Commit(&catalog.Snapshot{})
	wantEqual(t, &catalog.Snapshot{}, w.Load(empty.ID))
	wantEqual(t, want, w.Load(scan.ID)) // everything is a closed version now
	for _, access := range []catalog.Access{{}, {Collections: map[string]map[string]string{}, Data: []catalog.DataGrant{}, Memberships: map[string][]string{}}} {
		scan, _ := w.Commit(&catalog.Snapshot{Access: access})
		got := w.Load(scan.ID).Access
		if (got.Collections == nil) != (access.Collections == nil) || (got.Data == nil) != (access.Data == nil) || (got.Memberships == nil) != (access.Memberships == nil) {
			t.Errorf("not read and empty were confused: want %#v, got %#v", access, got)
		}
	}
}

// testSnapshotSequence commits random sequences of snapshots, deletes random
// scans, and demands every kept snapshot back, each time.
func testSnapshotSequence(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		w.Conn = w.NewConnection("round " + strconv.Itoa(round))
		kept := map[store.ScanID]*catalog.Snapshot{}
		var order []store.ScanID
		current := &catalog.Snapshot{}
		steps := rapid.IntRange(1, 8).Draw(rt, "steps")
		for range steps {
			if len(order) > 0 && rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
				i := rapid.IntRange(0, len(order)-1).Draw(rt, "which")
				w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteScan(ctx, order[i]) })
				delete(kept, order[i])
				order = slices.Delete(order, i, i+1)
			} else {
				current = mutate(rt, current)
				scan, _ := w.Commit(current)
				kept[scan.ID] = current
				order = append(order, scan.ID)
			}
			for _, id := range order {
				if diff := diffSnapshots(kept[id], w.Load(id)); diff != "" {
					rt.Fatalf("scan %s (-want +got)\n%s", id, diff)
				}
			}
		}
		if len(order) > 0 {
			last := kept[order[len(order)-1]]
			w.View(func(ctx context.Context, tx *store.Tx) error {
				for _, q := range last.Questions {
					a, err := tx.LoadAsset(ctx, w.Conn, q.Ref(), 0)
					if err != nil {
						return err
					}
					wantEqual(t, catalog.Asset(q), a)
				}
				return wantTogether(ctx, t, tx, w.Conn, last)
			})
		}
		w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteConnection(ctx, w.Conn) })
	})
}

// mutate returns a snapshot that differs from s in a few assets.
func mutate(t *rapid.T, s *catalog.Snapshot) *catalog.Snapshot {
	questions := map[string]*catalog.Question{}
	for _, q := range s.Questions {
		questions[q.ID] = q
	}
	tables := map[string]*catalog.Table{}
	for _, a := range s.Tables {
		tables[a.ID] = a
	}
	usage := maps.Clone(s.Usage)
	if usage == nil {
		usage = map[catalog.Ref]catalog.Usage{}
	}
	for range rapid.IntRange(0, 5).Draw(t, "edits") {
		id := strconv.Itoa(rapid.IntRange(1, 6).Draw(t, "id"))
		switch rapid.IntRange(0, 4).Draw(t, "edit") {
		case 0:
			delete(questions, id)
			delete(usage, catalog.Ref{Kind: catalog.KindQuestion, ID: id})
		case 1, 2:
			sql := ""
			for range rapid.IntRange(1, 12).Draw(t, "lines") {
				sql += rapid.SampledFrom([]string{"SELECT a FROM t\n", "WHERE x = '<&>'\n", "JOIN u ON u.id = t.id\n", "-- é\n"}).Draw(t, "line")
			}
			q := &catalog.Question{Type: rapid.SampledFrom([]catalog.Kind{catalog.KindQuestion, catalog.KindModel}).Draw(t, "type")}
			q.ID, q.Name, q.CollectionID, q.Query = id, "Q"+id, "root", catalog.Query{Language: catalog.LanguageSQL, SQL: sql}
			questions[id] = q
			usage[q.Ref()] = catalog.Usage{Views: new(rapid.Int64Range(0, 3).Draw(t, "views"))}
		case 3:
			a := &catalog.Table{DatabaseID: "1", Schema: "s", Columns: []*catalog.Column{{ID: "1/s/" + id + "/c", Name: "c", Nullable: new(rapid.Bool().Draw(t, "nullable"))}}}
			a.ID, a.Name = "1/s/"+id, id
			tables[a.ID] = a
		case 4:
			delete(tables, "1/s/"+id)
		}
	}
	next := &catalog.Snapshot{
		Instance:  catalog.Instance{URL: "https://m", Version: "v0.58." + strconv.Itoa(rapid.IntRange(0, 2).Draw(t, "version"))},
		StartedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Usage: usage,
		Requests: catalog.RequestStats{Total: 3, ByRoute: map[string]int{"/api/card": 1}},
	}
	if rapid.Bool().Draw(t, "access") {
		next.Access.Memberships = map[string][]string{"1": {"2"}}
	}
	for _, q := range questions {
		next.Add(q)
	}
	for _, a := range tables {
		next.Add(a)
	}
	next.Sort()
	return next
}

func testSnapshotAtomic(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	first, _ := w.Commit(questions("1", "2"))
	failure := errors.New("killed")
	var scan store.Scan
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning})
		return err
	})
	err := w.Store.InOrg(context.Background(), w.Org, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.CommitSnapshot(ctx, scan.ID, questions("2", "3")); err != nil {
			t.Fatal(err)
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Fatal(err)
	}
	w.View(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.LoadSnapshot(ctx, scan.ID)
		wantKind(t, err, errs.NotFound, "no_snapshot")
		_, err = tx.LoadAsset(ctx, w.Conn, catalog.Ref{Kind: catalog.KindQuestion, ID: "3"}, 0)
		wantKind(t, err, errs.NotFound, "")
		_, err = tx.LoadAsset(ctx, w.Conn, catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}, 0)
		latest, latestErr := tx.LatestScan(ctx, w.Conn)
		wantEqual(t, first, latest)
		return errors.Join(err, latestErr)
	})
	w.In(func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.CommitSnapshot(ctx, scan.ID, questions("2", "3")); err != nil {
			return err
		}
		_, err := tx.CommitSnapshot(ctx, scan.ID, questions("4"))
		wantKind(t, err, errs.Conflict, "scan_finished") // once
		got, err := tx.Scan(ctx, scan.ID)
		wantEqual(t, int64(2), got.Seq)
		return err
	})
}

func questions(ids ...string) *catalog.Snapshot {
	s := &catalog.Snapshot{}
	for _, id := range ids {
		s.Add(question(id, "SELECT "+id))
	}
	return s
}

func question(id, sql string) *catalog.Question {
	q := &catalog.Question{Type: catalog.KindQuestion, CollectionID: "root", Query: catalog.Query{Language: catalog.LanguageSQL, SQL: sql}}
	q.ID, q.Name = id, "Question "+id
	return q
}

func testSnapshotCounts(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	s := questions("1", "2", "3")
	s.Gaps = []catalog.Gap{{What: "people", Kind: catalog.KindPerson, Reason: "no right", Status: 403, Whole: true}}
	s.Instance.Version = "v0.58.2"
	first, counts := w.Commit(s)
	wantEqual(t, store.ChangeCounts{Added: 3, First: true}, counts)
	wantEqual(t, store.ScanSummary{
		Instance: s.Instance, Counts: map[catalog.Kind]int{catalog.KindQuestion: 3}, Partial: true, PartialReasons: []string{"people: no right"},
		Gaps: s.Gaps, Changes: counts,
	}, first.Summary)

	_, counts = w.Commit(s)
	wantEqual(t, store.ChangeCounts{}, counts)

	next := questions("1", "4")
	next.Questions[0].Query.SQL = "SELECT 'other'"
	next.Add(&catalog.Person{Common: catalog.Common{ID: "1", Name: "Ada"}}) // seen for the first time: that is no news
	_, counts = w.Commit(next)
	wantEqual(t, store.ChangeCounts{Added: 1, Changed: 1, Removed: 2}, counts)

	model := questions("1", "4")
	model.Questions[0].Query.SQL = "SELECT 'other'"
	model.Questions[0].Type = catalog.KindModel // the same asset in another role
	model.Add(question("4", "twice"))           // paging that overlaps
	model.Gaps = s.Gaps
	last, counts := w.Commit(model)
	wantEqual(t, store.ChangeCounts{Changed: 1}, counts)
	model.Questions = model.Questions[:2]
	model.Sort()
	wantEqual(t, model, w.Load(last.ID))
}

func testAssetHistory(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ref := catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}
	var scans []store.Scan
	for i, sql := range []string{"SELECT 1", "SELECT 1", "SELECT 2", "", "SELECT 2"} {
		s := &catalog.Snapshot{}
		if sql != "" {
			s.Add(question("1", sql+fmt.Sprintf(" FROM a_table_with_a_long_name WHERE some_column > 0 -- %d", len(sql))))
		}
		scan, _ := w.Commit(s)
		if scan.Seq != int64(i+1) {
			t.Fatalf("seq %d at scan %d", scan.Seq, i+1)
		}
		scans = append(scans, scan)
	}
	w.View(func(ctx context.Context, tx *store.Tx) error {
		history, err := tx.AssetHistory(ctx, w.Conn, ref)
		if err != nil {
			return err
		}
		type row struct {
			From, To     int64
			Since, Until time.Time
			SQL          string
		}
		var got []row
		for _, v := range history {
			got = append(got, row{v.FromSeq, v.ToSeq, v.Since, v.Until, v.Asset.(*catalog.Question).Query.SQL[:8]})
		}
		wantEqual(t, []row{
			{5, 0, scans[4].FinishedAt, time.Time{}, "SELECT 2"},
			{3, 4, scans[2].FinishedAt, scans[3].FinishedAt, "SELECT 2"},
			{1, 3, scans[0].FinishedAt, scans[2].FinishedAt, "SELECT 1"},
		}, got)
		for seq, want := range map[int64]string{0: "SELECT 2", 2: "SELECT 1", 3: "SELECT 2"} {
			a, err := tx.LoadAsset(ctx, w.Conn, ref, seq)
			if err != nil {
				return err
			}
			wantEqual(t, want, a.(*catalog.Question).Query.SQL[:8])
		}
		metric, absent := catalog.Ref{Kind: catalog.KindMetric, ID: "1"}, catalog.Ref{Kind: catalog.KindQuestion, ID: "999"}
		for seq, want := range map[int64]string{0: "SELECT 2", 2: "SELECT 1", 3: "SELECT 2", 4: ""} {
			got, err := tx.LoadAssets(ctx, w.Conn, []catalog.Ref{ref, absent, metric, ref}, seq)
			if err != nil {
				return err
			}
			if want == "" {
				wantEqual(t, 0, len(got))
				continue
			}
			wantEqual(t, 2, len(got))
			for _, r := range []catalog.Ref{ref, metric} {
				wantEqual(t, want, got[r].(*catalog.Question).Query.SQL[:8])
			}
		}
		_, err = tx.LoadAsset(ctx, w.Conn, ref, 4)
		wantKind(t, err, errs.NotFound, "")
		a, err := tx.LoadAsset(ctx, w.Conn, catalog.Ref{Kind: catalog.KindMetric, ID: "1"}, 0)
		if err != nil || a.Ref() != ref {
			t.Errorf("as a metric: %v, %v", a, err)
		}
		none, err := tx.AssetHistory(ctx, w.Conn, catalog.Ref{Kind: catalog.KindDashboard, ID: "1"})
		wantEqual(t, 0, len(none))
		return err
	})
}

func testChanges(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	w.Commit(questions("1", "2", "10"))
	second := questions("1", "10", "3")
	second.Questions[1].Query.SQL = "SELECT 'ten'"
	w.Commit(second)
	w.Commit(questions("1", "2", "10")) // as it was
	third := questions("1")
	third.Gaps = []catalog.Gap{{Kind: catalog.KindQuestion, Whole: true}}
	w.Commit(third)
	change := func(id, what string) store.Change {
		return store.Change{Asset: catalog.Ref{Kind: catalog.KindQuestion, ID: id}, Name: "Question " + id, What: what}
	}
	for _, test := range []struct {
		from, to int64
		want     []store.Change
	}{
		{1, 2, []store.Change{change("2", "removed"), change("3", "added"), change("10", "changed")}},
		{1, 3, nil},
		{0, 1, []store.Change{change("1", "added"), change("2", "added"), change("10", "added")}},
		{2, 2, nil},
		{3, 4, nil}, // nothing of the kind was read
	} {
		w.View(func(ctx context.Context, tx *store.Tx) error {
			got, err := tx.Changes(ctx, w.Conn, test.from, test.to)
			t.Logf("from %d to %d", test.from, test.to)
			wantEqual(t, test.want, got)
			return err
		})
	}
}

func testUsage(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ref := catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}
	var scans []store.Scan
	var want []*int64
	for i := range 40 { // more than one complete record
		s := questions("1", "2", "3", "4", "5", "6", "7", "8", "9")
		s.Usage = map[catalog.Ref]catalog.Usage{}
		for _, q := range s.Questions {
			s.Usage[q.Ref()] = catalog.Usage{Views: new(int64(7)), UpdatedAt: new(w.Clock.Now().Truncate(24 * time.Hour))}
		}
		switch i % 4 {
		case 0:
			s.Usage[ref] = catalog.Usage{}
		case 3:
			delete(s.Usage, ref)
		default:
			s.Usage[ref] = catalog.Usage{Views: new(int64(i))}
		}
		scan, _ := w.Commit(s)
		scans = append(scans, scan)
		if u, ok := s.Usage[ref]; ok {
			want = append(want, u.Views)
		}
	}
	series := func() (got []*int64, points []store.UsagePoint) {
		w.View(func(ctx context.Context, tx *store.Tx) (err error) {
			points, err = tx.UsageSeries(ctx, w.Conn, ref)
			return err
		})
		for _, p := range points {
			got = append(got, p.Usage.Views)
		}
		return got, points
	}
	got, points := series()
	wantEqual(t, want, got)
	if points[0].ScanID != scans[0].ID || !points[0].At.Equal(scans[0].FinishedAt) || points[0].Seq != 1 {
		t.Errorf("got %+v", points[0])
	}
	// Without its complete record, the rest still reads the same.
	kept := w.Load(scans[5].ID)
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteScan(ctx, scans[0].ID) })
	got, _ = series()
	wantEqual(t, want[1:], got)
	wantEqual(t, kept, w.Load(scans[5].ID))
}

func diffSnapshots(want, got *catalog.Snapshot) string {
	a, errA := json.Marshal(want.Questions)
	b, errB := json.Marshal(got.Questions)
	if errA != nil || errB != nil {
		return fmt.Sprint(errA, errB)
	}
	if string(a) != string(b) && (len(want.Questions) > 0 || len(got.Questions) > 0) {
		return "-" + string(a) + "\n+" + string(b)
	}
	return diffAny(want, got)
}

// wantTogether loads all assets of a snapshot at once.
func wantTogether(ctx context.Context, t *testing.T, tx *store.Tx, conn store.ConnectionID, s *catalog.Snapshot) error {
	t.Helper()
	want := map[catalog.Ref]catalog.Asset{}
	var refs []catalog.Ref
	for a := range s.All() {
		want[a.Ref()] = a
		refs = append(refs, a.Ref())
	}
	got, err := tx.LoadAssets(ctx, conn, refs, 0)
	wantEqual(t, want, got)
	return err
}
