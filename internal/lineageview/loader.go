package lineageview

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/store"
)

// Config are a loader's dependencies.
type Config struct {
	Store *store.Store
	// SQL reads native queries where a graph must be built anew; nil: they stay
	// unread.
	SQL lineage.SQLAnalyzer
	// CacheBytes bounds what the loader keeps of loaded views; 0 = 128 MB. The
	// view used last is kept in any case.
	CacheBytes int64
}

// Loader loads views. It is safe for concurrent use.
type Loader struct {
	config Config
	loads  singleflight.Group

	mu    sync.Mutex
	views []kept // the last used one last
}

// New returns a loader.
func New(config Config) *Loader {
	if config.CacheBytes <= 0 {
		config.CacheBytes = 128 << 20
	}
	return &Loader{config: config}
}

// Latest loads the view of the newest succeeded scan of a connection;
// errs.NotFound when there is none.
func (l *Loader) Latest(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*View, error) {
	var scan store.Scan
	err := l.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		scan, err = tx.LatestScan(ctx, conn)
		return err
	})
	if err != nil {
		return nil, err
	}
	return l.load(ctx, org, scan)
}

// Load loads the view of one scan; errs.NotFound when there is no such scan or
// it stored no snapshot.
func (l *Loader) Load(ctx context.Context, org store.OrgID, id store.ScanID) (*View, error) {
	var scan store.Scan
	err := l.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		scan, err = tx.Scan(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return l.load(ctx, org, scan)
}

// Assets loads assets of a view with all they say: queries, definitions,
// layouts. Assets that the scan did not see are left out.
func (l *Loader) Assets(ctx context.Context, org store.OrgID, scan store.Scan, refs []catalog.Ref) (map[catalog.Ref]catalog.Asset, error) {
	var out map[catalog.Ref]catalog.Asset
	err := l.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		out, err = tx.LoadAssets(ctx, scan.ConnectionID, refs, scan.Seq)
		return err
	})
	return out, err
}

// load finds the view in the cache, reads it, or builds it. A load outlives the
// reader who began it, since others wait for the same one.
func (l *Loader) load(ctx context.Context, org store.OrgID, scan store.Scan) (*View, error) {
	if scan.Seq == 0 {
		return nil, errs.New(errs.NotFound, "no_snapshot", "This scan has no snapshot: it did not succeed.", "Look at the newest scan that did.")
	}
	if v := l.cached(org, scan.ID); v != nil {
		return v, nil
	}
	life := context.WithoutCancel(ctx)
	result := l.loads.DoChan(string(org)+"/"+string(scan.ID), func() (any, error) {
		life, cancel := context.WithTimeout(life, loadLimit)
		defer cancel()
		v, err := l.open(life, org, scan)
		if err == nil {
			l.keep(org, v)
		}
		return v, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		v, _ := r.Val.(*View)
		return v, nil
	}
}

// loadLimit ends a load that nobody can be waiting for any more.
const loadLimit = 2 * time.Minute

func (l *Loader) open(ctx context.Context, org store.OrgID, scan store.Scan) (*View, error) {
	var v *View
	var snapshot *catalog.Snapshot
	err := l.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		v, err = read(ctx, tx, scan)
		if errors.Is(err, errForm) {
			snapshot, err = tx.LoadSnapshot(ctx, scan.ID)
		}
		return err
	})
	if err != nil || v != nil {
		return v, err
	}
	graph, err := l.build(ctx, catalog.NewIndex(snapshot))
	if err != nil {
		return nil, err
	}
	return &View{Scan: scan, Index: catalog.NewIndex(heads(snapshot)), Graph: graph}, nil
}

// build makes a graph anew and keeps its compact form alone.
func (l *Loader) build(ctx context.Context, index *catalog.Index) (*lineage.Graph, error) {
	var options []lineage.Option
	if l.config.SQL != nil {
		options = append(options, lineage.WithSQL(l.config.SQL))
	}
	graph := lineage.Build(ctx, index, options...)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return graph.Compact(), nil
}

// Graph returns the graph of a scan whose whole snapshot the caller has loaded:
// the stored one, or one built from the snapshot.
func (l *Loader) Graph(ctx context.Context, org store.OrgID, scan store.Scan, index *catalog.Index) (*lineage.Graph, error) {
	if v := l.cached(org, scan.ID); v != nil {
		return v.Graph, nil
	}
	var graph *lineage.Graph
	err := l.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		graph, err = readGraph(ctx, tx, scan.ID)
		return err
	})
	if errors.Is(err, errForm) {
		return l.build(ctx, index)
	}
	return graph, err
}

// kept is a view in the cache.
type kept struct {
	org   store.OrgID
	view  *View
	bytes int64
}

func (l *Loader) cached(org store.OrgID, scan store.ScanID) *View {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.views, func(k kept) bool { return k.org == org && k.view.Scan.ID == scan })
	if i < 0 {
		return nil
	}
	k := l.views[i]
	l.views = append(slices.Delete(l.views, i, i+1), k)
	return k.view
}

// keep adds a view and drops those that were not used for longest.
func (l *Loader) keep(org store.OrgID, v *View) {
	k := kept{org, v, v.bytes()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.views = append(slices.DeleteFunc(l.views, func(o kept) bool { return o.org == org && o.view.Scan.ID == v.Scan.ID }), k)
	total := int64(0)
	for _, o := range l.views {
		total += o.bytes
	}
	for len(l.views) > 1 && total > l.config.CacheBytes {
		total -= l.views[0].bytes
		l.views = slices.Delete(l.views, 0, 1)
	}
}

// bytes estimates the memory that a view takes.
func (v *View) bytes() int64 {
	n := v.Graph.Bytes()
	s := v.Index.Snapshot()
	for a := range s.All() {
		n += 900
		switch a := a.(type) {
		case *catalog.Table:
			n += int64(len(a.Columns)) * 480
		case *catalog.Dashboard:
			n += int64(len(a.Cards)) * 450
		}
	}
	return n + int64(len(s.Usage))*250
}

// Forget drops the views of an organization that was deleted.
func (l *Loader) Forget(org store.OrgID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.views = slices.DeleteFunc(l.views, func(k kept) bool { return k.org == org })
}
