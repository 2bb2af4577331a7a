package similar

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
)

// Metric is a name that content of one database uses for a figure, with
// everything it is defined as.
type Metric struct {
	ID          string       `json:"id"`          // of the name; stable
	Name        string       `json:"name"`        // as most content spells it
	Definitions []Definition `json:"definitions"` // the one to go by first
}

// Definition is a way to compute a figure. The period that content looks at,
// what its readers choose and how it is grouped are no part of it. Under several
// names it shares Names and ComputedBy, which must not be changed.
type Definition struct {
	ID      string      `json:"id"`      // of what is computed; stable and the same under every name
	Text    string      `json:"text"`    // for people: "sum(orders.total) where orders.status = 'paid'"
	Names   []string    `json:"names"`   // what content calls it, the most frequent first
	Sources []string    `json:"sources"` // ids of the physical tables, sorted
	Uses    []MetricUse `json:"uses"`    // where it is defined, sorted by asset
	// ComputedBy lists everything that computes it, whatever it is called there,
	// sorted.
	ComputedBy []catalog.Ref `json:"computed_by"`
	// Words says how it differs from the first definition of the same name:
	// "adds the filter orders.status = 'paid'". Empty for the first.
	Words []string `json:"words,omitempty"`
	// Trusted says that a metric, a verified question or an official collection
	// stands behind it.
	Trusted bool  `json:"trusted"`
	Views   int64 `json:"views"` // of everything that defines it

	parts   figure
	headed  bool // the name is that of a metric or of a question that shows nothing else
	trivial bool // counts the rows of a table
}

// Trivial reports whether the definition counts all rows of a table: a figure
// that may be called anything.
func (d Definition) Trivial() bool { return d.trivial }

// MetricUse is a place where a definition is written down.
type MetricUse struct {
	Asset   catalog.Ref   `json:"asset"`
	Name    string        `json:"name"`               // what the asset calls it
	Column  string        `json:"column,omitempty"`   // the column of the result that shows it
	ShownOn []catalog.Ref `json:"shown_on,omitempty"` // live dashboards, sorted
}

// ConflictKind says how metrics disagree.
type ConflictKind string

// The kinds of conflict.
const (
	OneName       ConflictKind = "one_name_many_definitions"
	OneDefinition ConflictKind = "one_definition_many_names"
)

// Conflict is metrics that disagree. One name with several definitions lists
// these, the one to go by first; one definition with several names lists that
// one, whose Names say the rest.
type Conflict struct {
	ID          string       `json:"id"` // stable while the name or the definition stays
	Kind        ConflictKind `json:"kind"`
	Name        string       `json:"name"`
	Definitions []Definition `json:"definitions"`
}

// Result is everything that comparing the content of a snapshot finds.
type Result struct {
	Clusters  []Cluster
	Metrics   []Metric
	Conflicts []Conflict
}

// Analyze is [Find], [Metrics] and [Conflicts] at the price of one reading of
// every query. A cancelled context ends it early.
func Analyze(ctx context.Context, index *catalog.Index, graph *lineage.Graph) Result {
	f := newFinder(index, graph)
	forms := f.forms(ctx)
	r := Result{Clusters: f.clusters(ctx, forms), Metrics: f.metrics(ctx, forms)}
	r.Conflicts = Conflicts(r.Metrics)
	return r
}

// Metrics lists the figures that content names, sorted by name: metrics and
// measures, questions that show a single figure, named aggregations of the query
// builder and named columns of SQL, where the query is simple enough to tell
// what they mean. Archived content, personal collections and Metabase's own
// samples are left out.
func Metrics(ctx context.Context, index *catalog.Index, graph *lineage.Graph) []Metric {
	f := newFinder(index, graph)
	return f.metrics(ctx, f.forms(ctx))
}
