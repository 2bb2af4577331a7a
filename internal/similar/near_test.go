package similar

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
)

// writer makes up analytical SQL as several people would write it: several
// skeletons, many tables and columns, and edits from one word to whole clauses.
type writer struct{ r *rand.Rand }

func (w writer) pick(list ...string) string { return list[w.r.IntN(len(list))] }

func (w writer) table() string {
	return w.pick("sales", "crm", "core", "ops", "fin") + "." + w.pick("order", "invoice", "visit", "ticket", "shipment", "payment", "lead", "refund", "session", "contract") +
		w.pick("s", "_items", "_daily", "_events", "_history", "_facts") + w.pick("", "", "_v2", "_eu", "_us")
}

func (w writer) column() string {
	return w.pick("customer", "product", "region", "channel", "country", "status", "device", "plan", "agent", "campaign", "currency", "store", "team", "segment") +
		w.pick("_id", "_name", "_code", "_type", "_group", "")
}

func (w writer) number() string {
	return w.pick("total", "net", "gross", "tax", "discount", "cost", "margin", "quantity", "duration", "score") + w.pick("", "_amount", "_value", "_eur", "_usd")
}

func (w writer) condition(alias string) string {
	c := alias + "." + w.column()
	switch w.r.IntN(6) {
	case 0:
		return fmt.Sprintf("%s = '%s'", c, w.pick("paid", "open", "web", "fr", "new", "vip", "done"))
	case 1:
		return fmt.Sprintf("%s in (%d, %d, %d)", c, w.r.IntN(90), w.r.IntN(900), w.r.IntN(9000))
	case 2:
		return fmt.Sprintf("%s.%s > %d", alias, w.number(), w.r.IntN(500))
	case 3:
		return c + " is not null"
	case 4:
		return fmt.Sprintf("%s.created_at >= now() - interval '%d days'", alias, 1+w.r.IntN(365))
	}
	return fmt.Sprintf("coalesce(%s, 'none') <> '%s'", c, w.pick("none", "test", "internal"))
}

// query is a list of lines, so that edits keep it SQL.
func (w writer) query() []string {
	var out []string
	steps := w.r.IntN(4)
	for i := range steps {
		head := "with "
		if i > 0 {
			head = ", "
		}
		out = append(out, fmt.Sprintf("%sstep_%d as (select a.%s, sum(a.%s) as %s from %s a where %s group by 1)",
			head, i, w.column(), w.number(), w.number(), w.table(), w.condition("a")))
	}
	out = append(out, "select date_trunc('"+w.pick("day", "month", "quarter")+"', o.created_at) as period")
	for range 2 + w.r.IntN(8) {
		switch w.r.IntN(3) {
		case 0:
			out = append(out, ", o."+w.column()+" as "+w.column())
		case 1:
			out = append(out, fmt.Sprintf(", sum(o.%s) / nullif(sum(o.%s), 0) as %s", w.number(), w.number(), w.number()))
		default:
			out = append(out, fmt.Sprintf(", count(distinct case when %s then o.%s end) as %s", w.condition("o"), w.column(), w.number()))
		}
	}
	out = append(out, "from "+w.table()+" o")
	for i := range w.r.IntN(3) {
		out = append(out, fmt.Sprintf("left join %s j%d on j%d.id = o.%s", w.table(), i, i, w.column()))
	}
	out = append(out, "where "+w.condition("o"))
	for range 1 + w.r.IntN(6) {
		out = append(out, "and "+w.condition("o"))
	}
	return append(out, "group by 1", fmt.Sprintf("order by %d", 1+w.r.IntN(3)))
}

// edit changes a query in n places.
func (w writer) edit(lines []string, n int) []string {
	out := slices.Clone(lines)
	for range n {
		at := 1 + w.r.IntN(len(out)-3)
		switch line := out[at]; {
		case strings.HasPrefix(line, "and ") && w.r.IntN(3) == 0:
			out = slices.Delete(out, at, at+1)
		case strings.HasPrefix(line, "and "), strings.HasPrefix(line, "where "):
			out = slices.Insert(out, at+1, "and "+w.condition("o"))
		case strings.HasPrefix(line, ", sum"), strings.HasPrefix(line, ", o."):
			out[at] = ", avg(o." + w.number() + ") as " + w.number()
		default:
			out = slices.Insert(out, len(out)-2, "and "+w.condition("o"))
		}
	}
	return out
}

// texts makes n queries: four in ten are edits of earlier ones.
func texts(n int, seed uint64) []string {
	w := writer{rand.New(rand.NewPCG(seed, 1))}
	var queries [][]string
	out := make([]string, 0, n)
	for i := range n {
		var q []string
		if i > 10 && w.r.IntN(10) < 4 {
			q = w.edit(queries[w.r.IntN(len(queries))], 1+w.r.IntN(4))
		} else {
			q = w.query()
		}
		queries = append(queries, q)
		text := strings.Join(q, "\n")
		if w.r.IntN(5) == 0 {
			text = "-- " + w.table() + "\n" + strings.ToUpper(text[:6]) + text[6:]
		}
		out = append(out, text)
	}
	return out
}

