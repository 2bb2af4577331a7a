package scan

import (
	"slices"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/store"
)

// The states of a step.
const (
	stepWaiting = "waiting"
	stepRunning = "running"
	stepDone    = "done"
	stepSkipped = "skipped"
	stepPartial = "partial"
	stepFailed  = "failed"
)

// tracker keeps the progress of all steps and reports it. It is safe for
// concurrent use; report is called by one goroutine at a time.
type tracker struct {
	report func(store.ScanProgress)
	now    func() time.Time
	stats  func() catalog.RequestStats

	mu      sync.Mutex
	resumed bool
	steps   []store.StepProgress
	begun   []time.Time
	shown   []int // done when last reported
}

func newTracker(steps []step, report func(store.ScanProgress), now func() time.Time, stats func() catalog.RequestStats) *tracker {
	t := &tracker{report: report, now: now, stats: stats, begun: make([]time.Time, len(steps)), shown: make([]int, len(steps))}
	for _, s := range steps {
		t.steps = append(t.steps, store.StepProgress{Name: s.name, Title: s.title, State: stepWaiting})
	}
	return t
}

// counter is the progress of one step.
type counter struct {
	t *tracker
	i int
}

func (t *tracker) counter(name string) counter {
	t.mu.Lock()
	defer t.mu.Unlock()
	return counter{t, slices.IndexFunc(t.steps, func(s store.StepProgress) bool { return s.Name == name })}
}

func (t *tracker) markResumed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.resumed = true
}

// begin starts a step; total 0 means not known.
func (c counter) begin(total int) {
	c.set(func(s *store.StepProgress) {
		s.State, s.Done, s.Total = stepRunning, 0, total
		c.t.begun[c.i] = c.t.now()
	})
}

// expect corrects the total of a running step.
func (c counter) expect(total int) { c.set(func(s *store.StepProgress) { s.Total = total }) }

// add counts finished items. Only every hundredth of the step is reported, so
// that 10,000 questions do not make 10,000 reports.
func (c counter) add(n int) {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	s := &c.t.steps[c.i]
	s.Done += n
	s.Total = max(s.Total, s.Done*min(s.Total, 1)) // an underestimated total grows, an unknown one stays unknown
	if s.Done-c.t.shown[c.i] >= max(1, max(s.Total, s.Done)/100) {
		c.t.shown[c.i] = s.Done
		c.t.publish()
	}
}

// end finishes a step.
func (c counter) end(state, note string) {
	c.set(func(s *store.StepProgress) {
		s.State, s.Note, s.ETASeconds = state, note, 0
		if state == stepDone || state == stepPartial {
			s.Total = s.Done
		}
	})
}

func (c counter) set(change func(*store.StepProgress)) {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	change(&c.t.steps[c.i])
	c.t.shown[c.i] = c.t.steps[c.i].Done
	c.t.publish()
}

// publish computes the estimates and reports. The caller holds the lock.
func (t *tracker) publish() {
	if t.report == nil {
		return
	}
	now := t.now()
	whole, known := 0, true
	for i := range t.steps {
		s := &t.steps[i]
		s.ETASeconds = 0
		if s.State != stepRunning {
			continue
		}
		rest, ok := remaining(s.Done, s.Total, now.Sub(t.begun[i]))
		if !ok {
			known = known && s.Total == 0 && s.Done == 0 // a single request just sent says nothing yet
			continue
		}
		s.ETASeconds = seconds(rest)
		whole = max(whole, s.ETASeconds)
	}
	if !known {
		whole = 0
	}
	stats := t.stats()
	t.report(store.ScanProgress{
		Steps: slices.Clone(t.steps), ETASeconds: whole,
		Requests: stats.Total, Bytes: stats.Bytes, Resumed: t.resumed,
	})
}

// remaining extrapolates the rate so far. It needs a known total and something
// done in a measurable time.
func remaining(done, total int, elapsed time.Duration) (time.Duration, bool) {
	if done <= 0 || total <= 0 || elapsed <= 0 {
		return 0, false
	}
	return time.Duration(float64(elapsed) / float64(done) * float64(max(0, total-done))), true
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
