package metabase

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

// pacer keeps the load on the customer's server low. At most `most` requests
// run at once; the number is halved when the server says "too many" or answers
// much slower than it did, and grows back one by one. After several requests in
// a row have failed for good it stops asking for a while.
type pacer struct {
	most int
	now  func() time.Time

	mu       sync.Mutex
	limit    int
	running  int
	waiting  []chan struct{}
	streak   int                      // good answers since the last change
	baseline map[string]time.Duration // route pattern → fastest usual answer
	failures int                      // requests in a row that failed for good
	openTill time.Time
	last     error
}

const (
	growAfter      = 20 // good answers before one more request may run at once
	slowFactor     = 4  // how much slower than usual counts as "the server suffers"
	slowFloor      = 2 * time.Second
	breakAfter     = 4 // failed requests in a row before asking stops
	breakFor       = 30 * time.Second
	baselineWeight = 8
)

func newPacer(most int, now func() time.Time) *pacer {
	return &pacer{most: most, limit: most, now: now, baseline: map[string]time.Duration{}}
}

// acquire waits for a slot.
func (p *pacer) acquire(ctx context.Context) error {
	p.mu.Lock()
	if p.now().Before(p.openTill) {
		err := p.last
		p.mu.Unlock()
		return err
	}
	if p.running < p.limit {
		p.running++
		p.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, w := range p.waiting {
			if w == turn {
				p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
				return ctx.Err()
			}
		}
		p.running-- // the turn came at the same moment
		p.wake()
		return ctx.Err()
	}
}

func (p *pacer) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	p.wake()
}

// wake hands free slots to waiters. The lock is held.
func (p *pacer) wake() {
	for p.running < p.limit && len(p.waiting) > 0 {
		p.running++
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
	}
}

// answered takes in how one attempt went.
func (p *pacer) answered(r route, status int, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		p.shrink()
	case status >= 500 || status == 0:
		p.streak = 0
	default:
		usual, known := p.baseline[r.pattern]
		switch {
		case !known || took < usual:
			p.baseline[r.pattern] = took
		default:
			p.baseline[r.pattern] = usual + (took-usual)/baselineWeight
		}
		if known && took > slowFloor && took > slowFactor*usual {
			p.shrink()
			return
		}
		p.streak++
		if p.streak >= growAfter && p.limit < p.most {
			p.limit++
			p.streak = 0
			p.wake()
		}
	}
}

func (p *pacer) shrink() {
	p.limit = max(1, p.limit/2)
	p.streak = 0
}

// finished takes in how one request ended, after all its attempts.
func (p *pacer) finished(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.failures = 0
		return
	}
	p.failures++
	if p.failures >= breakAfter {
		text, hint := errs.PublicText(err)
		p.last = errs.Wrap(err, errs.KindOf(err), errs.CodeOf(err), text+" Asking was stopped for half a minute.", hint)
		p.openTill = p.now().Add(breakFor)
		p.failures = breakAfter - 1 // one more failure after the pause opens it again
	}
}

// atOnce tells how many requests may run at once now.
func (p *pacer) atOnce() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit
}
