package app

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
)

// historyPages implements [browse.History] and [browse.Search].
type historyPages struct {
	store   *store.Store
	library *library
}

// Versions implements [browse.History].
func (p historyPages) Versions(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (list []browse.Version, err error) {
	scope, err := p.seen(ctx, org, conn, r)
	if err != nil {
		return nil, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		versions, err := tx.AssetHistory(ctx, conn, r)
		for _, v := range versions {
			if scope != nil && v.Asset != nil {
				if v.Asset = scope.Part.Show(v.Asset); v.Asset == nil {
					continue
				}
			}
			list = append(list, browse.Version{Asset: v.Asset, FromSeq: v.FromSeq, ToSeq: max(0, v.ToSeq-1), SeenAt: v.Since})
		}
		return err
	})
	return list, err
}

// UsageSeries implements [browse.History].
func (p historyPages) UsageSeries(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (list []browse.UsagePoint, err error) {
	if _, err := p.seen(ctx, org, conn, r); err != nil {
		return nil, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		points, err := tx.UsageSeries(ctx, conn, r)
		for _, u := range points {
			list = append(list, browse.UsagePoint{At: u.At, Views: u.Usage.Views, LastUsedAt: u.Usage.LastUsedAt})
		}
		return err
	})
	return list, err
}

// seen returns the reader's bounds, nil when there are none; errs.NotFound for an
// asset beyond them.
func (p historyPages) seen(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (*browse.View, error) {
	scope, err := p.library.scope(ctx, org, conn)
	if err == nil && scope != nil && !scope.Part.Sees(r) {
		err = errs.New(errs.NotFound, "not_found", "There is no such asset.", "")
	}
	return scope, err
}

// Search implements [browse.Search]. Who sees a part only is answered from that
// part: the stored index would find by words of what is hidden.
func (p historyPages) Search(ctx context.Context, org store.OrgID, conn store.ConnectionID, q browse.SearchQuery) (hits []store.SearchHit, total int, err error) {
	scope, err := p.library.scope(ctx, org, conn)
	if err != nil {
		return nil, 0, err
	}
	if scope != nil {
		hits, total = p.library.searchPart(scope, q)
		return hits, total, nil
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		hits, total, err = tx.Search(ctx, conn, store.SearchQuery{Text: q.Text, Kinds: q.Kinds, Limit: q.Limit, Offset: q.Offset})
		return err
	})
	return hits, total, err
}

// searchPart searches a part: every word must occur in name, place, description
// or the names inside the SQL; those whose name holds them come first.
func (l *library) searchPart(v *browse.View, q browse.SearchQuery) ([]store.SearchHit, int) {
	words := strings.Fields(strings.ToLower(q.Text))
	if len(words) == 0 || v.Graph == nil {
		return nil, 0
	}
	type found struct {
		hit  store.SearchHit
		rank int
		view int64
	}
	var list []found
	for _, d := range l.docs(v) {
		if len(q.Kinds) > 0 && !slices.Contains(q.Kinds, d.Asset.Kind) {
			continue
		}
		name, rest := strings.ToLower(d.Name), strings.ToLower(d.Path+"\n"+d.Description)
		names := strings.ToLower(strings.Join(d.Identifiers, "\n"))
		f := found{hit: store.SearchHit{Asset: d.Asset, Name: d.Name, Path: d.Path}, rank: d.Trust}
		if d.Views != nil {
			f.view = *d.Views
		}
		all := true
		for _, w := range words {
			switch {
			case strings.Contains(name, w):
				f.rank += 10
			case strings.Contains(rest, w):
				f.rank += 5
			case strings.Contains(names, w):
				f.hit.InSQL = true
			default:
				all = false
			}
		}
		if all {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b found) int {
		return cmp.Or(b.rank-a.rank, cmp.Compare(b.view, a.view), a.hit.Asset.Compare(b.hit.Asset))
	})
	limit := q.Limit
	if limit <= 0 {
		limit = 20
	}
	from := min(max(0, q.Offset), len(list))
	hits := make([]store.SearchHit, 0, limit)
	for _, f := range list[from:min(len(list), from+limit)] {
		hits = append(hits, f.hit)
	}
	return hits, len(list)
}

// docs describes the assets of a part for searching, once for all its readers.
func (l *library) docs(v *browse.View) []store.SearchDoc {
	l.mu.Lock()
	i := slices.IndexFunc(l.parts, func(k kept) bool { return k.view == v })
	if i >= 0 && l.parts[i].docs != nil {
		defer l.mu.Unlock()
		return l.parts[i].docs
	}
	l.mu.Unlock()
	docs := scanservice.SearchDocs(v.Index, v.Graph, identifiers)
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.parts, func(k kept) bool { return k.view == v }); i >= 0 {
		l.parts[i].docs = docs
	}
	return docs
}
