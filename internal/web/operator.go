package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/account"
	"github.com/metalens/metalens/internal/web/assets"
	"github.com/metalens/metalens/internal/web/audit"
	"github.com/metalens/metalens/internal/web/console"
	"github.com/metalens/metalens/internal/web/egress"
	"github.com/metalens/metalens/internal/web/page"
)

// OperatorConfig is what the operator console needs. Fields are required unless
// they say otherwise.
type OperatorConfig struct {
	Auth    *auth.Service // of operators' accounts, never the members'
	Service console.Service
	Logs    console.Logs
	Metrics http.Handler
	// MetricsToken lets a scraper read the metrics without a log-in; zero: only
	// operators may.
	MetricsToken secret.Value
	Version      string

	Ready          func(context.Context) error // nil is always ready
	Hosts          []string                    // as in [Config]
	Loopback       bool                        // as in [Config]
	Secure         bool                        // as in [Config]
	TrustedProxies []netip.Prefix

	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil = none
}

// NewOperator returns the handler of the operator console, middleware included.
// It knows no connection and no content.
func NewOperator(cfg OperatorConfig) (http.Handler, error) {
	if cfg.Auth == nil || cfg.Service == nil || cfg.Logs == nil || cfg.Metrics == nil {
		return nil, errors.New("web: OperatorConfig lacks Auth, Service, Logs or Metrics")
	}
	inner := Config{
		Auth: cfg.Auth, Hosts: cfg.Hosts, Loopback: cfg.Loopback, Secure: cfg.Secure, TrustedProxies: cfg.TrustedProxies,
		Ready: cfg.Ready, Now: cfg.Now, Logger: cfg.Logger,
	}
	if inner.Now == nil {
		inner.Now = time.Now
	}
	if inner.Logger == nil {
		inner.Logger = slog.New(slog.DiscardHandler)
	}
	if inner.Ready == nil {
		inner.Ready = func(context.Context) error { return nil }
	}
	files, err := assets.Load()
	if err != nil {
		return nil, err
	}
	site := page.NewSite(page.Config{
		Auth: cfg.Auth, Connections: noConnections{}, Status: noConnections{}, Assets: files, Now: inner.Now, Logger: inner.Logger,
		Secure: cfg.Secure, ClientAddr: func(r *http.Request) netip.Addr { return clientAddr(r, cfg.TrustedProxies) }, Menu: console.Menu(),
	})
	mux := http.NewServeMux()
	for _, r := range operatorRoutes(cfg) {
		mux.Handle(r.Pattern, site.Handler(r.Access, r.Func))
	}
	mux.Handle("GET /metrics", metricsFor(cfg, site))
	return protect(inner, site, mux, files.Handler()), nil
}

// operatorRoutes is the table of the console's pages. Every one but the log-in
// wants an operator with a second factor.
func operatorRoutes(cfg OperatorConfig) []route {
	me := account.New(cfg.Auth)
	h := console.New(cfg.Service, cfg.Logs, cfg.Version)
	left, deeds := egress.NewInstallation(cfg.Logs), audit.NewInstallation(cfg.Logs)
	profile := func(f http.HandlerFunc) page.Func {
		return func(q *page.Request) error {
			f(q.W, q.R)
			return nil
		}
	}
	return append(accountRoutes(me), []route{
		{"POST /theme", page.Public, theme(cfg.Secure)},
		{"GET /{$}", page.Owner, h.State},
		{"GET /organizations", page.Owner, h.Organizations},
		{"GET /jobs", page.Owner, h.Jobs},
		{"POST /jobs/{job}/cancel", page.Owner, h.CancelJob},
		{"POST /jobs/{job}/retry", page.Owner, h.RetryJob},
		{"GET /storage", page.Owner, h.Storage},
		{"GET /retention", page.Owner, h.Retention},
		{"GET /controls", page.Owner, h.Controls},
		{"POST /controls/log-level", page.Owner, h.SetLogLevel},
		{"POST /controls/stop", page.Owner, h.StopTraffic},
		{"POST /controls/allow", page.Owner, h.AllowTraffic},
		{"GET /egress", page.Owner, left.List},
		{"GET /egress.csv", page.Owner, left.CSV},
		{"GET /egress.jsonl", page.Owner, left.JSONL},
		{"GET /egress/{row}", page.Owner, left.Show},
		{"POST /egress/{row}/payload", page.Owner, left.Payload},
		{"GET /audit", page.Owner, deeds.List},
		{"GET /audit.csv", page.Owner, deeds.CSV},
		{"GET /audit.jsonl", page.Owner, deeds.JSONL},
		{"POST /logs/verify", page.Owner, h.VerifyLogs},
		{"GET /operators", page.Owner, h.Operators},
		{"POST /operators/{operator}/remove", page.Owner | page.Fresh, h.RemoveOperator},
		{"GET /debug/pprof/{$}", page.Owner, profile(pprof.Index)},
		{"GET /debug/pprof/profile", page.Owner, profile(pprof.Profile)},
		{"GET /debug/pprof/trace", page.Owner, profile(pprof.Trace)},
		{"GET /debug/pprof/symbol", page.Owner, profile(pprof.Symbol)},
		{"GET /debug/pprof/{name}", page.Owner, func(q *page.Request) error {
			pprof.Handler(q.R.PathValue("name")).ServeHTTP(q.W, q.R)
			return nil
		}},
	}...)
}

// metricsFor lets a scraper with the token in, and operators.
func metricsFor(cfg OperatorConfig, site *page.Site) http.Handler {
	operators := site.Handler(page.Owner, func(q *page.Request) error {
		cfg.Metrics.ServeHTTP(q.W, q.R)
		return nil
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("Authorization")
		if given == "" || cfg.MetricsToken.IsZero() {
			operators.ServeHTTP(w, r)
			return
		}
		token, bearer := strings.CutPrefix(given, "Bearer ")
		if !bearer || !cfg.MetricsToken.Equal(secret.New(token)) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="metrics"`)
			plain(w, http.StatusUnauthorized, "The token does not match the setting operator.metrics_token.")
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		cfg.Metrics.ServeHTTP(w, r)
	})
}

// noConnections is what the frame finds on the console.
type noConnections struct{}

func (noConnections) Connections(context.Context, store.OrgID) ([]store.Connection, error) {
	return nil, nil
}

func (noConnections) Connection(context.Context, store.OrgID, store.ConnectionID) (store.Connection, error) {
	return store.Connection{}, errs.New(errs.NotFound, "no_connection", "The console shows no connections.", "")
}

func (noConnections) OpenFindings(context.Context, store.OrgID, store.ConnectionID) (n int, ok bool, err error) {
	return 0, false, nil
}

func (noConnections) RunningScan(context.Context, store.OrgID, store.ConnectionID) (*store.Scan, error) {
	return nil, nil
}
