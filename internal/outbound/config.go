package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

// ProxyEnvironment as [Config.ProxyURL] follows the process environment.
const ProxyEnvironment = "environment"

// Config describes one outbound client.
type Config struct {
	Purpose  ledger.Purpose
	Policy   Policy
	Recorder ledger.Recorder
	// KeyID names the credential that requests carry, for the ledger: rows of
	// exchanges that carry one name it, and it stands in a payload in the
	// credential's place. It is not secret. Of a [Dialer] every connection is
	// taken to carry it.
	KeyID string

	AllowPlainHTTP bool   // exception: HTTP without TLS beyond loopback
	MinTLS12       bool   // exception: TLS 1.2 beside 1.3
	RootCAs        []byte // PEM, added to the system's roots

	// ProxyURL is an http, https or socks5 address; [ProxyEnvironment] follows
	// HTTPS_PROXY, NO_PROXY and the like; empty means no proxy, whatever the
	// environment says. Loopback is never asked of a proxy.
	ProxyURL string

	ConnectTimeout time.Duration // 0 = 10 s
	Resolver       *net.Resolver // nil = the system's
	Now            func() time.Time
}

func (c Config) withDefaults() (Config, error) {
	if c.Recorder == nil {
		return c, errs.New(errs.Internal, "no_ledger", "Outbound traffic needs an egress ledger.", "")
	}
	if c.Purpose == "" {
		return c, errs.New(errs.Internal, "no_purpose", "Outbound traffic needs a purpose.", "")
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// tlsConfig is the TLS policy: 1.3, or 1.2 by exception; system roots plus ours.
func (c Config) tlsConfig() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS13}
	if c.MinTLS12 {
		out.MinVersion = tls.VersionTLS12
	}
	if len(c.RootCAs) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(c.RootCAs) {
			return nil, errs.New(errs.Invalid, "bad_ca", "The certificate authorities could not be read.",
				"Paste certificates in PEM form, each between BEGIN CERTIFICATE and END CERTIFICATE lines.")
		}
		out.RootCAs = pool
	}
	return out, nil
}

// proxy returns the proxy of a request, as http.Transport wants it.
func (c Config) proxy() (func(*http.Request) (*url.URL, error), error) {
	switch c.ProxyURL {
	case "":
		return nil, nil
	case ProxyEnvironment:
		find := httpproxy.FromEnvironment().ProxyFunc()
		return func(r *http.Request) (*url.URL, error) { return find(r.URL) }, nil
	}
	u, err := url.Parse(c.ProxyURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" && u.Scheme != "socks5h") {
		return nil, errs.New(errs.Invalid, "bad_proxy", "The proxy address is not usable.",
			"Write it as http://proxy.example:3128, https://… or socks5://…")
	}
	return func(r *http.Request) (*url.URL, error) {
		if IsLoopbackHost(r.URL.Hostname()) {
			return nil, nil
		}
		return u, nil
	}, nil
}
