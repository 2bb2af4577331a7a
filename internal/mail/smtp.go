package mail

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"net/mail"
	"net/netip"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
)

// Server is the mail server of the settings. It opens one connection per
// letter. It is safe for concurrent use.
type Server struct {
	cfg  Config
	from *mail.Address
}

// New checks a configuration. One without a host gives a Server that is not
// [Server.Configured]; an unusable one answers errs.Invalid.
func New(cfg Config) (*Server, error) {
	cfg, from, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, from: from}
	if s.Configured() {
		// A bad authority is found now, not with the first letter.
		if _, err := s.dialer(&ledger.Memory{}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Configured reports whether there is a server to send by.
func (s *Server) Configured() bool { return s != nil && s.cfg.Host != "" }

// Address returns host:port of the server, "" without one.
func (s *Server) Address() string {
	if !s.Configured() {
		return ""
	}
	return s.cfg.address()
}

// From returns the sender as letters show it.
func (s *Server) From() string {
	if !s.Configured() {
		return ""
	}
	if s.from.Name == "" {
		return s.from.Address
	}
	return s.from.Name + " <" + s.from.Address + ">"
}

// Security returns how the connection is protected.
func (s *Server) Security() Security { return s.cfg.Security }

func (s *Server) dialer(recorder ledger.Recorder) (*outbound.Dialer, error) {
	return outbound.NewDialer(outbound.Config{
		Purpose: ledger.PurposeMail, Policy: s.cfg.Policy, Recorder: recorder, KeyID: s.cfg.KeyID,
		MinTLS12: s.cfg.MinTLS12, RootCAs: s.cfg.RootCAs, Now: s.cfg.Now,
	})
}

// Via returns a [Sender] that records what it does with recorder.
func (s *Server) Via(recorder ledger.Recorder) Sender { return via{s, recorder} }

// errNoMail says that there is no server to send by.
var errNoMail = errs.New(errs.Unavailable, "no_mail", "No mail server is set up.", "Set mail.host and mail.from; docs/guide/mail.md says how.")

type via struct {
	server   *Server
	recorder ledger.Recorder
}

func (v via) Configured() bool { return v.server.Configured() }

func (v via) Send(ctx context.Context, m Message) error {
	if !v.server.Configured() {
		return errNoMail
	}
	if err := m.check(); err != nil {
		return err
	}
	letter, err := v.server.compose(m)
	if err != nil {
		return err
	}
	ctx = outbound.WithPayload(ctx, m.payload())
	return v.server.talk(ctx, v.recorder, func(c *gomail.Client, open *smtp.Client) error {
		if err := c.SendWithSMTPClient(open, letter); err != nil && !letter.IsDelivered() {
			return err
		}
		return nil
	})
}

// Probe connects, protects the connection and logs in, and sends no letter.
func (s *Server) Probe(ctx context.Context, recorder ledger.Recorder) (Report, error) {
	var r Report
	err := s.talk(ctx, recorder, func(_ *gomail.Client, open *smtp.Client) error {
		if state, ok := open.TLSConnectionState(); ok {
			r.TLSVersion = tls.VersionName(state.Version)
		}
		r.LoggedIn = s.cfg.User != ""
		return nil
	})
	return r, err
}

// Report is what a probe learned.
type Report struct {
	TLSVersion string // empty without TLS
	LoggedIn   bool
}

// compose makes the letter. The message was checked.
func (s *Server) compose(m Message) (*gomail.Msg, error) {
	letter := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP))
	failed := func(err error) (*gomail.Msg, error) {
		return nil, errs.Wrap(err, errs.Invalid, "mail_letter", "The mail could not be written.", "")
	}
	if err := letter.FromFormat(s.from.Name, s.from.Address); err != nil {
		return failed(err)
	}
	if err := letter.To(m.To); err != nil {
		return failed(err)
	}
	letter.Subject(m.Subject)
	letter.SetDateWithValue(s.cfg.Now())
	letter.SetMessageIDWithValue(rand.Text() + "@" + domain(s.from.Address))
	// Nobody's absence notes come back for these.
	letter.SetGenHeader("Auto-Submitted", "auto-generated")
	letter.SetBodyString(gomail.TypeTextPlain, m.Text)
	return letter, nil
}

