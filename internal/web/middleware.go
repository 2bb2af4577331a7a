package web

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/web/assets"
	"github.com/metalens/metalens/internal/web/page"
)

// contentSecurity allows what the pages use and nothing else: no inline script
// or style, no other origin, no framing, no form that leads away.
const contentSecurity = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const permissions = "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(self), geolocation=(), gyroscope=(), microphone=(), midi=(), payment=(), usb=(), clipboard-read=(), clipboard-write=(self)"

// protect wraps the routes: request id, log, recovery, security headers, host
// check, body limit, cross-origin protection, session. Assets and probes need no
// session and touch no store.
func protect(cfg Config, site *page.Site, mux *http.ServeMux, files http.Handler) http.Handler {
	app := missing(site, mux)
	app = cfg.Auth.Load(app, func(w http.ResponseWriter, r *http.Request, err error) {
		cfg.Logger.ErrorContext(r.Context(), "session store failed", "request_id", page.RequestID(r.Context()), "error", err)
		http.Error(w, "MetaLens cannot reach its store. Try again in a moment.", http.StatusServiceUnavailable)
	})
	app = packed(app)
	origin := http.NewCrossOriginProtection()
	for _, host := range cfg.Hosts {
		scheme := "http://"
		if cfg.Secure {
			scheme = "https://" // a proxy may have taken TLS off
		}
		if err := origin.AddTrustedOrigin(scheme + host); err != nil {
			cfg.Logger.Warn("host name is no origin", "host", host, "error", err)
		}
	}
	origin.SetDenyHandler(plainError(http.StatusForbidden, "This form was sent from another site. Open MetaLens itself and try again."))
	app = origin.Handler(app)
	outer := http.NewServeMux()
	outer.Handle("/", app)
	if cfg.API != nil { // knows tokens only: no session, no forms
		outer.Handle("/api/", cfg.API)
	}
	outer.Handle("GET "+assets.Prefix, files)
	outer.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	outer.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := cfg.Ready(r.Context()); err != nil {
			text, _ := errs.PublicText(err)
			plain(w, http.StatusServiceUnavailable, text)
			return
		}
		notice, err := cfg.Notice()
		if err != nil {
			text, _ := errs.PublicText(err)
			plain(w, http.StatusServiceUnavailable, text)
			return
		}
		if notice != "" {
			notice = "\nwarning: " + notice
		}
		plain(w, http.StatusOK, "ready"+notice)
	})
	var h http.Handler = outer
	h = limited(h)
	h = encrypted(cfg, h)
	h = hosts(cfg, h)
	h = proxied(cfg, h)
	h = headers(cfg.Secure, h)
	h = recovered(cfg.Logger, h)
	h = logged(cfg, h)
	return identified(h)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) //nolint:gosec // plain text, with nosniff
}

func plainError(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { plain(w, status, text) })
}

// missing answers addresses that no route has with a page in the design.
func missing(site *page.Site, mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &statusProbe{header: http.Header{}}
		mux.ServeHTTP(probe, r)
		err := page.NotFound()
		switch {
		case probe.status == http.StatusMethodNotAllowed:
			w.Header().Set("Allow", probe.header.Get("Allow"))
			plain(w, http.StatusMethodNotAllowed, "This address does not answer "+r.Method+".")
			return
		case probe.status >= 300 && probe.status < 400:
			http.Redirect(w, r, probe.header.Get("Location"), probe.status)
			return
		}
		site.Handler(page.Public, func(*page.Request) error { return err }).ServeHTTP(w, r)
	})
}

// statusProbe hears what a mux would answer.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }

func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:16])
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(page.WithRequestID(r.Context(), id)))
	})
}

func logged(cfg Config, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := cfg.Now()
		counted := &countingWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(counted, r)
		level := slog.LevelInfo
		if strings.HasPrefix(r.URL.Path, assets.Prefix) || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
			level = slog.LevelDebug
		}
		// The path's first two parts only: what follows names content.
		took := cfg.Now().Sub(start)
		cfg.Logger.LogAttrs(r.Context(), level, "request",
			slog.String("request_id", page.RequestID(r.Context())), slog.String("method", r.Method),
			slog.String("area", area(r.URL.Path)), slog.Int("status", counted.status),
			slog.Int64("bytes", counted.bytes), slog.Duration("took", took))
		if cfg.Observe != nil {
			cfg.Observe(area(r.URL.Path), r.Method, counted.status, took)
		}
	})
}

// area is a path without what names content: /c/<id>/findings/<fp> is
// "c/findings".
func area(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case parts[0] == "c" && len(parts) > 2:
		return "c/" + known(parts[2])
	case parts[0] == "":
		return "root"
	}
	return known(parts[0])
}

func known(part string) string {
	if slices.Contains([]string{"c", "settings", "api", "findings", "not-evaluated", "catalog", "lineage", "impact", "impact.csv", "impact.md", "duplicates", "duplicates.csv", "duplicates.md", "metrics", "scans", "egress", "connections", "setup", "login", "logout", "confirm", "account", "theme", "assets", "healthz", "readyz"}, part) {
		return part
	}
	return "other"
}

type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
	wrote  bool
}

func (c *countingWriter) WriteHeader(status int) {
	if !c.wrote {
		c.status, c.wrote = status, true
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *countingWriter) Write(b []byte) (int, error) {
	c.wrote = true
	n, err := c.ResponseWriter.Write(b)
	c.bytes += int64(n)
	return n, err
}

func (c *countingWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func recovered(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { //nolint:contextcheck // it uses the request's
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // a sentinel panic value, never wrapped
				panic(v)
			}
			id := page.RequestID(r.Context())
			log.ErrorContext(r.Context(), "request panicked", "request_id", id, "area", area(r.URL.Path), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			plain(w, http.StatusInternalServerError, "Something went wrong inside MetaLens. The log has the detail under request id "+id+".")
		}()
		next.ServeHTTP(w, r)
	})
}

func headers(secure bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurity)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", permissions)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Embedder-Policy", "require-corp")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		h.Set("Cache-Control", "no-store") // files with a name of their own say otherwise
		if secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// hosts refuses requests for names that are not ours.
func hosts(cfg Config, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hostAllowed(cfg, r.Host) {
			plain(w, http.StatusMisdirectedRequest, "This MetaLens does not answer under that host name. The operator can add it to the allowed hosts.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostAllowed(cfg Config, host string) bool {
	host = strings.ToLower(host)
	if slices.ContainsFunc(cfg.Hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return true
	}
	if !cfg.Loopback {
		return false
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if name == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.IsLoopback()
}

func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// ClientAddr is who asks: the peer, or what a trusted proxy says about it.
func ClientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr { return clientAddr(r, trusted) }

// clientAddr is who asks: the peer, or what a trusted proxy says about it. Of
// the forwarded addresses the last one that is no trusted proxy counts.
func clientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	isTrusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	if !isTrusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = a.Unmap()
		if !isTrusted(addr) {
			break
		}
	}
	return addr
}
