package app

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"html"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/ui"
)

// matrix is two organizations in one database: everything of the first is tried
// with every identity of the second.
type matrix struct {
	*place
	a, b   *tenant
	raw    *sql.DB                 // sees every row
	ids    map[string]string       // of the first organization, by the name of a route's parameter
	others map[string][]string     // further ones, by the same names
	texts  []string                // ids that a text argument of a service or a query may be
	inside map[store.Role]*browser // members of the first organization, logged in
	pairs  map[string][]string     // form fields that name things
	role   store.Role              // who asks
	text   string                  // what a text argument is; empty = a fingerprint
	marks  []string                // texts that stand in the first organization only
}

// TestTenants is the cross-tenant matrix: routes, services, queries and plain SQL.
func TestTenants(t *testing.T) {
	address := cluster.Database(t)
	m := &matrix{place: newPlace(t, address)}
	m.a = m.tenant("Alpha", markedWorld(21, "a"))
	m.b = m.tenant("Beta", markedWorld(22, "b"))
	m.raw = cluster.Everything(t, address)
	m.fill()
	before := m.dump()
	m.complete(t, before)
	t.Run("routes", func(t *testing.T) { m.routes(t) })
	m.same(t, before)
	t.Run("api", func(t *testing.T) { m.api(t) })
	m.same(t, before)
	t.Run("services", func(t *testing.T) { m.services(t) })
	m.same(t, before)
	t.Run("queries", func(t *testing.T) { m.queries(t) })
	m.same(t, before)
	t.Run("sql", func(t *testing.T) { m.plain(t, address) })
	m.same(t, before)
	t.Run("console", func(t *testing.T) { m.operator(t) })
}

// fill makes one of everything in the first organization and notes the ids.
func (m *matrix) fill() {
	m.t.Helper()
	viewer := m.a.users[store.RoleViewer]
	m.login(viewer.Email) // a session
	m.ids = map[string]string{"conn": string(m.a.conn), "scan": string(m.a.scan), "kind": "question", "member": string(viewer.ID), "user": string(viewer.ID)}
	view, err := m.server.library.View(m.system, m.a.org, m.a.conn)
	m.must(err)
	q := view.Index.Snapshot().Questions[0]
	m.ids["id"] = q.ID
	m.must(m.server.store.InOrg(m.system, m.a.org, func(ctx context.Context, tx *store.Tx) error {
		list, _, err := tx.Findings(ctx, store.FindingQuery{Connection: m.a.conn, States: []store.FindingState{store.FindingOpen}, Limit: 3})
		if err != nil {
			return err
		}
		m.ids["fingerprint"] = list[0].Fingerprint
		if err := tx.IgnoreFinding(ctx, m.a.conn, list[1].Fingerprint, viewer.ID, "zqasecret00001z", list[1].IgnoredUntil); err != nil {
			return err
		}
		if err := tx.SetSetting(ctx, "alpha", "zqasetting00001z"); err != nil {
			return err
		}
		rule, err := tx.AddSensitivityRule(ctx, store.SensitivityRule{Connection: m.a.conn, Pattern: "zqarule00001z.*", Note: "zqanote00001z"})
		if err != nil {
			return err
		}
		m.ids["rule"], m.ids["seq"], m.ids["agent"] = rule.ID, "1", "explainer"
		return tx.SetGrant(ctx, m.a.conn, viewer.ID, store.Grant{Mode: store.GrantAll})
	}))
	// What lists of rows have ids of is found in the tables themselves.
	for name, query := range map[string]string{
		"session": `SELECT id FROM sessions WHERE user_id = $2 AND $1 <> ''`, "row": `SELECT id FROM egress_ledger WHERE org_id = $1 AND $2 <> '' LIMIT 1`,
	} {
		var id string
		m.must(m.raw.QueryRowContext(m.system, query, string(m.a.org), string(viewer.ID)).Scan(&id))
		m.ids[name] = id
	}
	// Things of which the first organization has none here: an id of the right
	// shape that is nobody's must not matter either.
	for _, name := range []string{"name", "operator", "request", "version", "org", "report", "subject", "file"} {
		m.ids[name] = string(m.a.scan)
	}
	m.marks = []string{"Metabase of Alpha", "@alpha.example", "Alpha first", "Alpha viewer", "Alpha owner", string(m.a.org)}
	m.pairs = map[string][]string{
		"fp": {m.ids["fingerprint"]}, "collection": {"8"}, "mode": {"none"}, "default": {"none"}, "reason": {"wrong"}, "note": {"taken over"}, "to": {"me"}, "for": {"30"},
		"ref": {"question:" + q.ID}, "user": {string(viewer.ID)}, "member": {string(viewer.ID)}, "role": {"viewer"}, "session": {m.ids["session"]}, "scan": {m.ids["scan"]},
		"conn": {m.ids["conn"]}, "connection": {m.ids["conn"]}, "org": {string(m.a.org)}, "organization": {string(m.a.org)}, "id": {m.ids["conn"]},
		"name": {"Taken over"}, "url": {"http://127.0.0.1:1"}, "auth": {"api_key"}, "schedule": {""}, "confirm": {"Metabase of Alpha"}, "sql": {"DROP TABLE zq"}, "text": {"DROP TABLE zq"},
	}
	m.fillAI()
	m.fillAccounts()
	for _, name := range []string{"invitation", "token", "factor", "job", "row"} {
		m.pairs[name] = append([]string{m.ids[name]}, m.others[name]...)
	}
	m.pairs["session"] = []string{m.ids["session"]}
	m.pairs["code"], m.pairs["device"] = []string{"aaaa-bbbb-cccc"}, []string{"zqadevice"}
}

