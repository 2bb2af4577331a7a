package web

import (
	"github.com/metalens/metalens/internal/web/account"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/settings"
)

// settingsRoutes are the pages of an organization's settings, of its members and
// of invitations.
func settingsRoutes(cfg Config) []route {
	if cfg.Members == nil {
		return nil
	}
	forgotten := account.NewResets(cfg.Forgotten)
	h := settings.New(cfg.Auth, cfg.Members, cfg.Mail)
	return []route{
		{Pattern: "GET /settings", Access: page.Viewer, Func: h.General},
		{Pattern: "POST /settings/name", Access: page.Admin, Func: h.Rename},
		{Pattern: "GET /settings/members", Access: page.Viewer, Func: h.Members},
		{Pattern: "POST /settings/members/invite", Access: page.Admin | page.Fresh, Func: h.Invite},
		{Pattern: "GET /settings/members/leave", Access: page.Viewer, Func: h.ConfirmLeave},
		{Pattern: "POST /settings/members/leave", Access: page.Viewer, Func: h.Leave},
		{Pattern: "POST /settings/members/{user}/role", Access: page.Admin | page.Fresh, Func: h.SetRole},
		{Pattern: "GET /settings/members/{user}/remove", Access: page.Admin, Func: h.ConfirmRemove},
		{Pattern: "POST /settings/members/{user}/remove", Access: page.Admin | page.Fresh, Func: h.Remove},
		{Pattern: "POST /settings/invitations/{invitation}/resend", Access: page.Admin | page.Fresh, Func: h.Resend},
		{Pattern: "POST /settings/invitations/{invitation}/revoke", Access: page.Admin, Func: h.RevokeInvitation},
		{Pattern: "GET /settings/mail", Access: page.Admin, Func: h.Mail},
		{Pattern: "POST /settings/mail/test", Access: page.Admin, Func: h.TestMail},

		{Pattern: "GET /invite/{token}", Access: page.Public, Func: h.Invitation},
		{Pattern: "POST /invite/{token}/accept", Access: page.Viewer, Func: h.Accept},
		{Pattern: "POST /invite/{token}/join", Access: page.Public, Func: h.Join},
		{Pattern: "POST /invite/{token}/register", Access: page.Public, Func: h.Register},

		{Pattern: "GET /login/forgot", Access: page.Public, Func: forgotten.ForgotForm},
		{Pattern: "POST /login/forgot", Access: page.Public, Func: forgotten.Forgot},
		{Pattern: "GET /reset/{token}", Access: page.Public, Func: forgotten.ResetForm},
		{Pattern: "POST /reset/{token}", Access: page.Public, Func: forgotten.Reset},

		{Pattern: "GET /organizations/new", Access: page.Owner, Func: h.NewOrganization},
		{Pattern: "POST /organizations", Access: page.Owner | page.Fresh, Func: h.CreateOrganization},
		{Pattern: "POST /organizations/switch", Access: page.Viewer, Func: h.Switch},
	}
}
