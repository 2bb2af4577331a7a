package ledger

import (
	"context"
	"slices"
	"sync"
)

// Memory is a [Recorder] that keeps entries in memory, for stateless runs and
// tests. The zero value is ready to use.
type Memory struct {
	mu      sync.Mutex
	entries []Entry
}

// Record implements [Recorder].
func (m *Memory) Record(_ context.Context, e Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = append(m.entries, e)
	return nil
}

// Flush implements [Recorder]; there is nothing to make durable.
func (m *Memory) Flush(context.Context) error { return nil }

// Entries returns a copy of what was recorded, in order.
func (m *Memory) Entries() []Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.entries)
}
