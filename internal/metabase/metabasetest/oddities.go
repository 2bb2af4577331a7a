package metabasetest

import (
	"encoding/json"
	"strings"
	"time"
)

// Oddities is a small world with one of everything that is rare or awkward:
// every kind of template tag, every form of structured query, names that attack
// terminals, pages and spreadsheets, ids that point nowhere, schemas and columns
// with separators in their names. Tests of readers and reports use it; cards are
// named after what is odd about them.
func Oddities(now time.Time) *World {
	now = now.UTC().Truncate(time.Second)
	w := NewWorld(now.AddDate(-3, 0, 0))
	w.Name = "Oddities"
	w.Upgraded = now.AddDate(-1, 0, 0)
	ada := w.AddPerson(&Person{First: "Ada", Last: "Stone", Email: "ada@oddities.example", Admin: true, LastLogin: now})
	w.AddPerson(&Person{Last: "\u202eresu txet\u202c", Email: "bidi@oddities.example", Inactive: true})
	w.AddPerson(&Person{First: "=HYPERLINK(\"http://x\")", Email: "formula@oddities.example"})
	team := w.AddGroup(&Group{Name: "Team <b>bold</b>"})
	o := &odd{w: w, by: ada.ID, now: now}
	o.schema(team.ID)
	o.collections(team.ID)
	o.natives()
	o.structured()
	o.hostile()
	o.boards()
	return w
}

type odd struct {
	w                     *World
	by                    int
	now                   time.Time
	pg, mongo             int
	orders, people, event *Table
	deep, archived        int
	model, metric         *Card
	snippet               int
}

func (o *odd) card(name string, q *Query) *Card {
	c := &Card{
		Name: name, Query: q, CreatorID: o.by, EditorID: o.by, CreatedAt: o.now.AddDate(0, -6, 0), EditedAt: o.now.AddDate(0, -2, 0),
		UpdatedAt: o.now.AddDate(0, -2, 0), ViewCount: 3, LastUsedAt: o.now.AddDate(0, 0, -3), Results: resultsOf(o.w, q),
	}
	c.ResultsUnknown = c.Results == nil
	return o.w.AddCard(c)
}

