package scan

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/metabase"
)

// dashboards lists live and archived dashboards without their cards. The count
// of our own reads is taken at the same time as the views it is subtracted from.
func (r *run) dashboards(ctx context.Context, p *part, c counter) error {
	if r.options.OwnReads != nil {
		counts, err := r.options.OwnReads.Counts(ctx)
		if err != nil {
			return fmt.Errorf("load own dashboard reads: %w", err)
		}
		p.facts.OwnReads = counts
	}
	heads, gaps, err := r.source.DashboardHeads(ctx, false)
	switch {
	case unlisted(err):
		p.facts.NoDashboardList = true
		return nil
	case err != nil:
		return err
	}
	if err := needed("dashboards", gaps); err != nil {
		return err
	}
	p.gap(gaps...)
	p.heads(heads)
	c.add(len(heads))
	archived, gaps, err := r.source.DashboardHeads(ctx, true)
	if err != nil {
		if fatal(ctx, err) {
			return err
		}
		g := gapOf("archived dashboards", "", err)
		g.Expected = metabase.IsMissing(err)
		gaps = append(gaps, g)
	}
	for i := range gaps {
		gaps[i].Whole = false
	}
	p.gap(gaps...)
	p.heads(archived)
	c.add(len(archived))
	return nil
}

func (p *part) heads(heads []metabase.DashboardHead) {
	for _, h := range heads {
		p.Dashboards = append(p.Dashboards, h.Dashboard)
		p.use(h.Dashboard.Ref(), h.Usage)
	}
}

func (r *run) noDetails() string {
	if r.options.NoDashboardDetail {
		return "left out, so that no view is counted"
	}
	return ""
}

// details reads the cards of dashboards that are new or moved. Every read is
// counted before it is sent and staged when it is answered, so that none is
// repeated after an interruption.
func (r *run) details(ctx context.Context, p *part, c counter) error {
	var heads []*catalog.Dashboard
	usage := map[catalog.Ref]catalog.Usage{}
	for _, name := range []string{"dashboards", "discovery"} {
		from := r.part(name)
		for _, d := range from.Dashboards {
			heads = append(heads, d)
			usage[d.Ref()] = from.Usage[d.Ref()]
		}
	}
	return r.readDashboards(ctx, p, c, heads, usage)
}

