package metabasetest

import (
	"bufio"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// exchange is one request on its way through the server.
type exchange struct {
	s        *Server
	v        version
	r        *http.Request
	rw       http.ResponseWriter
	out      body
	req      Request
	rt       *route
	params   []string // path parameters in order
	who      *Caller
	status   int
	began    time.Time
	waited   time.Duration
	w        *World // set while the read lock is held
	e        encoder
	ids      uuids
	after    func(*World) // counting, done before the last byte is sent
	grants   grants
	recorded bool
	held     map[int]map[string]bool // kinds of things in each collection
	under    map[int]map[string]bool // and below it
	begun    bool
	zip      *gzip.Writer
}

// body counts what is sent and how long the client took to take it.
type body struct {
	w     http.ResponseWriter
	n     int64
	spent time.Duration
}

func (b *body) Header() http.Header    { return b.w.Header() }
func (b *body) WriteHeader(status int) { b.w.WriteHeader(status) }

func (b *body) Write(p []byte) (int, error) {
	began := time.Now()
	n, err := b.w.Write(p)
	b.spent += time.Since(began)
	b.n += int64(n)
	return n, err
}

// Flush passes buffered bytes on.
func (b *body) Flush() {
	if f, ok := b.w.(http.Flusher); ok {
		f.Flush()
	}
}

// Hijack takes over the connection.
func (b *body) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(b.w).Hijack()
}

func (x *exchange) start(path string) {
	x.out.w = x.rw
	x.req = Request{
		Method: x.r.Method, Path: path, Query: x.r.URL.Query(), Header: x.r.Header.Clone(), At: x.s.now(),
	}
	x.rt, x.params = match(x.s.routes, x.r.Method, path, x.v)
	if x.rt != nil {
		x.req.Route = x.rt.method + " " + x.rt.pattern
	}
	x.s.rec.mu.Lock()
	x.s.nonce++
	x.ids.state = x.s.nonce * 0x9e3779b97f4a7c15
	x.s.rec.mu.Unlock()
}

func (x *exchange) pattern() string {
	if x.rt == nil {
		return ""
	}
	return x.rt.pattern
}

func (x *exchange) finish() {
	if x.recorded {
		return
	}
	x.recorded = true
	x.req.Status = x.status
	x.req.Bytes = x.out.n
	busy := time.Since(x.began) - x.waited - x.out.spent
	x.s.rec.add(x.req, max(busy, 0))
}

// wait pauses unless the client goes away first.
func (x *exchange) wait(d time.Duration) bool {
	began := time.Now()
	t := time.NewTimer(d)
	defer t.Stop()
	defer func() { x.waited += time.Since(began) }()
	select {
	case <-t.C:
		return true
	case <-x.r.Context().Done():
		return false
	}
}

func (x *exchange) violate(why string) {
	x.req.Violations = append(x.req.Violations, why)
}

// handle answers as Metabase does.
func (x *exchange) handle() {
	path := x.req.Path
	if !strings.HasPrefix(path, "/api/") {
		x.violate("not an API path")
		x.page(http.StatusOK)
		return
	}
	if x.r.Method != http.MethodGet {
		x.violate("method " + x.r.Method)
		x.write405()
		return
	}
	rt := x.rt
	if rt == nil || slices.Contains(x.s.cfg.MissingRoutes, rt.pattern) {
		if rt == nil {
			x.violate("no such route in " + x.v.tag + unlessProbe(x.s.routes, path))
			x.dropHarmlessProbe(path)
		}
		x.plain(http.StatusNotFound, "API endpoint does not exist.")
		return
	}
	if rt.deny != "" {
		x.violate(rt.deny)
	}
	x.checkParams()
	var known bool
	if x.who, known = x.s.caller(x.r); !known && rt.access != accessPublic {
		x.plain(http.StatusUnauthorized, "Unauthenticated")
		return
	}
	switch {
	case rt.feature != "" && !x.v.enterprise:
		x.plain(http.StatusNotFound, "API endpoint does not exist.")
		return
	case rt.feature != "" && !slices.Contains(x.s.cfg.Features, rt.feature):
		x.json(http.StatusPaymentRequired, `{"message":"`+rt.feature+` is a paid feature not currently available to your instance. Please upgrade to use it.","status":"error-premium-feature-not-available"}`)
		return
	case rt.access == accessAdmin && !x.who.Admin:
		x.forbidden()
		return
	}
	if x.s.cfg.StrictParameters && len(x.req.UnknownParams) > 0 {
		x.invalid(x.req.UnknownParams[0], "disallowed key")
		return
	}
	x.s.world.RLock()
	x.w = x.s.w
	rt.handle(x)
	x.w = nil
	x.s.world.RUnlock()
	x.send()
}

