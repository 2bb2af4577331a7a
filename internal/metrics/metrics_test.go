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
