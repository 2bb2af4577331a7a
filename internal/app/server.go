package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/grants"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/members"
	"github.com/metalens/metalens/internal/metrics"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/web"
)

// stopWait is how long jobs may finish after a stop was asked.
const stopWait = 15 * time.Second

// server is the program while it serves pages.
type server struct {
	*core
	listener      net.Listener
	handler       http.Handler
	web           web.Config // of the handler
	auth          *auth.Service
	scans         *scanservice.Service
	runner        *jobs.Runner
	library       *library
	content       *contentPages
	sample        *sample
	outbox        *mail.Outbox
	erasure       *erasure.Service
	resets        resets
	models        models
	agents        agents
	conversations conversations
	demo          bool // on this machine only: no second factor is asked for

	own       *outbound.Listeners // everything this process listens on
	transport transport
	console   console
	figures   *metrics.Set // nil while the console is closed
}

// Serve opens the data directory and answers pages and works on jobs until ctx
// ends.
func Serve(ctx context.Context, env Env, loaded *config.Loaded) error {
	s, err := newServer(ctx, env, loaded.Config, "serve")
	if err != nil {
		return err
	}
	defer func() { _ = s.listener.Close() }()
	if err := s.greet(ctx); err != nil {
		return errors.Join(err, s.shut())
	}
	return s.run(ctx)
}

// shut releases what is not the listener and not the runner's.
func (s *server) shut() error {
	s.library.close()
	s.conversations.close()
	s.models.close()
	s.closeConsole()
	if s.transport.challenge != nil {
		_ = s.transport.challenge.Close() // closed twice when it was served
	}
	return errors.Join(s.sample.close(), s.Close())
}

// newServer wires everything; nothing runs yet.
func newServer(ctx context.Context, env Env, cfg config.Config, command string) (s *server, err error) {
	s = &server{own: &outbound.Listeners{}}
	if err := cfg.CheckTransport(); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	if s.listener, err = lc.Listen(ctx, "tcp", cfg.Server.Listen); err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "listen", "MetaLens cannot listen on "+cfg.Server.Listen+".",
			"Another program may use that port, or the address is not this machine's. Choose another with --listen, for example 127.0.0.1:8301.")
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.listener.Close(), s.shut())
			s = nil
		}
	}()
	s.own.AddListener(s.listener)
	s.demo = command == "demo" && listenerAddr(s.listener).Addr().IsLoopback() && !strings.HasPrefix(cfg.Server.PublicURL, "https:")
	policy := servePolicy(cfg, listenerAddr(s.listener), s.own)
	if s.core, err = open(ctx, env, cfg, coreOptions{command: command, policy: policy}); err != nil {
		return s, err
	}
	if err = s.openTransport(ctx); err != nil {
		return s, err
	}
	cfg = s.config // with the address that the certificate gives
	policy = s.stoppable(policy)
	if err = s.abandon(ctx); err != nil {
		return s, err
	}
	queue, err := jobs.NewQueue(s.store)
	if err != nil {
		return s, err
	}
	scans := scanConfig(env, s.core, s.opener(policy))
	scans.Queue = queue
	if s.scans, err = scanservice.New(scans); err != nil {
		return s, err
	}
	letters, err := mailServer(env, cfg, policy, s.store.KeyID)
	if err != nil {
		return s, err
	}
	s.outbox = mail.NewOutbox(letters, s.store, queue)
	s.resets = resets{s.store, queue, s.outbox, cfg.Server.PublicURL, env.Now}
	s.library = newLibrary(ctx, s.store, sqllineage.New(), s.log)
	s.content = newContentPages(s.library)
	if err = s.openModels(cfg); err != nil {
		return s, err
	}
	if err = s.openAgents(queue); err != nil {
		return s, err
	}
	if err = s.openConversations(); err != nil {
		return s, err
	}
	if err = s.openErasure(); err != nil {
		return s, err
	}
	keep := retention{s.erasure}
	keeper, err := newLedgerKeeper(env, cfg, s.store, s.outbox, policy, s.log)
	if err != nil {
		return s, err
	}
	s.runner, err = jobs.New(jobs.Config{
		Store: s.store, Handlers: slices.Concat(s.warming(s.scans.Handlers()), keeper.handlers(), []jobs.Handler{keep.handler(), keyRotation(s.store), s.outbox.Handler(), s.resets.handler(), s.agents.service.Handler()}),
		Periodic: slices.Concat(s.scans.Periodic(), keeper.periodic(), []jobs.Periodic{keep.periodic(), keyRotations()}), Now: env.Now, Logger: s.log,
	})
	if err != nil {
		return s, err
	}
	if policy.AllowLoopback {
		s.sample = &sample{connections: s.connections, now: env.Now}
	}
	if err = s.pages(cfg); err != nil { //nolint:contextcheck // pages get a context with each request
		return s, err
	}
	return s, s.openConsole(ctx, queue)
}

