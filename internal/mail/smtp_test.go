package mail_test

import (
	"context"
	"crypto/tls"
	"mime"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/mail/mailtest"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

var letter = mail.Message{To: "ada@example.com", Subject: "Invitation to Ünïcode", Text: "Hello Ada,\n\nopen this.\n.\nlast line\n"}

// settings fits a server of mailtest.
func settings(s *mailtest.Server, security mail.Security) mail.Config {
	return mail.Config{
		Host: s.Host, Port: s.Port, Security: security, RootCAs: s.CA, From: "MetaLens <metalens@example.com>",
		Policy: outbound.Policy{AllowLoopback: true}, Timeout: 5 * time.Second,
	}
}

func server(t *testing.T, cfg mail.Config) *mail.Server {
	t.Helper()
	s, err := mail.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDelivers(t *testing.T) {
	for name, c := range map[string]struct {
		options  mailtest.Options
		security mail.Security
		user     string
		tls      bool
	}{
		"implicit TLS":       {mailtest.Options{}, mail.Implicit, "", true},
		"implicit TLS login": {mailtest.Options{User: "bot", Password: "s3cret"}, mail.Implicit, "bot", true},
		"STARTTLS":           {mailtest.Options{StartTLS: true}, mail.StartTLS, "", true},
		"STARTTLS login":     {mailtest.Options{StartTLS: true, User: "bot", Password: "s3cret"}, mail.StartTLS, "bot", true},
		"loopback":           {mailtest.Options{Plain: true}, mail.Loopback, "", false},
		"loopback login":     {mailtest.Options{Plain: true, User: "bot", Password: "s3cret"}, mail.Loopback, "bot", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := mailtest.Start(t, c.options)
			cfg := settings(fake, c.security)
			if c.user != "" {
				cfg.User, cfg.Password = c.user, secret.New(c.options.Password)
			}
			book := &ledger.Memory{}
			if err := server(t, cfg).Via(book).Send(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
			got := fake.Wait(t, 1)
			if got.From != "metalens@example.com" || got.To != "ada@example.com" || got.TLS != c.tls {
				t.Errorf("envelope: from %s to %s, TLS %t", got.From, got.To, got.TLS)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(got.Header(t, "Subject"))
			if err != nil || subject != letter.Subject {
				t.Errorf("subject %q, %v", subject, err)
			}
			for name, want := range map[string]string{
				"Auto-Submitted": "auto-generated", "Content-Type": "text/plain; charset=UTF-8", "User-Agent": "", "X-Mailer": "",
			} {
				if h := got.Header(t, name); h != want {
					t.Errorf("%s: %q, want %q", name, h, want)
				}
			}
			if id := got.Header(t, "Message-Id"); !strings.HasSuffix(id, "@example.com>") {
				t.Errorf("message id %q names something else than the sender's domain", id)
			}
			if !strings.Contains(got.Raw, "Hello Ada,\r\n\r\nopen this.\r\n.\r\nlast line") {
				t.Errorf("the text changed:\n%s", got.Raw)
			}
			entries := book.Entries()
			if len(entries) != 2 || entries[0].Phase != ledger.PhaseIntent || entries[1].Phase != ledger.PhaseOutcome {
				t.Fatalf("ledger: %+v", entries)
			}
			for _, e := range entries {
				if e.Purpose != ledger.PurposeMail || e.Host != fake.Address() {
					t.Errorf("ledger: %+v", e)
				}
			}
			if entries[1].RequestSize < 400 || entries[1].Address == "" {
				t.Errorf("outcome: %+v", entries[1])
			}
		})
	}
}

func TestFailures(t *testing.T) {
	refuse := func(err error) func(int, string) error { return func(int, string) error { return err } }
	for name, c := range map[string]struct {
		options  mailtest.Options
		security mail.Security
		change   func(*mail.Config)
		kind     errs.Kind
		code     string
		silent   bool // the server must not even get the sender
	}{
		"unknown recipient": {options: mailtest.Options{Rcpt: refuse(mailtest.Unknown())}, security: mail.Implicit, kind: errs.Invalid, code: "mail_refused"},
		"greylisted":        {options: mailtest.Options{Rcpt: refuse(mailtest.Greylisted())}, security: mail.Implicit, kind: errs.Unavailable, code: "mail_deferred"},
		"cut at data":       {options: mailtest.Options{CutAtData: true}, security: mail.Implicit, kind: errs.Unavailable, code: outbound.CodeUnreachable},
		"no STARTTLS":       {options: mailtest.Options{Plain: true}, security: mail.StartTLS, kind: errs.Unavailable, code: "mail_starttls"},
		"wrong name":        {options: mailtest.Options{CertNames: []string{"mail.elsewhere.example"}}, security: mail.Implicit, kind: errs.Unavailable, code: outbound.CodeTLSUntrusted},
		"unknown authority": {security: mail.Implicit, change: func(c *mail.Config) { c.RootCAs = nil }, kind: errs.Unavailable, code: outbound.CodeTLSUntrusted},
		"unknown authority after STARTTLS": {
			options: mailtest.Options{StartTLS: true}, security: mail.StartTLS, change: func(c *mail.Config) { c.RootCAs = nil },
			kind: errs.Unavailable, code: outbound.CodeTLSUntrusted,
		},
		"TLS 1.2 only": {options: mailtest.Options{MaxVersion: tls.VersionTLS12}, security: mail.Implicit, kind: errs.Unavailable, code: outbound.CodeTLSTooOld},
		"wrong password": {
			options: mailtest.Options{User: "bot", Password: "right"}, security: mail.Implicit, kind: errs.Unavailable, code: "mail_login",
			change: func(c *mail.Config) { c.User, c.Password = "bot", secret.New("wrong") },
		},
		"login not offered": {
			security: mail.Implicit, kind: errs.Unavailable, code: "mail_login",
			change: func(c *mail.Config) { c.User, c.Password = "bot", secret.New("x") },
		},
		"loopback forbidden": {security: mail.Implicit, change: func(c *mail.Config) { c.Policy = outbound.Policy{} }, kind: errs.Unavailable, code: outbound.CodeBlocked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := mailtest.Start(t, c.options)
			cfg := settings(fake, c.security)
			if c.change != nil {
				c.change(&cfg)
			}
			book := &ledger.Memory{}
			err := server(t, cfg).Via(book).Send(t.Context(), letter)
			if errs.KindOf(err) != c.kind || errs.CodeOf(err) != c.code {
				t.Errorf("%s/%s, want %s/%s: %v", errs.KindOf(err), errs.CodeOf(err), c.kind, c.code, err)
			}
			if text, _ := errs.PublicText(err); strings.Contains(text, letter.To) {
				t.Errorf("the address is in a text that is logged: %s", text)
			}
			if n := len(fake.Letters()); n != 0 {
				t.Errorf("%d letters were taken", n)
			}
			for _, e := range book.Entries() {
				if e.Phase == ledger.PhaseIntent {
					return
				}
			}
			if c.code != outbound.CodeBlocked {
				t.Error("the attempt is not in the ledger")
			}
		})
	}
}

// TestAcceptsTLS12ByException shows that the exception is needed and enough.
func TestAcceptsTLS12ByException(t *testing.T) {
	fake := mailtest.Start(t, mailtest.Options{MaxVersion: tls.VersionTLS12})
	cfg := settings(fake, mail.Implicit)
	cfg.MinTLS12 = true
	if err := server(t, cfg).Via(&ledger.Memory{}).Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
}

// TestNothingListens tries again later.
func TestNothingListens(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	cfg := mail.Config{Host: "localhost", Port: n, From: "a@example.com", Policy: outbound.Policy{AllowLoopback: true}}
	if err := server(t, cfg).Via(&ledger.Memory{}).Send(t.Context(), letter); errs.CodeOf(err) != outbound.CodeUnreachable {
		t.Errorf("got %v", err)
	}
}

// TestCancelled stops a conversation with a server that says nothing.
func TestCancelled(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := l.Accept()
		cancel()
		if err == nil {
			<-t.Context().Done()
			_ = c.Close()
		}
	}()
	cfg := mail.Config{
		Host: "localhost", Port: l.Addr().(*net.TCPAddr).Port, Security: mail.Loopback, From: "a@example.com",
		Policy: outbound.Policy{AllowLoopback: true}, Timeout: time.Minute,
	}
	if err := server(t, cfg).Via(&ledger.Memory{}).Send(ctx, letter); errs.KindOf(err) != errs.Canceled {
		t.Errorf("got %v", err)
	}
}

// TestHeadersCannotBeInjected sends nothing whose parts could leave their place.
func TestHeadersCannotBeInjected(t *testing.T) {
	fake := mailtest.Start(t, mailtest.Options{})
	sender := server(t, settings(fake, mail.Implicit)).Via(&ledger.Memory{})
	long := strings.Repeat("a", 300)
	for name, m := range map[string]mail.Message{
		"line break in the address":  {To: "ada@example.com\r\nBcc: eve@example.net", Subject: "s", Text: "t"},
		"two addresses":              {To: "ada@example.com, eve@example.net", Subject: "s", Text: "t"},
		"name in the address":        {To: "Eve <ada@example.com>", Subject: "s", Text: "t"},
		"quoted address":             {To: `"ada\r\n"@example.com`, Subject: "s", Text: "t"},
		"no domain":                  {To: "ada", Subject: "s", Text: "t"},
		"very long address":          {To: long + "@example.com", Subject: "s", Text: "t"},
		"line break in the subject":  {To: "ada@example.com", Subject: "s\r\nBcc: eve@example.net", Text: "t"},
		"line feed in the subject":   {To: "ada@example.com", Subject: "s\nBcc: eve@example.net", Text: "t"},
		"separator in the subject":   {To: "ada@example.com", Subject: "s\u2028Bcc: eve@example.net", Text: "t"},
		"very long subject":          {To: "ada@example.com", Subject: long, Text: "t"},
		"empty subject":              {To: "ada@example.com", Text: "t"},
		"broken text":                {To: "ada@example.com", Subject: "s", Text: "\xff"},
		"empty text":                 {To: "ada@example.com", Subject: "s"},
		"SMTP command in an address": {To: "ada@example.com>\r\nRCPT TO:<eve@example.net", Subject: "s", Text: "t"},
	} {
		if err := sender.Send(t.Context(), m); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := fake.Connections(); n != 0 {
		t.Errorf("%d conversations were begun for letters that cannot be sent", n)
	}
}

func TestLineIsOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"Ada":                         "Ada",
		"Ada\r\nBcc: eve@example.net": "Ada Bcc: eve@example.net",
		"a\u202eb\u2066c":             "abc",
		"  much \t space ":            "much space",
		strings.Repeat("x", 100):      strings.Repeat("x", 80) + "…",
		"bad\xffbytes":                "badbytes",
		"عربي 🙂":                      "عربي 🙂",
	} {
		if got := mail.Line(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestRefusesUnusableSettings(t *testing.T) {
	base := mail.Config{Host: "mail.example.com", From: "a@example.com"}
	for name, change := range map[string]func(*mail.Config){
		"mail_from":  func(c *mail.Config) { c.From = "" },
		"mail_tls":   func(c *mail.Config) { c.Security = mail.Loopback },
		"mail_login": func(c *mail.Config) { c.User = "bot" },
		"bad_ca":     func(c *mail.Config) { c.RootCAs = []byte("no certificate") },
	} {
		cfg := base
		change(&cfg)
		if _, err := mail.New(cfg); errs.CodeOf(err) != name || errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := mail.New(mail.Config{})
	if err != nil || s.Configured() {
		t.Errorf("no host: %v, configured %t", err, s.Configured())
	}
	if err := s.Via(&ledger.Memory{}).Send(t.Context(), letter); errs.CodeOf(err) != "no_mail" {
		t.Errorf("no host: %v", err)
	}
}

// TestProbeSendsNothing asks the server who it is.
func TestProbeSendsNothing(t *testing.T) {
	fake := mailtest.Start(t, mailtest.Options{User: "bot", Password: "p"})
	cfg := settings(fake, mail.Implicit)
	cfg.User, cfg.Password = "bot", secret.New("p")
	got, err := server(t, cfg).Probe(t.Context(), &ledger.Memory{})
	if err != nil || got.TLSVersion != "TLS 1.3" || !got.LoggedIn {
		t.Errorf("%+v, %v", got, err)
	}
	if len(fake.Letters()) != 0 {
		t.Error("a letter was sent")
	}
}
