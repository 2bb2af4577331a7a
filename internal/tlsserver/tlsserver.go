// Package tlsserver gives the pages' listener its TLS: version 1.3 and nothing
// older, with a certificate from files or from an ACME authority.
//
// Files are read again when they change, or when [Server.Reload] is called;
// connections go on undisturbed, and a pair that does not fit leaves the old one
// in place. It opens no connections of its own: the ACME client brings one.
package tlsserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

// Config says where the certificate comes from: from the two files, or from
// ACME; exactly one.
type Config struct {
	CertFile string // PEM, leaf first
	KeyFile  string // PEM
	ACME     *ACME

	Poll   time.Duration    // how often files are looked at; 0 = every 10 s
	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil = none
}

// warnBefore is how long before its end a certificate is warned of, at most: one
// that lives for a short time is warned of with a third of its life left. ACME
// certificates are renewed then, and warned of with a quarter left.
const warnBefore = 21 * 24 * time.Hour

// Server holds the certificate. It is safe for concurrent use.
type Server struct {
	cfg  Config
	acme *authority // nil: files

	mu     sync.RWMutex
	pair   *tls.Certificate // from files
	stamp  string           // of the files the pair was read from
	status Status
	warned string // what the log was told last
}

// Status is what people are told about the certificate.
type Status struct {
	Mode      string // "files" or "acme"
	Names     []string
	Issuer    string
	NotBefore time.Time
	NotAfter  time.Time // zero: there is no certificate yet
	Problem   string    // why the last attempt at a newer certificate failed; empty = it did not
}

// New reads the certificate, or prepares the ACME client; an error of kind
// Invalid says which file is wrong and why.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Poll <= 0 {
		cfg.Poll = 10 * time.Second
	}
	s := &Server{cfg: cfg}
	if cfg.ACME != nil {
		a, err := newAuthority(*cfg.ACME, cfg.Now)
		if err != nil {
			return nil, err
		}
		s.acme, s.status = a, Status{Mode: "acme", Names: cfg.ACME.Hosts}
		return s, nil
	}
	s.status = Status{Mode: "files"}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// TLSConfig is for the listener: TLS 1.3, HTTP/2 and HTTP/1.1.
func (s *Server) TLSConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: s.certificate}
	if s.acme != nil {
		c.NextProtos = append(c.NextProtos, alpnChallenge)
	}
	return c
}

func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.acme != nil {
		return s.acme.certificate(hello)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pair, nil
}

// ChallengeHandler answers HTTP-01 challenges and sends everything else on to
// https at the given host; nil without ACME.
func (s *Server) ChallengeHandler(redirect http.Handler) http.Handler {
	if s.acme == nil {
		return nil
	}
	inner := s.acme.challenges(redirect)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Authorities ask port 80; a mapped port shows in the host's name, which
		// the manager compares whole.
		if host, _, err := net.SplitHostPort(r.Host); err == nil {
			r.Host = host
		}
		inner.ServeHTTP(w, r)
	})
}

// Reload reads the files again. With ACME it does nothing. When they cannot be
// used the certificate before stays, and the status says why.
func (s *Server) Reload() error {
	if s.acme != nil {
		return nil
	}
	stamp := stampOf(s.cfg.CertFile, s.cfg.KeyFile)
	pair, err := s.load()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stamp = stamp // a broken pair is not tried again before it changes
	if err != nil {
		s.status.Problem, _ = errs.PublicText(err)
		return err
	}
	s.pair = pair
	s.status = describe("files", pair.Leaf)
	return nil
}

