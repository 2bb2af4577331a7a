package catalog

import (
	"encoding/json"
	"time"
)

// Asset is anything a snapshot lists. The concrete types below implement it;
// columns, dashcards and tabs are parts of their table and dashboard.
//
// The JSON form of an asset is its definition: what an edit changes and what is
// stored as a version. Facts that move without an edit (views, last use, the
// time of the last metadata refresh) live in [Usage], never here.
type Asset interface {
	Ref() Ref
	Title() string
	Entity() string       // Metabase's entity id, stable across instances; may be empty
	InCollection() string // collection id; empty where the kind has none
	IsArchived() bool
}

// Common is what most assets share.
type Common struct {
	ID          string    `json:"id"`
	EntityID    string    `json:"entity_id,omitempty"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Archived    bool      `json:"archived,omitempty"`
	CreatorID   string    `json:"creator_id,omitempty"` // person id
	CreatedAt   time.Time `json:"created_at,omitzero"`
}

// Title returns the name.
func (c *Common) Title() string { return c.Name }

// Entity returns the entity id.
func (c *Common) Entity() string { return c.EntityID }

// InCollection returns nothing; kinds that live in collections override it.
func (c *Common) InCollection() string { return "" }

// IsArchived reports whether the asset is in the trash.
func (c *Common) IsArchived() bool { return c.Archived }

// Edited says who changed a definition last, as its newest revision states.
type Edited struct {
	LastEditorID string    `json:"last_editor_id,omitempty"`
	LastEditedAt time.Time `json:"last_edited_at,omitzero"`
}

// Exposure says how content leaves Metabase's own login.
type Exposure struct {
	Public   bool `json:"public,omitempty"`   // a public link exists; the link itself is never kept
	Embedded bool `json:"embedded,omitempty"` // static embedding is switched on
}

// Collection is a folder of content.
type Collection struct {
	Common
	ParentID        string `json:"parent_id,omitempty"` // "root" for top-level, empty for the root itself
	Slug            string `json:"slug,omitempty"`
	Namespace       string `json:"namespace,omitempty"` // empty for questions and dashboards; "snippets", "transforms", …
	Type            string `json:"type,omitempty"`      // "trash", "instance-analytics", "library", …
	Official        bool   `json:"official,omitempty"`
	PersonalOwnerID string `json:"personal_owner_id,omitempty"` // set on a personal collection and all below it
	Sample          bool   `json:"sample,omitempty"`
	RemoteSynced    bool   `json:"remote_synced,omitempty"`
}

// Ref implements [Asset].
func (c *Collection) Ref() Ref { return Ref{KindCollection, c.ID} }

// Nameless returns the row that stands for a personal collection which is left
// out: that it exists is no secret, whose it is and what is in it are.
func (c *Collection) Nameless() *Collection {
	return &Collection{
		Common: Common{ID: c.ID, EntityID: c.EntityID, Name: "Personal collection"}, ParentID: RootCollectionID, PersonalOwnerID: c.PersonalOwnerID,
	}
}

// InCollection returns the parent.
func (c *Collection) InCollection() string { return c.ParentID }

// Database is a data source known to Metabase. Connection details are never read.
type Database struct {
	Common
	Engine     string   `json:"engine"`
	Timezone   string   `json:"timezone,omitempty"`
	Features   []string `json:"features,omitempty"`
	Sample     bool     `json:"sample,omitempty"`
	Audit      bool     `json:"audit,omitempty"` // Metabase's own usage database
	SyncStatus string   `json:"sync_status,omitempty"`
	CacheTTL   *int     `json:"cache_ttl_hours,omitempty"`
}

// Ref implements [Asset].
func (d *Database) Ref() Ref { return Ref{KindDatabase, d.ID} }

// Table is a table or view as Metabase's sync saw it. ID is natural ([TableID]);
// MetabaseID is the number that queries use.
type Table struct {
	Common
	MetabaseID    int64     `json:"metabase_id,omitempty"`
	DatabaseID    string    `json:"database_id"`
	Schema        string    `json:"schema,omitempty"`
	DisplayName   string    `json:"display_name,omitempty"`
	Inactive      bool      `json:"inactive,omitempty"`   // dropped from the database since
	Visibility    string    `json:"visibility,omitempty"` // "", hidden, technical, cruft
	EntityType    string    `json:"entity_type,omitempty"`
	Upload        bool      `json:"upload,omitempty"`
	RequireFilter bool      `json:"require_filter,omitempty"`
	DataAuthority string    `json:"data_authority,omitempty"`
	OwnerID       string    `json:"owner_id,omitempty"`
	TransformID   string    `json:"transform_id,omitempty"`
	Columns       []*Column `json:"columns,omitempty"`
	ColumnsUnread bool      `json:"columns_unread,omitempty"` // the columns could not be read; empty Columns says nothing
}

// Ref implements [Asset].
func (t *Table) Ref() Ref { return Ref{KindTable, t.ID} }

// FullName is the table's name with its schema, where it has one.
func (t *Table) FullName() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Column is a field of a table. ID is natural ([ColumnID]).
type Column struct {
	ID            string   `json:"id"`
	MetabaseID    int64    `json:"metabase_id,omitempty"`
	Name          string   `json:"name"`
	DisplayName   string   `json:"display_name,omitempty"`
	Description   string   `json:"description,omitempty"`
	BaseType      string   `json:"base_type,omitempty"`
	EffectiveType string   `json:"effective_type,omitempty"`
	DatabaseType  string   `json:"database_type,omitempty"`
	SemanticType  string   `json:"semantic_type,omitempty"`
	Coercion      string   `json:"coercion,omitempty"`
	FKTargetID    string   `json:"fk_target_id,omitempty"` // natural column id
	ParentID      string   `json:"parent_id,omitempty"`    // natural column id of the enclosing document field
	Path          []string `json:"path,omitempty"`         // JSON-unfolded columns
	Inactive      bool     `json:"inactive,omitempty"`
	Visibility    string   `json:"visibility,omitempty"` // normal, details-only, hidden, sensitive, retired
	Position      int      `json:"position,omitempty"`
	PrimaryKey    bool     `json:"primary_key,omitempty"`
	Required      bool     `json:"required,omitempty"`
	Nullable      *bool    `json:"nullable,omitempty"`
	Indexed       *bool    `json:"indexed,omitempty"`
	Partitioned   *bool    `json:"partitioned,omitempty"`
	Sensitivity   string   `json:"sensitivity,omitempty"` // Metabase's own class, from 0.64
}

// Ref points at the column.
func (c *Column) Ref() Ref { return Ref{KindColumn, c.ID} }

// QueryLanguage tells how a query is written.
type QueryLanguage string

// The languages a question can be written in.
const (
	LanguageNone  QueryLanguage = ""      // no query: the row is broken or was not readable
	LanguageSQL   QueryLanguage = "sql"   // native SQL with Metabase's template tags
	LanguageOther QueryLanguage = "other" // native but not SQL (MongoDB, Druid JSON)
	LanguageMBQL  QueryLanguage = "mbql"  // Metabase's own query language, legacy or 5
)

// Query is a question's definition after cleaning: literals that people wrote
// into SQL and filters are kept, everything that API reference §5.1 lists
// (default values, fingerprints, cached values, source metadata) is gone.
type Query struct {
	Language   QueryLanguage   `json:"language,omitempty"`
	DatabaseID string          `json:"database_id,omitempty"`
	SQL        string          `json:"sql,omitempty"`     // native text, template tags included
	Tags       []TemplateTag   `json:"tags,omitempty"`    // declared tags, sorted by name
	MBQL       json.RawMessage `json:"mbql,omitempty"`    // cleaned dataset_query in the dialect it came in; also for a native first stage with stages above it
	Dialect    string          `json:"dialect,omitempty"` // "mbql4" or "mbql5", of MBQL
	Masked     bool            `json:"masked,omitempty"`  // literals were replaced by keyed hashes on reading
}

// TemplateTag is a declared tag of a native query (API reference §7.5).
type TemplateTag struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"` // text, number, date, boolean, dimension, temporal-unit, card, snippet, table
	Display    string          `json:"display,omitempty"`
	Required   bool            `json:"required,omitempty"`
	WidgetType string          `json:"widget_type,omitempty"`
	Dimension  json.RawMessage `json:"dimension,omitempty"` // field reference in either argument order
	Alias      string          `json:"alias,omitempty"`
	QuestionID string          `json:"question_id,omitempty"`
	SnippetID  string          `json:"snippet_id,omitempty"`
	Snippet    string          `json:"snippet,omitempty"`
	TableRef   json.RawMessage `json:"table_ref,omitempty"` // number, or portable [db, schema, table]
}