func (o *odd) schema(team int) {
	w := o.w
	o.pg = w.AddDatabase(&Database{Name: "Main / primary", Engine: "postgres"}).ID
	o.mongo = w.AddDatabase(&Database{Name: "Documents", Engine: "mongo"}).ID
	w.AddDatabase(&Database{Name: "Metabase analytics", Engine: "postgres", Audit: true})
	w.AddDatabase(&Database{Name: "Sample Database", Engine: "h2", Sample: true})
	w.AddDatabase(&Database{Name: "Main / primary", Engine: "made-up-engine"}) // the same name twice
	o.people = w.AddTable(&Table{DatabaseID: o.pg, Schema: "public", Name: "people", Fields: []*Field{
		{Name: "id", BaseType: "type/Integer", SemanticType: "type/PK", PrimaryKey: true},
		{Name: "e-mail", BaseType: "type/Text", SemanticType: "type/Email"},
		{Name: "na/me", BaseType: "type/Text"},
		{Name: "100%", BaseType: "type/Float"},
		{Name: `quo"ted`, BaseType: "type/Text"},
		{Name: "Größe 📏", BaseType: "type/Decimal"},
		{Name: "secret", BaseType: "type/Text", Visibility: "sensitive"},
		{Name: "gone", BaseType: "type/Text", Inactive: true},
		{Name: "location", BaseType: "type/*", DatabaseType: "geography"},
	}})
	o.orders = w.AddTable(&Table{DatabaseID: o.pg, Schema: "public", Name: "orders", Fields: []*Field{
		{Name: "id", BaseType: "type/Integer", SemanticType: "type/PK", PrimaryKey: true},
		{Name: "person_id", BaseType: "type/Integer", SemanticType: "type/FK", FKTargetID: o.people.Fields[0].ID},
		{Name: "total", BaseType: "type/Decimal"},
		{Name: "status", BaseType: "type/Text", SemanticType: "type/Category"},
		{Name: "created_at", BaseType: "type/DateTime", SemanticType: "type/CreationTimestamp"},
		{Name: "details", BaseType: "type/JSON", DatabaseType: "jsonb"},
		{Name: "details → source → utm", BaseType: "type/Text", NFCPath: []string{"details", "source", "utm"}},
	}})
	w.AddTable(&Table{DatabaseID: o.pg, Schema: "sales/eu", Name: "orders", Fields: []*Field{{Name: "id", BaseType: "type/Integer"}}})
	w.AddTable(&Table{DatabaseID: o.pg, Schema: "public", Name: "Orders", Fields: []*Field{{Name: "ID", BaseType: "type/Integer"}}})
	w.AddTable(&Table{DatabaseID: o.pg, Schema: "with space", Name: "a.b/c%d", Fields: []*Field{{Name: "x", BaseType: "type/Integer"}}})
	w.AddTable(&Table{DatabaseID: o.pg, Schema: "public", Name: "hidden", Visibility: "hidden", Fields: []*Field{{Name: "x"}}})
	w.AddTable(&Table{DatabaseID: o.pg, Schema: "public", Name: "dropped", Inactive: true, Fields: []*Field{{Name: "x"}}})
	w.AddTable(&Table{DatabaseID: o.pg, Schema: "public", Name: "without_columns"})
	o.event = w.AddTable(&Table{DatabaseID: o.mongo, Name: "events", Fields: []*Field{
		{Name: "_id", BaseType: "type/MongoBSONID", SemanticType: "type/PK", PrimaryKey: true},
		{Name: "user", BaseType: "type/Dictionary"},
	}})
	w.AddField(o.event, &Field{Name: "name", BaseType: "type/Text", ParentID: o.event.Fields[1].ID})
	w.AddField(o.event, &Field{Name: "tags", BaseType: "type/Array"})
	w.DataAccess = []DataGrant{
		{GroupID: GroupAllUsers, DatabaseID: o.pg, ViewData: "blocked", CreateQueries: "no"},
		{GroupID: team, DatabaseID: o.pg, TableID: o.orders.ID, ViewData: "unrestricted", CreateQueries: "query-builder"},
		{GroupID: team, DatabaseID: o.pg, Schema: "sales/eu", ViewData: "sandboxed", CreateQueries: "no"},
		{GroupID: team, DatabaseID: o.mongo, ViewData: "legacy-no-self-service", CreateQueries: "no"},
	}
}

func (o *odd) collections(team int) {
	w := o.w
	parent := RootCollection
	for i := range 12 {
		c := w.AddCollection(&Collection{Name: "level " + itoa(i+1), ParentID: parent})
		parent = c.ID
	}
	o.deep = parent
	a := w.AddCollection(&Collection{Name: "archived collection", Archived: true, ArchivedDirectly: true})
	o.archived = w.AddCollection(&Collection{Name: "inside an archived collection", ParentID: a.ID, Archived: true}).ID
	mine := w.AddCollection(&Collection{Name: "Ada Stone's Personal Collection", OwnerID: o.by})
	w.AddCollection(&Collection{Name: "private", ParentID: mine.ID})
	w.AddCollection(&Collection{Name: "Same name"})
	w.AddCollection(&Collection{Name: "same name", Official: true, Description: "The\tother\none"})
	folder := w.AddCollection(&Collection{Name: "Snippet folder", Namespace: "snippets"})
	w.AddCollection(&Collection{Name: "Snippet subfolder", Namespace: "snippets", ParentID: folder.ID})
	w.AddCollection(&Collection{Name: "Usage analytics", Type: "instance-analytics", Namespace: "analytics"})
	w.Grant(team, o.deep, "read") // and nothing above it
	w.AddSnippet(&Snippet{Name: "inner", Content: "status = 'open'", CreatorID: o.by})
	o.snippet = w.AddSnippet(&Snippet{
		Name: "outer snippet", Content: "{{snippet: inner}} and total > {{minimum}}", CollectionID: folder.ID, CreatorID: o.by,
	}).ID
	w.AddSnippet(&Snippet{Name: "archived snippet", Content: "1 = 1", Archived: true, CreatorID: o.by})
}

