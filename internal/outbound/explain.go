package outbound

import "context"

// Explain gives a failure of a conversation with host, over a connection of a
// [Dialer], its public face: the kind and code that a failed dial has too.
// Errors that have one, and a cancelled context's, stay what they are.
func Explain(ctx context.Context, err error, host string) error { return explain(ctx, err, host) }
