package metabasetest

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// GenerateConfig describes a generated world. Zero values take the defaults of
// the benchmark instance.
type GenerateConfig struct {
	Seed            uint64
	Questions       int // default 10,000, models and metrics included
	Dashboards      int // default a tenth of the questions
	Tables          int // default a fifth of the questions, at most 2,000
	Databases       int // default 3
	MeanQueryBytes  int // of SQL texts; default 1,500
	MeanAnswerBytes int // of one card in the list; default 10,000
	Now             time.Time
}

// dice is a small deterministic random source.
type dice struct{ state uint64 }

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	return splitmix(d.state)
}

func (d *dice) n(n int) int {
	if n <= 1 {
		return 0
	}
	return int(d.next() % uint64(n))
}

func (d *dice) chance(percent int) bool { return d.n(100) < percent }

func (d *dice) unit() float64 { return float64(d.next()>>11) / (1 << 53) }

// exp draws from an exponential distribution.
func (d *dice) exp(mean float64) float64 { return -mean * math.Log(1-d.unit()) }

func pick[T any](d *dice, list []T) T { return list[d.n(len(list))] }

// generator builds a world from a seed.
type generator struct {
	dice
	cfg      GenerateConfig
	w        *World
	now      time.Time
	homes    []int // collections people file things into
	results  map[int][]ResultColumn
	models   []*Card
	metrics  []*Card
	columns  int // mean number of result columns
	natives  []*Card
	snippets []string
	usable   map[int][]*Table // tables per database that questions ask
}

// Generate makes a world of any size from a seed: the same configuration gives
// the same world. Its SQL, structured queries, usage and decay are varied like
// those of a grown instance: a few things everybody opens, a long tail nobody
// does, copies, near duplicates and stale content.
func Generate(cfg GenerateConfig) *World {
	def := func(v *int, fallback int) {
		if *v == 0 {
			*v = fallback
		}
	}
	def(&cfg.Questions, 10_000)
	def(&cfg.Dashboards, cfg.Questions/10)
	def(&cfg.Tables, min(max(cfg.Questions/5, 10), 2_000))
	def(&cfg.Databases, 3)
	def(&cfg.MeanQueryBytes, 1_500)
	def(&cfg.MeanAnswerBytes, 10_000)
	if cfg.Now.IsZero() {
		cfg.Now = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	}
	g := &generator{
		dice: dice{cfg.Seed*0x2545f4914f6cdd1d + 1}, cfg: cfg, now: cfg.Now.UTC().Truncate(time.Second),
		w: NewWorld(cfg.Now.AddDate(-6, 0, 0)), results: map[int][]ResultColumn{}, usable: map[int][]*Table{},
	}
	g.w.Name = "Generated " + strconv.FormatUint(cfg.Seed, 10)
	g.w.Upgraded = g.now.AddDate(-1, -2, 0)
	// About 1,400 bytes of a row are neither query nor columns, a query stands
	// in it up to twice, and a column takes 465.
	g.columns = max((cfg.MeanAnswerBytes-1_400-cfg.MeanQueryBytes*3/2)/465, 2)
	g.makePeople()
	g.makeCollections()
	g.makeSchema()
	g.makeReusables()
	g.makeCards()
	g.makeDashboards()
	g.makeDeliveries()
	return g.w
}

func (g *generator) ago(days float64) time.Time {
	return g.now.Add(-time.Duration(days * 24 * float64(time.Hour))).Truncate(time.Second)
}

func (g *generator) makePeople() {
	for _, name := range []string{"Analytics", "Finance", "Marketing", "Product", "Operations", "Support"} {
		g.w.AddGroup(&Group{Name: name})
	}
	n := min(max(g.cfg.Questions/100, 12), 400)
	for i := range n {
		first, last := pick(&g.dice, genFirst), pick(&g.dice, genLast)
		g.w.AddPerson(&Person{
			First: first, Last: last, Email: slugOf(first) + "." + slugOf(last) + itoa(i) + "@generated.example",
			Admin: i < 3, Inactive: i > 3 && g.chance(12), GroupIDs: []int{3 + g.n(6)},
			Joined: g.ago(float64(300 + g.n(1800))), LastLogin: g.ago(g.exp(20)),
		})
	}
}

