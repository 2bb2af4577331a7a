package scanservice_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/analysis"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/scan"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
)

// The benchmark runs with METALENS_BENCH=1. The fake Metabase lives in a child
// process of this test binary, so that the memory that is measured is that of
// the scan alone.
const (
	benchVariable = "METALENS_BENCH"
	fakeVariable  = "METALENS_BENCH_FAKE"
	benchLatency  = 20 * time.Millisecond
)

func TestMain(m *testing.M) {
	if os.Getenv(fakeVariable) != "" {
		serveFake()
		return
	}
	if dir := os.Getenv(killVariable); dir != "" {
		if err := scanChild(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func benchSize(name string, standard int) int {
	if n, err := strconv.Atoi(os.Getenv(benchVariable + "_" + name)); err == nil {
		return n
	}
	return standard
}

// fakeState is what the child tells about itself.
type fakeState struct {
	Requests int
	Bytes    int64
	Busy     time.Duration
	Details  int
	Routes   map[string]int
}

// serveFake generates an instance, serves it, and obeys a control address until
// its standard input is closed.
func serveFake() {
	world := metabasetest.Generate(metabasetest.GenerateConfig{Seed: 7, Questions: benchSize("QUESTIONS", 10000), Now: start})
	fake := metabasetest.NewServer(metabasetest.Config{
		Version: "0.58", World: world, Admin: true, Latency: benchLatency, Now: time.Now,
	})
	url, _, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println(url)
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		switch command, arg, _ := strings.Cut(commands.Text(), " "); command {
		case "reset":
			fake.ResetRequests()
			fmt.Println("{}")
		case "edit":
			every, _ := strconv.Atoi(arg)
			_, dashboards := fake.EditSome(every)
			fmt.Printf("{\"Details\":%d}\n", dashboards)
		case "state":
			text, _ := json.Marshal(fakeState{
				Requests: len(fake.Requests()), Bytes: fake.BytesSent(), Busy: fake.Busy(), Details: fake.RouteCounts()["GET /api/dashboard/:id"], Routes: fake.RouteCounts(),
			})
			fmt.Println(string(text))
		}
	}
}

// fakeProcess is the child.
type fakeProcess struct {
	t   *testing.T
	url string
	in  io.WriteCloser
	out *bufio.Scanner
}

func startFake(t *testing.T) *fakeProcess {
	t.Helper()
	cmd := exec.CommandContext(access.AsSystem(t.Context()), os.Args[0])
	cmd.Env = append(os.Environ(), fakeVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &fakeProcess{t: t, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	if !f.out.Scan() || !strings.HasPrefix(f.out.Text(), "http") {
		t.Fatalf("the fake did not start: %q", f.out.Text())
	}
	f.url = f.out.Text()
	return f
}

func (f *fakeProcess) do(command string) fakeState {
	f.t.Helper()
	var s fakeState
	if _, err := fmt.Fprintln(f.in, command); err != nil {
		f.t.Fatal(err)
	}
	if !f.out.Scan() {
		f.t.Fatal("the fake is gone")
	}
	if err := json.Unmarshal(f.out.Bytes(), &s); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// peak returns the largest resident size of this process since reset, in MB.
func peak(t *testing.T) float64 {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("peak memory is read from /proc")
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb / 1024
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// processors returns the processor time that this process has used.
func processors(t *testing.T) time.Duration {
	t.Helper()
	data, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Skip("processor time is read from /proc")
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		t.Fatal("no processor time")
	}
	var ticks int64
	for _, f := range fields[11:13] { // user and system, in hundredths of a second
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// resetPeak starts a new measurement of the largest resident size.
func resetPeak(t *testing.T) {
	t.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200); err != nil {
		t.Logf("peak memory is that of the whole process: %v", err)
	}
}

// TestBenchmark measures full scan and rescans of the generated instance at
// 20 ms per request against the bars of the design.
func TestBenchmark(t *testing.T) {
	if os.Getenv(benchVariable) == "" {
		t.Skip("set " + benchVariable + "=1 to measure; it takes a minute")
	}
	fake := startFake(t)
	b := newBench(t, setup{
		fake:  func(c *metabasetest.Config) { c.World = smallWorld() },
		draft: func(d *connection.Draft) { d.URL = fake.url },
	})
	policy := outbound.Policy{AllowLoopback: true}
	heap := func(what string) {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		t.Logf("  live heap %s: %.0f MB", what, float64(m.HeapAlloc)/1e6)
	}
	service, err := scanservice.New(scanservice.Config{
		Store: b.store, Connections: b.links, Opener: connection.Opener{Policy: policy}, SQL: sqllineage.New(),
		Analyze: func(ctx context.Context, s *catalog.Snapshot, o analysis.Options) (*analysis.Result, error) {
			heap("after reading")
			defer heap("after analysis")
			if path := os.Getenv("METALENS_BENCH_HEAP"); path != "" {
				f, _ := os.Create(path)
				_ = pprof.WriteHeapProfile(f)
				_ = f.Close()
			}
			return analysis.Run(ctx, s, o)
		},
	})
	b.must(err)

	type figures struct{ questions, dashboards, tables, findings, changes int }
	run := func(name string) figures {
		fake.do("reset")
		resetPeak(t)
		began := time.Now()
		var read time.Time
		var worked time.Duration // by the processors until then
		out, err := service.RunDirect(access.AsSystem(t.Context()), b.org, scanservice.Request{Connection: b.conn.ID}, func(p store.ScanProgress) {
			if tail := p.Steps[len(p.Steps)-1]; tail.State == "running" && read.IsZero() {
				read, worked = time.Now(), processors(t)
			}
		})
		b.must(err)
		end := time.Now()
		worked = processors(t) - worked
		s := fake.do("state")
		transfer := read.Sub(began)
		net := transfer - s.Busy/3
		bar := time.Duration(1.5 * float64(s.Requests) * float64(benchLatency) / 3)
		t.Logf("%-18s %5d requests (%d dashboards), %.0f MB sent; transfer %.1f s, without the fake's %.1f s ÷ 3: %.1f s, bar %.1f s; analysis and store %.1f s, %.1f s of processors; peak %.0f MB",
			name, s.Requests, s.Details, float64(s.Bytes)/1e6, transfer.Seconds(), s.Busy.Seconds(), net.Seconds(), bar.Seconds(), end.Sub(read).Seconds(), worked.Seconds(), peak(t))
		if os.Getenv(benchVariable) == "2" {
			t.Log(s.Routes)
		}
		return figures{
			len(out.Snapshot.Questions), len(out.Snapshot.Dashboards), len(out.Snapshot.Tables), len(out.Analysis.Findings), len(out.Changes),
		}
	}
	first := run("full scan")
	t.Logf("%d questions, %d dashboards, %d tables, %d findings", first.questions, first.dashboards, first.tables, first.findings)
	_ = run("rescan, unchanged")
	edited := fake.do("edit 100")
	out := run("rescan, 1 % edited")
	t.Logf("%d dashboards edited, %d assets changed", edited.Details, out.changes)

	// Reading alone, as a stateless run does.
	resetPeak(t)
	c := store.Connection{URL: fake.url, Auth: store.AuthAPIKey}
	client, err := connection.Opener{Policy: policy}.Open(c, connection.Credentials{Key: secret.New(metabasetest.DefaultKey)}, &ledger.Memory{})
	b.must(err)
	defer client.Close()
	fake.do("reset")
	began := time.Now()
	_, err = scan.Read(access.AsSystem(context.Background()), client, scan.Options{})
	b.must(err)
	s := fake.do("state")
	t.Logf("reading alone: %.1f s, %d requests, fake busy %.1f s, peak %.0f MB", time.Since(began).Seconds(), s.Requests, s.Busy.Seconds(), peak(t))
}