// Parameter is a filter widget of a dashboard or question (API reference §7.6),
// without default and static values.
type Parameter struct {
	ID               string          `json:"id"`
	Name             string          `json:"name"`
	Slug             string          `json:"slug,omitempty"`
	Type             string          `json:"type"`
	Required         bool            `json:"required,omitempty"`
	LinkedTo         []string        `json:"linked_to,omitempty"`   // parameter ids that narrow this one
	SourceType       string          `json:"source_type,omitempty"` // "", card, static-list
	SourceQuestionID string          `json:"source_question_id,omitempty"`
	SourceValueField json.RawMessage `json:"source_value_field,omitempty"`
	SourceLabelField json.RawMessage `json:"source_label_field,omitempty"`
	Target           json.RawMessage `json:"target,omitempty"`
}

// ParameterMapping connects a dashboard filter to a question's column or tag.
type ParameterMapping struct {
	ParameterID string          `json:"parameter_id"`
	QuestionID  string          `json:"question_id,omitempty"`
	Target      json.RawMessage `json:"target,omitempty"`
}

// ResultColumn is one column a question answers with, as last computed by
// Metabase; it may be stale.
type ResultColumn struct {
	Name         string          `json:"name"`
	DisplayName  string          `json:"display_name,omitempty"`
	Description  string          `json:"description,omitempty"`
	BaseType     string          `json:"base_type,omitempty"`
	SemanticType string          `json:"semantic_type,omitempty"`
	ColumnID     string          `json:"column_id,omitempty"` // natural column id where it maps to one
	FieldRef     json.RawMessage `json:"field_ref,omitempty"`
}