func (g *generator) person() int {
	// A few people write most of the content.
	n := len(g.w.People)
	return g.w.People[int(float64(n)*math.Pow(g.unit(), 2.2))%n].ID
}

func (g *generator) makeCollections() {
	n := max(g.cfg.Questions/60, 8)
	g.homes = []int{RootCollection}
	depth := map[int]int{}
	for range n {
		parent := RootCollection
		if g.chance(60) {
			parent = pick(&g.dice, g.homes)
			if depth[parent] >= 5 {
				parent = RootCollection
			}
		}
		c := g.w.AddCollection(&Collection{
			Name:     pick(&g.dice, genTopics) + pick(&g.dice, []string{"", " reports", " team", " KPIs", " – archive", " (new)", " 2024"}),
			ParentID: parent, CreatedAt: g.ago(float64(100 + g.n(1900))), Official: g.chance(5),
		})
		depth[c.ID] = depth[parent] + 1
		g.homes = append(g.homes, c.ID)
		access := "read"
		if g.chance(30) {
			access = "write"
		}
		g.w.Grant(3+g.n(6), c.ID, access)
		if g.chance(55) {
			g.w.Grant(GroupAllUsers, c.ID, "read")
		}
	}
	g.w.Grant(GroupAllUsers, RootCollection, "read")
	for _, p := range g.w.People {
		c := g.w.AddCollection(&Collection{Name: p.FullName() + "'s Personal Collection", OwnerID: p.ID, CreatedAt: p.Joined})
		if g.chance(25) {
			g.homes = append(g.homes, c.ID)
		}
	}
}

func (g *generator) makeSchema() {
	engines := []string{"postgres", "snowflake", "mysql", "bigquery-cloud-sdk", "redshift", "sqlserver", "clickhouse"}
	names := []string{"Warehouse", "Product", "Shop", "Events", "Legacy", "CRM", "Logs"}
	for i := range g.cfg.Databases {
		name := names[i%len(names)]
		if i >= len(names) {
			name += " " + itoa(i)
		}
		db := g.w.AddDatabase(&Database{Name: name, Engine: engines[i%len(engines)], CreatorID: 1})
		g.w.DataAccess = append(g.w.DataAccess, DataGrant{
			GroupID: 3, DatabaseID: db.ID, ViewData: "unrestricted", CreateQueries: "query-builder-and-native",
		})
	}
	for i := range g.cfg.Tables {
		// The first database holds most.
		db := g.w.Databases[min(int(math.Pow(g.unit(), 2)*float64(len(g.w.Databases))), len(g.w.Databases)-1)]
		g.makeTable(db, i)
	}
	for _, db := range g.w.Databases {
		if len(g.w.TablesOf(db.ID)) == 0 {
			g.makeTable(db, len(g.w.Tables))
		}
		// Questions ask only a part of the tables.
		all := g.w.TablesOf(db.ID)
		for _, t := range all {
			if !t.Inactive && t.Visibility == "" && g.chance(60) {
				g.usable[db.ID] = append(g.usable[db.ID], t)
			}
		}
		if len(g.usable[db.ID]) == 0 {
			all[0].Inactive, all[0].Visibility = false, ""
			g.usable[db.ID] = all[:1]
		}
	}
}

