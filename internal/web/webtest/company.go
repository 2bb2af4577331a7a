package webtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/overview"
)

// AddCompany adds a connection that has been scanned weekly for twelve weeks.
func (b *Backend) AddCompany() store.Connection {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := store.Connection{
		ID: store.ConnectionID(b.id("conn")), Name: "Northwind Metabase", URL: "https://metabase.northwind.example", Auth: store.AuthAPIKey, Schedule: "daily 03:00",
		Options:   store.ConnectionOptions{ExcludedCollections: []string{"41"}, Headers: map[string]string{"Cf-Access-Client-Id": "do-not-show-this-value"}},
		NextRunAt: Now.Add(17*time.Hour + 30*time.Minute), CreatedAt: Now.AddDate(0, 0, -84), UpdatedAt: Now.AddDate(0, 0, -3),
	}
	b.conns = append(b.conns, c)
	for week := range 13 {
		at := Now.AddDate(0, 0, -7*(12-week)).Add(-6 * time.Hour)
		s := store.Scan{
			ID: store.ScanID(b.id("scan")), ConnectionID: c.ID, State: store.ScanSucceeded, Trigger: "schedule", QueuedAt: at, StartedAt: at.Add(2 * time.Second), FinishedAt: at.Add(49 * time.Second),
			Progress: store.ScanProgress{Steps: steps()},
		}
		for i := range s.Progress.Steps {
			s.Progress.Steps[i].State, s.Progress.Steps[i].Done = "done", []int{14, 212, 54, 8, 6, 10}[i]
		}
		if week == 5 {
			s.State, s.ErrorCode = store.ScanFailed, "unauthorized"
			s.ErrorText = "Metabase refused the key. Create a new key and replace it in the settings of this connection."
			b.scans = append(b.scans, s)
			continue
		}
		b.scans = append(b.scans, s)
		b.fill(&b.scans[len(b.scans)-1])
	}
	return c
}

// fill completes a scan with the company; the caller holds the lock.
func (b *Backend) fill(s *store.Scan) {
	snapshot := Company()
	seq := int64(0)
	for _, o := range b.scans {
		if o.ConnectionID == s.ConnectionID {
			seq = max(seq, o.Seq)
		}
	}
	s.Seq = seq + 1
	snapshot.StartedAt, snapshot.FinishedAt = s.StartedAt, s.FinishedAt
	first := b.snapshots[s.ConnectionID] == nil
	b.snapshots[s.ConnectionID] = snapshot
	if first {
		b.records[s.ConnectionID] = b.judge(s.ConnectionID, snapshot)
	}
	counts := map[catalog.Kind]int{}
	for a := range snapshot.All() {
		counts[a.Ref().Kind]++
	}
	for _, t := range snapshot.Tables {
		counts[catalog.KindColumn] += len(t.Columns)
	}
	open := map[string]int{}
	families := map[string]finding.FamilyHealth{}
	for _, r := range b.records[s.ConnectionID] {
		if r.State == store.FindingOpen {
			open[string(r.Severity)]++
			f := families[r.Check[:3]]
			f.Findings++
			families[r.Check[:3]] = f
		}
	}
	for code, score := range map[string]int{"USE": 58, "BRK": 91, "DUP": 73, "SEC": 88, "DOC": 66, "ORG": 84} {
		f := families[code]
		f.Score, f.Assets = score, 54
		families[code] = f
	}
	partial, reasons := snapshot.Partial()
	s.Summary = store.ScanSummary{
		Instance: snapshot.Instance, Counts: counts, Partial: partial, PartialReasons: reasons, Gaps: snapshot.Gaps,
		Requests: catalog.RequestStats{Total: 31, Bytes: 1_840_211, ByRoute: map[string]int{
			"/api/card": 1, "/api/dashboard": 1, "/api/dashboard/:id": 8, "/api/collection": 1, "/api/database": 1, "/api/database/:id/metadata": 2, "/api/user/current": 1, "/api/session/properties": 1,
		}},
		Health:   finding.Health{Score: 61 + int(s.Seq), Families: families},
		Findings: open, NotEvaluated: len(notEvaluated), Changes: store.ChangeCounts{First: s.Seq == 1},
	}
	if s.Seq > 1 {
		s.Summary.Changes = store.ChangeCounts{Added: 3, Changed: 4, Removed: 1, NewFindings: 2, ResolvedFindings: 3}
	}
	b.health[s.ConnectionID] = append(b.health[s.ConnectionID], overview.HealthPoint{At: s.FinishedAt, Scan: s.ID, Health: s.Summary.Health})
	b.gaps = notEvaluated
	b.changes = changes
	b.versions[catalog.Ref{Kind: catalog.KindQuestion, ID: "101"}] = versions(snapshot)
	for i, route := range []string{"/api/session/properties", "/api/user/current", "/api/collection", "/api/database", "/api/database/:id/metadata", "/api/card", "/api/dashboard", "/api/dashboard/:id"} {
		b.ledger = append([]store.LedgerRow{{
			Entry: ledger.Entry{
				At: s.StartedAt.Add(time.Duration(i) * 5 * time.Second), Purpose: ledger.PurposeMetabase, Method: "GET", Host: "metabase.northwind.example:443",
				Address: "203.0.113.20:443", Route: route, Status: 200, ResponseSize: int64(20_000 * (i + 1)), Duration: 180 * time.Millisecond,
			},
			ConnectionID: s.ConnectionID, ScanID: s.ID, Count: []int{1, 1, 1, 1, 2, 1, 1, 8}[i],
		}}, b.ledger...)
	}
}

