// Package peers_test measures the parser alone on the texts that the peers from
// npm read; see README.md.
package peers_test

import (
	"bufio"
	"encoding/json"
	"os"
	"sort"
	"syscall"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/sqllens"
)

// TestParse prints, per dialect, how many texts are read whole and how many are
// read per second of processor time. METALENS_PEERS names the file of texts.
func TestParse(t *testing.T) {
	name := os.Getenv("METALENS_PEERS")
	if name == "" {
		t.Skip("set METALENS_PEERS to the file that bench/peers/prepare.mjs writes")
	}
	byDialect := texts(t, name)
	names := make([]string, 0, len(byDialect))
	for dialect := range byDialect {
		names = append(names, string(dialect))
	}
	sort.Strings(names)
	const rounds = 5
	var queries, whole int
	var used time.Duration
	for _, name := range names {
		d := sqllens.Dialect(name)
		read := func() (whole int) {
			for _, sql := range byDialect[d] {
				if tree := sqllens.Parse(sql, d, true); !tree.Recovered {
					whole++
				}
			}
			return whole
		}
		n := read() // warms up
		before := processorTime(t)
		for range rounds {
			read()
		}
		spent := processorTime(t) - before
		t.Logf("metalens parse\t%s\t%d\t%d\t%.1f\t%.0f", name, len(byDialect[d]), n, 100*float64(n)/float64(len(byDialect[d])), float64(rounds*len(byDialect[d]))/spent.Seconds())
		queries, whole, used = queries+len(byDialect[d]), whole+n, used+spent
	}
	t.Logf("metalens parse\tall\t%d\t%d\t%.1f\t%.0f", queries, whole, 100*float64(whole)/float64(queries), float64(rounds*queries)/used.Seconds())
}

func texts(t *testing.T, name string) map[sqllens.Dialect][]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	out := map[sqllens.Dialect][]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var row struct{ Dialect, SQL string }
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		d, ok := sqllens.ParseDialect(row.Dialect)
		if !ok {
			t.Fatalf("no dialect %q", row.Dialect)
		}
		out[d] = append(out[d], row.SQL)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// processorTime is what the whole process used so far, the collector's work
// included.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
