package browse

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/assist"
	"github.com/metalens/metalens/internal/web/findings"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/sqlview"
	"github.com/metalens/metalens/internal/web/ui"
)

// Findings finds what checks say about an asset.
type Findings interface {
	Findings(ctx context.Context, org store.OrgID, q findings.Query) ([]store.FindingRecord, int, error)
}

// Handlers answers the addresses of the catalog.
type Handlers struct {
	library  Library
	history  History
	finder   Search
	findings Findings
	checks   findings.Checks
	copies   Copies
	said     assist.Outputs // nil = there are no agents
}

// Copies finds the duplicates that an asset belongs to.
type Copies interface {
	// CopiesOf returns the id of the cluster that holds an asset; ok is false
	// when none does.
	CopiesOf(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (id string, ok bool, err error)
}

// New returns the handlers.
func New(library Library, history History, finder Search, found Findings, checks findings.Checks, copies Copies) *Handlers {
	return &Handlers{library: library, history: history, finder: finder, findings: found, checks: checks, copies: copies}
}

// WithAgents lets pages of assets show what agents said about them.
func (h *Handlers) WithAgents(said assist.Outputs) *Handlers {
	h.said = said
	return h
}

// copiesWait is how long a page waits for the comparison of all content, which
// goes on without it.
const copiesWait = 30 * time.Millisecond

// copiesOf is the address of the duplicates an asset belongs to; empty where
// there are none or nobody knows yet.
func (h *Handlers) copiesOf(q *page.Request, r catalog.Ref) string {
	if !r.Kind.IsCard() && r.Kind != catalog.KindDashboard {
		return ""
	}
	ctx, cancel := context.WithTimeout(q.Context(), copiesWait)
	defer cancel()
	id, ok, err := h.copies.CopiesOf(ctx, q.Org(), q.Conn.ID, r)
	if err != nil || !ok {
		return "" // the page is about more than that
	}
	return q.Base() + "/duplicates/" + ui.EscapeID(id)
}

type tab struct {
	Key, Title string
	Count      int // -1 = none shown
	Href       string
	Current    bool
}

type reference struct {
	Ref    catalog.Ref
	Name   string
	Path   string
	Known  bool
	Ways   []string
	Views  *int64
	Doubt  finding.Confidence // the least sure way; empty when certain
	Fallen bool               // archived
}

type finds struct {
	Title, Message, Href string
	Severity             finding.Severity
	Since                time.Time
}

type card struct {
	Ref      catalog.Ref
	Name     string
	Kind     string // for tiles without a question: Text, Heading, …
	Tab      string
	Known    bool
	Refused  bool
	Archived bool
	Size     string
	Filters  int
	Views    *int64
}

type column struct {
	ID          string
	Name        string
	Display     string
	Description string
	Type        string
	Semantic    string
	Marks       []string
	Target      catalog.Ref
	TargetName  string
	Here        bool
}

type fact struct {
	Name  string
	Value string
	Ref   catalog.Ref // links the value when set
	At    time.Time
}

type assetView struct {
	Base        string
	Ref         catalog.Ref
	Name        string
	Path        []crumb
	Description string
	External    string
	Verified    bool
	Archived    bool
	Public      bool
	Embedded    bool
	Inactive    bool
	Views       *int64
	Used        *time.Time
	Edited      time.Time
	Editor      string
	Tabs        []tab
	Tab         string
	Facts       []fact
	SQL         string
	JSON        string
	Tags        []catalog.TemplateTag
	Masked      bool
	Columns     []column
	ColumnsText string // why there are none
	Cards       []card
	CardsText   string
	Text        sqlview.Text
	TagChips    []tagChip
	Marked      []marked // findings about places of the SQL
	Gaps        []gap
	Skipped     string // why names of the SQL are not linked
	LinksCut    bool
	Query       *queryView // of the query builder
	HasLineage  bool
	Beyond      Beyond // what the reader may not see beside it
	Lineage     compact
	Copies      string // address of the duplicates it belongs to
	UsedBy      []reference
	Findings    []finds
	FindingsAll string // address of all of them
	Versions    []version
	VersionText string
	Usage       *ui.Trend
	UsageNote   string
	Now         time.Time
	Ask         []ui.AskLink
	Said        *agent.Output // what a model says that it shows
}

// Show shows one asset.
func (h *Handlers) Show(q *page.Request) error {
	view, err := h.library.View(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return err
	}
	r := catalog.Ref{Kind: catalog.Kind(q.R.PathValue("kind")), ID: ui.UnescapeID(q.R.PathValue("id"))}
	switch r.Kind {
	case catalog.KindCollection:
		return q.Redirect(q.Base() + "/catalog?in=" + url.QueryEscape("collection:"+r.ID))
	case catalog.KindDatabase:
		return q.Redirect(q.Base() + "/catalog?in=" + url.QueryEscape("database:"+r.ID))
	case catalog.KindColumn:
		return q.Redirect(ui.AssetPath(q.Base(), r))
	}
	a := view.Index.Asset(r)
	if a == nil {
		return errs.New(errs.NotFound, "no_asset", "The last scan has no such "+strings.ToLower(ui.KindName(r.Kind))+".", "It may have been deleted in Metabase, or the key may no longer see it.")
	}
	if a.Ref() != r {
		return q.Redirect(ui.AssetPath(q.Base(), a.Ref()))
	}
	v := h.head(q, view, a)
	if q.Chat() {
		v.Ask = questions(q.Base(), view.Index, a)
	}
	if err := h.fill(q, view, a, &v); err != nil {
		return err
	}
	return q.Page(http.StatusOK, ui.Clip(ui.Name(v.Name), 80), "catalog", assetPage(v))
}

func (h *Handlers) head(q *page.Request, view *View, a catalog.Asset) assetView {
	x := view.Index
	r := a.Ref()
	u := x.Snapshot().Usage[r]
	href := func(p place) string { return ui.Address(q.Base()+"/catalog", url.Values{"in": {p.String()}}) }
	v := assetView{
		Base: q.Base(), Ref: r, Name: a.Title(), External: x.URL(r), Archived: a.IsArchived(), Views: u.Views, Used: u.LastUsedAt, Now: q.Now,
		SQL: sqlOf(a), UsedBy: references(view, view.Graph.Users(r), true), HasLineage: ui.HasLineage(r.Kind),
		Beyond: view.Beyond(r),
	}
	if c := a.InCollection(); c != "" {
		v.Path = crumbs(x, c, href)
	}
	edited := func(e catalog.Edited) {
		v.Edited = e.LastEditedAt
		v.Editor = personName(x, e.LastEditorID)
	}
	switch a := a.(type) {
	case *catalog.Question:
		v.Description, v.Verified, v.Public, v.Embedded = a.Description, a.Verified, a.Public, a.Embedded
		edited(a.Edited)
		v.Tags, v.Masked = a.Query.Tags, a.Query.Masked
		if v.SQL == "" && len(a.Query.MBQL) > 0 {
			v.JSON = pretty(a.Query.MBQL)
		}
		for _, c := range a.ResultColumns {
			v.Columns = append(v.Columns, column{ID: c.Name, Name: c.Name, Display: c.DisplayName, Description: c.Description, Type: typeName(c.BaseType), Semantic: typeName(c.SemanticType), Target: columnRef(c.ColumnID), TargetName: columnName(x, c.ColumnID)})
		}
		v.ColumnsText = "Metabase has not computed the columns of this question yet."
	case *catalog.Dashboard:
		v.Description, v.Verified, v.Public, v.Embedded = a.Description, a.Verified, a.Public, a.Embedded
		edited(a.Edited)
		v.dashcards(x, a)
	case *catalog.Table:
		v.Description, v.Inactive = a.Description, a.Inactive
		v.Path = tablePath(x, q.Base(), a, href)
		v.tableColumns(x, a, q.R.URL.Query().Get("column"))
	case *catalog.Snippet:
		v.Description, v.Tags, v.Masked = a.Description, a.Tags, a.Masked
	case *catalog.Segment:
		v.Description, v.JSON = a.Description, pretty(a.Definition)
	case *catalog.Measure:
		v.Description, v.JSON = a.Description, pretty(a.Definition)
	case *catalog.Transform:
		v.Description = a.Description
		if v.SQL == "" {
			v.JSON = pretty(a.Query.MBQL)
		}
	case *catalog.Document:
		v.Description = a.Description
	}
	v.Facts = factsOf(x, a, u)
	return v
}

func tablePath(x *catalog.Index, base string, t *catalog.Table, href func(place) string) []crumb {
	path := []crumb{{"Databases", base + "/catalog?by=databases"}}
	name := "Database " + t.DatabaseID
	if d := x.Database(t.DatabaseID); d != nil {
		name = d.Name
	}
	path = append(path, crumb{name, href(place{"database", t.DatabaseID})})
	if t.Schema != "" {
		path = append(path, crumb{t.Schema, href(place{"schema", schemaID(t.DatabaseID, t.Schema)})})
	}
	return path
}

func personName(x *catalog.Index, id string) string {
	if id == "" {
		return ""
	}
	if p := x.Person(id); p != nil {
		return p.Name
	}
	return "person " + id
}

func columnRef(id string) catalog.Ref {
	if id == "" {
		return catalog.Ref{}
	}
	return catalog.Ref{Kind: catalog.KindColumn, ID: id}
}

func columnName(x *catalog.Index, id string) string {
	if id == "" {
		return ""
	}
	name, _ := nameOf(x, columnRef(id))
	return name
}

// typeName shortens "type/CreationTimestamp" to "CreationTimestamp".
func typeName(t string) string { return ui.Clean(strings.TrimPrefix(t, "type/")) }

func pretty(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return string(raw)
	}
	return b.String()
}