var roleNames = []store.Role{"", store.RoleViewer, store.RoleEditor, store.RoleAdmin, store.RoleOwner}

var parameter = regexp.MustCompile(`\{([a-z_]+)(?:\.\.\.)?\}`)

// ends are routes that end the caller's own session or change his own account.
func ends(pattern string) bool {
	return strings.Contains(pattern, "logout") || strings.Contains(pattern, "revoke") || strings.Contains(pattern, "password") || strings.Contains(pattern, "leave") ||
		strings.Contains(pattern, "switch") || strings.Contains(pattern, "email") || strings.HasPrefix(pattern, "POST /account") || strings.HasPrefix(pattern, "POST /privacy") || strings.Contains(pattern, "delet")
}

// routes asks for every page with ids of the first organization: all of them, and
// those below the asker's own connection.
func (m *matrix) routes(t *testing.T) {
	table := web.Routes(m.server.web)
	asked, readable := 0, 0
	for _, role := range roleNames {
		email := ""
		if role != "" {
			email = m.b.users[role].Email
		}
		b := m.login(email)
		slices.SortStableFunc(table, func(x, y web.Route) int { return boolInt(ends(x.Pattern)) - boolInt(ends(y.Pattern)) })
		for _, route := range table {
			method, pattern, _ := strings.Cut(route.Pattern, " ")
			for _, path := range m.paths(t, pattern) {
				if strings.HasSuffix(pattern, "/delete") && method == http.MethodPost && !strings.Contains(path, string(m.a.conn)) {
					continue // it would delete what the next routes need
				}
				var form url.Values
				if method == http.MethodPost {
					form = url.Values(m.pairs)
				}
				answer := b.do(method, path+m.query(method), form)
				asked++
				body := html.UnescapeString(answer.Body.String())
				for _, found := range m.leaks(body, path) {
					readable++
					t.Errorf("%s %s as %q shows %s", method, path, role, found)
				}
				foreign := strings.Contains(pattern, "{conn}") && strings.Contains(path, string(m.a.conn))
				if foreign && answer.Code < http.StatusMultipleChoices {
					t.Errorf("%s %s as %q answers %d", method, path, role, answer.Code)
				}
				if answer.Code >= http.StatusInternalServerError && answer.Code != http.StatusBadGateway {
					t.Errorf("%s %s as %q answers %d: %s", method, path, role, answer.Code, short(body))
				}
				if role != "" && (ends(route.Pattern) || method == http.MethodPost) && b.get("/account").Code != http.StatusOK {
					m.revive(role)
					b = m.login(m.b.users[role].Email)
				}
			}
		}
	}
	t.Logf("%d routes × %d roles: %d requests with ids of another organization, %d leaks", len(table), len(roleNames), asked, readable)
	if asked < 4*len(table) {
		t.Errorf("only %d requests for %d routes", asked, len(table))
	}
}

