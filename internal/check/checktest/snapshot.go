package checktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
)

// Now is the clock of every case that does not set its own.
func Now() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// Case is a decoded snapshot with the run's settings.
type Case struct {
	Snapshot *catalog.Snapshot
	Now      time.Time
	Observed check.Observed
	Params   map[string]string // without the check's id in front
	Analysed bool              // native SQL is part of the lineage
}

// id accepts a number or a text.
type id string

func (i *id) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '"' {
		*i = id(b)
		return nil
	}
	return json.Unmarshal(b, (*string)(i))
}

type spec struct {
	Now      string `json:"now"`
	Version  int    `json:"version"`
	Export   bool   `json:"export"`
	Admin    *bool  `json:"admin"`
	Gaps     []catalog.Gap
	LookedUp bool `json:"looked_up"` // dangling references were asked for one by one
	Analysed bool `json:"analysed"`  // the lineage of native SQL was worked out
	Observed struct {
		Since         string `json:"since"`
		Scans         int    `json:"scans"`
		CountersSince string `json:"counters_since"`
	} `json:"observed"`
	Params map[string]id   `json:"params"`
	Access *catalog.Access `json:"access"`

	Collections   []collectionSpec   `json:"collections"`
	Databases     []databaseSpec     `json:"databases"`
	Tables        []tableSpec        `json:"tables"`
	Questions     []questionSpec     `json:"questions"`
	Dashboards    []dashboardSpec    `json:"dashboards"`
	Snippets      []snippetSpec      `json:"snippets"`
	Segments      []definitionSpec   `json:"segments"`
	Measures      []definitionSpec   `json:"measures"`
	Subscriptions []subscriptionSpec `json:"subscriptions"`
	Alerts        []alertSpec        `json:"alerts"`
	Actions       []actionSpec       `json:"actions"`
	Documents     []documentSpec     `json:"documents"`
	Transforms    []transformSpec    `json:"transforms"`
	Groups        []groupSpec        `json:"groups"`
	People        []personSpec       `json:"people"`
}