// talk opens a connection, does what is asked on it and closes it.
func (s *Server) talk(ctx context.Context, recorder ledger.Recorder, do func(*gomail.Client, *smtp.Client) error) error {
	if !s.Configured() {
		return errNoMail
	}
	dialer, err := s.dialer(recorder)
	if err != nil {
		return err
	}
	policy := dialer.TLSConfig()
	policy.ServerName = strings.Trim(s.cfg.Host, "[]")
	var conn net.Conn // what was dialed, below any TLS
	options := []gomail.Option{
		gomail.WithPort(s.cfg.Port), gomail.WithTimeout(s.cfg.Timeout), gomail.WithHELO(domain(s.from.Address)), gomail.WithTLSConfig(policy),
		gomail.WithDialContextFunc(func(ctx context.Context, network, _ string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, s.cfg.address())
			if err != nil {
				return nil, err
			}
			conn = c
			if s.cfg.Security == Loopback && !loopbackPeer(c) {
				return nil, errs.New(errs.Unavailable, outbound.CodePlainHTTP, "The name "+s.cfg.Host+" leads away from this machine, and mail without TLS stays on it.", "Set mail.tls to implicit or starttls.")
			}
			if s.cfg.Security != Implicit {
				return c, nil
			}
			t := tls.Client(c, policy)
			if err := t.HandshakeContext(ctx); err != nil {
				return nil, err
			}
			return t, nil
		}),
	}
	switch s.cfg.Security {
	case Implicit:
		options = append(options, gomail.WithSSL())
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.cfg.User != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&login{user: s.cfg.User, password: s.cfg.Password, plain: s.cfg.Security == Loopback}))
	}
	client, err := gomail.NewClient(strings.Trim(s.cfg.Host, "[]"), options...)
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "mail_settings", "The mail settings cannot be used.", "Check mail.host and mail.port.")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*s.cfg.Timeout)
	defer cancel()
	defer func() {
		if conn != nil { // records the outcome, however it went
			_ = conn.Close()
		}
	}()
	open, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return explain(ctx, err, s.cfg.address())
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := do(client, open); err != nil {
		return explain(ctx, err, s.cfg.address())
	}
	// The letter is taken; a server that hangs up instead of saying goodbye does
	// not change that.
	_ = client.CloseWithSMTPClient(open)
	return nil
}

func loopbackPeer(c net.Conn) bool {
	to, err := netip.ParseAddrPort(c.RemoteAddr().String())
	return err == nil && to.Addr().Unmap().IsLoopback()
}

func portText(port int) string { return strconv.Itoa(port) }

// explain gives a failure its kind, which decides whether it is tried again.
func explain(ctx context.Context, err error, server string) error {
	var public *errs.Error
	if errors.As(err, &public) {
		return err
	}
	if cause := ctx.Err(); cause != nil && errors.Is(cause, context.Canceled) {
		return cause
	}
	var refused *refusal
	var sent *gomail.SendError
	code := replyCode(err)
	switch {
	case errors.As(err, &refused):
		return errs.Wrap(err, errs.Unavailable, "mail_login", server+" offers no way to log in that MetaLens may use.",
			"Check mail.tls and whether this port takes logins; PLAIN and LOGIN are spoken.")
	case errors.As(err, &sent) && code >= 500:
		return errs.Wrap(err, errs.Invalid, "mail_refused", "The mail server refused the letter ("+strconv.Itoa(code)+").",
			"Check the address, and that the server lets mail.from send.")
	case code == 535 || code == 534 || code == 538 || code == 530:
		return errs.Wrap(err, errs.Unavailable, "mail_login", server+" refused the login ("+strconv.Itoa(code)+").",
			"Check mail.user and mail.password_file.")
	case code >= 400:
		return errs.Wrap(err, errs.Unavailable, "mail_deferred", "The mail server cannot take the letter now ("+strconv.Itoa(code)+").",
			"It is tried again.")
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return errs.Wrap(err, errs.Unavailable, "mail_starttls", server+" does not offer STARTTLS, so nothing was sent.",
			"Use the port that speaks TLS from the start (mail.tls: implicit, usually 465), or have STARTTLS enabled.")
	}
	return hinted(outbound.Explain(ctx, err, server), server)
}

// hinted replaces what is said of web servers by what helps with mail.
func hinted(err error, server string) error {
	text, _ := errs.PublicText(err)
	var hint string
	switch errs.CodeOf(err) {
	case outbound.CodeTLSUntrusted:
		hint = "If the certificate comes from your company's own authority, name that authority's file (PEM) in mail.ca_file. Use the name that the certificate carries as mail.host."
	case outbound.CodeTLSTooOld:
		hint = "Have the mail server upgraded. Until then mail.tls12 accepts TLS 1.2."
	case outbound.CodePlainHTTP:
		text, hint = server+" does not speak TLS from the first byte.", "Set mail.tls to starttls (usually port 587), or use the port for implicit TLS (usually 465)."
	default:
		return err
	}
	return errs.Wrap(err, errs.KindOf(err), errs.CodeOf(err), text, hint)
}