var notEvaluated = []finding.NotEvaluated{
	{Check: "PRM001", Reason: "The key may not read the permission graph. An administrator's key can."},
	{Check: "DOC002", Asset: catalog.Ref{Kind: catalog.KindQuestion, ID: "103"}, Reason: "Nobody is named as its creator."},
	{Check: "DOC002", Asset: catalog.Ref{Kind: catalog.KindDashboard, ID: "7"}, Reason: "Nobody is named as its creator."},
}

var changes = []store.Change{
	{Asset: catalog.Ref{Kind: catalog.KindQuestion, ID: "101"}, Name: "Monthly recurring revenue", What: "changed"},
	{Asset: catalog.Ref{Kind: catalog.KindQuestion, ID: "131"}, Name: "Refund rate by carrier", What: "added"},
	{Asset: catalog.Ref{Kind: catalog.KindDashboard, ID: "2"}, Name: "Weekly trading", What: "changed"},
	{Asset: catalog.Ref{Kind: catalog.KindTable, ID: "1/public/shipments"}, Name: "shipments", What: "added"},
	{Asset: catalog.Ref{Kind: catalog.KindQuestion, ID: "999"}, Name: "Old stock levels (do not use)", What: "removed"},
}

// Canary is markup that a hostile Metabase might put into every name.
const Canary = `<img src=x onerror=alert(1)>"'<script>alert(2)</script>{{7*7}}`

type questionSeed struct {
	id         int
	name, coll string
	kind       catalog.Kind
	sql        string
	views      int64
	usedDays   int
	author     string
}

