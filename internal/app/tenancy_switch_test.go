package app

import (
	"context"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/store"
)

// switcher is one account in two organizations, with a browser over real HTTP.
type switcher struct {
	*place
	t       *testing.T
	address string
	client  *http.Client
	sides   map[string]*matrix // by the organization's name; each guards its own rows
}

// ask returns the status and the text of an answer; a form makes it a POST.
func (s *switcher) ask(path string, form url.Values) (status int, text string) {
	s.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.address+path, body)
	s.must(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := s.client.Do(r)
	s.must(err)
	defer func() { _ = answer.Body.Close() }()
	raw, err := io.ReadAll(answer.Body)
	s.must(err)
	return answer.StatusCode, string(raw)
}

// enter switches by the form of the menu.
func (s *switcher) enter(name string) {
	s.t.Helper()
	_, text := s.ask("/connections", nil)
	org := string(s.sides[name].a.org)
	if !strings.Contains(text, `action="/organizations/switch"`) || !strings.Contains(text, `value="`+org+`"`) {
		s.t.Fatalf("the menu does not offer %s", name)
	}
	if status, text := s.ask("/organizations/switch", url.Values{"organization": {org}}); status != http.StatusSeeOther {
		s.t.Fatalf("switching to %s answers %d %s", name, status, text)
	}
}

// form is one of a page's forms with everything it would send.
type form struct {
	page, action string
	values       url.Values
}

var (
	formTag   = regexp.MustCompile(`(?s)<form\b([^<>]*)>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`<(?:input|button|option|textarea)\b[^<>]*>|<select\b[^<>]*>`)
	attribute = regexp.MustCompile(`\b(name|value|action|method|type|formaction)="([^"]*)"`)
)

func attributes(tag string) map[string]string {
	list := map[string]string{}
	for _, a := range attribute.FindAllStringSubmatch(tag, -1) {
		list[a[1]] = html.UnescapeString(a[2])
	}
	return list
}

// forms reads the forms of a page that change something in the organization.
func (s *switcher) forms(path string) (list []form) {
	s.t.Helper()
	status, text := s.ask(path, nil)
	if status != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, status, text)
	}
	for _, found := range formTag.FindAllStringSubmatch(text, -1) {
		head := attributes(found[1])
		if head["method"] != "post" || slices.ContainsFunc([]string{"/logout", "/theme", "/organizations/switch"}, func(own string) bool { return head["action"] == own }) {
			continue
		}
		f := form{page: path, action: head["action"], values: url.Values{}}
		name := ""
		var others []string
		for _, tag := range inputTag.FindAllString(found[2], -1) {
			a := attributes(tag)
			switch {
			case strings.HasPrefix(tag, "<select"):
				name = a["name"]
			case strings.HasPrefix(tag, "<option"):
				f.values.Set(name, a["value"])
			case a["name"] != "":
				f.values.Add(a["name"], a["value"])
				if a["value"] == "" && a["type"] != "hidden" {
					f.values.Set(a["name"], "Taken over")
				}
			}
			if a["formaction"] != "" {
				others = append(others, a["formaction"])
			}
		}
		list = append(list, f)
		for _, action := range others {
			list = append(list, form{page: path, action: action, values: f.values})
		}
	}
	return list
}

// sees looks at every page and expects the current organization's content alone.
func (s *switcher) sees(name, other string) {
	s.t.Helper()
	own, hidden := s.sides[name], s.sides[other]
	c, foreign := "/c/"+string(own.a.conn), "/c/"+string(hidden.a.conn)
	content := 0
	for _, path := range []string{
		"/connections", "/settings", "/settings/members", "/settings/access", "/settings/access/" + string(own.a.conn), "/settings/tokens", "/settings/retention", "/settings/export", "/settings/mail",
		"/audit", "/audit.csv", "/egress", "/egress.jsonl", "/security", "/security.md", "/account", c, c + "/findings", c + "/catalog", c + "/catalog?q=zq", c + "/lineage", c + "/impact", c + "/duplicates", c + "/metrics",
		c + "/scans", c + "/scans/" + string(own.a.scan), c + "/egress",
	} {
		status, text := s.ask(path, nil)
		if status != http.StatusOK {
			s.t.Errorf("in %s: %s answers %d", name, path, status)
		}
		text = html.UnescapeString(text)
		for _, mark := range anyMark.FindAllString(text, -1) {
			if !strings.HasPrefix(mark, "zq"+strings.ToLower(name[:1])) {
				s.t.Errorf("in %s: %s shows %s", name, path, mark)
			}
			content++
		}
		for _, mark := range []string{"Metabase of " + other, "@" + strings.ToLower(other) + ".example", string(hidden.a.conn), other + " owner", other + " viewer"} {
			if strings.Contains(text, mark) {
				s.t.Errorf("in %s: %s shows %q", name, path, mark)
			}
		}
	}
	if content < 20 {
		s.t.Errorf("in %s: the pages show only %d of its assets", name, content)
	}
	for _, path := range []string{foreign, foreign + "/catalog", foreign + "/scans/" + string(hidden.a.scan), "/connections/" + string(hidden.a.conn), "/settings/access/" + string(hidden.a.conn)} {
		if status, _ := s.ask(path, nil); status != http.StatusNotFound {
			s.t.Errorf("in %s: %s of %s answers %d", name, path, other, status)
		}
	}
}

