// Package webtest carries the pages without the rest of MetaLens: services in
// memory over a made-up company, for tests of handlers and browsers.
package webtest

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/connections"
	"github.com/metalens/metalens/internal/web/duplicates"
	"github.com/metalens/metalens/internal/web/findings"
	"github.com/metalens/metalens/internal/web/metrics"
	"github.com/metalens/metalens/internal/web/overview"
	"github.com/metalens/metalens/internal/web/ui"
)

// Owner is the account that [Backend.AddOwner] makes.
const (
	OwnerEmail    = "ada@example.com"
	OwnerName     = "Ada Okafor"
	OwnerPassword = "brisk otter paints maps"
)

// Now is the time at which the company stands still, unless a test moves it.
var Now = time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)

// Backend implements every service of the pages in memory. It is safe for
// concurrent use; tests may change exported fields before requests run.
type Backend struct {
	Users    *Users
	Sessions *Sessions
	Clock    func() time.Time

	// Strict asks owners and admins for a second factor, as every installation
	// but the demo does. It counts when Auth is called, as do Audit, Mailer and
	// PublicURL.
	Strict    bool
	Audit     auth.Auditor
	Mailer    auth.Mailer
	PublicURL string

	// Report is what connection tests answer, unless Probe is set.
	Report connections.Report
	Probe  func(connections.Draft) (connections.Report, error)
	// StepDelay is how long a scan spends on each step; zero finishes at once.
	StepDelay time.Duration
	// FailScan lets the next scan fail with this error.
	FailScan *errs.Error
	// Broken lets every service fail, as a store that is gone would.
	Broken error

	mu        sync.Mutex
	conns     []store.Connection
	keys      map[store.ConnectionID]secret.Value
	drafts    []connections.Draft
	scans     []store.Scan // oldest first
	snapshots map[store.ConnectionID]*catalog.Snapshot
	records   map[store.ConnectionID][]store.FindingRecord
	events    map[string][]store.FindingEvent
	health    map[store.ConnectionID][]overview.HealthPoint
	ledger    []store.LedgerRow
	payloads  map[string]ledger.Payload
	audit     []store.AuditRow
	integrity ui.IntegrityView
	changes   []store.Change
	gaps      []finding.NotEvaluated
	versions  map[catalog.Ref][]browse.Version
	cancels   map[store.ScanID]context.CancelFunc
	watchers  map[store.ScanID][]chan struct{}
	nextID    int
}

// New returns an empty backend: no owner, no connection.
func New() *Backend {
	b := &Backend{
		Users: &Users{}, Clock: func() time.Time { return Now },
		keys: map[store.ConnectionID]secret.Value{}, snapshots: map[store.ConnectionID]*catalog.Snapshot{},
		records: map[store.ConnectionID][]store.FindingRecord{}, events: map[string][]store.FindingEvent{},
		health: map[store.ConnectionID][]overview.HealthPoint{}, versions: map[catalog.Ref][]browse.Version{},
		cancels: map[store.ScanID]context.CancelFunc{}, watchers: map[store.ScanID][]chan struct{}{},
		Report: connections.Report{
			Reachable: true, URL: "https://metabase.example.com", TLS: "TLS 1.3", Version: "v0.58.2", Edition: "open source", Reader: "MetaLens (API key)",
			Sees:   []connections.Fact{{What: "collections", Count: 14}, {What: "databases", Count: 2}},
			Misses: []connections.Miss{{What: "Permissions", Why: "only an administrator's key may read who sees what"}, {What: "Personal collections", Why: "left out unless you ask for them"}},
			Took:   640 * time.Millisecond,
		},
	}
	b.Sessions = NewSessions()
	return b
}

// Auth returns an account service with cheap hashing. Owners and admins may work
// without a second factor, as in the demo, unless Strict is set.
func (b *Backend) Auth(secure bool) (*auth.Service, error) {
	return auth.New(auth.Config{
		Users: b.Users, Sessions: b.Sessions, Factors: b.Users, Counters: b.Users, Audit: b.Audit, Mailer: b.Mailer,
		MFAOptional: !b.Strict, PublicURL: b.PublicURL, Secure: secure, Now: b.Clock,
		Hash: auth.HashParams{MemoryKiB: 64, Time: 1, Threads: 1},
	})
}