func (v *assetView) dashcards(x *catalog.Index, d *catalog.Dashboard) {
	tabs := map[string]string{}
	for _, t := range d.Tabs {
		tabs[t.ID] = t.Name
	}
	for _, c := range d.Cards {
		tile := card{Tab: tabs[c.TabID], Refused: c.QuestionRefused, Filters: len(c.Mappings), Size: strconv.Itoa(c.Width) + " × " + strconv.Itoa(c.Height)}
		switch {
		case c.QuestionID != "":
			tile.Ref = catalog.Ref{Kind: catalog.KindQuestion, ID: c.QuestionID}
			if q := x.Question(c.QuestionID); q != nil {
				tile.Ref, tile.Name, tile.Known, tile.Archived = q.Ref(), q.Name, true, q.Archived
				tile.Views = x.Snapshot().Usage[q.Ref()].Views
			}
		case c.Virtual != "":
			tile.Kind = ui.KindName(catalog.Kind(ui.Clean(c.Virtual)))
		default:
			tile.Kind = "Empty tile"
		}
		v.Cards = append(v.Cards, tile)
	}
	v.CardsText = "This dashboard has no cards."
	if d.DetailUnread {
		v.CardsText = "The cards of this dashboard were not read; only its head is known."
	}
}

func (v *assetView) tableColumns(x *catalog.Index, t *catalog.Table, chosen string) {
	for _, c := range t.Columns {
		col := column{
			ID: c.ID, Name: c.Name, Display: c.DisplayName, Description: c.Description, Type: cmp.Or(ui.Clean(c.DatabaseType), typeName(c.BaseType)),
			Semantic: typeName(c.SemanticType), Target: columnRef(c.FKTargetID), TargetName: columnName(x, c.FKTargetID), Here: c.ID == chosen,
		}
		for _, m := range []struct {
			on   bool
			text string
		}{
			{c.PrimaryKey, "primary key"},
			{c.Inactive, "gone"},
			{c.Visibility == "sensitive" || c.Sensitivity != "", "sensitive"},
			{c.Visibility == "hidden" || c.Visibility == "retired", "hidden"},
			{c.Nullable != nil && !*c.Nullable, "not null"},
			{c.Indexed != nil && *c.Indexed, "indexed"},
		} {
			if m.on {
				col.Marks = append(col.Marks, m.text)
			}
		}
		v.Columns = append(v.Columns, col)
	}
	v.ColumnsText = "This table has no columns."
	if t.ColumnsUnread {
		v.ColumnsText = "The columns of this table could not be read."
	}
}