// left reads the forms of the tabs that stay open.
func (s *switcher) left(name string) (list []form) {
	own := s.sides[name].a
	for _, path := range []string{
		"/settings", "/settings/members", "/settings/retention", "/settings/access", "/settings/access/" + string(own.conn),
		"/settings/access/" + string(own.conn) + "/" + string(own.users[store.RoleViewer].ID), "/settings/members/" + string(s.shared().ID) + "/remove", "/settings/members/leave",
		"/connections/new", "/connections/" + string(own.conn), "/connections/" + string(own.conn) + "/delete", "/settings/tokens/new", "/settings/export", "/settings/delete", "/settings/mail",
		"/organizations/new", "/c/" + string(own.conn) + "/findings", "/c/" + string(own.conn) + "/scans", "/c/" + string(own.conn), "/egress",
	} {
		list = append(list, s.forms(path)...)
	}
	return list
}

// shared is a colleague who belongs to both organizations.
func (s *switcher) shared() store.User { return s.sides["Alpha"].a.users[store.RoleEditor] }

// TestSwitchingOrganizations clicks through two organizations with one account over
// real HTTP: each shows its own content alone, and what is sent from a tab that was
// left open in the one never acts on the other.
func TestSwitchingOrganizations(t *testing.T) {
	address := cluster.Database(t)
	p := newPlace(t, address, "METALENS_SERVER_ORGANIZATIONS=many")
	a, b := p.tenant("Alpha", markedWorld(61, "a")), p.tenant("Beta", markedWorld(62, "b"))
	raw := cluster.Everything(t, address)
	s := &switcher{place: p, t: t, sides: map[string]*matrix{"Alpha": {place: p, a: a, b: b, raw: raw}, "Beta": {place: p, a: b, b: a, raw: raw}}}
	p.must(p.server.store.InSystem(p.system, func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.InsertUser(ctx, store.User{Name: "Both", Email: "both@example.org", PasswordHash: p.hash})
		if err != nil {
			return err
		}
		for _, m := range []store.Membership{
			{OrgID: a.org, UserID: u.ID, Role: store.RoleOwner},
			{OrgID: b.org, UserID: u.ID, Role: store.RoleOwner},
			{OrgID: b.org, UserID: s.shared().ID, Role: store.RoleViewer},
		} {
			if err := tx.SetMembership(ctx, m); err != nil {
				return err
			}
		}
		u = s.shared() // whose address and name are no other organization's
		u.Name, u.Email = "Colleague", "colleague@example.org"
		return tx.UpdateUser(ctx, u)
	}))
	server := httptest.NewServer(p.server.handler)
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	p.must(err)
	s.address, s.client = server.URL, server.Client()
	s.client.Jar, s.client.CheckRedirect = jar, func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if status, text := s.ask("/login", url.Values{"email": {"both@example.org"}, "password": {placePassword}}); status != http.StatusSeeOther {
		t.Fatalf("login: %d %s", status, text)
	}

	for _, step := range [][2]string{{"Alpha", "Beta"}, {"Beta", "Alpha"}, {"Alpha", "Beta"}} {
		s.enter(step[0])
		s.sees(step[0], step[1])
	}
	for _, step := range [][2]string{{"Alpha", "Beta"}, {"Beta", "Alpha"}} {
		s.enter(step[0])
		old := s.left(step[0])
		s.enter(step[1])
		before := map[string]map[string][]string{"Alpha": s.sides["Alpha"].dump(), "Beta": s.sides["Beta"].dump()}
		actions := map[string]bool{}
		for _, f := range old {
			if !f.values.Has("within") {
				t.Errorf("the form %s of %s does not say which organization it belongs to", f.action, f.page)
			}
			status, text := s.ask(f.action, f.values)
			if status != http.StatusConflict && status != http.StatusNotFound {
				t.Errorf("%s of %s, left open in %s and sent in %s, answers %d %s", f.action, f.page, step[0], step[1], status, short(text))
			}
			actions[f.action] = true
		}
		for name, side := range s.sides {
			side.t = t
			side.same(t, before[name])
		}
		for _, must := range []string{"/settings/name", "/settings/members/invite", "/settings/retention", "/settings/access/counts", "/connections", "/connections/test", "/settings/export", "/settings/delete", "/settings/tokens"} {
			if !actions[must] {
				t.Errorf("no form of %s was tried: %v", must, slices.Sorted(maps.Keys(actions)))
			}
		}
		t.Logf("%d forms with %d addresses, left open in %s, were sent in %s: nothing changed", len(old), len(actions), step[0], step[1])
	}

	// A form of the current organization works.
	s.enter("Alpha")
	for _, f := range s.forms("/settings") {
		if f.action != "/settings/name" {
			continue
		}
		f.values.Set("name", "Alpha renamed")
		if status, text := s.ask(f.action, f.values); status != http.StatusSeeOther {
			t.Errorf("renaming the current organization answers %d %s", status, short(text))
		}
	}
	if _, text := s.ask("/settings", nil); !strings.Contains(text, "Alpha renamed") {
		t.Error("the current organization was not renamed")
	}
}
