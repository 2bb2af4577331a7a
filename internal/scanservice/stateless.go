package scanservice

import (
	"context"
	"errors"
	"fmt"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/scan"
	"github.com/metalens/metalens/internal/store"
)

// Stateless scans without reading or writing a store. Every dashboard is read
// in detail, which Metabase counts as views.
func (s *Service) Stateless(ctx context.Context, t Target, progress func(store.ScanProgress)) (*Outcome, error) {
	if err := access.RequireSystem(ctx); err != nil {
		return nil, err
	}
	c, err := connection.Check(connection.Draft{URL: t.URL, Auth: t.Auth, Credential: t.Credential, Options: t.Options})
	if err != nil {
		return nil, err
	}
	source, err := s.config.Open(c, t.secrets(), &ledger.Memory{})
	if err != nil {
		return nil, err
	}
	defer source.Close()
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	concurrency := c.Options.Concurrency
	if concurrency == 0 {
		concurrency = s.config.Opener.Concurrency
	}
	snapshot, err := scan.Read(ctx, source, scan.Options{
		Progress: progress, ExcludedCollections: c.Options.ExcludedCollections, IncludePersonal: c.Options.IncludePersonal,
		NoDashboardDetail: c.Options.NoDashboardDetail, RefreshSchema: t.RefreshSchema, Concurrency: concurrency, Now: s.config.Now, Logger: s.config.Logger,
	})
	if err != nil {
		return nil, err
	}
	return s.outcome(ctx, snapshot, c.Options, check.Observed{}, nil, s.config.SQL)
}

// ExportRequest asks for a report on a serialization or remote-sync folder.
type ExportRequest struct {
	Dir     string
	Options store.ConnectionOptions // check settings and exclusions
	// Org and Connection keep the result as a scan of a connection of its own;
	// without them nothing is stored.
	Org        store.OrgID
	Connection store.ConnectionID
}

// Export reads a folder of YAML files, analyses it, and stores the result where
// the request names a connection.
func (s *Service) Export(ctx context.Context, r ExportRequest, progress func(store.ScanProgress)) (*Outcome, error) {
	if err := access.RequireSystem(ctx); err != nil {
		return nil, err
	}
	if s.config.ReadExport == nil {
		return nil, errs.New(errs.Internal, "no_export", "Export folders cannot be read here.", "")
	}
	show := func(state string, n int) {
		if progress != nil {
			progress(store.ScanProgress{Steps: []store.StepProgress{{Name: "export", Title: "Export folder", State: state, Done: n}}})
		}
	}
	show("running", 0)
	snapshot, err := s.config.ReadExport(ctx, r.Dir)
	if err != nil {
		show("failed", 0)
		return nil, err
	}
	snapshot = scan.Exclude(snapshot, r.Options.ExcludedCollections, r.Options.IncludePersonal)
	n := 0
	for range snapshot.All() {
		n++
	}
	show("done", n)
	if r.Connection == "" {
		return s.outcome(ctx, snapshot, r.Options, check.Observed{}, nil, s.config.SQL)
	}
	return s.keepExport(ctx, r, snapshot)
}

// keepExport stores an imported snapshot as a scan.
func (s *Service) keepExport(ctx context.Context, r ExportRequest, snapshot *catalog.Snapshot) (*Outcome, error) {
	now := s.config.Now().UTC()
	j := &job{org: r.Org, open: map[string]bool{}, ignored: map[string]bool{}}
	err := s.config.Store.InOrg(ctx, r.Org, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.AbandonStale(ctx, now.Add(-staleAfter)); err != nil {
			return err
		}
		added, fresh, err := s.insert(ctx, tx, Request{Connection: r.Connection, Trigger: TriggerCLI}, now)
		if err != nil {
			return err
		}
		if !fresh {
			return errs.New(errs.Conflict, "scan_running", "A scan of this connection is under way already.", "Wait until it has ended, or cancel it.")
		}
		j.scan = added
		if err := tx.StartScan(ctx, added.ID, now); err != nil {
			return err
		}
		if j.connection, err = tx.Connection(ctx, r.Connection); err != nil {
			return err
		}
		if j.latest, err = tx.LatestScan(ctx, r.Connection); err != nil {
			if errs.KindOf(err) == errs.NotFound {
				return nil
			}
			return err
		}
		return j.findings(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("keep export: %w", err)
	}
	j.connection.Options = r.Options
	out, err := s.analyse(ctx, r.Org, j, snapshot)
	if err == nil {
		err = s.commit(context.WithoutCancel(ctx), r.Org, j, out)
	}
	if err != nil {
		cause := err
		if errors.Is(err, context.Canceled) {
			cause = errCancelRequested
		}
		s.fail(ctx, r.Org, j.scan, cause)
		return nil, err
	}
	return out, nil
}
