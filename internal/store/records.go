// Package store keeps what MetaLens knows: organizations, connections, scans,
// snapshots, findings, the egress ledger. One record layer over database/sql
// serves SQLite and PostgreSQL; the only way to a tenant's rows is
// [Store.InOrg].
package store

import (
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/ledger"
)

// Ids are UUIDv7 texts.
type (
	// OrgID names an organization.
	OrgID string
	// UserID names a user.
	UserID string
	// ConnectionID names a connection.
	ConnectionID string
	// ScanID names a scan.
	ScanID string
)

// Organization is a tenant.
type Organization struct {
	ID        OrgID
	Name      string
	CreatedAt time.Time
}

// Role is what a member may do in an organization.
type Role = access.Role

// The roles, descending.
const (
	RoleOwner  = access.Owner
	RoleAdmin  = access.Admin
	RoleEditor = access.Editor
	RoleViewer = access.Viewer
)

// User is a person who can log in.
type User struct {
	ID           UserID
	Email        string // lower case
	Name         string
	PasswordHash string // argon2id PHC text
	CreatedAt    time.Time
	LastLoginAt  time.Time
}

// Membership ties a user to an organization.
type Membership struct {
	OrgID  OrgID
	UserID UserID
	Role   Role
}

// AuthKind is how a connection authenticates to Metabase.
type AuthKind string

// The ways to authenticate.
const (
	AuthAPIKey  AuthKind = "api_key" // from 0.49
	AuthSession AuthKind = "session" // a pasted session id, for older servers
)

