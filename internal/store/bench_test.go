package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

// The instance that the quality bars speak of.
const (
	benchQuestions  = 10_000
	benchDashboards = 1_000
	benchTables     = 2_000
	benchColumns    = 20 // per table
)

// generator makes believable content with a fixed seed.
type generator struct {
	random *rand.Rand
	now    time.Time
}

func newGenerator() *generator {
	return &generator{random: rand.New(rand.NewPCG(1, 2)), now: time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)}
}

var vocabulary = strings.Fields(`customer order invoice payment product shipment subscription account session event campaign region store refund
	inventory supplier contract ticket employee ledger forecast budget lead visit cohort channel segment device plan renewal`)

func (g *generator) word() string { return vocabulary[g.random.IntN(len(vocabulary))] }

func (g *generator) entity() string {
	b := make([]byte, 21)
	for i := range b {
		b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"[g.random.IntN(64)]
	}
	return string(b)
}

func (g *generator) sql(size int) string {
	var b strings.Builder
	b.WriteString("WITH base AS (\n  SELECT\n")
	for b.Len() < size {
		switch g.random.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "    %s.%s_%s AS %s_%d,\n", g.word(), g.word(), g.word(), g.word(), g.random.IntN(1000))
		case 1:
			fmt.Fprintf(&b, "    SUM(CASE WHEN %s_status = '%s' THEN %s_amount ELSE 0 END) AS %s_total,\n", g.word(), g.word(), g.word(), g.word())
		case 2:
			fmt.Fprintf(&b, "  LEFT JOIN analytics.%ss_%d ON %ss.id = %ss.%s_id\n", g.word(), g.random.IntN(60), g.word(), g.word(), g.word())
		case 3:
			fmt.Fprintf(&b, "  AND %s_at >= '2025-%02d-%02d' AND %s_count > %d -- %s\n", g.word(), 1+g.random.IntN(12), 1+g.random.IntN(28), g.word(), g.random.IntN(100000), g.word())
		}
	}
	b.WriteString(")\nSELECT * FROM base ORDER BY 1 DESC LIMIT 100")
	return b.String()
}

func (g *generator) snapshot(questionBytes int) *catalog.Snapshot {
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}, StartedAt: g.now, FinishedAt: g.now}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "Warehouse"}, Engine: "postgres"})
	types := []string{"type/Integer", "type/Text", "type/DateTime", "type/Decimal", "type/Boolean"}
	field := int64(1)
	for i := range benchTables {
		t := &catalog.Table{MetabaseID: int64(i + 1), DatabaseID: "1", Schema: "analytics"}
		t.Name = fmt.Sprintf("%s_%s_%d", g.word(), g.word(), i)
		t.ID = catalog.TableID("1", "analytics", t.Name)
		t.DisplayName = strings.ReplaceAll(t.Name, "_", " ")
		for c := range benchColumns {
			typ := types[g.random.IntN(len(types))]
			name := fmt.Sprintf("%s_%s", g.word(), g.word())
			t.Columns = append(t.Columns, &catalog.Column{
				ID: catalog.ColumnID(t.ID, name+strconv.Itoa(c)), MetabaseID: field, Name: name, DisplayName: strings.ReplaceAll(name, "_", " "),
				BaseType: typ, EffectiveType: typ, DatabaseType: "varchar", Visibility: "normal", Position: c, Nullable: new(true),
			})
			field++
		}
		s.Add(t)
	}
	for i := range benchQuestions {
		s.Add(g.question(i+1, questionBytes))
	}
	for i := range benchDashboards {
		d := &catalog.Dashboard{CollectionID: strconv.Itoa(1 + g.random.IntN(300))}
		d.ID, d.EntityID, d.Name, d.CreatedAt = strconv.Itoa(i+1), g.entity(), "Dashboard "+g.word()+" "+strconv.Itoa(i), g.past()
		for c := range 12 {
			d.Cards = append(d.Cards, catalog.Dashcard{ID: strconv.Itoa(i*12 + c), EntityID: g.entity(), QuestionID: strconv.Itoa(1 + g.random.IntN(benchQuestions)), Row: c / 2 * 6, Col: c % 2 * 12, Width: 12, Height: 6})
		}
		s.Add(d)
		s.Usage[d.Ref()] = g.usage()
	}
	for i := range 300 {
		s.Add(&catalog.Collection{Common: catalog.Common{ID: strconv.Itoa(i + 1), Name: g.word() + " " + g.word()}, ParentID: "root"})
	}
	for _, q := range s.Questions {
		s.Usage[q.Ref()] = g.usage()
	}
	s.Sort()
	return s
}

