// Package mail sends plain-text letters: invitations, links that reset a
// password, notices about an account. One SMTP server, named by the operator,
// takes them; it is reached through the guarded and recorded dialer of
// internal/outbound, over TLS, or in clear on this machine only.
//
// Letters are queued in the transaction of the change that causes them (see
// [Outbox]) and delivered by a job. Address and text are sealed in that job and
// wiped from it as soon as it ends; they are never logged.
package mail

import (
	"context"
	"net"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

// Message is one letter to one person. It has no attachments and no HTML.
type Message struct {
	To      string `json:"to"`      // a bare address: ada@example.com
	Subject string `json:"subject"` // one line
	Text    string `json:"text"`
}

// Sender delivers letters.
type Sender interface {
	// Send delivers a letter before it returns. The kinds of its errors say what
	// to do: errs.Invalid and errs.Forbidden never succeed, errs.Unavailable and
	// errs.Limited may later.
	Send(ctx context.Context, m Message) error
	// Configured reports whether there is a server to send by.
	Configured() bool
}

// Security is how the connection to the server is protected.
type Security string

// The ways to protect the connection.
const (
	Implicit Security = "implicit"      // TLS from the first byte
	StartTLS Security = "starttls"      // TLS after a plain greeting; required, never optional
	Loopback Security = "none-loopback" // no TLS; to this machine only
)

// Port returns the usual port of a way to protect the connection.
func (s Security) Port() int {
	switch s {
	case StartTLS:
		return 587
	case Loopback:
		return 25
	default:
		return 465
	}
}

// Config names the server and says who sends.
type Config struct {
	Host     string // empty: no mail
	Port     int    // 0 = the usual one
	Security Security
	MinTLS12 bool   // exception: TLS 1.2 beside 1.3
	RootCAs  []byte // PEM, added to the system's roots
	User     string // empty: no login
	Password secret.Value
	KeyID    string // names the password in the egress ledger
	From     string // "MetaLens <metalens@example.com>" or a bare address

	Policy  outbound.Policy
	Timeout time.Duration    // of one step; 0 = 30 s
	Now     func() time.Time // nil = time.Now
}

const (
	maxSubject = 200
	maxText    = 64 << 10
	maxAddress = 254 // RFC 5321
)

func (c Config) withDefaults() (Config, *mail.Address, error) {
	bad := func(code, text, hint string) (Config, *mail.Address, error) {
		return c, nil, errs.New(errs.Invalid, code, text, hint)
	}
	if c.Host == "" {
		return c, &mail.Address{}, nil
	}
	if c.Security == "" {
		c.Security = Implicit
	}
	if c.Port == 0 {
		c.Port = c.Security.Port()
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	from, err := mail.ParseAddress(c.From)
	switch {
	case c.From == "":
		return bad("mail_from", "Mail is set up without a sender.", "Set mail.from, for example: MetaLens <metalens@example.com>")
	case err != nil || CheckAddress(from.Address) != nil || hasControl(from.Name):
		return bad("mail_from", "The sender of mails is no address.", "Write mail.from as: MetaLens <metalens@example.com>")
	case c.Security == Loopback && !outbound.IsLoopbackHost(c.Host):
		return bad("mail_tls", "Mail without TLS is for a server on this machine only, and "+c.Host+" is not.",
			"Set mail.tls to implicit (usually port 465) or starttls (usually port 587).")
	case (c.User == "") != c.Password.IsZero():
		return bad("mail_login", "Mail is set up with half a login.", "Set both mail.user and mail.password_file, or neither.")
	}
	return c, from, nil
}

// CheckAddress answers errs.Invalid (code mail_address) unless text is one bare
// address that may stand in a letter's header as it is.
func CheckAddress(text string) error {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || a.Name != "" || len(text) > maxAddress || hasControl(text) || strings.ContainsAny(text, " \"<>(),;:\\[]") {
		return errs.New(errs.Invalid, "mail_address", "This is no e-mail address.", "Write it like ada@example.com.")
	}
	return nil
}

// check refuses what could break out of its place in a letter.
func (m Message) check() error {
	if err := CheckAddress(m.To); err != nil {
		return err
	}
	switch {
	case m.Subject == "" || hasControl(m.Subject) || !utf8.ValidString(m.Subject) || utf8.RuneCountInString(m.Subject) > maxSubject:
		return errs.New(errs.Invalid, "mail_subject", "The subject of the mail is empty, too long or not one line.", "")
	case m.Text == "" || len(m.Text) > maxText || !utf8.ValidString(m.Text):
		return errs.New(errs.Invalid, "mail_text", "The text of the mail is empty, too long or no text.", "")
	}
	return nil
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}

// Line makes somebody's text, such as a name, fit for a subject or for a line
// of a letter: one line, no control or direction characters, at most 80
// characters.
func Line(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(s, "") {
		if unicode.Is(unicode.Cf, r) && r != '\u200d' {
			continue
		}
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			r = ' '
		}
		if n++; n > 80 {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// domain returns what follows the @ of an address.
func domain(address string) string {
	_, d, _ := strings.Cut(address, "@")
	return d
}

// address returns host:port of the server.
func (c Config) address() string {
	return net.JoinHostPort(strings.Trim(c.Host, "[]"), portText(c.Port))
}