// Config returns a complete configuration over this backend.
func (b *Backend) Config(accounts *auth.Service) web.Config {
	return web.Config{
		Auth: accounts, Connections: b, Scans: b, Changes: b, Findings: b, Checks: Checks{}, Overview: b, Status: b,
		Library: b, History: b, Search: b, Duplicates: b, Metrics: b, Ledger: b, Audit: b, Posture: b, Sample: b, Loopback: true, Now: b.Clock,
		Members: &People{backend: b}, Mail: Post{}, Forgotten: Memory{}, Privacy: Privacy{b.Clock},
	}
}

func (b *Backend) id(prefix string) string {
	b.nextID++
	return prefix + "-" + strconv.Itoa(b.nextID)
}

func missing(what string) error {
	return errs.New(errs.NotFound, "not_found", "There is no such "+what+".", "It may have been deleted.")
}

// Connections implements the pages' service.
func (b *Backend) Connections(context.Context, store.OrgID) ([]store.Connection, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Broken != nil {
		return nil, b.Broken
	}
	return slices.Clone(b.conns), nil
}

// Connection implements the pages' service.
func (b *Backend) Connection(_ context.Context, _ store.OrgID, id store.ConnectionID) (store.Connection, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Broken != nil {
		return store.Connection{}, b.Broken
	}
	for _, c := range b.conns {
		if c.ID == id {
			return c, nil
		}
	}
	return store.Connection{}, missing("connection")
}

// TestConnection implements the pages' service.
func (b *Backend) TestConnection(_ context.Context, _ store.OrgID, d connections.Draft) (connections.Report, error) {
	b.mu.Lock()
	b.drafts = append(b.drafts, d)
	probe := b.Probe
	b.mu.Unlock()
	if probe != nil {
		return probe(d)
	}
	return b.Report, nil
}

// Drafts returns what connection tests were asked for.
func (b *Backend) Drafts() []connections.Draft {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.drafts)
}

// CreateConnection implements the pages' service.
func (b *Backend) CreateConnection(_ context.Context, _ store.OrgID, _ store.UserID, d connections.Draft) (store.Connection, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := d.Name
	if name == "" {
		name = strings.TrimPrefix(strings.TrimPrefix(d.URL, "https://"), "http://")
	}
	c := store.Connection{
		ID: store.ConnectionID(b.id("conn")), Name: name, URL: d.URL, Auth: d.Auth, Options: d.Options, Schedule: d.Schedule,
		CreatedAt: b.Clock(), UpdatedAt: b.Clock(),
	}
	b.conns = append(b.conns, c)
	b.keys[c.ID] = d.Key
	return c, nil
}

// UpdateConnection implements the pages' service.
func (b *Backend) UpdateConnection(_ context.Context, _ store.OrgID, _ store.UserID, d connections.Draft) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d.Schedule != "" && !strings.HasPrefix(d.Schedule, "daily ") && !strings.HasPrefix(d.Schedule, "weekly ") {
		return errs.New(errs.Invalid, "bad_schedule", "The schedule “"+d.Schedule+"” is not understood.", "Write “daily 03:00”.")
	}
	for i := range b.conns {
		c := &b.conns[i]
		if c.ID != d.ID {
			continue
		}
		c.Name, c.URL, c.Auth, c.Options, c.Schedule, c.UpdatedAt = d.Name, d.URL, d.Auth, d.Options, d.Schedule, b.Clock()
		if !d.Key.IsZero() {
			b.keys[c.ID] = d.Key
		}
		return nil
	}
	return missing("connection")
}

// HasKey reports whether the stored key of a connection equals one.
func (b *Backend) HasKey(id store.ConnectionID, key secret.Value) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	stored, ok := b.keys[id]
	return ok && stored.Equal(key)
}

// DeleteConnection implements the pages' service.
func (b *Backend) DeleteConnection(_ context.Context, _ store.OrgID, _ store.UserID, id store.ConnectionID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = slices.DeleteFunc(b.conns, func(c store.Connection) bool { return c.ID == id })
	delete(b.keys, id)
	b.scans = slices.DeleteFunc(b.scans, func(s store.Scan) bool { return s.ConnectionID == id })
	return nil
}

