package scan

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
	"github.com/metalens/metalens/internal/metabase"
)

func (r *run) nothingToDiscover() string {
	if r.part("questions").facts.NoQuestionList || r.part("dashboards").facts.NoDashboardList {
		return ""
	}
	return "the server lists everything"
}

// discover walks the collections of a server that has no list of questions or
// dashboards, and reads each question it finds.
func (r *run) discover(ctx context.Context, p *part, c counter) error {
	noQuestions := r.part("questions").facts.NoQuestionList
	noDashboards := r.part("dashboards").facts.NoDashboardList
	items, err := r.walk(ctx, p)
	if err != nil {
		return err
	}
	var questions []metabase.Item
	for _, item := range items {
		switch {
		case item.Ref.Kind.IsCard() && noQuestions:
			questions = append(questions, item)
		case item.Ref.Kind == catalog.KindDashboard && noDashboards:
			d := &catalog.Dashboard{
				Common:       catalog.Common{ID: item.Ref.ID, EntityID: item.EntityID, Name: item.Name, Archived: item.Archived},
				CollectionID: item.CollectionID, Pinned: item.Pinned, Verified: item.Verified, DetailUnread: true,
			}
			d.LastEditedAt = item.LastEditedAt
			p.Dashboards = append(p.Dashboards, d)
			p.use(d.Ref(), item.Usage)
		}
	}
	c.expect(len(questions))
	return r.readQuestions(ctx, p, c, questions)
}

// walk lists the items of every collection, known ones and those found on the
// way, each once.
func (r *run) walk(ctx context.Context, p *part) ([]metabase.Item, error) {
	known := map[string]bool{catalog.RootCollectionID: true}
	queue := []string{catalog.RootCollectionID}
	out := r.filter()
	for _, col := range r.part("collections").Collections {
		if col.ID == catalog.RootCollectionID || col.Archived || col.Namespace != "" || out.collection(col.ID) {
			continue
		}
		known[col.ID] = true
		queue = append(queue, col.ID)
	}
	var items []metabase.Item
	seen := map[catalog.Ref]bool{}
	listed, refused := 0, 0
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		children, gaps, err := r.source.Items(ctx, id)
		if err != nil {
			if fatal(ctx, err) {
				return nil, err
			}
			gaps = append(gaps, catalog.Gap{What: "contents of collection " + id, Reason: gapOf("", "", err).Reason})
		}
		if len(gaps) > 0 && len(children) == 0 {
			refused++
		} else {
			listed++
		}
		p.gap(gaps...)
		for _, item := range children {
			if seen[item.Ref] {
				continue
			}
			seen[item.Ref] = true
			if item.Ref.Kind == catalog.KindCollection && !known[item.Ref.ID] && !out.collection(item.Ref.ID) && !out.collection(id) {
				known[item.Ref.ID] = true
				queue = append(queue, item.Ref.ID)
				p.Collections = append(p.Collections, &catalog.Collection{
					Common: catalog.Common{ID: item.Ref.ID, EntityID: item.EntityID, Name: item.Name, Archived: item.Archived}, ParentID: id,
				})
			}
			items = append(items, item)
		}
	}
	if listed == 0 && len(r.part("collections").Collections) <= 1 && len(r.part("databases").Databases) == 0 && len(r.part("schema").Tables) == 0 {
		return nil, nothingListed(refused)
	}
	r.source.LearnCollections(p.Collections)
	return items, nil
}

// readQuestions reads questions one by one. A refused one stays as an
// unreadable row.
func (r *run) readQuestions(ctx context.Context, p *part, c counter, items []metabase.Item) error {
	var mu sync.Mutex
	workers, workCtx := errgroup.WithContext(ctx)
	workers.SetLimit(r.options.Concurrency)
	for _, item := range items {
		workers.Go(func() error {
			q, u, gaps, err := r.source.Question(workCtx, item.Ref.ID)
			if err != nil {
				if fatal(workCtx, err) {
					return err
				}
				gaps = append(gaps, catalog.Gap{What: "question " + item.Ref.ID, Reason: gapOf("", "", err).Reason})
			}
			mu.Lock()
			defer mu.Unlock()
			c.add(1)
			for i := range gaps {
				gaps[i].Whole = false
			}
			p.gap(gaps...)
			if q == nil {
				if item.Name != "" {
					p.Questions = append(p.Questions, unreadable(item))
				}
				return nil
			}
			if u.LastUsedAt == nil {
				u.LastUsedAt = item.Usage.LastUsedAt
			}
			q.Verified = q.Verified || item.Verified
			q.Pinned = q.Pinned || item.Pinned
			p.Questions = append(p.Questions, q)
			p.use(q.Ref(), u)
			return nil
		})
	}
	return workers.Wait()
}

// unreadable makes a row of a question that is known to exist.
func unreadable(item metabase.Item) *catalog.Question {
	return &catalog.Question{
		Common: catalog.Common{ID: item.Ref.ID, EntityID: item.EntityID, Name: item.Name, Archived: item.Archived},
		Type:   item.Ref.Kind, CollectionID: item.CollectionID, DashboardID: item.DashboardID, Unreadable: true,
	}
}

