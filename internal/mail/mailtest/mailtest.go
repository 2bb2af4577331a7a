// Package mailtest runs a real SMTP server on this machine for tests, with a
// throw-away certificate authority and faults on request.
package mailtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Options shape the server. The zero value speaks TLS from the first byte, takes
// every letter and asks for no login.
type Options struct {
	StartTLS   bool   // a plain greeting; TLS by STARTTLS
	Plain      bool   // no TLS at all
	User       string // asks for this login
	Password   string
	CertNames  []string // of the certificate; empty = localhost and 127.0.0.1
	MaxVersion uint16   // newest TLS it speaks; 0 = all
	// Rcpt answers a recipient; nil takes all. n counts from 1.
	Rcpt func(n int, address string) error
	// CutAtData hangs up when the letter should come.
	CutAtData bool
}

// Letter is what the server took.
type Letter struct {
	From, To string
	Raw      string
	TLS      bool
}

// Header returns a header of the letter, decoded no further than net/mail does.
func (l Letter) Header(t testing.TB, name string) string {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(l.Raw))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header.Get(name)
}

// Server is a running SMTP server.
type Server struct {
	Host string // localhost
	Port int
	CA   []byte // PEM of the authority that signed its certificate

	options Options
	mu      sync.Mutex
	letters []Letter
	rcpts   int
	conns   int
	arrived chan struct{}
}

// Start runs a server until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{Host: "localhost", options: o, arrived: make(chan struct{}, 1000)}
	cert := s.certificate(t)
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Port = l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener has one
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, MaxVersion: o.MaxVersion}
	server := smtp.NewServer(backend{s})
	server.Domain = "localhost"
	server.ReadTimeout, server.WriteTimeout = 10*time.Second, 10*time.Second
	server.MaxRecipients = 5
	server.EnableSMTPUTF8 = true
	server.AllowInsecureAuth = o.Plain
	server.ErrorLog = silent{}
	switch {
	case o.Plain:
	case o.StartTLS:
		server.TLSConfig = config
	default:
		l = tls.NewListener(l, config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with the listener
	}()
	t.Cleanup(func() {
		_ = l.Close() // also before Serve has come to know it
		_ = server.Close()
		<-done
	})
	return s
}

// Address returns host:port.
func (s *Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Letters returns what was taken so far.
func (s *Server) Letters() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Letter(nil), s.letters...)
}

// Connections returns how many conversations were begun.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// Wait returns the n-th letter, from 1, as soon as it is there.
func (s *Server) Wait(t testing.TB, n int) Letter {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for {
		if list := s.Letters(); len(list) >= n {
			return list[n-1]
		}
		select {
		case <-s.arrived:
		case <-ctx.Done():
			t.Fatalf("letter %d did not arrive; there are %d", n, len(s.Letters()))
		}
	}
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

type backend struct{ server *Server }

func (b backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	b.server.mu.Lock()
	b.server.conns++
	b.server.mu.Unlock()
	return &session{server: b.server, conn: c}, nil
}

type session struct {
	server   *Server
	conn     *smtp.Conn
	loggedIn bool
	from, to string
}

func (s *session) AuthMechanisms() []string {
	if s.server.options.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.server.options.User || password != s.server.options.Password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "who are you"}
		}
		s.loggedIn = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.options.User != "" && !s.loggedIn {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	s.server.rcpts++
	n := s.server.rcpts
	s.server.mu.Unlock()
	if answer := s.server.options.Rcpt; answer != nil {
		if err := answer(n, to); err != nil {
			return err
		}
	}
	s.to = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	if s.server.options.CutAtData {
		_ = s.conn.Conn().Close()
		return errors.New("cut")
	}
	raw, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return err
	}
	_, overTLS := s.conn.TLSConnectionState()
	s.server.mu.Lock()
	s.server.letters = append(s.server.letters, Letter{From: s.from, To: s.to, Raw: string(raw), TLS: overTLS})
	s.server.mu.Unlock()
	s.server.arrived <- struct{}{}
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// Greylisted is the answer of a server that wants to be asked again.
func Greylisted() error {
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted, try again"}
}

// Unknown is the answer of a server that does not know a recipient.
func Unknown() error {
	return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such person"}
}

func (s *Server) certificate(t testing.TB) tls.Certificate {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	template := func(n int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true,
		}
	}
	ca := template(1, "throw-away authority")
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	fail(err)
	s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	leaf := template(2, "mail")
	leaf.DNSNames, leaf.IPAddresses = s.options.CertNames, nil
	if len(leaf.DNSNames) == 0 {
		leaf.DNSNames, leaf.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	fail(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
