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
	view   *browse.View
	assets int
}

// View implements [browse.Library].
func (l *library) View(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*browse.View, error) {
	var latest store.Scan
	err := l.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		latest, err = tx.LatestScan(ctx, conn)
		return err
	})
	if err != nil {
		return nil, err
	}
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
	l.keep(kept{latest.ID, view, n})
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
	return slices.ContainsFunc(l.views, func(k kept) bool { return k.view == view })
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

// historyPages implements [browse.History] and [browse.Search].
type historyPages struct{ store *store.Store }

func (p historyPages) Versions(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (list []browse.Version, err error) {
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		versions, err := tx.AssetHistory(ctx, conn, r)
		for _, v := range versions {
			list = append(list, browse.Version{Asset: v.Asset, FromSeq: v.FromSeq, ToSeq: max(0, v.ToSeq-1), SeenAt: v.Since})
		}
		return err
	})
	return list, err
}

func (p historyPages) UsageSeries(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (list []browse.UsagePoint, err error) {
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		points, err := tx.UsageSeries(ctx, conn, r)
		for _, u := range points {
			list = append(list, browse.UsagePoint{At: u.At, Views: u.Usage.Views, LastUsedAt: u.Usage.LastUsedAt})
		}
		return err
	})
	return list, err
}

func (p historyPages) Search(ctx context.Context, org store.OrgID, conn store.ConnectionID, q browse.SearchQuery) (hits []store.SearchHit, total int, err error) {
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		hits, total, err = tx.Search(ctx, conn, store.SearchQuery{Text: q.Text, Kinds: q.Kinds, Limit: q.Limit, Offset: q.Offset})
		return err
	})
	return hits, total, err
}