// Company returns the snapshot of a made-up outdoor shop.
func Company() *catalog.Snapshot {
	s := &catalog.Snapshot{
		Instance: catalog.Instance{URL: "https://metabase.northwind.example", Version: "v0.58.2", Major: 58, Edition: "oss", Reader: catalog.Reader{PersonID: "90"}},
		Gaps: []catalog.Gap{
			{What: "People", Kind: catalog.KindPerson, Reason: "only an administrator's key may list them", Status: 403},
			{What: "Transforms", Kind: catalog.KindTransform, Reason: "this version of Metabase has none in the open-source edition", Expected: true},
		},
		Usage: map[catalog.Ref]catalog.Usage{},
	}
	s.Collections = collections()
	s.Databases = []*catalog.Database{
		{Common: catalog.Common{ID: "1", Name: "Warehouse", Description: "Production replica, refreshed every hour."}, Engine: "postgres", Timezone: "UTC"},
		{Common: catalog.Common{ID: "2", Name: "Web events"}, Engine: "bigquery-cloud-sdk"},
	}
	s.Tables = tables()
	active, gone := true, false
	for i, p := range []string{"Ada Okafor", "Luis Ferreira", "Mei Tanaka", "Jonas Weber", "Priya Raman", "Sam Whitlock"} {
		state := &active
		if i == 5 {
			state = &gone
		}
		s.People = append(s.People, &catalog.Person{Common: catalog.Common{ID: fmt.Sprint(i + 1), Name: p}, Active: state})
	}
	for _, q := range questions() {
		used := Now.AddDate(0, 0, -q.usedDays)
		question := &catalog.Question{
			Common: catalog.Common{ID: fmt.Sprint(q.id), EntityID: fmt.Sprintf("q%020d", q.id), Name: q.name, CreatorID: q.author, CreatedAt: Now.AddDate(-2, 0, q.id)},
			Edited: catalog.Edited{LastEditorID: q.author, LastEditedAt: Now.AddDate(0, 0, -q.id%120)}, Type: q.kind, Display: "line", DatabaseID: "1", CollectionID: q.coll,
			Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: q.sql},
			ResultColumns: []catalog.ResultColumn{
				{Name: "month", DisplayName: "Month", BaseType: "type/Date"},
				{Name: "revenue", DisplayName: "Revenue", BaseType: "type/Decimal", SemanticType: "type/Income"},
			},
		}
		if q.id == 101 {
			question.Verified = true
			question.Description = "Sum of paid subscription lines per month, net of refunds, in euro.\nOwner: finance analytics. Ask in #data-help."
			question.Query.Tags = []catalog.TemplateTag{{Name: "country", Type: "text"}, {Name: "period", Type: "dimension", WidgetType: "date/all-options", Required: true}}
		}
		if q.sql == "" {
			question.Query = catalog.Query{Language: catalog.LanguageMBQL, DatabaseID: "1", Dialect: "mbql4", MBQL: []byte(`{"database":1,"type":"query","query":{"source-table":12,"aggregation":[["count"]],"breakout":[["field",121,{"temporal-unit":"month"}]]}}`)}
			question.TableID = "1/public/orders"
		}
		question.Public = q.id == 122
		question.Archived = q.id == 140
		s.Questions = append(s.Questions, question)
		u := catalog.Usage{}
		if q.views >= 0 {
			views := q.views
			u.Views = &views
			if q.views > 0 {
				u.LastUsedAt = &used
			}
		}
		s.Usage[question.Ref()] = u
	}
	dashboards(s)
	s.Snippets = []*catalog.Snippet{{Common: catalog.Common{ID: "1", Name: "paid orders", Description: "What counts as paid."}, SQL: "orders.status IN ('paid', 'shipped') AND NOT orders.is_test"}}
	s.Sort()
	return s
}

func collections() []*catalog.Collection {
	var list []*catalog.Collection
	for _, c := range []struct{ id, parent, name, text string }{
		{"10", "root", "Finance", "Numbers that go to the board."},
		{"11", "10", "Revenue", ""},
		{"12", "10", "Costs", ""},
		{"13", "11", "Archive 2024", ""},
		{"20", "root", "Operations", ""},
		{"21", "20", "Shipping", "Carriers, delays, claims."},
		{"22", "20", "Warehouse", ""},
		{"30", "root", "Marketing", ""},
		{"31", "30", "Campaigns", ""},
		{"40", "root", "تقارير المبيعات", "تقارير أسبوعية"},
		{"42", "root", "🚀 Growth experiments", ""},
		{"43", "root", strings.Repeat("A collection with a name that simply does not end ", 4), ""},
	} {
		list = append(list, &catalog.Collection{Common: catalog.Common{ID: c.id, Name: c.name, Description: c.text}, ParentID: c.parent, Official: c.id == "10"})
	}
	return list
}

