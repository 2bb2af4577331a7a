package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/egress"
	"github.com/metalens/metalens/internal/web/findings"
)

// operations is the table of all routes below [Base]; openapi.json stands beside
// it and needs no token.
func (a *API) operations() []operation {
	return []operation{
		get("/me", "whoAmI", "Whom the token stands for, and what it may", a.me),
		get("/connections", "listConnections", "The connections of the organization", a.connections),
		get("/connections/{conn}", "showConnection", "One connection", a.connection),

		get("/connections/{conn}/scans", "listScans", "The scans of a connection, the newest first", a.scans),
		post("/connections/{conn}/scans", "startScan", "Start a scan; one that runs already is answered instead", access.ScopeScan, http.StatusAccepted, a.startScan),
		get("/connections/{conn}/scans/{scan}", "showScan", "One scan, with its progress", a.scan),
		get("/connections/{conn}/report", "report", "The report of the last succeeded scan, in the shape of scan --format json", a.report).shaped("scan-report.v1.json"),

		get("/connections/{conn}/findings", "listFindings", "Findings, the worst first", a.findings),
		get("/connections/{conn}/findings/{fingerprint}", "showFinding", "One finding with its life", a.finding),
		post("/connections/{conn}/findings/{fingerprint}/ignore", "ignoreFinding", "Set a finding aside", access.ScopeTriage, http.StatusOK, a.ignore),
		post("/connections/{conn}/findings/{fingerprint}/unignore", "unignoreFinding", "Take that back", access.ScopeTriage, http.StatusOK, a.unignore),

		get("/connections/{conn}/assets", "listAssets", "Assets of the last succeeded scan, or those that a search finds, the best first", a.assets),
		get("/connections/{conn}/assets/{kind}/{id}", "showAsset", "One asset", a.asset),
		get("/connections/{conn}/assets/{kind}/{id}/lineage", "lineage", "What an asset is made of, and what uses it", a.lineage),
		get("/connections/{conn}/impact", "impact", "What a change breaks, in the shape of impact --format json", a.impact).shaped("impact.v1.json"),
		get("/connections/{conn}/duplicates", "listDuplicates", "Content that says the same more than once", a.duplicates),
		get("/connections/{conn}/metrics", "listMetrics", "The figures that content defines", a.metrics),
		get("/connections/{conn}/metrics/conflicts", "listMetricConflicts", "Where figures disagree", a.conflicts),
		get("/connections/{conn}/egress", "listEgress", "The egress ledger of a connection: who was asked, the newest first", a.egress),
		get("/connections/{conn}/sensitive-columns", "listSensitiveColumns", "Columns with what was decided about each, and why", a.sensitiveColumns),
		get("/connections/{conn}/sensitivity-rules", "listSensitivityRules", "The rules with which admins correct that, the oldest first", a.sensitivityRules),
		get("/connections/{conn}/sensitivity-rules/preview", "previewSensitivityRule", "What a rule would change in the last succeeded scan; keeps nothing", a.previewRule).admin(),
		get("/audit", "listAudit", "The audit log of the organization, the newest first", a.audit).admin(),
	}
}

// Me is whom a token stands for.
type Me struct {
	User         string    `json:"user"`
	Name         string    `json:"name"`
	Email        string    `json:"email"`
	Organization string    `json:"organization"`
	Role         string    `json:"role" doc:"of the member; the token's scopes narrow it"`
	Token        string    `json:"token" doc:"id of the token"`
	Scopes       []string  `json:"scopes"`
	ExpiresAt    time.Time `json:"expires_at"`
}

func (a *API) me(c *call, _ none) (Me, error) {
	h := c.holder
	return Me{
		User: string(h.User), Name: h.Name, Email: h.Email, Organization: string(h.Org), Role: string(h.Role),
		Token: h.Token.ID, Scopes: h.Token.Scopes, ExpiresAt: h.Token.ExpiresAt.UTC(),
	}, nil
}

