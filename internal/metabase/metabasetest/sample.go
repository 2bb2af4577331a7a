package metabasetest

import "time"

// SampleCompany is Larkspur Outdoor, an invented web shop for outdoor gear with
// the usual history: a data team that documents well, departments that copy,
// people who left, and three opinions about what revenue means. The same time
// gives the same world. Dates are relative to now.
func SampleCompany(now time.Time) *World {
	now = now.UTC().Truncate(time.Hour)
	w := NewWorld(now.AddDate(-4, -2, 0))
	w.Name = "Larkspur Outdoor"
	w.Timezone = "Europe/Berlin"
	w.Upgraded = now.AddDate(-1, -5, 0)
	b := &sampleBuilder{
		w: w, now: now, who: map[string]int{}, in: map[string]int{"": RootCollection}, cards: map[string]*Card{},
	}
	b.people()
	b.databases()
	b.collections()
	b.permissions()
	b.reusables()
	b.modelsAndMetrics()
	b.sales()
	b.finance()
	b.growth()
	b.operations()
	b.care()
	b.leftovers()
	b.dashboards()
	b.deliveries()
	b.alike()
	return w
}

func (b *sampleBuilder) people() {
	analytics := b.w.AddGroup(&Group{Name: "Analytics"}).ID
	finance := b.w.AddGroup(&Group{Name: "Finance"}).ID
	marketing := b.w.AddGroup(&Group{Name: "Marketing"}).ID
	operations := b.w.AddGroup(&Group{Name: "Operations"}).ID
	care := b.w.AddGroup(&Group{Name: "Customer care"}).ID
	leadership := b.w.AddGroup(&Group{Name: "Leadership"}).ID
	b.w.AddGroup(&Group{Name: "Contractors 2023"})
	add := func(first, last string, lastLogin int, groups ...int) *Person {
		p := &Person{
			First: first, Last: last, GroupIDs: groups, Joined: b.days(1200 - 40*len(b.w.People)), LastLogin: b.days(lastLogin),
			Email: slugOf(first) + "." + slugOf(last) + "@larkspur-outdoor.example",
		}
		if last == "" {
			p.Email = slugOf(first) + "@larkspur-outdoor.example"
		}
		b.w.AddPerson(p)
		b.who[first] = p.ID
		return p
	}
	gone := func(p *Person) { p.Inactive = true }
	add("Ingrid", "Solberg", 0, analytics, leadership).Admin = true
	add("Tomás", "Ferreira", 1, analytics).Admin = true
	add("Priya", "Raman", 0, analytics)
	gone(add("Jonas", "Weber", 310, analytics))
	add("Lena", "Hoffmann", 2, marketing)
	add("Samuel", "Okafor", 1, finance)
	add("Aiko", "Tanaka", 3, analytics)
	add("Mateusz", "Kowalski", 5, operations)
	add("Claire", "Dubois", 1, care)
	add("נועה", "לוי", 9, marketing)
	add("Björn", "Åkesson", 6, leadership)
	add("Fatima", "El Amrani", 4, operations)
	gone(add("Oliver", "Grant", 420, marketing, leadership))
	add("Marta", "Novák", 2, marketing)
	add("Yusuf", "Demir", 30, operations)
	add("Hannah", "Krüger", 12, finance)
	gone(add("Pieter", "de Vries", 205, marketing))
	gone(add("Sofia", "Rossi", 640, analytics))
	add("Emily", "Chen", 1, analytics)
	add("Rafael", "Costa", 2, care)
	add("Nils", "Bergström", 95, operations)
	add("Zoë", "van Dam", 0, marketing)
}

func (b *sampleBuilder) databases() {
	w := b.w
	b.warehouse = w.AddDatabase(&Database{
		Name: "Warehouse", Engine: "postgres", Timezone: "Europe/Berlin", CreatorID: b.who["Tomás"],
		Description: "Cleaned data, rebuilt every night by the data team.",
	}).ID
	b.replica = w.AddDatabase(&Database{
		Name: "Shop (read replica)", Engine: "mysql", CreatorID: b.who["Tomás"],
		Description: "Production data of the web shop. Ask before you use it.",
	}).ID
	b.events = w.AddDatabase(&Database{Name: "Web events", Engine: "bigquery-cloud-sdk", CreatorID: b.who["Aiko"]}).ID
	b.describe(b.warehouse, sampleWarehouse, b.days(1400))
	b.describe(b.replica, sampleReplica, b.days(1350))
	b.describe(b.events, sampleEvents, b.days(700))
	b.table("web.events").RequireFilter = true
	b.table("orders").ViewCount = 412
	b.table("customers").ViewCount = 377
	b.table("staging.tmp_jonas_2023").ViewCount = 1
	for _, t := range w.Tables {
		if t.Schema == "analytics" && !t.Inactive {
			t.DataAuthority = "authoritative"
			t.OwnerID = b.who["Tomás"]
		}
	}
}

