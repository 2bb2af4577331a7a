package scan

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/store"
)

// sameButTimes ignores what may differ between two scans of one state.
var sameButTimes = cmp.Options{
	cmpopts.IgnoreFields(catalog.Snapshot{}, "StartedAt", "FinishedAt", "Requests", "Marks"),
	cmpopts.EquateEmpty(),
}

// ticking returns a clock that moves a second with every look.
func ticking(start time.Time) func() time.Time {
	var mu sync.Mutex
	now := start
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Millisecond)
		return now
	}
}

func read(t *testing.T, f *fakeSource, o Options) *catalog.Snapshot {
	t.Helper()
	if o.Now == nil {
		o.Now = ticking(moment(100))
	}
	s, err := Read(t.Context(), f, o)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return s
}

func ids[A catalog.Asset](list []A) string {
	var out []string
	for _, a := range list {
		out = append(out, a.Ref().ID)
	}
	return strings.Join(out, " ")
}

func TestReadsEverythingButPersonal(t *testing.T) {
	s := read(t, world(), Options{})
	for _, c := range []struct{ what, got, want string }{
		{"dashboards", ids(s.Dashboards), "1 2 3 4 5 6"},
		{"collections", ids(s.Collections), "10 11 12 root"},
		{"tables", ids(s.Tables), "2/public/t0 2/public/t1 2/public/t2 3/public/t0 3/public/t1 3/public/t2"},
		{"groups", ids(s.Groups), "1"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
		}
	}
	// Dashboards 4 and 5 show questions of a personal collection: those stay as
	// nameless rows, so that the tiles do not look broken.
	for _, q := range s.Questions {
		hidden := q.ID == "23" || q.ID == "24"
		if hidden != q.Unreadable || (hidden && !strings.Contains(q.Name, "not read")) {
			t.Errorf("question %s: unreadable %t, name %q", q.ID, q.Unreadable, q.Name)
		}
	}
	if got, want := ids(s.Questions), "20 21 22 23 24 25 26 27"; got != want {
		t.Errorf("questions: %s, want %s", got, want)
	}
	if partial, why := s.Partial(); partial {
		t.Errorf("partial: %v", why)
	}
	if mine := catalog.NewIndex(s).Collection("12"); mine.Name != "Personal collection" {
		t.Errorf("the name of a personal collection is told: %q", mine.Name)
	}
	for _, d := range s.Dashboards {
		if unread := d.ID == "6"; d.DetailUnread != unread {
			t.Errorf("dashboard %s: DetailUnread %t (archived ones are not opened)", d.ID, d.DetailUnread)
		}
	}
	if s.Access.Collections["1"]["root"] != "read" || len(s.Access.Data) != 1 || len(s.Access.Memberships) != 1 {
		t.Errorf("access: %+v", s.Access)
	}
}

func TestExclusions(t *testing.T) {
	tests := map[string]struct {
		options Options
		shelves string
	}{
		"subtree":  {Options{ExcludedCollections: []string{"10"}}, "12 root"},
		"personal": {Options{IncludePersonal: true}, "10 11 12 13 root"},
		"both":     {Options{IncludePersonal: true, ExcludedCollections: []string{"12", "11"}}, "10 root"},
		"root":     {Options{ExcludedCollections: []string{"root"}}, "10 11 12"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			f := world()
			s := read(t, f, c.options)
			if shelves := ids(s.Collections); shelves != c.shelves {
				t.Errorf("collections %q, want %q", shelves, c.shelves)
			}
			out := map[string]bool{}
			for _, id := range strings.Fields(c.shelves) {
				out[id] = true
			}
			for _, q := range s.Questions {
				if !q.Unreadable && !out[q.CollectionID] {
					t.Errorf("question %s of left-out collection %s is listed", q.ID, q.CollectionID)
				}
				if q.Unreadable && (q.CollectionID != "" || q.Query.SQL != "") {
					t.Errorf("stand-in %s tells more than its id", q.ID)
				}
			}
			for _, d := range s.Dashboards {
				if !out[d.CollectionID] {
					t.Errorf("dashboard %s of left-out collection %s is listed", d.ID, d.CollectionID)
				}
			}
			for _, d := range f.heads {
				if !out[d.CollectionID] && f.reads[d.ID] > 0 {
					t.Errorf("left-out dashboard %s was opened", d.ID)
				}
			}
		})
	}
}

