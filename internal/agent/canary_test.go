package agent_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/agent/agenttest"
	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/store"
)

// planter puts a canary of its own into every field of a world that holds text,
// and into every literal. What a canary is depends on what may leave there:
//
//   - names, descriptions and labels may, once detectors went over them: the
//     canary is an e-mail address within them;
//   - people, literals, comments, values, links, addresses and code never do: the
//     canary is all there is.
type planter struct {
	n        int
	canaries map[string]string // canary → where it stands
	fields   map[string]int    // field → canaries in it
}

// inert are the fields whose text decides what the world means: ids, types,
// engines, operators. They are words of closed lists.
var inert = []string{
	"EntityID", "Type", "Magic", "Namespace", "Engine", "Timezone", "Locale", "BaseType", "DatabaseType", "SemanticType", "EntityType", "Visibility", "DataAuthority",
	"Coercion", "Sensitivity", "Display", "SavedIn", "Schedule", "Day", "Frame", "Condition", "ViewData", "CreateQueries", "Strategy", "Fields", "Op",
	"TargetID", "Unit", "Temporal", "TemporalUnit", "Bucket", "LinkModel", "Virtual", "To", "Widget",
}

// named are the fields by which parts of the world find each other: a canary goes
// behind what is there only where nothing refers to it.
var named = []string{"ID", "ParameterID", "Alias", "JoinAlias", "Tag", "Variable", "TextTag", "Slug", "Schema", "TargetSchema", "Target", "TargetTable", "ValueField", "Inline", "LinkedTo", "Collection", "Snippet"}

func (p *planter) next(field string) string {
	p.n++
	c := fmt.Sprintf("zqc%04dx", p.n)
	p.canaries[c] = field
	p.fields[field]++
	return c
}

func (p *planter) walk(v reflect.Value, owner, name string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			p.walk(v.Elem(), owner, name)
		}
	case reflect.Slice:
		for i := range v.Len() {
			p.walk(v.Index(i), owner, name)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if v.Type().Elem().Kind() == reflect.String {
				v.SetMapIndex(k, reflect.ValueOf(p.next(owner+"."+name)))
			}
		}
	case reflect.Struct:
		if v.Type().PkgPath() == "time" {
			return
		}
		if v.Type() == reflect.TypeFor[metabasetest.Expr]() {
			p.expression(v.Addr().Interface().(*metabasetest.Expr), false)
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && !slices.Contains(inert, f.Name) && !slices.Contains(named, f.Name) {
				p.walk(v.Field(i), v.Type().Name(), f.Name)
			}
		}
	case reflect.String:
		if v.CanSet() {
			p.text(v, owner, name)
		}
	}
}

// expression plants in the literals of the query builder. How many days a period
// has is no literal of the data and stays.
func (p *planter) expression(e *metabasetest.Expr, amount bool) {
	switch e.Kind {
	case metabasetest.ExprString:
		e.Name = p.next("Expr.Name (literal)")
	case metabasetest.ExprNumber:
		if amount {
			return
		}
		p.n++
		e.Number = float64(7_310_000_000 + p.n)
		c := fmt.Sprintf("%d", 7_310_000_000+p.n)
		p.canaries[c], p.fields["Expr.Number"] = "Expr.Number", p.fields["Expr.Number"]+1
	}
	if e.Display != "" {
		e.Display += " " + p.next("Expr.Display") + "@leak.example"
	}
	for i := range e.Args {
		p.expression(&e.Args[i], strings.Contains(e.Op, "interval") || strings.HasPrefix(e.Op, "relative-"))
	}
	if e.Default != nil {
		p.expression(e.Default, false)
	}
}

var quoted = regexp.MustCompile(`'[^'\n{}]*'`)

func (p *planter) text(v reflect.Value, owner, name string) {
	field := owner + "." + name
	was := v.String()
	switch {
	case field == "Stage.SQL" || field == "Snippet.Content" || field == "Snippet.SQL" || field == "Action.SQL" || field == "Transform.Python" || name == "SQL":
		if was == "" {
			return
		}
		out := "/* " + p.next(field+" (comment)") + " */ " + quoted.ReplaceAllStringFunc(was, func(m string) string {
			if keeps.MatchString(m) {
				return m
			}
			return "'" + p.next(field+" (literal)") + "'"
		})
		v.SetString(out + "\n-- " + p.next(field+" (comment)"))
	case owner == "Person" && name != "Email":
		v.SetString(p.next(field))
	case name == "Email" || name == "Outside":
		v.SetString(p.next(field) + "@leak.example")
	case name == "PublicUUID":
		if was != "" {
			v.SetString("0000" + p.next(field))
		}
	case name == "StaticValues" || name == "URL" || field == "Dashcard.Text":
		if was != "" {
			v.SetString(was + p.next(field))
		}
	case (owner == "Table" || owner == "Field" || owner == "Tag" || owner == "ResultColumn" || owner == "NamedExpr" || owner == "Snippet" || owner == "Join") && name == "Name":
		// Queries say these names; sensitive ones are added below.
	default:
		v.SetString(strings.TrimSpace(was + " " + p.next(field) + "@leak.example"))
	}
}

