package metabasetest

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// DefaultKey is the API key a server accepts when its Config names none.
const DefaultKey = "mb_fake/key+for=tests0123456789"

// Caller is somebody a server knows.
type Caller struct {
	Key      string // API key, accepted from 0.49
	Session  string // session token, accepted always
	Admin    bool
	GroupIDs []int // besides All Users
	PersonID int   // whose session it is; API keys have a hidden person of their own
}

// Config describes a server.
type Config struct {
	Version    string // "0.46" to "0.64", with a patch level if wanted; anything else is an unknown build. Default "0.58".
	Major      int    // behaviour of an unknown build; default the newest
	Enterprise bool
	Features   []string // switched-on paid features
	World      *World   // default empty

	Key      string // default DefaultKey
	Session  string // accepted besides the key; needed before 0.49
	Admin    bool
	GroupIDs []int
	PersonID int
	Callers  []Caller // further keys and sessions

	BasePath         string // mounted below a path, for example "/metabase"
	Latency          time.Duration
	Faults           []Fault
	NoCompression    bool     // do not gzip even when asked
	StrictParameters bool     // answer 400 on undeclared query parameters, as announced for some day
	MissingRoutes    []string // patterns that answer 404 though the version has them
	Now              func() time.Time
}

// Server is a fake Metabase. It is an http.Handler and safe for concurrent use.
type Server struct {
	cfg     Config
	v       version
	now     func() time.Time
	callers []Caller
	routes  []*route

	world *sync.RWMutex // the world's own, since several servers may show one
	w     *World

	rec recorder
	flt faultCounter

	nonce uint64 // guarded by rec.mu: varies the ids of queries converted on the fly
}

// NewServer returns a server for a world.
func NewServer(cfg Config) *Server {
	if cfg.World == nil {
		cfg.World = NewWorld(time.Date(2024, 1, 15, 9, 0, 0, 0, time.UTC))
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Version = cmp.Or(cfg.Version, "0.58")
	cfg.Key = cmp.Or(cfg.Key, DefaultKey)
	s := &Server{cfg: cfg, now: cfg.Now, w: cfg.World, world: &cfg.World.mu, v: parseVersion(cfg.Version, cfg.Major, cfg.Enterprise)}
	s.callers = append([]Caller{{
		Key: cfg.Key, Session: cfg.Session, Admin: cfg.Admin, GroupIDs: cfg.GroupIDs, PersonID: cfg.PersonID,
	}}, cfg.Callers...)
	s.routes = routeTable()
	s.flt.init(cfg.Faults)
	return s
}

// Version returns the tag the server reports.
func (s *Server) Version() string { return s.v.tag }

// Update changes the world under the server's lock.
func (s *Server) Update(change func(*World)) {
	s.world.Lock()
	defer s.world.Unlock()
	change(s.w)
}

// Read looks at the world under the server's lock.
func (s *Server) Read(look func(*World)) {
	s.world.RLock()
	defer s.world.RUnlock()
	look(s.w)
}

// TB is the part of testing.TB this package needs; naming it here keeps package
// testing out of the binary.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Start serves on a free loopback port until the test ends and returns the
// address, base path included.
func (s *Server) Start(t TB) string {
	t.Helper()
	return startHandler(t, s) + s.cfg.BasePath
}

// Listen serves on an address (":0" and "127.0.0.1:0" pick a free port). The
// returned function stops it and closes open connections.
func (s *Server) Listen(addr string) (url string, closeServer func(), err error) {
	url, closeServer, err = listen(addr, s)
	return url + s.cfg.BasePath, closeServer, err
}

func listen(addr string, h http.Handler) (string, func(), error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			return // the listener broke; callers see refused connections
		}
	}()
	host := l.Addr().String()
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = net.JoinHostPort("127.0.0.1", strings.TrimPrefix(host[strings.LastIndexByte(host, ':'):], ":"))
	}
	return "http://" + host, sync.OnceFunc(func() {
		_ = srv.Close()
		<-done
	}), nil
}

func startHandler(t TB, h http.Handler) string {
	t.Helper()
	url, closeServer, err := listen("127.0.0.1:0", h)
	if err != nil {
		t.Fatalf("fake metabase: %v", err)
		return ""
	}
	t.Cleanup(closeServer)
	return url
}

// caller finds who asks. A valid session wins over a key; keys do not exist
// before 0.49.
func (s *Server) caller(r *http.Request) (*Caller, bool) {
	if tok := r.Header.Get("X-Metabase-Session"); tok != "" {
		for i := range s.callers {
			if s.callers[i].Session == tok {
				return &s.callers[i], true
			}
		}
	}
	if key := r.Header.Get("X-Api-Key"); key != "" && s.v.apiKeys() {
		for i := range s.callers {
			if s.callers[i].Key == key {
				return &s.callers[i], true
			}
		}
	}
	return nil, false
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	x := &exchange{s: s, v: s.v, r: r, rw: rw, began: time.Now()}
	defer x.finish()
	path := r.URL.Path
	if base := s.cfg.BasePath; base != "" {
		rest, ok := strings.CutPrefix(path, base)
		if !ok || rest != "" && rest[0] != '/' {
			x.out.w = rw
			x.req = Request{Method: r.Method, Path: path, Query: r.URL.Query(), At: s.now()}
			x.violate("outside of the mounted path")
			x.plain(http.StatusNotFound, "404 page not found")
			return
		}
		path = rest
	}
	x.start(path)
	if s.cfg.Latency > 0 && !x.wait(s.cfg.Latency) {
		return
	}
	if f := s.flt.pick(r.Method, path, x.pattern()); f != nil {
		x.req.Fault = f.Kind
		if f.Kind == FaultDelay {
			if !x.wait(f.Delay) {
				return
			}
		} else if !f.Kind.wraps() {
			x.fault(f)
			return
		} else {
			x.wrapFault(f)
			defer x.endFault(f)
		}
	}
	x.handle()
}