func (g *generator) makeTable(db *Database, i int) {
	schema := pick(&g.dice, []string{"analytics", "analytics", "marts", "staging", "public", "finance", "product", "ops"})
	if db.Engine == "mysql" {
		schema = ""
	}
	noun := pick(&g.dice, genNouns)
	name := pick(&g.dice, []string{"fct_", "dim_", "", "", "stg_", "rpt_"}) + noun + pick(&g.dice, []string{"", "s", "_daily", "_history", "_v2"})
	name += "_" + itoa(i)
	t := &Table{
		DatabaseID: db.ID, Schema: schema, Name: name, Inactive: g.chance(4), ViewCount: int64(g.exp(9)),
		CreatedAt: g.ago(float64(200 + g.n(1800))),
	}
	if schema == "staging" && g.chance(70) {
		t.Visibility = "hidden"
	}
	if g.chance(35) {
		t.Description = "Holds " + noun + " records for " + pick(&g.dice, genTopics) + "."
	}
	t.Fields = append(t.Fields, &Field{Name: "id", BaseType: "type/BigInteger", DatabaseType: "int8", SemanticType: "type/PK", PrimaryKey: true, NotNull: true})
	peers := g.w.TablesOf(db.ID)
	used := map[string]bool{"id": true}
	for range 6 + g.n(21) {
		kind := pick(&g.dice, genFields)
		if used[kind.name] {
			continue
		}
		used[kind.name] = true
		t.Fields = append(t.Fields, &Field{
			Name: kind.name, BaseType: kind.base, DatabaseType: kind.raw, SemanticType: kind.semantic, Inactive: g.chance(2),
		})
	}
	for range min(len(peers), g.n(4)) {
		target := pick(&g.dice, peers)
		column := target.Name + "_id"
		if used[column] {
			continue
		}
		used[column] = true
		t.Fields = append(t.Fields, &Field{
			Name: column, BaseType: "type/BigInteger", DatabaseType: "int8", SemanticType: "type/FK", FKTargetID: target.Fields[0].ID,
		})
	}
	for _, must := range []genField{{"created_at", "type/DateTime", "timestamp", "type/CreationTimestamp"}, {"amount", "type/Decimal", "numeric", ""}, {"status", "type/Text", "text", "type/Category"}} {
		if !used[must.name] {
			t.Fields = append(t.Fields, &Field{Name: must.name, BaseType: must.base, DatabaseType: must.raw, SemanticType: must.semantic})
		}
	}
	g.w.AddTable(t)
}

func (g *generator) makeReusables() {
	for i := range max(g.cfg.Questions/300, 3) {
		name := pick(&g.dice, genTopics) + " filter " + itoa(i)
		g.w.AddSnippet(&Snippet{
			Name: name, Content: "status not in ('cancelled', 'test') and amount > " + itoa(g.n(90)), CreatorID: g.person(),
		})
		g.snippets = append(g.snippets, name)
	}
	for i := range max(g.cfg.Questions/400, 2) {
		db := pick(&g.dice, g.w.Databases)
		t := pick(&g.dice, g.usable[db.ID])
		g.w.AddSegment(&Segment{
			Name: "Valid " + t.DisplayName + " " + itoa(i), TableID: t.ID, CreatorID: g.person(),
			Filters: []Expr{Call("!=", Column(t.FieldByName("status")), Text("cancelled"))},
		})
	}
}

func (g *generator) makeCards() {
	g.w.Cards = make([]*Card, 0, g.cfg.Questions)
	for i := range g.cfg.Questions {
		g.makeCard(i)
	}
}

