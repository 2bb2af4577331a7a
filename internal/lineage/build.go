package lineage

import (
	"cmp"
	"context"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/mbql"
)

// Option shapes [Build].
type Option func(*builder)

// WithSQL lets native queries be analysed. Without it each native query is
// listed as unresolved ("sql_not_analysed").
func WithSQL(a SQLAnalyzer) Option { return func(b *builder) { b.analyzer = a } }

// Build computes the lineage of a snapshot. It never fails: what cannot be
// resolved is in Unresolved. A cancelled context ends it early, with what was
// found until then; callers check the context.
func Build(ctx context.Context, index *catalog.Index, options ...Option) *Graph {
	b := &builder{
		ctx:      ctx,
		index:    index,
		cards:    map[string]*card{},
		measures: map[string]*mbql.Column{},
		schemas:  map[string]*SQLSchema{},
		columns:  map[string][]mbql.Column{},
	}
	for _, o := range options {
		o(b)
	}
	b.prepare()
	s := index.Snapshot()
	b.edges = make([]Edge, 0, 4*len(s.Questions)) // a first guess that saves most copying
	b.columnUses = make([]ColumnEdge, 0, 12*len(s.Questions))
	each(b, s.Segments, b.segment)
	each(b, s.Measures, b.measure)
	each(b, s.Snippets, b.snippet)
	each(b, s.Questions, b.question)
	each(b, s.Dashboards, b.dashboard)
	each(b, s.Subscriptions, b.subscription)
	each(b, s.Alerts, b.alert)
	each(b, s.Transforms, b.transform)
	each(b, s.Actions, b.action)
	each(b, s.Documents, b.document)
	return b.graph()
}

func each[A any](b *builder, list []A, visit func(A)) {
	for _, a := range list {
		if b.ctx.Err() != nil {
			return
		}
		visit(a)
	}
}

type builder struct {
	ctx      context.Context //nolint:containedctx // lives for one call of Build
	index    *catalog.Index
	analyzer SQLAnalyzer

	cards     map[string]*card
	measures  map[string]*mbql.Column // nil entry while one is being computed
	schemas   map[string]*SQLSchema
	columns   map[string][]mbql.Column // by table
	snippets  map[string]*catalog.Snippet
	databases map[string]string // name → id
	unread    map[string]bool   // databases whose schema is not, or not wholly, known
	depth     int

	edges      []Edge
	columnUses []ColumnEdge
	unresolved []Unresolved
	navigation []Navigation
}

func (b *builder) prepare() {
	s := b.index.Snapshot()
	b.databases = make(map[string]string, len(s.Databases))
	b.unread = make(map[string]bool, len(s.Databases))
	for _, d := range s.Databases {
		b.databases[d.Name] = d.ID
		b.unread[d.ID] = true
	}
	for _, t := range s.Tables {
		b.unread[t.DatabaseID] = false
	}
	for _, t := range s.Tables {
		if t.ColumnsUnread {
			b.unread[t.DatabaseID] = true
		}
	}
	b.snippets = make(map[string]*catalog.Snippet, len(s.Snippets))
	for _, n := range s.Snippets {
		if old := b.snippets[n.Name]; old == nil || old.Archived && !n.Archived {
			b.snippets[n.Name] = n
		}
	}
}

// edge records a use once; the surest statement wins.
func (b *builder) edge(from, to catalog.Ref, via Via, confidence finding.Confidence) {
	if from.ID == "" || to.ID == "" {
		return
	}
	b.edges = append(b.edges, Edge{from, to, via, confidence})
}

func (b *builder) columnEdge(column string, to catalog.Ref, output string, via Via, confidence finding.Confidence) {
	b.columnUses = append(b.columnUses, ColumnEdge{
		From: catalog.Ref{Kind: catalog.KindColumn, ID: column}, To: to, ToColumn: output, Via: via, Confidence: confidence,
	})
}

func (b *builder) missing(asset catalog.Ref, reason, detail string, target catalog.Ref) {
	b.unresolved = append(b.unresolved, Unresolved{Asset: asset, Reason: reason, Detail: detail, Target: target})
}

// graph sorts what was found. Uses were recorded asset by asset, so each asset's
// share is sorted alone.
func (b *builder) graph() *Graph {
	g := &Graph{
		Edges: sortGroups(b.edges, func(e *Edge) catalog.Ref { return e.To }, func(x, y *Edge) int {
			return cmp.Or(x.From.Compare(y.From), cmp.Compare(x.Via, y.Via), rank(x.Confidence)-rank(y.Confidence))
		}, func(x, y *Edge) bool { return x.From == y.From && x.Via == y.Via }),
		ColumnEdges: sortGroups(b.columnUses, func(e *ColumnEdge) catalog.Ref { return e.To }, func(x, y *ColumnEdge) int {
			return cmp.Or(x.From.Compare(y.From), cmp.Compare(x.Via, y.Via), cmp.Compare(x.ToColumn, y.ToColumn), rank(x.Confidence)-rank(y.Confidence))
		}, func(x, y *ColumnEdge) bool { return x.From == y.From && x.Via == y.Via && x.ToColumn == y.ToColumn }),
		Unresolved: b.unresolved,
		Navigation: b.navigation,
	}
	slices.SortStableFunc(g.Unresolved, func(x, y Unresolved) int {
		return cmp.Or(x.Asset.Compare(y.Asset), cmp.Compare(x.Reason, y.Reason), x.Target.Compare(y.Target), cmp.Compare(start(x), start(y)), cmp.Compare(x.Detail, y.Detail))
	})
	g.Unresolved = slices.CompactFunc(g.Unresolved, func(x, y Unresolved) bool {
		return x.Asset == y.Asset && x.Reason == y.Reason && x.Target == y.Target && start(x) == start(y) && x.Detail == y.Detail
	})
	slices.SortFunc(g.Navigation, func(x, y Navigation) int { return cmp.Or(x.From.Compare(y.From), x.To.Compare(y.To)) })
	g.Navigation = slices.Compact(g.Navigation)
	return g
}

func start(u Unresolved) int {
	if u.Span == nil {
		return -1
	}
	return u.Span.Start
}

func rank(c finding.Confidence) int {
	switch c {
	case finding.Certain:
		return 0
	case finding.Likely:
		return 1
	}
	return 2
}

// sortGroups sorts by group, then within each group, and drops repetitions. It
// is many times faster than sorting the whole: most comparisons are within the
// few items of one asset.
func sortGroups[T any](items []T, group func(*T) catalog.Ref, compare func(x, y *T) int, same func(x, y *T) bool) []T {
	byGroup := map[catalog.Ref][]int32{}
	var groups []catalog.Ref
	for i := range items {
		r := group(&items[i])
		if _, ok := byGroup[r]; !ok {
			groups = append(groups, r)
		}
		byGroup[r] = append(byGroup[r], int32(i))
	}
	slices.SortFunc(groups, catalog.Ref.Compare)
	out := make([]T, 0, len(items))
	for _, r := range groups {
		positions := byGroup[r]
		slices.SortFunc(positions, func(x, y int32) int { return compare(&items[x], &items[y]) })
		for k, p := range positions {
			if k > 0 && same(&items[p], &items[positions[k-1]]) {
				continue
			}
			out = append(out, items[p])
		}
	}
	return out
}
