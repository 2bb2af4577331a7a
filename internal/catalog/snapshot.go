package catalog

import (
	"iter"
	"slices"
	"time"
)

// Instance is the Metabase a snapshot was taken from.
type Instance struct {
	URL      string `json:"url"`               // site address, or "export:<folder>"
	Version  string `json:"version,omitempty"` // tag as reported, "" when unknown
	Major    int    `json:"major,omitempty"`   // 58 for v0.58.2; 0 when unknown
	Edition  string `json:"edition,omitempty"` // "oss", "enterprise", "" when unknown
	Timezone string `json:"timezone,omitempty"`
	// Features are the switched-on paid features that decide what can be read.
	Features []string `json:"features,omitempty"`
	// Reader says as whom the scan read.
	Reader Reader `json:"reader"`
}

// Reader is the identity a scan had.
type Reader struct {
	PersonID string   `json:"person_id,omitempty"`
	Admin    bool     `json:"admin"`
	GroupIDs []string `json:"group_ids,omitempty"`
}

// Gap is something a scan could not read, or read only in part.
type Gap struct {
	What   string `json:"what"`             // "tables of database 3", "notifications"
	Kind   Kind   `json:"kind,omitempty"`   // the asset kind that is incomplete; empty when it is no kind
	Reason string `json:"reason"`           // what happened, in words for people
	Status int    `json:"status,omitempty"` // HTTP status where one was answered
	// Whole is set when nothing of the kind was read, so that no check on it can be evaluated.
	Whole bool `json:"whole,omitempty"`
	// Expected is set for gaps that are no fault: the server's version or
	// edition has no such thing, or the operator excluded it. They do not make
	// a scan partial.
	Expected bool `json:"expected,omitempty"`
}

// Usage are the facts about an asset that move without an edit.
type Usage struct {
	Views              *int64     `json:"views,omitempty"`            // as Metabase counts, minus our own reads
	OwnReads           int64      `json:"own_reads,omitempty"`        // dashboard reads of ours, already subtracted
	LastUsedAt         *time.Time `json:"last_used_at,omitempty"`     // last execution (question) or last view with data (dashboard)
	UpdatedAt          *time.Time `json:"updated_at,omitempty"`       // row time; moves on metadata refresh too
	AverageQueryMillis *float64   `json:"average_query_ms,omitempty"` // read for the most viewed questions only
	DashboardCount     *int       `json:"dashboard_count,omitempty"`
	Contaminated       bool       `json:"contaminated,omitempty"` // our own query runs touched the evidence
}

// Access is who may see and do what, as the permission graphs state it. Nil
// maps mean "not read".
type Access struct {
	// Collections: group id → collection id → "read" or "write". Absence means none.
	Collections map[string]map[string]string `json:"collections,omitempty"`
	// Data: grants per group and database, optionally narrower.
	Data []DataGrant `json:"data,omitempty"`
	// Memberships: person id → group ids.
	Memberships map[string][]string `json:"memberships,omitempty"`
}

// DataGrant is one entry of the data permission graph. Empty Schema and Table
// mean the whole database; a TableID is natural.
type DataGrant struct {
	GroupID       string `json:"group_id"`
	DatabaseID    string `json:"database_id"`
	Schema        string `json:"schema,omitempty"`
	TableID       string `json:"table_id,omitempty"`
	ViewData      string `json:"view_data,omitempty"`      // unrestricted, blocked, sandboxed, impersonated, legacy-no-self-service
	CreateQueries string `json:"create_queries,omitempty"` // query-builder-and-native, query-builder, no
}

// RequestStats counts what a scan asked of Metabase.
type RequestStats struct {
	Total   int            `json:"total"`
	Bytes   int64          `json:"bytes"`
	ByRoute map[string]int `json:"by_route"` // route pattern → requests, retries included
}

// Snapshot is everything one scan read. It is immutable once built: checks,
// reports and pages share it freely.
type Snapshot struct {
	Instance   Instance
	StartedAt  time.Time
	FinishedAt time.Time
	Gaps       []Gap

	Questions     []*Question // questions, models and metrics
	Dashboards    []*Dashboard
	Collections   []*Collection
	Databases     []*Database
	Tables        []*Table
	Segments      []*Segment
	Measures      []*Measure
	Snippets      []*Snippet
	Subscriptions []*Subscription
	Alerts        []*Alert
	Transforms    []*Transform
	Actions       []*Action
	Documents     []*Document
	Groups        []*Group
	People        []*Person

	Usage    map[Ref]Usage
	Access   Access
	Requests RequestStats

	// Files says from which file of an export folder an asset was read: paths
	// with forward slashes, relative to the folder. Nil for snapshots read over
	// HTTP; not stored.
	Files map[Ref]string
	// Marks say when parts that are not read in every scan were read last.
	Marks Marks
}

