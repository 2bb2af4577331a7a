package llm

import (
	"context"
	"time"
)

// BatchItem is one request of a batch.
type BatchItem struct {
	ID      string // unique in the batch: letters, digits, _ and -
	Request Request
}

// BatchState is how a batch stands.
type BatchState struct {
	ID      string
	Done    bool      // it has ended; its results can be read
	Total   int       // requests
	Ended   int       // of them
	Expires time.Time // when the provider gives up; zero = not said
	// Files name where the results lie, where the provider says; nothing for
	// callers.
	Files []string
}

// BatchResult is the answer to one item.
type BatchResult struct {
	ID       string
	Response Response
	Err      error // of the kinds of this package; Unbilled where nothing is charged
}

// Batcher is a [Provider] that takes work to be done within a day, for half the
// price. It keeps requests and answers longer than single calls: up to a month.
type Batcher interface {
	SubmitBatch(ctx context.Context, items []BatchItem) (BatchState, error)
	BatchState(ctx context.Context, id string) (BatchState, error)
	// BatchResults hands on the results of a batch that has ended, in any order.
	BatchResults(ctx context.Context, state BatchState, on func(BatchResult) error) error
	CancelBatch(ctx context.Context, id string) error
}

// MaxBatch is how many requests go into one batch: what the ledger can keep of
// one payload bounds it well before the providers' own limits.
const MaxBatch = 1000