// revive gives a member of the second organization back what a page took from
// himself: the password, the address, the role, the account.
func (m *matrix) revive(role store.Role) {
	m.t.Helper()
	u := m.b.users[role]
	m.must(m.server.store.InSystem(m.system, func(ctx context.Context, tx *store.SystemTx) error {
		now, err := tx.User(ctx, u.ID)
		switch {
		case errs.KindOf(err) == errs.NotFound:
			if now, err = tx.InsertUser(ctx, store.User{Name: u.Name, Email: u.Email, PasswordHash: m.hash}); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		now.Email, now.PasswordHash = u.Email, m.hash
		if err := tx.UpdateUser(ctx, now); err != nil {
			return err
		}
		m.b.users[role] = now
		return tx.SetMembership(ctx, store.Membership{OrgID: m.b.org, UserID: now.ID, Role: role})
	}))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func short(s string) string { return s[:min(len(s), 300)] }

// paths fills a pattern in: with ids of the first organization, and where it
// names a connection, also below the second's own. A parameter that nobody
// described fails the test.
func (m *matrix) paths(t *testing.T, pattern string) []string {
	t.Helper()
	instead := map[string]string{}
	fill := func(conn store.ConnectionID) string {
		return parameter.ReplaceAllStringFunc(strings.ReplaceAll(pattern, "{$}", ""), func(p string) string {
			name := parameter.FindStringSubmatch(p)[1]
			id, known := m.ids[name]
			if !known {
				t.Errorf("the route %s has a parameter %s that this test has no id for", pattern, p)
			}
			if name == "conn" {
				id = string(conn)
			}
			if other := instead[name]; other != "" {
				id = other
			}
			return ui.EscapeID(id)
		})
	}
	list := []string{fill(m.a.conn)}
	if strings.Contains(pattern, "{conn}") {
		list = append(list, fill(m.b.conn))
	}
	for _, name := range parameter.FindAllStringSubmatch(pattern, -1) {
		for _, id := range m.others[name[1]] {
			instead[name[1]] = id
			list = append(list, fill(m.a.conn))
			delete(instead, name[1])
		}
	}
	return list
}

func (m *matrix) query(method string) string {
	if method != http.MethodGet {
		return ""
	}
	q := url.Values{"connection": {m.ids["conn"]}, "scan": {m.ids["scan"]}, "before": {m.ids["scan"]}, "org": {string(m.a.org)}, "user": {m.ids["user"]}, "actor": {m.ids["user"]}}
	return "?" + q.Encode()
}

// leaks finds texts of the first organization. What the asker sent does not count.
func (m *matrix) leaks(body, path string) (found []string) {
	sent := []string{path, url.QueryEscape(path), m.query(http.MethodGet), url.QueryEscape(m.query(http.MethodGet)), "org=" + string(m.a.org), "Metabase of Alpha\" "}
	for _, s := range sent {
		body = strings.ReplaceAll(body, s, "")
	}
	for _, s := range anyMark.FindAllString(body, -1) {
		if strings.HasPrefix(s, "zqa") {
			found = append(found, s)
		}
	}
	for _, s := range m.marks {
		if strings.Contains(body, s) {
			found = append(found, s)
		}
	}
	return found
}

// identity returns a context in which a member of the second organization acts.
func (m *matrix) identity(role store.Role) context.Context {
	m.role = role
	if role == "" {
		return access.Nobody(m.system)
	}
	return access.With(m.system, access.Actor{Kind: access.Person, User: string(m.b.users[role].ID), Org: string(m.b.org), Role: role})
}

// value makes an argument that names something of the first organization.
func (m *matrix) value(t reflect.Type) reflect.Value {
	q := catalog.Ref{Kind: catalog.KindQuestion, ID: m.ids["id"]}
	switch t {
	case reflect.TypeFor[store.OrgID]():
		return reflect.ValueOf(m.a.org)
	case reflect.TypeFor[store.ConnectionID]():
		return reflect.ValueOf(m.a.conn)
	case reflect.TypeFor[store.ScanID]():
		return reflect.ValueOf(m.a.scan)
	case reflect.TypeFor[store.UserID]():
		return reflect.ValueOf(m.a.users[store.RoleViewer].ID)
	case reflect.TypeFor[catalog.Ref]():
		return reflect.ValueOf(q)
	case reflect.TypeFor[[]catalog.Ref]():
		return reflect.ValueOf([]catalog.Ref{q})
	case reflect.TypeFor[auth.Identity](): // whose it is comes from the session alone
		u := m.b.users[cmp.Or(m.role, store.RoleViewer)]
		return reflect.ValueOf(auth.Identity{User: u.ID, Org: m.b.org, Role: m.role, Name: u.Name, Email: u.Email})
	case reflect.TypeFor[store.Grant]():
		return reflect.ValueOf(store.Grant{Mode: store.GrantNone})
	case reflect.TypeFor[store.GrantMode]():
		return reflect.ValueOf(store.GrantNone)
	}
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.String:
		v.SetString(cmp.Or(m.text, m.ids["fingerprint"]))
	case reflect.Int64:
		v.SetInt(1)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			v.Set(reflect.Append(v, m.value(t.Elem())))
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && (strings.HasSuffix(f.Type.String(), "ID") || f.Type == reflect.TypeFor[catalog.Ref]()) {
				v.Field(i).Set(m.value(f.Type))
			}
		}
	case reflect.Func:
		v.Set(reflect.MakeFunc(t, func([]reflect.Value) []reflect.Value {
			var out []reflect.Value
			for i := range t.NumOut() {
				out = append(out, reflect.Zero(t.Out(i)))
			}
			return out
		}))
	}
	return v
}

