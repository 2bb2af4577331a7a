package scan

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
	"github.com/metalens/metalens/internal/metabase"
)

func (r *run) nothingToDiscover() string {
	if q := r.part("questions").facts; q.NoQuestionList || q.Split || r.part("dashboards").facts.NoDashboardList {
		return ""
	}
	return "the server lists everything"
}

// discover walks the collections of a server that has no list of questions or
// dashboards, and reads each question it finds.
func (r *run) discover(ctx context.Context, p *part, c counter) error {
	noQuestions := r.part("questions").facts.NoQuestionList
	noDashboards := r.part("dashboards").facts.NoDashboardList
	if !noQuestions && !noDashboards {
		return r.withoutDatabase(ctx, p, c)
	}
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

// readQuestions reads questions one by one. One that is refused or left out
// stays as a row that says no more than that it exists.
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
			exists := item.Name != ""
			for i := range gaps {
				gaps[i].Whole = false
				exists = exists || gaps[i].Status == http.StatusForbidden || (q == nil && gaps[i].Expected)
			}
			switch {
			case q != nil:
				if u.LastUsedAt == nil {
					u.LastUsedAt = item.Usage.LastUsedAt
				}
				q.Verified = q.Verified || item.Verified
				q.Pinned = q.Pinned || item.Pinned
				p.Questions = append(p.Questions, q)
				p.use(q.Ref(), u)
			case exists:
				p.Questions = append(p.Questions, unreadable(item))
			}
			p.gap(gaps...)
			return nil
		})
	}
	return workers.Wait()
}

// unreadable makes a row of a question that is known to exist.
func unreadable(item metabase.Item) *catalog.Question {
	q := standIn(item.Ref.ID)
	q.EntityID, q.Archived = item.EntityID, item.Archived
	q.CollectionID, q.DashboardID = item.CollectionID, item.DashboardID
	if item.Name != "" {
		q.Name = item.Name
	}
	if item.Ref.Kind.IsCard() {
		q.Type = item.Ref.Kind
	}
	return q
}

// standIn is the row of a question of which nothing but its existence is told.
func standIn(id string) *catalog.Question {
	return &catalog.Question{Common: catalog.Common{ID: id, Name: "Question " + id + " (not read)"}, Type: catalog.KindQuestion, Unreadable: true}
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
		return r.lostTables(ctx, p, questions, nil)
	}
	earlier := r.askedBefore()
	p.Marks.ReferencesReadAt = r.started
	if earlier != nil {
		p.Marks.ReferencesReadAt = earlier.Marks.ReferencesReadAt
	}
	if err := r.lostQuestions(ctx, p, c, questions, earlier); err != nil {
		return err
	}
	return r.lostTables(ctx, p, questions, earlier)
}

// askedBefore returns the scan before while what it found out about dangling
// references still counts; nil when everything is to be asked again.
func (r *run) askedBefore() *catalog.Snapshot {
	s := r.options.Previous
	if s == nil {
		return nil
	}
	if age := r.started.Sub(s.Marks.ReferencesReadAt); age < 0 || age > referenceLife {
		return nil
	}
	return s
}

// unnamedQuestions names the gap of references that were too many to follow.
const unnamedQuestions = "questions that no list names"

// lostQuestions asks for questions that content uses and no list names: the key
// may not read them, they lie in a collection that is left out, or they are
// gone. What the scan before found out is not asked again.
func (r *run) lostQuestions(ctx context.Context, p *part, c counter, questions []*catalog.Question, earlier *catalog.Snapshot) error {
	out := r.filter()
	known := map[string]bool{}
	for _, q := range questions {
		known[q.ID] = true
	}
	before := map[string]bool{} // used and not listed before, either
	var unasked *catalog.Gap    // what the scan before left out still was not asked for
	if s := earlier; s != nil {
		if i := slices.IndexFunc(s.Gaps, func(g catalog.Gap) bool { return g.What == unnamedQuestions }); i >= 0 {
			unasked = &s.Gaps[i]
		}
		rows := map[string]*catalog.Question{}
		for _, q := range s.Questions {
			rows[q.ID] = q
		}
		used(s.Questions, s.Dashboards, s.Subscriptions, s.Alerts, func(id string) {
			switch q := rows[id]; {
			case q == nil:
				before[id] = true
			case q.Unreadable && !known[id]:
				before[id] = true
				known[id] = true
				p.Questions = append(p.Questions, q)
			}
		})
	}
	wanted := map[string]bool{}
	visible := slices.DeleteFunc(slices.Clone(questions), func(q *catalog.Question) bool { return out.collection(q.CollectionID) })
	used(visible, r.part("dashboard_details").Dashboards, r.part("deliveries").Subscriptions, r.part("deliveries").Alerts, func(id string) {
		if !known[id] && !before[id] {
			wanted[id] = true
		}
	})
	ids := slices.SortedFunc(maps.Keys(wanted), catalog.CompareID)
	switch {
	case len(ids) <= lostQuestions && unasked != nil:
		p.gap(*unasked)
	case len(ids) > lostQuestions:
		p.gap(catalog.Gap{What: unnamedQuestions, Reason: fmt.Sprintf("%d were not asked for, to spare the server", len(ids)-lostQuestions)})
		ids = ids[:lostQuestions]
	}
	var items []metabase.Item
	for _, id := range ids {
		items = append(items, metabase.Item{Ref: catalog.Ref{Kind: catalog.KindQuestion, ID: id}})
	}
	c.expect(len(items))
	gapsBefore := len(p.Gaps)
	err := r.readQuestions(ctx, p, c, items)
	// That something used is gone is a finding, not a gap of the scan.
	p.Gaps = append(p.Gaps[:gapsBefore:gapsBefore], slices.DeleteFunc(slices.Clone(p.Gaps[gapsBefore:]), gone)...)
	return err
}

// used names every question that content uses.
func used(questions []*catalog.Question, dashboards []*catalog.Dashboard, subscriptions []*catalog.Subscription, alerts []*catalog.Alert, yield func(id string)) {
	want := func(kind catalog.Kind, id string) {
		if kind.IsCard() && id != "" {
			yield(id)
		}
	}
	for _, q := range questions {
		questionTargets(q, want)
	}
	for _, d := range dashboards {
		dashboardTargets(d, want)
	}
	for _, s := range subscriptions {
		for _, id := range s.QuestionIDs {
			want(catalog.KindQuestion, id)
		}
	}
	for _, a := range alerts {
		want(catalog.KindQuestion, a.QuestionID)
	}
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