func (g *generator) makeCard(i int) {
	c := &Card{
		Name: g.title(), CollectionID: pick(&g.dice, g.homes), CreatorID: g.person(),
		Display:   pick(&g.dice, []string{"table", "table", "table", "bar", "line", "line", "pie", "scalar", "area", "row", "combo", "pivot", "map"}),
		CreatedAt: g.ago(20 + g.exp(500)),
	}
	if c.CreatedAt.Before(g.w.Epoch) {
		c.CreatedAt = g.w.Epoch
	}
	if g.chance(45) {
		c.Description = "Shows " + pick(&g.dice, genTopics) + " " + pick(&g.dice, genMeasures) + " for the " + pick(&g.dice, genTopics) + " review."
	}
	c.EditorID, c.EditedAt = c.CreatorID, c.CreatedAt
	if g.chance(70) {
		c.EditorID = g.person()
		c.EditedAt = c.CreatedAt.Add(time.Duration(g.unit() * float64(g.now.Sub(c.CreatedAt)) * 0.8)).Truncate(time.Second)
	}
	c.UpdatedAt = c.EditedAt
	if g.chance(20) {
		c.SavedIn = "0.58.1"
	}
	switch kind := g.n(1000); {
	case kind < 8:
		c.Query = nil
	case kind < 40 && len(g.natives) > 0: // an exact copy by name
		source := pick(&g.dice, g.natives)
		c.Name, c.Query, c.Results = "Copy of "+source.Name, source.Query, source.Results
	case kind < 60 && len(g.natives) > 0:
		source := pick(&g.dice, g.natives)
		c.Name, c.Query, c.Results = source.Name+" v2", source.Query, source.Results
	case kind < 150 && len(g.natives) > 0: // a near duplicate
		source := pick(&g.dice, g.natives)
		c.Query, c.Results = g.vary(source.Query), source.Results
	case kind < 560:
		g.nativeCard(c)
	case kind < 575:
		g.metricCard(c)
	default:
		g.structuredCard(c)
	}
	if c.Type == "" && g.n(1000) < 35 && c.Query != nil {
		c.Type = CardModel
	}
	g.usage(c)
	if g.chance(4) {
		c.Archived, c.ArchivedDirectly = true, true
	}
	if g.n(1000) < 4 {
		c.PublicUUID, c.MadePublicBy = uuidOf("generated public", i+1), 1
	}
	if g.chance(3) {
		c.Verified = true
	}
	if c.Query == nil || g.chance(5) {
		c.ResultsUnknown = true
	}
	g.w.AddCard(c)
	switch {
	case c.Archived || c.Query == nil:
	case c.Type == CardModel:
		g.models = append(g.models, c)
	case c.Type == CardMetric:
		g.metrics = append(g.metrics, c)
	case c.Query.IsNative():
		g.natives = append(g.natives, c)
	}
}

// usage gives views a heavy tail and lets most content fall out of use.
func (g *generator) usage(c *Card) {
	if g.chance(30) {
		return // never opened since it is counted
	}
	c.ViewCount = int64(min(1.5/math.Pow(1-g.unit(), 1.15), 150_000))
	age := g.now.Sub(c.CreatedAt).Hours() / 24
	idle := min(g.exp(140/(1+math.Log10(float64(c.ViewCount)+1))), age)
	c.LastUsedAt = g.ago(idle)
	if c.LastUsedAt.Before(g.w.Upgraded) {
		c.LastUsedAt = time.Time{}
	}
	if idle < 30 {
		c.AverageQueryTime = math.Round(g.exp(1800)*10) / 10
		c.LastQueryStart = c.LastUsedAt
	}
}

func (g *generator) title() string {
	name := pick(&g.dice, genMeasures) + pick(&g.dice, []string{" by ", " per ", " by ", " – ", " / "}) + pick(&g.dice, genDimensions)
	switch g.n(40) {
	case 0:
		name = "📊 " + name
	case 1:
		name += " (final)"
	case 2:
		name += " " + pick(&g.dice, []string{"הכנסות", "売上", "Umsätze", "الإيرادات"})
	case 3:
		name += " v" + itoa(2+g.n(3))
	}
	if g.chance(75) {
		name = pick(&g.dice, genTopics) + ": " + name
	}
	return name
}

func (g *generator) makeDashboards() {
	live := make([]*Card, 0, len(g.w.Cards))
	for _, c := range g.w.Cards {
		if c.Type != CardMetric {
			live = append(live, c)
		}
	}
	if len(live) == 0 {
		return
	}
	for range g.cfg.Dashboards {
		d := &Dashboard{
			Name:         pick(&g.dice, genTopics) + " " + pick(&g.dice, []string{"overview", "weekly", "KPIs", "board", "monitor", "deep dive"}),
			CollectionID: pick(&g.dice, g.homes), CreatorID: g.person(), CreatedAt: g.ago(30 + g.exp(450)), Archived: g.chance(4),
		}
		if d.CreatedAt.Before(g.w.Epoch) {
			d.CreatedAt = g.w.Epoch
		}
		d.ArchivedDirectly = d.Archived
		d.EditorID, d.EditedAt = d.CreatorID, d.CreatedAt.AddDate(0, 0, g.n(20))
		if d.EditedAt.After(g.now) {
			d.EditedAt = g.now
		}
		d.UpdatedAt = d.EditedAt
		if g.chance(75) {
			d.ViewCount = int64(min(3/math.Pow(1-g.unit(), 1.1), 100_000))
			d.LastViewedAt = g.ago(min(g.exp(45), g.now.Sub(d.CreatedAt).Hours()/24))
		}
		if g.chance(60) {
			d.Parameters = []Parameter{{ID: "date", Name: "Date", Type: "date/all-options", HasDefault: g.chance(50)}}
			if g.chance(40) {
				d.Parameters = append(d.Parameters, Parameter{ID: "status", Name: "Status", Type: "string/="})
			}
		}
		if g.chance(25) {
			d.Tabs = []*Tab{{Name: "Overview"}, {Name: "Detail"}}
		}
		g.tiles(d, live)
		g.w.AddDashboard(d)
	}
}