// dropHarmlessProbe takes the violation back for routes that a reader may ask
// for to find out what a server can do: those that some other version has.
func (x *exchange) dropHarmlessProbe(path string) {
	if rt, _ := match(x.s.routes, http.MethodGet, path, version{major: -1}); rt != nil && rt.deny == "" {
		x.req.Violations = x.req.Violations[:len(x.req.Violations)-1]
		x.req.Route = rt.method + " " + rt.pattern
	}
}

func unlessProbe(routes []*route, path string) string {
	if rt, _ := match(routes, http.MethodGet, path, version{major: -1}); rt != nil {
		return ""
	}
	return " nor in any other version"
}

func (x *exchange) checkParams() {
	for name, values := range x.req.Query {
		known, elsewhere := x.rt.reads(name, x.v)
		if !known {
			x.req.UnknownParams = append(x.req.UnknownParams, name)
			if !elsewhere {
				x.violate("query parameter " + name + " exists in no version")
			}
		}
		if x.rt.pattern == "/api/search" && name == "models" && slices.Contains(values, "indexed-entity") {
			x.violate("indexed-entity returns rows of the warehouse")
		}
	}
	slices.Sort(x.req.UnknownParams)
	switch {
	case x.rt.pattern == "/api/search" && !x.req.Query.Has("models"):
		x.violate("search without models returns rows of the warehouse")
	case x.rt.pattern == "/api/card/:id" && x.v.mayCountCardViews() && x.req.Query.Get("ignore_view") != "true":
		x.violate("card read without ignore_view=true")
	}
}

// query helpers

func (x *exchange) q(name string) string {
	if known, _ := x.rt.reads(name, x.v); !known {
		return ""
	}
	return x.req.Query.Get(name)
}

func (x *exchange) qs(name string) []string {
	if known, _ := x.rt.reads(name, x.v); !known {
		return nil
	}
	return x.req.Query[name]
}

func (x *exchange) flag(name string) bool { return x.q(name) == "true" }

// spelled reads a parameter under the name this version has for it.
func (x *exchange) spelled(snake string) string {
	if x.v.kebab() {
		return x.q(strings.ReplaceAll(snake, "_", "-"))
	}
	return x.q(snake)
}

// id reads a path parameter; entity ids are accepted where the version does.
// It answers the error itself when ok is false.
func (x *exchange) id(at int, find func(entity string) int) (id int, ok bool) {
	text := x.params[at]
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n, true
	}
	if find != nil && len(text) == 21 && x.v.entityPaths() {
		if n := find(text); n != 0 {
			return n, true
		}
		x.notFound()
		return 0, false
	}
	if x.v.until(49) {
		x.plain(http.StatusNotFound, "API endpoint does not exist.")
	} else {
		x.invalid("id", "value must be an integer greater than zero.")
	}
	return 0, false
}

// answers

func (x *exchange) plain(status int, text string) {
	x.reply(status, "text/plain;charset=utf-8")
	x.e.b = append(x.e.b[:0], text...)
	x.finishIfOutside()
}

func (x *exchange) json(status int, text string) {
	x.reply(status, "application/json;charset=utf-8")
	x.e.b = append(x.e.b[:0], text...)
	x.finishIfOutside()
}

// finishIfOutside sends at once what was answered before a handler ran.
func (x *exchange) finishIfOutside() {
	if x.w == nil {
		x.send()
	}
}

func (x *exchange) forbidden() {
	const text = "You don't have permissions to do that."
	if x.v.jsonErrors() {
		x.json(http.StatusForbidden, `{"message":"`+text+`"}`)
		return
	}
	x.plain(http.StatusForbidden, text)
}

func (x *exchange) notFound() {
	if x.v.jsonErrors() {
		x.json(http.StatusNotFound, `{"message":"Not found."}`)
		return
	}
	x.plain(http.StatusNotFound, "Not found.")
}