// Connection is a Metabase that is read. It never holds a credential.
type Connection struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	URL       string     `json:"url"`
	Schedule  string     `json:"schedule,omitempty"`
	NextRunAt *time.Time `json:"next_run_at,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
}

func connectionOf(c store.Connection) Connection {
	return Connection{ID: string(c.ID), Name: c.Name, URL: c.URL, Schedule: c.Schedule, NextRunAt: maybe(c.NextRunAt), CreatedAt: c.CreatedAt.UTC()}
}

func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (a *API) connections(c *call, q paging) (Page[Connection], error) {
	list, err := a.cfg.Connections.Connections(c.r.Context(), c.org())
	if err != nil {
		return Page[Connection]{}, err
	}
	return cut(mapped(list, connectionOf), q)
}

func mapped[A, B any](list []A, f func(A) B) []B {
	out := make([]B, len(list))
	for i, one := range list {
		out[i] = f(one)
	}
	return out
}

func (a *API) connection(c *call, _ none) (Connection, error) { return connectionOf(c.conn), nil }

// Scan is one read of a connection.
type Scan struct {
	ID         string         `json:"id"`
	State      string         `json:"state"`
	Trigger    string         `json:"trigger"`
	QueuedAt   time.Time      `json:"queued_at"`
	StartedAt  *time.Time     `json:"started_at,omitempty"`
	FinishedAt *time.Time     `json:"finished_at,omitempty"`
	ErrorCode  string         `json:"error_code,omitempty"`
	Error      string         `json:"error,omitempty"`
	Partial    bool           `json:"partial"`
	Requests   int            `json:"requests" doc:"asked of the Metabase"`
	Assets     map[string]int `json:"assets,omitempty" doc:"how many of each kind"`
	Findings   map[string]int `json:"findings,omitempty" doc:"open findings by severity"`
	Steps      []Step         `json:"steps,omitempty" doc:"of a scan that runs"`
}

// Step is one step of a running scan.
type Step struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Done  int    `json:"done"`
	Total int    `json:"total,omitempty"`
}

func scanOf(s store.Scan) Scan {
	out := Scan{
		ID: string(s.ID), State: string(s.State), Trigger: s.Trigger, QueuedAt: s.QueuedAt.UTC(), StartedAt: maybe(s.StartedAt), FinishedAt: maybe(s.FinishedAt),
		ErrorCode: s.ErrorCode, Error: s.ErrorText, Partial: s.Summary.Partial, Requests: max(s.Summary.Requests.Total, s.Progress.Requests), Findings: s.Summary.Findings,
	}
	for k, n := range s.Summary.Counts {
		if out.Assets == nil {
			out.Assets = map[string]int{}
		}
		out.Assets[string(k)] = n
	}
	if s.State == store.ScanQueued || s.State == store.ScanRunning {
		for _, step := range s.Progress.Steps {
			out.Steps = append(out.Steps, Step{Name: step.Name, State: step.State, Done: step.Done, Total: step.Total})
		}
	}
	return out
}

// ScanPage is a page of scans; their number is not counted.
type ScanPage struct {
	Items      []Scan `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"give it as cursor to read on"`
}

func (a *API) scans(c *call, q paging) (ScanPage, error) {
	list, err := a.cfg.Scans.Scans(c.r.Context(), c.org(), c.conn.ID, q.limit()+1, store.ScanID(q.Cursor))
	if errs.KindOf(err) == errs.NotFound && q.Cursor != "" {
		return ScanPage{}, badParameter("cursor", "is none of this list")
	}
	if err != nil {
		return ScanPage{}, err
	}
	out := ScanPage{Items: []Scan{}}
	for i, s := range list {
		if i == q.limit() {
			out.NextCursor = string(list[i-1].ID)
			break
		}
		out.Items = append(out.Items, scanOf(s))
	}
	return out, nil
}

func (a *API) scan(c *call, _ none) (Scan, error) {
	s, err := a.cfg.Scans.Scan(c.r.Context(), c.org(), store.ScanID(c.path("scan")))
	if err == nil && s.ConnectionID != c.conn.ID {
		err = errs.New(errs.NotFound, "not_found", "There is no such scan.", "")
	}
	if err != nil {
		return Scan{}, err
	}
	return scanOf(s), nil
}

func (a *API) startScan(c *call, _ none) (Scan, error) {
	s, err := a.cfg.Scans.StartScan(c.r.Context(), c.org(), c.conn.ID, c.holder.User)
	if err != nil {
		return Scan{}, err
	}
	c.w.Header().Set("Location", Base+"/connections/"+string(c.conn.ID)+"/scans/"+string(s.ID))
	return scanOf(s), nil
}

type reportQuery struct {
	Columns bool `query:"columns" doc:"list columns as assets, too"`
}

func (a *API) report(c *call, q reportQuery) (json.RawMessage, error) {
	var b bytes.Buffer
	err := a.cfg.Reports.Report(c.r.Context(), c.org(), c.conn.ID, q.Columns, &b)
	return b.Bytes(), noScan(err)
}

// noScan says what is missing where no scan has succeeded yet.
func noScan(err error) error {
	if errs.KindOf(err) == errs.NotFound {
		return errs.Wrap(err, errs.NotFound, "no_scan", "No scan of this connection has succeeded yet.", "Start one and wait for it.")
	}
	return err
}

// Finding is one diagnostic about one asset.
type Finding struct {
	Check        string           `json:"check"`
	Fingerprint  string           `json:"fingerprint" doc:"stays the same over renames and rescans"`
	Severity     string           `json:"severity"`
	Confidence   string           `json:"confidence"`
	Asset        FindingAsset     `json:"asset"`
	Message      string           `json:"message"`
	Evidence     finding.Evidence `json:"evidence"`
	Remediation  string           `json:"remediation"`
	State        string           `json:"state"`
	Assignee     string           `json:"assignee,omitempty"`
	FirstSeenAt  time.Time        `json:"first_seen_at"`
	LastSeenAt   time.Time        `json:"last_seen_at"`
	IgnoredBy    string           `json:"ignored_by,omitempty"`
	IgnoredWhy   string           `json:"ignored_reason,omitempty"`
	IgnoredUntil *time.Time       `json:"ignored_until,omitempty"`
	Events       []FindingEvent   `json:"events,omitempty" doc:"its life, the newest first; of one finding only"`
}

// FindingAsset is the asset that a finding is about.
type FindingAsset struct {
	Kind catalog.Kind `json:"kind"`
	ID   string       `json:"id"`
	Name string       `json:"name"`
	Path string       `json:"path,omitempty"`
}

// FindingEvent is one step of a finding's life.
type FindingEvent struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	By     string    `json:"by,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

