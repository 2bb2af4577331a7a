package metabasetest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

// RecordedConfig describes a replay.
type RecordedConfig struct {
	Key      string // required in x-api-key when not empty
	BasePath string
	Latency  time.Duration
	Now      func() time.Time
}

// Recorded replays a folder of recorded answers and records requests.
type Recorded struct {
	cfg   RecordedConfig
	files fs.FS
	rec   recorder
}

// ServeRecorded serves dir: GET /api/card/27 answers with api/card/27.json,
// whatever the query string; everything else is 404, as on a server too old to
// have the route.
func ServeRecorded(dir string, cfg RecordedConfig) *Recorded {
	return ServeRecordedFS(os.DirFS(dir), cfg)
}

// ServeRecordedFS is [ServeRecorded] over a file system.
func ServeRecordedFS(files fs.FS, cfg RecordedConfig) *Recorded {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Recorded{cfg: cfg, files: files}
}

// ServeHTTP implements http.Handler.
func (s *Recorded) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	began := time.Now()
	name := strings.TrimPrefix(r.URL.Path, s.cfg.BasePath)
	req := Request{Method: r.Method, Path: name, Query: r.URL.Query(), Header: r.Header.Clone(), At: s.cfg.Now()}
	req.Route = r.Method + " " + strings.TrimSuffix(name, "/")
	if r.Method != http.MethodGet {
		req.Violations = append(req.Violations, "method "+r.Method)
	}
	if rt, _ := match(routeTable(), r.Method, name, version{major: -1}); rt != nil {
		req.Route = rt.method + " " + rt.pattern
		if rt.deny != "" {
			req.Violations = append(req.Violations, rt.deny)
		}
	} else if r.Method == http.MethodGet {
		req.Violations = append(req.Violations, "no such route in any version")
	}
	if s.cfg.Latency > 0 {
		time.Sleep(s.cfg.Latency)
	}
	var text []byte
	req.Status, text = s.answer(r, name)
	contentType := "text/plain;charset=utf-8"
	if req.Status == http.StatusOK {
		contentType = "application/json;charset=utf-8"
	}
	rw.Header().Set("Content-Type", contentType)
	rw.WriteHeader(req.Status)
	req.Bytes, _ = io.Copy(rw, bytes.NewReader(text))
	s.rec.add(req, max(time.Since(began)-s.cfg.Latency, 0))
}

func (s *Recorded) answer(r *http.Request, name string) (int, []byte) {
	if s.cfg.Key != "" && r.Header.Get("X-Api-Key") != s.cfg.Key {
		return http.StatusUnauthorized, []byte("Unauthenticated")
	}
	const missing = "API endpoint does not exist."
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if r.Method != http.MethodGet || !strings.HasPrefix(clean, "api/") {
		return http.StatusNotFound, []byte(missing)
	}
	text, err := fs.ReadFile(s.files, clean+".json")
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return http.StatusNotFound, []byte(missing)
	case err != nil:
		return http.StatusInternalServerError, []byte("recording unreadable")
	}
	return http.StatusOK, text
}

// Start serves on a free loopback port until the test ends.
func (s *Recorded) Start(t TB) string {
	t.Helper()
	return startHandler(t, s) + s.cfg.BasePath
}

// Listen serves on an address until the returned function is called.
func (s *Recorded) Listen(addr string) (url string, closeServer func(), err error) {
	url, closeServer, err = listen(addr, s)
	return url + s.cfg.BasePath, closeServer, err
}

// Requests returns every request so far.
func (s *Recorded) Requests() []Request { return s.rec.all() }

// RouteCounts returns the number of requests per route pattern.
func (s *Recorded) RouteCounts() map[string]int { return routeCounts(s.rec.all()) }

// CheckOnlyAllowed fails the test when a request was outside of the read-only
// scan plan.
func (s *Recorded) CheckOnlyAllowed(t TB) {
	t.Helper()
	report(t, "requests outside of the scan plan", violations(s.rec.all()))
}
