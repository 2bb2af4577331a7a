package metabasetest

import (
	"compress/gzip"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultKind is a way to go wrong.
type FaultKind string

// The faults. Those that spoil a real answer (truncation, reset, drip, content
// type) let the handler run first.
const (
	FaultUnauthorized   FaultKind = "unauthorized"    // 401 though the key is fine
	FaultForbidden      FaultKind = "forbidden"       // 403
	FaultNotFound       FaultKind = "not_found"       // 404 as for an unknown route
	FaultRateLimited    FaultKind = "rate_limited"    // 429, RetryAfter if set
	FaultServerError    FaultKind = "server_error"    // 500 whose body holds SQL and values
	FaultBadGateway     FaultKind = "bad_gateway"     // 502 with a proxy's HTML
	FaultUnavailable    FaultKind = "unavailable"     // 503, RetryAfter if set
	FaultGatewayTimeout FaultKind = "gateway_timeout" // 504 with a proxy's HTML
	FaultStarting       FaultKind = "starting"        // 503 "still initializing"
	FaultHTML           FaultKind = "html"            // 200 with the web application's page
	FaultEmpty          FaultKind = "empty"           // 200 with no body
	FaultTruncated      FaultKind = "truncated"       // half of the answer, cleanly ended
	FaultInvalidJSON    FaultKind = "invalid_json"    // 200 with text that is no JSON
	FaultWrongType      FaultKind = "wrong_type"      // 200 with valid JSON of another shape
	FaultSlowDrip       FaultKind = "slow_drip"       // a few bytes per Delay
	FaultHang           FaultKind = "hang"            // no answer until the client gives up
	FaultHangBody       FaultKind = "hang_body"       // header and some body, then nothing
	FaultHuge           FaultKind = "huge"            // Size bytes of a valid, endless list
	FaultRedirectHost   FaultKind = "redirect_host"   // 302 to Location on another host
	FaultRedirectLogin  FaultKind = "redirect_login"  // 302 to /auth/login
	FaultRedirectSame   FaultKind = "redirect_same"   // 302 to the same address with a trailing slash, then the answer
	FaultReset          FaultKind = "reset"           // the connection breaks in the middle of the body
	FaultGzipBomb       FaultKind = "gzip_bomb"       // Size bytes of spaces in a small compressed body
	FaultContentType    FaultKind = "content_type"    // the right JSON declared as text/html
	FaultDelay          FaultKind = "delay"           // Delay, then the answer
	FaultStatus         FaultKind = "status"          // Status with Body
)

// FaultKinds lists every fault, for tests that try them all.
func FaultKinds() []FaultKind {
	return []FaultKind{
		FaultUnauthorized, FaultForbidden, FaultNotFound, FaultRateLimited, FaultServerError, FaultBadGateway,
		FaultUnavailable, FaultGatewayTimeout, FaultStarting, FaultHTML, FaultEmpty, FaultTruncated,
		FaultInvalidJSON, FaultWrongType, FaultSlowDrip, FaultHang, FaultHangBody, FaultHuge, FaultRedirectHost,
		FaultRedirectLogin, FaultRedirectSame, FaultReset, FaultGzipBomb, FaultContentType, FaultDelay, FaultStatus,
	}
}

// wraps reports whether the real handler runs and its answer is spoilt.
func (k FaultKind) wraps() bool {
	switch k {
	case FaultTruncated, FaultReset, FaultSlowDrip, FaultContentType, FaultHangBody:
		return true
	}
	return false
}

// Fault makes requests go wrong.
type Fault struct {
	// Route is a pattern as in Request.Route ("/api/card/:id"), a path, or a
	// path with * wildcards ("/api/database/*/metadata", "*" for everything).
	Route string
	Kind  FaultKind
	First int // first matching request that is hit, from 1; default 1
	Times int // how many are hit from there; 0 is all

	RetryAfter string        // of 429 and 503
	Location   string        // of redirects to another host; default http://elsewhere.invalid
	Size       int64         // of huge bodies and bombs; default 300 MB
	Delay      time.Duration // of delays and drips; default 50 ms
	Status     int           // of FaultStatus
	Body       string        // of FaultStatus
}

type faultCounter struct {
	mu    sync.Mutex
	rules []Fault
	seen  []int
}

func (fc *faultCounter) init(rules []Fault) {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	fc.rules = append([]Fault(nil), rules...)
	fc.seen = make([]int, len(rules))
}

// SetFaults replaces the faults and starts counting anew.
func (s *Server) SetFaults(faults ...Fault) { s.flt.init(faults) }

func (fc *faultCounter) pick(method, reqPath, pattern string) *Fault {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	for i := range fc.rules {
		f := &fc.rules[i]
		if !f.hits(method, reqPath, pattern) {
			continue
		}
		fc.seen[i]++
		n := fc.seen[i] - max(f.First, 1) + 1
		if n >= 1 && (f.Times == 0 || n <= f.Times) {
			hit := *f
			return &hit
		}
	}
	return nil
}

func (f *Fault) hits(method, reqPath, pattern string) bool {
	want := strings.TrimPrefix(f.Route, method+" ")
	if want == "*" || want == "" || want == pattern || want == reqPath {
		return true
	}
	ok, err := path.Match(want, reqPath)
	return err == nil && ok
}

const leakyError = `{"via":[{"type":"org.postgresql.util.PSQLException","message":"ERROR: duplicate key value violates unique constraint \"customers_email_key\"\n  Detail: Key (email)=(` +
	canaryText + `@example.com) already exists."}],"trace":[["metabase.query_processor","fn","qp.clj",42]],` +
	`"cause":"ERROR: invalid input syntax: SELECT * FROM customers WHERE ssn = '` + canaryText + `'",` +
	`"message":"Error running query: SELECT * FROM customers WHERE ssn = '` + canaryText + `'"}`

// fault answers without the handler.
func (x *exchange) fault(f *Fault) {
	h := x.rw.Header()
	retry := func() {
		if f.RetryAfter != "" {
			h.Set("Retry-After", f.RetryAfter)
		}
	}
	size := f.Size
	if size == 0 {
		size = 300 << 20
	}
	switch f.Kind {
	case FaultUnauthorized:
		x.plain(http.StatusUnauthorized, "Unauthenticated")
	case FaultForbidden:
		x.forbidden()
	case FaultNotFound:
		x.plain(http.StatusNotFound, "API endpoint does not exist.")
	case FaultRateLimited:
		retry()
		x.plain(http.StatusTooManyRequests, "Too many requests")
	case FaultServerError:
		x.json(http.StatusInternalServerError, leakyError)
	case FaultBadGateway:
		x.proxyPage(http.StatusBadGateway)
	case FaultUnavailable:
		retry()
		x.proxyPage(http.StatusServiceUnavailable)
	case FaultGatewayTimeout:
		x.proxyPage(http.StatusGatewayTimeout)
	case FaultStarting:
		retry()
		x.json(http.StatusServiceUnavailable, `{"status":"initializing","message":"Metabase is still initializing. Please sit tight...","progress":0.3}`)
	case FaultHTML:
		x.page(http.StatusOK)
	case FaultEmpty:
		x.reply(http.StatusOK, "application/json;charset=utf-8")
		x.send()
	case FaultInvalidJSON:
		x.json(http.StatusOK, `{"data": [1, 2,, oops`)
	case FaultWrongType:
		x.json(http.StatusOK, `{"unexpected":["`+canaryText+`",{"id":"seven"}],"data":"none"}`)
	case FaultHang:
		x.hang()
	case FaultHuge:
		x.huge(size)
	case FaultRedirectHost:
		location := f.Location
		if location == "" {
			location = "http://elsewhere.invalid"
		}
		x.redirect(strings.TrimSuffix(location, "/") + x.r.URL.RequestURI())
	case FaultRedirectLogin:
		x.redirect(x.s.cfg.BasePath + "/auth/login?redirect=" + x.req.Path)
	case FaultRedirectSame:
		if strings.HasSuffix(x.r.URL.Path, "/") {
			x.handle()
			return
		}
		target := x.r.URL.Path + "/"
		if x.r.URL.RawQuery != "" {
			target += "?" + x.r.URL.RawQuery
		}
		x.redirect(target)
	case FaultGzipBomb:
		x.bomb(size)
	case FaultStatus:
		x.plain(max(f.Status, 100), f.Body)
	}
}

func (x *exchange) proxyPage(status int) {
	text := strconv.Itoa(status) + " " + http.StatusText(status)
	x.reply(status, "text/html")
	x.e.b = append(x.e.b[:0], "<html><head><title>"+text+"</title></head><body><center><h1>"+text+"</h1></center><hr><center>nginx</center></body></html>"...)
	x.send()
}

func (x *exchange) redirect(location string) {
	x.rw.Header().Set("Location", location)
	x.reply(http.StatusFound, "text/plain")
	x.send()
}

func (x *exchange) hang() {
	began := time.Now()
	<-x.r.Context().Done()
	x.waited += time.Since(began)
}

// huge streams a valid list that goes on for size bytes.
func (x *exchange) huge(size int64) {
	x.status = http.StatusOK
	h := x.rw.Header()
	h.Set("Content-Type", "application/json;charset=utf-8")
	began := time.Now()
	defer func() { x.waited += time.Since(began) - x.out.spent }()
	block := []byte(strings.Repeat(`{"id":1,"name":"`+strings.Repeat("x", 996)+`"},`, 64))
	_, err := x.out.Write([]byte("["))
	for err == nil && x.out.n < size {
		_, err = x.out.Write(block)
	}
	_, _ = x.out.Write([]byte(`{"id":1}]`))
}

func (x *exchange) bomb(size int64) {
	x.status = http.StatusOK
	h := x.rw.Header()
	h.Set("Content-Type", "application/json;charset=utf-8")
	h.Set("Content-Encoding", "gzip")
	zip := gzip.NewWriter(&x.out)
	block := []byte(strings.Repeat(" ", 64<<10))
	_, err := zip.Write([]byte("["))
	for n := int64(0); err == nil && n < size; n += int64(len(block)) {
		_, err = zip.Write(block)
	}
	_, _ = zip.Write([]byte("]"))
	_ = zip.Close()
}

// spoiler spoils what the handler writes.
type spoiler struct {
	http.ResponseWriter
	x    *exchange
	f    *Fault
	held []byte
}

func (sp *spoiler) Write(p []byte) (int, error) {
	if sp.f.Kind == FaultContentType {
		return sp.ResponseWriter.Write(p)
	}
	sp.held = append(sp.held, p...)
	return len(p), nil
}

func (sp *spoiler) WriteHeader(status int) {
	if sp.f.Kind == FaultContentType {
		sp.Header().Set("Content-Type", "text/html;charset=utf-8")
	}
	sp.ResponseWriter.WriteHeader(status)
}

// wrapFault puts a spoiler between handler and client.
func (x *exchange) wrapFault(f *Fault) {
	sp := &spoiler{ResponseWriter: x.rw, x: x, f: f}
	x.rw, x.out.w = sp, sp
}

// endFault sends what the spoiler held back.
func (x *exchange) endFault(f *Fault) {
	sp, ok := x.rw.(*spoiler)
	if !ok || f.Kind == FaultContentType {
		return
	}
	raw := sp.ResponseWriter
	flush := func() { _ = http.NewResponseController(raw).Flush() }
	began := time.Now()
	defer func() { x.waited += time.Since(began) }()
	half := sp.held[:len(sp.held)/2]
	switch f.Kind {
	case FaultTruncated:
		_, _ = raw.Write(half)
	case FaultHangBody:
		_, _ = raw.Write(half)
		flush()
		<-x.r.Context().Done()
	case FaultReset:
		_, _ = raw.Write(half)
		flush()
		conn, _, err := http.NewResponseController(raw).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		x.finish() // before the client can notice
		_ = conn.Close()
	case FaultSlowDrip:
		delay := f.Delay
		if delay == 0 {
			delay = 50 * time.Millisecond
		}
		for rest := sp.held; len(rest) > 0; {
			n := min(16, len(rest))
			if _, err := raw.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
			flush()
			select {
			case <-x.r.Context().Done():
				return
			case <-time.After(delay):
			}
		}
	}
}
