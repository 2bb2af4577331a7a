package webtest

import (
	"context"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Scans implements the pages' service.
func (b *Backend) Scans(_ context.Context, _ store.OrgID, conn store.ConnectionID, limit int, before store.ScanID) ([]store.Scan, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []store.Scan
	past := before == ""
	for _, s := range slices.Backward(b.scans) {
		if past && s.ConnectionID == conn && len(list) < limit {
			list = append(list, s)
		}
		past = past || s.ID == before
	}
	return list, nil
}

// Scan implements the pages' service.
func (b *Backend) Scan(_ context.Context, _ store.OrgID, id store.ScanID) (store.Scan, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.find(id); i >= 0 {
		return b.scans[i], nil
	}
	return store.Scan{}, missing("scan")
}

func (b *Backend) find(id store.ScanID) int {
	return slices.IndexFunc(b.scans, func(s store.Scan) bool { return s.ID == id })
}

// LatestScan implements the pages' service.
func (b *Backend) LatestScan(_ context.Context, _ store.OrgID, conn store.ConnectionID) (store.Scan, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Broken != nil {
		return store.Scan{}, b.Broken
	}
	for _, s := range slices.Backward(b.scans) {
		if s.ConnectionID == conn && s.State == store.ScanSucceeded {
			return s, nil
		}
	}
	return store.Scan{}, missing("scan")
}

// RunningScan implements the frame's status.
func (b *Backend) RunningScan(_ context.Context, _ store.OrgID, conn store.ConnectionID) (*store.Scan, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.scans {
		if s.ConnectionID == conn && (s.State == store.ScanQueued || s.State == store.ScanRunning) {
			return &s, nil
		}
	}
	return nil, nil //nolint:nilnil // none runs
}

// StartScan implements the pages' service: the scan walks through its steps and
// ends with the sample company.
func (b *Backend) StartScan(_ context.Context, _ store.OrgID, conn store.ConnectionID, by store.UserID) (store.Scan, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.scans {
		if s.ConnectionID == conn && (s.State == store.ScanQueued || s.State == store.ScanRunning) {
			return s, nil
		}
	}
	s := store.Scan{
		ID: store.ScanID(b.id("scan")), ConnectionID: conn, State: store.ScanQueued, Trigger: "manual", RequestedBy: by, QueuedAt: b.Clock(),
		Progress: store.ScanProgress{Steps: steps()},
	}
	b.scans = append(b.scans, s)
	ctx, cancel := context.WithCancel(context.Background())
	b.cancels[s.ID] = cancel
	fail := b.FailScan
	b.FailScan = nil
	if b.StepDelay == 0 {
		b.finish(s.ID, fail)
		return b.scans[len(b.scans)-1], nil
	}
	go b.walk(ctx, s.ID, fail) //nolint:contextcheck // a scan outlives the request that asked for it; CancelScan ends it
	return s, nil
}

func steps() []store.StepProgress {
	return []store.StepProgress{
		{Name: "collections", Title: "Collections", State: "waiting"},
		{Name: "databases", Title: "Databases, tables and columns", State: "waiting"},
		{Name: "cards", Title: "Questions, models and metrics", State: "waiting"},
		{Name: "dashboards", Title: "Dashboards", State: "waiting", Total: 12},
		{Name: "people", Title: "People, groups and permissions", State: "waiting"},
		{Name: "analysis", Title: "Lineage and checks", State: "waiting"},
	}
}

func (b *Backend) walk(ctx context.Context, id store.ScanID, fail *errs.Error) {
	set := func(f func(*store.Scan)) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if i := b.find(id); i >= 0 {
			f(&b.scans[i])
		}
		b.tell(id)
	}
	set(func(s *store.Scan) { s.State, s.StartedAt = store.ScanRunning, b.Clock() })
	for i := range steps() {
		for part := range 4 {
			set(func(s *store.Scan) {
				p := slices.Clone(s.Progress.Steps)
				p[i].State, p[i].Done, p[i].Total = "running", part*3, 12
				s.Progress.Steps = p
			})
			select {
			case <-ctx.Done():
				set(func(s *store.Scan) { s.State, s.FinishedAt = store.ScanCancelled, b.Clock() })
				return
			case <-time.After(b.StepDelay / 4):
			}
		}
		set(func(s *store.Scan) {
			p := slices.Clone(s.Progress.Steps)
			p[i].State, p[i].Done = "done", 12
			s.Progress.Steps = p
		})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finish(id, fail)
}

func (b *Backend) finish(id store.ScanID, fail *errs.Error) {
	i := b.find(id)
	if i < 0 {
		return
	}
	s := &b.scans[i]
	if s.StartedAt.IsZero() {
		s.StartedAt = s.QueuedAt
	}
	s.FinishedAt = b.Clock()
	if fail != nil {
		s.State, s.ErrorCode, s.ErrorText = store.ScanFailed, fail.Code, fail.Public+" "+fail.Hint
		b.tell(id)
		return
	}
	p := steps()
	for i := range p {
		p[i].State = "done"
	}
	s.Progress.Steps = p
	s.State = store.ScanSucceeded
	b.fill(s)
	b.tell(id)
}

// tell wakes those who watch a scan; the caller holds the lock.
func (b *Backend) tell(id store.ScanID) {
	for _, w := range b.watchers[id] {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// CancelScan implements the pages' service.
func (b *Backend) CancelScan(_ context.Context, _ store.OrgID, id store.ScanID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cancel := b.cancels[id]; cancel != nil {
		cancel()
	}
	if i := b.find(id); i >= 0 {
		b.scans[i].CancelRequested = true
	}
	return nil
}

// WatchScan implements the pages' service.
func (b *Backend) WatchScan(ctx context.Context, org store.OrgID, id store.ScanID) (<-chan store.Scan, error) {
	if _, err := b.Scan(ctx, org, id); err != nil {
		return nil, err
	}
	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	b.mu.Lock()
	b.watchers[id] = append(b.watchers[id], wake)
	b.mu.Unlock()
	out := make(chan store.Scan)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case <-wake:
			}
			s, err := b.Scan(ctx, org, id)
			if err != nil {
				return
			}
			select {
			case out <- s:
			case <-ctx.Done():
				return
			}
			if s.State != store.ScanQueued && s.State != store.ScanRunning {
				return
			}
		}
	}()
	return out, nil
}