// references finds what only references name: tables that no list has and, on
// servers without lists, questions and dashboards outside the walked
// collections.
func (r *run) references(ctx context.Context, p *part, c counter) error {
	var questions []*catalog.Question
	for _, name := range []string{"questions", "archived", "discovery"} {
		questions = append(questions, r.part(name).Questions...)
	}
	if r.part("questions").facts.NoQuestionList {
		found, err := r.closure(ctx, p, c, questions)
		if err != nil {
			return err
		}
		questions = append(questions, found...)
	}
	if err := r.lostTables(ctx, p, questions); err != nil {
		return err
	}
	return nil
}

// closure reads questions and dashboards that content found so far refers to,
// until nothing new turns up.
func (r *run) closure(ctx context.Context, p *part, c counter, questions []*catalog.Question) ([]*catalog.Question, error) {
	seen := map[catalog.Ref]bool{}
	for _, q := range questions {
		seen[catalog.Ref{Kind: catalog.KindQuestion, ID: q.ID}] = true
	}
	dashboards := slices.Concat(r.part("discovery").Dashboards, r.part("dashboards").Dashboards)
	for _, d := range dashboards {
		seen[d.Ref()] = true
	}
	fresh, freshDashboards := questions, r.part("dashboard_details").Dashboards
	var found []*catalog.Question
	for budget := closureBudget; len(fresh) > 0 || len(freshDashboards) > 0; {
		wanted := map[catalog.Ref]bool{}
		want := func(kind catalog.Kind, id string) {
			if kind.IsCard() {
				kind = catalog.KindQuestion
			}
			if ref := (catalog.Ref{Kind: kind, ID: id}); id != "" && !seen[ref] && (kind == catalog.KindQuestion || kind == catalog.KindDashboard) {
				wanted[ref] = true
			}
		}
		for _, q := range fresh {
			questionTargets(q, want)
		}
		for _, d := range freshDashboards {
			dashboardTargets(d, want)
		}
		for _, s := range r.part("deliveries").Subscriptions {
			want(catalog.KindDashboard, s.DashboardID)
			for _, id := range s.QuestionIDs {
				want(catalog.KindQuestion, id)
			}
		}
		for _, a := range r.part("deliveries").Alerts {
			want(catalog.KindQuestion, a.QuestionID)
		}
		var items []metabase.Item
		var heads []*catalog.Dashboard
		for _, ref := range slices.SortedFunc(maps.Keys(wanted), catalog.Ref.Compare) {
			seen[ref] = true
			if budget--; budget < 0 {
				break
			}
			if ref.Kind == catalog.KindDashboard {
				if r.part("dashboards").facts.NoDashboardList && !r.options.NoDashboardDetail {
					heads = append(heads, &catalog.Dashboard{Common: catalog.Common{ID: ref.ID}, DetailUnread: true})
				}
				continue
			}
			items = append(items, metabase.Item{Ref: ref})
		}
		if budget < 0 {
			p.gap(catalog.Gap{What: "questions outside the listed collections", Kind: catalog.KindQuestion, Reason: fmt.Sprintf("only %d were read", closureBudget)})
		}
		before := len(p.Questions)
		if err := r.readQuestions(ctx, p, c, items); err != nil {
			return nil, err
		}
		fresh = slices.Clone(p.Questions[before:])
		found = append(found, fresh...)
		beforeDashboards := len(p.Dashboards)
		if len(heads) > 0 {
			if err := r.readDashboards(ctx, p, c, heads, nil); err != nil {
				return nil, err
			}
			// A head without a name is no more than a dangling reference.
			kept := slices.DeleteFunc(slices.Clone(p.Dashboards[beforeDashboards:]), func(d *catalog.Dashboard) bool { return d.Name == "" })
			p.Dashboards = append(p.Dashboards[:beforeDashboards], kept...)
		}
		freshDashboards = p.Dashboards[beforeDashboards:]
	}
	return found, nil
}

func questionTargets(q *catalog.Question, want func(catalog.Kind, string)) {
	want(catalog.KindQuestion, q.SourceQuestionID)
	want(catalog.KindDashboard, q.DashboardID)
	for _, tag := range q.Query.Tags {
		want(catalog.KindQuestion, tag.QuestionID)
	}
	for _, parameter := range q.Parameters {
		want(catalog.KindQuestion, parameter.SourceQuestionID)
	}
	for _, ref := range q.ClickTargets {
		want(ref.Kind, ref.ID)
	}
	if len(q.Query.MBQL) == 0 {
		return
	}
	query, err := mbql.Parse(q.Query.MBQL)
	if err != nil {
		return // the lineage reports queries that cannot be read
	}
	references := query.References(nil)
	for _, use := range references.Cards {
		want(catalog.KindQuestion, use.Card)
	}
	for _, use := range references.Metrics {
		want(catalog.KindQuestion, use)
	}
}

func dashboardTargets(d *catalog.Dashboard, want func(catalog.Kind, string)) {
	for _, parameter := range d.Parameters {
		want(catalog.KindQuestion, parameter.SourceQuestionID)
	}
	for _, card := range d.Cards {
		want(catalog.KindQuestion, card.QuestionID)
		for _, id := range card.SeriesIDs {
			want(catalog.KindQuestion, id)
		}
		for _, ref := range card.ClickTargets {
			want(ref.Kind, ref.ID)
		}
		want(card.LinkTarget.Kind, card.LinkTarget.ID)
	}
}
