package grants_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/grants"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
	"github.com/metalens/metalens/internal/store/storetest/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// world has an open and a closed collection; what lies in the closed one says
// "hidden" in every text.
func world() (*catalog.Index, *lineage.Graph) {
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}
	s.Instance.URL = "https://metabase.example.com"
	collection := func(id, name, parent string) {
		s.Add(&catalog.Collection{Common: catalog.Common{ID: id, Name: name}, ParentID: parent})
	}
	collection(catalog.RootCollectionID, "Our analytics", "")
	collection("1", "hidden above", "root")
	collection("2", "Open", "1")
	collection("3", "Open below", "2")
	collection("4", "hidden beside", "root")
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "Shop"}, Engine: "postgres"})
	s.Add(&catalog.Database{Common: catalog.Common{ID: "2", Name: "hidden database"}, Engine: "postgres"})
	table := func(number int64, name string, columns ...string) {
		t := &catalog.Table{Common: catalog.Common{ID: catalog.TableID("1", "public", name), Name: name}, DatabaseID: "1", Schema: "public", MetabaseID: number}
		for i, c := range columns {
			t.Columns = append(t.Columns, &catalog.Column{ID: catalog.ColumnID(t.ID, c), Name: c, MetabaseID: number*10 + int64(i), BaseType: "type/Text"})
		}
		s.Add(t)
	}
	table(1, "orders", "total", "hidden_column")
	table(2, "hidden_table", "x")
	s.Tables[0].Columns[0].FKTargetID = catalog.ColumnID(catalog.TableID("1", "public", "hidden_table"), "x")
	question := func(id, name, collection string, query catalog.Query) *catalog.Question {
		q := &catalog.Question{Common: catalog.Common{ID: id, Name: name, CreatorID: id}, Type: catalog.KindQuestion, CollectionID: collection, DatabaseID: "1", Query: query}
		q.Query.DatabaseID = "1"
		s.Add(q)
		return q
	}
	sql := func(text string) catalog.Query { return catalog.Query{Language: catalog.LanguageSQL, SQL: text} }
	mbql := func(text string) catalog.Query {
		return catalog.Query{Language: catalog.LanguageMBQL, Dialect: "mbql4", MBQL: json.RawMessage(text)}
	}
	question("10", "Revenue", "2", sql("SELECT total FROM public.orders"))
	question("11", "hidden question", "4", sql("SELECT x FROM public.hidden_table"))
	built := question("12", "Built on another", "3", sql("SELECT * FROM {{#11-hidden-question}} AS h, {{#10}} AS r"))
	built.Query.Tags = []catalog.TemplateTag{{Name: "#11-hidden-question", Type: "card", QuestionID: "11"}, {Name: "#10", Type: "card", QuestionID: "10"}}
	built.ResultColumns = []catalog.ResultColumn{{Name: "x", ColumnID: "1/public/hidden_table/x", Description: "hidden words"}}
	question("13", "Builder over another", "2", mbql(`{"database":1,"type":"query","query":{"source-table":"card__11","filter":["=","hidden value"]}}`))
	question("14", "Builder", "2", mbql(`{"database":1,"type":"query","query":{"source-table":1,"fields":[["field",10,null]]}}`))
	question("15", "hidden, place unknown", "", sql("SELECT 1")).Unreadable = true
	question("16", "hidden at the root", "root", sql("SELECT 1"))
	s.Add(&catalog.Dashboard{Common: catalog.Common{ID: "20", Name: "Board"}, CollectionID: "2", Cards: []catalog.Dashcard{
		{ID: "1", QuestionID: "10", SeriesIDs: []string{"11"}},
		{ID: "2", QuestionID: "11", Mappings: []catalog.ParameterMapping{{ParameterID: "p", QuestionID: "11"}}, ClickTargets: []catalog.Ref{{Kind: catalog.KindDashboard, ID: "21"}}},
	}, Parameters: []catalog.Parameter{{ID: "p", Name: "P", SourceType: "card", SourceQuestionID: "11", SourceValueField: json.RawMessage(`"hidden"`)}}})
	s.Add(&catalog.Dashboard{Common: catalog.Common{ID: "21", Name: "hidden board"}, CollectionID: "4", Cards: []catalog.Dashcard{{ID: "3", QuestionID: "10"}}})
	for _, id := range []string{"10", "11", "12"} {
		name := "Person"
		if id == "11" {
			name = "hidden person"
		}
		s.Add(&catalog.Person{Common: catalog.Common{ID: id, Name: name}})
	}
	s.Add(&catalog.Group{Common: catalog.Common{ID: "1", Name: "hidden group"}})
	s.Gaps = []catalog.Gap{{What: "tables of hidden database", Reason: "refused"}}
	s.Sort()
	x := catalog.NewIndex(s)
	return x, lineage.Build(context.Background(), x, lineage.WithSQL(sqllineage.New()))
}

