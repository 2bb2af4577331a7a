package export

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/lineage"
)

// tree writes files into a folder; names have forward slashes.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func clock() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func mustRead(t testing.TB, dir string, o Options) *catalog.Snapshot {
	t.Helper()
	o.Now = clock
	s, err := Read(context.Background(), dir, o)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return s
}

// faults are the gaps that make a read partial.
func faults(s *catalog.Snapshot) []string {
	_, reasons := s.Partial()
	return reasons
}

// dump writes everything that a snapshot keeps.
func dump(t testing.TB, s *catalog.Snapshot) string {
	t.Helper()
	var b strings.Builder
	for a := range s.All() {
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	fmt.Fprintf(&b, "%+v %+v %+v %+v", s.Instance, s.Gaps, s.Usage, s.Files)
	return b.String()
}

const (
	idCard  = "UUUUUUUUUUUUUUUUUUUUU"
	idModel = "VVVVVVVVVVVVVVVVVVVVV"
	idDash  = "WWWWWWWWWWWWWWWWWWWWW"
	idColl  = "XXXXXXXXXXXXXXXXXXXXX"
	idSub   = "YYYYYYYYYYYYYYYYYYYYY"
	idMine  = "ZZZZZZZZZZZZZZZZZZZZZ"
)

func meta(model, id string) string {
	return "serdes/meta:\n- model: " + model + "\n  id: " + id + "\n"
}

// newer is a tree in the layout of representations v1, with a companion tree of
// database metadata.
var newer = map[string]string{
	"collections/main/shop.yaml":         "name: Shop\nentity_id: " + idColl + "\nparent_id: null\nslug: shop\nauthority_level: official\n" + meta("Collection", idColl),
	"collections/main/shop/deep.yaml":    "name: Deep\nentity_id: " + idSub + "\nparent_id: " + idColl + "\n" + meta("Collection", idSub),
	"collections/main/mine.yaml":         "name: Ann's Personal Collection\nentity_id: " + idMine + "\npersonal_owner_id: ann@example.com\n" + meta("Collection", idMine),
	"collections/main/mine/private.yaml": "name: Private\nentity_id: PPPPPPPPPPPPPPPPPPPPP\ncollection_id: " + idMine + "\ntype: question\ndataset_query: {}\n" + meta("Card", "PPPPPPPPPPPPPPPPPPPPP"),
	"collections/main/shop/revenue.yaml": `name: Revenue
entity_id: ` + idCard + `
type: question
display: bar
database_id: Sales
collection_id: ` + idColl + `
collection_position: 1
creator_id: Bob@Example.com
created_at: '2026-01-02T03:04:05.678Z'
public_uuid: 11111111-2222-3333-4444-555555555555
cache_ttl: 24
metabase_version: v1.58.3 (abc)
archived: no
dataset_query:
  lib/type: mbql/query
  database: Sales
  info: {secret: CANARY-info}
  parameters: [{type: text, value: CANARY-param}]
  stages:
  - lib/type: mbql.stage/mbql
    source-card: ` + idModel + `
    lib/stage-metadata: {columns: [CANARY-stage]}
    filters:
    - [=, {lib/uuid: 6a2}, [field, {}, [Sales, public, orders, status]], paid]
    aggregation:
    - [sum, {lib/uuid: 6a1}, [field, {base-type: type/Float}, [Sales, public, orders, total]]]
    order-by:
    - [desc, {}, [aggregation, {}, 6a1]]
result_metadata:
- name: sum
  display_name: Sum of Total
  fingerprint: {global: {distinct-count: 99, CANARY-fingerprint: 1}}
  settings: {CANARY: CANARY-settings}
  id: [Sales, public, orders, total]
parameters:
- {id: p1, name: Status, slug: status, type: string/=, default: [CANARY-default], values_source_type: card, values_source_config: {card_id: ` + idModel + `, values: [CANARY-value], value_field: [field, [Sales, public, orders, status], null]}}
visualization_settings:
  graph.dimensions: [status]
  graph.goal_value: 4711
  graph.goal_label: CANARY-goal
  series_settings: {CANARY-series: {color: red}}
  pie.colors: {CANARY-pie: red}
  column_settings:
    '["name","total"]': {prefix: CANARY-prefix, click_behavior: {type: link, linkType: dashboard, targetId: ` + idDash + `, linkTemplate: CANARY-url, parameterMapping: {x: {source: {type: text, id: CANARY-click}}}}}
  table.columns: [{name: total, enabled: true, fieldRef: [field, [Sales, public, orders, total], null], width: 5}]
` + meta("Card", idCard),
	"collections/main/shop/orders_model.yaml": `name: Orders
entity_id: ` + idModel + `
type: model
database_id: Sales
collection_id: ` + idColl + `
dataset_query:
  lib/type: mbql/query
  database: Sales
  stages:
  - lib/type: mbql.stage/native
    native: "select * from orders where {{status}} [[and id = {{id}}]]"
    template-tags:
    - {id: t1, name: status, type: dimension, display-name: Status, widget-type: string/=, default: CANARY-tag, dimension: [field, {}, [Sales, public, orders, status]]}
    - {id: t2, name: id, type: number, options: {x: CANARY-option}}
` + meta("Card", idModel),
	"collections/main/shop/overview.yml": `name: Overview
entity_id: ` + idDash + `
collection_id: ` + idColl + `
tabs:
- {entity_id: tab2, name: Second, position: 1}
- {entity_id: tab1, name: First, position: 0}
parameters:
- {id: p1, name: Status, slug: status, type: string/=, default: CANARY-dash}
param_values: {x: CANARY-values}
dashcards:
- entity_id: dc1
  card_id: ` + idCard + `
  dashboard_tab_id: [` + idDash + `, tab1]
  row: 0
  col: 0
  size_x: 12
  size_y: 6
  parameter_mappings:
  - {parameter_id: p1, card_id: ` + idCard + `, target: [dimension, [field, [Sales, public, orders, status], null]]}
  series:
  - {card_id: ` + idModel + `, position: 0}
  visualization_settings: {click_behavior: {type: link, linkType: question, targetId: ` + idModel + `}}
- entity_id: dc2
  card_id: null
  visualization_settings: {text: CANARY-text, virtual_card: {display: text}}
- entity_id: dc3
  card_id: null
  visualization_settings: {link: {url: CANARY-url, entity: {model: table, id: [Sales, public, orders], name: CANARY-link}}, virtual_card: {display: link}}
` + meta("Dashboard", idDash),
	"collections/main/shop/notes.yaml": `name: Notes
entity_id: DDDDDDDDDDDDDDDDDDDDD
collection_id: ` + idColl + `
document:
  type: doc
  content:
  - {type: paragraph, content: [{type: text, text: CANARY-prose}]}
  - {type: cardEmbed, attrs: {id: [{model: Card, id: ` + idCard + `}]}}
  - {type: paragraph, content: [{type: smartLink, attrs: {entityId: ` + idDash + `, model: dashboard, label: CANARY-label}}]}
` + meta("Document", "DDDDDDDDDDDDDDDDDDDDD"),
	"collections/snippets/paid.yaml": "name: paid\nentity_id: SSSSSSSSSSSSSSSSSSSSS\ncontent: status = 'paid'\n" + meta("NativeQuerySnippet", "SSSSSSSSSSSSSSSSSSSSS"),
	"collections/transforms/daily.yaml": `name: Daily
entity_id: TTTTTTTTTTTTTTTTTTTTT
source_database_id: Sales
source:
  type: python
  body: print("CANARY-python")
  source-tables:
  - {alias: o, database_id: Sales, schema: public, table: orders, table_id: [Sales, public, orders]}
target: {type: table, database: Sales, schema: public, name: daily}
` + meta("Transform", "TTTTTTTTTTTTTTTTTTTTT"),
	"databases/sales/sales.yaml": "name: Sales\nengine: postgres\ndetails: {host: CANARY-host, password: CANARY-password}\n" + meta("Database", "Sales"),
	"databases/sales/schemas/public/tables/orders/segments/paid.yaml": `name: Paid
entity_id: GGGGGGGGGGGGGGGGGGGGG
table_id: [Sales, public, orders]
definition: {lib/type: mbql/query, database: Sales, stages: [{source-table: [Sales, public, orders], filters: [[=, {}, [field, {}, [Sales, public, orders, status]], paid]]}]}
` + meta("Segment", "GGGGGGGGGGGGGGGGGGGGG"),
	"databases/sales/schemas/public/tables/orders/measures/total.yaml": `name: Total
entity_id: MMMMMMMMMMMMMMMMMMMMM
table_id: [Sales, public, orders]
definition: {lib/type: mbql/query, database: Sales, stages: [{source-table: [Sales, public, orders], aggregation: [[sum, {}, [field, {}, [Sales, public, orders, total]]]]}]}
` + meta("Measure", "MMMMMMMMMMMMMMMMMMMMM"),
	".metadata/databases/Sales/Sales.yaml": "name: Sales\nengine: postgres\n",
	".metadata/databases/Sales/schemas/public/tables/orders.yaml": `name: orders
db_id: Sales
schema: public
fields:
- {name: id, base_type: type/Integer, semantic_type: type/PK, database_type: int4}
- {name: status, base_type: type/Text}
- {name: total, base_type: type/Float}
- {name: customer_id, base_type: type/Integer, semantic_type: type/FK, fk_target_field_id: [Sales, public, customers, id]}
- {name: city, nfc_path: [data, city], base_type: type/Text}
`,
	".metadata/databases/Sales/schemas/public/tables/fieldvalues/status___fieldvalues.yaml": "values: [CANARY-fieldvalue]\n",
	"databases/sales/v.yaml":               "values: [CANARY-values]\n" + meta("FieldValues", "0"),
	"settings.yaml":                        "site-url: CANARY-setting\n",
	".github/workflows/ci.yaml":            "on: push\njobs: {test: {runs-on: x}}\n",
	"python_libraries/common.yaml":         "path: common.py\nsource: CANARY-python\n" + meta("PythonLibrary", "LLLLLLLLLLLLLLLLLLLLL"),
	"transforms/transform_jobs/daily.yaml": "name: daily\n" + meta("TransformJob", "JJJJJJJJJJJJJJJJJJJJJ"),
	".git/objects/x.yaml":                  "serdes/meta: [{model: Card, id: NNNNNNNNNNNNNNNNNNNNN}]\n",
}

func TestNewerLayout(t *testing.T) {
	s := mustRead(t, tree(t, newer), Options{})
	if got := faults(s); len(got) > 0 {
		t.Errorf("partial: %q", got)
	}
	var assets []string
	for a := range s.All() {
		assets = append(assets, a.Ref().String()+" "+a.Title())
	}
	slices.Sort(assets)
	want := []string{
		"collection:" + idColl + " Shop", "collection:" + idSub + " Deep", "collection:root Our analytics",
		"dashboard:" + idDash + " Overview", "database:Sales Sales", "document:DDDDDDDDDDDDDDDDDDDDD Notes",
		"measure:MMMMMMMMMMMMMMMMMMMMM Total", "model:" + idModel + " Orders", "question:" + idCard + " Revenue",
		"segment:GGGGGGGGGGGGGGGGGGGGG Paid", "snippet:SSSSSSSSSSSSSSSSSSSSS paid", "table:Sales/public/orders orders",
		"transform:TTTTTTTTTTTTTTTTTTTTT Daily",
	}
	people := slices.DeleteFunc(slices.Clone(assets), func(a string) bool { return !strings.HasPrefix(a, "person:p_") })
	if len(people) != 2 {
		t.Errorf("people = %v", people)
	}
	assets = slices.DeleteFunc(assets, func(a string) bool { return strings.HasPrefix(a, "person:p_") })
	if diff := cmp.Diff(want, assets); diff != "" {
		t.Errorf("assets:\n%s", diff)
	}
	if i := s.Instance; i.Version != "v1.58.3" || i.Major != 58 || i.Edition != "enterprise" || i.URL != "export:export" {
		t.Errorf("instance = %+v", i)
	}
	index := catalog.NewIndex(s)
	q := index.Question(idCard)
	hours := 24
	want2 := &catalog.Question{
		Common:   catalog.Common{ID: idCard, EntityID: idCard, Name: "Revenue", CreatorID: q.CreatorID, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)},
		Exposure: catalog.Exposure{Public: true}, Type: catalog.KindQuestion, Display: "bar", DatabaseID: "Sales",
		SourceQuestionID: idModel, CollectionID: idColl, Pinned: true, CacheTTL: &hours,
		Query: catalog.Query{
			Language: catalog.LanguageMBQL, Dialect: "mbql5", DatabaseID: "Sales",
			MBQL: json.RawMessage(`{"database":"Sales","lib/type":"mbql/query","stages":[{"aggregation":[["sum",{"lib/uuid":"a1"},["field",{"base-type":"type/Float"},["Sales","public","orders","total"]]]],"filters":[["=",{},["field",{},["Sales","public","orders","status"]],"paid"]],"lib/type":"mbql.stage/mbql","order-by":[["desc",{},["aggregation",{},"a1"]]],"source-card":"` + idModel + `"}]}`),
		},
		Parameters: []catalog.Parameter{{
			ID: "p1", Name: "Status", Slug: "status", Type: "string/=", SourceType: "card", SourceQuestionID: idModel,
			SourceValueField: json.RawMessage(`["field",["Sales","public","orders","status"],null]`),
		}},
		ResultColumns: []catalog.ResultColumn{{Name: "sum", DisplayName: "Sum of Total", ColumnID: "Sales/public/orders/total"}},
		Visualization: json.RawMessage(`{"graph.dimensions":["status"],"table.columns":[{"enabled":true,"fieldRef":["field",["Sales","public","orders","total"],null],"name":"total"}]}`),
		ClickTargets:  []catalog.Ref{{Kind: catalog.KindDashboard, ID: idDash}},
	}
	if diff := cmp.Diff(want2, q); diff != "" {
		t.Errorf("question:\n%s", diff)
	}
	wantTags := []catalog.TemplateTag{
		{Name: "id", Type: "number"},
		{Name: "status", Type: "dimension", Display: "Status", WidgetType: "string/=", Dimension: json.RawMessage(`["field",{},["Sales","public","orders","status"]]`)},
	}
	if diff := cmp.Diff(wantTags, index.Question(idModel).Query.Tags); diff != "" {
		t.Errorf("tags:\n%s", diff)
	}
	d := index.Dashboard(idDash)
	wantCards := []catalog.Dashcard{
		{
			ID: "dc1", EntityID: "dc1", QuestionID: idCard, SeriesIDs: []string{idModel}, TabID: "tab1", Width: 12, Height: 6,
			Mappings:     []catalog.ParameterMapping{{ParameterID: "p1", QuestionID: idCard, Target: json.RawMessage(`["dimension",["field",["Sales","public","orders","status"],null]]`)}},
			ClickTargets: []catalog.Ref{{Kind: catalog.KindQuestion, ID: idModel}},
		},
		{ID: "dc2", EntityID: "dc2", Virtual: "text"},
		{ID: "dc3", EntityID: "dc3", Virtual: "link", LinkTarget: catalog.Ref{Kind: catalog.KindTable, ID: "Sales/public/orders"}},
	}
	if diff := cmp.Diff(wantCards, d.Cards); diff != "" {
		t.Errorf("dashcards:\n%s", diff)
	}
	if d.Tabs[0].Name != "First" {
		t.Errorf("tabs = %+v", d.Tabs)
	}
	var columns []string
	for _, c := range index.Table("Sales/public/orders").Columns {
		columns = append(columns, c.ID+" "+c.FKTargetID)
	}
	if diff := cmp.Diff([]string{
		"Sales/public/orders/id ", "Sales/public/orders/status ", "Sales/public/orders/total ",
		"Sales/public/orders/customer_id Sales/public/customers/id", "Sales/public/orders/data.city ",
	}, columns); diff != "" {
		t.Errorf("columns:\n%s", diff)
	}
	if got := string(s.Transforms[0].SourceTables); got != `[["Sales","public","orders"]]` {
		t.Errorf("source tables = %s", got)
	}
	if got := s.Files[q.Ref()]; got != "collections/main/shop/revenue.yaml" {
		t.Errorf("file = %q", got)
	}
	doc := s.Documents[0]
	if diff := cmp.Diff([]string{idCard}, doc.QuestionIDs); diff != "" || len(doc.Links) != 1 || doc.Links[0].ID != idDash {
		t.Errorf("document = %+v", doc)
	}
}