func TestRescanReadsOnlyWhatMoved(t *testing.T) {
	f := world()
	first := read(t, f, Options{})
	f.calls = nil
	second := read(t, f, Options{Previous: Slim(first), Now: ticking(moment(200))})
	if diff := cmp.Diff(first, second, sameButTimes, ignoreViews); diff != "" {
		t.Errorf("unchanged rescan differs (-first +second):\n%s", diff)
	}
	for id, n := range f.reads {
		if n > 1 {
			t.Errorf("dashboard %s was opened %d times", id, n)
		}
	}
	for _, call := range f.calls {
		if strings.HasPrefix(call, "schema/") || strings.HasPrefix(call, "question/") {
			t.Errorf("cached part was asked for again: %s", call)
		}
	}

	t.Run("moved mark", func(t *testing.T) {
		f := world()
		before := read(t, f, Options{})
		f.heads[1].LastEditedAt = moment(90)
		f.details["2"].LastEditedAt = moment(90)
		f.details["2"].Cards = nil
		after := read(t, f, Options{Previous: before, Now: ticking(moment(200))})
		if f.reads["2"] != 2 || f.reads["1"] != 1 {
			t.Errorf("reads: %v, want only dashboard 2 twice", f.reads)
		}
		if n := len(after.Dashboards[1].Cards); n != 0 {
			t.Errorf("dashboard 2 has %d cards, want the new contents", n)
		}
	})

	t.Run("deleted question", func(t *testing.T) {
		f := world()
		before := read(t, f, Options{})
		f.questions = slices.DeleteFunc(f.questions, func(q *catalog.Question) bool { return q.ID == "20" })
		f.details["1"].Cards = nil // goes along, without moving the dashboard
		after := read(t, f, Options{Previous: before, Now: ticking(moment(200))})
		if len(after.Dashboards[0].Cards) != 0 {
			t.Error("dashboard 1 still shows the deleted question")
		}
	})

	t.Run("head facts follow", func(t *testing.T) {
		f := world()
		before := read(t, f, Options{})
		f.heads[0].Name = "Renamed without a mark"
		after := read(t, f, Options{Previous: before, Now: ticking(moment(200))})
		if after.Dashboards[0].Name != "Renamed without a mark" || before.Dashboards[0].Name == after.Dashboards[0].Name {
			t.Errorf("names: before %q, after %q", before.Dashboards[0].Name, after.Dashboards[0].Name)
		}
	})
}

var ignoreViews = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Views" || p.Last().String() == ".OwnReads" }, cmp.Ignore())

func TestSchemaCache(t *testing.T) {
	tests := map[string]struct {
		change func(*fakeSource)
		o      Options
		later  time.Duration
		want   int // schema reads of database 2 in the rescan
	}{
		"young":     {later: time.Hour, want: 0},
		"weekly":    {later: 8 * 24 * time.Hour, want: 1},
		"on demand": {later: time.Hour, o: Options{RefreshSchema: true}, want: 1},
		"new table": {later: time.Hour, want: 1, change: func(f *fakeSource) {
			f.schemas["2"] = append(f.schemas["2"], &catalog.Table{Common: catalog.Common{ID: "2/public/new", Name: "new"}, MetabaseID: 199, DatabaseID: "2"})
		}},
		"dropped":     {later: time.Hour, want: 1, change: func(f *fakeSource) { f.schemas["2"] = f.schemas["2"][1:] }},
		"other moved": {later: time.Hour, want: 0, change: func(f *fakeSource) { f.schemas["3"] = f.schemas["3"][1:] }},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			f := world()
			first := read(t, f, Options{})
			if c.change != nil {
				c.change(f)
			}
			f.calls = nil
			c.o.Previous = first
			c.o.Now = ticking(moment(100).Add(c.later))
			second := read(t, f, c.o)
			if got := f.count("schema/2"); got != c.want {
				t.Errorf("schema of database 2 read %d times, want %d", got, c.want)
			}
			want := len(f.schemas["2"]) + len(f.schemas["3"])
			if len(second.Tables) != want {
				t.Errorf("%d tables, want %d", len(second.Tables), want)
			}
			for _, table := range second.Tables {
				if len(table.Columns) == 0 && table.Name != "new" {
					t.Errorf("table %s lost its columns", table.ID)
				}
			}
		})
	}
}