// distinct lists the far ends of edges, each once.
func distinct(edges []lineage.Edge, downstream bool) []catalog.Ref {
	var list []catalog.Ref
	for _, e := range edges {
		r := e.From
		if downstream {
			r = e.To
		}
		list = append(list, r)
	}
	slices.SortFunc(list, catalog.Ref.Compare)
	return slices.Compact(list)
}

func references(view *View, edges []lineage.Edge, downstream bool) []reference {
	x := view.Index
	at := map[catalog.Ref]int{}
	var list []reference
	for _, e := range edges {
		r := e.From
		if downstream {
			r = e.To
		}
		i, ok := at[r]
		if !ok {
			i = len(list)
			at[r] = i
			ref := reference{Ref: r, Views: x.Snapshot().Usage[r].Views}
			ref.Name, ref.Known = nameOf(x, r)
			if a := x.Asset(r); a != nil && ref.Known {
				ref.Ref, ref.Fallen = a.Ref(), a.IsArchived()
				ref.Path = pathOf(x, a)
			}
			list = append(list, ref)
		}
		if way := ui.ViaName(string(e.Via)); !slices.Contains(list[i].Ways, way) {
			list[i].Ways = append(list[i].Ways, way)
		}
		if e.Confidence != finding.Certain {
			list[i].Doubt = e.Confidence
		}
	}
	for i := range list {
		slices.Sort(list[i].Ways)
	}
	slices.SortFunc(list, func(a, b reference) int {
		return cmp.Or(order(a.Ref.Kind)-order(b.Ref.Kind), cmp.Compare(views(b.Views), views(a.Views)), compareNames(a.Name, b.Name), a.Ref.Compare(b.Ref))
	})
	return list
}