func TestNothingForbiddenIsKept(t *testing.T) {
	s := mustRead(t, tree(t, newer), Options{IncludePersonal: true})
	dump := dump(t, s)
	for _, canary := range []string{"CANARY", "4711", "@example.com", "@Example.com", "11111111-2222"} {
		if i := strings.Index(dump, canary); i >= 0 {
			t.Errorf("%s is kept: …%s…", canary, dump[max(0, i-60):min(len(dump), i+40)])
		}
	}
}

func TestLineageOfAnExport(t *testing.T) {
	s := mustRead(t, tree(t, newer), Options{})
	g := lineage.Build(context.Background(), catalog.NewIndex(s))
	var edges []string
	for _, e := range g.Edges {
		edges = append(edges, e.From.String()+" "+e.To.String()+" "+string(e.Via))
	}
	for _, want := range []string{
		"model:" + idModel + " question:" + idCard + " model",
		"question:" + idCard + " dashboard:" + idDash + " dashcard",
		"model:" + idModel + " dashboard:" + idDash + " series",
		"model:" + idModel + " question:" + idCard + " parameter_source",
		"table:Sales/public/orders segment:GGGGGGGGGGGGGGGGGGGGG query",
		"table:Sales/public/orders transform:TTTTTTTTTTTTTTTTTTTTT query",
		"table:Sales/public/orders model:" + idModel + " filter",
	} {
		if !slices.Contains(edges, want) {
			t.Errorf("missing edge %s in\n%s", want, strings.Join(edges, "\n"))
		}
	}
}

