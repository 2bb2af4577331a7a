package analysis_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/analysis"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/checks"
	"github.com/metalens/metalens/internal/errs"
)

func edges(r *analysis.Result) (n int) {
	for range r.Graph.AllEdges() {
		n++
	}
	return n
}

func TestRun(t *testing.T) {
	s := company(400, 200)
	r, err := analysis.Run(t.Context(), s, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defaults := 0
	for _, c := range checks.All() {
		if c.Meta.Default {
			defaults++
		}
	}
	if len(r.Checks) != defaults {
		t.Errorf("%d checks ran, want the %d defaults", len(r.Checks), defaults)
	}
	if r.Index.Snapshot() != s || edges(r) == 0 || len(r.Duplicates) == 0 || len(r.Findings) == 0 || len(r.Groups) == 0 {
		t.Errorf("%d edges, %d duplicates, %d findings, %d groups", edges(r), len(r.Duplicates), len(r.Findings), len(r.Groups))
	}
	if e := r.Explain(); e.Score != r.Health.Score {
		t.Errorf("explained %d, scored %d", e.Score, r.Health.Score)
	}
	for _, d := range r.Duplicates {
		if !slices.Contains(d.Members, d.Keep) || d.Reason == "" {
			t.Errorf("cluster %+v", d)
		}
	}
}

// TestRunIsDeterministic compares two runs, one of them on one worker.
func TestRunIsDeterministic(t *testing.T) {
	var texts []string
	for _, workers := range []int{1, 7} {
		r, err := analysis.Run(t.Context(), company(300, 100), analysis.Options{Enabled: []string{"all"}, Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal([]any{r.Findings, r.NotEvaluated, r.Duplicates, r.Groups, r.Health, slices.Collect(r.Graph.AllEdges()), r.Graph.Unresolved})
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if texts[0] != texts[1] {
		t.Error("two runs over one snapshot differ")
	}
}

// TestNowIsTheScans: without a clock the end of the scan counts, so that the
// same snapshot gives the same findings tomorrow.
func TestNowIsTheScans(t *testing.T) {
	s := company(50, 50)
	for ref, u := range s.Usage {
		at := now().AddDate(0, 0, -170)
		u.LastUsedAt = &at
		if ref.ID == "1" { // not all the same: that would be a migration
			at = at.Add(time.Hour)
		}
		s.Usage[ref] = u
	}
	stale := func(o analysis.Options) int {
		r, err := analysis.Run(t.Context(), s, o)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range r.Findings {
			if strings.HasPrefix(f.Check, "USE") {
				n++
			}
		}
		return n
	}
	if at, later := stale(analysis.Options{}), stale(analysis.Options{Now: now().AddDate(0, 1, 0)}); at != 0 || later == 0 {
		t.Errorf("%d stale at the scan, %d a month later", at, later)
	}
}

func TestSettings(t *testing.T) {
	tests := []struct {
		name    string
		options analysis.Options
		want    string
	}{
		{name: "defaults"},
		{name: "good", options: analysis.Options{Parameters: map[string]string{"USE002.days": "90"}, Enabled: []string{"ORG"}, Disabled: []string{"never-used-question"}}},
		{name: "unknown parameter", options: analysis.Options{Parameters: map[string]string{"USE002.weeks": "9"}}, want: "USE002.weeks"},
		{name: "out of bounds", options: analysis.Options{Parameters: map[string]string{"USE002.days": "0"}}, want: "USE002.days"},
		{name: "unknown check on", options: analysis.Options{Enabled: []string{"FOO001"}}, want: "FOO001"},
		{name: "unknown check off", options: analysis.Options{Disabled: []string{"FOO001"}}, want: "FOO001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := analysis.Run(t.Context(), company(5, 10), tt.options)
			if same := analysis.Validate(tt.options); (same == nil) != (err == nil) {
				t.Errorf("Validate says %v, Run %v", same, err)
			}
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *errs.Error
			if !errors.As(err, &e) || e.Kind != errs.Invalid || e.Hint == "" || !strings.Contains(e.Public, tt.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestEmptySnapshot(t *testing.T) {
	r, err := analysis.Run(t.Context(), &catalog.Snapshot{}, analysis.Options{Enabled: []string{"all"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 0 || r.Health.Score != 100 {
		t.Errorf("%v, health %d", r.Findings, r.Health.Score)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := analysis.Run(ctx, company(20, 10), analysis.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// TestBenchAnalysis holds the bar of docs/benchmarks.md: all checks over 10,000
// questions within ten seconds.
func TestBenchAnalysis(t *testing.T) {
	if os.Getenv("METALENS_BENCH") == "" {
		t.Skip("set METALENS_BENCH=1 to measure")
	}
	for _, size := range []struct{ questions, bytes int }{{1000, 1500}, {10_000, 1500}, {10_000, 10_000}} {
		s := company(size.questions, size.bytes)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		r, err := analysis.Run(t.Context(), s, analysis.Options{Enabled: []string{"all"}})
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		t.Logf("%d questions of %d bytes: %v, %d MB allocated, %d edges, %d findings, %d clusters",
			size.questions, size.bytes, took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, edges(r), len(r.Findings), len(r.Duplicates))
		if took > 10*time.Second {
			t.Errorf("%d questions took %v, the bar is 10 s", size.questions, took)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	s := company(10_000, 1500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := analysis.Run(b.Context(), s, analysis.Options{Enabled: []string{"all"}}); err != nil {
			b.Fatal(err)
		}
	}
}
