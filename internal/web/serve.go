package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/web/page"
)

// Limits of the server. Event streams lift the write limit for themselves.
const (
	readHeaderTimeout = 10 * time.Second // the TLS handshake's limit as well
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeader         = 32 << 10
	maxBody           = 1 << 20
	maxStreams        = 100              // of one HTTP/2 connection at a time
	pingAfter         = 30 * time.Second // without a frame; HTTP/2
	maxConnections    = 4096             // together
)

// DefaultDrain is how long running requests may take after a stop was asked.
const DefaultDrain = 10 * time.Second

// DefaultPerAddress is how many connections one network address may hold open.
const DefaultPerAddress = 200

// ServeOptions say how [Serve] answers. The zero value serves plain text.
type ServeOptions struct {
	TLS        *tls.Config    // nil = plain text
	Drain      time.Duration  // for running requests after the end; 0 = DefaultDrain
	PerAddress int            // connections of one address (IPv6: of one /64); 0 = DefaultPerAddress
	Uncounted  []netip.Prefix // proxies, which bring many people's connections
	Logger     *slog.Logger   // of broken handshakes and the like, at debug; nil = none

	// limits replaces the time limits; for tests.
	limits *timeLimits
}

type timeLimits struct{ header, read, write, idle time.Duration }

// Serve answers on a listener until ctx ends, then lets running requests finish
// for at most the drain time. Event streams end at once: they follow ctx.
func Serve(ctx context.Context, l net.Listener, h http.Handler, o ServeOptions) error {
	streams, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	limits := timeLimits{readHeaderTimeout, readTimeout, writeTimeout, idleTimeout}
	if o.limits != nil {
		limits = *o.limits
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(o.TLS != nil)
	server := &http.Server{
		Handler:           unambiguous(h),
		TLSConfig:         o.TLS,
		Protocols:         protocols,
		ReadHeaderTimeout: limits.header,
		ReadTimeout:       limits.read,
		WriteTimeout:      limits.write,
		IdleTimeout:       limits.idle,
		MaxHeaderBytes:    maxHeader,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, SendPingTimeout: pingAfter, PingTimeout: pingAfter / 2, WriteByteTimeout: limits.write,
		},
		// What strangers do to the listener is no news, and their bytes are no text.
		ErrorLog:    slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return access.Nobody(page.WithStop(streams, ctx.Done())) },
	}
	counted := newCounted(l, cmp.Or(o.PerAddress, DefaultPerAddress), maxConnections, o.Uncounted)
	failed := make(chan error, 1)
	go func() {
		if o.TLS != nil {
			failed <- server.ServeTLS(counted, "", "")
			return
		}
		failed <- server.Serve(counted)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain := o.Drain
	if drain <= 0 {
		drain = DefaultDrain
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := server.Shutdown(end)
	if err != nil {
		err = errors.Join(fmt.Errorf("drain: %w", err), server.Close())
	}
	if serr := <-failed; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// unambiguous refuses requests whose length two servers could read differently.
// A chunked request body may have come with a length beside it, which net/http
// drops without a word (RFC 9112, 6.3); browsers and API clients send lengths,
// so every HTTP/1 request without one is refused and its connection closed.
func unambiguous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
			plain(w, http.StatusLengthRequired, "Send the length of the body in Content-Length.")
			return
		}
		if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
			w.Header().Set("Connection", "close") // an encoding is ignored there, so what follows is anybody's guess
		}
		next.ServeHTTP(w, r)
	})
}