// Question is a question, model or metric (Type tells which).
type Question struct {
	Common
	Edited
	Exposure
	Type             Kind               `json:"type"`
	Display          string             `json:"display,omitempty"`
	DatabaseID       string             `json:"database_id,omitempty"`
	TableID          string             `json:"table_id,omitempty"` // natural id of the primary table
	SourceQuestionID string             `json:"source_question_id,omitempty"`
	CollectionID     string             `json:"collection_id"`
	DashboardID      string             `json:"dashboard_id,omitempty"` // a question that lives inside a dashboard (0.53 and later)
	DocumentID       string             `json:"document_id,omitempty"`
	Pinned           bool               `json:"pinned,omitempty"`
	Verified         bool               `json:"verified,omitempty"`
	Persisted        bool               `json:"persisted,omitempty"`
	CacheTTL         *int               `json:"cache_ttl_hours,omitempty"`
	Query            Query              `json:"query"`
	Parameters       []Parameter        `json:"parameters,omitempty"`
	Mappings         []ParameterMapping `json:"mappings,omitempty"`
	ResultColumns    []ResultColumn     `json:"result_columns,omitempty"`
	Visualization    json.RawMessage    `json:"visualization,omitempty"` // allow-listed keys only
	ClickTargets     []Ref              `json:"click_targets,omitempty"`
	Unreadable       bool               `json:"unreadable,omitempty"` // known to exist, its definition was refused or missing
}

