package metabasetest

import (
	"hash/fnv"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Ids that exist in every Metabase.
const (
	GroupAllUsers       = 1
	GroupAdministrators = 2
	TrashCollection     = 1
	RootCollection      = 0 // "Our analytics" has no row; the API calls it "root"
)

// World is the content of one Metabase. Add things with the Add methods, which
// hand out ids and entity ids; find them by id with the methods named after the
// kinds. A World is not safe for concurrent use; a [Server] guards its own (see
// [Server.Update]).
type World struct {
	mu sync.RWMutex // held by the servers that show the world

	Name     string // shown as application name and site name
	Timezone string // report time zone
	Locale   string
	Epoch    time.Time // when the instance was set up; default of missing creation times
	Upgraded time.Time // when the server reached a version with usage columns; default of last_used_at

	People        []*Person
	Groups        []*Group
	Collections   []*Collection
	Databases     []*Database
	Tables        []*Table
	Cards         []*Card
	Dashboards    []*Dashboard
	Segments      []*Segment
	Measures      []*Measure
	LegacyMetrics []*Measure
	Snippets      []*Snippet
	Timelines     []*Timeline
	Subscriptions []*Subscription
	Alerts        []*Alert
	Transforms    []*Transform
	Actions       []*Action
	Documents     []*Document

	// CollectionAccess: group → collection (RootCollection for the root) →
	// "read" or "write". Absence means no access. Administrators see all.
	CollectionAccess map[int]map[int]string
	// DataAccess are the data permissions of groups.
	DataAccess []DataGrant

	nextID map[string]int
	cards  map[int]*Card
	dashes map[int]*Dashboard
	colls  map[int]*Collection
	dbs    map[int]*Database
	tables map[int]*Table
	fields map[int]*Field
	people map[int]*Person
	byDB   map[int][]*Table
	usedBy atomic.Pointer[map[int]int] // card id → number of dashboards, computed on demand
}

// NewWorld returns an empty world with the two built-in groups and the trash.
func NewWorld(epoch time.Time) *World {
	w := &World{
		Name: "Metabase", Timezone: "UTC", Locale: "en", Epoch: epoch.UTC(), Upgraded: epoch.UTC(),
		CollectionAccess: map[int]map[int]string{},
		nextID:           map[string]int{},
		cards:            map[int]*Card{}, dashes: map[int]*Dashboard{}, colls: map[int]*Collection{},
		dbs: map[int]*Database{}, tables: map[int]*Table{}, fields: map[int]*Field{}, people: map[int]*Person{},
		byDB: map[int][]*Table{},
	}
	w.AddGroup(&Group{Name: "All Users", Magic: "all-internal-users"})
	w.AddGroup(&Group{Name: "Administrators", Magic: "admin"})
	w.AddCollection(&Collection{Name: "Trash", Type: "trash"})
	return w
}

// Person is a user account. Everything but the name is personal data that a
// metadata reader has to drop.
type Person struct {
	ID           int
	First, Last  string
	Email        string
	Inactive     bool
	Admin        bool
	GroupIDs     []int // without the two built-in groups
	Joined       time.Time
	LastLogin    time.Time // zero: never
	CollectionID int       // personal collection, 0 for none
}

// FullName is the common name as the API shows it.
func (p *Person) FullName() string {
	switch {
	case p.First == "":
		return p.Last
	case p.Last == "":
		return p.First
	}
	return p.First + " " + p.Last
}

// Group is a permission group.
type Group struct {
	ID    int
	Name  string
	Magic string
}

// Collection is a folder. ParentID is RootCollection for top-level ones.
type Collection struct {
	ID               int
	EntityID         string
	Name             string
	Slug             string
	Description      string
	ParentID         int
	Namespace        string // "", snippets, transforms, …
	Type             string // trash, instance-analytics, library, …
	Official         bool
	OwnerID          int // personal collections
	Sample           bool
	Archived         bool
	ArchivedDirectly bool
	RemoteSynced     bool
	CreatedAt        time.Time
}

// Database is a connected data source.
type Database struct {
	ID          int
	Name        string
	Description string
	Engine      string
	Timezone    string
	Sample      bool
	Audit       bool
	CreatorID   int
	CacheTTL    int
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Table is a table or view of a database.
type Table struct {
	ID            int
	DatabaseID    int
	Schema        string
	Name          string
	DisplayName   string
	Description   string
	Inactive      bool
	Visibility    string // "", hidden, technical, cruft
	EntityType    string
	Upload        bool
	RequireFilter bool
	DataAuthority string // unconfigured, authoritative, …
	OwnerID       int
	TransformID   int
	ViewCount     int64
	Rows          int64
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Fields        []*Field
}

// Field is a column of a table.
type Field struct {
	ID           int
	TableID      int
	Name         string
	DisplayName  string
	Description  string
	BaseType     string
	DatabaseType string
	SemanticType string
	Coercion     string
	FKTargetID   int
	ParentID     int
	NFCPath      []string
	Inactive     bool
	Visibility   string // "" is normal
	Position     int
	PrimaryKey   bool
	Required     bool
	NotNull      bool
	Indexed      bool
	Partitioned  bool
	Sensitivity  string
	UpdatedAt    time.Time
}

// DataGrant is one entry of the data permission graph. Empty Schema and zero
// TableID mean the whole database.
type DataGrant struct {
	GroupID       int
	DatabaseID    int
	Schema        string
	TableID       int
	ViewData      string // unrestricted, blocked, sandboxed, …
	CreateQueries string // query-builder-and-native, query-builder, no
}

// Segment is a saved filter.
type Segment struct {
	ID          int
	EntityID    string
	Name        string
	Description string
	TableID     int
	Filters     []Expr
	Archived    bool
	CreatorID   int
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Measure is a saved aggregation: a measure (0.59 and later), or a metric as
// servers before 0.50 had them.
type Measure struct {
	ID          int
	EntityID    string
	Name        string
	Description string
	TableID     int
	Aggregation Expr
	Filters     []Expr
	Archived    bool
	CreatorID   int
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Snippet is a named piece of SQL.
type Snippet struct {
	ID           int
	EntityID     string
	Name         string
	Description  string
	Content      string
	CollectionID int // a folder in namespace snippets
	Archived     bool
	CreatorID    int
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Timeline is a list of business events. Names of events are free text.
type Timeline struct {
	ID           int
	EntityID     string
	Name         string
	CollectionID int
	Archived     bool
	CreatorID    int
	CreatedAt    time.Time
	Events       []string
}

// Channel is one way a subscription or alert goes out.
type Channel struct {
	Type     string // email, slack, http
	Disabled bool
	Schedule string // hourly, daily, weekly, monthly
	Hour     int
	Day      string // mon … sun
	Frame    string // first, mid, last
	People   []int  // recipients with an account
	Outside  []string
}

// Subscription sends a dashboard on a schedule (a pulse in the API).
type Subscription struct {
	ID           int
	EntityID     string
	Name         string
	DashboardID  int
	CollectionID int
	CardIDs      []int // empty: all cards of the dashboard
	SkipIfEmpty  bool
	Archived     bool
	CreatorID    int
	Channels     []Channel
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Alert watches one card.
type Alert struct {
	ID        int
	CardID    int
	Condition string // has_result, goal_above, goal_below
	SendOnce  bool
	Inactive  bool
	CreatorID int
	Channels  []Channel
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Transform writes the result of a query to a table (0.59 and later).
type Transform struct {
	ID           int
	EntityID     string
	Name         string
	Description  string
	Query        *Query // nil for Python
	Python       string
	SourceTables map[string]int
	DatabaseID   int
	TargetSchema string
	TargetTable  string
	CollectionID int
	CreatorID    int
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Action is a write button on a model.
type Action struct {
	ID         int
	EntityID   string
	ModelID    int
	Name       string
	Type       string // query, implicit, http
	DatabaseID int
	SQL        string
	PublicUUID string
	Archived   bool
	CreatorID  int
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Document is a written report with embedded cards (0.58 and later).
type Document struct {
	ID           int
	EntityID     string
	Name         string
	CollectionID int
	CardIDs      []int
	Archived     bool
	CreatorID    int
	ViewCount    int64
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// AddPerson adds an account.
func (w *World) AddPerson(p *Person) *Person {
	p.ID = w.take("person", p.ID)
	w.born(&p.Joined)
	w.People = append(w.People, p)
	w.people[p.ID] = p
	return p
}

// AddGroup adds a permission group.
func (w *World) AddGroup(g *Group) *Group {
	g.ID = w.take("group", g.ID)
	w.Groups = append(w.Groups, g)
	return g
}

// AddCollection adds a folder.
func (w *World) AddCollection(c *Collection) *Collection {
	c.ID = w.take("collection", c.ID)
	w.entity("collection", c.ID, &c.EntityID)
	w.born(&c.CreatedAt)
	if c.Slug == "" {
		c.Slug = slugOf(c.Name)
	}
	w.Collections = append(w.Collections, c)
	w.colls[c.ID] = c
	if p := w.people[c.OwnerID]; p != nil && p.CollectionID == 0 {
		p.CollectionID = c.ID
	}
	return c
}

// AddDatabase adds a data source.
func (w *World) AddDatabase(d *Database) *Database {
	d.ID = w.take("database", d.ID)
	w.born(&d.CreatedAt)
	w.touched(&d.UpdatedAt, d.CreatedAt)
	w.Databases = append(w.Databases, d)
	w.dbs[d.ID] = d
	return d
}

// AddTable adds a table with its fields.
func (w *World) AddTable(t *Table) *Table {
	t.ID = w.take("table", t.ID)
	w.born(&t.CreatedAt)
	w.touched(&t.UpdatedAt, t.CreatedAt)
	if t.DisplayName == "" {
		t.DisplayName = displayOf(t.Name)
	}
	if t.EntityType == "" {
		t.EntityType = "entity/GenericTable"
	}
	w.Tables = append(w.Tables, t)
	w.tables[t.ID] = t
	w.byDB[t.DatabaseID] = append(w.byDB[t.DatabaseID], t)
	fields := t.Fields
	t.Fields = make([]*Field, 0, len(fields))
	for _, f := range fields {
		w.AddField(t, f)
	}
	return t
}

// AddField adds a column to a table.
func (w *World) AddField(t *Table, f *Field) *Field {
	f.ID = w.take("field", f.ID)
	f.TableID = t.ID
	f.Position = len(t.Fields)
	if f.DisplayName == "" {
		f.DisplayName = displayOf(f.Name)
	}
	if f.BaseType == "" {
		f.BaseType = "type/Text"
	}
	w.touched(&f.UpdatedAt, t.CreatedAt)
	t.Fields = append(t.Fields, f)
	w.fields[f.ID] = f
	return f
}

// AddCard adds a question, model or metric.
func (w *World) AddCard(c *Card) *Card {
	c.ID = w.take("card", c.ID)
	w.entity("card", c.ID, &c.EntityID)
	w.born(&c.CreatedAt)
	w.touched(&c.UpdatedAt, c.CreatedAt)
	if c.Type == "" {
		c.Type = CardQuestion
	}
	if c.Display == "" {
		c.Display = "table"
	}
	w.Cards = append(w.Cards, c)
	w.cards[c.ID] = c
	return c
}

// AddDashboard adds a dashboard with its tabs and tiles.
func (w *World) AddDashboard(d *Dashboard) *Dashboard {
	d.ID = w.take("dashboard", d.ID)
	w.entity("dashboard", d.ID, &d.EntityID)
	w.born(&d.CreatedAt)
	w.touched(&d.UpdatedAt, d.CreatedAt)
	for _, t := range d.Tabs {
		t.ID = w.take("tab", t.ID)
		w.entity("tab", t.ID, &t.EntityID)
	}
	for _, dc := range d.Cards {
		w.addDashcard(d, dc)
	}
	w.Dashboards = append(w.Dashboards, d)
	w.dashes[d.ID] = d
	w.usedBy.Store(nil)
	return d
}

func (w *World) addDashcard(d *Dashboard, dc *Dashcard) {
	dc.ID = w.take("dashcard", dc.ID)
	w.entity("dashcard", dc.ID, &dc.EntityID)
	w.touched(&dc.CreatedAt, d.CreatedAt)
	if dc.Width == 0 {
		dc.Width = 12
	}
	if dc.Height == 0 {
		dc.Height = 6
	}
	w.usedBy.Store(nil)
}

// AddSegment adds a segment.
func (w *World) AddSegment(s *Segment) *Segment {
	s.ID = w.take("segment", s.ID)
	w.entity("segment", s.ID, &s.EntityID)
	w.born(&s.CreatedAt)
	w.touched(&s.UpdatedAt, s.CreatedAt)
	w.Segments = append(w.Segments, s)
	return s
}

// AddMeasure adds a measure, seen from 0.59.
func (w *World) AddMeasure(m *Measure) *Measure {
	m.ID = w.take("measure", m.ID)
	w.entity("measure", m.ID, &m.EntityID)
	w.born(&m.CreatedAt)
	w.touched(&m.UpdatedAt, m.CreatedAt)
	w.Measures = append(w.Measures, m)
	return m
}

// AddLegacyMetric adds a metric of the old kind, seen up to 0.50.
func (w *World) AddLegacyMetric(m *Measure) *Measure {
	m.ID = w.take("legacy-metric", m.ID)
	w.entity("legacy-metric", m.ID, &m.EntityID)
	w.born(&m.CreatedAt)
	w.touched(&m.UpdatedAt, m.CreatedAt)
	w.LegacyMetrics = append(w.LegacyMetrics, m)
	return m
}

// AddSnippet adds a snippet.
func (w *World) AddSnippet(s *Snippet) *Snippet {
	s.ID = w.take("snippet", s.ID)
	w.entity("snippet", s.ID, &s.EntityID)
	w.born(&s.CreatedAt)
	w.touched(&s.UpdatedAt, s.CreatedAt)
	w.Snippets = append(w.Snippets, s)
	return s
}

// AddTimeline adds a timeline.
func (w *World) AddTimeline(t *Timeline) *Timeline {
	t.ID = w.take("timeline", t.ID)
	w.entity("timeline", t.ID, &t.EntityID)
	w.born(&t.CreatedAt)
	w.Timelines = append(w.Timelines, t)
	return t
}

// AddSubscription adds a dashboard subscription.
func (w *World) AddSubscription(s *Subscription) *Subscription {
	s.ID = w.take("subscription", s.ID)
	w.entity("subscription", s.ID, &s.EntityID)
	w.born(&s.CreatedAt)
	w.touched(&s.UpdatedAt, s.CreatedAt)
	w.Subscriptions = append(w.Subscriptions, s)
	return s
}

// AddAlert adds an alert on a card.
func (w *World) AddAlert(a *Alert) *Alert {
	a.ID = w.take("alert", a.ID)
	w.born(&a.CreatedAt)
	w.touched(&a.UpdatedAt, a.CreatedAt)
	if a.Condition == "" {
		a.Condition = "has_result"
	}
	w.Alerts = append(w.Alerts, a)
	return a
}

// AddTransform adds a transform, seen from 0.59.
func (w *World) AddTransform(t *Transform) *Transform {
	t.ID = w.take("transform", t.ID)
	w.entity("transform", t.ID, &t.EntityID)
	w.born(&t.CreatedAt)
	w.touched(&t.UpdatedAt, t.CreatedAt)
	w.Transforms = append(w.Transforms, t)
	return t
}

// AddAction adds a write button.
func (w *World) AddAction(a *Action) *Action {
	a.ID = w.take("action", a.ID)
	w.entity("action", a.ID, &a.EntityID)
	w.born(&a.CreatedAt)
	w.touched(&a.UpdatedAt, a.CreatedAt)
	w.Actions = append(w.Actions, a)
	return a
}

// AddDocument adds a document, seen from 0.58.
func (w *World) AddDocument(d *Document) *Document {
	d.ID = w.take("document", d.ID)
	w.entity("document", d.ID, &d.EntityID)
	w.born(&d.CreatedAt)
	w.touched(&d.UpdatedAt, d.CreatedAt)
	w.Documents = append(w.Documents, d)
	return d
}

// Grant gives a group access to a collection ("read" or "write").
func (w *World) Grant(group, collection int, access string) {
	if w.CollectionAccess[group] == nil {
		w.CollectionAccess[group] = map[int]string{}
	}
	w.CollectionAccess[group][collection] = access
}

// Card returns a card by id, or nil.
func (w *World) Card(id int) *Card { return w.cards[id] }

// Dashboard returns a dashboard by id, or nil.
func (w *World) Dashboard(id int) *Dashboard { return w.dashes[id] }

// Collection returns a collection by id, or nil (also for the root).
func (w *World) Collection(id int) *Collection { return w.colls[id] }

// Database returns a database by id, or nil.
func (w *World) Database(id int) *Database { return w.dbs[id] }

// Table returns a table by id, or nil.
func (w *World) Table(id int) *Table { return w.tables[id] }

// Field returns a field by id, or nil.
func (w *World) Field(id int) *Field { return w.fields[id] }

// Person returns a person by id, or nil.
func (w *World) Person(id int) *Person { return w.people[id] }

// CardByName returns the first card of a name, or nil.
func (w *World) CardByName(name string) *Card {
	for _, c := range w.Cards {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// DashboardByName returns the first dashboard of a name, or nil.
func (w *World) DashboardByName(name string) *Dashboard {
	for _, d := range w.Dashboards {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// TableByName returns the first table of that schema and name, or nil.
func (w *World) TableByName(schema, name string) *Table {
	for _, t := range w.Tables {
		if t.Schema == schema && t.Name == name {
			return t
		}
	}
	return nil
}

// FieldByName returns a column of a table, or nil.
func (t *Table) FieldByName(name string) *Field {
	for _, f := range t.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// TablesOf returns the tables of a database, inactive ones included.
func (w *World) TablesOf(database int) []*Table { return w.byDB[database] }

func (w *World) take(kind string, wanted int) int {
	if wanted == 0 {
		wanted = w.nextID[kind] + 1
	}
	w.nextID[kind] = max(w.nextID[kind], wanted)
	return wanted
}

func (w *World) born(at *time.Time) {
	if at.IsZero() {
		*at = w.Epoch
	}
}

func (w *World) touched(at *time.Time, fallback time.Time) {
	if at.IsZero() {
		*at = fallback
	}
}

const entityAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

func (w *World) entity(kind string, id int, dst *string) {
	if *dst == "" {
		*dst = entityID(kind, id)
	}
}

func entityID(kind string, id int) string {
	x := mix(kind, id)
	b := make([]byte, 21)
	for i := range b {
		if i == 10 {
			x = splitmix(x)
		}
		b[i] = entityAlphabet[x&63]
		x = x>>6 | x<<58
	}
	return string(b)
}

// mix makes a well spread number of a kind and an id.
func mix(kind string, id int) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(kind))
	_, _ = h.Write([]byte(strconv.Itoa(id)))
	return splitmix(h.Sum64())
}

func splitmix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// path returns the ancestors of a collection, outermost first, itself last.
// Loops in a hand-made tree end it.
func (w *World) path(id int) []*Collection {
	var up []*Collection
	for c := w.colls[id]; c != nil && !slices.Contains(up, c); c = w.colls[c.ParentID] {
		up = append(up, c)
	}
	slices.Reverse(up)
	return up
}

// owner returns the person whose personal collection holds c, or 0.
func (w *World) owner(id int) int {
	for _, c := range w.path(id) {
		if c.OwnerID != 0 {
			return c.OwnerID
		}
	}
	return 0
}