func TestOwnReadsAreSubtracted(t *testing.T) {
	f := world()
	reads := &memoryReads{}
	var last *catalog.Snapshot
	for i := range 3 {
		f.heads[0].LastEditedAt = moment(50 + i)
		last = read(t, f, Options{Previous: last, OwnReads: reads, Now: ticking(moment(100 * (i + 1)))})
		for _, d := range last.Dashboards {
			u := last.Usage[d.Ref()]
			if want := *f.usage[d.Ref()].Views; *u.Views != want {
				t.Errorf("scan %d, dashboard %s: %d views, want %d without our own", i+1, d.ID, *u.Views, want)
			}
		}
	}
	if got := last.Usage[catalog.Ref{Kind: catalog.KindDashboard, ID: "1"}].OwnReads; got != 2 {
		t.Errorf("own reads of dashboard 1 before the third scan: %d, want 2", got)
	}
}

func TestQueryTimesWithinBudget(t *testing.T) {
	f := world()
	first := read(t, f, Options{QueryTimeBudget: 3})
	var asked []string
	for _, c := range f.calls {
		if id, ok := strings.CutPrefix(c, "question/"); ok {
			asked = append(asked, id)
		}
	}
	slices.Sort(asked)
	if got := strings.Join(asked, " "); got != "25 26 27" { // 28 and 29 are personal and archived
		t.Errorf("asked for %s, want the three most viewed", got)
	}
	ref := catalog.Ref{Kind: catalog.KindQuestion, ID: "27"}
	if ms := first.Usage[ref].AverageQueryMillis; ms == nil || *ms != 120.5 {
		t.Errorf("average query time: %v", ms)
	}
	f.calls = nil
	second := read(t, f, Options{QueryTimeBudget: 3, Previous: first, Now: ticking(moment(200))})
	if f.count("question/27") != 0 || second.Usage[ref].AverageQueryMillis == nil {
		t.Error("the cached query time was read again or lost")
	}
	third := read(t, f, Options{QueryTimeBudget: 3, Previous: second, Now: ticking(moment(100).Add(8 * 24 * time.Hour))})
	if f.count("question/27") != 1 || third.Usage[ref].AverageQueryMillis == nil {
		t.Error("the query time was not read again after a week")
	}
}

func TestDiscoveryWithoutLists(t *testing.T) {
	f := world()
	f.noLists = true
	f.collections = f.collections[:2] // the list of collections is short too
	item := func(kind catalog.Kind, id, in string) metabase.Item {
		return metabase.Item{Ref: catalog.Ref{Kind: kind, ID: id}, Name: string(kind) + id, CollectionID: in, LastEditedAt: moment(1)}
	}
	f.items = map[string][]metabase.Item{
		"root": {item(catalog.KindCollection, "10", "root"), item(catalog.KindQuestion, "20", "root"), item(catalog.KindDashboard, "1", "root")},
		"10":   {item(catalog.KindCollection, "11", "10"), item(catalog.KindQuestion, "21", "10"), item(catalog.KindDashboard, "2", "10")},
		"11":   {item(catalog.KindQuestion, "404", "11"), item(catalog.KindDashboard, "404", "11")},
	}
	f.details["2"].Cards = append(f.details["2"].Cards, catalog.Dashcard{ID: "9", QuestionID: "27", SeriesIDs: []string{"26", "999"}})
	f.questions[7].SourceQuestionID = "28"
	s := read(t, f, Options{IncludePersonal: true})
	if got, want := ids(s.Questions), "20 21 26 27 28 404"; got != want {
		t.Errorf("questions %s, want %s", got, want)
	}
	if got, want := ids(s.Dashboards), "1 2 404"; got != want {
		t.Errorf("dashboards %s, want %s", got, want)
	}
	if got, want := ids(s.Collections), "10 11 root"; got != want {
		t.Errorf("collections %s, want %s", got, want)
	}
	for _, q := range s.Questions {
		if q.Unreadable != (q.ID == "404") {
			t.Errorf("question %s: unreadable %t", q.ID, q.Unreadable)
		}
	}
	if partial, _ := s.Partial(); !partial {
		t.Error("missing references left no gap")
	}
	for id, n := range f.reads {
		if n != 1 {
			t.Errorf("dashboard %s opened %d times", id, n)
		}
	}
}

func TestNothingListed(t *testing.T) {
	f := &fakeSource{noLists: true}
	f.before = func(_ context.Context, call string) error {
		if strings.HasPrefix(call, "items/") {
			return errs.New(errs.Forbidden, "forbidden", "The key may not read this collection.", "")
		}
		return nil
	}
	_, err := Read(t.Context(), f, Options{})
	if errs.CodeOf(err) != "nothing_listed" {
		t.Fatalf("error %v, want nothing_listed", err)
	}
}