type commonSpec struct {
	ID          id     `json:"id"`
	Entity      string `json:"entity"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Archived    bool   `json:"archived"`
	Creator     id     `json:"creator"`
	Created     string `json:"created"` // age or "unknown", default 400d
}

type usageSpec struct {
	Used         string `json:"used"`  // age, "never", or "default" for the migration's default
	Views        *int64 `json:"views"` // default 25 when used, 0 when never
	OwnReads     int64  `json:"own_reads"`
	Contaminated bool   `json:"contaminated"`
}

type exposureSpec struct {
	Public   bool `json:"public"`
	Embedded bool `json:"embedded"`
}

type collectionSpec struct {
	commonSpec
	In        id     `json:"in"` // parent, default root
	Type      string `json:"type"`
	Namespace string `json:"namespace"`
	Official  bool   `json:"official"`
	Personal  id     `json:"personal"` // the owner
	Sample    bool   `json:"sample"`
}

type databaseSpec struct {
	commonSpec
	Engine string `json:"engine"`
	Sample bool   `json:"sample"`
	Audit  bool   `json:"audit"`
}

type tableSpec struct {
	commonSpec              // id is natural: 1/public/orders
	Number     int64        `json:"number"`
	Inactive   bool         `json:"inactive"`
	Unread     bool         `json:"columns_unread"`
	MustFilter bool         `json:"must_filter"` // the warehouse refuses a read without a filter on the partition
	Columns    []columnSpec `json:"columns"`
}

type columnSpec struct {
	Name        string `json:"name"`
	Number      int64  `json:"number"`
	Inactive    bool   `json:"inactive"`
	Type        string `json:"type"` // "Text" for type/Text
	Key         bool   `json:"key"`
	Nullable    *bool  `json:"nullable"`
	Indexed     *bool  `json:"indexed"`
	Partitioned *bool  `json:"partitioned"`
}

type tagSpec struct {
	Name      string          `json:"name"`
	Type      string          `json:"type"`
	Widget    string          `json:"widget"`
	Question  id              `json:"question"`
	SnippetID id              `json:"snippet_id"`
	Snippet   string          `json:"snippet"`
	Dimension json.RawMessage `json:"dimension"`
}

type parameterSpec struct {
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	Type   string          `json:"type"`
	Source id              `json:"source"` // question the values come from
	Linked []string        `json:"linked"`
	Target json.RawMessage `json:"target"`
}

type mappingSpec struct {
	Param    string          `json:"param"`
	Question id              `json:"question"`
	Target   json.RawMessage `json:"target"`
}

type questionSpec struct {
	commonSpec
	usageSpec
	exposureSpec
	In         id              `json:"in"` // collection, default root
	Type       catalog.Kind    `json:"type"`
	Display    string          `json:"display"`
	Dashboard  id              `json:"dashboard"`
	Database   id              `json:"database"`
	Verified   bool            `json:"verified"`
	Pinned     bool            `json:"pinned"`
	Editor     id              `json:"editor"`
	Unreadable bool            `json:"unreadable"`
	SQL        string          `json:"sql"`
	Tags       []tagSpec       `json:"tags"`
	MBQL       json.RawMessage `json:"mbql"`
	Source     id              `json:"source"` // question it is built on; writes the query
	Table      int64           `json:"table"`  // table number it counts; writes the query
	Empty      bool            `json:"empty"`  // no query at all
	Parameters []parameterSpec `json:"parameters"`
	Clicks     []string        `json:"clicks"`
	Columns    []string        `json:"columns"` // result columns
}

type dashcardSpec struct {
	ID       id            `json:"id"`
	Entity   string        `json:"entity"`
	Question id            `json:"question"`
	Series   []id          `json:"series"`
	Virtual  string        `json:"virtual"`
	Action   id            `json:"action"`
	Maps     []mappingSpec `json:"maps"`
	Inline   []string      `json:"inline"`
	Clicks   []string      `json:"clicks"`
	Link     string        `json:"link"`
	Refused  bool          `json:"refused"`
	Tab      string        `json:"tab"`
}

// UnmarshalJSON accepts a question id for a plain card.
func (d *dashcardSpec) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '{' {
		return d.Question.UnmarshalJSON(b)
	}
	type plain dashcardSpec
	return strict(b, (*plain)(d))
}

type dashboardSpec struct {
	commonSpec
	usageSpec
	exposureSpec
	In         id              `json:"in"`
	Verified   bool            `json:"verified"`
	Cards      []dashcardSpec  `json:"cards"`
	Parameters []parameterSpec `json:"parameters"`
	Tabs       []string        `json:"tabs"`
	Unread     bool            `json:"detail_unread"`
}

type snippetSpec struct {
	commonSpec
	SQL  string    `json:"sql"`
	Tags []tagSpec `json:"tags"`
}

type definitionSpec struct {
	commonSpec
	Table      string          `json:"table"`
	Definition json.RawMessage `json:"definition"`
	Legacy     bool            `json:"legacy"`
}

type deliverySpec struct {
	Channel    string `json:"channel"` // default email
	Off        bool   `json:"off"`
	Recipients int    `json:"recipients"`
	External   int    `json:"external"`
}

type subscriptionSpec struct {
	commonSpec
	Dashboard   id             `json:"dashboard"`
	OwnerActive *bool          `json:"owner_active"`
	Deliveries  []deliverySpec `json:"deliveries"`
}

type alertSpec struct {
	commonSpec
	Question    id             `json:"question"`
	OwnerActive *bool          `json:"owner_active"`
	Deliveries  []deliverySpec `json:"deliveries"`
}

type actionSpec struct {
	commonSpec
	Model  id     `json:"model"`
	Type   string `json:"type"`
	Public bool   `json:"public"`
}

type documentSpec struct {
	commonSpec
	In        id   `json:"in"`
	Questions []id `json:"questions"`
}

type transformSpec struct {
	commonSpec
	In    id     `json:"in"`
	SQL   string `json:"sql"`
	Table string `json:"target"`
}

type groupSpec struct {
	commonSpec
	Magic   string `json:"magic"`
	Members int    `json:"members"`
}

type personSpec struct {
	commonSpec
	Active *bool `json:"active"`
	Admin  *bool `json:"admin"`
}

func strict(b []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

// Decode reads a snapshot in the compact form.
func Decode(text []byte) (*Case, error) {
	asJSON := []byte("{}")
	if len(bytes.TrimSpace(text)) > 0 {
		var err error
		var value any
		if err = yaml.Unmarshal(text, &value); err == nil {
			asJSON, err = json.Marshal(value)
		}
		if err != nil {
			return nil, fmt.Errorf("read snapshot: %w", err)
		}
	}
	var s spec
	if err := strict(asJSON, &s); err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	b := builder{now: Now()}
	if s.Now != "" {
		at, err := time.Parse(time.RFC3339, s.Now)
		if err != nil {
			return nil, fmt.Errorf("read now: %w", err)
		}
		b.now = at
	}
	return b.build(&s)
}

// builder turns specs into assets; the first mistake stays.
type builder struct {
	now time.Time
	err error
	out *catalog.Snapshot
}

// migrated is the shared default of "used: default".
func (b *builder) migrated() time.Time { return b.now.Add(-200 * 24 * time.Hour) }

func (b *builder) ago(text, otherwise string) time.Time {
	if text == "" {
		text = otherwise
	}
	if text == "unknown" {
		return time.Time{}
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at
	}
	unit := time.Hour
	if strings.HasSuffix(text, "d") {
		unit = 24 * time.Hour
	}
	n, err := strconv.Atoi(strings.TrimRight(text, "dh"))
	if err != nil {
		b.err = fmt.Errorf("%q is no age", text)
	}
	return b.now.Add(-time.Duration(n) * unit)
}

func (b *builder) common(c commonSpec, kind string) catalog.Common {
	if c.Name == "" {
		c.Name = kind + " " + string(c.ID)
	}
	return catalog.Common{
		ID: string(c.ID), EntityID: c.Entity, Name: c.Name, Description: c.Description,
		Archived: c.Archived, CreatorID: string(c.Creator), CreatedAt: b.ago(c.Created, "400d"),
	}
}

func (b *builder) usage(ref catalog.Ref, u usageSpec, created time.Time) {
	if u.Used == "" && u.Views == nil {
		return
	}
	record := catalog.Usage{Views: u.Views, OwnReads: u.OwnReads, Contaminated: u.Contaminated}
	views := int64(25)
	switch u.Used {
	case "":
	case "never":
		views = 0
		record.LastUsedAt = &created
	case "default":
		views = 0
		at := b.migrated()
		record.LastUsedAt = &at
	default:
		at := b.ago(u.Used, "")
		record.LastUsedAt = &at
	}
	if record.Views == nil {
		record.Views = &views
	}
	b.out.Usage[ref] = record
}

func (b *builder) refsOf(list []string) []catalog.Ref {
	var out []catalog.Ref
	for _, text := range list {
		out = append(out, b.ref(text))
	}
	return out
}

func (b *builder) ref(text string) catalog.Ref {
	if text == "" {
		return catalog.Ref{}
	}
	r, ok := ParseRef(text)
	if !ok {
		b.err = fmt.Errorf("%q is no reference", text)
	}
	return r
}

// ParseRef reads kind:id.
func ParseRef(text string) (catalog.Ref, bool) {
	kind, id, ok := strings.Cut(text, ":")
	r := catalog.Ref{Kind: catalog.Kind(kind), ID: id}
	return r, ok && id != "" && slices.Contains(catalog.Kinds(), r.Kind)
}

func (b *builder) build(s *spec) (*Case, error) {
	out := &catalog.Snapshot{
		Instance:  catalog.Instance{URL: "https://metabase.example.com", Version: "v0.58.2", Major: 58, Edition: "oss", Reader: catalog.Reader{Admin: true}},
		StartedAt: b.now.Add(-time.Minute), FinishedAt: b.now,
		Gaps: s.Gaps, Usage: map[catalog.Ref]catalog.Usage{},
	}
	b.out = out
	if s.Version != 0 {
		out.Instance.Major, out.Instance.Version = s.Version, fmt.Sprintf("v0.%d.1", s.Version)
	}
	if s.Admin != nil {
		out.Instance.Reader.Admin = *s.Admin
	}
	if s.LookedUp {
		out.Marks.ReferencesReadAt = b.now
		out.Instance.Reader.PersonID = "1"
	}
	if s.Export {
		out.Instance = catalog.Instance{URL: "export:content"}
	}
	if s.Access != nil {
		out.Access = *s.Access
	}
	b.places(s)
	b.content(s)
	b.around(s)
	out.Sort()
	c := &Case{Snapshot: out, Now: b.now, Params: map[string]string{}, Analysed: s.Analysed}
	for _, name := range slices.Sorted(maps.Keys(s.Params)) {
		c.Params[name] = string(s.Params[name])
	}
	c.Observed.Scans = s.Observed.Scans
	if s.Observed.Since != "" {
		c.Observed.Since = b.ago(s.Observed.Since, "")
	}
	if s.Observed.CountersSince != "" {
		c.Observed.CountersSince = b.ago(s.Observed.CountersSince, "")
	}
	return c, b.err
}

// places adds collections, databases and tables.
func (b *builder) places(s *spec) {
	for _, c := range s.Collections {
		parent := inRoot(c.In)
		b.out.Add(&catalog.Collection{
			Common: b.common(c.commonSpec, "Collection"), ParentID: parent, Type: c.Type, Namespace: c.Namespace,
			Official: c.Official, PersonalOwnerID: string(c.Personal), Sample: c.Sample,
		})
	}
	if len(s.Databases) == 0 {
		s.Databases = []databaseSpec{{commonSpec: commonSpec{ID: "1", Name: "Shop"}}}
	}
	for _, d := range s.Databases {
		engine := d.Engine
		if engine == "" {
			engine = "postgres"
		}
		b.out.Add(&catalog.Database{Common: b.common(d.commonSpec, "Database"), Engine: engine, Sample: d.Sample, Audit: d.Audit})
	}
	if len(s.Tables) == 0 {
		s.Tables = []tableSpec{ordersTable()}
	}
	for _, t := range s.Tables {
		databaseID, schema, name, _, ok := catalog.SplitID(string(t.ID))
		if !ok {
			b.err = fmt.Errorf("%q is no table id", t.ID)
		}
		t.Name = name
		table := &catalog.Table{
			Common: b.common(t.commonSpec, "Table"), MetabaseID: t.Number, DatabaseID: databaseID, Schema: schema,
			Inactive: t.Inactive, ColumnsUnread: t.Unread, RequireFilter: t.MustFilter,
		}
		for _, c := range t.Columns {
			column := &catalog.Column{
				ID: catalog.ColumnID(table.ID, c.Name), MetabaseID: c.Number, Name: c.Name, Inactive: c.Inactive,
				PrimaryKey: c.Key, Nullable: c.Nullable, Indexed: c.Indexed, Partitioned: c.Partitioned,
			}
			if c.Type != "" {
				column.BaseType = "type/" + c.Type
			}
			table.Columns = append(table.Columns, column)
		}
		b.out.Add(table)
	}
}

// ordersTable is the table that exists when a case lists none: number 7, with
// columns id 71, status 72, total 73 and created_at 74.
func ordersTable() tableSpec {
	t := tableSpec{commonSpec: commonSpec{ID: "1/public/orders"}, Number: 7}
	for i, name := range []string{"id", "status", "total", "created_at"} {
		t.Columns = append(t.Columns, columnSpec{Name: name, Number: int64(71 + i)})
	}
	return t
}
