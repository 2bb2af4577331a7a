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

// Compactly leaves the graph's fields Edges and ColumnEdges empty; its methods
// know them all the same, in a sixth of the memory.
func Compactly() Option { return func(b *builder) { b.compactly = true } }

// Build computes the lineage of a snapshot. It never fails: what cannot be
// resolved is in Unresolved. A cancelled context ends it early, with what was
// found until then; callers check the context.
func Build(ctx context.Context, index *catalog.Index, options ...Option) *Graph {
	b := newBuilder(ctx, index, options)
	if a, ok := b.analyzer.(interface{ Begin() SQLAnalyzer }); ok {
		b.analyzer = a.Begin() // what it prepares for this snapshot goes with the build
	}
	b.prepare()
	s := index.Snapshot()
	b.shape = newShaper(4*len(s.Questions), 24*len(s.Questions)) // a first guess that saves most copying
	each(b, s.Segments, b.segment)
	each(b, s.Measures, b.measure)
	each(b, s.Snippets, b.snippet)
	b.questions(s.Questions)
	each(b, s.Dashboards, b.dashboard)
	each(b, s.Subscriptions, b.subscription)
	each(b, s.Alerts, b.alert)
	each(b, s.Transforms, b.transform)
	each(b, s.Actions, b.action)
	each(b, s.Documents, b.document)
	return b.graph()
}

func newBuilder(ctx context.Context, index *catalog.Index, options []Option) *builder {
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
	return b
}

func each[A any](b *builder, list []A, visit func(A)) {
	for _, a := range list {
		if b.ctx.Err() != nil {
			return
		}
		visit(a)
	}
}

// questions visits the questions in their order; their native queries are
// analysed on all processors.
func (b *builder) questions(list []*catalog.Question) {
	b.ahead = newAhead(b.ctx, b, list)
	defer func() {
		b.ahead.finish()
		b.ahead = nil
	}()
	for i, q := range list {
		if b.ctx.Err() != nil {
			return
		}
		b.ahead.look(i)
		b.question(q)
		b.ahead.passed(q)
	}
}

type builder struct {
	ctx      context.Context //nolint:containedctx // lives for one call of Build, or of a Reader
	index    *catalog.Index
	analyzer SQLAnalyzer
	ahead    *ahead // nil: nothing is analysed ahead

	cards     map[string]*card
	measures  map[string]*mbql.Column // nil entry while one is being computed
	schemas   map[string]*SQLSchema
	columns   map[string][]mbql.Column // by table
	snippets  map[string]*catalog.Snippet
	databases map[string]string // name → id
	unread    map[string]bool   // databases whose schema is not, or not wholly, known
	depth     int

	compactly  bool
	shape      *shaper
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
	if how, ok := b.shape.how(via, confidence); ok {
		b.shape.edge(b.shape.ref(from), b.shape.owner(to), how)
	}
}

func (b *builder) columnEdge(column string, to catalog.Ref, output string, via Via, confidence finding.Confidence) {
	if how, ok := b.shape.how(via, confidence); ok {
		from := b.shape.ref(catalog.Ref{Kind: catalog.KindColumn, ID: column})
		b.shape.use(from, b.shape.owner(to), b.shape.name(output), how)
	}
}

func (b *builder) missing(asset catalog.Ref, reason, detail string, target catalog.Ref) {
	b.unresolved = append(b.unresolved, Unresolved{Asset: asset, Reason: reason, Detail: detail, Target: target})
}

// graph sorts what was found.
func (b *builder) graph() *Graph {
	g := &Graph{Unresolved: b.unresolved, Navigation: b.navigation}
	slices.SortStableFunc(g.Unresolved, func(x, y Unresolved) int {
		return cmp.Or(x.Asset.Compare(y.Asset), cmp.Compare(x.Reason, y.Reason), x.Target.Compare(y.Target), cmp.Compare(start(x), start(y)), cmp.Compare(x.Detail, y.Detail))
	})
	g.Unresolved = slices.CompactFunc(g.Unresolved, func(x, y Unresolved) bool {
		return x.Asset == y.Asset && x.Reason == y.Reason && x.Target == y.Target && start(x) == start(y) && x.Detail == y.Detail
	})
	slices.SortFunc(g.Navigation, func(x, y Navigation) int { return cmp.Or(x.From.Compare(y.From), x.To.Compare(y.To)) })
	g.Navigation = slices.Compact(g.Navigation)
	b.shape.sort()
	g.index = b.shape.finish(g.Unresolved)
	if !b.compactly {
		g.Edges, g.ColumnEdges = slices.AppendSeq(make([]Edge, 0, len(g.index.edges.to)), g.AllEdges()), slices.AppendSeq(make([]ColumnEdge, 0, len(g.index.uses.to)), g.AllColumnEdges())
	}
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
