package assist

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// key names a run: an agent works on a subject once at a time.
type key struct {
	org     store.OrgID
	conn    store.ConnectionID
	agent   agent.Name
	subject string
}

// run is an agent at work in this process, or how it ended.
type run struct {
	key
	user   string
	began  time.Time
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	steps []step
	ended time.Time
	err   error
}

type step struct {
	Words  string
	Live   bool
	Failed bool
}

// state is a copy of where a run stands.
type state struct {
	Steps []step
	Ended bool
	Err   error
	Began time.Time
	Mine  bool // the reader began it: what it looked at is his to see
}

func (r *run) state(ctx context.Context) state {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := state{Ended: !r.ended.IsZero(), Err: r.err, Began: r.began, Mine: r.user == access.From(ctx).User}
	if s.Mine {
		s.Steps = slices.Clone(r.steps)
	}
	return s
}

func (r *run) follow(e agent.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Kind {
	case agent.EventTool:
		r.steps = append(r.steps, step{Words: e.Title, Live: true})
	case agent.EventToolDone:
		for i := range r.steps {
			if r.steps[i].Live {
				r.steps[i] = step{Words: e.Words, Failed: e.Failed}
				break
			}
		}
	case agent.EventRetry:
		r.steps = append(r.steps, step{Words: "The provider is busy; asking again"})
	case agent.EventRepair:
		r.steps = append(r.steps, step{Words: "The answer did not hold; asking once more"})
	case agent.EventText:
	}
	return nil
}

// remembered is how long the end of a run is told; what was said is stored.
const remembered = 10 * time.Minute

// Runs lets agents work after the request that asked for it. It is safe for
// concurrent use. Close it.
type Runs struct {
	service Service
	now     func() time.Time
	base    context.Context //nolint:containedctx // agents outlive the request, not the server
	stop    context.CancelFunc
	working sync.WaitGroup

	mu   sync.Mutex
	runs map[key]*run
}

// NewRuns returns an empty set of runs; a nil clock is time.Now.
func NewRuns(s Service, now func() time.Time) *Runs {
	if now == nil {
		now = time.Now
	}
	base, stop := context.WithCancel(context.Background())
	return &Runs{service: s, now: now, base: base, stop: stop, runs: map[key]*run{}}
}

// Close stops the agents at work and waits for them.
func (r *Runs) Close() {
	r.stop()
	r.working.Wait()
}

// start begins a run unless one is under way.
func (r *Runs) start(ctx context.Context, k key, again bool) error { //nolint:contextcheck // an agent outlives the request
	if err := r.base.Err(); err != nil {
		return errs.New(errs.Unavailable, "stopping", "MetaLens is being stopped.", "Try again in a moment.")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	if have, ok := r.runs[k]; ok && !have.state(ctx).Ended {
		return nil
	}
	work, cancel := context.WithCancel(access.With(r.base, access.From(ctx)))
	one := &run{key: k, user: access.From(ctx).User, began: r.now(), cancel: cancel, done: make(chan struct{})}
	r.runs[k] = one
	r.working.Go(func() {
		defer cancel()
		_, err := r.service.Make(work, k.org, k.conn, k.agent, k.subject, again, one.follow)
		one.mu.Lock()
		one.ended, one.err = r.now(), err
		one.mu.Unlock()
		close(one.done)
	})
	return nil
}

// forget drops runs that ended a while ago. The caller holds the lock.
func (r *Runs) forget() {
	for k, one := range r.runs {
		one.mu.Lock()
		old := !one.ended.IsZero() && r.now().Sub(one.ended) > remembered
		one.mu.Unlock()
		if old {
			delete(r.runs, k)
		}
	}
}

func (r *Runs) find(k key) *run {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	return r.runs[k]
}