func tables() []*catalog.Table {
	var list []*catalog.Table
	number := int64(10)
	for _, t := range []struct {
		db, schema, name string
		columns          []string
	}{
		{"1", "public", "customers", []string{"id", "email", "full_name", "country", "created_at", "is_test"}},
		{"1", "public", "orders", []string{"id", "customer_id", "status", "total", "currency", "is_test", "created_at"}},
		{"1", "public", "order_lines", []string{"id", "order_id", "product_id", "quantity", "unit_price"}},
		{"1", "public", "products", []string{"id", "sku", "title", "category", "price", "discontinued"}},
		{"1", "public", "refunds", []string{"id", "order_id", "amount", "reason", "created_at"}},
		{"1", "public", "shipments", []string{"id", "order_id", "carrier", "shipped_at", "delivered_at"}},
		{"1", "public", "subscriptions", []string{"id", "customer_id", "plan", "mrr", "started_at", "cancelled_at"}},
		{"1", "analytics", "daily_stock", []string{"day", "product_id", "on_hand"}},
		{"2", "web", "page_views", []string{"event_id", "visitor_id", "path", "referrer", "at"}},
		{"2", "", "orphan/table", []string{"id"}},
	} {
		number++
		table := &catalog.Table{Common: catalog.Common{ID: catalog.TableID(t.db, t.schema, t.name), Name: t.name}, MetabaseID: number, DatabaseID: t.db, Schema: t.schema}
		if t.name == "orders" {
			table.Description = "One row per order, test orders included (is_test)."
		}
		for i, c := range t.columns {
			column := &catalog.Column{ID: catalog.ColumnID(table.ID, c), Name: c, DatabaseType: "text", BaseType: "type/Text", Position: i, PrimaryKey: c == "id"}
			switch {
			case c == "id" || strings.HasSuffix(c, "_id"):
				column.DatabaseType, column.BaseType = "bigint", "type/BigInteger"
			case strings.HasSuffix(c, "_at") || c == "at":
				column.DatabaseType, column.BaseType, column.SemanticType = "timestamptz", "type/DateTimeWithTZ", "type/CreationTimestamp"
			case c == "email":
				column.SemanticType, column.Visibility = "type/Email", "sensitive"
			case c == "total" || c == "amount" || c == "mrr" || strings.HasSuffix(c, "price"):
				column.DatabaseType, column.BaseType = "numeric(12,2)", "type/Decimal"
			}
			if c == "customer_id" {
				column.FKTargetID = "1/public/customers/id"
			}
			table.Columns = append(table.Columns, column)
		}
		list = append(list, table)
	}
	return list
}

const revenueSQL = `-- Monthly recurring revenue, net of refunds
WITH paid AS (
  SELECT o.id, o.customer_id, date_trunc('month', o.created_at) AS month, o.total
  FROM orders AS o
  WHERE {{snippet: paid orders}}
    [[AND o.country = {{country}}]]
    AND {{period}}
)
SELECT p.month,
       SUM(p.total) - COALESCE(SUM(r.amount), 0) AS revenue,
       COUNT(DISTINCT p.customer_id)              AS customers
FROM paid AS p
LEFT JOIN refunds AS r ON r.order_id = p.id
GROUP BY 1
HAVING COUNT(*) > 10
ORDER BY 1 DESC;`