// Ref implements [Asset].
func (q *Question) Ref() Ref {
	if q.Type == "" {
		return Ref{KindQuestion, q.ID}
	}
	return Ref{q.Type, q.ID}
}

// InCollection returns the collection.
func (q *Question) InCollection() string { return q.CollectionID }

// Dashboard is a dashboard with its cards, tabs and filters.
type Dashboard struct {
	Common
	Edited
	Exposure
	CollectionID string      `json:"collection_id"`
	Pinned       bool        `json:"pinned,omitempty"`
	Verified     bool        `json:"verified,omitempty"`
	CacheTTL     *int        `json:"cache_ttl_hours,omitempty"`
	Width        string      `json:"width,omitempty"`
	AutoApply    *bool       `json:"auto_apply_filters,omitempty"`
	Parameters   []Parameter `json:"parameters,omitempty"`
	Tabs         []Tab       `json:"tabs,omitempty"`
	Cards        []Dashcard  `json:"cards,omitempty"`
	DetailUnread bool        `json:"detail_unread,omitempty"` // only the head is known; empty Cards says nothing
}

// Ref implements [Asset].
func (d *Dashboard) Ref() Ref { return Ref{KindDashboard, d.ID} }

// InCollection returns the collection.
func (d *Dashboard) InCollection() string { return d.CollectionID }

// Tab is a dashboard tab.
type Tab struct {
	ID       string `json:"id"`
	EntityID string `json:"entity_id,omitempty"`
	Name     string `json:"name"`
	Position int    `json:"position"`
}

// Dashcard is one tile of a dashboard.
type Dashcard struct {
	ID               string             `json:"id"`
	EntityID         string             `json:"entity_id,omitempty"`
	QuestionID       string             `json:"question_id,omitempty"` // empty for text, headings, links, …
	SeriesIDs        []string           `json:"series_ids,omitempty"`  // further questions on the same chart
	ActionID         string             `json:"action_id,omitempty"`
	TabID            string             `json:"tab_id,omitempty"`
	Row              int                `json:"row"`
	Col              int                `json:"col"`
	Width            int                `json:"width"`
	Height           int                `json:"height"`
	Virtual          string             `json:"virtual,omitempty"` // text, heading, link, iframe, action, placeholder
	Mappings         []ParameterMapping `json:"mappings,omitempty"`
	InlineParameters []string           `json:"inline_parameters,omitempty"`
	ClickTargets     []Ref              `json:"click_targets,omitempty"`
	LinkTarget       Ref                `json:"link_target,omitzero"`
	QuestionRefused  bool               `json:"question_refused,omitempty"` // the key may not read the question on this tile
}

// Segment is a saved filter on a table.
type Segment struct {
	Common
	TableID    string          `json:"table_id,omitempty"`
	Definition json.RawMessage `json:"definition,omitempty"`
}

// Ref implements [Asset].
func (s *Segment) Ref() Ref { return Ref{KindSegment, s.ID} }

// Measure is a saved aggregation on a table (0.59 and later), or a legacy
// metric of servers before 0.50 (Legacy is set then).
type Measure struct {
	Common
	TableID    string          `json:"table_id,omitempty"`
	Definition json.RawMessage `json:"definition,omitempty"`
	Legacy     bool            `json:"legacy,omitempty"`
}

// Ref implements [Asset].
func (m *Measure) Ref() Ref { return Ref{KindMeasure, m.ID} }

// Snippet is a named piece of SQL.
type Snippet struct {
	Common
	CollectionID string        `json:"collection_id,omitempty"` // in namespace "snippets"
	SQL          string        `json:"sql"`
	Tags         []TemplateTag `json:"tags,omitempty"`
	Masked       bool          `json:"masked,omitempty"`
}

// Ref implements [Asset].
func (s *Snippet) Ref() Ref { return Ref{KindSnippet, s.ID} }

// InCollection returns the snippet folder.
func (s *Snippet) InCollection() string { return s.CollectionID }