func TestSplitsByDatabase(t *testing.T) {
	t.Run("many questions known", func(t *testing.T) {
		f := world()
		f.questions[5].DatabaseID = ""
		first := read(t, f, Options{})
		f.calls = nil
		second := read(t, f, Options{Previous: first, SplitQuestions: 5, Now: ticking(moment(200))})
		if f.count("questions/false") != 0 || f.count("questions-of/2") != 1 || f.count("questions-of/3") != 1 {
			t.Errorf("calls: %v", f.calls)
		}
		if diff := cmp.Diff(first, second, sameButTimes, ignoreViews); diff != "" {
			t.Errorf("split scan differs:\n%s", diff)
		}
	})
	for _, code := range []string{"too_large", "truncated", "timeout"} {
		t.Run(code, func(t *testing.T) {
			f := world()
			f.before = func(_ context.Context, call string) error {
				if call == "questions/false" {
					return errs.New(errs.Limited, code, "The list did not come whole.", "")
				}
				return nil
			}
			s := read(t, f, Options{})
			if got, want := ids(s.Questions), "20 21 22 23 24 25 26 27"; got != want {
				t.Errorf("questions %s, want %s", got, want)
			}
		})
	}
}

// TestFailures lists what each call's failure does to a scan.
func TestFailures(t *testing.T) {
	needed := []string{"identify", "collections", "questions", "heads/false"}
	optional := []string{
		"databases", "tables", "schema/2", "questions/true", "heads/true", "dashboard/1", "segments", "measures", "snippets", "subscriptions",
		"alerts", "transforms", "actions", "documents", "people", "groups", "memberships", "collection-access", "data-access", "question/27",
	}
	down := errs.New(errs.Unavailable, "server_error", "The server answered with an internal error.", "")
	denied := errs.New(errs.Unauthorized, "unauthorized", "The key was refused.", "")
	for _, call := range slices.Concat(needed, optional) {
		for name, failure := range map[string]error{"down": down, "denied": denied} {
			t.Run(strings.ReplaceAll(call, "/", "_")+"/"+name, func(t *testing.T) {
				f := world()
				f.before = func(_ context.Context, c string) error {
					if c == call || (call == "questions" && (c == "questions/false" || strings.HasPrefix(c, "questions-of/"))) {
						return failure
					}
					return nil
				}
				s, err := Read(t.Context(), f, Options{Now: ticking(moment(100))})
				if name == "denied" || slices.Contains(needed, call) {
					if err == nil || errs.KindOf(err) != errs.KindOf(failure) {
						t.Fatalf("error %v, want %v", err, failure)
					}
					return
				}
				if err != nil {
					t.Fatalf("an optional part ended the scan: %v", err)
				}
				if partial, _ := s.Partial(); !partial {
					t.Error("the failure left no gap")
				}
			})
		}
	}
}

func TestPassingFailureKeepsWhatWasKnown(t *testing.T) {
	f := world()
	first := read(t, f, Options{})
	f.heads[0].LastEditedAt = moment(95)
	f.before = func(_ context.Context, c string) error {
		if c == "segments" || c == "dashboard/1" || c == "databases" || c == "questions/true" {
			return errs.New(errs.Unavailable, "server_error", "The server answered with an internal error.", "")
		}
		return nil
	}
	second := read(t, f, Options{Previous: first, Now: ticking(moment(200))})
	if len(second.Segments) != 1 || len(second.Databases) != 2 || len(second.Dashboards[0].Cards) != 1 {
		t.Errorf("lost: %d segments, %d databases, %d cards", len(second.Segments), len(second.Databases), len(second.Dashboards[0].Cards))
	}
	if partial, why := second.Partial(); !partial || len(why) < 4 {
		t.Errorf("gaps: %v", why)
	}
	f.before = nil
	third := read(t, f, Options{Previous: second, Now: ticking(moment(300))})
	if !third.Dashboards[0].LastEditedAt.Equal(moment(40)) && f.reads["1"] != 3 {
		t.Errorf("the dashboard that failed was not read again: %v", f.reads)
	}
}

