package page

import "context"

type stopKey struct{}

// WithStop returns a context that knows when the server is asked to stop, for
// answers that would otherwise never end.
func WithStop(ctx context.Context, stop <-chan struct{}) context.Context {
	return context.WithValue(ctx, stopKey{}, stop)
}

// Stopping returns a channel that closes when the server is asked to stop; nil,
// which never does, outside [WithStop].
func Stopping(ctx context.Context) <-chan struct{} {
	stop, _ := ctx.Value(stopKey{}).(<-chan struct{})
	return stop
}
