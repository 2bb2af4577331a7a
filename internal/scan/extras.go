package scan

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/metalens/metalens/internal/catalog"
)

// each runs small reads at the same time, every one into a part of its own, and
// joins them in order.
func (r *run) each(ctx context.Context, p *part, c counter, reads ...func(context.Context, *part) error) error {
	c.expect(len(reads))
	parts := make([]*part, len(reads))
	workers, ctx := errgroup.WithContext(ctx)
	for i, read := range reads {
		parts[i] = newPart()
		workers.Go(func() error {
			defer c.add(1)
			return read(ctx, parts[i])
		})
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	for _, one := range parts {
		p.merge(one)
	}
	return nil
}

// merge adds what another part holds.
func (p *part) merge(o *part) {
	for a := range o.All() {
		p.Add(a)
	}
	p.uses(o.Usage)
	p.gap(o.Gaps...)
	if o.Access.Collections != nil {
		p.Access.Collections = o.Access.Collections
	}
	if o.Access.Data != nil {
		p.Access.Data = o.Access.Data
	}
	if o.Access.Memberships != nil {
		p.Access.Memberships = o.Access.Memberships
	}
}

// kindRead reads one optional kind into a part.
func kindRead[A catalog.Asset](r *run, what string, kind catalog.Kind, pick func(*catalog.Snapshot) []A, read lister[A]) func(context.Context, *part) error {
	return func(ctx context.Context, p *part) error {
		list, err := optional(ctx, p, what, kind, previous(r, pick), read)
		if err != nil {
			return err
		}
		for _, a := range list {
			p.Add(a)
		}
		return nil
	}
}

func (r *run) definitions(ctx context.Context, p *part, c counter) error {
	return r.each(ctx, p, c,
		kindRead(r, "segments", catalog.KindSegment, func(s *catalog.Snapshot) []*catalog.Segment { return s.Segments }, r.source.Segments),
		kindRead(r, "measures", catalog.KindMeasure, func(s *catalog.Snapshot) []*catalog.Measure { return s.Measures }, r.source.Measures),
		kindRead(r, "snippets", catalog.KindSnippet, func(s *catalog.Snapshot) []*catalog.Snippet { return s.Snippets }, r.source.Snippets),
	)
}

func (r *run) deliveries(ctx context.Context, p *part, c counter) error {
	return r.each(ctx, p, c,
		kindRead(r, "subscriptions", catalog.KindSubscription, func(s *catalog.Snapshot) []*catalog.Subscription { return s.Subscriptions }, r.source.Subscriptions),
		kindRead(r, "alerts", catalog.KindAlert, func(s *catalog.Snapshot) []*catalog.Alert { return s.Alerts }, r.source.Alerts),
	)
}

func (r *run) extras(ctx context.Context, p *part, c counter) error {
	documents := func(ctx context.Context, p *part) error {
		list, err := optional(ctx, p, "documents", catalog.KindDocument, previous(r, func(s *catalog.Snapshot) []*catalog.Document { return s.Documents }),
			func(ctx context.Context) ([]*catalog.Document, []catalog.Gap, error) {
				list, usage, gaps, err := r.source.Documents(ctx)
				p.uses(usage)
				return list, gaps, err
			})
		p.Documents = list
		return err
	}
	return r.each(ctx, p, c,
		kindRead(r, "transforms", catalog.KindTransform, func(s *catalog.Snapshot) []*catalog.Transform { return s.Transforms }, r.source.Transforms),
		kindRead(r, "actions", catalog.KindAction, func(s *catalog.Snapshot) []*catalog.Action { return s.Actions }, r.source.Actions),
		documents,
	)
}

func (r *run) people(ctx context.Context, p *part, c counter) error {
	return r.each(ctx, p, c,
		kindRead(r, "people", catalog.KindPerson, func(s *catalog.Snapshot) []*catalog.Person { return s.People }, r.source.People))
}

// permissions reads groups, memberships and both permission graphs.
func (r *run) permissions(ctx context.Context, p *part, c counter) error {
	return r.each(ctx, p, c,
		kindRead(r, "groups", catalog.KindGroup, func(s *catalog.Snapshot) []*catalog.Group { return s.Groups }, r.source.Groups),
		func(ctx context.Context, p *part) error {
			return access(ctx, p, "group memberships", &p.Access.Memberships, r.source.Memberships)
		},
		func(ctx context.Context, p *part) error {
			return access(ctx, p, "collection permissions", &p.Access.Collections, r.source.CollectionAccess)
		},
		func(ctx context.Context, p *part) error {
			return access(ctx, p, "data permissions", &p.Access.Data, r.source.DataAccess)
		},
	)
}

// access reads one of the permission facts. Nothing of an older scan stands in:
// stale permissions would be worse than unknown ones.
func access[T any](ctx context.Context, p *part, what string, into *T, read func(context.Context) (T, []catalog.Gap, error)) error {
	value, gaps, err := read(ctx)
	if err != nil {
		if fatal(ctx, err) {
			return err
		}
		g := gapOf(what, "", err)
		g.Whole = false
		gaps = append(gaps, g)
	} else {
		*into = value
	}
	p.gap(gaps...)
	return nil
}

func (r *run) noQueryTimes() string {
	switch {
	case r.options.QueryTimeBudget < 0:
		return "switched off"
	case r.part("questions").facts.NoQuestionList:
		return "read with each question"
	}
	return ""
}

// queryTimes reads the average query time of the most viewed questions: it
// exists in their details only. What is known from the last week is taken over.
func (r *run) queryTimes(ctx context.Context, p *part, c counter) error {
	p.Marks.QueryTimeReadAt = map[string]time.Time{}
	out := r.filter()
	var ranked []*catalog.Question
	views := map[string]int64{}
	from := r.part("questions")
	for _, q := range from.Questions {
		if n := from.Usage[q.Ref()].Views; n != nil && *n > 0 && !out.collection(q.CollectionID) {
			ranked = append(ranked, q)
			views[q.ID] = *n
		}
	}
	slices.SortFunc(ranked, func(a, b *catalog.Question) int {
		return cmp.Or(cmp.Compare(views[b.ID], views[a.ID]), catalog.CompareID(a.ID, b.ID))
	})
	ranked = ranked[:min(len(ranked), r.options.QueryTimeBudget)]
	var todo []*catalog.Question
	now := r.options.Now().UTC()
	for _, q := range ranked {
		if r.options.Previous != nil {
			if at, ok := r.options.Previous.Marks.QueryTimeReadAt[q.ID]; ok && now.Sub(at) >= 0 && now.Sub(at) <= queryTimeLife {
				p.Marks.QueryTimeReadAt[q.ID] = at
				p.use(q.Ref(), catalog.Usage{AverageQueryMillis: r.options.Previous.Usage[q.Ref()].AverageQueryMillis})
				continue
			}
		}
		todo = append(todo, q)
	}
	c.expect(len(todo))
	reads := make([]*part, len(todo))
	workers, workCtx := errgroup.WithContext(ctx)
	workers.SetLimit(r.options.Concurrency)
	for i, q := range todo {
		reads[i] = newPart()
		workers.Go(func() error {
			defer c.add(1)
			_, u, gaps, err := r.source.Question(workCtx, q.ID)
			if err != nil {
				if fatal(workCtx, err) {
					return err
				}
				reads[i].gap(catalog.Gap{What: "query time of question " + q.ID, Reason: gapOf("", "", err).Reason})
				return nil
			}
			for _, g := range gaps {
				g.Whole = false
				reads[i].gap(g)
			}
			reads[i].use(q.Ref(), catalog.Usage{AverageQueryMillis: u.AverageQueryMillis})
			reads[i].Marks.QueryTimeReadAt = map[string]time.Time{q.ID: now}
			return nil
		})
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	for _, one := range reads {
		p.merge(one)
		for id, at := range one.Marks.QueryTimeReadAt {
			p.Marks.QueryTimeReadAt[id] = at
		}
	}
	return nil
}
