package app

import (
	"context"
	"slices"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/grants"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
)

// maxParts bounds how many parts of scans are kept; the assets in them are
// bounded by libraryAssets as those of whole views are.
const maxParts = 64

// reach is how far an actor sees into a connection.
type reach struct {
	store.Grant
	counted bool // the actor may be told how much is hidden
}

// key names a reach: equal ones have equal keys.
func (r reach) key() string {
	if r.counted {
		return grants.Key(r.Grant)
	}
	return grants.Key(r.Grant) + "/uncounted"
}

// part returns what a grant shows of a view. Readers who see the same share it.
func (l *library) part(ctx context.Context, whole *browse.View, far reach) (*browse.View, error) {
	key := far.key()
	if v := l.cachedPart(whole.Scan.ID, key); v != nil {
		return v, nil
	}
	result := l.load.DoChan(string(whole.Scan.ID)+"/"+key, func() (any, error) { //nolint:contextcheck // it outlives the request that made it
		l.work.Add(1)
		defer l.work.Done()
		p := grants.Filter(whole.Index, whole.Graph, far.Grant)
		if !far.counted {
			p.Uncount()
		}
		scan := partOfScan(whole.Scan)
		scan.Summary.Counts = map[catalog.Kind]int{}
		n := 0
		for a := range p.Index.Snapshot().All() {
			scan.Summary.Counts[a.Ref().Kind]++
			n++
		}
		v := &browse.View{
			Scan: scan, Index: p.Index, Graph: p.Graph, Texts: sqllineage.NewTexts(p.Index),
			Part: &browse.Part{Key: key, HiddenSources: p.HiddenSources, HiddenUsers: p.HiddenUsers, Counted: far.counted, Show: p.Show, Sees: p.Sees, Findings: &browse.Verdicts{}},
		}
		l.keepPart(kept{scan: whole.Scan.ID, part: key, view: v, assets: n})
		return v, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		view, _ := r.Val.(*browse.View)
		return view, r.Err
	}
}

func (l *library) cachedPart(scan store.ScanID, key string) *browse.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.parts, func(k kept) bool { return k.scan == scan && k.part == key })
	if i < 0 {
		return nil
	}
	k := l.parts[i]
	l.parts = append(slices.Delete(l.parts, i, i+1), k)
	return k.view
}

// keepPart adds a part, drops those of older scans of its connection and then
// those that were not used for longest until the rest fits.
func (l *library) keepPart(k kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts = slices.DeleteFunc(l.parts, func(o kept) bool {
		return o.view.Scan.ConnectionID == k.view.Scan.ConnectionID && (o.scan != k.scan || o.part == k.part)
	})
	l.parts = append(l.parts, k)
	total := 0
	for _, v := range l.parts {
		total += v.assets
	}
	for len(l.parts) > 1 && (total > libraryAssets || len(l.parts) > maxParts) {
		total -= l.parts[0].assets
		l.parts = slices.Delete(l.parts, 0, 1)
	}
}

// scope says how far the context's actor sees into a connection: nil, when that
// is everything, else the part. Where no scan has succeeded the part is empty.
func (l *library) scope(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*browse.View, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return nil, err
	}
	if err := access.Enter(ctx, string(org)); err != nil {
		return nil, err
	}
	if access.From(ctx).May(access.Admin) {
		return nil, nil //nolint:nilnil // no bounds
	}
	latest, far, err := l.latest(ctx, org, conn)
	if errs.KindOf(err) == errs.NotFound {
		return nothing(), nil
	}
	if err != nil || grants.Everything(far.Grant) {
		return nil, err
	}
	whole, err := l.whole(ctx, org, latest)
	if err != nil {
		return nil, err
	}
	return l.part(ctx, whole, far)
}

// seenBy tells which assets of a connection a member sees, whoever asks.
func (l *library) seenBy(ctx context.Context, m store.Membership, conn store.ConnectionID) (func(catalog.Ref) bool, error) {
	ctx = access.With(ctx, access.Actor{Kind: access.Person, User: string(m.UserID), Org: string(m.OrgID), Role: m.Role})
	view, err := l.scope(ctx, m.OrgID, conn)
	if err != nil {
		return nil, err
	}
	if view == nil {
		return func(catalog.Ref) bool { return true }, nil
	}
	return view.Part.Sees, nil
}

// nothing is a part without anything in it.
func nothing() *browse.View {
	return &browse.View{
		Index: catalog.NewIndex(&catalog.Snapshot{}),
		Part: &browse.Part{
			Show: func(catalog.Asset) catalog.Asset { return nil },
			Sees: func(catalog.Ref) bool { return false },
		},
	}
}

// partOfScan leaves out of a scan what tells how much there is beyond a part:
// counts, scores, and words that may name what is hidden.
func partOfScan(s store.Scan) store.Scan {
	instance := s.Summary.Instance
	instance.Reader.GroupIDs, instance.Reader.PersonID = nil, ""
	s.Summary = store.ScanSummary{Instance: instance, Partial: s.Summary.Partial}
	p := s.Progress
	s.Progress = store.ScanProgress{ETASeconds: p.ETASeconds, Resumed: p.Resumed}
	for _, step := range p.Steps {
		if step.Total > 0 {
			step.Done, step.Total = min(100, 100*step.Done/step.Total), 100
		} else {
			step.Done = 0
		}
		step.Note = ""
		s.Progress.Steps = append(s.Progress.Steps, step)
	}
	return s
}