func pathOf(x *catalog.Index, a catalog.Asset) string {
	if t, ok := a.(*catalog.Table); ok {
		name := t.DatabaseID
		if d := x.Database(t.DatabaseID); d != nil {
			name = d.Name
		}
		if t.Schema != "" {
			name += " / " + t.Schema
		}
		return name
	}
	return x.CollectionPath(a.InCollection())
}

// factsOf lists what is known about an asset in words.
func factsOf(x *catalog.Index, a catalog.Asset, u catalog.Usage) []fact {
	var list []fact
	add := func(name, value string) {
		if value != "" {
			list = append(list, fact{Name: name, Value: value})
		}
	}
	link := func(name string, r catalog.Ref) {
		if r.ID == "" {
			return
		}
		if title, ok := nameOf(x, r); ok {
			if known := x.Asset(r); known != nil {
				r = known.Ref()
			}
			list = append(list, fact{Name: name, Value: title, Ref: r})
			return
		}
		add(name, ui.KindName(r.Kind)+" "+r.ID+", not in this scan")
	}
	common := func(c *catalog.Common) {
		add("Created by", personName(x, c.CreatorID))
		if !c.CreatedAt.IsZero() {
			list = append(list, fact{Name: "Created", At: c.CreatedAt})
		}
	}
	switch a := a.(type) {
	case *catalog.Question:
		add("Written in", languageWords(a.Query))
		add("Shown as", a.Display)
		link("Database", catalog.Ref{Kind: catalog.KindDatabase, ID: a.DatabaseID})
		link("Main table", catalog.Ref{Kind: catalog.KindTable, ID: a.TableID})
		link("Built on", catalog.Ref{Kind: catalog.KindQuestion, ID: a.SourceQuestionID})
		link("Lives in", catalog.Ref{Kind: catalog.KindDashboard, ID: a.DashboardID})
		if len(a.Parameters) > 0 {
			add("Filters", ui.Number(len(a.Parameters)))
		}
		common(&a.Common)
	case *catalog.Dashboard:
		if !a.DetailUnread {
			add("Cards", ui.Number(len(a.Cards)))
			add("Filters", ui.Number(len(a.Parameters)))
			if len(a.Tabs) > 0 {
				add("Tabs", ui.Number(len(a.Tabs)))
			}
		}
		common(&a.Common)
	case *catalog.Table:
		link("Database", catalog.Ref{Kind: catalog.KindDatabase, ID: a.DatabaseID})
		add("Schema", a.Schema)
		add("Display name", a.DisplayName)
		if !a.ColumnsUnread {
			add("Columns", ui.Number(len(a.Columns)))
		}
		add("Visibility", a.Visibility)
		add("Owner", personName(x, a.OwnerID))
		link("Made by", catalog.Ref{Kind: catalog.KindTransform, ID: a.TransformID})
	case *catalog.Segment:
		link("Table", catalog.Ref{Kind: catalog.KindTable, ID: a.TableID})
		common(&a.Common)
	case *catalog.Measure:
		link("Table", catalog.Ref{Kind: catalog.KindTable, ID: a.TableID})
		common(&a.Common)
	case *catalog.Snippet:
		common(&a.Common)
	case *catalog.Subscription:
		link("Dashboard", catalog.Ref{Kind: catalog.KindDashboard, ID: a.DashboardID})
		deliveries(add, a.Deliveries)
		common(&a.Common)
	case *catalog.Alert:
		link("Question", catalog.Ref{Kind: catalog.KindQuestion, ID: a.QuestionID})
		add("Condition", strings.ReplaceAll(a.Condition, "_", " "))
		deliveries(add, a.Deliveries)
		common(&a.Common)
	case *catalog.Transform:
		add("Writes to", strings.Trim(a.TargetSchema+"."+a.TargetTable, "."))
		common(&a.Common)
	case *catalog.Action:
		link("Model", catalog.Ref{Kind: catalog.KindModel, ID: a.ModelID})
		add("Type", a.Type)
		common(&a.Common)
	case *catalog.Group:
		add("Members", ui.Number(a.Members))
	case *catalog.Person:
		if a.Active != nil {
			add("Account", map[bool]string{true: "active", false: "deactivated"}[*a.Active])
		}
	}
	if u.DashboardCount != nil {
		add("On dashboards", ui.Number(*u.DashboardCount))
	}
	if u.AverageQueryMillis != nil {
		add("Average run", ui.Duration(time.Duration(*u.AverageQueryMillis)*time.Millisecond))
	}
	add("Id in Metabase", a.Ref().ID)
	add("Entity id", a.Entity())
	return list
}

