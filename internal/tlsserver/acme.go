package tlsserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

// ACME says from whom to get a certificate, and for which names.
type ACME struct {
	Hosts       []string
	Email       string
	Directory   string       // of the authority; https
	AcceptTerms bool         // the operator agreed to the authority's terms
	Client      *http.Client // over the guarded dialer
	Cache       Cache        // keeps account key, certificates and their keys
	KeyID       string       // external account binding, with Key
	Key         secret.Value // base64url
}

// Cache keeps what ACME must not ask for twice. Get answers [ErrCacheMiss] for
// what it does not have.
type Cache = autocert.Cache

// ErrCacheMiss says that a cache does not have an entry.
var ErrCacheMiss = autocert.ErrCacheMiss // sentinel

const alpnChallenge = acme.ALPNProto

// authority gets certificates from an ACME authority.
type authority struct {
	hosts []string
	now   func() time.Time
	fresh func() *autocert.Manager

	mu     sync.Mutex
	by     map[string]*order
	http01 bool              // HTTP-01 is tried, too: something listens for it
	leaf   *x509.Certificate // shown last for the first host
}

// order is how it stands with the certificate of one host. Each host has a
// manager of its own: autocert remembers a failed order for a minute, so that a
// retry needs a new one, and the certificates of other hosts are left alone.
// Answers to challenges are found by every manager, in the cache that they share.
type order struct {
	manager *autocert.Manager
	had     bool          // there was a certificate: the manager renews it by itself
	problem string        // why the last attempt failed; empty: it did not
	delay   time.Duration // until the next attempt, while they fail
	next    time.Time     // when to try again; zero: no attempt has failed
}

func newAuthority(cfg ACME, now func() time.Time) (*authority, error) {
	switch {
	case len(cfg.Hosts) == 0 || cfg.Cache == nil || cfg.Client == nil:
		return nil, errs.New(errs.Internal, "acme_incomplete", "ACME needs host names, a cache and a client.", "")
	case !cfg.AcceptTerms:
		return nil, errs.New(errs.Invalid, "acme_terms", "An ACME authority gives no certificate before you agree to its terms.", "Read them and set acme.accept_terms to yes.")
	}
	var binding *acme.ExternalAccountBinding
	if cfg.KeyID != "" {
		key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(cfg.Key.Expose(), "="))
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "acme_binding", "The key of the external account binding is not base64url.", "Paste acme.eab_key as the authority shows it.")
		}
		binding = &acme.ExternalAccountBinding{KID: cfg.KeyID, Key: key}
	}
	a := &authority{hosts: slices.Clone(cfg.Hosts), now: now, by: map[string]*order{}}
	a.fresh = func() *autocert.Manager {
		return &autocert.Manager{
			Prompt:                 func(string) bool { return cfg.AcceptTerms },
			Cache:                  cfg.Cache,
			HostPolicy:             autocert.HostWhitelist(a.hosts...),
			Email:                  cfg.Email,
			Client:                 &acme.Client{DirectoryURL: cfg.Directory, HTTPClient: cfg.Client, UserAgent: "metalens"},
			ExternalAccountBinding: binding,
		}
	}
	for _, host := range a.hosts {
		a.by[host] = &order{manager: a.fresh()}
	}
	return a, nil
}

// challenges answers HTTP-01 challenges of every host.
func (a *authority) challenges(otherwise http.Handler) http.Handler {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.http01 = true
	for _, o := range a.by {
		o.manager.HTTPHandler(nil) // lets it try HTTP-01 beside TLS-ALPN-01
	}
	return a.fresh().HTTPHandler(otherwise) // finds answers in the cache
}

// errWaiting says that the authority is not asked yet: it refused a moment ago.
var errWaiting = errors.New("tlsserver: no certificate yet, waiting before the authority is asked again")

