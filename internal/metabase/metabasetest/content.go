package metabasetest

import (
	"encoding/json"
	"time"
)

// The types of cards.
const (
	CardQuestion = "question"
	CardModel    = "model"
	CardMetric   = "metric"
)

// Card is a question, model or metric.
type Card struct {
	ID               int
	EntityID         string
	Name             string
	Description      string
	Type             string
	Display          string
	Query            *Query // nil renders as {}
	CollectionID     int
	DashboardID      int // a dashboard question (0.53 and later)
	DocumentID       int
	Position         int // pinned when not zero
	Archived         bool
	ArchivedDirectly bool
	CreatorID        int
	EditorID         int
	CreatedAt        time.Time
	UpdatedAt        time.Time
	EditedAt         time.Time // zero: never edited, no last-edit-info
	SavedIn          string    // version that saved it, "0.50" if empty; decides whether MBQL 5 is converted on the fly
	Parameters       []Parameter
	Mappings         []Mapping
	Results          []ResultColumn
	ResultsUnknown   bool            // result_metadata is null, as before a first run
	Settings         json.RawMessage // visualization_settings; {} when empty
	CacheTTL         int
	PublicUUID       string
	MadePublicBy     int
	Embedded         bool
	EmbeddingParams  map[string]string
	Verified         bool
	Persisted        bool
	ViewCount        int64
	LastUsedAt       time.Time // zero: the time of the upgrade
	AverageQueryTime float64   // milliseconds; 0 renders as null
	LastQueryStart   time.Time
	LegacyMetricID   int // the old metric that a metric card came from
}

// ResultColumn is a column a card answers with.
type ResultColumn struct {
	Name         string
	DisplayName  string
	Description  string
	BaseType     string
	SemanticType string
	FieldID      int
}

// Parameter is a filter widget. Values and defaults that a reader must drop are
// planted on rendering.
type Parameter struct {
	ID           string
	Name         string
	Slug         string
	Type         string
	Required     bool
	HasDefault   bool
	LinkedTo     []string
	SourceCardID int      // values come from a card
	ValueField   string   // name of that card's value column
	StaticValues []string // values come from a list
	Tag          string   // target of a native card's parameter: the tag's name
	TagIsField   bool     // that tag is a field filter
}

// Mapping connects a dashboard filter with a tile.
type Mapping struct {
	ParameterID string
	CardID      int
	Target      Target
}

// Target is what a mapping filters. Exactly one of the fields decides.
type Target struct {
	Field    Expr   // a column: ["dimension", ref]
	Tag      string // ["dimension", ["template-tag", …]]
	Variable string // ["variable", ["template-tag", …]]
	TextTag  string // ["text-tag", …]
	Legacy   bool   // write the column in the form of old rows: ["field-id", n]
}

// Tab is a dashboard tab.
type Tab struct {
	ID       int
	EntityID string
	Name     string
}

// Dashboard is a dashboard.
type Dashboard struct {
	ID               int
	EntityID         string
	Name             string
	Description      string
	CollectionID     int
	Position         int
	Archived         bool
	ArchivedDirectly bool
	CreatorID        int
	EditorID         int
	CreatedAt        time.Time
	UpdatedAt        time.Time
	EditedAt         time.Time
	Parameters       []Parameter
	Tabs             []*Tab
	Cards            []*Dashcard
	FullWidth        bool
	ManualApply      bool // auto_apply_filters is false
	CacheTTL         int
	PublicUUID       string
	MadePublicBy     int
	Embedded         bool
	EmbeddingParams  map[string]string
	Verified         bool
	ViewCount        int64
	LastViewedAt     time.Time
}

// Dashcard is a tile of a dashboard.
type Dashcard struct {
	ID        int
	EntityID  string
	CardID    int
	Series    []int
	ActionID  int
	Tab       *Tab
	Row, Col  int
	Width     int
	Height    int
	Mappings  []Mapping
	Inline    []string         // parameter ids shown on the tile (0.56 and later)
	Virtual   string           // text, heading, link, iframe, action, placeholder
	Text      string           // of text and heading tiles, URL of iframes and plain links
	LinkModel string           // card, dataset, dashboard, collection, table, database
	LinkID    int              // what a link tile points at
	Click     *Click           // behaviour of the whole tile
	ColClicks map[string]Click // behaviour per column name
	Settings  json.RawMessage  // further visualization_settings
	CreatedAt time.Time
}

// Click is a click behaviour.
type Click struct {
	To  string // question, dashboard, url, crossfilter
	ID  int    // target of question and dashboard
	URL string
}
