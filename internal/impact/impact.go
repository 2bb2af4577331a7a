// Package impact answers what a change of a table, a column or a piece of
// content breaks: everything downstream with the reason, most important first.
//
// The rules that decide between yes, maybe and no are told in
// docs/guide/impact.md. It reads one snapshot with its lineage and does no I/O;
// what the lineage could not tell is in [Result.NotEvaluated] or a maybe, never
// left out.
package impact

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// Change is what is going to happen to the roots.
type Change string

// The changes.
const (
	Drop   Change = "drop"
	Rename Change = "rename"
	Type   Change = "type" // of a column's values; its name stays
)

// Changes lists them.
func Changes() []Change { return []Change{Drop, Rename, Type} }

// Breaks says whether something stops working.
type Breaks string

// The verdicts. Yes means that a use its author intended fails for certain, if
// only while a filter is set; Maybe that it depends on what lineage cannot see.
const (
	Yes   Breaks = "yes"
	Maybe Breaks = "maybe"
	No    Breaks = "no"
)

// Lineage is what impact asks of a graph; [lineage.Graph] offers it.
type Lineage interface {
	Users(r catalog.Ref) []lineage.Edge
	Sources(r catalog.Ref) []lineage.Edge
	ColumnUsers(column catalog.Ref) []lineage.ColumnEdge
}

// Bodies gives assets with their queries; it is asked for some hundred at a time,
// from one goroutine. References that are not known are left out of the answer.
type Bodies func(ctx context.Context, refs []catalog.Ref) (map[catalog.Ref]catalog.Asset, error)

// Input is a snapshot with its lineage. The index may hold heads of assets only
// (names, collections, people, usage; tables with columns; dashboards with
// parameters and mappings), when Bodies can give the queries.
type Input struct {
	Index      *catalog.Index
	Graph      Lineage
	Unresolved []lineage.Unresolved
	Bodies     Bodies // nil = the index has the queries
}

// From takes a whole snapshot's index and graph.
func From(index *catalog.Index, graph *lineage.Graph) Input {
	return Input{Index: index, Graph: graph, Unresolved: graph.Unresolved}
}

// Request asks for the impact of one change. Several roots change together.
type Request struct {
	Roots  []catalog.Ref
	Change Change // empty = Drop
	Paths  int    // most ways listed per affected asset; 0 = 3
}

// Filter is a dashboard filter or a question's parameter that works on a root.
type Filter struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Affected is one asset downstream of the roots.
type Affected struct {
	Asset      catalog.Ref
	Name       string
	URL        string // in Metabase; empty where it has none
	Collection string // path of names
	Archived   bool
	Distance   int  // steps from the nearest root, from 1
	Direct     bool // reads a root itself
	Via        lineage.Via
	Uses       []lineage.Via      // every way in which it is reached; the first is Via
	Confidence finding.Confidence // of the surest step that leads to it
	Columns    []string           // columns of its result that carry a root's value, sorted
	Filters    []Filter           // filters that work on a root
	Breaks     Breaks
	Code       string          // stable reason code, see docs/guide/impact.md
	Why        string          // the reason in words
	Usage      *catalog.Usage  // nil = not known
	Recipients *int            // of subscriptions and alerts: people and addresses they go to
	Paths      [][]catalog.Ref // shortest ways from a root, both ends included
	Owners     []string        // person ids: creator, last editor
}

// Person is somebody whose content is affected.
type Person struct {
	ID     string
	Name   string
	Active *bool // nil = not known
	Assets int   // affected assets that the person made or edited last
}

// NotEvaluated is something that could hide a use.
type NotEvaluated struct {
	Asset  catalog.Ref // zero for a whole kind
	Name   string
	Reason string // snake_case code
	Detail string // in words
}

// Result is the impact of one request.
type Result struct {
	Roots    []catalog.Ref
	Change   Change
	Affected []Affected // most important first
	// KnockOn lists what does not use the root but is built on something that
	// fails as a whole; most important first.
	KnockOn      []Affected
	People       []Person             // whose content is affected, most affected first
	Recipients   int                  // of affected subscriptions and alerts, each time they are named
	Counts       map[catalog.Kind]int // of Affected
	Breaks       map[Breaks]int       // of Affected
	NotEvaluated []NotEvaluated
}
