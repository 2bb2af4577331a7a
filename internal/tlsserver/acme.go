package tlsserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
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
	hosts   []string
	manager *autocert.Manager

	mu      sync.Mutex
	leaf    *x509.Certificate // shown last for the first host
	problem string
	delay   time.Duration // between attempts, while they fail
	next    time.Time     // when to try again
}

func newAuthority(cfg ACME) (*authority, error) {
	switch {
	case len(cfg.Hosts) == 0 || cfg.Cache == nil || cfg.Client == nil:
		return nil, errs.New(errs.Internal, "acme_incomplete", "ACME needs host names, a cache and a client.", "")
	case !cfg.AcceptTerms:
		return nil, errs.New(errs.Invalid, "acme_terms", "An ACME authority gives no certificate before you agree to its terms.", "Read them and set acme.accept_terms to yes.")
	}
	a := &authority{hosts: slices.Clone(cfg.Hosts)}
	a.manager = &autocert.Manager{
		Prompt:     func(string) bool { return cfg.AcceptTerms },
		Cache:      cfg.Cache,
		HostPolicy: autocert.HostWhitelist(a.hosts...),
		Email:      cfg.Email,
		Client:     &acme.Client{DirectoryURL: cfg.Directory, HTTPClient: cfg.Client, UserAgent: "metalens"},
	}
	if cfg.KeyID != "" {
		key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(cfg.Key.Expose(), "="))
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "acme_binding", "The key of the external account binding is not base64url.", "Paste acme.eab_key as the authority shows it.")
		}
		a.manager.ExternalAccountBinding = &acme.ExternalAccountBinding{KID: cfg.KeyID, Key: key}
	}
	return a, nil
}

// certificate answers a handshake. A caller that names no host gets the first
// one's certificate, so that probes by address work.
func (a *authority) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		named := *hello
		named.ServerName = a.hosts[0]
		hello = &named
	}
	cert, err := a.manager.GetCertificate(hello)
	if err == nil && hello.ServerName == a.hosts[0] && !slices.Equal(hello.SupportedProtos, []string{alpnChallenge}) {
		a.note(cert)
	}
	return cert, err
}

func (a *authority) note(cert *tls.Certificate) {
	leaf := cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leaf, a.problem = leaf, ""
}

// Attempts at a certificate are this far apart at first, and twice as far after
// each failure: authorities lock out who asks too often.
const (
	firstRetry = time.Minute
	lastRetry  = 6 * time.Hour
)

// keep gets certificates that are missing or have expired, so that the first
// visitor does not wait for them, and notes why it could not. It is called again
// and again; a certificate that is good costs nothing.
func (a *authority) keep(ctx context.Context, now time.Time, log *slog.Logger) {
	a.mu.Lock()
	wait := now.Before(a.next)
	a.mu.Unlock()
	if wait {
		return
	}
	for _, host := range a.hosts {
		_, err := a.certificate(&tls.ClientHelloInfo{
			ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13},
			CipherSuites:     []uint16{tls.TLS_AES_128_GCM_SHA256},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
		})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			log.ErrorContext(ctx, "no certificate from the ACME authority", "host", host, "error", err)
			a.mu.Lock()
			a.problem = publicReason(err)
			a.delay = min(max(2*a.delay, firstRetry), lastRetry)
			a.next = now.Add(a.delay)
			a.mu.Unlock()
			return
		}
	}
	a.mu.Lock()
	a.delay = 0
	a.mu.Unlock()
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
	if a.leaf == nil {
		return Status{Mode: "acme", Names: a.hosts, Problem: a.problem}
	}
	st := describe("acme", a.leaf)
	st.Names, st.Problem = a.hosts, a.problem
	return st
}

func days(d time.Duration) string {
	if n := int(d / (24 * time.Hour)); n != 1 {
		return strconv.Itoa(n) + " days"
	}
	return "1 day"
}

func size(info fs.FileInfo) string { return strconv.FormatInt(info.Size(), 10) }