// certificate answers a handshake. A caller that names no host gets the first
// one's certificate, so that probes by address work. While attempts fail,
// visitors do not cause new ones.
func (a *authority) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		named := *hello
		named.ServerName = a.hosts[0]
		hello = &named
	}
	host := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if slices.Equal(hello.SupportedProtos, []string{alpnChallenge}) {
		return a.manager(host).GetCertificate(hello)
	}
	m, err := a.turn(host)
	if err != nil {
		return nil, err
	}
	cert, err := m.GetCertificate(hello)
	a.note(host, cert, err)
	return cert, err
}

// manager returns the manager of a host; of the first one for strangers, which it
// refuses.
func (a *authority) manager(host string) *autocert.Manager {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o := a.by[host]; o != nil {
		return o.manager
	}
	return a.by[a.hosts[0]].manager
}

// turn returns the manager of a host when the authority may be asked: a new one
// where the last attempt failed.
func (a *authority) turn(host string) (*autocert.Manager, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.by[host]
	switch {
	case o == nil:
		return a.by[a.hosts[0]].manager, nil // refuses it
	case o.next.IsZero():
		return o.manager, nil
	case a.now().Before(o.next):
		return nil, errWaiting
	}
	// Whoever comes while the attempt runs waits for its end with it.
	o.manager, o.next = a.fresh(), time.Time{}
	if a.http01 {
		o.manager.HTTPHandler(nil)
	}
	return o.manager, nil
}

// Attempts at a certificate are this far apart at first, and three times as far
// after each failure: the first failure is often a name that does not lead here
// yet, and authorities lock out who asks too often. (Let's Encrypt allows five
// failed validations of a name in an hour: these make five in seven minutes and
// the sixth after twenty.)
const (
	firstRetry  = 10 * time.Second
	retryFactor = 3
	lastRetry   = 6 * time.Hour
)

// note remembers how an attempt ended.
func (a *authority) note(host string, cert *tls.Certificate, failure error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.by[host]
	if o == nil {
		return
	}
	if failure != nil {
		if o.had || !o.next.IsZero() { // renewed by its manager; or noted by another that waited with us
			return
		}
		o.problem = publicReason(failure)
		o.delay = min(max(retryFactor*o.delay, firstRetry), lastRetry)
		o.next = a.now().Add(o.delay)
		return
	}
	*o = order{manager: o.manager, had: true}
	if host != a.hosts[0] {
		return
	}
	leaf := cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return
		}
	}
	a.leaf = leaf
}

// keep gets certificates that are missing, so that the first visitor does not
// wait for them, and notes why it could not. It is called again and again; a
// certificate that is good costs nothing.
func (a *authority) keep(ctx context.Context, log *slog.Logger) {
	for _, host := range a.hosts {
		_, err := a.certificate(&tls.ClientHelloInfo{
			ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13},
			CipherSuites:     []uint16{tls.TLS_AES_128_GCM_SHA256},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
		})
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, errWaiting) {
			a.mu.Lock()
			again := a.by[host].delay
			a.mu.Unlock()
			log.ErrorContext(ctx, "no certificate from the ACME authority", "host", host, "again_in", again.String(), "error", err)
		}
	}
}

// publicReason is a failure without what the authority wrote.
func publicReason(err error) string {
	if text, _ := errs.PublicText(err); errs.KindOf(err) != errs.Internal {
		return text
	}
	return "the authority did not give one; the log has the detail."
}

func (a *authority) status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := Status{Mode: "acme"}
	if a.leaf != nil {
		st = describe("acme", a.leaf)
	}
	st.Names = a.hosts
	for _, host := range a.hosts {
		if p := a.by[host].problem; p != "" {
			st.Problem = p
			break
		}
	}
	return st
}

func days(d time.Duration) string {
	if n := int(d / (24 * time.Hour)); n != 1 {
		return strconv.Itoa(n) + " days"
	}
	return "1 day"
}

func size(info fs.FileInfo) string { return strconv.FormatInt(info.Size(), 10) }