// Connection is a Metabase that an organization reads.
type Connection struct {
	ID        ConnectionID
	Name      string
	URL       string
	Auth      AuthKind
	Options   ConnectionOptions
	Schedule  string    // "", "daily 03:00", "weekly mon 03:00", or five-field cron; times in UTC
	NextRunAt time.Time // zero when not scheduled
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ConnectionOptions shape how a connection is read. The zero value is the safe
// default.
type ConnectionOptions struct {
	ExcludedCollections []string          `json:"excluded_collections,omitempty"` // ids; everything below is left out too
	IncludePersonal     bool              `json:"include_personal,omitempty"`
	NoDashboardDetail   bool              `json:"no_dashboard_detail,omitempty"`
	Concurrency         int               `json:"concurrency,omitempty"` // 0 = 3
	QuietHours          string            `json:"quiet_hours,omitempty"` // "08:00-18:00" UTC: scheduled scans wait until they end
	MaskLiterals        bool              `json:"mask_literals,omitempty"`
	AllowPlainHTTP      bool              `json:"allow_plain_http,omitempty"` // accepted exception, audited
	MinTLS12            bool              `json:"min_tls_12,omitempty"`       // accepted exception, audited
	CACertificates      string            `json:"ca_certificates,omitempty"`  // PEM
	ProxyURL            string            `json:"proxy_url,omitempty"`
	Headers             map[string]string `json:"headers,omitempty"`          // extra request headers, for access proxies; values are stored encrypted
	CheckParameters     map[string]string `json:"check_parameters,omitempty"` // "USE002.days" → "180"
	EnabledChecks       []string          `json:"enabled_checks,omitempty"`   // beyond the defaults
	DisabledChecks      []string          `json:"disabled_checks,omitempty"`
}

// ScanState is where a scan stands.
type ScanState string

// The states of a scan.
const (
	ScanQueued    ScanState = "queued"
	ScanRunning   ScanState = "running"
	ScanSucceeded ScanState = "succeeded"
	ScanFailed    ScanState = "failed"
	ScanCancelled ScanState = "cancelled"
)

// Scan is one read of a connection. Seq counts the succeeded scans of a
// connection from 1; it is 0 until a scan succeeds.
type Scan struct {
	ID              ScanID
	ConnectionID    ConnectionID
	Seq             int64
	State           ScanState
	Trigger         string // "manual", "schedule", "cli"
	RequestedBy     UserID // empty for schedule and CLI
	QueuedAt        time.Time
	StartedAt       time.Time
	FinishedAt      time.Time
	HeartbeatAt     time.Time
	CancelRequested bool
	Progress        ScanProgress
	ErrorCode       string
	ErrorText       string // public text and hint
	Summary         ScanSummary
}

// ScanProgress is what a running scan shows.
type ScanProgress struct {
	Steps      []StepProgress `json:"steps,omitempty"`
	ETASeconds int            `json:"eta_seconds,omitempty"` // rough rest of the whole scan; 0 = not known
	Requests   int            `json:"requests,omitempty"`    // asked of Metabase so far
	Bytes      int64          `json:"bytes,omitempty"`       // received so far
	Resumed    bool           `json:"resumed,omitempty"`     // continues a scan that was interrupted
}

// StepProgress is one step of a scan.
type StepProgress struct {
	Name  string `json:"name"`  // stable code: cards, dashboards, …
	Title string `json:"title"` // for people: "Questions, models and metrics"
	State string `json:"state"` // waiting, running, done, skipped, partial, failed
	Done  int    `json:"done"`
	Total int    `json:"total,omitempty"` // 0 = not known
	Note  string `json:"note,omitempty"`
	// ETASeconds is the rest of the step at its present rate; 0 = not known.
	ETASeconds int `json:"eta_seconds,omitempty"`
}

// ScanSummary are the facts of a finished scan that lists show without loading
// the snapshot.
type ScanSummary struct {
	Instance       catalog.Instance     `json:"instance"`
	Counts         map[catalog.Kind]int `json:"counts,omitempty"`
	Partial        bool                 `json:"partial,omitempty"`
	PartialReasons []string             `json:"partial_reasons,omitempty"`
	Gaps           []catalog.Gap        `json:"gaps,omitempty"`
	Requests       catalog.RequestStats `json:"requests"`
	Health         finding.Health       `json:"health"`
	Findings       map[string]int       `json:"findings,omitempty"` // severity → open findings
	NotEvaluated   int                  `json:"not_evaluated,omitempty"`
	Changes        ChangeCounts         `json:"changes"`
	Marks          catalog.Marks        `json:"marks,omitzero"` // what the next scan may take over, see [catalog.Marks]
}

// ChangeCounts says what moved since the scan before.
type ChangeCounts struct {
	Added            int  `json:"added"`
	Changed          int  `json:"changed"`
	Removed          int  `json:"removed"`
	NewFindings      int  `json:"new_findings"`
	ResolvedFindings int  `json:"resolved_findings"`
	First            bool `json:"first,omitempty"` // there was no scan before
}

// Change is one asset that moved between two succeeded scans.
type Change struct {
	Asset catalog.Ref
	Name  string
	What  string // "added", "changed", "removed"
}

// FindingState is where a finding stands.
type FindingState string

// The states of a finding.
const (
	FindingOpen     FindingState = "open"
	FindingIgnored  FindingState = "ignored"
	FindingResolved FindingState = "resolved"
)

// FindingRecord is a finding with its life. One record per connection and
// fingerprint.
type FindingRecord struct {
	finding.Finding
	ConnectionID  ConnectionID
	AssetName     string
	AssetPath     string // collection path
	State         FindingState
	Assignee      UserID
	FirstSeenAt   time.Time
	LastSeenAt    time.Time
	ResolvedAt    time.Time
	Reopened      int
	IgnoredBy     UserID
	IgnoredReason string
	IgnoredUntil  time.Time // zero = no expiry
	Views         *int64    // usage of the asset at the last scan
}

// FindingEvent is one step in a finding's life.
type FindingEvent struct {
	At          time.Time
	Fingerprint string
	What        string // opened, resolved, reopened, ignored, unignored, assigned
	By          UserID // empty for the scan itself
	Detail      string
}

// LedgerRow is a ledger entry as stored.
type LedgerRow struct {
	ledger.Entry
	ConnectionID ConnectionID
	ScanID       ScanID
	Count        int // batched exchanges of the same route and status

	ID         string             // set on writing
	Seq        int64              // place in the chain, set on writing; 0 = from before there was one
	PayloadRef *ledger.PayloadRef // what is known of the payload; nil without one
}

// SearchHit is one result of a full-text search.
type SearchHit struct {
	Asset   catalog.Ref
	Name    string
	Path    string
	Snippet string // matching text with the match between \x02 and \x03
	InSQL   bool   // matched inside SQL identifiers
	Views   *int64
	Score   float64
}