func (g *generator) tiles(d *Dashboard, live []*Card) {
	// People who build dashboards look around one place, so tiles cluster.
	at := g.n(len(live))
	for i := range 3 + int(g.exp(7)) {
		dc := &Dashcard{Row: i / 2 * 7, Col: i % 2 * 12, Width: 12, Height: 7}
		if len(d.Tabs) > 0 {
			dc.Tab = d.Tabs[i%2]
		}
		if g.chance(10) {
			dc.Virtual, dc.Text = pick(&g.dice, []string{"heading", "text"}), "About "+pick(&g.dice, genTopics)
			d.Cards = append(d.Cards, dc)
			continue
		}
		c := live[(at+g.n(40))%len(live)]
		if g.chance(15) {
			c = pick(&g.dice, live)
		}
		dc.CardID = c.ID
		if g.chance(4) {
			dc.Series = []int{pick(&g.dice, live).ID}
		}
		for _, p := range d.Parameters {
			if !g.chance(70) || c.Query == nil {
				continue
			}
			column := map[string]string{"date": "created_at", "status": "status"}[p.ID]
			m := Mapping{ParameterID: p.ID, CardID: c.ID}
			if c.Query.IsNative() {
				m.Target = Target{Tag: column}
			} else if t := g.w.Table(c.Query.mainTable()); t != nil {
				m.Target = Target{Field: Column(t.FieldByName(column))}
			} else {
				continue
			}
			dc.Mappings = append(dc.Mappings, m)
		}
		if g.chance(5) && len(g.w.Dashboards) > 0 {
			dc.Click = &Click{To: "dashboard", ID: pick(&g.dice, g.w.Dashboards).ID}
		}
		d.Cards = append(d.Cards, dc)
	}
}

func (g *generator) makeDeliveries() {
	for i, d := range g.w.Dashboards {
		if i%9 != 0 {
			continue
		}
		g.w.AddSubscription(&Subscription{
			Name: d.Name, DashboardID: d.ID, CollectionID: d.CollectionID, CreatorID: d.CreatorID, CreatedAt: d.CreatedAt,
			Channels: []Channel{{Type: "email", Schedule: "weekly", Day: "mon", Hour: 7, People: []int{g.person(), g.person()}}},
		})
	}
	for i, c := range g.w.Cards {
		if i%80 == 7 && !c.Archived {
			g.w.AddAlert(&Alert{
				CardID: c.ID, CreatorID: c.CreatorID, CreatedAt: c.CreatedAt,
				Channels: []Channel{{Type: "email", Schedule: "daily", Hour: 8, People: []int{c.CreatorID}}},
			})
		}
	}
}

// tableResults is the shared list of a table's columns, cut to a plausible
// width.
func (g *generator) tableResults(t *Table) []ResultColumn {
	all, ok := g.results[t.ID]
	if !ok {
		for _, f := range t.Fields {
			all = append(all, ResultColumn{
				Name: f.Name, DisplayName: f.DisplayName, BaseType: f.BaseType, SemanticType: f.SemanticType, FieldID: f.ID,
			})
		}
		// Wide answers repeat columns of joined tables.
		for i := 0; len(all) < 4*g.columns; i++ {
			c := all[i]
			c.Name += "_" + itoa(2+i/len(t.Fields))
			c.FieldID = 0
			all = append(all, c)
		}
		g.results[t.ID] = all
	}
	n := int(g.exp(float64(g.columns-1)*1.06)) + 1
	return slices.Clip(all[:min(n, len(all))])
}
