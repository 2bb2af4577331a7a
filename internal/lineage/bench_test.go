package lineage

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
)

// TestBench measures a graph's size, its packed form and its walks at the
// instance of the quality bars and at ten times that.
func TestBench(t *testing.T) {
	if os.Getenv("METALENS_BENCH") != "1" {
		t.Skip("set METALENS_BENCH=1 to measure")
	}
	for _, n := range []int{10_000, 100_000} {
		index := catalog.NewIndex(big(n))
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		empty := heap()
		began := time.Now()
		g := Build(context.Background(), index, Compactly())
		built := time.Since(began)
		edges, uses := len(g.index.edges.to), len(g.index.uses.to)
		held := heap() - empty
		runtime.KeepAlive(index)
		t.Logf("%d questions: %d edges, %d column edges built in %v; %d MB of heap compact, %d MB more with the fields filled",
			n, edges, uses, built.Round(time.Millisecond), held>>20, (int64(edges)*96+int64(uses)*112)>>20)
		began = time.Now()
		parts := packed(g, 16)
		size := 0
		for _, p := range parts {
			size += len(p)
		}
		t.Logf("  packed in %v to %.1f MB", time.Since(began).Round(time.Millisecond), float64(size)/1e6)
		began = time.Now()
		back, err := Unpack(parts)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("  unpacked in %v", time.Since(began).Round(time.Millisecond))
		column, table := ref(catalog.KindColumn, "1/public/table_0/column_1"), ref(catalog.KindTable, "1/public/table_0")
		for _, walk := range []struct {
			name string
			run  func() int
		}{
			{"downstream of a column", func() int { return len(back.Downstream(column, 0)) }},
			{"downstream of a table", func() int { return len(back.Downstream(table, 0)) }},
			{"upstream of a dashboard", func() int { return len(back.Upstream(ref(catalog.KindDashboard, "7"), 0)) }},
			{"paths", func() int { return len(back.Paths(table, ref(catalog.KindDashboard, "0"), 20)) }},
			{"cycles", func() int { return len(back.Cycles()) }},
		} {
			began := time.Now()
			found := walk.run()
			t.Logf("  %-24s %v, %d", walk.name, time.Since(began).Round(10*time.Microsecond), found)
		}
	}
}
