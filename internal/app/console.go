package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/metrics"
	"github.com/metalens/metalens/internal/operator"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web"
)

// console is the operator's listener while the server runs; the zero value is
// closed.
type console struct {
	listener net.Listener
	handler  http.Handler
	secure   bool
}

// openConsole opens the operator console where an operator exists.
func (s *server) openConsole(ctx context.Context, queue *jobs.Queue) error {
	cfg := s.config.Operator
	var known []store.User
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		known, err = tx.Operators(ctx)
		return err
	})
	if err != nil || cfg.Listen == "" || len(known) == 0 || s.demo {
		return err
	}
	c := &s.console
	var lc net.ListenConfig
	if c.listener, err = lc.Listen(ctx, "tcp", cfg.Listen); err != nil {
		return errs.Wrap(err, errs.Invalid, "listen", "MetaLens cannot listen on "+cfg.Listen+" for the operator console.",
			"Another program may use that port. Choose another with operator.listen.")
	}
	s.own.AddListener(c.listener)
	addr := listenerAddr(c.listener)
	c.secure = !addr.Addr().IsLoopback()
	if c.secure && s.transport.tls == nil {
		return errs.New(errs.Invalid, "console_plain", "The operator console would listen on "+cfg.Listen+" without TLS.",
			"Keep it on loopback (operator.listen=127.0.0.1:8310) and reach it through a tunnel, or give the server a certificate (tls.cert_file).")
	}
	public, hosts := cfg.PublicURL, []string{}
	if public != "" {
		u, err := url.Parse(public)
		if err != nil {
			return fmt.Errorf("the console's address: %w", err)
		}
		c.secure = c.secure || u.Scheme == "https"
		hosts = append(hosts, u.Host)
	} else if c.secure {
		for _, name := range s.transport.tls.Status().Names {
			hosts = append(hosts, hostPort(name, addr.Port(), 443))
		}
	}
	service, err := operator.New(operator.Config{
		Store: s.store, Queue: queue, Live: s.live, Keys: s.keyState, Disk: func() (operator.Disk, error) { return diskOf(s.dir.Path()) },
		Now: s.env.Now, Logger: s.log, Since: s.env.Now(), Config: s.settingsShown,
	})
	if err != nil {
		return err
	}
	s.figures = metrics.New(metrics.Config{Version: Version, Read: func(ctx context.Context) ([]metrics.Gauge, error) { return gauges(ctx, service) }, Logger: s.log})
	accounts, err := s.operatorAuth(auth.Config{PublicURL: public, Secure: c.secure}) //nolint:contextcheck // only makes the service
	if err != nil {
		return err
	}
	c.handler, err = web.NewOperator(web.OperatorConfig{
		Auth: accounts, Service: service, Logs: installationLogs{s.store, s.config}, Metrics: s.figures.Handler(), MetricsToken: cfg.MetricsToken, Version: VersionText(),
		Ready: s.store.Ping, Hosts: hosts, Loopback: addr.Addr().IsLoopback(), Secure: c.secure,
		TrustedProxies: s.config.Server.TrustedProxies, Now: s.env.Now, Logger: s.log,
	})
	return err
}

// observe counts a request of the pages, where somebody reads the figures.
func (s *server) observe(area, method string, status int, took time.Duration) {
	if s.figures != nil {
		s.figures.Observe(area, method, status, took)
	}
}

// serveConsole answers operators until ctx ends; the returned function waits.
func (s *server) serveConsole(ctx context.Context) (wait func() error) {
	if s.console.handler == nil {
		return func() error { return nil }
	}
	o := web.ServeOptions{Logger: s.log}
	if s.console.secure && s.transport.tls != nil {
		o.TLS = s.transport.tls.TLSConfig()
	}
	done := make(chan error, 1)
	go func() { done <- web.Serve(ctx, s.console.listener, s.console.handler, o) }()
	return func() error { return <-done }
}

func (s *server) closeConsole() {
	if s.console.listener != nil {
		_ = s.console.listener.Close() // closed twice when it was served
	}
}

// consoleURL is where operators open the console; empty while it is closed.
func (s *server) consoleURL() string {
	if s.console.handler == nil {
		return ""
	}
	if s.config.Operator.PublicURL != "" {
		return s.config.Operator.PublicURL
	}
	addr := listenerAddr(s.console.listener)
	scheme := "http"
	if s.console.secure {
		scheme = "https"
	}
	if addr.Addr() == netip.IPv4Unspecified() || addr.Addr() == netip.IPv6Unspecified() {
		return fmt.Sprintf("%s://localhost:%d", scheme, addr.Port())
	}
	return scheme + "://" + addr.String()
}

// settingsShown lists the settings with secrets hidden.
func (s *server) settingsShown() [][2]string {
	var list [][2]string
	for _, k := range config.Keys() {
		list = append(list, [2]string{k.Name, k.ShowIn(&s.config)})
	}
	return list
}

// gauges are the figures that are read from the database for Prometheus. It is
// asked once a minute at most; see [metrics.Config].
func gauges(ctx context.Context, service *operator.Service) ([]metrics.Gauge, error) {
	ctx = access.AsSystem(ctx)
	orgs, err := service.Organizations(ctx)
	if err != nil {
		return nil, err
	}
	_, counts, err := service.Jobs(ctx, 0)
	if err != nil {
		return nil, err
	}
	size, disk, err := service.Size(ctx)
	if err != nil {
		return nil, err
	}
	var sum struct{ members, connections, scans, failed, assets, findings int }
	for _, o := range orgs {
		sum.members += o.Members
		sum.connections += o.Connections
		sum.scans += o.Scans
		sum.failed += o.FailedScans7
		sum.assets += o.Assets
		sum.findings += o.Findings
	}
	list := []metrics.Gauge{
		{Name: "organizations", Help: "Organizations.", Value: float64(len(orgs))},
		{Name: "members", Help: "Memberships in organizations.", Value: float64(sum.members)},
		{Name: "connections", Help: "Connections to a Metabase.", Value: float64(sum.connections)},
		{Name: "scans_kept", Help: "Succeeded scans that are kept.", Value: float64(sum.scans)},
		{Name: "scans_failed_7d", Help: "Scans that failed within seven days.", Value: float64(sum.failed)},
		{Name: "assets", Help: "Assets of the newest scans.", Value: float64(sum.assets)},
		{Name: "findings_open", Help: "Open findings.", Value: float64(sum.findings)},
		{Name: "database_bytes", Help: "Size of the database in bytes.", Value: float64(size)},
	}
	if disk != nil {
		list = append(list, metrics.Gauge{Name: "disk_free_bytes", Help: "Free bytes on the disk of the data directory.", Value: float64(disk.Free)})
	}
	for _, c := range counts {
		list = append(list, metrics.Gauge{Name: "jobs", Help: "Jobs that the queue remembers, by kind and state.", Labels: map[string]string{"kind": string(c.Kind), "state": string(c.State)}, Value: float64(c.Count)})
	}
	return list, nil
}

// keyState says where the master key comes from.
func (s *server) keyState() operator.KeyState {
	k := operator.KeyState{Mode: string(s.keySource.Mode()), Where: s.keySource.Place(), Single: s.keySource.Mode() == keys.ModeKeyFile}
	for i, id := range s.store.MasterIDs() {
		if i == 0 {
			k.Primary = fmt.Sprint(id)
		}
		k.IDs = append(k.IDs, fmt.Sprint(id))
	}
	return k
}