// Marks remember when a scan really read what later scans may take over from
// it. They describe the reading, not the Metabase: two scans of one state may
// differ in them.
type Marks struct {
	SchemaReadAt    map[string]time.Time `json:"schema_read_at,omitempty"`     // database id → schema read
	QueryTimeReadAt map[string]time.Time `json:"query_time_read_at,omitempty"` // question id → average query time read
	// ReferencesReadAt is when content and tables that only references name were
	// last asked for.
	ReferencesReadAt time.Time `json:"references_read_at,omitzero"`
}

// Partial reports whether something that exists could not be read, and the
// reasons in order.
func (s *Snapshot) Partial() (bool, []string) {
	var reasons []string
	for _, g := range s.Gaps {
		if !g.Expected {
			reasons = append(reasons, g.What+": "+g.Reason)
		}
	}
	return len(reasons) > 0, reasons
}

// Unread returns the reason why nothing of a kind was read, if so. Checks that
// need the kind answer "not evaluated" with it.
func (s *Snapshot) Unread(kind Kind) (reason string, unread bool) {
	for _, g := range s.Gaps {
		if g.Kind == kind && g.Whole {
			return g.Reason, true
		}
	}
	return "", false
}

// All yields every asset, kind by kind, in stored order. Columns are not
// yielded; they belong to their table.
func (s *Snapshot) All() iter.Seq[Asset] {
	return func(yield func(Asset) bool) {
		_ = each(s.Questions, yield) && each(s.Dashboards, yield) && each(s.Collections, yield) &&
			each(s.Databases, yield) && each(s.Tables, yield) && each(s.Segments, yield) &&
			each(s.Measures, yield) && each(s.Snippets, yield) && each(s.Subscriptions, yield) &&
			each(s.Alerts, yield) && each(s.Transforms, yield) && each(s.Actions, yield) &&
			each(s.Documents, yield) && each(s.Groups, yield) && each(s.People, yield)
	}
}

func each[A Asset](list []A, yield func(Asset) bool) bool {
	for _, a := range list {
		if !yield(a) {
			return false
		}
	}
	return true
}

// Add puts an asset into its list.
func (s *Snapshot) Add(a Asset) {
	switch a := a.(type) {
	case *Question:
		s.Questions = append(s.Questions, a)
	case *Dashboard:
		s.Dashboards = append(s.Dashboards, a)
	case *Collection:
		s.Collections = append(s.Collections, a)
	case *Database:
		s.Databases = append(s.Databases, a)
	case *Table:
		s.Tables = append(s.Tables, a)
	case *Segment:
		s.Segments = append(s.Segments, a)
	case *Measure:
		s.Measures = append(s.Measures, a)
	case *Snippet:
		s.Snippets = append(s.Snippets, a)
	case *Subscription:
		s.Subscriptions = append(s.Subscriptions, a)
	case *Alert:
		s.Alerts = append(s.Alerts, a)
	case *Transform:
		s.Transforms = append(s.Transforms, a)
	case *Action:
		s.Actions = append(s.Actions, a)
	case *Document:
		s.Documents = append(s.Documents, a)
	case *Group:
		s.Groups = append(s.Groups, a)
	case *Person:
		s.People = append(s.People, a)
	}
}

// Sort orders every list by id, so that two scans of one state are equal. Parts
// of an asset (columns, dashcards) keep their own order.
func (s *Snapshot) Sort() {
	sortAssets(s.Questions)
	sortAssets(s.Dashboards)
	sortAssets(s.Collections)
	sortAssets(s.Databases)
	sortAssets(s.Tables)
	sortAssets(s.Segments)
	sortAssets(s.Measures)
	sortAssets(s.Snippets)
	sortAssets(s.Subscriptions)
	sortAssets(s.Alerts)
	sortAssets(s.Transforms)
	sortAssets(s.Actions)
	sortAssets(s.Documents)
	sortAssets(s.Groups)
	sortAssets(s.People)
}

func sortAssets[A Asset](list []A) {
	slices.SortStableFunc(list, func(a, b A) int { return CompareID(a.Ref().ID, b.Ref().ID) })
}