func (b *sampleBuilder) collections() {
	add := func(short, name, parent, description string) *Collection {
		c := b.w.AddCollection(&Collection{
			Name: name, ParentID: b.in[parent], Description: description, CreatedAt: b.days(1300 - 30*len(b.in)),
		})
		b.in[short] = c.ID
		return c
	}
	add("exec", "Company board", "", "What the leadership meeting looks at. Changes only through the data team.").Official = true
	add("finance", "Finance", "", "")
	add("closing", "Month-end closing", "finance", "Checks that run on the first working day.")
	add("marketing", "Marketing", "", "")
	add("campaigns", "Campaigns", "marketing", "")
	add("crm", "CRM & newsletter", "marketing", "")
	add("product", "Product & site", "", "")
	add("ops", "Operations", "", "Warehouse, shipping, purchasing.")
	add("returns", "Returns", "ops", "")
	add("care", "Customer care", "", "")
	add("data", "Data team", "", "")
	add("models", "Models", "data", "Start from these instead of raw tables.").Official = true
	add("metrics", "Metrics", "data", "Agreed definitions.").Official = true
	add("scratch", "Scratch", "data", "")
	add("exp", "🧪 Experiments", "product", "")
	add("israel", "מכירות ישראל", "", "")
	add("old", "OLD – do not use", "", "")
	add("old22", "2022", "old", "")
	add("oldq3", "Q3", "old22", "")
	add("partner", "Partner reporting", "", "")
	bf := add("bf22", "Black Friday 2022", "marketing", "")
	bf.Archived, bf.ArchivedDirectly = true, true
	for _, first := range []string{"Priya", "Jonas", "Oliver", "Marta", "Emily", "Sofia", "Samuel"} {
		c := add("p"+first, first+" "+b.w.Person(b.who[first]).Last+"'s Personal Collection", "", "")
		c.OwnerID = b.who[first]
		b.w.Person(c.OwnerID).CollectionID = c.ID
	}
	add("pPriyaDrafts", "drafts", "pPriya", "")
	b.in["snippets"] = b.w.AddCollection(&Collection{Name: "Standard filters", Namespace: "snippets"}).ID
}

func (b *sampleBuilder) permissions() {
	w := b.w
	const analytics, finance, marketing, operations, care, leadership, contractors = 3, 4, 5, 6, 7, 8, 9
	for _, short := range []string{"exec", "marketing", "campaigns", "crm", "product", "exp", "ops", "returns", "care", "data", "models", "metrics", "israel", "old", "old22", "oldq3", "partner"} {
		w.Grant(GroupAllUsers, b.in[short], "read")
		w.Grant(analytics, b.in[short], "write")
	}
	w.Grant(GroupAllUsers, RootCollection, "read")
	w.Grant(analytics, RootCollection, "write")
	w.Grant(analytics, b.in["scratch"], "write")
	w.Grant(analytics, b.in["finance"], "read")
	w.Grant(finance, b.in["finance"], "write")
	w.Grant(finance, b.in["closing"], "write")
	w.Grant(marketing, b.in["marketing"], "write")
	w.Grant(marketing, b.in["campaigns"], "write")
	w.Grant(marketing, b.in["crm"], "write")
	w.Grant(marketing, b.in["israel"], "write")
	w.Grant(operations, b.in["ops"], "write")
	w.Grant(operations, b.in["returns"], "write")
	w.Grant(care, b.in["care"], "write")
	w.Grant(leadership, b.in["finance"], "read")
	w.Grant(contractors, b.in["marketing"], "write")
	w.DataAccess = []DataGrant{
		{GroupID: GroupAllUsers, DatabaseID: b.warehouse, Schema: "analytics", ViewData: "unrestricted", CreateQueries: "query-builder"},
		{GroupID: GroupAllUsers, DatabaseID: b.warehouse, Schema: "marketing", ViewData: "unrestricted", CreateQueries: "query-builder"},
		{GroupID: analytics, DatabaseID: b.warehouse, ViewData: "unrestricted", CreateQueries: "query-builder-and-native"},
		{GroupID: analytics, DatabaseID: b.events, ViewData: "unrestricted", CreateQueries: "query-builder-and-native"},
		{GroupID: analytics, DatabaseID: b.replica, ViewData: "unrestricted", CreateQueries: "query-builder-and-native"},
		{GroupID: finance, DatabaseID: b.warehouse, ViewData: "unrestricted", CreateQueries: "query-builder-and-native"},
		{GroupID: operations, DatabaseID: b.warehouse, Schema: "logistics", ViewData: "unrestricted", CreateQueries: "query-builder"},
		{GroupID: care, DatabaseID: b.warehouse, Schema: "support", ViewData: "unrestricted", CreateQueries: "query-builder"},
		{GroupID: contractors, DatabaseID: b.replica, ViewData: "unrestricted", CreateQueries: "query-builder-and-native"},
	}
}

