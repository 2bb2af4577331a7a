package app

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"slices"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/api"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/token"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/findings"
)

// newAPI builds the REST API over the services of the pages.
func (s *server) newAPI(pages web.Config, tokens *token.Service) (*api.API, error) {
	found := findingPages{s.store, s.library, s.env.Now}
	return api.New(api.Config{
		Version: Version, Tokens: tokens, Connections: pages.Connections, Scans: pages.Scans, Findings: pages.Findings, Library: pages.Library,
		Search: pages.Search, Duplicates: pages.Duplicates, Metrics: pages.Metrics, Ledger: pages.Ledger,
		Audit: auditReader{s.store}, Reports: reports{s.library, s.content, found}, Sensitive: s.models.settings,
		ClientAddr: func(r *http.Request) netip.Addr { return web.ClientAddr(r, pages.TrustedProxies) },
		Now:        s.env.Now, Logger: s.log,
	})
}

// auditReader implements [api.Audit].
type auditReader struct{ store *store.Store }

func (p auditReader) AuditLog(ctx context.Context, org store.OrgID, q store.AuditQuery) (rows []store.AuditRow, total int, err error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return nil, 0, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		rows, total, err = tx.AuditLog(ctx, q)
		return err
	})
	return rows, total, err
}

// reports implements [api.Reports]: the report of a stored scan, as far as the
// actor sees it. Findings that people set aside are left out.
type reports struct {
	library  *library
	content  *contentPages
	findings findingPages
}

// reportChunk is how many findings are read at once.
const reportChunk = 1000

func (p reports) Report(ctx context.Context, org store.OrgID, conn store.ConnectionID, columns bool, w io.Writer) error {
	view, err := p.library.View(ctx, org, conn)
	if err != nil {
		return err
	}
	in := &report.Input{
		Tool: report.Tool{Name: toolName, Version: Version}, Snapshot: view.Index.Snapshot(), Index: view.Index,
		Edges: slices.Collect(view.Graph.AllEdges()), ColumnEdges: slices.Collect(view.Graph.AllColumnEdges()), Unresolved: view.Graph.Unresolved,
		Health: view.Scan.Summary.Health, Families: families(), Checks: checkInfos(), Options: report.Options{Columns: columns},
	}
	for {
		list, total, err := p.findings.Findings(ctx, org, findings.Query{Connection: conn, State: store.FindingOpen, Sort: findings.SortName, Limit: reportChunk, Offset: len(in.Findings)})
		if err != nil {
			return err
		}
		for _, f := range list {
			in.Findings = append(in.Findings, f.Finding)
		}
		if len(list) == 0 || len(in.Findings) >= total {
			break
		}
	}
	if in.NotEvaluated, err = p.findings.NotEvaluated(ctx, org, conn); err != nil {
		return err
	}
	copies, err := p.content.Duplicates(ctx, org, conn)
	if err != nil {
		return err
	}
	for _, d := range copies.Clusters() {
		in.Duplicates = append(in.Duplicates, report.Duplicate{
			ID: d.ID, Kind: string(d.Kind), Score: d.Score, Members: d.Members, Contains: d.Contains, Keep: d.Keep, Reason: d.Reason,
		})
	}
	figures, err := p.content.Metrics(ctx, org, conn)
	if err != nil {
		return err
	}
	in.MetricConflicts = figures.Conflicts()
	return report.Write(w, report.FormatJSON, in)
}
