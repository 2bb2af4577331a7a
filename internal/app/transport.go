package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/tlsserver"
	"github.com/metalens/metalens/internal/web"
)

// acmeTimeout limits one exchange with an ACME authority.
const acmeTimeout = 60 * time.Second

// transport is how the pages' listener is protected.
type transport struct {
	tls       *tlsserver.Server // nil: plain text on loopback or behind a proxy
	challenge net.Listener      // HTTP-01; nil without
	sites     []string          // host names (with ports) under which the pages are asked
	secure    bool              // browsers reach the pages over TLS
}

// openTransport prepares the certificate of a server that shows one, and opens
// the listener for ACME challenges.
func (s *server) openTransport(ctx context.Context) (err error) {
	cfg := s.config
	t := &s.transport
	t.secure = cfg.OwnTLS()
	if cfg.Server.PublicURL != "" {
		u, err := url.Parse(cfg.Server.PublicURL)
		if err != nil {
			return fmt.Errorf("public address: %w", err)
		}
		t.secure = t.secure || u.Scheme == "https"
		t.sites = append(t.sites, u.Host)
		if u.Port() == "" {
			s.own.AddSite(net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme]))
		}
		s.own.AddSite(u.Host)
	}
	if !cfg.OwnTLS() {
		return nil
	}
	o := tlsserver.Config{CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile, Now: s.env.Now, Logger: s.log}
	if len(cfg.ACME.Hosts) > 0 {
		if o.ACME, err = s.openACME(cfg.ACME); err != nil {
			return err
		}
		if cfg.ACME.HTTPListen != "" {
			var lc net.ListenConfig
			if t.challenge, err = lc.Listen(ctx, "tcp", cfg.ACME.HTTPListen); err != nil {
				return errs.Wrap(err, errs.Invalid, "listen", "MetaLens cannot listen on "+cfg.ACME.HTTPListen+" for ACME challenges.",
					"Another program may use that port, or ports below 1024 are not allowed to this user. Leave acme.http_listen empty to answer challenges on the pages' port.")
			}
			s.own.AddListener(t.challenge)
		}
	}
	if t.tls, err = tlsserver.New(o); err != nil {
		return err
	}
	port := listenerAddr(s.listener).Port()
	for _, name := range t.tls.Status().Names {
		if strings.HasPrefix(name, "*") {
			continue // say which name in server.public_url
		}
		t.sites = append(t.sites, hostPort(name, port, 443))
	}
	if s.config.Server.PublicURL == "" && len(t.sites) > 0 {
		s.config.Server.PublicURL = "https://" + t.sites[0]
	}
	return nil
}

// hostPort is a host as browsers send it: without the port that is the scheme's.
func hostPort(host string, port, usual uint16) string {
	if port != usual {
		return net.JoinHostPort(host, fmt.Sprint(port))
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func (s *server) openACME(cfg config.ACME) (*tlsserver.ACME, error) {
	var roots []byte
	if cfg.CAFile != "" {
		var err error
		if roots, err = os.ReadFile(cfg.CAFile); err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "bad_ca", "The file "+cfg.CAFile+" cannot be read.", "Correct acme.ca_file.")
		}
	}
	way, err := outbound.NewTransport(outbound.Config{
		Purpose: ledger.PurposeACME, Policy: s.stoppable(operatorPolicy(s.config, s.own)), Recorder: asSystem{store.NewSystemRecorder(s.store)},
		RootCAs: roots, MinTLS12: true, Now: s.env.Now, // authorities are no Metabase: several large ones speak 1.2 only
	})
	if err != nil {
		return nil, err
	}
	cache, err := tlsserver.NewSealedDir(filepath.Join(s.dir.Path(), "acme"), s.keys)
	if err != nil {
		return nil, err
	}
	return &tlsserver.ACME{
		Hosts: cfg.Hosts, Email: cfg.Email, Directory: cfg.Directory, AcceptTerms: cfg.AcceptTerms,
		Client: way.Client(acmeTimeout), Cache: cache, KeyID: cfg.KeyID, Key: cfg.Key,
	}, nil
}

// keepTransport looks after the certificate and answers ACME challenges until
// ctx ends; the returned function waits for both.
func (s *server) keepTransport(ctx context.Context) (wait func()) {
	t := s.transport
	if t.tls == nil {
		return func() {}
	}
	var running sync.WaitGroup
	running.Go(func() { t.tls.Run(ctx) })
	running.Go(func() { s.reloads(ctx) })
	if t.challenge != nil {
		running.Go(func() {
			err := web.Serve(ctx, t.challenge, t.tls.ChallengeHandler(s.toHTTPS()), web.ServeOptions{PerAddress: s.config.Server.PerAddress, Logger: s.log})
			if err != nil {
				s.log.ErrorContext(ctx, "the listener for ACME challenges ended", "error", err)
			}
		})
	}
	return running.Wait
}

// reloads reads the certificate's files again whenever a SIGHUP asks for it.
func (s *server) reloads(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.env.Reload:
			if err := s.transport.tls.Reload(); err != nil {
				text, hint := errs.PublicText(err)
				s.log.ErrorContext(ctx, "the certificate before stays in use", "problem", text, "hint", hint)
				continue
			}
			s.log.InfoContext(ctx, "certificate read again", "not_after", s.transport.tls.Status().NotAfter)
		}
	}
}

// toHTTPS sends browsers from the challenge port to the pages; only under names
// that are ours, so that nobody is led elsewhere.
func (s *server) toHTTPS() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		name := r.Host
		if host, _, err := net.SplitHostPort(r.Host); err == nil {
			name = host
		}
		for _, ours := range s.transport.sites {
			u := url.URL{Scheme: "https", Host: ours, Path: "/"}
			if strings.EqualFold(u.Hostname(), name) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
				u.Path, u.RawQuery = r.URL.Path, r.URL.RawQuery
				http.Redirect(w, r, u.String(), http.StatusMovedPermanently)
				return
			}
		}
		http.Error(w, "This MetaLens does not answer under that name.", http.StatusMisdirectedRequest)
	})
}

// certificateNotice is what the readiness page says of the certificate; err when
// browsers refuse it.
func (s *server) certificateNotice() (notice string, err error) {
	if s.transport.tls == nil {
		return "", nil
	}
	st, now := s.transport.tls.Status(), s.env.Now()
	notice = st.Warning(now)
	if st.Expired(now) {
		return "", errs.New(errs.Unavailable, "certificate_expired", notice, "Renew it.")
	}
	return notice, nil
}

// operatorPolicy is for addresses that stand in the operator's own settings:
// they may be private unless the operator forbids it, and never our own.
func operatorPolicy(cfg config.Config, own *outbound.Listeners) outbound.Policy {
	p := ownPolicy(cfg)
	p.Own = own
	return p
}

// asSystem records what the program does on its own account, whoever's handshake
// or job made it necessary.
type asSystem struct{ ledger.Recorder }

// Record implements [ledger.Recorder].
func (r asSystem) Record(ctx context.Context, e ledger.Entry) error {
	return r.Recorder.Record(access.AsSystem(ctx), e)
}

// Flush implements [ledger.Recorder].
func (r asSystem) Flush(ctx context.Context) error { return r.Recorder.Flush(access.AsSystem(ctx)) }