// reusables are snippets, segments, measures and old metrics.
func (b *sampleBuilder) reusables() {
	snippet := func(name, content, description string, archived bool) {
		b.w.AddSnippet(&Snippet{
			Name: name, Content: content, Description: description, CollectionID: b.in["snippets"], CreatorID: b.who["Priya"],
			Archived: archived, CreatedAt: b.days(500), UpdatedAt: b.days(200),
		})
	}
	snippet("valid orders", "o.status NOT IN ('cancelled', 'fraud') AND NOT o.is_test", "Leaves out cancelled, fraudulent and test orders. Alias of orders must be o.", false)
	snippet("eu countries", "('DE', 'AT', 'NL', 'BE', 'SE', 'DK', 'FI', 'FR', 'IT', 'ES', 'PL', 'CZ')", "", false)
	snippet("last full month", "date_trunc('month', now()) - interval '1 month'", "", false)
	snippet("not a test customer", "c.email NOT LIKE '%@larkspur-outdoor.example' AND NOT c.is_test", "", false)
	snippet("revenue old definition", "sum(o.gross_amount) - sum(o.shipping_amount)", "Before 2024. Do not use.", true)

	orders := b.table("orders")
	status := b.f("orders.status")
	valid := []Expr{Call("!=", status, Text("cancelled"), Text("fraud")), Call("=", b.f("orders.is_test"), Truth(false))}
	b.w.AddSegment(&Segment{
		Name: "Valid orders", Description: "Neither cancelled nor fraudulent nor a test.", TableID: orders.ID, Filters: valid,
		CreatorID: b.who["Ingrid"],
	})
	b.w.AddSegment(&Segment{
		Name: "DACH orders", TableID: orders.ID, CreatorID: b.who["Priya"],
		Filters: []Expr{Call("=", b.f("orders.shipping_country"), Text("DE"), Text("AT"), Text("CH"))},
	})
	b.w.AddSegment(&Segment{
		Name: "VIP customers", TableID: b.table("customers").ID, CreatorID: b.who["Oliver"],
		Filters: []Expr{Call(">=", b.f("customers.lifetime_value"), Num(1500))},
	})
	b.w.AddMeasure(&Measure{
		Name: "Gross revenue", TableID: orders.ID, Aggregation: Call("sum", b.f("orders.gross_amount")), CreatorID: b.who["Ingrid"],
	})
	b.w.AddMeasure(&Measure{
		Name: "Units sold", TableID: b.table("order_items").ID, Aggregation: Call("sum", b.f("order_items.quantity")), CreatorID: b.who["Emily"],
	})
	b.w.AddLegacyMetric(&Measure{
		Name: "Revenue", Description: "Gross, valid orders.", TableID: orders.ID, Filters: valid,
		Aggregation: Call("sum", b.f("orders.gross_amount")), CreatorID: b.who["Oliver"],
	})
	b.w.AddTimeline(&Timeline{
		Name: "Campaigns and outages", CollectionID: b.in["marketing"], CreatorID: b.who["Lena"],
		Events: []string{"Spring sale", "Checkout outage"},
	})
}