func questions() []questionSeed {
	list := []questionSeed{
		{101, "Monthly recurring revenue", "11", catalog.KindQuestion, revenueSQL, 4812, 0, "1"},
		{102, "Revenue by country", "11", catalog.KindQuestion, "SELECT c.country, SUM(o.total) AS revenue\nFROM orders o\nJOIN customers c ON c.id = o.customer_id\nWHERE NOT o.is_test\nGROUP BY 1\nORDER BY 2 DESC", 2210, 1, "1"},
		{103, "Orders", "11", catalog.KindModel, "SELECT * FROM orders WHERE NOT is_test", 1899, 0, "2"},
		{104, "Average order value", "11", catalog.KindMetric, "", 1502, 2, "2"},
		{105, "Copy of Revenue by country", "11", catalog.KindQuestion, "SELECT c.country, SUM(o.total) AS revenue\nFROM orders o\nJOIN customers c ON c.id = o.customer_id\nWHERE NOT o.is_test\nGROUP BY 1\nORDER BY 2 DESC", 14, 140, "6"},
		{106, "Churned subscriptions", "10", catalog.KindQuestion, "SELECT date_trunc('week', cancelled_at) AS week, COUNT(*) AS churned\nFROM subscriptions\nWHERE cancelled_at IS NOT NULL\nGROUP BY 1", 830, 3, "1"},
		{107, "Refunds by reason", "12", catalog.KindQuestion, "SELECT reason, SUM(amount) FROM refunds GROUP BY reason", 412, 9, "3"},
		{108, "Late deliveries", "21", catalog.KindQuestion, "SELECT carrier, COUNT(*) FILTER (WHERE delivered_at > shipped_at + interval '3 days') AS late\nFROM shipments\nGROUP BY carrier", 977, 0, "4"},
		{109, "Stock on hand", "22", catalog.KindQuestion, "SELECT day, SUM(on_hand) FROM analytics.daily_stock GROUP BY day", 655, 1, "4"},
		{110, "Legacy stock levels", "22", catalog.KindQuestion, "SELECT * FROM warehouse.stock_levels WHERE day > '2024-01-01'", 61, 33, "6"},
		{111, "Campaign clicks", "31", catalog.KindQuestion, "SELECT path, COUNT(*) FROM page_views WHERE referrer LIKE '%utm_campaign%' GROUP BY path", 320, 4, "5"},
		{112, "المبيعات الأسبوعية", "40", catalog.KindQuestion, "SELECT date_trunc('week', created_at), SUM(total) FROM orders GROUP BY 1", 96, 6, "3"},
		{113, "🚀 Activation funnel 👩🏽‍💻", "42", catalog.KindQuestion, "SELECT COUNT(DISTINCT visitor_id) FROM page_views WHERE path = '/activate'", 150, 5, "5"},
		{114, strings.Repeat("Very long question name that somebody pasted from a ticket ", 5), "43", catalog.KindQuestion, "SELECT 1", 3, 200, "5"},
		{115, Canary, "31", catalog.KindQuestion, "SELECT '" + Canary + "' AS x -- \u202Edrop\u202C\nFROM orders", 8, 20, "5"},
		{116, "Copy of " + Canary, "40", catalog.KindQuestion, "SELECT '" + Canary + "' AS x -- \u202Edrop\u202C\nFROM  orders", 2, 90, "6"},
		{118, "Revenue by country, paid", "13", catalog.KindQuestion, "SELECT c.country, SUM(o.total) AS revenue\nFROM orders o\nJOIN customers c ON c.id = o.customer_id\nWHERE o.status = 'paid'\nGROUP BY 1\nORDER BY 2 DESC", 280, 12, "3"},
		{117, "Monthly recurring revenue, euro", "13", catalog.KindQuestion, strings.Replace(revenueSQL, "AND {{period}}", "AND {{period}}\n    AND o.currency = 'EUR'", 1), 310, 12, "3"},
		{122, "Board numbers 2024", "13", catalog.KindQuestion, "SELECT SUM(total) FROM orders WHERE created_at < '2025-01-01'", 210, 260, "6"},
		{131, "Refund rate by carrier", "21", catalog.KindQuestion, "SELECT s.carrier, AVG((r.id IS NOT NULL)::int)\nFROM shipments s\nLEFT JOIN refunds r USING (order_id)\nGROUP BY 1", 12, 0, "4"},
		{140, "Revenue (old rule)", "13", catalog.KindQuestion, "SELECT SUM(total) FROM orders", 940, 400, "6"},
	}
	for i := range 36 {
		list = append(list, questionSeed{
			200 + i, fmt.Sprintf("Ad-hoc %s %d", []string{"orders", "customers", "products", "refunds"}[i%4], i+1), []string{"12", "22", "31", "30", "13"}[i%5], catalog.KindQuestion,
			fmt.Sprintf("SELECT * FROM %s LIMIT %d", []string{"orders", "customers", "products", "refunds"}[i%4], 100*(i+1)), 0, 0, []string{"2", "5", "6"}[i%3],
		})
	}
	return list
}