func (o *odd) natives() {
	field := o.orders.FieldByName("created_at").ID
	o.model = o.card("a model", Native(o.pg, "select id, total, status from orders"))
	o.model.Type, o.model.Persisted = CardModel, true
	id := itoa(o.model.ID)
	every := o.card("every kind of tag", Native(o.pg, `select * from {{#`+id+`-a-model}} m
where {{created}} [[and status = {{status}}]] [[and total > {{minimum}}]] and placed_on = {{day}} and is_test = {{test}}
  and {{snippet: outer snippet}}
group by {{grain}} -- {{commented}}`,
		Tag{Name: "#" + id + "-a-model", Type: "card", CardID: o.model.ID},
		Tag{Name: "created", Type: "dimension", FieldID: field, Widget: "date/all-options", HasDefault: true, Alias: "m.created_at"},
		Tag{Name: "status", Type: "text", HasDefault: true},
		Tag{Name: "minimum", Type: "number", Required: true, HasDefault: true},
		Tag{Name: "day", Type: "date", HasDefault: true},
		Tag{Name: "test", Type: "boolean"},
		Tag{Name: "grain", Type: "temporal-unit", FieldID: field, HasDefault: true},
		Tag{Name: "commented", Type: "text"},
		Tag{Name: "snippet: outer snippet", Type: "snippet", Snippet: "outer snippet", SnippetID: o.snippet},
	))
	every.Parameters = []Parameter{
		{ID: "p1", Name: "Created", Type: "date/all-options", Tag: "created", TagIsField: true, HasDefault: true},
		{ID: "p2", Name: "Status", Type: "string/=", Tag: "status", StaticValues: []string{"a"}, LinkedTo: []string{"p1"}},
		{ID: "p3", Name: "Minimum", Type: "number/>=", Tag: "minimum", Required: true, SourceCardID: o.model.ID, ValueField: "total"},
	}
	o.card("card tag without a slug", Native(o.pg, "select * from {{#"+id+"}}", Tag{Name: "#" + id, Type: "card", CardID: o.model.ID}))
	o.card("card tag of a missing card", Native(o.pg, "select * from {{#987654-gone}}", Tag{Name: "#987654-gone", Type: "card", CardID: 987654}))
	o.card("card tag without an id", Native(o.pg, "select * from {{#"+id+"-x}}", Tag{Name: "#" + id + "-x", Type: "card"}))
	o.card("tag in the text but not declared", Native(o.pg, "select * from orders where {{undeclared}}"))
	o.card("declared tag not in the text", Native(o.pg, "select 1", Tag{Name: "leftover", Type: "text"}))
	o.card("field filter on a missing column", Native(o.pg, "select * from orders where {{f}}", Tag{Name: "f", Type: "dimension", FieldID: 987654}))
	o.card("snippet with a stale id", Native(o.pg, "select * from orders where {{snippet: inner}}",
		Tag{Name: "snippet: inner", Type: "snippet", Snippet: "inner", SnippetID: 987654}))
	o.card("table tag", Native(o.pg, "select * from {{table}}", Tag{Name: "table", Type: "table", TableID: o.orders.ID}))
	o.card("only a comment", Native(o.pg, "-- nothing here"))
	o.card("not SQL", Native(o.pg, "selec * form orders wher ((("))
	o.card("tags inside of literals and comments", Native(o.pg, "select '{{not_a_tag}}', \"a{{b}}\" /* {{c}} */ from orders -- {{d}}"))
	o.card("unclosed tag and bracket", Native(o.pg, "select * from orders [[where {{x"))
	o.card("a very long query", Native(o.pg, "select "+strings.Repeat("total + ", 20_000)+"0 from orders"))
	mongo := Native(o.mongo, `[{"$match": {"name": {"$ne": null}}}, {"$group": {"_id": "$user.name", "n": {"$sum": 1}}}]`)
	mongo.Stages[0].Collection = "events"
	o.card("MongoDB", mongo)
	over := Native(o.pg, "select status, total from orders")
	over.Stages = append(over.Stages, Stage{Aggregation: []Expr{Count()}, Breakout: []Expr{ColumnNamed("status", "type/Text")}})
	o.card("structured steps over SQL", over)
}

