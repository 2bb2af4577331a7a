package store

import (
	"context"
	"time"
)

// awaitEvery is how often a rotation looks whether the last writers that seal
// with the old key are done.
const awaitEvery = 20 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
