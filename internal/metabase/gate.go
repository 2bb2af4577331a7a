package metabase

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

// gate is the transport's last check. Whatever built a request, only a GET
// without a body, to the site's own origin, below its path, for an allow-listed
// route and its query keys passes; everything else fails closed. It alone knows
// the credential and adds it.
type gate struct {
	site    *url.URL
	allowed []route
	auth    Auth
	headers map[string]secret.Value
	next    http.RoundTripper

	mu    sync.Mutex
	stats catalog.RequestStats
}

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	r, err := g.check(req)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	send := req.Clone(outbound.WithRoute(req.Context(), r.pattern))
	send.Header = http.Header{
		"Accept":          {"application/json"},
		"Accept-Encoding": {"gzip"},
		"User-Agent":      {"MetaLens"},
	}
	for name, value := range g.headers {
		send.Header.Set(name, value.Expose())
	}
	switch g.auth.Kind {
	case AuthSession:
		send.Header.Set("X-Metabase-Session", g.auth.Secret.Expose())
	default:
		send.Header.Set("X-Api-Key", g.auth.Secret.Expose())
	}
	g.mu.Lock()
	g.stats.Total++
	g.stats.ByRoute[r.pattern]++
	g.mu.Unlock()
	resp, err := g.next.RoundTrip(send)
	if err != nil {
		return nil, err
	}
	resp.Body = &tally{ReadCloser: resp.Body, gate: g}
	return resp, nil
}

// check finds the route of a request, or refuses it.
func (g *gate) check(req *http.Request) (route, error) {
	u := req.URL
	switch {
	case req.Method != http.MethodGet:
		return route{}, refused("its method is not GET")
	case req.Body != nil && req.Body != http.NoBody:
		return route{}, refused("it has a body")
	case u.Scheme != g.site.Scheme || !sameHost(u, g.site):
		return route{}, refused("it goes to another site")
	case req.Host != "" && !strings.EqualFold(req.Host, u.Host):
		return route{}, refused("its Host header names another site")
	case u.User != nil || u.Opaque != "":
		return route{}, refused("its address has an unusual form")
	}
	path, ok := strings.CutPrefix(u.EscapedPath(), g.site.EscapedPath())
	if !ok {
		return route{}, refused("it leaves the site's path")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return route{}, refused("its query cannot be read")
	}
	for _, r := range g.allowed {
		if r.match(path) && r.allows(query) {
			return r, nil
		}
	}
	return route{}, refused("its route is not on the allow-list")
}

func refused(why string) error {
	return errs.New(errs.Forbidden, codeNotAllowed, "A request was refused before it was sent: "+why+".", "")
}

func (g *gate) snapshot() catalog.RequestStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.stats
	out.ByRoute = make(map[string]int, len(g.stats.ByRoute))
	for k, v := range g.stats.ByRoute {
		out.ByRoute[k] = v
	}
	return out
}

// tally counts received bytes.
type tally struct {
	io.ReadCloser
	gate *gate
}

func (t *tally) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if n > 0 {
		t.gate.mu.Lock()
		t.gate.stats.Bytes += int64(n)
		t.gate.mu.Unlock()
	}
	return n, err
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	default:
		return "443"
	}
}

const maxRedirects = 5

// redirect decides about a redirect before it is followed. Only redirects that
// the gate would let pass are; the others explain where the site really is.
func (g *gate) redirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return errs.New(errs.Unavailable, codeRedirected, "The server redirects in a circle.", "Check the address and the proxy in front of Metabase.")
	}
	if _, err := g.check(req); err == nil {
		return nil
	}
	if req.URL.Scheme == g.site.Scheme && sameHost(req.URL, g.site) {
		return errs.New(errs.Unavailable, codeRedirected, "The server redirects away from Metabase's API.",
			"Check the path in the address: if Metabase lives under a sub-path, the address must end with it.")
	}
	// The path of a redirect may carry a token: only its origin is shown, and
	// the sub-path when the rest is the very route that was asked.
	where := req.URL.Scheme + "://" + req.URL.Host
	asked := strings.TrimSuffix(strings.TrimPrefix(via[0].URL.Path, strings.TrimSuffix(g.site.Path, "/")), "/")
	if base, ok := strings.CutSuffix(strings.TrimSuffix(req.URL.Path, "/"), asked); ok && asked != "" {
		return errs.New(errs.Unavailable, codeRedirected, "The server redirects to another address, "+where+base+". The credential was not sent there.",
			"If that is your Metabase, use "+where+base+" as its address.")
	}
	return errs.New(errs.Unavailable, codeRedirected, "The server redirects to another site, "+where+". The credential was not sent there.",
		"This is often the login page of an access proxy. Give the connection the headers that the proxy asks for, or an address behind it.")
}