func chosen(ids ...string) store.Grant {
	return store.Grant{Mode: store.GrantCollections, Collections: ids}
}

func TestFilter(t *testing.T) {
	x, g := world()
	p := grants.Filter(x, g, chosen("2"))
	var have []string
	for a := range p.Index.Snapshot().All() {
		have = append(have, a.Ref().String())
	}
	want := []string{
		"question:10", "question:12", "question:13", "question:14", "dashboard:20", "collection:2", "collection:3", "database:1", "table:1/public/orders", "person:10", "person:12",
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("visible (-want +got)\n%s", d)
	}
	all, err := json.Marshal([]any{
		slices.Collect(p.Graph.AllEdges()), slices.Collect(p.Graph.AllColumnEdges()), p.Graph.Unresolved, p.Graph.Navigation, p.Index.Snapshot().Gaps,
	})
	if err != nil {
		t.Fatal(err)
	}
	for a := range p.Index.Snapshot().All() {
		one, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(one), "hidden") || strings.Contains(string(one), `"11"`) {
			t.Errorf("%s says %s", a.Ref(), one)
		}
	}
	if strings.Contains(string(all), "hidden") {
		t.Errorf("the part says %s", all)
	}
	built := p.Index.Question("12").Query.SQL
	if full := x.Question("12").Query.SQL; len(built) != len(full) || !strings.Contains(built, "{{#10}}") || strings.Contains(built, "11") {
		t.Errorf("written over: %q", built)
	}
	if p.Index.Question("13").Query.MBQL != nil || p.Index.Question("14").Query.MBQL == nil {
		t.Error("a query is withheld where it names something hidden, and only there")
	}
	if cards := p.Index.Dashboard("20").Cards; cards[1].QuestionID != "" || !cards[1].QuestionRefused || cards[0].QuestionID != "10" {
		t.Errorf("tiles %+v", cards)
	}
	if p.HiddenSources[x.Question("12").Ref()] != 1 || p.HiddenUsers[x.Question("10").Ref()] != 1 || p.HiddenSources[x.Question("10").Ref()] != 0 {
		t.Errorf("where more lies: %v %v", p.HiddenSources, p.HiddenUsers)
	}
	for e := range p.Graph.AllEdges() {
		if !p.Sees(e.From) || !p.Sees(e.To) {
			t.Errorf("edge %v leaves the part", e)
		}
	}
	if partial, reasons := p.Index.Snapshot().Partial(); !partial || !slices.Contains(reasons, "a part of this Metabase: there is more than you may see") {
		t.Errorf("reasons %v", reasons)
	}
	if p.Index.CollectionPath("3") != "Open / Open below" {
		t.Errorf("path %q", p.Index.CollectionPath("3"))
	}
	if p.Show(x.Question("11")) != nil || p.Show(x.Question("10")) == nil {
		t.Error("versions are shown of what is visible")
	}
	if x.Dashboard("20").Cards[1].QuestionID != "11" || len(x.Table("1/public/orders").Columns) != 2 {
		t.Error("the whole scan was changed")
	}
}

func TestFilterEdges(t *testing.T) {
	x, g := world()
	if n := len(slices.Collect(grants.Filter(x, g, store.Grant{Mode: store.GrantNone}).Index.Snapshot().All())); n != 0 {
		t.Errorf("nothing holds %d assets", n)
	}
	root := grants.Filter(x, g, chosen(catalog.RootCollectionID))
	if !root.Sees(x.Question("16").Ref()) || root.Sees(x.Question("10").Ref()) || root.Sees(x.Question("15").Ref()) {
		t.Error("the root stands for what lies directly in it, and not for what lies nobody knows where")
	}
	if p := grants.PreviewOf(x, chosen("2")); p != (grants.Preview{Questions: 4, AllQuestions: 7, Dashboards: 1, AllDashboards: 2}) {
		t.Errorf("preview %+v", p)
	}
	var tree []string
	for _, n := range grants.Tree(x) {
		tree = append(tree, strings.Repeat(" ", n.Depth)+n.Name)
	}
	if d := cmp.Diff([]string{"Our analytics", " hidden above", "  Open", "   Open below", " hidden beside"}, tree); d != "" {
		t.Error(d)
	}
	if grants.Key(chosen("1", "12")) == grants.Key(chosen("11", "2")) || grants.Key(chosen("1")) == grants.Key(store.Grant{Mode: store.GrantAll}) {
		t.Error("two grants have one key")
	}
}