func findingOf(f store.FindingRecord) Finding {
	return Finding{
		Check: f.Check, Fingerprint: f.Fingerprint, Severity: string(f.Severity), Confidence: string(f.Confidence),
		Asset:   FindingAsset{Kind: f.Asset.Kind, ID: f.Asset.ID, Name: f.AssetName, Path: f.AssetPath},
		Message: f.Message, Evidence: f.Evidence, Remediation: f.Remediation, State: string(f.State), Assignee: string(f.Assignee),
		FirstSeenAt: f.FirstSeenAt.UTC(), LastSeenAt: f.LastSeenAt.UTC(), IgnoredBy: string(f.IgnoredBy), IgnoredWhy: f.IgnoredReason, IgnoredUntil: maybe(f.IgnoredUntil),
	}
}

type findingsQuery struct {
	paging
	State    string   `query:"state" doc:"open unless told" enum:"open,ignored,resolved,all"`
	Check    []string `query:"check" doc:"id of a check; may be there several times"`
	Family   []string `query:"family" doc:"code of a family of checks; may be there several times"`
	Severity []string `query:"severity" doc:"may be there several times" enum:"info,low,medium,high,critical"`
	Text     string   `query:"q" doc:"in message, name or path"`
	Sort     string   `query:"sort" doc:"severity unless told" enum:"severity,usage,newest,name"`
}