func TestServerDownDuringDetails(t *testing.T) {
	f := world()
	for i := range 40 {
		d := *f.heads[0]
		d.ID = fmt.Sprint(100 + i)
		f.heads = append(f.heads, &d)
	}
	f.before = func(_ context.Context, c string) error {
		if strings.HasPrefix(c, "dashboard/") {
			return errs.New(errs.Unavailable, "server_error", "The server answered with an internal error.", "")
		}
		return nil
	}
	_, err := Read(t.Context(), f, Options{})
	if errs.KindOf(err) != errs.Unavailable {
		t.Fatalf("error %v, want unavailable", err)
	}
	if len(f.reads) > 12 {
		t.Errorf("%d dashboards were tried on a server that is down", len(f.reads))
	}
}

func TestDuplicateIDsKeepTheLast(t *testing.T) {
	f := world()
	again := *f.questions[0]
	again.Name = "Moved meanwhile"
	f.questions = append(f.questions, &again)
	s := read(t, f, Options{})
	if s.Questions[0].Name != "Moved meanwhile" {
		t.Errorf("name %q, want the last row", s.Questions[0].Name)
	}
	if !slices.ContainsFunc(s.Gaps, func(g catalog.Gap) bool { return strings.Contains(g.Reason, "listed twice") }) {
		t.Errorf("no note about the repeated id: %v", s.Gaps)
	}
}

func TestProgress(t *testing.T) {
	f := world()
	var seen []store.ScanProgress
	read(t, f, Options{Progress: func(p store.ScanProgress) { seen = append(seen, p) }})
	last := seen[len(seen)-1]
	for _, s := range last.Steps {
		if s.Title == "" || (s.State != stepDone && s.State != stepSkipped) {
			t.Errorf("step %q (%s) ended as %q", s.Name, s.Title, s.State)
		}
	}
	if last.Requests == 0 || last.Requests != len(f.calls) {
		t.Errorf("%d requests reported, %d made", last.Requests, len(f.calls))
	}
	estimated := false
	for _, p := range seen {
		for _, s := range p.Steps {
			if s.Total > 0 && s.Done > s.Total {
				t.Errorf("step %s: %d of %d", s.Name, s.Done, s.Total)
			}
			estimated = estimated || s.ETASeconds > 0
		}
	}
	if !estimated {
		t.Error("no step had an estimate")
	}
}

func TestNoDashboardDetail(t *testing.T) {
	f := world()
	s := read(t, f, Options{NoDashboardDetail: true})
	if len(f.reads) != 0 || !s.Dashboards[0].DetailUnread {
		t.Errorf("reads %v, unread %t", f.reads, s.Dashboards[0].DetailUnread)
	}
}

// TestKilledScansGoOn stops a scan at random points, hard (the context ends, as
// on a cancel) or by dropping the process (nothing works any more), and goes on
// until one succeeds. The snapshot must be that of an undisturbed scan, and no
// dashboard may be opened twice. One case is left, and counted: a process that
// dies after an answer came and before it was staged has to ask again. The view
// that this costs is among our own reads.
func TestKilledScansGoOn(t *testing.T) {
	want := read(t, world(), Options{})
	for round := range 100 {
		random := rand.New(rand.NewPCG(1, uint64(round)))
		drop := round%2 == 1
		f := world()
		staging, reads := &memoryStaging{}, &memoryReads{}
		lost := map[string]int{} // answers that died with the process
		var got *catalog.Snapshot
		for attempt := 0; got == nil; attempt++ {
			if attempt > 50 {
				t.Fatalf("round %d: no end", round)
			}
			got = killOnce(t, f, staging, reads, lost, random.IntN(45), drop, attempt)
		}
		if diff := cmp.Diff(want, got, sameButTimes, ignoreViews); diff != "" {
			t.Fatalf("round %d: snapshot differs after resuming:\n%s", round, diff)
		}
		for id, n := range f.reads {
			if n > 1+lost[id] {
				t.Errorf("round %d: dashboard %s was opened %d times, %d answers were lost", round, id, n, lost[id])
			}
			if counted := reads.counts[id]; counted < int64(n) || (!drop && counted > int64(n)) {
				t.Errorf("round %d: dashboard %s was opened %d times and counted %d times", round, id, n, reads.counts[id])
			}
		}
	}
}

var errDropped = errors.New("process is gone")

