// Package scanservice runs scans for the command line and the server alike:
// queued or at once, with live progress, cancellation, resume, analysis and one
// atomic commit, so that half a scan is never visible.
package scanservice

import (
	"context"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Config are the service's dependencies.
type Config struct {
	Connections *connection.Service
	Now         func() time.Time
	Logger      *slog.Logger
}

// Service runs scans. It is safe for concurrent use.
type Service struct{ config Config }

// New returns a service.
func New(config Config) (*Service, error) { return &Service{config: config}, nil }

// Request asks for a scan of a stored connection.
type Request struct {
	Connection    store.ConnectionID
	Trigger       string       // "manual", "schedule", "cli"
	RequestedBy   store.UserID // empty for schedule and CLI
	RefreshSchema bool         // read every schema again
	// Exclude and NoDashboardDetail add to the connection's own options, for
	// this scan only.
	Exclude           []string
	NoDashboardDetail bool
}

// Outcome is everything a report needs of a finished scan.
type Outcome struct {
	Scan     store.Scan // zero id for stateless runs
	Snapshot *catalog.Snapshot
	Changes  []store.Change
	// NewFindings are the fingerprints that the scan before did not have; nil
	// when there was none before.
	NewFindings map[string]bool
	Open        []finding.Finding
}

// Target is a Metabase that is read without a stored connection.
type Target struct {
	URL        string
	Auth       store.AuthKind
	Credential secret.Value
	Options    store.ConnectionOptions
}

func notReady() error { return errs.New(errs.Internal, "not_ready", "This part is not built yet.", "") }

// Start queues a scan and returns it. When one is queued or running already,
// that one is returned with started false.
func (s *Service) Start(ctx context.Context, org store.OrgID, r Request) (scan store.Scan, started bool, err error) {
	return store.Scan{}, false, notReady()
}

// Run executes a queued scan to its end; it is what the job worker calls.
func (s *Service) Run(ctx context.Context, org store.OrgID, id store.ScanID) error { return notReady() }

// RunDirect scans a stored connection in this process and returns the result.
func (s *Service) RunDirect(ctx context.Context, org store.OrgID, r Request, progress func(store.ScanProgress)) (*Outcome, error) {
	return nil, notReady()
}

// Stateless scans without reading or writing a store.
func (s *Service) Stateless(ctx context.Context, t Target, progress func(store.ScanProgress)) (*Outcome, error) {
	return nil, notReady()
}

// Export reads a serialization or remote-sync folder. With a connection the
// result is kept as a scan of it.
func (s *Service) Export(ctx context.Context, dir string, progress func(store.ScanProgress)) (*Outcome, error) {
	return nil, notReady()
}

// Cancel stops a queued or running scan within seconds, wherever it runs.
func (s *Service) Cancel(ctx context.Context, org store.OrgID, id store.ScanID) error {
	return notReady()
}

// Subscribe sends the scan whenever it moved, until it ended or ctx does; then
// the channel is closed. Slow receivers miss steps, never the end.
func (s *Service) Subscribe(ctx context.Context, org store.OrgID, id store.ScanID) (<-chan store.Scan, error) {
	return nil, notReady()
}

// Tick queues the scans that are due and returns how many; the server calls it
// every minute.
func (s *Service) Tick(ctx context.Context) (int, error) { return 0, notReady() }