func TestScope(t *testing.T) {
	dir := tree(t, newer)
	s := mustRead(t, dir, Options{Exclude: []string{idColl}, IncludePersonal: true})
	index := catalog.NewIndex(s)
	if index.Collection(idColl) != nil || index.Collection(idSub) != nil || index.Question(idCard) != nil || index.Dashboard(idDash) != nil {
		t.Error("excluded content is there")
	}
	if index.Collection(idMine) == nil || index.Question("PPPPPPPPPPPPPPPPPPPPP") == nil {
		t.Error("personal content is not there")
	}
	if partial, reasons := s.Partial(); partial {
		t.Errorf("exclusion makes the read partial: %q", reasons)
	}
	if got := mustRead(t, dir, Options{}); catalog.NewIndex(got).Question("PPPPPPPPPPPPPPPPPPPPP") != nil {
		t.Error("personal content is there by default")
	}
}

func TestPeopleArePseudonyms(t *testing.T) {
	dir := tree(t, newer)
	plain, again := mustRead(t, dir, Options{}), mustRead(t, dir, Options{})
	keyed := mustRead(t, dir, Options{Pseudonym: func(address string) string { return "p_" + strconv.Itoa(len(address)) }})
	id := func(s *catalog.Snapshot) string { return catalog.NewIndex(s).Question(idCard).CreatorID }
	if id(plain) != id(again) || id(plain) == id(keyed) || id(keyed) != "p_15" {
		t.Errorf("ids: %s %s %s", id(plain), id(again), id(keyed))
	}
}

