package app

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/duplicates"
	"github.com/metalens/metalens/internal/web/metrics"
)

// contentPages implements [duplicates.Service] and [metrics.Service]: it compares
// the content of a scan once and keeps the answer as long as the library keeps
// the scan.
type contentPages struct {
	library *library
	load    singleflight.Group
	mu      sync.Mutex
	kept    []*compared
}

// compared is what similar says about one scan, ready for the pages.
type compared struct {
	view       *browse.View
	duplicates *duplicates.Content
	metrics    *metrics.Content
	found      similar.Result
}

func newContentPages(l *library) *contentPages { return &contentPages{library: l} }

// Duplicates implements [duplicates.Service].
func (p *contentPages) Duplicates(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*duplicates.Content, error) {
	c, err := p.compare(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	return c.duplicates, nil
}

// Metrics implements [metrics.Service].
func (p *contentPages) Metrics(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*metrics.Content, error) {
	c, err := p.compare(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	return c.metrics, nil
}

// warm makes the pages about a connection ready in the background.
func (p *contentPages) warm(org store.OrgID, conn store.ConnectionID) {
	l := p.library
	l.work.Go(func() {
		if _, err := p.compare(l.life, org, conn); err != nil && errs.KindOf(err) != errs.NotFound && l.life.Err() == nil {
			l.log.Warn("duplicates and metrics could not be made ready", slog.String("error", err.Error()))
		}
	})
}

// compare compares the content of the last scan of a connection. That outlives
// the reader who began it, since others wait for the same; it ends with the
// library.
func (p *contentPages) compare(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*compared, error) {
	l := p.library
	view, err := l.View(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	if c := p.find(view); c != nil {
		return c, nil
	}
	result := p.load.DoChan(view.Key(), func() (any, error) {
		l.work.Add(1)
		defer l.work.Done()
		return p.work(view)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		c, _ := r.Val.(*compared)
		return c, r.Err
	}
}

// work compares the content of a view and keeps the answer. Nothing above the
// goroutine it runs in would catch a panic, so it does.
func (p *contentPages) work(view *browse.View) (c *compared, err error) {
	l := p.library
	defer func() {
		if r := recover(); r != nil {
			l.log.Error("comparing content panicked", slog.String("panic", fmt.Sprint(r)), slog.String("stack", string(debug.Stack())))
			c, err = nil, errs.New(errs.Internal, "comparison_failed", "The content could not be compared.", "The log has the detail. Other pages work without it.")
		}
	}()
	found := similar.Analyze(l.life, view.Index, view.Graph)
	if err := l.life.Err(); err != nil {
		return nil, err
	}
	c = &compared{view, duplicates.NewContent(view, found.Clusters), metrics.NewContent(view, found.Metrics, found.Conflicts), found}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = append(p.kept, c)
	return c, nil
}

// find looks a view up, and lets go of what the library has let go of.
func (p *contentPages) find(view *browse.View) *compared {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = slices.DeleteFunc(p.kept, func(c *compared) bool { return c.view != view && !p.library.holds(c.view) })
	for _, c := range p.kept {
		if c.view == view {
			return c
		}
	}
	return nil
}
