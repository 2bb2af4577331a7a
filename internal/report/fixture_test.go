package report_test

import (
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/similar"
)

// hostile is a name that tries to break out of every format.
const hostile = "=cmd|'/c calc'!A1 <script>alert(1)</script> [x](javascript:alert(1)) \x1b[31mred\x1b]0;t\x07 \u202egnp.exe \u0000\r\nsecond | line 📈 إيرادات"

func at(day int) time.Time { return time.Date(2026, 11, day, 8, 30, 0, 0, time.UTC) }

func number(n int64) *int64 { return &n }

func moment(t time.Time) *time.Time { return &t }

// sample is a small snapshot with every kind of asset and awkward names.
func sample() *catalog.Snapshot {
	yes := true
	s := &catalog.Snapshot{
		Instance:  catalog.Instance{URL: "https://metabase.example.com", Version: "v0.58.2", Major: 58, Edition: "oss", Reader: catalog.Reader{PersonID: "1", Admin: true}},
		StartedAt: at(20), FinishedAt: at(20).Add(3 * time.Second),
		Gaps: []catalog.Gap{
			{What: "permissions", Reason: "the key is not an administrator's", Status: 403},
			{What: "transforms", Kind: catalog.KindTransform, Reason: "this version has none", Expected: true, Whole: true},
		},
		Requests: catalog.RequestStats{Total: 14, Bytes: 34567, ByRoute: map[string]int{"/api/card": 1, "/api/dashboard/:id": 2}},
		Usage: map[catalog.Ref]catalog.Usage{
			{Kind: catalog.KindQuestion, ID: "2"}:  {Views: number(1234), LastUsedAt: moment(at(19))},
			{Kind: catalog.KindQuestion, ID: "10"}: {Views: number(0)},
			{Kind: catalog.KindDashboard, ID: "3"}: {Views: number(87), LastUsedAt: moment(at(1).AddDate(-2, 0, 0)), OwnReads: 2},
		},
	}
	table := catalog.TableID("1", "public", "orders")
	s.People = []*catalog.Person{{Common: catalog.Common{ID: "1", Name: "Ada <b>Lovelace</b>"}, Active: &yes}}
	s.Groups = []*catalog.Group{{Common: catalog.Common{ID: "1", Name: "All Users"}, Magic: "all-internal-users", Members: 4}}
	s.Collections = []*catalog.Collection{
		{Common: catalog.Common{ID: "root", Name: "Our analytics"}},
		{Common: catalog.Common{ID: "5", Name: "Finance / EU", CreatorID: "1"}, ParentID: "root"},
	}
	s.Databases = []*catalog.Database{{Common: catalog.Common{ID: "1", Name: "Warehouse"}, Engine: "postgres"}}
	s.Tables = []*catalog.Table{{
		Common: catalog.Common{ID: table, Name: "orders"}, MetabaseID: 7, DatabaseID: "1", Schema: "public",
		Columns: []*catalog.Column{
			{ID: catalog.ColumnID(table, "id"), MetabaseID: 71, Name: "id", BaseType: "type/Integer", PrimaryKey: true},
			{ID: catalog.ColumnID(table, "amount"), MetabaseID: 72, Name: "amount", BaseType: "type/Decimal"},
		},
	}}
	s.Questions = []*catalog.Question{
		{
			Common: catalog.Common{ID: "10", Name: hostile, EntityID: "ent10", CreatorID: "1", CreatedAt: at(2)},
			Type:   catalog.KindQuestion, CollectionID: "5", DatabaseID: "1", Query: catalog.Query{Language: catalog.LanguageSQL, SQL: "select 'canary'"},
		},
		{
			Common: catalog.Common{ID: "2", Name: "Revenue by month", Description: "Booked revenue", CreatorID: "1"},
			Edited: catalog.Edited{LastEditorID: "1", LastEditedAt: at(3)}, Exposure: catalog.Exposure{Public: true},
			Type: catalog.KindQuestion, CollectionID: "root", DatabaseID: "1", TableID: table, Display: "line", Verified: true,
			Query: catalog.Query{Language: catalog.LanguageMBQL},
		},
		{Common: catalog.Common{ID: "11", Name: "Orders"}, Type: catalog.KindModel, CollectionID: "5", DatabaseID: "1"},
		{Common: catalog.Common{ID: "12", Name: "Total"}, Type: catalog.KindMetric, CollectionID: "5", DatabaseID: "1"},
	}
	s.Dashboards = []*catalog.Dashboard{
		{
			Common: catalog.Common{ID: "3", Name: "Board"}, CollectionID: "5", Tabs: []catalog.Tab{{ID: "1", Name: "Main"}},
			Cards: []catalog.Dashcard{{ID: "31", QuestionID: "2"}}, Parameters: []catalog.Parameter{{ID: "p", Name: "Month", Type: "date/month-year"}},
		},
		{Common: catalog.Common{ID: "4", Name: "Old board", Archived: true}, CollectionID: "5", DetailUnread: true},
	}
	s.Segments = []*catalog.Segment{{Common: catalog.Common{ID: "1", Name: "Paid"}, TableID: table}}
	s.Measures = []*catalog.Measure{{Common: catalog.Common{ID: "1", Name: "Sum"}, TableID: table}}
	s.Snippets = []*catalog.Snippet{{Common: catalog.Common{ID: "1", Name: "active"}, SQL: "active = true"}}
	s.Subscriptions = []*catalog.Subscription{{
		Common: catalog.Common{ID: "1", Name: ""}, DashboardID: "3",
		Deliveries: []catalog.Delivery{{Channel: "email", Enabled: true, Recipients: 3, ExternalRecipients: 1}},
	}}
	s.Alerts = []*catalog.Alert{{Common: catalog.Common{ID: "1"}, QuestionID: "2"}}
	s.Actions = []*catalog.Action{{Common: catalog.Common{ID: "1", Name: "Refund"}, ModelID: "11", Type: "query"}}
	s.Documents = []*catalog.Document{{Common: catalog.Common{ID: "1", Name: "Review"}, CollectionID: "5"}}
	s.Transforms = []*catalog.Transform{{Common: catalog.Common{ID: "1", Name: "Daily"}, TargetDatabase: "1", TargetSchema: "public", TargetTable: "daily"}}
	return s
}