func TestWithoutDataModel(t *testing.T) {
	s := mustRead(t, tree(t, map[string]string{"collections/main/shop/revenue.yaml": newer["collections/main/shop/revenue.yaml"]}), Options{})
	index := catalog.NewIndex(s)
	if d := index.Database("Sales"); d == nil || d.Engine != "" {
		t.Errorf("database = %+v", d)
	}
	if _, unread := s.Unread(catalog.KindTable); !unread {
		t.Error("tables count as read")
	}
	card := newer["collections/main/shop/revenue.yaml"]
	card = strings.Replace(card, "source-card: "+idModel, "source-table: [Sales, public, orders]", 1)
	s = mustRead(t, tree(t, map[string]string{"a.yaml": card}), Options{})
	table := catalog.NewIndex(s).Table("Sales/public/orders")
	if table == nil || !table.ColumnsUnread || len(table.Columns) != 2 {
		t.Fatalf("table = %+v", table)
	}
	g := lineage.Build(context.Background(), catalog.NewIndex(s))
	if len(g.Edges) != 1 || g.Edges[0].From != table.Ref() {
		t.Errorf("edges = %v", g.Edges)
	}
}

func TestBrokenFilesAreGaps(t *testing.T) {
	files := map[string]string{
		"collections/cards/good.yaml":   newer["collections/main/shop/revenue.yaml"],
		"collections/cards/broken.yaml": "name: x\n  bad: [\n",
		"collections/cards/tab.yaml":    "name: x\n\tdisplay: y\n",
		"collections/cards/again.yaml":  newer["collections/main/shop/revenue.yaml"],
		"collections/cards/noid.yaml":   "name: x\nserdes/meta: [{model: Card}]\n",
		"collections/cards/bomb.yaml":   "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\ng: [*f, *f, *f, *f, *f, *f, *f, *f, *f]\n" + meta("Card", "BBBBBBBBBBBBBBBBBBBBB"),
		"collections/cards/deep.yaml":   "name: " + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "\n",
		"collections/cards/loop.yaml":   "name: &a [*a]\n",
		"collections/cards/odd.yaml":    "? [a, b]\n: c\nserdes/meta: 7\n",
		"collections/cards/types.yaml":  "name: [1]\ncollection_id: {a: 1}\ndataset_query: 7\nparameters: x\nvisualization_settings: [1]\nresult_metadata: {a: 1}\nserdes/meta: [{model: Card, id: OOOOOOOOOOOOOOOOOOOOO}]\n",
		"databases/x/fields/f.yaml":     "name: f\nserdes/meta: [{model: Field, id: f}]\n",
		"new.yaml":                      meta("Hologram", "x"),
		"empty.yaml":                    "",
		"list.yaml":                     "- a\n",
		"huge.yaml":                     "x: " + strings.Repeat("y", maxFileBytes) + "\n",
		"table_metadata.json":           `{"databases": [`,
	}
	s := mustRead(t, tree(t, files), Options{})
	got := strings.Join(faults(s), "\n")
	for _, want := range []string{
		"collections/cards/broken.yaml: it is broken: line 2",
		"collections/cards/tab.yaml: it is broken: line 2",
		"collections/cards/good.yaml: it has the same entity_id as collections/cards/again.yaml",
		"collections/cards/noid.yaml: it has no entity_id",
		"collections/cards/bomb.yaml: it is broken: ",
		"collections/cards/deep.yaml: it is broken: line 1: it is nested too deeply",
		"collections/cards/loop.yaml: it is broken: ",
		"databases/x/fields/f.yaml: it does not say which column",
		`1 files of kind "Hologram"`,
		"huge.yaml: it is larger than 16 MB",
		"table_metadata.json: it is broken JSON",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing gap %q in\n%s", want, got)
		}
	}
	index := catalog.NewIndex(s)
	if index.Question(idCard) == nil || index.Question("OOOOOOOOOOOOOOOOOOOOO") == nil || len(s.Questions) != 2 {
		t.Errorf("questions = %d", len(s.Questions))
	}
	for _, g := range s.Gaps {
		if strings.HasSuffix(g.What, "broken.yaml") && g.Kind != catalog.KindQuestion {
			t.Errorf("kind of %s = %q", g.What, g.Kind)
		}
	}
}

