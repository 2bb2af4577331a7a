package app

import (
	"context"
	"os"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/settings"
)

// mailServer is the mail server of the settings, reached under a policy that is
// widened: whoever writes the settings names the server, so it may have a private
// address unless those are forbidden outright.
func mailServer(env Env, cfg config.Config, policy outbound.Policy, keyID keyNamer) (*mail.Server, error) {
	allow := cfg.Outbound.AllowPrivate != config.No
	policy.AllowLoopback, policy.AllowPrivate = allow || cfg.Mail.TLS == string(mail.Loopback), allow
	c := mail.Config{
		Host: cfg.Mail.Host, Port: cfg.Mail.Port, Security: mail.Security(cfg.Mail.TLS), MinTLS12: cfg.Mail.TLS12,
		User: cfg.Mail.User, Password: cfg.Mail.Password, From: cfg.Mail.From, Policy: policy, Now: env.Now,
		KeyID: keyID.of("smtp-password", cfg.Mail.Password),
	}
	if cfg.Mail.CAFile != "" && cfg.Mail.Host != "" {
		pem, err := os.ReadFile(cfg.Mail.CAFile)
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "mail_ca", "The file "+cfg.Mail.CAFile+" (mail.ca_file) cannot be read.", "Check the path and its permissions.")
		}
		c.RootCAs = pem
	}
	return mail.New(c)
}

// letters queues what commands have to say by mail; the server delivers it.
func (c *core) letters() (*mail.Outbox, error) {
	s, err := mailServer(c.env, c.config, ownPolicy(c.config), c.store.KeyID)
	if err != nil {
		return nil, err
	}
	queue, err := jobs.NewQueue(c.store)
	if err != nil {
		return nil, err
	}
	return mail.NewOutbox(s, c.store, queue), nil
}

// mailPages implements [settings.Mail].
type mailPages struct {
	outbox    *mail.Outbox
	config    config.Mail
	publicURL string
}

func (p mailPages) Status() settings.MailStatus {
	s := p.outbox.Server()
	return settings.MailStatus{
		Configured: p.outbox.Configured(), Server: s.Address(), Security: string(s.Security()), From: s.From(),
		Login: p.config.User != "", TLS12: p.config.TLS12, PublicURL: p.publicURL,
	}
}

func (p mailPages) Test(ctx context.Context, org store.OrgID, to string) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	return p.outbox.SendFor(ctx, org, mail.Message{
		To: to, Subject: "Test mail of MetaLens",
		Text: "This is the test mail that you asked for on the settings page.\n\nMail works.\n",
	})
}

// mailServer asks the mail server of the settings who it is; no letter is sent.
func (x *examination) mailServer(ctx context.Context, cfg config.Config, offline bool) {
	s, err := mailServer(x.env, cfg, ownPolicy(cfg), nil)
	switch {
	case err != nil:
		x.fail(err)
		return
	case !s.Configured():
		return
	case cfg.Server.PublicURL == "":
		x.warn("Mail is set up and server.public_url is not, so letters carry no links.", "Set server.public_url to the address that people use.")
	}
	if offline {
		x.ok("mail server %s (not asked)", s.Address())
		return
	}
	found, err := s.Probe(ctx, &ledger.Memory{})
	if err != nil {
		x.fail(err)
		return
	}
	how := "without TLS"
	if found.TLSVersion != "" {
		how = found.TLSVersion
	}
	if found.LoggedIn {
		how += ", login accepted"
	}
	x.ok("mail server %s answers (%s); no mail was sent", s.Address(), how)
}