func (r *run) readDashboards(ctx context.Context, p *part, c counter, heads []*catalog.Dashboard, usage map[catalog.Ref]catalog.Usage) error {
	known := r.knownQuestions()
	out := r.filter()
	var todo []*catalog.Dashboard
	seen := map[string]bool{}
	for _, head := range heads {
		if seen[head.ID] || out.collection(head.CollectionID) {
			continue
		}
		seen[head.ID] = true
		if old := r.unchanged(head, usage[head.Ref()], known); old != nil {
			p.Dashboards = append(p.Dashboards, withCards(head, old, r.part("dashboards").facts.NoDashboardList))
			continue
		}
		if head.Archived {
			continue // a read would count as a view of something nobody can open
		}
		todo = append(todo, head)
	}
	c.expect(len(todo))
	reads := &detailReads{run: r, part: p, counter: c, usage: usage}
	workers, workCtx := errgroup.WithContext(ctx)
	workers.SetLimit(r.options.Concurrency)
	for _, head := range todo {
		if workCtx.Err() != nil {
			break
		}
		workers.Go(func() error { return reads.one(workCtx, head) })
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// unchanged returns the dashboard of the scan before, if the new head says that
// nothing about it moved.
func (r *run) unchanged(head *catalog.Dashboard, u catalog.Usage, known map[string]bool) *catalog.Dashboard {
	if r.options.Previous == nil {
		return nil
	}
	old := r.previousDashboard(head.ID)
	if old == nil || old.DetailUnread {
		return nil
	}
	before := r.options.Previous.Usage[old.Ref()].UpdatedAt
	compared := false
	if u.UpdatedAt != nil && before != nil {
		if !u.UpdatedAt.Equal(*before) {
			return nil
		}
		compared = true
	}
	if !head.LastEditedAt.IsZero() || !old.LastEditedAt.IsZero() {
		if !head.LastEditedAt.Equal(old.LastEditedAt) {
			return nil
		}
		compared = true
	}
	if !compared {
		return nil
	}
	if r.part("questions").facts.NoQuestionList {
		return old
	}
	// A deleted question takes its cards along without moving the dashboard.
	for _, card := range old.Cards {
		for _, id := range append([]string{card.QuestionID}, card.SeriesIDs...) {
			if id != "" && !known[id] && r.knewQuestion(id) {
				return nil
			}
		}
	}
	return old
}

// withCards puts the known contents under a fresh head. The head of a
// collection's item tells only a part; the rest stays as it was read.
func withCards(head, old *catalog.Dashboard, item bool) *catalog.Dashboard {
	d := *old
	d.Name, d.Archived, d.CollectionID, d.Pinned = head.Name, head.Archived, head.CollectionID, head.Pinned
	if !item {
		d.Description, d.Edited = head.Description, head.Edited
	}
	return &d
}

// detailReads reads dashboards in parallel.
type detailReads struct {
	run     *run
	part    *part
	counter counter
	usage   map[catalog.Ref]catalog.Usage // of the heads

	mu     sync.Mutex
	broken int // failures in a row
}

// one reads a dashboard, or takes it from the staging. A read that was sent is
// finished even when the scan is cancelled, within a short grace.
func (d *detailReads) one(ctx context.Context, head *catalog.Dashboard) error {
	r := d.run
	key := "dashboard/" + head.ID
	if err := ctx.Err(); err != nil {
		return err
	}
	one, found, err := r.staged(ctx, key)
	if err != nil {
		return err
	}
	if !found {
		lingering, stop := linger(ctx)
		defer stop()
		if one, err = r.readDashboard(lingering, head, d.usage[head.Ref()]); err != nil {
			return err
		}
		if err := r.stage(lingering, key, one); err != nil {
			return err
		}
	} else {
		r.resume(one)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.take(one)
	d.counter.add(1)
	if len(one.Dashboards) > 0 && !one.Dashboards[0].DetailUnread {
		d.broken = 0
		return nil
	}
	if d.broken++; d.broken >= brokenAfter && len(one.Gaps) > 0 && passing(one.Gaps[0]) {
		return errs.New(errs.Unavailable, "server_error",
			fmt.Sprintf("Metabase failed to answer for %d dashboards in a row: %s.", d.broken, one.Gaps[0].Reason),
			"Nothing was stored. Try again later; the scan goes on where it stopped.")
	}
	return nil
}

func (d *detailReads) take(one *part) {
	d.part.Dashboards = append(d.part.Dashboards, one.Dashboards...)
	d.part.uses(one.Usage)
	d.part.gap(one.Gaps...)
	for id, ms := range one.facts.QueryMillis {
		if d.part.facts.QueryMillis == nil {
			d.part.facts.QueryMillis = map[string]float64{}
		}
		d.part.facts.QueryMillis[id] = ms
	}
}

// readDashboard sends one counted read. A refusal or a defect gives the
// contents known before, if any, and a gap.
func (r *run) readDashboard(ctx context.Context, head *catalog.Dashboard, u catalog.Usage) (*part, error) {
	p := newPart()
	if r.options.OwnReads != nil {
		if err := r.options.OwnReads.Add(ctx, head.ID); err != nil {
			return nil, fmt.Errorf("count own dashboard read: %w", err)
		}
	}
	detail, gaps, err := r.source.Dashboard(ctx, head.ID)
	if err != nil {
		if fatal(ctx, err) || errs.CodeOf(err) == "unreachable" {
			return nil, err
		}
		gaps = append(gaps, catalog.Gap{What: "contents of dashboard " + head.ID, Reason: gapOf("", "", err).Reason})
	}
	for i := range gaps {
		gaps[i].Whole = false
	}
	if detail == nil || detail.Dashboard == nil {
		if old := r.previousDashboard(head.ID); old != nil && !old.DetailUnread && len(gaps) > 0 && passing(gaps[0]) {
			// The marks stay those of the old contents, so that the next scan
			// reads the dashboard again.
			kept := *withCards(head, old, r.part("dashboards").facts.NoDashboardList)
			kept.Edited = old.Edited
			u.UpdatedAt = r.options.Previous.Usage[old.Ref()].UpdatedAt
			p.use(kept.Ref(), u)
			gaps[0].Reason += "; shown as the scan before read it"
			p.Dashboards = append(p.Dashboards, &kept)
		} else {
			unread := *head
			unread.DetailUnread = true
			p.Dashboards = append(p.Dashboards, &unread)
		}
		p.gap(gaps...)
		return p, nil
	}
	p.gap(gaps...)
	p.Dashboards = append(p.Dashboards, detail.Dashboard)
	// Where the head came from a collection's item, the detail knows more. Of a
	// listed one, the list's count was taken before this read.
	p.use(detail.Dashboard.Ref(), mergeUsage(detail.Usage, u))
	p.facts.QueryMillis = detail.QueryMillis
	return p, nil
}

// linger returns a context that outlives a cancelled one by a short grace.
func linger(ctx context.Context) (context.Context, func()) {
	lingering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	stopWatch := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(cancelGrace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-done:
		}
	})
	return lingering, func() {
		stopWatch()
		close(done)
		cancel()
	}
}