func (o *odd) structured() {
	f := func(name string) Expr { return Column(o.orders.FieldByName(name)) }
	email := Column(o.people.Fields[1])
	o.metric = o.card("a metric", Structured(o.pg, Stage{SourceTable: o.orders.ID, Aggregation: []Expr{Call("sum", f("total"))}}))
	o.metric.Type = CardMetric
	segment := o.w.AddSegment(&Segment{
		Name: "open orders", TableID: o.orders.ID, CreatorID: o.by, Filters: []Expr{Call("=", f("status"), Text("open"))},
	})
	measure := o.w.AddMeasure(&Measure{Name: "total", TableID: o.orders.ID, CreatorID: o.by, Aggregation: Call("sum", f("total"))})
	o.w.AddLegacyMetric(&Measure{Name: "old total", TableID: o.orders.ID, CreatorID: o.by, Aggregation: Call("sum", f("total"))})
	one := func(name string, s Stage) *Card {
		if s.SourceCard == 0 {
			s.SourceTable = o.orders.ID
		}
		return o.card(name, Structured(o.pg, s))
	}
	key := Call("=", f("person_id"), Column(o.people.Fields[0]).Joined("P"))
	one("a plain table", Stage{})
	one("a join", Stage{Joins: []Join{{Alias: "P", SourceTable: o.people.ID, Fields: "all", Conditions: []Expr{key}}}})
	one("a join with two conditions and chosen columns", Stage{Joins: []Join{{
		Alias: "P", Strategy: "right-join", SourceTable: o.people.ID, FieldList: []Expr{email.Joined("P")},
		Conditions: []Expr{key, Call(">", f("total"), Num(10))},
	}}})
	one("a join with a card", Stage{Joins: []Join{{
		Alias: "M", SourceCard: o.model.ID, Fields: "none", Conditions: []Expr{Call("=", f("id"), ColumnNamed("id", "type/Integer").Joined("M"))},
	}}})
	one("a join with a nested query", Stage{Joins: []Join{{
		Alias: "N", Fields: "all", Conditions: []Expr{Call("=", f("person_id"), ColumnNamed("person_id", "type/Integer").Joined("N"))},
		Stages: []Stage{{SourceTable: o.orders.ID, Aggregation: []Expr{Call("max", f("total"))}, Breakout: []Expr{f("person_id")}}},
	}}})
	one("an implicit join", Stage{Aggregation: []Expr{Count()}, Breakout: []Expr{email.Via(o.orders.FieldByName("person_id"))}})
	one("segment, metric and measure", Stage{
		Filters: []Expr{SegmentRef(segment.ID)}, Aggregation: []Expr{MetricRef(o.metric.ID), MeasureRef(measure.ID)},
	})
	one("references that do not exist", Stage{
		Filters: []Expr{SegmentRef(987654), Call("=", ColumnID(987654, "type/Text"), Text("x"))}, Aggregation: []Expr{MetricRef(987654)},
	})
	one("custom columns and a case", Stage{
		Expressions: []NamedExpr{
			{Name: "Size", Expr: Case(ptr(Text("small")), When(Call(">", f("total"), Num(100)), Text("large")), When(Call(">", f("total"), Num(10)), Text("middle")))},
			{Name: "Constant", Expr: Num(1.5)},
			{Name: "Share \"of\" all", Expr: Call("/", f("total"), Call("+", f("total"), Num(1)))},
		},
		Aggregation: []Expr{Call("avg", Custom("Size", "type/Text")).Named("My average")},
		Breakout:    []Expr{Custom("Constant", "type/Float"), f("total").Binned(10), f("created_at").By("quarter-of-year")},
		OrderBy:     []Order{{Descending: true, By: AggregationAt(0)}, {By: f("created_at").By("quarter-of-year")}},
	})
	one("filters of many kinds", Stage{Filters: []Expr{
		Call("or", Call("and", Call("is-null", f("status")), Call("not", Call("=", f("status"), Text("a"), Text("b")))), Call("not-null", f("total"))),
		Call("between", f("total"), Num(1), Num(2)),
		{Op: "contains", Args: []Expr{f("status"), Text("x")}, CaseInsensitive: true},
		{Op: "time-interval", Args: []Expr{f("created_at"), Num(-30), Text("day")}, IncludeCurrent: true},
		Call("=", f("status"), Nothing()), Call("=", f("status"), Truth(true)),
		Call("some-operator-of-the-future", f("total"), Call("another", f("status"))),
	}, Limit: 7})
	o.card("three steps", Structured(o.pg,
		Stage{SourceTable: o.orders.ID, Aggregation: []Expr{Call("sum", f("total"))}, Breakout: []Expr{f("created_at").By("month"), f("status")}},
		Stage{Filters: []Expr{Call(">", ColumnNamed("sum", "type/Decimal"), Num(1000))}, Aggregation: []Expr{Call("avg", ColumnNamed("sum", "type/Decimal"))}, Breakout: []Expr{ColumnNamed("status", "type/Text")}},
		Stage{OrderBy: []Order{{By: ColumnNamed("avg", "type/Decimal")}}, Limit: 3}))
	first := one("a chain of cards", Stage{SourceCard: o.model.ID})
	for i := range 6 {
		first = one("a chain of cards "+itoa(i+2), Stage{SourceCard: first.ID})
	}
	one("over a missing card", Stage{SourceCard: 987654})
	o.card("over a missing table", Structured(o.pg, Stage{SourceTable: 987654, Aggregation: []Expr{Count()}}))
	o.card("of a missing database", Structured(987654, Stage{SourceTable: o.orders.ID}))
	o.card("an empty query", nil)
	a := one("a circle", Stage{})
	b := one("a circle, other half", Stage{SourceCard: a.ID})
	a.Query.Stages[0] = Stage{SourceCard: b.ID}
	fresh := one("saved as MBQL 5", Stage{Aggregation: []Expr{Count()}})
	fresh.SavedIn = "0.59.1"
}