func TestNoExport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.txt")
	if err := os.WriteFile(file, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, location, code, hint string }{
		{"missing folder", filepath.Join(t.TempDir(), "nowhere"), "export_missing", "folder"},
		{"empty folder", t.TempDir(), "not_an_export", "collections/"},
		{"other YAML", tree(t, map[string]string{"ci.yaml": "on: push\n"}), "not_an_export", "collections/"},
		{"only broken YAML", tree(t, map[string]string{"a.yaml": "a: [\n"}), "not_an_export", "a.yaml"},
		{"not an archive", file, "not_an_export", ".tar.gz"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Read(context.Background(), test.location, Options{})
			var e *errs.Error
			if !errors.As(err, &e) || e.Kind != errs.Invalid || e.Code != test.code || !strings.Contains(e.Hint, test.hint) {
				t.Errorf("error = %+v", e)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, tree(t, newer), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSymbolicLinksStayOutside(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": newer["collections/main/shop/revenue.yaml"]})
	outside := tree(t, map[string]string{"b.yaml": strings.ReplaceAll(newer["collections/main/shop/revenue.yaml"], idCard, "OOOOOOOOOOOOOOOOOOOOO")})
	if err := os.Symlink(filepath.Join(outside, "b.yaml"), filepath.Join(dir, "link.yaml")); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "folder")); err != nil {
		t.Skip(err)
	}
	s := mustRead(t, dir, Options{})
	if len(s.Questions) != 1 {
		t.Errorf("%d questions", len(s.Questions))
	}
	if !slices.ContainsFunc(s.Gaps, func(g catalog.Gap) bool { return g.What == "symbolic links" && g.Expected }) {
		t.Error("the links are not mentioned")
	}
}

func archive(t *testing.T, files map[string]string, cut int) string {
	t.Helper()
	var buffer bytes.Buffer
	zip := gzip.NewWriter(&buffer)
	out := tar.NewWriter(zip)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := out.WriteHeader(&tar.Header{Name: "metabase-export/" + name, Size: int64(len(files[name])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.WriteHeader(&tar.Header{Name: "../../evil.yaml", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "export.tar.gz")
	if err := os.WriteFile(path, buffer.Bytes()[:buffer.Len()-cut], 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestArchive(t *testing.T) {
	folder := mustRead(t, tree(t, newer), Options{})
	packed := mustRead(t, archive(t, newer, 0), Options{})
	if diff := cmp.Diff(folder.Questions, packed.Questions); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(folder.Tables, packed.Tables); diff != "" {
		t.Error(diff)
	}
	cut := mustRead(t, archive(t, newer, 400), Options{})
	if got := faults(cut); len(got) != 1 || !strings.Contains(got[0], "cut off") {
		t.Errorf("faults = %q", got)
	}
}

func TestTableMetadataJSON(t *testing.T) {
	s := mustRead(t, tree(t, map[string]string{"table_metadata.json": `{"databases":[{"id":1,"name":"Sales","engine":"postgres","details":{"host":"CANARY"}}],
	 "tables":[{"id":7,"db_id":1,"schema":"public","name":"orders"},{"id":8,"db_id":1,"schema":"public","name":"customers"}],
	 "fields":[{"id":1,"table_id":7,"name":"customer_id","base_type":"type/Integer","fk_target_field_id":2},{"id":2,"table_id":8,"name":"id","semantic_type":"type/PK"},{"id":3,"table_id":7,"name":"city","parent_id":4},{"id":4,"table_id":7,"name":"address"}]}`}), Options{})
	var got []string
	for _, table := range s.Tables {
		for _, c := range table.Columns {
			got = append(got, fmt.Sprintf("%s %d %s", c.ID, c.MetabaseID, c.FKTargetID))
		}
	}
	want := []string{
		"Sales/public/customers/id 2 ", "Sales/public/orders/customer_id 1 Sales/public/customers/id",
		"Sales/public/orders/address.city 3 ", "Sales/public/orders/address 4 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// corpus finds other people's recorded data.
func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("METALENS_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "corpus")
	}
	dir = filepath.Join(dir, "B_content_exports", "serdes_iethree_mb-backup")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus here; set METALENS_CORPUS to its folder")
	}
	return dir
}

func TestRecordedExport(t *testing.T) {
	s := mustRead(t, filepath.Join(corpus(t), "export"), Options{})
	if got := faults(s); len(got) > 0 {
		t.Errorf("partial: %q", got)
	}
	if len(s.Questions) != 40 || len(s.Dashboards) != 2 {
		t.Errorf("%d questions, %d dashboards", len(s.Questions), len(s.Dashboards))
	}
	kept := dump(t, s)
	for _, canary := range []string{"@metabase.com", "fingerprint", "youtube.com", "distinct-count"} {
		if strings.Contains(kept, canary) {
			t.Errorf("%s is kept", canary)
		}
	}
	index := catalog.NewIndex(s)
	g := lineage.Build(context.Background(), index)
	for _, u := range g.Unresolved {
		if u.Reason != "sql_not_analysed" && u.Reason != "schema_unread" {
			t.Errorf("unresolved: %+v", u)
		}
	}
	for _, q := range s.Questions {
		if q.Query.Language == catalog.LanguageMBQL && len(g.Sources(q.Ref())) == 0 {
			t.Errorf("%s uses nothing", q.Name)
		}
	}
}

func TestRecordedSchema(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Open(filepath.Join(corpus(t), "databases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var row struct {
			Path string
			YAML json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(row.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, row.YAML, 0o644); err != nil { // JSON is YAML
			t.Fatal(err)
		}
	}
	if err := errors.Join(lines.Err(), os.CopyFS(filepath.Join(dir, "export"), os.DirFS(filepath.Join(corpus(t), "export")))); err != nil {
		t.Fatal(err)
	}
	s := mustRead(t, dir, Options{})
	if got := faults(s); len(got) > 0 {
		t.Errorf("partial: %q", got)
	}
	columns := 0
	for _, table := range s.Tables {
		columns += len(table.Columns)
	}
	if len(s.Databases) != 3 || len(s.Tables) != 292 || columns != 4681 {
		t.Errorf("%d databases, %d tables, %d columns", len(s.Databases), len(s.Tables), columns)
	}
	index := catalog.NewIndex(s)
	g := lineage.Build(context.Background(), index)
	for _, u := range g.Unresolved {
		if u.Reason != "sql_not_analysed" {
			t.Errorf("unresolved: %s %s %s", index.Asset(u.Asset).Title(), u.Reason, u.Detail)
		}
	}
	if len(g.ColumnEdges) < 100 {
		t.Errorf("%d column edges", len(g.ColumnEdges))
	}
}

func FuzzFile(f *testing.F) {
	for _, text := range newer {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parseYAML(data)
		if err != nil {
			return
		}
		if text := v.json(); text != nil && !json.Valid(text) {
			t.Fatalf("not JSON: %q", text)
		}
		c := newCollector(Options{})
		c.entity("x.yaml", &v)
		c.finish()
	})
}
