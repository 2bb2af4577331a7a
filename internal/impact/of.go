package impact

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// Of answers what a change breaks. errs.Invalid for a change that makes no
// sense for a root; the context's error when cancelled.
func Of(ctx context.Context, in Input, req Request) (*Result, error) {
	req.Change = cmp.Or(req.Change, Drop)
	req.Paths = cmp.Or(req.Paths, 3)
	roots, err := expand(in.Index, req)
	if err != nil {
		return nil, err
	}
	j := &judge{
		in: in, change: req.Change, roots: map[catalog.Ref]bool{}, columns: map[string]bool{}, tables: map[string]bool{},
		changed: map[string]bool{}, results: map[catalog.Ref]*verdict{}, walk: newWalk(in),
	}
	for _, r := range roots {
		j.roots[r] = true
		switch r.Kind {
		case catalog.KindColumn:
			j.changed[r.ID] = true
		case catalog.KindTable:
			j.tables[r.ID] = true
			if t := in.Index.Table(r.ID); t != nil {
				for _, c := range t.Columns {
					j.changed[c.ID] = true
				}
			}
		}
		j.walk.root(r)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	for c := range j.changed {
		j.columns[c] = true
	}
	for c := range j.walk.columns {
		j.columns[c] = true
	}
	if err := j.load(ctx); err != nil {
		return nil, err
	}
	j.snippets()
	j.actions()
	gaps := j.hidden()
	j.walk.measure(roots)
	j.run()
	out := &Result{Roots: slices.Clone(req.Roots), Change: req.Change, Counts: map[catalog.Kind]int{}, Breaks: map[Breaks]int{}, NotEvaluated: gaps}
	for r, n := range j.walk.nodes {
		if n.distance == 0 {
			continue
		}
		out.Affected = append(out.Affected, j.affected(r, n, req.Paths))
	}
	sortByImportance(out.Affected)
	out.KnockOn = j.knockOn(out.Affected)
	out.sum(j)
	return out, ctx.Err()
}

// expand checks the roots and replaces containers by what is in them.
func expand(x *catalog.Index, req Request) ([]catalog.Ref, error) {
	var out []catalog.Ref
	for _, r := range req.Roots {
		if req.Change == Type && r.Kind != catalog.KindColumn {
			return nil, errs.New(errs.Invalid, "change", "Only a column has a type that can change; "+r.String()+" is none.",
				"Name a column (schema.table.column), or ask for drop or rename.")
		}
		switch r.Kind {
		case catalog.KindDatabase:
			for _, t := range x.Snapshot().Tables {
				if t.DatabaseID == r.ID {
					out = append(out, t.Ref())
				}
			}
		case catalog.KindPerson, catalog.KindGroup, catalog.KindCollection:
			return nil, errs.New(errs.Invalid, "root", fmt.Sprintf("A %s has no lineage of its own.", r.Kind), "Name a table, a column or a piece of content.")
		default:
			if a := x.Asset(r); a != nil {
				r = a.Ref() // question:12 may be a model
			}
			out = append(out, r)
		}
	}
	slices.SortFunc(out, catalog.Ref.Compare)
	return slices.Compact(out), nil
}

// snippets adds the snippets in which a root is named, since the mending is to
// be done there.
func (j *judge) snippets() {
	if len(j.changed) == 0 && len(j.tables) == 0 {
		return
	}
	users := make([]catalog.Ref, 0, len(j.walk.nodes))
	for r := range j.walk.nodes {
		users = append(users, r)
	}
	slices.SortFunc(users, catalog.Ref.Compare)
	for _, r := range users {
		for _, e := range j.in.Graph.Sources(r) {
			if e.From.Kind != catalog.KindSnippet {
				continue
			}
			s := j.in.Index.Snippet(e.From.ID)
			if body, ok := j.bodies[e.From].(*catalog.Snippet); ok {
				s = body
			}
			if s == nil {
				continue
			}
			columns := j.columns
			if len(j.tables) > 0 {
				columns = nil
			}
			m := j.mentions(s, columns, j.tables)
			if !m.named {
				continue
			}
			confidence := finding.Certain
			if j.outside(r) {
				confidence = finding.Likely
			}
			for root := range j.roots {
				j.walk.connect(arrow{root, e.From, lineage.ViaQuery, confidence})
			}
			j.walk.connect(arrow{e.From, r, lineage.ViaSnippet, finding.Certain})
		}
	}
}

// actions adds the actions whose own SQL writes a changed column: what a
// statement writes is no use that lineage knows.
func (j *judge) actions() {
	for root := range j.roots {
		if root.Kind != catalog.KindColumn {
			continue
		}
		table := catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(root.ID)}
		for _, e := range j.in.Graph.Users(table) {
			if e.To.Kind != catalog.KindAction {
				continue
			}
			if m := j.mentions(j.body(e.To), map[string]bool{root.ID: true}, nil); m.named {
				n := j.walk.node(e.To)
				n.uses = append(n.uses, use{column: root.ID, via: e.Via, confidence: e.Confidence})
				j.walk.connect(arrow{root, e.To, e.Via, e.Confidence})
			}
		}
	}
}