func (x *exchange) invalid(field, text string) {
	var e encoder
	e.open()
	e.obj("errors")
	e.text(field, text)
	e.close()
	if x.v.from(50) {
		e.obj("specific-errors")
		e.list(field)
		e.elemText(text)
		e.closeList()
		e.close()
	}
	e.close()
	x.json(http.StatusBadRequest, string(e.b))
}

const indexHTML = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Metabase</title></head>` +
	`<body><div id="root"></div><script src="app/dist/app-main.js"></script></body></html>`

func (x *exchange) page(status int) {
	x.reply(status, "text/html;charset=utf-8")
	x.e.b = append(x.e.b[:0], indexHTML...)
	x.send()
}

// write405 answers the methods a reader never uses. Logins and query runs look
// like the real thing, so that only the recorder tells.
func (x *exchange) write405() {
	_, _ = io.Copy(io.Discard, io.LimitReader(x.r.Body, 1<<20))
	switch path := x.req.Path; {
	case path == "/api/session" && x.r.Method == http.MethodPost:
		x.json(http.StatusBadRequest, `{"errors":{"password":"did not match stored password"}}`)
	case x.r.Method == http.MethodPost && (strings.HasPrefix(path, "/api/dataset") || strings.HasSuffix(path, "/query")):
		x.json(http.StatusAccepted, `{"status":"completed","row_count":1,"data":{"rows":[["`+canaryText+` row"]],"cols":[]}}`)
	case x.who == nil && x.r.Method != http.MethodOptions && strings.HasPrefix(path, "/api/"):
		if _, known := x.s.caller(x.r); !known {
			x.plain(http.StatusUnauthorized, "Unauthenticated")
			return
		}
		x.forbidden()
	default:
		x.plain(http.StatusNotFound, "API endpoint does not exist.")
	}
}

func (x *exchange) reply(status int, contentType string) {
	x.status = status
	x.rw.Header().Set("Content-Type", contentType)
}

// startJSON opens a 200 answer.
func (x *exchange) startJSON() *encoder {
	x.reply(http.StatusOK, "application/json;charset=utf-8")
	return &x.e
}

const chunk = 128 << 10

// spill sends what was rendered so far, without holding the world's lock, so
// that a client which reads slowly blocks nobody. The last byte stays behind,
// because the encoder decides on commas by it.
func (x *exchange) spill() {
	if len(x.e.b) < chunk {
		return
	}
	x.s.world.RUnlock()
	x.w = nil
	n := len(x.e.b) - 1
	x.push(x.e.b[:n])
	x.e.b[0] = x.e.b[n]
	x.e.b = x.e.b[:1]
	x.s.world.RLock()
	x.w = x.s.w
}

// send sends the rest of the answer.
func (x *exchange) send() {
	if x.after != nil {
		x.s.world.Lock()
		x.after(x.s.w)
		x.s.world.Unlock()
		x.after = nil
	}
	x.push(x.e.b)
	x.e.b = x.e.b[:0]
	if x.zip != nil {
		_ = x.zip.Close()
		x.zip = nil
	}
}

// push writes the header on first use and compresses if asked to.
func (x *exchange) push(b []byte) {
	if !x.begun {
		x.begun = true
		h := x.rw.Header()
		h.Set("Cache-Control", "max-age=0, no-cache, must-revalidate, proxy-revalidate")
		h.Set("X-Metabase-Version", x.v.tag)
		if !x.s.cfg.NoCompression && len(b) > 1024 && strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			h.Add("Vary", "Accept-Encoding")
			x.zip, _ = gzip.NewWriterLevel(&x.out, gzip.BestSpeed)
		}
		x.out.WriteHeader(x.status)
	}
	if x.zip != nil {
		_, _ = x.zip.Write(b)
		return
	}
	_, _ = x.out.Write(b)
}

// page limits

// window reads limit and offset as the paging middleware does: one of them
// given makes the other default.
func window(q url.Values) (limit, offset int, paged bool) {
	l, lerr := strconv.Atoi(q.Get("limit"))
	o, oerr := strconv.Atoi(q.Get("offset"))
	if lerr != nil && oerr != nil {
		return 0, 0, false
	}
	if lerr != nil {
		l = 50
	}
	if oerr != nil {
		o = 0
	}
	return max(l, 0), max(o, 0), true
}
