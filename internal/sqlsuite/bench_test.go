package sqlsuite_test

import (
	"encoding/json"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqlsuite"
)

// realQueries are the corpus's real queries, about 1.2 kB on average.
func realQueries(b *testing.B) []sqllens.InspectRequest {
	b.Helper()
	corpus := sqlsuite.CorpusDir(os.Getenv("METALENS_CORPUS"))
	if corpus == "" {
		b.Skip("the corpus is not here; set METALENS_CORPUS to its folder")
	}
	rows, err := sqlsuite.RealQueries(corpus)
	if err != nil {
		b.Fatal(err)
	}
	return rows
}

// run measures a function per query and reports queries and bytes per second.
func run(b *testing.B, rows []sqllens.InspectRequest, do func(sqllens.InspectRequest)) {
	b.Helper()
	b.ReportAllocs()
	size := 0
	before := cpuTime(b)
	for i := range b.N {
		size += len(rows[i%len(rows)].SQL)
		do(rows[i%len(rows)])
	}
	if used := cpuTime(b) - before; used > 0 { // of the whole process: the collector's work counts
		b.ReportMetric(float64(b.N)/used.Seconds(), "queries/cpu-s")
	}
	b.ReportMetric(float64(size)/float64(b.N), "B/query")
}

// cpuTime is what the process used so far. On a shared machine the clock on the
// wall measures the neighbours.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkParse(b *testing.B) {
	run(b, realQueries(b), func(in sqllens.InspectRequest) {
		d, _ := sqllens.ParseDialect(in.Dialect)
		sqllens.Parse(in.SQL, d, true)
	})
}

func BenchmarkInspect(b *testing.B) {
	run(b, realQueries(b), func(in sqllens.InspectRequest) { sqllens.Inspect(in) })
}

// BenchmarkInspectLine is a line of `sql inspect --jsonl`, JSON included.
func BenchmarkInspectLine(b *testing.B) {
	rows := realQueries(b)
	lines := map[string][]byte{}
	for _, in := range rows {
		lines[in.SQL], _ = json.Marshal(in)
	}
	var buffer []byte
	b.ResetTimer()
	run(b, rows, func(in sqllens.InspectRequest) {
		var decoded sqllens.InspectRequest
		if err := json.Unmarshal(lines[in.SQL], &decoded); err != nil {
			b.Fatal(err)
		}
		answer := sqllens.Inspect(decoded)
		buffer = answer.AppendJSON(buffer[:0])
	})
}

func BenchmarkCanonical(b *testing.B) {
	run(b, realQueries(b), func(in sqllens.InspectRequest) {
		d, _ := sqllens.ParseDialect(in.Dialect)
		sqllens.Canonicalize(in.SQL, d)
	})
}