func TestService(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { service(t, "") })
	t.Run("postgres", func(t *testing.T) { service(t, cluster.Database(t)) })
}

func service(t *testing.T, address string) {
	t.Helper()
	w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir, cfg.DatabaseURL = t.TempDir(), secret.New(address)
		s, err := store.Open(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
	users := map[store.Role]store.UserID{}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		for _, role := range []store.Role{store.RoleAdmin, store.RoleEditor, store.RoleViewer} {
			u, err := tx.InsertUser(ctx, store.User{Email: string(role) + "@example.com", Name: string(role)})
			if err != nil {
				return err
			}
			users[role] = u.ID
			if err := tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: u.ID, Role: role}); err != nil {
				return err
			}
		}
		return nil
	})
	as := func(role store.Role) context.Context {
		return access.With(t.Context(), access.Actor{Kind: access.Person, User: string(users[role]), Org: string(w.Org), Role: role})
	}
	s := grants.New(grants.Config{Store: w.Store})
	of := func(ctx context.Context) (g store.Grant) {
		err := w.Store.ViewOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) (err error) {
			g, err = grants.Of(ctx, tx, w.Conn)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	admin := as(store.RoleAdmin)
	if g := of(as(store.RoleViewer)); !grants.Everything(g) {
		t.Errorf("before: %v", g)
	}
	if err := s.Set(admin, w.Org, w.Conn, users[store.RoleViewer], chosen("5", "3", "5")); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(chosen("3", "5"), of(as(store.RoleViewer))); d != "" {
		t.Error(d)
	}
	// The default is for those who come later.
	if err := s.SetDefault(admin, w.Org, w.Conn, store.GrantNone); err != nil {
		t.Fatal(err)
	}
	if g := of(as(store.RoleEditor)); !grants.Everything(g) {
		t.Errorf("a member of before lost %v", g)
	}
	users["later"] = "later"
	later := access.With(t.Context(), access.Actor{Kind: access.Person, User: "later", Org: string(w.Org), Role: access.Viewer})
	if g := of(later); g.Mode != store.GrantNone {
		t.Errorf("a later member sees %v", g)
	}
	sheet, err := s.Sheet(admin, w.Org, w.Conn)
	if err != nil || len(sheet.Members) != 3 || sheet.Default != store.GrantNone || !sheet.Members[0].All || !sheet.Members[2].Own {
		t.Errorf("sheet %+v %v", sheet, err)
	}
	for what, err := range map[string]error{
		string(errs.Forbidden): s.Set(as(store.RoleEditor), w.Org, w.Conn, users[store.RoleEditor], store.Grant{Mode: store.GrantAll}),
		string(errs.NotFound):  s.Set(admin, w.Org, w.Conn, "nobody", store.Grant{Mode: store.GrantAll}),
		string(errs.Invalid):   s.Set(admin, w.Org, w.Conn, users[store.RoleAdmin], store.Grant{Mode: store.GrantNone}),
	} {
		if string(errs.KindOf(err)) != what {
			t.Errorf("%v, not %s", err, what)
		}
	}
	if err := s.Set(admin, w.Org, w.Conn, users[store.RoleViewer], chosen()); errs.CodeOf(err) != "no_collections" {
		t.Errorf("an empty choice: %v", err)
	}
	var actions []string
	w.View(func(ctx context.Context, tx *store.Tx) error {
		rows, _, err := tx.AuditLog(ctx, store.AuditQuery{})
		for _, r := range rows {
			actions = append(actions, r.Action)
			if strings.Contains(r.Detail, `"3"`) {
				t.Errorf("the audit row names a collection: %s", r.Detail)
			}
		}
		return err
	})
	slices.Sort(actions)
	if d := cmp.Diff([]string{"grant_changed", "grant_default_changed"}, actions); d != "" {
		t.Error(d)
	}
	if err := w.Store.ViewOrg(t.Context(), w.Org, func(ctx context.Context, tx *store.Tx) error {
		_, err := grants.Of(ctx, tx, w.Conn)
		return err
	}); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("nobody: %v", err)
	}
}