// pages builds the account service and the handler of all pages.
func (s *server) pages(cfg config.Config) error {
	secure, hosts := s.transport.secure, s.transport.sites
	var err error
	s.auth, err = auth.New(auth.Config{
		Users: users{s.store}, Sessions: sessions{s.store.Sessions(), s.store}, Factors: factors{s.store}, Counters: counters{s.store}, Audit: auditor{store: s.store, outbox: s.outbox},
		Mailer:         accountMail{s.store, s.outbox, cfg.Server.PublicURL},
		AddressesCount: cfg.OIDC.Enabled(),
		MFAOptional:    s.demo, PublicURL: cfg.Server.PublicURL, Secure: secure, Now: s.env.Now, Logger: s.log,
	})
	if err != nil {
		return err
	}
	people, err := members.New(members.Config{
		Store: s.store, Accounts: s.auth, Post: s.outbox, PublicURL: cfg.Server.PublicURL,
		Many: cfg.Server.Organizations == config.ManyOrganizations, Now: s.env.Now, Logger: s.log,
	})
	if err != nil {
		return err
	}
	signOn, err := newSSO(s.env, cfg, s.store, s.stoppable(servePolicy(cfg, listenerAddr(s.listener), s.own)), s.url(), s.log)
	if err != nil {
		return err
	}
	tokens, err := newTokens(s.core, s.secondFactor)
	if err != nil {
		return err
	}
	scans := scanPages{s.store, s.scans, s.library}
	entries := ledgerPages{s.store, s.library, s.dir.Path()}
	history := historyPages{s.store, s.library}
	pages := web.Config{
		Auth: s.auth, Connections: connectionPages{s.connections}, Scans: scans, Changes: scans,
		Findings: findingPages{s.store, s.library, s.env.Now}, Checks: newCheckPages(), Overview: overviewPages{scans}, Status: scans,
		Library: s.library, History: history, Search: history, Duplicates: s.content, Metrics: s.content, Ledger: entries, Audit: entries,
		Privacy: privacyPages{s.erasure, s},
		Members: people, Mail: mailPages{s.outbox, cfg.Mail, cfg.Server.PublicURL}, Forgotten: auth.NewForgotten(s.auth, s.resets),
		Posture: securityPages{s}, Observe: s.observe, SecurityContact: cfg.Security.Contact,
		SignOn: signOn, Tokens: tokens,
		Ready: s.store.Ping, Notice: s.certificateNotice, Hosts: hosts, Loopback: true, Secure: secure, TrustedProxies: cfg.Server.TrustedProxies, OnlyProxies: cfg.Server.BehindProxy, Egress: cfg.Egress.Addresses,
		Now: s.env.Now, Logger: s.log,
	}
	if s.sample != nil {
		pages.Sample = s.sample
	}
	pages.Grants = grants.New(grants.Config{Store: s.store})
	pages.AI, pages.Sensitive = s.models.settings, s.models.settings
	s.assistPages(&pages)
	s.web = pages
	if pages.API, err = s.newAPI(pages, tokens); err != nil {
		return err
	}
	s.handler, err = web.New(pages)
	return err
}

