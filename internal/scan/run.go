package scan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// run is one scan under way.
type run struct {
	source  Source
	options Options
	tracker *tracker
	started time.Time

	mu    sync.Mutex
	parts map[string]*part     // finished steps by name
	base  catalog.RequestStats // asked before an interruption

	earlier earlier
}

// step is one named part of the plan.
type step struct {
	name, title string
	after       []string      // steps that have to be finished before
	ready       func() string // one more such step, decided when those are finished; "" = none
	skip        func() string // a reason for people to leave the step out; "" = run it
	read        func(ctx context.Context, p *part, c counter) error
	learn       func(p *part) // tells the source what a staged part holds
	fresh       bool          // runs even when staged
}

func newRun(source Source, options Options) *run {
	r := &run{source: source, options: options, parts: map[string]*part{}, started: options.Now().UTC()}
	r.tracker = newTracker(r.plan(), options.Progress, options.Now, r.stats)
	return r
}

// plan lists the steps in the order people see them. What does not depend on
// each other runs at the same time; the source limits how many requests do.
func (r *run) plan() []step {
	basis := []string{"schema", "collections", "people"}
	return []step{
		{name: "identify", title: "Server and access", read: r.identify, fresh: true},
		// What is left out hangs on the collections, so they are never taken over.
		{name: "collections", title: "Collections", after: []string{"identify"}, read: r.collections, fresh: true},
		{name: "databases", title: "Databases", after: []string{"identify"}, read: r.databases, learn: func(p *part) { r.source.Learn(p.Databases, nil) }},
		{name: "people", title: "People", after: []string{"identify"}, read: r.people, learn: func(p *part) { r.source.LearnPeople(p.People) }},
		{name: "schema", title: "Tables and columns", after: []string{"databases"}, read: r.schema, learn: func(p *part) { r.source.Learn(nil, p.Tables) }},
		{name: "questions", title: "Questions, models and metrics", after: basis, read: r.questions},
		{name: "archived", title: "Archived questions", after: basis, read: r.archived},
		{name: "dashboards", title: "Dashboards", after: basis, read: r.dashboards},
		{name: "definitions", title: "Segments, measures and snippets", after: basis, read: r.definitions},
		{name: "deliveries", title: "Subscriptions and alerts", after: basis, read: r.deliveries},
		{name: "extras", title: "Transforms, actions and documents", after: basis, read: r.extras},
		{name: "permissions", title: "Groups and permissions", after: basis, read: r.permissions},
		{name: "discovery", title: "Discovery through collections", after: []string{"questions", "archived", "dashboards"}, read: r.discover, skip: r.nothingToDiscover},
		{name: "dashboard_details", title: "Dashboard contents", after: []string{"dashboards"}, ready: r.detailsNeed, read: r.details, skip: r.noDetails},
		{
			name: "references", title: "Content that only references name", after: []string{"discovery", "dashboard_details", "deliveries"},
			read: r.references, learn: func(p *part) { r.source.Learn(nil, p.Tables) },
		},
		{name: "query_times", title: "Query times", after: []string{"references"}, read: r.queryTimes, skip: r.noQueryTimes},
	}
}

// detailsNeed lets a first scan open dashboards while questions are still
// arriving. Otherwise the questions decide which dashboards moved, and discovery
// may have to find them first.
func (r *run) detailsNeed() string {
	if r.options.Previous == nil && !r.part("dashboards").facts.NoDashboardList {
		return ""
	}
	return "discovery"
}

// all runs every step as soon as those before it are finished.
func (r *run) all(ctx context.Context) error {
	steps := r.plan()
	finished := make(map[string]chan struct{}, len(steps))
	for _, s := range steps {
		finished[s.name] = make(chan struct{})
	}
	workers, ctx := errgroup.WithContext(ctx)
	wait := func(names ...string) error {
		for _, name := range names {
			select {
			case <-finished[name]:
			case <-ctx.Done():
				return stopped(ctx.Err())
			}
		}
		return nil
	}
	for _, s := range steps {
		workers.Go(func() error {
			if err := wait(s.after...); err != nil {
				return err
			}
			if s.ready != nil {
				if name := s.ready(); name != "" {
					if err := wait(name); err != nil {
						return err
					}
				}
			}
			if err := r.step(ctx, s); err != nil {
				return err
			}
			close(finished[s.name])
			return nil
		})
	}
	return workers.Wait()
}

// open looks at the staging: it goes on, or it discards what does not fit.
func (r *run) open(ctx context.Context) error {
	if r.options.Staging == nil {
		return nil
	}
	data, found, err := r.options.Staging.Load(ctx, "meta")
	if err != nil {
		return fmt.Errorf("load staging: %w", err)
	}
	var m meta
	if found && json.Unmarshal(data, &m) == nil && m.Version == codecVersion && m.Fingerprint == r.fingerprint() {
		if age := r.started.Sub(m.StartedAt); age >= 0 && age <= stagingLife {
			r.started = m.StartedAt
			r.tracker.markResumed()
			return nil
		}
	}
	return r.restart(ctx)
}

func (r *run) restart(ctx context.Context) error {
	if r.options.Staging == nil {
		return nil
	}
	if err := r.options.Staging.Drop(ctx); err != nil {
		return fmt.Errorf("drop staging: %w", err)
	}
	data, err := json.Marshal(meta{Version: codecVersion, Fingerprint: r.fingerprint(), StartedAt: r.started})
	if err != nil {
		return fmt.Errorf("encode staging: %w", err)
	}
	if err := r.options.Staging.Save(ctx, "meta", data); err != nil {
		return fmt.Errorf("save staging: %w", err)
	}
	return nil
}

