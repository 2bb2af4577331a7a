package outbound

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

// Dialer opens guarded and recorded connections for protocols other than HTTP
// (mail, databases). HTTP clients use [NewTransport].
type Dialer struct {
	cfg Config
	tls *tls.Config
}

// NewDialer checks a configuration and returns its dialer. It refuses to be
// built without a recorder.
func NewDialer(cfg Config) (*Dialer, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &Dialer{cfg: cfg, tls: tlsConfig}, nil
}

// TLSConfig returns a copy of the TLS policy for drivers that do TLS themselves.
// The caller sets ServerName.
func (d *Dialer) TLSConfig() *tls.Config { return d.tls.Clone() }

// DialContext opens a TCP connection that the policy allows. The connection is
// recorded before it is opened, and again with its sizes when it is closed.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := splitAddress(address)
	if err != nil {
		return nil, err
	}
	if err := d.cfg.Policy.permit(d.cfg.Purpose); err != nil {
		return nil, err
	}
	if err := d.cfg.Policy.checkHost(host, port); err != nil {
		return nil, err
	}
	e := ledger.Entry{
		At: d.cfg.Now(), Purpose: d.cfg.Purpose, Method: "CONNECT", Host: address,
		Route: routeOf(ctx), Exchange: rand.Text(), Phase: ledger.PhaseIntent, KeyID: d.cfg.KeyID, Payload: payloadOf(ctx),
	}
	if err := d.announce(ctx, e); err != nil {
		return nil, err
	}
	e.Phase, e.Payload = ledger.PhaseOutcome, nil
	conn, err := d.dial(ctx, network, address, false)
	if err != nil {
		err = explain(ctx, err, address)
		e.Error = errs.CodeOf(err)
		e.Duration = d.cfg.Now().Sub(e.At)
		if rerr := d.record(ctx, e); rerr != nil {
			return nil, rerr
		}
		return nil, err
	}
	e.Address = conn.RemoteAddr().String()
	return &recordedConn{Conn: conn, dialer: d, entry: e, ctx: context.WithoutCancel(ctx)}, nil
}

// dial opens a TCP connection. The policy is applied to the address that the
// system is about to connect to, once per attempt, after DNS.
func (d *Dialer) dial(ctx context.Context, network, address string, loopbackOnly bool) (net.Conn, error) {
	nd := net.Dialer{
		Timeout:   d.cfg.ConnectTimeout,
		KeepAlive: 30 * time.Second,
		Resolver:  d.cfg.Resolver,
		ControlContext: func(_ context.Context, network, resolved string, socket syscall.RawConn) error {
			return d.control(network, resolved, socket, loopbackOnly)
		},
	}
	return nd.DialContext(ctx, network, address)
}

// control is the last word before connect(2).
func (d *Dialer) control(network, resolved string, socket syscall.RawConn, loopbackOnly bool) error {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return blocked("only TCP connections are opened", "Use a host and port.")
	}
	to, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return blocked("it is no network address", "Use a host and port.")
	}
	if err := d.cfg.Policy.Check(to); err != nil {
		return err
	}
	if loopbackOnly && !to.Addr().Unmap().IsLoopback() {
		return plainRefused(resolved)
	}
	from, err := d.cfg.Policy.source(to.Addr().Unmap())
	if err != nil || !from.IsValid() {
		return err
	}
	if err := bind(socket, from); err != nil {
		return errs.Wrap(err, errs.Unavailable, CodeUnreachable, "This machine cannot send from "+from.String()+".", "Correct egress.bind: it has to be an address of this machine.")
	}
	return nil
}

func plainRefused(host string) error {
	return errs.New(errs.Unavailable, CodePlainHTTP,
		"The address uses plain HTTP, which would send the credential and everything read over the network unprotected ("+host+").",
		"Use an https:// address. If the server has none, a person can accept plain HTTP for this connection.")
}

// announce makes an intent durable. Without it nothing is sent.
func (d *Dialer) announce(ctx context.Context, e ledger.Entry) error {
	if err := d.record(ctx, e); err != nil {
		return err
	}
	if err := d.cfg.Recorder.Flush(context.WithoutCancel(ctx)); err != nil {
		return ledgerFailed(err)
	}
	return nil
}

// record writes an entry even when the request was cancelled meanwhile.
func (d *Dialer) record(ctx context.Context, e ledger.Entry) error {
	if err := d.cfg.Recorder.Record(context.WithoutCancel(ctx), e); err != nil {
		return ledgerFailed(err)
	}
	return nil
}

func ledgerFailed(err error) error {
	return errs.Wrap(err, errs.Internal, CodeLedger, "The egress ledger could not be written, so nothing more is sent.",
		"Look at the store's health: `metalens doctor` says what is wrong.")
}

func splitAddress(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, errs.Wrap(err, errs.Invalid, "bad_address", "The address is not host:port.", "Write it as host:port.")
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, errs.Wrap(err, errs.Invalid, "bad_address", fmt.Sprintf("%q is no port.", text), "Write a port number.")
	}
	return host, uint16(n), nil
}

// recordedConn counts what passes and records it once when closed.
type recordedConn struct {
	net.Conn
	dialer   *Dialer
	entry    ledger.Entry
	ctx      context.Context // values of the dialing request, needed when the ledger is written at close
	sent     atomic.Int64
	received atomic.Int64
	once     sync.Once
}

func (c *recordedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

func (c *recordedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// Close closes the connection and records its outcome.
func (c *recordedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		e := c.entry
		e.RequestSize, e.ResponseSize = c.sent.Load(), c.received.Load()
		e.Duration = c.dialer.cfg.Now().Sub(e.At)
		if rerr := c.dialer.record(c.ctx, e); rerr != nil && err == nil {
			err = rerr
		}
	})
	return err
}