// affected describes one node.
func (j *judge) affected(r catalog.Ref, n *node, paths int) Affected {
	v := j.results[r]
	a := Affected{
		Asset: r, Name: title(j.in.Index, r), URL: j.in.Index.URL(r), Distance: n.distance, Breaks: v.breaks, Code: v.code, Why: v.why,
		Confidence: finding.Possible, Paths: j.walk.paths(r, paths),
	}
	for _, in := range n.in {
		if j.walk.nodes[in.from].distance == n.distance-1 {
			a.Uses = append(a.Uses, in.via)
		}
		if in.confidence.Rank() > a.Confidence.Rank() {
			a.Confidence = in.confidence
		}
	}
	for _, u := range n.uses {
		a.Uses = append(a.Uses, u.via)
		if u.output != "" {
			a.Columns = append(a.Columns, u.output)
		}
	}
	if n.opaque || n.hidden {
		a.Confidence = finding.Possible
	}
	slices.SortStableFunc(a.Uses, func(x, y lineage.Via) int { return viaRank(x) - viaRank(y) })
	if len(n.in) > 0 {
		a.Via = n.in[0].via
	}
	a.Uses = slices.Compact(a.Uses)
	slices.Sort(a.Columns)
	a.Columns = slices.Compact(a.Columns)
	a.Direct = n.distance == 1
	j.describe(&a)
	if a.Archived {
		a.Breaks, a.Code, a.Why = No, "trash", "it lies in the trash"
	}
	a.Filters = j.filters(r, n)
	return a
}

// describe adds what is known of the asset itself.
func (j *judge) describe(a *Affected) {
	asset := j.in.Index.Asset(a.Asset)
	if asset == nil {
		return
	}
	a.Archived = asset.IsArchived()
	a.Collection = j.in.Index.CollectionPath(asset.InCollection())
	if u, ok := j.in.Index.Snapshot().Usage[a.Asset]; ok {
		a.Usage = &u
	}
	var editor string
	var common *catalog.Common
	switch x := asset.(type) {
	case *catalog.Question:
		common, editor = &x.Common, x.LastEditorID
	case *catalog.Dashboard:
		common, editor = &x.Common, x.LastEditorID
	case *catalog.Table:
		common, editor = &x.Common, x.OwnerID
	case *catalog.Subscription:
		common = &x.Common
		a.Recipients = recipients(x.Deliveries)
	case *catalog.Alert:
		common = &x.Common
		a.Recipients = recipients(x.Deliveries)
	case *catalog.Segment:
		common = &x.Common
	case *catalog.Measure:
		common = &x.Common
	case *catalog.Snippet:
		common = &x.Common
	case *catalog.Transform:
		common = &x.Common
	case *catalog.Action:
		common = &x.Common
	case *catalog.Document:
		common = &x.Common
	}
	if common == nil {
		return
	}
	for _, id := range []string{common.CreatorID, editor} {
		if id != "" && !slices.Contains(a.Owners, id) {
			a.Owners = append(a.Owners, id)
		}
	}
}

func recipients(list []catalog.Delivery) *int {
	n := 0
	for _, d := range list {
		if d.Enabled {
			n += d.Recipients + d.ExternalRecipients
		}
	}
	return &n
}