func describe(mode string, leaf *x509.Certificate) Status {
	names := append([]string{}, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return Status{Mode: mode, Names: names, Issuer: leaf.Issuer.String(), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}
}

func (s *Server) load() (*tls.Certificate, error) {
	for _, path := range []string{s.cfg.CertFile, s.cfg.KeyFile} {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, unusable("The file "+path+" of the server's certificate cannot be read: "+reason(err)+".", "Correct tls.cert_file and tls.key_file, or the file's permissions.", err)
		case path == s.cfg.KeyFile && info.Mode().Perm()&0o007 != 0:
			return nil, unusable("Everybody on this machine can read the private key "+path+".", "Run: chmod o-rwx "+path, nil)
		}
	}
	pair, err := tls.LoadX509KeyPair(s.cfg.CertFile, s.cfg.KeyFile)
	if err != nil {
		return nil, unusable("The server's certificate and its private key cannot be used together.",
			"tls.cert_file holds the certificate (leaf first) and tls.key_file its private key, both in PEM form.", err)
	}
	if now := s.cfg.Now(); now.After(pair.Leaf.NotAfter) {
		return nil, unusable("The server's certificate expired on "+pair.Leaf.NotAfter.UTC().Format(time.DateOnly)+".", "Renew it, or let MetaLens get one by itself (acme.hosts).", nil)
	}
	return &pair, nil
}

func unusable(public, hint string, cause error) error {
	if cause == nil {
		return errs.New(errs.Invalid, "bad_certificate", public, hint)
	}
	return errs.Wrap(cause, errs.Invalid, "bad_certificate", public, hint)
}

func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "the permission is missing"
	}
	return "it is not readable"
}

// stampOf changes whenever one of the files does, links included.
func stampOf(paths ...string) string {
	stamp := ""
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil {
			stamp += info.ModTime().UTC().Format(time.RFC3339Nano) + " " + info.Mode().String() + " " + size(info) + ";"
		}
	}
	return stamp
}

// Status tells what certificate is shown now.
func (s *Server) Status() Status {
	if s.acme != nil {
		return s.acme.status()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.status
}

// Warning says what needs a person's attention about the certificate at a time;
// empty when all is well.
func (s Status) Warning(now time.Time) string {
	switch {
	case s.NotAfter.IsZero():
		if s.Problem != "" {
			return "There is no certificate yet: " + s.Problem
		}
		return ""
	case now.After(s.NotAfter):
		return "The server's certificate expired on " + s.NotAfter.UTC().Format(time.DateOnly) + "." + s.because()
	}
	life := s.NotAfter.Sub(s.NotBefore)
	early := min(warnBefore, life/3)
	if s.Mode == "acme" {
		early = min(warnBefore, life/4)
	}
	if left := s.NotAfter.Sub(now); left < early {
		return "The server's certificate expires on " + s.NotAfter.UTC().Format(time.DateOnly) + ", in " + days(left) + "." + s.because()
	}
	if s.Problem != "" {
		return "The server's certificate could not be renewed: " + s.Problem
	}
	return ""
}

func (s Status) because() string {
	if s.Problem == "" {
		return ""
	}
	return " A newer one could not be had: " + s.Problem
}

// Expired reports whether browsers refuse the certificate at a time.
func (s Status) Expired(now time.Time) bool { return !s.NotAfter.IsZero() && now.After(s.NotAfter) }

// Run keeps the certificate current until ctx ends: it looks at the files, asks
// ACME for what is missing, and writes warnings to the log.
func (s *Server) Run(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Poll)
	defer tick.Stop()
	for {
		if s.acme != nil {
			s.acme.keep(ctx, s.cfg.Logger)
		}
		s.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look reads changed files and warns once per change of what is wrong.
func (s *Server) look(ctx context.Context) {
	if s.acme == nil {
		s.mu.RLock()
		same := s.stamp == stampOf(s.cfg.CertFile, s.cfg.KeyFile)
		s.mu.RUnlock()
		if !same {
			if err := s.Reload(); err == nil {
				st := s.Status()
				s.cfg.Logger.InfoContext(ctx, "certificate read again", "names", st.Names, "not_after", st.NotAfter)
			}
		}
	}
	warning := s.Status().Warning(s.cfg.Now())
	s.mu.Lock()
	news := warning != s.warned
	s.warned = warning
	s.mu.Unlock()
	if news && warning != "" {
		s.cfg.Logger.WarnContext(ctx, "certificate needs attention", "warning", warning)
	}
}