func (g *generator) past() time.Time {
	return g.now.Add(-time.Duration(g.random.Int64N(int64(700 * 24 * time.Hour)))).Truncate(time.Microsecond)
}

func (g *generator) question(id, size int) *catalog.Question {
	q := &catalog.Question{Type: catalog.KindQuestion, Display: "table", DatabaseID: "1", CollectionID: strconv.Itoa(1 + g.random.IntN(300))}
	q.ID, q.EntityID, q.CreatorID, q.CreatedAt = strconv.Itoa(id), g.entity(), strconv.Itoa(1+g.random.IntN(80)), g.past()
	q.Name = fmt.Sprintf("%s by %s %d", g.word(), g.word(), id)
	q.LastEditedAt, q.LastEditorID = g.past(), q.CreatorID
	// Sizes vary as they do in life: many small, few large.
	q.Query = catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: g.sql(size/4 + g.random.IntN(size)*3/2)}
	for range 4 {
		name := g.word()
		q.ResultColumns = append(q.ResultColumns, catalog.ResultColumn{Name: name, DisplayName: name, BaseType: "type/Text"})
	}
	return q
}

func (g *generator) usage() catalog.Usage {
	u := catalog.Usage{Views: new(int64(g.random.ExpFloat64() * 300)), UpdatedAt: new(g.past())}
	if *u.Views > 0 {
		u.LastUsedAt = new(g.past())
	}
	return u
}

// nextDay edits one per cent of the content and uses a fifth of it.
func (g *generator) nextDay(s *catalog.Snapshot, changed float64) *catalog.Snapshot {
	g.now = g.now.Add(24 * time.Hour)
	next := *s
	next.StartedAt, next.FinishedAt = g.now, g.now
	next.Questions = append([]*catalog.Question(nil), s.Questions...)
	next.Dashboards = append([]*catalog.Dashboard(nil), s.Dashboards...)
	next.Usage = make(map[catalog.Ref]catalog.Usage, len(s.Usage))
	for ref, u := range s.Usage {
		next.Usage[ref] = u
	}
	for range int(float64(len(s.Questions)) * changed) {
		i := g.random.IntN(len(next.Questions))
		q := *next.Questions[i]
		lines := strings.Split(q.Query.SQL, "\n")
		at := 2 + g.random.IntN(len(lines)-2)
		q.Query.SQL = strings.Join(lines[:at], "\n") + "\n    " + g.word() + "_" + g.word() + ",\n" + strings.Join(lines[at:], "\n")
		q.LastEditedAt = g.now.Add(time.Duration(g.random.Int64N(int64(time.Hour)))).Truncate(time.Microsecond)
		next.Questions[i] = &q
	}
	for range int(float64(len(s.Dashboards)) * changed) {
		i := g.random.IntN(len(next.Dashboards))
		d := *next.Dashboards[i]
		d.LastEditedAt = g.now
		d.Cards = append(append([]catalog.Dashcard(nil), d.Cards...), catalog.Dashcard{ID: strconv.Itoa(g.random.IntN(1 << 30)), QuestionID: "5", Width: 4, Height: 4})
		next.Dashboards[i] = &d
	}
	if changed == 0 {
		return &next
	}
	// A popular part of the content is used every day.
	for _, q := range next.Questions {
		u := next.Usage[q.Ref()]
		if u.Views == nil || *u.Views < 200 || g.random.IntN(2) == 0 {
			continue
		}
		u.Views = new(*u.Views + 1 + g.random.Int64N(20))
		u.LastUsedAt = new(g.now.Add(-time.Duration(g.random.Int64N(int64(24 * time.Hour)))).Truncate(time.Microsecond))
		next.Usage[q.Ref()] = u
	}
	return &next
}