func (a *API) findings(c *call, q findingsQuery) (Page[Finding], error) {
	offset, err := q.offset()
	if err != nil {
		return Page[Finding]{}, err
	}
	ask := findings.Query{Connection: c.conn.ID, State: store.FindingOpen, Checks: q.Check, Families: q.Family, Text: q.Text, Sort: findings.Sort(q.Sort), Limit: q.limit(), Offset: offset}
	switch q.State {
	case "", "open":
	case "all":
		ask.State = ""
	default:
		ask.State = store.FindingState(q.State)
	}
	for _, s := range q.Severity {
		ask.Severities = append(ask.Severities, finding.Severity(s))
	}
	list, total, err := a.cfg.Findings.Findings(c.r.Context(), c.org(), ask)
	if err != nil {
		return Page[Finding]{}, err
	}
	return pageOf(mapped(list, findingOf), offset, total), nil
}

func (a *API) finding(c *call, _ none) (Finding, error) {
	record, events, err := a.cfg.Findings.Finding(c.r.Context(), c.org(), c.conn.ID, c.path("fingerprint"))
	if err != nil {
		return Finding{}, err
	}
	out := findingOf(record)
	for _, e := range events {
		out.Events = append(out.Events, FindingEvent{At: e.At.UTC(), What: e.What, By: string(e.By), Detail: e.Detail})
	}
	return out, nil
}

// Ignore says why a finding is set aside.
type Ignore struct {
	Reason string     `json:"reason"`
	Until  *time.Time `json:"until,omitempty" doc:"absent: for good"`
}

func (a *API) ignore(c *call, b Ignore) (Finding, error) {
	b.Reason = strings.TrimSpace(b.Reason)
	if b.Reason == "" || len(b.Reason) > maxText {
		return Finding{}, errs.New(errs.Invalid, "bad_body", "The reason is missing or too long.", "Say in up to 1,000 bytes why the finding does not matter.")
	}
	until := time.Time{}
	if b.Until != nil {
		if until = b.Until.UTC(); !until.After(a.cfg.Now()) {
			return Finding{}, errs.New(errs.Invalid, "bad_body", "The time until which the finding is set aside is over.", "Give a time to come, or none.")
		}
	}
	return a.triage(c, func(fingerprint []string) (int, error) {
		return a.cfg.Findings.Ignore(c.r.Context(), c.org(), c.conn.ID, c.holder.User, fingerprint, b.Reason, until)
	})
}

func (a *API) unignore(c *call, _ none) (Finding, error) {
	return a.triage(c, func(fingerprint []string) (int, error) {
		return a.cfg.Findings.Unignore(c.r.Context(), c.org(), c.conn.ID, c.holder.User, fingerprint)
	})
}

func (a *API) triage(c *call, do func(fingerprint []string) (int, error)) (Finding, error) {
	n, err := do([]string{c.path("fingerprint")})
	if err == nil && n == 0 {
		err = errs.New(errs.NotFound, "not_found", "There is no such finding.", "")
	}
	if err != nil {
		return Finding{}, err
	}
	return a.finding(c, none{})
}

// view is the last succeeded scan, as far as the member sees it.
func (a *API) view(c *call) (*browse.View, error) {
	v, err := a.cfg.Library.View(c.r.Context(), c.org(), c.conn.ID)
	return v, noScan(err)
}

type assetsQuery struct {
	paging
	Text string   `query:"q" doc:"search in names, descriptions and SQL identifiers"`
	Kind []string `query:"kind" doc:"may be there several times" enum:"question,model,metric,dashboard,collection,database,table,segment,measure,snippet,subscription,alert,transform,action,document,group,person"`
}

