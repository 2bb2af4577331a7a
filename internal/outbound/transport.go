package outbound

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

type routeKey struct{}

// WithRoute names the route pattern of a request for the ledger, so that no
// parameter value is recorded.
func WithRoute(ctx context.Context, pattern string) context.Context {
	return context.WithValue(ctx, routeKey{}, pattern)
}

func routeOf(ctx context.Context) string {
	route, _ := ctx.Value(routeKey{}).(string)
	return route
}

// Transport is an http.RoundTripper over the guarded dialer. It follows no
// redirects and decompresses nothing; its errors are errs.Error.
type Transport struct {
	dialer *Dialer
	plain  *http.Transport // http: loopback only, unless the exception was accepted
	secure *http.Transport // https
	broken atomic.Pointer[error]
}

// NewTransport checks a configuration and returns its transport. It refuses to
// be built without a recorder.
func NewTransport(cfg Config) (*Transport, error) {
	d, err := NewDialer(cfg)
	if err != nil {
		return nil, err
	}
	proxy, err := d.cfg.proxy()
	if err != nil {
		return nil, err
	}
	base := func(loopbackOnly bool) *http.Transport {
		return &http.Transport{
			Proxy: proxy,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return d.dial(ctx, network, address, loopbackOnly)
			},
			TLSClientConfig:       d.tls.Clone(),
			TLSHandshakeTimeout:   d.cfg.ConnectTimeout,
			ForceAttemptHTTP2:     true,
			DisableCompression:    true,
			MaxIdleConnsPerHost:   8,
			IdleConnTimeout:       90 * time.Second,
			ExpectContinueTimeout: time.Second,
		}
	}
	return &Transport{dialer: d, plain: base(!d.cfg.AllowPlainHTTP), secure: base(false)}, nil
}

// Dialer returns the dialer beneath, with the same policy and ledger.
func (t *Transport) Dialer() *Dialer { return t.dialer }

// CloseIdleConnections drops connections that are not in use.
func (t *Transport) CloseIdleConnections() {
	t.plain.CloseIdleConnections()
	t.secure.CloseIdleConnections()
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if broken := t.broken.Load(); broken != nil {
		closeBody(req)
		return nil, *broken
	}
	host := canonicalHost(req.URL)
	if err := t.dialer.cfg.Policy.permit(t.dialer.cfg.Purpose); err != nil {
		closeBody(req)
		return nil, err
	}
	if err := t.allowed(req, host); err != nil {
		closeBody(req)
		return nil, err
	}
	x := &exchange{t: t, ctx: context.WithoutCancel(req.Context()), entry: ledger.Entry{
		At: t.dialer.cfg.Now(), Purpose: t.dialer.cfg.Purpose, Method: req.Method, Host: host,
		Route: routeOf(req.Context()), RequestSize: max(req.ContentLength, 0),
	}}
	named := t.dialer.cfg.named(req.Context())
	if carriesSecret(req.Header) {
		x.entry.KeyID = named.KeyID
	}
	if t.dialer.cfg.Purpose != ledger.PurposeMetabase || req.Method != http.MethodGet {
		x.entry.Exchange, x.entry.Phase = rand.Text(), ledger.PhaseIntent
		ctx := req.Context()
		var err error
		if req, x.entry.Payload, err = t.capture(req); err != nil {
			return nil, err
		}
		if bytes.Contains(x.entry.Payload.Content, []byte(named.credential())) {
			x.entry.KeyID = named.KeyID
		}
		if err := t.dialer.announce(ctx, x.entry); err != nil {
			closeBody(req)
			return nil, t.stop(err)
		}
		x.entry.Phase, x.entry.Payload = ledger.PhaseOutcome, nil
	}

	var address atomic.Pointer[string]
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			text := info.Conn.RemoteAddr().String()
			address.Store(&text)
		}
	}}
	send := req.Clone(httptrace.WithClientTrace(req.Context(), trace))
	if send.Body != nil && send.Body != http.NoBody && send.ContentLength <= 0 { // a length of 0 means unknown then
		send.Body = &countedBody{ReadCloser: send.Body, n: &x.sent}
	}
	inner := t.secure
	if req.URL.Scheme == "http" {
		inner = t.plain
	}
	resp, err := inner.RoundTrip(send)
	if a := address.Load(); a != nil {
		x.entry.Address = *a
	}
	if err != nil {
		err = explain(req.Context(), err, host)
		if rerr := x.finish(err); rerr != nil {
			return nil, rerr
		}
		return nil, err
	}
	x.entry.Status = resp.StatusCode
	resp.Body = &recordedBody{ReadCloser: resp.Body, exchange: x, host: host, ctx: req.Context()}
	return resp, nil
}

