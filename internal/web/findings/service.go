// Package findings is the pages about findings: the list with its filters and
// groups, one finding with its evidence and life, and triage.
package findings

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
)

// Query selects findings of one connection.
type Query struct {
	Connection store.ConnectionID
	State      store.FindingState // empty = all
	Checks     []string           // any of these checks; empty = all
	Families   []string           // any of these families, as codes: USE, BRK, …; empty = all
	Severities []finding.Severity // any of these; empty = all
	Text       string             // in message, asset name or path
	Asset      catalog.Ref        // zero = all
	Collection string             // collection id, with everything below it; empty = all
	Assignee   store.UserID       // empty = all
	Sort       Sort
	Limit      int
	Offset     int
}

// Sort is an order of findings.
type Sort string

// The orders. Each ends in the fingerprint, so that pages never overlap.
const (
	SortSeverity Sort = "severity" // worst first, then most used
	SortUsage    Sort = "usage"    // most used first
	SortNewest   Sort = "newest"   // last appeared first
	SortName     Sort = "name"     // by asset
)

// GroupBy is what findings are grouped by.
type GroupBy string

// The groupings.
const (
	ByCheck      GroupBy = "check"
	ByAsset      GroupBy = "asset"
	ByCollection GroupBy = "collection"
	BySeverity   GroupBy = "severity"
)

// Group is a number of findings that share something.
type Group struct {
	Key      string // check id, asset reference, collection id, severity
	Title    string // for people: asset name, collection path; empty for checks and severities
	Count    int
	Severity finding.Severity // the worst inside
	Views    int64            // of the assets, summed; 0 when not known
}

// Service is what the pages need of findings.
type Service interface {
	// Findings returns one page and how many there are in all.
	Findings(ctx context.Context, org store.OrgID, q Query) ([]store.FindingRecord, int, error)
	// FindingGroups groups what Findings would list, the worst and largest first.
	FindingGroups(ctx context.Context, org store.OrgID, q Query, by GroupBy) ([]Group, error)
	// Finding returns one finding and its life, the newest event first.
	Finding(ctx context.Context, org store.OrgID, conn store.ConnectionID, fingerprint string) (store.FindingRecord, []store.FindingEvent, error)
	// NotEvaluated lists what the last scan could not judge.
	NotEvaluated(ctx context.Context, org store.OrgID, conn store.ConnectionID) ([]finding.NotEvaluated, error)
	Triage
}

// Triage is what people do with findings. Unknown fingerprints are skipped; each
// method says how many findings it moved.
type Triage interface {
	// Ignore sets findings aside; a zero until never expires.
	Ignore(ctx context.Context, org store.OrgID, conn store.ConnectionID, by store.UserID, fingerprints []string, reason string, until time.Time) (int, error)
	Unignore(ctx context.Context, org store.OrgID, conn store.ConnectionID, by store.UserID, fingerprints []string) (int, error)
	// Assign gives findings to somebody; an empty to takes them away again.
	Assign(ctx context.Context, org store.OrgID, conn store.ConnectionID, by, to store.UserID, fingerprints []string) (int, error)
}

// Check is the documentation of a check.
type Check struct {
	ID          string
	Slug        string
	Title       string
	Why         string
	Remediation string
	Bad, Good   string
	Family      string // code: USE, BRK, …
	Severity    finding.Severity
	Kinds       []catalog.Kind // the assets it judges
}

// Checks knows every check.
type Checks interface {
	// Check returns the documentation of a check; ok is false for an unknown id.
	Check(id string) (Check, bool)
	// Checks lists all in order of id.
	Checks() []Check
}