// call calls a method with a context and values of the first organization. A
// panic over a missing value counts as a refusal.
func (m *matrix) call(ctx context.Context, method reflect.Value) (out []reflect.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panicked: %v", r)
		}
	}()
	t := method.Type()
	var args []reflect.Value
	for i := range t.NumIn() {
		if t.IsVariadic() && i == t.NumIn()-1 {
			break
		}
		if t.In(i) == reflect.TypeFor[context.Context]() {
			args = append(args, reflect.ValueOf(ctx))
			continue
		}
		args = append(args, m.value(t.In(i)))
	}
	out = method.Call(args)
	for _, v := range out {
		if e, ok := v.Interface().(error); ok && e != nil {
			err = e
		}
	}
	return out, err
}

// text writes what a call answered, so that it can be searched.
func text(out []reflect.Value) string {
	var b strings.Builder
	for _, v := range out {
		if _, bad := v.Interface().(error); bad || v.Kind() == reflect.Func || v.Kind() == reflect.Chan {
			continue
		}
		if data, err := json.Marshal(v.Interface()); err == nil {
			b.Write(data)
		}
		fmt.Fprintf(&b, "%+v", v.Interface())
	}
	return b.String()
}

// services calls every method of every service with the first organization's ids
// as each member of the second, and as nobody.
func (m *matrix) services(t *testing.T) {
	calls, leaks := 0, 0
	for _, s := range m.server.registry() {
		v := reflect.ValueOf(s.service)
		for _, name := range s.callable() {
			method := v.MethodByName(name)
			for _, role := range roleNames {
				for range m.eachText(method.Type()) {
					out, err := m.call(m.identity(role), method)
					calls++
					answer := text(out)
					for _, found := range m.leaks(answer, "") {
						leaks++
						t.Errorf("%s.%s as %q answers %s", s.name, name, role, found)
					}
					if err == nil && takes(method.Type(), reflect.TypeFor[store.OrgID]()) {
						leaks++
						t.Errorf("%s.%s enters another organization as %q", s.name, name, role)
					}
				}
			}
		}
	}
	t.Logf("%d calls of service methods, %d leaks", calls, leaks)
}

// eachText goes through the ids that a text argument may be; a method without one
// is called once.
func (m *matrix) eachText(t reflect.Type) iter.Seq[string] {
	return func(yield func(string) bool) {
		list := []string{""}
		if takes(t, reflect.TypeFor[string]()) || takes(t, reflect.TypeFor[[]string]()) {
			list = append(list, m.texts...)
		}
		defer func() { m.text = "" }()
		for _, m.text = range list {
			if !yield(m.text) {
				return
			}
		}
	}
}

func takesContext(t reflect.Type) bool {
	return t.NumIn() > 0 && t.In(0) == reflect.TypeFor[context.Context]()
}

func takes(t, what reflect.Type) bool {
	for i := range t.NumIn() {
		if t.In(i) == what {
			return true
		}
	}
	return false
}

// queries calls every query of a transaction of the second organization with ids
// of the first, and keeps what they write: the rows of the first are compared
// afterwards.
func (m *matrix) queries(t *testing.T) {
	queries, calls, leaks, refused := 0, 0, 0, 0
	kind := reflect.TypeFor[*store.Tx]()
	for i := range kind.NumMethod() {
		method := kind.Method(i)
		if !takesContext(dropFirst(method.Type)) {
			continue
		}
		queries++
		for range m.eachText(dropFirst(method.Type)) {
			err := m.server.store.InOrg(m.system, m.b.org, func(ctx context.Context, tx *store.Tx) error {
				out, err := m.call(ctx, reflect.ValueOf(tx).Method(i))
				calls++
				if err != nil {
					return err
				}
				for _, found := range m.leaks(text(out), "") {
					leaks++
					t.Errorf("Tx.%s answers %s", method.Name, found)
				}
				return nil
			})
			if err != nil {
				refused++
			}
		}
	}
	t.Logf("%d queries, %d calls, %d refused, %d leaks", queries, calls, refused, leaks)
	if calls < 60 || refused == calls {
		t.Errorf("only %d queries, %d refused", calls, refused)
	}
}