func (a *API) assets(c *call, q assetsQuery) (Page[report.Asset], error) {
	v, err := a.view(c)
	if err != nil {
		return Page[report.Asset]{}, err
	}
	kinds := mapped(q.Kind, func(k string) catalog.Kind { return catalog.Kind(k) })
	offset, err := q.offset()
	if err != nil {
		return Page[report.Asset]{}, err
	}
	if q.Text != "" {
		hits, total, err := a.cfg.Search.Search(c.r.Context(), c.org(), c.conn.ID, browse.SearchQuery{Text: q.Text, Kinds: kinds, Limit: q.limit(), Offset: offset})
		if err != nil {
			return Page[report.Asset]{}, err
		}
		var list []report.Asset
		for _, h := range hits {
			if one, ok := describe(v, h.Asset); ok {
				list = append(list, one)
			}
		}
		return pageOf(list, offset, total), nil
	}
	var all []catalog.Asset
	for one := range v.Index.Snapshot().All() {
		if len(kinds) == 0 || slices.Contains(kinds, one.Ref().Kind) {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b catalog.Asset) int { return a.Ref().Compare(b.Ref()) })
	page, err := cut(all, q.paging)
	if err != nil {
		return Page[report.Asset]{}, err
	}
	return Page[report.Asset]{
		Items: mapped(page.Items, func(one catalog.Asset) report.Asset { return report.Describe(v.Index, one) }), Total: page.Total, NextCursor: page.NextCursor,
	}, nil
}

func describe(v *browse.View, r catalog.Ref) (report.Asset, bool) {
	if r.Kind == catalog.KindColumn {
		return report.DescribeColumn(v.Index, r.ID)
	}
	one := v.Index.Asset(r)
	if one == nil {
		return report.Asset{}, false
	}
	return report.Describe(v.Index, one), true
}

// AssetDetail is an asset with its definition.
type AssetDetail struct {
	Asset report.Asset `json:"asset"`
	SQL   string       `json:"sql,omitempty" doc:"of native queries"`
}

// ref finds the asset that the path names.
func ref(c *call, v *browse.View) (catalog.Ref, report.Asset, error) {
	r := catalog.Ref{Kind: catalog.Kind(c.path("kind")), ID: c.path("id")}
	found, ok := describe(v, r)
	if !ok {
		return r, found, errs.New(errs.NotFound, "not_found", "There is no such asset in the last scan, or you may not see it.", "Ids of tables and columns hold slashes: write them as %2F.")
	}
	return r, found, nil
}

func (a *API) asset(c *call, _ none) (AssetDetail, error) {
	v, err := a.view(c)
	if err != nil {
		return AssetDetail{}, err
	}
	r, found, err := ref(c, v)
	out := AssetDetail{Asset: found}
	if q, ok := v.Index.Asset(r).(*catalog.Question); ok && err == nil {
		out.SQL = q.Query.SQL
	}
	return out, err
}

// Lineage is what an asset is made of and what uses it.
type Lineage struct {
	Asset      catalog.Ref          `json:"asset"`
	Upstream   []lineage.Edge       `json:"upstream" doc:"edges of everything it depends on, the nearest first"`
	Downstream []lineage.Edge       `json:"downstream" doc:"edges of everything that depends on it, the nearest first"`
	Columns    []lineage.ColumnEdge `json:"columns" doc:"column edges into the asset, or out of it when it is a column"`
	Unresolved []lineage.Unresolved `json:"unresolved" doc:"uses of the asset whose other end is not known"`
	Truncated  bool                 `json:"truncated" doc:"there is more; ask for less depth, or step by step"`
	Hidden     bool                 `json:"hidden" doc:"more lies beside it than you may see"`
	// Absent where the organization does not let members be told.
	HiddenSources int `json:"hidden_sources,omitempty" doc:"how many assets it uses itself that you may not see; absent where your organization does not tell"`
	HiddenUsers   int `json:"hidden_users,omitempty" doc:"how many assets that you may not see use it themselves; absent where your organization does not tell"`
}

type lineageQuery struct {
	Depth int `query:"depth" doc:"steps in both directions, 1 unless told" max:"10"`
}

