package metabasetest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Request is one request a server got.
type Request struct {
	Method        string
	Path          string // without base path
	Route         string // pattern, "GET /api/card/:id"; empty when no route matched
	Query         url.Values
	Header        http.Header
	At            time.Time
	Status        int
	Bytes         int64 // of the body as sent, after compression
	Fault         FaultKind
	UnknownParams []string // query parameters this version does not read
	Violations    []string // why the request is outside the read-only scan plan
}

// String is the request line.
func (r Request) String() string {
	if len(r.Query) == 0 {
		return r.Method + " " + r.Path
	}
	return r.Method + " " + r.Path + "?" + r.Query.Encode()
}

type recorder struct {
	mu    sync.Mutex
	list  []Request
	busy  time.Duration
	bytes int64
}

// maxRecorded bounds the memory of a demo that runs for months.
const maxRecorded = 200_000

func (rec *recorder) add(r Request, busy time.Duration) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.list) >= maxRecorded {
		rec.list = append(rec.list[:0], rec.list[maxRecorded/2:]...)
	}
	rec.list = append(rec.list, r)
	rec.busy += busy
	rec.bytes += r.Bytes
}

func (rec *recorder) all() []Request {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.Clone(rec.list)
}

func (rec *recorder) reset() {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.list, rec.busy, rec.bytes = nil, 0, 0
}

// Requests returns every request so far, in the order they were answered.
func (s *Server) Requests() []Request { return s.rec.all() }

// ResetRequests forgets the requests so far, for counting a rescan.
func (s *Server) ResetRequests() { s.rec.reset() }

// Busy is the time spent rendering and writing answers, waits for latency and
// faults excluded. Benchmarks subtract it.
func (s *Server) Busy() time.Duration {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	return s.rec.busy
}

// BytesSent is the size of all bodies sent.
func (s *Server) BytesSent() int64 {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	return s.rec.bytes
}

// RouteCounts returns the number of requests per route pattern.
func (s *Server) RouteCounts() map[string]int { return routeCounts(s.rec.all()) }

func routeCounts(list []Request) map[string]int {
	counts := map[string]int{}
	for _, r := range list {
		name := r.Route
		if name == "" {
			name = r.Method + " " + r.Path
		}
		counts[name]++
	}
	return counts
}

// Violations returns the requests outside of the read-only scan plan, one line
// each.
func (s *Server) Violations() []string { return violations(s.rec.all()) }

func violations(list []Request) []string {
	var lines []string
	for _, r := range list {
		for _, v := range r.Violations {
			lines = append(lines, fmt.Sprintf("%s: %s", r, v))
		}
	}
	return lines
}

// CheckOnlyAllowed fails the test when a request was outside of the read-only
// scan plan.
func (s *Server) CheckOnlyAllowed(t TB) {
	t.Helper()
	report(t, "requests outside of the scan plan", s.Violations())
}

// CheckKnownParameters fails the test when a query parameter was sent that the
// server's version does not read. Unknown builds may be sent both spellings, and
// ignore_view is never too much.
func (s *Server) CheckKnownParameters(t TB) {
	t.Helper()
	var lines []string
	for _, r := range s.rec.all() {
		if len(r.UnknownParams) > 0 && !slices.Equal(r.UnknownParams, []string{"ignore_view"}) {
			lines = append(lines, fmt.Sprintf("%s: ignored here: %s", r, strings.Join(r.UnknownParams, ", ")))
		}
	}
	report(t, "parameters this version ignores", lines)
}

// CheckNoDetailTwice fails the test when a dashboard or document was read more
// than once, since each read counts as a view.
func (s *Server) CheckNoDetailTwice(t TB) {
	t.Helper()
	seen := map[string]int{}
	for _, r := range s.rec.all() {
		if (r.Route == "GET /api/dashboard/:id" || r.Route == "GET /api/document/:id") && r.Status == http.StatusOK {
			seen[r.Path]++
		}
	}
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(seen)) {
		if seen[path] > 1 {
			lines = append(lines, fmt.Sprintf("%s read %d times", path, seen[path]))
		}
	}
	report(t, "details read more than once", lines)
}

func report(t TB, what string, lines []string) {
	t.Helper()
	if len(lines) == 0 {
		return
	}
	const most = 40
	if extra := len(lines) - most; extra > 0 {
		lines = append(lines[:most:most], fmt.Sprintf("and %d more", extra))
	}
	t.Errorf("%s:\n  %s", what, strings.Join(lines, "\n  "))
}