func (g *generator) docs(s *catalog.Snapshot) []store.SearchDoc {
	var list []store.SearchDoc
	for a := range s.All() {
		d := store.SearchDoc{Asset: a.Ref(), Name: a.Title(), Path: "Sales / " + a.InCollection(), Views: s.Usage[a.Ref()].Views}
		switch a := a.(type) {
		case *catalog.Question:
			seen := map[string]bool{}
			for _, w := range strings.FieldsFunc(a.Query.SQL, func(r rune) bool { return r != '_' && r != '.' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
				if len(w) > 2 && !seen[w] {
					seen[w] = true
					d.Identifiers = append(d.Identifiers, w)
				}
			}
		case *catalog.Table:
			for _, c := range a.Columns {
				d.Identifiers = append(d.Identifiers, c.Name)
			}
		}
		list = append(list, d)
	}
	return list
}

func (g *generator) findings(s *catalog.Snapshot) []finding.Finding {
	var list []finding.Finding
	for i, q := range s.Questions {
		if i%5 == 0 {
			list = append(list, finding.Finding{
				Check: "USE002", Fingerprint: finding.Fingerprint("USE002", q.Ref(), q.EntityID), Severity: finding.Low, Confidence: finding.Likely, Asset: q.Ref(),
				Message: "Nobody has looked at this question for 214 days.", Remediation: "Archive it.",
				Evidence: finding.Evidence{Numbers: map[string]float64{"days_since_use": 214}},
			})
		}
	}
	return list
}

// measure prints wall and processor time; run with -v. The wall time of a busy
// machine says little, the processor time of all cores together more.
func measure(t *testing.T, what string, run func()) (processor time.Duration) {
	t.Helper()
	runtime.GC()
	start, used := time.Now(), processorTime(t)
	run()
	wall, processor := time.Since(start), processorTime(t)-used
	t.Logf("%-46s %8.0f ms wall %8.0f ms processor", what, float64(wall.Microseconds())/1000, float64(processor.Microseconds())/1000)
	return processor
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func sizeOf(t *testing.T, w *storetest.World) int64 {
	t.Helper()
	n, err := w.Store.Size(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// whole runs everything that a scan stores.
func whole(t *testing.T, w *storetest.World, g *generator, s *catalog.Snapshot) (scan store.Scan) {
	t.Helper()
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		if scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning}); err != nil {
			return err
		}
		if _, err = tx.CommitSnapshot(ctx, scan.ID, s); err != nil {
			return err
		}
		if _, _, _, err = tx.ApplyFindings(ctx, scan.ID, g.findings(s), nil, w.Clock.Now()); err != nil {
			return err
		}
		if err = tx.ReplaceSearch(ctx, w.Conn, g.docs(s)); err != nil {
			return err
		}
		return tx.FinishScan(ctx, scan.ID, store.ScanSucceeded, "", "")
	})
	w.Clock.Add(24 * time.Hour)
	return scan
}

