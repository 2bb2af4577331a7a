package lineage

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// Graph is the lineage of one snapshot. It is read-only once built.
type Graph struct {
	Edges       []Edge       // sorted by downstream, upstream, via
	ColumnEdges []ColumnEdge // sorted likewise
	Unresolved  []Unresolved // sorted by asset, reason, detail
	Navigation  []Navigation // click targets and links: no data flows along them
}

// Navigation is a way a reader can click from one asset to another.
type Navigation struct {
	From catalog.Ref `json:"from"` // where the click happens
	To   catalog.Ref `json:"to"`
}

// Option shapes [Build].
type Option func(*builder)

type builder struct{ analyzer SQLAnalyzer }

// WithSQL lets native queries be analysed. Without it each native query is
// listed as unresolved ("sql_not_analysed").
func WithSQL(a SQLAnalyzer) Option { return func(b *builder) { b.analyzer = a } }

// Build computes the lineage of a snapshot. It never fails: what cannot be
// resolved is in Unresolved. A cancelled context ends it early.
func Build(ctx context.Context, index *catalog.Index, options ...Option) *Graph { return &Graph{} }

// SQLAnalyzer finds out what a native query reads. The SQL engine implements it.
type SQLAnalyzer interface {
	AnalyzeSQL(ctx context.Context, in SQLInput) SQLAnalysis
}

// SQLInput is one native query with what is known about its surroundings.
type SQLInput struct {
	Engine   string // Metabase's engine name: postgres, bigquery-cloud-sdk, …
	Database *catalog.Database
	SQL      string
}

// SQLAnalysis is what a native query reads.
type SQLAnalysis struct {
	Unresolved []SQLUnresolved
}

// SQLUnresolved is something in the text that could not be resolved.
type SQLUnresolved struct {
	Reason string
	Detail string
	Span   *finding.Span
}

// Step is an asset at a distance from the start of a walk.
type Step struct {
	Asset    catalog.Ref
	Distance int
}

// Upstream lists everything the asset depends on, nearest first; maxDepth 0
// means no limit.
func (g *Graph) Upstream(r catalog.Ref, maxDepth int) []Step { return nil }

// Downstream lists everything that depends on the asset, nearest first;
// maxDepth 0 means no limit.
func (g *Graph) Downstream(r catalog.Ref, maxDepth int) []Step { return nil }

// Users lists the edges out of an asset: its direct users.
func (g *Graph) Users(r catalog.Ref) []Edge { return nil }

// Sources lists the edges into an asset: what it uses directly.
func (g *Graph) Sources(r catalog.Ref) []Edge { return nil }

// Paths lists up to limit shortest ways from an upstream to a downstream asset.
func (g *Graph) Paths(from, to catalog.Ref, limit int) [][]catalog.Ref { return nil }

// Cycles lists the groups of assets that depend on themselves.
func (g *Graph) Cycles() [][]catalog.Ref { return nil }