// fingerprint covers everything that decides what a step reads.
func (r *run) fingerprint() string {
	o := r.options
	excluded := slices.Sorted(slices.Values(o.ExcludedCollections))
	text := fmt.Sprintf("%s|%q|%t|%t|%t|%d|%d", o.Fingerprint, excluded, o.IncludePersonal, o.NoDashboardDetail, o.RefreshSchema, o.QueryTimeBudget, o.SplitQuestions)
	if o.Previous != nil {
		text += "|" + o.Previous.StartedAt.UTC().Format(time.RFC3339Nano)
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// step runs one step, or takes its staged result.
func (r *run) step(ctx context.Context, s step) error {
	c := r.tracker.counter(s.name)
	if err := ctx.Err(); err != nil {
		return stopped(err)
	}
	if s.skip != nil {
		if why := s.skip(); why != "" {
			r.keep(s.name, newPart())
			c.end(stepSkipped, why)
			return nil
		}
	}
	if !s.fresh {
		p, found, err := r.staged(ctx, s.name)
		if err != nil {
			return err
		}
		if found {
			if s.learn != nil {
				s.learn(p)
			}
			r.resume(p)
			r.keep(s.name, p)
			c.end(stepDone, "taken over from the interrupted scan")
			return nil
		}
	}
	p := newPart()
	c.begin(0)
	if err := s.read(ctx, p, c); err != nil {
		c.end(stepFailed, "")
		if ctx.Err() != nil {
			return stopped(ctx.Err())
		}
		return fmt.Errorf("scan step %s: %w", s.name, err)
	}
	stats := r.stats()
	p.facts.Stats = &stats
	p.facts.Seen = r.source.PeopleSeen()
	if !s.fresh {
		if err := r.stage(ctx, s.name, p); err != nil {
			return err
		}
	}
	r.keep(s.name, p)
	c.end(outcome(p.Gaps))
	return nil
}

// outcome tells how a finished step went.
func outcome(gaps []catalog.Gap) (state, note string) {
	open := 0
	for _, g := range gaps {
		if !g.Expected {
			open++
			note = g.What + ": " + g.Reason
		}
	}
	switch open {
	case 0:
		return stepDone, ""
	case 1:
		return stepPartial, note
	}
	return stepPartial, fmt.Sprintf("%d things could not be read", open)
}

// stopped says that a scan was cancelled or ran into its deadline.
func stopped(err error) error {
	if errs.KindOf(err) == errs.Limited {
		return errs.Wrap(err, errs.Limited, "timeout", "The scan took longer than it may and was stopped.", "Raise the time limit, or scan at a quieter time. The next scan goes on where this one stopped.")
	}
	return errs.Wrap(err, errs.Canceled, "cancelled", "The scan was cancelled.", "")
}

// staged loads a step's result. What cannot be decoded counts as absent.
func (r *run) staged(ctx context.Context, name string) (*part, bool, error) {
	if r.options.Staging == nil {
		return nil, false, nil
	}
	data, found, err := r.options.Staging.Load(ctx, name)
	if err != nil {
		return nil, false, fmt.Errorf("load staged %s: %w", name, err)
	}
	if !found {
		return nil, false, nil
	}
	p, err := decodePart(data)
	if err != nil {
		r.options.Logger.WarnContext(ctx, "staged step discarded", "step", name, "error", err)
		return nil, false, nil
	}
	return p, true, nil
}

func (r *run) stage(ctx context.Context, name string, p *part) error {
	if r.options.Staging == nil {
		return nil
	}
	data, err := encodePart(p)
	if err != nil {
		return fmt.Errorf("stage %s: %w", name, err)
	}
	if err := r.options.Staging.Save(ctx, name, data); err != nil {
		return fmt.Errorf("stage %s: %w", name, err)
	}
	return nil
}

func (r *run) keep(name string, p *part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts[name] = p
}

// part returns a finished step's result.
func (r *run) part(name string) *part {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.parts[name]; p != nil {
		return p
	}
	return newPart()
}

// resume takes over what was asked before an interruption.
func (r *run) resume(p *part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := p.facts.Stats; s != nil && s.Total > r.base.Total {
		r.base = *s
	}
}

// stats counts the requests of this scan, those before an interruption included.
func (r *run) stats() catalog.RequestStats {
	now := r.source.Stats()
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := catalog.RequestStats{Total: now.Total + r.base.Total, Bytes: now.Bytes + r.base.Bytes, ByRoute: map[string]int{}}
	for _, from := range []map[string]int{r.base.ByRoute, now.ByRoute} {
		for route, n := range from {
			sum.ByRoute[route] += n
		}
	}
	return sum
}

// passing reports a trouble that may be over next time, by the HTTP status of a
// gap: none at all, overload, or a defect of the server.
func passing(g catalog.Gap) bool {
	return !g.Expected && (g.Status == 0 || g.Status == 408 || g.Status == 429 || g.Status >= 500)
}

// fatal reports an error after which no further request makes sense.
func fatal(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errs.KindOf(err) == errs.Unauthorized
}

// gapOf describes a failed read for people.
func gapOf(what string, kind catalog.Kind, err error) catalog.Gap {
	text, _ := errs.PublicText(err)
	return catalog.Gap{What: what, Kind: kind, Reason: sentence(text), Whole: true}
}

// sentence makes a public text fit behind a colon.
func sentence(text string) string { return strings.TrimSuffix(strings.TrimSpace(text), ".") }
