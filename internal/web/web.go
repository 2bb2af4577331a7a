// Package web is the browser's side of MetaLens: routes, middleware, and the
// server that carries them. Pages live in one package per feature below it.
//
// It reads and changes things only through the services of its [Config]; it
// knows no database and no Metabase.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/account"
	"github.com/metalens/metalens/internal/web/aisettings"
	"github.com/metalens/metalens/internal/web/assets"
	"github.com/metalens/metalens/internal/web/audit"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/chat"
	"github.com/metalens/metalens/internal/web/connections"
	"github.com/metalens/metalens/internal/web/duplicates"
	"github.com/metalens/metalens/internal/web/egress"
	"github.com/metalens/metalens/internal/web/findings"
	"github.com/metalens/metalens/internal/web/grants"
	"github.com/metalens/metalens/internal/web/metrics"
	"github.com/metalens/metalens/internal/web/overview"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/privacy"
	"github.com/metalens/metalens/internal/web/scans"
	"github.com/metalens/metalens/internal/web/security"
	"github.com/metalens/metalens/internal/web/sensitive"
	"github.com/metalens/metalens/internal/web/settings"
	"github.com/metalens/metalens/internal/web/setup"
	"github.com/metalens/metalens/internal/web/signin"
	"github.com/metalens/metalens/internal/web/tokens"
)

// Config is what the pages need. Fields are required unless they say otherwise.
type Config struct {
	Auth        *auth.Service
	Connections connections.Service
	Scans       scans.Service
	Changes     scans.History
	Findings    findings.Service
	Checks      findings.Checks
	Overview    overview.Service
	Status      page.Status
	Library     browse.Library
	History     browse.History
	Search      browse.Search
	Duplicates  duplicates.Service
	Metrics     metrics.Service
	Ledger      egress.Ledger
	Audit       audit.Log
	Grants      grants.Service    // nil: members see everything
	Members     settings.Members  // nil: no settings, one person
	Mail        settings.Mail     // needed with Members
	Forgotten   account.Forgotten // needed with Members
	Posture     security.Service
	SignOn      signin.Service     // nil: no single sign-on
	Tokens      tokens.Service     // nil: no access tokens
	API         http.Handler       // nil: no API; else it answers everything below /api/
	Privacy     privacy.Service    // nil: no pages of retention, deletion and export
	Sample      setup.Sample       // nil: the sample company is not offered
	AI          aisettings.Service // nil: no page about models
	Sensitive   sensitive.Service  // nil: no pages of sensitive columns
	Chat        chat.Service       // nil: no chats
	Assist      *Assist            // nil: no agents

	// SecurityContact takes reports about this deployment (mailto: or https:), for
	// security.txt; empty: the makers of MetaLens do.
	SecurityContact string
	// Ready answers the readiness probe; nil is always ready.
	Ready func(context.Context) error
	// Hosts are the host names (with a port where it is not the scheme's own)
	// under which the pages may be asked, beside loopback names when Loopback
	// is set. A request for any other host is refused, so that a page elsewhere
	// cannot reach a local MetaLens through a name of its own.
	Hosts []string
	// Loopback allows localhost, 127.0.0.1 and [::1] with any port.
	Loopback bool
	// Secure says that browsers reach the pages over TLS, here or at a proxy.
	Secure bool
	// TrustedProxies may state the caller's address in X-Forwarded-For.
	TrustedProxies []netip.Prefix
	// Egress are the addresses that others see MetaLens come from; empty where
	// they are not fixed.
	Egress []netip.Addr
	// OnlyProxies answers trusted proxies and loopback only: TLS is taken off by
	// a proxy, so nobody else may come in plain text. Probes are answered to all.
	OnlyProxies bool
	// Notice is a line for the readiness page about what needs attention soon, or
	// an error about what keeps browsers out; nil = none.
	Notice func() (string, error)

	// Observe counts a request by area, method and status; nil: nobody counts.
	Observe func(area, method string, status int, took time.Duration)

	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil = none
}

func (c *Config) validate() error {
	missing := func(what string) error { return errors.New("web: Config." + what + " is missing") }
	switch {
	case c.Auth == nil:
		return missing("Auth")
	case c.Connections == nil:
		return missing("Connections")
	case c.Scans == nil:
		return missing("Scans")
	case c.Changes == nil:
		return missing("Changes")
	case c.Findings == nil:
		return missing("Findings")
	case c.Checks == nil:
		return missing("Checks")
	case c.Overview == nil:
		return missing("Overview")
	case c.Status == nil:
		return missing("Status")
	case c.Library == nil:
		return missing("Library")
	case c.History == nil:
		return missing("History")
	case c.Search == nil:
		return missing("Search")
	case c.Duplicates == nil:
		return missing("Duplicates")
	case c.Metrics == nil:
		return missing("Metrics")
	case c.Ledger == nil:
		return missing("Ledger")
	case c.Audit == nil:
		return missing("Audit")
	case c.Posture == nil:
		return missing("Posture")
	case c.Members != nil && c.Mail == nil:
		return missing("Mail")
	case c.Members != nil && c.Forgotten == nil:
		return missing("Forgotten")
	case !c.Loopback && len(c.Hosts) == 0:
		return errors.New("web: Config.Hosts is empty and Loopback is off: no request could be answered")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Notice == nil {
		c.Notice = func() (string, error) { return "", nil }
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	return nil
}

// New returns the handler of all pages, middleware included.
func New(cfg Config) (http.Handler, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	files, err := assets.Load()
	if err != nil {
		return nil, err
	}
	var organizations func(context.Context) ([]store.Organization, error)
	if cfg.Members != nil {
		organizations = cfg.Members.Mine
	}
	site := page.NewSite(page.Config{
		Organizations: organizations,
		Auth:          cfg.Auth, Connections: cfg.Connections, Status: cfg.Status, Assets: files,
		Now: cfg.Now, Logger: cfg.Logger, Secure: cfg.Secure, Chat: cfg.Chat != nil,
		ClientAddr: func(r *http.Request) netip.Addr { return clientAddr(r, cfg.TrustedProxies) },
	})
	mux := http.NewServeMux()
	site.Forms(patterns(routes(cfg)))
	for _, r := range routes(cfg) {
		mux.Handle(r.Pattern, site.Handler(r.Access, r.Func))
	}
	return protect(cfg, site, mux, files.Handler()), nil
}