// keeps are literals without which a query no longer means anything: formats,
// intervals and parts of dates.
var keeps = regexp.MustCompile(`(?i)^'(?:(?:\d+ )?(?:day|week|month|quarter|year|hour|minute|second)s?|dow|utc|epoch|[ymdhis: -]+|[a-z]+/[a-z_]+|[^a-z0-9]*)'$`)

// planted is the sample company with canaries everywhere, and with columns whose
// names are sensitive.
func planted(t *testing.T) (*metabasetest.World, *planter) {
	t.Helper()
	w := injected()
	p := &planter{canaries: map[string]string{}, fields: map[string]int{}}
	v := reflect.ValueOf(w).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && !slices.Contains(inert, f.Name) {
			p.walk(v.Field(i), "World", f.Name)
		}
	}
	next := 900_000
	for i, table := range w.Tables {
		next++
		name := "home_email_" + p.next("Field.Name (sensitive)")
		f := &metabasetest.Field{ID: next, TableID: table.ID, Name: name, DisplayName: "Contact", BaseType: "type/Text", DatabaseType: "text", SemanticType: "type/Email", Position: len(table.Fields)}
		table.Fields = append(table.Fields, f)
		if table.DatabaseID != w.Databases[0].ID || i%2 == 1 {
			continue
		}
		alias := "who_" + p.next("ResultColumn.Name (of a sensitive column)")
		w.AddCard(&metabasetest.Card{
			Name: "Contacts", Type: metabasetest.CardQuestion, Display: "table", CreatedAt: start, PublicUUID: "1111" + p.next("Card.PublicUUID"),
			Query:   metabasetest.Native(table.DatabaseID, "select x."+name+" as "+alias+" from "+table.Schema+"."+table.Name+" x where x."+name+" = '"+p.next("Stage.SQL (literal)")+"'"),
			Results: []metabasetest.ResultColumn{{Name: alias, DisplayName: alias, BaseType: "type/Text", FieldID: next}},
		})
	}
	return w, p
}

// TestNothingSensitiveReachesAModel plants a canary in every field of every
// object of a Metabase and lets every tool and every agent tell a model all they
// know, with names and in strict mode. No canary is in what the model is sent.
func TestNothingSensitiveReachesAModel(t *testing.T) {
	w, p := planted(t)
	result := analysed(t, w, "0.58")
	secrets := maps.Clone(p.canaries)
	for _, c := range w.Canaries() {
		secrets[c] = "dropped when read"
	}
	for _, person := range w.People {
		secrets[person.First], secrets[person.Last] = "Person.First", "Person.Last"
	}
	total, requests := 0, 0
	for _, strict := range []bool{false, true} {
		b := newBackend(result)
		sent := toolPaths(t, b, strict)
		more, n := agentPaths(t, newBackend(result), strict)
		requests += n
		sent += more
		total += len(sent)
		lower := strings.ToLower(sent)
		leaks := map[string]int{}
		for c, where := range secrets {
			if len(c) < 5 {
				continue
			}
			if at := strings.Index(lower, strings.ToLower(c)); at >= 0 {
				leaks[where]++
				if leaks[where] <= 3 {
					t.Errorf("strict %t: %s of %s leaves: …%s…", strict, c, where, strings.ReplaceAll(lower[max(0, at-120):min(len(lower), at+60)], "\n", "⏎"))
				}
			}
		}
		// What may leave is there, or the test looks past things.
		for _, want := range []string{"Revenue by channel", "analytics.orders"} {
			if strings.Contains(sent, want) == strict {
				t.Errorf("strict %t: %q", strict, want)
			}
		}
	}
	var list []string
	for _, f := range slices.Sorted(maps.Keys(p.fields)) {
		list = append(list, fmt.Sprintf("%s %d", f, p.fields[f]))
	}
	t.Logf("%d canaries in %d fields, %d secrets looked for; %d requests of agents and every tool, %d bytes searched", p.n, len(p.fields), len(secrets), requests, total)
	t.Logf("fields: %s", strings.Join(list, ", "))
	if len(p.fields) < 45 || p.n < 1000 {
		t.Errorf("only %d canaries in %d fields", p.n, len(p.fields))
	}
}

