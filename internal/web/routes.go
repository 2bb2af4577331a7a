package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/account"
	"github.com/metalens/metalens/internal/web/audit"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/connections"
	"github.com/metalens/metalens/internal/web/duplicates"
	"github.com/metalens/metalens/internal/web/egress"
	"github.com/metalens/metalens/internal/web/findings"
	"github.com/metalens/metalens/internal/web/impactview"
	"github.com/metalens/metalens/internal/web/lineageview"
	"github.com/metalens/metalens/internal/web/metrics"
	"github.com/metalens/metalens/internal/web/overview"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/scans"
	"github.com/metalens/metalens/internal/web/security"
	"github.com/metalens/metalens/internal/web/setup"
)

// route is one line of the table: a pattern, who may use it, what answers.
type route struct {
	Pattern string
	Access  page.Access
	Func    page.Func
}

// routes is the table of all pages. Below /c/{conn} the connection is loaded,
// and checked to be the viewer's organization's, before the function runs; so it
// is below /connections/{conn} and /setup/scan/{conn}.
func routes(cfg Config) []route {
	me := account.New(cfg.Auth)
	if cfg.SignOn != nil {
		me = me.WithSignOn(cfg.SignOn)
	}
	if cfg.Members != nil {
		me = me.WithForgotten()
	}
	conns := connections.New(cfg.Connections, cfg.Scans)
	conns.Egress = cfg.Egress
	first := setup.New(cfg.Auth, conns, cfg.Connections, cfg.Scans, cfg.Sample)
	scan := scans.New(cfg.Scans, cfg.Changes)
	found := findings.New(cfg.Findings, cfg.Checks, browse.NewDirectory(cfg.Library), cfg.Overview)
	home := overview.New(cfg.Overview, cfg.Findings, cfg.Checks, cfg.Scans, cfg.Changes)
	assets := browse.New(cfg.Library, cfg.History, cfg.Search, cfg.Findings, cfg.Checks, copiesOf{cfg.Duplicates})
	if cfg.Assist != nil {
		home = home.WithAgents(cfg.Assist.Agents, cfg.Assist.Models)
		assets = assets.WithAgents(cfg.Assist.Agents)
	}
	ledger := egress.New(cfg.Ledger)
	deeds := audit.New(cfg.Audit)
	change := impactview.New(cfg.Library)
	copies := duplicates.New(cfg.Duplicates)
	figures := metrics.New(cfg.Metrics)
	stated := security.New(cfg.Posture)
	graph := lineageview.New(cfg.Library, cfg.Search)
	return slices.Concat(accountRoutes(me), settingsRoutes(cfg), privacyRoutes(cfg), accessRoutes(cfg), signOnRoutes(cfg), aiRoutes(cfg), chatRoutes(cfg), assistRoutes(cfg), []route{
		{"GET /{$}", page.Public, first.Home},
		{"POST /theme", page.Public, theme(cfg.Secure)},
		{"GET /.well-known/security.txt", page.Public, securityTxt(cfg)},
		{"GET /security", page.Viewer, stated.Show},
		{"GET /security.json", page.Viewer, stated.JSON},
		{"GET /security.md", page.Viewer, stated.Markdown},

		{"GET /setup", page.Public, first.Owner},
		{"POST /setup", page.Public, first.CreateOwner},
		{"GET /setup/connection", page.Admin, first.Connection},
		{"POST /setup/connection", page.Admin, first.CreateConnection},
		{"POST /setup/sample", page.Admin, first.UseSample},
		{"GET /setup/scan/{conn}/{scan}", page.Viewer, first.Scan},

		{"GET /connections", page.Viewer, conns.List},
		{"GET /connections/new", page.Admin, conns.Create},
		{"POST /connections", page.Admin, conns.Insert},
		{"POST /connections/test", page.Admin, conns.Test},
		{"GET /connections/{conn}", page.Admin, conns.Edit},
		{"POST /connections/{conn}", page.Admin, conns.Update},
		{"GET /connections/{conn}/delete", page.Admin | page.Fresh, conns.ConfirmDelete},
		{"POST /connections/{conn}/delete", page.Admin | page.Fresh, conns.Delete},

		{"GET /c/{conn}", page.Viewer, home.Show},
		{"GET /c/{conn}/findings", page.Viewer, found.List},
		{"POST /c/{conn}/findings/ignore", page.Editor, found.Ignore},
		{"POST /c/{conn}/findings/unignore", page.Editor, found.Unignore},
		{"POST /c/{conn}/findings/assign", page.Editor, found.Assign},
		{"GET /c/{conn}/findings/{fingerprint}", page.Viewer, found.Show},
		{"GET /c/{conn}/not-evaluated", page.Viewer, found.NotEvaluated},
		{"GET /c/{conn}/catalog", page.Viewer, assets.List},
		{"GET /c/{conn}/catalog/{kind}/{id}", page.Viewer, assets.Show},
		{"GET /c/{conn}/lineage", page.Viewer, graph.Start},
		{"GET /c/{conn}/lineage/{kind}/{id}", page.Viewer, graph.Show},
		{"GET /c/{conn}/lineage/{kind}/{id}/graph", page.Viewer, graph.Graph},
		{"GET /c/{conn}/impact", page.Viewer, change.Show},
		{"GET /c/{conn}/impact.csv", page.Viewer, change.Export(impact.FormatCSV)},
		{"GET /c/{conn}/impact.md", page.Viewer, change.Export(impact.FormatMarkdown)},
		{"GET /c/{conn}/impact/suggest", page.Viewer, change.Suggest},
		{"GET /c/{conn}/impact/migration", page.Viewer, change.Migration},
		{"POST /c/{conn}/impact/migration", page.Viewer, change.Migration},
		{"POST /c/{conn}/impact/migration.csv", page.Viewer, change.ExportMigration(impact.FormatCSV)},
		{"POST /c/{conn}/impact/migration.md", page.Viewer, change.ExportMigration(impact.FormatMarkdown)},
		{"GET /c/{conn}/duplicates", page.Viewer, copies.List},
		{"GET /c/{conn}/duplicates.csv", page.Viewer, copies.Export(duplicates.CSV)},
		{"GET /c/{conn}/duplicates.md", page.Viewer, copies.Export(duplicates.Markdown)},
		{"GET /c/{conn}/duplicates/{id}", page.Viewer, copies.Show},
		{"GET /c/{conn}/duplicates/{id}/members.csv", page.Viewer, copies.ExportOne(duplicates.CSV)},
		{"GET /c/{conn}/duplicates/{id}/members.md", page.Viewer, copies.ExportOne(duplicates.Markdown)},
		{"GET /c/{conn}/metrics", page.Viewer, figures.List},
		{"GET /c/{conn}/metrics/{id}", page.Viewer, figures.Show},
		{"GET /c/{conn}/scans", page.Viewer, scan.List},
		{"POST /c/{conn}/scans", page.Editor, scan.Start},
		{"GET /c/{conn}/scans/{scan}", page.Viewer, scan.Show},
		{"POST /c/{conn}/scans/{scan}/cancel", page.Editor, scan.Cancel},
		{"GET /c/{conn}/scans/{scan}/events", page.Viewer, scan.Events},
		{"GET /c/{conn}/egress", page.Viewer, ledger.List},
		{"GET /c/{conn}/egress.csv", page.Viewer, ledger.CSV},
		{"GET /c/{conn}/egress.jsonl", page.Viewer, ledger.JSONL},
		{"GET /c/{conn}/egress/{row}", page.Viewer, ledger.Show},
		{"POST /c/{conn}/egress/{row}/payload", page.Viewer, ledger.Payload},
		{"GET /egress", page.Admin, ledger.List},
		{"GET /egress.csv", page.Admin, ledger.CSV},
		{"GET /egress.jsonl", page.Admin, ledger.JSONL},
		{"GET /egress/{row}", page.Admin, ledger.Show},
		{"POST /egress/{row}/payload", page.Admin, ledger.Payload},
		{"GET /audit", page.Admin, deeds.List},
		{"GET /audit.csv", page.Admin, deeds.CSV},
		{"GET /audit.jsonl", page.Admin, deeds.JSONL},
	})
}

// copiesOf implements [browse.Copies] over the duplicates page's service.
type copiesOf struct{ service duplicates.Service }

func (c copiesOf) CopiesOf(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (id string, ok bool, err error) {
	content, err := c.service.Duplicates(ctx, org, conn)
	if err != nil {
		return "", false, err
	}
	id, ok = content.Of(r)
	return id, ok, nil
}

// theme keeps the colour scheme in a cookie and goes back.
func theme(secure bool) page.Func {
	return func(q *page.Request) error {
		cookie := &http.Cookie{ //nolint:gosec // Secure follows the deployment: plain HTTP is for loopback
			Name: page.ThemeCookie, Path: "/", MaxAge: 365 * 24 * 3600,
			HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
		}
		switch v := q.R.PostFormValue("theme"); v {
		case "light", "dark":
			cookie.Value = v
		default:
			cookie.MaxAge = -1
		}
		http.SetCookie(q.W, cookie)
		if q.R.Header.Get("X-Requested-With") == "fetch" {
			q.W.WriteHeader(http.StatusNoContent)
			return nil
		}
		return q.Redirect(page.Local(q.R.PostFormValue("next"), "/"))
	}
}
