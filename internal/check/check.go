// Package check is the rule engine: what a check is, what it may see, and how a
// set of checks runs over a snapshot.
//
// Checks are pure. They see one immutable snapshot with its index, lineage,
// duplicates and clock, and they report findings or say what they could not
// judge; they have no network, store, wall clock or randomness. The same input
// gives the same output byte for byte, however many run at once. Only checks
// create findings.
package check

import (
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// Family groups checks by what they are about. It is the letters of an ID.
type Family string

// The families.
const (
	Usage        Family = "USE"
	Broken       Family = "BRK"
	Duplication  Family = "DUP"
	Metrics      Family = "MET"
	SQLQuality   Family = "SQL"
	Performance  Family = "PRF"
	Security     Family = "SEC"
	Stewardship  Family = "DOC"
	Organisation Family = "ORG"
	Permissions  Family = "PRM"
)

// Families lists every family in the order reports use.
func Families() []Family {
	return []Family{Broken, Usage, Duplication, Metrics, SQLQuality, Performance, Security, Stewardship, Organisation, Permissions}
}

// Title names a family for people.
func (f Family) Title() string {
	switch f {
	case Usage:
		return "Usage"
	case Broken:
		return "Broken content"
	case Duplication:
		return "Duplication"
	case Metrics:
		return "Metric definitions"
	case SQLQuality:
		return "SQL quality"
	case Performance:
		return "Performance"
	case Security:
		return "Exposure"
	case Stewardship:
		return "Stewardship"
	case Organisation:
		return "Organisation"
	case Permissions:
		return "Permissions"
	}
	return string(f)
}

// Fact is something beyond assets that a check needs. Where a snapshot lacks
// it, the engine answers "not evaluated" for the check.
type Fact string

// The facts.
const (
	// FactQuestionUse: the server counts views or keeps the last use of questions (0.50).
	FactQuestionUse Fact = "question use"
	// FactDashboardUse: the server counts views or keeps the last view of dashboards (0.50, 0.51).
	FactDashboardUse Fact = "dashboard use"
	// FactCollectionAccess: the collection permission graph was read.
	FactCollectionAccess Fact = "collection permissions"
	// FactDataAccess: the data permission graph was read.
	FactDataAccess Fact = "data permissions"
	// FactCreators: the answers name the creators of content.
	FactCreators Fact = "creators"
)

// Meta describes a check. Documentation, help and settings pages render from it.
type Meta struct {
	ID          string // stable and never reused: USE001
	Slug        string // short name for people: never-used-question
	Title       string // one line
	Family      Family
	Why         string // why it matters, in Markdown paragraphs
	Bad         string // smallest snapshot that fires, in checktest's form; runs as a test
	Good        string // the same thing mended; runs as a test
	Remediation string // what to do
	Severity    finding.Severity
	Confidence  finding.Confidence
	Since       string         // MetaLens version that introduced it
	Default     bool           // runs unless switched off
	Personal    bool           // judges personal collections too, where they were read
	Judges      []catalog.Kind // kinds it reports on; they are the base of every share
	Needs       []catalog.Kind // further kinds that must have been read
	Facts       []Fact
	Params      []Param
	ReplacedBy  string // id of the successor of a check that is going away
}

// Check is a rule.
type Check struct {
	Meta Meta
	Run  func(*Pass) error
}

// Observed is how long an instance has been watched, for checks that need time
// to pass before they claim anything. The zero value knows nothing.
type Observed struct {
	Since time.Time // the first succeeded scan of this connection; zero when there was none
	Scans int       // succeeded scans before this one
	// CountersSince is when the server began to count, where somebody knows it;
	// otherwise it is guessed from the default that Metabase's migration leaves.
	CountersSince time.Time
}