// allowed applies what can be decided before DNS.
func (t *Transport) allowed(req *http.Request, host string) error {
	name, port, err := splitAddress(host)
	if err != nil {
		return err
	}
	if err := t.dialer.cfg.Policy.checkHost(name, port); err != nil {
		return err
	}
	switch {
	case req.URL.User != nil:
		return errs.New(errs.Invalid, "bad_address", "The address contains a user name or password.", "Remove it from the address.")
	case req.Host != "" && !strings.EqualFold(req.Host, req.URL.Host):
		return errs.New(errs.Internal, "bad_address", "A request named another host than the one it goes to.", "")
	}
	if err := t.checkProxied(req, name, port); err != nil {
		return err
	}
	switch req.URL.Scheme {
	case "https":
		return nil
	case "http":
		if t.dialer.cfg.AllowPlainHTTP || t.plain.Proxy == nil || IsLoopbackHost(name) {
			return nil // without a proxy the dialer decides, by the resolved address
		}
		return plainRefused(host)
	default:
		return errs.New(errs.Invalid, "bad_address", "Only http and https addresses can be asked.", "Write the address with https://.")
	}
}

// proxiedLookup is how long a name may take to resolve that a proxy will resolve
// again: networks with proxies often answer no names of the world outside.
const proxiedLookup = 2 * time.Second

// checkProxied applies the policy to what a proxy is asked to reach, as far as
// it can be known here: a name that this machine resolves to an address that is
// refused is not handed to the proxy. A name it cannot resolve is the proxy's to
// judge, which is the reason why people use one.
func (t *Transport) checkProxied(req *http.Request, name string, port uint16) error {
	if t.secure.Proxy == nil {
		return nil
	}
	if via, err := t.secure.Proxy(req); err != nil || via == nil {
		return nil // the transport says what is wrong with the proxy
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return nil // checked as it stands
	}
	resolver := t.dialer.cfg.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	ctx, cancel := context.WithTimeout(req.Context(), proxiedLookup)
	defer cancel()
	addrs, err := resolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil // see above
	}
	for _, a := range addrs {
		if err := t.dialer.cfg.Policy.Check(netip.AddrPortFrom(a.Unmap(), port)); err != nil {
			return err
		}
	}
	return nil
}

// maxRedirects is how often a [Transport.Client] follows.
const maxRedirects = 5

// Client returns an HTTP client over the transport, for protocols whose servers
// redirect. It follows only within one origin: to the same scheme, host and
// port. Anything else is an error, so that no header reaches a third party.
// timeout limits a whole exchange; 0 leaves that to the request's context.
func (t *Transport) Client(timeout time.Duration) *http.Client {
	return &http.Client{Transport: t, Timeout: timeout, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		first := via[0].URL
		switch {
		case len(via) > maxRedirects:
			return blocked("the server redirects in a circle", "Check the address.")
		case req.URL.Scheme != first.Scheme || !strings.EqualFold(canonicalHost(req.URL), canonicalHost(first)):
			return blocked("the server redirects to another host, port or scheme", "Use the address it redirects to, if that is the right one.")
		}
		return nil
	}}
}

// stop remembers that the ledger failed: nothing leaves unrecorded from here on.
func (t *Transport) stop(err error) error {
	t.broken.CompareAndSwap(nil, &err)
	return err
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// exchange is one request on its way into the ledger.
type exchange struct {
	t        *Transport
	ctx      context.Context // values of the request, needed when the ledger is written at the body's end
	entry    ledger.Entry
	sent     atomic.Int64
	received atomic.Int64
	once     sync.Once
	failed   error
}

// finish records the exchange once.
func (x *exchange) finish(cause error) error {
	x.once.Do(func() {
		e := x.entry
		e.RequestSize = max(e.RequestSize, x.sent.Load())
		e.ResponseSize = x.received.Load()
		e.Duration = x.t.dialer.cfg.Now().Sub(e.At)
		if cause != nil {
			e.Error = errs.CodeOf(cause)
		}
		if err := x.t.dialer.record(x.ctx, e); err != nil {
			x.failed = x.t.stop(err)
		}
	})
	return x.failed
}

// recordedBody counts an answer and records the exchange at its end.
type recordedBody struct {
	io.ReadCloser
	exchange *exchange
	host     string
	ctx      context.Context // tells a cancelled request from a broken connection
}

func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.exchange.received.Add(int64(n))
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		if rerr := b.exchange.finish(nil); rerr != nil {
			return n, rerr
		}
		return n, io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		if rerr := b.exchange.finish(err); rerr != nil {
			return n, rerr
		}
		return n, err
	default:
		err = explain(b.ctx, err, b.host)
		if rerr := b.exchange.finish(err); rerr != nil {
			return n, rerr
		}
		return n, err
	}
}

// Close ends the exchange.
func (b *recordedBody) Close() error {
	err := b.ReadCloser.Close()
	if rerr := b.exchange.finish(nil); rerr != nil {
		return rerr
	}
	return err
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// canonicalHost is host:port with the scheme's default port.
func canonicalHost(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
		if u.Scheme == "http" {
			port = "80"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// IsLoopbackHost reports whether a host text, without a port, names this machine.
// Whether it leads here is for the dialer to see.
func IsLoopbackHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
