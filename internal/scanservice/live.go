package scanservice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// errCancelRequested is the cause of a scan that a person stopped.
var errCancelRequested = errs.New(errs.Canceled, "cancelled", "The scan was cancelled.", "The next scan within an hour goes on where this one stopped.")

// errTakenAway is the cause of a scan that somebody else took for dead and ended.
var errTakenAway = errs.New(errs.Conflict, "scan_taken_away", "The scan gave no sign of life for too long and was ended by another process.", "Start it again; it goes on where it stopped.")

// reporter takes progress of one scan, shows it to watchers in this process at
// once, and stores it now and then together with the heartbeat.
type reporter struct {
	service *Service
	org     store.OrgID
	id      store.ScanID
	each    func(store.ScanProgress) // a caller's own view; may be nil
	cancel  context.CancelCauseFunc

	mu       sync.Mutex
	latest   store.ScanProgress
	dirty    bool
	watchers map[chan struct{}]bool

	stop chan struct{}
	done chan struct{}
}

func (s *Service) report(ctx context.Context, org store.OrgID, id store.ScanID, each func(store.ScanProgress), cancel context.CancelCauseFunc) *reporter {
	r := &reporter{
		service: s, org: org, id: id, each: each, cancel: cancel,
		watchers: map[chan struct{}]bool{}, stop: make(chan struct{}), done: make(chan struct{}),
	}
	s.mu.Lock()
	s.live[id] = r
	s.mu.Unlock()
	go r.loop(context.WithoutCancel(ctx))
	return r
}

// progress takes a new state of the reading; it is what scan.Read calls. The
// analysis that follows is one more step.
func (r *reporter) progress(p store.ScanProgress) {
	p.Steps = append(slices.Clone(p.Steps), store.StepProgress{Name: "analysis", Title: "Lineage and findings", State: "waiting"})
	r.show(p)
}

// analysing moves the last step.
func (r *reporter) analysing(state string) {
	p := r.current()
	p.Steps = slices.Clone(p.Steps)
	if n := len(p.Steps); n > 0 {
		p.Steps[n-1].State = state
		r.show(p)
	}
}

func (r *reporter) show(p store.ScanProgress) {
	r.mu.Lock()
	r.latest, r.dirty = p, true
	for w := range r.watchers {
		wake(w)
	}
	r.mu.Unlock()
	if r.each != nil {
		r.each(p)
	}
}

func wake(w chan struct{}) {
	select {
	case w <- struct{}{}:
	default:
	}
}

// loop stores heartbeat and progress until close.
func (r *reporter) loop(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(r.service.config.Poll)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-tick.C:
			r.save(ctx)
		}
	}
}

// save stores the progress and obeys a cancel request.
func (r *reporter) save(ctx context.Context) {
	r.mu.Lock()
	p := r.latest
	r.dirty = false
	r.mu.Unlock()
	var cancelled bool
	err := r.service.config.Store.InOrg(ctx, r.org, func(ctx context.Context, tx *store.Tx) (err error) {
		cancelled, err = tx.UpdateScanProgress(ctx, r.id, p, r.service.config.Now().UTC())
		return err
	})
	if err != nil {
		r.service.config.Logger.WarnContext(ctx, "scan progress not stored", "scan_id", string(r.id), "error", err)
		switch errs.KindOf(err) {
		case errs.NotFound:
			r.cancel(errCancelRequested) // the connection was deleted meanwhile
		case errs.Conflict:
			r.cancel(errTakenAway)
		}
		return
	}
	if cancelled {
		r.cancel(errCancelRequested)
	}
}

// close stops the loop, stores the last state, and lets watchers look once more.
func (r *reporter) close(ctx context.Context) {
	close(r.stop)
	<-r.done
	r.mu.Lock()
	dirty := r.dirty
	r.mu.Unlock()
	if dirty {
		r.save(ctx)
	}
}

// leave ends the live view; the store holds the final state by now.
func (r *reporter) leave() {
	r.service.mu.Lock()
	delete(r.service.live, r.id)
	r.service.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.watchers {
		wake(w)
	}
}

func (r *reporter) watch() (chan struct{}, func()) {
	w := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers[w] = true
	return w, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, w)
	}
}

func (r *reporter) current() store.ScanProgress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}

func (s *Service) running(id store.ScanID) *reporter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id]
}

// Finished reports whether a scan has ended, one way or another.
func Finished(s store.Scan) bool {
	return s.State == store.ScanSucceeded || s.State == store.ScanFailed || s.State == store.ScanCancelled
}

// Scan returns a scan, with its newest progress when it runs in this process.
func (s *Service) Scan(ctx context.Context, org store.OrgID, id store.ScanID) (store.Scan, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return store.Scan{}, err
	}
	var found store.Scan
	err := s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		found, err = tx.Scan(ctx, id)
		return err
	})
	if err != nil {
		return store.Scan{}, fmt.Errorf("scan %s: %w", id, err)
	}
	if r := s.running(id); r != nil && !Finished(found) {
		if p := r.current(); len(p.Steps) > 0 {
			found.Progress = p
		}
	}
	return found, nil
}

// Subscribe sends the scan at once and after each change, until it has ended or
// ctx does; then the channel is closed. A slow receiver misses steps in
// between, never the last state. It works for scans of other processes too.
func (s *Service) Subscribe(ctx context.Context, org store.OrgID, id store.ScanID) (<-chan store.Scan, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return nil, err
	}
	first, err := s.Scan(ctx, org, id)
	if err != nil {
		return nil, err
	}
	out := make(chan store.Scan, 1)
	out <- first
	if Finished(first) {
		close(out)
		return out, nil
	}
	go s.follow(ctx, org, id, out, first)
	return out, nil
}

func (s *Service) follow(ctx context.Context, org store.OrgID, id store.ScanID, out chan store.Scan, last store.Scan) {
	defer close(out)
	tick := time.NewTicker(s.config.Poll)
	defer tick.Stop()
	for !Finished(last) {
		var moved chan struct{}
		forget := func() {}
		if r := s.running(id); r != nil {
			moved, forget = r.watch()
		}
		select {
		case <-ctx.Done():
			forget()
			return
		case <-tick.C:
		case <-moved:
		}
		forget()
		next, err := s.Scan(ctx, org, id)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				s.config.Logger.WarnContext(ctx, "scan not followed further", "scan_id", string(id), "error", err)
			}
			return
		}
		if sameState(last, next) {
			continue
		}
		last = next
		replace(out, next)
	}
}

// sameState reports whether two views of a scan would look the same.
func sameState(a, b store.Scan) bool {
	if a.State != b.State || a.CancelRequested != b.CancelRequested || len(a.Progress.Steps) != len(b.Progress.Steps) ||
		a.Progress.Requests != b.Progress.Requests || a.Progress.ETASeconds != b.Progress.ETASeconds {
		return false
	}
	for i := range a.Progress.Steps {
		if a.Progress.Steps[i] != b.Progress.Steps[i] {
			return false
		}
	}
	return true
}

// replace puts a value into a channel of size one, in place of an unread one.
// Only one goroutine sends.
func replace(out chan store.Scan, next store.Scan) {
	for {
		select {
		case out <- next:
			return
		default:
		}
		select {
		case <-out:
		default:
		}
	}
}
