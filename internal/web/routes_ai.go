package web

import (
	"github.com/metalens/metalens/internal/web/aisettings"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/sensitive"
)

// aiRoutes are the pages that say how models are used, and what they never see.
func aiRoutes(cfg Config) []route {
	var list []route
	if cfg.AI != nil {
		h := aisettings.New(cfg.AI)
		list = append(list, []route{
			{"GET /settings/ai", page.Admin, h.Show},
			{"POST /settings/ai", page.Admin | page.Fresh, h.Save},
			{"POST /settings/ai/switch", page.Admin | page.Fresh, h.Switch},
			{"POST /settings/ai/key", page.Admin | page.Fresh, h.SetKey},
			{"POST /settings/ai/key/delete", page.Admin | page.Fresh, h.DeleteKey},
			{"POST /settings/ai/test", page.Admin, h.Test},
			{"GET /settings/ai/calls", page.Admin, h.Calls},
		}...)
	}
	if cfg.Sensitive != nil {
		h := sensitive.New(cfg.Sensitive, cfg.Connections)
		list = append(list, []route{
			{"GET /settings/sensitive", page.Viewer, h.List},
			{"GET /settings/sensitive/{conn}", page.Viewer, h.Show},
			{"GET /settings/sensitive/{conn}/columns.csv", page.Viewer, h.CSV},
			{"GET /settings/sensitive/{conn}/rules/new", page.Admin, h.New},
			{"POST /settings/sensitive/{conn}/rules", page.Admin, h.Add},
			{"GET /settings/sensitive/{conn}/rules/{rule}/delete", page.Admin, h.ConfirmDelete},
			{"POST /settings/sensitive/{conn}/rules/{rule}/delete", page.Admin, h.Delete},
		}...)
	}
	return list
}
