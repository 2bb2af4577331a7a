package web

import (
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/privacy"
)

// privacyRoutes are the pages of retention, deletion and export. A receipt is
// public: whoever has its address has deleted what he could log in with.
func privacyRoutes(cfg Config) []route {
	if cfg.Privacy == nil {
		return nil
	}
	h := privacy.New(cfg.Privacy, cfg.Auth)
	return []route{
		{Pattern: "GET /settings/retention", Access: page.Viewer, Func: h.Retention},
		{Pattern: "POST /settings/retention", Access: page.Admin, Func: h.SetRetention},
		{Pattern: "POST /settings/retention/preview", Access: page.Admin, Func: h.PreviewRetention},
		{Pattern: "POST /settings/retention/apply", Access: page.Admin, Func: h.ApplyRetention},
		{Pattern: "GET /settings/export", Access: page.Admin | page.Fresh, Func: h.Export},
		{Pattern: "POST /settings/export", Access: page.Admin | page.Fresh, Func: h.ExportOrganization},
		{Pattern: "GET /settings/delete", Access: page.Owner | page.Fresh, Func: h.ConfirmOrganization},
		{Pattern: "POST /settings/delete", Access: page.Owner | page.Fresh, Func: h.DeleteOrganization},
		{Pattern: "GET /account/export", Access: page.Viewer | page.Fresh, Func: h.ConfirmExportAccount},
		{Pattern: "POST /account/export", Access: page.Viewer | page.Fresh, Func: h.ExportAccount},
		{Pattern: "GET /account/delete", Access: page.Viewer | page.Fresh, Func: h.ConfirmAccount},
		{Pattern: "POST /account/delete", Access: page.Viewer | page.Fresh, Func: h.DeleteAccount},
		{Pattern: "GET /receipt/{token}", Access: page.Public, Func: h.Receipt},
		{Pattern: "GET /receipt/{token}/text", Access: page.Public, Func: h.ReceiptText},
	}
}