// TestScale measures the instance of the quality bars and fails when a bar is
// missed by far. It runs with METALENS_BENCH=1; METALENS_BENCH_POSTGRES=1 takes
// the other engine.
func TestScale(t *testing.T) {
	if os.Getenv("METALENS_BENCH") != "1" {
		t.Skip("set METALENS_BENCH=1 to measure")
	}
	open := openSQLite()
	if os.Getenv("METALENS_BENCH_POSTGRES") == "1" {
		open = openPostgres()
	}
	size := 3000
	if n, err := strconv.Atoi(os.Getenv("METALENS_BENCH_BYTES")); err == nil {
		size = n
	}
	w := storetest.NewWorld(t, open)
	g := newGenerator()
	s := g.snapshot(size)
	t.Logf("%s, %d cores, questions of %d bytes on average", w.Store.Engine(), runtime.GOMAXPROCS(0), size)
	empty := sizeOf(t, w)

	var first store.Scan
	commit := measure(t, "commit of the first snapshot", func() { first, _ = w.Commit(s) })
	assets := sizeOf(t, w) - empty
	t.Logf("%-46s %8.2f MB", "assets and usage stored", float64(assets)/1e6)

	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var loaded *catalog.Snapshot
	load := measure(t, "load of the newest snapshot", func() { loaded = w.Load(first.ID) })
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%-46s %8.2f MB", "heap that the loaded snapshot holds", float64(after.HeapAlloc-before.HeapAlloc)/1e6)
	t.Logf("%-46s %8.2f MB", "allocated while loading", float64(after.TotalAlloc-before.TotalAlloc)/1e6)
	if len(loaded.Questions) != benchQuestions {
		t.Fatal("not everything was loaded")
	}
	measure(t, "load of one asset", func() {
		w.View(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.LoadAsset(ctx, w.Conn, catalog.Ref{Kind: catalog.KindQuestion, ID: "77"}, 0)
			return err
		})
	})
	measure(t, "rescan, nothing changed: commit", func() { w.Commit(g.nextDay(s, 0)) })
	rescan := sizeOf(t, w) - empty - assets
	t.Logf("%-46s %8.2f %% of the first", "rescan, nothing changed: growth", 100*float64(rescan)/float64(assets))

	measure(t, "search index, first", func() {
		w.In(func(ctx context.Context, tx *store.Tx) error { return tx.ReplaceSearch(ctx, w.Conn, g.docs(s)) })
	})
	t.Logf("%-46s %8.2f MB", "search index stored", float64(sizeOf(t, w)-empty-assets-rescan)/1e6)
	measure(t, "search index, nothing changed", func() {
		w.In(func(ctx context.Context, tx *store.Tx) error { return tx.ReplaceSearch(ctx, w.Conn, g.docs(s)) })
	})
	for _, text := range []string{"customer", "invoice_tot", "ord", "dashboard 17", "nothing_like_it"} {
		measure(t, "search "+strconv.Quote(text), func() {
			w.View(func(ctx context.Context, tx *store.Tx) error {
				_, total, err := tx.Search(ctx, w.Conn, store.SearchQuery{Text: text})
				t.Logf("  %d matches", total)
				return err
			})
		})
	}

	if testing.Short() {
		return
	}
	w.Conn = w.NewConnection("ninety days")
	start := sizeOf(t, w)
	var scan, last store.Scan
	measure(t, "whole first scan with findings and search", func() { scan = whole(t, w, g, s) })
	one := sizeOf(t, w) - start
	measure(t, "whole 89 further scans, 1 % changed each", func() {
		for range 89 {
			s = g.nextDay(s, 0.01)
			last = whole(t, w, g, s)
		}
	})
	ninety := sizeOf(t, w) - start
	t.Logf("%-46s %8.2f MB", "one scan with findings and search", float64(one)/1e6)
	t.Logf("%-46s %8.2f MB = %.2f x one scan", "ninety scans", float64(ninety)/1e6, float64(ninety)/float64(one))
	measure(t, "load of the oldest of 90 snapshots", func() { w.Load(scan.ID) })
	measure(t, "load of the newest of 90 snapshots", func() { w.Load(last.ID) })
	measure(t, "usage series of one asset over 90 scans", func() {
		w.View(func(ctx context.Context, tx *store.Tx) error {
			points, err := tx.UsageSeries(ctx, w.Conn, catalog.Ref{Kind: catalog.KindQuestion, ID: "77"})
			if len(points) != 90 {
				t.Errorf("got %d points", len(points))
			}
			return err
		})
	})
	measure(t, "page of findings", func() {
		w.View(func(ctx context.Context, tx *store.Tx) error {
			_, _, err := tx.Findings(ctx, store.FindingQuery{Connection: w.Conn})
			return err
		})
	})
	measure(t, "page of findings with a text filter", func() {
		w.View(func(ctx context.Context, tx *store.Tx) error {
			_, _, err := tx.Findings(ctx, store.FindingQuery{Connection: w.Conn, Text: "invoice"})
			return err
		})
	})
	measure(t, "prune of 30 scans", func() {
		w.In(func(ctx context.Context, tx *store.Tx) error {
			r, err := tx.Prune(ctx, store.Retention{Scans: 60 * 24 * time.Hour}, w.Clock.Now())
			t.Logf("  %+v", r)
			return err
		})
	})
	for what, limit := range map[string]bool{
		"commit within 10 s": commit < 10*time.Second, "load within 3 s": load < 3*time.Second,
		"rescan grows by 2 % at most": rescan*50 <= assets, "ninety scans below two": ninety < 2*one,
	} {
		if !limit {
			t.Errorf("missed: %s", what)
		}
	}
}