// killOnce runs one attempt that is stopped at its nth call, and returns the
// snapshot if it got through.
func killOnce(t *testing.T, f *fakeSource, staging *memoryStaging, reads *memoryReads, lost map[string]int, nth int, drop bool, attempt int) *catalog.Snapshot {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	calls, dead := 0, false
	strike := func() bool {
		mu.Lock()
		defer mu.Unlock()
		if calls == nth {
			dead = true
			cancel()
		}
		calls++
		return dead
	}
	f.before = func(context.Context, string) error { strike(); return nil }
	staging.fail = nil
	if drop {
		// A dropped process reaches neither server nor store.
		f.before = nil
		staging.fail = func(step string) error {
			if strike() {
				if id, ok := strings.CutPrefix(step, "dashboard/"); ok {
					lost[id]++
				}
				return errDropped
			}
			return nil
		}
	}
	s, err := Read(ctx, &dropping{f, drop, func() bool { mu.Lock(); defer mu.Unlock(); return dead }}, Options{
		Staging: staging, OwnReads: reads, Concurrency: 1 + attempt%3, Now: ticking(moment(100).Add(time.Duration(attempt) * time.Second)),
	})
	if err != nil {
		if errs.KindOf(err) != errs.Canceled && !errors.Is(err, errDropped) && !errors.Is(err, context.Canceled) {
			t.Fatalf("attempt %d: %v", attempt, err)
		}
		return nil
	}
	return s
}

// dropping refuses everything once the process is gone.
type dropping struct {
	*fakeSource
	drop bool
	dead func() bool
}

func (d *dropping) Identify(ctx context.Context) (metabase.Identity, error) {
	if d.drop && d.dead() {
		return metabase.Identity{}, errDropped
	}
	return d.fakeSource.Identify(ctx)
}

func (d *dropping) Dashboard(ctx context.Context, id string) (*metabase.DashboardDetail, []catalog.Gap, error) {
	if d.drop && d.dead() {
		return nil, nil, errDropped
	}
	return d.fakeSource.Dashboard(ctx, id)
}

func TestStagingIsDiscarded(t *testing.T) {
	stop := errors.New("stop")
	tests := map[string]struct {
		change func(*fakeSource, *Options)
		fresh  bool
	}{
		"same":          {func(*fakeSource, *Options) {}, false},
		"other key":     {func(_ *fakeSource, o *Options) { o.Fingerprint = "other" }, true},
		"other options": {func(_ *fakeSource, o *Options) { o.ExcludedCollections = []string{"11"} }, true},
		"other version": {func(f *fakeSource, _ *Options) { f.identity.Instance.Version = "v0.59.0" }, true},
		"other reader":  {func(f *fakeSource, _ *Options) { f.identity.Instance.Reader.Admin = false }, true},
		"an hour later": {func(_ *fakeSource, o *Options) { o.Now = ticking(moment(100).Add(61 * time.Minute)) }, true},
		"clock back":    {func(_ *fakeSource, o *Options) { o.Now = ticking(moment(50)) }, true},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			f := world()
			staging := &memoryStaging{}
			staging.fail = func(step string) error {
				if step == "dashboard_details" {
					return stop
				}
				return nil
			}
			o := Options{Staging: staging, Now: ticking(moment(100))}
			if _, err := Read(t.Context(), f, o); !errors.Is(err, stop) {
				t.Fatalf("first attempt: %v", err)
			}
			staging.fail = nil
			o.Now = ticking(moment(110))
			c.change(f, &o)
			f.calls = nil
			if _, err := Read(t.Context(), f, o); err != nil {
				t.Fatalf("second attempt: %v", err)
			}
			if got := f.count("questions/false") == 1; got != c.fresh {
				t.Errorf("read anew: %t, want %t", got, c.fresh)
			}
		})
	}
	t.Run("damaged", func(t *testing.T) {
		f := world()
		staging := &memoryStaging{}
		o := Options{Staging: staging, Now: ticking(moment(100))}
		want, err := Read(t.Context(), f, o)
		if err != nil {
			t.Fatal(err)
		}
		staging.steps["questions"] = staging.steps["questions"][:40]
		got, err := Read(t.Context(), f, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameButTimes, ignoreViews); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCancelEndsSoon(t *testing.T) {
	f := world()
	ctx, cancel := context.WithCancel(t.Context())
	f.before = func(ctx context.Context, call string) error {
		if call == "snippets" {
			cancel()
			<-ctx.Done() // a request that hangs until its context ends
			return ctx.Err()
		}
		return nil
	}
	_, err := Read(ctx, f, Options{})
	if errs.KindOf(err) != errs.Canceled {
		t.Fatalf("error %v, want cancelled", err)
	}
}
