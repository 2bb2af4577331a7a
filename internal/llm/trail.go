package llm

import (
	"context"
	"slices"
	"sync"

	"github.com/metalens/metalens/internal/ledger"
)

// trail collects the exchanges of one attempt, as the ledger names them.
type trail struct {
	mu        sync.Mutex
	exchanges []string
}

func (t *trail) add(exchange string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.exchanges = append(t.exchanges, exchange)
}

func (t *trail) list() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.exchanges)
}

type trailKey struct{}

func withTrail(ctx context.Context, t *trail) context.Context {
	return context.WithValue(ctx, trailKey{}, t)
}

// tap is a recorder that also tells an attempt which rows are its own.
type tap struct{ ledger.Recorder }

// Record implements [ledger.Recorder].
func (r tap) Record(ctx context.Context, e ledger.Entry) error {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok && e.Phase == ledger.PhaseIntent {
		t.add(e.Exchange)
	}
	return r.Recorder.Record(ctx, e)
}
