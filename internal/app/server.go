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
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/web"
)

// stopWait is how long jobs may finish after a stop was asked.
const stopWait = 15 * time.Second

// server is the program while it serves pages.
type server struct {
	*core
	listener net.Listener
	handler  http.Handler
	auth     *auth.Service
	scans    *scanservice.Service
	runner   *jobs.Runner
	library  *library
	content  *contentPages
	sample   *sample
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
	return errors.Join(s.sample.close(), s.Close())
}

// newServer wires everything; nothing runs yet.
func newServer(ctx context.Context, env Env, cfg config.Config, command string) (s *server, err error) {
	s = &server{}
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
	policy := servePolicy(cfg, listenerAddr(s.listener))
	if s.core, err = open(ctx, env, cfg, coreOptions{command: command, policy: policy}); err != nil {
		return s, err
	}
	if err = s.abandon(ctx); err != nil {
		return s, err
	}
	queue, err := jobs.NewQueue(s.store)
	if err != nil {
		return s, err
	}
	scans := scanConfig(env, s.core, opener(env, cfg, policy, s.log))
	scans.Queue = queue
	if s.scans, err = scanservice.New(scans); err != nil {
		return s, err
	}
	s.library = newLibrary(ctx, s.store, sqllineage.New(), s.log)
	s.content = newContentPages(s.library)
	keep := retention{s.store, env.Now, s.log}
	s.runner, err = jobs.New(jobs.Config{
		Store: s.store, Handlers: append(s.warming(s.scans.Handlers()), keep.handler()), Periodic: append(s.scans.Periodic(), keep.periodic()),
		Now: env.Now, Logger: s.log,
	})
	if err != nil {
		return s, err
	}
	if policy.AllowLoopback {
		s.sample = &sample{connections: s.connections, now: env.Now}
	}
	err = s.pages(cfg) //nolint:contextcheck // pages get a context with each request
	return s, err
}

// pages builds the account service and the handler of all pages.
func (s *server) pages(cfg config.Config) error {
	secure := false
	hosts := []string{}
	if cfg.Server.PublicURL != "" {
		u, err := url.Parse(cfg.Server.PublicURL)
		if err != nil {
			return fmt.Errorf("public address: %w", err)
		}
		secure = u.Scheme == "https"
		hosts = append(hosts, u.Host)
	}
	var err error
	s.auth, err = auth.New(auth.Config{
		Users: users{s.store}, Sessions: sessions{s.store.Sessions(), s.store}, Audit: auditor{s.store}, Secure: secure, Now: s.env.Now, Logger: s.log,
	})
	if err != nil {
		return err
	}
	scans := scanPages{s.store, s.scans, s.library}
	history := historyPages{s.store, s.library}
	pages := web.Config{
		Auth: s.auth, Connections: connectionPages{s.connections}, Scans: scans, Changes: scans,
		Findings: findingPages{s.store, s.library, s.env.Now}, Checks: newCheckPages(), Overview: overviewPages{scans}, Status: scans,
		Library: s.library, History: history, Search: history, Duplicates: s.content, Metrics: s.content, Ledger: ledgerPages{s.store, s.library},
		Ready: s.store.Ping, Hosts: hosts, Loopback: true, Secure: secure, TrustedProxies: cfg.Server.TrustedProxies,
		Now: s.env.Now, Logger: s.log,
	}
	if s.sample != nil {
		pages.Sample = s.sample
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
			return nil
		}
	}
	return handlers
}

// url is where a person on this machine opens the pages.
func (s *server) url() string {
	addr := listenerAddr(s.listener)
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
	} else if addr := listenerAddr(s.listener).Addr(); !addr.IsLoopback() {
		s.env.Say("  It listens beyond this machine without TLS, and answers only requests for localhost.")
		s.env.Say("  Put a reverse proxy with TLS in front and name its address with --public-url.")
	}
	needs, err := s.auth.NeedsSetup(ctx)
	if err != nil {
		return err
	}
	if needs {
		s.env.Say("  First run: open %s/setup?token=%s to make the owner's account", s.url(), url.QueryEscape(s.auth.SetupToken()))
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
	err := web.Serve(ctx, s.listener, s.handler, web.ServeOptions{})
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