// maxEdges bounds a lineage answer in each direction.
const maxEdges = 5000

func (a *API) lineage(c *call, q lineageQuery) (Lineage, error) {
	v, err := a.view(c)
	if err != nil {
		return Lineage{}, err
	}
	r, _, err := ref(c, v)
	if err != nil {
		return Lineage{}, err
	}
	out := Lineage{Asset: r, Columns: v.Graph.ColumnSources(r), Unresolved: v.Graph.Gaps(r), Hidden: v.MoreSources(r) || v.MoreUsers(r)}
	if beyond := v.Beyond(r); beyond.Counted {
		out.HiddenSources, out.HiddenUsers = beyond.Sources, beyond.Users
	}
	if r.Kind == catalog.KindColumn {
		out.Columns = v.Graph.ColumnUsers(r)
	}
	depth := max(1, q.Depth)
	var more bool
	out.Upstream, out.Truncated = edges(r, depth, v.Graph.Sources, func(e lineage.Edge) catalog.Ref { return e.From })
	out.Downstream, more = edges(r, depth, v.Graph.Users, func(e lineage.Edge) catalog.Ref { return e.To })
	out.Truncated = out.Truncated || more
	if len(out.Columns) > maxEdges {
		out.Columns, out.Truncated = out.Columns[:maxEdges], true
	}
	out.Columns, out.Unresolved = orEmpty(out.Columns), orEmpty(out.Unresolved)
	return out, nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// edges walks a graph breadth first.
func edges(from catalog.Ref, depth int, next func(catalog.Ref) []lineage.Edge, end func(lineage.Edge) catalog.Ref) (list []lineage.Edge, truncated bool) {
	list = []lineage.Edge{}
	seen := map[catalog.Ref]bool{from: true}
	level := []catalog.Ref{from}
	for ; depth > 0 && len(level) > 0; depth-- {
		var further []catalog.Ref
		for _, r := range level {
			for _, e := range next(r) {
				if len(list) == maxEdges {
					return list, true
				}
				list = append(list, e)
				if to := end(e); !seen[to] {
					seen[to] = true
					further = append(further, to)
				}
			}
		}
		level = further
	}
	return list, false
}

type impactQuery struct {
	Ref    []string `query:"ref" doc:"what changes: question:12, dashboard:3, schema.table, schema.table.column, db/schema/table; may be there several times"`
	Change string   `query:"change" doc:"drop unless told" enum:"drop,rename,type"`
}

func (a *API) impact(c *call, q impactQuery) (json.RawMessage, error) {
	v, err := a.view(c)
	if err != nil {
		return nil, err
	}
	if len(q.Ref) == 0 {
		return nil, badParameter("ref", "is missing")
	}
	ask := impact.Request{Change: impact.Change(q.Change)}
	for _, text := range q.Ref {
		r, err := impact.Resolve(v.Index, text)
		if err != nil {
			return nil, err
		}
		ask.Roots = append(ask.Roots, r)
	}
	result, err := impact.Of(c.r.Context(), impact.From(v.Index, v.Graph), ask)
	if err != nil {
		return nil, err
	}
	partial, _ := v.Index.Snapshot().Partial()
	var b bytes.Buffer
	err = impact.Write(&b, impact.FormatJSON, &impact.Report{
		Scan:       impact.Scan{ID: string(v.Scan.ID), FinishedAt: v.Scan.FinishedAt.UTC(), URL: c.conn.URL, Partial: partial},
		Connection: c.conn.Name, Index: v.Index, Changes: []impact.Impact{{Result: result}},
	})
	return b.Bytes(), err
}

func (a *API) duplicates(c *call, q paging) (Page[similar.Cluster], error) {
	content, err := a.cfg.Duplicates.Duplicates(c.r.Context(), c.org(), c.conn.ID)
	if err != nil {
		return Page[similar.Cluster]{}, noScan(err)
	}
	return cut(content.Clusters(), q)
}

func (a *API) metrics(c *call, q paging) (Page[similar.Metric], error) {
	content, err := a.cfg.Metrics.Metrics(c.r.Context(), c.org(), c.conn.ID)
	if err != nil {
		return Page[similar.Metric]{}, noScan(err)
	}
	return cut(content.Metrics(), q)
}

func (a *API) conflicts(c *call, q paging) (Page[similar.Conflict], error) {
	content, err := a.cfg.Metrics.Metrics(c.r.Context(), c.org(), c.conn.ID)
	if err != nil {
		return Page[similar.Conflict]{}, noScan(err)
	}
	return cut(content.Conflicts(), q)
}

// Exchange is a row of the egress ledger.
type Exchange struct {
	ID            string         `json:"id"`
	At            time.Time      `json:"at"`
	Purpose       ledger.Purpose `json:"purpose"`
	Method        string         `json:"method"`
	Host          string         `json:"host"`
	Address       string         `json:"address,omitempty"`
	Route         string         `json:"route"`
	Status        int            `json:"status"`
	Count         int            `json:"count"`
	RequestBytes  int64          `json:"request_bytes"`
	ResponseBytes int64          `json:"response_bytes"`
	DurationMS    int64          `json:"duration_ms"`
	Error         string         `json:"error,omitempty"`
	Scan          string         `json:"scan,omitempty"`
	Exchange      string         `json:"exchange,omitempty" doc:"ties an announcement to its outcome"`
	Phase         ledger.Phase   `json:"phase,omitempty"`
}

func exchangeOf(r store.LedgerRow) Exchange {
	return Exchange{
		ID: r.ID, At: r.At.UTC(), Purpose: r.Purpose, Method: r.Method, Host: r.Host, Address: r.Address, Route: r.Route, Status: r.Status, Count: r.Count,
		RequestBytes: r.RequestSize, ResponseBytes: r.ResponseSize, DurationMS: r.Duration.Milliseconds(), Error: r.Error, Scan: string(r.ScanID),
		Exchange: r.Exchange, Phase: r.Phase,
	}
}

type egressQuery struct {
	paging
	Scan string `query:"scan" doc:"id of a scan"`
}

func (a *API) egress(c *call, q egressQuery) (Page[Exchange], error) {
	offset, err := q.offset()
	if err != nil {
		return Page[Exchange]{}, err
	}
	rows, total, err := a.cfg.Ledger.Ledger(c.r.Context(), c.org(), egress.Query{Connection: c.conn.ID, Scan: store.ScanID(q.Scan), Limit: q.limit(), Offset: offset})
	if err != nil {
		return Page[Exchange]{}, err
	}
	return pageOf(mapped(rows, exchangeOf), offset, total), nil
}

// Event is a row of the audit log.
type Event struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor,omitempty" doc:"id of a member; absent for the system"`
	Action string    `json:"action"`
	Target string    `json:"target,omitempty"`
	Source string    `json:"source,omitempty" doc:"network address, or what else did it"`
	Detail string    `json:"detail,omitempty"`
}

type auditQuery struct {
	paging
	Actor  string    `query:"actor" doc:"id of a member"`
	Action string    `query:"action" doc:"code such as login"`
	Since  time.Time `query:"since"`
	Until  time.Time `query:"until"`
}

func (a *API) audit(c *call, q auditQuery) (Page[Event], error) {
	offset, err := q.offset()
	if err != nil {
		return Page[Event]{}, err
	}
	rows, total, err := a.cfg.Audit.AuditLog(c.r.Context(), c.org(), store.AuditQuery{
		Actor: store.UserID(q.Actor), Action: q.Action, Since: q.Since, Until: q.Until, Limit: q.limit(), Offset: offset,
	})
	if err != nil {
		return Page[Event]{}, err
	}
	return pageOf(mapped(rows, func(r store.AuditRow) Event {
		return Event{ID: r.ID, At: r.At.UTC(), Actor: string(r.Actor), Action: r.Action, Target: r.Target, Source: r.Source, Detail: r.Detail}
	}), offset, total), nil
}