func company(list []string) *catalog.Snapshot {
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "Shop"}, Engine: "postgres"})
	for i, text := range list {
		s.Add(&catalog.Question{
			Common: catalog.Common{ID: fmt.Sprint(i + 1), Name: fmt.Sprintf("q%d", i)}, Type: catalog.KindQuestion, CollectionID: "root",
			Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: text},
		})
	}
	return s
}

// TestNearRecall compares with all pairs: what LSH misses is at most one pair in
// fifty, and everything it finds is near.
func TestNearRecall(t *testing.T) {
	n := 1200
	if os.Getenv("METALENS_BENCH") != "" {
		n = 5000
	}
	index := catalog.NewIndex(company(texts(n, 7)))
	f := newFinder(index, lineage.Build(t.Context(), index))
	var items []item
	for _, x := range f.forms(t.Context()) {
		if x.set != nil {
			items = append(items, item{x.group, x.set})
		}
	}
	want := map[[2]int32]float64{}
	for i := range items {
		for j := range i {
			if s := jaccard(items[j].set, items[i].set); s >= NearThreshold {
				want[[2]int32{int32(j), int32(i)}] = s
			}
		}
	}
	found := 0
	for _, l := range nearPairs(t.Context(), items, NearThreshold) {
		s, near := want[[2]int32{l.from, l.to}]
		if !near || s != l.score {
			t.Fatalf("%d and %d are no near pair (%v, %v)", l.from, l.to, l.score, s)
		}
		found++
	}
	if len(want) < n/10 {
		t.Fatalf("only %d near pairs among %d texts: the sample shows nothing", len(want), n)
	}
	recall := float64(found) / float64(len(want))
	t.Logf("%d texts, %d near pairs by brute force, %d found: recall %.4f", len(items), len(want), found, recall)
	if recall < 0.98 {
		t.Errorf("recall %.4f, want at least 0.98", recall)
	}
}

// TestBenchSimilar measures 100,000 questions.
func TestBenchSimilar(t *testing.T) {
	if os.Getenv("METALENS_BENCH") == "" {
		t.Skip("set METALENS_BENCH=1 to measure")
	}
	list := texts(100_000, 9)
	bytes := 0
	for _, text := range list {
		bytes += len(text)
	}
	index := catalog.NewIndex(company(list))
	graph := lineage.Build(t.Context(), index)
	before := allocated()
	start := time.Now()
	r := Analyze(t.Context(), index, graph)
	elapsed := time.Since(start)
	kinds := map[Kind]int{}
	for _, c := range r.Clusters {
		kinds[c.Kind]++
	}
	t.Logf("100,000 questions of %d bytes: %.1f s, %d MB allocated, %v clusters", bytes/len(list), elapsed.Seconds(), (allocated()-before)>>20, kinds)
	if elapsed > 20*time.Second {
		t.Errorf("took %v, want at most 20 s on two cores", elapsed)
	}
}

func TestStarsDoNotChain(t *testing.T) {
	// A chain of likenesses, each item near the next only.
	var links []link
	for i := range int32(20) {
		links = append(links, link{i, i + 1, 0.9})
	}
	for _, s := range stars(21, links) {
		if len(s.members) > 3 {
			t.Errorf("a chain became one cluster: %v", s.members)
		}
	}
	// A centre with many neighbours is one cluster, and its score the least.
	got := stars(4, []link{{0, 1, 0.95}, {1, 2, 0.85}, {1, 3, 0.9}})
	if len(got) != 1 || got[0].centre != 1 || got[0].score != 0.85 {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]int32{0, 1, 2, 3}, got[0].members); diff != "" {
		t.Error(diff)
	}
}

func TestLargeBucketsAreNotQuadratic(t *testing.T) {
	// One template with thousands of instances.
	var items []item
	for i := range 6000 {
		var set []uint32
		for k := range uint32(100) {
			set = append(set, k*7919)
		}
		items = append(items, item{set: sortedSet(append(set, 1_000_000+uint32(i)))})
	}
	start := time.Now()
	links := nearPairs(t.Context(), items, NearThreshold)
	if elapsed := time.Since(start); elapsed > 20*time.Second {
		t.Errorf("took %v", elapsed)
	}
	clusters := stars(len(items), links)
	if len(clusters) != 1 || len(clusters[0].members) != len(items) {
		t.Errorf("%d clusters, the first of %d", len(clusters), len(clusters[0].members))
	}
}

// allocated is how many bytes were ever allocated.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
