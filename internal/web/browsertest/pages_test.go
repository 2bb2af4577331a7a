package browsertest_test

import (
	"net/http/httptest"
	"testing"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/browsertest"
	"github.com/metalens/metalens/internal/web/webtest"
)

// serve carries the pages over the fake backend.
func serve(t *testing.T, b *webtest.Backend) (string, *auth.Service) {
	t.Helper()
	accounts, err := b.Auth(false)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := web.New(b.Config(accounts))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL, accounts
}

// company is a server with an owner and a scanned company.
func company(t *testing.T) (base, conn string, b *webtest.Backend) {
	t.Helper()
	b = webtest.New()
	c := b.AddCompany()
	base, accounts := serve(t, b)
	if _, err := b.AddOwner(t.Context(), accounts); err != nil {
		t.Fatal(err)
	}
	return base, "/c/" + string(c.ID), b
}

func login(p *browsertest.Page) {
	p.Go("/login")
	p.Fill("#email", webtest.OwnerEmail)
	p.Fill("#password", webtest.OwnerPassword)
	p.Load("button.primary")
}

type view struct{ name, path string }

func pages(conn, settings string) []view {
	return []view{
		{"overview", conn},
		{"findings", conn + "/findings"},
		{"findings-ignored", conn + "/findings?state=ignored"},
		{"findings-nothing", conn + "/findings?q=nothing+like+this"},
		{"findings-groups", conn + "/findings?group=check"},
		{"findings-check", conn + "/findings?check=USE001"},
		{"not-evaluated", conn + "/not-evaluated"},
		{"security", "/security"},
		{"audit", "/audit"},
		{"egress-all", "/egress"},
		{"settings", "/settings"},
		{"settings-members", "/settings/members"},
		{"settings-retention", "/settings/retention"},
		{"settings-export", "/settings/export"},
		{"settings-delete", "/settings/delete"},
		{"factor-add", "/account/factors/add"},
		{"catalog", conn + "/catalog"},
		{"catalog-collection", conn + "/catalog?in=collection%3A11"},
		{"catalog-databases", conn + "/catalog?by=databases"},
		{"catalog-schema", conn + "/catalog?in=schema%3A1%2Fpublic%2F"},
		{"search", conn + "/catalog?q=orders"},
		{"search-nothing", conn + "/catalog?q=zzzz"},
		{"asset", conn + "/catalog/question/101"},
		{"asset-sql", conn + "/catalog/question/101?tab=sql"},
		{"asset-usage", conn + "/catalog/question/101?tab=usage"},
		{"asset-uses", conn + "/catalog/question/101?tab=uses"},
		{"asset-history", conn + "/catalog/question/101?tab=history"},
		{"asset-findings", conn + "/catalog/question/105?tab=findings"},
		{"asset-hostile", conn + "/catalog/question/115"},
		{"asset-long", conn + "/catalog/question/114"},
		{"asset-rtl", conn + "/catalog/question/112"},
		{"dashboard-cards", conn + "/catalog/dashboard/2?tab=cards"},
		{"table-columns", conn + "/catalog/table/1~1public~1customers?tab=columns"},
		{"metric-query", conn + "/catalog/metric/104?tab=sql"},
		{"impact", conn + "/impact"},
		{"impact-table", conn + "/impact?ref=table%3A1%2Fpublic%2Forders"},
		{"impact-columns", conn + "/impact?change=type&ref=column%3A1%2Fpublic%2Forders%2Ftotal&ref=column%3A1%2Fpublic%2Forders%2Fstatus"},
		{"impact-filtered", conn + "/impact?ref=table%3A1%2Fpublic%2Forders&breaks=maybe&kind=dashboard"},
		{"impact-nothing", conn + "/impact?ref=table%3A2%2F%2Forphan%252Ftable"},
		{"impact-hostile", conn + "/impact?ref=question%3A115"},
		{"impact-ambiguous", conn + "/impact?add=created_at"},
		{"impact-migration", conn + "/impact/migration"},
		{"duplicates", conn + "/duplicates"},
		{"duplicates-nothing", conn + "/duplicates?q=nothing+like+this"},
		{"duplicates-exact", conn + "/duplicates/question:105"},
		{"duplicates-near", conn + "/duplicates/question:117"},
		{"duplicates-hostile", conn + "/duplicates/question:115"},
		{"metrics", conn + "/metrics"},
		{"metrics-all", conn + "/metrics?tab=all"},
		{"metrics-nothing", conn + "/metrics?q=nothing+like+this"},
		{"scans", conn + "/scans"},
		{"scan", conn + "/scans/scan-14"},
		{"scan-failed", conn + "/scans/scan-7"},
		{"egress", conn + "/egress"},
		{"connections", "/connections"},
		{"connection-new", "/connections/new"},
		{"connection-edit", settings},
		{"connection-delete", settings + "/delete"},
		{"account", "/account"},
		{"missing", "/nowhere"},
	}
}

// TestEveryPageIsAccessible opens every page in light and dark, wide and narrow,
// and lets axe-core look at it.
func TestEveryPageIsAccessible(t *testing.T) {
	b := browsertest.Launch(t)
	base, conn, _ := company(t)
	p := b.Open(base)
	p.Allow("404 (Not Found)")
	login(p)
	for _, dark := range []bool{false, true} {
		p.Dark(dark)
		for _, width := range []int64{1440, 390} {
			p.Size(width, 900)
			for _, v := range pages(conn, "/connections/"+conn[len("/c/"):]) {
				p.Go(v.path)
				p.Shot(v.name)
				if !dark || width > 1000 { // colours do not depend on the width
					p.Axe(v.name)
				}
				if over := browsertest.Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
					p.Shot(v.name + "-overflow")
					t.Errorf("%s is %d px wider than a window of %d px", v.name, over, width)
				}
			}
		}
	}
}