func deliveries(add func(name, value string), list []catalog.Delivery) {
	for _, d := range list {
		text := ui.Clean(d.Channel) + ", " + ui.Count(d.Recipients, "recipient", "recipients")
		if d.ExternalRecipients > 0 {
			text += " (" + ui.Number(d.ExternalRecipients) + " outside)"
		}
		if d.Schedule != "" {
			text += ", " + ui.Clean(d.Schedule)
		}
		if !d.Enabled {
			text += ", switched off"
		}
		add("Goes out by", text)
	}
}

func languageWords(q catalog.Query) string {
	switch q.Language {
	case catalog.LanguageSQL:
		return "SQL"
	case catalog.LanguageOther:
		return "a native language that is not SQL"
	case catalog.LanguageMBQL:
		return "the query builder"
	}
	return "nothing readable"
}

// fill adds the tabs, and what the chosen one shows.
func (h *Handlers) fill(q *page.Request, view *View, a catalog.Asset, v *assetView) error {
	records, total, err := h.findings.Findings(q.Context(), q.Org(), findings.Query{
		Connection: q.Conn.ID, State: store.FindingOpen, Asset: v.Ref, Sort: findings.SortSeverity, Limit: ui.PerPage,
	})
	if err != nil {
		return err
	}
	v.FindingsAll = ui.Address(q.Base()+"/findings", url.Values{"asset": {v.Ref.String()}})
	for _, r := range records {
		title := r.Check
		if c, ok := h.checks.Check(r.Check); ok {
			title = c.Title
		}
		v.Findings = append(v.Findings, finds{
			Title: title, Message: r.Message, Severity: r.Severity, Since: r.FirstSeenAt,
			Href: ui.Address(q.Base()+"/findings/"+ui.EscapeID(r.Fingerprint), url.Values{"asset": {v.Ref.String()}}),
		})
	}
	v.tabs(a, total, q.R.URL.Query().Get("tab"))
	v.Copies = h.copiesOf(q, v.Ref)
	if h.said != nil && v.Tab == "summary" && explained(v.Ref) {
		if v.Said, err = assist.Said(q, h.said, agent.Explainer, v.Ref.String()); err != nil {
			return err
		}
	}
	switch v.Tab {
	case "summary", "sql":
		v.text(q.Context(), view, records)
		if v.SQL == "" && v.JSON != "" {
			v.Query = queryOf(view, v.Base, a)
		}
	case "lineage":
		v.Lineage = compactOf(view, v.Base, v.Ref)
	case "usage":
		points, err := h.history.UsageSeries(q.Context(), q.Org(), q.Conn.ID, v.Ref)
		if err != nil {
			return err
		}
		v.usage(points, view.Index.Snapshot().Usage[v.Ref])
	case "history":
		versions, err := h.history.Versions(q.Context(), q.Org(), q.Conn.ID, v.Ref)
		if err != nil {
			return err
		}
		v.Versions = versionsOf(versions)
	}
	return nil
}

