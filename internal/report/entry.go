package report

import (
	"strconv"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// The types below are the JSON document of docs/schema/scan-report.v1.json.

type headEntry struct {
	Connection connectionEntry `json:"connection"`
	StartedAt  time.Time       `json:"started_at"`
	FinishedAt time.Time       `json:"finished_at"`
	Requests   requestsEntry   `json:"requests"`
}

type connectionEntry struct {
	Name            string     `json:"name,omitempty"`
	URL             string     `json:"url"`
	MetabaseVersion string     `json:"metabase_version"`
	Edition         string     `json:"edition"`
	Admin           bool       `json:"admin"`
	Partial         bool       `json:"partial"`
	PartialReasons  []string   `json:"partial_reasons"`
	Gaps            []gapEntry `json:"gaps"`
}

type gapEntry struct {
	What     string       `json:"what"`
	Kind     catalog.Kind `json:"kind,omitempty"`
	Reason   string       `json:"reason"`
	Expected bool         `json:"expected"`
}

type requestsEntry struct {
	Total   int            `json:"total"`
	Bytes   int64          `json:"bytes"`
	ByRoute map[string]int `json:"by_route"`
}

type usageEntry struct {
	Views              *int64     `json:"views"`
	LastUsedAt         *time.Time `json:"last_used_at"`
	Contaminated       bool       `json:"contaminated"`
	AverageQueryMillis *float64   `json:"average_query_ms,omitempty"`
	DashboardCount     *int       `json:"dashboard_count,omitempty"`
}

type assetEntry struct {
	Kind           catalog.Kind `json:"kind"`
	ID             string       `json:"id"`
	EntityID       string       `json:"entity_id,omitempty"`
	Name           string       `json:"name"`
	URL            string       `json:"url"`
	CollectionID   string       `json:"collection_id,omitempty"`
	CollectionPath string       `json:"collection_path"`
	DatabaseID     string       `json:"database_id,omitempty"`
	Archived       bool         `json:"archived"`
	Usage          *usageEntry  `json:"usage,omitempty"`

	Description  string    `json:"description,omitempty"`
	CreatorID    string    `json:"creator_id,omitempty"`
	Creator      string    `json:"creator,omitempty"`
	CreatedAt    time.Time `json:"created_at,omitzero"`
	LastEditorID string    `json:"last_editor_id,omitempty"`
	LastEditedAt time.Time `json:"last_edited_at,omitzero"`
	Verified     bool      `json:"verified,omitempty"`
	Official     bool      `json:"official,omitempty"`
	Public       bool      `json:"public,omitempty"`
	Embedded     bool      `json:"embedded,omitempty"`
	Unreadable   bool      `json:"unreadable,omitempty"`    // known to exist, definition refused
	DetailUnread bool      `json:"detail_unread,omitempty"` // only the head or the name is known

	// questions, models, metrics
	Display          string                `json:"display,omitempty"`
	QueryLanguage    catalog.QueryLanguage `json:"query_language,omitempty"`
	TableID          string                `json:"table_id,omitempty"`
	SourceQuestionID string                `json:"source_question_id,omitempty"`
	DashboardID      string                `json:"dashboard_id,omitempty"`
	DocumentID       string                `json:"document_id,omitempty"`
	QuestionID       string                `json:"question_id,omitempty"`

	// dashboards
	Cards      *int     `json:"cards,omitempty"`
	Tabs       []string `json:"tabs,omitempty"`
	Parameters []string `json:"parameters,omitempty"`

	// collections, databases, tables, columns
	ParentID      string `json:"parent_id,omitempty"`
	Namespace     string `json:"namespace,omitempty"`
	Type          string `json:"type,omitempty"`
	Personal      bool   `json:"personal,omitempty"`
	Engine        string `json:"engine,omitempty"`
	Schema        string `json:"schema,omitempty"`
	Table         string `json:"table,omitempty"`
	DisplayName   string `json:"display_name,omitempty"`
	MetabaseID    int64  `json:"metabase_id,omitempty"`
	Inactive      bool   `json:"inactive,omitempty"`
	Visibility    string `json:"visibility,omitempty"`
	ColumnCount   *int   `json:"column_count,omitempty"`
	BaseType      string `json:"base_type,omitempty"`
	EffectiveType string `json:"effective_type,omitempty"`
	DatabaseType  string `json:"database_type,omitempty"`
	SemanticType  string `json:"semantic_type,omitempty"`
	PrimaryKey    bool   `json:"primary_key,omitempty"`
	FKTargetID    string `json:"fk_target_id,omitempty"`

	// subscriptions, alerts, groups, people
	Recipients         *int  `json:"recipients,omitempty"`
	ExternalRecipients int   `json:"external_recipients,omitempty"`
	Enabled            *bool `json:"enabled,omitempty"`
	Members            *int  `json:"members,omitempty"`
	Active             *bool `json:"active,omitempty"`
}

type columnEdgeEntry struct {
	From       catalog.Ref        `json:"from"`
	To         columnTargetEntry  `json:"to"`
	Via        lineage.Via        `json:"via"`
	Confidence finding.Confidence `json:"confidence"`
}

type columnTargetEntry struct {
	Kind   catalog.Kind `json:"kind"`
	ID     string       `json:"id"`
	Column string       `json:"column,omitempty"`
}

type unresolvedEntry struct {
	Asset  catalog.Ref   `json:"asset"`
	Reason string        `json:"reason"`
	Detail string        `json:"detail"`
	Span   *finding.Span `json:"span,omitempty"`
	Target catalog.Ref   `json:"target,omitzero"`
}

type findingEntry struct {
	Check       string             `json:"check"`
	Fingerprint string             `json:"fingerprint"`
	Severity    finding.Severity   `json:"severity"`
	Confidence  finding.Confidence `json:"confidence"`
	Asset       findingAssetEntry  `json:"asset"`
	Message     string             `json:"message"`
	Evidence    finding.Evidence   `json:"evidence"`
	Remediation string             `json:"remediation"`
	New         *bool              `json:"new,omitempty"`
}

type findingAssetEntry struct {
	Kind catalog.Kind `json:"kind"`
	ID   string       `json:"id"`
	Name string       `json:"name"`
	URL  string       `json:"url"`
}

type statsEntry struct {
	Assets       map[catalog.Kind]int     `json:"assets"`
	Archived     int                      `json:"archived"`
	Findings     map[finding.Severity]int `json:"findings"`
	New          *int                     `json:"new,omitempty"`      // with a baseline
	Resolved     *int                     `json:"resolved,omitempty"` // with a baseline
	NotEvaluated int                      `json:"not_evaluated"`
	Edges        int                      `json:"edges"`
	ColumnEdges  int                      `json:"column_edges"`
	Unresolved   int                      `json:"unresolved"`
	Duplicates   int                      `json:"duplicates"`
	Conflicts    int                      `json:"metric_conflicts"`
}
