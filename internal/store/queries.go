package store

import (
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/ledger"
)

// AssetVersion is one definition that an asset had, with the scans it spans.
type AssetVersion struct {
	FromSeq int64     // first scan that saw it
	ToSeq   int64     // first scan that no longer saw it; 0 = still current
	Since   time.Time // when the first kept scan that saw it finished
	Until   time.Time // when the first scan that no longer saw it finished; zero = still current
	Asset   catalog.Asset
}

// UsagePoint is the usage of one asset at one scan.
type UsagePoint struct {
	ScanID ScanID
	Seq    int64
	At     time.Time
	Usage  catalog.Usage
}

// HealthPoint is the health at one scan.
type HealthPoint struct {
	ScanID ScanID
	Seq    int64
	At     time.Time
	Health finding.Health
}

// FindingSort orders a list of findings.
type FindingSort string

// The orders of findings; every one falls back to the fingerprint.
const (
	SortImpact    FindingSort = ""           // severity, then confidence, then views, all descending
	SortCheck     FindingSort = "check"      // check id ascending
	SortAsset     FindingSort = "asset"      // asset name ascending
	SortFirstSeen FindingSort = "first_seen" // newest first
	SortLastSeen  FindingSort = "last_seen"  // newest first
	SortViews     FindingSort = "views"      // most viewed first
)

// FindingQuery selects findings of one connection. Empty parts select all;
// several values in one part are alternatives.
type FindingQuery struct {
	Connection  ConnectionID
	States      []FindingState
	Checks      []string
	NotChecks   []string // all but these
	Families    []string // first letters of the check id: USE, BRK, …
	Severities  []finding.Severity
	Confidences []finding.Confidence
	Kinds       []catalog.Kind
	Asset       catalog.Ref
	Collection  string // collection id; everything below it included
	Assignee    UserID
	Since       time.Time // first seen at or after
	Text        string    // in message, asset name and path, any case
	// Visible picks the findings that the reader may know of; nil = all. It may
	// write over texts of the record that are not for the reader.
	Visible func(*FindingRecord) bool
	// Judged tells by its fingerprint what Visible said of a finding before, so
	// that the finding need not be opened for that again; nil = nothing is known.
	Judged func(fingerprint string) (visible, known bool)
	Sort   FindingSort
	Limit  int // 0 = 50
	Offset int
}

// FindingGroupBy is what findings are grouped by.
type FindingGroupBy string

// The groupings of findings.
const (
	GroupByCheck      FindingGroupBy = "check"
	GroupByFamily     FindingGroupBy = "family"
	GroupBySeverity   FindingGroupBy = "severity"
	GroupByAsset      FindingGroupBy = "asset"
	GroupByCollection FindingGroupBy = "collection" // by the asset's collection path
	GroupByState      FindingGroupBy = "state"
)

// FindingGroup is a number of findings that share a key.
type FindingGroup struct {
	Key        string // check id, family, severity, kind:id, collection path, state
	Name       string // asset name where the key is an asset, else the key
	Count      int
	Worst      finding.Severity
	BySeverity map[finding.Severity]int
}

// SearchDoc is what search knows of one asset. Identifiers are the names inside
// its SQL (tables, columns, aliases); literals must never be among them.
type SearchDoc struct {
	Asset       catalog.Ref
	Name        string
	Path        string // collection path, or database and schema
	Description string
	Identifiers []string
	Views       *int64
	Trust       int // 0 none, 1 described, 2 official collection, 3 verified; adds to the rank
}

// SearchQuery asks for assets by text. Every word of the text must occur, as a
// part of a word, in the name, the path, the description or the identifiers.
// No character of it has a special meaning.
type SearchQuery struct {
	Text   string
	Kinds  []catalog.Kind
	Limit  int // 0 = 20
	Offset int
}

// LedgerQuery selects rows of the egress ledger, newest first.
type LedgerQuery struct {
	Connection ConnectionID
	Scan       ScanID
	Purpose    ledger.Purpose
	Host       string // host:port, whatever its case
	Status     string // a number, or one of the classes below
	Since      time.Time
	Until      time.Time
	Limit      int // 0 = 100
	Offset     int
}

// Classes of answers for [LedgerQuery.Status].
const (
	StatusAnswered = "answered" // 2xx and 3xx
	StatusRefused  = "refused"  // 4xx and 5xx
	StatusFailed   = "failed"   // no answer came
)

// AuditRow says who did what. Detail is JSON without secrets.
type AuditRow struct {
	ID     string // set on writing
	At     time.Time
	OrgID  OrgID  // empty for what belongs to no organization
	Actor  UserID // empty for the system itself
	Action string // stable code: login, login_failed, scan_started, connection_deleted, …
	Target string // what it was done to: connection:<id>, scan:<id>, user:<id>
	Source string // network address or "cli"
	Detail string // JSON object or empty
	Seq    int64  // place in the chain, set on writing; 0 = from before there was one
}

// AuditQuery selects audit rows, newest first.
type AuditQuery struct {
	Actor  UserID
	System bool // only what nobody in person did
	Action string
	Target string // part of what it was done to
	Since  time.Time
	Until  time.Time
	Limit  int // 0 = 100
	Offset int
}

// DueSchedule is a connection whose next scheduled scan is due.
type DueSchedule struct {
	OrgID        OrgID
	ConnectionID ConnectionID
	Schedule     string
	NextRunAt    time.Time
}

// SessionInfo describes a login session without its content.
type SessionInfo struct {
	ID        string // stable, not the token
	UserID    UserID
	Agent     string
	Address   string
	CreatedAt time.Time
	SeenAt    time.Time // to a few minutes
	ExpiresAt time.Time
	Current   bool
}

// Retention says how long things are kept. A zero duration keeps for ever.
type Retention struct {
	Scans    time.Duration // succeeded and failed scans and what they read
	Audit    time.Duration
	Ledger   time.Duration
	Payloads time.Duration // exact requests; 0 = as the installation is set, which is never longer than 30 days
	Findings time.Duration // resolved findings without triage, with their events
}

// PruneReport says what a retention run deleted.
type PruneReport struct {
	Scans         int
	AssetVersions int
	AuditRows     int
	LedgerRows    int
	Payloads      int
	Findings      int
	AICalls       int
	AIOutputs     int
}
