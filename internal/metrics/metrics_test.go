package metrics_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/metrics"
)

func read(t *testing.T, s *metrics.Set) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestFigures(t *testing.T) {
	s := metrics.New(metrics.Config{Version: "v1", Read: func(context.Context) ([]metrics.Gauge, error) {
		return []metrics.Gauge{
			{Name: "jobs", Help: "Jobs.", Labels: map[string]string{"kind": "scan", "state": "done"}, Value: 3},
			{Name: "jobs", Help: "Jobs.", Labels: map[string]string{"kind": "scan", "state": "failed"}, Value: 1},
		}, nil
	}})
	s.Observe("c/findings", "GET", 200, 30*time.Millisecond)
	s.Observe("c/findings", "BREW", 405, time.Millisecond)
	out := read(t, s)
	for _, want := range []string{
		`metalens_jobs{kind="scan",state="done"} 3`, `metalens_jobs{kind="scan",state="failed"} 1`, `metalens_up 1`,
		`metalens_build_info{version="v1"} 1`, `metalens_http_requests_total{area="c/findings",method="GET",status="200"} 1`,
		`metalens_http_requests_total{area="c/findings",method="other",status="405"} 1`, `metalens_http_request_seconds_bucket{area="c/findings",le="0.05"} 2`,
		"go_goroutines",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("missing %s", want)
		}
	}
}

func TestADatabaseThatIsGoneIsAFigureToo(t *testing.T) {
	s := metrics.New(metrics.Config{Read: func(context.Context) ([]metrics.Gauge, error) { return nil, errors.New("gone") }})
	if out := read(t, s); !strings.Contains(out, "metalens_up 0") {
		t.Errorf("got %s", out)
	}
}

// TestReadingIsCheap lets many ask often: the database is read once a minute, and
// sooner again only after it did not answer.
func TestReadingIsCheap(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	reads, gone := 0, false
	s := metrics.New(metrics.Config{Now: func() time.Time { return now }, Read: func(context.Context) ([]metrics.Gauge, error) {
		reads++
		if gone {
			return nil, errors.New("gone")
		}
		return []metrics.Gauge{{Name: "reads", Help: "Reads.", Value: float64(reads)}}, nil
	}})
	expect := func(after time.Duration, n int, lines ...string) {
		t.Helper()
		now = now.Add(after)
		out := read(t, s)
		if reads != n {
			t.Errorf("the database was read %d times, not %d", reads, n)
		}
		for _, line := range lines {
			if !strings.Contains(out, line+"\n") {
				t.Errorf("missing %s", line)
			}
		}
	}
	expect(0, 1, "metalens_reads 1", "metalens_figures_age_seconds 0")
	for range 50 {
		expect(time.Second, 1, "metalens_reads 1", "metalens_up 1")
	}
	expect(0, 1, "metalens_figures_age_seconds 50")
	expect(10*time.Second, 2, "metalens_reads 2", "metalens_figures_age_seconds 0")
	gone = true
	expect(time.Minute, 3, "metalens_up 0")
	expect(9*time.Second, 3, "metalens_up 0")
	gone = false
	expect(time.Second, 4, "metalens_up 1", "metalens_reads 4")
}
