package web

import (
	"net/http"

	"github.com/metalens/metalens/internal/web/page"
)

// route is one line of the table: a pattern, who may use it, what answers.
type route struct {
	Pattern string
	Access  page.Access
	Func    page.Func
}

func routes(cfg Config, _ *page.Site) []route {
	return []route{
		{"GET /{$}", page.Viewer, func(q *page.Request) error { return q.Redirect("/connections") }},
		{"POST /theme", page.Public, theme(cfg.Secure)},
	}
}

// theme keeps the colour scheme in a cookie and goes back.
func theme(secure bool) page.Func {
	return func(q *page.Request) error {
		cookie := &http.Cookie{
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
		if q.R.Header.Get("Accept") == "application/json" {
			q.W.WriteHeader(http.StatusNoContent)
			return nil
		}
		return q.Redirect(page.Local(q.R.PostFormValue("next"), "/"))
	}
}
