// Package settings is the pages of an organization's settings: the frame with
// its sub-navigation, the general page, members and invitations, mail.
//
// Other packages hang their settings pages into the same frame: they add a
// [Section] and answer with [Page].
package settings

import (
	"github.com/a-h/templ"

	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
)

// Section is an entry of the sub-navigation.
type Section struct {
	Key   string // names the entry to [Page]
	Label string
	Href  string
	Needs store.Role // who sees the entry; the route decides who may open it
}

// Sections lists every entry in the order of the navigation.
func Sections() []Section {
	return []Section{
		{"general", "General", "/settings", store.RoleViewer},
		{"members", "Members", "/settings/members", store.RoleViewer},
		{"access", "Access", "/settings/access", store.RoleAdmin},
		{"ai", "AI", "/settings/ai", store.RoleAdmin},
		{"sensitive", "Sensitive columns", "/settings/sensitive", store.RoleViewer},
		{"tokens", "Access tokens", "/settings/tokens", store.RoleViewer},
		{"sign-in", "Sign-in", "/settings/sign-in", store.RoleAdmin},
		{"mail", "Mail", "/settings/mail", store.RoleAdmin},
		{"retention", "Retention", "/settings/retention", store.RoleViewer},
		{"export", "Export", "/settings/export", store.RoleAdmin},
		{"delete", "Delete", "/settings/delete", store.RoleOwner},
		{"audit", "Audit log", "/audit", store.RoleAdmin},
		{"egress", "Egress ledger", "/egress", store.RoleAdmin},
	}
}

// Page answers with a page inside the settings frame. key is that of its
// [Section]; title is the document's and the heading's.
func Page(q *page.Request, status int, key, title string, body templ.Component, options ...page.Option) error {
	var list []Section
	for _, s := range Sections() {
		if q.Viewer.May(s.Needs) {
			list = append(list, s)
		}
	}
	return q.Page(status, title, "settings", frame(list, key, title, body), options...)
}
