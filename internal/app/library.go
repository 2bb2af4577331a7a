package app

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/grants"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/lineageview"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
)

// libraryAssets bounds what the library keeps in memory: snapshots with at most
// this many assets together, the last used one in any case.
const libraryAssets = 150_000

// library implements [browse.Library]: it keeps the last used snapshots ready
// to look things up. Loads outlive the reader who began them, since others wait
// for the same one; close ends them.
type library struct {
	store  *store.Store
	graphs *lineageview.Loader
	log    *slog.Logger
	load   singleflight.Group

	life context.Context //nolint:containedctx // of loads, which belong to no request
	end  context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	views []kept // the last used one last
	parts []kept // of the views above, cut by grants; the last used one last
}

func newLibrary(ctx context.Context, s *store.Store, sql lineage.SQLAnalyzer, log *slog.Logger) *library {
	l := &library{store: s, graphs: lineageview.New(lineageview.Config{Store: s, SQL: sql}), log: log}
	l.life, l.end = context.WithCancel(access.AsSystem(context.WithoutCancel(ctx)))
	return l
}

// close ends all loads and waits for them.
func (l *library) close() {
	if l == nil {
		return
	}
	l.end()
	l.work.Wait()
}

// warm makes the view of a connection ready in the background.
func (l *library) warm(org store.OrgID, conn store.ConnectionID) {
	l.work.Go(func() {
		if _, err := l.View(l.life, org, conn); err != nil && errs.KindOf(err) != errs.NotFound && l.life.Err() == nil {
			l.log.Warn("the catalog could not be made ready", slog.String("error", err.Error()))
		}
	})
}

type kept struct {
	scan   store.ScanID
	part   string // key of the grant; empty for whole views
	view   *browse.View
	assets int
	docs   []store.SearchDoc // of a part, once somebody searched it
}

// View implements [browse.Library]: what the context's actor sees.
func (l *library) View(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*browse.View, error) {
	latest, far, err := l.latest(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	whole, err := l.whole(ctx, org, latest)
	if err != nil || grants.Everything(far.Grant) {
		return whole, err
	}
	return l.part(ctx, whole, far)
}

// latest finds the newest scan of a connection and what the actor sees of it.
func (l *library) latest(ctx context.Context, org store.OrgID, conn store.ConnectionID) (latest store.Scan, far reach, err error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return latest, far, err
	}
	err = l.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		if latest, err = tx.LatestScan(ctx, conn); err != nil {
			return err
		}
		if far.Grant, err = grants.Of(ctx, tx, conn); err != nil || grants.Everything(far.Grant) {
			return err
		}
		far.counted, err = grants.CountsOf(ctx, tx)
		return err
	})
	return latest, far, err
}

// whole returns a scan with everything in it, whoever asks.
func (l *library) whole(ctx context.Context, org store.OrgID, latest store.Scan) (*browse.View, error) {
	if v := l.cached(latest.ID); v != nil {
		return v, nil
	}
	result := l.load.DoChan(string(latest.ID), func() (any, error) {
		l.work.Add(1)
		defer l.work.Done()
		return l.read(l.life, org, latest)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		view, _ := r.Val.(*browse.View)
		return view, nil
	}
}

func (l *library) read(ctx context.Context, org store.OrgID, latest store.Scan) (*browse.View, error) {
	var snapshot *catalog.Snapshot
	err := l.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		snapshot, err = tx.LoadSnapshot(ctx, latest.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	index := catalog.NewIndex(snapshot)
	// The scan has stored its graph: native queries are not parsed again.
	graph, err := l.graphs.Graph(ctx, org, latest, index)
	if err != nil {
		return nil, err
	}
	view := &browse.View{Scan: latest, Index: index, Graph: graph, Texts: sqllineage.NewTexts(index)} //nolint:contextcheck // it outlives the request that made it
	n := 0
	for range snapshot.All() {
		n++
	}
	for _, t := range snapshot.Tables {
		n += len(t.Columns) / 4
	}
	l.keep(kept{scan: latest.ID, view: view, assets: n})
	return view, nil
}

func (l *library) cached(scan store.ScanID) *browse.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.views, func(k kept) bool { return k.scan == scan })
	if i < 0 {
		return nil
	}
	k := l.views[i]
	l.views = append(slices.Delete(l.views, i, i+1), k)
	return k.view
}

// holds reports whether a view is still kept.
func (l *library) holds(view *browse.View) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := func(k kept) bool { return k.view == view }
	return slices.ContainsFunc(l.views, same) || slices.ContainsFunc(l.parts, same)
}

// keep adds a view, drops older ones of the same connection and then those that
// were not used for longest until the rest fits.
func (l *library) keep(k kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.views = slices.DeleteFunc(l.views, func(o kept) bool { return o.view.Scan.ConnectionID == k.view.Scan.ConnectionID })
	l.views = append(l.views, k)
	total := 0
	for _, v := range l.views {
		total += v.assets
	}
	for len(l.views) > 1 && total > libraryAssets {
		total -= l.views[0].assets
		l.views = slices.Delete(l.views, 0, 1)
	}
}