func dashboards(s *catalog.Snapshot) {
	for i, d := range []struct {
		name, coll string
		cards      []string
		views      int64
		days       int
	}{
		{"Board report", "10", []string{"101", "102", "106", "104"}, 1933, 0},
		{"Weekly trading", "11", []string{"101", "102", "103", "107", "140"}, 3120, 0},
		{"Shipping desk", "21", []string{"108", "131"}, 1480, 0},
		{"Stock", "22", []string{"109", "110"}, 702, 1},
		{"Campaign overview", "31", []string{"111", "115"}, 288, 6},
		{"Summer sale 2024", "31", []string{"111"}, 44, 310},
		{"Growth weekly 🚀", "42", []string{"113"}, 131, 5},
		{"لوحة المبيعات", "40", []string{"112"}, 77, 8},
	} {
		dash := &catalog.Dashboard{
			Common: catalog.Common{ID: fmt.Sprint(i + 1), Name: d.name, CreatorID: fmt.Sprint(i%6 + 1), CreatedAt: Now.AddDate(-1, -i, 0)},
			Edited: catalog.Edited{LastEditorID: fmt.Sprint(i%6 + 1), LastEditedAt: Now.AddDate(0, 0, -3*i)}, CollectionID: d.coll,
			Parameters: []catalog.Parameter{{ID: "p1", Name: "Period", Type: "date/all-options"}},
		}
		for j, q := range d.cards {
			dash.Cards = append(dash.Cards, catalog.Dashcard{ID: fmt.Sprint(i*100 + j), QuestionID: q, Row: j * 6, Width: 12, Height: 6, Mappings: []catalog.ParameterMapping{{ParameterID: "p1", QuestionID: q}}})
		}
		dash.Cards = append(dash.Cards, catalog.Dashcard{ID: fmt.Sprint(i*100 + 90), Virtual: "text", Width: 24, Height: 2})
		s.Dashboards = append(s.Dashboards, dash)
		views, used := d.views, Now.AddDate(0, 0, -d.days)
		s.Usage[dash.Ref()] = catalog.Usage{Views: &views, LastUsedAt: &used, OwnReads: 12}
	}
	active := true
	s.Subscriptions = []*catalog.Subscription{{
		Common: catalog.Common{ID: "1", Name: "Board report, Mondays", CreatorID: "1"}, DashboardID: "1", OwnerActive: &active,
		Deliveries: []catalog.Delivery{{Channel: "email", Enabled: true, Schedule: "weekly mon 07:00", Recipients: 9, ExternalRecipients: 2}},
	}}
}

