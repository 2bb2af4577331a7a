package siem

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
)

// Syslog sends records as RFC 5424 messages: over TLS with octet counting
// (RFC 5425), or to a socket of this machine.
type Syslog struct {
	address string // tls://host:port or unix:/path
	dialer  *outbound.Dialer
	host    string // of this machine, in each message
	wait    time.Duration
}

// syslogWait is how long a server may take for a batch.
const syslogWait = 20 * time.Second

// NewSyslog returns a sink over an address. The dialer is needed for tls.
func NewSyslog(address string, dialer *outbound.Dialer) (*Syslog, error) {
	if dialer == nil && !strings.HasPrefix(address, "unix:") {
		return nil, errs.New(errs.Internal, "no_dialer", "Syslog over the network needs the guarded dialer.", "")
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "-"
	}
	return &Syslog{address: address, dialer: dialer, host: ascii(host, 255), wait: syslogWait}, nil
}

// Name implements [Sink].
func (s *Syslog) Name() string { return "syslog:" + s.address }

// The facility is log audit (13); severities are informational and warning.
const (
	facility = 13
	info     = 6
	warning  = 4
)

// message writes one record as RFC 5424 says. JSON is ASCII-safe UTF-8 without
// line ends; the byte order mark is left out as the RFC allows where it is not
// known that a reader wants it.
func (s *Syslog) message(r Record) []byte {
	severity := info
	if r.Alert {
		severity = warning
	}
	return fmt.Appendf(nil, "<%d>1 %s %s metalens %d %s - %s", facility*8+severity, r.At.UTC().Format("2006-01-02T15:04:05.000000Z"), s.host, os.Getpid(), r.Kind, r.Body)
}

// ascii keeps a header field printable.
func ascii(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), n)]
}

// Write implements [Sink]. Syslog has no receipt; over TLS the sink closes its
// side after a batch and waits for the server to close too, which it does after
// it has read all.
func (s *Syslog) Write(ctx context.Context, records []Record) error {
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	var err error
	if path, ok := strings.CutPrefix(s.address, "unix:"); ok {
		err = s.local(ctx, "/"+strings.TrimLeft(path, "/"), records)
	} else {
		err = s.network(ctx, records)
	}
	if err == nil || errs.KindOf(err) != errs.Internal {
		return err
	}
	return errs.Wrap(err, errs.Unavailable, "syslog", "The syslog server could not be reached or broke off.", "Check ledger.syslog, the server's certificate and ledger.syslog_ca_file.")
}

func (s *Syslog) local(ctx context.Context, path string, records []Record) error {
	// A socket of this machine is no traffic to another system.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	datagram := err == nil
	if !datagram {
		if conn, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
			return fmt.Errorf("open the syslog socket: %w", err)
		}
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return errors.Join(err, conn.Close())
	}
	for _, r := range records {
		m := s.message(r)
		if !datagram {
			m = append(m, '\n')
		}
		if _, err := conn.Write(m); err != nil {
			return errors.Join(fmt.Errorf("write to the syslog socket: %w", err), conn.Close())
		}
	}
	return conn.Close()
}

func (s *Syslog) network(ctx context.Context, records []Record) (err error) {
	u, err := url.Parse(s.address)
	if err != nil {
		return fmt.Errorf("read the syslog address: %w", err)
	}
	plain, err := s.dialer.DialContext(outbound.WithRoute(ctx, "syslog"), "tcp", u.Host)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.Close()) }() // records the outcome
	deadline, _ := ctx.Deadline()
	if err := plain.SetDeadline(deadline); err != nil {
		return err
	}
	policy := s.dialer.TLSConfig()
	policy.ServerName = u.Hostname()
	conn := tls.Client(plain, policy)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("shake hands with the syslog server: %w", err)
	}
	var b bytes.Buffer
	for _, r := range records {
		m := s.message(r)
		b.WriteString(strconv.Itoa(len(m)))
		b.WriteByte(' ')
		b.Write(m)
	}
	if _, err := conn.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write to the syslog server: %w", err)
	}
	if err := conn.CloseWrite(); err != nil {
		return fmt.Errorf("end a batch for the syslog server: %w", err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("wait for the syslog server: %w", err)
	}
	return nil
}
