package web

import (
	"github.com/metalens/metalens/internal/web/grants"
	"github.com/metalens/metalens/internal/web/page"
)

// accessRoutes are the pages that say what members see.
func accessRoutes(cfg Config) []route {
	if cfg.Grants == nil {
		return nil
	}
	seen := grants.New(cfg.Grants, cfg.Connections, cfg.Library)
	return []route{
		{"GET /settings/access", page.Admin, seen.List},
		{"POST /settings/access/counts", page.Admin, seen.SetCounts},
		{"GET /settings/access/{conn}", page.Admin, seen.Show},
		{"POST /settings/access/{conn}/default", page.Admin, seen.SetDefault},
		{"GET /settings/access/{conn}/{member}", page.Admin, seen.Member},
		{"POST /settings/access/{conn}/{member}", page.Admin, seen.Save},
	}
}

// Route is a line of the table of pages, as tests and documents see it.
type Route struct {
	Pattern string // "GET /c/{conn}"
	Access  page.Access
}

// Routes lists every page that a configuration offers.
func Routes(cfg Config) []Route {
	var list []Route
	for _, r := range routes(cfg) {
		list = append(list, Route{r.Pattern, r.Access})
	}
	return list
}

// OperatorRoutes lists every page of the operator console; the metrics stand
// beside it.
func OperatorRoutes(cfg OperatorConfig) []Route {
	var list []Route
	for _, r := range operatorRoutes(cfg) {
		list = append(list, Route{r.Pattern, r.Access})
	}
	return list
}