// SampleConnection implements the first run's way out.
func (b *Backend) SampleConnection(context.Context, store.OrgID) (connections.Draft, error) {
	return connections.Draft{Name: "Sample company", URL: "http://127.0.0.1:3999", Auth: store.AuthAPIKey, Key: secret.New("mb_sample")}, nil
}

// Findings implements the pages' service.
func (b *Backend) Findings(_ context.Context, _ store.OrgID, q findings.Query) ([]store.FindingRecord, int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Broken != nil {
		return nil, 0, b.Broken
	}
	list := b.match(q)
	total := len(list)
	list = list[min(q.Offset, total):]
	if q.Limit > 0 && len(list) > q.Limit {
		list = list[:q.Limit]
	}
	return list, total, nil
}

func (b *Backend) match(q findings.Query) []store.FindingRecord {
	var list []store.FindingRecord
	x := b.index(q.Connection)
	for _, r := range b.records[q.Connection] {
		text := strings.ToLower(r.Message + " " + r.AssetName + " " + r.AssetPath)
		switch {
		case q.State != "" && r.State != q.State,
			len(q.Checks) > 0 && !slices.Contains(q.Checks, r.Check),
			len(q.Families) > 0 && !slices.Contains(q.Families, r.Check[:3]),
			len(q.Severities) > 0 && !slices.Contains(q.Severities, r.Severity),
			q.Text != "" && !strings.Contains(text, strings.ToLower(q.Text)),
			!q.Asset.IsZero() && r.Asset != q.Asset,
			q.Assignee != "" && r.Assignee != q.Assignee,
			q.Collection != "" && !inside(x, r.Asset, q.Collection):
			continue
		}
		list = append(list, r)
	}
	views := func(r store.FindingRecord) int64 {
		if r.Views == nil {
			return -1
		}
		return *r.Views
	}
	slices.SortStableFunc(list, func(a, c store.FindingRecord) int {
		severity := c.Severity.Rank() - a.Severity.Rank()
		usage := cmp.Compare(views(c), views(a))
		var first int
		switch q.Sort {
		case findings.SortUsage:
			first = usage
		case findings.SortNewest:
			first = c.FirstSeenAt.Compare(a.FirstSeenAt)
		case findings.SortName:
			first = strings.Compare(a.AssetName, c.AssetName)
		}
		return cmp.Or(first, severity, usage, strings.Compare(a.Fingerprint, c.Fingerprint))
	})
	return list
}

func inside(x *catalog.Index, r catalog.Ref, collection string) bool {
	if x == nil {
		return false
	}
	a := x.Asset(r)
	if a == nil {
		return false
	}
	for id := a.InCollection(); id != ""; {
		if id == collection {
			return true
		}
		c := x.Collection(id)
		if c == nil {
			return false
		}
		id = c.ParentID
	}
	return r.Kind == catalog.KindCollection && r.ID == collection
}

// FindingGroups implements the pages' service.
func (b *Backend) FindingGroups(_ context.Context, _ store.OrgID, q findings.Query, by findings.GroupBy) ([]findings.Group, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := map[string]int{}
	var groups []findings.Group
	x := b.index(q.Connection)
	for _, r := range b.match(q) {
		var key, title string
		switch by {
		case findings.ByCheck:
			key = r.Check
		case findings.BySeverity:
			key = string(r.Severity)
		case findings.ByAsset:
			key, title = r.Asset.String(), r.AssetName
		case findings.ByCollection:
			if a := x.Asset(r.Asset); a != nil {
				key = a.InCollection()
			}
			title = r.AssetPath
		}
		i, ok := at[key]
		if !ok {
			i = len(groups)
			at[key] = i
			groups = append(groups, findings.Group{Key: key, Title: title, Severity: r.Severity})
		}
		groups[i].Count++
		if r.Severity.Rank() > groups[i].Severity.Rank() {
			groups[i].Severity = r.Severity
		}
		if r.Views != nil {
			groups[i].Views += *r.Views
		}
	}
	slices.SortStableFunc(groups, func(a, c findings.Group) int {
		return cmp.Or(c.Severity.Rank()-a.Severity.Rank(), c.Count-a.Count, strings.Compare(a.Key, c.Key))
	})
	return groups, nil
}

