package web

import (
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/signin"
	"github.com/metalens/metalens/internal/web/tokens"
)

// signOnRoutes are single sign-on and the pages of access tokens.
func signOnRoutes(cfg Config) []route {
	var list []route
	if cfg.SignOn != nil {
		h := signin.New(cfg.Auth, cfg.SignOn)
		list = append(list,
			route{"GET /login/sso", page.Public, h.Start},
			route{"GET /login/sso/callback", page.Public, h.Callback},
			route{"GET /login/sso/logout", page.Public, h.Logout},
			route{"GET /settings/sign-in", page.Admin, h.Settings},
			route{"POST /settings/sign-in/required", page.Owner | page.Fresh, h.SetRequired},
		)
	}
	if cfg.Tokens != nil {
		h := tokens.New(cfg.Tokens)
		list = append(list,
			route{"GET /settings/tokens", page.Viewer, h.List},
			route{"GET /settings/tokens/new", page.Viewer | page.Fresh, h.New},
			route{"POST /settings/tokens", page.Viewer | page.Fresh, h.Create},
			route{"POST /settings/tokens/{token}/revoke", page.Viewer, h.Revoke},
		)
	}
	return list
}