// Delivery is how a subscription or alert goes out, without addresses.
type Delivery struct {
	Channel            string `json:"channel"` // email, slack, http
	Enabled            bool   `json:"enabled"`
	Schedule           string `json:"schedule,omitempty"`  // "daily 08:00", or a cron text
	Recipients         int    `json:"recipients"`          // number only
	ExternalRecipients int    `json:"external_recipients"` // addresses that belong to no person of this Metabase
}

// Subscription sends a dashboard on a schedule (API word: pulse).
type Subscription struct {
	Common
	DashboardID  string     `json:"dashboard_id,omitempty"`
	CollectionID string     `json:"collection_id,omitempty"`
	QuestionIDs  []string   `json:"question_ids,omitempty"`
	SkipIfEmpty  bool       `json:"skip_if_empty,omitempty"`
	OwnerActive  *bool      `json:"owner_active,omitempty"`
	Deliveries   []Delivery `json:"deliveries,omitempty"`
}

// Ref implements [Asset].
func (s *Subscription) Ref() Ref { return Ref{KindSubscription, s.ID} }

// Alert watches one question.
type Alert struct {
	Common
	QuestionID  string     `json:"question_id,omitempty"`
	Condition   string     `json:"condition,omitempty"` // has_result, goal_above, goal_below
	SendOnce    bool       `json:"send_once,omitempty"`
	OwnerActive *bool      `json:"owner_active,omitempty"`
	Deliveries  []Delivery `json:"deliveries,omitempty"`
}

// Ref implements [Asset].
func (a *Alert) Ref() Ref { return Ref{KindAlert, a.ID} }

// Transform writes a query's result to a table (0.58 and later).
type Transform struct {
	Common
	CollectionID   string          `json:"collection_id,omitempty"`
	SourceType     string          `json:"source_type,omitempty"` // query, python
	Query          Query           `json:"query,omitzero"`
	SourceTables   json.RawMessage `json:"source_tables,omitempty"`
	TargetDatabase string          `json:"target_database,omitempty"`
	TargetSchema   string          `json:"target_schema,omitempty"`
	TargetTable    string          `json:"target_table,omitempty"`
}

// Ref implements [Asset].
func (t *Transform) Ref() Ref { return Ref{KindTransform, t.ID} }

// InCollection returns the collection.
func (t *Transform) InCollection() string { return t.CollectionID }

// Action is a write button on a model. Only its identity is read.
type Action struct {
	Common
	ModelID    string `json:"model_id,omitempty"`
	Type       string `json:"type,omitempty"` // query, implicit, http
	DatabaseID string `json:"database_id,omitempty"`
	Public     bool   `json:"public,omitempty"`
	SQL        string `json:"sql,omitempty"`
}

// Ref implements [Asset].
func (a *Action) Ref() Ref { return Ref{KindAction, a.ID} }

// Document is a written report with embedded questions. Its prose is not read.
type Document struct {
	Common
	CollectionID string   `json:"collection_id,omitempty"`
	QuestionIDs  []string `json:"question_ids,omitempty"` // only from exports; over HTTP a read would count as a view
	Links        []Ref    `json:"links,omitempty"`
}

// Ref implements [Asset].
func (d *Document) Ref() Ref { return Ref{KindDocument, d.ID} }

// InCollection returns the collection.
func (d *Document) InCollection() string { return d.CollectionID }

// Group is a permission group.
type Group struct {
	Common
	Magic   string `json:"magic,omitempty"` // admin, all-internal-users, …
	Members int    `json:"members"`
}

// Ref implements [Asset].
func (g *Group) Ref() Ref { return Ref{KindGroup, g.ID} }

// Person is somebody who created, edited or owns content. Name is a display
// name; no address, login time or attribute is kept.
type Person struct {
	Common
	Active *bool `json:"active,omitempty"` // nil where the key may not see it
	Admin  *bool `json:"admin,omitempty"`
}

// Ref implements [Asset].
func (p *Person) Ref() Ref { return Ref{KindPerson, p.ID} }