// Finding implements the pages' service.
func (b *Backend) Finding(_ context.Context, _ store.OrgID, conn store.ConnectionID, fingerprint string) (store.FindingRecord, []store.FindingEvent, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records[conn] {
		if r.Fingerprint == fingerprint {
			events := slices.Clone(b.events[fingerprint])
			slices.Reverse(events)
			return r, events, nil
		}
	}
	return store.FindingRecord{}, nil, missing("finding")
}

func (b *Backend) each(conn store.ConnectionID, fingerprints []string, f func(*store.FindingRecord)) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for i := range b.records[conn] {
		r := &b.records[conn][i]
		if slices.Contains(fingerprints, r.Fingerprint) {
			f(r)
			n++
		}
	}
	return n
}

// Ignore implements the pages' service.
func (b *Backend) Ignore(_ context.Context, _ store.OrgID, conn store.ConnectionID, by store.UserID, fingerprints []string, reason string, until time.Time) (int, error) {
	return b.each(conn, fingerprints, func(r *store.FindingRecord) {
		r.State, r.IgnoredBy, r.IgnoredReason, r.IgnoredUntil = store.FindingIgnored, by, reason, until
		b.events[r.Fingerprint] = append(b.events[r.Fingerprint], store.FindingEvent{At: b.Clock(), Fingerprint: r.Fingerprint, What: "ignored", By: by, Detail: reason})
	}), nil
}

// Unignore implements the pages' service.
func (b *Backend) Unignore(_ context.Context, _ store.OrgID, conn store.ConnectionID, by store.UserID, fingerprints []string) (int, error) {
	return b.each(conn, fingerprints, func(r *store.FindingRecord) {
		r.State, r.IgnoredBy, r.IgnoredReason, r.IgnoredUntil = store.FindingOpen, "", "", time.Time{}
		b.events[r.Fingerprint] = append(b.events[r.Fingerprint], store.FindingEvent{At: b.Clock(), Fingerprint: r.Fingerprint, What: "unignored", By: by})
	}), nil
}

// Assign implements the pages' service.
func (b *Backend) Assign(_ context.Context, _ store.OrgID, conn store.ConnectionID, _, to store.UserID, fingerprints []string) (int, error) {
	return b.each(conn, fingerprints, func(r *store.FindingRecord) { r.Assignee = to }), nil
}

// NotEvaluated implements the pages' service.
func (b *Backend) NotEvaluated(context.Context, store.OrgID, store.ConnectionID) ([]finding.NotEvaluated, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.gaps), nil
}

// HealthSeries implements the pages' service.
func (b *Backend) HealthSeries(_ context.Context, _ store.OrgID, conn store.ConnectionID, since time.Time) ([]overview.HealthPoint, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []overview.HealthPoint
	for _, p := range b.health[conn] {
		if !p.At.Before(since) {
			list = append(list, p)
		}
	}
	return list, nil
}

// OpenFindings implements the frame's status.
func (b *Backend) OpenFindings(_ context.Context, _ store.OrgID, conn store.ConnectionID) (int, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.snapshots[conn] == nil {
		return 0, false, nil
	}
	return len(b.match(findings.Query{Connection: conn, State: store.FindingOpen})), true, nil
}

func (b *Backend) index(conn store.ConnectionID) *catalog.Index {
	if s := b.snapshots[conn]; s != nil {
		return catalog.NewIndex(s)
	}
	return nil
}

// Forget takes away what scans of a connection brought, as before the first.
func (b *Backend) Forget(conn store.ConnectionID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.snapshots, conn)
	b.scans = slices.DeleteFunc(b.scans, func(s store.Scan) bool { return s.ConnectionID == conn })
}

// Replace gives a connection another snapshot.
func (b *Backend) Replace(conn store.ConnectionID, s *catalog.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snapshots[conn] = s
}