// knockOn finds what does not read the root but is built on something whose
// query fails as a whole.
func (j *judge) knockOn(affected []Affected) []Affected {
	if j.change == Type {
		return nil
	}
	next := newWalk(j.in)
	var roots []catalog.Ref
	for i := range affected {
		a := &affected[i]
		v := j.results[a.Asset]
		if v.breaks == No || !v.whole && v.code != "stale" {
			continue
		}
		roots = append(roots, a.Asset)
		next.node(a.Asset)
		next.everything(a.Asset)
	}
	next.measure(roots)
	k := &judge{in: j.in, change: j.change, walk: next, roots: j.roots, results: map[catalog.Ref]*verdict{}}
	for r, v := range j.results {
		k.results[r] = v
	}
	var refs []catalog.Ref
	for r := range next.nodes {
		if j.walk.nodes[r] == nil {
			refs = append(refs, r)
			k.results[r] = &verdict{breaks: No}
		}
	}
	slices.SortFunc(refs, func(a, b catalog.Ref) int { return cmp.Or(next.nodes[a].distance-next.nodes[b].distance, a.Compare(b)) })
	for changed := true; changed; {
		changed = false
		for _, r := range refs {
			have := k.results[r]
			for _, a := range next.nodes[r].in {
				got, ok := k.pass(k.results[a.from], a)
				if ok && got.breaks != No && (rank(got.breaks) > rank(have.breaks) || rank(got.breaks) == rank(have.breaks) && got.whole && !have.whole) {
					*have = got
					changed = true
				}
			}
		}
	}
	var out []Affected
	for _, r := range refs {
		v, n := k.results[r], next.nodes[r]
		if v.breaks == No {
			continue
		}
		a := Affected{
			Asset: r, Name: title(j.in.Index, r), URL: j.in.Index.URL(r), Distance: n.distance, Via: n.in[0].via, Uses: []lineage.Via{n.in[0].via},
			Confidence: n.in[0].confidence, Breaks: v.breaks, Code: v.code, Why: v.why, Paths: next.paths(r, 1),
		}
		j.describe(&a)
		if !a.Archived {
			out = append(out, a)
		}
	}
	sortByImportance(out)
	return out
}

// sum counts the affected assets and the people behind them.
func (out *Result) sum(j *judge) {
	people := map[string]int{}
	for i := range out.Affected {
		a := &out.Affected[i]
		out.Counts[a.Asset.Kind]++
		out.Breaks[a.Breaks]++
		if a.Breaks == No {
			continue
		}
		for _, id := range a.Owners {
			people[id]++
		}
		if a.Recipients != nil {
			out.Recipients += *a.Recipients
		}
	}
	for id, n := range people {
		p := Person{ID: id, Assets: n}
		if known := j.in.Index.Person(id); known != nil {
			p.Name, p.Active = known.Name, known.Active
		}
		out.People = append(out.People, p)
	}
	sortPeople(out.People)
}

func sortPeople(list []Person) {
	slices.SortFunc(list, func(a, b Person) int { return cmp.Or(b.Assets-a.Assets, catalog.CompareID(a.ID, b.ID)) })
}

// sortByImportance puts first what surely breaks, then what is used most. What
// has no usage of its own (subscriptions, snippets, …) ranks with what it stands
// beside on its way from or to the root.
func sortByImportance(list []Affected) {
	views := map[catalog.Ref]int64{}
	listed := make(map[catalog.Ref]bool, len(list))
	for i := range list {
		listed[list[i].Asset] = true
		if u := list[i].Usage; u != nil && u.Views != nil {
			views[list[i].Asset] = *u.Views
		}
	}
	for i := range list { // upwards: what feeds much-used content is much used
		for _, path := range list[i].Paths {
			for _, r := range path[:len(path)-1] {
				if own := list[i].Usage; own != nil && own.Views != nil && usageless(r.Kind) && listed[r] {
					views[r] = max(views[r], *own.Views)
				}
			}
		}
	}
	for i := range list { // downwards: what sends a dashboard matters as the dashboard does
		if a := &list[i]; a.Usage == nil && usageless(a.Asset.Kind) {
			for _, path := range a.Paths {
				if len(path) > 1 && listed[path[len(path)-2]] {
					views[a.Asset] = max(views[a.Asset], views[path[len(path)-2]])
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b Affected) int {
		return cmp.Or(rank(b.Breaks)-rank(a.Breaks), cmp.Compare(views[b.Asset], views[a.Asset]), a.Distance-b.Distance, a.Asset.Compare(b.Asset))
	})
}

func usageless(k catalog.Kind) bool {
	return !k.IsCard() && k != catalog.KindDashboard
}