// toolPaths calls every tool about everything and returns what it answered.
func toolPaths(t *testing.T, b *backend, strict bool) string {
	t.Helper()
	conv := tools.NewConversation(b.world, newSetups(t).classifier, nil, strict)
	for i, q := range b.world.Index.Snapshot().Questions {
		b.changes = append(b.changes, store.Change{Asset: q.Ref(), Name: q.Name, What: []string{"added", "changed", "removed"}[i%3]})
	}
	x, err := tools.New(tools.Config{Backend: b, Org: testOrg, Connection: testConn, Conversation: conv})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	ask := func(name, args string) {
		r, err := x.Call(viewer(t), name, json.RawMessage(args))
		if err != nil {
			t.Fatalf("%s %s: %v", name, args, err)
		}
		out.WriteString(r.Text.String() + "\n")
	}
	lens, err := x.Lens(viewer(t))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[catalog.Kind]int{}
	for a := range b.world.Index.Snapshot().All() {
		ref := lens.Ref(a.Ref()).String()
		ask("get_asset", `{"ref":`+quote(ref)+`}`)
		if seen[a.Ref().Kind]++; seen[a.Ref().Kind] <= 12 {
			ask("get_lineage", `{"ref":`+quote(ref)+`,"direction":"downstream"}`)
			ask("get_lineage", `{"ref":`+quote(ref)+`,"direction":"upstream"}`)
			ask("get_impact", `{"ref":`+quote(ref)+`}`)
		}
		if table, ok := a.(*catalog.Table); ok {
			for _, c := range table.Columns {
				ask("get_asset", `{"ref":`+quote(lens.Ref(c.Ref()).String())+`}`)
			}
		}
	}
	for _, k := range []string{"question", "model", "metric", "dashboard", "collection", "database", "table", "segment", "measure", "snippet", "transform", "document", "subscription", "alert"} {
		for offset := 0; offset < 200; offset += 50 {
			ask("list_assets", fmt.Sprintf(`{"kind":%q,"limit":50,"offset":%d}`, k, offset))
		}
	}
	for _, f := range b.findings {
		ask("get_finding", `{"id":"`+f.Fingerprint+`"}`)
	}
	for offset := 0; offset < len(b.findings); offset += 50 {
		ask("list_findings", fmt.Sprintf(`{"limit":50,"offset":%d}`, offset))
	}
	for _, c := range b.similar.Clusters {
		ask("compare_assets", `{"a":"`+c.Members[0].String()+`","b":"`+c.Members[1].String()+`"}`)
	}
	for offset := range 40 {
		ask("list_duplicates", fmt.Sprintf(`{"limit":1,"offset":%d}`, offset))
		ask("list_metrics", fmt.Sprintf(`{"limit":1,"offset":%d}`, offset))
		ask("list_metrics", fmt.Sprintf(`{"conflicts":true,"limit":1,"offset":%d}`, offset))
		ask("list_changes", fmt.Sprintf(`{"limit":10,"offset":%d}`, offset*10))
	}
	ask("get_overview", `{}`)
	ask("search_assets", `{"query":"zqc","limit":50}`)
	ask("search_assets", `{"query":"email","limit":50}`)
	for _, q := range b.world.Index.Snapshot().Questions {
		if q.Query.SQL != "" {
			ask("check_sql", `{"database":"database:`+q.Query.DatabaseID+`","sql":`+quote(lens.SQL(q.Query.DatabaseID, q.Query.SQL).String())+`}`)
		}
	}
	return out.String()
}

func quote(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// agentPaths lets every agent work on everything it can.
func agentPaths(t *testing.T, over *backend, strict bool) (sent string, requests int) {
	t.Helper()
	m := &agenttest.Model{Reply: reply}
	b := newBenchOf(t, m, over)
	b.setups.strict = strict
	if err := b.service.SetAfterScan(b.as(access.Admin), b.org, b.conn, agent.AfterScan{
		Agents: []agent.Name{agent.Briefing, agent.Explainer, agent.Duplicates, agent.Metrics, agent.SQLReview, agent.Exposure}, Money: 1000 * llm.Dollar, Tokens: 1 << 40,
	}); err != nil {
		t.Fatal(err)
	}
	r, err := b.service.RunAfterScan(access.AsSystem(t.Context()), b.org, b.conn)
	if err != nil || r.Stopped != "" || r.Made < 40 {
		t.Fatalf("%v, %+v", err, r)
	}
	for a := range b.world.Index.Snapshot().All() {
		if strict {
			break // the names in them are those of the work after a scan
		}
		for _, name := range []agent.Name{agent.Explainer, agent.SQLReview, agent.Exposure} {
			if _, err := b.make(name, a.Ref().String()); err != nil && errs.KindOf(err) != errs.Invalid { // most have nothing to say about most
				t.Fatalf("%s of %s: %v", name, a.Ref(), err)
			}
		}
	}
	_, err = b.service.Write(b.as(access.Viewer), b.org, b.conn, b.world.Index.Snapshot().Databases[0].ID, "How many customers like ada@zqcanary.example are there?", nil)
	if err != nil {
		t.Fatal(err)
	}
	return m.Sent(), len(m.Requests())
}