func (v *assetView) tabs(a catalog.Asset, found int, chosen string) {
	add := func(key, title string, count int) {
		v.Tabs = append(v.Tabs, tab{Key: key, Title: title, Count: count})
	}
	add("summary", "Summary", -1)
	if v.SQL != "" {
		add("sql", "SQL", -1)
	} else if v.JSON != "" {
		add("sql", "Query", -1)
	}
	switch a.(type) {
	case *catalog.Table, *catalog.Question:
		add("columns", "Columns", len(v.Columns))
	case *catalog.Dashboard:
		add("cards", "Cards", len(v.Cards))
	}
	switch a.(type) {
	case *catalog.Dashboard, *catalog.Question:
		add("usage", "Usage", -1)
	}
	switch a.(type) {
	case *catalog.Group, *catalog.Person:
	default:
		add("lineage", "Lineage", -1)
		add("used-by", "Used by", len(v.UsedBy))
	}
	add("history", "History", -1)
	add("findings", "Findings", found)
	v.Tab = "summary"
	if chosen == "uses" { // what the tab was called once
		chosen = "lineage"
	}
	for i := range v.Tabs {
		t := &v.Tabs[i]
		t.Href = ui.AssetPath(v.Base, v.Ref)
		if t.Key != "summary" {
			t.Href += "?tab=" + t.Key
		}
		if t.Key == chosen {
			v.Tab = chosen
		}
	}
	for i := range v.Tabs {
		v.Tabs[i].Current = v.Tabs[i].Key == v.Tab
	}
}

func (v *assetView) usage(points []UsagePoint, now catalog.Usage) {
	if now.OwnReads > 0 {
		v.UsageNote = ui.Count(now.OwnReads, "reading", "readings") + " by MetaLens itself already subtracted."
	}
	t := ui.Trend{ID: "usage", Unit: "Views"}
	for _, p := range points {
		if p.Views == nil {
			continue
		}
		t.Points = append(t.Points, ui.TrendPoint{At: p.At, Value: float64(*p.Views), Label: ui.Number(*p.Views)})
		t.Max = max(t.Max, float64(*p.Views))
	}
	if len(t.Points) == 0 {
		return
	}
	t.From, t.To = t.Points[0].At, t.Points[len(t.Points)-1].At
	if t.From.Equal(t.To) {
		t.From = t.To.AddDate(0, 0, -1)
	}
	t.Max = nice(t.Max)
	gained := int64(t.Points[len(t.Points)-1].Value - t.Points[0].Value)
	switch {
	case len(t.Points) < 2:
		t.Title = ui.Count(int64(t.Points[0].Value), "view", "views") + " in all; the trend begins with the next scan"
	case gained == 0:
		t.Title = "No new view between " + ui.Day(t.From) + " and " + ui.Day(t.To)
	default:
		t.Title = ui.Count(gained, "view", "views") + " more between " + ui.Day(t.From) + " and " + ui.Day(t.To)
	}
	v.Usage = &t
}

// nice rounds the top of an axis up to one, two or five times a power of ten, at
// least 4, so that its ticks are whole.
func nice(f float64) float64 {
	for step := 4.0; ; step *= 10 {
		for _, m := range []float64{1, 2, 5} {
			if f <= step*m {
				return step * m
			}
		}
	}
}