func (o *odd) hostile() {
	n := 1
	q := func() *Query { n++; return Native(o.pg, "select "+itoa(n)) }
	for _, name := range []string{
		"\x1b[31mred\x1b[0m \x07bell", "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "@SUM(1+1)", "+1", "-1", "\u202egnp.tset\u202c", "emoji 👩\u200d👩\u200d👧\u200d👦 🇮🇱",
		"مرحبا بالعالم", "שלום", "line\nbreak\r\nand\ttab", "`back|tick` [link](http://x) **bold**", strings.Repeat("long ", 400), " ", "null", "same", "same",
		"zero\u200bwidth", "{{name}} ${x} %s %n", `quote " and ' and \`,
	} {
		c := o.card(name, q())
		c.Description = name
	}
	o.card("creator does not exist", q()).CreatorID = 987654
	o.card("in a missing collection", q()).CollectionID = 987654
	o.card("in an archived collection", q()).CollectionID = o.archived
	o.card("deep down", q()).CollectionID = o.deep
	old := o.card("archived", q())
	old.Archived, old.ArchivedDirectly = true, true
	never := o.card("never edited, never used", q())
	never.EditedAt, never.LastUsedAt, never.ViewCount = time.Time{}, time.Time{}, 0
	share := o.card("public and embedded", q())
	share.PublicUUID, share.MadePublicBy, share.Embedded = uuidOf("odd", 1), o.by, true
	share.EmbeddingParams = map[string]string{"status": "locked"}
	clicks := o.card("clicks in the settings of a card", q())
	clicks.Settings = json.RawMessage(`{"table.columns":[{"name":"id","enabled":true}],"click_behavior":{"type":"link","linkType":"dashboard","targetId":1,"parameterMapping":{}},` +
		`"column_settings":{"[\"name\",\"total\"]":{"click_behavior":{"type":"link","linkType":"question","targetId":1},"link_url":"https://x.example/` + canaryText + `"}}}`)
	w := o.w
	w.AddAction(&Action{Name: "implicit", ModelID: o.model.ID, Type: "implicit", CreatorID: o.by})
	w.AddAction(&Action{Name: "http", ModelID: o.model.ID, Type: "http", CreatorID: o.by})
	w.AddAction(&Action{Name: "sql", ModelID: o.model.ID, Type: "query", DatabaseID: o.pg, SQL: "delete from orders where id = {{id}}", CreatorID: o.by})
	w.AddTransform(&Transform{
		Name: "structured transform", DatabaseID: o.pg, TargetSchema: "public", TargetTable: "people", CreatorID: o.by,
		Query: Structured(o.pg, Stage{SourceTable: o.orders.ID}),
	})
	w.AddTransform(&Transform{
		Name: "python transform", DatabaseID: o.pg, TargetTable: "without_columns", Python: "def transform(): pass", CreatorID: o.by,
		SourceTables: map[string]int{"orders": o.orders.ID},
	})
	doc := w.AddDocument(&Document{Name: "a document", CardIDs: []int{o.model.ID}, CreatorID: o.by})
	o.card("lives in a document", q()).DocumentID = doc.ID
	w.AddAlert(&Alert{CardID: o.model.ID, CreatorID: o.by, Inactive: true, Channels: []Channel{{Type: "email", Schedule: "daily", People: []int{o.by}}}})
	w.AddAlert(&Alert{CardID: 987654, CreatorID: 987654, SendOnce: true, Condition: "goal_below", Channels: []Channel{
		{Type: "http", Schedule: "hourly"}, {Type: "email", Disabled: true, Schedule: "monthly", Frame: "first", Outside: []string{"out@elsewhere.example"}},
	}})
}

func (o *odd) boards() {
	f := func(name string) Expr { return Column(o.orders.FieldByName(name)) }
	plain := o.w.CardByName("a plain table").ID
	every := o.w.CardByName("every kind of tag").ID
	one, two := &Tab{Name: "one"}, &Tab{Name: "two"}
	d := o.w.AddDashboard(&Dashboard{
		Name: "one of each tile", CreatorID: o.by, EditorID: o.by, EditedAt: o.now.AddDate(0, -1, 0), ViewCount: 9, ManualApply: true,
		Tabs: []*Tab{one, two},
		Parameters: []Parameter{
			{ID: "date", Name: "Date", Type: "date/all-options", HasDefault: true},
			{ID: "text", Name: "Text", Type: "string/contains"},
			{ID: "unused", Name: "Unused", Type: "id"},
			{ID: "inline", Name: "Inline", Type: "temporal-unit"},
			{ID: "values", Name: "From a missing card", Type: "string/=", SourceCardID: 987654, ValueField: "x"},
		},
		Cards: []*Dashcard{
			{Tab: one, CardID: plain, Series: []int{o.model.ID}, Mappings: []Mapping{
				{ParameterID: "date", CardID: plain, Target: Target{Field: f("created_at")}},
				{ParameterID: "date", CardID: plain, Target: Target{Field: f("created_at"), Legacy: true}},
				{ParameterID: "text", CardID: plain, Target: Target{Field: ColumnNamed("status", "type/Text")}},
				{ParameterID: "gone", CardID: plain, Target: Target{Field: ColumnID(987654, "")}},
				{ParameterID: "date", CardID: 987654, Target: Target{Field: f("created_at")}},
			}, Inline: []string{"inline"}, ColClicks: map[string]Click{"total": {To: "question", ID: plain}, "status": {To: "url", URL: "https://x.example"}}},
			{Tab: one, CardID: every, Mappings: []Mapping{
				{ParameterID: "date", CardID: every, Target: Target{Tag: "created"}},
				{ParameterID: "text", CardID: every, Target: Target{Variable: "status"}},
				{ParameterID: "text", CardID: every, Target: Target{Variable: "no_such_tag"}},
			}, Click: &Click{To: "dashboard", ID: 1}},
			{Tab: two, Virtual: "text", Text: "Hello {{text}}", Mappings: []Mapping{{ParameterID: "text", Target: Target{TextTag: "text"}}}},
			{Tab: two, Virtual: "heading", Text: "<b>Heading</b>"},
			{Tab: two, Virtual: "link", LinkModel: "card", LinkID: plain},
			{Tab: two, Virtual: "link", LinkModel: "collection", LinkID: o.deep},
			{Tab: two, Virtual: "link", LinkModel: "table", LinkID: o.orders.ID},
			{Tab: two, Virtual: "link", LinkModel: "database", LinkID: o.pg},
			{Tab: two, Virtual: "link", LinkModel: "dataset", LinkID: 987654},
			{Tab: two, Virtual: "link", Text: "https://x.example"},
			{Tab: two, Virtual: "iframe", Text: "https://y.example"},
			{Tab: two, Virtual: "action", ActionID: 3},
			{Tab: two, Virtual: "placeholder"},
			{Tab: two, CardID: o.w.CardByName("archived").ID},
			{Tab: two, CardID: 987654},
			{Tab: two, CardID: plain, Click: &Click{To: "crossfilter"}},
			{Tab: two, CardID: plain, Click: &Click{To: "question", ID: 987654}},
		},
	})
	o.w.AddDashboard(&Dashboard{Name: "empty", CreatorID: o.by, CollectionID: o.deep})
	o.w.AddDashboard(&Dashboard{Name: "same", CreatorID: o.by})
	o.w.AddDashboard(&Dashboard{Name: "same", CreatorID: 987654, CollectionID: o.archived, PublicUUID: uuidOf("odd", 2), Embedded: true})
	inside := o.card("a dashboard question", Structured(o.pg, Stage{SourceTable: o.orders.ID}))
	inside.DashboardID = d.ID
	d.Cards = append(d.Cards, &Dashcard{Tab: one, CardID: inside.ID})
	o.w.addDashcard(d, d.Cards[len(d.Cards)-1])
	o.w.AddSubscription(&Subscription{Name: "to nobody", DashboardID: d.ID, CreatorID: 987654, Channels: []Channel{{Type: "email", Schedule: "hourly"}}})
	o.w.AddSubscription(&Subscription{Name: "archived", DashboardID: d.ID, CreatorID: o.by, Archived: true})
	o.w.AddSubscription(&Subscription{Name: "of a missing dashboard", DashboardID: 987654, CreatorID: o.by})
	o.w.AddSubscription(&Subscription{Name: "everywhere", DashboardID: d.ID, CreatorID: o.by, CardIDs: []int{plain}, SkipIfEmpty: true, Channels: []Channel{
		{Type: "slack", Schedule: "weekly", Day: "fri", Hour: 17}, {Type: "email", Disabled: true, Schedule: "monthly", Frame: "mid", People: []int{2}, Outside: []string{"x@elsewhere.example"}},
	}})
}