// judge makes the findings of the company.
func (b *Backend) judge(conn store.ConnectionID, s *catalog.Snapshot) []store.FindingRecord {
	x := catalog.NewIndex(s)
	var list []store.FindingRecord
	add := func(check string, r catalog.Ref, message string, e finding.Evidence, aggregated bool) {
		c, _ := Checks{}.Check(check)
		a := x.Asset(r)
		f := store.FindingRecord{
			Finding: finding.Finding{
				Check: check, Fingerprint: finding.Fingerprint(check, r, ""), Severity: c.Severity, Confidence: finding.Certain, Asset: a.Ref(), Message: message, Evidence: e,
				Remediation: c.Remediation, Aggregated: aggregated,
			},
			ConnectionID: conn, AssetName: a.Title(), AssetPath: x.CollectionPath(a.InCollection()), State: store.FindingOpen,
			FirstSeenAt: Now.AddDate(0, 0, -7*(1+len(list)%11)), LastSeenAt: Now, Views: s.Usage[a.Ref()].Views,
		}
		b.events[f.Fingerprint] = []store.FindingEvent{{At: f.FirstSeenAt, Fingerprint: f.Fingerprint, What: "opened"}}
		list = append(list, f)
	}
	question := func(id string) catalog.Ref { return catalog.Ref{Kind: catalog.KindQuestion, ID: id} }
	dashboard := func(id string) catalog.Ref { return catalog.Ref{Kind: catalog.KindDashboard, ID: id} }
	legacy := x.Question("110").Query.SQL
	at := strings.Index(legacy, "warehouse.stock_levels")
	add("BRK010", question("110"), "Reads warehouse.stock_levels, which is not in the database any more.",
		finding.Evidence{Texts: map[string]string{"table": "warehouse.stock_levels"}, Numbers: map[string]float64{"dashboards": 1}, Related: []catalog.Ref{dashboard("4")}, Spans: []finding.Span{{Start: at, End: at + len("warehouse.stock_levels")}}}, false)
	add("BRK002", dashboard("2"), "Shows “Revenue (old rule)”, which is in the trash.", finding.Evidence{Related: []catalog.Ref{question("140")}, Numbers: map[string]float64{"days_since_archived": 31}}, false)
	add("SEC001", question("122"), "Has a public link; nobody has opened it for 260 days.", finding.Evidence{Numbers: map[string]float64{"days_since_use": 260, "views": 210}}, false)
	add("DUP001", question("105"), "Asks exactly what “Revenue by country” asks.", finding.Evidence{Related: []catalog.Ref{question("102")}, Numbers: map[string]float64{"views": 14, "views_of_the_other": 2210}}, false)
	add("DUP003", question("105"), "Its name says that it is a copy.", finding.Evidence{}, false)
	add("USE003", dashboard("6"), "Nobody has opened it for 310 days.", finding.Evidence{Numbers: map[string]float64{"days_since_use": 310}}, false)
	for _, id := range []string{"105", "110", "122"} {
		add("DOC002", question(id), "Its owner Sam Whitlock has no active account any more.", finding.Evidence{Related: []catalog.Ref{{Kind: catalog.KindPerson, ID: "6"}}}, false)
	}
	for _, id := range []string{"102", "106", "108", "109", "107"} {
		add("DOC001", question(id), "Is opened often and has no description.", finding.Evidence{Numbers: map[string]float64{"views": 500}}, false)
	}
	add("DOC001", question("115"), "Is opened often and has no description. "+Canary, finding.Evidence{Texts: map[string]string{"note": Canary}}, false)
	for i := range 36 {
		add("USE001", question(fmt.Sprint(200+i)), "Nobody has opened it since it was made.", finding.Evidence{Numbers: map[string]float64{"days_since_created": float64(90 + i)}}, true)
	}
	slices.SortFunc(list, func(a, c store.FindingRecord) int { return strings.Compare(a.Fingerprint, c.Fingerprint) })
	return list
}

func versions(s *catalog.Snapshot) []browse.Version {
	now := catalog.NewIndex(s).Question("101")
	before := *now
	before.Description = "Sum of paid subscription lines per month."
	before.Query.SQL = strings.Replace(strings.Replace(revenueSQL, "  AND {{period}}\n", "", 1), "HAVING COUNT(*) > 10\n", "", 1)
	before.Verified = false
	first := before
	first.Name = "MRR"
	return []browse.Version{
		{Asset: now, FromSeq: 12, SeenAt: Now.Add(-6 * time.Hour)},
		{Asset: &before, FromSeq: 4, ToSeq: 11, SeenAt: Now.AddDate(0, 0, -63)},
		{Asset: &first, FromSeq: 1, ToSeq: 3, SeenAt: Now.AddDate(0, 0, -84)},
	}
}