// View implements the catalog's library.
func (b *Backend) View(ctx context.Context, _ store.OrgID, conn store.ConnectionID) (*browse.View, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.index(conn)
	if x == nil {
		return nil, missing("scan")
	}
	return &browse.View{Index: x, Graph: lineage.Build(ctx, x, lineage.WithSQL(sqllineage.New())), Texts: sqllineage.NewTexts(x)}, nil //nolint:contextcheck // it outlives the request that made it
}

// Duplicates implements the duplicates' service.
func (b *Backend) Duplicates(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*duplicates.Content, error) {
	ctx = context.WithoutCancel(ctx) // such work outlives the reader who asked first
	view, err := b.View(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	return duplicates.NewContent(view, similar.Analyze(ctx, view.Index, view.Graph).Clusters), nil
}

// Metrics implements the metrics' service.
func (b *Backend) Metrics(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*metrics.Content, error) {
	view, err := b.View(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	found := similar.Analyze(ctx, view.Index, view.Graph)
	return metrics.NewContent(view, found.Metrics, found.Conflicts), nil
}

// Versions implements the catalog's history.
func (b *Backend) Versions(_ context.Context, _ store.OrgID, conn store.ConnectionID, r catalog.Ref) ([]browse.Version, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if list, ok := b.versions[r]; ok {
		return list, nil
	}
	a := b.index(conn).Asset(r)
	if a == nil {
		return nil, nil
	}
	return []browse.Version{{Asset: a, FromSeq: 1, SeenAt: Now.AddDate(0, 0, -84)}}, nil
}

// UsageSeries implements the catalog's history.
func (b *Backend) UsageSeries(_ context.Context, _ store.OrgID, conn store.ConnectionID, r catalog.Ref) ([]browse.UsagePoint, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.snapshots[conn]
	if s == nil || s.Usage[r].Views == nil {
		return nil, nil
	}
	var list []browse.UsagePoint
	last := *s.Usage[r].Views
	for i := range 13 {
		n := last * int64(60+40*i/12) / 100
		list = append(list, browse.UsagePoint{At: Now.AddDate(0, 0, -7*(12-i)), Views: &n})
	}
	return list, nil
}

// Search implements the catalog's search.
func (b *Backend) Search(_ context.Context, _ store.OrgID, conn store.ConnectionID, q browse.SearchQuery) ([]store.SearchHit, int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.index(conn)
	if x == nil {
		return nil, 0, nil
	}
	var hits []store.SearchHit
	words := strings.Fields(strings.ToLower(q.Text))
	match := func(text string) bool {
		text = strings.ToLower(text)
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
	}
	add := func(h store.SearchHit) {
		if len(q.Kinds) == 0 || slices.Contains(q.Kinds, h.Asset.Kind) {
			hits = append(hits, h)
		}
	}
	for a := range x.Snapshot().All() {
		h := store.SearchHit{Asset: a.Ref(), Name: a.Title(), Path: x.CollectionPath(a.InCollection()), Views: x.Snapshot().Usage[a.Ref()].Views}
		if match(a.Title()) {
			add(h)
		} else if question, ok := a.(*catalog.Question); ok && match(question.Query.SQL) && len(words) > 0 {
			i := strings.Index(strings.ToLower(question.Query.SQL), words[0])
			from, to := max(0, i-24), min(len(question.Query.SQL), i+len(words[0])+24)
			h.InSQL = true
			h.Snippet = "… " + question.Query.SQL[from:i] + "\x02" + question.Query.SQL[i:i+len(words[0])] + "\x03" + question.Query.SQL[i+len(words[0]):to] + " …"
			add(h)
		}
		if t, ok := a.(*catalog.Table); ok {
			for _, c := range t.Columns {
				if match(c.Name) {
					add(store.SearchHit{Asset: c.Ref(), Name: t.Name + "." + c.Name, Path: "Warehouse / " + t.Schema})
				}
			}
		}
	}
	total := len(hits)
	hits = hits[min(q.Offset, total):]
	return hits[:min(len(hits), q.Limit)], total, nil
}

// Changes implements the scan page's history.
func (b *Backend) Changes(context.Context, store.OrgID, store.ConnectionID, int64, int64) ([]store.Change, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.changes), nil
}