// dropFirst is a method's type without its receiver.
func dropFirst(t reflect.Type) reflect.Type {
	var in, out []reflect.Type
	for i := 1; i < t.NumIn(); i++ {
		in = append(in, t.In(i))
	}
	for i := range t.NumOut() {
		out = append(out, t.Out(i))
	}
	return reflect.FuncOf(in, out, t.IsVariadic())
}

// tables lists the tables that carry an organization.
func (m *matrix) tables() (list []string) {
	m.t.Helper()
	rows, err := m.raw.QueryContext(m.system, `SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
		WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1`)
	m.must(err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		m.must(rows.Scan(&name))
		list = append(list, name)
	}
	m.must(rows.Err())
	return list
}

// plain runs SQL as the app's role: before an organization was entered, and in
// the second one.
func (m *matrix) plain(t *testing.T, address string) {
	statements := 0
	for _, setting := range []string{"", string(m.b.org)} {
		for _, table := range m.tables() {
			for _, query := range []string{
				`SELECT count(*) FROM ` + table + ` WHERE org_id = '` + string(m.a.org) + `'`,
				`WITH gone AS (DELETE FROM ` + table + ` WHERE org_id = '` + string(m.a.org) + `' RETURNING 1) SELECT count(*) FROM gone`,
				`WITH moved AS (UPDATE ` + table + ` SET org_id = '` + string(m.b.org) + `' WHERE org_id = '` + string(m.a.org) + `' RETURNING 1) SELECT count(*) FROM moved`,
				`WITH moved AS (UPDATE ` + table + ` SET org_id = '` + string(m.a.org) + `' RETURNING 1) SELECT count(*) FROM moved`,
			} {
				tx, err := m.appTx(address)
				m.must(err)
				_, err = tx.ExecContext(m.system, `SELECT set_config('role', 'metalens_app', true), set_config('metalens.org_id', $1, true)`, setting)
				m.must(err)
				var n int
				err = tx.QueryRowContext(m.system, query).Scan(&n)
				statements++
				if err == nil && n != 0 {
					t.Errorf("with setting %q: %s touches %d rows", setting, query, n)
				}
				_ = tx.Rollback()
			}
		}
	}
	t.Logf("%d statements over %d tables", statements, len(m.tables()))
}

var appDB *sql.DB

func (m *matrix) appTx(address string) (*sql.Tx, error) {
	if appDB == nil {
		appDB = cluster.Open(m.t, address)
		m.t.Cleanup(func() { appDB = nil })
	}
	return appDB.BeginTx(m.system, nil)
}

// dump writes every row of the first organization and of its members, by table.
func (m *matrix) dump() map[string][]string {
	m.t.Helper()
	users := make([]string, 0, len(m.a.users))
	for _, u := range m.a.users {
		users = append(users, "'"+string(u.ID)+"'")
	}
	in := "(" + strings.Join(users, ", ") + ")"
	out := map[string][]string{}
	add := func(table, where string) {
		rows, err := m.raw.QueryContext(m.system, `SELECT to_jsonb(x)::text FROM `+table+` x WHERE `+where+` ORDER BY 1`)
		m.must(err)
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var row string
			m.must(rows.Scan(&row))
			out[table] = append(out[table], row)
		}
		m.must(rows.Err())
	}
	for _, table := range m.tables() {
		add(table, `org_id = '`+string(m.a.org)+`'`)
	}
	add("organizations", `id = '`+string(m.a.org)+`'`)
	add("users", `id IN `+in)
	for _, table := range personal {
		add(table, `user_id IN `+in)
	}
	add("river_job", `args->>'org' = '`+string(m.a.org)+`'`)
	return out
}

// same compares every row of the first organization with what it was.
func (m *matrix) same(t *testing.T, before map[string][]string) {
	t.Helper()
	after := m.dump()
	n := 0
	for _, table := range slices.Sorted(maps.Keys(before)) {
		if !slices.Equal(before[table], after[table]) {
			t.Errorf("rows of %s changed: %d before, %d after", table, len(before[table]), len(after[table]))
			for i, row := range after[table] {
				if i >= len(before[table]) || before[table][i] != row {
					t.Logf("  now %s", short(row))
					break
				}
			}
		}
		n += len(before[table])
	}
	for table := range after {
		if before[table] == nil {
			t.Errorf("table %s has rows of the first organization now", table)
		}
	}
	t.Logf("%d rows in %d tables as before", n, len(before))
}
