package app

import (
	"context"
	"reflect"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// system stands for what no member may ask for.
const system = access.Role("system")

// registered is a service with what each of its methods asks for.
type registered struct {
	name    string
	service any
	needs   map[string]access.Role
	open    map[string]string // methods that ask for nothing, each with why
	methods []string          // that can be called; nil = all
}

// callable lists the methods that take a context and guard something.
func (r registered) callable() (list []string) {
	v := reflect.ValueOf(r.service)
	names := r.methods
	if names == nil {
		for i := range v.NumMethod() {
			names = append(names, v.Type().Method(i).Name)
		}
	}
	for _, name := range names {
		if _, open := r.open[name]; !open && takesContext(v.MethodByName(name).Type()) {
			list = append(list, name)
		}
	}
	return list
}

// registry lists the services behind pages, commands and the API: those of the
// table of pages as they are wired, and what lies below them.
func (s *server) registry() []registered {
	viewer, editor, admin := access.Viewer, access.Editor, access.Admin
	list := []registered{
		{
			"connection.Service", s.connections,
			map[string]access.Role{
				"List": viewer, "Connection": viewer, "Find": viewer, "Exceptions": viewer, "Ensure": admin, "Create": admin, "Update": admin, "ReplaceCredential": admin,
				"Delete": admin, "TestDraft": admin, "Test": admin, "Credential": admin, "Secrets": admin,
			},
			nil, nil,
		},
		{
			"scanservice.Service", s.scans,
			map[string]access.Role{
				"Scan": viewer, "Subscribe": viewer, "Start": editor, "Cancel": editor, "Run": system, "RunDirect": system, "Tick": system, "Stateless": system, "Export": system,
			},
			nil, nil,
		},
	}
	known := map[string]map[string]access.Role{
		"Connections": {
			"Connections": viewer, "Connection": viewer, "TestConnection": admin, "CreateConnection": admin, "UpdateConnection": admin, "DeleteConnection": admin,
		},
		"Scans":    scanNeeds(viewer, editor),
		"Changes":  scanNeeds(viewer, editor),
		"Status":   scanNeeds(viewer, editor),
		"Overview": scanNeeds(viewer, editor),
		"Findings": {
			"Findings": viewer, "FindingGroups": viewer, "Finding": viewer, "NotEvaluated": viewer, "Ignore": editor, "Unignore": editor, "Assign": editor,
		},
		"Library":    {"View": viewer},
		"History":    {"Versions": viewer, "UsageSeries": viewer, "Search": viewer},
		"Search":     {"Versions": viewer, "UsageSeries": viewer, "Search": viewer},
		"Duplicates": {"Duplicates": viewer, "Metrics": viewer},
		"Metrics":    {"Duplicates": viewer, "Metrics": viewer},
		"AI": {
			"View": admin, "Save": admin, "SetKey": admin, "DeleteKey": admin, "Switch": admin, "Test": admin, "Spend": admin, "Calls": admin,
		},
		"Sensitive": {"Columns": viewer, "Rules": viewer, "Preview": admin, "AddRule": admin, "PreviewDelete": admin, "DeleteRule": admin},
		"Grants":    {"Sheet": admin, "Set": admin, "SetDefault": admin, "Counts": admin, "SetCounts": admin},
	}
	pages := reflect.ValueOf(s.web)
	for i := range pages.NumField() {
		name, field := pages.Type().Field(i).Name, pages.Field(i)
		if field.Kind() != reflect.Interface || field.IsNil() || name == "Checks" {
			continue
		}
		one := registered{name: "web." + name, service: field.Interface(), needs: known[name], open: unguarded[name]}
		for j := range field.Type().NumMethod() { // what pages can call
			one.methods = append(one.methods, field.Type().Method(j).Name)
		}
		list = append(list, one)
	}
	return list
}

func scanNeeds(viewer, editor access.Role) map[string]access.Role {
	return map[string]access.Role{
		"Scans": viewer, "Scan": viewer, "StartScan": editor, "CancelScan": editor, "WatchScan": viewer, "Changes": viewer, "LatestScan": viewer,
		"Whole": viewer, "OpenFindings": viewer, "RunningScan": viewer, "HealthSeries": viewer,
	}
}

// unguarded are methods of services that somebody without a role may call, by the
// field of the table of pages, each with why.
var unguarded = map[string]map[string]string{
	"Sample":    {"SampleConnection": "says where the sample company on this machine answers; nothing of an organization"},
	"Members":   {"Open": byInvitation, "JoinAs": byInvitation, "Register": byInvitation, "Mine": "the asker's own organizations; none for nobody"},
	"Forgotten": {"Ask": byLetter, "Open": byLetter, "Choose": byLetter},
	"SignOn": {
		"Begin": beforeLogin, "CheckPassword": beforeLogin, "Discover": beforeLogin, "EndSession": beforeLogin, "Finish": beforeLogin,
		"Owns": beforeLogin, "Required": beforeLogin, "Tied": beforeLogin,
	},
	"Privacy": {"Receipt": "opens with the secret of a receipt, for somebody whose account is gone"},
}

const (
	byInvitation = "opens with the secret of an invitation, for somebody without an account"
	byLetter     = "for somebody who cannot log in; opens with the secret of a letter"
	beforeLogin  = "part of logging in"
)

// TestEveryServiceAsksForARole calls each method of each service as nobody and as
// each role: below what it needs it is refused, from there on not for the role.
func TestEveryServiceAsksForARole(t *testing.T) {
	p := newPlace(t, "")
	x := p.tenant("Acme", markedWorld(31, "a"))
	m := &matrix{place: p, a: x, b: x, ids: map[string]string{"id": "1", "fingerprint": "none", "conn": "none"}}
	other := *x // ids that lead nowhere, so that nothing is changed
	other.conn, other.scan = "none", "none"
	m.a = &other
	methods, calls := 0, 0
	for _, s := range p.server.registry() {
		v := reflect.ValueOf(s.service)
		for _, name := range s.callable() {
			methods++
			need, said := s.needs[name]
			if s.needs != nil && !said {
				t.Errorf("nobody said which role %s.%s asks for", s.name, name)
				continue
			}
			for _, role := range roleNames {
				ctx := access.Nobody(p.system)
				if role != "" {
					ctx = access.With(p.system, access.Actor{Kind: access.Person, User: string(x.users[role].ID), Org: string(x.org), Role: role})
				}
				if !said && role != "" {
					continue // of a service that asks more than a role
				}
				ended, stop := context.WithCancel(ctx)
				stop() // whoever is let in goes no further
				if role == "" {
					ended = ctx
				}
				_, err := m.call(ended, v.MethodByName(name))
				calls++
				refused := refusedFor(err)
				may := said && need != system && role.Rank() >= need.Rank() && role != ""
				if may == refused {
					t.Errorf("%s.%s as %q: refused %v (%v)", s.name, name, role, refused, err)
				}
			}
		}
	}
	if methods < 40 {
		t.Errorf("only %d methods", methods)
	}
	t.Logf("%d methods, %d calls", methods, calls)
}

// refusedFor reports whether a call was refused because of who asked.
func refusedFor(err error) bool {
	switch errs.KindOf(err) {
	case errs.Forbidden, errs.Unauthorized:
		return true
	}
	return false
}

// TestRolesThroughPages asks for what editors and admins do as a viewer.
func TestRolesThroughPages(t *testing.T) {
	p := newPlace(t, "")
	x := p.tenant("Acme", markedWorld(32, "a"))
	base := "/c/" + string(x.conn)
	browsers := map[store.Role]*browser{}
	for _, c := range []struct {
		role   store.Role
		method string
		path   string
		want   int
	}{
		{store.RoleViewer, "POST", base + "/scans", 403},
		{store.RoleViewer, "POST", base + "/findings/ignore", 403},
		{store.RoleEditor, "GET", "/connections/" + string(x.conn), 403},
		{store.RoleEditor, "GET", "/settings/access", 403},
		{store.RoleAdmin, "GET", "/settings/access", 200},
		{store.RoleAdmin, "GET", "/settings/access/" + string(x.conn), 200},
		{store.RoleAdmin, "GET", "/settings/access/" + string(x.conn) + "/" + string(x.users[store.RoleViewer].ID), 200},
		{store.RoleAdmin, "GET", "/settings/access/" + string(x.conn) + "/nobody", 404},
	} {
		if browsers[c.role] == nil {
			browsers[c.role] = p.login(x.users[c.role].Email)
		}
		if got := browsers[c.role].do(c.method, c.path, map[string][]string{}).Code; got != c.want {
			t.Errorf("%s %s as %s answers %d, not %d", c.method, c.path, c.role, got, c.want)
		}
	}
}