func question(id string) catalog.Ref { return catalog.Ref{Kind: catalog.KindQuestion, ID: id} }

// input is a report input whose lists are out of order.
func input() *report.Input {
	table := catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableID("1", "public", "orders")}
	amount := catalog.Ref{Kind: catalog.KindColumn, ID: catalog.ColumnID(table.ID, "amount")}
	board := catalog.Ref{Kind: catalog.KindDashboard, ID: "3"}
	return &report.Input{
		Tool: report.Tool{Name: "metalens", Version: "test"}, Connection: "Acme", Snapshot: sample(),
		Edges: []lineage.Edge{
			{From: question("2"), To: board, Via: lineage.ViaDashcard, Confidence: finding.Certain},
			{From: table, To: question("10"), Via: lineage.ViaQuery, Confidence: finding.Likely},
			{From: table, To: question("2"), Via: lineage.ViaQuery, Confidence: finding.Certain},
		},
		ColumnEdges: []lineage.ColumnEdge{{From: amount, To: question("2"), ToColumn: "sum", Via: lineage.ViaQuery, Confidence: finding.Certain}},
		Unresolved: []lineage.Unresolved{
			{Asset: question("10"), Reason: "unknown_table", Detail: "sales", Span: &finding.Span{Start: 14, End: 19}},
			{Asset: question("10"), Reason: "missing_question", Detail: "#99", Target: question("99")},
		},
		Duplicates: []report.Duplicate{
			{ID: "d1", Kind: "exact", Score: 1, Members: []catalog.Ref{question("10"), question("2")}, Keep: question("2"), Reason: "most views"},
			{ID: "c2", Kind: "near", Score: 0.874, Members: []catalog.Ref{question("2"), question("10"), question("11")}, Contains: []string{"d1"}, Keep: question("2"), Reason: "most views"},
		},
		MetricConflicts: []similar.Conflict{
			{ID: "m2", Kind: similar.OneDefinition, Name: "Orders paid", Definitions: []similar.Definition{{
				ID: "f3", Text: "count(*) of orders where orders.status = 'paid'", Names: []string{"Orders paid", hostile}, Sources: []string{table.ID},
				Uses:       []similar.MetricUse{{Asset: question("2"), Name: "Orders paid"}, {Asset: question("10"), Name: hostile}},
				ComputedBy: []catalog.Ref{question("2"), question("10")},
			}}},
			{ID: "m1", Kind: similar.OneName, Name: "Revenue", Definitions: []similar.Definition{
				{
					ID: "f1", Text: "sum(orders.amount)", Names: []string{"Revenue"}, Sources: []string{table.ID}, Trusted: true, Views: 1234,
					Uses:       []similar.MetricUse{{Asset: catalog.Ref{Kind: catalog.KindMetric, ID: "12"}, Name: "Revenue", ShownOn: []catalog.Ref{board}}},
					ComputedBy: []catalog.Ref{{Kind: catalog.KindMetric, ID: "12"}, question("2")},
				},
				{
					ID: "f2", Text: "sum(orders.amount) where orders.status = '" + hostile + "'", Names: []string{"revenue"}, Sources: []string{table.ID},
					Uses:       []similar.MetricUse{{Asset: question("10"), Name: "revenue", Column: "revenue"}},
					ComputedBy: []catalog.Ref{question("10")},
					Words:      []string{"adds the filter orders.status = '" + hostile + "'"},
				},
			}},
		},
		Findings: []finding.Finding{
			{
				Check: "USE001", Fingerprint: "f-use-10", Severity: finding.Low, Confidence: finding.Likely, Asset: question("10"),
				Message: "Nobody opened it: " + hostile, Remediation: "Archive it.",
				Evidence: finding.Evidence{Numbers: map[string]float64{"days_since_use": 400}, Related: []catalog.Ref{board}},
			},
			{
				Check: "BRK002", Fingerprint: "f-brk-3", Severity: finding.High, Confidence: finding.Certain, Asset: board,
				Message: "Shows an archived question.", Remediation: "Replace the tile.",
			},
			{
				Check: "SEC001", Fingerprint: "f-sec-2", Severity: finding.Medium, Confidence: finding.Certain, Asset: question("2"),
				Message: "Has a public link.", Remediation: "Remove the link.",
			},
			{
				Check: "DOC004", Fingerprint: "f-doc-col", Severity: finding.Info, Confidence: finding.Possible, Asset: amount,
				Message: "Has no description.", Remediation: "Describe it.",
			},
		},
		NotEvaluated: []finding.NotEvaluated{
			{Check: "USE003", Reason: "watched for 2 days, needs 30"},
			{Check: "BRK002", Asset: catalog.Ref{Kind: catalog.KindDashboard, ID: "4"}, Reason: "detail not read"},
		},
		Health: finding.Health{Score: 71, Families: map[string]finding.FamilyHealth{
			"USE": {Score: 90, Findings: 1, Assets: 4, Clean: 3, Weight: 0.35}, "BRK": {Score: 40, Findings: 1, Assets: 2, Clean: 1, Weight: 2},
		}},
		Families: []report.FamilyInfo{{Code: "BRK", Title: "Broken content"}, {Code: "USE", Title: "Usage"}, {Code: "SEC", Title: "Exposure"}},
		Checks: []report.CheckInfo{
			{ID: "BRK002", Title: "Dashboard shows an archived question", Family: "BRK", Why: "Readers see an error.", Remediation: "Replace the tile. Then tell its owner.", Severity: finding.High},
			{ID: "USE001", Title: "Question that nobody opens", Family: "USE", Why: "It hides what is used.\n\nSecond paragraph.", Remediation: "Archive it.", Severity: finding.Low},
			{ID: "SEC001", Title: "Public link", Family: "SEC", Why: "Anyone with the address sees it.", Remediation: "Remove the link.", Severity: finding.Medium},
		},
		Changes: &report.Changes{Added: 2, Changed: 1, NewFindings: 3, ResolvedFindings: 1},
	}
}