// warming makes the library ready for a connection's pages as soon as a scan of
// it has succeeded, so that no reader waits for that.
func (s *server) warming(handlers []jobs.Handler) []jobs.Handler {
	for i, h := range handlers {
		if h.Kind != scanservice.JobScan {
			continue
		}
		handlers[i].Run = func(ctx context.Context, job jobs.Job) error {
			if err := h.Run(ctx, job); err != nil {
				return err
			}
			s.library.warm(job.Args.Org, job.Args.Connection)
			s.content.warm(job.Args.Org, job.Args.Connection)
			s.agents.afterScan(ctx, job.Args)
			return nil
		}
	}
	return handlers
}

// url is where a person on this machine opens the pages.
func (s *server) url() string {
	addr := listenerAddr(s.listener)
	if s.transport.tls != nil {
		host := "localhost"
		if len(s.transport.sites) > 0 {
			return "https://" + s.transport.sites[0]
		}
		return "https://" + hostPort(host, addr.Port(), 443)
	}
	if addr.Addr().IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", addr.Port())
	}
	return "http://" + addr.String()
}

// greet says where the pages are and, on the first run, how to claim them.
func (s *server) greet(ctx context.Context) error {
	s.env.Say("MetaLens serves %s", s.url())
	if public := s.config.Server.PublicURL; public != "" {
		s.env.Say("  people use %s", public)
	}
	if t := s.transport.tls; t != nil {
		st := t.Status()
		switch {
		case st.NotAfter.IsZero():
			s.env.Say("  TLS 1.3, with a certificate for %s from %s", strings.Join(st.Names, ", "), s.config.ACME.Directory)
		default:
			s.env.Say("  TLS 1.3, with a certificate for %s until %s", strings.Join(st.Names, ", "), st.NotAfter.UTC().Format(time.DateOnly))
		}
		if warning := st.Warning(s.env.Now()); warning != "" {
			s.env.Say("  warning: %s", warning)
		}
	}
	needs, err := s.auth.NeedsSetup(ctx)
	if err != nil {
		return err
	}
	if needs {
		s.env.Say("  First run: open %s/setup?token=%s to make the owner's account", s.url(), url.QueryEscape(s.auth.SetupToken()))
	}
	if at := s.consoleURL(); at != "" {
		s.env.Say("  Operator console: %s", at)
	}
	s.env.Say("  Data: %s", s.dir.Path())
	return nil
}

// run serves until ctx ends, then drains: pages first, then jobs.
func (s *server) run(ctx context.Context) error {
	if err := s.sample.resume(ctx, s.core); err != nil {
		s.log.WarnContext(ctx, "the sample Metabase could not be started again", slog.String("error", err.Error()))
	}
	// Jobs are stopped in order below, not by the end of ctx.
	if err := s.runner.Start(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(err, s.shut())
	}
	if s.env.Serving != nil {
		s.env.Serving(s.url())
	}
	kept, end := context.WithCancel(context.WithoutCancel(ctx)) // challenges are answered while requests are drained
	wait := s.keepTransport(kept)
	o := web.ServeOptions{PerAddress: s.config.Server.PerAddress, Uncounted: s.config.Server.TrustedProxies, Logger: s.log}
	if s.transport.tls != nil {
		o.TLS = s.transport.tls.TLSConfig()
	}
	follow, stopFollowing := context.WithCancel(context.WithoutCancel(ctx))
	go s.live.Follow(follow, s.store, s.log)
	stopWatching := s.watchDeletions(context.WithoutCancel(ctx))
	consoleEnd := s.serveConsole(ctx)
	err := web.Serve(ctx, s.listener, s.handler, o)
	err = errors.Join(err, consoleEnd())
	stopFollowing()
	stopWatching()
	end()
	wait()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	return errors.Join(err, s.runner.Stop(stop), s.shut())
}

func listenerAddr(l net.Listener) netip.AddrPort {
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		return netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), tcp.AddrPort().Port())
	}
	return netip.AddrPort{}
}
